"""Projects as a workbook for departments that do not use the system, and what came back in one.

Rows 1 to 3 are the headings (Chinese, English, name of the column), projects begin in row 4. Grey columns are locked; a row
without a project_id begins a project of the department's own. The hidden sheet `base` holds what the editor saw, so that
an import knows what was changed. Rows that are deleted change nothing.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citycheck.errors import BadInput
from citycheck.forms.workbook import to_bytes
from citycheck.release.spreadsheet import FORMULA, safe
from citycheck.renewal.register import Field, Project, as_text, fields

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

PROJECTS, NOTES, CODES, BASE = "项目 Projects", "说明 Notes", "codes", "base"
HEADER_ROW, FIRST_ROW = 3, 4
READ_ONLY = {
    "project_id": ("项目编号", "Project"),
    "county_name": ("区县", "County"),
    "street_name": ("街道", "Street"),
    "community_name": ("社区", "Community"),
    "subject": ("设施或报修类别", "Kind or category"),
    "reason_code": ("短板", "Reason"),
    "scale_code": ("更新尺度", "Scale"),
    "target_population": ("服务人口", "People it is meant for"),
    "uncovered_population": ("未覆盖人口", "People not covered"),
    "area_gap_m2": ("面积缺口(m²)", "Area lacking (m²)"),
    "reports": ("报修件数", "Repair reports"),
    "priority_score": ("优先级(0–100)", "Priority (0–100)"),
    "predicted_covered_population": ("预计新覆盖人口", "People newly covered, predicted"),
    "opened_half_year": ("立项期", "Opened"),
    "supervision_code": ("督查", "Supervision"),
    "conflicts": ("冲突字段", "Fields in conflict"),
}
"""Columns that tell and are not read."""
_SPARE_ROWS = 100
_LIMIT_BYTES, _LIMIT_UNPACKED_BYTES, _LIMIT_ROWS, _LIMIT_COLUMNS = 16 << 20, 256 << 20, 50_000, 200
_SERIALS = (36_526, 73_050)
"""Days 2000-01-01 to 2099-12-31 as Excel and WPS count them."""
_BLANKS = " \t\r\n\u3000\u00a0\ufeff"
_NOTES = (
    "每行一个项目，从第4行开始；不要改动前3行。灰色列由系统填写，不可修改。",
    "One row a project, from row 4; leave rows 1 to 3 as they are. Grey columns are the system's.",
    "清空一格即清除该项；删除一行不作任何改动。要取消项目，请把状态改为“取消”。",
    "An emptied cell clears the field; a deleted row changes nothing. To drop a project, set its status to dropped.",
    "新增项目：在空行填写社区编码、设施类别（或报修类别）和项目名称，项目编号留空。",
    "A project of your own: fill in an empty row with community, kind (or category) and name; leave the project_id blank.",
    "日期如 2026-03-05；造价以元为单位；依据只填文号或网址。",
    "Days such as 2026-03-05; costs in CNY; evidence is a reference or an address only.",
    "不要填写姓名、电话、身份证号或住址。",
    "Write no names, phone numbers, ID numbers or addresses.",
)


@dataclass(frozen=True)
class About:
    """What a workbook was made from."""

    city: str
    half_year: str
    until: datetime
    """Edits received by then (UTC) are in it."""
    is_synthetic: bool = False


@dataclass(frozen=True)
class Row:
    """A row as it came: the cells of the fields as text, or why a cell is none."""

    number: int
    project_id: str
    cells: Mapping[str, str]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Filled:
    """A workbook that came back."""

    about: About
    rows: tuple[Row, ...]
    base: Mapping[str, Mapping[str, str]]
    """What the editor saw: project → field → value."""


def columns() -> dict[str, tuple[str, str]]:
    """The columns of the sheet with their headings, in their order."""
    return READ_ONLY | {name: (field.zh, field.en) for name, field in fields().items()}


def template(projects: Sequence[Project], about: About, names: Mapping[str, str]) -> bytes:
    """The workbook of some projects; `names` are the words for kinds and categories. The same projects give the same bytes."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, PatternFill, Protection

    book = Workbook()
    book.remove(book.worksheets[0])
    sheet, notes, codes, base = (book.create_sheet(name) for name in (PROJECTS, NOTES, CODES, BASE))
    codes.sheet_state = base.sheet_state = "hidden"
    _notes(notes, about)
    grey = PatternFill("solid", fgColor="F2F2F2")
    for at, (name, words) in enumerate(columns().items(), 1):
        _heading(sheet, at, name, words)
    for number, project in enumerate(projects, FIRST_ROW):
        for at, name in enumerate(columns(), 1):
            cell = sheet.cell(number, at)
            cell.value = _cell(project, name, names)
            cell.alignment = Alignment(vertical="top")
            is_open = name in fields() and not fields()[name].only_new
            cell.protection = Protection(locked=not is_open)
            if not is_open:
                cell.fill = grey
            elif fields()[name].type == "date":
                cell.number_format = "yyyy-mm-dd"
    last = FIRST_ROW + len(projects) + _SPARE_ROWS
    for number in range(FIRST_ROW + len(projects), last):
        for at, name in enumerate(columns(), 1):
            sheet.cell(number, at).protection = Protection(locked=name not in fields())
    for at, name in enumerate(columns(), 1):
        if name in fields():
            _rule(sheet, codes, at, fields()[name], last)
    sheet.freeze_panes = sheet.cell(FIRST_ROW, 2)
    protection = sheet.protection
    protection.sheet = True
    protection.formatColumns = protection.formatRows = protection.sort = protection.autoFilter = False
    _base(base, projects, about)
    return to_bytes(book)


