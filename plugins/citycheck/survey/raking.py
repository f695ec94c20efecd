"""Weights with which a sample agrees with what a register knows: raking, or iterative proportional fitting.

Of all weights that agree, raking finds those that are least far from the first ones: it minimises the information
divergence Σ w·ln(w / w₀) − w + w₀ (Deming & Stephan 1940; Ireland & Kullback 1968; Deville, Särndal & Sautory 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from citycheck.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Margin:
    """What a register says of one characteristic: in which category respondents are, and the people of each.

    `category` (n): index of the respondent's category, or −1 where he has not said it. `people` (c): the people of
    each category. `group` (c): categories of one group share its people out among those who said theirs, so only
    proportions count; without it, people are absolute numbers.
    """

    category: Ints
    people: Floats
    group: Ints | None = None


@dataclass(frozen=True)
class Raked:
    """Weights (n), the rounds that it took, and whether a round no longer changed a weight by the tolerance."""

    weight: Floats
    rounds: int
    has_converged: bool


def rake(
    start: ArrayLike,
    totals: Margin,
    shares: Sequence[Margin] = (),
    *,
    ratio_min: float = 0.0,
    ratio_max: float = np.inf,
    tolerance: float = 1e-9,
    rounds_max: int = 1_000,
) -> Raked:
    """The weights nearest to `start` (n, > 0) that agree with `totals`, which everyone is in, and with `shares`.

    A weight stays between `ratio_min` and `ratio_max` times the first weight as `totals` alone would make it; where
    that and the shares cannot both be, the shares give way: `totals` always hold. Whoever has not said a
    characteristic is kept, and only the other margins move his weight. Categories with nobody in the sample are left
    out. Raises `BadInput` when a category with respondents has no people, or someone is in none of `totals`.
    """
    weight = np.array(start, dtype=np.float64)
    if (totals.category < 0).any():
        raise BadInput(
            "Raking: a respondent is in no category of the totals; expected everyone to be in one."
        )
    for margin in (totals, *shares):
        if (margin.people[margin.category[margin.category >= 0]] <= 0).any():
            raise BadInput(
                "Raking: a category with respondents has no people; expected more than 0. Merge it with another."
            )
    base = weight = weight * _factors(weight, totals)
    if not shares:
        return Raked(weight, 0, True)
    for rounds in range(1, rounds_max + 1):
        before = weight
        for margin in shares:
            weight = weight * _factors(weight, margin)
        weight = _trimmed(weight * _factors(weight, totals), base, totals, ratio_min, ratio_max, tolerance)
        if np.abs(weight / before - 1).max(initial=0) < tolerance:
            return Raked(weight, rounds, True)
    return Raked(weight, rounds_max, False)


def _factors(weight: Floats, margin: Margin) -> Floats:
    """What each weight is multiplied with so that one margin agrees: the nearest weights that do (a projection)."""
    known = margin.category >= 0
    category = margin.category[known]
    found = np.bincount(category, weight[known], len(margin.people))
    is_there = found > 0
    log = np.zeros(len(margin.people))
    log[is_there] = np.log(margin.people[is_there] / found[is_there])
    if margin.group is not None:
        # Proportions alone are asked for: the common factor is the one that keeps Σ share · ln(factor) at 0.
        groups = int(margin.group.max(initial=-1)) + 1
        people = np.where(is_there, margin.people, 0.0)
        whole = np.bincount(margin.group, people, groups)
        mean = np.bincount(margin.group, people * log, groups) / np.where(whole > 0, whole, 1.0)
        log = log - mean[margin.group]
    factors = np.ones(len(weight))
    factors[known] = np.exp(log)[category]
    return factors


def _trimmed(
    weight: Floats, base: Floats, totals: Margin, ratio_min: float, ratio_max: float, tolerance: float
) -> Floats:
    """Weights within their limits that keep the totals; what is cut off is shared out among the others."""
    for _ in range(100):
        cut = np.clip(weight, ratio_min * base, ratio_max * base)
        if np.abs(cut / weight - 1).max(initial=0) < tolerance:
            return weight
        weight = cut * _factors(cut, totals)
    return weight
