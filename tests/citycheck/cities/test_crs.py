"""A projected coordinate system that does not fit the city is refused, with the one that does."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Proj

from citycheck.cities.crs import DISTORTION_MAX, _distortion, _fitting, check_crs
from citycheck.cities.profile import Box
from citycheck.errors import BadInput

QUZHOU = Box(lon_min=118.0, lon_max=119.4, lat_min=28.2, lat_max=29.6)
TAINAN = Box(lon_min=120.0, lon_max=120.7, lat_min=22.85, lat_max=23.45)
HELSINKI = Box(lon_min=24.8, lon_max=25.3, lat_min=60.1, lat_max=60.3)
PORTLAND = Box(lon_min=-122.9, lon_max=-122.4, lat_min=45.4, lat_max=45.7)


@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("EPSG:4549", QUZHOU),  # lies across the border of two zones; its middle decides
        ("EPSG:32650", QUZHOU),
        ("EPSG:3826", TAINAN),
        ("EPSG:3879", HELSINKI),
        ("EPSG:32610", PORTLAND),
    ],
)
def test_the_zone_of_the_city_fits(crs, box):
    check_crs(crs, box)


@pytest.mark.parametrize(
    ("crs", "box", "told"),
    [
        ("EPSG:4548", QUZHOU, "is made for China - onshore between 115"),
        ("EPSG:3826", QUZHOU, "does not lie"),
        ("EPSG:4326", QUZHOU, "is not projected"),
        ("EPSG:4979", QUZHOU, "is not projected"),
        ("EPSG:2269", PORTLAND, "counts in foot"),
        ("EPSG:999999", QUZHOU, "there is no such coordinate system"),
    ],
)
def test_another_system_is_refused(crs, box, told):
    with pytest.raises(BadInput, match=told):
        check_crs(crs, box)


def test_the_sentence_tells_the_distortion_and_what_to_choose():
    with pytest.raises(BadInput) as refused:
        check_crs("EPSG:3857", QUZHOU)
    assert str(refused.value) == (
        "projected_crs EPSG:3857 (WGS 84 / Pseudo-Mercator): lengths in the city's box are wrong by up to 15.5%; "
        "at most 0.5% is allowed. Set projected_crs to EPSG:4549 (CGCS2000, 3-degree zone of 120° E), or another one "
        "in metres made for the city."
    )


@pytest.mark.parametrize("code", [4549, 3035, 3416])
def test_a_distortion_is_that_of_tissots_indicatrix(code):
    """PROJ's own factors, which do not project anything; a conformal system, one that keeps areas, and one far from its place."""
    crs = CRS(code)
    expected = []
    for lon, lat in product((118.0, 118.7, 119.4), (28.2, 28.9, 29.6)):
        factors = Proj(crs).get_factors(lon, lat)
        expected += [abs(factors.tissot_semimajor - 1), abs(factors.tissot_semiminor - 1)]
    assert _distortion(crs, QUZHOU) == pytest.approx(max(expected), rel=0.02)


def test_web_mercator_is_worst_to_the_north():
    """It shows the ellipsoid by the formulas of a sphere: by the radius of the meridian its length is told too short."""
    lat, squared = math.radians(QUZHOU.lat_max), 0.00669437999014
    meridian_m = 6378137 * (1 - squared) / (1 - squared * math.sin(lat) ** 2) ** 1.5
    expected = 6378137 / (meridian_m * math.cos(lat)) - 1
    assert _distortion(CRS(3857), QUZHOU) == pytest.approx(expected, rel=1e-3)


def test_just_too_wide_a_box_is_refused():
    """Transverse Mercator is wrong by half the square of the angle from its meridian: 0.5 % at 5.7 degrees."""
    fits = Box(lon_min=114.4, lon_max=125.6, lat_min=-0.1, lat_max=0.1)
    too_wide = Box(lon_min=114.0, lon_max=126.0, lat_min=-0.1, lat_max=0.1)
    crs = "+proj=tmerc +lon_0=120 +ellps=GRS80 +units=m +type=crs"
    check_crs(crs, fits)
    with pytest.raises(BadInput, match=r"wrong by up to 0\.6%"):
        check_crs(crs, too_wide)


def test_where_the_projection_is_not_defined_lengths_are_infinitely_wrong():
    around_the_pole = Box(lon_min=-10.0, lon_max=10.0, lat_min=88.0, lat_max=90.0)
    with pytest.raises(BadInput, match="wrong by up to"):
        check_crs("+proj=merc +ellps=WGS84 +units=m +type=crs", around_the_pole)


@given(st.floats(-179.9, 179.9), st.floats(-79, 83))
def test_the_system_advised_fits(lon, lat):
    code = _fitting(lon, lat).split()[0]
    spot = Box(lon_min=lon - 0.05, lon_max=lon + 0.05, lat_min=lat - 0.05, lat_max=lat + 0.05)
    assert CRS(code).axis_info[0].unit_conversion_factor == 1
    assert _distortion(CRS(code), spot) < DISTORTION_MAX


@pytest.mark.parametrize(
    ("lon", "zone"), [(75, 4534), (76.49, 4534), (76.51, 4535), (118.7, 4549), (135, 4554), (136.4, 4554)]
)
def test_zones_of_three_degrees_go_by_their_meridian(lon, zone):
    code = f"EPSG:{zone}"
    assert _fitting(lon, 30).startswith(f"{code} ")
    assert f"CM {round(lon / 3) * 3 if lon < 136 else 135}E" in CRS(code).name
