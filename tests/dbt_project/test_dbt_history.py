"""Communities that are merged, split, renamed, founded or dissolved, drawn as squares of 0.01 degrees (synthetic)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import duckdb
import pytest
from small_city import SPATIAL, Build, Rows, SmallCity

SIDE = 0.01
Box = tuple[float, float, float, float]
BEFORE: dict[str, Box] = {
    "stays": (0, 0, 1, 1),
    "renamed": (1, 0, 2, 1),
    "old code": (2, 0, 3, 1),
    "west": (0, 2, 1, 3),  # gives a tenth to the east
    "east": (1, 2, 2, 3),
    "big": (0, 4, 1, 5),  # takes in the small one and keeps its code
    "small": (1, 4, 1.5, 5),
    "whole": (0, 6, 2, 7),
    "gone": (4, 0, 5, 1),
}
AFTER: dict[str, Box] = {
    "stays": (0, 0, 1, 1),
    "renamed": (1, 0, 2, 1),
    "new code": (2, 0, 3, 1),
    "west": (0, 2, 0.9, 3),
    "east": (0.9, 2, 2, 3),
    "big": (0, 4, 1.5, 5),
    "whole": (0, 6, 1.2, 7),
    "other half": (1.2, 6, 2, 7),
    "new": (4, 2, 5, 3),
}
RELATIONS = {
    ("stays", "stays"): "same",
    ("renamed", "renamed"): "renamed",
    ("new code", "old code"): "renamed",
    ("west", "west"): "boundary",
    ("east", "west"): "boundary",
    ("east", "east"): "boundary",
    ("big", "big"): "merged",
    ("big", "small"): "merged",
    ("whole", "whole"): "split",
    ("other half", "whole"): "split",
    ("new", None): "founded",
    (None, "gone"): "dissolved",
}
MODELS_ONLY = ("--exclude-resource-type", "test", "unit_test")
SELECTED = ("--select", "+community_history", "+int_previous_index", *MODELS_ONLY)


def communities(boxes: dict[str, Box], names: dict[str, str]) -> Rows:
    """Rows of the lake's table of communities, one a box."""
    with duckdb.connect() as connection:
        connection.execute(f"load '{SPATIAL}'")

        def wkb(box: Box) -> bytes:
            west, south, east, north = (SIDE * edge for edge in box)
            sql = f"select cast(st_aswkb(st_makeenvelope({118 + west}, {29 + south}, {118 + east}, {29 + north})) as blob)"
            [(shape,)] = connection.sql(sql).fetchall()
            return bytes(shape)

        return [
            {
                "community_id": code,
                "community_name": names.get(code, "合成社区"),
                "street_id": "K1S1",
                "street_name": "合成街道",
                "county_id": "K1",
                "county_name": "合成区",
                "geometry": wkb(box),
                "is_geometry_repaired": False,
            }
            for code, box in boxes.items()
        ]


@pytest.fixture(scope="module")
def changed(dbt: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The city after its units changed, with a release of the half-year before and one announcement."""
    city = SmallCity()
    city.tables |= {
        "communities": communities(AFTER, {"renamed": "新名"}),
        "previous_communities": communities(BEFORE, {"renamed": "旧名"}),
        "community_changes": [
            {
                "community_id": "small",
                "changed_on": dt.datetime(2025, 10, 1),
                "change_number": "1",
                "change": "merged",
                "new_community_id": "big",
            }
        ],
    }
    release = tmp_path_factory.mktemp("release")
    (release / "tables").mkdir()
    scores = [("community", code, number) for number, code in enumerate(BEFORE)] + [("county", "K1", 50)]
    values = ", ".join(f"('{level}', '{code}', {score}.0)" for level, code, score in scores)
    columns = "area_level, area_id, index_score"
    duckdb.sql(
        f"copy (select * from (values {values}) t ({columns})) to '{release / 'tables' / 'index_scores.parquet'}'"
    )
    return dbt(city, *SELECTED, previous_release=str(release))


def test_every_relation_is_found(changed: Build) -> None:
    rows = changed.rows("select community_id, previous_community_id, relation from marts.community_history")
    assert {(code, before): relation for code, before, relation in rows} == RELATIONS


@pytest.mark.parametrize(
    ("unit", "share"),
    [("previous_community_id", "share_of_previous_area_pct"), ("community_id", "share_of_area_pct")],
)
def test_shares_of_a_unit_add_up(changed: Build, unit: str, share: str) -> None:
    sums = dict(
        changed.rows(
            f"select {unit}, sum({share}) from marts.community_history where {share} is not null group by all"
        )
    )
    assert len(sums) == 8
    assert list(sums.values()) == pytest.approx([100] * 8, abs=0.01)


def test_shares_are_those_of_the_drawing(changed: Build) -> None:
    sql = """
        select share_of_previous_area_pct, share_of_area_pct from marts.community_history
        where (community_id, previous_community_id) = (?, ?)
    """
    [shares] = changed.rows(sql, "east", "west")
    assert shares == pytest.approx((10, 100 / 11), abs=0.01)
    [shares] = changed.rows(sql, "big", "small")
    assert shares == pytest.approx((100, 100 / 3), abs=0.01)


def test_what_was_announced_stands_beside_what_is_seen(changed: Build) -> None:
    rows = changed.rows("select * from marts.community_history where announced_change is not null")
    assert len(rows) == 1
    assert rows[0][0] == "big"
    assert rows[0][2] == "small"
    assert rows[0][-2:] == ("merged", dt.datetime(2025, 10, 1))


def test_only_a_unit_with_the_same_area_has_a_score_to_be_compared_with(changed: Build) -> None:
    scores = changed.rows("from intermediate.int_previous_index order by all")
    before = {code: float(number) for number, code in enumerate(BEFORE)}
    assert scores == [
        ("community", "new code", before["old code"]),
        ("community", "renamed", before["renamed"]),
        ("community", "stays", before["stays"]),
        ("county", "K1", 50.0),
    ]


def test_without_the_half_year_before_nothing_is_said(build: Build) -> None:
    assert build.rows("from marts.community_history") == []
