"""Geographic files: written by GDAL or byte by byte, whole and broken; the real ones of Tainan."""

import json
import struct
import zipfile

import pytest
import shapely

from citycheck.errors import BadInput
from citycheck.feeds import geo


def _write_gdal(file, driver, srs=None):
    with geo._database().cursor() as connection:
        connection.execute(
            "create or replace temp table t as select 'p' || i as name, i as n, st_point(120 + i, 23) as geom from range(3) r(i)"
        )
        told = f", srs '{srs}'" if srs else ""
        connection.execute(f"copy t to '{file}' (format gdal, driver '{driver}'{told})")
    return file


def _rows(file, names=None, **options):
    names = geo.columns(file, **options) if names is None else names
    return [row for b in geo.batches(file, names, **options) for row in b.to_pylist()]


def _points(rows):
    return [None if r["geom"] is None else shapely.from_wkb(r["geom"]).coords[0] for r in rows]


POINTS = [(120, 23), (121, 23), (122, 23)]


@pytest.mark.parametrize(
    ("suffix", "driver", "srs", "crs"),
    [
        (".gpkg", "GPKG", "EPSG:4490", "EPSG:4490"),
        (".shp", "ESRI Shapefile", "EPSG:3826", "EPSG:3826"),
        (".geojson", "GeoJSON", None, "EPSG:4326"),
        (".fgb", "FlatGeobuf", "EPSG:4326", "EPSG:4326"),
        (".kml", "KML", None, "EPSG:4326"),
    ],
)
def test_formats(tmp_path, suffix, driver, srs, crs):
    file = _write_gdal(tmp_path / f"p{suffix}", driver, srs)
    rows = _rows(file)
    assert sorted(_points(rows)) == POINTS
    assert geo.crs(file) == crs
    if driver != "KML":
        assert {r["name"] for r in rows} == {"p0", "p1", "p2"}
        assert {r["n"] for r in rows} == {"0", "1", "2"}
        assert "OGC_FID" not in rows[0]
    assert list(rows[0])[-1] == "geom"


@pytest.mark.parametrize("name", ["a[1].gpkg", "a*.gpkg", "a?'b.gpkg", "路 灯.gpkg"])
def test_names_that_are_patterns(tmp_path, name):
    file = _write_gdal(tmp_path / "p.gpkg", "GPKG").rename(tmp_path / name)
    assert len(_rows(file)) == 3


def test_zipped_shapefile_in_a_folder_of_the_zip(tmp_path):
    _write_gdal(tmp_path / "p.shp", "ESRI Shapefile", "EPSG:3826")
    with zipfile.ZipFile(tmp_path / "z[1].zip", "w") as made:
        for suffix in ("shp", "SHX", "dbf", "prj"):
            made.write(tmp_path / f"p.{suffix.lower()}", f"data/p.{suffix}")
        made.writestr("__MACOSX/data/p.shp", b"")
        made.writestr("data/readme.txt", b"")
    assert _points(_rows(tmp_path / "z[1].zip")) == POINTS
    assert geo.crs(tmp_path / "z[1].zip") == "EPSG:3826"


def test_geoparquet(tmp_path):
    with geo._database().cursor() as connection:
        connection.execute(
            f"copy (select st_point(120, 23) as geometry, 7 as n, ['a', 'b'] as l) to '{tmp_path}/p.parquet' (format parquet)"
        )
    assert _rows(tmp_path / "p.parquet")[0] | {"geom": None} == {"n": "7", "l": "a|b", "geom": None}
    assert _points(_rows(tmp_path / "p.parquet")) == [(120, 23)]
    assert geo.crs(tmp_path / "p.parquet") == "EPSG:4326"


def test_layer_must_be_named_and_be_there(tmp_path):
    # Two layers, which DuckDB cannot write: the table of the first is registered a second time.
    import sqlite3

    file = _write_gdal(tmp_path / "p.gpkg", "GPKG", "EPSG:4326")
    with sqlite3.connect(file) as base:
        base.execute("create table q as select * from p")
        base.execute(
            "insert into gpkg_contents select 'q', data_type, 'q', description, last_change, min_x, min_y, max_x, max_y, "
            "srs_id from gpkg_contents"
        )
        base.execute(
            "insert into gpkg_geometry_columns select 'q', column_name, geometry_type_name, srs_id, z, m "
            "from gpkg_geometry_columns"
        )
    base.close()
    assert geo.layers(file) == ["p", "q"]
    with pytest.raises(BadInput, match=r"holds 2 layers.*one of 'p', 'q'"):
        geo.columns(file)
    with pytest.raises(BadInput, match="no layer 'nope'; expected one of 'p', 'q'"):
        geo.columns(file, layer="nope")
    assert len(_rows(file, layer="q")) == 3


# GeoJSON -------------------------------------------------------------------------------------------------------------


def _geojson(folder, *features, name="a.geojson", **more):
    file = folder / name
    made = [{"type": "Feature", "properties": p, "geometry": g, **m} for p, g, m in features]
    file.write_text(json.dumps({"type": "FeatureCollection", **more, "features": made}), "utf-8")
    return file


