"""Every refusal is a problem (RFC 9457) with one clear sentence, in English and in Chinese."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from citycheck.errors import CitycheckError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

_SENTENCES = {
    401: (
        "Log in first: send Airflow's session cookie, or a token of /auth/token as Authorization: Bearer.",
        "请先登录：随请求发送 Airflow 会话 Cookie，或把 /auth/token 签发的令牌放在 Authorization: Bearer 中。",
    ),
    403: (
        "The token does not hold, or its user may not see Airflow's plugins: get a new one, or ask for that right.",
        "令牌无效，或该用户无权查看 Airflow 插件：请重新取得令牌，或申请这一权限。",
    ),
    404: (
        "There is nothing at this address: see the links of the landing page.",
        "此地址没有内容：请从首页的链接查找。",
    ),
    405: ("Everything here is read-only: use GET or HEAD.", "本接口只读：请用 GET 或 HEAD。"),
    500: (
        "This answer could not be made; the log of Airflow's api-server says why, and the operator has to look.",
        "无法生成这一回答；原因见 Airflow api-server 的日志，请联系运维人员。",
    ),
}


class Refused(Exception):
    """What was asked for cannot be given, and why."""

    def __init__(self, status: int, en: str, zh: str) -> None:
        super().__init__(en)
        self.status, self.en, self.zh = status, en, zh


def problem(status: int, en: str = "", zh: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """A problem document; without a sentence, the one that its status has."""
    known = _SENTENCES.get(status, _SENTENCES[500])
    about = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": en or known[0],
        "detail_zh": zh or known[1],
    }
    return Response(json.dumps(about, ensure_ascii=False), status, headers, MEDIA_TYPE)


def handle(app: FastAPI) -> None:
    """Let an application answer with problems."""

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> Response:
        return problem(error.status, error.en, error.zh)

    @app.exception_handler(HTTPException)
    def by_airflow_or_starlette(request: Request, error: HTTPException) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else error.headers
        return problem(error.status_code, headers=headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        """What is part of the path names something that cannot be there; a parameter is an error of the caller."""
        first = error.errors()[0]
        where, name = first["loc"][0], first["loc"][-1]
        if where == "path":
            return problem(404)
        return problem(
            400,
            f"The parameter {name} is not as it must be: {first['msg']}.",
            f"参数 {name} 不合要求：见 /api 中对它的说明。",
        )

    @app.exception_handler(CitycheckError)
    def damaged(request: Request, error: CitycheckError) -> Response:
        """A path of the server is for its log, not for the caller."""
        _log.error("%s", error)
        return problem(500)
