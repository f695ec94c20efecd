"""The attack on published bundles: one that holds, and each way in which one could fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import duckdb
import pytest
import yaml

from citycheck.disclosure import audit
from citycheck.disclosure.suppress import suppress
from citycheck.disclosure.system import Table
from citycheck.disclosure.tables import Limits, Sums, primary, table
from citycheck.errors import BadInput
from citycheck.release.bundle import GEOMETRY, TABLES

AREAS = {
    "community": {f"C{n}": f"C{n}" for n in range(1, 7)},
    "street": {f"C{n}": "S1" if n < 4 else "S2" for n in range(1, 7)},
    "county": {f"C{n}": "K" for n in range(1, 7)},
    "city": {f"C{n}": "X" for n in range(1, 7)},
}
COUNTS = {"C1": (12, 80), "C2": (45, 50), "C3": (60, 62), "C4": (40, 44), "C5": (70, 41), "C6": (52, 55)}


def surveyed(counts: Mapping[str, tuple[int, int]]) -> Table:
    return table(
        ("survey_satisfaction", "satisfaction_gov"),
        AREAS,
        {"sex": ["sex_f", "sex_m"]},
        {
            (community, group): Sums(count, count, (count // 2,))
            for community, (women, men) in counts.items()
            for group, count in (("sex_f", women), ("sex_m", men), ("all", women + men))
        },
        1,
        Limits(30, 10, 5, 0.1),
    )


OF = surveyed(COUNTS)
SUPPRESSED = frozenset(
    (area, group)
    for (_, area, group), reason in zip(OF.cells, suppress(OF, primary(OF, 30)), strict=True)
    if reason is not None
)
Bundle = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    def publish(
        name: str = "1",
        hidden: Collection[tuple[str, str]] = SUPPRESSED,
        indexed: Collection[str] = (),
        words: Callable[[int], tuple[str, str]] = lambda count: ("withheld", "C"),
        reason: str = "withheld",
        of: Table = OF,
    ) -> Path:
        folder = tmp_path / name
        (folder / "tables").mkdir(parents=True)
        with duckdb.connect() as connection:

            def write(table: str, columns: str, rows: list[tuple[object, ...]]) -> None:
                connection.execute(f"create or replace table t ({columns})")
                if rows:
                    connection.executemany(f"insert into t values ({', '.join('?' * len(rows[0]))})", rows)
                connection.execute(f"copy t to '{folder / 'tables' / table}.parquet'")

            cell = "area_level text, area_id text, "
            write(
                "survey_satisfaction",
                cell
                + "question_code text, group_code text, suppression text, conf_status text, respondents bigint",
                [
                    (level, area, "satisfaction_gov", group)
                    + (
                        (*words(int(count)), None)
                        if (area, group) in hidden
                        else (None, "F", 5 * round(count / 5))
                    )
                    for (level, area, group), count in zip(of.cells, of.counts.values, strict=True)
                ],
            )
            need = (
                "need_code text, suppression text, conf_status text, respondents bigint, "
                "choice_suppression text, choosing_respondents bigint"
            )
            write("survey_needs", cell + need, [])
            write(
                "survey_portrait",
                cell + "characteristic text, suppression text, conf_status text, respondents bigint",
                [],
            )
            write(
                "repair_statistics",
                cell + "category_code text, suppression text, conf_status text, ratings bigint",
                [],
            )
            write(
                "areas",
                cell + "street_id text, county_id text",
                [("city", "X", None, None)]
                + [("community", c, AREAS["street"][c], "K") for c in AREAS["community"]],
            )
            areas = {(level, area) for level, of in AREAS.items() for area in of.values()}
            write(
                "indicators",
                "indicator_code text, "
                + cell
                + "conf_status text, missing_reason text, numerator double, denominator double",
                [
                    (
                        "GOV-7",
                        level,
                        area,
                        *(("C", reason, None, None) if area in indexed else ("F", None, 50.0, 100.0)),
                    )
                    for level, area in sorted(areas)
                ],
            )
        return folder

    return publish


def test_a_suppressed_bundle_holds(bundle: Bundle) -> None:
    folder = bundle(indexed=["C1", "C2"])
    [finding] = audit.attacks([folder])
    assert finding.hidden == len(SUPPRESSED) + 2
    assert finding.recovered == ()
    assert finding.narrowest >= 5
    [line] = audit.told([finding])
    assert line.startswith("1: 40 cells, 6 kept back, ")
    assert " 0 recovered; possible counts of each hidden cell: at least " in line
    audit.check(folder)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ([("C1", "sex_f")], "community C1 sex_f: determined"),
        ([("C1", "sex_f"), ("C1", "sex_m")], "community C1 sex_f: determined"),
        ([("S1", "sex_f"), ("S2", "sex_f")], "street S1 sex_f: determined"),
    ],
    ids=["one_cell_alone", "a_row_without_a_column", "a_column_without_a_row"],
)
def test_what_can_be_computed_is_found(bundle: Bundle, hidden: list[tuple[str, str]], said: str) -> None:
    folder = bundle(hidden=hidden)
    lines = audit.told(audit.attacks([folder]))
    assert f"{len(hidden)} recovered" in lines[0]
    assert f"  recovered: survey_satisfaction satisfaction_gov, {said}" in lines
    with pytest.raises(BadInput, match=r"1: \d figures that are kept back can be computed .* keep back more"):
        audit.check(folder)


FEW = surveyed(COUNTS | {"C1": (29, 80), "C2": (29, 50)})
SQUARE = [(community, group) for community in ("C1", "C2") for group in ("sex_f", "sex_m")]


@pytest.mark.parametrize(
    "words",
    [
        lambda count: ("primary" if count < 30 else "complementary", "C"),
        lambda count: ("withheld", "A" if count < 30 else "D"),
    ],
    ids=["by_its_word", "by_its_code"],
)
def test_which_cell_is_small_must_not_be_told(
    bundle: Bundle, words: Callable[[int], tuple[str, str]]
) -> None:
    """29 women in C1 and in C2 are 60 together, give or take 5: who knows that each is at most 29 knows both."""
    [silent] = audit.attacks([bundle("silent", SQUARE, of=FEW)])
    assert silent.recovered == () and silent.narrowest >= 5
    [telling] = audit.attacks([bundle("telling", SQUARE, of=FEW, words=words)])
    assert telling.recovered == (
        "survey_satisfaction satisfaction_gov, community C1 sex_f: between 26 and 29 people",
        "survey_satisfaction satisfaction_gov, community C2 sex_f: between 26 and 29 people",
    )


def test_the_reasons_of_the_index_must_not_tell_either(bundle: Bundle) -> None:
    hidden = [(area, group) for area in ("C1", "C2") for group in ("all", "sex_f", "sex_m")]
    few = surveyed(COUNTS | {"C1": (14, 15), "C2": (14, 15)})
    [silent] = audit.attacks([bundle("silent", hidden, ["C1", "C2"], of=few)])
    assert silent.recovered == ()
    [telling] = audit.attacks(
        [bundle("telling", hidden, ["C1", "C2"], of=few, reason="sample_below_minimum")]
    )
    assert telling.recovered == (
        "survey_satisfaction satisfaction_gov, community C1 all: between 26 and 29 people",
        "survey_satisfaction satisfaction_gov, community C2 all: between 26 and 29 people",
    )


def test_the_index_alone_gives_a_lone_community_away(bundle: Bundle) -> None:
    [finding] = audit.attacks([bundle(indexed=["C1"])])
    assert finding.recovered == ("indicators GOV-7, community C1 GOV-7: determined",)


def test_two_versions_that_hold_alone_and_not_together(bundle: Bundle) -> None:
    """Each hides C1 with another community; what the later one shows of the first's choice gives C1 away."""
    squares = [[(c, g) for c in ("C1", other) for g in ("sex_f", "sex_m")] for other in ("C2", "C3")]
    versions = [bundle(str(number), hidden) for number, hidden in enumerate(squares, 1)]
    *alone, together = audit.attacks(versions)
    assert [finding.recovered for finding in alone] == [(), ()]
    assert together.versions == ("1", "2")
    assert set(together.recovered) == {
        f"survey_satisfaction satisfaction_gov, community {cell}"
        for cell in (
            "C2 sex_f: kept back before, shown later",
            "C2 sex_m: kept back before, shown later",
            "C1 sex_f: determined",
            "C1 sex_m: determined",
        )
    }
    audit.check(versions[0])
    with pytest.raises(BadInput, match=r"1 \+ 2: 4 figures"):
        audit.check(versions[1], versions[:1])


