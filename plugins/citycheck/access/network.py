"""Distances along the walking network between points and places that stand beside it, exact to rounding.

A point is snapped to the nearest spot on the nearest edge; its distance to a place is the straight leg to that spot, the
shortest way along edges, walked in both directions, and the straight leg to the place. Ways are found by Dijkstra's
algorithm (`scipy.sparse.csgraph`), always in the part of the network that the limit can reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from citycheck.access.circles import (
    Floats,
    IntArray,
    Ints,
    Nearest,
    Pairs,
    checked,
    checked_limit,
    sorted_pairs,
)
from citycheck.errors import BadInput

COLUMNS = ("edge_id", "from_node", "to_node", "length_m", "line_m")
_NO_RANK = np.iinfo(np.int32).max
_BATCH = 32
"""Places whose surroundings are searched together."""
_POINTS = 100_000
"""Points that are snapped at a time."""
_NODES, _SIDES = 100_000, 4
"""A tile has at most so many nodes, unless it is less than so many limits long."""
_NEAR_M = 50.0
"""Most points are nearer to an edge than this."""


@dataclass(frozen=True, eq=False)
class Network:
    """The edges that can be walked, in the order of their ids, without those of fragments; nodes are numbers from 0.

    `stretch` is the most metres of straight line between the ends of an edge per metre of its length: 1 or less where
    lengths are honest. It says how far a limited walk can lead away.
    """

    edge_id: pa.Array
    start: Ints
    stop: Ints
    length_m: Floats
    line: NDArray[np.object_]
    node_m: Floats
    stretch: float

    @cached_property
    def tree(self) -> Any:
        """The edges' lines, to be asked what is near."""
        return shapely.STRtree(self.line)


