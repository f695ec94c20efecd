from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from citycheck import duck
from citycheck.errors import CheckCouldNotRun, GateFailed
from citycheck.quality.gate import Verdict, gate_marts
from citycheck.quality.suite import columns_of
from citycheck.settings import settings

SUITES = settings().expectations


def _table(model: Path) -> str:
    """The name of a model's table: its alias, if it has one."""
    alias = re.search(r"alias='(\w+)'", model.with_suffix(".sql").read_text(encoding="utf-8"))
    return alias[1] if alias else model.stem


MARTS = {
    _table(path): {
        column["name"]: column["data_type"]
        for column in yaml.safe_load(path.read_text(encoding="utf-8"))["models"][0]["columns"]
    }
    for path in sorted((settings().dbt_project / "models" / "marts").rglob("*.yml"))
}
BOX = {"lon_min": 118.0, "lon_max": 119.5, "lat_min": 28.0, "lat_max": 29.5}
PARAMETERS = {
    "half_year": "2026H1",
    "cut_off": datetime(2026, 7, 15, 16),
    **BOX,
    "projected_crs": "EPSG:4549",
}
COUNTY = {
    "area_id": "330802",
    "area_name": "county",
    "index_score": 71.5,
    "status": "ok",
    "rank": 1,
    "ranked_areas": 1,
    "residents": 9,
}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """A build's database with some marts: the columns of their contracts, and the rows given."""

    def of(**marts: list[dict[str, Any]]) -> Path:
        path = tmp_path / "build.duckdb"
        with duck.connect(path) as connection:
            connection.execute("create schema marts")
            for mart, rows in marts.items():
                columns = ", ".join(f'"{name}" {kind}' for name, kind in MARTS[mart].items())
                connection.execute(f"create table marts.{mart} ({columns})")
                for row in rows:
                    names = ", ".join(f'"{name}"' for name in row)
                    marks = ", ".join("?" for _ in row)
                    connection.execute(
                        f"insert into marts.{mart} ({names}) values ({marks})", list(row.values())
                    )
        return path

    return of


@pytest.fixture
def gate(tmp_path: Path) -> Callable[..., Verdict]:
    """Gate a database with the suites of the marts named, or with all."""

    def run(database: Path, *marts: str, data_docs: Path | None = None, **known: Any) -> Verdict:
        suites = tmp_path / "expectations"
        (suites / "marts").mkdir(parents=True, exist_ok=True)
        for mart in marts or MARTS:
            shutil.copy(SUITES / "marts" / f"{mart}.json", suites / "marts")
        return gate_marts(database, suites, PARAMETERS | known, tmp_path / "out", data_docs)

    return run


def test_every_mart_has_a_suite_and_every_suite_a_mart() -> None:
    assert {path.stem for path in (SUITES / "marts").glob("*.json")} == set(MARTS)


@pytest.mark.parametrize("mart", MARTS)
def test_a_suite_speaks_only_of_columns_that_its_mart_has(mart: str) -> None:
    suite = json.loads((SUITES / "marts" / f"{mart}.json").read_text(encoding="utf-8"))
    named = {column for expectation in suite["expectations"] for column in columns_of(expectation["kwargs"])}
    assert named <= set(MARTS[mart])


