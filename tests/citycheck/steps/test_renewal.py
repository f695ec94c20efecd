"""The step's errors; what it finds is tested on a built city in tests/dbt_project/test_dbt_programme.py."""

from __future__ import annotations

import duckdb
import pytest

from citycheck.errors import BadInput, NotReady
from citycheck.steps import renewal


def test_without_marts_nothing_is_found(tmp_path):
    with pytest.raises(NotReady, match=r"the marts are not built\. Run the task `dbt_build` first\."):
        renewal.run(tmp_path / "2026H1.duckdb", tmp_path / "access", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_half_year_from_before_there_were_candidates_is_told(tmp_path):
    database = tmp_path / "2026H1.duckdb"
    duckdb.connect(str(database)).close()
    with pytest.raises(
        BadInput, match=r"^2026H1: this half-year knows of no candidates yet\. Build it again"
    ):
        renewal.ask(database, "index_points", 1e6)


def test_a_file_for_each_relation(tmp_path):
    assert {name: path.name for name, path in renewal.files(tmp_path).items()} == {
        name: f"{name}.parquet" for name in renewal.SCHEMAS
    }
