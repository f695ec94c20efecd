"""The routes: OGC API – Features over the layers of a release, and beside it releases, tables and files as JSON.

Only what is published is read. Each route is behind Airflow's login, also the one of the description: an application that is
mounted in another does not inherit what guards that one.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from fastapi import Depends, FastAPI, Request, Response
from fastapi import Path as Part
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from citycheck.release.flat import MEDIA_TYPES
from citycheck.web.api import models
from citycheck.web.api.answers import GEOJSON, JSON, Plain, address, answer, link, paged
from citycheck.web.api.asked import (
    MOST,
    ROW_FILTERS,
    BBox,
    Datetime,
    Limit,
    Offset,
    box,
    chosen,
    declared,
    named,
    of_features,
    of_rows,
    only,
    standing,
    touches,
)
from citycheck.web.api.layers import FILTERS, KEYS, TITLES, layer
from citycheck.web.api.openapi import MEDIA_TYPE as OPENAPI
from citycheck.web.api.openapi import describe
from citycheck.web.api.problems import Refused, handle
from citycheck.web.api.releases import HALF_YEAR, Release, Version, opened, published
from citycheck.web.api.tables import page
from citycheck.web.api.tables import table as table_of

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
_CONFORMANCE = [
    f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{part}" for part in ("core", "oas30", "geojson")
]
_TITLE = "城镇社区体检 / Community check-up"
_DESCRIPTION = (
    "本市已发布的体检结果，只读。/ Published releases of the city: index, indicators, shortfalls and places."
)


class GeoJson(JSONResponse):
    media_type = GEOJSON


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    held: dict[int | str, dict[str, Any]] = {304: {"description": "What the client has still holds"}}
    return held | {
        status: {"model": models.Problem, "description": "Refused"} for status in (401, 403, *statuses)
    }


_check = requires_access_view(AccessView.PLUGINS)


async def may_see(request: Request, user: GetUserDep) -> None:
    """Whoever may see Airflow's plugins. Airflow finds the user by a token sent as Bearer, else by the session's cookie."""
    _check(request, user)


api = FastAPI(
    title=_TITLE,
    description=_DESCRIPTION,
    version="1.0.0",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(may_see), Depends(declared)],
    responses=_problems(400),
)
api.add_middleware(Plain)
handle(api)

Chosen = Annotated[Version, Depends(chosen)]
Named = Annotated[Version, Depends(named)]
Standing = Annotated[Version, Depends(standing)]
CollectionId = Annotated[str, Part(pattern=f"^({'|'.join(KEYS)})$")]


# OGC API – Features ---------------------------------------------------------------------------------------------------


@api.get("/", response_model=models.Landing)
def landing(request: Request) -> Response:
    """What there is."""
    links = [
        link(address(request) + "/", "self", "This page"),
        link(address(request, "api"), "service-desc", "Description (OpenAPI 3.0)", OPENAPI),
        link(address(request, "conformance"), "conformance", "Conformance classes"),
        link(address(request, "collections"), "data", "Layers of the last release"),
        link(address(request, "releases"), "related", "All releases, with their tables and files"),
    ]
    newest = published().newest
    release = _name(newest) if newest else None
    about = models.Landing(title=_TITLE, description=_DESCRIPTION, release=release, links=links)
    return _small(request, published().state, about)


@api.get("/conformance", response_model=models.Conformance)
def conformance(request: Request) -> Response:
    """The conformance classes that this interface keeps to."""
    return _small(request, "", models.Conformance(conformsTo=_CONFORMANCE))


class OpenApi(JSONResponse):
    media_type = OPENAPI


@api.get("/api", response_class=OpenApi)
def description(request: Request) -> Response:
    """This interface as OpenAPI 3.0."""
    return answer(
        request,
        "",
        lambda: json.dumps(describe(api, address(request)), ensure_ascii=False).encode(),
        OPENAPI,
    )


@api.get("/collections", response_model=models.Collections, responses=_problems(404, 410))
def collections(request: Request, version: Chosen) -> Response:
    """The layers of a release."""
    has = opened(version).sums
    about = models.Collections(
        collections=[_collection(request, version, name) for name in KEYS if _geoparquet(name) in has],
        release=_name(version),
        links=[link(address(request, "collections", **_pinned(version)), "self", "This page")],
    )
    return _small(request, version.fingerprint, about)


@api.get("/collections/{collection}", response_model=models.Collection, responses=_problems(404, 410))
def collection(request: Request, collection: CollectionId, version: Chosen) -> Response:
    """A layer."""
    _holding(version, collection)
    return _small(request, version.fingerprint, _collection(request, version, collection))


@api.get(
    "/collections/{collection}/items",
    response_model=models.FeatureCollection,
    response_class=GeoJson,
    responses=_problems(404, 410),
)
def items(
    request: Request,
    collection: CollectionId,
    version: Chosen,
    wanted: Annotated[dict[str, str], Depends(of_features)],
    bbox: BBox = None,
    when: Datetime = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Features of a layer, in the order of their ids."""
    only(wanted, FILTERS[collection], collection)
    limits, release = box(bbox), _holding(version, collection)
    is_in_time = touches(when, *_period(release))
    limit = min(limit, MOST)

    def make() -> bytes:
        found = layer(release, collection)
        numbers = found.select(limits, wanted) if is_in_time else ()
        shown = numbers[offset : offset + limit]
        query = _pinned(version) | wanted | {"bbox": bbox, "datetime": when, "limit": limit, "offset": offset}
        links = paged(request, ("collections", collection, "items"), query, len(numbers), GEOJSON)
        parquet = address(request, "releases", version.half_year, version.version, "files")
        links.append(
            link(
                f"{parquet}/geometry/{collection}.parquet",
                "alternate",
                "The whole layer as GeoParquet",
                _PARQUET,
            )
        )
        links.append(
            link(address(request, "collections", collection, **_pinned(version)), "collection", "The layer")
        )
        head = (
            b'{"type":"FeatureCollection","features":[' + b",".join(found.features[n] for n in shown) + b"],"
        )
        return head + _tail(version, links, numberMatched=len(numbers), numberReturned=len(shown))

    return answer(request, version.fingerprint, make, GEOJSON)


