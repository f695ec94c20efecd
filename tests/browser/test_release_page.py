"""The release page as a resident uses it: from the disk, in two languages, by mouse and keyboard, on a phone, on paper."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import DESKTOP, PHONE, Scene
from playwright.sync_api import Page, expect

SHOW = Callable[..., Page]
QUESTIONS = {
    "zh": ["现在怎么样", "比半年前好吗", "缺什么", "将怎样改进"],
    "en": ["How is it now", "better than half a year ago", "What is missing", "What will be done"],
}

FOREIGN = "[lang=en]:visible:not(#data td)"
"""What is in English on the Chinese page, but for the descriptions of files, which dbt has in English alone."""


def chosen(page: Page) -> str:
    return page.locator("#answer .name").inner_text()


def picture(page: Page) -> int:
    """A number that changes with what the map shows."""
    return page.evaluate(
        """() => new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(() => {
             const text = document.querySelector("#map-chart canvas").toDataURL();
             let sum = 0;
             for (let at = 0; at < text.length; at += 1) sum = (31 * sum + text.charCodeAt(at)) | 0;
             told(sum);
           })))"""
    )


def communities(page: Page) -> list[dict[str, str]]:
    return page.evaluate(
        """() => citycheck.communities().map((at) => ({
             id: citycheck.areas.id[at], name: citycheck.areas.name[at],
             county: citycheck.nameOf(citycheck.areas.county[at]) }))"""
    )


def ordinary(page: Page) -> dict[str, str]:
    """A community whose name is no trap."""
    return next(of for of in communities(page) if re.fullmatch(r"[\u4e00-\u9fff]{2,8}", of["name"]))


def test_one_switch_turns_the_whole_page_into_english(release: SHOW):
    page = release()
    assert page.evaluate("document.documentElement.lang") == "zh"
    for question, title in zip(QUESTIONS["zh"], page.locator("#answer h3").all_inner_texts(), strict=True):
        assert question in title
    title = page.title()
    page.get_by_text("English", exact=True).click()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title() != title
    for question, heading in zip(QUESTIONS["en"], page.locator("#answer h3").all_inner_texts(), strict=True):
        assert question in heading
    assert page.locator("[lang=zh]:visible").all_inner_texts() == ["中文"], "but for the switch itself"
    for select in ("#measure", "#ledger-status"):
        assert not re.search("[\u4e00-\u9fff]", page.locator(select).inner_text()), select
    page.get_by_text("中文", exact=True).click()
    assert page.locator(FOREIGN).all_inner_texts() == ["English"]


def test_a_county_is_chosen_and_its_answers_appear(release: SHOW):
    page = release()
    city = chosen(page)
    county = page.locator("#county option").nth(1).inner_text()
    page.get_by_label("县（市、区）").first.select_option(label=county)
    assert chosen(page).startswith(county)
    assert chosen(page) != city
    assert "#county=" in page.url
    assert county in page.locator("#promise h3").inner_text()
    assert county in page.locator("#told").inner_text(), "said to those who do not see it"


def test_a_community_is_found_by_keyboard_alone(release: SHOW):
    page = release()
    wanted = ordinary(page)
    page.locator("#community").focus()
    page.keyboard.type(wanted["name"])
    expect(page.locator("#found")).to_be_visible()
    page.keyboard.press("ArrowDown")
    assert page.locator("#community").get_attribute("aria-activedescendant") == "found-0"
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_be_hidden()
    assert chosen(page).startswith(wanted["name"])
    assert page.url.endswith(f"#community={wanted['id']}")
    page.locator("#community").focus()
    page.keyboard.type("没有这个名字xyz")
    expect(page.locator("#found")).to_contain_text("没有找到")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()


def test_an_address_leads_to_a_community(release: SHOW):
    page = release()
    wanted = ordinary(page)
    page = release(f"#community={wanted['id']}", language="en")
    assert chosen(page).startswith(wanted["name"])
    assert page.locator("#county option:checked").inner_text() == wanted["county"]
    page = release("#community=nowhere")
    assert not chosen(page).startswith(wanted["name"])


def test_the_map_shows_what_is_asked_for(release: SHOW):
    page = release()
    shown = [picture(page)]
    for group in ("方面（得分）", "设施（覆盖率）"):
        of = page.locator(f"#measure optgroup[label='{group}'] option").first.inner_text()
        page.get_by_label("地图显示").select_option(label=of)
        assert of in page.locator("#map-note").inner_text()
        assert of in page.locator("#map-chart").get_attribute("aria-label")
        shown.append(picture(page))
    expect(page.locator("#legend")).to_contain_text("服务半径")
    page.get_by_label("设施与服务圈").uncheck()
    shown.append(picture(page))
    expect(page.locator("#legend")).not_to_contain_text("服务半径")
    page.locator("#map-keys").focus()
    page.keyboard.press("ArrowLeft")
    shown.append(picture(page))
    page.keyboard.press("+")
    shown.append(picture(page))
    page.get_by_role("button", name="全市").click()
    shown.append(picture(page))
    assert len(set(shown[:-1])) == len(shown) - 1, "every one changed the map"
    assert shown[-1] == shown[3], "and the whole city again is what it was"


def test_a_click_on_the_map_opens_the_community(release: SHOW):
    page = release()
    wanted = ordinary(page)
    page.evaluate("(id) => { location.hash = `community=${id}`; }", wanted["id"])
    expect(page.locator("#answer .name")).to_contain_text(wanted["name"])
    # The city's answers again, while the community stays in the middle of the map.
    page.evaluate("citycheck.state.place = 0; citycheck.place.show()")
    expect(page.locator("#answer .name")).not_to_contain_text(wanted["name"])
    page.locator("#map-chart").click()
    expect(page.locator("#answer .name")).to_contain_text(wanted["name"])


def test_what_the_map_shows_is_in_a_table_too(release: SHOW):
    page = release()
    page.locator("#map-table-box summary").click()
    table = page.locator("#map-table")
    expect(table.locator("tbody tr").first).to_be_visible()
    names = {of["name"] for of in communities(page)}
    assert set(table.locator("tbody a").all_text_contents()) <= names


def test_the_ledger_is_searched_and_filtered(release: SHOW):
    page = release()
    rows = page.locator("#ledger tbody tr")
    first = rows.first.locator("td, th").nth(0).inner_text()
    everything = page.locator("#ledger").inner_text()
    page.locator("#ledger-search").fill(first)
    assert all(first.lower() in text.lower() for text in rows.all_inner_texts())
    assert page.locator("#ledger").inner_text() != everything
    page.locator("#ledger-search").fill("")
    kind = page.locator("#ledger-kind option").nth(1).inner_text()
    page.locator("#ledger-kind").select_option(label=kind)
    assert rows.count() > 0
    assert all(kind in text for text in rows.all_inner_texts())
    page.locator("#ledger-search").fill("没有这个名字xyz")
    assert not any(kind in text for text in rows.all_inner_texts())


def test_projects_are_filtered_opened_and_shown_on_the_map(release: SHOW):
    page = release()
    rows = page.locator("#projects tbody tr")
    rows.first.locator("summary").click()
    expect(rows.first.locator("dl")).to_be_visible()
    pool = page.locator("#projects-pool option").nth(1).inner_text()
    page.locator("#projects-pool").select_option(label=pool)
    assert rows.count() > 0 and all(pool in text for text in rows.all_inner_texts())
    page.locator("#projects-search").fill("没有这个名字xyz")
    assert rows.count() == 0
    before = page.locator("#legend").inner_text()
    page.locator("#sites").check()
    assert len(page.locator("#legend").inner_text()) > len(before)
    page.evaluate("citycheck.choose(citycheck.areas.id.length - 1)")
    county = page.evaluate("citycheck.nameOf(citycheck.areas.county[citycheck.areas.id.length - 1])")
    page.locator("#projects-search").fill("")
    page.locator("#projects-pool").select_option("")
    page.locator("#answer a[href='#projects-title']").click()
    assert rows.count() > 0 and all(county in text for text in rows.all_inner_texts())


def test_every_link_leads_somewhere(release: SHOW, scene: Scene):
    page = release()
    page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    links = set(
        page.eval_on_selector_all("a[href]", "(links) => links.map((link) => link.getAttribute('href'))")
    )
    assert len(links) > 50
    ids = set(page.eval_on_selector_all("[id]", "(all) => all.map((one) => one.id)"))
    known = {of["id"] for of in communities(page)} | set(
        page.evaluate("citycheck.areas.id.slice(0, citycheck.first)")
    )
    for link in links - {"./", "#"}:
        if place := re.fullmatch(r"#(?:county|community)=(.*)", link):
            assert unquote(place[1]) in known, link
        elif link.startswith("#"):
            assert link[1:] in ids, link
        else:
            assert ":" not in link, f"{link} leads out of the bundle"
            assert (scene.page.parent / unquote(link.split("#")[0])).is_file(), link


def test_what_the_page_loads_is_in_the_bundle_and_named_by_it(release: SHOW, scene: Scene):
    page = release()
    loaded = page.evaluate(
        "[...document.querySelectorAll('script[src], link[href]')].map((one) => one.src || one.href)"
    )
    folder = scene.page.parent
    package = json.loads((folder / "datapackage.json").read_text("utf-8"))
    described = {resource["path"] for resource in package["resources"]}
    for address in loaded:
        name = unquote(address.removeprefix(f"{folder.as_uri()}/"))
        if name != "WITHDRAWN.js":
            assert name in described, name


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_narrow_screen(release: SHOW, width: int, language: str):
    page = release(language=language, viewport=PHONE | {"width": width}, is_mobile=width < 768)
    page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    for place in ["", *[of["id"] for of in communities(page)][:9]]:
        if place:
            page.evaluate("(id) => citycheck.choose(citycheck.areas.id.indexOf(id, citycheck.first))", place)
        wide = page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
                 .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll"))
                 .map((one) => `${one.tagName}#${one.id}.${one.className}`).slice(0, 5)"""
        )
        assert wide == [], place


