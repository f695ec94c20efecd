"""The pages as an application that Airflow mounts: read-only, and each route behind Airflow's own login.

What dbt writes (messages, descriptions) is untrusted text: templates escape everything, and the policy lets a browser
load nothing but the style sheet and the script of this package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag, requires_access_view
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as Part
from fastapi.responses import FileResponse, HTMLResponse

from citycheck.steps.index import Build
from citycheck.web import builds, runs

_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",  # what is seen after logging in is not left behind
}
_GROUPS = {"model": ("模型", "Models"), "test": ("测试", "Tests"), "seed": ("种子", "Seeds")}
_OTHER = ("其他", "Others")
_WORDS = {
    "failed": "失败 failed",
    "warned": "告警 warn",
    "skipped": "未执行 skipped",
    "passed": "通过 passed",
}
_NO_RESULTS: runs.Sentence = (
    "这次构建没有 dbt 结果：dbt 尚未结束、未能启动，或工作目录已清理；请看任务 dbt_build 的日志，必要时清除该任务重跑。",
    "There are no dbt results of this build: dbt has not finished, could not start, or the work folder was removed. "
    "See the log of the task dbt_build, and clear it to run it again.",
)

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# The pages that FastAPI adds by itself are left out: its dependencies do not guard them.
app = FastAPI(
    title="citycheck",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)


@app.middleware("http")
async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Every answer, refusals included, carries the policy."""
    response = await answer(request)
    response.headers.update(_HEADERS)
    return response


@app.get("/")
def every_build(request: Request) -> HTMLResponse:
    """All builds of all cities."""
    return _page(request, "builds.html.j2", listed=builds.everything(), words=_WORDS)


@app.get("/run", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))])
def one_run(
    request: Request,
    session: SessionDep,
    dag_id: Annotated[str, Query(max_length=250)],
    run_id: Annotated[str, Query(max_length=250)],
) -> HTMLResponse:
    """What dbt did in a run of a DAG."""
    found = runs.build_of(session, dag_id, run_id)
    return (
        _build_page(request, found)
        if isinstance(found, Build)
        else _page(request, "sentence.html.j2", sentence=found)
    )


@app.get("/builds/{city}/{half_year}/{build_id}")
def one_build(
    request: Request,
    city: Annotated[str, Part(pattern=builds.CITY)],
    half_year: Annotated[str, Part(pattern=builds.HALF_YEAR)],
    build_id: Annotated[str, Part(pattern=builds.ID)],
) -> HTMLResponse:
    """What dbt did in a build."""
    return _build_page(request, Build(city, half_year, build_id))


@app.get("/static/{name}")
def static(name: Literal["page.css", "page.js"]) -> FileResponse:
    """The two files that the pages load."""
    return FileResponse(_HERE / "static" / name)


def _build_page(request: Request, build: Build) -> HTMLResponse:
    found = builds.results(build)
    groups: dict[tuple[str, str], list[builds.Node]] = {}
    if found is not None:
        nodes = builds.described(found, build)
        troubled = [node for node in nodes if node.outcome in ("failed", "warned")]
        if troubled:
            groups["失败与告警", "Failed and warned"] = troubled
        groups |= {label: [] for label in (*_GROUPS.values(), _OTHER)}
        for node in nodes:
            if node not in troubled:
                groups[_GROUPS.get(node.kind, _OTHER)].append(node)
    return _page(
        request,
        "build.html.j2",
        build=build,
        found=found,
        groups={label: nodes for label, nodes in groups.items() if nodes},
        version=builds.version(build),
        sentence=_NO_RESULTS,
        words=_WORDS,
    )


def _page(request: Request, template: str, **content: Any) -> HTMLResponse:
    root = request.scope["root_path"]
    return HTMLResponse(_templates.get_template(template).render(root=root, **content))
