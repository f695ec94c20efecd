"""Projects as the pages show them: the last release with the edits since. Knows nothing of Airflow, and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow.parquet as pq

from citycheck import duck, standard
from citycheck.release import publish as releases
from citycheck.release.about import Words
from citycheck.release.publish import Release
from citycheck.renewal.register import Edit, Project, fields
from citycheck.report.words import PROJECT_STATUSES, SITES, SUPERVISIONS, VERDICTS
from citycheck.settings import settings
from citycheck.steps import earlier, projects
from citycheck.steps.projects import Current
from citycheck.web import rows

A_PAGE = 100
"""Projects on a page of the list."""
REFRESHES = {
    "new": Words("新增", "new"),
    "still_open": Words("仍未解决", "still open"),
    "closed_by_itself": Words("需求自行消除", "closed by itself"),
    "closed_by_project": Words("项目解决", "closed by a project"),
    "without_effect": Words("交付未见效", "without effect"),
    "dropped": Words("取消", "dropped"),
}
EVENTS = {
    "refresh": Words("本期变化", "what the release did"),
    "status": Words("状态", "status"),
    "pool": Words("项目库", "pool"),
    "edit": Words("修改", "edit"),
    "edit_not_taken": Words("修改未采用：项目已结束", "edit not taken: the project had ended"),
    "conflict": Words("冲突，未采用", "conflict, not taken"),
    "resolved": Words("冲突已处理", "conflict settled"),
}
SOURCES = {
    "xlsx": Words("表格", "workbook"),
    "cli": Words("命令行", "command line"),
    "page": Words("页面", "page"),
}
PARTS = {
    "priority_uncovered": Words("未覆盖人口", "people not covered"),
    "priority_size_gap": Words("规模缺口", "size that is lacking"),
    "priority_need": Words("居民需求", "needs of the survey"),
    "priority_reports": Words("报事报修", "repair reports"),
}
"""Of a priority; their points add up to it."""


@dataclass(frozen=True)
class Filters:
    """Which projects are wanted; an empty text is any."""

    county: str = ""
    pool: str = ""
    status: str = ""
    department: str = ""
    supervision: str = ""
    text: str = ""

    def admit(self, project: Project, supervised: str) -> bool:
        is_conflict = self.supervision == "conflict"
        return (
            self.county in ("", project.text("county_id"))
            and self.pool in ("", project.text("pool_code"))
            and self.status in ("", project.text("status_code"))
            and self.department in ("", project.text("department"))
            and (bool(project.conflicts) if is_conflict else self.supervision in ("", supervised))
            and all(word in _said(project) for word in self.text.lower().split())
        )


@dataclass(frozen=True)
class Listing:
    """A page of the list, and what there is to choose from."""

    now: Current
    found: int
    projects: Sequence[Project]
    number: int
    """Of the page, from 1."""
    pages: int
    pools: Mapping[str, Counter[str]]
    """Pool → status → projects that go on."""
    counties: Mapping[str, str]
    departments: Sequence[str]
    supervised: Mapping[str, str]
    conflicts: int


@dataclass(frozen=True)
class Told:
    """All that is known of a project."""

    project: Project
    release: Release
    """The release in whose table it stands; of a department's new one, the last."""
    goes_on: bool
    log: Sequence[Mapping[str, Any]]
    """What releases did to it, the last first."""
    edits: Sequence[Edit]
    """What the register holds of it, the last first."""
    evaluations: Sequence[Mapping[str, Any]]
    departments: Sequence[str]


