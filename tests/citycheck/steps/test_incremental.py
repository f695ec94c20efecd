"""Deliveries over time: changes alone are asked for, versions add up, late ones find their half-year, nothing runs twice."""

import importlib.util
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from citycheck.cities.profile import load_city
from citycheck.errors import GateFailed
from citycheck.lake import landing, store
from citycheck.steps import index, ingest, watch

_spec = importlib.util.spec_from_file_location(
    "georeport_server", Path(__file__).parents[1] / "feeds" / "georeport_server.py"
)
georeport = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(georeport)

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
OPEN311 = {
    "report_id": {"from": "service_request_id"},
    "version_at": {"from": ["updated_datetime", "requested_datetime"], "time": "iso"},
    "reported_at": {"from": "requested_datetime", "time": "iso"},
    "closed_at": {"from": "closed_datetime", "time": "iso"},
    "category_code": {"from": "service_code", "values": {"S1": "street_light"}},
    "status": {"from": "status"},
    "lon": {"from": ["long", "lon"]},
    "lat": {"from": "lat"},
}


def profile(project, change):
    """Change the project's profile, as its operator would."""
    path = project.root / "project" / "cities" / "town" / "profile.yml"
    written = yaml.safe_load(path.read_text("utf-8"))
    change(written)
    path.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    load_city.cache_clear()


@pytest.fixture
def hotline(project):
    """The town's reports come by Open311, which knows `updated_after`."""
    requested = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day) for day in range(40)]
    place = {"lat": 28.905, "long": 118.805}
    with georeport.serving([georeport.report(n, at, **place) for n, at in enumerate(requested)]) as server:

        def change(written):
            written["half_years"] = ["2025H2", None]
            host = f"127.0.0.1:{server.server_port}"
            asked = {"address": server.address, "updated_after": True}
            written["sources"]["hotline"] = {
                "title": "GeoReport (synthetic)", "licence": "none", "hosts": [host], "open311": asked,
            }  # fmt: skip
            table = {
                "table": "repair_reports",
                "source": "hotline",
                "files": "requests-*",
                "format": "open311",
            }
            written["feeds"]["repair_reports"]["tables"] = [table | {"columns": OPEN311}]

        profile(project, change)
        project.ingest("communities")
        yield server


def test_open311_brings_everything_once_and_then_only_what_changed(project, hotline):
    first = project.ingest("repair_reports", moment=MARCH)
    assert (first["since"], first["tables"]["repair_reports"]["accepted_rows"]) == (None, 40)
    assert first["watermarks"] == {"hotline": "2026-02-13T00:00:00+00:00"}
    hotline.change(7, datetime(2026, 3, 20, tzinfo=UTC))
    asked = len(hotline.queries)
    second = project.ingest("repair_reports", moment=APRIL)
    assert {query["updated_after"][:10] for query in hotline.queries[asked:]} == {"2026-02-11"}
    assert second["since"] == "2026-02-11T00:00:00+00:00"
    rows = pq.read_table(project.home.lake / second["tables"]["repair_reports"]["accepted"]).to_pylist()
    # The overlap brings some once more; as versions they are the same and count once.
    assert {"R000007", "R000039"} <= {row["report_id"] for row in rows} and len(rows) < 10
    counting = store.counting(project.home, "repair_reports", "2026H1", adds_up=True)
    assert [entry["delivery"] for entry in counting] == [first["delivery"], second["delivery"]]
    assert second["watermarks"] == {"hotline": "2026-03-20T00:00:00+00:00"}


def test_a_source_without_changes_leaves_what_counts_as_it_is(project, hotline):
    project.ingest("repair_reports", moment=MARCH)
    hotline.order = "updated_datetime"
    profile(project, lambda written: written["sources"]["hotline"].update(overlap_hours=0))
    before = project.ingest("repair_reports", moment=APRIL)
    hotline.reports.clear()
    again = ingest.land("town", "repair_reports", "2026H1", APRIL + timedelta(days=1))
    assert again == before["delivery"]
    assert list((project.home.landing / ".staging").glob("*/*/requests*")) == []


def test_versions_of_reports_add_up_and_another_half_year_finds_its_late_ones(project):
    for half_year in ("2025H2", "2026H1"):
        project.ingest("communities", half_year)
    project.ingest("repair_reports", "2025H2")
    project.ingest("facilities", "2025H2")
    before = index.freeze("town", "2025H2")
    late = "2025H2-late,2025-12-01 08:00:00,路灯,118.805,28.905\n"
    too_late = "2025H2-000,2026-02-01 08:00:00,路灯,118.805,28.905\n"
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8") + too_late, "utf-8")
    project.ingest("repair_reports", "2026H1")
    assert index.freeze("town", "2025H2") == before, "what was written after the cut-off changes nothing"
    path.write_text(path.read_text("utf-8") + late, "utf-8")
    accepted = project.ingest("repair_reports", "2026H1")
    assert accepted["half_years"]["repair_reports"] == {"2025H2": 1, "2026H1": 101}
    after = index.freeze("town", "2025H2")
    assert after != before
    frozen = json.loads(after.inputs.read_text("utf-8"))
    assert len(frozen["files"]["repair_reports"]) == 2
    inputs = frozen["provenance"]["inputs"]
    assert [i["half_year"] for i in inputs if i["feed"] == "repair_reports"] == ["2025H2", "2026H1"]


