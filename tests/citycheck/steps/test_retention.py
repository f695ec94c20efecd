"""The nightly step: each city that has a landing, with the period of the settings."""

import json
from datetime import timedelta

import pytest

from citycheck.errors import NotReady
from citycheck.lake import landing
from citycheck.steps import ingest, retention

DAYS = timedelta(days=1)


def test_what_an_ingest_landed_is_purged_after_the_period_and_can_land_again(project, moment):
    delivery = ingest.land("town", "communities", "2026H1", moment)
    assert retention.cities() == ["town"]
    assert retention.purge("town", moment + 400 * DAYS) == []
    [told] = retention.purge("town", moment + 401 * DAYS)
    assert (told["feed"], told["half_year"], told["id"], told["files"]) == (
        "communities",
        "2026H1",
        delivery,
        2,
    )
    json.dumps(told)  # a task returns it
    with pytest.raises(NotReady, match="Run the task `land` again"):
        landing.load(project.home, "communities", "2026H1", delivery)
    assert ingest.land("town", "communities", "2026H1", moment + 402 * DAYS) == delivery
    assert landing.load(project.home, "communities", "2026H1", delivery).id == delivery


@pytest.fixture
def moment():
    from datetime import UTC, datetime

    return datetime(2026, 7, 20, tzinfo=UTC)
