"""The browser, the scene it looks at, and what holds for every page: nothing remote is asked for, no script fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chromium import ARGUMENTS, find_or_install
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Scene:
    """What scene.py has told: where Airflow is, who may log in, where the candidate and the releases are."""

    told: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.told[name]

    @property
    def page(self) -> Path:
        """The release page of the candidate; of the release, once it is published, the same bytes."""
        return Path(self.candidate) / "index.html"

    @property
    def citycheck(self) -> str:
        """The address of citycheck's pages in Airflow."""
        return f"{self.url}/citycheck"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `citycheck …` in the project's own environment."""
        return subprocess.run(
            [self.python, "-m", "citycheck", *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
        )


@dataclass
class Seen:
    """What a context's pages have asked for and complained of."""

    remote: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("file", "data", "blob", "about") and address.hostname != "127.0.0.1":
            self.remote.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        # WITHDRAWN.js is beside a page only when its version is withdrawn.
        if message.type == "error" and "WITHDRAWN.js" not in f"{message.text} {message.location}":
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A scene of its own; CITYCHECK_SCENE names a file with what one that is up has told."""
    if told := os.environ.get("CITYCHECK_SCENE"):
        yield Scene(json.loads(Path(told).read_text("utf-8")))
        return
    python = os.environ.get("CITYCHECK_PYTHON", str(PROJECT / ".venv" / "bin" / "python"))
    root = tmp_path_factory.mktemp("scene")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "plugins")}
    with subprocess.Popen([python, HERE / "scene.py", root], env=environment, text=True, **pipes) as actor:
        assert actor.stdin
        assert actor.stdout
        assert actor.stderr
        try:
            line = actor.stdout.readline()
            if not line:
                pytest.exit(f"The scene could not be set: {actor.stderr.read()}", 1)
            yield Scene(json.loads(line))
        finally:
            actor.stdin.close()
            actor.wait(60)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_or_install(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def visitor(browser: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """`visitor(viewport=…, …)` is a page of a new visitor; at the end nothing remote was asked for and nothing complained of."""
    contexts = []

    def visit(**settings: Any) -> Page:
        context = browser.new_context(
            **{"viewport": DESKTOP, "locale": "zh-CN", "reduced_motion": "reduce"} | settings
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        seen.watch(context)
        return context.new_page()

    yield visit
    for context in contexts:
        context.close()
    assert seen.remote == []
    assert seen.complaints == []


@pytest.fixture
def release(visitor: Callable[..., Page], scene: Scene) -> Callable[..., Page]:
    """`release(hash, language=…, file=…, …)` is a page with the release, from the disk, its map drawn."""

    def show(hash: str = "", language: str = "zh", file: Path | None = None, **settings: Any) -> Page:
        page = visitor(**settings)
        open_release(page, file or scene.page, hash, language)
        return page

    return show


def open_release(page: Page, file: Path, hash: str = "", language: str = "zh") -> None:
    page.goto(f"{file.as_uri()}?lang={language}{hash}")
    page.wait_for_selector("html[data-map=drawn]", state="attached")
    page.wait_for_function("document.querySelector('#need').childElementCount > 0")


@pytest.fixture
def logged_in(visitor: Callable[..., Page], scene: Scene) -> Callable[..., Page]:
    """`logged_in(user)` is a page of somebody who has logged in to Airflow (how, test_walks.py looks at)."""

    def log_in(user: str, **settings: Any) -> Page:
        page = visitor(**settings)
        log_in_by_token(page, scene, user)
        return page

    return log_in


def log_in_by_token(page: Page, scene: Scene, user: str) -> None:
    answer = page.request.post(
        f"{scene.url}/auth/token", data={"username": user, "password": scene.passwords[user]}
    )
    assert answer.ok, answer.status
    cookie = {"name": "_token", "value": answer.json()["access_token"], "url": scene.url, "sameSite": "Lax"}
    page.context.add_cookies([cookie])
