"""What a release tells of people's answers, as tables of cells that add up: the survey, and how reporters rated.

Counts and weighted answers of each community come from the places; every wider area and every group is a sum of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from citycheck.disclosure.system import Cell, Equation, Flags, Layer, Table, nested

ALL = "all"
_ENDLESS = 1e6
"""More people than any cell can have: what is known of a hidden count before anything is published."""


@dataclass(frozen=True)
class Limits:
    """The standard's numbers: parameters of the seed `scoring`."""

    survey_n_min: float
    population_n_min: float
    count_width_min: float
    share_width_min: float

    @classmethod
    def of(cls, scoring: Mapping[str, float]) -> Limits:
        return cls(
            scoring["survey_n_min"],
            scoring["population_n_min"],
            scoring["disclosure_count_width_min"],
            scoring["disclosure_share_width_min"],
        )


@dataclass(frozen=True)
class Sums:
    """Of one community and group: answers, the weight of who answered, and weighted answers by what is told of them."""

    answers: float
    weight: float
    told: tuple[float, ...]


def table(
    name: tuple[str, str],
    areas: Mapping[str, Mapping[str, str]],
    groups: Mapping[str, Sequence[str]],
    sums: Mapping[tuple[str, str], Sums],
    told: int,
    limits: Limits,
    pooled: Mapping[str, Mapping[str, float]] | None = None,
    elsewhere: Mapping[Cell, Sums] | None = None,
) -> Table:
    """The cells of one question: every area, everybody and each group.

    `areas` are those of each community by level, finest first; `groups` the groups that everybody falls into, by
    characteristic; `sums` by community and group; `told` how many weighted answers each has. `pooled` are the people of a
    group by community who weigh the shares of the index, `elsewhere` what an area has besides its communities.
    """
    names = [ALL, *(group for of in groups.values() for group in of)]
    nobody = Sums(0, 0, (0.0,) * told)
    amounts: dict[Cell, list[float]] = defaultdict(lambda: [0.0] * (2 + told))
    for level, of_community in areas.items():
        for community, area in of_community.items():
            for group in names:
                found = sums.get((community, group), nobody)
                for place, amount in enumerate((found.answers, found.weight, *found.told)):
                    amounts[level, area, group][place] += amount
    for cell, found in (elsewhere or {}).items():
        if cell in amounts:
            for place, amount in enumerate((found.answers, found.weight, *found.told)):
                amounts[cell][place] += amount
    cells = sorted(amounts, key=lambda cell: (list(areas).index(cell[0]), cell[1], names.index(cell[2])))
    places = {cell: place for place, cell in enumerate(cells)}
    answers = np.array([amounts[cell][0] for cell in cells])
    weight = np.array([amounts[cell][1] for cell in cells])

    equations: list[Equation] = []
    loose: list[Equation] = []
    for total, parts in nested(areas):
        for group in names:
            equations.append(
                {**{places[*part, group]: 1.0 for part in parts}, places[*total, group]: -1.0},
            )
    for level, area in dict.fromkeys((level, area) for level, area, _ in cells):
        everybody = places[level, area, ALL]
        for of in groups.values():
            said = [places[level, area, group] for group in of]
            # where most have not said it, how many these are is known to nobody
            known = 2 * answers[said].sum() >= answers[everybody]
            (equations if known else loose).append({**dict.fromkeys(said, 1.0), everybody: -1.0})

    pooling = [
        (
            {
                places["community", community, group]: people / sums[community, group].weight
                for community, people in of_community.items()
                if of.get(community) == area
                and (community, group) in sums
                and sums[community, group].weight > 0
            },
            places[level, area, group],
        )
        for group, of_community in (pooled or {}).items()
        for level, of in areas.items()
        if level != "community"
        for area in sorted(set(of.values()))
    ]
    count = Layer(
        answers,
        np.where(answers > 0, _ENDLESS, 0),  # where nobody answered may be known otherwise
        np.where(answers > 0, limits.count_width_min, 0),
    )
    # a share may be told within so many points, and no nearer than one answer
    nearest = weight * np.maximum(limits.share_width_min, 1 / np.maximum(answers, 1))
    shares = [
        Layer(np.array([amounts[cell][2 + place] for cell in cells]), weight, nearest, pooling)
        for place in range(told)
    ]
    indexed = np.array([group in (pooled or {}) for *_, group in cells])
    return Table(name, cells, equations, [count, *shares], answers * np.where(indexed, 3.0, 1.0), loose)


