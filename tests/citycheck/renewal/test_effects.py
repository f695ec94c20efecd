"""The effect of many projects at once, on a city of two counties that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.index.spec import Node, Spec
from citycheck.renewal import effects
from citycheck.renewal.effects import City, Facility, Layer, Near, Ratio

SPEC = Spec(
    name="headline",
    unit="area_id",
    nodes=(
        Node("C-1", parent="C", weight=0.5, normalisation="goalposts", goalpost_low=0.0, goalpost_high=100.0),
        Node("S-1", parent="C", weight=0.5, normalisation="goalposts", goalpost_low=0.0, goalpost_high=10.0),
        Node("C", parent="index", step=1, weight=1.0, mean="arithmetic", min_share=0.4),
        Node("index", step=2, weight=1.0, mean="arithmetic", min_share=0.4),
    ),
)
PEOPLE = np.array([30.0, 70.0, 50.0, 50.0, 20.0])
COMMUNITY = np.array([0, 0, 1, 1, 2])
NEAR = Near(np.array([0, 2, 4]), np.array([1, 2, 3, 4]), np.array([100.0, 400.0, 300.0, 301.0]))
"""Place 0 is beside buildings 1 and 2, place 1 beside 3 and 4."""


def city() -> City:
    """Three communities, the third alone in its county. Building 0 is covered; the third community's sizes are not known."""
    none = np.zeros(3, dtype=bool)
    covered = Ratio(
        "C-1", 100.0, False, frozenset({"F07"}), None, np.array([30.0, 0.0, 0.0]), np.array([100.0, 100.0, 20.0]),
        none, ~none, np.zeros(3, dtype=int), np.zeros(3, dtype=int), 10.0,
    )  # fmt: skip
    sizes = replace(
        covered,
        code="S-1",
        multiplier=1.0,
        measure="floor_area_m2",
        numerator=np.array([100.0, 0.0, 40.0]),
        is_size_known=np.array([True, True, False]),
        facilities=np.array([1, 0, 2]),
        facilities_known=np.array([1, 0, 1]),
    )
    layer = Layer("C-1", PEOPLE, np.full(5, 300.0), (("F07", np.array([0, 1, 1, 1, 1])),))
    values = {
        "community": np.array([[30.0, 1.0], [0.0, 0.0], [0.0, np.nan]]),
        "county": np.array([[15.0, 0.5], [0.0, np.nan]]),
        "city": np.array([[100 * 30 / 220, 0.5]]),
    }
    return City(
        community_ids=["a", "b", "c"],
        county_ids=["k", "l"],
        city_id="city",
        county_of=np.array([0, 0, 1]),
        residents=np.array([100.0, 100.0, 20.0]),
        building_community=COMMUNITY,
        layers=[layer],
        kind_layers={"F07": layer},
        elder_kinds=frozenset({"F07"}),
        ratios={"C-1": covered, "S-1": sizes},
        register={},
        size_matters=frozenset(),
        known_size_min=0.65,
        indicator_min_coverage=0.65,
        spec=SPEC,
        values=values,
    )


def facility(place: int, community: int, size: float | None) -> Facility:
    return Facility("F07", frozenset({"F07"}), place, community, {"floor_area_m2": size})


def told(sets: list[list[Facility]], level: str) -> dict[tuple[int, str, str], float]:
    one = city()
    found = effects.points(one, effects.values(one, effects.changes(one, NEAR, sets), level), level)
    return {
        (int(set_), one.area_ids(level)[area], SPEC.nodes[node].code): float(points)
        for set_, area, node, points in zip(found.set_, found.area, found.node, found.points, strict=True)
    }