def test_what_a_later_version_keeps_back_besides_is_no_finding(bundle: Bundle) -> None:
    """Only the other way round is a cell told that was a secret: an attacker knows both, but time has an order."""
    square = [(community, group) for community in ("C1", "C2") for group in ("sex_f", "sex_m")]
    first, second = bundle("1", []), bundle("2", square)
    audit.check(second, [first])
    with pytest.raises(BadInput, match="kept back before, shown later"):
        audit.check(first, [second])


def test_a_folder_that_says_nothing_of_suppression(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    with pytest.raises(BadInput, match=r"survey_satisfaction\.parquet: a published version holds this table"):
        audit.attacks([tmp_path])
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select 1 as respondents) to '{tmp_path / 'tables' / 'survey_satisfaction'}.parquet'"
        )
    with pytest.raises(BadInput, match="it does not say what is kept back"):
        audit.attacks([tmp_path])


PLACES = {
    "areas": {"centroid_lon", "centroid_lat"},
    "communities": {"geometry", "is_geometry_repaired"},
    "facilities": {"lon", "lat", "x_m", "y_m"},
    "projects": {"site_lon", "site_lat"},
    "spatial_findings": {"lon", "lat"},
}
"""What a release may locate: areas, facilities, sites of projects (what is reported to 100 m), and buildings or streets that
are a finding; never who reported or answered."""


def test_no_published_table_locates_a_person() -> None:
    models = Path(__file__).parents[3] / "dbt_project" / "models" / "marts"
    located = {}
    for file in models.glob("*.yml"):
        for model in yaml.safe_load(file.read_text(encoding="utf-8"))["models"]:
            name = model.get("config", {}).get("alias", model["name"])
            columns = {column["name"] for column in model["columns"]}
            found = {
                column
                for column in columns
                if {"lon", "lat", "x", "y", "geometry", "point", "wkb", "wkt", "address"}
                & set(column.split("_"))
            }
            if name in (*TABLES, GEOMETRY) and found:
                located[name] = found
            if name in TABLES and name.startswith(("repair_", "survey_", "community_insights")):
                assert not {column for column in columns if column.endswith("_key") or "report_id" in column}
                assert not {"building_id", "estate_id", "response_id", "asset_id"} & columns, name
    assert located == PLACES
