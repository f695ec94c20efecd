"""What a release says of its own values: their statuses, every version of them, and how far they are from the last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import releases
from small_city import PROJECT, Build, SmallCity

from citycheck.release.bundle import TABLES

NO_STATISTIC = {
    "facilities": "a register: every row is a place",
    "indicator_definitions": "the standard in words and numbers",
    "spatial_findings": "what is wrong with single places",
    "row_ledger": "how many rows came and what became of them",
    "quarantine_summary": "the same by reason",
    "release_drift": "checks of other tables, with their limits",
    "project_log": "what happened to single projects",
    "pool_flows": "how many projects came, moved and left",
    "strategy_review": "the same of macro renewal by kind, and what follows",
}
"""Published marts without statuses, and what they hold instead of statistics."""
NOT_MEASURED = {"index_revisions", "release_drift"}
"""Published marts whose rows say how far two versions are from each other."""

pytestmark = [pytest.mark.dbt, pytest.mark.slow]


@pytest.fixture(scope="module")
def nodes(build: Build) -> dict[str, Any]:
    manifest = json.loads((build.target / "manifest.json").read_text(encoding="utf-8"))
    return dict(manifest["nodes"])


def _published(nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    marts = {node["alias"]: node for node in nodes.values() if node["resource_type"] == "model"}
    return {name: marts[name] for name in TABLES}


def test_every_published_value_has_statuses_and_a_test_of_them(nodes: dict[str, Any]) -> None:
    tested = {
        node["attached_node"]
        for node in nodes.values()
        if (node.get("test_metadata") or {}).get("name") == "value_has_a_status"
    }
    published = _published(nodes)
    without = [
        name
        for name, node in published.items()
        if name not in NO_STATISTIC
        and not ({"obs_status", "conf_status"} <= set(node["columns"]) and node["unique_id"] in tested)
    ]
    assert without == []
    assert [name for name in NO_STATISTIC if "obs_status" in published[name]["columns"]] == []


def test_drift_counts_the_rows_of_every_published_mart(nodes: dict[str, Any], build: Build) -> None:
    counted = build.rows("select subject_code from marts.release_drift where measure_type like '%rows'")
    assert {table for (table,) in counted} == set(TABLES) - NOT_MEASURED


@pytest.mark.parametrize(
    ("row", "is_right"),
    [
        ({"value": 1, "obs_status": "A", "conf_status": "F"}, True),
        ({"value": None, "obs_status": "Q", "conf_status": "C"}, True),
        ({"value": None, "obs_status": "A", "conf_status": "F"}, False),
        ({"value": 1, "obs_status": "L", "conf_status": "F"}, False),
        ({"value": 1, "obs_status": None, "conf_status": "F"}, False),
        ({"value": 1, "obs_status": "A", "conf_status": None}, False),
        ({"value": 1, "obs_status": "Z", "conf_status": "F"}, False),
        ({"value": None, "obs_status": "Q", "conf_status": "F"}, False),
        ({"value": 1, "obs_status": "A", "conf_status": "C"}, False),
        ({"value": None, "obs_status": "Q", "conf_status": "A"}, False),
    ],
)
def test_the_test_of_statuses_finds_what_is_wrong(row: dict[str, Any], is_right: bool, build: Build) -> None:
    written = (PROJECT / "tests/generic/value_has_a_status.sql").read_text(encoding="utf-8")
    sql = written.split("%}", 1)[1].split("{% endtest")[0]
    sql = sql.replace("{{ model }}", "(select $1 as value, $2 as obs_status, $3 as conf_status)")
    for seed in ("obs_statuses", "conf_statuses"):
        sql = sql.replace(f"{{{{ ref('{seed}') }}}}", f"standard.{seed}")
    found = build.rows(
        sql.replace("{{ value }}", "value"), row["value"], row["obs_status"], row["conf_status"]
    )
    assert (found == []) == is_right


@dataclass(frozen=True)
class Versions:
    """A second version of the half-year: the release before it, the first version, and the build of the second."""

    before: Path
    first: Path
    second: Build


@pytest.fixture(scope="module")
def versions(build: Build, dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Half of county K2's facilities turn out to be closed; a table of the first version is lost; the survey asked otherwise."""
    folder = tmp_path_factory.mktemp("releases")
    before, first = folder / "2025H2", folder / "2026H1"
    known = releases.publish(build, before)
    # which published neither kind_access nor shortfalls
    older = releases.publish(build, folder / "2024H2", half_year="2024H2")
    (first / "tables").mkdir(parents=True)
    for name in TABLES:
        build.rows(f"copy (from marts.{name}) to '{first}/tables/{name}.parquet'")
        if name not in (
            "index_vintages",
            "index_revisions",
            "release_drift",
        ):  # that release is older than they are
            shutil.copy(first / "tables" / f"{name}.parquet", before / "tables")
    (first / "tables" / "detour_penalty.parquet").unlink()

    city = SmallCity()
    city.tables = deepcopy(city.tables)
    for row in city.tables["facilities"][::2]:
        row["operating_status"] = "closed" if row["lat"] > 28.9375 else row["operating_status"]
    about = {"kind": "initial", "stage": "preliminary"}
    second = dbt(
        city,
        "--exclude-resource-type",
        "unit_test",
        release_version=2,
        release_kind="correction",
        release_stage="preliminary",
        releases=[older, known],
        previous_release=str(before),
        compared_release=str(first),
        survey_breaks=[
            {
                "half_year": "2026H1",
                "question": "satisfaction_gov",
                "kind": "wording",
                "note": {"zh": "题", "en": "q"},
            }
        ],
        vintages=[
            {"half_year": "2025H2", "version": 1, "folder": str(before), **about},
            {"half_year": "2026H1", "version": 1, "folder": str(first), **about},
        ],
    )
    return Versions(before, first, second)


