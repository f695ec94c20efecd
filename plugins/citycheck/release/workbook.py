"""citycheck-<half-year>.xlsx: what people open first. A cover, notes, the main tables, and what their columns mean.

Every text is a text and never a formula. The bytes hang on the build alone: the properties carry the cut-off, and
the entries of the ZIP no time at all.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import yaml
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from citycheck.release.about import LEVELS, About, Words, moment
from citycheck.release.flat import Resource, resource, rows
from citycheck.release.spreadsheet import safe
from citycheck.release.tables import Table, quoted

_MOST_ROWS = 10_000
"""Of a sheet: more is for the CSV, and the cover says so."""
_LONGEST_TEXT = 32_767
_A4 = 9
"""As Excel numbers paper."""
_HEAD = Font(bold=True, color="FFFFFF")
_HEAD_FILL = PatternFill("solid", fgColor="1F4E79")
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_NAMES = {
    "dimension_code": ("dimension", "standard.dimensions"),
    "indicator_code": ("indicator", "marts.indicator_definitions"),
    "question_code": ("question", "standard.survey_questions"),
    "need_code": ("need", "standard.needs"),
}
"""Codes that are told with their names: what the columns of names are called, and where the names are."""


_ENDINGS = {"pct": "%", "m2": "m²", "m": "m", "hours": "hours", "zh": "Chinese", "en": "English"}


@dataclass(frozen=True)
class Sheet:
    """A mart as a sheet: the rows of some levels, since a workbook is read by people."""

    name: str
    table: str
    levels: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, str]] | None = None
    """Further codes told with their names."""


SHEETS = (
    Sheet("县区指数 Counties", "county_index"),
    Sheet("街道指数 Streets", "street_index"),
    Sheet("社区指数 Communities", "community_index"),
    Sheet("方面得分 Dimensions", "dimension_scores"),
    Sheet("指标 Indicators", "indicators", ("city", "county")),
    Sheet("短板 Shortfalls", "shortfalls"),
    Sheet(
        "项目 Projects",
        "projects",
        names={
            "kind_code": ("kind", "standard.facility_kinds"),
            "category_code": ("category", "standard.repair_categories"),
            "action_code": ("action", "standard.renewal_actions"),
            "means_code": ("means", "standard.renewal_means"),
            "pool_code": ("pool", "standard.renewal_pools"),
        },
    ),
    Sheet("五年目标 Goals", "goal_progress"),
    Sheet("满意度 Satisfaction", "survey_satisfaction", ("city", "county")),
    Sheet("需求 Needs", "survey_needs", ("city", "county")),
    Sheet(
        "报修 Repairs",
        "repair_statistics",
        ("city", "county"),
        {"category_code": ("category", "standard.repair_categories")},
    ),
)
COVER, NOTES, DICTIONARY = "封面 Cover", "说明 Notes", "数据字典 Dictionary"


@lru_cache
def column_names_zh() -> dict[str, str]:
    """What columns are called in Chinese."""
    return {
        column: name["zh"] if isinstance(name, dict) else name for column, name in _words()["columns"].items()
    }


def english(column: str) -> str:
    """What a column is called in English: as words.yml says, else read off its name."""
    name = _words()["columns"].get(column)
    if isinstance(name, dict):
        return str(name["en"])
    text = column.replace("_per_1000", "_per_1,000").replace("_", " ")
    for code, told in _ENDINGS.items():
        if text.endswith(f" {code}"):
            text = f"{text.removesuffix(code)}({told})"
            break
    return text[:1].upper() + text[1:]


def write_workbook(
    connection: duckdb.DuckDBPyConnection,
    about: About,
    provenance: Mapping[str, Any],
    tables: Mapping[str, Table],
    entries: Sequence[Mapping[str, str]],
    folder: Path,
) -> Resource:
    """Write the workbook of a release with the data dictionary's entries; answers with its entry in the data package."""
    book = Workbook(write_only=True)
    cover, notes = book.create_sheet(COVER), book.create_sheet(NOTES)
    written = []
    for sheet in SHEETS:
        table = tables[sheet.table]
        records = rows(connection, _query(sheet, table))
        shown = records[:_MOST_ROWS]
        columns = list(records[0]) if records else [column.name for column in table.columns]
        _table(book, sheet.name, columns, shown)
        written.append((sheet, len(shown), len(records)))
    in_sheets = {sheet.table for sheet in SHEETS}
    shown = [dict(entry) for entry in entries if entry["table"] in in_sheets]
    _table(book, DICTIONARY, list(shown[0]), shown)
    _text(cover, _cover(about, provenance, written), (26, 60, 70))
    _text(notes, _notes(connection, about, provenance), (26, 70, 90))
    properties = book.properties
    properties.creator = safe(about.city_name.zh)
    properties.title = f"{about.title.zh} / {about.title.en}"
    (folder / about.workbook).write_bytes(_without_times(book, about))
    return resource(
        folder,
        about.workbook,
        "workbook",
        "工作簿 / The main tables with a cover and notes, for Excel and WPS.",
    )


