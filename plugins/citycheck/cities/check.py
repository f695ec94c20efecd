"""A profile tried on the first rows of its files: what each column of the lake would become, and what is left to do.

Nothing is kept: what has to be fetched lies in a folder of mode 0700 for as long as the check runs. What a protected
column is made of is never shown; other texts of the source are for the operator's eyes, in `Example.before` and
`ColumnCheck.unmapped`, and belong in no log.
"""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from citycheck import FEEDS, connections, progress, standard
from citycheck.cities import reading
from citycheck.cities.columns import compile_file
from citycheck.cities.crs import check_crs
from citycheck.cities.mapping import mapper
from citycheck.cities.profile import City, ColumnMap, TableMap
from citycheck.cities.reading import Raw, name_of, quoted
from citycheck.connections import Lookup
from citycheck.errors import BadInput, CitycheckError
from citycheck.feeds import encoding as encodings
from citycheck.feeds import folder as folder_feed
from citycheck.feeds import http as http_feed
from citycheck.feeds.ask import Ask
from citycheck.lake import landing
from citycheck.lake.tables import Column, tables
from citycheck.period import HalfYear
from citycheck.privacy import hashing
from citycheck.settings import CityHome

OPEN = "?"
"""What stands in a profile for what nobody has decided yet."""
_EXAMPLES = 3
_MEMORY = "1GB"
_WRONG_MAX = 0.05
"""The share of bad rows that the suites let pass; those go to quarantine."""
_LINES_OUTSIDE_MAX = 0.5
"""The share of lines outside the city that they let pass: an extract may be larger than the city."""


@dataclass(frozen=True)
class Example:
    before: str | None
    """The source's text; None where it is protected, or where there is none."""
    after: str | None


@dataclass(frozen=True)
class Unmapped:
    """A text that no map covers."""

    text: str
    rows: int

    @property
    def line(self) -> str:
        """The line that a value map needs for it; what stands after the colon is the operator's."""
        return f"{written(self.text)}: {quote(OPEN)}   # {self.rows} rows"


@dataclass(frozen=True)
class ColumnCheck:
    """One column of the lake."""

    name: str
    required: bool
    is_protected: bool
    origin: str
    """Where it comes from: the source's columns, or what stands for them."""
    examples: tuple[Example, ...] = ()
    null_share: float = 1.0
    errors: dict[str, int] = field(default_factory=dict)
    """Reason → rows."""
    unmapped: tuple[Unmapped, ...] = ()


@dataclass(frozen=True)
class GuardCheck:
    """A correction's guard over the rows that were read: a hint, the whole delivery decides."""

    reason: str
    share: float
    share_min: float

    @property
    def holds(self) -> bool:
        return self.share >= self.share_min


@dataclass(frozen=True)
class TableCheck:
    """One entry of the profile on the first rows of its first file."""

    feed: str
    table: str
    source: str
    pattern: str
    files: int = 0
    """How many files the pattern matches."""
    file: str | None = None
    rows: int = 0
    rows_out_of_scope: int = 0
    encoding: str | None = None
    """As found, where the profile leaves it open; so is `delimiter`."""
    delimiter: str | None = None
    columns: tuple[ColumnCheck, ...] = ()
    not_taken: tuple[str, ...] = ()
    """Columns of the source that the profile does not name."""
    guards: tuple[GuardCheck, ...] = ()
    problems: tuple[str, ...] = ()
    """What stands in the way of a release, a sentence each."""
    notes: tuple[str, ...] = ()


@progress.step("check")
def check(
    city: City,
    sources: Path,
    *,
    received_at: datetime,
    feed: str | None = None,
    half_year: HalfYear | None = None,
    rows: int = 1000,
    lookup: Lookup = connections.from_environment,
    download: bool = False,
) -> list[TableCheck]:
    """Every entry of the profile (or of one feed), tried on at most `rows` rows of its first file.

    A source with a protocol is asked for the first day of the half-year (by default the latest that is complete at
    `received_at`). Pinned files are downloaded only with `download`. What goes wrong with an entry is among its
    `problems`; `BadInput` is raised only for a feed that there is not, and for a projected CRS that does not fit.
    """
    check_crs(city.profile.projected_crs, city.profile.box)
    if feed is not None and feed not in FEEDS:
        raise BadInput(f"There is no feed {feed!r}: expected one of {', '.join(FEEDS)}. Correct the name.")
    when = half_year or _latest(city, received_at)
    with tempfile.TemporaryDirectory(prefix="citycheck-") as temporary:  # mode 0700
        desk = _Desk(city, sources, when, received_at, lookup, download, Path(temporary))
        return [
            _try(desk, name, table_map, rows)
            for name in city.profile.provided_feeds
            if feed in (None, name)
            for table_map in city.profile.tables_of(name)
        ]


