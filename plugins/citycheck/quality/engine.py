"""Lets Great Expectations ask DuckDB: its metrics answered by SQL over a relation that is never read into memory.

Great Expectations keeps what makes it the gate: suites, metrics, `mostly`, results and Data Docs. Here is only how a
metric is counted. A condition is SQL that is true for a row as it should be; null counts as broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
from great_expectations.core.batch import Batch
from great_expectations.exceptions import MetricResolutionError
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.row_conditions import (
    AndCondition,
    ComparisonCondition,
    NullityCondition,
    Operator,
    deserialize_row_condition,
)
from great_expectations.validator.metric_configuration import MetricConfiguration, MetricConfigurationID

Condition = Callable[..., str]
"""Quoted columns and the values of a metric in, SQL out."""


# Conditions ----------------------------------------------------------------------------------------------------------


def name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def shape_of(column: str) -> str:
    """The column of a relation that holds the shape of a column of WKB, null where the bytes are no geometry."""
    return f'{column[:-1]} shape"'


def literal(value: Any) -> str:
    """A value as SQL. Raises `TypeError` for what has no place in a condition."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise TypeError(f"a condition cannot hold a {type(value).__name__}")


def in_range(
    column: str,
    min_value: Any = None,
    max_value: Any = None,
    strict_min: Any = False,
    strict_max: Any = False,
    **_: Any,
) -> str:
    bounds = []
    if min_value is not None:
        bounds.append(f"{column} {'>' if strict_min else '>='} {literal(min_value)}")
    if max_value is not None:
        bounds.append(f"{column} {'<' if strict_max else '<='} {literal(max_value)}")
    return " and ".join(bounds) or "true"


def _in_set(column: str, value_set: Iterable[Any] | None, **_: Any) -> str:
    if value_set is None:
        return "true"
    # A subquery is joined by hash; a list in the statement would be compared value by value.
    listed = ", ".join(f"({literal(value)})" for value in value_set if value is not None)
    return f"{column} in (select v from (values {listed}) as known(v))" if listed else "false"


def _greater(a: str, b: str, or_equal: bool | None = None, **_: Any) -> str:
    return f"{a} {'>=' if or_equal else '>'} {b}"


CONDITIONS: dict[str, Condition] = {
    "column_values.null": lambda column, **_: f"{column} is null",
    "column_values.nonnull": lambda column, **_: f"{column} is not null",
    "column_values.between": in_range,
    "column_values.in_set": _in_set,
    "column_values.match_regex": lambda column, regex, **_: f"regexp_matches({column}, {literal(regex)})",
    "column_pair_values.a_greater_than_b": _greater,
}
"""By the metric's name: those of Great Expectations that our suites use; `expectations.py` adds our own."""
AGGREGATES: dict[str, Condition] = {
    "column.sum": lambda column, **_: f"sum({column})",
    "column.non_null_count": lambda column, **_: f"count({column})",
}
"""Numbers of a column, likewise."""
_FROM_COUNTS = {"column.non_null_proportion"}
"""What Great Expectations itself makes of counts of ours."""
_ON_NULLS = {"column_values.null", "column_values.nonnull", "mapping_errors.absent"}
_UNIQUE = {"column_values.unique", "compound_columns.unique"}
_MISSING = {
    "both_values_are_missing": " and ",
    "all_values_are_missing": " and ",
    "either_value_is_missing": " or ",
    "any_value_is_missing": " or ",
}


# Engine --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relation:
    """What is checked: the rows of a table or view with a unique `position` for which `part` is true."""

    connection: duckdb.DuckDBPyConnection
    name: str
    columns: Sequence[str]
    part: str = "true"


