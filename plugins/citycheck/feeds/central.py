"""pyodk's session, held within citycheck's limits.

pyodk knows ODK Central's addresses and how to log in. By itself it reads whole answers into memory, follows
redirects anywhere, writes its token to a file in the home folder and logs the text of answers that fail. So its
session is used without that file, and each of its requests goes through `http.Client`.
"""

from __future__ import annotations

import json
from typing import Any

import requests
from pyodk._endpoints.submissions import URLs  # type: ignore[import-untyped]
from pyodk._utils.session import Session  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http, submissions

_LOGIN_LIMIT_BYTES = 1 << 16


class CentralSession(Session):  # type: ignore[misc]  # pyodk has no types
    """A session of one web user of ODK Central; its token stays in memory."""

    def __init__(self, via: http.Client, address: str, connection: Connection) -> None:
        super().__init__(address, "v1", connection.login, connection.password, cache_path=None)
        self._via = via
        self._connection = connection

    def log_in(self) -> None:
        """Ask for a token; every later request carries it, but not to where a redirect leads."""
        bearer = self.auth.login()
        self._via.session.auth = submissions.Authorization(bearer)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        """GET through the client; POST only to log in."""
        address = self.urljoin(url)
        if method.upper() == "POST":
            return self._post_login(address, kwargs["json"])
        answer = self._via.get(address, params=kwargs.get("params"), accept=["application/json"])
        return _response(answer.body)

    def _post_login(self, address: str, about: dict[str, str]) -> requests.Response:
        try:
            with self._via.session.post(address, json=about, stream=True, allow_redirects=False) as answer:
                status = answer.status_code
                body = answer.raw.read(_LOGIN_LIMIT_BYTES, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise SourceUnavailable(
                f"{address}: did not answer ({type(error).__name__}). Run the task again later."
            ) from None
        if status == 429 or status >= 500:
            raise SourceUnavailable(f"{address}: answered {status} to the login. Run the task again later.")
        if status in (401, 403):
            raise BadInput(
                f"{address}: refused the login ({status}). Correct login and password of the connection "
                f"{self._connection.id!r}."
            )
        if status != 200 or not _has_token(body):
            raise BadInput(
                f"{address}: answered {status} to the login; expected 200 and a token. Correct the address."
            )
        return _response(body)


def table_address(project: int, form: str) -> str:
    """The address of a form's answers, relative to the API."""
    return str(
        Session.urlformat(URLs().get_table, project_id=project, form_id=form, table_name="Submissions")
    )


def _response(body: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code = 200
    made._content = body
    return made


def _has_token(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body)["token"], str)
    except (ValueError, TypeError, KeyError):
        return False
