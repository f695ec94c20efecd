"""The small city of the steps' tests, for what an ingest leaves behind."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "small_project", Path(__file__).parents[1] / "steps" / "conftest.py"
)
assert _spec and _spec.loader
_small_project = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_small_project)

PROFILE = _small_project.PROFILE
project = _small_project.project
