"""The one data file of the page: every area's figures by column, and in parts that are read when they are first wanted.

Shares, scores and points are tenths (62.0 is 620), rounded by the same rule as everywhere; a missing one is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from citycheck import standard
from citycheck.release.about import About, Words
from citycheck.report.figures import scaled
from citycheck.report.projects import project_data
from citycheck.report.queries import Row, ask
from citycheck.report.shapes import Shapes, shapes
from citycheck.report.words import INDEX, REPORTS, SHORTFALLS, unit

INDEX_BREAKS = (40.0, 50.0, 60.0, 70.0, 80.0)
"""Fixed, like the goalposts, so that colours compare between half-years; 60, 70, 80 are the bands' bounds."""
COVERED_BREAKS = (20.0, 40.0, 60.0, 80.0, 95.0)
_SHARE_FOR_MAP = 0.65
"""An indicator that so many communities have may stand in for an index that none has."""
_NEEDS = 10
PROMISES = ("GOV-5", "GOV-6")
"""Dispatched within 24 hours; answered within 24 hours of it."""

Columns = dict[str, list[Any]]


def page_data(connection: duckdb.DuckDBPyConnection, about: About, provenance: Mapping[str, Any]) -> str:
    """The text of `data.js`, whose parts are JSON texts by name."""
    areas = _areas(connection, about)
    position = {(row["area_level"], row["area_id"]): n for n, row in enumerate(areas)}
    drawn = shapes(connection)
    parts = {
        "core": _core(connection, about, provenance, areas, position),
        "shapes": _shapes(drawn, position),
        "shortfalls": _shortfalls(connection, position),
        "facilities": _facilities(connection, drawn, position),
        "needs": _needs(connection, position),
        "projects": project_data(connection, drawn, position),
    }
    lines = (f"  {name}: '{_quoted(_json(part))}'" for name, part in parts.items())
    return "window.CITYCHECK = {\n" + ",\n".join(lines) + ",\n};\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _quoted(text: str) -> str:
    """JSON as the inside of a script's string; what could end a script or a line is escaped."""
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return safe.replace("\\", "\\\\").replace("'", "\\'")


def _areas(connection: duckdb.DuckDBPyConnection, about: About) -> list[Row]:
    """The city, its counties by rank and its communities by county, each with index, interval and change."""
    (city,) = ask(
        connection,
        """
        select
            score.index_score, score.status, score.weight_available_pct, score.band_code, score.area_id,
            score.area_name, sure.score_low as index_low, sure.score_high as index_high
        from (select 1) left join marts.index_scores as score on score.area_level = 'city'
        left join marts.index_uncertainty as sure
            on sure.area_level = 'city' and sure.area_id = score.area_id and sure.node_code = 'index'
        """,
    ) or [{}]  # fmt: skip
    counties = ask(connection, "select * from marts.county_index order by rank nulls last, area_id")
    communities = ask(
        connection, "select * from marts.community_index order by county_id, rank nulls last, area_id"
    )
    residents = sum(county["residents"] or 0 for county in counties)
    city |= {"area_level": "city", "area_id": about.city, "residents": residents, "area_name": ""}
    return [
        city,
        *(row | {"area_level": "county"} for row in counties),
        *(row | {"area_level": "community"} for row in communities),
    ]