def written(text: str) -> str:
    """A text as YAML writes it, on one line and inside braces as well as outside."""
    plain = re.fullmatch(r"[^\W\d_][\w ()/.·-]*[\w)]|[^\W\d_]", text)
    is_word = text.lower() in ("true", "false", "yes", "no", "on", "off", "y", "n", "null")
    return text if plain and not is_word and " #" not in text else quote(text)


def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _latest(city: City, now: datetime) -> HalfYear:
    complete = HalfYear.containing(now, city.profile.zone).previous
    last = city.profile.last
    return max(city.profile.first, min(complete, last) if last else complete)


# Files -------------------------------------------------------------------------------------------------------------


@dataclass
class _Desk:
    """What all entries share; a source is opened once."""

    city: City
    sources: Path
    half_year: HalfYear
    received_at: datetime
    lookup: Lookup
    download: bool
    work: Path
    offers: dict[str, tuple[Path | None, list[str]] | CitycheckError] = field(default_factory=dict)

    def offer(self, name: str) -> tuple[Path | None, list[str]]:
        if name not in self.offers:
            try:
                self.offers[name] = self._open(name)
            except CitycheckError as error:
                self.offers[name] = error
        offered = self.offers[name]
        if isinstance(offered, CitycheckError):
            raise offered
        return offered

    def _open(self, name: str) -> tuple[Path | None, list[str]]:
        source = self.city.profile.sources[name]
        if source.protocol is None:
            home = CityHome(self.work / "home")
            return landing._offer(self.city, name, source, self.half_year, home, self.sources)
        out = self.work / "asked" / name
        out.mkdir(parents=True)
        start = self.half_year.start(self.city.profile.zone).astimezone(UTC)
        connection = self.lookup(source.connection) if source.connection else None
        ask = Ask(start, start + timedelta(days=1), None, tuple(source.hosts), connection)
        connector = import_module(f"citycheck.feeds.{source.protocol}")
        connector.fetch(getattr(source, source.protocol), ask, out)
        return out, folder_feed.listing(out)

    def local(self, name: str, path: str, folder: Path | None) -> Path:
        """A file where it can be read."""
        if folder is not None:
            return folder / path
        out = self.work / "pinned" / name
        address = self.city.pinned_files(name)[path][0]
        http_feed.fetch({path: address}, out, self.city.profile.sources[name].hosts)
        return out / path


def _try(desk: _Desk, feed: str, table_map: TableMap, rows: int) -> TableCheck:
    problems = (*_open_ends(table_map), *_too_late(desk, table_map))
    made = TableCheck(feed, table_map.table, table_map.source, table_map.files, problems=problems)
    source = desk.city.profile.sources[table_map.source]
    if OPEN in (source.title, source.licence):
        made = replace(made, notes=("the source's title or licence is '?': a release shows them. Say them.",))
    try:
        folder, paths = desk.offer(table_map.source)
        paths = [path for path in paths if fnmatchcase(path, table_map.files)]
        made = replace(made, files=len(paths))
        if not paths:
            return _with(
                made, f"the source has no file like {table_map.files!r}. Correct `files` in the profile."
            )
        path = _of_half_year(table_map, paths, desk.half_year) if source.protocol is None else paths[0]
        made = replace(made, file=path)
        if folder is None and not desk.download:
            note = "its files are pinned and not in the folder: they are downloaded only on request (--download)."
            return replace(made, notes=(*made.notes, note))
        if source.protocol is not None:
            day = desk.half_year.start(desk.city.profile.zone).date()
            made = replace(made, notes=(*made.notes, f"the source was asked for {day.isoformat()}."))
        file = desk.local(table_map.source, path, folder)
        return _on(desk, made, table_map, file, path, rows)
    except CitycheckError as error:
        return _with(made, str(error))


def _with(made: TableCheck, *problems: str) -> TableCheck:
    return replace(made, problems=(*made.problems, *problems))


