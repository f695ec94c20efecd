"""What dbt's manifest of a build says of its models, seeds and sources: columns, tests and lineage.

Descriptions and SQL are text of others: they are to be escaped. Knows nothing of Airflow, and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from citycheck.steps.index import Build

KINDS = ("model", "seed", "source")
"""What has a page of its own."""


@dataclass(frozen=True)
class Test:
    """A data test, a unit test, or a constraint of the contract."""

    name: str
    severity: str
    about: str


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    about: str
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Link:
    """A neighbour in the lineage."""

    unique_id: str
    name: str
    kind: str
    about: str
    is_page: bool


@dataclass(frozen=True)
class Model:
    unique_id: str
    name: str
    kind: str
    layer: str
    about: str
    path: str
    materialized: str
    columns: tuple[Column, ...] = ()
    tests: tuple[Test, ...] = ()
    """Those that are about more than one column."""
    parents: tuple[Link, ...] = ()
    children: tuple[Link, ...] = ()
    sql: str = ""


@dataclass(frozen=True)
class Project:
    models: Mapping[str, Model] = field(default_factory=dict)

    @property
    def layers(self) -> dict[str, list[Model]]:
        """What others may query first, what it is made of after it."""
        order = ("marts", "intermediate", "staging", "seeds", "sources")
        found: dict[str, list[Model]] = {}
        for model in sorted(self.models.values(), key=lambda model: model.name):
            found.setdefault(model.layer, []).append(model)
        return {
            layer: found[layer]
            for layer in sorted(
                found, key=lambda name: (order.index(name) if name in order else len(order), name)
            )
        }


def project(build: Build) -> Project | None:
    """All that has a page, or None when dbt's manifest is not there or is damaged."""
    path = build.dbt_target / "manifest.json"
    try:
        changed = path.stat()
        return _project(path, changed.st_mtime_ns, changed.st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=4)
def _project(path: Path, changed_ns: int, size_bytes: int) -> Project:
    """Read once for each state of the file: it has some megabytes."""
    written = json.loads(path.read_text(encoding="utf-8"))
    groups = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")
    entries: dict[str, Any] = {
        name: entry for group in groups for name, entry in (written.get(group) or {}).items()
    }
    parents, children = written.get("parent_map") or {}, written.get("child_map") or {}
    found = {}
    for name, entry in entries.items():
        if name.split(".")[0] in KINDS:
            tests = [
                entries[child] for child in children.get(name, []) if _is_test(child) and child in entries
            ]
            found[name] = _model(name, entry, tests, entries, parents.get(name, []), children.get(name, []))
    return Project(found)


def _model(
    unique_id: str,
    entry: Mapping[str, Any],
    tests: list[Mapping[str, Any]],
    entries: Mapping[str, Any],
    parents: list[str],
    children: list[str],
) -> Model:
    of_columns: dict[str, list[Test]] = {}
    of_all: list[Test] = []
    for test in tests:
        own = test.get("attached_node") in (None, unique_id)
        column = str(test.get("column_name") or "")
        (of_columns.setdefault(column, []) if column and own else of_all).append(_test(test))
    columns = tuple(
        Column(
            name,
            str(column.get("data_type") or ""),
            str(column.get("description") or ""),
            (*_constraints(column), *of_columns.get(name, ())),
        )
        for name, column in (entry.get("columns") or {}).items()
    )
    kind = unique_id.split(".")[0]
    return Model(
        unique_id,
        str(entry.get("name", unique_id)),
        kind,
        _layer(kind, entry),
        str(entry.get("description") or "").strip(),
        str(entry.get("original_file_path") or ""),
        str((entry.get("config") or {}).get("materialized") or ""),
        columns,
        tuple(of_all),
        tuple(_links(parents, entries)),
        tuple(_links([child for child in children if not _is_test(child)], entries)),
        str(entry.get("raw_code") or "").strip(),
    )


def _layer(kind: str, entry: Mapping[str, Any]) -> str:
    if kind != "model":
        return f"{kind}s"
    parts = str(entry.get("original_file_path") or "").split("/")
    return parts[1] if len(parts) > 2 else "models"


def _links(names: list[str], entries: Mapping[str, Any]) -> list[Link]:
    """What has a page first."""
    found = [
        Link(
            name,
            str(entries.get(name, {}).get("name") or name),
            name.split(".")[0],
            str(entries.get(name, {}).get("description") or ""),
            name in entries and name.split(".")[0] in KINDS,
        )
        for name in dict.fromkeys(names)
    ]
    return sorted(found, key=lambda link: (not link.is_page, link.unique_id))


def _is_test(unique_id: str) -> bool:
    return unique_id.startswith(("test.", "unit_test."))


def _constraints(column: Mapping[str, Any]) -> list[Test]:
    """What the contract holds, which the database checks."""
    return [Test(str(one.get("type") or ""), "contract", "") for one in column.get("constraints") or []]


def _test(entry: Mapping[str, Any]) -> Test:
    metadata = entry.get("test_metadata") or {}
    asked = {
        key: value
        for key, value in (metadata.get("kwargs") or {}).items()
        if key not in ("model", "column_name") and not str(value).startswith("{{")
    }
    told = ", ".join(f"{key}: {value}" for key, value in asked.items())
    name = str(metadata.get("name") or entry.get("name") or "")
    severity = str((entry.get("config") or {}).get("severity") or "").lower()
    return Test(
        name,
        "unit" if entry.get("resource_type") == "unit_test" else severity,
        str(entry.get("description") or told),
    )