def _core(
    connection: duckdb.DuckDBPyConnection,
    about: About,
    provenance: Mapping[str, Any],
    areas: list[Row],
    position: Mapping[tuple[str, str], int],
) -> dict[str, Any]:
    """What the first view needs: the words, and each area's figures."""
    dimensions = ask(
        connection,
        "select dimension_code as code, name_zh as zh, name_en as en, weight_pct as weight "
        "from standard.dimensions order by dimension_order",
    )
    kinds = ask(
        connection,
        """
        select
            kind_code as code, name_zh as zh, name_en as en, dimension_code as dimension, obligation,
            radius_m as radius, radius_stock_m as radius_stock, min_floor_area_m2 as floor,
            relaxed_floor_area_m2 as relaxed, min_area_subtype as subtype, min_land_area_m2 as land,
            target_group as target, action_code as action
        from standard.facility_kinds order by kind_code
        """,
    )
    wider = _wider_in_existing_areas()
    kinds = [
        kind | {"radius_stock": kind["radius_stock"] if kind["code"] in wider else None} for kind in kinds
    ]
    streets = sorted({row["street_name"] for row in areas if row.get("street_name")})
    count = len(areas)
    columns: Columns = {
        "id": [row["area_id"] for row in areas],
        "name": [row["area_name"] for row in areas],
        "county": [position.get(("county", row.get("county_id") or "")) for row in areas],
        "street": [streets.index(row["street_name"]) if row.get("street_name") else None for row in areas],
        "residents": [row["residents"] for row in areas],
        **{name: scaled(row.get(f"index_{name}") for row in areas) for name in ("score", "low", "high")},
        "band": [row.get("band_code") for row in areas],
        "weight": scaled(row.get("weight_available_pct") for row in areas),
        "rank": [row.get("rank") for row in areas],
        "rank_low": [row.get("rank_low") for row in areas],
        "rank_high": [row.get("rank_high") for row in areas],
        "reports": scaled(row.get("reports_per_1000") for row in areas),
    }
    moved = _changes(connection, position, count)
    fallback, extra = _fallback(connection, areas, position)
    series, half_years = _series(connection, position, count)
    promises, promised = _promises(connection, about.code, position, count)
    return {
        "synthetic": about.is_synthetic,
        "half_year": about.code,
        "city": about.city_name._asdict(),
        "network": bool(provenance.get("walking_network")),
        "compliant_pct": standard.parameter("compliant_coverage_pct"),
        "counties": sum(row["area_level"] == "county" for row in areas),
        "dimensions": dimensions,
        "kinds": kinds,
        "streets": streets,
        "actions": _named(connection, "renewal_actions", "action_code", " where name_zh is not null"),
        "bands": _named(connection, "bands", "band_code"),
        "shortfalls": {code: words._asdict() for code, words in SHORTFALLS.items()},
        "measures": _measures(areas, dimensions, kinds, fallback),
        "areas": columns,
        "extra": extra,
        "dimension_scores": _dimension_scores(connection, areas, dimensions, position),
        "access": _access(connection, kinds, position, count),
        "change": moved,
        "differences": _differences(connection, position),
        "half_years": half_years,
        "series": series,
        "promised": promised,
        "promises": promises,
    }


def _wider_in_existing_areas() -> set[str]:
    """Kinds that are judged by a wider circle in existing areas: those of an indicator that says so, as in `int_kinds`."""
    codes = {
        row["indicator_code"] for row in standard.seed("indicators") if row["uses_stock_radius"] == "true"
    }
    return {
        row["kind_code"]
        for row in standard.seed("indicator_kinds")
        if row["role"] == "primary" and row["indicator_code"] in codes
    }


def _named(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, where: str = ""
) -> dict[str, dict[str, str]]:
    rows = ask(
        connection,
        f"select {key} as code, name_zh as zh, name_en as en from standard.{table}{where} order by 1",
    )
    return {row["code"]: {"zh": row["zh"], "en": row["en"]} for row in rows}


def _spread(
    rows: Iterable[Row],
    position: Mapping[tuple[str, str], int],
    keys: Sequence[str],
    by: str,
    value: str,
    count: int,
    digits: int = 1,
) -> list[list[int | None]]:
    """A long table as one column a key, an entry an area; `digits` 0 are whole numbers."""
    rows = list(rows)
    columns: dict[str, list[int | None]] = {key: [None] * count for key in keys}
    for row, number in zip(rows, scaled((row[value] for row in rows), digits), strict=True):
        at = position.get((row["area_level"], row["area_id"]))
        if at is not None and row[by] in columns:
            columns[row[by]][at] = number
    return list(columns.values())


