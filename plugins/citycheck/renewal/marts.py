"""A half-year's marts, read as what `effects` computes with."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np

from citycheck.index.spec import Spec
from citycheck.renewal.effects import LEVELS, City, Floats, Ints, Layer, Ratio

_PEOPLE = {
    "all": "residents",
    "hh": "households",
    "inf0_3": "residents_age_0_2",
    "child3_6": "residents_age_3_5",
    "child6_12": "residents_age_6_11",
    "child0_15": "residents_age_0_2 + residents_age_3_5 + residents_age_6_11 + residents_age_12_14",
    "elder60": "residents_age_60_plus",
}
"""Group of the standard → who of a building's people it is; dbt's population_of."""
_SUPERMARKET = "F15/supermarket"
_CULTURE = "culture"
_OF_ALL = ("HLT-3", "CNV-2")
"""Indicators that need no group to be known."""
_RATIOS = """
select community_id as area_id, numerator, denominator, missing_reason from intermediate.int_ratios_coverage
where indicator_code = $code
union all
select community_id, numerator, denominator, missing_reason from intermediate.int_ratios_size where indicator_code = $code
union all
select area_id, numerator, denominator, missing_reason from intermediate.int_ratios_capacity
where indicator_code = $code and level = $level
union all
select community_id, numerator, denominator, missing_reason from intermediate.int_ratios_provision
where indicator_code = $code
"""


def dicts(marts: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = marts.execute(sql, list(parameters)).to_arrow_table().to_pylist()
    return found


def scoring(marts: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The constants of the standard that the marts were built with."""
    return dict(marts.execute("select parameter, value from standard.scoring").fetchall())


def has_network(marts: duckdb.DuckDBPyConnection) -> bool:
    """Whether the walk decides, and not the straight line."""
    return bool(marts.execute("from staging.stg_walking_edges limit 1").fetchall())


