"""Filled spreadsheets: each defect is rejected, coloured, explained and listed; the rest goes on. All entries are synthetic."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from citycheck.errors import BadInput
from citycheck.forms import sheets
from citycheck.forms.check import PROBLEMS, check
from citycheck.forms.questions import Choice

COMMUNITIES = [Choice("C1", "甲县 一号社区"), Choice("C2", "甲县 二号社区")]
ANSWER = {
    "response_id": "P-0001",
    "answered_at": datetime(2026, 3, 5, 14, 30),
    "community_id": "C1 甲县 一号社区",
    "sex": "f 女 / female",
    "household_size": 3,
    "satisfaction_gov": 4,
    "satisfaction_f01": 0,
    "importance_n01": "5",
    "top_need_1": "N01 邻里客厅与活动空间 / Neighbourhood lounge and activity space",
    "top_need_2": "N05",
    "comment": "路灯不亮",
}
ITEM = {
    "meeting_id": "M-1",
    "item_number": 1,
    "community_id": "C2",
    "held_at": datetime(2026, 3, 5, 14, 30),
    "attendees": 20,
    "need_code": "N01",
    "supporters": 20,
}
# kind, changes of the only row, the columns that are rejected
DEFECTS = {
    "answer_without_number": ("paper", {"response_id": None}, ["response_id"]),
    "number_that_is_a_name": ("paper", {"response_id": "合成 受访者"}, ["response_id"]),
    "answer_without_time": ("paper", {"answered_at": "  "}, ["answered_at"]),
    "time_in_words": ("paper", {"answered_at": "三月五日"}, ["answered_at"]),
    "time_before_2000": ("paper", {"answered_at": datetime(1900, 1, 5)}, ["answered_at"]),
    "unknown_community": ("paper", {"community_id": "C3"}, ["community_id"]),
    "unknown_word": ("paper", {"sex": "女"}, ["sex"]),
    "rating_of_six": ("paper", {"satisfaction_gov": 6}, ["satisfaction_gov"]),
    "rating_of_half": ("paper", {"satisfaction_gov": 3.5}, ["satisfaction_gov"]),
    "rating_of_minus_one": ("paper", {"satisfaction_gov": -1}, ["satisfaction_gov"]),
    "importance_has_no_zero": ("paper", {"importance_n01": 0}, ["importance_n01"]),
    "household_of_99": ("paper", {"household_size": 99}, ["household_size"]),
    "true_is_no_number": ("paper", {"household_size": True}, ["household_size"]),
    "formula": ("paper", {"comment": "=1+1", "household_size": "=A1"}, ["household_size", "comment"]),
    "need_twice": ("paper", {"top_need_2": "N01"}, ["top_need_2"]),
    "need_of_no_standard": ("paper", {"top_need_2": "N31"}, ["top_need_2"]),
    "more_support_than_people": ("minutes", {"supporters": 21}, ["supporters"]),
    "nobody_present": ("minutes", {"attendees": 0}, ["attendees"]),
    "no_need": ("minutes", {"need_code": None}, ["need_code"]),
    "unknown_kind": ("minutes", {"kind_code": "F99"}, ["kind_code"]),
}


@pytest.fixture(scope="module")
def templates():
    return {"paper": sheets.paper_template(COMMUNITIES), "minutes": sheets.minutes_template(COMMUNITIES)}


@pytest.fixture
def fill(templates, tmp_path):
    """Fill a template with rows and save it, as a clerk would."""

    def filled(kind, *rows, name="filled.xlsx", change=None):
        workbook = load_workbook(io.BytesIO(templates[kind]))
        entries = workbook[sheets.SHEETS[kind]]
        columns = {cell.value: cell.column for cell in entries[sheets.HEADER_ROW]}
        for number, row in enumerate(rows, sheets.FIRST_ROW):
            for column, value in row.items():
                entries.cell(number, columns[column]).value = value
        if change:
            change(workbook)
        workbook.save(tmp_path / name)
        return tmp_path / name

    return filled


def rejected(checked):
    return [(problem.row, problem.column) for problem in checked.problems]


def test_a_right_answer_becomes_codes(fill):
    checked = check(fill("paper", ANSWER))
    assert checked.problems == () and checked.marked is None and checked.kind == "paper"
    [row] = checked.rows
    assert {name: value for name, value in row.items() if value is not None} == {
        "response_id": "P-0001",
        "answered_at": "2026-03-05 14:30:00",
        "community_id": "C1",
        "sex": "f",
        "household_size": "3",
        "satisfaction_gov": "4",
        "satisfaction_f01": "0",
        "importance_n01": "5",
        "top_need_1": "N01",
        "top_need_2": "N05",
        "comment": "路灯不亮",
    }


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_rejected_where_it_is(fill, defect):
    kind, change, columns = DEFECTS[defect]
    right = ANSWER if kind == "paper" else ITEM
    checked = check(fill(kind, right | change))
    assert rejected(checked) == [(4, column) for column in columns]
    assert checked.rows == () and (checked.rows_in, checked.rows_rejected) == (1, 1)


@pytest.mark.parametrize(
    "written", [date(2026, 3, 5), "2026-03-05", "2026-03-05 00:00", datetime(2026, 3, 5)]
)
def test_a_date_may_be_written_in_several_ways(fill, written):
    [row] = check(fill("minutes", ITEM | {"held_at": written})).rows
    assert row["held_at"] == "2026-03-05 00:00:00"


def test_rows_that_contradict_each_other_are_told(fill):
    second = ITEM | {"item_number": 2, "need_code": "N02"}
    checked = check(
        fill(
            "minutes",
            ITEM,
            second | {"attendees": 30},
            second | {"item_number": 1},
            second | {"meeting_id": "M-2"},
        )
    )
    assert rejected(checked) == [(5, "attendees"), (6, "item_number")]
    assert [(row["meeting_id"], row["item_number"]) for row in checked.rows] == [("M-1", "1"), ("M-2", "2")]


def test_the_marked_copy_shows_what_was_rejected_and_says_why_in_both_languages(fill, tmp_path):
    bad = ANSWER | {"response_id": "P-0002", "satisfaction_gov": 6, "comment": "秘密 13800000000"}
    file = fill("paper", ANSWER, bad)
    checked = check(file)
    (tmp_path / "marked.xlsx").write_bytes(checked.marked)
    before, after = load_workbook(file), load_workbook(tmp_path / "marked.xlsx")
    name = sheets.SHEETS["paper"]
    assert [[c.value for c in row] for row in after[name]] == [[c.value for c in row] for row in before[name]]
    assert after[name].data_validations.count == before[name].data_validations.count
    coloured = [
        c for row in after[name].iter_rows(min_row=4) for c in row if c.fill.fgColor.rgb == "00FFC7CE"
    ]
    [cell] = coloured
    assert (cell.row, after[name].cell(3, cell.column).value) == (5, "satisfaction_gov")
    assert "请填" in cell.comment.text and "one of 1, 2, 3, 4, 5, 0" in cell.comment.text
    listed = [[c.value for c in row] for row in after[PROBLEMS]]
    assert listed[1][:3] == [name, 5, f"{cell.column_letter} satisfaction_gov"]
    # No value of a row stands outside that row.
    told = f"{listed}{checked.problems}"
    assert "13800000000" not in told and "P-0002" not in told


def test_a_corrected_copy_is_clean_again(fill, tmp_path):
    checked = check(fill("paper", ANSWER | {"satisfaction_gov": 6}))
    marked = load_workbook(io.BytesIO(checked.marked))
    entries = marked[sheets.SHEETS["paper"]]
    column = next(c.column for c in entries[3] if c.value == "satisfaction_gov")
    entries.cell(4, column).value = 5
    marked.save(tmp_path / "corrected.xlsx")
    again = check(tmp_path / "corrected.xlsx")
    assert again.problems == () and again.rows[0]["satisfaction_gov"] == "5"


def test_the_same_file_gives_the_same_marked_bytes(fill, tmp_path):
    file = fill("minutes", ITEM | {"attendees": 0}, ITEM | {"item_number": 2, "need_code": "N99"})
    one, two = check(file), check(file)
    assert one.marked == two.marked
    (tmp_path / "marked.xlsx").write_bytes(one.marked)
    assert check(tmp_path / "marked.xlsx").problems == one.problems


def test_accepted_rows_are_written_as_csv(fill):
    checked = check(fill("minutes", ITEM, ITEM | {"item_number": 2, "supporters": None}))
    rows = list(csv.DictReader(io.StringIO(checked.as_csv().decode())))
    assert [row["supporters"] for row in rows] == ["20", ""]
    assert tuple(rows[0]) == checked.columns


def test_an_empty_template_has_no_rows_and_no_problems(fill):
    assert (check(fill("paper")).rows_in, check(fill("minutes")).problems) == (0, ())


def test_columns_may_be_moved_but_not_lost(fill):
    def lose(workbook):
        workbook[sheets.SHEETS["minutes"]].delete_cols(5)

    with pytest.raises(BadInput, match=r"row 3 of .* has not once each of attendees"):
        check(fill("minutes", ITEM, change=lose))


def test_what_is_no_template_is_told(tmp_path, fill):
    (tmp_path / "text.xlsx").write_text("no workbook")
    Workbook().save(tmp_path / "other.xlsx")
    with pytest.raises(BadInput, match=r"text\.xlsx: is no \.xlsx workbook"):
        check(tmp_path / "text.xlsx")
    with pytest.raises(BadInput, match="is not the template"):
        check(tmp_path / "other.xlsx")
    with pytest.raises(BadInput, match="is not the template"):
        check(fill("paper", ANSWER), "minutes")
    with pytest.raises(BadInput, match="cannot be read"):
        check(tmp_path / "absent.xlsx")


def test_a_sheet_that_is_too_long_is_told(fill):
    def stretch(workbook):
        workbook[sheets.SHEETS["minutes"]].cell(30_000, 1).value = "M-1"

    with pytest.raises(BadInput, match="more than 20,000 rows"):
        check(fill("minutes", ITEM, change=stretch))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, 0, 1, 5, 6, "3", " 2 ", "x", 2.0, 2.5, True, "=1"]), max_size=6))
def test_every_row_is_either_accepted_or_has_a_problem(fill, ratings):
    """Law: rows in = accepted + rejected, and a rejected row has a problem of its own."""
    items = [ITEM | {"item_number": n, "satisfaction": value} for n, value in enumerate(ratings, 1)]
    checked = check(fill("minutes", *items))
    assert checked.rows_in == len(ratings)
    assert {row for row, _ in rejected(checked)} == {
        number for number, value in enumerate(ratings, 4) if value in (6, "x", 2.5, "=1") or value is True
    }
    assert checked.rows_rejected == len({row for row, _ in rejected(checked)})
