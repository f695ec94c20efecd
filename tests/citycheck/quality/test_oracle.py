"""The gate's answers held against Great Expectations' own pandas engine, for which our conditions stand here once more."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    ColumnPairMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    column_pair_condition_partial,
    multicolumn_condition_partial,
)

import citycheck.quality.expectations  # noqa: F401  registers the expectations themselves
from citycheck import duck
from citycheck.errors import GateFailed
from citycheck.lake.tables import Column, tables
from citycheck.quality import data_docs
from citycheck.quality.gate import MAPPING_ERRORS, gate_feed
from citycheck.quality.suite import Suite, columns_of, load_suite
from citycheck.settings import settings as project

SUITES = project().expectations

_BOX = ("lon_min", "lon_max", "lat_min", "lat_max")


def _at_zero(lon: pd.Series, lat: pd.Series) -> pd.Series:
    return (lon == 0) & (lat == 0)


def _in_box(lon: pd.Series, lat: pd.Series, box: dict[str, float]) -> pd.Series:
    return lon.between(box["lon_min"], box["lon_max"]) & lat.between(box["lat_min"], box["lat_max"])


class PointsComplete(ColumnPairMapMetricProvider):
    condition_metric_name = "points.complete"
    condition_value_keys = ()

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: Any) -> pd.Series:
        return column_A.isna() == column_B.isna()


class PointsNotAtZero(ColumnPairMapMetricProvider):
    condition_metric_name = "points.not_at_zero"
    condition_value_keys = ()

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: Any) -> pd.Series:
        return ~_at_zero(column_A, column_B)


class PointsNotSwapped(ColumnPairMapMetricProvider):
    condition_metric_name = "points.not_swapped"
    condition_value_keys = _BOX

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **box: Any) -> pd.Series:
        return _in_box(column_A, column_B, box) | ~_in_box(column_B, column_A, box)


class PointsInBox(ColumnPairMapMetricProvider):
    condition_metric_name = "points.in_box"
    condition_value_keys = _BOX

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **box: Any) -> pd.Series:
        told_elsewhere = _at_zero(column_A, column_B) | _in_box(column_B, column_A, box)
        return _in_box(column_A, column_B, box) | told_elsewhere


class TimesInPeriod(ColumnMapMetricProvider):
    condition_metric_name = "times.in_period"
    condition_value_keys = ("period_start", "period_end", "known_until")

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls, column: pd.Series, period_start: datetime, period_end: datetime, known_until: datetime, **_: Any
    ) -> pd.Series:
        return column.between(period_start, period_end, inclusive="left") | (column > known_until)


class TimesInOrder(MulticolumnMapMetricProvider):
    condition_metric_name = "times.in_order"
    condition_value_keys = ("known_until",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, known_until: datetime, **_: Any) -> pd.Series:
        times = column_list.where(column_list <= known_until)
        latest_before = times.shift(1, axis="columns").cummax(axis="columns").ffill(axis="columns")
        return ~(times < latest_before).any(axis="columns")


class TimesInPeriodCount(ColumnAggregateMetricProvider):
    metric_name = "column.times_in_period_count"
    value_keys = ("period_start", "period_end")

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, period_start: datetime, period_end: datetime, **_: Any) -> int:
        return int(column.between(period_start, period_end, inclusive="left").sum())


class ColumnsInRange(MulticolumnMapMetricProvider):
    condition_metric_name = "columns.in_range"
    condition_value_keys = ("min_value", "max_value")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls, column_list: pd.DataFrame, min_value: Any = None, max_value: Any = None, **_: Any
    ) -> pd.Series:
        broken = np.zeros(len(column_list), dtype=bool)
        for name in column_list.columns:
            column = column_list[name]
            if min_value is not None:
                broken |= (column < min_value).fillna(False).to_numpy(dtype=bool)
            if max_value is not None:
                broken |= (column > max_value).fillna(False).to_numpy(dtype=bool)
        return pd.Series(~broken, index=column_list.index)


class ColumnsComplete(MulticolumnMapMetricProvider):
    condition_metric_name = "columns.complete"
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        return column_list.notna().all(axis="columns")


class FirstIsSumOfOthers(MulticolumnMapMetricProvider):
    condition_metric_name = "columns.first_is_sum_of_others"
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        total, *parts = (column_list[name].astype("int64") for name in column_list.columns)
        has_negative = (column_list < 0).any(axis="columns")
        return (total == sum(parts)) | has_negative


def _ask_duckdb(wkb: pd.Series, condition: str, *values: float) -> pd.Series:
    """Whether each WKB satisfies a condition on `shape`, which is null where the bytes are no geometry."""
    given = pa.table({"place": np.arange(len(wkb)), "wkb": pa.array(wkb.to_list(), pa.binary())})
    with duck.connect() as connection:
        connection.register("given", given)
        answers = connection.execute(
            f"select coalesce({condition}, false) from "
            "(select place, case when octet_length(wkb) >= 9 then try(st_geomfromwkb(wkb)) end as shape from given) "
            "order by place",
            list(values),
        ).fetchnumpy()
    return pd.Series(np.asarray(next(iter(answers.values())), dtype=bool), index=wkb.index)


_IS_POLYGON = """
    st_geometrytype(shape)::varchar in ('POLYGON', 'MULTIPOLYGON')
    and st_isvalid(shape) and st_area(shape) > 0
