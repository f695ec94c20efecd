"""A first profile from sample files: what can be told from their names and content is filled in, the rest is marked.

Guesses come from `synonyms.yml` and are kept only where the content agrees: a time must parse, a number must be one,
coordinates must be on the globe, a key must be unique. `?` stands where somebody has to decide. Rows are never
copied; of a column of codes, its distinct texts are, unless they look like somebody's data.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import yaml

from citycheck import FEEDS, standard
from citycheck.cities import columns, reading
from citycheck.cities.check import OPEN, quote, written
from citycheck.cities.profile import WALKING_NETWORK, ColumnMap, TableMap
from citycheck.cities.reading import SHAPE, name_of, quoted
from citycheck.errors import BadInput
from citycheck.feeds import encoding as encodings
from citycheck.feeds import geo
from citycheck.lake.tables import Column, tables
from citycheck.period import HalfYear
from citycheck.privacy.scrub import scrub

TEXTS = 5000
"""Distinct texts of a column that are looked at."""
CODES = 300
"""With more distinct texts than that, a column holds no codes."""
_FIT_MIN = 0.95
"""The share of a column's texts that must read as what it is taken for."""
_LIKE_MIN = 87
"""How alike (0 to 100) a name must be to a known one."""
_MAIN = {feed: feed for feed in FEEDS} | {"survey": "survey_responses"}
"""The table that a feed is mostly about."""
_FORMATS = dict.fromkeys(geo._DRIVERS, "geo") | {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx", ".shp": "geo", ".zip": "geo",
    ".geojsonl": "geo", ".geojsonseq": "geo", ".parquet": "parquet", ".geoparquet": "parquet", ".pbf": "osm",
    ".osm": "osm", ".ndjson": "json", ".jsonl": "json", ".json": "json",
}  # fmt: skip
"""A zip is taken for a zipped Shapefile or the like: nothing else that is zipped is read."""
_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
)
_CLOCKS = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f", "")
TIMES = (
    *(f"{day}{clock}" for day in _DATES for clock in _CLOCKS), "%Y%m%d%H%M%S", "%Y%m%d", "%Y年%m月%d日 %H时%M分%S秒",
    "%Y年%m月%d日%H:%M:%S", "%d %b %Y %H:%M", "%b %d, %Y %I:%M:%S %p",
)  # fmt: skip
"""Time formats that are tried; those of `iso` and of numbers besides."""
_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:?[0-9]{2}(:?[0-9]{2}([.,][0-9]+)?)?\s*"
    r"(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
_ROC = (
    "%Y%m%d", "%Y%m%d%H%M%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d", "%Y.%m.%d", "%Y年%m月%d日",
)  # fmt: skip
"""Of those, the ones that are tried with years of 民國; `roc ` stands before their names here."""
_EPOCHS = {"epoch_ms": (6e11, 4.2e12), "epoch_s": (6e8, 4.2e9), "excel": (25_000.0, 65_000.0)}
_NUMBERS = {
    "1234.5": r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "1,234.5": r"[+-]?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?",
    "1.234,5": r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?",
    "1 234,5": r"[+-]?([0-9]{1,3}([ \u00a0\u202f][0-9]{3})+|[0-9]+)(,[0-9]+)?",
}
_WKT = r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)\s*(Z|M|ZM)?\s*(\(|EMPTY)"
_SHAPES = {"POINT": "point", "LINESTRING": "line", "MULTILINESTRING": "line"}
_LEFT_MAX = 40
"""How many columns that are not taken are named."""
_UNITS = (("公顷", "ha"), ("公頃", "ha"), ("hectare", "ha"), ("(ha)", "ha"), ("亩", "mu"), ("畝", "mu"), ("坪", "ping"),
          ("sq ft", "sqft"), ("sqft", "sqft"), ("square feet", "sqft"), ("acre", "acre"))  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One column of a sample: its distinct texts, the most frequent first, and how many rows each has."""

    name: str
    texts: tuple[tuple[str, int], ...]
    distinct: int
    rows: int
    blanks: int = 0
    """Rows without a text."""

    @property
    def filled(self) -> int:
        return sum(rows for _, rows in self.texts)

    def share(self, pattern: str) -> float:
        """The share of texts that a pattern matches whole."""
        fits = sum(rows for text, rows in self.texts if re.fullmatch(pattern, text))
        return fits / self.filled if self.filled else 0.0


@dataclass
class Sample:
    """One file, and what was found out about it."""

    table: str
    file: Path
    format: str
    options: dict[str, Any]
    """What the profile must say to read it: encoding, delimiter, header, records."""
    columns: dict[str, Found] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    """Column of the lake → column of the source."""
    zeros: tuple[str, ...] = ()
    """How zero is written where longitude and latitude both are; none if they never are."""
    shape: str | None = None
    """point, line or area, if the rows have shapes."""
    box: tuple[float, float, float, float] | None = None
    """West, east, south, north."""
    times: tuple[datetime, datetime] | None = None
    """First and last, on the source's clocks."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """What stands for one column of the lake, in YAML, and why."""

    target: str
    verbs: str
    why: str = ""
    block: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    is_taken: bool = True
    """Otherwise it stands there as a comment, for the operator to take."""


def scaffold(
    name: str,
    samples: Mapping[str, Path],
    out: Path,
    *,
    time_zone: str | None = None,
    sources: Path | None = None,
    now: datetime | None = None,
) -> Path:
    """Write `<out>/<name>/profile.yml` from sample files, each for a feed or a table of the lake; its path.

    `sources` is where the profile's folders begin; a sample below it is found there again. What is past is told by
    `now`, by default the clock's. Raises `BadInput` when the folder exists, a name is wrong or a sample cannot be read.
    """
    folder = out / name
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
        raise BadInput(
            f"{name!r} cannot name a city's folder: expected small letters, digits and _, such as my_city."
        )
    if folder.exists():
        raise BadInput(f"{folder}: is there already; nothing was written. Choose another name, or remove it.")
    if time_zone is not None:
        _check_zone(time_zone)
    if not samples:
        raise BadInput("There is no sample: expected one at least, such as --sample repair_reports=FILE.")
    read = [_read(_table(key), file) for key, file in samples.items()]
    text = _profile(name, read, time_zone, sources, now or datetime.now(UTC))
    folder.mkdir(parents=True)
    path = folder / "profile.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except Exception:
        raise BadInput(
            f"{name!r} is no time zone: expected a name such as Asia/Shanghai. Correct it."
        ) from None


def _table(key: str) -> str:
    table = _MAIN.get(key, key)
    if table not in tables():
        raise BadInput(
            f"{key!r} is neither a feed nor a table of the lake: expected one of {', '.join([*FEEDS, *tables()])}."
        )
    return table


@lru_cache
def _synonyms() -> dict[str, Any]:
    known: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("synonyms.yml").read_text(encoding="utf-8")
    )
    return known


