"""What siting is asked and answers, and the integer program in between."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from citycheck.errors import BadInput

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


def sums(group: Ints, amounts: Floats, groups: int) -> Floats:
    """The sum of each group."""
    return np.bincount(group, weights=amounts, minlength=groups).astype(np.float64)


@dataclass(frozen=True)
class Limits:
    """When the search ends: at a relative gap, after so many nodes; `seconds` make the answer depend on the machine."""

    gap: float = 0.0
    nodes: int | None = None
    seconds: float | None = None


PROVEN = Limits()


class NothingFound(BadInput):
    """The limits ended the search before it found any choice."""


@dataclass(frozen=True, eq=False)
class Places:
    """Demand points (n), candidate sites (m) and the pairs of them that are near enough to matter.

    `weight` (n) people of the target group; `radius_m` (n); `existing_m` (n) to the nearest facility that counts today,
    inf without one; `area` (n) the number of the area that a floor is about; `cost_cny` (m), nan where unknown;
    `capacity` (m) people. `point`, `site`, `distance_m` are the pairs. Raises `BadInput` when they do not fit.
    """

    weight: Floats
    radius_m: Floats
    existing_m: Floats
    point: Ints
    site: Ints
    distance_m: Floats
    cost_cny: Floats
    capacity: Floats
    area: Ints

    def __post_init__(self) -> None:
        points = (self.weight, self.radius_m, self.existing_m, self.area)
        pairs = (self.point, self.site, self.distance_m)
        for group in (points, pairs, (self.cost_cny, self.capacity)):
            if len({len(column) for column in group}) != 1:
                raise BadInput(
                    f"Siting: columns of {sorted({len(c) for c in group})} rows belong together; expected one length."
                )
        if not (np.isfinite(self.weight).all() and (self.weight >= 0).all()):
            raise BadInput(
                "Siting: a demand point has no weight or a negative one; expected people, 0 or more."
            )
        if not (np.isfinite(self.distance_m).all() and (self.distance_m >= 0).all()):
            raise BadInput("Siting: a pair has no distance or a negative one; expected metres, 0 or more.")
        if len(self.point) and not (
            0 <= self.point.min() <= self.point.max() < len(self.weight)
            and 0 <= self.site.min() <= self.site.max() < len(self.cost_cny)
        ):
            raise BadInput(
                "Siting: a pair names a point or a site that is not there; expected row numbers from 0."
            )

    @classmethod
    def of(
        cls,
        weight: npt.ArrayLike,
        point: npt.ArrayLike,
        site: npt.ArrayLike,
        distance_m: npt.ArrayLike,
        *,
        sites: int,
        radius_m: npt.ArrayLike = np.inf,
        existing_m: npt.ArrayLike = np.inf,
        cost_cny: npt.ArrayLike = np.nan,
        capacity: npt.ArrayLike = np.inf,
        area: npt.ArrayLike = 0,
    ) -> Places:
        """With one value for all where there is no array."""
        people = np.asarray(weight, dtype=np.float64)

        def full(value: npt.ArrayLike, rows: int, kind: type) -> npt.NDArray[np.float64]:
            return np.array(np.broadcast_to(np.asarray(value, dtype=kind), rows))

        return cls(
            people,
            full(radius_m, len(people), np.float64),
            full(existing_m, len(people), np.float64),
            np.asarray(point, dtype=np.intp),
            np.asarray(site, dtype=np.intp),
            np.asarray(distance_m, dtype=np.float64),
            full(cost_cny, sites, np.float64),
            full(capacity, sites, np.float64),
            full(area, len(people), np.intp).astype(np.intp),
        )

    @property
    def sites(self) -> int:
        return len(self.cost_cny)

    @property
    def is_covered(self) -> Bools:
        """Whether the point has a facility within its radius today."""
        return np.isfinite(self.existing_m) & (self.existing_m <= self.radius_m)

    @property
    def is_within(self) -> Bools:
        """Whether the pair is within the point's radius."""
        return self.distance_m <= self.radius_m[self.point]

    @property
    def beyond(self) -> Ints:
        """The points with people who are not covered today and whom no candidate would."""
        is_beyond = ~self.is_covered & (self.weight > 0)
        is_beyond[self.point[self.is_within]] = False
        return np.flatnonzero(is_beyond)

    def newly_covered(self, chosen: Ints) -> Floats:
        """People that each chosen site (in their order) covers who are not covered today; each with the nearest of them."""
        order = np.sort(chosen)
        number = np.full(self.sites, -1, dtype=np.intp)
        number[order] = np.arange(len(order))
        pairs = (number[self.site] >= 0) & self.is_within & ~self.is_covered[self.point]
        point, place, metres = self.point[pairs], number[self.site[pairs]], self.distance_m[pairs]
        nearest = np.lexsort((place, metres, point))
        point, place = point[nearest], place[nearest]
        first = np.r_[True, point[1:] != point[:-1]] if len(point) else np.zeros(0, dtype=bool)
        return sums(place[first], self.weight[point[first]], len(order))


