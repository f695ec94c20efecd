"""The life of projects told again from released tables, seeds and edits, with dicts and pandas: nothing of the models.

Candidates are taken as the rules made them. Units are taken to keep their codes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

SEEDS = Path(__file__).resolve().parents[1] / "dbt_project" / "seeds"
ENDS = ("closed_by_itself", "closed_by_project", "without_effect", "dropped")
LISTED = {"reserve": "midterm_reserve"} | dict.fromkeys(("annual", "under_way", "delivered"), "annual_list")


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


LIMITS = {row["limit_code"]: float(row["value"]) for row in seed("renewal_limits")}
POOLS = [row["pool_code"] for row in seed("renewal_pools")]
POOL_RULES = sorted(seed("renewal_pool_rules"), key=lambda row: int(row["rule_order"]))
REFRESH = sorted(seed("renewal_refresh"), key=lambda row: int(row["rule_order"]))


@dataclass(frozen=True)
class Life:
    """A project after one release."""

    candidate_id: str
    community_id: str | None
    kind_code: str | None
    origin_code: str
    opened_half_year: str
    status_code: str = "proposed"
    pool_code: str | None = None
    pool_basis: str = "rule"
    previous_pool_code: str | None = None
    refresh_code: str | None = None
    closed_half_year: str | None = None
    delivered_on: str | None = None
    planned_end_on: str | None = None
    predicted: float | None = None
    told_at: Any = None
    supervision_code: str | None = None
    has_conflict: bool = False

    @property
    def is_open(self) -> bool:
        return self.refresh_code in ("new", "still_open")


@dataclass(frozen=True)
class Evaluation:
    baseline_half_year: str | None
    predicted_covered_in_community: float | None
    measured_covered_in_community: float | None
    is_still_lacking: bool
    verdict_code: str


@dataclass
class Lives:
    """All projects of a city, release by release: call `refresh` once for each, in order."""

    zone: str
    edits: pd.DataFrame
    """Every edit of the register."""
    open: dict[str, Life] = field(default_factory=dict)
    flows: dict[tuple[str, str], dict[str, float | None]] = field(default_factory=dict)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    cut_off: pd.Timestamp = pd.Timestamp.min
    _covered: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)
    _predicted: dict[tuple[str, str], float | None] = field(default_factory=dict)
    _dropped: list[tuple[str, str]] = field(default_factory=list)

    def refresh(self, release: Path, candidates: Mapping[str, Mapping[str, Any]]) -> dict[str, Life]:
        """What the release should say of each project; `candidates` by their id."""
        about = json.loads((release / "provenance.json").read_text("utf-8"))
        half_year, until = about["half_year"], _utc(pd.Timestamp(about["cut_off"]))
        access = pd.read_parquet(release / "tables" / "kind_access.parquet").query(
            "area_level == 'community'"
        )
        self._covered[half_year] = {
            (row.area_id, row.kind_code): row.covered_population for row in access.itertuples()
        }
        self.evaluations = {}
        lives = {id_: replace(life, previous_pool_code=life.pool_code) for id_, life in self.open.items()}
        lives = self._edited(lives, half_year, until)
        lives = {id_: self._ended(id_, life, half_year, candidates) for id_, life in lives.items()}
        known = {
            life.candidate_id for life in lives.values() if life.is_open or life.refresh_code == "dropped"
        }
        known |= {
            id_
            for when, id_ in self._dropped
            if number(when) + LIMITS["dropped_half_years"] > number(half_year)
        }
        for id_, row in candidates.items():
            if id_ not in known:
                lives[f"{id_}-{half_year}"] = Life(
                    id_,
                    row["community_id"],
                    row["kind_code"],
                    row["origin_code"],
                    half_year,
                    refresh_code="new",
                )
        lives = {
            id_: self._placed(life, candidates.get(life.candidate_id), half_year)
            for id_, life in lives.items()
        }
        released = pd.read_parquet(release / "tables" / "projects.parquet").set_index("project_id")
        told = released["predicted_covered_in_community"].to_dict()
        lives = {id_: replace(life, predicted=_known(told.get(id_))) for id_, life in lives.items()}
        self._predicted |= {(half_year, id_): life.predicted for id_, life in lives.items()}
        self._dropped += [
            (half_year, life.candidate_id) for life in lives.values() if life.refresh_code == "dropped"
        ]
        self.flows |= {(half_year, pool): _flow(lives.values(), pool, half_year) for pool in POOLS}
        self.open = {id_: life for id_, life in lives.items() if life.is_open}
        self.cut_off = until
        return lives

    def _edited(self, lives: dict[str, Life], half_year: str, until: pd.Timestamp) -> dict[str, Life]:
        """After the edits received since the last release's cut-off: the last of a field counts."""
        counted = self.edits[self.edits.edited_at <= until].sort_values(["edited_at", "edit_id"])
        fresh = counted[(counted.edited_at > self.cut_off) & ~counted.is_conflict]
        for id_, said in fresh.groupby("project_id"):
            values = dict(zip(said.field, said.value, strict=True))
            own = id_ not in lives
            if own and "community_id" not in values:
                continue
            if own:
                place, kind = values["community_id"], values.get("kind_code") or None
                lives[id_] = Life(f"{place}-{kind}" if kind else id_, place, kind, "department", half_year)
            status = values.get("status_code", lives[id_].status_code)
            listed = LISTED.get(status) if "status_code" in values else None
            decided = values.get("pool_code") or listed
            lives[id_] = replace(
                lives[id_],
                status_code=status,
                pool_code=decided or lives[id_].pool_code,
                pool_basis="department" if decided else lives[id_].pool_basis,
                delivered_on=values.get("delivered_on", lives[id_].delivered_on) or None,
                planned_end_on=values.get("planned_end_on", lives[id_].planned_end_on) or None,
                told_at=said.edited_at.max(),
            )
        settled = counted[~counted.is_conflict].groupby(["project_id", "field"]).edited_at.max()
        in_conflict = {
            edit.project_id
            for edit in counted[counted.is_conflict].itertuples()
            if not settled.get((edit.project_id, edit.field), pd.Timestamp.min) > edit.edited_at
        }
        return {id_: replace(life, has_conflict=id_ in in_conflict) for id_, life in lives.items()}

    def _ended(self, id_: str, life: Life, half_year: str, candidates: Mapping[str, Any]) -> Life:
        lacking = life.candidate_id in candidates
        if life.status_code == "dropped":
            return replace(life, refresh_code="dropped")
        if life.status_code == "delivered" and pd.Timestamp(life.delivered_on) < end(half_year):
            self.evaluations[id_] = told = self._evaluation(id_, life, half_year, lacking)
            return replace(
                life, refresh_code="without_effect" if told.verdict_code == "none" else "closed_by_project"
            )
        if life.origin_code == "department" and life.opened_half_year == half_year:
            return replace(life, refresh_code="new")
        goes_on = (
            lacking or life.origin_code == "department" or life.status_code in ("under_way", "delivered")
        )
        return replace(life, refresh_code="still_open" if goes_on else "closed_by_itself")

    def _evaluation(self, id_: str, life: Life, half_year: str, lacking: bool) -> Evaluation:
        before = [when for when in self._covered if end(when) <= pd.Timestamp(life.delivered_on)]
        baseline = max(before, default=None)
        predicted = self._predicted.get((baseline, id_))
        predicted = life.predicted if predicted is None else predicted
        then, now = (
            _known(self._covered.get(when, {}).get((life.community_id, life.kind_code)))
            for when in (baseline, half_year)
        )
        measured = None if then is None or now is None else now - then
        if predicted and measured is not None:
            if measured >= LIMITS["as_predicted_min"] * predicted:
                verdict = "as_predicted"
            else:
                verdict = "none" if lacking and measured <= LIMITS["no_effect_max"] * predicted else "less"
        else:
            verdict = "none" if lacking else "as_predicted"
        return Evaluation(baseline, predicted, measured, lacking, verdict)

    def _placed(self, life: Life, candidate: Mapping[str, Any] | None, half_year: str) -> Life:
        """Pool and status by the rules, where no department has decided, and what supervision has to look at."""
        suggested = candidate and next(
            row["pool_code"]
            for row in POOL_RULES
            if row["scale_code"] in ("*", candidate["scale_code"])
            and row["reason_code"] in ("*", candidate["reason_code"])
            and float(row["priority_score_min"]) <= candidate["priority_score"]
        )
        pool, status = life.pool_code or suggested or "midterm_reserve", life.status_code
        if candidate and life.is_open and life.status_code == "proposed" and life.pool_basis == "rule":
            for row in REFRESH:
                if (
                    row["pool_code"] == suggested
                    and row["half"] in ("", half_year[-1])
                    and row["origin_code"] in ("", life.origin_code)
                    and row["scale_code"] in ("", candidate["scale_code"])
                    and float(row["priority_min"]) <= candidate["priority_score"]
                ):
                    pool, status = row["pool_code"], row["status_code"]
                    break
        if not life.is_open and life.refresh_code != "dropped":
            status = "closed" if life.refresh_code == "closed_by_itself" else "evaluated"
        supervision = None
        if life.refresh_code == "without_effect":
            supervision = "without_effect"
        elif (
            status in ("proposed", "reserve", "annual", "under_way")
            and life.planned_end_on
            and pd.Timestamp(life.planned_end_on) < end(half_year)
        ):
            supervision = "overdue"
        elif status in ("annual", "under_way") and _utc(
            end(half_year).tz_localize(self.zone)
        ) - life.told_at > pd.Timedelta(days=LIMITS["stalled_days"]):
            supervision = "stalled"
        closed = None if life.is_open else half_year
        return replace(
            life, pool_code=pool, status_code=status, supervision_code=supervision, closed_half_year=closed
        )


