"""What Airflow is told of citycheck: the pages under /citycheck, where its UI shows them, and a deadline of the index.

Airflow finds this file in its plugins folder (see plugins/.airflowignore); nothing else registers it. Every process
of Airflow imports it, and only the api-server shows pages: so the pages are imported when one is first asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from citycheck.airflow_deadline import ReleaseIsNear

Message = MutableMapping[str, Any]


async def pages(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The ASGI application of the pages."""
    from citycheck.web.app import app

    await app(scope, receive, send)


class CitycheckPlugin(AirflowPlugin):
    """A page of all builds, and the tab `dbt` of task instances and of runs."""

    name = "citycheck"
    # Lists, as Airflow's own class declares them.
    deadline_references = [ReleaseIsNear]
    fastapi_apps = [{"name": "citycheck", "app": pages, "url_prefix": "/citycheck"}]
    # Addresses without a leading slash: they hold for an Airflow below a path, too. Its UI fills in the braces.
    external_views = [
        {
            "name": "Builds 构建",
            "href": "citycheck/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "builds",
        },
        {
            "name": "dbt",
            "href": "citycheck/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "task_instance",
            "url_route": "dbt",
        },
        {
            "name": "dbt",
            "href": "citycheck/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "dbt-run",
        },
    ]
