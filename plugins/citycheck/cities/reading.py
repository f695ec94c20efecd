"""One file of a source as a relation of texts in DuckDB: its columns, the number of each row and, if any, its shapes."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from citycheck.cities.profile import TableMap
from citycheck.errors import BadInput
from citycheck.feeds import encoding as encodings

BLANKS = " \t\r\n\u3000\u00a0\ufeff"
SHAPE = "geom"
"""The column that holds a row's shape."""
_TAKEN_FOR_LAT_LON = ("EPSG:4326", "OGC:CRS84", "EPSG:4490", "EPSG:4258", "EPSG:4269")
"""Longitude and latitude on ellipsoids that differ from WGS84's by centimetres to a metre or two."""


@dataclass(frozen=True)
class Raw:
    """A file, read: `relation` has the columns as text, `source_row` and, with `has_shape`, `geom` in WGS84 order."""

    relation: str
    columns: tuple[str, ...]
    has_shape: bool = False
    encoding: str | None = None
    """What the bytes turned out to be, where the profile says `auto`."""
    may_lack: bool = False
    """Whether a column may be missing because no record of this file has a value for it."""


_RECORDS = ("json", "open311", "kobo", "odk", "poi", "osm")
"""Formats in which each record names its own columns."""


def read(
    connection: duckdb.DuckDBPyConnection,
    table_map: TableMap,
    file: Path,
    path: str,
    work: Path,
    number: int,
    *,
    is_alone: bool = False,
) -> Raw:
    """Make a file readable. `path` is its name for people; `work` takes copies, named by `number`.

    Where `is_alone` says that each row of a CSV becomes one row, and no other table map reads the file, `source_row`
    is null: a row's place tells its number, and DuckDB can read the file on all its threads.
    Raises `BadInput` when the file is not what the profile says, or a column that it names is missing.
    """
    name = f"{table_map.source}/{path}"
    try:
        with _told_by_its_path(file, name):
            if table_map.format == "csv":
                raw = _csv(table_map, file, name, work / str(number), is_alone)
            else:
                raw = _batches(connection, table_map, file, number)
    except duckdb.Error as error:
        raise unreadable(table_map, path, error) from None
    _check_columns(table_map, path, raw)
    return raw


def columns(table_map: TableMap, file: Path, path: str) -> list[str]:
    """The names of a file's columns."""
    name = f"{table_map.source}/{path}"
    with _told_by_its_path(file, name):
        if table_map.format == "csv":
            encoding = _encoding(table_map, file)
            return _header(table_map, file, name, encoding, _delimiter(table_map, file, encoding))
        return _reader(table_map).columns(file)


@contextmanager
def _told_by_its_path(file: Path, name: str) -> Iterator[None]:
    """Readers know a file by its name, or by the plain one under which they read it; people know its source and path."""
    try:
        yield
    except BadInput as error:
        told = str(error)
        if told.startswith(name):
            raise
        known = file.name if told.startswith(file.name) else re.split(r"[:, ]", told, maxsplit=1)[0]
        raise BadInput(name + told.removeprefix(known)) from None


# Text ----------------------------------------------------------------------------------------------------------------


def _csv(table_map: TableMap, file: Path, name: str, utf8: Path, is_alone: bool) -> Raw:
    encoding = _encoding(table_map, file)
    _write_utf8(file, encoding, name, utf8)
    delimiter = _delimiter(table_map, utf8, "utf-8")
    header = _header(table_map, utf8, name, "utf-8", delimiter)
    skipped = table_map.header_row if table_map.header is None else table_map.header_row - 1
    listed = ", ".join(f"{quoted(column)}: 'varchar'" for column in header)
    by_number = table_map.only or any(column.row_number for column in table_map.columns.values())
    numbered = "row_number() over ()" if by_number or not is_alone else "cast(null as bigint)"
    # Read as `utf8`, whatever its own name is: a name may hold signs that DuckDB takes for a pattern.
    relation = f"""(
        select *, {numbered} as source_row
        from read_csv({quoted(str(utf8))}, auto_detect = false, delim = {quoted(delimiter)}, quote = '"', escape = '"',
            header = false, skip = {skipped}, columns = {{{listed}}}, strict_mode = true, null_padding = false)
    )"""
    return Raw(relation, tuple(header), encoding=encoding if table_map.encoding == "auto" else None)


def _encoding(table_map: TableMap, file: Path) -> str:
    return encodings.detect(file) if table_map.encoding == "auto" else table_map.encoding


def _delimiter(table_map: TableMap, file: Path, encoding: str) -> str:
    return encodings.delimiter(file, encoding) if table_map.delimiter == "auto" else table_map.delimiter


