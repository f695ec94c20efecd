"""Repair reports: what is reported when and where, how it is handled, and what each month's export shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.period import HalfYear
from citycheck.sample.draws import MIDDLE, Array, pick, stream, wave
from citycheck.sample.people import People
from citycheck.sample.places import COUNTIES, Places
from citycheck.sample.sheets import clock
from citycheck.sample.words import (
    CATEGORIES,
    CHANNELS,
    CLOSED,
    OPEN,
    REJECTED,
    REQUEST_TYPES,
    REQUEST_WEIGHTS,
)

REPORTS_A_HALF_YEAR = 56_000
"""First reports; reopened ones come on top."""
HOUR_WEIGHTS = [1, 1, 1, 1, 1, 2, 5, 10, 16, 18, 17, 14, 10, 10, 12, 13, 13, 13, 13, 14, 13, 9, 5, 2]
WEEKDAY_WEIGHTS = [1.12, 1.08, 1.05, 1.04, 1.06, 0.88, 0.77]
ASSETS_A_UNIT = 40
LAST_EXPORT_AFTER_DAYS = 10
NOT_YET = np.datetime64("NaT", "s")


@dataclass(frozen=True)
class Reports:
    """All reports of a half-year in the order of reporting, with all that will ever happen to them."""

    unit: Array
    category: Array
    """Index into CATEGORIES."""
    asset: Array
    """Number of the asset in the unit and category; -1 is none."""
    at: Array
    reported: Array
    dispatched: Array
    responded: Array
    closed: Array
    rated: Array
    due: Array
    rating: Array
    rejected: Array
    request: Array
    channel: Array
    reopen_of: Array
    """Index of the report that this one reopens; -1 is none."""


def build(seed: int, places: Places, people: People, half_year: HalfYear, t: int) -> Reports:
    """Draw the reports of half-year `t`."""
    rng = stream(seed, "repairs", t)
    units = len(places.rows)
    lively = stream(seed, "lively").gamma(12.0, 1 / 12, units)
    volume = people.unit_residents(units) * lively
    busy = np.exp(wave(seed, "repair volume", len(COUNTIES), 0.06)[:, t])[places.county]
    expected = REPORTS_A_HALF_YEAR * (1 + 0.008 * (t - MIDDLE)) * volume / volume.sum() * busy
    unit = np.repeat(np.arange(units), rng.poisson(expected))
    n = len(unit)

    category = rng.choice(
        len(CATEGORIES), size=n, p=_shares([weight for _, weight, *_ in CATEGORIES.values()])
    )
    has_asset = rng.random(n) < 0.45
    asset = np.where(has_asset, rng.integers(0, ASSETS_A_UNIT, n), -1)
    first, last = months(half_year)[0], months(half_year)[-1]
    days = np.arange(first, last)
    weekday = (days.astype(int) + 3) % 7  # the first day of 1970 was a Thursday
    by_day = _shares(np.array(WEEKDAY_WEIGHTS)[weekday] * rng.uniform(0.9, 1.1, len(days)))
    reported = (
        days[rng.choice(len(days), size=n, p=by_day)].astype("datetime64[s]")
        + rng.choice(24, size=n, p=_shares(HOUR_WEIGHTS)) * np.timedelta64(3600, "s")
        + rng.integers(0, 3600, n).astype("timedelta64[s]")
    )
    homes = np.bincount(people.building_unit, minlength=units)
    home = (np.cumsum(homes) - homes)[unit] + np.floor(rng.random(n) * homes[unit]).astype(int)
    at = people.building_at[home] + places.offset(unit, rng.normal(0, 12, (n, 2)))
    at[rng.random(n) < 0.05] = np.nan

    pace = _pace(seed, t)
    handled = _handle(rng, places.county[unit], category, reported, pace)
    # Some of what was closed comes back: same thing, same place.
    county = places.county[unit]
    comes_back = rng.random(n) < np.clip(0.075 / pace[county] ** 1.5, 0.02, 0.25)
    again = handled["closed"] + np.floor(rng.uniform(0.5, 26, n) * 86_400).astype("timedelta64[s]")
    source = np.flatnonzero(
        comes_back & ~np.isnat(handled["closed"]) & (again < last.astype("datetime64[s]"))
    )
    second = _handle(rng, county[source], category[source], again[source], pace)
    # A reporter whose trouble came back had not been content.
    handled["rating"][source] = np.maximum(handled["rating"][source] - 1, 1)

    both = {name: np.concatenate([handled[name], second[name]]) for name in handled}
    rows = np.concatenate([np.arange(n), source])
    when = np.concatenate([reported, again[source]])
    reopen_of = np.concatenate([np.full(n, -1), source])
    order = np.argsort(when, kind="stable")
    position = np.empty(len(order), dtype=int)
    position[order] = np.arange(len(order))
    rows = rows[order]
    return Reports(
        unit=unit[rows],
        category=category[rows],
        asset=asset[rows],
        at=np.round(at[rows], 6),
        reported=when[order],
        reopen_of=np.where(reopen_of[order] >= 0, position[reopen_of[order]], -1),
        **{name: values[order] for name, values in both.items()},
    )


def months(half_year: HalfYear) -> Array:
    """The first days of the six months and of the month after them."""
    start = np.datetime64(f"{half_year.year:04d}-{'01' if half_year.half == 1 else '07'}", "M")
    return (start + np.arange(7)).astype("datetime64[D]")


def _pace(seed: int, t: int) -> Array:
    """How fast each county handles reports in half-year `t`; 1 is ordinary."""
    steady = np.array([c.timeliness for c in COUNTIES.values()])
    return steady * np.exp(wave(seed, "pace", len(COUNTIES), 0.14)[:, t] + 0.012 * (t - MIDDLE))


def _handle(
    rng: np.random.Generator, county: Array, category: Array, reported: Array, pace: Array
) -> dict[str, Array]:
    """What is asked, through which channel, and how it is handled."""
    n = len(reported)
    due_hours = np.array([hours for _, _, hours, *_ in CATEGORIES.values()], dtype=float)[category]
    slow = 1 / pace[county]
    hour = (reported - reported.astype("datetime64[D]")).astype(int) / 3600
    until_morning = np.where(hour >= 22, 32 - hour, np.where(hour < 6, 8 - hour, 0.0))
    waits = rng.random(n) < 0.6
    to_dispatch = 3.6 * slow * np.exp(1.30 * rng.normal(size=n)) + np.where(waits, until_morning, 0.0)
    to_response = 4.6 * slow * np.exp(1.25 * rng.normal(size=n))
    to_close = 0.30 * due_hours * slow * np.exp(0.85 * rng.normal(size=n))
    stuck = rng.random(n) < 0.035
    to_close = np.where(stuck, 24 * rng.uniform(40, 240, n), to_close)
    rejected = rng.random(n) < 0.025

    dispatched = reported + _hours(to_dispatch)
    responded = np.where(rejected, NOT_YET, dispatched + _hours(to_response))
    closed = np.where(rejected, NOT_YET, dispatched + _hours(to_response + to_close))
    due = reported + _hours(due_hours)
    late = closed > due
    opinion = 4.4 + 0.9 * (pace[county] - 1) - 1.1 * late + rng.normal(0, 1.0, n)
    rates = rng.random(n) < 0.45
    rated = np.where(rates, closed + _hours(14 * np.exp(0.9 * rng.normal(size=n))), NOT_YET)
    return {
        "request": pick(rng, list(REQUEST_TYPES), REQUEST_WEIGHTS, n),
        "channel": pick(rng, list(CHANNELS), list(CHANNELS.values()), n),
        "dispatched": dispatched,
        "responded": responded,
        "closed": closed,
        "rated": rated,
        "due": due,
        "rating": np.clip(np.rint(opinion), 1, 5).astype(int),
        "rejected": rejected,
    }


def month_columns(
    places: Places, reports: Reports, half_year: HalfYear
) -> dict[str, dict[str, list[object]]]:
    """Month ('2026-01') → the columns of its export: what was reported and what changed in it.

    A month is exported at two o'clock on the first day of the next, the last one some days later.
    """
    bounds = months(half_year)
    exports = bounds[1:].astype("datetime64[s]") + np.timedelta64(2, "h")
    exports[-1] += np.timedelta64(LAST_EXPORT_AFTER_DAYS, "D")
    ids = _ids(reports)
    out = {}
    before = bounds[0].astype("datetime64[s]")
    for month, start, end, export in zip(
        bounds[:-1].astype("datetime64[M]"), bounds[:-1], bounds[1:], exports, strict=True
    ):
        is_new = (reports.reported >= start) & (reports.reported < end)
        events = np.column_stack(
            [reports.reported, reports.dispatched, reports.responded, reports.closed, reports.rated]
        )
        seen = np.where(events <= export, events, NOT_YET)
        version = np.fmax.reduce(seen, axis=1)
        chosen = np.flatnonzero(is_new | ((reports.reported < start) & (version > before)))
        out[str(month)] = _export(places, reports, ids, chosen, seen[chosen], version[chosen])
        before = export
    return out


def _export(
    places: Places, reports: Reports, ids: Array, chosen: Array, seen: Array, version: Array
) -> dict[str, list[object]]:
    unit, category = reports.unit[chosen], reports.category[chosen]
    unit_ids = places.ids
    words = np.array(list(CATEGORIES), dtype=object)
    departments = np.array([department for *_, department, _ in CATEGORIES.values()], dtype=object)
    texts = np.array([f"（合成）{text}" for *_, text in CATEGORIES.values()], dtype=object)
    is_dispatched, is_closed, is_rated = ~np.isnat(seen[:, 1]), ~np.isnat(seen[:, 3]), ~np.isnat(seen[:, 4])
    rejected = reports.rejected[chosen] & is_dispatched
    original = reports.reopen_of[chosen]
    assets = [
        "" if a < 0 else f"{unit_ids[u]}-{c:02d}{a:02d}"
        for u, c, a in zip(unit.tolist(), category.tolist(), reports.asset[chosen].tolist(), strict=True)
    ]
    return {
        "工单编号": ids[chosen].tolist(),
        "更新时间": list(clock(version)),
        "上报时间": list(clock(reports.reported[chosen])),
        "分转时间": list(clock(seen[:, 1])),
        "首次回应时间": list(clock(seen[:, 2])),
        "应办结时间": list(clock(reports.due[chosen])),
        "办结时间": list(clock(seen[:, 3])),
        "原工单编号": np.where(original >= 0, ids[original], "").tolist(),
        "类别": words[category].tolist(),
        "诉求类型": reports.request[chosen].tolist(),
        "渠道": reports.channel[chosen].tolist(),
        "责任部门": np.where(is_dispatched, departments[category], "").tolist(),
        "社区编码": unit_ids[unit].tolist(),
        "设施资产编号": assets,
        "经度": _known(reports.at[chosen, 0]),
        "纬度": _known(reports.at[chosen, 1]),
        "评价": [
            r if known else None
            for r, known in zip(reports.rating[chosen].tolist(), is_rated.tolist(), strict=True)
        ],
        "状态": np.where(is_closed, CLOSED, np.where(rejected, REJECTED, OPEN)).tolist(),
        "联系电话": [f"000-{i // 10_000:04d}-{i % 10_000:04d}" for i in chosen.tolist()],
        "描述": texts[category].tolist(),
    }


def _ids(reports: Reports) -> Array:
    days = np.datetime_as_string(reports.reported.astype("datetime64[D]"))
    return np.array(
        [f"GD{day.replace('-', '')}{i + 1:06d}" for i, day in enumerate(days.tolist())], dtype=object
    )


def _known(values: Array) -> list[object]:
    return [None if value != value else value for value in values.tolist()]


def _shares(weights: Array | list[float] | list[int]) -> Array:
    share: Array = np.array(weights, dtype=float)
    share /= share.sum()
    return share


def _hours(hours: Array) -> Array:
    seconds: Array = np.floor(hours * 3600).astype("timedelta64[s]")
    return seconds
