"""Whether a projected coordinate system fits a city: every distance and area of the index is planar metres in it."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError

from citycheck.errors import BadInput

DISTORTION_MAX = 0.005
"""Share by which a length may be wrong anywhere in the city: 5 m in a circle of 1000 m."""

_CHINA = (73.5, 136.5, 3.0, 54.0)
"""lon min, lon max, lat min, lat max of the 3-degree zones of CGCS2000."""


class Box(Protocol):
    """A bounding box in WGS84 degrees, as the profile of a city has it."""

    @property
    def lon_min(self) -> float: ...
    @property
    def lon_max(self) -> float: ...
    @property
    def lat_min(self) -> float: ...
    @property
    def lat_max(self) -> float: ...


def check_crs(projected_crs: str, box: Box) -> None:
    """Raise `BadInput` when the system is not planar metres, is made for elsewhere, or distorts lengths in the box.

    The middle of the box decides where the city is, because a city may lie across the border of two zones. Lengths are
    measured in every direction at the corners of the box, in the middles of its sides and in its middle.
    """
    lon, lat = (box.lon_min + box.lon_max) / 2, (box.lat_min + box.lat_max) / 2
    advice = f"Set projected_crs to {_fitting(lon, lat)}, or another one in metres made for the city."
    try:
        crs = CRS.from_user_input(projected_crs)
    except CRSError:
        raise BadInput(
            f"projected_crs {projected_crs}: there is no such coordinate system. {advice}"
        ) from None
    named = f"projected_crs {projected_crs} ({crs.name})"
    if not crs.is_projected:
        raise BadInput(f"{named}: is not projected; distances must be planar metres. {advice}")
    if unit := next((axis.unit_name for axis in crs.axis_info if axis.unit_conversion_factor != 1), None):
        raise BadInput(f"{named}: counts in {unit}; distances must be metres. {advice}")
    place = f"the middle of the city's box ({lon:.2f}, {lat:.2f})"
    used = crs.area_of_use
    if used is not None and not (_between(used.west, lon, used.east) and used.south <= lat <= used.north):
        raise BadInput(
            f"{named}: is made for {used.name or 'elsewhere'}, where {place} does not lie. {advice}"
        )
    distortion = _distortion(crs, box)
    if not distortion <= DISTORTION_MAX:
        raise BadInput(
            f"{named}: lengths in the city's box are wrong by up to {distortion:.1%}; "
            f"at most {DISTORTION_MAX:.1%} is allowed. {advice}"
        )


def _between(west: float, lon: float, east: float) -> bool:
    """Whether a longitude lies in an area; one that crosses the antimeridian has its west in the east."""
    return west <= lon <= east if west <= east else lon >= west or lon <= east


def _distortion(crs: CRS, box: Box) -> float:
    """The largest share by which 100 m on the ellipsoid are wrong on the plane; infinite where it cannot show them."""
    lons = np.linspace(box.lon_min, box.lon_max, 3)
    lats = np.linspace(box.lat_min, box.lat_max, 3)
    lon, lat, azimuth = (grid.ravel() for grid in np.meshgrid(lons, lats, np.arange(0.0, 180.0, 15.0)))
    to_lon, to_lat, _ = Geod(ellps="WGS84").fwd(lon, lat, azimuth, np.full_like(lon, 100.0))
    project = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    (x, y), (to_x, to_y) = project(lon, lat), project(to_lon, to_lat)
    wrong = np.abs(np.hypot(to_x - x, to_y - y) / 100.0 - 1)
    return float(wrong.max()) if np.isfinite(wrong).all() else math.inf


def _fitting(lon: float, lat: float) -> str:
    """A system for a place: the 3-degree zone of CGCS2000 in China's longitudes and latitudes, else the zone of UTM."""
    west, east, south, north = _CHINA
    if west <= lon <= east and south <= lat <= north:
        zone = min(max(int(lon / 3 + 0.5), 25), 45)
        return f"EPSG:{4509 + zone} (CGCS2000, 3-degree zone of {3 * zone}° E)"
    zone = int((lon + 180) % 360 // 6) + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone} (UTM zone {zone}{'N' if lat >= 0 else 'S'})"
