"""The walking network: jittered blocks over all units of a county, a river with few bridges, and roads between the towns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from citycheck.sample import people
from citycheck.sample.draws import HALF_YEARS, Array, pick, stream
from citycheck.sample.places import COUNTIES, Places

SPACING_M = 120.0
JITTER = 0.18
"""How far a crossing may be shifted, in spacings: streets of neighbouring blocks never cross."""
MARGIN_M = 45.0
"""How far beyond the border of the units streets go."""
KEPT, KEPT_AT_BORDER = 0.88, 0.6
"""Shares of streets that there are: within a unit, and from one to the next."""
BRIDGE_EVERY_M = 600.0
CLEARING_M = 225.0
"""No street is so near to the loneliest building: it cannot be snapped."""
YARD_COUNTY = 0
YARD_M = 20.0
"""Half a side of the closed yard whose paths lead nowhere."""
ROAD, PATH, BRIDGE = "道路", "步道", "桥梁"


@dataclass(frozen=True)
class Lonely:
    """The building that is farthest from all others, and a place beside it in the same unit: no street is near."""

    building: str
    unit: int
    at: Array
    """WGS84 degrees, as is `beside`."""
    beside: Array


@dataclass(frozen=True)
class Streets:
    """All edges: county by county, then the roads between them. All hang together but for the yard."""

    ids: list[str]
    kinds: list[str]
    lines: list[Array]
    """(n, 2) each, WGS84 degrees."""
    length_m: list[float | None]
    """Of the roads between counties nobody has recorded it."""
    yard: list[str]
    """Edges that are joined with no other."""
    lonely: Lonely


def build(seed: int, places: Places) -> Streets:
    """The streets; they are the same in every half-year."""
    lonely = _lonely(seed, places)
    out = Streets([], [], [], [], [], lonely)
    for index, (county_id, county) in enumerate(COUNTIES.items()):
        seat, scale = np.array([county.lon, county.lat]), county.metres_per_degree
        rings_m = (places.rings[places.county == index] - seat) * scale
        clearing = (lonely.at - seat) * scale if places.county[lonely.unit] == index else None
        drawn, yard = _county(
            stream(seed, "streets", county_id), rings_m, clearing, with_yard=index == YARD_COUNTY
        )
        for number, (kind, line_m) in enumerate([*drawn, *((PATH, line) for line in yard)], start=1):
            line = np.round(seat + line_m / scale, 6)
            out.ids.append(f"LD{county_id}{number:05d}")
            out.kinds.append(kind)
            out.lines.append(line)
            out.length_m.append(round(float(np.hypot(*np.diff(line * scale, axis=0).T).sum()), 2))
        out.yard.extend(out.ids[len(out.ids) - len(yard) :])
    for number, line in enumerate(_between_counties(seed, out), start=1):
        out.ids.append(f"LD330800{number:05d}")
        out.kinds.append(ROAD)
        out.lines.append(line)
        out.length_m.append(None)
    return out


def columns(streets: Streets) -> dict[str, list[Any]]:
    return {
        "路段编码": list(streets.ids),
        "道路类型": list(streets.kinds),
        "长度(米)": list(streets.length_m),
        "线形": [
            f"LINESTRING ({', '.join(f'{lon:.6f} {lat:.6f}' for lon, lat in line.tolist())})"
            for line in streets.lines
        ],
    }


def _lonely(seed: int, places: Places) -> Lonely:
    """Of the buildings that are there from the first half-year on."""
    from scipy.spatial import cKDTree

    first, last = people.build(seed, places, 0), people.build(seed, places, HALF_YEARS - 1)

    def metres(residents: people.People) -> Array:
        apart = 1e7 * places.county[residents.building_unit][:, None]  # counties are flat, each for itself
        found: Array = residents.building_at * places.scale[residents.building_unit] + apart
        return found

    gap_m = cKDTree(metres(last)).query(metres(first), k=2)[0][:, 1]
    row = int(np.argmax(gap_m))
    unit, at = int(first.building_unit[row]), first.building_at[row]
    inwards = (places.centres[unit] - at) * places.scale[unit]
    beside = np.round(at + 12 * inwards / np.hypot(*inwards) / places.scale[unit], 6)
    return Lonely(str(first.building_ids[row]), unit, at, beside)


def _county(
    rng: np.random.Generator, rings_m: Array, clearing: Array | None, *, with_yard: bool
) -> tuple[list[tuple[str, Array]], list[Array]]:
    """Kind and line (metres around the seat) of each street, and the paths of the yard."""
    import shapely
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import cKDTree

    town = shapely.union_all(shapely.polygons(rings_m)).buffer(MARGIN_M)
    turn = rng.uniform(0, np.pi / 2)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    reach = int(np.ceil(np.hypot(*np.abs(rings_m.reshape(-1, 2)).max(axis=0)) / SPACING_M)) + 1
    steps = np.arange(-reach, reach + 1)
    lattice = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    at = (lattice + rng.uniform(-JITTER, JITTER, lattice.shape)) @ axes * SPACING_M
    inside = shapely.contains_xy(town, at[..., 0], at[..., 1])

    number = np.arange(inside.size).reshape(inside.shape)
    pairs = [
        np.column_stack([number[:-1][inside[:-1] & inside[1:]], number[1:][inside[:-1] & inside[1:]]]),
        np.column_stack(
            [number[:, :-1][inside[:, :-1] & inside[:, 1:]], number[:, 1:][inside[:, :-1] & inside[:, 1:]]]
        ),
    ]
    start, end = np.vstack(pairs).T
    flat = at.reshape(-1, 2)
    if clearing is not None:
        lines = shapely.linestrings(np.stack([flat[start], flat[end]], axis=1))
        far = shapely.distance(lines, shapely.Point(clearing)) > CLEARING_M
        start, end = start[far], end[far]

    unit = cKDTree(rings_m.mean(axis=1)).query(flat)[1]
    share = np.where(unit[start] == unit[end], KEPT, KEPT_AT_BORDER)
    is_kept = rng.random(len(start)) < share
    is_wet, is_bridge = _river(rng, flat, start, end)
    is_kept = np.where(is_wet, is_bridge, is_kept)
    # What would fall apart is held together by the streets that are left out, over dry land if possible.
    weight = np.where(is_kept, 1.0, np.where(is_wet, 3.0, 2.0))
    tree = minimum_spanning_tree(coo_array((weight, (start, end)), shape=(inside.size,) * 2).tocsr()).tocoo()
    held = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    is_kept |= [pair in held for pair in zip(start.tolist(), end.tolist(), strict=True)]

    kinds = pick(rng, [ROAD, PATH], [0.7, 0.3], len(start))
    kinds = np.where(is_wet, BRIDGE, kinds)
    drawn = [
        (str(kind), flat[[a, b]])
        for kind, a, b in zip(kinds[is_kept], start[is_kept], end[is_kept], strict=True)
    ]
    drawn += [(ROAD, line) for line in _roads(rng, flat, start[is_kept], end[is_kept])]
    if not with_yard:
        return drawn, []
    return drawn, _yard(lattice[reach, reach] + 0.5, axes)


def _river(rng: np.random.Generator, at: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Which streets cross the river, and on which of them there is a bridge."""
    course, bend = rng.uniform(0, np.pi), rng.uniform(-300, 300)
    along = at @ np.array([np.cos(course), np.sin(course)])
    across = at @ np.array([-np.sin(course), np.cos(course)])
    is_left = across > bend + 160 * np.sin(along / 400)
    is_wet = is_left[start] != is_left[end]
    stretch = np.floor(along[start] / BRIDGE_EVERY_M)
    is_bridge = np.zeros(len(start), dtype=bool)
    wet = np.flatnonzero(is_wet)
    is_bridge[wet[np.unique(stretch[wet], return_index=True)[1]]] = True
    return is_wet, is_bridge


