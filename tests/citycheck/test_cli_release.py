"""A release from a shell: candidate, approve, publish, verify, and what else is told of it."""

from __future__ import annotations

import json
import shutil

import approving
import pytest
from typer.testing import CliRunner

from citycheck import settings as settings_module
from citycheck.cities.profile import City
from citycheck.cli_release import app
from citycheck.disclosure import audit
from citycheck.release import calendar
from citycheck.release.publication import RELEASE_CALENDAR
from citycheck.settings import settings
from citycheck.steps import release

IN_TIME = "2026H1,preliminary,2026-07-20T09:30,2026-06-10,工单迟到,reports came late,统计处 statistics office"
LATE = "2026H1,verified,2026-08-20T09:30,2026-08-18,停电,no power,统计处 statistics office"


def test_the_calendar_tells_the_reference_date_and_what_was_announced_late(tmp_path, monkeypatch):
    shutil.copytree(settings().cities / "quzhou_sample", tmp_path / "quzhou_sample")
    city = City(tmp_path / "quzhou_sample")
    (city.folder / RELEASE_CALENDAR).write_text(
        "\n".join([",".join(calendar.COLUMNS), IN_TIME, LATE]) + "\n", encoding="utf-8"
    )
    monkeypatch.setattr("citycheck.cities.profile.load_city", lambda _: city)
    monkeypatch.setattr(calendar, "table", lambda about, _: calendar.entries(about, "2026H1"))
    done = CliRunner().invoke(app, ["calendar"])
    assert done.exit_code == 0
    preliminary, verified, final = done.stdout.splitlines()
    assert preliminary.startswith("2026H1  as of 2026-06-30  preliminary  2026-07-20 09:30")
    assert "changed on 2026-06-10: 工单迟到 reports came late" in preliminary
    assert "changed on 2026-08-18 (announced late): 停电 no power" in verified
    assert final.endswith("counts what is known by 2026-12-28 00:00")


@pytest.mark.parametrize(
    ("recovered", "status"), [((), 0), (("survey_needs N01, community C1 all: determined",), 1)]
)
def test_the_audit_of_disclosure_fails_when_it_recovers(monkeypatch, recovered, status):
    finding = audit.Finding(("1",), 9, 2, recovered, 5.0, 0.1)
    monkeypatch.setattr(audit, "attacks", lambda _: [finding])
    done = CliRunner().invoke(app, ["audit-disclosure", "1"])
    assert done.exit_code == status
    assert f"{len(recovered)} recovered" in done.stdout


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, in which candidates need no marts."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path))
    settings_module.settings.cache_clear()
    yield settings_module.settings().city_home("quzhou_sample")
    settings_module.settings.cache_clear()


def told(*arguments: str):
    """What a command says as JSON."""
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    keys = answer.keys() if isinstance(answer, dict) else {key for row in answer for key in row}
    manual = (settings().project / "docs/cli.md").read_text("utf-8")
    assert [key for key in keys if f"`{key}`" not in manual] == []  # scripts find them there
    return answer


def test_approve_publishes_what_is_due(home):
    approving.candidate("2026H1", 1, approved=False)
    [listed] = told("candidates")
    assert listed["decision"] is None
    approved = told("approve", "2026H1", "--reason", "looked at")
    assert (approved["version"], approved["decision"]["reason"]) == (1, "looked at")
    assert told("candidates") == []
    verdict = told("verify", approved["path"])
    assert (verdict["status"], verdict["version"], verdict["problems"]) == (0, 1, [])


def test_before_its_announced_time_a_candidate_is_only_approved_and_publish_says_when(home, monkeypatch):
    build = approving.candidate("2026H1", 1, release_at="2999-01-01T09:30:00+08:00", approved=False)
    later = release.datetime.fromisoformat("2999-01-01T09:30:00+08:00")
    monkeypatch.setattr(release, "due_at", lambda _: later)
    approved = told("approve", "2026H1")
    assert approved["version"] is None and approved["release_at"].startswith("2999-01-01")
    assert release.decision_of(build).is_approved
    done = CliRunner().invoke(app, ["publish", "2026H1"])
    assert done.exit_code == 1
    assert "is announced for 2999-01-01T09:30:00+08:00; it is not published before" in done.stderr


def test_publish_takes_the_candidate_that_was_approved(home):
    rejected = approving.candidate("2026H1", 1, "a", approved=False)
    approving.candidate("2026H1", 1, "b")
    assert told("reject", "2026H1", "--build", "a", "--reason", "no")["decision"]["is_approved"] is False
    assert told("publish", "2026H1")["build"] == "b"
    assert release.decision_of(rejected).reason == "no"


def test_nothing_is_published_that_nobody_approved_and_one_of_two_must_be_named(home):
    approving.candidate("2026H1", 1, "a", approved=False)
    unapproved = CliRunner().invoke(app, ["publish", "2026H1"])
    assert unapproved.exit_code == 1 and "nothing is published without an approval" in unapproved.stderr
    approving.candidate("2026H1", 1, "b", approved=False)
    two = CliRunner().invoke(app, ["approve", "2026H1"])
    assert "2 candidates wait (b, a). Say which with --build" in two.stderr or "(a, b)" in two.stderr
    other = CliRunner().invoke(app, ["approve", "2026H1", "--build", "c"])
    assert "no candidate of build 'c' waits; there are" in other.stderr


def test_verify_tells_an_unsigned_candidate_and_a_changed_byte_by_its_status(home):
    build = approving.candidate("2026H1", 1, approved=False)
    assert CliRunner().invoke(app, ["verify", str(build.staged)]).exit_code == 4
    (build.staged / "index.html").write_text("<!DOCTYPE htmI>", "utf-8")
    done = CliRunner().invoke(app, ["verify", str(build.staged), "--json"])
    assert done.exit_code == 1
    assert "index.html" in json.loads(done.stdout)["problems"][0]


@pytest.fixture
def staged(home, bundle_folder):
    """A whole candidate, as it is staged."""
    build = approving.candidate("2026H1", 1, approved=False)
    provenance = build.staged / "provenance.json"
    publication = json.loads(provenance.read_text("utf-8"))["publication"]
    shutil.rmtree(build.staged)
    shutil.copytree(bundle_folder, build.staged)
    said = json.loads(provenance.read_text("utf-8")) | {
        "publication": publication,
        "gate_warnings": ["one [b]"],
    }
    provenance.chmod(0o644)
    provenance.write_text(json.dumps(said), "utf-8")
    return build


def test_a_candidate_is_shown_in_full(staged):
    shown = told("candidate", "2026H1")
    assert {"fingerprint", "version", "kind", "stage", "release_at", "subject", "body"} <= shown.keys()
    assert {"area_id", "area_name", "rank", "index_score"} <= shown["counties"][0].keys()
    text = CliRunner().invoke(app, ["candidate", "2026H1"]).stdout
    assert shown["subject"] in text and "Ranking" in text and "nobody has decided yet" in text
    assert "one \\[b\\]" in text and "bundle/index" in text
