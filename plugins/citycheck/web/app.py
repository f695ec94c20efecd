"""The pages as an application that Airflow mounts: each route behind Airflow's own login, and all but one only read.

What dbt, sources and people write is untrusted text: templates escape everything, and the policy lets a browser load nothing
but what these pages serve themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as Part
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException as AnyHTTPException

from citycheck import FEEDS
from citycheck.errors import CitycheckError
from citycheck.release.manifest import WITHDRAWN_PAGE
from citycheck.settings import settings
from citycheck.steps.index import Build
from citycheck.web import board, builds, ledger, models, renewal, rows, runs
from citycheck.web.api import api
from citycheck.web.api.problems import problem
from citycheck.web.page import HEADERS, STATIC, file, page, with_navigation
from citycheck.web.rights import ACTS, FROM_HERE, INDEX, NOT_FROM_HERE, READS, READS_RUNS, MayAct

City = Annotated[str, Part(pattern=builds.CITY)]
HalfYear = Annotated[str, Part(pattern=builds.HALF_YEAR)]
Id = Annotated[str, Part(pattern=builds.ID)]
Number = Annotated[int, Part(ge=1, le=99_999)]
Name = Annotated[str, Query(max_length=250)]

_GROUPS = {"model": ("模型", "Models"), "test": ("测试", "Tests"), "seed": ("种子", "Seeds")}
_OTHER = ("其他", "Others")
_NO_RESULTS: runs.Sentence = (
    "这次构建没有 dbt 结果：dbt 尚未结束、未能启动，或工作目录已清理；请看任务 dbt_build 的日志，必要时清除该任务重跑。",
    "There are no dbt results of this build: dbt has not finished, could not start, or the work folder was removed. "
    "See the log of the task dbt_build, and clear it to run it again.",
)
_REFUSED = {
    401: (
        "请先登录：打开 Airflow 首页，登录后再回到这一页。",
        "Log in first: Airflow's start page asks for it; then open this page again.",
    ),
    403: (
        "您的账号无权查看或执行这一项：候选版本、模拟和项目修改只对可以处理 half_yearly_index 的用户开放。",
        "Your account may not see or do this: candidates, questions and edits of projects are for those who may act on "
        "half_yearly_index. Log in as such a user, or ask an administrator.",
    ),
    404: (
        "没有这一页：名称有误，或文件已清理。请从上方导航重新进入。",
        "There is no such page: its name is wrong, or its files were removed. Start again from the navigation above.",
    ),
    411: (
        "请求没有说明长度；请从页面上发送。",
        "What was sent does not say how long it is: send it from the page.",
    ),
    413: (
        "内容过大：表格不超过 16 MiB，其他不超过 64 KiB。请从系统重新导出表格，只把修改抄入。",
        "Too large: a workbook may have 16 MiB, all else 64 KiB. Export a fresh workbook, and copy the changes into it.",
    ),
}
_INLINE = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of the page of a version from before pages kept script and style in files: it runs as nobody, and reaches nothing."""

# The pages that FastAPI adds by itself are left out: its dependencies do not guard them.
app = FastAPI(title="citycheck", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[READS])
app.mount("/api/v1", api)  # guards itself: what is mounted does not inherit
app.include_router(renewal.router)