def _header(table_map: TableMap, file: Path, name: str, encoding: str, delimiter: str) -> list[str]:
    header = table_map.header
    if header is None:
        try:
            with file.open(encoding=encoding, newline="") as text:
                rows = csv.reader(text, delimiter=delimiter)
                for _ in range(table_map.header_row - 1):
                    next(rows, [])
                header = [column.strip(BLANKS) for column in next(rows, [])]
        except UnicodeDecodeError:
            check_encoding(file, encoding, name)
            raise
        except csv.Error as error:
            raise BadInput(
                f"{name}, line {table_map.header_row}: is no header ({error}). Ask the source to send the file again."
            ) from None
    lower = [column.lower() for column in header]
    if twice := [
        number for number, column in enumerate(lower, 1) if not column or lower.index(column) != number - 1
    ]:
        # By number, because the first line of a file without header is a row, which may hold a name.
        raise BadInput(
            f"{name}: the header's column(s) {', '.join(map(str, twice))} have no name, or one that "
            "stands there already; expected each name once. Give `header` in the profile, or ask the source to correct it."
        )
    return header


def _write_utf8(file: Path, encoding: str, name: str, utf8: Path) -> None:
    """Let `utf8` be the file as UTF-8: a link to it, or a copy. Raises `BadInput` at the first wrong byte of a copy."""
    with file.open("rb") as start:
        has_mark = start.read(3) == codecs.BOM_UTF8
    if codecs.lookup(encoding).name == "utf-8" and not has_mark:
        utf8.symlink_to(file)  # DuckDB itself refuses bytes that are not UTF-8
        return
    with utf8.open("w", encoding="utf-8", newline="") as target:
        for number, text in enumerate(_texts(file, encoding, name)):
            target.write(text.removeprefix("\ufeff") if number == 0 else text)


def check_encoding(file: Path, encoding: str, name: str) -> None:
    """Raise `BadInput` at the first byte of a file that is not text in an encoding."""
    for _ in _texts(file, encoding, name):
        pass


def _texts(file: Path, encoding: str, name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with file.open("rb") as source:
        while chunk := source.read(1 << 20):
            yield _decoded(decoder, chunk, name, encoding, done)
            done += len(chunk)
        yield _decoded(decoder, b"", name, encoding, done, final=True)


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, name: str, encoding: str, done: int, final: bool = False
) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{name}: byte {done + error.start + 1} is not {encoding}; expected text in that encoding. "
            "Correct `encoding` in the profile (utf-8, gb18030, big5 …) or ask the source to send it again."
        ) from None


# Everything else -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """How files of one format are read: their columns, and their rows as batches of texts."""

    columns: Callable[[Path], list[str]]
    batches: Callable[[Path, Sequence[str]], Iterator[pa.RecordBatch]]
    crs: Callable[[Path], str | None] | None = None
    """The coordinate reference system that a file of shapes names."""


def _reader(table_map: TableMap) -> Reader:
    """The reader of the table's format, with the profile's options. Imported here: some take a second to load."""
    match table_map.format:
        case "xlsx":
            from citycheck.feeds import xlsx

            return _bound(xlsx, sheet=table_map.sheet, header_row=table_map.header_row)
        case "json":
            from citycheck.feeds import json

            return _bound(json, records=table_map.records)
        case "geo" | "parquet":
            from citycheck.feeds import geo

            declared = None if table_map.encoding in ("utf-8", "auto") else table_map.encoding
            bound = _bound(geo, layer=table_map.layer, encoding=declared)
            return Reader(bound.columns, bound.batches, partial(geo.crs, layer=table_map.layer))
        case "osm":
            from citycheck.feeds import osm

            if table_map.layer is not None:
                return Reader(osm.edge_columns, osm.edge_batches)
            return _bound(osm, tags=table_map.tags)
        case "open311":
            from citycheck.feeds import open311

            return _bound(open311)
        case "kobo":
            from citycheck.feeds import kobo

            return _bound(kobo)
        case "odk":
            from citycheck.feeds import odk

            return _bound(odk)
        case "poi":
            from citycheck.feeds import poi

            return _bound(poi)
    raise AssertionError(table_map.format)


def _bound(module: Any, **options: Any) -> Reader:
    return Reader(partial(module.columns, **options), partial(module.batches, **options))


def _batches(connection: duckdb.DuckDBPyConnection, table_map: TableMap, file: Path, number: int) -> Raw:
    reader = _reader(table_map)
    found = reader.columns(file)
    wanted = [column for column in found if column in _named(table_map)]
    batches = reader.batches(file, wanted)
    first = next(batches, None)
    table = f"raw_{number}"
    if first is None:
        listed = "".join(f"{name_of(column)} varchar, " for column in wanted)
        connection.execute(f"create temp table {table} ({listed}source_row bigint, {SHAPE} geometry)")
        return Raw(table, tuple(found), True, may_lack=table_map.format in _RECORDS)
    has_shape = SHAPE in first.schema.names and table_map.wkt is None

    def again() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    incoming = pa.RecordBatchReader.from_batches(first.schema, again())
    kept = ", ".join([name_of(column) for column in wanted] + [_shape(table_map, reader, file)] * has_shape)
    connection.register("incoming", incoming)
    try:
        connection.execute(
            f"create temp table {table} as select {kept + ', ' if kept else ''}row_number() over () as source_row from incoming"
        )
    finally:
        connection.unregister("incoming")
    return Raw(table, tuple(found), has_shape, may_lack=table_map.format in _RECORDS)


