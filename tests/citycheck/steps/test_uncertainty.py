"""The step's errors; what it draws is tested on a built city in tests/dbt_project/test_dbt_uncertainty.py."""

from __future__ import annotations

import pytest

from citycheck.errors import NotReady
from citycheck.steps import uncertainty


def test_without_marts_nothing_is_drawn(tmp_path):
    with pytest.raises(NotReady, match=r"the marts are not built\. Run the task `dbt_build` first\."):
        uncertainty.run(tmp_path / "2026H1.duckdb", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_for_each_relation(tmp_path):
    assert {name: path.name for name, path in uncertainty.files(tmp_path).items()} == {
        name: f"{name}.parquet" for name in uncertainty.SCHEMAS
    }
