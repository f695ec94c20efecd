"""Candidates of the small city: counted again by hand, and what changes when a planner edits a seed."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import small_city
from small_city import PERIOD_START, Build, SmallCity, seed

from citycheck.cities.indicators import Packs

CHOSEN = ("--select", "+int_project_candidates +shortfalls", "--exclude-resource-type", "test unit_test")
COLUMNS = [
    "candidate_id", "origin_code", "community_id", "kind_code", "category_code", "reason_code", "first_seen_half_year",
    "action_code", "means_code", "scale_code", "pool_code", "uncovered_population", "target_population", "size_m2",
    "cost_cny", "reports", "priority_score", "priority_uncovered", "priority_size_gap", "priority_need",
    "priority_reports", "lon", "lat",
]  # fmt: skip
METRE = 1 / 111_000
EDITS: dict[str, dict[tuple[str, ...], dict[str, str]]] = {
    "renewal_rules": {("170", "F18"): {"means_code": "function_change", "needs_land": "true"}},
    "renewal_costs": {("F08",): {"fixed_cny": "6000000"}},
    "renewal_pool_rules": {("20", "micro"): {"priority_score_min": "101"}},
    "renewal_priority": {("uncovered",): {"weight": "0.6"}, ("need",): {"weight": "0"}},
    "renewal_categories": {("parking",): {"kind_code": ""}},
    "scoring": {("project_cluster_reports_min",): {"value": "16"}},
}


def planted() -> SmallCity:
    """No parking anywhere; in C1 reports of roads and, 60 m off, walkways, of parking, and of traffic, which has no rule."""
    city = SmallCity()
    city.tables["facilities"] = [row for row in city.tables["facilities"] if row["kind_code"] != "F20"]
    west, south = city.corner(1)
    places = {
        "road": (18, west + 0.002, south + 0.002),
        "walkway": (15, west + 0.002, south + 0.002 + 60 * METRE),
        "parking": (20, west + 0.006, south + 0.002),
        "traffic": (30, west + 0.002, south + 0.007),
        "street_light": (14, west + 0.006, south + 0.007),
    }
    city.tables["repair_reports"] = []
    for category, (count, lon, lat) in places.items():
        for number in range(count):
            reported = PERIOD_START + dt.timedelta(days=3 + 170 * number / count)
            city.tables["repair_reports"].append(
                {
                    "report_id": f"{category}-{number}",
                    "version_at": reported,
                    "reported_at": reported,
                    "category_code": category,
                    "request_type": "repair",
                    "channel": "app",
                    "lon": lon + number % 3 * METRE,
                    "lat": lat + number % 5 * METRE,
                    "status": "open",
                }
            )
    return city


def candidates(build: Build) -> dict[str, dict[str, Any]]:
    rows = build.rows(f"select {', '.join(COLUMNS)} from intermediate.int_project_candidates")
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


@pytest.fixture(scope="module")
def ruled(dbt: Callable[..., Build]) -> Build:
    return dbt(planted(), *CHOSEN)


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory, ruled: Build) -> Build:
    """The same city by a copy of the project whose seeds were edited, after a release that knew the place on the road."""
    folder = tmp_path_factory.mktemp("edited")
    project, release = folder / "dbt_project", folder / "release"
    shutil.copytree(small_city.PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for name, edits in EDITS.items():
        edit(project / "seeds" / f"{name}.csv", edits)
    road = candidates(ruled)["C1-road-001"]
    (release / "tables").mkdir(parents=True)
    duckdb.sql(
        f"""
        copy (
            select 'C1-road-007' as candidate_id, 'repair_reports' as origin_code, 'road' as category_code,
                '2024H2' as opened_half_year, null as closed_half_year, '2024H2' as first_seen_half_year,
                {road["lon"]} + 40 * {METRE} as site_lon, {road["lat"]} as site_lat
        ) to '{release}/tables/projects.parquet'
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Packs, "project", lambda packs, folder: project)
        return small_city.run_dbt(folder, planted(), *CHOSEN, projects_before=str(release))