@api.get(
    "/collections/{collection}/items/{feature_id:path}",
    response_model=models.OneFeature,
    response_class=GeoJson,
    responses=_problems(404, 410),
)
def item(
    request: Request,
    collection: CollectionId,
    feature_id: Annotated[str, Part(min_length=1, max_length=200)],
    version: Chosen,
) -> Response:
    """One feature."""
    found = layer(_holding(version, collection), collection)
    if feature_id not in found.numbers:
        raise Refused(404, f"{collection} has no such feature.", f"{collection} 中没有该要素。")
    links = [
        link(
            address(request, "collections", collection, "items", feature_id, **_pinned(version)),
            "self",
            "This feature",
            GEOJSON,
        ),
        link(address(request, "collections", collection, **_pinned(version)), "collection", "The layer"),
    ]
    feature = found.features[found.numbers[feature_id]]
    return answer(request, version.fingerprint, lambda: feature[:-1] + b"," + _tail(version, links), GEOJSON)


# Releases, tables and files -------------------------------------------------------------------------------------------


@api.get("/releases", response_model=models.Releases)
def releases(request: Request) -> Response:
    """Everything that was ever published."""
    everything = published()
    half_years = dict.fromkeys(version.half_year for version in everything.versions)
    about = models.Releases(
        half_years=[_half_year(request, half_year) for half_year in half_years],
        links=[link(address(request, "releases"), "self", "This page")],
    )
    return _small(request, everything.state, about)


