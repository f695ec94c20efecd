"""A real wave of a survey through a profile to weighted results by council district, counted again with pandas alone."""

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
QUESTIONS = {"satisfaction_edu": "q2_07", "satisfaction_hlt": "q3_08", "report_result": "q17_04"}
AGE_BANDS = {"1": 24, "2": 34, "3": 44, "4": 54, "5": 64}
"""Code of the question of age → the last year of its band; 6 is 65 and more."""
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
    (sources / "census").mkdir()
    shutil.copy(here / "kansas_city" / "margins.csv", sources / "census")
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


def test_codes_agree_with_the_answers(raw: pd.DataFrame) -> None:
    """Renters are younger and poorer than owners; nobody has lived in the city longer than the band of his age allows.

    The codebook does not name q36_a: it reads as these years, for its largest value is the last year of each band.
    """
    years = pd.to_numeric(raw["q36_a"]).groupby(raw["q40_w"]).max()
    assert years.drop("6").to_dict() == AGE_BANDS
    low_income, young = raw["q39_w"] == "1", raw["q40_w"].isin(["1", "2"])
    for of in (low_income, young):
        shares = of.groupby(raw["q34_d"]).mean()
        assert shares["2"] > 1.8 * shares["1"]


@pytest.fixture(scope="module")
def margins() -> pd.Series:
    """People of the city by sex, as the register's file tells them."""
    path = Path(__file__).parent / "kansas_city" / "margins.csv"
    told = pd.read_csv(path)
    assert told["source"].str.contains("Census").all() and told["mark"].isin(["published", "derived"]).all()
    assert set(told["characteristic"]) == {"sex"}
    return told.set_index("category")["people"]


@pytest.fixture(scope="module")
def weight(raw: pd.DataFrame, margins: pd.Series) -> pd.Series:
    """Of all weights with the register's total and proportion of sexes, those of least Σ w·ln(w / w₀) − w + w₀.

    By Lagrange, with the share p of women: t·exp(λ(1 − p)) of a woman, t·exp(−λp) of a man, t of who is neither.
    """
    women, men = raw["q41_w"] == "2", raw["q41_w"] == "1"
    share = margins["f"] / margins.sum()
    log = np.log(men.sum() / women.sum() * share / (1 - share))
    relative = np.exp(log * ((1 - share) * women - share * men))
    return relative / relative.sum() * margins.sum()


def test_weights_are_the_nearest_that_agree_with_the_register(
    marts: object, raw: pd.DataFrame, weight: pd.Series, margins: pd.Series
) -> None:
    found = rows(marts, "from intermediate.int_survey_respondents").set_index("response_id")
    assert set(found["weighting"]) == {"raked"}
    assert found["weight"][raw["id"]].to_numpy() == pytest.approx(weight.to_numpy(), rel=1e-9)
    assert found["weight"].sum() == pytest.approx(margins.sum())
    by_sex = found.groupby("sex")["weight"].sum()
    assert by_sex["f"] / by_sex.sum() == pytest.approx(margins["f"] / margins.sum())
    portrait = rows(
        marts,
        "from marts.survey_portrait where area_level = 'city' and characteristic = 'sex' order by category",
    )
    assert portrait["register_pct"].tolist() == pytest.approx((100 * margins / margins.sum()).tolist())
    assert portrait["weighted_difference_points"].abs().max() == 0


def recount(
    raw: pd.DataFrame, weight: pd.Series, question: str, people: pd.Series | None = None
) -> dict[str, float]:
    """Share, mean and margin of one question's answers by rows of the wave, rounded as they are published; `people`: weights
    of all of a group.
    """
    scores = pd.to_numeric(raw[QUESTIONS[question]]).where(lambda score: score.between(1, 5)).dropna()
    of = weight[scores.index]
    n, effective = len(scores), of.sum() ** 2 / (of**2).sum()
    share = of[scores >= 4].sum() / of.sum()
    rest = 1.0 if people is None else (people.sum() - n) / (people.sum() - 1)
    return {
        "respondents": (n + 2) // 5 * 5,
        "effective_respondents": np.floor(effective / 5 + 1e-9) * 5,
        "top2_pct": round(100 * share, 1),
        "mean_score": round((of * (scores - 1) * 25).sum() / of.sum(), 1),
        "margin_of_error_pct": round(196 * np.sqrt(share * (1 - share) / effective * rest), 1),
    }


