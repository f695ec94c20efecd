from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from citycheck.errors import BadInput
from citycheck.lake.tables import tables
from citycheck.quality.suite import columns_of, load_suite
from citycheck.settings import settings

SUITES = settings().expectations
NOT_NULL: dict[str, Any] = {
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "facility_id"},
    "meta": {"severity": "error", "reason_code": "missing_key", "why": "A row needs its key."},
}


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[..., Path]:
    """A suite whose one expectation, the second, is changed as said."""

    def of(**changed: Any) -> Path:
        path = tmp_path / "facilities.json"
        expectations = [NOT_NULL, NOT_NULL | changed]
        path.write_text(json.dumps({"name": "facilities", "meta": {}, "expectations": expectations}))
        return path

    return of


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"meta": {"severity": "fatal", "why": "x"}}, "severity is 'fatal'; expected error"),
        ({"meta": {"why": "x"}}, "severity is None; expected error"),
        ({"meta": {"severity": "warn"}}, "meta has no `why`"),
        ({"meta": {"severity": "warn", "why": "x", "reason_code": "odd"}}, "reason_code 'odd' is not known"),
        (
            {"meta": {"severity": "warn", "why": "x", "reson_code": "bad_value"}},
            "meta has no key 'reson_code'",
        ),
        ({"type": "expect_the_best"}, "Great Expectations cannot build it"),
        ({"kwargs": {"column": "facility_id", "mostlyy": 0.9}}, "Great Expectations cannot build it"),
        ({"kwargs": {}}, "Great Expectations cannot build it"),
        ({"kwargs": {"column": "x", "mostly": {"$PARAMETER": "share"}}}, "needs the parameter 'share'"),
        ({"kwargs": []}, "kwargs and meta must be objects"),
        ({"extra": 1}, "exactly the keys type, kwargs and meta"),
    ],
)
def test_a_broken_expectation_is_refused_by_file_and_number(
    changed: dict[str, Any], told: str, suite_file: Callable[..., Path]
) -> None:
    path = suite_file(**changed)
    with pytest.raises(BadInput) as refusal:
        load_suite(path, {})
    assert str(refusal.value).startswith(f"{path}, expectation 2")
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"{", "line 1: not JSON"),
        (b"\xff", "byte 1 is not UTF-8"),
        (b"{}", "exactly the keys name, expectations and meta"),
        (
            b'{"name": "facility", "meta": {}, "expectations": []}',
            "name is 'facility', expected 'facilities'",
        ),
        (b'{"name": "facilities", "meta": {}, "expectations": {}}', "expectations must be a list"),
    ],
)
def test_a_broken_suite_file_is_refused(written: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "facilities.json"
    path.write_bytes(written)
    with pytest.raises(BadInput) as refusal:
        load_suite(path, {})
    assert str(refusal.value).startswith(str(path)) and told in str(refusal.value)


def test_a_missing_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"facilities.json: there is no such suite"):
        load_suite(tmp_path / "facilities.json", {})


def test_severity_reaches_great_expectations_in_its_own_words(suite_file: Callable[..., Path]) -> None:
    path = suite_file(meta={"severity": "warn", "why": "x"})
    severities = [str(e.severity.value) for e in load_suite(path, {}).gx.expectations]
    assert severities == ["critical", "warning"]


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_a_lake_suite_and_tables_yml_speak_of_the_same_columns(
    table: Any, parameters: dict[str, Any]
) -> None:
    suite = load_suite(SUITES / f"{table.name}.json", parameters | {"received_at": parameters["cut_off"]})
    names = [column.name for column in table.columns]
    assert set(suite.columns) - {"mapping_errors"} <= set(names)

    kinds: dict[str, set[str]] = {}
    for expectation in suite.gx.expectations:
        kwargs = expectation.configuration.kwargs
        kinds.setdefault(expectation.expectation_type, set()).update(columns_of(kwargs))
    required = {column.name for column in table.columns if column.required}
    assert required <= kinds["expect_column_values_to_not_be_null"]
    assert "mapping_errors" in kinds["expect_column_values_to_be_null"]
    scales = {name for name in names if name.startswith(("satisfaction_", "importance_"))}
    assert scales <= kinds.get("expect_columns_to_be_in_range", set())
