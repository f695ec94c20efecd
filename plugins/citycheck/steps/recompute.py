"""An earlier half-year counted again by the standard of today, so that a change of its definitions breaks no series.

When only weights, goalposts or means changed, what a release publishes is enough, and nothing is built. When definitions
changed, the half-year is built once more from the inputs that its release names. The build is never published: only its
indicators are kept, named by the release and the definitions.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from citycheck import duck
from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import replacing
from citycheck.release import publish as releases
from citycheck.settings import settings
from citycheck.steps import earlier, index


def recompute(city: str, half_year: str) -> Path:
    """Count a released half-year again by today's definitions; returns the table of its indicators.

    Under the same definitions that is its own. The profile is that of today. Raises `BadInput` when the half-year was not
    released, when its release does not say what a comparison needs, or when an input that it names is gone, and
    `BuildFailed` when dbt fails.
    """
    home = settings().city_home(city)
    release = releases.current(home.releases, half_year)
    if release is None:
        raise BadInput(
            f"{city} {half_year}: nothing is released that could be computed again. Build it first."
        )
    definition = earlier.standard_fingerprints()["definition"]
    if earlier.provenance_of(release).get("standard_sha256", {}).get("definition") == definition:
        return release.path / "tables" / "indicators.parquet"
    path = earlier.recomputed_path(home, release, definition)
    if path.is_file():
        return path
    build = index.freeze(city, half_year, recorded=earlier.provenance_of(release), purpose="recompute")
    for counties in index.build_places(build):
        index.measure_access(build, counties)
    index.build_marts(build)
    columns = ", ".join(earlier.COLUMNS["tables/indicators"].split())
    with duck.connect(build.marts, read_only=True) as connection, replacing(path) as temporary:
        connection.execute(
            f"copy (select {columns} from marts.indicators order by area_level, area_id, indicator_code) "
            f"to '{str(temporary).replace(chr(39), chr(39) * 2)}' (format parquet)"
        )
    shutil.rmtree(build.work)
    return path


def bring_up_to_date(city: str, half_year: str) -> dict[str, str]:
    """Recompute each earlier release that needs it before `half_year` is frozen; returns what became of each.

    One whose inputs are gone is left out, with the reason: its comparison then says so.
    """
    home = settings().city_home(city)
    became: dict[str, str] = {}
    for release in earlier.earlier_releases(home, half_year):
        if earlier.needs_recompute(home, release):
            try:
                became[release.half_year] = str(recompute(city, release.half_year))
            except (BadInput, NotReady) as missing:
                became[release.half_year] = str(missing)
    return became
