"""The borders on the page: metres, neighbours, scattered communities, size."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import cos, pi, radians, sin

import pytest

from citycheck.duck import connect
from citycheck.report.shapes import shapes


@pytest.fixture
def places():
    """An open database in which a test puts communities: (id, county, polygon as points)."""
    with connect() as connection:
        connection.execute(
            "create schema marts; create table marts.communities "
            "(community_id varchar, county_id varchar, county_name varchar, geometry geometry)"
        )

        def put(id_, county, *rings):
            texts = (", ".join(f"{x!r} {y!r}" for x, y in [*points, points[0]]) for points in rings)
            connection.execute(
                "insert into marts.communities values (?, ?, ?, st_geomfromtext(?))",
                [id_, county, county, f"POLYGON({', '.join(f'({text})' for text in texts)})"],
            )

        yield connection, put


def square(west, south, side):
    return [(west, south), (west + side, south), (west + side, south + side), (west, south + side)]


def corners(ring):
    return list(zip(accumulate(ring[::2]), accumulate(ring[1::2]), strict=True))


def area(ring):
    points = corners(ring)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*points, points[0]])) / 2


def test_north_is_up_in_metres_from_the_south_western_corner(places):
    connection, put = places
    put("a", "c", square(120.0, 60.0, 0.01))
    put("b", "c", square(120.0, 60.01, 0.01))
    drawn = shapes(connection)
    (((lower,),), ((upper,),)) = drawn.polygons["a"], drawn.polygons["b"]
    assert min(corners(lower)) == (0, 0)
    assert max(y for _, y in corners(lower)) == min(y for _, y in corners(upper)) == 1112
    assert max(x for x, _ in corners(lower)) == pytest.approx(1112 * cos(radians(60.01)), abs=1)
    assert drawn.projection.place(120.0, 60.01) == (0, 1112)


def test_neighbours_keep_their_common_border(places):
    connection, put = places
    ragged = [(120.01 + 0.0004 * sin(n), 30.0 + n / 2000) for n in range(21)]
    put("a", "c", [(120.0, 30.0), *ragged, (120.0, 30.01)])
    put("b", "c", [*ragged, (120.02, 30.01), (120.02, 30.0)])
    drawn = shapes(connection)
    one, other = (set(corners(drawn.polygons[id_][0][0])) for id_ in "ab")
    common = one & other
    assert 3 <= len(common) < len(ragged), "simplified, and the same on both sides"
    assert area(drawn.polygons["a"][0][0]) + area(drawn.polygons["b"][0][0]) == pytest.approx(
        area(drawn.outlines[0][1]), abs=1
    )


def test_holes_run_against_their_outer_ring(places):
    connection, put = places
    put("a", "c", square(120.0, 30.0, 0.02), square(120.005, 30.005, 0.01))
    put("b", "c", square(120.005, 30.005, 0.01))
    ((outer, hole),) = shapes(connection).polygons["a"]
    assert area(outer) > 0 > area(hole)


def test_a_county_has_an_outline_without_slivers(places):
    connection, put = places
    put("a", "c", square(120.0, 30.0, 0.01))
    put("b", "c", square(120.0101, 30.0, 0.01))
    put("d", "e", square(120.0201, 30.0, 0.01))
    drawn = shapes(connection)
    assert sorted(id_ for id_, _ in drawn.outlines) == ["a", "b", "d"]
    put("f", "c", square(120.0, 30.01, 0.0101))
    assert all(abs(area(ring)) > 10_000 for _, ring in shapes(connection).outlines)


def test_communities_that_fill_the_city_stay_where_they_are(places):
    connection, put = places
    for n in range(9):
        put(f"a{n}", f"c{n % 3}", square(120.0 + 0.01 * (n % 3), 30.0 + 0.01 * (n // 3), 0.01))
    assert shapes(connection).moves == {}


def test_scattered_communities_are_moved_together_by_county_and_do_not_overlap(places):
    connection, put = places
    for n in range(4):
        put(f"a{n}", "near" if n < 2 else "far", square(120.0 + 0.4 * n, 30.0 + 0.3 * (n % 2), 0.01))
    drawn = shapes(connection)
    boxes = []
    for id_, (dx, dy) in drawn.moves.items():
        points = corners(drawn.polygons[id_][0][0])
        xs, ys = [x + dx for x, _ in points], [y + dy for _, y in points]
        boxes.append((min(xs), min(ys), max(xs), max(ys)))
    assert len(boxes) == 4 and len(set(drawn.moves.values())) > 1
    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    whole = max(b[2] for b in boxes) - min(b[0] for b in boxes)
    assert whole < 12_000, "110 km became a few"


def test_a_coast_of_thousands_of_corners_becomes_small(places):
    connection, put = places
    coast = [
        (120.0 + (0.01 + 0.0002 * sin(97 * a)) * cos(a), 30.0 + (0.01 + 0.0002 * sin(97 * a)) * sin(a))
        for a in (2 * pi * n / 5000 for n in range(5000))
    ]
    put("a", "c", coast)
    ((ring,),) = shapes(connection).polygons["a"]
    assert 20 < len(corners(ring)) < 500


def test_a_city_without_communities_has_nothing_to_draw(places):
    connection, _ = places
    drawn = shapes(connection)
    assert (drawn.polygons, drawn.outlines, drawn.moves) == ({}, [], {})
