from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citycheck import FEEDS
from citycheck.errors import BadInput, CheckCouldNotRun, GateFailed
from citycheck.lake.tables import tables, tables_of
from citycheck.period import HalfYear, utc_naive
from citycheck.quality.gate import gate_feed
from citycheck.quality.suite import REASON_CODES
from citycheck.settings import settings

SUITES = settings().expectations
Row = dict[str, Any]
Gate = Callable[..., Any]
Clean = Callable[[str], list[Row]]
Write = Callable[[str, list[Row]], Path]

HOUR = timedelta(hours=1)
HALF, ZONE = HalfYear.parse("2026H1"), ZoneInfo("Asia/Shanghai")
START, END = utc_naive(HALF.start(ZONE)), utc_naive(HALF.end(ZONE))
COVERED_START = START - timedelta(days=730)

# name of the defect: (table, what is wrong with one row, the codes it must get and no other)
DEFECTS: dict[str, tuple[str, Row, list[str]]] = {
    "community_without_code": ("communities", {"community_id": None}, ["missing_key"]),
    "community_without_name": ("communities", {"community_name": None}, ["bad_value"]),
    "community_of_unknown_area_type": ("communities", {"area_type": "old"}, ["unknown_code"]),
    "community_without_polygon": ("communities", {"geometry": None}, ["invalid_geometry"]),
    "community_with_torn_wkb": ("communities", {"geometry": b"\x01\x03"}, ["invalid_geometry"]),
    "community_that_crosses_itself": (
        "communities",
        {"geometry": "POLYGON((118.1 28.9, 118.2 29, 118.2 28.9, 118.1 29, 118.1 28.9))"},
        ["invalid_geometry"],
    ),
    "community_that_is_a_point": ("communities", {"geometry": "POINT(118.1 28.9)"}, ["invalid_geometry"]),
    "community_in_another_city": (
        "communities",
        {"geometry": "POLYGON((120.1 30.1, 120.2 30.1, 120.2 30.2, 120.1 30.1))"},
        ["out_of_city"],
    ),
    "building_without_place": ("buildings", {"lon": None, "lat": None}, ["bad_value"]),
    "building_at_zero_zero": ("buildings", {"lon": 0.0, "lat": 0.0}, ["zero_coordinates"]),
    "building_swapped": ("buildings", {"lon": 28.95, "lat": 118.7}, ["swapped_coordinates"]),
    "building_out_of_city": ("buildings", {"lon": 120.2, "lat": 30.2}, ["out_of_city"]),
    "building_with_one_zero": ("buildings", {"lon": 0.0, "lat": 28.95}, ["out_of_city"]),
    "building_in_unknown_community": ("buildings", {"community_id": "c999"}, ["unknown_community"]),
    "building_with_negative_residents": ("buildings", {"residents": -21}, ["negative_number"]),
    "building_with_negative_age_group": ("buildings", {"residents_age_0_2": -1}, ["negative_number"]),
    "building_with_lost_residents": ("buildings", {"residents": 20}, ["age_groups_do_not_add_up"]),
    "building_as_big_as_a_town": ("buildings", {"dwellings": 20_001}, ["implausible_size"]),
    "estate_of_unknown_service_model": ("estates", {"property_service_model": "robots"}, ["unknown_code"]),
    "estate_with_negative_dwellings": ("estates", {"dwellings": -1}, ["negative_number"]),
    "estate_as_big_as_a_city": ("estates", {"dwellings": 50_001}, ["implausible_size"]),
    "edge_without_code": ("walking_edges", {"edge_id": None}, ["missing_key"]),
    "edge_without_line": ("walking_edges", {"geometry": None}, ["invalid_geometry"]),
    "edge_with_torn_wkb": ("walking_edges", {"geometry": b"\x01\x02\x00\x00\x00"}, ["invalid_geometry"]),
    "edge_that_is_a_point": (
        "walking_edges",
        {"geometry": "LINESTRING(118.1 28.9, 118.1 28.9)"},
        ["invalid_geometry"],
    ),
    "edge_of_two_parts": (
        "walking_edges",
        {"geometry": "MULTILINESTRING((118.1 28.9, 118.2 28.9), (118.3 28.9, 118.4 28.9))"},
        ["invalid_geometry"],
    ),
    "edge_that_is_an_area": (
        "walking_edges",
        {"geometry": "POLYGON((118.1 28.9, 118.2 28.9, 118.2 29, 118.1 28.9))"},
        ["invalid_geometry"],
    ),
    "edge_that_leaves_the_city": (
        "walking_edges",
        {"geometry": "LINESTRING(119.4 28.9, 119.5000001 28.9)"},
        ["out_of_city"],
    ),
    "edge_of_no_length": ("walking_edges", {"length_m": 0.0}, ["negative_number"]),
    "edge_to_the_moon": ("walking_edges", {"length_m": 100_000.1}, ["implausible_size"]),
    "facility_without_code": ("facilities", {"facility_id": None}, ["missing_key"]),
    "facility_of_unknown_kind": ("facilities", {"kind_code": "F21"}, ["unknown_code"]),
    "facility_of_unknown_status": ("facilities", {"operating_status": "maybe"}, ["unknown_code"]),
    "shop_of_unknown_subtype": ("facilities", {"kind_code": "F15", "subtype": "pharmacy"}, ["unknown_code"]),
    "outlet_of_unknown_type": ("facilities", {"kind_code": "F19", "subtype": "casino"}, ["unknown_code"]),
    "facility_with_negative_area": ("facilities", {"floor_area_m2": -400.0}, ["negative_number"]),
    "facility_in_square_millimetres": ("facilities", {"floor_area_m2": 4e8}, ["implausible_size"]),
    "facility_swapped": ("facilities", {"lon": 28.95, "lat": 118.7}, ["swapped_coordinates"]),
    "site_without_code": ("candidate_sites", {"site_id": None}, ["missing_key"]),
    "site_of_unknown_type": ("candidate_sites", {"site_type": "tent"}, ["unknown_code"]),
    "room_without_size": (
        "candidate_sites",
        {"site_type": "vacant_room", "floor_area_m2": None, "land_area_m2": 900.0},
        ["bad_value"],
    ),
    "land_without_size": (
        "candidate_sites",
        {"site_type": "land", "floor_area_m2": 900.0, "land_area_m2": None},
        ["bad_value"],
    ),
    "site_that_pays": ("candidate_sites", {"cost_cny": -1.0}, ["negative_number"]),
    "site_as_large_as_a_town": ("candidate_sites", {"land_area_m2": 5_000_001.0}, ["implausible_size"]),
    "site_at_zero_zero": ("candidate_sites", {"lon": 0.0, "lat": 0.0}, ["zero_coordinates"]),
    "answer_from_unknown_community": ("survey_responses", {"community_id": "c999"}, ["unknown_community"]),
    "answer_by_pigeon": ("survey_responses", {"channel": "pigeon"}, ["unknown_code"]),
    "answer_of_unknown_age": ("survey_responses", {"age_band": "18-20"}, ["unknown_code"]),
    "answer_six_of_five": ("survey_responses", {"satisfaction_gov": 6}, ["rating_out_of_scale"]),
    "answer_zero_of_five": ("survey_responses", {"importance_n07": 0}, ["rating_out_of_scale"]),
    "answer_with_unknown_need": ("survey_responses", {"top_needs": "N01|N31"}, ["unknown_code"]),
    "answer_with_six_needs": ("survey_responses", {"top_needs": "N01|N02|N03|N04|N05|N06"}, ["unknown_code"]),
    "answer_of_a_crowd": ("survey_responses", {"household_size": 31}, ["implausible_size"]),
    "answer_before_all_half_years": (
        "survey_responses",
        {"answered_at": COVERED_START - timedelta(microseconds=1)},
        ["outside_coverage"],
    ),
    "answer_at_the_end": ("survey_responses", {"answered_at": END}, ["outside_coverage"]),
    "answer_from_the_future": ("survey_responses", {"answered_at": datetime(2031, 1, 1)}, ["future_time"]),
    "margin_without_category": ("population_margins", {"category": None}, ["missing_key"]),
    "margin_of_unknown_kind": (
        "population_margins",
        {"characteristic": "income", "category": "f"},
        ["unknown_code"],
    ),
    "margin_of_another_kind": (
        "population_margins",
        {"characteristic": "tenure", "category": "f"},
        ["unknown_code"],
    ),
    "margin_of_unknown_community": ("population_margins", {"community_id": "c999"}, ["unknown_community"]),
    "margin_below_zero": ("population_margins", {"people": -1.0}, ["negative_number"]),
    "margin_without_people": ("population_margins", {"people": None}, ["bad_value"]),
    "invitation_without_channel": ("survey_invitations", {"channel": None}, ["missing_key"]),
    "invitation_by_pigeon": ("survey_invitations", {"channel": "pigeon"}, ["unknown_code"]),
    "invitation_to_nowhere": ("survey_invitations", {"community_id": "c999"}, ["unknown_community"]),
    "invitation_of_less_than_nobody": ("survey_invitations", {"invited": -1}, ["negative_number"]),
    "invitation_of_a_country": ("survey_invitations", {"invited": 1_000_001}, ["implausible_size"]),
    "figure_of_a_street": ("local_figures", {"unit_level": "street"}, ["unknown_code"]),
    "figure_of_unknown_community": (
        "local_figures",
        {"unit_level": "community", "unit_id": "e1"},
        ["unknown_community"],
    ),
    "figure_of_unknown_estate": (
        "local_figures",
        {"unit_level": "estate", "unit_id": "c001"},
        ["unknown_estate"],
    ),
    "figure_without_day": ("local_figures", {"as_of": None}, ["missing_key"]),
    "figure_without_value": ("local_figures", {"value": None}, ["bad_value"]),
    "change_of_unknown_kind": ("community_changes", {"change": "moved"}, ["unknown_code"]),
    "change_without_day": ("community_changes", {"changed_on": None}, ["missing_key"]),
    "need_of_unknown_code": ("meeting_items", {"need_code": "N31"}, ["unknown_code"]),
    "need_of_a_crowd": ("meeting_items", {"attendees": 10001}, ["implausible_size"]),
    "need_rated_six": ("meeting_items", {"satisfaction": 6}, ["rating_out_of_scale"]),
    "need_from_the_future": ("meeting_items", {"held_at": datetime(2031, 1, 1)}, ["future_time"]),
    "need_at_the_end": ("meeting_items", {"held_at": END}, ["outside_coverage"]),
    "report_without_version": ("repair_reports", {"version_at": None}, ["missing_key"]),
    "report_of_unknown_category": ("repair_reports", {"category_code": "dragons"}, ["unknown_code"]),
    "report_of_unknown_status": ("repair_reports", {"status": "lost"}, ["unknown_code"]),
    "report_with_half_a_place": ("repair_reports", {"lon": None}, ["bad_value"]),
    "report_at_zero_zero": ("repair_reports", {"lon": 0.0, "lat": 0.0}, ["zero_coordinates"]),
    "report_rated_six": ("repair_reports", {"rating": 6}, ["rating_out_of_scale"]),
    "report_closed_before_dispatch": ("repair_reports", {"closed_at": START - HOUR}, ["time_order"]),
    "report_due_before_made": ("repair_reports", {"due_at": START - HOUR}, ["time_order"]),
    "report_closed_in_the_future": ("repair_reports", {"closed_at": datetime(2031, 1, 1)}, ["future_time"]),
    "report_from_the_future": ("repair_reports", {"reported_at": datetime(2031, 1, 1)}, ["future_time"]),
    "report_of_next_half_year": (
        "repair_reports",
        dict.fromkeys(
            ("reported_at", "dispatched_at", "first_response_at", "closed_at", "due_at", "version_at"), END
        ),
        ["outside_coverage"],
    ),
    "report_with_two_defects": (
        "repair_reports",
        {"rating": 6, "lon": 0.0, "lat": 0.0},
        ["zero_coordinates", "rating_out_of_scale"],
    ),
    "report_that_could_not_be_read": (
        "repair_reports",
        {
            "rating": None,
            "category_code": None,
            "mapping_errors": "unknown_code:category_code;bad_value:rating",
        },
        ["bad_value", "unknown_code"],
    ),
    "community_that_could_not_be_read": (
        "communities",
        {
            "geometry": None,
            "community_id": None,
            "mapping_errors": "missing_key:community_id;invalid_geometry:geometry",
        },
        ["missing_key", "invalid_geometry"],
    ),
}


