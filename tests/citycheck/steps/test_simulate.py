"""What if: the same answer as that of a build in which the facility really is."""

from __future__ import annotations

from datetime import UTC, datetime

import approving
import pytest

from citycheck.errors import BadInput
from citycheck.steps import index, release, simulate
from citycheck.steps.simulate import Addition

HALF_YEAR = "2026H1"
PARK = "F17@118.805,28.915,500"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("F17", "expected KIND@LON,LAT"),
        ("F17@118.8", "expected KIND@LON,LAT"),
        ("F17@118.8,28.9,1,2", "expected KIND@LON,LAT"),
        ("F17@east,north", "expected KIND@LON,LAT"),
        ("F99@118.8,28.9", "'F99' is no kind of facility; the standard has F01, F02"),
    ],
)
def test_what_is_no_facility_is_told(text, said):
    with pytest.raises(BadInput, match=said):
        Addition.parse(text)


def test_a_facility_with_and_without_an_area():
    assert Addition.parse(PARK) == Addition("F17", 118.805, 28.915, 500.0)
    assert Addition.parse("F02@118.8,28.9").area_m2 is None


def test_nothing_is_simulated_before_there_is_a_release(project):
    with pytest.raises(BadInput, match="nothing is released to begin with"):
        simulate.run("town", HALF_YEAR, [Addition.parse(PARK)])


@pytest.mark.slow
@pytest.mark.cities
def test_the_answer_is_that_of_a_build_with_the_facility(project):
    project.ingest_all()
    build = index.begin("town", HALF_YEAR, now=datetime(2026, 7, 20, tzinfo=UTC))
    index.build_all(build)
    index.gate_marts(build)
    release.stage(build)
    approving.publish(build)
    with pytest.raises(BadInput, match="lies outside the city's box"):
        simulate.run("town", HALF_YEAR, [Addition("F17", 28.9, 118.8)])

    effects = simulate.run("town", HALF_YEAR, [Addition.parse(PARK)])
    assert {
        effect.area_id: effect.covered_more for effect in effects if effect.area_level == "community"
    } == {"U3": {"F17": 1002.0}}
    assert not (project.home.work / "simulate" / HALF_YEAR / build.id).exists()
    assert simulate.run("town", HALF_YEAR, []) == []

    facilities = project.files / "facilities.csv"
    project.write("facilities.csv", facilities.read_text("utf-8") + "P2,F17,118.805,28.915,500,\n")
    project.ingest("facilities", moment=datetime(2026, 7, 21, tzinfo=UTC))
    real = index.begin("town", HALF_YEAR, now=datetime(2026, 8, 20, tzinfo=UTC))
    index.build_all(real)
    assert simulate._compare(build.database, real.database) == effects
    assert simulate.told(effects)[-1] == f"{len(effects)} area(s) would be another"
