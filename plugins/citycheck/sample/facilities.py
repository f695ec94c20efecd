"""The register of public facilities: candidates that open, close, renovate and grow over the half-years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.sample.draws import FIRST_YEAR, HALF_YEARS, Array, choose, pick, stream
from citycheck.sample.people import People
from citycheck.sample.places import COUNTIES, Places
from citycheck.sample.words import KINDS, OUTLETS, STORES

NEVER = 99


@dataclass(frozen=True)
class Kind:
    """How a kind of facility is drawn."""

    a_unit: float
    """Candidates in an ordinary unit."""
    floor_m2: float
    """Median floor area."""
    spread: float
    """Standard deviation of the logarithm of the sizes."""
    enough_m2: float = 0.0
    """What an undersized one is enlarged to."""
    land_m2: float = 0.0
    """Median land area; 0 is none of its own."""
    enough_land_m2: float = 0.0
    host: str = ""
    """Kind that may house it."""
    housed: float = 0.0
    """Share that is housed, where there is a host."""
    radius_m: float = 300.0
    """Within reach, as far as the survey's respondents are concerned."""


DRAWN = {
    "F01": Kind(1.00, 880, 0.28, 800),
    "F02": Kind(0.85, 60, 0.30, host="F01", housed=0.6, radius_m=500),
    "F03": Kind(0.84, 270, 0.35, 200, radius_m=500),
    "F04": Kind(1.00, 3_100, 0.28, 2_200, 4_800, 3_500),
    "F05": Kind(0.58, 9_000, 0.25, land_m2=16_000, radius_m=500),
    "F06": Kind(0.80, 70, 0.50, 30, host="F01", housed=0.5, radius_m=500),
    "F07": Kind(0.98, 430, 0.30, 350, host="F01", housed=0.3, radius_m=500),
    "F08": Kind(0.80, 110, 0.40, host="F07", housed=0.5, radius_m=500),
    "F09": Kind(0.20, 4_500, 0.40, land_m2=5_000, radius_m=1_000),
    "F10": Kind(0.22, 1_600, 0.30, 1_000, land_m2=2_400, radius_m=1_000),
    "F11": Kind(0.98, 160, 0.30, 120, host="F01", housed=0.4, radius_m=500),
    "F12": Kind(0.80, 350, 0.40, 250, host="F01", housed=0.35, radius_m=500),
    "F13": Kind(0.50, 120, 0.40, host="F12", housed=0.4, radius_m=1_000),
    "F14": Kind(0.82, 1_050, 0.35, 750, radius_m=500),
    "F15": Kind(2.10, 90, 0.40),
    "F16": Kind(0.75, 0, 0.30, land_m2=1_600, enough_land_m2=1_310, radius_m=500),
    "F17": Kind(1.60, 0, 0.60, land_m2=420, enough_land_m2=150),
    "F18": Kind(1.70, 32, 0.50, 15),
    "F19": Kind(2.65, 45, 0.50, radius_m=1_000),
    "F20": Kind(1.10, 0, 0.50, land_m2=1_800),
}
SUPERMARKET_M2, SUPERMARKET_ENOUGH_M2 = 430.0, 300.0
OUTLET_WEIGHTS = [2, 1, 1, 2, 16, 8, 18, 8, 7, 10, 14, 5]
# One kind in one county is badly recorded on purpose: too many sizes are unknown to compute its indicator.
BADLY_RECORDED = ("330824", "F06", 0.60)


@dataclass(frozen=True)
class Facilities:
    """The register of one half-year."""

    ids: Array
    kind: Array
    """Index into KINDS."""
    subtype: Array
    unit: Array
    at: Array
    floor_m2: Array
    land_m2: Array
    capacity: Array
    functions: Array
    car_spaces: Array
    ev_chargers: Array
    ebike_ports: Array
    status: Array
    opened_on: Array
    """The last opening, in the future of what is being built; NaT where nobody knows."""
    closed_on: Array
    """NaT while it operates."""
    host: Array
    names: Array
    serves: Array
    """Whether it operates and is large enough."""


def build(seed: int, places: Places, people: People, t: int) -> Facilities:
    """The register in half-year `t`."""
    units = len(places.rows)
    provision = np.array([c.provision for c in COUNTIES.values()])[places.county]
    zeal = np.exp(0.18 * stream(seed, "zeal").normal(size=units)) * provision
    # Programmes of the counties: half-years in which much opens, and half-years in which much closes.
    opens = stream(seed, "openings").gamma(1.2, size=(len(COUNTIES), HALF_YEARS))
    closes = stream(seed, "closures").gamma(1.2, size=(len(COUNTIES), HALF_YEARS))
    parts = [_kind(seed, places, people, t, number, zeal, opens, closes) for number in range(len(KINDS))]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["host"] = _move_into_hosts(columns)
    known = columns.pop("in_register")
    columns.pop("housed_in")
    return Facilities(**{name: values[known] for name, values in columns.items()})


