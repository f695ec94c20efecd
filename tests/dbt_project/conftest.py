"""Fixtures: the small city, and the dbt project built on it once a test session."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_city import Build, SmallCity, run_dbt


@pytest.fixture(scope="session")
def small_city() -> SmallCity:
    """The lake's rows of the small city."""
    return SmallCity()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, small_city: SmallCity) -> Build:
    """The whole project built once on the small city."""
    return run_dbt(tmp_path_factory.mktemp("dbt"), small_city)


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Build]:
    """Run `dbt build` on another city: dbt(city, '--select', 'model', half_year='2025H2')."""

    def run(city: SmallCity, *arguments: str, **variables: Any) -> Build:
        return run_dbt(tmp_path_factory.mktemp("dbt"), city, *arguments, **variables)

    return run


@pytest.fixture(scope="session")
def walked(dbt: Callable[..., Build]) -> Build:
    """The same city with streets, so that walks are the headline."""
    return dbt(SmallCity(has_streets=True), "--exclude-resource-type", "unit_test")
