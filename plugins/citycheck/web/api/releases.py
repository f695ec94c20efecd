"""What is published, and the files of one version. Knows nothing of HTTP, and nothing of candidates and builds.

`CURRENT.json` says which versions there are and which of them stand. A published version never changes, so it is opened
once; of each file is checked that it has the SHA-256 that was published.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.lake.files import read_json
from citycheck.release.checksums import SHA256SUMS
from citycheck.release.manifest import MANIFEST, SIGNATURE, WITHDRAWN
from citycheck.release.publish import CURRENT
from citycheck.settings import settings

HALF_YEAR = r"^[0-9]{4}H[12]$"
_SEAL = (SHA256SUMS, MANIFEST, SIGNATURE)
_RESTORE = "Restore this published version from a copy."


@dataclass(frozen=True)
class Version:
    """A line of the pointer."""

    half_year: str
    version: int
    fingerprint: str
    is_withdrawn: bool
    is_current: bool


@dataclass(frozen=True)
class Published:
    """All versions of all half-years, oldest first. `state` is another when anything was published or withdrawn."""

    versions: tuple[Version, ...]
    state: str

    def of(self, half_year: str) -> tuple[Version, ...]:
        return tuple(version for version in self.versions if version.half_year == half_year)

    @property
    def newest(self) -> Version | None:
        """The current version of the last half-year of which one stands."""
        return next((version for version in reversed(self.versions) if version.is_current), None)


def published() -> Published:
    """What the city of this deployment has published. Raises `BadInput` when the pointer is not one."""
    path = _folder() / CURRENT
    try:
        state = path.stat()
    except FileNotFoundError:
        return Published((), "nothing")
    return _pointer(path, state.st_mtime_ns, state.st_size, state.st_ino)


def opened(version: Version) -> Release:
    """The files of a version. Raises `BadInput` when they are not what was published."""
    return _opened(_folder() / version.half_year / str(version.version), version.fingerprint)


@dataclass(frozen=True)
class Release:
    """A published version, withdrawn or not. `sums` has the SHA-256 of each file by its path."""

    folder: Path
    fingerprint: str
    sums: Mapping[str, str]

    def read(self, path: str) -> bytes:
        """A file of the version. Raises `KeyError` when it has none of this name, `BadInput` when it was changed."""
        expected = self.sums[path]
        content = (self.folder / path).read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise BadInput(f"{self.folder / path}: is not what was published. {_RESTORE}")
        return content

    @property
    def files(self) -> list[str]:
        """All that can be fetched: what SHA256SUMS names, and the seal."""
        return sorted([*self.sums, *(name for name in _SEAL if (self.folder / name).is_file())])

    @property
    def notice(self) -> dict[str, Any] | None:
        """Why it is withdrawn."""
        path = self.folder / WITHDRAWN
        return read_json(path, _RESTORE) if path.is_file() else None

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return _object(self.read("provenance.json"))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The seal; empty of a version from before releases were sealed."""
        path = self.folder / MANIFEST
        sealed = _object(path.read_bytes()) if path.is_file() else {}
        if sealed.get("fingerprint", self.fingerprint) != self.fingerprint:
            raise BadInput(f"{path}: is the seal of other files. {_RESTORE}")
        return sealed

    @cached_property
    def package(self) -> dict[str, Any]:
        return _object(self.read("datapackage.json"))

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """What the data package says of each file, by path."""
        return {str(resource["path"]): resource for resource in self.package["resources"]}

    @cached_property
    def tables(self) -> dict[str, dict[str, Any]]:
        """What the data package says of each table, by its name."""
        return {
            path.removeprefix("tables/").removesuffix(".parquet"): about
            for path, about in self.resources.items()
            if path.startswith("tables/") and path.endswith(".parquet")
        }


def _folder() -> Path:
    return settings().city_home(settings().city).releases


@lru_cache(maxsize=4)
def _pointer(path: Path, changed_ns: int, size_bytes: int, inode: int) -> Published:
    """Read once for each state of the file: every request asks for it."""
    content = path.read_bytes()
    try:
        found = [
            Version(
                half_year,
                int(entry["version"]),
                str(entry["fingerprint"]),
                bool(entry["is_withdrawn"]),
                entry["version"] == said["version"],
            )
            for half_year, said in sorted(json.loads(content).items())
            for entry in said["versions"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(
            f"{path}: expected version and versions for each half-year as JSON. "
            "Move it away and publish any release again: the pointer is then rebuilt."
        ) from None
    return Published(tuple(found), hashlib.sha256(content).hexdigest())


@lru_cache(maxsize=16)
def _opened(folder: Path, fingerprint: str) -> Release:
    sums = (folder / SHA256SUMS).read_bytes()
    if hashlib.sha256(sums).hexdigest() != fingerprint:
        raise BadInput(f"{folder / SHA256SUMS}: is not what was published. {_RESTORE}")
    lines = (line.split("  ", 1) for line in sums.decode().splitlines())
    return Release(folder, fingerprint, {path: digest for digest, path in lines})


def _object(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    return found
