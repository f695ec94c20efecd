"""Greedy choices, one site after the other: what the proven ones are held against.

With lazy evaluation (Minoux 1978): what a site would add only shrinks as others are chosen, so a stale value that is
still the largest when made fresh needs no rival's. Ties go to the first site.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np

from citycheck.renewal.siting_model import Floats, Ints, Places


class _Reach:
    """The points of each candidate, by its number."""

    def __init__(self, places: Places, pairs: Ints) -> None:
        order = pairs[np.lexsort((places.point[pairs], places.site[pairs]))]
        self.point, self.metres = places.point[order], places.distance_m[order]
        self.begin = np.searchsorted(places.site[order], np.arange(places.sites + 1))

    def __getitem__(self, site: int) -> slice:
        return slice(self.begin[site], self.begin[site + 1])


def _open(places: Places) -> _Reach:
    return _Reach(places, np.flatnonzero(places.is_within & ~places.is_covered[places.point]))


def coverage(
    places: Places, *, sites: int | None = None, budget_cny: float | None = None
) -> tuple[Ints, float]:
    """Sites that add most people each, or most per yuan under a budget; and the people they cover newly."""
    reach, left = _open(places), np.where(places.is_covered, 0.0, places.weight)
    price = places.cost_cny if budget_cny is not None else np.ones(places.sites)
    price = np.maximum(price, 1e-9)

    def gain(site: int) -> float:
        return float(left[reach.point[reach[site]]].sum())

    queue = [(-gain(site) / price[site], site) for site in range(places.sites)]
    heapify(queue)
    chosen: list[int] = []
    money = np.inf if budget_cny is None else budget_cny
    value = 0.0
    while queue and (sites is None or len(chosen) < sites):
        _, site = heappop(queue)
        if budget_cny is not None and places.cost_cny[site] > money:
            continue
        fresh = -gain(site) / price[site]
        if queue and (fresh, site) > queue[0]:
            heappush(queue, (fresh, site))
            continue
        if fresh >= 0:
            break
        value += gain(site)
        left[reach.point[reach[site]]] = 0.0
        chosen.append(site)
        money -= places.cost_cny[site] if budget_cny is not None else 0.0
    return np.array(chosen, dtype=np.intp), value


def cover_all(places: Places, *, by_cost: bool = False) -> Ints:
    """Sites that cover everybody who can be, those first that cover most points (Chvátal 1979), or most per yuan."""
    one_each = Places.of(
        (places.weight > 0).astype(float),
        places.point,
        places.site,
        places.distance_m,
        sites=places.sites,
        radius_m=places.radius_m,
        existing_m=places.existing_m,
        cost_cny=places.cost_cny,
    )
    return coverage(one_each, budget_cny=float(places.cost_cny.sum()) if by_cost else None)[0]


def capacitated(places: Places, *, sites: int | None = None, budget_cny: float | None = None) -> float:
    """People served when the site that can serve most opens next and takes its people in their order."""
    reach, left = _open(places), np.where(places.is_covered, 0.0, places.weight)
    rest = set(range(places.sites))
    money, value, opened = np.inf if budget_cny is None else budget_cny, 0.0, 0
    while rest and (sites is None or opened < sites):
        gains = {
            site: min(float(left[reach.point[reach[site]]].sum()), float(places.capacity[site]))
            for site in sorted(rest)
            if budget_cny is None or places.cost_cny[site] <= money
        }
        best = max(gains, key=lambda site: (gains[site], -site), default=None)
        if best is None or gains[best] <= 0:
            break
        taken = gains[best]
        for point in reach.point[reach[best]]:
            some = min(left[point], taken)
            left[point] -= some
            taken -= some
        value += gains[best]
        money -= places.cost_cny[best] if budget_cny is not None else 0.0
        opened += 1
        rest.remove(best)
    return value


def median(places: Places, sites: int, beyond_m: float) -> tuple[Ints, Floats]:
    """Sites that shorten the people's ways most each; and everybody's metres then, `beyond_m` where nobody is near."""
    reach = _Reach(places, np.arange(len(places.point)))
    metres = np.minimum(places.existing_m, beyond_m)

    def gain(site: int) -> float:
        at = reach[site]
        point = reach.point[at]
        return float(places.weight[point] @ np.clip(metres[point] - reach.metres[at], 0, None))

    queue = [(-gain(site), site) for site in range(places.sites)]
    heapify(queue)
    chosen: list[int] = []
    while queue and len(chosen) < sites:
        _, site = heappop(queue)
        fresh = (-gain(site), site)
        if queue and fresh > queue[0]:
            heappush(queue, fresh)
            continue
        at = reach[site]
        np.minimum.at(metres, reach.point[at], reach.metres[at])
        chosen.append(site)
    return np.array(chosen, dtype=np.intp), metres
