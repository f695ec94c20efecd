"""From a source to the lake: land → map → gate → accept, one feed and half-year at a time.

Each step leaves its result in the city's work folder and can be run again after any interruption; only `accept`
changes what counts, in one step, by replacing a manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from citycheck import __version__, standard
from citycheck.cities import mapping
from citycheck.cities.profile import City, load_city
from citycheck.errors import GateFailed, NotReady
from citycheck.lake import landing, store
from citycheck.lake.files import read_json, telling_disk_full, write_json
from citycheck.lake.store import LedgerRow
from citycheck.lake.tables import tables_of
from citycheck.period import HalfYear, utc_naive
from citycheck.settings import CityHome, settings

_AGAIN = "Run the ingest again from the task `map_rows`."


def covers(city: str, half_year: str) -> bool:
    """Whether the city's sources cover a half-year."""
    profile = load_city(city).profile
    return profile.first <= HalfYear.parse(half_year) <= profile.last


def land(city: str, feed: str, half_year: str, received_at: datetime) -> str:
    """Bring the source's files into landing; returns the delivery's id."""
    home = settings().city_home(city)
    delivery = landing.land(
        load_city(city), feed, HalfYear.parse(half_year), home, settings().sources, received_at
    )
    return delivery.id


def map_delivery(city: str, feed: str, half_year: str, delivery_id: str) -> dict[str, int]:
    """Turn a delivery's files into one typed parquet file a lake table; returns the rows of each."""
    home, about = settings().city_home(city), load_city(city)
    delivery = landing.load(home, feed, half_year, delivery_id)
    work = _work(home, about, delivery)
    # Rows are read where landing is, because they still hold what may not get past it.
    reading = home.landing / ".staging" / f"{feed}-{half_year}-reading"
    with _alone(home, feed, half_year):
        counts = [
            count
            for table in _mapped_tables(about, feed)
            for count in mapping.map_table(
                about, delivery, delivery.folder(home), table, work / f"{table}.mapped.parquet",
                reading, settings().duckdb_memory_limit,
            )
        ]  # fmt: skip
        write_json(work / "counts.json", [asdict(count) for count in counts])
    return {
        table: sum(c.rows_in for c in counts if c.table == table) for table in _mapped_tables(about, feed)
    }


def gate(city: str, feed: str, half_year: str, delivery_id: str) -> dict[str, dict[str, int]]:
    """Split the mapped rows into accepted and quarantined; returns the quarantined rows of each table by reason."""
    from citycheck.quality.gate import gate_feed

    home, about = settings().city_home(city), load_city(city)
    work = _work(home, about, landing.load(home, feed, half_year, delivery_id))
    mapped = {table: work / f"{table}.mapped.parquet" for table in _mapped_tables(about, feed)}
    absent = [path.name for path in mapped.values() if not path.is_file()]
    if absent:
        raise NotReady(
            f"{feed} {half_year}: {', '.join(absent)} of delivery {delivery_id} is not there. Run the task `map` first."
        )
    if not mapped:
        write_json(work / "verdict.json", {"passed": True, "tables": []})
        return {}
    with _alone(home, feed, half_year):
        gate_feed(
            feed, half_year, mapped, work, settings().expectations, _parameters(about, home, feed, half_year),
            home.data_docs, delivery_id,
        )  # fmt: skip
    return {table: store.rows_by_reason(work / f"{table}.quarantine.parquet") for table in mapped}


def accept(city: str, feed: str, half_year: str, delivery_id: str) -> dict[str, Any]:
    """Check that no row was lost, move the files into the lake and let them count; returns the manifest."""
    home, about = settings().city_home(city), load_city(city)
    delivery = landing.load(home, feed, half_year, delivery_id)
    with _alone(home, feed, half_year):
        return _accept(home, about, delivery)


def _accept(home: CityHome, about: City, delivery: landing.Delivery) -> dict[str, Any]:
    feed, half_year = delivery.feed, delivery.half_year
    work = _work(home, about, delivery)
    name = work.name
    manifest_path = work / "manifest.json"
    if not manifest_path.is_file():
        if not read_json(work / "verdict.json", _AGAIN)["passed"]:
            raise GateFailed(
                f"{feed} {half_year}: the gate stopped delivery {delivery.id}, so it cannot be accepted. "
                "Correct what the gate named and run the ingest again."
            )
        counts = read_json(work / "counts.json", _AGAIN)
        ledger = [_ledger_row(delivery, work, count) for count in counts]
        for row in ledger:
            row.check()
        tables = {
            table: _table_entry(home, half_year, name, table, work) for table in _mapped_tables(about, feed)
        }
        write_json(
            manifest_path,
            {
                "city": delivery.city,
                "feed": feed,
                "half_year": half_year,
                "delivery": delivery.id,
                "recipe": name.removeprefix(f"{delivery.id}-"),
                "communities": _communities_sha256(home, about, feed, half_year),
                "absent_periods": list(delivery.absent_periods),
                "files": [asdict(file) for file in delivery.files],
                "tables": tables,
                "ledger": store.as_dicts(ledger),
                "warnings": _warnings(work),
            },
        )
    manifest: dict[str, Any] = read_json(manifest_path, _AGAIN)
    # A first try may have died between two moves: what is still in the work folder is moved now.
    for table in manifest["tables"]:
        for kind in ("accepted", "quarantine"):
            file = work / f"{table}.{kind}.parquet"
            if file.is_file():
                store.put(home, kind, table, half_year, name, file)
    store.write_manifest(home, feed, half_year, manifest)
    return manifest


