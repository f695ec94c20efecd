"""The city profile: where a city's data comes from and how its columns become the lake's.

A profile is `cities/<city>/profile.yml`. Value tables and file lists that it names are CSV files beside it.
Every key is checked; a wrong one ends in a sentence that names the file and the line.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from citycheck import FEEDS, standard
from citycheck.errors import BadInput
from citycheck.lake.tables import tables
from citycheck.period import HalfYear
from citycheck.settings import settings


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Strict):
    """The same in Chinese and in English."""

    zh: str
    en: str


class Box(Strict):
    """The city's bounding box in WGS84 degrees; a place outside it is a mistake."""

    lon_min: float
    lon_max: float
    lat_min: float
    lat_max: float


class Source(Strict):
    """Who sends the data, under which licence, and where its bytes are."""

    title: str
    licence: str
    contact: str | None = None
    folder: str | None = None
    """Folder of the files, relative to CITYCHECK_SOURCES."""
    pinned: str | None = None
    """CSV beside the profile: path, address, sha256 of each file, for download and verification."""
    hosts: list[str] = []
    """Hosts that downloads may come from."""
    generator: Literal["quzhou_sample"] | None = None
    seed: int = 0

    @model_validator(mode="after")
    def has_a_place(self) -> Source:
        if not (self.folder or self.pinned or self.generator):
            raise ValueError("a source needs a folder, a list of pinned files or a generator")
        return self


class FilePeriod(Strict):
    """How a file's path tells the time it covers: a pattern with the groups year and week, month or half."""

    pattern: str
    unit: Literal["iso_week", "month", "half_year"]

    @model_validator(mode="after")
    def names_its_groups(self) -> FilePeriod:
        needed = {"year", {"iso_week": "week", "month": "month", "half_year": "half"}[self.unit]}
        if not needed <= set(_compiled(self.pattern).groupindex):
            raise ValueError(
                f"the pattern needs the groups {' and '.join(sorted(needed))}, as in (?P<year>\\d{{4}})"
            )
        return self


class Pattern(Strict):
    """A regular expression that the whole text must match, and what it becomes; null is unknown."""

    match: str
    to: str | None

    @field_validator("match")
    @classmethod
    def is_a_pattern(cls, value: str) -> str:
        _compiled(value)
        return value


class ColumnMap(Strict):
    """How one column of the lake is made from the source's columns.

    The first source column that is not blank is taken (`from`), or a constant (`value`), or the number of the
    row (`row_number`). Then, in this order: `null_if`, `patterns`, `values`, `first`, `times`, `prefix`, `time`.
    """

    from_: list[str] = Field([], alias="from")
    value: str | None = None
    row_number: bool = False
    geometry: Literal["polygon", "was_repaired", "lon", "lat"] | None = None
    null_if: list[str] = []
    patterns: list[Pattern] = []
    values: dict[str, str | None] = {}
    values_table: str | None = None
    """CSV beside the profile with the columns from and to; a blank `to` is unknown."""
    blank: str | None = None
    """What a blank means; by default it means unknown."""
    unmapped: Literal["error", "unknown", "keep"] = "error"
    first: int | None = None
    """Only the first characters."""
    times: float | None = None
    """A factor, such as 10000 from hectares to square metres."""
    prefix: str = ""
    time: list[str] = []
    """strptime formats, tried in order, on the clocks of the city."""

    @field_validator("from_", "time", mode="before")
    @classmethod
    def one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def has_one_origin(self) -> ColumnMap:
        if sum([bool(self.from_), self.value is not None, self.row_number, self.geometry is not None]) != 1:
            raise ValueError("a column needs exactly one of: from, value, row_number, geometry")
        return self


class Guard(Strict):
    """What must still be wrong in the source for a correction to be right; it trips once the source is fixed."""

    column: str
    between: tuple[float, float]
    share_min: float = Field(gt=0, le=1)
    half_years: tuple[str, str] | None = None
    """First and last half-year for which the mistake is known; the guard is not checked elsewhere."""


