"""Rows of different sources that are the same facility: scored pairs, one-to-one choice, clusters over all sources."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from citycheck.errors import BadInput
from citycheck.matching import names
from citycheck.matching.candidates import EARTH_RADIUS_M, Floats, by_source, near_pairs, pairs_of_sources
from citycheck.matching.decisions import Decision, contradiction, listed
from citycheck.matching.rules import MatchRules

FACILITY_MATCHES = pa.schema(
    [
        pa.field("facility_id", pa.string(), nullable=False),
        pa.field("other_facility_id", pa.string(), nullable=False),
        pa.field("canonical_facility_id", pa.string()),
        pa.field("name_similarity", pa.float64()),
        pa.field("distance_m", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("decided_by", pa.string(), nullable=False),
        pa.field("reason_code", pa.string(), nullable=False),
    ]
)
"""One row per pair. `canonical_facility_id` is the row that counts, where the two are the same; `facility_id` is of the
source that is preferred to the other's."""

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pair:
    """Two rows by number, the preferred source's first; what is known of them and what becomes of them."""

    left: int
    right: int
    similarity: float | None
    distance_m: float
    score: float
    decision: str
    reason: str
    decided_by: str = "rule"

    @property
    def key(self) -> tuple[int, int]:
        return self.left, self.right

    def decide(self, decision: str, reason: str) -> None:
        self.decision, self.reason = decision, reason


class _Rows:
    """The facilities, ordered by preference of the source, then by id: a lower number is the row that counts."""

    def __init__(self, facilities: pa.Table, rules: MatchRules) -> None:
        wanted = ("facility_id", "facility_name", "kind_code", "subtype", "lon", "lat", "source_file")
        columns = {name: facilities[name].to_pylist() for name in wanted}
        ids = columns["facility_id"]
        if len(set(ids)) < len(ids):
            raise BadInput(
                "facilities: an id stands there twice; expected each facility_id once over all sources. "
                "Give each source its own `prefix` in the profile."
            )
        of = [file.split("/", 1)[0] for file in columns["source_file"]]
        order = sorted(range(len(ids)), key=lambda row: (rules.rank(of[row]), ids[row]))
        columns = {name: [values[row] for row in order] for name, values in columns.items()}
        self.ids: list[str] = columns["facility_id"]
        self.number = {id_: row for row, id_ in enumerate(self.ids)}
        self.sources = [of[row] for row in order]
        self.kinds: list[str] = columns["kind_code"]
        self.subtypes: list[str | None] = columns["subtype"]
        self.places: Floats = np.array([columns["lon"], columns["lat"]], dtype=np.float64).T.reshape(-1, 2)
        parsed = [names.parse(name) if name else None for name in columns["facility_name"]]
        self.names = [name if name is not None and name.core else None for name in parsed]


def match(facilities: pa.Table, rules: MatchRules, decisions: Sequence[Decision] = ()) -> pa.Table:
    """Every pair that was compared and scored at least `score_floor`, and every pair that people decided.

    `facilities` has the columns facility_id, facility_name, kind_code, subtype, lon, lat (WGS84 degrees) and source_file
    (`<source>/<path>`). The answer has the schema `FACILITY_MATCHES`, is sorted by the two ids, and does not depend on
    the order of the rows. A decision about an id that is not there is told to the log by its line. Raises `BadInput`
    for decisions that cannot all be true.
    """
    if trouble := contradiction(decisions):
        raise BadInput(f"facility_matches.csv, {trouble}")
    rows = _Rows(facilities, rules)
    pairs = {pair.key: pair for pair in _scored(rows, rules)}
    decided = _decided(rows, decisions)
    for (left, right), decision in decided.items():
        pair = pairs.get((left, right)) or _pair(rows, rules, left, right, _distance_m(rows, left, right))
        pair.decide(decision.decision, "person")
        pair.decided_by = "person"
        pairs[pair.key] = pair
    _choose_one_to_one(rows, list(pairs.values()))
    cluster = _clusters(rows, pairs, decided)
    _complete(rows, rules, pairs, cluster)
    return _table(rows, pairs.values(), cluster)


def _decided(rows: _Rows, decisions: Sequence[Decision]) -> dict[tuple[int, int], Decision]:
    """The decisions about facilities that are there, by pair."""
    found: dict[tuple[int, int], Decision] = {}
    unknown: list[int] = []
    for decision in decisions:
        if not all(id_ in rows.number for id_ in decision.pair):
            unknown.append(decision.line)
            continue
        left, right = sorted(rows.number[id_] for id_ in decision.pair)
        found[left, right] = decision
    if unknown:
        _LOG.warning(
            "facility_matches.csv, line(s) %s: name a facility that is not there; nothing follows from them.",
            listed(unknown),
        )
    return found


