"""What moved each score: each cause alone gives its cause and no other, and whatever happens adds up."""

from __future__ import annotations

import copy
import datetime as dt
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from releases import publish
from small_city import Build, SmallCity

pytestmark = pytest.mark.dbt
PUBLISHED = "+indicator_values +dimension_scores +index_scores +facilities +communities +survey_satisfaction"
CHANGES = "+index_change_causes +index_series +index_scores +indicator_values +indicator_contributions"
MODELS_ONLY = ("--exclude-resource-type", "test", "unit_test")


@dataclass(frozen=True)
class Compared:
    """A build and the entry of the release that it is compared with."""

    build: Build
    release: dict[str, Any]

    def causes(self, level: str, area: str, indicator: str, node: str = "index") -> dict[str, float]:
        sql = """
            select cause_code, points from marts.index_change_causes
            where (area_level, area_id, indicator_code, node_code, comparison) = (?, ?, ?, ?, 'previous')
        """
        return dict(self.build.rows(sql, level, area, indicator, node))

    def change(self, level: str, area: str, node: str = "index") -> float:
        sql = """
            select change from marts.index_changes
            where (area_level, area_id, node_code, comparison) = (?, ?, ?, 'previous') and is_comparable
        """
        [(change,)] = self.build.rows(sql, level, area, node)
        return float(change)