def read(file: Path) -> Filled:
    """What a filled workbook holds. Raises `BadInput` for a file that is no workbook of projects, or too large."""
    book = _open(file)
    if lacking := [name for name in (PROJECTS, BASE) if name not in book.sheetnames]:
        raise BadInput(
            f"{file.name}: has no sheet {' and no sheet '.join(map(repr, lacking))}; expected a workbook of `citycheck projects "
            "export`. Copy the changes into a fresh one."
        )
    sheet = book[PROJECTS]
    header = [_plain(cell.value) for cell in sheet[HEADER_ROW]]
    wanted = ["project_id", *fields()]
    if wrong := [name for name in wanted if header.count(name) != 1]:
        raise BadInput(
            f"{file.name}: row {HEADER_ROW} of {PROJECTS!r} has not once each of {', '.join(wrong)}; expected the names of the "
            "export. Put them back, or copy the changes into a fresh export."
        )
    places = {name: header.index(name) for name in wanted}
    about, base = _read_base(book[BASE], file)
    return Filled(about, tuple(_rows(book, sheet, places)), base)


# Writing -------------------------------------------------------------------------------------------------------------


def _cell(project: Project, name: str, names: Mapping[str, str]) -> Any:
    if name == "conflicts":
        return ", ".join(sorted({edit.field for edit in project.conflicts})) or None
    if name == "subject":
        code = project.text("kind_code") or project.text("category_code")
        return safe(names.get(code, code)) or None
    value = project.values.get(name)
    if name not in fields():
        return safe(value) if isinstance(value, str) else value
    text = project.text(name)
    if not text:
        return None
    match fields()[name].type:
        case "date":
            return date.fromisoformat(text)
        case "money":
            return float(text)
        case "code":
            return fields()[name].shown(text)
    return safe(text)


