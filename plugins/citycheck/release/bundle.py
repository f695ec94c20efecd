"""Stage a release: from a finished build to a folder of files that anybody can read and verify.

The same build and provenance give the same bytes: rows are written in the order of their keys by one thread,
JSON keys are sorted, and nothing says when it was written.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from citycheck.duck import connect
from citycheck.errors import BadInput
from citycheck.lake.files import telling_disk_full
from citycheck.release.checksums import sha256, write_sums

GEOMETRY = "communities"
"""The mart with the polygons: published as GeoParquet, without a CSV."""
TABLES = (
    "county_index",
    "community_index",
    "index_scores",
    "index_changes",
    "index_change_causes",
    "index_series",
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
)
"""What the provenance must say; it may say more."""

_FORMULA = "^[=+@\\t\\r-]"
_FIELD_TYPES = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DECIMAL": "number",
    "DOUBLE": "number",
    "FLOAT": "number",
    "REAL": "number",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "datetime",
    "VARCHAR": "string",
} | dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT"), "integer")


@dataclass(frozen=True)
class Column:
    """A column of a published table; `type` is DuckDB's."""

    name: str
    type: str
    description: str

    @property
    def field_type(self) -> str:
        """The type in the words of the Table Schema."""
        return _FIELD_TYPES.get(self.type.split("(")[0], "any")


@dataclass(frozen=True)
class Table:
    """A mart as it is published: its words and its grain come from dbt's metadata."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def order_by(self) -> str:
        """A total order: the key, then every other column that can be compared."""
        rest = [
            column.name
            for column in self.columns
            if column.name not in self.key and column.type != "GEOMETRY"
        ]
        return ", ".join(f"{_quoted(name)} nulls last" for name in (*self.key, *rest))

    @property
    def schema(self) -> dict[str, Any]:
        fields = [{"name": c.name, "type": c.field_type, "description": c.description} for c in self.columns]
        return {"fields": fields} | ({"primaryKey": list(self.key)} if self.key else {})


def stage(database: Path, dbt_manifest: Path, folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Write the release of a finished build into `folder`, a new folder that appears only when complete.

    Raises `BadInput` when the folder exists, or when the build, manifest or provenance lacks something.
    """
    from citycheck.report.page import Download, render

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
            tables = _tables(connection, dbt_manifest)
            resources = []
            for name in TABLES:
                resources += _write_table(connection, tables[name], partial)
            resources.append(
                _write_geometry(connection, tables[GEOMETRY], tables["community_index"], partial)
            )
            _write_json(partial / "provenance.json", provenance)
            downloads = [Download(r["path"], r["bytes"], r["title"], r["format"]) for r in resources]
            (partial / "index.html").write_text(render(connection, provenance, downloads), encoding="utf-8")
            resources += [
                _resource(partial, "index.html", "page", "The release as a page", "html", "text/html"),
                _resource(partial, "provenance.json", "provenance", "Provenance", "json", "application/json"),
            ]
            _write_json(partial / "datapackage.json", _datapackage(provenance, resources))
            write_sums(partial)
            partial.chmod(0o755)
            os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


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


def _tables(connection: duckdb.DuckDBPyConnection, dbt_manifest: Path) -> dict[str, Table]:
    """The marts of a release, with their words from dbt and their columns from the build: both must agree."""
    try:
        manifest = json.loads(dbt_manifest.read_text(encoding="utf-8"))
        nodes = list(manifest["nodes"].values())
    except (ValueError, KeyError, AttributeError):
        raise BadInput(f"{dbt_manifest}: expected dbt's manifest.json. Run the build again.") from None
    marts = {n["alias"]: n for n in nodes if n["resource_type"] == "model" and n["schema"] == "marts"}
    built: dict[str, dict[str, str]] = {}
    for name, column, type_ in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'marts' order by all"
    ).fetchall():
        built.setdefault(name, {})[column] = type_.split("('OGC")[0]

    tables = {}
    for name in (*TABLES, GEOMETRY):
        if name not in marts or name not in built:
            where = dbt_manifest if name not in marts else "the build"
            raise BadInput(
                f"{where}: the mart {name} is missing and a release needs it. Run the whole dbt build again."
            )
        documented = marts[name]["columns"]
        if set(documented) != set(built[name]):
            differing = ", ".join(sorted(set(documented) ^ set(built[name])))
            raise BadInput(
                f"{dbt_manifest}: the columns of the mart {name} differ from the build's ({differing}). "
                "Run the whole dbt build again."
            )
        columns = tuple(
            Column(column, built[name][column], _one_line(documented[column].get("description")))
            for column in documented
        )
        tables[name] = Table(
            name, _one_line(marts[name].get("description")), columns, _key(marts[name], nodes)
        )
    return tables


