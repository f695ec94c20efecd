"""What Kobo and ODK Central have in common: answered forms as JSON, page by page, each with a total and a next page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from requests import PreparedRequest
from requests.auth import AuthBase

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import batch
from citycheck.feeds import json as records

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Shape:
    """The keys of a page (`rows`, `total`, `next`), of a row (`key`, `changed`), and the parameter that skips rows."""

    rows: str
    total: str
    next: str
    skip: str
    key: str
    changed: tuple[str, ...]


def fetch(
    get: Callable[[dict[str, str]], bytes], first: dict[str, str], shape: Shape, out: Path, name: str
) -> datetime | None:
    """Write every page as `<name>-000001.json`, … and give the latest time of change seen.

    `get` brings a page by its parameters; of a page's link to the next only the parameters are taken. Raises
    `SourceUnavailable` when fewer different answers came than there are: a page came twice, or answers were
    deleted or edited while it was read.
    """
    seen: set[str] = set()
    asked: set[frozenset[tuple[str, str]]] = set()
    totals: list[int] = []
    latest: datetime | None = None
    query: dict[str, str] | None = first
    received = 0
    for number in count(1):
        if query is None:
            break
        if frozenset(query.items()) in asked:
            raise SourceUnavailable(
                f"{name}: page {number} leads back to one that was read before. Run the task again later."
            )
        asked.add(frozenset(query.items()))
        body = get(query)
        page, rows = _page(body, shape, f"{name}, page {number}")
        (out / f"{name}-{number:06d}.json").write_bytes(body)
        received += len(rows)
        seen |= {str(row[shape.key]) for row in rows}
        latest = max(filter(None, [latest, *(_changed(row, shape.changed) for row in rows)]), default=None)
        totals += [page[shape.total]] if isinstance(page.get(shape.total), int) else []
        query = _next(page, first, shape, received if rows else None, totals)
    if totals and (len(seen) < totals[-1] or totals[-1] < totals[0]):
        raise SourceUnavailable(
            f"{name}: {len(seen)} different answers came, {totals[0]} were announced first and {totals[-1]} last. A page "
            "came twice, or answers were changed while they were read. Run the task again later."
        )
    return latest


def columns(file: Path, shape: Shape) -> list[str]:
    """All columns of a page, in order of first appearance: groups with dots, as `group.question`."""
    return list(dict.fromkeys(name for row in _rows(file, shape) for name in row))


def batches(file: Path, columns: Sequence[str], shape: Shape) -> Iterator[pa.RecordBatch]:
    """The rows of a page as text, in the order of the file."""
    return batch.of_rows(([row.get(name) for name in columns] for row in _rows(file, shape)), columns)


def check_address(address: str, key: str) -> None:
    """A secret goes over https only, except to this machine. Raises `BadInput`."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise BadInput(
            f"{key}: the address must begin with https://, because a secret is sent there. Correct the profile."
        )


class Authorization(AuthBase):
    """A secret header; the client does not send it to where a redirect leads."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def _page(body: bytes, shape: Shape, what: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        page = json.loads(body)
        rows = page[shape.rows]
        if all(row[shape.key] not in (None, "") for row in rows):
            return page, rows
    except (ValueError, TypeError, KeyError):
        pass
    raise BadInput(
        f"{what}: is no list of answers; expected JSON with {shape.rows!r}, and {shape.key!r} in every answer. "
        "Check the address and the form in the profile."
    )


def _rows(file: Path, shape: Shape) -> Iterator[dict[str, str | None]]:
    for row in records.rows(file, shape.rows):
        yield {name.replace("/", "."): text for name, text in row.items()}


def _next(
    page: dict[str, Any], first: dict[str, str], shape: Shape, received: int | None, totals: list[int]
) -> dict[str, str] | None:
    """The parameters of the next page: those of the page's link, else of what is still missing from the total."""
    if link := page.get(shape.next):
        return first | dict(parse_qsl(urlsplit(link).query))
    if shape.next in page or received is None or not totals or received >= totals[-1]:
        return None
    return first | {shape.skip: str(received)}


def _changed(row: dict[str, Any], names: tuple[str, ...]) -> datetime | None:
    flat: dict[str, str | None] = {}
    records.flatten(row, "", flat)
    try:
        times = [datetime.fromisoformat(text) for name in names if (text := flat.get(name))]
    except ValueError:
        return None
    return max((time if time.tzinfo else time.replace(tzinfo=UTC) for time in times), default=None)
