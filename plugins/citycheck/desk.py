"""The analyst's desk: the marts of a half-year, read-only, on a connection that reaches nothing else.

`warehouse/<half-year>.duckdb` points to the published build. A build that is not published is opened by its id.
"""

from __future__ import annotations

import csv as csv_format
import io
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import yaml

from citycheck import duck
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, CitycheckError, NotReady
from citycheck.period import HalfYear
from citycheck.release.spreadsheet import safe
from citycheck.settings import settings
from citycheck.terminal import plain

T = TypeVar("T")

SCHEMAS = ("marts", "standard", "intermediate", "staging")
"""In the order in which a table is looked for that is named without its schema."""
_CLOSED = (
    "set python_enable_replacements = false",  # a variable of this program is no table
    "set enable_external_access = false",  # nothing but the marts is read, nothing at all is written
    "set lock_configuration = true",
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ALIAS = re.compile(r"alias='(\w+)'")
_HELP = """A query ends with ; and may have several lines. 查询以 ; 结尾。
.tables            the marts, and what a row of each is 数据表
.schema TABLE      its columns and types 列与类型
.docs TABLE        what it and its columns mean 说明
.quit              leave; Ctrl-D does, too 退出"""


def marts(city: str, half_year: str | None = None, build: str | None = None) -> Path:
    """The database of a half-year: the published one, or that of a build; by default the latest published.

    Raises `BadInput` for a city or half-year that cannot be, `NotReady` when nothing is there.
    """
    load_city(city)
    warehouse = settings().city_home(city).warehouse
    wanted = str(HalfYear.parse(half_year)) if half_year else "*"
    if build is not None:
        found = sorted(path for path in warehouse.glob(f"{wanted}/*/*.duckdb") if path.parent.name == build)
        lacking = f"no build {build!r} of {half_year or 'any half-year'} is there. `citycheck candidates` names those that wait"
    else:
        found = sorted(warehouse.glob(f"{wanted}.duckdb"))
        lacking = f"no marts of {half_year or 'any half-year'} are published. Publish a candidate, or open one with --build"
    found = [path for path in found if path.is_file()]
    if not found:
        raise NotReady(f"{warehouse}: {lacking}.")
    return found[-1]


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that can read the marts, and do nothing else."""
    with duck.connect(database, read_only=True) as connection:
        connection.execute(f"set search_path = '{','.join(SCHEMAS)}'")
        for setting in _CLOSED:
            connection.execute(setting)
        yield connection


def ask(connection: duckdb.DuckDBPyConnection, query: str, use: Callable[[duckdb.DuckDBPyRelation], T]) -> T:
    """What `use` makes of a query's answer. Raises `CitycheckError` with DuckDB's own words when it cannot be run."""
    try:
        answer = connection.sql(query)
        if answer is None:
            raise CitycheckError("This is not a query: expected one that gives rows. Correct it.")
        return use(answer)
    except duckdb.Error as error:
        said = " ".join(str(error).split())
        raise CitycheckError(
            f"The query cannot be run: {said}{'' if said[-1] in '.!?' else '.'} Correct it."
        ) from None


def shown(answer: duckdb.DuckDBPyRelation) -> None:
    """Print it as a table, whose signs DuckDB has made harmless; at most 200 rows."""
    answer.show(max_rows=200)


def records(answer: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """Its rows for JSON."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()]


def csv(answer: duckdb.DuckDBPyRelation) -> str:
    """Its rows as CSV, in which no cell is a formula for a spreadsheet."""
    file = io.StringIO()
    writer = csv_format.writer(file, lineterminator="\n")
    writer.writerow(safe(name) for name in answer.columns)
    for row in answer.fetchall():
        values = (plain(value) for value in row)
        writer.writerow(safe(value) if isinstance(value, str) else value for value in values)
    return file.getvalue()


@dataclass(frozen=True)
class Docs:
    """What dbt says of a table."""

    name: str
    description: str
    columns: dict[str, str]


@lru_cache
def docs() -> dict[str, Docs]:
    """Every described mart, model and seed of the project by the name of its table; of one name, the mart."""
    project = settings().dbt_project
    found = {}
    for pattern in (
        "seeds/*.yml",
        "models/staging/*.yml",
        "models/intermediate/**/*.yml",
        "models/marts/*.yml",
    ):
        for path in sorted(project.glob(pattern)):
            written = yaml.load(path.read_text("utf-8"), _LOADER) or {}
            sql = path.with_suffix(".sql")
            alias = _ALIAS.search(sql.read_text("utf-8")) if sql.is_file() else None
            for entry in [*written.get("models", []), *written.get("seeds", [])]:
                name = alias[1] if alias else entry["name"]
                columns = {
                    column["name"]: _line(column.get("description")) for column in entry.get("columns", [])
                }
                found[name] = Docs(name, _line(entry.get("description")), columns)
    return found


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The marts, each with its last sentence: what a row is."""
    names = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' order by all"
    ).fetchall()
    return [
        f"{name:24} {docs()[name].description.rstrip('.').split('. ')[-1] if name in docs() else ''}"
        for (name,) in names
    ]


def schema(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    """Columns and types of a table, looked for as a query would. Raises `BadInput` when there is none."""
    place, _, table = name.rpartition(".")
    for schema_name in [place] if place in SCHEMAS else SCHEMAS:
        columns = connection.execute(
            "select column_name, data_type from information_schema.columns "
            "where table_schema = ? and table_name = ? order by ordinal_position",
            [schema_name, table],
        ).fetchall()
        if columns:
            return [(str(column), str(type_)) for column, type_ in columns]
    raise BadInput(f"There is no table {name!r} in {', '.join(SCHEMAS)}. `.tables` names the marts.")


def command(connection: duckdb.DuckDBPyConnection, line: str) -> list[str]:
    """What a line that begins with a dot is answered with. Raises `BadInput` when it is none of ours."""
    name, _, table = line.strip().rstrip(";").partition(" ")
    table = table.strip()
    match name:
        case ".tables":
            return tables(connection)
        case ".schema" if table:
            return [f"{column:36} {type_}" for column, type_ in schema(connection, table)]
        case ".docs" if table:
            columns = schema(connection, table)
            about = docs().get(table.rpartition(".")[2], Docs(table, "", {}))
            return [about.description, ""] + [
                f"{column:36} {about.columns.get(column, '')}" for column, _ in columns
            ]
        case ".help":
            return [_HELP]
    raise BadInput(
        f"{line.strip()!r} is no command here: expected .tables, .schema TABLE, .docs TABLE, .help or .quit."
    )


def prompt(connection: duckdb.DuckDBPyConnection, read: Callable[[str], str] = input) -> None:
    """Answer line after line until the end of the input or `.quit`; what is wrong is told, and the next line read."""
    with suppress(ImportError):
        import readline  # noqa: F401  # arrows and history in `input`
    print(_HELP)
    query = ""
    while True:
        try:
            line = read("...> " if query else "sql> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            query = ""
            continue
        if not query and line.strip().rstrip(";") in (".quit", ".exit"):
            return
        try:
            if not query and line.lstrip().startswith("."):
                print("\n".join(command(connection, line)))
                continue
            query = f"{query}\n{line}".strip()
            if query.endswith(";"):
                asked, query = query, ""
                ask(connection, asked, shown)
        except CitycheckError as error:
            print(error)


def attach(database: Path) -> dict[str, str]:
    """How other programs open a database, read-only."""
    path = str(database.absolute())
    quoted = json.dumps(path, ensure_ascii=False)
    return {
        "duckdb": f"duckdb -readonly {shlex.quote(path)}",
        "python": f"duckdb.connect({quoted}, read_only=True).sql('from marts.county_index').df()",
        "r": f"DBI::dbGetQuery(DBI::dbConnect(duckdb::duckdb(), dbdir = {quoted}, read_only = TRUE), "
        '"from marts.county_index")',
        "dbeaver": f"jdbc:duckdb:{path}, with the driver property duckdb.read_only = true",
    }


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
