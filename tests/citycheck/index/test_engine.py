"""The engine against a recount in plain Python, one unit and one draw at a time, on random indices and tables."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.index.engine import Drawn, Engine, ranks
from citycheck.index.spec import Node, Spec

SHARES = {
    "(r-1)/(n-1)": lambda r, n: (r - 1) / (n - 1),
    "r/n": lambda r, n: r / n,
    "(r-0.5)/n": lambda r, n: (r - 0.5) / n,
    "(r-1)/n": lambda r, n: (r - 1) / n,
    "r/(n+1)": lambda r, n: r / (n + 1),
}


def _column(node, values):
    """What a node makes of the values of all units, None where missing: the order of spec.py, one step after another."""
    bounds = [node.goalpost_low, node.goalpost_high, node.target]
    if node.is_leaf:
        known = [v for v in values if v is not None]
        if node.imputation != "none" and known:
            middle = statistics.fmean(known) if node.imputation == "mean" else statistics.median(known)
            values = [middle if v is None else v for v in values]
        if node.transform != "none":
            values, bounds = ([_transformed(v, node.transform) for v in some] for some in (values, bounds))
        if node.outliers == "winsorise_pct" and (known := sorted(v for v in values if v is not None)):
            low, high = (_percentile(known, p) for p in (node.outliers_pct, 100 - node.outliers_pct))
            values = [None if v is None else min(max(v, low), high) for v in values]
    low, high, target = bounds
    signed = [None if v is None else node.direction * v for v in values]
    known = [v for v in signed if v is not None]
    if not known:
        return signed
    is_relative = node.normalisation not in ("none", "goalposts", "distance_to_target") or (
        node.normalisation == "distance_to_target" and low is None
    )
    if is_relative and len(known) < 2:
        return [None] * len(signed)
    largest = max(abs(k) for k in known) or 1.0
    digits = math.ceil(math.log10(largest))
    width = node.scale_high - node.scale_low
    least, most = min(known), max(known)

    def score(v):
        if node.normalisation == "none":
            return v
        if node.normalisation == "goalposts":
            ends = sorted((node.direction * low, node.direction * high))
            return node.scale_low + width * min(max((v - ends[0]) / (ends[1] - ends[0]), 0), 1)
        if node.normalisation == "distance_to_target":
            start = least if low is None else node.direction * low
            span = node.direction * target - start
            return None if span == 0 else node.scale_low + width * (v - start) / span
        if node.normalisation == "min_max":
            return None if most == least else node.scale_low + width * (v - least) / (most - least)
        if node.normalisation == "z_score":
            ddof = 1 if node.deviation == "sample" else 0
            if most == least or len(known) <= ddof:
                return None
            mean = statistics.fmean(known)
            spread = math.sqrt(sum((k - mean) ** 2 for k in known) / (len(known) - ddof))
            return node.scale_low + width * (v - mean) / spread
        # Twelve decimals from the first digit of the largest are the same number on paper.
        mine, *others = (round(k / 10**digits, 12) for k in (v, *known))
        below, same = sum(k < mine for k in others), sum(k == mine for k in others)
        rank = below + {"min": 1, "max": same, "mean": (same + 1) / 2}[node.ties]
        if node.normalisation == "rank":
            return rank
        share = SHARES[node.rank_share](rank, len(known))
        if node.normalisation == "percentile_rank":
            return node.scale_low + width * share
        k = node.normalisation_constant
        return node.scale_low - width / 100 * k * math.log(1 - share * (1 - math.exp(-100 / k)))

    return [None if v is None else score(v) for v in signed]


def _transformed(v, transform):
    if v is None or v < 0 or (v == 0 and transform != "sqrt"):
        return None
    return {"log": math.log, "log10": math.log10, "sqrt": math.sqrt}[transform](v)


def _percentile(ordered, pct):
    place = (len(ordered) - 1) * pct / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def recount(spec, values, factors=None):
    """The score of each node, unit by unit; `factors` multiply weights, but not in the question who is scored."""
    factors = factors or {}
    scores = {leaf.code: _column(leaf, values[leaf.code]) for leaf in spec.leaves}
    for group in spec.groups:
        means = []
        for unit in range(len(next(iter(values.values())))):
            children = [(c, scores[c.code][unit]) for c in spec.children(group.code)]
            scored = [(c, s) for c, s in children if s is not None]
            available, total = sum(c.weight for c, _ in scored), sum(c.weight for c, _ in children)
            if not available > 0 or available < group.min_share * total - 1e-7:
                means.append(None)
                continue
            pairs = [(c.weight * factors.get(c.code, 1), s) for c, s in scored]
            weights = sum(w for w, _ in pairs)
            floor = 1 if group.floor is None else group.floor
            means.append(
                {
                    "arithmetic": lambda p=pairs, t=weights: sum(w * s for w, s in p) / t,
                    "sum": lambda p=pairs: sum(w * s for w, s in p),
                    "geometric": lambda p=pairs, t=weights, f=floor: math.exp(
                        sum(w * math.log(max(s, f)) for w, s in p) / t
                    ),
                    "harmonic": lambda p=pairs, t=weights, f=floor: t / sum(w / max(s, f) for w, s in p),
                }[group.mean]()
            )
        scores[group.code] = _column(group, means)
    return scores


LEAF = st.fixed_dictionaries(
    {
        "weight": st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0]),
        "direction": st.sampled_from([1, -1]),
        "imputation": st.sampled_from(["none", "none", "mean", "median"]),
        "transform": st.sampled_from(["none", "none", "log", "log10", "sqrt"]),
        "outliers": st.sampled_from(["none", "none", "winsorise_pct"]),
        "normalisation": st.sampled_from(
            [
                "goalposts",
                "goalposts",
                "min_max",
                "z_score",
                "rank",
                "percentile_rank",
                "exponential_rank",
                "distance_to_target",
            ]
        ),
        "ties": st.sampled_from(["min", "mean", "max"]),
        "rank_share": st.sampled_from([*list(SHARES)[1:], "(r-1)/(n-1)"]),
        "deviation": st.sampled_from(["sample", "population"]),
        "goalpost_low": st.sampled_from([1.0, 2.0]),
        "goalpost_high": st.sampled_from([7.0, 9.0]),
        "target": st.sampled_from([8.0, 10.0]),
    }
)
GROUP = st.fixed_dictionaries(
    {
        "weight": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "mean": st.sampled_from(["arithmetic", "geometric", "harmonic", "sum"]),
        "floor": st.sampled_from([1.0, 5.0]),
        "min_share": st.sampled_from([0.0, 0.5, 0.65, 1.0]),
    }
)


@st.composite
def indices(draw):
    """A tree of three levels, a table with ties and holes, and factors of the weights."""
    nodes, groups = [], draw(st.lists(GROUP, min_size=1, max_size=3))
    for number, _ in enumerate(groups):
        for place, made in enumerate(draw(st.lists(LEAF, min_size=1, max_size=4))):
            if made["rank_share"] == "r/n" and made["normalisation"] == "exponential_rank":
                made["normalisation_constant"] = 23.0
            nodes.append(Node(f"L{number}{place}", f"G{number}", **made))
    nodes += [Node(f"G{number}", "index", step=1, **made) for number, made in enumerate(groups)]
    nodes.append(Node("index", step=2, **draw(GROUP)))
    spec = Spec("random", "unit", tuple(nodes))
    units = draw(st.integers(1, 8))
    cell = st.none() | st.integers(0, 6).map(float) | st.floats(0.25, 10).map(lambda v: round(v, 3))
    values = {leaf.code: draw(st.lists(cell, min_size=units, max_size=units)) for leaf in spec.leaves}
    factors = {node.code: draw(st.sampled_from([0.75, 1.0, 1.25])) for node in nodes}
    return spec, values, factors


def _array(values):
    return np.array([[np.nan if v is None else v for v in column] for column in values.values()]).T


@settings(max_examples=300, deadline=None)
@given(indices())
def test_every_node_is_as_a_recount_has_it(made):
    """All normalisations, means, imputations and transformations, with holes, ties and weights of zero."""
    spec, values, _ = made
    engine = Engine(spec, _array(values))
    for code, expected in recount(spec, values).items():
        assert engine.scores[code] == pytest.approx(
            [np.nan if e is None else e for e in expected], abs=1e-9, rel=1e-9, nan_ok=True
        ), code


@settings(max_examples=150, deadline=None)
@given(indices())
def test_draws_are_recounts_of_their_own(made):
    """A batch of two draws: the standard's, and one of other weights, in which who has a score stays."""
    spec, values, factors = made
    engine = Engine(spec, _array(values))
    drawn = Drawn(weights={code: np.array([[1.0], [factor]]) for code, factor in factors.items()})
    codes = [node.code for node in spec.groups]
    found = {
        code: np.broadcast_to(rows, (2, engine.units)) for code, rows in engine.draw(drawn, codes).items()
    }
    for draw, weights in enumerate(({}, factors)):
        expected = recount(spec, values, weights)
        for code in codes:
            wanted = [np.nan if e is None else e for e in expected[code]]
            assert found[code][draw] == pytest.approx(wanted, abs=1e-9, rel=1e-9, nan_ok=True)


