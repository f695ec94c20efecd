"""Programmes against every possible choice, for models of any shape with a few options."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.renewal import programme
from citycheck.renewal.effects import Facility
from citycheck.renewal.programme import Group, Model

TERMS = 3
weights = st.integers(0, 40).map(float)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Two terms of sums and things that count once, with room or without, and one that brings less and less."""
    many = draw(st.integers(1, 6))
    some = st.lists(st.integers(0, many - 1), min_size=1, max_size=many, unique=True).map(
        lambda one: tuple(sorted(one))
    )
    needs = st.tuples(st.integers(1, 2), some)
    linear = np.array(
        draw(st.lists(st.lists(weights, min_size=TERMS, max_size=TERMS), min_size=many, max_size=many))
    )
    linear[:, 2] = 0
    own = np.array(sorted(draw(some)))
    steps = sorted(draw(st.lists(weights, min_size=len(own), max_size=len(own))), reverse=True)
    groups = draw(
        st.lists(
            st.builds(Group, st.integers(0, 1), weights, st.lists(needs, min_size=1, max_size=2).map(tuple)),
            max_size=6,
        )
    )
    return Model(
        costs=np.array(draw(st.lists(st.integers(1, 20).map(float), min_size=many, max_size=many))),
        linear=linear,
        groups=tuple(groups),
        room=np.array(
            [draw(st.sampled_from([np.inf, 30.0, 60.0])), np.inf, draw(st.sampled_from([20.0, 1e3]))]
        ),
        curves={2: np.concatenate([[0.0], np.cumsum(steps)])},
        curve_options={2: own},
    )


def _every_value(model: Model, budget_cny: float) -> float:
    options = range(len(model.costs))
    return max(
        model.value(some)
        for size in range(len(model.costs) + 1)
        for some in combinations(options, size)
        if model.costs[list(some)].sum() <= budget_cny
    )


@settings(max_examples=60, deadline=None)
@given(models(), st.integers(1, 60).map(float))
def test_no_choice_is_better(model: Model, budget_cny: float) -> None:
    found = programme.best(model, budget_cny, gap_max_pct=0.0001, nodes_max=10_000)
    most = _every_value(model, budget_cny)
    assert found.value == pytest.approx(most, rel=1e-5, abs=1e-4)
    assert found.bound >= most - 1e-4
    assert found.cost_cny <= budget_cny + 1e-6
    assert found.value == model.value(found.chosen)


@settings(max_examples=60, deadline=None)
@given(models(), st.integers(1, 60).map(float))
def test_what_greedy_keeps_up_to_date_is_what_it_would_count_anew(model: Model, budget_cny: float) -> None:
    found = programme.greedy(model, budget_cny)
    assert found.cost_cny <= budget_cny
    chosen, state = list[int](), programme._State(model)
    for one in found.chosen:
        for other in set(range(len(model.costs))) - set(chosen):
            gain = model.value([*chosen, other]) - model.value(chosen)
            assert state.gains()[other] == pytest.approx(gain, abs=1e-9)
        state.add(one)
        chosen.append(one)


def test_greedy_by_value_per_yuan_can_be_far_off():
    model = Model(np.array([1.0, 10.0]), np.array([[2.0], [10.0]]), (), np.array([np.inf]), {}, {})
    assert programme.greedy(model, 10).value == 2
    assert programme.best(model, 10, gap_max_pct=0.1, nodes_max=10).chosen == (1,)


def test_what_brings_nothing_is_not_bought():
    model = Model(np.array([1.0, 1.0, 1.0]), np.array([[5.0], [5.0], [0.0]]), (), np.array([5.0]), {}, {})
    assert len(programme.best(model, 3, gap_max_pct=0.1, nodes_max=10).chosen) == 1
    assert programme.best(model, 0.5, gap_max_pct=0.1, nodes_max=10) == programme.Programme((), 0.0, 0.0, 0.0)


def test_candidates_of_a_kind_at_a_place_are_one_facility_of_the_largest_size():
    def facility(kind: str, place: int, size: float | None) -> Facility:
        return Facility(kind, frozenset({kind}), place, 0, {"floor_area_m2": size})

    found = programme.options(
        [
            facility("F08", 3, 100.0),
            facility("F07", 3, 50.0),
            facility("F08", 3, None),
            facility("F08", 4, 9.0),
        ],
        [10.0, 20.0, 30.0, None],
        [1.0, 1.0, 1.0, 1.0],
    )
    assert [(one.facility.kind_code, one.cost_cny, one.members) for one in found] == [
        ("F08", 31.0, (0, 2)),
        ("F07", 21.0, (1,)),
    ]
    assert found[0].facility.amounts == {"floor_area_m2": 100.0}


def test_a_seed_without_its_limits_is_told():
    rows = [
        {"parameter": "index_points", "step": 1, "value": 10.0},
        {"parameter": "gap_max_pct", "step": 1, "value": 0.1},
    ]
    with pytest.raises(BadInput, match=r"^Seed renewal_programme has no row nodes_max\. Add it\.$"):
        programme.Settings.of(rows)
    with pytest.raises(
        BadInput, match=r"^Seed renewal_programme, index_points 1: the value is 0; expected a number above 0"
    ):
        programme.Settings.of([{"parameter": "index_points", "step": 1, "value": 0}])
