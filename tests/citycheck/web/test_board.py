"""Where half-years stand, from files alone. Without Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from citycheck.settings import CityHome
from citycheck.steps import release
from citycheck.steps.index import Build
from citycheck.web import board, ledger

CITY, HALF_YEAR = "quzhou_sample", "2026H1"
NOW = datetime(2026, 7, 20, tzinfo=UTC)


def standing(half_year: str = HALF_YEAR) -> board.Standing:
    return next(found for found in board.standings(NOW) if found.half_year == half_year)


def feed(name: str, half_year: str = HALF_YEAR) -> board.Feed:
    return next(found for found in standing(half_year).feeds if found.feed == name)


def decide(city: CityHome, is_approved: bool) -> None:
    (build, _), *_ = release.candidates(CITY, HALF_YEAR)
    release.decide(
        build, is_approved=is_approved, decided_by="a", decided_at="2026-07-19T00:00:00+00:00", reason="why"
    )


def test_a_city_without_anything_has_no_half_years(home) -> None:
    assert board.standings(NOW) == []


def test_what_is_accepted_published_staged_and_announced(city: CityHome) -> None:
    found = standing()
    assert found.state == "waits"
    assert feed("repair_reports").rows == (100, 69, 30, 1, 0)
    assert (feed("repair_reports").state, feed("survey").state) == ("warned", "missing")
    assert [(version.release.version, version.is_current) for version in found.versions] == [(1, True)]
    assert [(one.publication["version"], one.state) for one in found.candidates] == [(2, "waits")]
    assert found.next_entry is not None and found.next_entry.stage == "verified"
    assert found.trouble == ()


@pytest.mark.parametrize(
    ("is_approved", "state", "of_candidate"),
    [(True, "approved", "approved"), (False, "published", "rejected")],
)
def test_what_a_person_said(city: CityHome, is_approved: bool, state: str, of_candidate: str) -> None:
    decide(city, is_approved)
    found = standing()
    assert found.state == state
    assert found.candidates[0].state == of_candidate
    assert found.candidates[0].decision is not None and found.candidates[0].decision.reason == "why"


def test_a_preview_waits_for_nobody(city: CityHome, staging: Callable[..., Build]) -> None:
    build = staging(city, 3, "3" * 16, is_preview=True)
    found = next(one for one in standing().candidates if one.build == build)
    assert found.state == "preview"


def test_what_has_landed_and_what_a_gate_has_stopped(city: CityHome) -> None:
    landed = city.landing / "survey" / "2026H2" / "b"
    landed.mkdir(parents=True)
    (landed / "receipt.json").write_text("{}")
    assert (feed("survey", "2026H2").state, standing("2026H2").state) == ("landed", "collecting")
    work = city.work / "survey" / "2026H2" / "b-0"
    work.mkdir(parents=True)
    (work / "verdict.json").write_text(json.dumps({"passed": False}))
    assert (feed("survey", "2026H2").state, standing("2026H2").state) == ("failed", "stopped")


def test_the_gate_of_the_marts_is_that_of_the_newest_build(city: CityHome) -> None:
    assert standing().gate is None
    build = ledger.candidates(CITY, HALF_YEAR)[0].build
    (build.work / "verdict.json").write_text(json.dumps({"passed": True}))
    build.warnings.write_text('["drift"]')
    assert standing().gate == "warned"


def test_one_damaged_file_does_not_hide_all_others(city: CityHome) -> None:
    (city.lake / "manifests" / "repair_reports" / f"{HALF_YEAR}.json").write_text("{")
    found = standing()
    assert [one.release.version for one in found.versions] == [1]
    assert len(found.trouble) == 1 and "is missing or damaged" in found.trouble[0]


def test_a_withdrawn_version_is_told_with_its_notice(city: CityHome) -> None:
    notice = {"reason_zh": "错", "reason_en": "wrong", "responsible": "city"}
    (city.releases / HALF_YEAR / "1" / "WITHDRAWN.json").write_text(json.dumps(notice))
    (version,) = ledger.versions(CITY)
    assert (version.notice, version.is_current) == (notice, False)


def test_a_version_is_verified_to_the_byte(city: CityHome) -> None:
    (version,) = ledger.versions(CITY)
    assert ledger.checked(version).problems == ()
    changed = version.release.path / "figures.csv"
    changed.chmod(0o644)
    changed.write_text(changed.read_text().replace("60", "61"))
    assert (
        "figures.csv" in ledger.checked(version).problems[0] and "byte" in ledger.checked(version).problems[0]
    )
