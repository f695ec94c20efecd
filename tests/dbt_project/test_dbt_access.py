"""Who reaches what, by both distances, against a count over all pairs from the lake's rows and the standard.

Straight lines in numpy; walks by Dijkstra's algorithm from each building, on streets cut by hand.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, cast

import duckdb
import numpy as np
import pandas as pd
import pytest
import shapely
from small_city import SOUTH, SPATIAL, UNIT_DEGREES, WEST, Build, community_of, seed

GROUPS = {
    "all": ["residents"],
    "hh": ["households"],
    "inf0_3": ["residents_age_0_2"],
    "child3_6": ["residents_age_3_5"],
    "child6_12": ["residents_age_6_11"],
    "child0_15": [f"residents_age_{ages}" for ages in ("0_2", "3_5", "6_11", "12_14")],
    "elder60": ["residents_age_60_plus"],
}
KINDS = [f"F{number:02d}" for number in range(1, 21) if number != 2]
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
class Street:
    """A usable edge in planar metres."""

    ends: tuple[str, str]
    line: np.ndarray
    length_m: float

    def beside(self, point: np.ndarray) -> tuple[float, float]:
        """Distance to the nearest spot on the line, and how far along the edge it is."""
        starts, steps = self.line[:-1], np.diff(self.line, axis=0)
        lengths = np.hypot(*steps.T)
        shares = np.clip(((point - starts) * steps).sum(axis=1) / lengths**2, 0, 1)
        legs = np.hypot(*(starts + shares[:, None] * steps - point).T)
        at = int(legs.argmin())
        along = (lengths[:at].sum() + shares[at] * lengths[at]) / lengths.sum()
        return float(legs[at]), float(along * self.length_m)


def streets_of(rows: list[dict[str, Any]]) -> list[Street]:
    """The streets that points may be on: without pieces of less than 1 km that hang on nothing."""
    streets = []
    lines = [shapely.get_coordinates(shapely.from_wkb(row["geometry"])) for row in rows]
    corners = [{"lon": float(lon), "lat": float(lat)} for line in lines for lon, lat in line]
    corners_m = project(corners) if corners else np.zeros((0, 2))
    for row, places, stop in zip(rows, lines, np.cumsum([len(line) for line in lines]), strict=True):
        line = corners_m[stop - len(places) : stop]
        ends = [
            row.get(key) or f"{lon:.7f} {lat:.7f}"
            for key, (lon, lat) in (("from_node", places[0]), ("to_node", places[-1]))
        ]
        drawn, straight = np.hypot(*np.diff(line, axis=0).T).sum(), math.dist(line[0], line[-1])
        told = row.get("length_m", 0)
        length_m = max(told, straight) if told >= 0.99 * drawn else drawn
        streets.append(Street((ends[0], ends[1]), line, length_m))
    pieces: list[list[Street]] = []
    for street in streets:
        joined = [piece for piece in pieces if any(set(street.ends) & set(other.ends) for other in piece)]
        pieces = [piece for piece in pieces if piece not in joined]
        pieces.append([street, *(other for piece in joined for other in piece)])
    assert len(pieces) == (4 if rows else 0)
    return [street for piece in pieces for street in piece if sum(other.length_m for other in piece) >= 1000]


@dataclass(frozen=True)
class Spot:
    """Where a point is on the streets."""

    street: Street
    leg_m: float
    along_m: float


def snapped(point: np.ndarray, streets: list[Street]) -> Spot | None:
    spots = [Spot(street, *street.beside(point)) for street in streets]
    best = min(spots, key=lambda spot: spot.leg_m, default=None)
    return best if best and best.leg_m <= 200 else None


def walks_from(home: Spot, places: list[Spot | None], streets: list[Street]) -> list[float]:
    """Metres to each place; infinite without a way, or for a place that is not on the streets."""
    ways: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for street in streets:
        one, other = street.ends
        ways[one].append((other, street.length_m))
        ways[other].append((one, street.length_m))
    begin, end = home.street.ends
    waiting = [(home.leg_m + home.along_m, begin), (home.leg_m + home.street.length_m - home.along_m, end)]
    reached: dict[str, float] = {}
    heapq.heapify(waiting)
    while waiting:
        walked_m, node = heapq.heappop(waiting)
        if node not in reached:
            reached[node] = walked_m
            for other, length_m in ways[node]:
                heapq.heappush(waiting, (walked_m + length_m, other))
    found = []
    for place in places:
        if place is None:
            found.append(math.inf)
            continue
        begin, end = place.street.ends
        choices = [
            reached.get(begin, math.inf) + place.along_m,
            reached.get(end, math.inf) + place.street.length_m - place.along_m,
        ]
        if place.street is home.street:
            choices.append(home.leg_m + abs(home.along_m - place.along_m))
        found.append(min(choices) + place.leg_m)
    return found


@dataclass(frozen=True)
class Pairs:
    """Every building against every operating facility; `distance_m` is the headline."""

    build: Build
    buildings: list[dict[str, Any]]
    facilities: list[dict[str, Any]]
    euclidean_m: np.ndarray
    network_m: np.ndarray
    is_network: np.ndarray
    distance_m: np.ndarray
    counts: np.ndarray
    might_count: np.ndarray
    kinds: np.ndarray
    not_snapped: set[str]


def all_pairs(build: Build) -> Pairs:
    kinds = {row["kind_code"]: row for row in seed("facility_kinds")}
    buildings = build.city.tables["buildings"]
    facilities = [row for row in build.city.tables["facilities"] if row["operating_status"] == "operating"]
    homes, places = project(buildings), project(facilities)
    euclidean_m = np.hypot(*(homes[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
    streets = streets_of(build.city.tables["walking_edges"])
    home_spots = [snapped(point, streets) for point in homes]
    place_spots = [snapped(point, streets) for point in places]
    is_network = np.array(
        [[home is not None and place is not None for place in place_spots] for home in home_spots]
    )
    walks_m = np.array(
        [walks_from(home, place_spots, streets) if home else [math.inf] * len(places) for home in home_spots]
    )
    network_m = np.where(is_network, walks_m, 1.25 * euclidean_m)
    answers = [complies(row, kinds[row["kind_code"]]) for row in facilities]
    return Pairs(
        build=build,
        buildings=buildings,
        facilities=facilities,
        euclidean_m=euclidean_m,
        network_m=network_m,
        is_network=is_network,
        distance_m=network_m if streets else euclidean_m,
        counts=np.array([answer is True for answer in answers]),
        might_count=np.array([answer is not False for answer in answers]),
        kinds=np.array([row["kind_code"] for row in facilities]),
        not_snapped={
            row["building_id"]
            for row, spot in zip(buildings, home_spots, strict=True)
            if streets and not spot
        },
    )


@pytest.fixture(scope="module")
def both(build: Build, walked: Build) -> dict[str, Pairs]:
    return {"straight": all_pairs(build), "walked": all_pairs(walked)}


@pytest.fixture(params=["straight", "walked"])
def pairs(request: pytest.FixtureRequest, both: dict[str, Pairs]) -> Pairs:
    """The city without streets, and the one with them."""
    return both[request.param]


def people_of(pairs: Pairs, group: str) -> np.ndarray:
    """Persons of a group in each building; nan where they are not known."""
    columns = [[row.get(column) for column in GROUPS[group]] for row in pairs.buildings]
    return np.array(columns, dtype=float).sum(axis=1)


def of_the_last_of(share: float, measured: np.ndarray, people: np.ndarray) -> float:
    """Least measure that a share of the people do not exceed, counted person by person; nan is beyond any."""
    known = ~np.isnan(people)
    each = np.sort(np.repeat(np.nan_to_num(measured[known], nan=math.inf), people[known].astype(int)))
    found = float(each[math.ceil(share * len(each)) - 1])
    return found if math.isfinite(found) else math.nan


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


def radii_of(pairs: Pairs, kind: str) -> np.ndarray:
    """The radius of a kind that applies to each building."""
    new_m = float({row["kind_code"]: row for row in seed("facility_kinds")}[kind]["radius_m"])
    return np.array(
        [radius_of(building, new_m, STOCK_RADII.get(kind, new_m)) for building in pairs.buildings]
    )


def nearest(distance_m: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Distance from each building to the nearest within the search limit, else nan."""
    least = distance_m[:, among].min(axis=1, initial=math.inf)
    return np.where(least <= 3000, least, math.nan)