@pytest.mark.parametrize("table", tables())
def test_each_defect_gets_its_own_code(
    table: str, gate: Gate, clean: Clean, wkb: Any, tmp_path: Path
) -> None:
    rows = clean(table)
    defects = [name for name, (of, _, _) in DEFECTS.items() if of == table]
    places = range(0, len(defects) * 9, 9)
    for name, place in zip(defects, places, strict=True):
        wrong = DEFECTS[name][1]
        if isinstance(wrong.get("geometry"), str):
            wrong = wrong | {"geometry": wkb(wrong["geometry"])}
        rows[place] |= wrong

    verdict = gate(table, rows)

    quarantine = pq.read_table(tmp_path / "out" / f"{table}.quarantine.parquet")
    found = dict(
        zip(quarantine["source_row"].to_pylist(), quarantine["reason_codes"].to_pylist(), strict=True)
    )
    assert {name: found.pop(place + 1, None) for name, place in zip(defects, places, strict=True)} == {
        name: ";".join(DEFECTS[name][2]) for name in defects
    }
    assert found == {}
    assert verdict.reasons == Counter(code for name in defects for code in DEFECTS[name][2])
    assert (verdict.rows_in, verdict.rows_quarantined) == (len(rows), len(defects))
    assert verdict.rows_in == verdict.rows_accepted + verdict.rows_quarantined


