"""How long a question of what if takes, as a command in a process of its own, and as long as the release stays open.

    python -m bench.whatif HOME [--city CITY] [--half-year 2026H1] [--json FILE]

HOME is that of a released half-year (`make demo` leaves one in var/). Facilities stand at buildings of the city, the same in
every run; the last question is the release's annual list, where it has one. The first command fills the cache of the release
(scratch/simulate), the others find it. `cpu_seconds` are those of all threads, which other work on the machine disturbs less;
`load` is how busy it was. Exits with 1 when one addition takes longer than the limit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 2.0
SIZES = (1, 10)
POOL = "annual_list"
ROUNDS = 5
SEED = 7
AREA_M2 = {
    "F01": 900,
    "F03": 300,
    "F07": 400,
    "F10": 1200,
    "F11": 150,
    "F12": 300,
    "F14": 900,
    "F16": 1500,
    "F17": 300,
}


def additions(database: Path, many: int) -> list[str]:
    """Facilities of any kind, each beside some building."""
    with duckdb.connect(str(database), read_only=True) as marts:
        places = marts.execute("select lon, lat from staging.stg_buildings order by building_id").fetchall()
    chosen = random.Random(SEED)
    made = []
    for _ in range(many):
        kind, (lon, lat) = f"F{chosen.randint(1, 20):02d}", chosen.choice(places)
        made.append(f"{kind}@{lon:.6f},{lat:.6f}" + (f",{AREA_M2[kind]}" if kind in AREA_M2 else ""))
    return made


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home", type=Path)
    parser.add_argument("--city", default="quzhou_sample")
    parser.add_argument("--half-year", default="2026H1")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    environment = os.environ | {
        "CITYCHECK_HOME": str(asked.home.resolve()),
        "CITYCHECK_CITY": asked.city,
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    os.environ.update(environment)
    sys.path.insert(0, str(PROJECT / "plugins"))
    from citycheck.errors import BadInput
    from citycheck.renewal.additions import Addition
    from citycheck.steps import simulate

    database = asked.home / asked.city / "warehouse" / f"{asked.half_year}.duckdb"
    shutil.rmtree(asked.home / asked.city / "scratch" / "simulate" / asked.half_year, ignore_errors=True)
    questions = [
        ([part for text in texts for part in ("--add", text)], [Addition.parse(text) for text in texts])
        for texts in (additions(database, many) for many in SIZES)
    ]
    with contextlib.suppress(BadInput):  # a release of which nothing was proposed
        questions.append((["--pool", POOL], simulate.of_projects(asked.city, asked.half_year, pool=POOL)))
    rows: list[dict[str, Any]] = []
    for told, made in questions:
        command = [sys.executable, "-m", "citycheck", "simulate", asked.half_year, "--json", *told]
        first = None if rows else timed(command, environment)
        runs = [timed(command, environment) for _ in range(asked.rounds)]
        with simulate.opened(asked.city, asked.half_year) as release:
            changed = len(release.effects(made))
            start = time.perf_counter()
            release.effects(made)
            open_seconds = time.perf_counter() - start
        rows.append(
            {
                "additions": len(made),
                "areas": changed,
                "first_seconds": first and round(first[0], 2),
                "seconds": round(min(seconds for seconds, _ in runs), 2),
                "cpu_seconds": round(min(cpu for _, cpu in runs), 2),
                "open_seconds": round(open_seconds, 2),
                "load": round(os.getloadavg()[0], 1),
            }
        )
        print(
            "  ".join(f"{name} {value}" for name, value in rows[-1].items() if value is not None), flush=True
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return int(rows[0]["seconds"] > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