def listing(city: str, on: date, filters: Filters, number: int = 1) -> Listing:
    """The projects that go on, the most urgent first. Raises `NotReady` when no release tells of any."""
    now = projects.current(city)
    supervised = {row["project_id"]: row["supervision_code"] for row in projects.supervision(city, on)}
    pools: dict[str, Counter[str]] = {pool: Counter() for pool in fields()["pool_code"].values}
    counties: dict[str, str] = {}
    for project in now.projects.values():
        pools.setdefault(project.text("pool_code"), Counter())[project.text("status_code")] += 1
        if project.text("county_id"):
            counties[project.text("county_id")] = project.text("county_name")
    found = [
        project
        for project in projects.chosen(now)
        if filters.admit(project, supervised.get(project.text("project_id"), ""))
    ]
    pages = max(1, -(-len(found) // A_PAGE))
    number = min(number, pages)
    return Listing(
        now,
        len(found),
        found[(number - 1) * A_PAGE : number * A_PAGE],
        number,
        pages,
        pools,
        dict(sorted(counties.items())),
        departments(now),
        supervised,
        sum(len(project.conflicts) for project in now.projects.values()),
    )


def one(city: str, project_id: str) -> Told | None:
    """A project that goes on, or the last that a release said of it; None when there has never been one."""
    now = projects.current(city)
    known = list(_releases(city))
    project, release = now.projects.get(project_id), now.release
    if project is None:
        for release in known:
            if stood := _rows(release, "projects", project_id):
                project = Project(stood[0])
                break
        else:
            return None
    return Told(
        project,
        release,
        project_id in now.projects,
        [row for of in known for row in _rows(of, "project_log", project_id)],
        sorted(
            (edit for edit in now.edits if edit.project_id == project_id),
            key=lambda edit: (edit.edited_at, edit.edit_id),
            reverse=True,
        ),
        [row for of in known for row in _rows(of, "project_evaluations", project_id)],
        departments(now),
    )


def departments(now: Current) -> list[str]:
    """Those that have been named, to choose from."""
    named = {project.text("department") for project in now.projects.values()}
    return sorted((named | {edit.department for edit in now.edits}) - {""})


def report_ids(city: str, told: Told) -> list[str] | None:
    """The reports behind a project, as far as they may be shown; None when the build is not kept.

    A report belongs to the shortfall of its community that its category tells of, else to its cluster's problem.
    """
    home = settings().city_home(city)
    build = str(earlier.provenance_of(told.release).get("build"))
    database = home.warehouse / told.release.half_year / build / f"{told.release.half_year}.duckdb"
    if not database.is_file():
        return None
    try:
        with duck.connect(database, read_only=True) as connection:
            found = connection.execute(_REPORTS, {"candidate": told.project.text("candidate_id")}).fetchall()
    except duckdb.Error:
        return None
    return [rows.shown(id_) for (id_,) in found]


def words() -> dict[str, Any]:
    """What the templates call the codes of projects, and how they write figures."""

    def seed(name: str, key: str) -> dict[str, Words]:
        return {row[key]: Words(row["name_zh"], row["name_en"]) for row in standard.seed(name)}

    return {
        "fields": fields(),
        "figure": lambda project, name, digits=0: plain(project.values.get(name), digits),
        "plain": plain,
        "labelled": labelled,
        "names": lambda known: [(name, name) for name in known],
        "STATUSES": PROJECT_STATUSES,
        "SUPERVISIONS": SUPERVISIONS | {"conflict": Words("有冲突", "in conflict")},
        "VERDICTS": VERDICTS,
        "SITES": SITES,
        "REFRESHES": REFRESHES,
        "EVENTS": EVENTS,
        "SOURCES": SOURCES,
        "PARTS": PARTS,
        "POOLS": seed("renewal_pools", "pool_code"),
        "MEANS": seed("renewal_means", "means_code"),
        "ACTIONS": seed("renewal_actions", "action_code"),
        "SCALES": seed("renewal_scales", "scale_code"),
        "SHORTFALLS": seed("renewal_reasons", "reason_code"),
        "KINDS": seed("facility_kinds", "kind_code") | seed("repair_categories", "category_code"),
    }


def plain(value: Any, digits: int = 0) -> str:
    """A figure of a release, or what a department wrote in its place."""
    try:
        return "–" if value in (None, "") else f"{float(value):,.{digits}f}"
    except ValueError:
        return str(value)


def labelled(known: Mapping[str, Words], codes: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Codes with their words, to choose from."""
    return [(code, " ".join(known[code])) for code in (known if codes is None else codes)]


def _said(project: Project) -> str:
    names = ("project_id", "project_name_zh", "project_name_en", "community_name", "street_name")
    return " ".join(project.text(name) for name in names).lower()


def _releases(city: str) -> Iterator[Release]:
    """The current releases that tell of projects, the last first."""
    folder = settings().city_home(city).releases
    for name in reversed(releases.half_years(folder)):
        release = releases.current(folder, name)
        if release is not None and (release.path / "tables" / "projects.parquet").is_file():
            yield release


def _rows(release: Release, table: str, project_id: str) -> list[dict[str, Any]]:
    path = release.path / "tables" / f"{table}.parquet"
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = pq.read_table(path, filters=[("project_id", "=", project_id)]).to_pylist()
    return found


_REPORTS = """
with problem as (
    select coalesce(
        (select problem_code from intermediate.int_candidate_report_ids where candidate_id = $candidate), $candidate
    ) as code
)
select distinct members.report_id
from staging.stg_report_cluster_members as members
join staging.stg_report_clusters as clusters using (cluster_id)
cross join problem
left join standard.renewal_categories as categories using (category_code)
left join marts.shortfalls as lacking
    on lacking.community_id = clusters.community_id and lacking.kind_code = categories.kind_code
where if(
    lacking.kind_code is not null,
    concat(clusters.community_id, '-', lacking.kind_code) = problem.code,
    clusters.problem_id = (select problem_id from staging.stg_report_clusters where cluster_id = problem.code)
)
order by 1
"""
