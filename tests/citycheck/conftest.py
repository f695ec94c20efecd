"""A finished build for the tests of the release and of its page."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest


def _load(path: Path):
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


finished_build = _load(Path(__file__).parent / "release" / "finished_build.py")


def _copied(build, folder: Path):
    shutil.copytree(build.database.parent, folder)
    provenance = dict(build.provenance)
    return replace(
        build, database=folder / "build.duckdb", manifest=folder / "manifest.json", provenance=provenance
    )


@pytest.fixture(scope="session")
def _full_build(tmp_path_factory):
    return finished_build.build(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def _build_without_survey(tmp_path_factory):
    return finished_build.build(tmp_path_factory.mktemp("without_survey"), has_survey=False)


@pytest.fixture
def full_build(_full_build, tmp_path):
    """A finished build of a city with everything; a test may spoil it."""
    return _copied(_full_build, tmp_path / "build")


@pytest.fixture
def build_without_survey(_build_without_survey, tmp_path):
    """A finished build of a city without survey and with few kinds: no index; a test may spoil it."""
    return _copied(_build_without_survey, tmp_path / "build")


@pytest.fixture(scope="session")
def bundle_folder(_full_build, tmp_path_factory):
    """The first version of the finished build, staged; only to be read."""
    from citycheck.release.bundle import stage

    folder = tmp_path_factory.mktemp("release") / "1"
    return stage(_full_build.database, _full_build.manifest, folder, _full_build.provenance)


@pytest.fixture
def corrected(full_build):
    """The provenance of a second version, which puts an error right."""
    return finished_build.corrected(full_build.provenance)
