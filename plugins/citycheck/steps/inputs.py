"""What a build is made from: the deliveries that count, the standard, code, profile and releases before it, written down.

A build is named by a hash of all that, so the same inputs give the same build. What it is to become when it is published
stands beside, and is no part of its name.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import FEEDS, __version__, connections, duck, standard
from citycheck.cities import indicators
from citycheck.cities.crs import check_crs
from citycheck.cities.profile import City, load_city
from citycheck.connections import Lookup
from citycheck.errors import BadInput, NothingToDo, NotReady
from citycheck.lake import store
from citycheck.lake.files import replacing, write_json
from citycheck.lake.tables import Table, tables
from citycheck.matching.match import FACILITY_MATCHES
from citycheck.period import HalfYear, utc_naive
from citycheck.release import calendar
from citycheck.release import publish as releases
from citycheck.release.manifest import code_sha256
from citycheck.release.publication import Kind, Publication, Published
from citycheck.renewal import register
from citycheck.settings import CityHome, settings
from citycheck.steps import earlier, ingest, shelf

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
_AS_RECORDED = "rebuild"
"""The purpose for which everything is as a release has recorded it."""
PARTS = ("places", "marts", "uncertainty")
"""The parts in which dbt builds the project."""


@dataclass(frozen=True)
class Build:
    """One build of a city's marts: where it works and where it lies when it is complete."""

    city: str
    half_year: str
    id: str
    purpose: str = "index"
    """Where it works: `index` is what may be published; one to compare with works apart and is never pointed at."""

    @property
    def home(self) -> CityHome:
        return settings().city_home(self.city)

    @property
    def work(self) -> Path:
        return self.home.work / self.purpose / self.half_year / self.id

    @property
    def inputs(self) -> Path:
        return self.work / "inputs.json"

    @property
    def dbt_target(self) -> Path:
        return self.work / "dbt"

    @property
    def dbt_results(self) -> list[Path]:
        """What dbt said of each of its parts, as far as it has said it."""
        paths = (self.dbt_target / f"{part}_results.json" for part in PARTS)
        return [path for path in paths if path.is_file()]

    @property
    def places(self) -> Path:
        """The database with all that does not hang on who reaches what."""
        return self.work / "places" / f"{self.half_year}.duckdb"

    @property
    def marts(self) -> Path:
        """The database with all that does not hang on what is drawn, sited or planned."""
        return self.work / "marts" / f"{self.half_year}.duckdb"

    @property
    def access(self) -> Path:
        return self.work / "access"

    @property
    def statistics(self) -> Path:
        return self.work / "statistics"

    @property
    def renewal(self) -> Path:
        return self.work / "renewal"

    @property
    def uncertainty(self) -> Path:
        return self.work / "uncertainty"

    @property
    def staged(self) -> Path:
        return self.work / "bundle"

    @property
    def refused(self) -> Path:
        """A bundle from which something could be computed that it keeps back."""
        return self.work / "refused"

    @property
    def warnings(self) -> Path:
        """What the gate let pass with a warning; there from when it has passed."""
        return self.work / "warnings.json"

    @property
    def decisions(self) -> Path:
        """What people said to what was staged, oldest first."""
        return self.work / "decisions.json"

    @property
    def database(self) -> Path:
        """Named by its half-year wherever it lies, because its views name the database that they stand in."""
        folder = self.home.warehouse / self.half_year / self.id if self.purpose == "index" else self.work
        return folder / f"{self.half_year}.duckdb"


def is_over(city: str, half_year: str, now: datetime) -> bool:
    """Whether a half-year has ended on the city's clocks: before, its feeds may come, but no index is made of them."""
    return HalfYear.parse(half_year).end(load_city(city).profile.zone) <= now


@dataclass(frozen=True)
class Request:
    """What whoever starts a run asks for; `kind` None is what the calendar says."""

    kind: Kind | None = None
    reason_zh: str | None = None
    reason_en: str | None = None
    responsible: str | None = None

    def correcting(self, notice: Mapping[str, str]) -> Request:
        """The same as a correction of what was withdrawn; what was not said is as the notice says."""
        return Request(
            "correction",
            self.reason_zh or notice["reason_zh"],
            self.reason_en or notice["reason_en"],
            self.responsible or notice["responsible"],
        )


