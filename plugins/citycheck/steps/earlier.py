"""What earlier releases are worth beside a new one: which of them compare, and by which table of indicators."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from citycheck import standard
from citycheck.cities.profile import City
from citycheck.errors import BadInput
from citycheck.lake.files import read_json
from citycheck.lake.store import sha256
from citycheck.period import HalfYear, utc_naive
from citycheck.release import publish as releases
from citycheck.release.manifest import WITHDRAWN
from citycheck.settings import CityHome, settings

COLUMNS = {
    "tables/indicators": (
        "area_level area_id indicator_code dimension_code value weight score numerator denominator"
    ),
    "tables/dimension_scores": "area_level area_id dimension_code weight_pct score",
    "tables/index_scores": "area_level area_id index_score",
    "tables/facilities": "facility_id kind_code subtype lon lat x_m y_m floor_area_m2 land_area_m2 capacity "
    "operating_status facility_status valid_from valid_to",
    "geometry/communities": "community_id street_id county_id geometry",
}
"""What int_earlier_* read of a release (dbt_project/models/intermediate/change)."""

_SCORING = {
    "index_levels": None,
    "dimensions": {"dimension_code", "weight_pct"},
    "indicators": {
        "indicator_code", "dimension_code", "multiplier", "direction", "goalpost_low", "goalpost_high", "target", "weight",
        "normalisation", "outliers",
    },
}  # fmt: skip
"""Seeds, and their columns, that turn ratios into scores: an earlier half-year is scored again without being built."""
_SCORING_PARAMETERS = {"unit_min_weight_available", "geometric_floor"}
_WORDS = {
    "bands", "benchmarks", "change_causes", "change_reasons", "conf_statuses", "conflicts", "facility_standards",
    "missing_reasons", "need_categories", "need_kinds", "needs", "obs_statuses", "release_drift_limits", "release_stages",
    "sources", "spatial_checks", "standard_versions", "survey_modules", "tiers", "uncertainty",
}  # fmt: skip
"""Seeds that no ratio and no score hangs on, besides those of projects."""
_OF_PROJECTS = ("renewal_", "project_")
"""How seeds and parameters begin that only projects hang on."""
_NO_NUMBERS = ("_zh", "_en", "_status", "_source", "status", "source_id", "note")


def standard_fingerprints(seeds: Path | None = None) -> dict[str, str]:
    """SHA-256 of what the standard counts (`definition`) and of how it scores that (`scoring`); words enter neither.

    A seed or column that nobody has called scoring or words is definition: then an earlier half-year is built again, which
    is slow and right.
    """
    parts: dict[str, list[Any]] = {"definition": [], "scoring": []}
    for path in sorted((seeds or settings().dbt_project / "seeds").glob("*.csv")):
        if path.stem in _WORDS or path.stem.startswith(_OF_PROJECTS):
            continue
        for row in standard.seed(path.stem, path.parent):
            numbers = {column: text for column, text in row.items() if not column.endswith(_NO_NUMBERS)}
            if path.stem == "scoring":
                if row["parameter"].startswith(_OF_PROJECTS):
                    continue
                part = "scoring" if row["parameter"] in _SCORING_PARAMETERS else "definition"
                parts[part].append([path.stem, row["parameter"], row["value"]])
                continue
            asked = _SCORING.get(path.stem, set())
            scoring = {column: text for column, text in numbers.items() if asked is None or column in asked}
            definition = {column: text for column, text in numbers.items() if column not in scoring}
            parts["scoring"] += [[path.stem, scoring]] if scoring else []
            # an indicator that is added is one more to count
            definition |= {column: row[column] for column in ("indicator_code",) if path.stem == "indicators"}
            parts["definition"] += [[path.stem, definition]] if definition else []
    return {
        part: hashlib.sha256(json.dumps(rows, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
        for part, rows in parts.items()
    }


def recomputed_path(home: CityHome, release: releases.Release, definition: str) -> Path:
    """Where the indicators of a release lie, counted again by another definition of the standard."""
    key = hashlib.sha256(f"{release.fingerprint} {definition}".encode()).hexdigest()[:16]
    return home.root / "recomputed" / release.half_year / f"{key}.parquet"


def provenance_of(release: releases.Release) -> dict[str, Any]:
    """What a release says it was made from. Raises `BadInput` when it says nothing."""
    written: dict[str, Any] = read_json(release.path / "provenance.json", "Restore this version from a copy.")
    return written


def stage_of(release: releases.Release) -> str:
    """The stage of a version; one from before there were stages has the cut-off of the first."""
    return str(provenance_of(release).get("stage", standard.stages()[0]))


def notice_of(release: releases.Release) -> dict[str, Any]:
    """Why a withdrawn version does not stand, and whose error it was."""
    notice: dict[str, Any] = read_json(release.path / WITHDRAWN, "Restore this version from a copy.")
    return notice


def earlier_releases(home: CityHome, half_year: str) -> list[releases.Release]:
    """The current release of every half-year before this one, oldest first."""
    names = releases.half_years(home.releases)
    found = (releases.current(home.releases, name) for name in names if name < half_year)
    return [release for release in found if release is not None]


def published(home: CityHome, recorded: Mapping[str, Any]) -> releases.Release:
    """The published version that a provenance names. Raises `BadInput` when it is gone or no longer what it was."""
    half_year, version = recorded["half_year"], recorded["version"]
    found = {release.version: release for release in releases.versions(home.releases, half_year)}
    release = found.get(version)
    if release is None or release.fingerprint != recorded["fingerprint"]:
        raise BadInput(
            f"{home.releases / half_year / str(version)}: is not the version {version} of {half_year} that is named "
            f"({recorded['fingerprint'][:12]}…). Restore it from a copy."
        )
    if problems := releases.verify(release.path):
        raise BadInput(
            f"{release.path}: is not what was published ({problems[0]}). Restore this version from a copy."
        )
    return release


def announced_rows(home: CityHome) -> list[dict[str, str]]:
    """The changes of the calendar as published versions have recorded them: the longest list is the last."""
    recorded = [
        provenance_of(release).get("calendar", [])
        for half_year in releases.half_years(home.releases)
        for release in releases.versions(home.releases, half_year)
    ]
    return max(recorded, key=len, default=[])


def needs_recompute(home: CityHome, release: releases.Release) -> bool:
    """Whether a release can be compared only after its indicators are counted again by today's definitions."""
    definition = standard_fingerprints()["definition"]
    return (
        _lacking(release) == ""
        and provenance_of(release)["standard_sha256"]["definition"] != definition
        and not recomputed_path(home, release, definition).is_file()
    )


