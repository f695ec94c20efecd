"""The importer of filled spreadsheets: what is right becomes rows for the lake's mapping, what is not is marked.

The marked copy is the workbook that came, with the rejected cells coloured, a comment in each that says what was
expected, and a list of them. No value stands anywhere else: neither in the list nor in a message.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citycheck.errors import BadInput
from citycheck.forms.questions import CODE, Choice, Question
from citycheck.forms.sheets import (
    CODES,
    FIRST_ROW,
    HEADER_ROW,
    SHEETS,
    Kind,
    Sheet,
    expected,
    meeting,
    paper,
    top_need_columns,
)
from citycheck.forms.workbook import to_bytes

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

PROBLEMS = "问题 Problems"
_AUTHOR = "citycheck"
_REJECTED_COLOUR = "FFC7CE"
_LIMIT_BYTES, _LIMIT_UNPACKED_BYTES, _LIMIT_ROWS, _LIMIT_COLUMNS = 16 << 20, 256 << 20, 20_000, 500
_BLANKS = " \t\r\n\u3000\u00a0\ufeff"
_SAME_IN_A_MEETING = ("community_id", "held_at", "attendees")


@dataclass(frozen=True)
class Problem:
    """A rejected cell and what was expected there."""

    sheet: str
    row: int
    column: str
    zh: str
    en: str


@dataclass(frozen=True)
class Checked:
    """What a filled spreadsheet holds: rows_in = rows + rejected ones; `marked` is None when nothing was rejected."""

    kind: Kind
    rows_in: int
    columns: tuple[str, ...]
    rows: tuple[dict[str, str | None], ...]
    problems: tuple[Problem, ...]
    marked: bytes | None

    @property
    def rows_rejected(self) -> int:
        return self.rows_in - len(self.rows)

    def as_csv(self) -> bytes:
        """The accepted rows as CSV, for the same columns of the profile as the spreadsheet."""
        written = io.StringIO()
        writer = csv.DictWriter(written, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return written.getvalue().encode()


def check(file: Path, kind: Kind | None = None) -> Checked:
    """Check a filled template; its kind is told by its sheet. A row with a rejected cell is rejected as a whole.

    Raises `BadInput` for a file that is no spreadsheet, is too large, or is not the template.
    """
    workbook = _open(file)
    found = [k for k, name in SHEETS.items() if name in workbook.sheetnames and kind in (None, k)]
    if not found or CODES not in workbook.sheetnames:
        wanted = [SHEETS[kind]] if kind else list(SHEETS.values())
        raise BadInput(
            f"{file.name}: is not the template; expected the sheets {' or '.join(map(repr, wanted))} and {CODES!r}. "
            "Copy the entries into a template made by `citycheck forms`."
        )
    communities = _communities(workbook[CODES], file.name)
    sheet = paper(communities) if found[0] == "paper" else meeting(communities)
    entries = workbook[sheet.name]
    numbers = _columns(entries, sheet, file.name)
    _unmark(workbook, entries)

    filled = list(_filled(entries, sheet, numbers))
    problems: list[tuple[int, Question, tuple[str, str]]] = []
    rows: dict[int, dict[str, str | None]] = {}
    for number, values in filled:
        row: dict[str, str | None] = {}
        for column in sheet.columns:
            code, is_right = _read(column, values[column.name])
            row[column.name] = code
            if not is_right:
                problems.append((number, column, expected(column)))
        rows[number] = row
    rejected = {number for number, _, _ in problems}
    problems += _across(sheet, {n: row for n, row in rows.items() if n not in rejected})
    rejected = {number for number, _, _ in problems}
    problems.sort(key=lambda problem: (problem[0], numbers[problem[1].name]))
    if problems:
        _mark(workbook, entries, numbers, problems)
    return Checked(
        sheet.kind,
        len(filled),
        tuple(column.name for column in sheet.columns),
        tuple(row for number, row in rows.items() if number not in rejected),
        tuple(Problem(sheet.name, number, column.name, *words) for number, column, words in problems),
        to_bytes(workbook) if problems else None,
    )


# Reading -------------------------------------------------------------------------------------------------------------


def _open(file: Path) -> Workbook:
    from openpyxl import load_workbook

    try:
        if file.stat().st_size > _LIMIT_BYTES:
            raise BadInput(f"{file.name}: is larger than {_LIMIT_BYTES >> 20} MiB. Split it into several.")
        content = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _LIMIT_UNPACKED_BYTES:
                raise BadInput(
                    f"{file.name}: is larger than {_LIMIT_UNPACKED_BYTES >> 20} MiB unpacked. Copy the entries into "
                    "a fresh template."
                )
        workbook = load_workbook(io.BytesIO(content))
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(
            f"{file.name}: cannot be read ({error.strerror}). Check the name of the file."
        ) from None
    except Exception as error:  # openpyxl answers a broken workbook with errors of every kind
        raise BadInput(
            f"{file.name}: is no .xlsx workbook ({type(error).__name__}). Save it as .xlsx without a password."
        ) from None
    for sheet in workbook.worksheets:
        if sheet.max_row > _LIMIT_ROWS or sheet.max_column > _LIMIT_COLUMNS:
            raise BadInput(
                f"{file.name}: a sheet has more than {_LIMIT_ROWS:,} rows or {_LIMIT_COLUMNS} columns. Copy the entries "
                "into fresh templates."
            )
    return workbook


def _communities(codes: Worksheet, name: str) -> list[Choice]:
    """The communities that the template was made for: the drop-down's list."""
    for column in codes.iter_cols(values_only=True):
        if column[0] == "community_id":
            parts = [str(text).split(" ", 1) for text in column[1:] if text is not None]
            return [Choice(part[0], part[-1]) for part in parts]
    raise BadInput(
        f"{name}: the sheet {CODES!r} lists no communities. Copy the entries into a fresh template."
    )