def frame(build: Build, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(build.database), read_only=True) as connection:
        return connection.sql(sql).df()


@pytest.mark.parametrize("kind", KINDS)
def test_nearest_facilities_are_the_nearest_of_all(pairs: Pairs, kind: str) -> None:
    found = frame(pairs.build, f"from marts.demand_access where kind_code = '{kind}'").set_index(
        "building_id"
    )
    assert len(found) == len(pairs.buildings)
    found = found.loc[[row["building_id"] for row in pairs.buildings]]
    of_kind, radii = pairs.kinds == kind, radii_of(pairs, kind)
    counting, possible = of_kind & pairs.counts, of_kind & pairs.might_count
    covered = found.is_covered.to_numpy()
    assert 0 < covered.sum() < len(covered) or kind in ("F09", "F13", "F19"), (
        "the small city has something to count"
    )
    for column, distance_m, among in (
        ("nearest_facility_distance_m", pairs.distance_m, of_kind),
        ("nearest_counting_distance_m", pairs.distance_m, counting),
        ("nearest_counting_euclidean_m", pairs.euclidean_m, counting),
        ("nearest_counting_network_m", pairs.network_m, counting),
    ):
        np.testing.assert_allclose(found[column], nearest(distance_m, among), rtol=0, atol=1e-6)
    for column, distance_m, among in (
        ("is_covered", pairs.distance_m, counting),
        ("is_covered_if_unverified_count", pairs.distance_m, possible),
        ("is_covered_euclidean", pairs.euclidean_m, counting),
        ("is_covered_network", pairs.network_m, counting),
    ):
        assert found[column].tolist() == (nearest(distance_m, among) <= radii).tolist()
    place = {row["facility_id"]: number for number, row in enumerate(pairs.facilities)}
    for index, row in enumerate(found.itertuples()):
        if not pd.isna(row.nearest_counting_network_m):
            number = place[row.nearest_counting_network_id]
            assert pairs.network_m[index, number] == pytest.approx(row.nearest_counting_network_m, abs=1e-6)
            assert row.network_basis == ("network" if pairs.is_network[index, number] else "detour_factor")
            assert row.walking_minutes == row.nearest_counting_network_m / 80
        number = place[row.nearest_counting_euclidean_id]
        assert pairs.euclidean_m[index, number] == pytest.approx(row.nearest_counting_euclidean_m, abs=1e-6)


