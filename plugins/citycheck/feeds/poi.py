"""Points of interest of a map service that answers as AutoNavi (高德) does: JSON pages, at most so many results a query.

An area is asked for as rectangles; one whose answer reaches the limit is split into quarters, which overlap by a hair,
until none does. Nothing is left out in silence: what cannot be split any further is an error. The same place may come
more than once. Coordinates are in the service's own datum (`datum: gcj02` in the profile's table converts them).
"""

from __future__ import annotations

import json as stdlib_json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import batch, http, json
from citycheck.feeds.ask import Ask
from citycheck.strict import Strict

_TYPES = ("application/json", "text/json", "text/javascript", "application/javascript", "text/plain")
_PAGE_BYTES_MAX = 64 << 20
_TRIES = 6
_UNIT = 1_000_000  # the service knows six decimals: a hundred-thousandth of a degree is about a metre
_FREQUENCY = {"10004", "10014", "10015", "10016", "10019", "10020", "10021"}
"""Too many requests a second or minute, or a busy server: right again after a moment."""
_QUOTA = {"10003", "10010", "10029", "10044", "10045"}
"""What may be asked a day is used up."""
_REASONS = {
    "10001": "the key is wrong or has expired; correct the connection's password",
    "10002": "the key has no right to this service, or the path is wrong; correct the key or the address",
    "10005": "this machine's address is not on the key's list; add it there",
    "10007": "the key wants signed requests, which are not supported; use a key without signature",
    "10009": "the key is for another platform; use one for web services",
    "10012": "the key has no right to this service; ask for it",
    "10013": "the key was deleted; make another one",
    "20000": "a parameter is not as the service wants it; check types, rectangles, city and page_size",
    "20001": "a parameter is missing; check types, rectangles, city and the address",
}

_Rectangle = tuple[float, float, float, float]
_Cell = tuple[int, int, int, int]
"""West, south, east, north in millionths of a degree."""


class Poi(Strict):
    """A service of points of interest: what a profile says under `poi` of a source."""

    address: str
    """Of the search: …/v5/place/polygon for rectangles or a polygon, …/v5/place/text for a city."""
    connection: str
    """The Airflow connection whose password is the key."""
    version: Literal[3, 5] = 5
    """Of the service: 3 calls its page parameters page and offset, 5 page_num and page_size."""
    types: tuple[str, ...] = Field(min_length=1)
    """Category codes, such as 141200."""
    rectangles: tuple[_Rectangle, ...] = ()
    """Each west, south, east, north in degrees of the service's datum. Split when needed."""
    polygon: tuple[tuple[float, float], ...] = ()
    """Corners (longitude, latitude), asked for as rectangles that touch it: places around it come, too."""
    city: str | None = None
    """Name or code of a city; cannot be split."""
    result_limit: int = Field(200, ge=1)
    """The most results that the service gives for one query, over all pages."""
    page_size: int = Field(25, ge=1, le=25)
    requests_per_s: float = Field(3, gt=0)
    """What the key allows."""
    request_limit: int = Field(5000, ge=1)
    """The most requests that one fetch may need: what the key allows a day."""

    @field_validator("address")
    @classmethod
    def without_query(cls, value: str) -> str:
        if "?" in value or "#" in value:
            raise ValueError("the address has no ? or #; the key belongs in the connection")
        return value

    @model_validator(mode="after")
    def has_one_area(self) -> Poi:
        if sum(map(bool, (self.rectangles, self.polygon, self.city))) != 1:
            raise ValueError("a search needs exactly one of: rectangles, polygon, city")
        if self.polygon and len(self.polygon) < 3:
            raise ValueError("a polygon needs at least three corners")
        for west, south, east, north in self.rectangles:
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ValueError("a rectangle is west, south, east, north in degrees")
        if self.result_limit < self.page_size:
            raise ValueError("result_limit is less than page_size")
        return self


# Fetching ------------------------------------------------------------------------------------------------------------


