"""The pages of renewal: who asks and edits, from where, what a page answers, and what nobody may send."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from typer.testing import CliRunner

from citycheck import cli, duck
from citycheck.errors import NotReady
from citycheck.renewal import register, workbook
from citycheck.renewal.additions import Addition
from citycheck.renewal.whatif import Change, Effect, Standing
from citycheck.settings import CityHome, settings
from citycheck.steps import projects as steps
from citycheck.steps import simulate
from citycheck.web import projects, renewal, whatif

HERE = {"sec-fetch-site": "same-origin"}
HOSTILE = '<script>alert(1)</script> & "quoted"'
PROJECT = "C1-F08-2026H1"
OF_PROJECT, LIST = f"/citycheck/projects/{PROJECT}", "/citycheck/projects"
ASK, SET, RESOLVE, IMPORT = (
    "/citycheck/what-if/2026H1/ask", f"{OF_PROJECT}/set", f"{OF_PROJECT}/resolve", f"{LIST}/import",
)  # fmt: skip
CANTEEN = "F08@118.8735,28.9402,300"


class Imagined:
    """A release that says of every facility what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[Addition]] = []
        self.is_closed = False
        self.at_once = self.most_at_once = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __enter__(self) -> Imagined:
        return self

    def __exit__(self, *_: object) -> None:
        """The command line opens one a question."""

    def close(self) -> None:
        self.is_closed = True

    def effects(self, additions: list[Addition]) -> list[Effect]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append(list(additions))
        self.go_on.wait(10)
        self.at_once -= 1
        covered = {
            f"{one.kind_code}@{one.lon},{one.lat}": Change(None, one.area_m2 or one.capacity)
            for one in additions
        }
        return [Effect("community", "C1", HOSTILE, Standing(60.0, 55.0), Standing(61.5, 56.0), covered)]


@pytest.fixture
def release(city: CityHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Imagined]:
    """The release of the city, of which nothing has to be built; projects are asked of its table."""
    made = Imagined()
    monkeypatch.setattr(simulate, "opened", lambda of, half_year: made)
    monkeypatch.setattr(renewal, "desk", whatif.Desk())
    database = city.root / "2026H1.duckdb"
    with duckdb.connect(str(database)) as marts:
        marts.execute("create schema marts")
        table = city.releases / "2026H1" / "1" / "tables" / "projects.parquet"
        marts.execute(
            "create table marts.projects as select *, 350e0 as size_m2, 12e0 as capacity_gap from read_parquet(?)",
            [str(table)],
        )
    monkeypatch.setattr(simulate, "_released", lambda of, half_year: (database, {}))
    yield made
    made.go_on.set()


def ask(client: TestClient, question: Any, headers: dict[str, str] = HERE) -> Response:
    return client.post(ASK, json=question, headers=headers)


def filled(client: TestClient, cells: dict[str, Any]) -> bytes:
    """The exported workbook with some cells of the project changed."""
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{LIST}/export").content))
    sheet = book[workbook.PROJECTS]
    places = {cell.value: cell.column for cell in sheet[workbook.HEADER_ROW]}
    row = next(
        row for row in range(workbook.FIRST_ROW, sheet.max_row + 1) if sheet.cell(row, 1).value == PROJECT
    )
    for name, value in cells.items():
        sheet.cell(row, places[name]).value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def send(client: TestClient, content: bytes, by: str = "市民政局", name: str = "p.xlsx") -> Response:
    return client.post(IMPORT, files={"file": (name, content)}, data={"by": by}, headers=HERE)


def set_field(client: TestClient, name: str, value: str, saw: str = "", by: str = "市民政局") -> Response:
    said = {"field": name, name: value, f"saw_{name}": saw, "by": by}
    return client.post(SET, data=said, headers=HERE, follow_redirects=False)


# Who may ---------------------------------------------------------------------------------------------------------------

SENT: dict[str, dict[str, Any]] = {
    ASK: {"json": {"add": [CANTEEN]}},
    SET: {"data": {"field": "evidence", "evidence": "A-1", "saw_evidence": "", "by": "市民政局"}},
    RESOLVE: {"data": {"edit": "0" * 16, "take": "ours", "by": "市民政局"}},
    IMPORT: {"data": {"by": "市民政局"}, "files": {"file": ("p.xlsx", b"none")}},
}


