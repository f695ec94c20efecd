"""OpenStreetMap: facilities and the walking network, on a small synthetic map and on a real one."""

from collections import Counter
from itertools import pairwise

import numpy as np
import osmium
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from osmium.osm.mutable import Node, Relation, Way
from pyproj import Geod
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from citycheck.errors import BadInput
from citycheck.feeds import osm

WANTED = {"amenity": [], "shop": ["convenience", "supermarket"]}


def written(path, things):
    """A map file of things, nodes first, as real files have them."""
    order = {Node: 0, Way: 1, Relation: 2}
    with osmium.SimpleWriter(path) as writer:
        for thing in sorted(things, key=lambda thing: (order[type(thing)], thing.id)):
            getattr(writer, ("add_node", "add_way", "add_relation")[order[type(thing)]])(thing)
    return path


def grid(*places, first=1):
    return [Node(id=first + i, location=place) for i, place in enumerate(places)]


def square(first, west, south, side=0.001):
    return grid(
        (west, south), (west + side, south), (west + side, south + side), (west, south + side), first=first
    )


def rows(file, tags=None, names=None):
    found = names or osm.columns(file, tags=tags)
    table = pa.Table.from_batches(osm.batches(file, found, tags=tags))
    return {(row["osm_type"], row["osm_id"]): row for row in table.to_pylist()}


@pytest.fixture
def facilities(tmp_path):
    """Synthetic: one of each kind of feature that holds a facility, and some that do not."""
    return written(
        tmp_path / "f.osm.pbf",
        [
            Node(
                id=1, location=(118.1, 28.9), tags={"amenity": "clinic", "name": "诊所", "name:en": "Clinic"}
            ),
            Node(id=2, location=(118.1, 28.9), tags={"shop": "florist", "name": "花店"}),
            Node(id=3, location=(118.2, 28.9), tags={"shop": "convenience", "level": "1"}),
            *square(10, 118.3, 28.9),
            Way(id=1, nodes=[10, 11, 12, 13, 10], tags={"amenity": "school"}),
            Way(id=2, nodes=[10, 11, 12], tags={"amenity": "parking_row"}),
            Way(id=3, nodes=[10, 11, 12, 13, 10], tags={"amenity": "track", "area": "no"}),
            # Crosses itself, so that it has no area.
            Way(id=4, nodes=[10, 12, 11, 10], tags={"building": "yes"}),
            *square(20, 118.4, 28.9),
            *square(30, 118.4004, 28.9004, 0.0002),
            Way(id=5, nodes=[20, 21, 22, 23, 20]),
            Way(id=6, nodes=[30, 31, 32, 33, 30]),
            Relation(
                id=7,
                members=[("w", 5, "outer"), ("w", 6, "inner")],
                tags={"type": "multipolygon", "amenity": "hospital", "name:zh": "医院"},
            ),
            # Its way lies outside the extract.
            Relation(
                id=8, members=[("w", 99, "outer")], tags={"type": "multipolygon", "amenity": "hospital"}
            ),
            Relation(id=9, members=[("n", 1, "")], tags={"type": "site", "amenity": "university"}),
        ],
    )


def test_only_wanted_features_come_each_once(facilities):
    table = pa.Table.from_batches(osm.batches(facilities, ["osm_type", "osm_id"], tags=WANTED))
    found = sorted(zip(table["osm_type"].to_pylist(), table["osm_id"].to_pylist(), strict=True))
    assert found == [
        ("node", "1"), ("node", "3"), ("relation", "7"), ("relation", "8"), ("relation", "9"),
        ("way", "1"), ("way", "2"), ("way", "3"),
    ]  # fmt: skip


def test_columns_are_the_keys_of_wanted_features(facilities):
    names = osm.columns(facilities, tags=WANTED)
    assert names[:5] == ["osm_type", "osm_id", "name", "name:zh", "name:en"]
    assert set(names[5:]) == {"amenity", "shop", "level", "area", "type"}
    assert "building" in osm.columns(facilities)


