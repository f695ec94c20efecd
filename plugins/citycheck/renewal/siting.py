"""Where to build: covering and median problems, solved to a proven gap by integer programming (HiGHS).

Distances come as pairs of a demand point and a candidate site, those that matter only. Nothing here knows a clock or a
random number: the same places give the same sites. A limit of seconds is for people who wait, never for a release.

Sources: maximal coverage, Church & ReVelle (1974); set covering, Toregas, Swain, ReVelle & Bergman (1971); p-median,
Hakimi (1964), in `siting_median`; capacities, Pirkul & Schilling (1991) and Mulvey & Beck (1984).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from citycheck.errors import BadInput
from citycheck.renewal import siting_greedy as greedy
from citycheck.renewal.siting_model import (
    PROVEN,
    Answer,
    Floats,
    Floor,
    Ints,
    Limits,
    Model,
    Places,
    Solved,
    sums,
)

__all__ = [
    "PROVEN",
    "Answer",
    "Floor",
    "Limits",
    "Places",
    "capacitated_coverage",
    "capacitated_median",
    "full_coverage",
    "max_coverage",
]
_TINY = 1e-6
_SAME = 1e-7
"""What a solver's tolerance may leave between a value and its bound, relatively, where amounts are not whole."""


# Covering ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Cover:
    """Who is not covered yet and which candidate would: points with the same candidates and area are one row."""

    weight: Floats
    area: Ints
    rows: csr_array
    """Rows × remaining candidates, 1 where the candidate covers."""
    site: Ints
    """The candidates that remain; the others are dominated or cover nobody."""
    row_of_point: Ints
    """-1 for a point that is covered today, weighs nothing, or that no candidate reaches."""


def _cover(places: Places, *, by_cost: bool) -> _Cover:
    """Reduce: aggregate points of identical cover sets, and leave out candidates that another one dominates.

    A candidate is dominated by one that covers all it covers and, where costs count, costs no more.
    """
    wanted = ~places.is_covered & (places.weight > 0)
    pairs = wanted[places.point] & places.is_within
    point, site = places.point[pairs], places.site[pairs]
    order = np.lexsort((site, point))
    point, site = point[order], site[order]
    who, begin = np.unique(point, return_index=True)
    number: dict[tuple[int, bytes], int] = {}
    leaders: list[int] = []
    sets: list[Ints] = []
    row_of_point = np.full(len(places.weight), -1, dtype=np.intp)
    for one, reached in zip(who.tolist(), np.split(site, begin[1:]), strict=False):
        key = (int(places.area[one]), reached.tobytes())
        if key not in number:
            number[key] = len(number)
            leaders.append(one)
            sets.append(reached)
        row_of_point[one] = number[key]
    inside = row_of_point >= 0
    weight = sums(row_of_point[inside], places.weight[inside], len(sets))
    ends = np.cumsum([0, *map(len, sets)])
    columns = np.concatenate(sets) if sets else np.zeros(0, dtype=np.intp)
    rows = csr_array((np.ones(len(columns)), columns, ends), shape=(len(sets), places.sites))
    kept = _undominated(rows, places.cost_cny, by_cost=by_cost)
    area = places.area[np.array(leaders, dtype=np.intp)]
    return _Cover(weight, area, rows[:, kept], kept, row_of_point)


def _undominated(rows: csr_array, cost_cny: Floats, *, by_cost: bool) -> Ints:
    """The candidates that no other one dominates; of equal ones the cheapest, then the first."""
    common = (rows.T @ rows).tocoo()
    covers = np.asarray(rows.sum(axis=0)).ravel()
    one, other = common.coords
    cost = np.nan_to_num(cost_cny, nan=np.inf)
    within = (common.data == covers[one]) & (one != other)
    one, other = one[within], other[within]
    dearer = cost[one] > cost[other]
    same = (covers[one] == covers[other]) & (cost[one] == cost[other])
    equal_cover = covers[one] == covers[other]
    if by_cost:
        beaten = dearer | ((cost[one] == cost[other]) & (~equal_cover | (other < one)))
    else:
        beaten = ~equal_cover | dearer | (same & (other < one))
    is_kept = covers > 0
    is_kept[one[beaten]] = False
    return np.flatnonzero(is_kept)


