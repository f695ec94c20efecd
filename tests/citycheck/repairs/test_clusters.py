"""Clusters of reports: beside a slow search that follows the definition, and whatever the order of the rows."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.repairs.clusters import Limits, Report, clusters

LIMITS = Limits(radius_m=100, reports_min=3, months_min=2, merge_m=200)
ACTIONS = {"road": "A03", "parking": "A03", "gas": "A02", "other": None}


def report(number: int, category: str, x_m: float, y_m: float, month: str = "", unit: str = "C1") -> Report:
    return Report(
        f"r{number:04d}", category, ACTIONS[category], unit, month or f"2026-0{number % 6 + 1}", x_m, y_m
    )


reports = st.lists(
    st.tuples(
        st.sampled_from(sorted(ACTIONS)),
        st.integers(0, 40).map(lambda step: 25.0 * step),
        st.integers(0, 8).map(lambda step: 25.0 * step),
        st.sampled_from(["2026-01", "2026-02", "2026-03"]),
        st.sampled_from(["C1", "C2"]),
    ),
    max_size=60,
).map(lambda rows: [report(n, *row) for n, row in enumerate(rows)])


def slow_groups(rows: list[Report]) -> list[set[str]]:
    """The definition, word by word: of all places the one with most reports around it, again and again."""
    left = sorted(rows, key=lambda r: (r.x_m, r.y_m, r.report_id))
    every, found = list(left), []
    while True:
        best: list[Report] = []
        for place in every:
            near = [r for r in left if math.dist((r.x_m, r.y_m), (place.x_m, place.y_m)) <= LIMITS.radius_m]
            if len({r.month for r in near}) >= LIMITS.months_min and len(near) > len(best):
                best = near
        if len(best) < LIMITS.reports_min:
            return found
        found.append({r.report_id for r in best})
        left = [r for r in left if r not in best]


@settings(deadline=None)
@given(reports)
def test_clusters_are_what_the_definition_says(rows: list[Report]) -> None:
    found, members = clusters(rows, LIMITS)
    groups: dict[str, set[str]] = {row["cluster_id"]: set() for row in found}
    for row in members:
        groups[row["cluster_id"]].add(row["report_id"])
    assert list(groups.values()) == [
        group
        for category in sorted(ACTIONS)
        for group in slow_groups([r for r in rows if r.category == category])
    ]
    by_id = {r.report_id: r for r in rows}
    for row in found:
        behind = [by_id[name] for name in sorted(groups[row["cluster_id"]])]
        assert (row["reports"], row["months"]) == (len(behind), len({r.month for r in behind}))
        assert {r.category for r in behind} == {row["category_code"]}
        units = Counter(r.community_id for r in behind)
        assert units[row["community_id"]] == max(units.values())
        assert abs(row["x_m"] - sum(r.x_m for r in behind) / len(behind)) <= 50 + 1e-9
        assert max(math.dist((a.x_m, a.y_m), (b.x_m, b.y_m)) for a in behind for b in behind) <= 200


@settings(deadline=None)
@given(reports, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Report], chance: random.Random) -> None:
    mixed = list(rows)
    chance.shuffle(mixed)
    assert clusters(mixed, LIMITS) == clusters(rows, LIMITS)


@settings(deadline=None)
@given(reports)
def test_a_problem_is_led_by_the_largest_of_its_action_near_by(rows: list[Report]) -> None:
    found, _ = clusters(rows, LIMITS)
    by_id = {row["cluster_id"]: row for row in found}
    leaders = [row for row in found if row["problem_id"] == row["cluster_id"]]
    for row in found:
        leader = by_id[row["problem_id"]]
        assert leader in leaders
        if leader is not row:
            assert ACTIONS[row["category_code"]] == ACTIONS[leader["category_code"]] is not None
            assert leader["reports"] >= row["reports"]
            assert math.dist((row["x_m"], row["y_m"]), (leader["x_m"], leader["y_m"])) <= LIMITS.merge_m
    for one in leaders:
        for other in leaders:
            if (
                one is not other
                and ACTIONS[one["category_code"]] == ACTIONS[other["category_code"]] is not None
            ):
                assert math.dist((one["x_m"], one["y_m"]), (other["x_m"], other["y_m"])) > LIMITS.merge_m


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([report(n, "road", 100.0 * n, 0) for n in range(2)], []),  # too few
        ([report(n, "road", 0, 0, "2026-01") for n in range(9)], []),  # not persistent
        ([report(n, "road", 100.0 * n, 0) for n in range(3)], [3]),  # at the radius
        ([report(n, "road", 100.01 * n, 0) for n in range(3)], []),  # beyond it
    ],
)
def test_limits_hold_at_their_edge(rows: list[Report], expected: list[int]) -> None:
    assert [row["reports"] for row in clusters(rows, LIMITS)[0]] == expected


def test_a_street_full_of_reports_is_no_single_cluster() -> None:
    found, members = clusters([report(n, "road", 20.0 * n, 0) for n in range(100)], LIMITS)
    assert len(found) > 5
    assert len(members) == len({row["report_id"] for row in members})
    middles = sorted(row["x_m"] for row in found)
    assert all(later - earlier >= 50 for earlier, later in pairwise(middles))


def test_who_reported_cannot_be_read_off_the_middle() -> None:
    [row], _ = clusters([report(n, "gas", 1234.4, 5678.9) for n in range(3)], LIMITS)
    assert (row["x_m"], row["y_m"]) == (1200, 5700)


def test_nothing_comes_of_nothing() -> None:
    assert clusters([], LIMITS) == ([], [])