def test_every_suite_can_run_on_the_types_of_its_mart(
    build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    with pytest.raises(GateFailed):
        gate(build(**{mart: [dict.fromkeys(MARTS[mart])] for mart in MARTS}))


def test_sound_marts_pass_and_are_read_only(
    build: Callable[..., Path], gate: Callable[..., Verdict], tmp_path: Path
) -> None:
    database = build(communities=[], county_index=[])
    with duck.connect(database) as writer:
        writer.execute(
            "insert into marts.communities by name "
            "select 'c' || i as community_id, 'unit' as community_name, "
            "'330802' as county_id, 9 as residents, false as is_geometry_repaired, "
            "st_makeenvelope(118.8 + i, 28.9, 118.81 + i, 28.91) as geometry, "
            "st_area(st_transform(geometry, 'EPSG:4326', 'EPSG:4549', always_xy := true)) as area_m2 "
            "from (select i / 10 as i from range(2) as t(i))"
        )
        writer.execute(
            "insert into marts.county_index by name select "
            + ", ".join(f"{v!r} as {k}" for k, v in COUNTY.items())
        )
    before = database.read_bytes()

    verdict = gate(database, "communities", "county_index", data_docs=tmp_path / "docs")

    assert verdict.passed
    assert [(table.table, table.rows_in) for table in verdict.tables] == [
        ("communities", 2),
        ("county_index", 1),
    ]
    assert database.read_bytes() == before
    assert len(list((tmp_path / "docs").rglob("validations/marts/**/*.html"))) == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"index_score": 100.5}, "expect_columns_to_be_in_range"),
        ({"index_score": None}, "expect_column_values_to_not_be_null on index_score"),
        ({"status": "insufficient_data"}, "expect_column_values_to_be_null on rank"),
        ({"status": "fine"}, "expect_column_values_to_be_in_set on status"),
        ({"rank": 2}, "expect_column_pair_values_a_to_be_greater_than_b on ranked_areas, rank"),
        ({"area_id": None}, "expect_columns_to_be_complete on area_id"),
    ],
)
def test_a_wrong_value_in_a_mart_stops_the_build(
    wrong: dict[str, Any], told: str, build: Callable[..., Path], gate: Callable[..., Verdict], tmp_path: Path
) -> None:
    county = {"community_id": "c1", "community_name": "unit", "county_id": "330802", "residents": 9}
    database = build(communities=[county], county_index=[COUNTY | wrong])
    with pytest.raises(GateFailed) as failure:
        gate(database, "county_index")
    assert "table county_index failed" in str(failure.value)
    assert told in str(failure.value)
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["passed"] is False


def test_indicators_are_those_of_the_standard_and_of_the_city(
    build: Callable[..., Path], gate: Callable[..., Verdict], tmp_path: Path
) -> None:
    """Every suite that speaks of indicators takes those of the city's packs that the build names, and no other."""
    suites = {path.stem: path.read_text(encoding="utf-8") for path in (SUITES / "marts").glob("*.json")}
    marts = sorted(name for name, suite in suites.items() if '"indicator_codes"' in suite)
    assert {"indicator_contributions", "indicator_removals", "indicators"} <= set(marts)
    database = build(**{mart: [{"indicator_code": "GOV-9"}] for mart in marts})
    for of_city, is_known in (("GOV-9", True), ("GOV-8", False)):
        with pytest.raises(GateFailed):  # the rows hold nothing but a code
            gate(database, *marts, indicator_codes=["GOV-1", of_city])
        verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
        found = [
            check["success"]
            for table in verdict["tables"]
            for check in table["checks"]
            if (check["type"], check["column"]) == ("expect_column_values_to_be_in_set", "indicator_code")
        ]
        assert found == [is_known] * len(marts)