def _kind(
    seed: int, places: Places, people: People, t: int, number: int, zeal: Array, opens: Array, closes: Array
) -> dict[str, Array]:
    """All candidates of one kind as they are in half-year `t`; the draws do not depend on `t`."""
    code, kind = list(KINDS)[number], list(DRAWN.values())[number]
    rng = stream(seed, "facilities", code)
    units = len(places.rows)
    # Systematic sampling along the units: fractions add up over neighbours, so small counties get theirs too.
    up_to = np.floor(np.cumsum(kind.a_unit * zeal) + rng.random()).astype(int)
    unit = np.repeat(np.arange(units), np.diff(up_to, prepend=0))
    n = len(unit)
    county = places.county[unit]

    # Near the homes: at a random estate of the unit, somewhat drawn to its middle.
    estates = np.bincount(people.estate_unit, minlength=units)
    estate = (np.cumsum(estates) - estates)[unit] + np.floor(rng.random(n) * estates[unit]).astype(int)
    pull = rng.uniform(0.15, 0.75, n)[:, None]
    at = (1 - pull) * people.estate_at[estate] + pull * places.centres[unit]
    at = np.round(0.92 * at + 0.08 * places.points(rng, unit, 0.88), 6)

    opened = np.where(rng.random(n) < 0.15, choose(rng, opens[county]), -1)
    closed = np.where(rng.random(n) < 0.17, choose(rng, closes[county]), NEVER)
    pause = np.where(rng.random(n) < 0.6, rng.integers(1, 4, n), NEVER)
    reopened = closed + pause
    enlarged = np.where(rng.random(n) < 0.45, rng.integers(0, HALF_YEARS, n), NEVER)
    recorded = np.where(rng.random(n) < 0.07, rng.integers(0, 2 * HALF_YEARS, n), -1)
    if code == BADLY_RECORDED[1]:
        here = np.array(list(COUNTIES))[county] == BADLY_RECORDED[0]
        recorded[here & (rng.random(n) < BADLY_RECORDED[2])] = NEVER

    is_closed = (t >= closed) & (t < reopened) & (closed > opened)
    status = np.where(t < opened, "在建", np.where(is_closed, "停用", "正常")).astype(object)
    in_register = (t >= opened - 1) & ~(is_closed & (t >= closed + 2) & (pause == NEVER))

    days = stream(seed, "opening days", code).integers(0, 181, (3, n))
    has_reopened = (t >= reopened) & (closed > opened)
    opened_on = np.where(opened >= 0, _day(opened, days[0]), np.datetime64("NaT"))
    opened_on = np.where(has_reopened, _day(reopened, days[1]), opened_on)
    closed_on = np.where(is_closed, _day(closed, days[2]), np.datetime64("NaT"))

    subtype = np.full(n, "", dtype=object)
    floor, enough = np.full(n, kind.floor_m2), np.full(n, kind.enough_m2)
    if code == "F15":
        subtype = pick(rng, list(STORES), [0.68, 0.32], n)
        is_supermarket = subtype == "综合超市"
        floor, enough = (
            np.where(is_supermarket, SUPERMARKET_M2, floor),
            np.where(is_supermarket, SUPERMARKET_ENOUGH_M2, 0),
        )
    if code == "F19":
        subtype = pick(rng, list(OUTLETS), OUTLET_WEIGHTS, n)
    factor = np.exp(kind.spread * rng.normal(size=n))
    grown = rng.uniform(1.03, 1.25, n)
    floor = floor * factor
    floor = np.where((t >= enlarged) & (floor < enough), enough * grown, floor)
    land = kind.land_m2 * factor * np.exp(0.1 * rng.normal(size=n))
    land = np.where((t >= enlarged) & (land < kind.enough_land_m2), kind.enough_land_m2 * grown, land)
    functions = np.where(rng.random(n) < 0.8, rng.integers(3, 8, n), rng.integers(1, 3, n))
    enough = np.where((code == "F01") & (functions >= 3), 600, enough)
    fits = (floor >= enough) & (land >= kind.enough_land_m2) & (t >= recorded)

    size_known = t >= recorded
    floor = np.where(size_known & (kind.floor_m2 > 0), np.round(floor, 1), np.nan)
    land = np.where(size_known & (kind.land_m2 > 0), np.round(land), np.nan)
    capacity = np.full(n, np.nan)
    if code == "F03":
        capacity = np.rint(rng.uniform(18, 52, n) * (1 + 0.15 * (t >= enlarged)))
    elif code == "F05":
        capacity = 45.0 * rng.integers(18, 37, n)
    elif code == "F09":
        capacity = 10.0 * rng.integers(9, 28, n)
    nothing = np.full(n, np.nan)
    parking = code == "F20"
    cars = rng.integers(30, 260, n).astype(float)
    chargers = np.floor(cars * rng.uniform(0, 0.02 + 0.006 * t, n))
    ports = np.where(rng.random(n) < 0.7, 10.0 * rng.integers(1, 8, n), 0.0)
    label = subtype if code in ("F15", "F19") else np.full(n, KINDS[code], dtype=object)
    return {
        "ids": np.array([f"SS{code}{i + 1:04d}" for i in range(n)], dtype=object),
        "kind": np.full(n, number),
        "subtype": subtype,
        "unit": unit,
        "at": at,
        "floor_m2": floor,
        "land_m2": land,
        "capacity": capacity,
        "functions": functions.astype(float) if code == "F01" else nothing,
        "car_spaces": cars if parking else nothing,
        "ev_chargers": chargers if parking else nothing,
        "ebike_ports": ports if parking else nothing,
        "status": status,
        "opened_on": opened_on,
        "closed_on": closed_on,
        "names": np.array([f"合成{word}{i + 1:04d}" for i, word in enumerate(label)], dtype=object),
        "serves": fits & (status == "正常"),
        "in_register": in_register,
        "housed_in": np.where(
            rng.random(n) < kind.housed, list(KINDS).index(kind.host) if kind.host else -1, -1
        ),
    }


