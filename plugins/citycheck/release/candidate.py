"""What an approver reads of a candidate: its ranking, what moved and why, and what speaks against it.

Markdown in Chinese and English for Airflow's page of required actions, made of the staged bundle alone. Everything that
came from a source is escaped; nothing in it is finer than a county.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from citycheck import standard
from citycheck.lake.files import read_json
from citycheck.release.about import AT_ONCE, KIND_NAMES, moment
from citycheck.release.markdown import escaped, plain
from citycheck.release.publication import Publication

_LONGEST = 200
_ROWS = 30
"""Rows of a table that are shown; the others are counted, and are on the candidate's page."""
_ITEMS = 10
_CAUSES = 3
_SEEN = 0.05
"""Points that show in a figure with one decimal."""
_RANKING = {
    "名次 rank": ">",
    "县区 county": "<",
    "指数 index": ">",
    "90 % 区间 interval": ">",
    "变化 change": ">",
    "等级 band": "<",
}
"""Columns, and to which side each is set."""
_FREE = "F"
"""CL_CONF_STATUS of a value that is published."""


@dataclass(frozen=True)
class Summary:
    """One line, and Markdown."""

    subject: str
    body: str


def summary(
    staged: Path, *, before: Path | None, warnings: Sequence[str], where: Mapping[str, str]
) -> Summary:
    """What is asked about the bundle in `staged`; `before` is the version of the half-year that it would follow.

    `where` says where there is more to read: an address, or a path, by what lies there.
    """
    provenance = read_json(staged / "provenance.json", "Run the task `stage` again.")
    publication = Publication.from_json(provenance["publication"])
    kind = KIND_NAMES[publication.kind]
    stage = next(row for row in standard.seed("release_stages") if row["stage_code"] == publication.stage)
    city = provenance["city_name_zh"], provenance["city_name_en"]
    counties = _table(staged, "county_index")
    parts = [
        _facts(provenance, publication),
        _ranking(counties),
        _moved(counties, _table(before, "county_index"), publication) if before else "",
        _causes(staged, counties),
        _drift(staged, counties),
        _list("关卡警告 Warnings of the gate", warnings),
        _quarantined(staged),
        _suppressed(staged),
        "### 在哪里 Where\n\n" + "\n".join(f"- {_link(*place)}" for place in where.items()),
    ]
    return Summary(
        f"{plain(city[0])} {publication.half_year} 第 {publication.version} 版（{kind.zh}，{stage['name_zh']}）待批准 · "
        f"{plain(city[1])} version {publication.version} ({kind.en.lower()}, {stage['name_en']}) waits for approval",
        "\n\n".join(part for part in parts if part) + "\n",
    )


def outline(body: str) -> list[str]:
    """The facts of a body and what it counts, as plain lines."""
    facts, *sections = body.split("\n### ")
    titles = (section.splitlines()[0] for section in sections)
    lines = [*facts.splitlines(), *(f"- {title}" for title in titles if ": " in title)]
    return [re.sub(r"\\(.)|\*\*", r"\1", line) for line in lines if line.strip()]


def _facts(provenance: Mapping[str, Any], publication: Publication) -> str:
    at = publication.release_at
    when = (moment(at), moment(at)) if at else AT_ONCE
    facts = [
        f"- 公布时间（预告） announced for: {_text(when[0])}" + ("" if at else f" · {_text(when[1])}"),
        f"- 数据截止 cut-off: {_text(moment(provenance['cut_off']))}",
    ]
    if provenance["is_synthetic"]:
        facts.insert(0, "- **合成数据 synthetic data**")
    if publication.is_preview:
        facts.insert(
            0,
            "- **预览，截止时间之前所作，不会发布 a preview, made before its cut-off; it is never published**",
        )
    if publication.reason_zh or publication.reason_en:
        said = " · ".join(filter(None, (publication.reason_zh, publication.reason_en)))
        facts.append(f"- 原因 reason: {_text(said)}")
    if publication.responsible:
        facts.append(f"- 责任方 whose error: {_text(publication.responsible)}")
    return "\n".join(facts)


def _ranking(counties: list[dict[str, Any]]) -> str:
    title = "### 排名 Ranking"
    if not counties:
        return ""
    if all(row["rank"] is None for row in counties):
        return f"{title}\n\n数据不足，{len(counties)} 个县区均不排名。No county has enough data for a rank."
    ranked = sorted(
        counties,
        key=lambda row: (row["rank"] is None, row["rank"] or 0, row["index_score"] or 0, row["area_id"]),
    )
    return f"{title}\n\n" + _grid(
        _RANKING,
        (
            (
                _number(row["rank"], "d"),
                _text(row["area_name"]),
                _number(row["index_score"], ".1f"),
                _interval(row),
                _number(row["index_change"], "+.1f"),
                _text(row["band_zh"] or "–"),
            )
            for row in ranked
        ),
        len(ranked),
    )  # fmt: skip


def _moved(counties: list[dict[str, Any]], before: list[dict[str, Any]], publication: Publication) -> str:
    """Which counties differ from the version before; a revision or a correction is about them."""
    was = {row["area_id"]: row for row in before}
    now = {row["area_id"]: row for row in counties}
    moved = [
        area
        for area in sorted(was.keys() | now.keys())
        if _shown(was.get(area)) != _shown(now.get(area))
    ]  # fmt: skip
    version = publication.supersedes.version if publication.supersedes else "?"
    title = f"### 与第 {version} 版相比 Against version {version}\n\n"
    if not moved:
        return f"{title}县区的指数和名次未变（{len(now)}）。No county's index or rank moved."
    return title + _grid(
        {"县区 county": "<", "指数 index": ">", "名次 rank": ">"},
        (
            (
                _text((now.get(area) or was[area])["area_name"]),
                *(f"{a} → {b}" for a, b in zip(_shown(was.get(area)), _shown(now.get(area)), strict=True)),
            )
            for area in moved
        ),
        len(moved),
    )


