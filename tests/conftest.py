"""What holds for all tests: nothing of the caller's shell gets in, nothing is written outside a temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from citycheck.local_airflow import TELEMETRY_OFF

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"

collect_ignore = ["browser"]  # they have an environment of their own: `make test-browser`

# Set before any test imports Airflow or Great Expectations, which read them once.
_HOME = tempfile.mkdtemp(prefix="citycheck-tests-")
for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "CITYCHECK_"))]:
    if _name != "CITYCHECK_REQUIRE_SHARED":
        del os.environ[_name]
os.environ |= TELEMETRY_OFF | {
    "AIRFLOW_HOME": f"{_HOME}/airflow",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "CITYCHECK_HOME": f"{_HOME}/var",
}


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test for which dbt builds a city, or a feed is mapped or gated, is slow: marked here, so that none is forgotten."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        builds = "dbt_project" in item.path.parts and {"build", "dbt"} & asked
        if "dbt_project" in item.path.parts:
            item.add_marker(pytest.mark.dbt)
        if builds or {"project", "town", "desk", "gate", "mapped"} & asked:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project. Its absence skips a test, or fails it if the data must be there."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    reason = "../shared is absent"
    if os.environ.get("CITYCHECK_REQUIRE_SHARED"):
        pytest.fail(f"{reason}, and CITYCHECK_REQUIRE_SHARED says that it must not be.")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chicago_hardship(shared_data: Path) -> Path:
    """The Chicago hardship index, 2010 to 2014: six indicators and the published score of 77 community areas."""
    [path] = (shared_data / "chicago-hardship").glob("*.csv")
    return path
