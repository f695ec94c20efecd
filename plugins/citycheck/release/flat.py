"""One table as parquet, exact, for programs, and as CSV, for spreadsheets; and the entry of a file in the data package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from citycheck.release.checksums import sha256
from citycheck.release.spreadsheet import csv_cell
from citycheck.release.tables import MOMENT, Column, Table, quoted

Resource = dict[str, Any]
MEDIA_TYPES = {
    "css": "text/css",
    "csv": "text/csv",
    "gpkg": "application/geopackage+sqlite3",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MARK = b"\xef\xbb\xbf"
"""Without it Excel reads UTF-8 as the code page of the computer, and Chinese is lost."""


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> list[Resource]:
    """One mart as parquet and as CSV below `folder`/tables; answers with their entries in the data package."""
    (folder / "tables").mkdir(exist_ok=True)
    source = f"marts.{quoted(table.name)} order by {table.order_by}"
    columns = ", ".join(quoted(column.name) for column in table.columns)
    parquet, csv = f"tables/{table.name}.parquet", f"tables/{table.name}.csv"
    copy_parquet(connection, f"select {columns} from {source}", folder / parquet)
    cells = ", ".join(f"{_cell(column)} as {quoted(column.name)}" for column in table.columns)
    write_csv(connection, f"select {cells} from {source}", folder / csv)
    as_csv = resource(folder, csv, table.name, table.description) | csv_of(table)
    as_parquet = resource(folder, parquet, f"{table.name}_parquet", table.description)
    return [as_csv, as_parquet | {"schema": table.schema}]


def write_csv(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """CSV as Excel and WPS open it by a double click: marked UTF-8, commas, lines that end in CR LF (RFC 4180)."""
    without_mark = path.with_name(f"{path.name}.tmp")
    _copy(connection, query, without_mark, "format csv, header true, new_line '\\r\\n'")
    with path.open("wb") as marked, without_mark.open("rb") as plain:
        marked.write(_MARK)
        shutil.copyfileobj(plain, marked)
    without_mark.unlink()


def copy_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """What a query answers, as parquet; geometries as GeoParquet."""
    _copy(connection, query, path, "format parquet, compression zstd")


def csv_of(table: Table) -> Resource:
    """What the data package says of a CSV."""
    return {"profile": "tabular-data-resource", "encoding": "utf-8", "schema": table.schema}


def resource(folder: Path, path: str, name: str, title: str) -> Resource:
    """The entry of a file in the data package, with its size and hash. A validator reads the rows of CSV only."""
    format_ = path.rsplit(".", 1)[1]
    return ({} if format_ == "csv" else {"type": "file"}) | {
        "name": name.replace("_", "-"),
        "path": path,
        "title": title,
        "format": format_,
        "mediatype": MEDIA_TYPES[format_],
        "bytes": (folder / path).stat().st_size,
        "hash": f"sha256:{sha256(folder / path)}",
    }


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> list[Resource]:
    """What a query answers, by column."""
    result = connection.execute(query, list(parameters))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _cell(column: Column) -> str:
    name = quoted(column.name)
    if column.field_type == "string":
        return csv_cell(name)
    if column.field_type == "datetime":
        return f"strftime({name}, '{MOMENT}')"
    return name


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, options: str) -> None:
    connection.execute("copy ({}) to '{}' ({})".format(query, str(path).replace("'", "''"), options))