def test_a_figure_of_the_whole_city_has_a_key_too(gate: Gate, clean: Clean) -> None:
    """No community is a place like any other: one figure of the city is right, two that differ are a conflict."""
    rows = clean("population_margins")
    rows[3] |= {"community_id": None, "characteristic": "sex", "category": "m"}
    assert gate("population_margins", rows).reasons == {}
    rows[4] |= {"community_id": None, "characteristic": "sex", "category": "m", "people": 9.0}
    assert gate("population_margins", rows).reasons == {"key_conflict": 2}


def test_the_same_key_with_different_contents_is_quarantined_on_both_sides(
    gate: Gate, clean: Clean, tmp_path: Path
) -> None:
    rows = clean("repair_reports")
    rows[3] |= {
        name: rows[5][name]
        for name in (
            "report_id",
            "version_at",
            "reported_at",
            "dispatched_at",
            "first_response_at",
            "closed_at",
            "due_at",
        )
    }
    rows[9]["report_id"] = rows[5]["report_id"]  # another version: no conflict
    assert gate("repair_reports", rows).reasons == {"key_conflict": 2}
    quarantine = pq.read_table(tmp_path / "out" / "repair_reports.quarantine.parquet")
    assert quarantine["source_row"].to_pylist() == [4, 6]


def test_every_reason_code_is_given_by_some_suite_or_by_the_mapping() -> None:
    caught = {code for _, _, codes in DEFECTS.values() for code in codes} | {"key_conflict"}
    assert caught == set(REASON_CODES)


