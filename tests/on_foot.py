"""Walking distances counted once more, with a heap and shapely only: slow, plain, and knowing nothing of citycheck."""

import heapq
from collections import defaultdict

import numpy as np
import pandas as pd

SNAP_LIMIT_M, FRAGMENT_M, DETOUR_FACTOR = 200, 1000, 1.25


class Streets:
    """`edges`: from_node, to_node, length_m and `line`, a shapely line in metres, one row an edge."""

    def __init__(self, edges: pd.DataFrame) -> None:
        edges = edges.reset_index(drop=True)
        self.arcs = defaultdict(list)
        for edge in edges.itertuples():
            self.arcs[edge.from_node].append((edge.to_node, edge.length_m))
            self.arcs[edge.to_node].append((edge.from_node, edge.length_m))
        part, self.lengths_m = self._parts(), defaultdict(float)
        for edge in edges.itertuples():
            self.lengths_m[part[edge.from_node]] += edge.length_m
        main = max(self.lengths_m, key=self.lengths_m.get)
        usable = [
            part[node] == main or self.lengths_m[part[node]] >= FRAGMENT_M for node in edges["from_node"]
        ]
        self.edges = edges[usable].reset_index(drop=True)

    def _parts(self) -> dict:
        part = {}
        for start in list(self.arcs):
            if start in part:
                continue
            waiting = [start]
            while waiting:
                node = waiting.pop()
                if node not in part:
                    part[node] = start
                    waiting += [other for other, _ in self.arcs[node]]
        return part

    def snap(self, x_m, y_m) -> pd.DataFrame:
        """For each point its edge (-1 if none is near enough), the metres along it, and the straight leg to it."""
        from shapely import STRtree, points

        places = points(np.column_stack([x_m, y_m]))
        lines = self.edges["line"].to_numpy()
        nearest = STRtree(lines).nearest(places)
        on = lines[nearest]
        along = [line.project(place) * self.edges["length_m"][edge] / line.length
                 for line, place, edge in zip(on, places, nearest, strict=True)]  # fmt: skip
        leg_m = np.array([line.distance(place) for line, place in zip(on, places, strict=True)])
        return pd.DataFrame(
            {"edge": np.where(leg_m <= SNAP_LIMIT_M, nearest, -1), "along_m": along, "leg_m": leg_m}
        )

    def around(self, edge: int, along_m: float, leg_m: float, limit_m: float) -> dict:
        """Metres on foot from a snapped point to every node that is near enough."""
        row = self.edges.loc[edge]
        heap = [(leg_m + along_m, row.from_node), (leg_m + row.length_m - along_m, row.to_node)]
        heapq.heapify(heap)
        found = {}
        while heap:
            metres, node = heapq.heappop(heap)
            if metres > limit_m or node in found:
                continue
            found[node] = metres
            for other, length_m in self.arcs[node]:
                if other not in found:
                    heapq.heappush(heap, (metres + length_m, other))
        return found


def distances_m(
    streets: Streets, buildings: pd.DataFrame, facilities: pd.DataFrame, limit_m: float
) -> np.ndarray:
    """Metres on foot between all buildings (rows) and facilities (columns); inf where farther than the limit."""
    homes = streets.snap(buildings["x_m"], buildings["y_m"])
    places = streets.snap(facilities["x_m"], facilities["y_m"])
    ends = streets.edges.loc[homes["edge"].clip(lower=0), ["from_node", "to_node", "length_m"]].reset_index(
        drop=True
    )
    found = np.full((len(buildings), len(facilities)), np.inf)
    on_edge, at = homes["edge"].to_numpy(), homes["along_m"].to_numpy()
    rest, leg = ends["length_m"].to_numpy() - at, homes["leg_m"].to_numpy()
    for number, place in enumerate(places.itertuples()):
        straight = np.hypot(
            buildings["x_m"] - facilities["x_m"].iloc[number],
            buildings["y_m"] - facilities["y_m"].iloc[number],
        ).to_numpy()
        metres = np.full(len(buildings), np.inf)
        if place.edge >= 0:
            nodes = streets.around(place.edge, place.along_m, place.leg_m, limit_m)
            one = ends["from_node"].map(nodes).fillna(np.inf).to_numpy() + at
            other = ends["to_node"].map(nodes).fillna(np.inf).to_numpy() + rest
            metres = np.minimum(one, other) + leg
            same = on_edge == place.edge
            metres[same] = np.minimum(metres, np.abs(at - place.along_m) + leg + place.leg_m)[same]
        beside = (on_edge < 0) | (place.edge < 0)
        metres[beside] = DETOUR_FACTOR * straight[beside]
        found[:, number] = np.where(metres <= limit_m, metres, np.inf)
    return found
