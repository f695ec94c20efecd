"""What projects would bring: from the marts' database to the files that dbt reads as its source `renewal`.

Each candidate gets a place and its effect; which of them a year's budget should buy is found for every step of the budget. The
same database gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck
from citycheck.access import circles, network
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import replacing
from citycheck.renewal import effects, placing, programme
from citycheck.renewal.effects import City, Facility, Floats, Ints, Near
from citycheck.renewal.marts import Reader, dicts, has_network
from citycheck.steps import access

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
SCHEMAS = {
    "sites": pa.schema(
        [(name, _TEXT) for name in ("candidate_id", "site_id", "site_type")]
        + [(name, _NUMBER) for name in ("lon", "lat", "size_m2", "site_cost_cny")]
        + [
            (name, _COUNT)
            for name in ("predicted_covered_population", "predicted_covered_in_community", "sites_considered")
        ]
    ),
    "effects": pa.schema(
        [(name, _TEXT) for name in ("candidate_id", "area_level", "area_id", "node_code")]
        + [("points", _NUMBER)]
    ),
    "frontier": pa.schema(
        [("objective_code", _TEXT), ("budget_cny", _NUMBER), ("cost_cny", _NUMBER), ("projects", _COUNT)]
        + [(name, _NUMBER) for name in ("value", "bound", "gap_pct", "greedy_value")]
    ),
    "frontier_projects": pa.schema(
        [("objective_code", _TEXT), ("budget_cny", _NUMBER), ("candidate_id", _TEXT), ("cost_cny", _NUMBER)]
    ),
}
_KEYS = {
    "sites": ("candidate_id",),
    "effects": ("candidate_id", "area_level", "area_id", "node_code"),
    "frontier": ("objective_code", "budget_cny"),
    "frontier_projects": ("objective_code", "budget_cny", "candidate_id"),
}
_SETTINGS = "from standard.renewal_programme order by parameter, step"
_HAS_CANDIDATES = "from information_schema.tables where table_name = 'int_project_candidates' limit 1"
_BUDGET_CNY = 10_000
"""Budgets are round."""
_DECIMALS = 9
"""Of what is written: the last bits of a sum differ between processors."""


def files(folder: Path) -> dict[str, Path]:
    """Where dbt finds each relation of its source `renewal`."""
    return {name: folder / f"{name}.parquet" for name in SCHEMAS}


def run(
    database: Path, access_folder: Path, out: Path, *, detour_factor: float | None = None
) -> dict[str, int]:
    """Place every candidate, compute its effect, find the programmes, and write a file for each relation; returns their rows.

    `access_folder` is what the step `access` has left, for the streets that can be walked; `detour_factor` as there. Nothing
    is found where a city has no candidates. Raises `NotReady` when the marts are not built, and `BadInput` when the seed
    `renewal_programme` makes no sense.
    """
    if not database.is_file():
        raise NotReady(f"{database}: the marts are not built. Run the task `dbt_build` first.")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    with duck.connect(database, read_only=True) as marts:
        projects = read(marts, access_folder, detour_factor)
        if projects.facilities:
            rows["sites"], rows["effects"] = _sites(projects), _effects(projects)
        settings = programme.Settings.of(
            dicts(marts, "from standard.renewal_programme order by parameter, step")
        )
    if projects.facilities:
        rows["frontier"], rows["frontier_projects"] = _frontier(projects, settings)
    paths = files(out)
    return {name: _write(paths[name], rows[name], name) for name in SCHEMAS}


# Places --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Projects:
    """Candidates of one kind of facility each, with the place of each and what lies around it."""

    city: City
    near: Near
    rows: Sequence[dict[str, Any]]
    """Of int_project_candidates, by candidate_id, with `site` (a row of int_candidate_sites, or none), `lon`, `lat`."""
    facilities: Sequence[Facility]
    considered: Sequence[int]


def read(marts: duckdb.DuckDBPyConnection, access_folder: Path, detour_factor: float | None) -> Projects:
    """The candidates that shortfalls make, each at its best place."""
    reader = Reader(marts)
    city = reader.city()
    rows = dicts(
        marts,
        "from intermediate.int_project_candidates where origin_code = 'shortfall' and kind_code is not null "
        "order by candidate_id",
    )
    site_rows = dicts(
        marts,
        "from intermediate.int_candidate_sites where x_m is not null and y_m is not null order by site_id",
    )
    streets = _Streets(reader, access_folder, detour_factor)
    sites = _as_sites(reader, site_rows)
    near_sites = streets.near(
        np.array([(row["x_m"], row["y_m"]) for row in site_rows], dtype=np.float64).reshape(-1, 2),
        [row["county_id"] or "" for row in site_rows],
        max((float(layer.radius_m.max(initial=0)) for layer in _layers(city)), default=0.0),
    )
    wanted = [row for row in rows if row["community_id"] in reader.community]
    chosen = _at_sites(reader, city, wanted, sites, near_sites)
    around = _at_buildings(
        reader, city, [row for row in wanted if row["candidate_id"] not in chosen], streets, chosen
    )
    buildings = sorted(around)
    near = _joined([near_sites, *(around[building] for building in buildings)])
    where = {building: len(site_rows) + at for at, building in enumerate(buildings)}
    place_of = _building_places(marts, [reader.building_ids[building] for building in buildings])
    placed, facilities, considered = [], [], []
    measures = {row["kind_code"]: row for row in dicts(marts, "from standard.facility_kinds")}
    for row in wanted:
        if (one := chosen.get(row["candidate_id"])) is None:
            continue
        at = site_rows[one.site] if one.site >= 0 else None
        lon, lat = (at["lon"], at["lat"]) if at else place_of[reader.building_ids[one.building]]
        community = int(sites.community[one.site] if at else reader.building_community[one.building])
        placed.append(row | {"site": at, "lon": lon, "lat": lat})
        facilities.append(
            Facility(
                row["kind_code"],
                reader.serves(row["kind_code"], row["size_m2"]),
                one.site if at else where[one.building],
                community,
                _amounts(row, measures[row["kind_code"]]),
            )
        )
        considered.append(one.considered)
    return Projects(city, near, placed, facilities, considered)


def _amounts(row: dict[str, Any], kind: dict[str, Any]) -> dict[str, float | None]:
    """What a register would say of the facility: what its size is a size of, to the centimetre, and whole places or beds."""
    is_land = kind["min_land_area_m2"] is not None and kind["min_floor_area_m2"] is None
    size_m2 = None if row["size_m2"] is None else round(row["size_m2"], 2)
    capacity = row["capacity_gap"] if kind["capacity_unit"] is not None else None
    return {
        "floor_area_m2": None if is_land else size_m2,
        "land_area_m2": size_m2 if is_land else None,
        "capacity": float(np.ceil(capacity)) if capacity else None,
    }


def _layers(city: City) -> list[effects.Layer]:
    return [*city.layers, *city.kind_layers.values()]


def _as_sites(reader: Reader, rows: Sequence[dict[str, Any]]) -> placing.Sites:
    def numbers(name: str) -> Floats:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)

    return placing.Sites(
        [row["site_id"] for row in rows],
        [row["site_type"] for row in rows],
        np.array([reader.community.get(row["community_id"], -1) for row in rows], dtype=np.int64),
        numbers("floor_area_m2"),
        numbers("land_area_m2"),
        numbers("cost_cny"),
    )


def _candidates(reader: Reader, rows: Iterable[dict[str, Any]]) -> dict[str, list[placing.Candidate]]:
    """Kind → its candidates."""
    found: dict[str, list[placing.Candidate]] = {}
    for row in rows:
        found.setdefault(row["kind_code"], []).append(
            placing.Candidate(
                row["candidate_id"],
                row["kind_code"],
                reader.community[row["community_id"]],
                row["size_m2"],
                bool(row["needs_land"]) or row["kind_code"] in reader.kinds_on_land,
                bool(row["area_gap_m2"] or row["capacity_gap"]),
            )
        )
    return found


def _at_sites(
    reader: Reader, city: City, rows: Sequence[dict[str, Any]], sites: placing.Sites, near: Near
) -> dict[str, placing.Chosen]:
    may_share = {
        kind
        for (kind,) in reader.marts.execute(
            """
            select kinds.kind_code from standard.facility_kinds as kinds
            inner join standard.co_location_rules as rules on rules.rule_code = kinds.co_location
            where rules.may_be_hosted and coalesce(rules.host_kind_code, 'F01') = 'F01' and kinds.kind_code <> 'F01'
            """
        ).fetchall()
    }
    chosen: dict[str, placing.Chosen] = {}
    for kind, candidates in _candidates(reader, rows).items():
        chosen |= placing.of_sites(
            candidates, sites, near, city.kind_layers[kind], city.building_community, kind in may_share
        )
    return chosen


def _at_buildings(
    reader: Reader,
    city: City,
    rows: Sequence[dict[str, Any]],
    streets: _Streets,
    chosen: dict[str, placing.Chosen],
) -> dict[int, Near]:
    """Choose a building for what has no site, county by county; returns what lies around those chosen."""
    around: dict[int, Near] = {}
    of_county: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        of_county.setdefault(int(reader.county_of[reader.community[row["community_id"]]]), []).append(row)
    for county, some in sorted(of_county.items()):
        communities = sorted({reader.community[row["community_id"]] for row in some})
        buildings = np.flatnonzero(np.isin(city.building_community, communities))
        near = streets.near(
            reader.points_m[buildings],
            [reader.county_ids[county]] * len(buildings),
            max((float(layer.radius_m.max(initial=0)) for layer in _layers(city)), default=0.0),
        )
        for kind, candidates in _candidates(reader, some).items():
            found = placing.of_buildings(
                candidates, buildings, near, city.kind_layers[kind], city.building_community
            )
            chosen |= found
            for one in found.values():
                at = int(np.searchsorted(buildings, one.building))
                rows_, distance_m = near.of(at)
                around[one.building] = Near(np.array([0, len(rows_)]), rows_, distance_m)
    return around


def _joined(parts: Sequence[Near]) -> Near:
    first = np.cumsum([0, *(many for part in parts for many in np.diff(part.first))])
    return Near(
        first,
        np.concatenate([part.building for part in parts]),
        np.concatenate([part.distance_m for part in parts]),
    )


def _building_places(marts: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, tuple[float, float]]:
    return {
        building: (lon, lat)
        for building, lon, lat in marts.execute(
            "select building_id, lon, lat from staging.stg_buildings where building_id in (select unnest(?))",
            [ids],
        ).fetchall()
    }


class _Streets:
    """Ways between places and the buildings around them, by what the index is judged by."""

    def __init__(self, reader: Reader, access_folder: Path, detour_factor: float | None) -> None:
        self.reader, self.scoring = reader, reader.scoring
        self.unusable = access_folder / "unusable.parquet"
        self.is_walked = has_network(reader.marts)
        self.detour_factor = detour_factor or self.scoring["detour_factor"]
        if self.is_walked and not self.unusable.is_file():
            raise NotReady(f"{self.unusable}: the streets are not prepared. Run the task `places` first.")

    def near(self, places_m: Floats, counties: Sequence[str], limit_m: float) -> Near:
        """The buildings within a limit of each place; the streets of one county are held at a time."""
        parts = []
        for county in sorted(set(counties)):
            rows = np.array([at for at, code in enumerate(counties) if code == county], dtype=np.int64)
            point, place, distance_m = self._pairs(places_m[rows], limit_m)
            parts.append((rows[place], point, distance_m))
        if not parts:
            return Near(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
        place, point, distance_m = (np.concatenate([part[at] for part in parts]) for at in range(3))
        order = np.lexsort([point, place])
        first = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(places_m)))])
        return Near(first, point[order], distance_m[order])

    def _pairs(self, places_m: Floats, limit_m: float) -> tuple[Ints, Ints, Floats]:
        """Buildings, places and metres, as `steps.access` measures them."""
        low, high = places_m.min(axis=0) - limit_m, places_m.max(axis=0) + limit_m
        points_m = self.reader.points_m
        rows = np.flatnonzero(((points_m >= low) & (points_m <= high)).all(axis=1))
        limits_m = np.full(len(places_m), limit_m)
        straight = circles.within(points_m[rows], places_m, limits_m, threads=1)
        if not self.is_walked:
            return rows[straight.point], straight.place.astype(np.int64), straight.distance_m
        streets = network.network(self._edges(low, high, limit_m))
        snap_limit_m = self.scoring["snap_limit_m"]
        points, places = (
            network.snap(streets, some, snap_limit_m, look_m=snap_limit_m)
            for some in (points_m[rows], places_m)
        )
        walked = network.within(streets, points, places, limits_m)
        estimated_m = self.detour_factor * straight.distance_m
        is_detour = ((points.edge[straight.point] < 0) | (places.edge[straight.place] < 0)) & (
            estimated_m <= limit_m
        )
        return (
            rows[np.concatenate([walked.point, straight.point[is_detour]])],
            np.concatenate([walked.place, straight.place[is_detour]]).astype(np.int64),
            np.concatenate([walked.distance_m, estimated_m[is_detour]]),
        )

    def _edges(self, low: Floats, high: Floats, limit_m: float) -> pa.Table:
        margin_m = limit_m + self.scoring["snap_limit_m"]
        return self.reader.marts.execute(
            """
            select edge_id, from_node, to_node, length_m, line_m from staging.stg_walking_edges
            where edge_id not in (select edge_id from read_parquet($unusable))
                and x_max_m >= $x_low and x_min_m <= $x_high and y_max_m >= $y_low and y_min_m <= $y_high
            order by edge_id
            """,
            {
                "unusable": str(self.unusable),
                "x_low": low[0] - margin_m,
                "y_low": low[1] - margin_m,
                "x_high": high[0] + margin_m,
                "y_high": high[1] + margin_m,
            },
        ).to_arrow_table()


# Rows ----------------------------------------------------------------------------------------------------------------


def _sites(projects: Projects) -> list[dict[str, Any]]:
    """A row a candidate: its place, and who would be newly in reach of it."""
    city, rows = projects.city, []
    communities = {code: at for at, code in enumerate(city.community_ids)}
    for row, facility, considered in zip(
        projects.rows, projects.facilities, projects.considered, strict=True
    ):
        layer = city.kind_layers[row["kind_code"]]
        gained = layer.gained(projects.near, [facility])
        is_own = city.building_community[gained] == communities[row["community_id"]]
        site = row["site"]
        rows.append(
            {
                "candidate_id": row["candidate_id"],
                "site_id": site["site_id"] if site else None,
                "site_type": site["site_type"] if site else "to_be_found",
                "lon": row["lon"],
                "lat": row["lat"],
                "size_m2": row["size_m2"],
                "site_cost_cny": site["cost_cny"] if site else None,
                "predicted_covered_population": int(layer.people[gained].sum()),
                "predicted_covered_in_community": int(layer.people[gained[is_own]].sum()),
                "sites_considered": considered,
            }
        )
    return rows


def _effects(projects: Projects) -> list[dict[str, Any]]:
    """A row a candidate, area and node whose score would be another."""
    city, rows = projects.city, []
    changed = effects.changes(city, projects.near, [[one] for one in projects.facilities])
    for level in effects.LEVELS:
        found = effects.points(city, effects.values(city, changed, level), level)
        ids = city.area_ids(level)
        rows += [
            {
                "candidate_id": projects.rows[candidate]["candidate_id"],
                "area_level": level,
                "area_id": ids[area],
                "node_code": city.spec.nodes[node].code,
                "points": points,
            }
            for candidate, area, node, points in zip(
                *(part.tolist() for part in (found.set_, found.area, found.node, found.points)), strict=True
            )
            if round(points, _DECIMALS)
        ]
    return rows


def _built(projects: Projects) -> list[programme.Option]:
    return programme.options(
        projects.facilities,
        [row["cost_cny"] for row in projects.rows],
        [(row["site"] or {}).get("cost_cny") or 0.0 for row in projects.rows],
    )


def _frontier(
    projects: Projects, settings: programme.Settings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row an objective and budget, and a row a project in each."""
    frontier, chosen = [], []
    built, residents = _built(projects), float(projects.city.residents.sum())
    for objective, per_resident in sorted(settings.budgets_cny_per_resident.items()):
        asked = programme.Objective.of(objective, projects.city, projects.near, built)
        for budget in dict.fromkeys(
            round(one * residents / _BUDGET_CNY) * _BUDGET_CNY for one in per_resident
        ):
            row, members = _programme(projects, asked, float(budget), settings)
            frontier.append(row)
            named = {"objective_code": objective, "budget_cny": float(budget)}
            chosen += [named | {"candidate_id": one, "cost_cny": cost} for one, cost in members.items()]
    return frontier, chosen