def test_vintages_hold_every_value_of_every_version(versions: Versions, build: Build) -> None:
    node = "area_level, area_id, node_code, value, score, rank, weight_available_pct"
    vintages = f"select {node} from marts.index_vintages where half_year = ? and version = ? order by all"
    as_published = build.rows(vintages, "2026H1", 1)
    assert len(as_published) == (8 + 4 + 2 + 1) * (1 + 8 + 40)
    assert versions.second.rows(vintages, "2026H1", 1) == as_published
    assert versions.second.rows(vintages, "2025H2", 1) == as_published  # from before there were vintages
    now = versions.second.rows(vintages, "2026H1", 2)
    assert len(now) == len(as_published)
    assert now != as_published
    said = versions.second.rows(
        "select distinct half_year, version, release_stage, release_kind, is_current from marts.index_vintages order by all"
    )
    assert said == [
        ("2025H2", 1, "preliminary", "initial", True),
        ("2026H1", 1, "preliminary", "initial", False),
        ("2026H1", 2, "preliminary", "correction", True),
    ]


def test_revisions_tell_what_moved_and_by_how_much(versions: Versions, build: Build) -> None:
    scores = "select area_level || area_id, index_score from marts.index_scores where index_score is not null"
    before, now = dict(build.rows(scores)), dict(versions.second.rows(scores))
    told = versions.second.rows(
        "select area_level || area_id, value_before, value_now, difference, has_moved from marts.index_revisions "
        "where node_code = 'index' and difference is not null"
    )
    assert {area for area, *_ in told} == set(before) & set(now)
    for area, was, is_now, difference, has_moved in told:
        assert (was, is_now) == (before[area], now[area])
        assert difference == pytest.approx(now[area] - before[area])
        if abs(difference) > 1e-9:
            assert has_moved
    assert any(has_moved for *_, has_moved in told)
    assert build.rows("select * from marts.index_revisions") == []
    answers = versions.second.rows(
        "select distinct has_moved from marts.index_revisions join standard.indicators on indicator_code = node_code "
        "where survey_question is not null"
    )
    assert answers == [(False,)]


