"""`citycheck index` on a published index, and what it says of tables that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from citycheck.errors import BadInput
from citycheck.index import commands
from citycheck.index.spec import Spec, SpecFile

SPEC = Path(__file__).resolve().parents[3] / "docs" / "index-engine.md"


def spec_in_the_manual(folder: Path) -> Path:
    """The Chicago spec, as docs/index-engine.md shows it."""
    text = SPEC.read_text(encoding="utf-8")
    body = text.split("```yaml\n# chicago.yml\n")[1].split("```")[0]
    (folder / "chicago.yml").write_text(body, encoding="utf-8")
    return folder / "chicago.yml"


@pytest.mark.slow
@pytest.mark.dbt
def test_the_chicago_hardship_index_to_its_last_digit(
    chicago_hardship: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chicago.csv"
    commands.run(
        spec_in_the_manual(tmp_path), chicago_hardship, out=out, columns=[], json_only=True, most=None
    )
    told = json.loads(capsys.readouterr().out)
    [compared] = told["compared"]
    assert (compared["agreeing"], compared["compared"], compared["decimals"]) == (77, 77, 1)
    assert compared["largest_difference"] < 0.05
    table = pd.read_csv(out)
    assert len(table) == 77 and table["rank"].min() == 1
    points = [name for name in table.columns if name.startswith(("PER.", "PERCENT.", "UNEMPLOYMENT."))]
    assert table[points].mean(axis=1).to_numpy() == pytest.approx(table["score_unrounded"].to_numpy())


def spec(**head: object) -> Spec:
    index = {"children": [{"column": "a"}, {"column": "b", "denominator": "people", "multiplier": 100}]}
    return Spec._of(SpecFile.model_validate({"name": "test", "unit": "unit", "index": index, **head}))


def table(**columns: list[object]) -> pd.DataFrame:
    whole = {"unit": ["x", "y", "z"], "a": ["1", "2", "3"], "b": ["1", "2", "3"], "people": ["10", "0", "30"]}
    return pd.DataFrame(whole | columns)


def test_what_is_missing_has_no_number() -> None:
    """A code, an empty cell and a denominator of 0; an excluded unit takes no part at all."""
    asked = spec(missing=[-999, "n/a"], exclude={"people": [0]})
    units, ratios = commands._inputs(asked, table(a=["-999", "2", "n/a"], b=["", "2", "-999.0"]), "t")
    assert list(units["unit"]) == ["x", "y", "z"]
    assert {(row["area_id"], row["node_code"]): row["numerator"] for row in ratios} == {
        ("x", "a"): None,
        ("z", "a"): None,
        ("x", "b"): None,
        ("z", "b"): None,
    }


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"a": ["1", "two", "3"]}, r"t, row 3: a is 'two', expected a number"),
        ({"a": ["1", "inf", "3"]}, r"t, row 3: a is 'inf'"),
        ({"unit": ["x", "y", "x"]}, r"two rows have the unit 'x'"),
        ({"unit": ["x", " ", "z"]}, r"t, row 3: unit is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_told_with_its_row(columns: dict[str, list[object]], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        commands._inputs(spec(), table(**columns), "t")


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInput, match="there is no column 'people'; expected one of"):
        commands._inputs(spec(), table().drop(columns="people"), "t")


@pytest.mark.parametrize(
    ("number", "decimals", "rounding", "shown"),
    [
        (0.285, 2, "half_up", "0.29"),
        (0.285, 2, "half_even", "0.28"),
        (0.285, 2, "down", "0.28"),
        (2.5, 0, "half_up", "3"),
        (-0.04, 1, "half_up", "0.0"),
        (0.1 + 0.2, 1, "down", "0.3"),
        (float("nan"), 1, "half_up", "None"),
    ],
)
def test_numbers_are_printed_as_decimals(number: float, decimals: int, rounding: str, shown: str) -> None:
    assert str(commands.printed(number, decimals, rounding)) == shown


def test_weights_that_do_not_sum_to_one_are_told() -> None:
    """The English index sums 0.999 of its domains; a mean of them is off by that factor in every area."""
    computed = pd.DataFrame({"area_id": list("xyz"), "node_code": "index", "score": [10.0, 33.5335, 60.1]})
    result = commands.Result(spec(decimals=3), pd.DataFrame({"unit": list("xyz")}), computed)
    published = pd.DataFrame({"theirs": ["9.990", "33.500", "60.040"], "others": ["9.990", "33.534", "60.1"]})
    told = commands.compare(result, published, "theirs")
    assert told.agreeing == 0
    assert "published is 0.999 times computed in all of them" in commands.sentence(told)
    assert commands.compare(result, published, "others").factor is None


def test_a_table_is_read_as_it_is_written(tmp_path: Path) -> None:
    """A country called NA is no missing value; a byte order mark is no part of a name."""
    path = tmp_path / "t.csv"
    path.write_text("unit,a\nNA,1\n01,\n", encoding="utf-8-sig")
    found = commands.read(path, spec())
    assert found.to_dict("list") == {"unit": ["NA", "01"], "a": ["1", ""]}
    with pytest.raises(BadInput, match=r"expected a table as \.csv"):
        commands.read(tmp_path / "t.ods", spec())