def _between_counties(seed: int, streets: Streets) -> list[Array]:
    """Roads that join the counties' streets, in degrees."""
    county = next(iter(COUNTIES.values()))
    seat, scale = np.array([county.lon, county.lat]), county.metres_per_degree
    lines = [line for key, line in zip(streets.ids, streets.lines, strict=True) if key not in streets.yard]
    ends = np.array([line[[0, -1]] for line in lines]).reshape(-1, 2)
    places, place = np.unique(ends, axis=0, return_inverse=True)
    start, end = place.reshape(-1, 2).T
    roads = _roads(stream(seed, "streets"), (places - seat) * scale, start, end)
    return [np.round(seat + road / scale, 6) for road in roads]


def _roads(rng: np.random.Generator, at: Array, start: Array, end: Array) -> list[Array]:
    """Winding roads from the largest part to each one that lies apart, the nearest first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    used = np.unique([start, end])
    links = coo_array((np.ones(len(start)), (start, end)), shape=(len(at),) * 2)
    part = connected_components(links, directed=False)[1][used]
    roads = []
    town = part == np.bincount(part).argmax()
    while not town.all():
        near_m, nearest = cKDTree(at[used[town]]).query(at[used[~town]])
        row = int(np.argmin(near_m))
        a, b = at[used[town]][nearest[row]], at[used[~town]][row]
        bends = max(int(near_m[row] / 400), 1)
        line = np.linspace(a, b, bends + 1)
        line[1:-1] += rng.uniform(-60, 60, (bends - 1, 2))
        roads.append(line)
        town |= part == part[~town][row]
    return roads


def _yard(middle: Array, axes: Array) -> list[Array]:
    """Four paths around the middle of a block."""
    corners = middle @ axes * SPACING_M + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) @ axes * YARD_M
    return [np.array([a, b]) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
