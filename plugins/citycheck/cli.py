"""The command line: the steps from a shell, and the whole line on this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from citycheck import cli_city, cli_release
from citycheck.errors import CitycheckError
from citycheck.settings import settings
from citycheck.terminal import or_one_sentence

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Check the health of a city's communities every half-year. 城镇社区半年度专项体检。",
)

forms = typer.Typer(
    no_args_is_help=True, help="The questionnaire, paper forms and minutes. 问卷、纸质表与座谈会纪要。"
)
app.add_typer(forms, name="forms")
app.add_typer(cli_city.app, name="city")
app.add_typer(cli_release.app)

CityOption = Annotated[str | None, typer.Option(help="A folder of cities/; by default CITYCHECK_CITY.")]
HalfYearArgument = Annotated[str, typer.Argument(help="Such as 2026H1.")]


@app.command()
def demo(city: CityOption = None) -> None:
    """Start Airflow, run the DAGs for the city's half-years, and show what comes out."""
    from citycheck import demo as demonstration

    or_one_sentence(lambda: demonstration.run(city or settings().city))


@app.command()
def up(city: CityOption = None) -> None:
    """Start Airflow and leave it running."""
    from citycheck import demo as demonstration

    or_one_sentence(lambda: demonstration.up(city or settings().city))


@app.command()
def down() -> None:
    """Stop the Airflow that `up` started."""
    from citycheck import demo as demonstration

    or_one_sentence(demonstration.down)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def airflow(context: typer.Context) -> None:
    """Run one of Airflow's own commands on what `up` started, such as `airflow backfill create …`."""
    from citycheck import demo as demonstration

    def work() -> None:
        raise typer.Exit(demonstration.airflow(context.args))

    or_one_sentence(work)


@app.command()
def ingest(feed: str, half_year: HalfYearArgument, city: CityOption = None) -> None:
    """Bring one feed of a half-year into the lake: land → map → gate → accept."""
    from citycheck.steps import ingest as steps

    def work() -> None:
        about = (city or settings().city, feed, half_year)
        delivery = steps.land(*about, received_at=datetime.now(UTC))
        steps.map_delivery(*about, delivery)
        steps.gate(*about, delivery)
        for row in steps.accept(*about, delivery)["ledger"]:
            print(
                f"{row['table_name']:18} {row['source_file']:44} in {row['rows_in']:>7}  accepted {row['rows_accepted']:>7}  "
                f"quarantined {row['rows_quarantined']:>5}  duplicates {row['rows_duplicate']:>5}  "
                f"out of scope {row['rows_out_of_scope']:>5}"
            )

    or_one_sentence(work)


@app.command()
def unmapped(feed: str, half_year: HalfYearArgument, city: CityOption = None) -> None:
    """Show the texts that no map of the profile covers, with their rows, as lines to add to the profile."""
    from citycheck.steps import ingest as steps

    def work() -> None:
        lines = steps.unmapped_lines(city or settings().city, feed, half_year)
        print("\n".join(lines) or "Every text is covered by a map of the profile.")

    or_one_sentence(work)


@app.command()
def matches(
    half_year: HalfYearArgument,
    decision: Annotated[str, typer.Option(help="same, different or review.")] = "review",
    city: CityOption = None,
) -> None:
    """Show pairs of facilities of different sources, with the line that decides them in facility_matches.csv."""
    from citycheck.steps import ingest as steps

    def work() -> None:
        found = steps.matched_pairs(city or settings().city, half_year, decision)
        for pair in found:
            print(
                f"{pair['score']:.2f}  {pair['distance_m']:>5.0f} m  {pair['facility_name']} ↔ {pair['other_facility_name']}\n"
                f"      {pair['csv_line']}"
            )
        print(f"{len(found)} pair(s) of decision {decision!r}")

    or_one_sentence(work)


@app.command()
def insight(
    community: Annotated[str, typer.Argument(help="Code or name of a community.")],
    city: CityOption = None,
    half_year: Annotated[str | None, typer.Option(help="By default the latest that is published.")] = None,
    out: Annotated[Path | None, typer.Option(help="The page; by default insight-COMMUNITY.html.")] = None,
) -> None:
    """Write the one-page insight of a community's needs (生活需求洞察报告)."""
    from citycheck.survey import insight as page

    or_one_sentence(lambda: print(page.write(city or settings().city, community, half_year, out)))


@app.command("index")
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
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    most: Annotated[int | None, typer.Option("--rows", min=1, help="Print only the first of them.")] = None,
) -> None:
    """Compute any index from a table, by the models that make the city's, and compare it with what was published."""
    from citycheck.index import commands

    or_one_sentence(
        lambda: commands.run(spec, data, out=out, columns=compare or [], json_only=as_json, most=most)
    )


@app.command("method")
def method_command() -> None:
    """Write docs/method.md and docs/method.zh-CN.md from the standard's seeds and dbt's descriptions."""
    from citycheck import method

    or_one_sentence(lambda: print("\n".join(str(path) for path in method.write())))