def max_coverage(
    places: Places,
    *,
    sites: int | None = None,
    budget_cny: float | None = None,
    floor: float | None = None,
    limits: Limits = PROVEN,
) -> Answer:
    """Cover the most people that are not covered yet, with at most `sites` sites and `budget_cny` (Church & ReVelle 1974).

    `floor` is the share of its people, 0 to 1, that each area is to have covered afterwards: where that cannot be, the
    people that areas are short of it are first made as few as can be. Raises `BadInput`.
    """
    _check(places, sites, budget_cny, floor)
    cover = _cover(places, by_cost=budget_cny is not None)
    wanted = None if floor is None else _Floors.of(places, cover, floor)
    short = None
    nodes = 0
    if wanted is not None:
        first = _coverage(places, cover, sites, budget_cny, limits, wanted, None)
        nodes, short = first.nodes, wanted.short(_got(cover, cover.site[first.chosen]))
    solved = _coverage(places, cover, sites, budget_cny, limits, wanted, short)
    chosen = _pruned(cover, cover.site[solved.chosen])
    value = float(_got(cover, chosen).sum())
    bound = max(_whole(-solved.bound, cover.weight, np.floor), value)
    return _answer(
        "max_coverage",
        places,
        cover,
        chosen,
        value,
        bound,
        replace(solved, nodes=solved.nodes + nodes),
        greedy.coverage(places, sites=sites, budget_cny=budget_cny)[1],
        floors=() if wanted is None else wanted.told(_got(cover, chosen)),
    )


def _coverage(
    places: Places,
    cover: _Cover,
    sites: int | None,
    budget_cny: float | None,
    limits: Limits,
    floors: _Floors | None,
    short: float | None,
) -> Solved:
    """Sites that cover most while areas are short of their floor by at most `short`; without it, that are least short."""
    model = Model()
    y = model.columns(np.zeros(len(cover.site)), is_integer=True)
    z = model.columns(np.zeros(len(cover.weight)) if floors and short is None else -cover.weight)
    row, column = cover.rows.tocoo().coords
    at = model.rows(len(z), high=0.0)
    model.put(at, z, 1.0)
    model.put(at[row], y[column], -1.0)
    _limit(model, places, cover.site, y, sites, budget_cny)
    if floors is not None:
        missing = model.columns(np.full(len(floors.needed), 1.0 if short is None else 0.0), high=np.inf)
        at = model.rows(len(missing), low=floors.needed)
        model.put(at, missing, 1.0)
        model.put(at[floors.of_row], z, cover.weight)
        if short is not None:
            model.put(np.repeat(model.rows(1, high=short + _TINY), len(missing)), missing, 1.0)
    return model.solve(y, limits)


def _limit(
    model: Model, places: Places, site: Ints, y: Ints, sites: int | None, budget_cny: float | None
) -> None:
    if sites is not None:
        model.put(np.repeat(model.rows(1, high=float(sites)), len(y)), y, 1.0)
    if budget_cny is not None:
        model.put(np.repeat(model.rows(1, high=budget_cny), len(y)), y, places.cost_cny[site])


@dataclass(frozen=True, eq=False)
class _Floors:
    """How many more people each area needs covered, at most as many as any candidates could cover."""

    share: float
    area: Ints
    population: Floats
    covered: Floats
    reachable: Floats
    needed: Floats
    of_row: Ints

    @classmethod
    def of(cls, places: Places, cover: _Cover, share: float) -> _Floors:
        area, number = np.unique(places.area, return_inverse=True)
        population = sums(number, places.weight, len(area))
        covered = sums(number, np.where(places.is_covered, places.weight, 0), len(area))
        of_row = np.searchsorted(area, cover.area)
        more = sums(of_row, cover.weight, len(area))
        needed = np.clip(np.minimum(share * population - covered, more), 0, None)
        return cls(share, area, population, covered, covered + more, needed, of_row)

    def short(self, got: Floats) -> float:
        """People that areas lack together."""
        gained = sums(self.of_row, got, len(self.area))
        return float(np.clip(self.needed - gained, 0, None).sum())

    def told(self, got: Floats) -> tuple[Floor, ...]:
        gained = sums(self.of_row, got, len(self.area))
        return tuple(
            Floor(
                int(self.area[k]),
                float(self.population[k]),
                float(self.covered[k]),
                float(self.covered[k] + gained[k]),
                float(self.reachable[k]),
                bool(self.covered[k] + gained[k] >= self.share * self.population[k] - _TINY),
            )
            for k in range(len(self.area))
            if self.population[k] > 0
        )


