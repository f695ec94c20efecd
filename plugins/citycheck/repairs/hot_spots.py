"""Hot spots of repair reports: communities that, with their neighbours, have more or fewer than chance would put there.

Getis and Ord's Gi* (Ord and Getis 1995, Geographical Analysis 27, 286-306) of the reports per 1,000 residents, category by
category, with PySAL's `esda`: two-sided p-values from conditional permutations with a fixed seed, and the false discovery
rate held over the communities of a category (Benjamini and Hochberg 1995, as Caldas de Castro and Singer 2006 use it).
What cannot be tested is listed with its reason and has no numbers.
"""

from __future__ import annotations

import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Row = dict[str, Any]
Reason = Literal["nobody_lives", "no_neighbour", "too_few_units", "too_few_reports", "all_alike"]


@dataclass(frozen=True)
class Limits:
    """What the standard asks for before it tests, and when it calls a community hot or cold."""

    reports_min: int
    units_min: int
    permutations: int
    false_discovery_max: float


def hot_spots(
    reports: Mapping[str, Mapping[str, int]],
    residents: Mapping[str, float],
    neighbours: Iterable[tuple[str, str]],
    limits: Limits,
) -> list[Row]:
    """One row per category and community, in the order of their codes.

    `reports` are counts by category and community, `residents` those of every community; `neighbours` are pairs of
    communities with a common border, in either or both orders. Whoever has no residents, and then whoever has no
    neighbour left, is not tested, and neither is anybody where fewer than `units_min` remain.
    """
    inhabited = {unit for unit, people in residents.items() if people > 0}
    around: dict[str, set[str]] = defaultdict(set)
    for one, other in neighbours:
        if one != other and {one, other} <= inhabited:
            around[one].add(other)
            around[other].add(one)
    units = sorted(around)
    weights = _weights(units, around)
    rows = []
    for category, counts in sorted(reports.items()):
        tested = [counts.get(unit, 0) for unit in units]
        rates = 1000 * np.array(tested, dtype=float) / np.array([residents[unit] for unit in units])
        reason: Reason | None = None
        if len(units) < limits.units_min:
            reason = "too_few_units"
        elif sum(tested) < limits.reports_min:
            reason = "too_few_reports"
        elif np.ptp(rates) == 0:
            reason = "all_alike"
        found = {} if reason else _tested(category, units, rates, weights, limits)
        for unit in sorted(residents):
            people, count = residents[unit], counts.get(unit, 0)
            why = (
                "nobody_lives" if unit not in inhabited else "no_neighbour" if unit not in around else reason
            )
            rows.append(
                {
                    "category_code": category,
                    "community_id": unit,
                    "reports": count,
                    "reports_per_1000": 1000 * count / people if people > 0 else None,
                    **(found[unit] if why is None else _NOT_TESTED | {"not_tested": why}),
                }
            )
    return rows


_NOT_TESTED: Row = {"z_score": None, "p_value": None, "q_value": None, "cluster": "none"}


def _weights(units: list[str], around: Mapping[str, set[str]]) -> Any:
    from libpysal.weights import W

    return W({unit: sorted(around[unit]) for unit in units}, id_order=units, silence_warnings=True)


def _tested(
    category: str, units: list[str], rates: npt.NDArray[np.float64], weights: Any, limits: Limits
) -> dict[str, Row]:
    from esda.getisord import G_Local
    from scipy.stats import false_discovery_control

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what esda's next release will call its p-value
        local = G_Local(
            rates, weights, transform="B", star=True, permutations=limits.permutations, keep_simulations=True,
            n_jobs=1, seed=zlib.crc32(category.encode()),
        )  # fmt: skip
    # Not esda's p_sim: its lower tail leaves out ties, so that no report among few would be cold by a p-value near 0.
    drawn, observed, last_bits = local.rGs, local.Gs[:, np.newaxis], 1e-12
    tails = [(drawn <= observed + last_bits).sum(axis=1), (drawn >= observed - last_bits).sum(axis=1)]
    p_values = np.minimum(1.0, 2 * (np.minimum(*tails) + 1) / (limits.permutations + 1))
    q_values = false_discovery_control(p_values, method="bh")
    return {
        unit: {
            "z_score": round(float(z), 9),
            "p_value": round(float(p), 9),
            "q_value": round(float(q), 9),
            "cluster": "none" if q > limits.false_discovery_max else "hot" if z > 0 else "cold",
            "not_tested": None,
        }
        for unit, z, p, q in zip(units, local.Zs, p_values, q_values, strict=True)
    }
