"""Residential buildings with their residents, and the housing estates that they form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.sample.draws import HALF_YEARS, MIDDLE, Array, pick, split, stream
from citycheck.sample.places import COUNTIES, Places
from citycheck.sample.words import AGE_GROUPS, MARGINS, PROPERTY_MODELS

PERSONS_PER_HOUSEHOLD = 2.6
DWELLINGS_IN_USE = 0.88
CHILD_SHARES = np.array([0.024, 0.031, 0.070, 0.036])
ELDER_SHARE, ELDER_SHARE_A_HALF_YEAR = 0.205, 0.0025


@dataclass(frozen=True)
class People:
    """Buildings and estates of one half-year."""

    building_ids: Array
    building_unit: Array
    building_at: Array
    dwellings: Array
    households: Array
    residents: Array
    ages: Array
    """(buildings, 6), the groups of words.AGE_GROUPS."""
    estate_ids: Array
    estate_unit: Array
    estate_at: Array
    estate_dwellings: Array
    estate_names: Array
    property_model: Array
    has_ebike_charging: Array

    def unit_residents(self, units: int) -> Array:
        return np.bincount(self.building_unit, self.residents, units)

    def unit_elder_share(self, units: int) -> Array:
        return np.bincount(self.building_unit, self.ages[:, -1], units) / self.unit_residents(units)


def build(seed: int, places: Places, t: int) -> People:
    """The people of half-year `t`. Buildings and estates stay, but for buildings that are not yet built."""
    rng = stream(seed, "people")
    units = len(places.rows)
    county = places.county

    estates_of = rng.integers(6, 12, units)
    estate_unit = np.repeat(np.arange(units), estates_of)
    first_estate = np.cumsum(estates_of) - estates_of
    estate_at = np.round(places.points(rng, estate_unit, 0.72), 6)
    estate_number = np.arange(len(estate_unit)) - first_estate[estate_unit]

    buildings_of = rng.integers(62, 119, units)
    unit = np.repeat(np.arange(units), buildings_of)
    number = np.arange(len(unit)) - (np.cumsum(buildings_of) - buildings_of)[unit]
    # Every estate has a building at least; the others stand where chance puts them.
    estate = first_estate[unit] + np.where(
        number < estates_of[unit], number, np.floor(rng.random(len(unit)) * estates_of[unit]).astype(int)
    )
    at = np.round(0.72 * estate_at[estate] + 0.28 * places.points(rng, unit, 0.88), 6)

    weight = rng.gamma(3.0, size=len(unit))
    size = np.where(places.is_new, rng.uniform(4_500, 6_800, units), rng.uniform(4_700, 8_300, units))
    growth = rng.uniform(-0.004, 0.004, units)
    built = np.where(
        places.is_new[unit] & (number >= estates_of[unit]) & (rng.random(len(unit)) < 0.15),
        rng.integers(1, HALF_YEARS, len(unit)),
        0,
    )
    at_middle = size[unit] * weight / np.bincount(unit, weight)[unit]
    residents = np.maximum(np.rint(at_middle * (1 + growth[unit]) ** (t - MIDDLE)).astype(int), 4)
    homes = at_middle / PERSONS_PER_HOUSEHOLD * rng.uniform(0.94, 1.06, len(unit))
    dwellings = np.maximum(np.ceil(homes / DWELLINGS_IN_USE).astype(int), 2)
    households = np.minimum(np.maximum(np.rint(residents / PERSONS_PER_HOUSEHOLD).astype(int), 1), dwellings)

    elder = (
        ELDER_SHARE
        + ELDER_SHARE_A_HALF_YEAR * (t - MIDDLE)
        + rng.normal(0, 0.04, units)
        - 0.07 * places.is_new
    )
    children = CHILD_SHARES * np.clip(rng.normal(1, 0.15, units) + 0.35 * places.is_new, 0.5, 1.8)[:, None]
    elder = np.clip(elder, 0.08, 0.38)
    shares = np.column_stack([children, 1 - children.sum(axis=1) - elder, elder])
    ages = split(residents, shares[unit], rng.random(len(unit)))

    cares = (
        rng.random(len(estate_unit))
        - 0.10 * np.array([c.provision for c in COUNTIES.values()])[county[estate_unit]]
    )
    property_model = pick(rng, list(PROPERTY_MODELS)[:3], [60, 24, 16], len(estate_unit))
    # Estates without property service are taken over one after the other.
    property_model[cares > 0.80 + 0.006 * (t - MIDDLE)] = "无物业"
    charging = (
        rng.random(len(estate_unit))
        - 0.18 * np.array([c.provision for c in COUNTIES.values()])[county[estate_unit]]
    )

    exists = built <= t
    ids = places.ids
    return People(
        building_ids=np.array(
            [f"{ids[u]}B{n + 1:03d}" for u, n in zip(unit, number, strict=True)], dtype=object
        )[exists],
        building_unit=unit[exists],
        building_at=at[exists],
        dwellings=dwellings[exists],
        households=households[exists],
        residents=residents[exists],
        ages=ages[exists],
        estate_ids=np.array(
            [f"{ids[u]}X{n + 1:02d}" for u, n in zip(estate_unit, estate_number, strict=True)], dtype=object
        ),
        estate_unit=estate_unit,
        estate_at=estate_at,
        estate_dwellings=np.bincount(estate[exists], dwellings[exists], len(estate_unit)).astype(int),
        estate_names=np.array([f"合成小区{n + 1:04d}" for n in range(len(estate_unit))], dtype=object),
        property_model=property_model,
        has_ebike_charging=charging < 0.52 + 0.012 * (t - MIDDLE),
    )


def margin_columns(seed: int, places: Places, people: People) -> dict[str, list[object]]:
    """The register's adults by age, sex, tenure and household, community by community, in the words of the source."""
    rng = stream(seed, "margins")
    units = len(places.rows)
    ages = np.column_stack([np.bincount(people.building_unit, group, units) for group in people.ages.T])
    minors = 3 / 45 * ages[:, -2]  # 15 to 17 of 15 to 59
    working = np.rint(ages[:, -2] - minors).astype(int)
    bands = split(working, _near(rng, [0.24, 0.40, 0.36], units), np.zeros(units))
    adults = working + ages[:, -1].astype(int)
    parts = {
        "年龄段": np.column_stack([bands, ages[:, -1].astype(int)]),
        "性别": split(adults, _near(rng, [0.495, 0.505], units), np.zeros(units)),
        "住房性质": split(adults, _near(rng, [0.78, 0.22], units), np.zeros(units)),
        "家中有12岁及以下儿童": split(adults, _near(rng, [0.29, 0.71], units), np.zeros(units)),
        "家庭人口数": split(adults, _near(rng, [0.12, 0.30, 0.31, 0.17, 0.10], units), np.zeros(units)),
    }
    rows = [
        (community, characteristic, category, count)
        for unit, community in enumerate(places.ids.tolist())
        for characteristic, counts in parts.items()
        for category, count in zip(MARGINS[characteristic], counts[unit].tolist(), strict=True)
    ]
    names = ("社区编码", "特征", "类别", "成年人口")
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _near(rng: np.random.Generator, shares: list[float], units: int) -> Array:
    """Shares of each unit around those of the city; rows sum to 1."""
    drawn: Array = rng.dirichlet(120 * np.array(shares), units)
    return drawn


def building_columns(places: Places, people: People) -> dict[str, list[object]]:
    columns: dict[str, Array] = {
        "楼栋编码": people.building_ids,
        "社区编码": places.ids[people.building_unit],
        "经度": people.building_at[:, 0],
        "纬度": people.building_at[:, 1],
        "住宅套数": people.dwellings,
        "户数": people.households,
        "常住人口": people.residents,
    }
    columns |= {name: people.ages[:, i] for i, name in enumerate(AGE_GROUPS)}
    return {name: values.tolist() for name, values in columns.items()}


def estate_columns(places: Places, people: People) -> dict[str, list[object]]:
    columns: dict[str, Array] = {
        "小区编码": people.estate_ids,
        "小区名称": people.estate_names,
        "社区编码": places.ids[people.estate_unit],
        "经度": people.estate_at[:, 0],
        "纬度": people.estate_at[:, 1],
        "住宅套数": people.estate_dwellings,
        "物业模式": people.property_model,
        "电动自行车充电": np.where(people.has_ebike_charging, "有", "无"),
    }
    return {name: values.tolist() for name, values in columns.items()}