def _simple(**root):
    leaves = [Node(c, "index", normalisation="goalposts", goalpost_low=0, goalpost_high=10) for c in "ab"]
    return Spec("simple", "unit", (*leaves, Node("index", step=1, mean="arithmetic", floor=1.0, **root)))


def test_goalposts_values_and_means_of_a_draw():
    """Each draw its own: goalposts 0 to 20 halve a score, a mean may be geometric, a value another."""
    engine = Engine(_simple(min_share=0.5), np.array([[2.0, 8.0], [np.nan, 5.0]]))
    assert engine.scores["index"].tolist() == [50, 50]
    drawn = Drawn(
        values={"b": np.array([[8.0, 5.0], [8.0, 5.0], [2.0, 10.0]])},
        goalposts={"a": (np.zeros((3, 1)), np.array([[20.0], [10.0], [10.0]]))},
        means={"index": ["arithmetic", "geometric", "arithmetic"]},
    )
    expected = [[45, 50], [40, 50], [20, 100]]
    assert engine.draw(drawn, ["index"])["index"] == pytest.approx(np.array(expected), abs=1e-12)


def test_enough_data_is_exact_at_the_boundary():
    """0.13 + 0.52 of 1 is 65 %, whatever binary arithmetic makes of the sum."""
    leaves = [Node(code, "index", weight=w) for code, w in (("a", 0.13), ("b", 0.52), ("c", 0.35))]
    spec = Spec("share", "unit", (*leaves, Node("index", step=1, mean="arithmetic", min_share=0.65)))
    values = np.array([[1.0, 1.0, np.nan], [np.nan, 1.0, np.nan]])
    assert np.isnan(Engine(spec, values).scores["index"]).tolist() == [False, True]


