"""Counties, streets and communities on the ground: unit polygons and points inside them."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from citycheck.errors import BadInput
from citycheck.sample.draws import Array, stream
from citycheck.settings import settings

COMMUNITIES = 133
UNIT_AREA_M2 = 500_000.0
SIDE_M = float(np.sqrt(UNIT_AREA_M2 * 2 / (3 * np.sqrt(3))))
# Corners of a cell in whole steps of (half its width, half its side), so that neighbours share them exactly.
CORNERS = np.array([(1, 1), (0, 2), (-1, 1), (-1, -1), (0, -2), (1, -1)])
STEP_M = np.array([SIDE_M * np.sqrt(3) / 2, SIDE_M / 2])
OUTLYING_CELLS = 11


@dataclass(frozen=True)
class County:
    """A county: its seat (WGS84 degrees) and how it does, 1 being ordinary."""

    name: str
    lon: float
    lat: float
    provision: float
    """How many of the usual facilities it has."""
    timeliness: float
    """How fast repair reports are handled."""
    contentment: float
    """Added to what respondents feel, in steps of a five-step scale."""

    @property
    def metres_per_degree(self) -> Array:
        """Metres a degree of longitude and of latitude at the seat, on the WGS84 ellipsoid."""
        phi = np.radians(self.lat)
        return np.array(
            [
                111_412.84 * np.cos(phi) - 93.5 * np.cos(3 * phi) + 0.118 * np.cos(5 * phi),
                111_132.954 - 559.822 * np.cos(2 * phi) + 1.175 * np.cos(4 * phi),
            ]
        )


COUNTIES = {
    "330802": County("柯城区", 118.871, 28.969, 1.10, 1.25, 0.16),
    "330803": County("衢江区", 118.958, 28.980, 0.98, 1.05, 0.02),
    "330822": County("常山县", 118.511, 28.901, 0.90, 0.92, -0.06),
    "330824": County("开化县", 118.415, 29.137, 0.85, 0.98, 0.04),
    "330825": County("龙游县", 119.172, 29.028, 0.98, 1.00, 0.00),
    "330881": County("江山市", 118.627, 28.738, 1.03, 1.10, 0.08),
}


@dataclass(frozen=True)
class Places:
    """All units; arrays have one entry a unit, in the order of communities.csv."""

    rows: list[dict[str, str]]
    county: Array
    """Index into COUNTIES."""
    is_new: Array
    rings: Array
    """(units, 12, 2): the border in WGS84 degrees, counter-clockwise, not closed."""

    @property
    def ids(self) -> Array:
        return np.array([row["community_id"] for row in self.rows], dtype=object)

    @cached_property
    def scale(self) -> Array:
        """Metres a degree of longitude and latitude, one row a unit."""
        return np.array([c.metres_per_degree for c in COUNTIES.values()])[self.county]

    @cached_property
    def centres(self) -> Array:
        centres: Array = self.rings.mean(axis=1)
        return centres

    def points(self, rng: np.random.Generator, unit: Array, shrink: float = 0.9) -> Array:
        """One random place (degrees) in each of the given units, drawn towards their middles by `shrink`."""
        corner = self.rings[unit] - self.centres[unit][:, None]
        following = np.roll(corner, -1, axis=1)
        area = np.abs(corner[..., 0] * following[..., 1] - corner[..., 1] * following[..., 0])
        side = (rng.random(len(unit))[:, None] * area.sum(axis=1)[:, None] >= np.cumsum(area, axis=1)).sum(
            axis=1
        )
        out, along = np.sqrt(rng.random(len(unit)))[:, None], rng.random(len(unit))[:, None]
        row = np.arange(len(unit))
        place = out * ((1 - along) * corner[row, side] + along * following[row, side])
        found: Array = self.centres[unit] + shrink * place
        return found

    def offset(self, unit: Array, metres: Array) -> Array:
        """Metres east and north as degrees."""
        return metres / self.scale[unit]


def build(seed: int, path: Path | None = None) -> Places:
    """Lay out the city. Raises `BadInput` when the table of communities is not as it must be."""
    rows = _read(path or settings().cities / "quzhou_sample" / "communities.csv")
    county_ids = list(COUNTIES)
    county = np.array([county_ids.index(row["county_id"]) for row in rows])
    rings = np.empty((len(rows), 12, 2))
    for index, county_id in enumerate(county_ids):
        inside = np.flatnonzero(county == index)
        cells = _cells(
            seed, county_id, [rows[i]["street_id"] for i in inside], [rows[i]["street_name"] for i in inside]
        )
        rings[inside] = _rings(seed, county_id, cells)
    is_new = stream(seed, "area type").random(len(rows)) < 0.18
    return Places(rows, county, is_new, rings)


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror}); the synthetic city needs it. Restore it."
        ) from None
    unknown = {row.get("county_id") for row in rows} - set(COUNTIES)
    if len(rows) != COMMUNITIES or unknown:
        raise BadInput(
            f"{path}: {len(rows)} communities, unknown counties {sorted(map(str, unknown))}; "
            f"expected {COMMUNITIES} in the six counties of Quzhou. Restore the file."
        )
    return rows


def _cells(seed: int, county_id: str, streets: list[str], names: list[str]) -> Array:
    """A cell of the honeycomb (axial coordinates) for each community: a round town, streets its sectors.

    Where no community belongs to a street (街道), the largest town is the county town; others lie outside.
    """
    size = Counter(streets)
    central = {s for s, name in zip(streets, names, strict=True) if name.endswith("街道")}
    central = central or {max(sorted(size), key=size.__getitem__)}
    town = [i for i, street in enumerate(streets) if street in central]
    q, r = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10))
    candidates = np.column_stack([q.ravel(), r.ravel()])
    x, y = candidates[:, 0] + candidates[:, 1] / 2, candidates[:, 1] * np.sqrt(3) / 2
    nearest = np.lexsort([np.arctan2(y, x), np.round(np.hypot(x, y), 6)])[: len(town)]
    around = nearest[np.argsort(np.arctan2(y[nearest], x[nearest]), kind="stable")]
    cells = np.empty((len(streets), 2), dtype=int)
    cells[town] = candidates[around]
    turn = int(stream(seed, "outlying", county_id).integers(6))
    directions = [(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)]
    for number, street in enumerate(sorted(set(streets) - central)):
        away = np.array(directions[(turn + 2 * number) % 6]) * OUTLYING_CELLS
        for step, i in enumerate(j for j, other in enumerate(streets) if other == street):
            cells[i] = away + np.array((step, 0))
    return cells


def _rings(seed: int, county_id: str, cells: Array) -> Array:
    """Borders in degrees: shifted corners, between two of them a shifted point; neighbours share both."""
    county = COUNTIES[county_id]
    rng = stream(seed, "borders", county_id)
    centre = np.column_stack([2 * cells[:, 0] + cells[:, 1], 3 * cells[:, 1]])
    corners = centre[:, None] + CORNERS
    middles = corners + np.roll(corners, -1, axis=1)  # twice the middle, so that it stays a whole number
    corner_at, corner_of = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    middle_at, middle_of = np.unique(middles.reshape(-1, 2), axis=0, return_inverse=True)
    corner_m = corner_at * STEP_M + rng.uniform(-0.15, 0.15, corner_at.shape) * SIDE_M
    corner_m = corner_m[corner_of.ravel()].reshape(corners.shape)
    between = (corner_m + np.roll(corner_m, -1, axis=1)) / 2
    middle_m = between + rng.uniform(-22, 22, middle_at.shape)[middle_of.ravel()].reshape(middles.shape)
    ring = np.stack([corner_m, middle_m], axis=2).reshape(len(cells), 12, 2)
    turn = rng.uniform(0, np.pi / 3)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    degrees = np.array([county.lon, county.lat]) + ring @ rotation / county.metres_per_degree
    rounded: Array = np.round(degrees, 6)
    return rounded
