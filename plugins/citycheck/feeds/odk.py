"""Answers from ODK Central, by OData (`/v1/projects/<id>/forms/<form>.svc/Submissions`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from citycheck.errors import BadInput
from citycheck.feeds import http, submissions
from citycheck.feeds.ask import Ask
from citycheck.strict import Strict

_SHAPE = submissions.Shape(
    "value",
    "@odata.count",
    "@odata.nextLink",
    "$skip",
    "__id",
    ("__system.submissionDate", "__system.updatedAt"),
)


class Odk(Strict):
    """A form on an ODK Central server; login and password of a web user stand in the connection."""

    address: str
    """The server, such as https://odk.example.org."""
    project: int = Field(ge=1)
    form: str = Field(min_length=1)
    """The form's `form_id`."""
    connection: str
    page_rows: int = Field(1000, ge=1, le=30_000)
    skip_rejected: bool = True
    """Whether answers that a reviewer rejected are left out."""

    @property
    def sends_changes(self) -> bool:
        """Whether it can be asked for what is new or edited alone."""
        return True


def fetch(config: Odk, ask: Ask, out: Path, client: http.Client | None = None) -> datetime | None:
    """Write the pages of answers submitted in the period; give the latest time of submission or edit.

    With a watermark only the answers that are new or edited since then are asked for. Raises `BadInput` for a wrong
    login or form, and `SourceUnavailable` for a server that is busy or sends fewer answers than it announced.
    """
    from citycheck.feeds.central import CentralSession, table_address

    submissions.check_address(config.address, "odk")
    if ask.connection is None or not (ask.connection.login and ask.connection.password):
        raise BadInput(
            f"odk: the connection {config.connection!r} has no login or no password; expected those of a web user of "
            "ODK Central. Add them."
        )
    first = {"$filter": _filter(config, ask), "$top": str(config.page_rows), "$count": "true"}
    with client or http.Client(ask.hosts) as via:
        central = CentralSession(via, config.address, ask.connection)
        address = table_address(config.project, config.form)
        central.log_in()
        return submissions.fetch(
            lambda query: central.get(address, params=query).content, first, _SHAPE, out, "submissions"
        )


def columns(file: Path) -> list[str]:
    """The columns of a page: questions by their path with dots, and Central's own (`__id`, `__system.edits`, …)."""
    return submissions.columns(file, _SHAPE)


def batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The answers of a page as text."""
    return submissions.batches(file, columns, _SHAPE)


def _filter(config: Odk, ask: Ask) -> str:
    submitted, updated = "__system/submissionDate", "__system/updatedAt"
    parts = [f"{submitted} ge {_utc(ask.start)}", f"{submitted} lt {_utc(ask.end)}"]
    if ask.changed_since:
        since = _utc(ask.changed_since)
        parts.append(f"({submitted} ge {since} or {updated} ge {since})")
    if config.skip_rejected:
        parts.append("__system/reviewState ne 'rejected'")
    return " and ".join(parts)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
