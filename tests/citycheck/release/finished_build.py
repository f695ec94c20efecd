"""A finished build in miniature: the marts and seeds that a release reads, and the manifest that dbt writes.

Two synthetic counties of 3 × 3 communities. `has_survey=False` is a city without survey and with few kinds:
no index, two indicators. Names are made up; three of them try to break a spreadsheet or a page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citycheck.duck import connect
from citycheck.release.publication import Publication, Published

DIMENSIONS = (
    ("GOV", "治理", "Governance", 15),
    ("EDU", "教育", "Education & childcare", 16),
    ("ELD", "养老", "Elder care", 18),
    ("HLT", "卫生", "Health", 13),
    ("CUL", "文化", "Culture", 9),
    ("COM", "商业", "Commerce", 9),
    ("SPT", "体育", "Sport & fitness", 9),
    ("CNV", "便民", "Convenience services", 11),
)
SCRIPT = "<script>alert(1)</script>社区"
FORMULA = "=HYPERLINK(1)社区"
RIGHT_TO_LEFT = "حي\u202e社区😀"
_SCORES = ", ".join(f"score_{code.lower()} double" for code, *_ in DIMENSIONS)
_INDEX = f"""residents bigint, index_score double, band_code varchar, band_zh varchar, band_en varchar,
    status varchar, weight_available_pct double, rank bigint, previous_index_score double,
    index_change double, {_SCORES}, reports_per_1000 double, index_low double, index_high double, rank_low bigint,
    rank_high bigint, is_different_from_next boolean, obs_status varchar, conf_status varchar"""
_AREA = "area_level varchar, area_id varchar"
_OTHERS = {
    "indicator_removals": ["indicator_code"],
    "indicator_contributions": ["indicator_code"],
    "repair_hot_spots": ["category_code"],
    "survey_portrait": ["characteristic", "category"],
    "survey_response": ["channel"],
    "community_insights": ["item_code"],
    "index_revisions": ["node_code"],
    "release_drift": ["measure_type", "subject_code"],
}
"""Marts of areas that a release publishes and its page does not read, with what their grain has besides the area."""
MARTS = {
    "county_index": (f"area_id varchar, area_name varchar, {_INDEX}", ["area_id"]),
    "community_index": (
        "area_id varchar, area_name varchar, street_id varchar, street_name varchar, county_id varchar, "
        f"county_name varchar, {_INDEX}",
        ["area_id"],
    ),
    "street_index": (
        f"area_id varchar, area_name varchar, county_id varchar, county_name varchar, {_INDEX}",
        ["area_id"],
    ),
    "index_scores": (
        f"""{_AREA}, area_name varchar, index_score double, rank bigint, band_code varchar, status varchar,
        weight_available_pct double""",
        ["area_level", "area_id"],
    ),
    "index_uncertainty": (
        f"{_AREA}, node_code varchar, score double, score_low double, score_high double",
        ["area_level", "area_id", "node_code"],
    ),
    "index_comparisons": (
        f"{_AREA}, other_area_id varchar, difference double, is_different boolean",
        ["area_level", "area_id", "other_area_id"],
    ),
    "index_series": (
        f"{_AREA}, half_year varchar, score_published double, score_same_standard double, is_break boolean",
        ["area_level", "area_id", "half_year"],
    ),
    "goal_progress": (
        """goal_code varchar, goal_order integer, name_zh varchar, name_en varchar, measure_code varchar,
        kind_code varchar, direction varchar, unit varchar, half_year varchar, first_half_year varchar,
        last_half_year varchar, half_years_elapsed integer, baseline_half_year varchar,
        baseline_value double, target_value double, value double, expected_value double, way_pct double,
        needed_per_half_year double, is_on_course boolean, status_code varchar, review_code varchar,
        obs_status varchar, conf_status varchar""",
        ["goal_code", "half_year"],
    ),
    "project_effects": (
        f"candidate_id varchar, {_AREA}, node_code varchar, points double",
        ["candidate_id", "area_level", "area_id", "node_code"],
    ),
    "programme_frontier": (
        """objective_code varchar, step bigint, budget_cny double, cost_cny double, projects bigint,
        value double, bound double, gap_pct double, greedy_value double, value_per_million_cny double,
        obs_status varchar, conf_status varchar""",
        ["objective_code", "budget_cny"],
    ),
    "programme_projects": (
        "objective_code varchar, budget_cny double, candidate_id varchar, cost_cny double",
        ["objective_code", "budget_cny", "candidate_id"],
    ),
    "projects": (
        """project_id varchar, candidate_id varchar, origin_code varchar, project_name_zh varchar,
        project_name_en varchar, community_id varchar, community_name varchar, street_id varchar,
        street_name varchar, county_id varchar, county_name varchar, kind_code varchar,
        category_code varchar, reason_code varchar, action_code varchar, means_code varchar,
        scale_code varchar, pool_code varchar, pool_basis varchar, status_code varchar,
        refresh_code varchar, first_seen_half_year varchar, last_seen_half_year varchar,
        opened_half_year varchar, closed_half_year varchar, priority_score double,
        priority_uncovered double, priority_size_gap double, priority_need double, priority_reports double,
        target_group varchar, target_population bigint, uncovered_population bigint,
        uncovered_elder_population bigint, uncovered_child_population bigint, area_gap_m2 double,
        capacity_gap double, capacity_unit varchar, reports bigint, size_m2 double, site_id varchar,
        site_type varchar, site_lon double, site_lat double, site_basis varchar, cost_cny double,
        cost_basis varchar, predicted_covered_population bigint, predicted_covered_in_community bigint,
        predicted_community_points double, predicted_county_points double, predicted_city_points double,
        department varchar, planned_start_on date, planned_end_on date, started_on date, delivered_on date,
        evidence varchar, last_edited_at timestamp, supervision_code varchar, has_conflict boolean,
        obs_status varchar, conf_status varchar""",
        ["project_id"],
    ),
    "project_log": (
        "event_id varchar, half_year varchar, project_id varchar, event_code varchar, field varchar, to_value varchar",
        ["event_id"],
    ),
    "project_evaluations": (
        """project_id varchar, half_year varchar, community_id varchar, community_name varchar,
        county_id varchar, county_name varchar, kind_code varchar, category_code varchar,
        department varchar, delivered_on date, cost_cny double, baseline_half_year varchar,
        predicted_covered_in_community bigint, measured_covered_in_community bigint,
        covered_difference bigint, predicted_community_points double, measured_community_points double,
        points_difference double, is_still_lacking boolean, is_measured boolean, verdict_code varchar,
        obs_status varchar, conf_status varchar""",
        ["project_id"],
    ),
    "pool_flows": (
        """half_year varchar, pool_code varchar, at_start bigint, opened bigint, moved_in bigint,
        moved_out bigint, closed_by_itself bigint, closed_by_project bigint, without_effect bigint,
        dropped bigint, open_at_end bigint, median_age_half_years double, drained_pct double,
        never_drains boolean, edits_until timestamp""",
        ["half_year", "pool_code"],
    ),
    "strategy_review": (
        """half_year varchar, kind_code varchar, kind_name_zh varchar, kind_name_en varchar,
        action_code varchar, half_years_known bigint, projects bigint, closed_by_itself bigint,
        closed_by_project bigint, without_effect bigint, dropped bigint, open_at_end bigint,
        open_cost_cny double, drained_pct double, never_drains boolean, goal_code varchar,
        goal_status_code varchar, goal_way_pct double, is_due boolean, review_code varchar""",
        ["kind_code"],
    ),
    "index_vintages": (
        f"half_year varchar, version integer, {_AREA}, node_code varchar, value double",
        ["half_year", "version", "area_level", "area_id", "node_code"],
    ),
    "survey_needs": (
        f"""{_AREA}, need_code varchar, respondents bigint, urgent_pct double, urgent_low_pct double,
        urgent_high_pct double, need_rank bigint""",
        ["area_level", "area_id", "need_code"],
    ),
    "index_changes": (
        f"""{_AREA}, comparison varchar, node_code varchar, compared_half_year varchar, change double,
        is_comparable boolean, reason_zh varchar, reason_en varchar""",
        ["area_level", "area_id", "comparison", "node_code"],
    ),
    "index_change_causes": (
        f"{_AREA}, comparison varchar, node_code varchar, indicator_code varchar, cause_code varchar, points double",
        ["area_level", "area_id", "comparison", "node_code", "indicator_code", "cause_code"],
    ),
    "index_sensitivities": ("output varchar, assumption varchar, total double", ["output", "assumption"]),
    "indicator_correlations": ("node_a varchar, node_b varchar, pearson double", ["node_a", "node_b"]),
    "indicator_definitions": (
        """indicator_code varchar, dimension_code varchar, name_zh varchar, name_en varchar, unit varchar, weight double,
        goalpost_low double, goalpost_high double, is_scored boolean""",
        ["indicator_code"],
    ),
    "facilities": (
        """facility_id varchar, facility_name varchar, kind_code varchar, lon double, lat double, community_id varchar,
        street_id varchar, county_id varchar, floor_area_m2 double, land_area_m2 double, operating_status varchar,
        facility_status varchar, valid_from timestamp""",
        ["facility_id"],
    ),
    "areas": (
        "area_level varchar, area_id varchar, area_name varchar, residents bigint",
        ["area_level", "area_id"],
    ),
    "indicators": (
        "area_level varchar, area_id varchar, indicator_code varchar, dimension_code varchar, value double, "
        "unit varchar, status varchar",
        ["area_level", "area_id", "indicator_code"],
    ),
    "dimension_scores": (
        "area_level varchar, area_id varchar, dimension_code varchar, score double",
        ["area_level", "area_id", "dimension_code"],
    ),
    "shortfalls": (
        """community_id varchar, community_name varchar, county_id varchar, county_name varchar,
        kind_code varchar, kind_name_zh varchar, kind_name_en varchar, shortfall_status varchar,
        uncovered_population bigint, covered_pct double, area_gap_m2 double,
        nearest_counting_distance_m double, first_seen_half_year varchar""",
        ["community_id", "kind_code", "shortfall_status"],
    ),
    "kind_access": (
        f"""{_AREA}, kind_code varchar, target_population bigint, covered_population bigint, covered_pct double,
        facilities_counting bigint""",
        ["area_level", "area_id", "kind_code"],
    ),
    "detour_penalty": (
        """area_level varchar, area_id varchar, kind_code varchar, target_population bigint,
        covered_population_euclidean bigint, covered_population_network bigint, lost_population bigint,
        median_detour_ratio double""",
        ["area_level", "area_id", "kind_code"],
    ),
    "spatial_findings": (
        "finding_code varchar, subject_id varchar, other_id varchar",
        ["finding_code", "subject_id", "other_id"],
    ),
    "repair_statistics": (
        f"{_AREA}, category_code varchar, reports bigint",
        ["area_level", "area_id", "category_code"],
    ),
    "survey_satisfaction": (
        f"{_AREA}, question_code varchar, top2_pct double, is_suppressed boolean, conf_status varchar",
        ["area_level", "area_id", "question_code"],
    ),
    "data_gaps": (
        """area_level varchar, area_id varchar, indicator_code varchar, indicator_name_zh varchar,
        indicator_name_en varchar, dimension_code varchar, missing_reason varchar, missing_reason_zh varchar,
        missing_reason_en varchar, weight_in_index_pct double""",
        ["area_level", "area_id", "indicator_code"],
    ),
    "row_ledger": (
        """feed varchar, table_name varchar, half_year varchar, delivery varchar, source_file varchar,
        rows_in bigint, rows_accepted bigint, rows_quarantined bigint, rows_duplicate bigint,
        rows_out_of_scope bigint""",
        ["table_name", "half_year", "delivery", "source_file"],
    ),
    "quarantine_summary": (
        "feed varchar, table_name varchar, reason_code varchar, rows bigint",
        ["table_name", "reason_code"],
    ),
    "communities": (
        """community_id varchar, community_name varchar, street_id varchar, street_name varchar,
        county_id varchar, county_name varchar, area_m2 double, geometry geometry""",
        ["community_id"],
    ),
} | {
    name: (f"{_AREA}, " + ", ".join(f"{column} varchar" for column in rest), ["area_level", "area_id", *rest])
    for name, rest in _OTHERS.items()
}


@dataclass(frozen=True)
class Build:
    """A build's files, and what its provenance says."""

    database: Path
    manifest: Path
    provenance: dict[str, Any]


