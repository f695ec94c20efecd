"""Where the rows of each delivery went, why some are in quarantine, and samples of those that tell nothing of a person.

A sample shows what the schema of the lake says is safe, and nothing else is even read: the key, the place in the source,
and of the columns that the reason is about the numbers, times and codes. Never shown: free text, hashes of people,
shapes, texts that are no code, and of rows about people where it was and what is no rating, count or time. What is left
passes the scrubber, and a number long enough to be one of a phone is not shown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq

from citycheck import FEEDS
from citycheck.cities.profile import City, load_city
from citycheck.errors import BadInput, CitycheckError
from citycheck.lake.deliveries import Entry
from citycheck.lake.tables import Column, Table, tables
from citycheck.privacy.scrub import scrub
from citycheck.settings import settings
from citycheck.web import board

MOST = 20
"""Sample rows a reason."""
_CODE = re.compile(r"[0-9A-Za-z._:+/-]{1,64}|\[[a-z_ ]{1,20}\]")
"""A code or an id, or the mark of what the scrubber took out."""
LONG_NUMBER = 10_000_000
"""A phone number in the place of a floor area must not be shown."""
PLACE = ("lon", "lat")


@dataclass(frozen=True)
class Delivery:
    """An accepted delivery with its row ledger."""

    city: str
    feed: str
    half_year: str
    entry: Entry
    counts: bool
    """Whether it is among those that the index is made of."""

    @property
    def id(self) -> str:
        return str(self.entry["delivery"])

    @property
    def ledger(self) -> list[Mapping[str, Any]]:
        return list(self.entry["ledger"])

    @property
    def reasons(self) -> dict[str, dict[str, int]]:
        """Rows in quarantine by table and reason; a row with two reasons counts for both."""
        told = {name: table["quarantined_by_reason"] for name, table in self.entry["tables"].items()}
        return {name: reasons for name, reasons in told.items() if reasons}

    @property
    def totals(self) -> tuple[int, ...]:
        return tuple(sum(row[name] for row in self.ledger) for name in board.ROWS)


@dataclass(frozen=True)
class Samples:
    """Rows of a table in quarantine, by reason; `left_out` are the columns that are never shown."""

    key: tuple[str, ...]
    by_reason: dict[str, list[Sample]]
    counts: dict[str, int]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One row: its key, where it stands in the source, and the columns that the reason is about."""

    key: dict[str, str]
    source_file: str
    source_row: int
    reasons: tuple[str, ...]
    offending: dict[str, str | None]
    """None for a column whose value is not shown."""


def delivered(city: str, half_year: str, feed: str | None = None) -> list[Delivery]:
    """The accepted deliveries of a half-year, feed by feed, the last first. Raises `BadInput` for a damaged manifest."""
    home, about = settings().city_home(city), _profile(city)
    found = []
    for name in [feed] if feed else FEEDS:
        entries = board.accepted(home, name, half_year)
        counting = {entry["delivery"] for entry in board.counting(about, name, entries)}
        found += [
            Delivery(city, name, half_year, entry, entry["delivery"] in counting) for entry in entries[::-1]
        ]
    return found


def totals(deliveries: Iterable[Delivery]) -> dict[str, Counter[str]]:
    """Rows in quarantine by reason and table, of the deliveries that count."""
    counts: dict[str, Counter[str]] = {}
    for delivery in deliveries:
        for table, reasons in delivery.reasons.items() if delivery.counts else ():
            for reason, rows in reasons.items():
                counts.setdefault(reason, Counter())[table] += rows
    return dict(sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def samples(delivery: Delivery, table_name: str) -> Samples | None:
    """Rows of a table that a delivery has in quarantine, or None when it has no such table.

    Raises `BadInput` when the file in the lake is gone or damaged.
    """
    told = delivery.entry["tables"].get(table_name)
    table = tables().get(table_name)
    if told is None or table is None:
        return None
    by_reason: dict[str, list[Sample]] = {}
    path = settings().city_home(delivery.city).lake / told["quarantine"]
    wanted = told["quarantined_by_reason"]
    shown = [column.name for column in table.columns if is_shown(table, column)]
    checks = _checks(table.name)
    try:
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            columns = [
                name for name in (*shown, "source_file", "source_row", "reason_codes") if name in known
            ]
            for batch in file.iter_batches(batch_size=2048, columns=columns) if wanted else ():
                for row in batch.to_pylist():
                    for reason in row["reason_codes"].split(";"):
                        kept = by_reason.setdefault(reason, [])
                        if len(kept) < MOST:
                            kept.append(_sample(table, row, checks.get(reason, ())))
                if all(len(by_reason.get(reason, ())) >= min(MOST, rows) for reason, rows in wanted.items()):
                    break
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{table_name} {delivery.half_year}: the rows in quarantine cannot be read ({type(error).__name__}); expected what "
            f"the task accept of ingest_{delivery.feed} wrote. Restore the file from a copy."
        ) from None
    left_out = tuple(column.name for column in table.columns if not is_shown(table, column))
    return Samples(table.key, dict(sorted(by_reason.items())), wanted, left_out)


