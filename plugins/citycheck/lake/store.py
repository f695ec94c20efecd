"""The lake's accepted and quarantined files, and the manifest that says which of them count."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from citycheck.errors import BadInput, NotReady
from citycheck.lake.files import fsync, fsync_folder, read_json, write_json
from citycheck.settings import CityHome


@dataclass(frozen=True)
class LedgerRow:
    """Where the rows of one file went, for one table: rows_in = accepted + quarantined + duplicate."""

    feed: str
    table_name: str
    half_year: str
    delivery: str
    source_file: str
    rows_in: int
    rows_accepted: int
    rows_quarantined: int
    rows_duplicate: int

    def check(self) -> None:
        """Raises `BadInput` when a row got lost or came from nowhere."""
        accounted = self.rows_accepted + self.rows_quarantined + self.rows_duplicate
        if self.rows_in != accounted:
            raise BadInput(
                f"{self.source_file} ({self.table_name}): {self.rows_in} rows came in, but {accounted} are accounted for "
                f"({self.rows_accepted} accepted, {self.rows_quarantined} quarantined, {self.rows_duplicate} duplicates). "
                "Nothing was accepted; report this as a defect of citycheck."
            )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows_by_file(path: Path) -> dict[str, int]:
    """Rows of a lake file by the source file they came from."""
    counted = (
        pq.read_table(path, columns=["source_file"])
        .group_by("source_file")
        .aggregate([("source_file", "count")])
    )
    return dict(
        zip(counted["source_file"].to_pylist(), counted["source_file_count"].to_pylist(), strict=True)
    )


def rows_by_reason(path: Path) -> dict[str, int]:
    """Quarantined rows by reason; a row with two reasons counts for both."""
    counts: dict[str, int] = {}
    for codes in pq.read_table(path, columns=["reason_codes"])["reason_codes"].to_pylist():
        for code in codes.split(";"):
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items()))


def put(home: CityHome, kind: str, table: str, half_year: str, name: str, file: Path) -> Path:
    """Move a finished file into `lake/<kind>/<table>/<half_year>/<name>.parquet`."""
    target = home.lake / kind / table / half_year / f"{name}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and sha256(target) != sha256(file) and sha256(target) in _named(home):
        raise BadInput(
            f"{target}: was accepted with other contents, and a release may rest on it; it is not replaced. "
            "Report this as a defect of citycheck."
        )
    fsync(file)
    os.replace(file, target)
    fsync_folder(target.parent)
    return target


def _named(home: CityHome) -> set[str]:
    """The hashes of all accepted files that manifests name."""
    manifests = [
        json.loads(path.read_text(encoding="utf-8")) for path in home.lake.glob("manifests/*/*.json")
    ]
    return {entry["accepted_sha256"] for manifest in manifests for entry in manifest["tables"].values()}


def write_manifest(home: CityHome, feed: str, half_year: str, manifest: dict[str, Any]) -> None:
    """Point a feed's half-year at a delivery. From here on it counts."""
    write_json(home.lake / "manifests" / feed / f"{half_year}.json", manifest)


def read_manifest(home: CityHome, feed: str, half_year: str) -> dict[str, Any]:
    """What counts of a feed for a half-year. Raises `NotReady` when nothing does."""
    path = home.lake / "manifests" / feed / f"{half_year}.json"
    if not path.is_file():
        raise NotReady(
            f"{feed} {half_year}: nothing has been accepted yet. Run ingest_{feed} with half_year={half_year} first."
        )
    manifest: dict[str, Any] = read_json(path, f"Run ingest_{feed} with half_year={half_year} again.")
    return manifest


def as_dicts(rows: list[LedgerRow]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
