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
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from citycheck import FEEDS, standard
from citycheck.cities.indicators import load_packs
from citycheck.errors import BadInput
from citycheck.feeds.kobo import Kobo
from citycheck.feeds.odk import Odk
from citycheck.feeds.open311 import Open311
from citycheck.feeds.poi import Poi
from citycheck.feeds.remote import Remote
from citycheck.lake.tables import tables
from citycheck.matching.rules import MatchRules
from citycheck.period import HalfYear
from citycheck.quality.suite import REASON_CODES
from citycheck.release.publication import RELEASE_CALENDAR
from citycheck.settings import settings
from citycheck.strict import Strict

UNITS_M2 = {
    "m2": 1.0,
    "ha": 10_000.0,
    "km2": 1_000_000.0,
    "mu": 2000 / 3,  # 亩: fifteen make a hectare
    "ping": 400 / 121,  # 坪
    "sqft": 0.3048**2,
    "acre": 43_560 * 0.3048**2,
}
"""Units of area that a profile may name, in square metres."""
WALKING_NETWORK = "walking_network"
"""The layer of an OpenStreetMap file that holds the edges on which people walk."""
TIME_WORDS = ("iso", "epoch_s", "epoch_ms", "excel")
_UNITS = ", ".join(UNITS_M2)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except Exception:
        raise ValueError(f"{name!r} is no time zone; expected a name such as Asia/Shanghai") from None
    return name