class Reader:
    """The buildings of a city, in the order of their codes, and what is known of each."""

    def __init__(self, marts: duckdb.DuckDBPyConnection) -> None:
        self.marts = marts
        self.scoring = scoring(marts)
        self.communities = dicts(
            marts, "select community_id, county_id from staging.stg_communities order by community_id"
        )
        self.community_ids = [row["community_id"] for row in self.communities]
        self.county_ids = sorted({row["county_id"] for row in self.communities})
        self.community = {code: at for at, code in enumerate(self.community_ids)}
        self.county = {code: at for at, code in enumerate(self.county_ids)}
        self.county_of: Ints = np.array(
            [self.county[row["county_id"]] for row in self.communities], dtype=np.int64
        )
        columns = ", ".join(f"coalesce({people}, 0)::double as {group}_" for group, people in _PEOPLE.items())
        points = marts.execute(
            f"select building_id, community_id, county_id, area_type, x_m, y_m, {columns} "
            "from intermediate.int_demand_points order by building_id"
        ).to_arrow_table()
        self.building_ids = points["building_id"].to_pylist()
        self.building = {code: at for at, code in enumerate(self.building_ids)}
        self.building_community: Ints = np.array(
            [self.community[code] for code in points["community_id"].to_pylist()], dtype=np.int64
        )
        self.is_new = np.array([area == "new" for area in points["area_type"].to_pylist()], dtype=bool)
        self.points_m: Floats = np.column_stack([points["x_m"].to_numpy(), points["y_m"].to_numpy()]).astype(
            np.float64
        )
        self.people = {group: points[f"{group}_"].to_numpy() for group in _PEOPLE}
        self._serves: dict[str, set[str]] = {}
        for code, kind in marts.execute(
            "select indicator_code, kind_code from standard.indicator_kinds"
        ).fetchall():
            self._serves.setdefault(kind, {kind}).add(code)
        for kind in ("F12", "F13"):
            self._serves.setdefault(kind, {kind}).add(_CULTURE)
        self.kinds_on_land = frozenset(
            kind
            for (kind,) in marts.execute(
                "select kind_code from standard.facility_kinds where min_land_area_m2 is not null"
            ).fetchall()
        )
        self._types = marts.execute(
            "select kind_code, kind_subtype, type_code from standard.service_types where kind_code is not null"
        ).fetchall()

    def serves(self, kind_code: str, size_m2: float | None) -> frozenset[str]:
        """What a project's facility serves as. A store with a size to meet is a supermarket, any other one is not."""
        subtype = None if kind_code != "F15" else "convenience_store" if size_m2 is None else "supermarket"
        return frozenset(
            self._serves.get(kind_code, {kind_code})
            | {f"{kind_code}/{subtype}"}
            | {
                f"type/{type_code}"
                for kind, needed, type_code in self._types
                if kind == kind_code and needed in (None, subtype)
            }
        )

    def city(self) -> City:
        marts = self.marts
        spec = Spec.from_rows(
            dicts(
                marts,
                "from intermediate.int_index_nodes where index_code = 'headline' order by step, node_code",
            ),
            name="headline",
        )
        residents = np.zeros(len(self.community_ids))
        for community, people in marts.execute(
            "select community_id, residents from intermediate.int_community_areas where area_level = 'community'"
        ).fetchall():
            residents[self.community[community]] = people
        (city_id,) = marts.execute(
            "select coalesce(max(area_id), '') from intermediate.int_community_areas where area_level = 'city'"
        ).fetchone() or ("",)
        ids = {"community": self.community_ids, "county": self.county_ids, "city": [city_id]}
        return City(
            community_ids=self.community_ids,
            county_ids=self.county_ids,
            city_id=city_id,
            county_of=self.county_of,
            residents=residents,
            building_community=self.building_community,
            layers=self._layers(),
            kind_layers=self._kind_layers(),
            elder_kinds=frozenset(
                kind
                for (kind,) in marts.execute(
                    "select kind_code from intermediate.int_kinds where target_group = 'elder60'"
                ).fetchall()
            ),
            ratios=self._ratios(),
            register={
                (self.county[county], kind): (many, known)
                for county, kind, many, known in marts.execute(
                    """
                    select county_id, kind_code, count(*), count(*) filter (facility_status <> 'unverified')
                    from intermediate.int_facilities
                    where operating_status = 'operating' and county_id is not null group by all
                    """
                ).fetchall()
            },
            size_matters=frozenset(
                code
                for (code,) in marts.execute(
                    "select indicator_code from standard.indicators "
                    "where family = 'coverage' or indicator_code in ('COM-3', 'HLT-3', 'CNV-2')"
                ).fetchall()
            ),
            known_size_min=self.scoring["known_size_min"],
            indicator_min_coverage=self.scoring["indicator_min_coverage"],
            spec=spec,
            values={level: self._values(spec, level, ids[level]) for level in LEVELS},
        )

    def _values(self, spec: Spec, level: str, ids: list[str]) -> Floats:
        rows = {code: at for at, code in enumerate(ids)}
        columns = {leaf.code: at for at, leaf in enumerate(spec.leaves)}
        values = np.full((len(ids), len(columns)), np.nan)
        for area, code, value in self.marts.execute(
            "select area_id, node_code, value from intermediate.int_index_inputs where area_level = ? and value is not null",
            [level],
        ).fetchall():
            if area in rows and code in columns:
                values[rows[area], columns[code]] = value
        return values

    # Who is covered --------------------------------------------------------------------------------------------------

    def _rows(self, sql: str, *parameters: Any) -> Ints:
        """Rows of the buildings that a query names."""
        ids = self.marts.execute(sql, list(parameters)).fetchall()
        return np.array([self.building[code] for (code,) in ids if code in self.building], dtype=np.int64)

    def _open_but(self, rows: Ints) -> Ints:
        more = np.ones(len(self.building_ids), dtype=np.int64)
        more[rows] = 0
        return more

    def _layers(self) -> list[Layer]:
        layers = []
        radii = {
            (code, area_type): radius
            for code, area_type, radius in self.marts.execute(
                "select indicator_code, area_type, radius_m from intermediate.int_indicator_radii"
            ).fetchall()
        }
        for row in dicts(
            self.marts,
            "select indicator_code, target_group from standard.indicators "
            "where (family = 'coverage' and indicator_code <> 'CUL-2') or indicator_code = 'COM-3' order by 1",
        ):
            code = row["indicator_code"]
            covered = self._rows(
                "select building_id from intermediate.int_covered_points where indicator_code = ?", code
            )
            radius_m = np.where(self.is_new, radii[code, "new"], radii[code, "stock"]).astype(np.float64)
            need = _SUPERMARKET if code == "COM-3" else code
            layers.append(
                Layer(code, self.people[row["target_group"]], radius_m, ((need, self._open_but(covered)),))
            )
        return [*layers, self._culture(radii), *self._services(radii)]

    def _culture(self, radii: dict[tuple[str, str], float]) -> Layer:
        """CUL-2: a centre, and so many spaces in all."""
        centres, spaces = (np.zeros(len(self.building_ids), dtype=np.int64) for _ in range(2))
        for building, some, others in self.marts.execute(
            "select building_id, culture_centres, reading_spaces from intermediate.int_surroundings"
        ).fetchall():
            centres[self.building[building]], spaces[self.building[building]] = some, some + others
        venues = int(self.scoring["culture_venues_min"])
        every = venues + int(self.scoring["culture_spaces_min"])
        (group,) = self.marts.execute(
            "select target_group from standard.indicators where indicator_code = 'CUL-2'"
        ).fetchone() or ("all",)
        return Layer(
            "CUL-2",
            self.people[group],
            self._widest(radii, "CUL-2"),
            (("F12", np.maximum(venues - centres, 0)), (_CULTURE, np.maximum(every - spaces, 0))),
        )

    def _services(self, radii: dict[tuple[str, str], float]) -> list[Layer]:
        """CNV-2: each type of service adds one for everybody who has none of it in reach."""
        radius_m = self._widest(radii, "CNV-2")
        if not len(radius_m):
            return []
        distance = "network_m" if has_network(self.marts) else "euclidean_m"
        near: dict[str, list[int]] = {}
        for building, kind in self.marts.execute(
            f"""
            select distinct reach.building_id, serving.type_code
            from staging.stg_access_reach as reach
            inner join intermediate.int_serving_facilities as serving on serving.facility_id = reach.facility_id
            where serving.type_code is not null and serving.kind_code not in ('F12', 'F13')
                and coalesce(reach.{distance} <= ?, false)
            order by 2, 1
            """,
            [float(radius_m[0])],
        ).fetchall():
            near.setdefault(kind, []).append(self.building[building])
        types = self.marts.execute("select type_code from standard.service_types order by 1").fetchall()
        return [
            Layer(
                "CNV-2",
                self.people["all"],
                radius_m,
                ((f"type/{kind}", self._open_but(np.array(near.get(kind, []), dtype=np.int64))),),
            )
            for (kind,) in types
        ]

    def _widest(self, radii: dict[tuple[str, str], float], code: str) -> Floats:
        """One radius everywhere, as int_surroundings has it."""
        radius = max((radii[code, area_type] for area_type in ("new", "stock")), default=0.0)
        return np.full(len(self.building_ids), float(radius))

    def _kind_layers(self) -> dict[str, Layer]:
        layers: dict[str, Layer] = {}
        for kind, group in self.marts.execute(
            "select kind_code, target_group from intermediate.int_kinds order by 1"
        ).fetchall():
            found = self.marts.execute(
                "select building_id, radius_m, is_covered from marts.demand_access where kind_code = ?",
                [kind],
            ).fetchnumpy()
            rows = np.array([self.building[code] for code in found["building_id"]], dtype=np.int64)
            radius_m = np.zeros(len(self.building_ids))
            radius_m[rows] = found["radius_m"]
            more = np.zeros(len(self.building_ids), dtype=np.int64)
            more[rows] = ~np.ma.filled(found["is_covered"], True).astype(bool)
            layers[kind] = Layer(kind, self.people[group], radius_m, ((kind, more),))
        return layers

    # What an indicator is made of ------------------------------------------------------------------------------------

    def _ratios(self) -> dict[str, Ratio]:
        marts = self.marts
        kinds: dict[str, set[str]] = {}
        for code, kind in marts.execute(
            "select indicator_code, kind_code from standard.indicator_kinds"
        ).fetchall():
            kinds.setdefault(code, set()).add(kind)
        least = self.scoring["population_n_min"]
        found = {}
        for row in dicts(
            marts,
            "select indicator_code, multiplier, level, target_group, summed_measure from intermediate.int_indicators "
            "where origin = 'standard' and indicator_code in (select indicator_code from standard.indicator_kinds) "
            "and indicator_code <> 'CNV-3' order by 1",
        ):
            code, is_of_counties = row["indicator_code"], row["level"] == "county"
            units = self.county if is_of_counties else self.community
            many = len(units)
            numerator, denominator = np.zeros(many), np.full(many, np.nan)
            is_blocked, is_size_known = np.zeros(many, dtype=bool), np.ones(many, dtype=bool)
            for area, above, below, reason in marts.execute(
                _RATIOS, {"code": code, "level": row["level"]}
            ).fetchall():
                at = units[area]
                numerator[at], denominator[at] = above, np.nan if below is None else below
                is_size_known[at] = reason != "size_unverified"
                is_blocked[at] = reason not in (None, "size_unverified")
            # Behind a size that is not known may be a group that is not known either.
            place, flag = (
                "county_id" if is_of_counties else "community_id",
                "is_complete" if row["summed_measure"] else "is_known",
            )
            if code not in _OF_ALL:
                for (area,) in marts.execute(
                    f"select distinct {place} from intermediate.int_community_groups "
                    f"inner join staging.stg_communities using (community_id) where group_code = ? and not {flag}",
                    [row["target_group"]],
                ).fetchall():
                    is_blocked[units[area]] = True
            facilities, known = np.zeros(many, dtype=np.int64), np.zeros(many, dtype=np.int64)
            for area, some, some_known in marts.execute(
                f"select {place}, count(*), count(amount) from intermediate.int_facility_measures "
                f"where indicator_code = ? and {place} is not null group by 1",
                [code],
            ).fetchall():
                facilities[units[area]], known[units[area]] = some, some_known
            found[code] = Ratio(
                code=code,
                multiplier=row["multiplier"],
                is_of_counties=is_of_counties,
                kinds=frozenset(kinds[code]),
                measure="count" if code == "HLT-3" else row["summed_measure"],
                numerator=np.round(numerator, 6),
                denominator=np.round(denominator, 6),
                is_blocked=is_blocked,
                is_size_known=is_size_known,
                facilities=facilities,
                facilities_known=known,
                least=least if row["target_group"] is not None else 0.0,
            )
        return found
