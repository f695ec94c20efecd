"""What facilities that are not there would change of a release: the release's own SQL and draws, run on what they concern.

    with WhatIf(Rerun(database, models, cache), cache) as release:
        effects = release.effects([Addition("F08", 118.8735, 28.9402, 300.0)])

Every figure is that of the half-year built again with the facilities among its inputs, to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from citycheck.index import sobol
from citycheck.index import uncertainty as assumed
from citycheck.lake.files import replacing
from citycheck.lake.tables import tables
from citycheck.renewal.additions import Addition
from citycheck.renewal.rerun import Rerun
from citycheck.steps import access, uncertainty

LEVELS = ("city", "county", "street", "community")
_ROOT = "index"


@dataclass(frozen=True)
class Change:
    """A figure without and with the facilities; null where there is none."""

    before: float | None
    after: float | None


@dataclass(frozen=True)
class Standing:
    """The index of an area and its rank, each with its interval; null where there is none."""

    index: float | None = None
    index_low: float | None = None
    index_high: float | None = None
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None


@dataclass(frozen=True)
class Effect:
    """An area of which something is another with the additions than without; only what is another is told."""

    area_level: str
    area_id: str
    area_name: str
    before: Standing
    after: Standing
    covered: dict[str, Change] = field(default_factory=dict)
    """People of whom a kind is meant within reach of one that counts, by kind."""
    indicators: dict[str, Change] = field(default_factory=dict)
    indicator_scores: dict[str, Change] = field(default_factory=dict)
    dimensions: dict[str, Change] = field(default_factory=dict)


class WhatIf:
    """A release that can be asked again and again; one question at a time, from any thread."""

    def __init__(self, rerun: Rerun, cache: Path, *, detour_factor: float | None = None) -> None:
        """`cache`: a folder of this build alone, which may be deleted at any time."""
        self._rerun, self._cache, self._detour_factor = rerun, cache, detour_factor
        if not (cache / "access" / "unusable.parquet").is_file():
            access.prepare(rerun.database, cache / "access")

    def __enter__(self) -> WhatIf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._rerun.close()

    def effects(self, additions: Sequence[Addition]) -> list[Effect]:
        """What the additions would change together; the city first, then by level and code."""
        if not additions:
            return []
        with self._rerun.asked(facilities(additions), self._measured) as release:
            return self._compared(release)

    def _measured(self, release: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
        """Distances to the new facilities, county by county as a build finds them."""
        near = release.execute(
            """
            with counties as (
                select county_id, min(x_m) - limits.value as x_low, max(x_m) + limits.value as x_high,
                    min(y_m) - limits.value as y_low, max(y_m) + limits.value as y_high
                from intermediate.int_demand_points
                cross join (from standard.scoring where parameter = 'access_search_limit_m') as limits
                group by county_id, limits.value
            )
            select distinct county_id from counties
            inner join intermediate.int_facility_classes on x_m between x_low and x_high and y_m between y_low and y_high
            order by county_id
            """
        ).fetchall()
        found: dict[str, list[pa.Table]] = {"nearest": [], "reach": []}
        for (county,) in near:
            ways = access.measured(
                release, county, self._cache / "access" / "unusable.parquet", self._detour_factor
            )
            for name, rows in found.items():
                rows += ways[name]
        return {
            name: pa.concat_tables([access.SCHEMAS[name].empty_table(), *rows])
            for name, rows in found.items()
        }

    def _compared(self, release: duckdb.DuckDBPyConnection) -> list[Effect]:
        changes: dict[str, dict[tuple[str, str], dict[str, Change]]] = {}
        for name, sql in _FIGURES.items():
            of: dict[tuple[str, str], dict[str, Change]] = defaultdict(dict)
            for level, area, code, before, after in release.execute(sql).fetchall():
                of[level, area][code] = Change(before, after)
            changes[name] = of
        standings = self._standings(release)
        names = release.execute(
            "select distinct area_level, area_id, area_name from intermediate.int_community_areas"
        ).fetchall()
        effects = []
        for level, area, area_name in sorted(names, key=lambda row: (LEVELS.index(row[0]), row[1])):
            before, after = standings.get((level, area), (Standing(), Standing()))
            told = {name: of[level, area] for name, of in changes.items() if (level, area) in of}
            if told or before != after:
                effects.append(Effect(level, area, area_name, before, after, **told))
        return effects

    def _standings(
        self, release: duckdb.DuckDBPyConnection
    ) -> dict[tuple[str, str], tuple[Standing, Standing]]:
        intervals = {
            (row["area_level"], row["area_id"]): row
            for row in release.execute(
                "select * from released.staging.stg_uncertainty_intervals where node_code = ?", [_ROOT]
            )
            .to_arrow_table()
            .to_pylist()
        }
        levels = [level for (level,) in release.execute(_OTHER_LEVELS).fetchall()]
        again = intervals | {
            (row["area_level"], row["area_id"]): uncertainty.written(row)
            for row in self._drawn(release, levels)
        }
        return {
            (level, area): (
                _standing(score_before, rank_before, intervals.get((level, area))),
                _standing(score, rank, again.get((level, area))),
            )
            for level, area, score_before, rank_before, score, rank in release.execute(_SCORES).fetchall()
        }

    def _drawn(self, release: duckdb.DuckDBPyConnection, levels: Sequence[str]) -> list[dict[str, Any]]:
        """The index and its rank with their intervals, of all areas of the levels."""
        if not levels:
            return []
        settings, assumptions = uncertainty.settings_of(release), uncertainty.assumptions_of(release)
        points = self._points(settings, assumptions.width)
        return [
            row
            for draws in uncertainty.drawn(release, assumptions, settings, levels).values()
            for row in assumed.intervals(draws, points, [_ROOT], settings.level)
        ]

    def _points(self, settings: assumed.Settings, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The points of the draws, which are the same for every question."""
        path = self._cache / f"points-{settings.draws}-{width}-{settings.seed}.npy"
        try:
            return np.asarray(np.load(path))
        except (OSError, ValueError):
            points, _ = sobol.points(settings.draws, width, settings.seed)
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, points)
            return points


