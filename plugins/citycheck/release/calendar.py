"""When each stage of a half-year is published: the dates of the standard, and a city's changes of them.

A date is announced long before it comes, and moves only by a further row of `cities/<city>/release_calendar.csv`, with
a reason (Code of Practice for Statistics, T3.1, T3.2). Rows are never edited or taken away.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

from citycheck import standard
from citycheck.cities.profile import City
from citycheck.errors import BadInput, NothingToDo
from citycheck.period import HalfYear
from citycheck.release.publication import KINDS, RELEASE_CALENDAR, Kind

COLUMNS = ("half_year", "stage_code", "release_at", "announced_on", "reason_zh", "reason_en", "decided_by")

Row = dict[str, str]
"""A change as it is written in the file, by column."""


@dataclass(frozen=True)
class Entry:
    """One stage of one half-year. Moments are aware, on the city's clocks."""

    half_year: str
    stage: str
    reference_date: date
    """The last day of the half-year."""
    cut_off: datetime
    release_at: datetime
    by_standard_at: datetime
    """What `release_at` is without a change."""
    announce_by: date
    """The last day on which the date that counts is announced in time."""
    alert_from: datetime
    """From when it is told that nothing is approved."""
    announced_on: date | None = None
    """Of a change; dates of the standard are known ever since."""
    reason_zh: str | None = None
    reason_en: str | None = None
    decided_by: str | None = None

    @property
    def is_changed(self) -> bool:
        return self.announced_on is not None

    @property
    def is_late_notice(self) -> bool:
        """Whether a change was announced with less notice than the standard asks for."""
        return self.announced_on is not None and self.announced_on > self.announce_by


@dataclass(frozen=True)
class Plan:
    """What the next version of a half-year is to be; `release_at` None: at once."""

    kind: Kind
    stage: str
    release_at: datetime | None


def plan(about: City, half_year: str, published_stage: str | None, kind: Kind | None, now: datetime) -> Plan:
    """What comes after `published_stage`, the stage of the last version (None: no version is out).

    The first version is of the latest stage whose time has come, else of the first stage; a later one is of the stage
    after the last, or of the latest whose time has come. A correction keeps its stage and is out at once. Raises
    `NothingToDo` when the last stage is out and no correction was asked for, and `BadInput` when the kind does not fit.
    """
    if kind is not None and kind not in KINDS:
        raise BadInput(f"{half_year}: {kind!r} is no kind of version; expected {', '.join(KINDS)}.")
    if published_stage is None and kind not in (None, "initial"):
        raise BadInput(
            f"{about.profile.city} {half_year}: no version is out, so there is nothing that a {kind} could follow. "
            "Leave the parameter kind empty."
        )
    if published_stage is not None and kind == "initial":
        raise BadInput(
            f"{about.profile.city} {half_year}: a version is out already ({published_stage}), so the next is not the first. "
            "Leave the parameter kind empty, or ask for a correction."
        )
    if published_stage is not None and kind == "correction":
        return Plan("correction", published_stage, None)
    known = entries(about, half_year)
    due = [number for number, entry in enumerate(known) if entry.release_at <= now]
    first = 0
    if published_stage is not None:
        first = standard.stages().index(published_stage) + 1
        if first == len(known):
            raise NothingToDo(
                f"{about.profile.city} {half_year}: its {published_stage} version is out, and no stage follows. "
                "An error is put right by a run with kind=correction."
            )
    entry = known[max([first, *due])]
    return Plan("initial" if published_stage is None else "scheduled_revision", entry.stage, entry.release_at)


def cut_off(about: City, half_year: str, stage: str) -> datetime:
    """The midnight after which nothing that becomes known counts for a stage, on the city's clocks."""
    end = HalfYear.parse(half_year).end(about.profile.zone)
    return end + timedelta(days=standard.lag_days(stage))


def entries(about: City, half_year: str) -> list[Entry]:
    """The stages of a half-year in their order. Raises `BadInput` when the city's changes are not in order."""
    return _entries(about, half_year, _changes(about))


def table(about: City, now: datetime) -> list[Entry]:
    """The calendar to announce: the half-year before the one of `now`, this one and the next two."""
    this = HalfYear.containing(now, about.profile.zone)
    changes = _changes(about)
    half_years = (this.previous, this, this.next, this.next.next)
    return [entry for half_year in half_years for entry in _entries(about, str(half_year), changes)]


def next_alert(about: City, now: datetime) -> datetime | None:
    """The next moment from which it is told that nothing is approved."""
    return min((entry.alert_from for entry in table(about, now) if entry.alert_from > now), default=None)


def rows(about: City) -> list[Row]:
    """The city's changes as they are written, oldest first; none without a file. Raises `BadInput`."""
    path = _path(about)
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8 text. Save it as CSV UTF-8.") from None
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise BadInput(
            f"{path}: its columns are {', '.join(reader.fieldnames or ()) or 'missing'}; expected {', '.join(COLUMNS)}. "
            "Correct the first line."
        )
    found = []
    for number, row in enumerate(reader, start=2):
        if set(row) != set(COLUMNS) or None in row.values():
            raise BadInput(
                f"{path}, row {number}: has not {len(COLUMNS)} cells, one a column. Put quotes around text with commas."
            )
        found.append({column: row[column].strip() for column in COLUMNS})
    return found


