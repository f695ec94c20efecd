"""The data dictionary, and what the data package promises of each column."""

from __future__ import annotations

import csv
import json

import pytest

from citycheck.release import bundle
from citycheck.release.dictionary import FILE, dictionary
from citycheck.release.tables import Column, Table


def test_every_column_of_every_table_is_in_it(bundle_folder):
    with (bundle_folder / FILE).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    package = json.loads((bundle_folder / "datapackage.json").read_text(encoding="utf-8"))
    expected = [
        (r["path"].removeprefix("tables/").removesuffix(".csv"), field["name"], field["type"])
        for r in package["resources"]
        if r["path"].startswith("tables/") and r["format"] == "csv"
        for field in r["schema"]["fields"]
    ]
    assert [(row["table"], row["column"], row["type"]) for row in rows] == expected
    keys = {row["column"]: row["key"] for row in rows if row["table"] == "indicators" and row["key"]}
    assert keys == {"area_level": "1", "area_id": "2", "indicator_code": "3"}
    assert (bundle_folder / FILE).read_bytes()[:3] == b"\xef\xbb\xbf"


def test_values_name_the_columns_of_their_status():
    table = Table(
        "t",
        "",
        (
            Column("area_id", "VARCHAR", ""),
            Column("x_pct", "DOUBLE", "=1"),
            Column("obs_status", "VARCHAR", ""),
        ),
        ("area_id",),
    )
    rows = dictionary([table], {"x_pct": "甲"})
    assert [row["status_columns"] for row in rows] == ["", "obs_status", ""]
    assert rows[1]["name_zh"] == "甲" and rows[1]["unit"] == "%"


@pytest.mark.parametrize(
    ("name", "type_", "unit"),
    [
        ("covered_pct", "DOUBLE", "%"),
        ("important_low_pct", "DOUBLE", "%"),
        ("floor_area_m2", "DOUBLE", "m²"),
        ("nearest_counting_distance_m", "DOUBLE", "m"),
        ("median_close_hours", "DOUBLE", "hours"),
        ("median_close_working_hours", "DOUBLE", "working hours"),
        ("reports_per_1000", "DOUBLE", "per 1,000 residents"),
        ("score_gov", "DOUBLE", "points"),
        ("index_score", "DOUBLE", "points"),
        ("covered_pct", "VARCHAR", ""),
        ("residents", "BIGINT", ""),
    ],
)
def test_the_unit_is_read_off_the_name(name, type_, unit):
    assert Column(name, type_, "").unit == unit


def test_what_dbt_tests_is_a_constraint(full_build, tmp_path):
    manifest = json.loads(full_build.manifest.read_text(encoding="utf-8"))
    columns = manifest["nodes"]["model.citycheck.areas"]["columns"]
    columns["area_name"]["constraints"] = [{"type": "not_null"}]

    def test_of(name, column, config=None, **kwargs):
        manifest["nodes"][f"test.{len(manifest['nodes'])}"] = {
            "resource_type": "test",
            "attached_node": "model.citycheck.areas",
            "config": config or {},
            "test_metadata": {"name": name, "kwargs": {"column_name": column, **kwargs}},
        }

    test_of("accepted_values", "area_level", values=["county"])
    test_of("unique", "area_id")
    test_of("not_null", "residents", {"severity": "warn"})
    test_of("unique", "residents", {"where": "residents > 0"})
    full_build.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    staged = bundle.stage(full_build.database, full_build.manifest, tmp_path / "x", full_build.provenance)
    package = json.loads((staged / "datapackage.json").read_text(encoding="utf-8"))
    (areas,) = [r for r in package["resources"] if r["path"] == "tables/areas.csv"]
    constraints = {field["name"]: field.get("constraints") for field in areas["schema"]["fields"]}
    assert constraints == {
        "area_level": {"enum": ["county"]},
        "area_id": {"unique": True},
        "area_name": {"required": True},
        "residents": None,
    }
