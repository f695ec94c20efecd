"""Small clean tables of the lake, as the mapping writes them, for tests to break in one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citycheck import duck
from citycheck.lake.tables import tables
from citycheck.period import HalfYear, utc_naive
from citycheck.quality.gate import gate_feed
from citycheck.settings import settings

Row = dict[str, Any]
SUITES = settings().expectations
ROWS = 200
HALF, ZONE = HalfYear.parse("2026H1"), ZoneInfo("Asia/Shanghai")
START, END = utc_naive(HALF.start(ZONE)), utc_naive(HALF.end(ZONE))
COMMUNITIES = [f"c{i:03}" for i in range(ROWS)]


@pytest.fixture
def parameters() -> dict[str, Any]:
    return {
        "lon_min": 118.0,
        "lon_max": 119.5,
        "lat_min": 28.2,
        "lat_max": 29.6,
        "period_start": START,
        "period_end": END,
        "covered_start": START - timedelta(days=730),
        "covered_end": END,
        "asked_for_everything": [True],
        "cut_off": END + timedelta(days=15),
        "community_ids": COMMUNITIES,
        "estate_ids": [f"e{i}" for i in range(ROWS)],
        "kind_codes": [f"F{i:02}" for i in range(1, 21)],
        "category_codes": ["gas", "lift", "other"],
        "service_types": ["laundry", "pharmacy"],
    }


@pytest.fixture(scope="session")
def wkb() -> Callable[[str], bytes]:
    """Well-known binary of a well-known text."""
    connection: duckdb.DuckDBPyConnection = duck.connect()

    def of(text: str) -> bytes:
        [(shape,)] = connection.execute("select st_aswkb(st_geomfromtext(?))", [text]).fetchall()
        return bytes(shape)

    return of


@pytest.fixture
def clean(wkb: Callable[[str], bytes]) -> Callable[[str], list[Row]]:
    """Rows of a table that satisfy every expectation."""

    def rows_of(table: str) -> list[Row]:
        return [_row(table, i, wkb) for i in range(ROWS)]

    return rows_of


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, list[Row]], Path]:
    """Write rows as the mapping does: the columns of tables.yml, the source and `mapping_errors`."""

    def to_parquet(table: str, rows: list[Row]) -> Path:
        schema = tables()[table].schema.append(pa.field("mapping_errors", pa.string()))
        full = [
            {"source_file": "source.csv", "source_row": i, "mapping_errors": None} | row
            for i, row in enumerate(rows, 1)
        ]
        path = tmp_path / f"{table}.mapped.parquet"
        pq.write_table(pa.Table.from_pylist(full, schema), path)
        return path

    return to_parquet


@pytest.fixture
def gate(
    tmp_path: Path, write: Callable[[str, list[Row]], Path], parameters: dict[str, Any]
) -> Callable[..., Any]:
    """Gate the rows of one table; returns the verdict of that table."""

    def run(table: str, rows: list[Row], **changed: Any) -> Any:
        feed = tables()[table].feed
        given = parameters | changed
        return gate_feed(feed, "2026H1", {table: write(table, rows)}, tmp_path / "out", SUITES, given).tables[
            0
        ]

    return run


def _row(table: str, i: int, wkb: Callable[[str], bytes]) -> Row:
    point = {"lon": 118.5 + i / 1000, "lat": 28.9 + i / 1000}
    community = {"community_id": COMMUNITIES[i]}
    at = START + timedelta(hours=10 * i)
    row: dict[str, Row] = {
        "communities": {
            **community,
            "community_name": "unit",
            "street_id": "s1",
            "street_name": "street",
            "county_id": "330802",
            "county_name": "county",
            "area_type": "stock",
            "geometry": wkb(
                f"POLYGON((118.{i + 100} 28.9, 118.{i + 101} 28.9, 118.{i + 101} 29, 118.{i + 100} 28.9))"
            ),
            "is_geometry_repaired": False,
        },
        "buildings": {
            "building_id": f"b{i}",
            **community,
            **point,
            "dwellings": 10,
            "households": 9,
            "residents": 21,
            "residents_age_0_2": 1,
            "residents_age_3_5": 2,
            "residents_age_6_11": 3,
            "residents_age_12_14": 4,
            "residents_age_15_59": 5,
            "residents_age_60_plus": 6,
        },
        "estates": {
            "estate_id": f"e{i}",
            **community,
            **point,
            "dwellings": 100,
            "property_service_model": "professional",
        },
        "facilities": {
            "facility_id": f"f{i}",
            "kind_code": f"F{i % 20 + 1:02}",
            "subtype": {14: "supermarket", 18: "laundry"}.get(i % 20),
            **point,
            "floor_area_m2": 400.0,
            "operating_status": "closed" if i % 50 == 0 else "operating",
            "opened_on": START - timedelta(days=400),
            "closed_on": at if i % 50 == 0 else None,
        },
        "candidate_sites": {
            "site_id": f"s{i}",
            "site_type": "land" if i % 2 else "vacant_room",
            **point,
            "floor_area_m2": None if i % 2 else 300.0,
            "land_area_m2": 1_500.0 if i % 2 else None,
            "cost_cny": 400_000.0,
        },
        "survey_responses": {
            "response_id": f"r{i}",
            **community,
            "answered_at": at,
            "channel": "online",
            "age_band": "60+",
            "satisfaction_gov": 5,
            "satisfaction_f07": 1,
            "importance_n30": 3,
            "top_needs": "N01|N30",
            "household_size": 3,
        },
        "walking_edges": {
            "edge_id": f"w{i}",
            "from_node": f"n{i}",
            "to_node": f"n{i + 1}",
            "length_m": 147.5,
            "geometry": wkb(
                f"LINESTRING({point['lon']} {point['lat']}, {point['lon'] + 0.001} {point['lat'] + 0.001})"
            ),
            "walking_kind": "footway",
        },
        "population_margins": {
            **community,
            "characteristic": ("sex", "age_band", "tenure", "household_size", "has_child_0_12")[i % 5],
            "category": ("f", "60+", "owner", "5+", "no")[i % 5],
            "people": 250.0,
        },
        "survey_invitations": {**community, "channel": "paper", "invited": 200},
        "local_figures": {
            "unit_level": "estate" if i % 2 else "community",
            "unit_id": f"e{i}" if i % 2 else f"c{i:03}",
            "figure_code": "income",
            "value": 250_000.0,
            "as_of": START,
        },
        "community_changes": {
            **community,
            "changed_on": START,
            "change_number": "1",
            "change": "merged",
            "new_community_id": "c0",
        },
        "meeting_items": {
            "meeting_id": f"m{i // 10}",
            "item_number": i % 10,
            **community,
            "held_at": at,
            "attendees": 20,
            "need_code": "N01",
            "kind_code": "F07",
            "supporters": 12,
            "satisfaction": 4,
        },
        "repair_reports": {
            "report_id": f"p{i}",
            "version_at": at + timedelta(hours=30),
            "reported_at": at,
            "dispatched_at": at + timedelta(hours=1),
            "first_response_at": at + timedelta(hours=2),
            "closed_at": at + timedelta(hours=30),
            "due_at": at + timedelta(hours=24),
            "category_code": "gas",
            **community,
            **point,
            "rating": 5,
            "status": "closed",
        },
    }
    return row[table]
