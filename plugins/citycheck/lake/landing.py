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
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

from citycheck import FEEDS, connections
from citycheck.cities.profile import City, FilePeriod, Source
from citycheck.connections import Lookup
from citycheck.errors import BadInput, NotReady
from citycheck.feeds import folder as folder_feed
from citycheck.feeds import http as http_feed
from citycheck.feeds.ask import Ask
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
    receipts: tuple[str, ...]
    """When these bytes came: the first time and, if they came again, every other time (ISO, with offset)."""
    since: str | None = None
    """The source was asked only for what changed from then on; None when it was asked for everything."""
    watermarks: dict[str, str] = field(default_factory=dict)
    """The newest change that each source told of; the next delivery is asked for from there, less an overlap."""

    def folder(self, home: CityHome) -> Path:
        return home.landing / self.feed / self.half_year / self.id

    @property
    def received_at(self) -> datetime:
        """When the delivery first came."""
        return datetime.fromisoformat(self.receipts[0])


class NothingNew(Exception):
    """A source that was asked for changes has none."""


def land(
    city: City,
    feed: str,
    half_year: HalfYear,
    home: CityHome,
    sources: Path,
    received_at: datetime,
    lookup: Lookup = connections.from_environment,
    watermarks: dict[str, str] | None = None,
) -> Delivery:
    """Bring the files of a feed for a half-year into landing; the same bytes a second time change nothing.

    `watermarks` is what earlier deliveries told, a source each: where a source can say what changed, only that is
    asked for. A feed that the city does not provide is a delivery without files: that, too, is known from then on.
    Raises `NotReady` when the source has no file for the half-year, `NothingNew` when nothing changed, `BadInput` for
    a file that is empty or is not the one that was pinned, `SourceUnavailable` when a download may be tried again.
    """
    profile = city.profile
    if feed not in FEEDS:
        raise BadInput(f"There is no feed {feed!r}: expected one of {', '.join(FEEDS)}. Correct the name.")
    if not profile.covers(half_year):
        raise BadInput(
            f"{profile.city}: its sources cover {profile.first} to {profile.last or 'now'}, not {half_year}. "
            "Choose another half-year, or extend half_years in the profile."
        )
    root = home.landing / feed / str(half_year)
    staging = home.landing / ".staging" / f"{feed}-{half_year}"
    with telling_disk_full(home.landing), exclusive(home.landing / ".staging" / f"{feed}-{half_year}.lock"):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        os.chmod(home.landing, 0o700)
        try:
            fetched = _fetch(
                city, feed, half_year, home, sources, staging, received_at, lookup, watermarks or {}
            )
        except NothingNew:
            shutil.rmtree(staging)
            raise
        files = tuple(
            LandedFile(source, path, fetched.sha256[source, path], (staging / source / path).stat().st_size)
            for source, path in fetched.files
        )
        delivery = Delivery(
            profile.city,
            feed,
            str(half_year),
            _delivery_id(files),
            files,
            tuple(fetched.absent_periods),
            (received_at.isoformat(),),
            fetched.since,
            fetched.watermarks,
        )
        target = root / delivery.id
        if target.exists() and not _changed(target, delivery):
            shutil.rmtree(staging)
            return _received_again(home, delivery)
        if (target / "receipt.json").is_file():
            # Landing was edited, or its files are no longer kept: what the source sent takes its place again.
            before = read_json(target / "receipt.json", "Delete its folder.").get("receipts", [])
            delivery = replace(delivery, receipts=tuple(sorted({*before, *delivery.receipts})))
        shutil.rmtree(target, ignore_errors=True)
        write_json(staging / "receipt.json", asdict(delivery))
        root.mkdir(parents=True, exist_ok=True)
        os.rename(staging, target)
        fsync_folder(root)
    return delivery


def _received_again(home: CityHome, delivery: Delivery) -> Delivery:
    """The same bytes once more: the receipt tells every time, because the latest delivery counts."""
    before = receipt(home, delivery.feed, delivery.half_year, delivery.id)
    known = replace(before, receipts=tuple(sorted({*before.receipts, *delivery.receipts})))
    if known != before:
        write_json(delivery.folder(home) / "receipt.json", asdict(known))
    return known


