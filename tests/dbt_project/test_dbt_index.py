"""The index of the small city, computed a second time in pandas, and what two half-years in a row tell."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from small_city import Build, SmallCity, community_of

ENOUGH = 0.65
AREA = ["area_level", "area_id"]
MODELS_ONLY = ("--exclude-resource-type", "test", "unit_test")
PUBLISHED = ("areas", "index_scores", "shortfalls", "survey_satisfaction")


def table(build: Build, name: str) -> pd.DataFrame:
    """A table of the build as pandas."""
    with duckdb.connect(str(build.database), read_only=True) as connection:
        return connection.sql(f"from {name}").df()


@pytest.fixture(scope="module")
def indicators(build: Build) -> pd.DataFrame:
    return table(build, "marts.indicators")


@pytest.fixture(scope="module")
def dimension_scores(build: Build, indicators: pd.DataFrame) -> pd.DataFrame:
    """Dimension scores from the values and goalposts alone."""
    standard = table(build, "standard.indicators").set_index("indicator_code")
    rows = indicators.join(standard[["direction"]], on="indicator_code")
    share = (rows.value - rows.goalpost_low) / (rows.goalpost_high - rows.goalpost_low)
    rows["points"] = 100 * np.where(rows.direction == 1, share, 1 - share).clip(0, 1)

    def score(group: pd.DataFrame) -> pd.Series:
        known = group[group.value.notna()]
        available = known.weight.sum() / group.weight.sum()
        mean = np.average(known.points, weights=known.weight) if len(known) else np.nan
        return pd.Series({"score": mean if available >= ENOUGH - 1e-9 else np.nan, "available": available})

    return rows.groupby([*AREA, "dimension_code"]).apply(score, include_groups=False).reset_index()


def index_of(build: Build, dimension_scores: pd.DataFrame) -> pd.DataFrame:
    weights = table(build, "standard.dimensions").set_index("dimension_code").weight_pct

    def score(group: pd.DataFrame) -> pd.Series:
        weight = group.dimension_code.map(weights)
        known = group.score.notna()
        mean = geometric = equal = np.nan
        if weight[known].sum() / weight.sum() >= ENOUGH - 1e-9:
            scores = group.score[known]
            mean = np.average(scores, weights=weight[known])
            equal = scores.mean()
            geometric = np.exp(np.average(np.log(scores.clip(lower=1)), weights=weight[known]))
        return pd.Series(
            {
                "index_score": mean,
                "index_score_equal_weights": equal,
                "index_score_geometric": geometric,
                "weight_available_pct": 100 * (weight * group.available).sum() / weight.sum(),
            }
        )

    return dimension_scores.groupby(AREA).apply(score, include_groups=False)


def test_dimension_scores_are_those_of_pandas(build: Build, dimension_scores: pd.DataFrame) -> None:
    key = [*AREA, "dimension_code"]
    built = table(build, "marts.dimension_scores").set_index(key).sort_index()
    expected = dimension_scores.set_index(key).sort_index()
    pd.testing.assert_series_equal(built.score, expected.score, rtol=0, atol=1e-9)
    pd.testing.assert_series_equal(
        built.weight_available_pct, 100 * expected.available, rtol=0, atol=1e-9, check_names=False
    )
    assert built.score.notna().any()
    assert built.score.isna().any()


def test_index_is_that_of_pandas(build: Build, dimension_scores: pd.DataFrame) -> None:
    expected = index_of(build, dimension_scores).sort_index()
    built = table(build, "marts.index_scores").set_index(AREA).sort_index()
    pd.testing.assert_frame_equal(built[expected.columns], expected, rtol=0, atol=1e-9)
    assert built.index_score.isna().sum() == 1
    ranks = built.index_score.groupby("area_level").rank(ascending=False, method="min")
    pd.testing.assert_series_equal(built["rank"].astype(float), ranks, check_names=False)


def test_spread_of_the_communities(build: Build, indicators: pd.DataFrame) -> None:
    scores = table(build, "marts.community_index").set_index("area_id").index_score
    counties = table(build, "marts.county_index").set_index("area_id")
    of_k1 = scores[["C1", "C2", "C3", "C4"]]
    assert counties.communities_below_60_pct["K1"] == 100 * (of_k1 < 60).mean()
    assert counties.worst_tenth_score["K1"] == pytest.approx(of_k1.min())


def test_streets_have_their_index_in_a_table_of_their_own(build: Build) -> None:
    streets = table(build, "marts.street_index").set_index("area_id").sort_index()
    scores = (
        table(build, "marts.index_scores").query("area_level == 'street'").set_index("area_id").sort_index()
    )
    assert len(streets) == len(scores) > 1
    shared = [column for column in streets.columns if column in scores.columns]
    assert {"index_score", "rank", "worst_tenth_score", "obs_status"} <= set(shared)
    pd.testing.assert_frame_equal(streets[shared], scores[shared], check_dtype=False)
    dimensions = table(build, "marts.dimension_scores").query("area_level == 'street'")
    wide = dimensions.pivot(index="area_id", columns="dimension_code", values="score")
    for code in wide:
        pd.testing.assert_series_equal(
            streets[f"score_{code.lower()}"], wide[code], check_names=False, check_dtype=False
        )


def test_county_value_is_pooled(build: Build, indicators: pd.DataFrame) -> None:
    """Kindergarten coverage of K1 is children covered by children, of the communities that know their children."""
    rows = indicators[indicators.indicator_code == "EDU-3"].set_index("area_id")
    known = rows.loc[["C1", "C2", "C3"]]
    pooled = 100 * known.numerator.sum() / known.denominator.sum()
    assert rows.value["K1"] == pytest.approx(pooled, abs=1e-9)
    assert rows.value["K1"] != pytest.approx(known.value.mean(), abs=1e-3)
    residents = table(build, "marts.communities").set_index("community_id").residents
    assert rows.coverage_pct["K1"] == pytest.approx(
        100 * residents[["C1", "C2", "C3"]].sum() / residents[["C1", "C2", "C3", "C4"]].sum()
    )


def test_service_area_per_100_households_by_hand(build: Build, indicators: pd.DataFrame) -> None:
    """Area and households of the communities of K1; one that does not know the size of its centres is left out."""
    value = indicators.set_index([*AREA, "indicator_code"]).value["county", "K1", "GOV-2"]
    households = area = left_out = 0
    for community in ("C1", "C2", "C3", "C4"):
        sizes = [
            row["floor_area_m2"]
            for row in build.city.tables["facilities"]
            if row["kind_code"] == "F01"
            and row["operating_status"] == "operating"
            and community_of(row) == community
        ]
        known = [size for size in sizes if size is not None]
        if len(known) < 0.65 * len(sizes):
            left_out += 1
            continue
        area += sum(known)
        households += sum(
            row["households"]
            for row in build.city.tables["buildings"]
            if row["building_id"][1] == community[1]
        )
    assert left_out == 1
    assert value == pytest.approx(100 * area / households)


def test_beds_of_the_county_are_the_value_of_its_communities(indicators: pd.DataFrame) -> None:
    beds = indicators[indicators.indicator_code == "ELD-4"].set_index("area_id")
    assert beds.value["K2"] == beds.value["C5"] == beds.value["K2S3"]
    assert pd.isna(beds.value["C1"])
    assert beds.missing_reason["C1"] == "group_unknown"
    assert set(beds.value_level) == {"county"}


def test_gaps_are_named_with_their_weight(build: Build) -> None:
    gaps = table(build, "marts.data_gaps").set_index(["area_level", "area_id", "indicator_code"])
    police = gaps.loc["city", "small", "GOV-3"]
    assert (police.missing_reason, police.weight_in_index_pct) == ("kind_not_surveyed", pytest.approx(1.2))
    assert gaps.missing_reason["county", "K2", "HLT-1"] == "size_unverified"
    assert gaps[["missing_reason_zh", "missing_reason_en"]].notna().all(axis=None)
    available = table(build, "marts.county_index").set_index("area_id").weight_available_pct
    assert 100 - gaps.loc["county", "K2"].weight_in_index_pct.sum() == pytest.approx(available["K2"])


def test_access_of_the_city_counts_each_resident_once(build: Build) -> None:
    access = table(build, "marts.kind_access").set_index([*AREA, "kind_code"])
    points = table(build, "marts.demand_access").merge(
        pd.DataFrame(build.city.tables["buildings"])[["building_id", "residents"]], on="building_id"
    )
    markets = points[points.kind_code == "F14"]
    near = markets[markets.nearest_counting_distance_m <= 500].residents.sum()
    assert access.residents_within_500_m["city", "small", "F14"] == near
    assert 0 < near < markets.residents.sum()
    assert "F02" not in access.index.get_level_values("kind_code")


def test_shortfalls_follow_from_access(build: Build) -> None:
    access = table(build, "marts.kind_access")
    short = access[(access.area_level == "community") & (access.covered_pct < 80)]
    found = table(build, "marts.shortfalls")
    expected = set(zip(short.area_id, short.kind_code, strict=True))
    too_little_covered = found[found.covered_pct < 80]
    assert set(zip(too_little_covered.community_id, too_little_covered.kind_code, strict=True)) == expected
    others = found[found.covered_pct >= 80]
    assert (others.area_gap_m2 > 0).all()
    assert set(others.shortfall_status) <= {"undersized"}
    assert not set(found[found.community_id == "C8"].kind_code)


def test_city_without_survey_and_repairs_has_no_rows_of_zeros(dbt: Callable[..., Build]) -> None:
    """Nothing is invented: no index, no satisfaction, no reports; but the share of the weight is told."""
    city = SmallCity(provided_kinds=["F05", "F17"])
    for feed in ("survey_responses", "repair_reports", "estates"):
        city.tables[feed] = []
    city.tables["facilities"] = [
        row for row in city.tables["facilities"] if row["kind_code"] in ("F05", "F17")
    ]
    build = dbt(city, *MODELS_ONLY)
    counties = table(build, "marts.county_index")
    assert set(counties.status) == {"insufficient_data"}
    assert counties[["index_score", "rank", "band_code", "reports_per_1000"]].isna().all(axis=None)
    # EDU-4 is 15 % of 16 %, SPT-1 is 35 % of 9 %; K1 does not know the school children of C4
    assert counties.set_index("area_id").weight_available_pct["K2"] == pytest.approx(0.15 * 16 + 0.35 * 9)
    assert table(build, "marts.survey_satisfaction").empty
    assert table(build, "marts.repair_statistics").empty
    assert set(table(build, "marts.kind_access").kind_code) == {"F05", "F17"}


@pytest.fixture(scope="module")
def next_half_year(
    build: Build, small_city: SmallCity, dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory
) -> Build:
    """The city half a year later, unchanged but for a closed market; the release before it holds what `build` found."""
    release = tmp_path_factory.mktemp("it's a release")
    (release / "tables").mkdir()
    with duckdb.connect(str(build.database), read_only=True) as connection:
        for name in PUBLISHED:
            connection.execute(f"copy marts.{name} to '{path_in_sql(release / 'tables' / name)}.parquet'")
    later = copy.deepcopy(small_city)
    for row in later.tables["facilities"]:
        if row["kind_code"] == "F14" and community_of(row) in ("C1", "C5"):
            row["operating_status"] = "closed"
    return dbt(later, *MODELS_ONLY, half_year="2026H2", previous_release=str(release))


def path_in_sql(path: Path) -> str:
    return str(path).replace("'", "''")


def test_first_build_has_no_previous_index(build: Build) -> None:
    scores = table(build, "marts.index_scores")
    assert scores[["previous_index_score", "index_change"]].isna().all(axis=None)
    assert set(table(build, "marts.shortfalls").first_seen_half_year) == {"2026H1"}


def test_previous_index_is_that_of_the_release(build: Build, next_half_year: Build) -> None:
    before = table(build, "marts.index_scores").set_index(AREA).sort_index()
    after = table(next_half_year, "marts.index_scores").set_index(AREA).sort_index()
    pd.testing.assert_series_equal(after.previous_index_score, before.index_score, check_names=False)
    pd.testing.assert_series_equal(
        after.index_change, after.index_score - before.index_score, check_names=False
    )
    assert after.index_change.min() < 0
    counties = table(next_half_year, "marts.county_index").set_index("area_id")
    assert counties.index_change.to_dict() == after.loc["county"].index_change.to_dict()


def test_shortfall_keeps_the_half_year_in_which_it_was_first_seen(
    build: Build, next_half_year: Build
) -> None:
    key = ["community_id", "kind_code"]
    before = set(table(build, "marts.shortfalls")[key].itertuples(index=False, name=None))
    after = table(next_half_year, "marts.shortfalls").set_index(key)
    assert set(after.last_seen_half_year) == {"2026H2"}
    old = after[after.first_seen_half_year == "2026H1"]
    new = after[after.first_seen_half_year == "2026H2"]
    assert set(old.index) == before & set(after.index)
    assert len(new) > 0
    assert {kind for _, kind in new.index} == {"F14"}


def test_same_rows_give_the_same_bytes(build: Build, next_half_year: Build) -> None:
    """What the closed market does not touch is equal to the last bit, though another process computed it."""
    first, second = (
        table(one, "marts.indicators").drop(columns="half_year") for one in (build, next_half_year)
    )
    untouched = ~first.indicator_code.isin(["COM-1", "CNV-2"])
    pd.testing.assert_frame_equal(first[untouched], second[untouched], check_exact=True)
    for name in ("areas", "repair_statistics", "survey_satisfaction"):
        earlier, later = (table(one, f"marts.{name}") for one in (build, next_half_year))
        compared = [column for column in earlier if "previous" in column or "change" in column]
        pd.testing.assert_frame_equal(
            earlier.drop(columns=compared), later.drop(columns=compared), check_exact=True
        )
    changes = table(next_half_year, "marts.survey_satisfaction")
    shown = changes.top2_pct.notna()
    assert shown.any() and not (shown & changes.is_suppressed).any()
    assert (changes.change_points[shown] == 0).all() and changes.change_points[~shown].isna().all()
