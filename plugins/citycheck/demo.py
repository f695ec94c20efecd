"""The whole line on this machine: start Airflow, run the DAGs of a city for its half-years, show what came out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from citycheck.cities.profile import City, load_city
from citycheck.errors import BadInput, CitycheckError
from citycheck.local_airflow import APPROVER, USERS, LocalAirflow
from citycheck.release import candidate
from citycheck.release import publish as releases
from citycheck.settings import settings

INDEX = "half_yearly_index"
REASON = "演示程序自动批准，未经人工审核。Approved by the demo itself: nobody has looked at it."
console = Console()
if not console.is_terminal:
    console = Console(width=110)


class RunFailed(CitycheckError):
    """A task of the demo failed; the sentence names it, why, and where its log is."""


def run(city: str) -> None:
    """Release every half-year of the city's demo, in order, and print the result. Raises `RunFailed`."""
    about = load_city(city)
    started = time.monotonic()
    with _airflow(city) as airflow:
        _tell(started, f"Airflow is up at {airflow.url}")
        release(airflow, about, demo_half_years(about), started)
    show(about)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. 用时 {time.monotonic() - started:.0f} 秒。")


def up(city: str) -> None:
    """Start Airflow for a city and leave it running."""
    airflow = local(city, scheduled=True)
    airflow.start()
    console.print(
        f"Airflow: {airflow.url}   users {', '.join(USERS)}; passwords in {_near(airflow.password_file)}"
    )
    console.print(f"A candidate is approved by {APPROVER}, under Required Actions.")
    console.print("Stop it with `make down`.")


def down() -> None:
    """Stop what `up` started."""
    LocalAirflow(settings().home, settings().project).stop()


def airflow(arguments: list[str]) -> int:
    """Run one of Airflow's own commands on what `up` started; its exit status."""
    return LocalAirflow(settings().home, settings().project).command(arguments)


def local(city: str, scheduled: bool) -> LocalAirflow:
    """The Airflow of this machine for a city; unscheduled, nothing runs that is not triggered."""
    about = load_city(city)
    environment = {
        "CITYCHECK_CITY": city,
        "CITYCHECK_APPROVERS": APPROVER,
        "CITYCHECK_HOME": str(settings().home),
        "CITYCHECK_TIME_ZONE": about.profile.time_zone,
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": about.profile.time_zone,  # dates on the command line are the city's
        "CITYCHECK_SCHEDULED": str(scheduled).lower(),
        "CITYCHECK_RETRY_DELAY_SECONDS": "5",
    }
    return LocalAirflow(settings().home, settings().project, environment)


@contextmanager
def _airflow(city: str) -> Iterator[LocalAirflow]:
    airflow = local(city, scheduled=False)
    console.print("Starting Airflow (SQLite, LocalExecutor) …")
    with airflow:
        yield airflow


def demo_half_years(about: City) -> list[str]:
    """What the profile names, else all that its sources cover."""
    if about.profile.demo_half_years:
        return about.profile.demo_half_years
    found, half_year, last = [], about.profile.first, about.profile.last
    if last is None:
        raise BadInput(
            f"{about.profile.city}: its sources go on, so the profile must say which half-years to show. Add demo_half_years."
        )
    while half_year <= last:
        found.append(str(half_year))
        half_year = half_year.next
    return found


def release(airflow: LocalAirflow, about: City, half_years: list[str], started: float) -> None:
    """Ingest the feeds of each half-year; their assets start its index.

    While one index is built the next half-year's feeds come in already, all but the last: so each index finds the
    one before it. Communities come first, because the other feeds name them.
    """
    index: list[tuple[str, str]] = []
    for half_year in half_years:
        conf = {"half_year": half_year, "city": about.profile.city}
        _ingest(airflow, ["communities"], conf, started)
        _ingest(airflow, ["facilities", "repair_reports"], conf, started)
        _wait(airflow, index, started)
        before = airflow.runs(INDEX)
        _ingest(airflow, ["survey"], conf, started)
        index = [(INDEX, airflow.wait_for_new_run(INDEX, before, timeout_s=120))]
    _wait(airflow, index, started)