"""


class PolygonsValid(ColumnMapMetricProvider):
    condition_metric_name = "polygons.valid"
    condition_value_keys = ()

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:
        return _ask_duckdb(column, _IS_POLYGON)


class PolygonsInBox(ColumnMapMetricProvider):
    condition_metric_name = "polygons.in_box"
    condition_value_keys = _BOX

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls, column: pd.Series, lon_min: float, lon_max: float, lat_min: float, lat_max: float, **_: Any
    ) -> pd.Series:
        within = "st_xmin(shape) >= ? and st_xmax(shape) <= ? and st_ymin(shape) >= ? and st_ymax(shape) <= ?"
        told_elsewhere = f"not coalesce({_IS_POLYGON}, false)"
        return _ask_duckdb(column, f"({within}) or {told_elsewhere}", lon_min, lon_max, lat_min, lat_max)


def _lines(wkb: pd.Series) -> pd.Series:
    """The shapes that are lines with a length; None for everything else."""
    shapes = shapely.from_wkb(np.array(wkb.to_list(), dtype=object), on_invalid="ignore")
    is_line = [s is not None and s.geom_type == "LineString" and s.length > 0 for s in shapes]
    return pd.Series(np.where(is_line, shapes, None), index=wkb.index)


class LinesValid(ColumnMapMetricProvider):
    condition_metric_name = "lines.valid"
    condition_value_keys = ()

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:
        return _lines(column).notna()


class LinesInBox(ColumnMapMetricProvider):
    condition_metric_name = "lines.in_box"
    condition_value_keys = _BOX

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls, column: pd.Series, lon_min: float, lon_max: float, lat_min: float, lat_max: float, **_: Any
    ) -> pd.Series:
        box = shapely.box(lon_min, lat_min, lon_max, lat_max)
        return _lines(column).map(lambda line: line is None or box.covers(line)).astype(bool)


Told = tuple[str, str, bool, int | None, int | None]
"""Type, columns, success, rows checked and rows that break it."""


def judge(suite: Suite, rows: pa.Table, parameters: dict[str, Any]) -> tuple[list[Told], dict[str, set[int]]]:
    """What Great Expectations' pandas engine says of each expectation, and the positions that break a reason code."""
    import great_expectations as gx

    nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame = rows.to_pandas(types_mapper=nullable.get)
    readable = frame[frame[MAPPING_ERRORS].isna()]
    asset = data_docs.context().data_sources.add_pandas("oracle").add_dataframe_asset("rows")
    batches = asset.add_batch_definition_whole_dataframe("all")
    told: list[Told] = []
    broken: dict[str, set[int]] = {}
    for expectation in suite.gx.expectations:
        on_all = columns_of(expectation.configuration.kwargs) in ([], [MAPPING_ERRORS])
        batch = batches.get_batch({"dataframe": frame if on_all else readable})
        one = gx.ExpectationSuite(name="one", expectations=[expectation.configuration.to_domain_obj()])
        how = {"result_format": "COMPLETE", "exclude_unexpected_values": True}
        [check] = batch.validate(one, result_format=how, expectation_parameters=parameters).results
        assert not check.exception_info.get("raised_exception"), check.exception_info
        counted, config = check.result, expectation.configuration
        checked = (
            counted["element_count"] - counted.get("missing_count", 0) if "element_count" in counted else None
        )
        columns = ", ".join(columns_of(config.kwargs))
        told.append((config.type, columns, bool(check.success), checked, counted.get("unexpected_count")))
        if code := config.meta.get("reason_code"):
            broken.setdefault(code, set()).update(counted.get("unexpected_index_list") or [])
    return told, {code: found for code, found in broken.items() if found}