@api.get("/releases/{half_year}", response_model=models.HalfYear, responses=_problems(404))
def one_half_year(request: Request, half_year: Annotated[str, Part(pattern=HALF_YEAR)]) -> Response:
    """The versions of a half-year."""
    if not published().of(half_year):
        raise Refused(404, f"Nothing is published of {half_year}.", f"{half_year} 没有发布。")
    return _small(request, published().state, _half_year(request, half_year))


@api.get("/releases/{half_year}/{version}", response_model=models.ReleaseAbout, responses=_problems(404))
def release(request: Request, version: Named) -> Response:
    """What a version is, from what it was made, and how to check it; of a withdrawn one why, and nothing to fetch."""
    found, at = opened(version), ("releases", version.half_year, version.version)
    files = None if version.is_withdrawn else address(request, *at, "files")
    links = [link(address(request, *at), "self", "This page")]
    if files:
        links += [
            link(address(request, *at, "tables"), "data", "Tables"),
            link(address(request, "collections", **_pinned(version)), "data", "Layers"),
        ]
    about = models.ReleaseAbout(
        release=_name(version),
        is_current=version.is_current,
        is_withdrawn=version.is_withdrawn,
        withdrawal=found.notice,
        publication=found.provenance["publication"],
        key=found.manifest.get("key"),
        provenance=found.provenance,
        files=[
            models.File(path=path, sha256=found.sums.get(path), href=f"{files}/{path}" if files else None)
            for path in found.files
        ],
        links=links,
    )
    # Of what the version was when it was looked up: it may be withdrawn meanwhile.
    state = f"{version.fingerprint} {version.is_withdrawn} {version.is_current}"
    return _small(request, state, about)


@api.get(
    "/releases/{half_year}/{version}/tables", response_model=models.Tables, responses=_problems(404, 410)
)
def tables(request: Request, version: Standing) -> Response:
    """The tables of a version: what a row is, every column, and by what rows can be filtered."""
    at = ("releases", version.half_year, version.version, "tables")
    found = opened(version)
    about = models.Tables(
        release=_name(version),
        tables=[
            models.TableAbout(
                name=name,
                description=said["title"],
                key=said["schema"].get("primaryKey", []),
                filters=_row_filters(found, name),
                columns=[models.ColumnAbout(**field) for field in said["schema"]["fields"]],
                links=[link(address(request, *at, name), "item", "Its rows")],
            )
            for name, said in found.tables.items()
        ],
        links=[link(address(request, *at), "self", "This page")],
    )
    return _small(request, version.fingerprint, about)