def _day(half_year: Array, day: Array) -> Array:
    """A day of a half-year, counted from the first."""
    months = np.datetime64(f"{FIRST_YEAR}-01", "M") + 6 * half_year.astype(int)
    found: Array = months.astype("datetime64[D]") + day
    return found


def _move_into_hosts(columns: dict[str, Array]) -> Array:
    """Put housed facilities into their unit's first candidate of the host kind; its code while registered."""
    host = np.full(len(columns["ids"]), "", dtype=object)
    first: dict[tuple[int, int], int] = {}
    for row, key in enumerate(zip(columns["kind"].tolist(), columns["unit"].tolist(), strict=True)):
        first.setdefault(key, row)
    for row in np.flatnonzero(columns["housed_in"] >= 0).tolist():
        found = first.get((int(columns["housed_in"][row]), int(columns["unit"][row])))
        if found is not None:
            columns["at"][row] = columns["at"][found]
            if columns["in_register"][found]:
                host[row] = columns["ids"][found]
    return host


def within_reach(places: Places, people: People, facilities: Facilities) -> Array:
    """(units, kinds): share of the dwellings whose estate has a serving facility of the kind within reach."""
    out = np.zeros((len(places.rows), len(KINDS)))
    weight = np.maximum(people.estate_dwellings, 1)
    total = np.bincount(people.estate_unit, weight, len(places.rows))
    estate_county = places.county[people.estate_unit]
    facility_county = places.county[facilities.unit]
    for number, kind in enumerate(DRAWN.values()):
        reached = np.zeros(len(people.estate_unit), dtype=bool)
        for county in range(len(COUNTIES)):
            homes = np.flatnonzero(estate_county == county)
            there = (facility_county == county) & (facilities.kind == number) & facilities.serves
            if not there.any():
                continue
            gap = people.estate_at[homes][:, None] - facilities.at[there][None]
            metres = gap * places.scale[people.estate_unit[homes]][:, None]
            reached[homes] = ((metres**2).sum(axis=2) <= kind.radius_m**2).any(axis=1)
        out[:, number] = np.bincount(people.estate_unit, weight * reached, len(places.rows)) / total
    return out


def columns(places: Places, facilities: Facilities) -> dict[str, list[object]]:
    streets = np.array([row["street_name"] for row in places.rows], dtype=object)
    words = np.array(list(KINDS.values()), dtype=object)
    out: dict[str, list[object]] = {
        "设施编码": facilities.ids.tolist(),
        "设施名称": facilities.names.tolist(),
        "设施类别": words[facilities.kind].tolist(),
        "业态细类": facilities.subtype.tolist(),
        "所在街道": streets[facilities.unit].tolist(),
        "经度": facilities.at[:, 0].tolist(),
        "纬度": facilities.at[:, 1].tolist(),
        "建筑面积(平方米)": _numbers(facilities.floor_m2),
        "用地面积(平方米)": _numbers(facilities.land_m2),
        "容量": _whole(facilities.capacity),
        "功能数": _whole(facilities.functions),
        "停车泊位": _whole(facilities.car_spaces),
        "新能源充电桩": _whole(facilities.ev_chargers),
        "电动自行车充电口": _whole(facilities.ebike_ports),
        "运营状态": facilities.status.tolist(),
        "启用日期": _days(facilities.opened_on),
        "停用日期": _days(facilities.closed_on),
        "依托设施编码": facilities.host.tolist(),
    }
    return out


def _numbers(values: Array) -> list[object]:
    return [None if value != value else value for value in values.tolist()]


def _days(values: Array) -> list[object]:
    return [None if np.isnat(value) else str(value) for value in values]


def _whole(values: Array) -> list[object]:
    return [None if value != value else int(value) for value in values.tolist()]
