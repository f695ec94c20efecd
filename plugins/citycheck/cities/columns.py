"""A table map compiled to one SQL statement a file: text, cleaned → coded → typed → placed, each a subquery of its own.

A value that cannot be parsed or that no map covers does not stop the row: the column becomes null and
`mapping_errors` says why, as `code:column` joined by `;`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from citycheck.cities.profile import UNITS_M2, City, ColumnMap, Correction, TableMap
from citycheck.cities.reading import BLANKS, SHAPE, Raw, in_wgs84, name_of, quoted
from citycheck.lake.tables import Column, Table
from citycheck.period import utc_naive

SQL_TYPE = {
    "string": "varchar",
    "int32": "integer",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamp",
    "binary": "blob",
}


_POINT = (
    f"case when st_geometrytype({SHAPE})::varchar = 'POINT' then {SHAPE} else st_pointonsurface({SHAPE}) end"
)
"""The place of a shape: a point inside of it, if it is an area."""
UNMAPPED_TYPE = "struct(column_name varchar, value varchar)[]"


@dataclass(frozen=True)
class Statement:
    """How one file is mapped."""

    rows: str
    """The rows as the lake wants them, with source_file, source_row, mapping_errors and unmapped."""
    out_of_scope: str | None
    """The number of rows that `only` leaves out; None without it."""


def compile_file(
    city: City, table: Table, table_map: TableMap, raw: Raw, file: str, received_at: datetime
) -> Statement:
    """The statements that map one file that has been read."""
    used = {c.name: table_map.columns[c.name] for c in table.columns if c.name in table_map.columns}
    texts = {name: column for name, column in used.items() if column.geometry is None and not column.received}
    shape = _shape(table_map, raw)
    wanted = {column.geometry for column in used.values()} - {None}

    corrected = _corrected(raw.relation, table_map.corrections)
    scope = _scope(table_map)
    cleaned = [
        f"{_cleaned(column, raw.columns)} as {name_of('raw ' + name)}" for name, column in texts.items()
    ]
    coded = [
        f"{expression} as {name_of(prefix + name)}"
        for name, column in texts.items()
        for prefix, expression in zip(("text ", "known "), _coded(city, name, column), strict=True)
    ]
    carried = [name_of("raw " + name) for name in texts]
    if wanted:
        cleaned.append(f"{shape} as {SHAPE}")
        coded.append(SHAPE)
    if "line" in wanted:
        coded.append(
            f"case when len(st_dump({SHAPE})) = 1 then st_force2d(st_dump({SHAPE})[1].geom) end as line"
        )
    elif wanted:
        coded += [
            f"st_isvalid({SHAPE}) as is_valid",
            f"st_collectionextract(case when st_isvalid({SHAPE}) then {SHAPE} else st_makevalid({SHAPE}) end, 3) as area",
        ]
    typed = [
        f"{_typed(city, c, used.get(c.name), received_at, table_map)} as {name_of(c.name)}"
        for c in table.columns
    ]
    known = [name_of(f"{prefix}{name}") for name in texts for prefix in ("raw ", "text ", "known ")]
    errors = [error for c in table.columns if c.name in used for error in _errors(table, c, used[c.name])]
    columns = ", ".join(name_of(c.name) for c in table.columns)
    source = f"(select {', '.join([*cleaned, 'source_row'])} from {corrected} where {scope})"
    recoded = f"(select {', '.join([*coded, *carried, 'source_row'])} from {source})"
    rows = f"""
        select {columns}, {quoted(file)} as source_file, source_row,
            nullif(concat_ws(';', {", ".join(errors)}), '') as mapping_errors, {_unmapped(texts)} as unmapped
        from {_placed(table_map, used, f"(select {', '.join([*typed, 'source_row', *known])} from {recoded})")}
    """
    return Statement(rows, _out_of_scope(table_map, corrected, scope))


def _scope(table_map: TableMap) -> str:
    listed = [
        f"coalesce({trimmed(name_of(name))} in ({', '.join(map(quoted, values))}), false)"
        for name, values in table_map.only.items()
    ]
    return " and ".join(listed) or "true"


def _out_of_scope(table_map: TableMap, relation: str, scope: str) -> str | None:
    return f"select count(*) from {relation} where not ({scope})" if table_map.only else None


def _corrected(relation: str, corrections: Sequence[Correction]) -> str:
    for correction in corrections:
        if correction.swap:
            left, right = map(name_of, correction.swap)
            replaced = f"{right} as {left}, {left} as {right}"
        else:
            where = " and ".join(f"{name_of(c)} = {quoted(v)}" for c, v in correction.where.items())
            replaced = ", ".join(
                f"case when {where} then null else {name_of(c)} end as {name_of(c)}"
                for c in correction.set_null
            )
        relation = f"(select * replace ({replaced}) from {relation})"
    return relation


def _shape(table_map: TableMap, raw: Raw) -> str:
    if table_map.wkt is not None:
        return in_wgs84(f"try(st_geomfromtext({name_of(table_map.wkt)}))", table_map.crs)
    return SHAPE if raw.has_shape else "cast(null as geometry)"


def trimmed(text: str) -> str:
    """SQL for a text without blanks around it, null if nothing is left.

    Most texts have none, and to see that takes a fourth of the time of `trim`: a text that begins with a sign lies
    between that sign and the next, and every blank of ASCII comes before "!".
    """
    wide = [blank for blank in BLANKS if blank > "!"]
    begins = [f"{text} < '!'"] + [f"({text} >= '{b}' and {text} < '{chr(ord(b) + 1)}')" for b in wide]
    ends = [f"suffix({text}, {quoted(blank)})" for blank in BLANKS]
    edges = " or ".join(begins + ends)
    return f"case when {edges} then nullif(trim({text}, {quoted(BLANKS)}), '') else {text} end"


# Text ----------------------------------------------------------------------------------------------------------------


def _cleaned(column: ColumnMap, known: Sequence[str]) -> str:
    """The first source text that is not blank, trimmed, or all of them joined; null when there is none."""
    text = _origin(column, known)
    conditions = [
        f"{trimmed(name_of(name))} in ({', '.join(map(quoted, values))})" if name in known else "false"
        for name, values in column.where.items()
    ]
    return f"case when {' and '.join(conditions)} then {text} end" if conditions else text


def _origin(column: ColumnMap, known: Sequence[str]) -> str:
    if column.value is not None:
        return quoted(column.value)
    if column.row_number:
        return "cast(source_row as varchar)"
    parts = [trimmed(name_of(name)) for name in column.from_ if name in known]
    if not parts:
        return "cast(null as varchar)"
    if len(parts) == 1:
        return parts[0]
    if column.null_if:  # a text that means unknown must not stand before one that is known
        listed = ", ".join(map(quoted, column.null_if))
        parts = [f"case when {part} not in ({listed}) then {part} end" for part in parts]
    if column.join is not None:
        return f"nullif(concat_ws({quoted(column.join)}, {', '.join(parts)}), '')"
    return f"coalesce({', '.join(parts)})"


def _coded(city: City, name: str, column: ColumnMap) -> tuple[str, str]:
    """SQL for the text after all replacements, and for whether a declared map covers it."""
    raw = name_of("raw " + name)
    counted = (
        f"nullif(trim(regexp_extract({raw}, {quoted(column.extract)}, 1)), '')" if column.extract else raw
    )
    text, known = _mapped(city, column, counted)
    if column.null_if:
        listed = ", ".join(map(quoted, column.null_if))
        text = f"case when {raw} in ({listed}) then null else {text} end"
        known = f"({raw} in ({listed}) or {known})"
    if column.first is not None:
        text = f"left({text}, {column.first:d})"
    if column.prefix:
        text = f"{quoted(column.prefix)} || {text}"
    if column.blank is not None:
        text = f"case when {raw} is null then {quoted(column.blank)} else {text} end"
    return text, f"coalesce({known}, true)"


def _mapped(city: City, column: ColumnMap, text: str) -> tuple[str, str]:
    if column.separator is not None:
        split = f"list_transform(string_split({text}, {quoted(column.separator)}), lambda x: trim(x))"
        parts = f"list_filter({split}, lambda x: x <> '')"
        mapped, known = _replaced(city, column, "part")
        joined = f"nullif(array_to_string(list_transform({parts}, lambda part: {mapped}), '|'), '')"
        return joined, f"coalesce(list_bool_and(list_transform({parts}, lambda part: {known})), true)"
    return _replaced(city, column, text)


def _replaced(city: City, column: ColumnMap, text: str) -> tuple[str, str]:
    """One text by `patterns` and `values`, and whether they cover it."""
    if not column.has_map:
        return text, "true"
    values = dict(column.values) | (city.value_table(column.values_table) if column.values_table else {})
    key, flags = text, ""
    if column.ignore_case:
        values, key, flags = {k.lower(): v for k, v in values.items()}, f"lower({text})", "(?i)"
    mapping = _map(values)
    matched = [f"regexp_full_match({text}, {quoted(flags + p.match)})" for p in column.patterns]
    cases = [f"when {match} then {quoted(p.to)}" for match, p in zip(matched, column.patterns, strict=True)]
    cases.append(f"when map_contains({mapping}, {key}) then {mapping}[{key}]")
    rest = "null"
    if column.unmapped == "keep":
        rest = text
    elif column.otherwise is not None:
        rest = f"case when {text} is not null then {quoted(column.otherwise)} end"
    covered = "true"
    if column.unmapped == "error" and column.otherwise is None:
        covered = f"({text} is null or {' or '.join([*matched, f'map_contains({mapping}, {key})'])})"
    return f"case {' '.join(cases)} else {rest} end", covered


def _map(values: dict[str, str | None]) -> str:
    keys = ", ".join(map(quoted, values))
    mapped = ", ".join(quoted(v) for v in values.values())
    return f"map([{keys}]::varchar[], [{mapped}]::varchar[])"


def _unmapped(texts: dict[str, ColumnMap]) -> str:
    """SQL for a row's texts that no map covers, as a list of {column_name, value}; null where every map covers all.

    They are scrubbed like any free text: somebody's name or number may stand where a code was expected.
    """
    watched = [
        name for name, c in texts.items() if c.has_map and c.unmapped == "error" and c.otherwise is None
    ]
    pairs = [
        f"case when not {name_of('known ' + name)} "
        f"then {{'column_name': {quoted(name)}, 'value': scrub({name_of('raw ' + name)})}} end"
        for name in watched
    ]
    if not pairs:
        return f"cast(null as {UNMAPPED_TYPE})"
    covered = " and ".join(name_of("known " + name) for name in watched)
    return (
        f"case when not ({covered}) then list_filter([{', '.join(pairs)}], lambda pair: pair is not null) end"
    )


# Types ---------------------------------------------------------------------------------------------------------------


def _typed(
    city: City, target: Column, column: ColumnMap | None, received_at: datetime, table_map: TableMap
) -> str:
    text = name_of("text " + target.name)
    if column is None:
        return f"cast(null as {SQL_TYPE[target.type]})"
    if column.received:
        return f"timestamp {quoted(utc_naive(received_at).isoformat(sep=' '))}"
    if column.geometry is not None:
        return {
            "polygon": "case when st_isempty(area) then null else st_aswkb(area) end",
            "line": _line(table_map),
            "was_repaired": "coalesce(not is_valid, false)",
            "lon": f"st_x({_POINT})",
            "lat": f"st_y({_POINT})",
        }[column.geometry]
    if target.protect == "hash":
        return f"{target.purpose}_hash({text})"
    if target.protect == "scrub":
        return f"scrub({text})"
    if target.type == "string":
        return text
    if target.type == "bool":
        return f"try_cast({text} as boolean)"
    if target.type == "timestamp":
        return _moment(text, column, column.zone or city.profile.time_zone)
    number = f"try_cast({_plain_number(text, column.number)} as double)"
    factor = UNITS_M2[column.unit] if column.unit else column.times
    if factor is not None:
        number = f"({number} * {factor!r})"
    if target.type == "double":
        # A number that is no degree at all may be anything, a phone number too; half a degree too far is for the gate.
        is_degree = target.name in ("lon", "lat") and table_map.crs is None
        bound = f"abs({number}) <= 180" if is_degree else f"isfinite({number})"
        return f"case when {bound} then {number} end"
    return f"case when {number} = trunc({number}) then try_cast({number} as integer) end"


def _line(table_map: TableMap) -> str:
    """SQL for the line in WGS84; null for what is none, has several parts, or is no longer than a point.

    Which part of several an edge's ends are is not guessed.
    """
    wkb = "st_aswkb(line)" if table_map.datum == "wgs84" else f"{table_map.datum}_shape(st_aswkb(line))"
    is_line = (
        "st_geometrytype(line)::varchar = 'LINESTRING' and st_length(line) > 0 and isfinite(st_length(line))"
    )
    return f"case when {is_line} then {wkb} end"


def _plain_number(text: str, style: str) -> str:
    if style == "1,234.5":
        return f"replace({text}, ',', '')"
    if style == "1.234,5":
        return f"replace(replace({text}, '.', ''), ',', '.')"
    if style == "1 234,5":
        return f"replace(regexp_replace({text}, '[\\s\u00a0\u202f]', '', 'g'), ',', '.')"
    return text


def _moment(text: str, column: ColumnMap, zone: str) -> str:
    """SQL for a time in UTC: the first format that reads the text."""
    if column.calendar == "roc":
        text = f"""case
            when regexp_full_match({text}, '[0-9]{{6,7}}(\\D.*)?')
                then (cast(regexp_extract({text}, '^([0-9]{{2,3}})[0-9]{{4}}', 1) as integer) + 1911)
                    || regexp_extract({text}, '^[0-9]{{2,3}}([0-9]{{4}}.*)$', 1)
            when regexp_matches({text}, '^\\D*[0-9]{{1,3}}\\D')
                then (cast(regexp_extract({text}, '^\\D*([0-9]{{1,3}})\\D', 1) as integer) + 1911)
                    || regexp_extract({text}, '^\\D*[0-9]{{1,3}}(\\D.*)$', 1)
        end"""
    read = [_one_format(text, form, quoted(zone)) for form in column.time or ["%Y-%m-%d %H:%M:%S"]]
    return f"coalesce({', '.join(read)})" if len(read) > 1 else read[0]


def _one_format(text: str, form: str, zone: str) -> str:
    local = _utc(zone)
    number = f"try_cast({text} as double)"
    if form == "iso":
        offset = r"'[0-9]{2}:?[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?\s*(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$'"
        plain = local.format(moment=f"try_cast({text} as timestamp)")
        moment = f"timezone('UTC', try_cast({text} as timestamptz))"
        return f"case when regexp_matches({text}, {offset}) then {moment} else {plain} end"
    if form in ("epoch_s", "epoch_ms"):
        factor = 1_000_000 if form == "epoch_s" else 1_000
        return f"make_timestamp(try_cast(round({number} * {factor}) as bigint))"
    if form == "excel":
        days = f"to_microseconds(try_cast(round({number} * 86400) * 1000000 as bigint))"
        return local.format(moment=f"timestamp '1899-12-30' + {days}")
    if "%z" in form:
        return f"timezone('UTC', try_strptime({text}, {quoted(form)}))"
    return local.format(moment=f"try_strptime({text}, {quoted(form)})")


_STEADY_SINCE = 1992
"""Zones such as Asia/Shanghai have kept one offset since before this year."""


@lru_cache
def _utc(zone: str) -> str:
    """SQL, with a place for `moment`, that takes a local time to UTC; to subtract a steady offset is thrice as fast."""
    general = f"timezone('UTC', timezone({zone}, {{moment}}))"
    clock = ZoneInfo(zone.strip("'"))
    offsets = {
        datetime(year, month, 1, tzinfo=clock).utcoffset()
        for year in range(_STEADY_SINCE, 2051)
        for month in range(1, 13)
    }
    steady = offsets.pop()
    if offsets or steady is None:
        return general
    since = f"{{moment}} >= timestamp '{_STEADY_SINCE}-01-02'"
    return f"case when {since} then {{moment}} - to_seconds({steady.total_seconds():.0f}) else {general} end"


def _placed(table_map: TableMap, used: dict[str, ColumnMap], typed: str) -> str:
    """Coordinates from the source's reference system to WGS84, where they are numbers of their own."""
    are_numbers = all(name in used and used[name].geometry is None for name in ("lon", "lat"))
    if table_map.datum != "wgs84" and "lon" in used:
        return f"""(
            select * replace (here.lon as lon, here.lat as lat)
            from (select *, {table_map.datum}_to_wgs84(lon, lat) as here from {typed})
        )"""
    if table_map.crs is not None and are_numbers and table_map.wkt is None:
        here = in_wgs84("st_point(lon, lat)", table_map.crs)
        return f"""(
            select * replace (
                case when abs(st_x(here)) <= 180 then st_x(here) end as lon,
                case when abs(st_y(here)) <= 90 then st_y(here) end as lat
            )
            from (select *, {here} as here from {typed})
        )"""
    return typed


def _errors(table: Table, target: Column, column: ColumnMap) -> list[str]:
    name = name_of(target.name)
    code = "missing_key" if target.name in table.key else "bad_value"
    if column.geometry is not None or column.received:
        if not target.required:
            return []
        code = "invalid_geometry" if target.type == "binary" else code
        return [f"case when {name} is null then {quoted(f'{code}:{target.name}')} end"]
    text, known = name_of("text " + target.name), name_of("known " + target.name)
    cases = [f"when not {known} then {quoted(f'unknown_code:{target.name}')}"]
    cases.append(f"when {text} is not null and {name} is null then {quoted(f'bad_value:{target.name}')}")
    if target.required:
        cases.append(f"when {name} is null then {quoted(f'{code}:{target.name}')}")
    return [f"case {' '.join(cases)} end"]
