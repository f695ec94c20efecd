"""data_dictionary.csv: every column of every table, from dbt's metadata."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from citycheck.release.flat import Resource, resource
from citycheck.release.spreadsheet import safe
from citycheck.release.tables import Column, Table

FILE = "data_dictionary.csv"
COLUMNS = {
    "table": "Table, as its files in tables/ are named",
    "column": "Column",
    "name_zh": "What the column is called in Chinese, where the workbook has it",
    "type": "Type in the words of the Frictionless Table Schema",
    "unit": "Unit, where the name of the column tells one",
    "description": "What the column holds, as the model describes it",
    "key": "Position in the key of the table, from 1; empty outside it",
    "is_required": "Whether it always has a value",
    "allowed_values": "What it may hold, with bars between; empty where that is not fixed",
    "status_columns": "The columns that tell the status of this value: whether it is missing, provisional or kept back",
}
_STATUSES = ("obs_status", "conf_status")


def dictionary(tables: Iterable[Table], names_zh: Mapping[str, str]) -> list[dict[str, str]]:
    """One row a column, in the order of the tables and of their columns."""
    return [
        {
            "table": table.name,
            "column": column.name,
            "name_zh": names_zh.get(column.name, ""),
            "type": column.field_type,
            "unit": column.unit,
            "description": column.description,
            "key": str(table.key.index(column.name) + 1) if column.name in table.key else "",
            "is_required": str(column.is_required or column.name in table.key).lower(),
            "allowed_values": "|".join(column.values),
            "status_columns": "|".join(s for s in _STATUSES if table.has(s) and _is_value(table, column)),
        }
        for table in tables
        for column in table.columns
    ]


def write_dictionary(entries: list[dict[str, str]], folder: Path) -> Resource:
    """Write it beside the page; answers with its entry in the data package."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([safe(value) for value in entry.values()] for entry in entries)
    (folder / FILE).write_bytes(text.getvalue().encode("utf-8-sig"))
    of = Table(
        "data_dictionary",
        "数据字典 / Every column of every table. One row per table and column.",
        tuple(
            Column(name, "BOOLEAN" if name == "is_required" else "VARCHAR", about)
            for name, about in COLUMNS.items()
        ),
        ("table", "column"),
    )
    as_resource = resource(folder, FILE, of.name, of.description)
    return as_resource | {"profile": "tabular-data-resource", "encoding": "utf-8", "schema": of.schema}


def _is_value(table: Table, column: Column) -> bool:
    """Whether a column holds a figure that the statuses of its row tell of."""
    return column.field_type in ("number", "integer") and column.name not in table.key
