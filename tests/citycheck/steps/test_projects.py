"""Projects between two releases: workbooks out and in, single fields, conflicts, and who is behind."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from citycheck import settings as settings_module
from citycheck.cli import app
from citycheck.errors import BadInput, NotReady
from citycheck.renewal import register, workbook
from citycheck.settings import settings
from citycheck.steps import projects

CITY = "quzhou_sample"
AT = datetime(2026, 9, 1, tzinfo=UTC)
COLUMNS = {
    "priority_score": pa.float64(),
    "cost_cny": pa.float64(),
    "target_population": pa.int64(),
    "planned_end_on": pa.date32(),
    "last_edited_at": pa.timestamp("us"),
}
ROWS = [
    {
        "project_id": "C1-F08-2026H1", "status_code": "annual", "pool_code": "annual_list", "community_id": "C1",
        "county_id": "K1", "kind_code": "F08", "priority_score": 60.0, "cost_cny": 500000.0, "department": "民政局",
        "planned_end_on": date(2026, 8, 31), "refresh_code": "still_open",
    },
    {
        "project_id": "C2-F17-2026H1", "status_code": "under_way", "pool_code": "annual_list", "community_id": "C2",
        "county_id": "K2", "kind_code": "F17", "priority_score": 70.0, "last_edited_at": datetime(2026, 3, 1),
        "refresh_code": "still_open",
    },
    {"project_id": "C3-F01-2025H1", "status_code": "evaluated", "refresh_code": "without_effect", "pool_code": "annual_list"},
]  # fmt: skip
FIRST, SECOND = "C1-F08-2026H1", "C2-F17-2026H1"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a release that tells of three projects, one of them closed."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path / "var"))
    monkeypatch.setattr(workbook, "_SPARE_ROWS", 3)
    settings_module.settings.cache_clear()
    home = settings().city_home(CITY)
    folder = home.releases / "2026H1" / "1"
    (folder / "tables").mkdir(parents=True)
    names = {name for row in ROWS for name in row}
    schema = pa.schema([(name, COLUMNS.get(name, pa.string())) for name in sorted(names)])
    pq.write_table(pa.Table.from_pylist(ROWS, schema=schema), folder / "tables" / "projects.parquet")
    areas = [{"area_level": "community", "area_id": f"C{n}"} for n in (1, 2, 3)]
    pq.write_table(pa.Table.from_pylist(areas), folder / "tables" / "areas.parquet")
    (folder / "provenance.json").write_text(json.dumps({"cut_off": "2026-07-16T00:00:00+08:00"}))
    entry = {"version": 1, "path": "2026H1/1", "fingerprint": "x"}
    (home.releases / "CURRENT.json").write_text(json.dumps({"2026H1": entry}))
    yield home
    settings_module.settings.cache_clear()


@pytest.fixture
def sheet(home, tmp_path):
    """Export, change some cells, and give the file: sheet({(project, field): value}, rows below)."""

    def changed(cells, *own):
        path = tmp_path / "projects.xlsx"
        projects.export(CITY, "2026H1", path, county=None, department=None)
        book = openpyxl.load_workbook(path)
        entries = book[workbook.PROJECTS]
        places = {cell.value: cell.column for cell in entries[workbook.HEADER_ROW]}
        rows = {
            cell.value: number
            for number, [cell] in enumerate(
                entries.iter_rows(workbook.FIRST_ROW, max_col=1), workbook.FIRST_ROW
            )
            if cell.value
        }
        for (project, name), value in cells.items():
            entries.cell(rows.get(project, project), places[name]).value = value
        for number, values in enumerate(own, workbook.FIRST_ROW + len(rows)):
            for name, value in values.items():
                entries.cell(number, places[name]).value = value
        book.save(path)
        return path

    return changed


def take_in(path, department="民政局", hours=0):
    return projects.take_in(CITY, path, department, AT + timedelta(hours=hours))


def now(project=FIRST):
    return projects.current(CITY).projects[project]


def stored(home):
    return register.read(register.batches(home.root))


# In and out ----------------------------------------------------------------------------------------------------------


def test_the_same_file_back_changes_nothing(home, sheet):
    taken = take_in(sheet({}))
    assert (taken.rows, taken.edits, taken.conflicts, taken.problems) == (2, (), (), ())
    assert stored(home) == []


def test_a_change_becomes_an_edit_and_the_file_again_none(home, sheet):
    path = sheet({(FIRST, "cost_cny"): 650000, (FIRST, "planned_end_on"): None})
    assert {(e.field, e.base_value, e.value) for e in take_in(path).edits} == {
        ("cost_cny", "500000", "650000"),
        ("planned_end_on", "2026-08-31", ""),
    }
    assert (now().text("cost_cny"), now().text("planned_end_on")) == ("650000", "")
    assert {edit.department for edit in stored(home)} == {"民政局"}
    assert take_in(path, hours=1).edits == ()
    assert len(stored(home)) == 2


def test_the_file_again_after_somebody_went_on_is_no_conflict(home, sheet):
    path = sheet({(FIRST, "cost_cny"): 650000})
    take_in(path)
    projects.set_field(CITY, FIRST, "cost", "700000", "财政局", AT + timedelta(hours=1))
    again = take_in(path, hours=2)
    assert (again.edits, again.conflicts) == ((), ())
    assert now().text("cost_cny") == "700000"


def test_a_new_sheet_may_ask_for_the_same_again(sheet):
    take_in(sheet({(FIRST, "cost_cny"): 650000}))
    projects.set_field(CITY, FIRST, "cost", "500000", "财政局", AT + timedelta(hours=1))
    assert len(take_in(sheet({(FIRST, "cost_cny"): 650000}), hours=2).edits) == 1


@pytest.mark.parametrize(("take", "cost"), [("theirs", "650000"), ("ours", "700000")])
def test_a_conflict_is_shown_and_not_lost(home, sheet, take, cost):
    path = sheet({(FIRST, "cost_cny"): 650000, (FIRST, "evidence"): "〔2026〕1号"})
    projects.set_field(CITY, FIRST, "cost", "700000", "财政局", AT)
    taken = take_in(path, hours=1)
    [conflict] = taken.conflicts
    assert [edit.field for edit in taken.edits] == ["evidence"]
    assert (now().text("cost_cny"), now().conflicts) == ("700000", (conflict,))
    assert take_in(path, hours=2).conflicts == ()
    assert [row["edit_id"] for row in projects.log(CITY, conflicts=True)] == [conflict.edit_id]
    projects.resolve(CITY, conflict.edit_id, take, "发改委", AT + timedelta(hours=3))
    assert (now().text("cost_cny"), now().conflicts) == (cost, ())
    assert conflict in stored(home)
    assert take_in(path, hours=4).conflicts == ()
    with pytest.raises(BadInput, match="no open conflict"):
        projects.resolve(CITY, conflict.edit_id, take, "发改委", AT + timedelta(hours=5))


def test_both_changed_to_the_same_is_no_conflict(sheet):
    path = sheet({(FIRST, "cost_cny"): 700000})
    projects.set_field(CITY, FIRST, "cost", "700000", "财政局", AT)
    taken = take_in(path, hours=1)
    assert (taken.edits, taken.conflicts) == ((), ())


def test_of_a_file_with_an_error_nothing_is_stored_and_every_row_is_told(home, sheet):
    path = sheet(
        {
            (FIRST, "status_code"): "delivered",
            (FIRST, "cost_cny"): "很多",
            (SECOND, "planned_start_on"): "2026-02-30",
            (SECOND, "department"): "=A1",
            (SECOND, "evidence"): "good",
        }
    )
    taken = take_in(path)
    assert [(p.row, p.column) for p in taken.problems] == [
        (4, "department"), (4, "planned_start_on"), (5, "cost_cny"),
    ]  # fmt: skip
    assert (
        str(taken.problems[1])
        == "row 4, planned_start_on 计划开工: expected a day such as 2026-03-05 日期，如 2026-03-05."
    )
    assert stored(home) == []
    [problem] = take_in(sheet({(FIRST, "status_code"): "delivered"})).problems
    assert (problem.row, problem.column) == (5, "status_code")


def test_rows_that_are_not_what_they_were(home, sheet):
    doubled = sheet({}, {"project_id": FIRST, "cost_cny": 1})
    assert [(p.row, p.column) for p in take_in(doubled).problems] == [(6, "project_id")]
    foreign = sheet({}, {"project_id": "C9-F01-2026H1"})
    assert [(p.row, p.column) for p in take_in(foreign).problems] == [(6, "project_id")]
    moved = sheet({(FIRST, "community_id"): "C2"})
    assert [p.column for p in take_in(moved).problems] == ["community_id"]
    assert stored(home) == []


def test_a_project_of_their_own(home, sheet):
    own = {"community_id": "C3", "kind_code": "F08", "project_name_zh": "社区食堂", "cost_cny": 80000}
    path = sheet({}, own)
    edits = take_in(path).edits
    assert {edit.field for edit in edits} == set(own)
    begun = now(edits[0].project_id)
    assert (begun.text("origin_code"), begun.text("cost_cny")) == ("department", "80000")
    assert take_in(path, hours=1).edits == ()
    twice = sheet({}, own | {"project_name_zh": "甲"}, own | {"project_name_zh": "甲"})
    assert [p.column for p in take_in(twice, hours=2).problems] == ["project_id"]


@pytest.mark.parametrize(
    ("own", "column"),
    [
        ({"kind_code": "F08", "project_name_zh": "x"}, "community_id"),
        ({"community_id": "C9", "kind_code": "F08", "project_name_zh": "x"}, "community_id"),
        ({"community_id": "C1", "project_name_zh": "x"}, "kind_code"),
        ({"community_id": "C1", "kind_code": "F99", "project_name_zh": "x"}, "kind_code"),
        ({"community_id": "C1", "category_code": "magic", "project_name_zh": "x"}, "category_code"),
        ({"community_id": "C1", "kind_code": "F08"}, "project_name_zh"),
        ({"community_id": "C1", "kind_code": "F08", "project_name_zh": "x", "status_code": "delivered"}, "status_code"),
    ],
)  # fmt: skip
def test_one_that_lacks_something_is_told(home, sheet, own, column):
    assert [problem.column for problem in take_in(sheet({}, own)).problems] == [column]
    assert stored(home) == []


def test_another_citys_file_is_refused(home, sheet, monkeypatch):
    path = sheet({})
    with pytest.raises(BadInput, match="is of the city"):
        projects.take_in("tainan", path, "民政局", AT)


def test_a_person_is_no_department(home, sheet):
    with pytest.raises(BadInput, match="a department, not a person"):
        take_in(sheet({}), "张先生")


# Single fields -------------------------------------------------------------------------------------------------------


def test_a_field_is_set_once(home):
    edit = projects.set_field(CITY, FIRST, "status", "under_way", "民政局", AT)
    assert edit is not None
    assert (edit.field, edit.base_value, edit.value) == ("status_code", "annual", "under_way")
    assert projects.set_field(CITY, FIRST, "status", "实施中", "民政局", AT) is None
    assert len(stored(home)) == 1


def test_edits_never_go_back_in_time(home):
    """A clock that goes wrong must not put an edit before what it was made on."""
    first = projects.set_field(CITY, FIRST, "cost", "1", "民政局", AT)
    second = projects.set_field(CITY, FIRST, "cost", "2", "民政局", AT - timedelta(days=90))
    assert first is not None
    assert second is not None
    assert first.edited_at < second.edited_at
    assert now().text("cost_cny") == "2"


@pytest.mark.parametrize(
    ("project", "name", "value", "told"),
    [
        (FIRST, "status", "delivered", "one of"),
        (FIRST, "owner", "x", "is no field"),
        (FIRST, "kind_code", "F01", "said once"),
        (FIRST, "cost", "x", "an amount"),
        ("C3-F01-2025H1", "cost", "1", "no project that goes on"),
    ],
)
def test_what_cannot_be_set_is_told(home, project, name, value, told):
    with pytest.raises(BadInput, match=told):
        projects.set_field(CITY, project, name, value, "民政局", AT)
    assert stored(home) == []


def test_what_a_release_has_counted_is_not_counted_again(home):
    counted = register.Edit(FIRST, "cost_cny", "1", "", datetime(2026, 7, 15, 16), "民政局", "cli")
    register.append(home.root, [counted], counted.edited_at)
    assert now().text("cost_cny") == "500000"


def test_of_equal_priority_more_people_come_first(home):
    rows = [("a", 60.0, 5), ("b", 60.0, None), ("c", 60.0, 900), ("d", 61.0, 1)]
    found = {
        name: register.Project({"project_id": name, "priority_score": score, "uncovered_population": people})
        for name, score, people in rows
    }
    chosen = projects.chosen(replace(projects.current(CITY), projects=found))
    assert [project.text("project_id") for project in chosen] == ["d", "c", "a", "b"]


def test_supervision(home):
    found = {
        row["project_id"]: row["supervision_code"] for row in projects.supervision(CITY, date(2026, 9, 1))
    }
    assert found == {FIRST: "overdue", SECOND: "stalled", "C3-F01-2025H1": "without_effect"}
    projects.set_field(CITY, FIRST, "planned_end", "2026-12-31", "民政局", AT)
    projects.set_field(CITY, SECOND, "evidence", "x", "体育局", AT)
    found = {row["project_id"] for row in projects.supervision(CITY, date(2026, 9, 1))}
    assert found == {"C3-F01-2025H1"}


def test_without_a_release_that_tells_of_projects(home):
    (home.releases / "2026H1" / "1" / "tables" / "projects.parquet").unlink()
    with pytest.raises(NotReady, match="tells of projects"):
        projects.current(CITY)


# The command line ----------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, ["projects", *map(str, arguments)])


def test_the_way_of_a_project_through_the_command_line(home, sheet):
    listed = json.loads(run("list", "--json").stdout)
    assert [row["project_id"] for row in listed] == [SECOND, FIRST]
    assert [row["project_id"] for row in json.loads(run("list", "--county", "K1", "--json").stdout)] == [
        FIRST
    ]
    path = sheet({(FIRST, "cost_cny"): 650000})
    assert (
        json.loads(run("set", FIRST, "cost", "7", "--department", "财政局", "--json").stdout)["value"] == "7"
    )
    taken = json.loads(run("import", path, "--department", "民政局", "--json").stdout)
    [conflict] = taken["conflicts"]
    assert conflict["edit_id"] in run("log", "--conflicts").stdout
    assert conflict["edit_id"] in run("show", FIRST).stdout
    resolved = run("resolve", conflict["edit_id"], "--take", "theirs", "--department", "发改委")
    assert "7 → 650000" in resolved.stdout
    assert json.loads(run("show", FIRST, "--json").stdout)["cost_cny"] == "650000"
    assert "without_effect" in run("supervision").stdout


def test_a_bad_file_ends_with_status_1_and_a_line_a_problem(home, sheet):
    answer = run("import", sheet({(FIRST, "cost_cny"): "x"}), "--department", "民政局")
    assert answer.exit_code == 1
    assert "row 5, cost_cny 造价(元): expected an amount" in answer.stdout
    assert "nothing is stored" in answer.stdout


def test_an_export_of_nothing_is_told(home, tmp_path):
    with pytest.raises(BadInput, match="no project is of county"):
        projects.export(CITY, "2026H1", tmp_path / "x.xlsx", county="K9", department=None)
    with pytest.raises(BadInput, match=r"ends in \.xlsx"):
        projects.export(CITY, "2026H1", tmp_path / "x.csv", county=None, department=None)
