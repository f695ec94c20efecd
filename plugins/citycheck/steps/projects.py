"""Projects between two releases: the last release with the edits since, as workbook, list and log; and new edits.

Everything is decided under the register's lock, by what stands at that moment. Times are given, in UTC with zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from citycheck import standard
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import replacing
from citycheck.period import utc_naive
from citycheck.release import publish as releases
from citycheck.renewal import register, workbook
from citycheck.renewal.register import Edit, Project, Source, fields
from citycheck.settings import CityHome, settings
from citycheck.steps import earlier


@dataclass(frozen=True)
class Current:
    """What projects are now."""

    city: str
    release: releases.Release
    until: datetime
    """Up to when edits are in it, UTC without zone."""
    projects: Mapping[str, Project]
    edits: tuple[Edit, ...]
    """All that the register holds, oldest first."""


@dataclass(frozen=True)
class Problem:
    """A cell that cannot be taken over: where it is, and what was expected there."""

    row: int
    column: str
    expected: str

    def __str__(self) -> str:
        zh = fields()[self.column].zh if self.column in fields() else ""
        return f"row {self.row}, {self.column} {zh}: expected {self.expected}."


@dataclass(frozen=True)
class TakenIn:
    """What became of a workbook. With a problem nothing of it is stored."""

    rows: int
    edits: tuple[Edit, ...] = ()
    conflicts: tuple[Edit, ...] = ()
    problems: tuple[Problem, ...] = field(default=())


def current(city: str, half_year: str | None = None) -> Current:
    """The projects of a half-year's current release, by default the last that has some, with the edits since.

    Raises `NotReady` when no release tells of projects.
    """
    load_city(city)
    home = settings().city_home(city)
    wanted = [half_year] if half_year else reversed(releases.half_years(home.releases))
    for name in wanted:
        release = releases.current(home.releases, name)
        if release is not None and _table(release).is_file():
            return _after_edits(city, home, release)
    raise NotReady(
        f"{home.releases}: no release of {half_year or 'any half-year'} tells of projects. Publish one with today's version."
    )


def _after_edits(city: str, home: CityHome, release: releases.Release) -> Current:
    """The projects that a release left open, with the edits after its cut-off."""
    counted = utc_naive(datetime.fromisoformat(earlier.provenance_of(release)["cut_off"]))
    edits = tuple(register.read(register.batches(home.root)))
    settled = {(edit.project_id, edit.field): edit.edited_at for edit in edits if not edit.is_conflict}

    def counts(edit: Edit) -> bool:
        """Whether it came after the cut-off; a conflict stays until somebody settles it."""
        if edit.is_conflict:
            return edit.edited_at >= settled.get((edit.project_id, edit.field), edit.edited_at)
        return edit.edited_at > counted

    going_on = [
        row for row in pq.read_table(_table(release)).to_pylist() if row["status_code"] in register.OPEN
    ]
    projects = register.state(going_on, filter(counts, edits))
    return Current(city, release, max([counted, *(edit.edited_at for edit in edits)]), projects, edits)


def _table(release: releases.Release) -> Path:
    return release.path / "tables" / "projects.parquet"


# Out -----------------------------------------------------------------------------------------------------------------


def chosen(now: Current, *, county: str | None = None, department: str | None = None) -> list[Project]:
    """The projects of a county and department, most urgent first, and of equal ones those that more people wait for."""
    found = [
        project
        for project in now.projects.values()
        if county in (None, project.text("county_id"), project.text("county_name"))
        and department in (None, project.text("department"))
    ]
    return sorted(
        found,
        key=lambda p: (
            -(p.values.get("priority_score") or 0.0),
            -(p.values.get("uncovered_population") or 0),
            p.text("project_id"),
        ),
    )


def export(city: str, half_year: str, out: Path, *, county: str | None, department: str | None) -> int:
    """Write the workbook of a half-year's projects; returns how many. Raises `BadInput` when there are none."""
    now = current(city, half_year)
    found = chosen(now, county=county, department=department)
    if not found:
        raise BadInput(
            f"{city} {half_year}: no project is of county {county or 'any'} and department {department or 'any'}. "
            "`citycheck projects list` names them."
        )
    if out.suffix.lower() != ".xlsx":
        raise BadInput(f"{out}: expected a name that ends in .xlsx. Correct --out.")
    is_synthetic = load_city(city).profile.is_synthetic
    about = workbook.About(city, now.release.half_year, now.until, is_synthetic)
    with replacing(out) as temporary:
        temporary.write_bytes(workbook.template(found, about, _names()))
    return len(found)