PROTOCOLS = ("remote", "open311", "kobo", "odk", "poi")
"""Keys of a source that say how it is asked; each is the module of that name in feeds/."""


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
    remote: Remote | None = None
    """Files at an https or s3 address."""
    open311: Open311 | None = None
    kobo: Kobo | None = None
    odk: Odk | None = None
    poi: Poi | None = None
    hosts: list[str] = []
    """Hosts that data may come from; a host with another port than usual is written host:port."""
    overlap_hours: int = Field(48, ge=0)
    """How far before the last change that was accepted a source is asked again."""
    generator: Literal["quzhou_sample"] | None = None
    seed: int = 0

    @model_validator(mode="after")
    def has_a_place(self) -> Source:
        protocols = [name for name in PROTOCOLS if getattr(self, name) is not None]
        if len(protocols) > 1 or (protocols and (self.folder or self.pinned or self.generator)):
            raise ValueError(f"a source has one place; this one has several ({', '.join(protocols)} …)")
        if not (protocols or self.folder or self.pinned or self.generator):
            raise ValueError(
                f"a source needs a folder, a list of pinned files, a generator or one of {', '.join(PROTOCOLS)}"
            )
        if protocols and not self.hosts:
            raise ValueError("a source that is asked over the network names its hosts")
        return self

    @property
    def protocol(self) -> str | None:
        """The protocol by which the source is asked; None for files from a folder or pinned addresses."""
        return next((name for name in PROTOCOLS if getattr(self, name) is not None), None)

    @property
    def connection(self) -> str | None:
        """The id of the Airflow connection that holds the source's secrets."""
        return getattr(getattr(self, self.protocol), "connection", None) if self.protocol else None


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

    The first source column that is not blank is taken (`from`; with `join`, all of them together), or a constant
    (`value`), the number of the row (`row_number`), the time of receipt (`received`), or something of the shape
    (`geometry`). Then, in this order: `where`, `null_if`, `extract`, `patterns` and `values` (each part, with `separator`),
    `first`, `prefix`, `blank`; numbers by `number`, then `times` or `unit`; times by `calendar`, `time`, `zone`.
    """

    from_: list[str] = Field([], alias="from")
    value: str | None = None
    row_number: bool = False
    received: bool = False
    """The moment at which the delivery came, for a source that does not say when it wrote a version."""
    geometry: Literal["polygon", "line", "was_repaired", "lon", "lat"] | None = None
    join: str | None = None
    """Put all columns of `from` together with this between them, such as a date and a time of day."""
    where: dict[str, list[str]] = {}
    """Source column → texts: only in rows in which it has one of them; null in all others."""
    null_if: list[str] = []
    extract: str | None = None
    """A regular expression; its first group is what counts, and a text without it is unknown."""
    patterns: list[Pattern] = []
    values: dict[str, str | None] = {}
    values_table: str | None = None
    """CSV beside the profile with the columns from and to; a blank `to` is unknown."""
    ignore_case: bool = False
    separator: str | None = None
    """The text is a list with this between its parts; each part is mapped, and the lake joins them by |."""
    blank: str | None = None
    """What a blank means; by default it means unknown."""
    unmapped: Literal["error", "unknown", "keep"] = "error"
    otherwise: str | None = None
    """What a text becomes that no map covers; instead of `unmapped`."""
    first: int | None = None
    """Only the first characters."""
    times: float | None = None
    """A factor, such as 0.001 from grams to kilograms."""
    unit: str | None = None
    """The source's unit of area; the lake's is the square metre."""
    number: Literal["1234.5", "1,234.5", "1.234,5", "1 234,5"] = "1234.5"
    """How the source writes a number, told by this example."""
    prefix: str = ""
    time: list[str] = []
    """strptime formats, tried in order; or iso, epoch_s, epoch_ms, excel."""
    zone: str | None = None
    """The time zone of a time without offset, if it is not the city's."""
    calendar: Literal["gregorian", "roc"] = "gregorian"
    """roc: the year counts from 1911 (民國)."""

    @field_validator("from_", "time", mode="before")
    @classmethod
    def one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("extract")
    @classmethod
    def has_a_group(cls, value: str | None) -> str | None:
        if value is not None and _compiled(value).groups < 1:
            raise ValueError(f"{value!r} has no group; put what counts in round brackets")
        return value

    @field_validator("time")
    @classmethod
    def formats_exist(cls, value: list[str]) -> list[str]:
        for text in value:
            if text not in TIME_WORDS and "%" not in text:
                raise ValueError(
                    f"{text!r} is no time format; expected one such as %Y-%m-%d %H:%M:%S, or {', '.join(TIME_WORDS)}"
                )
        return value

    @field_validator("zone")
    @classmethod
    def zone_exists(cls, value: str | None) -> str | None:
        return value if value is None else _zone(value)

    @field_validator("unit")
    @classmethod
    def unit_exists(cls, value: str | None) -> str | None:
        if value is not None and value not in UNITS_M2:
            raise ValueError(f"{value!r} is no unit of area that is known; expected one of {_UNITS}")
        return value

    @model_validator(mode="after")
    def is_consistent(self) -> ColumnMap:
        origins = [
            bool(self.from_), self.value is not None, self.row_number, self.received, self.geometry is not None,
        ]  # fmt: skip
        if sum(origins) != 1:
            raise ValueError("a column needs exactly one of: from, value, row_number, received, geometry")
        if self.times is not None and self.unit is not None:
            raise ValueError("a column has `times` or `unit`, not both")
        if self.otherwise is not None and self.unmapped != "error":
            raise ValueError("a column has `otherwise` or `unmapped`, not both")
        if self.otherwise is not None and not self.has_map:
            raise ValueError("`otherwise` needs `patterns`, `values` or `values_table`")
        return self

    @property
    def has_map(self) -> bool:
        return bool(self.patterns or self.values or self.values_table)


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
    format: Literal["csv", "xlsx", "json", "geo", "parquet", "osm", "open311", "kobo", "odk", "poi"] = "csv"
    encoding: str = "utf-8"
    """Of a CSV or a Shapefile; `auto` tells UTF-8, GB18030, Big5 … from the bytes and states what it found."""
    delimiter: str = Field(",", pattern=r"^([,;|\t]|auto)$")
    header: list[str] | None = None
    """Names for the columns of a CSV without header."""
    header_row: int = Field(1, ge=1)
    """The row of the header in a spreadsheet."""
    sheet: str | None = None
    layer: str | None = None
    """Of a file with several; of OpenStreetMap `walking_network`: its edges instead of its features."""
    records: str | None = None
    """Where the records are in a JSON document, such as result.items."""
    tags: dict[str, list[str]] = {}
    """Which features of an OpenStreetMap file are wanted: key → values; an empty list means any value."""
    wkt: str | None = None
    """The column that holds the shape as well-known text."""
    crs: str | None = Field(None, pattern=r"^EPSG:[0-9]{4,6}$")
    """Of the source's coordinates, if the file does not say so and they are not longitude and latitude."""
    datum: Literal["wgs84", "gcj02", "bd09"] = "wgs84"
    covers: FilePeriod | None = None
    only: dict[str, list[str]] = {}
    """Source column → texts; other rows are counted as out of scope."""
    is_complete: bool = False
    """Each delivery is the whole truth of its half-year: what is no longer in it has been deleted."""
    columns: dict[str, ColumnMap]
    corrections: list[Correction] = []

    @field_validator("encoding")
    @classmethod
    def encoding_exists(cls, value: str) -> str:
        if value == "auto":
            return value
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
        for name, column in self.columns.items():
            if column.unit is not None and not name.endswith("_m2"):
                raise ValueError(f"{self.table}.{name} is no area; `unit` is for columns in square metres")
            if column.separator is not None and not table.column(name).is_list:
                raise ValueError(
                    f"{self.table}.{name} holds one value; `separator` is for columns that hold a list"
                )
        for name, column in self.columns.items():
            shape = table.column(name).shape
            if shape is not None and column.geometry != shape:
                raise ValueError(f"{self.table}.{name} is a {shape}; it needs `geometry: {shape}`")
            if shape is None and column.geometry in ("polygon", "line"):
                raise ValueError(f"{self.table}.{name} is no {column.geometry}")
        if self.format == "osm" and self.layer not in (None, WALKING_NETWORK):
            raise ValueError(f"an OpenStreetMap file has no layer {self.layer!r}; expected {WALKING_NETWORK}")
        if self.format == "osm" and self.layer and self.tags:
            raise ValueError(f"`tags` chooses features; the layer {WALKING_NETWORK} has none. Leave one out")
        if self.crs is not None and self.datum != "wgs84":
            raise ValueError("a table has `crs` or `datum`, not both")
        if self.datum != "wgs84" and any(column.geometry == "polygon" for column in self.columns.values()):
            raise ValueError("`datum` is for points and lines; ask the source for polygons in WGS84")
        missing = [c.name for c in table.columns if c.required and c.name not in self.columns]
        if missing:
            raise ValueError(f"the table {self.table} needs the column(s) {', '.join(missing)}")
        return self


