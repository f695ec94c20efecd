"""Distances and coverage against a count over all pairs in numpy, from the lake's rows and the standard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pytest
from small_city import SPATIAL, Build, SmallCity, community_of, seed

GROUPS = {
    "all": ["residents"],
    "hh": ["households"],
    "inf0_3": ["residents_age_0_2"],
    "child3_6": ["residents_age_3_5"],
    "child6_12": ["residents_age_6_11"],
    "child0_15": [f"residents_age_{ages}" for ages in ("0_2", "3_5", "6_11", "12_14")],
    "elder60": ["residents_age_60_plus"],
}
STOCK_RADII = {"F03": 500, "F07": 500, "F11": 500}
RADII = {  # indicator: kinds, radius in new areas, radius in existing areas
    "GOV-1": (["F01"], 300, 300),
    "EDU-1": (["F03"], 300, 500),
    "EDU-3": (["F04"], 300, 300),
    "EDU-4": (["F05"], 500, 500),
    "EDU-5": (["F06"], 500, 500),
    "ELD-1": (["F07"], 300, 500),
    "ELD-3": (["F08"], 500, 500),
    "HLT-1": (["F11", "F10"], 300, 500),
    "HLT-2": (["F10"], 1000, 1000),
    "CUL-1": (["F12"], 500, 500),
    "CUL-3": (["F13"], 1000, 1000),
    "COM-1": (["F14"], 500, 500),
    "COM-2": (["F15"], 300, 300),
    "SPT-1": (["F17"], 300, 300),
    "SPT-2": (["F16"], 500, 500),
    "CNV-1": (["F18"], 300, 300),
}


def project(rows: list[dict[str, Any]]) -> np.ndarray:
    """Planar metres of rows with lon and lat."""
    with duckdb.connect() as connection:
        connection.execute(f"load '{SPATIAL}'")
        values = ", ".join(f"({index}, {row['lon']!r}, {row['lat']!r})" for index, row in enumerate(rows))
        point = "st_transform(st_point(lon, lat), 'EPSG:4326', 'EPSG:4549', always_xy := true)"
        sql = f"select st_x({point}), st_y({point}) from (values {values}) as points (n, lon, lat) order by n"
        return np.array(connection.execute(sql).fetchall())


def complies(facility: dict[str, Any], kind: dict[str, str]) -> bool | None:
    """Whether the facility meets the minimum of its kind; None if that is not known."""
    minima = {"floor_area_m2": kind["min_floor_area_m2"], "land_area_m2": kind["min_land_area_m2"]}
    if kind["min_area_subtype"] and facility["subtype"] != kind["min_area_subtype"]:
        return True
    answers: list[bool | None] = []
    for column, minimum in minima.items():
        if minimum:
            limit = float(minimum)
            if kind["relaxed_floor_area_m2"] and facility["function_count"] >= int(
                kind["relaxed_function_count"]
            ):
                limit = float(kind["relaxed_floor_area_m2"])
            answers.append(None if facility[column] is None else facility[column] >= limit)
    if False in answers:
        return False
    return None if None in answers else True


@dataclass(frozen=True)
class Pairs:
    """Every building against every operating facility."""

    buildings: list[dict[str, Any]]
    facilities: list[dict[str, Any]]
    distance_m: np.ndarray
    counts: np.ndarray
    might_count: np.ndarray
    kinds: np.ndarray


@pytest.fixture(scope="module")
def pairs(small_city: SmallCity) -> Pairs:
    kinds = {row["kind_code"]: row for row in seed("facility_kinds")}
    buildings = small_city.tables["buildings"]
    facilities = [row for row in small_city.tables["facilities"] if row["operating_status"] == "operating"]
    homes, places = project(buildings), project(facilities)
    offsets = homes[:, None, :] - places[None, :, :]
    answers = [complies(row, kinds[row["kind_code"]]) for row in facilities]
    return Pairs(
        buildings=buildings,
        facilities=facilities,
        distance_m=np.sqrt((offsets**2).sum(axis=2)),
        counts=np.array([answer is True for answer in answers]),
        might_count=np.array([answer is not False for answer in answers]),
        kinds=np.array([row["kind_code"] for row in facilities]),
    )


def shares(pairs: Pairs, covered: np.ndarray, group: str) -> dict[str, tuple[float, float]]:
    """Covered and total persons of a group by community."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for building, is_covered in zip(pairs.buildings, covered, strict=True):
        persons = [building.get(column) for column in GROUPS[group]]
        if None not in persons:
            total = sums[building["community_id"] or community_of(building)]
            total[0] += sum(persons) * bool(is_covered)
            total[1] += sum(persons)
    return {community: (covered, total) for community, (covered, total) in sums.items()}


