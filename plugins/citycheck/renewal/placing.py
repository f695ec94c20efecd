"""Where each project would stand: the allowed site from which most people are newly in reach, else a building to begin from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from citycheck.renewal.effects import Floats, Ints, Layer, Mask, Near


@dataclass(frozen=True)
class Candidate:
    """A project without a place; `community` is a row."""

    candidate_id: str
    kind_code: str
    community: int
    size_m2: float | None
    needs_land: bool
    has_area_gap: bool


@dataclass(frozen=True)
class Sites:
    """Where something could be built, in the order of their codes, a row each; NaN where not known."""

    site_id: Sequence[str]
    site_type: Sequence[str]
    community: Ints
    floor_area_m2: Floats
    land_area_m2: Floats
    cost_cny: Floats

    def allowed(self, needs_land: bool, may_share: bool, size_m2: float | None) -> Mask:
        """Land for what needs land, else rooms, and centres for what may share them; of a known size that is enough."""
        types = np.array(self.site_type, dtype=object)
        if needs_land:
            is_allowed, area_m2 = types == "land", self.land_area_m2
        else:
            is_allowed, area_m2 = types == "vacant_room", self.floor_area_m2
            if may_share:
                is_allowed |= types == "co_location"
        return np.asarray(is_allowed if size_m2 is None else is_allowed & (area_m2 >= size_m2), dtype=bool)


@dataclass(frozen=True)
class Chosen:
    """A place for a candidate, a site's row or -1 with a building's row, and how many sites could be chosen from."""

    site: int
    building: int
    considered: int


def newly(layer: Layer, near: Near) -> tuple[Ints, Ints, Floats]:
    """Place, building and people of every pair in which a place would newly cover a building."""
    place = np.repeat(np.arange(len(near.first) - 1), np.diff(near.first))
    (_, more), *_ = layer.needs
    is_new = (near.distance_m <= layer.radius_m[near.building]) & (more[near.building] == 1)
    is_new &= layer.people[near.building] > 0
    return place[is_new], near.building[is_new], layer.people[near.building[is_new]]


def of_sites(
    candidates: Sequence[Candidate],
    sites: Sites,
    near: Near,
    layer: Layer,
    building_community: Ints,
    may_share: bool,
) -> dict[str, Chosen]:
    """Candidates of one kind with the site of each, those without any left out.

    A site serves a candidate when it stands in its community or would newly cover somebody there; for what lacks area in
    the community, only the former does. Of equals, one in the community, the cheaper one, the first by code.
    """
    place, building, people = newly(layer, near)
    total = np.bincount(place, people, minlength=len(sites.site_id))
    reaches: dict[int, set[int]] = {}
    for site, community in zip(place.tolist(), building_community[building].tolist(), strict=True):
        reaches.setdefault(community, set()).add(site)
    found = {}
    for one in candidates:
        own = set(np.flatnonzero(sites.community == one.community).tolist())
        near_by = own if one.has_area_gap else own | reaches.get(one.community, set())
        is_allowed = sites.allowed(one.needs_land, may_share, one.size_m2)
        considered = [site for site in near_by if is_allowed[site]]
        useful = [site for site in considered if total[site] > 0 or one.has_area_gap]
        if useful:
            best = min(
                useful,
                key=lambda site: (
                    -total[site],
                    site not in own,
                    np.inf if np.isnan(sites.cost_cny[site]) else sites.cost_cny[site],
                    sites.site_id[site],
                ),
            )
            found[one.candidate_id] = Chosen(best, -1, len(considered))
    return found


def of_buildings(
    candidates: Sequence[Candidate], buildings: Ints, near: Near, layer: Layer, community: Ints
) -> dict[str, Chosen]:
    """Candidates of one kind with a building of their community, of those in `buildings`: the places of `near`, in order.

    The one from which most people would newly be in reach; of equals the one with most people of the target group in reach,
    then the first by code.
    """
    place, _, people = newly(layer, near)
    total = np.bincount(place, people, minlength=len(buildings))
    at = np.repeat(np.arange(len(buildings)), np.diff(near.first))
    is_near = near.distance_m <= layer.radius_m[near.building]
    all_people = np.bincount(at[is_near], layer.people[near.building[is_near]], minlength=len(buildings))
    found = {}
    for one in candidates:
        rows = np.flatnonzero(community[buildings] == one.community)
        if len(rows):
            best = rows[np.lexsort([buildings[rows], -all_people[rows], -total[rows]])[0]]
            found[one.candidate_id] = Chosen(-1, int(buildings[best]), 0)
    return found
