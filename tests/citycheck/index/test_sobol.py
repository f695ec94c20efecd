"""Sensitivities against functions whose variance is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from citycheck.index.sobol import points, sensitivities

DRAWS = 8192


def _of_groups(function, groups, draws=DRAWS, seed=1):
    """Sensitivities of a function of (draws, inputs) to groups of its inputs."""
    a, b = points(draws, sum(map(len, groups)), seed)
    of_ab = []
    for group in groups:
        mixed = a.copy()
        mixed[:, group] = b[:, group]
        of_ab.append(function(mixed))
    return sensitivities(function(a), function(b), np.array(of_ab), level=0.9, rounds=200, seed=seed)


def ishigami(x):
    x = np.pi * (2 * x - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_the_ishigami_function():
    """First order and total of Ishigami and Homma (1990) with a = 7, b = 0.1, in closed form."""
    first = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    second = 7**2 / 8
    joint = 0.1**2 * np.pi**8 * (1 / 18 - 1 / 50)
    variance = first + second + joint
    known = [
        (first / variance, (first + joint) / variance),
        (second / variance, second / variance),
        (0, joint / variance),
    ]
    found = _of_groups(ishigami, [[0], [1], [2]])
    for one, (first_order, total) in zip(found, known, strict=True):
        assert one.first_order == pytest.approx(first_order, abs=0.02)
        assert one.total == pytest.approx(total, abs=0.02)
        assert one.first_order_low < one.first_order < one.first_order_high
        assert one.total_low <= one.total <= one.total_high


G_CONSTANTS = np.array([0.0, 0.5, 1.0, 3.0, 9.0, 99.0])


def g_function(x):
    return np.prod((np.abs(4 * x - 2) + G_CONSTANTS) / (1 + G_CONSTANTS), axis=1)


@pytest.mark.parametrize(
    "groups", [[[0], [1], [2], [3], [4], [5]], [[0, 3], [1, 2, 4], [5]], [[0, 1, 2, 3, 4], [5]]]
)
def test_the_g_function_in_groups(groups):
    """Sobol's g: the factors are independent, so a group's share follows from the factors' own variances."""
    of_factor = 1 / (3 * (1 + G_CONSTANTS) ** 2)
    variance = np.prod(1 + of_factor) - 1
    for one, group in zip(_of_groups(g_function, groups), groups, strict=True):
        others = np.delete(of_factor, group)
        alone = np.prod(1 + of_factor[group]) - 1
        assert one.first_order == pytest.approx(alone / variance, abs=0.02)
        assert one.total == pytest.approx(alone * np.prod(1 + others) / variance, abs=0.02)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of an additive function, whose shares are 1/5 and 4/5, with plain random draws."""
    inside = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        a, b = generator.normal(size=(2, 256, 2)) * [1, 2]
        of_ab = [b[:, 0] + a[:, 1], a[:, 0] + b[:, 1]]
        found = sensitivities(a.sum(axis=1), b.sum(axis=1), np.array(of_ab), level=0.9, rounds=200, seed=1)
        inside += found[1].total_low <= 0.8 <= found[1].total_high
    assert 80 <= inside <= 98


def test_what_does_not_vary_has_no_shares():
    still = np.full(16, 0.1) * 3
    (found,) = sensitivities(still, still, still[None], level=0.9, rounds=10, seed=1)
    assert np.isnan([found.first_order, found.total, found.total_low]).all()


def test_the_same_seed_draws_the_same_points():
    assert np.array_equal(points(64, 5, 3), points(64, 5, 3))
    assert not np.array_equal(points(64, 5, 3), points(64, 5, 4))
