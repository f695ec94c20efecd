"""What the answers look like: the small ones are made of these classes, the large ones are described by them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Scalar = str | int | float | bool | None
Number = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Position = Annotated[list[float], Field(min_length=2, max_length=3)]
Ring = Annotated[list[Position], Field(min_length=4)]


class Link(BaseModel):
    href: str
    rel: str
    type: str
    title: str


class ReleaseName(BaseModel):
    """Which release an answer is of. Of synthetic data, every figure is made up."""

    city: str
    title_zh: str
    title_en: str
    half_year: str
    version: int
    kind: str
    stage: str
    fingerprint: Sha256
    published_at: str | None
    is_synthetic: bool


class Landing(BaseModel):
    title: str
    description: str
    release: ReleaseName | None
    links: list[Link]


class Conformance(BaseModel):
    conformsTo: list[str]


class Spatial(BaseModel):
    bbox: list[Annotated[list[float], Field(min_length=4, max_length=6)]]
    crs: str


class Temporal(BaseModel):
    interval: list[list[str | None]]
    trs: str


class Extent(BaseModel):
    spatial: Spatial
    temporal: Temporal


class Collection(BaseModel):
    """`filters` are the query parameters that choose features by a property."""

    id: str
    title: str
    description: str
    extent: Extent
    itemType: Literal["feature"] = "feature"
    crs: list[str]
    key: str
    filters: list[str]
    release: ReleaseName
    links: list[Link]


class Collections(BaseModel):
    collections: list[Collection]
    release: ReleaseName
    links: list[Link]


class Point(BaseModel):
    type: Literal["Point"]
    coordinates: Position


class Polygon(BaseModel):
    type: Literal["Polygon"]
    coordinates: list[Ring]


class MultiPolygon(BaseModel):
    type: Literal["MultiPolygon"]
    coordinates: list[list[Ring]]


class Feature(BaseModel):
    """`properties` are the columns of the layer; a withheld figure is null, and obs_status, conf_status say so."""

    type: Literal["Feature"]
    id: str
    geometry: Point | Polygon | MultiPolygon | None
    properties: dict[str, Scalar]


class OneFeature(Feature):
    release: ReleaseName
    links: list[Link]


class FeatureCollection(BaseModel):
    type: Literal["FeatureCollection"]
    features: list[Feature]
    numberMatched: Number
    numberReturned: Number
    release: ReleaseName
    links: list[Link]


class VersionName(BaseModel):
    half_year: str
    version: int
    fingerprint: Sha256
    is_current: bool
    is_withdrawn: bool
    links: list[Link]


class HalfYear(BaseModel):
    """`current_version` is null when every version was withdrawn."""

    half_year: str
    current_version: int | None
    versions: list[VersionName]
    links: list[Link]


class Releases(BaseModel):
    half_years: list[HalfYear]
    links: list[Link]


class File(BaseModel):
    path: str
    sha256: Sha256 | None
    href: str | None


class Key(BaseModel):
    """The key that signed: compare its id with the one that the city publishes."""

    algorithm: str
    id: str
    public_key: str


class ReleaseAbout(BaseModel):
    """`withdrawal` is the city's signed notice; the data of a withdrawn version is not given any more (410)."""

    release: ReleaseName
    is_current: bool
    is_withdrawn: bool
    withdrawal: dict[str, Any] | None
    publication: dict[str, Any]
    key: Key | None
    provenance: dict[str, Any]
    files: list[File]
    links: list[Link]


class ColumnAbout(BaseModel):
    name: str
    type: str
    description: str


class TableAbout(BaseModel):
    """`filters` are the query parameters that choose rows; rows stand in the order of `key`."""

    name: str
    description: str
    key: list[str]
    filters: list[str]
    columns: list[ColumnAbout]
    links: list[Link]


class Tables(BaseModel):
    release: ReleaseName
    tables: list[TableAbout]
    links: list[Link]


class TablePage(BaseModel):
    """A withheld figure is null, and obs_status, conf_status say so."""

    table: str
    key: list[str]
    rows: list[dict[str, Scalar]]
    numberMatched: Number
    numberReturned: Number
    release: ReleaseName
    links: list[Link]


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    detail_zh: str
