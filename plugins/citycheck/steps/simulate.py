"""What a released half-year would be with facilities that are not there: the same build again, with those in its inputs.

Nothing is estimated: every part of the line is run, so the answer is what the next release would say if nothing else changed.
That takes as long as a build.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck, standard
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import write_json
from citycheck.lake.landing import exclusive
from citycheck.lake.tables import tables
from citycheck.release import publish as releases
from citycheck.settings import settings
from citycheck.steps import earlier, index
from citycheck.steps.index import Build

_PURPOSE = "simulate"


@dataclass(frozen=True)
class Addition:
    """A facility that is to be imagined: WGS84 degrees, and the size that its kind's minimum is about."""

    kind_code: str
    lon: float
    lat: float
    area_m2: float | None = None

    @classmethod
    def parse(cls, text: str) -> Addition:
        """From `KIND@LON,LAT` or `KIND@LON,LAT,AREA`. Raises `BadInput` for anything else."""
        kind, _, place = text.partition("@")
        try:
            lon, lat, *area = (float(part) for part in place.split(","))
            (area_m2,) = area or (None,)
        except ValueError:
            raise BadInput(
                f"{text!r} is no facility; expected KIND@LON,LAT or KIND@LON,LAT,AREA, such as F08@118.87,28.93,300. Correct it."
            ) from None
        if kind not in (known := [row["kind_code"] for row in standard.seed("facility_kinds")]):
            raise BadInput(
                f"{text!r}: {kind!r} is no kind of facility; the standard has {', '.join(known)}. Correct it."
            )
        return cls(kind, lon, lat, area_m2)


@dataclass(frozen=True)
class Effect:
    """An area whose index, rank or coverage is another with the additions than without."""

    area_level: str
    area_id: str
    area_name: str
    index_before: float | None
    index_after: float | None
    rank_before: int | None
    rank_after: int | None
    rank_low_after: int | None
    rank_high_after: int | None
    covered_more: dict[str, float]
    """People more within reach, by kind."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(city: str, half_year: str, additions: Sequence[Addition]) -> list[Effect]:
    """Build the current release of a half-year again with `additions`, and compare; the city first, then by level and code.

    Raises `BadInput` when nothing is released, when the release was made by another code, standard or profile than today's, or
    when an addition lies outside the city; `NotReady` when the release's own build is not kept; `BuildFailed` when dbt fails.
    """
    home = settings().city_home(city)
    release = releases.current(home.releases, half_year)
    if release is None:
        raise BadInput(f"{city} {half_year}: nothing is released to begin with. Build and publish it first.")
    box = load_city(city).profile.box
    for one in additions:
        if not (box.lon_min <= one.lon <= box.lon_max and box.lat_min <= one.lat <= box.lat_max):
            raise BadInput(
                f"{one.kind_code}@{one.lon},{one.lat}: lies outside the city's box. Give longitude first, then latitude (WGS84)."
            )
    recorded = earlier.provenance_of(release)
    before = Build(city, half_year, str(recorded["build"])).database
    if not before.is_file():
        raise NotReady(f"{before}: the build of the release is not kept. Build the half-year again.")
    with exclusive(home.work / ".simulate.lock"):
        build = index.freeze(city, half_year, recorded=recorded, purpose=_PURPOSE)
        try:
            made_of = index.frozen(build)
            _check_same(half_year, made_of["provenance"], recorded)
            added = _write(build, additions)
            made_of["files"]["facilities"] = [*made_of["files"]["facilities"], str(added)]
            write_json(build.inputs, made_of)
            index.build_all(build)
            return _compare(before, build.database)
        finally:
            shutil.rmtree(build.work, ignore_errors=True)


def told(effects: Sequence[Effect]) -> list[str]:
    """A line an area, and how many there are."""

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)

    lines = [
        f"{one.area_level:9}  {one.area_name}  index {shown(one.index_before)} → {shown(one.index_after)}, "
        f"rank {shown(one.rank_before)} → {shown(one.rank_after)} "
        f"({shown(one.rank_low_after)}–{shown(one.rank_high_after)})"
        + "".join(f", {kind} {people:+,.0f} people covered" for kind, people in one.covered_more.items())
        for one in effects
    ]
    return [*lines, f"{len(effects)} area(s) would be another"]


def _check_same(half_year: str, today: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Raise when a difference could come from anything but the additions."""
    names = ("code_sha256", "standard_sha256", "profile_sha256", "city_indicators_sha256")
    if other := [name.removesuffix("_sha256") for name in names if today[name] != recorded[name]]:
        raise BadInput(
            f"{half_year}: since its release, {', '.join(other)} changed, and what comes of that cannot be told from what the "
            "facility brings. Build and publish the half-year again first."
        )


def _write(build: Build, additions: Sequence[Addition]) -> Path:
    """The additions as the lake keeps facilities: operating, and of the size that is given."""
    schema = tables()["facilities"].schema
    by_land = {row["kind_code"] for row in standard.seed("facility_kinds") if row["min_land_area_m2"]}
    rows = [
        {
            "facility_id": f"simulated-{number}",
            "facility_name": f"模拟设施 simulated {number}",
            "kind_code": one.kind_code,
            "lon": one.lon,
            "lat": one.lat,
            "land_area_m2" if one.kind_code in by_land else "floor_area_m2": one.area_m2,
            "operating_status": "operating",
            "source_file": "simulated",
            "source_row": number,
        }
        for number, one in enumerate(additions, 1)
    ]
    path = build.work / "simulated.parquet"
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    pq.write_table(pa.table(columns, schema=schema), path)
    return path


def _compare(before: Path, after: Path) -> list[Effect]:
    """Areas in which anything differs between two databases of one half-year."""
    was, now = _figures(before), _figures(after)
    covered_before, covered_after = _covered(before), _covered(after)
    effects = []
    for key, (name, score, rank, low, high) in now.items():
        _, score_before, rank_before, _, _ = was[key]
        more = {
            kind: people - covered_before.get((*key, kind), 0.0)
            for (*area, kind), people in covered_after.items()
            if tuple(area) == key and people != covered_before.get((*key, kind), 0.0)
        }
        if more or (score, rank) != (score_before, rank_before):
            effects.append(Effect(*key, name, score_before, score, rank_before, rank, low, high, more))
    return effects


def _figures(
    database: Path,
) -> dict[tuple[str, str], tuple[str, float | None, int | None, int | None, int | None]]:
    """Name, index, rank and its interval of every area."""
    with duck.connect(database, read_only=True) as connection:
        rows = connection.execute(
            """
            select area_level, area_id, area_name, index_score, rank, rank_low, rank_high
            from intermediate.int_index_profiles
            order by list_position(['city', 'county', 'street', 'community'], area_level), area_id
            """
        ).fetchall()
    return {(level, area): tuple(rest) for level, area, *rest in rows}


def _covered(database: Path) -> dict[tuple[str, str, str], float]:
    """People of whom each kind is meant and who are within reach, by area and kind."""
    with duck.connect(database, read_only=True) as connection:
        rows = connection.execute(
            "select area_level, area_id, kind_code, covered_population from marts.kind_access "
            "where covered_population is not null order by all"
        ).fetchall()
    return {(level, area, kind): people for level, area, kind, people in rows}