def fetch(
    config: Poi,
    ask: Ask,
    out: Path,
    client: http.Client | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> datetime | None:
    """Write every page as it came as `pois-000001.json`, … into `out`; the source cannot tell what changed: None.

    Raises `SourceUnavailable` when the quota is used up or the service stays busy, and `BadInput` for any other
    refusal, for more results than `result_limit` at one place, and when more than `request_limit` requests are needed.
    """
    if ask.connection is None or not ask.connection.password:
        raise BadInput(
            f"{http.shown(config.address)}: the connection {config.connection!r} has no password; expected the service's key "
            "there. Add it in Airflow."
        )
    with client or http.Client(ask.hosts, limit_bytes=_PAGE_BYTES_MAX) as used:
        _Reader(config, ask.connection.password, out, used, sleep).read()
    return None


class _Reader:
    """Reads an area into a folder."""

    def __init__(
        self, config: Poi, key: str, out: Path, client: http.Client, sleep: Callable[[float], None]
    ) -> None:
        self._config, self._out, self._client, self._sleep = config, out, client, sleep
        self._common = {"key": key, "types": "|".join(config.types), "output": "JSON"}
        self._requests = 0
        self._number = count(1)

    def read(self) -> None:
        if self._config.city:
            limits = {"city": self._config.city, "citylimit": "true"}
            if self._config.version == 5:
                limits = {"region": self._config.city, "city_limit": "true"}
            if self._is_cut(limits):
                raise BadInput(
                    f"{self._shown}: the city has {self._config.result_limit} places or more, the most that one query gives; "
                    "expected fewer. Give `rectangles` or a `polygon` in the profile, which can be split."
                )
            return
        touches = _touching(self._config.polygon)
        cells = [cell for cell in reversed(_cells(self._config)) if touches(cell)]
        while cells:
            cell = cells.pop()
            if self._is_cut({"polygon": _written(cell)}):
                if not (parts := quarters(cell)):
                    raise BadInput(
                        f"{self._shown}: {self._config.result_limit} places or more lie at one spot, the most that one query "
                        "gives; expected fewer. Divide `types` among several sources in the profile."
                    )
                cells += reversed([part for part in parts if touches(part)])

    @property
    def _shown(self) -> str:
        return http.shown(self._config.address)

    def _is_cut(self, area: dict[str, str]) -> bool:
        """Write the pages of a query; whether it reached the limit, so that there may be more than came."""
        received = 0
        for page in count(1):
            body, places, total = self._page(area, page)
            (self._out / f"pois-{next(self._number):06d}.json").write_bytes(body)
            received += places
            if max(received, total) >= self._config.result_limit:
                return True
            # A page may be short because the service took duplicates out of it: version 3 tells how many there are.
            if places == 0 or (places < self._config.page_size and received >= total):
                return False
        raise AssertionError("unreachable")

    def _page(self, area: dict[str, str], page: int) -> tuple[bytes, int, int]:
        """A page, how many places it has, and how many it says there are (the same in version 5)."""
        number, size = ("page", "offset") if self._config.version == 3 else ("page_num", "page_size")
        params = self._common | area | {number: str(page), size: str(self._config.page_size)}
        for tried in range(_TRIES):
            if self._requests == self._config.request_limit:
                raise BadInput(
                    f"{self._shown}: more than {self._requests} requests are needed; expected at most `request_limit`. Ask "
                    "for a smaller area or fewer types, or raise it as far as the key allows."
                )
            self._sleep(1 / self._config.requests_per_s if self._requests else 0)
            self._requests += 1
            body = self._client.get(self._config.address, params=params, accept=_TYPES).body
            answer = self._parsed(body)
            code = str(answer.get("infocode", ""))
            if str(answer.get("status")) == "1":
                places = answer.get("pois")
                if not isinstance(places, list):
                    raise self._no_page()
                total = str(answer.get("count", ""))
                return body, len(places), int(total) if total.isdecimal() else 0
            if code not in _FREQUENCY:
                raise self._refused(code)
            self._sleep(2.0**tried)
        raise SourceUnavailable(
            f"{self._shown}: is still asked too often or busy (infocode {code}) after {_TRIES} tries. Run the task again "
            "later, or lower `requests_per_s`."
        )

    def _parsed(self, body: bytes) -> dict[str, Any]:
        try:
            answer = stdlib_json.loads(body)
        except (ValueError, RecursionError):
            raise self._no_page() from None
        if not isinstance(answer, dict):
            raise self._no_page()
        return answer

    def _no_page(self) -> BadInput:
        return BadInput(
            f"{self._shown}: answered something else than a page of places; expected JSON with `status` and `pois`. Correct "
            "the address or `version`."
        )

    def _refused(self, code: str) -> BadInput | SourceUnavailable:
        # The answer's own words are not shown: some services repeat the key in them.
        known = code if code.isdecimal() and len(code) <= 6 else "none"
        if code in _QUOTA:
            return SourceUnavailable(
                f"{self._shown}: the key's quota is used up (infocode {known}). Run the task again tomorrow, or raise the quota."
            )
        reason = _REASONS.get(code, "look the code up in the service's documentation")
        return BadInput(f"{self._shown}: refused the request (infocode {known}): {reason}.")


def quarters(cell: _Cell) -> list[_Cell]:
    """The parts of a rectangle: both halves of each side that has any, west to east, then south to north.

    Halves overlap by one unit, so that a point on the line between them is inside one even if the service takes
    borders for outside. Empty when the rectangle is too small to be split.
    """
    west, south, east, north = cell
    columns, rows = _halves(west, east), _halves(south, north)
    if len(columns) == len(rows) == 1:
        return []
    return [(left, low, right, high) for low, high in rows for left, right in columns]


def _halves(low: int, high: int) -> list[tuple[int, int]]:
    middle = (low + high) // 2
    return [(low, high)] if high - low < 3 else [(low, middle + 1), (middle, high)]


def _cells(config: Poi) -> list[_Cell]:
    rectangles = list(config.rectangles)
    if config.polygon:
        lon, lat = zip(*config.polygon, strict=True)
        rectangles = [(min(lon), min(lat), max(lon), max(lat))]
    # One unit more on each side: the same care at the outer border.
    return [
        (round(w * _UNIT) - 1, round(s * _UNIT) - 1, round(e * _UNIT) + 1, round(n * _UNIT) + 1)
        for w, s, e, n in rectangles
    ]


def _touching(polygon: Sequence[tuple[float, float]]) -> Callable[[_Cell], bool]:
    if not polygon:
        return lambda _: True
    import shapely

    area = shapely.make_valid(shapely.Polygon(polygon))
    shapely.prepare(area)

    def meets(cell: _Cell) -> bool:
        west, south, east, north = (side / _UNIT for side in cell)
        return bool(shapely.intersects(area, shapely.box(west, south, east, north)))

    return meets


def _written(cell: _Cell) -> str:
    """A rectangle as the service wants it: its north-western and its south-eastern corner."""
    west, south, east, north = (f"{side / _UNIT:.6f}" for side in cell)
    return f"{west},{north}|{east},{south}"


# Reading -------------------------------------------------------------------------------------------------------------


def columns(file: Path) -> list[str]:
    """All fields of a page's places in order of first appearance, `lon` and `lat` after `location`."""
    found: dict[str, None] = {}
    for row in _rows(file):
        found.update(dict.fromkeys(row))
    return list(found)


def batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The places of a page as text, in file order."""
    yield from batch.of_rows(([row.get(name) for name in columns] for row in _rows(file)), columns)


def _rows(file: Path) -> Iterator[dict[str, str | None]]:
    for written in json.rows(file, "pois"):
        row: dict[str, str | None] = {}
        for name, value in written.items():
            row[name] = value
            if name == "location":
                lon, _, lat = (value or "").partition(",")
                row |= {"lon": lon.strip() or None, "lat": lat.strip() or None}
        yield row