def _key(model: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The grain of a mart as dbt knows it: its primary key, else the columns of its uniqueness test."""
    for constraint in model.get("constraints") or []:
        if constraint["type"] == "primary_key" and constraint.get("columns"):
            return tuple(constraint["columns"])
    for name, column in model["columns"].items():
        if any(constraint["type"] == "primary_key" for constraint in column.get("constraints") or []):
            return (name,)
    for node in nodes:
        test = node.get("test_metadata")
        if node["resource_type"] != "test" or not test or node.get("attached_node") != model["unique_id"]:
            continue
        if "unique" in test["name"]:
            arguments = test["kwargs"]
            several = (
                arguments.get("combination_of_columns")
                or arguments.get("columns")
                or arguments.get("column_names")
            )
            if several or arguments.get("column_name"):
                return tuple(several or [arguments["column_name"]])
    return ()


def _write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> list[dict[str, Any]]:
    """One mart as parquet and as CSV; answers with their entries in the data package."""
    (folder / "tables").mkdir(exist_ok=True)
    source = f"marts.{_quoted(table.name)} order by {table.order_by}"
    columns = ", ".join(_quoted(column.name) for column in table.columns)
    parquet, csv = f"tables/{table.name}.parquet", f"tables/{table.name}.csv"
    _copy(connection, f"select {columns} from {source}", folder / parquet, "format parquet, compression zstd")

    cells = ", ".join(f"{_csv_cell(column)} as {_quoted(column.name)}" for column in table.columns)
    without_mark = folder / f"{csv}.tmp"
    _copy(connection, f"select {cells} from {source}", without_mark, "format csv, header true")
    with (folder / csv).open("wb") as marked, without_mark.open("rb") as plain:
        marked.write(b"\xef\xbb\xbf")
        shutil.copyfileobj(plain, marked)
    without_mark.unlink()

    as_csv = _resource(folder, csv, table.name, table.description, "csv", "text/csv")
    as_csv |= {"profile": "tabular-data-resource", "encoding": "utf-8", "schema": table.schema}
    as_parquet = _resource(
        folder,
        parquet,
        f"{table.name}_parquet",
        table.description,
        "parquet",
        "application/vnd.apache.parquet",
    )
    return [as_csv, as_parquet | {"type": "file", "schema": table.schema}]


def _csv_cell(column: Column) -> str:
    name = _quoted(column.name)
    if column.field_type == "string":  # a spreadsheet would run it
        return f"case when regexp_matches({name}, '{_FORMULA}') then '''' || {name} else {name} end"
    if column.field_type == "datetime":
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%SZ')"
    return name


def _write_geometry(
    connection: duckdb.DuckDBPyConnection, polygons: Table, index: Table, folder: Path
) -> dict[str, Any]:
    """The communities' polygons with their names and index, longitude and latitude in WGS84."""
    (folder / "geometry").mkdir()
    path = "geometry/communities.parquet"
    wanted = ("community_id", "community_name", "street_id", "street_name", "county_id", "county_name")
    joined = ("index_score", "status", "rank")
    columns = [c for name in wanted for c in polygons.columns if c.name == name]
    columns += [c for name in joined for c in index.columns if c.name == name]
    columns += [c for c in polygons.columns if c.name == "geometry"]
    listed = ", ".join(
        f"community_index.{c.name}" if c.name in joined else f"communities.{c.name}" for c in columns
    )
    _copy(
        connection,
        f"select {listed} from marts.communities left join marts.community_index "
        "on community_index.area_id = communities.community_id "
        "order by communities.community_id",
        folder / path,
        "format parquet, compression zstd",
    )
    title = f"{polygons.description} GeoParquet, WGS84 longitude and latitude (OGC:CRS84)."
    resource = _resource(
        folder, path, "communities_geometry", title, "parquet", "application/vnd.apache.parquet"
    )
    return resource | {
        "type": "file",
        "schema": Table(polygons.name, title, tuple(columns), ("community_id",)).schema,
    }


def _datapackage(provenance: Mapping[str, Any], resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A Frictionless Data Package (v1). Chinese and English stand side by side in the title."""
    half_year = str(provenance["half_year"])
    synthetic = bool(provenance["is_synthetic"])
    zh = f"{provenance['city_name_zh']}城镇社区体检 {half_year}" + ("（合成数据）" if synthetic else "")
    en = f"{provenance['city_name_en']} community check-up {half_year}" + (
        " (synthetic data)" if synthetic else ""
    )
    package = {
        "profile": "data-package",
        "name": f"citycheck-{provenance['city']}-{half_year}".lower().replace("_", "-"),
        "title": f"{zh} / {en}",
        "title_zh": zh,
        "title_en": en,
        "description": (
            "Half-yearly check-up of a city's communities: index, indicators, shortfalls, what is missing. "
            "provenance.json names the inputs and the standard; verify with sha256sum -c SHA256SUMS."
        ),
        "homepage": "index.html",
        "keywords": ["城市体检", "城镇社区专项体检", "community", "index"]
        + (["synthetic"] if synthetic else []),
        "is_synthetic": synthetic,
        "half_year": half_year,
        "standard_version": provenance["standard_version"],
        "resources": resources,
    }
    return package | {
        key: provenance[key] for key in ("licenses", "sources", "contributors") if provenance.get(key)
    }


def _resource(folder: Path, path: str, name: str, title: str, format_: str, mediatype: str) -> dict[str, Any]:
    return {
        "name": name.replace("_", "-"),
        "path": path,
        "title": title,
        "format": format_,
        "mediatype": mediatype,
        "bytes": (folder / path).stat().st_size,
        "hash": f"sha256:{sha256(folder / path)}",
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, options: str) -> None:
    connection.execute("copy ({}) to '{}' ({})".format(query, str(path).replace("'", "''"), options))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
