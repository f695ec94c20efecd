"""From the lake to a release: freeze the inputs → places → access → marts → uncertainty → gate → stage → publish.

One half-year at a time. A build is named by a hash of everything it is made from. Whatever is interrupted can be run
again: the same inputs give the same build, and the same build gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import FEEDS, __version__, duck, standard
from citycheck.cities import indicators
from citycheck.cities.crs import check_crs
from citycheck.cities.profile import City, load_city
from citycheck.duck import spatial_extension_path
from citycheck.errors import BadInput, CitycheckError, DiskFull, NothingToDo, NotReady
from citycheck.lake import store
from citycheck.lake.files import fsync_folder, replacing, telling_disk_full, write_json
from citycheck.lake.landing import exclusive
from citycheck.lake.tables import Table, tables
from citycheck.matching.match import FACILITY_MATCHES
from citycheck.period import HalfYear, utc_naive
from citycheck.release import publish as releases
from citycheck.settings import CityHome, settings
from citycheck.steps import access, earlier, ingest, statistics, uncertainty

_LEDGER = pa.schema(
    [(name, pa.string()) for name in ("feed", "table_name", "half_year", "delivery", "source_file")]
    + [
        (name, pa.int64())
        for name in ("rows_in", "rows_accepted", "rows_quarantined", "rows_duplicate", "rows_out_of_scope")
    ]
)
_QUARANTINE = pa.schema(
    [("feed", pa.string()), ("table_name", pa.string()), ("reason_code", pa.string()), ("rows", pa.int64())]
)

_PLACES = ("communities", "buildings", "estates", "walking_edges", "facilities")
"""The tables whose quarantined rows are told one by one: a place that is nowhere is a finding."""
_STREETS = "walking_edges"
_BEFORE = "previous_communities"
"""The input with the accepted communities of the half-year before."""
_TOO_LITTLE_BYTES = 8 << 20
"""With less space than this, dbt cannot even write its log."""


class BuildFailed(CitycheckError):
    """dbt ended with an error or a failed test."""


@dataclass(frozen=True)
class Build:
    """One build of a city's marts: where it works and where it lies when it is complete."""

    city: str
    half_year: str
    id: str

    @property
    def home(self) -> CityHome:
        return settings().city_home(self.city)

    @property
    def work(self) -> Path:
        return self.home.work / "index" / self.half_year / self.id

    @property
    def inputs(self) -> Path:
        return self.work / "inputs.json"

    @property
    def dbt_target(self) -> Path:
        return self.work / "dbt"

    @property
    def dbt_results(self) -> list[Path]:
        """What dbt said of each of its parts, as far as it has said it."""
        paths = (self.dbt_target / f"{part}_results.json" for part in _SELECTED)
        return [path for path in paths if path.is_file()]

    @property
    def places(self) -> Path:
        """The database with all that does not hang on who reaches what."""
        return self.work / "places" / f"{self.half_year}.duckdb"

    @property
    def marts(self) -> Path:
        """The database with all that does not hang on what is drawn."""
        return self.work / "marts" / f"{self.half_year}.duckdb"

    @property
    def access(self) -> Path:
        return self.work / "access"

    @property
    def statistics(self) -> Path:
        return self.work / "statistics"

    @property
    def uncertainty(self) -> Path:
        return self.work / "uncertainty"

    @property
    def staged(self) -> Path:
        return self.work / "bundle"

    @property
    def database(self) -> Path:
        """Named by its half-year wherever it lies, because its views name the database that they stand in."""
        return self.home.warehouse / self.half_year / self.id / f"{self.half_year}.duckdb"


def is_over(city: str, half_year: str, now: datetime) -> bool:
    """Whether a half-year has ended on the city's clocks: before, its feeds may come, but no index is made of them."""
    return HalfYear.parse(half_year).end(load_city(city).profile.zone) <= now


def begin(
    city: str, half_year: str, *, over_at: datetime | None = None, waits_for_feeds: bool = False
) -> Build:
    """Freeze the inputs of the half-year's next release.

    Raises `NothingToDo` when the half-year is not over at `over_at`, when its current release was made from exactly these
    inputs, and, for a run that `waits_for_feeds`, when a feed has nothing accepted; otherwise raises what `freeze` does.
    """
    if over_at is not None and not is_over(city, half_year, over_at):
        raise NothingToDo(f"{city}: {half_year} is not over; what its feeds have brought so far is kept.")
    from citycheck.steps import recompute  # which builds, and so imports this

    recompute.bring_up_to_date(city, half_year)
    try:
        build = freeze(city, half_year)
    except NotReady as missing:
        if waits_for_feeds:
            raise NothingToDo(f"{missing} The assets of the feeds will start a run of their own.") from None
        raise
    if is_released(build):
        raise NothingToDo(f"{city} {half_year}: the current release was made from exactly these inputs.")
    return build


