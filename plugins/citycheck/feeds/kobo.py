"""Answers from KoboToolbox, API v2 (`/api/v2/assets/<uid>/data.json`).

KoboToolbox does not tell what was edited: an edit changes neither `_submission_time` nor any other time. So the
whole period is asked each time, unless the profile says that answers are final.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from citycheck.errors import BadInput
from citycheck.feeds import http, submissions
from citycheck.feeds.ask import Ask
from citycheck.strict import Strict

_SHAPE = submissions.Shape("results", "count", "next", "start", "_id", ("_submission_time",))


class Kobo(Strict):
    """A form on a KoboToolbox server; the API token is the password of the connection."""

    address: str
    """The server, such as https://eu.kobotoolbox.org."""
    asset: str = Field(pattern=r"^[A-Za-z0-9]+$")
    """The form's uid: `a` and 21 more signs in the address of its page."""
    connection: str
    page_rows: int = Field(1000, ge=1, le=30_000)
    answers_are_final: bool = False
    """Whether nobody edits an answer: then only new ones are asked for."""

    @property
    def sends_changes(self) -> bool:
        """Whether it can be asked for what is new alone."""
        return self.answers_are_final


def fetch(config: Kobo, ask: Ask, out: Path, client: http.Client | None = None) -> datetime | None:
    """Write the pages of answers submitted in the period; give the latest time of submission.

    Raises `BadInput` for a connection without token, a wrong token or a wrong form, and `SourceUnavailable` for a
    server that is busy or sends fewer answers than it announced.
    """
    submissions.check_address(config.address, "kobo")
    if ask.connection is None or not ask.connection.password:
        raise BadInput(
            f"kobo: the connection {config.connection!r} has no password; expected the account's API token. Add it."
        )
    since = ask.start
    if config.answers_are_final and ask.changed_since:
        since = max(ask.start, ask.changed_since)
    window = {"$gte": _utc(since), "$lt": _utc(ask.end)}
    first = {
        "format": "json",
        "query": json.dumps({"_submission_time": window}),
        "sort": json.dumps({"_id": 1}),
        "start": "0",
        "limit": str(config.page_rows),
    }
    address = f"{config.address.rstrip('/')}/api/v2/assets/{config.asset}/data.json"
    with client or http.Client(ask.hosts) as via:
        via.session.auth = submissions.Authorization(f"Token {ask.connection.password}")
        return submissions.fetch(
            lambda query: via.get(address, params=query, accept=["application/json"]).body,
            first,
            _SHAPE,
            out,
            config.asset,
        )


def columns(file: Path) -> list[str]:
    """The columns of a page: questions by their path with dots, and Kobo's own (`_id`, `meta.instanceID`, …)."""
    return submissions.columns(file, _SHAPE)


def batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The answers of a page as text."""
    return submissions.batches(file, columns, _SHAPE)


def _utc(moment: datetime) -> str:
    # Kobo compares texts, and writes its times so.
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