def begin(
    city: str,
    half_year: str,
    *,
    now: datetime,
    request: Request | None = None,
    is_automatic: bool = False,
    waits_for_feeds: bool = False,
    lookup: Lookup = connections.from_environment,
) -> Build:
    """Freeze the inputs of the half-year's next version.

    What follows a version that was withdrawn is its correction, for the reason of the withdrawal unless another is given.
    Raises `NothingToDo` when a run that `is_automatic` comes before the half-year is over or before the cut-off, when its
    current release was made from exactly these inputs, when its final version is out and no correction was asked for, and,
    for a run that `waits_for_feeds`, when a feed has nothing accepted; otherwise raises what `freeze` does.
    """
    if is_automatic and not is_over(city, half_year, now):
        raise NothingToDo(f"{city}: {half_year} is not over; what its feeds have brought so far is kept.")
    from citycheck.steps import recompute  # which builds, and so imports this

    asked, about, home = request or Request(), load_city(city), settings().city_home(city)
    shelf.bring_up_to_date(home, lookup)
    calendar.check_appended(about, earlier.announced_rows(home), calendar.rows(about))
    last = releases.last(home.releases, half_year)
    if last is not None and last.is_withdrawn:
        asked = asked.correcting(earlier.notice_of(last))
    stage = None if last is None else earlier.stage_of(last)
    plan = calendar.plan(about, half_year, stage, asked.kind, now)
    counts_until = calendar.cut_off(about, half_year, plan.stage)
    if is_automatic and now < counts_until:
        raise NothingToDo(
            f"{city} {half_year}: its {plan.stage} version counts what is known by {counts_until:%Y-%m-%d %H:%M}; what has come "
            "is kept, and the DAG release_calendar starts the run then."
        )
    recompute.bring_up_to_date(city, half_year)
    try:
        build = freeze(
            city,
            half_year,
            stage=plan.stage,
            kind=plan.kind,
            release_at=None if plan.release_at is None else plan.release_at.isoformat(),
            request=asked,
            is_preview=now < counts_until,
        )
    except NotReady as missing:
        if waits_for_feeds:
            raise NothingToDo(f"{missing} The assets of the feeds will start a run of their own.") from None
        raise
    if is_released(build):
        raise NothingToDo(f"{city} {half_year}: the current release was made from exactly these inputs.")
    return build


@dataclass(frozen=True)
class _Found:
    """What a build is made from beside standard, code and profile."""

    manifests: list[dict[str, Any]]
    late: list[dict[str, Any]]
    before: list[dict[str, Any]]
    previous: releases.Release | None
    compared: list[dict[str, Any]]
    with_projects: releases.Release | None = None
    """The newest earlier release that tells of projects: their lives go on from there, also over a half-year without one."""
    project_edits: tuple[Path, ...] = ()
    """What departments had set in projects by the cut-off."""


def freeze(
    city: str,
    half_year: str,
    *,
    stage: str | None = None,
    kind: Kind | None = None,
    release_at: str | None = None,
    request: Request | None = None,
    is_preview: bool = False,
    recorded: Mapping[str, Any] | None = None,
    purpose: str = "index",
) -> Build:
    """Write down exactly what the build is made from: what counts now, or what the provenance of a release has `recorded`.

    The stage, by default the first, says up to when sources count. For the purpose `recompute` only the recorded deliveries
    count, all else is of today; for `rebuild` everything is as it was recorded. Raises `NotReady` when a feed has
    nothing accepted, and `BadInput` when the city maps no communities, when its projected CRS does not fit it, when nothing of
    its reports was written before the cut-off, or when something recorded is gone.
    """
    about, home, period = load_city(city), settings().city_home(city), HalfYear.parse(half_year)
    stage = stage or (recorded or {}).get("stage") or standard.stages()[0]
    check_crs(about.profile.projected_crs, about.profile.box)
    if not any(table.table == "communities" for table in about.profile.tables_of("communities")):
        raise BadInput(
            f"{city}: the profile maps no table communities; an index is made of communities. Add their polygons."
        )
    if recorded is None:
        found = _found_now(about, home, period, stage)
    elif purpose == _AS_RECORDED:
        found = _found_then(home, period, recorded)
    else:
        found = replace(
            _found_then(home, period, {"inputs": recorded["inputs"]}),
            before=_communities_before(home, period),
            previous=_sound_release(home, str(period.previous)),
        )
    _check_accepted(home, half_year, found)
    _check_versions(about, home, period, stage, found.manifests)
    provenance = _provenance(about, home, period, stage, found)
    if purpose == _AS_RECORDED and recorded is not None:
        publication = Publication.from_json(recorded["publication"])
        told = {"calendar": recorded["calendar"], "dates": recorded["dates"]}
        if provenance["code_sha256"] == recorded["code_sha256"]:
            provenance["code_commit"] = recorded["code_commit"]
    else:
        publication = _publication(home, half_year, kind, stage, release_at, request or Request(), is_preview)
        told = {"calendar": calendar.rows(about), "dates": _dates(about, period)}
    # Which commit the code lies in changes nothing of what is built: its hash is named, too.
    named = {name: value for name, value in provenance.items() if name != "code_commit"}
    written = json.dumps(named, ensure_ascii=False, sort_keys=True)
    build = Build(city, half_year, hashlib.sha256(written.encode()).hexdigest()[:16], purpose)
    build.work.mkdir(parents=True, exist_ok=True)
    written_down = {
        "provenance": provenance,
        "publication": publication.as_json(),
        **told,
        "files": _input_files(about, home, build, found),
    }
    write_json(build.inputs, written_down)
    return build