def _flow(lives: Iterable[Life], pool: str, half_year: str) -> dict[str, float | None]:
    lives = list(lives)
    left = [life for life in lives if life.previous_pool_code == pool]
    here = [life for life in lives if life.pool_code == pool]
    ages = [number(half_year) - number(life.opened_half_year) for life in here if life.is_open]
    return {
        "at_start": len(left),
        "opened": sum(life.previous_pool_code is None for life in here),
        "moved_in": sum(life.is_open and life.previous_pool_code not in (None, pool) for life in here),
        "moved_out": sum(life.is_open and life.pool_code != pool for life in left),
        **{
            code: sum(
                life.refresh_code == code and (life.previous_pool_code or life.pool_code) == pool
                for life in lives
            )
            for code in ENDS
        },
        "open_at_end": len(ages),
        "median_age_half_years": float(pd.Series(ages).median()) if ages else None,
    }


def number(half_year: str) -> int:
    return 2 * int(half_year[:4]) + int(half_year[5]) - 1


def end(half_year: str) -> pd.Timestamp:
    """The first moment after a half-year, local."""
    year = int(half_year[:4])
    return pd.Timestamp(year, 7, 1) if half_year[5] == "1" else pd.Timestamp(year + 1, 1, 1)


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_convert("UTC").tz_localize(None)


