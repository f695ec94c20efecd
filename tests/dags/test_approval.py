"""The tasks after `stage`, on an Airflow of its own: who may answer, what an answer starts, and that nothing goes round it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from citycheck.local_airflow import APPROVER, HOST, LocalAirflow
from citycheck.period import HalfYear
from citycheck.release.calendar import COLUMNS
from citycheck.release.checksums import SHA256SUMS, sha256, write_sums
from citycheck.release.publication import RELEASE_CALENDAR, Publication
from citycheck.settings import CityHome, settings
from citycheck.steps.inputs import published_before

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

CITY = "quzhou_sample"
DAG, WITH_A_DEADLINE = "candidate", "candidate_with_a_deadline"
SOURCE = """
from airflow.sdk import dag, task
from approval import NEAR
from publishing import publish_when_approved
from shared import DEFAULTS


def candidate():
    @task
    def ready(**context):
        return context["dag_run"].conf["build"]

    @task
    def stage(build, **context):
        return context["dag_run"].conf["candidate"]

    build = ready()
    publish_when_approved(build, stage(build))


dag(dag_id="candidate", schedule=None, default_args=DEFAULTS)(candidate)()
dag(dag_id="candidate_with_a_deadline", schedule=None, default_args=DEFAULTS, deadline=NEAR)(candidate)()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city that tells a robot, and a standard whose dates a test may change."""
    root = tmp_path_factory.mktemp("approval")
    (root / "dags").mkdir()
    (root / "dags" / "candidate.py").write_text(SOURCE)
    shutil.copytree(settings().cities / CITY, root / "cities" / CITY)
    with (root / "cities" / CITY / "profile.yml").open("a") as profile:
        profile.write("\nalerts: {channels: [{kind: json, connection: robot}]}\n")
    shutil.copytree(settings().dbt_project / "seeds", root / "dbt_project" / "seeds")
    return root


@pytest.fixture(scope="module")
def robot() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the texts that it was told."""
    told: list[str] = []

    class Robot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Robot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{HOST}:{server.server_address[1]}/", told
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def airflow(project: Path, robot: tuple[str, list[str]]) -> Iterator[LocalAirflow]:
    paths = (settings().project / "plugins", settings().project / "dags")
    environment = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings().project / "plugins"),
        "AIRFLOW_CONN_ROBOT": json.dumps({"conn_type": "http", "password": robot[0]}),
        "CITYCHECK_PROJECT": str(project),
        "CITYCHECK_CITY": CITY,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "CITYCHECK_HOME": str(project / "home"),
        "CITYCHECK_APPROVERS": f" {APPROVER} ,somebody_else",
        "CITYCHECK_RETRY_DELAY_SECONDS": "1",
    }
    airflow = LocalAirflow(project / "var", project, environment)
    airflow.start(timeout_s=240)
    yield airflow
    airflow.stop()


class Asked:
    """A run that waits for a person, with a candidate of its own."""

    def __init__(
        self,
        airflow: LocalAirflow,
        home: Path,
        half_year: str,
        release_at: datetime | None,
        dag: str,
        is_preview: bool,
    ) -> None:
        self.airflow, self.half_year, self.dag = airflow, half_year, dag
        self.home = home / CITY
        self.build = {"city": CITY, "half_year": half_year, "id": "0" * 16}
        self.work = self.home / "scratch" / "index" / half_year / ("0" * 16)
        (self.work / "bundle").mkdir(parents=True)
        (self.home / "warehouse").mkdir(exist_ok=True)
        (self.work / "bundle" / "figures.csv").write_text(f"a,b\n1,{half_year}\n")
        at = release_at and release_at.isoformat()
        provenance = {"city": CITY, "inputs": [], "code_commit": "unknown", "code_sha256": "0" * 64}
        provenance |= {"code_version": "0", "build": "0" * 16}
        out = tuple(published_before(CityHome(self.home), half_year))
        version = Publication(half_year, 1, "initial", "preliminary", at, earlier=out, is_preview=is_preview)
        publication = {"publication": version.as_json()}
        (self.work / "bundle" / "provenance.json").write_text(json.dumps(provenance | publication))
        write_sums(self.work / "bundle")
        (self.work / "inputs.json").write_text(json.dumps({"provenance": provenance} | publication))
        self.candidate = {
            "fingerprint": sha256(self.work / "bundle" / SHA256SUMS),
            "release_at": at,
            "is_preview": is_preview,
            "subject": f"{half_year} {{{{ 6 * 7 }}}}",
            "body": "| a |\n|---|\n| b |\n",
        }
        self.run = airflow.trigger(dag, {"build": self.build, "candidate": self.candidate})
        self.wait_for("approve", "skipped" if is_preview else "awaiting_input")

    def states(self) -> dict[str, str]:
        return {task["task_id"]: task["state"] for task in self.airflow.task_instances(self.dag, self.run)}

    def wait_for(self, task_id: str, state: str) -> None:
        for _ in range(240):
            if (now := self.states()[task_id]) == state:
                return
            assert now not in ("failed", "upstream_failed"), self.reasons()
            time.sleep(0.5)
        raise AssertionError(f"{task_id} is not {state}: {self.states()}")

    def answer(self, option: str, reason: str = "looked at", user: str = APPROVER) -> int:
        return self.airflow.answer(self.dag, self.run, "approve", option, reason, user)

    def ask_again(self) -> None:
        """Clear `approve` and what follows, as the runbook says."""
        cleared = {
            "dry_run": False,
            "dag_run_id": self.run,
            "task_ids": ["approve"],
            "include_downstream": True,
        }
        cleared |= {"only_failed": False, "reset_dag_runs": True}
        path = f"dags/{self.dag}/clearTaskInstances"
        assert self.airflow._send("POST", path, APPROVER, json=cleared).ok
        self.wait_for("approve", "awaiting_input")

    def end(self) -> str:
        return self.airflow.wait([(self.dag, self.run)], timeout_s=240)[self.dag, self.run]

    def reasons(self) -> dict[str, str]:
        return {task: reason for task, reason, _ in self.airflow.failures(self.dag, self.run)}

    @property
    def decisions(self) -> list[dict]:
        path = self.work / "decisions.json"
        return json.loads(path.read_text()) if path.is_file() else []

    @property
    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.home / "releases" / self.half_year).glob("[0-9]*"))