def test_the_streets_have_every_sort_of_walk(both: dict[str, Pairs]) -> None:
    """What the comparison above rests on: long ways round, estimates, and places to which there is no way."""
    pairs = both["walked"]
    ways = pairs.network_m[pairs.is_network]
    assert (ways >= pairs.euclidean_m[pairs.is_network] - 1e-6).all()
    assert np.isinf(ways).any() and np.isfinite(ways).any() and not pairs.is_network.all()
    known = np.isfinite(ways)
    assert np.median(ways[known] / pairs.euclidean_m[pairs.is_network][known]) > 1.25
    basis = frame(pairs.build, "select network_basis, count(*) as n from marts.demand_access group by all")
    assert {"network", "detour_factor"} <= set(basis.network_basis)


def test_who_is_not_on_the_streets_is_listed(both: dict[str, Pairs]) -> None:
    for pairs in both.values():
        sql = "select point_id from staging.stg_access_not_snapped where point_type = 'building'"
        assert {point for (point,) in pairs.build.rows(sql)} == pairs.not_snapped
        sql = "select distinct points_not_snapped from marts.kind_access where area_level = 'city'"
        assert pairs.build.rows(sql) == [(len(pairs.not_snapped),)]
    assert both["walked"].not_snapped
    pieces = both["walked"].build.rows(
        "select edges, is_usable, lon, lat from staging.stg_access_fragments order by length_m"
    )
    assert [(edges, usable) for edges, usable, _, _ in pieces] == [(1, False), (3, True), (9, True)]
    slip = WEST + UNIT_DEGREES / 3 * 11.6, SOUTH + UNIT_DEGREES / 3 * 1.35
    assert pieces[0][2:] == pytest.approx(slip, abs=1e-6)


