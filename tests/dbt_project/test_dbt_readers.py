"""Who reads the marts (exposures), and the metrics that tools ask for."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
import yaml
from small_city import PROJECT, ROOT, Build, seed

from citycheck.release.bundle import GEOMETRY, TABLES

METRICS = yaml.safe_load((PROJECT / "models/metrics.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def manifest(build: Build) -> dict[str, Any]:
    return json.loads((build.target / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def read(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Exposure → the tables that it reads."""
    nodes = manifest["nodes"]
    return {
        exposure["name"]: {nodes[node]["alias"] for node in exposure["depends_on"]["nodes"] if node in nodes}
        for exposure in manifest["exposures"].values()
    }


def test_every_mart_has_a_reader(manifest: dict[str, Any], read: dict[str, set[str]]) -> None:
    marts = {node["alias"] for node in manifest["nodes"].values() if node.get("schema") == "marts"}
    assert len(marts) > 40
    assert marts - set().union(*read.values()) == set()


def test_the_bundle_is_told_as_it_is(read: dict[str, set[str]]) -> None:
    assert read["release_bundle"] == {*TABLES, GEOMETRY}


def test_the_readers_are_those_that_there_are(read: dict[str, set[str]]) -> None:
    assert {
        "release_page",
        "workbook",
        "bulletin",
        "http_api",
        "county_ranking_notebook",
        "repair_watch",
    } <= set(read)
    notebook = (PROJECT.parent / "notebooks/county_ranking.ipynb").read_text(encoding="utf-8")
    assert (
        set(re.findall(r"(?:marts|standard)\.(\w+)", notebook)) - {"sql"} == read["county_ranking_notebook"]
    )


@pytest.mark.parametrize("model", METRICS["semantic_models"], ids=lambda model: model["name"])
def test_every_dimension_and_measure_is_a_column_that_there_is(
    model: dict[str, Any], build: Build, manifest: dict[str, Any]
) -> None:
    name = re.fullmatch(r"ref\('(\w+)'\)", model["model"])[1]
    table = manifest["nodes"][f"model.citycheck.{name}"]["alias"]
    parts = [*model["entities"], *model["dimensions"], *model.get("measures", [])]
    assert build.rows(
        f"select {', '.join(part.get('expr', part['name']) for part in parts)} from marts.{table} limit 1"
    )


def test_a_half_year_ends_on_its_last_day(build: Build) -> None:
    [ends] = [d["expr"] for d in METRICS["semantic_models"][0]["dimensions"] if d["name"] == "half_year_end"]
    found = build.rows(f"select {ends} from (values ('2025H2'), ('2026H1')) as t (half_year) order by 1")
    assert found == [(dt.date(2025, 12, 31),), (dt.date(2026, 6, 30),)]


def test_the_metrics_tell_index_dimensions_and_indicators_apart() -> None:
    filters = {metric["name"]: metric.get("filter", "") for metric in METRICS["metrics"]}
    assert re.findall(r"'([A-Z]{3})'", filters["dimension_score"]) == [
        row["dimension_code"] for row in seed("dimensions")
    ]
    assert all("-" in row["indicator_code"] for row in seed("indicators"))
    assert "'index'" in filters["index_score"] and "'%-%'" in filters["indicator_score"]


def test_the_manual_leads_to_the_description_of_every_mart() -> None:
    manual = (ROOT / "docs/marts.md").read_text(encoding="utf-8")
    described = {path.stem for path in (PROJECT / "models/marts").glob("*.yml")}
    assert set(re.findall(r"\]\(\.\./dbt_project/models/marts/(\w+)\.yml\)", manual)) == described
