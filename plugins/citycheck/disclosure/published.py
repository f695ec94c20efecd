"""What a published version tells of each cell, read from its tables/*.parquet: shown with which count, or kept back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from citycheck import standard
from citycheck.disclosure.system import Cell, Flags
from citycheck.errors import BadInput

Name = tuple[str, str]
"""A table and its item, such as survey_satisfaction and a question."""

_WORD = "nullif(concat_ws(' ', suppression, nullif(conf_status, 'F')), '')"
_CELLS = {
    "survey_satisfaction": f"select question_code, area_level, area_id, group_code, {_WORD}, respondents from tables",
    "survey_needs": f"""
        select need_code, area_level, area_id, 'all', {_WORD}, respondents from tables
        union all
        select distinct 'all', area_level, area_id, 'all', choice_suppression, choosing_respondents from tables
    """,
    "survey_portrait": f"select distinct characteristic, area_level, area_id, 'all', {_WORD}, respondents from tables",
    "repair_statistics": f"select 'all', area_level, area_id, category_code, {_WORD}, ratings from tables",
}
"""Item, area, group, in which words it is kept back, and the count that is told: of each table that holds such cells."""
_SMALL = {"primary", "A", "sample_below_minimum"}
"""Words that say of a cell that too few people are in it. Where another cell has another word, that one says the contrary."""


@dataclass(frozen=True)
class Published:
    """The cells of one published version by table and item: the rounded count of each, None where it is kept back.

    `areas` are the area of each community by level, finest first; `answered` the numerator and denominator of each indicator
    that tells of answers, by area, None where they are kept back and 0 where there is nothing. `small` are cells that are
    kept back in words that tell whether too few people are in them: a release must have none.
    """

    folder: Path
    cells: Mapping[Name, Mapping[Cell, int | None]]
    areas: Mapping[str, Mapping[str, str]]
    answered: Mapping[str, Mapping[tuple[str, str], tuple[float, float] | None]]
    small: Mapping[Name, Mapping[Cell, bool]]

    @classmethod
    def read(cls, folder: Path) -> Published:
        """Raises `BadInput` when the folder is no published version that says what it keeps back."""
        cells: dict[Name, dict[Cell, int | None]] = {}
        areas: dict[str, dict[str, str]] = {}
        answered: dict[str, dict[tuple[str, str], tuple[float, float] | None]] = {}
        words: dict[Name, dict[Cell, str]] = {}
        for table, sql in _CELLS.items():
            for item, level, area, group, word, count in _query(folder, table, sql):
                cells.setdefault((table, item), {})[level, area, group] = None if word else count or 0
                if word:
                    words.setdefault((table, item), {})[level, area, group] = word
        for level, of in (
            ("community", "area_id"),
            ("street", "street_id"),
            ("county", "county_id"),
            ("city", "(select area_id from tables where area_level = 'city')"),
        ):
            areas[level] = dict(
                _query(
                    folder,
                    "areas",
                    f"select area_id, {of} from tables where area_level = 'community' order by 1",
                )
            )
        asked, reasons = _asked(), dict[Name, dict[Cell, str]]()
        for code, level, area, status, reason, numerator, denominator in _query(
            folder,
            "indicators",
            """
            select indicator_code, area_level, area_id, conf_status, missing_reason, numerator, denominator from tables
            where indicator_code in (select distinct indicator_code from tables where conf_status <> 'F') order by all
            """,
        ):
            answered.setdefault(code, {})[level, area] = (
                None if status != "F" else (numerator or 0, denominator or 0)
            )
            if status != "F" and code in asked:
                name, group = asked[code]
                reasons.setdefault(name, {})[level, area, group] = f"{status} {reason}"
        small: dict[Name, dict[Cell, bool]] = {}
        for source in (
            *({name: of for name, of in words.items() if name[0] == table} for table in _CELLS),
            reasons,
        ):
            if any(_is_small(word) for of in source.values() for word in of.values()):
                for name, told in source.items():
                    small.setdefault(name, {}).update({cell: _is_small(word) for cell, word in told.items()})
        return cls(folder, cells, areas, answered, small)

    @staticmethod
    def told(versions: Sequence[Published], name: Name, cells: Sequence[Cell]) -> tuple[Flags, Flags]:
        """Which cells some of these versions keep back, and which some of them show."""
        of_versions = [version.cells.get(name, {}) for version in versions]
        hidden = [any(cell in told and told[cell] is None for told in of_versions) for cell in cells]
        shown = [any(told.get(cell) is not None for told in of_versions) for cell in cells]
        return np.array(hidden, dtype=bool), np.array(shown, dtype=bool)


def _is_small(word: str) -> bool:
    return not _SMALL.isdisjoint(word.split())


def _asked() -> dict[str, tuple[Name, str]]:
    """The cells that an indicator of answers is computed from: table and item, and group."""
    groups = {"aged_60_plus": "age_60_plus", "children_0_12": "child_yes"}
    return {"CNV-6": (("repair_statistics", "all"), "all")} | {
        row["indicator_code"]: (
            ("survey_satisfaction", row["survey_question"]),
            groups.get(row["respondents"], "all"),
        )
        for row in standard.seed("indicators")
        if row["survey_question"]
    }


def _query(folder: Path, table: str, sql: str) -> list[tuple[Any, ...]]:
    path = folder / "tables" / f"{table}.parquet"
    if not path.is_file():
        raise BadInput(
            f"{path}: a published version holds this table. Give the folder of a version, with its tables."
        )
    with duckdb.connect() as connection:
        connection.from_parquet(str(path)).create_view("tables")
        try:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        except duckdb.BinderException:
            raise BadInput(
                f"{path}: it does not say what is kept back (columns suppression, conf_status); it was published before "
                "citycheck had disclosure control. Build that half-year again."
            ) from None
    return found
