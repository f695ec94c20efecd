"""What a build is made from."""

import json

import approving
import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from citycheck.cities.profile import load_city
from citycheck.errors import BadInput
from citycheck.lake import store
from citycheck.steps import index, release


@pytest.mark.slow
def test_the_communities_of_the_half_year_before_are_an_input(project):
    project.ingest_all()
    alone = index.freeze("town", "2026H1")
    [path] = json.loads(alone.inputs.read_text("utf-8"))["files"]["previous_communities"]
    assert pq.read_metadata(path).num_rows == 0
    assert alone == index.freeze("town", "2026H1")

    units = json.loads((project.files / "units.json").read_text("utf-8"))
    units["features"].pop()
    project.write("units.json", json.dumps(units))
    before = project.ingest("communities", "2025H2")["tables"]["communities"]
    build = index.freeze("town", "2026H1")
    assert build.id != alone.id
    frozen = json.loads(build.inputs.read_text("utf-8"))
    [path] = frozen["files"]["previous_communities"]
    assert store.sha256(project.home.lake / before["accepted"]) == before["accepted_sha256"]
    assert path == str(project.home.lake / before["accepted"])
    assert pq.read_metadata(path).num_rows == 3
    assert [told["sha256"] for told in frozen["provenance"]["previous_communities"]] == [
        before["accepted_sha256"]
    ]
    assert build == index.freeze("town", "2026H1")


def rewritten(project, change):
    path = project.root / "project" / "cities" / "town" / "profile.yml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    change(profile)
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
    load_city.cache_clear()


@pytest.mark.slow
def test_a_city_with_polygons_and_reports_alone_is_released(project):
    def only_reports(profile):
        del profile["feeds"]["facilities"]
        profile["feeds"]["communities"]["tables"] = profile["feeds"]["communities"]["tables"][:1]
        profile["provided_kinds"] = []

    rewritten(project, only_reports)
    project.ingest("communities")
    project.ingest("repair_reports")
    build = index.freeze("town", "2026H1")
    index.build_all(build)
    index.gate_marts(build)
    release.stage(build)
    published = approving.publish(build)
    [counted] = duckdb.sql(
        f"select sum(reports) from '{published.path}/tables/repair_statistics.parquet' where area_level = 'city'"
    ).fetchall()
    assert counted[0] >= 100


def test_a_half_year_of_which_nothing_was_written_before_the_cut_off_is_not_built(project):
    rewritten(
        project,
        lambda p: p["feeds"]["repair_reports"]["tables"][0]["columns"].update(version_at={"received": True}),
    )
    for feed in ("communities", "facilities", "repair_reports"):
        project.ingest(feed)
    with pytest.raises(BadInput, match=r"repair_reports 2026H1: 100 rows .* were written after its cut-off"):
        index.freeze("town", "2026H1")


def test_reports_without_communities_are_accepted_and_no_index_is_made_of_them(project):
    rewritten(project, lambda profile: profile["feeds"].pop("communities"))
    project.ingest("communities")
    assert project.ingest("repair_reports")["tables"]["repair_reports"]["accepted_rows"] == 100
    with pytest.raises(BadInput, match="town: the profile maps no table communities"):
        index.freeze("town", "2026H1")
