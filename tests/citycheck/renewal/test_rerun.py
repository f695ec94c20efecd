"""A release of a few rows, asked by the SQL that made it."""

from __future__ import annotations

import json

import duckdb
import pyarrow as pa
import pytest

from citycheck.errors import NotReady
from citycheck.renewal import rerun
from citycheck.steps import access

DATABASE = "2026H1"
MODELS = {
    # name: schema, materialised, reads, SQL that dbt has compiled
    "stg_facilities": (
        "staging", "table", [],
        "select facility_id, kind_code, community_id from read_parquet(['/lake (1)/a''b.parquet'])",
    ),
    "indicator_kinds": ("standard", "seed", [], None),
    "int_demand_points": ("intermediate", "table", [], "never run"),
    "int_names": (
        "intermediate", "view", ["int_demand_points"], "select distinct community_id, 1 as one from {int_demand_points}",
    ),
    "stg_access_nearest": ("staging", "table", [], "never run"),
    "stg_access_reach": ("staging", "table", [], "never run"),
    "int_counts": (
        "intermediate", "view", ["stg_facilities"],
        "select community_id, count(*) as facilities from {stg_facilities} group by community_id",
    ),
    "kind_access": (
        "marts", "table", ["int_counts", "int_names", "stg_access_nearest", "stg_access_reach"],
        "with final as (select * from {int_counts} inner join {int_names} using (community_id)) select * from final",
    ),
}  # fmt: skip
NEAREST = (
    "building_id", "kind_code", "facility_class", "euclidean_facility_id", "euclidean_m", "network_facility_id", "network_m",
    "network_basis",
)  # fmt: skip


def relation(name):
    return f'"{DATABASE}"."{MODELS[name][0]}"."{name}"'


@pytest.fixture
def target(tmp_path):
    """dbt's folder after a build."""
    folder = tmp_path / "dbt"
    nodes = {}
    for name, (schema, materialised, reads, sql) in MODELS.items():
        path = f"models/{name}.sql"
        nodes[f"model.p.{name}"] = {
            "unique_id": f"model.p.{name}",
            "name": name,
            "resource_type": "seed" if materialised == "seed" else "model",
            "package_name": "p",
            "original_file_path": path,
            "relation_name": relation(name),
            "database": DATABASE,
            "schema": schema,
            "config": {"materialized": materialised},
            "depends_on": {"nodes": [f"model.p.{one}" for one in reads] + ["source.p.lake"]},
        }
        if sql is not None:
            (folder / "compiled" / "p" / "models").mkdir(parents=True, exist_ok=True)
            text = sql.format(**{one: relation(one) for one in MODELS})
            (folder / "compiled" / "p" / path).write_text(text, "utf-8")
    (folder / "manifest.json").write_text(json.dumps({"nodes": nodes}), "utf-8")
    return folder


@pytest.fixture
def release(tmp_path, target, monkeypatch):
    """Facility A in community U1, none in U2; building B1 is 100 m from it, B2 exactly as far as from a new one."""
    monkeypatch.setattr(rerun, "_WANTED", ("int_demand_points", "indicator_kinds", "kind_access"))
    monkeypatch.setattr(rerun, "_RULES", {"stg_facilities": rerun._RULES["stg_facilities"]})
    database = tmp_path / "2026H1.duckdb"
    with duckdb.connect(str(database)) as marts:
        for schema in ("standard", "staging", "intermediate", "marts"):
            marts.execute(f"create schema {schema}")
        marts.execute(
            "create table staging.stg_facilities as select 'A' as facility_id, 'F08' as kind_code, 'U1' as community_id"
        )
        marts.execute(
            "create table standard.indicator_kinds as select 'ELD-3' as indicator_code, 'F08' as kind_code"
        )
        marts.execute(
            "create table intermediate.int_demand_points as "
            "from (values ('B1', 'U1', 'C'), ('B2', 'U2', 'C'), ('B3', 'U2', 'C')) as of(building_id, community_id, county_id)"
        )
        marts.execute(
            "create table staging.stg_access_nearest as from (values "
            "('B1', 'F08', 'counting', 'A', 100.0, 'A', 150.0, 'network'), "
            "('B2', 'F08', 'counting', 't', 300.0, 't', 400.0, 'network')) "
            f"as of({', '.join(NEAREST)})"
        )
        marts.execute(
            "create table staging.stg_access_reach as select 'B1' as building_id, 'A' as facility_id, 100.0 as euclidean_m, "
            "150.0 as network_m, 'network' as network_basis"
        )
        marts.execute(
            "create table marts.kind_access as select 'U1' as community_id, 1 as facilities, 1 as one"
        )
    rerun.keep(target, tmp_path / "models.json")
    with_new = rerun.Rerun(database, tmp_path / "models.json", tmp_path / "cache")
    yield with_new
    with_new.close()


