"""Intervals, comparisons, sensitivities, removals and correlations on indices small enough to know the answer."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from citycheck.errors import BadInput
from citycheck.index import sobol, uncertainty
from citycheck.index.engine import Engine
from citycheck.index.spec import Node, Spec
from citycheck.index.uncertainty import Areas, Assumptions, Draws, Settings

SETTINGS = Settings(
    draws=1024,
    seed=7,
    level=0.9,
    bootstraps=100,
    redundant_correlation_min=0.9,
    opposed_correlation_max=-0.3,
    correlation_n_min=3,
)


def uniform(assumption, low, high):
    return {"assumption": assumption, "option_code": None, "low": low, "high": high}


def choices(assumption, *options):
    return [
        {"assumption": assumption, "option_code": option, "low": None, "high": None} for option in options
    ]


SURVEY = {"assumption": "survey_error", "option_code": None, "low": None, "high": None}
ALL = [
    uniform("weights", -0.25, 0.25),
    uniform("goalposts", -0.1, 0.1),
    *choices("mean_type", "arithmetic", "geometric"),
    SURVEY,
]


def spec(**dimensions):
    """An index of dimensions, each with leaves of equal weight between 0 and 100."""
    leaves = [
        Node(code, dimension, normalisation="goalposts", goalpost_low=0.0, goalpost_high=100.0)
        for dimension, codes in dimensions.items()
        for code in codes
    ]
    groups = [Node(code, "index", step=1, mean="arithmetic", min_share=0.65) for code in dimensions]
    root = Node("index", step=2, mean="arithmetic", min_share=0.65, floor=1.0)
    return Spec("test", "area_id", (*leaves, *groups, root))


TWO = spec(A=["a1", "a2"], B=["b1"])


def areas(values, **more):
    return Areas("county", [f"K{number}" for number in range(len(values))], np.array(values, float), **more)


def drawn(assumptions, of, draws=1024):
    """The index of each draw, (draws, areas)."""
    points, _ = sobol.points(draws, assumptions.width, 7)
    return Draws.of(assumptions, of, 7).scores(points, ["index"])["index"]


def test_a_sampling_error_gives_its_normal_interval():
    """A share of 50 with a standard error of 4, half of the index: 90 % of the draws lie within 1.645 · 2 points."""
    assumptions = Assumptions([SURVEY], TWO, [], [])
    of = areas([[80, 20, 50], [80, 20, 50]], errors={"b1": np.array([4.0, 0.0])})
    points, _ = sobol.points(4096, assumptions.width, 7)
    rows = list(uncertainty.intervals(Draws.of(assumptions, of, 7), points, ["index"], 0.9))
    assert [row["score"] for row in rows] == [50, 50]
    assert rows[0]["score_low"] == pytest.approx(50 - 1.645 * 2, abs=0.15)
    assert rows[0]["score_high"] == pytest.approx(50 + 1.645 * 2, abs=0.15)
    assert (rows[1]["score_low"], rows[1]["score_median"], rows[1]["score_high"]) == (50, 50, 50)
    assert [(row["rank"], row["rank_low"], row["rank_high"]) for row in rows] == [(1, 1, 2), (1, 1, 2)]


def test_weights_stay_within_their_bounds():
    """An area with 100 and 0: its index is its share of the weight, at most 1.25 to 0.75."""
    found = drawn(Assumptions([uniform("weights", -0.25, 0.25)], TWO, [], []), areas([[100, 100, 0]]))
    assert 37.5 <= found.min() < 40 and 60 < found.max() <= 62.5
    assert found.mean() == pytest.approx(50, abs=0.2)


def test_goalposts_move_by_a_share_of_their_span():
    """50 between −10 and 90, or 10 and 110; at most 60/100 … 40/100, when both move the same way."""
    assumptions = Assumptions([uniform("goalposts", -0.1, 0.1)], TWO, [], [])
    draws = Draws.of(assumptions, areas([[50, 50, 50]]), 7)
    assert assumptions.width == 6
    ends = np.array([[0.0] * 6, [1.0] * 6, [0.5] * 6, [0, 1, 0, 1, 0, 1]])
    assert draws.scores(ends, ["index"])["index"][:, 0] == pytest.approx([60, 40, 50, 50])


def test_each_option_is_drawn_as_often():
    """Two distances by three speeds: six values of a1, each in a sixth of the draws, and one mean in half of them."""
    rows = choices("mean_type", "arithmetic", "geometric")
    assumptions = Assumptions(rows, TWO, ["euclidean", "network"], ["slow", "usual", "fast"])
    variants = np.array([[10.0], [20], [30], [40], [50], [60]])
    found = drawn(assumptions, areas([[20, np.nan, 90]], variants={"a1": variants}), 8192)
    # a2 is missing, and half of A is too little: only B is scored, and half of the index is too little, too
    assert np.isnan(found).all()
    found = drawn(assumptions, areas([[20, 20, 95]], variants={"a1": variants}), 8192)
    a = (variants[:, 0] + 20) / 2
    expected = np.concatenate([(a + 95) / 2, np.sqrt(a * 95)])
    counts = [np.isclose(found, value).sum() for value in expected]
    assert sum(counts) == 8192 and min(counts) > 640 and max(counts) < 725


def test_what_is_not_in_the_seed_is_not_drawn():
    assumptions = Assumptions([], TWO, ["euclidean"], ["usual"])
    assert assumptions.width == 0 and assumptions.columns == {}
    assert list(Assumptions([*ALL], TWO, ["euclidean"], ["usual", "fast"]).columns) == [
        "mean_type",
        "walking_speed",
        "survey_error",
        "weights",
        "goalposts",
    ]


def many(units=40, missing=True):
    generator = np.random.default_rng(3)
    values = generator.uniform(5, 95, (units, 3))
    if missing:
        values[3, 0] = values[5, 2] = np.nan
    return areas(values, errors={"b1": np.full(units, 3.0)})


def test_threads_and_memory_change_no_bit(monkeypatch):
    assumptions, of = Assumptions(ALL, TWO, [], []), many(4000)
    points, _ = sobol.points(64, assumptions.width, 7)
    nodes = ["A", "B", "index"]
    found = []
    for threads, held in ((1, 1 << 30), (4, 1 << 30), (2, 1)):
        monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
        monkeypatch.setattr(uncertainty, "_BYTES", held)
        found.append(list(uncertainty.intervals(Draws.of(assumptions, of, 7), points, nodes, 0.9)))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 3999 + 3999 + 3998


def test_intervals_are_quantiles_of_the_draws():
    assumptions, of = Assumptions(ALL, TWO, [], []), many(missing=False)
    points, _ = sobol.points(256, assumptions.width, 7)
    draws = Draws.of(assumptions, of, 7)
    scores = draws.scores(points, ["index"])["index"]
    low, median, high = np.quantile(scores, [0.05, 0.5, 0.95], axis=0)
    placed = scipy.stats.rankdata(-scores, method="min", axis=1)
    for at, row in enumerate(uncertainty.intervals(draws, points, ["index"], 0.9)):
        assert [row["score_low"], row["score_median"], row["score_high"]] == pytest.approx(
            [low[at], median[at], high[at]]
        )
        inside = (placed[:, at] >= row["rank_low"]) & (placed[:, at] <= row["rank_high"])
        assert inside.mean() >= 0.9


def test_counties_are_compared_within_each_draw():
    """K0 is ahead of K1 whatever is drawn, though their intervals overlap; K2 is now ahead of K1, now behind."""
    assumptions = Assumptions([uniform("weights", -0.25, 0.25)], TWO, [], [])
    of = areas([[90, 90, 12], [88, 88, 10], [10, 10, 88.5], [np.nan, np.nan, np.nan]])
    points, _ = sobol.points(512, assumptions.width, 7)
    draws = Draws.of(assumptions, of, 7)
    scores = draws.scores(points, ["index"])["index"]
    found = {
        (row["area_id"], row["other_area_id"]): row for row in uncertainty.comparisons(draws, scores, 0.9)
    }
    assert set(found) == {("K0", "K1"), ("K0", "K2"), ("K1", "K2")}
    assert found["K0", "K1"]["is_different"] and found["K0", "K1"]["difference"] == pytest.approx(2)
    assert not found["K1", "K2"]["is_different"]
    assert found["K1", "K2"]["difference_low"] < 0 < found["K1", "K2"]["difference_high"]
    assert scores[:, 0].min() < scores[:, 1].max()


def test_the_variance_belongs_to_who_makes_it():
    """Two areas whose gap hangs on sampling alone: all of the spread is the survey's; the mean type changes nothing."""
    rows = [SURVEY, *choices("mean_type", "arithmetic", "geometric")]
    one = spec(A=["a"])
    of = areas([[60], [50]], errors={"a": np.array([6.0, 6.0])})
    assumptions = Assumptions(rows, one, [], [])
    a, b = sobol.points(8192, assumptions.width, 7)
    found = {
        (row["output"], row["assumption"]): row
        for row in uncertainty.sensitivities(Draws.of(assumptions, of, 7), a, b, SETTINGS)
    }
    assert len(found) == 4
    for output in ("rank_shift", "score_spread"):
        assert found[output, "survey_error"]["first_order"] == pytest.approx(1, abs=0.1)
        assert found[output, "survey_error"]["total"] == pytest.approx(1, abs=0.1)
        assert found[output, "mean_type"]["total"] == pytest.approx(0, abs=1e-9)


