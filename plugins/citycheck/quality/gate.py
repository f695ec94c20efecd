"""The gate: a feed's mapped rows in; accepted rows, quarantined rows with their reasons, and a verdict out.

Rows in = accepted + quarantined, for every table. A check that failed (`GateFailed`) is told from a check
that could not run (`CheckCouldNotRun`). Nothing the gate writes beside the rows themselves holds a value of a
row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from citycheck import duck, standard
from citycheck.errors import BadInput, CheckCouldNotRun, GateFailed
from citycheck.lake.files import replacing, telling_disk_full, write_json
from citycheck.lake.mapped import relation as mapped_rows
from citycheck.lake.tables import Table, tables_of
from citycheck.quality.suite import REASON_CODES, Suite, Tolerance, columns_of, load_suite, tolerate

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from citycheck.quality.engine import DuckDBExecutionEngine, Relation

MAPPING_ERRORS, UNMAPPED = "mapping_errors", "unmapped"
_COUNTS = {
    "result_format": "BASIC",
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}
"""What Great Expectations is to tell: how many rows break an expectation, and no value of a row."""
_CODES = {
    "kind_codes": ("facility_kinds", "kind_code"),
    "dimension_codes": ("dimensions", "dimension_code"),
    "indicator_codes": ("indicators", "indicator_code"),
    "band_codes": ("bands", "band_code"),
    "missing_reasons": ("missing_reasons", "reason_code"),
    "obs_statuses": ("obs_statuses", "obs_status"),
    "conf_statuses": ("conf_statuses", "conf_status"),
    "stage_codes": ("release_stages", "stage_code"),
}
"""Codes of the standard that suites of marts may name: parameter → (seed, column)."""
_REGISTERS = {"communities": ("community_ids", "community_id"), "estates": ("estate_ids", "estate_id")}
"""Tables whose accepted codes the tables after them may name: table → (parameter, column)."""
_BITS = {code: 1 << place for place, code in enumerate(REASON_CODES)}
"""The reason codes of a row as one number."""


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
    unread: dict[str, int] = field(default_factory=dict)
    """Rows by what the mapping could not read, as `code:column`; most rows first."""

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
    tolerances: Mapping[str, Mapping[str, Tolerance]] | None = None,
    memory_limit: str | None = None,
) -> Verdict:
    """Split the mapped rows of a feed into `out`/<table>.accepted.parquet and <table>.quarantine.parquet.

    `parameters`: lon_min, lon_max, lat_min, lat_max (degrees); period_start, period_end, cut_off (naive UTC);
    community_ids, kind_codes, category_codes, service_types (lists; an empty community_ids means unknown and
    skips that check, as does an empty estate_ids, the default); optionally received_at (naive UTC, default
    cut_off): times after it are `future_time`;
    covered_start, covered_end (naive UTC, default the period): events out of them are `outside_coverage`;
    asked_for_everything (empty for a delivery of changes alone, which need hold nothing of its half-year).
    `delivery` names the run in Data Docs beside the half-year. `tolerances`: for a table and a reason code, the
    share of rows (0 to 1) that the city allows instead of the suite, or that share and the reason for it.
    Both files keep the order of the mapped rows. Writes everything, `out`/verdict.json last, before it raises
    `GateFailed`; raises `CheckCouldNotRun` or `BadInput` with nothing written.
    """
    known = {
        "received_at": parameters.get("cut_off"),
        "covered_start": parameters.get("period_start"),
        "covered_end": parameters.get("period_end"),
        "asked_for_everything": [True],
        "estate_ids": [],
        **parameters,
    }
    order = {table.name: table for table in tables_of(feed)}
    for name in mapped:
        if name not in order:
            raise BadInput(
                f"The feed {feed} has no table {name!r}: expected one of {', '.join(order)}. Correct it."
            )
    gated: list[_Gated] = []
    with _connected(memory_limit, out) as connection:
        for name in [name for name in order if name in mapped]:
            suite = load_suite(suites / f"{name}.json", known)
            suite = tolerate(suite, (tolerances or {}).get(name, {}))
            gated.append(_gate_table(connection, order[name], mapped[name], suite, known))
            if name in _REGISTERS:
                parameter, column = _REGISTERS[name]
                known[parameter] = _accepted(connection, name, column)
        for table in gated:
            for kind, query in (("accepted", table.accepted), ("quarantine", table.quarantine)):
                _write(connection, query, out / f"{table.verdict.table}.{kind}.parquet")
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

    `parameters`: half_year, cut_off (naive UTC); lon_min, lon_max, lat_min, lat_max (degrees); projected_crs;
    with_residents, with_facilities and with_access, each empty for a city that does not have them. The gate adds the
    codes of the standard, and community_count and county_count from marts.communities. Writes `out`/verdict.json
    before it raises `GateFailed`; a mart or a column that is not there is a `CheckCouldNotRun`.
    """
    if "half_year" not in parameters:
        raise BadInput("The mart gate needs the parameter half_year, such as 2026H1. Give it.")
    codes = {name: standard.codes(seed, column) for name, (seed, column) in _CODES.items()}
    everything = {what: [True] for what in ("with_residents", "with_facilities", "with_access")}
    known = codes | {"reason_codes": list(REASON_CODES)} | everything | parameters
    verdicts, results = [], []
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
            relation = _mart(connection, path.stem, marts[path.stem])
            result = _validate(suite, relation, known).result
            rows = _one(connection, f"select count(*) from {relation.name}")
            checks = tuple(_check(check) for check in result.results)
            verdicts.append(TableVerdict(path.stem, rows, rows, 0, {}, checks, suite.skipped))
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
    """What became of a table, and the queries for its two files."""

    verdict: TableVerdict
    accepted: str
    quarantine: str
    result: ExpectationSuiteValidationResult


