"""What became of the projects of a home, half-year by half-year, and whether that is what the released tables and edits say.

    python -m bench.pools HOME [--city CITY]

HOME has released half-years in a row, with their databases in warehouse/. Every project, pool, evaluation and goal of every
release (its last version) is told again without the models (tests/lives_again.py). Exits with 1 when anything disagrees.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
ZONES = {"quzhou_sample": "Asia/Shanghai", "tainan": "Asia/Taipei"}
TOLD = (
    "candidate_id", "origin_code", "refresh_code", "status_code", "pool_code", "pool_basis", "opened_half_year",
    "closed_half_year", "supervision_code", "has_conflict",
)  # fmt: skip
REFRESHED = ("new", "still_open", "closed_by_itself", "closed_by_project", "without_effect", "dropped")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--city", default="quzhou_sample", choices=ZONES)
    asked = parser.parse_args()
    sys.path.insert(0, str(PROJECT / "tests"))
    import lives_again

    root: Path = asked.home / asked.city
    batches = sorted((root / "projects" / "edits").glob("*.parquet"))
    none = ("edit_id", "project_id", "field", "value", "edited_at", "is_conflict")
    edits = pd.concat([pd.read_parquet(file) for file in batches]) if batches else pd.DataFrame(columns=none)
    edits = edits.astype({"is_conflict": bool, "edited_at": "datetime64[us]"})
    told = lives_again.Lives(ZONES[asked.city], edits)
    folders = []
    disagreements: list[str] = []
    seen: dict[tuple[str, str], list[str]] = {}
    print("| half-year | from | candidates |", " | ".join(REFRESHED), "| open | overdue | stalled |")
    print("|---|---|" + "---:|" * (len(REFRESHED) + 4))
    for releases in sorted((root / "releases").glob("[0-9]*H[12]")):
        release = max(
            (one for one in releases.iterdir() if one.name.isdigit()), key=lambda one: int(one.name)
        )
        with duckdb.connect(
            str(root / "warehouse" / f"{releases.name}.duckdb"), read_only=True
        ) as connection:
            candidates = connection.sql("select * from intermediate.int_project_candidates").df()
        lives = told.refresh(release, candidates.set_index("candidate_id").to_dict("index"))
        folders.append(release)
        disagreements += _projects(release, lives) + _flows(release, told) + _evaluations(release, told)
        disagreements += _goals(release, lives_again.goals(folders))
        for origin in sorted({life.origin_code for life in lives.values()}):
            own = [life for life in lives.values() if life.origin_code == origin]
            counts = Counter(life.refresh_code for life in own)
            supervised = Counter(life.supervision_code for life in own)
            rows = (candidates.origin_code == origin).sum()
            cells = [rows, *(counts[code] for code in REFRESHED), sum(life.is_open for life in own)]
            cells += [supervised[code] for code in ("overdue", "stalled")]
            print(f"| {releases.name} | {origin} |", " | ".join(f"{cell:,}" for cell in cells), "|")
        for life in lives.values():
            if life.is_open:
                seen.setdefault((life.origin_code, life.candidate_id), []).append(releases.name)
    _tell_flows(told)
    _tell_returns(seen, [folder.parent.name for folder in folders])
    print(f"\n{len(disagreements)} disagreements", *disagreements[:20], sep="\n")
    return 1 if disagreements else 0


def _rows(release: Path, name: str) -> list[dict[str, Any]]:
    table = pd.read_parquet(release / "tables" / f"{name}.parquet").astype(object)
    return table.where(table.notna(), None).to_dict("records")


def _apart(what: str, release: Path, told: dict[Any, Any], expected: dict[Any, Any]) -> list[str]:
    where = release.parent.name
    return [
        f"{where} {what} {key}: told {told.get(key)}, expected {expected.get(key)}"
        for key in sorted(told.keys() | expected.keys(), key=str)
        if told.get(key) != expected.get(key)
    ]


def _projects(release: Path, lives: dict[str, Any]) -> list[str]:
    told = {row["project_id"]: tuple(row[name] for name in TOLD) for row in _rows(release, "projects")}
    return _apart(
        "project",
        release,
        told,
        {id_: tuple(getattr(life, name) for name in TOLD) for id_, life in lives.items()},
    )


def _flows(release: Path, lives: Any) -> list[str]:
    told = {(row["half_year"], row["pool_code"]): row for row in _rows(release, "pool_flows")}
    expected = dict(sorted(lives.flows.items())[-3 * 10 :])
    return _apart(
        "flow",
        release,
        {key: {name: row[name] for name in expected.get(key, ())} for key, row in told.items()},
        expected,
    )


def _evaluations(release: Path, lives: Any) -> list[str]:
    told = {row["project_id"]: row for row in _rows(release, "project_evaluations")}
    expected = {id_: vars(one) for id_, one in lives.evaluations.items()}
    return _apart(
        "evaluation",
        release,
        {id_: {name: row[name] for name in expected.get(id_, ())} for id_, row in told.items()},
        expected,
    )


def _goals(release: Path, expected: dict[tuple[str, str], Any]) -> list[str]:
    told = {
        (row["goal_code"], row["half_year"]): (
            row["value"], row["expected_value"], row["status_code"], row["review_code"],
        )
        for row in _rows(release, "goal_progress")
    }  # fmt: skip

    def near(cells: Any) -> tuple[Any, ...]:
        return tuple(round(cell, 6) if isinstance(cell, float) else cell for cell in cells)

    return _apart(
        "goal",
        release,
        {key: near(cells) for key, cells in told.items()},
        {key: near(cells) for key, cells in expected.items()},
    )


def _tell_flows(lives: Any) -> None:
    names = list(next(iter(lives.flows.values())))
    print("\n| half-year | pool |", " | ".join(names), "|")
    print("|---|---|" + "---:|" * len(names))
    for (half_year, pool), flow in sorted(lives.flows.items()):
        print(f"| {half_year} | {pool} |", " | ".join(str(flow[name]) for name in names), "|")


def _tell_returns(seen: dict[tuple[str, str], list[str]], half_years: list[str]) -> None:
    """How long needs stay open, and how many come and go."""
    print(
        "\n| from | needs | open in one half-year only | in all | gone and back |",
        "|---|---:|---:|---:|---:|",
        sep="\n",
    )
    for origin in sorted({origin for origin, _ in seen}):
        own = [when for (of, _), when in seen.items() if of == origin]
        back = sum(half_years.index(when[-1]) - half_years.index(when[0]) + 1 > len(when) for when in own)
        once, always = sum(len(when) == 1 for when in own), sum(len(when) == len(half_years) for when in own)
        print(f"| {origin} | {len(own):,} | {once:,} | {always:,} | {back:,} |")


if __name__ == "__main__":
    sys.exit(main())
