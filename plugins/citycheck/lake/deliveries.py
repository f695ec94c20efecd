"""Which of the accepted deliveries count: a function of what was delivered, never of the order in which it was handled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Entry = dict[str, Any]
"""What a manifest keeps of an accepted delivery."""


def counting(entries: Iterable[Entry], adds_up: bool) -> list[Entry]:
    """The deliveries that count, in the order in which they were received.

    Where deliveries add up (versions of a report), each one counts, save one whose files are all in a later one.
    Otherwise a delivery of everything replaces all before it, and a delivery of changes adds to what it changes.
    """
    ordered = sorted({entry["delivery"]: entry for entry in entries}.values(), key=_received)
    if adds_up:
        return [
            entry
            for place, entry in enumerate(ordered)
            if not any(_files(entry) <= _files(later) for later in ordered[place + 1 :])
        ]
    complete = [place for place, entry in enumerate(ordered) if entry.get("since") is None]
    return ordered[complete[-1] :] if complete else ordered


def watermarks(entries: Iterable[Entry]) -> dict[str, str]:
    """The newest change of each source that an accepted delivery told of (ISO times of one form)."""
    newest: dict[str, str] = {}
    for entry in sorted(entries, key=_received):
        for source, moment in entry.get("watermarks", {}).items():
            newest[source] = max(newest.get(source, ""), moment)
    return newest


def _received(entry: Entry) -> tuple[str, str]:
    return entry.get("received", ""), entry["delivery"]


def _files(entry: Entry) -> set[tuple[str, str, str]]:
    return {(file["source"], file["path"], file["sha256"]) for file in entry["files"]}
