"""Pages look as they looked when somebody last looked at them (shots.py says how that is judged)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import DESKTOP, PHONE, Scene
from playwright.sync_api import Page, expect
from shots import ALLOWED, compare, difference, thumbnail, use_one_font

SHOW = Callable[..., Page]
RECORD = bool(os.environ.get("RECORD"))
FIRST_VIEWS = [("desk", DESKTOP, "zh"), ("desk", DESKTOP, "en"), ("hand", PHONE, "zh"), ("hand", PHONE, "en")]


def settled(page: Page, language: str) -> Page:
    """The page with the one font, charts drawn again."""
    use_one_font(page)
    for label in ("English", "中文") if language == "zh" else ("中文", "English"):
        page.get_by_text(label, exact=True).click()
    page.evaluate("window.dispatchEvent(new Event('resize'))")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    return page


@pytest.mark.parametrize(("screen", "viewport", "language"), FIRST_VIEWS)
def test_the_first_view(release: SHOW, tmp_path: Path, screen: str, viewport: dict[str, int], language: str):
    page = settled(release(viewport=viewport, language=language), language)
    shot = page.screenshot(path=tmp_path / "first.png")
    share, advice = compare(f"first-{screen}-{language}", shot, RECORD)
    assert share <= ALLOWED, f"{advice} {tmp_path / 'first.png'}"


@pytest.mark.parametrize("section", ["ranking", "shortfalls", "promises", "needs"])
def test_a_section(release: SHOW, tmp_path: Path, section: str):
    page = settled(release(), "zh")
    # The bar of links stays on top of what is scrolled; where it lies in a shot is no matter.
    at_rest = "nav { position: static !important }"
    shot = page.locator(f"#{section}").screenshot(path=tmp_path / "section.png", style=at_rest)
    share, advice = compare(f"section-{section}", shot, RECORD)
    assert share <= ALLOWED, f"{advice} {tmp_path / 'section.png'}"


def test_a_community_on_the_map(release: SHOW, tmp_path: Path):
    page = settled(release(), "zh")
    page.evaluate("citycheck.choose(citycheck.areas.id.length - 1)")
    page.evaluate("citycheck.map.showKind('F16')")
    page.wait_for_timeout(300)
    shot = page.locator("#map").screenshot(path=tmp_path / "map.png")
    share, advice = compare("community-map", shot, RECORD)
    assert share <= ALLOWED, f"{advice} {tmp_path / 'map.png'}"


def test_on_paper(release: SHOW, tmp_path: Path):
    page = settled(release(viewport={"width": 794, "height": 1123}), "zh")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(300)
    # Labels within a chart are placed by the machine's own measure of text; the boxes are compared.
    shot = page.screenshot(path=tmp_path / "paper.png", mask=[page.locator(".chart")])
    share, advice = compare("paper", shot, RECORD)
    assert share <= ALLOWED, f"{advice} {tmp_path / 'paper.png'}"


def test_an_operators_first_view(logged_in: SHOW, scene: Scene, tmp_path: Path):
    page = logged_in("viewer")
    page.goto(f"{scene.citycheck}/releases/{scene.city}/{scene.before}/1")
    expect(page.locator("h1")).to_be_visible()
    use_one_font(page)
    page.evaluate(
        "for (const one of document.querySelectorAll('time, code')) one.textContent = '·'.repeat(12)"
    )
    shot = page.locator("body > nav").first.screenshot(path=tmp_path / "tabs.png")
    share, advice = compare("operator-tabs", shot, RECORD)
    assert share <= ALLOWED, f"{advice} {tmp_path / 'tabs.png'}"


FAULTS = {
    "the map is empty": "() => document.querySelector('#map-chart canvas').remove()",
    "the map shows something else": "() => { citycheck.state.measure = 1; citycheck.tell('measure'); }",
    "a section has moved by a line": "() => { document.querySelector('#place').style.marginTop = '24px'; }",
    "the synthetic banner is gone": "() => document.querySelector('.banner').remove()",
    "text is too large": "() => { document.body.style.fontSize = '125%'; }",
    "the other language": "() => document.querySelector('#en').click()",
    "no style sheet": "() => document.querySelector('link[rel=stylesheet]').remove()",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_broken_on_purpose_is_noticed(release: SHOW, fault: str):
    page = settled(release(), "zh")
    sound = thumbnail(page.screenshot())
    page.evaluate(FAULTS[fault])
    page.wait_for_timeout(200)
    assert difference(sound, thumbnail(page.screenshot())) > ALLOWED


def test_other_digits_and_smoothing_are_not_noticed(release: SHOW):
    page = settled(release(), "zh")
    sound = thumbnail(page.screenshot())
    page.evaluate(
        """() => { const words = document.createTreeWalker(document.querySelector("header"), NodeFilter.SHOW_TEXT);
             while (words.nextNode()) words.currentNode.data = words.currentNode.data.replace(/[0-8]/g, "9"); }"""
    )
    page.add_style_tag(content="* { -webkit-font-smoothing: none; text-rendering: geometricPrecision }")
    assert difference(sound, thumbnail(page.screenshot())) <= ALLOWED