class Correction(Strict):
    """A declared change of what the source sent, with its reason.

    `swap` exchanges two columns; `set_null` blanks columns of the rows in which every column of `where` has the
    given text. The guard is checked over all rows of the delivery.
    """

    reason: str
    swap: tuple[str, str] | None = None
    set_null: list[str] = []
    where: dict[str, str] = {}
    guard: Guard

    @model_validator(mode="after")
    def does_one_thing(self) -> Correction:
        if bool(self.swap) == bool(self.set_null):
            raise ValueError("a correction either swaps two columns or sets columns to null")
        if self.set_null and not self.where:
            raise ValueError("set_null needs `where`")
        return self


class TableMap(Strict):
    """How the files of one pattern become rows of one table of the lake."""

    table: str
    source: str
    files: str
    format: Literal["csv", "geo", "parquet"] = "csv"
    encoding: str = "utf-8"
    header: list[str] | None = None
    """Names for the columns of a CSV without header."""
    layer: str | None = None
    covers: FilePeriod | None = None
    columns: dict[str, ColumnMap]
    corrections: list[Correction] = []

    @field_validator("encoding")
    @classmethod
    def encoding_exists(cls, value: str) -> str:
        try:
            known = codecs.lookup(value)._is_text_encoding
        except LookupError:
            known = False
        if not known:
            raise ValueError(f"{value!r} is no text encoding; expected a name such as utf-8, gb18030 or big5")
        return value

    @model_validator(mode="after")
    def fits_the_lake(self) -> TableMap:
        if self.table not in tables():
            raise ValueError(f"the lake has no table {self.table!r}; expected one of {', '.join(tables())}")
        table = tables()[self.table]
        known = [c.name for c in table.columns]
        for name in self.columns:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"the table {self.table} has no column {name!r}{hint}")
        missing = [c.name for c in table.columns if c.required and c.name not in self.columns]
        if missing:
            raise ValueError(f"the table {self.table} needs the column(s) {', '.join(missing)}")
        return self


class FeedMap(Strict):
    tables: list[TableMap]


class Profile(Strict):
    """Everything that citycheck knows of a city before its data comes."""

    city: str
    name: Words
    is_synthetic: bool
    time_zone: str
    projected_crs: str = Field(pattern=r"^EPSG:[0-9]{4,6}$")
    box: Box
    half_years: tuple[str, str]
    """First and last half-year that the sources cover."""
    demo_half_years: list[str] = []
    """What `citycheck demo` releases, in order; all that the sources cover when empty."""
    provided_kinds: list[str]
    """Kinds of facility that the city's register covers; the others are unknown, not absent."""
    known_gaps: list[Words] = []
    sources: dict[str, Source]
    feeds: dict[Literal["communities", "facilities", "survey", "repair_reports"], FeedMap]

    @field_validator("time_zone")
    @classmethod
    def zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception:
            raise ValueError(f"{value!r} is no time zone; expected a name such as Asia/Shanghai") from None
        return value

    @field_validator("provided_kinds")
    @classmethod
    def kinds_exist(cls, value: list[str]) -> list[str]:
        known = standard.codes("facility_kinds", "kind_code")
        if unknown := [kind for kind in value if kind not in known]:
            raise ValueError(
                f"{', '.join(unknown)} is no kind of the standard; expected {known[0]} to {known[-1]}"
            )
        return value

    @field_validator("half_years")
    @classmethod
    def half_years_exist(cls, value: tuple[str, str]) -> tuple[str, str]:
        try:
            for text in value:
                HalfYear.parse(text)
        except BadInput as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def names_its_sources(self) -> Profile:
        for feed in self.feeds.values():
            for table in feed.tables:
                if table.source not in self.sources:
                    raise ValueError(
                        f"the table {table.table} names the source {table.source!r}, which is not declared"
                    )
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def first(self) -> HalfYear:
        return HalfYear.parse(self.half_years[0])

    @property
    def last(self) -> HalfYear:
        return HalfYear.parse(self.half_years[1])

    def tables_of(self, feed: str) -> list[TableMap]:
        """The table maps of a feed; none when the city does not provide it."""
        return next((about.tables for name, about in self.feeds.items() if name == feed), [])

    @property
    def provided_feeds(self) -> list[str]:
        return [feed for feed in FEEDS if feed in self.feeds]