# Files ----------------------------------------------------------------------------------------------------------------


def _read(table: str, file: Path) -> Sample:
    if not file.is_file():
        raise BadInput(f"{file}: there is no such file. Correct the sample's path.")
    kind = _FORMATS.get(file.suffix.lower())
    if kind is None:
        raise BadInput(f"{file.name}: its format is not known; expected one of {', '.join(_FORMATS)}.")
    sample = Sample(table, file, kind, {})
    if kind == "json":
        _look_into_json(sample)
    if kind == "csv":
        _look_into_csv(sample)
    if kind == "osm" and table == "walking_edges":
        sample.options["layer"] = WALKING_NETWORK
    if kind == "osm" and table == "facilities":
        sample.options["tags"] = {key: list(kinds) for key, kinds in _synonyms()["osm"].items()}
    from citycheck.cities.mapping import mapper
    from citycheck.privacy.hashing import Key

    with TemporaryDirectory(prefix="citycheck-") as temporary:
        work = Path(temporary) / "rows"
        with mapper(work, "1GB", Key(bytes(32)), "sample") as connection:
            _fill(connection, sample, work)
    return sample


def _look_into_json(sample: Sample) -> None:
    """GeoJSON and TopoJSON are shapes; elsewhere, the first list of objects holds the records."""
    from citycheck.feeds import json

    if json.member(sample.file, "type") in ("FeatureCollection", "Topology"):
        sample.format = "geo"
        return
    for path in (
        "features",
        "result.records",
        "result",
        "records",
        "data",
        "items",
        "results",
        "rows",
        "value",
    ):
        value: Any = json.member(sample.file, path.split(".")[0])
        for key in path.split(".")[1:]:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, list) and value and isinstance(value[0], dict):
            sample.options["records"] = path
            return


def _look_into_csv(sample: Sample) -> None:
    try:
        encoding = encodings.detect(sample.file)
    except BadInput as error:
        raise BadInput(f"{error} For a sample, save it as UTF-8 first.") from None
    sign = encodings.delimiter(sample.file, encoding)
    if encoding != "utf-8":
        sample.options["encoding"] = encoding
    if sign != ",":
        sample.options["delimiter"] = sign
    with sample.file.open(encoding=encoding, newline="") as text:
        first = next(csv.reader(text, delimiter=sign), [])
    if any(
        re.fullmatch(
            rf"\s*|{_NUMBERS['1234.5']}|{_ISO}|[0-9]{{1,4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,4}}.*", cell
        )
        for cell in first
    ):
        sample.options["header"] = [f"column_{number}" for number in range(1, len(first) + 1)]
        sample.notes.append(
            "the file has no header, and its content alone told the columns: check each, and name them in `header`"
        )


