"""The one-page insight of a community's needs (生活需求洞察报告), from the published warehouse of a half-year."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from citycheck import duck, standard
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import replacing
from citycheck.settings import settings

SHOWN = {"kinds": 5, "needs": 8, "supply": 6, "meetings": 5}
"""How many rows of a section fit on the page."""


@dataclass(frozen=True)
class Item:
    """A line of the page; `low` and `high` are its 95 % interval, `comparison` what it stands beside."""

    code: str
    zh: str
    en: str
    value: float | None
    low: float | None
    high: float | None
    comparison: float | None

    @property
    def is_known(self) -> bool:
        """Whether anything may be shown of it."""
        return self.value is not None or self.comparison is not None


@dataclass(frozen=True)
class Insight:
    """All that the page says of one community; `sections` holds no value of too few answers."""

    city_zh: str
    city_en: str
    half_year: str
    is_synthetic: bool
    community: dict[str, Any]
    weighting: str | None
    sections: dict[str, list[Item]]
    n_min: int

    def people(self, code: str) -> Item | None:
        return next((item for item in self.sections.get("people", []) if item.code == code), None)

    @property
    def has_answers(self) -> bool:
        """Whether any result of the survey is shown: of a community with few answers, or beside one, none is."""
        shown = (self.sections.get(name, []) for name in ("needs", "satisfaction", "kinds"))
        return any(item.value is not None for items in shown for item in items)


def write(city: str, community: str, half_year: str | None, out: Path | None) -> Path:
    """Write the page of a community, named by its code or its name; returns where it is.

    Raises `NotReady` when nothing is published, and `BadInput` when no or more than one community is named so.
    """
    page = render(read(city, community, half_year))
    path = out or Path(f"insight-{community}.html")
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def read(city: str, community: str, half_year: str | None = None) -> Insight:
    """What is published of a community; without a half-year the latest."""
    home, profile = settings().city_home(city), load_city(city).profile
    published = {path.stem: path for path in sorted(home.warehouse.glob("*.duckdb"))}
    chosen = half_year or max(published, default="")
    if chosen not in published or not published[chosen].is_file():
        raise NotReady(
            f"{city}{f' {half_year}' if half_year else ''}: nothing is published; expected a finished build. "
            f"Run `citycheck build {half_year or '<half-year>'} --city {city}` first."
        )
    with duck.connect(published[chosen], read_only=True) as warehouse:
        try:
            return _read(warehouse, profile, chosen, community)
        except duckdb.CatalogException:
            raise NotReady(
                f"{city} {chosen}: was built before there were insights. "
                f"Run `citycheck build {chosen} --city {city}` again."
            ) from None


def _read(warehouse: duckdb.DuckDBPyConnection, profile: Any, half_year: str, community: str) -> Insight:
    found = _rows(
        warehouse,
        """
        select community_id, community_name, street_name, county_name from marts.communities
        where community_id = $community or community_name = $community order by community_id
        """,
        community=community,
    )
    if len(found) != 1:
        told = (
            "no community has this code or name" if not found else f"{len(found)} communities have this name"
        )
        raise BadInput(f"{profile.city} {half_year}, {community!r}: {told}. Give the code of one.")
    where = found[0]
    sections: dict[str, list[Item]] = {}
    for row in _rows(
        warehouse,
        """
        select section, item_code, name_zh, name_en, value, value_low, value_high, comparison
        from marts.community_insights where community_id = $community order by section, item_order, item_code
        """,
        community=where["community_id"],
    ):
        items = sections.setdefault(row["section"], [])
        if len(items) < SHOWN.get(row["section"], 99):
            numbers = (row[name] for name in ("value", "value_low", "value_high", "comparison"))
            items.append(Item(row["item_code"], row["name_zh"], row["name_en"], *numbers))
    weighting = _rows(
        warehouse,
        """
        select weighting from marts.survey_satisfaction
        where area_level = 'community' and area_id = $community and group_code = 'all' and weighting is not null
        order by question_code limit 1
        """,
        community=where["community_id"],
    )
    return Insight(
        city_zh=profile.name.zh,
        city_en=profile.name.en,
        half_year=half_year,
        is_synthetic=profile.is_synthetic,
        community=where,
        weighting=weighting[0]["weighting"] if weighting else None,
        sections=sections,
        n_min=int(standard.parameter("survey_n_min")),
    )


def render(insight: Insight) -> str:
    """The page as self-contained HTML: Chinese and English, one A4 sheet when printed."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _number
    template = environment.get_template("insight.html.j2")
    return template.render(insight=insight, sections=defaultdict(list, insight.sections))


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _rows(warehouse: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.execute(sql, parameters).to_arrow_table().to_pylist()
    return rows
