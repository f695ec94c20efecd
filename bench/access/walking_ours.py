"""The same question to citycheck's own network, which tells which facility it is besides.

A search uses one core, and citycheck measures two counties at a time: so here, too, two processes take the western and the
eastern half of the nodes. What they need in processor time and memory is counted.
"""

from __future__ import annotations

import mmap
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from bench.access.contestant import Clock, main, peak_mib
from bench.access.walking_peers import LIMIT_M, Array, read, summary
from citycheck.access import network

TASKS = 2
FORK = multiprocessing.get_context("fork")


def run(folder: Path, clock: Clock) -> dict[str, Any]:
    with clock("load"):
        xy = np.stack(read(folder, "nodes"), axis=1)
        start, stop, length = read(folder, "edges")
        node, kind = read(folder, "facilities")
    with clock("set up"):
        streets = network.network(_table(xy, start, stop, length))
        points, places = (_at(nodes, start, stop, length) for nodes in (np.arange(len(xy)), node))
        groups = [np.flatnonzero(kind == number) for number in range(int(kind.max()) + 1)]
        _ = streets.tree  # an index like those of the peers; made when first asked for
        found_m = _shared((len(groups), len(xy)), np.float64).T
        facility = _shared((len(groups), len(xy)), np.int32).T
        halves = np.array_split(np.argsort(xy[:, 0], kind="stable"), TASKS)
        told = _shared((TASKS, 2), np.float64)

    def task(number: int) -> None:
        before_mib, rows = peak_mib(), halves[number]
        nearest = network.nearest(streets, points.only(rows), places, groups, LIMIT_M)
        found_m[rows], facility[rows] = nearest.distance_m, nearest.place
        told[number] = time.process_time(), peak_mib() - before_mib

    with clock("query"):
        tasks = [FORK.Process(target=task, args=(number,)) for number in range(TASKS)]
        for process in tasks:
            process.start()
        for process in tasks:
            process.join()
    if any(process.exitcode for process in tasks):
        raise RuntimeError("a task failed")
    clock.processor_s["query"] += float(told[:, 0].sum())
    clock.notes["memory_mib"] = peak_mib() + float(told[:, 1].sum())
    return summary(folder, "ours", found_m)


def _shared(shape: tuple[int, ...], kind: Any) -> Array:
    """Zeros that forked processes write to together, held in memory from the beginning."""
    count = int(np.prod(shape))
    made = np.frombuffer(mmap.mmap(-1, max(count * np.dtype(kind).itemsize, 1)), dtype=kind, count=count)
    made[:] = 0
    return made.reshape(shape)


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