def _programme(
    projects: Projects, asked: programme.Objective, budget_cny: float, settings: programme.Settings
) -> tuple[dict[str, Any], dict[str, float]]:
    """The row of a programme, and its candidates with what each costs: the first at a facility pays for it."""
    best = programme.best(
        asked.model, budget_cny, gap_max_pct=settings.gap_max_pct, nodes_max=settings.nodes_max
    )
    value = asked.exactly(best.chosen)
    bound = max(best.bound, value)
    members = {
        projects.rows[row]["candidate_id"]: asked.built[one].cost_cny
        if row == asked.built[one].members[0]
        else 0.0
        for one in best.chosen
        for row in asked.built[one].members
    }
    return {
        "objective_code": asked.code,
        "budget_cny": budget_cny,
        "cost_cny": best.cost_cny,
        "projects": len(members),
        "value": value,
        "bound": bound,
        "gap_pct": 100 * (bound - value) / bound if bound > 0 else 0.0,
        "greedy_value": asked.exactly(programme.greedy(asked.model, budget_cny).chosen),
    }, members


def ask(
    database: Path, objective: str, budget_cny: float, *, detour_factor: float | None = None
) -> dict[str, Any]:
    """The programme of one budget, its projects by what each brings alone per yuan, with the value of those so far.

    Raises `BadInput` when the marts know of no candidates.
    """
    with duck.connect(database, read_only=True) as marts, TemporaryDirectory() as folder:
        if not marts.execute(_HAS_CANDIDATES).fetchall():
            raise BadInput(
                f"{database.stem}: this half-year knows of no candidates yet. Build it again with today's code."
            )
        settings = programme.Settings.of(dicts(marts, _SETTINGS))
        access.prepare(database, Path(folder))
        projects = read(marts, Path(folder), detour_factor)
    asked = programme.Objective.of(objective, projects.city, projects.near, _built(projects))
    row, members = _programme(projects, asked, budget_cny, settings)
    options = {
        projects.rows[number]["candidate_id"]: at
        for at, one in enumerate(asked.built)
        for number in one.members
    }
    chosen = sorted({options[one] for one in members})
    alone = {at: asked.model.value([at]) for at in chosen}
    listed, so_far = [], list[int]()
    for at in sorted(chosen, key=lambda at: (-alone[at] / max(asked.built[at].cost_cny, 1.0), at)):
        so_far.append(at)
        first, *others = (projects.rows[number] for number in asked.built[at].members)
        listed.append(
            {
                "candidate_id": first["candidate_id"],
                "also_serves": [other["candidate_id"] for other in others],
                "kind_code": first["kind_code"],
                "site_id": first["site"]["site_id"] if first["site"] else None,
                "cost_cny": asked.built[at].cost_cny,
                "cumulated_cost_cny": float(sum(asked.built[one].cost_cny for one in so_far)),
                "cumulated_value": round(asked.exactly(sorted(so_far)), _DECIMALS),
            }
        )
    return row | {"list": listed}


