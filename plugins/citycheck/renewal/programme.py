"""A year's programme: which projects bring the most for a budget, proven within a gap, and how far a greedy choice falls short.

Two objectives: points of the city's index, and people aged 60 or over newly in reach of a kind meant for them (each counts once a
kind). Exactly, a mixed-integer programme solved by HiGHS: a building that two projects cover counts once, what a score has
beyond its goalpost counts nothing, and a facility that serves several candidates is paid once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from citycheck.errors import BadInput
from citycheck.index.engine import Engine
from citycheck.renewal import siting_model
from citycheck.renewal.effects import (
    OK,
    Changes,
    City,
    Facility,
    Floats,
    Ints,
    Layer,
    Near,
    changes,
    points,
    values,
)

OBJECTIVES = ("index_points", "elders_covered")
_NOTHING = 1e-12


@dataclass(frozen=True)
class Settings:
    """Of the seed `renewal_programme`: budgets by objective, and when a solution is good enough."""

    budgets_cny_per_resident: Mapping[str, Sequence[float]]
    gap_max_pct: float
    nodes_max: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Settings:
        """Raises `BadInput` that names the row that makes no sense."""
        budgets: dict[str, list[float]] = {}
        limits: dict[str, float] = {}
        for row in rows:
            where = f"Seed renewal_programme, {row['parameter']} {row['step']}"
            if (value := row["value"]) is None or not value > 0:
                raise BadInput(f"{where}: the value is {value}; expected a number above 0. Correct it.")
            if row["parameter"] in OBJECTIVES:
                budgets.setdefault(row["parameter"], []).append(value)
            else:
                limits[row["parameter"]] = value
        if missing := [name for name in ("gap_max_pct", "nodes_max") if name not in limits]:
            raise BadInput(f"Seed renewal_programme has no row {missing[0]}. Add it.")
        return cls(
            {name: sorted(some) for name, some in budgets.items()},
            limits["gap_max_pct"],
            int(limits["nodes_max"]),
        )


@dataclass(frozen=True)
class Option:
    """A facility that can be built: what it costs, and the candidates that it serves, as rows."""

    facility: Facility
    cost_cny: float
    members: tuple[int, ...]


def options(
    facilities: Sequence[Facility], costs_cny: Sequence[float | None], site_costs_cny: Sequence[float]
) -> list[Option]:
    """Candidates of one kind at one place are one facility, of the largest's size; what has no cost cannot be bought."""
    together: dict[tuple[str, int], list[int]] = {}
    for row, (one, cost) in enumerate(zip(facilities, costs_cny, strict=True)):
        if cost is not None:
            together.setdefault((one.kind_code, one.place), []).append(row)
    found = []
    for rows in together.values():
        dearest = max(rows, key=lambda row: (costs_cny[row], -row))
        amounts = {
            name: max(
                (known for row in rows if (known := facilities[row].amounts.get(name)) is not None),
                default=None,
            )
            for name in facilities[dearest].amounts
        }
        one = facilities[dearest]
        built = Facility(one.kind_code, one.serves, one.place, one.community, amounts)
        found.append(Option(built, float(costs_cny[dearest] or 0) + site_costs_cny[dearest], tuple(rows)))
    return found


# The model -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Something that counts once: `weight` for a term when of every need's options so many are built."""

    term: int
    weight: float
    needs: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Model:
    """What options bring, in the unit of the objective: the sum over terms of the least of what is gained and its room."""

    costs: Floats
    linear: Floats
    """(options, terms): what each brings by itself, whatever else is built."""
    groups: tuple[Group, ...]
    room: Floats
    """The most that a term can bring."""
    curves: Mapping[int, Floats]
    """Term → what 1, 2, … options that have a part in it bring, less and less each; such a term has nothing linear."""
    curve_options: Mapping[int, Ints]

    def value(self, chosen: Sequence[int]) -> float:
        """What a set brings."""
        picked = set(chosen)
        gained = self.linear[sorted(picked)].sum(axis=0)
        for group in self.groups:
            if all(len(picked.intersection(some)) >= many for many, some in group.needs):
                gained[group.term] += group.weight
        for term, curve in self.curves.items():
            gained[term] = curve[len(picked.intersection(self.curve_options[term].tolist()))]
        return float(np.minimum(gained, self.room).sum())


