"""The pages inside Airflow: nobody unknown sees them, nothing on them runs, and a missing build is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from citycheck.steps.index import Build

DAG_ID = "half_yearly_index"
RUN_ID = "manual__2026-07-20T00:00:00+00:00"
PAGE = "/citycheck/builds/small_city/2026H1/0123456789abcdef"
ROUTES = [
    "/citycheck/",
    f"/citycheck/run?dag_id={DAG_ID}&run_id=manual__1",
    PAGE,
    "/citycheck/static/page.css",
    "/citycheck/static/page.js",
]


def test_every_route_is_among_those_that_are_tried() -> None:
    from citycheck.web.app import app

    shapes = [re.sub(r"{\w+}", "[^/]+", route.path) for route in app.routes]  # type: ignore[attr-defined]
    tried = {
        shape
        for shape in shapes
        for route in ROUTES
        if re.fullmatch(f"/citycheck{shape}", route.split("?")[0])
    }
    assert tried == set(shapes)


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_gets_in_without_logging_in(anonymous: TestClient, build: Build, route: str) -> None:
    answer = anonymous.get(route)
    assert answer.status_code == 401
    assert "small_city" not in answer.text


@pytest.mark.parametrize("route", ROUTES)
def test_a_forged_session_gets_nobody_in(anonymous: TestClient, build: Build, route: str) -> None:
    anonymous.cookies = {"_token": "e30.e30.forged"}  # type: ignore[assignment]
    assert anonymous.get(route).status_code in (401, 403)


@pytest.mark.parametrize("route", ROUTES)
def test_a_viewer_sees_every_route(viewer: TestClient, build: Build, route: str) -> None:
    assert viewer.get(route).status_code == 200


@pytest.mark.parametrize("route", [*ROUTES, "/citycheck/nowhere"])
@pytest.mark.parametrize("who", ["viewer", "anonymous"])
def test_every_answer_carries_the_policy(
    request: pytest.FixtureRequest, build: Build, route: str, who: str
) -> None:
    answer = request.getfixturevalue(who).get(route)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(viewer: TestClient, build: Build, route: str, method: str) -> None:
    assert viewer.request(method, route).status_code == 405


@pytest.mark.parametrize("page", ["openapi.json", "docs", "redoc"])
def test_there_are_no_pages_that_the_login_does_not_guard(anonymous: TestClient, page: str) -> None:
    assert anonymous.get(f"/citycheck/{page}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "builds/../2026H1/0123456789abcdef",
        "builds/%2e%2e/2026H1/0123456789abcdef",
        "builds/..%2f..%2fetc/2026H1/0123456789abcdef",
        "builds/small_city/..%2f..%2fother/0123456789abcdef",
        "builds/small_city/2026H3/0123456789abcdef",
        "builds/small_city/2026H1/..",
        "builds/small_city/2026H1/%2e%2e%2f%2e%2e",
        "builds/small_city/2026H1/0123456789abcdef%00",
        "builds/small_city/2026H1/0123456789abcdef%0a",
        "builds/Small City/2026H1/0123456789abcdef",
        "static/..%2fapp.py",
        "static/../app.py",
        "static/%2e%2e/app.py",
        "static/page.html.j2",
    ],
)
def test_no_path_leads_out_of_the_folders(viewer: TestClient, build: Build, path: str) -> None:
    answer = viewer.get(f"/citycheck/{path}")
    assert answer.status_code in (404, 422)
    assert "FastAPI(" not in answer.text


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(
    viewer: TestClient, build: Build
) -> None:
    for route in (PAGE, "/citycheck/"):
        text = viewer.get(route).text
        assert "http:" not in text and "https:" not in text
        assert " style=" not in text and "<style" not in text
        assert re.findall("<script[^>]*>[^<]", text) == []
        loaded = re.findall(r'(?:src|href)="([^"]*)"', text)
        assert loaded and all(viewer.get(address).status_code == 200 for address in loaded)


def test_what_dbt_wrote_is_text(viewer: TestClient, build: Build) -> None:
    text = viewer.get(PAGE).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quoted&#34;" in text
    assert "Areas &lt;b&gt;of&lt;/b&gt; a city." in text
    assert "<script>alert" not in text and "<b>of" not in text


def test_the_failed_come_first_and_all_nodes_are_shown_once(viewer: TestClient, build: Build) -> None:
    text = viewer.get(PAGE).text
    rows = re.findall(r'<td class="(\w+)" title="dbt: ([\w -]+)">.*?<td title="([^"]+)">', text, re.DOTALL)
    assert [(outcome, node.split(".")[2]) for outcome, _, node in rows] == [
        ("failed", "communities"),
        ("warned", "areas_add_up"),
        ("skipped", "county_index"),
        ("passed", "areas"),
        ("passed", "not_null_areas_area_id"),
        ("passed", "bands"),
    ]
    headings = re.findall(r'<h2><span lang="zh">(.*?)</span> <span lang="en">(.*?)</span>', text)
    assert headings == [
        ("失败与告警", "Failed and warned"),
        ("模型", "Models"),
        ("测试", "Tests"),
        ("种子", "Seeds"),
    ]


def test_a_node_tells_what_it_tests_where_it_is_and_why_it_was_skipped(
    viewer: TestClient, build: Build
) -> None:
    text = viewer.get(PAGE).text
    assert "areas.area_id" in text
    assert "models/areas.sql" in text
    assert "upstream failed: model.citycheck.communities" in text
    assert "2026-07-20 09:02:03 CST" in text


def test_a_failed_test_is_named_as_what_held_up_the_models_after_its_own(
    viewer: TestClient, build: Build
) -> None:
    path = build.dbt_target / "marts_results.json"
    path.write_text(path.read_text().replace('"error"', '"success"').replace('"warn"', '"fail"'))
    assert "upstream failed: test.citycheck.areas_add_up" in viewer.get(PAGE).text


def test_an_unknown_word_of_dbt_counts_as_failed(viewer: TestClient, build: Build) -> None:
    path = build.dbt_target / "marts_results.json"
    path.write_text(path.read_text().replace('"warn"', '"exploded"'))
    assert '<td class="failed" title="dbt: exploded">' in viewer.get(PAGE).text


def test_results_are_read_again_when_dbt_ran_again(viewer: TestClient, build: Build) -> None:
    assert "alert(1)" in viewer.get(PAGE).text
    path = build.dbt_target / "marts_results.json"
    path.write_text(path.read_text().replace("alert(1)", "another message"))
    assert "another message" in viewer.get(PAGE).text


@pytest.mark.parametrize("written", [None, "", '{"results": [{"unique_id"', "[]", '{"results": [{}]}'])
def test_a_build_without_results_says_so(viewer: TestClient, build: Build, written: str | None) -> None:
    path = build.dbt_target / "marts_results.json"
    path.unlink() if written is None else path.write_text(written)
    for route in (PAGE, "/citycheck/"):
        answer = viewer.get(route)
        assert answer.status_code == 200
    assert "There are no dbt results of this build" in viewer.get(PAGE).text
    assert "no results" in viewer.get("/citycheck/").text


def test_what_dbt_said_of_the_places_is_shown_with_the_marts_and_alone(
    viewer: TestClient, build: Build
) -> None:
    one = {
        "unique_id": "model.citycheck.stg_buildings",
        "status": "error",
        "execution_time": 1,
        "message": "!",
    }
    written = {"metadata": {"generated_at": "2026-07-20T01:00:00Z"}, "results": [one]}
    (build.dbt_target / "places_results.json").write_text(json.dumps(written))
    text = viewer.get(PAGE).text
    assert text.index("stg_buildings") < text.index(
        "areas_add_up"
    )  # what failed comes first, whichever part it is of
    assert "2026-07-20 09:02:03 CST" in text
    (build.dbt_target / "marts_results.json").unlink()
    text = viewer.get(PAGE).text
    assert "stg_buildings" in text and "areas_add_up" not in text


def test_results_are_shown_without_the_manifest(viewer: TestClient, build: Build) -> None:
    (build.dbt_target / "manifest.json").unlink()
    assert "areas_add_up" in viewer.get(PAGE).text


def test_the_list_shows_every_build_and_its_release(viewer: TestClient, build: Build) -> None:
    cleaned = Build("another_city", "2025H2", "f" * 16)  # its work folder has been removed
    cleaned.database.parent.mkdir(parents=True)
    cleaned.database.touch()
    (build.home.work / "index" / "2026H1" / "not a build").mkdir()
    for version, made_of in (("1", "e" * 16), ("2", build.id), ("3", "d" * 16)):
        folder = build.home.releases / "2026H1" / version
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text(json.dumps({"build": made_of}))
    text = viewer.get("/citycheck/").text
    lines = [
        re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip()
        for row in re.findall("<tr>(.*?)</tr>", text, re.DOTALL)
    ]
    assert lines[1:] == [
        "2026H1 small_city 0123456789abcdef 2026-07-20 09:02 CST "
        "失败 failed 1 告警 warn 1 未执行 skipped 1 通过 passed 3 – 2",
        "2025H2 another_city ffffffffffffffff – 无结果 no results 完整 complete –",
    ]


def test_without_builds_the_list_says_so(viewer: TestClient, home: object) -> None:
    assert "There are no builds yet" in viewer.get("/citycheck/").text


# From a run to its build ----------------------------------------------------------------------------------------------


Recorded = Callable[..., None]


@pytest.fixture
def recorded(airflow_app: object) -> Iterator[Recorded]:
    """Puts a run whose task `ready` is in a state, and what it returned, in Airflow's database."""
    from airflow.models import DagModel, DagRun, TaskInstance
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    def forget() -> None:
        with create_session() as session:
            for model in (XComModel, TaskInstance, DagRun, DagModel, DagBundleModel):
                session.execute(delete(model))

    def record(state: str | None, returned: object = None, task_id: str = "ready") -> None:
        from uuid import uuid4

        task = uuid4()
        key = {"dag_id": DAG_ID, "run_id": RUN_ID}
        now = datetime(2026, 7, 20, tzinfo=UTC)
        with create_session() as session:
            session.execute(insert(DagBundleModel).values(name="dags-folder", active=True))
            session.add(DagModel(dag_id=DAG_ID, bundle_name="dags-folder"))
            session.add(DagRun(**key, run_type="manual", run_after=now))
            session.flush()
            run = session.query(DagRun).one()
            session.execute(
                insert(TaskInstance).values(
                    id=task,
                    **key,
                    task_id=task_id,
                    map_index=-1,
                    state=state,
                    pool="default_pool",
                    pool_slots=1,
                )
            )
            if returned is not None:
                session.execute(
                    insert(XComModel).values(
                        **key,
                        dag_run_id=run.id,
                        task_id=task_id,
                        key="return_value",
                        value=json.dumps(returned),
                    )
                )

    forget()
    yield record
    forget()