def _query(sheet: Sheet, table: Table) -> str:
    """The rows of a sheet in the order of the key, names beside their codes, the widest area first."""
    listed, joins = [], []
    names = _NAMES | dict(sheet.names or {})
    for column in table.columns:
        listed.append(f"t.{quoted(column.name)}")
        if column.name == "area_id" and not table.has("area_name"):
            listed.append("areas.area_name")
            joins.append(
                "left join marts.areas as areas on areas.area_level = t.area_level and areas.area_id = t.area_id"
            )
        if column.name in names:
            stem, source = names[column.name]
            listed.append(f"{stem}.name_zh as {stem}_zh, {stem}.name_en as {stem}_en")
            joins.append(f"left join {source} as {stem} on {stem}.{column.name} = t.{column.name}")
    levels = ", ".join(f"'{level}'" for level in sheet.levels)
    where = f"where t.area_level in ({levels})" if levels else ""
    first = (
        ["array_position(['city', 'county', 'street', 'community'], t.area_level)"]
        if table.has("area_level")
        else []
    )
    order = ", ".join([*first, *(f"t.{part}" for part in table.order_by.split(", "))])
    return f"select {', '.join(listed)} from marts.{quoted(table.name)} as t {' '.join(joins)} {where} order by {order}"


def _table(book: Workbook, name: str, columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
    """A sheet with a frozen, filtered header in both languages."""
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", _A4
    sheet.page_setup.fitToHeight, sheet.sheet_properties.pageSetUpPr = 0, PageSetupProperties(fitToPage=True)
    sheet.row_dimensions[1].height = 32
    samples = records[:200]
    for at, column in enumerate(columns, start=1):
        longest = max(
            [_width(str(record[column])) for record in samples if record[column] is not None] or [0]
        )
        head = max(_width(column_names_zh().get(column, "")), _width(english(column)) // 2)
        sheet.column_dimensions[get_column_letter(at)].width = min(max(longest, head, 6) + 3, 60)
    zh = column_names_zh()
    sheet.append([_head(sheet, "\n".join(filter(None, (zh.get(c), english(c))))) for c in columns])
    formats = [_number_format(column) for column in columns]
    for record in records:
        sheet.append([_cell(sheet, record[c], form) for c, form in zip(columns, formats, strict=True)])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(records) + 1}"


def _cell(sheet: Any, value: Any, number_format: str) -> Any:
    """A number as a formatted number, everything else as text that runs nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = number_format if isinstance(value, float) else "#,##0"
        return cell
    return _plain(str(value))


def _plain(text: str) -> str:
    """A text as a cell may hold it: no control characters, no longer than Excel allows, nothing that runs."""
    return safe(ILLEGAL_CHARACTERS_RE.sub("", text))[:_LONGEST_TEXT]


def _head(sheet: Any, text: str) -> Any:
    cell = WriteOnlyCell(sheet, _plain(text))
    cell.font, cell.fill, cell.alignment = _HEAD, _HEAD_FILL, _WRAPPED
    return cell


def _number_format(column: str) -> str:
    """How a fraction is shown: weights and distances need other digits than scores."""
    if column in ("weight", "mean_importance") or column.startswith(("goalpost", "predicted_c")):
        return "0.00"
    return "#,##0" if column in ("numerator", "denominator", "area_gap_m2", "cost_cny") else "#,##0.0"


def _text(sheet: Any, lines: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> None:
    """A sheet of words; a line of one part is a heading."""
    for at, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    for at, line in enumerate(lines):
        cells = []
        for part in line:
            cell = WriteOnlyCell(sheet, _plain(part))
            cell.alignment = Alignment(wrap_text=len(line) > 1, vertical="top")
            if len(line) == 1:
                cell.font = Font(bold=True, size=18 if at < 2 else 12, color="1F4E79")
            cells.append(cell)
        sheet.append(cells)


def _cover(
    about: About, provenance: Mapping[str, Any], written: Sequence[tuple[Sheet, int, int]]
) -> Iterable[tuple[str, ...]]:
    yield (about.title.zh,)
    yield (about.title.en,)
    yield ()
    if about.is_synthetic:
        yield ("合成数据：数字由程序生成，不反映任何地方的真实状况。",)
        yield ("SYNTHETIC DATA: made by a program, says nothing about any real place.",)
        yield ()
    yield ("期别 Half-year", about.half_year.zh, about.half_year.en)
    yield ("版本 Version", about.version.zh, about.version.en)
    yield ("类型 Kind", about.kind.zh, about.kind.en)
    yield ("阶段 Stage", about.stage.zh, about.stage.en)
    yield ("公布时间（预告） Announced for", about.released.zh, about.released.en)
    if about.reason:
        yield ("原因 Reason", about.reason.zh, about.reason.en)
    if about.responsible:
        yield ("责任方 Responsible", about.responsible.zh, about.responsible.en)
    yield ("数据截止 Cut-off", *[moment(about.cut_off)] * 2)
    for date in about.dates:
        yield (
            f"发布日程 Calendar {date.half_year}",
            f"{date.stage.zh}：{date.at.zh}",
            f"{date.stage.en}: {date.at.en}",
        )
    yield ("标准版本 Standard", *[str(provenance["standard_version"])] * 2)
    yield ("发布者 Publisher", about.city_name.zh, about.city_name.en)
    if contact := provenance.get("contact"):
        yield ("联系 Contact", str(contact))
    unstated = Words("未注明；来源的许可见下", "not stated; those of the sources are below")
    licences = "；".join(str(one.get("title") or one["name"]) for one in provenance.get("licenses") or [])
    yield ("许可 Licence", licences or unstated.zh, licences or unstated.en)
    for source in provenance.get("sources") or []:
        yield ("来源 Source", str(source["title"]), str(source.get("licence") or ""))
    yield ()
    yield ("工作表 Sheets",)
    yield (NOTES, "方法、状态、抑制、已知缺口", "Method, statuses, suppression, known gaps")
    for sheet, shown, known in written:
        only_zh = f"，仅{'、'.join(LEVELS[level].zh for level in sheet.levels)}" if sheet.levels else ""
        only_en = (
            f", {' and '.join(LEVELS[level].en.lower() for level in sheet.levels)} only"
            if sheet.levels
            else ""
        )
        of_zh, of_en = (
            (f"{shown} / {known}", f"{shown} of {known}") if shown < known else (f"{known}", f"{known}")
        )
        file = f"tables/{sheet.table}.csv"
        yield (sheet.name, f"{of_zh} 行{only_zh}；全部见 {file}", f"{of_en} rows{only_en}; all are in {file}")
    yield (
        DICTIONARY,
        "各列的含义；全部见 data_dictionary.csv",
        "What each column means; all are in data_dictionary.csv",
    )


def _notes(
    connection: duckdb.DuckDBPyConnection, about: About, provenance: Mapping[str, Any]
) -> Iterable[tuple[str, ...]]:
    for part in _words()["notes"]:
        yield (f"{part['heading']['zh']} {part['heading']['en']}",)
        for line in part["lines"]:
            yield ("", line["zh"], line["en"])
        yield ()
    known = {name for (name,) in connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'standard'"
    ).fetchall()}  # fmt: skip
    for seed, code, heading in (
        ("obs_statuses", "obs_status", "观测状态（SDMX） Observation status"),
        ("conf_statuses", "conf_status", "保密状态（SDMX） Confidentiality status"),
        ("missing_reasons", "reason_code", "缺失原因 Reasons why a value is missing"),
    ):
        if seed in known:
            yield (heading,)
            yield from connection.execute(
                f"select {code}, name_zh, name_en from standard.{seed} order by {code}"
            ).fetchall()
            yield ()
    yield ("已知缺口 Known gaps",)
    for gap in provenance.get("known_gaps") or [{"zh": "没有登记的缺口。", "en": "None is recorded."}]:
        yield ("", str(gap["zh"]), str(gap["en"]))


def _without_times(book: Workbook, about: About) -> bytes:
    """The workbook's bytes with the cut-off as its only moment."""
    saved, fixed = io.BytesIO(), io.BytesIO()
    book.save(saved)
    stamp = about.moment_utc("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            contents = source.read(name)
            if name == "docProps/core.xml":
                contents = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, contents)
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), contents, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def _width(text: str) -> int:
    """How wide a text is in characters of the Latin alphabet."""
    return sum(2 if ord(char) > 0x2E7F else 1 for char in text)


@lru_cache
def _words() -> dict[str, Any]:
    text = (Path(__file__).parent / "words.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))