def freeze(city: str, half_year: str, *, recorded: list[dict[str, Any]] | None = None) -> Build:
    """Write down exactly what the build is made from: what counts now, or the inputs that a release has `recorded`.

    Raises `NotReady` when a feed has nothing accepted, and `BadInput` when the city maps no communities, when its
    projected CRS does not fit it, or when nothing of its reports was written before the cut-off.
    """
    about, home, period = load_city(city), settings().city_home(city), HalfYear.parse(half_year)
    check_crs(about.profile.projected_crs, about.profile.box)
    if not any(table.table == "communities" for table in about.profile.tables_of("communities")):
        raise BadInput(
            f"{city}: the profile maps no table communities; an index is made of communities. Add their polygons."
        )
    if recorded is None:
        manifests = [
            entry
            for feed in about.profile.provided_feeds
            for entry in store.counting(home, feed, half_year, ingest.adds_up(about, feed))
        ]
    else:
        manifests = [_recorded(home, entry) for entry in recorded if entry["half_year"] == half_year]
    communities = next(
        m["tables"]["communities"]["accepted_sha256"] for m in manifests if m["feed"] == "communities"
    )
    for manifest in manifests:
        if manifest["communities"] not in (None, communities):
            raise NotReady(
                f"{manifest['feed']} {half_year}: was checked against other communities than those accepted now. "
                f"Run ingest_{manifest['feed']} with half_year={half_year} again."
            )
    if recorded is None:
        late = _late(about, home, period, manifests)
    else:
        late = [_recorded(home, entry) for entry in recorded if entry["half_year"] != half_year]
    before = _communities_before(home, period)
    for manifest in manifests + late + before:
        for table, entry in manifest["tables"].items():
            path = home.lake / entry["accepted"]
            if not path.is_file() or store.sha256(path) != entry["accepted_sha256"]:
                raise BadInput(
                    f"{path}: is not the file that was accepted for {table}; expected SHA-256 {entry['accepted_sha256'][:12]}…. "
                    f"Run ingest_{manifest['feed']} with half_year={manifest['half_year']} again."
                )
    _check_versions(about, home, period, manifests)
    compared = earlier.describe(about, home, half_year) if recorded is None else []
    provenance = _provenance(about, home, period, manifests + late, before, compared)
    written = json.dumps(provenance, ensure_ascii=False, sort_keys=True)
    build = Build(city, half_year, hashlib.sha256(written.encode()).hexdigest()[:16])
    build.work.mkdir(parents=True, exist_ok=True)
    _write_table(build.work / "ledger.parquet", [row for m in manifests for row in m["ledger"]], _LEDGER)
    _write_table(build.work / "quarantine.parquet", _quarantine(manifests), _QUARANTINE)
    schemas = {name: table.schema for name, table in tables().items()} | {ingest.MATCHES: FACILITY_MATCHES}
    schemas[_BEFORE] = schemas["communities"]
    versioned = {name for name, table in tables().items() if table.keeps_versions}
    files = {
        table: [
            # In the order of receipt, because of two versions of one moment the one received later counts.
            str(home.lake / m["tables"][table]["accepted"])
            for m in sorted(late + manifests, key=lambda m: m.get("received", ""))
            if table in m["tables"] and (m["half_year"] == half_year or table in versioned)
        ]
        for table in schemas
    }
    files[_BEFORE] = [str(home.lake / m["tables"]["communities"]["accepted"]) for m in before]
    for table, paths in files.items():
        if not paths:
            empty = build.work / f"{table}.empty.parquet"
            _write_table(empty, [], schemas[table])
            paths.append(str(empty))
    files |= {
        f"quarantined_{table}": [
            str(home.lake / m["tables"][table]["quarantine"]) for m in manifests if table in m["tables"]
        ]
        for table in _PLACES
    }
    about.packs.write(build.work / f"{indicators.INPUT}.parquet")
    files |= {
        indicators.INPUT: [str(build.work / f"{indicators.INPUT}.parquet")],
        "ledger": [str(build.work / "ledger.parquet")],
        "quarantine": [str(build.work / "quarantine.parquet")],
    }
    write_json(build.inputs, {"provenance": provenance, "files": files})
    return build