@pytest.fixture
def ask(airflow: LocalAirflow, project: Path):
    return lambda half_year, release_at=None, dag=DAG, is_preview=False: Asked(
        airflow, project / "home", half_year, release_at, dag, is_preview
    )


def test_only_an_assigned_user_approves_and_then_it_is_published(ask):
    asked = ask("2001H1")
    question = asked.airflow.question(DAG, asked.run, "approve")
    assert question["subject"] == "2001H1 {{ 6 * 7 }}", "what a candidate says is text, no template"
    assert [user["id"] for user in question["assigned_users"]] == [APPROVER, "somebody_else"]
    assert question["options"] == ["Approve", "Reject"]
    for user in ("viewer", "operator", "admin"):
        assert asked.answer("Approve", user=user) == 403, user
    assert asked.answer("Publish") == 400
    assert asked.decisions == []
    assert asked.versions == []
    assert asked.answer("Approve", "区县排名核对无误") == 200
    assert asked.answer("Reject", "too late") == 409
    assert asked.end() == "success"
    assert asked.states() == {
        "ready": "success", "stage": "success", "approve": "success", "embargo": "success", "publish": "success",
        "rejected": "skipped",
    }  # fmt: skip
    [decision] = asked.decisions
    assert (decision["is_approved"], decision["decided_by"], decision["reason"]) == (
        True,
        APPROVER,
        "区县排名核对无误",
    )
    assert decision["candidate"] == sha256(asked.work / "bundle" / SHA256SUMS)
    assert datetime.now(UTC) - datetime.fromisoformat(decision["decided_at"]) < timedelta(minutes=5)
    assert asked.versions == ["1"]
    manifest = json.loads((asked.home / "releases" / "2001H1" / "1" / "manifest.json").read_text())
    assert manifest["decision"] == decision


def test_a_rejected_candidate_is_kept_and_the_run_says_why(ask):
    asked = ask("2001H2")
    assert asked.answer("Reject", "柯城区的报修数不对") == 200
    assert asked.end() == "failed"
    states = asked.states()
    assert (states["approve"], states["embargo"], states["publish"]) == ("success", "skipped", "skipped")
    reason = asked.reasons()["rejected"]
    assert f"rejected by {APPROVER}" in reason
    assert "柯城区的报修数不对" in reason
    assert [decision["is_approved"] for decision in asked.decisions] == [False]
    assert (asked.work / "bundle" / "figures.csv").is_file()
    assert asked.versions == []

    asked.ask_again()
    assert asked.answer("Approve", "核对后无误") == 200
    assert asked.end() == "success"
    assert [decision["is_approved"] for decision in asked.decisions] == [False, True]
    assert asked.versions == ["1"]


def test_a_rejection_without_a_reason_is_no_decision(ask):
    asked = ask("2002H1")
    assert asked.answer("Reject", " ") == 200
    assert asked.end() == "failed"
    assert "without a reason" in asked.reasons()["approve"]
    assert asked.states()["publish"] == "upstream_failed"
    assert asked.decisions == []


def test_other_bytes_than_those_that_were_shown_are_not_approved(ask):
    asked = ask("2002H2")
    (asked.work / "bundle" / "figures.csv").write_text("a,b\n1,3\n")
    write_sums(asked.work / "bundle")
    assert asked.answer("Approve") == 200
    assert asked.end() == "failed"
    assert "is not what approver was shown" in asked.reasons()["approve"]
    assert (asked.decisions, asked.versions) == ([], [])


