"""What dbt's manifest says of models: columns, tests, lineage. Without Airflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from citycheck.steps.index import Build
from citycheck.web import models

AREAS, COUNTY = "model.citycheck.areas", "model.citycheck.county_index"


@pytest.fixture
def project(build: Build) -> models.Project:
    found = models.project(build)
    assert found is not None
    return found


def test_a_model_with_its_columns_tests_and_neighbours(project: models.Project) -> None:
    areas = project.models[AREAS]
    assert (areas.layer, areas.about) == ("marts", "Areas <b>of</b> a city.")
    assert [(column.name, column.type, [test.name for test in column.tests]) for column in areas.columns] == [
        ("area_id", "varchar", ["not_null", "unique"])
    ]
    assert [link.name for link in areas.children] == ["county_index", "desk"]
    assert [link.is_page for link in areas.children] == [True, False]
    assert AREAS in [link.unique_id for link in project.models[COUNTY].parents]


def test_marts_come_first(project: models.Project) -> None:
    assert next(iter(project.layers)) == "marts"


@pytest.mark.parametrize("written", [None, "{", "[]", json.dumps({"nodes": {"model.x.y": 1}})])
def test_a_build_without_a_manifest_has_none(build: Build, written: Any) -> None:
    path = build.dbt_target / "manifest.json"
    path.unlink() if written is None else path.write_text(written)
    assert models.project(build) is None
