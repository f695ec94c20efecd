"""OpenStreetMap from a `.osm.pbf`: facilities as points with their tags, and the walking network as edges and nodes.

Reads in passes with pyosmium. What is kept in memory: the locations of the file's nodes (16 bytes each), and the
features that wait for their outline, or the nodes of the walking network.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from citycheck.errors import BadInput
from citycheck.lake.files import replacing

GEOMETRY = "geom"
_FIRST = ("osm_type", "osm_id", "name", "name:zh", "name:en")
_OWN = ("osm_type", "osm_id", GEOMETRY)
_ROWS = 16_384
_RESOLUTION_M = 0.01
"""Coordinates have seven decimals: two nodes at one place may be this far apart."""

Tags = Mapping[str, Sequence[str]]
"""Wanted features: key → values, any value when empty. A feature needs one of them; all that have tags, if there is none."""

EDGES = pa.schema(
    [
        pa.field("edge_id", pa.string(), nullable=False),
        pa.field("from_node", pa.int64(), nullable=False),
        pa.field("to_node", pa.int64(), nullable=False),
        pa.field("length_m", pa.float64(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("highway", pa.string(), nullable=False),
        pa.field("is_bridge", pa.bool_(), nullable=False),
        pa.field("is_tunnel", pa.bool_(), nullable=False),
        pa.field("is_steps", pa.bool_(), nullable=False),
        pa.field("way_id", pa.int64(), nullable=False),
    ]
)
"""Each edge once, walked in both directions; `length_m` on the ellipsoid WGS84, `geometry` a WKB line, lon/lat.

