"""Vacant rooms and pieces of land that the departments report: where what is missing could be built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.sample.draws import FIRST_YEAR, HALF_YEARS, Array, stream
from citycheck.sample.places import COUNTIES, Places


@dataclass(frozen=True)
class Type:
    """How a type of site is drawn."""

    word: str
    code: str
    """First letters of the sites' codes."""
    a_unit: float
    """Sites that a unit ever has."""
    area_m2: float
    """Median size."""
    spread: float
    """Standard deviation of the logarithm of the sizes."""
    cny_a_m2: float
    """Median cost of taking a square metre."""


TYPES = (Type("闲置用房", "KF", 3.2, 330, 0.75, 1_400), Type("可用地块", "DK", 1.6, 1_900, 0.80, 900))
STAYS = (4, 15)
"""Half-years for which a site stays on the list, at least and below."""
COST_UNKNOWN = 0.2
BESIDE = (118.705, 29.295)
"""A place in the hills, inside the city's box and outside every unit."""


def columns(seed: int, places: Places, t: int) -> dict[str, list[object]]:
    """The list of half-year `t`: a site keeps place and size for as long as it is on it; the draws do not depend on `t`."""
    out: dict[str, list[object]] = {
        name: []
        for name in (
            "点位编码",
            "点位名称",
            "点位类型",
            "所在街道",
            "经度",
            "纬度",
            "建筑面积(平方米)",
            "用地面积(平方米)",
            "取得费用(元)",
            "可用日期",
        )
    }
    for type_ in TYPES:
        rng = stream(seed, "sites", type_.code)
        n = round(type_.a_unit * len(places.rows))
        # Spread over the units one after the other, and never two in a row in the same one.
        unit = rng.permutation(np.arange(n) % len(places.rows))
        at = np.round(places.points(rng, unit, 0.9), 6)
        area = np.round(type_.area_m2 * np.exp(type_.spread * rng.normal(size=n)))
        dearness = np.array([county.provision for county in COUNTIES.values()])[places.county[unit]]
        cost = np.round(area * type_.cny_a_m2 * dearness * np.exp(0.4 * rng.normal(size=n)), -3)
        is_known = rng.random(n) >= COST_UNKNOWN
        listed = rng.integers(-STAYS[1], HALF_YEARS, n)
        gone = listed + rng.integers(*STAYS, n)
        # A site is listed up to a year before it is empty.
        free = _day(listed + rng.integers(0, 3, n), rng.integers(0, 181, n))
        is_room = type_ is TYPES[0]
        for i in np.flatnonzero((listed <= t) & (t < gone)).tolist():
            street = places.rows[unit[i]]["street_name"]
            size = float(area[i])
            row = (
                f"{type_.code}{i + 1:04d}",
                f"合成{type_.word}{i + 1:04d}",
                type_.word,
                street,
                *at[i].tolist(),
                size if is_room else None,
                None if is_room else size,
                int(cost[i]) if is_known[i] else None,
                str(free[i]),
            )
            for name, value in zip(out, row, strict=True):
                out[name].append(value)
    return out


def _day(half_year: Array, day: Array) -> Array:
    """A day of a half-year, counted from the first."""
    months = np.datetime64(f"{FIRST_YEAR}-01", "M") + 6 * half_year.astype(int)
    found: Array = months.astype("datetime64[D]") + day
    return found
