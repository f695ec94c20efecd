"""A small synthetic city in a lake of its own, and dbt built on it.

The city is made to be counted by hand: two counties, eight square communities, nearly every kind of facility,
a survey and repair reports, and a few defects that the models must answer with a reason instead of a number.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import os
import struct
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from citycheck.cities import indicators
from citycheck.steps import access, statistics

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
SPATIAL = next(Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension"))
ARROW_TYPES = {
    "string": pa.string(),
    "double": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us"),
}
CODES = {
    "dimensions": ["gov", "edu", "eld", "hlt", "cul", "com", "spt", "cnv"],
    "kinds": [f"f{number:02d}" for number in range(1, 21)],
    "needs": [f"n{number:02d}" for number in range(1, 31)],
}
PREVIOUS_PERIOD_START = dt.datetime(2025, 6, 30, 16)
PERIOD_START = dt.datetime(2025, 12, 31, 16)
PERIOD_END = dt.datetime(2026, 6, 30, 16)
CUT_OFF = dt.datetime(2026, 7, 15, 16)
UNIT_DEGREES = 0.0075
WEST, SOUTH = 118.85, 28.93

Rows = list[dict[str, Any]]


def lake_schemas() -> dict[str, pa.Schema]:
    """Arrow schema of every lake table, as in tables.yml plus where the row came from."""
    tables = yaml.safe_load((ROOT / "plugins/citycheck/lake/tables.yml").read_text(encoding="utf-8"))
    schemas = {}
    for table, spec in tables.items():
        fields = []
        for name, column in spec["columns"].items():
            codes = CODES.get(column.get("each", ""), [""])
            prefix = name.split("{")[0]
            fields += [pa.field(prefix + code, ARROW_TYPES[column["type"]]) for code in codes]
        fields += [pa.field("source_file", pa.string()), pa.field("source_row", pa.int64())]
        schemas[table] = pa.schema(fields)
    text = pa.string()
    counts = ["rows_in", "rows_accepted", "rows_quarantined", "rows_duplicate", "rows_out_of_scope"]
    ledger = [(name, text) for name in ("feed", "table_name", "half_year", "delivery", "source_file")]
    schemas["ledger"] = pa.schema(ledger + [(name, pa.int64()) for name in counts])
    schemas["quarantine"] = pa.schema(
        [("feed", text), ("table_name", text), ("reason_code", text), ("rows", pa.int64())]
    )
    schemas["previous_communities"] = schemas["communities"]
    for table in ("communities", "buildings", "estates", "walking_edges", "facilities"):
        schemas[f"quarantined_{table}"] = schemas[table].append(pa.field("reason_codes", text))
    schemas["facility_matches"] = pa.schema(
        [(name, text) for name in ("facility_id", "other_facility_id", "canonical_facility_id")]
        + [(name, pa.float64()) for name in ("name_similarity", "distance_m", "score")]
        + [(name, text) for name in ("decision", "decided_by", "reason_code")]
    )
    return schemas


def write_lake(folder: Path, tables: dict[str, Rows]) -> dict[str, str]:
    """Write the tables, empty where there are no rows; give the dbt variable `inputs`."""
    inputs = {}
    for table, schema in lake_schemas().items():
        rows = [
            {"source_file": f"{table}.csv", "source_row": number, **row}
            for number, row in enumerate(tables.get(table, []), 1)
        ]
        path = folder / f"{table}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        inputs[table] = f"'{path}'"
    return inputs


def seed(name: str) -> list[dict[str, str]]:
    """Rows of a seed of the standard, as text."""
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def community_of(row: dict[str, Any]) -> str:
    """Community whose square holds the point of the row."""
    column = math.floor((row["lon"] - WEST) / UNIT_DEGREES)
    line = math.floor((row["lat"] - SOUTH) / UNIT_DEGREES)
    return f"C{line * 4 + column + 1}"


@dataclass
class SmallCity:
    """Synthetic tables of the lake. Communities C1 to C8: C1 to C4 in county K1, C5 to C8 in county K2.

    C2 is a new area, the rest existing ones. C3 has only 29 answers, C4 no age groups, C8 no building at all.
    County K2 does not know the size of any health station (F11). F02 is not in the register.
    With streets, a river with two bridges divides the city, the northernmost street is joined to no other, most of C4
    has no street near, and C8 has only a piece of its own.
    """

    tables: dict[str, Rows] = field(default_factory=dict)
    provided_kinds: list[str] = field(
        default_factory=lambda: [f"F{number:02d}" for number in range(1, 21) if number != 2]
    )
    seed: int = 20260701
    has_streets: bool = False
    folder: Path = Path("cities/small")
    """Where the packs of the city's own indicators are, if it has any."""

    def __post_init__(self) -> None:
        """Draw every table from one seeded generator."""
        self.rng = np.random.default_rng(self.seed)
        self.tables = {
            "communities": self._communities(),
            "buildings": self._buildings(),
            "estates": self._estates(),
            "facilities": self._facilities(),
            "candidate_sites": self._sites(),
            "survey_responses": self._survey(),
            "repair_reports": self._reports(),
            "walking_edges": self._streets() if self.has_streets else [],
            "ledger": [
                {
                    "feed": "facilities",
                    "table_name": "facilities",
                    "half_year": "2026H1",
                    "delivery": "first",
                    "source_file": "facilities.csv",
                    "rows_in": 403,
                    "rows_accepted": 400,
                    "rows_quarantined": 2,
                    "rows_duplicate": 1,
                    "rows_out_of_scope": 0,
                }
            ],
            "quarantine": [
                {"feed": "facilities", "table_name": "facilities", "reason_code": "outside_city", "rows": 2}
            ],
        }

    @staticmethod
    def corner(number: int) -> tuple[float, float]:
        """South-west corner of community C<number>: four in a row, two rows, sharing borders."""
        return WEST + UNIT_DEGREES * ((number - 1) % 4), SOUTH + UNIT_DEGREES * ((number - 1) // 4)

    def _sites(self) -> Rows:
        """A room in C1, one there that is free a moment too late, and land south of C2, in no community."""
        west, south = self.corner(1)
        room = {"site_type": "vacant_room", "lon": west + 0.003, "lat": south + 0.003, "floor_area_m2": 400.0}
        return [
            {"site_id": "room", "site_name": "合成用房", **room, "cost_cny": 500_000.0},
            {"site_id": "room-later", "site_name": "合成用房", **room, "available_from": PERIOD_END},
            {
                "site_id": "land",
                "site_name": "合成地块",
                "site_type": "land",
                "lon": self.corner(2)[0] + 0.003,
                "lat": south - 0.001,
                "land_area_m2": 2_000.0,
            },
        ]

    def _communities(self) -> Rows:
        rows = []
        connection = duckdb.connect()
        connection.execute(f"load '{SPATIAL}'")
        for number in range(1, 9):
            west, south = self.corner(number)
            box = f"st_makeenvelope({west}, {south}, {west + UNIT_DEGREES}, {south + UNIT_DEGREES})"
            wkb = connection.sql(f"select cast(st_aswkb({box}) as blob)").fetchall()[0][0]
            county = "K1" if number <= 4 else "K2"
            rows.append(
                {
                    "community_id": f"C{number}",
                    "community_name": f"合成社区{number}",
                    "street_id": f"{county}S{(number + 1) // 2}",
                    "street_name": f"合成街道{(number + 1) // 2}",
                    "county_id": county,
                    "county_name": "合成一区" if county == "K1" else "合成二区",
                    "area_type": {2: "new", 3: None}.get(number, "stock"),
                    "geometry": wkb,
                    "is_geometry_repaired": False,
                }
            )
        return rows

    def _point(self, number: int) -> dict[str, float]:
        west, south = self.corner(number)
        lon, lat = (float(share) * UNIT_DEGREES for share in self.rng.uniform(0.02, 0.98, size=2))
        return {"lon": round(west + lon, 7), "lat": round(south + lat, 7)}

    @staticmethod
    def _streets() -> Rows:
        """Straight streets eastward, bent ones northward; some ends are named, two lengths are stated."""
        step = UNIT_DEGREES / 3
        rows: Rows = []

        def street(*points: tuple[float, float], **stated: Any) -> None:
            places = [(WEST + step * column, SOUTH + step * line) for column, line in points]
            order = "<" if len(rows) % 2 else ">"
            head = struct.pack("b", order == "<") + struct.pack(f"{order}II", 2, len(places))
            wkb = head + b"".join(struct.pack(f"{order}dd", *place) for place in places)
            rows.append({"edge_id": f"W{len(rows):03d}", "geometry": wkb, **stated})

        for column in range(10):
            for line in range(6):
                here = (column, line)
                if column < 9:
                    street(here, (column + 1, line))
                if line < 4 and (line != 2 or column in (1, 8)):  # the river
                    street(here, (column + 0.3, line + 0.5), (column, line + 1))
        rows[4]["length_m"] = 400.0  # longer than drawn
        rows[7]["length_m"] = 1.0  # shorter than possible
        street((10.5, 3.2), (10.5, 5.9), to_node="P")
        street((10.5, 5.9), (11.5, 5.9), from_node="P", to_node="Q")
        street((11.5, 5.9), (11.5, 3.4), from_node="Q")
        street((11.6, 1.2), (11.6, 1.5))  # a slip of the drawing: it joins nothing
        return rows

    def _buildings(self) -> Rows:
        rows = []
        for number in range(1, 8):
            for index in range(40):
                households = int(self.rng.integers(5, 60))
                ages = [int(self.rng.integers(low, high)) for low, high in ((0, 8), (0, 8), (0, 12), (0, 6))]
                adults, elders = households * 2, int(self.rng.integers(0, 40))
                groups = [*ages, adults, elders]
                names = ("0_2", "3_5", "6_11", "12_14", "15_59", "60_plus")
                known = {f"residents_age_{name}": count for name, count in zip(names, groups, strict=True)}
                rows.append(
                    {
                        "building_id": f"B{number}-{index:02d}",
                        "community_id": f"C{number}" if index % 2 else None,
                        **self._point(number),
                        "dwellings": households + 2,
                        "households": households,
                        "residents": sum(groups),
                        **(known if number != 4 else {}),
                    }
                )
        return rows

    def _estates(self) -> Rows:
        models = ["professional", "community_trustee", "owner_managed", "none"]
        return [
            {
                "estate_id": f"E{number}-{index}",
                "estate_name": f"合成小区{number}-{index}",
                **self._point(number),
                "dwellings": int(self.rng.integers(50, 400)),
                "property_service_model": models[int(self.rng.integers(0, 4))],
                "has_ebike_charging": bool(self.rng.integers(0, 2)),
            }
            for number in range(1, 9)
            for index in range(5)
        ]

    def _facilities(self) -> Rows:
        rows = []
        outlets = [
            "fresh_shop",
            "breakfast",
            "laundry",
            "hairdresser",
            "photo_copy",
            "housekeeping",
            "repair_shop",
            "pharmacy",
        ]
        for kind_number in range(1, 21):
            kind = f"F{kind_number:02d}"
            if kind == "F02":
                continue
            for index in range(20):
                number = int(self.rng.integers(1, 9))
                size_unknown = (kind == "F11" and number > 4) or index == 19
                subtype = None
                if kind == "F15":
                    subtype = ["convenience_store", "supermarket"][index % 2]
                if kind == "F19":
                    subtype = outlets[index % len(outlets)]
                rows.append(
                    {
                        "facility_id": f"{kind}-{index:02d}",
                        "facility_name": f"合成设施{kind}-{index:02d}",
                        "kind_code": kind,
                        "subtype": subtype,
                        **self._point(number),
                        "floor_area_m2": None if size_unknown else float(self.rng.integers(10, 3000)),
                        "land_area_m2": None if size_unknown else float(self.rng.integers(100, 5000)),
                        "capacity": int(self.rng.integers(10, 90)) if kind in ("F03", "F05", "F09") else None,
                        "function_count": int(self.rng.integers(1, 6)) if kind == "F01" else None,
                        "operating_status": {0: "closed", 1: "planned"}.get(index, "operating"),
                    }
                )
        return rows

    def _survey(self) -> Rows:
        rows = []
        questions = [f"satisfaction_{code}" for code in CODES["dimensions"] + CODES["kinds"]]
        questions += [f"importance_{code}" for code in CODES["needs"]]
        questions += ["report_ease", "report_speed", "report_result"]
        for number in range(1, 9):
            for index in range(29 if number == 3 else 120):
                answers = self.rng.integers(1, 6, size=len(questions))
                rows.append(
                    {
                        "response_id": f"R{number}-{index:03d}",
                        "community_id": f"C{number}",
                        "answered_at": dt.datetime(2026, 5, 1) + dt.timedelta(hours=index),
                        "channel": "online" if index % 3 else "paper",
                        "age_band": ["18-29", "30-44", "45-59", "60+"][index % 4],
                        "sex": "f" if index % 2 else "m",
                        "tenure": "owner",
                        "has_child_0_12": index % 3 == 0,
                        **{name: int(score) for name, score in zip(questions, answers, strict=True)},
                        "top_needs": "N01|N02",
                    }
                )
        return rows

    def _reports(self) -> Rows:
        rows = []
        categories = ["road", "lift", "cleaning", "noise", "parking", "traffic"]
        for number in range(1, 9):
            for index in range(60):
                reported = PERIOD_START + dt.timedelta(minutes=int(self.rng.integers(0, 181 * 24 * 60)))
                dispatched = reported + dt.timedelta(minutes=int(self.rng.integers(10, 40 * 60)))
                responded = dispatched + dt.timedelta(minutes=int(self.rng.integers(10, 40 * 60)))
                closed = responded + dt.timedelta(hours=int(self.rng.integers(1, 200)))
                is_open = index % 10 == 0
                rows.append(
                    {
                        "report_id": f"P{number}-{index:02d}",
                        "version_at": closed,
                        "reported_at": reported,
                        "dispatched_at": dispatched,
                        "first_response_at": responded,
                        "due_at": None if index % 4 == 0 else reported + dt.timedelta(days=7),
                        "closed_at": None if is_open else closed,
                        "category_code": categories[index % len(categories)],
                        "request_type": "repair",
                        "channel": "app",
                        "asset_id": f"A{number}-{index % 7}",
                        **(self._point(number) if index % 15 else {}),
                        "rating": int(self.rng.integers(1, 6)) if index % 3 == 0 else None,
                        "status": "open" if is_open else "closed",
                    }
                )
        return rows


@dataclass(frozen=True)
class Build:
    """A finished dbt build: its database, its artefacts, and the city it was built from."""

    database: Path
    target: Path
    city: SmallCity
    output: str

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on the built database, opened read-only."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute(f"load '{SPATIAL}'")
            return connection.execute(sql, parameters).fetchall()


MEASURED = ("source:access+", "source:statistics+")
"""What hangs on who reaches what, or on what libraries compute of the places: built after them, the rest before."""
FOR_STEPS = (
    "+stg_communities +int_facility_classes +int_circle_facilities +int_demand_points +stg_walking_edges"
    " +stg_survey_responses +stg_population_margins survey_characteristics"
    " +int_repair_counts +int_report_places +int_unit_neighbours +int_community_areas scoring"
    " +int_repair_clocks +int_repair_areas +int_indicators +int_community_groups survey_questions needs"
)


def run_dbt(folder: Path, city: SmallCity, *arguments: str, **variables: Any) -> Build:
    """Write the city's lake below `folder` and build it as the steps do: places, access county by county, marts.

    Of models chosen with --select, those that are built after `access` come after what that step needs. Nothing is drawn:
    the source `uncertainty` has no rows unless the variable of its name passes files. The repository stays untouched.
    """
    (folder / "lake").mkdir(parents=True, exist_ok=True)
    reached, computed = folder / "access", folder / "statistics"
    inputs = write_lake(folder / "lake", city.tables)
    packs = indicators.load_packs(city.folder)
    packs.write(folder / "lake" / f"{indicators.INPUT}.parquet")
    inputs[indicators.INPUT] = f"'{folder / 'lake' / indicators.INPUT}.parquet'"
    values = {
        "city": "small",
        "city_name_zh": "合成市",
        "city_name_en": "Synthetic city",
        "half_year": "2026H1",
        "previous_half_year": "2025H2",
        "previous_period_start": f"{PREVIOUS_PERIOD_START}",
        "period_start": f"{PERIOD_START}",
        "period_end": f"{PERIOD_END}",
        "cut_off": f"{CUT_OFF}",
        "projected_crs": "EPSG:4549",
        "provided_kinds": city.provided_kinds,
        "city_models": list(packs.models),
        "inputs": inputs,
        "access": {name: f"'{path}'" for name, path in access.files(reached).items()},
        "statistics": {name: f"'{path}'" for name, path in statistics.files(computed).items()},
        "walking_network": bool(city.tables["walking_edges"]),
        "previous_release": "",
        "spatial_extension": str(SPATIAL),
        **variables,
    }
    build = Build(folder / "build.duckdb", folder / "target", city, "")
    options = list(arguments)
    if "--select" not in options:
        said = _dbt(build, values, *options, "--exclude", *MEASURED)
        options += ["--select", *MEASURED]
    else:
        at = options.index("--select") + 1
        chosen = options[at].split()
        options[at] = " ".join(f"{models},{measured}" for models in chosen for measured in MEASURED)
        first = [*arguments[:at], f"{arguments[at]} {FOR_STEPS}", *arguments[at + 1 :]]
        said = _dbt(build, values, *first, "--exclude", *MEASURED)
    statistics.run(build.database, computed)
    access.prepare(build.database, reached)
    for county in access.counties(build.database):
        access.run(build.database, county, reached)
    return replace(build, output=said + _dbt(build, values, *options))


def _dbt(build: Build, values: dict[str, Any], *arguments: str) -> str:
    folder = build.database.parent
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--no-use-colors",
        "--log-path",
        str(folder / "logs"),
    ]
    project = indicators.load_packs(build.city.folder).project(folder / "project")
    command += ["build", *arguments, "--project-dir", str(project), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(build.target), "--vars", json.dumps(values)]
    environment = {
        **os.environ,
        "CITYCHECK_DUCKDB": str(build.database),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return run.stdout