def check_appended(
    about: City, known: Sequence[Mapping[str, str]], found: Sequence[Mapping[str, str]]
) -> None:
    """Raise `BadInput` unless the rows that were seen before are still the head of the file, unchanged."""
    for number, row in enumerate(known):
        if number >= len(found) or dict(found[number]) != dict(row):
            told = "is missing" if number >= len(found) else "was changed"
            raise BadInput(
                f"{_path(about)}, row {number + 2}: {told}; it said {row['half_year']} {row['stage_code']} {row['release_at']}, "
                f"announced on {row['announced_on']}. Put it back as it was, and append a row that replaces it."
            )


def _path(about: City) -> Path:
    return about.folder / RELEASE_CALENDAR


def _changes(about: City) -> dict[tuple[str, str], tuple[datetime, Row]]:
    """The change that counts for each half-year and stage, the last. Raises `BadInput`."""
    path, zone = _path(about), about.profile.zone
    changes: dict[tuple[str, str], tuple[datetime, Row]] = {}
    announced_before = date.min
    for number, row in enumerate(rows(about), start=2):
        where = f"{path}, row {number}"
        if empty := [column for column in COLUMNS if not row[column]]:
            raise BadInput(
                f"{where}: {', '.join(empty)} is empty; a change says when it was announced, why, and who decided. Fill it in."
            )
        half_year, stage = str(_half_year(row["half_year"], where)), row["stage_code"]
        if stage not in standard.stages():
            raise BadInput(
                f"{where}: {stage!r} is no stage; expected {', '.join(standard.stages())}. Correct it."
            )
        at = _moment(row["release_at"], where)
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
        announced = _day(row["announced_on"], where)
        if "@" in row["decided_by"]:
            raise BadInput(
                f"{where}: decided_by holds an address; expected the name of an office. Correct it."
            )
        if announced < announced_before:
            raise BadInput(
                f"{where}: was announced on {announced}, before the row above it ({announced_before}); expected the rows in the "
                "order in which they were announced. Append changes at the end."
            )
        if announced > at.date():
            raise BadInput(
                f"{where}: was announced on {announced}, after the release at {at:%Y-%m-%d %H:%M}; expected an announcement "
                "before it. Correct one of the two."
            )
        if at < (cut := cut_off(about, half_year, stage)):
            raise BadInput(
                f"{where}: {half_year} {stage} at {at:%Y-%m-%d %H:%M} is before its cut-off {cut:%Y-%m-%d %H:%M}; "
                "expected a time after it. Give a later one."
            )
        announced_before = announced
        changes[half_year, stage] = (at, row)
        order = _entries(about, half_year, changes)
        for before, after in pairwise(order):
            if before.release_at >= after.release_at:
                raise BadInput(
                    f"{where}: {half_year} {before.stage} at {before.release_at:%Y-%m-%d %H:%M} would not come before "
                    f"{after.stage} at {after.release_at:%Y-%m-%d %H:%M}; expected the stages in their order after every row. "
                    "Give another time, or write the row that moves the other stage above this one."
                )
    return changes


def _entries(
    about: City, half_year: str, changes: Mapping[tuple[str, str], tuple[datetime, Row]]
) -> list[Entry]:
    zone = about.profile.zone
    ended = HalfYear.parse(half_year).end(zone)
    found = []
    for stage in standard.seed("release_stages"):
        cut = ended + timedelta(days=int(stage["lag_days"]))
        by_standard = datetime.combine(cut.date(), time.fromisoformat(stage["time_of_day"]), tzinfo=zone)
        release_at, row = changes.get((half_year, stage["stage_code"]), (by_standard, None))
        found.append(
            Entry(
                half_year=half_year,
                stage=stage["stage_code"],
                reference_date=ended.date() - timedelta(days=1),
                cut_off=cut,
                release_at=release_at,
                by_standard_at=by_standard,
                announce_by=release_at.date() - timedelta(days=int(stage["announced_days"])),
                alert_from=release_at - timedelta(days=int(stage["alert_days"])),
                announced_on=date.fromisoformat(row["announced_on"]) if row else None,
                reason_zh=row["reason_zh"] if row else None,
                reason_en=row["reason_en"] if row else None,
                decided_by=row["decided_by"] if row else None,
            )
        )
    return sorted(found, key=lambda entry: entry.cut_off)


def _half_year(written: str, where: str) -> HalfYear:
    try:
        return HalfYear.parse(written)
    except BadInput:
        raise BadInput(f"{where}: half_year is {written!r}; expected such as 2026H1. Correct it.") from None


def _moment(written: str, where: str) -> datetime:
    try:
        if "T" not in written and " " not in written:
            raise ValueError
        return datetime.fromisoformat(written)
    except ValueError:
        raise BadInput(
            f"{where}: release_at is {written!r}; expected day and time on the city's clocks, such as 2026-07-20T09:30. "
            "Correct it."
        ) from None


def _day(written: str, where: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise BadInput(
            f"{where}: announced_on is {written!r}; expected a day, such as 2026-07-01. Correct it."
        ) from None