def _names() -> dict[str, str]:
    """Kinds and categories in words."""
    named = {row["kind_code"]: row for row in standard.seed("facility_kinds")}
    named |= {row["category_code"]: row for row in standard.seed("repair_categories")}
    return {code: f"{row['name_zh']} {row['name_en']}" for code, row in named.items()}


# In ------------------------------------------------------------------------------------------------------------------


def take_in(city: str, file: Path, department: str, at: datetime) -> TakenIn:
    """Compare a workbook with what its editor saw and with what stands now, and store what it changes, all or nothing.

    Changed only in the sheet: an edit. Changed here, too, to something else: a conflict; both are kept, and what stands
    stays until somebody settles it. Raises `BadInput` for a file that is no workbook of this city's projects.
    """
    who = _department(department)
    filled = workbook.read(file)
    if filled.about.city != city:
        raise BadInput(
            f"{file.name}: is of the city {filled.about.city!r}, not of {city!r}. Give --city, or another file."
        )
    home = settings().city_home(city)
    with register.lock(home.root):
        now = current(city)
        received = _received(now, at)
        seen: dict[str, int] = {}
        edits: list[Edit] = []
        problems: list[Problem] = []
        for row in filled.rows:
            made, wrong = _compare(now, filled, row, who, received)
            key = row.project_id or (made[0].project_id if made else "")
            if key and seen.setdefault(key, row.number) != row.number:
                wrong = [Problem(row.number, "project_id", f"a project once, this one is in row {seen[key]}")]
            edits += made
            problems += wrong
        if problems:
            return TakenIn(len(filled.rows), problems=tuple(problems))
        register.append(home.root, edits, received)
    return TakenIn(
        len(filled.rows),
        tuple(edit for edit in edits if not edit.is_conflict),
        tuple(edit for edit in edits if edit.is_conflict),
    )


def _compare(
    now: Current, filled: workbook.Filled, row: workbook.Row, who: str, received: datetime
) -> tuple[list[Edit], list[Problem]]:
    """The edits of a row, and what is wrong in it."""
    if not row.project_id:
        return _begin(now, row, who, received)
    base = filled.base.get(row.project_id)
    if base is None:
        return [], [
            Problem(row.number, "project_id", "a project of the export, or nothing for one of your own")
        ]
    wanted, problems = _read(row, base)
    project = now.projects.get(row.project_id)
    if project is None:
        return [], [
            Problem(row.number, name, "a project that goes on; a release has closed this one")
            for name in wanted
        ]
    problems += [
        Problem(row.number, name, "what was exported; only a project of your own may say it")
        for name in wanted
        if fields()[name].only_new
    ]
    edits = []
    for name, value in wanted.items():
        standing = project.text(name)
        edit = Edit(row.project_id, name, value, base[name], received, who, "xlsx", standing != base[name])
        if value != standing and not _is_known(now, edit, filled.about.until):
            edits.append(edit)
    changes = {edit.field: edit.value for edit in edits if not edit.is_conflict}
    if changes and (wrong := register.problem_of(project, changes)) and not problems:
        problems.append(Problem(row.number, *wrong))
    return edits, problems