def _shape(table_map: TableMap, reader: Reader, file: Path) -> str:
    """SQL for the shape in longitude and latitude, WGS84."""
    shape = f"st_geomfromwkb({name_of(SHAPE)})"
    crs = table_map.crs or (reader.crs(file) if reader.crs else None)
    return f"{in_wgs84(shape, crs)} as {SHAPE}"


def in_wgs84(shape: str, crs: str | None) -> str:
    """SQL that takes a shape from its coordinate reference system to longitude and latitude."""
    if crs is None or crs in _TAKEN_FOR_LAT_LON:
        return shape
    return f"try(st_transform({shape}, {quoted(crs)}, 'OGC:CRS84', always_xy := true))"


# Checks --------------------------------------------------------------------------------------------------------------


def _named(table_map: TableMap) -> set[str]:
    """Every source column that the profile names."""
    named = {name for column in table_map.columns.values() for name in (*column.from_, *column.where)}
    named |= set(table_map.only)
    for correction in table_map.corrections:
        named |= {*(correction.swap or ()), *correction.set_null, *correction.where, correction.guard.column}
    return named | ({table_map.wkt} if table_map.wkt else set())


def _check_columns(table_map: TableMap, path: str, raw: Raw) -> None:
    name = f"{table_map.source}/{path}"
    for correction in table_map.corrections:
        touched = [*(correction.swap or ()), *correction.set_null, *correction.where, correction.guard.column]
        if absent := [column for column in touched if column not in raw.columns]:
            raise BadInput(
                f"{name}: the column(s) {', '.join(map(repr, absent))} of the correction "
                f'"{correction.reason}" are missing. Correct the profile, or ask the source for them.'
            )
    for key, wanted in (("only", list(table_map.only)), ("wkt", [table_map.wkt] if table_map.wkt else [])):
        if absent := [column for column in wanted if column not in raw.columns]:
            raise BadInput(
                f"{name}: the column {absent[0]!r}, which `{key}` names, is missing{_nearest(absent[0], raw.columns)}. "
                f"Ask the source for it, or correct `{key}` in the profile."
            )
    for target, column_map in table_map.columns.items():
        if absent := [
            column for column in column_map.where if column not in raw.columns and not raw.may_lack
        ]:
            raise BadInput(
                f"{name}: the column {absent[0]!r}, which `where` of {table_map.table}.{target} names, is missing"
                f"{_nearest(absent[0], raw.columns)}. Ask the source for it, or correct `where` in the profile."
            )
        if column_map.from_ and not raw.may_lack and not set(column_map.from_) & set(raw.columns):
            raise lacks(name, table_map.table, target, column_map.from_, raw.columns)


def lacks(name: str, table: str, target: str, sources: Sequence[str], known: Sequence[str]) -> BadInput:
    """What is told when none of the columns that make a column of the lake is there."""
    told = " or ".join(map(repr, sources))
    return BadInput(
        f"{name}: the column {told}, which becomes {table}.{target}, is missing{_nearest(sources[0], known)}. "
        "Ask the source for it, or correct `from` in the profile."
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    # The first line of a file without header is a row: a text with digits is not shown.
    near = get_close_matches(name, [column for column in known if not any(map(str.isdigit, column))], 1)
    return f"; the nearest is {near[0]!r}" if near else ""


def unreadable(table_map: TableMap, path: str, error: duckdb.Error, file: Path | None = None) -> BadInput:
    """What is told when DuckDB cannot read a file; of a CSV, the first wrong byte if its encoding is why."""
    if table_map.format == "csv" and file is not None:
        try:
            check_encoding(file, "utf-8", f"{table_map.source}/{path}")
        except BadInput as wrong_byte:
            return wrong_byte
    told = " ".join(
        line.strip() for line in str(error).splitlines() if line.strip() and "Original Line" not in line
    )
    if table_map.format == "csv":
        # DuckDB quotes the whole line, which may hold a name or a phone number: only the place is told.
        told = next((part for part in told.split(".") if "Line:" in part), told.split(":")[0]).strip()[:80]
    return BadInput(
        f"{table_map.source}/{path}: cannot be read as {table_map.format} ({told[:200]}); expected a complete file of that "
        "format. Ask the source to send it again, or correct `format` in the profile."
    )


def quoted(value: str | None) -> str:
    """A text as SQL writes it."""
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def name_of(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
