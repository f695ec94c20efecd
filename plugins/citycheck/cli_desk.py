"""`citycheck sql`, `insight`, `index`, `simulate`, `method` and `index-schema`: what an analyst asks for."""

from __future__ import annotations

import gc
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from citycheck.errors import BadInput
from citycheck.terminal import (
    DESK,
    STANDARD,
    CityOption,
    HalfYearArgument,
    HalfYearOption,
    JsonOption,
    examples,
    known,
    or_one_sentence,
    tell,
)

app = typer.Typer()


@app.command(
    rich_help_panel=DESK,
    epilog=examples(
        'citycheck sql "select rank, area_name, index_score from county_index order by rank"',
        "citycheck sql .tables",
        "citycheck sql '.docs county_index'",
        "citycheck sql 'from shortfalls' --csv > shortfalls.csv",
        "citycheck sql --attach",
    ),
)
def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="A query, or .tables, .schema TABLE, .docs TABLE; without one, a prompt."),
    ] = None,
    half_year: HalfYearOption = None,
    build_id: Annotated[
        str | None, typer.Option("--build", help="A build that is not published, such as a candidate.")
    ] = None,
    city: CityOption = None,
    attach: Annotated[
        bool, typer.Option("--attach", help="Say how DBeaver, Python, R and DuckDB open the marts.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout, and nothing else there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Query the marts of a half-year, read-only; nothing but them is read, and nothing is written. 查询。

    Tables are found without their schema: marts, standard, intermediate, staging. docs/marts.md says what they hold.
    """
    from citycheck import desk

    def work() -> None:
        if as_csv and as_json:
            raise BadInput("--csv and --json exclude each other. Give one of them.")
        database = desk.marts(known(city), half_year, build_id)
        if query is None and (attach or as_json or as_csv or not sys.stdin.isatty()):
            ways = desk.attach(database)
            tell(
                as_json,
                {"path": database.absolute(), "attach": ways},
                f"{database.absolute()}  read-only; it follows the published version, so open it anew after one",
                *(f"{name:8} {way}" for name, way in ways.items()),
            )
            return
        with desk.opened(database) as connection:
            if query is None:
                desk.prompt(connection)
            elif query.lstrip().startswith("."):
                lines = desk.command(connection, query)
                tell(as_json, {"lines": lines}, *lines)
            elif as_json:
                tell(True, desk.ask(connection, query, desk.records))
            elif as_csv:
                print(desk.ask(connection, query, desk.csv), end="")
            else:
                desk.ask(connection, query, desk.shown)

    or_one_sentence(work)


@app.command(
    rich_help_panel=DESK,
    epilog=examples(
        "citycheck insight 府前社区", "citycheck insight 330802001001 --half-year 2026H1 --out page.html"
    ),
)
def insight(
    community: Annotated[str, typer.Argument(help="Code or name of a community.")],
    city: CityOption = None,
    half_year: HalfYearOption = None,
    out: Annotated[Path | None, typer.Option(help="The page; by default insight-COMMUNITY.html.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the one-page insight of a community's needs. 生活需求洞察报告。"""
    from citycheck.survey import insight as page

    def work() -> None:
        path = page.write(known(city), community, half_year, out)
        tell(as_json, {"path": path}, str(path))

    or_one_sentence(work)


@app.command(
    "index",
    rich_help_panel=DESK,
    epilog=examples(
        "citycheck index --spec hdi.yml --data countries.csv --out scores.csv",
        "citycheck index --spec hdi.yml --data countries.csv --compare hdi --json",
    ),
)
def index_command(
    spec: Annotated[Path, typer.Option(help="The index, as docs/index-engine.md says (YAML).")],
    data: Annotated[Path, typer.Option(help="The table: .csv, .tsv, .parquet or .xlsx, one row per unit.")],
    out: Annotated[Path | None, typer.Option(help="Write one row per unit, as .csv or .parquet.")] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            help="A published column, or COLUMN=NODE.percentile_rank; by default those of the spec."
        ),
    ] = None,
    as_json: JsonOption = False,
    most: Annotated[int | None, typer.Option("--rows", min=1, help="Print only the first of them.")] = None,
) -> None:
    """Compute any index from a table, by the models that make the city's, and compare it with what was published. 任意指数。"""
    from citycheck.index import commands

    or_one_sentence(
        lambda: commands.run(spec, data, out=out, columns=compare or [], json_only=as_json, most=most)
    )


@app.command(
    rich_help_panel=DESK,
    epilog=examples(
        "citycheck simulate 2026H1 --add F08@118.8735,28.9402,300",
        "citycheck simulate 2026H1 --add F15@118.87,28.94,400,subtype=supermarket --add F03@118.88,28.95,300,capacity=90",
        "citycheck simulate 2026H1 --pool annual_list --json",
    ),
)
def simulate(
    half_year: HalfYearArgument,
    add: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND@LON,LAT,AREA: WGS84 degrees, m² of floor or land; with ,NAME=VALUE such as capacity=90. May be repeated."
        ),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project of the release, by its id; may be repeated.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="All projects of a pool that have a site: annual_list.")
    ] = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what facilities that are not there would change in a released half-year, to the last digit. 模拟。"""
    gc.disable()  # a tenth of the time; what is left over goes with the process
    from citycheck.renewal.additions import Addition
    from citycheck.steps import simulate as steps

    def work() -> None:
        additions = [Addition.parse(text) for text in add or []]
        if project or pool:
            additions += steps.of_projects(known(city), half_year, project or [], pool)
        elif not additions:
            raise BadInput("Nothing is to be simulated. Give --add, --project or --pool.")
        effects = steps.run(known(city), half_year, additions)
        if as_json:
            told = {
                "additions": [asdict(one) for one in additions],
                "effects": [asdict(one) for one in effects],
            }
            tell(True, told)
        else:
            from citycheck.renewal import whatif_table

            tell(False, None, *whatif_table.lines(effects, shutil.get_terminal_size((140, 0)).columns))

    try:
        or_one_sentence(work)
    finally:
        gc.enable()


@app.command("method", rich_help_panel=STANDARD, epilog=examples("citycheck method"))
def method_command(as_json: JsonOption = False) -> None:
    """Write docs/method.md and docs/method.zh-CN.md from the standard's seeds and dbt's descriptions. 方法文档。"""
    from citycheck import method

    def work() -> None:
        paths = list(method.write())
        tell(as_json, {"paths": paths}, *map(str, paths))

    or_one_sentence(work)


@app.command(
    "index-schema",
    rich_help_panel=STANDARD,
    epilog=examples("citycheck index-schema > index-spec.schema.json"),
)
def index_schema() -> None:
    """Print the JSON schema of an index spec, as docs/index-spec.schema.json holds it. 指数规格的模式。"""
    from citycheck.index.spec import schema_text

    print(schema_text(), end="")