def test_a_facility_counts_where_it_stands_and_for_whom_it_reaches():
    # Building 1 of community a, 70 people, comes in reach; the floor stands in b.
    assert told([[facility(0, 1, 200.0)]], "community") == {
        (0, "a", "C-1"): pytest.approx(70.0),
        (0, "a", "C"): pytest.approx(35.0),
        (0, "a", "index"): pytest.approx(35.0),
        (0, "b", "S-1"): pytest.approx(20.0),
        (0, "b", "C"): pytest.approx(10.0),
        (0, "b", "index"): pytest.approx(10.0),
    }
    county = told([[facility(0, 1, 200.0)]], "county")
    assert county[0, "k", "C-1"] == pytest.approx(35.0)
    assert county[0, "k", "S-1"] == pytest.approx(10 * (300 / 200 - 0.5))
    # The third community's floor is not known: of the city's 220 people, 200 are in communities with a value.
    assert told([[facility(0, 1, 200.0)]], "city")[0, "city", "S-1"] == pytest.approx(
        10 * (300 / 200 - 100 / 200)
    )


def test_what_is_not_known_can_become_known_and_the_other_way_round():
    # A second size known of three: 2 / 3 is enough. There was no score, so that nothing tells by how much it changed.
    assert (0, "c", "S-1") not in told([[facility(1, 2, 10.0)]], "community")
    assert told([[facility(1, 2, 10.0)]], "city")[0, "city", "S-1"] == pytest.approx(
        10 * (150 / 220 - 100 / 200)
    )
    # A facility of unknown size beside one of known size: half is not enough, and the indicator is gone.
    assert told([[facility(1, 0, None)]], "community")[0, "a", "C"] == pytest.approx(30.0 - 20.0)


def test_what_two_cover_counts_once_and_sets_do_not_meet():
    once = told([[facility(0, -1, None)]], "city")
    twice = told([[facility(0, -1, None), facility(0, -1, None)], [facility(0, -1, None)]], "city")
    assert {key[1:]: value for key, value in twice.items() if key[0] == 0} == {
        k[1:]: v for k, v in once.items()
    }
    assert {key[1:]: value for key, value in twice.items() if key[0] == 1} == {
        k[1:]: v for k, v in once.items()
    }


def test_area_by_area_is_as_all_at_once():
    sets = [[facility(0, 1, 200.0)], [facility(1, 2, 10.0)]]
    alone = told(sets, "community")
    compared = replace(
        SPEC, nodes=tuple(replace(node, imputation="median") if node.is_leaf else node for node in SPEC.nodes)
    )
    one = replace(city(), spec=compared)
    found = effects.points(
        one, effects.values(one, effects.changes(one, NEAR, sets), "community"), "community"
    )
    # With a median imputed, the third community has a value, and moves with those of the others.
    assert {(int(s), int(a)) for s, a in zip(found.set_, found.area, strict=True)} > {
        (key[0], one.community_ids.index(key[1])) for key in alone
    }


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_covered_together_as_counted_building_by_building(data: st.DataObject) -> None:
    buildings, places = 6, 4
    within = np.array(
        data.draw(
            st.lists(
                st.lists(st.booleans(), min_size=buildings, max_size=buildings),
                min_size=places,
                max_size=places,
            )
        )
    )
    kinds = data.draw(st.lists(st.sampled_from(["F12", "F13"]), min_size=places, max_size=places))
    needs = [
        np.array(data.draw(st.lists(st.integers(0, 3), min_size=buildings, max_size=buildings)))
        for _ in range(2)
    ]
    building = np.nonzero(within)[1]
    near = Near(np.concatenate([[0], np.cumsum(within.sum(axis=1))]), building, np.zeros(len(building)))
    layer = Layer("CUL-2", np.ones(buildings), np.ones(buildings), (("F12", needs[0]), ("culture", needs[1])))
    built = [Facility(kind, frozenset({kind, "culture"}), at, 0, {}) for at, kind in enumerate(kinds)]
    expected = [
        b
        for b in range(buildings)
        if (needs[0][b] > 0 or needs[1][b] > 0)
        and sum(within[at, b] for at in range(places) if kinds[at] == "F12") >= needs[0][b]
        and within[:, b].sum() >= needs[1][b]
        and within[:, b].any()
    ]
    assert layer.gained(near, built).tolist() == expected
