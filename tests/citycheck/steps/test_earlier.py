"""What of the standard is counting and what is scoring, and which earlier releases can be compared."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citycheck.cities.profile import load_city
from citycheck.errors import BadInput
from citycheck.release.checksums import write_sums
from citycheck.release.publish import publish
from citycheck.settings import CityHome, settings
from citycheck.steps import earlier

Edit = Callable[[dict[str, str]], dict[str, str]]


def edited(folder: Path, name: str, edit: Edit) -> dict[str, str]:
    """Fingerprints of the standard with one seed edited."""
    shutil.copytree(settings().dbt_project / "seeds", folder)
    path = folder / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [edit(row) for row in csv.DictReader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return earlier.standard_fingerprints(folder)


def parameter(name: str) -> Edit:
    return lambda row: row | ({"value": "0.123"} if row["parameter"] == name else {})


@pytest.mark.parametrize(
    ("seed", "edit", "parts"),
    [
        ("indicators", lambda row: row | {"goalpost_high": "77"}, {"scoring"}),
        ("indicators", lambda row: row | {"weight": "0.5"}, {"scoring"}),
        ("indicators", lambda row: row | {"name_zh": "别名", "formula_en": "other words"}, set()),
        ("indicators", lambda row: row | {"target_group": "hh"}, {"definition"}),
        ("indicators", lambda row: row | {"indicator_code": row["indicator_code"] + "x"}, {"scoring", "definition"}),
        ("dimensions", lambda row: row | {"weight_pct": "12.5"}, {"scoring"}),
        ("index_levels", lambda row: row | {"mean": "geometric"}, {"scoring"}),
        ("facility_kinds", lambda row: row | {"radius_m": "400"}, {"definition"}),
        ("facility_kinds", lambda row: row | {"min_floor_area_m2": "1"}, {"definition"}),
        ("indicator_kinds", lambda row: row | {"role": "alternative"}, {"definition"}),
        ("scoring", parameter("geometric_floor"), {"scoring"}),
        ("scoring", parameter("population_n_min"), {"definition"}),
        ("scoring", parameter("project_reports_per_1000"), set()),
        ("renewal_rules", lambda row: row | {"needs_land": "true"}, set()),
        ("sources", lambda row: row | {"title": "another title"}, set()),
    ],
)  # fmt: skip
def test_what_changed_is_told(tmp_path: Path, seed: str, edit: Edit, parts: set[str]) -> None:
    now, then = earlier.standard_fingerprints(), edited(tmp_path / "seeds", seed, edit)
    assert {part for part in now if now[part] != then[part]} == parts


@pytest.fixture
def home(tmp_path: Path) -> CityHome:
    return CityHome(tmp_path / "quzhou_sample")


def released(home: CityHome, half_year: str, standard: dict[str, str] | None, lacks: str = "") -> None:
    """Publish tables without rows, with every column that a comparison reads but one."""
    staged = home.work / half_year
    for name, columns in earlier.COLUMNS.items():
        path = staged / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({column: [] for column in columns.split() if column != lacks}), path)
    provenance = {"standard_version": "0.1.0", "inputs": []} | (
        {"standard_sha256": standard} if standard is not None else {}
    )
    (staged / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    write_sums(staged)
    publish(staged, home.releases, half_year)


def described(home: CityHome) -> dict[str, dict[str, object]]:
    return {
        entry["half_year"]: entry for entry in earlier.describe(load_city("quzhou_sample"), home, "2026H1")
    }


def test_earlier_releases_are_compared_as_far_as_they_can_be(home: CityHome) -> None:
    now = earlier.standard_fingerprints()
    released(home, "2024H1", None)
    released(home, "2024H2", now, lacks="valid_to")
    released(home, "2025H1", now | {"definition": "another"})
    released(home, "2025H2", now | {"scoring": "another"})
    released(home, "2026H2", now)
    reasons = {half_year: entry["reason"] for half_year, entry in described(home).items()}
    assert reasons == {
        "2024H1": "columns_missing",
        "2024H2": "columns_missing",
        "2025H1": "inputs_missing",
        "2025H2": "",
    }
    needing = [release.half_year for release in earlier.earlier_releases(home, "2026H1")
               if earlier.needs_recompute(home, release)]  # fmt: skip
    assert needing == ["2025H1"]


def test_what_was_counted_again_is_named_by_its_hash(home: CityHome) -> None:
    now = earlier.standard_fingerprints()
    released(home, "2025H1", now | {"definition": "another"})
    [release] = earlier.earlier_releases(home, "2026H1")
    path = earlier.recomputed_path(home, release, now["definition"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"ratios")
    entry = described(home)["2025H1"]
    assert (entry["reason"], entry["is_recomputed"]) == ("", True)
    assert entry["ratios_sha256"] == earlier.sha256(path)
    [passed] = earlier.dbt_releases(home, [entry])
    assert passed["ratios"] == str(path)
    assert passed["period_end"] == "2025-06-30 16:00:00"
    assert not earlier.needs_recompute(home, release)


def test_nothing_is_compared_with_a_release_that_was_touched(home: CityHome) -> None:
    released(home, "2025H1", earlier.standard_fingerprints())
    path = home.releases / "2025H1" / "1" / "provenance.json"
    path.chmod(0o644)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="is not what was published"):
        described(home)