def test_every_control_is_reached_by_tab_and_shows_its_focus(release: SHOW):
    page = release()
    page.evaluate(
        "for (const box of document.querySelectorAll('#data details, #place details')) box.open = false"
    )
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, is_shown = page.evaluate(
            """() => {
                 const one = document.activeElement;
                 const label = one.id && document.querySelector(`label[for="${one.id}"]`);
                 const isRinged = [one, label].filter(Boolean).map((of) => getComputedStyle(of))
                   .some((is) => (is.outlineStyle !== "none" && parseFloat(is.outlineWidth) > 0) || is.boxShadow !== "none");
                 return [one === document.body ? "nothing" : one.id || one.getAttribute("href") || one.className, isRinged];
               }"""
        )
        assert name != "nothing", f"the focus is lost after {reached[-1]}"
        assert is_shown, f"{name} does not show that it has the focus"
        reached.append(name)
    assert {"county", "community", "measure", "map-keys"} <= set(reached)
    assert reached[0] == "#place", "the first leads past the head"


def test_paper_holds_the_whole_page(release: SHOW):
    page = release()
    page.emulate_media(media="print")
    expect(page.locator(".banner, .synthetic").first).to_be_visible()
    expect(page.locator("#ranking table").first).to_be_visible()
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 3 <= pages <= 60
    assert len(paper) > 50_000


def test_without_scripts_the_ranking_can_be_read(visitor: SHOW, scene: Scene):
    page = visitor(java_script_enabled=False)
    page.goto(scene.page.as_uri())
    expect(page.locator("#ranking tbody tr").first).to_be_visible()
    expect(page.locator("noscript .finding").first).to_contain_text("需要启用脚本")
    assert page.locator(FOREIGN).all_inner_texts() == ["English"]
    page.get_by_text("English", exact=True).click()
    assert page.locator("#ranking h2 .en").is_visible()


def test_it_opens_from_any_folder(release: SHOW, scene: Scene, tmp_path: Path):
    there = tmp_path / "下载 #1 100%"
    there.mkdir()
    shutil.copy(scene.page, there)
    shutil.copytree(scene.page.parent / "page", there / "page")
    page = release(file=there / "index.html", viewport=DESKTOP)
    assert chosen(page)