def _dimension_scores(
    connection: duckdb.DuckDBPyConnection,
    areas: list[Row],
    dimensions: list[Row],
    position: Mapping[tuple[str, str], int],
) -> dict[str, Any]:
    """By dimension: score, interval and change since the half-year before."""
    codes = [of["code"] for of in dimensions]
    levels = "area_level in ('city', 'county', 'community')"
    known = ask(connection, f"select * from marts.dimension_scores where {levels}")
    sure = ask(
        connection,
        f"select area_level, area_id, node_code, score_low, score_high from marts.index_uncertainty where {levels}",
    )
    moved = ask(
        connection,
        "select area_level, area_id, node_code, change from marts.index_changes "
        f"where {levels} and comparison = 'previous' and is_comparable",
    )
    count = len(areas)
    return {
        "score": _spread(known, position, codes, "dimension_code", "score", count),
        "low": _spread(sure, position, codes, "node_code", "score_low", count),
        "high": _spread(sure, position, codes, "node_code", "score_high", count),
        "change": _spread(moved, position, codes, "node_code", "change", count),
    }


def _access(
    connection: duckdb.DuckDBPyConnection,
    kinds: list[Row],
    position: Mapping[tuple[str, str], int],
    count: int,
) -> dict[str, Any]:
    """By kind: the share covered."""
    rows = ask(
        connection,
        """
        select area_level, area_id, kind_code, covered_pct
        from marts.kind_access where area_level in ('city', 'county', 'community')
        """,
    )
    codes = [kind["code"] for kind in kinds]
    return {"covered": _spread(rows, position, codes, "kind_code", "covered_pct", count)}


def _changes(
    connection: duckdb.DuckDBPyConnection, position: Mapping[tuple[str, str], int], count: int
) -> dict[str, Any]:
    """Against the half-year before: the change, its causes, or why there is no comparison."""
    rows = ask(
        connection,
        """
        select area_level, area_id, compared_half_year, change, is_comparable, reason_zh, reason_en
        from marts.index_changes where comparison = 'previous' and node_code = 'index'
        """,
    )
    causes = ask(
        connection,
        "select cause_code as code, name_zh as zh, name_en as en from standard.change_causes order by cause_order",
    )
    points = ask(
        connection,
        """
        select area_level, area_id, cause_code, cast(sum(cast(points as decimal(38, 12))) as double) as points
        from marts.index_change_causes
        where comparison = 'previous' and node_code = 'index' and area_level in ('city', 'county', 'community')
        group by all
        """,
    )
    reasons = sorted({(row["reason_zh"], row["reason_en"]) for row in rows if row["reason_zh"]})
    change: list[int | None] = [None] * count
    why: list[int | None] = [None] * count
    for row in rows:
        at = position.get((row["area_level"], row["area_id"]))
        if at is None:
            continue
        if row["is_comparable"]:
            change[at] = scaled([row["change"]])[0]
        elif row["reason_zh"]:
            why[at] = reasons.index((row["reason_zh"], row["reason_en"]))
    compared = sorted({row["compared_half_year"] for row in rows})
    return {
        "half_year": compared[0] if compared else None,
        "points": change,
        "why": why,
        "reasons": [{"zh": zh, "en": en} for zh, en in reasons],
        "causes": causes,
        "by_cause": _spread(
            points, position, [of["code"] for of in causes], "cause_code", "points", count, 2
        ),
    }


def _differences(
    connection: duckdb.DuckDBPyConnection, position: Mapping[tuple[str, str], int]
) -> list[list[int]]:
    """Pairs of counties between which there is no difference: 0 lies in the interval of their difference."""
    rows = ask(
        connection,
        "select area_id, other_area_id from marts.index_comparisons "
        "where area_level = 'county' and not is_different order by 1, 2",
    )
    return [[position["county", row["area_id"]], position["county", row["other_area_id"]]] for row in rows]


def _series(
    connection: duckdb.DuckDBPyConnection, position: Mapping[tuple[str, str], int], count: int
) -> tuple[dict[str, Any], list[str]]:
    """The index by half-year, by today's standard where it could be computed again, else as published."""
    rows = ask(
        connection,
        """
        select area_level, area_id, half_year, coalesce(score_same_standard, score_published) as score, is_break
        from marts.index_series where area_level in ('city', 'county', 'community')
        """,
    )
    half_years = sorted({row["half_year"] for row in rows})
    breaks = sorted({row["half_year"] for row in rows if row["is_break"]})
    scores = _spread(rows, position, half_years, "half_year", "score", count)
    return {"score": scores, "breaks": breaks}, half_years