def _causes(staged: Path, counties: list[dict[str, Any]]) -> str:
    """By county, the causes that moved the index most since the half-year before."""
    points: dict[str, Counter[str]] = defaultdict(Counter)
    for row in _table(staged, "index_change_causes"):
        if (row["area_level"], row["comparison"], row["node_code"]) == ("county", "previous", "index"):
            points[row["area_id"]][row["cause_code"]] += row["points"] or 0
    if not points:
        return ""
    names = {
        row["cause_code"]: f"{row['name_zh']} {row['name_en']}" for row in standard.seed("change_causes")
    }
    lines = []
    for county in counties:
        causes = sorted(points[county["area_id"]].items(), key=lambda item: (-abs(item[1]), item[0]))
        told = [
            f"{_text(names.get(code, code))} {value:+.1f}" for code, value in causes if abs(value) >= _SEEN
        ]
        if told:
            lines.append(f"- {_text(county['area_name'])}: {', '.join(told[:_CAUSES])}")
    title = "### 较上半年变化的原因 Why it changed since the half-year before\n\n"
    return title + ("\n".join(_cut(lines, _ROWS)) or "各县区无可见变化。No visible change.")


def _drift(staged: Path, counties: list[dict[str, Any]]) -> str:
    """What the comparison with the last release has found, errors first."""
    names = {row["area_id"]: row["area_name"] for row in counties}
    found = [row for row in _table(staged, "release_drift") if row["finding"]]
    found.sort(key=lambda row: (row["finding"], row["measure_type"], row["area_id"], row["subject_code"]))
    told = []
    for row in found:
        of = f" {names.get(row['area_id'], row['area_id'])}" if row["area_level"] == "county" else ""
        changes = ((row["change_pct"], " %"), (row["change_points"], " points"))
        change = "".join(f", {value:+.1f}{unit}" for value, unit in changes if value is not None)
        values = " → ".join(_number(row[name], ",.4g") for name in ("value_before", "value_now"))
        told.append(f"{row['finding']}: {row['measure_type']} {row['subject_code']}{of}: {values}{change}")
    return _list("与上次发布的差异 Drift from the last release", told)


def _quarantined(staged: Path) -> str:
    reasons: Counter[str] = Counter()
    for row in _table(staged, "quarantine_summary"):
        reasons[row["reason_code"]] += row["rows"]
    if not reasons:
        return ""
    order = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{_text(reason)} {rows:,}" for reason, rows in order]
    more = f" … +{len(told) - _ITEMS}" if len(told) > _ITEMS else ""
    return f"### 隔离的行 Quarantined rows: {sum(reasons.values()):,}\n\n{', '.join(told[:_ITEMS])}{more}"


def _suppressed(staged: Path) -> str:
    """How many values are withheld for confidentiality, by table."""
    counts = []
    for path in sorted((staged / "tables").glob("*.parquet")):
        if "conf_status" in pq.read_schema(path).names:
            column = pq.read_table(path, columns=["conf_status"])["conf_status"]
            if withheld := pc.sum(pc.not_equal(column, _FREE)).as_py():
                counts.append((path.stem, withheld))
    if not counts:
        return ""
    told = ", ".join(f"{_text(name)} {count:,}" for name, count in counts)
    return f"### 保密隐去的值 Suppressed values: {sum(count for _, count in counts):,}\n\n{told}"


# Markdown -------------------------------------------------------------------------------------------------------------


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return f"### {title}: 0"
    return f"### {title}: {len(items):,}\n\n" + "\n".join(
        _cut([f"- {_text(item)}" for item in items], _ITEMS)
    )


def _grid(columns: Mapping[str, str], rows: Iterable[Sequence[str]], count: int) -> str:
    """A table; `columns` says to which side each is set."""
    shown = [row for row, _ in zip(rows, range(_ROWS), strict=False)]
    lines = [columns, [{">": "---:", "<": ":---"}[side] for side in columns.values()], *shown]
    more = [f"\n… 另有 {count - _ROWS} 行 · {count - _ROWS} more"] if count > _ROWS else []
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *more])


def _cut(lines: list[str], most: int) -> list[str]:
    left = len(lines) - most
    return lines if left <= 0 else [*lines[:most], f"- … 另有 {left} 项 · {left} more"]


def _text(value: object, longest: int | None = _LONGEST) -> str:
    """Text of others: one line, in which nothing is markup."""
    return escaped(value, longest)


def _link(text: str, address: str) -> str:
    """A link whose address may hold blanks and brackets."""
    safe = re.sub(r"[<>\\\n]", lambda sign: f"%{ord(sign[0]):02X}", address)
    return f"[{text}](<{safe}>)"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _interval(row: Mapping[str, Any]) -> str:
    low, high = row.get("index_low"), row.get("index_high")
    return "–" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def _shown(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """Index and rank as they are shown; of a county that is not there, dashes."""
    return ("–", "–") if row is None else (_number(row["index_score"], ".1f"), _number(row["rank"], "d"))


def _table(bundle: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table of a bundle; none when it has no such table."""
    path = bundle / "tables" / f"{name}.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.is_file() else []
    return rows