def _fill(connection: duckdb.DuckDBPyConnection, sample: Sample, work: Path) -> None:
    name = sample.file.name
    found = reading.columns(_plain(sample, ()), sample.file, name)
    raw = reading.read(connection, _plain(sample, found), sample.file, name, work, 0)
    try:
        connection.execute(f"create temp table sample as select * from {raw.relation}")
    except duckdb.Error as error:
        raise reading.unreadable(_plain(sample, ()), name, error) from None
    [(rows,)] = connection.execute("select count(*) from sample").fetchall()
    for column in found:
        text = f"nullif(trim({name_of(column)}, {quoted(reading.BLANKS)}), '')"
        # Of texts that are equally frequent, hash takes some of every kind; the order of texts would take the smallest.
        counted = connection.execute(
            f"select {text} as t, count(*) from sample where t is not null group by t order by 2 desc, hash(t), t limit {TEXTS}"
        ).fetchall()
        [(distinct, filled)] = connection.execute(
            f"select count(distinct {text}), count({text}) from sample"
        ).fetchall()
        sample.columns[column] = Found(column, tuple(counted), distinct, rows, rows - filled)
    wkt = None if raw.has_shape else next(filter(_is_wkt, sample.columns.values()), None)
    if wkt is not None:
        sample.options["wkt"] = wkt.name
    sample.chosen = _chosen(sample)
    sample.zeros = _zeros(connection, sample)
    if wkt is not None and not _wants_shapes(sample):
        del sample.options["wkt"]
        wkt = None
    if raw.has_shape:
        _shapes(connection, sample, SHAPE)
    elif wkt is not None:
        _shapes(connection, sample, f"try(st_geomfromtext({name_of(wkt.name)}))")


def _is_wkt(found: Found) -> bool:
    """Whether a column holds shapes as well-known text."""
    fits = sum(rows for text, rows in found.texts if re.match(_WKT, text, re.IGNORECASE))
    return 0 < _FIT_MIN * found.filled <= fits


def _wants_shapes(sample: Sample) -> bool:
    """Whether the table needs the shapes: for its polygons, or for places that no columns of numbers tell."""
    names = [column.name for column in tables()[sample.table].columns]
    has_numbers = all(
        name in sample.chosen and sample.columns[sample.chosen[name]].filled for name in ("lon", "lat")
    )
    return "geometry" in names or ("lon" in names and not has_numbers)


def _zeros(connection: duckdb.DuckDBPyConnection, sample: Sample) -> tuple[str, ...]:
    if not {"lon", "lat"} <= set(sample.chosen):
        return ()
    lon, lat = (f"trim({name_of(sample.chosen[name])}, {quoted(reading.BLANKS)})" for name in ("lon", "lat"))
    zero = "'[+-]?0+([.,]0*)?'"
    texts = connection.execute(
        f"""
        select distinct unnest([{lon}, {lat}]) from sample
        where regexp_full_match({lon}, {zero}) and regexp_full_match({lat}, {zero}) order by 1
        """
    ).fetchall()
    return tuple(dict.fromkeys(["0", "0.0", *(text for (text,) in texts)])) if texts else ()


def _plain(sample: Sample, columns: Sequence[str]) -> TableMap:
    """An entry that reads these columns; it need not fit the lake yet."""
    wanted = {"any": ColumnMap.model_validate({"from": list(columns)})} if columns else {}
    return TableMap.model_construct(
        table=sample.table, source="sample", files="*", format=sample.format, columns=wanted, **sample.options
    )


def _shapes(connection: duckdb.DuckDBPyConnection, sample: Sample, shape: str) -> None:
    """What the shapes are and where they lie; a point at 0, 0 is nowhere."""
    shapes = f"(select {shape} as g from sample where {shape} is not null)"
    kinds = connection.execute(
        f"select upper(cast(st_geometrytype(g) as varchar)), count(*) from {shapes} group by 1"
    ).fetchall()
    if not kinds:
        return
    count = Counter({"area": 0})
    for kind, rows in kinds:
        count[_SHAPES.get(kind, "area")] += rows
    [(sample.shape, _)] = count.most_common(1)
    [extent] = connection.execute(
        f"""
        select min(st_xmin(g)), max(st_xmax(g)), min(st_ymin(g)), max(st_ymax(g)) from {shapes}
        where not (st_xmin(g) = 0 and st_xmax(g) = 0 and st_ymin(g) = 0 and st_ymax(g) = 0)
        """
    ).fetchall()
    west, east, south, north = extent
    if west is None:
        return
    if -180 <= west <= east <= 180 and -90 <= south <= north <= 90:
        sample.box = (west, east, south, north)
    else:
        sample.notes.append(
            "the coordinates are not longitude and latitude: say which they are, such as `crs: EPSG:2326`"
        )


# Columns --------------------------------------------------------------------------------------------------------------


def _lines(sample: Sample, zone: ZoneInfo, now: datetime) -> list[Line]:
    """What stands for each column of the lake, in its order."""
    table = tables()[sample.table]
    chosen = sample.chosen
    event = sample.columns.get(chosen.get(table.event or "", ""))
    sample.times = _span(event) if event else None
    lines = _osm_lines(sample) if "tags" in sample.options else {}
    for target in table.columns:
        if target.name in lines:
            continue
        if target.shape is not None and sample.shape == ("area" if target.shape == "polygon" else "line"):
            lines[target.name] = Line(target.name, f"geometry: {target.shape}")
        elif target.name == "is_geometry_repaired":
            lines[target.name] = Line(target.name, "geometry: was_repaired")
        elif _is_placed_by_shape(sample, target):
            lines[target.name] = Line(target.name, f"geometry: {target.name}")
        elif target.name in chosen:
            lines[target.name] = _line(sample, target, sample.columns[chosen[target.name]])
    for target in table.columns:
        if target.required and target.name not in lines:
            lines[target.name] = _instead(sample, target, chosen)
    if "version_at" in lines:
        lines["version_at"] = _version(sample, lines, zone, now)
    return [lines[target.name] for target in table.columns if target.name in lines]


