from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citycheck.errors import BadInput
from citycheck.sample import places
from citycheck.sample.places import COUNTIES, Places
from citycheck.settings import settings

Rows = list[dict[str, str]]
SEED = 330800


@pytest.fixture(scope="module")
def city() -> Places:
    return places.build(SEED)


def inside(point: Any, ring: Any) -> bool:
    """Whether a point lies in a ring: a ray to the east crosses its border an odd number of times."""
    x, y = point
    start, end = ring, np.roll(ring, -1, axis=0)
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    crossing = start[spans, 0] + (y - start[spans, 1]) / (end[spans, 1] - start[spans, 1]) * (
        end[spans, 0] - start[spans, 0]
    )
    return bool((crossing > x).sum() % 2)


def test_communities_are_133_real_ones() -> None:
    with (settings().cities / "quzhou_sample" / "communities.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["community_id"] for row in rows}) == len(rows) == 133
    assert {row["county_id"] for row in rows} == set(COUNTIES)
    assert all(COUNTIES[row["county_id"]].name == row["county_name"] for row in rows)
    assert all(row["community_id"].startswith(row["street_id"]) for row in rows)
    assert all(row["street_id"].startswith(row["county_id"]) for row in rows)
    assert all(row["community_name"].endswith("社区") for row in rows)


def test_units_are_half_a_square_kilometre(city: Places) -> None:
    metres = (city.rings - city.centres[:, None]) * city.scale[:, None]
    following = np.roll(metres, -1, axis=1)
    cross = metres[..., 0] * following[..., 1] - metres[..., 1] * following[..., 0]
    area_km2 = cross.sum(axis=1) / 2e6
    assert area_km2.min() > 0.3
    assert area_km2.max() < 0.8
    assert abs(area_km2.mean() - 0.5) < 0.02


def test_neighbours_share_borders_exactly(city: Places) -> None:
    sides: Counter[tuple[tuple[float, float], ...]] = Counter()
    for ring in city.rings.tolist():
        points = [tuple(point) for point in ring]
        sides.update(tuple(sorted(side)) for side in zip(points, points[1:] + points[:1], strict=True))
    assert set(sides.values()) == {1, 2}
    # Two sides of every shared border: most cells of a round town have neighbours all around.
    assert sum(count == 2 for count in sides.values()) > 500


def test_counties_are_apart(city: Places) -> None:
    for index, county in enumerate(COUNTIES.values()):
        ring = city.rings[city.county == index].reshape(-1, 2)
        km = np.hypot(*((ring - (county.lon, county.lat)) * county.metres_per_degree).T) / 1000
        assert km.max() < 12
    keqin, qujiang = city.rings[city.county == 0], city.rings[city.county == 1]
    assert keqin[..., 0].max() < qujiang[..., 0].min()


def test_buildings_and_estates_lie_in_their_unit(city: Places, clean: Callable[[str, str], Rows]) -> None:
    rings = dict(zip(city.ids, city.rings, strict=True))
    for pattern, key in (("communities/buildings.csv", "楼栋编码"), ("communities/estates.csv", "小区编码")):
        for row in clean(pattern, key):
            assert inside((float(row["经度"]), float(row["纬度"])), rings[row["社区编码"]]), row[key]


def test_facilities_lie_in_a_unit_of_their_street(city: Places, clean: Callable[[str, str], Rows]) -> None:
    streets: dict[str, list[Any]] = {}
    for row, ring in zip(city.rows, city.rings, strict=True):
        streets.setdefault(row["street_name"], []).append(ring)
    for row in clean("facilities/facilities.csv", "设施编码"):
        point = (float(row["经度"]), float(row["纬度"]))
        assert any(inside(point, ring) for ring in streets[row["所在街道"]]), row["设施编码"]


def test_report_places_are_near_their_unit(city: Places, clean: Callable[[str, str], Rows]) -> None:
    centres = dict(zip(city.ids, city.centres, strict=True))
    scales = dict(zip(city.ids, city.scale, strict=True))
    located = [row for row in clean("repair_reports/*.csv", "工单编号") if row["经度"]]
    for row in located[::20]:
        gap = np.array([float(row["经度"]), float(row["纬度"])]) - centres[row["社区编码"]]
        assert np.hypot(*(gap * scales[row["社区编码"]])) < 700


@pytest.mark.parametrize("change", ["one community too few", "a county of another city"])
def test_wrong_table_of_communities_is_refused(change: str, tmp_path: Path) -> None:
    text = (settings().cities / "quzhou_sample" / "communities.csv").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    lines = (
        lines[:-1]
        if change == "one community too few"
        else [*lines[:-1], lines[-1].replace(",330881,", ",330100,")]
    )
    (tmp_path / "communities.csv").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BadInput, match="expected 133"):
        places.build(SEED, tmp_path / "communities.csv")
