"""The page of a release: `index.html` and the folder `page/`, which open from anywhere and without a network.

The HTML has what can be read without a script: who, when, which version, the ranking, causes, gaps, method and files.
`page/data.js` has every area's figures; the scripts beside it draw the map and the charts from it. Texts from the
data are escaped by Jinja here, and are only ever text in the scripts.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from citycheck.release.about import FEEDS, REASONS, TABLES, About, Words, describe, moment
from citycheck.report import queries
from citycheck.report.data import INDEX_BREAKS, page_data
from citycheck.report.figures import change, direction, number, size
from citycheck.report.projects import renewal
from citycheck.report.queries import Row
from citycheck.report.words import (
    GOAL_STATUSES,
    OBJECTIVES,
    PROJECT_STATUSES,
    SHORTFALLS,
    SITES,
    SUPERVISIONS,
    VERDICTS,
)

_HERE = Path(__file__).parent
SCRIPTS = ("start.js", "base.js", "charts.js", "map.js", "ledger.js", "projects.js", "place.js", "page.js")
"""In the order in which they are read; each uses those before it."""
_ASSETS = {
    **{name: _HERE / "templates" / name for name in ("page.css", *SCRIPTS)},
    **{
        name: _HERE / "vendor" / f"{name}{'.gz' if name.endswith('.js') else ''}"
        for name in ("echarts.min.js", "echarts.LICENSE.txt", "echarts.LICENSE-d3.txt", "echarts.NOTICE.txt")
    },
}
"""What the folder `page/` has besides its data. ECharts is kept as it is distributed, compressed."""


@dataclass(frozen=True)
class Download:
    """A file of the bundle; `path` is relative to the page."""

    path: str
    bytes: int
    description: str
    format: str


def write_page(
    connection: duckdb.DuckDBPyConnection,
    provenance: Mapping[str, Any],
    downloads: Sequence[Download],
    folder: Path,
) -> dict[str, tuple[str, str]]:
    """Write the page of the release whose build is open on `connection`; its files, each with name and title."""
    about = describe(connection, provenance)
    (folder / "page").mkdir()
    (folder / "index.html").write_text(render(connection, provenance, downloads), encoding="utf-8")
    data = page_data(connection, about, provenance)
    (folder / "page" / "data.js").write_text(data, encoding="utf-8")
    for name, source in _ASSETS.items():
        contents = source.read_bytes()
        (folder / "page" / name).write_bytes(
            gzip.decompress(contents) if source.suffix == ".gz" else contents
        )
    return {
        "index.html": ("page", "网页 / The release as a page"),
        "page/data.js": ("page_data", "网页的数据 / The data of the page"),
        **{
            f"page/{name}": (
                f"page_{name.replace('.', '_').lower()}",
                f"网页的组成部分 / A part of the page: {name}",
            )
            for name in _ASSETS
        },
    }


def render(
    connection: duckdb.DuckDBPyConnection, provenance: Mapping[str, Any], downloads: Sequence[Download]
) -> str:
    """The HTML of the page."""
    about = describe(connection, provenance)
    dimensions = queries.ask(
        connection,
        "select dimension_code as code, name_zh as zh, name_en as en, weight_pct from standard.dimensions "
        "order by dimension_order",
    )
    counties = queries.ask(connection, "select * from marts.county_index order by rank nulls last, area_id")
    (communities,) = connection.execute("select count(*) from marts.community_index").fetchone() or (0,)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            p=provenance,
            about=about,
            half_year=about.half_year,
            scripts=SCRIPTS,
            has_index=any(county["index_score"] is not None for county in counties),
            dimensions=[d for d in dimensions if any(_score(row, d) is not None for row in counties)],
            all_dimensions=dimensions,
            counties=counties,
            communities=communities,
            weights=queries.weights(counties),
            weight_min=queries.weight_min(connection),
            changes=queries.changes(connection),
            indicators=queries.indicator_values(connection),
            shortfalls=queries.shortfalls(connection),
            renewal=renewal(connection),
            detours=queries.detours(connection) if provenance.get("walking_network") else [],
            findings=queries.findings(connection),
            gaps=queries.gaps(connection),
            quarantine=queries.quarantine(connection),
            ledger=queries.ledger(connection),
            downloads=_by_contents(downloads),
            titles=_titles(about),
        )
    )


def _titles(about: About) -> Words:
    synthetic = Words(" · 合成数据", " · synthetic data") if about.is_synthetic else Words("", "")
    return Words(
        f"{about.city_name.zh}城镇社区体检 {about.code}{synthetic.zh}",
        f"{about.city_name.en} community check-up {about.code}{synthetic.en}",
    )


def _score(row: Row, dimension: Row) -> float | None:
    value: float | None = row.get(f"score_{dimension['code'].lower()}")
    return value


def _index_step(value: float | None) -> int | None:
    """The class of an index or a score on the scale of the map, 0 to 5."""
    return None if value is None else sum(value >= bound for bound in INDEX_BREAKS)


def _by_contents(downloads: Sequence[Download]) -> dict[str, list[Download]]:
    """The formats of the same contents together."""
    contents: dict[str, list[Download]] = {}
    for download in downloads:
        contents.setdefault(download.path.rsplit(".", 1)[0], []).append(download)
    return contents


@lru_cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "change": change, "size": size, "moment": moment}
    environment.globals |= {"score": _score, "index_step": _index_step, "direction": direction}
    environment.globals |= {"FEEDS": FEEDS, "TABLES": TABLES, "REASONS": REASONS, "SHORTFALLS": SHORTFALLS}
    environment.globals |= {
        "PROJECT_STATUSES": PROJECT_STATUSES,
        "SITES": SITES,
        "SUPERVISIONS": SUPERVISIONS,
    }
    environment.globals |= {"VERDICTS": VERDICTS, "GOAL_STATUSES": GOAL_STATUSES, "OBJECTIVES": OBJECTIVES}
    return environment
