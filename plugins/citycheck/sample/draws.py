"""Random streams that do not disturb each other, and the few distributions used by all parts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FIRST_YEAR = 2021
HALF_YEARS = 20
"""The city exists from 2021H1 to 2030H2; half-years are counted from 0."""
MIDDLE = 10
"""2026H1, the half-year for which levels are calibrated."""


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each purpose: a draw added to one does not shift the others."""
    words = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
    return np.random.default_rng([seed, *words])


def wave(seed: int, name: str, counties: int, size: float) -> Array:
    """A slow wave a county, (counties, HALF_YEARS), of standard deviation `size`; neighbours are alike."""
    shocks = stream(seed, "wave", name).normal(size=(counties, HALF_YEARS))
    out = shocks.copy()
    for t in range(1, HALF_YEARS):
        out[:, t] = 0.6 * out[:, t - 1] + 0.8 * shocks[:, t]
    return size * out


def split(total: Array, shares: Array, offset: Array) -> Array:
    """Split whole numbers by shares (rows sum to 1), keeping sums; `offset` in [0, 1) is for rounding."""
    cumulated = np.cumsum(shares, axis=1)
    cumulated[:, -1] = 1.0
    steps = np.floor(total[:, None] * cumulated + offset[:, None]).astype(int)
    return np.diff(steps, axis=1, prepend=0)


def choose(rng: np.random.Generator, weights: Array) -> Array:
    """One index a row, by the row's weights."""
    cumulated = np.cumsum(weights, axis=1)
    chosen: Array = (rng.random(len(weights))[:, None] * cumulated[:, -1:] >= cumulated).sum(axis=1)
    return chosen


def pick(rng: np.random.Generator, words: Sequence[str], weights: Sequence[float], size: int) -> Array:
    """Words by weight."""
    share = np.asarray(weights, dtype=float)
    return np.asarray(words, dtype=object)[rng.choice(len(words), size=size, p=share / share.sum())]