@pytest.mark.parametrize("table", tables())
def test_a_clean_table_passes_whole_and_unchanged(
    table: str, gate: Gate, clean: Clean, write: Write, tmp_path: Path
) -> None:
    verdict = gate(table, clean(table))

    assert verdict.rows_quarantined == 0 and verdict.reasons == {}
    assert not verdict.failed("error")
    accepted = pq.read_table(tmp_path / "out" / f"{table}.accepted.parquet")
    quarantine = pq.read_table(tmp_path / "out" / f"{table}.quarantine.parquet")
    types = [(field.name, field.type) for field in tables()[table].schema]
    assert [(field.name, field.type) for field in accepted.schema] == types
    assert [(field.name, field.type) for field in quarantine.schema] == [
        *types,
        ("reason_codes", pa.string()),
    ]
    assert (
        accepted.to_pylist()
        == pq.read_table(write(table, clean(table))).drop_columns("mapping_errors").to_pylist()
    )


NEEDED_BY_LAND = ("candidate_sites", "land_area_m2")


def test_nulls_in_columns_that_are_not_required_are_fine(gate: Gate, clean: Clean) -> None:
    for name, table in tables().items():
        rows = clean(name)
        # a site must have the size of its type: the seventh is land
        may_be_null = [c.name for c in table.columns if not c.required and (name, c.name) != NEEDED_BY_LAND]
        rows[7] |= dict.fromkeys(may_be_null)
        assert gate(name, rows).reasons == {}, name


