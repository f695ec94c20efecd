"""A release as far as later half-years read it, of the small city."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_city import PERIOD_START, Build

TABLES = ("indicators", "dimension_scores", "index_scores", "facilities", "survey_satisfaction")


def publish(build: Build, folder: Path, half_year: str = "2025H2", **about: Any) -> dict[str, Any]:
    """Write the tables that a comparison reads; give the entry of the dbt variable `releases`."""
    for name in TABLES:
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        build.rows(f"copy (from marts.{name}) to '{folder}/tables/{name}.parquet'")
    (folder / "geometry").mkdir()
    columns = "community_id, street_id, county_id, geometry"
    build.rows(f"copy (select {columns} from marts.communities) to '{folder}/geometry/communities.parquet'")
    return {
        "half_year": half_year,
        "version": "1",
        "standard_version": "0.1.0",
        "period_end": f"{PERIOD_START}",
        "folder": str(folder),
        "ratios": f"{folder}/tables/indicators.parquet",
        "is_recomputed": "false",
        "reason": "",
        **about,
    }
