"""`citycheck index`: any table through the index engine, by the same dbt models that make the city's index.

The spec and the table become the two inputs of the models in dbt_project/models/intermediate/engine, which run in a
temporary folder; nothing of a city is read or written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from citycheck import duck, progress
from citycheck.errors import BadInput, CitycheckError
from citycheck.index.spec import Node, Spec
from citycheck.settings import settings

_ROUNDINGS = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
_MEASURES = ("score", "value", "rank", "percentile_rank")
_MOST_DECIMALS = 9
"""Decimals to which a published column is compared at most: the engine promises no more."""
_FIRST_SHOWN = 10

_TEXTS = [
    "index_code",
    "node_code",
    "parent_code",
    "imputation",
    "transform",
    "outliers",
    "normalisation",
    "ties",
    "rank_share",
    "deviation",
    "mean",
    "rounding",
    "rank_one",
]
_COUNTS = ("step", "direction", "value_decimals", "outliers_points", "decimals")
_NUMBERS = [
    "weight",
    "outliers_pct",
    "outliers_skewness",
    "outliers_kurtosis",
    "goalpost_low",
    "goalpost_high",
    "target",
    "normalisation_constant",
    "scale_low",
    "scale_high",
    "floor",
    "min_share",
]
_NODES = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [(name, pa.int32()) for name in _COUNTS]
    + [(name, pa.float64()) for name in _NUMBERS]
)
_RATIOS = pa.schema(
    [(name, pa.string()) for name in ("area_level", "area_id", "node_code")]
    + [(name, pa.float64()) for name in ("multiplier", "numerator", "denominator")]
)


@dataclass(frozen=True)
class Comparison:
    """How a computed column agrees with a published one."""

    column: str
    node: str
    measure: str
    decimals: int
    compared: int
    agreeing: int
    largest_difference: float
    differing: tuple[tuple[str, str, str], ...]
    """The first units that differ: unit, published, computed."""
    only_published: int
    only_computed: int
    factor: float | None = None
    """What all published are of the computed, where they differ by one factor: weights that do not sum to 1."""


@dataclass(frozen=True)
class Result:
    """An index as computed: `scores` has a row for each unit and node, `units` what the table says of each unit."""

    spec: Spec
    units: pd.DataFrame
    scores: pd.DataFrame

    def column(self, node: str, measure: str = "score") -> pd.Series[float]:
        """One measure of one node, by unit."""
        rows = self.scores[self.scores["node_code"] == node]
        return rows.set_index("area_id")[measure].reindex(self.units["unit"])

    def table(self) -> pd.DataFrame:
        """One row per unit: the index, then each group, then each leaf."""
        root = self.spec.root.code
        made = self.units.copy()
        score = self.column(root)
        made["score"] = [as_number(printed(x, self.spec.decimals, self.spec.rounding)) for x in score]
        made["score_unrounded"] = score.to_numpy()
        for measure in ("value", "rank", "percentile_rank", "tied_units", "available_pct", "status"):
            made[measure] = self.column(root, measure).to_numpy()
        made["status"] = made["status"].fillna("excluded")
        for node in reversed(self.spec.nodes[:-1]):
            made[node.code] = self.column(node.code).to_numpy()
            if not node.is_leaf:
                for measure in ("value", "percentile_rank", "rank"):
                    made[f"{node.code}.{measure}"] = self.column(node.code, measure).to_numpy()
        return made


def compute(spec: Spec, data: pd.DataFrame, named: str = "the data") -> Result:
    """The index of a table whose cells are texts or numbers. Raises `BadInput` where the table does not fit the spec."""
    units, ratios = _inputs(spec, data, named)
    nodes = [{"index_code": "index", "rank_one": spec.rank_one, **row} for row in spec.rows()]
    with tempfile.TemporaryDirectory(prefix="citycheck-index-") as folder:
        home = Path(folder)
        pq.write_table(pa.Table.from_pylist(nodes, schema=_NODES), home / "nodes.parquet")
        pq.write_table(pa.Table.from_pylist(ratios, schema=_RATIOS), home / "ratios.parquet")
        database = _run_dbt(home, spec.root.step)
        with duck.connect(database, read_only=True) as connection:
            scores = connection.sql(
                "select * from intermediate.int_index_scores order by area_level, area_id, step, node_code"
            ).df()
    if scores.loc[scores["node_code"] == spec.root.code, "score"].isna().all():
        raise BadInput(_why_no_score(spec, scores, named))
    return Result(spec, units, scores)


def read(path: Path, spec: Spec) -> pd.DataFrame:
    """A table as it is written: cells of CSV are texts. Raises `BadInput` when there is no such table."""
    header = spec.header_row - 1
    try:
        match path.suffix.lower():
            case ".csv" | ".txt" | ".tsv":
                delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
                return pd.read_csv(
                    path, dtype=str, keep_default_na=False, header=header, encoding="utf-8-sig", sep=delimiter
                )
            case ".parquet":
                return pd.read_parquet(path)
            case ".xlsx":
                sheet = spec.sheet if spec.sheet is not None else 0
                return pd.read_excel(
                    path, sheet_name=sheet, header=header, dtype=object, keep_default_na=False
                )
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8. Save the table as CSV in UTF-8.") from None
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Give the table with the units.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read ({str(error).splitlines()[0]}). Correct the file.") from None
    raise BadInput(f"{path}: expected a table as .csv, .tsv, .parquet or .xlsx. Save it as one of them.")


def compare(result: Result, data: pd.DataFrame, column: str, named: str = "the data") -> Comparison:
    """How the index agrees with a published column: `column`, or `column=node.measure`.

    Without a node, what the spec says under `compare` of the column, else the score of the root. Raises `BadInput` when there
    is no such column, node or measure.
    """
    name, _, asked = column.partition("=")
    asked = asked or (result.spec.compare or {}).get(name, result.spec.root.code)
    known = {node.code for node in result.spec.nodes}
    node, measure = (
        (asked, "score") if asked in known else (asked.rpartition(".")[0], asked.rpartition(".")[2])
    )
    if node not in known or measure not in _MEASURES:
        raise BadInput(
            f"{name}: cannot be compared with {asked!r}; expected a node of the spec, or node.{{{', '.join(_MEASURES)}}}. "
            "Correct it."
        )
    texts = _column(data, name, named)
    published = [_number(text, result.spec.missing) for text in texts]
    decimals = _decimals(texts, published)
    if node == result.spec.root.code and measure == "score" and result.spec.decimals is not None:
        decimals = result.spec.decimals
    computed = result.column(node, measure).tolist()
    units = result.units["unit"].tolist()
    both = [
        (unit, mine, theirs)
        for unit, mine, theirs in zip(units, computed, published, strict=True)
        if theirs is not None and not _is_missing(mine)
    ]
    rounding = result.spec.rounding
    differing = [
        (unit, str(printed(theirs, decimals, rounding)), str(printed(mine, decimals, rounding)))
        for unit, mine, theirs in both
        if printed(mine, decimals, rounding) != printed(theirs, decimals, rounding)
    ]
    return Comparison(
        column=name,
        node=node,
        measure=measure,
        decimals=decimals,
        compared=len(both),
        agreeing=len(both) - len(differing),
        largest_difference=max((abs(mine - theirs) for _, mine, theirs in both), default=0.0),
        differing=tuple(differing[:_FIRST_SHOWN]),
        only_published=sum(p is not None for p in published) - len(both),
        only_computed=sum(not _is_missing(c) for c in computed) - len(both),
        factor=_factor([pair[1:] for pair in both], decimals) if differing else None,
    )


def _factor(pairs: Sequence[tuple[float, float]], decimals: int) -> float | None:
    """The one factor from computed to published numbers, None where it is not one, or 1 for all that is published."""
    computed = sum(abs(mine) for mine, _ in pairs)
    if len(pairs) <= 2 or computed == 0:
        return None
    factor = sum(abs(theirs) for _, theirs in pairs) / computed
    # Half a unit of the last digit, and what the factor itself is off by for the same reason.
    slack = 0.51 * 10.0**-decimals
    is_one = all(abs(theirs - factor * mine) <= slack + abs(factor * mine) * 1e-6 for mine, theirs in pairs)
    return factor if is_one and abs(factor - 1) > 1e-6 else None


def printed(number: float | None, decimals: int | None, rounding: str = "half_up") -> Decimal | None:
    """A number as it is printed; a half in decimals is a half, whatever binary arithmetic makes of it. None of NaN."""
    if number is None or _is_missing(number):
        return None
    if decimals is None:
        return Decimal(repr(float(number)))
    near = Decimal(f"{number:.{decimals + 6}f}")
    made = near.quantize(Decimal(1).scaleb(-decimals), rounding=_ROUNDINGS[rounding])
    return made if made else abs(made)  # there is no -0.0


def as_number(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def write(result: Result, out: Path) -> None:
    """One row per unit, as CSV or parquet. Raises `BadInput` for another kind of file."""
    made = result.table()
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise BadInput(f"{out}: expected a name that ends in .csv or .parquet. Rename it.")
    try:
        if out.suffix.lower() == ".csv":
            made.to_csv(out, index=False)
        else:
            made.to_parquet(out, index=False)
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror}). Choose another place.") from None


def as_json(result: Result, comparisons: Sequence[Comparison]) -> str:
    """The table and the comparisons as JSON, without NaN."""
    table = result.table().astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    made = {
        "name": result.spec.name,
        "units": rows,
        "compared": [
            {**vars(comparison), "differing": [list(row) for row in comparison.differing]}
            for comparison in comparisons
        ],
    }
    return json.dumps(made, ensure_ascii=False, indent=2, default=str)


def show(result: Result, comparisons: Sequence[Comparison], console: Console, most: int | None) -> None:
    """The table, best rank first, and how it agrees."""
    spec = result.spec
    groups = [node.code for node in reversed(spec.groups[:-1])]
    names = ["unit", *result.units.columns[1:], "score", "rank", "percentile rank", *groups]
    table = Table(title=spec.name, title_justify="left")
    for name in names:
        table.add_column(
            name, justify="left" if name in result.units.columns else "right", no_wrap=name == "unit"
        )
    rows = result.table().sort_values(["rank", "unit"], kind="stable", na_position="last")
    for row in rows.head(len(rows) if most is None else most).to_dict("records"):
        numbers = [
            _shown(printed(row["score_unrounded"], _or(spec.decimals, 3), spec.rounding)),
            _shown(printed(row["rank"], 0)),
            _shown(printed(row["percentile_rank"], 4)),
            *(_shown(printed(row[code], _or(spec.decimals, 3))) for code in groups),
        ]
        table.add_row(*(str(row[name]) for name in result.units.columns), *numbers)
    console.print(table)
    scored = int(result.column(spec.root.code).notna().sum())
    hidden = f"; the first {most} are shown" if most is not None and len(rows) > most else ""
    console.print(f"{len(rows)} units, {scored} with a score{hidden}", highlight=False)
    for found in comparisons:
        console.print(sentence(found), highlight=False, markup=False, soft_wrap=True)


def sentence(found: Comparison) -> str:
    """How a comparison came out, and the first units that differ."""
    what = f"{found.column} and {found.node}{'' if found.measure == 'score' else '.' + found.measure}"
    said = (
        f"{what}: {found.agreeing} of {found.compared} agree to {found.decimals} decimal(s), "
        f"largest difference {found.largest_difference:.3g}"
    )
    if found.only_published or found.only_computed:
        said += f"; {found.only_published} only published, {found.only_computed} only computed"
    if found.factor is not None:
        said += f"; published is {found.factor:.4g} times computed in all of them: do the weights sum to 1?"
    return "\n".join(
        [said, *(f"  {unit}: published {theirs}, computed {mine}" for unit, theirs, mine in found.differing)]
    )


def _inputs(spec: Spec, data: pd.DataFrame, named: str) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """What is said of each unit, and a ratio for each unit that takes part and each leaf."""
    ids = [_text(cell) for cell in _column(data, spec.unit, named)]
    if "" in ids:
        raise BadInput(
            f"{named}, row {ids.index('') + spec.header_row + 1}: {spec.unit} is empty, expected the code of a unit. Give one."
        )
    if (
        twice := next((unit for number, unit in enumerate(ids) if unit in ids[:number]), None)
        if len(set(ids)) < len(ids)
        else None
    ):
        raise BadInput(
            f"{named}: two rows have the {spec.unit} {twice!r}; expected one row per unit. Correct the table."
        )
    columns = {"unit": ids}
    for column in (spec.unit_name, spec.within):
        if column:
            columns[column] = [_text(cell) for cell in _column(data, column, named)]
    takes_part = [True] * len(ids)
    for column, values in (spec.exclude or {}).items():
        wanted = {_text(value) for value in values}
        for number, cell in enumerate(_column(data, column, named)):
            takes_part[number] &= _text(cell) not in wanted
    levels = columns.get(spec.within or "", ["all"] * len(ids))
    ratios = []
    for leaf in spec.leaves:
        numerators = _numbers(data, str(leaf.column), spec, leaf, named)
        denominators = (
            _numbers(data, leaf.denominator, spec, None, named) if leaf.denominator else [1.0] * len(ids)
        )
        ratios += [
            {
                "area_level": levels[number],
                "area_id": unit,
                "node_code": leaf.code,
                "multiplier": leaf.multiplier,
                "numerator": numerators[number],
                "denominator": denominators[number],
            }
            for number, unit in enumerate(ids)
            if takes_part[number]
        ]
    if not ratios:
        raise BadInput(
            f"{named}: no unit takes part; expected at least one that is not excluded. Correct the spec."
        )
    return pd.DataFrame(columns), ratios


def _column(data: pd.DataFrame, name: str, named: str) -> list[Any]:
    if name not in data.columns:
        near = sorted((str(column) for column in data.columns), key=lambda c: c.lower() != name.lower())
        raise BadInput(
            f"{named}: there is no column {name!r}; expected one of {', '.join(near[:20])}"
            f"{' …' if len(near) > 20 else ''}. Correct the spec."
        )
    found: list[Any] = data[name].tolist()
    return found


def _numbers(
    data: pd.DataFrame, column: str, spec: Spec, leaf: Node | None, named: str
) -> list[float | None]:
    """The numbers of a column; None where missing. Raises `BadInput` with the row of what is no number."""
    found: list[float | None] = []
    for row, cell in enumerate(_column(data, column, named), spec.header_row + 1):
        try:
            number = _number(cell, spec.missing)
        except ValueError:
            raise BadInput(
                f"{named}, row {row}: {column} is {_text(cell)!r}, expected a number, an empty cell or a code of `missing`. "
                "Correct the table, or add the code to the spec."
            ) from None
        if leaf and number is not None and not leaf.denominator:
            least = {"log": "above 0", "log10": "above 0", "sqrt": "of at least 0"}.get(leaf.transform)
            value = number * leaf.multiplier
            if least and (value < 0 or (value == 0 and leaf.transform != "sqrt")):
                raise BadInput(
                    f"{named}, row {row}: {column} is {number:g}, expected a number {least} for the {leaf.transform} of "
                    f"{leaf.code}. Correct the table or the transform."
                )
        found.append(number)
    return found


def _number(cell: Any, missing: Iterable[str | float]) -> float | None:
    """Raises `ValueError` for what is neither a number nor missing."""
    if _is_missing(cell):
        return None
    text = _text(cell)
    codes = {_text(code) for code in missing}
    if text == "" or text in codes:
        return None
    number = float(text)
    if number != number or abs(number) == float("inf"):
        raise ValueError(text)
    return None if _text(number) in codes else number


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def _text(cell: Any) -> str:
    """A cell as text, a whole number without a point: 1 and 1.0 and "1" name the same unit."""
    if _is_missing(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _decimals(texts: Sequence[Any], numbers: Sequence[float | None]) -> int:
    """How many decimals a published column shows."""
    shown = [
        max(0, -int(Decimal(_text(text)).normalize().as_tuple().exponent))
        for text, number in zip(texts, numbers, strict=True)
        if number is not None
    ]
    return min(max(shown, default=0), _MOST_DECIMALS)


def _run_dbt(home: Path, steps: int) -> Path:
    """Run the engine's models on the parquet files in the folder; gives the database."""
    database = home / "index.duckdb"
    variables = {
        "index_spec": {
            "nodes": str(home / "nodes.parquet"),
            "ratios": str(home / "ratios.parquet"),
            "steps": steps,
        },
        "spatial_extension": str(duck.spatial_extension_path()),
    }
    project = str(settings().dbt_project)
    command = [
        sys.executable, "-m", "dbt.cli.main", "--quiet", "run", "--select", "intermediate.engine",
        "--project-dir", project, "--profiles-dir", project, "--vars", json.dumps(variables),
        "--target-path", str(home / "target"), "--log-path", str(home / "target"), "--no-use-colors",
    ]  # fmt: skip
    environment = os.environ | {
        "CITYCHECK_DUCKDB": str(database),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    with progress.step("compute"):
        ran = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if ran.returncode != 0:
        said = (ran.stdout + ran.stderr).strip().splitlines()
        raise CitycheckError(f"dbt could not compute the index: {' '.join(said[-6:])}")
    return database


def _why_no_score(spec: Spec, scores: pd.DataFrame, named: str) -> str:
    counts = scores.groupby("node_code")["score"].count()
    empty = [node.code for node in spec.nodes if counts.get(node.code, 0) == 0]
    return (
        f"{named}: no unit has a score; {empty[0]} has none in any unit (all missing, all equal, or fewer than its "
        "min_share). Correct the table or the spec."
    )


def _or(number: int | None, otherwise: int) -> int:
    return otherwise if number is None else number


def _shown(number: Decimal | None) -> str:
    return "–" if number is None else str(number)


def run(
    spec_path: Path,
    data_path: Path,
    *,
    out: Path | None,
    columns: Sequence[str],
    json_only: bool,
    most: int | None,
) -> None:
    """What `citycheck index` does: compute, compare, write, print."""
    spec = Spec.read(spec_path)
    data = read(data_path, spec)
    result = compute(spec, data, str(data_path))
    asked = list(columns) or list(spec.compare or {})
    comparisons = [compare(result, data, column, str(data_path)) for column in asked]
    if out is not None:
        write(result, out)
    if json_only:
        print(as_json(result, comparisons))
    else:
        show(result, comparisons, Console(), most)
