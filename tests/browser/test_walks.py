"""From the login to the verified download: a viewer, an operator and the approver, in Airflow's pages and in citycheck's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import DESKTOP, Scene, Seen
from playwright.sync_api import Browser, Page, expect

SHOW = Callable[..., Page]
REASON = "两县排名与现场核对一致 <script>window.pwned=3</script> =1+1 {{ 7*7 }}"
PATIENCE_S = 120


def log_in(page: Page, scene: Scene, user: str) -> None:
    """As a person does: Airflow's first page leads to the login, and the login back to it."""
    page.goto(f"{scene.url}/")
    page.wait_for_url("**/auth/login**")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(scene.passwords[user])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/auth/login" not in address)


def candidate_of(scene: Scene) -> str:
    return f"{scene.citycheck}/candidates/{scene.city}/{scene.now}/{Path(scene.candidate).parent.name}"


def release_of(scene: Scene, half_year: str) -> str:
    return f"{scene.citycheck}/releases/{scene.city}/{half_year}/1"


@pytest.fixture(scope="module")
def published(browser: Browser, scene: Scene) -> Iterator[Page]:
    """The approver finds the candidate on citycheck's first page, approves it in Airflow, and sees it published."""
    seen = Seen()
    context = browser.new_context(viewport=DESKTOP, locale="en-US")
    context.set_default_timeout(60_000)
    seen.watch(context)
    page = context.new_page()
    log_in(page, scene, "approver")
    page.goto(f"{scene.citycheck}/")
    page.locator(f"a[href*='/candidates/{scene.city}/{scene.now}/']").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(scene.now)
    expect(page.get_by_text("Synthetic data, not a real city.")).to_be_visible()
    page.get_by_role("link", name="Approve or reject").click()
    page.wait_for_url("**/required_actions**")
    expect(page.get_by_text("waits for approval").first).to_be_visible()
    to_candidate = page.get_by_role("link", name="the candidate and its page")
    assert to_candidate.evaluate("(link) => link.href") == candidate_of(scene)
    page.get_by_role("group").filter(has_text="Reason").get_by_role("textbox").fill(REASON)
    page.get_by_role("button", name="Approve", exact=True).click()
    wait_until_published(page, scene)
    yield page
    context.close()
    assert seen.remote == []


def wait_until_published(page: Page, scene: Scene) -> None:
    address = urlsplit(release_of(scene, scene.now)).path
    for _ in range(PATIENCE_S):
        page.goto(f"{scene.citycheck}/releases")
        if page.locator(f"a[href='{address}']").count():
            return
        page.wait_for_timeout(1000)
    raise AssertionError(f"{scene.now} was not published within {PATIENCE_S} s of its approval.")


def test_who_has_not_logged_in_sees_nothing(visitor: SHOW, scene: Scene, seen: Seen):
    page = visitor()
    for address in ("/", "/rows", "/releases", f"/data-docs/{scene.city}/index.html", "/static/page.css"):
        answer = page.goto(f"{scene.citycheck}{address}")
        assert answer
        assert answer.status == 401, address
        assert scene.city not in page.content()
    page.goto(f"{scene.url}/")
    page.wait_for_url("**/auth/login**")
    seen.complaints.clear()  # a browser complains of every 401