def _columns(entries: Worksheet, sheet: Sheet, name: str) -> dict[str, int]:
    """Column name → number, by the names in the header row."""
    header = [cell.value for cell in entries[HEADER_ROW]]
    if absent := [column.name for column in sheet.columns if header.count(column.name) != 1]:
        raise BadInput(
            f"{name}: row {HEADER_ROW} of {sheet.name!r} has not once each of {', '.join(absent[:5])}; expected the "
            "template's names. Copy the entries into a fresh template."
        )
    return {column.name: header.index(column.name) + 1 for column in sheet.columns}


def _filled(
    entries: Worksheet, sheet: Sheet, numbers: dict[str, int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows in which something stands, by number."""
    for number in range(FIRST_ROW, entries.max_row + 1):
        values = {name: entries.cell(number, column).value for name, column in numbers.items()}
        if any(_cleaned(value) is not None for value in values.values()):
            yield number, values


def _cleaned(value: Any) -> Any:
    return (value.strip(_BLANKS) or None) if isinstance(value, str) else value


def _read(column: Question, value: Any) -> tuple[str | None, bool]:
    """A cell as the code or text for the mapping, and whether it is right."""
    value = _cleaned(value)
    if value is None:
        return None, not column.is_required
    match column.type:
        case "choice":
            codes = {text: choice.code for choice in column.choices for text in (choice.shown, choice.code)}
            code = codes.get(str(value))
        case "scale":
            code = _whole(value)
            code = code if code in [choice.code for choice in column.choices] else None
        case "integer":
            code = _whole(value)
            code = code if code is not None and column.low <= int(code) <= column.high else None
        case "time":
            code = _moment(value)
        case "code":
            code = str(value) if re.fullmatch(CODE, str(value)) else None
        case _:
            # A formula is no answer.
            code = str(value) if not str(value).startswith("=") else None
    return code, code is not None


def _whole(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if re.fullmatch(r"[0-9]{1,6}", str(value)) else None


def _moment(value: Any) -> str | None:
    """A time on the city's clocks, as ISO 8601 writes it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime) or value.tzinfo or value.year < 2000:
        return None
    return value.isoformat(sep=" ", timespec="seconds")


def _across(
    sheet: Sheet, rows: dict[int, dict[str, str | None]]
) -> Iterator[tuple[int, Question, tuple[str, str]]]:
    """What is wrong between cells that are right each for itself."""
    columns = {column.name: column for column in sheet.columns}
    keys: dict[tuple[str | None, ...], int] = {}
    meetings: dict[str | None, tuple[int, dict[str, str | None]]] = {}
    for number, row in rows.items():
        first = keys.setdefault(tuple(row[name] for name in sheet.key), number)
        if first != number:
            yield number, columns[sheet.key[-1]], (
                f"与第{first}行重复，请改正编号或删除", f"the same as in row {first}: correct it or delete the row",
            )  # fmt: skip
        if sheet.kind == "paper":
            needs: set[str | None] = set()
            for name in top_need_columns():
                if row[name] in needs:
                    yield number, columns[name], ("与前面的需求重复", "a need that is not chosen already")
                needs |= {row[name]} - {None}
            continue
        first, before = meetings.setdefault(row["meeting_id"], (number, row))
        for name in _SAME_IN_A_MEETING:
            if row[name] != before[name]:
                yield number, columns[name], (
                    f"同一次座谈会，应与第{first}行相同", f"the same as in row {first}, which is of the same meeting",
                )  # fmt: skip
        if row["supporters"] and int(row["supporters"]) > int(row["attendees"] or 0):
            yield number, columns["supporters"], ("不应多于到会人数", "not more than were present")


# Marking -------------------------------------------------------------------------------------------------------------


def _unmark(workbook: Workbook, entries: Worksheet) -> None:
    """Take away the marks of an earlier check: a corrected copy is checked like any other."""
    from openpyxl.styles import PatternFill

    if PROBLEMS in workbook.sheetnames:
        del workbook[PROBLEMS]
    for row in entries.iter_rows(min_row=FIRST_ROW):
        for cell in row:
            if cell.comment is not None and cell.comment.author == _AUTHOR:
                cell.comment = None
                cell.fill = PatternFill()


def _mark(
    workbook: Workbook,
    entries: Worksheet,
    numbers: dict[str, int],
    problems: list[tuple[int, Question, tuple[str, str]]],
) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill
    from openpyxl.utils import get_column_letter

    told = workbook.create_sheet(PROBLEMS)
    told.append(["工作表 sheet", "行 row", "列 column", "应为", "expected"])
    told.freeze_panes = "A2"
    for number, column, (zh, en) in problems:
        cell = entries.cell(number, numbers[column.name])
        words = f"{zh}\n{en}" if cell.comment is None else f"{cell.comment.text}\n{zh}\n{en}"
        cell.fill = PatternFill("solid", fgColor=_REJECTED_COLOUR)
        cell.comment = Comment(words, _AUTHOR)
        letter = get_column_letter(numbers[column.name])
        told.append([entries.title, number, f"{letter} {column.name}", zh, en])