@pytest.fixture(scope="module")
def release(dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The small city as it was half a year ago."""
    build = dbt(SmallCity(), "--select", PUBLISHED, *MODELS_ONLY)
    return publish(build, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def compare(dbt: Callable[..., Build], release: dict[str, Any]) -> Callable[..., Compared]:
    """Build a city half a year later."""

    def run(city: SmallCity, releases: list[dict[str, Any]] | None = None, **variables: Any) -> Compared:
        build = dbt(
            city,
            "--select",
            CHANGES,
            *MODELS_ONLY,
            releases=[release] if releases is None else releases,
            **{"previous_release": release["folder"], **variables},
        )
        return Compared(build, release)

    return run


@pytest.fixture(scope="module")
def one_by_one(compare: Callable[..., Compared]) -> Compared:
    """In every community something else has happened, far enough from the others."""
    city = copy.deepcopy(SmallCity())
    tables = city.tables

    def of(table: str, unit: str) -> list[dict[str, Any]]:
        return [row for row in tables[table] if row.get("community_id") == unit]

    for row in [row for row in tables["repair_reports"] if row["report_id"].startswith("P1-")][:20]:
        row["dispatched_at"] = row["reported_at"] + dt.timedelta(hours=24, microseconds=1)
    for row in of("survey_responses", "C2"):
        row["satisfaction_gov"] = 5
    for row in [row for row in tables["estates"] if row["estate_id"].startswith("E3-")]:
        row["property_service_model"] = "professional"
        row["dwellings"] += 7
    for row in [row for row in tables["estates"] if row["estate_id"].startswith("E4-")]:
        row["property_service_model"] = None
    for home in [row for row in tables["buildings"] if row["building_id"].startswith("B5-")]:
        tables["facilities"].append(
            {
                "facility_id": f"F12-{home['building_id']}",
                "facility_name": "合成文化家园",
                "kind_code": "F12",
                "lon": home["lon"],
                "lat": home["lat"],
                "floor_area_m2": 400.0,
                "opened_on": dt.datetime(2026, 3, 1),
                "operating_status": "operating",
            }
        )
    for row in [row for row in tables["buildings"] if row["building_id"].startswith("B7-")][:20]:
        row["residents"] += 100
        row["residents_age_15_59"] += 100
    return compare(city)


@pytest.mark.parametrize(
    ("unit", "indicator", "cause"),
    [
        ("C1", "GOV-5", "reports"),
        ("C2", "GOV-7", "survey"),
        ("C3", "GOV-4", "estates"),
        ("C4", "GOV-4", "data"),
        ("C5", "CUL-1", "facilities"),
        ("C7", "COM-1", "population"),
    ],
)
def test_one_cause_alone_is_the_cause(one_by_one: Compared, unit: str, indicator: str, cause: str) -> None:
    found = one_by_one.causes("community", unit, indicator, indicator.split("-")[0])
    assert set(found) == {cause}
    assert abs(found[cause]) > 0.01


def test_where_nothing_happened_nothing_moved(one_by_one: Compared) -> None:
    sql = "select * from marts.index_change_causes where area_level = 'community' and area_id in ('C6', 'C8')"
    moved = {row[4] for row in one_by_one.build.rows(sql)}
    assert moved <= {"CUL-1", "CUL-2"}  # what opened in C5 is in reach of C6
    assert one_by_one.causes("community", "C2", "COM-1") == {}


def test_answers_of_one_community_move_the_city_by_their_weight(one_by_one: Compared) -> None:
    """50 to 90 % are 0 to 100 points; GOV-7 weighs 0.12 of its dimension."""
    sql = """
        select now.numerator / now.denominator, before.numerator / before.denominator from marts.indicators as now
        inner join read_parquet(?) as before using (area_level, area_id, indicator_code)
        where (area_level, area_id, indicator_code) = ('county', 'K1', 'GOV-7')
    """
    [(now, before)] = one_by_one.build.rows(sql, one_by_one.release["ratios"])

    def score(share: float) -> float:
        return min(max((100 * share - 50) / 40, 0), 1) * 100

    [(weight,)] = one_by_one.build.rows(
        "select weight_pct from (select 100 * 0.12 / sum(weight) as weight_pct from marts.indicators "
        "where (area_level, area_id, dimension_code) = ('county', 'K1', 'GOV') and score is not null)"
    )
    found = one_by_one.causes("county", "K1", "GOV-7", "GOV")
    assert set(found) == {"survey"}
    assert found["survey"] == pytest.approx(weight / 100 * (score(now) - score(before)), abs=1e-9)


def test_a_lost_value_leaves_its_weight_to_the_others_as_data(one_by_one: Compared) -> None:
    """GOV-4 weighs 0.14: what it brought is gone, and each of the others brings more."""
    assert one_by_one.causes("community", "C4", "GOV-4", "GOV")["data"] < 0
    others = [one_by_one.causes("community", "C4", f"GOV-{number}", "GOV") for number in (1, 2, 5, 6, 7)]
    assert {cause for found in others for cause in found} == {"data"}
    assert all(found["data"] > 0 for found in others if found)


def test_people_who_move_weigh_the_shares_anew(one_by_one: Compared) -> None:
    """At the county: the sum of today's people times the share of before, by all of today's people."""
    sql = """
        select area_id, indicator_code, before.numerator / before.denominator, now.denominator
        from marts.indicators as now inner join read_parquet(?) as before using (area_level, area_id, indicator_code)
        where area_level = 'community' and area_id in ('C5', 'C6', 'C7') and indicator_code = 'HLT-4'
    """
    units = one_by_one.build.rows(sql, one_by_one.release["ratios"])
    assert len(units) == 3
    moved = sum(share * people for *_, share, people in units) / sum(people for *_, people in units)
    sql = "select value from read_parquet(?) where (area_level, area_id, indicator_code) = ('county', 'K2', 'HLT-4')"
    [(before,)] = one_by_one.build.rows(sql, one_by_one.release["ratios"])
    sql = """
        select score_then, by_population, by_feed from intermediate.int_change_steps
        where (area_level, area_id, indicator_code) = ('county', 'K2', 'HLT-4')
    """
    [(then, by_population, by_feed)] = one_by_one.build.rows(sql)
    goal = [min(max((value - 50) / 40, 0), 1) * 100 for value in (before, 100 * moved)]
    assert (then, by_population) == pytest.approx((goal[0], goal[1] - goal[0]), abs=1e-6)
    assert by_feed == pytest.approx(0, abs=1e-6)


def test_the_series_goes_on(one_by_one: Compared) -> None:
    sql = """
        select half_year, score_published, score_same_standard, is_break from marts.index_series
        where (area_level, area_id) = ('county', 'K1') order by half_year
    """
    before, now = one_by_one.build.rows(sql)
    assert (before[0], now[0]) == ("2025H2", "2026H1")
    assert before[1] == pytest.approx(before[2], abs=1e-9)
    assert now[1] - before[1] == pytest.approx(one_by_one.change("county", "K1"), abs=1e-9)


@pytest.fixture(scope="module")
def mixture(compare: Callable[..., Compared]) -> Compared:
    """A city in which everything is another: every register, every answer, every report."""
    city = SmallCity(seed=7)
    for row in city.tables["facilities"]:
        if row["facility_id"].endswith(("-02", "-03")):
            row |= {"operating_status": "closed", "closed_on": dt.datetime(2026, 2, 1)}
    broken = {"half_year": "2026H1", "question": "satisfaction_spt", "kind": "wording"}
    return compare(city, survey_breaks=[broken | {"note": {"zh": "改了措辞", "en": "Put in other words"}}])


def test_whatever_happens_adds_up(mixture: Compared) -> None:
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    causes = set()
    for *key, indicator, cause, points in mixture.build.rows(
        "select area_level, area_id, comparison, node_code, indicator_code, cause_code, points from marts.index_change_causes"
    ):
        assert indicator
        causes.add(cause)
        sums[tuple(key)] += points
    changes = mixture.build.rows(
        "select area_level, area_id, comparison, node_code, change from marts.index_changes where has_causes"
    )
    assert len(changes) > 100
    assert {tuple(key): change for *key, change in changes} == pytest.approx(sums, abs=1e-9)
    assert causes == {"data", "population", "facilities", "estates", "survey_break", "reports"}


def test_a_question_put_otherwise_is_told_from_other_answers(mixture: Compared) -> None:
    sql = "select distinct indicator_code from marts.index_change_causes where cause_code = '{}' order by 1"
    assert mixture.build.rows(sql.format("survey_break")) == [("SPT-4",)]
    assert mixture.build.rows(sql.format("survey")) == []  # no other question had other answers


def test_indicators_add_up_too(mixture: Compared) -> None:
    sql = """
        select area_level, area_id, indicator_code, contribution_points from marts.indicator_contributions
        where contribution_points is not null
    """
    now = {tuple(key): points for *key, points in mixture.build.rows(sql)}
    sql = """
        select area_level, area_id, indicator_code, 'current' = state as is_now, share * score
        from intermediate.int_change_shares where node_code = 'index'
    """
    then: dict[tuple[str, ...], float] = defaultdict(float)
    for *key, is_now, points in mixture.build.rows(sql):
        if is_now:
            assert points == pytest.approx(now[tuple(key)], abs=1e-9)
        else:
            then[tuple(key)] = points
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    sql = "select area_level, area_id, indicator_code, points from marts.index_change_causes where node_code = 'index'"
    for *key, points in mixture.build.rows(sql):
        sums[tuple(key)] += points
    for key, points in sums.items():
        # An indicator without a value brings nothing.
        assert points == pytest.approx(now.get(key, 0.0) - then[key], abs=1e-9)


def test_without_a_release_it_is_said_in_a_sentence(one_by_one: Compared, release: dict[str, Any]) -> None:
    sql = """
        select distinct is_comparable, reason_code, reason_zh, reason_en from marts.index_changes
        where comparison = 'year_ago'
    """
    [(is_comparable, code, zh, en)] = one_by_one.build.rows(sql)
    assert (is_comparable, code) == (False, "not_released")
    assert zh
    assert en


@pytest.mark.slow
def test_a_release_of_an_older_version_is_not_read(
    compare: Callable[..., Compared], release: dict[str, Any]
) -> None:
    old = release | {"reason": "columns_missing", "folder": "/nowhere", "ratios": "/nowhere"}
    build = compare(SmallCity(), [old]).build
    found = build.rows("select distinct reason_code from marts.index_changes where comparison = 'previous'")
    assert found == [("columns_missing",)]
    assert build.rows("from marts.index_change_causes") == []


@pytest.fixture(scope="module")
def other_standard(release: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same half-year as an older standard published it: GOV-7 had 20 to 80 % as goalposts, and a wider radius let
    twice as many people have a market (COM-1). Scores are made here by hand, of weighted means."""
    folder = tmp_path_factory.mktemp("older") / "release"
    shutil.copytree(release["folder"], folder)
    tables = folder / "tables"
    with duckdb.connect() as connection:
        connection.execute(f"create table leaves as from read_parquet('{tables}/indicators.parquet')")
        connection.execute(
            "update leaves set score = 100 * least(greatest((value - 20) / 60, 0), 1) "
            "where indicator_code = 'GOV-7' and value is not null"
        )
        connection.execute(
            "update leaves set numerator = least(2 * numerator, denominator), value = least(2 * value, 100), "
            "score = least(2 * score, 100) where indicator_code = 'COM-1' and value is not null"
        )
        connection.execute(
            f"""
            create table nodes as
            select before.* replace (case when before.score is not null then made.score end as score)
            from read_parquet('{tables}/dimension_scores.parquet') as before
            inner join (
                select area_level, area_id, dimension_code, sum(weight * score) / sum(weight) as score
                from leaves where score is not null and weight > 0 group by all
            ) as made using (area_level, area_id, dimension_code)
            """
        )
        connection.execute(
            f"""
            create table roots as
            select before.* replace (case when before.index_score is not null then made.score end as index_score)
            from read_parquet('{tables}/index_scores.parquet') as before
            left join (
                select area_level, area_id, sum(weight_pct * score) / sum(weight_pct) as score
                from nodes where score is not null group by all
            ) as made using (area_level, area_id)
            """
        )
        for name, table in {
            "indicators": "leaves",
            "dimension_scores": "nodes",
            "index_scores": "roots",
        }.items():
            connection.execute(f"copy {table} to '{tables}/{name}.parquet'")
    return release | {"folder": str(folder), "is_recomputed": "true", "standard_version": "0.0.9"}


def test_another_standard_is_the_cause_where_nothing_else_moved(
    compare: Callable[..., Compared], other_standard: dict[str, Any]
) -> None:
    found = compare(SmallCity(), [other_standard], previous_release=other_standard["folder"])
    causes = found.build.rows("select distinct indicator_code, cause_code from marts.index_change_causes")
    assert sorted(causes) == [("COM-1", "standard"), ("GOV-7", "standard")]
    sql = """
        select sum(now.weight * (now.score - before.score)) / sum(now.weight) from marts.indicators as now
        inner join read_parquet(?) as before using (area_level, area_id, indicator_code)
        where (area_level, area_id, now.dimension_code) = ('county', 'K1', 'GOV') and now.score is not null
    """
    [(by_hand,)] = found.build.rows(sql, f"{other_standard['folder']}/tables/indicators.parquet")
    assert abs(by_hand) > 0.1
    assert found.causes("county", "K1", "GOV-7", "GOV")["standard"] == pytest.approx(by_hand, abs=1e-9)
    sql = "select area_id, change, change_same_standard from marts.index_changes where is_comparable"
    changes = found.build.rows(sql)
    assert any(abs(change) > 0.1 for _, change, _ in changes)
    assert [same for *_, same in changes] == pytest.approx([0] * len(changes), abs=1e-9)
    sums = "select area_level, area_id, node_code, sum(points) from marts.index_change_causes group by all"
    for level, area, node, points in found.build.rows(sums):
        assert found.change(level, area, node) == pytest.approx(points, abs=1e-9)
    series = "select half_year, score_published, score_same_standard, is_recomputed, is_break from marts.index_series"
    before, now = found.build.rows(f"{series} where (area_level, area_id) = ('county', 'K1') order by 1")
    assert before[1] != pytest.approx(now[1], abs=1e-6)
    assert before[2] == pytest.approx(now[2], abs=1e-9)
    assert (before[3], before[4]) == (True, False)