def _recorded(home: CityHome, recorded: dict[str, Any]) -> dict[str, Any]:
    """The accepted delivery that a release names. Raises `BadInput` when the lake holds it no more."""
    feed, half_year = recorded["feed"], recorded["half_year"]
    for entry in store.accepted(home, feed, half_year):
        found = {table: of["accepted_sha256"] for table, of in entry["tables"].items()}
        if found == {table: of["sha256"] for table, of in recorded["tables"].items()}:
            return entry
    raise BadInput(
        f"{feed} {half_year}: the release was made from the delivery {recorded['delivery'][:12]}…, which the lake does not hold "
        "as it was accepted then; it cannot be computed again. Restore lake/ from a copy."
    )


def _has_network(about: City, manifests: list[dict[str, Any]]) -> bool:
    """Whether walks decide what is covered. Raises `BadInput` when the streets that the profile maps did not come."""
    if not any(table.table == _STREETS for table in about.profile.tables_of("communities")):
        return False
    if not any(m["tables"].get(_STREETS, {}).get("accepted_rows") for m in manifests):
        raise BadInput(
            f"{about.profile.city}: the profile maps {_STREETS}, but not one row of it is accepted; by straight lines the index "
            "would rise without a reason. Ask the source for the streets, and run ingest_communities again."
        )
    return True


def _communities_before(home: CityHome, period: HalfYear) -> list[dict[str, Any]]:
    """What was accepted of the previous half-year, its communities only; nothing when there is none."""
    if str(period.previous) not in store.half_years(home, "communities"):
        return []
    return [
        {**entry, "tables": {"communities": entry["tables"]["communities"]}}
        for entry in store.counting(home, "communities", str(period.previous))
        if "communities" in entry["tables"]
    ]


def _check_versions(about: City, home: CityHome, period: HalfYear, manifests: list[dict[str, Any]]) -> None:
    """Raise `BadInput` when a half-year has reports, but every version of them was written after its cut-off."""
    moments = _moments_of(about, period)
    for table in (table for table in tables().values() if table.keeps_versions):
        paths = [
            str(home.lake / m["tables"][table.name]["accepted"])
            for m in manifests
            if table.name in m["tables"]
        ]
        if not paths:
            continue
        with duck.connect() as connection:
            [[rows, known]] = connection.execute(
                f"""
                select count(*), count(*) filter (where version_at <= $cut_off) from read_parquet($paths)
                where "{table.event}" >= $period_start and "{table.event}" < $period_end
                """,
                {"paths": paths}
                | {name: moments[name] for name in ("cut_off", "period_start", "period_end")},
            ).fetchall()
        if rows and not known:
            raise BadInput(
                f"{table.name} {period}: {rows} rows of the half-year are accepted, but all were written after its cut-off "
                f"({moments['cut_off']:%Y-%m-%d %H:%M} UTC), so none counts. Map version_at from the time of the report where "
                "the source keeps no time of change: what happened after the cut-off is left out anyway."
            )


