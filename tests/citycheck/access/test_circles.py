"""Nearest and within by straight line, held against comparing every point with every place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.access import circles
from citycheck.errors import BadInput

CORNERS = [(0, 0), (500_000, 3_200_000), (1e-6, 10_000_000), (40_500_000, 4_400_000), (-180_000, -3_000_000)]


def apart(points, places):
    (x, y), (other_x, other_y) = points.T[:, :, None], places.T[:, None, :]
    return np.sqrt((x - other_x) ** 2 + (y - other_y) ** 2)


def nearest_by_force(points, places, groups, limit_m):
    distance_m = np.full((len(points), len(groups)), np.inf)
    place = np.full((len(points), len(groups)), -1)
    everything = apart(points, places)
    for number, group in enumerate(groups):
        if len(group):
            first = everything[:, group].argmin(axis=1)
            distance_m[:, number] = everything[np.arange(len(points)), group[first]]
            place[:, number] = group[first]
    none = distance_m > limit_m
    return np.where(none, np.inf, distance_m), np.where(none, -1, place)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.distance_m, expected[0])
    np.testing.assert_array_equal(found.place, expected[1])
    assert (found.distance_m.dtype, found.place.dtype) == (np.float64, np.int32)


def assert_same_pairs(found, points, places, limit_m):
    everything = apart(points, places)
    point, place = np.nonzero(everything <= limit_m)
    np.testing.assert_array_equal(found.point, point)
    np.testing.assert_array_equal(found.place, place)
    np.testing.assert_array_equal(found.distance_m, everything[point, place])


def scene(corner, seed=7, n=2000):
    """Clusters, single points, duplicates, and for each place points exactly on its circle of 500 m."""
    rng = np.random.default_rng(seed)
    places = np.concatenate(
        [rng.normal(0, 900, (n // 2, 2)), rng.uniform(-6000, 6000, (n - n // 2, 2))]
    ).round(1)
    places[n // 2 : n // 2 + 50] = places[:50]
    on_circle = places[: n // 8].round() + np.array([(300, 400), (-500, 0), (480, 140), (0, 500)])[:, None]
    rest = rng.normal(0, 2500, (n - on_circle.shape[0] * on_circle.shape[1] - 100, 2))
    points = np.concatenate([on_circle.reshape(-1, 2), rest, places[:50], places[:50]])
    places[: n // 8] = places[: n // 8].round()
    groups = [
        *np.array_split(rng.permutation(n), 19),
        np.empty(0, dtype=np.int64),
        np.arange(n),
        np.arange(0, n, 3),
    ]
    return points + corner, places + corner, groups


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("limit_m", [500.0, 0.0, 1e9, np.inf])
def test_nearest_is_that_of_all_pairs(corner, limit_m):
    points, places, groups = scene(np.array(corner))
    found = circles.nearest(points, places, groups, limit_m)
    assert_same(found, nearest_by_force(points, places, groups, limit_m))


def test_each_group_may_have_a_limit_of_its_own():
    points, places, groups = scene(np.zeros(2))
    limits = np.resize([500.0, 0.0, 300.0, np.inf], len(groups))
    found = circles.nearest(points, places, groups, limits)
    for column, (group, limit_m) in enumerate(zip(groups, limits, strict=True)):
        alone = circles.nearest(points, places, [group], limit_m)
        np.testing.assert_array_equal(found.distance_m[:, column], alone.distance_m[:, 0])
        np.testing.assert_array_equal(found.place[:, column], alone.place[:, 0])


@pytest.mark.parametrize("corner", CORNERS)
def test_within_is_that_of_all_pairs(corner):
    points, places, _ = scene(np.array(corner))
    limit_m = np.resize([500.0, 0.0, 300.0, 1000.0, 5e4, np.inf, 499.99999999], len(places))
    limit_m[: len(places) // 8] = 500
    assert_same_pairs(circles.within(points, places, limit_m), points, places, limit_m)


def test_the_border_belongs_to_the_circle_and_nothing_beyond():
    points = np.array(
        [[0.0, 0.0], [1000.0, 0.0], [600.0, 800.0], [np.nextafter(1000, 2000), 0.0], [600.0, 800.0000001]]
    )
    found = circles.within(points, np.zeros((1, 2)), np.array([1000.0]))
    assert found.point.tolist() == [0, 1, 2]
    assert found.distance_m.tolist() == [0, 1000, 1000]
    assert circles.nearest(points, np.zeros((1, 2)), [np.array([0])], 1000.0).place[:, 0].tolist() == [
        0,
        0,
        0,
        -1,
        -1,
    ]


def test_of_equally_near_places_the_first_in_the_group():
    places = np.array([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [10.0, 0.0]])
    groups = [np.array(order) for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0], [1, 3])]
    assert circles.nearest([[0.0, 0.0]], places, groups, 100.0).place.tolist() == [[0, 3, 2, 1]]


def test_ties_among_more_places_than_a_block_holds():
    places = np.concatenate([np.full((700, 2), 3.0), np.zeros((700, 2)), np.full((10, 2), 4.0)])
    group = np.random.default_rng(3).permutation(len(places))
    points = np.random.default_rng(4).normal(0, 1e-3, (3000, 2))
    found = circles.nearest(points, places, [group], 5.0)
    assert_same(found, nearest_by_force(points, places, [group], 5.0))
    assert np.unique(found.place).tolist() == [group[(group >= 700) & (group < 1400)][0]]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(CORNERS),
    st.integers(0, 9),
)
def test_on_a_grid_full_of_ties_and_duplicates(seed, n, m, corner, limit_m):
    rng = np.random.default_rng(seed)
    points, places = (rng.integers(0, 8, (size, 2)) + np.array(corner, dtype=float) for size in (n, m))
    groups = [rng.permutation(m)[: rng.integers(0, m + 1)] for _ in range(4)]
    assert_same(
        circles.nearest(points, places, groups, float(limit_m)),
        nearest_by_force(points, places, groups, limit_m),
    )
    limits = rng.integers(0, 9, m).astype(float)
    assert_same_pairs(circles.within(points, places, limits), points, places, limits)


@pytest.mark.parametrize(("tile", "task", "block"), [(1, 7, 1), (64, 64, 300), (500, 10_000, 1 << 10)])
def test_neither_tiles_nor_threads_nor_the_order_of_points_matter(monkeypatch, tile, task, block):
    points, places, groups = scene(np.array([500_000, 3_200_000]), n=600)
    expected, pairs = circles.nearest(points, places, groups, 700.0), circles.within(points, places, 700.0)
    for name, size in (("_TILE", tile), ("_TASK", task), ("_BLOCK", block)):
        monkeypatch.setattr(circles, name, size)
    order = np.random.default_rng(5).permutation(len(points))
    for threads in (1, 3):
        found = circles.nearest(points[order], places, groups, 700.0, threads=threads)
        assert_same(found, (expected.distance_m[order], expected.place[order]))
        again = circles.within(points, places, 700.0, threads=threads)
        for name in ("point", "place", "distance_m"):
            np.testing.assert_array_equal(getattr(again, name), getattr(pairs, name))


def test_tiles_bring_each_row_once_in_the_same_order(monkeypatch):
    monkeypatch.setattr(circles, "_TASK", 300)
    points, places, groups = scene(np.zeros(2))
    runs = [list(circles.nearest_tiles(points, places, groups, 500.0, threads=n)) for n in (1, 2, 5)]
    rows = [np.concatenate([rows for rows, _ in run]).tolist() for run in runs]
    assert rows[0] == rows[1] == rows[2]
    assert sorted(rows[0]) == list(range(len(points)))
    assert max(len(rows) for rows, _ in runs[0]) <= 300


def test_nothing_in_nothing_out():
    none, one = np.empty((0, 2)), np.zeros((1, 2))
    assert circles.nearest(none, one, [np.array([0])], 10.0).place.shape == (0, 1)
    assert circles.nearest(one, one, [], 10.0).distance_m.shape == (1, 0)
    assert circles.nearest(one, none, [np.empty(0, dtype=int)] * 2, 10.0).place.tolist() == [[-1, -1]]
    for points, places in ((none, one), (one, none), (none, none)):
        assert len(circles.within(points, places, np.full(len(places), 10.0)).point) == 0


@pytest.mark.parametrize(
    ("points", "groups", "named"),
    [
        ([[0, 0], [np.nan, 1]], [[0]], "Row 1 of the points has no position"),
        ([[0, np.inf]], [[0]], "Row 0 of the points has no position"),
        ([0, 1, 2], [[0]], r"shape \(3,\)"),
        ([[0, 0]], [[0], [0, 1]], "Group 1 names a place that is not there"),
    ],
)
def test_nonsense_is_named(points, groups, named):
    with pytest.raises(BadInput, match=named):
        circles.nearest(points, [[0.0, 0.0]], [np.array(group) for group in groups], 10.0)


def test_a_limit_that_is_no_number_is_named():
    with pytest.raises(BadInput, match="limit"):
        circles.within([[0.0, 0.0]], [[0.0, 0.0]], [np.nan])
    with pytest.raises(BadInput, match="limit"):
        circles.nearest([[0.0, 0.0]], [[0.0, 0.0]], [np.array([0])], -1.0)
