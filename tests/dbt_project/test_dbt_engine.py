"""The engine's dbt models against a plain oracle on random specs, and the laws that an index obeys."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import index_oracle
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from index_sql import MODELS, SqlEngine
from small_city import PROJECT

from citycheck.index.spec import Node, Spec, SpecFile

pytestmark = pytest.mark.slow
few = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a run of the models takes half a second: a failure is told as found
    suppress_health_check=list(HealthCheck),
)
NUMBERS = st.integers(-40, 400).map(lambda n: n / 8)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> SqlEngine:
    return SqlEngine(tmp_path_factory.mktemp("engine"))


def spec_of(index: dict[str, Any], **head: Any) -> Spec:
    return Spec._of(SpecFile.model_validate({"name": "test", "unit": "unit", "index": index, **head}))


def table_of(**columns: list[float | None]) -> pd.DataFrame:
    length = len(next(iter(columns.values())))
    return pd.DataFrame(
        {"unit": [f"u{n:03d}" for n in range(length)]}
        | {name: pd.Series(values, dtype=float) for name, values in columns.items()}
    )


def below(*leaves: dict[str, Any], **index: Any) -> dict[str, Any]:
    return {"code": "index", "children": list(leaves)} | index


RELATIVE = ["min_max", "z_score", "rank", "percentile_rank", "exponential_rank"]


@st.composite
def leaves(draw: st.DrawFn, column: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "column": column,
        "normalisation": draw(st.sampled_from([*RELATIVE, "none", "goalposts", "distance_to_target"])),
        "weight": draw(st.sampled_from([0.5, 1, 2, 22.5])),
        "direction": draw(st.sampled_from([1, -1])),
        "imputation": draw(st.sampled_from(["none", "none", "mean", "median"])),
        "outliers": draw(st.sampled_from(["none", "none", "winsorise_pct", "winsorise_skew"])),
        "outliers_skewness": draw(st.sampled_from([0.5, 2])),
        "outliers_kurtosis": draw(st.sampled_from([0.5, 3.5])),
        "ties": draw(st.sampled_from(["min", "mean", "max"])),
        "rank_share": draw(st.sampled_from(["(r-1)/(n-1)", "r/n", "(r-0.5)/n", "(r-1)/n", "r/(n+1)"])),
        "deviation": draw(st.sampled_from(["sample", "population"])),
        "rounding": draw(st.sampled_from(["half_up", "half_even", "down"])),
        "goalpost_low": 3,
        "goalpost_high": 17.5,
        "target": 30,
    }
    if draw(st.booleans()):
        made["decimals"] = draw(st.integers(0, 4))
    return made


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "mean": draw(st.sampled_from(["arithmetic", "geometric", "harmonic", "sum"])),
        "floor": draw(st.sampled_from([0.01, 1])),
        "min_share": draw(st.sampled_from([0, 0.5, 0.65, 1])),
        "normalisation": draw(st.sampled_from(["none", "none", *RELATIVE])),
        "direction": draw(st.sampled_from([1, 1, -1])),
    }


@st.composite
def cases(draw: st.DrawFn) -> tuple[Spec, pd.DataFrame]:
    """A tree whose leaves hang at two depths, and a table with ties and gaps."""
    units = draw(st.integers(1, 14))
    columns = {name: draw(st.lists(st.none() | NUMBERS, min_size=units, max_size=units)) for name in "abcd"}
    group = draw(groups()) | {"code": "group", "weight": 3, "children": [draw(leaves(n)) for n in "abc"]}
    index = draw(groups()) | {"code": "index", "children": [group, draw(leaves("d"))]}
    return spec_of(index), table_of(**columns)


@settings(few, max_examples=4)
@given(st.lists(cases(), min_size=20, max_size=20))
def test_the_models_are_the_oracle(engine: SqlEngine, drawn: list[tuple[Spec, pd.DataFrame]]) -> None:
    for (spec, table), found in zip(drawn, engine.scores_of(drawn), strict=True):
        expected = index_oracle.scores(spec, table)
        scores = found.set_index(["node_code", "area_id"])["score"]
        for node in spec.nodes:
            mine, theirs = scores[node.code].to_numpy(float), expected[node.code].to_numpy(float)
            assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-8, nan_ok=True), (node, table)


@few
@given(st.lists(NUMBERS, min_size=2, max_size=12), st.sampled_from([0.25, 3.0, 1024.0]), NUMBERS)
def test_min_max_and_z_scores_do_not_know_units(
    engine: SqlEngine, values: list[float], times: float, plus: float
) -> None:
    """Celsius or Fahrenheit: an affine change of the unit changes nothing."""
    for normalisation in ("min_max", "z_score", "percentile_rank"):
        spec = spec_of(below({"column": "a", "normalisation": normalisation}))
        tables = [table_of(a=values), table_of(a=[times * value + plus for value in values])]
        one, other = engine.each(spec, tables, "a")
        assert [x is None for x in one] == [x is None for x in other]
        assert [x for x in one if x is not None] == pytest.approx(
            [x for x in other if x is not None], abs=1e-9
        )


@few
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=10),
    st.sampled_from(["arithmetic", "geometric", "harmonic", "sum"]),
    st.sampled_from([1, -1]),
    st.sampled_from([0.125, 5.0, 100.0]),
)
def test_a_better_value_is_never_a_worse_score(
    engine: SqlEngine, values: list[tuple[float, float]], mean: str, direction: int, more: float
) -> None:
    leaf = {"normalisation": "goalposts", "goalpost_low": 0, "goalpost_high": 40}
    spec = spec_of(
        below({"column": "a", "direction": direction, **leaf}, {"column": "b", **leaf}, mean=mean, floor=0.5)
    )
    table = table_of(a=[a for a, _ in values], b=[b for _, b in values])
    changed = table.assign(a=table["a"] + direction * more)
    before, after = engine.each(spec, [table, changed], "index")
    assert all(new >= old - 1e-9 for old, new in zip(before, after, strict=True))


@few
@given(
    st.lists(st.tuples(*[st.none() | NUMBERS] * 4), min_size=2, max_size=10),
    st.lists(st.sampled_from([0.1, 1 / 3, 1, 7, 22.5]), min_size=4, max_size=4),
    st.sampled_from([0, 0.4, 1]),
)
def test_contributions_are_the_index_to_the_last_digit(
    engine: SqlEngine, values: list[tuple[Any, ...]], weights: list[float], min_share: float
) -> None:
    leaf = {"normalisation": "goalposts", "goalpost_low": 0, "goalpost_high": 37}
    children = [
        {"column": name, "weight": weight, **leaf} for name, weight in zip("abcd", weights, strict=True)
    ]
    group = {"code": "group", "children": children[:3], "weight": 1.7, "min_share": min_share}
    spec = spec_of(below(group, children[3], min_share=min_share))
    table = table_of(**{name: [row[at] for row in values] for at, name in enumerate("abcd")})
    found = engine.scores(spec, table)
    for _, unit in found.groupby("area_id", observed=True):
        unit = unit.set_index("node_code")
        points = unit.loc[list("abcd"), "contribution_points"]
        if pd.isna(unit.loc["index", "score"]):
            assert points.isna().all()
            continue
        # decimal numbers of 12 places, so equality is exact
        exact = sum(Decimal(f"{point:.12f}") for point in points)
        assert exact == Decimal(f"{unit.loc['index', 'score']:.12f}")
        assert unit.loc[["group", "d"], "contribution_points"].sum() == pytest.approx(float(exact), abs=1e-11)
        assert unit.loc[list("abcd"), "effective_weight_pct"].sum() == pytest.approx(100, abs=1e-9)


@few
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=10),
    st.sampled_from(["arithmetic", "geometric", "harmonic"]),
    st.sampled_from([0.01, 3.0, 1000.0]),
)
def test_only_proportions_of_weights_count(
    engine: SqlEngine, values: list[tuple[float, float]], mean: str, times: float
) -> None:
    table = table_of(a=[a for a, _ in values], b=[b for _, b in values])

    def index(factor: float) -> list[float | None]:
        leaves = [
            {"column": "a", "weight": 2 * factor, "normalisation": "percentile_rank"},
            {"column": "b", "weight": factor, "normalisation": "percentile_rank"},
        ]
        return engine.of(spec_of(below(*leaves, mean=mean, floor=0.001)), table, "index")

    assert index(times) == pytest.approx(index(1.0), abs=1e-9)


@few
@given(st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=12))
def test_equal_values_share_a_rank(engine: SqlEngine, values: list[int | None]) -> None:
    spec = spec_of(below({"column": "a", "normalisation": "none"}))
    table = table_of(a=values)
    found = engine.scores(spec, table)
    found = found[found["node_code"] == "index"]
    known = [value for value in values if value is not None]
    for value, rank, tied, share in zip(
        values, found["rank"], found["tied_units"], found["percentile_rank"], strict=True
    ):
        if value is None:
            assert pd.isna(rank) and pd.isna(tied) and pd.isna(share)
            continue
        assert rank == 1 + sum(other > value for other in known)
        assert tied == known.count(value)
        if len(known) > 1:
            assert share == pytest.approx(sum(other < value for other in known) / (len(known) - 1))
        else:
            assert pd.isna(share)


def test_sums_that_are_equal_on_paper_tie(engine: SqlEngine) -> None:
    """0.1 + 0.2 is not 0.3 to a computer; to a reader of a table it is, and so are the ranks made of it."""
    assert 0.1 + 0.2 != 0.3
    leaf = {"normalisation": "none"}
    table = table_of(a=[0.1, 0.3, 0.5], b=[0.2, 0.0, 0.5])
    for mean in ("sum", "arithmetic"):
        spec = spec_of(
            below(
                {"column": "a", **leaf}, {"column": "b", **leaf}, mean=mean, normalisation="percentile_rank"
            )
        )
        assert engine.of(spec, table, "index") == [0.0, 0.0, 1.0]
        assert engine.of(spec, table, "index", "tied_units") == [2, 2, 1]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("half_up", [0.29, 1.01, -1.01, 0.13, 2.68]),
        ("half_even", [0.28, 1.0, -1.0, 0.12, 2.68]),
        ("down", [0.28, 1.0, -1.0, 0.12, 2.67]),
    ],
)
def test_halves_are_halves_in_decimals(engine: SqlEngine, rounding: str, expected: list[float]) -> None:
    """0.285, 1.005 and 2.675 lie below the half in binary, and half_even looks at the digit before."""
    spec = spec_of(below({"column": "a", "normalisation": "none", "decimals": 2, "rounding": rounding}))
    assert engine.of(spec, table_of(a=[0.285, 1.005, -1.005, 0.125, 2.675]), "a") == expected


def test_exponential_ranks_of_the_english_indices(engine: SqlEngine) -> None:
    """-23 ln(1 - R (1 - exp(-100/23))): the worst tenth takes half the scale (technical report of the IoD 2019)."""
    units = 1000
    spec = spec_of(
        below({"column": "rank", "direction": -1, "normalisation": "exponential_rank", "decimals": 3})
    )
    found = engine.of(spec, table_of(rank=list(range(1, units + 1))), "rank")
    assert (found[0], found[-1]) == (100, 0.023)
    assert found[99] == pytest.approx(50.4, abs=0.3)  # of 1,000, the 100th from the most deprived


def test_the_english_index_orders_areas_as_published(engine: SqlEngine) -> None:
    """Ranks of the seven domains and of the index of eleven areas (Indices of Deprivation 2019, file 2; OGL v3).

    All 32,844 areas take part, so that R is as published: the others take the ranks that are left, in an order of no
    consequence. The weights sum to 0.999, and so does the index: it is a sum, not a mean.
    """
    units = 32_844
    domains = ["income", "employment", "education", "health", "crime", "barriers", "environment"]
    published = {  # area: rank of the index, ranks of the domains
        "E01021696": (1927, (2056, 2144, 1768, 1550, 4681, 5476, 31511)),
        "E01021699": (3456, (4954, 5193, 2451, 1688, 3195, 7576, 25588)),
        "E01021703": (3972, (3934, 5162, 1789, 2840, 9724, 8865, 27159)),
        "E01021576": (4058, (2806, 2893, 1527, 12477, 9867, 10748, 30939)),
        "E01021686": (5142, (4162, 6526, 10119, 5536, 5571, 12472, 4102)),
        "E01021771": (5221, (4339, 5344, 3244, 12147, 7090, 4230, 24592)),
        "E01021602": (12943, (18472, 22482, 19340, 29922, 7023, 158, 7152)),
        "E01021741": (13013, (21123, 20755, 11179, 25555, 5071, 1580, 7003)),
        "E01021562": (15050, (12251, 14355, 11789, 21477, 18481, 4822, 26064)),
        "E01021661": (27037, (25318, 24741, 21821, 25939, 24353, 14589, 20885)),
        "E01021728": (32817, (32425, 32523, 31516, 30372, 29065, 29648, 28593)),
    }
    weights = dict(zip(domains, (0.225, 0.225, 0.135, 0.135, 0.093, 0.093, 0.093), strict=True))
    leaf = {"normalisation": "exponential_rank", "direction": -1, "ties": "max"}
    spec = spec_of(below(*({"column": d, "weight": w, **leaf} for d, w in weights.items()), mean="sum"))
    columns = {}
    for at, domain in enumerate(domains):
        known = [ranks[at] for _, ranks in published.values()]
        columns[domain] = [*known, *sorted(set(range(1, units + 1)) - set(known))]
    found = engine.of(spec, table_of(**columns), "index")[: len(published)]
    assert found == sorted(found, reverse=True)

    def exponential(rank: int) -> float:
        return -23 * math.log(1 - (units - rank + 1) / units * (1 - math.exp(-100 / 23)))

    by_hand = [
        sum(w * exponential(r) for w, r in zip(weights.values(), ranks, strict=True))
        for _, ranks in published.values()
    ]
    assert found == pytest.approx(by_hand, abs=1e-9)


def test_relative_needs_others(engine: SqlEngine) -> None:
    """Of one unit, none of them is a score; a scale that stands by itself still is."""
    table = table_of(a=[7.0, None])
    for normalisation in [*RELATIVE, "distance_to_target"]:
        leaf = {"column": "a", "normalisation": normalisation, "target": 10}
        share = {"rank_share": "r/n"}
        assert engine.of(spec_of(below(leaf | share)), table, "a") == [None, None], normalisation
    scale = {"normalisation": "distance_to_target", "goalpost_low": 0, "target": 10}
    assert engine.of(spec_of(below({"column": "a", **scale})), table, "a") == [70, None]


@pytest.mark.parametrize("unit", [1, 1e-9, 1e9])
def test_numbers_that_are_equal_on_paper_tie_in_any_unit(engine: SqlEngine, unit: float) -> None:
    """Shares of a denominator: 3/10, 0.3/1 and 0.1·3 are one number; 0.3000000001 is another."""
    leaf = {"column": "a", "denominator": "people", "normalisation": "rank"}
    table = table_of(a=[3 * unit, 0.3 * unit, (0.1 + 0.2) * unit, 0.3000000001 * unit], people=[10, 1, 1, 1])
    assert engine.of(spec_of(below(leaf)), table, "a") == [1, 1, 1, 4]
    plain = spec_of(below(leaf | {"normalisation": "none"}))
    assert engine.of(plain, table, "a", "tied_units") == [3, 3, 3, 1]


def test_coinr_s_outliers(engine: SqlEngine) -> None:
    """The example of COINr's winsorise(): of 1 to 10, 30 and 100 the last becomes 30, and that is enough."""
    spec = spec_of(below({"column": "a", "outliers": "winsorise_skew"}))
    values = [float(n) for n in (*range(1, 11), 30, 100)]
    assert engine.of(spec, table_of(a=values), "a")[-2:] == [100, 100]
    assert engine.of(spec, table_of(a=values), "a")[9] == pytest.approx(100 * 9 / 29)


