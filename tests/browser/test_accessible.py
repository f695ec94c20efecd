"""WCAG 2.1 AA, as far as axe can tell: the release page in both languages, on a desk and in a hand; every page for operators."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import DESKTOP, PHONE, Scene
from operator_pages import walk
from playwright.sync_api import Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
    "preload": False,  # axe would ask for the style sheet again, which a browser refuses to a page from the disk
}


def violations(page: Page) -> list[str]:
    """What axe finds wrong, with the first element of each."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{one['id']} ×{len(one['nodes'])}: {one['nodes'][0]['html'][:160]} {one['nodes'][0]['failureSummary'][-200:]}"
        for one in found
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desk", "hand"])
def test_the_release_page(release: Callable[..., Page], screen: dict[str, int], language: str):
    page = release(language=language, viewport=screen)
    page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    assert violations(page) == [], "the city"
    page.evaluate("citycheck.choose(citycheck.first + 1)")
    page.locator("#community").focus()
    page.keyboard.press("ArrowDown")
    assert violations(page) == [], "a community, with the list of others open"


@pytest.mark.parametrize(("screen", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desk", "hand"])
def test_the_pages_for_operators(
    logged_in: Callable[..., Page], scene: Scene, screen: dict[str, int], scheme: str
):
    page = logged_in("approver", viewport=screen, color_scheme=scheme)
    found = {}
    for address in walk(page, scene):
        found |= {address: wrong} if (wrong := violations(page)) else {}
    assert found == {}


def test_a_fault_is_found(release: Callable[..., Page]):
    page = release()
    page.add_style_tag(
        content="#answer .note, #answer p { color: #bbb !important; background: #fff !important }"
    )
    page.evaluate("document.querySelector('label[for=county]').remove()")
    told = " ".join(violations(page))
    assert "color-contrast" in told
    assert "select-name" in told