def _promises(
    connection: duckdb.DuckDBPyConnection, now: str, position: Mapping[tuple[str, str], int], count: int
) -> tuple[list[Any], list[str]]:
    """The shares dispatched and answered within 24 hours, by half-year: as released, and of this version."""
    rows = ask(
        connection,
        """
        with told as (
            select area_level, area_id, half_year, node_code, value, version
            from marts.index_vintages
            where node_code in ('GOV-5', 'GOV-6') and half_year <> $now
            qualify version = max(version) over (partition by half_year)
            union all
            select area_level, area_id, $now, indicator_code, value, 0
            from marts.indicators where indicator_code in ('GOV-5', 'GOV-6') and status = 'ok'
        )
        select * from told where value is not null and area_level in ('city', 'county', 'community')
        """,
        {"now": now},
    )
    half_years = sorted({row["half_year"] for row in rows})
    return [
        _spread(
            [row for row in rows if row["node_code"] == code],
            position,
            half_years,
            "half_year",
            "value",
            count,
        )
        for code in PROMISES
    ], half_years


def _fallback(
    connection: duckdb.DuckDBPyConnection, areas: list[Row], position: Mapping[tuple[str, str], int]
) -> tuple[dict[str, Any] | None, list[int | None] | None]:
    """Without any community's index: the indicator known for most of them, if for enough; and its values."""
    communities = [row for row in areas if row["area_level"] == "community"]
    if any(row["index_score"] is not None for row in communities):
        return None, None
    best = ask(
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
    if not best:
        return None, None
    (of,) = best
    rows = ask(
        connection,
        "select area_level, area_id, indicator_code, value from marts.indicators "
        "where indicator_code = ? and status = 'ok'",
        [of["indicator_code"]],
    )
    low, high = sorted((float(of["goalpost_low"]), float(of["goalpost_high"])))
    digits = 1 if high - low >= 5 else 2
    breaks = [round(low + (high - low) * n / 5, 6) for n in range(1, 5)]
    measure = {
        **{"column": "extra", "group": "other", "zh": of["name_zh"], "en": of["name_en"], "digits": digits},
        **{"unit": unit(of["unit"])._asdict(), "breaks": breaks},
    }
    return measure, _spread(
        rows, position, [of["indicator_code"]], "indicator_code", "value", len(areas), digits
    )[0]


def _measures(
    areas: list[Row], dimensions: list[Row], kinds: list[Row], fallback: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """What the map can show, the default first. `column` names where its values stand, `at` which of them."""
    points, share = unit("points")._asdict(), unit("pct")._asdict()
    found = [{"column": "score", "group": "index", **INDEX._asdict(), "unit": points, "breaks": INDEX_BREAKS}]
    if not any(row["index_score"] is not None for row in areas if row["area_level"] == "community"):
        found = [fallback] if fallback else []
    reports = {
        "column": "reports",
        "group": "other",
        **REPORTS._asdict(),
        "unit": Words("件", "reports")._asdict(),
    }
    reports["breaks"] = _quantiles(
        [row["reports_per_1000"] for row in areas if row["area_level"] == "community"]
    )
    found += [reports] if not found else []
    found += [
        {"column": "dimension", "at": n, "group": "dimension", "zh": of["zh"], "en": of["en"], "unit": points,
         "breaks": INDEX_BREAKS}
        for n, of in enumerate(dimensions)
    ]  # fmt: skip
    found += [
        {"column": "kind", "at": n, "group": "kind", "zh": of["zh"], "en": of["en"], "unit": share,
         "breaks": COVERED_BREAKS}
        for n, of in enumerate(kinds)
    ]  # fmt: skip
    return found if reports in found else [*found, reports]


def _quantiles(values: Iterable[float | None]) -> list[float]:
    known = sorted(value for value in values if value is not None)
    return sorted({float(f"{known[len(known) * n // 6]:.2g}") for n in range(1, 6)}) if known else []


def _shapes(drawn: Shapes, position: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Borders by the area's place in the columns; `moves` as pairs, likewise."""
    return {
        "polygons": [[position["community", id_], of] for id_, of in drawn.polygons.items() if ("community", id_) in position],
        "outlines": [[position["community", id_], of] for id_, of in drawn.outlines if ("community", id_) in position],
        "moves": [[position["community", id_], *by] for id_, by in drawn.moves.items() if ("community", id_) in position],
    }  # fmt: skip


def _shortfalls(
    connection: duckdb.DuckDBPyConnection, position: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """The whole ledger by column, what leaves most people uncovered first."""
    rows = ask(
        connection,
        "select * from marts.shortfalls where community_id is not null "
        "order by uncovered_population desc nulls last, community_id, kind_code, shortfall_status",
    )
    kinds = sorted({row["kind_code"] for row in rows})
    statuses = list(SHORTFALLS)
    since = sorted({row["first_seen_half_year"] or "" for row in rows})
    rows = [row for row in rows if ("community", row["community_id"]) in position]
    return {
        "kinds": kinds,
        "statuses": statuses,
        "half_years": since,
        "area": [position["community", row["community_id"]] for row in rows],
        "kind": [kinds.index(row["kind_code"]) for row in rows],
        "status": [statuses.index(row["shortfall_status"]) for row in rows],
        "people": [row["uncovered_population"] for row in rows],
        "covered": scaled(row["covered_pct"] for row in rows),
        "gap": scaled((row["area_gap_m2"] for row in rows), 0),
        "metres": scaled((row["nearest_counting_distance_m"] for row in rows), 0),
        "since": [since.index(row["first_seen_half_year"] or "") for row in rows],
    }


def _facilities(
    connection: duckdb.DuckDBPyConnection, drawn: Shapes, position: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """Where the facilities of each kind are, in the metres of the borders; only `compliant` ones count."""
    rows = ask(
        connection,
        """
        select facility_name, kind_code, lon, lat, community_id, facility_status from marts.facilities
        where lon is not null and lat is not null and kind_code is not null
        order by kind_code, facility_id
        """,
    )
    kinds = sorted({row["kind_code"] for row in rows})
    statuses = sorted({row["facility_status"] or "" for row in rows})
    places = [drawn.projection.place(row["lon"], row["lat"]) for row in rows]
    return {
        "kinds": kinds,
        "statuses": statuses,
        "name": [row["facility_name"] for row in rows],
        "kind": [kinds.index(row["kind_code"]) for row in rows],
        "status": [statuses.index(row["facility_status"] or "") for row in rows],
        "area": [position.get(("community", row["community_id"] or "")) for row in rows],
        "x": [x for x, _ in places],
        "y": [y for _, y in places],
    }


def _needs(connection: duckdb.DuckDBPyConnection, position: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """What residents find most urgent: the first needs of each area, with their intervals."""
    names = ask(
        connection,
        "select need_code as code, name_zh as zh, name_en as en from standard.needs order by need_code",
    )
    rows = ask(
        connection,
        """
        select
            area_level, area_id, need_code, need_rank, urgent_pct, urgent_low_pct, urgent_high_pct,
            respondents
        from marts.survey_needs
        where need_rank <= ? and urgent_pct is not null and area_level in ('city', 'county', 'community')
        order by area_level, area_id, need_rank, need_code
        """,
        [_NEEDS],
    )
    codes = {of["code"]: n for n, of in enumerate(names)}
    rows = [r for r in rows if (r["area_level"], r["area_id"]) in position and r["need_code"] in codes]
    return {
        "needs": names,
        "area": [position[row["area_level"], row["area_id"]] for row in rows],
        "need": [codes[row["need_code"]] for row in rows],
        "urgent": scaled(row["urgent_pct"] for row in rows),
        "low": scaled(row["urgent_low_pct"] for row in rows),
        "high": scaled(row["urgent_high_pct"] for row in rows),
        "respondents": [row["respondents"] for row in rows],
    }
