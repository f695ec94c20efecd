"""The mapping engine: a delivery's files and a city's profile in, one typed parquet file a lake table out.

The profile is compiled to one SQL statement a file, run by DuckDB. A value that cannot be parsed or that no map
covers does not stop the row: the column becomes null and `mapping_errors` says why, for the gate to act on.
Exact duplicates (all columns equal) are dropped and counted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

import duckdb

from citycheck import duck
from citycheck.cities import datum, reading
from citycheck.cities.columns import SQL_TYPE, UNMAPPED_TYPE, Statement, compile_file
from citycheck.cities.profile import City, TableMap
from citycheck.cities.reading import Raw, name_of, quoted
from citycheck.errors import BadInput
from citycheck.lake import mapped
from citycheck.lake.files import replacing, telling_disk_full
from citycheck.lake.landing import Delivery
from citycheck.lake.tables import Table, tables
from citycheck.period import HalfYear
from citycheck.privacy import hashing, scrub


@dataclass(frozen=True)
class FileCount:
    """Rows that one file gave to one table, and how many of them were exact duplicates or not asked for."""

    table: str
    file: str
    rows_in: int
    rows_duplicate: int
    rows_out_of_scope: int = 0
    encoding: str | None = None
    """What the file's bytes turned out to be, where the profile leaves that open."""


def unmapped_file(out: Path) -> Path:
    """Where the texts stand that no map covers, beside the mapped rows: column_name, value, rows."""
    return out.with_name(out.name.removesuffix(".parquet") + ".unmapped.parquet")


def map_table(
    city: City,
    delivery: Delivery,
    landed: Path,
    table: str,
    out: Path,
    work: Path,
    memory_limit: str,
    key: hashing.Key,
) -> list[FileCount]:
    """Map every file of a delivery that feeds `table` to `out` (parquet, `tables.yml` + source + mapping_errors).

    Raises `BadInput` for a file that cannot be read as declared, for a column that is missing in it, and for a
    correction whose guard trips.
    """
    target = tables()[table]
    with mapper(work, memory_limit, key, city.profile.city) as connection, telling_disk_full(out):
        numbers, entries = count(), [t for t in city.profile.tables_of(delivery.feed) if t.table == table]
        told: dict[str, FileCount] = {}
        parts: list[_Part] = []
        for table_map in entries:
            raw = {
                file.path: reading.read(
                    connection,
                    table_map,
                    landed / table_map.source / file.path,
                    file.path,
                    work,
                    next(numbers),
                    is_alone=len(entries) == 1,
                )
                for file in delivery.files
                if file.source == table_map.source and fnmatchcase(file.path, table_map.files)
            }
            _check_records(table_map, target, raw)
            _check_guards(connection, table_map, list(raw.values()), HalfYear.parse(delivery.half_year))
            for path, read in raw.items():
                name = f"{table_map.source}/{path}"
                statement = compile_file(city, target, table_map, read, name, delivery.received_at)
                parts.append(_Part(table_map, path, landed / table_map.source / path, statement.rows))
                # A file that two entries of the profile read counts twice, once for each.
                before = told[name].rows_out_of_scope if name in told else 0
                left_out = _left_out(connection, statement, parts[-1])
                told[name] = FileCount(table, name, left_out, 0, before + left_out, read.encoding)
        with replacing(out) as temporary:
            _copy(connection, target, parts, temporary)
            counts = _count(connection, target, temporary, out)
        _write_unmapped(connection, out)
    return [
        replace(
            about,
            rows_in=about.rows_out_of_scope + counts.get(name, (0, 0))[0],
            rows_duplicate=counts.get(name, (0, 0))[1],
        )
        for name, about in told.items()
    ]


@dataclass(frozen=True)
class _Part:
    """What one file gives to a table."""

    table_map: TableMap
    path: str
    file: Path
    rows: str


