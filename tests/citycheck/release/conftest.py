"""A small published version, sealed by a key of the tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from citycheck.release.checksums import SHA256SUMS, sha256, write_sums
from citycheck.release.manifest import seal
from citycheck.release.publication import Decision, Publication
from citycheck.release.signing import SigningKey

PROVENANCE = {
    "city": "small",
    "inputs": [{"feed": "survey", "files": [{"path": "survey/a.csv", "bytes": 3, "sha256": "0" * 64}]}],
}


@pytest.fixture(scope="session")
def signing_key():
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def other_key():
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.fixture(scope="session")
def candidate():
    """Writes a small staged bundle into a folder."""

    def write(folder, text="county,score\n330802,78.5\n330803,81.25\n"):
        (folder / "tables").mkdir(parents=True)
        (folder / "tables/county_index.csv").write_text(text, encoding="utf-8")
        (folder / "tables/areas.parquet").write_bytes(bytes(n * n % 251 for n in range(9000)))
        (folder / "index.html").write_text("<!DOCTYPE html><p>衢州", encoding="utf-8")
        (folder / "empty.txt").touch()
        write_sums(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def sealed(candidate, signing_key):
    """Writes a small published version into a folder."""

    def write(
        folder, text="county,score\n330802,78.5\n330803,81.25\n", *, version=1, key=None, half_year="2026H1"
    ):
        candidate(folder, text)
        fingerprint = sha256(folder / SHA256SUMS)
        seal(
            folder,
            publication=Publication(half_year, version, "initial", "preliminary"),
            decision=Decision(True, "approver", "2026-07-15T08:00:00+00:00", "all seen 都看过", fingerprint),
            published_at=datetime(2026, 7, 16, 1, 30, tzinfo=UTC),
            key=key or signing_key,
            provenance=PROVENANCE,
            code={"version": "0.1.0", "commit": "abc", "sha256": "1" * 64},
        )
        return folder

    return write