def _is_placed_by_shape(sample: Sample, target: Column) -> bool:
    if sample.shape != "point" or target.name not in ("lon", "lat"):
        return False  # of an area, the mapping takes no point
    return "wkt" in sample.options or target.name not in sample.chosen


def _osm_lines(sample: Sample) -> dict[str, Line]:
    """Of OpenStreetMap, a feature's tags tell its kind; it may have tags of several keys."""
    known: dict[str, dict[str, str]] = _synonyms()["osm"]
    block = []
    for key, kinds in known.items():
        rows = dict(sample.columns[key].texts) if key in sample.columns else {}
        block += [f"{_flow(text)}: {kind}   # {rows.get(text, 0)} rows" for text, kind in kinds.items()]
    words = "|".join(text for kinds in known.values() for text in kinds)
    verbs = f'from: [{", ".join(known)}]\njoin: ";"\nextract: {quote(f"(?:^|;)({words})(?:;|$)")}'
    why = "as the tags are mostly used: check them all"
    return {
        "facility_id": Line(
            "facility_id", 'from: [osm_type, osm_id], join: "-"', sources=("osm_type", "osm_id")
        ),
        "kind_code": Line("kind_code", verbs, why, tuple(block), sources=tuple(known)),
        "operating_status": _instead(sample, tables()["facilities"].column("operating_status"), {}),
    }


def _version(sample: Sample, lines: Mapping[str, Line], zone: ZoneInfo, now: datetime) -> Line:
    """When a version was written: the time of the change, else of receipt, unless the half-years are past by then."""
    made, reported = lines["version_at"], lines["reported_at"]
    if made.sources and made.is_taken:
        updated = sample.columns[made.sources[0]]
        if not updated.blanks or not reported.sources or reported.sources == made.sources:
            return made
        # A report that was never changed has no such time.
        (forms, why), (others, _) = _times(updated), _times(sample.columns[reported.sources[0]])
        are_texts = not any(form in _EPOCHS for form in (*forms, *others))
        if set(forms) != set(others) and not (are_texts and _is_roc(forms) == _is_roc(others)):
            return Line(
                made.target,
                made.verbs,
                f"blank in {updated.blanks} rows, which will be refused",
                (),
                made.sources,
            )
        origin = f"from: [{_flow(updated.name)}, {_flow(reported.sources[0])}]"
        verbs = f"{origin}, {_time_verbs(tuple(dict.fromkeys([*forms, *others])))}"
        return Line(
            made.target, verbs, why or "where it is blank, the report was never changed", (), made.sources
        )
    if not sample.times and reported.sources:
        return made
    if sample.times:
        first = HalfYear.containing(sample.times[0].replace(tzinfo=zone), zone)
        if first.end(zone) + timedelta(days=standard.lag_days(standard.stages()[0])) > now:
            return made
    why = "the source keeps no time of change; by the time of receipt, nothing of a half-year that is past would count"
    return Line(made.target, reported.verbs, why, sources=reported.sources)


def _is_roc(forms: Sequence[str]) -> bool:
    return bool(forms) and forms[0].startswith("roc ")


def _time_verbs(forms: Sequence[str]) -> str:
    listed = [form.removeprefix("roc ") for form in forms]
    told = quote(listed[0]) if len(listed) == 1 else f"[{', '.join(map(quote, listed))}]"
    return f"time: {told}{', calendar: roc' if _is_roc(forms) else ''}"


def _chosen(sample: Sample) -> dict[str, str]:
    """Column of the lake → column of the source: the surest pairs first, each column once."""
    if "header" in sample.options:
        return _by_content(sample)
    table = tables()[sample.table]
    pairs = []
    for order, target in enumerate(table.columns):
        names = [
            _folded(name)
            for name in [target.name, *_synonyms()["columns"].get(sample.table, {}).get(target.name, [])]
        ]
        for column, found in sample.columns.items():
            if column == sample.options.get("wkt"):
                continue
            name = _folded(column.removeprefix("attributes."))
            like = _alike(name, names)
            rank = names.index(name) if name in names else len(names)
            if like >= _LIKE_MIN and _fits(sample, target, found):
                pairs.append(
                    (not _is_guessed(sample, target, found), -like, rank, order, target.name, column)
                )
    chosen: dict[str, str] = {}
    for *_, target_name, column in sorted(pairs):
        if target_name not in chosen and column not in chosen.values():
            chosen[target_name] = column
    return chosen


