"""Airflow's own api application over a small database, with this project's plugins folder and a made-up city home."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from fastapi.testclient import TestClient

from citycheck.lake import store
from citycheck.lake.tables import tables
from citycheck.release.bundle import stage
from citycheck.release.checksums import SHA256SUMS, sha256, write_sums
from citycheck.release.manifest import seal, sign_notice
from citycheck.release.publication import Decision, Publication
from citycheck.release.publish import publish, withdraw
from citycheck.release.signing import SigningKey
from citycheck.settings import CityHome, settings
from citycheck.steps.index import Build
from citycheck.web import board

PASSWORDS = {name: f"of-the-test-{name}" for name in ("admin", "viewer", "operator", "approver")}


@pytest.fixture(scope="session")
def airflow_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application of the api-server as Airflow makes it: its login, its middlewares, our plugin found by itself."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "passwords.json").write_text(json.dumps(PASSWORDS))
    environment = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings().project / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer,operator:op,approver:user",
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
    return _logged_in(airflow_app, "viewer")


@pytest.fixture
def operator(airflow_app: FastAPI) -> TestClient:
    """A browser in which a user has logged in who may answer for the index."""
    return _logged_in(airflow_app, "operator")


@pytest.fixture
def approver(airflow_app: FastAPI) -> TestClient:
    """A browser in which somebody has logged in who may answer required actions, and no more than that."""
    return _logged_in(airflow_app, "approver")


@pytest.fixture
def admin(airflow_app: FastAPI) -> TestClient:
    return _logged_in(airflow_app, "admin")


def _logged_in(airflow_app: FastAPI, name: str) -> TestClient:
    client = TestClient(airflow_app, raise_server_exceptions=False)
    login = client.post("/auth/token", json={"username": name, "password": PASSWORDS[name]})
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
            "name": "areas",
            "description": "Areas <b>of</b> a city.",
            "original_file_path": "models/marts/areas.sql",
            "raw_code": "select 1 -- <script>alert(2)</script>",
            "columns": {
                "area_id": {
                    "data_type": "varchar",
                    "description": HOSTILE,
                    "constraints": [{"type": "not_null"}],
                }
            },
        },
        "model.citycheck.county_index": {
            "name": "county_index",
            "original_file_path": "models/marts/county_index.sql",
        },
        "test.citycheck.not_null_areas_area_id.0123456789": {
            "attached_node": "model.citycheck.areas",
            "column_name": "area_id",
            "original_file_path": "models/areas.yml",
            "test_metadata": {"name": "unique", "kwargs": {"column_name": "area_id"}},
        },
    },
    "exposures": {"exposure.citycheck.desk": {"name": "desk", "description": HOSTILE}},
    "child_map": {
        "model.citycheck.areas": [
            "model.citycheck.county_index",
            "exposure.citycheck.desk",
            "test.citycheck.not_null_areas_area_id.0123456789",
        ]
    },
    "parent_map": {
        "model.citycheck.county_index": [
            "model.citycheck.areas",
            "model.citycheck.index_scores",
            "seed.citycheck.bands",
        ],
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


# A city with rows, a version and a candidate --------------------------------------------------------------------------

CITY, HALF_YEAR, DELIVERY = "quzhou_sample", "2026H1", "a" * 16
PERSONAL = {
    "report_id": "13800138000",
    "reporter_key": "e" * 32,
    "description": "王先生说 13900139000 没人接",
    "channel": "张伟的微信",
    "department": "secret-department",
    "stated_county_name": "secret-county",
    "asset_id": "secret-asset",
    "reopen_of": "secret-report",
    "request_type": "secret-type",
    "status": "secret-status",
    "lon": 118.876543,
    "lat": 28.987654,
}
"""What must not be seen of a report, wherever a wrong profile has put it."""


@pytest.fixture
def city(home: Path) -> CityHome:
    """A city of the project: one feed accepted with rows in quarantine, version 1 published, version 2 staged."""
    folder = settings().city_home(CITY)
    rows = [PERSONAL | {"rating": 9, "community_id": HOSTILE, "source_row": number} for number in range(30)]
    _quarantine(folder, [row | {"reason_codes": "rating_out_of_scale;unknown_community"} for row in rows])
    counts = dict(zip(board.ROWS, (100, 69, 30, 1, 0), strict=True))
    about = {"feed": "repair_reports", "half_year": HALF_YEAR, "delivery": DELIVERY}
    entry = {
        **about,
        "received": "2026-07-02T00:00:00+00:00",
        "files": [],
        "warnings": [HOSTILE],
        "ledger": [{**about, **counts, "table_name": "repair_reports", "source_file": f"{HOSTILE}.csv"}],
        "tables": {
            "repair_reports": {
                "quarantine": f"quarantine/repair_reports/{HALF_YEAR}/{DELIVERY}-0.parquet",
                "quarantined_by_reason": {"rating_out_of_scale": 30, "unknown_community": 30},
            }
        },
    }
    store.accept(folder, "repair_reports", HALF_YEAR, entry)
    _publish(folder, stage_candidate(folder, 1, "1" * 16))
    stage_candidate(folder, 2, "2" * 16)
    return folder


@pytest.fixture
def personal() -> dict[str, Any]:
    return PERSONAL


@pytest.fixture
def staging() -> Callable[..., Build]:
    """Stages another candidate."""
    return stage_candidate


def stage_candidate(home: CityHome, version: int, build_id: str, **publication: Any) -> Build:
    """A staged bundle with one table and a page, as small as it can be."""
    build = Build(home.root.name, HALF_YEAR, build_id)
    (build.staged / "page").mkdir(parents=True)
    (build.staged / "index.html").write_text("<!doctype html><title>page of the bundle</title>")
    (build.staged / "page" / "page.js").write_text("'use strict';\n")
    (build.staged / "figures.csv").write_text("area,score\n甲,60\n")
    _tell_of_projects(build.staged)
    kind = "initial" if version == 1 else "scheduled_revision"
    planned = Publication(HALF_YEAR, version, kind, "preliminary", reason_zh=HOSTILE, reason_en=HOSTILE)
    provenance = {
        "city": home.root.name,
        "build": build_id,
        "inputs": [],
        "is_synthetic": True,
        "cut_off": "2026-07-16T00:00:00+08:00",
    }
    provenance |= {"publication": planned.as_json() | publication}
    (build.staged / "provenance.json").write_text(json.dumps(provenance))
    write_sums(build.staged)
    return build


PROJECTS = [
    {
        "project_id": "C1-F08-2026H1", "candidate_id": "C1-F08", "status_code": "annual", "pool_code": "annual_list",
        "community_id": "C1", "community_name": "新桥社区", "county_id": "K1", "county_name": "甲县", "kind_code": "F08",
        "project_name_zh": HOSTILE, "priority_score": 60.0, "priority_uncovered": 40.0, "priority_need": 20.0,
        "cost_cny": 500000.0, "department": "民政局", "planned_end_on": date(2026, 8, 31), "refresh_code": "still_open",
        "site_lon": 118.87, "site_lat": 28.94, "reports": 3,
    },
    {
        "project_id": "C2-F17-2026H1", "candidate_id": "C2-F17", "status_code": "proposed", "pool_code": "midterm_reserve",
        "community_id": "C2", "county_id": "K2", "county_name": "乙县", "kind_code": "F17", "priority_score": 70.0,
        "refresh_code": "new",
    },
    {
        "project_id": "C3-F01-2025H1", "candidate_id": "C3-F01", "status_code": "evaluated", "pool_code": "annual_list",
        "community_id": "C3", "kind_code": "F01", "refresh_code": "without_effect", "delivered_on": date(2026, 5, 1),
    },
]  # fmt: skip
"""One with a hostile name, one more, and one that this release has ended."""
_TYPES = {
    "priority_score": pa.float64(), "priority_uncovered": pa.float64(), "priority_need": pa.float64(),
    "cost_cny": pa.float64(), "site_lon": pa.float64(), "site_lat": pa.float64(), "reports": pa.int64(),
    "planned_end_on": pa.date32(), "delivered_on": pa.date32(), "last_edited_at": pa.timestamp("us"),
}  # fmt: skip


def _tell_of_projects(folder: Path) -> None:
    """The tables of a release that its projects are in."""
    (folder / "tables").mkdir()
    names = sorted({name for row in PROJECTS for name in row} | {"last_edited_at"})
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])
    tables = {"projects": pa.Table.from_pylist(PROJECTS, schema=schema)}
    areas = [{"area_level": "community", "area_id": f"C{number}"} for number in (1, 2, 3)]
    tables["areas"] = pa.Table.from_pylist(areas)
    event = {
        "event_id": "x", "half_year": HALF_YEAR, "project_id": "C1-F08-2026H1", "event_code": "status",
        "field": "status_code", "from_value": "reserve", "to_value": "annual", "rule_code": HOSTILE, "department": None,
        "edited_at": None,
    }  # fmt: skip
    tables["project_log"] = pa.Table.from_pylist([event])
    evaluation = {
        "project_id": "C3-F01-2025H1", "half_year": HALF_YEAR, "baseline_half_year": "2025H2", "verdict_code": "none",
        "predicted_covered_in_community": 1234, "measured_covered_in_community": 5, "covered_difference": -1229,
        "predicted_community_points": 1.5, "measured_community_points": 0.25, "points_difference": -1.25,
    }  # fmt: skip
    tables["project_evaluations"] = pa.Table.from_pylist([evaluation])
    for name, table in tables.items():
        pq.write_table(table, folder / "tables" / f"{name}.parquet")


def _publish(home: CityHome, build: Build) -> None:
    written = json.loads((build.staged / "provenance.json").read_text())

    def sealing(folder: Path) -> None:
        seal(
            folder,
            publication=Publication.from_json(written["publication"]),
            decision=Decision(
                True, "approver", "2026-07-15T08:00:00+00:00", HOSTILE, sha256(folder / SHA256SUMS)
            ),
            published_at=datetime(2026, 7, 16, 1, 30, tzinfo=UTC),
            key=SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))),
            provenance=written,
            code={"version": "0", "commit": "abc", "sha256": "0" * 64},
        )

    publish(build.staged, home.releases, HALF_YEAR, seal=sealing)


def _quarantine(home: CityHome, rows: list[dict[str, Any]]) -> None:
    schema = tables()["repair_reports"].schema.append(pa.field("reason_codes", pa.string()))
    path = home.lake / "quarantine" / "repair_reports" / HALF_YEAR / f"{DELIVERY}-0.parquet"
    path.parent.mkdir(parents=True)
    filled = [
        {name: row.get(name, "reports.csv" if name == "source_file" else None) for name in schema.names}
        for row in rows
    ]
    pq.write_table(
        pa.Table.from_pylist(filled, pa.schema([field.with_nullable(True) for field in schema])), path
    )


# The interface for other systems --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def published_home(bundle_folder: Path, _full_build: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with releases: 2025H2 from before they were sealed, and 2026H1, whose first version was withdrawn."""
    home = tmp_path_factory.mktemp("published")
    releases = home / "miniature" / "releases"
    provenance = sys.modules["finished_build"].corrected(_full_build.provenance)
    second = stage(_full_build.database, _full_build.manifest, home / "staged", provenance)
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

    def sealing(folder: Path) -> None:
        publication = Publication.from_json(
            json.loads((folder / "provenance.json").read_text())["publication"]
        )
        decided = Decision(True, "approver", "2026-07-15T08:00:00+00:00", "", sha256(folder / "SHA256SUMS"))
        code = {"version": "0.1.0", "commit": "abc", "sha256": "1" * 64}
        when = datetime(2026, 7, 16, 1, 30, tzinfo=UTC)
        about = {"publication": publication, "decision": decided, "provenance": provenance, "code": code}
        seal(folder, published_at=when, key=key, **about)

    publish(bundle_folder, releases, "2025H2")
    first = publish(bundle_folder, releases, "2026H1", seal=sealing)
    publish(second, releases, "2026H1", seal=sealing)
    withdraw(releases, first, sign_notice({"reason_zh": "错", "reason_en": "wrong"}, first.fingerprint, key))
    return home


@pytest.fixture
def published(published_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The releases of the city of this deployment; only to be read."""
    monkeypatch.setenv("CITYCHECK_HOME", str(published_home))
    monkeypatch.setenv("CITYCHECK_CITY", "miniature")
    settings.cache_clear()
    yield published_home / "miniature" / "releases"
    settings.cache_clear()


@pytest.fixture
def asking(published: Path) -> Iterator[TestClient]:
    """Asks the interface as somebody whom Airflow lets in."""
    from citycheck.web.api import api
    from citycheck.web.api.app import may_see

    api.dependency_overrides[may_see] = lambda: None
    yield TestClient(api, root_path="/citycheck/api/v1", raise_server_exceptions=False)
    api.dependency_overrides.clear()
