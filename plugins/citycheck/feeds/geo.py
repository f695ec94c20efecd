"""Geographic files: GeoJSON, TopoJSON, Shapefile (also zipped), GeoPackage, FlatGeobuf, KML, GeoParquet.

Geometries come as 2D WKB in the file's own CRS, x before y; `crs` tells which that is. GeoJSON and the attributes of
Shapefiles are read here, so that their texts stay as the source wrote them, in whatever encoding; everything else by
the GDAL inside DuckDB's spatial extension, which ends the process when it is asked about a layer or for the metadata
of a file that it cannot open: so a file is opened with `st_read` first, with only the drivers of its format.
"""

from __future__ import annotations

import codecs
import json as stdlib_json
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import pyarrow as pa

from citycheck import duck
from citycheck.errors import BadInput
from citycheck.feeds import batch, encoding, json
from citycheck.feeds.folder import SIDECARS

GEOM = "geom"
LIMIT_BYTES = 2 << 30
"""What a zipped Shapefile may unpack to."""
_DRIVERS = {
    ".gpkg": "GPKG",
    ".fgb": "FlatGeobuf",
    ".kml": "KML",
    ".gml": "GML",
    ".topojson": "TopoJSON",
    ".json": "TopoJSON",
    ".geojson": "TopoJSON",
    ".tab": "MapInfo File",
    ".mif": "MapInfo File",
}
_NEEDED = {".shp": (".shx", ".dbf")}
_DBF_LANGUAGES = {0x4D: "gb18030", 0x7A: "gb18030", 0x4F: "cp950", 0x78: "cp950"}
_FLAT = "st_force2d(g)"
_WKB = f"case when g is not null and not st_isempty(g) then st_aswkb({_FLAT}) end"


def columns(file: Path, *, layer: str | None = None, encoding: str | None = None) -> list[str]:
    """The attributes of a file's layer (the only one, or the one that is named), without the geometry.

    `encoding` is that of a Shapefile's attributes where no .cpg tells it. Raises `BadInput` for a file that cannot be
    read, a part of a Shapefile that is missing, and a layer that is not there.
    """
    with _open(file, layer, encoding) as source:
        return source.columns()


def batches(
    file: Path, columns: Sequence[str], *, layer: str | None = None, encoding: str | None = None
) -> Iterator[pa.RecordBatch]:
    """The attributes as text, and `geom` (WKB, null where there is none or it is empty) last."""
    with _open(file, layer, encoding) as source:
        yield from source.batches(columns)


def crs(file: Path, *, layer: str | None = None) -> str | None:
    """The file's own coordinate reference system, as `EPSG:nnnn` or else as WKT; None when the file tells none."""
    with _open(file, layer, "utf-8") as source:
        return source.crs()


def layers(file: Path) -> list[str]:
    """The names of the layers that a file holds."""
    with _open(file, None, "utf-8", checks_layer=False) as source:
        return source.layers()


def sidecars(file: Path) -> list[str]:
    """The suffixes of the files that belong to a file and lie beside it."""
    return list(SIDECARS.get(file.suffix.lower(), ()))


# Sources -------------------------------------------------------------------------------------------------------------


class _Source:
    def columns(self) -> list[str]:
        raise NotImplementedError

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def crs(self) -> str | None:
        raise NotImplementedError

    def layers(self) -> list[str]:
        return []


@lru_cache
def _database() -> duckdb.DuckDBPyConnection:
    """One for the process: to load `spatial` takes about a second."""
    return duck.connect()


@contextmanager
def _open(
    file: Path, layer: str | None, encoding: str | None, *, checks_layer: bool = True
) -> Iterator[_Source]:
    suffix = file.suffix.lower()
    with tempfile.TemporaryDirectory(prefix="citycheck-") as work, _database().cursor() as connection:
        connection.execute("set TimeZone = 'UTC'")
        plain = Path(work) / f"plain{suffix}"
        try:
            if suffix == ".zip":
                inner = _unzip(file, Path(work))
            else:
                _link(file, plain)
                inner = plain
            yield _source(connection, file.name, inner, layer, encoding, checks_layer)
        except duckdb.Error as error:
            raise _unreadable(file.name, error) from None


