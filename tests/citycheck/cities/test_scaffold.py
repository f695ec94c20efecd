"""From a sample file to a profile that maps it. Every file is made up here, in the shape of a real export."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import osmium
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from osmium.osm.mutable import Node, Way
from typer.testing import CliRunner

from citycheck import cli_city, duck, standard
from citycheck.cities import mapping
from citycheck.cities.check import check
from citycheck.cities.profile import City
from citycheck.cities.scaffold import _FORMATS, TIMES, Found, _spread, _synonyms, _times, guess, scaffold, utm
from citycheck.errors import BadInput
from citycheck.feeds import geo
from citycheck.lake import landing, mapped
from citycheck.lake.tables import tables
from citycheck.period import HalfYear
from citycheck.privacy import hashing
from citycheck.settings import CityHome

NOW = datetime(2026, 7, 1, tzinfo=UTC)
NYC = (
    "Unique Key,Created Date,Closed Date,Agency,Complaint Type,Status,Due Date,Latitude,Longitude\n"
    "501,01/02/2026 12:00:00 AM,01/13/2026 01:30:00 PM,DOT,Street Light Condition,Closed,,40.71,-74.00\n"
    "502,02/25/2026 11:59:59 PM,,NYPD,Noise - Residential,In Progress,03/01/2026 08:00:00 AM,40.80,-73.95\n"
    "503,03/05/2026 08:00:00 AM,,HPD,HEAT/HOT WATER,Open,,40.65,-73.90\n"
)
BOSTON = (
    "case_enquiry_id,open_dt,sla_target_dt,closed_dt,case_status,case_title,department,latitude,longitude\n"
    "101,2026-01-02 00:00:00,2026-01-05 08:30:00,2026-01-04 10:00:00,Closed,Request for Pothole Repair,PWDX,42.35,-71.06\n"
    "102,2026-01-03 09:15:00,2026-01-06 08:30:00,,Open,Illegal Dumping,PWDX,42.30,-71.10\n"
)
CHINESE = (
    "工单编号,上报时间,更新时间,办结时间,诉求类别,工单状态,责任部门,经度,纬度,满意度,联系电话\n"
    "GD1,2026/1/2 8:05,2026/1/4 9:00,2026/1/4 9:00,路灯不亮,已办结,市政公司,118.87,28.97,非常满意,13800000001\n"
    "GD2,2026/2/3 18:05,2026/2/3 19:00,,小区噪音扰民,办理中,街道办事处,118.90,28.95,未评价,13800000002\n"
)
EURO = (
    "Meldungsnummer;Eingangsdatum;Kategorie;Bearbeitungsstatus;Längengrad;Breitengrad\n"
    "1;02.01.2026 08:05;Straßenbeleuchtung;erledigt;13,4050;52,5200\n"
    "2;28.02.2026 19:05;Vandalismus;offen;13,4100;52,5000\n"
)


class Desk:
    """A folder of cities and one of sources; `new()` makes a profile, `rows()` lands and maps by it."""

    def __init__(self, root: Path) -> None:
        self.root, self.sources, self.cities = root, root / "sources", root / "cities"
        (self.sources / "town").mkdir(parents=True)
        self.cities.mkdir()

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.sources / "town" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def new(self, key: str, path: Path, zone: str | None = "UTC", now: datetime = NOW) -> str:
        made = scaffold("town", {key: path}, self.cities, time_zone=zone, sources=self.sources, now=now)
        return made.read_text("utf-8")

    def fill(self, *changes: tuple[str, str]) -> None:
        """What the operator does: replace what is open."""
        path = self.cities / "town" / "profile.yml"
        text = path.read_text("utf-8")
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        path.write_text(text, "utf-8")

    def city(self) -> City:
        return City(self.cities / "town")

    def problems(self) -> list[str]:
        return [
            told for table in check(self.city(), self.sources, received_at=NOW) for told in table.problems
        ]

    def rows(self, feed: str, table: str) -> list[dict]:
        home, out = CityHome(self.root / "home"), self.root / "mapped.parquet"
        delivery = landing.land(self.city(), feed, HalfYear(2026, 1), home, self.sources, NOW)
        work, key = self.root / "work", hashing.Key(bytes(range(32)))
        mapping.map_table(self.city(), delivery, delivery.folder(home), table, out, work, "500MB", key)
        return mapped.read(out).to_pylist()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def values(rows: list[dict], *names: str) -> list[tuple]:
    return [tuple(row[name] for name in names) for row in rows]


def test_a_file_like_new_yorks(desk):
    desk.new("repair_reports", desk.file("nyc.csv", NYC), "America/New_York")
    assert desk.problems() == []
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "report_id", "reported_at", "closed_at", "due_at") == [
        ("501", datetime(2026, 1, 2, 5), datetime(2026, 1, 13, 18, 30), None),
        ("502", datetime(2026, 2, 26, 4, 59, 59), None, datetime(2026, 3, 1, 13)),
        ("503", datetime(2026, 3, 5, 13), None, None),
    ]
    assert values(
        rows, "category_code", "status", "department", "lon", "lat", "version_at", "mapping_errors"
    ) == [
        ("street_light", "closed", "DOT", -74.0, 40.71, NOW.replace(tzinfo=None), None),
        ("noise", "open", "NYPD", -73.95, 40.80, NOW.replace(tzinfo=None), None),
        ("property_service", "open", "HPD", -73.9, 40.65, NOW.replace(tzinfo=None), None),
    ]
    profile = desk.city().profile
    assert (profile.projected_crs, profile.half_years) == ("EPSG:32618", ("2026H1", "2026H1"))
    assert profile.box.lon_min < -74.0 < -73.9 < profile.box.lon_max


def test_a_file_like_bostons(desk):
    desk.new("repair_reports", desk.file("boston.csv", BOSTON), "America/New_York")
    assert desk.problems() == []
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "report_id", "category_code", "status", "due_at", "closed_at", "mapping_errors") == [
        ("101", "road", "closed", datetime(2026, 1, 5, 13, 30), datetime(2026, 1, 4, 15), None),
        ("102", "cleaning", "open", datetime(2026, 1, 6, 13, 30), None, None),
    ]


def test_a_chinese_file_in_gb18030_and_its_phone_numbers(desk):
    text = desk.new("repair_reports", desk.file("gd.csv", CHINESE.encode("gb18030")), "Asia/Shanghai")
    assert "1380000000" not in text
    assert "# reporter_key: {from: 联系电话}" in text  # the operator's to take
    assert desk.problems() == []
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "report_id", "version_at", "reported_at", "category_code", "status", "rating") == [
        ("GD1", datetime(2026, 1, 4, 1), datetime(2026, 1, 2, 0, 5), "street_light", "closed", 5),
        ("GD2", datetime(2026, 2, 3, 11), datetime(2026, 2, 3, 10, 5), "noise", "open", None),
    ]
    assert values(rows, "reporter_key", "mapping_errors") == [(None, None), (None, None)]


def test_semicolons_and_decimal_commas(desk):
    desk.new("repair_reports", desk.file("euro.csv", EURO), "Europe/Berlin")
    desk.fill(('Vandalismus: "?"', "Vandalismus: public_facility"))
    assert desk.problems() == []
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "report_id", "reported_at", "category_code", "status", "lon", "lat") == [
        ("1", datetime(2026, 1, 2, 7, 5), "street_light", "closed", 13.405, 52.52),
        ("2", datetime(2026, 2, 28, 18, 5), "public_facility", "open", 13.41, 52.5),
    ]


def test_records_of_a_map_server_with_epochs(desk):
    names = ("OBJECTID", "DATE_OPENED", "DATE_CLOSED", "REQUEST_TYPE", "STATUS")
    attributes = [
        dict(zip(names, record, strict=True))
        for record in [
            (7, 1767312000000, None, "Pothole", "Open"),
            (8, 1767398400500, 1767484800000, "Graffiti", "Closed"),
        ]
    ]
    features = [
        {"attributes": a, "geometry": {"x": -77.0 + a["OBJECTID"] / 100, "y": 38.9}} for a in attributes
    ]
    text = desk.new("repair_reports", desk.file("map.json", json.dumps({"features": features})))
    assert 'records: "features"' in text
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "report_id", "reported_at", "closed_at", "category_code", "lon", "lat") == [
        ("7", datetime(2026, 1, 2), None, "road", -76.93, 38.9),
        ("8", datetime(2026, 1, 3, 0, 0, 0, 500_000), datetime(2026, 1, 4), "cleaning", -76.92, 38.9),
    ]


def test_districts_as_geojson(desk):
    def square(west: float) -> dict:
        ring = [[west, 60.1], [west + 0.1, 60.1], [west + 0.1, 60.2], [west, 60.2], [west, 60.1]]
        return {"type": "Polygon", "coordinates": [ring]}

    features = []
    for n in (1, 2):
        properties = {"code": f"D{n}", "name": f"District {n}", "county": "Town"}
        features.append({"type": "Feature", "properties": properties, "geometry": square(24 + n / 10)})
    desk.new(
        "communities", desk.file("d.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
    )
    with pytest.raises(BadInput, match=r"profile\.yml, line \d+: half_years: Half-year '\?' is not one"):
        desk.city()
    desk.fill(('half_years: ["?", null]', "half_years: [2026H1, null]"))
    assert desk.problems() == []
    rows = desk.rows("communities", "communities")
    assert values(
        rows, "community_id", "community_name", "street_id", "street_name", "county_id", "county_name"
    ) == [
        ("D1", "District 1", "Town", "Town", "Town", "Town"),
        ("D2", "District 2", "Town", "Town", "Town", "Town"),
    ]
    assert desk.city().profile.projected_crs == "EPSG:32635"


def test_a_file_without_header_is_told_apart_by_content(desk):
    rows = (
        "1001,2026-01-02 08:00:00,路灯不亮,28.971,118.872\n1002,2026-01-03 08:00:00,道路坑洞,28.952,118.891\n"
    )
    text = desk.new("repair_reports", desk.file("bare.csv", rows), "Asia/Shanghai")
    assert "the file has no header" in text
    assert desk.problems() == []
    found = desk.rows("repair_reports", "repair_reports")
    assert values(found, "report_id", "reported_at", "category_code", "lon", "lat") == [
        ("1001", datetime(2026, 1, 2), "street_light", 118.872, 28.971),
        ("1002", datetime(2026, 1, 3), "road", 118.891, 28.952),
    ]


def test_a_file_without_header_of_which_little_can_be_told(desk):
    text = desk.new(
        "repair_reports", desk.file("bare.csv", "1,2026-01-02 08:00:00,a\n2,2026-01-03 08:00:00,b\n")
    )
    table = yaml.safe_load(text)["feeds"]["repair_reports"]["tables"][0]
    assert table["header"] == ["column_1", "column_2", "column_3"]
    assert table["columns"]["category_code"] == {"value": "?"}


def test_what_is_left_open_is_told_by_the_check(desk):
    desk.new("repair_reports", desk.file("odd.csv", "foo,opened\nx,2026-01-02\ny,2026-01-23\n"))
    desk.fill(('projected_crs: "?"', "projected_crs: EPSG:32650"))
    desk.fill(
        (
            'box: {lon_min: "?", lon_max: "?", lat_min: "?", lat_max: "?"}',
            "box: {lon_min: 118, lon_max: 119, lat_min: 28, lat_max: 29}",
        )
    )
    told = desk.problems()
    assert [line.split(":")[0] for line in told] == ["report_id", "category_code"]


def test_a_title_and_a_licence_are_asked_for(desk):
    desk.new("repair_reports", desk.file("boston.csv", BOSTON))
    [table] = check(desk.city(), desk.sources, received_at=NOW)
    assert "title or licence is '?'" in table.notes[0]


def test_dates_that_somebody_mistyped_do_not_stretch_the_half_years(desk):
    header = "id,created date,category\n"
    rows = [f"{n},2026-0{1 + n % 6}-1{n % 9} {n // 60:02}:{n % 60:02}:00,noise\n" for n in range(400)]
    desk.new("repair_reports", desk.file("r.csv", header + "".join(rows) + "400,2099-01-01 00:00:00,noise\n"))
    assert "half_years: [2026H1, 2026H1]" in (desk.cities / "town" / "profile.yml").read_text("utf-8")


def test_without_a_time_zone_all_that_is_open_is_told_at_once(desk):
    desk.new("repair_reports", desk.file("odd.csv", "foo,opened\nx,2026-01-02\n"), None)
    with pytest.raises(BadInput) as caught:
        desk.city()
    for key in ("time_zone", "projected_crs", "box.lon_min", "box.lat_max"):
        assert f": {key}: " in str(caught.value)


def test_a_folder_that_is_there_is_never_touched(desk):
    path = desk.file("nyc.csv", NYC)
    desk.new("repair_reports", path)
    (desk.cities / "town" / "profile.yml").write_text("mine")
    with pytest.raises(BadInput, match="is there already; nothing was written"):
        desk.new("repair_reports", path)
    assert (desk.cities / "town" / "profile.yml").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "key", "zone", "told"),
    [
        ("../town", "repair_reports", None, "cannot name a city's folder"),
        ("town", "repairs", None, "neither a feed nor a table"),
        ("town", "repair_reports", "Asia/Quzhou", "is no time zone"),
    ],
)
def test_what_cannot_be_begun(desk, name, key, zone, told):
    path = desk.file("nyc.csv", NYC)
    with pytest.raises(BadInput, match=told):
        scaffold(name, {key: path}, desk.cities, time_zone=zone)
    assert not list(desk.cities.iterdir())


# What the half-year, the place and the format decide -----------------------------------------------------------------


LATER = datetime(2026, 7, 20, tzinfo=UTC)


def table_of(text: str, feed: str = "repair_reports") -> dict:
    return yaml.safe_load(text)["feeds"][feed]["tables"][0]


def test_of_half_years_that_are_past_the_time_of_receipt_is_no_version(desk):
    text = desk.new("repair_reports", desk.file("nyc.csv", NYC), "America/New_York", now=LATER)
    columns = table_of(text)["columns"]
    assert columns["version_at"] == columns["reported_at"]
    assert "# the source keeps no time of change" in text
    assert [table.problems for table in check(desk.city(), desk.sources, received_at=LATER)] == [()]


def test_a_half_year_that_is_not_cut_off_yet_may_be_known_by_the_time_of_receipt(desk):
    text = desk.new("repair_reports", desk.file("nyc.csv", NYC), "America/New_York")
    assert table_of(text)["columns"]["version_at"] == {"received": True}


def test_a_report_that_was_never_changed_has_the_time_of_the_report(desk):
    text = CHINESE.replace("2026/2/3 19:00,", ",")
    text = desk.new("repair_reports", desk.file("gd.csv", text), "Asia/Shanghai", now=LATER)
    assert table_of(text)["columns"]["version_at"]["from"] == ["更新时间", "上报时间"]
    rows = desk.rows("repair_reports", "repair_reports")
    assert values(rows, "version_at") == [(datetime(2026, 1, 4, 1),), (datetime(2026, 2, 3, 10, 5),)]


@pytest.mark.parametrize("place", [",", "0,0", "0.0,0"])
def test_without_a_place_the_box_is_left_open(desk, place):
    rows = f"id,created date,category,lon,lat\n1,2026-01-13,noise,{place}\n2,2026-01-14,noise,{place}\n"
    written = yaml.safe_load(desk.new("repair_reports", desk.file("r.csv", rows)))
    assert written["projected_crs"] == "?" and set(written["box"].values()) == {"?"}


def test_rows_at_zero_are_nowhere(desk):
    rows = "id,created date,category,lon,lat\n1,2026-01-13,noise,118.9,28.9\n2,2026-01-14,noise,0.000,0\n"
    text = desk.new("repair_reports", desk.file("r.csv", rows))
    for name in ("lon", "lat"):
        assert table_of(text)["columns"][name]["null_if"] == ["0", "0.0", "0.000"]
    assert values(desk.rows("repair_reports", "repair_reports"), "lon", "lat") == [
        (118.9, 28.9),
        (None, None),
    ]
    assert desk.city().profile.box.lon_min > 100


def test_a_zero_of_one_coordinate_is_a_place(desk):
    rows = "id,created date,category,lon,lat\n1,2026-01-13,noise,0,51.5\n2,2026-01-14,noise,0.1,51.4\n"
    columns = table_of(desk.new("repair_reports", desk.file("r.csv", rows)))["columns"]
    assert "null_if" not in columns["lon"]


def test_points_as_well_known_text(desk):
    rows = "id,created date,category,the_geom\n1,2026-01-13,noise,POINT (118.9 28.9)\n2,2026-01-14,noise,\n"
    text = desk.new("repair_reports", desk.file("r.csv", rows))
    assert table_of(text)["wkt"] == "the_geom"
    assert values(desk.rows("repair_reports", "repair_reports"), "lon", "lat") == [
        (118.9, 28.9),
        (None, None),
    ]
    assert desk.problems() == []


def test_polygons_as_well_known_text(desk):
    def shape(west: float) -> str:
        return f"MULTIPOLYGON ((({west} 28, {west + 1} 28, {west + 1} 29, {west} 28)))"

    rows = f'code,name,county,geometry\nC1,A,B,"{shape(118)}"\nC2,C,B,"{shape(119)}"\n'
    text = desk.new("communities", desk.file("c.csv", rows))
    columns = table_of(text, "communities")["columns"]
    assert columns["geometry"] == {"geometry": "polygon"}
    assert columns["is_geometry_repaired"] == {"geometry": "was_repaired"}
    desk.fill(('half_years: ["?", null]', "half_years: [2026H1, null]"))
    assert desk.problems() == []
    assert len(desk.rows("communities", "communities")) == 2


def test_a_code_that_cannot_be_guessed_is_asked_for_and_only_a_blank_is_unknown(desk):
    rows = "id,created date,category,status\n"
    for number, status in enumerate(["已完工", "飞行", "N/A", "-", "open"]):
        rows += f"{number},2026-01-1{number + 3},noise,{status}\n"
    text = desk.new("repair_reports", desk.file("r.csv", rows))
    assert table_of(text)["columns"]["status"]["values"] == {
        "已完工": "closed", "飞行": "?", "N/A": None, "-": None, "open": "open",
    }  # fmt: skip


def test_features_of_openstreetmap(desk):
    path = desk.sources / "town" / "town.osm.pbf"
    tags = [{"amenity": "school", "leisure": "park"}, {"shop": "convenience"}, {"highway": "crossing"}]
    tags.append({"amenity": "fuel", "shop": "supermarket"})
    with osmium.SimpleWriter(path) as writer:
        for number, tag in enumerate(tags, 1):
            writer.add_node(Node(id=number, location=(118 + number / 10, 28.9), tags=tag | {"name": "x"}))
    text = desk.new("facilities", path)
    table = table_of(text, "facilities")
    assert table["tags"]["shop"][:2] == ["convenience", "supermarket"]
    desk.fill(('half_years: ["?", null]', "half_years: [2026H1, null]"))
    assert desk.problems() == []
    assert desk.city().profile.provided_kinds == ["F05", "F15", "F17"]
    rows = desk.rows("facilities", "facilities")
    assert values(rows, "facility_id", "kind_code", "lon", "operating_status", "mapping_errors") == [
        ("node-1", "F05", 118.1, "operating", None),
        ("node-2", "F15", 118.2, "operating", None),
        ("node-4", "F15", 118.4, "operating", None),
    ]


def test_the_walking_network_of_openstreetmap(desk):
    path = desk.sources / "town" / "town.osm.pbf"
    with osmium.SimpleWriter(path) as writer:
        for number in (1, 2, 3):
            writer.add_node(Node(id=number, location=(118 + number / 100, 28.9)))
        writer.add_way(Way(id=7, nodes=[1, 2, 3], tags={"highway": "footway"}))
    table = table_of(desk.new("walking_edges", path), "communities")
    assert (table["format"], table["layer"], table.get("tags")) == ("osm", "walking_network", None)
    assert table["columns"] == {
        "edge_id": {"from": "edge_id"},
        "from_node": {"from": "from_node"},
        "to_node": {"from": "to_node"},
        "length_m": {"from": "length_m"},
        "geometry": {"geometry": "line"},
        "walking_kind": {"from": "highway"},
    }
    desk.fill(('half_years: ["?", null]', "half_years: [2026H1, null]"))
    assert desk.problems() == []
    [row] = desk.rows("communities", "walking_edges")
    assert (row["edge_id"], row["walking_kind"], row["mapping_errors"]) == ("7-1-3", "footway", None)


def test_a_plain_edge_table(desk):
    """Its columns are named otherwise, one edge is of one part, and there is no code of the edge."""
    rows = '道路类型,长度,geom\n支路,120.5,"MULTILINESTRING ((118.1 28.9, 118.2 28.9))"\n'
    rows += '步道,99,"LINESTRING (118.2 28.9, 118.3 28.9)"\n'
    table = table_of(desk.new("walking_edges", desk.file("e.csv", rows)), "communities")
    assert table["wkt"] == "geom"
    assert table["columns"] == {
        "edge_id": {"row_number": True, "prefix": "edge-"},
        "length_m": {"from": "长度"},
        "geometry": {"geometry": "line"},
        "walking_kind": {"from": "道路类型"},
    }
    desk.fill(('half_years: ["?", null]', "half_years: [2026H1, null]"))
    assert desk.problems() == []
    assert [row["mapping_errors"] for row in desk.rows("communities", "walking_edges")] == [None, None]


def test_a_zipped_shapefile(desk, tmp_path):
    with duck.connect() as connection:
        connection.execute(
            f"""copy (select 'C1' as code, 'A' as name, st_geomfromtext('POLYGON ((118 28, 119 28, 119 29, 118 28))') as g)
            to '{tmp_path / "c.shp"}' (format gdal, driver 'ESRI Shapefile')"""
        )
    with zipfile.ZipFile(desk.sources / "town" / "c.zip", "w") as packed:
        for part in tmp_path.glob("c.*"):
            packed.write(part, part.name)
    table = table_of(desk.new("communities", desk.sources / "town" / "c.zip"), "communities")
    assert (table["format"], table["columns"]["geometry"]) == ("geo", {"geometry": "polygon"})


def test_the_second_line_says_what_to_do_next(desk):
    text = desk.new("repair_reports", desk.file("nyc.csv", NYC))
    assert text.splitlines()[1].endswith("citycheck city check town")


# Guesses --------------------------------------------------------------------------------------------------------------


def column(*texts: str) -> Found:
    return Found("t", tuple((text, 1) for text in texts), len(texts), len(texts))


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["03/04/2026", "25/04/2026"], ["%d/%m/%Y"]),
        (["03/04/2026", "04/25/2026"], ["%m/%d/%Y"]),
        (["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123+08:00"], ["iso"]),
        (["1767312000000", "1767398400000"], ["epoch_ms"]),
        (["1767312000", "1767398400"], ["epoch_s"]),
        (["46024.5", "46030"], ["excel"]),
        (["20260102", "20260330"], ["%Y%m%d"]),
        (["113/05/01", "112/12/31"], ["roc %Y/%m/%d"]),
        (["1130501", "1121231"], ["roc %Y%m%d"]),
        (["2026-01-02", "2026-01-03 04:05:06"], ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]),
        (["apple", "pear"], []),
    ],
)
def test_how_times_are_written(texts, forms):
    found, why = _times(column(*texts))
    assert sorted(found) == sorted(forms) and why == ""


def test_day_and_month_that_cannot_be_told_apart_are_said_to_be_so():
    forms, why = _times(column("03/04/2026", "05/06/2026"))
    assert len(forms) == 1 and "cannot be told apart" in why


@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from([form for form in TIMES if "%Y" in form and "%f" not in form]),
    start=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
)
def test_whatever_format_wrote_times_the_one_found_reads_them_as_they_were(form, start):
    moments = [start + timedelta(days=37 * n, hours=7 * n) for n in range(40)]  # some day is past the 12th
    forms, why = _times(column(*dict.fromkeys(moment.strftime(form) for moment in moments)))
    assert why == ""
    assert [datetime.strptime(m.strftime(form), forms[0]) for m in moments] == [
        datetime.strptime(m.strftime(form), form) for m in moments
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Street Light Condition", "street_light"),
        ("Request for Pothole Repair", "road"),
        ("小区噪音扰民", "noise"),
        ("路燈故障", "street_light"),
        ("Other - Potholes", "road"),
        ("General noise", "noise"),
        ("Other", "other"),
        ("Pot Hole", "road"),
        ("Sewage Backup", "drainage"),
        ("Water Main Break", "water_supply"),
        ("No Heat", "property_service"),
        ("Heating", "property_service"),
        ("Sign Repair", "traffic"),
        ("Unsafe Structure", "structure"),
        ("Needle Pickup", "cleaning"),
        ("drainage", "drainage"),
        ("Streets", None),
        ("apartment", None),
        ("", None),
    ],
)
def test_what_a_category_most_likely_means(text, code):
    assert guess(text, _synonyms()["codes"]["category_code"]) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("未處理", "open"),
        ("处理中", "open"),
        ("未完成", "open"),
        ("待结案", "open"),
        ("已完工", "closed"),
        ("已结案", "closed"),
        ("完成", "closed"),
        ("结案", "closed"),
        ("Not closed", "open"),
        ("不予受理", "rejected"),
    ],
)
def test_what_a_status_most_likely_means(text, code):
    assert guess(text, _synonyms()["codes"]["status"]) == code


def test_features_of_openstreetmap_lead_to_kinds_that_exist():
    kinds = [pair for of_key in _synonyms()["osm"].values() for pair in of_key.items()]
    assert {kind for _, kind in kinds} <= set(standard.codes("facility_kinds", "kind_code"))
    assert len(dict(kinds)) == len(kinds)  # a value tells its kind without its key


def test_whatever_the_readers_of_shapes_take_can_be_a_sample():
    assert {*geo._DRIVERS, ".shp", ".zip", ".geoparquet", ".geojsonl"} <= set(_FORMATS)


@pytest.mark.parametrize("texts", [(), ("0", "0.0"), ("somewhere",)])
def test_where_nothing_is_there_is_no_spread(texts):
    assert _spread(column(*texts)) is None


def test_the_words_lead_to_codes_that_exist():
    codes = _synonyms()["codes"]
    assert set(codes["category_code"]) == set(standard.codes("repair_categories", "category_code"))
    assert set(codes["kind_code"]) == set(standard.codes("facility_kinds", "kind_code"))
    for table, known in _synonyms()["columns"].items():
        assert set(known) <= {column.name for column in tables()[table].columns}


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [(118.9, 28.9, "EPSG:32650"), (-58.4, -34.6, "EPSG:32721"), (180.0, 1.0, "EPSG:32660")],
)
def test_the_utm_zone_of_a_place(lon, lat, crs):
    assert utm(lon, lat) == crs


def test_a_sample_that_is_not_written_as_one(desk):
    answer = CliRunner().invoke(cli_city.app, ["new", "town", "--sample", "reports.csv"])
    assert answer.exit_code == 1
