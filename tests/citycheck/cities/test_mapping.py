"""The mapping engine: what a profile makes of a file, and what it says of a file that it cannot read."""

import csv
import io
import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citycheck.cities import mapping
from citycheck.errors import BadInput

HEADER = "编号,时间,类别,经度,纬度,评价\n"
GOOD = "A1,2026-03-01 08:00:00,路灯,118.87,28.97,5\n"


def test_a_good_row_becomes_typed_utc_and_coded(town):
    town.send(HEADER + GOOD)
    counts, [row] = town.map()
    assert (counts[0].file, counts[0].rows_in, counts[0].rows_duplicate) == ("hotline/reports.csv", 1, 0)
    assert row["report_id"] == "A1"
    assert row["reported_at"] == datetime(2026, 3, 1, 0, 0)
    assert row["category_code"] == "street_light"
    assert (row["lon"], row["lat"], row["rating"]) == (118.87, 28.97, 5)
    assert (row["source_file"], row["source_row"], row["mapping_errors"]) == ("hotline/reports.csv", 1, None)


@pytest.mark.parametrize(
    ("row", "errors", "column"),
    [
        ("A1,2026-03-01 08:00:00,飞碟,118.87,28.97,5", "unknown_code:category_code", "category_code"),
        (
            "A1,2026-13-01 08:00:00,路灯,118.87,28.97,5",
            "bad_value:version_at;bad_value:reported_at",
            "reported_at",
        ),
        ("A1,2026-03-01 08:00:00,路灯,east,28.97,5", "bad_value:lon", "lon"),
        ("A1,2026-03-01 08:00:00,路灯,nan,28.97,5", "bad_value:lon", "lon"),
        ("A1,2026-03-01 08:00:00,路灯,118.87,28.97,4.5", "bad_value:rating", "rating"),
        (",2026-03-01 08:00:00,路灯,118.87,28.97,5", "missing_key:report_id", "report_id"),
        ("A1,2026-03-01 08:00:00, \u3000,118.87,28.97,5", "bad_value:category_code", "category_code"),
    ],
)
def test_a_value_that_does_not_fit_is_null_and_says_why(town, row, errors, column):
    town.send(HEADER + row + "\n")
    _, [mapped] = town.map()
    assert mapped["mapping_errors"] == errors
    assert mapped[column] is None


def test_a_blank_that_is_allowed_is_unknown_without_error(town):
    town.send(HEADER + "A1,2026-03-01 08:00:00,路灯,,,不评价\n")
    _, [row] = town.map()
    assert (row["lon"], row["lat"], row["rating"], row["mapping_errors"]) == (None, None, None, None)


def test_exact_duplicates_are_dropped_and_counted(town):
    town.send(HEADER + GOOD + GOOD, "a.csv")
    town.send(HEADER + GOOD, "b.csv")
    counts, rows = town.map()
    assert [(c.file, c.rows_in, c.rows_duplicate) for c in counts] == [
        ("hotline/a.csv", 2, 1),
        ("hotline/b.csv", 1, 1),
    ]
    assert len(rows) == 1


def test_the_same_key_with_other_content_is_not_a_duplicate(town):
    town.send(HEADER + GOOD + GOOD.replace(",5\n", ",4\n"))
    counts, rows = town.map()
    assert (counts[0].rows_duplicate, len(rows)) == (0, 2)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "big5", "utf-16"])
def test_other_encodings_are_read_when_declared(town, encoding):
    town.table["encoding"] = encoding
    header = HEADER if encoding != "big5" else "編號,時間,類別,經度,緯度,評價\n"
    if encoding == "big5":
        for column, name in zip(
            town.columns.values(), ["編號", "時間", "時間", "類別", "經度", "緯度", "評價"], strict=True
        ):
            column["from"] = name
        town.columns["category_code"]["values"] = {"路燈": "street_light"}
    good = GOOD if encoding != "big5" else GOOD.replace("路灯", "路燈")
    town.send((header + good).encode(encoding))
    _, [row] = town.map()
    assert (row["category_code"], row["mapping_errors"]) == ("street_light", None)


