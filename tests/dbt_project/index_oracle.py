"""The index again, in a few lines of pandas: written from docs/index-engine.md alone, to be slow and plain."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd

from citycheck.index.spec import Node, Spec

_WAYS = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
_FUNCTIONS = {"none": float, "log": math.log, "log10": math.log10, "sqrt": math.sqrt}


def scores(spec: Spec, table: pd.DataFrame) -> pd.DataFrame:
    """Units × nodes; NaN where there is no score."""
    made: dict[str, pd.Series] = {}
    for node in spec.nodes:
        if node.is_leaf:
            value = _value_of_leaf(node, table, spec)
        else:
            value = _value_of_group(node, spec, made)
            value = _rounded(value, node.value_decimals, node.rounding)
        made[node.code] = _rounded(_normalised(node, value), node.decimals, node.rounding)
    return pd.DataFrame(made)


def _value_of_leaf(node: Node, table: pd.DataFrame, spec: Spec) -> pd.Series:
    value = table[node.column].astype(float)
    value = value.where(~value.isin([float(code) for code in spec.missing]))
    if node.denominator:
        value = value / table[node.denominator].astype(float).replace(0, np.nan)
    value = _rounded(value * node.multiplier, node.value_decimals, node.rounding)
    if node.imputation != "none":
        value = value.fillna(value.mean() if node.imputation == "mean" else value.median())
    value = value.map(_FUNCTIONS[node.transform], na_action="ignore").astype(float)
    if node.outliers == "winsorise_pct":
        share = node.outliers_pct / 100
        value = value.clip(value.quantile(share), value.quantile(1 - share))
    if node.outliers == "winsorise_skew":
        value = _less_skewed(node, value)
    return value


def _less_skewed(node: Node, value: pd.Series) -> pd.Series:
    """pandas' skew and kurt are those of Excel and COINr."""
    made = value.copy()
    while (
        made.count() > 3
        and made.nunique() > 1
        and abs(made.skew()) >= node.outliers_skewness
        and made.kurt() >= node.outliers_kurtosis
        and (made != value)[value.notna()].sum() < node.outliers_points
        and made.nunique() > 2
    ):
        ends = made.dropna().unique()
        ends.sort()
        made = made.clip(upper=ends[-2]) if made.skew() >= 0 else made.clip(lower=ends[1])
    return made


def _value_of_group(node: Node, spec: Spec, made: dict[str, pd.Series]) -> pd.Series:
    children = spec.children(node.code)
    below = pd.DataFrame({child.code: made[child.code] for child in children})
    weights = pd.Series({child.code: child.weight for child in children})
    there = below.notna() * weights
    enough = (there.sum(axis=1) >= node.min_share * weights.sum() - 1e-6) & (there.sum(axis=1) > 0)
    floored = below.clip(lower=node.floor) if node.floor else below
    total = there.sum(axis=1)
    match node.mean:
        case "sum":
            value = (below * weights).sum(axis=1)
        case "geometric":
            value = np.exp((np.log(floored) * weights).sum(axis=1) / total)
        case "harmonic":
            value = total / (weights / floored).sum(axis=1)
        case _:
            value = (below * weights).sum(axis=1) / total
    return value.where(enough)


def _tie_key(value: pd.Series) -> pd.Series:
    """Twelve decimals from the first digit of the largest."""
    largest = value.abs().max()
    return value if not largest > 0 else (value / 10 ** math.ceil(math.log10(largest))).round(12)


def _normalised(node: Node, value: pd.Series) -> pd.Series:
    known = node.direction * value
    low, width = node.scale_low, node.scale_high - node.scale_low
    bounds = [
        None if bound is None else node.direction * _FUNCTIONS[node.transform](bound)
        for bound in (node.goalpost_low, node.goalpost_high, node.target)
    ]
    rank = _tie_key(known).rank(method={"min": "min", "mean": "average", "max": "max"}[node.ties])
    units = value.count()
    is_relative = node.normalisation not in ("none", "goalposts") and (
        node.normalisation != "distance_to_target" or node.goalpost_low is None
    )
    if is_relative and units < 2:
        return value * np.nan
    share = {
        "(r-1)/(n-1)": (rank - 1) / max(units - 1, 1),
        "r/n": rank / max(units, 1),
        "(r-0.5)/n": (rank - 0.5) / max(units, 1),
        "(r-1)/n": (rank - 1) / max(units, 1),
        "r/(n+1)": rank / (units + 1),
    }[node.rank_share]
    match node.normalisation:
        case "goalposts":
            least, most = sorted(bounds[:2])
            return low + width * ((known - least) / (most - least)).clip(0, 1)
        case "min_max":
            span = known.max() - known.min()
            return low + width * (known - known.min()) / (span if span else np.nan)
        case "z_score":
            deviation = known.std(ddof=0 if node.deviation == "population" else 1)
            return low + width * (known - known.mean()) / (deviation if known.nunique() > 1 else np.nan)
        case "rank":
            return rank
        case "percentile_rank":
            return low + width * share
        case "exponential_rank":
            k = node.normalisation_constant
            return low + width / 100 * -k * np.log(1 - share * (1 - math.exp(-100 / k)))
        case "distance_to_target":
            start = known.min() if bounds[0] is None else bounds[0]
            return low + width * (known - start) / (bounds[2] - start if bounds[2] != start else np.nan)
        case _:
            return known


def _rounded(numbers: pd.Series, decimals: int | None, way: str) -> pd.Series:
    if decimals is None:
        return numbers
    return numbers.map(
        lambda number: float(
            Decimal(f"{number:.{decimals + 6}f}").quantize(Decimal(1).scaleb(-decimals), _WAYS[way])
        ),
        na_action="ignore",
    ).astype(float)
