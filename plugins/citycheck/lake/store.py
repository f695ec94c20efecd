"""The lake's accepted and quarantined files, and the manifest that says which of them count."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from citycheck import duck
from citycheck.errors import BadInput, NotReady
from citycheck.lake import deliveries
from citycheck.lake.deliveries import Entry
from citycheck.lake.files import fsync, fsync_folder, read_json, write_json
from citycheck.settings import CityHome


@dataclass(frozen=True)
class LedgerRow:
    """Where the rows of one file went, for one table: in = accepted + quarantined + duplicate + out of scope."""

    feed: str
    table_name: str
    half_year: str
    delivery: str
    source_file: str
    rows_in: int
    rows_accepted: int
    rows_quarantined: int
    rows_duplicate: int
    rows_out_of_scope: int
    """Rows that the profile does not ask for."""

    def check(self) -> None:
        """Raises `BadInput` when a row got lost or came from nowhere."""
        accounted = self.rows_accepted + self.rows_quarantined + self.rows_duplicate + self.rows_out_of_scope
        if self.rows_in != accounted:
            raise BadInput(
                f"{self.source_file} ({self.table_name}): {self.rows_in} rows came in, but {accounted} are accounted for "
                f"({self.rows_accepted} accepted, {self.rows_quarantined} quarantined, {self.rows_duplicate} duplicates, "
                f"{self.rows_out_of_scope} out of scope). "
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
    told = pq.read_table(path, columns=["reason_codes"])["reason_codes"].value_counts()
    for codes, rows in zip(told.field("values").to_pylist(), told.field("counts").to_pylist(), strict=True):
        for code in codes.split(";"):
            counts[code] = counts.get(code, 0) + rows
    return dict(sorted(counts.items()))


def rows_by_half_year(path: Path, event: str, zone: ZoneInfo) -> dict[str, int]:
    """Rows of a lake file by the half-year in which their event lies, on the clocks of the zone."""
    with duck.connect() as connection:
        counted = connection.execute(
            f"""
            select year(moment) || case when month(moment) <= 6 then 'H1' else 'H2' end as half_year, count(*)
            from (select timezone(?, timezone('UTC', "{event}")) as moment from read_parquet([?]))
            where moment is not null
            group by 1 order by 1
            """,
            [zone.key, str(path)],
        ).fetchall()
    return dict(counted)


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
    return {
        table["accepted_sha256"]
        for path in home.lake.glob("manifests/*/*.json")
        for entry in _entries(path, "Restore it from a copy.")
        for table in entry["tables"].values()
    }


def accept(home: CityHome, feed: str, half_year: str, entry: Entry) -> None:
    """Add a delivery to those accepted of a feed's half-year, in place of what it was before. From here on it counts."""
    path = _manifest(home, feed, half_year)
    known = _entries(path, f"Run ingest_{feed} with half_year={half_year} again.") if path.is_file() else []
    kept = [other for other in known if other["delivery"] != entry["delivery"]]
    entries = sorted([*kept, entry], key=lambda other: (other.get("received", ""), other["delivery"]))
    write_json(path, {"feed": feed, "half_year": half_year, "deliveries": entries})


def accepted(home: CityHome, feed: str, half_year: str) -> list[Entry]:
    """Every delivery of a feed's half-year that was ever accepted. Raises `NotReady` when none was."""
    path = _manifest(home, feed, half_year)
    if not path.is_file():
        raise NotReady(
            f"{feed} {half_year}: nothing has been accepted yet. Run ingest_{feed} with half_year={half_year} first."
        )
    return _entries(path, f"Run ingest_{feed} with half_year={half_year} again.")


def counting(home: CityHome, feed: str, half_year: str, adds_up: bool = False) -> list[Entry]:
    """The deliveries that count of a feed's half-year. Raises `NotReady` when none was accepted."""
    return deliveries.counting(accepted(home, feed, half_year), adds_up)


def latest(home: CityHome, feed: str, half_year: str) -> Entry:
    """The delivery of a feed's half-year that was received last. Raises `NotReady` when none was accepted."""
    return counting(home, feed, half_year)[-1]


def half_years(home: CityHome, feed: str) -> list[str]:
    """The half-years of which a feed has something accepted."""
    return sorted(path.stem for path in (home.lake / "manifests" / feed).glob("*.json"))


def _manifest(home: CityHome, feed: str, half_year: str) -> Path:
    return home.lake / "manifests" / feed / f"{half_year}.json"


def _entries(path: Path, remedy: str) -> list[Entry]:
    written = read_json(path, remedy)
    # Before deliveries were kept side by side, a manifest was the one delivery that counted.
    found: list[Entry] = written.get("deliveries", [written])
    return found
