"""The dbt models of the index engine, compiled once and then run on as many specs as a test likes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck.duck import spatial_extension_path
from citycheck.index import commands
from citycheck.index.spec import Spec
from citycheck.settings import settings

MODELS = tuple(f"int_index_{name}" for name in ("nodes", "inputs", "leaves", "outliers", "levels", "scores"))
STEPS = 2


@dataclass
class SqlEngine:
    """The compiled models and the two files that they read."""

    folder: Path
    models: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = {name: str(self.folder / f"{name}.parquet") for name in ("nodes", "ratios")}
        variables = {
            "index_spec": {**files, "steps": STEPS},
            "spatial_extension": str(spatial_extension_path()),
        }
        project = str(settings().dbt_project)
        command = [
            sys.executable, "-m", "dbt.cli.main", "--quiet", "compile", "--select", "intermediate.engine",
            "--project-dir", project, "--profiles-dir", project, "--vars", json.dumps(variables),
            "--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "target"),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        compiled = self.folder / "target/compiled/citycheck/models/intermediate/engine"
        self.models = {name: (compiled / f"{name}.sql").read_text(encoding="utf-8") for name in MODELS}
        self.connection = duckdb.connect()
        self.connection.execute(
            "create schema intermediate; set threads = 1; set enable_external_file_cache = false"
        )

    def scores(self, spec: Spec, table: pd.DataFrame) -> pd.DataFrame:
        """`int_index_scores` of a spec and its table, one row per unit and node."""
        [found] = self.scores_of([(spec, table)])
        return found

    def scores_of(self, cases: list[tuple[Spec, pd.DataFrame]]) -> list[pd.DataFrame]:
        """The same of several, in one go: each is an index and a level of its own."""
        nodes: list[dict[str, Any]] = []
        ratios: list[dict[str, Any]] = []
        for number, (spec, table) in enumerate(cases):
            assert spec.root.step <= STEPS
            tag = f"{number}/"
            for row in spec.rows():
                above = None if row["parent_code"] is None else tag + row["parent_code"]
                codes = {"index_code": tag, "node_code": tag + row["node_code"], "parent_code": above}
                nodes.append(row | codes | {"rank_one": spec.rank_one})
            for row in commands._inputs(spec, table, "the table")[1]:
                ratios.append(
                    row | {"node_code": tag + row["node_code"], "area_level": tag + row["area_level"]}
                )
        pq.write_table(pa.Table.from_pylist(nodes, schema=commands._NODES), self.folder / "nodes.parquet")
        pq.write_table(pa.Table.from_pylist(ratios, schema=commands._RATIOS), self.folder / "ratios.parquet")
        for name, sql in self.models.items():
            self.connection.execute(f"create or replace table intermediate.{name} as {sql}")
        found = self.connection.sql("select * from intermediate.int_index_scores").df()
        found["node_code"] = found["node_code"].str.partition("/")[2]
        return [
            found[found["index_code"] == f"{number}/"]
            .assign(area_id=lambda rows, table=table: pd.Categorical(rows["area_id"], list(table["unit"])))
            .sort_values(["node_code", "area_id"])
            .reset_index(drop=True)
            for number, (_, table) in enumerate(cases)
        ]

    def of(self, spec: Spec, table: pd.DataFrame, node: str, measure: str = "score") -> list[float | None]:
        """One measure of one node, in the order of the table; None where missing."""
        return _column(self.scores(spec, table), node, measure)

    def each(self, spec: Spec, tables: list[pd.DataFrame], node: str) -> list[list[float | None]]:
        """The scores of one node in several tables."""
        return [
            _column(found, node, "score") for found in self.scores_of([(spec, table) for table in tables])
        ]


def _column(found: pd.DataFrame, node: str, measure: str) -> list[float | None]:
    column = found.loc[found["node_code"] == node, measure].astype(object)
    return [None if pd.isna(value) else value for value in column]
