"""What the other tests rely on without saying so: that anything remote and any complaint would have been noticed."""

from __future__ import annotations

from collections.abc import Callable

import chromium
import pytest
from conftest import Scene, Seen
from playwright.sync_api import Page

SHOW = Callable[..., Page]


def test_something_remote_is_noticed_and_not_had(visitor: SHOW, seen: Seen):
    page = visitor()
    page.set_content(
        '<img src="https://example.org/x.png"><link rel="stylesheet" href="http://localhost.example/x.css">'
    )
    page.wait_for_function("document.images[0].complete")
    assert set(seen.remote) == {"https://example.org/x.png", "http://localhost.example/x.css"}
    assert page.evaluate("document.images[0].naturalWidth") == 0
    seen.remote.clear()
    seen.complaints.clear()


def test_an_error_of_a_script_is_noticed(visitor: SHOW, seen: Seen):
    page = visitor()
    page.set_content("<script>setTimeout(() => missing())</script>")
    page.wait_for_timeout(100)
    assert "missing is not defined" in seen.complaints.pop()


def test_the_browser_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CITYCHECK_CHROMIUM", "/somewhere/chromium")
    assert chromium.find_or_install() == "/somewhere/chromium"


def test_without_a_browser_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "find", lambda: None)
    monkeypatch.setattr(chromium.shutil, "which", lambda name: None)
    monkeypatch.setattr(
        chromium.subprocess, "run", lambda *a, **k: chromium.subprocess.CompletedProcess(a, 1)
    )
    with pytest.raises(SystemExit, match="install the package `chromium`"):
        chromium.find_or_install()


def test_the_page_tells_when_its_map_is_drawn(
    release: SHOW, scene: Scene, capsys: pytest.CaptureFixture[str]
):
    """What `make bench-page` measures; here it is printed, since other processes share the machine."""
    page = release()
    marks = page.evaluate(
        """() => Object.fromEntries([...performance.getEntriesByType("paint"), ...performance.getEntriesByType("mark")]
             .map((one) => [one.name, Math.round(one.startTime)]))"""
    )
    assert {"first-contentful-paint", "map-drawn"} <= marks.keys()
    size_kb = sum(file.stat().st_size for file in (scene.page.parent / "page").iterdir()) // 1024
    with capsys.disabled():
        print(f"\nrelease page ({size_kb} kB in page/), milliseconds: {marks}")
