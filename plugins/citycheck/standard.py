"""The standard, as the Python steps need it: the codes in dbt's seeds, which are its only home."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

from citycheck.errors import BadInput
from citycheck.settings import settings


@lru_cache
def seed(name: str, folder: Path | None = None) -> tuple[dict[str, str], ...]:
    """The rows of a seed, as text. Raises `BadInput` when there is no such seed."""
    path = (folder or settings().dbt_project / "seeds") / f"{name}.csv"
    if not path.is_file():
        raise BadInput(
            f"{path.name}: the standard has no such seed; expected it in {path.parent}. Restore it."
        )
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def codes(name: str, column: str) -> list[str]:
    """The values of one column of a seed, in its order."""
    return [row[column] for row in seed(name)]


def version() -> str:
    """The version of the standard that is in force: the last one of the seed `standard_versions`."""
    return codes("standard_versions", "standard_version")[-1]


def lag_days(stage: str) -> int:
    """Days after the half-year at which a stage of publication is due; its cut-off is the midnight before.

    Raises `BadInput` when the standard has no such stage.
    """
    for row in seed("release_stages"):
        if row["stage_code"] == stage:
            return int(row["lag_days"])
    raise BadInput(
        f"release_stages.csv: the standard has no stage {stage!r}; expected {', '.join(stages())}."
    )


def stages() -> list[str]:
    """The stages of publication in their order, such as preliminary, verified, final."""
    rows = sorted(seed("release_stages"), key=lambda row: int(row["lag_days"]))
    return [row["stage_code"] for row in rows]


def parameter(name: str) -> float:
    """A number of the seed `scoring`. Raises `BadInput` when the standard has no such parameter."""
    for row in seed("scoring"):
        if row["parameter"] == name:
            return float(row["value"])
    raise BadInput(f"scoring.csv: the standard has no parameter {name!r}. Add the row.")