def test_detour_penalty_is_what_the_walk_takes(pairs: Pairs) -> None:
    penalty = frame(pairs.build, "from marts.detour_penalty where area_level = 'city'").set_index("kind_code")
    assert len(penalty) == len(KINDS)
    has_streets = bool(pairs.build.city.tables["walking_edges"])
    assert set(penalty.network_basis) == {"network" if has_streets else "detour_factor"}
    assert set(penalty.detour_factor) == {1.25}
    snapped = np.array([row["building_id"] not in pairs.not_snapped for row in pairs.buildings])
    without_walk = 0
    for kind, row in penalty.iterrows():
        people = people_of(pairs, row.target_group)
        counting, radii = (pairs.kinds == kind) & pairs.counts, radii_of(pairs, cast(str, kind))
        straight_m, walk_m = nearest(pairs.euclidean_m, counting), nearest(pairs.network_m, counting)
        lost = np.nansum(people[straight_m <= radii]) - np.nansum(people[walk_m <= radii])
        assert row.lost_population == lost >= 0
        assert row.lost_pct_points == pytest.approx(100 * lost / np.nansum(people))
        assert (row.on_network_pct > 0) == has_streets
        best = np.where(counting, pairs.network_m, math.inf).argmin(axis=1)
        walked = pairs.is_network[np.arange(len(best)), best] & ~np.isnan(walk_m)
        assert row.on_network_pct == pytest.approx(100 * walked.sum() / (~np.isnan(walk_m)).sum())
        lost_walk = np.isnan(walk_m) & snapped & ~np.isnan(straight_m)
        without_walk += lost_walk.sum()
        expected = math.nan
        if has_streets:
            measured = walked | lost_walk
            expected = of_the_last_of(0.5, (walk_m / straight_m)[measured], people[measured])
        assert row.median_detour_ratio == pytest.approx(expected, abs=0.0051, nan_ok=True)
    assert (without_walk > 0) == has_streets


def test_distances_of_an_area_are_those_of_whom_the_kind_is_meant_for(pairs: Pairs) -> None:
    rows = frame(pairs.build, "from marts.kind_access where area_level = 'city'").set_index("kind_code")
    for kind, row in rows.iterrows():
        least_m = nearest(pairs.distance_m, (pairs.kinds == kind) & pairs.counts)
        people = people_of(pairs, row.target_group)
        for column, share in (("median_distance_m", 0.5), ("p90_distance_m", 0.9)):
            expected = of_the_last_of(share, np.ceil(least_m), people)
            assert row[column] == pytest.approx(expected, abs=0, nan_ok=True)
        assert row.nearest_counting_distance_m == pytest.approx(np.nanmin(least_m), abs=1e-6)
        [place] = np.flatnonzero(
            [one["facility_id"] == row.nearest_counting_facility_id for one in pairs.facilities]
        )
        assert pairs.distance_m[:, place].min() == pytest.approx(row.nearest_counting_distance_m, abs=1e-6)


@pytest.mark.parametrize("kind", ["F01", "F03", "F05", "F08", "F09", "F15", "F17"])
def test_supply_is_the_two_step_floating_catchment(pairs: Pairs, kind: str) -> None:
    """The two steps person by person: facilities are shared out among who is near, and each has the shares in reach."""
    standard = {row["kind_code"]: row for row in seed("facility_kinds")}[kind]
    size = next(
        (
            column
            for column, rule in (
                ("capacity", "capacity_unit"),
                ("floor_area_m2", "min_floor_area_m2"),
                ("land_area_m2", "min_land_area_m2"),
            )
            if standard[rule]
        ),
        None,
    )
    counting = np.flatnonzero((pairs.kinds == kind) & pairs.counts)
    sizes = np.array([pairs.facilities[place][size] if size else 1 for place in counting], dtype=float)
    people = pd.DataFrame(
        {
            "community_id": [row["community_id"] or community_of(row) for row in pairs.buildings],
            "persons": people_of(pairs, standard["target_group"]),
        }
    )
    near = pairs.distance_m[:, counting] <= radii_of(pairs, kind)[:, None]
    residents, is_known = people_of(pairs, "all"), people.persons.notna().to_numpy()
    persons_near = near.T @ people.persons.fillna(0).to_numpy()
    has_shares = (persons_near > 0) & (100 * (near.T @ (residents * is_known)) >= 65 * (near.T @ residents))
    shares_m = np.divide(sizes, persons_near, out=np.zeros(len(sizes)), where=has_shares)
    people["supply"] = (near @ shares_m) * people.persons
    found = frame(
        pairs.build,
        f"from marts.kind_access where area_level in ('community', 'city') and kind_code = '{kind}'",
    ).set_index("area_id")
    areas = {"small": is_known} | {
        community: is_known & (people.community_id == community).to_numpy()
        for community in people.community_id[is_known].unique()
    }
    for area, lives_here in areas.items():
        in_reach = (near & (people.persons > 0).to_numpy()[:, None])[lives_here].any(axis=0)
        supply, persons = people[lives_here][["supply", "persons"]].sum()
        is_told = has_shares[in_reach].any() or not in_reach.any()
        expected = 1000 * supply / persons if is_told else math.nan
        assert found.supply_2sfca_per_1000[area] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
        known_pct = 100 * has_shares[in_reach].mean() if in_reach.any() else math.nan
        assert found.supply_known_pct[area] == pytest.approx(known_pct, nan_ok=True)
    assert pd.isna(found.supply_2sfca_per_1000["C8"])
    # nothing is lost on the way: what is shared out is what there is
    assert people.supply.sum() == pytest.approx(sizes[has_shares].sum())
    if kind in ("F03", "F08"):
        assert not has_shares[persons_near > 0].all(), "C4 knows no ages"