class DuckDBExecutionEngine(PandasExecutionEngine):
    """Counts in DuckDB whatever Great Expectations wants to know of the relation; pandas sees a table without rows."""

    def __init__(self, relation: Relation) -> None:
        super().__init__()
        self._relation = relation
        self._repeated: dict[tuple[str, ...], str] = {}

    def batch(self) -> Batch:
        rows: Any = PandasBatchData(self, pd.DataFrame(columns=list(self._relation.columns)))
        return Batch(data=rows)

    def rows_that_break(self, config: ExpectationConfiguration) -> str:
        """SQL that is true for a row of the relation that breaks an expectation on rows."""
        expectation: Any = config.to_domain_obj()
        asked = expectation.get_validation_dependencies(execution_engine=self)
        metric = asked.metric_configurations[f"{expectation.map_metric}.unexpected_count"]
        return self._unexpected(metric)

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[MetricConfigurationID, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[MetricConfigurationID, Any]:
        """Answer all counts of a wave by one statement; where it fails, find out which metric's fault it is."""
        wanted = sorted(metrics_to_resolve, key=lambda metric: str(metric.id))
        answers: dict[MetricConfigurationID, Any] = {}
        to_count: dict[MetricConfigurationID, str] = {}
        others = []
        for metric in wanted:
            if metric.metric_name.endswith((".condition", ".unexpected_values", ".map")):
                answers[metric.id] = []  # the count is computed whole, and single values are not to be told
                continue
            try:
                counted = self._aggregate(metric)
            except Exception as error:
                raise MetricResolutionError(message=str(error), failed_metrics=(metric,)) from error
            if counted is None:
                others.append(metric)
            else:
                to_count[metric.id] = counted
        try:
            answers |= self._select(to_count)
        except duckdb.Error as error:
            for metric in wanted:
                if metric.id in to_count:
                    self._select_alone(metric, to_count[metric.id])
            raise MetricResolutionError(message=str(error), failed_metrics=tuple(wanted)) from error
        for metric in others:
            # On a table without rows pandas would find nothing wrong.
            if metric.metric_name not in _FROM_COUNTS and not metric.metric_name.startswith("table.col"):
                told = f"the gate has no SQL for the metric {metric.metric_name}; add it to quality/engine.py"
                raise MetricResolutionError(message=told, failed_metrics=(metric,))
        if others:
            answers |= super().resolve_metrics(others, (metrics or {}) | answers, runtime_configuration)
        self._metric_cache.update(answers)
        return answers

    def _select(self, expressions: dict[MetricConfigurationID, str]) -> dict[MetricConfigurationID, Any]:
        if not expressions:
            return {}
        found = self._relation.connection.execute(
            f"select {', '.join(expressions.values())} from {self._relation.name}"
        ).fetchone()
        return dict(zip(expressions, found or (), strict=True))

    def _select_alone(self, metric: MetricConfiguration, expression: str) -> None:
        try:
            self._select({metric.id: expression})
        except duckdb.Error as error:
            raise MetricResolutionError(message=str(error), failed_metrics=(metric,)) from error

    def _aggregate(self, metric: MetricConfiguration) -> str | None:
        """The SQL of a number asked for; None for what is no count of ours."""
        base, _, what = metric.metric_name.rpartition(".")
        if metric.metric_name == "table.row_count":
            return f"count(*) filter (where {self._domain(metric)})"
        if aggregate := AGGREGATES.get(metric.metric_name):
            number = aggregate(*_columns(metric), **metric.metric_value_kwargs)
            return f"coalesce({number} filter (where {self._domain(metric)}), 0)"
        if what == "filtered_row_count":
            return f"count(*) filter (where {self._domain(metric)})"
        if what == "unexpected_count" and (base in CONDITIONS or base in _UNIQUE):
            return f"count(*) filter (where {self._unexpected(metric)})"
        return None

    def _unexpected(self, metric: MetricConfiguration) -> str:
        base = metric.metric_name.rpartition(".")[0]
        columns, domain = _columns(metric), self._domain(metric)
        if base in _UNIQUE:
            return f"position in (from {self._repeated_rows(columns, domain)})"
        expected = CONDITIONS[base](*columns, **metric.metric_value_kwargs)
        return f"({domain}) and not coalesce({expected}, false)"

    def _repeated_rows(self, columns: list[str], domain: str) -> str:
        """A table of the positions of rows whose columns another row of the domain has, too."""
        known = self._repeated.get((domain, *columns))
        if known is None:
            known, rows = f"{self._relation.name}_repeated_{len(self._repeated)}", self._relation.name
            keys = ", ".join(columns)
            # Grouping by a hash takes a fraction of the memory; what it finds is then compared for real.
            self._relation.connection.execute(f"""
                create or replace temp table {known} as
                with suspects as (
                    select hash({keys}) as h from {rows} where {domain} group by all having count(*) > 1
                ),
                rivals as (
                    select position, count(*) over (partition by {keys}) as copies
                    from {rows} where {domain} and hash({keys}) in (from suspects)
                )
                select position from rivals where copies > 1
            """)
            self._repeated[(domain, *columns)] = known
        return known

    def _domain(self, metric: MetricConfiguration) -> str:
        """SQL for the rows that a metric speaks of."""
        kwargs, columns = metric.metric_domain_kwargs, _columns(metric)
        conditions = [self._relation.part] if self._relation.part != "true" else []
        if kwargs.get("row_condition"):
            conditions.append(_row_condition(kwargs["row_condition"]))
        base = metric.metric_name.rpartition(".")[0]
        if "column" in kwargs and base in {*CONDITIONS, *_UNIQUE} - _ON_NULLS:
            conditions.append(f"{columns[0]} is not null")
        if word := _MISSING.get(kwargs.get("ignore_row_if", "")):
            conditions.append(f"not ({word.join(f'{c} is null' for c in columns)})")
        return " and ".join(conditions) or "true"


def _columns(metric: MetricConfiguration) -> list[str]:
    kwargs = metric.metric_domain_kwargs
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if kwargs.get(key)]
    return [name(column) for column in [*named, *(kwargs.get("column_list") or ())]]


def _row_condition(written: Any) -> str:
    condition = deserialize_row_condition(written) if isinstance(written, dict) else written
    if isinstance(condition, AndCondition):
        return " and ".join(_row_condition(part) for part in condition.conditions)
    if isinstance(condition, NullityCondition):
        return f"{name(condition.column.name)} is {'' if condition.is_null else 'not '}null"
    if isinstance(condition, ComparisonCondition) and condition.operator not in (
        Operator.IN,
        Operator.NOT_IN,
    ):
        operator = {"==": "=", "!=": "is distinct from"}.get(str(condition.operator), str(condition.operator))
        return f"coalesce({name(condition.column.name)} {operator} {literal(condition.parameter)}, false)"
    raise TypeError("a row_condition compares columns with values or with null, all of them")
