"""Published figures as linear equations, and what somebody who solves them can learn.

A table has cells (area, group). Areas nest and groups add up, so each total is the sum of its parts and of a rest that is
published nowhere (who did not say his sex, a report without a place); the attacker is taken to know the rest. Of what is
hidden he then knows `matrix @ x = rhs` and the least and largest value of each x. A linear programme tells the interval in
which a hidden x must lie (Fischetti and Salazar-González 2000, Duncan and Lambert's attacker), solved by HiGHS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Cell = tuple[str, str, str]
"""Level and code of an area, and a group."""
Equation = Mapping[int, float]
"""Coefficients by the place of a cell: the parts +1 and their total −1."""

_DIRECTIONS = 6
"""Random directions in which all cells that were not yet seen apart are pulled at once, before one cell a block is."""
_EXACT = 1e-6


@dataclass(frozen=True)
class Layer:
    """A quantity of every cell, with what the attacker knows of it before he looks: 0 ≤ value ≤ ceiling.

    `width` is how far apart the least and the largest possible value of a hidden cell must be, at least. `sums` are further
    published sums of this quantity alone: coefficients by cell, and the cell that is hidden exactly when the sum is.
    """

    values: Floats
    ceilings: Floats
    width: Floats
    sums: Sequence[tuple[Equation, int]] = ()


@dataclass(frozen=True)
class Table:
    """Cells that add up: `equations` hold for every layer, up to a rest that the attacker knows.

    Of `loose` equations he does not know the rest, only that they are there. `costs` of hiding a cell.
    """

    name: tuple[str, str]
    cells: Sequence[Cell]
    equations: Sequence[Equation]
    layers: Sequence[Layer]
    costs: Floats
    loose: Sequence[Equation] = ()

    @property
    def counts(self) -> Layer:
        """How many people answered: the first layer."""
        return self.layers[0]


def nested(areas: Mapping[str, Mapping[str, str]]) -> list[tuple[tuple[str, str], list[tuple[str, str]]]]:
    """Every area above the communities with the areas that it consists of: (level, code) and its parts.

    `areas` are the area of each community by level, finest first, the community's own code included. Parts are those of the
    coarsest level whose areas all lie wholly within the upper ones.
    """
    levels = list(areas)
    found = []
    for place, level in enumerate(levels[1:], 1):
        for finer in reversed(levels[:place]):
            above: dict[str, set[str]] = {}
            for community, part in areas[finer].items():
                above.setdefault(part, set()).add(areas[level][community])
            if all(len(totals) == 1 for totals in above.values()):
                break
        parts: dict[str, list[tuple[str, str]]] = {}
        for part, totals in sorted(above.items()):
            for total in totals:
                parts.setdefault(total, []).append((finer, part))
        found += [((level, total), of) for total, of in sorted(parts.items())]
    return found


def sparse(equations: Sequence[Equation], columns: int) -> Any:
    """The coefficients of some equations, one row each."""
    rows = [row for row, equation in enumerate(equations) for _ in equation]
    places = [place for equation in equations for place in equation]
    values = [value for equation in equations for value in equation.values()]
    return csr_array((values, (rows, places)), shape=(len(equations), columns), dtype=float)


def possible(
    matrix: Any,
    low: Floats,
    high: Floats,
    lower: Floats,
    upper: Floats,
    width: Floats,
) -> tuple[Floats, Floats]:
    """The least and the largest value of every x with low ≤ matrix @ x ≤ high and lower ≤ x ≤ upper.

    Exact where these are less than `width` apart; elsewhere two possible values at least that far apart, which is all that
    is asked and takes a few programmes for all cells together. Blocks that no equation links are solved at once.
    Empty intervals (least above largest) say that the equations contradict each other.
    """
    size = len(lower)
    least, largest = np.full(size, np.inf), np.full(size, -np.inf)
    if not size:
        return least, largest
    fixed = low == high
    problem = {
        "A_eq": matrix[fixed] if fixed.any() else None,
        "b_eq": low[fixed] if fixed.any() else None,
        "A_ub": _stacked(matrix[~fixed]) if not fixed.all() else None,
        "b_ub": np.concatenate([high[~fixed], -low[~fixed]]) if not fixed.all() else None,
        "bounds": np.column_stack([lower, upper]),
    }

    def seen(objective: Floats) -> bool:
        answer = linprog(objective, method="highs", **problem)
        if answer.status == 0:
            np.minimum(least, answer.x, out=least)
            np.maximum(largest, answer.x, out=largest)
        return bool(answer.status == 0)

    random = np.random.default_rng(1)
    for _ in range(_DIRECTIONS):
        direction = random.choice([-1.0, 1.0], size) * random.uniform(0.5, 1, size)
        direction[largest - least >= width] = 0
        if not (seen(direction) and seen(-direction)):
            return np.full(size, np.inf), np.full(size, -np.inf)
        if np.all(largest - least >= width):
            return least, largest
    _, block = connected_components(matrix.T @ matrix, directed=False)
    asked = np.zeros(size, dtype=bool)
    while True:
        open_ = np.flatnonzero(~asked & (largest - least < width))
        if not open_.size:
            return least, largest
        _, first = np.unique(block[open_], return_index=True)
        chosen = open_[first]
        objective = np.zeros(size)
        objective[chosen] = 1
        seen(objective)
        seen(-objective)
        asked[chosen] = True


def intervals(table: Table, layer: Layer, hidden: Flags) -> tuple[Floats, Floats]:
    """What the attacker learns of every cell of a layer: its least and largest possible value, the value itself if shown."""
    cells = len(table.cells)
    matrix, values, ceilings, twins = layer_system(table, layer)
    unknown = np.flatnonzero(np.concatenate([hidden, hidden[twins]]))
    matrix = matrix[:, unknown]
    matrix = matrix[np.diff(matrix.indptr) > 0]
    scale = max(1.0, float(np.abs(values).max(initial=0.0)) / 1000)
    rhs = matrix @ values[unknown] / scale
    own = unknown < cells
    width = np.zeros(len(unknown))
    width[own] = layer.width[unknown[own]] * (1 - _EXACT) / scale
    least, largest = possible(matrix, rhs, rhs, np.zeros(len(unknown)), ceilings[unknown] / scale, width)
    low, high = layer.values.copy(), layer.values.copy()
    low[unknown[own]] = np.minimum(least[own] * scale, layer.values[unknown[own]])
    high[unknown[own]] = np.maximum(largest[own] * scale, layer.values[unknown[own]])
    return low, high


def layer_system(table: Table, layer: Layer) -> tuple[Any, Floats, Floats, npt.NDArray[np.int64]]:
    """Coefficients, values and ceilings of the cells and, after them, of the layer's sums; and the cell behind each sum."""
    cells = len(table.cells)
    sums = [{**terms, cells + place: -1.0} for place, (terms, _) in enumerate(layer.sums)]
    terms = sparse([terms for terms, _ in layer.sums], cells)
    return (
        sparse([*table.equations, *sums], cells + len(sums)),
        np.concatenate([layer.values, terms @ layer.values]),
        np.concatenate([layer.ceilings, terms @ layer.ceilings]),
        np.array([twin for _, twin in layer.sums], dtype=np.int64),
    )


def narrow(table: Table, layer: Layer, hidden: Flags) -> Flags:
    """Which hidden cells of a layer can be told too nearly."""
    low, high = intervals(table, layer, hidden)
    found: Flags = hidden & (high - low < layer.width * (1 - _EXACT) - _EXACT)
    return found


def _stacked(matrix: Any) -> Any:
    return vstack([matrix, -matrix], format="csr")
