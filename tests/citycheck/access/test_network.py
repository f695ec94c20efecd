"""Walking distances, held against a plain Dijkstra on a graph into which points and places are put as nodes."""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from citycheck.access import network as walking
from citycheck.errors import BadInput
from citycheck.feeds import osm

MILLIMETRE = 1e-3


def table(edges):
    """Edges as (id, from, to, length, coordinates)."""
    edge_id, start, stop, length_m, line = zip(*edges, strict=True) if edges else ([],) * 5
    return pa.table(
        {
            "edge_id": pa.array(edge_id, pa.string()),
            "from_node": pa.array(start, pa.string()),
            "to_node": pa.array(stop, pa.string()),
            "length_m": pa.array(length_m, pa.float64()),
            "line_m": pa.array([shapely.to_wkb(shapely.LineString(places)) for places in line], pa.binary()),
        }
    )


def standing(edge, offset_m, leg_m):
    """Snapped points, put where one likes."""
    n = len(edge)
    return walking.Snapped(
        np.asarray(edge, dtype=np.int32).reshape(n),
        np.asarray(offset_m, dtype=np.float64).reshape(n),
        np.asarray(leg_m, dtype=np.float64).reshape(n),
        np.asarray(leg_m, dtype=np.float64).reshape(n),
    )


def split_graph(net, *stands):
    """Arcs (from, to, metres) of the network with every snapped thing as a node of its own: ("thing", which, row)."""
    on = defaultdict(list)
    arcs = []
    for which, things in enumerate(stands):
        for row, (edge, offset_m, leg_m) in enumerate(
            zip(things.edge, things.offset_m, things.leg_m, strict=True)
        ):
            if edge >= 0:
                on[edge].append((offset_m, which, row))
                arcs.append((("spot", which, row), ("thing", which, row), leg_m))
    for edge, (start, stop, length_m) in enumerate(zip(net.start, net.stop, net.length_m, strict=True)):
        at, before = 0.0, ("node", start)
        for offset_m, which, row in sorted(on[edge]):
            arcs.append((before, ("spot", which, row), offset_m - at))
            at, before = offset_m, ("spot", which, row)
        arcs.append((before, ("node", stop), length_m - at))
    return arcs


def by_force(net, points, places):
    """Distances of all points to all places (points, places), by a plain Dijkstra from each place."""
    beside = defaultdict(list)
    for start, stop, length_m in split_graph(net, points, places):
        beside[start].append((stop, length_m))
        beside[stop].append((start, length_m))
    found = np.full((len(points), len(places)), np.inf)
    for place in np.flatnonzero(places.edge >= 0):
        # Things are ends of the way: nobody walks on through a building.
        known, queue, count = {}, [(0.0, 0, ("thing", 1, place))], 0
        while queue:
            walked_m, _, node = heapq.heappop(queue)
            if node in known:
                continue
            known[node] = walked_m
            for other, length_m in beside[node]:
                count += 1
                heapq.heappush(queue, (walked_m + length_m, count, other))
        for point in range(len(points)):
            found[point, place] = known.get(("thing", 0, point), np.inf)
    return found


