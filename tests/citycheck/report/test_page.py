"""The page of a release, read as a browser would."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from page_reader import Page, html_of

from citycheck.duck import connect
from citycheck.errors import BadInput
from citycheck.report import page
from citycheck.report.figures import change, number
from citycheck.report.page import _ASSETS, SCRIPTS

TEMPLATES = Path(page.__file__).parent / "templates"


@pytest.fixture
def full_html(full_build):
    return html_of(full_build)


@pytest.fixture
def full_page(full_html):
    page = Page(full_html)
    assert page.open == []
    return page


@pytest.fixture
def sparse_page(build_without_survey):
    return Page(html_of(build_without_survey))


def test_a_preview_says_that_it_is_one(full_build, full_page):
    preview = full_build.provenance["publication"] | {"is_preview": True}
    assert "never published" in Page(html_of(full_build, publication=preview)).text("header")
    assert "never published" not in full_page.text("header")


def test_says_city_and_half_year_in_both_languages(full_page):
    for text in ("合成市", "Synthetic city", "2026年上半年", "First half of 2026"):
        assert text in full_page.text("header")


def test_synthetic_data_is_said_at_the_top_and_beside_every_table_and_map(full_page):
    assert "SYNTHETIC DATA" in full_page.text("body")
    captions = full_page.count("caption")
    assert captions >= 6 and full_page.text("caption").count("synthetic data") == captions


def test_real_data_is_not_called_synthetic(full_build):
    page = Page(html_of(full_build, is_synthetic=False))
    assert "合成数据" not in page.text("body") and "synthetic data" not in page.text("body").lower()


def test_ranking_is_in_order_and_rounded_here(full_page):
    text = full_page.text("main")
    assert text.index("合成乙县") < text.index("合成甲县")
    assert "62.0" in text and "62.04" not in text
    assert "▲ +1.5" in text and "weak" in text


def test_without_index_says_so_and_gives_the_indicators(sparse_page):
    text = sparse_page.text("main")
    assert "数据不足" in text and "Insufficient data" in text
    assert "rest on only 31.3 % of its weight" in text and "at least 65 %" in text
    assert "室外健身活动场地覆盖率" in sparse_page.text("thead")
    assert "41.0" in sparse_page.text("td") and "12.3" in sparse_page.text("td")
    assert sparse_page.count("table", class_="ranking") == 0


def test_gaps_quarantine_and_row_accounting_are_in_words(full_page):
    text = full_page.text("main")
    assert "The city does not provide this feed" in text and "Satisfaction with education" in text
    assert "坐标为零" in text and "zero_coordinates" in text
    assert "Row accounting" in full_page.text("caption")


def test_says_what_it_is_made_from(full_page):
    text = full_page.text("main")
    for said in ("2026-07-16 00:00 UTC+08:00", "0.1.0", "0123abc", "2025H2 ，第 3 版 , version 3"):
        assert said in text
    assert "A synthetic gap" in text and "Made by a program" in text


def test_shows_the_announced_dates_and_which_of_them_was_moved(full_page):
    text = full_page.text("dl")
    for said in (
        "2026H1 初步 preliminary 2026-07-16 09:30 UTC+08:00",
        "2026H1 核实 verified 2026-08-20 10:00 UTC+08:00（已改期） 2026-08-20 10:00 UTC+08:00 (changed)",
        "2026H2 初步 preliminary 2027-01-16 09:30 UTC+08:00",
    ):
        assert said in text
    assert text.count("已改期") == 1
    assert full_page.count("a", href="#calendar-title") == full_page.count("h3", id="calendar-title") == 1


def test_says_what_counts_and_not_that_the_moment_of_receipt_does(full_page):
    text = full_page.text("main")
    assert "as their source had written them by the cut-off, everything else as last accepted" in text
    assert "received before the cut-off" not in text and "收到的数据" not in text


def test_without_announced_dates_nothing_is_said_of_them(full_build):
    del full_build.provenance["dates"]
    page = Page(html_of(full_build))
    assert "Release calendar" not in page.text("main") and page.count("a", href="#calendar-title") == 0


def test_a_date_of_a_stage_that_the_standard_does_not_know_is_one_sentence(full_build):
    full_build.provenance["dates"] = [{**full_build.provenance["dates"][0], "stage": "draft"}]
    with pytest.raises(BadInput, match="no stage 'draft'"):
        html_of(full_build)


def test_a_city_may_have_no_known_gaps_and_no_previous_release(full_build):
    del full_build.provenance["known_gaps"], full_build.provenance["sources"]
    text = Page(html_of(full_build, previous_release=None)).text("main")
    assert "Known gaps" not in text and "Compared with" not in text


def test_the_page_says_which_version_it_is(full_build, full_page, corrected):
    assert "第 1 版" in full_page.text() and "Version 1" in full_page.text()
    assert "First release" in full_page.text() and "released: 2026-07-16 09:30 UTC+08:00" in full_page.text()
    assert full_page.count("div", class_="revision") == 0
    page = Page(html_of(full_build, **corrected))
    assert "Version 2" in page.text() and "at once, when approved" in page.text()
    assert page.count("div", class_="revision") == 1 and page.count("b") == 0
    assert "A <b>facility</b> was counted twice. 责任方：Made by a program。" in page.text()


def test_a_screen_reader_finds_its_way(full_page):
    assert [full_page.count(tag) for tag in ("h1", "main", "header", "footer", "nav")] == [1, 1, 1, 1, 1]
    assert full_page.count("caption") == full_page.count("table")
    ids = [attributes["id"] for _, attributes in full_page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in full_page.elements:
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-labelledby") in ids
        if tag == "a" and (attributes["href"] or "").startswith("#") and attributes.get("class") != "pick":
            assert attributes["href"][1:] in ids
        if tag == "label":
            assert attributes["for"] in ids
        if attributes.get("class") == "scroll":
            assert attributes["tabindex"] == "0" and attributes["aria-label"]


def test_nothing_is_loaded_from_anywhere_and_nothing_is_written_inline(full_html, full_page):
    """What the strictest policy of a server allows: files beside the page, and nothing in its markup."""
    for tag, attributes in full_page.elements:
        for name in ("src", "href", "srcset", "action", "data", "xlink:href"):
            value = attributes.get(name) or ""
            assert not re.match(r"(?i)([a-z]+:|//)", value), (tag, name, value)
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    sources = [attributes.get("src") for tag, attributes in full_page.elements if tag == "script"]
    assert sources == [
        "page/start.js", "page/echarts.min.js", "page/data.js", *(f"page/{name}" for name in SCRIPTS[1:]), "WITHDRAWN.js",
    ]  # fmt: skip
    assert full_page.text("script") == "" and full_page.count("style") == 0
    assert not re.search(r"(?i)@import|https?:", full_html)


@pytest.mark.parametrize(
    "name", [name for name in _ASSETS if name.endswith((".js", ".css")) and "echarts" not in name]
)
def test_our_scripts_and_styles_fetch_nothing_and_never_make_markup_of_text(name):
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|setAttribute\(.style",
        text,
    )
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon", text)
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)", text)


def test_echarts_is_the_one_that_was_distributed():
    """Apache ECharts 6.1.0, dist/echarts.min.js; its licence, that of d3 in it and its notice go with it."""
    vendor = TEMPLATES.parent / "vendor"
    found = {
        name: sha256(
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        ).hexdigest()[:16]
        for name, path in _ASSETS.items()
        if path.parent == vendor
    }
    assert found == {
        "echarts.min.js": "b66b25aeb4df84e3",
        "echarts.LICENSE.txt": "634293835b43a6dd",
        "echarts.LICENSE-d3.txt": "e1211892da0b0e05",
        "echarts.NOTICE.txt": "d491d358344f8426",
    }
    assert "Apache License" in (vendor / "echarts.LICENSE.txt").read_text("utf-8")


def test_hostile_names_are_text(full_build):
    county = "<img src=x onerror=alert(1)>&\"'县"
    with connect(full_build.database) as connection:
        connection.execute(
            "update marts.county_index set area_name = ?, area_id = ? where area_id = 'C1'", [county, county]
        )
    text = html_of(full_build)
    page = Page(text)
    assert page.count("img") == 0 and county in page.text("th")
    assert "#county=%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26%22%27%E5%8E%BF" in text
    page = Page(html_of(full_build, city_name_zh='"><script>x</script>', code_commit="</style><b>"))
    assert page.count("script") == len(SCRIPTS) + 3 and page.count("b") == 0


def test_only_the_file_of_a_withdrawal_shows_its_banner(full_html):
    """The file comes later, beside the page; it calls what is defined before it is read."""
    assert full_html.index('src="page/start.js"') < full_html.index('src="WITHDRAWN.js"')
    assert not re.search(r'<script defer src="(page/start|WITHDRAWN)\.js"', full_html)
    assert "function citycheckWithdrawn(told)" in (TEMPLATES / "start.js").read_text(encoding="utf-8")
    assert re.search(r'<div class="withdrawn" id="withdrawn" role="alert" hidden>', full_html)
    told = ("withdrawn_at", "reason_zh", "reason_en", "responsible")
    assert [f'data-of="{name}"' in full_html for name in told] == [True] * 4


def test_every_text_is_in_both_languages(full_page):
    assert full_page.count("span", lang="zh") == full_page.count("span", lang="en") > 50
    titles = {name: text for tag, of in full_page.elements if tag == "html" for name, text in of.items()}
    assert titles["data-title-zh"] == "合成市城镇社区体检 2026H1 · 合成数据"
    assert titles["data-title-en"] == "Synthetic city community check-up 2026H1 · synthetic data"


@pytest.mark.parametrize("name", SCRIPTS[1:])
def test_the_scripts_say_nothing_in_one_language_only(name):
    """After every Chinese text comes one that has none."""
    code = re.sub(r"(?m)^\s*(//|\*|/\*).*$", "", (TEMPLATES / name).read_text(encoding="utf-8"))
    texts = [*re.findall(r"`[^`]*`|\"[^\"\n]*\"", code), ""]
    chinese = re.compile("[\u4e00-\u9fff]")
    assert [
        pair
        for pair in pairwise(texts)
        if chinese.search(pair[0]) and (chinese.search(pair[1]) or not pair[1])
    ] == []


def test_shortfalls_are_counted_by_their_kind(full_page):
    text = full_page.text("main")
    assert "18 shortfalls in all" in text and "not within reach 18" in text


def test_every_control_of_the_page_has_a_label(full_page):
    labelled = {attributes.get("for") for tag, attributes in full_page.elements if tag == "label"}
    controls = {attributes["id"] for tag, attributes in full_page.elements if tag in ("input", "select")}
    assert controls == labelled and len(controls) == 17


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_contrast_and_grow_darker():
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    scale = [re.search(f"--s{n}: (#[0-9a-f]{{6}})", css)[1] for n in range(6)]
    assert all(luminance(lighter) > luminance(darker) for lighter, darker in pairwise(scale))
    assert (
        all(contrast(colour, "#0b0f14") >= 4.5 for colour in scale[:5])
        and contrast(scale[5], "#ffffff") >= 4.5
    )
    for name in ("ink", "soft", "accent", "warm"):
        assert contrast(re.search(f"--{name}: (#[0-9a-f]{{6}})", css)[1], "#ffffff") >= 4.5


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 1, "–"),
        (0.05, 1, "0.1"),
        (-0.04, 1, "0.0"),
        (31.25, 1, "31.3"),
        (-2.25, 1, "−2.3"),
        (1234567, 0, "1,234,567"),
        (0.125, 2, "0.13"),
        (59.96, 1, "60.0"),
    ],
)
def test_numbers_are_rounded_half_up(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.04, "＝ 0.0"), (-0.04, "＝ 0.0"), (0.05, "▲ +0.1"), (-12.3, "▼ −12.3")],
)
def test_changes_say_their_direction(value, text):
    assert change(value) == text


def test_the_walk_and_the_straight_line_are_held_side_by_side(full_build):
    """Two kinds pooled: 700 and 550 of 1,000 people; without a network there is nothing to hold."""
    text = Page(html_of(full_build)).text()
    assert "On foot and in a straight line" in text and "on foot, along the streets" in text
    assert "70.0 55.0 15.0 1.29–1.31" in text
    text = Page(html_of(full_build, walking_network=False)).text()
    assert "On foot and in a straight line" not in text and "as the crow flies" in text


def test_findings_are_counted_by_name(full_build):
    assert (
        "Part that nothing connects 2 补上缺失的连接 Add the missing connection"
        in Page(html_of(full_build)).text()
    )


def test_intervals_stand_beside_index_and_rank(full_page):
    table = full_page.text("table")
    assert "62.0 57.8–67.0" in table  # 62.04 − 4.26, 62.04 + 5
    assert "1 1–2" in table
    assert full_page.count("rect", class_="interval") == 2
    assert full_page.text("small").count("not clearly above the next") == 1


def test_causes_stand_beside_the_change_they_add_up_to(full_page):
    for text in ("设施开办与关停", "居民问卷", "▲ +2.0", "▼ −0.5", "second half of 2025"):
        assert text in full_page.text()
    assert (
        "first half of 2025" not in full_page.text()
    )  # of a comparison that no county allows nothing is said


def test_without_an_index_nothing_moved_it(sparse_page):
    assert "What moved the index" not in sparse_page.text()
