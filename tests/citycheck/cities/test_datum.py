"""Datums: the published formulas, their exact inverse, and the same in SQL."""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from citycheck.cities import datum

DATUMS = ["gcj02", "bd09"]
# A place within 0.02 degrees of the box's edge may cross it: the rule is about the given coordinates.
inside = st.tuples(st.floats(72.03, 137.81), st.floats(0.86, 55.80))
KINK = np.array([105 + sign * 10.0**-power for sign in (-1, 1) for power in range(1, 15)] + [105.0])
"""The formula has a square root of |lon - 105|: its slope is infinite there."""


@pytest.fixture(scope="module")
def sql():
    with duckdb.connect() as connection:
        datum.register(connection)
        yield connection


def random_places(count, seed=7):
    draw = np.random.default_rng(seed)
    return draw.uniform(72.03, 137.81, count), draw.uniform(0.86, 55.80, count)


def test_the_forward_formulas_give_the_published_example():
    """The example of coordtransform's README (Beijing), which this project did not compute."""
    gcj02 = datum.from_wgs84(116.404, 39.915, "gcj02")
    np.testing.assert_allclose(gcj02, (116.41024449916938, 39.91640428150164), atol=1e-13, rtol=0)
    # BD-09 of the place (116.404, 39.915) in GCJ-02.
    np.testing.assert_allclose(
        datum.from_wgs84(*datum.to_wgs84(116.404, 39.915, "gcj02"), "bd09"),
        (116.41036949371029, 39.92133699351021),
        atol=1e-9,
        rtol=0,
    )


@pytest.mark.parametrize("name", DATUMS)
@given(place=inside)
def test_there_and_back_is_the_same_place(name, place):
    back = datum.to_wgs84(*datum.from_wgs84(*place, name), name)
    np.testing.assert_allclose(back, place, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", DATUMS)
def test_four_iterations_are_enough_everywhere(name):
    lon, lat = random_places(100_000)
    lon[: len(KINK)] = KINK
    back = datum.to_wgs84(*datum.from_wgs84(lon, lat, name), name)
    assert np.abs(np.subtract(back, (lon, lat))).max() < 1e-10


def test_one_step_is_not_enough(monkeypatch):
    """The usual inverse, which the test above must be able to tell from ours."""
    monkeypatch.setattr(datum, "ITERATIONS", 1)
    lon, lat = random_places(1000)
    back = datum.to_wgs84(*datum.from_wgs84(lon, lat, "gcj02"), "gcj02")
    assert np.abs(np.subtract(back, (lon, lat))).max() > 1e-6


def test_the_offset_is_hundreds_of_metres_in_chinese_cities():
    cities = {
        "Beijing": (116.40, 39.90), "Shanghai": (121.47, 31.23), "Guangzhou": (113.26, 23.13),
        "Chengdu": (104.07, 30.57), "Harbin": (126.64, 45.76), "Kunming": (102.83, 24.88),
        "Quzhou": (118.87, 28.94), "Xi'an": (108.94, 34.34), "Haikou": (110.35, 20.02), "Urumqi": (87.62, 43.83),
    }  # fmt: skip
    lon, lat = np.array(list(cities.values())).T
    offset_m = Geod(ellps="WGS84").inv(lon, lat, *datum.from_wgs84(lon, lat, "gcj02"))[2]
    assert ((offset_m > 100) & (offset_m < 700)).all()
    lon, lat = random_places(20_000)
    assert (Geod(ellps="WGS84").inv(lon, lat, *datum.from_wgs84(lon, lat, "gcj02"))[2] < 750).all()


@pytest.mark.parametrize("name", DATUMS)
@pytest.mark.parametrize(
    "place", [(24.94, 60.17), (-73.98, 40.75), (151.2, -33.9), (72.0039, 30.0), (137.8348, 30.0), (100.0, 0.8292),
              (100.0, 55.8272), (np.inf, 30.0), (0.0, 0.0)]
)  # fmt: skip
def test_outside_the_box_nothing_changes(name, place, sql):
    assert datum.from_wgs84(*place, name) == place
    assert datum.to_wgs84(*place, name) == place
    [[there]] = sql.execute(f"select {name}_to_wgs84(?, ?)", place).fetchall()
    assert (there["lon"], there["lat"]) == place


@pytest.mark.parametrize("place", [(72.004, 30.0), (137.8347, 30.0), (100.0, 0.8293), (100.0, 55.8271)])
def test_the_edge_of_the_box_is_inside(place, sql):
    assert datum.to_wgs84(*place, "gcj02") != place
    [[there]] = sql.execute("select gcj02_to_wgs84(?, ?)", place).fetchall()
    np.testing.assert_allclose(
        (there["lon"], there["lat"]), datum.to_wgs84(*place, "gcj02"), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("name", DATUMS)
def test_sql_gives_what_numpy_gives(name, sql):
    lon, lat = random_places(50_000)
    lon[: len(KINK)] = KINK
    sql.execute("create or replace temp table places as select unnest(?::double[]) lon, unnest(?::double[]) lat",
                [lon.tolist(), lat.tolist()])  # fmt: skip
    found = sql.execute(
        f"select there.lon as lon, there.lat as lat from (select {name}_to_wgs84(lon, lat) as there from places)"
    ).fetchnumpy()
    expected = datum.to_wgs84(lon, lat, name)
    assert np.abs(np.subtract((found["lon"], found["lat"]), expected)).max() < 1e-12


@pytest.mark.parametrize("name", DATUMS)
@pytest.mark.parametrize("place", [(None, 30.0), (116.0, None), (None, None)])
def test_half_a_place_is_none(name, place, sql):
    [[there]] = sql.execute(f"select {name}_to_wgs84(?::double, ?::double)", place).fetchall()
    assert there == {"lon": None, "lat": None}
    assert np.isnan(datum.to_wgs84(*place, name)).all()
    lon, lat = datum.to_wgs84([place[0], 116.0], [place[1], 39.0], name)
    assert np.isnan([lon[0], lat[0]]).all() and not np.isnan([lon[1], lat[1]]).any()


def test_wgs84_stays_and_shapes_are_kept():
    assert datum.to_wgs84(116.4, 39.9, "wgs84") == (116.4, 39.9)
    lon, lat = datum.to_wgs84(np.full((2, 3), 116.4), 39.9, "bd09")
    assert lon.shape == lat.shape == (2, 3)


def test_sql_takes_decimals_and_text_casts(sql):
    [[there]] = sql.execute("select gcj02_to_wgs84(116.404, '39.915'::decimal(8, 3))").fetchall()
    np.testing.assert_allclose(
        (there["lon"], there["lat"]), datum.to_wgs84(116.404, 39.915, "gcj02"), atol=1e-12, rtol=0
    )