def test_who_may_not_approve_cannot_go_round_it(ask):
    """An operator may set the state of a task and write its XComs; neither is an approval."""
    asked = ask("2003H1")
    path = f"dags/{DAG}/dagRuns/{asked.run}/taskInstances/approve"
    said = {"chosen_options": ["Approve"], "params_input": {}, "responded_by_user": {"id": APPROVER}}
    forged = {"key": "return_value", "value": said}
    asked.airflow._send("POST", f"{path}/xcomEntries", "operator", json=forged)
    assert asked.airflow._send("PATCH", path, "operator", json={"new_state": "success"}).ok
    assert asked.end() == "failed"
    assert "nothing is published without an approval" in asked.reasons()["publish"]
    assert "marked as done by hand, which is no decision" in asked.reasons()["rejected"]
    assert (asked.decisions, asked.versions) == ([], [])


def test_an_answer_is_about_the_candidate_that_was_asked_about(ask):
    """An operator may write XComs while the question is open; the approval does not go over to another candidate."""
    asked, other = ask("1999H1"), ask("2000H2")
    path = f"dags/{DAG}/dagRuns/{asked.run}/taskInstances/{{}}/xcomEntries/return_value"
    for task, value in (("ready", other.build), ("stage", other.candidate)):
        changed = {"value": value, "map_index": -1}
        assert asked.airflow._send("PATCH", path.format(task), "operator", json=changed).ok
    assert asked.answer("Approve") == 200
    asked.end()
    assert [decision["is_approved"] for decision in asked.decisions] == [True]
    assert (other.decisions, other.versions) == ([], [])
    assert other.answer("Reject", "only here to be kept out") == 200
    assert other.end() == "failed"


def test_a_preview_asks_nobody_and_is_not_published(ask):
    asked = ask("2000H1", is_preview=True)
    assert asked.end() == "success"
    states = asked.states()
    assert {states[task] for task in ("approve", "embargo", "publish", "rejected")} == {"skipped"}
    assert asked.versions == []


def test_what_is_approved_early_waits_without_a_worker_and_comes_out_at_its_time(ask, project):
    release_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=90)
    announce("2003H2", release_at, project / "cities" / CITY / RELEASE_CALENDAR)
    asked = ask("2003H2", release_at)
    assert asked.answer("Approve") == 200
    asked.wait_for("embargo", "up_for_reschedule")
    assert asked.versions == []
    assert asked.end() == "success"
    manifest = json.loads((asked.home / "releases" / "2003H2" / "1" / "manifest.json").read_text())
    published_at = datetime.fromisoformat(manifest["published_at"])
    assert timedelta(0) <= published_at - release_at < timedelta(seconds=60)


def test_who_is_to_decide_is_told_and_again_when_the_date_is_near(ask, project, robot):
    """Twice: by the notifier when it is asked, and by the deadline of the run, which is not finished then."""
    _, told = robot
    told.clear()
    let_a_release_be_near_in(timedelta(seconds=90), project / "dbt_project" / "seeds" / "release_stages.csv")
    asked = ask("2004H1", dag=WITH_A_DEADLINE)
    [first] = told
    assert "2004H1" in first
    assert f"/dags/{WITH_A_DEADLINE}/runs/{asked.run}/tasks/approve/required_actions" in first
    assert "due within a day" not in first
    for _ in range(400):
        if len(told) > 1:
            break
        time.sleep(0.5)
    [_, second] = told
    assert "due within a day: nothing is approved" in second
    assert asked.states()["approve"] == "awaiting_input"
    assert asked.answer("Approve") == 200
    assert asked.end() == "success"


def announce(half_year: str, preliminary: datetime, calendar: Path) -> None:
    """Let the first stage be out at a moment, and the others after it."""
    rows = [
        f"{half_year},{stage},{preliminary + timedelta(days=days):%Y-%m-%dT%H:%M:%S%z},2020-01-01,试验,a trial,statistics office"
        for days, stage in ((2, "final"), (1, "verified"), (0, "preliminary"))
    ]
    calendar.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", "utf-8")


def let_a_release_be_near_in(wait: timedelta, stages: Path) -> None:
    """Move the dates of the standard so that the final stage of the last half-year is due a day after `wait` is over."""
    zone = ZoneInfo("Asia/Shanghai")
    near = datetime.now(zone) + wait
    ended = HalfYear.containing(near, zone).start(zone)
    days = (near.date() - ended.date()).days + 1
    rows = list(csv.DictReader(stages.open(encoding="utf-8")))
    for before, row in enumerate(reversed(rows)):
        row |= {"lag_days": str(days - 3 * before), "alert_days": "1", "time_of_day": f"{near:%H:%M:%S}"}
    with stages.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