def corrected(provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a second version, which puts an error of the source right."""
    publication = Publication(
        "2026H1",
        2,
        "correction",
        "preliminary",
        reason_zh="=1+1 设施重复",
        reason_en="A <b>facility</b> was counted twice.",
        responsible="made",
        supersedes=Published("2026H1", 1, "11"),
    )
    return {**provenance, "publication": publication.as_json()}


def build(folder: Path, *, has_survey: bool = True) -> Build:
    """Write a finished build into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "build.duckdb"
    with connect(database) as connection:
        connection.execute("create schema marts; create schema standard")
        for name, (columns, _) in MARTS.items():
            connection.execute(f"create table marts.{name} ({columns})")
        _fill_standard(connection)
        _fill_marts(connection, has_survey)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(_manifest(database)), encoding="utf-8")
    provenance = {
        "city": "miniature",
        "city_name_zh": "合成市",
        "city_name_en": "Synthetic city",
        "half_year": "2026H1",
        "is_synthetic": True,
        "standard_version": "0.1.0",
        "cut_off": "2026-07-16T00:00:00+08:00",
        "code_commit": "0123abc",
        "inputs": [{"feed": "communities", "delivery": "d1"}, {"feed": "facilities", "delivery": "d1"}],
        "known_gaps": [{"zh": "合成缺口", "en": "A synthetic gap"}],
        "walking_network": True,
        "sources": [{"name": "made", "title": "Made by a program", "licence": "none"}],
        "previous_release": {"half_year": "2025H2", "version": 3, "fingerprint": "00"},
        "period": {"start": "2026-01-01T00:00:00+08:00", "end": "2026-07-01T00:00:00+08:00"},
        "publication": Publication(
            "2026H1", 1, "initial", "preliminary", "2026-07-16T09:30:00+08:00"
        ).as_json(),
        "dates": [
            {"half_year": half_year, "stage": stage, "release_at": at, "is_changed": is_changed}
            for half_year, stage, at, is_changed in (
                ("2026H1", "preliminary", "2026-07-16T09:30:00+08:00", False),
                ("2026H1", "verified", "2026-08-20T10:00:00+08:00", True),
                ("2026H1", "final", "2026-12-28T09:30:00+08:00", False),
                ("2026H2", "preliminary", "2027-01-16T09:30:00+08:00", False),
            )
        ],
    }
    return Build(database, manifest, provenance)


