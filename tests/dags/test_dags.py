"""The DAGs: they load fast and clean, look like the design's picture, and know their half-year."""

import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from citycheck.settings import settings

DAGS = settings().project / "dags"
TAGS = {"citycheck", "ingest", "index"}
SHAPES = {
    "ingest_communities": ["land", "map_rows", "gate", "accept"],
    "ingest_facilities": ["land", "map_rows", "gate", "accept"],
    "ingest_survey": ["land", "map_rows", "gate", "accept"],
    "ingest_repair_reports": ["land", "map_rows", "gate", "accept"],
    "half_yearly_index": [
        "ready",
        "places",
        "access",
        "dbt_build",
        "renewal",
        "uncertainty",
        "gate",
        "stage",
        "approve",
        "embargo",
        "publish",
    ],
    "landing_retention": ["purge"],
    "watch_drop_folders": ["new_files", "ingest"],
    "repair_watch": ["watch"],
    "release_calendar": ["look", "due", "start"],
}
BESIDE = {"half_yearly_index": {"rejected"}}
"""Tasks that are no part of the line: what runs instead of its end."""
BY_THE_CLOCK = ("landing_retention", "watch_drop_folders", "repair_watch", "release_calendar")
HALF_YEARLY = [dag_id for dag_id in SHAPES if dag_id not in BY_THE_CLOCK]


@pytest.fixture(scope="module")
def bag():
    from airflow.dag_processing.dagbag import DagBag

    sys.path.insert(0, str(DAGS))
    try:
        yield DagBag(dag_folder=str(DAGS))
    finally:
        sys.path.remove(str(DAGS))


def test_the_dags_load_without_error(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == set(SHAPES)


@pytest.mark.parametrize("dag_id", SHAPES)
def test_a_dag_is_one_line_of_tasks_in_the_order_of_the_design(bag, dag_id):
    dag = bag.dags[dag_id]
    beside = BESIDE.get(dag_id, set())
    assert [task.task_id for task in dag.topological_sort() if task.task_id not in beside] == SHAPES[dag_id]
    assert {task.task_id for task in dag.tasks} == {*SHAPES[dag_id], *beside}
    for before, after in zip(SHAPES[dag_id], SHAPES[dag_id][1:], strict=False):
        assert after in dag.get_task(before).downstream_task_ids


@pytest.mark.parametrize("dag_id", SHAPES)
def test_a_dag_says_what_to_do_when_a_task_is_red(bag, dag_id):
    dag = bag.dags[dag_id]
    assert "When a task is red" in dag.doc_md
    for task in dag.tasks:
        assert f"| `{task.task_id}` |" in dag.doc_md
        assert task.owner == "citycheck"
        assert task.retries >= 1
        assert task.execution_timeout or task.task_id == "approve"
    assert set(dag.tags) <= TAGS
    assert not dag.catchup


@pytest.mark.parametrize("dag_id", HALF_YEARLY)
def test_the_schedule_is_the_half_year_in_the_zone_of_the_city(bag, dag_id):
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    info = coerce_to_core_timetable(bag.dags[dag_id].timetable).next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(
            earliest=instance(datetime(2026, 1, 15, tzinfo=UTC)), latest=None, catchup=True
        ),
    )
    assert info.data_interval.start == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert info.data_interval.end == datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_landing_is_purged_every_night_without_catching_up(bag):
    timetable = bag.dags["landing_retention"].timetable
    assert (timetable.expression, str(timetable.timezone)) == ("30 3 * * *", settings().time_zone)
    assert bag.dags["landing_retention"].max_active_runs == 1


def test_promises_are_watched_every_hour_one_run_at_a_time(bag):
    timetable = bag.dags["repair_watch"].timetable
    assert (timetable.expression, str(timetable.timezone)) == ("5 * * * *", settings().time_zone)
    assert bag.dags["repair_watch"].max_active_runs == 1


def test_releases_are_looked_at_every_morning_before_their_time_of_day(bag):
    timetable = bag.dags["release_calendar"].timetable
    assert (timetable.expression, str(timetable.timezone)) == ("0 8 * * *", settings().time_zone)
    assert bag.dags["release_calendar"].max_active_runs == 1


def test_a_person_is_asked_who_is_named_and_has_all_the_time(bag):
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    approve = bag.dags["half_yearly_index"].get_task("approve")
    assert isinstance(approve, ApprovalOperator)
    assert [user["id"] for user in approve.assigned_users] == settings().approvers.split(",")
    assert (approve.execution_timeout, approve.response_timeout, approve.defaults) == (None, None, None)
    assert set(approve.params) == {"reason"}
    assert approve.downstream_task_ids == {"embargo", "rejected"}


@pytest.mark.parametrize("named", ["", " , "])
def test_nobody_named_to_approve_is_an_error_and_not_everybody(bag, named, monkeypatch):
    import approval

    from citycheck.errors import BadInput

    monkeypatch.setattr(approval, "settings", lambda: SimpleNamespace(approvers=named))
    with pytest.raises(BadInput, match="CITYCHECK_APPROVERS names nobody"):
        approval.approvers()


def test_the_embargo_sleeps_until_the_announced_time_without_a_worker(bag, monkeypatch):
    from airflow.sdk.exceptions import AirflowRescheduleException

    from citycheck.steps import release

    embargo = bag.dags["half_yearly_index"].get_task("embargo")
    assert embargo.reschedule

    build = {"city": "quzhou_sample", "half_year": "2026H1", "id": "0" * 16}

    def poke(release_at):
        due = release_at and datetime.fromisoformat(release_at)
        monkeypatch.setattr(
            release, "due_at", lambda found: due if vars(found).items() >= build.items() else 1 / 0
        )
        return embargo.poke({"ti": SimpleNamespace(xcom_pull=lambda task_ids: build)})

    assert poke(None) is True
    assert poke("2026-07-16T09:30:00+08:00") is True
    with pytest.raises(AirflowRescheduleException) as sleep:
        poke("2999-07-16T09:30:00+08:00")
    assert sleep.value.reschedule_date == datetime(2999, 7, 16, 1, 30, tzinfo=UTC)


