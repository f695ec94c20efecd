"""How the pages are written: templates that escape everything, one style sheet, one script, and the policy of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import jinja2
from fastapi import HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse

from citycheck import standard
from citycheck.quality.data_docs import NAVIGATION
from citycheck.release.about import FEEDS, KIND_NAMES, REASONS, TABLES, Words
from citycheck.settings import settings
from citycheck.web import files

STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: a browser would then hide where a form was sent from.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",  # what is seen after logging in is not left behind
    }
)
ROWS = (
    Words("收到", "In"),
    Words("采用", "Accepted"),
    Words("隔离", "Quarantined"),
    Words("重复", "Duplicates"),
    Words("范围外", "Out of scope"),
)
"""In the order of `board.ROWS`."""
OUTCOMES = {
    "failed": Words("失败", "failed"),
    "warned": Words("告警", "warned"),
    "skipped": Words("未执行", "skipped"),
    "passed": Words("通过", "passed"),
}
FEED_STATES = {
    "passed": Words("已采用", "accepted"),
    "warned": Words("已采用，有告警", "accepted, warned"),
    "landed": Words("已送达，未采用", "landed, not accepted"),
    "failed": Words("关卡已拦下", "stopped by the gate"),
    "missing": Words("未送达", "not there"),
}
STATES = {
    "waits": Words("待批准", "waits for approval"),
    "approved": Words("已批准，待发布", "approved, to be published"),
    "stopped": Words("关卡已拦下", "stopped by a gate"),
    "published": Words("已发布", "published"),
    "withdrawn": Words("已撤回", "withdrawn"),
    "collecting": Words("等待数据", "waits for feeds"),
    "rejected": Words("候选被驳回", "candidate rejected"),
    "building": Words("已构建，无候选", "built, no candidate"),
    "ready": Words("数据齐全，可构建", "complete, can be built"),
    "preview": Words("预览，不发布", "a preview, never published"),
}
TONES = {
    "waits": "warned", "approved": "passed", "stopped": "failed", "published": "passed", "withdrawn": "failed",
    "rejected": "failed", "collecting": "skipped", "building": "skipped", "ready": "warned", "preview": "skipped",
    "passed": "passed", "warned": "warned", "landed": "warned", "failed": "failed", "missing": "skipped",
}  # fmt: skip
"""Which of the four colours a state is shown in; the word tells it, too."""
LAYERS = {
    "marts": Words("数据集市", "Marts"),
    "intermediate": Words("中间模型", "Intermediate"),
    "staging": Words("暂存模型", "Staging"),
    "seeds": Words("标准与代码表", "Seeds"),
    "sources": Words("数据湖来源", "Sources"),
}


def page(request: Request, template: str, status: int = 200, **content: Any) -> HTMLResponse:
    """A page. Its addresses hold for an Airflow below a path: `root` is where citycheck is, `airflow` what is above."""
    text = _environment().get_template(template).render(**_addresses(request), **content)
    return HTMLResponse(text, status)


def with_navigation(request: Request, folder: Path, path: str, here: str) -> HTMLResponse:
    """A page that citycheck wrote, with the navigation of these pages in the place that it keeps for it."""
    tabs = _environment().get_template("tabs.html.j2").render(**_addresses(request), here=here)
    script = f'<script src="{escape(request.scope["root_path"])}/static/page.js"></script>'
    written = existing(folder, path).read_text(encoding="utf-8")
    return HTMLResponse(written.replace(NAVIGATION, script + tabs, 1))


def existing(folder: Path, path: str) -> Path:
    """The file at a path below a folder. Raises 404 when there is none, or when it may not be seen."""
    found = files.find(folder, path)
    if found is None:
        raise HTTPException(404, "There is no such file.")
    return found


def file(folder: Path, path: str) -> FileResponse:
    """A file of a folder, as it lies there."""
    found = existing(folder, path)
    kind, is_shown = files.media_type(found)
    disposition = "inline" if is_shown else "attachment"
    return FileResponse(found, media_type=kind, filename=found.name, content_disposition_type=disposition)


def _addresses(request: Request) -> dict[str, str]:
    root = request.scope["root_path"]
    return {"root": root, "airflow": root.removesuffix("/citycheck") + "/"}


def _moment(value: datetime | str | None) -> str:
    """On the clocks of the deployment, with their distance from UTC."""
    if not value:
        return "–"
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    if when.tzinfo is None:
        return f"{when:%Y-%m-%d %H:%M}"
    when = when.astimezone(ZoneInfo(settings().time_zone))
    return f"{when:%Y-%m-%d %H:%M} {when:%Z}"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _bytes(value: object) -> str:
    if not isinstance(value, int):
        return "–"
    return (
        f"{value / 1e6:,.1f} MB"
        if value >= 1e6
        else f"{value / 1e3:,.1f} kB"
        if value >= 1e3
        else f"{value} B"
    )


def _stages() -> dict[str, Words]:
    return {
        row["stage_code"]: Words(row["name_zh"], row["name_en"]) for row in standard.seed("release_stages")
    }


def _words_of(known: Mapping[str, Words], code: object) -> Words:
    """The words of a code; of one that is not known, the code."""
    return known.get(str(code), Words(str(code), ""))


@lru_cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "number": _number,
        "bytes": _bytes,
        "path": lambda text: quote(str(text), safe="/"),
    }
    environment.globals |= {
        "words_of": _words_of, "FEEDS": FEEDS, "KIND_NAMES": KIND_NAMES, "REASONS": REASONS, "TABLES": TABLES,
        "ROWS": ROWS, "OUTCOMES": OUTCOMES, "FEED_STATES": FEED_STATES, "STATES": STATES, "TONES": TONES,
        "LAYERS": LAYERS, "stages": _stages,
    }  # fmt: skip
    return environment
