"""The page of a release: one HTML file that opens from anywhere, in Chinese and English, without a network.

Every number on it is read from the marts and rounded here. Texts from the data are escaped by Jinja.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from citycheck.release.about import FEEDS, Words, describe, half_year, moment
from citycheck.report.map import draw

Row = dict[str, Any]
_INDEX_BREAKS = (40.0, 50.0, 60.0, 70.0, 80.0)
"""Fixed, like the goalposts, so that colours compare between half-years; 60, 70, 80 are the bands' bounds."""
_STEPS = len(_INDEX_BREAKS) + 1
_WORST = 50
_SHARE_FOR_MAP = 0.65


@dataclass(frozen=True)
class Download:
    """A file of the bundle; `path` is relative to the page."""

    path: str
    bytes: int
    description: str
    format: str


@dataclass(frozen=True)
class Measure:
    """What the map shows: a value per community, and the bounds of its classes."""

    name: Words
    unit: Words
    breaks: tuple[float, ...]
    values: dict[str, float | None]

    def step(self, value: float | None) -> int | None:
        """The class of a value, 0 to 5; fewer classes are spread over the same colours."""
        if value is None:
            return None
        at = sum(value >= bound for bound in self.breaks)
        return round(at * (_STEPS - 1) / len(self.breaks)) if self.breaks else 0

    @property
    def legend(self) -> list[tuple[int | None, str]]:
        if not self.breaks:
            return []
        bounds = [number(bound, 0 if bound == round(bound) else 2) for bound in self.breaks]
        between = (f"{low}–{high}" for low, high in pairwise(bounds))
        texts = [f"< {bounds[0]}", *between, f"≥ {bounds[-1]}"]
        return [(self.step(low), text) for low, text in zip((-inf, *self.breaks), texts, strict=True)]


INDEX = Words("社区体检指数", "Community index")
REPORTS = Words("每千人报事报修件数", "Repair reports per 1,000 residents")
UNITS = {
    "pct": Words("%", "%"),
    "m2_per_100_households": Words("平方米/百户", "m² per 100 households"),
    "m2_per_resident": Words("平方米/人", "m² per resident"),
    "places_per_1000": Words("个/千人", "places per 1,000"),
    "beds_per_1000": Words("张/千人", "beds per 1,000"),
    "types": Words("种", "types"),
    "points": Words("分", "points"),
    "CNY_per_year": Words("元/年", "yuan a year"),
}
TABLES = {
    "communities": Words("社区", "Communities"),
    "buildings": Words("住宅楼或人口点", "Buildings"),
    "community_changes": Words("社区变更", "Changes of communities"),
    "estates": Words("住宅小区", "Estates"),
    "local_figures": Words("本市自有数据", "Figures of the city"),
    "walking_edges": Words("步行路网", "Walking network"),
    "facilities": Words("设施", "Facilities"),
    "survey_responses": Words("问卷", "Answers"),
    "meeting_items": Words("座谈会纪要", "Minutes of meetings"),
    "population_margins": Words("人口构成", "Population by age, sex, tenure and household"),
    "survey_invitations": Words("问卷发放数", "Invitations to the survey"),
    "repair_reports": Words("报修件各版本", "Versions of reports"),
}
SHORTFALLS = {
    "undersized": Words("面积不足", "undersized"),
    "uncovered": Words("覆盖不足", "not within reach"),
    "closed": Words("停用", "closed"),
    "missing": Words("缺失", "missing"),
    "unverified": Words("待核", "unverified"),
}
REASONS = {
    "missing_key": Words("缺少主键", "The key is missing"),
    "key_conflict": Words("同一主键内容不一", "The same key twice with different contents"),
    "bad_value": Words("取值缺失或无法识别", "A value is missing or cannot be read"),
    "unknown_code": Words("代码不在标准内", "A code that the standard does not know"),
    "out_of_city": Words("位置在城市范围之外", "The place lies outside the city"),
    "swapped_coordinates": Words("经纬度颠倒", "Longitude and latitude are swapped"),
    "zero_coordinates": Words("坐标为零", "The place is at 0, 0"),
    "unknown_community": Words("社区不在名录内", "The community is not in the register"),
    "unknown_estate": Words("小区不在名录内", "The estate is not in the register"),
    "negative_number": Words("数量为负", "A negative number"),
    "age_groups_do_not_add_up": Words(
        "分年龄人数与总数不符", "The age groups do not add up to the residents"
    ),
    "implausible_size": Words("面积不合理", "An implausible size"),
    "rating_out_of_scale": Words("评分超出量表", "A rating off the scale"),
    "outside_coverage": Words("不在来源覆盖的时间内", "Outside the time that the sources cover"),
    "time_order": Words("时间先后矛盾", "Times in an impossible order"),
    "future_time": Words("时间晚于来源写入时间", "A time later than the source could know"),
    "invalid_geometry": Words("边界或线形无效", "An invalid boundary or line"),
}