def built_shares(build: Build, indicator: str) -> dict[str, tuple[float, float]]:
    sql = "select community_id, numerator, denominator from intermediate.int_indicator_ratios"
    rows = build.rows(f"{sql} where indicator_code = ? and missing_reason is null", indicator)
    return {community: (numerator, denominator) for community, numerator, denominator in rows}


def radius_of(building: dict[str, Any], new_m: float, stock_m: float) -> float:
    return new_m if (building["community_id"] or community_of(building)) == "C2" else stock_m


@pytest.mark.parametrize("kind", [f"F{number:02d}" for number in range(1, 21) if number != 2])
def test_nearest_facility_is_the_nearest_of_all(build: Build, pairs: Pairs, kind: str) -> None:
    standard = {row["kind_code"]: row for row in seed("facility_kinds")}[kind]
    sql = """
        select building_id, nearest_facility_distance_m, nearest_counting_distance_m, is_covered,
               is_covered_if_unverified_count
        from marts.demand_access where kind_code = ? order by building_id
    """
    found = {row[0]: row[1:] for row in build.rows(sql, kind)}
    assert len(found) == len(pairs.buildings)
    covered = 0
    for index, building in enumerate(pairs.buildings):
        of_kind = pairs.kinds == kind
        limits = {}
        for name, mask in (
            ("any", of_kind),
            ("counting", of_kind & pairs.counts),
            ("possible", of_kind & pairs.might_count),
        ):
            distances = pairs.distance_m[index, mask]
            limits[name] = distances.min() if distances.size and distances.min() <= 1000 else None
        radius = radius_of(
            building, float(standard["radius_m"]), STOCK_RADII.get(kind, float(standard["radius_m"]))
        )
        any_m, counting_m, is_covered, is_covered_if = found[building["building_id"]]
        assert any_m == pytest.approx(limits["any"], abs=1e-6)
        assert counting_m == pytest.approx(limits["counting"], abs=1e-6)
        assert is_covered == (limits["counting"] is not None and limits["counting"] <= radius)
        assert is_covered_if == (limits["possible"] is not None and limits["possible"] <= radius)
        covered += is_covered
    assert covered > 0, "the small city must have something to count"


@pytest.mark.parametrize("indicator", sorted(RADII))
def test_coverage_equals_the_count_over_all_pairs(build: Build, pairs: Pairs, indicator: str) -> None:
    kinds, new_m, stock_m = RADII[indicator]
    group = {row["indicator_code"]: row["target_group"] for row in seed("indicators")}[indicator]
    counts = np.isin(pairs.kinds, kinds) & pairs.counts
    radii = np.array([radius_of(building, new_m, stock_m) for building in pairs.buildings])
    covered = (pairs.distance_m[:, counts] <= radii[:, None]).any(axis=1)
    expected = shares(pairs, covered, group)
    if indicator == "HLT-1":
        expected = {key: value for key, value in expected.items() if key <= "C4"}
    assert built_shares(build, indicator) == expected


def test_supermarkets_count_up_to_500_m(build: Build, pairs: Pairs) -> None:
    large = pairs.counts & np.array([row["subtype"] == "supermarket" for row in pairs.facilities])
    covered = (pairs.distance_m[:, large] <= 500).any(axis=1)
    assert built_shares(build, "COM-3") == shares(pairs, covered, "all")


def test_culture_circle_needs_a_centre_and_two_spaces(build: Build, pairs: Pairs) -> None:
    near = (pairs.distance_m <= 1000) & pairs.counts
    centres = near[:, pairs.kinds == "F12"].sum(axis=1)
    spaces = near[:, pairs.kinds == "F13"].sum(axis=1)
    covered = (centres >= 1) & (centres - 1 + spaces >= 2)
    assert built_shares(build, "CUL-2") == shares(pairs, covered, "all")


def test_reachable_types_are_weighted_by_residents(build: Build, pairs: Pairs) -> None:
    by_kind = {"F14": "fresh_market", "F18": "post_express"}
    types = [
        by_kind.get(row["kind_code"], row["subtype"] if row["kind_code"] in ("F15", "F19") else None)
        for row in pairs.facilities
    ]
    near = (pairs.distance_m <= 1000) & pairs.counts
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for index, building in enumerate(pairs.buildings):
        reachable = {types[place] for place in np.flatnonzero(near[index])} - {None}
        total = sums[building["community_id"] or community_of(building)]
        total[0] += len(reachable) * building["residents"]
        total[1] += building["residents"]
    assert built_shares(build, "CNV-2") == {community: tuple(total) for community, total in sums.items()}


def test_facility_stands_in_the_square_that_holds_it(build: Build, small_city: SmallCity) -> None:
    found = dict(build.rows("select facility_id, community_id from marts.facilities"))
    expected = {row["facility_id"]: community_of(row) for row in small_city.tables["facilities"]}
    assert found == expected
