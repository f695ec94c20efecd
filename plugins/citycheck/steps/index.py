"""From the inputs of a build to its marts: places → access → marts → renewal → uncertainty → gate.

`steps.release` goes on from there. One half-year at a time. Whatever is interrupted can be run again: the same build gives
the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citycheck import progress, standard
from citycheck.cities.profile import load_city
from citycheck.duck import spatial_extension_path
from citycheck.errors import CitycheckError, DiskFull, NotReady
from citycheck.lake.files import fsync_folder, read_json, telling_disk_full, write_json
from citycheck.lake.landing import exclusive
from citycheck.period import HalfYear, utc_naive
from citycheck.renewal import rerun
from citycheck.settings import settings
from citycheck.steps import access, earlier, renewal, statistics, uncertainty
from citycheck.steps.inputs import Build, Request, begin, freeze, frozen, is_over, is_released, moments

__all__ = [
    "Build", "BuildFailed", "Request", "begin", "build_all", "build_marts", "build_places", "build_uncertainty", "freeze",
    "frozen", "gate_marts", "is_over", "is_released", "measure_access", "plan_renewal",
]  # fmt: skip

_TOO_LITTLE_BYTES = 8 << 20
"""With less space than this, dbt cannot even write its log."""


class BuildFailed(CitycheckError):
    """dbt ended with an error or a failed test."""


@progress.step("places")
def build_places(build: Build) -> list[list[str]]:
    """Build and test every model that does not hang on who reaches what; returns the counties to measure, by task.

    A county with streets is a task of its own. Straight lines take no time that would be worth one.
    Raises `BuildFailed` with the first failed node and where its log is.
    """
    with exclusive(build.work / ".lock"):
        for path in build.dbt_results:  # what an earlier try said must not speak for this one
            path.unlink()
        _run_dbt(build, "places", build.places)
        statistics.run(build.places, build.statistics, _same_half_year(build))
        access.prepare(build.places, build.access)
    counties = access.counties(build.places)
    has_network = frozen(build)["provenance"]["walking_network"]
    return [[county] for county in counties] if has_network else [counties]


def measure_access(build: Build, counties: list[str]) -> dict[str, int]:
    """Find who reaches what, county by county, by straight line and on foot; returns how many rows were written.

    Raises `NotReady` when the places are not built.
    """
    factor = frozen(build)["provenance"]["detour_factor"]
    rows: Counter[str] = Counter()
    for county in counties:
        rows.update(access.run(build.places, county, build.access, detour_factor=factor))
    return dict(rows)


@progress.step("marts")
def build_marts(build: Build) -> list[dict[str, Any]]:
    """Build and test the models that hang on who reaches what, up to the index; returns one row a node.

    Raises `NotReady` when a county is not measured, and `BuildFailed` like `build_places`.
    """
    with exclusive(build.work / ".lock"):
        access.check_complete(build.places, build.access)
        return _run_dbt(build, "marts", build.marts, begin_with=build.places)


@progress.step("renewal")
def plan_renewal(build: Build) -> dict[str, int]:
    """Site what would close the shortfalls, and tell what each would bring; returns how many rows were written.

    Raises `NotReady` when the marts are not built.
    """
    with exclusive(build.work / ".lock"):
        factor = frozen(build)["provenance"]["detour_factor"]
        return renewal.run(build.marts, build.access, build.renewal, detour_factor=factor)


@progress.step("uncertainty")
def build_uncertainty(build: Build) -> list[dict[str, Any]]:
    """Draw how far the index may be trusted, and build and test the rest of the marts; returns one row a node.

    The database appears only when all passed. Raises `NotReady` when the marts are not built, and `BuildFailed` like
    `build_places`.
    """
    with exclusive(build.work / ".lock"):
        if not build.marts.is_file():
            raise NotReady(f"{build.marts}: the marts are not built. Run the task `dbt_build` first.")
        uncertainty.run(build.marts, build.uncertainty)
        results = _run_dbt(build, "uncertainty", build.database, begin_with=build.marts)
        rerun.keep(build.dbt_target, build.database.with_name(rerun.MODELS))
        return results


def build_all(build: Build) -> None:
    """Places, access of every county, marts, renewal, uncertainty: what the tasks of the DAG do, in one process."""
    tasks = build_places(build)
    with progress.step("access", total=len(tasks)):
        for counties in tasks:
            measure_access(build, counties)
            progress.advance()
    build_marts(build)
    plan_renewal(build)
    build_uncertainty(build)


_DRAWN = ("source:uncertainty+", "source:renewal+")
_MEASURED = ("source:access+", "source:statistics+")
_SELECTED = {
    "places": ["--exclude", *_MEASURED, *_DRAWN],
    "marts": ["--select", *_MEASURED, "--exclude", *_DRAWN],
    "uncertainty": ["--select", *_DRAWN],
}
"""The parts of the project: together they are all of it, and no model or test is in two."""


def _run_dbt(build: Build, part: str, database: Path, begin_with: Path | None = None) -> list[dict[str, Any]]:
    """Build one part of the project into a file of its own, which becomes `database` when all passed."""
    named = f"{build.purpose}-{build.id}"
    unfinished = build.home.warehouse / ".building" / f"{named}-{os.getpid()}" / database.name
    for left in unfinished.parents[1].glob(f"{named}-*"):
        shutil.rmtree(left, ignore_errors=True)  # what a killed run has left
    unfinished.parent.mkdir(parents=True)
    database.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "CITYCHECK_DUCKDB": str(unfinished),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    profiles = str(settings().dbt_project)
    project = str(load_city(build.city).packs.project(build.work / "project"))
    command = [
        sys.executable, "-m", "dbt.cli.main", "build", *_SELECTED[part], "--project-dir", project, "--profiles-dir", profiles,
        "--vars", json.dumps(_dbt_vars(build)), "--target-path", str(build.dbt_target),
        "--log-path", str(build.dbt_target), "--no-use-colors", "--threads", str(settings().dbt_threads),
        "--exclude-resource-type", "unit_test",  # they prove the formulas, not the data: `make test` runs them
    ]  # fmt: skip
    said, kept = build.dbt_target / "run_results.json", build.dbt_target / f"{part}_results.json"
    said.unlink(missing_ok=True)
    kept.unlink(missing_ok=True)
    try:
        with telling_disk_full(unfinished):
            if begin_with is not None:
                shutil.copyfile(begin_with, unfinished)
            status = progress.run_dbt(command, environment)
            if said.is_file():
                os.replace(said, kept)
            results = _results(kept)
            _tell(results)
            if status != 0:
                raise _failure(build, results)
            os.replace(unfinished, database)
            fsync_folder(database.parent)
    finally:
        shutil.rmtree(unfinished.parent, ignore_errors=True)
    return results


@progress.step("gate")
def gate_marts(build: Build) -> dict[str, Any]:
    """Run the mart gate on the candidate; returns the failed checks of severity `warn`."""
    from citycheck.quality.gate import gate_marts as check

    about = load_city(build.city)
    profile = about.profile
    mapped = {table.table for feed in profile.provided_feeds for table in profile.tables_of(feed)}
    parameters = {
        "half_year": build.half_year,
        "cut_off": moments(build)["cut_off"],
        **profile.box.model_dump(),
        "projected_crs": profile.projected_crs,
        "indicator_codes": standard.codes("indicators", "indicator_code") + about.packs.codes,
        # What a city does not have need not be in its marts; that it is missing is told in data_gaps.
        "with_residents": [True] if "buildings" in mapped else [],
        "with_facilities": [True] if "facilities" in mapped else [],
        "with_access": [True] if {"buildings", "facilities"} <= mapped and profile.provided_kinds else [],
    }
    docs = build.home.data_docs if build.purpose == "index" else build.work / "data_docs"
    build.warnings.unlink(missing_ok=True)
    verdict = check(build.database, settings().expectations, parameters, build.work, docs)
    warnings = [f"{table}: {failed}" for table, failed in verdict.warnings]
    write_json(build.warnings, warnings)
    return {"warnings": warnings}


def _dbt_vars(build: Build) -> dict[str, Any]:
    made_of = frozen(build)
    provenance, publication = made_of["provenance"], made_of["publication"]
    profile = load_city(build.city).profile
    previous = provenance["previous_release"]
    before = HalfYear.parse(build.half_year).previous
    return {
        "city": build.city,
        "city_name_zh": profile.name.zh,
        "city_name_en": profile.name.en,
        "is_synthetic": profile.is_synthetic,
        "half_year": build.half_year,
        "previous_half_year": str(before),
        "previous_period_start": utc_naive(before.start(profile.zone)).isoformat(sep=" "),
        **{name: moment.isoformat(sep=" ") for name, moment in moments(build).items()},
        "projected_crs": profile.projected_crs,
        "time_zone": profile.time_zone,
        "calendar": profile.calendar,
        "provided_kinds": profile.provided_kinds,
        "survey_breaks": [one.model_dump() for one in profile.survey_breaks],
        "city_models": list(load_city(build.city).packs.models),
        "inputs": {name: ", ".join(map(_quoted, paths)) for name, paths in made_of["files"].items()},
        **{
            source: {name: _quoted(str(path)) for name, path in files.items()}
            for source, files in {
                "access": access.files(build.access),
                "statistics": statistics.files(build.statistics),
                "renewal": renewal.files(build.renewal),
                "uncertainty": uncertainty.files(build.uncertainty),
            }.items()
        },
        "walking_network": provenance["walking_network"],
        "detour_factor": provenance["detour_factor"],
        "previous_release": _folder_of(build, previous),
        "projects_before": _folder_of(build, provenance["projects_before"]),
        "year_ago_half_year": str(HalfYear.parse(build.half_year).year_before),
        "releases": earlier.dbt_releases(build.home, provenance["earlier_releases"]),
        "release_stage": publication["stage"],
        "release_kind": publication["kind"],
        "release_version": publication["version"],
        "compared_release": _folder_of(build, publication["compared_with"]),
        "vintages": _vintages(build, publication["earlier"]),
        "spatial_extension": str(spatial_extension_path()),
    }


def _folder_of(build: Build, published: Mapping[str, Any] | None) -> str:
    """Where a published version lies, or nothing."""
    return str(build.home.releases / published["half_year"] / str(published["version"])) if published else ""


def _same_half_year(build: Build) -> list[Path]:
    """The folders of the versions of this half-year that are out: what they tell and keep back is known."""
    published = frozen(build)["publication"]["earlier"]
    return [Path(_folder_of(build, one)) for one in published if one["half_year"] == build.half_year]


def _vintages(build: Build, published: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every version that is out, with the folder, kind and stage that it says of itself."""
    found = []
    for entry in published:
        folder = _folder_of(build, entry)
        publication = read_json(Path(folder) / "provenance.json", "Restore this version from a copy.").get(
            "publication", {}
        )
        found.append(
            {
                "half_year": entry["half_year"],
                "version": entry["version"],
                "folder": folder,
                "is_withdrawn": entry["is_withdrawn"],
                "kind": publication.get("kind", "initial"),
                "stage": publication.get("stage", standard.stages()[0]),
            }
        )
    return found


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _results(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [
        {
            "node": result["unique_id"],
            "status": result["status"],
            "seconds": round(result["execution_time"], 3),
            "message": result["message"],
        }
        for result in json.loads(path.read_text(encoding="utf-8"))["results"]
    ]


def _tell(results: list[dict[str, Any]]) -> None:
    """Log what dbt's own lines, one a node and each failure again at the end, do not show: totals and the slowest ten."""
    kinds = Counter((result["node"].split(".")[0], result["status"]) for result in results)
    progress.detail(
        "dbt: "
        + (
            ", ".join(f"{count} {kind} {status}" for (kind, status), count in sorted(kinds.items()))
            or "no results"
        )
    )
    for result in sorted(results, key=lambda result: (-result["seconds"], result["node"]))[:10]:
        progress.detail(f"slowest ten: {result['seconds']:8.2f} s  {result['status']:8}  {result['node']}")


def _failure(build: Build, results: list[dict[str, Any]]) -> CitycheckError:
    failed = [r for r in results if r["status"] in ("error", "fail", "runtime error")]
    told = " ".join(str(r["message"]) for r in failed)
    if "No space left" in told or shutil.disk_usage(build.home.root).free < _TOO_LITTLE_BYTES:
        return DiskFull(
            f"{build.home.root}: no space is left on the disk; nothing was changed. Free some space and clear the task."
        )
    if not failed:
        return BuildFailed(
            f"{build.half_year}: dbt did not start. Read {build.dbt_target / 'dbt.log'}, correct the project and clear the run "
            "from its task `ready`."
        )
    first = failed[0]
    told = " ".join(str(first["message"]).split())[:300]
    return BuildFailed(
        f"{build.half_year}: {len(failed)} of {len(results)} dbt nodes failed, first {first['node']} ({told}). "
        f"Read {build.dbt_target / 'dbt.log'}, correct the model or the data and clear the run from its task `ready`."
    )