def test_a_byte_order_mark_is_no_part_of_the_first_column(town):
    town.send((HEADER + GOOD).encode("utf-8-sig"))
    _, [row] = town.map()
    assert row["report_id"] == "A1"


def test_wrong_encoding_names_the_byte(town):
    town.send(HEADER.encode() + GOOD.encode("gb18030"))
    with pytest.raises(BadInput, match=r"hotline/reports\.csv: byte \d+ is not utf-8; .*Correct `encoding`"):
        town.map()


def test_missing_column_names_the_nearest(town):
    town.send(HEADER.replace("类别", "类别名") + GOOD)
    with pytest.raises(
        BadInput,
        match=r"the column '类别', which becomes repair_reports.category_code, is missing; the nearest is '类别名'",
    ):
        town.map()


def test_a_column_named_twice_is_refused(town):
    town.send(HEADER.replace("评价", "经度") + GOOD)
    with pytest.raises(
        BadInput, match=r"the header's column\(s\) 6 have no name, or one that stands there already"
    ):
        town.map()


def test_a_ragged_row_is_told_by_its_line_and_shows_nothing_of_it(town):
    town.send(HEADER + GOOD + "A2,2026-03-01 08:00:00,13800001111\n")
    with pytest.raises(BadInput, match=r"reports\.csv: cannot be read as csv .*Line: 3") as caught:
        town.map()
    assert "13800001111" not in str(caught.value)


def test_truncated_parquet_is_told(town):
    path = town.root / "whole.parquet"
    pq.write_table(pa.table({"编号": ["A1"] * 1000}), path)
    town.table.update(files="*.parquet", format="parquet")
    town.send(path.read_bytes()[:-20], "cut.parquet")
    with pytest.raises(
        BadInput, match=r"hotline/cut\.parquet: cannot be read as a geographic file .*send it again"
    ):
        town.map()


def test_truncated_geojson_is_told(town):
    town.table.update(files="*.json", format="geo")
    town.send('{"type": "FeatureCollection", "features": [{"type": "Fea', "cut.json")
    with pytest.raises(BadInput, match=r"hotline/cut\.json, near character 44: is not JSON"):
        town.map()


def test_points_of_geojson_give_lon_and_lat(town):
    town.table.update(files="*.json", format="geo")
    town.columns["lon"], town.columns["lat"] = {"geometry": "lon"}, {"geometry": "lat"}
    properties = {"编号": "A1", "时间": "2026-03-01 08:00:00", "类别": "噪音", "评价": 3}
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Point", "coordinates": [118.5, 28.5]},
    }
    town.send(json.dumps({"type": "FeatureCollection", "features": [feature]}), "points.json")
    _, [row] = town.map()
    assert (row["lon"], row["lat"], row["rating"], row["category_code"]) == (118.5, 28.5, 3, "noise")


def test_a_file_without_header_takes_the_names_of_the_profile(town):
    town.table["header"] = ["编号", "时间", "类别", "经度", "纬度", "评价"]
    town.send(GOOD)
    _, [row] = town.map()
    assert row["report_id"] == "A1"


def test_patterns_prefix_first_and_constants(town):
    town.columns["report_id"] = {"from": "编号", "prefix": "x-"}
    town.columns["stated_county_name"] = {
        "from": "类别",
        "patterns": [{"match": "路.", "to": "甲区"}],
        "unmapped": "unknown",
    }
    town.columns["channel"] = {"value": "O'Neil"}
    town.columns["department"] = {"from": "时间", "first": 4}
    town.send(HEADER + GOOD + GOOD.replace("路灯", "噪音").replace("A1", "A2"))
    _, rows = town.map()
    assert [r["report_id"] for r in rows] == ["x-A1", "x-A2"]
    assert [r["stated_county_name"] for r in rows] == ["甲区", None]
    assert {r["channel"] for r in rows} == {"O'Neil"}
    assert {r["department"] for r in rows} == {"2026"}
    assert {r["mapping_errors"] for r in rows} == {None}