@dataclass(frozen=True, eq=False)
class Snapped:
    """Where points stand beside the network, a row each.

    `edge` is the row of the edge in the network, -1 if none is within the limit; `offset_m` the way along it from its
    first end, `leg_m` the straight way to it (both 0 if not snapped); `nearest_m` the distance to the nearest edge
    however far, inf if there is none within the distance looked at.
    """

    edge: Ints
    offset_m: Floats
    leg_m: Floats
    nearest_m: Floats

    def __len__(self) -> int:
        return len(self.edge)

    def only(self, rows: IntArray) -> Snapped:
        return Snapped(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Components:
    """Parts of a network that no edge connects, the longest first: the main one is number 0.

    `of_edge` has the number of each edge's component; the others are one a component: how many edges it has, how long
    they are together, and the row of the first of them.
    """

    of_edge: Ints
    edges: NDArray[np.int64]
    length_m: Floats
    first_edge: NDArray[np.int64]


# Reading -------------------------------------------------------------------------------------------------------------


def network(edges: pa.Table, *, fragment_m: float = 0.0) -> Network:
    """The network of a table with `COLUMNS`: `line_m` is a WKB LineString in metres from `from_node` to `to_node`.

    Components whose edges are together shorter than `fragment_m` are left out. Raises `BadInput` that names the edge.
    """
    if missing := [name for name in COLUMNS if name not in edges.column_names]:
        raise BadInput(f"The walking network has no column {missing[0]}; expected {', '.join(COLUMNS)}.")
    table = edges.select(list(COLUMNS)).sort_by("edge_id").combine_chunks()
    edge_id = table["edge_id"].combine_chunks()
    for name in COLUMNS:
        _refuse(edge_id, table[name].is_null().to_numpy(), f"has no {name}", "a value in every row")
    repeated = np.zeros(len(table), dtype=bool)
    if len(table) > 1:
        repeated[1:] = pc.equal(edge_id[1:], edge_id[:-1]).to_numpy(zero_copy_only=False)
    _refuse(edge_id, repeated, "stands there twice", "each edge once")
    length_m = table["length_m"].to_numpy().astype(np.float64)
    _refuse(
        edge_id, ~(np.isfinite(length_m) & (length_m >= 0)), "has no usable length_m", "metres, 0 or more"
    )
    line = shapely.from_wkb(table["line_m"].to_numpy(zero_copy_only=False), on_invalid="ignore")
    is_line = (shapely.get_type_id(line) == shapely.GeometryType.LINESTRING) & ~shapely.is_empty(line)
    places, owner = shapely.get_coordinates(line, return_index=True)
    is_line[owner[~np.isfinite(places).all(axis=1)]] = False
    _refuse(edge_id, ~is_line, "has no usable line_m", "a LineString (WKB) in metres")

    start, stop = _numbers(table["from_node"], table["to_node"])
    parts = _components(start, stop, length_m)
    kept = np.flatnonzero(parts.length_m[parts.of_edge] >= fragment_m)
    start, stop = np.split(np.unique(np.concatenate([start[kept], stop[kept]]), return_inverse=True)[1], 2)
    length_m, line = length_m[kept], line[kept]
    ends_m = np.concatenate([shapely.get_coordinates(shapely.get_point(line, end)) for end in (0, -1)])
    node_m = ends_m[np.unique(np.concatenate([start, stop]), return_index=True)[1]]
    straight_m = np.hypot(*(node_m[stop] - node_m[start]).T)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = float(np.max(np.where(straight_m > 0, straight_m / length_m, 0), initial=1))
    return Network(
        edge_id.take(pa.array(kept)),
        start.astype(np.int32),
        stop.astype(np.int32),
        length_m,
        line,
        node_m,
        stretch,
    )


def components(from_node: ArrayLike, to_node: ArrayLike, length_m: ArrayLike) -> Components:
    """Which edges hang together; nodes may be named by anything that can be compared. One value an edge in each."""
    start, stop = _numbers(pa.chunked_array([pa.array(from_node)]), pa.chunked_array([pa.array(to_node)]))
    return _components(start, stop, np.asarray(length_m, dtype=np.float64))


def _refuse(edge_id: pa.Array, bad: NDArray[np.bool_], what: str, expected: str) -> None:
    if len(rows := np.flatnonzero(bad)):
        raise BadInput(
            f"Walking network: edge {edge_id[int(rows[0])].as_py()!r} {what} ({len(rows)} such edges in all); "
            f"expected {expected}. Correct the table of edges."
        )


def _numbers(from_node: pa.ChunkedArray, to_node: pa.ChunkedArray) -> tuple[IntArray, IntArray]:
    """Nodes as numbers, in the order in which they first stand there."""
    both = pa.chunked_array([*from_node.chunks, *to_node.chunks], type=from_node.type).combine_chunks()
    start, stop = np.split(both.dictionary_encode().indices.to_numpy(), 2)
    return start, stop


def _components(start: IntArray, stop: IntArray, length_m: Floats) -> Components:
    nodes = int(max(start.max(initial=-1), stop.max(initial=-1))) + 1
    links = csr_array((np.ones(len(start), dtype=np.int8), (start, stop)), shape=(max(nodes, 1),) * 2)
    label = connected_components(links, directed=False)[1][start]
    _, first, part = np.unique(label, return_index=True, return_inverse=True)
    total_m = np.bincount(part, length_m)
    order = np.lexsort([first, -total_m])
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order))
    return Components(number[part], np.bincount(part)[order], total_m.astype(np.float64)[order], first[order])


# Snapping ------------------------------------------------------------------------------------------------------------


