"""What libraries compute on places alone, between the first and the second part of dbt: the source `statistics`.

Reads the places read-only and writes parquet, each relation in one step. A survey's weights agree with the register
(plugins/citycheck/survey/); reports cluster where chance would not put them, or come to one place again and again
(plugins/citycheck/repairs/); figures of few people are kept back so that nobody can compute them
(plugins/citycheck/disclosure/).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck
from citycheck.disclosure.published import Published
from citycheck.disclosure.suppress import suppress
from citycheck.disclosure.tables import Limits as DisclosureLimits
from citycheck.disclosure.tables import of_places
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import replacing
from citycheck.repairs.clusters import Limits as ClusterLimits
from citycheck.repairs.clusters import Report
from citycheck.repairs.clusters import clusters as report_clusters
from citycheck.repairs.hot_spots import Limits as HotSpotLimits
from citycheck.repairs.hot_spots import hot_spots
from citycheck.settings import settings
from citycheck.survey.weights import Limits, weights

_DECIMALS = 9
"""Of what is written: the last bits of a logarithm differ between processors."""
SCHEMAS = {
    "survey_weights": pa.schema(
        [("response_id", pa.string()), ("weight", pa.float64()), ("weighting", pa.string())]
    ),
    "survey_margins": pa.schema(
        [(name, pa.string()) for name in ("county_id", "characteristic", "category")]
        + [("people", pa.float64()), ("respondents", pa.int64()), ("weighted", pa.float64())]
    ),
    "hot_spots": pa.schema(
        [("category_code", pa.string()), ("community_id", pa.string()), ("reports", pa.int64())]
        + [(name, pa.float64()) for name in ("reports_per_1000", "z_score", "p_value", "q_value")]
        + [("cluster", pa.string()), ("not_tested", pa.string())]
    ),
    "report_clusters": pa.schema(
        [(name, pa.string()) for name in ("cluster_id", "category_code", "community_id")]
        + [("reports", pa.int64()), ("months", pa.int64()), ("x_m", pa.float64()), ("y_m", pa.float64())]
        + [("problem_id", pa.string())]
    ),
    "report_cluster_members": pa.schema([("cluster_id", pa.string()), ("report_id", pa.string())]),
    "suppressed_cells": pa.schema(
        [
            (name, pa.string())
            for name in ("table_name", "item_code", "area_level", "area_id", "group_code", "suppression")
        ]
    ),
}
"""The relations of the source, each a file of its name."""


def files(folder: Path) -> dict[str, Path]:
    """Where dbt finds each relation of its source `statistics`."""
    return {name: folder / f"{name}.parquet" for name in SCHEMAS}


def run(database: Path, folder: Path, earlier: Sequence[Path] = ()) -> dict[str, int]:
    """Write every relation of the source; returns the rows of each.

    `earlier` are the folders of versions of the same half-year that were published before: what they keep back stays kept
    back. Raises `NotReady` when the places are not built, and `BadInput` when earlier versions leave no way to keep back.
    """
    if not database.is_file():
        raise NotReady(f"{database}: the places are not built. Run the task `places` first.")
    with duck.connect(database, read_only=True, memory_limit=settings().duckdb_memory_limit) as places:
        found = survey(places) | {"hot_spots": clusters(places)} | persistent(places)
        found["suppressed_cells"] = kept_back(places, found["survey_weights"], earlier)
    for name, path in files(folder).items():
        with replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist(found[name], schema=SCHEMAS[name]), temporary)
    return {name: len(rows) for name, rows in found.items()}


def survey(places: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    """How many people each respondent stands for, and what the weights were raked to."""
    scoring = dict(places.execute("select parameter, value from standard.scoring").fetchall())
    characteristics: dict[str, list[str]] = defaultdict(list)
    for name, category in places.execute(
        "select characteristic, category from standard.survey_characteristics where is_raked order by category_order"
    ).fetchall():
        characteristics[name].append(category)
    respondents = _rows(
        places,
        f"""
        select response_id, community_id, {", ".join(characteristics)} from staging.stg_survey_responses
        order by response_id
        """,
    )
    people: dict[tuple[str | None, str], dict[str, float]] = defaultdict(dict)
    for community, name, category, count in places.execute(
        """
        select community_id, characteristic, category, people from staging.stg_population_margins
        order by community_id, characteristic, category
        """
    ).fetchall():
        people[community, name][category] = count
    found = weights(
        respondents,
        dict(places.execute("select community_id, county_id from staging.stg_communities").fetchall()),
        dict(
            places.execute(
                "select community_id, sum(residents) from intermediate.int_demand_points group by community_id"
            ).fetchall()
        ),
        people,
        characteristics,
        Limits(
            coverage_min=scoring["indicator_min_coverage"],
            category_n_min=scoring["raking_category_n_min"],
            ratio_min=scoring["raking_ratio_min"],
            ratio_max=scoring["raking_ratio_max"],
            tolerance=scoring["raking_tolerance"],
            rounds_max=int(scoring["raking_rounds_max"]),
        ),
    )
    if not found.raked.has_converged:
        print(
            f"The survey's weights still changed after {found.raked.rounds} rounds: the register's margins do not agree with "
            "where respondents live. survey_margins says what was reached."
        )
    return {
        "survey_weights": [
            {"response_id": row["response_id"], "weight": round(weight, _DECIMALS), "weighting": weighting}
            for row, weight, weighting in zip(
                respondents, found.weight.tolist(), found.weighting, strict=True
            )
        ],
        "survey_margins": [
            row | {name: round(row[name], _DECIMALS) for name in ("people", "weighted")}
            for row in found.margins
        ],
    }


def clusters(places: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Where reports cluster, category by category."""
    standard = dict(places.execute("select parameter, value from standard.scoring").fetchall())
    reports: dict[str, dict[str, int]] = defaultdict(dict)
    for category, community, count in places.execute(
        "select category_code, community_id, reports from intermediate.int_repair_counts order by 1, 2"
    ).fetchall():
        reports[category][community] = count
    return hot_spots(
        reports,
        dict(
            places.execute(
                "select area_id, residents from intermediate.int_community_areas where area_level = 'community' order by 1"
            ).fetchall()
        ),
        places.execute(
            "select community_id, other_community_id from intermediate.int_unit_neighbours order by 1, 2"
        ).fetchall(),
        HotSpotLimits(
            reports_min=int(standard["hot_spot_reports_min"]),
            units_min=int(standard["hot_spot_units_min"]),
            permutations=int(standard["hot_spot_permutations"]),
            false_discovery_max=standard["hot_spot_false_discovery_max"],
        ),
    )