def correction(**more):
    guard = {"column": "经度", "between": [28.0, 30.0], "share_min": 0.9}
    return {"reason": "the header is swapped", "swap": ["经度", "纬度"], "guard": guard} | more


def test_a_swapped_header_is_corrected(town):
    town.table["corrections"] = [correction()]
    town.send(HEADER + "A1,2026-03-01 08:00:00,路灯,28.97,118.87,5\n")
    _, [row] = town.map()
    assert (row["lon"], row["lat"]) == (118.87, 28.97)


def test_the_guard_trips_once_the_source_is_fixed(town):
    town.table["corrections"] = [correction()]
    town.send(HEADER + GOOD)
    with pytest.raises(
        BadInput, match=r"the correction \"the header is swapped\" no longer fits.*remove the correction"
    ):
        town.map()


def test_a_guard_is_not_checked_outside_its_half_years(town):
    town.table["corrections"] = [correction(swap=None, set_null=["经度"], where={"纬度": "0"})]
    town.table["corrections"][0]["guard"]["half_years"] = ["2025H1", "2025H2"]
    town.send(HEADER + GOOD)
    _, [row] = town.map()
    assert row["lon"] == 118.87


def test_the_default_point_becomes_unknown(town):
    town.table["corrections"] = [
        {
            "reason": "default point",
            "set_null": ["经度", "纬度"],
            "where": {"经度": "118.5", "纬度": "28.5"},
            "guard": {"column": "经度", "between": [118.5, 118.5], "share_min": 0.3},
        }
    ]
    town.send(HEADER + GOOD + "A2,2026-03-01 08:00:00,路灯,118.5,28.5,5\n")
    _, rows = town.map()
    assert [(r["lon"], r["lat"]) for r in rows] == [(118.87, 28.97), (None, None)]


