"""A profile with a mistake ends in one sentence that names the file, the line and the key."""

import pytest
from pydantic import ValidationError

from citycheck.cities.profile import City, SurveyBreak, load_city
from citycheck.errors import BadInput
from citycheck.settings import settings


def refused(town, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        town.city()


def test_the_profile_of_the_fixture_is_right(town):
    assert town.city().profile.name.zh == "小城"


def test_a_typo_in_a_key_names_the_line_and_the_nearest_key(town):
    town.written["time_zne"] = town.written.pop("time_zone")
    refused(
        town,
        r"profile\.yml, line \d+: time_zone: Field required|time_zne: there is no such key; did you mean 'time_zone'",
    )


def test_an_unknown_key_deep_inside_names_its_line(town):
    town.columns["lon"] = {"from": "经度", "tmes": 2}
    city = town.folder / "profile.yml"
    with pytest.raises(BadInput) as caught:
        town.city()
    line = next(n for n, text in enumerate(city.read_text("utf-8").splitlines(), 1) if "tmes" in text)
    assert f"line {line}: " in str(caught.value)
    assert "did you mean 'times'" in str(caught.value)


def test_a_column_that_the_lake_does_not_have(town):
    town.columns["categry_code"] = town.columns.pop("category_code")
    refused(town, "the table repair_reports has no column 'categry_code'; did you mean 'category_code'")


def test_a_required_column_that_is_not_mapped(town):
    del town.columns["reported_at"]
    refused(town, r"needs the column\(s\) reported_at")


def test_a_time_zone_that_is_none(town):
    town.written["time_zone"] = "Asia/Quzhou"
    refused(town, "'Asia/Quzhou' is no time zone")


def test_a_calendar_that_is_none(town):
    assert town.city().profile.calendar == "weekdays"
    town.written["calendar"] = "tw"
    refused(town, "calendar: 'tw' is no calendar of the standard; expected weekdays or cn")


def test_a_channel_is_told_once_and_names_a_connection_not_an_address(town):
    channel = {"kind": "wecom", "connection": "robot"}
    town.written["alerts"] = {"channels": [channel, channel | {"kind": "json", "connection": "Robot"}]}
    refused(town, "robot stands there twice")
    town.written["alerts"] = {"channels": [channel | {"connection": "https://example.org/?key=1"}]}
    refused(town, "connection: String should match pattern")


@pytest.mark.parametrize("hours", [0, 24.1, -1])
def test_hours_of_the_watch_that_cannot_be(town, hours):
    town.written["alerts"] = {"watch_hours": hours}
    refused(town, "alerts.watch_hours: Input should be")


def test_a_table_of_an_undeclared_source(town):
    town.table["source"] = "hotlin"
    refused(town, "names the source 'hotlin', which is not declared")


def test_text_that_is_no_yaml_names_the_line(town):
    (town.folder / "profile.yml").write_text("city: town\nname: {zh: 小城\nen: Town\n", "utf-8")
    with pytest.raises(BadInput, match=r"profile\.yml: line \d+ is not YAML"):
        City(town.folder)


def test_a_value_table_that_is_not_there(town):
    town.columns["category_code"] = {"from": "类别", "values_table": "codes.csv"}
    with pytest.raises(
        BadInput, match=r"codes\.csv: the profile names this table, but there is no such file"
    ):
        town.city().value_table("codes.csv")


def test_the_fingerprint_follows_the_profile_and_its_tables(town):
    before = town.city().fingerprint()
    (town.folder / "codes.csv").write_text("from,to\n路灯,street_light\n", "utf-8")
    assert town.city().fingerprint() != before


def test_an_unknown_city_names_those_that_are_known():
    with pytest.raises(
        BadInput, match=r"City 'tainann' is not known: expected one of .*Did you mean tainan\?"
    ):
        load_city("tainann")


@pytest.mark.parametrize("path", sorted(settings().cities.glob("*/profile.yml")), ids=lambda p: p.parent.name)
def test_every_city_of_the_project_has_a_right_profile(path):
    assert City(path.parent).profile.city == path.parent.name


def test_a_key_that_stands_there_twice(town):
    town.city()
    path = town.folder / "profile.yml"
    path.write_text(path.read_text("utf-8") + "time_zone: Asia/Tokyo\n", "utf-8")
    with pytest.raises(BadInput, match=r"profile\.yml, line \d+: time_zone: stands there twice"):
        City(town.folder)


def test_a_text_that_stands_twice_in_a_value_table(town):
    (town.folder / "codes.csv").write_text("from,to\n路灯,street_light\n路灯,noise\n", "utf-8")
    with pytest.raises(BadInput, match=r"codes\.csv: 路灯 stands there twice"):
        town.city().value_table("codes.csv")


def test_a_table_that_does_not_stand_beside_the_profile(town):
    with pytest.raises(BadInput, match="a table stands beside the profile"):
        town.city().value_table("../codes.csv")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("encoding", "utf8x", "is no text encoding"),
        ("encoding", "base64", "is no text encoding"),
        ("covers", {"pattern": "(", "unit": "month"}, "is no regular expression"),
        (
            "covers",
            {"pattern": r"(?P<year>\d+)", "unit": "month"},
            "the pattern needs the groups month and year",
        ),
    ],
)
def test_a_table_map_that_cannot_work(town, key, value, message):
    town.table[key] = value
    refused(town, message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("question", "q9", "q9 is no question of the standard"),
        ("half_year", "2026-H1", "Half-year"),
        ("kind", "colour", "wording"),
    ],
)
def test_a_break_of_the_survey_that_cannot_be(key, value, message):
    about = {"half_year": "2026H1", "question": "all", "kind": "scale", "note": {"zh": "改", "en": "changed"}}
    assert SurveyBreak.model_validate(about).question == "all"
    with pytest.raises(ValidationError, match=message):
        SurveyBreak.model_validate(about | {key: value})


def test_a_kind_that_the_standard_does_not_have(town):
    town.written["provided_kinds"] = ["F01", "F99"]
    refused(town, "F99 is no kind of the standard; expected F01 to F20")
