"""Figures of the city's own practice: credit ratings of property-service companies, income of the collectives."""

from __future__ import annotations

import numpy as np

from citycheck.period import HalfYear
from citycheck.sample.draws import HALF_YEARS, MIDDLE, Array, stream
from citycheck.sample.people import People
from citycheck.sample.places import Places
from citycheck.sample.words import CREDIT_GRADES, WITH_COMPANY

COMPANIES = 48
ENTERPRISING = 0.09
"""Share of the communities whose collective runs a business worth the name."""


def credit_columns(seed: int, people: People, half_year: HalfYear, t: int) -> dict[str, list[object]]:
    """The rating of the company that serves each estate; 4 of 100 such estates have not been rated yet."""
    rng = stream(seed, "credit")
    company = rng.integers(0, COMPANIES, len(people.estate_ids))
    unrated = rng.random(len(people.estate_ids)) < 0.04
    points = np.clip(rng.normal(83, 8, COMPANIES), 45, 99)
    steps = stream(seed, "credit", "steps").normal(0, 1.5, (COMPANIES, HALF_YEARS)).cumsum(axis=1)
    points = np.round(np.clip(points + steps[:, t] - steps[:, MIDDLE], 40, 100), 1)[company]
    rated = np.isin(people.property_model, WITH_COMPANY) & ~unrated
    grades = np.array(list(CREDIT_GRADES), dtype=object)[
        np.searchsorted([-x for x in CREDIT_GRADES.values()], -points)
    ]
    columns: dict[str, Array] = {
        "小区编码": people.estate_ids[rated],
        "物业企业信用得分": points[rated],
        "信用等级": grades[rated],
    }
    day = f"{half_year.year}-{'04' if half_year.half == 1 else '10'}-30"
    return {name: values.tolist() for name, values in columns.items()} | {
        "评价日期": [day] * int(rated.sum())
    }


def income_columns(seed: int, places: Places, half_year: HalfYear) -> dict[str, list[object]]:
    """Operating income of each community's collective in the year before the half-year, in whole yuan."""
    units = len(places.rows)
    rng = stream(seed, "income")
    usual = np.exp(rng.normal(np.log(70_000), 0.55, units))
    usual = np.where(rng.random(units) < ENTERPRISING, rng.uniform(260_000, 620_000, units), usual)
    year = half_year.year - 1
    growth = stream(seed, "income", year).normal(1, 0.06, units) * 1.04 ** (year - 2025)
    income = np.rint(usual * growth).astype(int)
    return {
        "社区编码": places.ids.tolist(),
        "年度": [year] * units,
        "年经营性收入(元)": income.tolist(),
        "截至日期": [f"{half_year.year}-01-01"] * units,
    }