def model_of_elders(city: City, near: Near, built: Sequence[Option]) -> Model:
    """People aged 60 or over, by kind of facility meant for them."""
    linear, groups = np.zeros((len(built), 1)), list[Group]()
    for kind in sorted(city.elder_kinds):
        layer = city.kind_layers[kind]
        groups += _groups(layer, layer.people, near, built, 0, linear)
    return Model(np.array([one.cost_cny for one in built]), linear, tuple(groups), np.array([np.inf]), {}, {})


def model_of_index(city: City, near: Near, built: Sequence[Option]) -> Model:
    """Points of the city's index: every indicator is a term, its value a straight line between its goalposts."""
    codes = list(city.ratios)
    slopes, rooms = _slopes(city, codes)
    linear, groups = np.zeros((len(built), len(codes))), list[Group]()
    room, curves, curve_options = np.full(len(codes), np.inf), dict[int, Floats](), dict[int, Ints]()
    alone = changes(city, near, [[one.facility] for one in built])
    for term, code in enumerate(codes):
        ratio = city.ratios[code]
        status = ratio.status(ratio.denominator, ratio.is_size_known, np.arange(len(ratio.numerator)))
        below = float(ratio.denominator[status == OK].sum())
        if not slopes[term] or not below:
            continue
        room[term] = rooms[term]
        per_unit = slopes[term] * ratio.multiplier / below
        if ratio.measure == "count":
            curve_options[term] = (
                np.unique(alone[code].set_) if code in alone else np.empty(0, dtype=np.int64)
            )
            above, many = float(ratio.numerator[status == OK].sum()), np.arange(len(curve_options[term]) + 1)
            curves[term] = slopes[term] * ratio.multiplier * ((above + many) / (below + many) - above / below)
        elif ratio.measure is not None and code in alone:
            _add_sums(linear, term, city, alone[code], code, slopes[term])
        else:
            # What a community without a value gains does not count.
            is_counted = (status == OK)[city.building_community]
            for layer in city.layers:
                if layer.code == code:
                    groups += _groups(layer, layer.people * is_counted * per_unit, near, built, term, linear)
    return Model(
        np.array([one.cost_cny for one in built]), linear, tuple(groups), room, curves, curve_options
    )


def _slopes(city: City, codes: Sequence[str]) -> tuple[Floats, Floats]:
    """Points of the city's index per unit of each indicator, and the most points that each can still bring."""
    spec, now = city.spec, city.values["city"]
    slopes, rooms = np.zeros(len(codes)), np.zeros(len(codes))
    column = {leaf.code: at for at, leaf in enumerate(spec.leaves)}
    leaves = {leaf.code: leaf for leaf in spec.leaves}
    wanted = [
        (term, leaves[code])
        for term, code in enumerate(codes)
        if code in leaves
        and len(now)
        and not np.isnan(now[0, column[code]])
        and leaves[code].goalpost_high is not None
    ]
    rows = np.repeat(now, 1 + 2 * len(wanted), axis=0) if len(now) else now
    steps = np.zeros(len(wanted))
    for at, (_, leaf) in enumerate(wanted):
        assert leaf.goalpost_low is not None and leaf.goalpost_high is not None
        value, best = (
            now[0, column[leaf.code]],
            leaf.goalpost_high if leaf.direction == 1 else leaf.goalpost_low,
        )
        inside = np.clip(value, leaf.goalpost_low, leaf.goalpost_high)
        steps[at] = best - inside
        rows[1 + 2 * at, column[leaf.code]], rows[2 + 2 * at, column[leaf.code]] = inside, best
    if not wanted:
        return slopes, rooms
    index = Engine(spec, rows).scores[spec.root.code]
    for at, (term, leaf) in enumerate(wanted):
        most = index[2 + 2 * at] - index[1 + 2 * at]
        if steps[at] and most > 0 and leaf.direction == 1:
            slopes[term], rooms[term] = most / steps[at], most
    return slopes, rooms


def _add_sums(linear: Floats, term: int, city: City, alone: Changes, code: str, slope: float) -> None:
    """What each facility alone does to a sum of the city, also by making sizes known that were not, or the other way round."""
    now = city.values["city"][0, [leaf.code for leaf in city.spec.leaves].index(code)]
    found = values(city, {code: alone}, "city")[code]
    linear[found.set_, term] = np.nan_to_num((found.value - now) * slope)


