"""The templates that clerks get."""

from __future__ import annotations

import io
import zipfile

import pytest
from openpyxl import load_workbook

from citycheck import standard
from citycheck.forms import sheets
from citycheck.forms.questions import Choice
from citycheck.lake.tables import tables

COMMUNITIES = [Choice(f"C{number}", f"甲县 {number}号社区") for number in range(1, 753)]
MADE = {"paper": sheets.paper_template, "minutes": sheets.minutes_template}


@pytest.fixture(scope="module", params=["paper", "minutes"])
def template(request):
    return request.param, MADE[request.param](COMMUNITIES)


@pytest.fixture(scope="module")
def workbook(template):
    return template[0], load_workbook(io.BytesIO(template[1]))


def test_the_template_is_the_same_bytes_each_time(template):
    kind, content = template
    assert MADE[kind](COMMUNITIES) == content
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert {part.date_time for part in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_headings_are_in_both_languages_and_stay_in_sight(workbook):
    kind, book = workbook
    entries = book[sheets.SHEETS[kind]]
    rows = [[cell.value for cell in entries[row]] for row in (1, 2, 3)]
    assert all(all(row) for row in rows)
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in text) for text in rows[0])
    assert entries.freeze_panes == "B4"


def test_columns_are_those_of_the_lake(workbook):
    kind, book = workbook
    names = {cell.value for cell in book[sheets.SHEETS[kind]][3]}
    table = tables()["survey_responses" if kind == "paper" else "meeting_items"]
    wanted = {column.name for column in table.columns}
    if kind == "paper":
        wanted = wanted - {"channel", "top_needs", "respondent_key"} | set(sheets.top_need_columns())
    assert names == wanted


def test_drop_downs_offer_the_standard_from_a_hidden_sheet(workbook):
    kind, book = workbook
    entries, codes = book[sheets.SHEETS[kind]], book[sheets.CODES]
    assert codes.sheet_state == "hidden" and entries.sheet_state == "visible"
    columns = {cell.value: cell.column_letter for cell in entries[3]}
    rules = {str(rule.sqref).split("4:")[0]: rule for rule in entries.data_validations.dataValidation}
    needs = columns["top_need_1" if kind == "paper" else "need_code"]
    rule = rules[needs]
    assert rule.type == "list" and rule.formula1 == f"codes!${needs}$2:${needs}$31"
    offered = [codes[f"{needs}{row}"].value for row in range(2, 32)]
    assert [text.split(" ")[0] for text in offered] == standard.codes("needs", "need_code")
    assert len([cell for cell in codes[columns["community_id"]] if cell.value]) == 753
    time = columns["answered_at" if kind == "paper" else "held_at"]
    assert rules[time].type == "date"
    assert entries.column_dimensions[time].number_format == "yyyy-mm-dd hh:mm"


def test_excel_takes_the_lengths(workbook):
    # Excel calls a workbook broken whose prompts are longer.
    _, book = workbook
    for sheet in book:
        assert len(sheet.title) <= 31
        for rule in sheet.data_validations.dataValidation:
            assert len(rule.promptTitle) <= 32 and len(rule.errorTitle) <= 32
            assert len(rule.prompt) <= 255 and len(rule.error) <= 255 and len(rule.formula1) <= 255
