"""The half-year: the one place that knows what it is, how it is written and how a run finds its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from citycheck.errors import BadInput

_WRITTEN = re.compile(r"([0-9]{4})H([12])")


@dataclass(frozen=True, order=True)
class HalfYear:
    """January to June (half 1) or July to December (half 2) of a year, written `2026H1`."""

    year: int
    half: int

    @classmethod
    def parse(cls, text: str) -> HalfYear:
        """Read `2026H1`. Raises `BadInput` for anything else."""
        match = _WRITTEN.fullmatch(text)
        if match is None or not 1900 <= int(match[1]) <= 2999:
            raise BadInput(
                f"Half-year {text!r} is not one: expected a year, H and 1 or 2, such as 2026H1. Correct the parameter."
            )
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def containing(cls, moment: datetime, zone: ZoneInfo) -> HalfYear:
        """The half-year in which an aware moment falls on the clocks of `zone`."""
        local = moment.astimezone(zone)
        return cls(local.year, 1 if local.month <= 6 else 2)

    @property
    def next(self) -> HalfYear:
        return HalfYear(self.year, 2) if self.half == 1 else HalfYear(self.year + 1, 1)

    @property
    def previous(self) -> HalfYear:
        return HalfYear(self.year - 1, 2) if self.half == 1 else HalfYear(self.year, 1)

    @property
    def year_before(self) -> HalfYear:
        """The same half of the year before."""
        return HalfYear(self.year - 1, self.half)

    def start(self, zone: ZoneInfo) -> datetime:
        """First moment of the half-year, aware."""
        return datetime(self.year, 1 if self.half == 1 else 7, 1, tzinfo=zone)

    def end(self, zone: ZoneInfo) -> datetime:
        """First moment after the half-year, aware."""
        return self.next.start(zone)

    def __str__(self) -> str:
        return f"{self.year:04d}H{self.half}"


def utc_naive(moment: datetime) -> datetime:
    """An aware moment as the lake stores it: UTC, without zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def resolve(
    params: dict[str, Any],
    events: list[str],
    data_interval_start: datetime | None,
    data_interval_end: datetime | None,
    zone: ZoneInfo,
) -> HalfYear:
    """The half-year that a run is about: its parameter, else what the assets that started it say, else its interval.

    `events` are the half-years carried by the asset events that started the run. Raises `BadInput` when
    events name several half-years, or when nothing names one: it is never guessed from the clock.
    """
    if params.get("half_year"):
        return HalfYear.parse(str(params["half_year"]))
    if events:
        named = {HalfYear.parse(event) for event in events}
        if len(named) > 1:
            raise BadInput(
                f"The feeds that started this run name several half-years ({', '.join(map(str, sorted(named)))}): "
                "one was expected. Trigger the DAG once for each, with the parameter half_year."
            )
        return named.pop()
    if (
        data_interval_start is not None
        and data_interval_end is not None
        and data_interval_start < data_interval_end
    ):
        half_year = HalfYear.containing(data_interval_start, zone)
        if (half_year.start(zone), half_year.end(zone)) == (data_interval_start, data_interval_end):
            return half_year
        raise BadInput(
            f"The data interval {data_interval_start.isoformat()} to {data_interval_end.isoformat()} is not a half-year "
            f"in {zone.key}. Trigger the DAG with the parameter half_year, such as {half_year}."
        )
    raise BadInput(
        "This run names no half-year: neither a parameter nor a data interval. "
        "Trigger the DAG with the parameter half_year, such as 2026H1."
    )
