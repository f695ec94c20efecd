"""The index in numpy: what dbt's models int_index_* compute once, computed thousands of times over.

Scores are arrays of (draws, units); what no draw changes has one row and is broadcast. `spec.py` says what is done to a
node, and in which order. Which unit has a score is decided once, by the standard's weights and the given values: draws ask
how far a score might move, not whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from citycheck.index.spec import Node, Spec

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Bound = Floats | float | None

_SHARE_SLACK = 5e-7
"""Shares of weight are compared to so many digits, as dbt's reaches_share does: 0.65 of 1 is 0.65 however it is summed."""


@dataclass(frozen=True)
class Drawn:
    """What differs from the standard in some draws; what is not named is as the standard has it."""

    values: Mapping[str, Floats] = field(default_factory=dict)
    """Leaf → (draws, units), instead of the given values; missing where those are missing."""
    weights: Mapping[str, Floats] = field(default_factory=dict)
    """Node → (draws, 1): how many times its weight."""
    goalposts: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    """Node → the low and the high one, each (draws, 1)."""
    means: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Group → the mean of each draw."""


NOTHING = Drawn()


class Engine:
    """An index over the units of one area level.

    `values` is (units, leaves) in the order of `spec.leaves`, NaN where missing. `scores` and `values_of` are the
    standard's, each (units,).
    """

    def __init__(self, spec: Spec, values: Floats) -> None:
        self.spec = spec
        self.units = len(values)
        self._given = {leaf.code: values[None, :, at] for at, leaf in enumerate(spec.leaves)}
        self._children = {group.code: spec.children(group.code) for group in spec.groups}
        self._missing: dict[str, Mask | None] = {}
        self._missing_values: dict[str, Mask | None] = {}
        self.values_of: dict[str, Floats] = {}
        self.scores: dict[str, Floats] = {}
        self._decide()

    def _decide(self) -> None:
        """The standard's scores, and with them who has one."""
        rows: dict[str, Floats] = {}
        for node in self.spec.nodes:
            if node.is_leaf:
                value = self._given[node.code]
            else:
                children = self._children[node.code]
                has_one = np.array([~np.isnan(rows[child.code][0]) for child in children])
                weights = np.array([child.weight for child in children])
                available = (weights[:, None] * has_one).sum(axis=0)
                is_scored = (available > 0) & (
                    available >= node.min_share * weights.sum() - _SHARE_SLACK * max(weights.sum(), 1e-300)
                )
                self._missing_values[node.code] = _or_none(~is_scored)
                value = self._value(node, rows, NOTHING)
            rows[node.code] = _score(node, _rounded(value, node.value_decimals, node.rounding), None)
            self._missing[node.code] = _or_none(np.isnan(rows[node.code][0]))
            self.values_of[node.code] = value[0]
            self.scores[node.code] = rows[node.code][0]

    def draw(self, drawn: Drawn, nodes: Sequence[str]) -> dict[str, Floats]:
        """The scores of some nodes, (draws or 1, units), before rounding at the node itself.

        Only what they hang on is computed.
        """
        needed = self.below(nodes)
        rows: dict[str, Floats] = {}
        asked: dict[str, Floats] = {}
        for node in self.spec.nodes:
            if node.code not in needed:
                continue
            value = (
                drawn.values.get(node.code, self._given[node.code])
                if node.is_leaf
                else self._value(node, rows, drawn)
            )
            value = _rounded(value, node.value_decimals, node.rounding)
            rows[node.code] = _score(node, value, drawn.goalposts.get(node.code))
            if node.code in nodes:
                asked[node.code] = (
                    rows[node.code]
                    if node.decimals is None
                    else _score(replace(node, decimals=None), value, drawn.goalposts.get(node.code))
                )
        return asked

    def below(self, nodes: Sequence[str]) -> set[str]:
        """Some nodes, and all that they hang on."""
        found = set(nodes)
        for node in reversed(self.spec.nodes):
            if node.parent in found:
                found.add(node.code)
        return found

    def _value(self, group: Node, rows: Mapping[str, Floats], drawn: Drawn) -> Floats:
        """The mean of a group's children, each by its weight, over those that have a score."""
        means = drawn.means.get(group.code)
        kinds = sorted(set(means)) if means is not None else [group.mean or "arithmetic"]
        value = self._mean(group, kinds[0], rows, drawn)
        if means is not None:
            chosen = np.asarray(means)[:, None]
            for kind in kinds[1:]:
                value = np.where(chosen == kind, self._mean(group, kind, rows, drawn), value)
        missing = self._missing_values[group.code]
        return value if missing is None else np.where(missing, np.nan, value)

    def _mean(self, group: Node, kind: str, rows: Mapping[str, Floats], drawn: Drawn) -> Floats:
        total: Floats | None = None
        weights: Floats | None = None
        for child in self._children[group.code]:
            weight = child.weight * drawn.weights.get(child.code, np.ones((1, 1)))
            part = _parts(kind, rows[child.code], group.floor)
            if (missing := self._missing[child.code]) is not None:
                weight = weight * ~missing
                part = np.where(missing, 0.0, part)
            part = weight * part
            total = _plus(total, part)
            weights = weight if weights is None else weights + weight
        assert total is not None and weights is not None, "a group has children"
        with np.errstate(divide="ignore", invalid="ignore"):
            if kind == "geometric":
                return np.exp(total / weights)
            if kind == "harmonic":
                return weights / total
            return total if kind == "sum" else total / weights


