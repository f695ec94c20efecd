"""release_notes.md: what a version is, what moved against the version and the half-year before, and what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from citycheck.errors import BadInput
from citycheck.release.about import FEEDS, LEVELS, About, Words, moment
from citycheck.release.flat import Resource, resource, rows
from citycheck.release.markdown import readable
from citycheck.release.tables import Table

FILE = "release_notes.md"
_LARGEST = 10
_CAUSES = 3
_HASH_SHOWN = 25
"""Characters of a hash, a commit or a moment that tell two apart."""
_COMPARED = {
    "standard_version": Words("标准版本", "Standard"),
    "cut_off": Words("数据截止", "Cut-off"),
    "profile_sha256": Words("城市配置", "City profile"),
    "code_version": Words("程序版本", "Code version"),
    "code_commit": Words("程序提交", "Code commit"),
}

Row = dict[str, Any]


def write_notes(
    connection: duckdb.DuckDBPyConnection,
    about: About,
    provenance: Mapping[str, Any],
    tables: Mapping[str, Table],
    folder: Path,
    before: Path | None,
) -> Resource:
    """Write the notes of the release whose build is open; `before` is the folder of the version that it supersedes.

    Raises `BadInput` when `before` is not a published version.
    """
    text = _template().render(
        about=about,
        p={"known_gaps": None, **provenance},
        cut_off=moment(about.cut_off),
        levels=LEVELS,
        most=_LARGEST,
        moved=_moved(connection, provenance, before) if before and about.publication.supersedes else None,
        changes=_changes(connection),
        gaps=_gaps(connection),
        warnings=_warnings(provenance),
        suppressed=_suppressed(connection, tables),
    )
    (folder / FILE).write_text(re.sub("\n{3,}", "\n\n", text), encoding="utf-8")
    title = "发布说明 / Release notes: what this version is, what moved, what is missing."
    return resource(folder, FILE, "release_notes", title)


def _moved(connection: duckdb.DuckDBPyConnection, provenance: Mapping[str, Any], before: Path) -> Row:
    """What differs from the version before: areas by level, the largest changes, deliveries and other inputs."""
    scores = before / "tables" / "index_scores.parquet"
    try:
        earlier = json.loads((before / "provenance.json").read_text(encoding="utf-8"))
        known = rows(
            connection, "select area_level, area_id, index_score, rank from read_parquet(?)", [str(scores)]
        )
    except (OSError, ValueError, duckdb.Error):
        raise BadInput(
            f"{before}: cannot be read as the version before this one; expected provenance.json and tables/index_scores.parquet. "
            "Restore this version from a copy."
        ) from None
    then = {(row["area_level"], row["area_id"]): row for row in known}
    now = rows(
        connection,
        "select s.area_level, s.area_id, a.area_name, s.index_score, s.rank from marts.index_scores as s "
        "left join marts.areas as a using (area_level, area_id) order by all",
    )
    compared = [_compared(row, then.get((row["area_level"], row["area_id"]), {})) for row in now]
    present = [level for level in LEVELS if any(row["area_level"] == level for row in compared)]
    moved = [row for row in compared if row["change"]]
    gone = [row for key, row in then.items() if key not in {(r["area_level"], r["area_id"]) for r in now}]
    return {
        "counts": [
            _count(level, [row for row in compared if row["area_level"] == level]) for level in present
        ],
        "largest": sorted(
            moved,
            key=lambda row: (-abs(row["change"]), list(LEVELS).index(row["area_level"]), row["area_id"]),
        )[:_LARGEST],
        "gained": [
            row["area_name"]
            for row in compared
            if row["index_now"] is not None and row["index_before"] is None
        ],
        "lost": [
            row["area_name"]
            for row in compared
            if row["index_now"] is None and row["index_before"] is not None
        ]
        + sorted(row["area_id"] for row in gone if row["index_score"] is not None),
        "feeds": _differing_feeds(earlier, provenance),
        "others": [
            {
                "name": name,
                "before": str(earlier.get(key))[:_HASH_SHOWN],
                "now": str(provenance.get(key))[:_HASH_SHOWN],
            }
            for key, name in _COMPARED.items()
            if earlier.get(key) != provenance.get(key)
        ],
    }


def _compared(now: Row, then: Row) -> Row:
    index_now, index_before = now["index_score"], then.get("index_score")
    has_both = index_now is not None and index_before is not None
    return {
        "area_level": now["area_level"],
        "area_id": now["area_id"],
        "area_name": now["area_name"] or now["area_id"],
        "index_now": index_now,
        "index_before": index_before,
        "change": index_now - index_before if has_both else None,
        "rank_now": now["rank"],
        "rank_before": then.get("rank"),
    }


def _count(level: str, compared: list[Row]) -> Row:
    return {
        "area_level": level,
        "areas": len(compared),
        "index_changed": sum(row["index_now"] != row["index_before"] for row in compared),
        "rank_changed": sum(row["rank_now"] != row["rank_before"] for row in compared),
    }


def _differing_feeds(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[Row]:
    """Feeds with other deliveries than before, or read by another recipe: half-year, start of the hash, recipe."""
    of = [_deliveries(one) for one in (earlier, now)]
    return [
        {"name": _feed(feed), "before": of[0].get(feed, "–"), "now": of[1].get(feed, "–")}
        for feed in sorted(of[0].keys() | of[1].keys())
        if of[0].get(feed) != of[1].get(feed)
    ]


def _deliveries(provenance: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for one in provenance["inputs"]:
        parts = (one.get("half_year"), str(one["delivery"])[:8], one.get("recipe"))
        found.setdefault(one["feed"], []).append(" ".join(str(part) for part in parts if part))
    return {feed: ", ".join(sorted(told)) for feed, told in found.items()}


def _changes(connection: duckdb.DuckDBPyConnection) -> Row:
    """The counties' change against the half-year before, with the causes that moved each most."""
    found = rows(
        connection,
        """
        select change.area_id, area.area_name, change.change, change.compared_half_year, change.is_comparable,
            change.reason_zh, change.reason_en
        from marts.index_changes as change join marts.areas as area using (area_level, area_id)
        where change.area_level = 'county' and change.comparison = 'previous' and change.node_code = 'index'
        order by change.change desc nulls last, area_id
        """,
    )
    causes = rows(
        connection,
        """
        select area_id, min(name_zh) as zh, min(name_en) as en,
            cast(sum(cast(points as decimal(38, 12))) as double) as points
        from marts.index_change_causes join standard.change_causes using (cause_code)
        where area_level = 'county' and comparison = 'previous' and node_code = 'index'
        group by area_id, cause_code order by area_id, cause_code
        """,
    )
    for row in found:
        own = [cause for cause in causes if cause["area_id"] == row["area_id"] and cause["points"]]
        largest = sorted(own, key=lambda cause: -abs(cause["points"]))[:_CAUSES]
        row["causes"] = largest if row["is_comparable"] else []
    comparable = [row for row in found if row["is_comparable"]]
    reason = Words(found[0]["reason_zh"] or "", found[0]["reason_en"] or "") if found else None
    return {
        "half_year": found[0]["compared_half_year"] if found else None,
        "rows": found if comparable else [],
        "reason": reason,
    }


