"""`citycheck siting` and what else leads from a shortfall to a project."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import typer

from citycheck.terminal import (
    DESK,
    CityOption,
    HalfYearArgument,
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
        "citycheck siting 2026H1 --kind F08 --sites 5",
        "citycheck siting 2026H1 --kind F07 --sites 8 --floor 0.5 --county 330802 --geojson sites.geojson",
        "citycheck siting 2026H1 --kind F11 --problem full_coverage --json",
    ),
)
def siting(
    half_year: HalfYearArgument,
    kind: Annotated[str, typer.Option(help="Kind of facility, such as F08.")],
    problem: Annotated[
        Literal["max_coverage", "full_coverage", "p_median", "capacitated"],
        typer.Option(
            help="Cover most people; everybody with the fewest sites; shorten ways; cover most within --capacity."
        ),
    ] = "max_coverage",
    sites: Annotated[int | None, typer.Option(help="At most so many new sites.")] = None,
    budget: Annotated[float | None, typer.Option(help="At most so many yuan.")] = None,
    floor: Annotated[
        float | None, typer.Option(help="Each area is to have this share of its people covered, 0 to 1.")
    ] = None,
    floor_level: Annotated[
        Literal["street", "county"], typer.Option(help="What an area of --floor is.")
    ] = "street",
    county: Annotated[str | None, typer.Option(help="Only this county, by its code.")] = None,
    capacity: Annotated[float | None, typer.Option(help="People that one site can serve.")] = None,
    gap: Annotated[
        float, typer.Option(help="End at this relative gap, such as 0.01; by default proven.")
    ] = 0.0,
    nodes: Annotated[int | None, typer.Option(help="End after so many nodes of the search.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="End after so long; the answer may differ from machine to machine.")
    ] = None,
    geojson: Annotated[Path | None, typer.Option(help="Write the chosen sites as GeoJSON.")] = None,
    build_id: Annotated[str | None, typer.Option("--build", help="A build that is not published.")] = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose where facilities of a kind should be built, and prove how good the choice is. 选址优化。"""
    from citycheck import desk
    from citycheck.cities.profile import load_city
    from citycheck.lake.files import write_json
    from citycheck.renewal.siting import Limits
    from citycheck.steps import siting as steps

    def work() -> None:
        asked = steps.Question(
            kind, problem, sites, budget, floor, floor_level, county, capacity, Limits(gap, nodes, seconds)
        )
        profile = load_city(known(city)).profile
        database = desk.marts(profile.city, half_year, build_id)
        begun = perf_counter()
        found = steps.run(
            database, asked, detour_factor=profile.detour_factor, is_synthetic=profile.is_synthetic
        )
        took = perf_counter() - begun
        if geojson is not None:
            write_json(geojson, found.geojson())
        tell(as_json, {"half_year": half_year, **found.as_json(), "seconds": took}, *steps.told(found, took))

    or_one_sentence(work)


@app.command(
    rich_help_panel=DESK,
    epilog=examples(
        "citycheck programme 2026H1 --budget 60000000 --for index",
        "citycheck programme 2026H1 --budget 20000000 --for elders --json",
    ),
)
def programme(
    half_year: HalfYearArgument,
    budget: Annotated[float, typer.Option(min=1, help="Yuan that the year's projects may cost together.")],
    objective: Annotated[
        Literal["index", "elders"],
        typer.Option(
            "--for", help="Most points of the city's index, or most people aged 60 or over newly in reach."
        ),
    ] = "index",
    build_id: Annotated[str | None, typer.Option("--build", help="A build that is not published.")] = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the projects that bring most for a year's budget, and prove how good the choice is. 年度计划。"""
    from citycheck import desk
    from citycheck.cities.profile import load_city
    from citycheck.steps import renewal

    def work() -> None:
        code = {"index": "index_points", "elders": "elders_covered"}[objective]
        database = desk.marts(known(city), half_year, build_id)
        found = renewal.ask(
            database, code, budget, detour_factor=load_city(known(city)).profile.detour_factor
        )
        tell(as_json, {"half_year": half_year, **found}, *renewal.told(found))

    or_one_sentence(work)


@contextmanager
def _solver_on_stderr() -> Iterator[None]:
    """HiGHS sometimes writes to the process's stdout, past Python: there, JSON would not be JSON any more."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
