"""The mapping engine: a delivery's files and a city's profile in, one typed parquet file a lake table out.

The profile is compiled to one SQL statement a file, run by DuckDB. A value that cannot be parsed or that no map
covers does not stop the row: the column becomes null and `mapping_errors` says why, for the gate to act on.
Exact duplicates (all columns equal) are dropped and counted.
"""

from __future__ import annotations

import codecs
import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

import duckdb

from citycheck import duck
from citycheck.cities.profile import City, ColumnMap, Correction, TableMap
from citycheck.errors import BadInput
from citycheck.lake.files import replacing, telling_disk_full
from citycheck.lake.landing import Delivery
from citycheck.lake.tables import Column, Table, tables
from citycheck.period import HalfYear

_SQL_TYPE = {
    "string": "varchar",
    "int32": "integer",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamp",
    "binary": "blob",
}
_BLANKS = " \t\r\n\u3000\u00a0\ufeff"


@dataclass(frozen=True)
class FileCount:
    """Rows that one file gave to one table, and how many of them were exact duplicates."""

    table: str
    file: str
    rows_in: int
    rows_duplicate: int


def map_table(
    city: City, delivery: Delivery, landed: Path, table: str, out: Path, work: Path, memory_limit: str
) -> list[FileCount]:
    """Map every file of a delivery that feeds `table` to `out` (parquet, `tables.yml` + source + mapping_errors).

    Raises `BadInput` for a file that cannot be read as declared, for a column that is missing in it, and for a
    correction whose guard trips.
    """
    target = tables()[table]
    shutil.rmtree(work, ignore_errors=True)  # what a killed run has left
    work.mkdir(parents=True, mode=0o700)
    with (
        _removed_at_the_end(work),
        duck.connect(memory_limit=memory_limit, temp=work / "spill") as connection,
        telling_disk_full(out),
    ):
        connection.execute(_empty(target))
        numbers, names = count(), []
        for table_map in city.profile.tables_of(delivery.feed):
            if table_map.table != table:
                continue
            raw = {
                file.path: _read(
                    connection,
                    table_map,
                    landed / table_map.source / file.path,
                    file.path,
                    work / f"{next(numbers)}",
                )
                for file in delivery.files
                if file.source == table_map.source and fnmatchcase(file.path, table_map.files)
            }
            names += [f"{table_map.source}/{path}" for path in raw]
            _check_guards(connection, table_map, list(raw.values()), HalfYear.parse(delivery.half_year))
            for path, relation in raw.items():
                query = _compile(city, target, table_map, relation, f"{table_map.source}/{path}")
                try:
                    connection.execute(f"insert into mapped {query}")
                except duckdb.Error as error:
                    raise _unreadable(table_map, path, error) from None
        counts = {told.file: told for told in _write(connection, target, out)}
        return [counts.get(name, FileCount(table, name, 0, 0)) for name in names]