def persistent(places: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    """Where reports of one category come again and again, and which: the latter never leave the build."""
    standard = dict(places.execute("select parameter, value from standard.scoring").fetchall())
    found, members = report_clusters(
        (
            Report(*row)
            for row in places.execute(
                """
                select report_id, category_code, action_code, community_id, month, x_m, y_m
                from intermediate.int_report_places
                """
            ).fetchall()
        ),
        ClusterLimits(
            radius_m=standard["project_cluster_radius_m"],
            reports_min=int(standard["project_cluster_reports_min"]),
            months_min=int(standard["project_cluster_months_min"]),
            merge_m=standard["project_cluster_merge_m"],
        ),
    )
    return {"report_clusters": found, "report_cluster_members": members}


def kept_back(
    places: duckdb.DuckDBPyConnection, weights: Sequence[dict[str, Any]], earlier: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """Which figures of the survey and of ratings are kept back, and why."""
    scoring = dict(places.execute("select parameter, value from standard.scoring").fetchall())
    before, rows = [], []
    for folder in earlier:
        try:
            before.append(Published.read(folder))
        except BadInput as error:  # published before there was disclosure control
            print(f"Not taken into account by what is kept back: {error}")
    for question in of_places(places, weights, DisclosureLimits.of(scoring)):
        table = question.table
        hidden, shown = Published.told(before, table.name, table.cells)
        reasons = suppress(table, question.primary, hidden, shown)
        rows += [
            dict(zip(SCHEMAS["suppressed_cells"].names, (*table.name, *cell, reason), strict=True))
            for cell, reason in zip(table.cells, reasons, strict=True)
            if reason is not None
        ]
    return rows


def _rows(places: duckdb.DuckDBPyConnection, sql: str) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = places.execute(sql).to_arrow_table().to_pylist()
    return found
