"""The pages of the method: up to date, complete, and nothing in them that the seeds do not say."""

from __future__ import annotations

import re

import pytest

from citycheck import method, standard
from citycheck.settings import settings

LANGUAGES: list[method.Language] = ["en", "zh"]


def section(page: str, code: str) -> str:
    return page.split(f"#### {code} ")[1].split("\n#")[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_published_page_is_up_to_date(language: method.Language) -> None:
    published = settings().project / "docs" / method.PAGES[language]
    assert published.read_text("utf-8") == method.text(language), "Run: make docs"
    assert published.read_text("utf-8").startswith("<!-- ")
    assert "make docs" in published.read_text("utf-8").split("\n")[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_indicator_tells_formula_numbers_and_their_status(language: method.Language) -> None:
    page = method.text(language)
    rows = standard.seed("indicators")
    weights = []
    for row in rows:
        told = section(page, row["indicator_code"])
        assert row[f"formula_{language}"] in told
        for status in ("goalpost_status", "target_status", "weight_status"):
            assert method.Page(language).word("statuses", row[status]) in told
        for source in filter(None, row["target_source"].split("|")):
            assert source in told
        number = r"[0-9.]+"
        found = re.search(rf"\| {row['weight']} [^|]*?({number}) ?%", told)
        assert found, row["indicator_code"]
        weights.append(float(found[1]))
        found = re.search(rf"\| ({number}) – ({number})[;；]", told)
        assert found and [float(x) for x in found.groups()] == [
            float(row["goalpost_low"]),
            float(row["goalpost_high"]),
        ]
    assert len(weights) == 40
    assert sum(weights) == pytest.approx(100)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_conflict_parameter_reason_assumption_and_source_is_told(language: method.Language) -> None:
    page = method.text(language)
    chosen = "chosen" if language == "en" else "chosen_zh"
    conflicts = standard.seed("conflicts")
    assert all(page.count(row[chosen]) == 1 + bool(row["indicator_codes"]) * len(row["indicator_codes"].split("|"))
               for row in conflicts)  # fmt: skip
    known = set(standard.codes("indicators", "indicator_code"))
    assert {code for row in conflicts for code in filter(None, row["indicator_codes"].split("|"))} <= known
    for seed, column in (("scoring", "parameter"), ("missing_reasons", "reason_code")):
        assert all(f"| `{code}` |" in page for code in standard.codes(seed, column))
    assert all(row[f"name_{language}"] in page for row in standard.seed("uncertainty"))
    assert all(f"| {code} | " in page for code in standard.codes("sources", "source_id"))


def test_a_change_of_a_seed_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    before = method.text("en")
    real = standard.seed

    def changed(name: str, folder: None = None) -> tuple[dict[str, str], ...]:
        rows = real(name, folder)
        return tuple(
            {**row, "lag_days": "17"} if row.get("stage_code") == "preliminary" else row for row in rows
        )

    monkeypatch.setattr(standard, "seed", changed)
    after = method.text("en")
    assert "preliminary after 17 days" in after
    assert before.replace("preliminary after 15 days", "preliminary after 17 days") == after


def test_both_pages_say_the_same_in_their_language() -> None:
    pages = {language: method.text(language) for language in LANGUAGES}
    numbers = {
        language: [part.count("\n| ") for part in page.split("\n## ")] for language, page in pages.items()
    }
    assert numbers["en"] == numbers["zh"]
    assert (
        len(re.findall(r"[\u4e00-\u9fff]", pages["en"].split("\n## Sources")[0])) < 30
    )  # names that sources dispute
    known = method._words()
    assert not set(standard.codes("scoring", "parameter")) - set(known["parameters"])
    assert not set(standard.codes("uncertainty", "assumption")) - set(known["assumptions"])
    assert not {row["unit"] for row in standard.seed("scoring")} - set(known["units"])
    assert not {row["unit"] for row in standard.seed("indicators")} - set(known["units"])
    feeds = {feed for row in standard.seed("indicators") for feed in row["feeds"].split("|")}
    assert feeds <= set(known["feeds"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_inside_a_page_lead_somewhere(language: method.Language) -> None:
    page = method.text(language)
    titles = re.findall(r"^#+ (.*)$", page, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors
