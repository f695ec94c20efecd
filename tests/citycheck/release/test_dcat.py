"""The catalogue of a release: DCAT-AP 3 as JSON-LD."""

from __future__ import annotations

import json

import pytest

from citycheck.release import bundle
from citycheck.release.checksums import sha256

NODES = {"foaf:Agent", "dcat:Catalog", "dcat:DatasetSeries", "dcat:Dataset"}


@pytest.fixture(scope="module")
def catalog(bundle_folder):
    return json.loads((bundle_folder / "catalog.jsonld").read_text(encoding="utf-8"))


def node(catalog, type_):
    (found,) = [node for node in catalog["@graph"] if node["@type"] == type_]
    return found


def terms(value):
    """Every key and every type below a node, and every compact address."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from [key] if not key.startswith("@") else [below] if key == "@type" else []
            yield from terms(below)
    elif isinstance(value, list):
        for below in value:
            yield from terms(below)


def test_every_term_has_a_prefix_that_the_context_knows(catalog):
    context = catalog["@context"]
    assert all(address.startswith("http") and address[-1] in "#/" for address in context.values())
    used = set(terms(catalog["@graph"]))
    assert used >= NODES
    assert {term.split(":")[0] for term in used} <= context.keys()


def test_series_dataset_and_publisher(catalog):
    dataset, series, publisher = (
        node(catalog, t) for t in ("dcat:Dataset", "dcat:DatasetSeries", "foaf:Agent")
    )
    assert dataset["dcat:inSeries"] == {"@id": series["@id"]}
    assert dataset["dct:publisher"] == series["dct:publisher"] == {"@id": publisher["@id"]}
    assert {"@value": "合成市", "@language": "zh"} in publisher["foaf:name"]
    assert dataset["dcat:version"] == "1" and "dcat:previousVersion" not in dataset
    assert dataset["dcat:prev"] == {"@id": "../../2025H2/3/"}
    assert dataset["dct:temporal"]["dcat:startDate"]["@value"] == "2026-01-01T00:00:00+08:00"
    assert dataset["dct:available"]["@value"] == "2026-07-16T09:30:00+08:00"
    assert dataset["dct:spatial"]["dcat:bbox"]["@value"].startswith(
        "POLYGON((118.830000 28.900000, 118.890000"
    )


def test_a_correction_names_the_version_before(full_build, corrected, tmp_path):
    folder = bundle.stage(full_build.database, full_build.manifest, tmp_path / "2", corrected)
    dataset = node(json.loads((folder / "catalog.jsonld").read_text(encoding="utf-8")), "dcat:Dataset")
    assert dataset["dcat:version"] == "2" and dataset["dcat:previousVersion"] == {"@id": "../1/"}
    assert dataset["adms:versionNotes"][1]["@value"] == "A <b>facility</b> was counted twice."
    assert "dct:available" not in dataset, "when it is approved is not known yet"


def test_every_file_is_a_distribution_with_its_checksum(catalog, bundle_folder):
    found = {d["dcat:downloadURL"]["@id"]: d for d in node(catalog, "dcat:Dataset")["dcat:distribution"]}
    files = {p.relative_to(bundle_folder).as_posix() for p in bundle_folder.rglob("*") if p.is_file()}
    sealed = {"catalog.jsonld", "datapackage.json", "SHA256SUMS", "blocks.json"}
    page = {name for name in files if name.startswith("page/")}
    assert found.keys() == files - sealed - page, "what the page is drawn with is nothing for a portal"
    for path, one in found.items():
        assert one["dcat:byteSize"] == {
            "@value": str((bundle_folder / path).stat().st_size),
            "@type": "xsd:nonNegativeInteger",
        }
        assert one["spdx:checksum"]["spdx:checksumValue"]["@value"] == sha256(bundle_folder / path)
        assert one["dcat:mediaType"]["@id"].startswith("https://www.iana.org/assignments/media-types/")


def test_no_address_names_a_host_of_the_release(catalog):
    def addresses(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if "@id" in value else []
            value = list(value.values())
        if isinstance(value, list):
            for below in value:
                yield from addresses(below)

    vocabularies = ("http://publications.europa.eu/", "http://purl.org/", "https://www.iana.org/", "spdx:")
    for address in addresses(catalog["@graph"]):
        assert address.startswith(vocabularies) or "://" not in address, address