def snap(network: Network, points_m: ArrayLike, limit_m: float, *, look_m: float = 3000.0) -> Snapped:
    """Each point on the nearest edge, at most `limit_m` away; of equally near ones on the first in the network.

    The offset along the line is scaled to the edge's length. Farther edges are looked for up to `look_m`, to tell how
    far away the network is. Raises `BadInput` for points that are no numbers.
    """
    points = checked("points", points_m)
    edge = np.full(len(points), -1, dtype=np.int32)
    offset_m, leg_m, nearest_m = np.zeros(len(points)), np.zeros(len(points)), np.full(len(points), np.inf)
    for first in range(0, len(points) if len(network.line) else 0, _POINTS):
        block = points[first : first + _POINTS]
        near, apart_m = _nearest_edge(network, block)
        nearest_m[first : first + _POINTS] = np.where(apart_m <= max(look_m, limit_m), apart_m, np.inf)
        on = np.flatnonzero(apart_m <= limit_m)
        rows, near = first + on, near[on]
        line, length_m = network.line[near], network.length_m[near]
        drawn_m = shapely.length(line)
        along_m: Any = shapely.line_locate_point(line, shapely.points(block[on])) * length_m
        along_m = np.divide(along_m, drawn_m, out=np.zeros(len(on)), where=drawn_m > 0)
        edge[rows], leg_m[rows], offset_m[rows] = near, apart_m[on], np.clip(along_m, 0, length_m)
    return Snapped(edge, offset_m, leg_m, nearest_m)


def _nearest_edge(network: Network, points: Floats) -> tuple[IntArray, Floats]:
    """For each point the nearest edge, the first of equally near ones, and the distance to it.

    To measure all edges whose box is near is four times as fast as to ask the tree, which is left for the other points.
    """
    point: Any = shapely.points(points)
    boxes = shapely.box(*(points - _NEAR_M).T, *(points + _NEAR_M).T)
    row, edge = network.tree.query(boxes)
    apart_m: Any = shapely.distance(point[row], network.line[edge])
    sure = apart_m <= _NEAR_M
    far = np.flatnonzero(np.bincount(row[sure], minlength=len(points)) == 0)
    far_row, far_edge = network.tree.query_nearest(point[far], all_matches=True)
    far_m = shapely.distance(point[far[far_row]], network.line[far_edge])
    row = np.concatenate([row[sure], far[far_row]])
    edge, apart_m = np.concatenate([edge[sure], far_edge]), np.concatenate([apart_m[sure], far_m])
    order = np.lexsort([edge, apart_m, row])
    order = order[np.unique(row[order], return_index=True)[1]]
    return edge[order], apart_m[order]


# Walking -------------------------------------------------------------------------------------------------------------


def nearest(
    network: Network, points: Snapped, places: Snapped, groups: Sequence[IntArray], limit_m: float
) -> Nearest:
    """For each point the nearest place of each group, at most `limit_m` of walking away, the border included.

    A group is a list of rows of `places`; of equally near places the first in the group is taken. What is not snapped
    is not reached.
    """
    shape = len(groups), len(points)  # a group after the other, as they are found
    found = Nearest(np.full(shape, np.inf).T, np.full(shape, -1, dtype=np.int32).T)
    members = [np.asarray(group, dtype=np.int64) for group in groups]
    first_like = _first_like(members)
    snapped = np.flatnonzero(points.edge >= 0)
    for tile in _tiles(network, points.edge[snapped], limit_m):
        rows = snapped[tile]
        part = _part(network, points.edge[rows], limit_m)
        spots, spot_of = _spots(places, np.flatnonzero(part.has(places.edge)))
        search = _Search(part, points.only(rows), spots)
        for column, group in enumerate(members):
            if first_like[column] != column:
                continue
            spot = spot_of[group]
            group, spot = group[spot >= 0], spot[spot >= 0]
            spot, first = np.unique(spot, return_index=True)
            by_rank = np.argsort(first)
            distance_m, rank = search.nearest(spot[by_rank], limit_m)
            hit = np.flatnonzero((distance_m <= limit_m) & (rank != _NO_RANK))
            found.distance_m[rows[hit], column] = distance_m[hit]
            found.place[rows[hit], column] = group[first[by_rank][rank[hit]]]
    for column, like in enumerate(first_like):
        if like != column:
            found.distance_m[:, column] = found.distance_m[:, like]
            found.place[:, column] = found.place[:, like]
    return found


def _first_like(groups: Sequence[IntArray]) -> list[int]:
    """For each group the first one with the same places."""
    firsts: dict[bytes, int] = {}
    return [firsts.setdefault(group.tobytes(), column) for column, group in enumerate(groups)]


