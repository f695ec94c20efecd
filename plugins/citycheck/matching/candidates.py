"""Which rows are compared at all: near each other, of one kind, and from different sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

EARTH_RADIUS_M = 6_371_008.8
_PAIRS_AT_A_TIME = 500_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def near_pairs(left: Floats, right: Floats, distance_max_m: float) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Pairs of places at most a distance apart: index in `left`, index in `right`, great-circle distance in metres.

    Places are (n, 2) lon and lat in degrees. They are searched as points in space, where the straight line is as exact
    as the arc at every latitude. Comes in blocks of about half a million pairs, or the pairs of one place.
    """
    if not len(left) or not len(right):
        return
    chord = 2 * EARTH_RADIUS_M * np.sin(distance_max_m / EARTH_RADIUS_M / 2) * (1 + 1e-12)
    ours, theirs = _in_space(left), _in_space(right)
    tree = cKDTree(theirs)
    upto = np.cumsum(tree.query_ball_point(ours, chord, return_length=True))
    start = 0
    while start < len(left):
        done = upto[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(upto, done + _PAIRS_AT_A_TIME, side="right")))
        found = tree.query_ball_point(ours[start:stop], chord, return_sorted=True)
        i = np.repeat(np.arange(start, stop), [len(of) for of in found])
        j = np.fromiter((number for of in found for number in of), dtype=np.int64, count=len(i))
        straight = np.linalg.norm(ours[i] - theirs[j], axis=1)
        yield i, j, 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(straight / EARTH_RADIUS_M / 2, 1))
        start = stop


def by_source(sources: Sequence[str], kinds: Sequence[str]) -> dict[str, dict[str, Ints]]:
    """Kind → source → numbers of the rows."""
    rows: dict[str, dict[str, list[int]]] = {}
    for row, (source, kind) in enumerate(zip(sources, kinds, strict=True)):
        rows.setdefault(kind, {}).setdefault(source, []).append(row)
    return {
        kind: {source: np.array(numbers, dtype=np.int64) for source, numbers in sorted(of.items())}
        for kind, of in sorted(rows.items())
    }


def pairs_of_sources(of: dict[str, Ints]) -> Iterator[tuple[Ints, Ints]]:
    """Each two sources of a kind."""
    for left, right in combinations(of, 2):
        yield of[left], of[right]


def _in_space(places: Floats) -> Floats:
    """(n, 3) metres from the centre of the earth."""
    lon, lat = np.radians(places[:, 0]), np.radians(places[:, 1])
    return EARTH_RADIUS_M * np.column_stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