def _alike(name: str, known: Sequence[str]) -> float:
    """How alike a folded name is to the nearest known one: 101 is the same."""
    from rapidfuzz import fuzz

    if name in known:
        return 101
    if any(len(k) > 1 and not k.isascii() and name.endswith(k) for k in known):
        return _LIKE_MIN + 1  # 公園名稱 is a 名稱
    return max(fuzz.ratio(name, k) for k in known) if len(name) > 4 else 0


def _by_content(sample: Sample) -> dict[str, str]:
    """Column of the lake → column of a file without header: the key, the time, the place and the codes, where plain."""
    table = tables()[sample.table]
    left = [f for f in sample.columns.values() if f.filled and f.name != sample.options.get("wkt")]
    chosen: dict[str, str] = {}

    def take(name: str, fits: Callable[[Found], object]) -> None:
        found = next((found for found in left if fits(found)), None)
        if found is not None and any(column.name == name for column in table.columns):
            chosen[name] = found.name
            left.remove(found)

    if table.event:
        take(table.event, lambda found: _times(found)[0])
    take(table.key[0], lambda found: found.distinct == found.rows)
    degrees = r"-?[0-9]{1,3}[.,][0-9]{3,}"

    def lies(found: Found, fits: Callable[[float], bool]) -> bool:
        spread = _spread(found) if found.share(degrees) > _FIT_MIN else None
        return spread is not None and all(map(fits, spread))

    take("lon", lambda found: lies(found, lambda at: abs(at) > 90))
    if "lon" in chosen:
        take("lat", lambda found: lies(found, lambda at: abs(at) <= 90))
    for target in table.columns:
        codes = _codes(sample.table, target)
        if target.required and codes is not None:
            take(target.name, partial(_holds_codes, codes))
    return chosen


def _holds_codes(codes: Mapping[str, Sequence[str]], found: Found) -> bool:
    guessed = sum(rows for text, rows in found.texts if guess(text, codes))
    return found.distinct <= CODES and guessed > 0.5 * found.filled


def _is_guessed(sample: Sample, target: Column, found: Found) -> bool:
    """Whether a text of a column of codes means one of them; of `Request Type`, only this tells what it holds."""
    codes = _codes(sample.table, target)
    return codes is None or any(guess(text, codes) for text, _ in found.texts[:CODES])


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


def _fits(sample: Sample, target: Column, found: Found) -> bool:
    """Whether a column's content can be what its name says."""
    if not found.filled:
        return not target.required
    if target.name in ("lon", "lat"):
        return _numbers(found) is not None
    key = tables()[sample.table].key
    if key == (target.name,):
        return found.distinct >= 0.9 * found.rows
    if _codes(sample.table, target) is not None:
        return found.distinct <= CODES
    if target.type == "timestamp":
        return bool(_times(found)[0])
    if target.type in ("int32", "double"):
        return _numbers(found) is not None
    return True


def _codes(table: str, target: Column) -> dict[str, list[str]] | None:
    """Code → words, of a column that holds codes."""
    known = _synonyms()["codes"]
    if target.type == "bool":
        return dict(known["boolean"])
    codes: dict[str, list[str]] | None = known.get(f"{table}.{target.name}", known.get(target.name))
    return codes


def _line(sample: Sample, target: Column, found: Found) -> Line:
    origin = f"from: {_flow(found.name)}"
    sources = (found.name,)
    if target.protect:
        why = (
            "kept as a keyed hash only"
            if target.protect == "hash"
            else "kept without phone numbers and the like"
        )
        return Line(target.name, origin, f"personal, {why}; take it only if you may", (), sources, False)
    if not found.filled:
        return Line(target.name, origin, "blank in all of the sample", (), sources, False)
    codes = _codes(sample.table, target)
    if codes is not None and not (target.type == "int32" and _numbers(found)):
        return _coded(target, found, codes)
    if target.type == "timestamp":
        forms, why = _times(found)
        return Line(target.name, f"{origin}, {_time_verbs(forms)}", why, sources=sources)
    if target.type in ("int32", "double"):
        style = _numbers(found) or "1234.5"
        verbs = origin if style == "1234.5" else f"{origin}, number: {quote(style)}"
        unit = next((unit for sign, unit in _UNITS if sign in found.name.lower()), None)
        if unit and target.name.endswith("_m2"):
            verbs += f", unit: {unit}"
        if sample.zeros and target.name in ("lon", "lat"):
            verbs += f", null_if: [{', '.join(map(quote, sample.zeros))}]"
            return Line(target.name, verbs, "some rows are at 0, 0, which is nowhere", sources=sources)
        return Line(target.name, verbs, sources=sources)
    return Line(target.name, origin, sources=sources)


def _coded(target: Column, found: Found, codes: dict[str, list[str]]) -> Line:
    """Every text that stands there, with the code that it most likely means."""
    unknown = {_folded(word) for word in _synonyms()["unknown"]}
    block, guessed = [], 0
    for text, rows in found.texts:
        if scrub(text) != text:
            continue  # somebody's data, not a code
        code = _exact(text, codes)
        is_unknown = code is None and (not _folded(text) or _folded(text) in unknown)
        if code is None and not is_unknown:
            code = guess(text, codes)
        told = "null" if is_unknown else quote(code or OPEN)
        guessed += code is not None
        block.append(f"{_flow(text)}: {told}   # {rows} rows")
    why = f"{guessed} of {len(block)} texts guessed: check them all" if block else ""
    return Line(target.name, f"from: {_flow(found.name)}", why, tuple(block), sources=(found.name,))


