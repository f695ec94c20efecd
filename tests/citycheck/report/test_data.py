"""The data file of the page, read as its scripts do."""

from __future__ import annotations

from itertools import accumulate

import pytest
from page_reader import parsed, text_of

from citycheck.duck import connect


@pytest.fixture
def data(full_build):
    return parsed(text_of(full_build))


def test_the_city_comes_first_then_counties_by_rank_then_communities_by_county(data):
    core = data["core"]
    assert list(data) == ["core", "shapes", "shortfalls", "facilities", "needs", "projects"]
    assert core["counties"] == 2 and core["areas"]["id"][:4] == ["miniature", "C2", "C1", "C1-0"]
    assert len(core["areas"]["id"]) == 1 + 2 + 18
    assert core["areas"]["county"][:4] == [None, None, None, 2]
    assert all(len(column) == 21 for column in core["areas"].values())


def test_numbers_are_rounded_tenths_and_what_is_missing_is_null(data):
    areas = data["core"]["areas"]
    at = areas["id"].index("C2")
    assert (areas["score"][at], areas["low"][at], areas["high"][at]) == (620, 578, 670)
    assert (areas["rank"][at], areas["rank_low"][at], areas["rank_high"][at]) == (1, 1, 2)
    at = areas["id"].index("C1-8")
    assert areas["score"][at] is None and areas["weight"][at] == 1000


def test_change_comes_with_its_causes_and_with_why_there_is_none(full_build):
    with connect(full_build.database) as connection:
        connection.execute(
            "update marts.index_changes set is_comparable = false, change = null, reason_zh = '范围已变', "
            "reason_en = 'Another unit' where area_id = 'C1' and comparison = 'previous'"
        )
    core = parsed(text_of(full_build))["core"]
    change = core["change"]
    one, other = core["areas"]["id"].index("C2"), core["areas"]["id"].index("C1")
    assert change["half_year"] == "2025H2" and change["points"][one] == 15 and change["points"][other] is None
    assert change["reasons"][change["why"][other]] == {"zh": "范围已变", "en": "Another unit"}
    assert [cause["code"] for cause in change["causes"]] == ["facilities", "survey"]
    assert [column[one] for column in change["by_cause"]] == [204, -54], "hundredths"


def test_counties_that_do_not_differ_are_told(data):
    assert data["core"]["differences"] == [[2, 1]]


def test_series_and_promises_go_by_half_year(data):
    core = data["core"]
    at = core["areas"]["id"].index("C1")
    assert core["half_years"] == ["2025H2", "2026H1"]
    assert [column[at] for column in core["series"]["score"]] == [595, 610]
    assert core["promised"] == ["2025H2"] and core["promises"][0][0][at] == 913


def test_borders_facilities_and_shortfalls_point_to_their_areas(data):
    ids = data["core"]["areas"]["id"]
    assert {ids[at] for at, _ in data["shapes"]["polygons"]} == {
        f"C{c}-{n}" for c in (1, 2) for n in range(9)
    }
    facilities = data["facilities"]
    first = facilities["name"].index("合成10社区")
    assert ids[facilities["area"][first]] == "C1-0"
    ring = next(of for at, of in data["shapes"]["polygons"] if ids[at] == "C1-0")[0][0]
    west, south = (min(accumulate(ring[axis::2])) for axis in (0, 1))
    assert (facilities["x"][first], facilities["y"][first]) == pytest.approx((west + 487, south + 556), abs=3)
    ledger = data["shortfalls"]
    assert ledger["people"] == sorted(ledger["people"], reverse=True) and len(ledger["people"]) == 18
    assert ids[ledger["area"][0]] == "C1-8" and ledger["covered"][0] == 500


def test_a_kind_says_what_the_standard_asks_and_the_action_that_answers_it(data):
    core = data["core"]
    (kind,) = core["kinds"]
    # F01 is judged by one radius wherever it is, though its seed names another for existing areas.
    assert (kind["radius"], kind["radius_stock"]) == (300.0, None)
    assert (kind["floor"], kind["relaxed"], kind["target"], kind["action"]) == (800.0, 600.0, "all", "A01")
    assert core["actions"]["A01"] == {"zh": "公共服务完善提升", "en": "Improvement of public services"}
    assert list(core["actions"]) == ["A01", "A02"], "reserved ones have no name"
    at = core["areas"]["id"].index("C1-2")
    assert core["access"]["covered"][0][at] == 800


def test_the_map_begins_with_the_index(data):
    measures = data["core"]["measures"]
    assert measures[0]["column"] == "score" and measures[0]["breaks"] == [40.0, 50.0, 60.0, 70.0, 80.0]
    assert [m["group"] for m in measures] == ["index", *["dimension"] * 8, "kind", "other"]


def test_without_an_index_the_map_begins_with_the_indicator_that_most_have(build_without_survey):
    core = parsed(text_of(build_without_survey))["core"]
    assert core["measures"][0] | {"breaks": None} == {
        "column": "extra", "group": "other", "zh": "室外健身活动场地覆盖率", "en": "Outdoor fitness-ground coverage",
        "digits": 1, "unit": {"zh": "%", "en": "%"}, "breaks": None,
    }  # fmt: skip
    assert core["extra"][core["areas"]["id"].index("C1-3")] == 310
    assert set(core["areas"]["score"]) == {None} and core["areas"]["weight"][1] == 313
    assert core["change"]["half_year"] is None and core["half_years"] == []


def test_without_any_indicator_the_map_begins_with_reports(build_without_survey):
    with connect(build_without_survey.database) as connection:
        connection.execute("delete from marts.indicators")
    core = parsed(text_of(build_without_survey))["core"]
    assert core["measures"][0]["en"] == "Repair reports per 1,000 residents" and core["extra"] is None


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        "line\u2028separator\u2029",
        "it's \\' a \\\\ quote\n\"",
        "حي\u202e😀",
        "=1+1",
    ],
)
def test_hostile_names_stay_inside_their_string(full_build, hostile):
    with connect(full_build.database) as connection:
        connection.execute("update marts.community_index set area_name = ? where area_id = 'C1-0'", [hostile])
        connection.execute(
            "update marts.facilities set facility_name = ? where facility_id = 'FC1-0'", [hostile]
        )
    text = text_of(full_build)
    assert "<" not in text and "\u2028" not in text and "\u2029" not in text
    assert len(text.split("\n")) == 9, "eight lines, however the names are written"
    data = parsed(text)
    assert hostile in data["core"]["areas"]["name"] and hostile in data["facilities"]["name"]


def test_the_same_build_gives_the_same_bytes_in_whatever_order_its_rows_lie(full_build):
    before = text_of(full_build)
    with connect(full_build.database) as connection:
        for table in (
            "community_index",
            "kind_access",
            "facilities",
            "shortfalls",
            "projects",
            "goal_progress",
            "programme_projects",
            "index_series",
            "communities",
        ):
            connection.execute(
                f"create or replace table marts.{table} as from marts.{table} order by hash({table}::varchar)"
            )
    assert text_of(full_build) == before


def test_real_data_is_not_called_synthetic(full_build):
    assert parsed(text_of(full_build))["core"]["synthetic"] is True
    assert parsed(text_of(full_build, is_synthetic=False))["core"]["synthetic"] is False