def test_a_county_that_got_lost_stops_the_build(
    build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    units = [
        {"community_id": f"c{i}", "community_name": "unit", "county_id": f"33080{i}", "residents": 9}
        for i in range(2)
    ]
    with pytest.raises(GateFailed, match=r"expect_table_row_count_to_equal \(observed 1\)"):
        gate(build(communities=units, county_index=[COUNTY]), "county_index")


def test_rows_that_got_lost_in_the_ledger_stop_the_build(
    build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    line = {"feed": "survey", "table_name": "survey_responses", "half_year": "2026H1", "source_file": "a.csv"}
    counts = {
        "rows_in": 10,
        "rows_accepted": 8,
        "rows_quarantined": 1,
        "rows_duplicate": 0,
        "rows_out_of_scope": 0,
    }
    with pytest.raises(GateFailed, match="expect_first_column_to_be_sum_of_others"):
        gate(build(row_ledger=[line | counts]), "row_ledger")


UNIT = {
    "community_id": "c1",
    "community_name": "unit",
    "county_id": "330802",
    "residents": 9,
    "is_geometry_repaired": False,
    "area_m2": 1.08e6,
}
SQUARE = "polygon((118.8 28.9, 118.81 28.9, 118.81 28.91, 118.8 28.91, 118.8 28.9))"


@pytest.mark.parametrize(
    ("shape", "area_m2", "told"),
    [
        (SQUARE, 1.0815e6, None),
        (SQUARE, 1.2e6, "expect_polygons_to_have_area on geometry, area_m2"),
        (SQUARE.replace("118.8", "128.8"), 1e6, "expect_polygons_to_be_in_box"),
        ("polygon((28.9 118.8, 28.9 118.81, 28.91 118.81, 28.9 118.8))", 1e6, "expect_polygons_to_be_in_box"),
        ("polygon((118.8 28.9, 118.81 28.91, 118.81 28.9, 118.8 28.91, 118.8 28.9))", 1e6, "to_be_valid"),
        ("polygon empty", 1e6, "expect_polygons_to_be_valid"),
        ("point(118.8 28.9)", 1e6, "expect_polygons_to_be_valid"),
        (None, 1e6, "expect_column_values_to_not_be_null on geometry"),
        (SQUARE, 2e9, "expect_column_values_to_be_between on area_m2"),
    ],
)
def test_a_community_whose_polygon_is_wrong_stops_the_build(
    shape: str | None,
    area_m2: float,
    told: str | None,
    build: Callable[..., Path],
    gate: Callable[..., Verdict],
) -> None:
    database = build(communities=[UNIT | {"area_m2": area_m2}])
    with duck.connect(database) as writer:
        writer.execute("update marts.communities set geometry = st_geomfromtext($1)", [shape])
    if told is None:
        assert gate(database, "communities").passed
    else:
        with pytest.raises(GateFailed, match=told):
            gate(database, "communities")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({}, None),
        ({"lon": None, "lat": None, "x_m": None, "y_m": None}, None),
        ({"x_m": 500_002.0}, "expect_points_to_be_projected"),
        ({"lon": 28.9, "lat": 118.8}, "expect_column_values_to_be_between on lon"),
        ({"lat": 0.0}, "expect_column_values_to_be_between on lat"),
    ],
)
def test_a_facility_that_is_nowhere_or_in_two_places_stops_the_build(
    place: dict[str, Any], told: str | None, build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    with duck.connect() as connection:
        sql = "select st_x(p), st_y(p) from (select st_transform(st_point(118.8, 28.9), 'EPSG:4326', 'EPSG:4549', true) as p)"
        x_m, y_m = connection.execute(sql).fetchall()[0]
    facility = {
        "facility_id": "f1",
        "kind_code": "F01",
        "facility_status": "compliant",
        "community_id": "c1",
        "lon": 118.8,
        "lat": 28.9,
        "x_m": x_m,
        "y_m": y_m,
    }
    database = build(facilities=[facility | place])
    if told is None:
        assert gate(database, "facilities").passed
    else:
        with pytest.raises(GateFailed, match=told):
            gate(database, "facilities")


@pytest.mark.parametrize(
    ("finding", "passes", "warnings"), [(None, True, 0), ("warn", True, 1), ("error", False, 1)]
)
def test_a_drift_is_told_and_too_great_a_drift_stops_the_release(
    finding: str | None,
    passes: bool,
    warnings: int,
    build: Callable[..., Path],
    gate: Callable[..., Verdict],
    tmp_path: Path,
) -> None:
    measure = {"measure_type": "index", "area_level": "city", "area_id": "city", "subject_code": "index"}
    database = build(release_drift=[measure | {"finding": finding}])
    if passes:
        assert len(gate(database, "release_drift").warnings) == warnings
    else:
        with pytest.raises(
            GateFailed, match="table release_drift failed expect_column_values_to_be_in_set on finding"
        ):
            gate(database, "release_drift")


def test_a_mart_that_is_not_there_is_no_failed_check(
    build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    with pytest.raises(CheckCouldNotRun, match="county_index: the build has no such mart"):
        gate(build(communities=[]), "county_index")


def test_a_column_that_is_not_there_is_no_failed_check(
    build: Callable[..., Path], gate: Callable[..., Verdict]
) -> None:
    database = build(communities=[])
    with duck.connect(database) as writer:
        writer.execute("alter table marts.communities drop column area_m2")
    with pytest.raises(
        CheckCouldNotRun,
        match=r"Suite marts.communities: expect_.* could not run \(there is no column 'area_m2'",
    ):
        gate(database, "communities")
