"""The p-median (Hakimi 1964): the least metres that people walk in all to the nearest of p new sites or an open facility.

In three steps, each with a proof. (1) Lagrangian relaxation of "everybody is served once" (Cornuéjols, Fisher & Nemhauser
1977; Beasley 1993) gives a lower bound; greedy choices improved by interchange (Teitz & Bart 1968, in the form of Resende
& Werneck 2007) an upper one. (2) What the two bounds leave no room for is decided: sites are out or in by their reduced
cost. (3) If sites remain, an integer program over those decides: the radius formulation of Elloumi (2010), whose rows
follow each point's distances outwards, so that a pair is one cell and what lies behind an open facility is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.errors import BadInput
from citycheck.renewal import siting_greedy as greedy
from citycheck.renewal.siting_model import (
    PROVEN,
    Answer,
    Bools,
    Floats,
    Ints,
    Limits,
    Model,
    NothingFound,
    Places,
    sums,
)

_ROUNDS, _PATIENCE, _LEAST_STEP = 1500, 25, 1e-4
"""Of the subgradient method: at most so many rounds; the step is halved after so many in vain, and ends below that."""
_TINY = 1e-9


def p_median(
    places: Places, *, sites: int, budget_cny: float | None = None, limits: Limits = PROVEN
) -> Answer:
    """Open at most `sites` sites so that people × metres to the nearest site or open facility are least.

    Raises `BadInput` when somebody is near no candidate and no facility: give `existing_m` a limit then. Under a budget the
    integer program decides alone.
    """
    if sites < 1:
        raise BadInput(f"{sites} sites are asked for; expected 1 or more. Correct it.")
    if budget_cny is not None and np.isnan(places.cost_cny).any():
        raise BadInput("A budget needs the cost of each candidate. Leave those without one out or state it.")
    way = _Way.of(places)
    chosen, compared = _greedy(way, places, sites)
    if budget_cny is None:
        chosen = _interchanged(way, chosen)
    value = (
        way.metres(chosen) if budget_cny is None or places.cost_cny[chosen].sum() <= budget_cny else np.inf
    )
    low, keep, sure, nodes = -np.inf, np.ones(places.sites, dtype=bool), np.zeros(places.sites, dtype=bool), 0
    if budget_cny is None and sites < places.sites:
        low, chosen, keep, sure = _relaxed(way, sites, chosen)
        value = way.metres(chosen)
    bound = way.rounded(low)
    if not np.isfinite(value) or bound < value - _TINY * max(1.0, value):
        try:
            found, dual, nodes = _program(way, places, sites, budget_cny, keep, sure, limits)
        except NothingFound:
            if not np.isfinite(value):
                raise
        else:
            if way.metres(found) < value:
                chosen, value = found, way.metres(found)
            bound = max(bound, way.rounded(dual))
    bound = min(bound, value)
    chosen = np.sort(chosen)
    return Answer(
        problem="p_median",
        chosen=chosen,
        value=value,
        bound=bound,
        greedy_value=compared,
        nodes=nodes,
        is_optimal=value - bound <= _TINY * max(1.0, value),
        beyond=places.beyond,
        newly=places.newly_covered(chosen),
        reduced=(len(way.base), int((keep & ~sure).sum())),
    )


@dataclass(frozen=True, eq=False)
class _Way:
    """People × metres of each useful pair, nearest first by point; `base` is what a point pays without any new site."""

    point: Ints
    site: Ints
    cost: Floats
    base: Floats
    sites: int
    is_whole: bool

    @classmethod
    def of(cls, places: Places) -> _Way:
        people = np.flatnonzero(places.weight > 0)
        row = np.full(len(places.weight), -1, dtype=np.intp)
        row[people] = np.arange(len(people))
        useful = (row[places.point] >= 0) & (places.distance_m < places.existing_m[places.point])
        point, site = row[places.point[useful]], places.site[useful]
        metres = places.distance_m[useful]
        cost = places.weight[people][point] * metres
        # Somebody without a facility pays more than any choice could; an answer that still holds such a point is refused.
        worst = float(cost.sum()) + 1.0 if len(cost) else 1.0
        open_m = places.existing_m[people]
        base = places.weight[people] * np.where(np.isfinite(open_m), open_m, 0.0)
        base = np.where(np.isfinite(open_m), base, worst)
        if np.setdiff1d(np.flatnonzero(~np.isfinite(open_m)), point).size:
            raise BadInput(
                "Somebody is near no candidate and near no facility that is open; give existing_m the farthest that is looked."
            )
        order = np.lexsort((site, cost, point))
        amounts = np.r_[cost, base]
        return cls(
            point[order],
            site[order],
            cost[order],
            base,
            places.sites,
            bool(np.all(amounts == np.round(amounts))),
        )

    def nearest(self, chosen: Ints) -> tuple[Floats, Ints, Floats]:
        """What each point pays, to which chosen site (-1: none of them), and what it would pay without that one."""
        number = np.full(self.sites, -1, dtype=np.intp)
        number[chosen] = np.arange(len(chosen))
        kept = np.flatnonzero(number[self.site] >= 0)
        point = self.point[kept]
        first = np.r_[True, point[1:] != point[:-1]] if len(point) else np.zeros(0, dtype=bool)
        second = np.r_[False, first[:-1]] & ~first if len(point) else first
        paid, other, at = self.base.copy(), self.base.copy(), np.full(len(self.base), -1, dtype=np.intp)
        paid[point[first]] = self.cost[kept[first]]
        at[point[first]] = number[self.site[kept[first]]]
        other[point[second]] = self.cost[kept[second]]
        return paid, at, other

    def metres(self, chosen: Ints) -> float:
        return float(self.nearest(chosen)[0].sum())

    def rounded(self, bound: float) -> float:
        """A bound of a sum of whole amounts is whole."""
        return (
            float(np.ceil(bound - 1e-6 - 1e-10 * abs(bound)))
            if self.is_whole and np.isfinite(bound)
            else bound
        )


def _greedy(way: _Way, places: Places, sites: int) -> tuple[Ints, float]:
    far_m = float(places.distance_m.max(initial=0.0)) + 1.0
    chosen, metres = greedy.median(
        places, sites, far_m if not np.isfinite(places.existing_m).all() else np.inf
    )
    return chosen, float(places.weight @ metres)


def _interchanged(way: _Way, chosen: Ints) -> Ints:
    """Swap one site for another as long as it helps, the best swap first (Resende & Werneck 2007)."""
    chosen = chosen.copy()
    while len(chosen) < way.sites:
        paid, at, other = way.nearest(chosen)
        served = at >= 0
        loss = sums(at[served], (other - paid)[served], len(chosen))
        gain = sums(way.site, np.clip(paid[way.point] - way.cost, 0, None), way.sites)
        # Who loses his site may go to the new one: that much of the loss is none.
        near = served[way.point] & (way.cost < other[way.point])
        point, site = way.point[near], way.site[near]
        saved = sums(
            site * len(chosen) + at[point],
            other[point] - np.maximum(way.cost[near], paid[point]),
            way.sites * len(chosen),
        ).reshape(way.sites, len(chosen))
        profit = gain[:, None] - loss[None, :] + saved
        profit[chosen] = -np.inf
        best = int(profit.argmax())
        into, out = divmod(best, len(chosen))
        if profit[into, out] <= _TINY * max(1.0, float(paid.sum())):
            break
        chosen[out] = into
    return chosen


def _relaxed(way: _Way, sites: int, chosen: Ints) -> tuple[float, Ints, Bools, Bools]:
    """A lower bound, the best sites met on the way, and which sites may be in an optimum or must be."""
    best = way.metres(chosen)
    paid, _, other = way.nearest(chosen)
    price = np.minimum((paid + other) / 2, way.base)
    low, at_low = -np.inf, price
    step, idle, tried = 1.0, 0, {tuple(np.sort(chosen))}
    keep, sure = np.ones(way.sites, dtype=bool), np.zeros(way.sites, dtype=bool)
    point, site, cost, held = way.point, way.site, way.cost, way.sites
    for _ in range(_ROUNDS):
        if keep.sum() < 0.7 * held:  # sites that are out need not be looked at again
            held, kept = int(keep.sum()), keep[site]
            point, site, cost = point[kept], site[kept], cost[kept]
        margin = cost - price[point]
        cheap = margin < 0
        worth = np.where(keep, sums(site[cheap], margin[cheap], way.sites), np.inf)
        order = np.argsort(worth, kind="stable")
        opened = order[:sites]
        bound = float(price.sum() + np.minimum(way.base - price, 0.0).sum() + worth[opened].sum())
        # Sites in an optimum, if one is better than the best known: neither changes the bound beyond it.
        room = best - bound + _TINY * max(1.0, best)
        out = np.ones(way.sites, dtype=bool)
        out[opened] = False
        if np.isfinite(bound):
            keep &= ~(out & (worth - worth[order[sites - 1]] > room))
            sure[opened] |= worth[order[sites]] - worth[opened] > room
        if bound > low + 1e-7 * abs(low if np.isfinite(low) else 1.0):
            idle = 0
        else:
            idle += 1
        if bound > low:
            low, at_low = bound, price
            key = tuple(np.sort(opened))
            if key not in tried:
                tried.add(key)
                if (value := way.metres(opened)) < best * 1.02:
                    improved = (
                        _interchanged(way, opened.copy()) if len(tried) < 12 or value < best else opened
                    )
                    if (value := way.metres(improved)) < best:
                        best, chosen = value, improved
        if way.rounded(low) >= best - _TINY * max(1.0, best):
            break
        if idle >= _PATIENCE:
            step, idle, price = step / 2, 0, at_low
            if step < _LEAST_STEP:
                break
            continue
        is_open = np.zeros(way.sites, dtype=bool)
        is_open[opened] = True
        times = np.bincount(point[cheap & is_open[site]], minlength=len(way.base))
        slope = 1.0 - times - (way.base < price)
        size = float(slope @ slope)
        if size == 0:
            break
        price = np.clip(price + step * (1.02 * best - bound) / size * slope, 0.0, None)
    keep[chosen] = True
    return low, chosen, keep, sure & keep


def _program(
    way: _Way, places: Places, sites: int, budget_cny: float | None, keep: Bools, sure: Bools, limits: Limits
) -> tuple[Ints, float, int]:
    """The radius formulation over the sites that remain. A level is one distance of one point; its variable is 1 when no
    site as near as that is open, and costs the way on to the next level.
    """
    base = way.base
    if sure.any():
        base = np.minimum(base, way.nearest(np.flatnonzero(sure))[0])
    kept = np.flatnonzero(keep[way.site] & ~sure[way.site] & (way.cost < base[way.point]))
    point, site, cost = way.point[kept], way.site[kept], way.cost[kept]
    number = np.full(way.sites, -1, dtype=np.intp)
    number[np.flatnonzero(keep & ~sure)] = np.arange(int((keep & ~sure).sum()))
    free = np.flatnonzero(keep & ~sure)
    is_new = (
        np.r_[True, (point[1:] != point[:-1]) | (cost[1:] != cost[:-1])]
        if len(point)
        else np.zeros(0, dtype=bool)
    )
    level = np.cumsum(is_new) - 1
    owner, paid = point[is_new], cost[is_new]
    begins = np.r_[True, owner[1:] != owner[:-1]] if len(owner) else np.zeros(0, dtype=bool)
    ends = np.r_[begins[1:], True] if len(owner) else begins
    beyond = np.where(ends, base[owner], np.r_[paid[1:], 0.0] if len(paid) else paid)
    constant = float(base.sum() - base[owner[begins]].sum() + paid[begins].sum())
    model = Model()
    y = model.columns(np.zeros(len(free)), is_integer=True)
    z = model.columns(beyond - paid, high=np.inf)
    at = model.rows(len(z), low=begins.astype(np.float64))
    model.put(at, z, 1.0)
    model.put(at[~begins], z[np.flatnonzero(~begins) - 1], -1.0)
    model.put(at[level], y[number[site]], 1.0)
    model.put(np.repeat(model.rows(1, high=float(sites - sure.sum())), len(y)), y, 1.0)
    if budget_cny is not None:
        model.put(np.repeat(model.rows(1, high=budget_cny), len(y)), y, places.cost_cny[free])
    solved = model.solve(y, limits)
    return np.concatenate([np.flatnonzero(sure), free[solved.chosen]]), constant + solved.bound, solved.nodes