def _source(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    file: Path,
    layer: str | None,
    encoding: str | None,
    checks_layer: bool,
) -> _Source:
    suffix = file.suffix.lower()
    if suffix == ".shp":
        return _Shapefile(connection, name, file, encoding)
    if suffix in (".parquet", ".geoparquet"):
        return _GeoParquet(connection, name, file)
    if suffix in (".geojsonl", ".geojsonseq") or (
        suffix in (".geojson", ".json") and json.member(file, "type") != "Topology"
    ):
        return _GeoJSON(connection, name, file)
    if suffix not in _DRIVERS:
        raise BadInput(
            f"{name}: is no geographic file that is read here; expected .geojson, .topojson, .shp, .zip (with a Shapefile), "
            ".gpkg, .fgb, .kml, .gml or .parquet. Correct `format` in the profile, or ask the source for one of these."
        )
    return _Gdal(connection, name, file, layer, checks_layer)


@dataclass
class _Gdal(_Source):
    """A layer of a file that GDAL reads."""

    connection: duckdb.DuckDBPyConnection
    name: str
    file: Path
    layer: str | None
    checks_layer: bool

    def __post_init__(self) -> None:
        drivers = f"allowed_drivers = [{_text(_DRIVERS[self.file.suffix.lower()])}]"
        self._options = drivers
        # Opens the file, or says why not; only then is it safe to ask for its metadata.
        self.connection.execute(f"describe select * from st_read({_text(str(self.file))}, {drivers})")
        [[self._meta]] = self.connection.execute(
            f"select layers from st_read_meta({_text(str(self.file))})"
        ).fetchall()
        if not self.checks_layer:
            return
        names = ", ".join(map(repr, self.layers()))
        if self.layer is None and len(self._meta) > 1:
            raise BadInput(
                f"{self.name}: holds {len(self._meta)} layers; expected one, or its name. "
                f"Give `layer` in the profile: one of {names}."
            )
        if self.layer is not None and self.layer not in self.layers():
            raise BadInput(
                f"{self.name}: has no layer {self.layer!r}; expected one of {names}. Correct `layer` in the profile."
            )
        self._chosen = next(m for m in self._meta if self.layer in (None, m["name"]))
        self._options += f", layer = {_text(self._chosen['name'])}"

    def layers(self) -> list[str]:
        return [layer["name"] for layer in self._meta]

    def _types(self) -> dict[str, str]:
        found = self.connection.execute(f"describe select * from {self._relation()}").fetchall()
        return {row[0]: row[1] for row in found}

    def _relation(self) -> str:
        return f"st_read({_text(str(self.file))}, {self._options})"

    def columns(self) -> list[str]:
        own = {field["name"] for field in self._chosen["fields"]}
        # GDAL numbers the features of a format that has no number of its own.
        return [
            c
            for c, t in self._types().items()
            if not t.startswith("GEOMETRY") and (c != "OGC_FID" or c in own)
        ]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for found in _cast(self.connection, self._relation(), self._types(), columns):
            rows += found.num_rows
            yield found
        if rows < self._chosen["feature_count"]:  # GDAL stops without a word where a FlatGeobuf is cut off
            raise BadInput(
                f"{self.name}: holds {rows} features, but tells of {self._chosen['feature_count']}; expected the whole file. "
                "Ask the source to send it again."
            )

    def crs(self) -> str | None:
        fields = self._chosen["geometry_fields"]
        return _crs(fields[0]["crs"]) if fields else None