@app.middleware("http")
async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Every answer, refusals included, carries the policy."""
    response = await answer(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(AnyHTTPException)
async def refused(request: Request, error: AnyHTTPException) -> Response:
    """A page for people, JSON for programs."""
    if error.status_code in _REFUSED:
        sentence = NOT_FROM_HERE if error.detail == NOT_FROM_HERE[1] else _REFUSED[error.status_code]
        if request.url.path.endswith("/ask"):
            return problem(error.status_code, sentence[1], sentence[0])
        if "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        return page(request, "sentence.html.j2", error.status_code, sentence=sentence)
    return await http_exception_handler(request, error)


@app.exception_handler(CitycheckError)
async def trouble(request: Request, error: CitycheckError) -> HTMLResponse:
    """What citycheck cannot read, it says in one sentence."""
    return page(request, "sentence.html.j2", 500, sentence=(str(error), ""))


# Half-years -----------------------------------------------------------------------------------------------------------


@app.get("/")
def half_years(request: Request, may_act: MayAct) -> HTMLResponse:
    """Where each half-year stands."""
    now = datetime.now(UTC)
    return page(
        request,
        "board.html.j2",
        standings=board.standings(now),
        now=now,
        may_act=may_act,
        own_city=settings().city,
    )


@app.get("/dag")
def one_dag(request: Request, may_act: MayAct, dag_id: Name) -> HTMLResponse:
    """What a DAG's own page shows: of an ingest its feed's rows, of all others where each half-year stands."""
    feed = dag_id.removeprefix("ingest_")
    if feed in FEEDS:
        return page(request, "deliveries.html.j2", deliveries=_all_deliveries(feed), feed=feed)
    return half_years(request, may_act)


# Rows -----------------------------------------------------------------------------------------------------------------


@app.get("/rows")
def every_delivery(request: Request) -> HTMLResponse:
    """All accepted deliveries of all cities."""
    return page(request, "deliveries.html.j2", deliveries=_all_deliveries(), feed=None)


@app.get("/rows/{city}/{half_year}")
def rows_of(request: Request, city: City, half_year: HalfYear) -> HTMLResponse:
    """The row ledger of a half-year, and what is in quarantine and why."""
    found = rows.delivered(city, half_year)
    return page(
        request, "rows.html.j2", city=city, half_year=half_year, deliveries=found, totals=rows.totals(found)
    )


@app.get("/rows/{city}/{half_year}/{feed}/{delivery}/{table}")
def samples_of(
    request: Request,
    city: City,
    half_year: HalfYear,
    feed: Annotated[str, Part(pattern="^[a-z_]{1,32}$")],
    delivery: Id,
    table: Annotated[str, Part(pattern="^[a-z_]{1,64}$")],
) -> HTMLResponse:
    """Samples of the rows that a delivery has in quarantine."""
    known = rows.delivered(city, half_year, feed) if feed in FEEDS else []
    one = next((found for found in known if found.id == delivery), None)
    found = one and rows.samples(one, table)
    if one is None or found is None:
        raise HTTPException(404, "There is no such delivery or table.")
    return page(request, "samples.html.j2", delivery=one, table=table, found=found, most=rows.MOST)


# Data Docs ------------------------------------------------------------------------------------------------------------


@app.get("/data-docs")
def data_docs(request: Request) -> Response:
    """The cities that have Data Docs; of one alone, its own."""
    cities = [city for city in ledger.cities() if (_docs(city) / "index.html").is_file()]
    if len(cities) == 1:
        return RedirectResponse(f"{request.scope['root_path']}/data-docs/{cities[0]}/index.html")
    return page(request, "docs.html.j2", cities=cities)


@app.get("/data-docs/{city}/{path:path}")
def data_docs_file(request: Request, city: City, path: str) -> Response:
    """A page of Data Docs, or what it loads."""
    if path.endswith(".html"):
        return with_navigation(request, _docs(city), path, "docs")
    return file(_docs(city), path)


# Builds and their models ----------------------------------------------------------------------------------------------


@app.get("/builds")
def every_build(request: Request) -> HTMLResponse:
    """All builds of all cities."""
    return page(request, "builds.html.j2", listed=builds.everything())


@app.get("/run", dependencies=[READS_RUNS])
def one_run(
    request: Request, session: SessionDep, may_act: MayAct, dag_id: Name, run_id: Name
) -> HTMLResponse:
    """What dbt did in a run of a DAG."""
    found = runs.build_of(session, dag_id, run_id)
    return (
        _build_page(request, found, may_act)
        if isinstance(found, Build)
        else page(request, "sentence.html.j2", sentence=found)
    )


@app.get("/builds/{city}/{half_year}/{build_id}")
def one_build(
    request: Request, may_act: MayAct, city: City, half_year: HalfYear, build_id: Id
) -> HTMLResponse:
    """What dbt did in a build."""
    return _build_page(request, Build(city, half_year, build_id), may_act)


@app.get("/builds/{city}/{half_year}/{build_id}/models")
def every_model(request: Request, city: City, half_year: HalfYear, build_id: Id) -> HTMLResponse:
    """The documentation of all models, seeds and sources of a build."""
    build = Build(city, half_year, build_id)
    return page(request, "models.html.j2", build=build, project=_project(build))


@app.get("/builds/{city}/{half_year}/{build_id}/models/{name}")
def one_model(request: Request, city: City, half_year: HalfYear, build_id: Id, name: str) -> HTMLResponse:
    """The documentation of one of them."""
    build = Build(city, half_year, build_id)
    model = _project(build).models.get(name)
    if model is None:
        raise HTTPException(404, "There is no such model.")
    return page(request, "model.html.j2", build=build, model=model)


# Candidates -----------------------------------------------------------------------------------------------------------


@app.get("/candidates/{city}/{half_year}/{build_id}", dependencies=[ACTS])
def one_candidate(
    request: Request, session: SessionDep, city: City, half_year: HalfYear, build_id: Id
) -> HTMLResponse:
    """What is staged of a build: what it is to become, what was decided, and where to decide."""
    found = _candidate(city, half_year, build_id)
    return page(
        request,
        "candidate.html.j2",
        found=found,
        version=ledger.published_as(found.build),
        approval=_approval(session, found.build),
    )


@app.get("/candidates/{city}/{half_year}/{build_id}/files/{path:path}", dependencies=[ACTS])
def candidate_file(city: City, half_year: HalfYear, build_id: Id, path: str) -> Response:
    """A file of what is staged: figures that are not published, for those who act."""
    return _bundle_file(Build(city, half_year, build_id).staged, path)


# Releases -------------------------------------------------------------------------------------------------------------


@app.get("/releases")
def every_release(request: Request) -> HTMLResponse:
    """All published versions of all cities."""
    found = [version for city in ledger.cities() for version in ledger.versions(city)]
    return page(request, "releases.html.j2", versions=found)


@app.get("/releases/{city}/{half_year}/{version}")
def one_release(
    request: Request, may_act: MayAct, city: City, half_year: HalfYear, version: Number
) -> HTMLResponse:
    """One published version, its files, and the button that verifies them."""
    return page(
        request, "release.html.j2", found=_release(city, half_year, version), may_act=may_act, verdict=None
    )


@app.post("/releases/{city}/{half_year}/{version}/verify", dependencies=[ACTS, FROM_HERE])
def verify_release(request: Request, city: City, half_year: HalfYear, version: Number) -> HTMLResponse:
    """Read every byte of a version, and say whether it is what was signed."""
    found = _release(city, half_year, version)
    verdict = ledger.checked(found)
    return page(request, "release.html.j2", found=found, may_act=True, verdict=verdict)


@app.get("/releases/{city}/{half_year}/{version}/files/{path:path}")
def release_file(city: City, half_year: HalfYear, version: Number, path: str) -> Response:
    """A file of a published version; of none, its page."""
    return _bundle_file(_release(city, half_year, version).release.path, path)


# What the pages load --------------------------------------------------------------------------------------------------


@app.get("/static/{name}")
def static(name: Literal["page.css", "page.js", "whatif.js", "icon.svg"]) -> FileResponse:
    """The files that the pages load."""
    return FileResponse(STATIC / name)


# Parts ----------------------------------------------------------------------------------------------------------------


def _build_page(request: Request, build: Build, may_act: bool) -> HTMLResponse:
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
    return page(
        request,
        "build.html.j2",
        build=build,
        found=found,
        groups={label: nodes for label, nodes in groups.items() if nodes},
        version=ledger.published_as(build),
        documented=project.models if (project := models.project(build)) else {},
        shows_candidate=may_act and ledger.candidate(build) is not None,
        sentence=_NO_RESULTS,
    )


def _all_deliveries(feed: str | None = None) -> list[rows.Delivery]:
    """Of all cities, the last half-year first."""
    found = [
        delivery
        for city in ledger.cities()
        for half_year in board.half_years_of(city)
        for delivery in rows.delivered(city, half_year, feed)
    ]
    return sorted(found, key=lambda delivery: delivery.half_year, reverse=True)


def _docs(city: str) -> Path:
    return settings().city_home(city).data_docs


def _project(build: Build) -> models.Project:
    found = models.project(build)
    if found is None:
        raise HTTPException(404, "There is no manifest of dbt for this build.")
    return found


def _candidate(city: str, half_year: str, build_id: str) -> ledger.Candidate:
    found = ledger.candidate(Build(city, half_year, build_id))
    if found is None:
        raise HTTPException(404, "Nothing is staged of this build.")
    return found


def _release(city: str, half_year: str, number: int) -> ledger.Version:
    found = ledger.version(city, half_year, number)
    if found is None:
        raise HTTPException(404, "There is no such version.")
    return found


def _approval(session: Session, build: Build) -> str | None:
    """The address, below Airflow's own, at which the candidate is decided."""
    run = runs.run_of(session, build)
    return run and f"dags/{INDEX}/runs/{quote(run, safe='')}/tasks/approve/required_actions"


def _bundle_file(folder: Path, path: str) -> Response:
    if path == WITHDRAWN_PAGE and not (folder / path).exists():
        # Every page of a bundle asks for it, and it is there only once the version is withdrawn.
        return Response(media_type="text/javascript")
    response = file(folder, path or ledger.PAGE)
    if path in ("", ledger.PAGE) and not (folder / "page").is_dir():
        response.headers["Content-Security-Policy"] = _INLINE
    return response
