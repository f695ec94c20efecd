"""From a filled form through the profile that `citycheck forms` writes to the lake. All answers are synthetic."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest
import yaml
from openpyxl import load_workbook
from pyxform.xls2xform import convert

from citycheck.cities import mapping as engine
from citycheck.cities.profile import City, TableMap
from citycheck.forms import mapping, sheets
from citycheck.forms.check import check
from citycheck.forms.questions import Choice, questionnaire
from citycheck.forms.xlsform import xlsform
from citycheck.lake import landing
from citycheck.lake import mapped as rows
from citycheck.lake.tables import tables
from citycheck.period import HalfYear
from citycheck.privacy import hashing
from citycheck.settings import CityHome, settings

COMMUNITIES = [Choice("330802001001", "甲县 一号社区"), Choice("330802001002", "甲县 二号社区")]
FILES = {
    "kobo": "form-000001.json",
    "odk": "form-000001.json",
    "paper": "filled.xlsx",
    "minutes": "filled.xlsx",
}
RATED = [question for question in questionnaire(COMMUNITIES) if question.type == "scale"]
OTHERS = {
    "community_id": "330802001002",
    "age_band": "60+",
    "sex": "f",
    "tenure": "renter",
    "has_child_0_12": True,
    "household_size": 2,
    "top_needs": "N01|N05|N30",
    "has_reported": True,
    "comment": "路灯不亮",
}


def rating(number, question):
    """A digit of the question's scale; the zeros mean no answer."""
    return question.choices[number % len(question.choices)].code


def expected(channel, response_id):
    rated = {q.name: int(rating(n, q)) or None for n, q in enumerate(RATED)}
    times = {"answered_at": datetime(2026, 3, 5, 6, 30)}  # UTC, from 14:30 in Shanghai
    return {"response_id": response_id, "channel": channel, "respondent_key": None} | times | rated | OTHERS


def submission(way):
    """An answer with the form's own field names, as the server sends it."""
    xform = ET.fromstring(convert(xlsform(COMMUNITIES), file_type=".xlsx").xform)
    answers = {q.name: rating(n, q) for n, q in enumerate(RATED)} | OTHERS
    answers |= {"top_needs": "N01 N05 N30", "has_child_0_12": "true", "has_reported": "true"}
    moment = "2026-03-05T14:30:00.000+08:00"
    answers |= {"start": moment, "end": moment, "instanceID": "uuid:a"}
    sent: dict = (
        {"_id": 7, "_submission_time": "2026-03-06T00:00:00"} if way == "kobo" else {"__id": "uuid:a"}
    )
    for bind in xform.iter("{http://www.w3.org/2002/xforms}bind"):
        *groups, name = bind.get("nodeset").removeprefix("/data/").split("/")
        if way == "kobo":
            sent["/".join([*groups, name])] = answers[name]
        else:
            inner = sent
            for group in groups:
                inner = inner.setdefault(group, {})
            inner[name] = answers[name]
    rows = {"kobo": "results", "odk": "value"}[way]
    return json.dumps({rows: [sent]}, ensure_ascii=False).encode()


def filled(kind, answers):
    """A template filled as a clerk does, with the words of the drop-downs."""
    make, about = {
        "paper": (sheets.paper_template, sheets.paper),
        "minutes": (sheets.minutes_template, sheets.meeting),
    }[kind]
    workbook = load_workbook(io.BytesIO(make(COMMUNITIES)))
    entries = workbook[sheets.SHEETS[kind]]
    for number, column in enumerate(about(COMMUNITIES).columns, 1):
        value = answers.get(column.name)
        shown = {choice.code: choice.shown for choice in column.choices} if column.type == "choice" else {}
        entries.cell(sheets.FIRST_ROW, number).value = shown.get(value, value)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def paper_answer():
    answers = {q.name: int(rating(n, q)) for n, q in enumerate(RATED)} | OTHERS
    answers |= {"has_child_0_12": "true", "has_reported": "true", "response_id": "P-1"}
    answers |= {"top_need_1": "N01", "top_need_2": "N05", "top_need_4": "N30"}
    return answers | {"answered_at": datetime(2026, 3, 5, 14, 30)}