@contextmanager
def _connected(memory_limit: str | None, out: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        TemporaryDirectory(prefix="citycheck-gate-", dir=_nearest(out)) as spill,
        telling_disk_full(out),
        duck.connect(memory_limit=memory_limit, temp=Path(spill)) as connection,
    ):
        yield connection


def _nearest(folder: Path) -> Path:
    """The folder or the first one above it that is there: what spills over stays on the disk it is meant for."""
    return next(place for place in (folder, *folder.resolve().parents) if place.is_dir())


def _gate_table(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, suite: Suite, parameters: dict[str, Any]
) -> _Gated:
    relation = _rows(connection, table, path)
    _check_columns(suite, list(relation.columns))
    errors = _mapping_errors(connection, relation.name, path)
    checked = _validate(suite, relation, parameters)
    broken = _broken_rows(connection, table, relation, errors, checked)
    reasons = dict.fromkeys(REASON_CODES, 0)
    quarantined = 0
    for codes, count in connection.execute(f"select codes, count(*) from {broken} group by codes").fetchall():
        quarantined += count
        for code in _named(codes):
            reasons[code] += count
    rows = _one(connection, f"select count(*) from {relation.name}")
    verdict = TableVerdict(
        table.name,
        rows,
        rows - quarantined,
        quarantined,
        {code: count for code, count in reasons.items() if count},
        tuple(_check(check) for check in checked.result.results),
        suite.skipped,
        _unread(connection, relation.name),
    )
    columns, source = ", ".join(f'"{name}"' for name in table.schema.names), mapped_rows(connection, path)
    is_accepted = f"where get_bit({_marked(connection, broken, path)}, position::integer) = 0"
    return _Gated(
        verdict,
        f"select {columns} from {source} {is_accepted if quarantined else ''}",
        f"select {columns}, reason_codes from {source} join {broken} using (position) order by position",
        checked.result,
    )


