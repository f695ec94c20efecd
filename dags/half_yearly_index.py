"""The half-yearly index: ready? → places → access → dbt → uncertainty → gate → stage → publish, in one graph an operator can read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Metadata, dag, task
from shared import DEFAULTS, LAKE, PARAMS, RELEASE, START, WHEN_ACCEPTED, run_of, skipping

OF_A_LARGE_CITY = timedelta(hours=2)
ABOUT = """
### From the lake to the release

Runs when all four feeds of a half-year have been accepted: their assets start it. The run of the schedule, at its end, is
there for backfills and skips itself while feeds are missing. A build never touches what is published; the same inputs
give the same bytes, and what is released already from them is skipped.

**When a task is red**, its log ends in one sentence that names what is wrong and the remedy.

| task | what it does | when it is red |
|---|---|---|
| `ready` | writes down exactly which deliveries, standard and code the build is made from | a feed has nothing accepted: run its `ingest_…` DAG for the half-year |
| `places` | dbt builds and tests all that does not hang on who reaches what; weighs the survey, looks for hot spots; returns the counties | a model or a test failed: the log names it; correct it and clear the task |
| `access` | one task a county (one in all where the city has no streets): who reaches what, by straight line and on foot | the log names the county and what is wrong with its streets; the other counties stay done |
| `dbt_build` | dbt builds and tests the rest; its log and its return value list each node | a model or a test failed: the log names it; correct it and clear the task |
| `uncertainty` | draws how far each score and rank may be trusted; dbt builds and tests the marts that show it | as `dbt_build` |
| `gate` | checks every mart with Great Expectations | a mart is not plausible: open Data Docs; if the data is wrong, ingest it again |
| `stage` | writes the complete bundle aside | a disk is full: free space and clear the task |
| `publish` | lets the bundle become the next version, in one step | see the log; readers still see the release before |

Parameters: `half_year` (such as 2026H1; otherwise the run's data interval) and `city`. Past half-years: a backfill from
the UI, or `airflow backfill create --dag-id half_yearly_index --from-date 2025-07-01 --to-date 2026-01-01 --max-active-runs 1`
(in order, so that each finds the half-year before it).
"""


@dag(
    description="The lake of a half-year → marts → release",
    schedule=WHEN_ACCEPTED,
    start_date=START,
    catchup=False,
    max_active_runs=1,  # in order: each half-year is compared with the one before it
    params=PARAMS,
    default_args=DEFAULTS,
    tags=["index", "citycheck"],
    doc_md=ABOUT,
)
def half_yearly_index() -> None:
    # A changed definition of the standard has the half-years that are compared built again.
    @task(inlets=list(LAKE.values()), execution_timeout=OF_A_LARGE_CITY)
    def ready(**context: Any) -> dict[str, str]:
        from datetime import UTC, datetime

        from citycheck.steps import index

        city, half_year = run_of(context)
        by = context["dag_run"].run_type
        now = datetime.now(UTC) if by in ("scheduled", "asset_triggered") else None
        with skipping():
            build = index.begin(city, half_year, over_at=now, waits_for_feeds=by == "scheduled")
        return {"city": city, "half_year": half_year, "id": build.id}

    @task(execution_timeout=OF_A_LARGE_CITY)
    def places(build: dict[str, str]) -> list[list[str]]:
        from citycheck.steps import index

        return index.build_places(index.Build(**build))

    # Two at a time, since each holds its county in memory and uses all processors for what takes longest.
    @task(map_index_template="{{ named }}", max_active_tis_per_dagrun=2, execution_timeout=OF_A_LARGE_CITY)
    def access(build: dict[str, str], counties: list[str]) -> dict[str, int]:
        from airflow.sdk import get_current_context

        from citycheck.steps import index

        # How the UI names the task, which has room for 250 characters.
        get_current_context()["named"] = f"{len(counties)} counties" if counties[1:] else counties[0]
        return index.measure_access(index.Build(**build), counties)

    @task(execution_timeout=OF_A_LARGE_CITY)
    def dbt_build(build: dict[str, str]) -> list[dict[str, Any]]:
        from citycheck.steps import index

        return index.build_marts(index.Build(**build))

    @task(execution_timeout=OF_A_LARGE_CITY)
    def uncertainty(build: dict[str, str]) -> list[dict[str, Any]]:
        from citycheck.steps import index

        return index.build_uncertainty(index.Build(**build))

    @task
    def gate(build: dict[str, str]) -> dict[str, Any]:
        from citycheck.steps import index

        return index.gate_marts(index.Build(**build))

    @task
    def stage(build: dict[str, str]) -> None:
        from citycheck.steps import index

        index.stage(index.Build(**build))

    @task(outlets=[RELEASE])
    def publish(build: dict[str, str]) -> Any:
        from citycheck.steps import index

        release = index.publish(index.Build(**build))
        yield Metadata(
            RELEASE, extra={**build, "version": release.version, "fingerprint": release.fingerprint}
        )

    build = ready()
    measured = access.partial(build=build).expand(counties=places(build))
    measured >> dbt_build(build) >> uncertainty(build) >> gate(build) >> stage(build) >> publish(build)


half_yearly_index()
