"""Stage a release: from a finished build to a folder of files that anybody can read and verify.

The same build and provenance give the same bytes: rows are written in the order of their keys by one thread,
JSON keys are sorted, and nothing says when it was written.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from citycheck.duck import connect
from citycheck.errors import BadInput
from citycheck.lake.files import telling_disk_full
from citycheck.release import dcat, dictionary, geometry, notes, workbook
from citycheck.release.about import describe
from citycheck.release.checksums import write_sums
from citycheck.release.datapackage import datapackage
from citycheck.release.flat import resource, write_json, write_table
from citycheck.release.tables import read_tables

GEOMETRY = "communities"
"""The mart with the polygons: published as GeoParquet and GeoPackage, without a CSV."""
TABLES = (
    "county_index",
    "street_index",
    "community_index",
    "index_scores",
    "index_changes",
    "index_change_causes",
    "index_series",
    "goal_progress",
    "projects",
    "project_log",
    "project_evaluations",
    "pool_flows",
    "strategy_review",
    "facilities",
    "areas",
    "indicators",
    "indicator_definitions",
    "indicator_contributions",
    "dimension_scores",
    "index_uncertainty",
    "index_comparisons",
    "index_sensitivities",
    "indicator_removals",
    "indicator_correlations",
    "shortfalls",
    "project_effects",
    "programme_frontier",
    "programme_projects",
    "kind_access",
    "detour_penalty",
    "spatial_findings",
    "repair_statistics",
    "repair_hot_spots",
    "survey_satisfaction",
    "survey_needs",
    "survey_portrait",
    "survey_response",
    "community_insights",
    "data_gaps",
    "row_ledger",
    "quarantine_summary",
    "index_vintages",
    "index_revisions",
    "release_drift",
)
"""The marts that are published as tables. A release has every one of them, if need be without rows."""
PROVENANCE = (
    "city",
    "city_name_zh",
    "city_name_en",
    "half_year",
    "is_synthetic",
    "standard_version",
    "cut_off",
    "code_commit",
    "inputs",
    "previous_release",
    "publication",
)
"""What the provenance must say; it may say more."""


def stage(
    database: Path,
    dbt_manifest: Path,
    folder: Path,
    provenance: Mapping[str, Any],
    *,
    before: Path | None = None,
) -> Path:
    """Write the release of a finished build into `folder`, a new folder that appears only when complete.

    `before` is the folder of the published version that this one supersedes: the release notes tell what moved.
    Raises `BadInput` when the folder exists, or when the build, manifest, provenance or `before` lacks something.
    """
    if folder.exists():
        raise BadInput(
            f"{folder}: a release is staged into a folder of its own; this one exists. Delete it first."
        )
    for file in (database, dbt_manifest):
        if not file.is_file():
            raise BadInput(f"{file}: there is no such file; expected a finished build. Run the build first.")
    if lacking := [key for key in PROVENANCE if key not in provenance]:
        raise BadInput(f"The provenance of a release must say {', '.join(lacking)}. Pass them to `stage`.")

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with telling_disk_full(folder), _reading(database) as connection:
            _write(connection, dbt_manifest, partial, provenance, before)
            write_sums(partial)
            partial.chmod(0o755)
            os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write(
    connection: duckdb.DuckDBPyConnection,
    dbt_manifest: Path,
    folder: Path,
    provenance: Mapping[str, Any],
    before: Path | None,
) -> None:
    """Every file of a bundle but its sums, each told in the data package that follows them."""
    from citycheck.report.bulletin import write_bulletin
    from citycheck.report.page import Download, write_page

    tables = read_tables(connection, dbt_manifest, (*TABLES, GEOMETRY))
    about = describe(connection, provenance)
    published = {name: tables[name] for name in TABLES}
    resources = [of for table in published.values() for of in write_table(connection, table, folder)]
    resources += geometry.write_layers(connection, tables, about, folder)
    entries = dictionary.dictionary(published.values(), workbook.column_names_zh())
    resources += [
        dictionary.write_dictionary(entries, folder),
        workbook.write_workbook(connection, about, provenance, published, entries, folder),
        notes.write_notes(connection, about, provenance, published, folder, before),
        write_bulletin(connection, about, provenance, folder),
    ]
    downloads = [Download(r["path"], r["bytes"], r["title"], r["format"]) for r in resources]
    page = write_page(connection, provenance, downloads, folder)
    write_json(folder / "provenance.json", provenance)
    resources += [
        *(resource(folder, path, name, title) for path, (name, title) in page.items()),
        resource(folder, "provenance.json", "provenance", "来历 / Provenance: inputs, code, standard"),
    ]
    for_portals = [of for of in resources if not of["path"].startswith("page/")]
    write_json(folder / dcat.FILE, dcat.catalog(connection, about, provenance, for_portals))
    resources.append(resource(folder, dcat.FILE, "catalog", "目录 / The release for data portals (DCAT-AP)"))
    write_json(folder / "datapackage.json", datapackage(about, provenance, resources))


def _reading(database: Path) -> duckdb.DuckDBPyConnection:
    try:
        connection = connect(database, read_only=True)
    except duckdb.Error as error:
        raise BadInput(
            f"{database}: cannot be read as a finished build ({str(error).splitlines()[0]}). "
            "Run the build again."
        ) from None
    connection.execute("set threads = 1")
    connection.execute("set TimeZone = 'UTC'")
    return connection
