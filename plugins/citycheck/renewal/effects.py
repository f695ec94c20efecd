"""What each of thousands of projects would change: people covered, indicators, dimensions and the index of every area.

The same arithmetic as dbt's int_covered_points, int_ratios_* and int_area_ratios, but only where a project changes something:
who is newly in reach → numerators and denominators of communities → those of the areas that pool them → the index, by the
engine in numpy. A project is taken to be built so that it counts. Indicators of a city's own pack are left as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from citycheck.index.engine import Engine
from citycheck.index.spec import Spec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LEVELS = ("community", "county", "city")
OK, NO_DENOMINATOR, MISSING = 0, 1, 2
"""How it stands with the ratio of a unit: a value, nothing to count, or not enough known."""
_SLACK = 1e-6
"""Shares are compared to six decimals of people, as dbt's reaches_share does."""
_ROWS = 20_000
"""Areas that are scored at a time."""


@dataclass(frozen=True)
class Near:
    """Which buildings lie around places: a run of `building` and `distance_m` for each place, by `first`."""

    first: Ints
    building: Ints
    distance_m: Floats

    def of(self, place: int) -> tuple[Ints, Floats]:
        run = slice(self.first[place], self.first[place + 1])
        return self.building[run], self.distance_m[run]


@dataclass(frozen=True)
class Facility:
    """What a project would put at a place of `Near`: what it serves as, where it stands and how large it is."""

    kind_code: str
    serves: frozenset[str]
    """Its kind, and what else a layer asks for, such as `F15/supermarket` or `type/supermarket`."""
    place: int
    community: int
    """-1 outside every community."""
    amounts: Mapping[str, float | None]
    """floor_area_m2, land_area_m2 and capacity; what is not there is not known."""


