"""Ratios of the small city: what can be computed is counted by hand, what cannot has its reason."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable

import pytest
from small_city import CUT_OFF, PERIOD_END, Build, SmallCity, community_of

UPSTREAM = ("--select", "+int_indicator_ratios +int_county_indicator_ratios", "--exclude-resource-type")
UPSTREAM += ("test", "unit_test")


def reasons(build: Build) -> dict[tuple[str, str], str | None]:
    """Reason by community and indicator."""
    rows = build.rows(
        "select community_id, indicator_code, missing_reason from intermediate.int_indicator_ratios"
    )
    return {(community, indicator): reason for community, indicator, reason in rows}


def ratio(build: Build, community: str, indicator: str) -> tuple[float, float, int]:
    """Numerator, denominator and observations."""
    return build.rows(
        "select numerator, denominator, n_observations from intermediate.int_indicator_ratios"
        " where community_id = ? and indicator_code = ?",
        community,
        indicator,
    )[0]


@pytest.mark.parametrize(
    ("community", "indicator", "reason"),
    [
        ("C1", "GOV-3", "kind_not_surveyed"),
        ("C3", "GOV-7", None),
        ("C4", "EDU-1", "group_unknown"),
        ("C4", "COM-1", None),
        ("C5", "HLT-1", "size_unverified"),
        ("C5", "HLT-2", None),
        ("C8", "COM-1", "no_denominator"),
        ("C8", "CNV-3", None),
    ],
)
def test_missing_value_names_its_reason(
    build: Build, community: str, indicator: str, reason: str | None
) -> None:
    assert reasons(build)[community, indicator] == reason


def test_county_beds_need_every_community_to_know_its_elders(build: Build) -> None:
    sql = "select numerator, denominator, missing_reason from intermediate.int_county_indicator_ratios"
    unknown = build.rows(f"{sql} where county_id = 'K1'")
    elders = sum(
        row["residents_age_60_plus"]
        for row in build.city.tables["buildings"]
        if row["building_id"][1] in ("5", "6", "7")
    )
    beds = sum(
        row["capacity"]
        for row in build.city.tables["facilities"]
        if row["kind_code"] == "F09"
        and row["operating_status"] == "operating"
        and community_of(row) in ("C5", "C6", "C7", "C8")
    )
    assert unknown == [(None, None, "group_unknown")]
    assert build.rows(f"{sql} where county_id = 'K2'") == [(beds, elders, None)]


def test_satisfaction_weighs_a_community_by_its_residents(build: Build) -> None:
    scores = [
        row["satisfaction_hlt"]
        for row in build.city.tables["survey_responses"]
        if row["community_id"] == "C1"
    ]
    residents = sum(
        row["residents"] for row in build.city.tables["buildings"] if row["building_id"].startswith("B1-")
    )
    satisfied = sum(score >= 4 for score in scores)
    assert ratio(build, "C1", "HLT-4") == pytest.approx(
        (residents * satisfied / len(scores), residents, len(scores)), abs=1e-6
    )


def test_promises_are_counted_by_hand(build: Build) -> None:
    day = dt.timedelta(hours=24)
    dispatched = eligible = on_time = due = 0
    for row in build.city.tables["repair_reports"]:
        in_unit = "lon" in row and community_of(row) == "C6"
        if not in_unit or row["category_code"] == "traffic" or row["version_at"] > CUT_OFF:
            continue
        eligible += 1
        dispatched += row["dispatched_at"] - row["reported_at"] <= day
        due_at = row["due_at"] or row["reported_at"] + dt.timedelta(days=7)
        if due_at <= CUT_OFF:
            due += 1
            on_time += row["closed_at"] is not None and row["closed_at"] <= due_at
    assert 0 < dispatched < eligible
    assert ratio(build, "C6", "GOV-5") == (dispatched, eligible, eligible)
    assert ratio(build, "C6", "CNV-4") == (on_time, due, due)


def test_repeats_are_seen_for_30_days_inside_the_half_year(build: Build) -> None:
    month = dt.timedelta(days=30)
    reports = [row for row in build.city.tables["repair_reports"] if row["version_at"] <= CUT_OFF]
    closed = repeated = 0
    for row in reports:
        in_unit = "lon" in row and community_of(row) == "C6"
        if not in_unit or row["category_code"] == "traffic" or row["closed_at"] is None:
            continue
        if row["closed_at"] + month > PERIOD_END:
            continue
        closed += 1
        repeated += any(
            (later["asset_id"], later["category_code"]) == (row["asset_id"], row["category_code"])
            and later["report_id"] != row["report_id"]
            and row["closed_at"] <= later["reported_at"] <= row["closed_at"] + month
            for later in reports
        )
    assert 0 < repeated < closed
    assert ratio(build, "C6", "CNV-5") == (repeated, closed, closed)


def test_city_without_survey_repairs_and_estates_says_so(dbt: Callable[..., Build]) -> None:
    city = SmallCity(provided_kinds=["F05"])
    for table in ("survey_responses", "repair_reports", "estates"):
        city.tables[table] = []
    city.tables["facilities"] = [row for row in city.tables["facilities"] if row["kind_code"] == "F05"]
    found = reasons(dbt(city, *UPSTREAM))
    by_reason = {indicator: reason for (community, indicator), reason in found.items() if community == "C1"}
    feeds = {"GOV-4", "GOV-5", "GOV-6", "GOV-7", "EDU-6", "ELD-5", "HLT-4", "CUL-4", "COM-4", "SPT-4"}
    feeds |= {"CNV-3", "CNV-4", "CNV-5", "CNV-6"}
    assert {code for code, reason in by_reason.items() if reason == "feed_missing"} == feeds
    assert {code for code, reason in by_reason.items() if reason is None} == {"EDU-4"}
    others = set(by_reason) - feeds - {"EDU-4"}
    assert {by_reason[code] for code in others} == {"kind_not_surveyed"}


def test_feed_without_times_has_no_rates_of_zero(dbt: Callable[..., Build], small_city: SmallCity) -> None:
    city = copy.deepcopy(small_city)
    for row in city.tables["repair_reports"]:
        for column in ("dispatched_at", "first_response_at", "closed_at", "asset_id", "rating"):
            row[column] = None
    found = reasons(dbt(city, *UPSTREAM))
    expected = {"GOV-5": "times_missing", "GOV-6": "times_missing", "CNV-4": "times_missing"}
    expected |= {"CNV-5": "times_missing", "CNV-6": "feed_missing"}
    assert {code: found["C1", code] for code in expected} == expected


def test_surveyed_kind_without_facilities_covers_nobody(
    dbt: Callable[..., Build], small_city: SmallCity
) -> None:
    city = copy.deepcopy(small_city)
    city.tables["facilities"] = [row for row in city.tables["facilities"] if row["kind_code"] != "F14"]
    result = dbt(city, *UPSTREAM)
    covered, residents, _ = ratio(result, "C1", "COM-1")
    assert covered == 0
    assert residents > 0
