"""Lines of a walking network through a profile: every format, what is no line, and OpenStreetMap's own edges."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from osmium import SimpleWriter
from osmium.osm.mutable import Node, Way

from citycheck import duck
from citycheck.cities import datum, mapping
from citycheck.cities.check import TableCheck, check
from citycheck.cities.mapping import FileCount
from citycheck.feeds import osm
from citycheck.lake import landing, mapped
from citycheck.period import HalfYear
from citycheck.privacy import hashing

NOW = datetime(2026, 7, 1, tzinfo=UTC)
LINES = ["LINESTRING (118.87 28.97, 118.88 28.98)", "LINESTRING (118.88 28.98, 118.89 28.98, 118.9 28.97)"]


class Net:
    """The town of the other tests, with a walking network instead of repair reports."""

    def __init__(self, town) -> None:
        self.town = town
        self.table = {
            "table": "walking_edges",
            "source": "hotline",
            "files": "*",
            "columns": {"edge_id": {"from": "id"}, "geometry": {"geometry": "line"}},
        }
        town.written["feeds"] = {"communities": {"tables": [self.table]}}

    @property
    def folder(self) -> Path:
        return self.town.sources / "hotline"

    def map(self) -> tuple[list[FileCount], list[dict]]:
        city, home = self.town.city(), self.town.home
        delivery = landing.land(city, "communities", HalfYear.parse("2026H1"), home, self.town.sources, NOW)
        out, key = self.town.root / "mapped.parquet", hashing.Key(bytes(32))
        counts = mapping.map_table(
            city, delivery, delivery.folder(home), "walking_edges", out, self.town.root / "work", "500MB", key
        )
        return counts, mapped.read(out).drop_columns(["unmapped"]).to_pylist()

    def lines(self) -> list[str | None]:
        """The lines by edge, rounded to a tenth of a metre; null where a row says why."""
        found = []
        for row in sorted(self.map()[1], key=lambda row: row["edge_id"]):
            assert (row["geometry"] is None) == (row["mapping_errors"] == "invalid_geometry:geometry")
            line = row["geometry"] and shapely.from_wkb(row["geometry"])
            found.append(line and shapely.to_wkt(line, rounding_precision=6, trim=True))
        return found

    def send_csv(self, *texts: str) -> None:
        rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(texts, 1))
        (self.folder / "edges.csv").write_text("id,shape\n" + rows, "utf-8")
        self.table["wkt"] = "shape"

    def check(self) -> TableCheck:
        [table] = check(self.town.city(), self.town.sources, received_at=NOW)
        return table


@pytest.fixture
def net(town) -> Net:
    return Net(town)


# Formats --------------------------------------------------------------------------------------------------------------


def _gdal(file: Path, driver: str) -> None:
    shapes = ", ".join(f"('{n}', st_geomfromtext('{line}'))" for n, line in enumerate(LINES, 1))
    options = f"format gdal, driver '{driver}', srs 'EPSG:4326'"
    with duck.connect() as connection:
        connection.execute(f"copy (select * from (values {shapes}) as t(id, g)) to '{file}' ({options})")


def geopackage(folder: Path) -> str:
    _gdal(folder / "e.gpkg", "GPKG")
    return "geo"


def zipped_shapefile(folder: Path) -> str:
    made = folder.parent / "made"
    made.mkdir()
    _gdal(made / "e.shp", "ESRI Shapefile")
    with zipfile.ZipFile(folder / "e.zip", "w") as packed:
        for part in sorted(made.iterdir()):
            packed.write(part, part.name)
    return "geo"


def flatgeobuf(folder: Path) -> str:
    _gdal(folder / "e.fgb", "FlatGeobuf")
    return "geo"


def geojson(folder: Path) -> str:
    """The second one as the only part of several, and with heights."""
    shapes = [json.loads(shapely.to_geojson(shapely.from_wkt(line))) for line in LINES]
    corners = [[*place, 40.5] for place in shapes[1]["coordinates"]]
    shapes[1] = {"type": "MultiLineString", "coordinates": [corners]}
    features = [{"type": "Feature", "properties": {"id": n}, "geometry": s} for n, s in enumerate(shapes, 1)]
    (folder / "e.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), "utf-8"
    )
    return "geo"


def geoparquet(folder: Path) -> str:
    shapes = ", ".join(f"('{n}', st_geomfromtext('{line}'))" for n, line in enumerate(LINES, 1))
    with duck.connect() as connection:
        connection.execute(
            f"copy (select * from (values {shapes}) as t(id, geometry)) to '{folder / 'e.parquet'}' (format parquet)"
        )
    return "parquet"


@pytest.mark.parametrize("write", [geopackage, zipped_shapefile, flatgeobuf, geojson, geoparquet])
def test_lines_of_every_geographic_format(net: Net, write: Callable[[Path], str]) -> None:
    net.table["format"] = write(net.folder)
    assert net.lines() == LINES


def test_lines_as_well_known_text(net: Net) -> None:
    net.send_csv(*LINES)
    assert net.lines() == LINES


def test_lines_of_another_reference_system(net: Net) -> None:
    """In the country's own metres, as well-known text; degrees of another datum must not stay as they are."""
    with duck.connect() as connection:
        there = [
            connection.execute(
                "select st_astext(st_transform(st_geomfromtext(?), 'OGC:CRS84', 'EPSG:4549', always_xy := true))",
                [line],
            ).fetchall()[0][0]
            for line in LINES
        ]
    assert "118.8" not in there[0]
    net.send_csv(*there)
    net.table["crs"] = "EPSG:4549"
    assert net.lines() == LINES


