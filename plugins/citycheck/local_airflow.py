"""An Airflow of one's own on this machine, for the demo and for `make up`: SQLite, LocalExecutor, all in `home`.

Airflow itself is never imported: its commands run as processes, and it is spoken to over its REST API.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any
from urllib.parse import quote

import psutil
import requests

from citycheck.errors import CitycheckError

HOST = "127.0.0.1"
COMPONENTS = {
    # The scheduler takes longest to be ready, so it goes first. Logs are read from the disk: no server for them.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "api-server": ["api-server"],
    "dag-processor": ["dag-processor"],
}
APPROVER = "approver"
USERS = {"admin": "admin", "viewer": "viewer", APPROVER: "op", "operator": "op"}
"""Users and their roles: two of the same role, so that one can be asked to approve and the other not."""
FINISHED = ("success", "failed")
POLL_S = 0.5

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    # Airflow 3.3 reports nothing any more; earlier versions read this.
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}

SPEED = {
    # Tasks at a time: the slots of the pool, which the UI shows. Two keep two cores busy, a third fills their waits.
    "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "3",
    # More workers than that: one often notices the end of its task only at its next heartbeat, and holds until then
    # what the next task needs. With 3 workers and the 5 s of Airflow's default, 32 trivial tasks took 37 s, not 9.
    "AIRFLOW__CORE__PARALLELISM": "6",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # A second of sleep before each task of a chain would be the better part of the chain.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # Workers are forked from a process that has imported what most tasks need: 3 s of processor time for each task
    # that uses Great Expectations. Not citycheck itself: an edit counts for the next task.
    "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
    "AIRFLOW__SCHEDULER__MP_FORKSERVER_PRELOAD": ",".join(
        (
            "airflow.executors.local_executor",
            "airflow.sdk.execution_time.supervisor",
            "airflow.sdk.execution_time.task_runner",
            "duckdb",
            "great_expectations",
            "pandas",
            "pyarrow.parquet",
        )
    ),
    # A DAG file that has changed is read at once all the same.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
    # A task whose worker was killed is found out, and tried again, after a minute; by default after five.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
}
"""What makes short tasks quick on two cores; the figures were measured with Airflow 3.3.2."""

Run = tuple[str, str]
"""(dag_id, run_id)"""


class AirflowTrouble(CitycheckError):
    """The local Airflow did not start, did not answer, or refused; the sentence says where its logs are."""


class LocalAirflow:
    """Airflow with the DAGs of `project`, and its database, logs and secrets in `<home>/airflow`.

    `environment` is what the DAGs and their tasks get to see besides; entries named AIRFLOW__… override the settings
    chosen here. As a context manager it stops on leaving, SIGTERM included, what it started on entering.
    """

    def __init__(self, home: Path, project: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = Path(home).resolve() / "airflow"
        self.project = Path(project).resolve()
        self.environment = dict(environment or {})
        self.password_file = self.home / "passwords.json"
        self._state_file = self.home / "processes.json"
        self._http = requests.Session()
        # A proxy for the outside world must not be asked for this machine.
        self._http.trust_env = False
        self._tokens: dict[str, str] = {}

    # Starting and stopping ------------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 120) -> bool:
        """Start it and wait until it takes work. False: it was up already, with the same environment.

        One that runs with another environment (another city, say) is stopped first. Raises `AirflowTrouble`, and
        leaves no process behind then.
        """
        if self.is_up and self._state().get("environment") == self.environment:
            return False
        self.stop()
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        port = _free_port()
        env = self._env(port)
        processes: dict[str, dict[str, float]] = {}
        state = {"port": port, "environment": self.environment, "processes": processes}
        try:
            self._migrate(env)
            for name, arguments in COMPONENTS.items():
                pid = self._spawn(name, arguments, env)
                processes[name] = {"pid": pid, "started": psutil.Process(pid).create_time()}
                _write_private(self._state_file, state)
            self._wait_until_healthy(timeout_s)
        except BaseException:
            self.stop()
            raise
        return True

    def stop(self, patience_s: float = 10) -> None:
        """Stop what start() started, tasks included, and nothing else. Does nothing when nothing runs."""
        ours = self._processes()
        for process in ours:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(ours, timeout=patience_s)
        # Asked again: what was just being started when it was asked first is found now.
        alive = list({*alive, *self._processes()})
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=patience_s)
        self._state_file.unlink(missing_ok=True)
        self._tokens = {}

    @property
    def is_up(self) -> bool:
        """All its processes live, and database, scheduler and DAG processor say that they are well."""
        return not self._dead() and not self._unwell()

    @property
    def url(self) -> str:
        """Where the UI is. Raises `AirflowTrouble` when it was not started."""
        port = self._state().get("port")
        if port is None:
            raise AirflowTrouble(f"No Airflow of {self._near(self.home)} runs. Start it with `make up`.")
        return f"http://{HOST}:{port}"

    def __enter__(self) -> LocalAirflow:
        # Without this, SIGTERM would end this process before it has stopped the others.
        self._on_term = signal.signal(signal.SIGTERM, _exit_on_term)
        try:
            self._started_here = self.start()
        except BaseException:
            signal.signal(signal.SIGTERM, self._on_term)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            if self._started_here:
                self.stop()
        finally:
            signal.signal(signal.SIGTERM, self._on_term)

    def command(self, arguments: Sequence[str]) -> int:
        """Run a command of Airflow's own, such as `backfill create …`, on the Airflow that is up; its exit status."""
        port = int(self.url.rsplit(":", 1)[1])
        self.environment = {**self._state()["environment"], **self.environment}
        return subprocess.run([sys.executable, "-m", "airflow", *arguments], env=self._env(port)).returncode

    # Runs -----------------------------------------------------------------------------------------------------------

    def trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Start a run of a DAG with `conf` as its parameters; returns its run_id. Raises `AirflowTrouble`."""
        self._wait_for_dag(dag_id)
        # Named here and not by Airflow, so that asking again after an answer that got lost makes no second run.
        run_id = run_id or f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}_{secrets.token_hex(3)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._call("POST", f"dags/{dag_id}/dagRuns", json=body, fine=(409,))
        return run_id

    def runs(self, dag_id: str) -> list[str]:
        """The run_ids of a DAG, oldest first."""
        self._wait_for_dag(dag_id)
        return [run["dag_run_id"] for run in self._dag_runs(dag_id)]

    def wait_for_new_run(self, dag_id: str, before: Iterable[str], timeout_s: float) -> str:
        """The first run that assets have started and that is not among `before`. Raises `AirflowTrouble`."""
        known = set(before)
        for _ in _ticks(timeout_s):
            for run in self._dag_runs(dag_id):
                if run["dag_run_id"] not in known and run["run_type"] == "asset_triggered":
                    return str(run["dag_run_id"])
            self._must_live()
        raise AirflowTrouble(
            f"{dag_id}: its assets started no run within {timeout_s:.0f} s. See {self._log('scheduler')}."
        )

    def wait(
        self,
        runs: Iterable[Run],
        timeout_s: float,
        on_change: Callable[[str, str, str, str], None] | None = None,
    ) -> dict[Run, str]:
        """The end states of runs (success or failed), once all have one.

        `on_change(dag_id, run_id, task_id, state)` hears of each change of a task. Raises `AirflowTrouble` after
        `timeout_s`, and as soon as a process of Airflow has ended.
        """
        wanted = list(runs)
        states: dict[Run, str] = {}
        seen: dict[tuple[str, str, str, int], str] = {}
        for _ in _ticks(timeout_s):
            for dag_id, run_id in wanted:
                if states.get((dag_id, run_id)) in FINISHED:
                    continue
                states[dag_id, run_id] = self._call("GET", f"dags/{dag_id}/dagRuns/{quote(run_id)}")["state"]
                # Tasks are asked for after their run: when the run has ended, so have all its tasks.
                for task in self.task_instances(dag_id, run_id):
                    key = (dag_id, run_id, task["task_id"], task["map_index"])
                    if task["state"] and seen.get(key) != task["state"]:
                        seen[key] = task["state"]
                        if on_change:
                            on_change(*key[:3], task["state"])
            if all(state in FINISHED for state in states.values()):
                return states
            self._must_live()
        waiting = ", ".join(f"{dag_id} {run_id} is {state}" for (dag_id, run_id), state in states.items())
        raise AirflowTrouble(
            f"Not finished within {timeout_s:.0f} s: {waiting}. See {self._log('scheduler')}."
        )

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run, as Airflow's REST API describes them."""
        return self._pages(f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances", "task_instances")

    def question(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """What a task asks a person (subject, body, options, …), and the answer if there is one."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/-1/hitlDetails"
        return dict(self._call("GET", path))

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str, reason: str, user: str) -> int:
        """Answer as a user, with a reason; returns the HTTP status: 200 taken, 403 not theirs to answer, 409 answered."""
        self._wait_for_worker(dag_id, run_id, task_id)
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/-1/hitlDetails"
        said = {"chosen_options": [option], "params_input": {"reason": reason}}
        return self._send("PATCH", path, user, json=said).status_code

    def _wait_for_worker(self, dag_id: str, run_id: str, task_id: str, timeout_s: float = 60) -> None:
        """Wait until the worker that has asked a question is known to have ended.

        Airflow 3.3.2 takes a task whose answer is quicker than that for one that was lost, and asks again. Nobody's
        finger is so quick; its REST API does not tell of it, only the log of the scheduler does.
        """
        log = self.home / "logs" / "scheduler.log"
        ended = f"state success for task instance TaskInstanceKey(dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}'"
        [asked] = [task for task in self.task_instances(dag_id, run_id) if task["task_id"] == task_id]
        for _ in _ticks(timeout_s):
            if f"{ended}, try_number={asked['try_number']}," in log.read_text("utf-8", errors="replace"):
                return

    def failures(self, dag_id: str, run_id: str) -> list[tuple[str, str, str]]:
        """(task_id, reason, log) of each failed task: what was raised last; the log is a path from `project`."""
        return [
            (task["task_id"], *self._why(task))
            for task in self.task_instances(dag_id, run_id)
            if task["state"] == "failed"
        ]

    def _why(self, task: Mapping[str, Any]) -> tuple[str, str]:
        name = f"dag_id={task['dag_id']}/run_id={task['dag_run_id']}/task_id={task['task_id']}"
        if task["map_index"] >= 0:
            name += f"/map_index={task['map_index']}"
        log = self.home / "logs" / name / f"attempt={task['try_number']}.log"
        if not log.exists():
            return "The task was not started, or could not reach Airflow.", self._log("scheduler")
        return _last_error(
            log
        ) or "The task ended without saying why (killed, or out of memory?).", self._near(log)

    # Airflow's processes --------------------------------------------------------------------------------------------

    def _env(self, port: int) -> dict[str, str]:
        """The environment of Airflow's processes. No AIRFLOW… of the caller's shell gets in."""
        keys = self._secrets()
        url = f"http://{HOST}:{port}"
        airflow = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.project / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.project / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(map(":".join, USERS.items())),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.password_file),
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
            "AIRFLOW__API__SECRET_KEY": keys["api"],
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}?timeout=60",
            # Only this machine is served; a port alone is not enough: tasks call the two addresses.
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
            **SPEED,
        }
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "_AIRFLOW"))
        }
        local = {
            name: ",".join(filter(None, (os.environ.get(name), HOST, "localhost")))
            for name in ("NO_PROXY", "no_proxy")
        }
        path = {
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(self.project / "plugins"), os.environ.get("PYTHONPATH")))
            )
        }
        return {**inherited, **local, **path, **TELEMETRY_OFF, **airflow, **self.environment}

    def _secrets(self) -> dict[str, str]:
        """Keys and passwords, made once, readable by their owner only."""
        file = self.home / "secrets.json"
        known = json.loads(self.password_file.read_text("utf-8")) if self.password_file.exists() else {}
        if USERS.keys() - known.keys():
            _write_private(self.password_file, {user: secrets.token_urlsafe(12) for user in USERS} | known)
        if not file.exists():
            fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            _write_private(
                file, {"fernet": fernet, "jwt": secrets.token_hex(32), "api": secrets.token_hex(32)}
            )
        keys: dict[str, str] = json.loads(file.read_text("utf-8"))
        return keys

    def _migrate(self, env: Mapping[str, str]) -> None:
        """Bring the database to this Airflow's version, unless it is there already."""
        done = self.home / f"database-of-{version('apache-airflow-core')}"
        if done.exists() and (self.home / "airflow.db").exists():
            return
        with (self.home / "logs" / "migrate.log").open("wb") as log:
            command = [sys.executable, "-m", "airflow", "db", "migrate"]
            ended = subprocess.run(
                command,
                env=env,
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if ended.returncode:
            raise AirflowTrouble(f"Airflow's database could not be made. See {self._log('migrate')}.")
        done.touch()

    def _spawn(self, name: str, arguments: list[str], env: Mapping[str, str]) -> int:
        """Start a component in a session of its own: Ctrl-C does not reach it, and its orphans can be told by it."""
        with (self.home / "logs" / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=env,
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ).pid

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def _dead(self) -> list[str]:
        """The components that are not running."""
        processes = self._state().get("processes", {})
        return [name for name in COMPONENTS if name not in processes or _leader(processes[name]) is None]

    def _processes(self) -> list[psutil.Process]:
        """Every living process that start() started: the components, and all of their sessions and below them."""
        sessions = {}
        for recorded in self._state().get("processes", {}).values():
            pid = int(recorded["pid"])
            # A living process of this number that started at another time is a stranger's.
            if _leader(recorded) is not None or not psutil.pid_exists(pid):
                sessions[pid] = recorded["started"]
        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                began = sessions.get(os.getsid(process.pid))
                if began is not None and process.create_time() >= began:
                    found |= {process, *process.children(recursive=True)}
        return sorted(found, key=lambda process: process.pid)

    def _must_live(self) -> None:
        if dead := self._dead():
            raise AirflowTrouble(f"Airflow's {dead[0]} has ended. See {self._log(dead[0])}.")

    def _wait_until_healthy(self, timeout_s: float) -> None:
        unwell = list(COMPONENTS)
        for _ in _ticks(timeout_s):
            self._must_live()
            if not (unwell := self._unwell()):
                return
        raise AirflowTrouble(
            f"Airflow's {unwell[0]} was not ready within {timeout_s:.0f} s. See {self._log(unwell[0])}."
        )

    def _unwell(self) -> list[str]:
        """The components that are not (yet) well, by their own account."""
        try:
            answer = self._http.get(f"{self.url}/api/v2/monitor/health", timeout=10)
            health = answer.json()
        except (requests.RequestException, ValueError):
            return ["api-server"]
        told = {"scheduler": "scheduler", "dag-processor": "dag_processor"}
        return [name for name, key in told.items() if (health.get(key) or {}).get("status") != "healthy"]

    # Airflow's REST API ---------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, fine: tuple[int, ...] = (), **arguments: Any) -> Any:
        """The answer of the REST API; asked again while SQLite is locked by another process of Airflow (status 500)."""
        for attempt in range(5):
            answer = self._send(method, path, **arguments)
            if answer.ok or answer.status_code in fine:
                return answer.json()
            if answer.status_code < 500:
                break
            time.sleep(attempt)
        raise AirflowTrouble(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:300]}")

    def _send(self, method: str, path: str, user: str = "admin", **arguments: Any) -> requests.Response:
        try:
            if user not in self._tokens:
                passwords = json.loads(self.password_file.read_text("utf-8"))
                login = {"username": user, "password": passwords[user]}
                answer = self._http.post(f"{self.url}/auth/token", json=login, timeout=30)
                answer.raise_for_status()
                self._tokens[user] = answer.json()["access_token"]
            headers = {"Authorization": f"Bearer {self._tokens[user]}"}
            return self._http.request(
                method, f"{self.url}/api/v2/{path}", headers=headers, timeout=30, **arguments
            )
        except requests.RequestException as error:
            self._must_live()
            raise AirflowTrouble(
                f"Airflow did not answer ({error}). See {self._log('api-server')}."
            ) from error

    def _wait_for_dag(self, dag_id: str, timeout_s: float = 60) -> None:
        """Wait until the DAG has been read since the start. Raises `AirflowTrouble` with what is wrong in its file."""
        for _ in _ticks(timeout_s):
            answer = self._send("GET", f"dags/{dag_id}")
            since = self._state()["processes"]["dag-processor"]["started"]
            if answer.ok and datetime.fromisoformat(answer.json()["last_parsed_time"]).timestamp() > since:
                return
            self._must_live()
        told = [
            f"{broken['filename']}: {broken['stack_trace'].strip().splitlines()[-1]}"
            for broken in self._call("GET", "importErrors")["import_errors"]
        ]
        raise AirflowTrouble(
            f"Airflow has no DAG {dag_id}. " + (" | ".join(told) or f"See {self._log('dag-processor')}.")
        )

    def _dag_runs(self, dag_id: str) -> list[dict[str, Any]]:
        return self._pages(f"dags/{dag_id}/dagRuns", "dag_runs", order_by="run_after")

    def _pages(self, path: str, key: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", path, params={**query, "offset": len(found), "limit": 100})
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    # Words ----------------------------------------------------------------------------------------------------------

    def _log(self, name: str) -> str:
        return self._near(self.home / "logs" / f"{name}.log")

    def _near(self, path: Path) -> str:
        """A path as one would type it from the project's folder."""
        return str(path.relative_to(self.project) if path.is_relative_to(self.project) else path)


def _last_error(log: Path) -> str | None:
    """Class and message of what was raised last according to a task's log, which holds one JSON object a line."""
    reason = None
    for line in log.read_text("utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or entry.get("level") not in ("error", "critical"):
            continue
        raised = entry.get("error_detail") or []
        # The first is what was raised; those after it are its causes.
        reason = (
            f"{raised[0]['exc_type']}: {raised[0]['exc_value']}"
            if raised
            else reason or str(entry.get("event"))
        )
    return reason


def _ticks(timeout_s: float) -> Iterator[float]:
    """Now, and again every half a second until the time is over."""
    end = time.monotonic() + timeout_s
    while (now := time.monotonic()) < end:
        yield now
        time.sleep(POLL_S)


def _free_port(first: int = 8080) -> int:
    """Airflow's usual port or one soon after it, whichever nobody uses."""
    for port in [*range(first, first + 20), 0]:
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((HOST, port))
            return int(tried.getsockname()[1])
    raise AirflowTrouble(f"No free port on {HOST}. Close something that listens.")


def _leader(recorded: Mapping[str, float]) -> psutil.Process | None:
    """The component that was started, if it lives: the same number and the same time of start."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(recorded["pid"]))
        if process.create_time() == recorded["started"] and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _write_private(file: Path, content: Any) -> None:
    """Write JSON, whole or not at all, that only its owner can read."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(content, out, indent=1)
    draft.replace(file)


def _exit_on_term(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
