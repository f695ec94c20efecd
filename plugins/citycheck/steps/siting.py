"""Where facilities of a kind should be built, asked of a half-year's marts, which are only read.

Who is covered today, by which distance, and how many people a building has of the kind's group, is what the marts say. The
candidates are the sites that are known; where none are, the buildings themselves, as places to look around (to_be_found).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import numpy.typing as npt

from citycheck import duck
from citycheck.access import circles, network
from citycheck.errors import BadInput
from citycheck.renewal import siting
from citycheck.renewal.siting import Answer, Limits, Places
from citycheck.renewal.siting_median import p_median

Problem = Literal["max_coverage", "full_coverage", "p_median", "capacitated"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
_BATCH = 512
"""Candidates whose surroundings are measured at a time."""
REASONS = {
    "wrong_type": ("类型不符", "the kind needs another type of site"),
    "too_small": ("面积不足", "smaller than the kind's minimum"),
    "size_unknown": ("面积不明", "of unknown size, and the kind has a minimum"),
}
"""Why a site is no candidate for a kind."""
TYPES = {
    "vacant_room": ("闲置用房", "vacant room"),
    "land": ("空地", "land"),
    "co_location": ("与社区中心合设", "in a centre"),
    "to_be_found": ("选址待定", "to be found"),
}


@dataclass(frozen=True)
class Question:
    """What is asked: `sites` at most, `budget_cny` at most, each area (`floor_level`) at least `floor` of its people."""

    kind_code: str
    problem: Problem = "max_coverage"
    sites: int | None = None
    budget_cny: float | None = None
    floor: float | None = None
    floor_level: Literal["street", "county"] = "street"
    county_id: str | None = None
    capacity: float | None = None
    """People that one site can serve."""
    limits: Limits = siting.PROVEN


@dataclass(frozen=True)
class Site:
    """A candidate; `cost_cny` is building what the kind needs at least, and taking the site where that is known."""

    site_id: str
    site_name: str | None
    site_type: str
    community_id: str | None
    county_id: str | None
    lon: float
    lat: float
    floor_area_m2: float | None
    land_area_m2: float | None
    cost_cny: float | None
    newly_covered: float = 0.0


@dataclass(frozen=True)
class Proposal:
    """The answer with what it was found among. People are of the kind's target group."""

    question: Question
    kind_name_zh: str
    kind_name_en: str
    target_group: str
    distance: Literal["network", "euclidean"]
    people: float
    covered_before: float
    covered_after: float
    metres_before: float
    metres_after: float
    """Mean way to the nearest facility, counted as the limit of the search where there is none; None unless a median."""
    candidates: int
    is_to_be_found: bool
    left_out: dict[str, list[str]]
    beyond_people: float
    beyond_points: list[str]
    sites: list[Site]
    floors: list[dict[str, Any]]
    answer: Answer
    is_synthetic: bool = False

    @property
    def cost_cny(self) -> float | None:
        costs = [site.cost_cny for site in self.sites]
        return None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs)

    def as_json(self) -> dict[str, Any]:
        plain = asdict(self)
        answer = self.answer
        plain["cost_cny"] = self.cost_cny
        plain["answer"] = {
            "value": answer.value,
            "bound": answer.bound,
            "gap_pct": answer.gap_pct,
            "nodes": answer.nodes,
            "is_optimal": answer.is_optimal,
            "greedy_value": answer.greedy_value,
            "rows": answer.reduced[0],
            "candidates_left": answer.reduced[1],
        }
        return plain

    def geojson(self) -> dict[str, Any]:
        """The chosen sites as points, WGS84."""
        return {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [site.lon, site.lat]},
                    "properties": {
                        "kind_code": self.question.kind_code,
                        "is_synthetic": self.is_synthetic,
                        **{k: v for k, v in asdict(site).items() if k not in ("lon", "lat")},
                    },
                }
                for site in self.sites
            ],
        }


