"""How long it takes to choose sites and prove the choice, held against spopt and PuLP, and how much a greedy choice loses.

    python -m bench.siting [--peers PYTHON] [--quick] [--json FILE]

Synthetic units in clusters, the same in every run. Published cases first (OR-Library's pmed1 and pmed5), then 133 units × 20
kinds, then the same questions to ours, spopt (CBC) and PuLP (our pairs, HiGHS) in one run, then 6,000 units × one kind, which
the peers' full matrices do not hold. Seconds are of the wall on one thread, models built; peers run in their own process.
Exits with 1 when an optimum is not proven, or a peer finds another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial import KDTree

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "plugins"))

PUBLISHED = {"pmed1": 5819, "pmed5": 1355}
SAME = 1e-6
PEER_SECONDS = 600
PEER = """
import json, sys, time
import numpy as np, pulp
data = np.load(sys.argv[1])
who, problem, sites, radius = sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
weight, metres = data["weight"], data["metres"]
if who == "spopt":
    from spopt.locate import LSCP, MCLP, PMedian
start = time.perf_counter()
if who == "spopt":
    solver = pulp.PULP_CBC_CMD(msg=False, threads=1, gapRel=0)
    if problem == "max_coverage":
        model = MCLP.from_cost_matrix(metres, weight, radius, sites)
    elif problem == "full_coverage":
        model = LSCP.from_cost_matrix(metres, radius)
    else:
        model = PMedian.from_cost_matrix(metres, weight, sites)
    model.problem.solve(solver)
    value = model.problem.objective.value()
else:
    cover = metres <= radius
    near = [np.flatnonzero(row).tolist() for row in cover]
    columns = range(metres.shape[1])
    y = [pulp.LpVariable(f"y{j}", cat="Binary") for j in columns]
    model = pulp.LpProblem("m", pulp.LpMaximize if problem == "max_coverage" else pulp.LpMinimize)
    if problem == "max_coverage":
        z = [pulp.LpVariable(f"z{i}", 0, 1) for i in range(len(weight))]
        model += pulp.lpSum(w * one for w, one in zip(weight.tolist(), z))
        for one, sources in zip(z, near):
            model += pulp.lpSum(y[j] for j in sources) >= one
        model += pulp.lpSum(y) <= sites
    elif problem == "full_coverage":
        model += pulp.lpSum(y)
        for sources in near:
            model += pulp.lpSum(y[j] for j in sources) >= 1
    else:
        cost = []
        for i, row in enumerate(metres.tolist()):
            x = [pulp.LpVariable(f"x{i}_{j}", 0, 1) for j in columns]
            model += pulp.lpSum(x) == 1
            for j in columns:
                model += x[j] <= y[j]
            cost += [weight[i] * d * one for d, one in zip(row, x)]
        model += pulp.lpSum(cost)
        model += pulp.lpSum(y) <= sites
    model.solve(pulp.HiGHS(msg=False, threads=1, gapRel=0))
    value = model.objective.value()
