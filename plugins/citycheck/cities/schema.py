"""The profile's JSON schema, for editors: what may stand where, and what each key and each column of the lake means.

`docs/profile.schema.json` is this, written down; `citycheck city schema` prints it. Some rules a schema cannot tell
(a time zone that exists, a source that is declared): `citycheck city check` does.
"""

from __future__ import annotations

import json
from typing import Any

from citycheck import standard
from citycheck.cities.profile import PROTOCOLS, TIME_WORDS, UNITS_M2, Profile
from citycheck.lake.tables import Table, tables
from citycheck.quality.suite import REASON_CODES

ID = "https://json-schema.org/draft/2020-12/schema"
_ORIGINS = ("from", "value", "row_number", "received", "geometry")
_HALF_YEAR = {"type": "string", "pattern": "^[0-9]{4}H[12]$"}


def schema() -> dict[str, Any]:
    """The schema of `profile.yml`, as JSON Schema 2020-12."""
    made = Profile.model_json_schema(by_alias=True)
    parts = made.pop("$defs")
    _column(parts["ColumnMap"])
    _table(parts["TableMap"])
    _source(parts["Source"])
    parts["Tolerance"]["properties"]["table"]["enum"] = list(tables())
    parts["Tolerance"]["properties"]["reason_code"]["enum"] = list(REASON_CODES)
    properties = made["properties"]
    properties["half_years"]["prefixItems"] = [_HALF_YEAR, {"anyOf": [_HALF_YEAR, {"type": "null"}]}]
    properties["demo_half_years"]["items"] = _HALF_YEAR
    properties["calendar"]["enum"] = standard.codes("calendars", "calendar_code")
    properties["provided_kinds"]["items"] = {
        "oneOf": [
            {"const": row["kind_code"], "description": f"{row['name_en']} {row['name_zh']}"}
            for row in standard.seed("facility_kinds")
        ]
    }
    head = {"$schema": ID, "$id": "profile.schema.json", "title": "City profile of citycheck"}
    whole = _without_titles({**made, "$defs": parts})
    return head | {key: value for key, value in whole.items() if key not in head}


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _column(part: dict[str, Any]) -> None:
    properties = part["properties"]
    form = {"type": "string", "pattern": f"%|^({'|'.join(TIME_WORDS)})$"}
    for name, item in (("from", {"type": "string"}), ("time", form)):
        properties[name] = {
            "description": properties[name].get("description", "The source's column, or several in order."),
            "anyOf": [item, {"type": "array", "items": item}],
        }
    properties["unit"] |= {"anyOf": [{"enum": list(UNITS_M2)}, {"type": "null"}]}
    part["oneOf"] = [{"required": [origin]} for origin in _ORIGINS]
    part["not"] = {"required": ["times", "unit"]}


def _table(part: dict[str, Any]) -> None:
    """By the table's name, which columns it has and which of them must be there."""
    part["properties"]["table"]["enum"] = list(tables())
    part["allOf"] = [
        {
            "if": {"properties": {"table": {"const": name}}, "required": ["table"]},
            "then": {"properties": {"columns": _columns(table)}},
        }
        for name, table in tables().items()
    ]


def _columns(table: Table) -> dict[str, Any]:
    return {
        "description": table.grain,
        "properties": {
            column.name: {"$ref": "#/$defs/ColumnMap", "description": f"{column.description} ({column.type})"}
            for column in table.columns
        },
        "required": [column.name for column in table.columns if column.required],
        "additionalProperties": False,
    }


def _source(part: dict[str, Any]) -> None:
    """One place: files (a folder, pinned addresses, a generator), or one protocol with its hosts."""
    files = [{"required": [name]} for name in ("folder", "pinned", "generator")]
    part["oneOf"] = [{"anyOf": files}, *({"required": [protocol]} for protocol in PROTOCOLS)]
    part["dependentRequired"] = {protocol: ["hosts"] for protocol in PROTOCOLS}


def _without_titles(part: Any) -> Any:
    """Without the titles that pydantic makes from names: they say nothing new."""
    if isinstance(part, list):
        return [_without_titles(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {name: _without_titles(inner) for name, inner in value.items()}
        if key in ("properties", "$defs")
        else _without_titles(value)
        for key, value in part.items()
        if not (key == "title" and isinstance(value, str))
    }