def render(
    connection: duckdb.DuckDBPyConnection, provenance: Mapping[str, Any], downloads: Sequence[Download]
) -> str:
    """The page of the release whose build is open on `connection` (schemas marts and standard)."""
    about = describe(connection, provenance)
    dimensions = _rows(
        connection,
        "select dimension_code as code, name_zh as zh, name_en as en, weight_pct from standard.dimensions "
        "order by dimension_order",
    )
    counties = _rows(connection, "select * from marts.county_index order by rank nulls last, area_id")
    communities = _rows(
        connection, "select * from marts.community_index order by county_id, rank nulls last, area_id"
    )
    has_index = any(county["index_score"] is not None for county in counties)
    measure = _measure(connection, communities)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            p=provenance,
            about=about,
            half_year=about.half_year,
            css=_template("page.css"),
            script=_template("page.js"),
            withdrawn=_template("withdrawn.js"),
            has_index=has_index,
            has_community_index=measure.name == INDEX,
            maps_reports=measure.name == REPORTS,
            dimensions=[
                d for d in dimensions if any(_score(row, d) is not None for row in (*counties, *communities))
            ],
            all_dimensions=dimensions,
            counties=counties,
            communities=communities,
            weights=_weights(counties),
            weight_min=_weight_min(connection),
            changes=_changes(connection),
            indicators=_indicator_values(connection),
            measure=measure,
            drawings=draw(
                connection,
                {id_: measure.step(value) for id_, value in measure.values.items()},
                {row["area_id"]: _tooltip(row, measure) for row in communities},
            ),
            shortfalls=_shortfalls(connection),
            detours=_detours(connection) if provenance.get("walking_network") else [],
            findings=_findings(connection),
            gaps=_gaps(connection),
            quarantine=_quarantine(connection),
            ledger=_ledger(connection),
            downloads=_by_contents(downloads),
            worst=_WORST,
        )
    )


def number(value: float | None, digits: int = 1) -> str:
    """A number as it is printed: rounded, thousands apart, a true minus, an en dash for none."""
    if value is None:
        return "–"
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded or abs(rounded):,f}".replace("-", "−")


def change(value: float | None) -> str:
    """A change since the half-year before, with its direction."""
    if value is None:
        return "–"
    text = number(abs(value))
    return {0: "＝ ", 1: "▲ +", -1: "▼ −"}[direction(value)] + text


def direction(value: float) -> int:
    """1 up, -1 down, 0 no change at the precision that is printed."""
    return 0 if number(abs(value)) == "0.0" else 1 if value > 0 else -1


def size(value: int) -> str:
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{max(value / 1e3, 0.1):.1f} kB"


def _rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> list[Row]:
    result = connection.execute(query, parameters)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _score(row: Row, dimension: Row) -> float | None:
    value: float | None = row.get(f"score_{dimension['code'].lower()}")
    return value


def _weights(counties: list[Row]) -> tuple[float, float]:
    """The smallest and largest share of the index's weight that the counties' data can carry, in percent."""
    shares = [county["weight_available_pct"] or 0.0 for county in counties] or [0.0]
    return min(shares), max(shares)


def _weight_min(connection: duckdb.DuckDBPyConnection) -> float:
    """The share of the weight, in percent, from which the standard allows an index."""
    found = connection.execute(
        "select 100 * value from standard.scoring where parameter = 'unit_min_weight_available'"
    ).fetchone()
    return float(found[0]) if found else 0.0


