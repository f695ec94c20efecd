"""Who reaches what, one county at a time: from the places that dbt has prepared to the distances that its marts judge.

Reads the places read-only and writes parquet; a county needs its own buildings, and what lies around them, in memory.
Which facilities count, and what "covered" means, is said by dbt: this step only finds the nearest of each class, and the
pairs within each circle, by straight line and on foot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck
from citycheck.access import circles, network
from citycheck.access.circles import Nearest
from citycheck.errors import NotReady
from citycheck.lake.files import replacing
from citycheck.settings import settings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_DISTANCES = [("network_m", pa.float64()), ("network_basis", pa.string())]
SCHEMAS = {
    "nearest": pa.schema(
        [(name, pa.string()) for name in ("building_id", "kind_code", "facility_class")]
        + [("euclidean_facility_id", pa.string()), ("euclidean_m", pa.float64())]
        + [("network_facility_id", pa.string()), *_DISTANCES]
    ),
    "reach": pa.schema(
        [
            ("building_id", pa.string()),
            ("facility_id", pa.string()),
            ("euclidean_m", pa.float64()),
            *_DISTANCES,
        ]
    ),
    "not_snapped": pa.schema(
        [("point_type", pa.string()), ("point_id", pa.string()), ("distance_m", pa.float64())]
    ),
}
"""What a county leaves. `network_basis` is `network`, or `detour_factor` where a straight line was multiplied instead."""
FRAGMENTS = pa.schema(
    [("edge_id", pa.string()), ("edges", pa.int64()), ("length_m", pa.float64()), ("is_usable", pa.bool_())]
)
"""Parts of the city's network that are not connected with its main one, each named by its first edge; nobody is snapped
to one that is not usable."""
_CELLS = 10_000_000
"""Distances held at a time."""
_CIRCLES, _BLOCK_M = 512, 4_000
"""Facilities whose circles are filled at a time; they are taken block by block, since neighbours share their streets."""


def files(folder: Path) -> dict[str, Path]:
    """Where dbt finds what the counties leave: a pattern for each relation of its source `access`."""
    return {name: folder / f"county-*.{name}.parquet" for name in SCHEMAS} | {
        "fragments": folder / "fragments.parquet"
    }


def counties(database: Path) -> list[str]:
    """The codes of the counties, in order."""
    with duck.connect(database, read_only=True) as places:
        rows = places.execute("select distinct county_id from staging.stg_communities order by 1").fetchall()
    return [county for (county,) in rows]


def prepare(database: Path, folder: Path) -> None:
    """Begin anew: forget what counties left before, and find the parts of the whole network that hang on nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.parquet"):
        left.unlink()
    with duck.connect(database, read_only=True) as places:
        edges = places.execute(
            "select edge_id, from_node, to_node, length_m from staging.stg_walking_edges order by edge_id"
        ).to_arrow_table()
        fragment_m = _scoring(places)["network_fragment_m"]
    parts = network.components(edges["from_node"], edges["to_node"], edges["length_m"])
    is_usable = parts.length_m >= fragment_m
    is_usable[:1] = True  # the main one: however short it is, there is no other
    ids = edges["edge_id"]
    fragments = pa.table(
        [
            ids.take(pa.array(parts.first_edge[1:])),
            parts.edges[1:],
            parts.length_m[1:],
            is_usable[1:],
        ],
        schema=FRAGMENTS,
    )
    _write(folder / "fragments.parquet", [fragments], FRAGMENTS)
    unusable = pa.table({"edge_id": ids.filter(pa.array(~is_usable[parts.of_edge]))})
    _write(folder / "unusable.parquet", [unusable], unusable.schema)


def check_complete(database: Path, folder: Path) -> None:
    """Raise `NotReady` when a county has not been measured."""
    if not database.is_file():
        raise NotReady(f"{database}: the places are not built. Run the task `places` first.")
    if not (folder / "fragments.parquet").is_file():
        raise NotReady(f"{folder}: the streets are not prepared. Run the task `places` first.")
    missing = [
        county
        for county in counties(database)
        for name in SCHEMAS
        if not _path(folder, county, name).is_file()
    ]
    if missing:
        raise NotReady(f"County {missing[0]}: who reaches what is not measured. Run its task `access` first.")


