"""Landing is kept for a time and no longer: daily, for every city."""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from shared import DEFAULTS, START, TIME_ZONE

from citycheck.settings import settings

ABOUT = """
### What landing no longer has to keep

Removes, every night, the files of deliveries that were last received more than `CITYCHECK_LANDING_RETENTION_DAYS` days
ago. Their receipts (hashes, counts, times) stay, and so does everything in the lake. A feed that an ingest works on is
left for the next night. Running it again does no harm; a run that was killed is finished by the next one.

**When a task is red**, its log ends in one sentence that names the file and the remedy.

| task | what it does | when it is red |
|---|---|---|
| `purge` | removes what is too old, one log line a delivery; takes others' rights to landing away | a receipt is damaged, or files cannot be removed: do what the log says, then clear the task |

"""


@dag(
    description="Landing: files older than they may be are removed",
    schedule=CronTriggerTimetable("30 3 * * *", timezone=TIME_ZONE) if settings().scheduled else None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["citycheck"],
    doc_md=ABOUT,
)
def landing_retention() -> None:
    @task
    def purge() -> dict[str, list[dict[str, Any]]]:
        from datetime import UTC, datetime

        from citycheck.steps import retention

        return {city: retention.purge(city, datetime.now(UTC)) for city in retention.cities()}

    purge()


landing_retention()