def guess(text: str, codes: Mapping[str, Sequence[str]]) -> str | None:
    """The code whose word is the text, or else the longest word in it, `other` last; None when there is none."""
    if exact := _exact(text, codes):
        return exact
    held = [
        (code != "other", len(word), code)
        for code, words in codes.items()
        for word in words
        if _holds(text, word)
    ]
    return max(held, key=lambda found: found[:2])[2] if held else None  # of equals, the first


def _exact(text: str, codes: Mapping[str, Sequence[str]]) -> str | None:
    """The code that is the text itself, or of which a word is."""
    whole = _folded(text)
    known = (code for code, words in codes.items() if whole in map(_folded, [code, *words]))
    return next(known, None) if whole else None


def _holds(text: str, word: str) -> bool:
    """A word of letters must stand alone (its plural does, too); Chinese has no such borders."""
    if len(word) < 2:
        return False
    if word.isascii() or not re.search(r"[\u3400-\u9fff]", word):
        return re.search(rf"(?<!\w){re.escape(word)}(e?s|en|n)?(?!\w)", text, re.IGNORECASE) is not None
    return word in text


def _instead(sample: Sample, target: Column, chosen: Mapping[str, str]) -> Line:
    """What fills a required column that no column of the source is named like."""
    fallback = _synonyms()["fallbacks"].get(sample.table, {}).get(target.name)
    while fallback and "column" in fallback:
        if fallback["column"] in chosen:
            source = chosen[fallback["column"]]
            return Line(target.name, f"from: {_flow(source)}", fallback["why"], sources=(source,))
        fallback = _synonyms()["fallbacks"].get(sample.table, {}).get(fallback["column"])
    if fallback:
        return Line(target.name, fallback["verb"], fallback["why"])
    return Line(target.name, f"from: {quote(OPEN)}", "required: say which column holds it")


def _numbers(found: Found) -> str | None:
    """How a column's numbers are written; None when they are not numbers."""
    shares = {style: found.share(pattern) for style, pattern in _NUMBERS.items()}
    best = max(shares, key=lambda style: shares[style])  # of equals, the first
    return best if shares[best] >= _FIT_MIN else None


@lru_cache(maxsize=256)
def _times(found: Found) -> tuple[tuple[str, ...], str]:
    """The formats that together read a column's times, and what is doubtful about them."""
    texts = dict(found.texts)
    total = sum(texts.values())
    if not total:
        return (), ""
    numbers = [float(text) for text in texts if re.fullmatch(r"[0-9]{5,14}(\.[0-9]+)?", text)]
    for form, (low, high) in _EPOCHS.items():
        if len(numbers) == len(texts) and all(low <= number <= high for number in numbers):
            return (form,), ""
    reads = _readable(list(texts))
    forms: list[str] = []
    left, why = dict(texts), ""
    while left and len(forms) < 3:
        gains = {
            form: sum(left[text] for text in texts_read if text in left) for form, texts_read in reads.items()
        }
        best = max(gains, key=lambda form: (gains[form], -list(reads).index(form)))
        if gains[best] < 0.01 * total:
            break
        twin = _twin(best)
        if twin and gains.get(twin, 0) == gains[best]:
            why = f"day and month cannot be told apart in the sample: {twin} reads it as well; ask the source"
        forms.append(best)
        for text in reads[best]:
            left.pop(text, None)
        reads = {
            form: read
            for form, read in reads.items()
            if form not in (best, twin) and form.startswith("roc ") == best.startswith("roc ")
        }
    return (tuple(forms), why) if 1 - sum(left.values()) / total >= _FIT_MIN else ((), "")


def _twin(form: str) -> str | None:
    """The same format with day and month exchanged, of those that are tried."""
    swapped = form.replace("%m", "\0").replace("%d", "%m").replace("\0", "%d")
    return swapped if swapped != form and swapped in TIMES else None


def _readable(texts: list[str]) -> dict[str, set[str]]:
    """Format → the texts that the mapping will read with it, as a time that can be meant."""
    forms = [*TIMES, *(f"roc {form}" for form in _ROC)]
    forms = [
        form for form in forms if any(map(_looks(form).fullmatch, texts))
    ]  # few are left to be tried in earnest
    listed = "".join(f", {_read_as(form)} between '1985-01-01' and '2100-01-01'" for form in forms)
    rows = _clock().execute(f"select text{listed} from (select unnest(?) as text)", [texts]).fetchall()
    reads = {form: {row[0] for row in rows if row[n]} for n, form in enumerate(forms, 1)}
    return reads | {"iso": {text for text in texts if re.fullmatch(_ISO, text)}}


