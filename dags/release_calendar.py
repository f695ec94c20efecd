"""Every morning: is a release near, or late, with nothing approved? Does a candidate wait? Has a cut-off passed? Then build."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, dag, task
from shared import DEFAULTS, START, TIME_ZONE, connection

from citycheck.settings import settings

ABOUT = """
### The release calendar, day by day

Each stage of a half-year has an announced time: the seed `release_stages`, and the rows of `cities/<city>/release_calendar.csv`
that change it. This DAG tells what is near, due within a day or overdue while nothing is approved, and which candidate waits:
one digest a run to each channel under `alerts` in the profile. Each alarm is told once, and again when its date is closer; a
journal in `var/<city>/alerts/release/` keeps what was told.

| task | what it does | when it is red |
|---|---|---|
| `due` | finds the versions whose cut-off has passed and that have no candidate | see the log |
| `start` | starts `half_yearly_index` for each of them, once | Airflow's metadata database is busy: it retries by itself |
| `look` | keeps the calendar's rows, looks at what is out, approved and waiting, and sends what is new | a row of the calendar that was announced was changed: put it back and append one. Or a channel did not take the digest: it is told again by the next run |

**When a task is red**, its log ends in one sentence that names the file and row, or the connection, and the remedy.
"""


@dag(
    description="Releases that are near or late with nothing approved, and candidates that wait",
    schedule=CronTriggerTimetable("0 8 * * *", timezone=TIME_ZONE) if settings().scheduled else None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["citycheck"],
    doc_md=ABOUT,
)
def release_calendar() -> None:
    @task
    def look() -> dict[str, Any]:
        from datetime import UTC, datetime

        from citycheck.steps import release_calendar

        return release_calendar.run(settings().city, datetime.now(UTC), connection)

    @task(trigger_rule="all_done")  # a channel that is silent does not keep a release from its date
    def due() -> list[dict[str, Any]]:
        from datetime import UTC, datetime

        from citycheck.steps import release_calendar

        return [
            {"trigger_dag_id": "half_yearly_index", "trigger_run_id": "_".join(("due", *run.values())),
             "conf": {"city": run["city"], "half_year": run["half_year"]}}
            for run in release_calendar.to_start(settings().city, datetime.now(UTC))
        ]  # fmt: skip

    runs = due()
    look() >> runs
    TriggerDagRunOperator.partial(
        task_id="start", skip_when_already_exists=True, openlineage_inject_parent_info=False
    ).expand_kwargs(runs)


release_calendar()
