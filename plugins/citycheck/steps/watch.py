"""Drop folders: which feeds have files that were never landed, for the half-year that goes on and the one before."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from citycheck.cities.profile import City, load_city
from citycheck.lake import landing
from citycheck.period import HalfYear
from citycheck.settings import settings

SETTLED = timedelta(minutes=2)
"""A file that was written to this recently may still be on its way."""


def new_files(city: str, now: datetime) -> list[dict[str, str]]:
    """A feed and half-year each, with a fingerprint of what lies there: the same files are told of in the same words."""
    about = load_city(city)
    going_on = HalfYear.containing(now, about.profile.zone)
    return [
        {"city": city, "feed": feed, "half_year": str(half_year), "fingerprint": fingerprint}
        for half_year in (going_on.previous, going_on)
        if about.profile.covers(half_year)
        for feed in about.profile.provided_feeds
        if (fingerprint := _fingerprint(about, feed, half_year, now))
    ]


def _fingerprint(about: City, feed: str, half_year: HalfYear, now: datetime) -> str | None:
    """A hash of the files in a feed's folders, if one of them is new and all of them are settled; else None."""
    offered = landing.offered_in_folders(about, feed, half_year, settings().sources)
    if not offered:
        return None
    found = {
        (source, path): (folder / path).stat()
        for source, (folder, paths) in offered.items()
        for path in paths
    }
    if any(
        datetime.fromtimestamp(about_it.st_mtime, now.tzinfo) > now - SETTLED for about_it in found.values()
    ):
        return None
    landed = landing.landed_files(settings().city_home(about.profile.city), feed, str(half_year))
    if all(
        (received := landed.get((source, path, about_it.st_size))) is not None
        and about_it.st_mtime <= received.timestamp()
        for (source, path), about_it in found.items()
    ):
        return None
    digest = hashlib.sha256()
    for (source, path), about_it in sorted(found.items()):
        digest.update(f"{source}/{path} {about_it.st_size} {about_it.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def runs(city: str, now: datetime) -> list[dict[str, Any]]:
    """What to trigger for the new files: the same files never start a second run."""
    return [
        {
            "trigger_dag_id": f"ingest_{found['feed']}",
            "trigger_run_id": f"new_files__{found['city']}__{found['half_year']}__{found['fingerprint']}",
            "conf": {"city": found["city"], "half_year": found["half_year"]},
        }
        for found in new_files(city, now)
    ]
