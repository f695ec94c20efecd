"""Minutes of residents' meetings, from the lake to the mart."""

from __future__ import annotations

import datetime as dt

import pytest
from small_city import SmallCity

pytestmark = pytest.mark.slow
HELD = dt.datetime(2026, 3, 5, 6, 30)


def item(number, community="C1", need="N01", held_at=HELD, **more):
    about = {"meeting_id": "M1", "item_number": number, "community_id": community, "held_at": held_at}
    return (
        about
        | {"attendees": 20, "need_code": need, "kind_code": None, "supporters": 8, "satisfaction": 2}
        | more
    )


def test_minutes_of_the_half_year_are_counted_by_community_and_need(dbt):
    city = SmallCity()
    city.tables["meeting_items"] = [
        item(1),
        item(2, need="N19"),
        item(1, meeting_id="M2", attendees=12, supporters=None),
        item(1, meeting_id="M3", held_at=dt.datetime(2025, 12, 31, 15)),  # the half-year before, in Shanghai
    ]
    build = dbt(city, "--select", "+meeting_needs", "--indirect-selection", "cautious")
    sql = """
        select community_id, need_code, meetings, items, attendees, supporters
        from marts.meeting_needs order by all
    """
    assert build.rows(sql) == [("C1", "N01", 2, 2, 32, 8), ("C1", "N19", 1, 1, 20, 8)]


def test_a_city_without_minutes_has_no_rows(build):
    assert build.rows("select count(*) from marts.meeting_needs") == [(0,)]
