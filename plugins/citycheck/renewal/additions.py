"""Facilities that are to be imagined: as somebody writes them, and as the lake keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from citycheck import standard
from citycheck.errors import BadInput


@dataclass(frozen=True)
class Addition:
    """A facility that is to be imagined: WGS84 degrees, and what the register would say of it.

    `area_m2` is of floor, or of land where the kind's only minimum is one of land.
    """

    kind_code: str
    lon: float
    lat: float
    area_m2: float | None = None
    floor_area_m2: float | None = None
    land_area_m2: float | None = None
    capacity: int | None = None
    subtype: str | None = None
    function_count: int | None = None
    host_facility_id: str | None = None

    @classmethod
    def parse(cls, text: str) -> Addition:
        """From `KIND@LON,LAT`, `KIND@LON,LAT,AREA`, each with `,NAME=VALUE` as often as wanted. Raises `BadInput`."""
        kind, _, place = text.partition("@")
        stated = [part for part in place.split(",") if "=" in part]
        try:
            lon, lat, *area = (float(part) for part in place.split(",") if "=" not in part)
            (area_m2,) = area or (None,)
            if not all(math.isfinite(number) for number in (lon, lat, area_m2 or 0)):
                raise ValueError
        except ValueError:
            raise BadInput(
                f"{text!r} is no facility; expected KIND@LON,LAT or KIND@LON,LAT,AREA, such as F08@118.87,28.93,300. Correct it."
            ) from None
        if kind not in (known := [row["kind_code"] for row in standard.seed("facility_kinds")]):
            raise BadInput(
                f"{text!r}: {kind!r} is no kind of facility; the standard has {', '.join(known)}. Correct it."
            )
        return cls(kind, lon, lat, area_m2, **dict(_stated(text, part) for part in stated))

    @classmethod
    def of_project(cls, project: Mapping[str, Any]) -> Addition:
        """What a row of the mart `projects` would put at its site, taken to be built so that it counts."""
        kind = _kind(project["kind_code"])
        has_both = kind["min_floor_area_m2"] and kind["min_land_area_m2"]
        size_m2, capacity = project["size_m2"], project["capacity_gap"]
        return cls(
            project["kind_code"],
            project["site_lon"],
            project["site_lat"],
            size_m2,
            land_area_m2=float(kind["min_land_area_m2"]) if has_both else None,
            capacity=math.ceil(capacity) if kind["capacity_unit"] and capacity else None,
            subtype=None
            if kind["kind_code"] != "F15"
            else "convenience_store"
            if size_m2 is None
            else "supermarket",
        )

    def row(self, number: int) -> dict[str, Any]:
        """As the lake keeps a facility, operating."""
        kind = _kind(self.kind_code)
        is_land = kind["min_land_area_m2"] and not kind["min_floor_area_m2"]
        return {
            "facility_id": f"simulated-{number}",
            "facility_name": f"模拟设施 simulated {number}",
            "kind_code": self.kind_code,
            "subtype": self.subtype,
            "lon": self.lon,
            "lat": self.lat,
            "floor_area_m2": self.area_m2
            if self.floor_area_m2 is None and not is_land
            else self.floor_area_m2,
            "land_area_m2": self.area_m2 if self.land_area_m2 is None and is_land else self.land_area_m2,
            "capacity": self.capacity,
            "function_count": self.function_count,
            "host_facility_id": self.host_facility_id,
            "operating_status": "operating",
            "source_file": "simulated",
            "source_row": number,
        }


def _stated(text: str, part: str) -> tuple[str, Any]:
    """One `NAME=VALUE` of a facility."""
    name, _, value = part.partition("=")
    types = {one.name: str(one.type) for one in fields(Addition)[4:]}
    if name not in types:
        raise BadInput(
            f"{text!r}: {name!r} is nothing that is asked; expected one of {', '.join(types)}. Correct it."
        )
    try:
        made = int(value) if "int" in types[name] else float(value) if "float" in types[name] else value
        if not value or (not isinstance(made, str) and not 0 <= made < 1e9):
            raise ValueError
    except ValueError:
        expected = {"int": "a whole number", "float": "a number"}.get(types[name].split(" ")[0], "a text")
        raise BadInput(
            f"{text!r}: {name} is {value!r}; expected {expected}, 0 or more. Correct it."
        ) from None
    return name, made


def _kind(kind_code: str) -> dict[str, Any]:
    return next(row for row in standard.seed("facility_kinds") if row["kind_code"] == kind_code)