# Scores --------------------------------------------------------------------------------------------------------------


def _scored(rows: _Rows, rules: MatchRules) -> Iterable[_Pair]:
    has_place = np.asarray(np.isfinite(rows.places).all(axis=1))
    for kind, of in by_source(rows.sources, rows.kinds).items():
        for left, right in pairs_of_sources({source: n[has_place[n]] for source, n in of.items()}):
            for i, j, distance_m in near_pairs(
                rows.places[left], rows.places[right], rules.distance_max_of(kind)
            ):
                for a, b, metres in zip(
                    left[i].tolist(), right[j].tolist(), distance_m.tolist(), strict=True
                ):
                    ours, theirs = rows.subtypes[a], rows.subtypes[b]
                    if ours and theirs and ours != theirs:
                        continue
                    pair = _pair(rows, rules, min(a, b), max(a, b), metres)
                    if pair.score >= rules.score_floor:
                        yield pair


def _pair(rows: _Rows, rules: MatchRules, left: int, right: int, distance_m: float) -> _Pair:
    """A pair with its score and what the rules say of it alone."""
    ours, theirs = rows.names[left], rows.names[right]
    near = max(0.0, 1 - distance_m / rules.distance_max_of(rows.kinds[left]))
    distance_m = round(distance_m, 2)
    if ours is None or theirs is None:
        score = round(near, 4)
        low = score < rules.score_review
        return _Pair(
            left, right, None, distance_m, score,
            "different" if low else "review", "score_low" if low else "no_name",
        )  # fmt: skip
    similarity = round(names.similarity(ours, theirs), 4)
    total = rules.name_weight + rules.distance_weight
    score = round((rules.name_weight * similarity + rules.distance_weight * near) / total, 4)
    if reason := names.conflict(ours, theirs):
        decision = "different"
    elif score < rules.score_review:
        decision, reason = "different", "score_low"
    elif similarity < rules.name_same_min:
        decision, reason = "review", "name_unlike"
    elif reason := names.doubt(ours, theirs):
        decision = "review"
    elif score < rules.score_same:
        decision, reason = "review", "score_between"
    else:
        decision, reason = "same", "score_high"
    return _Pair(left, right, similarity, distance_m, score, decision, reason)


def _distance_m(rows: _Rows, left: int, right: int) -> float:
    (lon, lat), (other_lon, other_lat) = np.radians(rows.places[[left, right]]).tolist()
    half = (
        np.sin((lat - other_lat) / 2) ** 2
        + np.cos(lat) * np.cos(other_lat) * np.sin((lon - other_lon) / 2) ** 2
    )
    return float(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(min(half, 1.0))))


# One-to-one ----------------------------------------------------------------------------------------------------------


