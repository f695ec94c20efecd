"""What a released half-year would be with facilities that are not there: those that are told, or those of its own projects.

The answer is that of the half-year built again with the facilities among its inputs; `renewal.whatif` finds it by running
only what they concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, NotReady
from citycheck.release import publish as releases
from citycheck.renewal import rerun
from citycheck.renewal.additions import Addition
from citycheck.settings import settings
from citycheck.steps import earlier

if TYPE_CHECKING:
    from citycheck.renewal.whatif import Effect, WhatIf

_COLUMNS = ("project_id", "pool_code", "kind_code", "site_lon", "site_lat", "size_m2", "capacity_gap")
_OPEN = ("proposed", "reserve", "annual", "under_way")
"""Of what is delivered, the register tells."""


def opened(city: str, half_year: str) -> WhatIf:
    """The current release of a half-year, to be asked.

    Raises `BadInput` when nothing is released, and `NotReady` when its build is not kept.
    """
    home = settings().city_home(city)
    database, recorded = _released(city, half_year)
    cache = home.work / "simulate" / half_year / str(recorded["build"])
    models = database.with_name(rerun.MODELS)
    if not models.is_file():
        models = cache / rerun.MODELS
        target = home.work / "index" / half_year / str(recorded["build"]) / "dbt"
        if not models.is_file():
            if not target.is_dir():
                raise NotReady(
                    f"{models}: the SQL of the release is not kept. Build and publish the half-year again."
                )
            models.parent.mkdir(parents=True, exist_ok=True)
            rerun.keep(target, models)
    with ThreadPoolExecutor(1) as pool:
        release = pool.submit(rerun.Rerun, database, models, cache)
        from citycheck.renewal.whatif import WhatIf  # half a second, in which the database opens

        return WhatIf(release.result(), cache, detour_factor=recorded["detour_factor"])


def run(city: str, half_year: str, additions: Sequence[Addition]) -> list[Effect]:
    """What the additions would change together in the current release; the city first, then by level and code.

    Raises like `opened`, and `BadInput` when an addition lies outside the city.
    """
    check(city, additions)
    with opened(city, half_year) as release:
        return release.effects(additions)


def check(city: str, additions: Sequence[Addition]) -> None:
    """Raises `BadInput` when an addition lies outside the city."""
    box = load_city(city).profile.box
    for one in additions:
        if not (box.lon_min <= one.lon <= box.lon_max and box.lat_min <= one.lat <= box.lat_max):
            raise BadInput(
                f"{one.kind_code}@{one.lon},{one.lat}: lies outside the city's box. Give longitude first, then latitude (WGS84)."
            )


def of_projects(
    city: str, half_year: str, ids: Sequence[str] = (), pool: str | None = None
) -> list[Addition]:
    """The facilities of projects of the current release: the named ones, and those of a pool that build one at a site.

    One facility may close the shortfalls of several communities: what several projects put at one place is built once, as
    large as the largest asks for.

    Raises `BadInput` when the release has no projects, not these, or when a named one builds no facility at a site.
    """
    database, _ = _released(city, half_year)
    with duckdb.connect(str(database), read_only=True) as marts:
        if not marts.execute("select 1 from duckdb_tables() where table_name = 'projects'").fetchall():
            raise BadInput(f"{city} {half_year}: the release has no projects. Give facilities by --add.")
        rows = [
            dict(zip(_COLUMNS, row, strict=True))
            for row in marts.execute(
                f"select {', '.join(_COLUMNS)} from marts.projects where status_code in {_OPEN} order by project_id"
            ).fetchall()
        ]
    known = {row["project_id"]: row for row in rows}
    chosen = []
    for one in dict.fromkeys(ids):
        if one not in known:
            raise BadInput(
                f"{one}: is no open project of {city} {half_year}. `citycheck sql 'from projects'` lists them."
            )
        if not _is_built(known[one]):
            raise BadInput(
                f"{one}: builds no facility of a kind at a site, so that no index can tell what it would change. Leave it out."
            )
        chosen.append(known[one])
    if pool is not None:
        pools = sorted({row["pool_code"] for row in rows if row["pool_code"]})
        if pool not in pools:
            raise BadInput(
                f"{pool!r} is no pool with open projects; there are {', '.join(pools) or 'none'}. Correct --pool."
            )
        chosen += [
            row
            for row in rows
            if row["pool_code"] == pool and row["project_id"] not in ids and _is_built(row)
        ]
    return [Addition.of_project(row) for row in _built_once(chosen)]


def _built_once(projects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One project a kind and place, as large as the largest of them."""
    built: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in projects:
        same = built.setdefault((one["kind_code"], one["site_lon"], one["site_lat"]), dict(one))
        for size in ("size_m2", "capacity_gap"):
            same[size] = max((row[size] for row in (same, one) if row[size] is not None), default=None)
    return list(built.values())


def _is_built(row: dict[str, Any]) -> bool:
    return None not in (row["kind_code"], row["site_lon"], row["site_lat"])


def _released(city: str, half_year: str) -> tuple[Path, dict[str, Any]]:
    """The database of the current release, and what it says it was made from."""
    home = settings().city_home(city)
    release = releases.current(home.releases, half_year)
    if release is None:
        raise BadInput(f"{city} {half_year}: nothing is released to begin with. Build and publish it first.")
    recorded = earlier.provenance_of(release)
    database = home.warehouse / half_year / str(recorded["build"]) / f"{half_year}.duckdb"
    if not database.is_file():
        raise NotReady(f"{database}: the build of the release is not kept. Build the half-year again.")
    return database, recorded
