"""Airflow's own api application over a small database, with this project's plugins folder and a made-up city home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from citycheck.settings import settings
from citycheck.steps.index import Build

PASSWORDS = {"admin": "of-the-test-admin", "viewer": "of-the-test-viewer"}


@pytest.fixture(scope="session")
def airflow_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application of the api-server as Airflow makes it: its login, its middlewares, our plugin found by itself."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "passwords.json").write_text(json.dumps(PASSWORDS))
    environment = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings().project / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
        "AIRFLOW__API__SECRET_KEY": "1" * 64,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        from airflow import plugins_manager
        from airflow import settings as airflow
        from airflow.api_fastapi import app as api
        from airflow.models import import_all_models
        from airflow.models.base import Base

        caches = (
            plugins_manager._get_plugins,
            plugins_manager._get_ui_plugins,
            plugins_manager.get_fastapi_plugins,
        )

        def begin_anew() -> None:
            """Read the environment again: another test of this process may have imported Airflow before."""
            airflow.dispose_orm(do_log=False)
            airflow.configure_vars()
            airflow.configure_orm()
            api.purge_cached_app()
            for cache in caches:
                cache.cache_clear()

        begin_anew()
        import_all_models()
        Base.metadata.create_all(airflow.engine)
        yield api.create_app(apps="core")
        patch.undo()
        begin_anew()


@pytest.fixture
def anonymous(airflow_app: FastAPI) -> TestClient:
    return TestClient(airflow_app, raise_server_exceptions=False)


@pytest.fixture
def viewer(airflow_app: FastAPI) -> TestClient:
    """A browser in which the user of least rights has logged in: the cookie is all it has."""
    client = TestClient(airflow_app, raise_server_exceptions=False)
    login = client.post("/auth/token", json={"username": "viewer", "password": PASSWORDS["viewer"]})
    client.cookies = {"_token": login.raise_for_status().json()["access_token"]}
    return client


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty CITYCHECK_HOME."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path / "var"))
    settings.cache_clear()
    yield tmp_path / "var"
    settings.cache_clear()


HOSTILE = '<script>alert(1)</script> & "quoted"'
NODES = [
    ("model.citycheck.areas", "success", 1.25, "OK"),
    ("model.citycheck.communities", "error", 0.5, HOSTILE),
    ("model.citycheck.county_index", "skipped", 0.0, None),
    ("seed.citycheck.bands", "success", 0.1, "INSERT 5"),
    ("test.citycheck.not_null_areas_area_id.0123456789", "pass", 0.2, None),
    ("test.citycheck.areas_add_up", "warn", 0.3, "Got 2 results, configured to warn if != 0"),
]
MANIFEST = {
    "nodes": {
        "model.citycheck.areas": {
            "description": "Areas <b>of</b> a city.",
            "original_file_path": "models/areas.sql",
        },
        "test.citycheck.not_null_areas_area_id.0123456789": {
            "attached_node": "model.citycheck.areas",
            "column_name": "area_id",
            "original_file_path": "models/areas.yml",
        },
    },
    "parent_map": {
        "model.citycheck.county_index": ["model.citycheck.index_scores", "seed.citycheck.bands"],
        "model.citycheck.index_scores": ["model.citycheck.communities"],
        "model.citycheck.communities": ["model.citycheck.county_index"],  # no real graph has a circle
        "test.citycheck.areas_add_up": ["model.citycheck.index_scores"],
    },
}


@pytest.fixture
def build(home: Path) -> Build:
    """A build as dbt leaves it: one of each outcome, and a message that would run if it were not escaped."""
    made = Build("small_city", "2026H1", "0123456789abcdef")
    made.dbt_target.mkdir(parents=True)
    results = [
        {"unique_id": node, "status": status, "execution_time": seconds, "message": message}
        for node, status, seconds, message in NODES
    ]
    written = {"metadata": {"generated_at": "2026-07-20T01:02:03.456789Z"}, "results": results}
    (made.dbt_target / "marts_results.json").write_text(json.dumps(written))
    (made.dbt_target / "manifest.json").write_text(json.dumps(MANIFEST))
    return made