def run(
    database: Path, question: Question, *, detour_factor: float | None = None, is_synthetic: bool = False
) -> Proposal:
    """Choose sites by the marts of `database`. Raises `BadInput` for what cannot be asked or satisfied."""
    if question.problem in ("p_median", "max_coverage", "capacitated") and not (
        question.sites or question.budget_cny is not None
    ):
        raise BadInput(f"{question.problem} needs --sites K or --budget CNY; give one.")
    if question.problem == "p_median" and not question.sites:
        raise BadInput("p_median needs --sites K; a budget may come on top. Give it.")
    if question.problem == "capacitated" and question.capacity is None:
        raise BadInput("capacitated needs --capacity, the people that one site can serve; give it.")
    if question.floor is not None and question.problem != "max_coverage":
        raise BadInput("--floor belongs to max_coverage; leave it out or ask that problem.")
    with duck.connect(database, read_only=True) as marts:
        demand = _Demand.read(marts, question)
        sites, left_out, is_to_be_found = _candidates(marts, question, demand)
        if not sites:
            told = (
                ", ".join(f"{len(ids)} {code}" for code, ids in left_out.items()) or "no site is known there"
            )
            raise BadInput(f"{question.kind_code}: no candidate site is left ({told}). Register other sites.")
        places, distance = _places(marts, question, demand, sites, detour_factor)
    answer = _solve(places, question)
    chosen = [sites[k] for k in answer.chosen]
    newly = places.newly_covered(answer.chosen) if question.problem != "capacitated" else answer.newly
    covered = float(places.weight[places.is_covered].sum())
    people = float(places.weight.sum())
    metres_before, metres_after = (
        _mean_metres(places, answer) if question.problem == "p_median" else (np.nan, np.nan)
    )
    return Proposal(
        question=question,
        kind_name_zh=demand.name_zh,
        kind_name_en=demand.name_en,
        target_group=demand.group,
        distance=distance,
        people=people,
        covered_before=covered,
        covered_after=covered + float(newly.sum()),
        metres_before=metres_before,
        metres_after=metres_after,
        candidates=len(sites),
        is_to_be_found=is_to_be_found,
        left_out=left_out,
        beyond_people=float(places.weight[answer.beyond].sum()),
        beyond_points=[demand.ids[k] for k in answer.beyond],
        sites=[
            Site(**{**asdict(site), "newly_covered": float(more)})
            for site, more in zip(chosen, newly, strict=True)
        ],
        floors=[
            {**asdict(floor), "area": demand.areas[floor.area], "area_level": question.floor_level}
            for floor in answer.floors
        ],
        answer=answer,
        is_synthetic=is_synthetic,
    )


def _solve(places: Places, asked: Question) -> Answer:
    match asked.problem:
        case "max_coverage":
            return siting.max_coverage(
                places, sites=asked.sites, budget_cny=asked.budget_cny, floor=asked.floor, limits=asked.limits
            )
        case "full_coverage":
            return siting.full_coverage(places, limits=asked.limits)
        case "p_median":
            return p_median(places, sites=asked.sites or 1, budget_cny=asked.budget_cny, limits=asked.limits)
        case "capacitated":
            return siting.capacitated_coverage(
                places, sites=asked.sites, budget_cny=asked.budget_cny, limits=asked.limits
            )


def _mean_metres(places: Places, answer: Answer) -> tuple[float, float]:
    """Per person of the group, before and after."""
    people = float(places.weight.sum()) or 1.0
    return float(places.weight @ places.existing_m) / people, answer.value / people


