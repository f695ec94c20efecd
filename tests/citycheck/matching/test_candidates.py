from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.matching import candidates
from citycheck.matching.candidates import EARTH_RADIUS_M, near_pairs


def brute_force(left, right, distance_max_m):
    """Haversine over all pairs."""
    (lon, lat), (other_lon, other_lat) = np.radians(left.T)[:, :, None], np.radians(right.T)[:, None, :]
    half = (
        np.sin((lat - other_lat) / 2) ** 2
        + np.cos(lat) * np.cos(other_lat) * np.sin((lon - other_lon) / 2) ** 2
    )
    metres = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(half))
    return {(i, j): metres[i, j] for i, j in np.argwhere(metres <= distance_max_m).tolist()}


def found(left, right, distance_max_m):
    return {
        (i, j): metres
        for block in near_pairs(left, right, distance_max_m)
        for i, j, metres in zip(*(values.tolist() for values in block), strict=True)
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40),
    st.sampled_from([(118.87, 28.93), (24.9, 60.2), (179.9999, 0.0), (10.0, 89.999), (-70.0, -45.0)]),
    st.floats(1, 400),
)  # fmt: skip
def test_exactly_the_pairs_of_a_search_over_all(seed, n, m, centre, distance_max_m):
    rng = np.random.default_rng(seed)
    left, right = (np.array(centre) + rng.normal(0, 0.002, (size, 2)) for size in (n, m))
    expected, got = brute_force(left, right, distance_max_m), found(left, right, distance_max_m)
    assert got.keys() == expected.keys()
    assert all(got[pair] == pytest.approx(expected[pair], abs=1e-3) for pair in got)


def test_blocks_are_bounded_and_complete(monkeypatch):
    monkeypatch.setattr(candidates, "_PAIRS_AT_A_TIME", 100)
    places = np.array([[118.87, 28.93]] * 30)
    blocks = [len(i) for i, _, _ in near_pairs(places, places, 10)]
    assert sum(blocks) == 900
    assert max(blocks) <= 100
