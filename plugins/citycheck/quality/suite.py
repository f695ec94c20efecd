"""Reads a suite (Great Expectations' own JSON) and refuses one that would not do what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citycheck.errors import BadInput

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SEVERITIES = ("error", "warn")
_GX_SEVERITY = {"error": "critical", "warn": "warning"}
REASON_CODES = (
    "missing_key",
    "key_conflict",
    "bad_value",
    "unknown_code",
    "out_of_city",
    "swapped_coordinates",
    "zero_coordinates",
    "unknown_community",
    "unknown_estate",
    "negative_number",
    "age_groups_do_not_add_up",
    "implausible_size",
    "rating_out_of_scale",
    "outside_coverage",
    "time_order",
    "future_time",
    "invalid_geometry",
)
Tolerance = float | tuple[float, str]
"""The share of rows (0 to 1) that may have a defect, alone or with the reason for it."""
_META = ("severity", "reason_code", "reason_codes_from", "skip_if_empty", "why")
_PARAMETER = "$PARAMETER"


@dataclass(frozen=True)
class Suite:
    """A suite ready to run, and the expectations left out for want of their parameter."""

    name: str
    gx: ExpectationSuite
    skipped: tuple[dict[str, str], ...]

    @property
    def columns(self) -> list[str]:
        """Every column that an expectation speaks of, in order of appearance."""
        return list(
            dict.fromkeys(c for e in self.gx.expectations for c in columns_of(e.configuration.kwargs))
        )


def load_suite(path: Path, parameters: dict[str, Any]) -> Suite:
    """The suite in a file, with its run-dependent values known to be in `parameters`.

    An expectation whose meta has `skip_if_empty: <parameter>` is left out when that parameter is an empty
    list, and named in `skipped`. Raises `BadInput` naming the file, the expectation (counted from 1) and what
    is wrong: Great Expectations itself only logs an expectation that it cannot build, and goes on without it.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    import citycheck.quality.expectations  # noqa: F401  registers our own expectations

    written = _read(path)
    built, skipped = [], []
    for number, spec in enumerate(written["expectations"], start=1):
        where = f"{path}, expectation {number}"
        _check_spec(spec, where)
        column = ", ".join(columns_of(spec["kwargs"]))
        parameter = spec["meta"].get("skip_if_empty")
        if parameter is not None and not _needed(parameter, parameters, where):
            skipped.append({"type": spec["type"], "column": column, "because": f"{parameter} is not known"})
            continue
        for needed in _parameters_in(spec["kwargs"]):
            _needed(needed, parameters, where)
        try:
            severity = FailureSeverity(_GX_SEVERITY[spec["meta"]["severity"]])
            built.append(ExpectationConfiguration(**spec, severity=severity).to_domain_obj())
        except Exception as error:
            told = " ".join(str(error).split()).removeprefix("1 validation error for ")
            raise BadInput(
                f"{where} ({spec['type']}): Great Expectations cannot build it ({told[:200]}). "
                "Correct its type or kwargs."
            ) from None
    suite = gx.ExpectationSuite(name=written["name"], expectations=built, meta=dict(written["meta"]))
    return Suite(written["name"], suite, tuple(skipped))


def tolerate(suite: Suite, tolerances: Mapping[str, Tolerance]) -> Suite:
    """The suite with a city's own allowance for the reason codes it names.

    A code that the mapping may give (`reason_codes_from`) gets a check of its own there, and the suite's check is left
    the other codes. Raises `BadInput` for a code or a share that there is not.
    """
    if not tolerances:
        return suite
    import great_expectations as gx

    allowed = {code: _allowed(code, tolerance) for code, tolerance in tolerances.items()}
    changed: list[dict[str, Any]] = []
    for expectation in suite.gx.expectations:
        config: dict[str, Any] = expectation.configuration.to_json_dict()
        meta, kwargs = config["meta"], config["kwargs"]
        if meta.get("reason_code") in allowed and "mostly" in kwargs:
            config = _declared(config, *allowed[meta["reason_code"]])
        elif "reason_codes_from" in meta:
            own = {"type": "expect_mapping_errors_to_be_absent"}
            changed += [
                _declared(config | own | {"kwargs": kwargs | {"codes": [code]}}, *share)
                for code, share in allowed.items()
            ]
            config = config | own | {"kwargs": kwargs | {"codes_except": list(allowed)}}
        changed.append(config)
    built = [gx.ExpectationSuite(name=suite.name, expectations=changed, meta=dict(suite.gx.meta or {}))]
    return replace(suite, gx=built[0])