def _choose_one_to_one(rows: _Rows, pairs: list[_Pair]) -> None:
    """Between two sources a row is the same as at most one other: what people said, then the highest total score."""
    groups: dict[tuple[str, str], list[_Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.key):
        groups.setdefault((rows.sources[pair.left], rows.sources[pair.right]), []).append(pair)
    for group in groups.values():
        taken = _ends(pair for pair in group if pair.decision == "same" and pair.decided_by == "person")
        by_rule = [pair for pair in group if pair.decided_by == "rule"]
        open_ = [pair for pair in by_rule if pair.decision == "same" and not taken & set(pair.key)]
        best = best_pairs(open_)
        taken |= _ends(best)
        chosen = {pair.key for pair in best}
        for pair in by_rule:
            if pair.decision != "different" and pair.key not in chosen and taken & set(pair.key):
                pair.decide("different", "better_match")


def _ends(pairs: Iterable[_Pair]) -> set[int]:
    return {end for pair in pairs for end in pair.key}


def best_pairs(pairs: Sequence[_Pair]) -> list[_Pair]:
    """The pairs with the highest total score of which no two share a row; of equal totals always the same one.

    Solved for each connected part by scipy's sparse assignment, in which every left row may also stay alone.
    """
    if not pairs:
        return []
    lefts, rights = sorted({p.left for p in pairs}), sorted({p.right for p in pairs})
    left_number = {row: n for n, row in enumerate(lefts)}
    right_number = {row: n + len(lefts) for n, row in enumerate(rights)}
    i = [left_number[p.left] for p in pairs]
    j = [right_number[p.right] for p in pairs]
    size = len(lefts) + len(rights)
    _, part = connected_components(
        coo_array((np.ones(len(pairs)), (i, j)), shape=(size, size)), directed=False
    )
    parts: dict[int, list[_Pair]] = {}
    for pair, number in zip(pairs, part[i].tolist(), strict=True):
        parts.setdefault(number, []).append(pair)
    return [pair for members in parts.values() for pair in _best_of_part(members)]


def _best_of_part(pairs: list[_Pair]) -> list[_Pair]:
    if len(pairs) == 1:
        return pairs
    pairs = sorted(pairs, key=lambda pair: pair.key)
    left_number = {row: n for n, row in enumerate(sorted({p.left for p in pairs}))}
    right_number = {row: n for n, row in enumerate(sorted({p.right for p in pairs}))}
    n, m = len(left_number), len(right_number)
    # Staying alone costs 2, a pair 2 - score: no cost is 0, which a sparse array would not hold.
    i = [left_number[p.left] for p in pairs] + list(range(n))
    j = [right_number[p.right] for p in pairs] + list(range(m, m + n))
    cost = [2 - p.score for p in pairs] + [2.0] * n
    chosen_i, chosen_j = min_weight_full_bipartite_matching(csr_array((cost, (i, j)), shape=(n, m + n)))
    chosen = set(zip(chosen_i.tolist(), chosen_j.tolist(), strict=True))
    return [p for p in pairs if (left_number[p.left], right_number[p.right]) in chosen]


# Clusters ------------------------------------------------------------------------------------------------------------


def _clusters(
    rows: _Rows, pairs: dict[tuple[int, int], _Pair], decided: dict[tuple[int, int], Decision]
) -> dict[int, list[int]]:
    """Row → the rows that are the same facility, itself included. At most one row of each source.

    What people said is joined first, then the pairs by falling score. A pair by rule that would put two rows of one
    source together, or two that are known to differ, is left to people (`cluster_conflict`).
    """
    cluster: dict[int, list[int]] = {}
    same = [pair for pair in pairs.values() if pair.decision == "same"]
    for pair in sorted(same, key=lambda p: (p.decided_by != "person", -p.score, p.key)):
        ours, theirs = (cluster.get(end, [end]) for end in pair.key)
        if ours is theirs:
            continue
        if pair.decided_by == "person":
            if clash := [(a, b) for a, b in product(ours, theirs) if rows.sources[a] == rows.sources[b]]:
                raise BadInput(
                    f"facility_matches.csv, line(s) {_lines_about(rows, decided, {*ours, *theirs})}: make "
                    f"two rows of the source {rows.sources[clash[0][0]]!r} one facility; expected at most "
                    "one row of each source. Correct a decision, or have the source delete its duplicate."
                )
        elif len(ours) + len(theirs) > 2 and any(
            _differ(rows, decided, a, b) for a, b in product(ours, theirs)
        ):
            pair.decide("review", "cluster_conflict")
            continue
        joined = sorted([*ours, *theirs])
        cluster |= dict.fromkeys(joined, joined)
    return cluster


def _complete(
    rows: _Rows, rules: MatchRules, pairs: dict[tuple[int, int], _Pair], cluster: dict[int, list[int]]
) -> None:
    """Have every pair of a cluster in the table, as the same: also those that were not compared."""
    for first, members in cluster.items():
        for left, right in combinations(members, 2) if first == members[0] else ():
            known = pairs.get((left, right))
            if known is None or known.decision != "same":
                pair = known or _pair(rows, rules, left, right, _distance_m(rows, left, right))
                pair.decide("same", "same_cluster")
                pairs[pair.key] = pair


def _differ(rows: _Rows, decided: dict[tuple[int, int], Decision], a: int, b: int) -> bool:
    if rows.sources[a] == rows.sources[b]:
        return True
    decision = decided.get((min(a, b), max(a, b)))
    if decision is not None:
        return decision.decision == "different"
    ours, theirs = rows.names[a], rows.names[b]
    return ours is not None and theirs is not None and names.conflict(ours, theirs) is not None


def _lines_about(rows: _Rows, decided: dict[tuple[int, int], Decision], members: set[int]) -> str:
    return listed(d.line for pair, d in decided.items() if d.decision == "same" and members >= set(pair))


def _table(rows: _Rows, pairs: Iterable[_Pair], cluster: dict[int, list[int]]) -> pa.Table:
    found = sorted(pairs, key=lambda pair: (rows.ids[pair.left], rows.ids[pair.right]))
    columns = [
        [rows.ids[p.left] for p in found],
        [rows.ids[p.right] for p in found],
        [rows.ids[cluster[p.left][0]] if p.decision == "same" else None for p in found],
        [p.similarity for p in found],
        [p.distance_m for p in found],
        [p.score for p in found],
        [p.decision for p in found],
        [p.decided_by for p in found],
        [p.reason for p in found],
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, FACILITY_MATCHES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FACILITY_MATCHES)
