"""Mapped rows on their way to the gate: one parquet file a table, in the order of the sources' files and rows.

Rows that are there before, equal in every column, stay in the file and are told of beside it: to leave them out of it
would mean to write every row once more. `relation` leaves them out for whoever reads.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck
from citycheck.lake.files import replacing


def repeated_file(path: Path) -> Path:
    """Where the places of the repeated rows stand; there need be no such file."""
    return path.with_name(path.name.removesuffix(".parquet") + ".repeated.parquet")


def write_repeated(path: Path, places: pa.Array) -> None:
    """Say which rows of a file, counted from 0, are repeated."""
    with replacing(repeated_file(path)) as temporary:
        pq.write_table(pa.table({"position": places}), temporary)


def relation(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """SQL for the rows of a file, each once: `position` in the file, its columns, and `source_row` where it was left open."""
    file = str(path).replace("'", "''")
    source = f"read_parquet('{file}', file_row_number = true)"
    starts = connection.execute(
        f"select source_file, min(file_row_number) from {source} where source_row is null group by 1 order by 2"
    ).fetchall()
    number = "source_row"
    if starts:
        places = ", ".join("'{}': {}".format(name.replace("'", "''"), first) for name, first in starts)
        number = f"coalesce(source_row, file_row_number - map {{{places}}}[source_file] + 1)"
    return f"""(
        select file_row_number as position, * exclude (file_row_number) replace ({number} as source_row)
        from {source} where {_is_first(connection, path)}
    )"""


def _is_first(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """SQL that is true for a row that is not repeated: one bit a row, because a join would lose the rows' order."""
    beside = repeated_file(path)
    places = (
        pq.read_table(beside)["position"].to_numpy() if beside.is_file() else np.array([], dtype=np.int64)
    )
    if not len(places):
        return "true"
    bits = np.zeros(pq.read_metadata(path).num_rows, dtype=bool)
    bits[places] = True
    name = f"repeated_{path.name.split('.')[0]}"
    connection.execute(f'set variable "{name}" = ?::blob::bit', [np.packbits(bits).tobytes()])
    return f"get_bit(getvariable('{name}'), file_row_number::integer) = 0"


def read(path: Path) -> pa.Table:
    """All rows of a file, each once, in order."""
    with duck.connect() as connection:
        rows = connection.execute(
            f"select * exclude (position) from {relation(connection, path)} order by position"
        )
        return rows.to_arrow_table()