@pytest.mark.parametrize("name", ["gcj02", "bd09"])
def test_every_corner_of_a_line_is_shifted_to_wgs84(net: Net, name: datum.Datum) -> None:
    def shown(at):
        return np.column_stack(datum.from_wgs84(at[:, 0], at[:, 1], name))

    there = [shapely.transform(shapely.from_wkt(line), shown) for line in LINES]
    assert shapely.hausdorff_distance(there[0], shapely.from_wkt(LINES[0])) > 0.003
    net.send_csv(*map(shapely.to_wkt, there), "LINESTRING EMPTY")
    net.table["datum"] = name
    lines = [line and shapely.from_wkt(line) for line in net.lines()]
    assert lines[2] is None
    for line, wanted in zip(lines, LINES, strict=False):
        assert shapely.hausdorff_distance(line, shapely.from_wkt(wanted)) < 2e-6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LINESTRING EMPTY",
        "LINESTRING (118.87 28.97, 118.87 28.97)",
        "MULTILINESTRING ((118.87 28.97, 118.88 28.97), (118.88 28.97, 118.89 28.97))",
        "MULTILINESTRING EMPTY",
        "POINT (118.87 28.97)",
        "POLYGON ((118 28, 119 28, 119 29, 118 28))",
        "GEOMETRYCOLLECTION (LINESTRING (118 28, 119 28), POINT (118 28))",
        "LINESTRING (118.87 28.97",
        "north of the river",
    ],
)
def test_what_is_not_one_line_is_told_and_does_not_stop_the_file(net: Net, text: str) -> None:
    net.send_csv(LINES[0], text)
    assert net.lines() == [LINES[0], None]


# OpenStreetMap --------------------------------------------------------------------------------------------------------

EDGES = {
    "edge_id": {"from": "edge_id"},
    "from_node": {"from": "from_node"},
    "to_node": {"from": "to_node"},
    "length_m": {"from": "length_m"},
    "geometry": {"geometry": "line"},
    "walking_kind": {"from": "highway"},
}


def write_map(file: Path) -> None:
    places = {1: (118.8, 28.9), 2: (118.81, 28.9), 3: (118.82, 28.91), 4: (118.81, 28.92), 5: (118.83, 28.93)}
    with SimpleWriter(file) as writer:
        for number, place in places.items():
            writer.add_node(Node(id=number, location=place, tags={"amenity": "clinic"}))
        writer.add_way(Way(id=10, nodes=[1, 2, 3], tags={"highway": "residential"}))
        writer.add_way(Way(id=11, nodes=[2, 4], tags={"highway": "steps"}))
        writer.add_way(Way(id=12, nodes=[4, 5], tags={"highway": "motorway"}))


