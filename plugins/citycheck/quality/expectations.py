"""What our rows must satisfy and Great Expectations has no word for.

One defect, one code: a point at (0, 0) is not also swapped or out of the city, a time in the future is
not also out of order or outside the half-years. Import this module only where a gate runs: Great Expectations
takes seconds to load.
"""

from __future__ import annotations

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Literal

from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.expectations.core import ExpectColumnValuesToBeNull
from great_expectations.expectations.expectation import (
    ColumnAggregateExpectation,
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
    render_suite_parameter_string,
)
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
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from citycheck.quality.engine import (
    AGGREGATES,
    CONDITIONS,
    DuckDBExecutionEngine,
    in_range,
    literal,
    shape_of,
)

Number = float | SuiteParameterDict
Time = datetime | SuiteParameterDict
Bound = float | datetime | SuiteParameterDict | None
SQL = Callable[..., str]

_BOX = ("lon_min", "lon_max", "lat_min", "lat_max")
_KINDS: dict[str, tuple[Any, Any]] = {
    "column": (ColumnMapMetricProvider, column_condition_partial),
    "pair": (ColumnPairMapMetricProvider, column_pair_condition_partial),
    "columns": (MulticolumnMapMetricProvider, multicolumn_condition_partial),
}


def _metric(kind: str, name: str, *value_keys: str) -> Callable[[SQL], SQL]:
    """Let a function be the SQL condition of a metric, and make the metric known to Great Expectations."""
    provider, partial = _KINDS[kind]

    def known(condition: SQL) -> SQL:
        @partial(engine=DuckDBExecutionEngine)
        def answered_by_the_engine(cls: Any, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        CONDITIONS[name] = condition
        about = {
            "condition_metric_name": name,
            "condition_value_keys": value_keys,
            "_sql": answered_by_the_engine,
        }
        type(provider)(condition.__name__, (provider,), about)
        return condition

    return known


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
        kwargs["of_codes"] = ", ".join(kwargs.get("codes") or []) or (
            f"other than {', '.join(kwargs.get('codes_except') or [])}"
        )
        sentence = cls.sentence
        if kwargs.get("mostly", 1) < 1:
            sentence += f", at least {kwargs['mostly'] * 100:g} % of the time"
        template = {
            "template": sentence + ".",
            "params": kwargs,
            "styling": (runtime_configuration or {}).get("styling"),
        }
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


# Mapping errors ---------------------------------------------------------------------------------------------


@_metric("column", "mapping_errors.absent", "codes", "codes_except")
def _errors_absent(column: str, codes: list[str] | None = None, codes_except: list[str] | None = None) -> str:
    entry = "(^|;)({}):[^;]*"
    if codes is not None:
        return f"{column} is null or not regexp_matches({column}, {literal(entry.format('|'.join(codes)))})"
    others = f"regexp_replace({column}, {literal(entry.format('|'.join(codes_except or ())))}, '', 'g')"
    return f"coalesce({others}, '') = ''"


class ExpectMappingErrorsToBeAbsent(_Sentence, ExpectColumnValuesToBeNull):
    """The mapping gave a row none of the `codes`, or none but `codes_except`."""

    codes: list[str] | None = None
    codes_except: list[str] | None = None
    map_metric: ClassVar = "mapping_errors.absent"
    success_keys = ("codes", "codes_except", "mostly")
    sentence: ClassVar = "$column must hold none of the codes $of_codes"


# Points -----------------------------------------------------------------------------------------------------


def _at_zero(lon: str, lat: str) -> str:
    return f"({lon} = 0 and {lat} = 0)"


def _in_box(lon: str, lat: str, lon_min: float, lon_max: float, lat_min: float, lat_max: float) -> str:
    return f"({in_range(lon, lon_min, lon_max)} and {in_range(lat, lat_min, lat_max)})"


@_metric("pair", "points.complete")
def _complete(lon: str, lat: str) -> str:
    return f"({lon} is null) = ({lat} is null)"


@_metric("pair", "points.not_at_zero")
def _not_at_zero(lon: str, lat: str) -> str:
    return f"not {_at_zero(lon, lat)}"


@_metric("pair", "points.not_swapped", *_BOX)
def _not_swapped(lon: str, lat: str, **box: float) -> str:
    return f"{_in_box(lon, lat, **box)} or not {_in_box(lat, lon, **box)}"


@_metric("pair", "points.in_box", *_BOX)
def _points_in_box(lon: str, lat: str, **box: float) -> str:
    told_elsewhere = f"{_at_zero(lon, lat)} or {_in_box(lat, lon, **box)}"
    return f"{_in_box(lon, lat, **box)} or {told_elsewhere}"


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


def _between(column: str, period_start: datetime, period_end: datetime) -> str:
    return f"({column} >= {literal(period_start)} and {column} < {literal(period_end)})"


@_metric("column", "times.in_period", "period_start", "period_end", "known_until")
def _in_period(column: str, period_start: datetime, period_end: datetime, known_until: datetime) -> str:
    return f"{_between(column, period_start, period_end)} or {column} > {literal(known_until)}"


@_metric("columns", "times.in_order", "known_until")
def _in_order(*columns: str, known_until: datetime) -> str:
    times = [f"case when {column} <= {literal(known_until)} then {column} end" for column in columns]
    # greatest() passes over nulls, so that each time is held against the latest one before it.
    wrong = [
        f"coalesce({time} < greatest({', '.join(times[:i])}), false)" for i, time in enumerate(times) if i
    ]
    return f"not ({' or '.join(wrong) or 'false'})"


class TimesInPeriodCount(ColumnAggregateMetricProvider):
    metric_name = "column.times_in_period_count"
    value_keys = ("period_start", "period_end")

    @column_aggregate_value(engine=DuckDBExecutionEngine)
    def _sql(cls: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


AGGREGATES[TimesInPeriodCount.metric_name] = lambda column, **period: (
    f"count_if({_between(column, **period)})"
)


class ExpectTimesToBeInPeriod(_Sentence, ColumnMapExpectation):
    """A time lies in the period, its end excluded; times after `known_until` are told elsewhere."""

    period_start: Time
    period_end: Time
    known_until: Time
    map_metric: ClassVar = "times.in_period"
    success_keys = ("period_start", "period_end", "known_until", "mostly")
    sentence: ClassVar = "times must lie from $period_start to before $period_end (UTC)"


class ExpectSomeTimesInPeriod(_Sentence, ColumnAggregateExpectation):
    """At least `min_count` rows have a time in the period, its end excluded."""

    period_start: Time
    period_end: Time
    min_count: int = 1
    metric_dependencies = (TimesInPeriodCount.metric_name,)
    success_keys = ("period_start", "period_end", "min_count")
    sentence: ClassVar = "at least $min_count times must lie from $period_start to before $period_end (UTC)"

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        found = metrics[TimesInPeriodCount.metric_name]
        return {"success": found >= self.min_count, "result": {"observed_value": found}}


class ExpectTimesToBeInOrder(_Sentence, MulticolumnMapExpectation):
    """No time is before one earlier in the list; missing ones and those after `known_until` are skipped."""

    known_until: Time
    map_metric: ClassVar = "times.in_order"
    success_keys = ("known_until", "mostly")
    sentence: ClassVar = "times must follow each other in this order: $columns"


# Columns side by side ---------------------------------------------------------------------------------------


@_metric("columns", "columns.in_range", "min_value", "max_value")
def _columns_in_range(*columns: str, min_value: Any = None, max_value: Any = None) -> str:
    return " and ".join(f"coalesce({in_range(column, min_value, max_value)}, true)" for column in columns)


@_metric("columns", "columns.complete")
def _columns_complete(*columns: str) -> str:
    return " and ".join(f"{column} is not null" for column in columns)


@_metric("columns", "columns.first_is_sum_of_others")
def _first_is_sum_of_others(total: str, *parts: str) -> str:
    numbers = [f"{column}::hugeint" for column in (total, *parts)]
    return f"least({', '.join(numbers)}) < 0 or {numbers[0]} = {' + '.join(numbers[1:])}"


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


# Polygons and lines ------------------------------------------------------------------------------------------


def _is_polygon(shape: str) -> str:
    return (
        f"(st_geometrytype({shape})::varchar in ('POLYGON', 'MULTIPOLYGON') "
        f"and st_isvalid({shape}) and st_area({shape}) > 0)"
    )


@_metric("column", "polygons.valid")
def _polygons_valid(wkb: str) -> str:
    return _is_polygon(shape_of(wkb))


def _is_line(shape: str) -> str:
    long = f"st_length({shape}) > 0 and isfinite(st_length({shape}))"
    return f"(st_geometrytype({shape})::varchar = 'LINESTRING' and {long})"


@_metric("column", "lines.valid")
def _lines_valid(wkb: str) -> str:
    return _is_line(shape_of(wkb))


@_metric("column", "polygons.in_box", *_BOX)
def _polygons_in_box(wkb: str, **box: float) -> str:
    return f"{_lies_in_box(shape_of(wkb), **box)} or not coalesce({_is_polygon(shape_of(wkb))}, false)"


@_metric("column", "lines.in_box", *_BOX)
def _lines_in_box(wkb: str, **box: float) -> str:
    return f"{_lies_in_box(shape_of(wkb), **box)} or not coalesce({_is_line(shape_of(wkb))}, false)"


def _lies_in_box(shape: str, lon_min: float, lon_max: float, lat_min: float, lat_max: float) -> str:
    within = " and ".join(
        f"st_{side}({shape}) {sign} {literal(bound)}"
        for side, sign, bound in (
            ("xmin", ">=", lon_min),
            ("xmax", "<=", lon_max),
            ("ymin", ">=", lat_min),
            ("ymax", "<=", lat_max),
        )
    )
    return f"({within})"


class ExpectPolygonsToBeValid(_Sentence, ColumnMapExpectation):
    """WKB holds a valid polygon or multipolygon that has an area."""

    map_metric: ClassVar = "polygons.valid"
    sentence: ClassVar = "must be valid polygons with an area"


class ExpectLinesToBeValid(_Sentence, ColumnMapExpectation):
    """WKB holds one line string that is longer than a point."""

    map_metric: ClassVar = "lines.valid"
    sentence: ClassVar = "must be lines that are longer than a point"


class _ShapeInBoxExpectation(_Sentence, ColumnMapExpectation):
    lon_min: Number
    lon_max: Number
    lat_min: Number
    lat_max: Number
    success_keys = (*_BOX, "mostly")


class ExpectPolygonsToBeInBox(_ShapeInBoxExpectation):
    """The whole polygon lies in the box, in degrees; what is no valid polygon is told elsewhere."""

    map_metric: ClassVar = "polygons.in_box"
    sentence: ClassVar = "polygons must lie in $lon_min to $lon_max, $lat_min to $lat_max degrees"


class ExpectLinesToBeInBox(_ShapeInBoxExpectation):
    """The whole line lies in the box, in degrees; what is no valid line is told elsewhere."""

    map_metric: ClassVar = "lines.in_box"
    sentence: ClassVar = "lines must lie in $lon_min to $lon_max, $lat_min to $lat_max degrees"


# Shapes and places of marts -----------------------------------------------------------------------------------


def _projected(shape: str, projected_crs: str) -> str:
    return f"st_transform({shape}, 'EPSG:4326', {literal(projected_crs)}, always_xy := true)"


@_metric("column", "polygons.reach_box", *_BOX)
def _polygons_reach_box(wkb: str, lon_min: float, lon_max: float, lat_min: float, lat_max: float) -> str:
    shape = shape_of(wkb)
    return (
        f"(st_xmin({shape}) <= {literal(lon_max)} and st_xmax({shape}) >= {literal(lon_min)} "
        f"and st_ymin({shape}) <= {literal(lat_max)} and st_ymax({shape}) >= {literal(lat_min)})"
    )


@_metric("pair", "polygons.have_area", "projected_crs", "tolerance_pct")
def _polygons_have_area(wkb: str, area_m2: str, projected_crs: str, tolerance_pct: float) -> str:
    drawn = f"st_area({_projected(shape_of(wkb), projected_crs)})"
    return f"abs({drawn} - {area_m2}) <= {literal(tolerance_pct / 100)} * {area_m2}"


@_metric("columns", "points.projected", "projected_crs", "tolerance_m")
def _points_projected(lon: str, lat: str, x_m: str, y_m: str, projected_crs: str, tolerance_m: float) -> str:
    there = _projected(f"st_point({lon}, {lat})", projected_crs)
    return f"st_distance({there}, st_point({x_m}, {y_m})) <= {literal(tolerance_m)}"


class ExpectPolygonsToReachBox(_ShapeInBoxExpectation):
    """Some of the polygon may lie in the box, in degrees: a circle around a place at the border reaches over it."""

    map_metric: ClassVar = "polygons.reach_box"
    sentence: ClassVar = "polygons must reach $lon_min to $lon_max, $lat_min to $lat_max degrees"


class ExpectPolygonsToHaveArea(_Sentence, ColumnPairMapExpectation):
    """The polygon (A), longitude before latitude, has the area (B, m²) once it is projected."""

    projected_crs: str | SuiteParameterDict
    tolerance_pct: Number
    ignore_row_if: Literal["either_value_is_missing"] = "either_value_is_missing"
    domain_keys: ClassVar[tuple[str, ...]] = (  # type: ignore[assignment]
        *ColumnPairMapExpectation.domain_keys,
        "ignore_row_if",
    )
    map_metric: ClassVar = "polygons.have_area"
    success_keys = ("projected_crs", "tolerance_pct", "mostly")
    sentence: ClassVar = (
        "polygons of $column_A must have the area $column_B in $projected_crs, to $tolerance_pct %"
    )


class ExpectPointsToBeProjected(_Sentence, MulticolumnMapExpectation):
    """Longitude and latitude (the first two columns) are the place of x and y (the others) in the projected system."""

    projected_crs: str | SuiteParameterDict
    tolerance_m: Number
    ignore_row_if: Literal["any_value_is_missing"] = "any_value_is_missing"
    map_metric: ClassVar = "points.projected"
    success_keys = ("projected_crs", "tolerance_m", "mostly")
    sentence: ClassVar = "$columns must be one place, to $tolerance_m m in $projected_crs"
