"""Findings about places and the walking network: planted ones are all found, random ones as shapely and numpy find them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import Polygon, box
from small_city import SOUTH, UNIT_DEGREES, WEST, Build, Rows, SmallCity

SELECTED = ("--select", "+spatial_findings +facilities", "--exclude-resource-type", "test", "unit_test")
METRES = Transformer.from_crs("EPSG:4326", "EPSG:4549", always_xy=True)
ACCESS = {
    "not_snapped": pa.schema(
        [("point_type", pa.string()), ("point_id", pa.string()), ("distance_m", pa.float64())]
    ),
    "fragments": pa.schema(
        {
            "edge_id": pa.string(),
            "edges": pa.int64(),
            "length_m": pa.float64(),
            "is_usable": pa.bool_(),
        }
    ),
}
Findings = list[tuple[Any, ...]]


def unit(code: str, shape: Polygon, county: str, **more: Any) -> dict[str, Any]:
    return {
        "community_id": code,
        "community_name": f"合成社区{code}",
        "street_id": f"{county}S",
        "street_name": "合成街道",
        "county_id": county,
        "county_name": "合成区",
        "geometry": shape.wkb,
        "is_geometry_repaired": False,
        **more,
    }


def square(west: float, south: float, east: float, north: float) -> Polygon:
    """A box in units of the small city's squares."""
    lons, lats = (
        [origin + UNIT_DEGREES * side for side in sides]
        for origin, sides in ((WEST, (west, east)), (SOUTH, (south, north)))
    )
    return box(lons[0], lats[0], lons[1], lats[1])


def in_metres(shape: Polygon) -> Polygon:
    return shapely.transform(shape, lambda points: np.column_stack(METRES.transform(*points.T)))


def area_m2(shape: Polygon) -> float:
    return float(in_metres(shape).area)


def edge(
    code: str, ends: Sequence[tuple[float, float]], length_m: float | None, **nodes: str
) -> dict[str, Any]:
    return {"edge_id": code, "length_m": length_m, "geometry": shapely.LineString(ends).wkb, **nodes}


def drawn_m(*points: tuple[float, float]) -> float:
    return float(np.hypot(*np.diff(METRES.transform(*zip(*points, strict=True)))).sum())


def north_of(place: tuple[float, float], distance_m: float) -> tuple[float, float]:
    """The place so many metres to the north on the plane."""
    x, y = METRES.transform(*place)
    lon, lat = METRES.transform(x, y + distance_m, direction="INVERSE")
    return lon, lat


@pytest.fixture(scope="module")
def findings_of(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Build]) -> Callable[..., Build]:
    """The findings of a city; of the step `access` there is only what could not be snapped, and the fragments."""

    def build(city: SmallCity, **left: Rows) -> Build:
        folder = tmp_path_factory.mktemp("access")
        for name, schema in ACCESS.items():
            pq.write_table(
                pa.Table.from_pylist(left.get(name, []), schema=schema), folder / f"{name}.parquet"
            )
        return dbt(city, *SELECTED, access={name: f"'{folder / name}.parquet'" for name in ACCESS})

    return build


FIRST, SECOND, THIRD = (WEST, SOUTH), (WEST + 0.001, SOUTH), (WEST + 0.002, SOUTH)
LOOP = (FIRST, SECOND, (WEST + 0.001, SOUTH + 0.001), FIRST)
OVERLAP = square(3.9, 0, 4, 1)
ISLAND = square(1.4, 2.4, 1.6, 2.6)
GAP = square(1, 2, 2, 3) - ISLAND
RING = square(6, 0, 9, 3) - square(7, 1, 8, 2) - square(6.1, 0.1, 6.3, 0.3)