@contextmanager
def _removed_at_the_end(folder: Path) -> Iterator[None]:
    """Copies of a source's rows live no longer than their reading, and where landing is."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _empty(table: Table) -> str:
    columns = ", ".join(f"{_name(c.name)} {_SQL_TYPE[c.type]}" for c in table.columns)
    return f"create temp table mapped ({columns}, source_file varchar, source_row bigint, mapping_errors varchar)"


def _write(connection: duckdb.DuckDBPyConnection, table: Table, out: Path) -> list[FileCount]:
    columns = ", ".join(_name(c.name) for c in table.columns)
    connection.execute(
        f"""
        create temp table ranked as
        select *, row_number() over (partition by {columns}, mapping_errors order by source_file, source_row) as copy
        from mapped
        """
    )
    counts = connection.execute(
        """
        select source_file, count(*), count(*) filter (where copy > 1)
        from ranked group by source_file order by source_file
        """
    ).fetchall()
    with replacing(out) as temporary:
        connection.execute(
            f"""
            copy (select * exclude (copy) from ranked where copy = 1 order by source_file, source_row)
            to {_text(str(temporary))} (format parquet, compression zstd)
            """
        )
    return [FileCount(table.name, file, rows, duplicates) for file, rows, duplicates in counts]


# Reading -------------------------------------------------------------------------------------------------------------


def _read(
    connection: duckdb.DuckDBPyConnection, table_map: TableMap, file: Path, path: str, plain: Path
) -> str:
    """A relation of the file's rows as text, with `source_row` and, for geographic files, `geom`.

    The file is read as `plain`, whatever its own name is: a name may hold signs that DuckDB takes for a pattern.
    """
    try:
        if table_map.format == "csv":
            relation, columns = _read_csv(table_map, file, path, plain)
        else:
            plain = plain.with_suffix(file.suffix)
            plain.symlink_to(file)
            if table_map.layer and table_map.layer not in (layers := _layers(connection, plain)):
                raise BadInput(
                    f"{table_map.source}/{path}: has no layer {table_map.layer!r}; expected one of {', '.join(layers)}. "
                    "Correct `layer` in the profile."
                )
            reader = "st_read" if table_map.format == "geo" else "read_parquet"
            layer = f", layer = {_text(table_map.layer)}" if table_map.layer else ""
            source = f"{reader}({_text(str(plain))}{layer})"
            columns = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
            as_text = [f"cast({_name(c)} as varchar) as {_name(c)}" for c in columns if c != "geom"]
            kept = ", ".join([*as_text, *(["geom"] if "geom" in columns else [])])
            relation = f"(select {kept}, row_number() over () as source_row from {source})"
    except duckdb.Error as error:
        raise _unreadable(table_map, path, error) from None
    _check_columns(table_map, path, columns)
    return relation


def _layers(connection: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    # A layer that is not there ends the process in st_read, so it is asked for before.
    [[layers]] = connection.execute(f"select layers from st_read_meta({_text(str(file))})").fetchall()
    return [layer["name"] for layer in layers]


def _read_csv(table_map: TableMap, file: Path, path: str, utf8: Path) -> tuple[str, list[str]]:
    _write_utf8(file, table_map.encoding, f"{table_map.source}/{path}", utf8)
    header = table_map.header
    if header is None:
        try:
            with utf8.open(encoding="utf-8", newline="") as text:
                header = [name.strip(_BLANKS) for name in next(csv.reader(text), [])]
        except csv.Error as error:
            raise BadInput(
                f"{table_map.source}/{path}, line 1: is no header ({error}). Ask the source to send the file again."
            ) from None
    lower = [name.lower() for name in header]
    if twice := [
        number for number, name in enumerate(lower, 1) if not name or lower.index(name) != number - 1
    ]:
        # By number, because the first line of a file without header is a row, which may hold a name.
        raise BadInput(
            f"{table_map.source}/{path}: the header's column(s) {', '.join(map(str, twice))} have no name, or one that "
            "stands there already; expected each name once. Give `header` in the profile, or ask the source to correct it."
        )
    columns = ", ".join(f"{_text(name)}: 'varchar'" for name in header)
    skip = "false" if table_map.header is not None else "true"
    relation = f"""(
        select *, row_number() over () as source_row
        from read_csv({_text(str(utf8))}, auto_detect = false, delim = ',', quote = '"', escape = '"',
            header = {skip}, columns = {{{columns}}}, strict_mode = true, null_padding = false)
    )"""
    return relation, header


def _write_utf8(file: Path, encoding: str, name: str, utf8: Path) -> None:
    """Let `utf8` be the file as UTF-8: a link to it, or a copy. Raises `BadInput` at the first wrong byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with file.open("rb") as start:
        has_mark = start.read(3) == codecs.BOM_UTF8
    plain = codecs.lookup(encoding).name == "utf-8" and not has_mark
    done = 0
    with (
        file.open("rb") as source,
        open("/dev/null" if plain else utf8, "w", encoding="utf-8", newline="") as target,
    ):
        while chunk := source.read(1 << 20):
            text = _decoded(decoder, chunk, name, encoding, done)
            target.write(text.removeprefix("\ufeff") if done == 0 else text)
            done += len(chunk)
        _decoded(decoder, b"", name, encoding, done, final=True)
    if plain:
        utf8.symlink_to(file)


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


