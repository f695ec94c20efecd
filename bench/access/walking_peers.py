"""The nearest facility of each kind from every node of a network: pandana and cityseer.

Each writes metres (nodes × kinds, infinite beyond the limit) beside the data, to be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.access.contestant import Clock, main

LIMIT_M = 3000
"""The seed scoring.csv's access_search_limit_m."""

Array = np.ndarray[Any, np.dtype[Any]]


def read(folder: Path, table: str) -> list[Array]:
    return [column.to_numpy() for column in pq.read_table(folder / f"{table}.parquet").columns]


def summary(folder: Path, name: str, distance_m: Array) -> dict[str, Any]:
    np.save(folder / f"{name}.npy", distance_m)
    return {"reached": int(np.isfinite(distance_m).sum())}


def run_pandana(folder: Path, clock: Clock) -> dict[str, Any]:
    """Set-up: contraction hierarchies, and the facilities of every kind; a query a kind, distances only."""
    import pandana
    import pandas

    with clock("load"):
        x, y = read(folder, "nodes")
        start, stop, length = read(folder, "edges")
        node, kind = read(folder, "facilities")
    with clock("set up"):
        network = pandana.Network(
            pandas.Series(x),
            pandas.Series(y),
            pandas.Series(start),
            pandas.Series(stop),
            pandas.DataFrame({"m": length}),
        )
        names = [str(number) for number in range(int(kind.max()) + 1)]
        for number, name in enumerate(names):
            at = node[kind == number]
            network.set_pois(name, LIMIT_M, 1, pandas.Series(x[at]), pandas.Series(y[at]))
    with clock("query"):
        found = [network.nearest_pois(LIMIT_M, name, 1, max_distance=np.inf)[1].to_numpy() for name in names]
    return summary(folder, "pandana", np.stack(found, axis=1))


def run_cityseer(folder: Path, clock: Clock) -> dict[str, Any]:
    """Set-up: the structure of streets, straight through its Rust interface, and the facilities assigned to it."""
    from cityseer import rustalgos

    with clock("load"):
        x, y = (values.tolist() for values in read(folder, "nodes"))
        start, stop, _ = (values.tolist() for values in read(folder, "edges"))
        node, kind = (values.tolist() for values in read(folder, "facilities"))
    with clock("set up"):
        network = rustalgos.graph.NetworkStructure()
        for number, (east, north) in enumerate(zip(x, y, strict=True)):
            network.add_street_node(str(number), east, north, True, 1.0)
        for number, (one, other) in enumerate(zip(start, stop, strict=True)):
            for a, b in ((one, other), (other, one)):
                line = f"LINESTRING ({x[a]!r} {y[a]!r}, {x[b]!r} {y[b]!r})"
                network.add_street_edge(a, b, number, str(a), str(b), line, 1.0)
        network.validate()
        network.build_edge_rtree()
        places = rustalgos.data.DataMap()
        kind_of = {}
        for number, (at, of) in enumerate(zip(node, kind, strict=True)):
            places.insert(str(number), f"POINT ({x[at]!r} {y[at]!r})")
            kind_of[str(number)] = str(of)
        places.assign_data_to_network(network, 10.0, 5)
    names = [str(number) for number in range(max(kind) + 1)]
    with clock("query"):
        result = places.accessibility_decays(
            network, kind_of, names, ["1"], distances=[LIMIT_M], pbar_disabled=True
        )[0]
        found = [np.asarray(result.result[name].distance[LIMIT_M], dtype=float) for name in names]
    order = np.argsort(np.array([int(key) for key in result.node_keys_py]))
    metres = np.stack(found, axis=1)[order]
    metres[~np.isfinite(metres)] = np.inf
    return summary(folder, "cityseer", metres)


if __name__ == "__main__":
    main({"pandana": run_pandana, "cityseer": run_cityseer})
