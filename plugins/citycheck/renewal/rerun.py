"""The SQL that made a release, run again on what facilities that are not there would change.

dbt's compiled models are kept beside the database of a build (`keep`). A question runs those between the register of
facilities and the index in an empty database of the release's name, in which all else is a view onto the release. What a
rule of `_RULES` says of a model is no definition, only where its rows can change: there the model's own SQL is run on the
rows that matter there, and everywhere else the release's rows stay. A model without a rule is run in full.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from citycheck import duck
from citycheck.errors import NotReady
from citycheck.lake.files import read_json, replacing, write_json

MODELS = "models.json"
"""Beside a build's database: the SQL that a question needs."""
_FIRST = ("stg_facilities", "stg_access_nearest", "stg_access_reach")
"""Where facilities come in: from the lake, and with their distances."""
_WANTED = (
    "int_facility_classes", "int_circle_facilities", "stg_walking_edges",  # what the distances are found from
    "kind_access", "int_index_inputs", "int_index_scores",
    "int_index_nodes", "int_variants", "uncertainty", "scoring", "int_area_variants", "int_survey_precision",  # what is drawn
    "int_demand_points", "indicator_kinds", "indicators", "int_indicators", "stg_communities", "int_community_areas",
)  # fmt: skip
_ONLY: Mapping[str, set[str]] = {
    "int_point_communities": {"int_facilities"},
    "demand_access": {"kind_access"},
}
"""Who reads the rows of facilities in a model of places of all kinds: to everyone else nothing has changed. Nor to who
finds the quantiles of distances, which nobody asks for and which cost more than the coverage."""

_NEW = "facility_id in (select facility_id from lake.facilities)"
_HERE = "building_id in (select building_id from asked.points)"
_NEARER = "(building_id, kind_code) in (select building_id, kind_code from asked.nearer)"
_HOME = "building_id in (select building_id from asked.homes)"
_FEW = 10
"""Facilities of which threads would have so little to do each that they only wait for one another."""
_SMALL = 100_000
"""Rows of a relation that are rather copied than asked for one by one who is new."""
_HEADLINE = {"int_index_nodes": "index_code = 'headline'"}


@dataclass(frozen=True)
class _Rule:
    """Where rows of a model can change, and which rows of other models those are made of; both conditions in SQL.

    `{kinds}` are the kinds of the new facilities, `{codes}` the indicators that hang on those, `{their_kinds}` all kinds
    that these hang on, `{counties}` the counties within reach, `{changed}` the indicators with another ratio somewhere.
    """

    where: str = "true"
    reads: Mapping[str, str] = field(default_factory=dict)


_RULES = {
    "stg_facilities": _Rule(_NEW),
    "int_point_communities": _Rule(
        "point_type = 'facility' and point_id in (select facility_id from lake.facilities)",
        dict.fromkeys(("stg_buildings", "stg_estates", "stg_repair_reports"), "false")
        | {"stg_facilities": _NEW},
    ),
    "int_facilities": _Rule(
        _NEW,
        {
            "stg_facilities": f"({_NEW} or facility_id in (select host_facility_id from lake.facilities))",
            "int_point_communities": "point_type = 'facility'",
        },
    ),
    # Of these two nothing of the release is kept: who reads them asks for the new facilities only.
    "int_facility_classes": _Rule(reads={"int_facilities": _NEW}),
    "int_circle_facilities": _Rule(reads={"int_facilities": _NEW}),
    # views that several models read
    "int_outer_facilities": _Rule(),
    "int_facility_measures": _Rule(reads={"indicators": "indicator_code in ({codes})"}),
    "int_indicator_availability": _Rule(reads={"indicator_kinds": "indicator_code in ({codes})"}),
    "int_catchments": _Rule(_NEW, {"stg_access_reach": _NEW}),
    "int_nearest_facilities": _Rule(
        _NEARER, {"stg_access_nearest": f"kind_code in ({{kinds}}) and {_NEARER}"}
    ),
    "demand_access": _Rule(
        _NEARER,
        {
            "int_demand_points": _HERE,
            "int_kinds": "kind_code in ({kinds})",
            "int_nearest_facilities": f"kind_code in ({{kinds}}) and {_NEARER}",
        },
    ),
    "kind_access": _Rule(
        "kind_code in ({kinds})",
        dict.fromkeys(
            ("int_kinds", "demand_access", "int_kind_measures", "int_catchments", "facility_kinds"),
            "kind_code in ({kinds})",
        ),
    ),
    "int_surroundings": _Rule(
        _HERE, dict.fromkeys(("int_demand_points", "stg_access_reach", "stg_access_nearest"), _HERE)
    ),
    "int_covered_points": _Rule(
        _HERE, dict.fromkeys(("int_demand_points", "int_nearest_facilities", "int_surroundings"), _HERE)
    ),
    "int_indicator_ratios": _Rule(
        "indicator_code in ({codes}) and community_id in "
        "(select community_id from staging.stg_communities where county_id in ({counties}))",
        {
            "stg_communities": "county_id in ({counties})",
            "int_demand_points": "county_id in ({counties})",
            "indicators": "indicator_code in ({codes})",
            "int_indicators": "indicator_code in ({codes})",
        },
    ),
    "int_county_indicator_ratios": _Rule(
        "indicator_code in ({codes})", {"indicators": "indicator_code in ({codes})"}
    ),
    "int_area_ratios": _Rule(
        "indicator_code in ({changed})", {"int_indicators": "indicator_code in ({changed})"}
    ),
    "int_index_inputs": _Rule(
        "node_code in ({changed})", {"int_area_ratios": "indicator_code in ({changed})"}
    ),
    # Only the headline of this half-year is asked for, and of that all areas: ranks and spans hang on all.
    "int_index_leaves": _Rule(reads=_HEADLINE | {"int_earlier_inputs": "false"}),
    "int_index_outliers": _Rule(reads=_HEADLINE),
    "int_index_levels": _Rule(reads=_HEADLINE),
    "int_index_scores": _Rule(reads=_HEADLINE),
    "int_variant_numerators": _Rule(
        "(community_id, indicator_code) in (select community_id, indicator_code from asked.served)",
        {
            "stg_access_nearest": f"kind_code in ({{their_kinds}}) and {_HOME}",
            "stg_access_reach": _HOME,
            "int_facilities": "kind_code in ({their_kinds})",
            "int_demand_points": _HOME,
            "indicators": "indicator_code in ({codes})",
        },
    ),
    "int_area_variants": _Rule(
        "indicator_code in ({codes}, {changed})", {"indicators": "indicator_code in ({codes}, {changed})"}
    ),
}


