"""A candidate approved and published as a person would, at a time that is always the same."""

from datetime import UTC, datetime

from citycheck.release.publish import Release
from citycheck.steps import release
from citycheck.steps.index import Build

NOW = datetime(2026, 11, 1, 1, 30, tzinfo=UTC)


def approve(build: Build, reason: str = "looked at") -> None:
    """Say yes to what is staged, as the user `tester`."""
    release.decide(build, is_approved=True, decided_by="tester", decided_at=NOW.isoformat(), reason=reason)


def publish(build: Build) -> Release:
    """Approve what is staged, and publish it."""
    approve(build)
    return release.publish(build, NOW)
