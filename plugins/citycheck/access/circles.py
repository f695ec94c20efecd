"""Straight-line distances between many points and many places: the nearest of each group, and all within a limit.

Exact: the same bits as comparing every point with every place. Points are halved, always across the longer side of
their box, until a tile has few of them; on the way down every tile passes on only the places that can matter to it
(branch and bound). What is left, some places a tile, is compared with all points of the tile.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from citycheck.errors import BadInput

_TILE = 2048
"""Points in a tile at most: few enough for a compact tile, enough to outweigh the cost of a call to numpy."""
_TASK = 65_536
"""Points that a thread takes at a time."""
_BLOCK = 1 << 18
"""Distances held at a time: they stay in the processor's cache."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
IntArray = NDArray[np.integer]
R = TypeVar("R")


@dataclass(frozen=True)
class Nearest:
    """For each of n points and g groups the nearest place: `distance_m` (n, g), inf if none; `place` (n, g), -1 if none."""

    distance_m: Floats
    place: Ints


@dataclass(frozen=True)
class Pairs:
    """Points and places that are near enough, sorted by point, then by place: three arrays of one length."""

    point: Ints
    place: Ints
    distance_m: Floats


def nearest(
    points_m: ArrayLike,
    places_m: ArrayLike,
    groups: Sequence[IntArray],
    limit_m: ArrayLike,
    *,
    threads: int | None = None,
) -> Nearest:
    """For each point the nearest place of each group, at most `limit_m` away (the border belongs to it).

    Points and places are (n, 2) metres; a group is a list of rows of `places_m`; `limit_m` is one for all groups or one a
    group. Of equally near places the first in the group is taken. Raises `BadInput` for what is no number and for a
    group that names a place that is not there.
    """
    points = checked("points", points_m)
    shape = len(points), len(groups)
    found = Nearest(np.empty(shape), np.empty(shape, dtype=np.int32))
    for rows, block in nearest_tiles(points, places_m, groups, limit_m, threads=threads):
        found.distance_m[rows] = block.distance_m
        found.place[rows] = block.place
    return found


def nearest_tiles(
    points_m: ArrayLike,
    places_m: ArrayLike,
    groups: Sequence[IntArray],
    limit_m: ArrayLike,
    *,
    threads: int | None = None,
) -> Iterator[tuple[Ints, Nearest]]:
    """`nearest` for more points than their answers fit into memory: rows of `points_m` with their answers, neighbours together.

    Each row comes once, some ten thousand rows at a time; the order is the same with every number of threads.
    """
    points, places = checked("points", points_m), checked("places", places_m)
    members = [np.asarray(group, dtype=np.int64) for group in groups]
    for number, rows in enumerate(members):
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(places):
            raise BadInput(
                f"Group {number} names a place that is not there; expected rows 0 to {len(places) - 1}."
            )
    limits = np.broadcast_to(checked_limit(limit_m), len(groups))
    rows = np.concatenate([np.empty(0, dtype=np.int64), *members])
    wanted = _Places(
        places[rows, 0],
        places[rows, 1],
        np.repeat(limits, [len(rows) for rows in members]),
        rows.astype(np.int32),
        np.repeat(np.arange(len(groups), dtype=np.int32), [len(rows) for rows in members]),
    )

    def answer(tiles: _Tile) -> tuple[Ints, Nearest]:
        blocks = [_nearest_of_tile(tile, limits) for tile in _split(tiles, _TILE)]
        return tiles.row, Nearest(
            np.concatenate([block.distance_m for block in blocks]),
            np.concatenate([block.place for block in blocks]),
        )

    yield from _in_threads(answer, _split(_whole(points, wanted), _TASK), threads)