def test_winsorising_stops_when_the_distribution_passes():
    """One far point is moved to its neighbour, at the end where it lies; nothing else is touched."""
    leaf = Node("a", "index", outliers="winsorise_skew")
    spec = Spec("skewed", "unit", (leaf, Node("index", step=1, mean="arithmetic")))
    values = np.array([[1.0], [2], [3], [4], [5], [6], [7], [8], [9], [500]])
    assert Engine(spec, values).scores["index"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert Engine(spec, -values).scores["index"].tolist() == [-1, -2, -3, -4, -5, -6, -7, -8, -9, -9]


@pytest.mark.parametrize(("rounding", "expected"), [("half_up", 0.29), ("half_even", 0.28), ("down", 0.28)])
def test_a_half_is_rounded_as_printed(rounding, expected):
    """0.285 is a little less in binary, but a half where it is printed."""
    leaf = Node("a", "index", decimals=2, rounding=rounding)
    spec = Spec("rounded", "unit", (leaf, Node("index", step=1, mean="arithmetic")))
    assert Engine(spec, np.array([[0.285]])).scores["index"][0] == pytest.approx(expected, abs=1e-12)


def test_ranks_of_rows():
    rows = np.array([[3.0, 1.0, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0]])
    for ties, first in (("min", [3, 1, 1]), ("mean", [3, 1.5, 1.5]), ("max", [3, 2, 2])):
        found = ranks(rows, ties)
        assert found[0, :3].tolist() == first and np.isnan(found[0, 3])
        assert found[1].tolist() == [1, 2, 3, 4]
