"""Publish a staged release: copied, sealed, flushed to disk, renamed into place, and only then pointed at.

`releases/<half-year>/<version>/` is never overwritten; a version that is withdrawn gets a notice beside its files.
`releases/CURRENT.json` names, for each half-year, the last version that is not withdrawn, and all of them. Whatever moment
the process dies at, readers see complete releases only, and publishing the same staged folder again finishes what was begun.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from citycheck.errors import BadInput
from citycheck.lake.files import fsync, fsync_folder, read_json, telling_disk_full, write_json
from citycheck.period import HalfYear
from citycheck.release.checksums import SHA256SUMS, sha256
from citycheck.release.manifest import MANIFEST, SIGNATURE, WITHDRAWN, notice_files
from citycheck.release.verify import problems as verify

__all__ = ["CURRENT", "Release", "Shelf", "current", "publish", "refresh", "verify", "versions", "withdraw"]

CURRENT = "CURRENT.json"
_STAGING = ".staging"
_LOCK = ".lock"
_READ_ONLY = 0o444


class Shelf(Protocol):
    """Another place where the same releases are kept, and from which this folder is a working copy (`release.s3`)."""

    def pull(self, releases: Path) -> list[Path]: ...

    def published(self) -> Mapping[str, Mapping[int, bool]]:
        """By half-year, the versions that are there, and whether each is withdrawn."""

    def push(self, folder: Path, first: int = 1) -> bool: ...

    def withdraw(self, half_year: str, version: int, notice: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, order=True)
class Release:
    """One published version of a half-year. The fingerprint is the SHA-256 of its SHA256SUMS."""

    half_year: str
    version: int
    path: Path
    fingerprint: str
    is_withdrawn: bool = False


def publish(
    staged: Path,
    releases: Path,
    half_year: str,
    *,
    version: int | None = None,
    seal: Callable[[Path], None] | None = None,
    shelf: Shelf | None = None,
) -> Release:
    """Publish `staged` as the next version of a half-year, or return the version that has the same contents.

    `version` is what the staged files call themselves; `seal` writes into the copy what is known only now, and runs before
    anybody can see it; a `shelf` has it before this folder. The staged folder is left as it is, so that a publication that was
    interrupted can be repeated. Publishers wait for each other. Raises `BadInput` when the staged folder, or the version with
    the same contents, does not match its own SHA256SUMS, and when another version has come in between.
    """
    half_year = str(HalfYear.parse(half_year))
    _must_be_sound(staged, "Stage the release again")
    fingerprint = sha256(staged / SHA256SUMS)
    with telling_disk_full(releases), _one_at_a_time(releases):
        if shelf is not None:
            _agree(releases, shelf)
        found = versions(releases, half_year)
        release = found[-1] if found and found[-1].fingerprint == fingerprint else None
        if release is not None and release.is_withdrawn:
            raise BadInput(
                f"{half_year}: this candidate is version {release.version}, which was withdrawn; it is not published again. "
                "Run the build again from its task `ready`: it makes a correction."
            )
        if release is None:
            number = next_version(releases, half_year)
            if version not in (None, number):
                raise BadInput(
                    f"{half_year}: this candidate was made to be version {version}, but the next is {number}: another was "
                    "published in between, which nobody compared it with. Run the build again from its task `ready`."
                )
            release = Release(half_year, number, releases / half_year / str(number), fingerprint)
            _add(staged, releases, release, seal, shelf)
        else:
            _must_be_sound(release.path, "Restore this published version from a copy")
        _point(releases)
    return release


def refresh(releases: Path, shelf: Shelf) -> None:
    """Bring what a shelf has published and this folder lacks, and let it have what was published before there was a shelf."""
    with telling_disk_full(releases), _one_at_a_time(releases):
        _agree(releases, shelf)


def withdraw(
    releases: Path, release: Release, notice: Mapping[str, Any], shelf: Shelf | None = None
) -> Release:
    """Put a notice beside the files of a published version, and let the pointer name the last one that still stands.

    Doing it again changes nothing: the first notice stays, and of several folders on one shelf it is the shelf's.
    """
    with telling_disk_full(releases), _one_at_a_time(releases):
        if shelf is not None:
            _agree(releases, shelf)
            if not (release.path / WITHDRAWN).is_file():
                shelf.withdraw(release.half_year, release.version, notice)
                shelf.pull(releases)
        if (release.path / WITHDRAWN).is_file():
            notice = _notice(release)
        aside = releases / _STAGING
        aside.mkdir(exist_ok=True)
        for name, content in notice_files(notice).items():
            (aside / name).write_bytes(content)
            (aside / name).chmod(_READ_ONLY)
            fsync(aside / name)
            # Not beside its place: what a killed withdrawal left there would be a foreign file.
            os.replace(aside / name, release.path / name)
        fsync_folder(release.path)
        _point(releases)
    return next(found for found in versions(releases, release.half_year) if found.version == release.version)


def current(releases: Path, half_year: str) -> Release | None:
    """The current version of a half-year, or None when nothing is published for it that still stands."""
    path = releases / CURRENT
    try:
        entry = json.loads(path.read_text(encoding="utf-8")).get(half_year)
        if not entry or entry["version"] is None:
            return None
        return Release(half_year, entry["version"], releases / entry["path"], entry["fingerprint"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(
            f"{path}: expected version, path and fingerprint for each half-year as JSON. "
            "Move it away and publish any release again: the pointer is then rebuilt."
        ) from None


def versions(releases: Path, half_year: str) -> list[Release]:
    """Every published version of a half-year, withdrawn ones too, oldest first."""
    folders = [p for p in (releases / half_year).glob("*") if re.fullmatch("[1-9][0-9]*", p.name)]
    return sorted(
        Release(half_year, int(p.name), p, _fingerprint(p), (p / WITHDRAWN).is_file()) for p in folders
    )


def last(releases: Path, half_year: str) -> Release | None:
    """The last version of a half-year, withdrawn or not."""
    return next(reversed(versions(releases, half_year)), None)


def half_years(releases: Path) -> list[str]:
    """The half-years of which something is published, in their order."""
    return sorted(path.name for path in releases.glob("[0-9][0-9][0-9][0-9]H[12]"))


def next_version(releases: Path, half_year: str) -> int:
    """The number that the next version of a half-year gets."""
    return max((release.version for release in versions(releases, half_year)), default=0) + 1


def _add(
    staged: Path,
    releases: Path,
    release: Release,
    seal: Callable[[Path], None] | None,
    shelf: Shelf | None,
) -> None:
    """Copy, seal, flush, rename. The copy is on the file system of the releases, where a rename is one step."""
    copy = releases / _STAGING / f"{release.half_year}-{release.version}"
    shutil.copytree(staged, copy, copy_function=shutil.copyfile)
    if seal is not None:
        seal(copy)
    for path in sorted(copy.rglob("*")):
        if path.is_file():
            path.chmod(_READ_ONLY)
            fsync(path)
        else:
            fsync_folder(path)
    fsync_folder(copy)
    _must_be_sound(copy, "Publish it again; the disk may be failing")
    if shelf is not None and not shelf.push(copy, _first(releases, release.half_year)):
        # Another has published the same candidate just now: its seal is the one that counts.
        shelf.pull(releases)
        return
    release.path.parent.mkdir(exist_ok=True)
    fsync_folder(releases)
    os.rename(copy, release.path)
    fsync_folder(release.path.parent)


def _agree(releases: Path, shelf: Shelf) -> None:
    """Let folder and shelf have the same versions and notices. Where they differ, what the shelf has counts."""
    try:
        shelf.pull(releases)
        there = shelf.published()
        for half_year in half_years(releases):
            first = _first(releases, half_year)
            for release in versions(releases, half_year)[first - 1 :]:
                is_withdrawn = there.get(half_year, {}).get(release.version)
                if is_withdrawn is None and not shelf.push(release.path, first):
                    shelf.pull(releases)  # tells that another has published the same under its own seal
                elif is_withdrawn is False and release.is_withdrawn:
                    shelf.withdraw(half_year, release.version, _notice(release))
    finally:
        # Also when something is refused: what has come withdrawn must not be read as standing.
        _point(releases)


def _first(releases: Path, half_year: str) -> int:
    """The version that a shelf begins with: no other host could check those from before releases were sealed."""
    unsealed = 0
    for release in versions(releases, half_year):
        if release.version != unsealed + 1 or any(
            (release.path / name).exists() for name in (MANIFEST, SIGNATURE)
        ):
            break
        unsealed += 1
    return unsealed + 1


def _notice(release: Release) -> dict[str, Any]:
    written: dict[str, Any] = read_json(release.path / WITHDRAWN, "Restore this version from a copy.")
    return written


def _point(releases: Path) -> None:
    """Let the pointer name what stands of every half-year; written only when it says something else."""
    pointer = {half_year: _entry(releases, half_year) for half_year in half_years(releases)}
    pointer = {half_year: entry for half_year, entry in pointer.items() if entry["versions"]}
    try:
        if json.loads((releases / CURRENT).read_text(encoding="utf-8")) == pointer:
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(releases / CURRENT, pointer)


def _entry(releases: Path, half_year: str) -> dict[str, Any]:
    """What the pointer says of a half-year; version, path and fingerprint are null when nothing of it stands."""
    found = [
        {
            "version": release.version,
            "path": release.path.relative_to(releases).as_posix(),
            "fingerprint": release.fingerprint,
            "is_withdrawn": release.is_withdrawn,
        }
        for release in versions(releases, half_year)
    ]
    standing = [entry for entry in found if not entry["is_withdrawn"]]
    last = standing[-1] if standing else dict.fromkeys(("version", "path", "fingerprint"))
    return {name: last[name] for name in ("version", "path", "fingerprint")} | {"versions": found}


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
        raise BadInput(f"{folder}: does not verify: {problems[0]}{more}. {remedy}.")


def _fingerprint(folder: Path) -> str:
    sums = folder / SHA256SUMS
    return sha256(sums) if sums.is_file() else ""
