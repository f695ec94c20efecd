"""The map of a release for print: one SVG of numbers and fixed colours alone; what is written on it is handed over beside it.

Longitude and latitude are projected equirectangularly at the mean latitude, right enough for a city. Communities that lie
scattered would be dots on one map: there each county gets a panel, all at one scale, and what lies far apart in it is
moved together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import cos, radians, sqrt

import duckdb
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from citycheck.report.bulletin_measure import COLOURS, Measure
from citycheck.report.figures import number

_Points = npt.NDArray[np.float64]
WIDTH = 2000
"""Width of the drawing in its own units."""
_KM_PER_DEGREE = 111.195
_FILLED_MIN = 0.12
"""Where communities fill less of their box than this, one map is mostly empty."""
_GAP_KM = 0.5
_TOLERANCE = 2.0
_SLIVER = 30
"""Rings of county borders smaller than this are gaps between source polygons, not borders."""
_TITLE = 56
_SPACE = 40
_CHARACTER = 38
"""Width of a Chinese character in titles and names."""
_LONGEST = 20
"""Characters of a title for which there is room; names are cut to fewer."""
_ROOMY = 12
"""More panels than these have smaller titles."""


@dataclass(frozen=True)
class Label:
    """A text with its place as shares of the drawing's width and height: top left of a title, middle of a name.

    `size` is the height of its letters as a share of the width.
    """

    x: float
    y: float
    text: str
    is_title: bool
    size: float = _CHARACTER / WIDTH


@dataclass(frozen=True)
class Figure:
    """`bar` is the length of the scale bar as a share of the width, `bar_km` what it stands for."""

    svg: str
    labels: tuple[Label, ...]
    bar: float
    bar_km: float
    is_scattered: bool


@dataclass
class _Place:
    county_id: str
    county_name: str
    step: int | None
    shape: BaseGeometry


@dataclass
class _Panel:
    title: str
    places: list[_Place]
    box: tuple[float, float, float, float]
    """In km: left, top, right, bottom; y grows downwards."""
    letters: float = 1.0
    """The size of title and space, as a share of the usual."""

    @property
    def wide(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def high(self) -> float:
        return self.box[3] - self.box[1]

    def size(self, scale: float) -> tuple[float, float]:
        space = _SPACE * self.letters if self.title else 0.0
        return (
            max(self.wide * scale, min(len(self.title), _LONGEST) * _CHARACTER * self.letters) + space,
            self.high * scale + (_TITLE * self.letters if self.title else 0.0) + space,
        )


_ORDERS: tuple[Callable[[_Panel], tuple[float, str]], ...] = (
    lambda panel: (-panel.high, panel.title),
    lambda panel: (-panel.wide, panel.title),
    lambda panel: (-panel.high * panel.wide, panel.title),
)
"""In which panels may be laid out: the highest, the widest or the largest first."""


def figure(connection: duckdb.DuckDBPyConnection, measure: Measure, proportion: float) -> Figure | None:
    """The map of `marts.communities`, `proportion` times as high as wide; None without communities."""
    places = _places(connection, measure)
    if not places:
        return None
    height = round(proportion * WIDTH)
    whole = _box(places)
    filled = sum(place.shape.area for place in places) / ((whole[2] - whole[0]) * (whole[3] - whole[1]) or 1)
    panels = [_Panel("", places, whole)]
    if filled < _FILLED_MIN:
        letters = min(1.0, sqrt(_ROOMY / len({place.county_id for place in places})))
        panels = [
            _Panel(_title(name, measure.counties.get(id_)), moved, _box(moved), letters)
            for (id_, name), of in groupby(places, key=lambda place: (place.county_id, place.county_name))
            for moved in [_moved_together(list(of))]
        ]
    scale, corners = _fitted(panels, height)
    paths, outlines, labels = [], [], []
    for panel, (left, top) in zip(panels, corners, strict=True):
        if panel.title:
            size = _CHARACTER * panel.letters / WIDTH
            labels.append(Label(left / WIDTH, top / height, panel.title, is_title=True, size=size))
            top += _TITLE * panel.letters
        shapes = shapely.transform(
            np.array([place.shape for place in panel.places]),
            _scaled(scale, (left - panel.box[0] * scale, top - panel.box[1] * scale)),
        )
        shapes = shapely.coverage_simplify(shapes, _TOLERANCE)
        for place, shape in zip(panel.places, shapes, strict=True):
            colour = COLOURS[place.step] if place.step is not None else "url(#none)"
            paths.append(f'<path fill="{colour}" d="{"".join(_rings(shape))}"/>')
        for county in sorted({(place.county_id, place.county_name) for place in panel.places}):
            own = [s for p, s in zip(panel.places, shapes, strict=True) if p.county_id == county[0]]
            outline = shapely.union_all(np.array(own))
            outlines.append(f'<path d="{"".join(_rings(outline, _SLIVER))}"/>')
            if not panel.title:
                labels += _named(county[1], outline, height)
    bar_km = _round_length(0.15 * WIDTH / scale)
    return Figure(
        _svg(height, paths, outlines),
        _apart(labels, height),
        bar_km * scale / WIDTH,
        bar_km,
        is_scattered=bool(panels[0].title),
    )


def _places(connection: duckdb.DuckDBPyConnection, measure: Measure) -> list[_Place]:
    """The communities by county, in kilometres."""
    found = connection.execute(
        "select county_id, county_name, community_id, st_aswkb(geometry) from marts.communities order by all"
    ).fetchall()
    shapes = shapely.make_valid(shapely.from_wkb([bytes(row[3]) for row in found]))
    latitude = float(np.mean([shape.centroid.y for shape in shapes])) if found else 0.0
    scale = np.array([cos(radians(latitude)), -1.0]) * _KM_PER_DEGREE
    shapes = shapely.transform(shapes, lambda lonlat: lonlat * scale)
    return [
        _Place(str(county_id), str(county_name), measure.step(measure.values.get(id_)), shape)
        for (county_id, county_name, id_, _), shape in zip(found, shapes, strict=True)
    ]


def _title(name: str, value: float | None) -> str:
    return name if value is None else f"{name} {number(value)}"


def _box(places: Sequence[_Place]) -> tuple[float, float, float, float]:
    left, top, right, bottom = shapely.total_bounds([place.shape for place in places])
    return float(left), float(top), float(right), float(bottom)


def _moved_together(places: list[_Place]) -> list[_Place]:
    """Groups of communities that lie apart are set beside each other, the largest first."""
    joined = shapely.union_all([place.shape.buffer(_GAP_KM / 2) for place in places])
    areas = sorted(shapely.get_parts(joined), key=lambda area: (-round(area.area, 6), area.bounds))
    groups = [[place for place in places if area.intersects(place.shape.centroid)] for area in areas]
    boxes = [_box(group) for group in groups]
    sizes = [(box[2] - box[0] + _GAP_KM, box[3] - box[1] + _GAP_KM) for box in boxes]
    width = max(*(size[0] for size in sizes), 1.3 * sqrt(sum(w * h for w, h in sizes)), 0.0)
    moved = []
    for group, box, (x, y) in zip(groups, boxes, _shelves(sizes, width), strict=True):
        move = (x - box[0], y - box[1])
        moved += [replace(place, shape=shapely.transform(place.shape, _scaled(1.0, move))) for place in group]
    return moved


def _scaled(scale: float, move: tuple[float, float]) -> Callable[[_Points], _Points]:
    return lambda points: points * scale + np.array(move)


def _shelves(sizes: Sequence[tuple[float, float]], width: float) -> Iterator[tuple[float, float]]:
    """The top left corner of each box, in rows from left to right that are not wider than `width`."""
    x = y = row = 0.0
    for wide, high in sizes:
        if x > 0 and x + wide > width:
            x, y, row = 0.0, y + row, 0.0
        yield x, y
        x, row = x + wide, max(row, high)


def _fitted(panels: list[_Panel], height: float) -> tuple[float, list[tuple[float, float]]]:
    """The largest scale, in units a km, at which all panels fit into the drawing, and their corners.

    The panels are put into the order in which they fit best.
    """
    best = 0.0
    for order in _ORDERS:
        of = sorted(panels, key=order)
        low, high = 0.0, height / max(panel.high for panel in of)
        for _ in range(25):
            scale = (low + high) / 2
            low, high = (scale, high) if _corners(of, scale, height) else (low, scale)
        if low > best:
            best, panels[:] = low, of
    low = best
    sizes, corners = [panel.size(low) for panel in panels], _corners(panels, low, height)
    right = max(x + w for (x, _), (w, _) in zip(corners, sizes, strict=True))
    bottom = max(y + h for (_, y), (_, h) in zip(corners, sizes, strict=True))
    return low, [(x + (WIDTH - right) / 2, y + (height - bottom) / 2) for x, y in corners]


def _corners(panels: list[_Panel], scale: float, height: float) -> list[tuple[float, float]]:
    """The top left corner of each panel, as high and then as far left as there is room beside or below another; else none."""
    placed: list[tuple[float, float, float, float]] = []
    for wide, high in (panel.size(scale) for panel in panels):
        free = [(0.0, 0.0), *((r, t) for _, t, r, _ in placed), *((le, b) for le, _, _, b in placed)]
        for x, y in sorted(free, key=lambda corner: (corner[1], corner[0])):
            right, bottom = x + wide, y + high
            if (
                right <= WIDTH
                and bottom <= height
                and not any(x < r and le < right and y < b and t < bottom for le, t, r, b in placed)
            ):
                placed.append((x, y, right, bottom))
                break
        else:
            return []
    return [corner[:2] for corner in placed]


def _named(name: str, outline: BaseGeometry, height: int) -> list[Label]:
    """The county's name, unless its widest part is far narrower."""
    (middle,) = shapely.maximum_inscribed_circle(np.array([outline]), float(_SLIVER))
    if len(name) * _CHARACTER > 4 * middle.length:
        return []
    x, y = middle.coords[0]
    return [Label(x / WIDTH, y / height, name, is_title=False)]