def _known(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def goals(releases: list[Path]) -> dict[tuple[str, str], tuple[float | None, float | None, str, str | None]]:
    """Value, line, status and review of every goal in every half-year; `releases` from the first to the one that tells."""
    found = {}
    kinds = {row["kind_code"]: row["obligation"] for row in seed("facility_kinds")}
    for row in seed("renewal_goals"):
        rises = row["direction"] == "rise"
        values = {half_year: _measure(row, folder, kinds) for half_year, folder in _by_half_year(releases)}
        first = row["start_half_year"] or min(values)
        last = number(first) + int(row["half_years"]) - 1
        since = next((when for when, value in sorted(values.items()) if value is not None), None)
        if since is None:
            for when in values:
                found[row["goal_code"], when] = (
                    None, None, "not_known", "measure" if number(when) >= last else None,
                )  # fmt: skip
            continue
        start = values[since]
        target = float(row["target_value"]) * (1 if row["target_basis"] == "value" else start / 100)
        for when, value in values.items():
            is_to_go = (target > start) == rises and target != start
            done = min(1.0, (number(when) - number(since)) / max(last - number(since), 1))
            line = (start + (target - start) * done if is_to_go else target) if when >= since else None
            way: float | None = None
            if value is None:
                status = "not_known"
            elif (value >= target) if rises else (value <= target):
                status, way = "reached", 100
            else:
                is_behind = line - value > 1e-9 if rises else value - line > 1e-9
                status = "behind" if is_behind else "on_course"
                way = 100 - 100 * (target - value) / (target - start) if is_to_go else 0
            review = None
            if number(when) >= last:
                review = "measure" if way is None else next(
                    name for name, least in (("raise", 100), ("keep", 80), ("strengthen", 50), ("revise", -1e9)) if way >= least
                )  # fmt: skip
            found[row["goal_code"], when] = (value, line, status, review)
    return found


def _by_half_year(releases: list[Path]) -> list[tuple[str, Path]]:
    return [(folder.parent.name, folder) for folder in releases]


def _measure(goal: Mapping[str, str], release: Path, kinds: Mapping[str, str]) -> float | None:
    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(release / "tables" / f"{name}.parquet")

    if goal["measure_code"].startswith("index"):
        scores = table("index_scores")
        if goal["measure_code"] == "index":
            return _known(scores.query("area_level == 'city'").index_score.iloc[0])
        known = scores.query("area_level == 'community'").index_score.dropna()
        return 100 * float((known >= float(goal["threshold"])).mean()) if len(known) else None
    access = table("kind_access").query("area_level == 'community' and covered_pct.notna()")
    short = table("shortfalls")
    lacking = set(zip(short.community_id, short.kind_code, strict=True))
    judged = [
        (kind, (place, kind) in lacking)
        for place, kind in zip(access.area_id, access.kind_code, strict=True)
        if (kind == goal["kind_code"] if goal["kind_code"] else kinds[kind] == "required")
    ]
    if not judged:
        return None
    lack = sum(is_short for _, is_short in judged)
    return float(lack) if goal["measure_code"] == "required_shortfalls" else 100 - 100 * lack / len(judged)
