"""Three half-years of one county of the embedded city, released, with what departments say between: every way a project ends.

What came of it is told again by `lives_again` and must agree in full. What is really built is in the next half-year's files.
"""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import approving
import lives_again
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from citycheck import duck
from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.period import HalfYear
from citycheck.renewal import workbook
from citycheck.renewal.additions import Addition
from citycheck.sample import generate
from citycheck.sample.words import KINDS as WORDS
from citycheck.steps import index, ingest, projects, release

pytestmark = [pytest.mark.slow, pytest.mark.cities]
CITY, COUNTY = "quzhou_sample", "330825"
SEED = 330800
OTHER = "市财政局"
BUILT_KINDS = ("F06", "F08", "F11", "F12", "F13", "F16", "F17")
"""Kinds that count by their size alone, or by being there."""


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(hour=2, tzinfo=UTC)


def source(root: Path, half_year: str) -> Path:
    """The files of one county alone, without the planted defects."""
    out = root / "source" / half_year
    generate(out, HalfYear.parse(half_year), SEED)
    path = out / "communities" / "units.geojson"
    units = json.loads(path.read_text("utf-8"))
    units["features"] = [one for one in units["features"] if one["properties"]["县区编码"] == COUNTY]
    path.write_text(json.dumps(units, ensure_ascii=False), "utf-8")
    places = [place for one in units["features"] for place in one["geometry"]["coordinates"][0]]
    (west, south), (east, north) = map(min, zip(*places, strict=True)), map(max, zip(*places, strict=True))

    with (out / "planted_defects.csv").open(encoding="utf-8", newline="") as file:
        planted = {row["key"] for row in csv.DictReader(file)}

    def is_here(row: dict[str, str]) -> bool:
        if next(iter(row.values())) in planted:
            return False
        if "经度" in row:
            try:
                return west <= float(row["经度"]) <= east and south <= float(row["纬度"]) <= north
            except ValueError:
                return False
        code = row.get("社区编码") or row.get("小区编码") or row["路段编码"].removeprefix("LD")
        return code.startswith(COUNTY)

    for path in sorted(out.glob("*/*.csv")):
        encoding = "gb18030" if path.name == "survey_paper.csv" else "utf-8"
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if is_here(row)]
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, reader.fieldnames or [])
            writer.writeheader()
            writer.writerows(rows)
    return out


def build_facility(folder: Path, number: int, project: dict) -> None:
    """Put what a project promises into the register of facilities."""
    row = Addition.of_project(project).row(1)
    path = folder / "facilities" / "facilities.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, header).writerow(
            {
                "设施编码": f"SSF99{number:04d}",
                "设施名称": f"合成新建设施{number:04d}",
                "设施类别": WORDS[row["kind_code"]],
                "所在街道": project["street_name"],
                "经度": row["lon"],
                "纬度": row["lat"],
                "建筑面积(平方米)": row["floor_area_m2"],
                "用地面积(平方米)": row["land_area_m2"],
                "容量": row["capacity"],
                "运营状态": "正常",
            }
        )


def released(half_year: str, now: str, **request: str) -> index.Build:
    """Take in a half-year's files if they are new, and publish a version of it."""
    for feed in load_city(CITY).profile.provided_feeds:
        delivery = ingest.land(CITY, feed, half_year, datetime(2026, 11, 1, tzinfo=UTC))
        ingest.map_delivery(CITY, feed, half_year, delivery)
        ingest.gate(CITY, feed, half_year, delivery)
        ingest.accept(CITY, feed, half_year, delivery)
    build = index.begin(CITY, half_year, now=at(now), request=index.Request(**request))
    index.build_all(build)
    index.gate_marts(build)
    release.stage(build)
    approving.publish(build)
    return build


def to(project_id: str, day: str, *steps: str, **fields: str) -> None:
    """Let a department lead a project through statuses."""
    for name, value in fields.items():
        projects.set_field(CITY, project_id, name, value, "市民政局", at(day))
    for status in steps:
        projects.set_field(CITY, project_id, "status_code", status, "市民政局", at(day))