@dataclass
class _GeoParquet(_Source):
    connection: duckdb.DuckDBPyConnection
    name: str
    file: Path

    def __post_init__(self) -> None:
        self._types = {
            row[0]: row[1]
            for row in self.connection.execute(f"describe select * from {self._relation()}").fetchall()
        }

    def _relation(self) -> str:
        return f"read_parquet({_text(str(self.file))})"

    def columns(self) -> list[str]:
        return [c for c, t in self._types.items() if not t.startswith("GEOMETRY")]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from _cast(self.connection, self._relation(), self._types, columns)

    def crs(self) -> str | None:
        import pyarrow.parquet as pq

        about = stdlib_json.loads((pq.read_schema(self.file).metadata or {}).get(b"geo", b"{}"))
        column = about.get("columns", {}).get(about.get("primary_column"))
        if column is None:
            return None
        if "crs" not in column:
            return "EPSG:4326"  # the standard's default: longitude, latitude
        told = column["crs"]
        known = (told or {}).get("id", {})
        if known.get("authority") == "OGC" and known.get("code") == "CRS84":
            return "EPSG:4326"
        if known.get("authority") == "EPSG":
            return f"EPSG:{known['code']}"
        return stdlib_json.dumps(told) if told else None


@dataclass
class _GeoJSON(_Source):
    """GeoJSON as a collection or one feature a line; a feature's `id` is a column if no property has that name."""

    connection: duckdb.DuckDBPyConnection
    name: str
    file: Path

    def _features(self) -> Iterator[tuple[dict[str, str | None], Any]]:
        is_collection = json.member(self.file, "type") == "FeatureCollection"
        for number, feature in enumerate(json.values(self.file, "features" if is_collection else None), 1):
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                raise BadInput(
                    f"{self.name}, record {number}: is no GeoJSON feature; expected a collection of features, or one a line. "
                    "Correct `format` in the profile, or ask the source for GeoJSON."
                )
            row: dict[str, str | None] = {}
            properties = feature.get("properties")
            json.flatten(properties if isinstance(properties, dict) else {}, "", row)
            if GEOM in row:
                row[f"properties.{GEOM}"] = row.pop(GEOM)
            if "id" in feature and "id" not in row:
                json.flatten({"id": feature["id"]}, "", row)
            yield row, feature.get("geometry")

    def columns(self) -> list[str]:
        found: dict[str, None] = {}
        for row, _ in self._features():
            found.update(dict.fromkeys(row))
        return list(found)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        features = self._features()
        while chunk := list(islice(features, batch.ROWS)):
            texts = [None if g is None else stdlib_json.dumps(_numeric(g)) for _, g in chunk]
            geometries = pa.table({"n": range(len(texts)), "t": pa.array(texts, pa.string())})
            self.connection.register("geometries", geometries)
            found = self.connection.execute(
                f"select {_WKB} as w from (select n, try(st_geomfromgeojson(t)) as g from geometries) order by n"
            ).to_arrow_table()
            arrays = [pa.array([row.get(c) for row, _ in chunk], pa.string()) for c in columns]
            wkb = found.column("w").combine_chunks().cast(pa.binary())
            yield pa.RecordBatch.from_arrays([*arrays, wkb], names=[*columns, GEOM])

    def crs(self) -> str | None:
        told = json.member(self.file, "crs")
        if not isinstance(told, dict):
            return "EPSG:4326"  # RFC 7946
        name = str((told.get("properties") or {}).get("name", ""))
        code = name.rsplit(":", 1)[-1]
        if "EPSG" in name.upper() and code.isdigit():
            return f"EPSG:{code}"
        return "EPSG:4326" if code.upper() in ("CRS84", "CRS84H") else name or None


