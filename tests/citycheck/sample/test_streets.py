"""The streets of the synthetic city: what hangs together, who is near them, and how far one walks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from citycheck.sample import people, places, streets
from citycheck.sample.draws import HALF_YEARS
from citycheck.sample.places import COUNTIES, Places
from citycheck.sample.streets import Streets

Rows = list[dict[str, str]]
SEED = 330800


@pytest.fixture(scope="module")
def city() -> Places:
    return places.build(SEED)


@pytest.fixture(scope="module")
def network(city: Places) -> Streets:
    return streets.build(SEED, city)


def lines_m(network: Streets, county_id: str, *, with_yard: bool = False) -> list[shapely.LineString]:
    """The county's lines in metres around its seat."""
    county = COUNTIES[county_id]
    seat = np.array([county.lon, county.lat])
    return [
        shapely.LineString((line - seat) * county.metres_per_degree)
        for key, line in zip(network.ids, network.lines, strict=True)
        if key[2:8] == county_id and (with_yard or key not in network.yard)
    ]


def graph(lines: list[shapely.LineString]) -> tuple[np.ndarray, coo_array]:
    ends = np.round([np.array(line.coords)[[0, -1]] for line in lines], 2)
    nodes, node = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    start, end = node.reshape(-1, 2).T
    return nodes, coo_array(([line.length for line in lines], (start, end)), shape=(len(nodes),) * 2)


@pytest.mark.parametrize("county_id", COUNTIES)
def test_the_streets_of_a_county_hang_together_and_lead_astray(network: Streets, county_id: str) -> None:
    nodes, links = graph(lines_m(network, county_id))
    assert connected_components(links, directed=False)[0] == 1
    some = np.arange(0, len(nodes), max(len(nodes) // 30, 1))
    walked = dijkstra(links.tocsr(), directed=False, indices=some)
    straight = np.hypot(*(nodes[some][:, None] - nodes[None]).transpose(2, 0, 1))
    near = (straight > 200) & (straight < 1_000)
    assert 1.2 < np.median(walked[near] / straight[near]) < 1.4


def test_lines_meet_only_at_their_ends(network: Streets) -> None:
    """But for the roads that lead out of town, which pass over."""
    lines = [line for line in lines_m(network, "330881", with_yard=True) if len(line.coords) == 2]
    first, second = shapely.STRtree(lines).query(lines, predicate="crosses")
    assert len(first) == 0 and len(second) == 0


def test_all_counties_hang_together_but_for_the_yard(network: Streets) -> None:
    ends = np.array([line[[0, -1]] for line in network.lines]).reshape(-1, 2)
    nodes, node = np.unique(ends, axis=0, return_inverse=True)
    start, end = node.reshape(-1, 2).T
    links = coo_array((np.ones(len(start)), (start, end)), shape=(len(nodes),) * 2)
    count, part = connected_components(links, directed=False)
    alone = {
        key for key, at in zip(network.ids, start, strict=True) if part[at] != np.bincount(part).argmax()
    }
    assert (count, alone) == (2, set(network.yard))


def test_the_yard_is_a_short_part_of_its_own(network: Streets) -> None:
    county_id = network.yard[0][2:8]
    all_lines = lines_m(network, county_id, with_yard=True)
    _, links = graph(all_lines)
    count, part = connected_components(links, directed=False)
    assert (count, np.bincount(part).min()) == (2, 4)
    yard = shapely.union_all(all_lines[-4:])
    assert yard.length == pytest.approx(160, abs=1)
    assert yard.distance(shapely.union_all(all_lines[:-4])) > 15


@pytest.mark.parametrize("t", [0, HALF_YEARS - 1])
def test_one_building_alone_is_far_from_every_street(network: Streets, city: Places, t: int) -> None:
    residents = people.build(SEED, city, t)
    gap_m = np.empty(len(residents.building_ids))
    for index, (county_id, county) in enumerate(COUNTIES.items()):
        here = city.county[residents.building_unit] == index
        at = (residents.building_at[here] - [county.lon, county.lat]) * county.metres_per_degree
        tree = shapely.STRtree(lines_m(network, county_id))
        gap_m[here] = tree.query_nearest(shapely.points(at), return_distance=True, all_matches=False)[1]
    assert residents.building_ids[gap_m > 200].tolist() == [network.lonely.building]
    assert np.quantile(gap_m, 0.999) < 100


def test_facilities_but_one_are_near_a_street(
    network: Streets, clean: Callable[[str, str], Rows], planted: Rows
) -> None:
    rows = [row for row in clean("facilities/facilities.csv", "设施编码") if row["设施编码"]]
    at = np.array([(float(row["经度"]), float(row["纬度"])) for row in rows])
    gap_m = np.full(len(rows), np.inf)
    for county_id, county in COUNTIES.items():
        seat = np.array([county.lon, county.lat])
        tree = shapely.STRtree(lines_m(network, county_id))
        found = tree.query_nearest(
            shapely.points((at - seat) * county.metres_per_degree), return_distance=True, all_matches=False
        )[1]
        gap_m = np.minimum(gap_m, found)
    far = {row["设施编码"] for row, gap in zip(rows, gap_m, strict=True) if gap > 200}
    assert far == {
        row["key"]
        for row in planted
        if (row["table_name"], row["reason_code"]) == ("facilities", "not_snapped")
    }
    assert np.quantile(gap_m, 0.999) < 100


def test_the_lonely_place_is_in_its_unit(network: Streets, city: Places) -> None:
    unit = shapely.Polygon(city.rings[network.lonely.unit])
    assert unit.contains(shapely.points([network.lonely.at, network.lonely.beside])).all()


def test_the_streets_stay_the_same(delivery: Path, next_delivery: Path) -> None:
    """Only rows that are planted wrong may stand elsewhere, because they are copies."""
    file = Path("communities/streets.csv")
    assert (delivery / file).read_bytes() == (next_delivery / file).read_bytes()


def test_lengths_are_those_of_the_lines(network: Streets) -> None:
    assert all(
        length == pytest.approx(line.length, abs=0.01)
        for county_id in COUNTIES
        for length, line in zip(
            (m for m, key in zip(network.length_m, network.ids, strict=True) if key[2:8] == county_id),
            lines_m(network, county_id, with_yard=True),
            strict=True,
        )
    )


def test_every_kind_of_street_occurs_and_codes_are_unique(network: Streets) -> None:
    assert set(network.kinds) == {streets.ROAD, streets.PATH, streets.BRIDGE}
    assert len(set(network.ids)) == len(network.ids) > 7_000


def test_days_of_opening_and_closing_fit_the_status(clean: Callable[[str, str], Rows]) -> None:
    """The delivery is that of 2026H1."""
    seen = {"正常": 0, "停用": 0, "在建": 0}
    for row in clean("facilities/facilities.csv", "设施编码"):
        opened, closed, status = row["启用日期"], row["停用日期"], row["运营状态"]
        assert bool(closed) == (status == "停用"), row
        assert not closed or (opened < closed < "2026-07-01"), row
        if status == "正常":
            assert opened < "2026-07-01"
        if status == "在建":
            assert "2026-07-01" <= opened < "2027-01-01"
        seen[status] += bool(opened or closed)
    assert all(count > 5 for count in seen.values()), seen
