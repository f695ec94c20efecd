"""What a map of communities shows: a value per community, and the classes that give it a colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import duckdb

from citycheck.release.about import Words
from citycheck.release.flat import rows
from citycheck.report.figures import number
from citycheck.report.words import INDEX, REPORTS, unit

COLOURS = ("#ffffd0", "#c7e9b4", "#7fcdbb", "#41b6c4", "#3b8bc2", "#253494")
"""From low to high, told apart by the colour-blind and in grey."""
INDEX_BREAKS = (40.0, 50.0, 60.0, 70.0, 80.0)
"""Fixed, like the goalposts, so that colours compare between half-years; 60, 70, 80 are the bands' bounds."""
_SHARE = 0.65
"""Share of the communities for which an indicator must be known."""


@dataclass(frozen=True)
class Measure:
    """`values` by community and `counties` by county; `breaks` are the bounds of the classes; `unit` in Chinese."""

    name: Words
    unit: str
    breaks: tuple[float, ...]
    values: Mapping[str, float | None]
    counties: Mapping[str, float | None]

    def step(self, value: float | None) -> int | None:
        """The class of a value, 0 to 5; fewer classes are spread over the same colours. None: insufficient data."""
        if value is None:
            return None
        at = sum(value >= bound for bound in self.breaks)
        return round(at * (len(COLOURS) - 1) / len(self.breaks)) if self.breaks else 0

    @property
    def legend(self) -> list[tuple[int | None, str]]:
        if not self.breaks:
            return []
        bounds = [number(bound, 0 if bound == round(bound) else 2) for bound in self.breaks]
        between = (f"{low}–{high}" for low, high in pairwise(bounds))
        texts = [f"< {bounds[0]}", *between, f"≥ {bounds[-1]}"]
        return [(self.step(low), text) for low, text in zip((-inf, *self.breaks), texts, strict=True)]


def index_step(score: float) -> int:
    """The class of an index or of a dimension's score."""
    return sum(score >= bound for bound in INDEX_BREAKS)


def measure(connection: duckdb.DuckDBPyConnection) -> Measure:
    """The index; without any, the indicator known for most communities; else reports per 1,000 residents."""
    communities, counties = (
        {
            row["area_id"]: row
            for row in rows(connection, f"select * from marts.{level}_index order by area_id")
        }
        for level in ("community", "county")
    )
    by_index, counties_by_index, reports, counties_reports = (
        {id_: row[column] for id_, row in areas.items()}
        for column in ("index_score", "reports_per_1000")
        for areas in (communities, counties)
    )
    if any(value is not None for value in by_index.values()):
        return Measure(INDEX, "分", INDEX_BREAKS, by_index, counties_by_index)
    if found := _best_indicator(connection, len(communities)):
        return found
    known = sorted(value for value in reports.values() if value is not None)
    quantiles = [known[len(known) * n // len(COLOURS)] for n in range(1, len(COLOURS))] if known else []
    breaks = tuple(sorted({float(f"{value:.2g}") for value in quantiles}))
    return Measure(REPORTS, "件", breaks, reports, counties_reports)


def _best_indicator(connection: duckdb.DuckDBPyConnection, communities: int) -> Measure | None:
    best = rows(
        connection,
        """
        select
            indicator_code as code, value.unit, named.name_zh, named.name_en, named.goalpost_low, named.goalpost_high
        from marts.indicators as value join marts.indicator_definitions as named using (indicator_code)
        where named.is_scored and value.area_level = 'community' and value.value is not null and value.status = 'ok'
        group by all
        having count(*) >= ?
        order by count(*) desc, any_value(named.weight) desc, indicator_code
        limit 1
        """,
        [_SHARE * communities],
    )
    if not best:
        return None
    (of,) = best
    values, counties = (
        dict(
            connection.execute(
                "select area_id, value from marts.indicators "
                "where area_level = ? and indicator_code = ? and status = 'ok' order by area_id",
                [level, of["code"]],
            ).fetchall()
        )
        for level in ("community", "county")
    )
    low, high = sorted((float(of["goalpost_low"]), float(of["goalpost_high"])))
    classes = len(COLOURS) - 1
    breaks = tuple(low + (high - low) * n / classes for n in range(1, classes))
    return Measure(Words(of["name_zh"], of["name_en"]), unit(of["unit"]).zh, breaks, values, counties)
