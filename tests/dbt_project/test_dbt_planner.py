"""A planner edits seeds, and the index is what the edited standard says, recounted by hand."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_city
from small_city import Build, SmallCity

from citycheck.cities.indicators import Packs

EDITS: dict[str, dict[tuple[str, ...], dict[str, str]]] = {
    "indicators": {
        ("HLT-1",): {"goalpost_low": "20", "goalpost_high": "90"},
        ("ELD-1",): {"weight": "0.1"},
        ("ELD-2",): {"weight": "0.4"},
        ("GOV-1",): {"normalisation": "min_max"},
    },
    "dimensions": {("HLT",): {"weight_pct": "20"}, ("GOV",): {"weight_pct": "8"}},
    "index_levels": {("headline", "index"): {"mean": "geometric"}},
}


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The small city by a copy of the project whose seeds were edited; nothing else was."""
    project = tmp_path_factory.mktemp("edited") / "dbt_project"
    shutil.copytree(small_city.PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for name, rows in EDITS.items():
        _edit(project / "seeds" / f"{name}.csv", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Packs, "project", lambda packs, folder: project)
        return small_city.run_dbt(
            tmp_path_factory.mktemp("dbt"), SmallCity(), "--exclude-resource-type", "unit_test"
        )


def _edit(path: Path, edits: dict[tuple[str, ...], dict[str, str]]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for key, changes in edits.items():
        [row] = [row for row in rows if tuple(row.values())[: len(key)] == key]
        row |= changes
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator=os.linesep)
        writer.writeheader()
        writer.writerows(rows)


def _table(build: Build, sql: str, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(build.rows(sql), columns=columns)


def _expected(build: Build, change: Callable[[pd.DataFrame], Any]) -> tuple[pd.DataFrame, pd.Series]:
    """Dimension scores and a geometric index of communities, from the values of the unedited city."""
    columns = ["area_id", "indicator_code", "dimension_code", "value", "score", "weight"]
    rows = _table(
        build, f"select {', '.join(columns)} from marts.indicators where area_level = 'community'", columns
    )
    change(rows)
    rows = rows.dropna(subset="score")
    rows["part"] = rows["score"] * rows["weight"]
    sums = rows.groupby(["area_id", "dimension_code"])[["part", "weight"]].sum()
    scores = (sums["part"] / sums["weight"]).where(sums["weight"] >= 0.65 - 1e-9).unstack()
    return scores, rows


def test_seeds_alone_change_the_index(build: Build, edited: Build) -> None:
    def change(rows: pd.DataFrame) -> None:
        hospital = rows["indicator_code"] == "HLT-1"
        values = rows.loc[hospital, "value"]
        rows.loc[hospital, "score"] = 100 * ((values - 20) / (90 - 20)).clip(0, 1)
        service = rows["indicator_code"] == "GOV-1"
        values = rows.loc[service, "value"]
        assert values.notna().sum() >= 3
        rows.loc[service, "score"] = 100 * (values - values.min()) / (values.max() - values.min())
        rows.loc[rows["indicator_code"] == "ELD-1", "weight"] = 0.1
        rows.loc[rows["indicator_code"] == "ELD-2", "weight"] = 0.4

    scores, _ = _expected(build, change)
    weights = pd.Series(
        {row["dimension_code"]: float(row["weight_pct"]) for row in small_city.seed("dimensions")}
    )
    weights["HLT"], weights["GOV"] = 20.0, 8.0
    there = scores.notna() * weights
    logarithms = np.log(scores.clip(lower=1)) * weights
    index = np.exp(logarithms.sum(axis=1) / there.sum(axis=1)).where(there.sum(axis=1) >= 65)

    found = _table(
        edited,
        "select area_id, index_score from marts.index_scores where area_level = 'community' order by 1",
        ["area_id", "index_score"],
    ).set_index("area_id")["index_score"]
    assert found.notna().sum() >= 3
    assert found.to_numpy(float) == pytest.approx(index[found.index].to_numpy(float), abs=1e-9, nan_ok=True)
    before = dict(
        build.rows("select area_id, index_score from marts.index_scores where area_level = 'community'")
    )
    assert all(found[area] != before[area] for area in found.dropna().index)


def test_the_only_city_has_no_relative_score(build: Build, edited: Build) -> None:
    """A value, no score, a reason that says so; its weight goes to the rest of the dimension."""
    rows = (
        "select value, score, status, missing_reason from marts.indicators "
        "where area_level = '{}' and indicator_code = 'GOV-1'"
    )
    [before] = build.rows(rows.format("city"))
    [found] = edited.rows(rows.format("city"))
    assert before[1] is not None
    assert found == (before[0], None, "no_comparison", "no_comparison")
    assert {row[2] for row in edited.rows(rows.format("community"))} <= {"ok", "insufficient_data"}

    parts = "select score, weight from marts.indicators where area_level = 'city' and dimension_code = 'GOV'"
    others = [
        (score, weight)
        for score, weight in build.rows(parts + " and indicator_code <> 'GOV-1'")
        if score is not None
    ]
    expected = sum(s * w for s, w in others) / sum(w for _, w in others)
    [[score, available]] = edited.rows(
        "select score, weight_available_pct from marts.dimension_scores where area_level = 'city' and dimension_code = 'GOV'"
    )
    assert score == pytest.approx(expected, abs=1e-9)
    assert available == pytest.approx(100 * sum(w for _, w in others), abs=1e-9)
