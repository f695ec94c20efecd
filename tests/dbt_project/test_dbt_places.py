"""The marts of places against the lake's rows: people, dwellings, circles, and what a unit was half a year ago."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import Transformer
from small_city import PERIOD_END, Build, SmallCity, community_of, seed

MODELS_ONLY = ("--exclude-resource-type", "test", "unit_test")
MARTS = "+communities +buildings +estates +circles +facilities +int_candidate_sites"
STOCK_RADII = {"F03": 500, "F07": 500, "F11": 500}
"""Kinds with an indicator that uses the wider radius in existing areas."""
AGES = ["0_2", "3_5", "6_11", "12_14", "15_59", "60_plus"]
METRES = Transformer.from_crs("EPSG:4326", "EPSG:4549", always_xy=True)
BEFORE = {"C1": 900, "C2": 800, "C9": 700}


@pytest.fixture(scope="module")
def places(dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The small city with a previous release, whose units are those of today but for C2 (then called C9) and C3 (new)."""
    city = SmallCity()
    today = city.tables["communities"]
    before = [row | ({"community_id": "C9"} if row["community_id"] == "C2" else {}) for row in today]
    city.tables["previous_communities"] = [row for row in before if row["community_id"] != "C3"]
    eve, end = PERIOD_END - dt.timedelta(microseconds=1), PERIOD_END
    there = {"lon": 118.86, "lat": 28.935, "kind_code": "F08", "operating_status": "operating"}
    city.tables["facilities"] += [
        there | {"facility_id": "closed", "closed_on": eve},
        there | {"facility_id": "closing", "closed_on": end},
        there | {"facility_id": "opening", "opened_on": end},
        there
        | {
            "facility_id": "in a school",
            "kind_code": "F14",
            "floor_area_m2": 750.0,
            "host_facility_id": "F05-05",
        },
        there | {"facility_id": "outside", "lon": 118.84, "closed_on": None},
    ]
    release = tmp_path_factory.mktemp("release")
    (release / "tables").mkdir()
    areas = [
        {"area_level": "community", "area_id": code, "residents": people} for code, people in BEFORE.items()
    ]
    areas.append({"area_level": "street", "area_id": "C3", "residents": 5})
    pq.write_table(pa.Table.from_pylist(areas), release / "tables" / "areas.parquet")
    return dbt(city, "--select", MARTS, *MODELS_ONLY, previous_release=str(release))


def test_every_building_and_estate_is_there_with_its_community(places: Build) -> None:
    for mart, key in (("buildings", "building_id"), ("estates", "estate_id")):
        expected = [(row[key], community_of(row), row["dwellings"]) for row in places.city.tables[mart]]
        assert places.rows(f"select {key}, community_id, dwellings from marts.{mart} order by all") == sorted(
            expected
        )


def test_people_of_a_community_are_those_of_its_buildings(places: Build) -> None:
    columns = ["residents", "households", "dwellings", *(f"residents_age_{ages}" for ages in AGES)]
    expected = {row["community_id"]: [0] + [None] * 8 for row in places.city.tables["communities"]}
    for row in places.city.tables["buildings"]:
        sums = expected[community_of(row)]
        for place, column in enumerate(columns):
            if row.get(column) is not None:
                sums[place] = (sums[place] or 0) + row[column]
    found = places.rows(f"select community_id, {', '.join(columns)} from marts.communities")
    assert {code: sums for code, *sums in found} == expected


def test_a_community_tells_what_it_was_and_how_many_lived_there(places: Build) -> None:
    found = places.rows(
        "select community_id, relation, previous_community_ids, previous_residents from marts.communities "
        "where community_id in ('C1', 'C2', 'C3', 'C4') order by all"
    )
    assert found == [
        ("C1", "same", "C1", 900),
        ("C2", "renamed", "C9", 700),
        ("C3", "founded", None, None),
        ("C4", "same", "C4", None),
    ]


def test_a_facility_is_judged_as_of_the_end_of_the_half_year(places: Build) -> None:
    found = places.rows(
        "select facility_id, facility_status, valid_from, valid_to, community_id from marts.facilities "
        "where facility_id in ('closed', 'closing', 'opening', 'in a school', 'outside') order by all"
    )
    eve = PERIOD_END - dt.timedelta(microseconds=1)
    assert found == [
        ("closed", "closed", None, eve, "C2"),
        ("closing", "compliant", None, PERIOD_END, "C2"),
        ("in a school", "misplaced", None, None, "C2"),
        ("opening", "planned", PERIOD_END, None, "C2"),
        ("outside", "compliant", None, None, None),
    ]


def test_sites_are_rooms_land_and_the_centres_that_count(places: Build) -> None:
    """Of a room, one that is free too late and land in no community (SmallCity._sites); every centre that counts once."""
    listed = places.rows(
        "select site_id, site_type, community_id, street_id is null, x_m > 0, cost_cny, host_facility_id "
        "from intermediate.int_candidate_sites where site_type <> 'co_location' order by all"
    )
    assert listed == [
        ("land", "land", None, True, True, None, None),
        ("room", "vacant_room", "C1", False, True, 500_000.0, None),
    ]
    centres = places.rows(
        "select facility_id, community_id from marts.facilities "
        "where kind_code = 'F01' and facility_status = 'compliant' order by all"
    )
    assert len(centres) > 5
    hosts = places.rows(
        "select host_facility_id, community_id from intermediate.int_candidate_sites "
        "where site_type = 'co_location' and site_id = 'in-' || host_facility_id order by all"
    )
    assert hosts == centres


def test_every_counting_facility_has_its_circles(places: Build) -> None:
    radii = {
        row["kind_code"]: (float(row["radius_m"]), int(row["tier_min"])) for row in seed("facility_kinds")
    }
    expected = set()
    for code, kind in places.rows(
        "select facility_id, kind_code from marts.facilities where facility_status = 'compliant'"
    ):
        radius_m, tier = radii[kind]
        if kind in STOCK_RADII:
            expected |= {(code, "new", radius_m, tier), (code, "stock", float(STOCK_RADII[kind]), tier)}
        else:
            expected.add((code, "all", radius_m, tier))
    found = places.rows("select facility_id, area_type, radius_m, tier_min from marts.circles")
    assert len(found) == len(expected) > 100
    assert set(found) == expected


def test_a_circle_has_64_corners_on_it_and_so_lies_inside(places: Build) -> None:
    """A corner is as far from the facility as the radius says, to a micrometre; the middle of a side a little less."""
    rows = places.rows(
        "select x_m, y_m, radius_m, st_aswkb(geometry)::blob from marts.circles join marts.facilities using (facility_id)"
    )
    for x_m, y_m, radius_m, wkb in rows:
        corners = shapely.get_coordinates(shapely.from_wkb(bytes(wkb)))
        there = np.column_stack(METRES.transform(*corners.T)) - (x_m, y_m)
        sides = (there[1:] + there[:-1]) / 2
        assert len(corners) == 65
        assert np.hypot(*there.T) == pytest.approx(radius_m, abs=1e-6)
        assert np.hypot(*sides.T) == pytest.approx(radius_m * np.cos(np.pi / 64), abs=1e-6)