def _of_half_year(table_map: TableMap, paths: list[str], half_year: HalfYear) -> str:
    """The first file of the half-year where the paths tell, else the first one."""
    if table_map.covers is None:
        return paths[0]
    wanted = landing.periods_in(table_map.covers.unit, half_year)
    named = [path for path in paths if _period(table_map, path) in wanted]
    return (named or paths)[0]


def _period(table_map: TableMap, path: str) -> str | None:
    assert table_map.covers is not None
    return landing._period_name(table_map.covers, path)


def _open_ends(table_map: TableMap) -> tuple[str, ...]:
    """What the profile itself leaves open."""
    told = []
    for name, column in table_map.columns.items():
        if OPEN in column.from_ or column.value == OPEN:
            told.append(f"{name}: nobody has said yet where it comes from. Put something in place of '?'.")
        given = [*column.values.values(), *(pattern.to for pattern in column.patterns)]
        if undecided := sum(to == OPEN for to in given):
            told.append(f"{name}: {undecided} texts become '?'. Say what they mean, or null for unknown.")
    return tuple(told)


def _too_late(desk: _Desk, table_map: TableMap) -> Iterator[str]:
    """Versions count up to the cut-off of their half-year."""
    version = table_map.columns.get("version_at")
    lag = timedelta(days=standard.lag_days(standard.stages()[0]))
    if version and version.received and desk.half_year.end(desk.city.profile.zone) + lag < desk.received_at:
        yield (
            "version_at is the time of receipt: nothing of a half-year whose cut-off is past will count; "
            "map it from the time of the report if the source keeps no time of change."
        )


# Rows --------------------------------------------------------------------------------------------------------------


def _on(desk: _Desk, made: TableCheck, table_map: TableMap, file: Path, path: str, rows: int) -> TableCheck:
    found = reading.columns(table_map, file, path)
    made, table_map = _without_absent(made, table_map, found)
    table, name = tables()[table_map.table], f"{table_map.source}/{path}"
    key = hashing.Key(secrets.token_bytes(32))  # what is shown can be compared with nothing
    with mapper(desk.work / "rows", _MEMORY, key, desk.city.profile.city) as connection:
        whole = reading.read(connection, table_map, file, path, desk.work / "rows", 0)
        try:
            connection.execute(f"create temp table head as select * from {whole.relation} limit {rows:d}")
            raw = replace(whole, relation="head")
            statement = compile_file(desk.city, table, table_map, raw, name, desk.received_at)
            connection.execute(f"create temp table tried as {statement.rows}")
            connection.execute(
                """
                create temp table unmapped as
                select pair.column_name as column_name, pair.value as value, count(*) as rows
                from (select unnest(unmapped) as pair from tried) group by all
                """
            )
            left_out = _one(connection, statement.out_of_scope) if statement.out_of_scope else 0
            columns = tuple(_columns(connection, desk.city, table_map, raw))
            guards = tuple(_guards(connection, table_map, desk.half_year))
            outside = tuple(_outside(connection, desk.city, table_map))
            told = tuple(_network(connection)) if table.name == "walking_edges" else ()
        except duckdb.Error as error:
            raise reading.unreadable(table_map, path, error, file) from None
        read = _one(connection, "select count(*) from head")
    named = reading._named(table_map)
    delimiter = None
    if table_map.format == "csv" and table_map.delimiter == "auto":
        delimiter = encodings.delimiter(file, reading._encoding(table_map, file))
    return replace(
        _with(made, *_undone(columns, read - left_out), *outside, *_lifted(guards)),
        rows=read,
        rows_out_of_scope=left_out,
        encoding=raw.encoding,
        delimiter=delimiter,
        columns=columns,
        not_taken=tuple(column for column in found if column not in named),
        guards=guards,
        notes=(*made.notes, *told),
    )


def _without_absent(
    made: TableCheck, table_map: TableMap, found: Sequence[str]
) -> tuple[TableCheck, TableMap]:
    """The entry without columns that the file cannot fill, so that the others are tried all the same."""
    kept = {}
    for name, column in table_map.columns.items():
        if column.from_ and not set(column.from_) & set(found):
            if OPEN in column.from_:
                continue  # told already
            needed = tables()[table_map.table].column(name).required
            if table_map.format in reading._RECORDS and not needed:
                kept[name] = column  # a record names only what it holds
                continue
            near = reading._nearest(column.from_[0], found)
            told = " or ".join(map(repr, column.from_))
            made = _with(made, f"{name}: the file has no column {told}{near}. Correct `from` in the profile.")
        else:
            kept[name] = column
    return made, table_map.model_copy(update={"columns": kept})


