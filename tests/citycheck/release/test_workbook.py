"""The workbook of a release, opened with Excel's own library."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
import yaml

from citycheck.duck import connect
from citycheck.release import bundle
from citycheck.release.workbook import COVER, DICTIONARY, NOTES, SHEETS, column_names_zh, english

MODELS = Path(__file__).parents[3] / "dbt_project" / "models"
ADDED = {"area_name"} | {
    f"{name}_{language}"
    for name in ("dimension", "indicator", "question", "need", "category", "kind", "action", "means", "pool")
    for language in ("zh", "en")
}


@pytest.fixture(scope="module")
def book(bundle_folder):
    return openpyxl.load_workbook(bundle_folder / "citycheck-2026H1.xlsx")


def texts(sheet):
    return [cell for row in sheet.iter_rows(values_only=True) for cell in row if cell is not None]


def records(sheet):
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_sheets_are_there(book):
    assert book.sheetnames == [COVER, NOTES, *(sheet.name for sheet in SHEETS), DICTIONARY]
    assert all(len(name) <= 31 for name in book.sheetnames)


def test_the_cover_says_what_it_is(book):
    cover = texts(book[COVER])
    assert cover[:2] == [
        "合成市城镇社区体检 2026H1（合成数据）",
        "Synthetic city community check-up 2026H1 (synthetic data)",
    ]
    assert any("SYNTHETIC DATA" in text for text in cover)
    for told in (
        "第 1 版",
        "version 1",
        "First release",
        "preliminary",
        "2026-07-16 09:30 UTC+08:00",
        "Made by a program",
    ):
        assert told in cover
    assert [name for name in book.sheetnames[1:] if name not in cover] == []


def test_the_cover_tells_the_announced_dates(book):
    told = [row for row in book[COVER].iter_rows(values_only=True) if "Calendar" in str(row[0])]
    assert [row[0] for row in told] == [f"发布日程 Calendar 2026H{half}" for half in (1, 1, 1, 2)]
    assert told[1][1:3] == (
        "核实：2026-08-20 10:00 UTC+08:00（已改期）",
        "verified: 2026-08-20 10:00 UTC+08:00 (changed)",
    )


def test_the_notes_tell_method_suppression_and_gaps(book):
    notes = " ".join(texts(book[NOTES]))
    for told in ("方法 Method", "抑制 Suppression", "A synthetic gap", "never zero"):
        assert told in notes


def test_a_correction_says_so_on_its_cover(full_build, corrected, tmp_path):
    folder = bundle.stage(full_build.database, full_build.manifest, tmp_path / "2", corrected)
    cover = texts(openpyxl.load_workbook(folder / "citycheck-2026H1.xlsx")[COVER])
    assert "'=1+1 设施重复" in cover and "A <b>facility</b> was counted twice." in cover
    assert "at once, when approved" in cover and "Made by a program" in cover


def test_no_cell_is_a_formula(book):
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b", "inlineStr"}
    assert "'=HYPERLINK(1)社区" in {cell.value for cell in cells}
    assert not [cell.value for cell in cells if cell.data_type == "s" and str(cell.value)[:1] in "=+-@"]


def test_tables_are_filtered_with_a_frozen_header_in_both_languages(book):
    for sheet in (*(s.name for s in SHEETS), DICTIONARY):
        assert book[sheet].freeze_panes == "A2"
        assert book[sheet].auto_filter.ref == book[sheet].dimensions
        assert book[sheet].print_title_rows == "$1:$1" and book[sheet].page_setup.orientation == "landscape"
        for (column,) in book[sheet].iter_cols(min_row=1, max_row=1, values_only=True):
            zh, en = column.split("\n")
            assert (not zh.isascii() and en.isascii()) or "²" in en


def test_numbers_are_numbers_with_a_format_and_codes_are_text(book):
    sheet = book[SHEETS[0].name]
    first = {cell.value.split("\n")[1]: below for cell, below in zip(sheet[1], sheet[2], strict=True)}
    assert (first["Area code"].value, first["Area code"].data_type) == ("C1", "s")
    assert (first["Index score"].value, first["Index score"].number_format) == (61.04, "#,##0.0")
    assert (first["Residents"].value, first["Residents"].number_format) == (1002, "#,##0")


def test_a_code_is_told_with_its_name(book):
    repairs = records(book["报修 Repairs"])
    assert [
        (row["区域名称\nArea name"], row["类别\nCategory"], row["报修件数\nReports"]) for row in repairs
    ] == [
        ("合成甲县", None, 1200),
        ("合成甲县", "给排水", 300),
        ("合成乙县", None, 1200),
        ("合成乙县", "给排水", 300),
    ]


def test_projects_are_told_with_the_names_of_their_codes(book):
    rows = records(book["项目 Projects"])
    assert len(rows) == 18
    (row,) = [row for row in rows if row["项目编号\nProject id"] == "C1-1-F01-2025H2"]
    assert row["项目名称\nProject name (Chinese)"] == "部门<b>自定</b>的名称"
    assert (row["设施类别\nKind"], row["项目库名称\nPool name"]) == ("社区综合服务中心", "年度项目清单")
    assert (
        row["责任部门\nDepartment"] == "'=合成<i>局</i>" and row["计划完工\nPlanned end on"] == "2026-05-31"
    )
    assert row["造价（元）\nCost (CNY)"] == 1_334_567
    (goal,) = [row for row in records(book["五年目标 Goals"]) if row["半年期\nHalf year"] == "2026H1"]
    assert goal["应达到的值\nExpected value"] == 55


def test_only_the_levels_of_a_sheet_are_in_it(book):
    assert {row["级别\nArea level"] for row in records(book["满意度 Satisfaction"])} == {"county"}
    assert len(records(book["社区指数 Communities"])) == 18


def test_control_characters_and_long_texts_do_not_stop_it(full_build, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute("update marts.county_index set area_name = chr(7) || '甲' || repeat('长', 40000)")
    folder = bundle.stage(
        full_build.database, full_build.manifest, tmp_path / "staged", full_build.provenance
    )
    sheet = openpyxl.load_workbook(folder / "citycheck-2026H1.xlsx")[SHEETS[0].name]
    assert sheet["B2"].value.startswith("甲长") and len(sheet["B2"].value) == 32767


def test_the_bytes_hang_on_the_build_alone(full_build, bundle_folder, tmp_path, monkeypatch):
    """Another time, another place, another user: the same bytes."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        while time.time() % 2 < 1.9:  # a ZIP counts time in steps of two seconds
            time.sleep(0.05)
        again = bundle.stage(full_build.database, full_build.manifest, tmp_path / "x", full_build.provenance)
    finally:
        monkeypatch.undo()
        time.tzset()
    name = "citycheck-2026H1.xlsx"
    assert (again / name).read_bytes() == (bundle_folder / name).read_bytes()
    with zipfile.ZipFile(again / name) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert os.environ.get("USER", "nobody") not in archive.read("docProps/core.xml").decode()


def test_every_column_of_a_sheet_has_a_chinese_name():
    """Whoever adds a column to a mart of the workbook names it in words.yml."""
    names = {"indicators": "indicator_values"}
    for sheet in SHEETS:
        (path,) = MODELS.rglob(f"{names.get(sheet.table, sheet.table)}.yml")
        (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
        lacking = {column["name"] for column in model["columns"]} - column_names_zh().keys()
        assert not lacking, f"name {sorted(lacking)} of {sheet.table} in plugins/citycheck/release/words.yml"
    assert column_names_zh().keys() >= ADDED


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("reports_per_1000", "Reports per 1,000"),
        ("covered_pct", "Covered (%)"),
        ("top2_pct", "Satisfied (%)"),
    ],
)
def test_english_names_are_read_off_the_columns(column, name):
    assert english(column) == name