def _plus(total: Floats | None, part: Floats) -> Floats:
    """The sum, in place where the shapes allow."""
    if total is None or total.shape != np.broadcast_shapes(total.shape, part.shape):
        return part if total is None else total + part
    total += part
    return total


def _parts(kind: str, scores: Floats, floor: float | None) -> Floats:
    """What of a child's score a mean adds up."""
    if kind in ("arithmetic", "sum"):
        return scores
    at_least = np.maximum(scores, 1.0 if floor is None else floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(at_least) if kind == "geometric" else 1.0 / at_least


def _score(node: Node, value: Floats, goalposts: tuple[Bound, Bound] | None) -> Floats:
    """A node's score from its value, both (draws, units)."""
    low, high = goalposts or (node.goalpost_low, node.goalpost_high)
    target: Bound = node.target
    if node.is_leaf:
        if node.imputation != "none":
            value = _imputed(value, node.imputation)
        if node.transform != "none":
            value = _transformed(value, node.transform)
            low, high, target = (
                None if bound is None else _transformed(bound, node.transform)
                for bound in (low, high, target)
            )
        if node.outliers != "none":
            value = np.array([_treated(row, node) for row in value])
    return _rounded(_normalised(node, value, low, high, target), node.decimals, node.rounding)


def _imputed(value: Floats, imputation: str) -> Floats:
    """Each row with its mean or median where it is missing; a row without any value stays so."""
    missing = np.isnan(value)
    if not missing.any() or missing.all(axis=1).any():
        return value
    middle = np.nanmean if imputation == "mean" else np.nanmedian
    return np.where(missing, middle(value, axis=1, keepdims=True), value)


def _transformed(number: Floats | float, transform: str) -> Floats:
    """The logarithm or root; NaN where there is none."""
    number = np.asarray(number, dtype=np.float64)
    lowest = 0.0 if transform == "sqrt" else np.nextafter(0.0, 1.0)
    number = np.where(number >= lowest, number, np.nan)
    return np.asarray({"log": np.log, "log10": np.log10, "sqrt": np.sqrt}[transform](number))


def _treated(row: Floats, node: Node) -> Floats:
    """One row of values without its outliers."""
    known = np.sort(row[~np.isnan(row)])
    if not len(known):
        return row
    if node.outliers == "winsorise_pct":
        low, high = np.quantile(known, [node.outliers_pct / 100, 1 - node.outliers_pct / 100])
        return np.clip(row, low, high)
    low, high, moved = known[0], known[-1], 0
    while high > low and len(known) > 3 and moved < node.outliers_points:
        treated = np.clip(known, low, high)
        skewness, next_low, next_high = _skewness(treated), known[known > low][0], known[known < high][-1]
        is_treated = abs(skewness) < node.outliers_skewness or _kurtosis(treated) < node.outliers_kurtosis
        if is_treated or next_high <= next_low:
            break
        # At the end to which the skew tends, the points there take the value of the next one.
        if skewness < 0:
            low, moved = next_low, int(((known <= low) | (known > high)).sum())
        else:
            high, moved = next_high, int(((known >= high) | (known < low)).sum())
    return np.clip(row, low, high)


def _skewness(x: Floats) -> float:
    """Skewness of a sample (Joanes and Gill 1998, G1); 0 where it is not defined."""
    n, away = len(x), x - x.mean()
    second = float((away**2).mean())
    if n < 3 or second == 0:
        return 0.0
    return float((away**3).mean() / second**1.5 * np.sqrt(n * (n - 1)) / (n - 2))


def _kurtosis(x: Floats) -> float:
    """Excess kurtosis of a sample (Joanes and Gill 1998, G2); 0 where it is not defined."""
    n, away = len(x), x - x.mean()
    second = float((away**2).mean())
    if n < 4 or second == 0:
        return 0.0
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (float((away**4).mean()) / second**2 - 3) + 6)


