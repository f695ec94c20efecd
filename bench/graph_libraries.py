"""Which library finds, for every node of a street network, the nearest place of each of 20 kinds?

`make bench-graphs NODES="100000 1000000"`, or this file with an environment that has scipy, pandana, cityseer, igraph and
networkit (those that are absent are left out). Each runs in a process of its own on the same street grid: blocks of 60 to
140 m, every tenth street missing; one place of a kind per 250 nodes; a limit of 3 km. Seconds are processor seconds of all
threads, at most 180: they depend less on what else the machine does. Exact is what a plain Dijkstra says of 200 nodes.
"""

from __future__ import annotations

import heapq
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from signal import SIGKILL, SIGXCPU
from typing import Any

import numpy as np

KINDS, LIMIT_M, SECONDS = 20, 3000.0, 180
Graph = tuple[Any, Any, Any, Any, list[Any]]


def streets(nodes: int) -> Graph:
    """Coordinates (n, 2), edges (from, to, metres), and per kind the nodes where a place is."""
    rng = np.random.default_rng(1)
    side = round(nodes**0.5)
    at = np.stack([np.cumsum(rng.uniform(60, 140, side)) for _ in range(2)])
    number = np.arange(side * side).reshape(side, side)
    start = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    stop = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    node_m = np.stack(np.meshgrid(*at, indexing="ij"), axis=-1).reshape(-1, 2)
    kept = rng.random(len(start)) < 0.9
    start, stop = start[kept], stop[kept]
    length_m = np.abs(node_m[start] - node_m[stop]).sum(axis=1)
    places = [rng.choice(side * side, side * side // 250, replace=False) for _ in range(KINDS)]
    return node_m, start, stop, length_m, places


def with_scipy(graph: Graph) -> Callable[[], Any]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    node_m, start, stop, length_m, places = graph
    both = np.concatenate([start, stop]), np.concatenate([stop, start])
    matrix = csr_array((np.tile(length_m, 2), both), shape=(len(node_m),) * 2)
    return lambda: np.stack([dijkstra(matrix, indices=of, limit=LIMIT_M, min_only=True) for of in places])


def with_pandana(graph: Graph) -> Callable[[], Any]:
    import pandana
    import pandas as pd

    node_m, start, stop, length_m, places = graph
    x, y = (pd.Series(column) for column in node_m.T)
    net = pandana.Network(x, y, pd.Series(start), pd.Series(stop), pd.DataFrame({"m": length_m}), twoway=True)
    net.precompute(LIMIT_M)
    for kind, of in enumerate(places):
        net.set_pois(str(kind), LIMIT_M, 1, x[of], y[of])
    return lambda: np.stack(
        [net.nearest_pois(LIMIT_M, str(kind), num_pois=1)[1].to_numpy() for kind in range(KINDS)]
    )


def with_cityseer(graph: Graph) -> Callable[[], Any]:
    import logging

    import geopandas as gpd
    import networkx as nx
    import shapely
    from cityseer.metrics import layers
    from cityseer.tools import io

    logging.disable()
    node_m, start, stop, _, places = graph
    net = nx.MultiGraph(crs="EPSG:32650")
    net.add_nodes_from((str(n), {"x": x, "y": y}) for n, (x, y) in enumerate(node_m))
    for a, b in zip(start.tolist(), stop.tolist(), strict=True):
        net.add_edge(str(a), str(b), geom=shapely.LineString([node_m[a], node_m[b]]))
    nodes, _, structure = io.network_structure_from_nx(net)
    own = np.concatenate(places)
    kind = np.repeat([f"k{n}" for n in range(KINDS)], [len(of) for of in places])
    frame = gpd.GeoDataFrame({"kind": kind}, geometry=gpd.points_from_xy(*node_m[own].T), crs="EPSG:32650")
    keys = [f"k{n}" for n in range(KINDS)]

    def query() -> Any:
        found = layers.compute_accessibilities(
            frame, landuse_column_label="kind", accessibility_keys=keys, nodes_gdf=nodes.copy(),
            network_structure=structure, distances=[int(LIMIT_M)],
        )  # fmt: skip
        by_node = found.set_index(found.index.astype(int)).sort_index()
        return np.stack([by_node[f"cc_{key}_nearest_max_{int(LIMIT_M)}"].to_numpy() for key in keys])

    return query


def with_igraph(graph: Graph) -> Callable[[], Any]:
    """It has no search from many sources: a node more for each kind, tied to its places."""
    import igraph

    node_m, start, stop, length_m, places = graph
    n = len(node_m)
    extra = np.concatenate([np.stack([np.full(len(of), n + k), of], axis=1) for k, of in enumerate(places)])
    arcs = np.concatenate([np.stack([start, stop], axis=1), np.stack([stop, start], axis=1), extra])
    weights = np.concatenate([np.tile(length_m, 2), np.zeros(len(extra))])
    net = igraph.Graph(n + KINDS, arcs, directed=True)

    def query() -> Any:
        return np.array([net.distances([n + k], weights=weights.tolist())[0][:n] for k in range(KINDS)])

    return query


def with_networkit(graph: Graph) -> Callable[[], Any]:
    """As igraph, the node of a kind added and taken away again."""
    import networkit

    node_m, start, stop, length_m, places = graph
    net = networkit.Graph(len(node_m), weighted=True)
    net.addEdges((length_m, (start.astype(np.uint64), stop.astype(np.uint64))), checkMultiEdge=False)

    def query() -> Any:
        found = []
        for of in places:
            hub = net.addNode()
            for node in of.tolist():
                net.addEdge(hub, node, 0.0)
            walk = networkit.distance.Dijkstra(net, hub, storePaths=False)
            walk.run()
            found.append(np.array(walk.getDistances())[: len(node_m)])
            net.removeNode(hub)
        return np.stack(found)

    return query


LIBRARIES = {
    "scipy": with_scipy,
    "igraph": with_igraph,
    "networkit": with_networkit,
    "cityseer": with_cityseer,
    "pandana": with_pandana,
}


def plain(graph: Graph, kind: int, sample: Any) -> Any:
    """Metres from the nodes of a sample to the nearest place of a kind, by a plain Dijkstra from all places."""
    node_m, start, stop, length_m, places = graph
    beside: list[list[tuple[int, float]]] = [[] for _ in node_m]
    for a, b, metres in zip(start.tolist(), stop.tolist(), length_m.tolist(), strict=True):
        beside[a].append((b, metres))
        beside[b].append((a, metres))
    known = np.full(len(node_m), np.inf)
    queue = [(0.0, node) for node in places[kind].tolist()]
    while queue:
        walked_m, node = heapq.heappop(queue)
        if known[node] <= walked_m:
            continue
        known[node] = walked_m
        for other, metres in beside[node]:
            heapq.heappush(queue, (walked_m + metres, other))
    return np.where(known <= LIMIT_M, known, np.inf)[sample]


def measure(name: str, nodes: int, told: Any) -> None:
    graph = streets(nodes)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    LIBRARIES[name](streets(400))  # imports, and compiles what is compiled on first use
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    at = time.process_time()
    query = LIBRARIES[name](graph)
    ready = time.process_time()
    told.send(("set up", ready - at))
    found = query()
    done = time.process_time()
    held = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    sample = np.random.default_rng(2).choice(len(graph[0]), 200, replace=False)
    worst = 0.0
    for kind in (0, KINDS - 1):
        expected, got = plain(graph, kind, sample), found[kind][sample]
        near = expected < LIMIT_M - 1  # pandana writes the limit where there is none
        got = np.nan_to_num(got, nan=np.inf)
        worst = max(worst, float(np.max(np.abs(got - expected)[near], initial=0)))
    told.send(("done", done - ready, held, worst))


def main(sizes: list[int]) -> None:
    print("| Library | Nodes | Set-up s | 20 kinds s | Memory MiB | Farthest off m |")
    print("|---|---:|---:|---:|---:|---:|")
    spawn = multiprocessing.get_context("spawn")
    for nodes in sizes:
        for name in LIBRARIES:
            try:
                label = f"{name} {version(name)}"
            except ModuleNotFoundError:
                continue
            here, there = spawn.Pipe()
            process = spawn.Process(target=measure, args=(name, nodes, there))
            process.start()
            there.close()
            news: dict[str, list[float]] = {}
            try:
                while "done" not in news:
                    what, *values = here.recv()
                    news[what] = values
            except EOFError:
                process.join()
            over = f"not within {SECONDS}" if process.exitcode in (-SIGKILL, -SIGXCPU) else "fails"
            process.join()
            setup = f"{news['set up'][0]:.2f}" if "set up" in news else over
            rest = "{:.2f} | {:.0f} | {:.2g}".format(*news["done"]) if "done" in news else f"{over} | |"
            print(f"| {label} | {nodes:,} | {setup} | {rest} |", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