def edit(path: Path, edits: dict[tuple[str, ...], dict[str, str]]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for key, changes in edits.items():
        [row] = [row for row in rows if tuple(row.values())[: len(key)] == key]
        row |= changes
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def first_rule(subject: str, reason: str) -> dict[str, str]:
    fitting = [
        row
        for row in seed("renewal_rules")
        if row["subject_code"] in (subject, "*") and row["reason_code"] in (reason, "*")
    ]
    return min(fitting, key=lambda row: int(row["rule_order"]))


def test_every_shortfall_is_a_candidate_by_the_first_rule_that_fits(ruled: Build) -> None:
    found = candidates(ruled)
    shortfalls = ruled.rows(
        "select community_id, kind_code, shortfall_status, action_code from marts.shortfalls"
    )
    assert {f"{unit}-{kind}" for unit, kind, *_ in shortfalls} == {
        name for name, row in found.items() if row["origin_code"] == "shortfall"
    }
    assert len({reason for _, _, reason, _ in shortfalls}) >= 4
    cap = 5_000_000
    for unit, kind, reason, action in shortfalls:
        row, rule = found[f"{unit}-{kind}"], first_rule(kind, reason)
        assert (row["means_code"], row["action_code"]) == (rule["means_code"], action)
        needs = any(rule[name] == "true" for name in ("needs_land", "needs_demolition", "is_macro"))
        is_macro = (
            needs
            or rule["needs_plan_amendment"] == "true"
            or int(rule["duration_months"]) > 12
            or row["cost_cny"] > cap
        )
        assert row["scale_code"] == ("macro" if is_macro else "micro")


def test_priority_is_what_its_parts_say(ruled: Build) -> None:
    needs = {
        (unit, need): pct
        for unit, need, pct in ruled.rows(
            "select area_id, need_code, important_pct from marts.survey_needs where area_level = 'community'"
        )
    }
    shares = {row["reason_code"]: float(row["size_gap_share"]) for row in seed("renewal_reasons")}
    with_standard = {row["kind_code"] for row in seed("facility_kinds") if row["per_capita_value"]}
    by_kind: dict[str, list[str]] = {}
    for row in seed("need_kinds"):
        by_kind.setdefault(row["kind_code"], []).append(row["need_code"])
    seen = 0
    for row in candidates(ruled).values():
        parts = [row[f"priority_{name}"] for name in ("uncovered", "size_gap", "need", "reports")]
        assert row["priority_score"] == pytest.approx(sum(parts), abs=1e-9)
        assert all(0 <= part <= most for part, most in zip(parts, (40, 20, 20, 20), strict=True))
        if row["origin_code"] != "shortfall":
            assert parts[:2] == [0, 0]
            continue
        assert parts[0] == pytest.approx(
            40 * row["uncovered_population"] / row["target_population"], abs=0.0051
        )
        if row["kind_code"] not in with_standard:
            assert parts[1] == 20 * shares[row["reason_code"]]
        own = [needs.get((row["community_id"], need)) for need in by_kind.get(row["kind_code"], [])]
        if any(pct is not None for pct in own):
            assert parts[2] == pytest.approx(max(pct for pct in own if pct is not None) / 5, abs=0.0051)
            seen += 1
        else:
            assert (parts[2] > 0) == bool(by_kind.get(row["kind_code"]))
    assert seen >= 10


def test_reports_of_one_problem_make_one_candidate(ruled: Build) -> None:
    """Roads lead the walkways beside them; parking is the lack of F20; traffic has no rule, and 14 are too few."""
    found = {name: row for name, row in candidates(ruled).items() if row["reports"] > 0}
    assert {name: row["reports"] for name, row in found.items()} == {"C1-road-001": 35, "C1-F20": 20}
    road = found["C1-road-001"]
    assert (road["reason_code"], road["category_code"], road["kind_code"]) == (
        "persistent_reports",
        "road",
        None,
    )
    assert (road["action_code"], road["scale_code"], road["size_m2"]) == ("A03", "micro", None)
    west, south = SmallCity.corner(1)
    assert (road["lon"], road["lat"]) == pytest.approx((west + 0.002, south + 0.002), abs=51 * METRE)
    assert found["C1-F20"]["lon"] is None
    residents = ruled.rows(
        "select residents from intermediate.int_community_areas where area_level = 'community' and area_id = 'C1'"
    )[0][0]
    assert road["priority_reports"] == pytest.approx(20 * min(1000 * 35 / residents / 10, 1), abs=0.0051)


def test_seeds_alone_change_the_candidates(ruled: Build, edited: Build) -> None:
    """Another means and land, a price above the cap, no annual list, other weights, one problem more, one cluster less."""
    before, after = candidates(ruled), candidates(edited)
    post = [name for name, row in before.items() if row["kind_code"] == "F18"]
    assert {row["scale_code"] for name, row in before.items() if name in post} == {"micro"}
    changed = [name for name in post if first_rule("F18", before[name]["reason_code"])["rule_order"] == "170"]
    assert changed
    for name in changed:
        assert (after[name]["means_code"], after[name]["scale_code"]) == ("function_change", "macro")
    canteens = [
        name for name, row in before.items() if row["kind_code"] == "F08" and row["cost_cny"] == 500_000
    ]
    assert canteens
    for name in canteens:
        assert (after[name]["cost_cny"], after[name]["scale_code"]) == (6_000_000, "macro")
    annual = {name for name, row in before.items() if row["pool_code"] == "annual_list"}
    assert any(before[name]["origin_code"] == "shortfall" for name in annual)
    assert not any(
        row["pool_code"] == "annual_list" for row in after.values() if row["origin_code"] == "shortfall"
    )
    for name in before.keys() & after.keys():
        assert after[name]["priority_uncovered"] == pytest.approx(
            before[name]["priority_uncovered"] * 1.5, abs=0.011
        )
        assert after[name]["priority_need"] == 0
    assert {name: row["reports"] for name, row in after.items() if row["reports"]} == {
        "C1-road-007": 20,
        "C1-parking-001": 20,
    }


def test_a_place_keeps_its_name_from_release_to_release(edited: Build) -> None:
    found = candidates(edited)
    assert found["C1-road-007"]["first_seen_half_year"] == "2024H2"
    assert found["C1-parking-001"]["first_seen_half_year"] == "2026H1"


def test_no_report_is_told_of(ruled: Build) -> None:
    """The reports behind a cluster stay in the build: no mart has their codes, and no candidate an exact count."""
    columns = ruled.rows(
        "select table_name from information_schema.columns where table_schema = 'marts' and column_name = 'report_id'"
    )
    assert columns == []
    members = ruled.rows("select count(*), count(distinct report_id) from staging.stg_report_cluster_members")
    assert members == [(83, 83)]
    assert all(row["reports"] % 5 == 0 for row in candidates(ruled).values())
