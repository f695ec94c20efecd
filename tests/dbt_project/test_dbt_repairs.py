"""Repair reports of the small city: times beside scipy's, working days beside a calendar counted by hand."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf
from small_city import CUT_OFF, SOUTH, UNIT_DEGREES, WEST, Build, SmallCity, community_of

REPAIRS = (
    "--select",
    "+repair_statistics +repair_hot_spots +int_ratios_timeliness",
    "--exclude-resource-type",
    "test",
)
DEFAULT_POINT = {"lon": WEST + UNIT_DEGREES / 2, "lat": SOUTH + UNIT_DEGREES / 2}
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOLIDAYS = (  # of the notice for 2026, half-year by half-year
    ("2026-01-01", 3), ("2026-02-15", 9), ("2026-04-04", 3), ("2026-05-01", 5), ("2026-06-19", 3),
    ("2026-09-25", 3), ("2026-10-01", 7),
)  # fmt: skip
MADE_UP = ("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10")


@pytest.fixture(scope="module")
def repairs(dbt) -> Build:
    city = SmallCity()
    for number, row in enumerate(city.tables["repair_reports"]):
        row["status"] = {7: "rejected"}.get(number % 60, row["status"])
        if number % 11 == 0:  # nobody has answered yet
            row |= {"first_response_at": None, "closed_at": None, "rating": None, "status": "open"}
        if number % 33 == 0:
            row["dispatched_at"] = None
    for number, row in enumerate(
        city.tables["repair_reports"][1::12]
    ):  # where the geocoder puts what it does not find
        row |= DEFAULT_POINT | {"stated_county_name": ["合成一区", "合成二区"][number % 2]}
    return dbt(city, *REPAIRS)


def is_workday(day: dt.date) -> bool:
    off = {
        dt.date.fromisoformat(first) + dt.timedelta(days=n) for first, days in HOLIDAYS for n in range(days)
    }
    return day not in off and (day.weekday() < 5 or day.isoformat() in MADE_UP)


def test_the_calendar_of_a_year(repairs: Build) -> None:
    days = repairs.rows(
        "select day, is_working, is_known, workdays_through, working_hours_before from intermediate.int_calendar_days"
        " order by day"
    )
    assert (days[0][0], days[-1][0]) == (dt.date(2026, 1, 1), dt.date(2027, 7, 2))
    through = 0
    for day, is_working, is_known, workdays_through, working_hours_before in days:
        if day.year == 2026:
            assert (is_working, is_known) == (is_workday(day), True), day
        else:  # no notice is known
            assert (is_working, is_known) == (day.weekday() < 5, False), day
        assert working_hours_before == 7 * through
        through += is_working
        assert workdays_through == through


def counted(city: SmallCity) -> list[dict]:
    return [
        row
        for row in city.tables["repair_reports"]
        if row["category_code"] != "traffic" and row["status"] != "rejected"
    ]


def until(moment: dt.datetime | None) -> dt.datetime | None:
    return moment if moment is None or moment <= CUT_OFF else None


@pytest.mark.parametrize(
    ("clock", "began", "happens"),
    [
        ("dispatch", "reported_at", "dispatched_at"),
        ("response", "reported_at", "first_response_at"),
        ("response_from_dispatch", "dispatched_at", "first_response_at"),
        ("close", "reported_at", "closed_at"),
    ],
)
@pytest.mark.parametrize("area", ["city", "C1", "C5"])
def test_times_are_those_of_the_product_limit_estimate(
    repairs: Build, clock: str, began: str, happens: str, area: str
) -> None:
    done, waiting = [], []
    for row in counted(repairs.city):
        place = community_of(row) if "lon" in row else None
        if area not in ("city", place) or until(row[began]) is None:
            continue
        ended = until(row[happens])
        (waiting if ended is None else done).append(((ended or CUT_OFF) - row[began]).total_seconds() / 3600)
    assert done and waiting
    curve = ecdf(CensoredData(uncensored=done, right=waiting)).sf
    seen = set(done)

    def quantile(left: float) -> float | None:
        reached = [
            time
            for time, share in zip(curve.quantiles, curve.probabilities, strict=True)
            if time in seen and round(share, 9) <= left
        ]
        return min(reached, default=None)

    expected = (quantile(0.5), quantile(0.1))
    actual = repairs.rows(
        f"select median_{clock}_hours, p90_{clock}_hours from marts.repair_statistics"
        " where area_id = ? and category_code = 'all'",
        "small" if area == "city" else area,
    )[0]
    assert [v is None for v in actual] == [v is None for v in expected]
    np.testing.assert_allclose(
        [v for v in actual if v is not None], [v for v in expected if v is not None], rtol=0, atol=0.05 + 1e-9
    )


def test_default_deadlines_are_working_days(repairs: Build) -> None:
    def deadline(reported: dt.datetime) -> dt.datetime:
        day = reported.replace(tzinfo=dt.UTC).astimezone(SHANGHAI).date()
        left = 5
        while left:
            day += dt.timedelta(days=1)
            left -= is_workday(day)
        midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), SHANGHAI)
        return midnight.astimezone(dt.UTC).replace(tzinfo=None)

    rows = repairs.rows(
        "select reported_at, due_or_default_at from intermediate.int_repair_clocks where is_due_default"
    )
    assert len(rows) > 100
    assert [due for _, due in rows] == [deadline(reported) for reported, _ in rows]


def test_working_hours_are_those_of_every_minute_counted(repairs: Build) -> None:
    def is_open(moment: dt.datetime) -> bool:
        hour = moment.hour + moment.minute / 60
        return is_workday(moment.date()) and (8.5 <= hour < 12 or 14 <= hour < 17.5)

    rows = repairs.rows(
        "select reported_at, closed_at, working_hours_to_close_or_cut_off from intermediate.int_repair_working_hours"
        " inner join intermediate.int_repair_clocks using (report_id) where closed_at is not null order by report_id limit 60"
    )
    for reported, closed, hours in rows:  # the sample reports at whole minutes
        minutes = int((closed - reported).total_seconds() // 60)
        start = reported.replace(tzinfo=dt.UTC).astimezone(SHANGHAI)
        opened = sum(is_open(start + dt.timedelta(minutes=n)) for n in range(minutes))
        assert hours == pytest.approx(opened / 60, abs=1e-9)


def test_hot_spots_leave_out_reports_without_a_place(repairs: Build) -> None:
    """Neither the default point, which lies in C1, nor reports without a point; eight units are too few to be tested."""
    expected: Counter[tuple[str, str]] = Counter(
        (row["category_code"], community_of(row))
        for row in repairs.city.tables["repair_reports"]
        if "lon" in row and row["lon"] != DEFAULT_POINT["lon"] and row["status"] != "rejected"
    )
    rows = repairs.rows(
        "select category_code, community_id, reports, z_score, cluster_code, not_tested_reason from marts.repair_hot_spots"
    )
    rounded = {cell: (count + 2) // 5 * 5 for cell, count in expected.items()}
    assert {(category, unit): count for category, unit, count, *_ in rows} == {
        (category, unit): rounded.get((category, unit), 0) for category, unit, *_ in rows
    }
    assert any(rounded.values())
    assert len(rows) == 6 * 8
    assert {(z, cluster) for *_, z, cluster, _ in rows} == {(None, "none")}
    assert {(unit, reason) for _, unit, *_, reason in rows} == {
        (f"C{n}", "nobody_lives" if n == 8 else "too_few_units") for n in range(1, 9)
    }


def test_every_share_is_its_numerator_in_its_denominator(repairs: Build) -> None:
    pairs = {
        "dispatched_24h_pct": ("dispatched_24h", "dispatch_judged"),
        "responded_24h_from_dispatch_pct": ("responded_24h_from_dispatch", "response_from_dispatch_judged"),
        "responded_24h_from_report_pct": ("responded_24h_from_report", "response_from_report_judged"),
        "on_time_closure_pct": ("closed_on_time", "closure_judged"),
        "repeat_30d_pct": ("repeated_30d", "repeat_judged"),
        "rated_4_5_pct": ("rated_4_5", "ratings"),
        "rating_response_pct": ("ratings", "rating_asked"),
    }
    for share, (part, whole) in pairs.items():
        rows = repairs.rows(f"select {share}, {part}, {whole} from marts.repair_statistics")
        assert any(value is not None and whole for value, _, whole in rows), share
        for value, kept, judged in rows:
            if kept is None or judged is None:
                assert value is None
                continue
            assert 0 <= kept <= judged
            if value is not None:  # of the counts that are told, so that it tells nothing more
                assert value == pytest.approx(100 * kept / judged, abs=0.05 + 1e-9)
            else:
                assert judged <= 10


def test_how_many_reports_there_are_is_not_scored(repairs: Build, dbt) -> None:
    """Each report twice, about another asset the second time: no share moves, only the volume."""
    city = copy.deepcopy(repairs.city)
    city.tables["repair_reports"] += [
        row | {"report_id": f"{row['report_id']}-2", "asset_id": f"{row['asset_id']}-2"}
        for row in city.tables["repair_reports"]
    ]
    twice = dbt(city, "--select", "+int_ratios_timeliness", "--exclude-resource-type", "test", "unit_test")
    sql = (
        "select community_id, indicator_code, numerator / denominator, denominator"
        " from intermediate.int_ratios_timeliness order by 1, 2"
    )
    before, after = repairs.rows(sql), twice.rows(sql)
    assert [row[:3] for row in after] == [row[:3] for row in before]
    assert [row[3] for row in after] == [2 * row[3] for row in before]