@dataclass(frozen=True)
class Layer:
    """A way of being covered, and who is: a building is, once as many facilities more are in reach as each need says."""

    code: str
    """The indicator that counts the people, or the kind."""
    people: Floats
    radius_m: Floats
    needs: tuple[tuple[str, Ints], ...]
    """What must be in reach, and how many more of it, building by building; all zeros where it is covered already."""

    def gained(self, near: Near, facilities: Sequence[Facility]) -> Ints:
        """The buildings that these facilities together would cover, in order."""
        reached = [
            [self.reached(near, one) for one in facilities if need in one.serves] for need, _ in self.needs
        ]
        rows = np.unique(
            np.concatenate([np.empty(0, dtype=np.int64), *(some for every in reached for some in every)])
        )
        is_open, is_met = np.zeros(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
        for (_, more), every in zip(self.needs, reached, strict=True):
            missing = more[rows]
            is_open |= missing > 0
            for some in every:
                missing[np.searchsorted(rows, some)] -= 1
            is_met &= missing <= 0
        return rows[is_open & is_met]

    def reached(self, near: Near, facility: Facility) -> Ints:
        """The buildings within the radius of a facility, in order."""
        rows, distance_m = near.of(facility.place)
        return rows[distance_m <= self.radius_m[rows]]


@dataclass(frozen=True)
class Ratio:
    """An indicator that facilities decide, in its units (communities, or counties): what it is made of, before any project."""

    code: str
    multiplier: float
    is_of_counties: bool
    kinds: frozenset[str]
    measure: str | None
    """What is summed up; `count` of facilities that are large enough; null where people in reach are counted."""
    numerator: Floats
    denominator: Floats
    """NaN where there is none."""
    is_blocked: Mask
    """Missing for a reason that no project removes: kind not surveyed, group not known."""
    is_size_known: Mask
    facilities: Ints
    facilities_known: Ints
    """Of a measure: facilities that it sums up, and those whose amount is known."""
    least: float
    """The smallest denominator that has a value."""

    def status(self, denominator: Floats, is_size_known: Mask, units: Ints) -> Ints:
        known = np.where(np.isnan(denominator), 0.0, denominator)
        status = np.where(known == 0, NO_DENOMINATOR, np.where(known < self.least, MISSING, OK))
        return np.where(self.is_blocked[units] | ~is_size_known, MISSING, status)


@dataclass(frozen=True)
class City:
    """A city as its marts have it, for what facilities decide."""

    community_ids: Sequence[str]
    county_ids: Sequence[str]
    city_id: str
    county_of: Ints
    """Community → county."""
    residents: Floats
    """Of communities, as areas weigh them."""
    building_community: Ints
    layers: Sequence[Layer]
    """Of indicators (`code` is one of `ratios`); several of one indicator add up."""
    kind_layers: Mapping[str, Layer]
    """Kind → who of its target group has it in reach."""
    elder_kinds: frozenset[str]
    """Kinds that are meant for people aged 60 or over."""
    ratios: Mapping[str, Ratio]
    register: Mapping[tuple[int, str], tuple[int, int]]
    """County and kind → operating facilities, and those whose size is known."""
    size_matters: frozenset[str]
    """Indicators that are missing where the sizes of a kind are not known in the county."""
    known_size_min: float
    indicator_min_coverage: float
    spec: Spec
    values: Mapping[str, Floats]
    """Level → values of its areas, (areas, leaves) in the order of the spec; NaN where missing."""

    def area_ids(self, level: str) -> Sequence[str]:
        return {"community": self.community_ids, "county": self.county_ids, "city": [self.city_id]}[level]

    def area_of(self, level: str) -> Ints:
        """Community → the area of a level that it lies in."""
        many = len(self.community_ids)
        return {
            "community": np.arange(many),
            "county": self.county_of,
            "city": np.zeros(many, dtype=np.int64),
        }[level]


@dataclass(frozen=True)
class Changes:
    """Units whose ratio a set of facilities changes, a row each: before and after."""

    set_: Ints
    unit: Ints
    before: tuple[Floats, Floats, Ints]
    after: tuple[Floats, Floats, Ints]
    """Numerator, denominator, status."""


def changes(city: City, near: Near, sets: Sequence[Sequence[Facility]]) -> dict[str, Changes]:
    """Indicator → what each set of facilities, built together, changes of its units."""
    layers: dict[str, list[Layer]] = {}
    for layer in city.layers:
        layers.setdefault(layer.code, []).append(layer)
    found: dict[str, Changes] = {}
    for code, ratio in city.ratios.items():
        rows = [
            (number, unit, gain)
            for number, facilities in enumerate(sets)
            if any(one.kind_code in ratio.kinds for one in facilities)
            for unit, gain in _gains(city, ratio, layers.get(code, []), near, facilities)
        ]
        if rows:
            found[code] = _before_and_after(city, ratio, rows)
    return found


@dataclass
class _Gain:
    """What a unit's ratio gains: above and below the line, facilities summed up and those of known amount."""

    above: float = 0.0
    below: float = 0.0
    facilities: int = 0
    known: int = 0
    are_sizes_told: bool = False


def _gains(
    city: City, ratio: Ratio, layers: list[Layer], near: Near, facilities: Sequence[Facility]
) -> list[tuple[int, _Gain]]:
    """Units in order, with what facilities that are built together bring them."""
    mine = [one for one in facilities if one.kind_code in ratio.kinds]
    gains: defaultdict[int, _Gain] = defaultdict(_Gain)
    for layer in layers:
        rows = layer.gained(near, mine)
        more = np.bincount(city.building_community[rows], layer.people[rows]).tolist()
        for unit in np.flatnonzero(more).tolist():
            gains[unit].above += more[unit]
    for one in mine if ratio.measure is not None else ():
        if one.community >= 0:
            gain = gains[int(city.county_of[one.community]) if ratio.is_of_counties else one.community]
            amount = 1.0 if ratio.measure == "count" else one.amounts.get(str(ratio.measure))
            gain.above += amount or 0.0
            gain.below += ratio.measure == "count"
            gain.facilities += 1
            gain.known += amount is not None
    if ratio.code in city.size_matters and (told := sorted(_counties_told(city, ratio, mine))):
        for unit in np.flatnonzero(np.isin(city.county_of, told) & ~ratio.is_size_known).tolist():
            gains[unit].are_sizes_told = True
    return sorted(gains.items(), key=lambda item: item[0])


def _counties_told(city: City, ratio: Ratio, facilities: Sequence[Facility]) -> set[int]:
    """Counties where the sizes of every kind of an indicator are known once these facilities stand there."""
    more: dict[tuple[int, str], int] = {}
    for one in facilities:
        if one.community >= 0:
            key = int(city.county_of[one.community]), one.kind_code
            more[key] = more.get(key, 0) + 1

    def is_known(county: int, kind: str) -> bool:
        many, known = city.register.get((county, kind), (0, 0))
        new = more.get((county, kind), 0)
        return known + new >= city.known_size_min * (many + new) - _SLACK

    return {county for county, _ in more if all(is_known(county, kind) for kind in ratio.kinds)}


def _before_and_after(city: City, ratio: Ratio, rows: list[tuple[int, int, _Gain]]) -> Changes:
    set_, unit = (np.array([row[at] for row in rows], dtype=np.int64) for at in (0, 1))
    gains = [gain for _, _, gain in rows]
    numerator, denominator = ratio.numerator[unit], ratio.denominator[unit]
    is_size_known = ratio.is_size_known[unit]
    status = ratio.status(denominator, is_size_known, unit)
    if ratio.measure in (None, "count"):
        is_size_known = is_size_known | np.array([gain.are_sizes_told for gain in gains], dtype=bool)
    else:
        many = ratio.facilities[unit] + np.array([gain.facilities for gain in gains])
        known = ratio.facilities_known[unit] + np.array([gain.known for gain in gains])
        is_size_known = known >= city.known_size_min * many - _SLACK
    above = np.round(numerator + np.array([gain.above for gain in gains]), 6)
    below = denominator + np.array([gain.below for gain in gains])
    after = above, below, ratio.status(below, is_size_known, unit)
    return Changes(set_, unit, (numerator, denominator, status), after)


# From units to areas -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """Indicators of areas that are others than now, a row each; NaN where there is no value any more."""

    set_: Ints
    area: Ints
    value: Floats


def values(city: City, changed: Mapping[str, Changes], level: str) -> dict[str, Values]:
    """Indicator → its values in the areas of a level that a set changes."""
    return {code: _pooled(city, city.ratios[code], change, level) for code, change in changed.items()}


def _pooled(city: City, ratio: Ratio, change: Changes, level: str) -> Values:
    area, unit, weight = _members(city, ratio.is_of_counties, level)
    areas = len(city.area_ids(level))
    units = np.arange(len(ratio.numerator))
    status = ratio.status(ratio.denominator, ratio.is_size_known, units)
    now = _terms(ratio.numerator[unit], ratio.denominator[unit], status[unit], weight)
    now = np.stack([np.bincount(area, term, minlength=areas) for term in now])
    # A unit may lie in several areas: of a county, each of its communities has the value.
    many = np.bincount(unit, minlength=len(units))
    first = np.concatenate([[0], np.cumsum(many)])
    row = np.repeat(np.arange(len(change.unit)), many[change.unit])
    at = np.argsort(unit, kind="stable")[_runs(first[change.unit], many[change.unit])]
    now_, then = (
        _terms(above[row], below[row], status_[row], weight[at])
        for above, below, status_ in (change.before, change.after)
    )
    difference = then - now_
    key, where = np.unique(change.set_[row] * areas + area[at], return_inverse=True)
    more = np.stack([np.bincount(where, term, minlength=len(key)) for term in difference])
    numerator, denominator, has_value, with_value, to_count = now[:, key % areas] + more
    is_covered = (has_value > 0.5) & (with_value >= city.indicator_min_coverage * to_count - _SLACK)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(is_covered & (denominator != 0), ratio.multiplier * numerator / denominator, np.nan)
    return Values(key // areas, key % areas, value)


def _members(city: City, is_of_counties: bool, level: str) -> tuple[Ints, Ints, Floats]:
    """Areas with the units that they pool, and what each weighs there: its people, or 1 where nobody lives in the area."""
    area, unit = city.area_of(level), np.arange(len(city.community_ids))
    weight: Floats = city.residents
    if is_of_counties:
        pairs, where = np.unique(area * len(city.county_ids) + city.county_of, return_inverse=True)
        area, unit = np.divmod(pairs, len(city.county_ids))
        weight = np.bincount(where, weight).astype(np.float64)
    people = np.bincount(area, weight)
    return area, unit, np.where(people[area] == 0, 1.0, weight)


def _terms(numerator: Floats, denominator: Floats, status: Ints, weight: Floats) -> Floats:
    """What a unit adds to the sums of its area."""
    is_ok = status == OK
    return np.stack(
        [
            np.where(is_ok, numerator, 0.0),
            np.where(is_ok, denominator, 0.0),
            is_ok.astype(np.float64),
            np.where(is_ok, weight, 0.0),
            np.where(status != NO_DENOMINATOR, weight, 0.0),
        ]
    )


def _runs(first: Ints, many: Ints) -> Ints:
    """The numbers of runs, one run after the other."""
    return np.arange(many.sum()) + np.repeat(first - np.cumsum(many) + many, many)


# From values to points -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Points:
    """Nodes of areas that score otherwise than now, a row each, sorted by set, area and node."""

    set_: Ints
    area: Ints
    node: Ints
    """The number of a node in the spec."""
    points: Floats
    """Score with the set minus score now."""


def points(city: City, changed: Mapping[str, Values], level: str) -> Points:
    """What sets of facilities change of the scores of a level; what has no score before or after is left out."""
    base, spec = city.values[level], city.spec
    if not len(base) or not changed:
        nothing = np.empty(0, dtype=np.int64)
        return Points(nothing, nothing, nothing, np.empty(0))
    column = {leaf.code: at for at, leaf in enumerate(spec.leaves)}
    now = _scores(spec, base)
    key = np.unique(np.concatenate([some.set_ * len(base) + some.area for some in changed.values()]))
    blocks = []
    for block in _blocks(spec, key, len(base)):
        rows = base[block % len(base)]
        for code, some in changed.items():
            if code in column:
                of = some.set_ * len(base) + some.area
                kept = np.isin(of, block)
                rows[np.searchsorted(block, of[kept]), column[code]] = some.value[kept]
        if _is_separable(spec):
            scores = _scores(spec, rows)
        else:  # what is scored by comparison needs every area of the level, as it is with the set
            whole = base.copy()
            whole[block % len(base)] = rows
            scores = _scores(spec, whole)
            block = block[0] // len(base) * len(base) + np.arange(len(base))
        difference = scores - now[block % len(base)]
        row, node = np.nonzero(~np.isnan(difference) & (np.abs(difference) > 1e-12))
        blocks.append((block[row] // len(base), block[row] % len(base), node, difference[row, node]))
    set_, area, node = (np.concatenate([block[at] for block in blocks]) for at in range(3))
    return Points(set_, area, node, np.concatenate([block[3] for block in blocks]))


def _blocks(spec: Spec, key: Ints, areas: int) -> list[Ints]:
    """Areas of sets that are scored together: as many as fit, or set by set where areas are compared with each other."""
    if _is_separable(spec):
        return [key[first : first + _ROWS] for first in range(0, len(key), _ROWS)]
    return [np.array(list(some)) for _, some in groupby(key, key=lambda number: number // areas)]


def _is_separable(spec: Spec) -> bool:
    """Whether an area's score hangs on no other area."""
    return all(
        (
            node.normalisation in ("none", "goalposts")
            or (node.normalisation == "distance_to_target" and node.goalpost_low is not None)
        )
        and node.outliers == "none"
        and node.imputation == "none"
        for node in spec.nodes
    )


def _scores(spec: Spec, values: Floats) -> Floats:
    scores = Engine(spec, values).scores
    return np.column_stack([scores[node.code] for node in spec.nodes])