def load(home: CityHome, feed: str, half_year: str, delivery_id: str) -> Delivery:
    """A delivery that has landed, every byte of it checked, for whoever reads its files.

    Raises `NotReady` when it has not, or when its files are no longer kept, and `BadInput` when landing was edited.
    """
    delivery = receipt(home, feed, half_year, delivery_id)
    if changed := _changed(delivery.folder(home), delivery):
        raise BadInput(
            f"{changed}: is not the file that landed; landing is never edited. Run the task `land` again, "
            "which brings it from the source once more."
        )
    return delivery


def receipt(home: CityHome, feed: str, half_year: str, delivery_id: str) -> Delivery:
    """What landing's receipt says of a delivery. Raises `NotReady` when there is none, or its files are no longer kept."""
    path = home.landing / feed / half_year / delivery_id / "receipt.json"
    if not path.is_file():
        raise NotReady(
            f"{feed} {half_year}: delivery {delivery_id} is not in landing. Run the task `land` again."
        )
    written = read_json(path, "Run the task `land` again.")
    if "purged_at" in written:
        raise NotReady(
            f"{feed} {half_year}: the files of delivery {delivery_id} are no longer kept since {written['purged_at']}. "
            "Run the task `land` again."
        )
    return Delivery(
        written["city"],
        written["feed"],
        written["half_year"],
        written["id"],
        tuple(LandedFile(**file) for file in written["files"]),
        tuple(written["absent_periods"]),
        tuple(written["receipts"]) if "receipts" in written else (written["received_at"],),
        written.get("since"),
        written.get("watermarks", {}),
    )


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


@dataclass
class _Fetched:
    files: list[tuple[str, str]]
    """(source, path), sorted."""
    absent_periods: list[str]
    sha256: dict[tuple[str, str], str] = field(default_factory=dict)
    since: str | None = None
    watermarks: dict[str, str] = field(default_factory=dict)


def _fetch(
    city: City,
    feed: str,
    half_year: HalfYear,
    home: CityHome,
    sources: Path,
    staging: Path,
    received_at: datetime,
    lookup: Lookup,
    watermarks: dict[str, str],
) -> _Fetched:
    """Bring the wanted files into staging."""
    tables = city.profile.tables_of(feed)
    fetched = _Fetched([], [])
    for name in dict.fromkeys(
        table.source for table in tables if city.profile.sources[table.source].protocol
    ):
        _ask(city, name, half_year, staging / name, received_at, lookup, watermarks.get(name), fetched)
    chosen: dict[str, set[str]] = {}
    missing: dict[str, str] = {}
    offers: dict[str, tuple[Path | None, list[str]]] = {}
    for table in tables:
        source = city.profile.sources[table.source]
        if table.source not in offers:
            if source.protocol:
                offers[table.source] = staging / table.source, folder_feed.listing(staging / table.source)
            else:
                offers[table.source] = _offer(city, table.source, source, half_year, home, sources)
        paths = [path for path in offers[table.source][1] if fnmatchcase(path, table.files)]
        if table.covers is not None:
            expected = periods_in(table.covers.unit, half_year)
            by_period = {path: _period_name(table.covers, path) for path in paths}
            paths = [path for path in paths if by_period[path] in expected]
            fetched.absent_periods += sorted(set(expected) - {name for name in by_period.values() if name})
        if paths:
            chosen.setdefault(table.source, set()).update(paths)
            missing[table.table] = ""
        else:
            missing.setdefault(
                table.table,
                f"{feed} {half_year}: the source {table.source!r} ({source.title}) has no file like {table.files!r} for "
                "this half-year. Wait for the delivery, or correct `files` and `covers` in the profile.",
            )
    # Several entries may feed one table, say one for each wording of a survey: one of them must have a file.
    if told := next((told for told in missing.values() if told), None):
        raise NotReady(told)
    for name, chosen_paths in chosen.items():
        folder, out = offers[name][0], staging / name
        paths = folder_feed.with_sidecars(sorted(chosen_paths), offers[name][1])
        if city.profile.sources[name].protocol is None:
            if folder is not None:
                known = folder_feed.fetch(folder, paths, out)
                fetched.sha256 |= {(name, path): sha256 for path, sha256 in known.items()}
            else:
                pinned = city.pinned_files(name)
                http_feed.fetch(
                    {path: pinned[path][0] for path in paths}, out, city.profile.sources[name].hosts
                )
        else:
            paths = offers[name][1]  # all that it said, byte for byte
        for path in paths:
            fetched.sha256.setdefault((name, path), _sha256(out / path))
        _verify(city, name, paths, out, fetched.sha256)
        fetched.files += [(name, path) for path in paths]
    fetched.files.sort()
    if fetched.since is not None and not _has_records(city, staging, chosen):
        raise NothingNew(f"{feed} {half_year}: nothing has changed since {fetched.since}.")
    return fetched