@dataclass(frozen=True)
class Floor:
    """An area and its floor: people of the group, covered today, covered with the chosen sites, coverable at all."""

    area: int
    population: float
    covered_before: float
    covered_after: float
    reachable: float
    is_met: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """The sites (in their order) and what is proven of them.

    `value` is people newly covered, sites or CNY, or people × metres; no choice has a better one than `bound`. `newly` are
    the people of each chosen site, `beyond` the points that no candidate covers, `reduced` the rows and the candidates
    that were left to decide about.
    """

    problem: str
    chosen: Ints
    value: float
    bound: float
    greedy_value: float
    nodes: int
    is_optimal: bool
    beyond: Ints
    newly: Floats
    floors: tuple[Floor, ...] = ()
    reduced: tuple[int, int] = (0, 0)

    @property
    def gap_pct(self) -> float:
        """How much better the best could be, in percent of the value."""
        apart = abs(self.bound - self.value)
        return 0.0 if apart == 0 else 100.0 * apart / abs(self.value) if self.value else float("inf")


@dataclass(frozen=True, eq=False)
class Solved:
    """What the solver found: all columns, the chosen ones of those it was asked for, a bound of the least sum."""

    x: Floats
    chosen: Ints
    bound: float
    nodes: int


@dataclass(eq=False)
class Model:
    """A mixed integer program that is put together from blocks of columns and rows; its sum is made least."""

    _cost: list[Floats] = field(default_factory=list)
    _integer: list[Floats] = field(default_factory=list)
    _high: list[Floats] = field(default_factory=list)
    _rows: list[tuple[Floats, Floats]] = field(default_factory=list)
    _cells: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)

    def columns(self, cost: Floats, *, high: Floats | float = 1.0, is_integer: bool = False) -> Ints:
        """Variables from 0 to `high`; returns their numbers."""
        begin = sum(map(len, self._cost))
        self._cost.append(np.asarray(cost, dtype=np.float64))
        self._high.append(np.array(np.broadcast_to(np.asarray(high, dtype=np.float64), len(cost))))
        self._integer.append(np.full(len(cost), float(is_integer)))
        return np.arange(begin, begin + len(cost))

    def rows(self, count: int, *, low: Floats | float = -np.inf, high: Floats | float = np.inf) -> Ints:
        """Constraints low ≤ … ≤ high; returns their numbers."""
        begin = sum(len(one) for one, _ in self._rows)
        sides = [np.array(np.broadcast_to(np.asarray(side, dtype=np.float64), count)) for side in (low, high)]
        self._rows.append((sides[0], sides[1]))
        return np.arange(begin, begin + count)

    def put(self, row: Ints, column: Ints, value: Floats | float) -> None:
        self._cells.append(
            (row, column, np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), len(row))))
        )

    def solve(self, asked: Ints, limits: Limits) -> Solved:
        """By HiGHS, on one thread and from the same seed. Raises `BadInput` when nothing satisfies the rows."""
        cost = np.concatenate(self._cost)
        if not len(cost):
            return Solved(cost, np.zeros(0, dtype=np.intp), 0.0, 0)
        low, high = (
            (np.concatenate(sides) for sides in zip(*self._rows, strict=True))
            if self._rows
            else (cost[:0],) * 2
        )
        row, column, value = (
            (np.concatenate(parts) for parts in zip(*self._cells, strict=True))
            if self._cells
            else (cost[:0],) * 3
        )
        matrix = coo_array(
            (value, (row.astype(np.intp), column.astype(np.intp))), shape=(len(low), len(cost))
        )
        # Costs of millions of people × metres would meet the solver's absolute tolerances; it is given them near 1.
        scale = float(np.abs(cost).max()) or 1.0
        options: dict[str, float] = {"mip_rel_gap": limits.gap}
        if limits.nodes is not None:
            options["node_limit"] = limits.nodes
        if limits.seconds is not None:
            options["time_limit"] = limits.seconds
        found = milp(
            cost / scale,
            integrality=np.concatenate(self._integer),
            bounds=Bounds(np.zeros(len(cost)), np.concatenate(self._high)),
            constraints=[LinearConstraint(matrix.tocsr(), low, high)] if len(low) else None,
            options=options,
        )
        if found.x is None and found.status == 2:
            raise BadInput(
                "No choice of sites satisfies what is asked: more capacity, more sites or a larger budget is needed."
            )
        if found.x is None:
            raise NothingFound(
                f"The solver found no choice of sites within its limits ({found.message}). Allow more nodes or seconds."
            )
        bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
        chosen = np.flatnonzero(found.x[asked] > 0.5)
        return Solved(found.x, chosen, float(bound) * scale, int(found.mip_node_count or 0))
