"""Raking against published numbers, against a general optimiser, and by the laws it must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.survey.raking import Margin, Raked, rake


def of(categories: list[int] | np.ndarray, people: list[float], group: list[int] | None = None) -> Margin:
    return Margin(
        np.asarray(categories, dtype=np.int64),
        np.asarray(people, dtype=float),
        None if group is None else np.asarray(group, dtype=np.int64),
    )


def test_a_published_table() -> None:
    """The example of Wikipedia's "Iterative proportional fitting", which it stops while its rows are still 0.14 off."""
    seed = np.array([[40, 30, 20, 10], [35, 50, 100, 75], [30, 80, 70, 120], [20, 30, 40, 50]], dtype=float)
    published = np.array(
        [
            [64.61, 46.28, 35.42, 3.83],
            [49.95, 68.15, 156.49, 25.37],
            [56.70, 144.40, 145.06, 53.76],
            [28.74, 41.18, 63.03, 17.03],
        ]
    )
    rows, columns = (axis.ravel() for axis in np.indices((4, 4)))
    found = rake(seed.ravel(), of(rows, [150, 300, 400, 150]), [of(columns, [200, 300, 400, 100], [0] * 4)])
    assert found.has_converged
    table = found.weight.reshape(4, 4)
    assert table == pytest.approx(published, abs=0.06)
    assert (table.sum(axis=1), table.sum(axis=0)) == (
        pytest.approx([150, 300, 400, 150]),
        pytest.approx([200, 300, 400, 100]),
    )
    odds = table[:-1, :-1] * table[1:, 1:] / (table[1:, :-1] * table[:-1, 1:])
    assert odds == pytest.approx(seed[:-1, :-1] * seed[1:, 1:] / (seed[1:, :-1] * seed[:-1, 1:]))


def test_two_by_two_by_hand() -> None:
    """Equal odds stay equal: 2 × 2 of ones with rows 30, 70 and columns 60, 40 is the product of its margins."""
    found = rake([1, 1, 1, 1], of([0, 0, 1, 1], [30, 70]), [of([0, 1, 0, 1], [6, 4], [0, 0])])
    assert found.weight == pytest.approx([18, 12, 42, 28])


def divergence(weight: np.ndarray, start: np.ndarray) -> float:
    return float((weight * np.log(weight / start) - weight + start).sum())