def _fill_standard(connection: Any) -> None:
    connection.execute(
        "create table standard.dimensions (dimension_code varchar, dimension_order int, name_zh varchar, "
        "name_en varchar, weight_pct double)"
    )
    for order, (code, zh, en, weight) in enumerate(DIMENSIONS):
        connection.execute(
            "insert into standard.dimensions values (?, ?, ?, ?, ?)", [code, order, zh, en, weight]
        )
    connection.execute(
        """
        create table standard.scoring as select 'unit_min_weight_available' as parameter, 0.65 as value;
        insert into marts.indicator_definitions values
            ('SPT-1', 'SPT', '室外健身活动场地覆盖率', 'Outdoor fitness-ground coverage', 'pct', 0.35, 0, 100, true),
            ('SPT-3', 'SPT', '人均室外健身用地', 'Outdoor fitness land per resident', 'm2_per_resident', 0.25, 0, 0.3, true);
        create table standard.change_causes as select * from (values
            ('facilities', 4, '设施开办与关停', 'Facilities'), ('survey', 6, '居民问卷', 'Survey')
        ) as t (cause_code, cause_order, name_zh, name_en);
        create table standard.spatial_checks as select
            'network_fragment' as finding_code, '步行网络孤立片段' as name_zh, 'Part that nothing connects' as name_en,
            '补上缺失的连接' as advice_zh, 'Add the missing connection' as advice_en;
        create table standard.release_stages as select * from (values
            ('preliminary', '初步', 'preliminary'), ('verified', '核实', 'verified'), ('final', '最终', 'final')
        ) as t (stage_code, name_zh, name_en);
        create table standard.facility_kinds as select
            'F01' as kind_code, '社区综合服务中心' as name_zh, 'Community integrated service centre' as name_en,
            'GOV' as dimension_code, 'required' as obligation, 300.0::double as radius_m, 500.0::double as radius_stock_m,
            800.0::double as min_floor_area_m2, 600.0::double as relaxed_floor_area_m2, null::varchar as min_area_subtype,
            null::double as min_land_area_m2, 'all' as target_group, 'A01' as action_code;
        create table standard.renewal_actions as select * from (values
            ('A01', '公共服务完善提升', 'Improvement of public services'), ('A02', '城市安全管理', 'Urban safety'),
            ('A05', null, null)
        ) as t (action_code, name_zh, name_en);
        create table standard.renewal_pools as select * from (values
            ('annual_list', 1, '年度项目清单', 'Annual project list'),
            ('midterm_reserve', 2, '中期项目储备库', 'Mid-term project reserve'),
            ('five_year_goal', 3, '五年工作目标', 'Five-year goals')
        ) as t (pool_code, pool_order, name_zh, name_en);
        create table standard.renewal_scales as select * from (values
            ('micro', '微更新', 'Micro renewal'), ('macro', '大更新', 'Macro renewal')
        ) as t (scale_code, name_zh, name_en);
        create table standard.renewal_means as select
            'space_swap' as means_code, '空间腾挪' as name_zh, 'Space freed and exchanged' as name_en;
        create table standard.renewal_priority as select * from (values
            ('uncovered', 1, '未覆盖人口占比', 'Share uncovered'), ('size_gap', 2, '规模缺口', 'Size that is lacking'),
            ('need', 3, '居民需求重要度', 'Needs'), ('reports', 4, '报事报修密度', 'Reports')
        ) as t (part_code, part_order, name_zh, name_en);
        create table standard.renewal_goal_reviews as select
            'raise' as review_code, '达成，提高目标' as name_zh, 'Reached: raise it' as name_en;
        create table standard.bands as select * from (values
            ('weak', '中', 'weak'), ('poor', '差', 'poor')
        ) as t (band_code, name_zh, name_en);
        create table standard.repair_categories as select
            'water' as category_code, '给排水' as name_zh, 'Water and drains' as name_en;
        create table standard.survey_questions as select
            'satisfaction_gov' as question_code, '治理总体满意度' as name_zh, 'Governance' as name_en;
        create table standard.needs as select 'N01' as need_code, '邻里客厅' as name_zh, 'Lounge' as name_en;
        """
    )