def facilities(additions: Sequence[Addition]) -> pa.Table:
    """The additions as the lake keeps facilities."""
    schema = tables()["facilities"].schema
    rows = [one.row(number) for number, one in enumerate(additions, 1)]
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def _standing(score: float | None, rank: int | None, interval: Mapping[str, Any] | None) -> Standing:
    if interval is None:
        return Standing(score, rank=rank)
    low, high = interval["score_low"], interval["score_high"]
    return Standing(score, low, high, rank, interval["rank_low"], interval["rank_high"])


_PAIRS = """
select after.area_level, after.area_id, after.{code}, before.{figure}, after.{figure}
from {fresh} as after
inner join released.{relation} as before using (area_level, area_id, {code})
where after.{figure} is distinct from before.{figure} {which}
order by all
"""
_NODES = "and before.index_code = 'headline' and after.index_code = 'headline' and after.parent_code {}"
_FIGURES = {
    "covered": _PAIRS.format(
        code="kind_code",
        figure="covered_population",
        relation="marts.kind_access",
        fresh="fresh.kind_access",
        which="",
    ),
    "indicators": _PAIRS.format(
        code="node_code",
        figure="value",
        relation="intermediate.int_index_inputs",
        fresh="fresh.int_index_inputs",
        which="",
    ),
    **{
        name: _PAIRS.format(
            code="node_code",
            figure="score",
            relation="intermediate.int_index_scores",
            fresh="fresh.int_index_scores",
            which=_NODES.format("is not null") + f" and after.step {step}",
        )
        for name, step in (("indicator_scores", "= 0"), ("dimensions", "> 0"))
    },
}
_SCORES = """
select after.area_level, after.area_id, before.score, before.rank, after.score, after.rank
from fresh.int_index_scores as after
inner join released.intermediate.int_index_scores as before using (index_code, area_level, area_id, node_code)
where index_code = 'headline' and after.parent_code is null
"""
_OTHER_LEVELS = """
select distinct area_level from (
    (from fresh.int_index_inputs except from released.intermediate.int_index_inputs)
    union all by name
    (select area_level from (from fresh.int_area_variants except from released.intermediate.int_area_variants))
)
order by area_level
"""
"""The levels at which a draw can come out otherwise."""