def scene(seed, *, honest=True):
    """A random network of some parts with loops, parallel edges and edges of no length; lengths are quarters of metres,
    so that sums are exact and ties are real."""
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, 40, (rng.integers(1, 14), 2)).astype(float) * 4
    edges = []
    for number in range(rng.integers(0, 24)):
        start, stop = rng.integers(0, len(nodes), 2)
        if rng.random() < 0.2 and edges:  # beside one that is there
            start, stop = (int(name) for name in rng.permutation(edges[-1][1:3]))
        straight_m = np.hypot(*(nodes[stop] - nodes[start]))
        extra_m = rng.integers(0, 4) * rng.integers(0, 80) / 4
        length_m = np.ceil(straight_m) + extra_m if honest else rng.integers(0, 200) / 4
        middle = [nodes[start] + [5, 5]] if start == stop or extra_m else []
        edges.append((f"e{number:03}", str(start), str(stop), length_m, [nodes[start], *middle, nodes[stop]]))
    net = walking.network(table(edges))

    def stand(n):
        if not edges:
            return standing(np.full(n, -1), np.zeros(n), np.zeros(n))
        edge = rng.integers(-1, len(edges), n)
        share = rng.integers(0, 5, n) / 4
        return standing(edge, np.floor(4 * share * net.length_m[edge]) / 4, rng.integers(0, 12, n) / 4)

    points, places = stand(rng.integers(0, 25)), stand(rng.integers(0, 16))
    groups = [rng.permutation(len(places))[: rng.integers(0, len(places) + 1)] for _ in range(4)]
    return net, points, places, [*groups, groups[0]]


def assert_nearest(found, all_m, groups, limit_m):
    for column, group in enumerate(groups):
        own = all_m[:, group]
        least_m = own.min(axis=1, initial=np.inf)
        least_m[least_m > limit_m] = np.inf
        np.testing.assert_array_equal(found.distance_m[:, column], least_m)
        first = [
            int(group[np.argmax(row == least)]) if np.isfinite(least) else -1
            for row, least in zip(own, least_m, strict=True)
        ]
        assert found.place[:, column].tolist() == first


def assert_pairs(found, all_m, limits):
    point, place = np.nonzero((all_m <= limits) & np.isfinite(all_m))
    np.testing.assert_array_equal(found.point, point)
    np.testing.assert_array_equal(found.place, place)
    np.testing.assert_array_equal(found.distance_m, all_m[point, place])


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 20.0, 61.25, 1e4, np.inf]),
    st.booleans(),
    st.sampled_from([1, 4, walking._NODES]),
)
def test_on_random_networks(seed, limit_m, honest, tile_nodes):
    """To the last bit, and of equally near places the first, however small the tiles."""
    net, points, places, groups = scene(seed, honest=honest)
    all_m = by_force(net, points, places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walking, "_NODES", tile_nodes)
        patch.setattr(walking, "_SIDES", 0.1)
        found = walking.nearest(net, points, places, groups, limit_m)
    assert_nearest(found, all_m, groups, limit_m)
    limits = np.random.default_rng(seed).choice([0.0, limit_m, limit_m / 2, 35.0], len(places))
    assert_pairs(walking.within(net, points, places, limits), all_m, limits)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_laws_of_distance(seed):
    """It is as far there as back; a detour is no shorter; a wider limit finds what a narrower one found, and as near."""
    net, points, _, _ = scene(seed)
    everywhere = np.full(len(points), np.inf)
    pairs = walking.within(net, points, points, everywhere)
    all_m = np.full((len(points), len(points)), np.inf)
    all_m[pairs.point, pairs.place] = pairs.distance_m
    np.testing.assert_array_equal(all_m, all_m.T)
    # Over a third point one walks its leg twice.
    assert (all_m[:, None, :] <= all_m[:, :, None] + all_m[None, :, :]).all()
    for narrow, wide in ((0.0, 30.0), (30.0, 70.0), (70.0, np.inf)):
        each = [np.array([row]) for row in range(len(points))]
        near, far = (walking.nearest(net, points, points, each, limit) for limit in (narrow, wide))
        hit = np.isfinite(near.distance_m)
        np.testing.assert_array_equal(near.distance_m[hit], far.distance_m[hit])
        assert (far.distance_m[~hit] > narrow).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    nodes = rng.uniform(0, 900, (12, 2))
    ends = rng.integers(0, 12, (20, 2))
    edges = table(
        [
            (
                f"e{n:02}",
                str(a),
                str(b),
                7 + np.hypot(*(nodes[a] - nodes[b])),
                [nodes[a], nodes[b] + [1, 1], nodes[b]],
            )
            for n, (a, b) in enumerate(ends.tolist())
        ]
    )
    at, of = rng.uniform(0, 900, (30, 2)), rng.uniform(0, 900, (9, 2))
    shuffled = rng.permutation(30)
    found = []
    for net, points in ((edges, at), (edges.take(rng.permutation(20)), at[shuffled])):
        net = walking.network(net)
        points, places = walking.snap(net, points, 300), walking.snap(net, of, 300)
        one = walking.nearest(net, points, places, [np.arange(9)], 500)
        two = walking.within(net, points, places, np.full(9, 500.0))
        found.append((one, two, points))
    (one, two, points), (other, again, moved) = found
    np.testing.assert_array_equal(points.edge[shuffled], moved.edge)
    np.testing.assert_array_equal(one.distance_m[shuffled], other.distance_m)
    np.testing.assert_array_equal(one.place[shuffled], other.place)
    pairs = zip(shuffled[again.point].tolist(), again.place.tolist(), again.distance_m.tolist(), strict=True)
    assert sorted(pairs) == list(
        zip(two.point.tolist(), two.place.tolist(), two.distance_m.tolist(), strict=True)
    )