@app.command("index-schema")
def index_schema() -> None:
    """Print the JSON schema of an index spec, as docs/index-spec.schema.json holds it."""
    from citycheck.index.spec import schema_text

    print(schema_text(), end="")


@app.command("watch-repairs")
def watch_repairs(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the digest of everything; tell nobody.")
    ] = False,
    city: CityOption = None,
) -> None:
    """Tell who is responsible which reports will break a 24 h promise soon, and which have; each is told once."""
    from citycheck.steps import repair_watch

    def work() -> None:
        now = datetime.now(UTC)
        if dry_run:
            print(repair_watch.preview(city or settings().city, now))
            return
        seen = repair_watch.run(city or settings().city, now)
        print(
            f"{seen['open_reports']} open report(s): {seen['will_break']} alarm(s) of promises that will break, "
            f"{seen['broken']} of broken ones; newest record {seen['newest'] or 'none'}"
            f"{', which is old' if seen['stale'] else ''}"
        )
        for told in seen["channels"]:
            print(f"{told['channel']}: {told['state']}, {told['alarms']} new  {told['error'] or ''}".rstrip())
        if not seen["channels"]:
            print("The profile names no channel under alerts; nobody was told.")

    or_one_sentence(work)


@app.command()
def recompute(half_year: HalfYearArgument, city: CityOption = None) -> None:
    """Count a released half-year again by today's definitions, so that later ones compare with it."""
    from citycheck.steps import recompute as steps

    or_one_sentence(lambda: print(steps.recompute(city or settings().city, half_year)))


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one, how to attach is told.")] = None,
    half_year: Annotated[str | None, typer.Option(help="By default the last one built.")] = None,
    city: CityOption = None,
) -> None:
    """Query the marts of a half-year, read-only."""
    import duckdb

    from citycheck import duck

    def work() -> None:
        warehouse = settings().city_home(city or settings().city).warehouse
        databases = sorted(warehouse.glob("[0-9]*H[12].duckdb"))
        wanted = [d for d in databases if half_year in (None, d.stem)]
        if not wanted:
            raise CitycheckError(
                f"{warehouse}: no marts of {half_year or 'any half-year'} are there. Run `citycheck build` first."
            )
        database = wanted[-1]
        if query is None:
            print(
                f"Python   duckdb.connect({str(database)!r}, read_only=True).sql('from marts.county_index')"
            )
            print(f"DuckDB   duckdb -readonly {database}")
            return
        try:
            with duck.connect(database, read_only=True) as connection:
                connection.execute("set search_path = 'marts,standard,intermediate,staging'")
                connection.execute(
                    "set enable_external_access = false"
                )  # nothing but the marts is read or written
                rows = connection.sql(query)
                if rows is None:
                    raise CitycheckError("This is not a query: expected one that gives rows. Correct it.")
                rows.show(max_rows=200)
        except duckdb.Error as error:
            raise CitycheckError(f"The query cannot be run: {str(error).strip()} Correct it.") from None

    or_one_sentence(work)


OutArgument = Annotated[Path, typer.Argument(help="The workbook to write (.xlsx).")]


@forms.command()
def xlsform(out: OutArgument, city: CityOption = None) -> None:
    """Write the questionnaire as an XLSForm for KoboToolbox or ODK Central, in Chinese and English."""
    _write_form("xlsform", out, city)


@forms.command()
def paper(out: OutArgument, city: CityOption = None) -> None:
    """Write the spreadsheet into which a clerk types questionnaires answered on paper."""
    _write_form("paper", out, city)


@forms.command()
def minutes(out: OutArgument, city: CityOption = None) -> None:
    """Write the spreadsheet for the minutes of residents' meetings."""
    _write_form("minutes", out, city)


def _write_form(form: Literal["xlsform", "paper", "minutes"], out: Path, city: str | None) -> None:
    from citycheck.forms import commands

    home = settings().city_home(city or settings().city)
    or_one_sentence(lambda: print(commands.write_form(form, home, out)))


@forms.command("check")
def check_form(file: Path) -> None:
    """Check a filled spreadsheet; what is rejected comes back in a marked copy beside it."""
    from citycheck.forms import commands

    def work() -> None:
        checked, told = commands.take_in(file)
        print(told)
        if checked.problems:
            raise typer.Exit(1)

    or_one_sentence(work)


@forms.command("profile")
def form_profile(
    way: Annotated[Literal["kobo", "odk", "paper", "minutes"], typer.Argument(help="How it was answered.")],
    source: Annotated[
        str, typer.Option(help="The source of the profile that brings the answers.")
    ] = "survey",
    files: Annotated[str, typer.Option(help="The pattern of its files.")] = "*",
) -> None:
    """Print the lines of a profile that map the answers to our own forms."""
    from citycheck.forms import mapping

    or_one_sentence(lambda: print(mapping.snippet(way, source, files)))