def run(
    database: Path, county_id: str, folder: Path, *, detour_factor: float | None = None
) -> dict[str, int]:
    """Write `county-<code>.nearest`, `.reach` and `.not_snapped.parquet`; returns the rows of each.

    `detour_factor`: metres walked per metre of straight line where no network is; without it, that of the standard.
    Raises `NotReady` when the places are not built, and `BadInput` when the network makes no sense.
    """
    if not database.is_file() or not (folder / "unusable.parquet").is_file():
        raise NotReady(f"{database}: the places are not built. Run the task `places` first.")
    with duck.connect(database, read_only=True, memory_limit=settings().duckdb_memory_limit) as places:
        ways = measured(places, county_id, folder / "unusable.parquet", detour_factor)
    return {
        name: _write(_path(folder, county_id, name), tables, SCHEMAS[name]) for name, tables in ways.items()
    }


def measured(
    places: duckdb.DuckDBPyConnection, county_id: str, unusable: Path, detour_factor: float | None
) -> dict[str, Iterator[pa.Table]]:
    """What `run` writes of a county, as it is found: to whatever facilities and buildings `places` says there are."""
    scoring = _scoring(places)
    if detour_factor is not None:
        scoring["detour_factor"] = detour_factor
    ways = _Ways.of(_County.read(places, county_id, unusable, scoring), scoring)
    return {"nearest": ways.nearest(), "reach": ways.reach(), "not_snapped": ways.not_snapped()}