def _columns(
    connection: duckdb.DuckDBPyConnection, city: City, table_map: TableMap, raw: Raw
) -> Iterator[ColumnCheck]:
    """Each column of the lake that the entry fills, over the rows read."""
    table = tables()[table_map.table]
    used = [
        (column, table_map.columns[column.name])
        for column in table.columns
        if column.name in table_map.columns
    ]
    hidden = {source for column, about in used if column.protect for source in about.from_}
    pairs = [
        f"{_before(about, raw, bool(column.protect) or bool(hidden & set(about.from_)))}, {_after(column)}"
        for column, about in used
    ]
    rows = connection.execute(
        f"select tried.mapping_errors, {', '.join(pairs)} from tried join head using (source_row) order by source_row"
    ).fetchall()
    errors = Counter(error for row in rows if row[0] for error in row[0].split(";"))
    for number, (column, about) in enumerate(used):
        seen = Counter((row[2 * number + 1], row[2 * number + 2]) for row in rows)
        nulls = sum(rows for (_, after), rows in seen.items() if after is None)
        wrong = {
            told.partition(":")[0]: n for told, n in errors.items() if told.partition(":")[2] == column.name
        }
        is_hidden = bool(column.protect) or bool(hidden & set(about.from_))
        yield ColumnCheck(
            column.name,
            column.required,
            bool(column.protect),
            _origin(about),
            tuple(Example(*pair) for pair, _ in seen.most_common() if pair != (None, None))[:_EXAMPLES],
            nulls / len(rows) if rows else 1.0,
            wrong,
            () if is_hidden else _unmapped(connection, city, column.name, about),
        )


def _before(column: ColumnMap, raw: Raw, is_hidden: bool) -> str:
    """SQL for what the source says; null where nobody may see it."""
    sources = [f"head.{name_of(source)}" for source in column.from_ if source in raw.columns]
    if is_hidden or not sources:
        return "null"
    texts = ", ".join(f"nullif(trim({source}, {quoted(reading.BLANKS)}), '')" for source in sources)
    return f"nullif(concat_ws(' + ', {texts}), '')" if column.join is not None else f"coalesce({texts})"


def _after(target: Column) -> str:
    name = f"tried.{name_of(target.name)}"
    return f"case when {name} is not null then {quoted('a shape') if target.type == 'binary' else f'cast({name} as varchar)'} end"


def _origin(column: ColumnMap) -> str:
    if column.from_:
        return (" + " if column.join is not None else " or ").join(column.from_)
    if column.value is not None:
        return f"always {column.value}"
    return "the row's number" if column.row_number else "time of receipt" if column.received else "the shape"


