"""The interface for other systems behind Airflow's own login: no route of it without."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

ROOT = "/citycheck/api/v1"
PARTS = {
    "{collection}": "counties",
    "{feature_id:path}": "C1",
    "{half_year}": "2026H1",
    "{version}": "2",
    "{table}": "areas",
    "{path:path}": "manifest.json",
}


@pytest.fixture
def addresses(published: Path) -> list[str]:
    """An address of every route that the application has."""
    from citycheck.web.api import api

    found = []
    for route in api.routes:
        path: str = route.path  # type: ignore[attr-defined]
        for part, value in PARTS.items():
            path = path.replace(part, value)
        assert "{" not in path
        found.append(ROOT + path)
    assert len(found) == 13
    return found


def token(client: TestClient, viewer: TestClient) -> dict[str, str]:
    """The viewer's token, sent as a machine does; the client has no cookie."""
    assert not client.cookies
    return {"Authorization": f"Bearer {dict(viewer.cookies)['_token']}"}


def test_nobody_gets_in_without_logging_in(anonymous: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        answer = anonymous.get(address)
        assert answer.status_code == 401, address
        assert answer.headers["content-type"] == "application/problem+json" and "2026H1" not in answer.text
        assert answer.headers["www-authenticate"] == "Bearer"
        assert anonymous.head(address).status_code == 401


def test_a_wrong_parameter_is_not_told_to_a_stranger(anonymous: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        assert anonymous.get(f"{address}?limit=0&nothing=1").status_code == 401


def test_a_forged_token_gets_nobody_in(anonymous: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        answer = anonymous.get(address, headers={"Authorization": "Bearer e30.e30.forged"})
        assert answer.status_code in (401, 403) and "2026H1" not in answer.text


def test_a_session_gets_a_viewer_in(viewer: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        answer = viewer.get(address)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_token_gets_a_machine_in(anonymous: TestClient, viewer: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        assert anonymous.get(address, headers=token(anonymous, viewer)).status_code == 200


def test_a_token_that_was_withdrawn_gets_nobody_in(anonymous: TestClient, addresses: list[str]) -> None:
    login = anonymous.post("/auth/token", json={"username": "viewer", "password": "of-the-test-viewer"})
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    anonymous.cookies.clear()
    assert anonymous.get(addresses[0], headers=headers).status_code == 200
    anonymous.get("/api/v2/auth/logout", headers=headers, follow_redirects=False)
    assert anonymous.get(addresses[0], headers=headers).status_code in (401, 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(viewer: TestClient, addresses: list[str], method: str) -> None:
    for address in addresses:
        assert viewer.request(method, address).status_code == 405


def test_links_lead_where_the_client_can_follow(viewer: TestClient, addresses: list[str]) -> None:
    landing = viewer.get(f"{ROOT}/").json()
    for link in landing["links"]:
        assert link["href"].startswith(f"http://testserver{ROOT}/")
        assert viewer.get(link["href"]).status_code == 200