@dataclass(frozen=True)
class Model:
    """A relation of the release; `sql` where it may have to be run."""

    name: str
    relation: str
    reads: tuple[str, ...]
    is_view: bool
    is_changed: bool
    sql: str | None


@dataclass(frozen=True)
class Models:
    """What lies between the facilities and what is asked, each after what it reads."""

    database: str
    models: tuple[Model, ...]

    @classmethod
    def read(cls, path: Path) -> Models:
        kept = read_json(path, "Build the half-year again.")
        return cls(
            kept["database"], tuple(Model(**{**one, "reads": tuple(one["reads"])}) for one in kept["models"])
        )

    @property
    def asked(self) -> set[str]:
        """What a question reads: the rest is there to make the views that are kept."""
        return {*_WANTED, *(read for model in self.models if model.is_changed for read in model.reads)}


def keep(target: Path, path: Path) -> None:
    """Write what of dbt's `target` folder a question needs. Raises `NotReady` when a model has not been compiled."""
    manifest = read_json(target / "manifest.json", "Build the half-year again.")
    nodes = {
        node["unique_id"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }
    above = {
        key: [one for one in node["depends_on"].get("nodes", []) if one in nodes]
        for key, node in nodes.items()
    }
    named = {node["name"]: key for key, node in nodes.items()}
    order: list[str] = []

    def add(key: str) -> None:
        if key not in order:
            for one in above[key]:
                add(one)
            order.append(key)

    for name in (*_WANTED, *_FIRST):
        if name in named:
            add(named[name])
    changed: set[str] = set()
    models = []
    for key in order:
        node = nodes[key]
        name = node["name"]
        reads = tuple(nodes[one]["name"] for one in above[key])
        if name in _FIRST or any(one in changed and name in _ONLY.get(one, {name}) for one in reads):
            changed.add(name)
        is_view = node["config"]["materialized"] == "view"
        is_run = is_view or (name in changed and not name.startswith("stg_access"))
        sql = _compiled(target, node) if is_run else None
        models.append(
            {
                "name": name,
                "relation": node["relation_name"],
                "reads": reads,
                "is_view": is_view,
                "is_changed": name in changed,
                "sql": sql,
            }
        )
    write_json(path, {"database": nodes[named[_FIRST[0]]]["database"], "models": models})


def _compiled(target: Path, node: Mapping[str, Any]) -> str:
    path = target / "compiled" / node["package_name"] / node["original_file_path"]
    if not path.is_file():
        raise NotReady(f"{path}: the model is not compiled. Build the half-year again.")
    sql: str = path.read_text(encoding="utf-8")
    if node["name"] == _FIRST[0]:
        return re.sub(r"read_parquet\((?:'(?:[^']|'')*'|[^')])*\)", "lake.facilities", sql)
    return sql


class Rerun:
    """A release that can be asked again and again; one question at a time."""

    def __init__(self, database: Path, models: Path, cache: Path) -> None:
        """`models` as `keep` wrote them; `cache`: a folder of this release alone, for what hangs on no facility.

        Raises `NotReady` when the release's database is not there, and `BadInput` when the models are not.
        """
        if not database.is_file():
            raise NotReady(f"{database}: the build of the release is not kept. Build the half-year again.")
        self.database = database
        self._models = Models.read(models)
        kept = cache / "kept.duckdb"
        self._lock = threading.Lock()
        self.connection = duck.connect()
        self.connection.execute(f"attach {_text(str(database))} as released (read_only)")
        if not kept.is_file():
            self._keep_views(kept)
        self.connection.execute(f"attach {_text(str(kept))} as kept (read_only)")
        self._small = {
            name
            for (name,) in self.connection.execute(
                "select table_name from duckdb_tables() where database_name = 'released' and estimated_size < ?",
                [_SMALL],
            ).fetchall()
        }

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def asked(
        self, facilities: Any, measure: Callable[[duckdb.DuckDBPyConnection], Mapping[str, Any]]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the release as it would be with `facilities`, a table as the lake keeps them.

        `measure` finds how far the new facilities are: tables `nearest` and `reach`, as steps.access writes them.
        """
        with self._lock, self._database("lake", "asked", "fresh"):
            self.connection.execute("set threads = 1" if len(facilities) <= _FEW else "reset threads")
            self.connection.register("added_facilities", facilities)
            self.connection.execute("create table lake.facilities as from added_facilities")
            self._run(measure)
            yield self.connection

    @contextmanager
    def _database(self, *schemas: str) -> Iterator[None]:
        """An empty database of the name by which the models know the release's."""
        name = f'"{self._models.database}"'
        self.connection.execute(f"attach ':memory:' as {name}")
        try:
            self.connection.execute(f"use {name}")
            for schema in ("standard", "staging", "intermediate", "marts", *schemas):
                self.connection.execute(f"create schema {schema}")
            yield
        finally:
            self.connection.execute("use memory")
            self.connection.execute(f"detach {name}")

    def _keep_views(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, self._database():
            self.connection.execute(f"attach {_text(str(temporary))} as keeping")
            for model in self._models.models:
                if not model.is_view:
                    self.connection.execute(f"create view {model.relation} as from {_released(model)}")
                elif not model.is_changed:
                    self.connection.execute(f"create view {model.relation} as {model.sql}")
                    self.connection.execute(f"create table keeping.{model.name} as from {model.relation}")
            self.connection.execute("detach keeping")

    def _run(self, measure: Callable[[duckdb.DuckDBPyConnection], Mapping[str, Any]]) -> None:
        known, asked = {model.name: model for model in self._models.models}, self._models.asked
        run, sets = self.connection.execute, _Sets(self.connection)
        for name, model in known.items():
            if name in _WITH_NEW:
                if not sets.are_measured:
                    sets.measured(measure(self.connection))
                run(f"create view {model.relation} as {_WITH_NEW[name].format(released=_released(model))}")
            elif not model.is_changed:
                if name not in asked:
                    continue
                run(
                    f"create view {model.relation} as from {f'kept.{name}' if model.is_view else _released(model)}"
                )
            elif model.is_view and name not in _RULES:
                run(f"create view {model.relation} as {model.sql}")
            else:
                self._splice(known, model, sets)

    def _splice(self, known: Mapping[str, Model], model: Model, sets: _Sets) -> None:
        """A model's rows of the release where nothing can change, and those of its SQL everywhere else."""
        rule = _RULES.get(model.name, _Rule())
        where = rule.where.format_map(sets)
        reads = {name: condition.format_map(sets) for name, condition in rule.reads.items()}
        fresh = f"fresh.{model.name}"
        self.connection.execute(
            f"create table {fresh} as select * from ({_narrowed(known, model, reads)}) where {where}"
        )
        rows = f"from {fresh}"
        if where != "true":
            rows += f" union all by name from {_released(model)} where ({where}) is not true"
        what = "table" if where != "true" and model.name in self._small else "view"
        self.connection.execute(f"create {what} {model.relation} as {rows}")


def _released(model: Model) -> str:
    return "released" + model.relation[model.relation.index(".") :]


def _narrowed(known: Mapping[str, Model], model: Model, reads: Mapping[str, str]) -> str:
    """A model's SQL that reads some relations only in part, be it by way of views."""
    assert model.sql is not None
    sql = model.sql
    for name in model.reads:
        read = known[name]
        inner = f"({_narrowed(known, read, reads)})" if _is_inlined(known, read, reads) else read.relation
        if name in reads:
            inner = f"(select * from {inner} where {reads[name]})"
        if inner != read.relation:
            sql = sql.replace(read.relation, inner)
    return sql


def _is_inlined(known: Mapping[str, Model], model: Model, reads: Mapping[str, str]) -> bool:
    """Whether a model is a view, run with every question, that reads one of some relations."""
    return (
        model.is_view
        and model.is_changed
        and model.name not in _RULES
        and any(name in reads or _is_inlined(known, known[name], reads) for name in model.reads)
    )


_CONCERNED = """
create table asked.reach as from added_reach;

-- as steps.access decides: the shorter way, of equally long ones the one without streets, and then the lower code
create table asked.nearer as
with compared as (
    select
        new.*,
        old.euclidean_facility_id as old_euclidean_facility_id,
        old.euclidean_m as old_euclidean_m,
        old.network_facility_id as old_network_facility_id,
        old.network_m as old_network_m,
        old.network_basis as old_network_basis,
        new.euclidean_m is not null and (
            old.euclidean_m is null
            or (new.euclidean_m, new.euclidean_facility_id) < (old.euclidean_m, old.euclidean_facility_id)
        ) as is_straighter,
        new.network_m is not null and (
            old.network_m is null
            or (new.network_m, new.network_basis = 'network', new.network_facility_id)
            < (old.network_m, old.network_basis = 'network', old.network_facility_id)
        ) as is_shorter
    from added_nearest as new
    left join released.staging.stg_access_nearest as old using (building_id, kind_code, facility_class)
)
select
    building_id, kind_code, facility_class,
    if(is_straighter, euclidean_facility_id, old_euclidean_facility_id) as euclidean_facility_id,
    if(is_straighter, euclidean_m, old_euclidean_m) as euclidean_m,
    if(is_shorter, network_facility_id, old_network_facility_id) as network_facility_id,
    if(is_shorter, network_m, old_network_m) as network_m,
    if(is_shorter, network_basis, old_network_basis) as network_basis
from compared
where is_straighter or is_shorter;

create table asked.points as
select building_id, community_id, county_id from intermediate.int_demand_points
where building_id in (select building_id from asked.nearer union select building_id from asked.reach);

create table asked.served as
with nearer as (
    select building_id, kind_code from asked.nearer
    union
    select reach.building_id, facilities.kind_code from asked.reach as reach
    inner join lake.facilities as facilities using (facility_id)
)
select distinct points.community_id, indicator_kinds.indicator_code
from nearer
inner join asked.points as points using (building_id)
inner join standard.indicator_kinds as indicator_kinds using (kind_code);

create table asked.homes as
select building_id from intermediate.int_demand_points
where community_id in (select community_id from asked.served);
"""
_WITH_NEW = {
    "stg_access_nearest": "from asked.nearer union all by name select old.* from {released} as old "
    "anti join asked.nearer using (building_id, kind_code, facility_class)",
    "stg_access_reach": "from asked.reach union all by name from {released}",
}
_LISTS = {
    "kinds": "select distinct kind_code from lake.facilities",
    # what a city has indicators of its own for may hang on any kind
    "codes": """
        select indicator_code from standard.indicator_kinds where kind_code in (select kind_code from lake.facilities)
        union
        select indicator_code from intermediate.int_indicators
        where indicator_code not in (select indicator_code from standard.indicators)
    """,
    "their_kinds": """
        select distinct kind_code from standard.indicator_kinds
        where indicator_code in (
            select indicator_code from standard.indicator_kinds where kind_code in (select kind_code from lake.facilities)
        )
    """,
    # the facilities of a county decide together whether their sizes are known well enough
    "counties": """
        select county_id from asked.points
        union
        select county_id from intermediate.int_facilities
        where county_id is not null and facility_id in (select facility_id from lake.facilities)
    """,
    "changed": """
        select distinct indicator_code from (
            (from fresh.int_indicator_ratios except from released.intermediate.int_indicator_ratios)
            union all by name
            (from fresh.int_county_indicator_ratios except from released.intermediate.int_county_indicator_ratios)
        )
    """,
}
"""Of ratios no row comes or goes with a facility, so that what differs is among the fresh ones."""


class _Sets(dict[str, str]):
    """What the conditions of the rules are about: the tables of the schema `asked`, and lists, made when first needed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__()
        self._connection = connection
        self.are_measured = False

    def __missing__(self, name: str) -> str:
        found = self._connection.execute(_LISTS[name]).fetchall()
        self[name] = ", ".join(_text(value) for (value,) in found) or "''"
        return self[name]

    def measured(self, tables: Mapping[str, Any]) -> None:
        """The new facilities have distances: who is nearer than before, and whom that concerns."""
        for name, table in tables.items():
            self._connection.register(f"added_{name}", table)
        self._connection.execute(_CONCERNED)
        for name in tables:
            self._connection.unregister(f"added_{name}")
        self.are_measured = True


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
