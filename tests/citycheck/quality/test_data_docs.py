"""Data Docs load nothing, run nothing and style nothing of their own, and say what they said."""

from __future__ import annotations

import json
import re
from pathlib import Path

from citycheck.quality import data_docs

GREAT = """<!DOCTYPE html><html><head><title>t</title><link rel="stylesheet" href="https://cdn.example/x.css"/>
<style>body { color: red }</style><script src="https://cdn.example/x.js"></script></head>
<body><nav class="navbar sticky-top"><nav><img src="https://cdn.example/logo.png"></nav></nav>
<div style="height: 1px" onclick="go()" class="row"><h4>Result</h4><script>if (a < b) go()</script>
<i class="fas fa-check-circle text-success"></i><i class="fas fa-times text-danger"></i>
<a href="https://great.example">made by</a> <a href="../../expectations/x.html">suite</a> <a href="#section-1">here</a>
<a data-toggle="collapse" href="#x">Show more</a><td>a &lt;b&gt; &amp; 甲 &#60;</td></div>
<footer>newsletter</footer></body></html>"""


def test_a_page_keeps_its_words_and_loses_all_that_loads_runs_or_styles() -> None:
    page = data_docs.plain(GREAT, "areas · <run>", "../..")
    assert (
        re.findall(r"https?:|<script|<style| style=| on\\w+=|<footer|<img|newsletter|Show more", page) == []
    )
    assert re.findall('(?:href|src)="([^"]*)"', page) == [
        "../../static/citycheck.css",
        "../../index.html",
        "#section-1",
    ]
    for kept in (
        "<h1>Result</h1>",
        "✓ passed",
        "✗ failed",
        "made by",
        "suite",
        "a &lt;b&gt; &amp; 甲 &#60;",
        "areas · &lt;run&gt;",
    ):
        assert kept in page


def test_the_site_lists_each_page_what_failed_first_and_loads_its_own_style_alone(tmp_path: Path) -> None:
    for suite, success in (("areas", True), ("<b>streets</b>", False)):
        stem = Path(suite.strip("</b>")) / "2026H1-abc" / "1" / "x"
        page, result = tmp_path / "validations" / stem, tmp_path / ".results" / stem
        for path in (page, result):
            path.parent.mkdir(parents=True)
        page.with_suffix(".html").write_text(GREAT)
        about = {"run_id": {"run_name": "2026H1-abc", "run_time": "2026-07-01T00:00:00+00:00"}}
        counts = {"evaluated_expectations": 3, "unsuccessful_expectations": 1 - success}
        written = {"success": success, "suite_name": suite, "meta": about, "statistics": counts}
        result.with_suffix(".json").write_text(json.dumps(written))
    data_docs._write_index(tmp_path)
    index = (tmp_path / "index.html").read_text()
    assert index.index("streets") < index.index("areas")
    assert "<b>" not in index and "script" not in index
    assert all((tmp_path / address).is_file() for address in re.findall('href="([^"]*)"', index))


def test_a_page_of_an_earlier_version_is_made_plain_once(tmp_path: Path) -> None:
    page = tmp_path / "validations" / "areas" / "run" / "x.html"
    page.parent.mkdir(parents=True)
    page.write_text(GREAT)
    data_docs._make_plain(page, tmp_path)
    first = page.read_text()
    data_docs._make_plain(page, tmp_path)
    assert page.read_text() == first and data_docs.NAVIGATION in first
