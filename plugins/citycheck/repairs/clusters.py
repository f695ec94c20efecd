"""Clusters of repair reports: places at which reports of one category come again and again.

The place around which most reports of a category lie within a radius makes the first cluster with all of them, then the next of
those that are left, as long as one has enough reports in enough months: so no cluster is wider than twice the radius,
where linking neighbours would run through a whole town. Clusters of one action whose middles are near each other are one
problem, led by the largest. Neither hangs on the order of the rows.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = dict[str, Any]
PLACE_GRID_M = 100
"""The middle of a cluster is told to this: it says where to build, and not who reported."""


@dataclass(frozen=True)
class Report:
    """A report at a known place in planar metres; `action` is the renewal action of its category, if it has one."""

    report_id: str
    category: str
    action: str | None
    community_id: str
    month: str
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Limits:
    """How near, how many and how persistent reports must be, and how near clusters of one action are one problem."""

    radius_m: float
    reports_min: int
    months_min: int
    merge_m: float


def clusters(reports: Iterable[Report], limits: Limits) -> tuple[list[Row], list[Row]]:
    """Clusters, and the reports behind each, both in the order of their codes.

    A cluster lies in the community of most of its reports; `problem_id` is the cluster that leads its problem.
    """
    by_category: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_category[report.category].append(report)
    found, members = [], []
    for category, of_category in sorted(by_category.items()):
        groups = _groups(sorted(of_category, key=lambda r: (r.x_m, r.y_m, r.report_id)), limits)
        for number, group in enumerate(groups, start=1):
            code = f"{category}-{number:04d}"
            found.append(_cluster(code, group))
            members += [
                {"cluster_id": code, "report_id": r.report_id}
                for r in sorted(group, key=lambda r: r.report_id)
            ]
    _lead(found, limits.merge_m)
    return [{name: row[name] for name in row if name != "action"} for row in found], members


def _groups(reports: Sequence[Report], limits: Limits) -> list[list[Report]]:
    """Of one category, sorted: the place with most reports around it and all of these, then the next of the rest."""
    from scipy.spatial import cKDTree

    places = np.array([(r.x_m, r.y_m) for r in reports])
    around = cKDTree(places).query_ball_point(places, limits.radius_m, return_sorted=True)
    is_free = [True] * len(reports)
    queue = [(-len(near), place) for place, near in enumerate(around)]
    heapq.heapify(queue)
    groups = []
    while queue and -queue[0][0] >= limits.reports_min:
        told, place = heapq.heappop(queue)
        free = [other for other in around[place] if is_free[other]]
        if len(free) < -told:  # others took some of them: its turn comes later, or never
            heapq.heappush(queue, (-len(free), place))
        elif len({reports[other].month for other in free}) >= limits.months_min:
            groups.append([reports[other] for other in free])
            for other in free:
                is_free[other] = False
    return groups


def _cluster(code: str, reports: Sequence[Report]) -> Row:
    communities = Counter(r.community_id for r in reports)
    return {
        "cluster_id": code,
        "category_code": reports[0].category,
        "action": reports[0].action,
        "community_id": min(communities, key=lambda name: (-communities[name], name)),
        "reports": len(reports),
        "months": len({r.month for r in reports}),
        "x_m": _middle(r.x_m for r in reports),
        "y_m": _middle(r.y_m for r in reports),
        "problem_id": code,
    }


def _middle(values: Iterable[float]) -> float:
    """Their mean on the grid; `fsum`, since it does not hang on their order."""
    known = list(values)
    return float(round(math.fsum(known) / len(known) / PLACE_GRID_M) * PLACE_GRID_M)


def _lead(found: Sequence[Row], merge_m: float) -> None:
    """Write into each cluster which one leads it: the largest of its action that is near and is led by none."""
    leaders: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(found, key=lambda row: (-row["reports"], row["cluster_id"])):
        if row["action"] is None:
            continue
        of_action = leaders[row["action"]]
        near = (
            leader
            for leader in of_action
            if math.hypot(leader["x_m"] - row["x_m"], leader["y_m"] - row["y_m"]) <= merge_m
        )
        leader = next(near, None)
        if leader is None:
            of_action.append(row)
        else:
            row["problem_id"] = leader["cluster_id"]
