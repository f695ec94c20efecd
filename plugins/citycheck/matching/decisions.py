"""What people have decided about pairs of facilities: `facility_matches.csv` beside the profile. It overrides every rule."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from citycheck.errors import BadInput

COLUMNS = ("facility_id", "other_facility_id", "decision", "reason", "decided_by_role", "decided_on")


@dataclass(frozen=True)
class Decision:
    """That two facilities are the same, or are not; `line` is where it stands in the file."""

    facility_id: str
    other_facility_id: str
    decision: Literal["same", "different"]
    reason: str
    decided_by_role: str
    decided_on: date
    line: int

    @property
    def pair(self) -> frozenset[str]:
        return frozenset((self.facility_id, self.other_facility_id))


class Groups:
    """Sets of things that are the same, joined step by step (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, thing: str) -> str:
        """The first thing, by its name, of the group that a thing is in."""
        path = [thing]
        while (parent := self._parent.get(path[-1], path[-1])) != path[-1]:
            path.append(parent)
        for passed in path[:-1]:
            self._parent[passed] = path[-1]
        return path[-1]

    def join(self, left: str, right: str) -> None:
        first, second = sorted((self.find(left), self.find(right)))
        self._parent[second] = first


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a file, in its order; none when there is no such file.

    Raises `BadInput` for a column that is missing, a value that is none, and decisions that contradict each other.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if absent := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
                raise BadInput(
                    f"{path}: the column(s) {', '.join(absent)} are missing; expected {', '.join(COLUMNS)}. Add them."
                )
            found = [_decision(path, reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start + 1} is not UTF-8. Save the file as UTF-8.") from None
    except csv.Error as error:
        raise BadInput(f"{path}: is no CSV file ({error}). Correct it.") from None
    if trouble := contradiction(found):
        raise BadInput(f"{path}, {trouble}")
    return found


def contradiction(decisions: Sequence[Decision]) -> str | None:
    """The first decision that the others rule out, as the rest of a sentence; None when all can be true."""
    same = [decision for decision in decisions if decision.decision == "same"]
    groups = Groups()
    for decision in same:
        groups.join(decision.facility_id, decision.other_facility_id)
    for decision in decisions:
        if decision.decision == "different":
            left, right = decision.facility_id, decision.other_facility_id
            if groups.find(left) == groups.find(right):
                chain = _chain(same, left, right)
                plural = f"lines {listed(chain)} make" if len(chain) > 1 else f"line {chain[0]} makes"
                return (
                    f"line {decision.line}: says that two facilities differ which {plural} the same; "
                    "expected decisions that can all be true. Correct one of them."
                )
    return None


def listed(lines: Iterable[int]) -> str:
    """2, 3 and 5."""
    *before, last = map(str, sorted(lines))
    return f"{', '.join(before)} and {last}" if before else last


def _chain(same: Sequence[Decision], start: str, end: str) -> list[int]:
    """The lines of the shortest chain of `same` from one facility to another."""
    reached: dict[str, list[int]] = {start: []}
    queue = [start]
    for at in queue:
        for decision in same:
            for there in decision.pair - reached.keys() if at in decision.pair else ():
                reached[there] = [*reached[at], decision.line]
                queue.append(there)
    return reached[end]


def _decision(path: Path, line: int, row: dict[str, str | None]) -> Decision:
    where = f"{path}, line {line}"
    text = {name: (row[name] or "").strip() for name in COLUMNS}
    if blank := [name for name in COLUMNS if not text[name]]:
        raise BadInput(f"{where}: {', '.join(blank)} is blank; expected a value. Fill it in.")
    if None in row:
        raise BadInput(
            f"{where}: has more values than the header has columns. Put a value with a comma in quotes."
        )
    decision = text["decision"]
    if decision not in ("same", "different"):
        raise BadInput(f"{where}: decision is neither same nor different. Correct it.")
    if text["facility_id"] == text["other_facility_id"]:
        raise BadInput(f"{where}: names one facility twice; expected two. Correct it.")
    try:
        day = date.fromisoformat(text["decided_on"])
    except ValueError:
        raise BadInput(
            f"{where}: decided_on is no date; expected one such as 2026-07-01. Correct it."
        ) from None
    return Decision(
        text["facility_id"],
        text["other_facility_id"],
        "same" if decision == "same" else "different",
        text["reason"],
        text["decided_by_role"],
        day,
        line,
    )
