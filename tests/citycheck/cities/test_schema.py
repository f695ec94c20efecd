"""The published schema: up to date, true to the profiles there are, and as strict as the profile's own reading."""

import copy
from typing import Any

import jsonschema
import pytest
import yaml

from citycheck.cities.schema import schema, text
from citycheck.errors import BadInput
from citycheck.lake.tables import tables
from citycheck.settings import settings


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_published_file_is_up_to_date():
    published = settings().project / "docs" / "profile.schema.json"
    assert published.read_text("utf-8") == text(), "Run: citycheck city schema > docs/profile.schema.json"


@pytest.mark.parametrize("path", sorted(settings().cities.glob("*/profile.yml")), ids=lambda p: p.parent.name)
def test_every_profile_of_the_project_is_valid_and_names_the_schema(validator, path):
    text = path.read_text("utf-8")
    validator.validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=../../docs/profile.schema.json\n")


def test_the_profile_of_the_fixture_is_valid(validator, town):
    town.city()
    validator.validate(town.written)


def _set(written: dict[str, Any], path: str, value: Any) -> None:
    *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in above:
        written = written[part]
    if value is None:
        del written[last]
    else:
        written[last] = value


_TABLE = "feeds/repair_reports/tables/0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("time_zne", "Asia/Shanghai"),
        ("time_zone", None),
        ("projected_crs", "4549"),
        ("half_years", ["2025", None]),
        ("provided_kinds", ["F21"]),
        ("feeds/repairs", {"tables": []}),
        ("sources/hotline/folder", None),
        ("sources/hotline/remote", {"address": "https://example.org/a.csv"}),
        ("tolerances", [{"table": "repair_reports", "reason_code": "odd", "share_max": 0.1, "reason": "…"}]),
        (f"{_TABLE}/table", "reports"),
        (f"{_TABLE}/format", "xls"),
        (f"{_TABLE}/delimiter", ":"),
        (f"{_TABLE}/columns/reported_at", None),
        (f"{_TABLE}/columns/categry", {"from": "类别"}),
        (f"{_TABLE}/columns/lon", {"from": "经度", "tmes": 2}),
        (f"{_TABLE}/columns/lon", {"from": "经度", "value": "1"}),
        (f"{_TABLE}/columns/lon", {"from": 3}),
        (f"{_TABLE}/columns/rating", {"from": "评价", "values": {"好": True}}),
        (f"{_TABLE}/columns/version_at", {"from": "时间", "time": "yyyy-MM-dd"}),
        (f"{_TABLE}/columns/lon", {"from": "经度", "number": "1'234.5"}),
    ],
)
def test_a_mistake_is_refused_by_the_schema_and_by_the_profile(validator, town, path, value):
    _set(town.written, path, value)
    assert not validator.is_valid(copy.deepcopy(town.written))
    with pytest.raises(BadInput, match=r"profile\.yml, line \d+: "):
        town.city()


def test_each_column_of_the_lake_is_described_under_its_table():
    branches = {
        branch["if"]["properties"]["table"]["const"]: branch["then"]["properties"]["columns"]
        for branch in schema()["$defs"]["TableMap"]["allOf"]
    }
    assert {name: set(columns["properties"]) for name, columns in branches.items()} == {
        name: {column.name for column in table.columns} for name, table in tables().items()
    }
    assert "Latitude" in branches["facilities"]["properties"]["lat"]["description"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(town):
    town.written["time_zone"] = "Asia/Quzhou"
    town.columns["rating"] = {"from": "评价", "tmes": 2}
    town.columns["lon"] = {"from": "经度", "number": "1'234.5"}
    with pytest.raises(BadInput) as caught:
        town.city()
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1].rpartition(".")[2] for line in lines] == ["time_zone", "number", "tmes"]
    numbers = [int(line.split("line ")[1].split(":")[0]) for line in lines]
    assert numbers == sorted(numbers)
    assert str(caught.value).count("Correct the profile.") == 1


def test_the_class_texts_reach_the_schema():
    assert "strptime" in schema()["$defs"]["ColumnMap"]["properties"]["time"]["description"]