def _allowed(code: str, tolerance: Tolerance) -> tuple[float, str]:
    share, reason = tolerance if isinstance(tolerance, tuple) else (tolerance, "")
    if code not in REASON_CODES or not 0 <= share <= 1:
        raise BadInput(
            f"tolerances: {code!r} with the share {share}; expected a share from 0 to 1 for one of "
            f"{', '.join(REASON_CODES)}. Correct the profile."
        )
    return share, reason


def _declared(config: dict[str, Any], share: float, reason: str) -> dict[str, Any]:
    why = f"{config['meta']['why']} Declared by the city{f': {reason}' if reason else ''}."
    return config | {
        "kwargs": config["kwargs"] | {"mostly": round(1 - share, 12)},
        "meta": config["meta"] | {"why": why},
    }


def columns_of(kwargs: dict[str, Any]) -> list[str]:
    """The columns that an expectation's kwargs name; none for an expectation on the whole table."""
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return [*named, *kwargs.get("column_list", []), *kwargs.get("column_set", [])]


def _read(path: Path) -> dict[str, Any]:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such suite of expectations. Restore the file.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start + 1} is not UTF-8. Save the suite as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}, line {error.lineno}: not JSON ({error.msg}). Correct the suite.") from None
    if not isinstance(written, dict) or set(written) != {"name", "expectations", "meta"}:
        raise BadInput(
            f"{path}: a suite needs exactly the keys name, expectations and meta. Correct the suite."
        )
    expected = f"marts.{path.stem}" if path.parent.name == "marts" else path.stem
    if written["name"] != expected:
        raise BadInput(
            f"{path}: name is {written['name']!r}, expected {expected!r} as the file is named. "
            "Correct one of them."
        )
    if not isinstance(written["expectations"], list) or not isinstance(written["meta"], dict):
        raise BadInput(f"{path}: expectations must be a list and meta an object. Correct the suite.")
    return written


def _check_spec(spec: Any, where: str) -> None:
    if not isinstance(spec, dict) or set(spec) != {"type", "kwargs", "meta"}:
        raise BadInput(f"{where}: it needs exactly the keys type, kwargs and meta. Correct the suite.")
    if not isinstance(spec["kwargs"], dict) or not isinstance(spec["meta"], dict):
        raise BadInput(f"{where} ({spec['type']}): kwargs and meta must be objects. Correct the suite.")
    meta = spec["meta"]
    for key in meta:
        if key not in _META:
            raise BadInput(
                f"{where} ({spec['type']}): meta has no key {key!r}; expected {', '.join(_META)}. Correct it."
            )
    if meta.get("severity") not in SEVERITIES:
        raise BadInput(
            f"{where} ({spec['type']}): severity is {meta.get('severity')!r}; "
            "expected error (stops) or warn (is published). Correct it."
        )
    if not meta.get("why"):
        raise BadInput(
            f"{where} ({spec['type']}): meta has no `why`; say in a sentence why the data must be so."
        )
    if meta.get("reason_code", REASON_CODES[0]) not in REASON_CODES:
        raise BadInput(
            f"{where} ({spec['type']}): reason_code {meta['reason_code']!r} is not known; expected one of "
            f"{', '.join(REASON_CODES)}. Correct it."
        )


def _parameters_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        if _PARAMETER in value:
            return [value[_PARAMETER]]
        value = list(value.values())
    return [name for item in value for name in _parameters_in(item)] if isinstance(value, list) else []


def _needed(name: str, parameters: dict[str, Any], where: str) -> Any:
    if name not in parameters or parameters[name] is None:
        raise BadInput(f"{where}: it needs the parameter {name!r}, which the caller did not give. Add it.")
    return parameters[name]
