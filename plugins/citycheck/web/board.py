"""Where each half-year stands, from what the steps have left on the disk. Knows nothing of Airflow, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from citycheck import FEEDS
from citycheck.cities.profile import City, load_city
from citycheck.errors import CitycheckError
from citycheck.lake import deliveries, store
from citycheck.lake.deliveries import Entry
from citycheck.release import calendar
from citycheck.settings import CityHome, settings
from citycheck.steps import ingest
from citycheck.web import builds, ledger
from citycheck.web.builds import Listed
from citycheck.web.ledger import Candidate, Version

T = TypeVar("T")
ROWS = ("rows_in", "rows_accepted", "rows_quarantined", "rows_duplicate", "rows_out_of_scope")


@dataclass(frozen=True)
class Feed:
    """What one feed has brought for a half-year. Rows are those of the deliveries that count."""

    feed: str
    landed: int | None
    """Deliveries in landing; None when this process may not look there."""
    accepted: int
    counting: int
    rows: tuple[int, ...]
    """In the order of `ROWS`."""
    warnings: int
    is_stopped: bool
    """The gate has refused a delivery that is not accepted."""
    received: str | None
    """When the last delivery that counts came."""

    @property
    def state(self) -> str:
        if self.is_stopped:
            return "failed"
        if not self.accepted:
            return "landed" if self.landed else "missing"
        return "warned" if self.warnings else "passed"

    @property
    def adds_up(self) -> bool:
        return self.rows[0] == sum(self.rows[1:])


@dataclass(frozen=True)
class Standing:
    """A half-year of a city."""

    city: str
    half_year: str
    feeds: tuple[Feed, ...]
    builds: tuple[Listed, ...]
    candidates: tuple[Candidate, ...]
    versions: tuple[Version, ...]
    next_entry: calendar.Entry | None
    """The next announced stage that is not out."""
    trouble: tuple[str, ...]
    """What could not be read, a sentence each."""

    @property
    def current(self) -> Version | None:
        return next((version for version in self.versions if version.is_current), None)

    @property
    def gate(self) -> str | None:
        """The verdict over the marts of the newest build, None before there is one."""
        for line in self.builds:
            written = ledger.read(line.build.work / "verdict.json")
            if written:
                warned = ledger.read_list(line.build.warnings)
                return "failed" if not written.get("passed") else "warned" if warned else "passed"
        return None

    @property
    def state(self) -> str:
        """What is to be done next, in one word."""
        states = [candidate.state for candidate in self.candidates]
        if "waits" in states:
            return "waits"
        if "approved" in states:
            return "approved"
        if any(feed.state == "failed" for feed in self.feeds):
            return "stopped"
        if self.current:
            return "published"
        if any(version.notice is not None for version in self.versions):
            return "withdrawn"
        if any(feed.state in ("missing", "landed") for feed in self.feeds):
            return "collecting"
        if "rejected" in states:
            return "rejected"
        return "building" if self.builds else "ready"


def standings(now: datetime) -> list[Standing]:
    """Every half-year of every city: the last half-year first, and city by city within it."""
    listed = builds.everything()
    found = []
    for city in ledger.cities():
        of_city = [line for line in listed if line.build.city == city]
        about, trouble = _attempt(partial(load_city, city))
        names = _half_years(settings().city_home(city), of_city)
        found += [_standing(city, name, about, of_city, now, trouble) for name in sorted(names, reverse=True)]
    return sorted(found, key=lambda standing: standing.half_year, reverse=True)


def half_years_of(city: str) -> list[str]:
    """The half-years of which a city has something accepted, the last first."""
    home = settings().city_home(city)
    return sorted({name for feed in FEEDS for name in store.half_years(home, feed)}, reverse=True)


def accepted(home: CityHome, feed: str, half_year: str) -> list[Entry]:
    """Every accepted delivery; none is no error. Raises `BadInput` when the manifest is damaged."""
    if half_year not in store.half_years(home, feed):
        return []
    return store.accepted(home, feed, half_year)


def counting(about: City | None, feed: str, entries: Iterable[Entry]) -> list[Entry]:
    """Those of the accepted deliveries that count; of a city without a readable profile, as if they do not add up."""
    return deliveries.counting(entries, about is not None and ingest.adds_up(about, feed))


def _half_years(home: CityHome, listed: Iterable[Listed]) -> set[str]:
    folders = [
        *home.landing.glob("[a-z]*/*/"),
        *home.releases.glob("*/"),
        *home.root.glob("scratch/[a-z]*/*/"),
    ]
    names = {path.name for path in folders} | {line.build.half_year for line in listed}
    names |= {name for feed in FEEDS for name in store.half_years(home, feed)}
    return {name for name in names if builds.is_half_year(name)}


def _standing(
    city: str, half_year: str, about: City | None, listed: list[Listed], now: datetime, trouble: str | None
) -> Standing:
    home = settings().city_home(city)
    troubles = [trouble]
    feeds = []
    for feed in about.profile.provided_feeds if about else FEEDS:
        one, said = _attempt(partial(_feed, home, about, feed, half_year))
        feeds += [one] if one else []
        troubles.append(said)
    waiting, said = _attempt(partial(ledger.candidates, city, half_year))
    troubles.append(said)
    published = ledger.versions(city, half_year)
    entry, said = _attempt(partial(_next, about, half_year, published))
    troubles.append(said)
    return Standing(
        city,
        half_year,
        tuple(feeds),
        tuple(line for line in listed if line.build.half_year == half_year),
        tuple(waiting or ()),
        tuple(published),
        entry,
        tuple(dict.fromkeys(said for said in troubles if said)),
    )


def _feed(home: CityHome, about: City | None, feed: str, half_year: str) -> Feed:
    entries = accepted(home, feed, half_year)
    counted = counting(about, feed, entries)
    rows = tuple(sum(row[name] for entry in counted for row in entry["ledger"]) for name in ROWS)
    known = {entry["delivery"] for entry in entries}
    verdicts = {
        path.parent.name.split("-")[0]: ledger.read(path)
        for path in (home.work / feed / half_year).glob("*/verdict.json")
    }
    return Feed(
        feed,
        _landed(home, feed, half_year),
        len(entries),
        len(counted),
        rows,
        sum(len(entry.get("warnings", [])) for entry in counted),
        any(written.get("passed") is False for name, written in verdicts.items() if name not in known),
        counted[-1].get("received") if counted else None,
    )


def _landed(home: CityHome, feed: str, half_year: str) -> int | None:
    """Landing is closed to all but the account that runs citycheck."""
    folder = home.landing / feed / half_year
    try:
        return sum((path / "receipt.json").is_file() for path in folder.iterdir())
    except FileNotFoundError:
        return 0
    except OSError:
        return None


def _next(about: City | None, half_year: str, published: list[Version]) -> calendar.Entry | None:
    """The stage after that of the last version, else the first."""
    if about is None:
        return None
    entries = calendar.entries(about, half_year)
    stages = [entry.stage for entry in entries]
    last = str(published[0].manifest.get("stage")) if published else ""
    after = stages.index(last) + 1 if last in stages else 0
    return entries[after] if after < len(entries) else None


def _attempt(ask: Callable[[], T]) -> tuple[T | None, str | None]:
    """The answer, or the sentence that says why there is none: one damaged file must not hide all others."""
    try:
        return ask(), None
    except CitycheckError as error:
        return None, str(error)