def test_the_walking_network_of_openstreetmap_is_a_table_like_any_other(net: Net, tmp_path: Path) -> None:
    write_map(net.folder / "town.osm.pbf")
    net.table.update(format="osm", layer="walking_network", columns=EDGES)
    [counted], rows = net.map()
    osm.network(net.folder / "town.osm.pbf", tmp_path)
    edges = pq.read_table(tmp_path / "edges.parquet").to_pylist()
    assert [edge["edge_id"] for edge in edges] == ["10-1-2", "10-2-3", "11-2-4"]
    assert counted.rows_in == len(rows) == len(edges)
    for row, edge in zip(rows, edges, strict=True):
        assert row["mapping_errors"] is None
        assert (row["from_node"], row["to_node"]) == (str(edge["from_node"]), str(edge["to_node"]))
        assert row["geometry"] == edge["geometry"] and row["length_m"] == edge["length_m"]
        assert (row["edge_id"], row["walking_kind"]) == (edge["edge_id"], edge["highway"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "roads"}, "an OpenStreetMap file has no layer 'roads'; expected walking_network"),
        ({"tags": {"shop": []}}, "`tags` chooses features; the layer walking_network has none"),
    ],
)
def test_an_entry_that_mixes_the_network_up(net: Net, change: dict, message: str) -> None:
    net.table.update({"format": "osm", "layer": "walking_network"} | change)
    with pytest.raises(Exception, match=message):
        net.town.city()


@pytest.mark.parametrize(
    ("table", "column", "verb", "message"),
    [
        ("walking_edges", "geometry", {"geometry": "polygon"}, "walking_edges.geometry is a line; it needs `geometry: line`"),
        ("walking_edges", "geometry", {"from": "id"}, "walking_edges.geometry is a line; it needs `geometry: line`"),
        ("walking_edges", "edge_id", {"geometry": "line"}, "walking_edges.edge_id is no line"),
        ("communities", "geometry", {"geometry": "line"}, "communities.geometry is a polygon; it needs `geometry: polygon`"),
    ],
)  # fmt: skip
def test_a_shape_must_fit_its_column(net: Net, table: str, column: str, verb: dict, message: str) -> None:
    net.table["table"] = table
    if table == "communities":
        net.table["columns"] = {}
    net.table["columns"][column] = verb
    with pytest.raises(Exception, match=message):
        net.town.city()


# Tried ----------------------------------------------------------------------------------------------------------------


def test_the_check_tells_what_would_hang_together(net: Net) -> None:
    """Two lines that share an end, and one that only crosses the first."""
    net.send_csv(*LINES, "LINESTRING (118.88 28.97, 118.87 28.98)")
    table = net.check()
    [note] = table.notes
    assert note.startswith(
        "the rows read are 3 edges, 5.4 km, in 2 part(s) that hang together; the longest holds 73%"
    )
    assert table.problems == ()


def test_the_check_takes_nodes_and_lengths_where_they_are_given(net: Net) -> None:
    """They end at one node, though not at one place; where they seem to begin at one, they do not."""
    net.send_csv("LINESTRING (118.87 28.97, 118.88 28.98)", "LINESTRING (118.87 28.97, 118.89 28.98)")
    text = (net.folder / "edges.csv").read_text("utf-8").replace("id,shape", "id,shape,a,b,m")
    text = text.replace('28.98)"\n', '28.98)",A,B,600\n', 1)
    (net.folder / "edges.csv").write_text(text.replace('28.98)"\n', '28.98)",C,B,600\n'), "utf-8")
    net.table["columns"] |= {"from_node": {"from": "a"}, "to_node": {"from": "b"}, "length_m": {"from": "m"}}
    [note] = net.check().notes
    assert note.startswith("the rows read are 2 edges, 1.2 km, in 1 part(s)")


@pytest.mark.parametrize(("outside", "told"), [(5, []), (6, ["6 of 10 lines lie outside `box` (60.0%)"])])
def test_lines_outside_the_city_are_told_where_the_gate_would_refuse_them(
    net: Net, outside: int, told: list[str]
) -> None:
    here, there = LINES[0], "LINESTRING (121.5 29.8, 121.6 29.8)"
    net.send_csv(*[there if number < outside else here for number in range(10)])
    assert [problem.partition(",")[0] for problem in net.check().problems] == told
