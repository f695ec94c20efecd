"""Covering problems: published optima, and every choice of sites tried on small cases.

Published: knights that cover a toroidal board (OEIS A279407); points that meet every line of the affine space of order 3,
27 minus the largest cap set and 9 minus that of the plane (Fulkerson, Nemhauser & Trotter 1974: their A27 and A9).
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.renewal import siting
from citycheck.renewal import siting_greedy as greedy
from citycheck.renewal.siting import Limits, Places

KNIGHT = [(0, 0), *((a * s, b * t) for a, b in ((1, 2), (2, 1)) for s in (1, -1) for t in (1, -1))]


def knights(size):
    pairs = {
        (x * size + y, (x + dx) % size * size + (y + dy) % size)
        for x, y in product(range(size), repeat=2)
        for dx, dy in KNIGHT
    }
    point, site = np.array(sorted(pairs)).T
    return Places.of(np.ones(size**2), point, site, np.zeros(len(site)), sites=size**2)


def lines(dimension):
    """Each line of the affine space over three elements is a point of demand; its three points are its candidates."""
    points = {p: n for n, p in enumerate(product(range(3), repeat=dimension))}
    found = sorted({
        tuple(sorted((points[a], points[b], points[tuple((-x - y) % 3 for x, y in zip(a, b, strict=True))])))
        for a, b in combinations(points, 2)
    })  # fmt: skip
    point = np.repeat(np.arange(len(found)), 3)
    return Places.of(np.ones(len(found)), point, np.ravel(found), np.zeros(3 * len(found)), sites=len(points))


@pytest.mark.parametrize(("size", "fewest"), [(5, 5), (6, 6), (7, 9), (8, 8)])
def test_fewest_knights_on_a_torus(size, fewest):
    answer = siting.full_coverage(knights(size))
    assert (answer.value, answer.bound, answer.is_optimal, answer.gap_pct) == (fewest, fewest, True, 0)
    assert siting.max_coverage(knights(size), sites=fewest).value == size**2
    assert siting.max_coverage(knights(size), sites=fewest - 1).bound < size**2


@pytest.mark.parametrize(("dimension", "count", "fewest"), [(2, 12, 5), (3, 117, 18)])
def test_fewest_points_on_every_line(dimension, count, fewest):
    places = lines(dimension)
    assert len(places.weight) == count
    answer = siting.full_coverage(places)
    assert (answer.value, answer.bound) == (fewest, fewest)


# By force ------------------------------------------------------------------------------------------------------------


@st.composite
def cities(draw):
    points, sites = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    numbers = st.integers(0, 9)
    distance = np.array(draw(st.lists(numbers, min_size=points * sites, max_size=points * sites))).reshape(
        points, sites
    )
    point, site = np.nonzero(distance < 9)  # farther ones are no pairs

    def some(low, high, size):
        return draw(st.lists(st.integers(low, high), min_size=size, max_size=size))

    return Places.of(
        some(0, 5, points),
        point,
        site,
        distance[point, site],
        sites=sites,
        radius_m=some(1, 4, points),
        existing_m=[np.inf if value > 4 else value for value in some(0, 9, points)],
        cost_cny=some(0, 4, sites),
        capacity=some(0, 6, sites),
        area=some(0, 2, points),
    )


def subsets(places, sites=None, budget=None):
    for size in range(places.sites + 1 if sites is None else min(sites, places.sites) + 1):
        for chosen in combinations(range(places.sites), size):
            if budget is None or places.cost_cny[list(chosen)].sum() <= budget:
                yield np.array(chosen, dtype=np.intp)


def covered(places, chosen):
    """Which points the chosen sites cover newly."""
    pairs = np.isin(places.site, chosen) & places.is_within
    is_covered = np.zeros(len(places.weight), dtype=bool)
    is_covered[places.point[pairs]] = True
    return is_covered & ~places.is_covered


def gained(places, chosen):
    return places.weight[covered(places, chosen)].sum()


@given(cities(), st.integers(1, 4), st.none() | st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_most_people_are_covered(places, sites, budget):
    answer = siting.max_coverage(places, sites=sites, budget_cny=budget)
    best = max(gained(places, chosen) for chosen in subsets(places, sites, budget))
    assert answer.value == answer.bound == best
    assert gained(places, answer.chosen) == best == answer.newly.sum()
    assert len(answer.chosen) <= sites
    assert budget is None or places.cost_cny[answer.chosen].sum() <= budget
    assert answer.greedy_value <= best
    if budget is None:  # Nemhauser, Wolsey & Fisher (1978)
        assert answer.greedy_value >= (1 - 1 / np.e) * best - 1e-9


@given(cities(), st.integers(1, 4), st.sampled_from([0.3, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_areas_reach_their_floor_or_as_near_as_can_be(places, sites, floor):
    def short(chosen):
        total = 0.0
        for area in np.unique(places.area):
            inside = places.area == area
            has = covered(places, chosen) | places.is_covered
            could = covered(places, np.arange(places.sites)) | places.is_covered
            wanted = min(floor * places.weight[inside].sum(), places.weight[inside & could].sum())
            total += max(wanted - places.weight[inside & has].sum(), 0.0)
        return total

    answer = siting.max_coverage(places, sites=sites, floor=floor)
    least = min(short(chosen) for chosen in subsets(places, sites))
    best = max(gained(places, chosen) for chosen in subsets(places, sites) if short(chosen) <= least + 1e-9)
    assert short(answer.chosen) == pytest.approx(least)
    assert answer.value == best
    for told in answer.floors:
        inside = places.area == told.area
        has = covered(places, answer.chosen) | places.is_covered
        assert told.covered_after == places.weight[inside & has].sum()
        assert told.is_met == (told.covered_after >= floor * told.population - 1e-6)


@given(cities(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_everybody_who_can_be_is_covered_by_the_fewest_or_cheapest(places, by_cost):
    answer = siting.full_coverage(places, by_cost=by_cost)
    everybody = gained(places, np.arange(places.sites))
    enough = [chosen for chosen in subsets(places) if gained(places, chosen) == everybody]
    price = (lambda chosen: places.cost_cny[chosen].sum()) if by_cost else len
    assert answer.value == answer.bound == min(map(price, enough))
    assert gained(places, answer.chosen) == everybody
    missed = ~places.is_covered & ~covered(places, np.arange(places.sites)) & (places.weight > 0)
    np.testing.assert_array_equal(answer.beyond, np.flatnonzero(missed))
    assert gained(places, greedy.cover_all(places, by_cost=by_cost)) == everybody


def served(places, chosen):
    """The most that can flow from people to the chosen sites: the least cut over the sites that are filled (Hall)."""
    pairs = places.is_within & ~places.is_covered[places.point] & np.isin(places.site, chosen)
    best = np.inf
    for size in range(len(chosen) + 1):
        for full in combinations(chosen, size):
            rest = np.setdiff1d(chosen, full)
            open_to = np.unique(places.point[pairs & np.isin(places.site, rest)])
            best = min(best, places.capacity[list(full)].sum() + places.weight[open_to].sum())
    return best


@given(cities(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_no_site_serves_more_than_it_can(places, sites):
    answer = siting.capacitated_coverage(places, sites=sites)
    assert answer.value == max(served(places, chosen) for chosen in subsets(places, sites))
    assert answer.bound == answer.value == pytest.approx(answer.newly.sum())
    assert (answer.newly <= places.capacity[answer.chosen] + 1e-6).all()
    assert answer.greedy_value <= answer.value


@given(cities(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_lazy_greedy_is_the_plain_one(places, sites):
    chosen = []
    for _ in range(sites):
        gains = [gained(places, [*chosen, site]) - gained(places, chosen) for site in range(places.sites)]
        if max(gains) > 0:
            chosen.append(int(np.argmax(gains)))
    found, value = greedy.coverage(places, sites=sites)
    assert (found.tolist(), value) == (chosen, gained(places, chosen))


# What is told ---------------------------------------------------------------------------------------------------------


def test_the_same_places_give_the_same_sites_whatever_the_order_of_the_pairs():
    rng = np.random.default_rng(5)
    at, sites = rng.uniform(0, 3000, (300, 2)), rng.uniform(0, 3000, (90, 2))
    distance = np.hypot(*(at[:, None] - sites[None]).transpose(2, 0, 1))
    point, site = np.nonzero(distance < 1000)
    weight = rng.integers(1, 50, 300)
    found = []
    for order in (np.arange(len(point)), rng.permutation(len(point))):
        places = Places.of(
            weight, point[order], site[order], distance[point, site][order], sites=90, radius_m=400
        )
        answer = siting.max_coverage(places, sites=9)
        found.append((answer.chosen.tolist(), answer.value, answer.bound, answer.newly.tolist()))
    assert found[0] == found[1]


def test_what_ends_early_says_how_far_it_may_be_off():
    answer = siting.full_coverage(knights(9), limits=Limits(nodes=1))
    assert answer.bound <= 12 <= answer.value
    assert answer.is_optimal == (answer.bound == answer.value)
    assert answer.gap_pct == pytest.approx(100 * (answer.value - answer.bound) / answer.value)


def test_nobody_to_cover_is_an_answer():
    answer = siting.max_coverage(Places.of([3], [0], [0], [5], sites=1, radius_m=4), sites=1)
    assert (answer.value, answer.bound, answer.chosen.tolist(), answer.beyond.tolist()) == (0, 0, [], [0])
    assert siting.full_coverage(Places.of([3], [], [], [], sites=0)).value == 0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sites": 0}, "0 sites are asked for"),
        ({"sites": 1, "floor": 1.5}, "The floor is 1.5"),
        ({"budget_cny": -1}, "The budget is -1 CNY"),
        ({"budget_cny": 5}, "The cost of 1 candidate"),
    ],
)
def test_what_cannot_be_asked_is_told(asked, told):
    with pytest.raises(BadInput, match=told):
        siting.max_coverage(Places.of([3], [0], [0], [5], sites=1), **asked)


@pytest.mark.parametrize(
    ("weight", "point", "distance", "told"),
    [
        ([-1], [0], [1], "no weight"),
        ([1], [0], [-1], "no distance"),
        ([1], [1], [1], "not there"),
        ([1], [0], [1, 2], "one length"),
    ],
)
def test_places_that_do_not_fit_are_told(weight, point, distance, told):
    with pytest.raises(BadInput, match=told):
        Places.of(weight, point, [0], distance, sites=1)