class FeedMap(Strict):
    tables: list[TableMap]


class Tolerance(Strict):
    """A share of bad rows that this city's source is known to have, beyond what the suite allows, and why."""

    table: str
    reason_code: str
    share_max: float = Field(gt=0, lt=1)
    reason: str

    @model_validator(mode="after")
    def names_exist(self) -> Tolerance:
        if self.table not in tables():
            raise ValueError(f"the lake has no table {self.table!r}; expected one of {', '.join(tables())}")
        if self.reason_code not in REASON_CODES:
            raise ValueError(f"{self.reason_code!r} is no reason; expected one of {', '.join(REASON_CODES)}")
        return self


class AlertChannel(Strict):
    """A way to tell people: where it leads, and its secret, are in an Airflow connection."""

    kind: Literal["email", "wecom", "dingtalk", "slack", "json"]
    connection: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    """The id of the connection. A webhook's whole address is its password; an e-mail's `to` and `from_email` are in its extra."""


class Alerts(Strict):
    """Who is told, and how long before a promise is broken."""

    watch_hours: float | None = Field(default=None, gt=0, le=24)
    """How many hours before it breaks a 24 h promise a report is told of; without it, as the standard says."""
    channels: list[AlertChannel] = []

    @field_validator("channels")
    @classmethod
    def each_once(cls, value: list[AlertChannel]) -> list[AlertChannel]:
        ids = [channel.connection.lower() for channel in value]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} stands there twice; each connection is told once")
        return value


class SurveyBreak(Strict):
    """A change of the survey after which a question's answers are not compared with the half-year before."""

    half_year: str
    """The first half-year that was asked in the new way."""
    question: str
    """Code of the seed survey_questions, or all."""
    kind: Literal["wording", "scale", "mode"]
    note: Words

    @field_validator("half_year")
    @classmethod
    def half_year_exists(cls, value: str) -> str:
        try:
            return str(HalfYear.parse(value))
        except BadInput as error:
            raise ValueError(str(error)) from None

    @field_validator("question")
    @classmethod
    def question_exists(cls, value: str) -> str:
        if value != "all" and value not in standard.codes("survey_questions", "question_code"):
            raise ValueError(
                f"{value} is no question of the standard; expected a code of survey_questions, or all"
            )
        return value


