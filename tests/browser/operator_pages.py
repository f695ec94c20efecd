"""A walk over citycheck's pages in Airflow, as their own links lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from conftest import Scene
from playwright.sync_api import Page

LEFT_OUT = re.compile(r"/files/|/static/|/api/")
"""Files of a bundle (the release page has tests of its own), and what is for machines."""


def kind(path: str) -> str:
    """An address without what differs from page to page of one kind."""
    path = re.sub(r"/projects/(?!supervision$)[^/]+$", "/projects/*", path)
    path = re.sub(r"/models/.+", "/models/*", re.sub(r"/(expectations|validations)/.+", r"/\1/*", path))
    return re.sub(r"(?<=/)([0-9a-f]{16}|\d{4}H[12]|\d+)(?=/|$)", "*", path)


def walk(page: Page, scene: Scene, of_one_kind: int = 1) -> Iterator[str]:
    """Go from page to page; what is yielded is the address of the one that is shown now.

    Of pages that differ only in half-year, build, delivery or file, `of_one_kind` are looked at.
    """
    waiting, known, shown = [f"{scene.citycheck}/"], set(), dict[str, int]()
    while waiting:
        address = waiting.pop(0)
        of = kind(urlsplit(address).path)
        if address in known or shown.get(of, 0) >= of_one_kind:
            continue
        known.add(address)
        shown[of] = shown.get(of, 0) + 1
        answer = page.goto(address)
        assert answer
        assert answer.ok, f"{address}: {answer.status}"
        links = page.eval_on_selector_all(
            "a[href]", "(links) => links.map((link) => link.href.split('#')[0])"
        )
        yield urlsplit(address).path
        waiting += [link for link in links if link.startswith(scene.citycheck) and not LEFT_OUT.search(link)]
