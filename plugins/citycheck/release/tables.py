"""The tables of a release as dbt knows them: their words, columns, keys, and what its tests promise of each column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from citycheck.errors import BadInput

_FIELD_TYPES = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DECIMAL": "number",
    "DOUBLE": "number",
    "FLOAT": "number",
    "REAL": "number",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "datetime",
    "VARCHAR": "string",
} | dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT"), "integer")
MOMENT = "%Y-%m-%d %H:%M:%S"
"""How moments (in UTC) stand in CSV: Excel and WPS read it as a time, and not the T and Z of ISO 8601."""
_UNITS = (
    ("_per_1000", "per 1,000 residents"),
    ("_pct_points", "percentage points"),
    ("_pct", "%"),
    ("_points", "points"),
    ("_m2", "m²"),
    ("_m", "m"),
    ("_km", "km"),
    ("_working_hours", "working hours"),
    ("_hours", "hours"),
    ("_minutes", "minutes"),
    ("_days", "days"),
    ("_lon", "degrees"),
    ("_lat", "degrees"),
    ("_score", "points"),
)


@dataclass(frozen=True)
class Column:
    """A column of a published table; `type` is DuckDB's."""

    name: str
    type: str
    description: str
    is_required: bool = False
    is_unique: bool = False
    values: tuple[str, ...] = ()
    """What it may hold, where dbt tests it; empty where it does not."""

    @property
    def field_type(self) -> str:
        """The type in the words of the Table Schema."""
        return _FIELD_TYPES.get(self.type.split("(")[0], "any")

    @property
    def unit(self) -> str:
        """The unit that the name tells, also before `_low`, `_euclidean` and the like; empty when it tells none."""
        if self.field_type not in ("number", "integer"):
            return ""
        name = re.sub(
            "_(low|high|euclidean|network|standard|now|before_published|before_recomputed)$", "", self.name
        )
        if name.startswith("score_"):
            return "points"
        return next((unit for ending, unit in _UNITS if name.endswith(ending) or name == ending[1:]), "")

    @property
    def field(self) -> dict[str, Any]:
        """Its entry in a Table Schema."""
        field: dict[str, Any] = {"name": self.name, "type": self.field_type, "description": self.description}
        if self.field_type == "datetime":
            field["format"] = MOMENT
        constraints: dict[str, Any] = {}
        if self.is_required:
            constraints["required"] = True
        if self.is_unique:
            constraints["unique"] = True
        if self.values and self.field_type == "string":
            constraints["enum"] = list(self.values)
        return field | ({"constraints": constraints} if constraints else {})


@dataclass(frozen=True)
class Table:
    """A mart as it is published."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def order_by(self) -> str:
        """A total order: the key, then every other column that can be compared."""
        rest = [c.name for c in self.columns if c.name not in self.key and c.type != "GEOMETRY"]
        return ", ".join(f"{quoted(name)} nulls last" for name in (*self.key, *rest))

    @property
    def schema(self) -> dict[str, Any]:
        return {"fields": [column.field for column in self.columns]} | (
            {"primaryKey": list(self.key)} if self.key else {}
        )

    def has(self, column: str) -> bool:
        return any(c.name == column for c in self.columns)


def read_tables(
    connection: duckdb.DuckDBPyConnection, dbt_manifest: Path, names: Sequence[str]
) -> dict[str, Table]:
    """The named marts, with their words from dbt and their columns from the build. Raises `BadInput` when they disagree."""
    try:
        manifest = json.loads(dbt_manifest.read_text(encoding="utf-8"))
        nodes = list(manifest["nodes"].values())
    except (ValueError, KeyError, AttributeError):
        raise BadInput(f"{dbt_manifest}: expected dbt's manifest.json. Run the build again.") from None
    marts = {n["alias"]: n for n in nodes if n["resource_type"] == "model" and n["schema"] == "marts"}
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for node in nodes:
        if node["resource_type"] == "test" and node.get("test_metadata"):
            tests.setdefault(node.get("attached_node"), []).append(node)
    built: dict[str, dict[str, str]] = {}
    for name, column, type_ in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'marts' order by all"
    ).fetchall():
        built.setdefault(name, {})[column] = type_.split("('OGC")[0]

    tables = {}
    for name in names:
        if name not in marts or name not in built:
            where = dbt_manifest if name not in marts else "the build"
            raise BadInput(
                f"{where}: the mart {name} is missing and a release needs it. Run the whole dbt build again."
            )
        model = marts[name]
        if set(model["columns"]) != set(built[name]):
            differing = ", ".join(sorted(set(model["columns"]) ^ set(built[name])))
            raise BadInput(
                f"{dbt_manifest}: the columns of the mart {name} differ from the build's ({differing}). "
                "Run the whole dbt build again."
            )
        of = tests.get(model["unique_id"], [])
        columns = tuple(_column(about, built[name][column], of) for column, about in model["columns"].items())
        tables[name] = Table(name, one_line(model.get("description")), columns, _key(model, of))
    return tables


def _column(about: Mapping[str, Any], type_: str, tests: Iterable[Mapping[str, Any]]) -> Column:
    """A column with what dbt holds it to; a test of some rows only, or one that only warns, promises nothing."""
    promised = {constraint["type"] for constraint in about.get("constraints") or []}
    values: tuple[str, ...] = ()
    for test in tests:
        of, config = test["test_metadata"], test.get("config") or {}
        sure = not config.get("where") and str(config.get("severity", "error")).lower() == "error"
        if sure and of["kwargs"].get("column_name") == about["name"]:
            promised.add(of["name"])
            if of["name"] == "accepted_values":
                values = tuple(map(str, of["kwargs"]["values"]))
    return Column(
        about["name"],
        type_,
        one_line(about.get("description")),
        is_required=bool(promised & {"not_null", "primary_key"}),
        is_unique=bool(promised & {"unique", "primary_key"}),
        values=values,
    )


def _key(model: Mapping[str, Any], tests: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The grain of a mart as dbt knows it: its primary key, else the columns of its uniqueness test."""
    for constraint in model.get("constraints") or []:
        if constraint["type"] == "primary_key" and constraint.get("columns"):
            return tuple(constraint["columns"])
    for name, column in model["columns"].items():
        if any(constraint["type"] == "primary_key" for constraint in column.get("constraints") or []):
            return (name,)
    for test in tests:
        if "unique" in test["test_metadata"]["name"]:
            arguments = test["test_metadata"]["kwargs"]
            names = ("combination_of_columns", "columns", "column_names")
            several = next((arguments[name] for name in names if arguments.get(name)), None)
            if several or arguments.get("column_name"):
                return tuple(several or [arguments["column_name"]])
    return ()


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())
