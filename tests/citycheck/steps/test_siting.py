"""Siting as asked of marts: a street of houses, 100 m apart, with or without streets to walk on and known sites."""

from __future__ import annotations

import json

import duckdb
import pytest
import shapely
from typer.testing import CliRunner

from citycheck import cli_renewal, desk
from citycheck.cli import app
from citycheck.errors import BadInput
from citycheck.renewal.siting import Limits
from citycheck.steps import siting
from citycheck.steps.siting import Question

HOUSES, PEOPLE = 12, 10
SITES = """
('s1', 'room', 'vacant_room', 'U1', 'T1', 'C1', 118.0, 28.0, 200.0, 10.0, 400.0, null, null, 1000.0),
('s2', 'small', 'vacant_room', 'U1', 'T1', 'C1', 118.0, 28.0, 800.0, 10.0, 20.0, null, null, 1000.0),
('s3', 'dark', 'vacant_room', 'U1', 'T1', 'C1', 118.0, 28.0, 800.0, 10.0, null, null, null, 1000.0),
('s4', 'yard', 'land', 'U2', 'T2', 'C1', 118.0, 28.0, 800.0, 10.0, null, 900.0, null, 0.0),
('s5', 'centre', 'co_location', 'U2', 'T2', 'C1', 118.0, 28.0, 900.0, 10.0, 900.0, null, 'f1', 0.0)
"""


@pytest.fixture
def marts(tmp_path):
    """Houses at x = 0, 100 …; those in the first 300 m are covered. F01 needs 350 m² of floor, F16 300 m² of land."""
    path = tmp_path / "town.duckdb"
    with duckdb.connect(str(path)) as made:
        for schema in ("marts", "intermediate", "staging", "standard"):
            made.execute(f"create schema {schema}")
        made.execute(f"""
            create table intermediate.int_demand_points as
            select printf('b%02d', n) as building_id, if(n < 6, 'U1', 'U2') as community_id, 'C1' as county_id,
                cast(100 * n as double) as x_m, cast(0 as double) as y_m from range({HOUSES}) as t(n);
            create table marts.buildings as
            select building_id, community_id, county_id, 118.0 as lon, 28.0 as lat from intermediate.int_demand_points;
            create table staging.stg_communities as
            select * from (values ('U1', 'T1', 'C1'), ('U2', 'T2', 'C1')) as t(community_id, street_id, county_id);
            create table standard.facility_kinds as
            select * from (values
                ('F07', '照料中心', 'Day care', 'elder60', 'allowed_in_F01', 350.0, cast(null as double)),
                ('F16', '运动场', 'Sports ground', 'all', 'standalone', null, 300.0),
                ('F20', '停车', 'Parking', 'hh', 'standalone', null, null)
            ) as t(kind_code, name_zh, name_en, target_group, co_location, min_floor_area_m2, min_land_area_m2);
            create table standard.scoring as
            select parameter, cast(value as double) as value from (values
                ('access_search_limit_m', 3000), ('detour_factor', 1.25), ('snap_limit_m', 200),
                ('network_fragment_m', 1000)) as t(parameter, value);
            create table standard.renewal_costs as
            select * from (values ('F07', 100.0, 2.0)) as t(subject_code, fixed_cny, cost_per_m2_cny);
            create table marts.demand_access as
            select building_id, kind_code, {PEOPLE} as target_population, 250.0 as radius_m,
                if(x_m < 300, 50.0, null) as nearest_counting_distance_m
            from intermediate.int_demand_points cross join (values ('F07'), ('F16')) as k(kind_code);
            create table staging.stg_walking_edges (edge_id varchar, from_node varchar, to_node varchar, length_m double,
                line_m blob);
            """)
    return path