@dataclass
class _Shapefile(_Source):
    """Geometries by GDAL, attributes from the .dbf in the encoding that is declared, told by the .cpg, or detected."""

    connection: duckdb.DuckDBPyConnection
    name: str
    file: Path
    encoding: str | None

    def __post_init__(self) -> None:
        for suffix in _NEEDED[".shp"]:
            if not self.file.with_suffix(suffix).exists():
                raise BadInput(
                    f"{self.name}: the file {suffix} beside it is missing; expected .shp, .shx and .dbf of the same name. "
                    "Ask the source for all of them, or let `files` in the profile name them."
                )
        with self.file.open("rb") as shp:
            head = shp.read(100)
        told = struct.unpack(">i", head[24:28])[0] * 2 if len(head) == 100 else -1
        if told != self.file.stat().st_size:
            raise BadInput(
                f"{self.name}: has {self.file.stat().st_size} bytes, its head tells {max(told, 100)}; expected the whole file. "
                "Ask the source to send it again."
            )
        self._dbf = _Dbf.open(self.file.with_suffix(".dbf"), self.name)
        bare = self.file.with_name("bare")  # without its .dbf, whose columns could clash with GDAL's own
        bare.mkdir(exist_ok=True)
        for suffix in (".shp", ".shx", ".prj"):
            if (part := self.file.with_suffix(suffix)).exists() and not (bare / f"plain{suffix}").exists():
                (bare / f"plain{suffix}").symlink_to(part.resolve())
        self._relation = f"st_read({_text(str(bare / 'plain.shp'))}, allowed_drivers = ['ESRI Shapefile'])"
        self._bare = bare / "plain.shp"

    def columns(self) -> list[str]:
        return [field.name for field in self._dbf.fields(self._encoding())]

    def _encoding(self) -> str:
        if self.encoding:
            return self.encoding
        cpg = self.file.with_suffix(".cpg")
        told = cpg.read_text("ascii", "replace").strip().lower() if cpg.exists() else ""
        if told.isdigit():  # a code page of Windows
            told = {"65001": "utf-8", "936": "gb18030", "54936": "gb18030"}.get(told, f"cp{told}")
        told = {"gbk": "gb18030", "gb2312": "gb18030", "big5": "cp950", "big-5": "cp950"}.get(told, told)
        if told:
            try:
                return codecs.lookup(told.removeprefix("ansi ")).name
            except LookupError:
                pass
        return _DBF_LANGUAGES.get(self._dbf.language) or self._dbf.detect(self.file.parent)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        query = f"select {_WKB} as w from (select {GEOM} as g from {self._relation})"
        reader = self.connection.execute(query).to_arrow_reader(batch.ROWS)
        rows = self._dbf.rows(self._encoding())
        for shapes in reader:
            chunk = list(islice(rows, len(shapes)))
            if len(chunk) < len(shapes):
                raise self._uneven()
            kept = [i for i, row in enumerate(chunk) if row is not None]
            texts = [row for row in chunk if row is not None]
            arrays = [pa.array([row.get(c) for row in texts], pa.string()) for c in columns]
            wkb = shapes.column(0).cast(pa.binary()).take(pa.array(kept, pa.int64()))
            yield pa.RecordBatch.from_arrays([*arrays, wkb], names=[*columns, GEOM])
        if next(rows, rows) is not rows:
            raise self._uneven()

    def _uneven(self) -> BadInput:
        return BadInput(
            f"{self.name}: its .shp and its .dbf differ in the number of rows; expected a row of attributes for each shape. "
            "Ask the source to send both again."
        )

    def crs(self) -> str | None:
        self.connection.execute(f"describe select * from {self._relation}")
        [[told]] = self.connection.execute(
            f"select layers[1].geometry_fields[1].crs from st_read_meta({_text(str(self._bare))})"
        ).fetchall()
        return _crs(told)

    def layers(self) -> list[str]:
        return [Path(self.name).stem]


# DBF -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    start: int
    bytes: int