def primary(of: Table, n_min: float) -> Flags:
    """The cells of too few people; none of a group that nobody in the city belongs to, of which there is nothing to keep."""
    counts = of.counts.values
    asked = {
        group
        for (level, _, group), count in zip(of.cells, counts, strict=True)
        if level == "city" and count > 0
    }
    few: Flags = (counts < n_min) & np.array([group in asked for *_, group in of.cells])
    return few


@dataclass(frozen=True)
class Question:
    """A table and the number of people below which its cells are kept back."""

    table: Table
    n_min: float

    @property
    def primary(self) -> Flags:
        return primary(self.table, self.n_min)


def of_places(
    places: duckdb.DuckDBPyConnection, weights: Sequence[Mapping[str, object]], limits: Limits
) -> list[Question]:
    """Every table of a release that tells what people answered, from the places and the weights of the survey.

    Groups, needs and indicators are those of the standard; nothing where there is neither survey nor rating.
    """
    areas: dict[str, dict[str, str]] = {level: {} for level in ("community", "street", "county", "city")}
    for level, area, community in places.execute(
        "select area_level, area_id, community_id from intermediate.int_community_areas order by all"
    ).fetchall():
        areas[level][community] = area
    found = [*_survey(places, weights, areas, limits), *_ratings(places, areas, limits)]
    return [question for question in found if question.table.counts.values.any()]


