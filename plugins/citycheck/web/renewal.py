"""The pages of renewal: what facilities would change, and projects with their life, edits and workbooks.

Whoever may see these pages reads them. Asking costs the machine's time and edits are a department's word: those are for
whoever may act, and only from these pages.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as Part
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from citycheck.errors import BadInput, CitycheckError, NotReady
from citycheck.renewal.register import fields
from citycheck.settings import settings
from citycheck.steps import projects as steps
from citycheck.web import builds, projects, runs, whatif
from citycheck.web.api.problems import problem
from citycheck.web.page import page
from citycheck.web.rights import ACTS, FROM_HERE, MayAct

LARGEST_TEXT, LARGEST_FILE = 64 << 10, 17 << 20
"""Bytes of what is sent: of a question or a form, and of a form with a workbook."""
HalfYear = Annotated[str, Part(pattern=builds.HALF_YEAR)]
ProjectId = Annotated[str, Part(pattern=r"^[\w.~-]{1,160}$")]
Text = Annotated[str, Query(max_length=100)]

_NONE: runs.Sentence = (
    "还没有任何发布包含更新项目。先用现在的版本构建并发布一个半年度。",
    "No release tells of projects yet. Build a half-year with today's version, and publish it.",
)
_NOTHING_TO_ASK: runs.Sentence = (
    "还没有任何现行发布可供模拟。先构建并发布一个半年度。",
    "There is no release to begin with yet. Build a half-year, and publish it.",
)
_NOT_KEPT = (
    "This release cannot be asked: its build is not kept, or is damaged. Build and publish the half-year again.",
    "这一版无法模拟：其构建未保留或已损坏。请重新构建并发布这个半年度。",
)
_BUSY = (
    "Other questions are being answered; ask again in a few seconds.",
    "正在计算其他人的问题，请过几秒再问。",
)
_UNREADABLE = (
    f"The question is not as expected: JSON with add, projects and pool, at most {whatif.MOST} of each. Use the form.",
    f"问题格式不对：应为含 add、projects、pool 的 JSON，各不超过 {whatif.MOST} 项。请使用页面上的表单。",
)

router = APIRouter()
desk = whatif.Desk()


def at_most(most: int) -> Callable[[Request], None]:
    """Refuse what is larger, or does not say how large it is, before it is read."""

    def check(request: Request) -> None:
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            raise HTTPException(411, "Say how long it is: send it from the page.")
        if int(length) > most:
            raise HTTPException(413, f"Too large: at most {most >> 10:,} KiB.")

    return check


CHANGES = [ACTS, FROM_HERE, Depends(at_most(LARGEST_TEXT))]


# What if --------------------------------------------------------------------------------------------------------------


@router.get("/what-if")
def last_what_if(request: Request) -> Response:
    """The last half-year that can be asked."""
    known = whatif.half_years(_city())
    if not known:
        return page(request, "sentence.html.j2", sentence=_NOTHING_TO_ASK)
    return RedirectResponse(f"{request.scope['root_path']}/what-if/{known[0]}")


@router.get("/what-if/{half_year}")
def what_if(request: Request, may_act: MayAct, half_year: HalfYear) -> HTMLResponse:
    """A map, and the form in which facilities are imagined."""
    known = whatif.half_years(_city())
    if half_year not in known:
        raise HTTPException(404, "Nothing is released of this half-year.")
    return page(
        request,
        "what_if.html.j2",
        city=_city(),
        half_year=half_year,
        half_years=known,
        kinds=whatif.kinds(),
        most=whatif.MOST,
        may_act=may_act,
        is_synthetic=_is_synthetic(),
    )


@router.get("/what-if/{half_year}/map")
def map_of(half_year: HalfYear) -> Response:
    """The communities' borders, null where there are none, and what codes are called."""
    try:
        drawn = whatif.map_of(_city(), half_year)
    except NotReady:
        drawn = None
    told = {"map": drawn, "words": whatif.words(), "kinds": {kind["code"]: kind for kind in whatif.kinds()}}
    return Response(json.dumps(told, ensure_ascii=False), media_type="application/json")


