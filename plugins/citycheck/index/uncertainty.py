"""How far scores and ranks may be trusted: the index computed again under assumptions drawn at random.

What is drawn is the seed `uncertainty`. The points are those of a Saltelli design (`sobol.py`), so that the draws that give
the intervals also tell how much each assumption matters. Method: Saisana, Saltelli and Tarantola (2005), J. R. Stat. Soc. A
168; handbook of the OECD and JRC (2008), step 7.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from citycheck.errors import BadInput
from citycheck.index import sobol
from citycheck.index.engine import Drawn, Engine, Floats, ranks
from citycheck.index.spec import Node, Spec

_CELLS = 1 << 15
"""Draws × units computed at a time: what the processor's cache holds."""
_BYTES = 5 << 29
"""Scores of all draws held at a time; with more nodes than fit, the draws are computed again for the next ones."""
_SAME = 10
"""Decimals to which the standard's scores are compared: what binary arithmetic leaves must not part equal areas."""


@dataclass(frozen=True)
class Settings:
    """How much is drawn, and what is told of it."""

    draws: int
    seed: int
    level: float
    """Share of the draws that an interval holds, such as 0.9."""
    bootstraps: int
    redundant_correlation_min: float
    opposed_correlation_max: float
    correlation_n_min: int


@dataclass(frozen=True)
class Areas:
    """The areas of one level, and what is known of them besides their values."""

    level: str
    ids: list[str]
    values: Floats
    """(areas, leaves) in the order of `Spec.leaves`; NaN where missing."""
    variants: Mapping[str, Floats] = field(default_factory=dict)
    """Leaf → (distance types · walking speeds, areas): its values under each, distance type by distance type."""
    errors: Mapping[str, Floats] = field(default_factory=dict)
    """Leaf → (areas,): the standard error of its value."""


