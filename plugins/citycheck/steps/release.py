"""From a finished build to a published version: stage → a person decides → publish. Later: withdraw, and rebuild to compare.

A candidate is the staged bundle of a build. Whoever decides has seen its bytes: the decision names their fingerprint, and
nothing else is published under it. What was published is never changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from citycheck import connections, progress
from citycheck.cities.profile import load_city
from citycheck.connections import Lookup
from citycheck.errors import BadInput, NothingToDo, NotReady
from citycheck.lake.files import read_json, telling_disk_full, write_json
from citycheck.lake.landing import exclusive
from citycheck.release import calendar
from citycheck.release import publish as releases
from citycheck.release.checksums import SHA256SUMS, sha256
from citycheck.release.manifest import seal, sign_notice
from citycheck.release.publication import Decision, Publication
from citycheck.settings import CityHome, settings
from citycheck.steps import earlier, index, inputs, keys, shelf
from citycheck.steps.index import Build


@progress.step("stage")
def stage(build: Build) -> dict[str, Any]:
    """Write the complete bundle of the candidate in its work folder, where no reader looks; returns what an approver is shown.

    The keys are fingerprint, version, kind, stage, release_at, is_preview, subject and body. Raises `NotReady` before the gate
    has passed, and `BadInput` when something that the bundle keeps back can be computed from it and the versions before it.
    """
    from citycheck.disclosure import audit
    from citycheck.release.bundle import stage as write_bundle

    made_of = index.frozen(build)
    publication = Publication.from_json(made_of["publication"])
    if not build.warnings.is_file():
        raise NotReady(
            f"{build.half_year}: build {build.id} has not passed the gate. Run the task `gate` first."
        )
    warnings = read_json(build.warnings, "Run the task `gate` again.")
    before = publication.supersedes and earlier.published(build.home, publication.supersedes.as_json())
    with exclusive(build.work / ".lock"), telling_disk_full(build.staged):
        shutil.rmtree(build.staged, ignore_errors=True)
        write_bundle(
            build.database,
            build.dbt_target / "manifest.json",
            build.staged,
            {
                **made_of["provenance"],
                "build": build.id,
                "publication": made_of["publication"],
                "calendar": made_of["calendar"],
                "dates": made_of["dates"],
                "gate_warnings": warnings,
            },
            before=before.path if before else None,
        )
    try:
        audit.check(build.staged, _controlled(build.home, publication))
    except BadInput:
        # To be looked into, but no candidate: nobody is asked about it.
        shutil.rmtree(build.refused, ignore_errors=True)
        os.rename(build.staged, build.refused)
        raise
    return shown(build, pages="citycheck")


def shown(build: Build, pages: str | None = None) -> dict[str, Any]:
    """What an approver is shown of the candidate that is staged, with the keys of `stage`.

    `pages` is where Airflow serves the pages of `web/`, relative to where it is itself; without, files on this disk are named.
    """
    from citycheck.release import candidate

    provenance = read_json(build.staged / "provenance.json", "Run the task `stage` again.")
    publication = Publication.from_json(provenance["publication"])
    before = publication.supersedes and earlier.published(build.home, publication.supersedes.as_json())
    summary = candidate.summary(
        build.staged,
        before=before.path if before else None,
        warnings=provenance["gate_warnings"],
        where=_places(build, pages),
    )
    return {
        "fingerprint": sha256(build.staged / SHA256SUMS),
        "version": publication.version,
        "kind": publication.kind,
        "stage": publication.stage,
        "release_at": publication.release_at,
        "is_preview": publication.is_preview,
        "subject": summary.subject,
        "body": summary.body,
    }


def _places(build: Build, pages: str | None) -> dict[str, str]:
    """Where there is more to read about a candidate, by what lies there."""
    of = f"{build.city}/{build.half_year}"
    if pages is None:
        return {
            "候选页面 candidate's page": str(build.staged / "index.html"),
            "Data Docs": str(build.home.data_docs / "index.html"),
        }
    return {
        "候选 the candidate and its page": f"{pages}/candidates/{of}/{build.id}",
        "数据行与隔离 rows and quarantine": f"{pages}/rows/{of}",
        "Data Docs": f"{pages}/data-docs/{build.city}/index.html",
        "构建、模型与测试 build, models and tests": f"{pages}/builds/{of}/{build.id}",
    }


def decide(
    build: Build,
    *,
    is_approved: bool,
    decided_by: str,
    decided_at: str,
    reason: str,
    candidate: str | None = None,
) -> Decision:
    """Write down what a person said to the candidate, under what was said before; the last decision counts.

    `candidate` is the fingerprint that the person was shown; without, that of what is staged. Raises `BadInput` when
    something else is staged by now, and when a rejection gives no reason.
    """
    fingerprint = _fingerprint(build)
    if candidate not in (None, fingerprint):
        raise BadInput(
            f"{build.half_year}: what is staged is not what {decided_by} was shown (build {build.id}). Clear the run from its "
            "task `stage`, and ask again."
        )
    if not is_approved and not reason.strip():
        raise BadInput(
            f"{build.half_year}: {decided_by} rejected the candidate without a reason. Give one, so that it can be put right."
        )
    decision = Decision(is_approved, decided_by, decided_at, reason.strip(), fingerprint)
    with exclusive(build.work / ".decisions.lock"):
        write_json(build.decisions, [*_decisions(build), decision.as_json()])
    return decision


def decision_of(build: Build) -> Decision | None:
    """The last decision about what is staged now, or None."""
    if not (build.staged / SHA256SUMS).is_file():
        return None
    said = [entry for entry in _decisions(build) if entry["candidate"] == _fingerprint(build)]
    return Decision(**said[-1]) if said else None


@progress.step("publish")
def publish(build: Build, now: datetime, lookup: Lookup = connections.from_environment) -> releases.Release:
    """Publish the candidate that a person has approved, and let the warehouse's pointer follow. The same is published once.

    Raises `BadInput` when nobody has approved exactly what is staged, when another version has come in between, or for a preview,
    `NothingToDo` when the current version was made from the same inputs, and `NotReady` before its announced time.
    """
    decision = decision_of(build)
    if decision is None or not decision.is_approved:
        said = "nobody has decided on" if decision is None else f"{decision.decided_by} has rejected"
        raise BadInput(
            f"{build.half_year}: {said} what is staged of build {build.id}; nothing is published without an approval. "
            "Have an assigned user approve it."
        )
    # What was approved, not what another run has written down since.
    provenance = read_json(build.staged / "provenance.json", "Run the task `stage` again, and ask again.")
    publication = Publication.from_json(provenance["publication"])
    standing = releases.current(build.home.releases, build.half_year)
    if standing is not None and standing.fingerprint != decision.candidate and index.is_released(build):
        raise NothingToDo(
            f"{build.half_year}: version {standing.version} was made from exactly these inputs; nothing is published twice."
        )
    if publication.is_preview:
        raise BadInput(
            f"{build.half_year}: build {build.id} was begun before its cut-off ({provenance['cut_off']}); a preview is never "
            "published. Run the build again from its task `ready`, after the cut-off."
        )
    if not publication.may_be_out(now):
        raise NotReady(
            f"{build.half_year}: version {publication.version} is announced for {publication.release_at}; it is not published "
            "before. Run the task again then."
        )
    if publication.release_at is not None:
        _must_be_announced(build, publication)
    key = keys.signing_key(lookup)

    def finish(copy: Path) -> None:
        _must_be_compared(build, publication)
        seal(
            copy,
            publication=publication,
            decision=decision,
            published_at=now,
            key=key,
            provenance=provenance,
            code={
                "version": provenance["code_version"],
                "commit": provenance["code_commit"],
                "sha256": provenance["code_sha256"],
            },
        )

    release = releases.publish(
        build.staged,
        build.home.releases,
        build.half_year,
        version=publication.version,
        seal=finish,
        shelf=shelf.shelf_of(build.home, lookup),
    )
    _point_warehouse(build.home, build.half_year)
    return release


def due_at(build: Build) -> datetime | None:
    """When the staged candidate may be out, as the calendar says now; None at once."""
    provenance = read_json(build.staged / "provenance.json", "Run the task `stage` first.")
    publication = Publication.from_json(provenance["publication"])
    return None if publication.release_at is None else _announced(build, publication)


def withdraw(
    city: str,
    half_year: str,
    version: int,
    *,
    reason_zh: str,
    reason_en: str,
    responsible: str,
    now: datetime,
    lookup: Lookup = connections.from_environment,
) -> releases.Release:
    """Say in the place of a published version that it no longer stands, why, and whose error it was; its files stay.

    Raises `BadInput` when there is no such version, or when the reason or who is responsible is missing.
    """
    home = settings().city_home(city)
    shelf.bring_up_to_date(home, lookup)
    release = _version(home, half_year, version)
    said = {"reason_zh": reason_zh, "reason_en": reason_en, "responsible": responsible}
    if lacking := [name for name, text in said.items() if not text.strip()]:
        raise BadInput(
            f"{half_year} version {version}: a withdrawal must say why and whose error it was; {', '.join(lacking)} is missing."
        )
    standing = [
        r.version
        for r in releases.versions(home.releases, half_year)
        if not r.is_withdrawn and r.version != version
    ]
    key = keys.signing_key(lookup)
    notice = sign_notice(
        {
            "half_year": half_year,
            "version": version,
            "withdrawn_at": now.astimezone(UTC).isoformat(),
            "superseded_by": max(standing, default=None),
            **said,
        },
        release.fingerprint,
        key,
    )
    withdrawn = releases.withdraw(home.releases, release, notice, shelf.shelf_of(home, lookup))
    _point_warehouse(home, half_year)
    return withdrawn


@dataclass(frozen=True)
class Rebuilt:
    """A published version beside the same made again: what differs, and why it may."""

    release: releases.Release
    folder: Path
    files: int
    differing: tuple[str, ...]
    causes: tuple[str, ...]


def rebuild(city: str, half_year: str, version: int) -> Rebuilt:
    """Make a published version again from the lake as of its cut-off, and compare every file with what was published.

    Everything that its provenance names is taken as it was; standard, profile and code are those of today, and where they
    differ from the recorded ones `causes` says so. Raises `BadInput` when something that it names is gone.
    """
    home = settings().city_home(city)
    release = _version(home, half_year, version)
    if problems := releases.verify(release.path):
        raise BadInput(
            f"{release.path}: is not what was published ({problems[0]}); there is nothing to compare with. "
            "Restore this version from a copy."
        )
    recorded = earlier.provenance_of(release)
    if "publication" not in recorded:
        raise BadInput(
            f"{release.path}: was published before releases recorded what they are to become; it cannot be rebuilt."
        )
    build = index.freeze(city, half_year, recorded=recorded, purpose="rebuild")
    index.build_all(build)
    index.gate_marts(build)
    stage(build)
    names = sorted(_names(release.path) | _names(build.staged))
    differing = [name for name in names if not _same(release.path / name, build.staged / name)]
    today = index.frozen(build)["provenance"]
    causes = [
        f"{name}: {recorded.get(name)} then, {today[name]} now"
        for name in (
            "code_version",
            "code_sha256",
            "profile_sha256",
            "city_indicators_sha256",
            "standard_sha256",
            "cut_off",
            "sources",
            "known_gaps",
        )
        if recorded.get(name) != today[name]
    ]
    return Rebuilt(release, build.staged, len(names), tuple(differing), tuple(causes))


def candidates(city: str, half_year: str | None = None) -> list[tuple[Build, Decision | None]]:
    """The staged bundles of a city that are not published, with the last decision about each; the newest first."""
    home = settings().city_home(city)
    staged = home.work.glob(f"index/{half_year or '*'}/*/bundle/{SHA256SUMS}")
    builds = [
        Build(city, path.parents[2].name, path.parents[1].name)
        for path in sorted(staged, key=lambda path: path.stat().st_mtime, reverse=True)
    ]
    published = {
        release.fingerprint
        for name in releases.half_years(home.releases)
        for release in releases.versions(home.releases, name)
    }
    return [(build, decision_of(build)) for build in builds if _fingerprint(build) not in published]


def _version(home: CityHome, half_year: str, version: int) -> releases.Release:
    found = {release.version: release for release in releases.versions(home.releases, half_year)}
    if version not in found:
        raise BadInput(
            f"{home.releases / half_year}: version {version} is not published; there "
            + (f"are {', '.join(map(str, found))}." if found else "is none.")
        )
    return found[version]


def _controlled(home: CityHome, publication: Publication) -> list[Path]:
    """The folders of the half-year's versions before this one that keep back what must not be told."""
    folders = [
        home.releases / entry.half_year / str(entry.version)
        for entry in publication.earlier
        if entry.half_year == publication.half_year
    ]
    return [
        folder for folder in folders if "publication" in read_json(folder / "provenance.json", "Restore it.")
    ]