def _values(column: Column, parameters: dict[str, Any], draw: random.Random, clean: Any) -> Any:
    """A value of the column's type: often the clean one, often on or beside a bound."""
    start, end, received = (parameters[key] for key in ("period_start", "period_end", "received_at"))
    moment = timedelta(microseconds=1)
    by_type: dict[str, list[Any]] = {
        "int32": [-1, 0, 1, 5, 6, 30, 31, 20_000, 20_001, 50_001],
        "double": [0.0, 28.2, 28.9, 118.0, 118.5, 119.5, 120.0, -1.0, 1e9, float("nan")],
        "bool": [True, False],
        "timestamp": [start - moment, start, end - moment, end, received, received + moment],
        "string": [
            "",
            "c001",
            "F01",
            "F15",
            "F19",
            "closed",
            "supermarket",
            "gas",
            "N01",
            "N01|N31",
            "x'y;z",
        ],
        "binary": [b"torn", b""],
    }
    return draw.choice([clean, clean, clean, None, draw.choice(by_type[column.type])])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("table", tables())
def test_the_gate_says_what_great_expectations_says_with_pandas(
    table: str, seed: int, clean: Callable[[str], list[dict[str, Any]]], parameters: dict[str, Any]
) -> None:
    """On rows of which a third of the values is drawn anew, from good, missing and bad ones."""
    draw = random.Random(f"{table} {seed}")
    known = parameters | {"received_at": parameters["cut_off"]}
    about, sound = tables()[table], clean(table)[:60]
    suite = load_suite(SUITES / f"{table}.json", known)

    rows = [
        {
            c.name: _values(c, known, draw, row.get(c.name)) if draw.random() < 0.3 else row.get(c.name)
            for c in about.columns
        }
        | {
            "source_file": "a.csv",
            "source_row": place,
            "mapping_errors": draw.choice([None] * 9 + ["bad_value:x"]),
        }
        for place, row in enumerate(sound)
    ]
    given_rows = pa.Table.from_pylist(rows, about.schema.append(pa.field("mapping_errors", pa.string())))
    with tempfile.TemporaryDirectory() as folder:
        mapped, out = Path(folder) / "mapped.parquet", Path(folder) / "out"
        pq.write_table(given_rows, mapped)
        try:
            verdict = gate_feed(about.feed, "2026H1", {table: mapped}, out, SUITES, known)
            checks = verdict.tables[0].checks
            found = [(c.type, c.column, c.success, c.checked_count, c.unexpected_count) for c in checks]
        except GateFailed:
            written = json.loads((out / "verdict.json").read_text())["tables"][0]["checks"]
            keys = ("type", "column", "success", "checked_count", "unexpected_count")
            found = [tuple(check[key] for key in keys) for check in written]
        quarantine = pq.read_table(out / f"{table}.quarantine.parquet")
        accepted = pq.read_table(out / f"{table}.accepted.parquet")
    told, broken = judge(suite, given_rows, known)
    assert sorted(found, key=str) == sorted(told, key=str)
    by_code: dict[str, set[int]] = {}
    for place, codes in zip(
        quarantine["source_row"].to_pylist(), quarantine["reason_codes"].to_pylist(), strict=True
    ):
        for code in codes.split(";"):
            by_code.setdefault(code, set()).add(place)
    unreadable = {place for place, row in enumerate(rows) if row["mapping_errors"]}
    if unreadable:
        broken.setdefault("bad_value", set()).update(unreadable)
    assert by_code == broken
    assert accepted["source_row"].to_pylist() == [
        place for place in range(len(rows)) if place not in set().union(*broken.values())
    ]
