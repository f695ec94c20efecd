"""The same question to citycheck's own circles, which find the nearest facility of each kind and its distance besides."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.access.circles_peers import Array, radii, read_places, read_xy
from bench.access.contestant import Clock, main
from citycheck.access import circles


def run(folder: Path, clock: Clock) -> list[int]:
    with clock("load"):
        points = read_xy(folder / "points.parquet")
        places, kind_of = read_places(folder / "facilities.parquet")
    with clock("query"):
        return [int(number) for number in covered(points, places, kind_of, radii(folder))]


def run_country(folder: Path, clock: Clock) -> list[int]:
    """Province by province: its points, and all facilities in its box and the widest circle around it."""
    parts = sorted(folder.iterdir())
    total = np.zeros(len(radii(parts[0])), dtype=np.int64)
    with clock("load"):
        loaded = [read_places(part / "facilities.parquet") for part in parts]
        places, kind_of = (np.concatenate(columns) for columns in zip(*loaded, strict=True))
        del loaded
    for part in parts:
        with clock("load"):
            points = read_xy(part / "points.parquet")
        with clock("query"):
            reach = max(radii(part))
            low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
            near = ((places >= low) & (places <= high)).all(axis=1)
            total += covered(points, places[near], kind_of[near], radii(part))
        del points
    return [int(number) for number in total]


def covered(points: Array, places: Array, kind_of: Array, radius_of: list[float]) -> Array:
    """Points of every kind that have one within its radius."""
    result = np.zeros(len(radius_of), dtype=np.int64)
    groups = [np.flatnonzero(kind_of == kind) for kind in range(len(radius_of))]
    for _, found in circles.nearest_tiles(points, places, groups, radius_of):
        result += (found.place >= 0).sum(axis=0)
    return result


if __name__ == "__main__":
    main({"ours": run, "country": run_country})
