"""Where the communities are drawn: in metres, and moved together where they lie scattered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

import duckdb

METRES_PER_DEGREE = 111_195.0
FILLED_MIN = 0.12
"""Where communities fill less of their box than this, one map is mostly empty: they are moved together."""
GAP_M = 500.0


@dataclass(frozen=True)
class Box:
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


def project(connection: duckdb.DuckDBPyConnection) -> None:
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
        {"metres": METRES_PER_DEGREE},
    )


def boxes(connection: duckdb.DuckDBPyConnection, by: str) -> dict[str, Box]:
    rows = connection.execute(
        f"select {by}, min(st_xmin(shape)), min(st_ymin(shape)), max(st_xmax(shape)), max(st_ymax(shape)) "
        "from report_places group by 1 order by 1"
    ).fetchall()
    return {key: Box(*corners) for key, *corners in rows}


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of them."""
    west, south, east, north = zip(*((b.x_min, b.y_min, b.x_max, b.y_max) for b in boxes), strict=True)
    return Box(min(west), min(south), max(east), max(north))


def move_together(connection: duckdb.DuckDBPyConnection) -> None:
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
        {"gap": GAP_M},
    )
    groups = boxes(connection, "county_id || ' ' || lpad(cast(group_number as varchar), 9, '0')")
    for _, members in groupby(groups.items(), key=lambda item: item[0].rsplit(" ", 1)[0]):
        keys, of_group = zip(*members, strict=True)
        for key, (dx, dy) in zip(keys, pack(of_group), strict=True):
            connection.execute(
                "update report_places set shape = st_affine(shape, 1, 0, 0, 1, ?, ?) where group_number = ?",
                [dx, dy, int(key.rsplit(" ", 1)[1])],
            )


def pack(boxes: Sequence[Box], gap: float = GAP_M, wide: float = 1.3) -> Iterator[tuple[float, float]]:
    """How far to move each box so that they stand in rows, beside each other and not too wide."""
    area = sum((box.width + gap) * (box.height + gap) for box in boxes)
    width = max(max(box.width for box in boxes), wide * sqrt(area))
    x = y = row_height = 0.0
    for box in boxes:
        if x > 0 and x + box.width > width:
            x, y, row_height = 0.0, y - row_height - gap, 0.0
        yield x - box.x_min, y - box.y_max
        x, row_height = x + box.width + gap, max(row_height, box.height)
