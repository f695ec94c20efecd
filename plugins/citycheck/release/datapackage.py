"""datapackage.json: every file of a release with its hash, and every column of its tables (Frictionless Data Package)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from citycheck.release.about import About
from citycheck.release.flat import Resource


def datapackage(about: About, provenance: Mapping[str, Any], resources: list[Resource]) -> dict[str, Any]:
    """A Frictionless Data Package (v1). Chinese and English stand side by side in the title."""
    publication = about.publication
    package = {
        "profile": "data-package",
        "name": f"citycheck-{about.city}-{about.code}".lower().replace("_", "-"),
        "title": f"{about.title.zh} / {about.title.en}",
        "title_zh": about.title.zh,
        "title_en": about.title.en,
        "description": (
            "Half-yearly check-up of a city's communities: index, indicators, shortfalls, what is missing. "
            "provenance.json names the inputs and the standard; verify with sha256sum -c SHA256SUMS. "
            "CSV is for spreadsheets: a text that they would run begins with an apostrophe, a code of more than 11 "
            "digits or with leading zeros ends in a tab; parquet has every value as it is."
        ),
        "homepage": "index.html",
        "version": str(publication.version),
        "previous_version": publication.supersedes and asdict(publication.supersedes),
        "kind": publication.kind,
        "stage": publication.stage,
        "release_at": publication.release_at,
        "reason_zh": publication.reason_zh,
        "reason_en": publication.reason_en,
        "responsible": publication.responsible,
        "keywords": ["城市体检", "城镇社区专项体检", "community", "index"]
        + (["synthetic"] if about.is_synthetic else []),
        "is_synthetic": about.is_synthetic,
        "half_year": about.code,
        "standard_version": provenance["standard_version"],
        "resources": resources,
    }
    return package | {
        key: provenance[key] for key in ("licenses", "sources", "contributors") if provenance.get(key)
    }