# Special places ------------------------------------------------------------------------------------------------------

STREET = [("a", "1", "2", 100.0, [(0, 0), (100, 0)])]
LOOP = [*STREET, ("b", "2", "2", 40.0, [(100, 0), (110, 0), (110, 10), (100, 10), (100, 0)])]


def metres(net, point, place, limit_m=np.inf):
    """The distance of one point to one place, by both ways to ask for it."""
    points, places = standing(*([value] for value in point)), standing(*([value] for value in place))
    near = walking.nearest(net, points, places, [np.array([0])], limit_m).distance_m[0, 0]
    pairs = walking.within(net, points, places, np.array([limit_m])).distance_m
    assert [near] == (pairs.tolist() or [np.inf])
    return near


def test_both_on_one_edge():
    net = walking.network(table(STREET))
    assert metres(net, (0, 30, 5), (0, 80, 2)) == 57
    assert metres(net, (0, 30, 5), (0, 30, 2)) == 7
    assert metres(net, (0, 0, 0), (0, 100, 0)) == 100
    assert metres(net, (0, 0, 0), (0, 0, 0)) == 0


def test_the_other_way_round_a_loop_may_be_shorter():
    net = walking.network(table(LOOP))
    assert metres(net, (1, 2, 0), (1, 38, 0)) == 4
    assert metres(net, (1, 5, 1), (1, 15, 1)) == 12
    assert metres(net, (0, 90, 0), (1, 39, 0)) == 11


def test_the_shorter_of_parallel_edges_and_edges_of_no_length():
    net = walking.network(
        table(
            [
                *STREET,
                ("b", "1", "2", 150.0, [(0, 0), (50, 60), (100, 0)]),
                ("c", "2", "3", 0.0, [(100, 0), (100, 0)]),
                ("d", "3", "4", 10.0, [(100, 0), (110, 0)]),
            ]
        )
    )
    assert metres(net, (1, 10, 0), (3, 10, 0)) == 120
    assert metres(net, (1, 149, 0), (2, 0, 3)) == 4
    assert metres(net, (1, 20, 0), (1, 140, 0)) == 120
    assert metres(net, (1, 10, 0), (1, 145, 0)) == 115  # back and along the shorter one


def test_the_border_belongs_to_the_limit():
    net = walking.network(table(STREET))
    assert metres(net, (0, 0, 0), (0, 100, 0), 100.0) == 100
    assert metres(net, (0, 0, 0), (0, 100, 0), np.nextafter(100, 0)) == np.inf
    assert metres(net, (0, 0, 60), (0, 0, 60), 100.0) == np.inf


def test_no_way_is_no_distance():
    net = walking.network(table([*STREET, ("z", "8", "9", 10.0, [(0, 5), (10, 5)])]))
    assert metres(net, (0, 0, 0), (1, 0, 0)) == np.inf
    assert metres(net, (-1, 0, 0), (0, 0, 0)) == metres(net, (0, 0, 0), (-1, 0, 0)) == np.inf