def _rows(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> Relation:
    """The mapped rows with their place in the file; a number that is none is missing."""
    from citycheck.quality.engine import Relation, name, shape_of

    _check_file(table, path)
    columns = [
        f"case when not isnan({name(field.name)}) then {name(field.name)} end as {name(field.name)}"
        if pa.types.is_floating(field.type)
        else name(field.name)
        for field in table.schema
    ]
    wkb = [name(field.name) for field in table.schema if pa.types.is_binary(field.type)]
    rows = f"{table.name}_rows"
    connection.execute(
        f"create or replace temp {'table' if wkb else 'view'} {rows} as "
        f"select position, {', '.join(columns)}, {MAPPING_ERRORS} from {mapped_rows(connection, path)}"
    )
    if wkb:
        # From a table, because try() over a column that parquet keeps as a dictionary gives only nulls beside a torn one.
        # No shape has fewer than nine bytes; of such, try() does not always catch what is wrong.
        shapes = ", ".join(
            f"case when octet_length({column}) >= 9 then try(st_geomfromwkb({column})) end as {shape_of(column)}"
            for column in wkb
        )
        connection.execute(f"create or replace temp table {rows} as select *, {shapes} from {rows}")
    unreadable = _one(connection, f"select count({MAPPING_ERRORS}) from {rows}")
    return Relation(
        connection,
        rows,
        [*table.schema.names, MAPPING_ERRORS],
        f"{MAPPING_ERRORS} is null" if unreadable else "true",
    )


def _check_file(table: Table, path: Path) -> None:
    try:
        read = pq.read_schema(path)
    except FileNotFoundError:
        raise BadInput(
            f"{path}: there is no such file of mapped rows. Run the mapping of {table.name} first."
        ) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(
            f"{path}: not a complete parquet file ({str(error).splitlines()[0]}). Run the mapping again."
        ) from None
    expected = {field.name: field.type for field in table.schema} | {MAPPING_ERRORS: pa.string()}
    missing = [name for name in expected if name not in read.names]
    strange = [name for name in read.names if name not in (*expected, UNMAPPED)]
    if missing or strange:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(strange)}"] * bool(
            strange
        )
        raise BadInput(
            f"{path}: {' and '.join(told)}; expected the columns of {table.name} in tables.yml. "
            "Run the mapping again."
        )
    if wrong := [name for name, kind in expected.items() if read.field(name).type != kind]:
        raise BadInput(f"{path}: {', '.join(wrong)} not in the types of tables.yml. Run the mapping again.")


def _mapping_errors(connection: duckdb.DuckDBPyConnection, rows: str, path: Path) -> str:
    """A table of what the mapping could not read: its words, and the reason codes in them as one number."""
    found = connection.execute(
        f"select {MAPPING_ERRORS}, min(position) from {rows} where {MAPPING_ERRORS} is not null "
        f"group by all order by all"
    ).fetchall()
    words = [entries for entries, _ in found]
    codes = [sum(_BITS[code] for code in set(_codes(entries, path, row))) for entries, row in found]
    told = pa.table({"words": pa.array(words, pa.string()), "codes": pa.array(codes, pa.uint64())})
    connection.register("told_errors", told)
    connection.execute(f"create or replace temp table {rows}_errors as from told_errors")
    connection.unregister("told_errors")
    return f"{rows}_errors"


def _unread(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, int]:
    found = connection.execute(
        f"""
        select entry, count(*) from (select unnest(string_split({MAPPING_ERRORS}, ';')) as entry from {rows})
        group by entry order by 2 desc, 1
        """
    ).fetchall()
    return dict(found)


def _broken_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    errors: str,
    checked: _Checked,
) -> str:
    """A table of the rows that break an expectation with a reason code: position, codes and reason_codes."""
    flags = [
        f"case when {condition} then {_BITS[_config(check).meta['reason_code']]}::ubigint else 0 end"
        for check, condition in checked.broken
    ]
    flags.append("coalesce(told.codes, 0)")
    broken = f"{table.name}_broken"
    connection.execute(f"""
        create or replace temp table {broken}_rows as
        select position, codes
        from (
            select position, {" | ".join(flags)} as codes
            from {relation.name} as read_rows left join {errors} as told on read_rows.{MAPPING_ERRORS} = told.words
        )
        where codes <> 0
    """)
    kinds = [codes for (codes,) in connection.execute(f"select distinct codes from {broken}_rows").fetchall()]
    names = pa.table(
        {
            "codes": pa.array(kinds, pa.uint64()),
            "reason_codes": pa.array([";".join(_named(codes)) for codes in kinds], pa.string()),
        }
    )
    connection.register("named_codes", names)
    connection.execute(
        f"create or replace temp table {broken} as from {broken}_rows join named_codes using (codes)"
    )
    connection.unregister("named_codes")
    return broken


def _marked(connection: duckdb.DuckDBPyConnection, broken: str, path: Path) -> str:
    """SQL of one bit a row, set for the broken ones: a join instead would lose the order of the rows."""
    import numpy as np

    bits = np.zeros(max(pq.read_metadata(path).num_rows, 1), dtype=bool)
    bits[connection.execute(f"select position from {broken}").fetchnumpy()["position"]] = True
    connection.execute(f"set variable {broken} = ?::blob::bit", [np.packbits(bits).tobytes()])
    return f"getvariable('{broken}')"


def _named(codes: int) -> list[str]:
    return [code for code, bit in _BITS.items() if codes & bit]