def within(
    points_m: ArrayLike, places_m: ArrayLike, limit_m: ArrayLike, *, threads: int | None = None
) -> Pairs:
    """All pairs of a point and a place that are at most the place's limit apart (the border belongs to it).

    Points and places are (n, 2) metres, `limit_m` one a place. Raises `BadInput` for what is no number.
    """
    points, places = checked("points", points_m), checked("places", places_m)
    limits = np.broadcast_to(checked_limit(limit_m), len(places))
    number = np.arange(len(places), dtype=np.int32)
    # Each place is its own group: no other place can make it needless.
    wanted = _Places(places[:, 0], places[:, 1], limits, number, None)

    def answer(tiles: _Tile) -> list[Pairs]:
        return [_pairs_of_tile(tile) for tile in _split(tiles, _TILE)]

    found = [
        pairs
        for some in _in_threads(answer, _split(_whole(points, wanted), _TASK), threads)
        for pairs in some
    ]
    return sorted_pairs(found)


def sorted_pairs(parts: Sequence[Pairs]) -> Pairs:
    """All of them as one, sorted by point, then by place."""
    point = np.concatenate([np.empty(0, dtype=np.int32), *(part.point for part in parts)])
    place = np.concatenate([np.empty(0, dtype=np.int32), *(part.place for part in parts)])
    distance_m = np.concatenate([np.empty(0), *(part.distance_m for part in parts)])
    order = np.argsort(point.astype(np.int64) << 32 | place)
    return Pairs(point[order], place[order], distance_m[order])


# Tiles ---------------------------------------------------------------------------------------------------------------


class _Places(NamedTuple):
    """Places that may matter, group by group in the group's order; `group` is None where all are wanted, not the nearest."""

    x: Floats
    y: Floats
    limit_m: Floats
    number: Ints
    group: Ints | None

    def only(self, kept: NDArray[np.bool_]) -> _Places:
        return _Places(*(None if column is None else column[kept] for column in self))  # type: ignore[arg-type]


class _Tile(NamedTuple):
    """Points that lie together: their rows, and the places that can matter to them."""

    x: Floats
    y: Floats
    row: Ints
    places: _Places


def _whole(points: Floats, places: _Places) -> _Tile:
    x, y = np.array(points[:, 0]), np.array(points[:, 1])  # halving moves them about
    return _Tile(x, y, np.arange(len(points), dtype=np.int32), places)


def _split(tile: _Tile, size: int) -> Iterator[_Tile]:
    """The tile in halves of halves, each of at most `size` points."""
    if not len(tile.x):
        return
    box = tile.x.min(), tile.x.max(), tile.y.min(), tile.y.max()
    tile = tile._replace(places=_that_matter(tile.places, *box))
    half = len(tile.x) // 2
    if len(tile.x) <= size:
        yield tile
        return
    order = np.argpartition(tile.x if box[1] - box[0] > box[3] - box[2] else tile.y, half)
    for column in tile[:3]:
        column[:] = column[order]
    for side in (slice(None, half), slice(half, None)):
        yield from _split(_Tile(tile.x[side], tile.y[side], tile.row[side], tile.places), size)


def _that_matter(places: _Places, x0: float, x1: float, y0: float, y1: float) -> _Places:
    """Places that some point in the box may be nearest to, or near enough to.

    Rounding cannot make this wrong: subtracting, squaring, adding and the root never put a smaller number above a
    larger one, so that no point's distance is below the nearest or above the farthest, each of them rounded.
    """
    if not len(places.x):
        return places
    left, right, below, above = places.x - x0, x1 - places.x, places.y - y0, y1 - places.y
    near_m = np.square(np.maximum(-np.minimum(left, right), 0))
    near_m += np.square(np.maximum(-np.minimum(below, above), 0))
    np.sqrt(near_m, out=near_m)
    kept = near_m <= places.limit_m
    if places.group is not None:
        far_m = np.sqrt(np.square(np.maximum(left, right)) + np.square(np.maximum(below, above)))
        starts = np.flatnonzero(np.diff(places.group, prepend=-1))
        bound_m = np.minimum.reduceat(far_m, starts)
        kept &= near_m <= np.repeat(bound_m, np.diff(starts, append=len(far_m)))
    return places if kept.all() else places.only(kept)