`edge_id` is way-from-to, with a number behind where a way goes between two nodes more than once: it stays the same in a
later extract unless the way was changed there.
"""
NODES = pa.schema(
    [pa.field("node_id", pa.int64()), pa.field("lon", pa.float64()), pa.field("lat", pa.float64())]
)


# Facilities ----------------------------------------------------------------------------------------------------------


def columns(file: Path, *, tags: Tags | None = None) -> list[str]:
    """`osm_type`, `osm_id`, the names, and every other key that a wanted feature has. Raises `BadInput`."""
    found = dict.fromkeys(_FIRST)
    with _readable(file):
        for feature in _processor(file, tags):
            if _is_wanted(feature.tags, tags):
                found.update(dict.fromkeys(tag.k for tag in feature.tags if tag.k not in _OWN))
    return list(found)


def batches(file: Path, columns: Sequence[str], *, tags: Tags | None = None) -> Iterator[pa.RecordBatch]:
    """One row a wanted node, way or relation, and `geom`: a point as WKB, lon/lat.

    An area (closed way, multipolygon) has a point on its surface, another way the point halfway; a relation that is
    no area, or whose members are not all in the file, has none.
    """
    schema = pa.schema([*((name, pa.string()) for name in columns), (GEOMETRY, pa.binary())])
    with _readable(file):
        rows = _features(file, columns, tags)
        while chunk := list(islice(rows, _ROWS)):
            arrays = [
                pa.array(column, kind)
                for column, kind in zip(zip(*chunk, strict=True), schema.types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


_Row = tuple[Any, ...]


def _features(file: Path, columns: Sequence[str], tags: Tags | None) -> Iterator[_Row]:
    import osmium

    # An area comes before or after the way or relation it is made of, or, where that is not whole, never.
    waiting: dict[tuple[str, int], _Row] = {}
    placed: set[tuple[str, int]] = set()
    for feature in _processor(file, tags).with_areas(_key_filter(tags)):
        if not _is_wanted(feature.tags, tags):
            continue
        if isinstance(feature, osmium.osm.Node):
            yield _row("node", feature.id, feature.tags, columns, _point(feature))
        elif isinstance(feature, osmium.osm.Area):
            key = ("way" if feature.from_way() else "relation", feature.orig_id())
            if waiting.pop(key, None) is None:
                placed.add(key)
            yield _row(*key, feature.tags, columns, _on_surface(feature))
        elif isinstance(feature, osmium.osm.Way) and not feature.is_closed():
            yield _row("way", feature.id, feature.tags, columns, _halfway(feature))
        else:
            is_way = isinstance(feature, osmium.osm.Way)
            key = ("way" if is_way else "relation", feature.id)
            if key in placed:
                placed.remove(key)
            else:
                waiting[key] = _row(*key, feature.tags, columns, _halfway(feature) if is_way else None)
    yield from waiting.values()


def _row(kind: str, number: int, tags: Any, columns: Sequence[str], point: bytes | None) -> _Row:
    own = {"osm_type": kind, "osm_id": str(number)}
    return (*(own.get(name) or tags.get(name) or None for name in columns), point)


def _key_filter(tags: Tags | None) -> Any:
    import osmium

    return osmium.filter.KeyFilter(*tags) if tags else osmium.filter.EmptyTagFilter()


def _processor(file: Path, tags: Tags | None) -> Any:
    import osmium

    return osmium.FileProcessor(file).with_filter(_key_filter(tags))


def _is_wanted(found: Any, tags: Tags | None) -> bool:
    return not tags or any(
        key in found and (not values or found[key] in values) for key, values in tags.items()
    )


def _point(node: Any) -> bytes | None:
    import shapely

    return bytes(shapely.to_wkb(shapely.Point(node.lon, node.lat))) if node.location.valid() else None


def _halfway(way: Any) -> bytes | None:
    import shapely

    places = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
    if len(places) < 2:
        return bytes(shapely.to_wkb(shapely.Point(places[0]))) if places else None
    return bytes(shapely.to_wkb(shapely.LineString(places).interpolate(0.5, normalized=True)))


def _on_surface(area: Any) -> bytes | None:
    import osmium
    import shapely

    try:
        outline = shapely.from_wkb(osmium.geom.WKBFactory().create_multipolygon(area))
        return bytes(shapely.to_wkb(shapely.point_on_surface(outline)))
    except (RuntimeError, shapely.errors.ShapelyError):
        return None


# Walking -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """What was written: how many edges and nodes, how long all edges are, and `highway` values that no rule covers."""

    edges: int
    nodes: int
    length_m: float
    uncovered: dict[str, int]


def network(file: Path, out: Path, *, storage: str = "flex_mem") -> Network:
    """Write the walking network as `edges.parquet` (`EDGES`) and `nodes.parquet` (`NODES`) into the folder `out`.

    Ways are split where walkable ways meet; which ways count is said by `walking.yml`; one-way rules are for
    vehicles and ignored. `storage` is osmium's index of locations, `sparse_file_array` for files beyond memory.
    """
    import pyarrow.parquet as pq

    uncovered: Counter[str] = Counter()
    known: set[int] = set()
    edges, nodes, length_m = 0, 0, 0.0
    with (
        _readable(file),
        replacing(out / "edges.parquet") as edges_file,
        replacing(out / "nodes.parquet") as nodes_file,
        pq.ParquetWriter(edges_file, EDGES, compression="zstd") as edges_to,
        pq.ParquetWriter(nodes_file, NODES, compression="zstd") as nodes_to,
    ):
        for chunk in _walked(file, storage, uncovered):
            table, ends = _edges(chunk), _ends(chunk, known)
            edges_to.write_table(table)
            nodes_to.write_table(ends)
            edges, nodes = edges + len(table), nodes + len(ends)
            length_m += float(table["length_m"].to_numpy().sum())
    return Network(edges, nodes, length_m, dict(uncovered))


def edge_columns(file: Path) -> list[str]:
    """The columns of `EDGES` but the line."""
    return [name for name in EDGES.names if name != "geometry"]


def edge_batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The edges of `network`, the columns as text, and `geom` last. Raises `BadInput`."""
    with _readable(file):
        for chunk in _walked(file, "flex_mem", Counter()):
            edges = _edges(chunk)
            texts = [edges[name].combine_chunks().cast(pa.string()) for name in columns]
            yield pa.RecordBatch.from_arrays(
                [*texts, edges["geometry"].combine_chunks()], names=[*columns, GEOMETRY]
            )


def _walked(file: Path, storage: str, uncovered: Counter[str]) -> Iterator[list[_Piece]]:
    """The stretches of all walkable ways, some thousands at a time."""
    import osmium

    shared = _shared_nodes(file, uncovered)
    ways = osmium.FileProcessor(file, osmium.osm.NODE | osmium.osm.WAY).with_locations(storage)
    ways.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)).with_filter(
        osmium.filter.KeyFilter("highway")
    )
    pieces = (piece for way in ways if is_walkable(way.tags) for piece in _pieces(way, shared))
    while chunk := list(islice(pieces, _ROWS)):
        yield chunk


def is_walkable(tags: Any) -> bool:
    """Whether people may walk on a way with these tags."""
    rules, highway, foot = _rules(), tags.get("highway"), tags.get("foot")
    if highway in rules["never"] or foot in rules["foot_forbids"]:
        return False
    on_sidewalk = highway in rules["walkable_with_sidewalk"]
    if foot in rules["foot_allows"]:
        return on_sidewalk or highway in rules["walkable"]
    if tags.get("access") in rules["access_forbids"]:
        return False
    sides = ("sidewalk", "sidewalk:both", "sidewalk:left", "sidewalk:right")
    return highway in rules["walkable"] or (
        on_sidewalk and any(tags.get(side) in rules["sidewalk"] for side in sides)
    )