def _late(about: City, home: CityHome, period: HalfYear, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deliveries of other half-years that hold versions of this one's reports which its own deliveries do not."""
    found = []
    for table in (table for table in tables().values() if table.keeps_versions):
        paths = [
            str(home.lake / m["tables"][table.name]["accepted"]) for m in own if table.name in m["tables"]
        ]
        if not paths:
            continue
        for half_year in store.half_years(home, table.feed):
            if half_year == str(period):
                continue
            for entry in store.counting(home, table.feed, half_year, ingest.adds_up(about, table.feed)):
                if entry.get("half_years", {}).get(table.name, {}).get(str(period)) and _adds_versions(
                    table,
                    home.lake / entry["tables"][table.name]["accepted"],
                    paths,
                    _moments_of(about, period),
                ):
                    found.append(entry)
    return found


def _adds_versions(table: Table, path: Path, own: list[str], moments: dict[str, datetime]) -> bool:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    with duck.connect() as connection:
        return bool(
            connection.execute(
                f"""
                select 1 from (
                    select {columns} from read_parquet([$path])
                    where version_at <= $cut_off and (
                        ("{table.event}" >= $period_start and "{table.event}" < $period_end)
                        or "{table.key[0]}" in (select "{table.key[0]}" from read_parquet($own))
                    )
                    except select {columns} from read_parquet($own, union_by_name = true)
                ) limit 1
                """,
                {"path": str(path), "own": own, **moments},
            ).fetchall()
        )


def is_released(build: Build) -> bool:
    """Whether the current release of the half-year was made from exactly these inputs."""
    current = _sound_release(build.home, build.half_year)
    if current is None:
        return False
    written = json.loads((current.path / "provenance.json").read_text(encoding="utf-8"))
    return bool(written.get("build") == build.id)


def _sound_release(home: CityHome, half_year: str) -> releases.Release | None:
    """The current release of a half-year, if there is one. Raises `BadInput` when it is not what was published."""
    current = releases.current(home.releases, half_year)
    if current is not None and (problems := releases.verify(current.path)):
        raise BadInput(
            f"{current.path}: is not what was published ({problems[0]}); nothing is built on it. "
            "Restore this version from a copy."
        )
    return current


def build_places(build: Build) -> list[list[str]]:
    """Build and test every model that does not hang on who reaches what; returns the counties to measure, by task.

    A county with streets is a task of its own. Straight lines take no time that would be worth one.
    Raises `BuildFailed` with the first failed node and where its log is.
    """
    with exclusive(build.work / ".lock"):
        for path in build.dbt_results:  # what an earlier try said must not speak for this one
            path.unlink()
        _run_dbt(build, "places", build.places)
        statistics.run(build.places, build.statistics)
        access.prepare(build.places, build.access)
    counties = access.counties(build.places)
    has_network = _frozen(build)["provenance"]["walking_network"]
    return [[county] for county in counties] if has_network else [counties]


def measure_access(build: Build, counties: list[str]) -> dict[str, int]:
    """Find who reaches what, county by county, by straight line and on foot; returns how many rows were written.

    Raises `NotReady` when the places are not built.
    """
    factor = _frozen(build)["provenance"]["detour_factor"]
    rows: Counter[str] = Counter()
    for county in counties:
        rows.update(access.run(build.places, county, build.access, detour_factor=factor))
    return dict(rows)


def build_marts(build: Build) -> list[dict[str, Any]]:
    """Build and test the models that hang on who reaches what, up to the index; returns one row a node.

    Raises `NotReady` when a county is not measured, and `BuildFailed` like `build_places`.
    """
    with exclusive(build.work / ".lock"):
        access.check_complete(build.places, build.access)
        return _run_dbt(build, "marts", build.marts, begin_with=build.places)


def build_uncertainty(build: Build) -> list[dict[str, Any]]:
    """Draw how far the index may be trusted, and build and test the marts that show it; returns one row a node.

    The database appears only when all passed. Raises `NotReady` when the marts are not built, and `BuildFailed` like
    `build_places`.
    """
    with exclusive(build.work / ".lock"):
        if not build.marts.is_file():
            raise NotReady(f"{build.marts}: the marts are not built. Run the task `dbt_build` first.")
        uncertainty.run(build.marts, build.uncertainty)
        return _run_dbt(build, "uncertainty", build.database, begin_with=build.marts)


def build_all(build: Build) -> None:
    """Places, access of every county, marts, uncertainty: what the tasks of the DAG do, in one process."""
    for counties in build_places(build):
        measure_access(build, counties)
    build_marts(build)
    build_uncertainty(build)


_DRAWN = "source:uncertainty+"
_MEASURED = ("source:access+", "source:statistics+")
_SELECTED = {
    "places": ["--exclude", *_MEASURED, _DRAWN],
    "marts": ["--select", *_MEASURED, "--exclude", _DRAWN],
    "uncertainty": ["--select", _DRAWN],
}
"""The parts of the project: together they are all of it, and no model or test is in two."""


def _run_dbt(build: Build, part: str, database: Path, begin_with: Path | None = None) -> list[dict[str, Any]]:
    """Build one part of the project into a file of its own, which becomes `database` when all passed."""
    unfinished = build.home.warehouse / ".building" / f"{build.id}-{os.getpid()}" / database.name
    for left in unfinished.parents[1].glob(f"{build.id}-*"):
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
            status = subprocess.run(command, env=environment, check=False).returncode
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


def gate_marts(build: Build) -> dict[str, Any]:
    """Run the mart gate on the candidate; returns the failed checks of severity `warn`."""
    from citycheck.quality.gate import gate_marts as check

    about = load_city(build.city)
    profile = about.profile
    mapped = {table.table for feed in profile.provided_feeds for table in profile.tables_of(feed)}
    parameters = {
        "half_year": build.half_year,
        "cut_off": _moments(build)["cut_off"],
        "indicator_codes": standard.codes("indicators", "indicator_code") + about.packs.codes,
        # What a city does not have need not be in its marts; that it is missing is told in data_gaps.
        "with_residents": [True] if "buildings" in mapped else [],
        "with_facilities": [True] if "facilities" in mapped else [],
        "with_access": [True] if {"buildings", "facilities"} <= mapped and profile.provided_kinds else [],
    }
    verdict = check(build.database, settings().expectations, parameters, build.work, build.home.data_docs)
    return {"warnings": [f"{table}: {failed}" for table, failed in verdict.warnings]}


def stage(build: Build) -> Path:
    """Write the complete bundle of the candidate in its work folder, where nobody reads it."""
    from citycheck.release.bundle import stage as write_bundle

    inputs = json.loads(build.inputs.read_text(encoding="utf-8"))
    shutil.rmtree(build.staged, ignore_errors=True)
    with telling_disk_full(build.staged):
        return write_bundle(
            build.database,
            build.dbt_target / "manifest.json",
            build.staged,
            {**inputs["provenance"], "build": build.id},
        )


def publish(build: Build) -> releases.Release:
    """Publish what is staged, and let the warehouse's pointer follow. The same content is published once."""
    release = releases.publish(build.staged, build.home.releases, build.half_year)
    link = build.home.warehouse / f"{build.half_year}.duckdb"
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(build.database.relative_to(build.home.warehouse))
    os.replace(temporary, link)
    return release


def _provenance(
    about: City,
    home: CityHome,
    period: HalfYear,
    manifests: list[dict[str, Any]],
    before: list[dict[str, Any]],
    compared: list[dict[str, Any]],
) -> dict[str, Any]:
    profile = about.profile
    cut_off = period.end(profile.zone) + timedelta(days=standard.parameter("cut_off_lag_days"))
    previous = _sound_release(home, str(period.previous))
    return {
        "city": profile.city,
        "city_name_zh": profile.name.zh,
        "city_name_en": profile.name.en,
        "is_synthetic": profile.is_synthetic,
        "half_year": str(period),
        "period": {
            "start": period.start(profile.zone).isoformat(),
            "end": period.end(profile.zone).isoformat(),
        },
        "cut_off": cut_off.isoformat(),
        "standard_version": standard.version(),
        "standard_sha256": earlier.standard_fingerprints(),
        "code_version": __version__,
        "code_commit": _commit(),
        "profile_sha256": about.fingerprint(),
        "city_indicators": about.packs.codes,
        "city_indicators_sha256": about.packs.fingerprint(),
        "sources": [
            {"name": name, "title": s.title, "licence": s.licence}
            for name, s in sorted(profile.sources.items())
        ],
        "known_gaps": [gap.model_dump() for gap in profile.known_gaps],
        "walking_network": _has_network(about, manifests),
        "detour_factor": profile.detour_factor or standard.parameter("detour_factor"),
        "feeds_provided": profile.provided_feeds,
        "feeds_missing": [feed for feed in FEEDS if feed not in profile.provided_feeds],
        "inputs": [
            {
                key: m[key]
                for key in ("feed", "half_year", "delivery", "recipe", "files", "absent_periods", "warnings")
            }
            | {
                "tables": {
                    table: {"sha256": entry["accepted_sha256"], "rows": entry["accepted_rows"]}
                    for table, entry in m["tables"].items()
                }
            }
            for m in manifests
        ],
        "previous_release": None
        if previous is None
        else {
            "half_year": str(period.previous),
            "version": previous.version,
            "fingerprint": previous.fingerprint,
        },
        "year_ago_release": next(
            (
                {key: entry[key] for key in ("half_year", "version", "fingerprint")}
                for entry in compared
                if entry["half_year"] == str(period.year_before)
            ),
            None,
        ),
        "earlier_releases": compared,
        _BEFORE: [
            {
                "half_year": m["half_year"],
                "delivery": m["delivery"],
                "sha256": m["tables"]["communities"]["accepted_sha256"],
            }
            for m in before
        ],
    }


def _commit() -> str:
    """The commit of the code that runs, with `+changes` when the checkout differs from it; `unknown` outside git."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(settings().project), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _quarantine(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"feed": m["feed"], "table_name": table, "reason_code": reason, "rows": rows}
        for m in manifests
        for table, entry in m["tables"].items()
        for reason, rows in entry["quarantined_by_reason"].items()
    ]


def _write_table(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def _frozen(build: Build) -> dict[str, Any]:
    if not build.inputs.is_file():
        raise NotReady(
            f"{build.half_year}: the inputs of build {build.id} are not written down. Run the task `ready` first."
        )
    frozen: dict[str, Any] = json.loads(build.inputs.read_text(encoding="utf-8"))
    about, provenance = load_city(build.city), frozen["provenance"]
    if (provenance["profile_sha256"], provenance["city_indicators_sha256"]) != (
        about.fingerprint(),
        about.packs.fingerprint(),
    ):
        raise BadInput(
            f"{build.city}: the profile or an indicator has changed since build {build.id} was begun; half of it would be of "
            "the old one. Clear the run from its task `ready`."
        )
    return frozen


def _dbt_vars(build: Build) -> dict[str, Any]:
    frozen = _frozen(build)
    profile = load_city(build.city).profile
    previous = frozen["provenance"]["previous_release"]
    before = HalfYear.parse(build.half_year).previous
    return {
        "city": build.city,
        "city_name_zh": profile.name.zh,
        "city_name_en": profile.name.en,
        "is_synthetic": profile.is_synthetic,
        "half_year": build.half_year,
        "previous_half_year": str(before),
        "previous_period_start": utc_naive(before.start(profile.zone)).isoformat(sep=" "),
        **{name: moment.isoformat(sep=" ") for name, moment in _moments(build).items()},
        "projected_crs": profile.projected_crs,
        "time_zone": profile.time_zone,
        "calendar": profile.calendar,
        "provided_kinds": profile.provided_kinds,
        "survey_breaks": [one.model_dump() for one in profile.survey_breaks],
        "city_models": list(load_city(build.city).packs.models),
        "inputs": {name: ", ".join(map(_quoted, paths)) for name, paths in frozen["files"].items()},
        **{
            source: {name: _quoted(str(path)) for name, path in files.items()}
            for source, files in {
                "access": access.files(build.access),
                "statistics": statistics.files(build.statistics),
                "uncertainty": uncertainty.files(build.uncertainty),
            }.items()
        },
        "walking_network": frozen["provenance"]["walking_network"],
        "detour_factor": frozen["provenance"]["detour_factor"],
        "previous_release": str(build.home.releases / previous["half_year"] / str(previous["version"]))
        if previous
        else "",
        "year_ago_half_year": str(HalfYear.parse(build.half_year).year_before),
        "releases": earlier.dbt_releases(build.home, frozen["provenance"]["earlier_releases"]),
        "spatial_extension": str(spatial_extension_path()),
    }


def _moments(build: Build) -> dict[str, datetime]:
    """Start and end of the half-year, and the cut-off after which versions are not used, as the lake writes time."""
    return _moments_of(load_city(build.city), HalfYear.parse(build.half_year))


def _moments_of(about: City, period: HalfYear) -> dict[str, datetime]:
    zone = about.profile.zone
    cut_off = period.end(zone) + timedelta(days=standard.parameter("cut_off_lag_days"))
    moments = {"period_start": period.start(zone), "period_end": period.end(zone), "cut_off": cut_off}
    return {name: utc_naive(moment) for name, moment in moments.items()}


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
    print(
        "dbt: "
        + (
            ", ".join(f"{count} {kind} {status}" for (kind, status), count in sorted(kinds.items()))
            or "no results"
        )
    )
    for result in sorted(results, key=lambda result: (-result["seconds"], result["node"]))[:10]:
        print(f"slowest ten: {result['seconds']:8.2f} s  {result['status']:8}  {result['node']}")


def _failure(build: Build, results: list[dict[str, Any]]) -> CitycheckError:
    failed = [r for r in results if r["status"] in ("error", "fail", "runtime error")]
    told = " ".join(str(r["message"]) for r in failed)
    if "No space left" in told or shutil.disk_usage(build.home.root).free < _TOO_LITTLE_BYTES:
        return DiskFull(
            f"{build.home.root}: no space is left on the disk; nothing was changed. Free some space and clear the task."
        )
    if not failed:
        return BuildFailed(
            f"{build.half_year}: dbt did not start. Read {build.dbt_target / 'dbt.log'}, correct the project and clear the task."
        )
    first = failed[0]
    told = " ".join(str(first["message"]).split())[:300]
    return BuildFailed(
        f"{build.half_year}: {len(failed)} of {len(results)} dbt nodes failed, first {first['node']} ({told}). "
        f"Read {build.dbt_target / 'dbt.log'}, correct the model or the data and clear the task."
    )
