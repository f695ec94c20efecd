"""The half-yearly index: ready? → places → access → dbt → renewal → uncertainty → gate → stage → approve → embargo → publish, one graph."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from approval import NEAR
from publishing import ABOUT as PUBLISHING
from publishing import ASKED, publish_when_approved
from shared import DEFAULTS, LAKE, PARAMS, START, WHEN_ACCEPTED, connection, run_of, skipping

OF_A_LARGE_CITY = timedelta(hours=2)
ABOUT = f"""
### From the lake to the release

Runs when all four feeds of a half-year have been accepted; a scheduled run skips itself while feeds are missing. The same inputs give
the same bytes, and are not released twice. A candidate is published when a user of `CITYCHECK_APPROVERS` has approved it and its time has come.

**When a task is red**, its log ends in one sentence that names what is wrong and the remedy.

| task | what it does | when it is red |
|---|---|---|
| `ready` | writes down which deliveries, standard and code the build is made from, and which version it is to become | a feed has nothing accepted: run its `ingest_…` DAG for the half-year |
| `places` | dbt builds and tests all that does not hang on who reaches what; weighs the survey; returns the counties | a model or a test failed: the log names it; correct it and clear the task |
| `access` | one task a county (one in all without streets): who reaches what, by straight line and on foot | the log names the county and what is wrong with its streets |
| `dbt_build` | dbt builds and tests the rest; its log and its return value list each node | as `places` |
| `renewal` | finds sites for what would close the shortfalls, what each would bring, and what a budget could buy | the log names the seed or the site that makes no sense |
| `uncertainty` | draws how far each score and rank may be trusted, and builds the marts that show it, and the projects | as `places` |
| `gate` | checks every mart with Great Expectations | a mart is not plausible: open Data Docs; if the data is wrong, ingest it again |
| `stage` | writes the complete bundle aside: the candidate | a disk is full: free space and clear the task |
{PUBLISHING.strip()}

Parameters: `half_year` (else the data interval), `city`, and of a correction `kind`, its reasons and whose error. Past half-years: `airflow backfill create --dag-id half_yearly_index --from-date 2025-07-01 --to-date 2026-01-01 --max-active-runs 1`.
"""


@dag(
    description="The lake of a half-year → marts → candidate → release",
    schedule=WHEN_ACCEPTED,
    start_date=START,
    catchup=False,
    max_active_runs=1,  # in order: each half-year is compared with the one before it
    params=PARAMS | ASKED,
    default_args=DEFAULTS,
    deadline=NEAR,
    tags=["index", "citycheck"],
    doc_md=ABOUT,
)
def half_yearly_index() -> None:
    @task(inlets=list(LAKE.values()), execution_timeout=OF_A_LARGE_CITY)
    def ready(**context: Any) -> dict[str, str]:
        from datetime import UTC, datetime

        from citycheck.steps import index

        city, half_year = run_of(context)
        with skipping():
            build = index.begin(
                city,
                half_year,
                now=datetime.now(UTC),
                request=index.Request(**{name: context["params"][name] for name in ASKED}),
                is_automatic=context["dag_run"].run_type in ("scheduled", "asset_triggered"),
                waits_for_feeds=context["dag_run"].run_type == "scheduled",
                lookup=connection,
            )
        return {"city": city, "half_year": half_year, "id": build.id}

    @task(execution_timeout=OF_A_LARGE_CITY)
    def places(build: dict[str, str]) -> list[list[str]]:
        from citycheck.steps import index

        return index.build_places(index.Build(**build))

    # Two at a time: each holds its county in memory and uses all processors.
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
    def renewal(build: dict[str, str]) -> dict[str, int]:
        from citycheck.steps import index

        return index.plan_renewal(index.Build(**build))

    @task(execution_timeout=OF_A_LARGE_CITY)
    def uncertainty(build: dict[str, str]) -> list[dict[str, Any]]:
        from citycheck.steps import index

        return index.build_uncertainty(index.Build(**build))

    @task
    def gate(build: dict[str, str]) -> dict[str, Any]:
        from citycheck.steps import index

        return index.gate_marts(index.Build(**build))

    @task
    def stage(build: dict[str, str]) -> dict[str, Any]:
        from citycheck.steps import index, release

        return release.stage(index.Build(**build))

    build = ready()
    candidate = stage(build)
    measured = access.partial(build=build).expand(counties=places(build))
    measured >> dbt_build(build) >> renewal(build) >> uncertainty(build) >> gate(build) >> candidate
    publish_when_approved(build, candidate)


half_yearly_index()