def _has_records(city: City, staging: Path, chosen: dict[str, set[str]]) -> bool:
    """Whether one of the files that feed a table holds anything."""
    asked = [
        (city.profile.sources[name].protocol, staging / name / path)
        for name, paths in chosen.items()
        for path in paths
    ]
    return any(protocol is None or _connector(protocol).columns(file) for protocol, file in asked)


def _ask(
    city: City,
    name: str,
    half_year: HalfYear,
    out: Path,
    received_at: datetime,
    lookup: Lookup,
    watermark: str | None,
    fetched: _Fetched,
) -> None:
    """Ask a source by its protocol for a half-year up to now."""
    source, zone = city.profile.sources[name], city.profile.zone
    assert source.protocol is not None
    config = getattr(source, source.protocol)
    since = None
    if watermark is not None and getattr(config, "sends_changes", False):
        since = datetime.fromisoformat(watermark) - timedelta(hours=source.overlap_hours)
    ask = Ask(
        half_year.start(zone).astimezone(UTC),
        min(half_year.end(zone), received_at).astimezone(UTC),
        since,
        tuple(source.hosts),
        lookup(source.connection) if source.connection else None,
    )
    out.mkdir(parents=True)
    newest = _connector(source.protocol).fetch(config, ask, out)
    told = [text for text in (watermark, newest and newest.isoformat()) if text]
    if told:
        fetched.watermarks[name] = max(told, key=datetime.fromisoformat)
    if since is not None:
        fetched.since = since.isoformat()


def _connector(protocol: str) -> Any:
    return import_module(f"citycheck.feeds.{protocol}")


def offered_in_folders(
    city: City, feed: str, half_year: HalfYear, sources: Path
) -> dict[str, tuple[Path, list[str]]]:
    """The files of a half-year that lie in the folders of a feed's sources: source → (folder, paths)."""
    found: dict[str, tuple[Path, list[str]]] = {}
    for table in city.profile.tables_of(feed):
        source = city.profile.sources[table.source]
        folder = sources / source.folder if source.folder else None
        if folder is None or not folder.is_dir():
            continue
        listed = folder_feed.listing(folder)
        paths = [path for path in listed if fnmatchcase(path, table.files)]
        if table.covers is not None:
            expected = periods_in(table.covers.unit, half_year)
            paths = [path for path in paths if _period_name(table.covers, path) in expected]
        known = found.setdefault(table.source, (folder, []))[1]
        known += [path for path in folder_feed.with_sidecars(paths, listed) if path not in known]
    return {name: offer for name, offer in found.items() if offer[1]}


def landed_files(home: CityHome, feed: str, half_year: str) -> dict[tuple[str, str, int], datetime]:
    """Every file that ever landed for a feed's half-year, accepted or not: (source, path, bytes) → last receipt."""
    found: dict[tuple[str, str, int], datetime] = {}
    for path in sorted((home.landing / feed / half_year).glob("*/receipt.json")):
        written = read_json(path, "Run the task `land` again.")
        received = datetime.fromisoformat(written.get("receipts", [written.get("received_at")])[-1])
        for file in written["files"]:
            key = file["source"], file["path"], file["bytes"]
            found[key] = max(received, found.get(key, received))
    return found


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


def _verify(city: City, source: str, paths: list[str], out: Path, sha256: dict[tuple[str, str], str]) -> None:
    pinned = city.pinned_files(source)
    for path in paths:
        if (out / path).stat().st_size == 0:
            raise BadInput(
                f"{source}/{path}: the file is empty; expected data. Ask the source to send it again."
            )
        if path in pinned and (found := sha256[source, path]) != pinned[path][1]:
            raise BadInput(
                f"{source}/{path}: its SHA-256 is {found[:12]}…, expected {pinned[path][1][:12]}… as pinned. "
                "Fetch the pinned version, or pin the new one after checking it."
            )


def _delivery_id(files: tuple[LandedFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.source}/{file.path}\0{file.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
