"""Two consecutive deliveries of the synthetic city, written once a session."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from citycheck.period import HalfYear
from citycheck.sample import generate

Rows = list[dict[str, str]]
STAYS = ("duplicate", "repaired", "disconnected", "not_snapped")
"""Reasons that cost no row: what is repaired, and what only the build can see."""
ENCODINGS = {"survey_paper.csv": "gb18030"}


def read_rows(path: Path) -> Rows:
    with path.open(encoding=ENCODINGS.get(path.name, "utf-8"), newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("sample") / "2026H1", HalfYear(2026, 1))


@pytest.fixture(scope="session")
def next_delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("sample") / "2026H2", HalfYear(2026, 2))


@pytest.fixture(scope="session")
def planted(delivery: Path) -> Rows:
    return read_rows(delivery / "planted_defects.csv")


@pytest.fixture(scope="session")
def features(delivery: Path) -> list[dict[str, Any]]:
    return json.loads((delivery / "communities" / "units.geojson").read_text(encoding="utf-8"))["features"]


@pytest.fixture(scope="session")
def rows(delivery: Path) -> Callable[[str], Rows]:
    """All rows of a file, or of all files of a pattern; read once."""
    read: dict[str, Rows] = {}

    def of(pattern: str) -> Rows:
        if pattern not in read:
            read[pattern] = [row for path in sorted(delivery.glob(pattern)) for row in read_rows(path)]
        return read[pattern]

    return of


@pytest.fixture(scope="session")
def clean(rows: Callable[[str], Rows], planted: Rows) -> Callable[[str, str], Rows]:
    """The rows of a file, less those that are planted wrong, and one of each pair of twins."""

    def of(pattern: str, key: str) -> Rows:
        bad = {defect["key"] for defect in planted if defect["reason_code"] not in STAYS}
        kept, seen = [], set()
        for row in rows(pattern):
            twin = tuple(row.values())
            if row[key] and row[key] not in bad and twin not in seen:
                kept.append(row)
            seen.add(twin)
        return kept

    return of
