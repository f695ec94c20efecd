"""The synthetic data: a province (or country) of demand points and facilities, and a network of streets.

Everything is drawn from fixed seeds. Written as parquet, which every contestant reads:

    circles/  points.parquet      x_m, y_m
              facilities.parquet  x_m, y_m, kind (0 …)
              kinds.json          [[kind_code, radius_m], …], from the seed facility_kinds.csv
    walking/  nodes.parquet       x_m, y_m
              edges.parquet       from_node, to_node (rows of nodes), length_m
              facilities.parquet  node, kind
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PROJECT = Path(__file__).resolve().parents[2]
SEED = 20_260_701

POINTS_A_TOWN = 5_000
POINTS_A_KM2 = 50
TOWN_SPREAD_M = 12.0
"""Standard deviation of a town of one point; it grows with the root of the points: all towns are equally dense."""
COUNTRYSIDE = 0.1

BLOCK_M = 100.0
JITTER_M = 30.0
EDGE_KEPT = 0.675
NODES_A_FACILITY = 400

Array = np.ndarray[Any, np.dtype[Any]]


def kinds() -> list[tuple[str, float]]:
    """Code and radius (m) of every kind of facility."""
    with (PROJECT / "dbt_project/seeds/facility_kinds.csv").open(encoding="utf-8", newline="") as file:
        return [(row["kind_code"], float(row["radius_m"])) for row in csv.DictReader(file)]


@dataclass(frozen=True)
class Region:
    """Towns in a square, as large as its points ask for.

    Points lie around the towns' centres (two-dimensional normal), towns' sizes are lognormal, and a tenth of all points
    lies anywhere. Points come town by town, as a register has them. Coordinates are whole metres, so that many points
    lie exactly on a circle (180² + 240² = 300²) and no engine can round them off it.
    """

    side_m: float
    centres_m: Array
    shares: Array
    spreads_m: Array

    @classmethod
    def of(cls, points: int, rng: np.random.Generator) -> Region:
        towns = max(1, points // POINTS_A_TOWN)
        weights = rng.lognormal(0, 1.2, towns)
        shares = weights / weights.sum()
        side = 1000 * (points / POINTS_A_KM2) ** 0.5
        spreads = TOWN_SPREAD_M * (shares * points) ** 0.5
        return cls(side, rng.uniform(0, side, (towns, 2)), shares, spreads)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """(count, 2) whole metres."""
        scattered = int(count * COUNTRYSIDE)
        town = np.repeat(np.arange(len(self.shares)), rng.multinomial(count - scattered, self.shares))
        near_towns = self.centres_m[town] + rng.normal(size=(len(town), 2)) * self.spreads_m[town, None]
        anywhere = rng.uniform(0, self.side_m, (scattered, 2))
        return np.rint(np.clip(np.concatenate([near_towns, anywhere]), 0, self.side_m))


def write_circles(
    folder: Path, points: int, facilities: int, *, east_m: float = 0.0, seed: int = SEED
) -> Region:
    """A region's points and facilities; `east_m` moves it aside."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    region = Region.of(points, rng)
    shift = np.array([east_m, 0.0])
    named = kinds()
    _write(folder / "points.parquet", _xy(region.draw(points, rng) + shift))
    places = region.draw(facilities, rng) + shift
    kind = rng.permutation(np.arange(facilities) % len(named)).astype(np.int8)
    _write(folder / "facilities.parquet", {**_xy(places), "kind": kind})
    (folder / "kinds.json").write_text(json.dumps(named), encoding="utf-8")
    return region


def write_country(folder: Path, provinces: int, points: int, facilities: int) -> None:
    """Provinces side by side, of equal size, in a folder each; circles at their borders reach into the next."""
    east = 0.0
    for number in range(provinces):
        part = folder / f"province{number:02d}"
        region = write_circles(
            part, points // provinces, facilities // provinces, east_m=east, seed=SEED + number
        )
        east += np.ceil(region.side_m)


def write_walking(folder: Path, nodes: int) -> None:
    """Streets: a square grid of blocks of 100 m, every corner moved by up to 30 m in x and y, of whose sides 67.5 % exist.

    So a node has 2.7 edges, as walking networks of OpenStreetMap have, with dead ends and detours. Edges are straight
    (every peer must agree on their length); corners without an edge are left out. A facility of each kind stands at
    one node in 400.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    side = int(np.ceil((nodes / (1 - (1 - EDGE_KEPT) ** 4)) ** 0.5)) + 1
    corner = np.arange(side * side).reshape(side, side)
    xy = np.stack([corner % side, corner // side], axis=-1).reshape(-1, 2) * BLOCK_M
    xy = xy + rng.uniform(-JITTER_M, JITTER_M, xy.shape)
    along = np.stack([corner[:, :-1].ravel(), corner[:, 1:].ravel()], axis=1)
    across = np.stack([corner[:-1].ravel(), corner[1:].ravel()], axis=1)
    edges = np.concatenate([along, across])
    edges = edges[rng.random(len(edges)) < EDGE_KEPT]
    used, ends = np.unique(edges, return_inverse=True)
    ends, xy = ends.reshape(edges.shape), xy[used]
    length = np.hypot(*(xy[ends[:, 0]] - xy[ends[:, 1]]).T)
    count = len(used) // NODES_A_FACILITY
    at = [rng.choice(len(used), count, replace=False) for _ in kinds()]
    kind = np.repeat(np.arange(len(at)), count).astype(np.int8)
    _write(folder / "nodes.parquet", _xy(xy))
    _write(folder / "edges.parquet", {"from_node": ends[:, 0], "to_node": ends[:, 1], "length_m": length})
    _write(folder / "facilities.parquet", {"node": np.concatenate(at), "kind": kind})


def _xy(points: Array) -> dict[str, Array]:
    return {"x_m": points[:, 0], "y_m": points[:, 1]}


def _write(path: Path, columns: dict[str, Array]) -> None:
    pq.write_table(pa.table(columns), path)