def run_page(client: TestClient, run_id: str = RUN_ID) -> str:
    answer = client.get("/citycheck/run", params={"dag_id": DAG_ID, "run_id": run_id})
    assert answer.status_code == 200
    return answer.text


def test_a_run_shows_the_build_that_its_task_ready_wrote_down(
    viewer: TestClient, build: Build, recorded: Recorded
) -> None:
    recorded("success", {"city": build.city, "half_year": build.half_year, "id": build.id})
    text = run_page(viewer)
    assert build.id in text and "areas_add_up" in text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("skipped", "This run was skipped and built nothing"),
        ("failed", "its task ready did not succeed"),
        ("upstream_failed", "its task ready did not succeed"),
        ("running", "its task ready has not finished"),
        (None, "its task ready has not finished"),
        ("success", "is no longer in Airflow&#39;s database"),
    ],
)
def test_a_run_without_a_build_says_why(
    viewer: TestClient, home: object, recorded: Recorded, state: str | None, sentence: str
) -> None:
    recorded(state)
    assert sentence in run_page(viewer)


def test_a_run_of_another_dag_says_where_the_page_belongs(
    viewer: TestClient, home: object, recorded: Recorded
) -> None:
    recorded("success", {"feed": "survey"}, task_id="land")
    assert "This DAG builds no marts" in run_page(viewer)


