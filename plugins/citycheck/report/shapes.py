"""The communities' borders as the page draws them: whole metres, north up, simplified as one coverage.

Longitude and latitude become metres equirectangularly at the mean latitude, right enough for a city. Neighbours are
simplified and rounded together, so that they keep their common border.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from math import cos, radians
from typing import Any

import duckdb

from citycheck.report import layout

Ring = list[int]
"""x0, y0, then the moves from corner to corner: dx, dy, dx, dy …; the first corner is not repeated."""
_FINE = 40
"""Corners are kept to a 40th of a middling community's side, …"""
_COARSE = 700
"""… but not finer than a 700th of the city's, or far more is told than can be seen."""
_LABEL_M = 900.0
"""Room for a county's name above its communities, where counties are moved together."""


@dataclass(frozen=True)
class Projection:
    """Metres east and north of the city's south-western corner."""

    west: float
    south: float
    metres_per_lon: float

    def place(self, lon: float, lat: float) -> tuple[int, int]:
        x = (lon - self.west) * self.metres_per_lon
        return round(x), round((lat - self.south) * layout.METRES_PER_DEGREE)


@dataclass(frozen=True)
class Shapes:
    """`moves` are how far each community stands from its place where the scattered are moved together, else empty."""

    projection: Projection
    polygons: dict[str, list[list[Ring]]]
    outlines: list[tuple[str, Ring]]
    """Of the counties, each with a community inside; without the slivers between what different sources drew."""
    moves: dict[str, tuple[int, int]]


def shapes(connection: duckdb.DuckDBPyConnection) -> Shapes:
    """The borders of `marts.communities`, and of their counties."""
    layout.project(connection)
    found = connection.execute(
        """
        select min(st_xmin(geometry)), min(st_ymin(geometry)), avg(st_y(st_centroid(geometry)))
        from marts.communities
        """
    ).fetchone()
    if found is None or found[0] is None:
        return Shapes(Projection(0.0, 0.0, 0.0), {}, [], {})
    west, south, latitude = found
    projection = Projection(west, south, layout.METRES_PER_DEGREE * cos(radians(latitude)))
    corner = (west * projection.metres_per_lon, south * layout.METRES_PER_DEGREE)
    moves = _moves(connection)
    connection.execute(
        """
        create or replace temp table report_coverage as
        with placed as (
            select *, row_number() over (order by community_id) as n
            from (select * replace (st_affine(shape, 1, 0, 0, 1, -$x, -$y) as shape) from report_true)
        ),
        size as (
            select
                greatest(
                    median(sqrt(st_area(shape))) / $fine,
                    least(max(st_xmax(shape)), max(st_ymax(shape))) / $coarse / 4
                ) as tolerance
            from placed
        ),
        parts as (
            select unnest(st_dump(st_coveragesimplify(
                (select list(shape order by n) from placed), (select tolerance from size)
            ))) as part
        )
        select placed.community_id, placed.county_id, placed.county_name, parts.part.geom as shape, parts.part.path
        from parts join placed on placed.n = parts.part.path[1]
        """,
        {"x": corner[0], "y": corner[1], "fine": _FINE, "coarse": _COARSE},
    )
    polygons: dict[str, list[list[Ring]]] = {}
    for community_id, text in connection.execute(
        "select community_id, st_asgeojson(shape) from report_coverage order by community_id, path"
    ).fetchall():
        polygons.setdefault(community_id, []).extend(_polygons(text))
    outlines = [
        (community_id, ring)
        for community_id, text in connection.execute(
            """
            with counties as (
                select county_id, unnest(st_dump(st_union_agg(shape))).geom as shape
                from report_coverage group by county_id
            )
            select min(coverage.community_id) as community_id, st_asgeojson(counties.shape)
            from counties join report_coverage as coverage
                on coverage.county_id = counties.county_id
                and st_intersects(counties.shape, st_pointonsurface(coverage.shape))
            group by counties.shape order by community_id
            """
        ).fetchall()
        for polygon in _polygons(text)
        for ring in polygon
        if min(_sides(ring)) >= layout.GAP_M / 4
    ]
    return Shapes(projection, polygons, outlines, moves)


def _moves(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """Where communities lie scattered: groups of them moved together by county, and the counties beside each other."""
    connection.execute("create or replace temp table report_true as from report_places")
    counties = layout.boxes(connection, "county_id")
    whole = layout.around(counties.values())
    (filled,) = connection.execute("select sum(st_area(shape)) from report_places").fetchone() or (0.0,)
    if filled >= layout.FILLED_MIN * whole.width * whole.height:
        return {}
    layout.move_together(connection)
    counties = layout.boxes(connection, "county_id")
    by_size = sorted(counties, key=lambda id_: (-counties[id_].width * counties[id_].height, id_))
    roomy = [
        layout.Box(b.x_min, b.y_min, b.x_max, b.y_max + _LABEL_M) for b in (counties[id_] for id_ in by_size)
    ]
    shifts = dict(zip(by_size, layout.pack(roomy, gap=2 * layout.GAP_M, wide=1.5), strict=True))
    centres = """
        select places.community_id, places.county_id,
            st_xmin(places.shape) - st_xmin(origin.shape), st_ymin(places.shape) - st_ymin(origin.shape)
        from report_places as places join report_true as origin using (community_id) order by 1
    """
    return {
        community_id: (round(dx + shifts[county_id][0]), round(dy + shifts[county_id][1]))
        for community_id, county_id, dx, dy in connection.execute(centres).fetchall()
    }


def _polygons(text: str) -> Iterator[list[Ring]]:
    """Polygons in whole metres: the outer ring counter-clockwise, holes clockwise; what rounding eats is left out."""
    shape: dict[str, Any] = json.loads(text)
    parts = shape.get("coordinates") or []
    for rings in {"Polygon": [parts], "MultiPolygon": parts}.get(shape["type"], []):
        drawn = [_ring(ring, is_hole=n > 0) for n, ring in enumerate(rings)]
        if drawn and drawn[0]:
            yield [ring for ring in drawn if ring]


def _ring(points: list[list[float]], *, is_hole: bool) -> Ring:
    corners = [key for key, _ in groupby((round(x), round(y)) for x, y, *_ in points)][:-1]
    if len(corners) < 3:
        return []
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*corners, corners[0]]))
    if (area < 0) != is_hole:
        corners.reverse()
    return [*corners[0], *(of for (x1, y1), (x2, y2) in pairwise(corners) for of in (x2 - x1, y2 - y1))]


def _sides(ring: Ring) -> tuple[int, int]:
    """Width and height of the box around a ring."""
    xs, ys = ([0, *accumulate(ring[axis + 2 :: 2])] for axis in (0, 1))
    return max(xs) - min(xs), max(ys) - min(ys)