class Profile(Strict):
    """Everything that citycheck knows of a city before its data comes."""

    city: str
    name: Words
    is_synthetic: bool
    time_zone: str
    projected_crs: str = Field(pattern=r"^EPSG:[0-9]{4,6}$")
    detour_factor: float | None = Field(default=None, ge=1, le=3)
    """Metres walked per metre of straight line where no walking network is; without it, that of the standard."""
    box: Box
    half_years: tuple[str, str | None]
    """First and last half-year that the sources cover; the last is null while they go on."""
    demo_half_years: list[str] = []
    """What `citycheck demo` releases, in order; all that the sources cover when empty."""
    calendar: str = "weekdays"
    """By which working days are counted, a code of the seed `calendars`: cn knows China's public holidays, weekdays none."""
    provided_kinds: list[str]
    """Kinds of facility that the city's register covers; the others are unknown, not absent."""
    known_gaps: list[Words] = []
    survey_breaks: list[SurveyBreak] = []
    """Changes of wording, scale or mode between waves of the survey: nothing is compared across them."""
    sources: dict[str, Source]
    feeds: dict[Literal["communities", "facilities", "survey", "repair_reports"], FeedMap]
    matching: MatchRules = Field(default_factory=lambda: MatchRules.model_validate({}))
    """When rows of two sources are the same facility; decisions of people stand in facility_matches.csv beside it."""
    tolerances: list[Tolerance] = []
    alerts: Alerts = Alerts()

    @field_validator("calendar")
    @classmethod
    def calendar_exists(cls, value: str) -> str:
        known = standard.codes("calendars", "calendar_code")
        if value not in known:
            raise ValueError(f"{value!r} is no calendar of the standard; expected {' or '.join(known)}")
        return value

    @field_validator("time_zone")
    @classmethod
    def zone_exists(cls, value: str) -> str:
        return _zone(value)

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
    def half_years_exist(cls, value: tuple[str, str | None]) -> tuple[str, str | None]:
        try:
            for text in value:
                if text is not None:
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
    def last(self) -> HalfYear | None:
        return HalfYear.parse(self.half_years[1]) if self.half_years[1] else None

    def covers(self, half_year: HalfYear) -> bool:
        """Whether the sources cover a half-year."""
        return self.first <= half_year and (self.last is None or half_year <= self.last)

    def tables_of(self, feed: str) -> list[TableMap]:
        """The table maps of a feed; none when the city does not provide it."""
        return next((about.tables for name, about in self.feeds.items() if name == feed), [])

    @property
    def provided_feeds(self) -> list[str]:
        return [feed for feed in FEEDS if feed in self.feeds]


class City:
    """A profile with the folder it stands in, and the indicators that the city adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = _read_profile(folder)
        self.packs = load_packs(folder)

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
        """SHA-256 over the profile and the tables beside it; not over the dates of release: no figure hangs on them."""
        digest = hashlib.sha256()
        tables = (path for path in self.folder.glob("*.csv") if path.name != RELEASE_CALENDAR)
        for path in sorted(self.folder.glob("*.yml")) + sorted(tables):
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
        node = _composed(text)
        if twice := _key_written_twice(node):
            raise BadInput(
                f"{path}, line {twice.start_mark.line + 1}: {twice.value}: stands there twice. Delete one."
            )
        written = yaml.SafeLoader("").construct_document(node) if node is not None else None
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
        raise BadInput(_sentences(path, node, error)) from None
    if profile.city != folder.name:
        raise BadInput(
            f"{path}: city is {profile.city!r}, expected {folder.name!r} as its folder is named. Correct one of them."
        )
    return profile


def _composed(text: str) -> yaml.Node | None:
    """The nodes of a text, by the parser in C, which takes a tenth of the time; what is wrong is told by the other one."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _sentences(path: Path, node: yaml.Node | None, error: ValidationError) -> str:
    """What is wrong, a sentence each, in the order of the file."""
    told: list[tuple[int, str]] = []
    for mistake in error.errors():
        location = [part for part in mistake["loc"] if not (isinstance(part, str) and part == "[key]")]
        key = ".".join(str(part) for part in location) or "the profile"
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = _unknown_key(location)
        line = _line(node, location)
        told.append((line, f"{path}, line {line}: {key}: {message}{'' if message.endswith('?') else '.'}"))
    return "\n".join(sentence for _, sentence in sorted(told)) + " Correct the profile."


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