@lru_cache
def _looks(form: str) -> re.Pattern[str]:
    """What a text of a format looks like, roughly."""
    year = r"\D*[0-9]{2,3}" if form.startswith("roc ") else "[0-9]{4}"
    signs = {"Y": year, "f": "[0-9]+", "p": r"[AaPp]\.?[Mm]\.?", "b": r"\w+"}
    written_as = re.sub(
        r"%(\w)", lambda m: signs.get(m[1], "[0-9]{1,2}"), form.removeprefix("roc ").replace(".", r"\.")
    )
    return re.compile(written_as)


def _read_as(form: str) -> str:
    """SQL for the time in `text`, as the mapping reads it."""
    calendar = "roc" if form.startswith("roc ") else "gregorian"
    column = ColumnMap.model_validate(
        {"from": "text", "time": form.removeprefix("roc "), "calendar": calendar}
    )
    return columns._moment("text", column, "UTC")


@lru_cache
def _clock() -> duckdb.DuckDBPyConnection:
    from citycheck import duck

    return duck.connect()


# Place and time -------------------------------------------------------------------------------------------------------


def _survey_ground(sample: Sample, lines: Sequence[Line]) -> None:
    """Where the rows lie, from what was chosen for that."""
    by_name = {line.target: line for line in lines}
    if sample.box is not None or not all(
        name in by_name and by_name[name].sources for name in ("lon", "lat")
    ):
        return
    wide = _spread(sample.columns[by_name["lon"].sources[0]])
    high = _spread(sample.columns[by_name["lat"].sources[0]])
    if wide is None or high is None:
        return
    if -180 <= wide[0] <= wide[1] <= 180 and -90 <= high[0] <= high[1] <= 90:
        sample.box = (*wide, *high)
    else:
        sample.notes.append(
            "lon and lat are not degrees, or exchanged: say which they are, such as `crs: EPSG:2326`"
        )


def _span(found: Found) -> tuple[datetime, datetime] | None:
    """First and last of a column's times."""
    forms, _ = _times(found)
    moments = sorted(at for form in forms for at in _moments(found, form))
    stray = len(moments) // 200  # a date of 1970 or 2099 that somebody mistyped
    return (moments[stray], moments[-1 - stray]) if moments else None


def _spread(found: Found) -> tuple[float, float] | None:
    """Where nearly all of a column's numbers lie: a hundredth at each end may be anything. None without a number but 0."""
    style = _numbers(found) or "1234.5"
    numbers = sorted(
        (number, rows)
        for text, rows in found.texts
        if (number := _number(text, style)) is not None and number != 0
    )
    if not numbers:
        return None
    edge, passed, inside = 0.01 * sum(rows for _, rows in numbers), 0, []
    for number, rows in numbers:
        if passed + rows > edge and passed <= 99 * edge:
            inside.append(number)
        passed += rows
    return inside[0], inside[-1]


def _number(text: str, style: str) -> float | None:
    if re.fullmatch(_NUMBERS[style], text) is None:
        return None
    plain = {"1,234.5": (",", ""), "1.234,5": (".", ""), "1 234,5": (" ", "")}.get(style)
    if plain:
        text = re.sub(r"[ \u00a0\u202f]", "", text) if plain[0] == " " else text.replace(*plain)
    return float(text if style in ("1234.5", "1,234.5") else text.replace(",", "."))


def _moments(found: Found, form: str) -> list[datetime]:
    texts = [text for text, _ in found.texts]
    rows = _clock().execute(f"select {_read_as(form)} from (select unnest(?) as text)", [texts])
    return [at for (at,) in rows.fetchall() if at is not None and 1985 <= at.year < 2100]


def _box(samples: Sequence[Sample]) -> tuple[float, float, float, float] | None:
    """Around the boundaries if there are any, else around all points; a tenth wider, and a hundredth of a degree at least."""
    boxes = [s.box for s in samples if s.box and s.shape == "area"] or [s.box for s in samples if s.box]
    if not boxes:
        return None
    west, east = min(box[0] for box in boxes), max(box[1] for box in boxes)
    south, north = min(box[2] for box in boxes), max(box[3] for box in boxes)
    wide, high = max(0.1 * (east - west), 0.01), max(0.1 * (north - south), 0.01)
    return west - wide, east + wide, south - high, north + high


def utm(lon: float, lat: float) -> str:
    """The UTM zone of a place, as EPSG numbers it."""
    return f"EPSG:{326 if lat >= 0 else 327}{min(int((lon + 180) // 6) + 1, 60):02d}"


# Text -----------------------------------------------------------------------------------------------------------------


def _profile(
    name: str, samples: Sequence[Sample], time_zone: str | None, sources: Path | None, now: datetime
) -> str:
    made = [(sample, _lines(sample, ZoneInfo(time_zone or "UTC"), now)) for sample in samples]
    for sample, lines in made:
        _survey_ground(sample, lines)
    return "\n".join([*_head(name, made, time_zone), *_sources(name, samples, sources), *_feeds(made)]) + "\n"