print(json.dumps({"value": value, "seconds": time.perf_counter() - start}))
"""
Row = dict[str, Any]


def units(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Metres and people of units: three quarters in clusters, at 0.5 km2 each."""
    rng = np.random.default_rng(seed)
    side, clustered = (count * 0.5e6) ** 0.5, count * 3 // 4
    centres = rng.uniform(0, side, (max(count // 50, 1), 2))
    at = centres[rng.integers(len(centres), size=clustered)] + rng.normal(0, 900, (clustered, 2))
    return np.concatenate([at, rng.uniform(0, side, (count - clustered, 2))]), rng.integers(20, 800, count)


def places(at: np.ndarray, weight: np.ndarray, limit_m: float, radius_m: float, served: int = 0) -> Any:
    """Units that are demand and candidates at once; every `served`-th has a facility already."""
    from citycheck.renewal.siting import Places

    tree = KDTree(at)
    pairs = tree.sparse_distance_matrix(
        tree, limit_m + 1, output_type="coo_matrix"
    )  # metres are rounded after
    existing = np.full(len(at), np.inf)
    if served:
        existing = np.minimum(np.round(KDTree(at[::served]).query(at)[0]), limit_m)
    return Places.of(
        weight,
        pairs.row,
        pairs.col,
        np.round(pairs.data),
        sites=len(at),
        radius_m=radius_m,
        existing_m=existing,
    )


def solve(problem: str, where: Any, sites: int) -> Any:
    from citycheck.renewal import siting
    from citycheck.renewal.siting_median import p_median

    asked: dict[str, Callable[[], Any]] = {
        "max_coverage": lambda: siting.max_coverage(where, sites=sites),
        "full_coverage": lambda: siting.full_coverage(where),
        "p_median": lambda: p_median(where, sites=sites),
    }
    return asked[problem]()


def ours(case: str, problem: str, where: Any, sites: int) -> Row:
    start = time.perf_counter()
    answer = solve(problem, where, sites)
    row = {
        "case": case, "problem": problem, "sites": sites, "value": answer.value, "bound": answer.bound,
        "gap_pct": answer.gap_pct, "nodes": answer.nodes, "is_optimal": answer.is_optimal,
        "greedy": answer.greedy_value, "seconds": time.perf_counter() - start,
    }  # fmt: skip
    print(
        f"{case:<22}{problem:<15}{sites:>4}  value {answer.value:>15,.0f}  gap {answer.gap_pct:.4f} %  "
        f"nodes {answer.nodes:>4}  {row['seconds']:>7.2f} s  greedy {_apart(answer):+.2f} %",
        flush=True,
    )
    return row


def _apart(answer: Any) -> float:
    return 100 * (answer.greedy_value / answer.value - 1) if answer.value else 0.0


def published() -> list[Row]:
    from citycheck.renewal.siting import Places

    rows = []
    for name, optimum in PUBLISHED.items():
        path = PROJECT / "tests" / "citycheck" / "renewal" / "cases" / f"{name}.txt"
        (size, _, p), *edges = np.loadtxt(path, dtype=int)
        length = np.full((size, size), np.inf)
        for one, other, metres in edges:
            length[one - 1, other - 1] = length[other - 1, one - 1] = metres
        length = floyd_warshall(length)
        point, site = np.indices(length.shape).reshape(2, -1)
        row = ours(
            name, "p_median", Places.of(np.ones(size), point, site, length.ravel(), sites=size), int(p)
        )
        row["published"] = optimum
        row["is_optimal"] &= row["value"] == optimum
        rows.append(row)
    return rows


def twenty_kinds() -> list[Row]:
    """133 units, 20 kinds one after the other: each with facilities of its own, radii of 300, 500 and 1,000 m."""
    rows = []
    for kind in range(20):
        at, weight = units(133, seed=kind)
        where = places(at, weight, 3000, (500, 1000, 800)[kind % 3], served=4 + kind % 5)
        for problem in ("max_coverage", "full_coverage", "p_median"):
            start = time.perf_counter()
            answer = solve(problem, where, 8)
            rows.append(
                {"case": f"133 units, kind {kind}", "problem": problem, "is_optimal": answer.is_optimal,
                 "seconds": time.perf_counter() - start}
            )  # fmt: skip
    for problem in ("max_coverage", "full_coverage", "p_median"):
        took = [row["seconds"] for row in rows if row["problem"] == problem]
        print(
            f"133 units × 20 kinds  {problem:<15}     {sum(took):>7.2f} s in all, {max(took):.2f} s the longest"
        )
    return rows


def beside_peers(python: str, sizes: list[int]) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "units.npz"
        for size in sizes:
            at, weight = units(size)
            metres = np.round(np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)))
            np.savez(data, weight=weight, metres=metres)
            for problem in ("max_coverage", "full_coverage", "p_median"):
                where = places(at, weight, np.inf if problem == "p_median" else 800, 800)
                row = ours(f"{size} units", problem, where, size // 12)
                for peer in ("spopt", "pulp"):
                    row[peer] = _peer([python, "-c", PEER, str(data), peer, problem, str(size // 12), "800"])
                    told, is_same = row[peer], "no answer in time"
                    if "value" in told:
                        apart = abs(told["value"] - row["value"]) / max(1.0, row["value"])
                        row["is_optimal"] &= apart < SAME
                        is_same = "same optimum" if apart < SAME else f"ANOTHER: {told['value']}"
                    print(
                        f"{'':<22}{peer:<15}{told['seconds']:>9.2f} s, {told['seconds'] / row['seconds']:>7.1f} × ours; {is_same}"
                    )
                rows.append(row)
    return rows


def _peer(command: list[str]) -> Row:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PEER_SECONDS)
    except subprocess.TimeoutExpired:
        return {"seconds": float(PEER_SECONDS)}
    answer: Row = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def large(count: int) -> list[Row]:
    at, weight = units(count)
    rows = []
    for radius in (500, 1000):
        where = places(at, weight, 3000, radius, served=20)
        for sites in (count // 60, count // 20):
            rows.append(ours(f"{count} units, {radius} m", "max_coverage", where, sites))
        rows.append(ours(f"{count} units, {radius} m", "full_coverage", where, 0))
    for sites in (10, count // 60, count // 20):
        rows.append(ours(f"{count} units", "p_median", where, sites))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="the Python of an environment with spopt and pulp")
    parser.add_argument("--quick", action="store_true", help="smaller cases")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = published() + twenty_kinds()
    if asked.peers:
        rows += beside_peers(asked.peers, [133] if asked.quick else [133, 300])
    rows += large(600 if asked.quick else 6_000)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    failed = [row for row in rows if not row["is_optimal"]]
    print(f"{len(rows)} questions, {len(rows) - len(failed)} with a proven optimum")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
