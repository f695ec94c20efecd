"""Every quarter of an hour: are there new files in the folders that sources drop them in?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task
from shared import DEFAULTS, START

from citycheck.settings import settings

ABOUT = """
### New files start their ingest by themselves

Looks into the folders that the profile names and starts `ingest_<feed>` for the half-year that goes on, or the one before,
when a file lies there that was never landed. A file counts once nobody has written to it for two minutes. The same files
never start a second run: what failed is corrected at the source, or cleared by hand.

| task | what it does | when it is red |
|---|---|---|
| `new_files` | compares the folders with landing | a folder cannot be read: check its mount and rights |
| `ingest` | starts one run a feed and half-year | Airflow's metadata database is busy: it retries by itself |

**When a task is red**, its log ends in one sentence that says what to do.
"""


@dag(
    schedule=timedelta(minutes=15) if settings().scheduled else None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["ingest", "citycheck"],
    doc_md=ABOUT,
)
def watch_drop_folders() -> None:
    @task
    def new_files() -> list[dict[str, Any]]:
        from datetime import UTC, datetime

        from citycheck.steps import watch

        return watch.runs(settings().city, datetime.now(UTC))

    TriggerDagRunOperator.partial(
        task_id="ingest", skip_when_already_exists=True, openlineage_inject_parent_info=False
    ).expand_kwargs(new_files())


watch_drop_folders()