@pytest.fixture(scope="module")
def satisfaction(marts: object) -> pd.DataFrame:
    keys = ["question_code", "group_code", "area_id"]
    return rows(marts, "from marts.survey_satisfaction").set_index(keys).sort_index()


@pytest.mark.parametrize("question", QUESTIONS)
def test_results_by_district_equal_an_independent_recount(
    satisfaction: pd.DataFrame, raw: pd.DataFrame, weight: pd.Series, question: str
) -> None:
    """How many live in a district is not known, so margins have no correction for a finite population."""
    found = satisfaction.loc[(question, "all")]
    districts = dict(list(raw.groupby("D" + raw["counci"])))
    for where, of in {"kansas_city": raw, **districts}.items():
        expected = recount(of, weight, question)
        assert expected["respondents"] >= 100
        row = found.loc[where]
        assert (row["weighting"], row["is_suppressed"]) == ("raked", False)
        assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-8)
        assert row["effective_respondents"] <= row["respondents"]


@pytest.mark.parametrize(
    ("group", "column", "code"),
    [("sex_f", "q41_w", "2"), ("tenure_owner", "q34_d", "1"), ("tenure_renter", "q34_d", "2")],
)
def test_results_by_group_equal_an_independent_recount(
    satisfaction: pd.DataFrame, raw: pd.DataFrame, weight: pd.Series, group: str, column: str, code: str
) -> None:
    """Groups have the people whom their respondents stand for."""
    of = raw[raw[column] == code]
    for question in QUESTIONS:
        expected = recount(of, weight, question, weight[of.index])
        row = satisfaction.loc[(question, group, "kansas_city")]
        assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-8)


def test_the_results_stand_in_the_documentation(satisfaction: pd.DataFrame) -> None:
    """One table of all questions by district; `pytest -s` prints it as docs/survey.md has it."""
    lines = []
    for where, name in [(f"D{n}", f"District {n}") for n in range(1, 7)] + [("kansas_city", "City")]:
        cells = [
            f"{row.top2_pct:.1f} ± {row.margin_of_error_pct:.1f} | {row.respondents:.0f} ({row.effective_respondents:.0f})"
            for row in (satisfaction.loc[(question, "all", where)] for question in QUESTIONS)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    print(f"\n{table}")
    assert table in (Path(__file__).parents[1] / "docs" / "survey.md").read_text(encoding="utf-8")


def test_nothing_is_guessed(marts: object) -> None:
    """Only questions and characteristics that the standard has too are taken; groups of too few show nothing."""
    asked = rows(marts, "select distinct question_code from intermediate.int_survey_answers order by 1")
    assert asked["question_code"].tolist() == sorted(QUESTIONS)
    said = rows(
        marts, "select distinct characteristic, category from intermediate.int_survey_characteristics"
    )
    assert set(said.itertuples(index=False, name=None)) == {
        ("sex", "f"),
        ("sex", "m"),
        ("tenure", "owner"),
        ("tenure", "renter"),
    }
    register = rows(marts, "select distinct county_id, characteristic from staging.stg_survey_margins")
    assert register.to_numpy().tolist() == [[None, "sex"]]
    small = rows(marts, "from marts.survey_satisfaction where is_suppressed or respondents < 30")
    assert len(small) and small["top2_pct"].isna().all()
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
        channel: (count + 2) // 5 * 5
        for channel, count in {
            "all": RESPONDENTS,
            "online": (raw["method"] == "Web").sum(),
            "paper": (raw["method"] == "Mail").sum(),
            "phone": PHONE,
        }.items()
    }
    assert found[["invited", "response_rate_pct"]].isna().all(axis=None)


def test_declared_breaks_are_carried(satisfaction: pd.DataFrame) -> None:
    told = satisfaction.loc[(slice(None), "all", "kansas_city"), :].droplevel(["group_code", "area_id"])
    assert told["is_break"].all() and told["change_points"].isna().all()
    assert told.loc["satisfaction_hlt", ["break_en", "break_zh"]].tolist() == [
        "The city's own wording",
        "本市问法",
    ]
    assert told.loc["satisfaction_edu", "break_en"] == (
        "The city's own wording; The education system alone; childcare was not asked"
    )


def test_health_indicator_needs_residents(marts: object) -> None:
    """The index weighs by residents, and of them nothing is known: satisfaction is shown, and not scored."""
    found = rows(
        marts,
        "select distinct missing_reason from intermediate.int_ratios_satisfaction where indicator_code = 'HLT-4'",
    )
    assert found["missing_reason"].tolist() == ["group_unknown"]