def full_coverage(places: Places, *, by_cost: bool = False, limits: Limits = PROVEN) -> Answer:
    """Cover everybody that any candidate can, with the fewest sites or at the least cost (Toregas et al. 1971).

    Whom no candidate can cover is in `Answer.beyond`. Raises `BadInput`.
    """
    _check(places, None, np.inf if by_cost else None, None)
    cover = _cover(places, by_cost=by_cost)
    model = Model()
    cost = places.cost_cny[cover.site] if by_cost else np.ones(len(cover.site))
    y = model.columns(cost, is_integer=True)
    tight = cover.rows[_binding(cover.rows)].tocoo()
    row, column = tight.coords
    model.put(model.rows(tight.shape[0], low=1.0)[row], y[column], 1.0)
    solved = model.solve(y, limits)
    chosen = np.sort(cover.site[solved.chosen])
    value = float(cost[solved.chosen].sum())
    compared = greedy.cover_all(places, by_cost=by_cost)
    compared_value = float(places.cost_cny[compared].sum()) if by_cost else float(len(compared))
    bound = min(_whole(solved.bound, cost, np.ceil), value)
    return _answer("full_coverage", places, cover, chosen, value, bound, solved, compared_value)


def _binding(rows: csr_array) -> Ints:
    """Rows whose candidates do not include all those of another row: whoever serves that one serves these."""
    common = (rows @ rows.T).tocoo()
    size = np.asarray(rows.sum(axis=1)).ravel()
    one, other = common.coords
    implied = (
        (common.data == size[other])
        & (one != other)
        & ((size[one] > size[other]) | ((size[one] == size[other]) & (other < one)))
    )
    is_kept = np.ones(rows.shape[0], dtype=bool)
    is_kept[one[implied]] = False
    return np.flatnonzero(is_kept)


def _got(cover: _Cover, chosen: Ints) -> Floats:
    """The people of each row that these sites cover."""
    return np.where(cover.rows @ np.isin(cover.site, chosen).astype(np.float64) > 0, cover.weight, 0.0)


def _pruned(cover: _Cover, chosen: Ints) -> Ints:
    """Without the sites that the others make useless: a solver may open what brings nothing."""
    column = np.searchsorted(cover.site, np.sort(chosen))
    by_site = cover.rows[:, column].tocsc()
    times = np.asarray(by_site.sum(axis=1)).ravel()
    kept = []
    for k in reversed(range(len(column))):
        rows = by_site.indices[by_site.indptr[k] : by_site.indptr[k + 1]]
        if (times[rows] > 1).all():
            times[rows] -= 1
        else:
            kept.append(cover.site[column[k]])
    return np.array(kept[::-1], dtype=np.intp)


def _whole(bound: float, amounts: Floats, towards: np.ufunc) -> float:
    """A bound of a sum of whole amounts is whole; the solver's own tolerance is not taken for a gap."""
    if not np.all(amounts == np.round(amounts)):
        return bound
    slack = _TINY + 1e-8 * abs(bound)
    return float(towards(bound + (slack if towards is np.floor else -slack)))


def _answer(
    problem: str,
    places: Places,
    cover: _Cover,
    chosen: Ints,
    value: float,
    bound: float,
    solved: Solved,
    greedy_value: float,
    *,
    floors: tuple[Floor, ...] = (),
) -> Answer:
    return Answer(
        problem=problem,
        chosen=np.sort(chosen),
        value=value,
        bound=bound,
        greedy_value=greedy_value,
        nodes=solved.nodes,
        is_optimal=abs(bound - value) <= _SAME * max(1.0, abs(value)),
        beyond=places.beyond,
        newly=places.newly_covered(chosen),
        floors=floors,
        reduced=(len(cover.weight), len(cover.site)),
    )


# Capacities ----------------------------------------------------------------------------------------------------------


