"""The published versions as their seals tell them, and the candidates that wait. Knows nothing of Airflow, writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.release import publish as releases
from citycheck.release.checksums import SHA256SUMS
from citycheck.release.manifest import MANIFEST, WITHDRAWN
from citycheck.release.publication import Decision
from citycheck.release.publish import Release
from citycheck.release.verify import Verdict, verify
from citycheck.settings import settings
from citycheck.steps import release as step
from citycheck.steps.index import Build

PAGE = "index.html"
Written = Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """A published version. What its files say is believed only as far as `checked` confirms it."""

    city: str
    release: Release
    is_current: bool
    manifest: Written
    """Empty for one from before releases were sealed."""
    notice: Written | None
    """Why it is withdrawn."""

    @property
    def publication(self) -> Written:
        return _publication(self.manifest.get("publication"))

    @property
    def decision(self) -> Written:
        return _mapping(self.manifest.get("decision"))

    @property
    def key_id(self) -> str:
        return str(_mapping(self.manifest.get("key")).get("id") or "")

    @property
    def files(self) -> list[Written]:
        return [_mapping(entry) for entry in self.manifest.get("files") or []]


@dataclass(frozen=True)
class Candidate:
    """A staged bundle that is not published, and what a person said to it."""

    build: Build
    publication: Written
    cut_off: str
    is_synthetic: bool
    staged_at: datetime
    decision: Decision | None

    @property
    def is_preview(self) -> bool:
        """Made before its cut-off: never published, and nobody is asked."""
        return bool(self.publication.get("is_preview"))

    @property
    def state(self) -> str:
        if self.is_preview:
            return "preview"
        return "waits" if self.decision is None else "approved" if self.decision.is_approved else "rejected"

    @property
    def release_at(self) -> str | None:
        return self.publication.get("release_at")


def cities() -> list[str]:
    """The cities of which there is anything."""
    found = settings().home.glob("*/")
    parts = ("lake", "landing", "releases", "scratch", "data_docs", "warehouse")
    return sorted(
        path.name
        for path in found
        if re.fullmatch("[a-z0-9_]{1,64}", path.name) and any((path / part).is_dir() for part in parts)
    )


def versions(city: str, half_year: str | None = None) -> list[Version]:
    """The published versions of a city, withdrawn ones too, the newest first."""
    home = settings().city_home(city)
    found = []
    for name in [half_year] if half_year else releases.half_years(home.releases):
        listed = releases.versions(home.releases, name)
        standing = max((r.version for r in listed if not r.is_withdrawn), default=None)
        found += [_version(city, release, standing) for release in listed]
    return found[::-1]


def version(city: str, half_year: str, number: int) -> Version | None:
    """One published version, or None."""
    return next((v for v in versions(city, half_year) if v.release.version == number), None)


def candidates(city: str, half_year: str | None = None) -> list[Candidate]:
    """What is staged and not published, the newest first. Raises `BadInput` when decisions or versions cannot be read."""
    return [_candidate(build, decision) for build, decision in step.candidates(city, half_year)]


def candidate(build: Build) -> Candidate | None:
    """The bundle that is staged of a build, also when it has been published since; None when there is none."""
    if not (build.staged / SHA256SUMS).is_file():
        return None
    return _candidate(build, step.decision_of(build))


def published_as(build: Build) -> int | None:
    """The last version whose provenance names the build."""
    made = [
        release.version
        for release in releases.versions(build.home.releases, build.half_year)
        if read(release.path / "provenance.json").get("build") == build.id
    ]
    return max(made, default=None)


def checked(found: Version) -> Verdict:
    """Whether a version is what was signed, every byte of it, by the deployment's own key where that is known here."""
    return verify(found.release.path, own_key())


def own_key() -> Path | None:
    """The public half of the deployment's key; None when a connection holds the key."""
    public = settings().home / "secrets" / "release_signing.pub"
    return public if settings().signing_key_connection is None and public.is_file() else None


def read(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one when the file is not there or is not one."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def read_list(path: Path) -> list[Any]:
    """A JSON list, or an empty one."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return written if isinstance(written, list) else []


def _version(city: str, release: Release, standing: int | None) -> Version:
    return Version(
        city,
        release,
        release.version == standing,
        read(release.path / MANIFEST),
        read(release.path / WITHDRAWN) if release.is_withdrawn else None,
    )


def _candidate(build: Build, decision: Decision | None) -> Candidate:
    provenance = read(build.staged / "provenance.json")
    if not _publication(provenance.get("publication")):
        raise BadInput(
            f"{build.half_year}: the provenance of candidate {build.id} is damaged. Run its task `stage` again."
        )
    staged = datetime.fromtimestamp((build.staged / SHA256SUMS).stat().st_mtime, UTC)
    return Candidate(
        build,
        _mapping(provenance.get("publication")),
        str(provenance.get("cut_off") or ""),
        bool(provenance.get("is_synthetic")),
        staged,
        decision,
    )


def _publication(value: object) -> Written:
    """What a version is or is to become; nothing where a damaged file does not say it."""
    told = _mapping(value)
    return told if {"version", "kind", "stage"} <= told.keys() else {}


def _mapping(value: object) -> Written:
    return value if isinstance(value, dict) else {}
