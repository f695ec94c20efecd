"""catalog.jsonld: the release for data portals, as DCAT-AP 3 in JSON-LD.

It names no host: addresses are relative to the file, in the folders `<half-year>/<version>/` of a place of releases.
Source of the terms: DCAT 3 (W3C) and DCAT-AP 3.0 (SEMIC); frequencies, languages, file types and kinds of publishers
are those of the EU vocabularies that DCAT-AP asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from citycheck.release.about import About, Words
from citycheck.release.flat import Resource

FILE = "catalog.jsonld"
_EU = "http://publications.europa.eu/resource/authority"
_CONTEXT: dict[str, Any] = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_FILE_TYPES = {
    "csv": "CSV",
    "gpkg": "GPKG",
    "html": "HTML",
    "json": "JSON",
    "jsonld": "JSON_LD",
    "md": "TXT",
    "parquet": "PARQUET",
    "pdf": "PDF",
    "xlsx": "XLSX",
}
_SERIES = "../../"
"""The folder of all half-years, seen from that of a version."""
_PUBLISHER = "../../#publisher"
_NAME = Words("城镇社区体检", "community check-up")

Node = dict[str, Any]


def catalog(
    connection: duckdb.DuckDBPyConnection,
    about: About,
    provenance: Mapping[str, Any],
    resources: list[Resource],
) -> Node:
    """Series, dataset and distributions of a release whose build is open on `connection`."""
    return {
        "@context": _CONTEXT,
        "@graph": [
            _catalog(about),
            _publisher(about),
            _series(about),
            _dataset(connection, about, provenance, resources),
        ],
    }


def _catalog(about: About) -> Node:
    return {
        "@id": FILE,
        "@type": "dcat:Catalog",
        "dct:title": _both(about.title),
        "dct:description": _both(
            Words(
                "一期体检的目录：系列、数据集与文件。", "One release: its series, its dataset and the files."
            )
        ),
        "dct:publisher": {"@id": _PUBLISHER},
        "dcat:dataset": [{"@id": _SERIES}, {"@id": "./"}],
    }


def _publisher(about: About) -> Node:
    """The city, never a person."""
    return {
        "@id": _PUBLISHER,
        "@type": "foaf:Agent",
        "foaf:name": _both(about.city_name),
        "dct:type": {"@id": "http://purl.org/adms/publishertype/LocalAuthority"},
    }


def _series(about: About) -> Node:
    name = Words(f"{about.city_name.zh}{_NAME.zh}", f"{about.city_name.en} {_NAME.en}")
    return {
        "@id": _SERIES,
        "@type": "dcat:DatasetSeries",
        "dct:title": _both(name),
        "dct:description": _both(
            Words(
                "每半年一次的城镇社区体检，各期各版。",
                "The check-up of the communities, every half-year and version.",
            )
        ),
        "dct:accrualPeriodicity": {"@id": f"{_EU}/frequency/ANNUAL_2"},
        "dct:publisher": {"@id": _PUBLISHER},
    }


def _dataset(
    connection: duckdb.DuckDBPyConnection,
    about: About,
    provenance: Mapping[str, Any],
    resources: list[Resource],
) -> Node:
    publication = about.publication
    node: Node = {
        "@id": "./",
        "@type": "dcat:Dataset",
        "dct:identifier": f"citycheck/{about.city}/{about.code}/{publication.version}",
        "dct:title": _both(about.title),
        "dct:description": _both(
            Words(
                f"社区、街道、县（市、区）的体检指数、指标、短板、居民调查与报修统计。{about.version.zh}，{about.kind.zh}，{about.stage.zh}。",
                "Index, indicators, shortfalls, survey and repair statistics of communities, streets and counties. "
                f"{about.version.en.capitalize()}, {about.kind.en.lower()}, {about.stage.en}.",
            )
        ),
        "dct:publisher": {"@id": _PUBLISHER},
        "dct:language": [{"@id": f"{_EU}/language/{code}"} for code in ("ZHO", "ENG")],
        "dcat:keyword": [*(_tagged("城市体检", "zh"), _tagged("community check-up", "en"))]
        + ([_tagged("合成数据", "zh"), _tagged("synthetic data", "en")] if about.is_synthetic else []),
        "dcat:theme": [{"@id": f"{_EU}/data-theme/{code}"} for code in ("SOCI", "REGI")],
        "dcat:inSeries": {"@id": _SERIES},
        "dcat:version": str(publication.version),
        "dct:spatial": _spatial(connection),
        "dcat:landingPage": {"@id": "index.html"},
        "dct:provenance": {
            "@type": "dct:ProvenanceStatement",
            "dct:description": _both(
                Words("输入及其校验值见 provenance.json。", "Inputs and their hashes are in provenance.json.")
            ),
        },
        "dcat:distribution": [_distribution(about, one, provenance) for one in resources],
    }
    if period := provenance.get("period"):
        node["dct:temporal"] = {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": _typed(period["start"], "dateTime"),
            "dcat:endDate": _typed(period["end"], "dateTime"),
        }
    if publication.release_at:
        node["dct:available"] = _typed(publication.release_at, "dateTime")
    if publication.supersedes:
        node["dcat:previousVersion"] = {"@id": f"../{publication.supersedes.version}/"}
    if before := provenance.get("previous_release"):
        node["dcat:prev"] = {"@id": f"../../{before['half_year']}/{before['version']}/"}
    if about.reason:
        node["adms:versionNotes"] = _both(about.reason)
    return node


def _distribution(about: About, of: Resource, provenance: Mapping[str, Any]) -> Node:
    node: Node = {
        "@id": f"{of['path']}#distribution",
        "@type": "dcat:Distribution",
        "dct:title": of["title"],
        "dcat:accessURL": {"@id": of["path"]},
        "dcat:downloadURL": {"@id": of["path"]},
        "dcat:byteSize": _typed(str(of["bytes"]), "nonNegativeInteger"),
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{of['mediatype']}"},
        "dct:format": {"@id": f"{_EU}/file-type/{_FILE_TYPES[of['format']]}"},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": _typed(of["hash"].removeprefix("sha256:"), "hexBinary"),
        },
    }
    if address := next((one["path"] for one in provenance.get("licenses") or [] if one.get("path")), None):
        node["dct:license"] = {"@id": address}
    return node


def _spatial(connection: duckdb.DuckDBPyConnection) -> Node:
    """The box around the communities, in WGS84 longitude and latitude."""
    box = connection.execute(
        "select min(st_xmin(geometry)), min(st_ymin(geometry)), max(st_xmax(geometry)), max(st_ymax(geometry)) "
        "from marts.communities"
    ).fetchone()
    west, south, east, north = box or (None,) * 4
    if west is None:
        return {"@type": "dct:Location"}
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    ring = ", ".join(f"{x:.6f} {y:.6f}" for x, y in corners)
    return {
        "@type": "dct:Location",
        "dcat:bbox": {"@value": f"POLYGON(({ring}))", "@type": "geo:wktLiteral"},
    }


def _both(words: Words) -> list[Node]:
    return [_tagged(words.zh, "zh"), _tagged(words.en, "en")]


def _tagged(text: str, language: str) -> Node:
    return {"@value": text, "@language": language}


def _typed(value: str, type_: str) -> Node:
    return {"@value": value, "@type": f"xsd:{type_}"}