def _unmapped(
    connection: duckdb.DuckDBPyConnection, city: City, name: str, column: ColumnMap
) -> tuple[Unmapped, ...]:
    """The texts as the maps see them: what `extract` leaves of them, and the parts of a list each."""
    text = "value"
    if column.extract:
        text = f"trim(regexp_extract(value, {quoted(column.extract)}, 1))"
    if column.separator is not None:
        text = f"trim(unnest(string_split({text}, {quoted(column.separator)})))"
    found = connection.execute(
        f"select {text} as text, rows from unmapped where column_name = {quoted(name)}"
    ).fetchall()
    known = set(column.values) | set(city.value_table(column.values_table) if column.values_table else ())
    if column.ignore_case:
        known = {value.lower() for value in known}
    counted: dict[str, int] = {}
    for value, rows in found:
        covered = (value.lower() if column.ignore_case else value) in known
        if value and not covered and not any(_matches(p.match, value, column) for p in column.patterns):
            counted[value] = counted.get(value, 0) + rows
    return tuple(Unmapped(*pair) for pair in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _matches(pattern: str, text: str, column: ColumnMap) -> bool:
    return re.fullmatch(pattern, text, re.IGNORECASE if column.ignore_case else 0) is not None


def _guards(
    connection: duckdb.DuckDBPyConnection, table_map: TableMap, half_year: HalfYear
) -> list[GuardCheck]:
    found = []
    for correction in table_map.corrections:
        guard = correction.guard
        known = [HalfYear.parse(text) for text in guard.half_years or ()]
        if known and not known[0] <= half_year <= known[1]:
            continue
        low, high = guard.between
        inside = f"(try_cast({name_of(guard.column)} as double) between {low!r} and {high!r})::integer"
        share = _one(connection, f"select coalesce(avg({inside}), 0) from head")
        found.append(GuardCheck(correction.reason, float(share), guard.share_min))
    return found


def _undone(columns: Sequence[ColumnCheck], rows: int) -> list[str]:
    told = [
        f"{column.name}: {sum(u.rows for u in column.unmapped)} rows have {len(column.unmapped)} texts that no map covers. "
        "Add them to `values`."
        for column in columns
        if column.unmapped
    ]
    for column in columns:
        wrong = {code: n for code, n in column.errors.items() if code != "unknown_code"}
        if sum(wrong.values()) > _WRONG_MAX * rows:
            listed = ", ".join(f"{code} {n / rows:.1%}" for code, n in wrong.items())
            told.append(f"{column.name}: of the rows read, {listed}. Look at its examples.")
    return told


def _outside(connection: duckdb.DuckDBPyConnection, city: City, table_map: TableMap) -> Iterator[str]:
    """Places that lie outside the city's box, where they are more than the gate lets pass."""
    box = city.profile.box
    shape, what = "st_geomfromwkb(geometry)", tables()[table_map.table]
    drawn = next((f"{column.shape}s" for column in what.columns if column.shape), "polygons")
    kinds = {
        "points": (("lon", "lat"), ("lon", "lon", "lat", "lat")),
        drawn: (("geometry",), [f"st_{side}({shape})" for side in ("xmin", "xmax", "ymin", "ymax")]),
    }
    for kind, (needed, (west, east, south, north)) in kinds.items():
        if not set(needed) <= set(table_map.columns):
            continue
        inside = (
            f"{west} >= {box.lon_min!r} and {east} <= {box.lon_max!r} "
            f"and {south} >= {box.lat_min!r} and {north} <= {box.lat_max!r}"
        )
        count, rows = connection.execute(
            f"select count(*) filter (not ({inside})), count(*) from tried"
        ).fetchall()[0]
        if count > (_LINES_OUTSIDE_MAX if kind == "lines" else _WRONG_MAX) * rows:
            yield (
                f"{count} of {rows} {kind} lie outside `box` ({count / rows:.1%}), and the gate would refuse them. "
                "Correct `box`, or say what the coordinates are."
            )


def _network(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What the rows read would be as a walking network; edges hang together only where they share an end."""
    import numpy as np
    import shapely
    from pyproj import Geod
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = connection.execute(
        "select from_node, to_node, length_m, geometry from tried where geometry is not null"
    ).fetchall()
    if not rows:
        return
    lines = [shapely.from_wkb(bytes(row[3])) for row in rows]
    geod = Geod(ellps="WGS84")
    length_m = np.array(
        [row[2] or geod.geometry_length(line) for row, line in zip(rows, lines, strict=True)], dtype=float
    )
    ends = [
        row[end] or ",".join(f"{degrees:.7f}" for degrees in line.coords[-end][:2])
        for end in (0, 1)
        for row, line in zip(rows, lines, strict=True)
    ]
    nodes, node = np.unique(np.array(ends, dtype=str), return_inverse=True)
    joined = coo_array((np.ones(len(rows)), (node[: len(rows)], node[len(rows) :])), shape=(len(nodes),) * 2)
    parts, part = connected_components(joined, directed=False)
    share = np.bincount(part[node[: len(rows)]], length_m).max() / max(length_m.sum(), 1e-9)
    yield (
        f"the rows read are {len(rows)} edges, {length_m.sum() / 1000:.1f} km, in {parts} part(s) that hang together; the "
        f"longest holds {share:.0%} of the length. Lines meet only where they share an end: with many short parts in a "
        "whole file, ask the source for lines that are split at junctions."
    )


def _lifted(guards: Sequence[GuardCheck]) -> list[str]:
    return [
        f'the correction "{guard.reason}" fits only {guard.share:.1%} of the rows read, expected at least '
        f"{guard.share_min:.1%}; the whole delivery decides."
        for guard in guards
        if not guard.holds
    ]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]
