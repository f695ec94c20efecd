"""Projects as a workbook: what a department sees, and every way in which it can come back."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import openpyxl
import pytest

from citycheck.errors import BadInput
from citycheck.renewal import workbook
from citycheck.renewal.register import Edit, Project

ABOUT = workbook.About("quzhou_sample", "2026H1", datetime(2026, 8, 1), True)
PROJECTS = [
    Project(
        {
            "project_id": "C1-F08-2026H1", "community_name": "=HYPERLINK(1)", "kind_code": "F08", "status_code": "annual",
            "pool_code": "annual_list", "priority_score": 61.5, "planned_end_on": "2026-12-31", "cost_cny": 500000.0,
            "project_name_zh": "=1+1", "department": "民政局",
        },
        (Edit("C1-F08-2026H1", "cost_cny", "1", "2", datetime(2026, 7, 1), "甲局", "cli", True),),
    ),
    Project({"project_id": "C2-F17-2026H1", "kind_code": "F17", "status_code": "proposed", "pool_code": "midterm_reserve"}),
]  # fmt: skip
NAMES = {"F08": "老年食堂 Senior canteen"}


@pytest.fixture(scope="module")
def exported():
    return workbook.template(PROJECTS, ABOUT, NAMES)


@pytest.fixture
def book(exported):
    return openpyxl.load_workbook(io.BytesIO(exported))


@pytest.fixture
def sheet(book):
    return book[workbook.PROJECTS]


def at(sheet, name, row=workbook.FIRST_ROW):
    return sheet.cell(row, list(workbook.columns()).index(name) + 1)


@pytest.fixture
def back(book, tmp_path):
    """Save the workbook as an editor would, and read it."""

    def read():
        book.save(tmp_path / "back.xlsx")
        return workbook.read(tmp_path / "back.xlsx")

    return read


def test_the_same_projects_are_the_same_bytes(exported):
    assert workbook.template(PROJECTS, ABOUT, NAMES) == exported


def test_untouched_it_says_what_was_seen(back):
    filled = back()
    assert (filled.about.city, filled.about.half_year, filled.about.until) == (
        ABOUT.city, ABOUT.half_year, ABOUT.until,
    )  # fmt: skip
    assert [row.project_id for row in filled.rows] == [p.text("project_id") for p in PROJECTS]
    for row in filled.rows:
        base = filled.base[row.project_id]
        for name, field in workbook.fields().items():
            assert field.read(row.cells[name]) == base[name]
    assert filled.base["C1-F08-2026H1"]["project_name_zh"] == "=1+1"
    assert not any(row.refused for row in filled.rows)


def test_nothing_in_it_runs(book):
    assert [
        (sheet.title, cell.coordinate)
        for sheet in book.worksheets
        for cells in sheet.iter_rows()
        for cell in cells
        if cell.data_type == "f"
    ] == []


def test_what_the_system_fills_in_is_locked_and_the_rest_is_not(sheet):
    assert sheet.protection.sheet
    assert at(sheet, "community_name").protection.locked
    assert at(sheet, "kind_code").protection.locked
    assert not at(sheet, "status_code").protection.locked
    spare = workbook.FIRST_ROW + len(PROJECTS)
    assert not at(sheet, "kind_code", spare).protection.locked
    assert at(sheet, "priority_score", spare).protection.locked
    assert at(sheet, "conflicts").value == "cost_cny"
    assert at(sheet, "subject").value == "老年食堂 Senior canteen"


def test_codes_are_chosen_from_lists(book, sheet):
    lists = [rule for rule in sheet.data_validations.dataValidation if rule.type == "list"]
    assert len(lists) == 2
    assert {book[name].sheet_state for name in (workbook.CODES, workbook.BASE)} == {"hidden"}
    shown = {cell.value for column in book[workbook.CODES].iter_cols() for cell in column}
    assert "实施中 under way" in shown
    assert "SYNTHETIC" in str(book[workbook.NOTES]["A2"].value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 5), "2026-03-05"),
        (46086, "2026-03-05"),
        (46086.0, "2026-03-05"),
        ("2026年3月5日", "2026年3月5日"),
        (None, ""),
    ],
)
def test_a_day_comes_as_excel_and_wps_write_it(sheet, back, value, text):
    at(sheet, "planned_end_on").value = value
    cells = back().rows[0].cells
    assert cells["planned_end_on"] == text
    assert workbook.fields()["planned_end_on"].read(cells["planned_end_on"]) == ("2026-03-05" if text else "")


@pytest.mark.filterwarnings("ignore:Cell")
@pytest.mark.parametrize("value", ["=1+1", "#REF!", 20260305])
def test_a_formula_or_an_error_is_no_value(sheet, back, value):
    """What a date cell cannot hold becomes an error in Excel."""
    at(sheet, "planned_end_on").value = value
    row = back().rows[0]
    assert list(row.refused) == ["planned_end_on"]


def test_columns_may_be_moved_and_rows_deleted(book, sheet, back):
    sheet.delete_rows(workbook.FIRST_ROW)
    sheet.insert_cols(1)
    sheet.cell(workbook.HEADER_ROW, 1, "my own")
    filled = back()
    assert [row.project_id for row in filled.rows] == ["C2-F17-2026H1"]
    assert filled.rows[0].cells["status_code"] == "拟议 proposed"


def test_a_row_without_a_code_is_one_of_their_own(sheet, back):
    at(sheet, "community_id", 50).value = "C1"
    row = back().rows[-1]
    assert (row.number, row.project_id, row.cells["community_id"]) == (50, "", "C1")


def _without_base(book):
    del book[workbook.BASE]


def _renamed(book):
    at(book[workbook.PROJECTS], "status_code", workbook.HEADER_ROW).value = "状态"


def _doubled(book):
    at(book[workbook.PROJECTS], "subject", workbook.HEADER_ROW).value = "status_code"


def _base_changed(book):
    book[workbook.BASE]["F1"] = "some day"


def _base_cut(book):
    book[workbook.BASE].delete_cols(3)


def _too_wide(book):
    book[workbook.PROJECTS].cell(1, 500, "x")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_base, "has no sheet 'base'"),
        (_renamed, "has not once each of status_code"),
        (_doubled, "has not once each of status_code"),
        (_base_changed, "hidden sheet"),
        (_base_cut, "hidden sheet"),
        (_too_wide, "more than"),
    ],
)
def test_another_workbook_is_told_in_one_sentence(book, back, spoil, told):
    spoil(book)
    with pytest.raises(BadInput, match=told):
        back()


@pytest.mark.parametrize("content", [b"", b"id,name\n1,a\n", bytes.fromhex("d0cf11e0a1b11ae1")])
def test_what_is_no_workbook_is_told(tmp_path, content):
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(BadInput, match=r"no \.xlsx workbook"):
        workbook.read(tmp_path / "x.xlsx")
    with pytest.raises(BadInput, match="cannot be read"):
        workbook.read(tmp_path / "y.xlsx")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "_LIMIT_UNPACKED_BYTES", 8 << 20)
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(9):
            packed.writestr(f"{number}.xml", bytes(1 << 20))
    assert (tmp_path / "x.xlsx").stat().st_size < 1 << 20
    with pytest.raises(BadInput, match="MiB unpacked"):
        workbook.read(tmp_path / "x.xlsx")
