"""The state of repair reports as of a cut-off is a function of what was delivered: order and batching do not matter."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_city import CUT_OFF, PERIOD_START, Build, lake_schemas

from citycheck.lake import deliveries

SCHEMA = lake_schemas()["repair_reports"]
REPORTED = PERIOD_START + timedelta(days=10)
MOMENTS = [REPORTED + timedelta(days=day) for day in (0, 1, 30, 60)] + [
    CUT_OFF,
    CUT_OFF + timedelta(seconds=1),
]
NUMBERS = itertools.count()
LIFE = st.sampled_from(["open", "closed", "rejected", "deleted"])
VERSION = st.tuples(
    st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(MOMENTS), LIFE, st.sampled_from([None, *MOMENTS])
)


def row(report: str, version_at: datetime, status: str, closed_at: datetime | None) -> dict[str, Any]:
    closed = closed_at if status == "closed" else None
    return {
        "report_id": report,
        "version_at": version_at,
        "reported_at": REPORTED,
        "closed_at": closed,
        "category_code": "road",
        "status": status,
        "rating": 4 if closed else None,
        "source_file": "reports/a.csv",
        "source_row": 1,
    }


@pytest.fixture(scope="module")
def model(build: Build) -> tuple[str, str]:
    """The model as dbt compiled it, and the path of the lake's file in it."""
    [compiled] = (build.target / "compiled").glob("*/models/staging/stg_repair_reports.sql")
    path = next(build.target.parent.glob("lake/repair_reports.parquet"))
    return compiled.read_text(encoding="utf-8"), f"'{path}'"


@pytest.fixture(scope="module")
def connection(build: Build):
    from citycheck import duck

    with duck.connect() as opened:
        yield opened


def state(
    connection: duckdb.DuckDBPyConnection, model: tuple[str, str], files: list[Path]
) -> list[tuple[Any, ...]]:
    sql, path = model
    listed = ", ".join(f"'{file}'" for file in files)
    columns = "report_id, version_at, status, closed_at, rating"
    return connection.execute(f"select {columns} from ({sql.replace(path, listed)}) order by 1").fetchall()


def expected(batches: list[list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """The same by hand: of each report the last version written up to the cut-off, the last received of one moment."""
    known: dict[str, tuple[datetime, int, dict[str, Any]]] = {}
    for order, versions in enumerate(batches):
        for version in versions:
            made = row(*version)
            place = made["version_at"], order, made
            if made["version_at"] <= CUT_OFF and place[:2] >= known.get(version[0], (datetime.min, -1))[:2]:
                known[version[0]] = place
    found = []
    for report, (_, _, made) in sorted(known.items()):
        is_later = made["closed_at"] is not None and made["closed_at"] > CUT_OFF
        status = "open" if is_later else made["status"]
        if status != "deleted":
            closed, rating = (None, None) if is_later else (made["closed_at"], made["rating"])
            found.append((report, made["version_at"], status, closed, rating))
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(VERSION, min_size=1, max_size=4, unique_by=lambda v: v[:2]), min_size=1, max_size=4
    ),
    random=st.randoms(use_true_random=False),
)
def test_any_permutation_and_repetition_of_deliveries_gives_the_same_state(
    connection, model, tmp_path, batches, random
):
    entries = []
    for number, versions in enumerate(batches):
        file = (
            tmp_path / f"{next(NUMBERS)}.parquet"
        )  # a name of its own: DuckDB remembers files that it has read
        pq.write_table(pa.Table.from_pylist([row(*v) for v in versions], schema=SCHEMA), file)
        listed = [{"source": "s", "path": f"{number}", "sha256": "x"}]
        entries.append({"delivery": file.stem, "received": f"2026-07-{number + 1:02d}", "files": listed})
    handled = entries + random.sample(entries, len(entries) // 2)
    random.shuffle(handled)
    counted = [tmp_path / f"{e['delivery']}.parquet" for e in deliveries.counting(handled, adds_up=True)]
    assert state(connection, model, counted) == expected(batches)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    versions=st.lists(VERSION, min_size=1, max_size=8, unique_by=lambda v: v[:2]),
    cuts=st.lists(st.integers(0, 8), max_size=3),
)
def test_any_batching_of_the_same_versions_gives_the_same_state(connection, model, tmp_path, versions, cuts):
    edges = sorted({0, len(versions), *(cut for cut in cuts if cut < len(versions))})
    files = []
    for start, end in itertools.pairwise(edges):
        files.append(tmp_path / f"{next(NUMBERS)}.parquet")
        pq.write_table(pa.Table.from_pylist([row(*v) for v in versions[start:end]], schema=SCHEMA), files[-1])
    assert state(connection, model, files) == expected([versions])
