"""What if, asked from the pages: the release that was asked last stays open, and one question is answered at a time.

Knows nothing of Airflow. A question is written as for `citycheck simulate`, so that page and command line ask the same.
"""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from citycheck import duck, standard
from citycheck.errors import BadInput, CitycheckError, NotReady
from citycheck.release import publish as releases
from citycheck.release.publish import Release
from citycheck.renewal.additions import Addition
from citycheck.renewal.whatif import WhatIf
from citycheck.report.layout import METRES_PER_DEGREE
from citycheck.report.shapes import shapes
from citycheck.settings import settings
from citycheck.steps import simulate

MOST = 20
"""Facilities, and projects, of one question; the annual list comes on top."""
PATIENCE_S = 10.0
_WAITING = 3
"""Who may wait for the answer before; a fourth is refused at once."""
_log = logging.getLogger(__name__)


class Question(BaseModel):
    """What is to be imagined; `add` as `citycheck simulate --add` takes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    add: list[str] = Field(default=[], max_length=MOST)
    projects: list[str] = Field(default=[], max_length=MOST)
    pool: Literal["annual_list"] | None = None

    def command(self, half_year: str) -> str:
        """The command that gives the same answer."""
        said = [f"--add {shlex.quote(text)}" for text in self.add]
        said += [f"--project {shlex.quote(text)}" for text in self.projects]
        said += [f"--pool {self.pool}"] if self.pool else []
        return " ".join(["citycheck simulate", half_year, *said])


class Busy(CitycheckError):
    """Other questions are being answered."""


class Desk:
    """Answers what people ask."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(1 + _WAITING)
        self._open: tuple[Release, WhatIf] | None = None

    def ask(self, city: str, half_year: str, question: Question) -> dict[str, Any]:
        """What would be another. Raises `BadInput`, `NotReady`, and `Busy` when it cannot be answered soon."""
        additions = [Addition.parse(text) for text in question.add]
        if question.projects or question.pool:
            additions += simulate.of_projects(city, half_year, question.projects, question.pool)
        if not additions:
            raise BadInput("Nothing is to be imagined. Add a facility or a project.")
        simulate.check(city, additions)
        if not self._places.acquire(blocking=False):
            raise Busy("Others are asking.")
        try:
            if not self._turn.acquire(timeout=PATIENCE_S):
                raise Busy("Others are asking.")
            try:
                return self._answer(city, half_year, question, additions)
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def close(self) -> None:
        """Let go of the release that is open."""
        if self._open:
            self._open[1].close()
        self._open = None

    def _answer(
        self, city: str, half_year: str, question: Question, additions: list[Addition]
    ) -> dict[str, Any]:
        began = time.perf_counter()
        release = released(city, half_year)
        if self._open is None or self._open[0] != release:
            self.close()
            self._open = (release, simulate.opened(city, half_year))
        effects = self._open[1].effects(additions)
        return {
            "city": city,
            "half_year": half_year,
            "version": release.version,
            "command": question.command(half_year),
            "seconds": round(time.perf_counter() - began, 2),
            "additions": [asdict(one) for one in additions],
            "effects": [asdict(one) for one in effects],
        }


def released(city: str, half_year: str) -> Release:
    """The current release of a half-year. Raises `NotReady` when there is none."""
    found = releases.current(settings().city_home(city).releases, half_year)
    if found is None:
        raise NotReady(f"{half_year}: nothing is released to begin with.")
    return found


def half_years(city: str) -> list[str]:
    """The half-years with a release that stands, the last first."""
    folder = settings().city_home(city).releases
    return [name for name in reversed(releases.half_years(folder)) if releases.current(folder, name)]


def told(error: CitycheckError) -> str | None:
    """A sentence for people elsewhere; None for one that names a place of this machine, which the log has."""
    text = str(error)
    if isinstance(error, BadInput) and not any(
        str(place) in text for place in (settings().home, settings().project)
    ):
        return text
    _log.error("%s", text)
    return None


# What the page shows -------------------------------------------------------------------------------------------------


def kinds() -> list[dict[str, Any]]:
    """The kinds with what one of the least size that counts would be: m² of floor, or of land where only that is limited."""
    found = []
    for row in standard.seed("facility_kinds"):
        floor, land = row["min_floor_area_m2"], row["min_land_area_m2"]
        more = {
            "land_area_m2": land if floor and land else "",
            "subtype": row["min_area_subtype"] if floor else "",
        }
        found.append(
            {
                "code": row["kind_code"],
                "zh": row["name_zh"],
                "en": row["name_en"],
                "area_m2": floor or land or "",
                "is_land": bool(land and not floor),
                "unit": row["capacity_unit"],
                "more": {name: value for name, value in more.items() if value},
            }
        )
    return found


def words() -> dict[str, tuple[str, str]]:
    """Kinds, dimensions and indicators by their codes."""
    return {
        row[f"{of}_code"]: (row["name_zh"], row["name_en"])
        for of in ("dimension", "indicator")
        for row in standard.seed(f"{of}s")
    } | {kind["code"]: (kind["zh"], kind["en"]) for kind in kinds()}


def map_of(city: str, half_year: str) -> Mapping[str, Any]:
    """The communities of the current release as the release page draws them, and how metres there become degrees.

    Raises `NotReady` when there is no release, or it has no borders.
    """
    release = released(city, half_year)
    path = release.path / "geometry" / "communities.parquet"
    if not path.is_file():
        raise NotReady(f"{half_year}: the release has no borders.")
    return _drawn(path, release.fingerprint)


@lru_cache(maxsize=2)
def _drawn(path: Path, fingerprint: str) -> Mapping[str, Any]:
    with duck.connect() as connection:
        connection.execute("create schema marts")
        connection.read_parquet(str(path)).create("marts.communities")
        drawn = shapes(connection)
        named = connection.execute(
            "select community_id, community_name, county_id, county_name from marts.communities order by all"
        ).fetchall()
    projection = drawn.projection
    if not drawn.polygons:
        raise NotReady("The release has no borders.")
    return {
        "west": projection.west,
        "south": projection.south,
        "metres_per_lon": projection.metres_per_lon,
        "metres_per_lat": METRES_PER_DEGREE,
        "communities": [
            {
                "id": id_,
                "name": name,
                "county": county,
                "moved": drawn.moves.get(id_, (0, 0)),
                "polygons": drawn.polygons[id_],
            }
            for id_, name, _, county in named
            if id_ in drawn.polygons
        ],
        "outlines": [{"moved": drawn.moves.get(id_, (0, 0)), "ring": ring} for id_, ring in drawn.outlines],
    }