class Assumptions:
    """What is drawn, and which columns of a matrix of points between 0 and 1 each assumption reads."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        spec: Spec,
        distance_types: Sequence[str],
        walking_speeds: Sequence[str],
    ) -> None:
        """`rows` of the seed `uncertainty`; the variants that are known. An assumption without a choice is not drawn.

        Raises `BadInput` where the seed makes no sense.
        """
        self.spec = spec
        self.weights = _range(rows, "weights", -1.0)
        self.goalposts = _range(rows, "goalposts", -0.5, 0.5)
        self.means = _options(rows, "mean_type")
        self.distance_types, self.walking_speeds = list(distance_types), list(walking_speeds)
        self.weighted = [node.code for node in spec.nodes if node.parent is not None and node.weight > 0]
        self.bounded = [leaf for leaf in spec.leaves if leaf.normalisation == "goalposts" and leaf.weight > 0]
        widths = {
            "mean_type": int(len(self.means) > 1),
            "distance_type": int(len(self.distance_types) > 1),
            "walking_speed": int(len(self.walking_speeds) > 1),
            "survey_error": int(any(row["assumption"] == "survey_error" for row in rows)),
            "weights": len(self.weighted) if self.weights else 0,
            "goalposts": 2 * len(self.bounded) if self.goalposts else 0,
        }
        ends = np.cumsum([0, *widths.values()])
        self.columns = {
            name: slice(int(first), int(last))
            for name, first, last in zip(widths, ends, ends[1:], strict=False)
            if last > first
        }
        self.width = int(ends[-1])

    def drawn(self, points: Floats, areas: Areas, seed: int, leaves: Set[str] | None = None) -> Drawn:
        """What rows of points, (draws, width), say of the areas; values of some leaves only, where only they are asked."""
        of = {name: points[:, columns] for name, columns in self.columns.items()}
        weights: dict[str, Floats] = {}
        if self.weights and "weights" in of:
            low, high = self.weights
            factors = 1 + low + (high - low) * of["weights"]
            weights = {code: factors[:, [at]] for at, code in enumerate(self.weighted)}
        goalposts: dict[str, tuple[Floats, Floats]] = {}
        if self.goalposts and "goalposts" in of:
            low, high = self.goalposts
            moves = low + (high - low) * of["goalposts"]
            goalposts = {
                leaf.code: _moved(leaf, moves[:, [2 * at]], moves[:, [2 * at + 1]])
                for at, leaf in enumerate(self.bounded)
            }
        means: dict[str, Sequence[str]] = {}
        if "mean_type" in of:
            chosen = _chosen(of["mean_type"], len(self.means))
            means = {self.spec.root.code: [self.means[at] for at in chosen]}
        if leaves is None:
            leaves = {leaf.code for leaf in self.spec.leaves}
        return Drawn(self._values(of, len(points), areas, seed, leaves), weights, goalposts, means)

    def _values(
        self, of: Mapping[str, Floats], draws: int, areas: Areas, seed: int, leaves: Set[str]
    ) -> dict[str, Floats]:
        values: dict[str, Floats] = {}
        if areas.variants.keys() & leaves:
            variant = np.zeros(draws, dtype=np.int64)
            for name, options in (
                ("distance_type", self.distance_types),
                ("walking_speed", self.walking_speeds),
            ):
                variant = variant * len(options) + (_chosen(of[name], len(options)) if name in of else 0)
            values = {code: rows[variant] for code, rows in areas.variants.items() if code in leaves}
        if "survey_error" in of and areas.errors.keys() & leaves:
            noise = _noise(of["survey_error"][:, 0], len(areas.errors), len(areas.ids), seed)
            places = {leaf.code: at for at, leaf in enumerate(self.spec.leaves)}
            for at, (code, error) in enumerate(areas.errors.items()):
                values[code] = areas.values[:, places[code]] + error * noise[:, at]
        return values


@dataclass(frozen=True)
class Draws:
    """An index under the standard and under every draw, for the areas of one level."""

    assumptions: Assumptions
    areas: Areas
    engine: Engine
    seed: int

    @classmethod
    def of(cls, assumptions: Assumptions, areas: Areas, seed: int) -> Draws:
        return cls(assumptions, areas, Engine(assumptions.spec, areas.values), seed)

    def scores(self, points: Floats, nodes: Sequence[str]) -> dict[str, Floats]:
        """The scores of nodes, (draws, areas), NaN where the standard gives none."""
        scores = {node: np.empty((len(points), len(self.areas.ids))) for node in nodes}
        at_a_time = max(_CELLS // max(len(self.areas.ids), 1), 1)
        leaves = self.engine.below(nodes)

        def fill(first: int) -> None:
            some = slice(first, first + at_a_time)
            drawn = self.assumptions.drawn(points[some], self.areas, self.seed, leaves)
            for node, rows in self.engine.draw(drawn, nodes).items():
                scores[node][some] = rows

        _in_threads(fill, range(0, len(points), at_a_time))
        return scores


def intervals(draws: Draws, points: Floats, nodes: Sequence[str], level: float) -> Iterator[dict[str, Any]]:
    """Score and rank of each area that has one, by node, with the middle `level` of the draws.

    Of scores the interval is between quantiles, interpolated; ranks are whole: at least `level` of the draws lie in it.
    """
    held = max(int(_BYTES // max(8 * len(points) * len(draws.areas.ids), 1)), 1)
    for first in range(0, len(nodes), held):
        for node, scores in draws.scores(points, nodes[first : first + held]).items():
            yield from _intervals_of(draws, node, scores, level)


def _intervals_of(draws: Draws, node: str, scores: Floats, level: float) -> Iterator[dict[str, Any]]:
    headline = draws.engine.scores[node]
    scored = np.flatnonzero(~np.isnan(headline))
    if not len(scored):
        return
    if len(scored) < len(headline):
        scores = scores[:, scored]
    rank = ranks(-np.round(headline[None, scored], _SAME))[0]
    low, median, high = _quantiles(scores, level, whole=False)
    ranks_low, _, ranks_high = _quantiles(_ranks_of_draws(scores), level, whole=True)
    for at, area in enumerate(scored):
        yield {
            "area_level": draws.areas.level,
            "area_id": draws.areas.ids[area],
            "node_code": node,
            "score": float(headline[area]),
            "score_low": float(low[at]),
            "score_high": float(high[at]),
            "score_median": float(median[at]),
            "rank": int(rank[at]),
            "rank_low": int(ranks_low[at]),
            "rank_high": int(ranks_high[at]),
        }


def comparisons(draws: Draws, scores: Floats, level: float) -> Iterator[dict[str, Any]]:
    """Each pair of areas: by how much the first is ahead, and whether the middle `level` of the draws agree."""
    headline, ids = draws.engine.scores[draws.assumptions.spec.root.code], draws.areas.ids
    for first, second in combinations(np.flatnonzero(~np.isnan(headline)), 2):
        low, _, high = _quantiles((scores[:, first] - scores[:, second])[:, None], level, whole=False)[:, 0]
        yield {
            "area_level": draws.areas.level,
            "area_id": ids[first],
            "other_area_id": ids[second],
            "difference": float(headline[first] - headline[second]),
            "difference_low": float(low),
            "difference_high": float(high),
            "is_different": bool(low > 0 or high < 0),
        }


def sensitivities(draws: Draws, a: Floats, b: Floats, settings: Settings) -> Iterator[dict[str, Any]]:
    """How much of the variance of the ranking goes with each assumption; nothing where fewer than two areas have a score.

    Outputs: `rank_shift`, the mean absolute difference of the areas' ranks from the standard's (Saisana et al. 2005, as in
    COINr); `score_spread`, the standard deviation of the areas' scores, in points.
    """
    root = draws.assumptions.spec.root.code
    headline = draws.engine.scores[root]
    scored = np.flatnonzero(~np.isnan(headline))
    if len(scored) < 2:
        return
    rank = ranks(-np.round(headline[None, scored], _SAME))

    def outputs(points: Floats) -> Floats:
        scores = draws.scores(points, [root])[root][:, scored]
        return np.stack([np.abs(ranks(-scores) - rank).mean(axis=1), scores.std(axis=1)])

    of_ab = []
    for columns in draws.assumptions.columns.values():
        mixed = a.copy()
        mixed[:, columns] = b[:, columns]
        of_ab.append(outputs(mixed))
    of_a, of_b = outputs(a), outputs(b)
    for at, output in enumerate(("rank_shift", "score_spread")):
        found = sobol.sensitivities(
            of_a[at],
            of_b[at],
            np.array([both[at] for both in of_ab]),
            level=settings.level,
            rounds=settings.bootstraps,
            seed=settings.seed,
        )
        for assumption, one in zip(draws.assumptions.columns, found, strict=True):
            yield {"output": output, "assumption": assumption} | {
                name: None if np.isnan(share) else share for name, share in vars(one).items()
            }


def removals(spec: Spec, areas: Areas) -> Iterator[dict[str, Any]]:
    """The index of each area without one indicator: its weight goes to the others of its group."""
    root = spec.root.code
    headline = Engine(spec, areas.values).scores[root]
    if np.isnan(headline).all():
        return
    rank = ranks(-np.round(headline[None], _SAME))[0]
    for at, leaf in enumerate(spec.leaves):
        rest = _without(spec, leaf)
        if leaf.weight == 0 or rest is None:
            continue
        without = Engine(rest, np.delete(areas.values, at, axis=1)).scores[root]
        rank_without = ranks(-np.round(without[None], _SAME))[0]
        for area in np.flatnonzero(~np.isnan(headline)):
            yield {
                "indicator_code": leaf.code,
                "area_level": areas.level,
                "area_id": areas.ids[area],
                "score": float(headline[area]),
                "score_without": None if np.isnan(without[area]) else float(without[area]),
                "rank": int(rank[area]),
                "rank_without": None if np.isnan(rank_without[area]) else int(rank_without[area]),
            }


def correlations(spec: Spec, areas: Areas, settings: Settings) -> Iterator[dict[str, Any]]:
    """Each pair of indicators over the areas that have both, values turned so that more is better.

    `redundant`: nearly the same is counted twice. `opposed`: within one group, what is good for one is bad for the other.
    """
    from scipy.stats import rankdata  # half a second, which who only draws need not wait for

    turned = areas.values * [leaf.direction for leaf in spec.leaves]
    for (i, a), (j, b) in combinations(enumerate(spec.leaves), 2):
        both = ~np.isnan(turned[:, i]) & ~np.isnan(turned[:, j])
        x, y = turned[both, i], turned[both, j]
        pearson, spearman = _correlation(x, y), _correlation(rankdata(x), rankdata(y))
        known = [r for r in (pearson, spearman) if r is not None]
        finding = None
        if len(x) >= settings.correlation_n_min and known:
            if max(abs(r) for r in known) >= settings.redundant_correlation_min:
                finding = "redundant"
            elif a.parent == b.parent and min(known) <= settings.opposed_correlation_max:
                finding = "opposed"
        yield {
            "node_a": a.code,
            "node_b": b.code,
            "n": len(x),
            "pearson": pearson,
            "spearman": spearman,
            "finding": finding,
        }


def _correlation(x: Floats, y: Floats) -> float | None:
    """Pearson's r; null where one does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float(np.clip((x * y).sum() / spread, -1, 1)) if spread > 0 else None


