"""The survey on the small city: weights that agree with a register, needs beside meetings, who answered of whom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from html import escape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_city import Build, SmallCity

from citycheck.survey import insight

pytestmark = pytest.mark.slow
MODELS = "+survey_satisfaction +survey_needs +survey_portrait +survey_response +int_survey_precision +population_margins_agree"
SHARES = {
    "age_band": {"18-29": 0.4, "30-44": 0.3, "45-59": 0.2, "60+": 0.1},
    "sex": {"f": 0.4, "m": 0.6},
}
"""The small city's men are 18 to 29 or 45 to 59, its women are not: 60 % and 40 % are what these ages say, too."""


@pytest.fixture(scope="module")
def surveyed(dbt: Callable[..., Build]) -> Build:
    """A register of age and sex in county K1 only; minutes of a meeting in C1; invitations in C1 alone."""
    city = SmallCity()
    city.tables["population_margins"] = [
        {"community_id": f"C{number}", "characteristic": name, "category": category, "people": 1000 * share}
        for number in range(1, 5)
        for name, shares in SHARES.items()
        for category, share in shares.items()
    ]
    city.tables["survey_invitations"] = [{"community_id": "C1", "channel": "online", "invited": 200}]
    city.tables["meeting_items"] = [
        {"meeting_id": "M", "item_number": number, "community_id": "C1", "held_at": dt.datetime(2026, 3, 5)}
        | {"attendees": 20, "need_code": "N03", "supporters": supporters}
        for number, supporters in ((1, 5), (2, 9))
    ]
    return dbt(city, "--select", MODELS, "--indirect-selection", "cautious")


def frame(build: Build, sql: str) -> pd.DataFrame:
    import duckdb

    with duckdb.connect(str(build.database), read_only=True) as connection:
        return connection.execute(sql).df()


def test_weights_agree_with_residents_and_register(surveyed: Build) -> None:
    found = frame(
        surveyed,
        """
        select county_id, respondents.* from intermediate.int_survey_respondents as respondents
        inner join staging.stg_communities using (community_id)
        """,
    )
    residents = frame(
        surveyed,
        "select community_id, sum(residents) as n from intermediate.int_demand_points group by 1 order by 1",
    ).set_index("community_id")["n"]
    sums = found.groupby("community_id")["weight"].sum()
    np.testing.assert_allclose(sums[residents.index], residents.to_numpy(float), rtol=1e-9)
    kinds = found.groupby("community_id")["weighting"].unique().map(list)
    assert kinds[["C1", "C5", "C8"]].tolist() == [["raked"], ["population"], ["none"]]
    raked = found[found["county_id"] == "K1"]
    for name, shares in SHARES.items():
        reached = raked.groupby(name)["weight"].sum() / raked["weight"].sum()
        np.testing.assert_allclose(reached[list(shares)], list(shares.values()), atol=1e-6)


def test_weights_reach_the_marts(surveyed: Build) -> None:
    """C1 by hand from its weights; a county with and one without a register; C8, where nobody is known to live."""
    answers = frame(
        surveyed,
        "select * from intermediate.int_survey_answers where community_id = 'C1' and question_code = 'satisfaction_gov'",
    )
    share = answers.loc[answers["score"] >= 4, "weight"].sum() / answers["weight"].sum()
    mart = frame(
        surveyed,
        "from marts.survey_satisfaction where question_code = 'satisfaction_gov' and group_code = 'all'",
    ).set_index("area_id")
    assert mart.loc["C1", "top2_pct"] == pytest.approx(100 * share, abs=0.05)
    effective = answers["weight"].sum() ** 2 / (answers["weight"] ** 2).sum()
    assert mart.loc["C1", "effective_respondents"] == effective // 5 * 5
    assert effective < 120
    assert mart.loc[["K1", "C5", "C8"], "weighting"].tolist() == ["raked", "population", "none"]
    assert mart.loc["K2", "weighting"] == "mixed"
    assert mart.loc["C5", "effective_respondents"] == pytest.approx(120)
    assert bool(mart.loc["C3", "is_suppressed"]), "29 answers"


def test_few_answers_are_kept_back_with_others(surveyed: Build) -> None:
    """The 29 of C3, and what they could be computed from: one of its street at least, and no number of either."""
    cells = frame(
        surveyed,
        """
        select area_id, suppression, respondents, top2_pct, weighting, conf_status from marts.survey_satisfaction
        where question_code = 'satisfaction_gov' and group_code = 'all' and area_level = 'community'
        """,
    ).set_index("area_id")
    hidden = cells[cells["suppression"].notna()]
    assert "C3" in hidden.index and len(hidden) > 1
    assert set(hidden["suppression"]) == {"withheld"} and set(hidden["conf_status"]) == {"C"}, (
        "one word for both"
    )
    assert hidden[["respondents", "top2_pct", "weighting"]].isna().all(axis=None)
    assert set(cells["respondents"].dropna() % 5) == {0}


