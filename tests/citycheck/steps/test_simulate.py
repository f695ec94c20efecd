"""What if: which release is asked, and about what; that the answer is right is tests/test_whatif.py."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import approving
import duckdb
import pytest

from citycheck.errors import BadInput, NotReady
from citycheck.renewal import whatif_table
from citycheck.renewal.additions import Addition
from citycheck.steps import index, release, simulate

HALF_YEAR = "2026H1"
PARK = "F17@118.805,28.915,500"


def test_nothing_is_simulated_before_there_is_a_release(project):
    with pytest.raises(BadInput, match="nothing is released to begin with"):
        simulate.run("town", HALF_YEAR, [Addition.parse(PARK)])


def test_projects_are_asked_of_a_release(project):
    with pytest.raises(BadInput, match="nothing is released to begin with"):
        simulate.of_projects("town", HALF_YEAR, pool="annual_list")


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A release's database with projects."""
    database = tmp_path / "2026H1.duckdb"
    with duckdb.connect(str(database)) as marts:
        marts.execute("create schema marts")
        marts.execute(
            """
            create table marts.projects as from (values
                ('p1', 'F07', 118.8e0, 28.9e0, 350e0, null, 'annual_list', 'annual'),
                ('p2', 'F03', 118.9e0, 28.9e0, 200e0, 30.0, 'annual_list', 'annual'),
                ('p3', 'F07', null, null, 350e0, null, 'annual_list', 'annual'),
                ('p4', 'F08', 118.8e0, 28.9e0, null, null, 'midterm_reserve', 'closed'),
                ('p5', null, 118.8e0, 28.9e0, null, null, 'annual_list', 'proposed'),
                ('p6', 'F07', 118.8e0, 28.9e0, 500e0, null, 'annual_list', 'delivered'),
                ('p7', 'F03', 118.9e0, 28.9e0, 300e0, null, 'five_year_goal', 'reserve'),
                ('p8', 'F03', 118.9e0, 28.9e0, 250e0, 45.2, 'five_year_goal', 'proposed'),
                ('p9', 'F04', 118.9e0, 28.9e0, 2200e0, null, 'five_year_goal', 'under_way')
            ) as of(project_id, kind_code, site_lon, site_lat, size_m2, capacity_gap, pool_code, status_code)
            """
        )
    monkeypatch.setattr(simulate, "_released", lambda city, half_year: (database, {}))
    return database


def test_an_annual_list_is_what_it_builds_at_a_site(released):
    found = simulate.of_projects("town", HALF_YEAR, pool="annual_list")
    assert [(one.kind_code, one.lon, one.area_m2, one.capacity) for one in found] == [
        ("F07", 118.8, 350.0, None),
        ("F03", 118.9, 200.0, 30),
    ]
    assert simulate.of_projects("town", HALF_YEAR, ["p1", "p1"]) == found[:1]
    assert simulate.of_projects("town", HALF_YEAR, ["p1"], "annual_list") == found


def test_one_facility_for_several_communities_is_built_once(released):
    found = simulate.of_projects("town", HALF_YEAR, pool="five_year_goal")
    assert [(one.kind_code, one.area_m2, one.capacity) for one in found] == [
        ("F03", 300.0, 46),
        ("F04", 2200.0, None),
    ]
    assert simulate.of_projects("town", HALF_YEAR, ["p2"], "five_year_goal") == found


@pytest.mark.parametrize(
    ("ids", "pool", "said"),
    [
        (["p10"], None, "p10: is no open project of town 2026H1"),
        (["p4"], None, "p4: is no open project"),
        (["p6"], None, "p6: is no open project"),
        (["p3"], None, "p3: builds no facility of a kind at a site"),
        (["p5"], None, "p5: builds no facility of a kind at a site"),
        (
            [],
            "midterm_reserve",
            "'midterm_reserve' is no pool with open projects; there are annual_list, five_year_goal",
        ),
    ],
)
def test_what_is_no_project_is_told(released, ids, pool, said):
    with pytest.raises(BadInput, match=said):
        simulate.of_projects("town", HALF_YEAR, ids, pool)


def test_a_release_without_projects_is_told(released):
    with duckdb.connect(str(released)) as marts:
        marts.execute("drop table marts.projects")
    with pytest.raises(BadInput, match="the release has no projects"):
        simulate.of_projects("town", HALF_YEAR, pool="annual_list")


@pytest.mark.slow
@pytest.mark.cities
def test_a_release_is_asked_where_it_lies(project):
    project.ingest_all()
    build = index.begin("town", HALF_YEAR, now=datetime(2026, 7, 20, tzinfo=UTC))
    index.build_all(build)
    index.gate_marts(build)
    release.stage(build)
    approving.publish(build)
    with pytest.raises(BadInput, match="lies outside the city's box"):
        simulate.run("town", HALF_YEAR, [Addition("F17", 28.9, 118.8)])

    effects = simulate.run("town", HALF_YEAR, [Addition.parse(PARK)])
    assert {
        one.area_id: {kind: change.after - change.before for kind, change in one.covered.items()}
        for one in effects
        if one.area_level == "community"
    } == {"U3": {"F17": 1002}}
    assert list(whatif_table.lines(effects, 120))[-1].startswith(f"{len(effects)} ")

    shutil.rmtree(project.home.work)
    assert simulate.run("town", HALF_YEAR, [Addition.parse(PARK)]) == effects
    build.database.unlink()
    with pytest.raises(NotReady, match="the build of the release is not kept"):
        simulate.run("town", HALF_YEAR, [])
