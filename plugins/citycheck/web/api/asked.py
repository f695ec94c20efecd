"""What a request may ask for: which release, which page, where, when, with which values. Anything else is refused.

Dependencies are coroutines: FastAPI would put each plain function on a thread of its own, which costs more than they do.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi import Path as Part
from fastapi.dependencies.utils import get_flat_dependant

from citycheck.web.api.layers import Box
from citycheck.web.api.problems import Refused
from citycheck.web.api.releases import HALF_YEAR, Version, opened, published

MOST = 10_000
"""Features or rows a page."""
Code = Annotated[str | None, Query(min_length=1, max_length=200)]
Limit = Annotated[
    int, Query(ge=1, description=f"Most features or rows a page; of more than {MOST:,}, {MOST:,} come.")
]
Offset = Annotated[int, Query(ge=0, description="How many to leave out; follow the links `next` instead.")]
BBox = Annotated[
    str | None, Query(description="west,south,east,north in degrees; of six numbers the heights are ignored.")
]
Datetime = Annotated[
    str | None,
    Query(
        alias="datetime",
        description="A date, a moment or an interval (`a/b`, `../b`, `a/..`, RFC 3339). A feature is of the whole half-year.",
    ),
]
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?", re.I
)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.I)


async def declared(request: Request) -> None:
    """Refuse parameters that the route does not have, and those that come twice: a typing error must not widen an answer."""
    known = {field.alias for field in get_flat_dependant(request.scope["route"].dependant).query_params}
    asked = [name for name, _ in request.query_params.multi_items()]
    for name in asked:
        if name not in known:
            may = ", ".join(sorted(known)) or "–"
            raise Refused(
                400,
                f"There is no parameter {name!r} here; there are: {may}.",
                f"这里没有参数 {name!r}；可用的有：{may}。",
            )
        if asked.count(name) > 1:
            raise Refused(
                400, f"The parameter {name} is given twice: give it once.", f"参数 {name} 重复：只能给一次。"
            )


async def named(
    half_year: Annotated[str, Part(pattern=HALF_YEAR)], version: Annotated[int, Part(ge=1)]
) -> Version:
    """The version of a path, withdrawn or not."""
    return _found(half_year, version)


async def standing(version: Annotated[Version, Depends(named)]) -> Version:
    """The version of a path, if its data may be given."""
    return _standing(version)


async def chosen(
    half_year: Annotated[
        str | None, Query(pattern=HALF_YEAR, description="Without it, the last that stands.")
    ] = None,
    version: Annotated[int | None, Query(ge=1, description="Without it, the current one.")] = None,
) -> Version:
    """The version that a query chooses."""
    everything = published()
    newest = everything.newest
    if half_year is None:
        if newest is None:
            raise Refused(404, "The city has published nothing that stands.", "本市没有有效的发布。")
        half_year = newest.half_year
    if version is not None:
        return _standing(_found(half_year, version))
    of = everything.of(half_year)
    for found in of:
        if found.is_current:
            return found
    if of:
        raise Refused(
            410, f"All of {half_year} was withdrawn: do not use it.", f"{half_year} 已全部撤回：请勿使用。"
        )
    raise Refused(404, f"Nothing is published of {half_year}.", f"{half_year} 没有发布。")


async def of_features(
    community_id: Code = None,
    street_id: Code = None,
    county_id: Code = None,
    kind_code: Code = None,
    pool_code: Code = None,
    action_code: Code = None,
    status_code: Code = None,
) -> dict[str, str]:
    """Values that features must have."""
    return _given(locals())


async def of_rows(
    area_level: Code = None,
    area_id: Code = None,
    community_id: Code = None,
    street_id: Code = None,
    county_id: Code = None,
    indicator_code: Code = None,
    dimension_code: Code = None,
    node_code: Code = None,
    kind_code: Code = None,
    category_code: Code = None,
    pool_code: Code = None,
    action_code: Code = None,
    status_code: Code = None,
) -> dict[str, str]:
    """Values that rows must have."""
    return _given(locals())


ROW_FILTERS = tuple(name for name in of_rows.__annotations__ if name != "return")


def only(wanted: dict[str, str], columns: tuple[str, ...], what: str) -> None:
    """Refuse a filter by a column that is not there: it would choose nothing, or everything."""
    for name in wanted:
        if name not in columns:
            may = ", ".join(columns) or "–"
            raise Refused(
                400,
                f"{what} cannot be filtered by {name}; it can by: {may}.",
                f"{what} 不能按 {name} 筛选；可用的有：{may}。",
            )


def box(text: str | None) -> Box | None:
    """A bounding box. Across the 180th meridian, west is greater than east."""
    if text is None:
        return None
    parts = text.split(",")
    numbers = [float(part) for part in parts if _NUMBER.fullmatch(part.strip())]
    if len(numbers) != len(parts) or len(parts) not in (4, 6) or not all(map(math.isfinite, numbers)):
        raise Refused(
            400,
            "The parameter bbox is four numbers, west,south,east,north in degrees (or six, with heights).",
            "参数 bbox 是四个数：西,南,东,北（度）；带高程时为六个。",
        )
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise Refused(
            400,
            "The south of bbox lies north of its north: exchange them.",
            "bbox 的南界在北界以北：请对调。",
        )
    return west, south, east, north


def touches(text: str | None, start: datetime, end: datetime) -> bool:
    """Whether a moment or an interval has something in common with a period; the period's end does not belong to it."""
    if text is None:
        return True
    parts = text.split("/")
    try:
        first, last = _moment(parts[0], len(parts) > 1), _moment(parts[-1], len(parts) > 1)
        if len(parts) > 2 or (first and last and first[0] > last[1]):
            raise ValueError
    except ValueError:
        raise Refused(
            400,
            "The parameter datetime is a date, a moment with its offset or an interval, such as 2026-03-01, "
            "2026-03-01T00:00:00+08:00 or 2026-01-01/.. (an earlier end than start is none).",
            "参数 datetime 是日期、带时区的时刻或区间，例如 2026-03-01、2026-01-01/..（终点不得早于起点）。",
        ) from None
    return (last is None or last[1] >= start) and (first is None or first[0] < end)


def _moment(text: str, may_be_open: bool) -> tuple[datetime, datetime] | None:
    """From when to when; None is open. A date is a whole day of UTC."""
    if may_be_open and text in ("", ".."):
        return None
    if not _MOMENT.fullmatch(text):
        raise ValueError
    when = datetime.fromisoformat(text.upper())
    if len(text) > len("2026-03-01"):
        return when, when
    return when.replace(tzinfo=UTC), datetime.combine(when, time.max, UTC)


def _given(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _found(half_year: str, version: int) -> Version:
    for found in published().of(half_year):
        if found.version == version:
            return found
    raise Refused(
        404,
        f"{half_year} has no version {version}: see /releases for all that is published.",
        f"{half_year} 没有第 {version} 版：全部发布见 /releases。",
    )


def _standing(version: Version) -> Version:
    # A withdrawal writes its notice first and the pointer last: from the first moment on, nothing more is given.
    if version.is_withdrawn or opened(version).notice is not None:
        what = f"{version.half_year}/{version.version}"
        raise Refused(
            410,
            f"{what} was withdrawn by the city: do not use it; /releases/{what} says why.",
            f"{what} 已由本市撤回：请勿使用；原因见 /releases/{what}。",
        )
    return version
