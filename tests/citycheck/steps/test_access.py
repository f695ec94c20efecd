"""Who reaches what, on places made by hand: a street of 1,000 m from west to east, and what lies beside it or beyond."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from citycheck.errors import NotReady
from citycheck.steps import access

SCORING = {
    "access_search_limit_m": 3000,
    "snap_limit_m": 200,
    "network_fragment_m": 1000,
    "detour_factor": 1.25,
}


@pytest.fixture
def made(tmp_path):
    """A function that writes places: buildings (id, county, x, y), facilities (id, x, y, limit), edges (id, x0, y0, x1, y1)."""

    def write(buildings=(), facilities=(), edges=(), counties=("K1",)):
        path = tmp_path / "2026H1.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as places:
            places.execute(
                """
                create schema staging; create schema intermediate; create schema standard;
                create table standard.scoring (parameter varchar, value double);
                create table staging.stg_communities (county_id varchar);
                create table intermediate.int_demand_points (building_id varchar, county_id varchar, x_m double, y_m double);
                create table intermediate.int_facility_classes
                    (facility_id varchar, kind_code varchar, facility_class varchar, x_m double, y_m double);
                create table intermediate.int_circle_facilities
                    (facility_id varchar, kind_code varchar, x_m double, y_m double, limit_m double);
                create table staging.stg_walking_edges
                    (edge_id varchar, from_node varchar, to_node varchar, length_m double,
                     x_min_m double, y_min_m double, x_max_m double, y_max_m double, line_m blob);
                """
            )

            def fill(table, rows):
                for row in rows:
                    places.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)

            fill("standard.scoring", SCORING.items())
            fill("staging.stg_communities", [(county,) for county in counties])
            fill("intermediate.int_demand_points", buildings)
            for facility_class in ("operating", "counting"):
                fill(
                    "intermediate.int_facility_classes",
                    [(code, "F01", facility_class, x, y) for code, x, y, _ in facilities],
                )
            fill(
                "intermediate.int_circle_facilities",
                [(code, "F01", x, y, limit) for code, x, y, limit in facilities],
            )
            fill("staging.stg_walking_edges", [edge(*given) for given in edges])
        return path, tmp_path / "access"

    return write


def edge(code, x0, y0, x1, y1):
    line = shapely.LineString([(x0, y0), (x1, y1)])
    return code, f"{x0},{y0}", f"{x1},{y1}", line.length, *line.bounds, shapely.to_wkb(line)


def measured(places, folder, *counties):
    """What all counties leave, by name of the relation: rows as dicts."""
    access.prepare(places, folder)
    for county in counties or access.counties(places):
        access.run(places, county, folder)
    return {name: rows(folder, name) for name in access.SCHEMAS}


def rows(folder, name):
    return [
        row
        for path in sorted(folder.glob(f"county-*.{name}.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


STREET = ("main", 0, 0, 1000, 0)


def test_both_distances_of_a_pair_on_a_street(made):
    """30 m to the street, 400 m along it, 0 m from it; 3 m and 4 m to the side make 5 m more than the straight line."""
    places, folder = made([("B", "K1", 100, 30)], [("S", 500, 0, 500)], [STREET])
    found = measured(places, folder)
    straight = float(np.hypot(400, 30))
    nearest = {
        "euclidean_facility_id": "S",
        "euclidean_m": straight,
        "network_facility_id": "S",
        "network_m": 430.0,
    }
    assert found["nearest"] == [
        {
            "building_id": "B",
            "kind_code": "F01",
            "facility_class": name,
            **nearest,
            "network_basis": "network",
        }
        for name in ("counting", "operating")
    ]
    assert found["reach"] == [
        {
            "building_id": "B",
            "facility_id": "S",
            "euclidean_m": straight,
            "network_m": 430.0,
            "network_basis": "network",
        }
    ]
    assert found["not_snapped"] == []


def test_a_walk_that_leaves_the_circle_stays_in_reach_as_the_crow_flies(made):
    places, folder = made([("B", "K1", 100, 30)], [("S", 500, 0, 402)], [STREET])
    [pair] = measured(places, folder)["reach"]
    assert pair["euclidean_m"] < 402 and pair["network_m"] is None and pair["network_basis"] is None


def test_who_is_too_far_from_every_street_is_told_and_takes_the_detour_factor(made):
    """At exactly 200 m one is on the network; a little beyond, for building or facility, 1.25 straight lines."""
    buildings = [("edge", "K1", 500, 200), ("off", "K1", 500, 200.5)]
    places, folder = made(buildings, [("S", 500, 0, 1000), ("off", 500, -300, 1000)], [STREET])
    found = measured(places, folder)
    assert found["not_snapped"] == [
        {"point_type": "building", "point_id": "off", "distance_m": 200.5},
        {"point_type": "facility", "point_id": "off", "distance_m": 300.0},
    ]
    walks = {
        (row["building_id"], row["facility_id"]): (row["network_m"], row["network_basis"])
        for row in found["reach"]
    }
    assert walks == {
        ("edge", "S"): (200.0, "network"),
        ("edge", "off"): (625.0, "detour_factor"),
        ("off", "S"): (250.625, "detour_factor"),
        ("off", "off"): (625.625, "detour_factor"),
    }


def test_a_county_without_streets_in_a_city_with_a_network_is_told(made):
    buildings = [("here", "K1", 100, 0), ("there", "K2", 50_000, 0)]
    facilities = [("S", 200, 0, 500), ("T", 50_200, 0, 500)]
    found = measured(*made(buildings, facilities, [STREET], ("K1", "K2")))
    assert [(row["point_id"], row["distance_m"]) for row in found["not_snapped"]] == [
        ("there", None),
        ("T", None),
    ]
    walks = {row["building_id"]: (row["network_m"], row["network_basis"]) for row in found["reach"]}
    assert walks == {"here": (100.0, "network"), "there": (250.0, "detour_factor")}


def test_a_city_without_network_has_no_finding_and_a_declared_factor(made):
    places, folder = made([("B", "K1", 0, 0)], [("S", 0, 400, 500), ("T", 0, 2_900, 3000)])
    found = measured(places, folder)
    assert found["not_snapped"] == []
    assert [(r["facility_id"], r["network_m"], r["network_basis"]) for r in found["reach"]] == [
        ("S", 500.0, "detour_factor"),
        ("T", None, None),  # 3,625 m on foot
    ]
    access.run(places, "K1", folder, detour_factor=1.0)
    assert [row["network_m"] for row in rows(folder, "reach")] == [400.0, 2900.0]


def test_nobody_is_snapped_to_a_slip_of_the_drawing_and_it_is_listed(made):
    slip = ("slip", 100, 100, 180, 100)
    long_street = ("main", 0, 0, 2000, 0)
    places, folder = made([("B", "K1", 100, 100)], [("S", 180, 100, 500)], [long_street, slip])
    found = measured(places, folder)
    assert [row["network_m"] for row in found["reach"]] == [280.0]
    assert pq.read_table(folder / "fragments.parquet").to_pylist() == [
        {"edge_id": "slip", "edges": 1, "length_m": 80.0, "is_usable": False}
    ]


def test_a_part_of_its_own_is_not_reached_and_the_main_one_is_used_however_short(made):
    island = ("island", 0, 500, 1500, 500)
    found = measured(*made([("B", "K1", 100, 0)], [("S", 100, 500, 800)], [STREET, island]))
    assert [(r["euclidean_m"], r["network_m"]) for r in found["reach"]] == [(500.0, None)]
    found = measured(*made([("B", "K1", 0, 0)], [("S", 80, 0, 800)], [("only", 0, 0, 80, 0)]))
    assert [(r["network_m"], r["network_basis"]) for r in found["reach"]] == [(80.0, "network")]


def test_facilities_and_streets_over_the_border_of_the_county_count(made):
    """The way leads through the neighbour's streets to the neighbour's facility, and is found from either side."""
    streets = [("a", 0, 0, 500, 0), ("b", 500, 0, 500, 1000), ("c", 500, 1000, 900, 1000)]
    buildings = [("B", "K1", 0, 0), ("C", "K2", 900, 1000)]
    facilities = [("at B", 0, 0, 2000), ("at C", 900, 1000, 2000)]
    found = measured(*made(buildings, facilities, streets, ("K1", "K2")))
    walks = {(row["building_id"], row["facility_id"]): row["network_m"] for row in found["reach"]}
    assert walks == {("B", "at B"): 0.0, ("B", "at C"): 1900.0, ("C", "at B"): 1900.0, ("C", "at C"): 0.0}


def test_many_circles_are_filled_some_at_a_time(made, monkeypatch):
    rng = np.random.default_rng(1)
    buildings = [(f"B{n}", "K1", *rng.uniform(0, 1000, 2)) for n in range(40)]
    facilities = [(f"S{n}", *rng.uniform(0, 1000, 2), 600) for n in range(30)]
    places, folder = made(buildings, facilities, [STREET])

    def pairs():
        return {
            (row["building_id"], row["facility_id"]): tuple(row.values())[2:] for row in rows(folder, "reach")
        }

    measured(places, folder)
    at_once = pairs()
    assert len(at_once) > 500
    monkeypatch.setattr(access, "_CIRCLES", 7)
    measured(places, folder)
    assert pairs() == at_once


@pytest.mark.parametrize("buildings", [[], [("B", "K1", 0, 0)]])
@pytest.mark.parametrize("facilities", [[], [("S", 100, 0, 500)]])
@pytest.mark.parametrize("edges", [[], [STREET]])
def test_whatever_is_missing_the_files_are_there_with_their_columns(made, buildings, facilities, edges):
    places, folder = made(buildings, facilities, edges)
    measured(places, folder)
    access.check_complete(places, folder)
    for name, schema in access.SCHEMAS.items():
        [path] = folder.glob(f"county-*.{name}.parquet")
        assert pq.read_schema(path).equals(schema)
    assert pq.read_schema(folder / "fragments.parquet").equals(access.FRAGMENTS)
    found = duckdb.sql(f"select count(*) from read_parquet('{access.files(folder)['reach']}')").fetchall()
    assert found == [(1 if buildings and facilities else 0,)]


def test_the_same_places_give_the_same_bytes(made):
    places, folder = made([("B", "K1", 100, 30)], [("S", 500, 0, 500)], [STREET])
    measured(places, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    measured(places, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_marts_wait_for_every_county_and_one_that_failed_is_done_alone(made):
    counties = (".", "K/1", "K*")
    places, folder = made([("B", "K/1", 0, 0)], [("S", 0, 0, 500)], [STREET], counties)
    with pytest.raises(NotReady, match="the places are not built"):
        access.run(places, "K/1", folder)
    with pytest.raises(NotReady, match="not prepared"):
        access.check_complete(places, folder)
    access.prepare(places, folder)
    for county in access.counties(places)[1:]:
        access.run(places, county, folder)
    with pytest.raises(NotReady, match=r"County \.: who reaches what is not measured"):
        access.check_complete(places, folder)
    access.run(places, ".", folder)
    access.check_complete(places, folder)
    assert duckdb.sql(f"from read_parquet('{access.files(folder)['reach']}')").fetchall() == [
        ("B", "S", 0.0, 0.0, "network")
    ]
    access.prepare(places, folder)  # the places were built anew: what was measured on the old ones is gone
    with pytest.raises(NotReady, match="is not measured"):
        access.check_complete(places, folder)
