"""Keep landing no longer than it may be kept: one city at a time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from citycheck.lake import retention
from citycheck.settings import settings


def cities() -> list[str]:
    """The cities that have a landing."""
    return sorted(path.parent.name for path in settings().home.glob("*/landing") if path.is_dir())


def purge(city: str, now: datetime) -> list[dict[str, Any]]:
    """Remove a city's deliveries whose time has come; returns feed, half_year, id, files and bytes of each."""
    purged = retention.purge(settings().city_home(city), now, settings().landing_retention_days)
    return [asdict(delivery) for delivery in purged]
