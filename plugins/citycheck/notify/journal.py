"""What was told: a file a digest, written before it is sent and closed after.

The law of the journal, for one channel: no alarm is in two digests that arrived; an alarm that is in none is told by the next
run; and a digest of which it is not known whether it arrived is named in later ones until one of them is known to have.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from citycheck.lake.files import read_json, write_json

State = Literal["sending", "sent", "failed", "unknown"]
"""`failed` is known not to have arrived: its alarms are told again. `sending` outlives only a run that died."""


class Journal:
    """The digests of one channel, numbered from 1, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[int, dict[str, Any]] = {
            int(path.stem): read_json(path, "Restore it from a copy; without it alarms would be told twice.")
            for path in sorted(folder.glob("[0-9]*.json"))
        }

    @property
    def next_number(self) -> int:
        return max(self._digests, default=0) + 1

    @property
    def told(self) -> set[str]:
        """Alarms that were told, or may have been."""
        return {
            alarm
            for digest in self._digests.values()
            if digest["state"] != "failed"
            for alarm in digest["alarms"]
        }

    @property
    def doubtful(self) -> list[int]:
        """Digests that may not have arrived, and that none that arrived tells of."""
        named = {
            number
            for digest in self._digests.values()
            if digest["state"] == "sent"
            for number in digest["tells_of"]
        }
        return [
            number
            for number, digest in sorted(self._digests.items())
            if digest["state"] in ("sending", "unknown") and number not in named
        ]

    def begin(self, alarms: Sequence[str], tells_of: Sequence[int], made_at: str) -> int:
        """Write down what is about to be sent; returns the number of the digest."""
        number = self.next_number
        self._write(
            number,
            {"made_at": made_at, "state": "sending", "alarms": list(alarms), "tells_of": list(tells_of)},
        )
        return number

    def end(self, number: int, state: State) -> None:
        """Write down what became of it."""
        self._write(number, {**self._digests[number], "state": state})

    def _write(self, number: int, digest: dict[str, Any]) -> None:
        write_json(self._folder / f"{number:06d}.json", digest)
        self._digests[number] = digest