@dataclass(frozen=True)
class _Dbf:
    """A dBase table: rows of fixed width, texts in an encoding that the file itself may not tell."""

    file: Path
    name: str
    count: int
    head_bytes: int
    row_bytes: int
    language: int
    raw_fields: tuple[tuple[bytes, str, int, int], ...]

    @classmethod
    def open(cls, file: Path, name: str) -> _Dbf:
        with file.open("rb") as dbf:
            head = dbf.read(32)
            if len(head) < 32:
                raise BadInput(f"{name}: its .dbf is cut off. Ask the source to send it again.")
            count, head_bytes, row_bytes = struct.unpack("<IHH", head[4:12])
            told = dbf.read(max(head_bytes - 32, 0))
        fields, start = [], 1
        for at in range(0, len(told) - 31, 32):
            if told[at] == 0x0D:
                break
            described = told[at : at + 32]
            fields.append((described[:11].split(b"\0")[0], chr(described[11]), start, described[16]))
            start += described[16]
        if file.stat().st_size < head_bytes + count * row_bytes or start > row_bytes:
            raise BadInput(f"{name}: its .dbf is cut off or damaged. Ask the source to send it again.")
        return cls(file, name, count, head_bytes, row_bytes, head[29], tuple(fields))

    def fields(self, encoding: str) -> list[_Field]:
        return [
            _Field(_decoded(n, encoding, self.name, "the header").strip(), t, s, b)
            for n, t, s, b in self.raw_fields
        ]

    def rows(self, encoding: str) -> Iterator[dict[str, str | None] | None]:
        """Each row, or None for one that is marked as deleted."""
        fields = self.fields(encoding)
        for number, row in enumerate(self._raw(), 1):
            if row[:1] == b"*":
                yield None
                continue
            where = f"row {number}"
            yield {f.name: _dbf_text(f, row, encoding, self.name, where) for f in fields}

    def _raw(self) -> Iterator[bytes]:
        with self.file.open("rb") as dbf:
            dbf.seek(self.head_bytes)
            for _ in range(self.count):
                yield dbf.read(self.row_bytes)

    def detect(self, work: Path) -> str:
        """The encoding of the texts, found as for any text file."""
        texts = work / Path(self.name).with_suffix(".dbf").name
        sample = work / "sample" / texts.name
        sample.parent.mkdir(exist_ok=True)
        with sample.open("wb") as lines:
            lines.write(b"\n".join(n for n, *_ in self.raw_fields) + b"\n")
            for row in self._raw():
                for _, type_, start, size in self.raw_fields:
                    text = row[start : start + size].rstrip(b" \0")
                    # A text that fills its field may be cut inside a character.
                    if type_ == "C" and text and len(text) < size - 1:
                        lines.write(text + b"\n")
        return encoding.detect(sample)


def _dbf_text(field: _Field, row: bytes, encoding: str, name: str, where: str) -> str | None:
    raw = row[field.start : field.start + field.bytes]
    if field.type not in "CNFDL":
        raise BadInput(
            f"{name}: the column {field.name!r} of its .dbf is of type {field.type!r}; expected text, number, date or logical. "
            "Ask the source for GeoPackage."
        )
    text = _decoded(raw.rstrip(b" \0"), encoding, name, where).strip()
    if not text or (field.type in "NF" and set(text) <= {"*"}):
        return None
    if field.type == "L":
        return {"t": "true", "y": "true", "f": "false", "n": "false"}.get(text.lower())
    if field.type == "D":
        return f"{text[:4]}-{text[4:6]}-{text[6:]}" if text.isdigit() and set(text) != {"0"} else None
    return text


def _decoded(raw: bytes, encoding: str, name: str, where: str) -> str:
    try:
        # The last character of a text that was too long may be half there: an incremental decoder leaves it out.
        return codecs.getincrementaldecoder(encoding)().decode(raw)
    except UnicodeDecodeError:
        raise BadInput(
            f"{name}, {where}: the .dbf is not {encoding}; expected text in that encoding. "
            "Correct `encoding` in the profile (utf-8, gb18030, big5 …)."
        ) from None
    except LookupError:
        raise BadInput(
            f"{name}: there is no encoding {encoding!r}. Correct `encoding` in the profile."
        ) from None


# Helpers -------------------------------------------------------------------------------------------------------------