def told(found: dict[str, Any]) -> list[str]:
    """A line a project, and what they bring together."""
    is_index = found["objective_code"] == "index_points"

    def shown(value: float) -> str:
        return f"{value:.4f} points" if is_index else f"{value:,.0f} people aged 60+"

    lines = [
        f"{row['candidate_id']:16}  {row['site_id'] or 'site to be found':16}  {row['cost_cny']:>13,.0f} CNY  "
        f"so far {row['cumulated_cost_cny']:>15,.0f} CNY  {shown(row['cumulated_value'])}"
        + (f"  (also {', '.join(row['also_serves'])})" if row["also_serves"] else "")
        for row in found["list"]
    ]
    return [
        *lines,
        f"{found['projects']} projects for {found['cost_cny']:,.0f} of {found['budget_cny']:,.0f} CNY: "
        f"{shown(found['value'])}; no programme brings more than {shown(found['bound'])} "
        f"(gap {found['gap_pct']:.3f} %); the greedy choice: {shown(found['greedy_value'])}",
    ]


def _write(path: Path, rows: Iterable[dict[str, Any]], name: str) -> int:
    """Write sorted rows; returns how many."""
    ordered = [
        {column: round(cell, _DECIMALS) if isinstance(cell, float) else cell for column, cell in row.items()}
        for row in sorted(rows, key=lambda row: [row[key] for key in _KEYS[name]])
    ]
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(ordered, schema=SCHEMAS[name]), temporary, compression="zstd")
    return len(ordered)
