"""The same question to citycheck's own network, which tells which facility it is besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from bench.access.contestant import Clock, main
from bench.access.walking_peers import LIMIT_M, Array, read, summary
from citycheck.access import network


def run(folder: Path, clock: Clock) -> dict[str, Any]:
    with clock("load"):
        xy = np.stack(read(folder, "nodes"), axis=1)
        start, stop, length = read(folder, "edges")
        node, kind = read(folder, "facilities")
    with clock("set up"):
        streets = network.network(_table(xy, start, stop, length))
        points, places = (_at(nodes, start, stop, length) for nodes in (np.arange(len(xy)), node))
        groups = [np.flatnonzero(kind == number) for number in range(int(kind.max()) + 1)]
    with clock("query"):
        found = network.nearest(streets, points, places, groups, LIMIT_M)
    return summary(folder, "ours", found.distance_m)


def _table(xy: Array, start: Array, stop: Array, length: Array) -> pa.Table:
    lines = shapely.linestrings(np.stack([xy[start], xy[stop]], axis=1))
    # Ids as wide as each other keep the order of the rows.
    name = np.char.zfill(np.arange(len(start)).astype(str), 9)
    columns = {
        "edge_id": pa.array(name),
        "from_node": pa.array(start.astype(str)),
        "to_node": pa.array(stop.astype(str)),
        "length_m": length,
        "line_m": pa.array(shapely.to_wkb(lines), type=pa.binary()),
    }
    return pa.table(columns)


def _at(nodes: Array, start: Array, stop: Array, length: Array) -> network.Snapped:
    """Snapped to the nodes themselves, each by the first of its edges: no leg, offset 0 or the edge's length."""
    edge_of = np.full(int(max(start.max(), stop.max())) + 1, -1, dtype=np.int32)
    for ends in (stop, start):
        edge_of[ends[::-1]] = np.arange(len(ends), dtype=np.int32)[::-1]
    edge = edge_of[nodes]
    offset = np.where(start[edge] == nodes, 0.0, length[edge])
    none = np.zeros(len(nodes))
    return network.Snapped(edge, offset, none, none)


if __name__ == "__main__":
    main({"ours": run})