def _normalised(
    node: Node,
    value: Floats,
    low: Bound,
    high: Bound,
    target: Bound,
) -> Floats:
    """A value on the node's scale. Direction −1 turns the sign, and with it the whole scale."""
    width = node.scale_high - node.scale_low
    if node.normalisation == "goalposts":
        assert low is not None and high is not None
        slope = node.direction * width / (np.asarray(high) - np.asarray(low))
        score = value * slope
        score += node.scale_low - slope * np.asarray(low if node.direction == 1 else high)
        return np.clip(score, *sorted((node.scale_low, node.scale_high)), out=score)
    signed = node.direction * value
    if node.normalisation == "none":
        return signed
    units = (~np.isnan(signed)).sum(axis=1, keepdims=True)
    if node.normalisation != "distance_to_target" or low is None:
        # What is relative needs others.
        signed = np.where(units < 2, np.nan, signed)
    with np.errstate(divide="ignore", invalid="ignore"):
        if node.normalisation == "distance_to_target":
            assert target is not None
            start = _lowest(signed) if low is None else node.direction * np.asarray(low)
            return node.scale_low + width * (signed - start) / _or_nan(
                node.direction * np.asarray(target) - start
            )
        if node.normalisation in ("min_max", "z_score"):
            place = (signed - _lowest(signed)) / _or_nan(-_lowest(-signed) - _lowest(signed))
            if node.normalisation == "z_score":
                known = (~np.isnan(place)).sum(axis=1, keepdims=True)
                away = place - np.nansum(place, axis=1, keepdims=True) / known
                spread = np.nansum(away**2, axis=1, keepdims=True)
                place = away / _or_nan(np.sqrt(spread / _or_nan(known - float(node.deviation == "sample"))))
            return node.scale_low + width * place
        rank = ranks(_tie_keys(signed), node.ties)
        if node.normalisation == "rank":
            return rank
        share = _share(rank, units, node.rank_share)
        if node.normalisation == "percentile_rank":
            return node.scale_low + width * share
        k = node.normalisation_constant
        return np.asarray(node.scale_low - width / 100 * k * np.log(1 - share * (1 - np.exp(-100 / k))))


def _share(rank: Floats, units: npt.NDArray[np.int64], rank_share: str) -> Floats:
    if rank_share == "r/n":
        return rank / units
    if rank_share == "(r-0.5)/n":
        return (rank - 0.5) / units
    if rank_share == "(r-1)/n":
        return (rank - 1) / units
    if rank_share == "r/(n+1)":
        return rank / (units + 1)
    return np.asarray((rank - 1) / _or_nan(units - 1.0))


def _tie_keys(values: Floats) -> Floats:
    """Twelve decimals, counted from the first digit of the largest of each row: what binary arithmetic leaves of two equal
    numbers must not part them."""
    largest = np.where(np.isnan(values), 0.0, np.abs(values)).max(axis=1, keepdims=True, initial=0.0)
    digits = np.ceil(np.log10(np.where(largest == 0, 1.0, largest)))
    return np.asarray(np.round(values / 10.0**digits, 12))


def ranks(values: Floats, ties: str = "min") -> Floats:
    """Ranks of each row of (draws, units), 1 for the smallest; NaN has none."""
    units = values.shape[1]
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    # A place begins a run of equal values where the value before it is another.
    begins = np.ones(values.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.arange(1, units + 1, dtype=np.float64)
    if begins.all():
        settled = np.broadcast_to(place, values.shape)
    else:
        first = np.maximum.accumulate(np.where(begins, place, 0.0), axis=1)
        ends = np.concatenate([begins[:, 1:], np.ones((len(values), 1), dtype=bool)], axis=1)
        last = np.minimum.accumulate(np.where(ends, place, np.inf)[:, ::-1], axis=1)[:, ::-1]
        settled = {"min": first, "max": last, "mean": (first + last) / 2}[ties]
    rank = np.empty(values.shape)
    np.put_along_axis(rank, order, settled, axis=1)
    return np.where(np.isnan(values), np.nan, rank)


def _rounded(number: Floats, decimals: int | None, rounding: str) -> Floats:
    """As it is printed. What is half in decimals is seldom half in binary: first to six decimals more."""
    if decimals is None:
        return number
    scaled = np.round(np.abs(number) * 10.0**decimals, 6)
    if rounding == "down":
        whole = np.floor(scaled)
    elif rounding == "half_even":
        whole = np.round(scaled)
    else:
        whole = np.floor(scaled + 0.5)
    return np.asarray(np.sign(number) * whole / 10.0**decimals)


def _lowest(rows: Floats) -> Floats:
    """The smallest of each row; NaN where it has none."""
    lowest = np.where(np.isnan(rows), np.inf, rows).min(axis=1, keepdims=True, initial=np.inf)
    return np.where(np.isinf(lowest), np.nan, lowest)


def _or_nan(number: npt.ArrayLike) -> Floats:
    """A number to divide by: NaN instead of 0."""
    made = np.asarray(number, dtype=np.float64)
    return np.where(made == 0, np.nan, made)


def _or_none(mask: Mask) -> Mask | None:
    return mask if mask.any() else None