def _ingest(airflow: LocalAirflow, feeds: list[str], conf: dict[str, str], started: float) -> None:
    runs = [(f"ingest_{feed}", airflow.trigger(f"ingest_{feed}", conf)) for feed in feeds]
    _tell(started, f"{conf['half_year']}  ingest {', '.join(feeds)} …")
    _wait(airflow, runs, started)


def _wait(airflow: LocalAirflow, runs: list[tuple[str, str]], started: float) -> None:
    def changed(dag_id: str, run_id: str, task_id: str, state: str) -> None:
        if state in ("success", "failed", "up_for_retry", "skipped", "awaiting_input", "up_for_reschedule"):
            _tell(started, f"        {dag_id}.{task_id}  {state}")
        if state == "awaiting_input":
            _approve(airflow, dag_id, run_id, task_id)

    states = airflow.wait(runs, timeout_s=1800, on_change=changed)
    for (dag_id, run_id), state in states.items():
        if state != "success":
            told = [f"{task}: {reason} Log: {log}" for task, reason, log in airflow.failures(dag_id, run_id)]
            raise RunFailed(f"{dag_id} ended as {state}. " + (" | ".join(told) or "See the scheduler's log."))


def _approve(airflow: LocalAirflow, dag_id: str, run_id: str, task_id: str) -> None:
    """Show what an approver reads, in short, and approve it as one."""
    asked = airflow.question(dag_id, run_id, task_id)
    console.print(f"\n[bold]{escape(asked['subject'])}[/]", highlight=False, soft_wrap=True)
    for line in candidate.outline(asked["body"]):
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    status = airflow.answer(dag_id, run_id, task_id, "Approve", REASON, APPROVER)
    if status != 200:
        raise RunFailed(f"{dag_id}.{task_id}: Airflow answered {status} to the approval by {APPROVER}.")
    console.print(f"  → {APPROVER}: {REASON}\n", highlight=False, soft_wrap=True)


def _tell(started: float, text: str) -> None:
    console.print(f"[dim]{time.monotonic() - started:5.0f} s[/]  {text}", highlight=False)


# What came out ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Released:
    half_year: str
    release: releases.Release
    provenance: dict[str, Any]

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(
            self.release.path / "tables" / f"{name}.parquet"
        ).to_pylist()
        return rows


def show(about: City) -> None:
    """Print the ranking of the last two half-years, what was quarantined and why, and where everything is."""
    home = settings().city_home(about.profile.city)
    found = []
    for half_year in demo_half_years(about):
        release = releases.current(home.releases, half_year)
        if release is not None:
            provenance = json.loads((release.path / "provenance.json").read_text("utf-8"))
            found.append(Released(half_year, release, provenance))
    if about.profile.is_synthetic:
        console.print(
            "\n[bold yellow]合成数据:名称为真,其余皆为生成。 Synthetic data: names are real, all else is generated.[/]"
        )
    if len(found) > 2:
        console.print(_summary(found))
    for released in found[-2:]:
        ranked = any(row["rank"] is not None for row in released.table("county_index"))
        console.print(_ranking(about, released) if ranked else _insufficient(about, released))
    console.print(_quarantined(found))
    console.print("\n[bold]Where it is / 在哪里[/]")
    for name, path in (
        ("release page", found[-1].release.path / "index.html"),
        ("releases", home.releases),
        ("marts", home.warehouse / f"{found[-1].half_year}.duckdb"),
        ("Data Docs", home.data_docs / "index.html"),
    ):
        console.print(f"  {name:13} {_near(path)}", highlight=False, soft_wrap=True)
    console.print("  Airflow UI    make up   (then make down)", highlight=False)


