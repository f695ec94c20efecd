"""Spreadsheets for clerks: one for questionnaires answered on paper, one for the minutes of residents' meetings.

Row 1 holds the heading in Chinese, row 2 in English, row 3 the name of the column, which the profile maps;
entries begin in row 4. The lists of the drop-downs stand on a hidden sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from citycheck.forms.questions import TOP_NEEDS, Choice, Question, minutes, questionnaire
from citycheck.forms.workbook import to_bytes

if TYPE_CHECKING:
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.worksheet import Worksheet

Kind = Literal["paper", "minutes"]
HEADER_ROW, FIRST_ROW = 3, 4
CODES = "codes"
SHEETS: dict[Kind, str] = {"paper": "答卷 Answers", "minutes": "座谈会 Minutes"}
NOTES = "说明 Notes"
TIME_FORMAT = "yyyy-mm-dd hh:mm"
_LAST_ROW = 2003
_TITLES: dict[Kind, str] = {
    "paper": "城镇社区专项体检：纸质问卷录入表 Entry of paper questionnaires",
    "minutes": "城镇社区专项体检：居民座谈会记录表 Minutes of residents' meetings",
}
_NOTES: dict[Kind, list[str]] = {
    "paper": [
        "每份问卷一行，从第4行开始填写；不要改动前3行。",
        "One row a questionnaire, from row 4; leave rows 1 to 3 as they are.",
        "满意度：1 很不满意 … 5 很满意，0 没用过或不清楚。重要度：1 不重要 … 5 很重要。没有回答的留空。",
        "Satisfaction: 1 very dissatisfied … 5 very satisfied, 0 not used or don't know. "
        "Importance: 1 not important … 5 very important. Leave blank what was not answered.",
    ],
    "minutes": [
        "每次座谈会的每项需求一行，从第4行开始填写；不要改动前3行。",
        "One row a need raised at a meeting, from row 4; leave rows 1 to 3 as they are.",
        "同一次座谈会的各行，编号、社区、时间和人数必须相同；需求序号从1开始。",
        "Rows of one meeting have the same code, community, time and number present; needs are numbered from 1.",
    ],
}
_NO_NAMES = (
    "不要填写姓名、电话、身份证号或住址。",
    "Write no names, phone numbers, ID numbers or addresses.",
)


@dataclass(frozen=True)
class Sheet:
    """A spreadsheet that clerks fill in."""

    kind: Kind
    columns: tuple[Question, ...]

    @property
    def name(self) -> str:
        return SHEETS[self.kind]

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.is_key]


def paper(communities: Sequence[Choice]) -> Sheet:
    """The questionnaire, with the number of the form and the time at which it was answered."""
    columns = [
        Question(
            "response_id", "问卷编号", "Code of the questionnaire", "code", is_required=True, is_key=True
        ),
        Question("answered_at", "填答时间", "Answered at", "time", is_required=True),
    ]
    for question in questionnaire(communities):
        if question.type == "needs":
            columns += [
                replace(question, name=name, zh=f"最急需 {n}", en=f"Urgent need {n}", type="choice")
                for n, name in enumerate(top_need_columns(), 1)
            ]
        else:
            columns.append(question)
    return Sheet("paper", tuple(columns))


def meeting(communities: Sequence[Choice]) -> Sheet:
    """The minutes of residents' meetings."""
    return Sheet("minutes", minutes(communities))


def top_need_columns() -> list[str]:
    return [f"top_need_{n}" for n in range(1, TOP_NEEDS + 1)]


def paper_template(communities: Sequence[Choice]) -> bytes:
    """The empty spreadsheet for paper questionnaires. Raises `BadInput` for a wrong list of communities."""
    return _template(paper(communities))


def minutes_template(communities: Sequence[Choice]) -> bytes:
    """The empty spreadsheet for minutes. Raises `BadInput` for a wrong list of communities."""
    return _template(meeting(communities))


