"""The analyst's desk: the marts and nothing else, read-only."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from typer.testing import CliRunner

from citycheck import desk, duck
from citycheck import settings as settings_module
from citycheck.cli import app
from citycheck.errors import CitycheckError, NotReady

HOSTILE = "\x1b[31m=cmd|' /C calc'!A0 <script>"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which 2026H1 is published, 2025H2 too, and one build of 2026H1 is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(tmp_path_factory.mktemp("home")))
        settings_module.settings.cache_clear()
        home = settings_module.settings().city_home("quzhou_sample")
        for half_year, build in (("2025H2", "b0"), ("2026H1", "b1"), ("2026H1", "b2")):
            database = home.warehouse / half_year / build / f"{half_year}.duckdb"
            database.parent.mkdir(parents=True)
            with duck.connect(database) as connection:
                connection.execute(
                    "create schema marts; create schema standard; create schema intermediate; create schema staging; "
                    "create table standard.bands (band_code varchar); "
                    "create table marts.county_index (area_id varchar, area_name varchar, index_score double)"
                )
                connection.execute(
                    "insert into marts.county_index values (?, ?, 1.5), ('2', null, 'nan')", [build, HOSTILE]
                )
            link = home.warehouse / f"{half_year}.duckdb"
            if not link.exists():
                link.symlink_to(database.relative_to(home.warehouse))
        yield home
    settings_module.settings.cache_clear()


@pytest.fixture
def marts(home):
    with desk.opened(desk.marts("quzhou_sample")) as connection:
        yield connection


def asked(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["sql", *arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_the_latest_published_is_opened_else_what_is_asked_for(home):
    assert desk.marts("quzhou_sample") == home.warehouse / "2026H1.duckdb"
    assert desk.marts("quzhou_sample", "2025H2").name == "2025H2.duckdb"
    for build in ("b0", "b1", "b2"):
        [row] = json.loads(asked("--build", build, "--json", "from county_index where area_name is not null"))
        assert row["area_id"] == build
    with pytest.raises(NotReady, match="no marts of 2024H1 are published"):
        desk.marts("quzhou_sample", "2024H1")


def test_a_pointer_to_a_build_that_is_gone_is_not_followed(home):
    pointer = home.warehouse / "2026H2.duckdb"
    pointer.symlink_to("2026H2/gone/2026H2.duckdb")
    try:
        assert desk.marts("quzhou_sample").name == "2026H1.duckdb"
    finally:
        pointer.unlink()


@pytest.mark.parametrize(
    "query",
    [
        "drop table marts.county_index",
        "insert into marts.county_index values ('3', '', 1)",
        "select 1; delete from marts.county_index",
        "copy (select 1) to '{folder}/x.csv'",
        "export database '{folder}/x'",
        "attach '{folder}/x.duckdb'",
        "from read_csv('{folder}/secret.csv')",
        "from '{folder}/secret.csv'",
        "from glob('{folder}/*')",
        "select * from read_text('{folder}/secret.csv')",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set python_enable_replacements = true",
        "create secret s (type s3)",
        "from query",
        "from HOSTILE",
        "",
    ],
)
def test_nothing_is_written_and_nothing_else_is_read(query, marts, tmp_path):
    (tmp_path / "secret.csv").write_text("a\nsecret\n", "utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CitycheckError, match=r"Correct it\.$"):
        desk.ask(marts, query.format(folder=tmp_path), desk.records)
    assert sorted(tmp_path.rglob("*")) == before
    assert desk.ask(marts, "select count(*) as n from county_index", desk.records) == [{"n": 2}]


def test_an_answer_as_table_json_and_csv(home):
    table = asked("from county_index order by area_id desc")
    assert "area_name" in table and "\x1b" not in table
    query = "from county_index order by area_id desc"
    assert json.loads(asked(query, "--json")) == [
        {"area_id": "b1", "area_name": HOSTILE, "index_score": 1.5},
        {"area_id": "2", "area_name": None, "index_score": None},
    ]
    [head, first, _] = csv.reader(
        StringIO(asked("select '=1+1' as formula, 1.5 as x union all select 'b', 2", "--csv"))
    )
    assert head == ["formula", "x"] and first == ["'=1+1", "1.5"]


def test_tables_schema_and_docs(home):
    assert asked(".tables").startswith("county_index") and "One row per county" in asked(".tables")
    assert "index_score" in asked(".schema county_index") and "DOUBLE" in asked(".schema marts.county_index")
    assert "Index, 0 to 100" in asked(".docs county_index")
    assert "band_code" in asked(".schema standard.bands")
    assert json.loads(asked(".tables", "--json"))["lines"]


def test_the_documentation_of_a_mart_under_another_name_is_that_of_its_model():
    assert "value, score" in desk.docs()["indicators"].description


def test_without_a_query_and_a_terminal_it_says_how_to_attach_read_only(home):
    path = str(home.warehouse / "2026H1.duckdb")
    told = asked().splitlines()
    assert [path in line for line in told] == [True] * 5
    ways = json.loads(asked("--attach", "--json"))
    assert ways["path"] == path
    assert "-readonly" in ways["attach"]["duckdb"] and "read_only = TRUE" in ways["attach"]["r"]
    assert (
        "read_only=True" in ways["attach"]["python"]
        and "duckdb.read_only = true" in ways["attach"]["dbeaver"]
    )
    scope = {"duckdb": desk.duckdb}
    assert len(eval(ways["attach"]["python"], scope)) == 2


def test_the_prompt_reads_queries_over_lines_and_goes_on_after_an_error(marts, capsys):
    lines = iter(
        [
            ".foo",
            ".schema nothing",
            "select area_id",
            "from county_index;",
            "select x;",
            ".docs county_index",
            ".quit",
            "x",
        ]
    )
    desk.prompt(marts, lambda _: next(lines))
    said = capsys.readouterr().out
    assert "'.foo' is no command here" in said and "There is no table 'nothing'" in said
    assert "b1" in said and "The query cannot be run" in said and "Index, 0 to 100" in said
    assert list(lines) == ["x"]