def _point(*xyz):
    return {"type": "Point", "coordinates": list(xyz)}


def test_geojson_keeps_texts_and_null_geometry(tmp_path):
    file = _geojson(
        tmp_path,
        ({"t": "2024-01-01T10:00:00+08:00", "a": {"b": 1}, "l": ["x", "y"], "geom": "g"}, None, {}),
        ({"A": "", "a": "q", "n": 1.5}, _point(1, 2, 3), {"id": 7}),
        (None, {"type": "Point", "coordinates": []}, {}),
        ({}, {"type": "Point"}, {}),
    )
    rows = _rows(file)
    assert list(rows[0]) == ["t", "a.b", "l", "properties.geom", "A", "a", "n", "id", "geom"]
    assert list(rows[0].values()) == [
        "2024-01-01T10:00:00+08:00",
        "1",
        "x|y",
        "g",
        None,
        None,
        None,
        None,
        None,
    ]
    assert rows[1]["id"] == "7" and rows[1]["A"] is None
    assert _points(rows) == [None, (1, 2), None, None]


def test_geojson_lines(tmp_path):
    file = tmp_path / "a.geojson"
    file.write_text(
        "\n".join(
            json.dumps({"type": "Feature", "properties": {"n": n}, "geometry": _point(n, 0)})
            for n in range(3)
        )
    )
    assert _points(_rows(file)) == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"),
        ("urn:ogc:def:crs:EPSG::3826", "EPSG:3826"),
        ("EPSG:4490", "EPSG:4490"),
        (None, "EPSG:4326"),
    ],
)
def test_crs_of_geojson(tmp_path, name, crs):
    more = {"crs": {"type": "name", "properties": {"name": name}}} if name else {}
    assert geo.crs(_geojson(tmp_path, ({}, _point(1, 2), {}), **more)) == crs


def test_no_features_are_no_rows(tmp_path):
    file = _geojson(tmp_path)
    assert geo.columns(file) == [] and _rows(file) == []


def test_topojson_is_unquantized(tmp_path):
    file = tmp_path / "a.json"
    ring = [[0, 0], [10, 0], [0, 10], [-10, 0], [0, -10]]
    village = {"type": "Polygon", "arcs": [[0]], "properties": {"code": "01"}}
    file.write_text(
        json.dumps(
            {
                "type": "Topology",
                "transform": {"scale": [0.1, 0.2], "translate": [120, 23]},
                "arcs": [ring],
                "objects": {"v": {"type": "GeometryCollection", "geometries": [village]}},
            }
        )
    )
    [row] = _rows(file)
    assert row["code"] == "01"
    assert shapely.from_wkb(row["geom"]).bounds == pytest.approx((120, 23, 121, 25))
    assert geo.crs(file) is None


# Shapefiles, written byte by byte ------------------------------------------------------------------------------------


