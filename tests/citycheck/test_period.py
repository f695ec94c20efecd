"""The half-year, and how a run finds its own."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.period import HalfYear, resolve, utc_naive

SHANGHAI = ZoneInfo("Asia/Shanghai")
half_years = st.builds(HalfYear, st.integers(1900, 2998), st.sampled_from([1, 2]))


@given(half_years)
def test_writing_and_reading_are_inverse(half_year):
    assert HalfYear.parse(str(half_year)) == half_year


@given(half_years)
def test_neighbours_touch_and_are_inverse(half_year):
    assert half_year.next.previous == half_year
    assert half_year.end(SHANGHAI) == half_year.next.start(SHANGHAI)
    assert half_year < half_year.next


@given(st.datetimes(datetime(1950, 1, 1), datetime(2900, 1, 1)))
def test_every_moment_lies_in_its_half_year(moment):
    aware = moment.replace(tzinfo=UTC)
    half_year = HalfYear.containing(aware, SHANGHAI)
    assert half_year.start(SHANGHAI) <= aware < half_year.end(SHANGHAI)


@pytest.mark.parametrize("text", ["2026", "2026H3", "2026h1", "26H1", " 2026H1", "2026H1\n", "", "2026-H1"])
def test_what_is_no_half_year_is_said_so(text):
    with pytest.raises(BadInput, match=r"expected a year, H and 1 or 2"):
        HalfYear.parse(text)


def test_bounds_are_on_the_clocks_of_the_city():
    assert utc_naive(HalfYear.parse("2026H1").start(SHANGHAI)) == datetime(2025, 12, 31, 16)
    assert utc_naive(HalfYear.parse("2026H1").end(SHANGHAI)) == datetime(2026, 6, 30, 16)


START, END = datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 6, 30, 16, tzinfo=UTC)


def test_the_parameter_wins_over_events_and_interval():
    assert resolve({"half_year": "2024H2"}, ["2025H1"], START, END, SHANGHAI) == HalfYear(2024, 2)


def test_the_events_win_over_the_interval():
    assert resolve({"half_year": None}, ["2025H1", "2025H1"], START, END, SHANGHAI) == HalfYear(2025, 1)


def test_events_of_several_half_years_are_refused():
    with pytest.raises(BadInput, match=r"several half-years \(2025H1, 2025H2\)"):
        resolve({}, ["2025H2", "2025H1"], None, None, SHANGHAI)


def test_the_interval_is_used_when_it_is_a_half_year():
    assert resolve({}, [], START, END, SHANGHAI) == HalfYear(2026, 1)


def test_an_interval_in_another_zone_is_refused():
    with pytest.raises(BadInput, match="is not a half-year in UTC"):
        resolve({}, [], START, END, ZoneInfo("UTC"))


@pytest.mark.parametrize("interval", [(None, None), (START, START)])
def test_a_run_that_names_no_half_year_is_refused_rather_than_guessed(interval):
    with pytest.raises(BadInput, match="names no half-year"):
        resolve({"half_year": None}, [], *interval, SHANGHAI)
