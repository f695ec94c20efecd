"""Which cells of a table are kept back: those of few people, and as many others as keep these from being computed.

First every equation with one hidden cell gets a second one, the cheapest. That hides most; what it leaves is found by the
attack itself (citycheck.disclosure.system.intervals), and hidden by the cheapest way to move the cell within all equations:
a linear programme, after Kelly, Golden and Assad (1992), Cell suppression: disclosure protection for sensitive tabular data,
Networks 22, 397-417.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from citycheck.disclosure.system import Flags, Layer, Table, intervals, layer_system, narrow
from citycheck.errors import BadInput

Suppression = Literal["primary", "complementary"]

_FREE = 1e-3
"""Cost of moving a cell that is hidden already, beside those of cells that would have to be."""
_NOTHING = 1e-3
"""Of the width that an interval should have: what a programme's rounding leaves of one that is a single value."""


def suppress(
    table: Table, primary: Flags, hidden_before: Flags | None = None, shown_before: Flags | None = None
) -> list[Suppression | None]:
    """What is kept back of each cell, and why.

    `hidden_before` were kept back in an earlier version and stay so; `shown_before` were published in one. Two attackers are
    kept off: who has this version alone, and who knows what the earlier ones showed. Raises `BadInput` when that cannot be.
    """
    none = np.zeros(len(table.cells), dtype=bool)
    known = none if shown_before is None else shown_before
    hidden = primary.copy() if hidden_before is None else primary | hidden_before
    while True:
        before = hidden.copy()
        _protect(table, hidden, none)
        if known.any():
            secret = hidden & ~known
            _protect(table, secret, known)
            hidden |= secret
        if not known.any() or (hidden == before).all():
            break
    return [
        "primary" if few else "complementary" if other else None
        for few, other in zip(primary, hidden, strict=True)
    ]


def _protect(table: Table, hidden: Flags, known: Flags) -> None:
    """Hide more, in place, until no hidden cell has a narrow interval for whoever knows the others and those `known`."""
    settled = [
        np.zeros_like(hidden) for _ in table.layers
    ]  # more hidden cells never make an interval narrower
    while True:
        _pair(table, hidden, known)
        found = [
            narrow(table, layer, hidden) & ~done for layer, done in zip(table.layers, settled, strict=True)
        ]
        if not any(cells.any() for cells in found):
            return
        for layer, cells, done in zip(table.layers, found, settled, strict=True):
            for cell in np.flatnonzero(cells):
                if not _move(table, layer, int(cell), hidden, known):
                    _surround(table, layer, int(cell), hidden, known)
            done |= cells


def _pair(table: Table, hidden: Flags, known: Flags) -> None:
    """Give every equation with a single hidden cell a second one, in place."""
    equations = [*table.equations, *table.loose]
    of_cell: list[list[int]] = [[] for _ in table.cells]
    for row, equation in enumerate(equations):
        for cell in equation:
            of_cell[cell].append(row)
    counts = [sum(hidden[cell] for cell in equation) for equation in equations]
    single = [row for row, count in enumerate(counts) if count == 1]
    while single:
        row = single.pop()
        if counts[row] != 1:
            continue
        candidates = [cell for cell in equations[row] if not hidden[cell] and not known[cell]]
        if not candidates:
            continue  # the programme finds another way, or says that there is none
        chosen = min(
            candidates,
            key=lambda cell: (
                (1 + table.costs[cell]) * (1 + sum(counts[other] == 0 for other in of_cell[cell])),
                cell,
            ),
        )
        hidden[chosen] = True
        for other in of_cell[chosen]:
            counts[other] += 1
            if counts[other] == 1:
                single.append(other)


def _surround(table: Table, layer: Layer, cell: int, hidden: Flags, known: Flags) -> None:
    """Hide, in place, all that adds up with a cell that cannot move so far, as where all of a small city gave one answer.

    Where an earlier version has shown what would be needed, a narrower interval has to do; raises `BadInput` if there is none.
    """
    for equation in table.equations:
        if cell in equation:
            hidden[[place for place in equation if not known[place]]] = True
    if known.any():
        low, high = intervals(table, layer, hidden)
        if high[cell] - low[cell] <= _NOTHING * layer.width[cell]:
            level, area, group = table.cells[cell]
            raise BadInput(
                f"{' '.join(table.name)}: {level} {area}, {group} cannot be kept back so that nobody can compute it: what it "
                "adds up with was published in an earlier version. Withdraw that version, or publish no new one."
            )


def _move(table: Table, layer: Layer, cell: int, hidden: Flags, known: Flags) -> bool:
    """Hide, in place, the cheapest cells that let `cell` be larger, or else smaller, by the width it is to have.

    Returns whether there is a way.
    """
    cells = len(table.cells)
    matrix, values, ceilings, twins = layer_system(table, layer)
    # the last term makes the cheapest way the only one of its cost, on every machine
    costs = np.where(hidden, _FREE, 1 + table.costs) * (1 + 1e-6 * np.arange(cells))
    costs = np.concatenate([costs, costs[twins]])
    fixed = np.concatenate([known, known[twins]])
    room = np.where(fixed, 0, ceilings - values)
    fall = np.where(fixed, 0, values)
    unit = layer.width[cell]  # of the programme, so that its numbers are near 1
    for up in (True, False):
        highs = np.concatenate([room, fall]) / unit
        lows = np.zeros(2 * len(values))
        own, opposite = (cell, len(values) + cell) if up else (len(values) + cell, cell)
        if highs[own] < 1:
            continue
        lows[own], highs[opposite] = 1, 0
        answer = linprog(
            np.concatenate([costs, costs]),
            A_eq=csr_array(hstack([matrix, -matrix])),
            b_eq=np.zeros(matrix.shape[0]),
            bounds=np.column_stack([lows, np.maximum(highs, lows)]),
            method="highs",
        )
        if answer.status == 0:
            moved = np.flatnonzero(answer.x[: len(values)] + answer.x[len(values) :] > 1e-7)
            hidden[[place if place < cells else twins[place - cells] for place in moved]] = True
            return True
    return False