def test_a_group_that_is_not_known_has_no_distances(pairs: Pairs) -> None:
    """C4 knows no ages, nor the street of it and C3; C8 has nobody."""
    sql = """
        select area_id, count(*), count(median_distance_m), count(p90_distance_m), count(median_detour_ratio)
        from marts.kind_access where coalesce(target_population, 0) = 0 group by area_id order by area_id
    """
    assert pairs.build.rows(sql) == [
        ("C4", 7, 0, 0, 0),
        ("C8", len(KINDS), 0, 0, 0),
        ("K1S2", 7, 0, 0, 0),
    ]


def test_provision_by_hand(pairs: Pairs) -> None:
    """Day-care floor of K2 for each 100 households, and the beds of the county for its elders."""
    own = {"C5", "C6", "C7", "C8"}
    facilities = [row for row in pairs.facilities if community_of(row) in own]
    area = sum(row["floor_area_m2"] or 0 for row in facilities if row["kind_code"] == "F07")
    beds = sum(row["capacity"] for row in facilities if row["kind_code"] == "F09")
    people = [row for row in pairs.buildings if community_of(row) in own]
    households = sum(row["households"] for row in people)
    elders = sum(row["residents_age_60_plus"] for row in people)
    sql = "select kind_code, provision_value, provision_standard, provision_gap from marts.kind_access"
    rows = pairs.build.rows(f"{sql} where area_id = 'K2' and provision_value is not null order by 1")
    found = {kind: values for kind, *values in rows}
    assert set(found) <= {"F01", "F03", "F07", "F09", "F17"}
    assert found["F07"] == pytest.approx([100 * area / households, 20, max(0.2 * households - area, 0)])
    assert found["F09"] == pytest.approx([1000 * beds / elders, 40, max(0.04 * elders - beds, 0)])
    below = f"{sql} where kind_code = 'F09' and area_level in ('community', 'street') and provision_value is not null"
    assert pairs.build.rows(below) == []


@pytest.mark.parametrize("indicator", sorted(RADII))
def test_coverage_equals_the_count_over_all_pairs(pairs: Pairs, indicator: str) -> None:
    kinds, new_m, stock_m = RADII[indicator]
    group = {row["indicator_code"]: row["target_group"] for row in seed("indicators")}[indicator]
    counts = np.isin(pairs.kinds, kinds) & pairs.counts
    radii = np.array([radius_of(building, new_m, stock_m) for building in pairs.buildings])
    covered = (pairs.distance_m[:, counts] <= radii[:, None]).any(axis=1)
    expected = shares(pairs, covered, group)
    if indicator == "HLT-1":
        expected = {key: value for key, value in expected.items() if key <= "C4"}
    assert built_shares(pairs.build, indicator) == expected


def test_supermarkets_count_up_to_500_m(pairs: Pairs) -> None:
    large = pairs.counts & np.array([row["subtype"] == "supermarket" for row in pairs.facilities])
    covered = (pairs.distance_m[:, large] <= 500).any(axis=1)
    assert built_shares(pairs.build, "COM-3") == shares(pairs, covered, "all")


def test_culture_circle_needs_a_centre_and_two_spaces(pairs: Pairs) -> None:
    near = (pairs.distance_m <= 1000) & pairs.counts
    centres = near[:, pairs.kinds == "F12"].sum(axis=1)
    spaces = near[:, pairs.kinds == "F13"].sum(axis=1)
    covered = (centres >= 1) & (centres - 1 + spaces >= 2)
    assert built_shares(pairs.build, "CUL-2") == shares(pairs, covered, "all")


def test_reachable_types_are_weighted_by_residents(pairs: Pairs) -> None:
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
    assert built_shares(pairs.build, "CNV-2") == {
        community: tuple(total) for community, total in sums.items()
    }


def test_facility_stands_in_the_square_that_holds_it(build: Build) -> None:
    found = dict(build.rows("select facility_id, community_id from marts.facilities"))
    expected = {row["facility_id"]: community_of(row) for row in build.city.tables["facilities"]}
    assert found == expected
