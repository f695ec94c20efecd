"""The notebook makes the ranking of the counties again, and fails when the marts say something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import nbclient
import nbformat
import pytest
from small_city import ROOT, SPATIAL, Build

NOTEBOOK = ROOT / "notebooks" / "county_ranking.ipynb"


def run(marts: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What it prints on these marts."""
    monkeypatch.setenv("CITYCHECK_MARTS", str(marts))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output["text"] for output in outputs if output.output_type == "stream")


def test_the_notebook_is_kept_without_what_it_has_shown() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 5
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []


def test_the_ranking_is_made_again(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2 counties, 2 ranked; furthest apart" in run(build.database, monkeypatch)


def test_a_score_that_is_another_fails_it(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copyfile(build.database, tmp_path / "2026H1.duckdb")
    with duckdb.connect(str(other)) as connection:
        connection.execute(f"load '{SPATIAL}'")
        connection.execute("update marts.county_index set index_score = index_score + 1e-6")
    with pytest.raises(
        nbclient.exceptions.CellExecutionError, match=r"index_score|index_again|are different"
    ):
        run(other, monkeypatch)
