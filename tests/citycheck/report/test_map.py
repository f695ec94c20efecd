"""The map: classes, neighbours, scattered communities, size."""

from __future__ import annotations

import re
from math import cos, pi, radians, sin

import pytest

from citycheck.duck import connect
from citycheck.report.map import WIDTH, draw
from citycheck.report.page import Measure, Words


@pytest.fixture
def places():
    """An open database in which a test puts communities: (id, county, polygon as points)."""
    with connect() as connection:
        connection.execute(
            "create schema marts; create table marts.communities "
            "(community_id varchar, county_id varchar, county_name varchar, geometry geometry)"
        )

        def put(id_, county, points):
            ring = ", ".join(f"{x!r} {y!r}" for x, y in [*points, points[0]])
            connection.execute(
                "insert into marts.communities values (?, ?, ?, st_geomfromtext(?))",
                [id_, county, county, f"POLYGON(({ring}))"],
            )

        yield connection, put


def square(west, south, side):
    return [(west, south), (west + side, south), (west + side, south + side), (west, south + side)]


def points_of(d):
    """The corners of a relative path."""
    corners = []
    for start_x, start_y, moves in re.findall(r"M(-?\d+) (-?\d+)l([^z]*)z", d):
        x, y = int(start_x), int(start_y)
        corners.append((x, y))
        for dx, dy in re.findall(r"(-?\d+)([+-]\d+)", moves):
            x, y = x + int(dx), y + int(dy)
            corners.append((x, y))
    return corners


def test_north_is_up_and_a_degree_of_longitude_is_shorter(places):
    connection, put = places
    put("a", "c", square(120.0, 60.0, 0.01))
    (drawing,) = draw(connection, {}, {})
    xs, ys = zip(*points_of(drawing.shapes[0].d), strict=True)
    assert (max(xs) - min(xs)) / (max(ys) - min(ys)) == pytest.approx(cos(radians(60.005)), rel=0.01)
    put("b", "c", square(120.0, 60.01, 0.01))
    (drawing,) = draw(connection, {}, {})
    south, north = (sum(y for _, y in points_of(shape.d)) for shape in drawing.shapes)
    assert north < south


def test_neighbours_keep_their_common_border(places):
    connection, put = places
    wave = [(120.01 + 0.002 * sin(n), 23.0 + 0.0002 * n) for n in range(51)]
    put("west", "c", [(120.0, 23.0), *wave, (120.0, 23.01)])
    put("east", "c", [(120.02, 23.0), *wave, (120.02, 23.01)])
    (drawing,) = draw(connection, {}, {})
    east, west = (set(points_of(shape.d)) for shape in drawing.shapes)
    border = {corner for corner in west if corner[0] > min(x for x, _ in west)}
    assert len(border) > 10 and border <= east


def test_a_detailed_coast_is_simplified(places):
    connection, put = places
    put(
        "a",
        "c",
        [(120 + 0.1 * cos(2 * pi * n / 20000), 23 + 0.1 * sin(2 * pi * n / 20000)) for n in range(20000)],
    )
    (drawing,) = draw(connection, {}, {})
    assert 20 < len(points_of(drawing.shapes[0].d)) < 1000


def test_scattered_communities_get_a_drawing_a_county_at_one_scale(places):
    connection, put = places
    for n in range(4):
        put(f"a{n}", "甲", square(118.0 + 0.007 * n, 28.0, 0.007))
        put(f"b{n}", "乙", square(119.0, 29.0 + 0.006 * n, 0.006))
    drawings = draw(connection, {}, {})
    assert [(drawing.title, len(drawing.shapes)) for drawing in drawings] == [("乙", 4), ("甲", 4)]
    assert len({(drawing.height, drawing.bar, drawing.bar_km) for drawing in drawings}) == 1
    for drawing in drawings:
        corners = [corner for shape in drawing.shapes for corner in points_of(shape.d)]
        assert all(0 <= x <= WIDTH and 0 <= y <= drawing.height for x, y in corners)