def two_sheets(root: Path, ids: list[str], own_in: str) -> list[projects.TakenIn]:
    """Two departments fill in the same export differently; the first begins a project of its own, too."""
    out = root / "export.xlsx"
    count = projects.export(CITY, "2025H1", out, county=None, department="市交通局")
    taken = [projects.take_in(CITY, out, "市交通局", at("2025-08-20"))]
    places = {name: number for number, name in enumerate(workbook.columns(), 1)}
    for who, planned in (("市交通局", date(2026, 9, 30)), (OTHER, date(2026, 12, 31))):
        book = openpyxl.load_workbook(out)
        sheet = book[workbook.PROJECTS]
        for row in range(workbook.FIRST_ROW, workbook.FIRST_ROW + count):
            assert sheet.cell(row, places["project_id"]).value in ids
            sheet.cell(row, places["planned_end_on"]).value = planned
        if who == "市交通局":
            own = {"community_id": own_in, "kind_code": "F02", "project_name_zh": "自立项目（合成）"}
            for name, value in own.items():
                sheet.cell(workbook.FIRST_ROW + count, places[name]).value = value
        file = root / f"{who}.xlsx"
        book.save(file)
        taken.append(projects.take_in(CITY, file, who, at("2025-08-21")))
    return taken


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Everything that happens, and what was released of it."""
    root = tmp_path_factory.mktemp("pools")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(root))
        settings_module.settings.cache_clear()
        load_city.cache_clear()
        yield _live(settings_module.settings().city_home(CITY))
    settings_module.settings.cache_clear()
    load_city.cache_clear()


def _live(home) -> SimpleNamespace:
    first = source(home.root, "2025H1")
    builds = {("2025H1", 1): released("2025H1", "2025-07-20")}

    open_now = sorted(
        (project.values for project in projects.current(CITY).projects.values()),
        key=lambda row: (-row["priority_score"], row["project_id"]),
    )
    fitting = iter(
        row
        for row in open_now
        if row["kind_code"] in BUILT_KINDS
        and row["scale_code"] == "micro"
        and (row["predicted_covered_in_community"] or 0) > 0
    )
    names = [
        "built", "built_too", "not_built", "after_its_end", "overdue", "stalled", "dropped", "sheet", "sheet_too", "late",
    ]  # fmt: skip
    rows = dict(zip(names, fitting, strict=False))
    ids = {name: row["project_id"] for name, row in rows.items()}

    for name in ("built", "built_too", "not_built"):
        to(ids[name], "2025-08-10", "annual", "under_way")
    to(ids["after_its_end"], "2025-08-11", "annual", "under_way", delivered_on="2026-01-05")
    to(ids["after_its_end"], "2025-08-12", "delivered")
    to(ids["overdue"], "2025-08-13", "annual", planned_end_on="2025-11-30")
    to(ids["stalled"], "2025-08-14", "annual")
    to(ids["dropped"], "2025-08-15", "dropped")
    in_sheets = [ids["sheet"], ids["sheet_too"]]
    for id_ in in_sheets:
        to(id_, "2025-08-16", department="市交通局")
    taken = two_sheets(home.root, in_sheets, rows["sheet"]["community_id"])
    settled = next(one for one in taken[-1].conflicts if one.project_id == ids["sheet"])
    projects.resolve(CITY, settled.edit_id, "theirs", "市发改委", at("2025-08-22"))
    for name in ("built", "built_too", "not_built"):
        to(ids[name], "2025-10-16", "delivered", delivered_on="2025-10-15")

    # only what is built is new, so that its effect is all there is to measure
    second = source(home.root, "2025H2")
    for folder in ("communities", "facilities"):
        shutil.rmtree(second / folder)
        shutil.copytree(first / folder, second / folder)
    for number, name in enumerate(("built", "built_too"), 1):
        build_facility(second, number, rows[name])
    builds["2025H2", 1] = released("2025H2", "2026-01-20")
    to(ids["late"], "2026-01-25", "dropped")
    builds["2025H2", 2] = released("2025H2", "2026-08-20", reason_zh="晚到的数据", reason_en="late data")
    third = source(home.root, "2026H1")
    for number, name in enumerate(("built", "built_too"), 1):
        build_facility(third, number, rows[name])
    builds["2026H1", 1] = released("2026H1", "2026-08-21")
    rebuilt = release.rebuild(CITY, "2025H2", 1)

    folders = {key: home.releases / key[0] / str(key[1]) for key in builds}
    tables = {
        key: {file.stem: file for file in (folder / "tables").glob("*.parquet")}
        for key, folder in folders.items()
    }
    edits = pd.concat(pd.read_parquet(file) for file in (home.root / "projects" / "edits").iterdir())
    return SimpleNamespace(**locals())


def table(lived, half_year: str, version: int, name: str) -> pd.DataFrame:
    return pd.read_parquet(lived.tables[half_year, version][name])


def project(lived, half_year: str, version: int, name: str) -> pd.Series:
    return table(lived, half_year, version, "projects").set_index("project_id").loc[lived.ids[name]]


def lives(lived, *versions):
    """The releases of `versions` told again: what each should say."""
    told = lives_again.Lives("Asia/Shanghai", lived.edits)
    for key in versions:
        with duck.connect(lived.builds[key].database, read_only=True) as connection:
            found = connection.execute("select * from intermediate.int_project_candidates").df()
        candidates = found.set_index("candidate_id").to_dict("index")
        yield key, told.refresh(lived.folders[key], candidates), told, found


@pytest.mark.parametrize("version", [1, 2])
def test_every_project_of_every_release_is_as_told_again(lived, version):
    columns = [
        "candidate_id", "origin_code", "refresh_code", "status_code", "pool_code", "pool_basis", "opened_half_year",
        "closed_half_year", "supervision_code", "has_conflict",
    ]  # fmt: skip
    versions = [("2025H1", 1), ("2025H2", version)] + [("2026H1", 1)] * (version == 2)
    for key, expected, told, candidates in lives(lived, *versions):
        shortfalls = table(lived, *key, "shortfalls")
        assert set(candidates.candidate_id[candidates.origin_code == "shortfall"]) == set(
            shortfalls.community_id + "-" + shortfalls.kind_code
        )
        found = table(lived, *key, "projects")
        found = found.astype(object).where(found.notna(), None)
        assert {
            row.project_id: tuple(getattr(row, name) for name in columns) for row in found.itertuples()
        } == {id_: tuple(getattr(life, name) for name in columns) for id_, life in expected.items()}

        flows = table(lived, *key, "pool_flows")
        flows = flows.astype(object).where(flows.notna(), None)
        assert {
            (row.half_year, row.pool_code): {
                name: getattr(row, name) for name in told.flows[key[0], row.pool_code]
            }
            for row in flows.itertuples()
        } == told.flows

        evaluations = table(lived, *key, "project_evaluations")
        evaluations = evaluations.astype(object).where(evaluations.notna(), None)
        assert {
            row.project_id: lives_again.Evaluation(
                *(getattr(row, name) for name in vars(told.evaluations[row.project_id]))
            )
            for row in evaluations.itertuples()
        } == told.evaluations


def test_every_goal_is_as_told_again(lived):
    folders = [lived.folders[key] for key in (("2025H1", 1), ("2025H2", 2), ("2026H1", 1))]
    expected = lives_again.goals(folders)
    found = table(lived, "2026H1", 1, "goal_progress")
    found = found.astype(object).where(found.notna(), None)
    told = {
        (row.goal_code, row.half_year): (row.value, row.expected_value, row.status_code, row.review_code)
        for row in found.itertuples()
    }
    assert told.keys() == expected.keys()
    for key, (*numbers, status, review) in expected.items():
        assert told[key][2:] == (status, review), key
        assert list(told[key][:2]) == [None if one is None else pytest.approx(one) for one in numbers], key


def test_what_was_built_is_closed_by_its_project_and_did_what_was_predicted(lived):
    evaluations = table(lived, "2025H2", 1, "project_evaluations").set_index("project_id")
    for name in ("built", "built_too"):
        assert project(lived, "2025H2", 1, name).refresh_code == "closed_by_project"
        told = evaluations.loc[lived.ids[name]]
        assert told.predicted_covered_in_community == lived.rows[name]["predicted_covered_in_community"]
        assert told.measured_covered_in_community == told.predicted_covered_in_community
        assert told.verdict_code == "as_predicted"
        assert lived.ids[name] not in set(table(lived, "2026H1", 1, "projects").project_id)


def test_what_was_delivered_without_being_built_is_without_effect_and_proposed_again(lived):
    told = project(lived, "2025H2", 1, "not_built")
    assert (told.refresh_code, told.supervision_code) == ("without_effect", "without_effect")
    again = table(lived, "2025H2", 1, "projects").query(
        "candidate_id == @told.candidate_id and refresh_code == 'new'"
    )
    assert len(again) == 1
    [event] = (
        table(lived, "2025H2", 1, "project_log")
        .query("project_id == @again.project_id.iloc[0] and event_code == 'refresh'")
        .from_value
    )
    assert event == lived.ids["not_built"]


def test_what_is_delivered_after_the_end_waits_for_the_next_release(lived):
    assert project(lived, "2025H2", 1, "after_its_end").refresh_code == "still_open"
    assert project(lived, "2026H1", 1, "after_its_end").status_code == "evaluated"


def test_supervision_names_what_is_overdue_and_what_stalls(lived):
    assert project(lived, "2025H2", 1, "overdue").supervision_code == "overdue"
    assert pd.isna(project(lived, "2025H2", 1, "stalled").supervision_code)
    assert project(lived, "2026H1", 1, "stalled").supervision_code == "stalled"


def test_what_was_dropped_is_not_proposed_for_two_half_years(lived):
    dropped = project(lived, "2025H2", 1, "dropped")
    assert (dropped.refresh_code, dropped.status_code) == ("dropped", "dropped")
    for version in (("2025H2", 1), ("2026H1", 1)):
        proposed = table(lived, *version, "projects").query("candidate_id == @dropped.candidate_id")
        assert set(proposed.refresh_code) <= {"dropped"}


def test_an_untouched_sheet_changes_nothing_and_two_sheets_conflict(lived):
    untouched, first, second = lived.taken
    assert not (untouched.edits or untouched.conflicts or untouched.problems)
    assert len(first.edits) == 2 + 3 and not first.conflicts
    assert not second.edits and {one.project_id for one in second.conflicts} == set(lived.in_sheets)
    settled, open_ = (project(lived, "2025H2", 1, name) for name in ("sheet", "sheet_too"))
    assert (settled.has_conflict, str(settled.planned_end_on)[:10]) == (False, "2026-12-31")
    assert (open_.has_conflict, str(open_.planned_end_on)[:10]) == (True, "2026-09-30")
    events = table(lived, "2025H2", 1, "project_log")
    assert set(events.query("event_code == 'conflict'").project_id) == {lived.ids["sheet_too"]}


def test_a_department_begins_a_project_of_its_own(lived):
    own = table(lived, "2025H2", 1, "projects").query("origin_code == 'department'")
    assert list(own.refresh_code) == ["new"]
    assert list(table(lived, "2026H1", 1, "projects").query("origin_code == 'department'").refresh_code) == [
        "still_open"
    ]


def test_an_edit_after_the_cut_off_waits_for_the_next_version(lived):
    assert project(lived, "2025H2", 1, "late").refresh_code == "still_open"
    assert project(lived, "2025H2", 2, "late").refresh_code == "dropped"
    assert lived.ids["late"] not in set(table(lived, "2026H1", 1, "projects").project_id)


def test_a_revision_goes_on_from_the_same_earlier_projects(lived):
    told = [
        json.loads((lived.folders["2025H2", version] / "provenance.json").read_text("utf-8"))
        for version in (1, 2)
    ]
    assert told[0]["projects_before"] == told[1]["projects_before"]
    assert told[0]["projects_before"]["half_year"] == "2025H1"
    assert {one["batch"] for one in told[0]["project_edits"]} < {
        one["batch"] for one in told[1]["project_edits"]
    }
    closed = [
        set(
            table(lived, "2025H2", version, "projects")
            .query("refresh_code == 'closed_by_project'")
            .project_id
        )
        for version in (1, 2)
    ]
    assert closed[0] == closed[1] >= {lived.ids["built"], lived.ids["built_too"]}


def test_it_is_rebuilt_to_the_byte_though_edits_and_releases_came_after_it(lived):
    assert lived.rebuilt.files > 100
    assert list(lived.rebuilt.differing) == []


def test_projects_are_counted_once(lived):
    for key in lived.builds:
        names = pq.read_table(lived.tables[key]["projects"], columns=["project_id"]).column(0).to_pylist()
        assert len(names) == len(set(names)) > 0