def with_sites(path):
    with duckdb.connect(str(path)) as made:
        made.execute(f"""
            create table intermediate.int_candidate_sites as
            select * replace (cast(x_m as double) as x_m, cast(y_m as double) as y_m, cast(lon as double) as lon,
                cast(lat as double) as lat, cast(floor_area_m2 as double) as floor_area_m2,
                cast(land_area_m2 as double) as land_area_m2, cast(cost_cny as double) as cost_cny)
            from (values {SITES}) as t(site_id, site_name,
                site_type, community_id, street_id, county_id, lon, lat, x_m, y_m, floor_area_m2, land_area_m2,
                host_facility_id, cost_cny)""")
    return path


def with_streets(path):
    """One street; its middle is stated twice as long as it is drawn."""
    lines = [(0.0, 600.0, 600.0), (600.0, 800.0, 400.0), (800.0, 1200.0, 400.0)]
    with duckdb.connect(str(path)) as made:
        for start, stop, length in lines:
            line = shapely.to_wkb(shapely.LineString([(start, 0), (stop, 0)]))
            made.execute(
                "insert into staging.stg_walking_edges values (?, ?, ?, ?, ?)",
                [f"e{start}", f"n{start}", f"n{stop}", length, line],
            )
    return path


def test_without_known_sites_buildings_stand_for_them(marts):
    found = siting.run(marts, Question("F07", sites=1))
    assert found.is_to_be_found
    assert {site.site_type for site in found.sites} == {"to_be_found"}
    # Five houses lie within 250 m of a house; of those from 300 m on, all five are new.
    assert (found.covered_before, found.covered_after, found.answer.value) == (30, 80, 50)
    assert (found.distance, found.answer.is_optimal, found.cost_cny) == ("euclidean", True, 800)


def test_only_sites_that_fit_the_kind_are_candidates(marts):
    found = siting.run(with_sites(marts), Question("F07", problem="full_coverage"))
    assert found.left_out == {"size_unknown": ["s3"], "too_small": ["s2"], "wrong_type": ["s4"]}
    assert [(site.site_id, site.newly_covered, site.cost_cny) for site in found.sites] == [
        ("s1", 20, 1800), ("s5", 50, 800),
    ]  # fmt: skip
    assert found.beyond_points == ["b05", "b06"]
    assert (found.beyond_people, found.cost_cny) == (20, 2600)
    ground = siting.run(marts, Question("F16", sites=3))
    assert [site.site_id for site in ground.sites] == ["s4"]
    assert ground.left_out == {"wrong_type": ["s1", "s2", "s3", "s5"]}
    assert ground.cost_cny is None


def test_where_streets_are_the_walk_decides(marts):
    """From 900 m the house at 700 m is 200 m away by the line, and 300 m on foot."""
    straight = siting.run(with_sites(marts), Question("F07", sites=1))
    on_foot = siting.run(with_streets(marts), Question("F07", sites=1))
    assert (straight.distance, straight.sites[0].site_id, straight.answer.value) == ("euclidean", "s5", 50)
    assert (on_foot.distance, on_foot.sites[0].site_id, on_foot.answer.value) == ("network", "s5", 40)


def test_who_is_not_on_the_network_is_as_far_as_a_detour_makes_it(marts):
    with duckdb.connect(str(with_streets(marts))) as made:
        made.execute("update intermediate.int_demand_points set y_m = 5000 where x_m >= 1000")
    found = siting.run(marts, Question("F07", problem="full_coverage"), detour_factor=1.5)
    assert found.beyond_points == []
    assert found.covered_after == HOUSES * PEOPLE


def test_a_budget_buys_what_it_can(marts):
    assert siting.run(with_sites(marts), Question("F07", budget_cny=2599)).cost_cny == 800
    assert siting.run(marts, Question("F07", budget_cny=2600)).cost_cny == 2600


