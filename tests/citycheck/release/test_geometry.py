"""The places of a release, opened as QGIS and geopandas open them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import geopandas
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from citycheck.duck import connect
from citycheck.release import bundle
from citycheck.release.geometry import GEOPACKAGE

ROWS = {"communities": 18, "streets": 2, "counties": 2, "facilities": 18, "projects": 16}
TYPES = {
    "communities": "MultiPolygon",
    "streets": "MultiPolygon",
    "counties": "MultiPolygon",
    "facilities": "Point",
    "projects": "Point",
}


def test_the_geopackage_has_every_layer(bundle_folder):
    assert dict(pyogrio.list_layers(bundle_folder / GEOPACKAGE)) == TYPES


@pytest.mark.parametrize("layer", ROWS)
def test_a_layer_opens_in_longitude_and_latitude(bundle_folder, layer):
    info = pyogrio.read_info(bundle_folder / GEOPACKAGE, layer=layer)
    assert (info["crs"], info["features"], info["geometry_type"]) == ("EPSG:4326", ROWS[layer], TYPES[layer])
    assert "合成数据" in info["layer_metadata"]["DESCRIPTION"]
    frame = pyogrio.read_dataframe(bundle_folder / GEOPACKAGE, layer=layer)
    assert frame.is_valid.all() and set(frame.geom_type) == {TYPES[layer]}
    west, south, east, north = frame.total_bounds
    assert 118.8 < west < east < 118.9 and 28.9 <= south < north < 29


def test_the_geopackage_is_sound_and_as_old_as_the_cut_off(bundle_folder):
    with closing(sqlite3.connect(f"file:{bundle_folder / GEOPACKAGE}?mode=ro", uri=True)) as file:
        assert file.execute("pragma integrity_check").fetchone() == ("ok",)
        assert file.execute("pragma application_id").fetchone() == (int.from_bytes(b"GPKG"),)
        changed = file.execute("select distinct last_change from gpkg_contents").fetchall()
    assert changed == [("2026-07-15T16:00:00.000Z",)]


@pytest.mark.parametrize("layer", ROWS)
def test_geoparquet_says_the_same(bundle_folder, layer):
    path = bundle_folder / f"geometry/{layer}.parquet"
    frame = geopandas.read_parquet(path)
    assert frame.crs == "OGC:CRS84"
    other = pyogrio.read_dataframe(bundle_folder / GEOPACKAGE, layer=layer)
    assert shapely.equals(frame.geometry.values, other.geometry.values).all()
    assert list(frame.iloc[:, 0]) == list(other.iloc[:, 0]) == sorted(frame.iloc[:, 0])
    geo = json.loads(pq.read_schema(path).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"][:2], geo["primary_column"], column["encoding"]) == ("1.", "geometry", "WKB")
    assert "crs" not in column or column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}


def test_streets_and_counties_are_their_communities_dissolved(bundle_folder):
    communities = geopandas.read_parquet(bundle_folder / "geometry/communities.parquet")
    for layer, key in (("streets", "street_id"), ("counties", "county_id")):
        areas = geopandas.read_parquet(bundle_folder / f"geometry/{layer}.parquet").set_index(key)
        for id_, members in communities.groupby(key):
            assert shapely.equals(areas.geometry[id_], shapely.union_all(members.geometry.values))
    assert list(communities.index_score.isna()).count(True) == 2


def test_the_order_of_communities_does_not_move_a_border(full_build, bundle_folder, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute(
            "create or replace table marts.communities as from marts.communities order by random()"
        )
    again = bundle.stage(full_build.database, full_build.manifest, tmp_path / "again", full_build.provenance)
    assert (again / GEOPACKAGE).read_bytes() == (bundle_folder / GEOPACKAGE).read_bytes()


def test_a_city_without_facilities_has_the_layer_without_features(full_build, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute("delete from marts.facilities")
        connection.execute("update marts.communities set street_id = null")
    folder = bundle.stage(
        full_build.database, full_build.manifest, tmp_path / "staged", full_build.provenance
    )
    assert dict(pyogrio.list_layers(folder / GEOPACKAGE)) == TYPES
    for layer in ("streets", "facilities"):
        info = pyogrio.read_info(folder / GEOPACKAGE, layer=layer)
        assert (info["features"], info["crs"]) == (0, "EPSG:4326")


def test_no_reporter_or_building_is_on_the_map(bundle_folder):
    for layer in ROWS:
        columns = {str(name) for name in pyogrio.read_info(bundle_folder / GEOPACKAGE, layer=layer)["fields"]}
        assert not columns & {"report_id", "building_id", "estate_id", "respondent_id", "phone", "address"}