def _ranking(about: City, released: Released) -> Table:
    table = Table(
        title=f"{about.profile.name.zh} {about.profile.name.en} · {released.half_year} · version {released.release.version}"
    )
    for name, side in (
        ("rank 名次", "right"), ("county 县区", "left"), ("index 指数", "right"), ("90 % 区间", "right"),
        ("change 变化", "right"),
        ("band 等级", "left"), ("weight with data 有数据权重", "right"), ("reports/1,000 报修", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    rows = sorted(
        released.table("county_index"), key=lambda r: (r["rank"] is None, r["rank"] or 0, r["area_id"])
    )
    for row in rows:
        table.add_row(
            _or(row["rank"], "{:d}", "–"),
            row["area_name"],
            _or(row["index_score"], "{:.1f}", "数据不足 insufficient"),
            "–" if row["index_low"] is None else f"{row['index_low']:.1f}–{row['index_high']:.1f}",
            _or(row["index_change"], "{:+.1f}", "–"),
            _or(row["band_zh"], "{}", "–"),
            _or(row["weight_available_pct"], "{:.0f} %", "–"),
            _or(row["reports_per_1000"], "{:.1f}", "–"),
        )
    return table


def _insufficient(about: City, released: Released) -> Table:
    """Where no county can be ranked: which indicators have no value in the city, and why."""
    gaps = [gap for gap in released.table("data_gaps") if gap["area_level"] == "city"]
    table = Table(
        title=f"{about.profile.name.zh} {about.profile.name.en} · {released.half_year} · 数据不足 insufficient data, no rank"
    )
    for name in ("why 原因", "indicators 指标", "weight 权重"):
        table.add_column(name, justify="right" if name.startswith("weight") else "left")
    for reason in sorted({gap["missing_reason"] for gap in gaps}):
        missing = [gap for gap in gaps if gap["missing_reason"] == reason]
        table.add_row(
            f"{missing[0]['missing_reason_zh']}\n{missing[0]['missing_reason_en']}",
            ", ".join(gap["indicator_code"] for gap in missing),
            f"{sum(gap['weight_in_index_pct'] for gap in missing):.1f} %",
        )
    return table


def _summary(found: list[Released]) -> Table:
    table = Table(title="Released half-years / 已发布的半年度")
    for name in (
        "half-year 半年度",
        "version 版本",
        "counties ranked 参与排名",
        "repair reports 报修",
        "weight with data 有数据权重",
    ):
        table.add_column(name, justify="right")
    for released in found:
        counties = released.table("county_index")
        city = [
            r
            for r in released.table("repair_statistics")
            if r["area_level"] == "city" and r["category_code"] == "all"
        ]
        share = [r["weight_available_pct"] for r in counties if r["weight_available_pct"] is not None]
        table.add_row(
            released.half_year,
            str(released.release.version),
            f"{sum(r['rank'] is not None for r in counties)} / {len(counties)}",
            f"{city[0]['reports']:,}" if city else "–",
            f"{max(share):.1f} %" if share else "–",
        )
    return table


def _quarantined(found: list[Released]) -> Table:
    """Reasons down, lake tables across; a cell holds the rows of each half-year."""
    shown = found[-2:]
    counts = {
        (row["table_name"], row["reason_code"], released.half_year): row["rows"]
        for released in shown
        for row in released.table("quarantine_summary")
    }
    tables = sorted({key[0] for key in counts})
    table = Table(
        title=f"Quarantined rows and why / 被隔离的行及原因 · {' | '.join(r.half_year for r in shown)}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("reason 原因", no_wrap=True)
    for name in tables:
        table.add_column(name.replace("_", "_\n"), justify="right")
    for reason in sorted({key[1] for key in counts}):
        cells = [
            " | ".join(str(counts.get((name, reason, r.half_year), 0)) for r in shown) for name in tables
        ]
        table.add_row(reason, *("" if set(cell) <= {"0", " ", "|"} else cell for cell in cells))
    return table


def _or(value: Any, form: str, otherwise: str) -> str:
    return otherwise if value is None else form.format(value)


def _near(path: Path) -> str:
    """A path as one would type it from the project's folder."""
    try:
        return str(path.relative_to(settings().project))
    except ValueError:
        return str(path)
