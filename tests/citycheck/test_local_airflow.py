"""The local Airflow: it starts, runs DAGs, says why a task failed, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from citycheck.local_airflow import (
    APPROVER,
    HOST,
    USERS,
    AirflowTrouble,
    LocalAirflow,
    _free_port,
    _last_error,
)

PLUGINS = str(Path(__file__).resolve().parents[2] / "plugins")

DAGS = """
from airflow.sdk import Asset, Metadata, dag, task

COUNTED = Asset(name="counted", uri="scratch://counted")


@dag(schedule=None)
def count():
    @task
    def first(**context):
        return context["params"].get("start", 0) or context["dag_run"].conf["start"]

    @task(outlets=[COUNTED])
    def second(number):
        print("the number is", number + 1)
        yield Metadata(COUNTED, extra={"number": number + 1})

    second(first())


@dag(schedule=[COUNTED])
def after_count():
    @task
    def seen():
        import great_expectations, duckdb
        return duckdb.sql("select 1").fetchall()[0][0]

    seen()


@dag(schedule=None)
def fail():
    @task
    def good():
        pass

    @task
    def bad():
        from citycheck.errors import BadInput
        raise BadInput("survey.csv, row 3: age must be a number. Correct the file.")

    @task
    def never():
        pass

    good() >> bad() >> never()


@dag(schedule=None)
def sleep():
    @task
    def long():
        import subprocess
        subprocess.run(["sleep", "300"])

    long()