def _read(row: workbook.Row, base: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """What a row asks for, field by field, where it differs from what its editor saw."""
    wanted, problems = {}, []
    for name, about in fields().items():
        if name in row.refused:
            problems.append(Problem(row.number, name, row.refused[name]))
            continue
        try:
            value = row.cells[name] if row.cells[name] == base.get(name, "") else about.read(row.cells[name])
        except ValueError as expected:
            problems.append(Problem(row.number, name, str(expected)))
            continue
        if value != base.get(name, ""):
            wanted[name] = value
    return wanted, problems


def _begin(now: Current, row: workbook.Row, who: str, received: datetime) -> tuple[list[Edit], list[Problem]]:
    """A department's own project: where, what, and its name."""
    wanted, problems = _read(row, {})
    kinds, categories = (
        standard.codes("facility_kinds", "kind_code"),
        standard.codes("repair_categories", "category_code"),
    )
    if wanted.get("community_id") not in _communities(now):
        problems.append(
            Problem(row.number, "community_id", "the code of a community unit of the last release")
        )
    if ("kind_code" in wanted) == ("category_code" in wanted):
        problems.append(
            Problem(row.number, "kind_code", "either a kind of facility or a category of reports")
        )
    if wanted.get("kind_code", kinds[0]) not in kinds:
        problems.append(Problem(row.number, "kind_code", f"one of {', '.join(kinds)}"))
    if wanted.get("category_code", categories[0]) not in categories:
        problems.append(Problem(row.number, "category_code", f"one of {', '.join(categories)}"))
    if "project_name_zh" not in wanted:
        problems.append(Problem(row.number, "project_name_zh", "a name"))
    if problems:
        return [], problems
    id_ = register.own_id(who, wanted)
    if id_ in now.projects or any(edit.project_id == id_ for edit in now.edits):
        return [], []
    if wrong := register.problem_of(Project({"project_id": id_}), wanted):
        return [], [Problem(row.number, *wrong)]
    return [Edit(id_, name, value, "", received, who, "xlsx") for name, value in wanted.items()], []


def _is_known(now: Current, edit: Edit, until: datetime) -> bool:
    """Whether the register has this from the same sheet already: it was received after the sheet was written."""
    return any(
        replace(known, edited_at=edit.edited_at, is_conflict=edit.is_conflict) == edit
        for known in now.edits
        if known.edited_at > until
    )


def _communities(now: Current) -> set[str]:
    areas = pq.read_table(
        now.release.path / "tables" / "areas.parquet", columns=["area_level", "area_id"]
    ).to_pylist()
    return {area["area_id"] for area in areas if area["area_level"] == "community"}


def set_field(
    city: str, project_id: str, name: str, value: str, department: str, at: datetime, source: Source = "cli"
) -> Edit | None:
    """Set one field of one project; None when it says so already. Raises `BadInput` for what cannot be."""
    about, who = register.named(name), _department(department)
    home = settings().city_home(city)
    with register.lock(home.root):
        now = current(city)
        project = _project(now, project_id)
        if about.only_new:
            raise BadInput(
                f"{project_id}: {about.name} is said once, when a project is begun. Begin another one."
            )
        try:
            read = about.read(value)
        except ValueError as expected:
            raise BadInput(f"{project_id}, {about.name}: expected {expected}. Correct the value.") from None
        if read == project.text(about.name):
            return None
        if wrong := register.problem_of(project, {about.name: read}):
            raise BadInput(f"{project_id}, {wrong[0]}: expected {wrong[1]}. Correct it, or set that first.")
        edit = Edit(project_id, about.name, read, project.text(about.name), _received(now, at), who, source)
        register.append(home.root, [edit], edit.edited_at)
    return edit


def resolve(
    city: str, edit_id: str, take: str, department: str, at: datetime, source: Source = "cli"
) -> Edit:
    """Settle a conflict: `theirs` is what the sheet says, `ours` what stands. Raises `BadInput` when none is open."""
    who, home = _department(department), settings().city_home(city)
    with register.lock(home.root):
        now = current(city)
        for project in now.projects.values():
            for conflict in project.conflicts:
                if conflict.edit_id != edit_id:
                    continue
                edit = register.settled(conflict, project, take, who, _received(now, at), source)
                if wrong := register.problem_of(project, {edit.field: edit.value}):
                    raise BadInput(
                        f"{edit.project_id}, {wrong[0]}: expected {wrong[1]}. Take ours, or set that first."
                    )
                register.append(home.root, [edit], edit.edited_at)
                return edit
    raise BadInput(f"{edit_id}: is no open conflict. `citycheck projects log --conflicts` names them.")


def _department(name: str) -> str:
    try:
        read = fields()["department"].read(name)
    except ValueError as expected:
        raise BadInput(f"--department {name!r}: expected {expected}. Correct it.") from None
    if not read:
        raise BadInput("--department: expected the department that says so. Give it.")
    return read


def _received(now: Current, at: datetime) -> datetime:
    """The moment of a batch, in whole seconds: never before one that is there, whatever the clock does."""
    return max(utc_naive(at).replace(microsecond=0), now.until.replace(microsecond=0) + timedelta(seconds=1))


def _project(now: Current, project_id: str) -> Project:
    if project_id not in now.projects:
        raise BadInput(f"{project_id}: is no project that goes on. `citycheck projects list` names them.")
    return now.projects[project_id]


# Telling -------------------------------------------------------------------------------------------------------------


def show(city: str, project_id: str) -> dict[str, Any]:
    """All that is known of a project, its edits and its conflicts."""
    now = current(city)
    project = _project(now, project_id)
    return {
        **project.values,
        "conflicts": [edit.as_row() for edit in project.conflicts],
        "edits": [edit.as_row() for edit in now.edits if edit.project_id == project_id],
    }


def log(city: str, *, project_id: str | None = None, conflicts: bool = False) -> list[dict[str, Any]]:
    """The edits, newest first: all, of one project, or the conflicts that nobody has settled."""
    now = current(city)
    if conflicts:
        edits: Iterable[Edit] = (edit for project in now.projects.values() for edit in project.conflicts)
    else:
        edits = now.edits
    found = [edit for edit in edits if project_id in (None, edit.project_id)]
    return [edit.as_row() for edit in sorted(found, key=lambda e: (e.edited_at, e.edit_id), reverse=True)]


def supervision(city: str, on: date) -> list[dict[str, Any]]:
    """What needs looking at on a day: overdue, stalled, and what the last release found without effect."""
    now = current(city)
    limits = {row["limit_code"]: float(row["value"]) for row in standard.seed("renewal_limits")}
    found = []
    for project in now.projects.values():
        status, last = project.text("status_code"), project.values.get("last_edited_at")
        told = max(
            [edit.edited_at for edit in now.edits if edit.project_id == project.text("project_id")]
            + ([last] if isinstance(last, datetime) else []),
            default=None,
        )
        planned = project.text("planned_end_on")
        code = None
        if status in ("proposed", "reserve", "annual", "under_way") and planned and planned < on.isoformat():
            code = "overdue"
        elif status in ("annual", "under_way") and told and (on - told.date()).days > limits["stalled_days"]:
            code = "stalled"
        if code:
            found.append(_supervised(project, code))
    released = pq.read_table(_table(now.release)).to_pylist()
    found += [
        _supervised(Project(row), "without_effect")
        for row in released
        if row["refresh_code"] == "without_effect"
    ]
    return sorted(found, key=lambda row: (row["supervision_code"], row["project_id"]))


def _supervised(project: Project, code: str) -> dict[str, Any]:
    names = ("project_id", "project_name_zh", "department", "status_code", "planned_end_on", "delivered_on")
    return {"supervision_code": code, **{name: project.text(name) or None for name in names}}