def test_an_extract_may_be_larger_than_the_city_but_not_elsewhere(gate: Gate, clean: Clean, wkb: Any) -> None:
    rows, outside = clean("walking_edges"), wkb("LINESTRING(121.5 29.8, 121.6 29.8)")
    for row in rows[:100]:
        row["geometry"] = outside
    assert gate("walking_edges", rows).reasons == {"out_of_city": 100}
    rows[100]["geometry"] = outside
    with pytest.raises(GateFailed, match="out_of_city on geometry: 101 of 200 rows"):
        gate("walking_edges", rows)


def test_five_percent_are_quarantined_and_counted(gate: Gate, clean: Clean) -> None:
    rows = clean("facilities")
    for row in rows[: len(rows) // 20]:
        row |= {"lon": 0.0, "lat": 0.0}
    assert gate("facilities", rows).reasons == {"zero_coordinates": 10}


def test_more_than_five_percent_stop_the_feed_after_everything_is_written(
    gate: Gate, clean: Clean, tmp_path: Path
) -> None:
    rows = clean("facilities")
    for row in rows[: len(rows) // 20 + 1]:
        row |= {"lon": 0.0, "lat": 0.0}
    with pytest.raises(GateFailed) as failure:
        gate("facilities", rows)
    message = str(failure.value)
    assert "feed facilities" in message and "table facilities" in message
    assert "zero_coordinates on lon, lat: 11 of 200 rows (5.5 %, allowed 5 %)" in message
    written = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert written["passed"] is False
    assert written["tables"][0]["reasons"] == {"zero_coordinates": 11}
    assert pq.read_metadata(tmp_path / "out" / "facilities.quarantine.parquet").num_rows == 11
    assert pq.read_metadata(tmp_path / "out" / "facilities.accepted.parquet").num_rows == 189


def test_a_failed_warning_is_told_and_does_not_stop(gate: Gate, clean: Clean) -> None:
    rows = [row | {"floor_area_m2": None} for row in clean("facilities")]
    verdict = gate("facilities", rows)
    assert [(check.type, check.column) for check in verdict.failed("warn")] == [
        ("expect_column_proportion_of_non_null_values_to_be_between", "floor_area_m2")
    ]
    assert verdict.rows_quarantined == 0


def test_an_empty_table_stops(gate: Gate) -> None:
    with pytest.raises(GateFailed, match="expect_table_row_count_to_be_between"):
        gate("facilities", [])


def test_unreadable_rows_do_not_count_against_the_other_checks(gate: Gate, clean: Clean) -> None:
    rows = clean("facilities")
    for row in rows[:8]:
        row |= {"facility_id": None, "lon": None, "mapping_errors": "missing_key:facility_id;bad_value:lon"}
    verdict = gate("facilities", rows)
    assert verdict.reasons == {"missing_key": 8, "bad_value": 8}
    checked = {
        check.column: check.checked_count for check in verdict.checks if check.type.endswith("to_not_be_null")
    }
    assert checked["facility_id"] == len(rows) - 8
    by_column = {check.column: check for check in verdict.checks}
    assert by_column["mapping_errors"].unexpected_count == 8
    assert by_column["facility_id"].unexpected_count == 0


def test_without_known_communities_their_check_is_skipped_and_says_so(gate: Gate, clean: Clean) -> None:
    rows = clean("survey_responses")
    rows[7]["community_id"] = "c999"
    verdict = gate("survey_responses", rows, community_ids=[])
    assert verdict.rows_quarantined == 0
    assert verdict.skipped == (
        {
            "type": "expect_column_values_to_be_in_set",
            "column": "community_id",
            "because": "community_ids is not known",
        },
    )


def test_buildings_are_held_against_the_communities_accepted_beside_them(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    communities = clean("communities")
    communities[3]["geometry"] = b"torn"
    mapped = {
        "buildings": write("buildings", clean("buildings")),
        "communities": write("communities", communities),
    }
    verdict = gate_feed(
        "communities", "2026H1", mapped, tmp_path / "out", SUITES, parameters | {"community_ids": []}
    )
    assert [table.reasons for table in verdict.tables] == [{"invalid_geometry": 1}, {"unknown_community": 1}]
    quarantine = pq.read_table(tmp_path / "out" / "buildings.quarantine.parquet")
    assert set(quarantine["community_id"].to_pylist()) == {"c003"}


def test_figures_are_held_against_the_units_accepted_beside_them(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    """An estate that the gate held back is known to no figure; without estates nobody can say which there are."""
    estates = clean("estates")
    estates[3]["estate_name"] = estates[3]["estate_id"] = None
    mapped = {table: write(table, clean(table)) for table in ("communities", "local_figures")}
    unknown = parameters | {"community_ids": [], "estate_ids": []}
    of_all = gate_feed(
        "communities", "2026H1", mapped | {"estates": write("estates", estates)}, tmp_path, SUITES, unknown
    )
    assert {table.table: table.reasons for table in of_all.tables}["local_figures"] == {"unknown_estate": 1}
    without = gate_feed("communities", "2026H1", mapped, tmp_path, SUITES, unknown)
    [figures] = [table for table in without.tables if table.table == "local_figures"]
    assert figures.reasons == {}
    assert [skipped["because"] for skipped in figures.skipped] == ["estate_ids is not known"]


def test_rows_of_other_half_years_of_the_city_go_on(gate: Gate, clean: Clean) -> None:
    earlier = timedelta(days=365)
    for table in ("repair_reports", "survey_responses", "meeting_items"):
        rows = clean(table)
        for row in rows[:150]:
            row |= {name: value - earlier for name, value in row.items() if isinstance(value, datetime)}
        assert gate(table, rows).reasons == {}, table


def test_a_delivery_without_a_row_of_its_half_year_stops(gate: Gate, clean: Clean) -> None:
    earlier = timedelta(days=365)
    rows = clean("repair_reports")
    for row in rows:
        row |= {name: value - earlier for name, value in row.items() if isinstance(value, datetime)}
    with pytest.raises(GateFailed, match=r"expect_some_times_in_period on reported_at \(observed 0\)"):
        gate("repair_reports", rows)


def test_a_declared_tolerance_takes_the_place_of_the_suites(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    rows = clean("facilities")
    for row in rows[:40]:
        row["lon"], row["lat"] = 0.0, 0.0
    path = {"facilities": write("facilities", rows)}

    def run(share: Any) -> Any:
        declared = {"facilities": {"zero_coordinates": share}}
        return gate_feed(
            "facilities", "2026H1", path, tmp_path / "out", SUITES, parameters, tolerances=declared
        )

    [verdict] = run((0.2, "half of the kiosks have no place")).tables
    [check] = [check for check in verdict.checks if check.reason_code == "zero_coordinates"]
    assert (verdict.rows_quarantined, check.allowed_pct) == (40, 20.0)
    assert check.why.endswith("Declared by the city: half of the kiosks have no place.")
    with pytest.raises(GateFailed, match=r"allowed 19\.9 %"):
        run(0.199)


def test_a_tolerated_code_of_the_mapping_lets_no_other_code_through(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    rows = clean("facilities")
    for row in rows[:40]:
        row["mapping_errors"] = "unknown_code:kind_code"
    for row in rows[30:40]:
        row["mapping_errors"] += ";bad_value:capacity"

    def run(tolerances: dict[str, Any]) -> Any:
        path = {"facilities": write("facilities", rows)}
        return gate_feed(
            "facilities",
            "2026H1",
            path,
            tmp_path / "out",
            SUITES,
            parameters,
            tolerances={"facilities": tolerances},
        )

    with pytest.raises(GateFailed):
        run({})
    assert run({"unknown_code": 0.2}).tables[0].reasons == {"bad_value": 10, "unknown_code": 40}
    rows[40]["mapping_errors"] = "bad_value:capacity"
    with pytest.raises(GateFailed, match=r"mapping_errors: 11 of 200 rows \(5.5 %, allowed 5 %\)"):
        run({"unknown_code": 0.2})


@pytest.mark.parametrize("declared", [{"no_such_code": 0.1}, {"bad_value": 1.1}])
def test_a_tolerance_that_says_nothing_is_refused(
    declared: dict[str, float], clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    path = {"facilities": write("facilities", clean("facilities"))}
    with pytest.raises(BadInput, match="expected a share from 0 to 1 for one of missing_key"):
        gate_feed(
            "facilities",
            "2026H1",
            path,
            tmp_path / "out",
            SUITES,
            parameters,
            tolerances={"facilities": declared},
        )


def test_what_happened_between_cut_off_and_receipt_is_no_future(
    gate: Gate, clean: Clean, parameters: dict[str, Any]
) -> None:
    rows = clean("repair_reports")
    late = parameters["cut_off"] + HOUR
    rows[7] |= {"closed_at": late, "version_at": late}
    assert gate("repair_reports", rows).reasons == {"future_time": 1}
    assert gate("repair_reports", rows, received_at=late).reasons == {}


def test_a_check_that_raises_is_no_failed_check(gate: Gate, clean: Clean, tmp_path: Path) -> None:
    with pytest.raises(CheckCouldNotRun) as failure:
        gate("facilities", clean("facilities"), lon_min="west")
    message = str(failure.value)
    assert message.startswith("Suite facilities: expect_points_not_to_be_swapped on lon, lat could not run (")
    assert "\n" not in message
    assert not (tmp_path / "out").exists()


def test_an_expectation_that_the_gate_cannot_count_is_no_passed_one(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    suites = tmp_path / "suites"
    shutil.copytree(SUITES, suites)
    suite = json.loads((suites / "facilities.json").read_text())
    suite["expectations"].append(
        {
            "type": "expect_column_value_lengths_to_equal",
            "kwargs": {"column": "facility_id", "value": 1},
            "meta": {"severity": "error", "why": "Nobody has told the gate how to count this."},
        }
    )
    (suites / "facilities.json").write_text(json.dumps(suite))
    rows = {"facilities": write("facilities", clean("facilities"))}
    with pytest.raises(
        CheckCouldNotRun, match=r"the gate has no SQL for the metric column_values\.value_length"
    ):
        gate_feed("facilities", "2026H1", rows, tmp_path / "out", suites, parameters)


def test_verdict_and_data_docs_hold_no_value_of_a_row(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    rows = clean("facilities")
    rows[7] |= {"facility_id": "secret-id", "kind_code": "secret-kind", "lon": 28.987654, "lat": 118.123456}
    rows[9] |= {"operating_status": "secret-status", "capacity": -987654, "mapping_errors": None}
    mapped = {"facilities": write("facilities", rows)}
    verdict = gate_feed(
        "facilities", "2026H1", mapped, tmp_path / "out", SUITES, parameters, tmp_path / "docs"
    )
    assert verdict.tables[0].rows_quarantined == 2
    texts = [p for p in (tmp_path / "docs").rglob("*") if p.is_file() and "static" not in p.parts]
    assert any(p.suffix == ".html" for p in texts)
    for path in [tmp_path / "out" / "verdict.json", *texts]:
        for value in ("secret", "987654", "28.98", "118.12"):
            assert value not in path.read_text(encoding="utf-8"), (value, path)


def test_data_docs_accumulate_and_never_call_the_maker_of_the_tool(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    mapped = {"facilities": write("facilities", clean("facilities"))}
    docs = tmp_path / "docs"
    for half_year in ("2025H2", "2026H1", "2026H1"):
        gate_feed("facilities", half_year, mapped, tmp_path / "out", SUITES, parameters, docs)
    pages = sorted(path.relative_to(docs).parts[1:3] for path in docs.rglob("validations/**/*.html"))
    assert pages == [("facilities", "2025H2"), ("facilities", "2026H1")]
    index = (docs / "index.html").read_text(encoding="utf-8")
    assert "2025H2" in index and "2026H1" in index
    for page in docs.rglob("*.html"):
        assert "great-expectations-web-assets" not in page.read_text(encoding="utf-8")
        assert "newsletter" not in page.read_text(encoding="utf-8")
        assert "AttributeError" not in page.read_text(encoding="utf-8")


def test_the_same_input_gives_the_same_bytes(gate: Gate, clean: Clean, tmp_path: Path) -> None:
    rows = clean("facilities")
    rows[7]["kind_code"] = "F99"
    written = []
    for _ in range(2):
        gate("facilities", rows)
        written.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert written[0] == written[1]
    assert sorted(written[0]) == [
        "facilities.accepted.parquet",
        "facilities.quarantine.parquet",
        "verdict.json",
    ]


def test_a_mapped_file_with_a_missing_column_is_refused(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    path = write("facilities", clean("facilities"))
    pq.write_table(pq.read_table(path).drop_columns("capacity"), path)
    with pytest.raises(
        BadInput, match=r"facilities.mapped.parquet: lacks capacity; expected the columns of facilities"
    ):
        gate_feed("facilities", "2026H1", {"facilities": path}, tmp_path / "out", SUITES, parameters)


def test_a_truncated_mapped_file_is_refused(
    clean: Clean, write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    path = write("facilities", clean("facilities"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match="not a complete parquet file"):
        gate_feed("facilities", "2026H1", {"facilities": path}, tmp_path / "out", SUITES, parameters)


def test_an_unknown_mapping_code_is_refused(gate: Gate, clean: Clean) -> None:
    rows = clean("facilities")
    rows[7]["mapping_errors"] = "oops:capacity"
    with pytest.raises(BadInput, match=r"row 8: mapping_errors has the code 'oops'"):
        gate("facilities", rows)


def test_a_table_of_another_feed_is_refused(parameters: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="The feed survey has no table 'facilities'"):
        gate_feed("survey", "2026H1", {"facilities": tmp_path / "x"}, tmp_path / "out", SUITES, parameters)


def test_every_table_of_every_feed_has_a_suite() -> None:
    assert {p.stem for p in SUITES.glob("*.json")} == {
        table.name for feed in FEEDS for table in tables_of(feed)
    }