def describe(about: City, home: CityHome, half_year: str) -> list[dict[str, Any]]:
    """Every earlier release as the provenance of a new one names it: the file it is compared by, or the reason why not.

    Raises `BadInput` when a release is no longer what was published.
    """
    return [_described(about, home, release) for release in earlier_releases(home, half_year)]


def _described(about: City, home: CityHome, release: releases.Release) -> dict[str, Any]:
    if problems := releases.verify(release.path):
        raise BadInput(
            f"{release.path}: is not what was published ({problems[0]}); nothing is compared with it. "
            "Restore this version from a copy."
        )
    provenance = provenance_of(release)
    definition = standard_fingerprints()["definition"]
    period_end = HalfYear.parse(release.half_year).end(about.profile.zone)
    entry = {
        "half_year": release.half_year,
        "version": release.version,
        "fingerprint": release.fingerprint,
        "standard_version": provenance["standard_version"],
        "period_end": utc_naive(period_end).isoformat(sep=" "),
        "ratios": "tables/indicators.parquet",
        "is_recomputed": False,
        "reason": _lacking(release),
    }
    if not entry["reason"] and provenance["standard_sha256"]["definition"] != definition:
        path = recomputed_path(home, release, definition)
        if path.is_file():
            ratios = {"ratios": str(path.relative_to(home.root)), "ratios_sha256": sha256(path)}
            entry |= {"is_recomputed": True, **ratios}
        else:
            entry["reason"] = "inputs_missing"
    return entry


def dbt_releases(home: CityHome, described: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The same as the dbt variable `releases` (macros/earlier_releases.sql): texts, and files where they lie now."""
    return [
        {
            "half_year": entry["half_year"],
            "version": str(entry["version"]),
            "standard_version": entry["standard_version"],
            "period_end": entry["period_end"],
            "folder": str(folder := home.releases / entry["half_year"] / str(entry["version"])),
            "ratios": str((home.root if entry["is_recomputed"] else folder) / entry["ratios"]),
            "is_recomputed": str(entry["is_recomputed"]).lower(),
            "reason": entry["reason"],
        }
        for entry in described
    ]


def _lacking(release: releases.Release) -> str:
    """`columns_missing` for a release that was published before it held what a comparison needs, else nothing."""
    if "standard_sha256" not in provenance_of(release):
        return "columns_missing"
    for name, columns in COLUMNS.items():
        path = release.path / f"{name}.parquet"
        if not path.is_file() or not set(columns.split()) <= set(pq.read_schema(path).names):
            return "columns_missing"
    return ""