def is_released(build: Build) -> bool:
    """Whether the current release of the half-year was made from exactly these inputs."""
    current = _sound_release(build.home, build.half_year)
    if current is None:
        return False
    written = json.loads((current.path / "provenance.json").read_text(encoding="utf-8"))
    return bool(written.get("build") == build.id)


def frozen(build: Build) -> dict[str, Any]:
    """What `freeze` wrote. Raises `NotReady` when it wrote nothing, `BadInput` when the profile has changed since."""
    if not build.inputs.is_file():
        raise NotReady(
            f"{build.half_year}: the inputs of build {build.id} are not written down. Run the task `ready` first."
        )
    written: dict[str, Any] = json.loads(build.inputs.read_text(encoding="utf-8"))
    today, provenance = _what_builds(load_city(build.city)), written["provenance"]
    if today != {name: provenance[name] for name in today}:
        raise BadInput(
            f"{build.city}: the code, the standard, the profile or an indicator has changed since build {build.id} was begun; "
            "half of it would be of the old one. Clear the run from its task `ready`."
        )
    return written


def _what_builds(about: City) -> dict[str, Any]:
    """What turns accepted rows into marts, by hash."""
    return {
        "standard_sha256": earlier.standard_fingerprints(),
        "code_sha256": code_sha256(settings().project, about.profile.city),
        "profile_sha256": about.fingerprint(),
        "city_indicators_sha256": about.packs.fingerprint(),
    }


def moments(build: Build) -> dict[str, datetime]:
    """Start and end of the half-year, and the cut-off after which versions are not used, as the lake writes time."""
    stage = frozen(build)["provenance"]["stage"]
    return _moments_of(load_city(build.city), HalfYear.parse(build.half_year), stage)


def _found_now(about: City, home: CityHome, period: HalfYear, stage: str) -> _Found:
    manifests = [
        entry
        for feed in about.profile.provided_feeds
        for entry in store.counting(home, feed, str(period), ingest.adds_up(about, feed))
    ]
    return _Found(
        manifests,
        _late(about, home, period, stage, manifests),
        _communities_before(home, period),
        _sound_release(home, str(period.previous)),
        earlier.describe(about, home, str(period)),
        _with_projects(home, period),
        tuple(register.batches(home.root, _moments_of(about, period, stage)["cut_off"])),
    )


def _found_then(home: CityHome, period: HalfYear, recorded: Mapping[str, Any]) -> _Found:
    """What the provenance of a release names, each piece as it was. Raises `BadInput` when one of them is gone."""
    inputs = recorded["inputs"]
    previous = recorded.get("previous_release")
    for release in recorded.get("earlier_releases", []):
        earlier.published(home, release)
        ratios = home.root / release["ratios"]
        if release["is_recomputed"] and not (
            ratios.is_file() and store.sha256(ratios) == release["ratios_sha256"]
        ):
            raise BadInput(
                f"{ratios}: is not the table by which {release['half_year']} was compared; it cannot be built again. Restore "
                "recomputed/ from a copy."
            )
    return _Found(
        [_recorded(home, entry) for entry in inputs if entry["half_year"] == str(period)],
        [_recorded(home, entry) for entry in inputs if entry["half_year"] != str(period)],
        [_recorded_communities(home, entry) for entry in recorded.get(_BEFORE, [])],
        None if previous is None else earlier.published(home, previous),
        list(recorded.get("earlier_releases", [])),
        None if (told := recorded.get("projects_before")) is None else earlier.published(home, told),
        tuple(_recorded_edits(home, batch) for batch in recorded.get("project_edits", [])),
    )


