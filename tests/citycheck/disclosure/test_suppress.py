"""Suppression and the attack on it: a textbook example, every possible table by enumeration, and laws on random tables."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.disclosure.audit import determined
from citycheck.disclosure.suppress import suppress
from citycheck.disclosure.system import Layer, Table, intervals, narrow, nested
from citycheck.disclosure.tables import Limits, Sums, primary, table
from citycheck.errors import BadInput

AREAS = {
    "community": {"C1": "C1", "C2": "C2", "C3": "C3", "C4": "C4"},
    "street": {"C1": "S1", "C2": "S1", "C3": "S2", "C4": "S2"},
    "county": dict.fromkeys(("C1", "C2", "C3", "C4"), "K"),
    "city": dict.fromkeys(("C1", "C2", "C3", "C4"), "X"),
}
LIMITS = Limits(survey_n_min=5, population_n_min=5, count_width_min=2, share_width_min=0.1)
SEXES = {"sex": ["f", "m"]}


def surveyed(counts: dict[str, tuple[int, int, int]], satisfied: float = 0.5) -> Table:
    """A table of women, men and who has not said it, by community; of each group this share is satisfied."""
    sums = {}
    for community, (women, men, unsaid) in counts.items():
        for group, count in (("f", women), ("m", men), ("all", women + men + unsaid)):
            sums[community, group] = Sums(count, count, (float(round(satisfied * count)),))
    return table(("survey_satisfaction", "q"), AREAS, SEXES, sums, 1, LIMITS)


def flags(of: Table, *hidden: tuple[str, str]) -> np.ndarray:
    return np.array([(area, group) in hidden for _, area, group in of.cells])


def test_areas_are_sums_of_what_lies_wholly_in_them() -> None:
    """A street across two counties is no part of either: counties are then sums of communities."""
    areas = {
        "community": {"C1": "C1", "C2": "C2"},
        "street": {"C1": "S", "C2": "S"},
        "county": {"C1": "K1", "C2": "K2"},
        "city": {"C1": "X", "C2": "X"},
    }
    assert nested(areas) == [
        (("street", "S"), [("community", "C1"), ("community", "C2")]),
        (("county", "K1"), [("community", "C1")]),
        (("county", "K2"), [("community", "C2")]),
        (("city", "X"), [("county", "K1"), ("county", "K2")]),
    ]


def test_the_attack_on_the_textbook_example() -> None:
    """Fischetti and Salazar-González (1999), investments by activity and region: 22 is told as 5 to 30 by four hidden cells."""
    rows = {"I": (20, 50, 10), "II": (8, 19, 22), "III": (17, 32, 12)}
    cells = [("activity", row, region) for row in (*rows, "total") for region in ("A", "B", "C", "total")]
    places = {cell[1:]: place for place, cell in enumerate(cells)}
    values = {(row, region): of for row, line in rows.items() for region, of in zip("ABC", line, strict=True)}
    values |= {(row, "total"): sum(line) for row, line in rows.items()}
    values |= {
        ("total", region): sum(values[row, region] for row in rows) for region in ("A", "B", "C", "total")
    }
    equations = [
        {**{places[row, region]: 1.0 for region in "ABC"}, places[row, "total"]: -1.0}
        for row in (*rows, "total")
    ] + [
        {**{places[row, region]: 1.0 for row in rows}, places["total", region]: -1.0}
        for region in ("A", "B", "C", "total")
    ]
    amounts = np.array([float(values[cell[1:]]) for cell in cells])
    # a width that is nowhere reached makes the attack exact everywhere
    layer = Layer(amounts, np.full(16, 1e6), np.full(16, 1e6))
    of = Table(("textbook", "investments"), cells, equations, [layer], amounts)
    hidden = np.zeros(16, dtype=bool)
    hidden[[places[cell] for cell in (("II", "A"), ("II", "C"), ("III", "A"), ("III", "C"))]] = True
    low, high = intervals(of, layer, hidden)
    secret = places["II", "C"]
    assert (low[secret], high[secret]) == pytest.approx((5, 30))
    hidden[:] = False
    hidden[[places["II", "A"], places["II", "C"]]] = True
    low, high = intervals(of, layer, hidden)
    assert low[secret] == high[secret] == pytest.approx(22)
    assert determined(equations, hidden)[secret]


def test_a_bridge_between_two_pairs_is_found() -> None:
    """Every sum has two hidden cells or none, and still one cell is certain: what a rule of pairs alone would publish."""
    regions = "ABCDEF"
    cells = [("activity", row, region) for row in "123456" for region in regions]
    places = {cell[1:]: place for place, cell in enumerate(cells)}
    equations = [{places[row, region]: 1.0 for region in regions} for row in "123456"]
    equations += [{places[row, region]: 1.0 for row in "123456"} for region in regions]
    one = [("1", "A"), ("1", "B"), ("2", "A"), ("2", "B")]
    two = [("5", "E"), ("5", "F"), ("6", "E"), ("6", "F")]
    hidden = np.zeros(36, dtype=bool)
    hidden[[places[cell] for cell in (*one, *two, ("1", "E"))]] = True
    assert (
        min(sum(hidden[cell] for cell in row) for row in equations if any(hidden[cell] for cell in row)) == 2
    )
    assert [cells[place][1:] for place in np.flatnonzero(determined(equations, hidden))] == [("1", "E")]


def test_one_small_cell_is_found_before_and_not_after() -> None:
    """Three women in C1: they are everybody less the men, and the women of S1 less those of C2."""
    of = surveyed({"C1": (3, 20, 1), "C2": (18, 17, 0), "C3": (12, 9, 2), "C4": (16, 15, 0)})
    few = primary(of, LIMITS.survey_n_min)
    assert few.tolist() == flags(of, ("C1", "f")).tolist()
    for layer in of.layers:
        low, high = intervals(of, layer, few)
        np.testing.assert_allclose(low, layer.values)
        np.testing.assert_allclose(high, layer.values)
    reasons = suppress(of, few)
    hidden = np.array([reason is not None for reason in reasons])
    assert sorted(
        cell[1:] for cell, reason in zip(of.cells, reasons, strict=True) if reason == "complementary"
    ) == [
        ("C1", "m"),
        ("C2", "f"),
        ("C2", "m"),
    ]
    assert not any(narrow(of, layer, hidden).any() for layer in of.layers)


def test_sums_of_the_index_are_attacked_too() -> None:
    """Two hidden shares in one street and two sums of them with other weights: two equations, nothing left to guess."""
    sums = {
        (community, group): Sums(20, 20, (yes,))
        for community, yes in zip(AREAS["community"], (7.0, 9.0, 12.0, 15.0), strict=True)
        for group in ("all",)
    }
    people = {"all": {"C1": 100.0, "C2": 300.0, "C3": 200.0, "C4": 100.0}}
    alone = table(("survey_satisfaction", "q"), AREAS, {}, sums, 1, LIMITS)
    indexed = table(("survey_satisfaction", "q"), AREAS, {}, sums, 1, LIMITS, people)
    hidden = flags(alone, ("C1", "all"), ("C2", "all"))
    assert not narrow(alone, alone.layers[1], hidden).any()
    assert narrow(indexed, indexed.layers[1], hidden).tolist() == hidden.tolist()
    reasons = suppress(indexed, hidden)
    assert sum(reason is not None for reason in reasons) > 2


def test_everybody_satisfied_is_no_secret_of_two_cells() -> None:
    """Where all of the hidden answers are positive, their sum says so of each: more has to be hidden than the counts need."""
    counts = {"C1": (3, 20, 0), "C2": (18, 17, 0), "C3": (12, 9, 0), "C4": (16, 15, 0)}
    mixed, unanimous = surveyed(counts, 0.5), surveyed(counts, 1)
    of_both = [
        {
            cell
            for cell, reason in zip(of.cells, suppress(of, primary(of, LIMITS.survey_n_min)), strict=True)
            if reason is not None
        }
        for of in (mixed, unanimous)
    ]
    assert of_both[0] < of_both[1]


def test_nobody_asked_is_nothing_to_keep_back() -> None:
    of = surveyed(dict.fromkeys(AREAS["community"], (0, 0, 30)))
    assert not primary(of, LIMITS.survey_n_min).any()


def test_what_was_kept_back_stays_so_and_what_was_shown_protects_nothing() -> None:
    counts = {"C1": (3, 20, 1), "C2": (18, 17, 0), "C3": (12, 9, 2), "C4": (16, 15, 0)}
    of = surveyed(counts)
    few = primary(of, LIMITS.survey_n_min)
    none = np.zeros(len(few), dtype=bool)
    stays = flags(of, ("C3", "f"), ("C3", "m"), ("C4", "f"), ("C4", "m"))
    reasons = suppress(of, none, stays, none)
    assert {cell[1:] for cell, reason in zip(of.cells, reasons, strict=True) if reason} == {
        cell[1:] for cell, was in zip(of.cells, stays, strict=True) if was
    }
    shown = flags(of, ("C2", "f"), ("C2", "m"))
    reasons = suppress(of, few, none, shown)
    hidden = np.array([reason is not None for reason in reasons])
    for attacker in (hidden, hidden & ~shown):  # with this version alone, and with the earlier one
        assert not any(narrow(of, layer, attacker).any() for layer in of.layers)
    with pytest.raises(
        BadInput, match=r"survey_satisfaction q: community C1, f cannot be kept back.*Withdraw"
    ):
        suppress(of, few, none, ~few)
    assert suppress(of, few, none, ~none)[int(np.flatnonzero(few)[0])] == "primary", "unreliable all the same"


COUNTS = st.fixed_dictionaries(
    dict.fromkeys(AREAS["community"], st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2)))
)


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.sampled_from([0, 0.3, 0.5, 1]))
def test_after_suppression_nothing_is_recovered(
    counts: dict[str, tuple[int, int, int]], satisfied: float
) -> None:
    of = surveyed(counts, satisfied)
    few = primary(of, LIMITS.survey_n_min)
    hidden = np.array([reason is not None for reason in suppress(of, few)])
    assert not (few & ~hidden).any()
    for layer in of.layers:
        low, high = intervals(of, layer, hidden)
        assert (low <= layer.values + 1e-6).all() and (layer.values <= high + 1e-6).all()
        told = np.flatnonzero(hidden & (high - low < layer.width - 1e-4)).tolist()
        # of what cannot be hidden, as where a whole city gives one answer, nothing is told that it adds up with
        assert all(hidden[list(row)].all() for place in told for row in of.equations if place in row)


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries(
        {"C1": st.tuples(*[st.integers(0, 2)] * 2), "C2": st.tuples(*[st.integers(0, 2)] * 2)}
    ),
    st.data(),
)
def test_the_attack_agrees_with_every_table_there_is(
    counts: dict[str, tuple[int, int]], data: st.DataObject
) -> None:
    """Two communities, two sexes, any cells hidden: of all tables of 0 to 8 people that fit, the least and the largest."""
    areas = {
        level: {c: of[c] for c in ("C1", "C2")}
        for level, of in AREAS.items()
        if level in ("community", "street")
    }
    sums = {
        (community, group): Sums(count, count, ())
        for community, (women, men) in counts.items()
        for group, count in (("f", women), ("m", men), ("all", women + men))
    }
    of = table(("t", "t"), areas, SEXES, sums, 0, LIMITS)
    of = Table(of.name, of.cells, [*of.equations, *of.loose], of.layers, of.costs)
    hidden = np.array(data.draw(st.lists(st.booleans(), min_size=len(of.cells), max_size=len(of.cells))))
    layer = Layer(of.counts.values, np.full(len(of.cells), 1e6), np.full(len(of.cells), 1e6))
    low, high = intervals(of, layer, hidden)

    fitting = []
    for women_1, men_1, women_2, men_2 in product(range(9), repeat=4):
        people = {("C1", "f"): women_1, ("C1", "m"): men_1, ("C2", "f"): women_2, ("C2", "m"): men_2}
        for group in ("f", "m"):
            people["S1", group] = people["C1", group] + people["C2", group]
        for area in ("C1", "C2", "S1"):
            people[area, "all"] = people[area, "f"] + people[area, "m"]
        possible = np.array([people[area, group] for _, area, group in of.cells], dtype=float)
        if (possible[~hidden] == layer.values[~hidden]).all():
            fitting.append(possible)
    least, largest = np.min(fitting, axis=0), np.max(fitting, axis=0)
    np.testing.assert_allclose(low, least, atol=1e-6)
    bounded = high < 8  # beyond, more tables fit than were tried
    np.testing.assert_allclose(high[bounded], largest[bounded], atol=1e-6)
    sure = determined(of.equations, hidden)
    assert (least == largest)[sure].all()
    assert (sure <= hidden).all()