MINUTES = {
    "meeting_id": "M-1",
    "item_number": 2,
    "community_id": "330802001001",
    "held_at": datetime(2026, 3, 5, 14, 30),
    "attendees": 20,
    "need_code": "N19",
    "kind_code": "F20",
    "supporters": 0,
    "satisfaction": 0,
}


@pytest.fixture
def lake(tmp_path):
    """Map one file with a table map; the rows of the lake, without where they came from."""

    def mapped(about, name, content):
        profile = {
            "city": "town",
            "name": {"zh": "小城", "en": "Town"},
            "is_synthetic": True,
            "time_zone": "Asia/Shanghai",
            "projected_crs": "EPSG:4549",
            "box": {"lon_min": 118.0, "lon_max": 119.5, "lat_min": 28.0, "lat_max": 29.5},
            "half_years": ["2026H1", "2026H1"],
            "provided_kinds": ["F01"],
            "sources": {"forms": {"title": "Forms (synthetic)", "licence": "none", "folder": "forms"}},
            "feeds": {"survey": {"tables": [about]}},
        }
        for folder in ("town", "sources/forms"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "town" / "profile.yml").write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
        (tmp_path / "sources" / "forms" / name).write_bytes(content)
        city, home = City(tmp_path / "town"), CityHome(tmp_path / "home")
        moment = datetime(2026, 7, 1, tzinfo=UTC)
        delivery = landing.land(city, "survey", HalfYear.parse("2026H1"), home, tmp_path / "sources", moment)
        out = tmp_path / "mapped.parquet"
        engine.map_table(
            city,
            delivery,
            delivery.folder(home),
            about["table"],
            out,
            tmp_path / "work",
            "500MB",
            hashing.Key(bytes(range(32))),
        )
        return rows.read(out).drop_columns(["source_file", "source_row", "unmapped"]).to_pylist()

    return mapped


@pytest.mark.parametrize(("way", "response_id"), [("kobo", "kobo-7"), ("odk", "uuid:a")])
def test_an_answer_by_phone_reaches_every_column(lake, way, response_id):
    [row] = lake(mapping.table_map(way, "forms", "*.json"), FILES[way], submission(way))
    assert row.pop("mapping_errors") is None
    assert row == expected("online", response_id)


def test_an_answer_on_paper_reaches_every_column(lake):
    content = filled("paper", paper_answer())
    [row] = lake(mapping.table_map("paper", "forms", "*.xlsx"), "filled.xlsx", content)
    assert row.pop("mapping_errors") is None
    assert row == expected("paper", "P-1")


def test_minutes_reach_every_column(lake):
    [row] = lake(mapping.table_map("minutes", "forms", "*.xlsx"), "filled.xlsx", filled("minutes", MINUTES))
    assert row.pop("mapping_errors") is None
    assert row == MINUTES | {"held_at": datetime(2026, 3, 5, 6, 30), "satisfaction": None}


@pytest.mark.parametrize("kind", ["paper", "minutes"])
def test_the_rows_of_the_check_are_taken_in_like_the_spreadsheet(lake, tmp_path, kind):
    answers = paper_answer() if kind == "paper" else MINUTES
    (tmp_path / "filled.xlsx").write_bytes(filled(kind, answers))
    checked = check(tmp_path / "filled.xlsx")
    assert checked.problems == ()
    about = mapping.table_map(kind, "forms", "*.csv") | {"format": "csv", "header_row": 1}
    del about["sheet"]
    [row] = lake(about, "rows.csv", checked.as_csv())
    assert row.pop("mapping_errors") is None
    if kind == "paper":
        assert row == expected("paper", "P-1")
    else:
        assert row == MINUTES | {"held_at": datetime(2026, 3, 5, 6, 30), "satisfaction": None}


@pytest.mark.parametrize("way", ["kobo", "odk", "paper", "minutes"])
def test_the_snippet_is_a_valid_table_of_a_profile(way):
    [written] = yaml.safe_load(mapping.snippet(way, "forms", "*"))
    table = TableMap.model_validate(written)
    missing = {column.name for column in tables()[table.table].columns} - set(table.columns)
    assert missing <= {"respondent_key"}


def test_the_page_of_the_survey_shows_the_snippet_as_it_is():
    page = (settings().project / "docs" / "feeds" / "survey.md").read_text(encoding="utf-8")
    assert mapping.snippet("minutes", "meetings", "*.xlsx") in page