# Reading -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Demand:
    """The buildings of a city or county and who lives there of the kind's group."""

    ids: list[str]
    points_m: Floats
    weight: Floats
    radius_m: Floats
    existing_m: Floats
    area: Ints
    areas: list[str]
    name_zh: str
    name_en: str
    group: str
    kind: dict[str, Any]

    @classmethod
    def read(cls, marts: duckdb.DuckDBPyConnection, asked: Question) -> _Demand:
        kinds = _rows(marts, "select * from standard.facility_kinds order by kind_code")
        kind = next((row for row in kinds if row["kind_code"] == asked.kind_code), None)
        if kind is None:
            raise BadInput(
                f"{asked.kind_code!r} is no kind of facility; the standard has "
                f"{', '.join(row['kind_code'] for row in kinds)}. Correct --kind."
            )
        counties = [
            row["county_id"]
            for row in _rows(marts, "select distinct county_id from staging.stg_communities order by 1")
        ]
        if asked.county_id is not None and asked.county_id not in counties:
            raise BadInput(
                f"{asked.county_id!r} is no county of this city; it has {', '.join(counties)}. Correct --county."
            )
        area = "communities.street_id" if asked.floor_level == "street" else "communities.county_id"
        rows = marts.execute(
            f"""
            select points.building_id, points.x_m, points.y_m, access.target_population, access.radius_m,
                access.nearest_counting_distance_m, coalesce({area}, '') as area_id
            from marts.demand_access as access
            inner join intermediate.int_demand_points as points on access.building_id = points.building_id
            left join staging.stg_communities as communities on points.community_id = communities.community_id
            where access.kind_code = $kind and ($county is null or points.county_id = $county)
            order by points.building_id
            """,
            {"kind": asked.kind_code, "county": asked.county_id},
        ).to_arrow_table()
        if not len(rows):
            raise BadInput(
                f"{asked.kind_code}: the marts know nobody who could need it; the city has no source for this kind."
            )
        areas, number = np.unique(rows["area_id"].to_pylist(), return_inverse=True)
        return cls(
            rows["building_id"].to_pylist(),
            np.column_stack([rows["x_m"].to_numpy(), rows["y_m"].to_numpy()]),
            np.array([value or 0 for value in rows["target_population"].to_pylist()], dtype=np.float64),
            rows["radius_m"].to_numpy().astype(np.float64),
            rows["nearest_counting_distance_m"].to_numpy().astype(np.float64),
            number.astype(np.intp),
            areas.tolist(),
            kind["name_zh"],
            kind["name_en"],
            kind["target_group"],
            kind,
        )


def _candidates(
    marts: duckdb.DuckDBPyConnection, asked: Question, demand: _Demand
) -> tuple[list[Site], dict[str, list[str]], bool]:
    """The sites where the kind may stand, why others are none, and whether buildings stand for sites."""
    build_cny = _building_cost(marts, demand.kind)
    if not _has(marts, "intermediate", "int_candidate_sites"):
        found = _rows(
            marts,
            "select building_id as site_id, community_id, county_id, lon, lat from marts.buildings"
            " where $county is null or county_id = $county order by building_id",
            county=asked.county_id,
        )
        sites = [
            Site(
                row["site_id"], None, "to_be_found", row["community_id"], row["county_id"], row["lon"], row["lat"],
                None, None, build_cny,
            )
            for row in found
        ]  # fmt: skip
        return sites, {}, True
    rows = _rows(
        marts,
        "select * from intermediate.int_candidate_sites where $county is null or county_id = $county order by site_id",
        county=asked.county_id,
    )
    needs_land = _needs_land(marts, demand.kind)
    left_out: dict[str, list[str]] = {}
    sites = []
    for row in rows:
        if reason := _unfit(row, demand.kind, needs_land):
            left_out.setdefault(reason, []).append(row["site_id"])
            continue
        known = [cost for cost in (build_cny, row["cost_cny"]) if cost is not None]
        sites.append(
            Site(
                cost_cny=None if build_cny is None else sum(known),
                **{name: row[name] for name in (
                    "site_id", "site_name", "site_type", "community_id", "county_id", "lon", "lat",
                    "floor_area_m2", "land_area_m2",
                )},
            )
        )  # fmt: skip
    return sites, dict(sorted(left_out.items())), False


def _unfit(row: dict[str, Any], kind: dict[str, Any], needs_land: bool) -> str | None:
    """Why the kind may not stand there; None where it may."""
    may_share = str(kind["co_location"]).startswith("allowed")
    types = {"land"} if needs_land else {"vacant_room", "co_location"} if may_share else {"vacant_room"}
    if row["site_type"] not in types:
        return "wrong_type"
    least = kind["min_land_area_m2"] if needs_land else kind["min_floor_area_m2"] or kind["min_land_area_m2"]
    if least is None:
        return None
    area = row["land_area_m2"] if needs_land else row["floor_area_m2"]
    return "size_unknown" if area is None else "too_small" if area < least else None


def _needs_land(marts: duckdb.DuckDBPyConnection, kind: dict[str, Any]) -> bool:
    """As the first rule of the standard says for what is missing, and what has a minimum of land only."""
    if kind["min_land_area_m2"] is not None and kind["min_floor_area_m2"] is None:
        return True
    if not _has(marts, "standard", "renewal_rules"):
        return kind["min_land_area_m2"] is not None
    rules = _rows(
        marts,
        "select needs_land from standard.renewal_rules where subject_code in ($kind, '*')"
        " and reason_code in ('missing', '*') order by rule_order limit 1",
        kind=kind["kind_code"],
    )
    return bool(rules and rules[0]["needs_land"])


