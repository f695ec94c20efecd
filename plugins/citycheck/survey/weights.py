"""How many people each respondent stands for, by what the register knows of where they live and who they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from citycheck.survey.raking import Floats, Ints, Margin, Raked, rake

CITY = None
"""The county of a margin that is known of the whole city only."""
People = Mapping[tuple[str | None, str], Mapping[str, float]]
"""Community (or the whole city, None) and characteristic → category → people."""


@dataclass(frozen=True)
class Limits:
    """How weights are found; the numbers are those of the seed `scoring`."""

    coverage_min: float
    category_n_min: float
    ratio_min: float
    ratio_max: float
    tolerance: float
    rounds_max: int


@dataclass(frozen=True)
class Weights:
    """`weight` and `weighting` (raked, population or none), one a respondent; `margins`: what was raked to and reached."""

    weight: Floats
    weighting: list[str]
    margins: list[dict[str, Any]]
    raked: Raked


@dataclass(frozen=True)
class _Characteristic:
    """A characteristic as raked to: categories of a county (or the city) that are too small are merged."""

    name: str
    margin: Margin
    stated: list[tuple[str | None, str, float, Ints]]
    """County, category, people of the register, and respondents of the category by their place."""
    groups: dict[str | None, Ints]
    """Who has said it, by county."""


def weights(
    respondents: Sequence[Mapping[str, str | None]],
    counties: Mapping[str, str],
    residents: Mapping[str, float],
    people: People,
    characteristics: Mapping[str, Sequence[str]],
    limits: Limits,
) -> Weights:
    """Weigh respondents (community_id and the characteristics) so that they agree with residents and margins.

    `counties` and `residents` by community; `characteristics`: the categories of each, in their order. Weights of a
    community sum up to its residents. Where no margin is known, respondents of a community weigh the same; where
    residents are not known either, everybody stands for himself.
    """
    community = [str(row["community_id"]) for row in respondents]
    known = np.array([residents.get(name, 0) > 0 for name in community], dtype=bool)
    shares = [
        share
        for name, categories in characteristics.items()
        if (
            share := _characteristic(
                name, categories, respondents, known, counties, residents, people, limits
            )
        )
    ]
    if known.any():
        places = {name: place for place, name in enumerate(sorted(set(community)))}
        totals = Margin(
            np.array([places[name] for name in community], dtype=np.int64),
            np.array([residents.get(name, 0) for name in places], dtype=np.float64),
        )
        inside = known
    else:
        # Without residents, but with margins of the whole city, the sample stands for the city as one.
        stated = [sum(rows.values()) for (where, _), rows in people.items() if where is CITY]
        totals = Margin(np.zeros(len(community), dtype=np.int64), np.array([max(stated, default=0.0)]))
        inside = np.full(len(community), bool(shares))
    weight = np.ones(len(community))
    raked = rake(
        weight[inside],
        Margin(totals.category[inside], totals.people),
        [Margin(s.margin.category[inside], s.margin.people, s.margin.group) for s in shares],
        ratio_min=limits.ratio_min,
        ratio_max=limits.ratio_max,
        tolerance=limits.tolerance,
        rounds_max=limits.rounds_max,
    )
    weight[inside] = raked.weight
    is_raked = np.zeros(len(community), dtype=bool)
    for share in shares:
        for county in share.groups:
            is_raked |= inside & np.array(
                [county in (CITY, counties.get(name)) for name in community], dtype=bool
            )
    weighting = [
        "raked" if by_margins else "population" if by_residents else "none"
        for by_margins, by_residents in zip(is_raked.tolist(), inside.tolist(), strict=True)
    ]
    return Weights(weight, weighting, [row for share in shares for row in _reached(share, weight)], raked)


def _characteristic(
    name: str,
    categories: Sequence[str],
    respondents: Sequence[Mapping[str, str | None]],
    known: Any,
    counties: Mapping[str, str],
    residents: Mapping[str, float],
    people: People,
    limits: Limits,
) -> _Characteristic | None:
    """The margin of one characteristic, by county where the communities' are known, else of the city; None if neither."""
    by_county = _by_county(name, counties, residents, people, limits.coverage_min)
    if not by_county:
        if (CITY, name) not in people:
            return None
        by_county = {CITY: dict(people[CITY, name])}
    category = np.full(len(respondents), -1, dtype=np.int64)
    totals: list[float] = []
    group: list[int] = []
    stated: list[tuple[str | None, str, float, Ints]] = []
    groups: dict[str | None, Ints] = {}
    is_anywhere_known = bool(known.any())
    for county, of_county in sorted(by_county.items(), key=lambda item: str(item[0])):
        answered: dict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(respondents):
            is_here = county is CITY or counties.get(str(row["community_id"])) == county
            if is_here and (known[place] or not is_anywhere_known) and (value := row[name]) in categories:
                answered[str(value)].append(place)
        if not answered:
            continue
        groups[county] = np.sort(
            np.array([place for places in answered.values() for place in places], dtype=np.int64)
        )
        for merged in _merged(
            categories, of_county, {c: len(a) for c, a in answered.items()}, limits.category_n_min
        ):
            for one in merged:
                at = np.array(answered.get(one, []), dtype=np.int64)
                stated.append((county, one, of_county.get(one, 0.0), at))
                category[at] = len(totals)
            totals.append(sum(of_county.get(one, 0.0) for one in merged))
            group.append(len(groups) - 1)
    if not groups:
        return None
    margin = Margin(category, np.array(totals, dtype=np.float64), np.array(group, dtype=np.int64))
    return _Characteristic(name, margin, stated, groups)


def _by_county(
    name: str,
    counties: Mapping[str, str],
    residents: Mapping[str, float],
    people: People,
    coverage_min: float,
) -> dict[str | None, dict[str, float]]:
    """The sums of communities, for counties of which enough is known: the rest is taken to be as they are."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    lived: dict[str, float] = defaultdict(float)
    covered: dict[str, float] = defaultdict(float)
    for community, county in sorted(counties.items()):
        lived[county] += residents.get(community, 0)
        rows = people.get((community, name), {})
        if sum(rows.values()) > 0:
            covered[county] += residents.get(community, 0)
            for category, count in rows.items():
                sums[county][category] += count
    return {
        county: dict(rows)
        for county, rows in sums.items()
        if covered[county] and covered[county] >= coverage_min * lived[county]
    }


def _merged(
    categories: Sequence[str], people: Mapping[str, float], respondents: Mapping[str, int], n_min: float
) -> list[list[str]]:
    """Neighbouring categories together, until each has people and enough respondents, or one alone is left."""
    parts = [[category] for category in categories]

    def is_small(part: list[str]) -> bool:
        return sum(respondents.get(c, 0) for c in part) < n_min or sum(people.get(c, 0) for c in part) <= 0

    while len(parts) > 1 and any(map(is_small, parts)):
        place = next(place for place, part in enumerate(parts) if is_small(part))
        first = place if place + 1 < len(parts) else place - 1
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts


def _reached(share: _Characteristic, weight: Floats) -> list[dict[str, Any]]:
    """The register's people, in proportion to those who said the characteristic, beside the weights of each category."""
    rows = []
    for county, category, people, at in share.stated:
        whole = sum(other for where, _, other, _ in share.stated if where == county)
        rows.append(
            {
                "county_id": county,
                "characteristic": share.name,
                "category": category,
                "people": people / whole * float(weight[share.groups[county]].sum()),
                "respondents": len(at),
                "weighted": float(weight[at].sum()),
            }
        )
    return rows
