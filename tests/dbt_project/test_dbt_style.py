"""House rules of the models: described to the last column, portable, and without a clock of their own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from small_city import FOR_STEPS, PROJECT, ROOT, Build

SQL_FILES = sorted((PROJECT / "models").rglob("*.sql"))
FORBIDDEN = {
    r"::": "cast() instead of ::",
    r"target\.(type|name)": "a dispatched macro instead of a question about the target",
    r"\b(now|today|current_date|current_timestamp)\b\s*\(?": "a variable instead of the clock",
    r"\b(st_\w+|epoch_us|epoch|quantile_cont|median|struct_pack)\s*\(": "a dispatched macro of macros/",
}


@pytest.fixture(scope="module")
def models(build: Build) -> dict[str, dict[str, Any]]:
    manifest = json.loads((build.target / "manifest.json").read_text(encoding="utf-8"))
    return {node["alias"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_model_is_portable_sql_beside_its_properties(path: Any) -> None:
    without_macros = re.sub(r"\{\{.*?\}\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    sql = re.sub(r"--.*", "", without_macros)
    found = [advice for pattern, advice in FORBIDDEN.items() if re.search(pattern, sql)]
    assert not found, f"{path.name}: use {found[0]}"
    assert path.with_suffix(".yml").exists()


def test_every_model_says_its_grain(models: dict[str, dict[str, Any]]) -> None:
    last_sentences = {
        name: node["description"].strip().rstrip(".").split(". ")[-1] for name, node in models.items()
    }
    without = [name for name, sentence in last_sentences.items() if not sentence.startswith("One row")]
    assert not without


def test_every_column_is_described(build: Build, models: dict[str, dict[str, Any]]) -> None:
    sql = """
        select table_schema, table_name, column_name from information_schema.columns
        where table_schema in ('staging', 'intermediate', 'marts') order by all
    """
    columns = build.rows(sql)
    assert columns
    undescribed = [
        f"{schema}.{table}.{column}"
        for schema, table, column in columns
        if not models[table]["columns"].get(column, {}).get("description")
    ]
    assert not undescribed


def test_marts_have_enforced_contracts(models: dict[str, dict[str, Any]]) -> None:
    marts = {name: node for name, node in models.items() if node["schema"] == "marts"}
    assert {"communities", "facilities", "demand_access"} <= set(marts)
    assert [name for name, node in marts.items() if not node["config"]["contract"]["enforced"]] == []


def test_severities_are_error_or_warn(build: Build) -> None:
    manifest = json.loads((build.target / "manifest.json").read_text(encoding="utf-8"))
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert {node["config"]["severity"].lower() for node in tests} <= {"error", "warn"}


@pytest.mark.parametrize("step", ["access", "statistics"])
def test_what_a_step_reads_is_built_whatever_models_are_chosen(step: str) -> None:
    source = (ROOT / f"plugins/citycheck/steps/{step}.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\b(?:standard|staging|intermediate)\.(\w+)", source))
    assert len(read) >= 5
    assert read <= set(FOR_STEPS.replace("+", "").split())
