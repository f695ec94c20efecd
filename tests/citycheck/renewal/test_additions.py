"""How a facility that is to be imagined is written, and what the lake would say of it."""

from __future__ import annotations

import pytest

from citycheck.errors import BadInput
from citycheck.renewal.additions import Addition

PARK = "F17@118.805,28.915,500"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("F17", "expected KIND@LON,LAT"),
        ("F17@118.8", "expected KIND@LON,LAT"),
        ("F17@118.8,28.9,1,2", "expected KIND@LON,LAT"),
        ("F17@118.8,28.9,nan", "expected KIND@LON,LAT"),
        ("F17@east,north", "expected KIND@LON,LAT"),
        ("F99@118.8,28.9", "'F99' is no kind of facility; the standard has F01, F02"),
        (
            "F03@118.8,28.9,places=9",
            "'places' is nothing that is asked; expected one of floor_area_m2, land_area_m2",
        ),
        ("F03@118.8,28.9,capacity=1.5", "capacity is '1.5'; expected a whole number, 0 or more"),
        ("F04@118.8,28.9,land_area_m2=-1", "land_area_m2 is '-1'; expected a number, 0 or more"),
        ("F15@118.8,28.9,subtype=", "subtype is ''; expected a text"),
    ],
)
def test_what_is_no_facility_is_told(text, said):
    with pytest.raises(BadInput, match=said):
        Addition.parse(text)


def test_an_area_is_of_what_the_minimum_is_about():
    assert Addition.parse(PARK) == Addition("F17", 118.805, 28.915, 500.0)
    park = Addition.parse(PARK).row(3)
    assert (park["facility_id"], park["land_area_m2"], park["floor_area_m2"]) == ("simulated-3", 500.0, None)
    school = Addition.parse("F04@118.8,28.9,3000,land_area_m2=5000").row(1)
    assert (school["land_area_m2"], school["floor_area_m2"]) == (5000.0, 3000.0)
    assert Addition.parse("F02@118.8,28.9").row(1)["floor_area_m2"] is None


def test_what_else_is_known_is_named():
    one = Addition.parse("F15@118.8,28.9,400,subtype=supermarket,capacity=12,host_facility_id=A7")
    assert (one.area_m2, one.subtype, one.capacity, one.host_facility_id) == (400.0, "supermarket", 12, "A7")


@pytest.mark.parametrize(
    ("kind", "size", "gap", "expected"),
    [
        ("F07", 350.0, None, {"floor_area_m2": 350.0, "land_area_m2": None, "capacity": None}),
        ("F17", 150.0, None, {"floor_area_m2": None, "land_area_m2": 150.0}),
        ("F04", 2200.0, None, {"floor_area_m2": 2200.0, "land_area_m2": 3500.0}),
        ("F03", 200.0, 11.2, {"floor_area_m2": 200.0, "capacity": 12}),
        ("F15", 300.0, None, {"subtype": "supermarket"}),
        ("F15", None, None, {"subtype": "convenience_store"}),
    ],
)
def test_a_project_is_built_so_that_it_counts(kind, size, gap, expected):
    project = {"kind_code": kind, "site_lon": 118.8, "site_lat": 28.9, "size_m2": size, "capacity_gap": gap}
    row = Addition.of_project(project).row(1)
    assert {name: row[name] for name in expected} == expected