def _changes(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Per comparison that some county allows: the causes that moved any county, and each county's change by cause."""
    rows = _rows(
        connection,
        """
        select change.*, area.area_name
        from marts.index_changes as change
        join marts.areas as area using (area_level, area_id)
        join marts.index_scores as score using (area_level, area_id)
        where change.area_level = 'county' and change.node_code = 'index'
        order by change.comparison, score.rank nulls last, area_id
        """,
    )
    points = _rows(
        connection,
        """
        select comparison, area_id, cause_code as code, any_value(name_zh) as zh, any_value(name_en) as en,
            cast(sum(cast(points as decimal(38, 12))) as double) as points
        from marts.index_change_causes join standard.change_causes using (cause_code)
        where area_level = 'county' and node_code = 'index'
        group by comparison, area_id, cause_code order by any_value(cause_order), comparison, area_id
        """,
    )
    found = []
    for comparison in sorted({row["comparison"] for row in rows if row["is_comparable"]}):
        of = [row for row in rows if row["comparison"] == comparison]
        caused = [cell for cell in points if cell["comparison"] == comparison]
        by_area: dict[str, dict[str, float]] = {row["area_id"]: {} for row in of}
        for cell in caused:
            by_area[cell["area_id"]][cell["code"]] = cell["points"]
        found.append(
            {
                "half_year": half_year(of[0]["compared_half_year"]),
                "causes": list({cell["code"]: cell for cell in caused}.values()),
                "rows": [row | {"points": by_area[row["area_id"]]} for row in of],
            }
        )
    return found


def _indicator_values(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Indicators that have a value in some county, each with its values by county."""
    cells = _rows(
        connection,
        """
        select
            value.indicator_code as code, value.unit, value.area_id, value.value, named.name_zh, named.name_en
        from marts.indicators as value
        join marts.indicator_definitions as named using (indicator_code)
        join standard.dimensions as dimension on dimension.dimension_code = named.dimension_code
        where value.area_level = 'county' and value.value is not null and value.status = 'ok'
        order by dimension.dimension_order, value.indicator_code, value.area_id
        """,
    )
    indicators: dict[str, Row] = {}
    for cell in cells:
        indicator = indicators.setdefault(
            cell["code"],
            {
                "code": cell["code"],
                "name": Words(cell["name_zh"], cell["name_en"]),
                "unit": _unit(cell["unit"]),
                "values": {},
            },
        )
        indicator["values"][cell["area_id"]] = cell["value"]
    return list(indicators.values())


def _unit(code: str) -> Words:
    return UNITS.get(code, Words(code, code))


def _measure(connection: duckdb.DuckDBPyConnection, communities: list[Row]) -> Measure:
    """The index; without any, the indicator known for most communities; else reports per 1,000 residents."""
    index = {row["area_id"]: row["index_score"] for row in communities}
    if any(value is not None for value in index.values()):
        return Measure(INDEX, Words("分", "points"), _INDEX_BREAKS, index)
    best = _rows(
        connection,
        """
        select
            indicator_code, value.unit, named.name_zh, named.name_en, named.goalpost_low, named.goalpost_high
        from marts.indicators as value join marts.indicator_definitions as named using (indicator_code)
        where named.is_scored and value.area_level = 'community' and value.value is not null and value.status = 'ok'
        group by all
        having count(*) >= ?
        order by count(*) desc, any_value(named.weight) desc, indicator_code
        limit 1
        """,
        [_SHARE_FOR_MAP * len(communities)],
    )
    if best:
        (of,) = best
        values = connection.execute(
            "select area_id, value from marts.indicators "
            "where area_level = 'community' and indicator_code = ? and status = 'ok'",
            [of["indicator_code"]],
        ).fetchall()
        low, high = sorted((float(of["goalpost_low"]), float(of["goalpost_high"])))
        breaks = tuple(low + (high - low) * n / (_STEPS - 1) for n in range(1, _STEPS - 1))
        return Measure(Words(of["name_zh"], of["name_en"]), _unit(of["unit"]), breaks, index | dict(values))
    reports = {row["area_id"]: row["reports_per_1000"] for row in communities}
    known = sorted(value for value in reports.values() if value is not None)
    quantiles = [known[len(known) * n // _STEPS] for n in range(1, _STEPS)] if known else []
    rounded = sorted({float(f"{value:.2g}") for value in quantiles})
    return Measure(REPORTS, Words("件", "reports"), tuple(rounded), reports)


def _tooltip(row: Row, measure: Measure) -> str:
    value = measure.values.get(row["area_id"])
    words = f"{number(value)} {measure.unit.zh}" if value is not None else "数据不足 insufficient data"
    return f"{row['area_name']}（{row['county_name']}）\n{measure.name.zh} {measure.name.en}: {words}"


def _shortfalls(connection: duckdb.DuckDBPyConnection) -> Row:
    totals = _rows(
        connection,
        "select shortfall_status, count(*) as shortfalls from marts.shortfalls "
        "group by all order by shortfalls desc, shortfall_status",
    )
    worst = _rows(
        connection,
        "select * from marts.shortfalls "
        "order by uncovered_population desc nulls last, community_id, kind_code, shortfall_status limit ?",
        [_WORST],
    )
    return {"total": sum(row["shortfalls"] for row in totals), "totals": totals, "worst": worst}


def _detours(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """By county: people and kinds pooled, what is covered by each of the two distances; least and largest detour of a kind."""
    return _rows(
        connection,
        """
        select
            areas.area_name,
            100.0 * sum(covered_population_euclidean) / sum(target_population) as covered_pct_euclidean,
            100.0 * sum(covered_population_network) / sum(target_population) as covered_pct_network,
            100.0 * sum(lost_population) / sum(target_population) as lost_pct_points,
            min(median_detour_ratio) as least_detour_ratio,
            max(median_detour_ratio) as largest_detour_ratio
        from marts.detour_penalty as detours
        join marts.areas as areas using (area_level, area_id)
        where detours.area_level = 'county' and target_population > 0
        group by area_id, areas.area_name
        order by lost_pct_points desc, area_id
        """,
    )


def _findings(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """What is wrong with places and streets, by finding."""
    return _rows(
        connection,
        """
        select checks.name_zh as zh, checks.name_en as en, checks.advice_zh, checks.advice_en, count(*) as findings
        from marts.spatial_findings as found
        join standard.spatial_checks as checks using (finding_code)
        group by all
        order by findings desc, en
        """,
    )


def _quarantine(connection: duckdb.DuckDBPyConnection) -> Row:
    """Rows held back: by reason, the commonest first, and table."""
    rows = _rows(
        connection,
        "select *, sum(rows) over (partition by reason_code) as total from marts.quarantine_summary "
        "order by total desc, reason_code, feed, table_name",
    )
    reasons: dict[str, dict[str, int]] = {}
    for row in rows:
        reasons.setdefault(row["reason_code"], {})[row["table_name"]] = row["rows"]
    feeds = {
        row["table_name"]: list(FEEDS).index(row["feed"]) if row["feed"] in FEEDS else len(FEEDS)
        for row in rows
    }
    return {"reasons": reasons, "tables": sorted(feeds, key=lambda table: (feeds[table], table))}


def _gaps(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Why indicators have no value: by reason, which ones, in how many counties, and their weight."""
    return _rows(
        connection,
        """
        with by_indicator as (
            select
                missing_reason, missing_reason_zh, missing_reason_en, indicator_code,
                indicator_name_zh, indicator_name_en,
                count(distinct area_id) filter (area_level = 'county') as counties,
                max(weight_in_index_pct) as weight_pct
            from marts.data_gaps
            group by all
        )
        select
            missing_reason, missing_reason_zh as zh, missing_reason_en as en, sum(weight_pct) as weight_pct,
            list({code: indicator_code, zh: indicator_name_zh, en: indicator_name_en, counties: counties}
                order by indicator_code) as indicators
        from by_indicator
        group by all
        order by weight_pct desc nulls last, missing_reason
        """,
    )


def _by_contents(downloads: Sequence[Download]) -> dict[str, list[Download]]:
    """The formats of the same contents together."""
    contents: dict[str, list[Download]] = {}
    for download in downloads:
        contents.setdefault(download.path.rsplit(".", 1)[0], []).append(download)
    return contents


def _ledger(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Rows in = accepted + quarantined + duplicates, by table."""
    return _rows(
        connection,
        """
        select
            feed, table_name, count(*) as files,
            cast(sum(rows_in) as bigint) as rows_in,
            cast(sum(rows_accepted) as bigint) as rows_accepted,
            cast(sum(rows_quarantined) as bigint) as rows_quarantined,
            cast(sum(rows_duplicate) as bigint) as rows_duplicate,
            cast(sum(rows_out_of_scope) as bigint) as rows_out_of_scope
        from marts.row_ledger group by feed, table_name order by feed, table_name
        """,
    )


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@lru_cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "change": change, "size": size, "moment": moment}
    environment.globals |= {"score": _score, "index_step": _index_step, "direction": direction}
    environment.globals |= {"FEEDS": FEEDS, "TABLES": TABLES, "REASONS": REASONS, "SHORTFALLS": SHORTFALLS}
    return environment


def _index_step(value: float | None) -> int | None:
    return Measure(Words("", ""), Words("", ""), _INDEX_BREAKS, {}).step(value)