def _check_columns(table_map: TableMap, path: str, columns: list[str]) -> None:
    for correction in table_map.corrections:
        touched = [*(correction.swap or ()), *correction.set_null, *correction.where, correction.guard.column]
        if absent := [name for name in touched if name not in columns]:
            raise BadInput(
                f"{table_map.source}/{path}: the column(s) {', '.join(map(repr, absent))} of the correction "
                f'"{correction.reason}" are missing. Correct the profile, or ask the source for them.'
            )
    for target, column_map in table_map.columns.items():
        for name in column_map.from_:
            if name not in columns:
                # The first line of a file without header is a row: a text with digits is not shown.
                near = get_close_matches(name, [c for c in columns if not any(map(str.isdigit, c))], 1)
                hint = f"; the nearest is {near[0]!r}" if near else ""
                raise BadInput(
                    f"{table_map.source}/{path}: the column {name!r}, which becomes {table_map.table}.{target}, is missing"
                    f"{hint}. Ask the source for it, or correct `from` in the profile."
                )


def _unreadable(table_map: TableMap, path: str, error: duckdb.Error) -> BadInput:
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


# Corrections ---------------------------------------------------------------------------------------------------------


def _check_guards(
    connection: duckdb.DuckDBPyConnection, table_map: TableMap, relations: list[str], half_year: HalfYear
) -> None:
    for correction in table_map.corrections:
        guard = correction.guard
        if guard.half_years and not HalfYear.parse(guard.half_years[0]) <= half_year <= HalfYear.parse(
            guard.half_years[1]
        ):
            continue
        low, high = guard.between
        rows = " union all by name ".join(f"select {_name(guard.column)} as c from {r}" for r in relations)
        share = connection.execute(
            f"select coalesce(avg((try_cast(c as double) between {low!r} and {high!r})::integer), 0) from ({rows})"
        ).fetchone()[0]
        if share < guard.share_min:
            raise BadInput(
                f'{table_map.source}/{table_map.files}: the correction "{correction.reason}" no longer fits: only '
                f"{share:.1%} of {guard.column!r} lies between {low} and {high}, expected at least {guard.share_min:.1%}. "
                "The source may have been fixed: remove the correction from the profile."
            )


def _corrected(relation: str, corrections: list[Correction]) -> str:
    for correction in corrections:
        if correction.swap:
            left, right = map(_name, correction.swap)
            replaced = f"{right} as {left}, {left} as {right}"
        else:
            where = " and ".join(f"{_name(c)} = {_text(v)}" for c, v in correction.where.items())
            replaced = ", ".join(
                f"case when {where} then null else {_name(c)} end as {_name(c)}" for c in correction.set_null
            )
        relation = f"(select * replace ({replaced}) from {relation})"
    return relation


# Compiling -----------------------------------------------------------------------------------------------------------


def _compile(city: City, table: Table, table_map: TableMap, relation: str, file: str) -> str:
    """The statement that maps one file: its text, cleaned → coded → typed, each a subquery of its own."""
    used = {c.name: table_map.columns[c.name] for c in table.columns if c.name in table_map.columns}
    cleaned = [f"{_cleaned(m)} as {_name('raw ' + n)}" for n, m in used.items() if m.geometry is None]
    coded = [
        f"{expression} as {_name(prefix + n)}"
        for n, m in used.items()
        if m.geometry is None
        for prefix, expression in zip(("text ", "known "), _coded(city, table.column(n), m), strict=True)
    ]
    has_geometry = any(m.geometry for m in used.values())
    if has_geometry:
        cleaned.append("geom")
        coded.append("geom, st_isvalid(geom) as is_valid")
        coded.append(
            "st_collectionextract(case when st_isvalid(geom) then geom else st_makevalid(geom) end, 3) as area"
        )
    typed = [f"{_typed(city, c, used.get(c.name))} as {_name(c.name)}" for c in table.columns]
    carried = [
        _name(f"{prefix}{n}") for n, m in used.items() if m.geometry is None for prefix in ("text ", "known ")
    ]
    errors = [error for c in table.columns if c.name in used for error in _errors(table, c, used[c.name])]
    return f"""
        select {", ".join(_name(c.name) for c in table.columns)}, {_text(file)}, source_row,
            nullif(concat_ws(';', {", ".join(errors)}), '')
        from (
            select {", ".join(typed)}, source_row, {", ".join(carried) or "1"}
            from (
                select {", ".join(coded)}, source_row
                from (
                    select {", ".join(cleaned)}, source_row from {_corrected(relation, table_map.corrections)}
                )
            )
        )
    """