def is_shown(table: Table, column: Column) -> bool:
    """Whether values of a column may be shown: see the top of this module."""
    is_of_people = table.event is not None or any(other.protect for other in table.columns)
    if column.protect or column.shape or column.type == "binary":
        return False
    if column.name in table.key:
        return True
    if column.type == "string":
        return column.name.endswith("_code") or (column.name in _places() and not column.is_list)
    if is_of_people:
        return column.name not in PLACE and (
            column.type == "timestamp"
            or column.name == "rating"
            or column.name.startswith(("satisfaction_", "importance_", "report_"))
        )
    return True


@lru_cache
def _places() -> frozenset[str]:
    """The ids of communities, buildings, estates, edges and facilities: keys of tables that are not about people."""
    return frozenset(
        name
        for table in tables().values()
        if table.event is None and not any(column.protect for column in table.columns)
        for name in table.key
        if name.endswith("_id")
    )


@dataclass(frozen=True)
class _Check:
    """What a check with a reason code looks at; one with bounds, or for nulls, is only about the values that break it."""

    columns: tuple[str, ...]
    low: float | None
    high: float | None
    is_for_nulls: bool

    def breaks(self, value: Any) -> bool:
        if self.is_for_nulls:
            return value is None
        if self.low is None and self.high is None:
            return True
        return isinstance(value, int | float) and (
            (self.low is not None and value < self.low) or (self.high is not None and value > self.high)
        )


@lru_cache
def _checks(table: str) -> dict[str, tuple[_Check, ...]]:
    """The checks of a table's suite by their reason code."""
    suite = json.loads((settings().expectations / f"{table}.json").read_text(encoding="utf-8"))
    found: dict[str, tuple[_Check, ...]] = {}
    for check in suite["expectations"]:
        reason, asked = check.get("meta", {}).get("reason_code"), check["kwargs"]
        named = [
            asked.get("column"),
            asked.get("column_A"),
            asked.get("column_B"),
            *asked.get("column_list", []),
        ]
        low, high = (
            bound if isinstance(bound := asked.get(name), int | float) else None
            for name in ("min_value", "max_value")
        )
        if reason:
            columns = tuple(name for name in named if name)
            is_for_nulls = check["type"].endswith("_to_not_be_null")
            found[reason] = (*found.get(reason, ()), _Check(columns, low, high, is_for_nulls))
    return found


def _sample(table: Table, row: Mapping[str, Any], checks: Iterable[_Check]) -> Sample:
    asked = dict.fromkeys(
        name
        for check in checks
        for name in check.columns
        if name not in table.key and (name not in row or check.breaks(row[name]))
    )
    return Sample(
        {name: shown(row.get(name)) for name in table.key},
        str(row["source_file"]),
        int(row["source_row"]),
        tuple(row["reason_codes"].split(";")),
        {name: shown(row[name]) if name in row else None for name in asked},
    )


def shown(value: Any) -> str:
    """A value as it may be shown."""
    if value is None:
        return "∅"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int | float):
        return f"{value:.7g}" if abs(value) < LONG_NUMBER else "[…]"
    text = scrub(str(value))
    return (
        text if _CODE.fullmatch(text) else "[…]"
    )  # what is no code may be anything, a name or an address too


def _profile(city: str) -> City | None:
    try:
        return load_city(city)
    except CitycheckError:
        return None
