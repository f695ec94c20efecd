"""How fast and in how much memory citycheck tells who reaches what, held against its peers on the same data.

    python -m bench.access [--quick] [--parts circles country walking growth] [--peers PYTHON] [--json FILE]

Every contestant runs in a process of its own and reads the same parquet files. `query s` is with data in memory, `CPU s`
the same in processor seconds, which other work on the machine disturbs less; `all s` is with reading and setting up.
Ratios compare equal sizes only: a peer that fails at the full size, or is not done within its limit, is asked again at a
smaller one. Exits with 1 when answers differ.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
import signal
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.access import data
from bench.access.contest import Outcome, keep_to_cores, run, table, versions
from bench.access.walking_peers import LIMIT_M

POINTS, FACILITIES = 5_000_000, 125_000
COUNTRY_POINTS, COUNTRY_FACILITIES, PROVINCES = 30_000_000, 2_500_000, 6
NODES = 1_000_000
QUICK = 50
SMALLER = (1, 4, 16)
"""The sizes at which growth is measured, and at which a peer is asked again: the full size over these."""
NETWORKS = (1_000_000, 250_000, 100_000)
LIMIT_S = 900.0
PEER_LIMIT_S = 120.0
"""For a peer at a million nodes: pandana's set-up was seen not to end within 9 minutes, cityseer's query not within 12."""
SAME_M = 0.1
"""Distances that differ by less are the same: pandana keeps whole millimetres of each edge, cityseer 32-bit numbers."""
ROUNDS = 3
"""Growth compares the fastest of so many runs: a small size takes a fraction of a second."""
OURS = "ours"

CIRCLES_PEERS = {
    "KD-tree": "circles_peers",
    "geopandas": "circles_peers",
    "SedonaDB": "circles_peers",
    "PostGIS": "circles_postgis",
}
TIMES = {"KD-tree": 1.5, "geopandas": 8.0, "SedonaDB": 3.0, "PostGIS": 8.0, "pandana": 20.0, "cityseer": 1.0}
"""Goals: how many times as long as ours a peer takes, at least."""
LESS_MEMORY = ("geopandas", "SedonaDB", "PostGIS")
"""Peers that ours is to need less memory than."""
COUNTRY_GIB = 6.0
EXPONENT = 1.1


class Benchmark:
    """One run of it: where data lie, which Pythons, and what came out."""

    def __init__(self, work: Path, peers: str, scale: int) -> None:
        self.work, self.peers, self.scale = work, peers, scale
        self.results: dict[str, Any] = {}
        self.differ: list[str] = []

    # Data and contestants, made when they are asked for ---------------------------------------------------------------

    @cache  # noqa: B019
    def circles_data(self, points: int) -> Path:
        folder = self.work / f"circles{points}"
        data.write_circles(folder, points, points * FACILITIES // POINTS)
        return folder

    @cache  # noqa: B019
    def walking_data(self, nodes: int) -> Path:
        folder = self.work / f"walking{nodes}"
        data.write_walking(folder, nodes)
        return folder

    def run_circles(self, contestant: str, points: int) -> Outcome:
        python, module = (
            (sys.executable, "circles_ours")
            if contestant == OURS
            else (self.peers, CIRCLES_PEERS[contestant])
        )
        return run(python, module, contestant, self.circles_data(points), points, LIMIT_S)

    def run_walking(self, contestant: str, nodes: int) -> Outcome:
        python, module = (
            (sys.executable, "walking_ours") if contestant == OURS else (self.peers, "walking_peers")
        )
        limit_s = PEER_LIMIT_S if contestant != OURS and nodes >= NODES else LIMIT_S
        return run(python, module, contestant, self.walking_data(nodes), nodes, limit_s)

    # Parts ------------------------------------------------------------------------------------------------------------

    def circles(self) -> None:
        """Which points have a facility of each kind within its radius: ours and four peers."""
        sizes = [POINTS // self.scale // smaller for smaller in SMALLER]
        ours = cache(lambda size: _succeeded(self.run_circles(OURS, size)))
        outcomes = [ours(sizes[0])]
        for peer in CIRCLES_PEERS:
            for size in sizes:
                outcomes.append(outcome := self.run_circles(peer, size))
                if not outcome.failure:
                    if ours(size) not in outcomes:
                        outcomes.insert(-1, ours(size))
                    self._compare(outcome, outcome.answer == ours(size).answer)
                    break
        title = (
            f"Circles: {sizes[0]:,} demand points × {sizes[0] * FACILITIES // POINTS:,} facilities × 20 kinds; "
            "ours finds the nearest facility and its distance besides"
        )
        self._show("circles", title, outcomes)
        names = [code for code, _ in data.kinds()]
        counts = [f"{name} {count:,}" for name, count in zip(names, outcomes[0].answer, strict=True)]
        print(f"\n  Points covered, {'the same for all' if not self.differ else 'NOT the same for all'}:")
        for first in range(0, len(counts), 5):
            print("   ", ", ".join(counts[first : first + 5]))

    def country(self) -> None:
        """Ours alone, province by province."""
        points, facilities = COUNTRY_POINTS // self.scale, COUNTRY_FACILITIES // self.scale
        folder = self.work / "country"
        data.write_country(folder, PROVINCES, points, facilities)
        outcome = _succeeded(run(sys.executable, "circles_ours", "country", folder, points, LIMIT_S))
        title = f"Country: {points:,} demand points × {facilities:,} facilities × 20 kinds in {PROVINCES} provinces"
        row = [OURS, _s(outcome.query_s), _s(outcome.all_s), _mib(outcome.memory_mib)]
        goal = f"{COUNTRY_GIB * 1024:,.0f} {_met(outcome.memory_mib <= COUNTRY_GIB * 1024)}"
        table(title, ["", "query s", "all s", "memory MiB", "goal"], [[*row, goal]])
        self.results["country"] = outcome.as_json()

    def walking(self) -> None:
        """The nearest of each kind from every node: ours, pandana and cityseer, at three sizes."""
        outcomes = []
        for size in [nodes // self.scale for nodes in NETWORKS]:
            outcomes.append(_succeeded(self.run_walking(OURS, size)))
            for peer in ("pandana", "cityseer"):
                outcomes.append(outcome := self.run_walking(peer, size))
                if not outcome.failure:
                    apart_m = _apart_m(self.walking_data(size), peer)
                    outcome.answer["largest_difference_m"] = apart_m
                    self._compare(outcome, apart_m <= SAME_M)
        title = f"Walking: the nearest of 20 kinds within {LIMIT_M} m from every node; set-up is not compared"
        self._show("walking", title, outcomes)
        print("\n  Largest difference of a distance from ours, of all nodes and kinds:")
        for outcome in outcomes:
            if "largest_difference_m" in (outcome.answer or ()):
                print(
                    f"    {outcome.contestant}, {outcome.size:,}: {outcome.answer['largest_difference_m'] * 1000:.1f} mm"
                )

    def growth(self) -> None:
        """Ours at 1×, 4× and 16×: the exponent of a power of the size, by least squares on logarithms."""
        rows = []
        for name, full, once in (("circles", POINTS, self.run_circles), ("walking", NODES, self.run_walking)):
            sizes = [full // self.scale // smaller for smaller in reversed(SMALLER)]
            seconds = [min(_succeeded(once(OURS, size)).query_s for _ in range(ROUNDS)) for size in sizes]
            exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
            rows.append(
                [name, *(f"{size:,}: {took:.2f} s" for size, took in zip(sizes, seconds, strict=True))]
            )
            rows[-1] += [f"{exponent:.2f}", f"{EXPONENT} {_met(exponent <= EXPONENT)}"]
            self.results.setdefault("growth", {})[name] = {
                "sizes": sizes,
                "seconds": seconds,
                "exponent": exponent,
            }
        title = f"Growth: ours, the fastest of {ROUNDS} runs, time ~ size ^ exponent"
        table(title, ["", "1×", "4×", "16×", "exponent", "goal"], rows)

    # Telling ----------------------------------------------------------------------------------------------------------

    def _compare(self, outcome: Outcome, is_same: bool) -> None:
        if not is_same:
            self.differ.append(f"{outcome.contestant} at {outcome.size:,}")

    def _show(self, part: str, title: str, outcomes: list[Outcome]) -> None:
        ours = {outcome.size: outcome for outcome in outcomes if outcome.contestant == OURS}
        header = [
            "",
            "size",
            "load s",
            "set-up s",
            "query s",
            "CPU s",
            "all s",
            "MiB",
            "× query",
            "goal",
            "× all",
            "× memory",
        ]
        rows, told = [], []
        for outcome in outcomes:
            row = [outcome.contestant, f"{outcome.size:,}"]
            told.append(outcome.as_json())
            if outcome.failure:
                rows.append([*row, *("–" for _ in header[2:])])
                continue
            phases = [outcome.seconds.get(phase, math.nan) for phase in ("load", "set up", "query")]
            busy = outcome.processor_s.get("query", math.nan)
            row += [*map(_s, [*phases, busy, outcome.all_s]), _mib(outcome.memory_mib)]
            if outcome.contestant == OURS:
                rows.append([*row, "1", "", "1", "1"])
                continue
            base = ours[outcome.size]
            query, memory = outcome.query_s / base.query_s, outcome.memory_mib / base.memory_mib
            goal = TIMES[outcome.contestant]
            less = f" {_met(memory > 1)}" if outcome.contestant in LESS_MEMORY else ""
            told[-1] |= {
                "times_query": query,
                "times_all": outcome.all_s / base.all_s,
                "times_memory": memory,
            }
            row += [f"{query:.1f}", f"{goal:g} {_met(query >= goal)}", f"{outcome.all_s / base.all_s:.1f}"]
            rows.append([*row, f"{memory:.2f}{less}"])
        table(title, header, rows)
        for outcome in outcomes:
            if outcome.failure:
                print(f"\n  {outcome.contestant} at {outcome.size:,}: {outcome.failure}")
        self.results[part] = told


def _succeeded(outcome: Outcome) -> Outcome:
    if outcome.failure:
        sys.exit(f"{outcome.contestant} at {outcome.size:,}: {outcome.failure}")
    return outcome


def _apart_m(folder: Path, peer: str) -> float:
    """The largest difference of a peer's distances from ours; what is not reached counts as the limit."""
    ours, theirs = (np.minimum(np.load(folder / f"{name}.npy"), LIMIT_M) for name in (OURS, peer))
    return float(np.abs(ours - theirs).max())