def _head(name: str, made: Sequence[tuple[Sample, list[Line]]], time_zone: str | None) -> Iterator[str]:
    box = _box([sample for sample, _ in made])
    times = [at for sample, _ in made if sample.times for at in sample.times]
    zone = ZoneInfo(time_zone or "UTC")
    yield "# yaml-language-server: $schema=../../docs/profile.schema.json"
    yield f"# Guessed from sample files. Decide what is marked '?', read the comments, then: citycheck city check {name}"
    yield f"city: {name}"
    yield f"name: {{zh: {name}, en: {name}}}   # as the release page shows it"
    yield 'is_synthetic: false   # true puts "合成数据 / synthetic data" on every output'
    yield (
        f"time_zone: {time_zone}"
        if time_zone
        else 'time_zone: "?"   # the clocks of the sources, such as Asia/Shanghai'
    )
    if box:
        yield f"projected_crs: {utm((box[0] + box[1]) / 2, (box[2] + box[3]) / 2)}   # UTM; the country's own grid is as good"
        listed = zip(("lon_min", "lon_max", "lat_min", "lat_max"), box, strict=True)
        yield f"box: {{{', '.join(f'{key}: {value:.3f}' for key, value in listed)}}}   # around the samples; outside is a mistake"
    else:
        yield 'projected_crs: "?"   # planar metres: the local zone, such as EPSG:32650'
        yield 'box: {lon_min: "?", lon_max: "?", lat_min: "?", lat_max: "?"}   # the city in WGS84 degrees'
    if times:
        first, last = (HalfYear.containing(at.replace(tzinfo=zone), zone) for at in (min(times), max(times)))
        yield f"half_years: [{first}, {last}]   # first and last that are covered completely; null while it goes on"
    else:
        yield 'half_years: ["?", null]   # first and last that the sources cover, such as [2024H1, null]'
    kinds = {
        to for sample, lines in made if sample.table == "facilities" for line in lines for to in _kinds(line)
    }
    yield f"provided_kinds: [{', '.join(sorted(kinds))}]   # kinds that the register covers; others are unknown"


def _kinds(line: Line) -> list[str]:
    if line.target != "kind_code":
        return []
    entries = [entry.rpartition("   # ") for entry in line.block]
    told = " ".join(entry.rpartition(": ")[2] for entry, _, rows in entries if rows != "0 rows")
    return re.findall(r"\bF[0-9]{2}\b", told)


def _sources(name: str, samples: Sequence[Sample], sources: Path | None) -> Iterator[str]:
    yield ""
    yield "sources:"
    for sample in samples:
        folder = f"{name}/{sample.table}"
        why = f"below CITYCHECK_SOURCES: put {sample.file.name} there"
        if sources is not None and sample.file.resolve().is_relative_to(sources.resolve()):
            folder = sample.file.resolve().parent.relative_to(sources.resolve()).as_posix()
            why = "below CITYCHECK_SOURCES"
        yield f"  {sample.table}_source:"
        yield '    title: "?"   # what it is and who publishes it'
        yield '    licence: "?"'
        yield f"    folder: {_flow(folder)}   # {why}"


def _feeds(made: Sequence[tuple[Sample, list[Line]]]) -> Iterator[str]:
    yield ""
    yield "feeds:"
    for feed in FEEDS:
        of_feed = [pair for pair in made if tables()[pair[0].table].feed == feed]
        if of_feed:
            yield f"  {feed}:"
            yield "    tables:"
        for sample, lines in of_feed:
            yield from _entry(sample, lines)


def _entry(sample: Sample, lines: Sequence[Line]) -> Iterator[str]:
    yield f"      - table: {sample.table}"
    yield f"        source: {sample.table}_source"
    files = re.sub(r"([\[*?])", r"[\1]", sample.file.name)
    yield f"        files: {quote(files)}   # a pattern such as *{sample.file.suffix} takes later files as well"
    if sample.format != "csv":
        yield f"        format: {sample.format}"
    for key, value in sample.options.items():
        if isinstance(value, dict):
            yield f"        {key}:"
            yield from (
                f"          {name}: [{', '.join(map(_flow, listed))}]" for name, listed in value.items()
            )
        else:
            told = f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else quote(value)
            yield f"        {key}: {told}"
    for note in sample.notes:
        yield f"        # {note}"
    taken = {source for line in lines for source in line.sources} | {sample.options.get("wkt")}
    if left := [" ".join(column.split()) for column in sample.columns if column not in taken]:
        more = f" · and {len(left) - _LEFT_MAX} more" if len(left) > _LEFT_MAX else ""
        yield f"        # not taken: {' · '.join(left[:_LEFT_MAX])}{more}"
    yield "        columns:"
    for line in lines:
        yield from _told(line)


def _told(line: Line) -> Iterator[str]:
    why = f"   # {line.why}" if line.why else ""
    if not line.is_taken:
        yield f"          # {line.target}: {{{line.verbs}}}{why}"
    elif line.block:
        yield f"          {line.target}:{why}"
        yield from (f"            {verb}" for verb in line.verbs.split("\n"))
        yield "            values:"
        yield from (f"              {entry}" for entry in line.block)
    else:
        yield f"          {line.target}: {{{line.verbs}}}{why}"


def _flow(text: str) -> str:
    """A text inside braces."""
    return written(text)