def test_fewer_than_two_areas_have_no_ranking():
    assumptions = Assumptions(ALL, TWO, [], [])
    a, b = sobol.points(16, assumptions.width, 7)
    draws = Draws.of(assumptions, areas([[50, 50, 50]]), 7)
    assert list(uncertainty.sensitivities(draws, a, b, SETTINGS)) == []


def test_the_index_without_each_indicator():
    """Without a1 its dimension is a2; without b1 its dimension is gone, and A alone is the index."""
    of = areas([[80, 20, 60], [30, 70, 40], [np.nan, np.nan, np.nan]])
    found = {(row["indicator_code"], row["area_id"]): row for row in uncertainty.removals(TWO, of)}
    assert {key: row["score_without"] for key, row in found.items()} == {
        ("a1", "K0"): 40,
        ("a1", "K1"): 55,
        ("a2", "K0"): 70,
        ("a2", "K1"): 35,
        ("b1", "K0"): 50,
        ("b1", "K1"): 50,
    }
    assert [found["a1", area]["rank_without"] for area in ("K0", "K1")] == [2, 1]
    assert [found["b1", area]["rank_without"] for area in ("K0", "K1")] == [1, 1]
    assert [row["score"] for row in found.values()] == [55, 45] * 3


def test_correlations_over_the_areas_that_have_both():
    generator = np.random.default_rng(5)
    values = generator.uniform(0, 100, (50, 3))
    values[:, 1] = 100 - values[:, 0] + generator.normal(0, 20, 50)
    values[:7, 0] = values[5:9, 2] = np.nan
    values[:, 2] = np.where(np.isnan(values[:, 2]), np.nan, values[:, 0] ** 3)
    found = {
        (row["node_a"], row["node_b"]): row for row in uncertainty.correlations(TWO, areas(values), SETTINGS)
    }
    for (i, a), (j, b) in ((((0, "a1"), (1, "a2"))), ((0, "a1"), (2, "b1")), ((1, "a2"), (2, "b1"))):
        both = ~np.isnan(values[:, [i, j]]).any(axis=1)
        row = found[a, b]
        assert row["n"] == both.sum()
        x, y = values[both][:, i], values[both][:, j]
        assert row["pearson"] == pytest.approx(scipy.stats.pearsonr(x, y).statistic)
        assert row["spearman"] == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    assert [found[pair]["finding"] for pair in (("a1", "a2"), ("a1", "b1"), ("a2", "b1"))] == [
        "opposed",
        "redundant",
        None,
    ]