@api.get(
    "/releases/{half_year}/{version}/tables/{table}",
    response_model=models.TablePage,
    responses=_problems(404, 410),
)
def rows(
    request: Request,
    version: Standing,
    table: Annotated[str, Part(pattern="^[a-z0-9_]{1,64}$")],
    wanted: Annotated[dict[str, str], Depends(of_rows)],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Rows of a table, in the order of its key."""
    release = opened(version)
    if table not in release.tables:
        raise Refused(404, f"The release has no table {table}.", f"该发布没有表 {table}。")
    only(wanted, tuple(_row_filters(release, table)), table)
    limit = min(limit, MOST)

    def make() -> bytes:
        matched, shown = page(table_of(release, table), wanted, offset, limit)
        at = ("releases", version.half_year, version.version, "tables", table)
        links = paged(request, at, wanted | {"limit": limit, "offset": offset}, matched, JSON)
        key = release.tables[table]["schema"].get("primaryKey", [])
        about = {
            "table": table,
            "key": key,
            "rows": shown,
            "numberMatched": matched,
            "numberReturned": len(shown),
        }
        return b"{" + _tail(version, links, **about)

    return answer(request, version.fingerprint, make)


@api.get(
    "/releases/{half_year}/{version}/files/{path:path}",
    response_class=Response,
    responses=_problems(404, 410)
    | {200: {"content": {"application/octet-stream": {}}, "description": "The file"}},
)
def file(request: Request, version: Standing, path: Annotated[str, Part(max_length=200)]) -> Response:
    """A file of a version, byte for byte, to keep or to verify; never to be shown by a browser at this address."""
    found = opened(version)
    if path not in found.files:
        raise Refused(
            404,
            "The release has no such file: see the list of its files.",
            "该发布没有此文件：请看文件列表。",
        )
    content = found.read(path) if path in found.sums else (found.folder / path).read_bytes()
    given = answer(request, hashlib.sha256(content).hexdigest(), lambda: content, "application/octet-stream")
    given.headers["Content-Disposition"] = "attachment"
    return given


# Parts of answers -----------------------------------------------------------------------------------------------------

_PARQUET = MEDIA_TYPES["parquet"]


def _small(request: Request, state: str, about: BaseModel) -> Response:
    return answer(request, state, lambda: about.model_dump_json().encode())


def _tail(version: Version, links: list[models.Link], **more: Any) -> bytes:
    """The end of a JSON object that another has begun."""
    said = more | {"release": _name(version).model_dump(), "links": [each.model_dump() for each in links]}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)[1:].encode()


def _name(version: Version) -> models.ReleaseName:
    found = opened(version)
    package, provenance, publication = found.package, found.provenance, found.provenance["publication"]
    return models.ReleaseName(
        city=provenance["city"],
        title_zh=package["title_zh"],
        title_en=package["title_en"],
        half_year=version.half_year,
        version=version.version,
        kind=publication["kind"],
        stage=publication["stage"],
        fingerprint=version.fingerprint,
        published_at=found.manifest.get("published_at"),
        is_synthetic=bool(provenance["is_synthetic"]),
    )


def _pinned(version: Version) -> dict[str, Any]:
    return {"half_year": version.half_year, "version": version.version}


def _half_year(request: Request, half_year: str) -> models.HalfYear:
    versions = published().of(half_year)
    return models.HalfYear(
        half_year=half_year,
        current_version=next((version.version for version in versions if version.is_current), None),
        versions=[
            models.VersionName(
                **vars(version),
                links=[
                    link(address(request, "releases", half_year, version.version), "item", "This version")
                ],
            )
            for version in versions
        ],
        links=[link(address(request, "releases", half_year), "self", "This half-year")],
    )


def _collection(request: Request, version: Version, name: str) -> models.Collection:
    release = opened(version)
    start, end = (moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for moment in _period(release))
    at = ("collections", name)
    return models.Collection(
        id=name,
        title=TITLES[name],
        description=release.resources[_geoparquet(name)]["title"],
        extent=models.Extent(
            spatial=models.Spatial(bbox=[list(layer(release, name).extent)], crs=CRS84),
            temporal=models.Temporal(interval=[[start, end]], trs=_GREGORIAN),
        ),
        crs=[CRS84],
        key=KEYS[name],
        filters=list(FILTERS[name]),
        release=_name(version),
        links=[
            link(address(request, *at, **_pinned(version)), "self", "This layer"),
            link(address(request, *at, "items", **_pinned(version)), "items", "Its features", GEOJSON),
        ],
    )


def _geoparquet(name: str) -> str:
    return f"geometry/{name}.parquet"


def _holding(version: Version, name: str) -> Release:
    """The release, if it has the layer: one that was published before there was such a layer has not."""
    release = opened(version)
    if _geoparquet(name) not in release.sums:
        what = f"{version.half_year}/{version.version}"
        raise Refused(404, f"{what} has no layer {name}.", f"{what} 没有图层 {name}。")
    return release


def _period(release: Release) -> tuple[datetime, datetime]:
    """The half-year; its end does not belong to it."""
    period = release.provenance["period"]
    return datetime.fromisoformat(period["start"]), datetime.fromisoformat(period["end"])


def _row_filters(release: Release, name: str) -> list[str]:
    columns = {field["name"] for field in release.tables[name]["schema"]["fields"]}
    return [column for column in ROW_FILTERS if column in columns]