def test_needs_stand_beside_meetings(surveyed: Build) -> None:
    """Everybody names N01 and N02: both are first, all others follow; the meeting's need has its people once."""
    needs = frame(surveyed, "from marts.survey_needs where area_id = 'C1'").set_index("need_code")
    assert len(needs) == 30
    assert needs["category_code"].nunique() == 9
    assert needs.loc[["N01", "N02", "N03"], "need_rank"].tolist() == [1, 1, 3]
    assert needs.loc[["N01", "N02", "N03"], "rank_high"].tolist() == [2, 2, 30]
    assert needs.loc["N01", "urgent_pct"] == pytest.approx(100)
    assert needs.loc["N01", "urgent_low_pct"] < 98
    assert needs.loc["N03", ["meetings", "meeting_supporters", "evidence"]].tolist() == [
        1,
        10,  # nine of them
        "survey and meetings",
    ]
    assert set(needs["evidence"].drop("N03")) == {"survey"}


def test_who_lives_and_who_answered(surveyed: Build) -> None:
    portrait = frame(
        surveyed, "from marts.survey_portrait where area_id = 'K1' and characteristic = 'age_band'"
    ).set_index("category")
    assert portrait["register_pct"].to_dict() == pytest.approx(
        {band: 100 * share for band, share in SHARES["age_band"].items()}
    )
    assert portrait["weighted_difference_points"].abs().max() == 0
    assert portrait["difference_points"].abs().max() > 10
    unknown = frame(surveyed, "from marts.survey_portrait where area_id = 'K2' and characteristic = 'sex'")
    assert unknown["register_pct"].isna().all()
    assert unknown["respondents_pct"].notna().all()


def test_response_is_known_where_invitations_are(surveyed: Build) -> None:
    rates = frame(surveyed, "from marts.survey_response").set_index(["area_id", "channel"])
    assert rates.loc[("C1", "online"), "response_rate_pct"] == pytest.approx(40)
    assert rates.loc[[("C1", "all"), ("C2", "online"), ("K1", "online")], "response_rate_pct"].isna().all()


def test_the_page_of_a_community_shows_the_marts_or_nothing(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1 has 120 answers and C3 29, told as 30: of these no share is on the page, in neither language."""
    (tmp_path / "2026H1.duckdb").symlink_to(build.database)
    home, name = SimpleNamespace(warehouse=tmp_path), SimpleNamespace(zh="合成市", en="Synthetic city")
    city = SimpleNamespace(profile=SimpleNamespace(city="small", name=name, is_synthetic=True))
    monkeypatch.setattr(insight, "settings", lambda: SimpleNamespace(city_home=lambda _: home))
    monkeypatch.setattr(insight, "load_city", lambda _: city)
    pages = {
        code: insight.write("small", code, None, tmp_path / f"{code}.html").read_text(encoding="utf-8")
        for code in ("C1", "合成社区3")
    }
    enough, too_few = pages.values()
    shares = frame(
        build,
        """
        select dimensions.name_en, top2_pct from marts.survey_satisfaction
        inner join standard.survey_questions using (question_code)
        inner join standard.dimensions using (dimension_code)
        where area_id = 'C1' and group_code = 'all' and module = 'QB'
        """,
    )
    assert len(shares) == 8
    for dimension, share in shares.itertuples(index=False):
        [row] = [line for line in enough.split("<tr>") if f">{escape(dimension)}</span></th>" in line]
        assert f'<td class="num">{share:.0f}</td>' in row
    for page, told in ((enough, False), (too_few, True)):
        assert ("问卷结果不公布：此处答卷不足 30 份" in page) is told
        assert ("Results of the survey are not shown: there are fewer than 30 answers" in page) is told
        for heading in ("最急需的需求", "Satisfaction", "最不满意的设施"):
            assert (f">{heading}</span>" in page) is not told
    assert ">30</dd>" in too_few, "29, as counts are published"


def test_margins_that_disagree_are_told_and_scaled(dbt: Callable[..., Build]) -> None:
    """The sexes sum to 2 % more than the ages, and exclude them: warnings, and weights still sum to the residents."""
    city = SmallCity()
    city.tables["population_margins"] = [
        {"community_id": None, "characteristic": name, "category": category, "people": people}
        for name, category, people in [
            ("sex", "f", 612.0),
            ("sex", "m", 408.0),
            *(("age_band", band, 250.0) for band in SHARES["age_band"]),
        ]
    ]
    models = "+int_survey_respondents +stg_survey_margins population_margins_agree survey_margins_reached"
    build = dbt(city, "--select", models, "--indirect-selection", "cautious")
    assert "WARN 1 population_margins_agree" in build.output
    assert "WARN 4 survey_margins_reached" in build.output
    [[total]] = build.rows(
        "select sum(weight) from intermediate.int_survey_respondents where weighting = 'raked'"
    )
    [[residents]] = build.rows("select sum(residents) from intermediate.int_demand_points")
    assert total == pytest.approx(residents)
