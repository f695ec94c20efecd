from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from citycheck.sample.words import AGE_GROUPS

Rows = list[dict[str, str]]
FILES = {
    "buildings": ("communities/buildings.csv", "楼栋编码"),
    "estates": ("communities/estates.csv", "小区编码"),
    "walking_edges": ("communities/streets.csv", "路段编码"),
    "facilities": ("facilities/facilities.csv", "设施编码"),
    "candidate_sites": ("facilities/sites.csv", "点位编码"),
    "survey_responses": ("survey/survey_*.csv", "问卷编号"),
    "repair_reports": ("repair_reports/*.csv", "工单编号"),
}
KEYS = {"missing_key", "duplicate", "key_conflict"}
POINTS = {"out_of_city", "swapped_coordinates", "zero_coordinates"}
VALUES = {"bad_value", "unknown_code"}
SIZES = {"negative_number", "implausible_size"}
EXPECTED = {
    "communities": KEYS | VALUES | {"out_of_city", "invalid_geometry", "repaired"},
    "buildings": KEYS
    | POINTS
    | SIZES
    | {"bad_value", "unknown_community", "age_groups_do_not_add_up", "not_snapped"},
    "estates": KEYS | POINTS | VALUES | SIZES | {"unknown_community"},
    "walking_edges": KEYS | SIZES | {"bad_value", "invalid_geometry", "out_of_city", "disconnected"},
    "facilities": KEYS | POINTS | VALUES | SIZES | {"not_snapped"},
    "candidate_sites": KEYS | POINTS | VALUES | SIZES,
    "survey_responses": KEYS
    | VALUES
    | {"unknown_community", "negative_number", "rating_out_of_scale", "outside_coverage"},
    "repair_reports": KEYS
    | POINTS
    | VALUES
    | {"unknown_community", "rating_out_of_scale", "outside_coverage", "time_order", "future_time"},
}


@pytest.mark.parametrize("table", EXPECTED)
def test_every_kind_of_defect_is_planted(table: str, planted: Rows) -> None:
    found = {defect["reason_code"] for defect in planted if defect["table_name"] == table}
    assert found == EXPECTED[table]


def test_planted_keys_are_disjoint(planted: Rows) -> None:
    count = Counter((defect["table_name"], defect["key"]) for defect in planted)
    assert set(count.values()) == {1}


@pytest.mark.parametrize("table", FILES)
def test_every_planted_key_is_in_the_files(table: str, planted: Rows, rows: Callable[[str], Rows]) -> None:
    pattern, key = FILES[table]
    present = Counter(row[key] for row in rows(pattern))
    whole = Counter(tuple(row.values()) for row in rows(pattern))
    of_key: dict[str, Rows] = {}
    for row in rows(pattern):
        of_key.setdefault(row[key], []).append(row)
    for defect in (defect for defect in planted if defect["table_name"] == table):
        if defect["reason_code"] == "missing_key":
            file, record = defect["key"].split(":")
            assert rows(file)[int(record) - 1][key] == ""
        elif defect["reason_code"] == "duplicate":
            assert max(whole[tuple(row.values())] for row in of_key[defect["key"]]) == 2
        elif defect["reason_code"] == "key_conflict":
            assert present[defect["key"]] == 2
            assert len({tuple(row.values()) for row in of_key[defect["key"]]}) == 2
        else:
            assert present[defect["key"]] == 1, defect


def test_planted_units_are_in_the_file(planted: Rows, features: list[dict[str, Any]]) -> None:
    present = Counter(feature["properties"]["社区编码"] for feature in features)
    for defect in (defect for defect in planted if defect["table_name"] == "communities"):
        if defect["reason_code"] == "missing_key":
            assert features[int(defect["key"].split(":")[1]) - 1]["properties"]["社区编码"] == ""
        else:
            assert present[defect["key"]] == (
                2 if defect["reason_code"] in ("duplicate", "key_conflict") else 1
            )


def test_all_real_units_stay(features: list[dict[str, Any]], planted: Rows) -> None:
    real = {f["properties"]["社区编码"] for f in features} - {""}
    real = {code for code in real if not code.startswith("330802999")}
    assert len(real) == 133
    lost = {"missing_key", "bad_value", "unknown_code", "out_of_city", "invalid_geometry", "key_conflict"}
    assert not real & {d["key"] for d in planted if d["reason_code"] in lost}


def test_crossing_border_can_be_repaired_without_losing_the_unit(
    features: list[dict[str, Any]], planted: Rows
) -> None:
    from citycheck import duck

    (key,) = [defect["key"] for defect in planted if defect["reason_code"] == "repaired"]
    (ring,) = [f["geometry"]["coordinates"][0] for f in features if f["properties"]["社区编码"] == key]
    text = "POLYGON((" + ", ".join(f"{x} {y}" for x, y in ring) + "))"
    with duck.connect() as connection:
        was_valid, area, repaired = connection.execute(
            "select st_isvalid(g), st_area(st_convexhull(g)), st_area(st_makevalid(g)) "
            "from (select st_geomfromtext(?) as g)",
            [text],
        ).fetchone()  # type: ignore[misc]
    assert not was_valid
    assert 0.85 * area < repaired < area


def test_planted_ages_differ_from_the_residents(planted: Rows, rows: Callable[[str], Rows]) -> None:
    wrong = {d["key"] for d in planted if d["reason_code"] == "age_groups_do_not_add_up"}
    found = [row for row in rows("communities/buildings.csv") if row["楼栋编码"] in wrong]
    assert found
    assert all(sum(int(row[group]) for group in AGE_GROUPS) != int(row["常住人口"]) for row in found)


def test_planted_times_are_wrong_as_told(planted: Rows, rows: Callable[[str], Rows]) -> None:
    reasons = {d["key"]: d["reason_code"] for d in planted if d["table_name"] == "repair_reports"}
    seen: Counter[str] = Counter()
    for row in rows("repair_reports/*.csv"):
        reason = reasons.get(row["工单编号"])
        if reason == "time_order":
            assert any(
                row[event] and row[event] < row["上报时间"]
                for event in ("办结时间", "首次回应时间", "分转时间")
            )
        elif reason == "outside_coverage":
            assert not "2026-01-01" <= row["上报时间"] < "2026-07-01"
        elif reason == "future_time":
            assert datetime.fromisoformat(row["更新时间"]) > datetime(2026, 7, 16)
        else:
            continue
        seen[reason] += 1
    assert seen == {"time_order": 3, "outside_coverage": 3, "future_time": 3}
