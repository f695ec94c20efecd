"""The questionnaire is a form that pyxform takes, and its answers are the lake's rows. All answers are synthetic."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import pytest
from openpyxl import load_workbook
from pyxform.xls2xform import convert

from citycheck import standard
from citycheck.errors import BadInput
from citycheck.forms.questions import Choice, questionnaire
from citycheck.forms.xlsform import path, xlsform
from citycheck.lake.tables import tables

COMMUNITIES = [Choice("C1", "甲县 一号社区"), Choice("C2", "甲县 二号社区")]
FILLED_BY_THE_SERVER = {"response_id", "answered_at", "channel", "respondent_key"}
XFORMS = "{http://www.w3.org/2002/xforms}"


@pytest.fixture(scope="module")
def form() -> bytes:
    return xlsform(COMMUNITIES)


@pytest.fixture(scope="module")
def xform(form):
    # Without ODK Validate, which is a Java program.
    result = convert(form, validate=False, file_type=".xlsx")
    assert result.warnings == []
    return ET.fromstring(result.xform)


def binds(xform):
    return {bind.get("nodeset"): bind for bind in xform.iter(f"{XFORMS}bind")}


def test_every_column_of_the_lake_is_asked_once_under_its_own_name(xform):
    asked = [nodeset.rsplit("/", 1)[1] for nodeset in binds(xform)]
    wanted = {column.name for column in tables()["survey_responses"].columns} - FILLED_BY_THE_SERVER
    assert sorted(asked) == sorted(wanted | {"start", "end", "instanceID"})


def test_answers_stand_where_the_mapping_looks_for_them(xform):
    places = {nodeset.removeprefix("/data/").replace("/", ".") for nodeset in binds(xform)}
    assert {path(question) for question in questionnaire(COMMUNITIES)} <= places


def test_choices_are_the_codes_of_the_standard(xform):
    listed = {
        instance.get("id"): [name.text for name in instance.iter(f"{XFORMS}name")]
        for instance in xform.iter(f"{XFORMS}instance")
        if instance.get("id")
    }
    assert listed["community_id"] == ["C1", "C2"]
    assert listed["top_needs"] == standard.codes("needs", "need_code")
    assert listed["satisfaction"] == ["1", "2", "3", "4", "5", "0"]
    assert listed["importance"] == ["1", "2", "3", "4", "5"]
    assert listed["age_band"] == ["18-29", "30-44", "45-59", "60+"]


def test_all_words_are_there_in_both_languages(xform):
    translations = {t.get("lang"): t for t in xform.iter(f"{XFORMS}translation")}
    assert set(translations) == {"中文 (zh)", "English (en)"}
    for words in translations.values():
        assert all(value.text and value.text != "-" for value in words.iter(f"{XFORMS}value"))
    chinese = " ".join(v.text for v in translations["中文 (zh)"].iter(f"{XFORMS}value"))
    assert re.search("最急需", chinese) and "治理总体满意度" in chinese


def test_at_most_five_needs_and_no_rating_of_a_report_that_was_not_made(xform):
    found = binds(xform)
    assert found["/data/qd/top_needs"].get("constraint") == "count-selected(.) <= 5"
    for name in ("report_ease", "report_speed", "report_result"):
        assert found[f"/data/qe/{name}"].get("relevant").split() == ["/data/qe/has_reported", "=", "'true'"]
    assert found["/data/qa/community_id"].get("required") == "true()"


def test_nothing_that_names_a_person_is_asked(xform):
    words = " ".join(binds(xform))
    assert not re.search(r"username|phonenumber|email|deviceid|subscriberid|name\b", words)


def test_the_form_is_the_same_bytes_each_time(form):
    assert xlsform(COMMUNITIES) == form
    assert load_workbook(io.BytesIO(form)).sheetnames == ["survey", "choices", "settings"]


@pytest.mark.parametrize(
    "communities", [[], [Choice("C1", "一"), Choice("C1", "二")], [Choice("C 1", "一")], [Choice("", "一")]]
)
def test_a_wrong_list_of_communities_is_told(communities):
    with pytest.raises(BadInput, match=r"communit"):
        xlsform(communities)