def _building_cost(marts: duckdb.DuckDBPyConnection, kind: dict[str, Any]) -> float | None:
    """Building the least that the kind needs, by the standard's orders of magnitude."""
    if not _has(marts, "standard", "renewal_costs"):
        return None
    rows = _rows(
        marts,
        "select fixed_cny, cost_per_m2_cny from standard.renewal_costs where subject_code = $kind",
        kind=kind["kind_code"],
    )
    least_m2 = kind["min_floor_area_m2"] or kind["min_land_area_m2"] or 0.0
    return float(rows[0]["fixed_cny"] + rows[0]["cost_per_m2_cny"] * least_m2) if rows else None


def _places(
    marts: duckdb.DuckDBPyConnection,
    asked: Question,
    demand: _Demand,
    sites: Sequence[Site],
    detour_factor: float | None,
) -> tuple[Places, Literal["network", "euclidean"]]:
    scoring = dict(marts.execute("select parameter, value from standard.scoring").fetchall())
    if detour_factor is not None:
        scoring["detour_factor"] = detour_factor
    limit_m = scoring["access_search_limit_m"]
    existing_m = np.where(np.isfinite(demand.existing_m), demand.existing_m, np.inf)
    is_median = asked.problem == "p_median"
    # A way that is no shorter than today's, or longer than the radius, changes nothing; nobody walks beyond the limit.
    useful_m = np.minimum(existing_m, limit_m) if is_median else demand.radius_m
    located = {
        row["id"]: (row["x_m"], row["y_m"])
        for row in _rows(marts, _LOCATED if sites[0].site_type != "to_be_found" else _BUILDINGS)
    }
    sites_m = np.array([located[site.site_id] for site in sites], dtype=np.float64)
    ways = _Ways.read(marts, demand.points_m, sites_m, scoring)
    point, site, metres = ways.pairs(useful_m)
    places = Places.of(
        demand.weight,
        point,
        site,
        metres,
        sites=len(sites),
        radius_m=demand.radius_m,
        existing_m=np.minimum(existing_m, limit_m) if is_median else existing_m,
        cost_cny=[np.nan if one.cost_cny is None else one.cost_cny for one in sites],
        capacity=np.inf if asked.capacity is None else asked.capacity,
        area=demand.area,
    )
    return places, "euclidean" if ways.streets is None else "network"


_LOCATED = "select site_id as id, x_m, y_m from intermediate.int_candidate_sites"
_BUILDINGS = "select building_id as id, x_m, y_m from intermediate.int_demand_points"


