"""Attack a published bundle: what can whoever solves its figures, and those of earlier versions, learn of what is kept back?

Three attacks, all with what stands in the bundle's tables alone:

- by structure: which hidden cells do the equations determine, whatever the figures are? An exact answer, by rank, that holds
  for counts and for weighted answers alike, and grants the attacker the rest that is published nowhere;
- by figures: the least and the largest number of people that each hidden cell can have, given the rounded counts, and
  the minimum where the words in which cells are kept back tell those of too few people from others;
- by the index: the same for the satisfaction indicators, whose figures are not rounded.

Several versions of a half-year are attacked one by one, and together: a cell that one of them shows is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.linalg import null_space
from scipy.sparse.csgraph import connected_components

from citycheck import progress, standard
from citycheck.disclosure.published import Name, Published
from citycheck.disclosure.system import Cell, Equation, Flags, Floats, nested, possible, sparse
from citycheck.errors import BadInput

_ENDLESS = 1e6
_SURE = 1e-9


@dataclass(frozen=True)
class Finding:
    """What the attack on some versions brought: hidden cells, those that it recovers, and the narrowest interval."""

    versions: tuple[str, ...]
    cells: int
    hidden: int
    recovered: tuple[str, ...]
    narrowest: float
    seconds: float

    def __str__(self) -> str:
        width = f"at least {self.narrowest:.0f} apart" if np.isfinite(self.narrowest) else "unknown"
        return (
            f"{' + '.join(self.versions)}: {self.cells} cells, {self.hidden} kept back, {len(self.recovered)} recovered; "
            f"possible counts of each hidden cell: {width}; {self.seconds:.1f} s"
        )


def told(findings: Sequence[Finding]) -> list[str]:
    """One line an attack, then what it got."""
    lines = []
    for finding in findings:
        lines += [str(finding), *(f"  recovered: {cell}" for cell in finding.recovered[:20])]
        if len(finding.recovered) > 20:
            lines.append(f"  … and {len(finding.recovered) - 20} more")
    return lines


def check(candidate: Path, before: Sequence[Path] = ()) -> None:
    """Raises `BadInput` when a cell that the candidate or a version before it keeps back can be recovered; names the first."""
    for finding in attacks([*before, candidate]):
        if finding.recovered:
            raise BadInput(
                f"{' + '.join(finding.versions)}: {len(finding.recovered)} figures that are kept back can be computed from what "
                f"is published, the first of them {finding.recovered[0]}. Nothing of it may be published: keep back more."
            )


@progress.step("audit")
def attacks(paths: Sequence[Path]) -> list[Finding]:
    """The attack on each version, the oldest first, and on all of them together where they are several."""
    versions = [Published.read(path) for path in paths]
    found = [attack([version]) for version in versions]
    return [*found, attack(versions)] if len(versions) > 1 else found


def attack(versions: Sequence[Published]) -> Finding:
    """The attack on versions of one half-year, the oldest first, as if nobody had answered in between."""
    start = perf_counter()
    last = versions[-1]
    half = standard.parameter("disclosure_rounding_base") / 2
    width = standard.parameter("disclosure_count_width_min")
    recovered: list[str] = []
    narrowest, total, kept_back = np.inf, 0, 0
    for name in sorted({name for version in versions for name in version.cells}):
        counts = _known(name, versions)
        cells = sorted(counts)
        hidden = np.array([counts[cell] is None for cell in cells], dtype=bool)
        total, kept_back = total + len(cells), kept_back + int(hidden.sum())
        recovered += [
            _said(name, cell, "kept back before, shown later")
            for cell in cells
            if _reappears(cell, [version.cells.get(name, {}) for version in versions])
        ]
        between = [_between(cell, name, versions) for cell in cells]
        of_areas, of_groups = _sums_of_areas(cells, last.areas), _sums_of_groups(cells)
        sure = determined([*of_areas, *of_groups], hidden)
        recovered += [_said(name, cells[place], "determined") for place in np.flatnonzero(sure)]
        for slack in (
            1,
            2,
            4,
            8,
            16,
        ):  # who answered in between, so that figures of two versions contradict each other
            low, high = _people(
                of_areas, of_groups, [counts[cell] for cell in cells], between, half * slack, width
            )
            if np.isfinite(low).all():
                break
        if hidden.any() and np.isfinite(low).all():
            narrowest = min(narrowest, float((high - low)[hidden].min()))
        close = hidden & ~sure & np.isfinite(low) & (high - low < width - _SURE)
        recovered += [
            _said(name, cells[place], f"between {low[place]:.0f} and {high[place]:.0f} people")
            for place in np.flatnonzero(close)
        ]
    for code in sorted({code for version in versions for code in version.answered}):
        of_versions = [version.answered.get(code, {}) for version in versions]
        areas = sorted({area for of_areas in of_versions for area in of_areas})
        places = [(level, area, code) for level, area in areas]
        hidden = np.array(
            [all(of_areas.get(area) is None for of_areas in of_versions) for area in areas], dtype=bool
        )
        total, kept_back = total + len(areas), kept_back + int(hidden.sum())
        sure = determined(_sums_of_areas(places, last.areas), hidden)
        recovered += [
            _said(("indicators", code), places[place], "determined") for place in np.flatnonzero(sure)
        ]
    names = tuple(version.folder.name for version in versions)
    return Finding(names, total, kept_back, tuple(recovered), narrowest, perf_counter() - start)


def determined(equations: Sequence[Equation], hidden: Flags) -> Flags:
    """The hidden cells that the equations determine when all others are known: those that no solution of the rest moves."""
    unknown = np.flatnonzero(hidden)
    matrix = sparse(equations, len(hidden))[:, unknown]
    _, block = connected_components(matrix.T @ matrix, directed=False)
    found = np.zeros(len(hidden), dtype=bool)
    for number in np.unique(block):
        of_block = np.flatnonzero(block == number)
        part = matrix[:, of_block]
        free = null_space(part[np.diff(part.indptr) > 0].toarray()) if part.nnz else np.eye(len(of_block))
        found[unknown[of_block[np.abs(free).max(axis=1, initial=0) < _SURE]]] = True
    return found


def _known(name: Name, versions: Sequence[Published]) -> dict[Cell, int | None]:
    """The newest count that some version tells of each cell, None where every version keeps it back."""
    counts: dict[Cell, int | None] = {}
    for version in versions:
        for cell, count in version.cells.get(name, {}).items():
            counts[cell] = count if count is not None else counts.get(cell)
    return counts


def _between(cell: Cell, name: Name, versions: Sequence[Published]) -> tuple[float, float]:
    """How many people a hidden cell has at least and at most, by the words of its newest version that tells."""
    minimum = standard.parameter("population_n_min" if name[0] == "repair_statistics" else "survey_n_min")
    for version in reversed(versions):
        is_small = version.small.get(name, {}).get(cell)
        if is_small is not None:
            return (0, minimum - 1) if is_small else (minimum, _ENDLESS)
    return 0, _ENDLESS


def _reappears(cell: Cell, told: Sequence[Mapping[Cell, int | None]]) -> bool:
    was = [of_cells[cell] for of_cells in told if cell in of_cells]
    return any(
        earlier is None and later is not None
        for place, earlier in enumerate(was)
        for later in was[place + 1 :]
    )


def _sums_of_areas(cells: Sequence[Cell], areas: Mapping[str, Mapping[str, str]]) -> list[Equation]:
    """Every wider area is the sum of the areas that it consists of."""
    places = {cell: place for place, cell in enumerate(cells)}
    rows: list[Equation] = []
    for total, parts in nested(areas):
        for group in dict.fromkeys(group for *_, group in cells):
            row = {places[*part, group]: 1.0 for part in parts if (*part, group) in places}
            if (*total, group) in places:
                rows.append({**row, places[*total, group]: -1.0})
    return rows


def _sums_of_groups(cells: Sequence[Cell]) -> list[Equation]:
    """Everybody is the sum of the groups of each characteristic, and of who has not said it."""
    places = {cell: place for place, cell in enumerate(cells)}
    partitions = _partitions(list(dict.fromkeys(group for *_, group in cells)))
    rows: list[Equation] = []
    for level, area in dict.fromkeys((level, area) for level, area, _ in cells):
        for groups in partitions:
            said = [places[level, area, group] for group in groups if (level, area, group) in places]
            if (level, area, "all") in places:
                rows.append({**dict.fromkeys(said, 1.0), places[level, area, "all"]: -1.0})
    return rows


def _partitions(groups: Sequence[str]) -> list[list[str]]:
    """The groups that everybody falls into: those of a characteristic of the standard, or all there are."""
    by_characteristic: dict[str, list[str]] = {}
    for row in standard.seed("survey_characteristics"):
        if row["group_code"] in groups:
            by_characteristic.setdefault(row["characteristic"], []).append(row["group_code"])
    others = [group for group in groups if group != "all"]
    return list(by_characteristic.values()) or ([others] if others else [])


def _people(
    of_areas: Sequence[Equation],
    of_groups: Sequence[Equation],
    counts: Sequence[int | None],
    between: Sequence[tuple[float, float]],
    half: float,
    width: float,
) -> tuple[Floats, Floats]:
    """The least and the largest number of people in each cell, exact where these are less than `width` apart.

    A shown count is within its rounding; how many have not said their group is not known, so groups are at most everybody.
    """
    hidden = np.array([count is None for count in counts], dtype=bool)
    fewest, most = np.array(between, dtype=float).reshape(-1, 2).T
    lower = np.array([max((count or 0) - half, 0) for count in counts], dtype=float)
    upper = np.array([_ENDLESS if count is None else count + half for count in counts], dtype=float)
    lower, upper = np.where(hidden, fewest, lower), np.where(hidden, most, upper)
    matrix = sparse([*of_areas, *of_groups], len(counts))
    least = np.concatenate([np.zeros(len(of_areas)), np.full(len(of_groups), -_ENDLESS)])
    return possible(matrix, least, np.zeros(matrix.shape[0]), lower, upper, np.where(hidden, width, 0))


def _said(name: Name, cell: Cell, how: str) -> str:
    return f"{' '.join(name)}, {' '.join(cell)}: {how}"
