"""bulletin.pdf (通报): a release on two pages of A4, set by Typst from the same marts as the page.

Texts reach the template as data, never as markup. Fonts are bundled; a character that they lack is printed as its code point.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from citycheck import standard
from citycheck.errors import CitycheckError
from citycheck.release.about import AT_ONCE, About, half_year
from citycheck.release.flat import Resource, resource, rows
from citycheck.report.bulletin_map import figure
from citycheck.report.bulletin_measure import COLOURS, Measure, index_step, measure
from citycheck.report.figures import change, direction, number, rounded
from citycheck.report.projects import renewal
from citycheck.report.queries import weight_min, weights
from citycheck.report.words import GOAL_STATUSES, INDEX, SHORTFALLS, SUPERVISIONS

Row = dict[str, Any]
FILE = "bulletin.pdf"
FONTS = Path(__file__).parent / "fonts"
TEMPLATE = Path(__file__).parent / "templates" / "bulletin.typ"
_LARGEST = 3
_WORST = 10
_CAUSES = 3
_ONE_COLUMN = 14
"""So many counties stand in one column, with a bar each; more stand in two."""
_BY_DIMENSION = 10
"""So few counties are told with their score in every dimension."""
_MOST_COUNTIES = 56
_MAP_PROPORTION = 0.62
_HAPPENED = {"facilities", "estates", "population", "reports"}
"""Causes that are something that happened, not another measurement of the same."""
_NAME, _SENTENCE = 28, 400
"""The longest that is printed, in halves of a Chinese character."""


def write_bulletin(
    connection: duckdb.DuckDBPyConnection, about: About, provenance: Mapping[str, Any], folder: Path
) -> Resource:
    """Write the bulletin of the release whose build is open on `connection`."""
    (folder / FILE).write_bytes(typeset(contents(connection, about, provenance), about))
    return resource(folder, FILE, "bulletin", "通报 / The bulletin: two pages for print, in Chinese")


def typeset(told: Row, about: About) -> bytes:
    """What is told, as PDF/UA-1. The same bytes for the same contents: its date is the data's cut-off."""
    import typst  # the compiler is large, and only this needs it

    try:
        return typst.compile(
            TEMPLATE,
            root=TEMPLATE.parent,
            font_paths=typst.Fonts(
                include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS]
            ),
            sys_inputs={"told": json.dumps(told, ensure_ascii=False, sort_keys=True)},
            pdf_standards=["ua-1"],
            timestamp=datetime.fromisoformat(about.cut_off),
            format="pdf",
        )
    except typst.TypstError as error:
        raise CitycheckError(
            f"{FILE}: the typesetter refused it ({error.message}). Report this as a defect of citycheck."
        ) from None