def test_what_does_not_vary_correlates_with_nothing():
    (row,) = uncertainty.correlations(spec(A=["a", "b"]), areas([[1, 5], [2, 5], [3, 5], [4, 5]]), SETTINGS)
    assert row["pearson"] is None and row["spearman"] is None and row["finding"] is None


@pytest.mark.parametrize(
    "row",
    [
        uniform("weights", -1.0, 0.25),
        uniform("weights", None, 0.25),
        uniform("goalposts", -0.1, 0.5),
        uniform("goalposts", 0.2, 0.1),
        choices("mean_type", "median")[0],
    ],
)
def test_a_seed_that_makes_no_sense_is_one_sentence(row):
    with pytest.raises(BadInput, match=rf"uncertainty\.csv: {row['assumption']}: .*Correct the row\."):
        Assumptions([row], TWO, [], [])


def test_the_standard_is_one_of_the_draws():
    """The middle of every range, the headline's choices and no noise give the index itself."""
    of = many()
    assumptions = Assumptions(ALL[:2], TWO, [], [])
    middle = np.full((1, assumptions.width), 0.5)
    found = Draws.of(assumptions, of, 7).scores(middle, ["index"])["index"][0]
    assert found == pytest.approx(Engine(TWO, of.values).scores["index"], abs=1e-12, nan_ok=True)
