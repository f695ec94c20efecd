"""Run contestants, each in a process of its own with its own Python, and tell how they did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
CORES = 2
GRACE_SECONDS = 30
"""Time for a contestant to stop what it has started (PostGIS its server)."""


@dataclass(frozen=True)
class Outcome:
    """How one contestant did at one size; `failure` says why there is nothing else."""

    contestant: str
    size: int
    seconds: dict[str, float] = field(default_factory=dict)
    processor_s: dict[str, float] = field(default_factory=dict)
    memory_mib: float = 0.0
    answer: Any = None
    version: str = ""
    failure: str = ""

    @property
    def query_s(self) -> float:
        return self.seconds["query"]

    @property
    def all_s(self) -> float:
        return sum(self.seconds.values())

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value}


def run(python: str, module: str, contestant: str, folder: Path, size: int, limit_s: float) -> Outcome:
    """One contestant on one folder of data, stopped after `limit_s` seconds."""
    print(f"… {contestant}: {size:,}", file=sys.stderr, flush=True)
    command = [python, "-m", f"bench.access.{module}", contestant, str(folder)]
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")])
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _stop(process)
        return Outcome(contestant, size, failure=f"not done within {limit_s:.0f} s")
    except BaseException:
        _stop(process)
        raise
    if process.returncode:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        return Outcome(contestant, size, failure=f"ended with {process.returncode}: {last[:200]}")
    return Outcome(contestant, size, **json.loads(output.splitlines()[-1]))


def _stop(process: subprocess.Popen[str]) -> None:
    """So that the contestant can clean up; if it does not, for good."""
    process.terminate()
    try:
        process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def versions(python: str, packages: Sequence[str]) -> dict[str, str]:
    """Versions of packages as that Python sees them."""
    code = "import importlib.metadata as m, sys; print(*(m.version(p) for p in sys.argv[1:]))"
    output = subprocess.run(
        [python, "-c", code, *packages], capture_output=True, text=True, check=True
    ).stdout
    return dict(zip(packages, output.split(), strict=True))


def keep_to_cores() -> int:
    """Bind this process, and so all that it starts, to as many cores as the goals are set for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    return len(os.sched_getaffinity(0))


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column to the left, all others to the right."""
    print(f"\n{title}\n")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()