def contents(
    connection: duckdb.DuckDBPyConnection, about: About, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that the bulletin tells, in words and numbers as they are printed."""
    counties = rows(connection, "select * from marts.county_index order by rank nulls last, area_id")
    has_index = any(county["index_score"] is not None for county in counties)
    causes = _causes(connection)
    shown, changes = measure(connection), _changes(connection, causes)
    shortfalls = _shortfalls(connection)
    drawing = figure(connection, shown, _MAP_PROPORTION)
    told: Row = {
        "city": _name(about.city_name.zh, 40),
        "city_en": _name(about.city_name.en, 60),
        "half_year": about.half_year.zh,
        "half_year_en": about.half_year.en,
        "version": f"{about.version.zh} · {about.kind.zh} · {about.stage.zh}数据",
        "released": _moment(about.publication.release_at) if about.publication.release_at else AT_ONCE.zh,
        "cut_off": _moment(about.cut_off),
        "is_synthetic": about.is_synthetic,
        "is_preview": about.publication.is_preview,
        "reason": _reason(about),
        "summary": _summary(connection, counties, changes, shortfalls),
        "has_index": has_index,
        "weights": None if has_index else _weights(connection, counties),
        "distance": "沿路网步行" if provenance.get("walking_network") else "按直线",
        "ranking": _ranking(counties, shown, has_index, causes),
        "dimensions": _dimensions(connection, counties)
        if has_index and len(counties) <= _BY_DIMENSION
        else None,
        "changes": changes,
        "map": None,
        "shortfalls": shortfalls,
        "renewal": _renewal(connection),
        "notes": _notes(about, provenance, has_index),
    }
    told = _printable(told)
    if drawing:
        told["map"] = {
            "svg": drawing.svg,
            "labels": [
                {
                    "x": label.x,
                    "y": label.y,
                    "text": _name(label.text),
                    "is_title": label.is_title,
                    "size": label.size,
                }
                for label in drawing.labels
            ],
            "bar": drawing.bar,
            "bar_km": f"{drawing.bar_km:g}",
            "is_scattered": drawing.is_scattered,
            "proportion": _MAP_PROPORTION,
            "name": _printable(shown.name.zh),
            "name_en": _printable(shown.name.en),
            "unit": _printable(shown.unit),
            "legend": [
                {"colour": COLOURS[step] if step is not None else None, "text": text}
                for step, text in shown.legend
            ],
        }
    return told


def _reason(about: About) -> str | None:
    """Why there is another version, and who answers for it."""
    if not about.reason:
        return None
    of = f" 责任方：{about.responsible.zh}。" if about.responsible else ""
    return f"{about.kind.zh}：{_name(about.reason.zh, _SENTENCE // 2)}{of}"


def _summary(
    connection: duckdb.DuckDBPyConnection, counties: list[Row], changes: Row, shortfalls: Row
) -> str:
    """What the two pages say, in a few sentences."""
    ((communities,),) = connection.execute("select count(*) from marts.communities").fetchall()
    said = f"本期体检涉及 {number(len(counties), 0)} 个县（市、区）、{number(communities, 0)} 个社区。"
    ranked = [county for county in counties if county["index_score"] is not None]
    city = rows(
        connection,
        "select index_score from marts.index_scores where area_level = 'city' and index_score is not null",
    )
    if city:
        said += f"全市指数 {number(city[0]['index_score'])} 分（满分 100 分）。"
    if len(ranked) > 1:
        first, last = ranked[0], ranked[-1]
        said += (
            f"{_name(first['area_name'])}最高，{number(first['index_score'])} 分；"
            f"{_name(last['area_name'])}最低，{number(last['index_score'])} 分。"
        )
    if changes["against"]:
        said += (
            f"与{changes['against']}相比，{changes['risen']} 个上升、{changes['fallen']} 个下降、"
            f"{changes['same']} 个持平；变化明显的有 {changes['clear']} 个。"
        )
    if shortfalls["total"] != "0":
        said += f"判定设施短板 {shortfalls['total']} 条。"
    return said


def _weights(connection: duckdb.DuckDBPyConnection, counties: list[Row]) -> str:
    """On how much of its weight an index could rest, and how much it would have to."""
    low, high = (number(share) for share in weights(counties))
    share = f"{high}%" if low == high else f"{low}% 至 {high}%"
    return f"指数只能依据全部权重的 {share}，标准要求至少 {number(weight_min(connection), 0)}%。"


def _ranking(
    counties: list[Row], shown: Measure, has_index: bool, causes: Mapping[str, Sequence[Row]]
) -> Row:
    """The counties in order; of very many, the first and the last."""
    half = _MOST_COUNTIES // 2
    kept = counties if len(counties) <= _MOST_COUNTIES else [*counties[:half], *counties[-half:]]
    return {
        "columns": 1 if len(kept) <= _ONE_COLUMN else 2,
        "left_out": len(counties) - len(kept),
        "measure": None if shown.name == INDEX else f"{shown.name.zh}（{shown.unit}）",
        "rows": [
            {
                "name": _name(county["area_name"], 20 if len(kept) > _ONE_COLUMN else _NAME),
                "residents": number(county["residents"], 0),
                "weight": number(county["weight_available_pct"]),
                "reports": number(county["reports_per_1000"]),
                "value": number(shown.counties.get(county["area_id"])),
                **(_ranked(county, causes.get(county["area_id"], [])) if has_index else {}),
            }
            for county in kept
        ],
    }


def _ranked(county: Row, causes: Sequence[Row]) -> Row:
    """A county's place, with its index and interval once more as shares of 100 for the bar."""
    score, low, high = county["index_score"], county["index_low"], county["index_high"]
    ranks = county["rank_low"], county["rank_high"]
    return {
        "rank": "–" if county["rank"] is None else str(county["rank"]),
        "ranks": f"{ranks[0]}–{ranks[1]}" if None not in ranks and ranks[0] != ranks[1] else "",
        "index": "数据不足" if score is None else number(score),
        "interval": "–" if low is None else f"{number(low)}–{number(high)}",
        "bar": None if score is None else [share / 100 for share in (score, low or score, high or score)],
        "band": county["band_zh"] or "–",
        "change": change(county["index_change"]),
        "verdict": _verdict(county, causes),
        "is_same_as_next": county["is_different_from_next"] is False,
    }


def _dimensions(connection: duckdb.DuckDBPyConnection, counties: list[Row]) -> Row:
    """The counties' scores by dimension, on the colours of the index."""
    found = rows(
        connection,
        "select dimension_code, name_zh, weight_pct from standard.dimensions order by dimension_order",
    )
    columns = [f"score_{of['dimension_code'].lower()}" for of in found]
    return {
        "heads": [f"{_name(of['name_zh'], 12)} {number(of['weight_pct'], 0)}%" for of in found],
        "rows": [
            {
                "name": _name(county["area_name"], 20),
                "cells": [
                    {
                        "text": number(score),
                        "colour": None if score is None else COLOURS[index_step(score)],
                        "is_dark": score is not None and index_step(score) == len(COLOURS) - 1,
                    }
                    for score in (county.get(column) for column in columns)
                ],
            }
            for county in counties
        ],
    }


def _verdict(county: Row, causes: Sequence[Row] = ()) -> str:
    """Whether the index moved by more than half of its interval, and what by: the rule of the page, on figures as printed."""
    moved, low, high = county["index_change"], county["index_low"], county["index_high"]
    if moved is None:
        return "–"
    if direction(moved) == 0:
        return "持平"
    if low is None:
        return "无区间"
    if 2 * abs(rounded(moved)) <= rounded(high) - rounded(low):
        return "不明显"
    return "数据变动" if 2 * abs(_parts(causes)[2]) > abs(moved) else "明显"


def _changes(connection: duckdb.DuckDBPyConnection, causes: Mapping[str, Sequence[Row]]) -> Row:
    """The counties whose index moved most since the half-year before, with what moved it."""
    found = rows(
        connection,
        """
        select county.*, moved.compared_half_year, moved.is_comparable, moved.reason_zh
        from marts.index_changes as moved
        join marts.county_index as county using (area_id)
        where moved.area_level = 'county' and moved.comparison = 'previous' and moved.node_code = 'index'
        order by abs(county.index_change) desc nulls last, area_id
        """,
    )
    comparable = [row for row in found if row["is_comparable"] and row["index_change"] is not None]
    directions = [direction(row["index_change"]) for row in comparable]
    largest = [row for row in comparable if direction(row["index_change"])][:_LARGEST]
    return {
        "against": half_year(found[0]["compared_half_year"]).zh if comparable else None,
        "why_none": next((row["reason_zh"] for row in found if row["reason_zh"]), None),
        "risen": directions.count(1),
        "fallen": directions.count(-1),
        "same": directions.count(0),
        "clear": sum(_verdict(row, causes.get(row["area_id"], [])) == "明显" for row in comparable),
        "rows": [
            {
                "name": _name(row["area_name"]),
                "change": change(row["index_change"]),
                "before": number(row["index_score"] - row["index_change"]),
                "now": number(row["index_score"]),
                "verdict": _verdict(row, causes.get(row["area_id"], [])),
                **_told(causes.get(row["area_id"], [])),
            }
            for row in largest
        ],
    }


def _causes(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """By county, what moved its index: cause, points, and the indicator that it moved most."""
    found: dict[str, list[Row]] = {}
    for row in rows(
        connection,
        """
        with by_cause as (
            select
                area_id, cause_code, cast(sum(cast(points as decimal(38, 12))) as double) as points,
                list(struct_pack(code := indicator_code, points := points) order by abs(points) desc, indicator_code) as moved
            from marts.index_change_causes
            where area_level = 'county' and comparison = 'previous' and node_code = 'index'
            group by area_id, cause_code
        )
        -- of the indicators that moved the same way
        select
            by_cause.area_id, cause_code, by_cause.points, cause.name_zh, indicator.name_zh as indicator_zh,
            largest.points as indicator_points
        from by_cause
        left join lateral (
            select list_filter(moved, lambda one: one.points * by_cause.points > 0)[1] as same
        ) on true
        left join lateral (select same.code as indicator_code, same.points as points) as largest on true
        join standard.change_causes as cause using (cause_code)
        left join marts.indicator_definitions as indicator on indicator.indicator_code = largest.indicator_code
        order by abs(by_cause.points) desc, cause_code
        """,
    ):
        found.setdefault(row["area_id"], []).append(row)
    return found


def _told(causes: Sequence[Row]) -> Row:
    """The largest causes in words, and how much of the change happened, is of the survey, and of data and standard."""
    largest = [cause for cause in causes if direction(cause["points"])][:_CAUSES]
    return {
        "causes": [
            f"{cause['name_zh']} {_signed(cause['points'])}"
            + (
                f"（其中{_name(cause['indicator_zh'], 40)} {_signed(cause['indicator_points'])}）"
                if cause["indicator_zh"]
                else ""
            )
            for cause in largest
        ],
        "parts": [_signed(part) if causes else "–" for part in _parts(causes)],
    }


def _parts(causes: Sequence[Row]) -> tuple[float, float, float]:
    """How much of a change happened, is of the survey, and of data and standard, in points."""
    happened = sum(cause["points"] for cause in causes if cause["cause_code"] in _HAPPENED)
    survey = sum(cause["points"] for cause in causes if cause["cause_code"] == "survey")
    return happened, survey, sum(cause["points"] for cause in causes) - happened - survey


def _signed(points: float) -> str:
    return {0: "", 1: "+", -1: "−"}[direction(points)] + number(abs(points))


def _shortfalls(connection: duckdb.DuckDBPyConnection) -> Row:
    """The shortfalls that leave most residents uncovered; those that are yet to be verified come last."""
    ((total,),) = connection.execute("select count(*) from marts.shortfalls").fetchall()
    of_households = {
        row["kind_code"] for row in standard.seed("facility_kinds") if row["target_group"] == "hh"
    }
    worst = rows(
        connection,
        "select * from marts.shortfalls "
        "order by shortfall_status = 'unverified', uncovered_population desc nulls last, community_id, kind_code, "
        "shortfall_status limit ?",
        [_WORST],
    )
    return {
        "total": number(total, 0),
        "rows": [
            {
                "community": _name(row["community_name"]),
                "county": _name(row["county_name"], 20),
                "kind": _name(row["kind_name_zh"]),
                "status": SHORTFALLS[row["shortfall_status"]].zh
                if row["shortfall_status"] in SHORTFALLS
                else row["shortfall_status"],
                "uncovered": number(row["uncovered_population"], 0)
                + (" 户" if row["kind_code"] in of_households else ""),
                "distance": number(row["nearest_counting_distance_m"], 0),
                "first_seen": row["first_seen_half_year"] or "–",
            }
            for row in worst
        ],
    }


def _renewal(connection: duckdb.DuckDBPyConnection) -> Row:
    """The pools, the first of the annual list, and how many of the five-year goals are on course."""
    found = renewal(connection)
    told = [GOAL_STATUSES[goal["status_code"]].zh for goal in found["goals"]]
    return {
        "open": number(found["open"], 0),
        "pools": [
            {
                "name": _name(found["pools"][row["code"]]["zh"]),
                "projects": number(row["projects"], 0),
                "cost": number(row["cost_cny"] / 1e4, 0),
            }
            for row in found["by_pool"]
        ],
        "first": [
            {
                "name": _name(row["project_name_zh"], 40),
                "county": _name(row["county_name"], 20),
                "priority": number(row["priority_score"]),
            }
            for row in found["first"][:_LARGEST]
        ],
        "supervised": "，".join(
            f"{of.zh} {number(count, 0)} 个"
            for code, of in SUPERVISIONS.items()
            if (count := found["marks"].get(code))
        ),
        "goals": "，".join(f"{of} {told.count(of)} 项" for of in dict.fromkeys(told)),
    }


def _notes(about: About, provenance: Mapping[str, Any], has_index: bool) -> list[list[str]]:
    """How it was made, of what, and how to check it: heading and text."""
    method = f"按体检标准 {provenance['standard_version']} 版计算。"
    if has_index:
        method += (
            "指数满分 100 分，等次界限为 80、70、60 分。区间为 90% 区间，反映权重、目标值、平均方法、距离与抽样误差；"
            "变化超过区间的一半为“明显”（大半来自数据与标准的记为“数据变动”），否则不能断定确有变化；两期所用权重和目标值相同，这一判断偏于谨慎。"
            "“实际”为设施、小区、人口和报修带来的变化，“问卷”为受访者回答的变化，“数据与标准”为登记数据、问卷口径和标准的改变。"
        )
    titles = "；".join(
        str(source["title"]) for source in provenance.get("sources") or [] if source.get("title")
    )
    return [
        ["方法", method + "缺少的数据不作估计。"],
        ["来源", _name(titles, _SENTENCE // 2) if titles else "见 provenance.json。"],
        [
            "核验",
            f"本通报属于发布包 {about.city}/{about.code}/{about.publication.version}，数字与其网页、数据表一致；"
            "各文件的 SHA-256 见 SHA256SUMS，清单 manifest.json 有签名，用 citycheck verify 核对。全部数据见 index.html。",
        ],
    ]


def _moment(text: str) -> str:
    """An ISO time as an official paper writes it."""
    when = datetime.fromisoformat(text)
    offset = f"（UTC{when.isoformat()[-6:]}）" if when.utcoffset() else ""
    return f"{when.year}年{when.month}月{when.day}日 {when:%H:%M}{offset}"


def _printable(value: Any) -> Any:
    """The same with every text in it as it can be printed: in one line, and what no font has as its code point."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return value


def _text(text: str) -> str:
    """Such as `[U+1F600]` for a smiling face; a direction mark that would turn the line round is told as well."""
    said, lacking = "", []
    for character in [*" ".join(text.split()), ""]:
        if character and ord(character) not in _covered():
            lacking.append(f"U+{ord(character):04X}")
            continue
        said += f"[{' '.join(lacking)}]" * bool(lacking) + character
        lacking = []
    return said


def _name(text: str | None, widest: int = _NAME) -> str:
    """A text of at most so many halves of a Chinese character, an ellipsis for what is left out."""
    printed = _text(text or "–")
    width = 0
    for at, character in enumerate(printed):
        width += 2 if unicodedata.east_asian_width(character) in "WFA" else 1
        if width > widest:
            return printed[: max(at - 1, 0)] + "…"
    return printed


@lru_cache
def _covered() -> frozenset[int]:
    """The characters that some bundled font has."""
    from fontTools.ttLib import TTFont

    covered: set[int] = set()
    for path in sorted(FONTS.glob("*.otf")):
        with TTFont(path, lazy=True) as font:
            covered |= font.getBestCmap().keys()
    return frozenset(covered)