@pytest.fixture(scope="module")
def planted(findings_of: Callable[..., Build]) -> Findings:
    """A city with one defect of each kind, and some that are none."""
    city = SmallCity()
    city.tables["communities"][1]["is_geometry_repaired"] = True
    city.tables["communities"] += [
        unit("D1", square(3.9, 0, 5, 1), "K1"),
        unit("G1", square(0, 2, 1, 3), "K3"),
        unit("G2", square(2, 2, 3, 3), "K3"),
        unit("G3", square(0, 3, 3, 4), "K3"),
        unit("ISLAND", ISLAND, "K4"),
        unit("RING", RING, "K3"),  # its smaller hole is a sliver, its larger one is another county
        unit("CORE", square(7, 1, 8, 2), "K5"),
    ]
    inside = [("D1", 4.5, 0.5, 7), ("G1", 0.5, 2.5, 7), ("G2", 2.5, 2.5, 7), ("G3", 0.5, 3.5, 7)]
    inside += [("ISLAND", 1.5, 2.5, 7), ("RING", 6.5, 2.5, 7), ("CORE", 7.5, 1.5, 7)]
    inside += [("outside", -2, 0.5, 10), ("outside, few", -2, 0.5, 9)]
    city.tables["buildings"] += [
        {
            "building_id": f"in {code}",
            "lon": WEST + UNIT_DEGREES * east,
            "lat": SOUTH + UNIT_DEGREES * north,
            "residents": residents,
            "dwellings": 1,
        }
        for code, east, north, residents in inside
    ]
    places = [("F08-near", -0.5, 0.5), ("F08-sea", 60, 1), ("F08-in", 0.5, 0.5)]
    city.tables["facilities"] += [
        {
            "facility_id": code,
            "kind_code": "F08",
            "operating_status": "operating",
            "lon": WEST + UNIT_DEGREES * east,
            "lat": SOUTH + UNIT_DEGREES * north,
        }
        for code, east, north in places
    ]
    swapped = {"lon": SOUTH, "lat": WEST, "kind_code": "F08", "operating_status": "operating"}
    city.tables["quarantined_facilities"] = [
        swapped | {"facility_id": "held", "reason_codes": "unknown_code;swapped_coordinates"},
        swapped | {"facility_id": "other", "reason_codes": "unknown_code"},
    ]
    city.tables["quarantined_buildings"] = [
        {"lon": 0.0, "lat": 0.0, "reason_codes": "zero_coordinates;missing_key"},
        {"building_id": "far", "lon": 10.0, "lat": 10.0, "residents": 3, "reason_codes": "out_of_city"},
    ]
    city.tables["quarantined_communities"] = [
        {"community_id": "torn", "geometry": b"no outline", "reason_codes": "invalid_geometry;missing_value"}
    ]
    city.tables["quarantined_estates"] = [
        {"estate_id": "away", "lon": 10.0, "lat": 10.0, "reason_codes": "out_of_city"}
    ]
    city.tables["quarantined_walking_edges"] = [
        {"edge_id": "no line", "reason_codes": "invalid_geometry"},
        {"edge_id": "abroad", "reason_codes": "out_of_city"},  # an extract may be larger than the city
    ]
    length_m = drawn_m(FIRST, SECOND)
    city.tables["walking_edges"] = [
        edge("told", (FIRST, SECOND), None),
        edge("short", (FIRST, SECOND), 0.98 * length_m),
        edge("rounded", (FIRST, SECOND), 0.9901 * length_m),
        edge("longer", (SECOND, THIRD), 2 * length_m),
        edge("loop", LOOP, 4.0),
        edge("loop, told", LOOP, drawn_m(*LOOP)),
        edge("to N", (FIRST, SECOND), None, to_node="N"),
        edge("from N", (north_of(SECOND, 0.9), THIRD), None, from_node="N"),
    ]
    build = findings_of(
        city,
        not_snapped=[
            {"point_type": "building", "point_id": "B1-00", "distance_m": 250.5},
            {"point_type": "facility", "point_id": "F08-sea", "distance_m": None},
            {"point_type": "facility", "point_id": "F08-sea", "distance_m": None},
        ],
        fragments=[
            {"edge_id": "longer", "edges": 2, "length_m": 70.5, "is_usable": False},
            {"edge_id": "loop", "edges": 1, "length_m": 1000.0, "is_usable": True},
        ],
    )
    return build.rows(
        "select finding_code, severity, subject_type, subject_id, other_id, county_id, measure, measure_unit, lon, lat "
        "from marts.spatial_findings"
    )