class City:
    """A profile with the folder it stands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = _read_profile(folder)

    def value_table(self, name: str) -> dict[str, str | None]:
        """A value table beside the profile: source text → lake code; blank is unknown."""
        rows = self._csv(name, ("from", "to"))
        texts = [row["from"] for row in rows]
        if twice := sorted({text for text in texts if texts.count(text) > 1}):
            raise BadInput(
                f"{self.folder / name}: {', '.join(twice)} stands there twice; expected each text once. Delete one."
            )
        return {row["from"]: row["to"] or None for row in rows}

    def pinned_files(self, source: str) -> dict[str, tuple[str, str]]:
        """Path → (address, sha256) of the files that a source pins; empty when it pins none."""
        name = self.profile.sources[source].pinned
        if name is None:
            return {}
        rows = self._csv(name, ("source", "path", "address", "sha256"))
        for row in rows:
            if PurePosixPath(row["path"]).is_absolute() or ".." in PurePosixPath(row["path"]).parts:
                raise BadInput(
                    f"{self.folder / name}: the path {row['path']!r} leaves its source. Correct it."
                )
        return {row["path"]: (row["address"], row["sha256"]) for row in rows if row["source"] == source}

    def fingerprint(self) -> str:
        """SHA-256 over the profile and the tables beside it."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*.yml")) + sorted(self.folder.glob("*.csv")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def _csv(self, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        path = self.folder / name
        if path.name != name:
            raise BadInput(
                f"{name}: a table stands beside the profile; expected a plain file name. Move it there."
            )
        if not path.is_file():
            raise BadInput(
                f"{path}: the profile names this table, but there is no such file. Add it or correct the name."
            )
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            absent = [c for c in columns if c not in (reader.fieldnames or [])]
            if absent:
                raise BadInput(
                    f"{path}: the column(s) {', '.join(absent)} are missing; expected {', '.join(columns)}. Add them."
                )
            return list(reader)


@lru_cache
def load_city(name: str) -> City:
    """The city of a name. Raises `BadInput` when it is not among the folders of `cities/` or its profile is wrong."""
    known = sorted(p.parent.name for p in settings().cities.glob("*/profile.yml"))
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise BadInput(f"City {name!r} is not known: expected one of {', '.join(known)}.{hint}")
    return City(settings().cities / name)


def _read_profile(folder: Path) -> Profile:
    path = folder / "profile.yml"
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if twice := _key_written_twice(node):
            raise BadInput(
                f"{path}, line {twice.start_mark.line + 1}: {twice.value}: stands there twice. Delete one."
            )
        written = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start + 1} is not UTF-8. Save the profile as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise BadInput(
            f"{path}: {where} is not YAML ({getattr(error, 'problem', error)}). Correct it."
        ) from None
    try:
        profile = Profile.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        location = [part for part in first["loc"] if not (isinstance(part, str) and part == "[key]")]
        key = ".".join(str(part) for part in location) or "the profile"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = _unknown_key(location)
        raise BadInput(
            f"{path}, line {_line(node, location)}: {key}: {message}. Correct the profile."
        ) from None
    if profile.city != folder.name:
        raise BadInput(
            f"{path}: city is {profile.city!r}, expected {folder.name!r} as its folder is named. Correct one of them."
        )
    return profile


def _key_written_twice(node: yaml.Node | None) -> yaml.Node | None:
    """YAML lets the last of two equal keys win without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                return cast(yaml.Node, key)
            seen.add(key.value)
            if found := _key_written_twice(value):
                return found
    elif isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := _key_written_twice(item))), None)
    return None


def _unknown_key(location: list[Any]) -> str:
    known = {field for model in _models(Strict) for field in _keys(model)}
    near = get_close_matches(str(location[-1]), sorted(known), 1)
    return f"there is no such key{f'; did you mean {near[0]!r}?' if near else ''}"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [sub for child in model.__subclasses__() for sub in (child, *_models(child))]


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _line(node: yaml.Node | None, location: list[Any]) -> int:
    """The line on which the innermost part of a location stands that the file has."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
