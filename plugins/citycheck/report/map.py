"""The map of a release as inline SVG paths: communities by class of value, counties as outlines.

Longitude and latitude are projected equirectangularly at the mean latitude, right enough for a city, and
simplified as one coverage, so that neighbours keep their common border.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import sqrt

import duckdb

WIDTH = 2000
"""Width of a drawing in its own units."""
_TOLERANCE = 3.0
_METRES_PER_DEGREE = 111_195.0
_FILLED_MIN = 0.12
"""Where communities fill less of their box than this, one map is mostly empty: each county gets its own."""
_GAP_M = 500.0
_PORTRAIT = 0.8
"""Height of a county's own drawing, as a share of its width."""
_SLIVER = 40
"""Rings of county borders smaller than this are gaps between source polygons, not borders."""
_FONT = 34


@dataclass(frozen=True)
class Shape:
    """A community: the `d` of its path, the class of its value (None: insufficient data), the words on it."""

    d: str
    step: int | None
    title: str


@dataclass(frozen=True)
class Label:
    x: int
    y: int
    text: str


@dataclass(frozen=True)
class Drawing:
    """One SVG. `bar` is the length of the scale bar in units, `bar_km` what it stands for."""

    title: str
    height: int
    shapes: tuple[Shape, ...]
    outlines: tuple[str, ...]
    labels: tuple[Label, ...]
    bar: int
    bar_km: float


@dataclass(frozen=True)
class _Box:
    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        return self.y_max - self.y_min


def draw(
    connection: duckdb.DuckDBPyConnection, steps: Mapping[str, int | None], titles: Mapping[str, str]
) -> list[Drawing]:
    """The map of `marts.communities`; where communities lie scattered, a drawing a county at a common scale.

    `steps` and `titles` give each community's class and words by its id. In a county's own drawing, groups of
    communities that lie far apart are moved together.
    """
    _project(connection)
    counties = _boxes(connection, "county_id")
    if not counties:
        return []
    whole = _around(counties.values())
    (filled,) = connection.execute("select sum(st_area(shape)) from report_places").fetchone() or (0.0,)
    if filled >= _FILLED_MIN * whole.width * whole.height:
        side = max(whole.width, whole.height / 1.1)
        return [_draw(connection, "", list(counties), whole, side, steps, titles)]
    _move_together(connection)
    counties = _boxes(connection, "county_id")
    names = dict(connection.execute("select distinct county_id, county_name from report_places").fetchall())
    side = max(max(box.width, box.height / _PORTRAIT) for box in counties.values())
    return [_draw(connection, names[id_], [id_], box, side, steps, titles) for id_, box in counties.items()]


def _project(connection: duckdb.DuckDBPyConnection) -> None:
    """The communities in metres, as the temporary table `report_places`."""
    connection.execute(
        """
        create or replace temp table report_places as
        select
            community_id, county_id, county_name, 0 as group_number,
            st_affine(geometry, scale.x, 0, 0, scale.y, 0, 0) as shape
        from marts.communities, (
            select $metres * cos(radians(avg(st_y(st_centroid(geometry))))) as x, $metres as y
            from marts.communities
        ) as scale
        order by community_id
        """,
        {"metres": _METRES_PER_DEGREE},
    )


def _boxes(connection: duckdb.DuckDBPyConnection, by: str) -> dict[str, _Box]:
    rows = connection.execute(
        f"select {by}, min(st_xmin(shape)), min(st_ymin(shape)), max(st_xmax(shape)), max(st_ymax(shape)) "
        "from report_places group by 1 order by 1"
    ).fetchall()
    return {key: _Box(*corners) for key, *corners in rows}


def _around(boxes: Iterable[_Box]) -> _Box:
    """The smallest box that holds all of them."""
    west, south, east, north = zip(*((b.x_min, b.y_min, b.x_max, b.y_max) for b in boxes), strict=True)
    return _Box(min(west), min(south), max(east), max(north))


def _move_together(connection: duckdb.DuckDBPyConnection) -> None:
    """Within each county, move groups of communities that lie apart beside each other, the largest first."""
    connection.execute(
        """
        create or replace temp table report_places as
        with areas as (
            select county_id, unnest(st_dump(st_union_agg(st_buffer(shape, $gap / 2)))) as part
            from report_places
            group by county_id
        ),
        groups as (
            select
                county_id, part.geom as area,
                row_number() over (order by county_id, st_area(part.geom) desc, part.path) as group_number
            from areas
        )
        select places.* replace (groups.group_number as group_number)
        from report_places as places
        join groups on groups.county_id = places.county_id and st_contains(groups.area, places.shape)
        order by community_id
        """,
        {"gap": _GAP_M},
    )
    groups = _boxes(connection, "county_id || ' ' || lpad(cast(group_number as varchar), 9, '0')")
    for _, members in groupby(groups.items(), key=lambda item: item[0].rsplit(" ", 1)[0]):
        keys, boxes = zip(*members, strict=True)
        for key, (dx, dy) in zip(keys, _pack(boxes), strict=True):
            connection.execute(
                "update report_places set shape = st_affine(shape, 1, 0, 0, 1, ?, ?) where group_number = ?",
                [dx, dy, int(key.rsplit(" ", 1)[1])],
            )


