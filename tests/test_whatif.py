"""What facilities would change of the embedded city, held against building it again with them: every figure, to the last bit.

One facility and all of the questions together are held against a build; each question alone against the same SQL run in
full, without leaving out what it is said not to concern.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from citycheck import duck, progress
from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.lake.files import write_json
from citycheck.renewal import rerun
from citycheck.renewal.additions import Addition
from citycheck.renewal.rerun import Rerun
from citycheck.renewal.whatif import Change, Standing, WhatIf, facilities
from citycheck.steps import index, ingest

pytestmark = [pytest.mark.slow, pytest.mark.cities]
CITY, HALF_YEAR = "quzhou_sample", "2026H1"
QUESTIONS = {
    "coverage": ["F08@118.8802,28.9524,300"],
    "too small": ["F07@118.8802,28.9524,100", "F12@118.8642,28.9918,100"],
    "several kinds": [
        "F07@118.8865,28.9481,500",
        "F01@118.8765,28.9645,1000",
        "F15@118.8928,28.9503,400,subtype=supermarket",
        "F19@118.8893,28.9607,45,subtype=hairdresser",
        "F03@118.8824,28.9598,300,capacity=120",
        "F04@118.8806,28.9778,3000,land_area_m2=5000",
    ],
    "health and culture": [
        "F12@118.5181,28.9009,300",
        "F13@118.5185,28.9012",
        "F11@118.5170,28.9000,200",
        "F10@118.4174,29.2122,1500,land_area_m2=2500",
    ],
    # between the two counties that are nearest to each other
    "land, at a border": [
        "F17@118.9243,28.9737,500",
        "F16@118.905,28.975,1500",
        "F20@118.904,28.974",
        "F05@118.903,28.975,capacity=900",
        "F09@118.9243,28.9737,capacity=200",
    ],
    # of unknown size, so many that a county's sizes are no longer known well enough
    "size unknown": [f"F10@118.9{number},28.97834" for number in range(58, 64)],
    "outside every community": ["F02@118.1,28.3"],
}
EVERYTHING = [text for texts in QUESTIONS.values() for text in texts]
NOT_LEFT_OUT = ("stg_facilities", "int_facility_classes", "int_circle_facilities")
"""Of these, a question knows the new facilities only: the rules say what they are, and not what may be left out."""
FIGURES = {
    "covered": "select area_level, area_id, kind_code, covered_population from marts.kind_access",
    "indicators": "select area_level, area_id, indicator_code, value from marts.indicators",
    "indicator_scores": "select area_level, area_id, indicator_code, score from marts.indicators",
    "dimensions": "select area_level, area_id, dimension_code, score from marts.dimension_scores",
}
STANDINGS = """
select area_level, area_id, index_score, index_low, index_high, rank, rank_low, rank_high from intermediate.int_index_profiles
"""


def without_tests(run_dbt):
    """dbt's models alone: that they are right is tested elsewhere."""

    def run(command, environment):
        place = command.index("--exclude-resource-type") + 1
        return run_dbt([*command[:place], "test", *command[place:]], environment)

    return run


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The embedded city's half-year, built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(tmp_path_factory.mktemp("whatif")))
        patch.setattr(progress, "run_dbt", without_tests(progress.run_dbt))
        settings_module.settings.cache_clear()
        load_city.cache_clear()
        for feed in load_city(CITY).profile.provided_feeds:
            delivery = ingest.land(CITY, feed, HALF_YEAR, datetime(2026, 11, 1, tzinfo=UTC))
            ingest.map_delivery(CITY, feed, HALF_YEAR, delivery)
            ingest.gate(CITY, feed, HALF_YEAR, delivery)
            ingest.accept(CITY, feed, HALF_YEAR, delivery)
        made = index.freeze(CITY, HALF_YEAR)
        index.build_all(made)
        yield made
    settings_module.settings.cache_clear()
    load_city.cache_clear()


@pytest.fixture(scope="module")
def release(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    rerun.keep(build.dbt_target, folder / "models.json")
    detour_factor = index.frozen(build)["provenance"]["detour_factor"]
    with WhatIf(
        Rerun(build.database, folder / "models.json", folder), folder, detour_factor=detour_factor
    ) as asked:
        yield asked


def figures(database):
    with duck.connect(database, read_only=True) as marts:
        standings = {
            (level, area): Standing(*rest) for level, area, *rest in marts.execute(STANDINGS).fetchall()
        }
        rows = {name: marts.execute(sql).fetchall() for name, sql in FIGURES.items()}
    return standings, {
        name: {(level, area, code): value for level, area, code, value in of} for name, of in rows.items()
    }


def built_with(build, additions):
    """The figures of the same half-year with the facilities among its inputs."""
    again = replace(build, purpose="rebuild")
    shutil.rmtree(again.work, ignore_errors=True)  # of the question before
    again.work.mkdir(parents=True)
    made_of = index.frozen(build)
    added = again.work / "added.parquet"
    pq.write_table(facilities(additions), added)
    made_of["files"]["facilities"] = [*made_of["files"]["facilities"], str(added)]
    write_json(again.inputs, made_of)
    for counties in index.build_places(again):
        index.measure_access(again, counties)
    index.build_marts(again)
    shutil.copytree(build.renewal, again.renewal)  # what could be built next: the index hangs on none of it
    index.build_uncertainty(again)
    return figures(again.database)


@pytest.mark.parametrize("texts", [QUESTIONS["coverage"], EVERYTHING], ids=["one", "everything"])
def test_the_answer_is_that_of_a_build_with_the_facilities(build, release, texts):
    additions = [Addition.parse(text) for text in texts]
    effects = {(one.area_level, one.area_id): one for one in release.effects(additions)}
    standings_before, before = figures(build.database)
    standings, after = built_with(build, additions)
    assert len(standings) > 150
    for area, was in standings_before.items():
        told = effects.get(area)
        assert (was, standings[area]) == ((told.before, told.after) if told else (was, was)), area
    for name, of in before.items():
        assert of.keys() == after[name].keys()
        expected = {
            key: Change(value, after[name][key]) for key, value in of.items() if value != after[name][key]
        }
        told = {
            (*area, code): change
            for area, one in effects.items()
            for code, change in getattr(one, name).items()
        }
        assert told == expected, name
        assert expected or name != "covered"


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_left_out_changes_nothing(release, question, monkeypatch):
    additions = [Addition.parse(text) for text in QUESTIONS[question]]
    effects = release.effects(additions)
    assert bool(effects) == (question != "outside every community")
    monkeypatch.setattr(rerun, "_RULES", {name: rerun._RULES[name] for name in NOT_LEFT_OUT})
    assert release.effects(additions) == effects


def test_the_same_question_has_the_same_answer_whatever_was_asked_before(release):
    first, other = (
        [Addition.parse(text) for text in QUESTIONS[name]] for name in ("coverage", "several kinds")
    )
    answer = release.effects(first)
    assert release.effects(other) != answer
    assert release.effects(first) == answer
    assert release.effects([]) == []
