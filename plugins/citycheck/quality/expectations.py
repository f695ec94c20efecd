"""What our rows must satisfy and Great Expectations has no word for.

One defect, one code: a point at (0, 0) is not also swapped or out of the city, a time in the future is
not also out of order or outside the half-year. Import this module only where a gate runs: Great Expectations
takes seconds to load.
"""

from __future__ import annotations

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
    render_suite_parameter_string,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    ColumnPairMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    column_pair_condition_partial,
    multicolumn_condition_partial,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from citycheck import duck

Number = float | SuiteParameterDict
Time = datetime | SuiteParameterDict
Bound = float | datetime | SuiteParameterDict | None

_BOX = ("lon_min", "lon_max", "lat_min", "lat_max")


class _Sentence:
    """Shows an expectation in Data Docs as one sentence with its own values in it."""

    sentence: ClassVar[str]

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        kwargs = dict(configuration.kwargs)
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        kwargs["range"] = " and ".join(
            f"{word} {bound}" for word, bound in (("≥", low), ("≤", high)) if bound is not None
        )
        kwargs["columns"] = ", ".join(kwargs.get("column_list", []))
        sentence = cls.sentence
        if kwargs.get("mostly", 1) < 1:
            sentence += f", at least {kwargs['mostly'] * 100:g} % of the time"
        template = {
            "template": sentence + ".",
            "params": kwargs,
            "styling": (runtime_configuration or {}).get("styling"),
        }
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


# Points -----------------------------------------------------------------------------------------------------


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


class _PointExpectation(_Sentence, ColumnPairMapExpectation):
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing"] = "either_value_is_missing"
    domain_keys: ClassVar[tuple[str, ...]] = (  # type: ignore[assignment]
        *ColumnPairMapExpectation.domain_keys,
        "ignore_row_if",
    )


class ExpectPointsToBeComplete(_PointExpectation):
    """Longitude (A) and latitude (B) are both there or both missing."""

    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing"] = "both_values_are_missing"
    map_metric: ClassVar = "points.complete"
    sentence: ClassVar = "$column_A and $column_B must both be there or both be missing"


class ExpectPointsNotToBeAtZero(_PointExpectation):
    """Longitude (A) and latitude (B) are not both 0, a geocoder's word for unknown."""

    map_metric: ClassVar = "points.not_at_zero"
    sentence: ClassVar = "$column_A and $column_B must not both be 0"


class _BoxExpectation(_PointExpectation):
    lon_min: Number
    lon_max: Number
    lat_min: Number
    lat_max: Number
    success_keys = (*_BOX, "mostly")


class ExpectPointsNotToBeSwapped(_BoxExpectation):
    """Longitude (A) and latitude (B), in degrees, do not lie in the box only once they are exchanged."""

    map_metric: ClassVar = "points.not_swapped"
    sentence: ClassVar = (
        "$column_A and $column_B must not be exchanged (they would lie in the city if they were)"
    )


class ExpectPointsToBeInBox(_BoxExpectation):
    """Longitude (A) and latitude (B), in degrees, lie in the box; zero and swapped are told elsewhere."""

    map_metric: ClassVar = "points.in_box"
    sentence: ClassVar = (
        "($column_A, $column_B) must lie in $lon_min to $lon_max, $lat_min to $lat_max degrees"
    )


# Times ------------------------------------------------------------------------------------------------------


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


class ExpectTimesToBeInPeriod(_Sentence, ColumnMapExpectation):
    """A time lies in the half-year, its end excluded; times after `known_until` are told elsewhere."""

    period_start: Time
    period_end: Time
    known_until: Time
    map_metric: ClassVar = "times.in_period"
    success_keys = ("period_start", "period_end", "known_until", "mostly")
    sentence: ClassVar = "times must lie from $period_start to before $period_end (UTC)"


class ExpectTimesToBeInOrder(_Sentence, MulticolumnMapExpectation):
    """No time is before one earlier in the list; missing ones and those after `known_until` are skipped."""

    known_until: Time
    map_metric: ClassVar = "times.in_order"
    success_keys = ("known_until", "mostly")
    sentence: ClassVar = "times must follow each other in this order: $columns"


# Columns side by side ---------------------------------------------------------------------------------------


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


class ExpectColumnsToBeInRange(_Sentence, MulticolumnMapExpectation):
    """Every value of the columns lies in the range, its ends included; missing values are fine."""

    min_value: Bound = None
    max_value: Bound = None
    map_metric: ClassVar = "columns.in_range"
    success_keys = ("min_value", "max_value", "mostly")
    sentence: ClassVar = "values must be $range in each of: $columns"


class ExpectColumnsToBeComplete(_Sentence, MulticolumnMapExpectation):
    """None of the columns has a missing value."""

    map_metric: ClassVar = "columns.complete"
    ignore_row_if: Literal["never"] = "never"
    sentence: ClassVar = "no value may be missing in: $columns"


class ExpectFirstColumnToBeSumOfOthers(_Sentence, MulticolumnMapExpectation):
    """The first column is the sum of the others; rows with a missing or a negative one are skipped."""

    map_metric: ClassVar = "columns.first_is_sum_of_others"
    ignore_row_if: Literal["any_value_is_missing"] = "any_value_is_missing"
    sentence: ClassVar = "the first must be the sum of the others: $columns"


# Polygons ---------------------------------------------------------------------------------------------------


def _ask_duckdb(wkb: pd.Series, condition: str, *values: float) -> pd.Series:
    """Whether each WKB satisfies a condition on `shape`, which is null where the bytes are no geometry."""
    given = pa.table({"place": np.arange(len(wkb)), "wkb": pa.array(wkb.to_list(), pa.binary())})
    with duck.connect() as connection:
        connection.register("given", given)
        answers = connection.execute(
            f"select coalesce({condition}, false) from "
            "(select place, try(st_geomfromwkb(wkb)) as shape from given) order by place",
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


class ExpectPolygonsToBeValid(_Sentence, ColumnMapExpectation):
    """WKB holds a valid polygon or multipolygon that has an area."""

    map_metric: ClassVar = "polygons.valid"
    sentence: ClassVar = "must be valid polygons with an area"


class ExpectPolygonsToBeInBox(_Sentence, ColumnMapExpectation):
    """The whole polygon lies in the box, in degrees; what is no valid polygon is told elsewhere."""

    lon_min: Number
    lon_max: Number
    lat_min: Number
    lat_max: Number
    map_metric: ClassVar = "polygons.in_box"
    success_keys = (*_BOX, "mostly")
    sentence: ClassVar = "polygons must lie in $lon_min to $lon_max, $lat_min to $lat_max degrees"