def _accepted(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> list[str]:
    found = connection.execute(
        f"select {column} from {table}_rows "
        f"where position not in (select position from {table}_broken) order by position"
    ).fetchall()
    return [code for (code,) in found]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    [[count]] = connection.execute(query).fetchall()
    return int(count)


@dataclass(frozen=True)
class _Checked:
    """What Great Expectations found, and for each check that is about rows, SQL for the rows that break it."""

    result: ExpectationSuiteValidationResult
    broken: tuple[tuple[ExpectationValidationResult, str], ...]


def _validate(suite: Suite, relation: Relation, parameters: dict[str, Any]) -> _Checked:
    """Let Great Expectations check a suite; what speaks of columns sees only the part that the mapping could read."""
    from great_expectations import __version__ as version
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.validator.validator import calc_validation_statistics

    from citycheck.quality.engine import DuckDBExecutionEngine

    on_all = [
        e for e in suite.gx.expectations if columns_of(e.configuration.kwargs) in ([], [MAPPING_ERRORS])
    ]
    on_part = [e for e in suite.gx.expectations if e not in on_all]
    runs = [(replace(relation, part="true"), on_all), (relation, on_part)]
    if relation.part == "true":
        runs = [(relation, list(suite.gx.expectations))]
    elif not _one(relation.connection, f"select count(*) from {relation.name} where {relation.part}"):
        runs = runs[:1]  # where the mapping could read no row at all, nothing else is there to check
    results, broken = [], []
    for rows, expectations in runs:
        engine = DuckDBExecutionEngine(rows)
        for check in _run(suite.name, expectations, engine, parameters):
            results.append(check)
            if _config(check).meta.get("reason_code") and check.result["unexpected_count"]:
                broken.append((check, engine.rows_that_break(_config(check))))
    counts = calc_validation_statistics(results)
    result = ExpectationSuiteValidationResult(
        results=results,
        success=counts.success,
        suite_name=suite.name,
        statistics={key: value for key, value in counts._asdict().items() if key != "success"},
        meta={"great_expectations_version": version},
        batch_id=suite.name,
    )
    return _Checked(result, tuple(broken))


def _run(
    suite: str, expectations: list[Any], engine: DuckDBExecutionEngine, parameters: dict[str, Any]
) -> list[ExpectationValidationResult]:
    from great_expectations.validator.validator import Validator

    from citycheck.quality import data_docs

    validator = Validator(engine, data_context=data_docs.context(), batches=[engine.batch()])

    def run(asked: list[Any]) -> list[ExpectationValidationResult]:
        configs = validator.process_expectations_for_validation([e.configuration for e in asked], parameters)
        return validator.graph_validate(configs, {"result_format": _COUNTS})

    try:
        results = run(expectations)
    except Exception as error:
        # A value that an expectation does not accept ends the whole suite: find out whose it is.
        for expectation in expectations:
            try:
                run([expectation])
            except Exception as its_own:
                raise _could_not_run(suite, expectation.configuration, str(its_own)) from None
        raise CheckCouldNotRun(
            f"Suite {suite}: could not run ({_first_line(str(error))}). Correct the suite."
        ) from None
    for check in results:
        raised = _exception(check.exception_info)
        if raised is not None:
            raise _could_not_run(suite, _config(check), raised)
    return results


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
        config.type.startswith(("expect_table", "expect_some"))
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


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write rows in the order of the query: the same rows give the same bytes."""
    with replacing(path) as temporary:
        connection.execute(
            f"copy ({query}) to '{temporary}' (format parquet, compression zstd, compression_level 1)"
        )


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
        f"table {table.table} failed {', '.join(map(str, table.failed('error')))}{_told_unread(table)}"
        for table in verdict.tables
        if table.failed("error")
    )


def _told_unread(table: TableVerdict) -> str:
    """Where the mapping met most of what it could not read; names of columns, never a value."""
    most = [f"{entry} in {rows} rows" for entry, rows in list(table.unread.items())[:3]]
    return f" (the mapping met {', '.join(most)})" if most else ""


# Marts ------------------------------------------------------------------------------------------------------


def _mart(connection: duckdb.DuckDBPyConnection, mart: str, columns: list[str]) -> Relation:
    from citycheck.quality.engine import Relation, name, shape_of

    types = connection.execute(f'describe marts."{mart}"').fetchall()
    shapes = "".join(
        f", {name(column)} as {shape_of(name(column))}" for column, kind, *_ in types if "GEOMETRY" in kind
    )
    connection.execute(
        "create or replace temp view mart_rows as "
        f'select row_number() over () as position, *{shapes} from marts."{mart}"'
    )
    return Relation(connection, "mart_rows", columns)


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
