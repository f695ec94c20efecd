"""The pages inside Airflow: nobody unknown sees them, nothing on them runs, and a missing build is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from citycheck.settings import CityHome
from citycheck.steps.index import Build

DAG_ID = "half_yearly_index"
HOSTILE = '<script>alert(1)</script> & "quoted"'
RUN_ID = "manual__2026-07-20T00:00:00+00:00"
PAGE = "/citycheck/builds/small_city/2026H1/0123456789abcdef"
ROUTES = [
    "/citycheck/",
    f"/citycheck/dag?dag_id={DAG_ID}",
    "/citycheck/dag?dag_id=ingest_repair_reports",
    "/citycheck/rows",
    "/citycheck/rows/quzhou_sample/2026H1",
    f"/citycheck/rows/quzhou_sample/2026H1/repair_reports/{'a' * 16}/repair_reports",
    "/citycheck/data-docs",
    "/citycheck/data-docs/quzhou_sample/index.html",
    "/citycheck/builds",
    f"/citycheck/run?dag_id={DAG_ID}&run_id=manual__1",
    PAGE,
    f"{PAGE}/models",
    f"{PAGE}/models/model.citycheck.areas",
    "/citycheck/releases",
    "/citycheck/releases/quzhou_sample/2026H1/1",
    "/citycheck/releases/quzhou_sample/2026H1/1/files/index.html",
    "/citycheck/what-if",
    "/citycheck/what-if/2026H1",
    "/citycheck/what-if/2026H1/map",
    "/citycheck/projects",
    "/citycheck/projects/supervision",
    "/citycheck/projects/C1-F08-2026H1",
    "/citycheck/static/page.css",
    "/citycheck/static/page.js",
    "/citycheck/static/icon.svg",
]
"""What a viewer may see."""
CANDIDATE = f"/citycheck/candidates/quzhou_sample/2026H1/{'2' * 16}"
UNPUBLISHED = [
    CANDIDATE,
    f"{CANDIDATE}/files/index.html",
    f"{CANDIDATE}/files/figures.csv",
    "/citycheck/projects/export",
]
"""What only those see who may answer for the index."""
VERIFY = "/citycheck/releases/quzhou_sample/2026H1/1/verify"
CHANGES = [
    "/citycheck/what-if/2026H1/ask",
    "/citycheck/projects/import",
    "/citycheck/projects/C1-F08-2026H1/set",
    "/citycheck/projects/C1-F08-2026H1/resolve",
]
"""What is done by POST alone; test_renewal.py does it."""
HERE = {"sec-fetch-site": "same-origin"}


@pytest.fixture(autouse=True)
def _docs(request: pytest.FixtureRequest) -> None:
    """Data Docs beside the rows, where a test has a city."""
    if "city" in request.fixturenames:
        docs = request.getfixturevalue("city").data_docs
        docs.mkdir()
        (docs / "index.html").write_text(
            "<html><body><!-- citycheck --><main>of the gate</main></body></html>"
        )


def test_every_route_is_among_those_that_are_tried() -> None:
    from citycheck.web.app import app

    shapes = [
        re.sub(r"{\w+(:path)?}", lambda part: ".+" if part[1] else "[^/]+", route.path)
        for route in app.routes
        if isinstance(route, APIRoute)  # what is mounted below has tests of its own
    ]
    tried = {
        shape
        for shape in shapes
        for route in (*ROUTES, *UNPUBLISHED, *CHANGES, VERIFY)
        if re.fullmatch(f"/citycheck{shape}", route.split("?")[0])
    }
    assert tried == set(shapes)


@pytest.mark.parametrize("route", [*ROUTES, *UNPUBLISHED])
def test_nobody_gets_in_without_logging_in(
    anonymous: TestClient, build: Build, city: CityHome, route: str
) -> None:
    answer = anonymous.get(route)
    assert answer.status_code == 401
    assert "small_city" not in answer.text and "quzhou" not in answer.text


def test_a_browser_that_is_not_logged_in_is_told_where(anonymous: TestClient) -> None:
    answer = anonymous.get("/citycheck/", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "请先登录" in answer.text and "Log in first" in answer.text


@pytest.mark.parametrize("route", [*ROUTES, *UNPUBLISHED])
def test_a_forged_session_gets_nobody_in(
    anonymous: TestClient, build: Build, city: CityHome, route: str
) -> None:
    anonymous.cookies = {"_token": "e30.e30.forged"}  # type: ignore[assignment]
    assert anonymous.get(route).status_code in (401, 403)


@pytest.mark.parametrize("route", ROUTES)
def test_a_viewer_sees_what_is_published_and_where_things_stand(
    viewer: TestClient, build: Build, city: CityHome, route: str
) -> None:
    assert viewer.get(route).status_code == 200


@pytest.mark.parametrize("route", UNPUBLISHED)
def test_what_is_not_published_is_for_those_who_act(
    viewer: TestClient, operator: TestClient, city: CityHome, route: str
) -> None:
    refused = viewer.get(route, headers={"accept": "text/html"})
    assert refused.status_code == 403
    assert "page of the bundle" not in refused.text and "may not see" in refused.text
    assert operator.get(route).status_code == 200


def test_a_viewer_sees_that_a_candidate_waits_and_no_way_to_it(
    viewer: TestClient, operator: TestClient, city: CityHome
) -> None:
    assert "waits for approval" in viewer.get("/citycheck/").text
    for page in ("/citycheck/", CANDIDATE.replace("candidates", "builds")):
        assert CANDIDATE not in viewer.get(page).text
        assert CANDIDATE in operator.get(page).text


@pytest.mark.parametrize("route", [*ROUTES, *UNPUBLISHED, "/citycheck/nowhere"])
@pytest.mark.parametrize("who", ["viewer", "operator", "anonymous"])
def test_every_answer_carries_the_policy(
    request: pytest.FixtureRequest, build: Build, city: CityHome, route: str, who: str
) -> None:
    answer = request.getfixturevalue(who).get(route)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("route", [*ROUTES, *UNPUBLISHED])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(
    operator: TestClient, build: Build, city: CityHome, route: str, method: str
) -> None:
    assert operator.request(method, route, headers=HERE).status_code == 405


# Verifying a version --------------------------------------------------------------------------------------------------


def test_a_version_is_verified_at_the_press_of_a_button(operator: TestClient, city: CityHome) -> None:
    assert "Complete and unchanged" not in operator.get(VERIFY.removesuffix("/verify")).text
    assert "Complete and unchanged" in operator.post(VERIFY, headers=HERE).text
    changed = city.releases / "2026H1" / "1" / "figures.csv"
    changed.chmod(0o644)
    changed.write_text(changed.read_text().replace("60", "61"))
    text = operator.post(VERIFY, headers=HERE).text
    assert "Not what was signed" in text and "<li>figures.csv" in text and "byte" in text
    assert str(city.root) not in text


@pytest.mark.parametrize(
    ("who", "headers", "status"),
    [
        ("anonymous", HERE, 401),
        ("viewer", HERE, 403),
        ("operator", {}, 403),
        ("operator", {"sec-fetch-site": "cross-site"}, 403),
        ("operator", {"sec-fetch-site": "same-site"}, 403),
        ("operator", {"sec-fetch-site": "none"}, 403),
        ("operator", {"origin": "https://elsewhere.example"}, 403),
        ("operator", {"origin": "null"}, 403),
        ("operator", {"sec-fetch-site": "cross-site", "origin": "http://testserver"}, 403),
        ("operator", {"origin": "http://testserver"}, 200),
        ("operator", HERE, 200),
    ],
)
def test_the_button_is_for_those_who_act_and_only_from_this_page(
    request: pytest.FixtureRequest, city: CityHome, who: str, headers: dict[str, str], status: int
) -> None:
    assert request.getfixturevalue(who).post(VERIFY, headers=headers).status_code == status


def test_a_button_that_was_pressed_elsewhere_says_so(operator: TestClient, city: CityHome) -> None:
    text = operator.post(VERIFY, headers={"origin": "https://elsewhere.example", "accept": "text/html"}).text
    assert "not sent from a page of citycheck" in text and "Complete and unchanged" not in text


def test_nothing_is_verified_by_looking(operator: TestClient, city: CityHome) -> None:
    assert operator.get(VERIFY, headers=HERE).status_code == 405


# Files ----------------------------------------------------------------------------------------------------------------


def test_the_page_of_a_version_loads_its_own_files_and_its_tables_are_saved(
    viewer: TestClient, city: CityHome
) -> None:
    files = VERIFY.replace("verify", "files/")
    assert "page of the bundle" in viewer.get(files).text
    assert viewer.get(f"{files}page/page.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert viewer.get(f"{files}WITHDRAWN.js").text == ""
    table = viewer.get(f"{files}figures.csv")
    assert table.headers["content-disposition"].startswith("attachment")
    assert table.content == (city.releases / "2026H1" / "1" / "figures.csv").read_bytes()


def test_the_page_of_a_version_from_before_scripts_lay_in_files_runs_as_nobody(
    viewer: TestClient, city: CityHome
) -> None:
    folder = city.releases / "2026H1" / "1" / "page"
    folder.chmod(0o755)
    (folder / "page.js").unlink()
    folder.rmdir()
    policy = viewer.get(VERIFY.replace("verify", "files/")).headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts") and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "http" not in policy


@pytest.mark.parametrize(
    "of", ["releases/quzhou_sample/2026H1/1", f"candidates/quzhou_sample/2026H1/{'2' * 16}"]
)
@pytest.mark.parametrize(
    "path",
    [
        "../../CURRENT.json",
        "..%2f..%2fCURRENT.json",
        "%2e%2e/%2e%2e/CURRENT.json",
        "..%5c..%5cCURRENT.json",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "page/..%2f..%2f..%2f..%2flake",
        "link.txt",
        "figures.csv%00",
        "page",
        ".hidden",
    ],
)
def test_no_path_leads_out_of_a_bundle(operator: TestClient, city: CityHome, of: str, path: str) -> None:
    staged = city.work / "index" / "2026H1" / ("2" * 16) / "bundle"
    for folder in (city.releases / "2026H1" / "1", staged):
        folder.chmod(0o755)
        (folder / "link.txt").symlink_to(city.releases / "CURRENT.json")
        (folder / ".hidden").write_text("hidden")
    assert operator.get(f"/citycheck/{of}/files/{path}").status_code in (404, 422)


@pytest.mark.parametrize("path", [".results/x.json", "..%2freleases%2fCURRENT.json", ".lock", "nothing.html"])
def test_no_path_leads_out_of_data_docs(viewer: TestClient, city: CityHome, path: str) -> None:
    (city.data_docs / ".results").mkdir()
    (city.data_docs / ".results" / "x.json").write_text("{}")
    (city.data_docs / ".lock").touch()
    assert viewer.get(f"/citycheck/data-docs/quzhou_sample/{path}").status_code == 404


def test_data_docs_have_the_navigation_of_these_pages(viewer: TestClient, city: CityHome) -> None:
    text = viewer.get("/citycheck/data-docs", follow_redirects=True).text
    assert (
        "of the gate" in text and 'href="/citycheck/releases"' in text and "/citycheck/static/page.js" in text
    )


# Whatever the text, it is text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [*ROUTES, CANDIDATE])
def test_what_others_wrote_is_text_and_nothing_personal_is_shown(
    operator: TestClient, build: Build, city: CityHome, personal: dict[str, object], route: str
) -> None:
    text = operator.get(route).text
    assert "<script>alert" not in text
    assert [value for value in personal.values() if str(value) in text] == []


def test_hostile_text_is_on_the_pages_at_all(operator: TestClient, build: Build, city: CityHome) -> None:
    for route in (
        "/citycheck/rows/quzhou_sample/2026H1",
        "/citycheck/releases",
        CANDIDATE,
        f"{PAGE}/models/model.citycheck.areas",
    ):
        assert "&lt;script&gt;alert(" in operator.get(route).text, route
    assert "alert(" not in operator.get(ROUTES[5]).text, "samples show codes, and no other text"


def test_damaged_files_hide_no_page(operator: TestClient, build: Build, city: CityHome) -> None:
    (city.releases / "2026H1" / "1" / "manifest.json").write_text('{"publication": {"a": 1}}')
    for path in city.work.glob("index/*/*/bundle/provenance.json"):
        path.write_text("{")
    for route in ("/citycheck/", "/citycheck/releases", VERIFY.removesuffix("/verify")):
        assert operator.get(route).status_code == 200, route


def test_a_withdrawn_version_says_so_wherever_it_is_shown(viewer: TestClient, city: CityHome) -> None:
    notice = {"reason_zh": HOSTILE, "reason_en": "beds", "responsible": "city"}
    (city.releases / "2026H1" / "1" / "WITHDRAWN.json").write_text(json.dumps(notice))
    for route in ("/citycheck/", "/citycheck/releases", VERIFY.removesuffix("/verify")):
        text = viewer.get(route).text
        assert "withdrawn" in text and "<script>alert" not in text, route


def test_without_anything_every_list_says_so(viewer: TestClient, home: object) -> None:
    for route, sentence in (
        ("/", "There is no data yet"),
        ("/rows", "Nothing has been accepted yet"),
        ("/data-docs", "There are none yet"),
        ("/builds", "There are no builds yet"),
        ("/releases", "Nothing has been published yet"),
    ):
        assert sentence in viewer.get(f"/citycheck{route}").text


def test_what_cannot_be_read_is_one_sentence(viewer: TestClient, city: CityHome) -> None:
    (city.lake / "manifests" / "repair_reports" / "2026H1.json").write_text("{")
    answer = viewer.get("/citycheck/rows/quzhou_sample/2026H1")
    assert answer.status_code == 500 and "is missing or damaged" in answer.text
    assert "is missing or damaged" in viewer.get("/citycheck/").text


# Builds ---------------------------------------------------------------------------------------------------------------


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
    viewer: TestClient, build: Build, city: CityHome
) -> None:
    for route in (PAGE, "/citycheck/builds", f"{PAGE}/models", "/citycheck/releases"):
        text = viewer.get(route).text
        assert "http:" not in text and "https:" not in text
        assert " style=" not in text and "<style" not in text
        assert re.findall("<script[^>]*>[^<]", text) == []
        loaded = re.findall(r'(?:src|href)="(/citycheck/[^"]*)"', text)
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
    assert "models/marts/areas.sql" in text
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
    for route in (PAGE, "/citycheck/builds"):
        answer = viewer.get(route)
        assert answer.status_code == 200
    assert "There are no dbt results of this build" in viewer.get(PAGE).text
    assert "no results" in viewer.get("/citycheck/builds").text


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
    text = viewer.get("/citycheck/builds").text
    lines = [
        re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip()
        for row in re.findall("<tr>(.*?)</tr>", text, re.DOTALL)
    ]
    assert lines[1:] == [
        "2026H1 small_city 0123456789abcdef 2026-07-20 09:02 CST "
        "失败 failed 1 告警 warned 1 未执行 skipped 1 通过 passed 3 – 2",
        "2025H2 another_city ffffffffffffffff – 无结果 no results 完整 complete –",
    ]


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


def test_a_candidate_leads_to_where_its_run_asks(
    operator: TestClient, city: CityHome, recorded: Recorded
) -> None:
    assert "Approve or reject" not in operator.get(CANDIDATE).text
    recorded("success", {"city": "quzhou_sample", "half_year": "2026H1", "id": "2" * 16})
    run = RUN_ID.replace(":", "%3A").replace("+", "%2B")
    text = operator.get(CANDIDATE).text
    assert f'data-top href="/dags/{DAG_ID}/runs/{run}/tasks/approve/required_actions"' in text


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
    assert places == {
        "nav": "citycheck",
        "dag": "citycheck-dag",
        "task_instance": "dbt",
        "dag_run": "dbt-run",
    }
    assert all(viewer.get(f"/{view['icon']}").status_code == 200 for view in found[0]["external_views"])

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
