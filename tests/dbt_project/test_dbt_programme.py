"""Where projects could stand, what each would bring and what a budget buys, on a built city; the simulator is the oracle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from small_city import Build, _dbt

from citycheck import duck
from citycheck.renewal.additions import Addition
from citycheck.renewal.rerun import Rerun, keep
from citycheck.renewal.whatif import WhatIf
from citycheck.steps import renewal

pytestmark = pytest.mark.dbt


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, walked: Build) -> Build:
    """The city with streets, with its projects and the marts that show them."""
    folder = tmp_path_factory.mktemp("planned")
    renewal.run(walked.database, walked.database.parent / "access", folder / "out")
    files = {name: f"'{path}'" for name, path in renewal.files(folder / "out").items()}
    build = replace(walked, database=folder / "build.duckdb", target=folder / "target")
    shutil.copyfile(walked.database, build.database)
    said = json.loads((walked.target / "run_results.json").read_text(encoding="utf-8"))["args"]["vars"]
    values = said if isinstance(said, dict) else json.loads(said)
    options = ("--exclude-resource-type", "unit_test", "--select", "source:renewal+")
    return replace(build, output=_dbt(build, values | {"renewal": files}, *options))


def test_every_shortfall_has_a_place(planned: Build) -> None:
    assert planned.rows(
        "select count(*) from intermediate.int_project_candidates where origin_code = 'shortfall'"
    ) == planned.rows("select count(*) from staging.stg_renewal_sites")
    assert planned.rows(
        "select count(*) > 0 from staging.stg_renewal_sites where site_type <> 'to_be_found'"
    ) == [(True,)]
    assert planned.rows(
        "select count(*) from staging.stg_renewal_sites where (site_type = 'to_be_found') <> (site_id is null)"
    ) == [(0,)]


def test_the_marts_have_what_the_step_found(planned: Build) -> None:
    assert planned.rows("select count(*) > 0 from marts.project_effects") == [(True,)]
    for mart, relation in (
        ("project_effects", "effects"),
        ("programme_frontier", "frontier"),
        ("programme_projects", "frontier_projects"),
    ):
        assert planned.rows(f"select count(*) from marts.{mart}") == planned.rows(
            f"select count(*) from staging.stg_renewal_{relation}"
        )


def test_a_larger_budget_never_brings_less_and_greedy_never_more(planned: Build) -> None:
    assert planned.rows("select count(*) from marts.programme_frontier") == [(20,)]
    assert planned.rows(
        """
        select count(*) from (
            select *, lag(bound) over (partition by objective_code order by budget_cny) as bound_before
            from marts.programme_frontier
        )
        where cost_cny > budget_cny or value > bound + 1e-9 or bound < bound_before - 1e-6
            or objective_code = 'elders_covered' and greedy_value > value + 1e-9
        """
    ) == [(0,)]


def test_the_same_database_gives_the_same_bytes(tmp_path: Path, walked: Build) -> None:
    access = walked.database.parent / "access"
    for name in ("one", "other"):
        renewal.run(walked.database, access, tmp_path / name)
    for name, path in renewal.files(tmp_path / "one").items():
        assert path.read_bytes() == renewal.files(tmp_path / "other")[name].read_bytes(), name


def test_a_city_without_candidates_has_no_rows(tmp_path: Path, walked: Build) -> None:
    database = tmp_path / "build.duckdb"
    shutil.copyfile(walked.database, database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("delete from intermediate.int_project_candidates")
    assert set(renewal.run(database, walked.database.parent / "access", tmp_path / "out").values()) == {0}


@pytest.mark.slow
def test_each_effect_is_what_the_simulator_says(tmp_path: Path, walked: Build) -> None:
    keep(walked.target, tmp_path / "models.json")
    with duck.connect(walked.database, read_only=True) as marts:
        projects = renewal.read(marts, walked.database.parent / "access", None)
    points: dict[str, dict[tuple[str, str, str], float]] = {}
    for row in renewal._effects(projects):
        key = row["area_level"], row["area_id"], row["node_code"]
        points.setdefault(row["candidate_id"], {})[key] = row["points"]
    first = {row["kind_code"]: row for row in reversed(projects.rows)}
    asked = Rerun(walked.database, tmp_path / "models.json", tmp_path)
    with WhatIf(asked, tmp_path) as release:
        for kind, row in sorted(first.items()):
            addition = Addition.of_project(row | {"site_lon": row["lon"], "site_lat": row["lat"]})
            expected = {}
            for effect in release.effects([addition]):
                changes = {**effect.indicator_scores, **effect.dimensions}
                found = {code: (one.before, one.after) for code, one in changes.items()}
                found["index"] = effect.before.index, effect.after.index
                for code, (before, after) in found.items():
                    if (
                        effect.area_level != "street"
                        and before is not None
                        and after is not None
                        and after != before
                    ):
                        expected[effect.area_level, effect.area_id, code] = after - before
            assert points.get(row["candidate_id"], {}) == pytest.approx(expected, abs=1e-9), kind
