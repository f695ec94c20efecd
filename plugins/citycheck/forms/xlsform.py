"""The questionnaire as an XLSForm, for KoboToolbox and ODK Central."""

from __future__ import annotations

from collections.abc import Sequence

from citycheck import standard
from citycheck.forms.questions import TOP_NEEDS, Choice, Question, questionnaire
from citycheck.forms.workbook import to_bytes

_ZH, _EN = "中文 (zh)", "English (en)"
_FORM_ID = "citycheck_survey"
_SURVEY = (
    "type", "name", f"label::{_ZH}", f"label::{_EN}", "required", "relevant", "constraint",
    f"constraint_message::{_ZH}", f"constraint_message::{_EN}", "appearance",
)  # fmt: skip


def xlsform(communities: Sequence[Choice]) -> bytes:
    """The form, in Chinese and English; each question is named after its column in `survey_responses`.

    Choices are the lake's codes. Raises `BadInput` for a list of communities that is empty or has a code twice.
    """
    from openpyxl import Workbook

    questions = questionnaire(communities)
    lists = {_list_name(q): q.choices for q in questions if q.choices}
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    survey = workbook.create_sheet("survey")
    survey.append(_SURVEY)
    for line in _lines(questions):
        survey.append([line.get(name, "") for name in _SURVEY])
    choices = workbook.create_sheet("choices")
    choices.append(["list_name", "name", f"label::{_ZH}", f"label::{_EN}"])
    for name, listed in lists.items():
        for choice in listed:
            choices.append([name, choice.code, choice.zh, choice.en or choice.zh])
    settings = workbook.create_sheet("settings")
    settings.append(["form_title", "form_id", "version", "default_language"])
    settings.append(["城镇社区专项体检居民问卷 Resident survey", _FORM_ID, standard.version(), _ZH])
    for sheet in workbook:
        sheet.freeze_panes = "A2"
    return to_bytes(workbook)


def path(question: Question) -> str:
    """Where an answer stands in what Kobo and ODK Central send, with dots between group and question."""
    return f"{question.section.lower()}.{question.name}"


def _lines(questions: Sequence[Question]) -> list[dict[str, str]]:
    """The rows of the sheet `survey`: a page a module of the questionnaire."""
    lines = [{"type": "start", "name": "start"}, {"type": "end", "name": "end"}]
    for module in standard.seed("survey_modules"):
        asked = [q for q in questions if q.section == module["module"]]
        lines.append(
            {
                "type": "begin_group",
                "name": module["module"].lower(),
                f"label::{_ZH}": module["name_zh"],
                f"label::{_EN}": module["name_en"].capitalize(),
                "appearance": "field-list",
            }
        )
        lines += [_line(question) for question in asked]
        lines.append({"type": "end_group", "name": module["module"].lower()})
    return lines


def _line(question: Question) -> dict[str, str]:
    line = {"name": question.name, f"label::{_ZH}": question.zh, f"label::{_EN}": question.en}
    line["type"] = {
        "choice": f"select_one {_list_name(question)}",
        "scale": f"select_one {_list_name(question)}",
        "needs": f"select_multiple {_list_name(question)}",
        "integer": "integer",
    }.get(question.type, "text")
    if question.is_required:
        line["required"] = "yes"
    if question.only_if:
        line["relevant"] = f"${{{question.only_if}}} = 'true'"
    if question.type == "scale":
        line["appearance"] = "likert"
    if question.name == "community_id":
        line["appearance"] = "minimal autocomplete"
    if question.type == "needs":
        line |= _constraint(
            f"count-selected(.) <= {TOP_NEEDS}", f"最多选{TOP_NEEDS}项", f"At most {TOP_NEEDS}"
        )
    if question.type == "integer":
        words = f"{question.low}–{question.high}"
        line |= _constraint(f". >= {question.low} and . <= {question.high}", words, words)
    return line


def _constraint(rule: str, zh: str, en: str) -> dict[str, str]:
    return {
        "constraint": rule,
        f"constraint_message::{_ZH}": zh,
        f"constraint_message::{_EN}": en,
    }


def _list_name(question: Question) -> str:
    """Questions of a scale share their list; the others have one of their own."""
    if question.type == "scale":
        return "satisfaction" if len(question.choices) > 5 else "importance"
    if question.choices and question.choices[0].code == "true":
        return "yes_no"
    return question.name