def test_of_equally_near_places_the_first_however_far_the_tie_reaches():
    """Two places at the same distance from a junction, and a long street behind it."""
    edges = [
        ("a", "l", "j", 10.0, [(-10, 0), (0, 0)]),
        ("b", "r", "j", 10.0, [(10, 0), (0, 0)]),
        *(
            (f"s{n:03}", f"{n}" if n else "j", f"{n + 1}", 8.0, [(0, 8 * n), (0, 8 * n + 8)])
            for n in range(60)
        ),
    ]
    net = walking.network(table(edges))
    points, places = (
        standing(np.arange(2, 62), np.full(60, 4.0), np.ones(60)),
        standing([0, 1, 0], [0, 0, 0], [0, 0, 0]),
    )
    groups = [np.array(order) for order in ([0, 1], [1, 0], [2, 1, 0], [1, 2])]
    found = walking.nearest(net, points, places, groups, 1e6)
    assert (found.place == [0, 1, 2, 1]).all()
    assert (found.distance_m == (10 + 8 * np.arange(60) + 5)[:, None]).all()


def test_many_places_are_taken_in_batches(monkeypatch):
    """A street grid on which the straight parts of a way can be counted by hand."""
    monkeypatch.setattr(walking, "_BATCH", 3)
    side = range(7)
    edges = [
        (f"{x}{y}{dx}", f"{x},{y}", f"{x + dx},{y + 1 - dx}", 100.0, [(100 * x, 100 * y), (100 * (x + dx), 100 * (y + 1 - dx))])
        for x in side for y in side for dx in (0, 1) if max(x + dx, y + 1 - dx) in side
    ]  # fmt: skip
    net = walking.network(table(edges))
    corners = np.array([(x, y) for x in side for y in side]) * 100.0
    points = walking.snap(net, corners, 0.0)
    found = walking.within(net, points, points, np.resize([250.0, 300.0], 49))
    expected = np.abs(corners[:, None] - corners).sum(axis=2)
    assert_pairs(found, expected, np.resize([250.0, 300.0], 49))


def test_nothing_in_nothing_out():
    for net in (walking.network(table([])), walking.network(table(STREET))):
        none = walking.snap(net, np.empty((0, 2)), 50)
        one = walking.snap(net, [(10.0, 3.0)], 50)
        assert walking.nearest(net, none, one, [np.array([0])], 10.0).place.shape == (0, 1)
        assert walking.nearest(net, one, none, [np.empty(0, dtype=int)], 10.0).place.tolist() == [[-1]]
        assert (
            len(walking.within(net, none, one, [10.0]).point)
            == len(walking.within(net, one, none, []).point)
            == 0
        )


# Snapping ------------------------------------------------------------------------------------------------------------


def test_snapping_to_the_nearest_spot_of_the_nearest_edge():
    net = walking.network(table([*STREET, ("b", "2", "3", 300.0, [(100, 0), (100, 100), (0, 100)])]))
    found = walking.snap(
        net, [(30, 4), (-3, -4), (90, 50), (50, 50), (103, 0), (0, 301), (9000, 0)], 200, look_m=3000
    )
    assert found.edge.tolist() == [0, 0, 1, 0, 0, -1, -1]
    assert found.offset_m.tolist() == [30, 0, 75, 50, 100, 0, 0]  # 75: the line is 200 m, the edge 300 m long
    assert found.leg_m.tolist() == [4, 5, 10, 50, 3, 0, 0]
    assert found.nearest_m.tolist() == [4, 5, 10, 50, 3, 201, np.inf]


def test_the_border_of_the_snapping_limit():
    net = walking.network(table(STREET))
    found = walking.snap(net, [(50, 200), (50, 200.000001), (50, 201)], 200, look_m=0)
    assert found.edge.tolist() == [0, -1, -1]
    assert found.nearest_m[0] == 200 and not np.isfinite(found.nearest_m[1:]).any()