def _check_accepted(home: CityHome, half_year: str, found: _Found) -> None:
    """Raise when a feed was checked against other communities, or when a file is not what was accepted."""
    communities = next(
        m["tables"]["communities"]["accepted_sha256"] for m in found.manifests if m["feed"] == "communities"
    )
    for manifest in found.manifests:
        if manifest["communities"] not in (None, communities):
            raise NotReady(
                f"{manifest['feed']} {half_year}: was checked against other communities than those accepted now. "
                f"Run ingest_{manifest['feed']} with half_year={half_year} again."
            )
    for manifest in found.manifests + found.late + found.before:
        for table, entry in manifest["tables"].items():
            path = home.lake / entry["accepted"]
            if not path.is_file() or store.sha256(path) != entry["accepted_sha256"]:
                raise BadInput(
                    f"{path}: is not the file that was accepted for {table}; expected SHA-256 {entry['accepted_sha256'][:12]}…. "
                    f"Run ingest_{manifest['feed']} with half_year={manifest['half_year']} again."
                )


def _input_files(about: City, home: CityHome, build: Build, found: _Found) -> dict[str, list[str]]:
    """The files behind each source of dbt; those that only this build has are written into its folder."""
    _write_table(
        build.work / "ledger.parquet", [row for m in found.manifests for row in m["ledger"]], _LEDGER
    )
    _write_table(build.work / "quarantine.parquet", _quarantine(found.manifests), _QUARANTINE)
    schemas = {name: table.schema for name, table in tables().items()} | {ingest.MATCHES: FACILITY_MATCHES}
    schemas[_BEFORE] = schemas["communities"]
    versioned = {name for name, table in tables().items() if table.keeps_versions}
    files = {
        table: [
            # In the order of receipt, because of two versions of one moment the one received later counts.
            str(home.lake / m["tables"][table]["accepted"])
            for m in sorted(found.late + found.manifests, key=lambda m: m.get("received", ""))
            if table in m["tables"] and (m["half_year"] == build.half_year or table in versioned)
        ]
        for table in schemas
    }
    files[_BEFORE] = [str(home.lake / m["tables"]["communities"]["accepted"]) for m in found.before]
    for table, paths in files.items():
        if not paths:
            empty = build.work / f"{table}.empty.parquet"
            _write_table(empty, [], schemas[table])
            paths.append(str(empty))
    files |= {
        f"quarantined_{table}": [
            str(home.lake / m["tables"][table]["quarantine"]) for m in found.manifests if table in m["tables"]
        ]
        for table in _PLACES
    }
    about.packs.write(build.work / f"{indicators.INPUT}.parquet")
    return files | {
        indicators.INPUT: [str(build.work / f"{indicators.INPUT}.parquet")],
        "project_edits": [str(path) for path in found.project_edits],
        "ledger": [str(build.work / "ledger.parquet")],
        "quarantine": [str(build.work / "quarantine.parquet")],
    }


def _publication(
    home: CityHome,
    half_year: str,
    kind: Kind | None,
    stage: str,
    release_at: str | None,
    request: Request,
    is_preview: bool,
) -> Publication:
    """What the build is to become: the next version of its half-year."""
    out = published_before(home, half_year)
    of_this = [version for version in out if version.half_year == half_year]
    before = [version for version in out if version.half_year == str(HalfYear.parse(half_year).previous)]
    supersedes = of_this[-1] if of_this else None
    standing = [version for version in before + of_this if not version.is_withdrawn]
    publication = Publication(
        half_year,
        releases.next_version(home.releases, half_year),
        kind or ("scheduled_revision" if supersedes else "initial"),
        stage,
        release_at,
        request.reason_zh,
        request.reason_en,
        request.responsible,
        supersedes,
        standing[-1] if standing else None,
        tuple(out),
        is_preview,
    )
    publication.check()
    return publication


def published_before(home: CityHome, half_year: str) -> list[Published]:
    """Every version of this and earlier half-years that is out now, oldest first: what a candidate is compared with."""
    return [
        Published(release.half_year, release.version, release.fingerprint, release.is_withdrawn)
        for name in releases.half_years(home.releases)
        if name <= half_year
        for release in releases.versions(home.releases, name)
    ]