def by_brute_force(start: np.ndarray, constraints: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The nearest weights with constraints @ weight = wanted: the dual, a smooth concave function, by Newton's method."""
    multiplier = np.zeros(len(wanted))
    for _ in range(200):
        weight = start * np.exp(constraints.T @ multiplier)
        gradient = wanted - constraints @ weight
        if np.abs(gradient).max() < 1e-11:
            break
        hessian = (constraints * weight) @ constraints.T
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        size = 1.0
        value = wanted @ multiplier - weight.sum()
        while (
            wanted @ (multiplier + size * step)
            - (start * np.exp(np.clip(constraints.T @ (multiplier + size * step), -700, 700))).sum()
            < value - 1e-12
            and size > 1e-12
        ):
            size /= 2
        multiplier = multiplier + size * step
    return start * np.exp(constraints.T @ multiplier)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_it_is_the_nearest_of_all_that_agree(seed: int, missing: float) -> None:
    """Communities as totals, two characteristics as shares, some of them not said: the projection is unique."""
    rng = np.random.default_rng(seed)
    n, places, ages = 60, 3, 4
    where = rng.permutation(np.repeat(np.arange(places), n // places))
    age = rng.permutation(np.repeat(np.arange(ages), n // ages))
    sex = rng.permutation(np.repeat(np.arange(2), n // 2))
    age[rng.random(n) < missing] = -1
    sex[rng.random(n) < missing] = -1
    residents = rng.uniform(200, 900, places)
    bands, sexes = rng.dirichlet([20] * ages), rng.dirichlet([20] * 2)
    start = rng.uniform(0.5, 2, n)
    found = rake(
        start,
        of(where, residents.tolist()),
        [of(age, bands.tolist(), [0] * ages), of(sex, sexes.tolist(), [0] * 2)],
        tolerance=1e-12,
        rounds_max=10_000,
    )
    assert found.has_converged
    scaled = start * (residents / np.bincount(where, start))[where]
    rows = [(where == place).astype(float) for place in range(places)]
    rows += [(age == band) - bands[band] * (age >= 0) for band in range(ages)]
    rows += [(sex == one) - sexes[one] * (sex >= 0) for one in range(2)]
    wanted = np.concatenate([residents, np.zeros(ages + 2)])
    expected = by_brute_force(start, np.array(rows), wanted)
    assert np.array(rows) @ expected == pytest.approx(wanted, abs=1e-6)
    assert found.weight == pytest.approx(expected, rel=1e-7)
    assert (
        divergence(found.weight, start) <= divergence(scaled, start) + divergence(found.weight, scaled) + 1e-6
    )


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    where = np.concatenate([np.arange(3), rng.integers(0, 3, n)])
    age = np.concatenate([[0, 1, 0], rng.integers(-1, 2, n)])
    return where, age, rng.uniform(0.5, 2, n + 3)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(5, 60),
    share=st.floats(0.1, 0.9),
    scale=st.floats(0.01, 1000),
)
@settings(max_examples=60, deadline=None)
def test_order_and_scale_do_not_matter(seed: int, n: int, share: float, scale: float) -> None:
    where, age, start = drawn(seed, n)
    totals, ages = of(where, [100, 200, 300]), of(age, [share, 1 - share], [0, 0])
    found = rake(start, totals, [ages], rounds_max=200)
    assert np.bincount(where, found.weight) == pytest.approx([100, 200, 300])
    if found.has_converged:
        said = age >= 0
        assert found.weight[age == 0].sum() == pytest.approx(share * found.weight[said].sum(), rel=1e-6)
    order = np.random.default_rng(seed).permutation(len(start))
    shuffled = rake(
        start[order],
        of(where[order], [100, 200, 300]),
        [of(age[order], [share, 1 - share], [0, 0])],
        rounds_max=200,
    )
    assert shuffled.weight == pytest.approx(found.weight[order], rel=1e-9)
    same = rake(scale * start, totals, [of(age, [scale * share, scale * (1 - share)], [0, 0])], rounds_max=200)  # fmt: skip
    assert same.weight == pytest.approx(found.weight, rel=1e-6)


@given(seed=st.integers(0, 10_000), n=st.integers(5, 60), share=st.floats(0.02, 0.98))
@settings(max_examples=60, deadline=None)
def test_limits_and_totals_hold_together(seed: int, n: int, share: float) -> None:
    where, age, start = drawn(seed, n)
    totals = of(where, [100, 200, 300])
    base = rake(start, totals).weight
    found = rake(start, totals, [of(age, [share, 1 - share], [0, 0])], ratio_min=0.5, ratio_max=2)
    assert np.bincount(where, found.weight) == pytest.approx([100, 200, 300])
    assert (found.weight >= 0.5 * base * (1 - 1e-6)).all()
    assert (found.weight <= 2 * base * (1 + 1e-6)).all()


def test_who_says_nothing_keeps_the_weight_of_his_place() -> None:
    """Nobody said his age: the margin moves nobody. One category is empty: its people are shared out."""
    totals = of([0, 0, 1, 1], [10, 30])
    assert rake([1] * 4, totals, [of([-1] * 4, [3, 1], [0, 0])]).weight == pytest.approx([5, 5, 15, 15])
    assert rake([1] * 4, totals, [of([0, 1, 0, 1], [3, 1, 6], [0, 0, 0])]).weight == pytest.approx(
        [7.5, 2.5, 22.5, 7.5]
    )


def test_nothing_to_rake_to() -> None:
    assert rake([2, 4], of([0, 0], [3])).weight.tolist() == [1, 2]
    assert rake([], of([], [])) == Raked(pytest.approx([]), 0, True)  # type: ignore[arg-type]


def test_bad_margins_end_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="in no category of the totals"):
        rake([1, 1], of([0, -1], [1]))
    with pytest.raises(BadInput, match="has no people"):
        rake([1, 1], of([0, 0], [1]), [of([0, 1], [1, 0], [0, 0])])
