"""What the forms ask: one question a column of the lake, with the words of the standard.

The questionnaire (phone and paper) becomes `survey_responses`, the minutes of a residents' meeting (座谈会)
`meeting_items`. The XLSForm, the spreadsheets, their check and the profile's mapping are all made from this list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from citycheck import standard
from citycheck.errors import BadInput

TOP_NEEDS = 5
CODE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
"""Codes that clerks write: no blanks, no words, so no names."""


@dataclass(frozen=True)
class Choice:
    """An answer: its code and its words."""

    code: str
    zh: str
    en: str = ""

    @property
    def shown(self) -> str:
        """As a spreadsheet's drop-down shows it; the code is what stands before the first blank."""
        return " / ".join(filter(None, [f"{self.code} {self.zh}", self.en]))


@dataclass(frozen=True)
class Question:
    """A question: `name` is the lake's column; `section` is a code of the seed `survey_modules`.

    `choice` is one of `choices`, `scale` one of them by its digit, `needs` up to five of them; an `integer` lies
    between `low` and `high`, a `time` is on the city's clocks, a `code` matches `CODE`, a `text` is free.
    """

    name: str
    zh: str
    en: str
    type: Literal["choice", "scale", "needs", "integer", "time", "code", "text"]
    section: str = ""
    choices: tuple[Choice, ...] = ()
    low: int = 0
    high: int = 0
    is_required: bool = False
    is_key: bool = False
    only_if: str = ""
    """A question that must be answered with yes for this one to be asked."""


_YES_NO = (Choice("true", "是", "yes"), Choice("false", "否", "no"))
_NOT_USED = Choice("0", "没用过或不清楚", "not used, or don't know")
_SATISFACTION = (
    Choice("1", "很不满意", "very dissatisfied"),
    Choice("2", "不满意", "dissatisfied"),
    Choice("3", "一般", "neither"),
    Choice("4", "满意", "satisfied"),
    Choice("5", "很满意", "very satisfied"),
    _NOT_USED,
)
_IMPORTANCE = (
    Choice("1", "不重要", "not important"),
    Choice("2", "不太重要", "slightly important"),
    Choice("3", "一般", "moderately important"),
    Choice("4", "重要", "important"),
    Choice("5", "很重要", "very important"),
)
_AGE_BANDS = tuple(
    Choice(code, f"{code}岁".replace("+岁", "岁及以上"), f"{code} years")
    for code in ("18-29", "30-44", "45-59", "60+")
)
NO_ANSWER = _NOT_USED.code
"""The digit of a scale that stands for no answer."""


def questionnaire(communities: Sequence[Choice]) -> tuple[Question, ...]:
    """The questions of the resident survey, in order. Raises `BadInput` for a list of communities with mistakes."""
    rated = [
        Question(
            row["question_code"],
            row["name_zh"],
            row["name_en"],
            "scale",
            row["module"],
            _IMPORTANCE if row["module"] == "QD" else _SATISFACTION,
            1,
            5,
            only_if="has_reported" if row["module"] == "QE" else "",
        )
        for row in standard.seed("survey_questions")
    ]
    needs = _named("needs", "need_code")
    reported = "本半年是否报事报修", "Did you report a repair in this half-year?"
    return (
        Question(
            "community_id",
            "您居住的社区",
            "Community where you live",
            "choice",
            "QA",
            _checked(communities),
            is_required=True,
        ),
        Question("age_band", "年龄段", "Age", "choice", "QA", _AGE_BANDS),
        Question(
            "sex", "性别", "Sex", "choice", "QA", (Choice("f", "女", "female"), Choice("m", "男", "male"))
        ),
        Question(
            "tenure",
            "住房性质",
            "Your home is",
            "choice",
            "QA",
            (Choice("owner", "自有", "owned"), Choice("renter", "租住", "rented")),
        ),
        Question(
            "has_child_0_12",
            "家中有0-12岁儿童",
            "A child of 0 to 12 years lives in the household",
            "choice",
            "QA",
            _YES_NO,
        ),
        Question("household_size", "家庭人口数", "Persons in the household", "integer", "QA", low=1, high=20),
        *[question for question in rated if question.section in ("QB", "QC", "QD")],
        Question(
            "top_needs",
            f"最急需的{TOP_NEEDS}项以内",
            f"The most urgent needs, up to {TOP_NEEDS}",
            "needs",
            "QD",
            needs,
        ),
        Question("has_reported", *reported, "choice", "QE", _YES_NO),
        *[question for question in rated if question.section == "QE"],
        Question(
            "comment",
            "其他意见（请勿填写姓名、电话）",
            "Anything else? Please write no names and no phone numbers.",
            "text",
            "QF",
        ),
    )


def minutes(communities: Sequence[Choice]) -> tuple[Question, ...]:
    """The columns of a meeting's minutes: one row a need raised. Raises `BadInput` as `questionnaire` does."""
    return (
        Question("meeting_id", "座谈会编号", "Code of the meeting", "code", is_required=True, is_key=True),
        Question(
            "item_number",
            "需求序号",
            "Number of the need",
            "integer",
            low=1,
            high=999,
            is_required=True,
            is_key=True,
        ),
        Question(
            "community_id", "社区", "Community", "choice", choices=_checked(communities), is_required=True
        ),
        Question("held_at", "召开时间", "Held at", "time", is_required=True),
        Question(
            "attendees", "到会居民人数", "Residents present", "integer", low=1, high=9999, is_required=True
        ),
        Question(
            "need_code", "需求", "Need", "choice", choices=_named("needs", "need_code"), is_required=True
        ),
        Question(
            "kind_code",
            "涉及设施类别",
            "Kind of facility concerned",
            "choice",
            choices=_named("facility_kinds", "kind_code"),
        ),
        Question("supporters", "支持人数", "Residents in support", "integer", low=0, high=9999),
        Question("satisfaction", "现状满意度", "Satisfaction today", "scale", "", _SATISFACTION, 1, 5),
    )


def _named(seed: str, code: str) -> tuple[Choice, ...]:
    return tuple(Choice(row[code], row["name_zh"], row["name_en"]) for row in standard.seed(seed))


def _checked(communities: Sequence[Choice]) -> tuple[Choice, ...]:
    codes = [choice.code for choice in communities]
    if not codes:
        raise BadInput("There is no community to choose from: take in the feed `communities` first.")
    if twice := {code for code in codes if codes.count(code) > 1 or not code or " " in code}:
        raise BadInput(
            f"The list of communities has {len(twice)} code(s) that are blank, hold a blank or stand there twice; "
            "expected each once. Correct the feed `communities`."
        )
    return tuple(communities)