def _decisions(build: Build) -> list[Mapping[str, Any]]:
    remedy = "Move it away, and have the candidate decided again."
    return list(read_json(build.decisions, remedy)) if build.decisions.is_file() else []


def _fingerprint(build: Build) -> str:
    sums = build.staged / SHA256SUMS
    if not sums.is_file():
        raise NotReady(f"{build.half_year}: build {build.id} is not staged. Run the task `stage` first.")
    return sha256(sums)


def _announced(build: Build, publication: Publication) -> datetime:
    """What the calendar says now of the stage of a candidate."""
    entries = calendar.entries(load_city(build.city), publication.half_year)
    return next(entry.release_at for entry in entries if entry.stage == publication.stage)


def _must_be_announced(build: Build, publication: Publication) -> None:
    """Raise when the date was moved after the candidate was staged: it tells the old one."""
    announced = _announced(build, publication)
    if publication.release_at is None or announced != datetime.fromisoformat(publication.release_at):
        raise BadInput(
            f"{build.half_year}: the candidate says that it is released at {publication.release_at}, and the calendar says "
            f"{announced.isoformat()} by now. Run the build again from its task `ready`."
        )


def _must_be_compared(build: Build, publication: Publication) -> None:
    """Raise when a version was published or withdrawn that the candidate was not compared with."""
    if tuple(inputs.published_before(build.home, build.half_year)) != publication.earlier:
        raise BadInput(
            f"{build.half_year}: since build {build.id} was begun, a version was published or withdrawn that it knows not of. "
            "Run the build again from its task `ready`."
        )


def _point_warehouse(home: CityHome, half_year: str) -> None:
    """Let the warehouse's pointer name the build of the version that stands; gone when none does, or its build is."""
    link = home.warehouse / f"{half_year}.duckdb"
    standing = releases.current(home.releases, half_year)
    build = (
        Build(home.root.name, half_year, str(earlier.provenance_of(standing)["build"])) if standing else None
    )
    if build is None or not build.database.is_file():
        link.unlink(missing_ok=True)
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(build.database.relative_to(home.warehouse))
    os.replace(temporary, link)


def _names(folder: Path) -> set[str]:
    lines = (folder / SHA256SUMS).read_text(encoding="utf-8").splitlines()
    return {line.split("  ", 1)[1] for line in lines}


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and sha256(one) == sha256(other)