def _without(spec: Spec, leaf: Node) -> Spec | None:
    """The index without a leaf, and without groups that it leaves empty; null if nothing is left."""
    gone, parent = {leaf.code}, leaf.parent
    while parent is not None and all(child.code in gone for child in spec.children(parent)):
        gone.add(parent)
        parent = next(node.parent for node in spec.nodes if node.code == parent)
    return (
        None
        if spec.root.code in gone
        else replace(spec, nodes=tuple(n for n in spec.nodes if n.code not in gone))
    )


def _moved(leaf: Node, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    assert leaf.goalpost_low is not None and leaf.goalpost_high is not None
    span = leaf.goalpost_high - leaf.goalpost_low
    return leaf.goalpost_low + span * low, leaf.goalpost_high + span * high


def _chosen(points: Floats, options: int) -> npt.NDArray[np.int64]:
    """Which option a point between 0 and 1 is, each equally likely."""
    return np.minimum((points[:, 0] * options).astype(np.int64), options - 1)


def _noise(streams: Floats, leaves: int, areas: int, seed: int) -> Floats:
    """Standard normal numbers, (draws, leaves, areas). One point names the stream of all of them, so that a design that
    exchanges the point exchanges the whole sample."""
    noise = np.empty((len(streams), leaves, areas))
    for at, stream in enumerate(streams):
        key = np.array([seed, int(stream * (1 << 53))], dtype=np.uint64)
        np.random.Generator(np.random.Philox(key=key)).standard_normal(out=noise[at])
    return noise


def _ranks_of_draws(scores: Floats) -> npt.NDArray[np.int32]:
    """Ranks of each draw, 1 the best, (draws, areas); small integers, since there are as many as scores."""
    made = np.empty(scores.shape, dtype=np.int32)
    at_a_time = max(_CELLS // scores.shape[1], 1)

    def fill(first: int) -> None:
        some = slice(first, first + at_a_time)
        made[some] = ranks(-scores[some])

    _in_threads(fill, range(0, len(scores), at_a_time))
    return made


def _quantiles(rows: npt.NDArray[Any], level: float, *, whole: bool) -> Floats:
    """Lower end, median and upper end of each column of (draws, areas), (3, areas); whole: the next number outside."""
    draws, columns = rows.shape
    places = np.array([(1 - level) / 2, 0.5, (1 + level) / 2]) * (draws - 1)
    below, above = np.floor(places + 1e-9).astype(int), np.ceil(places - 1e-9).astype(int)
    found = np.empty((3, columns))
    at_a_time = max(4 * _CELLS // draws, 1)

    def fill(first: int) -> None:
        some = slice(first, first + at_a_time)
        ordered = np.ascontiguousarray(rows[:, some].T)
        ordered.partition(np.unique([below, above]), axis=1)
        lower, upper = ordered[:, below], ordered[:, above]
        if whole:
            found[:, some] = np.stack([lower[:, 0], lower[:, 1], upper[:, 2]])
        else:
            found[:, some] = (lower + (upper - lower) * (places - below)).T

    _in_threads(fill, range(0, columns, at_a_time))
    return found


def _in_threads(work: Any, firsts: Iterable[int]) -> None:
    """Do the parts of a work, each of which writes only its own; numpy lets go of the lock."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(work, firsts):
            pass


def _range(
    rows: Sequence[Mapping[str, Any]], assumption: str, least: float, most: float = np.inf
) -> tuple[float, float] | None:
    """Low and high of a uniform assumption; null where the seed has none."""
    for row in rows:
        if row["assumption"] == assumption:
            low, high = row["low"], row["high"]
            if low is None or high is None or not least < low <= high < most:
                raise BadInput(
                    f"uncertainty.csv: {assumption}: low and high are {low} and {high}; expected numbers above {least:g}"
                    f"{f' and below {most:g}' if most < np.inf else ''}, low first. Correct the row."
                )
            return float(low), float(high)
    return None


def _options(rows: Sequence[Mapping[str, Any]], assumption: str) -> list[str]:
    options = [row["option_code"] for row in rows if row["assumption"] == assumption]
    for option in options:
        if option not in ("arithmetic", "geometric", "harmonic"):
            raise BadInput(
                f"uncertainty.csv: {assumption}: {option} is no mean; expected arithmetic, geometric or harmonic. "
                "Correct the row."
            )
    return options
