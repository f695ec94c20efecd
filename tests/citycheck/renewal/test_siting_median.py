"""The p-median: published optima, and every choice of sites tried on small cases.

Published: OR-Library's pmed1 and pmed5 (Beasley 1985, 1990), whose edges lie in `cases/`: vertices, edges and p, then two
vertices and a length a line; where an edge stands there twice, the last one counts, as OR-Library says.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import floyd_warshall

from citycheck.errors import BadInput
from citycheck.renewal import siting_median
from citycheck.renewal.siting import Limits, Places, capacitated_median
from citycheck.renewal.siting_median import p_median

CASES = Path(__file__).parent / "cases"


def pmed(name):
    (size, _, p), *edges = np.loadtxt(CASES / f"{name}.txt", dtype=int)
    length = np.full((size, size), np.inf)
    for one, other, metres in edges:
        length[one - 1, other - 1] = length[other - 1, one - 1] = metres
    return dense(floyd_warshall(length)), int(p)


def dense(distance, weight=1, **columns):
    point, site = np.indices(distance.shape)
    weight = np.broadcast_to(weight, len(distance))
    return Places.of(
        weight, point.ravel(), site.ravel(), distance.ravel(), sites=distance.shape[1], **columns
    )


@pytest.mark.parametrize(("name", "optimum"), [("pmed1", 5819), ("pmed5", 1355)])
def test_published_optima(name, optimum):
    places, p = pmed(name)
    answer = p_median(places, sites=p)
    assert (answer.value, answer.bound, answer.is_optimal) == (optimum, optimum, True)
    assert answer.greedy_value >= optimum
    assert len(answer.chosen) == p


def test_the_integer_program_alone_finds_the_same(monkeypatch):
    """Without bounds and interchange: the radius formulation has to prove it by itself."""
    places, p = pmed("pmed1")
    everything = np.ones(100, dtype=bool)
    monkeypatch.setattr(siting_median, "_interchanged", lambda way, chosen: chosen)
    monkeypatch.setattr(
        siting_median, "_relaxed", lambda way, sites, chosen: (-np.inf, chosen, everything, ~everything)
    )
    answer = p_median(places, sites=p)
    assert (answer.value, answer.bound) == (5819, 5819)
    assert answer.nodes > 0


@st.composite
def cities(draw):
    points, sites = draw(st.integers(1, 8)), draw(st.integers(1, 7))
    distance = np.array(
        draw(st.lists(st.integers(0, 12), min_size=points * sites, max_size=points * sites)), dtype=float
    ).reshape(points, sites)
    weight = draw(st.lists(st.integers(0, 5), min_size=points, max_size=points))
    existing = draw(st.none() | st.lists(st.integers(0, 12), min_size=points, max_size=points))
    costs = draw(st.lists(st.integers(0, 4), min_size=sites, max_size=sites))
    return dense(
        distance, weight, existing_m=np.inf if existing is None else existing, cost_cny=costs, radius_m=3
    )


def metres(places, chosen):
    way = np.full((len(places.weight), places.sites), np.inf)
    way[places.point, places.site] = places.distance_m
    nearest = np.minimum(way[:, chosen].min(axis=1, initial=np.inf), places.existing_m)
    return float((places.weight[places.weight > 0] * nearest[places.weight > 0]).sum())


@given(cities(), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_the_least_metres_are_found(places, sites):
    answer = p_median(places, sites=sites)
    sizes = range(1, min(sites, places.sites) + 1)
    best = min(metres(places, list(c)) for size in sizes for c in combinations(range(places.sites), size))
    assert answer.value == answer.bound == best == metres(places, answer.chosen)
    assert answer.greedy_value >= best


@given(cities(), st.integers(1, 3), st.integers(4, 9))
@settings(max_examples=40, deadline=None)
def test_a_budget_binds(places, sites, budget):
    answer = p_median(places, sites=sites, budget_cny=budget)
    sizes = range(1, min(sites, places.sites) + 1)
    affordable = [
        list(c)
        for size in sizes
        for c in combinations(range(places.sites), size)
        if places.cost_cny[list(c)].sum() <= budget
    ]
    best = min(metres(places, c) for c in affordable)
    assert answer.value == pytest.approx(best)
    assert answer.is_optimal
    assert places.cost_cny[answer.chosen].sum() <= budget


def test_most_of_a_large_city_is_decided_by_its_bounds():
    rng = np.random.default_rng(3)
    at = rng.uniform(0, 10_000, (500, 2))
    distance = np.round(np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)))
    point, site = np.nonzero(distance <= 2500)
    places = Places.of(
        rng.integers(1, 90, 500), point, site, distance[point, site], sites=500, existing_m=2500
    )
    answer = p_median(places, sites=25)
    assert answer.value == answer.bound
    assert answer.reduced[1] < 100
    early = p_median(places, sites=25, limits=Limits(nodes=0))
    assert early.bound <= answer.value <= early.value


def test_somebody_whom_nothing_is_near_is_told():
    with pytest.raises(BadInput, match="near no candidate"):
        p_median(Places.of([1, 1], [0], [0], [5], sites=1), sites=1)


# Capacities ----------------------------------------------------------------------------------------------------------


@given(cities(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_without_a_limit_a_capacity_changes_nothing(places, sites):
    assert capacitated_median(places, sites=sites).value == pytest.approx(p_median(places, sites=sites).value)


def test_whoever_does_not_fit_walks_on():
    distance = np.array([[0.0, 10.0], [1.0, 10.0], [2.0, 10.0]])
    places = dense(distance, [4, 4, 4], capacity=[6, 10])
    split = capacitated_median(places, sites=2)
    whole = capacitated_median(places, sites=2, is_single_source=True)
    assert (split.value, split.bound) == (pytest.approx(62), pytest.approx(62))  # 6 people stay, 6 walk 10 m
    assert whole.value == whole.bound == 0 + 2 * 4 * 10 - 0
    assert split.newly.tolist() == pytest.approx([6, 6])
    with pytest.raises(BadInput, match="more capacity"):
        capacitated_median(places, sites=1)
