"""Landing: what a source sent, byte for byte, with its hash and the time of receipt. Mode 0700, never edited."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from citycheck import FEEDS
from citycheck.cities.profile import City, FilePeriod, Source
from citycheck.errors import BadInput, NotReady
from citycheck.feeds import folder as folder_feed
from citycheck.feeds import http as http_feed
from citycheck.lake.files import fsync_folder, read_json, telling_disk_full, write_json
from citycheck.period import HalfYear
from citycheck.settings import CityHome


@dataclass(frozen=True)
class LandedFile:
    source: str
    path: str
    """Relative to the source; `<delivery>/<source>/<path>` is where it lies."""
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Delivery:
    """What one feed sent for one half-year. Its id is a hash of the files: the same bytes are the same delivery."""

    city: str
    feed: str
    half_year: str
    id: str
    files: tuple[LandedFile, ...]
    absent_periods: tuple[str, ...]
    """Weeks or months of the half-year for which the source has no file."""

    def folder(self, home: CityHome) -> Path:
        return home.landing / self.feed / self.half_year / self.id


def land(
    city: City, feed: str, half_year: HalfYear, home: CityHome, sources: Path, received_at: datetime
) -> Delivery:
    """Bring the files of a feed for a half-year into landing; the same bytes a second time change nothing.

    A feed that the city does not provide is a delivery without files: that, too, is known from then on. Raises
    `NotReady` when the source has no file for the half-year, `BadInput` for a file that is empty or is not the one
    that was pinned, `SourceUnavailable` when a download may be tried again.
    """
    profile = city.profile
    if feed not in FEEDS:
        raise BadInput(f"There is no feed {feed!r}: expected one of {', '.join(FEEDS)}. Correct the name.")
    if not profile.first <= half_year <= profile.last:
        raise BadInput(
            f"{profile.city}: its sources cover {profile.first} to {profile.last}, not {half_year}. "
            "Choose another half-year, or extend half_years in the profile."
        )
    root = home.landing / feed / str(half_year)
    staging = home.landing / ".staging" / f"{feed}-{half_year}"
    with telling_disk_full(home.landing), exclusive(home.landing / ".staging" / f"{feed}-{half_year}.lock"):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        os.chmod(home.landing, 0o700)
        wanted, absent = _fetch(city, feed, half_year, home, sources, staging)
        files = tuple(_landed(staging, source, path) for source, path in wanted)
        delivery = Delivery(profile.city, feed, str(half_year), _delivery_id(files), files, tuple(absent))
        target = root / delivery.id
        if target.exists() and not _changed(target, delivery):
            shutil.rmtree(staging)
            return delivery
        shutil.rmtree(
            target, ignore_errors=True
        )  # landing was edited: what the source sent takes its place again
        write_json(staging / "receipt.json", {**asdict(delivery), "received_at": received_at.isoformat()})
        root.mkdir(parents=True, exist_ok=True)
        os.rename(staging, target)
        fsync_folder(root)
    return delivery


def load(home: CityHome, feed: str, half_year: str, delivery_id: str) -> Delivery:
    """A delivery that has landed. Raises `NotReady` when it has not."""
    receipt = home.landing / feed / half_year / delivery_id / "receipt.json"
    if not receipt.is_file():
        raise NotReady(
            f"{feed} {half_year}: delivery {delivery_id} is not in landing. Run the task `land` again."
        )
    written = read_json(receipt, "Run the task `land` again.")
    files = tuple(LandedFile(**file) for file in written["files"])
    delivery = Delivery(
        written["city"],
        written["feed"],
        written["half_year"],
        written["id"],
        files,
        tuple(written["absent_periods"]),
    )
    if changed := _changed(receipt.parent, delivery):
        raise BadInput(
            f"{changed}: is not the file that landed; landing is never edited. Run the task `land` again, "
            "which brings it from the source once more."
        )
    return delivery


def _changed(folder: Path, delivery: Delivery) -> Path | None:
    """The first file of a delivery that is gone or is not what its receipt says."""
    for file in delivery.files:
        path = folder / file.source / file.path
        if not path.is_file() or _sha256(path) != file.sha256:
            return path
    return None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the system lets go of when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def periods_in(unit: str, half_year: HalfYear) -> dict[str, tuple[date, date]]:
    """The weeks (ISO), months or half-years that overlap a half-year: name → first and last day."""
    first = date(half_year.year, 1 if half_year.half == 1 else 7, 1)
    after = date(half_year.next.year, 1 if half_year.next.half == 1 else 7, 1)
    found: dict[str, tuple[date, date]] = {}
    day = first
    while day < after:
        if unit == "iso_week":
            year, week, weekday = day.isocalendar()
            monday = day - timedelta(days=weekday - 1)
            found[f"{year}-W{week:02d}"] = (monday, monday + timedelta(days=6))
        elif unit == "month":
            last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            found[f"{day.year}-{day.month:02d}"] = (day.replace(day=1), last)
        else:
            found[str(half_year)] = (first, after - timedelta(days=1))
        day += timedelta(days=1)
    return found


def _period_name(covers: FilePeriod, path: str) -> str | None:
    match = re.search(covers.pattern, path)
    if match is None:
        return None
    groups = match.groupdict()
    year = int(groups["year"])
    if covers.unit == "iso_week":
        return f"{year}-W{int(groups['week']):02d}"
    if covers.unit == "month":
        return f"{year}-{int(groups['month']):02d}"
    return f"{year}H{groups['half']}"


def _fetch(
    city: City, feed: str, half_year: HalfYear, home: CityHome, sources: Path, staging: Path
) -> tuple[list[tuple[str, str]], list[str]]:
    """Bring the wanted files into staging; return them as (source, path), and the periods without a file."""
    chosen: dict[str, set[str]] = {}
    absent: list[str] = []
    offers: dict[str, tuple[Path | None, list[str]]] = {}
    for table in city.profile.tables_of(feed):
        source = city.profile.sources[table.source]
        if table.source not in offers:
            offers[table.source] = _offer(city, table.source, source, half_year, home, sources)
        paths = [path for path in offers[table.source][1] if fnmatchcase(path, table.files)]
        if table.covers is not None:
            expected = periods_in(table.covers.unit, half_year)
            by_period = {path: _period_name(table.covers, path) for path in paths}
            paths = [path for path in paths if by_period[path] in expected]
            absent += sorted(set(expected) - {name for name in by_period.values() if name})
        if not paths:
            raise NotReady(
                f"{feed} {half_year}: the source {table.source!r} ({source.title}) has no file like {table.files!r} for "
                "this half-year. Wait for the delivery, or correct `files` and `covers` in the profile."
            )
        chosen.setdefault(table.source, set()).update(paths)
    for name, chosen_paths in chosen.items():
        paths, folder, out = sorted(chosen_paths), offers[name][0], staging / name
        if folder is not None:
            folder_feed.fetch(folder, paths, out)
        else:
            pinned = city.pinned_files(name)
            http_feed.fetch({path: pinned[path][0] for path in paths}, out, city.profile.sources[name].hosts)
        _verify(city, name, paths, out)
    return [(name, path) for name in sorted(chosen) for path in sorted(chosen[name])], absent


def _offer(
    city: City, name: str, source: Source, half_year: HalfYear, home: CityHome, sources: Path
) -> tuple[Path | None, list[str]]:
    """Where a source's files are, and which there are: a folder, or None for the pinned addresses."""
    if source.generator:
        from citycheck.sample import generate

        made = home.root / "source" / str(half_year)
        with exclusive(home.root / "source" / f"{half_year}.lock"):
            if not made.exists():
                unfinished = made.with_name(f".{half_year}-{uuid.uuid4().hex[:8]}")
                generate(unfinished, half_year, source.seed)
                os.rename(unfinished, made)
        return made, folder_feed.listing(made)
    folder = sources / source.folder if source.folder else None
    if folder is not None and folder.is_dir():
        return folder, folder_feed.listing(folder)
    pinned = city.pinned_files(name)
    if not pinned:
        raise NotReady(
            f"{folder}: the folder of the source {name!r} ({source.title}) is not there, and the profile pins no addresses. "
            "Put the files there, or set CITYCHECK_SOURCES."
        )
    return None, sorted(pinned)


def _verify(city: City, source: str, paths: list[str], out: Path) -> None:
    pinned = city.pinned_files(source)
    for path in paths:
        if (out / path).stat().st_size == 0:
            raise BadInput(
                f"{source}/{path}: the file is empty; expected data. Ask the source to send it again."
            )
        if path in pinned and (found := _sha256(out / path)) != pinned[path][1]:
            raise BadInput(
                f"{source}/{path}: its SHA-256 is {found[:12]}…, expected {pinned[path][1][:12]}… as pinned. "
                "Fetch the pinned version, or pin the new one after checking it."
            )


def _landed(staging: Path, source: str, path: str) -> LandedFile:
    file = staging / source / path
    return LandedFile(source, path, _sha256(file), file.stat().st_size)


def _delivery_id(files: tuple[LandedFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.source}/{file.path}\0{file.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