def _table_entry(home: CityHome, half_year: str, name: str, table: str, work: Path) -> dict[str, Any]:
    accepted, quarantine = work / f"{table}.accepted.parquet", work / f"{table}.quarantine.parquet"
    return {
        "accepted": f"accepted/{table}/{half_year}/{name}.parquet",
        "accepted_sha256": store.sha256(accepted),
        "accepted_rows": pq.read_metadata(accepted).num_rows,
        "quarantine": f"quarantine/{table}/{half_year}/{name}.parquet",
        "quarantined_by_reason": store.rows_by_reason(quarantine),
    }


def _ledger_row(delivery: landing.Delivery, work: Path, count: dict[str, Any]) -> LedgerRow:
    table, file = count["table"], count["file"]
    return LedgerRow(
        delivery.feed,
        table,
        delivery.half_year,
        delivery.id,
        file,
        count["rows_in"],
        store.rows_by_file(work / f"{table}.accepted.parquet").get(file, 0),
        store.rows_by_file(work / f"{table}.quarantine.parquet").get(file, 0),
        count["rows_duplicate"],
    )


def _warnings(work: Path) -> list[dict[str, Any]]:
    """The checks of severity `warn` that failed: published with the release."""
    verdict = read_json(work / "verdict.json", _AGAIN)
    return [
        {"table": table["table"]}
        | {key: check[key] for key in ("type", "column", "unexpected_count", "unexpected_pct", "why")}
        for table in verdict["tables"]
        for check in table["checks"]
        if check["severity"] == "warn" and not check["success"]
    ]


def _parameters(about: City, home: CityHome, feed: str, half_year: str) -> dict[str, Any]:
    """What the suites leave open: the city's box, the half-year, and the codes that exist."""
    profile, period = about.profile, HalfYear.parse(half_year)
    margin = timedelta(
        days=7 if _has_weekly_files(about, feed) else 0
    )  # the weeks at both ends reach over the bound
    end = period.end(profile.zone)
    communities: list[str] = []
    if feed != "communities":
        manifest = store.read_manifest(home, "communities", half_year)
        accepted = home.lake / manifest["tables"]["communities"]["accepted"]
        communities = pq.read_table(accepted, columns=["community_id"])["community_id"].to_pylist()
    return {
        **profile.box.model_dump(),
        "period_start": utc_naive(period.start(profile.zone) - margin),
        "period_end": utc_naive(end + margin),
        "cut_off": utc_naive(end + timedelta(days=standard.parameter("cut_off_lag_days"))),
        "community_ids": communities,
        "kind_codes": standard.codes("facility_kinds", "kind_code"),
        "category_codes": standard.codes("repair_categories", "category_code"),
        "service_types": standard.codes("service_types", "type_code"),
    }


def _has_weekly_files(about: City, feed: str) -> bool:
    return any(t.covers is not None and t.covers.unit == "iso_week" for t in about.profile.tables_of(feed))


def _mapped_tables(about: City, feed: str) -> list[str]:
    """The tables of a feed that the city provides, in the lake's order."""
    provided = {table_map.table for table_map in about.profile.tables_of(feed)}
    return [table.name for table in tables_of(feed) if table.name in provided]


def _communities_sha256(home: CityHome, about: City, feed: str, half_year: str) -> str | None:
    """The accepted communities that a feed's rows are checked against; None for a feed that names none."""
    if feed == "communities" or not _mapped_tables(about, feed):
        return None
    found: str = store.read_manifest(home, "communities", half_year)["tables"]["communities"][
        "accepted_sha256"
    ]
    return found


def _recipe(home: CityHome, about: City, feed: str, half_year: str) -> str:
    """A hash of all that turns a delivery into accepted rows: profile, schema, suites, code, known communities."""
    digest = hashlib.sha256(f"{__version__} {about.fingerprint()}".encode())
    digest.update(str(_communities_sha256(home, about, feed, half_year)).encode())
    package = Path(__file__).parents[1]
    for name in ("cities/mapping.py", "lake/tables.yml", "quality/gate.py", "quality/expectations.py"):
        digest.update((package / name).read_bytes())
    for table in tables_of(feed):
        digest.update((settings().expectations / f"{table.name}.json").read_bytes())
    return digest.hexdigest()[:8]


def _work(home: CityHome, about: City, delivery: landing.Delivery) -> Path:
    recipe = _recipe(home, about, delivery.feed, delivery.half_year)
    return home.work / delivery.feed / delivery.half_year / f"{delivery.id}-{recipe}"


@contextmanager
def _alone(home: CityHome, feed: str, half_year: str) -> Iterator[None]:
    """One task at a time works on a feed's half-year; what the file system refuses is told in one sentence."""
    with telling_disk_full(home.root), landing.exclusive(home.work / feed / half_year / ".lock"):
        yield
