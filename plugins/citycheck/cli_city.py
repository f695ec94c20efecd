"""`citycheck city`: try a city's profile on its files, begin one from sample files, print its schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from citycheck.errors import BadInput
from citycheck.settings import settings
from citycheck.terminal import JsonOption, examples, or_one_sentence, tell

if TYPE_CHECKING:
    from citycheck.cities.check import ColumnCheck, TableCheck

app = typer.Typer(
    no_args_is_help=True,
    help="Add a city: its profile, tried before anything is ingested. 接入一座城市。",
)


@app.command(
    "check", epilog=examples("citycheck city check tainan", "citycheck city check --feed facilities --json")
)
def check_command(
    city: Annotated[
        str | None, typer.Argument(help="A folder of cities/; by default CITYCHECK_CITY.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    half_year: Annotated[str | None, typer.Option(help="By default the latest complete one.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows of each file are tried.")] = 1000,
    download: Annotated[bool, typer.Option(help="Fetch pinned files that are not in the folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Try a profile on the first rows of its files and show what each column would become. Nothing is kept.

    With --json: names and counts, without any text of the source.
    """

    def work() -> None:
        from citycheck.cities.check import check
        from citycheck.cities.profile import load_city
        from citycheck.period import HalfYear

        found = check(
            load_city(city or settings().city),
            settings().sources,
            received_at=datetime.now(UTC),
            feed=feed,
            half_year=HalfYear.parse(half_year) if half_year else None,
            rows=rows,
            download=download,
        )
        if as_json:
            tell(True, [without_texts(table) for table in found])
        else:
            console = Console()
            show(found, console, shows_texts=console.is_terminal)
        raise typer.Exit(1 if any(table.problems for table in found) else 0)

    or_one_sentence(work)


@app.command(
    epilog=examples(
        "citycheck city new my_city --sample repair_reports=reports.csv --sample facilities=poi.xlsx"
    )
)
def new(
    name: Annotated[str, typer.Argument(help="The city's folder: small letters, digits and _.")],
    sample: Annotated[list[str], typer.Option(help="FEED=FILE or TABLE=FILE, as often as there are files.")],
    time_zone: Annotated[
        str | None, typer.Option(help="The clocks of the sources, such as Asia/Shanghai.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a first profile from sample files: what can be told is filled in, the rest is marked."""

    def work() -> None:
        from citycheck.cities.scaffold import scaffold

        samples: dict[str, Path] = {}
        for entry in sample:
            key, sign, file = entry.partition("=")
            if not sign or key in samples:
                raise BadInput(
                    f"--sample {entry!r} is not one: expected FEED=FILE or TABLE=FILE, each once, "
                    "such as repair_reports=reports.csv. Correct it."
                )
            samples[key] = Path(file)
        path = scaffold(name, samples, settings().cities, time_zone=time_zone, sources=settings().sources)
        left = [
            number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if '"?"' in line
        ]
        tell(
            as_json,
            {"path": path, "lines_to_decide": left},
            str(path),
            *([f"Decide what is marked '?' (lines {', '.join(map(str, left))})."] if left else []),
            f"Then: citycheck city check {name}",
        )

    or_one_sentence(work)


@app.command(epilog=examples("citycheck city schema > profile.schema.json"))
def schema() -> None:
    """Print the JSON schema of profiles, as docs/profile.schema.json holds it."""

    def work() -> None:
        from citycheck.cities.schema import text

        print(text(), end="")

    or_one_sentence(work)


def without_texts(table: TableCheck) -> dict[str, Any]:
    """What may go into a file: names and counts."""
    told = asdict(table)
    for column in told["columns"]:
        del column["examples"]
        column["unmapped"] = [{"rows": text["rows"]} for text in column["unmapped"]]
    return told


def show(found: Sequence[TableCheck], console: Console, *, shows_texts: bool) -> None:
    """Tables for people; texts of the source only where they stay on a screen."""
    for table in found:
        console.rule(
            f"[bold]{table.feed} → {table.table}[/] from {escape(table.source)}/{escape(table.file or table.pattern)}",
            align="left",
        )
        facts = [f"{table.rows} rows read of the first of {table.files} file(s)"]
        facts += [f"{table.rows_out_of_scope} out of scope"] if table.rows_out_of_scope else []
        facts += [f"encoding {table.encoding}"] if table.encoding else []
        facts += [f"delimiter {table.delimiter!r}"] if table.delimiter else []
        console.print(" · ".join(facts), highlight=False)
        if table.columns:
            console.print(_grid(table.columns, shows_texts))
        if table.not_taken:
            console.print(f"not taken: {escape(' · '.join(table.not_taken))}", highlight=False)
        for guard in table.guards:
            console.print(
                f"correction “{escape(guard.reason)}”: {guard.share:.1%} of the rows read, {guard.share_min:.1%} needed "
                "(the whole delivery decides)",
                highlight=False,
            )
        for column in table.columns:
            if column.unmapped and shows_texts:
                console.print(f"texts of {column.name} that no map covers, for `values`:", highlight=False)
                for text in column.unmapped:
                    console.print(f"  {text.line}", highlight=False, markup=False)
        for note in table.notes:
            console.print(f"note: {note}", highlight=False, markup=False)
        for problem in table.problems:
            console.print(f"✗ {problem}", style="red", highlight=False, markup=False)
    if not shows_texts:
        console.print("Texts of the source are shown on a terminal only.", highlight=False)


def _grid(columns: Sequence[ColumnCheck], shows_texts: bool) -> Table:
    grid = Table(show_edge=False, pad_edge=False)
    for name in ("column", "from", *(["becomes"] if shows_texts else []), "null", "errors"):
        grid.add_column(name, justify="right" if name == "null" else "left", overflow="fold")
    for column in columns:
        told = [
            f"{'•••' if column.is_protected else example.before or ''} → {'null' if example.after is None else example.after}"
            for example in column.examples
        ]
        errors = ", ".join(f"{code} {rows}" for code, rows in column.errors.items())
        grid.add_row(
            escape(column.name + ("*" if column.required else "")),
            escape(column.origin),
            *([escape("\n".join(told))] if shows_texts else []),
            f"{column.null_share:.1%}",
            escape(errors),
            style="red" if errors else None,
        )
    return grid
