"""The calendar: the dates of the standard, changes that are appended with a reason, and what comes next."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck import standard
from citycheck.cities.profile import City
from citycheck.errors import BadInput, NothingToDo
from citycheck.release import calendar
from citycheck.release.calendar import COLUMNS, Plan
from citycheck.release.publication import RELEASE_CALENDAR
from citycheck.settings import settings

ZONE = ZoneInfo("Asia/Shanghai")
PRELIMINARY = datetime(2026, 7, 16, 9, 30, tzinfo=ZONE)
VERIFIED = datetime(2026, 8, 15, 9, 30, tzinfo=ZONE)
FINAL = datetime(2026, 12, 28, 9, 30, tzinfo=ZONE)
GOOD = "2026H1,preliminary,2026-07-20T09:30,2026-06-10,工单迟到,reports came late,统计处 statistics office"
MOMENT = timedelta(seconds=1)
QUZHOU = City(settings().cities / "quzhou_sample")


@pytest.fixture
def city(tmp_path: Path) -> City:
    folder = tmp_path / "quzhou_sample"
    shutil.copytree(settings().cities / "quzhou_sample", folder)
    return City(folder)


def write(city: City, *rows: str) -> City:
    (city.folder / RELEASE_CALENDAR).write_text(
        "\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8"
    )
    return city


def test_the_dates_of_the_standard_at_half_past_nine_in_the_city(city):
    entries = calendar.entries(city, "2026H1")
    assert [(entry.stage, entry.release_at) for entry in entries] == [
        ("preliminary", PRELIMINARY),
        ("verified", VERIFIED),
        ("final", FINAL),
    ]
    first = entries[0]
    assert (first.reference_date, first.cut_off) == (
        date(2026, 6, 30),
        datetime(2026, 7, 16, tzinfo=ZONE),
    )
    assert first.announce_by == date(2026, 6, 18)
    assert not any(entry.is_changed or entry.is_late_notice for entry in entries)


def test_half_past_nine_stays_so_where_clocks_are_changed(city):
    city.profile.__dict__["time_zone"] = "America/Chicago"
    entries = calendar.entries(city, "2025H2")
    assert {entry.release_at.strftime("%H:%M") for entry in entries} == {"09:30"}
    assert {str(entry.release_at.utcoffset()) for entry in entries} == {
        "-1 day, 18:00:00",
        "-1 day, 19:00:00",
    }
    assert all(entry.cut_off.strftime("%H:%M") == "00:00" for entry in entries)


def test_a_change_moves_one_date_and_says_why(city):
    changed = calendar.entries(write(city, GOOD), "2026H1")[0]
    assert changed.release_at == datetime(2026, 7, 20, 9, 30, tzinfo=ZONE)
    assert changed.by_standard_at == PRELIMINARY
    assert changed.is_changed
    assert (changed.reason_zh, changed.reason_en, changed.announced_on) == (
        "工单迟到",
        "reports came late",
        date(2026, 6, 10),
    )
    assert not changed.is_late_notice
    assert [entry.release_at for entry in calendar.entries(city, "2026H1")[1:]] == [VERIFIED, FINAL]
    assert calendar.entries(city, "2026H2")[0].is_changed is False


def test_a_later_row_replaces_an_earlier_one_and_short_notice_shows(city):
    later = GOOD.replace("2026-07-20T09:30,2026-06-10", "2026-07-22 09:30,2026-07-18")
    changed = calendar.entries(write(city, GOOD, later), "2026H1")[0]
    assert changed.release_at == datetime(2026, 7, 22, 9, 30, tzinfo=ZONE)
    assert changed.is_late_notice


def test_a_time_with_an_offset_is_shown_on_the_clocks_of_the_city(city):
    changed = calendar.entries(write(city, GOOD.replace("2026-07-20T09:30", "2026-07-20T01:30Z")), "2026H1")[
        0
    ]
    assert changed.release_at.isoformat() == "2026-07-20T09:30:00+08:00"


def test_a_changed_date_changes_no_figure(city):
    before = city.fingerprint()
    assert write(city, GOOD).fingerprint() == before
    (city.folder / "other.csv").write_text("a\n")
    assert city.fingerprint() != before


DEFECTS = {
    "no_reason": (["reports came late", ""], "row 2: reason_en is empty"),
    "no_office": (["统计处 statistics office", ""], "row 2: decided_by is empty"),
    "a_person": (["统计处 statistics office", "li@example.org"], "row 2: decided_by holds an address"),
    "no_half_year": (["2026H1", "2026"], "row 2: half_year is '2026'"),
    "no_stage": (["preliminary", "last"], "row 2: 'last' is no stage; expected preliminary, verified, final"),
    "no_time_of_day": (["2026-07-20T09:30", "2026-07-20"], "row 2: release_at is '2026-07-20'"),
    "no_day": (["2026-06-10", "10 June"], "row 2: announced_on is '10 June'"),
    "before_its_cut_off": (
        ["2026-07-20T09:30", "2026-07-15T23:59"],
        "is before its cut-off 2026-07-16 00:00",
    ),
    "after_the_next_stage": (["2026-07-20T09:30", "2026-08-15T09:30"], "would not come before verified"),
    "announced_after_it": (["2026-06-10", "2026-07-21"], "was announced on 2026-07-21, after the release"),
    "a_cell_too_many": (["reports came late", "late, reports"], "row 2: has not 7 cells"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_wrong_change_is_told_with_file_and_row(city, defect):
    (old, new), told = DEFECTS[defect]
    with pytest.raises(BadInput) as error:
        calendar.entries(write(city, GOOD.replace(old, new, 1)), "2025H1")
    assert told in str(error.value)
    assert str(city.folder / RELEASE_CALENDAR) in str(error.value)


def test_the_moment_of_the_cut_off_is_allowed_and_rows_stand_in_the_order_of_announcement(city):
    at_the_cut_off = GOOD.replace("2026-07-20T09:30", "2026-07-16T00:00")
    assert calendar.entries(write(city, at_the_cut_off), "2026H1")[0].release_at == calendar.cut_off(
        city, "2026H1", "preliminary"
    )
    with pytest.raises(BadInput, match="row 3: was announced on 2026-06-09, before the row above it"):
        calendar.rows(write(city, GOOD, GOOD.replace("06-10", "06-09")))
        calendar.entries(city, "2026H1")


def test_two_stages_move_when_the_later_one_goes_first(city):
    verified = GOOD.replace("preliminary,2026-07-20", "verified,2026-09-20")
    preliminary = GOOD.replace("07-20", "08-20")
    moved = calendar.entries(write(city, verified, preliminary), "2026H1")
    assert [entry.release_at.month for entry in moved] == [8, 9, 12]
    with pytest.raises(BadInput, match=r"row 2: 2026H1 preliminary .* would not come before verified"):
        calendar.entries(write(city, preliminary, verified), "2026H1")


def test_a_file_that_is_no_calendar_is_told(city):
    (city.folder / RELEASE_CALENDAR).write_text("half_year,when\n2026H1,soon\n")
    with pytest.raises(BadInput, match="its columns are half_year, when; expected half_year, stage_code"):
        calendar.rows(city)
    (city.folder / RELEASE_CALENDAR).write_bytes(f"{','.join(COLUMNS)}\n{GOOD}\n".encode("gbk"))
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        calendar.rows(city)
    (city.folder / RELEASE_CALENDAR).write_text("")
    with pytest.raises(BadInput, match="its columns are missing"):
        calendar.rows(city)


ROW = st.fixed_dictionaries({column: st.sampled_from("ab") for column in COLUMNS})


@given(st.lists(ROW, max_size=4), st.lists(ROW, max_size=3))
def test_rows_may_be_appended(known, appended):
    calendar.check_appended(QUZHOU, known, known + appended)


@given(st.lists(ROW, min_size=1, max_size=4), st.data())
def test_a_row_that_was_seen_may_not_change_or_go(known, data):
    index = data.draw(st.integers(0, len(known) - 1))
    column = data.draw(st.sampled_from(COLUMNS))
    changed = [dict(row) for row in known]
    changed[index][column] += "!"
    with pytest.raises(BadInput, match=f"row {index + 2}: was changed"):
        calendar.check_appended(QUZHOU, known, changed)
    with pytest.raises(BadInput, match=f"row {len(known) + 1}: is missing"):
        calendar.check_appended(QUZHOU, known, known[:-1])


# What comes next ------------------------------------------------------------------------------------------------------

SOON = PRELIMINARY - timedelta(days=3)
PLANS = {
    # (published, kind, now): what comes
    (None, None, SOON): ("initial", "preliminary", PRELIMINARY),
    (None, "initial", SOON): ("initial", "preliminary", PRELIMINARY),
    (None, None, VERIFIED - MOMENT): ("initial", "preliminary", PRELIMINARY),
    (None, None, VERIFIED): ("initial", "verified", VERIFIED),
    (None, None, FINAL - MOMENT): ("initial", "verified", VERIFIED),
    (None, None, FINAL): ("initial", "final", FINAL),
    ("preliminary", None, SOON): ("scheduled_revision", "verified", VERIFIED),
    ("preliminary", "scheduled_revision", VERIFIED): ("scheduled_revision", "verified", VERIFIED),
    ("preliminary", None, FINAL): ("scheduled_revision", "final", FINAL),
    ("verified", None, VERIFIED): ("scheduled_revision", "final", FINAL),
    ("verified", None, FINAL): ("scheduled_revision", "final", FINAL),
    ("preliminary", "correction", FINAL): ("correction", "preliminary", None),
    ("verified", "correction", SOON): ("correction", "verified", None),
    ("final", "correction", FINAL): ("correction", "final", None),
}


@pytest.mark.parametrize(("published", "kind", "now"), PLANS)
def test_what_comes_next(city, published, kind, now):
    assert calendar.plan(city, "2026H1", published, kind, now.astimezone(UTC)) == Plan(
        *PLANS[published, kind, now]
    )


@pytest.mark.parametrize("kind", [None, "scheduled_revision"])
@pytest.mark.parametrize("now", [SOON, FINAL])
def test_after_the_final_stage_nothing_comes_unasked(city, kind, now):
    with pytest.raises(NothingToDo, match="its final version is out, and no stage follows"):
        calendar.plan(city, "2026H1", "final", kind, now)


@pytest.mark.parametrize(
    ("published", "kind", "told"),
    [
        ("preliminary", "initial", r"a version is out already \(preliminary\)"),
        ("final", "initial", r"a version is out already \(final\)"),
        (None, "scheduled_revision", "nothing that a scheduled_revision could follow"),
        (None, "correction", "nothing that a correction could follow"),
        (None, "update", "'update' is no kind of version"),
    ],
)
def test_a_kind_that_does_not_fit_is_told(city, published, kind, told):
    with pytest.raises(BadInput, match=told):
        calendar.plan(city, "2026H1", published, kind, FINAL)


def test_a_changed_date_counts_for_what_comes_next(city):
    write(city, GOOD.replace("preliminary,2026-07-20", "verified,2026-09-20"))
    moved = datetime(2026, 9, 20, 9, 30, tzinfo=ZONE)
    assert calendar.plan(city, "2026H1", None, None, VERIFIED) == Plan("initial", "preliminary", PRELIMINARY)
    assert calendar.plan(city, "2026H1", "preliminary", None, VERIFIED).release_at == moved


@given(
    published=st.sampled_from([None, *standard.stages()[:-1]]),
    days=st.integers(-30, 400),
)
def test_a_stage_never_goes_back_and_none_whose_time_has_come_is_left_out(published, days):
    now = PRELIMINARY + timedelta(days=days)
    planned = calendar.plan(QUZHOU, "2026H1", published, None, now)
    order = standard.stages()
    assert published is None or order.index(planned.stage) > order.index(published)
    later = calendar.entries(QUZHOU, "2026H1")[order.index(planned.stage) + 1 :]
    assert all(entry.release_at > now for entry in later)


def test_the_calendar_to_announce_spans_four_half_years(city):
    entries = calendar.table(write(city, GOOD), datetime(2026, 6, 30, 16, tzinfo=UTC))  # 1 July in the city
    assert [entry.half_year for entry in entries[::3]] == ["2026H1", "2026H2", "2027H1", "2027H2"]
    assert [entry.is_changed for entry in entries] == [True, *[False] * 11]