def test_groups_far_apart_are_moved_together_without_touching(places):
    connection, put = places
    for county, west in (("甲", 118.0), ("乙", 119.0)):
        for n in range(3):
            put(f"{county}{n}", county, square(west + 0.01 * n, 28.0, 0.01))
    put("far", "甲", square(118.2, 28.3, 0.01))
    first, second = draw(connection, {}, {})
    assert (first.title, second.title) == ("乙", "甲")
    assert first.bar == second.bar and first.bar_km == 0.5
    shapes = {shape.title: points_of(shape.d) for shape in second.shapes}
    xs = sorted(x for title, corners in shapes.items() if title != "far" for x, _ in corners)
    far = sorted(x for x, _ in shapes["far"])
    assert 0 < far[0] - xs[-1] < 0.6 * second.bar / second.bar_km or min(y for _, y in shapes["far"]) > max(
        y for title, corners in shapes.items() if title != "far" for _, y in corners
    )
    assert far[-1] - far[0] == pytest.approx((xs[-1] - xs[0]) / 3, rel=0.02)


def test_scale_bar_is_as_long_as_it_says(places):
    connection, put = places
    put("a", "c", square(120.0, 0.0, 0.1))
    (drawing,) = draw(connection, {}, {})
    xs = [x for x, _ in points_of(drawing.shapes[0].d)]
    assert drawing.bar / (max(xs) - min(xs)) * 11.12 == pytest.approx(drawing.bar_km, rel=0.01)


def test_classes_and_words_belong_to_their_community(places):
    connection, put = places
    put("a", "c", square(120.0, 23.0, 0.01))
    put("b", "c", square(120.01, 23.0, 0.01))
    (drawing,) = draw(connection, {"a": 3, "b": None}, {"a": "A", "b": "B"})
    assert [(shape.step, shape.title) for shape in drawing.shapes] == [(3, "A"), (None, "B")]


def test_two_parts_are_one_community(places):
    connection, put = places
    put("a", "c", square(120.0, 23.0, 0.01))
    connection.execute(
        "update marts.communities set geometry = st_geomfromtext("
        "'MULTIPOLYGON(((120 23, 120.01 23, 120.01 23.01, 120 23)), "
        "((120.02 23, 120.03 23, 120.03 23.01, 120.02 23)))')"
    )
    (drawing,) = draw(connection, {}, {})
    assert len(drawing.shapes) == 1 and drawing.shapes[0].d.count("M") == 2


def test_no_communities_no_map(places):
    assert draw(places[0], {}, {}) == []


def test_750_communities_stay_small(places):
    connection, put = places
    for n in range(750):
        west, south = 120 + 0.02 * (n % 30), 23 + 0.02 * (n // 30)
        put(
            f"{n:03}",
            f"c{n % 30 // 6}",
            [(west + 0.01 + 0.0099 * cos(a / 10), south + 0.01 + 0.0099 * sin(a / 10)) for a in range(62)],
        )
    (drawing,) = draw(connection, {}, {})
    assert len(drawing.shapes) == 750
    assert sum(len(shape.d) for shape in drawing.shapes) + sum(map(len, drawing.outlines)) < 800_000


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (None, None),
        (0.0, 0),
        (39.999, 0),
        (40.0, 1),
        (59.99, 2),
        (60.0, 3),
        (79.99, 4),
        (80.0, 5),
        (100.0, 5),
    ],
)
def test_classes_of_the_index_have_fixed_bounds(value, step):
    measure = Measure(Words("", ""), Words("", ""), (40.0, 50.0, 60.0, 70.0, 80.0), {})
    assert measure.step(value) == step


def test_legend_names_every_class_once():
    measure = Measure(Words("", ""), Words("", ""), (40.0, 50.0, 60.0, 70.0, 80.0), {})
    assert measure.legend == [
        (0, "< 40"),
        (1, "40–50"),
        (2, "50–60"),
        (3, "60–70"),
        (4, "70–80"),
        (5, "≥ 80"),
    ]
    few = Measure(Words("", ""), Words("", ""), (2.5, 5.0), {})
    assert few.legend == [(0, "< 2.50"), (2, "2.50–5"), (5, "≥ 5")]