def test_values_and_places(facilities):
    found = rows(facilities, WANTED)
    assert found["node", "1"]["name:en"] == "Clinic" and found["node", "1"]["shop"] is None
    assert found["relation", "7"]["name:zh"] == "医院"
    place = {key: shapely.from_wkb(row["geom"]) for key, row in found.items() if row["geom"]}
    assert set(found) - set(place) == {("relation", "8"), ("relation", "9")}
    assert place["node", "1"].equals_exact(shapely.Point(118.1, 28.9), 1e-9)
    assert shapely.box(118.3, 28.9, 118.301, 28.901).contains(place["way", "1"])
    assert place["way", "2"].equals_exact(shapely.Point(118.301, 28.9), 1e-9)
    outer, hole = shapely.box(118.4, 28.9, 118.401, 28.901), shapely.box(118.4004, 28.9004, 118.4006, 28.9006)
    assert outer.difference(hole).contains(place["relation", "7"])


def test_a_column_that_no_feature_has_is_null(facilities):
    assert {
        row["nothing"] for row in rows(facilities, WANTED, ["osm_type", "osm_id", "nothing"]).values()
    } == {None}


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"<html>no</html>"])
def test_a_broken_file_is_told(facilities, tmp_path, spoil):
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(spoil(facilities.read_bytes()))
    for read in (
        lambda: osm.columns(broken),
        lambda: list(osm.batches(broken, [])),
        lambda: osm.network(broken, tmp_path),
        lambda: list(osm.edge_batches(broken, [])),
    ):
        with pytest.raises(BadInput, match=r"broken\.osm\.pbf: cannot be read as OpenStreetMap"):
            read()
    assert not (tmp_path / "edges.parquet").exists()


# Walking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "walkable"),
    [
        ({"highway": "footway"}, True),
        ({"highway": "residential", "sidewalk": "no"}, True),
        ({"highway": "residential", "foot": "no"}, False),
        ({"highway": "service", "access": "private"}, False),
        ({"highway": "service", "access": "no"}, False),
        ({"highway": "service", "access": "private", "foot": "yes"}, True),
        ({"highway": "cycleway"}, False),
        ({"highway": "cycleway", "foot": "designated"}, True),
        ({"highway": "trunk"}, False),
        ({"highway": "trunk", "sidewalk": "both"}, True),
        ({"highway": "trunk", "sidewalk:left": "yes", "access": "no"}, False),
        ({"highway": "primary", "foot": "use_sidepath"}, False),
        ({"highway": "motorway", "foot": "yes"}, False),
        ({"highway": "motorway_link", "sidewalk": "both"}, False),
        ({"highway": "construction", "foot": "designated"}, False),
        ({"highway": "moonwalk"}, False),
        ({"highway": "moonwalk", "foot": "yes"}, False),
    ],
)
def test_walkability(tags, walkable):
    assert osm.is_walkable(tags) is walkable


def read(folder):
    return pq.read_table(folder / "edges.parquet").to_pylist(), pq.read_table(
        folder / "nodes.parquet"
    ).to_pylist()


def test_ways_are_split_where_they_meet(tmp_path):
    """A cross whose arms have bends: four edges, five nodes; a motorway that touches it splits nothing."""
    file = written(
        tmp_path / "n.osm.pbf",
        [
            *grid((0.0, 0.0), (0.001, 0.0005), (0.002, 0.0), (0.003, 0.0), (0.002, -0.001), (0.002, 0.001)),
            Way(
                id=1,
                nodes=[1, 2, 2, 3, 4],
                tags={"highway": "residential", "oneway": "yes", "bridge": "viaduct"},
            ),
            Way(id=2, nodes=[5, 3, 6], tags={"highway": "steps", "tunnel": "no"}),
            Way(id=3, nodes=[2, 6], tags={"highway": "motorway"}),
            Way(id=4, nodes=[2, 5], tags={"highway": "moonwalk"}),
        ],
    )
    told = osm.network(file, tmp_path / "out")
    edges, nodes = read(tmp_path / "out")
    assert [(e["from_node"], e["to_node"], e["way_id"]) for e in edges] == [
        (1, 3, 1),
        (3, 4, 1),
        (5, 3, 2),
        (3, 6, 2),
    ]
    assert [e["edge_id"] for e in edges] == ["1-1-3", "1-3-4", "2-5-3", "2-3-6"]
    assert [(e["is_bridge"], e["is_tunnel"], e["is_steps"]) for e in edges] == [(True, False, False)] * 2 + [
        (False, False, True)
    ] * 2
    assert sorted(n["node_id"] for n in nodes) == [1, 3, 4, 5, 6]
    assert (told.edges, told.nodes, told.uncovered) == (4, 5, {"moonwalk": 1})
    assert told.length_m == pytest.approx(sum(e["length_m"] for e in edges))