@pytest.mark.parametrize(
    "returned",
    [
        {"city": "../../etc", "half_year": "2026H1", "id": "0123456789abcdef"},
        {"city": "small_city", "half_year": "2026H1", "id": "0123456789abcdef\n"},
        {"city": ["small_city"], "half_year": "2026H1", "id": "0123456789abcdef"},
        {"city": "small_city"},
        "small_city",
    ],
)
def test_a_note_that_names_no_build_leads_nowhere(
    viewer: TestClient, build: Build, recorded: Recorded, returned: object
) -> None:
    recorded("success", returned)
    text = run_page(viewer)
    assert "is no longer in Airflow&#39;s database" in text and "areas_add_up" not in text


# The plugin -----------------------------------------------------------------------------------------------------------


def test_airflow_finds_the_plugin_once_and_without_errors(viewer: TestClient) -> None:
    found = [
        plugin for plugin in viewer.get("/api/v2/plugins").json()["plugins"] if plugin["name"] == "citycheck"
    ]
    assert len(found) == 1
    places = {view["destination"]: view["url_route"] for view in found[0]["external_views"]}
    assert places == {"nav": "builds", "task_instance": "dbt", "dag_run": "dbt-run"}

    from airflow import plugins_manager

    assert plugins_manager._get_plugins()[1] == {}


def test_the_addresses_that_the_ui_opens_are_routes(viewer: TestClient, home: object) -> None:
    from citycheck.airflow_plugin import CitycheckPlugin

    for view in CitycheckPlugin.external_views:
        address = (
            view["href"]
            .replace("{DAG_ID}", DAG_ID)
            .replace("{RUN_ID}", "manual__2026-07-20T00%3A00%2B00%3A00")
        )
        assert "{" not in address
        assert viewer.get(f"/{address}").status_code == 200


def test_the_scheduler_imports_the_plugin_without_the_pages() -> None:
    heavy = ("fastapi", "duckdb", "pyarrow", "pandas", "dbt", "great_expectations", "citycheck.web")
    code = (
        "import sys, airflow.plugins_manager; before = set(sys.modules); import citycheck.airflow_plugin; "
        f"print(sorted(set(sys.modules) - before), [m for m in {heavy} if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        ended.stdout.splitlines()[-1]
        == "['citycheck', 'citycheck.airflow_deadline', 'citycheck.airflow_plugin'] []"
    )
