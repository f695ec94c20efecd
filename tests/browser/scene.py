"""The scene of the browser tests: a small city with hostile texts, one half-year published, the next waiting for approval.

    python tests/browser/scene.py FOLDER

runs in the project's own environment (the browser's does not know citycheck). It prints one line of JSON when the scene
is set, keeps Airflow up until its standard input ends, and stops it then.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from citycheck.local_airflow import APPROVER, LocalAirflow
from citycheck.period import HalfYear
from citycheck.sample import generate
from citycheck.settings import settings

CITY = "quzhou_sample"
BEFORE, NOW = "2025H2", "2026H1"
COUNTIES = ("330822", "330824")
"""Of the embedded city's six, these two are kept: 21 communities, a seventh of the work."""
DAG = "half_yearly_index"
FEEDS = ("communities", "facilities", "survey", "repair_reports")
WAIT_S = 1200

HOSTILE = {
    "script": "<script>window.pwned=1</script>",
    "image": "<img src=x onerror=window.pwned=2>",
    "closing": "</script></style></title>社区",
    "formula": '=HYPERLINK("http://x.invalid","点我")',
    "right_to_left": "\u202eצפון\u202c社区",
    "long": "很长的名字" * 100,
    "emoji": "👨‍👩‍👧‍👦🏘️社区",
    "template": "{{ 7*7 }}${7*7}%(x)s",
    "quotes": "\"'><b id=pwned>&amp;",
}
"""Texts that must come out as they went in, by what they try."""


def make_project(root: Path) -> dict[str, str]:
    """The project's own parts and a city whose files come from a folder; returns the environment that says so."""
    real, project = settings().project, root / "project"
    project.mkdir(parents=True)
    for name in ("expectations", "dbt_project"):
        (project / name).symlink_to(real / name)
    city = project / "cities" / CITY
    shutil.copytree(real / "cities" / CITY, city)
    profile = (city / "profile.yml").read_text("utf-8")
    drawn = "    generator: quzhou_sample\n    seed: 330800\n"
    assert drawn in profile
    (city / "profile.yml").write_text(profile.replace(drawn, "    folder: city\n"), "utf-8")
    return {
        "CITYCHECK_PROJECT": str(project),
        "CITYCHECK_HOME": str(root / "var"),
        "CITYCHECK_SOURCES": str(root / "sources"),
        "CITYCHECK_CITY": CITY,
        "CITYCHECK_APPROVERS": APPROVER,
        "CITYCHECK_SCHEDULED": "false",
        "CITYCHECK_RETRY_DELAY_SECONDS": "1",
        "PYTHONPATH": str(real / "plugins"),
    }


# What the city sends ------------------------------------------------------------------------------------------------


def send(folder: Path, half_year: str) -> None:
    """Write the embedded city's files of a half-year, of two counties, with the hostile texts in them."""
    generate(folder, HalfYear.parse(half_year))
    units = folder / "communities" / "units.geojson"
    kept = json.loads(units.read_text("utf-8"))
    # One a community: the two that the sample sends twice would be too many of so few.
    of_the_counties = (f for f in kept["features"] if f["properties"]["社区编码"][:6] in COUNTIES)
    kept["features"] = list({f["properties"]["社区编码"]: f for f in of_the_counties}.values())
    points = [point for f in kept["features"] for ring in f["geometry"]["coordinates"] for point in ring]
    west, south, east, north = (min(p[0] for p in points), min(p[1] for p in points),
                                max(p[0] for p in points), max(p[1] for p in points))  # fmt: skip

    def is_near(row: dict[str, str]) -> bool:
        try:
            return west <= float(row["经度"]) <= east and south <= float(row["纬度"]) <= north
        except ValueError:
            return False

    for file in sorted(folder.rglob("*.csv")):
        if file.parent == folder:
            continue
        if file.name == "facilities.csv":
            _rewrite(file, lambda rows: plant(filter(is_near, rows), "设施名称"))
        elif file.name == "streets.csv":
            _rewrite(file, lambda rows: (row for row in rows if row["路段编码"][2:8] in COUNTIES))
        else:
            _rewrite(file, _of_the_counties)
    _rewrite(folder / "communities" / "estates.csv", lambda rows: plant(rows, "小区名称"))
    _rewrite(folder / "survey" / "survey_online.csv", lambda rows: plant(rows, "总体满意度_治理"))
    # Keys of rows in quarantine are what an operator sees of them.
    _rewrite(
        folder / "repair_reports" / f"{first_month(half_year)}.csv",
        lambda rows: plant(plant(rows, "工单编号"), "类别"),
    )
    names = sorted({f["properties"]["社区编码"] for f in kept["features"]})
    renamed = dict(zip(names, HOSTILE.values(), strict=False))
    for feature in kept["features"]:
        about = feature["properties"]
        about["社区名称"] = renamed.get(about["社区编码"], about["社区名称"])
        if about["街道编码"] == kept["features"][0]["properties"]["街道编码"]:
            about["街道名称"] = HOSTILE["quotes"]
    units.write_text(json.dumps(kept, ensure_ascii=False), "utf-8")


