"""A candidate approved and published as a person would, at a time that is always the same; or one without marts."""

from datetime import UTC, datetime

from citycheck.lake.files import write_json
from citycheck.release.checksums import write_sums
from citycheck.release.publication import Publication, Published
from citycheck.release.publish import Release
from citycheck.steps import release
from citycheck.steps.index import Build

CITY = "quzhou_sample"
NOW = datetime(2026, 11, 1, 1, 30, tzinfo=UTC)


def approve(build: Build, reason: str = "looked at") -> None:
    """Say yes to what is staged, as the user `tester`."""
    release.decide(build, is_approved=True, decided_by="tester", decided_at=NOW.isoformat(), reason=reason)


def publish(build: Build) -> Release:
    """Approve what is staged, and publish it."""
    approve(build)
    return release.publish(build, NOW)


def candidate(
    half_year: str,
    version: int,
    build_id: str | None = None,
    *,
    supersedes: Published | None = None,
    release_at: str | None = None,
    approved: bool = True,
    is_preview: bool = False,
) -> Build:
    """A staged candidate of some 20 files in the home of the settings, without the marts that it would come from."""
    build = Build(CITY, half_year, build_id or f"{version:016x}")
    build.work.mkdir(parents=True)
    publication = Publication(
        half_year,
        version,
        "scheduled_revision" if supersedes else "initial",
        "verified",
        release_at,
        supersedes=supersedes,
        earlier=(supersedes,) if supersedes else (),
        is_preview=is_preview,
    )
    provenance = {
        "cut_off": "2026-07-16T00:00:00+08:00",
        "code_commit": "0" * 40,
        "code_version": "0",
        "code_sha256": "0" * 64,
        "inputs": [],
        "half_year": half_year,
        "city": CITY,
    }
    write_json(build.inputs, {"provenance": provenance, "publication": publication.as_json(), "files": {}})
    (build.staged / "tables").mkdir(parents=True)
    for number in range(16):
        (build.staged / "tables" / f"t{number}.csv").write_text(f"{build.id}{number}\n" * 1500, "utf-8")
    write_json(
        build.staged / "provenance.json",
        {**provenance, "build": build.id, "publication": publication.as_json()},
    )
    (build.staged / "index.html").write_text("<!DOCTYPE html>", "utf-8")
    write_sums(build.staged)
    build.database.parent.mkdir(parents=True)
    build.database.write_bytes(b"marts")
    if approved:
        approve(build)
    return build