@router.post("/what-if/{half_year}/ask", dependencies=CHANGES)
async def ask(request: Request, half_year: HalfYear) -> Response:
    """What would be another; a problem document when that cannot be said."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        return problem(415, *_UNREADABLE)
    try:
        question = whatif.Question.model_validate_json(await request.body())
    except ValidationError:
        return problem(400, *_UNREADABLE)
    try:
        answer = await run_in_threadpool(desk.ask, _city(), half_year, question)
    except whatif.Busy:
        return problem(503, *_BUSY, headers={"Retry-After": "5"})
    except CitycheckError as error:
        sentence = whatif.told(error)
        return problem(400, sentence, f"输入有误：{sentence}") if sentence else problem(409, *_NOT_KEPT)
    return Response(json.dumps(answer, ensure_ascii=False), media_type="application/json")


# Projects -------------------------------------------------------------------------------------------------------------


@router.get("/projects")
def every_project(
    request: Request,
    may_act: MayAct,
    county: Text = "",
    pool: Text = "",
    status: Text = "",
    department: Text = "",
    supervision: Text = "",
    text: Text = "",
    number: Annotated[int, Query(alias="page", ge=1, le=9_999)] = 1,
) -> HTMLResponse:
    """The projects that go on, the most urgent first, and how many each pool has."""
    filters = projects.Filters(county, pool, status, department, supervision, text)
    try:
        found = projects.listing(_city(), _today(), filters, number)
    except NotReady:
        return page(request, "sentence.html.j2", sentence=_NONE)
    asked = {name: value for name, value in vars(filters).items() if value}
    return page(
        request,
        "projects.html.j2",
        found=found,
        filters=filters,
        query=urlencode(asked),
        may_act=may_act,
        is_synthetic=_is_synthetic(),
        **projects.words(),
    )


@router.get("/projects/supervision")
def supervision(request: Request) -> HTMLResponse:
    """What needs looking at today: overdue, stalled, delivered without effect."""
    today = _today()
    try:
        found = steps.supervision(_city(), today)
    except NotReady:
        return page(request, "sentence.html.j2", sentence=_NONE)
    by_code = {code: [row for row in found if row["supervision_code"] == code] for code in _SUPERVISED}
    return page(
        request,
        "supervision.html.j2",
        found=by_code,
        today=today,
        is_synthetic=_is_synthetic(),
        **projects.words(),
    )


_SUPERVISED = ("overdue", "stalled", "without_effect")


@router.get("/projects/export", dependencies=[ACTS])
def export(county: Text = "", department: Text = "") -> Response:
    """The workbook of a county's or department's projects, or of all."""
    now = steps.current(_city())
    half_year = now.release.half_year
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"projects-{half_year}.xlsx"
        try:
            steps.export(_city(), half_year, file, county=county or None, department=department or None)
        except BadInput:
            raise HTTPException(404, "No project is of this county and department.") from None
        return Response(
            file.read_bytes(),
            media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            headers={"Content-Disposition": f'attachment; filename="{file.name}"'},
        )


@router.post("/projects/import", dependencies=[ACTS, FROM_HERE, Depends(at_most(LARGEST_FILE))])
async def import_(request: Request) -> HTMLResponse:
    """Take over what was changed in a workbook: all of it, or with a problem nothing."""
    async with request.form(max_files=1, max_fields=4) as form:
        sent = form.get("file")
        content = await sent.read() if isinstance(sent, UploadFile) else b""
        name = (sent.filename or "") if isinstance(sent, UploadFile) else ""
        by = _text(form, "by")
    taken, sentence = None, ""
    if not content:
        sentence = "没有选择文件。请先选择导出后填好的 .xlsx。 No file was sent: choose the workbook that was filled in."
    elif not by:
        sentence = _WHO
    else:
        try:
            taken = await run_in_threadpool(_take_in, content, by)
        except CitycheckError as error:
            sentence = _sentence(error)
    return page(
        request,
        "imported.html.j2",
        status=200 if taken and not taken.problems else 400,
        taken=taken,
        sentence=sentence,
        name=name,
        by=by,
        **projects.words(),
    )


@router.get("/projects/{project_id}")
def one_project(request: Request, may_act: MayAct, project_id: ProjectId, done: Text = "") -> HTMLResponse:
    """A project: its life, its priority, its site, what it brought, and the form in which a department sets a field."""
    return _project_page(request, may_act, project_id, done=done)


@router.post("/projects/{project_id}/set", dependencies=CHANGES)
async def set_field(request: Request, project_id: ProjectId) -> Response:
    """Set one field, unless somebody has set it since the page was made."""
    form = await request.form(max_files=0, max_fields=4 * len(fields()))
    name, by = _text(form, "field"), _text(form, "by")
    value, saw = _text(form, name), _text(form, f"saw_{name}")
    return await run_in_threadpool(
        _changed, request, project_id, by, lambda: _set(project_id, name, value, saw, by)
    )


@router.post("/projects/{project_id}/resolve", dependencies=CHANGES)
async def resolve(request: Request, project_id: ProjectId) -> Response:
    """Settle a conflict: what the sheet says, or what stands."""
    form = await request.form(max_files=0, max_fields=8)
    edit, take, by = _text(form, "edit"), _text(form, "take"), _text(form, "by")

    def settle() -> bool:
        if take not in ("theirs", "ours"):
            raise BadInput("Take either theirs or ours.")
        steps.resolve(_city(), edit, take, by, datetime.now(UTC), "page")
        return True

    return await run_in_threadpool(_changed, request, project_id, by, settle)


# Parts ----------------------------------------------------------------------------------------------------------------

_WHO = "请填写代表哪个部门。 Say for which department you set it."


def _changed(request: Request, project_id: str, by: str, change: Callable[[], bool]) -> Response:
    """Do it, and show the project as it is then; what cannot be done is said on its page."""
    try:
        if not by:
            raise BadInput(_WHO)
        is_new = change()
    except CitycheckError as error:
        return _project_page(request, True, project_id, by=by, sentence=_sentence(error))
    query = urlencode({"done": "stored" if is_new else "same"})
    root = request.scope["root_path"]
    return RedirectResponse(f"{root}/projects/{quote(project_id)}?{query}#register", 303)


def _set(project_id: str, name: str, value: str, saw: str, by: str) -> bool:
    if name not in fields():
        raise BadInput("Press the button beside a field.")
    known = steps.current(_city()).projects.get(project_id)
    if known is not None and known.text(name) != saw:
        raise BadInput(
            f"{fields()[name].zh}已被他人改为“{fields()[name].shown(known.text(name))}”，请核对后再改。 "
            f"{fields()[name].en} has been set since to {known.text(name)!r}: look at it, then set it again."
        )
    return steps.set_field(_city(), project_id, name, value, by, datetime.now(UTC), "page") is not None


def _project_page(
    request: Request, may_act: bool, project_id: str, *, done: str = "", by: str = "", sentence: str = ""
) -> HTMLResponse:
    try:
        told = projects.one(_city(), project_id)
    except NotReady:
        told = None
    if told is None:
        raise HTTPException(404, "There is no such project.")
    return page(
        request,
        "project.html.j2",
        status=400 if sentence else 200,
        told=told,
        project=told.project,
        report_ids=projects.report_ids(_city(), told)
        if may_act and told.project.values.get("reports")
        else None,
        may_act=may_act,
        done=done if done in ("stored", "same") else "",
        by=by,
        sentence=sentence,
        is_synthetic=_is_synthetic(),
        **projects.words(),
    )


def _take_in(content: bytes, by: str) -> steps.TakenIn:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "workbook.xlsx"
        file.write_bytes(content)
        return steps.take_in(_city(), file, by, datetime.now(UTC))


def _sentence(error: CitycheckError) -> str:
    return whatif.told(error) or (
        "登记册无法读取或写入；原因见 api-server 的日志。 The register cannot be read or written; the log of the api-server "
        "says why."
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _today() -> date:
    return datetime.now(ZoneInfo(settings().time_zone)).date()


def _city() -> str:
    return settings().city


def _is_synthetic() -> bool:
    from citycheck.cities.profile import load_city

    try:
        return load_city(_city()).profile.is_synthetic
    except CitycheckError:
        return False
