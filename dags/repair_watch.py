"""Every hour: which reports will break a 24 h promise soon, and which have?"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from shared import DEFAULTS, START, TIME_ZONE, connection, skipping

from citycheck.settings import settings

ABOUT = """
### The 24 h promises, hour by hour

A repair report is to be dispatched within 24 hours, and answered within 24 hours of the report and of its dispatch. This DAG
reads the accepted reports and tells, by responsible department, which open ones will break a promise in the next hours
(`alerts.watch_hours` of the profile) and which have: one digest a run to each channel under `alerts` in the profile. Each
alarm is told once; a journal in `var/<city>/alerts/repair_watch/` keeps what was told. It says how old its data is: a watch
sees no more than the last `ingest_repair_reports`.

| task | what it does | when it is red |
|---|---|---|
| `watch` | looks at the open reports, and sends what is new | a channel did not take the digest: its alarms are told again by the next run |

It skips itself where the city has no feed of repair reports.

**When a task is red**, its log ends in one sentence that names the connection and the remedy.
"""


@dag(
    description="24 h promises of repair reports: what will break soon, and what has",
    schedule=CronTriggerTimetable("5 * * * *", timezone=TIME_ZONE) if settings().scheduled else None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["citycheck"],
    doc_md=ABOUT,
)
def repair_watch() -> None:
    @task
    def watch() -> dict[str, Any]:
        from datetime import UTC, datetime

        from citycheck.steps import repair_watch

        with skipping():
            return repair_watch.run(settings().city, datetime.now(UTC), connection)

    watch()


repair_watch()