def facilities(*rows):
    return pa.Table.from_pylist(
        [{"facility_id": key, "kind_code": "F08", "community_id": unit} for key, unit in rows]
    )


def measured(*rows):
    nearest = pa.Table.from_pylist(
        [dict(zip(NEAREST, row, strict=True)) for row in rows], schema=access.SCHEMAS["nearest"]
    )
    reach = pa.table({name: pa.array([], pa.string()) for name in ("building_id", "facility_id")})
    return lambda _: {"nearest": nearest, "reach": reach}


FAR = measured(("B3", "F08", "counting", "s", 900.0, None, None, None))


def test_a_question_sees_the_release_with_the_facilities_and_the_next_does_not(release):
    for new, expected in (
        ([("s", "U2"), ("t", "U2")], [("U1", 1, 1), ("U2", 2, 1)]),
        ([("s", "U1")], [("U1", 2, 1)]),
    ):
        with release.asked(facilities(*new), FAR) as asked:
            rows = asked.execute(
                "select community_id, facilities, one from marts.kind_access order by 1"
            ).fetchall()
        assert rows == expected
    assert release.connection.execute("from released.marts.kind_access").fetchall() == [("U1", 1, 1)]


def test_what_hangs_on_no_facility_is_kept_and_made_again_when_it_is_gone(release, tmp_path):
    kept = tmp_path / "cache" / "kept.duckdb"
    with duckdb.connect(str(kept), read_only=True) as views:
        assert views.execute("from int_names order by 1").fetchall() == [("U1", 1), ("U2", 1)]
        assert [name for (name,) in views.execute("select table_name from duckdb_tables()").fetchall()] == [
            "int_names"
        ]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        # nearer by both ways
        (("B1", "s", 90.0, "s", 140.0, "network"), ("s", 90.0, "s", 140.0, "network")),
        # nearer by straight line only: the walk stays
        (("B1", "s", 90.0, "s", 160.0, "network"), ("s", 90.0, "A", 150.0, "network")),
        # as near as the old one: the lower code
        (("B2", "s", 300.0, "s", 400.0, "network"), ("s", 300.0, "s", 400.0, "network")),
        (("B1", "s", 100.0, "s", 150.0, "network"), None),
        # as far as the old walk, but estimated: where no street is comes first, as when a building is measured
        (("B1", "s", 100.0, "s", 150.0, "detour_factor"), ("A", 100.0, "s", 150.0, "detour_factor")),
        # nobody was near
        (("B3", "s", 900.0, None, None, None), ("s", 900.0, None, None, None)),
        (("B1", "s", 101.0, None, None, None), None),
    ],
)
def test_the_nearest_is_chosen_as_when_all_are_measured_together(release, new, expected):
    building, *distances = new
    with release.asked(facilities(("s", "U2")), measured((building, "F08", "counting", *distances))) as asked:
        found = asked.execute(
            f"select {', '.join(NEAREST[3:])} from staging.stg_access_nearest where building_id = ?",
            [building],
        ).fetchall()
        points = asked.execute("select building_id from asked.points").fetchall()
        assert asked.execute("select count(*) from staging.stg_access_nearest").fetchall() == [
            (2 + (building == "B3"),)
        ]
    before = {"B1": ("A", 100.0, "A", 150.0, "network")}
    assert found == [expected or before[building]]
    assert points == ([(building,)] if expected else [])


def test_a_model_that_is_not_compiled_is_told(target, tmp_path):
    (target / "compiled" / "p" / "models" / "int_counts.sql").unlink()
    with pytest.raises(NotReady, match=r"int_counts\.sql: the model is not compiled"):
        rerun.keep(target, tmp_path / "models.json")
    with pytest.raises(NotReady, match="the build of the release is not kept"):
        rerun.Rerun(tmp_path / "nothing.duckdb", tmp_path / "models.json", tmp_path / "cache")
