"""The page of a release, read as a browser would: its HTML, and the data of its scripts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from citycheck.duck import connect
from citycheck.release.about import describe
from citycheck.report.data import page_data
from citycheck.report.page import Download, render

VOID = {"meta", "input", "rect", "path", "circle", "br", "img", "link"}


class Page(HTMLParser):
    """Elements with their attributes and text, and a check that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts.setdefault(tag, []).append(data)

    def text(self, tag: str = "body") -> str:
        return " ".join(" ".join(self.texts.get(tag, [])).split())

    def count(self, tag: str, **attributes: str) -> int:
        wanted = {("class" if k == "class_" else k): v for k, v in attributes.items()}
        return sum(t == tag and all(a.get(k) == v for k, v in wanted.items()) for t, a in self.elements)


def html_of(build, **changes):
    with connect(build.database, read_only=True) as connection:
        downloads = [Download("tables/county_index.csv", 1234, "Index by county.", "csv")]
        return render(connection, build.provenance | changes, downloads)


def text_of(build, **changes):
    provenance = build.provenance | changes
    with connect(build.database, read_only=True) as connection:
        return page_data(connection, describe(connection, provenance), provenance)


def parsed(text):
    """The parts by name, as a script's string of one line each is read."""
    found = re.findall(r"(?m)^  (\w+): '(.*)',$", text)
    assert text.startswith("window.CITYCHECK = {\n") and text.endswith("\n};\n")
    return {name: json.loads(re.sub(r"\\(['\\])", r"\1", part)) for name, part in found}
