"""How long it takes to draw around an index, and in how much memory, held against straightforward ways to do it.

    python -m bench.index [--peers PYTHON] [--json FILE] [--quick]

An index of 40 indicators in 8 dimensions with what a city has: 5 % of the values missing, sampling errors of 8 indicators,
20 indicators of coverage under 2 distances by 5 walking speeds, weights and goalposts moved in every draw, either mean.
Everything is synthetic and the same in every run; each contestant runs in a process of its own. `CPU s` are processor seconds
of all threads with start and data, which other work on the machine disturbs less. Exits with 1 when a limit is not kept or
answers differ.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "plugins"))

SMALL, LARGE = (1_000, 133), (10_000, 6_000)
LIMITS = {"small": (1.0, 4.0), "large": (60.0, 4.0)}
"""Seconds and GiB."""
DIMENSIONS, LEAVES = 8, 5
PANDAS_DRAWS = {"small": 50, "large": 5}
"""The pandas loop is timed over so many draws, and scaled."""
SAME = 1e-9
SAME_SHARE = 0.01
SOBOL_DRAWS, SOBOL_ROUNDS = 4_096, 1_000
SEED = 7
LEVEL = 0.9
SALIB = """
import json, sys, time
import numpy as np
from SALib.analyze import sobol
data = np.load(sys.argv[1])
a, b, ab = data["a"], data["b"], data["ab"]
y = np.concatenate([a[None], ab, b[None]]).T.ravel()
problem = {"num_vars": len(ab), "names": [str(i) for i in range(len(ab))], "bounds": [[0, 1]] * len(ab)}
start = time.perf_counter()
found = sobol.analyze(problem, y, calc_second_order=False, num_resamples=int(sys.argv[2]), conf_level=0.9, seed=1)
print(json.dumps({"seconds": time.perf_counter() - start, "first_order": list(found["S1"]), "total": list(found["ST"])}))
"""


def made(units: int) -> tuple[Any, Any]:
    """The index and its areas."""
    from citycheck.index.spec import Node, Spec
    from citycheck.index.uncertainty import Areas, Assumptions

    generator = np.random.default_rng(SEED)
    leaves = [
        Node(
            f"{d}-{i}",
            f"D{d}",
            weight=1.0 + i,
            normalisation="goalposts",
            goalpost_low=0.0,
            goalpost_high=90.0,
        )
        for d in range(DIMENSIONS)
        for i in range(LEAVES)
    ]
    groups = [
        Node(f"D{d}", "index", step=1, weight=1.0 + d, mean="arithmetic", min_share=0.65)
        for d in range(DIMENSIONS)
    ]
    root = Node("index", step=2, mean="arithmetic", min_share=0.65, floor=1.0)
    values = generator.uniform(0, 100, (units, len(leaves)))
    values[generator.random(values.shape) < 0.05] = np.nan
    codes = [leaf.code for leaf in leaves]
    factors = np.linspace(0.8, 1.2, 10)[:, None]
    areas = Areas(
        "community",
        [f"{number:05d}" for number in range(units)],
        values,
        variants={codes[at]: values[:, at] * factors for at in range(20)},
        errors={codes[at]: generator.uniform(1, 5, units) for at in range(32, 40)},
    )
    rows: list[dict[str, Any]] = [
        {"assumption": "weights", "option_code": None, "low": -0.25, "high": 0.25},
        {"assumption": "goalposts", "option_code": None, "low": -0.1, "high": 0.1},
        {"assumption": "mean_type", "option_code": "arithmetic", "low": None, "high": None},
        {"assumption": "mean_type", "option_code": "geometric", "low": None, "high": None},
        {"assumption": "survey_error", "option_code": None, "low": None, "high": None},
    ]
    spec = Spec("bench", "area_id", (*leaves, *groups, root))
    return Assumptions(rows, spec, ["euclidean", "network"], ["1", "2", "3", "4", "5"]), areas


def ours(draws: int, units: int, nodes: str) -> dict[str, Any]:
    """Score and rank intervals of every unit: of the index, or of it and its dimensions."""
    from citycheck.index import sobol, uncertainty

    assumptions, areas = made(units)
    asked = ["index"] if nodes == "index" else [group.code for group in assumptions.spec.groups]
    start = time.perf_counter()
    points, _ = sobol.points(draws, assumptions.width, SEED)
    found = list(uncertainty.intervals(uncertainty.Draws.of(assumptions, areas, SEED), points, asked, LEVEL))
    return {"seconds": time.perf_counter() - start, "rows": len(found)}


def pandas_loop(draws: int, units: int, sampled: int) -> dict[str, Any]:
    """One draw after another in pandas, as a notebook would; the first draws are compared with ours."""
    import pandas as pd

    from citycheck.index import sobol, uncertainty

    assumptions, areas = made(units)
    points, _ = sobol.points(draws, assumptions.width, SEED)
    spec = assumptions.spec
    codes = [leaf.code for leaf in spec.leaves]
    weights = pd.Series({node.code: node.weight for node in spec.nodes})
    start, scores = time.perf_counter(), []
    headline = pd.DataFrame(areas.values, columns=codes, index=areas.ids)
    enough = {}
    for draw in range(sampled):
        drawn = assumptions.drawn(points[[draw]], areas, SEED)
        table = headline.copy()
        for code, rows in drawn.values.items():
            table[code] = rows[0]
        low = pd.Series({code: float(ends[0][0, 0]) for code, ends in drawn.goalposts.items()})
        high = pd.Series({code: float(ends[1][0, 0]) for code, ends in drawn.goalposts.items()})
        moved = weights * pd.Series({code: float(f[0, 0]) for code, f in drawn.weights.items()}).reindex(
            weights.index, fill_value=1.0
        )
        table = ((table - low) / (high - low) * 100).clip(0, 100)
        dimensions = {}
        for group in spec.groups[:-1]:
            members = [child.code for child in spec.children(group.code)]
            known = table[members].notna()
            if group.code not in enough:
                enough[group.code] = (known * weights[members]).sum(axis=1) >= 0.65 * weights[members].sum()
            mean = (table[members] * moved[members]).sum(axis=1) / (known * moved[members]).sum(axis=1)
            dimensions[group.code] = mean.where(enough[group.code])
        table = pd.DataFrame(dimensions)
        known, shares = table.notna(), moved[table.columns]
        if "index" not in enough:
            head = weights[table.columns]
            enough["index"] = (known * head).sum(axis=1) >= 0.65 * head.sum()
        if drawn.means["index"][0] == "arithmetic":
            index = (table * shares).sum(axis=1) / (known * shares).sum(axis=1)
        else:
            index = np.exp((np.log(table.clip(lower=1)) * shares).sum(axis=1) / (known * shares).sum(axis=1))
        index = index.where(enough["index"])
        index.rank(ascending=False, method="min")
        scores.append(index.to_numpy())
    seconds = (time.perf_counter() - start) * draws / sampled
    same = uncertainty.Draws.of(assumptions, areas, SEED).scores(points[:sampled], ["index"])["index"]
    off = float(np.nanmax(np.abs(same - np.array(scores))))
    return {"seconds": seconds, "off": off, "missing": bool((np.isnan(same) != np.isnan(scores)).any())}


def estimators(folder: Path, peers: str | None) -> dict[str, Any]:
    """Sensitivities of Sobol's g-function by ours and by SALib, from the same outputs."""
    from citycheck.index import sobol

    constants = np.array([0.0, 0.5, 1.0, 3.0, 9.0, 99.0])

    def g(x: Any) -> Any:
        return np.prod((np.abs(4 * x - 2) + constants) / (1 + constants), axis=1)

    a, b = sobol.points(SOBOL_DRAWS, len(constants), SEED)
    of_ab = []
    for column in range(len(constants)):
        mixed = a.copy()
        mixed[:, column] = b[:, column]
        of_ab.append(g(mixed))
    outputs = {"a": g(a), "b": g(b), "ab": np.array(of_ab)}
    start = time.perf_counter()
    found = sobol.sensitivities(
        outputs["a"], outputs["b"], outputs["ab"], level=LEVEL, rounds=SOBOL_ROUNDS, seed=1
    )
    result: dict[str, Any] = {"seconds": time.perf_counter() - start}
    if peers is None:
        return result
    np.savez(folder / "outputs.npz", **outputs)
    run = subprocess.run(
        [peers, "-c", SALIB, str(folder / "outputs.npz"), str(SOBOL_ROUNDS)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        return result | {"salib": run.stderr.strip().splitlines()[-1]}
    salib = json.loads(run.stdout.splitlines()[-1])
    off = max(
        abs(getattr(one, name) - other)
        for name in ("first_order", "total")
        for one, other in zip(found, salib[name], strict=True)
    )
    return result | {"salib": salib["seconds"], "off": off}


def alone(part: str, *arguments: Any) -> dict[str, Any]:
    """A part in a process of its own, which tells its time and the most memory that it held."""
    command = [sys.executable, "-m", "bench.index", "--part", part, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    if run.returncode != 0:
        raise SystemExit(run.stderr[-2000:])
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {"ours": ours, "pandas": pandas_loop}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="a Python with SALib")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws of the large one")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        name, *rest = asked.part
        result = PARTS[name](*(int(word) if word.isdigit() else word for word in rest))
        result["cpu"] = time.process_time()
        result["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        print(json.dumps(result))
        return 0

    sizes = {"small": SMALL, "large": (LARGE[0] // 10, LARGE[1]) if asked.quick else LARGE}
    results: dict[str, Any] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    failures = []
    print(f"{'what':52} {'seconds':>9} {'CPU s':>8} {'GiB':>6} {'× ours':>8}")

    def told(what: str, found: dict[str, Any], ratio: float | None = None) -> None:
        results[what] = found
        times = "" if ratio is None else f"{ratio:8.1f}"
        memory = f"{found['cpu']:8.2f} {found['gib']:6.2f}" if "gib" in found else " " * 15
        print(f"{what:52} {found['seconds']:9.3f} {memory} {times}".rstrip(), flush=True)

    for name, (draws, units) in sizes.items():
        title = f"{draws:,} draws × {units:,} units × {DIMENSIONS * LEAVES}"
        index = alone("ours", draws, units, "index")
        told(f"{title}: index and rank", index)
        told(f"{title}: and {DIMENSIONS} dimensions", all_nodes := alone("ours", draws, units, "all"))
        peer = alone("pandas", draws, units, PANDAS_DRAWS[name])
        told(f"  pandas, {PANDAS_DRAWS[name]} draws, scaled", peer, peer["seconds"] / index["seconds"])
        seconds, gib = LIMITS[name]
        for found in (index, all_nodes):
            if found["seconds"] > seconds or found["gib"] > gib:
                failures.append(
                    f"{title}: {found['seconds']:.1f} s, {found['gib']:.1f} GiB; at most {seconds:g} s, {gib:g} GiB"
                )
        if peer["off"] > SAME or peer["missing"]:
            failures.append(f"{title}: pandas has other scores, by up to {peer['off']:g}")

    with tempfile.TemporaryDirectory() as folder:
        found = estimators(Path(folder), asked.peers)
    told(f"Sobol' indices, {SOBOL_DRAWS:,} draws, {SOBOL_ROUNDS:,} bootstraps", found)
    if isinstance(found.get("salib"), float):
        told("  SALib", {"seconds": found["salib"]}, found["salib"] / found["seconds"])
        if found["off"] > SAME_SHARE:
            failures.append(f"Sobol' indices differ from SALib's by {found['off']:g}")
    else:
        print(f"  SALib: {found.get('salib', 'no peers given')}")
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