@dataclass(frozen=True, eq=False)
class _Ways:
    """The headline distance between buildings and candidates: on foot where the city has a network, else straight."""

    points_m: Floats
    sites_m: Floats
    detour_factor: float
    streets: network.Network | None
    points: network.Snapped | None
    sites: network.Snapped | None

    @classmethod
    def read(
        cls, marts: duckdb.DuckDBPyConnection, points_m: Floats, sites_m: Floats, scoring: dict[str, float]
    ) -> _Ways:
        edges = marts.execute(
            "select edge_id, from_node, to_node, length_m, line_m from staging.stg_walking_edges order by edge_id"
        ).to_arrow_table()
        factor = scoring["detour_factor"]
        if not len(edges):
            return cls(points_m, sites_m, factor, None, None, None)
        parts = network.components(edges["from_node"], edges["to_node"], edges["length_m"])
        fragment_m = min(
            scoring["network_fragment_m"], float(parts.length_m[0])
        )  # the main part is always used
        streets = network.network(edges, fragment_m=fragment_m)
        snapped = [network.snap(streets, some, scoring["snap_limit_m"]) for some in (points_m, sites_m)]
        return cls(points_m, sites_m, factor, streets, snapped[0], snapped[1])

    def pairs(self, useful_m: Floats) -> tuple[Ints, Ints, Floats]:
        """Point, site and metres of all pairs that are at most the point's `useful_m` apart."""
        limit_m = float(useful_m.max(initial=0.0))
        found = []
        order = np.lexsort((self.sites_m[:, 1], self.sites_m[:, 0] // 2_000))
        for first in range(0, len(order), _BATCH):
            some = order[first : first + _BATCH]
            for point, place, metres in self._near(some, limit_m):
                kept = metres <= useful_m[point]
                found.append((point[kept].astype(np.intp), some[place[kept]], metres[kept]))
        point, site, metres = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((site, point))
        return point[order], site[order], metres[order]

    def _near(self, some: Ints, limit_m: float) -> list[tuple[Any, Any, Any]]:
        if self.streets is None or self.points is None or self.sites is None:
            straight = circles.within(self.points_m, self.sites_m[some], limit_m)
            return [(straight.point, straight.place, straight.distance_m)]
        on_foot = network.within(self.streets, self.points, self.sites.only(some), limit_m)
        # Whoever, or whatever, is not on the network is as far as a detour makes it.
        straight = circles.within(self.points_m, self.sites_m[some], limit_m / self.detour_factor)
        beside = (self.points.edge[straight.point] < 0) | (self.sites.edge[some][straight.place] < 0)
        return [
            (on_foot.point, on_foot.place, on_foot.distance_m),
            (
                straight.point[beside],
                straight.place[beside],
                self.detour_factor * straight.distance_m[beside],
            ),
        ]


def _rows(marts: duckdb.DuckDBPyConnection, sql: str, **values: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = marts.execute(sql, values or None).to_arrow_table().to_pylist()
    return found


def _has(marts: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    return bool(
        marts.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, table],
        ).fetchall()
    )


# Telling -------------------------------------------------------------------------------------------------------------


def told(found: Proposal, seconds: float) -> list[str]:
    """The answer in lines, Chinese and English."""
    asked, answer = found.question, found.answer
    unit = {"full_coverage": "处 sites", "p_median": "人·米 person-metres"}.get(asked.problem, "人 people")
    lines = [
        f"{asked.kind_code} {found.kind_name_zh} {found.kind_name_en} · {asked.problem} · "
        f"{'步行网络 on foot' if found.distance == 'network' else '直线 straight line'}"
        + (" · 合成数据 synthetic data" if found.is_synthetic else ""),
        f"候选点 candidates {found.candidates}"
        + (
            "（无候选点登记，以建筑代替 no site is known, buildings stand for them: to_be_found）"
            if found.is_to_be_found
            else ""
        ),
        *(
            f"  不合格 left out {len(ids)}: {REASONS[code][0]} {REASONS[code][1]}"
            for code, ids in found.left_out.items()
        ),
    ]
    lines += [
        f"{n:>4}  {site.site_id:<22} {' '.join(TYPES.get(site.site_type, (site.site_type,)))}  {site.community_id or ''}  "
        f"{site.lon:.5f},{site.lat:.5f}  +{site.newly_covered:,.0f} 人 people"
        + ("" if site.cost_cny is None else f"  {site.cost_cny:,.0f} 元 CNY")
        for n, site in enumerate(found.sites, 1)
    ]
    share = 100 / found.people if found.people else 0.0
    lines.append(
        f"覆盖 covered: {found.covered_before:,.0f} → {found.covered_after:,.0f} / {found.people:,.0f} 人 people "
        f"({found.covered_before * share:.1f} % → {found.covered_after * share:.1f} %)"
        + ("" if found.cost_cny is None else f"; 费用 cost {found.cost_cny:,.0f} 元 CNY")
    )
    if asked.problem == "p_median":
        lines.append(f"人均距离 mean way: {found.metres_before:,.0f} → {found.metres_after:,.0f} m")
    lines.append(
        f"最优值 value {answer.value:,.0f} {unit}; 界 bound {answer.bound:,.0f}; 差距 gap {answer.gap_pct:.4f} %"
        f" ({'已证最优 proven optimal' if answer.is_optimal else '未证最优 not proven'}); "
        f"节点 nodes {answer.nodes}; {seconds:.2f} s; 贪心 greedy {answer.greedy_value:,.0f}"
        + ("（不计下限 without the floor）" if asked.floor is not None else "")
    )
    for floor in found.floors:
        if not floor["is_met"]:
            lines.append(
                f"  下限未达 floor not met: {floor['area']} {100 * floor['covered_after'] / floor['population']:.1f} %, "
                f"最高可达 reachable {100 * floor['reachable'] / floor['population']:.1f} %"
            )
    if found.beyond_points:
        lines.append(
            f"任何候选点都覆盖不到 beyond every candidate: {found.beyond_people:,.0f} 人 people, "
            f"{len(found.beyond_points)} 处 buildings"
        )
    return lines