def _scoring(places: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The constants of the standard that the places were built with, whatever its seed says by now."""
    return dict(places.execute("select parameter, value from standard.scoring").fetchall())


@dataclass(frozen=True)
class _County:
    """The buildings of a county; the facilities and streets that can matter to them."""

    building_ids: list[str]
    buildings_m: Floats
    facility_ids: list[str]
    facilities_m: Floats
    classes: dict[tuple[str, str], Ints]
    """Kind and class → its facilities, in the order of their codes."""
    circles: Ints
    circle_limits_m: Floats
    """The facilities that count, block by block, and the widest circle of each."""
    edges: pa.Table
    is_in_city_with_network: bool

    @classmethod
    def read(
        cls, places: duckdb.DuckDBPyConnection, county_id: str, unusable: Path, scoring: dict[str, float]
    ) -> _County:
        # Streets are read a little farther than facilities, so that each facility finds the street that it lies at.
        limit_m, snap_limit_m = scoring["access_search_limit_m"], scoring["snap_limit_m"]
        buildings = places.execute(
            "select building_id, x_m, y_m from intermediate.int_demand_points where county_id = ? order by building_id",
            [county_id],
        ).to_arrow_table()
        buildings_m = _points(buildings)
        if len(buildings_m):
            low, high = buildings_m.min(axis=0) - limit_m, buildings_m.max(axis=0) + limit_m
        else:
            low = high = np.zeros(2)
        near = {"x_low": low[0], "x_high": high[0], "y_low": low[1], "y_high": high[1]}
        # A facility has one place, whatever classes it is in.
        facilities = places.execute(
            """
            select facility_id, any_value(x_m) as x_m, any_value(y_m) as y_m from intermediate.int_facility_classes
            where x_m between $x_low and $x_high and y_m between $y_low and $y_high
            group by facility_id order by facility_id
            """,
            near,
        ).to_arrow_table()
        ids = facilities["facility_id"].to_pylist()
        number = {facility_id: place for place, facility_id in enumerate(ids)}
        members = places.execute(
            """
            select kind_code, facility_class, facility_id from intermediate.int_facility_classes
            where x_m between $x_low and $x_high and y_m between $y_low and $y_high
            order by kind_code, facility_class, facility_id
            """,
            near,
        ).fetchall()
        classes: dict[tuple[str, str], list[int]] = {}
        for kind_code, facility_class, facility_id in members:
            classes.setdefault((kind_code, facility_class), []).append(number[facility_id])
        circle_rows = places.execute(
            """
            select facility_id, limit_m from intermediate.int_circle_facilities
            where x_m between $x_low and $x_high and y_m between $y_low and $y_high
            order by floor(x_m / $block_m), floor(y_m / $block_m), facility_id
            """,
            near | {"block_m": _BLOCK_M},
        ).fetchall()
        edges = places.execute(
            """
            select edge_id, from_node, to_node, length_m, line_m from staging.stg_walking_edges
            where edge_id not in (select edge_id from read_parquet($unusable))
                and x_max_m >= $x_low and x_min_m <= $x_high and y_max_m >= $y_low and y_min_m <= $y_high
            order by edge_id
            """,
            {
                name: value + (snap_limit_m if name.endswith("high") else -snap_limit_m)
                for name, value in near.items()
            }
            | {"unusable": str(unusable)},
        ).to_arrow_table()
        return cls(
            building_ids=buildings["building_id"].to_pylist(),
            buildings_m=buildings_m,
            facility_ids=ids,
            facilities_m=_points(facilities),
            classes={name: np.array(found, dtype=np.int32) for name, found in classes.items()},
            circles=np.array([number[facility_id] for facility_id, _ in circle_rows], dtype=np.int32),
            circle_limits_m=np.array([limit for _, limit in circle_rows], dtype=np.float64),
            edges=edges,
            is_in_city_with_network=bool(places.execute("from staging.stg_walking_edges limit 1").fetchall()),
        )


@dataclass(frozen=True)
class _Ways:
    """The two distances between the buildings and the facilities of a county."""

    county: _County
    scoring: dict[str, float]
    streets: network.Network
    buildings: network.Snapped
    facilities: network.Snapped

    @classmethod
    def of(cls, county: _County, scoring: dict[str, float]) -> _Ways:
        streets = network.network(county.edges)
        snap_limit_m, limit_m = scoring["snap_limit_m"], scoring["access_search_limit_m"]
        return cls(
            county,
            scoring,
            streets,
            network.snap(streets, county.buildings_m, snap_limit_m, look_m=limit_m),
            network.snap(streets, county.facilities_m, snap_limit_m, look_m=limit_m),
        )

    def nearest(self) -> Iterator[pa.Table]:
        """The nearest facility of each class, class by class."""
        county, limit_m = self.county, self.scoring["access_search_limit_m"]
        at_a_time = max(_CELLS // max(len(county.building_ids), 1), 1)
        for named in _batched(county.classes.items(), at_a_time):
            groups = [group for _, group in named]
            straight = circles.nearest(county.buildings_m, county.facilities_m, groups, limit_m)
            walked, is_network = self._walked(groups, straight)
            for column, ((kind_code, facility_class), _) in enumerate(named):
                rows = np.flatnonzero((straight.place[:, column] >= 0) | (walked.place[:, column] >= 0))
                yield self._table(
                    "nearest",
                    building_id=_texts(county.building_ids, rows),
                    kind_code=_same(kind_code, len(rows)),
                    facility_class=_same(facility_class, len(rows)),
                    euclidean_facility_id=_texts(county.facility_ids, straight.place[rows, column]),
                    euclidean_m=_known(straight.distance_m[rows, column]),
                    network_facility_id=_texts(county.facility_ids, walked.place[rows, column]),
                    network_m=_known(walked.distance_m[rows, column]),
                    network_basis=_basis(is_network[rows, column], walked.place[rows, column] >= 0),
                )

    def _walked(self, groups: list[Ints], straight: Nearest) -> tuple[Nearest, npt.NDArray[np.bool_]]:
        """The nearest on foot. Whoever is not on the network, or whatever, is as far as a detour makes it."""
        county, limit_m = self.county, self.scoring["access_search_limit_m"]
        on_foot = network.nearest(self.streets, self.buildings, self.facilities, groups, limit_m)
        beside = [group[self.facilities.edge[group] < 0] for group in groups]
        around = circles.nearest(county.buildings_m, county.facilities_m, beside, limit_m)
        is_snapped = self.buildings.edge[:, None] >= 0
        place = np.where(is_snapped, around.place, straight.place)
        distance_m = np.where(is_snapped, around.distance_m, straight.distance_m)
        distance_m = self.scoring["detour_factor"] * distance_m
        too_far = distance_m > limit_m
        place, distance_m = np.where(too_far, -1, place), np.where(too_far, np.inf, distance_m)
        is_network = on_foot.distance_m < distance_m
        return Nearest(
            np.where(is_network, on_foot.distance_m, distance_m), np.where(is_network, on_foot.place, place)
        ), is_network

    def reach(self) -> Iterator[pa.Table]:
        """Every building and every facility that counts in whose circle it may lie."""
        for first in range(0, len(self.county.circles), _CIRCLES):
            yield self._reach(slice(first, first + _CIRCLES))

    def _reach(self, some: slice) -> pa.Table:
        county, facilities, limits_m = (
            self.county,
            self.county.circles[some],
            self.county.circle_limits_m[some],
        )
        straight = circles.within(county.buildings_m, county.facilities_m[facilities], limits_m)
        on_foot = network.within(self.streets, self.buildings, self.facilities.only(facilities), limits_m)
        is_detour = ~self._on_network(straight.point, facilities[straight.place])
        estimated_m = np.where(is_detour, self.scoring["detour_factor"] * straight.distance_m, np.inf)
        estimated_m[estimated_m > limits_m[straight.place]] = np.inf
        # A pair may be in one of the lists only: a walk is seldom shorter than the straight line, but a stated length may be.
        keys = np.concatenate(
            [pairs.point.astype(np.int64) * len(facilities) + pairs.place for pairs in (straight, on_foot)]
        )
        pairs, where = np.unique(keys, return_inverse=True)
        straight_m, walked_m = (np.full(len(pairs), np.inf) for _ in range(2))
        straight_m[where[: len(straight.point)]] = straight.distance_m
        walked_m[where[: len(straight.point)]] = estimated_m
        walked_m[where[len(straight.point) :]] = on_foot.distance_m
        point, place = pairs // len(facilities), facilities[pairs % len(facilities)]
        return self._table(
            "reach",
            building_id=_texts(county.building_ids, point),
            facility_id=_texts(county.facility_ids, place),
            euclidean_m=_known(straight_m),
            network_m=_known(walked_m),
            network_basis=_basis(self._on_network(point, place), np.isfinite(walked_m)),
        )

    def _on_network(self, building: Ints, facility: Ints) -> npt.NDArray[np.bool_]:
        return (self.buildings.edge[building] >= 0) & (self.facilities.edge[facility] >= 0)

    def not_snapped(self) -> Iterator[pa.Table]:
        """What lies too far from every usable street; nothing where the city has no network."""
        if not self.county.is_in_city_with_network:
            return
        for point_type, ids, snapped in (
            ("building", self.county.building_ids, self.buildings),
            ("facility", self.county.facility_ids, self.facilities),
        ):
            rows = np.flatnonzero(snapped.edge < 0)
            yield self._table(
                "not_snapped",
                point_type=_same(point_type, len(rows)),
                point_id=_texts(ids, rows),
                distance_m=_known(snapped.nearest_m[rows]),
            )

    @staticmethod
    def _table(name: str, **columns: pa.Array) -> pa.Table:
        return pa.table(list(columns.values()), schema=SCHEMAS[name])


def _batched(items: Iterable[tuple[tuple[str, str], Ints]], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _path(folder: Path, county_id: str, name: str) -> Path:
    return folder / f"county-{quote(county_id, safe='')}.{name}.parquet"


def _points(table: pa.Table) -> Floats:
    return np.column_stack([table["x_m"].to_numpy(), table["y_m"].to_numpy()]).astype(np.float64)


def _texts(values: list[str], rows: npt.NDArray[np.integer]) -> pa.Array:
    """The values at these positions; null at -1."""
    return pa.array(values, pa.string()).take(pa.array(rows, mask=rows < 0))


def _same(value: str, rows: int) -> pa.Array:
    return pa.array([value], pa.string()).take(pa.array(np.zeros(rows, dtype=np.int32)))


def _known(distance_m: Floats) -> pa.Array:
    return pa.array(distance_m, mask=~np.isfinite(distance_m))


def _basis(is_network: npt.NDArray[np.bool_], is_known: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(
        np.where(is_network, "network", "detour_factor").astype(object), pa.string(), mask=~is_known
    )


def _write(path: Path, tables: Iterator[pa.Table] | list[pa.Table], schema: pa.Schema) -> int:
    rows = 0
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
    return rows
