"""The rows of a published table: in the order of its key, as the parquet has them, filtered by equality."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citycheck.web.api.kept import Kept
from citycheck.web.api.releases import Release

_MOST_BYTES = 512 << 20


def table(release: Release, name: str) -> pa.Table:
    """A table, kept until others need the room. Texts are held once each: filters compare numbers."""
    return _kept.get((release.fingerprint, name), lambda: _read(release.read(f"tables/{name}.parquet")))


def page(
    found: pa.Table, wanted: Mapping[str, str], offset: int, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows have these values, and some of them as JSON has them: a moment (UTC) and a day is text, no number is null."""
    if wanted:
        numbers = matching(found, wanted)
        matched, rows = len(numbers), found.take(pa.array(numbers[offset : offset + limit]))
    else:
        matched, rows = found.num_rows, found.slice(min(offset, found.num_rows), limit)
    moments = [field.name for field in found.schema if pa.types.is_timestamp(field.type)]
    days = [field.name for field in found.schema if pa.types.is_date(field.type)]
    written = rows.to_pylist()
    for row in written:
        for name in moments:
            row[name] = _moment(row[name])
        for name in days:
            row[name] = row[name] and row[name].isoformat()
    return matched, written


def matching(found: pa.Table, wanted: Mapping[str, str]) -> NDArray[np.int64]:
    """The numbers of the rows that have these values, in order."""
    masks = [pc.fill_null(pc.equal(found[name], value), False) for name, value in wanted.items()]
    numbers: NDArray[np.int64] = np.flatnonzero(reduce(pc.and_, masks).to_numpy())
    return numbers


def without_nan(found: pa.Table) -> pa.Table:
    """JSON knows no NaN: it is what null is."""
    for number, field in enumerate(found.schema):
        if pa.types.is_floating(field.type):
            column = found.column(number)
            found = found.set_column(
                number, field, pc.if_else(pc.is_finite(column), column, pa.scalar(None, field.type))
            )
    return found


def _read(content: bytes) -> pa.Table:
    schema = pq.read_schema(io.BytesIO(content))
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    read = pq.read_table(io.BytesIO(content), read_dictionary=texts)
    return without_nan(read).unify_dictionaries().combine_chunks()


def _moment(value: datetime | None) -> str | None:
    return None if value is None else f"{value.replace(tzinfo=None).isoformat()}Z"


def _size(made: pa.Table) -> int:
    return int(made.nbytes)


_kept = Kept[pa.Table](_MOST_BYTES, _size)