def test_goals_are_followed_over_the_releases(versions: Versions, build: Build) -> None:
    """What was released is as it was published, this half-year as its tables count it; what was not published is not known."""
    sql = "select goal_code, value from marts.goal_progress where half_year = '2026H1'"
    then, now = dict(build.rows(sql)), dict(versions.second.rows(sql))
    told = versions.second.rows(
        "select goal_code, half_year, value, baseline_half_year, baseline_value, half_years_elapsed, last_half_year "
        "from marts.goal_progress"
    )
    assert len(told) == 3 * len(then)
    assert all(value is not None for value in then.values())
    for goal, half_year, value, baseline_half_year, baseline, elapsed, last in told:
        is_of_index = goal in ("G01", "G02")
        if half_year == "2024H2" and not is_of_index:
            assert value is None
        else:
            assert value == pytest.approx((now if half_year == "2026H1" else then)[goal], abs=1e-9)
        assert baseline_half_year == ("2024H2" if is_of_index else "2025H2")
        assert baseline == pytest.approx(then[goal], abs=1e-9)
        assert elapsed == {"2024H2": 1, "2025H2": 3, "2026H1": 4}[half_year]
        assert last == "2029H1"
    for goal, kind in versions.second.rows(
        "select goal_code, kind_code from standard.renewal_goals where measure_code = 'kind_compliant_pct'"
    ):
        known = versions.second.rows(
            "select area_id from marts.kind_access "
            "where (area_level, kind_code) = ('community', ?) and covered_pct is not null",
            kind,
        )
        lack = versions.second.rows("select community_id from marts.shortfalls where kind_code = ?", kind)
        assert now[goal] == pytest.approx(100 * (1 - len(lack) / len(known)))
    assert now != then


def test_a_preliminary_value_is_provisional_unless_its_series_breaks(versions: Versions) -> None:
    statuses = "select distinct obs_status from marts.{} where {} is not null order by all"
    assert versions.second.rows(statuses.format("index_scores", "index_score")) == [("P",)]
    assert versions.second.rows(statuses.format("shortfalls", "covered_pct")) == [("P",)]
    broken = versions.second.rows(
        "select indicators.obs_status, definitions.survey_question = 'satisfaction_gov' as is_broken, count(*) "
        "from marts.indicators join standard.indicators as definitions using (indicator_code) "
        "where value is not null group by all order by all"
    )
    assert {(status, is_broken) for status, is_broken, _ in broken if is_broken} == {("B", True)}
    assert {status for status, is_broken, _ in broken if not is_broken} == {"P"}


def test_drift_compares_with_the_first_version(versions: Versions, build: Build) -> None:
    drift = {
        (kind, area, subject): rest
        for kind, area, subject, *rest in versions.second.rows(
            "select measure_type, area_id, subject_code, value_before, value_now, change_pct, change_points, limit_warn, "
            "limit_error, finding from marts.release_drift"
        )
    }
    count = build.rows("select count(*) from marts.shortfalls")[0][0]
    now = versions.second.rows("select count(*) from marts.shortfalls")[0][0]
    assert now > count > 0
    assert drift["shortfalls", "small", "shortfalls"][:3] == [
        count,
        now,
        pytest.approx(100 * (now - count) / count),
    ]
    index = dict(build.rows("select area_id, index_score from marts.county_index"))["K1"]
    assert drift["index", "K1", "index"][0] == index
    lost = drift["rows", "small", "detour_penalty"]
    assert lost[0] is None
    assert lost[-1] is None
    for before, is_now, pct, points, warn, error, finding in drift.values():
        change = abs(next((size for size in (pct, points) if size is not None), 0))
        is_gone = before is not None and is_now is None
        expected = (
            "error" if error is not None and change > error
            else "warn" if is_gone or (warn is not None and change > warn)
            else None
        )  # fmt: skip
        assert finding == expected
    assert {rest[-1] for rest in drift.values()} >= {"warn", None}
    assert all(rest[0] is None and rest[-1] is None for rest in _drift_of(build))


def _drift_of(build: Build) -> list[tuple[Any, ...]]:
    return build.rows("select value_before, finding from marts.release_drift")
