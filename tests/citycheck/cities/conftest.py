"""A small city in a temporary folder: a profile and one CSV that tests spoil in one way each."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from citycheck.cities import mapping
from citycheck.cities.profile import City
from citycheck.lake import landing, mapped
from citycheck.period import HalfYear
from citycheck.privacy import hashing
from citycheck.settings import CityHome

KEY = hashing.Key(bytes(range(32)))
HEADER = "编号,时间,类别,经度,纬度,评价\n"
GOOD = "A1,2026-03-01 08:00:00,路灯,118.87,28.97,5\n"


def profile() -> dict:
    return {
        "city": "town",
        "name": {"zh": "小城", "en": "Town"},
        "is_synthetic": True,
        "time_zone": "Asia/Shanghai",
        "projected_crs": "EPSG:4549",
        "box": {"lon_min": 118.0, "lon_max": 119.5, "lat_min": 28.0, "lat_max": 29.5},
        "half_years": ["2025H1", "2026H2"],
        "provided_kinds": ["F01"],
        "sources": {"hotline": {"title": "Hotline (synthetic)", "licence": "none", "folder": "hotline"}},
        "feeds": {
            "repair_reports": {
                "tables": [
                    {
                        "table": "repair_reports",
                        "source": "hotline",
                        "files": "*.csv",
                        "columns": {
                            "report_id": {"from": "编号"},
                            "version_at": {"from": "时间"},
                            "reported_at": {"from": "时间"},
                            "category_code": {
                                "from": "类别",
                                "values": {"路灯": "street_light", "噪音": "noise"},
                            },
                            "lon": {"from": "经度"},
                            "lat": {"from": "纬度"},
                            "rating": {"from": "评价", "null_if": ["不评价"]},
                        },
                    }
                ]
            }
        },
    }


class Town:
    """A profile and a source folder in `root`; `map()` runs land and map on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "cities" / "town"
        self.folder.mkdir(parents=True)
        self.sources = root / "sources"
        (self.sources / "hotline").mkdir(parents=True)
        self.home = CityHome(root / "home")
        self.written = profile()

    @property
    def columns(self) -> dict:
        return self.table["columns"]

    @property
    def table(self) -> dict:
        return self.written["feeds"]["repair_reports"]["tables"][0]

    def city(self) -> City:
        (self.folder / "profile.yml").write_text(
            yaml.safe_dump(self.written, allow_unicode=True, sort_keys=False), "utf-8"
        )
        return City(self.folder)

    def send(self, content: str | bytes, name: str = "reports.csv") -> None:
        data = content if isinstance(content, bytes) else content.encode()
        (self.sources / "hotline" / name).write_bytes(data)

    def land(self, half_year: str = "2026H1") -> landing.Delivery:
        moment = datetime(2026, 7, 1, tzinfo=UTC)
        return landing.land(
            self.city(), "repair_reports", HalfYear.parse(half_year), self.home, self.sources, moment
        )

    def map(self) -> tuple[list[mapping.FileCount], list[dict]]:
        delivery = self.land()
        out = self.root / "mapped.parquet"
        counts = mapping.map_table(
            self.city(),
            delivery,
            delivery.folder(self.home),
            "repair_reports",
            out,
            self.root / "work",
            "500MB",
            KEY,
        )
        return counts, mapped.read(out).drop_columns(["unmapped"]).to_pylist()


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)