def within(network: Network, points: Snapped, places: Snapped, limit_m: ArrayLike) -> Pairs:
    """All pairs of a point and a place that are at most the place's limit of walking apart, the border included.

    `limit_m` is one a place. What is not snapped is not reached.
    """
    limits = np.broadcast_to(checked_limit(limit_m), len(places))
    by_edge = np.argsort(points.edge, kind="stable")
    by_edge = by_edge[np.searchsorted(points.edge[by_edge], 0) :]
    points = points.only(by_edge)
    rows = np.flatnonzero(places.edge >= 0)
    middle_m = network.node_m[network.start[places.edge[rows]]]
    parts = []
    for limit in np.unique(limits[rows]):
        wanted = np.flatnonzero(limits[rows] == limit)
        for batch in _batches(middle_m[wanted]):
            batch = rows[wanted[batch]]
            found = _within(_part(network, places.edge[batch], limit), points, places.only(batch), limit)
            parts.append(
                Pairs(
                    by_edge[found.point].astype(np.int32),
                    batch[found.place].astype(np.int32),
                    found.distance_m,
                )
            )
    return sorted_pairs(parts)


def _within(part: _Part, points: Snapped, places: Snapped, limit_m: float) -> Pairs:
    """`within` for a few places; the points stand in the order of their edges."""
    begin, end = _runs(points.edge, part.edge)
    point = _ranges(begin, end)
    column = np.concatenate([[0], np.cumsum(end - begin)])
    points = points.only(point)
    step = max(4_000_000 // max(part.nodes, len(points), 1), 1)
    found = []
    for first in range(0, len(places) if len(points) else 0, step):
        some = places.only(np.arange(first, min(first + step, len(places))))
        graph = part.graph(some)
        node_m = dijkstra(graph, indices=part.nodes + np.arange(len(some)), limit=limit_m)
        start, stop, length_m = part.of(points.edge)
        walked_m = np.minimum(
            node_m[:, start] + points.offset_m, node_m[:, stop] + (length_m - points.offset_m)
        )
        for number, edge in enumerate(np.searchsorted(part.edge, some.edge)):
            own = slice(column[edge], column[edge + 1])
            along_m = some.leg_m[number] + np.abs(some.offset_m[number] - points.offset_m[own])
            walked_m[number, own] = np.minimum(walked_m[number, own], along_m)
        walked_m += points.leg_m
        place, near = np.nonzero((walked_m <= limit_m) & np.isfinite(walked_m))
        found.append(
            Pairs(point[near].astype(np.int32), (first + place).astype(np.int32), walked_m[place, near])
        )
    return sorted_pairs(found)


# Parts of a network --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Part:
    """Some edges of a network (rows, ascending) with their nodes numbered anew."""

    edge: IntArray
    start: IntArray
    stop: IntArray
    length_m: Floats
    nodes: int

    def has(self, edge: IntArray) -> NDArray[np.bool_]:
        at = np.minimum(np.searchsorted(self.edge, edge), len(self.edge) - 1)
        return self.edge[at] == edge if len(self.edge) else np.zeros(len(edge), dtype=bool)

    def of(self, edge: IntArray) -> tuple[IntArray, IntArray, Floats]:
        """First node, last node and length of edges of the part."""
        at = np.searchsorted(self.edge, edge)
        return self.start[at], self.stop[at], self.length_m[at]

    def graph(self, places: Snapped) -> Any:
        """Arcs in both directions, and a node more for each place, from which one can only go out.

        Made by hand: scipy would add up parallel edges. Edges of no length stay edges.
        """
        out = np.concatenate([self.start, self.stop])
        order = np.argsort(out, kind="stable")
        upto = np.concatenate([[0], np.cumsum(np.bincount(out, minlength=self.nodes))])
        start, stop, length_m = self.of(places.edge)
        ends_m = places.leg_m + np.stack([places.offset_m, length_m - places.offset_m])
        arcs = (
            np.concatenate([np.tile(self.length_m, 2)[order], ends_m.T.ravel()]),
            np.concatenate(
                [np.concatenate([self.stop, self.start])[order], np.stack([start, stop]).T.ravel()]
            ),
            np.concatenate([upto, upto[-1] + 2 * np.arange(1, len(places) + 1)]),
        )
        return csr_array(arcs, shape=(self.nodes + len(places),) * 2)


def _part(network: Network, edge: IntArray, limit_m: float) -> _Part:
    """What can be reached from the ends of these edges within a limit, and some more."""
    inner = np.unique(np.concatenate([network.start[edge], network.stop[edge]]))
    reach_m = limit_m * network.stretch * (1 + 1e-9) if limit_m else 0.0
    if not len(inner):
        chosen = np.empty(0, dtype=np.int64)
    elif not np.isfinite(reach_m):
        chosen = np.arange(len(network.start))
    else:
        low, high = network.node_m[inner].min(axis=0) - reach_m, network.node_m[inner].max(axis=0) + reach_m
        chosen = np.unique(np.concatenate([network.tree.query(shapely.box(*low, *high)), edge]))
    ends = np.concatenate([network.start[chosen], network.stop[chosen]])
    nodes, ends = np.unique(ends, return_inverse=True)
    start, stop = np.split(ends, 2)
    return _Part(chosen, start, stop, network.length_m[chosen], len(nodes))


def _spots(places: Snapped, rows: IntArray) -> tuple[Snapped, IntArray]:
    """Places at one spot as one: the spots, and for each place the number of its spot, -1 for places not in `rows`."""
    seen = np.stack([places.edge[rows], places.offset_m[rows], places.leg_m[rows]], axis=1)
    _, first, spot = np.unique(seen, axis=0, return_index=True, return_inverse=True)
    spot_of = np.full(len(places), -1)
    spot_of[rows] = spot.ravel()
    return places.only(rows[first]), spot_of


class _Search:
    """Points and spots in a part of the network: which spot of some is nearest to each point."""

    def __init__(self, part: _Part, points: Snapped, spots: Snapped) -> None:
        self.part, self.points, self.spots = part, points, spots
        self.graph = part.graph(spots)
        self.tail = np.repeat(np.arange(self.graph.shape[0]), np.diff(self.graph.indptr))
        self.ends = part.of(points.edge)
        # Points and spots on one edge: the way between them along the edge, whichever the group.
        by_edge = np.argsort(spots.edge, kind="stable")
        begin, end = _runs(spots.edge[by_edge], points.edge)
        self.pair_spot = by_edge[_ranges(begin, end)]
        self.pair_point = np.repeat(np.arange(len(points)), end - begin)
        self.pair_m = (
            spots.leg_m[self.pair_spot]
            + np.abs(spots.offset_m[self.pair_spot] - points.offset_m[self.pair_point])
            + points.leg_m[self.pair_point]
        )

    def nearest(self, chosen: IntArray, limit_m: float) -> tuple[Floats, Ints]:
        """Distance and rank (position in `chosen`) of the nearest spot; the lowest rank of equally near ones."""
        n = len(self.points)
        if not len(chosen) or not n:
            return np.full(n, np.inf), np.full(n, _NO_RANK, dtype=np.int32)
        node_m, _, source = dijkstra(
            self.graph,
            indices=self.part.nodes + chosen,
            limit=limit_m,
            min_only=True,
            return_predecessors=True,
        )
        rank_of = np.full(self.graph.shape[0] + 1, _NO_RANK, dtype=np.int32)
        rank_of[self.part.nodes + chosen] = np.arange(len(chosen))
        rank = rank_of[np.where(source < 0, -1, source)]
        self._lowest_ranks(node_m, rank)

        start, stop, length_m = self.ends
        forth_m = node_m[start] + self.points.offset_m + self.points.leg_m
        back_m = node_m[stop] + (length_m - self.points.offset_m) + self.points.leg_m
        distance_m, best = _better(forth_m, rank[start], back_m, rank[stop])
        # The same for pairs on one edge, of which a point may have several.
        pair_rank = rank_of[self.part.nodes + self.pair_spot]
        pairs = np.flatnonzero(pair_rank != _NO_RANK)
        pairs = pairs[np.lexsort([pair_rank[pairs], self.pair_m[pairs], self.pair_point[pairs]])]
        point, first = np.unique(self.pair_point[pairs], return_index=True)
        pairs = pairs[first]
        distance_m[point], best[point] = _better(
            distance_m[point], best[point], self.pair_m[pairs], pair_rank[pairs]
        )
        return distance_m, best

    def _lowest_ranks(self, node_m: Floats, rank: Ints) -> None:
        """Where several spots are equally near to a node, Dijkstra takes any: let the lowest rank spread in place of it."""
        graph, tail = self.graph, self.tail
        arcs: IntArray = np.flatnonzero(rank[tail] < rank[graph.indices])
        while len(arcs):
            head, from_ = graph.indices[arcs], tail[arcs]
            tight = (node_m[from_] + graph.data[arcs] == node_m[head]) & (rank[from_] < rank[head])
            head, from_ = head[tight], from_[tight]
            np.minimum.at(rank, head, rank[from_])
            changed = np.unique(head)
            arcs = _ranges(graph.indptr[changed], graph.indptr[changed + 1])


def _better(one_m: Floats, one: Ints, other_m: Floats, other: Ints) -> tuple[Floats, Ints]:
    """The shorter distance with its rank; the lower rank of equal ones."""
    rank = np.where(one_m < other_m, one, np.where(other_m < one_m, other, np.minimum(one, other)))
    return np.minimum(one_m, other_m), rank


def _batches(places_m: Floats) -> Iterator[IntArray]:
    """Rows in halves of halves, always across the longer side, until there are few enough."""
    pending = [np.arange(len(places_m))]
    while pending:
        rows = pending.pop()
        if len(rows) <= _BATCH:
            yield rows
            continue
        sides = np.ptp(places_m[rows], axis=0)
        order = np.argsort(places_m[rows, int(sides[1] > sides[0])], kind="stable")
        half = len(rows) // 2
        pending += [rows[order[:half]], rows[order[half:]]]


def _tiles(network: Network, edge: IntArray, limit_m: float) -> Iterator[IntArray]:
    """Rows of `edge` in halves of halves, until the nodes around them fit into a processor's cache.

    A search runs to and fro over its part of the network; where that is large, most of its time goes by waiting for memory. A
    tile is no smaller than what lies around it, which is searched with it.
    """
    x, y = network.node_m[network.start[edge]].T.copy()
    pending = [(np.arange(len(edge)), x, y, *network.node_m.T.copy())] if len(edge) else []
    while pending:
        rows, x, y, node_x, node_y = pending.pop()
        low_x, high_x, low_y, high_y = x.min(), x.max(), y.min(), y.max()
        inside = (node_x >= low_x) & (node_x <= high_x) & (node_y >= low_y) & (node_y <= high_y)
        if inside.sum() <= _NODES or not max(high_x - low_x, high_y - low_y) > _SIDES * limit_m:
            yield rows
            continue
        half = len(rows) // 2
        order = np.argpartition(x if high_x - low_x > high_y - low_y else y, half)
        for some in (order[:half], order[half:]):
            pending.append((rows[some], x[some], y[some], node_x[inside], node_y[inside]))


def _runs(values: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """Where each wanted value begins and ends among values in ascending order."""
    return np.searchsorted(values, wanted, "left"), np.searchsorted(values, wanted, "right")


def _ranges(begin: IntArray, end: IntArray) -> IntArray:
    """The numbers from each `begin` up to its `end`, one range after the other."""
    many = end - begin
    number: IntArray = np.arange(many.sum()) + np.repeat(begin - np.cumsum(many) + many, many)
    return number
