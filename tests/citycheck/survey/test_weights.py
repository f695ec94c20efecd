"""Whom the register knows, and what happens where it knows less."""

from __future__ import annotations

from typing import Any

import pytest

from citycheck.survey.weights import Limits, weights

SEX = {"sex": ["f", "m"]}
AGE = {"age_band": ["18-29", "30-44", "45-59", "60+"]}
LIMITS = Limits(0.65, 1, 0.2, 5, 1e-10, 1_000)


def people(community: str | None, **shares: float) -> dict[tuple[str | None, str], dict[str, float]]:
    return {(community, "sex"): shares}


def sample(**counts: int) -> list[dict[str, str | None]]:
    """C1f=3: three women of C1; a community without a letter is of unknown sex."""
    return [
        {"community_id": name[:2], "sex": name[2:] or None}
        for name, count in counts.items()
        for _ in range(count)
    ]


COUNTIES = {"C1": "K1", "C2": "K1", "C3": "K2"}
RESIDENTS = {"C1": 100.0, "C2": 300.0, "C3": 50.0}


def found(rows: list[dict[str, str | None]], margins: Any, **other: Any) -> Any:
    about = {"counties": COUNTIES, "residents": RESIDENTS, "characteristics": SEX, "limits": LIMITS} | other
    return weights(
        rows, about["counties"], about["residents"], margins, about["characteristics"], about["limits"]
    )


def test_counties_with_a_register_are_raked_and_others_are_not() -> None:
    rows = sample(C1f=3, C1m=1, C2f=1, C2m=1, C3f=3, C3m=2)
    told = found(rows, people("C1", f=50, m=50) | people("C2", f=150, m=150))
    assert told.weighting == ["raked"] * 6 + ["population"] * 5
    weight = dict(zip(["C1f"] * 3 + ["C1m", "C2f", "C2m"], told.weight.tolist(), strict=False))
    assert 3 * weight["C1f"] + weight["C1m"] == pytest.approx(100)
    assert weight["C2f"] + weight["C2m"] == pytest.approx(300)
    assert 3 * weight["C1f"] + weight["C2f"] == pytest.approx(200)
    assert told.weight[6:].tolist() == pytest.approx([10] * 5)
    assert [(row["county_id"], row["category"], row["respondents"]) for row in told.margins] == [
        ("K1", "f", 4),
        ("K1", "m", 2),
    ]
    assert all(row["weighted"] == pytest.approx(row["people"]) for row in told.margins)


def test_a_register_of_too_few_residents_is_not_used() -> None:
    """C1 holds 100 of 400 residents of its county; C2 holds 300, which is enough."""
    rows = sample(C1f=3, C1m=1, C2f=1, C2m=1)
    assert set(found(rows, people("C1", f=50, m=50)).weighting) == {"population"}
    assert set(found(rows, people("C2", f=50, m=50)).weighting) == {"raked"}


def test_a_figure_of_the_whole_city_serves_where_no_community_has_one() -> None:
    rows = sample(C1f=3, C1m=1, C3f=1, C3m=1)
    told = found(rows, people(None, f=1000, m=1000))
    assert set(told.weighting) == {"raked"}
    assert sum(row["people"] for row in told.margins) == pytest.approx(150)
    assert [row["weighted"] for row in told.margins] == pytest.approx([75, 75])


def test_without_residents_the_sample_stands_for_the_city_as_one() -> None:
    told = found(sample(C1f=3, C3m=1), people(None, f=1000, m=1000), residents={})
    assert told.weight.tolist() == pytest.approx([1000 / 3] * 3 + [1000])
    assert told.weighting == ["raked"] * 4
    told = found(sample(C1f=3, C3m=1), {}, residents={})
    assert (told.weight.tolist(), told.weighting, told.margins) == ([1] * 4, ["none"] * 4, [])


def test_a_community_where_nobody_is_known_to_live_stands_for_itself() -> None:
    told = found(sample(C1f=1, C1m=1, C3f=2), people("C1", f=1, m=3), residents={"C1": 100.0, "C3": 0.0})
    assert told.weight.tolist() == pytest.approx([25, 75, 1, 1])
    assert told.weighting == ["raked", "raked", "none", "none"]


def test_margins_are_scaled_to_the_population() -> None:
    """4 million or 4: only proportions count, and the people of a margin are those that respondents stand for."""
    rows = sample(C1f=3, C1m=2, C1=1)
    few, many = (found(rows, people("C1", f=x, m=3 * x), residents={"C1": 100.0}) for x in (1, 1e6))
    assert few.weight.tolist() == pytest.approx(many.weight.tolist())
    assert sum(row["people"] for row in few.margins) == pytest.approx(few.weight[:5].sum())
    assert few.weight.sum() == pytest.approx(100)


def test_small_categories_are_merged_with_their_neighbours() -> None:
    """One aged 60+ of five that are asked for, and nobody of 30 to 44: three bands remain of which the last is two."""
    rows: list[dict[str, str | None]] = [
        {"community_id": "C1", "age_band": band} for band in ["18-29"] * 5 + ["45-59"] * 6 + ["60+"]
    ]
    margins = {("C1", "age_band"): {"18-29": 20.0, "30-44": 20.0, "45-59": 20.0, "60+": 40.0}}
    told = found(
        rows, margins, residents={"C1": 120.0}, characteristics=AGE, limits=Limits(0.65, 5, 0, 99, 1e-10, 100)
    )
    assert told.weight.tolist() == pytest.approx([24 / 5] * 5 + [96 / 7] * 7)
    by_category = {row["category"]: row for row in told.margins}
    assert by_category["60+"]["people"] == pytest.approx(48)
    assert by_category["60+"]["weighted"] == pytest.approx(96 / 7)


def test_limits_are_kept_and_what_was_reached_is_told() -> None:
    told = found(
        sample(C1f=9, C1m=1),
        people("C1", f=1, m=9),
        residents={"C1": 100.0},
        limits=Limits(0.65, 1, 0.2, 5, 1e-10, 1_000),
    )
    assert told.weight[-1] == pytest.approx(50)
    men = told.margins[1]
    assert (men["people"], men["weighted"]) == (pytest.approx(90), pytest.approx(50))


def test_nobody_answered() -> None:
    told = found([], people("C1", f=1, m=1))
    assert (told.weight.tolist(), told.weighting, told.margins) == ([], [], [])
