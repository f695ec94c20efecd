"""Small tables of facilities, and the labelled set beside the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("facility_id", "facility_name", "kind_code", "subtype")]
    + [("lon", pa.float64()), ("lat", pa.float64()), ("source_file", pa.string())]
)
METRES_A_DEGREE = 111_195.08

Row = tuple[str, str | None, float]


@pytest.fixture(scope="session")
def facilities() -> Callable[..., pa.Table]:
    """facilities(('register:1', 'name', metres north), …): the source stands before the colon."""

    def table(*rows: Sequence[Any], kind_code: str = "F05", **columns: str | None) -> pa.Table:
        written = [
            {
                "facility_id": id_,
                "facility_name": name,
                "kind_code": kind_code,
                "subtype": None,
                "lon": 118.87,
                "lat": 28.93 + metres / METRES_A_DEGREE,
                "source_file": f"{id_.split(':')[0]}/facilities.csv",
                **columns,
                **dict(*more),
            }
            for id_, name, metres, *more in rows
        ]
        return pa.Table.from_pylist(written, schema=SCHEMA)

    return table