def test_every_planted_finding_is_told_and_no_other(planted: Findings) -> None:
    c2, c8, d1 = square(1, 0, 2, 1), square(3, 1, 4, 2), OVERLAP
    expected = [
        ("building_not_snapped", "building", "B1-00", None, "K1", 250.5, "m"),
        ("building_outside_units", "building", "in outside", None, None, 10, "residents"),
        ("building_outside_units", "building", "in outside, few", None, None, None, "residents"),
        ("edge_shorter_than_line", "network", "loop", None, None, drawn_m(*LOOP) - 4, "m"),
        ("edge_shorter_than_line", "network", "short", None, None, 0.02 * drawn_m(FIRST, SECOND), "m"),
        ("facility_not_snapped", "facility", "F08-sea", None, None, None, "m"),
        ("facility_out_of_reach", "facility", "F08-sea", None, None, 3000, "m"),
        ("facility_outside_units", "facility", "F08-near", None, None, None, None),
        ("facility_outside_units", "facility", "F08-sea", None, None, None, None),
        ("gap_between_units", "community", "C5", "C5|C6|C7|G1|G2|G3|ISLAND", "K2", area_m2(GAP), "m2"),
        ("invalid_geometry", "community", "torn", "quarantined_communities.csv:1", None, None, None),
        ("invalid_geometry", "network", "no line", "quarantined_walking_edges.csv:1", None, None, None),
        ("network_disconnected", "network", "loop", None, None, 1000, "m"),
        ("network_fragment", "network", "longer", None, None, 70.5, "m"),
        ("out_of_city", "building", "far", "quarantined_buildings.csv:2", None, None, None),
        ("out_of_city", "estate", "away", "quarantined_estates.csv:1", None, None, None),
        ("polygon_repaired", "community", "C2", None, "K1", area_m2(c2), "m2"),
        ("swapped_coordinates", "facility", "held", "quarantined_facilities.csv:1", None, None, None),
        ("unit_without_people", "community", "C8", None, "K2", area_m2(c8), "m2"),
        ("units_overlap", "community", "C4", "D1", "K1", area_m2(d1), "m2"),
        (
            "zero_coordinates",
            "building",
            "quarantined_buildings.csv:1",
            "quarantined_buildings.csv:1",
            None,
            None,
            None,
        ),
    ]
    found = [(code, *rest) for code, _, *rest, _, _ in planted]
    assert [line[:5] + line[6:] for line in found] == [line[:5] + line[6:] for line in expected]
    for line, wanted in zip(found, expected, strict=True):
        assert line[5] == (None if wanted[5] is None else pytest.approx(wanted[5], rel=1e-5)), line
    assert {severity for _, severity, *_ in planted} == {"warn"}


def test_a_finding_can_be_looked_at_on_a_map(planted: Findings) -> None:
    nowhere = {subject for *_, subject, _, _, _, _, lon, _ in planted if lon is None}
    assert nowhere == {"torn", "no line"}
    places = {
        (code, subject): shapely.Point(lon, lat)
        for code, _, _, subject, *_, lon, lat in planted
        if subject not in nowhere
    }
    assert GAP.contains(places["gap_between_units", "C5"])
    assert OVERLAP.contains(places["units_overlap", "C4"])
    assert places["edge_shorter_than_line", "short"].distance(shapely.Point((WEST + 0.0005, SOUTH))) < 1e-5
    assert places["swapped_coordinates", "held"].coords[0] == (SOUTH, WEST)


def test_a_finding_of_severity_error_stops_the_build_with_its_ids(dbt: Callable[..., Build]) -> None:
    city = SmallCity()
    city.tables["communities"] += [
        unit("D1", square(0, 0, 1, 1.004), "K1"),
        unit("D2", square(2, 1, 3.002, 2), "K1"),
    ]
    test = "no_finding_of_severity_error_int_place_findings_"
    with pytest.raises(AssertionError, match="duplicate_unit C1 and D1; duplicate_unit C7 and D2"):
        dbt(city, "--indirect-selection", "empty", "--select", f"+int_place_findings {test}")


def test_a_node_that_lies_in_two_places_stops_the_build_with_its_name(dbt: Callable[..., Build]) -> None:
    """Of an edge whose first and last node are exchanged, both are told; what is less than a metre apart is not."""
    city = SmallCity()
    city.tables["walking_edges"] = [
        edge("E1", (FIRST, SECOND), None, from_node="A", to_node="B"),
        edge("E2", (SECOND, THIRD), None, from_node="B", to_node="C"),
        edge("E3", (north_of(SECOND, 0.98), north_of(THIRD, 0.98)), None, from_node="B", to_node="C"),
        edge("E4", (THIRD, FIRST), None, from_node="D", to_node="E"),
        edge("E5", (FIRST, north_of(THIRD, 1.02)), None, from_node="E", to_node="D"),
        edge("E6", LOOP, None, from_node="F", to_node="F"),
        edge("E7", (FIRST, SECOND), None, from_node="H", to_node="G"),
        edge("E8", (FIRST, SECOND), None, from_node="G", to_node="H"),
    ]
    test = "no_finding_of_severity_error_int_place_findings_"
    with pytest.raises(AssertionError) as stopped:
        dbt(city, "--indirect-selection", "empty", "--select", f"+int_place_findings {test}")
    told = re.findall(r"node_in_two_places (\w) and (\w+)", str(stopped.value))
    assert list(dict.fromkeys(told)) == [("D", "E4"), ("G", "E7"), ("H", "E7")]


