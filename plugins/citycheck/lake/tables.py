"""The lake's schema, read from `tables.yml` and spelled out for the codes of the standard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import yaml

from citycheck import standard

_ARROW = {
    "string": pa.string(),
    "int32": pa.int32(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "binary": pa.binary(),
}
_EACH = {
    "dimensions": ("dimensions", "dimension_code", "{dimension}"),
    "kinds": ("facility_kinds", "kind_code", "{kind}"),
    "needs": ("needs", "need_code", "{need}"),
}
SOURCE_COLUMNS = pa.schema(
    [pa.field("source_file", pa.string(), nullable=False), pa.field("source_row", pa.int64(), nullable=False)]
)


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    required: bool
    description: str
    protect: Literal["hash", "scrub"] | None = None
    is_list: bool = False
    shape: Literal["polygon", "line"] | None = None
    """What a geometry is."""

    @property
    def purpose(self) -> str | None:
        """Whose id a keyed hash stands for: hashes of two purposes cannot be joined."""
        return self.name.removesuffix("_key") if self.protect == "hash" else None


@dataclass(frozen=True)
class Table:
    """One table of the lake: its feed, its grain, its key and its columns in order."""

    name: str
    feed: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    event: str | None
    """The column that says to which half-year a row belongs; None for a table that describes a state."""
    keeps_versions: bool
    """Whether deliveries add up; otherwise the latest one counts."""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of an accepted file: the columns, then `source_file` and `source_row`."""
        fields = [pa.field(c.name, _ARROW[c.type]) for c in self.columns]
        return pa.schema([*fields, *SOURCE_COLUMNS])

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


@lru_cache
def tables() -> dict[str, Table]:
    """Every table of the lake by name."""
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    written = yaml.load(Path(__file__).with_name("tables.yml").read_text(encoding="utf-8"), Loader=fast)
    return {name: _table(name, spec) for name, spec in written.items()}


def tables_of(feed: str) -> list[Table]:
    return [table for table in tables().values() if table.feed == feed]


def _table(name: str, spec: dict[str, Any]) -> Table:
    columns: list[Column] = []
    for written, about in spec["columns"].items():
        base = Column(
            written,
            about["type"],
            about.get("required", False),
            about["description"],
            about.get("protect"),
            about.get("list", False),
            about.get("shape"),
        )
        if "each" not in about:
            columns.append(base)
            continue
        seed, code, slot = _EACH[about["each"]]
        columns += [
            Column(
                written.replace(slot, row[code].lower()),
                base.type,
                base.required,
                base.description.replace("{name}", row["name_en"]),
            )
            for row in standard.seed(seed)
        ]
    return Table(
        name,
        spec["feed"],
        spec["grain"],
        tuple(spec["key"]),
        tuple(columns),
        spec.get("event"),
        spec.get("keeps") == "versions",
    )
