"""A table as a source system sends it: columns, a path, an encoding, and rows that are planted wrong."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from citycheck.sample.draws import Array

Row = dict[str, Any]


@dataclass
class Planted:
    """A defect that the gate must find: the row's key, or `file:record` where the row has none."""

    feed: str
    table: str
    key: str
    reason: str
    note: str


@dataclass
class Sheet:
    """One CSV file. Columns have the same length; `extra` rows are mixed in when it is written."""

    path: str
    feed: str
    table: str
    key: str
    columns: dict[str, list[Any]]
    encoding: str = "utf-8"
    extra: list[tuple[Row, str, str]] = field(default_factory=list)
    """Row, reason code and note; an empty reason is an innocent row."""

    def row(self, number: int) -> Row:
        return {name: values[number] for name, values in self.columns.items()}

    def __len__(self) -> int:
        return len(self.columns[self.key])

    def write(self, folder: Path, rng: np.random.Generator) -> list[Planted]:
        """Write the file with the extra rows spread over it, and say what was planted."""
        rows: list[tuple[Any, ...]] = list(zip(*self.columns.values(), strict=True))
        places = np.sort(rng.integers(len(rows) // 10, len(rows), len(self.extra)))
        planted = []
        for shift, (place, (row, reason, note)) in enumerate(zip(places.tolist(), self.extra, strict=True)):
            rows.insert(place + shift, tuple(row[name] for name in self.columns))
            if reason:
                key = str(row[self.key] or f"{self.path}:{place + shift + 1}")
                planted.append(Planted(self.feed, self.table, key, reason, note))
        path = folder / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding=self.encoding, newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(rows)
        return planted


def clock(moments: Array) -> list[str | None]:
    """Local times as 'YYYY-MM-DD HH:MM:SS', blank where there is none."""
    written = np.datetime_as_string(moments.astype("datetime64[s]")).tolist()
    return [None if text == "NaT" else text.replace("T", " ") for text in written]