def _shapefile(folder, texts, encoding, *, language=0, field="名", cpg=None, width=30, deleted=()):
    """Points (120 + i, 30), one text column."""
    shapes, index, offset = b"", b"", 50
    for number in range(len(texts)):
        content = struct.pack("<idd", 1, 120 + number, 30)
        shapes += struct.pack(">ii", number + 1, len(content) // 2) + content
        index += struct.pack(">ii", offset, len(content) // 2)
        offset += 4 + len(content) // 2

    def head(length):
        box = (120, 30, 120 + len(texts), 30, 0, 0, 0, 0)
        return struct.pack(">7i", 9994, 0, 0, 0, 0, 0, length // 2) + struct.pack("<ii8d", 1000, 1, *box)

    (folder / "a.shp").write_bytes(head(100 + len(shapes)) + shapes)
    (folder / "a.shx").write_bytes(head(100 + len(index)) + index)
    dbf = (
        struct.pack("<BBBBIHH", 3, 124, 1, 1, len(texts), 65, 1 + width)
        + bytes(17)
        + bytes([language])
        + bytes(2)
    )
    dbf += field.encode(encoding).ljust(11, b"\0") + b"C" + bytes(4) + bytes([width, 0]) + bytes(14) + b"\r"
    for number, text in enumerate(texts):
        dbf += (b"*" if number in deleted else b" ") + text.encode(encoding)[:width].ljust(width)
    (folder / "a.dbf").write_bytes(dbf + b"\x1a")
    if cpg:
        (folder / "a.cpg").write_text(cpg)
    return folder / "a.shp"


CN = ["人民公园", "第一小学", "社区卫生服务中心", ""]
TW = ["中山公園", "國民小學", "里活動中心", "衛生所"]


@pytest.mark.parametrize(
    ("texts", "encoding", "more", "option"),
    [
        (CN, "gb18030", {}, "gb18030"),
        (CN, "gb18030", {"cpg": "GBK"}, None),
        (CN, "gb18030", {"cpg": "936"}, None),
        (CN, "gb18030", {"language": 0x4D}, None),
        (CN, "gb18030", {}, None),
        (TW, "cp950", {}, "big5"),
        (TW, "cp950", {"cpg": "Big5"}, None),
        (TW, "cp950", {"language": 0x4F}, None),
        (TW, "cp950", {"language": 0x57}, None),
        (TW, "utf-8", {"cpg": "UTF-8"}, None),
        (TW, "utf-8", {}, None),
    ],
)
def test_attributes_in_any_encoding(tmp_path, texts, encoding, more, option):
    file = _shapefile(tmp_path, texts, encoding, **more)
    rows = _rows(file, encoding=option)
    assert [r["名"] for r in rows] == [t or None for t in texts]
    assert _points(rows) == [(120 + n, 30) for n in range(4)]


def test_wrong_encoding_is_said_without_the_value(tmp_path):
    file = _shapefile(tmp_path, CN, "gb18030", field="NAME")
    with pytest.raises(BadInput, match=r"a\.shp, row 1: the \.dbf is not utf-8") as told:
        _rows(file, encoding="utf-8")
    assert "公园" not in str(told.value)


def test_text_cut_inside_a_character(tmp_path):
    assert [
        r["n"]
        for r in _rows(_shapefile(tmp_path, ["人民公园"], "gb18030", field="n", width=7), encoding="gb18030")
    ] == ["人民公"]


@pytest.mark.parametrize("field", ["OGC_FID", "geom", "fid"])
def test_columns_named_as_gdal_names_its_own(tmp_path, field):
    file = _shapefile(tmp_path, ["5", "6"], "utf-8", field=field)
    assert geo.columns(file) == [field]
    [found] = list(geo.batches(file, [field]))
    assert found.column(0).to_pylist() == ["5", "6"]


def test_deleted_rows_are_left_out_with_their_shape(tmp_path):
    rows = _rows(_shapefile(tmp_path, ["a", "b", "c"], "utf-8", field="n", deleted={1}))
    assert [r["n"] for r in rows] == ["a", "c"]
    assert _points(rows) == [(120, 30), (122, 30)]


@pytest.mark.parametrize("suffix", [".shx", ".dbf"])
def test_missing_part(tmp_path, suffix):
    file = _shapefile(tmp_path, CN, "gb18030")
    file.with_suffix(suffix).unlink()
    with pytest.raises(BadInput, match=rf"the file {suffix} beside it is missing"):
        geo.columns(file)


@pytest.mark.parametrize("suffix", [".shp", ".dbf", ".shx"])
def test_cut_shapefile(tmp_path, suffix):
    file = _shapefile(tmp_path, CN, "gb18030")
    part = file.with_suffix(suffix)
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(BadInput):
        _rows(file)


# What is not as it must be: none of these may end the process --------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", [".gpkg", ".kml", ".fgb", ".gml", ".topojson", ".geojson", ".json", ".parquet", ".zip", ".shp"]
)
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"{}", b'{"type":"Topology"', b"PK\x05\x06" + bytes(18)], ids=range(5)
)
def test_what_is_no_geographic_file(tmp_path, suffix, content):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    for question in (geo.columns, geo.crs, lambda f: list(geo.batches(f, []))):
        if question is geo.crs and suffix in (".geojson", ".json"):
            continue  # tells the default; reading the rows tells what is wrong
        with pytest.raises(BadInput):
            if suffix in (".geojson", ".json") and content == b"{}":
                raise BadInput("an empty object holds no features, and is no error")
            question(file)


@pytest.mark.parametrize(
    ("suffix", "driver"),
    [(".gpkg", "GPKG"), (".geojson", "GeoJSON"), (".kml", "KML"), (".fgb", "FlatGeobuf")],
)
def test_cut_file(tmp_path, suffix, driver):
    file = _write_gdal(tmp_path / f"p{suffix}", driver)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(BadInput):
        _rows(file)


def test_a_file_that_points_elsewhere_is_not_followed(tmp_path):
    target = _write_gdal(tmp_path / "secret.gpkg", "GPKG")
    for suffix in (".gpkg", ".gml", ".kml", ".topojson"):
        file = tmp_path / f"a{suffix}"
        file.write_text(
            f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{target}'
            "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
        )
        with pytest.raises(BadInput):
            geo.columns(file)


# Tainan --------------------------------------------------------------------------------------------------------------


def test_villages_of_tainan(shared_data):
    file = shared_data / "tainan/boundaries_population/cunli.topo.json"
    rows = _rows(file, ["VILLCODE"])
    assert len({r["VILLCODE"] for r in rows}) == len(rows) == 752
    assert all(119.9 < shapely.from_wkb(r["geom"]).bounds[0] < 120.7 for r in rows)


@pytest.mark.parametrize("name", ["parks.json", "school.json", "activity-center.json", "park_land.json"])
def test_facilities_of_tainan(shared_data, name):
    file = shared_data / "tainan/facilities" / name
    features = json.loads(file.read_text("utf-8"))["features"]
    rows = _rows(file)
    assert len(rows) == len(features)
    for row, feature in zip(rows, features, strict=True):
        if feature["geometry"] is None:
            assert row["geom"] is None
        else:
            expected = shapely.force_2d(shapely.from_geojson(json.dumps(geo._numeric(feature["geometry"]))))
            assert shapely.equals_exact(shapely.from_wkb(row["geom"]), expected)