def _groups(
    layer: Layer, weights: Floats, near: Near, built: Sequence[Option], term: int, linear: Floats
) -> list[Group]:
    """Buildings of a layer that one option alone can cover go to `linear`; the others, together where alike, are groups."""
    pairs = [
        [
            (number, layer.reached(near, one.facility))
            for number, one in enumerate(built)
            if need in one.facility.serves
        ]
        for need, _ in layer.needs
    ]
    around: dict[int, list[list[int]]] = {}
    for need, some in enumerate(pairs):
        for number, rows in some:
            for row in rows[weights[rows] > 0].tolist():
                around.setdefault(row, [[] for _ in layer.needs])[need].append(number)
    total: dict[tuple[tuple[int, tuple[int, ...]], ...], float] = {}
    for row, every in sorted(around.items()):
        needs = tuple(
            (int(more[row]), tuple(some))
            for (_, more), some in zip(layer.needs, every, strict=True)
            if more[row] > 0
        )
        if needs and all(len(some) >= many for many, some in needs):
            total[needs] = total.get(needs, 0.0) + float(weights[row])
    groups = []
    for needs, weight in sorted(total.items()):
        members = {number for _, some in needs for number in some}
        if len(members) == 1:
            linear[members.pop(), term] += weight
        else:
            groups.append(Group(term, weight, needs))
    return groups


# Choosing ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Programme:
    """Options within a budget, ascending; what they bring, and what no programme can exceed."""

    chosen: tuple[int, ...]
    cost_cny: float
    value: float
    bound: float

    @property
    def gap_pct(self) -> float:
        return 100 * max(self.bound - self.value, 0.0) / self.bound if self.bound > _NOTHING else 0.0


def best(model: Model, budget_cny: float, *, gap_max_pct: float, nodes_max: int) -> Programme:
    """The options that bring most for a budget, as far as proven; without what brings nothing."""
    useful = _useful(model)
    useful = useful[model.costs[useful] <= budget_cny]
    if not len(useful):
        return Programme((), 0.0, 0.0, 0.0)
    found, bound = _solve(model, useful, budget_cny, gap_max_pct / 100, nodes_max)
    chosen = max(_pruned(model, found), greedy(model, budget_cny).chosen, key=model.value)
    value = model.value(chosen)
    return Programme(chosen, float(model.costs[list(chosen)].sum()), value, max(bound, value))


def _useful(model: Model) -> Ints:
    """Options that bring something, alone or with others."""
    is_useful = np.asarray((model.linear > 0).any(axis=1), dtype=bool)
    for group in model.groups:
        for _, some in group.needs:
            is_useful[list(some)] = True
    for some_ in model.curve_options.values():
        is_useful[some_] = True
    return np.flatnonzero(is_useful)


def _solve(
    model: Model, useful: Ints, budget_cny: float, gap: float, nodes_max: int
) -> tuple[list[int], float]:
    """Whole options, groups that they win, and terms up to their room; returns the options and the bound."""
    place = np.full(len(model.costs), -1, dtype=np.intp)
    place[useful] = np.arange(len(useful))
    program, terms = siting_model.Model(), np.flatnonzero(model.room > 0)
    row_of = np.full(len(model.room), -1, dtype=np.intp)
    row_of[terms] = program.rows(len(terms), high=0.0)
    built = program.columns(np.zeros(len(useful)), is_integer=True)
    most = np.minimum(model.room[terms], _most(model, terms))
    program.put(row_of[terms], program.columns(-np.ones(len(terms)), high=most), 1.0)
    program.put(np.repeat(program.rows(1, high=1.0), len(useful)), built, model.costs[useful] / budget_cny)
    option, term = np.nonzero(model.linear[useful][:, terms])
    program.put(row_of[terms[term]], option, -model.linear[useful[option], terms[term]])
    for group in model.groups:
        needs = [(many, place[list(some)]) for many, some in group.needs]
        needs = [(many, some[some >= 0]) for many, some in needs]
        if all(len(some) >= many for many, some in needs):
            # With one of each needed, whole options make the group whole.
            column = program.columns(np.zeros(1), is_integer=any(many > 1 for many, _ in needs))
            program.put(row_of[[group.term]], column, -group.weight)
            for many, some in needs:
                row = program.rows(1, high=0.0)
                program.put(row, column, float(many))
                program.put(np.repeat(row, len(some)), some, -1.0)
    for number, curve in model.curves.items():
        own = place[model.curve_options[number]]
        own = own[own >= 0]
        # A curve that bends down lies below each of its chords, drawn on.
        step = np.diff(curve)[: len(own)]
        won = program.columns(np.zeros(1), high=float(curve[len(own)]))
        program.put(row_of[[number]], won, -1.0)
        for many, slope in enumerate(step):
            row = program.rows(1, high=float(curve[many] - many * slope))
            program.put(row, won, 1.0)
            program.put(np.repeat(row, len(own)), own, -float(slope))
    solved = program.solve(built, siting_model.Limits(gap=gap, nodes=nodes_max))
    return useful[solved.chosen].tolist(), -solved.bound