def _template(sheet: Sheet) -> bytes:
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    entries = workbook.create_sheet(sheet.name)
    codes = workbook.create_sheet(CODES)
    _write_notes(workbook.create_sheet(NOTES), sheet.kind)
    codes.sheet_state = "hidden"
    for number, column in enumerate(sheet.columns, 1):
        _write_heading(entries, number, column)
        if column.type == "choice":
            for row, text in enumerate([column.name, *(choice.shown for choice in column.choices)], 1):
                codes.cell(row, number, text)
        _validation(entries, number, column)
    entries.freeze_panes = entries.cell(FIRST_ROW, 2)
    return to_bytes(workbook)


def _write_heading(entries: Worksheet, number: int, column: Question) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    mark = "＊" if column.is_required else ""
    for row, text in enumerate([column.zh + mark, column.en, column.name], 1):
        cell = entries.cell(row, number, text)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        cell.fill = PatternFill("solid", fgColor="E8EEF4")
        cell.font = Font(bold=row == 1, color="808080" if row == HEADER_ROW else "000000")
    letter = get_column_letter(number)
    entries.column_dimensions[letter].width = {"scale": 12, "integer": 12, "text": 40}.get(column.type, 22)
    # As text, Excel makes no date of a code such as 3-12.
    style = {"time": TIME_FORMAT, "integer": "0", "scale": "0"}.get(column.type, "@")
    entries.column_dimensions[letter].number_format = style


def _validation(entries: Worksheet, number: int, column: Question) -> None:
    from openpyxl.utils import get_column_letter

    letter = get_column_letter(number)
    rule = _rule(column, letter)
    if rule is None:
        return
    rule.allow_blank = True
    rule.showErrorMessage = rule.showInputMessage = True
    rule.promptTitle, rule.prompt = column.zh[:32], " / ".join(expected(column))[:255]
    rule.errorTitle, rule.error = "请改正 Please correct", " / ".join(expected(column))[:225]
    rule.add(f"{letter}{FIRST_ROW}:{letter}{_LAST_ROW}")
    entries.add_data_validation(rule)


def _rule(column: Question, letter: str) -> DataValidation | None:
    from openpyxl.worksheet.datavalidation import DataValidation

    match column.type:
        case "choice":
            return DataValidation("list", f"{CODES}!${letter}$2:${letter}${len(column.choices) + 1}")
        case "scale":
            return DataValidation("list", '"' + ",".join(choice.code for choice in column.choices) + '"')
        case "integer":
            return DataValidation("whole", str(column.low), str(column.high), operator="between")
        case "time":
            return DataValidation("date", "DATE(2000,1,1)", operator="greaterThanOrEqual")
        case "code":
            return DataValidation("textLength", "1", "40", operator="between")
    return None


def expected(column: Question) -> tuple[str, str]:
    """What a cell must hold, in Chinese and English."""
    match column.type:
        case "choice":
            return "请从下拉列表中选择", "choose from the list"
        case "scale":
            digits = ", ".join(choice.code for choice in column.choices)
            return f"请填 {digits} 之一", f"one of {digits}"
        case "integer":
            return (
                f"请填 {column.low} 至 {column.high} 的整数",
                f"a whole number from {column.low} to {column.high}",
            )
        case "time":
            return "请填日期和时间，如 2026-03-05 14:30", "a date and time, such as 2026-03-05 14:30"
        case "code":
            return (
                "请填编号：字母、数字和连字符，最多40位",
                "a code of letters, digits and hyphens, at most 40",
            )
    return "文字", "text"


def _write_notes(notes: Worksheet, kind: Kind) -> None:
    from openpyxl.styles import Alignment, Font

    notes.append([_TITLES[kind]])
    notes["A1"].font = Font(bold=True)
    for line in [*_NOTES[kind], *_NO_NAMES]:
        notes.append([line])
    notes.column_dimensions["A"].width = 100
    for [cell] in notes.iter_rows(min_row=2):
        cell.alignment = Alignment(wrap_text=True)
