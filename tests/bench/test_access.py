"""The benchmark of who reaches what: its data are the same in every run, and ours answers it as brute force does."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from bench.access import circles_ours, contest, data, walking_ours
from bench.access.contestant import Clock

POINTS, FACILITIES, NODES = 3000, 200, 900


@pytest.fixture(scope="module")
def circles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "circles"
    data.write_circles(folder, POINTS, FACILITIES)
    return folder


@pytest.fixture(scope="module")
def walking(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "walking"
    data.write_walking(folder, NODES)
    return folder


def covered(folders):
    """All points of some folders against all their facilities, one by one, in whole numbers."""
    points = np.concatenate([circles_ours.read_xy(folder / "points.parquet") for folder in folders]).astype(
        int
    )
    read = [circles_ours.read_places(folder / "facilities.parquet") for folder in folders]
    places, kinds = (
        np.concatenate([xy for xy, _ in read]).astype(int),
        np.concatenate([kind for _, kind in read]),
    )
    apart2 = ((points[:, None] - places[None]) ** 2).sum(axis=2)
    return [
        int((apart2[:, kinds == kind] <= int(radius) ** 2).any(axis=1).sum())
        for kind, (_, radius) in enumerate(data.kinds())
    ]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_data_are_the_same_in_every_run(circles, walking, tmp_path):
    data.write_circles(tmp_path / "circles", POINTS, FACILITIES)
    data.write_walking(tmp_path / "walking", NODES)
    assert contents(tmp_path / "circles") == contents(circles)
    assert contents(tmp_path / "walking") == contents(walking)


def test_a_region_has_as_many_points_and_facilities_as_asked_for_in_towns(circles):
    points = circles_ours.read_xy(circles / "points.parquet")
    places, kinds = circles_ours.read_places(circles / "facilities.parquet")
    assert len(points) == POINTS
    assert np.bincount(kinds).tolist() == [FACILITIES // 20] * 20
    assert (points == np.rint(points)).all() and (places == np.rint(places)).all()
    # Nine tenths stand in the one town that 3,000 points make: most within three deviations of its middle.
    middle = np.median(points, axis=0)
    assert (np.hypot(*(points - middle).T) < 3 * data.TOWN_SPREAD_M * POINTS**0.5).mean() > 0.8


def test_circles_are_those_of_brute_force(circles):
    assert circles_ours.run(circles, Clock()) == covered([circles])


def test_a_country_is_that_of_brute_force_across_the_borders_of_its_provinces(tmp_path):
    data.write_country(tmp_path, 3, POINTS, FACILITIES * 3)
    provinces = sorted(tmp_path.iterdir())
    expected = covered(provinces)
    assert expected != [sum(counts) for counts in zip(*(covered([one]) for one in provinces), strict=True)]
    assert circles_ours.run_country(tmp_path, Clock()) == expected


def test_streets_have_2_7_edges_a_node(walking):
    nodes, edges = (pq.read_table(walking / f"{name}.parquet") for name in ("nodes", "edges"))
    assert len(nodes) >= NODES
    assert 2 * len(edges) / len(nodes) == pytest.approx(2.7, abs=0.1)


def test_walking_is_that_of_dijkstra_between_all_nodes(walking):
    walking_ours.run(walking, Clock())
    ours = np.load(walking / "ours.npy")
    start, stop, length = walking_ours.read(walking, "edges")
    node, kind = walking_ours.read(walking, "facilities")
    apart = dijkstra(csr_array((length, (start, stop)), shape=(len(ours),) * 2), directed=False)
    for number in range(ours.shape[1]):
        expected = apart[:, node[kind == number]].min(axis=1)
        expected[expected > walking_ours.LIMIT_M] = np.inf
        np.testing.assert_allclose(ours[:, number], expected, rtol=0, atol=1e-6)


def test_a_contestant_tells_seconds_memory_and_its_answer(circles):
    outcome = contest.run(sys.executable, "circles_ours", "ours", circles, POINTS, 60)
    assert outcome.failure == ""
    assert outcome.answer == covered([circles])
    assert outcome.query_s > 0 and outcome.all_s > outcome.query_s
    assert outcome.memory_mib > 10


def test_a_contestant_that_fails_or_is_late_says_so(tmp_path, circles):
    failed = contest.run(sys.executable, "circles_ours", "ours", tmp_path / "nowhere", POINTS, 60)
    assert failed.failure.startswith("ended with 1: ")
    late = contest.run(sys.executable, "circles_ours", "ours", circles, POINTS, 0.01)
    assert late.failure == "not done within 0 s"
