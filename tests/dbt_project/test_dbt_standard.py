"""The seeds hold the whole standard, and what the models rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from small_city import PROJECT, ROOT, seed

CATALOGUE = ROOT.parent / "shared" / "standards" / "catalogue.yml"


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    if not CATALOGUE.exists():
        pytest.skip(f"{CATALOGUE} is not beside the project")
    return yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))


def number(text: str) -> float | None:
    return float(text) if text else None


def test_indicators_carry_the_catalogue_s_numbers(catalogue: dict[str, Any]) -> None:
    rows = {row["indicator_code"]: row for row in seed("indicators")}
    columns = {"goalpost_low": "low", "goalpost_high": "high", "target": "target", "weight": "w"}
    columns["direction"] = "direction"
    found = {code: {key: number(row[name]) for name, key in columns.items()} for code, row in rows.items()}
    expected = {row["code"]: {key: row[key] for key in columns.values()} for row in catalogue["indicators"]}
    assert found == expected


def test_kinds_carry_the_catalogue_s_numbers(catalogue: dict[str, Any]) -> None:
    columns = {"radius_m": "service_radius_m", "tier_min": "tier_min", "radius_stock_m": "radius_stock_m"}
    columns |= {"min_floor_area_m2": "min_floor_area_m2", "min_land_area_m2": "min_land_area_m2"}
    found = {
        row["kind_code"]: {key: number(row[name]) for name, key in columns.items()}
        for row in seed("facility_kinds")
    }
    expected = {
        row["code"]: {key: row.get(key) for key in columns.values()} for row in catalogue["facilities"]
    }
    assert found == expected


@pytest.mark.parametrize(
    ("name", "section"),
    [("sources", "sources"), ("population_groups", "population_groups"), ("dimensions", "dimensions")],
)
def test_nothing_of_the_catalogue_is_left_out(catalogue: dict[str, Any], name: str, section: str) -> None:
    key = {"sources": "source_id", "population_groups": "group_code", "dimensions": "dimension_code"}[name]
    codes = [entry if isinstance(entry, str) else entry["code"] for entry in catalogue[section]]
    assert set(codes) <= {row[key] for row in seed(name)}


def test_counts_of_the_standard() -> None:
    names = ("dimensions", "facility_kinds", "indicators", "needs", "need_categories", "repair_categories")
    names += ("service_types", "conflicts")
    assert [len(seed(name)) for name in names] == [8, 20, 40, 30, 9, 20, 12, 10]


def search_limit_m() -> float:
    return next(float(row["value"]) for row in seed("scoring") if row["parameter"] == "access_search_limit_m")


def test_suite_of_demand_access_has_the_search_limit() -> None:
    suite = json.loads((ROOT / "expectations/marts/demand_access.json").read_text(encoding="utf-8"))
    limits = [one["kwargs"].get("max_value") for one in suite["expectations"]]
    assert [limit for limit in limits if limit] == [search_limit_m()]


def test_search_limit_reaches_every_radius() -> None:
    radii = [
        number(row[column]) for row in seed("facility_kinds") for column in ("radius_m", "radius_stock_m")
    ]
    radii += [number(row["radius_m_override"]) for row in seed("indicators")]
    assert max(radius for radius in radii if radius) <= search_limit_m()


def test_every_column_of_every_seed_is_described_and_typed() -> None:
    described = {
        entry["name"]: entry
        for path in (PROJECT / "seeds").glob("*.yml")
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["seeds"]
    }
    for path in sorted((PROJECT / "seeds").glob("*.csv")):
        header = path.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
        entry = described[path.stem]
        assert list(entry["config"]["column_types"]) == header
        assert [column["name"] for column in entry["columns"] if column["description"]] == header
        assert "One row per" in entry["description"]