def _cast(
    connection: duckdb.DuckDBPyConnection, relation: str, types: dict[str, str], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Columns as text and the first geometry as WKB."""
    geometry = next((c for c, t in types.items() if t.startswith("GEOMETRY")), None)
    texts = []
    for column in columns:
        if column not in types:
            texts.append("null::varchar")
        elif types[column].endswith("[]"):
            texts.append(f"nullif(array_to_string({_name(column)}, '|'), '')")
        else:
            texts.append(f"nullif(cast({_name(column)} as varchar), '')")
    named = [f"{text} as c{number}" for number, text in enumerate(texts)]
    source = f"select *, {_name(geometry) if geometry else 'null::geometry'} as g from {relation}"
    query = f"select {', '.join([*named, f'{_WKB} as w'])} from ({source})"
    fields = [(c, pa.string()) for c in columns]
    schema = pa.schema([*fields, (GEOM, pa.binary())])
    for found in connection.execute(query).to_arrow_reader(batch.ROWS):
        arrays = [array.cast(field.type) for array, field in zip(found.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _numeric(geometry: Any) -> Any:
    """A geometry whose coordinates are numbers even where the source wrote them as text."""
    if isinstance(geometry, dict):
        return {k: v if k == "type" else _numeric(v) for k, v in geometry.items()}
    if isinstance(geometry, list):
        return [_numeric(inner) for inner in geometry]
    try:
        return float(geometry) if isinstance(geometry, str) else geometry
    except ValueError:
        return None


def _crs(told: dict[str, Any] | None) -> str | None:
    if not told:
        return None
    if told["auth_name"] == "EPSG" and told["auth_code"]:
        return f"EPSG:{told['auth_code']}"
    return told["wkt"] or told["proj4"] or None


def _link(file: Path, plain: Path) -> None:
    """Let `plain` be the file, and what lies beside it: a name may hold signs that DuckDB takes for a pattern."""
    plain.symlink_to(file.resolve())
    for suffix in sidecars(file):
        for beside in (file.with_suffix(suffix), file.with_suffix(suffix.upper())):
            if beside.exists() and not plain.with_suffix(suffix).exists():
                plain.with_suffix(suffix).symlink_to(beside.resolve())


def _unzip(file: Path, work: Path) -> Path:
    """Unpack the one geographic file of a zip, and what belongs to it."""
    try:
        with zipfile.ZipFile(file) as container:
            parts = [p for p in container.infolist() if not p.is_dir() and "__MACOSX" not in p.filename]
            wanted = [
                p
                for p in parts
                if PurePosixPath(p.filename).suffix.lower() in (*_DRIVERS, ".shp", ".geojson")
            ]
            if len(wanted) != 1:
                raise BadInput(
                    f"{file.name}: holds {len(wanted)} geographic files; expected one (a Shapefile, a GeoPackage …). "
                    "Unpack it and name the file in the profile, or ask the source for one file a layer."
                )
            main = PurePosixPath(wanted[0].filename)
            suffixes = {main.suffix.lower(), *sidecars(Path(main.name.lower()))}
            kept = [
                p
                for p in parts
                if PurePosixPath(p.filename).with_suffix("") == main.with_suffix("")
                and PurePosixPath(p.filename).suffix.lower() in suffixes
            ]
            if (size := sum(p.file_size for p in kept)) > LIMIT_BYTES:
                raise BadInput(
                    f"{file.name}: unpacks to {size >> 20} MiB; expected at most {LIMIT_BYTES >> 20} MiB. "
                    "Ask the source for smaller files."
                )
            for part in kept:
                target = work / f"plain{PurePosixPath(part.filename).suffix.lower()}"
                with container.open(part) as packed, target.open("wb") as unpacked:
                    while chunk := packed.read(1 << 20):
                        unpacked.write(chunk)
            return work / f"plain{main.suffix.lower()}"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise BadInput(
            f"{file.name}: cannot be unpacked ({type(error).__name__}); expected a complete zip file without password. "
            "Ask the source to send it again."
        ) from None


def _unreadable(name: str, error: duckdb.Error) -> BadInput:
    # GDAL's own words may hold paths and values.
    return BadInput(
        f"{name}: cannot be read as a geographic file ({type(error).__name__}); expected a complete file of the format that "
        "its name tells. Ask the source to send it again, or correct `format` in the profile."
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