def _survey(
    places: duckdb.DuckDBPyConnection,
    weights: Sequence[Mapping[str, object]],
    areas: Mapping[str, Mapping[str, str]],
    limits: Limits,
) -> list[Question]:
    asked = places.execute(
        "select question_code, module from standard.survey_questions order by 1"
    ).fetchall()
    characteristics = places.execute(
        "select characteristic, category, group_code from standard.survey_characteristics order by category_order"
    ).fetchall()
    groups: dict[str, list[str]] = defaultdict(list)
    for name, _, group in characteristics:
        if group is not None:
            groups[name].append(group)
    places.register("weighed", pa.table({
        "response_id": pa.array([row["response_id"] for row in weights], pa.string()),
        "weight": pa.array([row["weight"] for row in weights], pa.float64()),
    }))  # fmt: skip
    said = " union all ".join(
        f"select response_id, '{name}' as characteristic, {_CATEGORIES.get(name, name)} as category "
        "from staging.stg_survey_responses"
        for name in dict.fromkeys(name for name, *_ in characteristics)
    )
    places.execute(f"""
        create or replace temp table respondents as
        select response_id, community_id, top_needs, coalesce(weight, 1) as weight
        from staging.stg_survey_responses left join weighed using (response_id);
        create or replace temp table said as
        select response_id, characteristic, category, group_code from ({said})
        inner join standard.survey_characteristics using (characteristic, category);
        create or replace temp table answers as
        from (unpivot staging.stg_survey_responses on {", ".join(code for code, _ in asked)} into name question value score)
        select response_id, question, score;
    """)
    answered = """
        select question, community_id, group_code, count(*), sum(weight),
            sum(case when score >= satisfied_score_min then weight else 0 end)
        from answers inner join respondents using (response_id)
        inner join (
            select response_id, 'all' as group_code from respondents
            union all
            select response_id, group_code from said where group_code is not null
        ) using (response_id)
        cross join (select value as satisfied_score_min from standard.scoring where parameter = 'satisfied_score_min')
        group by all order by all
    """
    sums: dict[str, dict[tuple[str, str], Sums]] = defaultdict(dict)
    for question, community, group, count, weight, satisfied in places.execute(answered).fetchall():
        sums[question][community, group] = Sums(count, weight, (satisfied,))
    people: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for question, group, community, population in places.execute("""
        select survey_question,
            case respondents when 'aged_60_plus' then 'age_60_plus' when 'children_0_12' then 'child_yes' else 'all' end,
            community_id, population
        from intermediate.int_indicators inner join intermediate.int_community_groups on group_code = target_group
        where survey_question is not null and population > 0 order by all
    """).fetchall():
        people[question][group][community] = population
    found = []
    for question, module in asked:
        if module == "QD":  # importance of needs, asked of everybody alone
            name = ("survey_needs", question.removeprefix("importance_").upper())
            made = table(name, areas, {}, sums[question], 1, limits)
        else:
            made = table(
                ("survey_satisfaction", question),
                areas,
                groups,
                sums[question],
                1,
                limits,
                people.get(question),
            )
        found.append(Question(made, limits.survey_n_min))
    needs = [code for (code,) in places.execute("select need_code from standard.needs order by 1").fetchall()]
    named = ", ".join(
        f"sum(case when list_contains(string_split(top_needs, '|'), '{need}') then weight else 0 end)"
        for need in needs
    )
    choosing = {
        (community, ALL): Sums(count, weight, tuple(told))
        for community, count, weight, *told in places.execute(
            f"select community_id, count(*), sum(weight), {named} from respondents "
            "where top_needs is not null group by 1 order by 1"
        ).fetchall()
    }
    found.append(
        Question(table(("survey_needs", ALL), areas, {}, choosing, len(needs), limits), limits.survey_n_min)
    )
    for name in dict.fromkeys(name for name, *_ in characteristics):
        who = {
            (community, ALL): Sums(count, count, ())
            for community, count in places.execute(
                "select community_id, count(*) from said inner join respondents using (response_id) "
                "where characteristic = ? group by 1 order by 1",
                [name],
            ).fetchall()
        }
        found.append(
            Question(table(("survey_portrait", name), areas, {}, who, 0, limits), limits.survey_n_min)
        )
    return found


def _ratings(
    places: duckdb.DuckDBPyConnection, areas: Mapping[str, Mapping[str, str]], limits: Limits
) -> list[Question]:
    """How reporters rated, by category; a report without a place is in its county or city and in no community."""
    rated = places.execute("""
        select area_level, area_id, is_located, category_code, count(is_satisfied), sum(is_satisfied::int)
        from intermediate.int_repair_clocks inner join intermediate.int_repair_areas using (report_id)
        where is_satisfied is not null group by all order by all
    """).fetchall()
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    elsewhere: dict[Cell, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for level, area, is_located, category, ratings, satisfied in rated:
        for group in (ALL, category):
            amounts = sums[area, group] if is_located else elsewhere[level, area, group]
            if level == "community" or not is_located:
                amounts[0] += ratings
                amounts[1] += satisfied
    groups = {"category_code": sorted({category for *_, category, _, _ in rated})}
    made = table(
        ("repair_statistics", ALL),
        areas,
        groups,
        {key: Sums(n, n, (yes,)) for key, (n, yes) in sums.items()},
        1,
        limits,
        elsewhere={cell: Sums(n, n, (yes,)) for cell, (n, yes) in elsewhere.items()},
    )
    return [Question(made, limits.population_n_min)]


_CATEGORIES = {
    "has_child_0_12": "case when has_child_0_12 then 'yes' when not has_child_0_12 then 'no' end",
    "household_size": "case when household_size >= 5 then '5+' when household_size >= 1 then household_size::varchar end",
}
"""How a column of the answers becomes a category of the standard, as in int_survey_respondents."""
