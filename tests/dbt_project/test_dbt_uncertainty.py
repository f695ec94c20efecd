"""What is drawn around the index: the twin of the engine, the other ways of judging coverage, and the marts of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from small_city import Build, _dbt

from citycheck.index.engine import Engine, ranks
from citycheck.index.spec import Spec
from citycheck.steps import uncertainty

pytestmark = pytest.mark.dbt
CITIES = pytest.mark.parametrize("city", ["build", "walked"])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, walked: Build) -> Build:
    """The city with streets, with what is drawn and the marts that show it."""
    folder = tmp_path_factory.mktemp("drawn")
    files = {name: f"'{path}'" for name, path in uncertainty.files(folder / "out").items()}
    uncertainty.run(walked.database, folder / "out")
    build = replace(walked, database=folder / "build.duckdb", target=folder / "target")
    shutil.copyfile(walked.database, build.database)
    said = json.loads((walked.target / "run_results.json").read_text(encoding="utf-8"))["args"]["vars"]
    values = said if isinstance(said, dict) else json.loads(said)
    options = ("--exclude-resource-type", "unit_test", "--select", "source:uncertainty+")
    return replace(build, output=_dbt(build, values | {"uncertainty": files}, *options))


@CITIES
@pytest.mark.parametrize("index", ["headline", "equal_weights", "geometric"])
def test_the_engine_in_numpy_is_the_engine_in_sql(request: Any, city: str, index: str) -> None:
    build: Build = request.getfixturevalue(city)
    spec = Spec.from_rows(_dicts(build, f"from intermediate.int_index_nodes where index_code = '{index}'"))
    cells = {
        tuple(key): value
        for *key, value in build.rows(
            "select area_level, area_id, node_code, value from intermediate.int_index_inputs"
        )
    }
    scored = 0
    for level in ("community", "street", "county", "city"):
        ids = sorted({area for of, area, _ in cells if of == level})
        values = [[cells.get((level, area, leaf.code)) for leaf in spec.leaves] for area in ids]
        engine = Engine(spec, np.array(values, dtype=np.float64))
        for node in spec.nodes:
            expected = {
                area: (score, rank)
                for area, score, rank in build.rows(
                    "select area_id, score, rank from intermediate.int_index_scores "
                    "where index_code = ? and area_level = ? and node_code = ?",
                    index,
                    level,
                    node.code,
                )
            }
            scores = [np.nan if expected[area][0] is None else expected[area][0] for area in ids]
            assert engine.scores[node.code] == pytest.approx(np.array(scores), abs=1e-9, nan_ok=True)
            placed = ranks(-np.round(engine.scores[node.code][None], 10))[0]
            assert [None if np.isnan(rank) else int(rank) for rank in placed] == [
                expected[area][1] for area in ids
            ]
            scored += int((~np.isnan(scores)).sum())
    assert scored > 100


@CITIES
@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
def test_coverage_by_straight_line_at_other_speeds(request: Any, city: str, factor: float) -> None:
    """A centre within 300 m, a culture circle of 1,000 m and the types of service within it, counted building by building."""
    build: Build = request.getfixturevalue(city)
    homes = build.rows(
        "select community_id, residents, x_m, y_m from intermediate.int_demand_points order by building_id"
    )
    served = {
        kind: np.array(
            build.rows(
                "select x_m, y_m from intermediate.int_facilities "
                "where kind_code = ? and facility_status = 'compliant'",
                kind,
            )
        ).reshape(-1, 2)
        for kind in ("F01", "F12", "F13")
    }

    def within(kind: str, x: float, y: float, radius_m: float) -> int:
        away = np.hypot(served[kind][:, 0] - x, served[kind][:, 1] - y)
        return int((away <= radius_m * factor).sum())

    counted: dict[tuple[str, str], int] = {}
    people: dict[str, int] = {}
    for community, residents, x, y in homes:
        venues, spaces = within("F12", x, y, 1000), within("F13", x, y, 1000)
        is_covered = {
            "GOV-1": within("F01", x, y, 300) > 0,
            "CUL-2": venues >= 1 and venues + spaces >= 3,
        }
        people[community] = people.get(community, 0) + residents
        for indicator, covered in is_covered.items():
            key = (community, indicator)
            counted[key] = counted.get(key, 0) + residents * covered
    found = build.rows(
        """
        select area_id, indicator_code, value from intermediate.int_area_variants
        where area_level = 'community' and indicator_code in ('GOV-1', 'CUL-2')
            and distance_type = 'euclidean' and walking_factor = ?
        """,
        factor,
    )
    assert len(found) >= 12
    for community, indicator, value in found:
        assert value == pytest.approx(100 * counted[community, indicator] / people[community], abs=1e-9)


def test_no_streets_no_walks(build: Build, walked: Build) -> None:
    sql = "select distinct distance_type from intermediate.int_area_variants order by 1"
    assert build.rows(sql) == [("euclidean",)]
    assert walked.rows(sql) == [("euclidean",), ("network",)]


def test_a_faster_walk_never_covers_fewer(walked: Build) -> None:
    rows = walked.rows(
        """
        select value - lag(value) over (
            partition by area_level, area_id, indicator_code, distance_type order by walking_factor
        ) as gained
        from intermediate.int_area_variants
        qualify gained is not null
        """
    )
    gained = [gain for (gain,) in rows]
    assert min(gained) >= 0 and max(gained) > 0


def test_the_same_bytes_with_any_number_of_processors(
    tmp_path: Path, walked: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for processors in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda processors=processors: processors)
        uncertainty.run(walked.database, tmp_path / str(processors))
    for name, path in uncertainty.files(tmp_path / "1").items():
        assert path.read_bytes() == uncertainty.files(tmp_path / "3")[name].read_bytes(), name


def test_every_scored_area_has_its_interval(drawn: Build) -> None:
    counts = drawn.rows(
        """
        select (select count(*) from marts.index_uncertainty),
            (select count(*) from intermediate.int_index_scores where index_code = 'headline' and step > 0 and score is not null)
        """
    )
    assert counts[0][0] == counts[0][1] > 0


def test_the_wide_marts_show_the_intervals(drawn: Build) -> None:
    for level in ("county", "community"):
        rows = drawn.rows(
            f"""
            select index_score is null, index_low is null or index_high is null or rank_low is null
            from marts.{level}_index
            """
        )
        assert rows and all(has_none == is_without for has_none, is_without in rows)
    ((different, last),) = drawn.rows(
        """
        select count(is_different_from_next), sum(case when rank is not null then 1 else 0 end) - 1
        from marts.county_index
        """
    )
    assert different == last


def test_what_counties_differ_in(drawn: Build) -> None:
    assumptions = drawn.rows("select distinct assumption from marts.index_sensitivities order by 1")
    assert [assumption for (assumption,) in assumptions] == [
        "distance_type",
        "goalposts",
        "mean_type",
        "survey_error",
        "walking_speed",
        "weights",
    ]
    assert drawn.rows("select count(*) from marts.index_comparisons") == [(1,)]
    assert drawn.rows("select count(*) from marts.indicator_correlations") == [(40 * 39 // 2,)]


def test_a_city_without_an_index_has_no_rows(tmp_path: Path, walked: Build) -> None:
    database = tmp_path / "build.duckdb"
    shutil.copyfile(walked.database, database)
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "update intermediate.int_index_inputs set value = null where node_code not like 'GOV%'"
        )
    assert set(uncertainty.run(database, tmp_path / "out").values()) == {0}


def _dicts(build: Build, sql: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(build.database), read_only=True) as connection:
        rows: list[dict[str, Any]] = connection.execute(sql).to_arrow_table().to_pylist()
    return rows