def test_a_floor_changes_the_choice_and_what_is_short_of_it_is_told(marts):
    """One site: the most people are near s5, but the street T1 would stay at half."""
    free = siting.run(with_sites(marts), Question("F07", sites=1))
    floored = siting.run(marts, Question("F07", sites=1, floor=0.8))
    assert [site.site_id for site in free.sites] == ["s5"]
    lines = "\n".join(siting.told(floored, 0.5))
    by_area = {floor["area"]: floor for floor in floored.floors}
    assert {area: floor["reachable"] for area, floor in by_area.items()} == {"T1": 50, "T2": 50}
    assert not all(floor["is_met"] for floor in floored.floors)
    assert "floor not met" in lines
    assert "without the floor" in lines


def test_the_median_shortens_ways_and_counts_nobody_beyond_the_limit(marts):
    found = siting.run(with_sites(marts), Question("F07", problem="p_median", sites=2))
    assert [site.site_id for site in found.sites] == ["s1", "s5"]
    # 30 people have 50 m already; the others had nothing within 3,000 m.
    assert found.metres_before == pytest.approx((30 * 50 + 90 * 3000) / 120)
    assert found.metres_after < 260
    assert found.answer.value == pytest.approx(found.metres_after * 120)


def test_a_capacity_binds(marts):
    found = siting.run(marts, Question("F07", problem="capacitated", sites=2, capacity=25))
    assert (found.answer.value, found.covered_after) == (50, 80)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (Question("F07"), "needs --sites K or --budget"),
        (Question("F07", problem="p_median", budget_cny=5), "p_median needs --sites"),
        (Question("F07", problem="capacitated", sites=1), "needs --capacity"),
        (Question("F07", problem="full_coverage", floor=0.5), "--floor belongs to max_coverage"),
        (Question("F99", sites=1), "'F99' is no kind of facility; the standard has F07, F16, F20"),
        (Question("F20", sites=1), "the city has no source for this kind"),
        (Question("F07", sites=1, county_id="C9"), "'C9' is no county of this city; it has C1"),
    ],
)
def test_what_cannot_be_asked_is_told(marts, question, told):
    with pytest.raises(BadInput, match=told):
        siting.run(marts, question)


def test_no_candidate_left_is_told_with_the_reasons(marts):
    with duckdb.connect(str(with_sites(marts))) as made:
        made.execute("delete from intermediate.int_candidate_sites where site_id <> 's2'")
    with pytest.raises(BadInput, match="no candidate site is left \\(1 too_small\\)"):
        siting.run(marts, Question("F07", sites=1))


def test_the_command_prints_json_and_writes_a_map(marts, tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "marts", lambda *_: with_sites(marts))
    out = tmp_path / "sites.geojson"
    asked = ["siting", "2026H1", "--city", "quzhou_sample", "--kind", "F07", "--sites", "2", "--json"]
    done = CliRunner().invoke(app, [*asked, "--geojson", str(out)])
    told = json.loads(done.stdout)
    assert (told["answer"]["value"], told["answer"]["gap_pct"], told["answer"]["is_optimal"]) == (70, 0, True)
    assert [site["site_id"] for site in told["sites"]] == ["s1", "s5"]
    assert told["seconds"] >= 0
    assert told["is_synthetic"]
    features = json.loads(out.read_text("utf-8"))["features"]
    assert [feature["properties"]["site_id"] for feature in features] == ["s1", "s5"]
    assert features[0]["geometry"] == {"type": "Point", "coordinates": [118.0, 28.0]}


def test_the_table_says_all_in_two_languages(marts):
    text = "\n".join(siting.told(siting.run(with_sites(marts), Question("F07", sites=2)), 1.25))
    for part in (
        "照料中心 Day care",
        "闲置用房 vacant room",
        "proven optimal",
        "1.25 s",
        "greedy 70",
        "面积不足 smaller",
    ):
        assert part in text
    assert "2 处 buildings" in text


def test_limits_reach_the_solver(marts):
    early = siting.run(marts, Question("F07", sites=2, limits=Limits(gap=0.5, nodes=1, seconds=5)))
    assert early.answer.bound >= early.answer.value
    assert cli_renewal.app.registered_commands
