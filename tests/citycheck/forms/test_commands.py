"""The forms from a shell: from the lake's communities to files, and back."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from citycheck.errors import BadInput, NotReady
from citycheck.forms import sheets
from citycheck.forms.commands import take_in, write_form
from citycheck.forms.register import communities
from citycheck.lake import store
from citycheck.settings import CityHome


@pytest.fixture
def home(tmp_path):
    """A lake with two communities, of the half-year 2026H1 (synthetic)."""
    home = CityHome(tmp_path / "town")
    for half_year, count in (("2025H2", 1), ("2026H1", 2)):
        place = f"accepted/communities/{half_year}/a.parquet"
        (home.lake / place).parent.mkdir(parents=True)
        rows = {
            "community_id": ["C2", "C1"],
            "community_name": ["二号", "一号"],
            "county_name": ["甲县", "甲县"],
        }
        pq.write_table(pa.table(rows).slice(0, count), home.lake / place)
        entry = {"delivery": "a", "received": "2026-07-01T00:00:00+00:00", "files": []}
        table = {"accepted": place, "accepted_sha256": store.sha256(home.lake / place)}
        store.accept(home, "communities", half_year, entry | {"tables": {"communities": table}})
    return home


def test_the_communities_are_those_of_the_last_half_year(home):
    assert [(c.code, c.zh) for c in communities(home)] == [("C1", "甲县 一号"), ("C2", "甲县 二号")]


def test_without_communities_there_is_no_form(tmp_path):
    with pytest.raises(NotReady, match="Run ingest_communities first"):
        write_form("paper", CityHome(tmp_path), tmp_path / "form.xlsx")


@pytest.mark.parametrize("form", ["xlsform", "paper", "minutes"])
def test_a_form_is_written(home, tmp_path, form):
    told = write_form(form, home, tmp_path / "form.xlsx")
    assert "2 communities" in told and "个社区" in told
    assert load_workbook(tmp_path / "form.xlsx").sheetnames


def test_a_folder_that_is_not_there_is_told(home, tmp_path):
    with pytest.raises(BadInput, match="cannot be written"):
        write_form("paper", home, tmp_path / "absent" / "form.xlsx")


def test_a_filled_spreadsheet_is_taken_in_and_its_copy_corrected(home, tmp_path):
    file = tmp_path / "minutes.xlsx"
    write_form("minutes", home, file)
    workbook = load_workbook(file)
    row = ["M-1", 1, "C1 甲县 一号", "2026-03-05 14:30", 0, "N01"]
    for number, value in enumerate(row, 1):
        workbook[sheets.SHEETS["minutes"]].cell(sheets.FIRST_ROW, number).value = value
    workbook.save(file)

    checked, told = take_in(file)
    assert (len(checked.rows), len(checked.problems)) == (0, 1)
    assert "退回 1 行 → minutes.marked.xlsx" in told and "1 rejected" in told
    marked = tmp_path / "minutes.marked.xlsx"
    assert {path.stat().st_mode & 0o777 for path in (marked, tmp_path / "minutes.rows.csv")} == {0o600}

    workbook = load_workbook(marked)
    workbook[sheets.SHEETS["minutes"]].cell(sheets.FIRST_ROW, 5).value = 12
    workbook.save(marked)
    checked, told = take_in(marked)
    assert checked.problems == () and "1 accepted" in told
    written = (tmp_path / "minutes.rows.csv").read_text(encoding="utf-8")
    assert [row["attendees"] for row in csv.DictReader(io.StringIO(written))] == ["12"]
