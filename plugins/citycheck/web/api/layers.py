"""A layer of a release as GeoJSON features: each is written once, and found by id, by place or by column.

Longitude and latitude (CRS84), as in the GeoParquet; rings turn as RFC 7946 asks: outer ones counter-clockwise.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from citycheck.release.geometry import LAYERS
from citycheck.web.api.kept import Kept
from citycheck.web.api.releases import Release
from citycheck.web.api.tables import matching, without_nan

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; across the 180th meridian the west is greater than the east."""

KEYS = {layer.name: layer.key for layer in LAYERS}
TITLES = {layer.name: layer.title for layer in LAYERS}
FILTERS = {
    "communities": ("community_id", "street_id", "county_id"),
    "streets": ("street_id", "county_id"),
    "counties": ("county_id",),
    "facilities": ("community_id", "street_id", "county_id", "kind_code"),
    "projects": (
        "community_id",
        "street_id",
        "county_id",
        "kind_code",
        "pool_code",
        "action_code",
        "status_code",
    ),
}
_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class Layer:
    """`features` are JSON objects in the order of their ids; `numbers` says which id has which place among them."""

    features: tuple[bytes, ...]
    numbers: Mapping[str, int]
    tree: shapely.STRtree
    columns: pa.Table
    extent: Box

    def select(self, box: Box | None, wanted: Mapping[str, str]) -> Sequence[int]:
        """The numbers of the features that touch a box and have these values, in order."""
        if box is None and not wanted:
            return range(len(self.features))
        found = np.arange(len(self.features)) if box is None else self._touching(box)
        return list(np.intersect1d(found, matching(self.columns, wanted)) if wanted else found)

    def _touching(self, box: Box) -> NDArray[np.int64]:
        west, south, east, north = box
        halves = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        found = [self.tree.query(shapely.box(a, south, b, north), predicate="intersects") for a, b in halves]
        return np.unique(np.concatenate(found))


def layer(release: Release, name: str) -> Layer:
    """A layer, kept until others need the room."""
    return _kept.get(
        (release.fingerprint, name), lambda: _read(release.read(f"geometry/{name}.parquet"), name)
    )


def _read(content: bytes, name: str) -> Layer:
    table = pq.read_table(io.BytesIO(content))
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    shapes = shapely.orient_polygons(shapes)
    properties = without_nan(table.drop_columns("geometry"))
    ids = properties[KEYS[name]].to_pylist()
    features = tuple(
        f'{{"type":"Feature","id":{_json(id_)},"geometry":{shape or "null"},"properties":{_json(row)}}}'.encode()
        for id_, shape, row in zip(ids, shapely.to_geojson(shapes), properties.to_pylist(), strict=True)
    )
    extent = shapely.total_bounds(shapes).tolist() if len(shapes) else (-180.0, -90.0, 180.0, 90.0)
    numbers = {id_: number for number, id_ in enumerate(ids)}
    return Layer(features, numbers, shapely.STRtree(shapes), properties.select(FILTERS[name]), tuple(extent))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _size(made: Layer) -> int:
    """The tree and the shapes take about what the text takes."""
    return 2 * sum(map(len, made.features)) + int(made.columns.nbytes)


_kept = Kept[Layer](_MOST_BYTES, _size)