def _cleaned(column: ColumnMap) -> str:
    """The first source text that is not blank, trimmed; null when there is none."""
    if column.value is not None:
        return _text(column.value)
    if column.row_number:
        return "cast(source_row as varchar)"
    parts = [f"nullif(trim({_name(name)}, {_text(_BLANKS)}), '')" for name in column.from_]
    return f"coalesce({', '.join(parts)})" if len(parts) > 1 else parts[0]


def _coded(city: City, target: Column, column: ColumnMap) -> tuple[str, str]:
    """SQL for the text after all replacements, and for whether a declared map covers it."""
    raw = _name("raw " + target.name)
    values = dict(column.values) | (city.value_table(column.values_table) if column.values_table else {})
    known = "true"
    text = raw
    if column.patterns or values:
        mapping = _map(values)
        otherwise = raw if column.unmapped == "keep" else "null"
        cases = [
            f"when regexp_full_match({raw}, {_text(p.match)}) then {_text(p.to)}" for p in column.patterns
        ]
        cases.append(f"when map_contains({mapping}, {raw}) then {mapping}[{raw}]")
        text = f"case {' '.join(cases)} else {otherwise} end"
        if column.unmapped == "error":
            matched = [f"regexp_full_match({raw}, {_text(p.match)})" for p in column.patterns]
            known = f"({raw} is null or {' or '.join([*matched, f'map_contains({mapping}, {raw})'])})"
    if column.null_if:
        listed = ", ".join(map(_text, column.null_if))
        text = f"case when {raw} in ({listed}) then null else {text} end"
        known = f"({raw} in ({listed}) or {known})"
    if column.first is not None:
        text = f"left({text}, {column.first:d})"
    if column.prefix:
        text = f"{_text(column.prefix)} || {text}"
    if column.blank is not None:
        text = f"case when {raw} is null then {_text(column.blank)} else {text} end"
    return text, f"coalesce({known}, true)"


def _typed(city: City, target: Column, column: ColumnMap | None) -> str:
    text = _name("text " + target.name)
    if column is None:
        return f"cast(null as {_SQL_TYPE[target.type]})"
    if column.geometry is not None:
        return {
            "polygon": "case when st_isempty(area) then null else st_aswkb(area) end",
            "was_repaired": "coalesce(not is_valid, false)",
            "lon": "st_x(geom)",
            "lat": "st_y(geom)",
        }[column.geometry]
    if target.type == "string":
        return text
    if target.type == "bool":
        return f"try_cast({text} as boolean)"
    if target.type == "timestamp":
        formats = "[" + ", ".join(map(_text, column.time or ["%Y-%m-%d %H:%M:%S"])) + "]"
        zone = _text(city.profile.time_zone)
        return f"timezone('UTC', timezone({zone}, try_strptime({text}, {formats})))"
    number = f"try_cast({text} as double)"
    if column.times is not None:
        number = f"({number} * {column.times!r})"
    if target.type == "double":
        return f"case when isfinite({number}) then {number} end"
    return f"case when {number} = trunc({number}) then try_cast({number} as integer) end"


def _errors(table: Table, target: Column, column: ColumnMap) -> list[str]:
    name = _name(target.name)
    code = "missing_key" if target.name in table.key else "bad_value"
    if column.geometry is not None:
        if not target.required:
            return []
        code = "invalid_geometry" if target.type == "binary" else code
        return [f"case when {name} is null then {_text(f'{code}:{target.name}')} end"]
    text, known = _name("text " + target.name), _name("known " + target.name)
    cases = [f"when not {known} then {_text(f'unknown_code:{target.name}')}"]
    cases.append(f"when {text} is not null and {name} is null then {_text(f'bad_value:{target.name}')}")
    if target.required:
        cases.append(f"when {name} is null then {_text(f'{code}:{target.name}')}")
    return [f"case {' '.join(cases)} end"]


def _map(values: dict[str, str | None]) -> str:
    keys = ", ".join(map(_text, values))
    mapped = ", ".join(_text(v) for v in values.values())
    return f"map([{keys}]::varchar[], [{mapped}]::varchar[])"


def _text(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