def test_loops_borders_and_doubled_places(tmp_path):
    """A loop meets itself; a node outside the extract (9) ends a stretch; two nodes at one place stay apart."""
    file = written(
        tmp_path / "n.osm.pbf",
        [
            *grid((0.0, 0.0), (0.001, 0.0), (0.001, 0.001), (0.001, 0.001)),
            Way(id=1, nodes=[1, 2, 3, 1], tags={"highway": "path"}),
            Way(id=2, nodes=[1, 9, 2, 3], tags={"highway": "path"}),
            Way(id=3, nodes=[3, 4], tags={"highway": "elevator"}),
            Way(id=4, nodes=[1], tags={"highway": "path"}),
        ],
    )
    osm.network(file, tmp_path)
    edges, nodes = read(tmp_path)
    ends = [(e["way_id"], e["from_node"], e["to_node"]) for e in edges]
    assert ends == [(1, 1, 2), (1, 2, 3), (1, 3, 1), (2, 2, 3), (3, 3, 4)]
    assert edges[-1]["length_m"] == 0.01
    assert len(nodes) == 4


def test_edges_keep_their_ids_when_other_ways_come_and_go(tmp_path):
    """Twice around a block, there and back: the same way and ends; a new way elsewhere renames nothing."""
    ways = [
        Way(id=7, nodes=[1, 2, 3, 1, 2], tags={"highway": "path"}),
        Way(id=8, nodes=[3, 4], tags={"highway": "path"}),
    ]
    found = []
    for number, more in enumerate(
        (
            [],
            [
                Way(id=1, nodes=[5, 6], tags={"highway": "path"}),
                Way(id=9, nodes=[6, 4], tags={"highway": "path"}),
            ],
        )
    ):
        file = written(
            tmp_path / f"{number}.osm.pbf",
            [
                *grid((0.0, 0.0), (0.001, 0.0), (0.001, 0.001), (0.002, 0.001), (0.1, 0.1), (0.1, 0.2)),
                *ways,
                *more,
            ],
        )
        batches = osm.edge_batches(file, osm.edge_columns(file))
        found.append(pa.Table.from_batches(batches)["edge_id"].to_pylist())
    assert found[0] == ["7-1-2", "7-2-3", "7-3-1", "7-1-2-2", "8-3-4"]
    assert set(found[1]) == {*found[0], "1-5-6", "9-6-4"}


def test_edges_as_texts_are_those_of_the_network(helsinki, tmp_path):
    osm.network(helsinki, tmp_path)
    names = osm.edge_columns(helsinki)
    texts = pa.Table.from_batches(osm.edge_batches(helsinki, names))
    edges = pq.read_table(tmp_path / "edges.parquet")
    assert names == [name for name in osm.EDGES.names if name != "geometry"]
    assert texts["geom"].to_pylist() == edges["geometry"].to_pylist()
    for name in names:
        assert texts[name].type == pa.string()
        assert texts[name].cast(edges[name].type).to_pylist() == edges[name].to_pylist()
    assert len(set(texts["edge_id"].to_pylist())) == len(texts)


