"""Texts that try to be more than text, in names, answers and categories (scene.py plants them): they are shown as they are."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from conftest import PHONE, Scene
from operator_pages import walk
from playwright.sync_api import Page, expect

SHOW = Callable[..., Page]


def assert_harmless(page: Page, where: str) -> None:
    """Nothing planted was run, and nothing planted became an element."""
    assert page.evaluate("window.pwned") is None, where
    assert page.locator("#pwned, img[src=x]").count() == 0, where
    assert page.locator("script:not([src])").count() == 0, f"{where}: a script within the page"
    handlers = page.evaluate(
        """[...document.querySelectorAll("*")].flatMap((one) => [...one.attributes])
             .filter((of) => of.name.startsWith("on")).map((of) => of.name)"""
    )
    assert handlers == [], where


def test_every_name_of_a_community_is_shown_as_it_is(release: SHOW, scene: Scene):
    for language in ("zh", "en"):
        page = release(language=language)
        names = page.evaluate("citycheck.areas.name.slice(citycheck.first)")
        for trick, text in scene.hostile.items():
            assert text in names, trick
            page.evaluate(
                "(name) => citycheck.choose(citycheck.areas.name.indexOf(name, citycheck.first))", text
            )
            shown = page.locator("#answer .name").evaluate("(one) => one.firstChild.textContent")
            assert shown == text, trick
            assert page.locator("#community").input_value() == text, trick
            assert page.locator("#promise h3").text_content() == text, trick
            page.locator("#community").fill(text.split()[0][:40])
            expect(page.locator("#found li").first).to_be_visible()
            assert_harmless(page, trick)
        page.locator("#map-table-box summary").click()
        expect(page.locator("#map-table tbody tr").first).to_be_visible()
        assert set(scene.hostile.values()) & set(page.locator("#map-table tbody a").all_text_contents())
        assert_harmless(page, "the table")


def test_every_name_of_a_facility_is_shown_as_it_is(release: SHOW, scene: Scene):
    page = release()
    found = page.evaluate(
        """(texts) => { const all = citycheck.part("facilities");
             return texts.map((text) => all.name.indexOf(text)).filter((n) => n >= 0)
               .map((n) => ({ n, name: all.name[n], kind: all.kinds[all.kind[n]], area: all.area[n] })); }""",
        list(scene.hostile.values()),
    )
    assert len(found) > len(scene.hostile) / 2, (
        "the rest are outside every community, or of a kind without a circle"
    )
    seen = 0
    for one in found:
        if one["area"] is None:
            continue
        page.evaluate("({kind, area}) => { citycheck.map.showKind(kind); citycheck.choose(area); }", one)
        where = page.evaluate(
            """(n) => { const chart = echarts.getInstanceByDom(document.getElementById("map-chart"));
                 const series = chart.getOption().series.flatMap((of) => of.data ?? []).find((point) => point?.n === n);
                 return series && chart.convertToPixel("geo", series.value); }""",
            one["n"],
        )
        if where is None:
            continue
        page.locator("#map-chart").hover(position={"x": where[0], "y": where[1]})
        if page.locator("#tip strong").is_visible():
            seen += page.locator("#tip strong").text_content() == one["name"]
        assert_harmless(page, one["name"])
    assert seen, "pointed at, a facility tells its name"


def test_a_long_name_does_not_widen_the_page(release: SHOW, scene: Scene):
    page = release(viewport=PHONE, is_mobile=True)
    for trick, text in scene.hostile.items():
        page.evaluate("(name) => citycheck.choose(citycheck.areas.name.indexOf(name, citycheck.first))", text)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), trick


def test_no_cell_of_a_table_is_a_formula(scene: Scene):
    """Spreadsheets run what begins with = + - @; the files of the bundle hold no such text."""
    looked_at = 0
    for file in sorted(Path(scene.candidate).rglob("*.csv")):
        with file.open(encoding="utf-8-sig", newline="") as rows:
            for row in csv.reader(rows):
                looked_at += 1
                assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row), (
                    f"{file.name}: {row[:5]}"
                )
    assert looked_at > 1000


def test_the_pages_for_operators_show_what_was_sent_as_text(logged_in: SHOW, scene: Scene):
    page = logged_in("approver")
    told = named = ""
    for address in walk(page, scene, of_one_kind=3):
        if "/projects" in address or "/what-if" in address:  # they name communities, whatever they are called
            named += page.locator("body").inner_text()
        else:
            told += page.locator("body").inner_text()
        if "/data-docs/" not in address:
            assert_harmless(page, address)
        assert page.evaluate("window.pwned") is None, address
    assert scene.hostile["script"] in told, (
        "the reason of the first approval, or a category that no map covers"
    )
    # Samples of the quarantine show codes, and no other text of a source.
    assert scene.hostile["formula"] not in told
    assert scene.hostile["formula"] in named
    assert "49" not in {text.strip() for text in (told + named).split("\n")}, "a template was filled in"


def test_data_docs_run_nothing(logged_in: SHOW, scene: Scene):
    page = logged_in("viewer")
    for name in sorted((Path(scene.home) / scene.city / "data_docs" / "validations").rglob("*.html"))[:6]:
        path = name.relative_to(Path(scene.home) / scene.city / "data_docs").as_posix()
        answer = page.goto(f"{scene.citycheck}/data-docs/{scene.city}/{path}")
        assert answer
        assert answer.ok
        assert page.evaluate("window.pwned") is None
        assert page.locator("#pwned, img[src=x]").count() == 0


def test_the_reason_of_a_withdrawal_is_shown_as_it_is(release: SHOW, scene: Scene, tmp_path: Path):
    shutil.copy(scene.page, tmp_path)
    shutil.copytree(scene.page.parent / "page", tmp_path / "page")
    told = {
        "reason_zh": scene.hostile["script"],
        "reason_en": scene.hostile["image"],
        "withdrawn_at": "2026-10-01T09:30:00+08:00",
        "responsible": scene.hostile["quotes"],
        "superseded_by": 2,
    }
    (tmp_path / "WITHDRAWN.js").write_text(f"citycheckWithdrawn({json.dumps(told)});\n", "utf-8")
    page = release(file=tmp_path / "index.html")
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("THIS VERSION WAS WITHDRAWN")
    for text in ("reason_zh", "reason_en", "responsible"):
        expect(banner).to_contain_text(told[text])
    assert banner.get_by_role("link").get_attribute("href") == "../2/index.html"
    assert_harmless(page, "the banner")
