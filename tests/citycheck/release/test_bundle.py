"""What a staged release holds, and that the same build always gives the same bytes."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from citycheck.duck import connect
from citycheck.errors import BadInput, CitycheckError
from citycheck.release import bundle
from citycheck.release.checksums import sha256, verify
from citycheck.report.page import SCRIPTS as page_scripts

SEALED = {"SHA256SUMS", "blocks.json"}
"""What says what the other files must be."""


@pytest.fixture
def staged(bundle_folder):
    return bundle_folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_table_is_there_as_parquet_and_csv(staged):
    expected = {f"tables/{name}.{ext}" for name in bundle.TABLES for ext in ("parquet", "csv")}
    layers = {
        f"geometry/{name}.parquet"
        for name in ("communities", "streets", "counties", "facilities", "projects")
    }
    others = {
        "geometry/citycheck.gpkg",
        "citycheck-2026H1.xlsx",
        "bulletin.pdf",
        "catalog.jsonld",
        "data_dictionary.csv",
        "datapackage.json",
        "provenance.json",
        "release_notes.md",
        "index.html",
        *SEALED,
    }
    page = {f"page/{name}" for name in ("page.css", "data.js", "echarts.min.js", *page_scripts)}
    page |= {f"page/echarts.{name}.txt" for name in ("LICENSE", "LICENSE-d3", "NOTICE")}
    assert set(contents(staged)) == expected | layers | page | others


def test_staging_twice_gives_the_same_bytes(full_build, staged, tmp_path):
    again = bundle.stage(full_build.database, full_build.manifest, tmp_path / "again", full_build.provenance)
    assert contents(again) == contents(staged)


def test_order_of_rows_in_the_build_does_not_matter(full_build, staged, tmp_path):
    shuffled = tmp_path / "shuffled.duckdb"
    shutil.copyfile(full_build.database, shuffled)
    with connect(shuffled) as connection:
        for name in (*bundle.TABLES, bundle.GEOMETRY):
            connection.execute(
                f"create or replace table marts.{name} as select * from marts.{name} order by rowid desc"
            )
    again = bundle.stage(shuffled, full_build.manifest, tmp_path / "again", full_build.provenance)
    assert contents(again) == contents(staged)


def test_a_changed_value_changes_the_release(full_build, staged, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute("update marts.row_ledger set rows_in = rows_in + 1")
    again = bundle.stage(full_build.database, full_build.manifest, tmp_path / "again", full_build.provenance)
    changed = {name for name, data in contents(again).items() if data != contents(staged)[name]}
    assert {"tables/row_ledger.parquet", "tables/row_ledger.csv", "datapackage.json", "SHA256SUMS"} <= changed
    assert "tables/areas.csv" not in changed


def test_sha256sum_agrees(staged):
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=staged, capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert verify(staged) == []


def test_csv_opens_in_a_spreadsheet_and_runs_nothing(full_build, tmp_path):
    dangerous = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", " =1", "\n＝1", "\u3000＠x", "－1"]
    harmless = ["社区", "a=b", "12345678901", "a\nb", None]
    codes = ["330802005001", "0571"]
    texts = [*dangerous, *harmless, *codes]
    with connect(full_build.database) as connection:
        connection.execute("delete from marts.row_ledger")
        for n, text in enumerate(texts):
            connection.execute(
                "insert into marts.row_ledger values ('f', 't', '2026H1', ?, ?, -5, 0, 0, 0, 0)",
                [f"d{n:02}", text],
            )
    staged = bundle.stage(
        full_build.database, full_build.manifest, tmp_path / "staged", full_build.provenance
    )
    path = staged / "tables/row_ledger.csv"
    written = path.read_bytes()
    assert written.startswith(b"\xef\xbb\xbffeed,") and written.count(b"\r\n") == len(texts) + 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source_file"] for row in rows] == [
        *(f"'{text}" for text in dangerous),
        *(text or "" for text in harmless),
        *(f"{text}\t" for text in codes),
    ]
    assert {row["rows_in"] for row in rows} == {"-5"}, "a negative number is no formula"
    assert pq.read_table(staged / "tables/row_ledger.parquet")["source_file"].to_pylist() == texts


def test_moments_in_csv_are_ones_that_a_spreadsheet_reads(staged):
    with (staged / "tables/facilities.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["valid_from"] for row in csv.DictReader(file)} == {"2020-03-01 00:00:00"}


def test_parquet_keeps_numbers_unrounded(full_build, staged):
    table = pq.read_table(staged / "tables/county_index.parquet")
    assert table["index_score"].to_pylist() == [61.04, 62.04]
    assert table["area_id"].to_pylist() == ["C1", "C2"]


def test_datapackage_describes_every_file(staged):
    package = json.loads((staged / "datapackage.json").read_text(encoding="utf-8"))
    resources = {resource["path"]: resource for resource in package["resources"]}
    assert set(resources) == set(contents(staged)) - {"datapackage.json", *SEALED}
    for path, resource in resources.items():
        assert resource["bytes"] == (staged / path).stat().st_size
        assert resource["hash"] == f"sha256:{sha256(staged / path)}"
    schema = resources["tables/indicators.csv"]["schema"]
    assert schema["primaryKey"] == ["area_level", "area_id", "indicator_code"]
    assert {"name": "value", "type": "number", "description": "What value is"} in schema["fields"]
    types = {f["name"]: f["type"] for f in resources["tables/survey_satisfaction.csv"]["schema"]["fields"]}
    assert (types["is_suppressed"], types["top2_pct"]) == ("boolean", "number")
    assert "合成数据" in package["title"] and package["is_synthetic"] is True
    assert (package["version"], package["previous_version"]) == ("1", None)
    assert (package["kind"], package["stage"]) == ("initial", "preliminary")


def test_frictionless_accepts_the_package(staged):
    frictionless = pytest.importorskip("frictionless")
    report = frictionless.Package(staged / "datapackage.json").validate()
    assert report.flatten(["name", "type", "message"]) == []
    assert report.stats["tasks"] == 2 * len(bundle.TABLES) + 13 + len(list((staged / "page").iterdir()))


@pytest.mark.slow
def test_the_command_of_frictionless_accepts_the_package(staged):
    pytest.importorskip("frictionless")
    command = [sys.executable, "-m", "frictionless", "validate", "datapackage.json"]
    done = subprocess.run(command, cwd=staged, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "INVALID" not in done.stdout


def test_primary_key_constraint_wins_over_tests(full_build, tmp_path):
    manifest = json.loads(full_build.manifest.read_text(encoding="utf-8"))
    manifest["nodes"]["model.citycheck.areas"]["constraints"] = [
        {"type": "primary_key", "columns": ["area_id"]}
    ]
    full_build.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    staged = bundle.stage(
        full_build.database, full_build.manifest, tmp_path / "staged", full_build.provenance
    )
    package = json.loads((staged / "datapackage.json").read_text(encoding="utf-8"))
    keys = {
        r["path"]: r["schema"]["primaryKey"] for r in package["resources"] if r["path"].startswith("tables/")
    }
    assert keys["tables/areas.csv"] == ["area_id"]


def test_an_existing_folder_is_refused(full_build, tmp_path):
    (tmp_path / "staged").mkdir()
    with pytest.raises(BadInput, match="folder of its own"):
        bundle.stage(full_build.database, full_build.manifest, tmp_path / "staged", full_build.provenance)


def without_mart(build):
    with connect(build.database) as connection:
        connection.execute("drop table marts.data_gaps")


def mart_not_in_manifest(build):
    manifest = json.loads(build.manifest.read_text(encoding="utf-8"))
    del manifest["nodes"]["model.citycheck.data_gaps"]
    build.manifest.write_text(json.dumps(manifest), encoding="utf-8")


def other_columns(build):
    with connect(build.database) as connection:
        connection.execute("alter table marts.data_gaps rename column area_id to place")


def manifest_cut_short(build):
    build.manifest.write_text(build.manifest.read_text(encoding="utf-8")[:100], encoding="utf-8")


def no_manifest(build):
    build.manifest.unlink()


def no_database(build):
    build.database.unlink()


def database_cut_short(build):
    build.database.write_bytes(build.database.read_bytes()[:5000])


def provenance_without_cut_off(build):
    del build.provenance["cut_off"]


def unknown_stage(build):
    build.provenance["publication"] = {**build.provenance["publication"], "stage": "draft"}


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (without_mart, "the build: the mart data_gaps is missing"),
        (mart_not_in_manifest, "manifest.json: the mart data_gaps is missing"),
        (other_columns, r"columns of the mart data_gaps differ from the build's \(area_id, place\)"),
        (manifest_cut_short, "manifest.json: expected dbt's manifest"),
        (no_manifest, "manifest.json: there is no such file"),
        (no_database, "build.duckdb: there is no such file"),
        (database_cut_short, "build.duckdb: cannot be read as a finished build"),
        (provenance_without_cut_off, "must say cut_off"),
        (unknown_stage, "2026H1: the build's standard has no stage 'draft' of publication"),
    ],
)
def test_a_defective_build_leaves_one_sentence_and_no_folder(full_build, tmp_path, defect, message):
    defect(full_build)
    with pytest.raises(BadInput, match=message):
        bundle.stage(
            full_build.database, full_build.manifest, tmp_path / "out" / "staged", full_build.provenance
        )
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_full_disk_while_staging_leaves_one_sentence_and_no_folder(full_build, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write_sums", full)
    with pytest.raises(CitycheckError, match="no space is left"):
        bundle.stage(
            full_build.database, full_build.manifest, tmp_path / "out" / "staged", full_build.provenance
        )
    assert list((tmp_path / "out").iterdir()) == []
