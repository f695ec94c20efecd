"""A real wave of a survey through a profile to results by council district, counted again with pandas alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HALF_YEAR = "2021H2"
RESPONDENTS, PHONE = 1033, 17
pytestmark = [pytest.mark.slow, pytest.mark.cities]


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "kansas-city" / "FY2022_RS_Cleaned_safe.csv", dtype=str)


def square(number: int) -> dict[str, object]:
    """A stand-in for a district: the real outline is not in the data."""
    west, south = -94.8 + 0.06 * (number % 3), 39.0 + 0.06 * (number // 3)
    ring = [
        (west, south),
        (west + 0.06, south),
        (west + 0.06, south + 0.06),
        (west, south + 0.06),
        (west, south),
    ]
    shape = {"type": "Polygon", "coordinates": [[[round(x, 6), round(y, 6)] for x, y in ring]]}
    return {"type": "Feature", "properties": {"district": str(number + 1)}, "geometry": shape}


@pytest.fixture(scope="module")
def marts(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The marts of the wave, made by the steps without Airflow, in a project that has this one city."""
    from citycheck import duck
    from citycheck import settings as settings_module
    from citycheck.cities.profile import load_city
    from citycheck.steps import index, ingest

    here = Path(__file__).parent
    project, sources = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("sources")
    for name in ("dbt_project", "expectations", "plugins", "docs"):
        (project / name).symlink_to(here.parent / name)
    shutil.copytree(here / "kansas_city", project / "cities" / "kansas_city")
    (sources / "kansas-city").symlink_to(shared_data / "kansas-city")
    (sources / "stand-ins").mkdir()
    (sources / "stand-ins" / "districts.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [square(number) for number in range(6)]})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(tmp_path_factory.mktemp("kansas_city")))
        patch.setenv("CITYCHECK_SOURCES", str(sources))
        patch.setenv("CITYCHECK_PROJECT", str(project))
        settings_module.settings.cache_clear()
        load_city.cache_clear()
        for feed in ("communities", "survey"):
            about = ("kansas_city", feed, HALF_YEAR)
            delivery = ingest.land(*about, datetime(2026, 1, 1, tzinfo=UTC))
            ingest.map_delivery(*about, delivery)
            ingest.gate(*about, delivery)
            ingest.accept(*about, delivery)
        build = index.freeze("kansas_city", HALF_YEAR)
        for counties in index.build_places(build):
            index.measure_access(build, counties)
        index.build_marts(build)
        with duck.connect(build.marts, read_only=True) as connection:
            yield connection
    settings_module.settings.cache_clear()
    load_city.cache_clear()


def rows(marts: object, sql: str) -> pd.DataFrame:
    return marts.execute(sql).df()  # type: ignore[attr-defined,no-any-return]


def test_the_file_is_the_wave_that_its_description_tells(raw: pd.DataFrame) -> None:
    assert len(raw) == RESPONDENTS
    assert raw["id"].is_unique
    assert set(raw["counci"]) == set("123456")


def test_satisfaction_by_district_equals_an_independent_recount(marts: object, raw: pd.DataFrame) -> None:
    """Everybody weighs the same and the population is not known, so shares are plain and margins have no correction."""
    found = rows(
        marts,
        """
        select area_level, area_id, respondents, effective_respondents, top2_pct, mean_score, margin_of_error_pct, weighting
        from marts.survey_satisfaction where question_code = 'satisfaction_hlt' and group_code = 'all'
        """,
    ).set_index(["area_level", "area_id"])
    scores = pd.to_numeric(raw["q3_08"]).where(lambda score: score.between(1, 5))
    for where, answers in [("city", scores), *scores.groupby("D" + raw["counci"])]:
        known = answers.dropna()
        n, share = len(known), (known >= 4).mean()
        row = found.loc[("city", "kansas_city") if where == "city" else ("community", where)]
        assert n >= 30
        assert (row["respondents"], row["weighting"]) == (n, "none")
        assert row["effective_respondents"] == pytest.approx(n)
        assert row["top2_pct"] == pytest.approx(100 * share)
        assert row["mean_score"] == pytest.approx(100 * ((known - 1) / 4).mean())
        assert row["margin_of_error_pct"] == pytest.approx(196 * np.sqrt(share * (1 - share) / n))
    assert (found.xs("community")["top2_pct"].notna()).sum() == 6


def test_nothing_is_guessed(marts: object, raw: pd.DataFrame) -> None:
    """Only the questions that the standard asks have answers; without a register weights are declared none."""
    asked = rows(marts, "select distinct question_code from intermediate.int_survey_answers order by 1")
    assert asked["question_code"].tolist() == ["report_result", "satisfaction_hlt"]
    weights = rows(marts, "select distinct weighting, weight from intermediate.int_survey_respondents")
    assert weights.to_dict("records") == [{"weighting": "none", "weight": 1.0}]
    assert rows(marts, "from staging.stg_survey_margins").empty
    shown = rows(
        marts, "select count(top2_pct) as n from marts.survey_satisfaction where group_code <> 'all'"
    )
    assert shown["n"].tolist() == [0]
    needs = rows(marts, "select count(urgent_pct) + count(mean_importance) as n from marts.survey_needs")
    assert needs["n"].tolist() == [0]


def test_response_by_channel(marts: object, raw: pd.DataFrame) -> None:
    """Who was asked is not known, so there is no rate; those who were called are told apart."""
    found = rows(
        marts,
        """
        select channel, respondents, invited, response_rate_pct from marts.survey_response
        where area_level = 'city' order by channel
        """,
    )
    assert dict(zip(found["channel"], found["respondents"], strict=True)) == {
        "all": RESPONDENTS,
        "online": (raw["method"] == "Web").sum(),
        "paper": (raw["method"] == "Mail").sum(),
        "phone": PHONE,
    }
    assert found[["invited", "response_rate_pct"]].isna().all(axis=None)


def test_a_declared_break_is_carried(marts: object) -> None:
    found = rows(
        marts,
        "select distinct is_break, break_en, break_zh, change_points from marts.survey_satisfaction",
    )
    assert found[["is_break", "break_en", "break_zh"]].to_numpy().tolist() == [
        [True, "The city's own wording", "本市问法"]
    ]
    assert found["change_points"].isna().all()


def test_health_indicator_needs_residents(marts: object) -> None:
    """The index weighs by residents, and of them nothing is known: satisfaction is shown, and not scored."""
    found = rows(
        marts,
        "select distinct missing_reason from intermediate.int_ratios_satisfaction where indicator_code = 'HLT-4'",
    )
    assert found["missing_reason"].tolist() == ["group_unknown"]
