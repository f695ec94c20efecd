"""Where rows went, and samples that tell nothing of a person. Without Airflow."""

from __future__ import annotations

import pytest

from citycheck.errors import BadInput
from citycheck.lake.tables import tables
from citycheck.settings import CityHome
from citycheck.web import rows

CITY, HALF_YEAR = "quzhou_sample", "2026H1"
FREE_TEXT = (
    "name",
    "department",
    "description",
    "comment",
    "channel",
    "tenure",
    "sex",
    "age_band",
    "asset",
    "status",
)


@pytest.fixture
def delivery(city: CityHome) -> rows.Delivery:
    (found,) = rows.delivered(CITY, HALF_YEAR)
    return found


def test_the_ledger_of_a_delivery_and_the_reasons_of_all(delivery: rows.Delivery) -> None:
    assert delivery.totals == (100, 69, 30, 1, 0)
    assert delivery.counts
    assert rows.totals([delivery]) == {
        "rating_out_of_scale": {"repair_reports": 30},
        "unknown_community": {"repair_reports": 30},
    }


def test_a_sample_has_twenty_rows_a_reason_and_only_the_columns_that_it_is_about(
    delivery: rows.Delivery,
) -> None:
    found = rows.samples(delivery, "repair_reports")
    assert found is not None
    assert {reason: len(kept) for reason, kept in found.by_reason.items()} == dict.fromkeys(
        found.counts, rows.MOST
    )
    assert found.by_reason["rating_out_of_scale"][0].offending == {"rating": "9"}
    assert list(found.by_reason["unknown_community"][0].offending) == ["community_id"]
    assert found.by_reason["unknown_community"][3].source_row == 3


def test_nothing_personal_is_in_a_sample_wherever_a_profile_has_put_it(
    delivery: rows.Delivery, personal: dict[str, object]
) -> None:
    found = rows.samples(delivery, "repair_reports")
    assert found is not None
    shown = str(found.by_reason)
    assert [value for value in personal.values() if str(value) in shown] == []
    assert "[phone]" in shown
    assert {"reporter_key", "description", "lon", "lat", "department"} <= set(found.left_out)


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_no_table_shows_what_may_tell_of_a_person(table) -> None:
    shown = [
        column for column in table.columns if rows.is_shown(table, column) and column.name not in table.key
    ]
    assert not any(column.protect or column.shape for column in shown)
    assert not any(word in column.name for column in shown for word in FREE_TEXT if column.type == "string")
    if table.event:
        assert not {"lon", "lat", "household_size", "has_child_0_12"} & {column.name for column in shown}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "∅"),
        (13800138000.0, "[…]"),
        (-3, "-3"),
        (True, "true"),
        ("13800138000", "[phone]"),
        ("x" * 100, "[…]"),
        ("花园新村3幢2单元501室", "[…]"),
        ("330802001001-R7", "330802001001-R7"),
    ],
)
def test_a_value_is_told_short_and_scrubbed(value: object, told: str) -> None:
    assert rows.shown(value) == told


def test_a_file_that_is_gone_is_one_sentence(city: CityHome, delivery: rows.Delivery) -> None:
    (city.lake / delivery.entry["tables"]["repair_reports"]["quarantine"]).unlink()
    with pytest.raises(
        BadInput, match=r"the rows in quarantine cannot be read .* Restore the file from a copy\."
    ):
        rows.samples(delivery, "repair_reports")


def test_another_table_has_no_samples(delivery: rows.Delivery) -> None:
    assert rows.samples(delivery, "facilities") is None
    assert rows.samples(delivery, "nothing") is None