def _heading(sheet: Worksheet, at: int, name: str, words: tuple[str, str]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    is_field = name in fields()
    for row, text in enumerate([*words, name], 1):
        cell = sheet.cell(row, at, text)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        cell.fill = PatternFill("solid", fgColor="E8EEF4" if is_field else "D9D9D9")
        cell.font = Font(bold=row == 1, color="808080" if row == HEADER_ROW else "000000")
    width = 28 if name in ("project_id", "project_name_zh", "project_name_en", "evidence", "subject") else 16
    sheet.column_dimensions[get_column_letter(at)].width = width


def _rule(sheet: Worksheet, codes: Worksheet, at: int, field: Field, last: int) -> None:
    """What a column may hold: a list, a day, an amount, a text of some length."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    letter = get_column_letter(at)
    match field.type:
        case "code":
            for row, text in enumerate([field.name, *(field.shown(code) for code in field.values)], 1):
                codes.cell(row, at, text)
            rule = DataValidation("list", f"{CODES}!${letter}$2:${letter}${len(field.values) + 1}")
        case "date":
            rule = DataValidation("date", "DATE(2000,1,1)", operator="greaterThanOrEqual")
        case "money":
            rule = DataValidation("decimal", "0", operator="greaterThanOrEqual")
        case _:
            rule = DataValidation("textLength", "0", str(field.most), operator="between")
    rule.allow_blank = True
    rule.showErrorMessage = True
    rule.errorTitle, rule.error = "请改正 Please correct", f"{field.zh} {field.en}"
    rule.add(f"{letter}{FIRST_ROW}:{letter}{last}")
    sheet.add_data_validation(rule)


def _notes(sheet: Worksheet, about: About) -> None:
    from openpyxl.styles import Alignment, Font

    sheet.append([f"城市更新项目 Renewal projects — {about.half_year}"])
    sheet["A1"].font = Font(bold=True, size=14)
    if about.is_synthetic:
        sheet.append(["合成数据：由程序生成，不反映任何地方。 SYNTHETIC DATA, made by a program."])
    for line in _NOTES:
        sheet.append([line])
    sheet.column_dimensions["A"].width = 100
    for [cell] in sheet.iter_rows(min_row=2):
        cell.alignment = Alignment(wrap_text=True)


def _base(sheet: Worksheet, projects: Sequence[Project], about: About) -> None:
    sheet.append(["city", about.city, "half_year", about.half_year, "until", about.until.isoformat()])
    sheet.append(["project_id", *fields()])
    for project in projects:
        sheet.append([safe(project.text(name)) or None for name in ("project_id", *fields())])


# Reading -------------------------------------------------------------------------------------------------------------


def _open(file: Path) -> Workbook:
    from openpyxl import load_workbook

    try:
        if file.stat().st_size > _LIMIT_BYTES:
            raise BadInput(
                f"{file.name}: is larger than {_LIMIT_BYTES >> 20} MiB. Copy the changes into a fresh export."
            )
        content = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _LIMIT_UNPACKED_BYTES:
                raise BadInput(
                    f"{file.name}: is larger than {_LIMIT_UNPACKED_BYTES >> 20} MiB unpacked. Copy the changes into a fresh "
                    "export."
                )
        book = load_workbook(io.BytesIO(content), keep_links=False)
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}). Check the name of the file.") from None
    except Exception as error:  # openpyxl answers a broken workbook with errors of every kind
        raise BadInput(
            f"{file.name}: is no .xlsx workbook ({type(error).__name__}). Save it as .xlsx without a password."
        ) from None
    for sheet in book.worksheets:
        if sheet.max_row > _LIMIT_ROWS or sheet.max_column > _LIMIT_COLUMNS:
            raise BadInput(
                f"{file.name}: a sheet has more than {_LIMIT_ROWS:,} rows or {_LIMIT_COLUMNS} columns. Copy the changes into a "
                "fresh export."
            )
    return book


def _rows(book: Workbook, sheet: Worksheet, places: Mapping[str, int]) -> Iterator[Row]:
    """The rows in which something stands."""
    from openpyxl.cell.cell import ERROR_CODES

    for number, values in enumerate(sheet.iter_rows(min_row=FIRST_ROW, values_only=True), FIRST_ROW):
        cells: dict[str, str] = {}
        refused: dict[str, str] = {}
        for name, at in places.items():
            value = values[at] if at < len(values) else None
            # openpyxl has objects of its own for array formulas and tables
            is_plain = isinstance(value, str | int | float | date | None)
            cells[name] = _text(value, name, book.epoch) if is_plain else "="
            if not is_plain or (isinstance(value, str) and (value.startswith("=") or value in ERROR_CODES)):
                refused[name] = "a value, not a formula or an error 不应是公式或错误值"
        id_ = cells.pop("project_id")
        if id_ or any(cells.values()):
            yield Row(number, id_, cells, refused)


def _text(value: Any, name: str, epoch: datetime) -> str:
    """A cell as text; in a column of days a number is a day as Excel and WPS count them."""
    from openpyxl.utils.datetime import from_excel

    field = fields().get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field is not None and field.type == "date" and is_number and _SERIALS[0] <= value <= _SERIALS[1]:
        value = from_excel(value, epoch)
    return _plain(value)


def _plain(value: Any) -> str:
    if not isinstance(value, str):
        return as_text(value)
    text = value.strip(_BLANKS)
    return text[1:] if text.startswith("'") and re.search(FORMULA, text[1:]) else text


def _read_base(sheet: Worksheet, file: Path) -> tuple[About, dict[str, dict[str, str]]]:
    rows = sheet.iter_rows(values_only=True)
    try:
        head = [as_text(value) for value in next(rows)]
        said = dict(zip(head[::2], head[1::2], strict=False))
        about = About(said["city"], said["half_year"], datetime.fromisoformat(said["until"]))
        names = [_plain(value) for value in next(rows)]
        if names[0] != "project_id" or not set(fields()) <= set(names):
            raise ValueError
        base = {_plain(row[0]): dict(zip(names, map(_plain, row), strict=True)) for row in rows if row[0]}
    except (StopIteration, KeyError, ValueError, TypeError, IndexError):
        raise BadInput(
            f"{file.name}: the hidden sheet {BASE!r} was changed, so that nobody knows what the editor saw; expected it as it "
            "was exported. Copy the changes into a fresh export."
        ) from None
    return about, base