def _nearest_of_tile(tile: _Tile, limits: Floats) -> Nearest:
    places, n, groups = tile.places, len(tile.x), len(limits)
    best_m = np.full((groups, n), np.inf)
    best = np.full((groups, n), -1, dtype=np.int32)
    if len(places.x):
        assert places.group is not None
        for block in _blocks(tile):
            apart_m, of = _apart(tile, block), places.group[block]
            starts = np.flatnonzero(np.diff(of, prepend=-1))
            for group, start, stop in zip(of[starts], starts, [*starts[1:], len(of)], strict=True):
                _nearer(apart_m[start:stop], places.number[block][start:stop], best_m[group], best[group])
        far = best_m > limits[:, None]
        np.putmask(best_m, far, np.inf)
        np.putmask(best, far, -1)
    return Nearest(best_m.T, best.T)


def _nearer(apart_m: Floats, number: Ints, best_m: Floats, best: Ints) -> None:
    """Put the nearest of the rows of `apart_m` in place of what is farther: the first, of equally near ones."""
    least_m = np.minimum.reduce(apart_m, axis=0)
    # argmin(axis=0), ten times as fast: bytes that count down mark the places, the largest is the first place's.
    marks = (apart_m == least_m).view(np.uint8)
    marks *= np.arange(len(number), 0, -1, dtype=np.uint8)[:, None]
    place = np.append(number, -1)[::-1][np.maximum.reduce(marks, axis=0)]
    if best[0] < 0:
        best_m[:], best[:] = least_m, place
    else:
        nearer = least_m < best_m
        np.copyto(best_m, least_m, where=nearer)
        np.copyto(best, place, where=nearer)


def _pairs_of_tile(tile: _Tile) -> Pairs:
    places = tile.places
    parts = []
    for block in _blocks(tile):
        apart_m = _apart(tile, block)
        place, point = np.nonzero(apart_m <= places.limit_m[block, None])
        parts.append(Pairs(tile.row[point], places.number[block][place], apart_m[place, point]))
    return sorted_pairs(parts)


def _blocks(tile: _Tile) -> Iterator[slice]:
    """The tile's places, some at a time: at most 255, which a byte can count."""
    step = min(max(_BLOCK // len(tile.x), 1), 255)
    for first in range(0, len(tile.places.x), step):
        yield slice(first, first + step)


def _apart(tile: _Tile, block: slice) -> Floats:
    """Distances, a row a place, a column a point."""
    across = tile.x - tile.places.x[block, None]
    along = tile.y - tile.places.y[block, None]
    across *= across
    along *= along
    across += along
    np.sqrt(across, out=across)
    return across


# Small things --------------------------------------------------------------------------------------------------------


def _in_threads(work: Callable[[_Tile], R], tasks: Iterator[_Tile], threads: int | None) -> Iterator[R]:
    """The answers in the order of the tasks; no more tasks are under way than keep the threads busy."""
    threads = threads or len(os.sched_getaffinity(0))
    if threads == 1:
        yield from map(work, tasks)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[R]] = deque()
        for task in tasks:
            under_way.append(pool.submit(work, task))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def checked(what: str, places_m: ArrayLike) -> Floats:
    """As (n, 2) finite numbers."""
    places = np.asarray(places_m, dtype=np.float64)
    if not places.size:
        return np.empty((0, 2))
    if places.ndim != 2 or places.shape[1] != 2:
        raise BadInput(f"The {what} have the shape {places.shape}; expected x and y in metres, a row each.")
    if len(bad := np.flatnonzero(~np.isfinite(places).all(axis=1))):
        raise BadInput(
            f"Row {bad[0]} of the {what} has no position (not a number, or infinite; {len(bad)} such rows in all); "
            "expected x and y in metres. Leave such rows out."
        )
    return places


def checked_limit(limit_m: ArrayLike) -> Floats:
    """As numbers, 0 or more."""
    limits = np.asarray(limit_m, dtype=np.float64)
    if not (limits >= 0).all():
        raise BadInput("A limit of distance is negative or not a number; expected metres, 0 or more.")
    return limits
