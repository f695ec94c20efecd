"""Packs of a city's own indicators: what is read of them, and the sentence that each mistake ends in."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from citycheck import standard
from citycheck.cities.indicators import load_packs
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput
from citycheck.settings import settings

GOOD = {
    "indicator_code": "QX-1",
    "dimension_code": "CUL",
    "name_zh": "合成",
    "name_en": "synthetic",
    "formula_zh": "合成",
    "formula_en": "synthetic",
    "unit": "pct",
    "multiplier": "100",
    "direction": "1",
    "goalpost_low": "0",
    "goalpost_high": "100",
    "goalpost_status": "proposal",
    "weight": "0.2",
    "weight_status": "proposal",
    "is_scored": "true",
    "figure_level": "estate",
    "numerator_figure": "paid",
    "denominator_figure": "owed",
}
BESIDE = {"is_scored": "false", "weight": "", "weight_status": "", "goalpost_low": "", "goalpost_high": ""}
MODEL = {"figure_level": "", "numerator_figure": "", "denominator_figure": "", "model": "int_ratios_own"}


def pack(city: Path, *rows: dict[str, str], name: str = "own", models: tuple[str, ...] = ()) -> Path:
    folder = city / "indicators" / name
    folder.mkdir(parents=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / "indicators.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for model in models:
        (folder / model).write_text("select 1", encoding="utf-8")
    return city


def test_a_city_without_packs_has_no_indicators_of_its_own(tmp_path: Path) -> None:
    packs = load_packs(tmp_path)
    assert (packs.rows, packs.models, packs.fingerprint()) == ((), (), None)
    packs.write(tmp_path / "none.parquet")
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert packs.project(tmp_path / "project") == settings().dbt_project
    assert not (tmp_path / "project").exists()


def test_rows_are_typed_and_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    packs = load_packs(pack(tmp_path, GOOD, GOOD | BESIDE | {"indicator_code": "QX-2", "counted_from": "80"}))
    packs.write(tmp_path / "rows.parquet")
    first, second = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert (first["family"], first["level"], first["normalisation"], first["outliers"]) == (
        "figures", "community", "goalposts", "none",
    )  # fmt: skip
    assert (first["weight"], first["direction"], first["is_scored"], first["target"]) == (0.2, 1, True, None)
    assert (second["weight"], second["normalisation"], second["counted_from"]) == (None, "none", 80.0)
    seed = list(standard.seed("indicators")[0])
    assert [name for name in first if name in seed] == seed


def test_the_models_of_a_pack_stand_in_a_copy_of_the_project(tmp_path: Path) -> None:
    files = ("int_ratios_own.sql", "int_ratios_own.yml", "int_own_step.sql", "int_own_step.yml")
    packs = load_packs(pack(tmp_path, GOOD | MODEL, models=files))
    assert packs.models == ("int_ratios_own",)
    project = packs.project(tmp_path / "project")
    assert project == tmp_path / "project"
    copied = {path.name for path in (project / "models/intermediate/city/own").iterdir()}
    assert copied == set(files)
    core = settings().dbt_project
    for part in ("models", "seeds", "macros", "tests"):
        for path in (core / part).rglob("*.*"):
            assert (project / path.relative_to(core)).read_bytes() == path.read_bytes()
    assert packs.project(tmp_path / "project") == project  # once more, over what an earlier try has left


def test_every_byte_of_a_pack_is_in_its_fingerprint(tmp_path: Path) -> None:
    def fingerprint(name: str, sql: str) -> str | None:
        city = pack(tmp_path / name, GOOD | MODEL, models=("int_ratios_own.sql", "int_ratios_own.yml"))
        (city / "indicators/own/int_ratios_own.sql").write_text(sql, encoding="utf-8")
        return load_packs(city).fingerprint()

    assert fingerprint("a", "select 1") == fingerprint("b", "select 1") != fingerprint("c", "select 2")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"indicator_code": "GOV-1"}, "the indicator GOV-1 is already in the standard"),
        ({"indicator_code": "qx1"}, "line 2: qx1: is no code; expected capital letters"),
        ({"indicator_code": ""}, "the indicator: indicator_code must not be blank"),
        ({"dimension_code": "ENV"}, "QX-1: dimension_code is 'ENV'; expected one of GOV, EDU"),
        ({"target_group": "cats"}, "target_group is 'cats'; expected one of "),
        ({"direction": "0"}, "direction is 0; expected one of 1, -1"),
        ({"direction": "up"}, "direction is 'up'; expected a whole number"),
        ({"multiplier": "many"}, "multiplier is 'many'; expected a number"),
        ({"multiplier": "nan"}, "multiplier is 'nan'; expected a number"),
        ({"multiplier": "0"}, "multiplier is 0"),
        ({"is_scored": "yes"}, "is_scored is 'yes'; expected true or false"),
        ({"is_scored": "false"}, "is not scored, yet has the weight 0.2"),
        (BESIDE | {"normalisation": "rank"}, "is not scored, yet has the normalisation rank"),
        ({"weight": ""}, "is scored, but has no weight above 0"),
        ({"weight": "-1"}, "is scored, but has no weight above 0"),
        ({"weight_status": ""}, "weight_status and goalpost_status must say one of"),
        ({"weight_status": "sure"}, "weight_status is 'sure'; expected one of verified_primary"),
        ({"goalpost_low": "", "goalpost_high": ""}, "is scored, but has no goalposts"),
        ({"goalpost_low": "100"}, "goalpost_low must be below goalpost_high"),
        ({"normalisation": "log"}, "normalisation is 'log'; expected one of none, goalposts"),
        ({"normalisation": "distance_to_target"}, "by its distance to the target, but has none"),
        ({"target_status": "verified_primary"}, "target_source is blank"),
        ({"target_source": "S01|S999"}, "target_source names S999"),
        ({"numerator_figure": ""}, "says not how it is computed"),
        ({"figure_level": "street"}, "figure_level is 'street'; expected community or estate"),
        ({"model": "int_ratios_own"}, "has the model int_ratios_own and figures"),
        (MODEL, "names the model int_ratios_own, but own/int_ratios_own.sql is not there"),
        ({"level": "county"}, "level is 'county'; expected one of community"),
        ({"wieght": "1"}, "there is no column 'wieght'; did you mean weight?"),
    ],
)
def test_a_mistake_of_a_row_is_told(changes: dict[str, str], told: str, tmp_path: Path) -> None:
    pack(tmp_path, GOOD | changes)
    with pytest.raises(BadInput) as raised:
        load_packs(tmp_path)
    assert told in str(raised.value)
    assert str(tmp_path / "indicators" / "own" / "indicators.csv") in str(raised.value)


def test_two_packs_may_not_have_one_code(tmp_path: Path) -> None:
    pack(pack(tmp_path, GOOD), GOOD, name="second")
    with pytest.raises(
        BadInput, match=r"second/indicators.csv: the indicator QX-1 is already in .*/own/indicators"
    ):
        load_packs(tmp_path)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (("int_ratios_own.sql",), "its properties are missing; expected int_ratios_own.yml beside it"),
        (("int_kinds.sql", "int_kinds.yml"), "there is a model of that name"),
        (("Own.sql", "Own.yml"), "a model's name begins with int_"),
    ],
)
def test_a_mistake_of_a_model_is_told(models: tuple[str, ...], told: str, tmp_path: Path) -> None:
    pack(tmp_path, GOOD, models=models)
    with pytest.raises(BadInput, match=told):
        load_packs(tmp_path)


def test_what_lies_about_is_told(tmp_path: Path) -> None:
    (tmp_path / "indicators").mkdir()
    (tmp_path / "indicators" / "indicators.csv").write_text("indicator_code\n", encoding="utf-8")
    with pytest.raises(BadInput, match="stands beside the packs"):
        load_packs(tmp_path)
    (tmp_path / "indicators" / "indicators.csv").unlink()
    (tmp_path / "indicators" / "own").mkdir()
    with pytest.raises(BadInput, match="a pack needs its rows"):
        load_packs(tmp_path)
    (tmp_path / "indicators" / "own" / "indicators.csv").write_text(
        "indicator_code\nQX-1\n", encoding="utf-8"
    )
    with pytest.raises(BadInput, match=r"the column\(s\) dimension_code, .* are missing"):
        load_packs(tmp_path)
    (tmp_path / "indicators" / "own" / "indicators.csv").write_text(
        ",".join(GOOD) + "\nQX-1\n", encoding="utf-8"
    )
    with pytest.raises(BadInput, match="has not as many cells as the header"):
        load_packs(tmp_path)


def test_the_sample_ships_two_packs_beside_the_index() -> None:
    packs = load_city("quzhou_sample").packs
    assert packs.codes == ["QZ-1", "QZ-2", "QZ-3", "QZ-4"]
    assert packs.models == ("int_ratios_property_credit",)
    assert not any(row["is_scored"] or row["weight"] for row in packs.rows)
    assert packs.rows[0]["target"] == packs.rows[1]["counted_from"] == 300_000