@pytest.mark.parametrize(
    ("who", "headers", "is_let_in"),
    [
        ("viewer", HERE, False),
        ("operator", {}, False),
        ("operator", {"sec-fetch-site": "cross-site"}, False),
        ("operator", {"sec-fetch-site": "same-site"}, False),
        ("operator", {"origin": "https://elsewhere.example"}, False),
        ("operator", {"origin": "null"}, False),
        ("operator", {"origin": "http://testserver"}, True),
        ("operator", HERE, True),
        ("approver", HERE, True),
        ("admin", HERE, True),
    ],
)
@pytest.mark.parametrize("route", SENT)
def test_changes_are_for_those_who_act_and_only_from_these_pages(
    request: pytest.FixtureRequest, release: Imagined, city: CityHome, route: str, who: str, headers: dict[str, str],
    is_let_in: bool,
) -> None:  # fmt: skip
    client: TestClient = request.getfixturevalue(who)
    answer = client.post(route, headers=headers, follow_redirects=False, **SENT[route])
    assert (answer.status_code != 403) is is_let_in
    if not is_let_in:
        assert release.asked == [] and register.batches(city.root) == []


@pytest.mark.parametrize("route", SENT)
def test_nobody_changes_anything_without_logging_in(
    anonymous: TestClient, release: Imagined, city: CityHome, route: str
) -> None:
    assert anonymous.post(route, headers=HERE, **SENT[route]).status_code == 401
    assert release.asked == [] and register.batches(city.root) == []


def test_a_viewer_is_told_why_not(viewer: TestClient, release: Imagined) -> None:
    assert "disabled" in viewer.get("/citycheck/what-if/2026H1").text
    refused = ask(viewer, {"add": [CANTEEN]})
    assert refused.status_code == 403 and refused.headers["content-type"] == "application/problem+json"
    assert "those who may act" in refused.json()["detail"] and "开放" in refused.json()["detail_zh"]
    for route in (LIST, OF_PROJECT):
        assert 'method="post"' not in viewer.get(route).text


@pytest.mark.parametrize("route", [ASK, SET])
def test_what_is_too_large_is_not_read(operator: TestClient, release: Imagined, route: str) -> None:
    answer = operator.post(route, content=b" " * (renewal.LARGEST_TEXT + 1), headers=HERE)
    assert answer.status_code == 413
    assert operator.post(route, content=iter([b"{}"]), headers=HERE).status_code == 411


# What if ----------------------------------------------------------------------------------------------------------------


