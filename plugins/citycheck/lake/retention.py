"""How long landing is kept: files go when a delivery was last received long ago; what they were stays known.

The receipt (hashes, counts, times) is kept with `purged_at`, so a release can still be traced to the bytes it was
made from, and the same bytes sent again are known. Purging is done one delivery at a time, in steps that can be
repeated, so a purge that was killed is finished by the next one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.lake.files import fsync_folder, read_json, telling_disk_full, write_json
from citycheck.settings import CityHome

_log = logging.getLogger(__name__)
_STAGING = ".staging"
_STAGING_KEPT = timedelta(days=1)
_PRIVATE = 0o700


@dataclass(frozen=True)
class Purged:
    """A delivery whose files were removed."""

    feed: str
    half_year: str
    id: str
    files: int
    bytes: int


def purge(home: CityHome, now: datetime, keep_days: int) -> list[Purged]:
    """Remove the files of deliveries last received more than `keep_days` days before `now` (aware); log each.

    A feed's half-year that an ingest works on is left for the next time. Raises `BadInput` for `keep_days` below 1
    and for a receipt that cannot be read, after all other deliveries have been done.
    """
    if keep_days < 1:
        raise BadInput(
            f"landing_retention_days is {keep_days}; expected 1 or more. Correct CITYCHECK_LANDING_RETENTION_DAYS."
        )
    if not home.landing.is_dir():
        return []
    purged: list[Purged] = []
    unreadable: list[BadInput] = []
    with telling_disk_full(home.landing):
        _make_private(home.landing)
        for root in sorted(home.landing.glob("[!.]*/*/")):
            feed, half_year = root.parent.name, root.name
            with _alone(home, feed, half_year) as is_alone:
                if not is_alone:
                    _log.info("landing %s %s: an ingest works on it; left for the next time", feed, half_year)
                    continue
                for folder in sorted(path for path in root.iterdir() if path.is_dir()):
                    try:
                        told = _purge_delivery(folder, now, timedelta(days=keep_days))
                    except BadInput as error:
                        unreadable.append(error)
                        continue
                    if told is not None:
                        _log.info(
                            "landing %s %s %s: purged %d files, %d bytes",
                            feed, half_year, told.id, told.files, told.bytes,
                        )  # fmt: skip
                        purged.append(told)
        _clear_staging(home, now)
    if unreadable:
        raise unreadable[0]
    return purged


def _purge_delivery(folder: Path, now: datetime, keep: timedelta) -> Purged | None:
    """Remove a delivery's files if its time has come; None if it has not, or if they are gone already."""
    path = folder / "receipt.json"
    receipt = read_json(path, "Delete the delivery's folder and run the task `land` again.")
    try:
        received = receipt["receipts"] if "receipts" in receipt else [receipt["received_at"]]
        last = max(map(_moment, received))
        sizes = [int(file["bytes"]) for file in receipt["files"]]
    except (KeyError, TypeError, ValueError):
        raise BadInput(
            f"{path}: is damaged; expected what the task `land` wrote. Delete the delivery's folder and run `land` again."
        ) from None
    # What a killed purge has left is told by the folders: the receipt says "purged" before the first file goes.
    left = [entry for entry in folder.iterdir() if entry != path]
    if now - last <= keep or not left:
        return None
    if "purged_at" not in receipt:
        write_json(path, {**receipt, "purged_at": now.astimezone(UTC).isoformat()})
    for entry in left:
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    fsync_folder(folder)
    return Purged(folder.parent.parent.name, folder.parent.name, folder.name, len(sizes), sum(sizes))


def _moment(text: Any) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextmanager
def _alone(home: CityHome, feed: str, half_year: str) -> Iterator[bool]:
    """Whether nobody else works on a feed's half-year; while the block runs, nobody does.

    The locks are those of `land` and of the steps after it, tried without waiting.
    """
    locks = (
        home.landing / _STAGING / f"{feed}-{half_year}.lock",
        home.work / feed / half_year / ".lock",
    )
    held = []
    try:
        for path in locks:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
            held.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
        yield True
    finally:
        for file in held:
            file.close()


def _clear_staging(home: CityHome, now: datetime) -> None:
    """Remove what killed runs have left: staging folders older than a day that no ingest works on."""
    staging = home.landing / _STAGING
    for folder in sorted(path for path in staging.glob("*") if path.is_dir() and not path.is_symlink()):
        age = now - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        feed, _, half_year = folder.name.removesuffix("-reading").rpartition("-")
        if age <= _STAGING_KEPT or not feed:
            continue
        with _alone(home, feed, half_year) as is_alone:
            if is_alone:
                shutil.rmtree(folder, ignore_errors=True)
                _log.info("landing %s: removed, it was left by a run that did not end", folder.name)


def _make_private(landing: Path) -> None:
    """Take others' rights to landing's folders away, and tell where they had any."""
    if os.stat(landing).st_mode & 0o777 != _PRIVATE:
        _log.warning("landing %s: had not mode 0700, so others could look into it; it has now", landing)
    opened = 0
    for folder, _, _ in os.walk(landing):
        if os.stat(folder).st_mode & 0o777 != _PRIVATE:
            os.chmod(folder, _PRIVATE)
            opened += 1
    if opened:
        _log.info("landing %s: mode 0700 was set on %d folders", landing, opened)
