"""The gate: a feed's mapped rows in; accepted rows, quarantined rows with their reasons, and a verdict out.

Rows in = accepted + quarantined, for every table. A check that failed (`GateFailed`) is told from a check
that could not run (`CheckCouldNotRun`). Nothing the gate writes beside the rows themselves holds a value of a
row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from citycheck import duck, standard
from citycheck.errors import BadInput, CheckCouldNotRun, GateFailed
from citycheck.lake.files import replacing, write_json
from citycheck.lake.tables import Table, tables_of
from citycheck.quality.suite import REASON_CODES, Suite, columns_of, load_suite

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    Mask = npt.NDArray[np.bool_]

MAPPING_ERRORS = "mapping_errors"
_COUNTS = {
    "result_format": "BASIC",
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}
_ROWS = _COUNTS | {"result_format": "COMPLETE"}
"""What Great Expectations is to tell: how many rows break an expectation, or which."""
_CODES = {
    "kind_codes": ("facility_kinds", "kind_code"),
    "dimension_codes": ("dimensions", "dimension_code"),
    "indicator_codes": ("indicators", "indicator_code"),
    "band_codes": ("bands", "band_code"),
    "missing_reasons": ("missing_reasons", "reason_code"),
}
"""Codes of the standard that suites of marts may name: parameter → (seed, column)."""


@dataclass(frozen=True)
class Check:
    """One expectation on one table and how it went; counts and shares only."""

    type: str
    column: str
    severity: str
    success: bool
    checked_count: int | None
    unexpected_count: int | None
    unexpected_pct: float | None
    allowed_pct: float | None
    observed: float | None
    reason_code: str | None
    why: str

    def __str__(self) -> str:
        if self.unexpected_count is None:
            seen = "" if self.observed is None else f" (observed {self.observed:g})"
            return f"{self.type}{f' on {self.column}' if self.column else ''}{seen}"
        allowed = f", allowed {self.allowed_pct:g} %" if self.allowed_pct else ""
        return (
            f"{self.reason_code or self.type} on {self.column}: "
            f"{self.unexpected_count} of {self.checked_count} rows ({self.unexpected_pct:.3g} %{allowed})"
        )


@dataclass(frozen=True)
class TableVerdict:
    """Row accounting and checks of one table; `reasons` counts quarantined rows under each of their codes."""

    table: str
    rows_in: int
    rows_accepted: int
    rows_quarantined: int
    reasons: dict[str, int]
    checks: tuple[Check, ...]
    skipped: tuple[dict[str, str], ...]

    def failed(self, severity: str) -> list[Check]:
        return [check for check in self.checks if not check.success and check.severity == severity]


@dataclass(frozen=True)
class Verdict:
    """What the gate found for one feed, or for the marts, of one half-year."""

    feed: str
    half_year: str
    tables: tuple[TableVerdict, ...]

    @property
    def passed(self) -> bool:
        return not any(table.failed("error") for table in self.tables)

    @property
    def warnings(self) -> list[tuple[str, Check]]:
        """Failed checks of severity `warn`, with their table: to be published with the release."""
        return [(table.table, check) for table in self.tables for check in table.failed("warn")]

    def write(self, path: Path) -> None:
        write_json(path, asdict(self) | {"passed": self.passed})


def gate_feed(
    feed: str,
    half_year: str,
    mapped: dict[str, Path],
    out: Path,
    suites: Path,
    parameters: dict[str, Any],
    data_docs: Path | None = None,
    delivery: str = "",
) -> Verdict:
    """Split the mapped rows of a feed into `out`/<table>.accepted.parquet and <table>.quarantine.parquet.

    `parameters`: lon_min, lon_max, lat_min, lat_max (degrees); period_start, period_end, cut_off (naive UTC);
    community_ids, kind_codes, category_codes, service_types (lists; an empty community_ids means unknown and
    skips that check); optionally received_at (naive UTC, default cut_off): times after it are `future_time`.
    `delivery` names the run in Data Docs beside the half-year. Writes everything, `out`/verdict.json last,
    before it raises `GateFailed`; raises `CheckCouldNotRun` or `BadInput` with nothing written.
    """
    known = {"received_at": parameters.get("cut_off"), **parameters}
    order = {table.name: table for table in tables_of(feed)}
    for name in mapped:
        if name not in order:
            raise BadInput(
                f"The feed {feed} has no table {name!r}: expected one of {', '.join(order)}. Correct it."
            )
    gated: list[_Gated] = []
    batches = _batches()
    for name in [name for name in order if name in mapped]:
        suite = load_suite(suites / f"{name}.json", known)
        gated.append(_gate_table(order[name], mapped[name], suite, known, batches))
        if name == "communities":
            known["community_ids"] = gated[-1].accepted.column("community_id").to_pylist()
    for table in gated:
        _write(table.accepted, out / f"{table.verdict.table}.accepted.parquet")
        _write(table.quarantine, out / f"{table.verdict.table}.quarantine.parquet")
    verdict = Verdict(feed, half_year, tuple(table.verdict for table in gated))
    run = f"{half_year}-{delivery}" if delivery else half_year
    _tell(verdict, out, data_docs, [table.result for table in gated], run, known["received_at"])
    if not verdict.passed:
        raise GateFailed(
            f"The gate stopped the feed {feed} for {half_year}: {_failures(verdict)}. "
            f"See {out / 'verdict.json'} and the rows in {out}/*.quarantine.parquet, then have the source "
            "correct them, or correct the city's profile, and run the ingest again."
        )
    return verdict


def gate_marts(
    database: Path, suites: Path, parameters: dict[str, Any], out: Path, data_docs: Path | None = None
) -> Verdict:
    """Check each mart that has a suite in `suites`/marts, reading the build's database read-only.

    `parameters`: half_year, cut_off (naive UTC). The gate adds the codes of the standard, and community_count
    and county_count from marts.communities. Writes `out`/verdict.json before it raises `GateFailed`; a mart
    or a column that is not there is a `CheckCouldNotRun`.
    """
    if "half_year" not in parameters:
        raise BadInput("The mart gate needs the parameter half_year, such as 2026H1. Give it.")
    codes = {name: standard.codes(seed, column) for name, (seed, column) in _CODES.items()}
    known = codes | {"reason_codes": list(REASON_CODES)} | parameters
    verdicts, results, batches = [], [], _batches()
    with duck.connect(database, read_only=True) as connection:
        marts = _marts(connection)
        if "communities" in marts:
            counts = "select count(*), count(distinct county_id) from marts.communities"
            known["community_count"], known["county_count"] = connection.execute(counts).fetchone() or (0, 0)
        for path in sorted((suites / "marts").glob("*.json")):
            if path.stem not in marts:
                raise CheckCouldNotRun(
                    f"{path.stem}: the build has no such mart in schema marts. Build it, or remove {path}."
                )
            suite = load_suite(path, known)
            _check_columns(suite, marts[path.stem])
            columns = ", ".join(f'"{column}"' for column in suite.columns) or "1 as one"
            rows = connection.execute(f'select {columns} from marts."{path.stem}"').to_arrow_table()
            result = _run(suite.name, suite.gx.expectations, _frame(rows), known, batches, _COUNTS)
            checks = tuple(_check(check) for check in result.results)
            verdicts.append(
                TableVerdict(path.stem, rows.num_rows, rows.num_rows, 0, {}, checks, suite.skipped)
            )
            results.append(result)
    verdict = Verdict("marts", str(parameters["half_year"]), tuple(verdicts))
    _tell(verdict, out, data_docs, results, verdict.half_year, parameters.get("cut_off"))
    if not verdict.passed:
        raise GateFailed(
            f"The gate stopped the marts of {verdict.half_year}: {_failures(verdict)}. "
            f"See {out / 'verdict.json'}; the model of that mart or its inputs are wrong: "
            "correct them and run the build again."
        )
    return verdict


# One table --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Gated:
    verdict: TableVerdict
    accepted: pa.Table
    quarantine: pa.Table
    result: ExpectationSuiteValidationResult


def _gate_table(
    table: Table, path: Path, suite: Suite, parameters: dict[str, Any], batches: BatchDefinition
) -> _Gated:
    rows, mapping_errors = _read(table, path)
    whole = rows.append_column(MAPPING_ERRORS, mapping_errors)
    _check_columns(suite, whole.column_names)
    frame = _frame(whole.select(sorted({MAPPING_ERRORS, *suite.columns})))
    result = _validate(suite, frame, parameters, batches)
    broken = _broken_rows(result, mapping_errors, path)
    accepted, quarantine = split(rows, broken)
    verdict = TableVerdict(
        table.name,
        rows.num_rows,
        accepted.num_rows,
        quarantine.num_rows,
        {code: int(mask.sum()) for code, mask in broken.items()},
        tuple(_check(check) for check in result.results),
        suite.skipped,
    )
    return _Gated(verdict, accepted, quarantine, result)


def split(rows: pa.Table, broken: dict[str, Mask]) -> tuple[pa.Table, pa.Table]:
    """Accepted rows, and quarantined rows with `reason_codes`; each in the order of `rows`.

    `broken` says for each reason code which rows it applies to; types are never changed.
    """
    import numpy as np

    masks = np.array(list(broken.values()), dtype=bool).reshape(len(broken), rows.num_rows)
    is_broken = masks.any(axis=0)
    names = list(broken)
    codes = [";".join(names[i] for i in np.flatnonzero(masks[:, row])) for row in np.flatnonzero(is_broken)]
    quarantine = rows.filter(pa.array(is_broken)).append_column("reason_codes", pa.array(codes, pa.string()))
    return rows.filter(pa.array(~is_broken)), quarantine


def _read(table: Table, path: Path) -> tuple[pa.Table, pa.Array]:
    """The rows in the lake's own types, and their `mapping_errors`. `BadInput` if the columns differ."""
    try:
        read = pq.read_table(path)
    except FileNotFoundError:
        raise BadInput(
            f"{path}: there is no such file of mapped rows. Run the mapping of {table.name} first."
        ) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(
            f"{path}: not a complete parquet file ({str(error).splitlines()[0]}). Run the mapping again."
        ) from None
    expected = [*table.schema.names, MAPPING_ERRORS]
    missing = [name for name in expected if name not in read.column_names]
    strange = [name for name in read.column_names if name not in expected]
    if missing or strange:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(strange)}"] * bool(
            strange
        )
        raise BadInput(
            f"{path}: {' and '.join(told)}; expected the columns of {table.name} in tables.yml. "
            "Run the mapping again."
        )
    try:
        rows = read.select(table.schema.names).cast(table.schema).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise BadInput(
            f"{path}: not in the types of tables.yml ({str(error).splitlines()[0]}). Run the mapping again."
        ) from None
    return rows, read.column(MAPPING_ERRORS).cast(pa.string()).combine_chunks()


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Rows for Great Expectations, with nullable integers and booleans so that a null stays a null."""
    import pandas as pd

    nullable = {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame: pd.DataFrame = rows.to_pandas(types_mapper=nullable.get)
    return frame


def _batches() -> BatchDefinition:
    """Where Great Expectations takes data frames from, one after the other."""
    from citycheck.quality import data_docs

    source = data_docs.context().data_sources.add_pandas("citycheck")
    return source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")


def _validate(
    suite: Suite, frame: pd.DataFrame, parameters: dict[str, Any], batches: BatchDefinition
) -> ExpectationSuiteValidationResult:
    """Run a suite. Rows that the mapping could not read are checked for that only."""
    readable = frame[frame[MAPPING_ERRORS].isna()]
    if len(readable) == len(frame):
        return _run(suite.name, suite.gx.expectations, frame, parameters, batches, _ROWS)
    on_all = [
        e for e in suite.gx.expectations if columns_of(e.configuration.kwargs) in ([], [MAPPING_ERRORS])
    ]
    on_readable = [e for e in suite.gx.expectations if e not in on_all]
    result = _run(suite.name, on_all, frame, parameters, batches, _ROWS)
    if len(readable):  # where the mapping could read no row at all, nothing else is there to check
        result.results += _run(suite.name, on_readable, readable, parameters, batches, _ROWS).results
    successes = sum(bool(check.success) for check in result.results)
    result.success = successes == len(result.results)
    result.statistics = {
        "evaluated_expectations": len(result.results),
        "successful_expectations": successes,
        "unsuccessful_expectations": len(result.results) - successes,
        "success_percent": 100 * successes / len(result.results) if result.results else None,
    }
    return result


def _run(
    name: str,
    expectations: list[Any],
    frame: pd.DataFrame,
    parameters: dict[str, Any],
    batches: BatchDefinition,
    result_format: dict[str, Any],
) -> ExpectationSuiteValidationResult:
    import great_expectations as gx

    batch = batches.get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(
        name=name, expectations=[e.configuration.to_domain_obj() for e in expectations]
    )
    how: dict[str, Any] = {"result_format": result_format, "expectation_parameters": parameters}
    try:
        result = batch.validate(suite, **how)
    except Exception as error:
        # A value that an expectation does not accept ends the whole suite: find out whose it is.
        for expectation in suite.expectations:
            try:
                batch.validate(expectation, **how)
            except Exception as its_own:
                raise _could_not_run(name, expectation.configuration, str(its_own)) from None
        raise CheckCouldNotRun(
            f"Suite {name}: could not run ({_first_line(str(error))}). Correct the suite."
        ) from None
    for check in result.results:
        raised = _exception(check.exception_info)
        if raised is not None:
            raise _could_not_run(name, _config(check), raised)
    return result


def _could_not_run(suite: str, config: ExpectationConfiguration, raised: str) -> CheckCouldNotRun:
    columns = ", ".join(columns_of(config.kwargs))
    return CheckCouldNotRun(
        f"Suite {suite}: {config.type}{f' on {columns}' if columns else ''} could not run "
        f"({_first_line(raised)}); nothing is known about the data. "
        "Correct the suite, its parameters or the types of the columns."
    )


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "no message")[:300]


def _exception(info: dict[str, Any]) -> str | None:
    """What a check raised, if it did. Great Expectations tells it either plainly or once for each metric."""
    told = (
        [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]
    )
    return next((str(each.get("exception_message")) for each in told if each.get("raised_exception")), None)


def _broken_rows(
    result: ExpectationSuiteValidationResult, mapping_errors: pa.Array, path: Path
) -> dict[str, Mask]:
    """For each reason code, in the order of REASON_CODES, which rows break an expectation of that code."""
    import numpy as np

    masks: dict[str, Mask] = {}

    def rows_of(code: str) -> Mask:
        return masks.setdefault(code, np.zeros(len(mapping_errors), dtype=bool))

    for check in result.results:
        code = _config(check).meta.get("reason_code")
        positions = check.result.get("unexpected_index_list")
        if code and positions:
            rows_of(code)[positions] = True
    for row in np.flatnonzero(pc.is_valid(mapping_errors).to_numpy(zero_copy_only=False)):
        for code in _codes(mapping_errors[int(row)].as_py(), path, int(row)):
            rows_of(code)[row] = True
    return {code: masks[code] for code in REASON_CODES if code in masks}


def _codes(entries: str, path: Path, row: int) -> Iterator[str]:
    for entry in entries.split(";"):
        code = entry.split(":")[0]
        if code not in REASON_CODES:
            raise BadInput(
                f"{path}, row {row + 1}: mapping_errors has the code {code!r}; expected code:column "
                f"with one of {', '.join(REASON_CODES)}. Correct the mapping."
            )
        yield code


def _config(result: ExpectationValidationResult) -> ExpectationConfiguration:
    assert result.expectation_config is not None, "every result of a suite carries its expectation"
    return result.expectation_config


def _check(result: ExpectationValidationResult) -> Check:
    config, counted = _config(result), result.result
    nonnull = counted.get("element_count", 0) - counted.get("missing_count", 0)
    mostly = config.kwargs.get("mostly")
    observed = counted.get("observed_value")
    is_tally = (
        config.type.startswith("expect_table")
        or "proportion" in config.type
        or "unique_value_count" in config.type
    )
    return Check(
        type=config.type,
        column=", ".join(columns_of(config.kwargs)),
        severity=config.meta["severity"],
        success=bool(result.success),
        checked_count=nonnull if "element_count" in counted else None,
        unexpected_count=counted.get("unexpected_count"),
        unexpected_pct=counted.get("unexpected_percent") or (0.0 if "unexpected_count" in counted else None),
        allowed_pct=None if mostly is None or mostly >= 1 else round(100 * (1 - mostly), 6),
        observed=float(observed) if is_tally and isinstance(observed, int | float) else None,
        reason_code=config.meta.get("reason_code"),
        why=config.meta["why"],
    )


# Telling ----------------------------------------------------------------------------------------------------


def _write(rows: pa.Table, path: Path) -> None:
    with replacing(path) as temporary:
        pq.write_table(rows.combine_chunks(), temporary, compression="zstd", row_group_size=1 << 17)


def _tell(
    verdict: Verdict,
    out: Path,
    docs: Path | None,
    results: list[ExpectationSuiteValidationResult],
    run: str,
    run_time: datetime | None,
) -> None:
    from citycheck.quality import data_docs

    if docs is not None:
        data_docs.publish(docs, results, run, run_time or datetime(1970, 1, 1, tzinfo=UTC))
    verdict.write(out / "verdict.json")


def _failures(verdict: Verdict) -> str:
    return "; ".join(
        f"table {table.table} failed {', '.join(map(str, table.failed('error')))}"
        for table in verdict.tables
        if table.failed("error")
    )


# Marts ------------------------------------------------------------------------------------------------------


def _marts(connection: Any) -> dict[str, list[str]]:
    """The columns of every table in schema `marts`."""
    listed = connection.execute(
        "select table_name, list(column_name order by ordinal_position) from information_schema.columns "
        "where table_schema = 'marts' group by table_name order by table_name"
    ).fetchall()
    return {name: list(columns) for name, columns in listed}


def _check_columns(suite: Suite, columns: list[str]) -> None:
    for expectation in suite.gx.expectations:
        absent = [c for c in columns_of(expectation.configuration.kwargs) if c not in columns]
        if absent:
            raise CheckCouldNotRun(
                f"Suite {suite.name}: {expectation.expectation_type} could not run "
                f"(there is no column {absent[0]!r}); nothing is known about the data. "
                "Correct the suite, or the model of the mart."
            )