def first_month(half_year: str) -> str:
    return f"{half_year[:4]}-{'01' if half_year.endswith('H1') else '07'}"


def plant(rows: Iterator[dict[str, str]], column: str) -> Iterator[dict[str, str]]:
    """The rows, the first ones with a hostile text each in the column."""
    texts = iter(HOSTILE.values())
    for row in rows:
        yield row | {column: next(texts, row[column])}


def _of_the_counties(rows: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    return (row for row in rows if (row.get("社区编码") or row.get("小区编码") or "")[:6] in COUNTIES)


def _rewrite(file: Path, change: Callable[[Iterator[dict[str, str]]], Iterator[dict[str, str]]]) -> None:
    encoding = "gb18030" if file.name == "survey_paper.csv" else "utf-8"
    with file.open(encoding=encoding, newline="") as source:
        reader = csv.DictReader(source)
        rows, columns = list(reader), reader.fieldnames or []
    with file.open("w", encoding=encoding, newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(iter(rows)))


# What is made of it -------------------------------------------------------------------------------------------------


def ingest(root: Path, environment: dict[str, str], half_year: str) -> None:
    """The files of a half-year, and the four feeds of it in the lake."""
    sources = root / "sources" / half_year
    run(environment, sys.executable, __file__, "send", str(sources / "city"), half_year)
    for feed in FEEDS:
        command(environment | {"CITYCHECK_SOURCES": str(sources)}, "ingest", feed, half_year)


def command(environment: dict[str, str], *arguments: str) -> None:
    run(environment, sys.executable, "-m", "citycheck", *arguments)


def run(environment: dict[str, str], *arguments: str) -> None:
    """Run it; what it says is told only if it fails."""
    done = subprocess.run(arguments, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[1:])}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def publish_first(root: Path, environment: dict[str, str]) -> None:
    """Both half-years' feeds, at the same time; then the first half-year's release, from the shell."""
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda half_year: ingest(root, environment, half_year), (BEFORE, NOW)))
    command(environment, "build", BEFORE)
    command(environment, "approve", BEFORE, "--reason", HOSTILE["script"])


def wait_for_question(airflow: LocalAirflow, run_id: str) -> None:
    """Until the candidate of the second half-year waits for a person."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        states = {task["task_id"]: task["state"] for task in airflow.task_instances(DAG, run_id)}
        if states.get("approve") == "awaiting_input":
            return
        if "failed" in states.values():
            raise SystemExit(f"{NOW}: {airflow.failures(DAG, run_id)}")
        time.sleep(1)
    raise SystemExit(f"{NOW}: no candidate within {WAIT_S} s: {states}")


def main(root: Path) -> None:
    environment = make_project(root)
    airflow = LocalAirflow(root / "var", settings().project, environment)
    with ThreadPoolExecutor(1) as beside:
        published = beside.submit(publish_first, root, environment)
        with airflow:
            published.result()
            run_id = airflow.trigger(DAG, {"half_year": NOW, "city": CITY})
            wait_for_question(airflow, run_id)
            [candidate] = (root / "var" / CITY / "scratch" / "index" / NOW).glob("*/bundle")
            scene: dict[str, Any] = {
                "url": airflow.url,
                "passwords": json.loads(airflow.password_file.read_text("utf-8")),
                "city": CITY,
                "before": BEFORE,
                "now": NOW,
                "dag": DAG,
                "run": run_id,
                "home": str(root / "var"),
                "candidate": str(candidate),
                "environment": environment,
                "python": sys.executable,
                "hostile": HOSTILE,
            }
            print(json.dumps(scene), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(Path(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]).resolve())
