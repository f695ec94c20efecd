"""A city's own indicators: packs in `cities/<city>/indicators/<pack>/` that join the standard's.

A pack is `indicators.csv`, and where figures alone do not do, models of dbt with the properties beside them. Its rows
have the columns of the seed `indicators`; what the standard does not know says how it is computed:
a figure of the lake table `local_figures`, or a model of the pack.
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from citycheck import standard
from citycheck.errors import BadInput
from citycheck.lake.files import replacing
from citycheck.settings import settings

ROWS = "indicators.csv"
INPUT = "city_indicators"
"""The dbt input that holds the rows."""
_REQUIRED = (
    "indicator_code", "dimension_code", "name_zh", "name_en", "formula_zh", "formula_en", "unit", "multiplier",
    "direction", "is_scored",
)  # fmt: skip
_OWN = {
    "is_scored": pa.bool_(),
    "figure_level": pa.string(),
    "numerator_figure": pa.string(),
    "denominator_figure": pa.string(),
    "counted_from": pa.float64(),
}
"""What a row of a city has beside the seed's columns; `model` is read here and goes no further."""
_ARROW = {
    "varchar": pa.string(),
    "double": pa.float64(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
}
_CODE = re.compile(r"[A-Z][A-Z0-9]*-[A-Z0-9-]+")
_MODEL = re.compile(r"int_[a-z0-9_]+")
_STATUSES = ("verified_primary", "verified_secondary", "recalled", "proposal", "unknown")
_NORMALISATIONS = (
    "none", "goalposts", "min_max", "z_score", "rank", "percentile_rank", "exponential_rank", "distance_to_target",
)  # fmt: skip
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Packs:
    """The indicators of one city: rows as typed values, the models that compute some, and where they stand."""

    folder: Path
    rows: tuple[dict[str, Any], ...]
    models: tuple[str, ...]
    """Models whose rows are ratios, in order."""

    @property
    def codes(self) -> list[str]:
        return [row["indicator_code"] for row in self.rows]

    def fingerprint(self) -> str | None:
        """SHA-256 over the files of all packs; None without a pack."""
        if not self.rows:
            return None
        digest = hashlib.sha256()
        for path in _files(self.folder):
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write the rows as parquet, with the columns of `int_indicators` that are not computed."""
        with replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist(list(self.rows), schema=_schema()), temporary)

    def project(self, folder: Path) -> Path:
        """dbt's project: the core's own, or a copy of it in `folder` with the city's models in it."""
        core = settings().dbt_project
        if not self.models:
            return core
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(core, folder, ignore=shutil.ignore_patterns("target", "logs", ".*"))
        for path in _files(self.folder):
            if path.name != ROWS:
                place = folder / "models" / "intermediate" / "city" / path.relative_to(self.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        return folder


def load_packs(city_folder: Path) -> Packs:
    """Read and check the packs of a city; no rows where it has none.

    Raises `BadInput` with one sentence: which file and row, what was expected, what to do.
    """
    folder = city_folder / "indicators"
    packs = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if astray := sorted(path for path in folder.glob("*.*") if path.is_file()):
        raise BadInput(
            f"{astray[0]}: stands beside the packs; expected it in the folder of a pack, such as "
            f"{folder.name}/own/{astray[0].name}. Move it there."
        )
    rows: list[dict[str, Any]] = []
    for pack in packs:
        _check_models(pack, packs)
        rows += _read(pack)
    seen: dict[str, Path] = dict.fromkeys(
        standard.codes("indicators", "indicator_code"), Path("the standard")
    )
    for row in rows:
        code, path = row["indicator_code"], row.pop("path")
        if code in seen:
            raise BadInput(
                f"{path}: the indicator {code} is already in {seen[code]}; expected a code of its own. Rename it."
            )
        seen[code] = path
    models = list(dict.fromkeys(model for row in rows if (model := row.pop("model"))))
    return Packs(folder, tuple(rows), tuple(models))


def _read(pack: Path) -> list[dict[str, Any]]:
    path = pack / ROWS
    if not path.is_file():
        raise BadInput(
            f"{path}: a pack needs its rows; there is no such file. Add it, or remove {pack.name}/."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header, written = list(reader.fieldnames or []), list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: is no CSV in UTF-8 ({error}). Save it as CSV UTF-8.") from None
    known = {*_schema().names, "model"} - {"family"}
    for name in header:
        if name not in known:
            near = get_close_matches(name, sorted(known), 1)
            hint = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(sorted(known))}."
            raise BadInput(f"{path}: there is no column {name!r}; {hint} Correct or delete it.")
    if absent := [name for name in _REQUIRED if name not in header]:
        raise BadInput(f"{path}: the column(s) {', '.join(absent)} are missing. Add them.")
    if not written:
        raise BadInput(f"{path}: has no row; expected one an indicator. Add one, or remove {pack.name}/.")
    return [_row(path, number, row) for number, row in enumerate(written, 2)]


def _row(path: Path, line: int, written: dict[str, Any]) -> dict[str, Any]:
    """One row with typed values, its model and its path."""
    told = f"{path}, line {line}"
    if None in written or None in written.values():
        raise BadInput(f"{told}: has not as many cells as the header. Quote a cell that holds a comma.")
    text = {name: value.strip() for name, value in written.items()}
    row: dict[str, Any] = {}
    for field in _schema():
        row[field.name] = _value(told, field, text.get(field.name, ""))
    row |= {
        "level": row["level"] or "community",
        "normalisation": row["normalisation"] or ("goalposts" if row["is_scored"] else "none"),
        "outliers": row["outliers"] or "none",
        "uses_stock_radius": False,
    }
    row["model"] = text.get("model") or None
    row["family"] = "model" if row["model"] else "figures"
    row["path"] = path
    for rule in (_check_codes, _check_formula, _check_score):
        if complaint := rule(row, path.parent):
            raise BadInput(f"{told}: {row['indicator_code'] or 'the indicator'}: {complaint}")
    return row


def _value(told: str, field: pa.Field, text: str) -> Any:
    if text == "":
        return None
    try:
        if pa.types.is_boolean(field.type):
            return _TRUTH[text.lower()]
        if pa.types.is_integer(field.type):
            return int(text)
        if pa.types.is_floating(field.type):
            number = float(text)
            if number - number != 0:
                raise ValueError
            return number
    except (KeyError, ValueError):
        wanted = {"bool": "true or false", "double": "a number"}.get(str(field.type), "a whole number")
        raise BadInput(f"{told}: {field.name} is {text!r}; expected {wanted}. Correct it.") from None
    return text


def _check_codes(row: dict[str, Any], pack: Path) -> str | None:
    if absent := [name for name in _REQUIRED if row[name] is None]:
        return f"{', '.join(absent)} must not be blank. Fill it in."
    if not _CODE.fullmatch(row["indicator_code"]):
        return "is no code; expected capital letters, a hyphen and a number, such as QZ-1. Rename it."
    among: list[tuple[str, Sequence[Any]]] = [
        ("dimension_code", standard.codes("dimensions", "dimension_code")),
        ("target_group", [None, *standard.codes("population_groups", "group_code")]),
        ("direction", [1, -1]),
        ("level", ["community"]),
        ("normalisation", _NORMALISATIONS),
        ("outliers", ["none", "winsorise_pct", "winsorise_skew"]),
        *((name, [None, *_STATUSES]) for name in ("goalpost_status", "target_status", "weight_status")),
    ]
    for name, expected in among:
        if row[name] not in expected:
            names = ", ".join(str(value) for value in expected if value is not None)
            return f"{name} is {row[name]!r}; expected one of {names}. Correct it."
    sources = (row["target_source"] or "").split("|") if row["target_source"] else []
    if unknown := [source for source in sources if source not in standard.codes("sources", "source_id")]:
        return f"target_source names {', '.join(unknown)}, which the seed sources does not have. Correct it."
    if str(row["target_status"]).startswith("verified") and not sources:
        return "target_status says verified, but target_source is blank. Name the source, or say proposal."
    return None


def _check_formula(row: dict[str, Any], pack: Path) -> str | None:
    figures = [row["figure_level"], row["numerator_figure"]]
    if row["model"]:
        if any(figures) or row["denominator_figure"] or row["counted_from"] is not None:
            return f"has the model {row['model']} and figures; expected one of the two. Delete the other."
        if not next(pack.rglob(f"{row['model']}.sql"), None):
            return f"names the model {row['model']}, but {pack.name}/{row['model']}.sql is not there. Add it."
        return None
    if not all(figures):
        return (
            "says not how it is computed; expected figure_level and numerator_figure, or model. Fill it in."
        )
    if row["figure_level"] not in ("community", "estate"):
        return f"figure_level is {row['figure_level']!r}; expected community or estate. Correct it."
    if row["multiplier"] == 0:
        return "multiplier is 0, so every value would be. Correct it."
    return None


def _check_score(row: dict[str, Any], pack: Path) -> str | None:
    low, high = row["goalpost_low"], row["goalpost_high"]
    if (low is None) != (high is None) or (low is not None and low >= high):
        return "goalpost_low must be below goalpost_high, or both blank. Correct them."
    if not row["is_scored"]:
        if row["normalisation"] != "none":
            return f"is not scored, yet has the normalisation {row['normalisation']}. Leave it blank, or score it."
        if row["weight"] is not None:
            return f"is not scored, yet has the weight {row['weight']:g}; expected none. Leave it blank, or score it."
        return None
    if row["normalisation"] == "goalposts" and low is None:
        return "is scored, but has no goalposts. Give goalpost_low and goalpost_high."
    if row["normalisation"] == "distance_to_target" and not row["target"]:
        return "is scored by its distance to the target, but has none. Give target."
    if not row["weight"] or row["weight"] < 0:
        return "is scored, but has no weight above 0 beside the standard's, which sum to 1. Give one."
    if not row["weight_status"] or (low is not None and not row["goalpost_status"]):
        return f"is scored; weight_status and goalpost_status must say one of {', '.join(_STATUSES)}. Fill them in."
    return None


def _check_models(pack: Path, packs: list[Path]) -> None:
    """Every model has properties, and a name that neither the core nor another pack has."""
    taken = {path.stem: path for path in (settings().dbt_project / "models").rglob("*.sql")}
    taken |= {path.stem: path for other in packs if other != pack for path in other.rglob("*.sql")}
    for path in sorted(pack.rglob("*.sql")):
        if not _MODEL.fullmatch(path.stem):
            raise BadInput(f"{path}: a model's name begins with int_, in small letters. Rename it.")
        if path.stem in taken:
            raise BadInput(f"{path}: there is a model of that name in {taken[path.stem].parent}. Rename it.")
        if not path.with_suffix(".yml").is_file():
            raise BadInput(
                f"{path}: its properties are missing; expected {path.stem}.yml beside it. Describe it."
            )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".csv", ".sql", ".yml"))


@lru_cache
def _schema() -> pa.Schema:
    """The seed's columns with their types, in its order, then the city's own."""
    path = settings().dbt_project / "seeds" / "_seeds.yml"
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    seeds = yaml.load(path.read_text(encoding="utf-8"), Loader=fast)["seeds"]
    types = next(seed["config"]["column_types"] for seed in seeds if seed["name"] == "indicators")
    return pa.schema([(name, _ARROW[kind]) for name, kind in types.items()] + list(_OWN.items()))
