"""Secrets: an Airflow connection as the steps see it, which know nothing of Airflow.

Inside a task the DAG hands over Airflow's own lookup; in a shell the same connection comes from the environment
variable `AIRFLOW_CONN_<ID>`, in either of Airflow's two forms (JSON or URI). A secret is never shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from citycheck.errors import BadInput


@dataclass(frozen=True)
class Connection:
    """What a connection holds; `password` and `extra` do not appear in its text."""

    id: str
    host: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    port: int | None = None


Lookup = Callable[[str], Connection]


def from_environment(connection_id: str) -> Connection:
    """The connection of an id from `AIRFLOW_CONN_<ID>`. Raises `BadInput` when it is not set or cannot be read."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    written = os.environ.get(variable, "")
    if not written:
        raise BadInput(
            f"The connection {connection_id!r} is not known: add it in Airflow, or set {variable} in the environment."
        )
    try:
        if written.lstrip().startswith("{"):
            about = json.loads(written)
            extra = about.get("extra") or {}
            return Connection(
                connection_id,
                about.get("host") or "",
                about.get("login") or "",
                about.get("password") or "",
                json.loads(extra) if isinstance(extra, str) else extra,
                int(about["port"]) if about.get("port") else None,
            )
        parts = urlsplit(written)
        extra = dict(parse_qsl(parts.query))
        return Connection(
            connection_id,
            parts.hostname or "",
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            json.loads(extra["__extra__"]) if "__extra__" in extra else extra,
            parts.port,
        )
    except (ValueError, AttributeError, TypeError):
        # The text is not shown: it holds a secret.
        raise BadInput(
            f"{variable} is neither JSON nor a URI as Airflow writes connections. Correct it."
        ) from None