def test_of_equally_near_edges_the_first():
    star = [
        (name, "0", name, 10.0, [(0, 0), end])
        for name, end in zip("dbca", [(10, 0), (0, 10), (-10, 0), (0, -10)], strict=True)
    ]
    net = walking.network(table(star))
    assert net.edge_id.to_pylist() == list("abcd")
    assert walking.snap(net, [(0, 0), (5, 5), (-5, 5)], 10).edge.tolist() == [0, 1, 1]


def test_points_are_not_snapped_to_fragments():
    edges = table([*STREET, ("z", "8", "9", 10.0, [(0, 5), (10, 5)])])
    assert walking.snap(walking.network(edges), [(2, 5)], 50).edge.tolist() == [1]
    net = walking.network(edges, fragment_m=11)
    assert net.edge_id.to_pylist() == ["a"]
    assert walking.snap(net, [(2, 5)], 50).leg_m.tolist() == [5]
    assert len(walking.network(edges, fragment_m=10).start) == 2


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_snapping_against_every_edge(seed):
    rng = np.random.default_rng(seed)
    lines = [rng.normal(0, 300, (rng.integers(2, 5), 2)) for _ in range(15)]
    net = walking.network(
        table([(f"{n:02}", f"{n}a", f"{n}b", 2000.0, line) for n, line in enumerate(lines)])
    )
    at = rng.normal(0, 500, (40, 2))
    all_m = shapely.distance(shapely.points(at)[:, None], net.line)
    found = walking.snap(net, at, 100)
    np.testing.assert_array_equal(found.nearest_m, all_m.min(axis=1))
    np.testing.assert_array_equal(found.edge, np.where(all_m.min(axis=1) <= 100, all_m.argmin(axis=1), -1))
    on = np.flatnonzero(found.edge >= 0)
    line = net.line[found.edge[on]]
    spot = shapely.line_interpolate_point(line, found.offset_m[on] / 2000, normalized=True)
    np.testing.assert_allclose(shapely.distance(shapely.points(at[on]), spot), found.leg_m[on], atol=1e-9)


# Components and bad input --------------------------------------------------------------------------------------------


def test_components_the_longest_first():
    found = walking.components(
        ["x", "p", "q", "5", "p"], ["y", "q", "r", "5", "r"], [20.0, 5.0, 6.0, 11.0, 8.0]
    )
    assert found.of_edge.tolist() == [0, 1, 1, 2, 1]
    assert found.edges.tolist() == [1, 3, 1]
    assert found.length_m.tolist() == [20, 19, 11]
    assert found.first_edge.tolist() == [0, 1, 3]
    assert len(walking.components([], [], []).edges) == 0


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("length_m", -1.0, "edge 'a' has no usable length_m"),
        ("length_m", np.nan, "edge 'a' has no usable length_m"),
        ("length_m", None, "edge 'a' has no length_m"),
        ("from_node", None, "edge 'a' has no from_node"),
        ("edge_id", "b", "edge 'b' stands there twice"),
        ("line_m", b"no geometry", "edge 'a' has no usable line_m"),
        ("line_m", shapely.to_wkb(shapely.Point(1, 2)), "edge 'a' has no usable line_m"),
        ("line_m", shapely.to_wkb(shapely.LineString()), "edge 'a' has no usable line_m"),
        (
            "line_m",
            shapely.to_wkb(shapely.LineString([(0, 0), (1, np.inf)])),
            "edge 'a' has no usable line_m",
        ),
    ],
)
def test_nonsense_is_named(column, value, named):
    edges = table(LOOP)
    values = [value, *edges[column].to_pylist()[1:]]
    at = edges.schema.get_field_index(column)
    with pytest.raises(BadInput, match=named):
        walking.network(edges.set_column(at, column, pa.array(values, edges.schema.field(at).type)))
    with pytest.raises(BadInput, match=f"no column {column}"):
        walking.network(edges.drop_columns([column]))