def _fill_marts(connection: Any, has_survey: bool) -> None:
    """Communities lie in two blocks of 3 × 3; every number follows from the position in them."""
    names = {4: SCRIPT, 5: FORMULA, 6: RIGHT_TO_LEFT}
    for county in (1, 2):
        county_id, county_name = f"C{county}", f"合成{'甲乙'[county - 1]}县"
        for n in range(9):
            id_ = f"C{county}-{n}"
            name = names.get(n + 9 * (county - 1), f"合成{county}{n}社区")
            west, south = 118.80 + 0.03 * county + 0.01 * (n % 3), 28.90 + 0.01 * (n // 3)
            box = f"POLYGON(({_corners(west, south, 0.01)}))"
            place = [id_, name, f"S{county}", "合成街道", county_id, county_name]
            connection.execute(
                "insert into marts.communities values (?, ?, ?, ?, ?, ?, ?, st_geomfromtext(?))",
                [*place, 1.0e6, box],
            )
            score = 38.0 + 5 * n + county if has_survey and n != 8 else None
            connection.execute(
                f"insert into marts.community_index values ({_marks(32)})",
                [*place, *_index(score, n + 1, has_survey)],
            )
            for code, unit, value in (
                ("SPT-1", "pct", 10.0 * n + county),
                ("SPT-3", "m2_per_resident", 0.03 * n),
            ):
                connection.execute(
                    "insert into marts.indicators values ('community', ?, ?, 'SPT', ?, ?, 'ok')",
                    [id_, code, value, unit],
                )
            connection.execute(
                "insert into marts.shortfalls values (?, ?, ?, ?, 'F01', '社区综合服务中心', "
                "'Community integrated service centre', 'uncovered', ?, ?, null, ?, '2026H1')",
                [id_, name, county_id, county_name, 100 * n, 50.0, 812.25],
            )
            connection.execute(
                "insert into marts.kind_access values ('community', ?, 'F01', 1000, ?, ?, 1)",
                [id_, 1000 - 100 * n, 100.0 - 10 * n],
            )
            connection.execute(
                "insert into marts.facilities values (?, ?, 'F01', ?, ?, ?, ?, ?, 812.5, null, 'operating', 'compliant', "
                "'2020-03-01 00:00:00')",
                [f"F{id_}", name, west + 0.005, south + 0.005, id_, f"S{county}", county_id],
            )
        score = 60.04 + county if has_survey else None
        connection.execute(
            "insert into marts.repair_statistics values ('county', ?, 'all', 1200), ('county', ?, 'water', 300)",
            [county_id, county_id],
        )
        if has_survey:
            connection.execute(
                "insert into marts.survey_satisfaction values ('county', ?, 'satisfaction_gov', 71.25, false, 'F'), "
                "('street', ?, 'satisfaction_gov', null, true, 'C')",
                [county_id, f"S{county}"],
            )
        connection.execute(
            f"insert into marts.street_index values ({_marks(30)})",
            [f"S{county}", "合成街道", county_id, county_name, *_index(score, county, has_survey)],
        )
        connection.execute(
            f"insert into marts.county_index values ({_marks(28)})",
            [county_id, county_name, *_index(score, 3 - county, has_survey)],
        )
        connection.execute(
            "insert into marts.index_scores values ('county', ?, ?, ?, ?, null, 'ok', 100)",
            [county_id, county_name, score, 3 - county],
        )
        if score is not None:
            connection.execute(
                "insert into marts.index_series values ('county', ?, '2025H2', ?, ?, false), "
                "('county', ?, '2026H1', ?, ?, false)",
                [county_id, score - 1.5, score - 1.5, county_id, score, score],
            )
            connection.execute(
                "insert into marts.index_vintages values ('2025H2', 3, 'county', ?, 'GOV-5', 91.25)",
                [county_id],
            )
            connection.execute(
                "insert into marts.survey_needs values ('county', ?, 'N01', 120, 40.04, 31.5, 49.25, 1)",
                [county_id],
            )
            connection.execute(
                "insert into marts.index_uncertainty values ('county', ?, 'GOV', ?, ?, ?)",
                [county_id, score, score - 2, score + 2],
            )
            connection.execute(
                "insert into marts.index_changes values "
                "('county', ?, 'previous', 'index', '2025H2', 1.5, true, null, null), "
                "('county', ?, 'year_ago', 'index', '2025H1', null, false, '没有发布', 'Not released')",
                [county_id, county_id],
            )
            connection.execute(
                "insert into marts.index_change_causes values "
                "('county', ?, 'previous', 'index', 'SPT-1', 'facilities', 2.04), "
                "('county', ?, 'previous', 'index', 'SPT-4', 'survey', -0.54)",
                [county_id, county_id],
            )
        for code, unit, value in (("SPT-1", "pct", 40.0 + county), ("SPT-3", "m2_per_resident", 0.12)):
            connection.execute(
                "insert into marts.indicators values ('county', ?, ?, 'SPT', ?, ?, 'ok')",
                [county_id, code, value, unit],
            )
        connection.execute("insert into marts.areas values ('county', ?, ?, 9000)", [county_id, county_name])
        connection.execute(
            "insert into marts.detour_penalty values ('county', ?, 'F01', 900, 600, 450, 150, 1.31), "
            "('county', ?, 'F02', 100, 100, 100, 0, 1.29)",
            [county_id, county_id],
        )
        connection.execute(
            "insert into marts.data_gaps values ('county', ?, 'EDU-6', '教育托育满意率', "
            "'Satisfaction with education', 'EDU', 'feed_missing', '没有这一来源', "
            "'The city does not provide this feed', 2.4)",
            [county_id],
        )
    _fill_renewal(connection, has_survey)
    connection.execute(
        """
        insert into marts.index_comparisons values ('county', 'C1', 'C2', -1.0, false);
        insert into marts.row_ledger values
            ('facilities', 'facilities', '2026H1', 'd1', 'facilities.csv', 100, 90, 7, 3, 0);
        insert into marts.spatial_findings values ('network_fragment', 'E1', 'E1'), ('network_fragment', 'E2', 'E2');
        insert into marts.quarantine_summary values ('facilities', 'facilities', 'zero_coordinates', 7);
        """
    )


def _fill_renewal(connection: Any, has_survey: bool) -> None:
    """A project a community: the first of a county from reports, the last delivered and evaluated, one of each without a site."""
    shown = connection.execute(
        "select area_id, area_name, street_id, street_name, county_id, county_name from marts.community_index order by area_id"
    ).fetchall()
    pools = ("annual_list", "annual_list", *["midterm_reserve"] * 4, *["five_year_goal"] * 3)
    for at, (id_, name, street_id, street_name, county_id, county_name) in enumerate(shown):
        n = at % 9
        of_reports, is_over = n == 0, n == 8
        subject = ("给排水", "Water and drains") if of_reports else ("社区综合服务中心", "Service centre")
        project = {
            "project_id": f"{id_}-{'water-001' if of_reports else 'F01'}-2025H2",
            "candidate_id": f"{id_}-{'water-001' if of_reports else 'F01'}",
            "origin_code": "repair_reports" if of_reports else "shortfall",
            "project_name_zh": "部门<b>自定</b>的名称" if n == 1 else f"{name} {subject[0]}",
            "project_name_en": "A name <b>of its own</b>" if n == 1 else f"{subject[1]}, {name}",
            **{"community_id": id_, "community_name": name, "street_id": street_id, "street_name": street_name},
            **{"county_id": county_id, "county_name": county_name},
            "kind_code": None if of_reports else "F01",
            "category_code": "water" if of_reports else None,
            "reason_code": "persistent_reports" if of_reports else "missing",
            "action_code": "A02" if of_reports else "A01",
            "means_code": "space_swap",
            "scale_code": "macro" if n > 5 else "micro",
            "pool_code": pools[n],
            "pool_basis": "rule",
            "status_code": "evaluated" if is_over else "under_way" if n == 1 else "proposed",
            "refresh_code": "closed_by_project" if is_over else "still_open",
            **{"first_seen_half_year": "2025H2", "last_seen_half_year": "2026H1", "opened_half_year": "2025H2"},
            "closed_half_year": "2026H1" if is_over else None,
            "priority_score": 90.04 - n,
            **{"priority_uncovered": 40.04 - n, "priority_size_gap": 20.0, "priority_need": 15.0, "priority_reports": 15.0},
            "uncovered_population": None if of_reports else 100 * n,
            "reports": 7 if of_reports else 0,
            "size_m2": None if of_reports else 800.0,
            "site_id": f"K{at}" if 0 < n < 3 else None,
            "site_type": "reported" if of_reports else "vacant_room" if n < 3 else "to_be_found",
            "site_lon": None if n == 3 else 118.806 + 0.01 * (n % 3) + 0.03 * (1 + at // 9),
            "site_lat": None if n == 3 else 28.906 + 0.01 * (n // 3),
            "site_basis": "estimate",
            "cost_cny": 1_234_567.0 + 100_000 * n,
            "cost_basis": "department" if n == 2 else "estimate",
            "predicted_covered_population": None if of_reports else 50 * n,
            "predicted_community_points": 0.125 * n if has_survey and not of_reports else None,
            "department": "=合成<i>局</i>" if n == 1 else None,
            "planned_end_on": "2026-05-31" if n == 1 else None,
            "supervision_code": "overdue" if n == 1 else None,
            **{"has_conflict": False, "obs_status": "P", "conf_status": "F"},
        }  # fmt: skip
        _insert(connection, "projects", project)
        if is_over:
            kept = (
                "project_id",
                "community_id",
                "community_name",
                "county_id",
                "county_name",
                "kind_code",
                "cost_cny",
            )
            _insert(
                connection,
                "project_evaluations",
                {column: project[column] for column in kept}
                | {"half_year": "2026H1", "delivered_on": "2026-03-01", "baseline_half_year": "2025H2"}
                | {
                    "predicted_covered_in_community": 800,
                    "measured_covered_in_community": 640,
                    "covered_difference": -160,
                }
                | {
                    "predicted_community_points": 1.5,
                    "measured_community_points": 1.25,
                    "points_difference": -0.25,
                }
                | {"is_still_lacking": False, "is_measured": True, "verdict_code": "as_predicted"}
                | {"obs_status": "P", "conf_status": "F"},
            )
    for half_year, value, expected in (("2025H2", 50.0, 50.0), ("2026H1", 51.04, 55.0)):
        known = {
            "baseline_half_year": "2025H2",
            "baseline_value": 50.0,
            "value": value,
            "expected_value": expected,
        }
        status = "behind" if value < expected else "on_course"
        _insert(
            connection,
            "goal_progress",
            {
                "goal_code": "G01",
                "goal_order": 1,
                "name_zh": "全市<b>指数</b>",
                "name_en": "Index of the city",
            }
            | {"measure_code": "index", "direction": "rise", "unit": "points", "half_year": half_year}
            | {"first_half_year": "2025H2", "last_half_year": "2026H2", "half_years_elapsed": 2}
            | (known if has_survey else {})
            | {"target_value": 60.0, "status_code": status if has_survey else "not_known"}
            | {"obs_status": "P", "conf_status": "F"},
        )
    for pool in sorted(set(pools)):
        counts = {
            "at_start": 18,
            "opened": 0,
            "moved_in": 0,
            "moved_out": 0,
            "closed_by_itself": 0,
            "closed_by_project": 2,
        }
        _insert(
            connection,
            "pool_flows",
            {
                "half_year": "2026H1",
                "pool_code": pool,
                **counts,
                "without_effect": 0,
                "dropped": 0,
                "open_at_end": 16,
            }
            | {"never_drains": pool == "five_year_goal", "edits_until": "2026-07-15 16:00:00"},
        )
    for step, (budget, value) in enumerate(((8.21e6, 1.194), (20.53e6, 2.0)), 1):
        _insert(
            connection,
            "programme_frontier",
            {
                "objective_code": "index_points",
                "step": step,
                "budget_cny": budget,
                "cost_cny": budget,
                "projects": 2 * step,
            }
            | {"value": value, "bound": value + 0.01, "gap_pct": 0.5, "greedy_value": value - 0.1}
            | {"value_per_million_cny": value / budget * 1e6, "obs_status": "E", "conf_status": "F"},
        )
        for n in range(1, 1 + step):
            for county in (1, 2):
                connection.execute(
                    "insert into marts.programme_projects values ('index_points', ?, ?, 1e6)",
                    [budget, f"C{county}-{n}-F01"],
                )


def _insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    connection.execute(
        f"insert into marts.{table} ({', '.join(row)}) values ({_marks(len(row))})", list(row.values())
    )


def _index(score: float | None, rank: int, has_survey: bool) -> list[Any]:
    """The columns of an index table after the names."""
    band = ("weak", "中", "weak") if score is not None and score >= 60 else ("poor", "差", "poor")
    return [
        1000 + rank,
        score,
        *(band if score is not None else (None, None, None)),
        "ok" if score is not None else "insufficient_data",
        100.0 if has_survey else 31.25,
        rank if score is not None else None,
        score - 1.5 if score is not None else None,
        1.5 if score is not None else None,
        *((score if has_survey else None) for _ in DIMENSIONS),
        12.345,
        *((None, None) if score is None else (score - 4.26, score + 5)),
        *((None, None) if score is None else (rank, rank + 1)),
        False if rank == 1 and score is not None else None,
        "P" if score is not None else "O",
        "F",
    ]


def _corners(west: float, south: float, side: float) -> str:
    east, north = west + side, south + side
    return ", ".join(
        f"{x:.6f} {y:.6f}"
        for x, y in ((west, south), (east, south), (east, north), (west, north), (west, south))
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _manifest(database: Path) -> dict[str, Any]:
    """What dbt writes: each mart with its columns, and the test of its grain."""
    nodes: dict[str, Any] = {}
    with connect(database, read_only=True) as connection:
        for name, (_, key) in MARTS.items():
            described = connection.execute(f"describe marts.{name}").fetchall()
            id_ = f"model.citycheck.{name}"
            nodes[id_] = {
                "resource_type": "model",
                "unique_id": id_,
                "name": "indicator_values" if name == "indicators" else name,
                "alias": name,
                "schema": "marts",
                "description": f"Synthetic {name}. One row per {' and '.join(key)}.",
                "constraints": [],
                "columns": {
                    column: {"name": column, "data_type": type_.lower(), "description": f"What {column} is"}
                    for column, type_, *_ in described
                },
            }
            nodes[f"test.citycheck.unique_{name}"] = {
                "resource_type": "test",
                "unique_id": f"test.citycheck.unique_{name}",
                "name": f"unique_{name}",
                "schema": "tests",
                "attached_node": id_,
                "test_metadata": {"name": "unique_combination", "kwargs": {"columns": key}},
            }
    return {"nodes": nodes}