@contextmanager
def mapper(work: Path, memory_limit: str, key: hashing.Key, city: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the words of compiled statements; copies of rows in `work` live no longer than it."""
    shutil.rmtree(work, ignore_errors=True)  # what a killed run has left
    work.mkdir(parents=True, mode=0o700)
    elsewhere, tempfile.tempdir = tempfile.tempdir, str(work)  # what a reader unpacks lies here as well
    try:
        with duck.connect(memory_limit=memory_limit, temp=work / "spill") as connection:
            datum.register(connection)
            scrub.register(connection)
            for purpose in sorted(
                {c.purpose for table in tables().values() for c in table.columns if c.purpose}
            ):
                hashing.register(connection, key.derive(f"{city}/{purpose}"), f"{purpose}_hash")
            yield connection
    finally:
        tempfile.tempdir = elsewhere
        shutil.rmtree(work, ignore_errors=True)


def _left_out(connection: duckdb.DuckDBPyConnection, statement: Statement, part: _Part) -> int:
    """How many rows of a file `only` leaves out."""
    if statement.out_of_scope is None:
        return 0
    try:
        return int(connection.execute(statement.out_of_scope).fetchall()[0][0])
    except duckdb.Error as error:
        raise reading.unreadable(part.table_map, part.path, error, part.file) from None


def _copy(connection: duckdb.DuckDBPyConnection, table: Table, parts: list[_Part], out: Path) -> None:
    """Write the rows of all files, in their order, in one statement. Raises `BadInput` for a file that cannot be read."""
    columns = ", ".join(f"cast(null as {SQL_TYPE[c.type]}) as {name_of(c.name)}" for c in table.columns)
    none = (
        f"select {columns}, '' as source_file, cast(null as bigint) as source_row, '' as mapping_errors, "
        f"cast(null as {UNMAPPED_TYPE}) as unmapped where false"
    )
    rows = " union all ".join(part.rows for part in parts) or none
    try:
        connection.execute(f"copy ({rows}) to {quoted(str(out))} (format parquet, compression snappy)")
    except duckdb.Error as error:
        for part in parts:  # whose file it was
            try:
                connection.execute(f"select max(hash(t)) from ({part.rows}) as t")
            except duckdb.Error as its_own:
                raise reading.unreadable(part.table_map, part.path, its_own, part.file) from None
        raise error


def _count(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: Path, out: Path
) -> dict[str, tuple[int, int]]:
    """Find the rows that are there before, tell of them beside `out`, and count: file → rows, repeated ones."""
    columns = ", ".join([*(name_of(c.name) for c in table.columns), "mapping_errors"])
    source = f"read_parquet({quoted(str(rows))}, file_row_number = true)"
    # Grouping by a hash takes a fraction of the memory; what it finds is then compared for real.
    connection.execute(
        f"create temp table suspects as select hash({columns}) as h from {source} group by h having count(*) > 1"
    )
    connection.execute(
        f"""
        create temp table repeated as
        select position, source_file from (
            select file_row_number as position, source_file,
                row_number() over (partition by {columns} order by source_file, file_row_number) as copy
            from {source} where hash({columns}) in (from suspects)
        )
        where copy > 1 order by position
        """
    )
    mapped.write_repeated(
        out, connection.execute("select position from repeated").to_arrow_table()["position"]
    )
    counted = connection.execute(
        f"""
        select source_file, count(*), coalesce(any_value(rows_repeated), 0)
        from {source}
        left join (select source_file, count(*) as rows_repeated from repeated group by all) using (source_file)
        group by source_file
        """
    ).fetchall()
    return {file: (count, again) for file, count, again in counted}


def _write_unmapped(connection: duckdb.DuckDBPyConnection, rows: Path) -> None:
    with replacing(unmapped_file(rows)) as temporary:
        connection.execute(
            f"""
            copy (
                select pair.column_name as column_name, pair.value as value, count(*) as rows
                from (
                    select unnest(unmapped) as pair from read_parquet({quoted(str(rows))}) where unmapped is not null
                )
                group by all order by column_name, rows desc, value
            ) to {quoted(str(temporary))} (format parquet, compression zstd)
            """
        )


def _check_records(table_map: TableMap, target: Table, raw: dict[str, Raw]) -> None:
    """Of records that name their own columns, a required one must have a source in one file at least."""
    if not raw or not all(read.may_lack for read in raw.values()):
        return
    known = list(dict.fromkeys(column for read in raw.values() for column in read.columns))
    for name, column_map in table_map.columns.items():
        is_needed = target.column(name).required and column_map.from_ and column_map.blank is None
        if known and is_needed and not set(column_map.from_) & set(known):
            raise reading.lacks(
                f"{table_map.source}/{table_map.files}", table_map.table, name, column_map.from_, known
            )


def _check_guards(
    connection: duckdb.DuckDBPyConnection, table_map: TableMap, raw: list[Raw], half_year: HalfYear
) -> None:
    for correction in table_map.corrections:
        guard = correction.guard
        if guard.half_years and not HalfYear.parse(guard.half_years[0]) <= half_year <= HalfYear.parse(
            guard.half_years[1]
        ):
            continue
        low, high = guard.between
        rows = " union all by name ".join(
            f"select {name_of(guard.column)} as c from {r.relation}" for r in raw
        )
        share = connection.execute(
            f"select coalesce(avg((try_cast(c as double) between {low!r} and {high!r})::integer), 0) from ({rows})"
        ).fetchone()[0]
        if share < guard.share_min:
            raise BadInput(
                f'{table_map.source}/{table_map.files}: the correction "{correction.reason}" no longer fits: only '
                f"{share:.1%} of {guard.column!r} lies between {low} and {high}, expected at least {guard.share_min:.1%}. "
                "The source may have been fixed: remove the correction from the profile."
            )
