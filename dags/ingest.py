"""Four DAGs of one shape, one a feed: land → map → gate → accept."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException
from shared import DEFAULTS, HALF_YEARLY, LAKE, PARAMS, START, connection, run_of

from citycheck import FEEDS

ABOUT = """
### {feed}: from the source to the lake

Brings what the source sent for a half-year into the lake. Nothing that is accepted already changes until the last
task, which lets the new delivery count in one step. Running it again does no harm: the same bytes give the same result.

**When a task is red**, its log ends in one sentence that names the file, the row or key, and the remedy.

| task | what it does | when it is red |
|---|---|---|
| `land` | copies or downloads the files, byte for byte, with their hash | the source is down (it retries by itself), or a file is missing, empty or not the pinned one: ask the source, then clear the task |
| `map_rows` | turns the city's columns into the lake's, as `cities/<city>/profile.yml` says | a column is missing, the encoding is wrong, or a correction's guard trips: correct the profile, then clear the task |
| `gate` | splits the rows into accepted and quarantine; `expectations/` holds the checks | too many rows are bad, or a check could not run: open Data Docs, talk to the source, then clear from `land` |
| `accept` | checks that no row got lost and lets the delivery count | a disk is full, or rows do not add up: see the log |

Parameters: `half_year` (such as 2026H1; otherwise the run's data interval) and `city`. Past half-years: a backfill from
the UI, or `airflow backfill create --dag-id ingest_{feed} --from-date 2025-07-01 --to-date 2026-01-01`.
"""


def ingest(feed: str) -> None:
    @dag(
        dag_id=f"ingest_{feed}",
        description=f"{feed}: land → map → gate → accept",
        schedule=HALF_YEARLY,
        start_date=START,
        catchup=False,
        params=PARAMS,
        default_args=DEFAULTS,
        tags=["ingest", "citycheck"],
        doc_md=ABOUT.format(feed=feed),
    )
    def flow() -> None:
        @task
        def land(**context: Any) -> dict[str, str]:
            from datetime import UTC, datetime

            from citycheck.steps import ingest

            city, half_year = run_of(context)
            if context["dag_run"].run_type == "scheduled" and not ingest.covers(city, half_year):
                raise AirflowSkipException(f"{city}: its sources do not cover {half_year}.")
            delivery = ingest.land(city, feed, half_year, received_at=datetime.now(UTC), lookup=connection)
            return {"city": city, "feed": feed, "half_year": half_year, "delivery_id": delivery}

        @task
        def map_rows(delivery: dict[str, str]) -> dict[str, int]:
            from citycheck.steps import ingest

            return ingest.map_delivery(**delivery, lookup=connection)

        @task
        def gate(delivery: dict[str, str]) -> dict[str, dict[str, int]]:
            from citycheck.steps import ingest

            return ingest.gate(**delivery)

        @task(outlets=[LAKE[feed]])
        def accept(delivery: dict[str, str]) -> Any:
            from citycheck.steps import ingest

            ingest.accept(**delivery, lookup=connection)
            yield Metadata(LAKE[feed], extra=delivery)

        delivery = land()
        map_rows(delivery) >> gate(delivery) >> accept(delivery)

    flow()


for feed in FEEDS:
    ingest(feed)