def _most(model: Model, terms: Ints) -> Floats:
    """What each term would bring if everything were built, whatever its room."""
    total = np.maximum(model.linear, 0).sum(axis=0)
    for group in model.groups:
        total[group.term] += group.weight
    for term, curve in model.curves.items():
        total[term] += float(curve.max(initial=0.0))
    return np.asarray(total[terms])


def _pruned(model: Model, chosen: Sequence[int]) -> tuple[int, ...]:
    """Without what brings nothing beside the others, the dearest first."""
    kept, value = list(chosen), model.value(chosen)
    for one in sorted(chosen, key=lambda one: (-model.costs[one], one)):
        rest = [other for other in kept if other != one]
        if model.value(rest) >= value - _NOTHING:
            kept = rest
    return tuple(sorted(kept))


def greedy(model: Model, budget_cny: float) -> Programme:
    """Again and again the option that brings most per yuan, of those that the rest of the budget buys."""
    state = _State(model)
    left, chosen = budget_cny, list[int]()
    is_left = np.ones(len(model.costs), dtype=bool)
    while True:
        affordable = np.flatnonzero(is_left & (model.costs <= left))
        if not len(affordable):
            break
        gains = state.gains()[affordable]
        per_cny = gains / np.maximum(model.costs[affordable], 1e-9)
        at = int(np.argmax(per_cny))
        if gains[at] <= _NOTHING:
            break
        one = int(affordable[at])
        chosen.append(one)
        left -= float(model.costs[one])
        is_left[one] = False
        state.add(one)
    ordered = tuple(sorted(chosen))
    value = model.value(ordered)
    return Programme(ordered, float(model.costs[list(ordered)].sum()), value, value)


class _State:
    """What each option would bring beside those built, kept up to date."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.gained = np.zeros(len(model.room))
        self.more = model.linear.copy()
        self.built: set[int] = set()
        self.of: dict[int, list[int]] = {}
        for number, group in enumerate(model.groups):
            for one in sorted({one for _, some in group.needs for one in some}):
                self.of.setdefault(one, []).append(number)
            self._count(number, 1.0)

    def _count(self, number: int, sign: float) -> None:
        """Add, or take away, what a group that is not won yet promises to each option that would win it alone."""
        group = self.model.groups[number]
        missing = [(many - len(self.built.intersection(some)), some) for many, some in group.needs]
        open_ = [(many, some) for many, some in missing if many > 0]
        if open_ and all(many == 1 for many, _ in open_):
            for one in set(open_[0][1]).intersection(*(some for _, some in open_[1:])) - self.built:
                self.more[one, group.term] += sign * group.weight

    def gains(self) -> Floats:
        model = self.model
        more = self.more
        for term, curve in model.curves.items():
            own = model.curve_options[term]
            many = len(self.built.intersection(own.tolist()))
            if many < len(curve) - 1:
                more[own, term] = curve[many + 1] - curve[many]
        after = np.minimum(self.gained + more, model.room)
        return np.asarray((after - np.minimum(self.gained, model.room)).sum(axis=1))

    def add(self, one: int) -> None:
        touched = self.of.get(one, [])
        self.gained += self.more[one]
        for number in touched:
            self._count(number, -1.0)
        self.built.add(one)
        for number in touched:
            self._count(number, 1.0)


# What is asked for ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective:
    """What a programme is to bring the most of: as a model, and exactly, whatever the model leaves out."""

    code: str
    model: Model
    city: City
    near: Near
    built: Sequence[Option]

    @classmethod
    def of(cls, code: str, city: City, near: Near, built: Sequence[Option]) -> Objective:
        model = model_of_elders if code == "elders_covered" else model_of_index
        return cls(code, model(city, near, built), city, near, built)

    def exactly(self, chosen: Sequence[int]) -> float:
        """Of the index what the rules of `effects` say; people are counted by the model itself."""
        if self.code == "elders_covered":
            return self.model.value(chosen)
        together = [self.built[one].facility for one in chosen]
        changed = values(self.city, changes(self.city, self.near, [together]), "city")
        found = points(self.city, changed, "city")
        root = [node.code for node in self.city.spec.nodes].index(self.city.spec.root.code)
        return float(found.points[found.node == root].sum())