def _apart(labels: list[Label], height: int) -> tuple[Label, ...]:
    """Without the names that would lie on another."""
    kept: list[Label] = []
    for label in labels:
        if label.is_title or not any(
            abs(label.x - other.x) * WIDTH < (len(label.text) + len(other.text)) / 2 * _CHARACTER
            and abs(label.y - other.y) * height < _TITLE
            for other in kept
        ):
            kept.append(label)
    return tuple(kept)


def _rings(shape: BaseGeometry, smallest: int = 0) -> Iterator[str]:
    """The rings of a shape as relative SVG paths in whole units, without tiny ones."""
    for part in shapely.get_parts(shape):
        if part.geom_type != "Polygon":
            continue
        for ring in (part.exterior, *part.interiors):
            points = np.rint(np.array(ring.coords)[:-1, :2]).astype(int)
            moves = " ".join(f"{dx}{dy:+d}" for dx, dy in np.diff(points, axis=0) if dx or dy)
            if moves and np.ptp(points, axis=0).sum() >= smallest:
                yield f"M{points[0][0]} {points[0][1]}l{moves}z"


def _svg(height: int, paths: list[str], outlines: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        '<defs><pattern id="none" width="22" height="22" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="22" height="22" fill="#f4f4f2"/><path d="M0 0v22" stroke="#a3a3a0" stroke-width="7"/></pattern></defs>'
        '<g stroke="#8f9a94" stroke-width="1" stroke-linejoin="round" fill-rule="evenodd">'
        f"{''.join(paths)}</g>"
        '<g fill="none" stroke="#1d2733" stroke-width="3.5" stroke-linejoin="round">'
        f"{''.join(outlines)}</g></svg>"
    )


def _round_length(km: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not longer."""
    for length in (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2):
        if length <= km:
            return length
    return 0.1