def test_a_changed_profile_judges_every_delivery_that_counts_once_more(project):
    project.ingest("communities")
    first = project.ingest("repair_reports")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8").replace("2026H1-000", "2026H1-900"), "utf-8")
    profile(project, lambda written: written["known_gaps"].append({"zh": "无", "en": "none"}) if "known_gaps" in written
            else written.update(known_gaps=[{"zh": "无", "en": "none"}]))  # fmt: skip
    second = project.ingest("repair_reports")
    entries = store.counting(project.home, "repair_reports", "2026H1", adds_up=True)
    assert {entry["delivery"] for entry in entries} == {first["delivery"], second["delivery"]}
    assert {entry["recipe"] for entry in entries} == {second["recipe"]} != {first["recipe"]}


def test_a_source_that_sends_the_whole_truth_has_deleted_what_is_missing(project):
    profile(project, lambda w: w["feeds"]["repair_reports"]["tables"][0].update(is_complete=True))
    project.ingest("communities")
    project.ingest("facilities")
    project.ingest("repair_reports", moment=MARCH)
    path = project.files / "reports-2026H1.csv"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-3]), "utf-8")
    project.ingest("repair_reports", moment=APRIL)
    [paths] = [
        json.loads(index.freeze("town", "2026H1").inputs.read_text("utf-8"))["files"]["repair_reports"]
    ]
    assert len(paths) == 1 and pq.read_metadata(paths[0]).num_rows == 97


def test_new_files_in_a_drop_folder_start_their_feed_once(project):
    now = datetime(2026, 5, 2, 12, tzinfo=UTC)
    long_ago = (now - timedelta(hours=3)).timestamp()
    for path in project.files.iterdir():
        os.utime(path, (long_ago, long_ago))
    found = {(f["feed"], f["half_year"]) for f in watch.new_files("town", now)}
    assert found == {
        (feed, h) for feed in ("communities", "facilities", "repair_reports") for h in ("2025H2", "2026H1")
    }
    for half_year in ("2025H2", "2026H1"):
        for feed in ("communities", "facilities", "repair_reports"):
            ingest.land("town", feed, half_year, now)
    assert watch.new_files("town", now) == []
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8") + "X,2026-05-01 08:00:00,路灯,118.805,28.905\n", "utf-8")
    os.utime(path, (now.timestamp(), now.timestamp()))
    assert watch.new_files("town", now) == [], "it may still be on its way"
    [run_] = watch.runs("town", now + timedelta(minutes=5))
    assert (run_["trigger_dag_id"], run_["conf"]) == (
        "ingest_repair_reports",
        {"city": "town", "half_year": "2026H1"},
    )
    assert watch.runs("town", now + timedelta(hours=5)) == [run_], "the same files never start a second run"


def test_a_survey_of_several_wordings_needs_one_file_of_them(project):
    def change(written):
        [table] = written["feeds"]["repair_reports"]["tables"]
        old = table | {"files": "old-*.csv"}
        written["feeds"]["repair_reports"]["tables"] = [old, table]

    profile(project, change)
    assert ingest.land("town", "repair_reports", "2026H1", APRIL)


def test_a_shapefile_lands_with_the_files_that_belong_to_it(project):
    for suffix in ("shp", "shx", "DBF", "prj"):
        project.write(f"units.{suffix}", "x")
    profile(project, lambda w: w["feeds"]["communities"]["tables"][0].update(files="units.shp"))
    delivery = landing.load(
        project.home, "communities", "2026H1", ingest.land("town", "communities", "2026H1", APRIL)
    )
    assert [f.path for f in delivery.files] == [
        "buildings.csv",
        "units.DBF",
        "units.prj",
        "units.shp",
        "units.shx",
    ]


def test_a_city_may_declare_what_its_source_is_known_to_get_wrong(project):
    project.ingest("communities")
    path = project.files / "reports-2026H1.csv"
    strange = "".join(f"X{n},2026-02-01 00:00:00,飞碟,118.805,28.905\n" for n in range(12))
    path.write_text(path.read_text("utf-8") + strange, "utf-8")
    with pytest.raises(GateFailed, match=r"unknown_code:category_code in 12 rows"):
        project.ingest("repair_reports")
    known = {
        "table": "repair_reports",
        "reason_code": "unknown_code",
        "share_max": 0.2,
        "reason": "old words",
    }
    profile(project, lambda written: written.update(tolerances=[known]))
    entry = project.ingest("repair_reports")
    assert entry["tables"]["repair_reports"]["quarantined_by_reason"] == {"unknown_code": 12}
    assert ingest.unmapped_lines("town", "repair_reports", "2026H1")[1:] == ['  "飞碟": null   # 12 row(s)']


def test_a_mapinfo_table_lands_with_the_files_that_belong_to_it():
    from citycheck.feeds.folder import with_sidecars

    offered = ["a/u.TAB", "a/u.DAT", "a/u.map", "a/u.id", "a/v.dat", "u.mid", "u.mif"]
    assert with_sidecars(["a/u.TAB"], offered) == ["a/u.DAT", "a/u.TAB", "a/u.id", "a/u.map"]
    assert with_sidecars(["u.mif"], offered) == ["u.mid", "u.mif"]
