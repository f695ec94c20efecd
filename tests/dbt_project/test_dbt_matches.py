"""A small city with two sources of facilities: what is the same counts once, and nothing else changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from small_city import Build, SmallCity

SELECT = ("--select", "+facilities", "+facility_matches", "--exclude-resource-type", "test", "unit_test")


def pair(facility_id: str, other: str, decision: str, reason: str, **known: Any) -> dict[str, Any]:
    return {
        "facility_id": facility_id,
        "other_facility_id": other,
        "canonical_facility_id": facility_id if decision == "same" else None,
        "name_similarity": 0.9,
        "distance_m": 12.0,
        "score": 0.9,
        "decision": decision,
        "decided_by": "rule",
        "reason_code": reason,
        **known,
    }


@pytest.fixture(scope="module")
def two_sources(dbt: Callable[..., Build], small_city: SmallCity) -> Build:
    """The map service has three of the register's health stations again, and one that the register does not have."""
    city = copy.deepcopy(small_city)
    stations = {row["facility_id"]: row for row in city.tables["facilities"] if row["kind_code"] == "F11"}
    # Of the register's rows, F11-19 has no size. The map says one for all.
    again = [
        {
            **stations[f"F11-{number}"],
            "facility_id": f"A-{number}",
            "floor_area_m2": 777.0,
            "land_area_m2": None,
        }
        for number in ("05", "06", "19")
    ]
    alone = {**stations["F11-07"], "facility_id": "A-new", "facility_name": "合成新站"}
    housed = {**stations["F11-08"], "facility_id": "A-housed", "host_facility_id": "A-05"}
    city.tables["facilities"] += [*again, alone, housed]
    city.tables["facility_matches"] = [
        pair("F11-05", "A-05", "same", "score_high"),
        pair("F11-06", "A-06", "review", "score_between"),
        pair("F11-19", "A-19", "same", "person", decided_by="person"),
        pair("F11-07", "A-new", "different", "name_unlike"),
    ]
    return dbt(city, *SELECT)


def test_what_is_the_same_is_one_facility_and_the_rest_stays(
    two_sources: Build, small_city: SmallCity
) -> None:
    ids = {id_ for (id_,) in two_sources.rows("select facility_id from marts.facilities")}
    registered = {row["facility_id"] for row in small_city.tables["facilities"]}
    assert ids == registered | {"A-06", "A-new", "A-housed"}


def test_gaps_of_the_canonical_row_are_filled_and_what_it_says_stays(
    two_sources: Build, small_city: SmallCity
) -> None:
    rows = two_sources.rows(
        "select facility_id, floor_area_m2, source_count, matched_facility_ids from staging.stg_facilities"
        " where facility_id in ('F11-05', 'F11-06', 'F11-19')"
    )
    own = {row["facility_id"]: row["floor_area_m2"] for row in small_city.tables["facilities"]}
    assert own["F11-19"] is None
    assert sorted(rows) == [
        ("F11-05", own["F11-05"] or 777.0, 2, "A-05"),
        ("F11-06", own["F11-06"], 1, None),
        ("F11-19", 777.0, 2, "A-19"),
    ]


def test_a_host_that_is_not_canonical_is_replaced(two_sources: Build) -> None:
    sql = "select host_facility_id from marts.facilities where facility_id = 'A-housed'"
    assert two_sources.rows(sql) == [("F11-05",)]


def test_every_pair_is_listed_with_both_names(two_sources: Build) -> None:
    sql = (
        "select facility_id, decision, decided_by, kind_code, facility_name, other_facility_name"
        " from marts.facility_matches"
    )
    assert two_sources.rows(sql) == [
        ("F11-05", "same", "rule", "F11", "合成设施F11-05", "合成设施F11-05"),
        ("F11-06", "review", "rule", "F11", "合成设施F11-06", "合成设施F11-06"),
        ("F11-07", "different", "rule", "F11", "合成设施F11-07", "合成新站"),
        ("F11-19", "same", "person", "F11", "合成设施F11-19", "合成设施F11-19"),
    ]


def test_with_one_source_nothing_changes(build: Build, small_city: SmallCity) -> None:
    rows = build.rows("select facility_id, floor_area_m2, source_count from staging.stg_facilities")
    expected = [(row["facility_id"], row["floor_area_m2"], 1) for row in small_city.tables["facilities"]]
    assert sorted(rows, key=str) == sorted(expected, key=str)
    assert build.rows("select count(*) from marts.facility_matches") == [(0,)]
