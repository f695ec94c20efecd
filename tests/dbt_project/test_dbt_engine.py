"""The engine's dbt models against a plain oracle on random specs, and the laws that an index obeys."""

from __future__ import annotations

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
    """Human Development Report 2020, table 1: life expectancy, expected and mean years of schooling, GNI per head, HDI.

    The report computes from figures with more digits than it prints: it agrees to one in the last.
    """
    published = {
        "Norway": (82.4, 18.1, 12.9, 66_494, 0.957),
        "Germany": (81.3, 17.0, 14.2, 55_314, 0.947),
        "Qatar": (80.2, 12.0, 9.7, 92_418, 0.848),
        "China": (76.9, 14.0, 8.1, 16_057, 0.761),
        "India": (69.7, 12.2, 6.5, 6_681, 0.645),
        "Niger": (62.4, 6.5, 2.1, 1_201, 0.394),
    }
    scale = {"normalisation": "goalposts", "scale_high": 1}
    spec = spec_of(
        {
            "code": "hdi",
            "mean": "geometric",
            "floor": 0.001,
            "children": [
                {"column": "life", "goalpost_low": 20, "goalpost_high": 85, **scale},
                {
                    "code": "education",
                    "children": [
                        {"column": "expected", "goalpost_low": 0, "goalpost_high": 18, **scale},
                        {"column": "mean", "goalpost_low": 0, "goalpost_high": 15, **scale},
                    ],
                },
                {
                    "column": "income",
                    "transform": "log",
                    "goalpost_low": 100,
                    "goalpost_high": 75_000,
                    **scale,
                },
            ],
        }
    )
    columns = list(zip(*published.values(), strict=True))
    table = table_of(**dict(zip(("life", "expected", "mean", "income"), map(list, columns), strict=False)))
    assert engine.of(spec, table, "hdi") == pytest.approx(columns[-1], abs=0.0015)


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
