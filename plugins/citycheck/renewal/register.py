"""The register: what departments have set in projects, as immutable edits, and what a project is after them.

An edit is one field of one project at one moment, kept with what its editor saw. Nothing of a machine writes here: releases
derive everything else from the edits frozen with their inputs (docs/renewal/projects.md). A batch is one parquet file,
named by the time of its receipt and a hash of what it says; it is written in one step and never changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from citycheck.errors import BadInput
from citycheck.lake.files import replacing
from citycheck.lake.landing import exclusive
from citycheck.privacy.scrub import scrub

Source = Literal["xlsx", "cli", "page"]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("edit_id", "project_id", "field", "value", "base_value")]
    + [("edited_at", pa.timestamp("us")), ("department", pa.string()), ("source", pa.string())]
    + [("is_conflict", pa.bool_())]
)
OPEN = ("proposed", "reserve", "annual", "under_way", "delivered")
"""Statuses of a project that goes on; one that a department has dropped can be taken back until the next release."""
_BATCH = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}\.parquet")
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[ T]00:00(?::00)?)?")
_MOST_CNY = 1e12
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


@dataclass(frozen=True)
class Field:
    """A field that departments may set."""

    name: str
    zh: str
    en: str
    type: Literal["code", "text", "date", "money"]
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    most: int = 0
    """Characters of a text."""
    only_new: bool = False
    """Whether it is said only when a department begins a project of its own."""

    def read(self, text: str) -> str:
        """A value as the register writes it. Raises `ValueError` with what was expected, in Chinese and English."""
        text = text.strip()
        if not text:
            return ""
        match self.type:
            case "code":
                return self._code(text)
            case "date":
                return _day(text)
            case "money":
                return _money(text)
        return self._text(text)

    def shown(self, code: str | None) -> str:
        """A value as people read it."""
        words = self.values.get(code or "")
        return f"{words['zh']} {words['en']}" if words else code or ""

    def _code(self, text: str) -> str:
        for code in self.values:
            if text in (code, self.shown(code), self.values[code]["zh"], self.values[code]["en"]):
                return code
        raise ValueError("one of 应为其中之一：" + ", ".join(self.values))

    def _text(self, text: str) -> str:
        if len(text) > self.most or any(ord(sign) < 32 for sign in text):
            raise ValueError(f"at most {self.most} characters in one line 不超过{self.most}字，不换行")
        scrubbed = scrub(text)
        if scrubbed != text and self.name == "department":
            raise ValueError("a department, not a person or a phone number 应为部门，不要填写姓名或电话")
        return scrubbed[: self.most]


@lru_cache
def fields() -> dict[str, Field]:
    """The fields of fields.yml by their names."""
    read = yaml.safe_load(Path(__file__).with_name("fields.yml").read_text(encoding="utf-8"))
    return {name: Field(name, **about) for name, about in read.items()}


def named(name: str) -> Field:
    """The field of a name; `status` will do for `status_code`. Raises `BadInput` when there is none."""
    for candidate in (name, f"{name}_code", f"{name}_on", f"{name}_cny"):
        if candidate in fields():
            return fields()[candidate]
    raise BadInput(f"{name!r} is no field of a project; expected one of {', '.join(fields())}.")


@dataclass(frozen=True)
class Edit:
    """One field of one project, set by a department. A conflict is kept and shown, and not taken."""

    project_id: str
    field: str
    value: str
    """As text; empty to clear the field."""
    base_value: str
    """What the editor saw there."""
    edited_at: datetime
    """UTC, without zone: when it was received."""
    department: str
    source: Source
    is_conflict: bool = False

    @property
    def edit_id(self) -> str:
        """A hash of all that it says."""
        said = json.dumps(asdict(self), default=str, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def as_row(self) -> dict[str, Any]:
        return {"edit_id": self.edit_id, **asdict(self)}


@dataclass(frozen=True)
class Project:
    """A project as it is now: the last release's, with the edits since."""

    values: Mapping[str, Any]
    """The columns of the mart `projects`; what departments set is text."""
    conflicts: tuple[Edit, ...] = ()
    """Edits that disagree with what stands, and that nobody has settled."""

    def text(self, name: str) -> str:
        return as_text(self.values.get(name))


