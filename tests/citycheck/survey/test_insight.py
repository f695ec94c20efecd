"""The one page of a community: nothing of too few answers, nothing that a browser would run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from citycheck.survey.insight import Insight, Item, render


def item(code: str, value: float | None = 50, comparison: float | None = 40) -> Item:
    known = value is not None
    return Item(
        code, f"{code}中", f"{code} en", value, 42 if known else None, 58 if known else None, comparison
    )


@pytest.fixture
def insight() -> Insight:
    return Insight(
        city_zh="某市",
        city_en="Some city",
        half_year="2026H1",
        is_synthetic=True,
        community={
            "community_id": "C1",
            "community_name": "<script>alert('一')</script>",
            "street_name": "S",
            "county_name": "K",
        },
        weighting="raked",
        sections={
            "people": [item("residents", 5000, None), item("respondents", 120, 600)],
            "portrait": [item("60+", 38, 32)],
            "satisfaction": [item("GOV", 67), item("EDU", None)],
            "kinds": [item("F11", 38)],
            "needs": [item("N16", 51)],
            "supply": [item("F08", None)],
            "meetings": [item("N01", 2, None)],
        },
        n_min=30,
    )


def test_the_page_says_what_is_known_in_two_languages(insight: Insight) -> None:
    page = render(insight)
    for told in (
        "生活需求洞察报告",
        "Response rate",
        "20 %",
        "N16中",
        "N16 en",
        "42–58",
        "合成数据",
        "register",
    ):
        assert told in page
    assert page.count(">不公布<") == 1, "one dimension has too few answers"
    assert page.count("<h2>") == 6


def test_what_a_source_says_is_text(insight: Insight) -> None:
    page = render(insight)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_it_needs_nothing_from_elsewhere(insight: Insight) -> None:
    page = render(insight)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "@page { size: A4" in page


def test_of_too_few_answers_nothing_is_shown(insight: Insight) -> None:
    """Where the marts keep everything back the survey's sections are gone; register, facilities and meetings stay."""
    kept_back = {
        name: [replace(one, value=None, low=None, high=None) for one in insight.sections[name]]
        for name in ("needs", "satisfaction", "kinds")
    }
    page = render(replace(insight, sections=insight.sections | kept_back))
    assert "此处答卷不足 30 份" in page
    assert "N16" not in page
    assert "F11" not in page
    assert "N01中" in page
    assert "N16" in render(insight)


def test_who_lives_and_who_answered_is_left_out_where_neither_is_known(insight: Insight) -> None:
    """Of a register alone, or of answers alone, there is something to say; of neither there is no heading."""
    for value, comparison, is_told in (
        (38, 32, True),
        (None, 32, True),
        (38, None, True),
        (None, None, False),
    ):
        page = render(
            replace(insight, sections=insight.sections | {"portrait": [item("60+", value, comparison)]})
        )
        assert ("60+中" in page) is is_told
        assert ("Who lives here, and who answered" in page) is is_told


def test_a_real_city_is_not_called_synthetic(insight: Insight) -> None:
    assert "合成数据" not in render(replace(insight, is_synthetic=False))


def test_fewer_asked_than_answered_is_no_rate(insight: Insight) -> None:
    sections = insight.sections | {"people": [item("respondents", 120, 100)]}
    assert "120 %" not in render(replace(insight, sections=sections))


@pytest.mark.parametrize(
    "section", ["people", "portrait", "satisfaction", "kinds", "needs", "supply", "meetings"]
)
def test_a_section_without_rows_is_left_out(insight: Insight, section: str) -> None:
    sections = {name: items for name, items in insight.sections.items() if name != section}
    assert "社区" in render(replace(insight, sections=sections))