def capacitated_coverage(
    places: Places, *, sites: int | None = None, budget_cny: float | None = None, limits: Limits = PROVEN
) -> Answer:
    """Serve the most people that are not covered yet, no site more than its capacity; a point's people may be split."""
    _check(places, sites, budget_cny, None)
    wanted = ~places.is_covered & (places.weight > 0)
    pairs = wanted[places.point] & places.is_within
    cover = _cover(places, by_cost=True)
    # People with the same candidates are served alike: flows run from aggregated rows. Dominance does not hold here.
    inside = cover.row_of_point >= 0
    leader = np.unique(cover.row_of_point[inside], return_index=True)[1]
    is_leader = np.zeros(len(places.weight), dtype=bool)
    is_leader[np.flatnonzero(inside)[leader]] = True
    kept = pairs & is_leader[places.point]
    row, site = cover.row_of_point[places.point[kept]], places.site[kept]
    model = Model()
    y = model.columns(np.zeros(places.sites), is_integer=True)
    x = model.columns(-np.ones(len(row)), high=cover.weight[row])
    model.put(model.rows(len(cover.weight), high=cover.weight)[row], x, 1.0)
    at = model.rows(places.sites, high=0.0)
    model.put(at[site], x, 1.0)
    model.put(at, y, -np.minimum(places.capacity, places.weight.sum()))
    linked = model.rows(len(x), high=0.0)
    model.put(linked, x, 1.0)
    model.put(linked, y[site], -np.minimum(cover.weight[row], places.capacity[site]))
    _limit(model, places, np.arange(places.sites), y, sites, budget_cny)
    solved = model.solve(y, limits)
    served = np.clip(solved.x[x], 0.0, None)
    value = float(served.sum())
    value = round(value) if abs(value - round(value)) < _TINY * max(1.0, value) else value
    amounts = np.r_[cover.weight, places.capacity[np.isfinite(places.capacity)]]
    bound = max(_whole(-solved.bound, amounts, np.floor), value)
    used = sums(site, served, places.sites)
    chosen = solved.chosen[used[solved.chosen] > _TINY]
    answer = _answer(
        "capacitated_coverage",
        places,
        cover,
        chosen,
        value,
        bound,
        solved,
        greedy.capacitated(places, sites=sites, budget_cny=budget_cny),
    )
    return replace(answer, newly=used[np.sort(chosen)])


def capacitated_median(
    places: Places, *, sites: int, is_single_source: bool = False, limits: Limits = PROVEN
) -> Answer:
    """The least metres that people walk in all when no site serves more than its capacity (Mulvey & Beck 1984).

    A point may be split among sites unless `is_single_source`; an open facility (`existing_m`) serves whoever is nearer
    to it. Raises `BadInput` when the sites cannot hold everybody.
    """
    _check(places, sites, None, None)
    people = np.flatnonzero(places.weight > 0)
    row_of = np.full(len(places.weight), -1, dtype=np.intp)
    row_of[people] = np.arange(len(people))
    useful = (row_of[places.point] >= 0) & (places.distance_m < places.existing_m[places.point])
    point, site, metres = places.point[useful], places.site[useful], places.distance_m[useful]
    has_open = np.flatnonzero(np.isfinite(places.existing_m[people]))
    model = Model()
    y = model.columns(np.zeros(places.sites), is_integer=True)
    x = model.columns(places.weight[point] * metres, is_integer=is_single_source)
    open_cost = places.weight[people][has_open] * places.existing_m[people][has_open]
    stays = model.columns(open_cost)
    at = model.rows(len(people), low=1.0, high=1.0)
    model.put(at[row_of[point]], x, 1.0)
    model.put(at[has_open], stays, 1.0)
    at = model.rows(places.sites, high=0.0)
    model.put(at[site], x, places.weight[point])
    model.put(at, y, -np.minimum(places.capacity, places.weight.sum()))
    linked = model.rows(len(x), high=0.0)
    model.put(linked, x, 1.0)
    model.put(linked, y[site], -1.0)
    _limit(model, places, np.arange(places.sites), y, sites, None)
    solved = model.solve(y, limits)
    shares = np.round(solved.x[x]) if is_single_source else solved.x[x]
    costs = places.weight[point] * metres
    value = float(shares @ costs) + float(solved.x[stays] @ open_cost)
    bound = min(_whole(solved.bound, costs, np.ceil) if is_single_source else solved.bound, value)
    used = sums(site, shares * places.weight[point], places.sites)
    chosen = np.sort(solved.chosen[used[solved.chosen] > _TINY])
    return Answer(
        problem="capacitated_median",
        chosen=chosen,
        value=value,
        bound=bound,
        greedy_value=float("nan"),
        nodes=solved.nodes,
        is_optimal=abs(value - bound) <= _SAME * max(1.0, value),
        beyond=places.beyond,
        newly=used[chosen],
        reduced=(len(people), places.sites),
    )


def _check(places: Places, sites: int | None, budget_cny: float | None, floor: float | None) -> None:
    if sites is not None and sites < 1:
        raise BadInput(f"{sites} sites are asked for; expected 1 or more. Correct it.")
    if floor is not None and not 0 <= floor <= 1:
        raise BadInput(f"The floor is {floor}; expected a share from 0 to 1, such as 0.5. Correct it.")
    if budget_cny is not None and not budget_cny >= 0:
        raise BadInput(f"The budget is {budget_cny} CNY; expected 0 or more. Correct it.")
    if budget_cny is not None and np.isnan(places.cost_cny).any():
        raise BadInput(
            f"The cost of {int(np.isnan(places.cost_cny).sum())} candidate(s) is not known; a budget needs the cost of each. "
            "Leave those out or state their cost."
        )
