"""Datums of Chinese maps: GCJ-02 (the law's offset, e.g. AutoNavi) and BD-09 (Baidu's on top of it) to WGS84.

The offset of GCJ-02 is not published by its owner; these are the formulas that were: `transform` of
EvilTransform.cs (public domain, on4wp7 on CodePlex, 2010), on the ellipsoid of Krasovsky 1940, and for BD-09
the polar form that coordtransform and eviltransform use (published on xcoder.cn, 2013). Both are smooth
enough that a fixed-point iteration inverts them to less than 1e-9 degrees (0.1 mm); the usual one-step inverse
is off by up to several metres. Nobody but the owner can say how far the formulas are from the true offset;
users report a few metres at most.

Coordinates are degrees. The offset is applied in the box 72.004-137.8347 E, 0.8293-55.8271 N (the formula's own
rule, tested on the given coordinates) and nowhere else; the box also holds places outside China.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

Datum = Literal["wgs84", "gcj02", "bd09"]
_Floats = NDArray[np.float64]
_Pair = tuple[_Floats, _Floats]

BOX = (72.004, 137.8347, 0.8293, 55.8271)
"""lon min, lon max, lat min, lat max; the edges are inside."""
ITERATIONS = 4
"""Enough for less than 1e-10 degrees everywhere in the box: each one takes about two digits off the error."""

_A_M = 6378245.0
_EE = 0.00669342162296594323
_BD_LON, _BD_LAT, _BD_WAVE = 0.0065, 0.006, np.pi * 3000 / 180


def to_wgs84(lon: ArrayLike, lat: ArrayLike, datum: Datum) -> _Pair:
    """Longitudes and latitudes in WGS84, in the shape of the inputs; NaN (or None) in either gives NaN in both."""
    x, y = _pair(lon, lat)
    if datum == "wgs84":
        return x, y
    return _where_inside(x, y, _from_gcj02(*(_from_bd09(x, y) if datum == "bd09" else (x, y))))


def from_wgs84(lon: ArrayLike, lat: ArrayLike, datum: Datum) -> _Pair:
    """The forward formulas: what a map of that datum shows for a place in WGS84. Shapes as in `to_wgs84`."""
    x, y = _pair(lon, lat)
    if datum == "wgs84":
        return x, y
    dx, dy = _gcj02_offset(x, y)
    moved = x + dx, y + dy
    return _where_inside(x, y, _to_bd09(*moved) if datum == "bd09" else moved)


def _pair(lon: ArrayLike, lat: ArrayLike) -> _Pair:
    x, y = np.broadcast_arrays(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
    return x, y


def _where_inside(x: _Floats, y: _Floats, moved: _Pair) -> _Pair:
    inside = (x >= BOX[0]) & (x <= BOX[1]) & (y >= BOX[2]) & (y <= BOX[3])
    unknown = np.isnan(x) | np.isnan(y)  # half a place is none
    new_x, new_y = (
        np.where(unknown, np.nan, np.where(inside, new, old)) for new, old in zip(moved, (x, y), strict=True)
    )
    return new_x, new_y


@np.errstate(invalid="ignore")  # infinities are outside and stay as they are
def _gcj02_offset(lon: _Floats, lat: _Floats) -> _Pair:
    """GCJ-02 minus WGS84 in degrees, at a place in WGS84."""
    x, y, pi = lon - 105.0, lat - 35.0, np.pi
    ripple = (20 * np.sin(6 * x * pi) + 20 * np.sin(2 * x * pi)) * 2 / 3
    east_m = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)) + ripple
    east_m += (20 * np.sin(x * pi) + 40 * np.sin(x / 3 * pi)) * 2 / 3
    east_m += (150 * np.sin(x / 12 * pi) + 300 * np.sin(x / 30 * pi)) * 2 / 3
    north_m = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)) + ripple
    north_m += (20 * np.sin(y * pi) + 40 * np.sin(y / 3 * pi)) * 2 / 3
    north_m += (160 * np.sin(y / 12 * pi) + 320 * np.sin(y / 30 * pi)) * 2 / 3
    magic = 1 - _EE * np.sin(np.radians(lat)) ** 2
    return (
        np.degrees(east_m * np.sqrt(magic) / (_A_M * np.cos(np.radians(lat)))),
        np.degrees(north_m * magic * np.sqrt(magic) / (_A_M * (1 - _EE))),
    )


def _from_gcj02(lon: _Floats, lat: _Floats) -> _Pair:
    x, y = lon, lat
    for _ in range(ITERATIONS):
        dx, dy = _gcj02_offset(x, y)
        x, y = lon - dx, lat - dy
    return x, y


@np.errstate(invalid="ignore")
def _to_bd09(lon: _Floats, lat: _Floats) -> _Pair:
    """BD-09 of places in GCJ-02."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_WAVE)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_WAVE)
    return radius * np.cos(angle) + _BD_LON, radius * np.sin(angle) + _BD_LAT


@np.errstate(invalid="ignore")
def _from_bd09(lon: _Floats, lat: _Floats) -> _Pair:
    """GCJ-02 of places in BD-09."""
    x, y = lon - _BD_LON, lat - _BD_LAT
    far, turn = np.hypot(x, y), np.arctan2(y, x)
    for _ in range(ITERATIONS):
        radius, angle = far - 0.00002 * np.sin(y * _BD_WAVE), turn - 0.000003 * np.cos(x * _BD_WAVE)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
    return x, y


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a DuckDB connection `gcj02_to_wgs84(lon, lat)` and `bd09_to_wgs84(lon, lat)`, each a struct {lon, lat}.

    Null in either gives null in both. It runs on whole batches: written out in SQL, the iteration took four times as long.
    `gcj02_shape(wkb)` and `bd09_shape(wkb)` move every corner of a shape.
    """
    shifted: tuple[Datum, ...] = ("gcj02", "bd09")
    for datum in shifted:
        connection.create_function(
            f"{datum}_shape", _shape_batch(datum), ["blob"], "blob", type="arrow", null_handling="special"
        )
    connection.create_function(
        "gcj02_to_wgs84", _batch("gcj02"), _POINT, _STRUCT, type="arrow", null_handling="special"
    )
    connection.create_function(
        "bd09_to_wgs84", _batch("bd09"), _POINT, _STRUCT, type="arrow", null_handling="special"
    )


_POINT = ["double", "double"]
_STRUCT = "struct(lon double, lat double)"


def _batch(datum: Datum) -> Callable[[pa.ChunkedArray, pa.ChunkedArray], pa.Array]:
    def moved(lon: pa.ChunkedArray, lat: pa.ChunkedArray) -> pa.Array:
        places = to_wgs84(lon.to_numpy(), lat.to_numpy(), datum)
        return pa.StructArray.from_arrays(
            [pa.array(axis, from_pandas=True) for axis in places], ["lon", "lat"]
        )

    return moved


def _shape_batch(datum: Datum) -> Callable[[pa.ChunkedArray], pa.Array]:
    import shapely

    def moved(wkb: pa.ChunkedArray) -> pa.Array:
        shapes = shapely.from_wkb(np.array(wkb.to_pylist(), dtype=object))
        there = shapely.transform(shapes, lambda at: np.column_stack(to_wgs84(at[:, 0], at[:, 1], datum)))
        return pa.array(shapely.to_wkb(there).tolist(), pa.binary())

    return moved
