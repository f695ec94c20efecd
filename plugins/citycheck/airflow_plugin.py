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


def _view(name: str, route: str, href: str, destination: str, **more: Any) -> dict[str, Any]:
    """A page in Airflow's UI. Addresses have no leading slash, so they hold for an Airflow below a path; its UI fills in
    the braces."""
    icon = "citycheck/static/icon.svg"
    return {
        "name": name,
        "url_route": route,
        "href": f"citycheck/{href}",
        "destination": destination,
        "icon": icon,
        **more,
    }


class CitycheckPlugin(AirflowPlugin):
    """The operator's pages, and the tabs of DAGs, of their runs and of task instances."""

    name = "citycheck"
    # Lists, as Airflow's own class declares them.
    deadline_references = [ReleaseIsNear]
    fastapi_apps = [{"name": "citycheck", "app": pages, "url_prefix": "/citycheck"}]
    external_views = [
        _view("citycheck", "citycheck", "", "nav", nav_top_level=True),
        _view("citycheck", "citycheck-dag", "dag?dag_id={DAG_ID}", "dag"),
        _view("dbt", "dbt-run", "run?dag_id={DAG_ID}&run_id={RUN_ID}", "dag_run"),
        _view("dbt", "dbt", "run?dag_id={DAG_ID}&run_id={RUN_ID}", "task_instance"),
    ]
