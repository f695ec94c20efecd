"""Hot spots: beside the formula of Ord and Getis, where a cluster is planted, and where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from citycheck.repairs.hot_spots import Limits, hot_spots

LIMITS = Limits(reports_min=30, units_min=30, permutations=999, false_discovery_max=0.05)
SIDE = 10


def grid(side: int = SIDE) -> tuple[list[str], list[tuple[str, str]]]:
    """Squares in rows, and who has a border or a corner in common; each pair once."""
    units = [f"U{row:02d}{column:02d}" for row in range(side) for column in range(side)]
    pairs = [
        (f"U{row:02d}{column:02d}", f"U{row + down:02d}{column + right:02d}")
        for row in range(side)
        for column in range(side)
        for down, right in ((0, 1), (1, -1), (1, 0), (1, 1))
        if 0 <= row + down < side and 0 <= column + right < side
    ]
    return units, pairs


@pytest.fixture(scope="module")
def found() -> list[dict]:
    """A hot corner of 3 × 3 squares, a cold one, and a category without any pattern."""
    units, pairs = grid()
    rng = np.random.default_rng(7)
    corner = {f"U{row:02d}{column:02d}" for row in range(3) for column in range(3)}
    opposite = {f"U{row:02d}{column:02d}" for row in range(7, 10) for column in range(7, 10)}
    reports = {
        "lift": {u: int(rng.poisson(60 if u in corner else 2 if u in opposite else 20)) for u in units},
        "noise": {u: int(rng.poisson(20)) for u in units},
        "gas": {units[0]: 29},
    }
    residents = {u: float(rng.integers(900, 1100)) for u in units} | {"EMPTY": 0.0, "ISLAND": 500.0}
    return hot_spots(reports, residents, [*pairs, ("EMPTY", "U0000"), ("ISLAND", "ISLAND")], LIMITS)


def by(found, category):
    return {row["community_id"]: row for row in found if row["category_code"] == category}


def test_z_scores_are_those_of_the_formula(found):
    rows = {unit: row for unit, row in by(found, "lift").items() if row["not_tested"] is None}
    units, pairs = grid()
    assert sorted(rows) == units
    x = np.array([rows[u]["reports_per_1000"] for u in units])
    place = {u: i for i, u in enumerate(units)}
    w = np.eye(len(units))
    for one, other in pairs:
        w[place[one], place[other]] = w[place[other], place[one]] = 1
    n, size = len(units), w.sum(axis=1)
    spread = np.sqrt((x**2).mean() - x.mean() ** 2)
    z = (w @ x - x.mean() * size) / (spread * np.sqrt((n * size - size**2) / (n - 1)))
    np.testing.assert_allclose([rows[u]["z_score"] for u in units], z, atol=1e-8)


def test_p_values_are_two_sided_and_close_to_those_of_the_normal_distribution(found):
    """Where nothing is, the permutations agree with the asymptotic p-value; a one-sided one would be half of it."""
    from scipy.stats import norm

    rows = [row for row in by(found, "noise").values() if row["not_tested"] is None]
    exact = np.array([2 * norm.sf(abs(row["z_score"])) for row in rows])
    simulated = np.array([row["p_value"] for row in rows])
    # a community's own value is held fixed, which the asymptotic one does not do: alike on the whole, not one by one
    assert np.median(simulated / exact) == pytest.approx(1, abs=0.15)
    assert simulated.min() >= 2 / (LIMITS.permutations + 1)


def test_a_planted_cluster_is_found_and_noise_is_not(found):
    lift = by(found, "lift")
    assert lift["U0101"]["cluster"] == "hot"
    assert lift["U0808"]["cluster"] == "cold"
    assert lift["U0505"]["cluster"] == "none"
    clusters = [row["cluster"] for row in by(found, "noise").values()]
    assert clusters.count("none") >= len(clusters) - 1


def test_q_values_hold_the_false_discovery_rate_over_the_category(found):
    rows = sorted(
        (row for row in by(found, "lift").values() if row["not_tested"] is None), key=lambda r: r["p_value"]
    )
    q, least = [], 1.0
    for rank in range(len(rows), 0, -1):  # Benjamini and Hochberg, from the largest p-value down
        least = min(least, rows[rank - 1]["p_value"] * len(rows) / rank)
        q.append(least)
    np.testing.assert_allclose([row["q_value"] for row in rows], q[::-1], atol=1e-8)
    assert all((row["cluster"] != "none") == (row["q_value"] <= 0.05) for row in rows)


def test_what_is_not_tested_says_why_and_has_no_numbers(found):
    lift, gas = by(found, "lift"), by(found, "gas")
    assert lift["EMPTY"]["not_tested"] == "nobody_lives"
    assert lift["EMPTY"]["reports_per_1000"] is None
    assert lift["ISLAND"]["not_tested"] == "no_neighbour"
    assert {row["not_tested"] for row in gas.values()} == {"nobody_lives", "no_neighbour", "too_few_reports"}
    for row in found:
        if row["not_tested"] is not None:
            assert (row["z_score"], row["p_value"], row["q_value"], row["cluster"]) == (
                None,
                None,
                None,
                "none",
            )


def test_thirty_reports_are_enough():
    units, pairs = grid()
    rows = hot_spots({"gas": {units[0]: 30}}, dict.fromkeys(units, 1000.0), pairs, LIMITS)
    assert {row["not_tested"] for row in rows} == {None}


def test_none_among_few_is_not_cold():
    """40 reports in 10 places: most communities and all their neighbours have none, in the permutations too."""
    units, pairs = grid()
    rows = hot_spots({"gas": dict.fromkeys(units[::10], 4)}, dict.fromkeys(units, 1000.0), pairs, LIMITS)
    assert min(row["p_value"] for row in rows if row["z_score"] < 0) > 0.5


def test_a_small_city_is_declared_and_not_guessed():
    units, pairs = grid(5)  # 25 units
    rows = hot_spots({"lift": {units[0]: 500}}, dict.fromkeys(units, 1000.0), pairs, LIMITS)
    assert {row["not_tested"] for row in rows} == {"too_few_units"}


def test_the_same_rate_everywhere_is_no_pattern():
    units, pairs = grid()
    rows = hot_spots({"lift": dict.fromkeys(units, 5)}, dict.fromkeys(units, 1000.0), pairs, LIMITS)
    assert {row["not_tested"] for row in rows} == {"all_alike"}


def test_a_city_without_units_or_reports_has_no_rows():
    assert hot_spots({}, {"C1": 5.0}, [], LIMITS) == []
    assert hot_spots({"lift": {}}, {}, [], LIMITS) == []


def test_the_same_rows_give_the_same_answer_whatever_came_before(found):
    np.random.default_rng().random()
    units, pairs = grid()
    reports = {"noise": {row["community_id"]: row["reports"] for row in by(found, "noise").values()}}
    residents = dict.fromkeys(units, 1000.0)
    once = hot_spots(reports, residents, pairs, LIMITS)
    again = hot_spots(
        dict(reversed(reports.items())), residents, [(b, a) for a, b in reversed(pairs)], LIMITS
    )
    assert once == again