def _pack(boxes: Sequence[_Box]) -> Iterator[tuple[float, float]]:
    """How far to move each box so that they stand in rows, beside each other and not too wide."""
    area = sum((box.width + _GAP_M) * (box.height + _GAP_M) for box in boxes)
    width = max(max(box.width for box in boxes), 1.3 * sqrt(area))
    x = y = row_height = 0.0
    for box in boxes:
        if x > 0 and x + box.width > width:
            x, y, row_height = 0.0, y - row_height - _GAP_M, 0.0
        yield x - box.x_min, y - box.y_max
        x, row_height = x + box.width + _GAP_M, max(row_height, box.height)


def _draw(
    connection: duckdb.DuckDBPyConnection,
    title: str,
    counties: list[str],
    box: _Box,
    side: float,
    steps: Mapping[str, int | None],
    titles: Mapping[str, str],
) -> Drawing:
    """`side` metres become the width of the drawing; the box lies in its middle."""
    margin, foot = 30, 120 if title else 60
    scale = (WIDTH - 2 * margin) / side
    height = round((_PORTRAIT * side if title else box.height) * scale) + 2 * margin
    x_off = WIDTH / 2 - (box.x_min + box.width / 2) * scale
    y_off = height / 2 + (box.y_min + box.height / 2) * scale
    connection.execute(
        """
        create or replace temp table report_coverage as
        with placed as (
            select
                community_id, county_id, county_name,
                st_affine(shape, $scale, 0, 0, -$scale, $x_off, $y_off) as shape,
                row_number() over (order by community_id) as n
            from report_places where list_contains($counties, county_id)
        ),
        parts as (
            select unnest(st_dump(st_coveragesimplify(list(shape order by n), $tolerance))) as part
            from placed
        )
        select placed.community_id, placed.county_id, placed.county_name, parts.part.geom as shape
        from parts join placed on placed.n = parts.part.path[1]
        order by placed.community_id, parts.part.path
        """,
        {"scale": scale, "x_off": x_off, "y_off": y_off, "counties": counties, "tolerance": _TOLERANCE},
    )
    paths: dict[str, str] = {}
    for community_id, shape in connection.execute(
        "select community_id, st_asgeojson(shape) from report_coverage"
    ).fetchall():
        paths[community_id] = paths.get(community_id, "") + "".join(_rings(shape))
    outlines, labels = [], []
    for name, outline, middle, room in connection.execute(
        """
        with counties as (
            select county_id, any_value(county_name) as name, st_union_agg(shape) as shape
            from report_coverage group by county_id
        )
        select
            name, st_asgeojson(shape), st_asgeojson(st_pointonsurface(shape)), st_xmax(shape) - st_xmin(shape)
        from counties order by county_id
        """
    ).fetchall():
        outlines.append("".join(_rings(outline, _SLIVER)))
        if not title and len(name) * _FONT < room:
            x, y = json.loads(middle)["coordinates"]
            labels.append(Label(round(x), round(y), name))
    bar_km = _round_length(0.2 * side / 1000)
    return Drawing(
        title=title,
        height=height + foot,
        shapes=tuple(Shape(d, steps.get(id_), titles.get(id_, id_)) for id_, d in paths.items()),
        outlines=tuple(outlines),
        labels=tuple(labels),
        bar=round(bar_km * 1000 * scale),
        bar_km=bar_km,
    )


def _rings(geojson: str, smallest: int = 0) -> Iterator[str]:
    """The rings of a polygon or of polygons as relative SVG paths in whole units, without tiny ones."""
    shape = json.loads(geojson)
    parts = shape.get("coordinates") or []
    polygons = {"Polygon": [parts], "MultiPolygon": parts}.get(shape["type"], [])
    for polygon in polygons:
        for ring in polygon:
            points = [(round(x), round(y)) for x, y, *_ in ring]
            moves = [(x2 - x1, y2 - y1) for (x1, y1), (x2, y2) in pairwise(points[:-1])]
            drawn = " ".join(f"{dx}{dy:+d}" for dx, dy in moves if dx or dy)
            width, height = (max(of) - min(of) for of in zip(*points, strict=True))
            if drawn and width + height >= smallest:
                yield f"M{points[0][0]} {points[0][1]}l{drawn}z"


def _round_length(km: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not longer."""
    for length in (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2):
        if length <= km:
            return length
    return 0.1