count(), after_count(), fail(), sleep()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few small DAGs."""
    root = tmp_path_factory.mktemp("scratch project")
    (root / "dags").mkdir()
    (root / "plugins").mkdir()
    (root / "dags" / "scratch.py").write_text(DAGS)
    return root


@pytest.fixture(scope="module")
def airflow(project: Path) -> Iterator[LocalAirflow]:
    airflow = LocalAirflow(project / "var", project, {"PYTHONPATH": PLUGINS})
    airflow.start(timeout_s=240)
    yield airflow
    airflow.stop()


@pytest.mark.slow
def test_a_run_succeeds_tells_its_changes_and_its_asset_starts_the_next(airflow: LocalAirflow):
    before = airflow.runs("after_count")
    changes: list[tuple[str, str, str, str]] = []
    run = airflow.trigger("count", {"start": 41})
    states = airflow.wait([("count", run)], timeout_s=120, on_change=lambda *change: changes.append(change))
    assert states == {("count", run): "success"}
    assert len(changes) == len(set(changes))
    assert {("count", run, "first", "success"), ("count", run, "second", "success")} <= set(changes)
    log = airflow.home / "logs" / "dag_id=count" / f"run_id={run}" / "task_id=second" / "attempt=1.log"
    assert "the number is 42" in log.read_text()

    started = airflow.wait_for_new_run("after_count", before, timeout_s=60)
    assert airflow.wait([("after_count", started)], timeout_s=120) == {("after_count", started): "success"}
    assert airflow.failures("count", run) == []


@pytest.mark.slow
def test_a_failed_task_is_told_with_its_reason_and_its_log(airflow: LocalAirflow, project: Path):
    run = airflow.trigger("fail", {}, run_id="to-fail:1")
    assert run == "to-fail:1"
    assert airflow.wait([("fail", run)], timeout_s=120) == {("fail", run): "failed"}
    [(task, reason, log)] = airflow.failures("fail", run)
    assert task == "bad"
    assert reason == "BadInput: survey.csv, row 3: age must be a number. Correct the file."
    assert "BadInput" in (project / log).read_text()
    assert {t["task_id"]: t["state"] for t in airflow.task_instances("fail", run)} == {
        "good": "success", "bad": "failed", "never": "upstream_failed",
    }  # fmt: skip


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_told(airflow: LocalAirflow):
    run = airflow.trigger("sleep", {})
    with pytest.raises(
        AirflowTrouble, match=r"Not finished within 1 s: sleep manual__.* is (queued|running)"
    ):
        airflow.wait([("sleep", run)], timeout_s=1)


@pytest.mark.slow
def test_a_dag_that_is_not_there_is_told(airflow: LocalAirflow):
    with pytest.raises(AirflowTrouble, match="Airflow has no DAG no_such_dag"):
        airflow._wait_for_dag("no_such_dag", timeout_s=1)


@pytest.mark.slow
def test_only_the_owner_can_read_secrets_and_only_this_machine_is_served(airflow: LocalAirflow):
    for name in ("passwords.json", "secrets.json", "processes.json"):
        assert stat.S_IMODE((airflow.home / name).stat().st_mode) == 0o600, name
    assert airflow.url.startswith(f"http://{HOST}:")
    served = {
        connection.laddr.ip
        for process in airflow._processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert served == {HOST}
    nobody = airflow._http.get(f"{airflow.url}/api/v2/dags", timeout=10)
    assert nobody.status_code == 401


@pytest.mark.slow
def test_starting_it_again_does_nothing(airflow: LocalAirflow, project: Path):
    again = LocalAirflow(project / "var", project, {"PYTHONPATH": PLUGINS})
    before = airflow._processes()
    assert again.is_up
    assert again.start() is False
    with again:
        pass
    assert airflow.is_up
    assert set(before) & set(airflow._processes())


@pytest.mark.slow
def test_stopping_it_leaves_no_process_though_a_task_runs(project: Path, tmp_path: Path):
    """Started by another process, which gets SIGTERM in the middle of a task: its context manager stops all."""
    script = (
        "import sys; from pathlib import Path; from citycheck.local_airflow import LocalAirflow\n"
        "home, project, plugins = sys.argv[1:]\n"
        "with LocalAirflow(Path(home), Path(project), {'PYTHONPATH': plugins}) as airflow:\n"
        "    run = airflow.trigger('sleep', {}); print('triggered', flush=True)\n"
        "    airflow.wait([('sleep', run)], 300, lambda *change: print(*change[2:], flush=True))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(project), PLUGINS]
    starter = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": PLUGINS}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert starter.stdout is not None
        for line in starter.stdout:
            if line.strip() == "long running":
                break
        airflow = LocalAirflow(tmp_path, project, {"PYTHONPATH": PLUGINS})
        sleeps = wait_for_sleep(airflow)
        ours = airflow._processes()
        assert len(ours) > 4
        starter.send_signal(signal.SIGTERM)
        assert starter.wait(timeout=60) == 128 + signal.SIGTERM
    finally:
        starter.kill()
        LocalAirflow(tmp_path, project).stop()
    assert [
        process for process in [*ours, *sleeps] if process.is_running() and process.status() != "zombie"
    ] == []
    assert not (airflow.home / "processes.json").exists()
    assert not airflow.is_up
    airflow.stop()


def wait_for_sleep(airflow: LocalAirflow) -> list[psutil.Process]:
    """The process that a task of `sleep` has started."""
    for _ in range(100):
        found = [process for process in airflow._processes() if process.name() == "sleep"]
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("the task has started no process")


# Without Airflow -----------------------------------------------------------------------------------------------------


def test_stop_kills_no_stranger_that_got_the_number_of_a_dead_process(tmp_path: Path):
    airflow = LocalAirflow(tmp_path, tmp_path)
    airflow.home.mkdir()
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        earlier = psutil.Process(stranger.pid).create_time() - 100
        state = {
            "port": 1,
            "environment": {},
            "processes": {"scheduler": {"pid": stranger.pid, "started": earlier}},
        }
        (airflow.home / "processes.json").write_text(json.dumps(state))
        airflow.stop()
        assert stranger.poll() is None
        assert not (airflow.home / "processes.json").exists()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.slow
def test_stop_finds_the_orphans_of_a_dead_process(tmp_path: Path):
    airflow = LocalAirflow(tmp_path, tmp_path)
    airflow.home.mkdir()
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 61 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout is not None
    orphan = psutil.Process(int(leader.stdout.readline()))
    recorded = {"pid": leader.pid, "started": psutil.Process(leader.pid).create_time()}
    leader.kill()
    leader.wait()
    assert orphan.is_running()
    state = {"port": 1, "environment": {}, "processes": {"scheduler": recorded}}
    (airflow.home / "processes.json").write_text(json.dumps(state))
    airflow.stop()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_what_was_never_started_is_not_up_and_stops_without_complaint(tmp_path: Path):
    airflow = LocalAirflow(tmp_path, tmp_path)
    assert not airflow.is_up
    airflow.stop()
    airflow.stop()
    with pytest.raises(AirflowTrouble, match="Start it with `make up`"):
        _ = airflow.url


@pytest.mark.slow
def test_a_start_that_fails_says_where_the_log_is_and_leaves_nothing(tmp_path: Path):
    airflow = LocalAirflow(
        tmp_path, tmp_path, {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/airflow.db"}
    )
    with pytest.raises(AirflowTrouble, match=r"airflow/logs/migrate\.log"):
        airflow.start()
    assert airflow._processes() == []
    assert not airflow.is_up


def test_a_port_in_use_is_not_taken():
    import socket

    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert _free_port(taken) != taken


def test_nothing_of_the_callers_airflow_gets_in_and_the_callers_environment_does(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/elsewhere")
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
    airflow = LocalAirflow(
        tmp_path, tmp_path, {"CITYCHECK_CITY": "tainan", "AIRFLOW__CORE__PARALLELISM": "9"}
    )
    airflow.home.mkdir()
    env = airflow._env(8123)
    assert env["AIRFLOW__CORE__DAGS_FOLDER"] == str(tmp_path / "dags")
    assert "AIRFLOW__CORE__UNIT_TEST_MODE" not in env
    assert env["CITYCHECK_CITY"] == "tainan"
    assert env["AIRFLOW__CORE__PARALLELISM"] == "9"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://{HOST}:8123/execution/"
    assert env == airflow._env(8123), "secrets are made once"


def test_a_user_who_is_new_gets_a_password_and_the_others_keep_theirs(tmp_path: Path):
    airflow = LocalAirflow(tmp_path, tmp_path)
    airflow.home.mkdir()
    airflow.password_file.write_text(json.dumps({"admin": "kept", "viewer": "kept too"}))
    env = airflow._env(8123)
    passwords = json.loads(airflow.password_file.read_text())
    assert passwords.keys() == USERS.keys()
    assert (passwords["admin"], passwords["viewer"]) == ("kept", "kept too")
    assert passwords[APPROVER] != passwords["operator"]
    assert stat.S_IMODE(airflow.password_file.stat().st_mode) == 0o600
    roles = env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")
    assert roles == ["admin:admin", "viewer:viewer", "approver:op", "operator:op"]


LOGS = {
    "an error without an exception": ([{"level": "error", "event": "it broke"}], "it broke"),
    "an exception with its cause": (
        [{"level": "error", "event": "failed", "error_detail": [
            {"exc_type": "BadInput", "exc_value": "row 3"}, {"exc_type": "ValueError", "exc_value": "x"}]}],
        "BadInput: row 3",
    ),
    "an exception, then a line about it": (
        [{"level": "error", "event": "failed", "error_detail": [{"exc_type": "BadInput", "exc_value": "row 3"}]},
         {"level": "error", "event": "Task exited"}],
        "BadInput: row 3",
    ),
    "no error": ([{"level": "info", "event": "done"}], None),
    "lines of another kind": (["not JSON", 3], None),
}  # fmt: skip


@pytest.mark.parametrize("case", LOGS)
def test_the_reason_is_what_was_raised_last(case: str, tmp_path: Path):
    lines, reason = LOGS[case]
    log = tmp_path / "attempt=1.log"
    log.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    assert _last_error(log) == reason