def as_text(value: Any) -> str:
    """A value of a release as the register writes it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def state(released: Iterable[Mapping[str, Any]], edits: Iterable[Edit]) -> dict[str, Project]:
    """Each project after its edits, by its id: `released` are rows of the mart `projects`, `edits` all since its cut-off.

    The last edit of a field counts, whatever the order in which they are given; a conflict counts never, and is open until a
    later edit settles its field. Edits of a project that is not there say nothing, unless one begins it with its community.
    """
    found: dict[str, dict[str, Any]] = {str(row["project_id"]): dict(row) for row in released}
    conflicts: dict[tuple[str, str], list[Edit]] = {}
    ordered = sorted(edits, key=lambda edit: (edit.edited_at, edit.edit_id))
    begun = {edit.project_id for edit in ordered if edit.field == "community_id" and not edit.is_conflict}
    for edit in ordered:
        if edit.project_id not in found:
            if edit.project_id not in begun:
                continue
            found[edit.project_id] = {
                "project_id": edit.project_id, "origin_code": "department", "status_code": "proposed",
                "pool_code": "midterm_reserve",
            }  # fmt: skip
        if edit.is_conflict:
            conflicts.setdefault((edit.project_id, edit.field), []).append(edit)
            continue
        values = found[edit.project_id]
        values[edit.field] = edit.value
        # who puts a project on a list has said which pool it is in
        if edit.field == "status_code" and (pool := _POOLS.get(edit.value)):
            values["pool_code"] = pool
        conflicts.pop((edit.project_id, edit.field), None)
    return {
        id_: Project(
            values,
            tuple(edit for (of, _), several in sorted(conflicts.items()) if of == id_ for edit in several),
        )
        for id_, values in sorted(found.items())
    }


_POOLS = {
    "reserve": "midterm_reserve",
    "annual": "annual_list",
    "under_way": "annual_list",
    "delivered": "annual_list",
}


def problem_of(project: Project, changes: Mapping[str, str]) -> tuple[str, str] | None:
    """The field and what is wrong when all `changes` are made to a project at once; None when nothing is."""
    before = project.text("status_code") or "proposed"
    if before not in (*OPEN, "dropped"):
        return "status_code", f"a project that goes on, this one is {before} 该项目已结束"
    after = changes.get("status_code", before)
    allowed = fields()["status_code"].values[before]["to"]
    if after != before and after not in allowed:
        return "status_code", f"after {before} one of 只能改为：{', '.join(allowed)}"
    new = {name: changes.get(name, project.text(name)) for name in fields()}
    for first, last in (("planned_start_on", "planned_end_on"), ("started_on", "delivered_on")):
        if new[first] and new[last] and new[first] > new[last] and {first, last} & changes.keys():
            return last, f"not before {first} ({new[first]}) 不得早于{fields()[first].zh}"
    if after == "delivered" and not new["delivered_on"]:
        return "delivered_on", "the day of delivery, since the status is delivered 已交付须填交付日期"
    return None


def own_id(department: str, values: Mapping[str, str]) -> str:
    """The code of a department's own project: the same for the same words, so that it is not begun twice."""
    subject = values.get("kind_code") or values.get("category_code") or "own"
    said = json.dumps(
        [department, values["community_id"], subject, values.get("project_name_zh")], ensure_ascii=False
    )
    return f"{values['community_id']}-{subject}-d{hashlib.sha256(said.encode()).hexdigest()[:8]}"


# Storage -------------------------------------------------------------------------------------------------------------


def folder_of(home: Path) -> Path:
    """Where a city's batches lie."""
    return home / "projects" / "edits"


def lock(home: Path) -> Any:
    """Hold the register: what is compared with its state is stored before anybody else changes it."""
    return exclusive(home / "projects" / ".lock")


def append(home: Path, edits: Iterable[Edit], received: datetime) -> Path | None:
    """Write a batch in one step; returns its file, or None when there is nothing to write. Call it under `lock`.

    `received` is UTC without zone. The same edits received at the same moment are the same file.
    """
    rows = sorted((edit.as_row() for edit in edits), key=lambda row: str(row["edit_id"]))
    if not rows:
        return None
    said = json.dumps([row["edit_id"] for row in rows])
    name = f"{received:%Y%m%dT%H%M%SZ}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.parquet"
    path = folder_of(home) / name
    if not path.exists():
        with replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary)
    return path


def batches(home: Path, until: datetime | None = None) -> list[Path]:
    """The batches received by a moment (UTC without zone), oldest first: what a build freezes.

    Raises `BadInput` for a file that is none.
    """
    found = sorted(path for path in folder_of(home).glob("*") if not path.name.startswith("."))
    for path in found:
        if not _BATCH.fullmatch(path.name):
            raise BadInput(
                f"{path}: is no batch of edits; expected <time>-<hash>.parquet. Move it away: only citycheck writes here."
            )
    last = f"{until:%Y%m%dT%H%M%SZ}" if until else "~"
    return [path for path in found if path.name.split("-")[0] <= last]


def read(paths: Iterable[Path]) -> list[Edit]:
    """The edits of batches, in their order. Raises `BadInput` for one that is damaged or no longer says what it said."""
    edits = []
    for path in paths:
        try:
            rows = pq.read_table(path).cast(SCHEMA).to_pylist()
        except (OSError, ValueError, pa.ArrowException):
            raise BadInput(f"{path}: cannot be read as a batch of edits. Restore it from a copy.") from None
        for row in rows:
            stated = row.pop("edit_id")
            edit = Edit(**row)
            if edit.edit_id != stated:
                raise BadInput(
                    f"{path}: says something else than when it was written (edit {stated}). Restore it from a copy."
                )
            edits.append(edit)
    return edits


def settled(
    conflict: Edit, project: Project, take: str, department: str, at: datetime, source: Source
) -> Edit:
    """The edit that settles a conflict: `theirs` is what it asked for, `ours` what stands."""
    standing = project.text(conflict.field)
    value = conflict.value if take == "theirs" else standing
    return replace(
        conflict, value=value, base_value=standing, edited_at=at, department=department, source=source,
        is_conflict=False,
    )  # fmt: skip


def _day(text: str) -> str:
    match = _DAY.fullmatch(text) or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    try:
        day = date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        day = None
    if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError("a day such as 2026-03-05 日期，如 2026-03-05")
    return day.isoformat()


def _money(text: str) -> str:
    plain = re.sub(r"[,，\s¥￥元]", "", text)
    try:
        amount = float(plain) if re.fullmatch(r"[0-9]+(\.[0-9]+)?(e[0-9]+)?", plain.lower()) else -1.0
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= _MOST_CNY:
        raise ValueError("an amount in CNY from 0 to 1,000,000,000,000 金额（元）")
    return as_text(round(amount, 2))
