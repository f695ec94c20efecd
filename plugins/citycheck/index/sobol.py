"""Variance-based sensitivity of groups of inputs: how much of an output's variance goes with each group.

Design: Saltelli et al. (2010), "Variance based sensitivity analysis of model output", Comput. Phys. Commun. 181. Two
independent matrices A and B of inputs, and for each group the matrix AB that is A with the group's columns of B. First-order
index after Saltelli et al. (2010, table 2 b), total index after Jansen (1999), Comput. Phys. Commun. 117 (table 2 f).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDS_AT_A_TIME = 64


@dataclass(frozen=True)
class Sensitivity:
    """Shares of the variance with their confidence intervals; NaN where nothing varies.

    `first_order` is what a group explains alone, `total` what it explains with all its interactions.
    """

    first_order: float
    first_order_low: float
    first_order_high: float
    total: float
    total_low: float
    total_high: float


def points(draws: int, inputs: int, seed: int) -> tuple[Floats, Floats]:
    """Two independent (draws, inputs) matrices in (0, 1): scrambled Sobol' points; `draws` should be a power of two."""
    from scipy.stats import qmc  # half a second, which who has points already need not wait for

    power = max(draws - 1, 0).bit_length()
    both = qmc.Sobol(2 * inputs, scramble=True, rng=np.random.default_rng(seed)).random_base2(power)[:draws]
    return both[:, :inputs], both[:, inputs:]


def sensitivities(
    of_a: Floats, of_b: Floats, of_ab: Floats, *, level: float, rounds: int, seed: int
) -> list[Sensitivity]:
    """The groups' sensitivities from outputs of A and B, (draws), and of each AB, (groups, draws).

    Intervals of `level`, such as 0.9, hold the middle of `rounds` bootstraps over the draws.
    """
    estimates = _estimates(of_a[None], of_b[None], of_ab[:, None])[..., 0]
    generator = np.random.default_rng(seed)
    again = []
    for first in range(0, rounds, _ROUNDS_AT_A_TIME):
        picked = generator.integers(len(of_a), size=(min(_ROUNDS_AT_A_TIME, rounds - first), len(of_a)))
        again.append(_estimates(of_a[picked], of_b[picked], of_ab[:, picked]))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(again, axis=2), [tail, 1 - tail], axis=2)
    return [
        Sensitivity(*(float(of[kind, group]) for kind in (0, 1) for of in (estimates, low, high)))
        for group in range(len(of_ab))
    ]


def _estimates(of_a: Floats, of_b: Floats, of_ab: Floats) -> Floats:
    """First-order and total index, (2, groups, rounds), of (rounds, draws) and (groups, rounds, draws)."""
    mean = (of_a.mean(axis=1) + of_b.mean(axis=1)) / 2
    a, b, ab = of_a - mean[:, None], of_b - mean[:, None], of_ab - mean[:, None]
    variance = ((a**2).mean(axis=1) + (b**2).mean(axis=1)) / 2
    first_order = (b * (ab - a)).mean(axis=2)
    total = ((a - ab) ** 2).mean(axis=2) / 2
    # What is constant up to rounding does not vary.
    varies = variance > 1e-18 * (1 + mean**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varies, np.stack([first_order, total]) / variance, np.nan)