def test_a_viewer_logs_in_reads_and_may_not_act(visitor: SHOW, scene: Scene, seen: Seen):
    page = visitor(locale="en-US")
    log_in(page, scene, "viewer")
    page.get_by_role("link", name="citycheck").first.click()
    framed = page.frame_locator("iframe")
    expect(framed.get_by_role("heading", level=1)).to_contain_text("Where each half-year stands")
    for half_year in (scene.before, scene.now):
        expect(framed.get_by_role("heading", level=2, name=re.compile(half_year))).to_be_visible()
    page.goto(f"{scene.citycheck}/")
    assert page.locator("a[href*='/candidates/']").count() == 0, "what is not published is not theirs to see"
    page.goto(release_of(scene, scene.before))
    expect(page.get_by_role("heading", level=1)).to_contain_text(scene.before)
    assert page.locator("form, button[type=submit]").count() == 0
    seen.complaints.clear()  # Airflow's own pages ask for what a viewer may not have
    for path in ("", "/files/index.html"):
        answer = page.goto(candidate_of(scene) + path)
        assert answer
        assert answer.status == 403
    refused = page.request.post(
        f"{release_of(scene, scene.before)}/verify", headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert refused.status == 403
    seen.complaints.clear()  # a browser complains of every 403


@pytest.mark.parametrize("user", ["operator", "admin"])
def test_who_may_act_verifies_a_release(logged_in: SHOW, scene: Scene, user: str):
    page = logged_in(user)
    page.goto(release_of(scene, scene.before))
    page.get_by_role("button", name=re.compile("Verify every byte")).click()
    expect(page.get_by_role("status")).to_contain_text("Complete and unchanged")


def test_another_site_cannot_make_a_browser_act(logged_in: SHOW, scene: Scene):
    page = logged_in("operator")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://127.0.0.1:1"}, {}):
        assert page.request.post(f"{release_of(scene, scene.before)}/verify", headers=headers).status == 403


def test_the_approver_approves_and_the_release_appears(published: Page, scene: Scene):
    page = published
    page.goto(release_of(scene, scene.now))
    expect(page.get_by_role("heading", level=1)).to_contain_text(scene.now)
    expect(page.get_by_text(REASON)).to_be_visible()
    assert page.evaluate("window.pwned") is None
    page.goto(f"{scene.citycheck}/")
    board = page.get_by_role("region", name=re.compile(rf"^{scene.now} {scene.city}(?!.*feeds)"))
    expect(board).to_contain_text("approver")


def test_the_release_opens_from_airflow_under_its_policy(published: Page, scene: Scene, logged_in: SHOW):
    page = logged_in("viewer")
    answer = page.goto(f"{release_of(scene, scene.now)}/files/index.html")
    assert answer
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.wait_for_selector("html[data-map=drawn]", state="attached")
    page.get_by_text("English", exact=True).click()
    expect(page.locator("#answer-1")).to_contain_text("How is it now?")
    expect(page.get_by_text("SYNTHETIC DATA").first).to_be_visible()


def test_what_is_downloaded_verifies(published: Page, scene: Scene, logged_in: SHOW, tmp_path: Path):
    page = logged_in("viewer")
    page.goto(release_of(scene, scene.now))
    root = f"{urlsplit(release_of(scene, scene.now)).path}/files/"
    links = page.eval_on_selector_all(
        "td a[href], th a[href]", "(links) => links.map((link) => link.getAttribute('href'))"
    )
    names = {unquote(link.removeprefix(root)) for link in links if link.startswith(root)}
    assert {"index.html", "SHA256SUMS"} < names
    for name in names | {"manifest.json", "manifest.json.sig"}:
        answer = page.request.get(f"{scene.url}{root}{name}")
        assert answer.ok, name
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(answer.body())
    done = scene.command("verify", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "release_notes.md").write_text("another text", "utf-8")
    done = scene.command("verify", str(tmp_path))
    assert done.returncode != 0
    assert "release_notes.md" in done.stdout + done.stderr


def test_an_operator_asks_what_a_facility_would_change(logged_in: SHOW, scene: Scene, seen: Seen):
    page = logged_in("operator")
    page.goto(f"{scene.citycheck}/what-if/{scene.before}")
    page.wait_for_selector("html[data-map=drawn]", state="attached")
    page.locator("path.community").first.click()
    clicked = page.locator("#lon").input_value()
    page.locator("#community").select_option(index=2)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#lon").input_value() not in ("", clicked)
    page.locator("#kind").select_option("F07")
    assert page.locator("#area").input_value() == "350", "the least that counts"
    page.get_by_role("button", name="Add to the list").click()
    page.get_by_role("button", name="What would change?").click()
    expect(page.locator("#command")).to_contain_text(f"citycheck simulate {scene.before} --add F07@")
    expect(page.locator("#summary")).to_contain_text("areas would be another")
    page.locator("#lon").fill("28.9")
    page.get_by_role("button", name="Add to the list").click()
    page.get_by_role("button", name="What would change?").click()
    expect(page.get_by_role("alert")).to_contain_text("lies outside the city")
    seen.complaints.clear()  # a browser complains of every 400


def test_an_operator_sets_a_field_of_a_project_and_a_viewer_sees_it(logged_in: SHOW, scene: Scene):
    page = logged_in("operator")
    page.goto(f"{scene.citycheck}/projects?status=proposed")
    page.locator("tbody th a[href*='/projects/3']").first.click()
    address = page.url
    page.get_by_label("For the department").fill("市民政局")
    page.get_by_label("Evidence").first.fill(REASON)
    page.get_by_role("button", name="Store: 依据").click()
    expect(page.get_by_role("status")).to_contain_text("Stored")
    assert page.evaluate("window.pwned") is None
    seen = logged_in("viewer")
    seen.goto(address)
    expect(seen.get_by_text(REASON).first).to_be_visible()
    assert seen.locator("form").count() == 0
