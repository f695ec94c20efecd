"""Landing: byte for byte, once, private; and what is said when a source has not sent what it should."""

import hashlib
import json
import stat
from datetime import UTC, date, datetime

import pytest
import yaml

from citycheck.cities.profile import City
from citycheck.errors import BadInput, NotReady
from citycheck.lake import landing
from citycheck.lake.landing import periods_in
from citycheck.period import HalfYear
from citycheck.settings import CityHome

MOMENT = datetime(2026, 7, 1, tzinfo=UTC)
CONTENT = "id\n1\n"


class Source:
    def __init__(self, root):
        self.root = root
        self.folder = root / "cities" / "town"
        self.folder.mkdir(parents=True)
        self.files = root / "sources" / "register"
        self.files.mkdir(parents=True)
        self.home = CityHome(root / "home")
        self.source = {"title": "Register (synthetic)", "licence": "none", "folder": "register"}
        columns = {
            "facility_id": {"from": "id"},
            "kind_code": {"value": "F01"},
            "operating_status": {"value": "operating"},
        }
        place = {"lon": {"value": "118.9"}, "lat": {"value": "28.9"}}
        self.table = {
            "table": "facilities",
            "source": "register",
            "files": "*.csv",
            "columns": columns | place,
        }

    def city(self) -> City:
        written = {
            "city": "town",
            "name": {"zh": "小城", "en": "Town"},
            "is_synthetic": True,
            "time_zone": "Asia/Shanghai",
            "projected_crs": "EPSG:4549",
            "box": {"lon_min": 118, "lon_max": 120, "lat_min": 28, "lat_max": 30},
            "half_years": ["2025H1", "2026H2"],
            "provided_kinds": ["F01"],
            "sources": {"register": self.source},
            "feeds": {"facilities": {"tables": [self.table]}},
        }
        (self.folder / "profile.yml").write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        return City(self.folder)

    def land(self, half_year="2026H1", feed="facilities", moment=MOMENT):
        return landing.land(
            self.city(), feed, HalfYear.parse(half_year), self.home, self.root / "sources", moment
        )


@pytest.fixture
def source(tmp_path):
    made = Source(tmp_path)
    (made.files / "a.csv").write_text(CONTENT)
    return made


def test_bytes_hash_and_receipt_are_kept(source):
    delivery = source.land()
    [file] = delivery.files
    landed = delivery.folder(source.home) / file.source / file.path
    assert landed.read_text() == CONTENT
    assert file.sha256 == hashlib.sha256(CONTENT.encode()).hexdigest()
    receipt = json.loads((delivery.folder(source.home) / "receipt.json").read_text())
    assert receipt["receipts"] == [MOMENT.isoformat()]
    assert landing.load(source.home, "facilities", "2026H1", delivery.id) == delivery


def test_the_same_bytes_are_the_same_delivery_and_every_receipt_is_told(source):
    first = source.land()
    again = source.land(moment=datetime(2027, 1, 1, tzinfo=UTC))
    assert (again.id, again.files, again.received_at) == (first.id, first.files, MOMENT)
    assert again.receipts == (MOMENT.isoformat(), "2027-01-01T00:00:00+00:00")
    assert MOMENT.isoformat() in (first.folder(source.home) / "receipt.json").read_text()


def test_other_bytes_are_another_delivery_and_both_are_kept(source):
    first = source.land()
    (source.files / "a.csv").write_text("id\n2\n")
    second = source.land()
    assert second.id != first.id
    assert first.folder(source.home).is_dir() and second.folder(source.home).is_dir()


def test_landing_is_private(source):
    source.land()
    assert stat.S_IMODE(source.home.landing.stat().st_mode) == 0o700


def test_leftovers_of_a_killed_run_are_no_part_of_the_delivery(source):
    staging = source.home.landing / ".staging" / "facilities-2026H1" / "register"
    staging.mkdir(parents=True)
    (staging / "half.csv").write_text("id")
    delivery = source.land()
    assert [f.path for f in delivery.files] == ["a.csv"]
    assert not (delivery.folder(source.home) / "register" / "half.csv").exists()


def test_an_empty_file_is_refused_and_nothing_lands(source):
    (source.files / "a.csv").write_text("")
    with pytest.raises(BadInput, match=r"register/a\.csv: the file is empty"):
        source.land()
    assert not (source.home.landing / "facilities").exists()


def test_a_half_year_outside_the_sources_is_refused(source):
    with pytest.raises(BadInput, match="its sources cover 2025H1 to 2026H2, not 2030H1"):
        source.land("2030H1")


def test_a_delivery_that_has_not_come_is_waited_for(source):
    (source.files / "a.csv").unlink()
    with pytest.raises(NotReady, match=r"has no file like '\*\.csv' for this half-year"):
        source.land()


def test_a_source_that_is_nowhere(source):
    source.source["folder"] = "elsewhere"
    with pytest.raises(NotReady, match="is not there, and the profile pins no addresses"):
        source.land()


def test_a_feed_that_the_city_does_not_provide_is_a_delivery_without_files(source):
    assert source.land(feed="survey").files == ()


def test_only_the_files_of_the_half_year_are_taken_and_gaps_are_told(source):
    (source.files / "a.csv").unlink()
    source.table["covers"] = {"pattern": r"(?P<year>\d{4})-(?P<month>\d\d)\.csv", "unit": "month"}
    for month in ("2025-12", "2026-01", "2026-02", "2026-07"):
        (source.files / f"{month}.csv").write_text(CONTENT)
    delivery = source.land()
    assert [f.path for f in delivery.files] == ["2026-01.csv", "2026-02.csv"]
    assert delivery.absent_periods == ("2026-03", "2026-04", "2026-05", "2026-06")


def test_weeks_that_reach_over_the_bound_belong_to_both_half_years():
    weeks = periods_in("iso_week", HalfYear.parse("2015H2"))
    assert weeks["2015-W27"] == (date(2015, 6, 29), date(2015, 7, 5))
    assert "2015-W27" in periods_in("iso_week", HalfYear.parse("2015H1"))
    assert max(weeks) == "2015-W53"
    assert len(weeks) == 27


@pytest.mark.parametrize("name", ["2026H1", "2025H2", "2024H1"])
def test_months_of_a_half_year_are_six_and_cover_it(name):
    months = periods_in("month", HalfYear.parse(name))
    days = sum((last - first).days + 1 for first, last in months.values())
    half_year = HalfYear.parse(name)
    assert len(months) == 6
    assert days == (half_year.end(UTC) - half_year.start(UTC)).days