def _gaps(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Why indicators have no value, and how many in any county."""
    return rows(
        connection,
        "select missing_reason_zh as zh, missing_reason_en as en, count(distinct indicator_code) as indicators "
        "from marts.data_gaps group by all order by indicators desc, en",
    )


def _warnings(provenance: Mapping[str, Any]) -> list[Row]:
    """What the feeds' deliveries were accepted with, then what the gate of the marts only warned of."""
    told = [
        (
            f"{_feed(one['feed']).zh} {half_year}".strip(),
            f"{_feed(one['feed']).en} {half_year}".strip(),
            warning,
        )
        for one in provenance["inputs"]
        for half_year in [one.get("half_year") or ""]
        for warning in one.get("warnings") or []
    ]
    told += [("发布前检查", "Gate", warning) for warning in provenance.get("gate_warnings") or []]
    return [{"of": Words(zh, en), "text": str(warning)} for zh, en, warning in told]


def _suppressed(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> list[Row]:
    """Rows kept back, by table; where more than its value is kept back one by one, by what is."""
    found = []
    for name in sorted(tables):
        columns = [column.name for column in tables[name].columns]
        kept = {name: "conf_status <> 'F'"} if "conf_status" in columns else {}
        kept |= {
            f"{name} ({column.removesuffix('_suppression')})": f"{column} is not null"
            for column in columns
            if column.endswith("_suppression")
        }
        for what, condition in kept.items():
            (row,) = rows(
                connection,
                f"select count(*) filter ({condition}) as cells, count(*) as total from marts.{tables[name].name}",
            )
            if row["cells"]:
                found.append({"table": what, **row})
    return found


def _feed(code: str) -> Words:
    return FEEDS.get(code, Words(code, code))


@lru_cache
def _template() -> jinja2.Template:
    from citycheck.report.figures import change, number

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown: texts go through `md`
    )
    environment.filters |= {"number": number, "change": change, "md": readable}
    return environment.get_template("release_notes.md.j2")
