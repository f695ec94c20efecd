"""A city's own indicators: packs join the index, stand beside it, and leave nothing behind when they go."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_city import ROOT, Build, SmallCity, seed

pytestmark = pytest.mark.dbt

SHIPPED = ROOT / "cities" / "quzhou_sample"
INCOME = {1: 100_000.0, 2: 299_999.5, 3: 300_000.0, 4: 500_000.0, 5: 50_000.0, 6: 0.0}
"""Yuan a year by number of the community; C7 and C8 do not report."""
SCORED = {
    "indicator_code": "QX-1",
    "dimension_code": "CUL",
    "name_zh": "合成",
    "name_en": "synthetic",
    "formula_zh": "合成",
    "formula_en": "synthetic",
    "unit": "CNY_per_year",
    "multiplier": "1",
    "direction": "1",
    "goalpost_low": "0",
    "goalpost_high": "400000",
    "goalpost_status": "proposal",
    "weight": "0.25",
    "weight_status": "proposal",
    "is_scored": "true",
    "figure_level": "community",
    "numerator_figure": "collective_income_cny_per_year",
}


def figures() -> list[dict[str, Any]]:
    """Incomes of all but two communities; ratings of estates 0 to 3 of the first two communities, and of one in C3."""
    day = dt.datetime(2025, 12, 31, 16)
    rows = [("community", f"C{n}", "collective_income_cny_per_year", income) for n, income in INCOME.items()]
    for number, index in [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0)]:
        points = 95.0 - 10 * index
        rows.append(("estate", f"E{number}-{index}", "property_credit_points", points))
        rows.append(("estate", f"E{number}-{index}", "property_credit_is_a_or_b", float(points >= 80)))
    names = ("unit_level", "unit_id", "figure_code", "value")
    return [dict(zip(names, row, strict=True)) | {"as_of": day} for row in rows]


def own_city(folder: Path) -> SmallCity:
    """The small city with figures of its own; four estates in C1 and C2 have a company, and the fifth has none."""
    city = SmallCity(folder=folder)
    city.tables["local_figures"] = figures()
    for estate in city.tables["estates"]:
        has_company = estate["estate_id"][-1] != "4"
        estate["property_service_model"] = "professional" if has_company else "owner_managed"
    return city


def with_pack(folder: Path, **changes: str) -> Path:
    pack = folder / "indicators" / "own"
    pack.mkdir(parents=True)
    row = SCORED | changes
    with (pack / "indicators.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    return folder


@pytest.fixture(scope="module")
def alone(dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> Build:
    return dbt(own_city(tmp_path_factory.mktemp("city")), "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="module")
def shipped(dbt: Callable[..., Build]) -> Build:
    """The city with the two packs that the sample ships."""
    return dbt(own_city(SHIPPED), "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="module")
def scored(dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = with_pack(tmp_path_factory.mktemp("city"))
    return dbt(own_city(folder), "--exclude-resource-type", "unit_test")


def marts(build: Build) -> dict[str, list[tuple[Any, ...]]]:
    """Every mart, whole, in the order in which it lies."""
    names = build.rows(
        "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
    )
    return {name: build.rows(f'from marts."{name}"') for [name] in names}


def values(build: Build, code: str, level: str) -> dict[str, tuple[Any, ...]]:
    rows = build.rows(
        "select area_id, value, numerator, denominator, n_observations, status, missing_reason from marts.indicators"
        " where indicator_code = ? and area_level = ?",
        code,
        level,
    )
    return {row[0]: row[1:] for row in rows}


def test_unit_tests_of_a_pack_run_with_it(dbt: Callable[..., Build]) -> None:
    build = dbt(
        own_city(SHIPPED), "--select", "+int_ratios_property_credit", "--indirect-selection", "cautious"
    )
    assert "PASS int_ratios_property_credit::test_companies_count_by_the_dwellings" in build.output


def test_income_stands_beside_the_index_with_its_threshold(shipped: Build) -> None:
    found = values(shipped, "QZ-1", "community")
    assert {area: row[0] for area, row in found.items()} == {
        **{f"C{number}": income for number, income in INCOME.items()},
        "C7": None,
        "C8": None,
    }
    assert found["C7"] == (None, None, None, 0, "insufficient_data", "coverage_below_minimum")
    in_k1 = sum(income for number, income in INCOME.items() if number <= 4)
    assert values(shipped, "QZ-1", "county")["K1"] == (in_k1 / 4, in_k1, 4.0, 4, "ok", None)
    # 300,000 yuan is enough, half a yuan less is not
    assert values(shipped, "QZ-2", "county")["K1"] == (50.0, 2.0, 4.0, 4, "ok", None)
    [[target, unit]] = shipped.rows(
        "select target, unit from intermediate.int_indicators where indicator_code = 'QZ-1'"
    )
    assert (target, unit) == (300_000.0, "CNY_per_year")


def test_credit_is_weighted_by_the_dwellings_of_estates_with_a_company(shipped: Build) -> None:
    dwellings = {row["estate_id"]: row["dwellings"] for row in shipped.city.tables["estates"]}
    served = [dwellings[f"E1-{index}"] for index in range(4)]
    points = sum(homes * (95 - 10 * index) for index, homes in enumerate(served))
    place = {row[0]: row[1] for row in shipped.rows("select estate_id, community_id from marts.estates")}
    assert all(place[f"E1-{index}"] == "C1" for index in range(4))
    value, numerator, denominator, observations, status, _ = values(shipped, "QZ-3", "community")["C1"]
    assert (numerator, denominator, observations, status) == (points, sum(served), 4, "ok")
    assert value == pytest.approx(points / sum(served))
    assert values(shipped, "QZ-4", "community")["C1"][:3] == pytest.approx(
        (100 * sum(served[:2]) / sum(served), sum(served[:2]), sum(served))
    )
    # one of four estates of C3 has a rating, nobody's in C5
    assert values(shipped, "QZ-3", "community")["C3"][-1] == "coverage_below_minimum"
    assert values(shipped, "QZ-3", "community")["C5"][-1] == "coverage_below_minimum"


def test_what_is_not_scored_changes_nothing_else(alone: Build, shipped: Build) -> None:
    before, after = marts(alone), marts(shipped)
    assert before.keys() == after.keys()
    codes = {
        "indicators": "indicator_code",
        "indicator_definitions": "indicator_code",
        "index_vintages": "node_code",
    }
    for mart, column in codes.items():
        code = [name for name, *_ in shipped.rows(f"describe marts.{mart}")].index(column)
        assert {row[code] for row in after[mart]} >= {"QZ-1", "QZ-2", "QZ-3", "QZ-4"}
        after[mart] = [row for row in after[mart] if not row[code].startswith("QZ-")]
    # The drift counts the rows of the others.
    assert {name for name in before if before[name] != after[name]} == {"release_drift"}
    [[weights, scores]] = shipped.rows(
        "select sum(weight), count(score) from marts.indicators where indicator_code like 'QZ-%'"
    )
    assert (weights, scores) == (0, 0)


def test_a_scored_one_takes_its_weight_from_its_dimension(alone: Build, scored: Build) -> None:
    """In K1 the income is 299,999.875 yuan a community, 75 points: 0.25 of 1.25 of culture."""
    value = sum(income for number, income in INCOME.items() if number <= 4) / 4
    [[score, weight]] = scored.rows(
        "select score, weight from marts.indicators where indicator_code = 'QX-1' and area_id = 'K1'"
    )
    assert (score, weight) == (pytest.approx(100 * value / 400_000), 0.2)

    def culture(build: Build) -> float:
        [[points]] = build.rows(
            "select score from marts.dimension_scores where area_id = 'K1' and dimension_code = 'CUL'"
        )
        return float(points)

    assert culture(scored) == pytest.approx(0.8 * culture(alone) + 0.2 * score, abs=1e-9)
    weight_pct = next(
        float(row["weight_pct"]) for row in seed("dimensions") if row["dimension_code"] == "CUL"
    )
    index = "select index_score from marts.index_scores where area_id = 'K1'"
    [[before]], [[after]] = alone.rows(index), scored.rows(index)
    [[available]] = scored.rows("select weight_available_pct from marts.index_scores where area_id = 'K1'")
    if available == 100:
        assert after - before == pytest.approx(
            weight_pct / 100 * (culture(scored) - culture(alone)), abs=1e-9
        )
    assert after != before
    others = [
        code
        for [code] in scored.rows(
            "select distinct indicator_code from marts.indicators where dimension_code <> 'CUL'"
        )
    ]
    rows = "select * from marts.indicators where indicator_code in (select unnest(?)) order by all"
    assert alone.rows(rows, others) == scored.rows(rows, others)


def test_without_its_pack_the_index_is_the_old_one(
    dbt: Callable[..., Build], alone: Build, scored: Build, tmp_path: Path
) -> None:
    city = with_pack(tmp_path)
    (city / "indicators" / "own" / "indicators.csv").unlink()
    (city / "indicators" / "own").rmdir()
    again = dbt(own_city(city), "--exclude-resource-type", "unit_test")
    assert marts(again) == marts(alone) != marts(scored)
