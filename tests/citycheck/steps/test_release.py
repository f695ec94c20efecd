"""From a finished build to a published version, and what may come of it later."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import approving
import pytest

from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import write_json
from citycheck.release import publish as releases
from citycheck.release import verify
from citycheck.release.calendar import COLUMNS
from citycheck.release.publication import RELEASE_CALENDAR, Published
from citycheck.steps import index, release

HALF_YEAR = "2026H1"
JULY = datetime(2026, 7, 20, tzinfo=UTC)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, in which candidates need no marts."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path))
    settings_module.settings.cache_clear()
    yield settings_module.settings().city_home("quzhou_sample")
    settings_module.settings.cache_clear()


def manifest(of: releases.Release) -> dict:
    return json.loads((of.path / "manifest.json").read_text("utf-8"))


def test_what_is_published_is_what_was_approved_whatever_was_written_down_since(home):
    build = approving.candidate(HALF_YEAR, 1)
    frozen = json.loads(build.inputs.read_text("utf-8"))
    write_json(build.inputs, {**frozen, "publication": frozen["publication"] | {"kind": "correction"}})
    published = release.publish(build, approving.NOW)
    assert manifest(published)["kind"] == "initial"
    assert verify.verify(published.path).problems == ()


def test_a_preview_is_never_published(home):
    build = approving.candidate(HALF_YEAR, 1, is_preview=True)
    with pytest.raises(
        BadInput, match=r"was begun before its cut-off \(2026-07-16T00:00:00\+08:00\); a preview"
    ):
        release.publish(build, approving.NOW)
    assert releases.versions(home.releases, HALF_YEAR) == []


def test_a_candidate_that_nobody_or_nobody_now_has_approved_is_not_published(home):
    build = approving.candidate(HALF_YEAR, 1, approved=False)
    with pytest.raises(BadInput, match="nobody has decided on what is staged"):
        release.publish(build, approving.NOW)
    with pytest.raises(BadInput, match="rejected the candidate without a reason"):
        release.decide(build, is_approved=False, decided_by="u", decided_at="2026", reason=" ")
    approving.approve(build)
    release.decide(build, is_approved=False, decided_by="u", decided_at="2026", reason="a wrong map")
    with pytest.raises(BadInput, match="u has rejected what is staged"):
        release.publish(build, approving.NOW)
    with pytest.raises(BadInput, match="what is staged is not what u was shown"):
        release.decide(
            build, is_approved=True, decided_by="u", decided_at="2026", reason="", candidate="0" * 64
        )
    assert releases.versions(home.releases, HALF_YEAR) == []
    assert [decision for _, decision in release.candidates("quzhou_sample")] == [release.decision_of(build)]
    approving.approve(build)
    assert release.publish(build, approving.NOW).version == 1
    assert release.candidates("quzhou_sample") == []


def test_a_candidate_is_refused_when_a_version_was_withdrawn_that_it_was_compared_with(home):
    first = release.publish(approving.candidate(HALF_YEAR, 1), approving.NOW)
    second = approving.candidate(HALF_YEAR, 2, supersedes=Published(HALF_YEAR, 1, first.fingerprint))
    withdraw(1)
    with pytest.raises(BadInput, match="a version was published or withdrawn that it knows not of"):
        release.publish(second, approving.NOW)
    assert [found.version for found in releases.versions(home.releases, HALF_YEAR)] == [1]


def test_a_date_that_moved_after_staging_stops_the_candidate_that_tells_the_old_one(home, monkeypatch):
    build = approving.candidate(HALF_YEAR, 1, release_at="2026-08-14T09:30:00+08:00")
    assert release.due_at(build).isoformat() == "2026-08-15T09:30:00+08:00"
    with pytest.raises(NotReady, match="announced for 2026-08-14"):
        release.publish(build, JULY)
    with pytest.raises(
        BadInput, match=r"the calendar says 2026-08-15T09:30:00.*Run the build again from its task `ready`"
    ):
        release.publish(build, approving.NOW)


def test_a_withdrawn_candidate_is_not_published_again(home):
    build = approving.candidate(HALF_YEAR, 1)
    published = release.publish(build, approving.NOW)
    link = home.warehouse / f"{HALF_YEAR}.duckdb"
    assert link.resolve() == build.database.resolve()
    withdrawn = withdraw(1)
    assert withdrawn.is_withdrawn and not link.exists()
    checked = verify.verify(published.path)
    assert checked.problems == () and checked.is_withdrawn
    with pytest.raises(BadInput, match="is version 1, which was withdrawn"):
        release.publish(build, approving.NOW)
    with pytest.raises(BadInput, match="whose error it was; responsible is missing"):
        release.withdraw(
            "quzhou_sample", HALF_YEAR, 1, reason_zh="错", reason_en="x", responsible=" ", now=JULY
        )
    with pytest.raises(BadInput, match="version 7 is not published; there are 1"):
        withdraw(7)


def test_a_damaged_file_ends_in_a_sentence(home):
    build = approving.candidate(HALF_YEAR, 1)
    build.decisions.write_text("[{", "utf-8")
    with pytest.raises(BadInput, match=r"decisions\.json: is missing or damaged"):
        release.publish(build, approving.NOW)


def withdraw(version: int, city: str = "quzhou_sample") -> releases.Release:
    return release.withdraw(
        city,
        HALF_YEAR,
        version,
        reason_zh="分类有误",
        reason_en="wrong categories",
        responsible="citycheck",
        now=JULY,
    )


@pytest.mark.slow
@pytest.mark.cities
def test_a_version_is_made_again_byte_by_byte_and_what_follows_a_withdrawal_is_its_correction(project):
    """Neither a row that was appended to the calendar since, nor the withdrawal, changes what is made again."""
    project.ingest_all()
    build = index.begin("town", HALF_YEAR, now=JULY)
    index.build_all(build)
    index.gate_marts(build)
    shown = release.stage(build)
    assert (shown["version"], shown["kind"], shown["stage"]) == (1, "initial", "preliminary")
    assert not shown["is_preview"]
    assert shown["release_at"] == "2026-07-16T09:30:00+08:00"
    approving.publish(build)

    row = f"{HALF_YEAR},verified,2026-08-20T09:30,2026-07-01,系统升级,an upgrade,statistics office"
    folder = load_city("town").folder
    (folder / RELEASE_CALENDAR).write_text("\n".join([",".join(COLUMNS), row]) + "\n", "utf-8")
    withdraw(1, "town")
    again = release.rebuild("town", HALF_YEAR, 1)
    assert (again.differing, again.causes) == ((), ())
    assert again.files > 80
    assert releases.current(project.home.releases, HALF_YEAR) is None

    early = index.begin("town", HALF_YEAR, now=datetime(2026, 7, 15, tzinfo=UTC))
    assert json.loads(early.inputs.read_text("utf-8"))["publication"]["is_preview"]
    corrected = json.loads(index.begin("town", HALF_YEAR, now=JULY).inputs.read_text("utf-8"))["publication"]
    assert (corrected["version"], corrected["kind"], corrected["stage"]) == (2, "correction", "preliminary")
    assert (corrected["reason_en"], corrected["responsible"]) == ("wrong categories", "citycheck")
    assert (corrected["supersedes"]["version"], corrected["release_at"]) == (1, None)

    (again.folder / "index.html").chmod(0o644)
    (project.home.lake / "accepted").rename(project.home.lake / "gone")
    with pytest.raises(BadInput):
        release.rebuild("town", HALF_YEAR, 1)