def test_a_point_without_position_is_named():
    with pytest.raises(BadInput, match="Row 1 of the points"):
        walking.snap(walking.network(table(STREET)), [(0, 0), (np.nan, 0)], 10)


# A real network ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helsinki(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("helsinki")
    osm.network(shared_data / "helsinki-osm" / "Helsinki.osm.pbf", folder)
    edges = pq.read_table(folder / "edges.parquet")
    line = shapely.from_wkb(edges["geometry"].to_numpy(zero_copy_only=False))
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:3067", always_xy=True)
    line = shapely.transform(line, lambda places: np.stack(to_metres.transform(*places.T), axis=1))
    columns = {name: pc.cast(edges[name], pa.string()) for name in ("edge_id", "from_node", "to_node")}
    length_m = np.maximum(edges["length_m"].to_numpy(), shapely.length(line))
    return walking.network(pa.table({**columns, "length_m": length_m, "line_m": list(shapely.to_wkb(line))}))


def test_a_real_network_to_the_millimetre(helsinki):
    rng = np.random.default_rng(11)
    low, high = helsinki.node_m.min(axis=0), helsinki.node_m.max(axis=0)
    points, places = (walking.snap(helsinki, rng.uniform(low, high, (n, 2)), 200) for n in (1500, 300))
    assert (points.edge >= 0).mean() > 0.5
    arcs = split_graph(helsinki, points, places)
    number = {node: n for n, node in enumerate(dict.fromkeys(node for arc in arcs for node in arc[:2]))}
    shortest = {}  # scipy adds up parallel edges, and does not keep those of no length
    for start, stop, length_m in arcs:
        ends = tuple(sorted((number[start], number[stop])))
        shortest[ends] = min(shortest.get(ends, np.inf), max(length_m, 1e-12))
    start, stop = np.array(list(shortest)).T
    graph = coo_array((list(shortest.values()), (start, stop)), shape=(len(number),) * 2).tocsr()
    there = np.flatnonzero(places.edge >= 0)
    all_m = np.full((len(points), len(places)), np.inf)
    on = np.flatnonzero(points.edge >= 0)
    walked = dijkstra(graph, directed=False, indices=[number["thing", 1, row] for row in there])
    all_m[np.ix_(on, there)] = walked[:, [number["thing", 0, row] for row in on]].T

    groups = [np.arange(300)[n::20] for n in range(20)]
    for limit_m in (600.0, 3000.0):
        found = walking.nearest(helsinki, points, places, groups, limit_m)
        least_m = np.stack([all_m[:, group].min(axis=1) for group in groups], axis=1)
        clear = np.abs(least_m - limit_m) > MILLIMETRE
        np.testing.assert_array_equal(np.isfinite(found.distance_m)[clear], (least_m <= limit_m)[clear])
        hit = np.isfinite(found.distance_m)
        np.testing.assert_allclose(found.distance_m[hit], least_m[hit], rtol=0, atol=MILLIMETRE)
        of = all_m[np.nonzero(hit)[0], found.place[hit]]
        np.testing.assert_allclose(found.distance_m[hit], of, rtol=0, atol=MILLIMETRE)
    limits = np.resize([300.0, 500.0, 1000.0], 300)
    pairs = walking.within(helsinki, points, places, limits)
    np.testing.assert_allclose(pairs.distance_m, all_m[pairs.point, pairs.place], rtol=0, atol=MILLIMETRE)
    assert len(pairs.point) == np.count_nonzero(all_m <= limits) > 1000
    sample = rng.choice(len(there), 12, replace=False)
    one = by_force(helsinki, points, places.only(there[sample]))
    np.testing.assert_allclose(one, all_m[:, there[sample]], rtol=0, atol=MILLIMETRE)
