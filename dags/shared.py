"""What the DAGs have in common: the schedule, the parameters, the assets, the retry rules. Airflow's skin, no work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import (
    Asset,
    AssetAll,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
)

from citycheck import FEEDS, connections, period
from citycheck.errors import BadInput, NothingToDo
from citycheck.settings import settings

LAKE = {feed: Asset(name=f"lake_{feed}", uri=f"citycheck://lake/{feed}", group="lake") for feed in FEEDS}
RELEASE = Asset(name="release", uri="citycheck://release/index", group="release")

TIME_ZONE = settings().time_zone
START = datetime(2000, 1, 1, tzinfo=ZoneInfo(TIME_ZONE))
HALF_YEARLY = CronDataIntervalTimetable("0 0 1 1,7 *", timezone=TIME_ZONE) if settings().scheduled else None
ALL_FEEDS = AssetAll(*LAKE.values())
WHEN_ACCEPTED = AssetOrTimeSchedule(timetable=HALF_YEARLY, assets=ALL_FEEDS) if HALF_YEARLY else ALL_FEEDS

PARAMS = {
    "half_year": Param(
        None,
        type=["null", "string"],
        pattern="^[0-9]{4}H[12]$",
        title="Half-year / 半年度",
        description="Such as 2026H1. Empty: the half-year of the run's data interval. / 留空则取运行的数据区间。",
    ),
    "city": Param(
        None,
        type=["null", "string"],
        pattern="^[a-z0-9_]+$",
        title="City / 城市",
        description="A folder of cities/. Empty: the deployment's city. / 留空则为本部署的城市。",
    ),
}

# A source that is busy, or a feed that must come first, may be there later; a bad input will not get better.
DEFAULTS = {
    "owner": "citycheck",
    "retries": 5,
    "retry_delay": timedelta(seconds=settings().retry_delay_seconds),
    "execution_timeout": timedelta(minutes=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=["citycheck.errors.SourceUnavailable", "citycheck.errors.NotReady"],
                action=RetryAction.RETRY,
            ),
            RetryRule(exception="citycheck.errors.CitycheckError", action=RetryAction.FAIL),
        ]
    ),
}


def connection(connection_id: str) -> connections.Connection:
    """A connection from Airflow's own store, as the steps see it."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise BadInput(
            f"The connection {connection_id!r} is not known to Airflow; the profile names it. Add it under Admin → Connections."
        ) from None
    return connections.Connection(
        connection_id,
        found.host or "",
        found.login or "",
        found.password or "",
        found.extra_dejson,
        found.port,
    )


@contextmanager
def skipping() -> Iterator[None]:
    """Skip the task, with the reason in its log, when there is nothing to do."""
    from airflow.sdk.exceptions import AirflowSkipException

    try:
        yield
    except NothingToDo as reason:
        raise AirflowSkipException(str(reason)) from None


def run_of(context: dict[str, Any]) -> tuple[str, str]:
    """The city and the half-year that a run is about."""
    params = context["params"]
    events = [
        event.extra
        for events in (context.get("triggering_asset_events") or {}).values()
        for event in events
        if event.extra.get("half_year")
    ]
    half_year = period.resolve(
        params,
        [str(event["half_year"]) for event in events],
        context.get("data_interval_start"),
        context.get("data_interval_end"),
        ZoneInfo(TIME_ZONE),
    )
    cities = sorted({str(event["city"]) for event in events})
    if len(cities) > 1 and not params.get("city"):
        raise BadInput(
            f"The feeds that started this run are of several cities ({', '.join(cities)}): one was expected. "
            "Trigger the DAG once for each, with the parameters city and half_year."
        )
    return params.get("city") or (cities[0] if cities else settings().city), str(half_year)