@lru_cache
def _rules() -> dict[str, frozenset[str]]:
    written = yaml.safe_load(Path(__file__).with_name("walking.yml").read_text(encoding="utf-8"))
    return {name: frozenset(values) for name, values in written.items()}


def _shared_nodes(file: Path, uncovered: Counter[str]) -> set[int]:
    """The nodes where walkable ways meet one another or themselves."""
    import numpy as np
    import osmium

    covered = _rules()["never"] | _rules()["walkable"] | _rules()["walkable_with_sidewalk"]
    refs = array("q")  # 8 bytes a node; libosmium's sets of ids take a gigabyte for the smallest file
    ways: Any = osmium.FileProcessor(file, osmium.osm.WAY).with_filter(osmium.filter.KeyFilter("highway"))
    for way in ways:
        if (highway := way.tags["highway"]) not in covered:
            uncovered[highway] += 1
        if is_walkable(way.tags):
            refs.extend(ref for ref, _ in groupby(node.ref for node in way.nodes))
    found, times = np.unique(np.frombuffer(refs, dtype=np.int64), return_counts=True)
    return set(found[times > 1].tolist())


@dataclass(frozen=True)
class _Piece:
    """A stretch of a way between two nodes of the network."""

    way_id: int
    highway: str
    is_bridge: bool
    is_tunnel: bool
    refs: list[int] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    edge_id: str = ""


def _pieces(way: Any, shared: set[int]) -> Iterator[_Piece]:
    times: Counter[str] = Counter()
    for piece in _stretches(way, shared):
        name = f"{way.id}-{piece.refs[0]}-{piece.refs[-1]}"
        times[name] += 1
        yield replace(piece, edge_id=name if times[name] == 1 else f"{name}-{times[name]}")


def _stretches(way: Any, shared: set[int]) -> Iterator[_Piece]:
    def fresh() -> _Piece:
        tags = way.tags
        has_bridge, has_tunnel = (tags.get(key, "no") != "no" for key in ("bridge", "tunnel"))
        return _Piece(way.id, tags["highway"], has_bridge, has_tunnel)

    piece = fresh()
    for node in way.nodes:
        if not node.location.valid():  # outside the extract
            if len(piece.refs) > 1:
                yield piece
            piece = fresh()
            continue
        if piece.refs and piece.refs[-1] == node.ref:
            continue
        place = (node.lon, node.lat)
        piece.refs.append(node.ref)
        piece.places.append(place)
        if len(piece.refs) > 1 and node.ref in shared:
            yield piece
            piece = fresh()
            piece.refs.append(node.ref)
            piece.places.append(place)
    if len(piece.refs) > 1:
        yield piece


def _edges(pieces: list[_Piece]) -> pa.Table:
    import numpy as np
    import shapely
    from pyproj import Geod

    owner = np.repeat(np.arange(len(pieces)), [len(piece.places) for piece in pieces])
    places = np.array([place for piece in pieces for place in piece.places])
    steps_m = Geod(ellps="WGS84").inv(*places[:-1].T, *places[1:].T)[2]
    within = owner[:-1] == owner[1:]
    length_m = np.bincount(owner[:-1][within], steps_m[within], minlength=len(pieces))
    return pa.table(
        [
            [piece.edge_id for piece in pieces],
            [piece.refs[0] for piece in pieces],
            [piece.refs[-1] for piece in pieces],
            np.maximum(length_m, _RESOLUTION_M),
            list(shapely.to_wkb(shapely.linestrings(places, indices=owner))),
            [piece.highway for piece in pieces],
            [piece.is_bridge for piece in pieces],
            [piece.is_tunnel for piece in pieces],
            [piece.highway == "steps" for piece in pieces],
            [piece.way_id for piece in pieces],
        ],
        schema=EDGES,
    )


def _ends(pieces: list[_Piece], known: set[int]) -> pa.Table:
    """The ends of the pieces that are not `known` yet, as nodes."""
    ends: dict[int, tuple[float, float]] = {}
    for piece in pieces:
        for end in (0, -1):
            if piece.refs[end] not in known:
                known.add(piece.refs[end])
                ends[piece.refs[end]] = piece.places[end]
    lon, lat = zip(*ends.values(), strict=True) if ends else ((), ())
    return pa.table([list(ends), lon, lat], schema=NODES)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, FileNotFoundError) as error:
        raise BadInput(
            f"{file.name}: cannot be read as OpenStreetMap ({str(error)[:100]}); expected a complete .osm.pbf. "
            "Ask the source to send it again, or correct `format` in the profile."
        ) from None