def test_an_answer_is_that_of_the_command_it_names(operator: TestClient, release: Imagined) -> None:
    question = {
        "add": [CANTEEN, "F15@118.87,28.94,400,subtype=supermarket"], "projects": [PROJECT], "pool": "annual_list"
    }  # fmt: skip
    answer = ask(operator, question).json()
    name, *arguments = answer["command"].split(" ")
    assert name == "citycheck"
    done = CliRunner().invoke(cli.app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {name: answer[name] for name in said} == said
    assert len(said["additions"]) == 3 and said["effects"]
    assert (answer["version"], answer["city"], answer["half_year"]) == (1, "quzhou_sample", "2026H1")


def test_a_release_is_opened_once_and_again_when_another_one_is_current(
    operator: TestClient, release: Imagined, city: CityHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(simulate, "opened", lambda of, half_year: opened.append(half_year) or release)
    assert [ask(operator, {"add": [CANTEEN]}).status_code for _ in range(3)] == [200] * 3
    assert opened == ["2026H1"] and not release.is_closed
    current = city.releases / "CURRENT.json"
    known = json.loads(current.read_text())
    known["2026H1"]["fingerprint"] = "another"
    current.write_text(json.dumps(known))
    ask(operator, {"add": [CANTEEN]})
    assert opened == ["2026H1"] * 2 and release.is_closed


def test_questions_are_answered_one_after_the_other_and_too_many_are_refused(
    operator: TestClient, release: Imagined
) -> None:
    release.go_on.clear()
    with ThreadPoolExecutor(6) as people:
        asked = [people.submit(ask, operator, {"add": [CANTEEN]}) for _ in range(6)]
        refused = [one for one in asked if _is_refused(one.result, 5)]
        release.go_on.set()
        answers = [one.result() for one in asked]
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 2
    assert len(refused) == 2 and release.most_at_once == 1
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.headers["retry-after"] == "5" and "ask again" in busy.json()["detail"]


def _is_refused(result: Any, patience_s: float) -> bool:
    try:
        return bool(result(patience_s / 5).status_code == 503)
    except TimeoutError:
        return False


def test_who_waits_too_long_is_told_so(release: Imagined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatif, "PATIENCE_S", 0.05)
    desk, question = whatif.Desk(), whatif.Question(add=[CANTEEN])
    release.go_on.clear()
    with ThreadPoolExecutor(1) as other:
        first = other.submit(desk.ask, "quzhou_sample", "2026H1", question)
        while not release.asked:
            pass
        with pytest.raises(whatif.Busy):
            desk.ask("quzhou_sample", "2026H1", question)
        release.go_on.set()
        assert first.result()["effects"]
    assert desk.ask("quzhou_sample", "2026H1", question)["effects"], "whoever gave up has left the queue"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "Nothing is to be imagined"),
        ({"add": ["F99@118.87,28.94"]}, "'F99' is no kind of facility"),
        ({"add": ["F08@118.87"]}, "expected KIND@LON,LAT"),
        ({"add": ["F08@28.94,118.87"]}, "outside the city's box"),
        ({"add": ["F08@nan,28.94"]}, "is no facility"),
        ({"add": [f"F08@118.87,28.94,{'9' * 400}"]}, "is no facility"),
        ({"projects": ["C9"]}, "C9: is no open project"),
        ({"projects": [HOSTILE]}, "is no open project"),
        ({"add": [CANTEEN] * 21}, "at most 20"),
        ({"add": "F08"}, "not as expected"),
        ({"add": [1]}, "not as expected"),
        ({"pool": "five_year_goal"}, "not as expected"),
        ({"more": 1}, "not as expected"),
        ([], "not as expected"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    operator: TestClient, release: Imagined, question: Any, said: str
) -> None:
    answer = ask(operator, question)
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"] and answer.json()["detail_zh"]
    assert release.asked == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"add": [NaN]}', b"[" * 5000])
def test_what_is_no_json_is_refused(operator: TestClient, release: Imagined, content: bytes) -> None:
    typed = HERE | {"content-type": "application/json"}
    assert operator.post(ASK, content=content, headers=typed).status_code == 400
    plain = HERE | {"content-type": "text/plain"}
    assert operator.post(ASK, content=b'{"add": []}', headers=plain).status_code == 415


