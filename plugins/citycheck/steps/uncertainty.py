"""How far the index may be trusted: from the marts' database to the files that dbt reads as its source `uncertainty`.

The same database gives the same bytes, whatever the number of processors: every draw comes from the standard's seed, and
every part of the work writes only its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck
from citycheck.errors import NotReady
from citycheck.index import sobol
from citycheck.index import uncertainty as assumed
from citycheck.index.spec import Spec
from citycheck.lake.files import replacing

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
SCHEMAS = {
    "intervals": pa.schema(
        [(name, _TEXT) for name in ("area_level", "area_id", "node_code")]
        + [(name, _NUMBER) for name in ("score", "score_low", "score_high", "score_median")]
        + [(name, _COUNT) for name in ("rank", "rank_low", "rank_high")]
    ),
    "comparisons": pa.schema(
        [(name, _TEXT) for name in ("area_level", "area_id", "other_area_id")]
        + [(name, _NUMBER) for name in ("difference", "difference_low", "difference_high")]
        + [("is_different", pa.bool_())]
    ),
    "sensitivities": pa.schema(
        [("output", _TEXT), ("assumption", _TEXT)]
        + [
            (name, _NUMBER)
            for share in ("first_order", "total")
            for name in (share, f"{share}_low", f"{share}_high")
        ]
    ),
    "removals": pa.schema(
        [(name, _TEXT) for name in ("indicator_code", "area_level", "area_id")]
        + [("score", _NUMBER), ("score_without", _NUMBER), ("rank", _COUNT), ("rank_without", _COUNT)]
    ),
    "correlations": pa.schema(
        [(name, _TEXT) for name in ("node_a", "node_b", "finding")]
        + [("n", _COUNT), ("pearson", _NUMBER), ("spearman", _NUMBER)]
    ),
}
_DECIMALS = 9
"""Of what is written: the last bits of a logarithm differ between processors."""
_HEADLINE, _COMPARED, _CORRELATED = "headline", "county", "community"
_LEVELS = ("city", "county", "street", "community")


def files(folder: Path) -> dict[str, Path]:
    """Where dbt finds each relation of its source `uncertainty`."""
    return {name: folder / f"{name}.parquet" for name in SCHEMAS}


def run(database: Path, out: Path) -> dict[str, int]:
    """Draw, and write a file for each relation; returns the rows of each, none where no area has an index.

    Raises `NotReady` when the marts are not built, and `BadInput` when the seed `uncertainty` makes no sense.
    """
    if not database.is_file():
        raise NotReady(f"{database}: the marts are not built. Run the task `dbt_build` first.")
    with duck.connect(database, read_only=True) as marts:
        settings, assumptions = settings_of(marts), assumptions_of(marts)
        of = drawn(marts, assumptions, settings)
    spec, rows = assumptions.spec, dict[str, list[dict[str, Any]]]((name, []) for name in SCHEMAS)
    a, b = sobol.points(settings.draws, assumptions.width, settings.seed)
    nodes = [group.code for group in spec.groups]
    if any(not np.isnan(draws.engine.scores[spec.root.code]).all() for draws in of.values()):
        for draws in of.values():
            rows["intervals"] += assumed.intervals(draws, a, nodes, settings.level)
        counties, communities = of[_COMPARED], of[_CORRELATED]
        scores = counties.scores(a, [spec.root.code])[spec.root.code]
        rows["comparisons"] += assumed.comparisons(counties, scores, settings.level)
        rows["sensitivities"] += assumed.sensitivities(counties, a, b, settings)
        rows["removals"] += assumed.removals(spec, counties.areas)
        rows["correlations"] += assumed.correlations(spec, communities.areas, settings)
    paths = files(out)
    return {name: _write(paths[name], rows[name], schema) for name, schema in SCHEMAS.items()}


def drawn(
    marts: duckdb.DuckDBPyConnection,
    assumptions: assumed.Assumptions,
    settings: assumed.Settings,
    levels: Iterable[str] = _LEVELS,
) -> dict[str, assumed.Draws]:
    """The index of each level that has areas, ready to be drawn."""
    areas = {level: _areas(marts, assumptions, level) for level in levels}
    return {
        level: assumed.Draws.of(assumptions, found, settings.seed)
        for level, found in areas.items()
        if found.ids
    }


def settings_of(marts: duckdb.DuckDBPyConnection) -> assumed.Settings:
    """The constants of the standard that the marts were built with, whatever its seed says by now."""
    scoring = dict(marts.execute("select parameter, value from standard.scoring").fetchall())
    return assumed.Settings(
        draws=int(scoring["uncertainty_draws"]),
        seed=int(scoring["uncertainty_seed"]),
        level=scoring["uncertainty_level_pct"] / 100,
        bootstraps=int(scoring["uncertainty_bootstraps"]),
        redundant_correlation_min=scoring["redundant_correlation_min"],
        opposed_correlation_max=scoring["opposed_correlation_max"],
        correlation_n_min=int(scoring["correlation_n_min"]),
    )


def assumptions_of(marts: duckdb.DuckDBPyConnection) -> assumed.Assumptions:
    """What is drawn of the headline index, and how."""
    spec = Spec.from_rows(
        _dicts(
            marts,
            "from intermediate.int_index_nodes where index_code = $1 order by step, node_code",
            _HEADLINE,
        ),
        name=_HEADLINE,
    )
    variants = _dicts(marts, "from intermediate.int_variants order by distance_type, walking_factor")
    return assumed.Assumptions(
        _dicts(marts, "from standard.uncertainty order by assumption, option_code"),
        spec,
        list(dict.fromkeys(row["distance_type"] for row in variants)),
        list(dict.fromkeys(row["walking_speed"] for row in variants)),
    )


def _areas(marts: duckdb.DuckDBPyConnection, assumptions: assumed.Assumptions, level: str) -> assumed.Areas:
    """The areas of a level with the values of their indicators, by other ways of judging coverage, and their errors."""
    leaves = [leaf.code for leaf in assumptions.spec.leaves]
    ids = [
        area
        for (area,) in marts.execute(
            "select distinct area_id from intermediate.int_index_inputs where area_level = ? order by 1",
            [level],
        ).fetchall()
    ]
    rows = {area: place for place, area in enumerate(ids)}
    columns = {code: place for place, code in enumerate(leaves)}

    def asked(select: str) -> list[tuple[Any, ...]]:
        found = marts.execute(select, [level]).fetchall()
        return [row for row in found if row[0] in rows and row[1] in columns]

    values = np.full((len(ids), len(leaves)), np.nan)
    for area, code, value in asked(
        "select area_id, node_code, value from intermediate.int_index_inputs where area_level = ? and value is not null"
    ):
        values[rows[area], columns[code]] = value
    ways = {
        (distance_type, walking_speed): place
        for place, (distance_type, walking_speed) in enumerate(
            (distance_type, walking_speed)
            for distance_type in assumptions.distance_types
            for walking_speed in assumptions.walking_speeds
        )
    }
    variants: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for area, code, distance_type, walking_speed, value in asked(
        "select area_id, indicator_code, distance_type, walking_speed, value from intermediate.int_area_variants "
        "where area_level = ? order by indicator_code, area_id"
    ):
        if code not in variants:
            variants[code] = np.tile(values[:, columns[code]], (len(ways), 1))
        variants[code][ways[distance_type, walking_speed], rows[area]] = value
    errors: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    # Where more answered than are known to live there, everybody was asked: no error.
    for area, code, error in asked(
        "select area_id, indicator_code, coalesce(standard_error_pct, 0) from intermediate.int_survey_precision "
        "where area_level = ? order by indicator_code, area_id"
    ):
        errors.setdefault(code, np.zeros(len(ids)))[rows[area]] = error
    return assumed.Areas(level, ids, values, variants, errors)


def _dicts(marts: duckdb.DuckDBPyConnection, sql: str, *parameters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = marts.execute(sql, list(parameters)).to_arrow_table().to_pylist()
    return found


def _write(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write sorted rows; returns how many."""
    keys = [field.name for field in schema if field.type == _TEXT and field.name != "finding"]
    ordered = [written(row) for row in sorted(rows, key=lambda row: [row[key] for key in keys])]
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(ordered, schema=schema), temporary, compression="zstd")
    return len(ordered)


def written(row: dict[str, Any]) -> dict[str, Any]:
    """A row with as many decimals as are written."""
    return {name: round(cell, _DECIMALS) if isinstance(cell, float) else cell for name, cell in row.items()}