def test_nothing_is_left_when_mapping_fails(town):
    town.send(HEADER.replace("类别", "其他") + GOOD)
    with pytest.raises(BadInput):
        town.map()
    assert not (town.root / "mapped.parquet").exists()


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, texts, texts, texts), max_size=12))
def test_whatever_a_row_holds_it_is_accounted_for(town, cells):
    """No text can lose a row, add one, or stop the mapping."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([a, "2026-03-01 08:00:00", b, c, "28.97", d] for a, b, c, d in cells)
    town.send(HEADER + written.getvalue())
    counts, rows = town.map()
    assert sum(c.rows_in for c in counts) == len(cells)
    assert sum(c.rows_in - c.rows_duplicate for c in counts) == len(rows)


def test_files_of_the_same_name_in_two_folders_are_both_read(town):
    town.table.update(encoding="gb18030", files="*/x/f.csv")
    for folder, key in (("a", "A1"), ("b", "B1")):
        (town.sources / "hotline" / folder / "x").mkdir(parents=True)
        town.send((HEADER + GOOD.replace("A1", key)).encode("gb18030"), f"{folder}/x/f.csv")
    counts, rows = town.map()
    assert [(c.file, c.rows_in, c.rows_duplicate) for c in counts] == [
        ("hotline/a/x/f.csv", 1, 0),
        ("hotline/b/x/f.csv", 1, 0),
    ]
    assert [r["report_id"] for r in rows] == ["A1", "B1"]


@pytest.mark.parametrize("name", ["d[1].csv", "d*.csv", "d?.csv"])
def test_a_file_name_is_no_pattern(town, name):
    town.send(HEADER + GOOD, name)
    town.send(HEADER + GOOD.replace("A1", "A2"), "d1.csv")
    counts, rows = town.map()
    assert {c.file: c.rows_in for c in counts} == {f"hotline/{name}": 1, "hotline/d1.csv": 1}
    assert sorted(r["report_id"] for r in rows) == ["A1", "A2"]


def test_a_file_without_rows_is_counted_too(town):
    town.send(HEADER + GOOD, "a.csv")
    town.send(HEADER, "b.csv")
    counts, _ = town.map()
    assert [(c.file, c.rows_in) for c in counts] == [("hotline/a.csv", 1), ("hotline/b.csv", 0)]


def test_no_copy_of_the_rows_outlives_the_mapping(town):
    town.table["encoding"] = "gb18030"
    town.send((HEADER + GOOD).encode("gb18030"))
    town.map()
    assert not (town.root / "work").exists()


def test_an_unclosed_quote_in_the_header_is_told(town):
    town.send('"' + HEADER + GOOD * 5000)
    with pytest.raises(BadInput, match=r"reports\.csv"):
        town.map()


def test_a_layer_that_is_not_there_is_told(town):
    town.table.update(files="*.json", format="geo", layer="nowhere")
    point = {"type": "Point", "properties": {"编号": "A1"}, "coordinates": [118.5, 28.5]}
    here = {"type": "GeometryCollection", "geometries": [point]}
    town.send(json.dumps({"type": "Topology", "arcs": [], "objects": {"here": here}}), "points.json")
    with pytest.raises(
        BadInput, match=r"hotline/points\.json: has no layer 'nowhere'; expected one of 'here'"
    ):
        town.map()


def test_a_correction_of_a_column_that_is_missing_is_told(town):
    town.table["corrections"] = [correction(swap=["经度", "高度"])]
    town.send(HEADER + GOOD)
    with pytest.raises(BadInput, match="the column\\(s\\) '高度' of the correction"):
        town.map()


def test_a_column_counts_only_where_another_says_so(town):
    town.columns["closed_at"] = {"from": "时间", "where": {"评价": ["5", "4"]}}
    town.send(HEADER + GOOD + GOOD.replace("A1", "A2").replace(",5\n", ",3\n"))
    _, rows = town.map()
    assert [row["closed_at"] is None for row in rows] == [False, True]
    town.columns["closed_at"]["where"] = {"状态": ["关"]}
    with pytest.raises(
        BadInput, match=r"the column '状态', which `where` of repair_reports.closed_at names, is missing"
    ):
        town.map()


def test_a_text_that_means_unknown_does_not_stand_before_one_that_is_known(town):
    town.columns["category_code"]["from"] = ["评价", "类别"]
    town.columns["category_code"]["null_if"] = ["5"]
    town.send(HEADER + GOOD)
    _, [row] = town.map()
    assert row["category_code"] == "street_light"


def test_rows_out_of_scope_are_counted_and_nothing_else(town):
    town.table["only"] = {"类别": ["路灯"]}
    town.send(HEADER + GOOD + GOOD.replace("A1", "A2").replace("路灯", "噪音") * 2)
    [count], [row] = town.map()
    assert (count.rows_in, count.rows_out_of_scope, count.rows_duplicate, row["report_id"]) == (3, 2, 0, "A1")


def test_the_number_of_a_row_is_its_place_in_its_own_file(town):
    lines = "".join(GOOD.replace("A1", f"A{n}") for n in range(3000))
    town.send(HEADER + lines, "a.csv")
    town.send(HEADER + GOOD.replace("A1", "B0") + lines[: len(GOOD)] + GOOD.replace("A1", "B2"), "b.csv")
    counts, rows = town.map()
    assert [(c.file, c.rows_in, c.rows_duplicate) for c in counts] == [
        ("hotline/a.csv", 3000, 0),
        ("hotline/b.csv", 3, 1),
    ]
    assert all(row["source_row"] == int(row["report_id"][1:]) + 1 for row in rows)
    assert len(rows) == 3002


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        (
            "Asia/Shanghai",
            "1991-07-01 12:00:00",
            datetime(1991, 7, 1, 3),
        ),  # summer time, before the offset was steady
        ("Asia/Shanghai", "2026-07-01 12:00:00", datetime(2026, 7, 1, 4)),
        ("America/New_York", "2023-03-12 12:00:00", datetime(2023, 3, 12, 16)),
        ("America/New_York", "2023-01-15 12:00:00", datetime(2023, 1, 15, 17)),
        ("UTC", "2026-07-01 12:00:00", datetime(2026, 7, 1, 12)),
    ],
)
def test_a_time_is_taken_to_utc_by_its_own_zone(town, zone, text, expected):
    town.columns["due_at"] = {"from": "评价", "time": "%Y-%m-%d %H:%M:%S", "zone": zone}
    del town.columns["rating"]
    town.send(HEADER + GOOD.replace(",5\n", f",{text}\n"))
    _, [row] = town.map()
    assert row["due_at"] == expected


@pytest.mark.parametrize(
    ("about", "text", "expected"),
    [
        ({"time": "iso"}, "2026-03-01T08:00:00+02:00", datetime(2026, 3, 1, 6)),
        ({"time": "iso"}, "2026-03-01T08:00:00.250Z", datetime(2026, 3, 1, 8, 0, 0, 250000)),
        ({"time": "iso"}, "2026-03-01T08:00:00", datetime(2026, 3, 1, 0)),
        ({"time": "iso"}, "2026-03-01", datetime(2026, 2, 28, 16)),
        ({"time": "epoch_ms"}, "1772323200000", datetime(2026, 3, 1)),
        ({"time": "epoch_s"}, "1772323200", datetime(2026, 3, 1)),
        ({"time": "excel"}, "46082.5", datetime(2026, 3, 1, 4)),
        ({"time": "%m/%d/%Y %I:%M:%S %p"}, "03/01/2026 08:00:00 AM", datetime(2026, 3, 1)),
        ({"time": "%Y年%m月%d日", "calendar": "roc"}, "105年2月29日", datetime(2016, 2, 28, 16)),
        ({"time": "%Y%m%d", "calendar": "roc"}, "1050229", datetime(2016, 2, 28, 16)),
        ({"time": "iso"}, "yesterday", None),
    ],
)
def test_times_as_sources_write_them(town, about, text, expected):
    town.columns["due_at"] = {"from": "评价"} | about
    del town.columns["rating"]
    town.send(HEADER + GOOD.replace(",5\n", f",{text}\n"))
    _, [row] = town.map()
    assert (row["due_at"], row["mapping_errors"]) == (expected, None if expected else "bad_value:due_at")


def test_coordinates_of_another_system_and_datum_become_wgs84(town):
    town.table["crs"] = "EPSG:4549"
    town.send(HEADER + GOOD.replace("118.87,28.97", "389892.9,3206181.3"))
    _, [row] = town.map()
    assert (row["lon"], row["lat"]) == pytest.approx((118.87, 28.97), abs=0.01)
    del town.table["crs"]
    town.table["datum"] = "gcj02"
    town.send(HEADER + GOOD)
    _, [row] = town.map()
    assert 100 < 100_000 * abs(row["lon"] - 118.87) < 1000


def test_texts_that_no_map_covers_are_listed_with_their_rows_and_without_numbers_of_people(town):
    import pyarrow.parquet as pq

    bad = [
        GOOD.replace("A1", f"B{n}").replace("路灯", text)
        for n, text in enumerate(["飞碟", "飞碟", "电13800001111"])
    ]
    town.send(HEADER + GOOD + "".join(bad))
    town.map()
    listed = pq.read_table(mapping.unmapped_file(town.root / "mapped.parquet")).to_pylist()
    assert [(row["column_name"], row["value"], row["rows"]) for row in listed] == [
        ("category_code", "飞碟", 2),
        ("category_code", "电[phone]", 1),
    ]
