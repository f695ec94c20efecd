"""Which points lie within their kind's radius of a facility: geopandas, a KD-tree of scipy, SedonaDB.

Each answers with the number of covered points of every kind, border included.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.access.contestant import Clock, main

Array = np.ndarray[Any, np.dtype[Any]]


def radii(folder: Path) -> list[float]:
    return [radius for _, radius in json.loads((folder / "kinds.json").read_text(encoding="utf-8"))]


def read_xy(path: Path) -> Array:
    """(n, 2) metres, read in parts: never twice in memory."""
    file = pq.ParquetFile(path)
    result, first = np.empty((file.metadata.num_rows, 2)), 0
    for batch in file.iter_batches(columns=["x_m", "y_m"]):
        part = result[first : first + len(batch)]
        part[:, 0], part[:, 1] = (column.to_numpy() for column in batch.columns)
        first += len(batch)
    return result


def read_places(path: Path) -> tuple[Array, Array]:
    """Metres and kinds."""
    return read_xy(path), pq.read_table(path, columns=["kind"])["kind"].to_numpy()


def run_geopandas(folder: Path, clock: Clock) -> list[int]:
    """A spatial join a kind; the points of the pairs, each once."""
    import geopandas
    import pandas

    with clock("load"):
        points = pandas.read_parquet(folder / "points.parquet")
        demand = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(points.x_m, points.y_m))
        del points
        table = pandas.read_parquet(folder / "facilities.parquet")
        places = geopandas.GeoDataFrame(
            table[["kind"]], geometry=geopandas.points_from_xy(table.x_m, table.y_m)
        )
    covered = []
    with clock("query"):
        for kind, radius in enumerate(radii(folder)):
            of_kind = places.loc[places.kind == kind, ["geometry"]]
            pairs = demand.sjoin(of_kind, predicate="dwithin", distance=radius)
            covered.append(int(pairs.index.nunique()))
            del pairs
    return covered


def run_kdtree(folder: Path, clock: Clock) -> list[int]:
    """A tree of each kind's facilities, asked for the nearest within the radius, on two threads."""
    from scipy.spatial import cKDTree

    with clock("load"):
        points = read_xy(folder / "points.parquet")
        places, kind_of = read_places(folder / "facilities.parquet")
    covered = []
    with clock("query"):
        for kind, radius in enumerate(radii(folder)):
            tree = cKDTree(places[kind_of == kind])
            # Its bound is exclusive.
            distance, _ = tree.query(points, distance_upper_bound=np.nextafter(radius, np.inf), workers=2)
            covered.append(int(np.isfinite(distance).sum()))
    return covered


def run_sedonadb(folder: Path, clock: Clock) -> list[int]:
    """Geometries held in memory, a join a kind. (Its semi-join, `exists`, counts a point once a pair.)"""
    import sedonadb

    context = sedonadb.connect()
    with clock("load"):
        for name, columns in (("points", "row_number() over () as point"), ("facilities", "kind")):
            context.read_parquet(str(folder / f"{name}.parquet")).to_view(f"{name}_file")
            made = context.sql(
                f"select ST_Point(x_m, y_m) as geometry, {columns} from {name}_file"
            ).to_memtable()
            made.to_view(name)
    covered = []
    with clock("query"):
        for kind, radius in enumerate(radii(folder)):
            query = f"""
                select count(distinct p.point) as covered
                from points p join facilities f on ST_DWithin(p.geometry, f.geometry, {radius})
                where f.kind = {kind}
            """
            covered.append(int(context.sql(query).to_arrow_table()["covered"][0].as_py()))
    return covered


if __name__ == "__main__":
    main({"geopandas": run_geopandas, "KD-tree": run_kdtree, "SedonaDB": run_sedonadb})