def test_a_deadline_of_the_index_is_known_to_airflow_by_the_name_that_the_dag_gives_it(bag):
    """One that no plugin registers would keep every run from being made."""
    from airflow.serialization.decoders import decode_deadline_alert
    from airflow.serialization.encoders import encode_deadline_alert

    from citycheck.airflow_deadline import ReleaseIsNear
    from citycheck.airflow_plugin import CitycheckPlugin

    [deadline] = bag.dags["half_yearly_index"].deadline
    encoded = encode_deadline_alert(deadline)
    assert encoded["reference"]["__class_path"] == f"{ReleaseIsNear.__module__}.{ReleaseIsNear.__name__}"
    assert CitycheckPlugin.deadline_references == [ReleaseIsNear]
    assert type(decode_deadline_alert(encoded).callback).__name__ == "SyncCallback"


def test_a_broken_calendar_keeps_no_run_from_being_made(monkeypatch):
    from citycheck.airflow_deadline import ReleaseIsNear
    from citycheck.errors import BadInput
    from citycheck.release import calendar

    def broken(about, now):
        raise BadInput("release_calendar.csv, row 2: …")

    assert ReleaseIsNear()._evaluate_with(session=None) > datetime.now(UTC)
    monkeypatch.setattr(calendar, "next_alert", broken)
    assert ReleaseIsNear()._evaluate_with(session=None) is None


def test_drop_folders_are_looked_at_every_quarter_of_an_hour(bag):
    dag = bag.dags["watch_drop_folders"]
    assert dag.timetable.delta == timedelta(minutes=15)
    assert (dag.max_active_runs, dag.get_task("ingest").partial_kwargs["skip_when_already_exists"]) == (
        1,
        True,
    )


def test_the_index_starts_when_all_four_feeds_are_accepted(bag):
    condition = bag.dags["half_yearly_index"].timetable.asset_condition
    assert type(condition).__name__ == "AssetAll"
    uris = {asset.uri for asset in condition.objects}
    assert uris == {
        f"citycheck://lake/{feed}" for feed in ("communities", "facilities", "survey", "repair_reports")
    }


def test_a_bad_input_fails_at_once_and_a_busy_source_is_tried_again(bag):
    from airflow.sdk import RetryAction

    from citycheck.errors import BadInput, DiskFull, GateFailed, NotReady, SourceUnavailable

    policy = bag.dags["ingest_survey"].get_task("land").retry_policy
    decided = {
        error: policy.evaluate(error("…"), try_number=1, max_tries=5).action
        for error in (SourceUnavailable, NotReady, BadInput, GateFailed, DiskFull)
    }
    assert decided == {
        SourceUnavailable: RetryAction.RETRY,
        NotReady: RetryAction.RETRY,
        BadInput: RetryAction.FAIL,
        GateFailed: RetryAction.FAIL,
        DiskFull: RetryAction.FAIL,
    }


def event(half_year, city="quzhou_sample"):
    return SimpleNamespace(extra={"half_year": half_year, "city": city})


def test_a_run_takes_its_half_year_from_parameter_event_or_interval(bag):
    import shared

    start, end = datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 6, 30, 16, tzinfo=UTC)
    interval = {"data_interval_start": start, "data_interval_end": end}
    assert shared.run_of({"params": {"half_year": "2024H2", "city": "tainan"}} | interval) == (
        "tainan",
        "2024H2",
    )
    assert shared.run_of({"params": {}, "triggering_asset_events": {"a": [event("2025H1")]}})[1] == "2025H1"
    assert shared.run_of({"params": {}} | interval) == (settings().city, "2026H1")


def test_a_run_takes_its_city_from_the_feeds_that_started_it(bag):
    import shared

    from citycheck.errors import BadInput

    started = {"a": [event("2018H1", "tainan")], "b": [event("2018H1", "tainan")]}
    assert shared.run_of({"params": {}, "triggering_asset_events": started}) == ("tainan", "2018H1")
    started["b"] = [event("2018H1")]
    with pytest.raises(BadInput, match=r"of several cities \(quzhou_sample, tainan\)"):
        shared.run_of({"params": {}, "triggering_asset_events": started})


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda p: p.name)
def test_a_dag_file_imports_fast_and_nothing_heavy(file):
    code = (
        "import sys, time; start = time.process_time(); import airflow.sdk; sdk = time.process_time() - start\n"
        f"sys.path.insert(0, {str(DAGS)!r}); start = time.process_time()\n"
        f"import runpy; runpy.run_path({str(file)!r})\n"
        "heavy = {'pandas', 'duckdb', 'dbt', 'great_expectations', 'numpy', 'pyarrow'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda p: p.name)
def test_a_dag_file_holds_no_work_and_is_short(file):
    source = file.read_text("utf-8")
    assert len(source.splitlines()) <= 125
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    light = {"__future__", "collections", "contextlib", "datetime", "typing", "zoneinfo"}
    assert imported <= light | {"airflow", "citycheck", "shared", "approval", "publishing"}


def test_no_dag_is_named_like_a_dbt_module():
    assert not list(DAGS.glob("dbt_*.py"))


def test_an_interval_of_another_length_is_no_half_year(bag):
    import shared

    from citycheck.errors import BadInput

    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(BadInput):
        shared.run_of(
            {"params": {}, "data_interval_start": start, "data_interval_end": start + timedelta(days=7)}
        )
