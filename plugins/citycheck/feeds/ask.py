"""What a connector is asked to bring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from citycheck.connections import Connection


@dataclass(frozen=True)
class Ask:
    """Everything from `start` to before `end` (aware, UTC); `end` is never later than the moment of asking.

    `changed_since` is the watermark of what was accepted before, less an overlap: a source that can tell what
    changed since then need send no more than that; None asks for everything. Connections go to `hosts` only.
    """

    start: datetime
    end: datetime
    changed_since: datetime | None = None
    hosts: tuple[str, ...] = ()
    connection: Connection | None = None