def test_no_path_of_the_machine_is_told(
    operator: TestClient, release: Imagined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(city: str, half_year: str) -> None:
        raise NotReady(f"{settings().home}/x.duckdb: the build of the release is not kept.")

    monkeypatch.setattr(simulate, "opened", lost)
    answer = ask(operator, {"add": [CANTEEN]})
    assert answer.status_code == 409 and str(settings().home) not in answer.text
    assert "not kept" in answer.json()["detail"]


def test_half_years_without_a_release_cannot_be_asked(operator: TestClient, release: Imagined) -> None:
    assert operator.get("/citycheck/what-if/2025H1").status_code == 404
    assert operator.get("/citycheck/what-if/2026H3").status_code in (404, 422)
    answer = operator.post(ASK.replace("2026H1", "2025H1"), json={"add": [CANTEEN]}, headers=HERE)
    assert answer.status_code == 409


def test_without_any_release_the_pages_say_so(viewer: TestClient, home: object) -> None:
    assert "There is no release to begin with" in viewer.get("/citycheck/what-if").text
    for route in (LIST, f"{LIST}/supervision"):
        assert "No release tells of projects yet" in viewer.get(route).text


def test_the_map_is_of_the_released_borders(viewer: TestClient, city: CityHome) -> None:
    folder = city.releases / "2026H1" / "1"
    assert viewer.get("/citycheck/what-if/2026H1/map").json()["map"] is None
    folder.chmod(0o755)
    (folder / "geometry").mkdir()
    with duck.connect() as connection:
        connection.execute(
            """
            copy (
                select 'C1' as community_id, $name as community_name, 'K1' as county_id, '甲县' as county_name,
                    st_geomfromtext('POLYGON((118.8 28.9, 118.9 28.9, 118.9 29.0, 118.8 29.0, 118.8 28.9))') as geometry
            ) to '%s' (format parquet)
            """
            % (folder / "geometry" / "communities.parquet"),
            {"name": HOSTILE},
        )
    told = viewer.get("/citycheck/what-if/2026H1/map")
    assert told.headers["content-type"] == "application/json"
    drawn = told.json()["map"]
    (one,) = drawn["communities"]
    assert one["name"] == HOSTILE
    x, y = one["polygons"][0][0][:2]
    lon = drawn["west"] + x / drawn["metres_per_lon"]
    lat = drawn["south"] + y / drawn["metres_per_lat"]
    assert (round(lon, 4), round(lat, 4)) in {(118.8, 28.9), (118.9, 28.9), (118.9, 29.0), (118.8, 29.0)}
    assert told.json()["words"]["F08"][1] and told.json()["kinds"]["F07"]["area_m2"] == "350"


def test_a_kind_is_filled_in_with_the_least_that_counts() -> None:
    kinds = {kind["code"]: kind for kind in whatif.kinds()}
    assert (kinds["F17"]["area_m2"], kinds["F17"]["is_land"]) == ("150", True)
    assert (kinds["F04"]["area_m2"], kinds["F04"]["more"]) == ("2200", {"land_area_m2": "3500"})
    assert kinds["F15"]["more"] == {"subtype": "supermarket"} and kinds["F03"]["unit"] == "places"


# Projects ---------------------------------------------------------------------------------------------------------------


def test_the_list_counts_every_pool_and_is_filtered(viewer: TestClient, city: CityHome) -> None:
    text = viewer.get(LIST).text
    assert "C2-F17-2026H1" in text and PROJECT in text and "C3-F01-2025H1" not in text
    for query, shown in [
        ("county=K1", {PROJECT}),
        ("pool=midterm_reserve", {"C2-F17-2026H1"}),
        ("status=annual", {PROJECT}),
        ("department=%E6%B0%91%E6%94%BF%E5%B1%80", {PROJECT}),
        ("supervision=overdue", {PROJECT}),
        ("supervision=conflict", set()),
        ("text=%E6%96%B0%E6%A1%A5+c1-f08", {PROJECT}),
        ("text=nothing", set()),
        ("county=K1&status=proposed", set()),
        ("page=99", {PROJECT, "C2-F17-2026H1"}),
    ]:
        found = viewer.get(f"{LIST}?{query}").text
        assert {id_ for id_ in (PROJECT, "C2-F17-2026H1") if f"/projects/{id_}" in found} == shown, query


def test_a_long_list_has_pages(viewer: TestClient, city: CityHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "A_PAGE", 1)
    first, second = viewer.get(LIST).text, viewer.get(f"{LIST}?page=2").text
    assert "C2-F17-2026H1" in first and f"/projects/{PROJECT}" not in first, "the most urgent first"
    assert f"/projects/{PROJECT}" in second and 'rel="prev"' in second and 'rel="next"' not in second


def test_a_project_shows_its_life_and_whether_it_helped(viewer: TestClient, city: CityHome) -> None:
    text = viewer.get(OF_PROJECT).text
    for said in ("60.0", "40.0", "新桥社区", "储备 reserve", "年度计划 annual", "500,000"):
        assert said in text, said
    ended = viewer.get(f"{LIST}/C3-F01-2025H1").text
    for said in ("1,234", "-1,229", "-1.25", "no effect", "has ended this project"):
        assert said in ended, said
    assert viewer.get(f"{LIST}/C9-F01-2025H1").status_code == 404


def test_supervision_says_what_is_late_today(viewer: TestClient, city: CityHome) -> None:
    found = steps.supervision("quzhou_sample", date(2026, 9, 1))
    assert {row["supervision_code"] for row in found} == {"overdue", "without_effect"}
    text = viewer.get(f"{LIST}/supervision").text
    assert f"/projects/{PROJECT}" in text and "/projects/C3-F01-2025H1" in text


def test_what_others_wrote_is_text(operator: TestClient, release: Imagined, city: CityHome) -> None:
    assert set_field(operator, "evidence", HOSTILE).status_code == 303
    for route in (LIST, OF_PROJECT, f"{LIST}/supervision"):
        text = operator.get(route).text
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text, route
    text = send(operator, b"none", name=f"{HOSTILE}.xlsx", by=HOSTILE).text
    assert "<script>alert" not in text


def test_a_field_is_set_and_shown_at_once(operator: TestClient, city: CityHome) -> None:
    answer = set_field(operator, "status_code", "under_way", saw="annual")
    assert answer.status_code == 303 and answer.headers["location"].startswith(f"{OF_PROJECT}?done=stored")
    text = operator.get(answer.headers["location"]).text
    assert "Stored" in text and "实施中" in text and "市民政局" in text
    (edit,) = register.read(register.batches(city.root))
    assert (edit.field, edit.value, edit.base_value, edit.source) == (
        "status_code",
        "under_way",
        "annual",
        "page",
    )
    again = set_field(operator, "status_code", "under_way", saw="under_way")
    assert "done=same" in again.headers["location"] and len(register.batches(city.root)) == 1


@pytest.mark.parametrize(
    ("name", "value", "saw", "by", "said"),
    [
        ("status_code", "delivered", "annual", "市民政局", "after annual one of"),
        ("status_code", "evaluated", "annual", "市民政局", "one of"),
        ("planned_end_on", "2026-02-30", "2026-08-31", "市民政局", "a day such as"),
        ("cost_cny", "-1", "500000", "市民政局", "an amount in CNY"),
        ("community_id", "C2", "C1", "市民政局", "is said once"),
        ("department", "张伟 13800138000", "民政局", "市民政局", "a department, not a person"),
        ("evidence", "x" * 301, "", "市民政局", "at most 300 characters"),
        ("evidence", "A-1", "", "", "for which department"),
        ("evidence", "A-1", "B-2", "市民政局", "has been set since"),
        ("nothing", "A-1", "", "市民政局", "Press the button"),
    ],
)
def test_what_cannot_be_set_is_said_on_the_page(
    operator: TestClient, city: CityHome, name: str, value: str, saw: str, by: str, said: str
) -> None:
    answer = set_field(operator, name, value, saw=saw, by=by)
    assert answer.status_code == 400 and said in answer.text and "C1-F08-2026H1" in answer.text
    assert str(settings().home) not in answer.text and register.batches(city.root) == []


def test_a_workbook_goes_out_and_comes_back(operator: TestClient, city: CityHome) -> None:
    exported = operator.get(f"{LIST}/export?county=K1")
    assert exported.headers["content-disposition"] == 'attachment; filename="projects-2026H1.xlsx"'
    assert operator.get(f"{LIST}/export?county=nowhere").status_code == 404
    answer = send(operator, filled(operator, {"department": "市发改委"}))
    assert answer.status_code == 200 and "1 edit(s) taken over, 0 conflict(s)" in answer.text
    assert "市发改委" in operator.get(OF_PROJECT).text


def test_problems_are_told_row_by_row_and_nothing_is_stored(operator: TestClient, city: CityHome) -> None:
    answer = send(
        operator, filled(operator, {"cost_cny": "=1+1", "planned_end_on": "soon", "department": "市发改委"})
    )
    assert answer.status_code == 400 and "2 problem(s): nothing is stored" in answer.text
    assert "not a formula" in answer.text and "a day such as" in answer.text
    assert register.batches(city.root) == []


@pytest.mark.parametrize("take", ["theirs", "ours"])
def test_a_conflict_is_shown_with_both_values_and_settled(
    operator: TestClient, city: CityHome, take: str
) -> None:
    sheet = filled(operator, {"department": "市发改委"})
    set_field(operator, "department", "市住建局", saw="民政局")
    assert "1 conflict(s)" in send(operator, sheet).text
    text = operator.get(OF_PROJECT).text
    assert "Take theirs" in text and "市住建局" in text and "市发改委" in text
    assert f"/projects/{PROJECT}" in operator.get(f"{LIST}?supervision=conflict").text
    (conflict,) = steps.current("quzhou_sample").projects[PROJECT].conflicts
    said = {"edit": conflict.edit_id, "take": take, "by": "市政府办"}
    answer = operator.post(RESOLVE, data=said, headers=HERE)
    assert answer.status_code == 200 and "Take theirs" not in answer.text
    settled = steps.current("quzhou_sample").projects[PROJECT]
    assert settled.text("department") == ("市发改委" if take == "theirs" else "市住建局")
    again = operator.post(RESOLVE, data=said, headers=HERE)
    assert again.status_code == 400 and "is no open conflict" in again.text


@pytest.mark.parametrize("content", [b"", b"none", b"PK\x03\x04" + b"0" * 100])
def test_what_is_no_workbook_is_one_sentence(operator: TestClient, city: CityHome, content: bytes) -> None:
    answer = send(operator, content)
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert "/tmp" not in answer.text and register.batches(city.root) == []


def test_a_workbook_that_is_too_large_is_not_read(
    operator: TestClient, city: CityHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(workbook, "read", read.append)
    html = HERE | {"accept": "text/html"}
    sent = {"file": ("p.xlsx", b"0" * (renewal.LARGEST_FILE + 1))}
    answer = operator.post(IMPORT, files=sent, data={"by": "x"}, headers=html)
    assert answer.status_code == 413 and "16 MiB" in answer.text and read == []


def test_reports_behind_a_project_are_for_those_who_act(
    operator: TestClient, viewer: TestClient, city: CityHome
) -> None:
    """C1 lacks F20, so its parking reports are those of that shortfall; road reports and what they led are a problem of
    their own."""
    folder = city.warehouse / "2026H1" / ("1" * 16)
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "2026H1.duckdb")) as build:
        for schema in ("staging", "intermediate", "standard", "marts"):
            build.execute(f"create schema {schema}")
        build.execute(
            """
            create table intermediate.int_candidate_report_ids as select 'road-1' as problem_code, 'C1-road-001' as candidate_id;
            create table standard.renewal_categories as from (values ('parking', 'F08'), ('road', null), ('walk', null))
                as of(category_code, kind_code);
            create table marts.shortfalls as select 'C1' as community_id, 'F08' as kind_code;
            create table staging.stg_report_clusters as from (values
                ('parking-1', 'parking', 'C1', 'road-1'), ('road-1', 'road', 'C1', 'road-1'), ('walk-1', 'walk', 'C1', 'road-1'),
                ('parking-2', 'parking', 'C2', 'parking-2')
            ) as of(cluster_id, category_code, community_id, problem_id);
            create table staging.stg_report_cluster_members as from (values
                ('parking-1', 'GD-7'), ('parking-1', '13800138000'), ('road-1', 'GD-1'), ('walk-1', 'GD-2'), ('parking-2', 'GD-9')
            ) as of(cluster_id, report_id)
            """
        )
    text = operator.get(OF_PROJECT).text
    assert "GD-7" in text and "GD-1" not in text and "GD-9" not in text and "13800138000" not in text
    assert "GD-7" not in viewer.get(OF_PROJECT).text
    told = projects.one("quzhou_sample", PROJECT)
    assert told is not None
    road = register.Project({"candidate_id": "C1-road-001"})
    ids = projects.report_ids("quzhou_sample", projects.Told(**{**vars(told), "project": road}))
    assert ids == ["GD-1", "GD-2"]


def test_what_is_told_of_an_addition_is_all_of_it(operator: TestClient, release: Imagined) -> None:
    answer = ask(operator, {"projects": [PROJECT]}).json()
    (asked,) = release.asked[-1]
    assert answer["additions"] == [asdict(asked)] and asked.area_m2 == 350.0 and asked.lon == 118.87