@pytest.fixture(scope="module")
def random_city(findings_of: Callable[..., Build]) -> Build:
    """Star-shaped units thrown on the plane with their overlaps and gaps, and facilities around them to 9 km away."""
    city, rng = SmallCity(), np.random.default_rng(11)
    for number in range(60):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
        radii = rng.uniform(0.3, 1.1, 12) * UNIT_DEGREES
        east, north = (origin + rng.uniform(0, 6) * UNIT_DEGREES for origin in (WEST, SOUTH))
        corners = np.column_stack([east + radii * np.cos(angles), north + radii * np.sin(angles)])
        if (shape := Polygon(corners)).is_valid:
            city.tables["communities"].append(unit(f"S{number:02d}", shape, f"K{number % 3}"))
    city.tables["facilities"] = [
        {
            "facility_id": f"R{number:03d}",
            "kind_code": "F08",
            "operating_status": "operating",
            "lon": lon,
            "lat": lat,
        }
        for number, (lon, lat) in enumerate(
            zip(
                rng.uniform(WEST - 0.1, WEST + 0.15, 400),
                rng.uniform(SOUTH - 0.1, SOUTH + 0.15, 400),
                strict=True,
            )
        )
    ]
    return findings_of(city)


def polygons(build: Build) -> dict[str, Polygon]:
    return {
        row["community_id"]: shapely.from_wkb(row["geometry"]) for row in build.city.tables["communities"]
    }


def test_random_overlaps_are_those_of_shapely(random_city: Build) -> None:
    expected = {}
    units = sorted(polygons(random_city).items())
    for index, (code, shape) in enumerate(units):
        for other_code, other in units[index + 1 :]:
            overlap_m2 = area_m2(shape & other) if shape.intersects(other) else 0
            if overlap_m2 >= 0.01 * min(area_m2(shape), area_m2(other)) and overlap_m2:
                expected[code, other_code] = pytest.approx(overlap_m2, rel=1e-6)
    found = random_city.rows(
        "select subject_id, other_id, measure from marts.spatial_findings where finding_code = 'units_overlap'"
    )
    assert len(expected) > 30
    assert {(code, other): overlap_m2 for code, other, overlap_m2 in found} == expected


def test_random_gaps_are_those_of_shapely(random_city: Build) -> None:
    """The oracle closes what is narrower than a metre too, but with rounder corners: they differ where a gap is sharp."""
    units = {code: in_metres(shape) for code, shape in polygons(random_city).items()}
    closed = shapely.union_all(list(units.values())).buffer(0.5)
    filled = shapely.union_all([Polygon(part.exterior) for part in shapely.get_parts(closed)])
    expected = []
    for gap in shapely.get_parts(filled - closed):
        around = {code: shape for code, shape in units.items() if shape.distance(gap) < 0.9}
        gap_m2 = gap.buffer(0.5).area
        if gap_m2 >= 0.01 * min(shape.area for shape in around.values()):
            expected.append(("|".join(sorted(around)), pytest.approx(gap_m2, rel=1e-3)))
    found = random_city.rows(
        "select other_id, measure from marts.spatial_findings where finding_code = 'gap_between_units'"
    )
    assert len(expected) > 5
    assert sorted(found) == sorted(expected, key=lambda line: (line[0], line[1].expected))


def test_facilities_out_of_reach_are_those_of_all_pairs(random_city: Build) -> None:
    homes = np.array(
        random_city.rows("select x_m, y_m from intermediate.int_demand_points where residents > 0")
    )
    places = random_city.rows("select facility_id, x_m, y_m from marts.facilities order by all")
    expected = [code for code, x, y in places if np.hypot(*(homes - (x, y)).T).min() > 3000]
    found = random_city.rows(
        "select subject_id from marts.spatial_findings where finding_code = 'facility_out_of_reach' order by all"
    )
    assert 50 < len(expected) < 390
    assert [code for (code,) in found] == expected
