"""How a profile takes in what the forms collect: the table map of each way in, made from the same questions."""

from __future__ import annotations

from typing import Any, Literal

import yaml

from citycheck.forms.questions import NO_ANSWER, Choice, Question, questionnaire
from citycheck.forms.sheets import HEADER_ROW, SHEETS, meeting, paper, top_need_columns
from citycheck.forms.xlsform import path

Way = Literal["kobo", "odk", "paper", "minutes"]
_FIRST_WORD = r"^(\S+)"
_ANY = [Choice("C", "社区")]
"""The mapping takes the code, whatever communities there are."""


def table_map(way: Way, source: str, files: str) -> dict[str, Any]:
    """What a profile writes below `tables:` for the form answered that way."""
    about: dict[str, Any] = {"table": "survey_responses", "source": source, "files": files}
    if way in ("kobo", "odk"):
        return about | {"format": way, "columns": _online(way)}
    sheet = paper(_ANY) if way == "paper" else meeting(_ANY)
    columns = {q.name: _cell(q) for q in sheet.columns if q.name not in top_need_columns()}
    about |= {"format": "xlsx", "sheet": SHEETS[sheet.kind], "header_row": HEADER_ROW}
    if way == "minutes":
        about["table"] = "meeting_items"
    else:
        columns |= {"channel": {"value": "paper"}, "top_needs": _top_needs(sheet.columns)}
    return about | {"columns": columns}


def snippet(way: Way, source: str, files: str) -> str:
    """The same as YAML, to be pasted into a profile."""
    return yaml.safe_dump(
        [table_map(way, source, files)],
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=None,
        width=160,
    )


def _online(way: Way) -> dict[str, Any]:
    """`_id` and `__id` stay the same when an answer is edited."""
    columns: dict[str, Any] = {
        "response_id": {"from": "_id", "prefix": "kobo-"} if way == "kobo" else {"from": "__id"},
        "answered_at": {"from": "end", "time": "iso"},
        "channel": {"value": "online"},
    }
    for question in questionnaire(_ANY):
        about: dict[str, Any] = {"from": path(question)}
        if question.type == "needs":
            about["separator"] = " "
        columns[question.name] = about | _no_answer(question)
    return columns


def _cell(question: Question) -> dict[str, Any]:
    about: dict[str, Any] = {"from": question.name}
    if question.type == "choice":
        about["extract"] = _FIRST_WORD
    if question.type == "time":
        about["time"] = "iso"
    return about | _no_answer(question)


def _no_answer(question: Question) -> dict[str, Any]:
    return {"null_if": [NO_ANSWER]} if NO_ANSWER in [choice.code for choice in question.choices] else {}


def _top_needs(columns: tuple[Question, ...]) -> dict[str, Any]:
    names = top_need_columns()
    needs = next(column.choices for column in columns if column.name == names[0])
    # With or without the words, as the drop-down or a clerk writes them.
    patterns = [{"match": f"{need.code}( .*)?", "to": need.code} for need in needs]
    return {"from": names, "join": "|", "separator": "|", "patterns": patterns}