def _dates(about: City, period: HalfYear) -> list[dict[str, Any]]:
    """When this half-year's stages are announced for, and the first of the next: for readers."""
    announced = calendar.entries(about, str(period)) + calendar.entries(about, str(period.next))[:1]
    return [
        {
            "half_year": entry.half_year,
            "stage": entry.stage,
            "release_at": entry.release_at.isoformat(),
            "is_changed": entry.is_changed,
        }
        for entry in announced
    ]


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


def _recorded_communities(home: CityHome, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The communities of the half-year before, as a release names them. Raises `BadInput` when the lake holds them no more."""
    for entry in store.accepted(home, "communities", recorded["half_year"]):
        if entry["tables"].get("communities", {}).get("accepted_sha256") == recorded["sha256"]:
            return {**entry, "tables": {"communities": entry["tables"]["communities"]}}
    raise BadInput(
        f"communities {recorded['half_year']}: the release was made from the delivery {recorded['delivery'][:12]}…, which the "
        "lake does not hold as it was accepted then; it cannot be built again. Restore lake/ from a copy."
    )


def _recorded_edits(home: CityHome, recorded: Mapping[str, str]) -> Path:
    """The batch of edits that a release names. Raises `BadInput` when it is gone or no longer what it was."""
    path = register.folder_of(home.root) / recorded["batch"]
    if not path.is_file() or store.sha256(path) != recorded["sha256"]:
        raise BadInput(
            f"{path}: is not the batch of edits that the release was made from (SHA-256 {recorded['sha256'][:12]}…). "
            "Restore projects/ from a copy."
        )
    return path


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


def _check_versions(
    about: City, home: CityHome, period: HalfYear, stage: str, manifests: list[dict[str, Any]]
) -> None:
    """Raise `BadInput` when a half-year has reports, but every version of them was written after its cut-off."""
    moments = _moments_of(about, period, stage)
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


def _late(
    about: City, home: CityHome, period: HalfYear, stage: str, own: list[dict[str, Any]]
) -> list[dict[str, Any]]:
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
                    _moments_of(about, period, stage),
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


def _with_projects(home: CityHome, period: HalfYear) -> releases.Release | None:
    for name in sorted(releases.half_years(home.releases), reverse=True):
        current = releases.current(home.releases, name) if name < str(period) else None
        if current is not None and (current.path / "tables" / "projects.parquet").is_file():
            return _sound_release(home, name)
    return None


def _sound_release(home: CityHome, half_year: str) -> releases.Release | None:
    """The current release of a half-year, if there is one. Raises `BadInput` when it is not what was published."""
    current = releases.current(home.releases, half_year)
    if current is not None and (problems := releases.verify(current.path)):
        raise BadInput(
            f"{current.path}: is not what was published ({problems[0]}); nothing is built on it. "
            "Restore this version from a copy."
        )
    return current


def _provenance(about: City, home: CityHome, period: HalfYear, stage: str, found: _Found) -> dict[str, Any]:
    profile, manifests, previous = about.profile, found.manifests + found.late, found.previous
    cut_off = period.end(profile.zone) + timedelta(days=standard.lag_days(stage))
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
        "stage": stage,
        "cut_off": cut_off.isoformat(),
        "standard_version": standard.version(),
        **_what_builds(about),
        "code_version": __version__,
        "code_commit": _commit(),
        "city_indicators": about.packs.codes,
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
        "previous_release": _named(previous),
        "projects_before": _named(found.with_projects),
        "project_edits": [{"batch": path.name, "sha256": store.sha256(path)} for path in found.project_edits],
        "year_ago_release": next(
            (
                {key: entry[key] for key in ("half_year", "version", "fingerprint")}
                for entry in found.compared
                if entry["half_year"] == str(period.year_before)
            ),
            None,
        ),
        "earlier_releases": found.compared,
        _BEFORE: [
            {
                "half_year": m["half_year"],
                "delivery": m["delivery"],
                "sha256": m["tables"]["communities"]["accepted_sha256"],
            }
            for m in found.before
        ],
    }


def _named(release: releases.Release | None) -> dict[str, Any] | None:
    return (
        None
        if release is None
        else {
            "half_year": release.half_year,
            "version": release.version,
            "fingerprint": release.fingerprint,
        }
    )


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


def _moments_of(about: City, period: HalfYear, stage: str) -> dict[str, datetime]:
    zone = about.profile.zone
    cut_off = period.end(zone) + timedelta(days=standard.lag_days(stage))
    moments = {"period_start": period.start(zone), "period_end": period.end(zone), "cut_off": cut_off}
    return {name: utc_naive(moment) for name, moment in moments.items()}
