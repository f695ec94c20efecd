"""Rows to Arrow batches: every column is text, and a geometry is WKB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from citycheck.errors import BadInput

ROWS = 4_096
"""Rows a batch: few enough that the batches of wide rows stay small."""


def of_rows(rows: Iterable[Sequence[str | None]], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of rows that hold one text, or null, a column."""
    schema = pa.schema([(name, pa.string()) for name in columns])
    rest = iter(rows)
    while chunk := list(islice(rest, ROWS)):
        arrays = [pa.array([row[i] for row in chunk], pa.string()) for i in range(len(columns))]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def check_header(names: Sequence[str], file: str) -> None:
    """Raise `BadInput` when a name is blank or, but for its case, stands twice: told by number, never by text."""
    lower = [name.lower() for name in names]
    if twice := [n for n, name in enumerate(lower, 1) if not name or lower.index(name) != n - 1]:
        raise BadInput(
            f"{file}: the header's column(s) {', '.join(map(str, twice))} have no name, or one that stands there already; "
            "expected each name once. Correct `header_row` in the profile, or ask the source to correct the header."
        )
