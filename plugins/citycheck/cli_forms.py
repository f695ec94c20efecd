"""`citycheck forms`: the questionnaire, paper forms and minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from citycheck.settings import settings
from citycheck.terminal import CityOption, JsonOption, examples, known, or_one_sentence, tell

app = typer.Typer(
    no_args_is_help=True,
    help="The questionnaire, paper forms and minutes. 问卷、纸质表与座谈会纪要。",
)

OutArgument = Annotated[Path, typer.Argument(help="The workbook to write (.xlsx).")]


@app.command(epilog=examples("citycheck forms xlsform questionnaire.xlsx"))
def xlsform(out: OutArgument, city: CityOption = None, as_json: JsonOption = False) -> None:
    """Write the questionnaire as an XLSForm for KoboToolbox or ODK Central, in Chinese and English."""
    _write_form("xlsform", out, city, as_json)


@app.command(epilog=examples("citycheck forms paper paper.xlsx"))
def paper(out: OutArgument, city: CityOption = None, as_json: JsonOption = False) -> None:
    """Write the spreadsheet into which a clerk types questionnaires answered on paper."""
    _write_form("paper", out, city, as_json)


@app.command(epilog=examples("citycheck forms minutes minutes.xlsx"))
def minutes(out: OutArgument, city: CityOption = None, as_json: JsonOption = False) -> None:
    """Write the spreadsheet for the minutes of residents' meetings."""
    _write_form("minutes", out, city, as_json)


def _write_form(
    form: Literal["xlsform", "paper", "minutes"], out: Path, city: str | None, as_json: bool
) -> None:
    from citycheck.forms import commands

    def work() -> None:
        home = settings().city_home(known(city))
        path = commands.write_form(form, home, out)
        tell(as_json, {"path": out}, str(path))

    or_one_sentence(work)


@app.command("check", epilog=examples("citycheck forms check filled.xlsx"))
def check_form(
    file: Annotated[Path, typer.Argument(help="A filled spreadsheet.")], as_json: JsonOption = False
) -> None:
    """Check a filled spreadsheet; what is rejected comes back in a marked copy beside it. Exit status 1: something is."""
    from citycheck.forms import commands

    def work() -> None:
        checked, told = commands.take_in(file)
        tell(as_json, {"problems": len(checked.problems), "told": told}, told)
        if checked.problems:
            raise typer.Exit(1)

    or_one_sentence(work)


@app.command(
    "profile",
    epilog=examples("citycheck forms profile kobo", "citycheck forms profile paper --files '*.xlsx'"),
)
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