def test_relative_means_inside_the_group(engine: SqlEngine) -> None:
    spec = spec_of(below({"column": "a", "normalisation": "percentile_rank"}), within="state")
    table = table_of(a=[1, 2, 3, 10, 20]).assign(state=["x", "x", "x", "y", "y"])
    assert engine.of(spec, table, "index") == [0, 0.5, 1, 0, 1]


def test_human_development_index(engine: SqlEngine) -> None:
    """The worked example of the UNDP's technical note 1 (Human Development Report 2020).

    It prints the indices of health (0.6971) and education (0.3447), a GNI of 3,829 a head, an index of income of 0.5506 and
    an HDI of 0.510; the years of life and school here are those that give its indices. The second country is made up: half
    of each scale save schooling, of which it has more than counts, so (0.5 · 1 · 0.5)^(1/3).
    """
    scale = {"normalisation": "goalposts", "scale_high": 1}
    school = [
        {"column": "expected", "goalpost_low": 0, "goalpost_high": 18, **scale},
        {"column": "mean", "goalpost_low": 0, "goalpost_high": 15, **scale},
    ]
    income = {"column": "income", "transform": "log", "goalpost_low": 100, "goalpost_high": 75_000}
    spec = spec_of(
        {
            "code": "hdi",
            "mean": "geometric",
            "floor": 0.001,
            "children": [
                {"column": "life", "goalpost_low": 20, "goalpost_high": 85, **scale},
                {"code": "education", "children": school},
                income | scale,
            ],
        }
    )
    table = table_of(
        life=[20 + 65 * 0.6971, 52.5],
        expected=[18 * 0.3447, 20],
        mean=[15 * 0.3447, 15],
        income=[3829, (100 * 75_000) ** 0.5],
    )
    [worked, made_up] = engine.of(spec, table, "hdi")
    assert round(worked, 3) == 0.510
    assert made_up == pytest.approx(0.25 ** (1 / 3), abs=1e-12)
    incomes = engine.of(spec, table, "income")
    assert round(incomes[0], 4) == 0.5506
    assert engine.of(spec, table, "education") == pytest.approx([0.3447, 1], abs=1e-12)


def test_rows_of_a_spec_are_the_spec(engine: SqlEngine) -> None:
    spec = spec_of(below({"column": "a"}, {"code": "g", "children": [{"column": "b"}, {"column": "c"}]}))
    rows = [dict(row) for row in spec.rows()]
    assert Spec.from_rows(rows).nodes == spec.nodes
    engine.scores(spec, table_of(a=[1, 2], b=[1, 2], c=[3, 4]))
    stored = engine.connection.sql("select * from intermediate.int_index_nodes").df().to_dict("records")

    unknown = {
        "code",
        "parent",
        "column",
        "denominator",
        "multiplier",
    }  # a table of nodes does not say them, or tags them

    def known(node: Node) -> dict[str, Any]:
        return {key: value for key, value in vars(node).items() if key not in unknown}

    again = {node.code.partition("/")[2]: known(node) for node in Spec.from_rows(stored).nodes}
    assert again == {node.code: known(node) for node in spec.nodes}


def test_models_are_where_the_command_looks() -> None:
    folder = PROJECT / "models/intermediate/engine"
    assert {path.stem for path in folder.glob("*.sql")} == set(MODELS)