def test_a_map_without_ways_is_an_empty_network(facilities, tmp_path):
    assert osm.network(facilities, tmp_path) == osm.Network(0, 0, 0.0, {})
    assert read(tmp_path) == ([], [])


# A real map ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helsinki(shared_data):
    return shared_data / "helsinki-osm" / "Helsinki.osm.pbf"


class Counting(osmium.SimpleHandler):
    """Counts what it sees, without any of the code under test."""

    def __init__(self):
        super().__init__()
        self.facilities = Counter()

    def _facility(self, kind, tags):
        self.facilities[kind] += any(key in tags for key in ("amenity", "shop", "tourism"))

    def node(self, node):
        self._facility("node", node.tags)

    def relation(self, relation):
        self._facility("relation", relation.tags)

    def way(self, way):
        self._facility("way", way.tags)


def test_every_facility_of_a_real_map(helsinki):
    """Another reader counts 1,613 points, too, and 98 others; these are 101, of which 96 have a place."""
    tags = {"amenity": [], "shop": [], "tourism": []}
    counted = Counting()
    counted.apply_file(helsinki)
    table = pa.Table.from_batches(osm.batches(helsinki, ["osm_type", "osm_id"], tags=tags))
    assert (
        Counter(table["osm_type"].to_pylist())
        == counted.facilities
        == {"node": 1613, "way": 93, "relation": 8}
    )
    assert len({tuple(row.values()) for row in table.select(["osm_type", "osm_id"]).to_pylist()}) == len(
        table
    )
    placed = table.filter(table["geom"].is_valid())
    assert len(table) - len(placed) == 5  # relations that are no area, or not whole in the extract
    place = shapely.from_wkb(placed["geom"].to_numpy())
    lon, lat = shapely.get_x(place), shapely.get_y(place)
    assert ((lon > 24.92) & (lon < 24.97) & (lat > 60.15) & (lat < 60.19)).all()


def test_the_walking_network_of_a_real_map(helsinki, tmp_path):
    told = osm.network(helsinki, tmp_path)
    edges, nodes = pq.read_table(tmp_path / "edges.parquet"), pq.read_table(tmp_path / "nodes.parquet")
    assert (len(edges), len(nodes)) == (told.edges, told.nodes)
    assert edges.schema.equals(osm.EDGES) and nodes.schema.equals(osm.NODES)
    length_m = edges["length_m"].to_numpy()
    assert length_m.min() > 0.01
    geod, lines = Geod(ellps="WGS84"), shapely.from_wkb(edges["geometry"].to_numpy())
    np.testing.assert_allclose(length_m, [geod.geometry_length(line) for line in lines], rtol=1e-6)
    # The ways' own length, from the file, less what lies beyond the extract.
    assert length_m.sum() == pytest.approx(whole_length_m(helsinki), rel=1e-6)
    # The ends of the lines are the nodes, and most of the network hangs together.
    node = {n["node_id"]: (i, n["lon"], n["lat"]) for i, n in enumerate(nodes.to_pylist())}
    assert len(node) == len(nodes)
    start, end = ([node[i] for i in edges[name].to_pylist()] for name in ("from_node", "to_node"))
    assert [line.coords[0] for line in lines] == [at[1:] for at in start]
    assert [line.coords[-1] for line in lines] == [at[1:] for at in end]
    links = coo_matrix((length_m, ([at[0] for at in start], [at[0] for at in end])), shape=(len(nodes),) * 2)
    _, part = connected_components(links, directed=False)
    assert np.bincount(part).max() / len(nodes) > 0.95


def whole_length_m(file):
    place, total, geod = {}, 0.0, Geod(ellps="WGS84")
    for thing in osmium.FileProcessor(file):
        if thing.is_node():
            place[thing.id] = (thing.lon, thing.lat)
        elif thing.is_way() and osm.is_walkable(thing.tags):
            refs = [node.ref for node in thing.nodes]
            total += sum(
                geod.inv(*place[a], *place[b])[2] for a, b in pairwise(refs) if a in place and b in place
            )
    return total
