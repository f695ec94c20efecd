"""Publish a staged release: copied, flushed to disk, renamed into place, and only then pointed at.

`releases/<half-year>/<version>/` is never overwritten. `releases/CURRENT.json` names, for each half-year, the
last version. Whatever moment the process dies at, readers see complete releases only, and publishing the same
staged folder again finishes what was begun.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from citycheck.errors import BadInput
from citycheck.lake.files import fsync, fsync_folder, telling_disk_full, write_json
from citycheck.period import HalfYear
from citycheck.release.checksums import SHA256SUMS, sha256, verify

__all__ = ["CURRENT", "Release", "current", "publish", "verify", "versions"]

CURRENT = "CURRENT.json"
_STAGING = ".staging"
_LOCK = ".lock"
_READ_ONLY = 0o444


@dataclass(frozen=True, order=True)
class Release:
    """One published version of a half-year. The fingerprint is the SHA-256 of its SHA256SUMS."""

    half_year: str
    version: int
    path: Path
    fingerprint: str


def publish(staged: Path, releases: Path, half_year: str) -> Release:
    """Publish `staged` as the next version of a half-year, or return the version that has the same contents.

    The staged folder is left as it is, so that a publication that was interrupted can be repeated. Publishers
    wait for each other. Raises `BadInput` when the staged folder, or the version with the same contents, does
    not match its own SHA256SUMS.
    """
    half_year = str(HalfYear.parse(half_year))
    _must_be_sound(staged, "Stage the release again")
    fingerprint = sha256(staged / SHA256SUMS)
    with telling_disk_full(releases), _one_at_a_time(releases):
        last = versions(releases, half_year)[-1:]
        release = last[0] if last and last[0].fingerprint == fingerprint else None
        if release is None:
            release = _add(staged, releases, half_year, fingerprint)
        else:
            _must_be_sound(release.path, "Restore this published version from a copy")
        _point(releases)
    return release


def current(releases: Path, half_year: str) -> Release | None:
    """The current version of a half-year, or None when nothing is published for it."""
    path = releases / CURRENT
    try:
        entry = json.loads(path.read_text(encoding="utf-8")).get(half_year)
        return entry and Release(half_year, entry["version"], releases / entry["path"], entry["fingerprint"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(
            f"{path}: expected version, path and fingerprint for each half-year as JSON. "
            "Move it away and publish any release again: the pointer is then rebuilt."
        ) from None


def versions(releases: Path, half_year: str) -> list[Release]:
    """Every published version of a half-year, oldest first."""
    folders = [p for p in (releases / half_year).glob("*") if re.fullmatch("[1-9][0-9]*", p.name)]
    return sorted(Release(half_year, int(p.name), p, _fingerprint(p)) for p in folders)


def _add(staged: Path, releases: Path, half_year: str, fingerprint: str) -> Release:
    """Copy, flush, rename. The copy is on the file system of the releases, where a rename is one step."""
    version = max((r.version for r in versions(releases, half_year)), default=0) + 1
    target = releases / half_year / str(version)
    copy = releases / _STAGING / f"{half_year}-{version}"
    shutil.copytree(staged, copy, copy_function=shutil.copyfile)
    for path in sorted(copy.rglob("*")):
        if path.is_file():
            path.chmod(_READ_ONLY)
            fsync(path)
        else:
            fsync_folder(path)
    fsync_folder(copy)
    _must_be_sound(copy, "Publish it again; the disk may be failing")
    target.parent.mkdir(exist_ok=True)
    fsync_folder(releases)
    os.rename(copy, target)
    fsync_folder(target.parent)
    return Release(half_year, version, target, fingerprint)


def _point(releases: Path) -> None:
    """Let the pointer name the last version of every half-year; written only when it says something else."""
    half_years = sorted(p.name for p in releases.glob("[0-9][0-9][0-9][0-9]H[12]"))
    last = {half_year: found[-1] for half_year in half_years if (found := versions(releases, half_year))}
    pointer = {
        half_year: {
            "version": release.version,
            "path": release.path.relative_to(releases).as_posix(),
            "fingerprint": release.fingerprint,
        }
        for half_year, release in last.items()
    }
    try:
        if json.loads((releases / CURRENT).read_text(encoding="utf-8")) == pointer:
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(releases / CURRENT, pointer)


@contextmanager
def _one_at_a_time(releases: Path) -> Iterator[None]:
    releases.mkdir(parents=True, exist_ok=True)
    with (releases / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _clear(releases)
            yield
        finally:
            _clear(releases)


def _clear(releases: Path) -> None:
    """Remove what this publisher, or one that died, has not finished."""
    shutil.rmtree(releases / _STAGING, ignore_errors=True)
    for temporary in releases.glob(f".{CURRENT}.*.tmp"):
        temporary.unlink()


def _must_be_sound(folder: Path, remedy: str) -> None:
    if problems := verify(folder):
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise BadInput(f"{folder}: not as its SHA256SUMS says: {problems[0]}{more}. {remedy}.")


def _fingerprint(folder: Path) -> str:
    sums = folder / SHA256SUMS
    return sha256(sums) if sums.is_file() else ""
