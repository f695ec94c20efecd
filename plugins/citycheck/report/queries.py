"""What the page says without a script: asked of the marts, as rows for its template."""

from __future__ import annotations

from typing import Any

import duckdb

from citycheck.release.about import FEEDS, Words, half_year
from citycheck.report.words import unit

Row = dict[str, Any]


def ask(connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> list[Row]:
    result = connection.execute(query, parameters)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def weights(counties: list[Row]) -> tuple[float, float]:
    """The smallest and largest share of the index's weight that the counties' data can carry, in percent."""
    shares = [county["weight_available_pct"] or 0.0 for county in counties] or [0.0]
    return min(shares), max(shares)


def weight_min(connection: duckdb.DuckDBPyConnection) -> float:
    """The share of the weight, in percent, from which the standard allows an index."""
    found = connection.execute(
        "select 100 * value from standard.scoring where parameter = 'unit_min_weight_available'"
    ).fetchone()
    return float(found[0]) if found else 0.0


def changes(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Per comparison that some county allows: the causes that moved any county, and each county's change by cause."""
    rows = ask(
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
    points = ask(
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


def indicator_values(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Indicators that have a value in some county, each with its values by county."""
    cells = ask(
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
                "unit": unit(cell["unit"]),
                "values": {},
            },
        )
        indicator["values"][cell["area_id"]] = cell["value"]
    return list(indicators.values())


def detours(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """By county: people and kinds pooled, what is covered by each of the two distances; least and largest detour of a kind."""
    return ask(
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


def findings(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """What is wrong with places and streets, by finding."""
    return ask(
        connection,
        """
        select checks.name_zh as zh, checks.name_en as en, checks.advice_zh, checks.advice_en, count(*) as findings
        from marts.spatial_findings as found
        join standard.spatial_checks as checks using (finding_code)
        group by all
        order by findings desc, en
        """,
    )


def quarantine(connection: duckdb.DuckDBPyConnection) -> Row:
    """Rows held back: by reason, the commonest first, and table."""
    rows = ask(
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


def gaps(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Why indicators have no value: by reason, which ones, in how many counties, and their weight."""
    return ask(
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


def ledger(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Rows in = accepted + quarantined + duplicates, by table."""
    return ask(
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


def shortfalls(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """How many shortfalls there are, by their kind, the commonest first."""
    return ask(
        connection,
        "select shortfall_status as code, count(*) as shortfalls from marts.shortfalls "
        "group by all order by shortfalls desc, code",
    )
