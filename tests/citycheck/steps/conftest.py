"""A complete small city of four square units, in a project folder of its own, so that every step can be run on it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.steps import ingest

MOMENT = datetime(2026, 7, 20, tzinfo=UTC)
UNITS = {"U1": (118.80, 28.90), "U2": (118.81, 28.90), "U3": (118.80, 28.91), "U4": (118.81, 28.91)}
REPORT_HEADER = "编号,时间,类别,经度,纬度\n"


def _square(lon: float, lat: float) -> dict:
    ring = [[lon, lat], [lon + 0.01, lat], [lon + 0.01, lat + 0.01], [lon, lat + 0.01], [lon, lat]]
    return {"type": "Polygon", "coordinates": [ring]}


PROFILE = {
    "city": "town",
    "name": {"zh": "小城", "en": "Town"},
    "is_synthetic": True,
    "time_zone": "Asia/Shanghai",
    "projected_crs": "EPSG:4549",
    "box": {"lon_min": 118.0, "lon_max": 119.5, "lat_min": 28.0, "lat_max": 29.5},
    "half_years": ["2025H2", "2026H1"],
    "provided_kinds": ["F17", "F18"],
    "sources": {"town": {"title": "Town (synthetic)", "licence": "none", "folder": "town"}},
    "feeds": {
        "communities": {
            "tables": [
                {
                    "table": "communities",
                    "source": "town",
                    "files": "units.json",
                    "format": "geo",
                    "columns": {
                        "community_id": {"from": "id"},
                        "community_name": {"from": "id"},
                        "street_id": {"value": "S1"},
                        "street_name": {"value": "街"},
                        "county_id": {"value": "C1"},
                        "county_name": {"value": "县"},
                        "geometry": {"geometry": "polygon"},
                        "is_geometry_repaired": {"geometry": "was_repaired"},
                    },
                },
                {
                    "table": "buildings",
                    "source": "town",
                    "files": "buildings.csv",
                    "columns": {
                        "building_id": {"from": "id"},
                        "lon": {"from": "lon"},
                        "lat": {"from": "lat"},
                        "residents": {"from": "residents"},
                    },
                },
            ]
        },
        "facilities": {
            "tables": [
                {
                    "table": "facilities",
                    "source": "town",
                    "files": "facilities.csv",
                    "columns": {
                        "facility_id": {"from": "id"},
                        "kind_code": {"from": "kind"},
                        "lon": {"from": "lon"},
                        "lat": {"from": "lat"},
                        "land_area_m2": {"from": "land"},
                        "floor_area_m2": {"from": "floor"},
                        "operating_status": {"value": "operating"},
                    },
                }
            ]
        },
        "repair_reports": {
            "tables": [
                {
                    "table": "repair_reports",
                    "source": "town",
                    "files": "reports-*.csv",
                    "covers": {"pattern": r"(?P<year>\d{4})H(?P<half>[12])", "unit": "half_year"},
                    "columns": {
                        "report_id": {"from": "编号"},
                        "version_at": {"from": "时间"},
                        "reported_at": {"from": "时间"},
                        "category_code": {"from": "类别", "values": {"路灯": "street_light"}},
                        "lon": {"from": "经度"},
                        "lat": {"from": "纬度"},
                    },
                }
            ]
        },
    },
}


class Project:
    """The small city's project; tests may change its source files before they run steps."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "sources" / "town"
        self.files.mkdir(parents=True)
        self.home = settings_module.CityHome(root / "var" / "town")
        real = settings_module.Settings().project
        project = root / "project"
        (project / "cities" / "town").mkdir(parents=True)
        for name in ("expectations", "dbt_project"):
            (project / name).symlink_to(real / name)
        (project / "cities" / "town" / "profile.yml").write_text(
            yaml.safe_dump(PROFILE, allow_unicode=True), "utf-8"
        )
        self.environment = {
            "CITYCHECK_PROJECT": str(project),
            "CITYCHECK_HOME": str(root / "var"),
            "CITYCHECK_SOURCES": str(root / "sources"),
            "CITYCHECK_CITY": "town",
        }
        features = [
            {"type": "Feature", "properties": {"id": k}, "geometry": _square(*v)} for k, v in UNITS.items()
        ]
        self.write("units.json", json.dumps({"type": "FeatureCollection", "features": features}))
        places = [
            f"B{i},{lon + 0.005},{lat + 0.005},{1000 + i}" for i, (lon, lat) in enumerate(UNITS.values())
        ]
        self.write("buildings.csv", "id,lon,lat,residents\n" + "\n".join(places) + "\n")
        self.write(
            "facilities.csv",
            "id,kind,lon,lat,land,floor\nP1,F17,118.805,28.905,500,\nK1,F18,118.815,28.915,,20\n",
        )
        for half_year, first in (("2025H2", datetime(2025, 8, 1)), ("2026H1", datetime(2026, 2, 1))):
            rows = [
                f"{half_year}-{i:03d},{first + timedelta(hours=i)},路灯,118.805,28.905" for i in range(100)
            ]
            self.write(f"reports-{half_year}.csv", REPORT_HEADER + "\n".join(rows) + "\n")

    def write(self, name: str, text: str) -> None:
        (self.files / name).write_text(text, "utf-8")

    def ingest(self, feed: str, half_year: str = "2026H1", moment: datetime = MOMENT) -> dict:
        delivery = ingest.land("town", feed, half_year, moment)
        ingest.map_delivery("town", feed, half_year, delivery)
        ingest.gate("town", feed, half_year, delivery)
        return ingest.accept("town", feed, half_year, delivery)

    def ingest_all(self, half_year: str = "2026H1") -> None:
        for feed in ("communities", "facilities", "survey", "repair_reports"):
            self.ingest(feed, half_year)


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = Project(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    settings_module.settings.cache_clear()
    load_city.cache_clear()
    yield made
    settings_module.settings.cache_clear()
    load_city.cache_clear()