def _s(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{seconds:.2f}"


def _mib(mebibytes: float) -> str:
    return f"{mebibytes:,.0f}"


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def _header(peers: str, cores: int) -> dict[str, Any]:
    names = ["geopandas", "shapely", "scipy", "sedonadb", "pandana", "cityseer", "psycopg"]
    told = {
        "command": shlex.join(["python", "-m", "bench.access", *sys.argv[1:]]),
        "cores": cores,
        "processor": _processor(),
        "python": platform.python_version(),
        "ours": versions(sys.executable, ["numpy", "scipy", "shapely"]),
        "peers": versions(peers, names),
    }
    for name, value in told.items():
        text = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        print(f"{name}: {text}")
    return told


def _processor() -> str:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return names[0] if names else platform.machine()


def main() -> None:
    parts = ("circles", "country", "walking", "growth")
    parser = argparse.ArgumentParser(
        prog="bench.access", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"all sizes divided by {QUICK}")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="the Python that has the peers"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything that was measured there too"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="for data, removed afterwards; 2 GB")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    cores = keep_to_cores()
    with tempfile.TemporaryDirectory(prefix="bench-access-", dir=options.work) as work:
        benchmark = Benchmark(Path(work), options.peers, QUICK if options.quick else 1)
        benchmark.results = _header(options.peers, cores)
        for part in parts:
            if part in options.parts:
                getattr(benchmark, part)()
    if options.json:
        options.json.write_text(json.dumps(benchmark.results, indent=2) + "\n", encoding="utf-8")
    if benchmark.differ:
        sys.exit(f"\nAnswers differ from ours: {', '.join(benchmark.differ)}.")


if __name__ == "__main__":
    main()
