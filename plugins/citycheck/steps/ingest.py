"""From a source to the lake: land → map → gate → accept, one feed and half-year at a time.

Each step leaves its result in the city's work folder and can be run again after any interruption; only `accept`
changes what counts, in one step, by replacing a manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from citycheck import __version__, connections, progress, standard
from citycheck.cities import mapping
from citycheck.cities.profile import City, load_city
from citycheck.connections import Lookup
from citycheck.errors import GateFailed, NotReady
from citycheck.lake import deliveries, landing, store
from citycheck.lake.files import read_json, replacing, telling_disk_full, write_json
from citycheck.lake.store import LedgerRow
from citycheck.lake.tables import tables_of
from citycheck.period import HalfYear, utc_naive
from citycheck.privacy import hashing
from citycheck.settings import CityHome, settings

MATCHES = "facility_matches"
"""The table of the lake that is made of accepted facilities: pairs of rows of different sources."""
_AGAIN = "Run the ingest again from the task `map_rows`."


def covers(city: str, half_year: str) -> bool:
    """Whether the city's sources cover a half-year."""
    return load_city(city).profile.covers(HalfYear.parse(half_year))


@progress.step("land")
def land(
    city: str,
    feed: str,
    half_year: str,
    received_at: datetime,
    lookup: Lookup = connections.from_environment,
) -> str:
    """Bring the source's files into landing; returns the delivery's id.

    A source that was asked for changes and has none gives the id of the delivery that was accepted last.
    """
    home, about = settings().city_home(city), load_city(city)
    known = store.accepted(home, feed, half_year) if half_year in store.half_years(home, feed) else []
    try:
        delivery = landing.land(
            about, feed, HalfYear.parse(half_year), home, settings().sources, received_at, lookup,
            deliveries.watermarks(known),
        )  # fmt: skip
    except landing.NothingNew as told:
        progress.detail(str(told))
        return str(store.latest(home, feed, half_year)["delivery"])
    return delivery.id


@progress.step("map")
def map_delivery(
    city: str,
    feed: str,
    half_year: str,
    delivery_id: str,
    lookup: Lookup = connections.from_environment,
) -> dict[str, int]:
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
                reading, settings().duckdb_memory_limit, _key(lookup),
            )
        ]  # fmt: skip
        write_json(work / "counts.json", [asdict(count) for count in counts])
    return {
        table: sum(c.rows_in for c in counts if c.table == table) for table in _mapped_tables(about, feed)
    }


@progress.step("gate")
def gate(city: str, feed: str, half_year: str, delivery_id: str) -> dict[str, dict[str, int]]:
    """Split the mapped rows into accepted and quarantined; returns the quarantined rows of each table by reason."""
    from citycheck.quality.gate import gate_feed

    home, about = settings().city_home(city), load_city(city)
    delivery = landing.receipt(home, feed, half_year, delivery_id)
    work = _work(home, about, delivery)
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
            feed, half_year, mapped, work, settings().expectations, _parameters(about, home, delivery),
            home.data_docs, delivery_id, _tolerances(about), settings().duckdb_memory_limit,
        )  # fmt: skip
        if "facilities" in mapped:
            _match_facilities(about, work)
    return {table: store.rows_by_reason(work / f"{table}.quarantine.parquet") for table in mapped}


def _match_facilities(about: City, work: Path) -> None:
    """Write which rows of several sources are the same facility; every row stays in the lake."""
    from citycheck.matching.decisions import read_decisions
    from citycheck.matching.match import match

    columns = ["facility_id", "facility_name", "kind_code", "subtype", "lon", "lat", "source_file"]
    facilities = pq.read_table(work / "facilities.accepted.parquet", columns=columns)
    file = about.folder / "facility_matches.csv"
    matches = match(facilities, about.profile.matching, read_decisions(file) if file.is_file() else [])
    with replacing(work / f"{MATCHES}.accepted.parquet") as temporary:
        pq.write_table(matches, temporary, compression="zstd")


@progress.step("accept")
def accept(
    city: str,
    feed: str,
    half_year: str,
    delivery_id: str,
    lookup: Lookup = connections.from_environment,
) -> dict[str, Any]:
    """Check that no row was lost, move the files into the lake and let them count; returns what the manifest keeps.

    Earlier deliveries that still count are mapped and gated again where the profile, the suites or the communities
    have changed since, so that all that counts was judged alike.
    """
    home, about = settings().city_home(city), load_city(city)
    delivery = landing.receipt(home, feed, half_year, delivery_id)
    with _alone(home, feed, half_year):
        accepted = _accept(home, about, delivery)
        counting = store.counting(home, feed, half_year, adds_up(about, feed))
    recipe = _recipe(home, about, feed, half_year)
    for entry in counting:
        if entry["recipe"] != recipe:
            try:
                landing.receipt(home, feed, half_year, entry["delivery"])
            except NotReady as told:
                progress.detail(f"{told} Until then it counts as it was accepted.")
                continue
            map_delivery(city, feed, half_year, entry["delivery"], lookup)
            gate(city, feed, half_year, entry["delivery"])
            with _alone(home, feed, half_year):
                _accept(home, about, landing.receipt(home, feed, half_year, entry["delivery"]))
    return accepted


def adds_up(about: City, feed: str) -> bool:
    """Whether the deliveries of a feed are versions that add up, as its tables and the profile say."""
    mapped = about.profile.tables_of(feed)
    keeps = any(table.keeps_versions for table in tables_of(feed))
    return keeps and not any(table_map.is_complete for table_map in mapped)


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
        tables = {table: _table_entry(half_year, name, table, work) for table in _mapped_tables(about, feed)}
        if "facilities" in tables:
            tables[MATCHES] = _table_entry(half_year, name, MATCHES, work)
        write_json(
            manifest_path,
            {
                "city": delivery.city,
                "feed": feed,
                "half_year": half_year,
                "delivery": delivery.id,
                "recipe": name.removeprefix(f"{delivery.id}-"),
                "communities": _communities_sha256(home, about, feed, half_year),
                "since": delivery.since,
                "watermarks": delivery.watermarks,
                "absent_periods": list(delivery.absent_periods),
                "files": [asdict(file) for file in delivery.files],
                "tables": tables,
                "half_years": _half_years(about, feed, work),
                "unmapped": _unmapped(about, feed, work),
                "encodings": {count["file"]: count["encoding"] for count in counts if count["encoding"]},
                "ledger": [asdict(row) for row in ledger],
                "warnings": _warnings(work),
            },
        )
    manifest: dict[str, Any] = read_json(manifest_path, _AGAIN) | {"received": delivery.receipts[-1]}
    # A first try may have died between two moves: what is still in the work folder is moved now.
    for table in manifest["tables"]:
        for kind in ("accepted", "quarantine"):
            file = work / f"{table}.{kind}.parquet"
            if file.is_file():
                store.put(home, kind, table, half_year, name, file)
    store.accept(home, feed, half_year, manifest)
    return manifest


def _half_years(about: City, feed: str, work: Path) -> dict[str, dict[str, int]]:
    """Accepted rows of each table of events by the half-year in which they happened."""
    return {
        table.name: store.rows_by_half_year(
            work / f"{table.name}.accepted.parquet", table.event, about.profile.zone
        )
        for table in tables_of(feed)
        if table.event and table.name in _mapped_tables(about, feed)
    }


def _unmapped(about: City, feed: str, work: Path) -> list[dict[str, Any]]:
    """How many texts of each column no map covers, and in how many rows; the texts stay in the file beside the rows."""
    return [
        {"table": table} | row
        for table in _mapped_tables(about, feed)
        for row in pq.read_table(mapping.unmapped_file(work / f"{table}.mapped.parquet"))
        .group_by("column_name")
        .aggregate([("value", "count_distinct"), ("rows", "sum")])
        .sort_by("column_name")
        .to_pylist()
    ]


def _table_entry(half_year: str, name: str, table: str, work: Path) -> dict[str, Any]:
    accepted, quarantine = work / f"{table}.accepted.parquet", work / f"{table}.quarantine.parquet"
    entry: dict[str, Any] = {
        "accepted": f"accepted/{table}/{half_year}/{name}.parquet",
        "accepted_sha256": store.sha256(accepted),
        "accepted_rows": pq.read_metadata(accepted).num_rows,
    }
    if table == MATCHES:  # made of rows that were judged before: nothing of it is held back
        return entry | {"quarantined_by_reason": {}}
    return entry | {
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
        count["rows_out_of_scope"],
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


def _key_fingerprint() -> str:
    """Tells one key of the hashes from another, and nothing about it."""
    connection = settings().hash_key_connection
    if connection:
        return connection
    return hashing.keyed_hash(hashing.key_of_home(settings().home).derive("recipe"), "")[:8]


def unmapped_lines(city: str, feed: str, half_year: str) -> list[str]:
    """The texts of the latest delivery, accepted or not, that no map covers: lines for the profile, most rows first."""
    home, about = settings().city_home(city), load_city(city)
    made = sorted(
        (home.work / feed / half_year).glob("*/counts.json"), key=lambda path: path.stat().st_mtime_ns
    )
    if not made:
        raise NotReady(f"{feed} {half_year}: nothing has been mapped yet. Run ingest_{feed} first.")
    lines = []
    for table in _mapped_tables(about, feed):
        file = mapping.unmapped_file(made[-1].parent / f"{table}.mapped.parquet")
        rows = pq.read_table(file).to_pylist() if file.is_file() else []
        for column in dict.fromkeys(row["column_name"] for row in rows):
            lines.append(f"# {table}.{column}, under `values`:")
            lines += [
                f"  {json.dumps(row['value'], ensure_ascii=False)}: null   # {row['rows']} row(s)"
                for row in rows
                if row["column_name"] == column
            ]
    return lines


def matched_pairs(city: str, half_year: str, decision: str) -> list[dict[str, Any]]:
    """The compared pairs of facilities that were decided in this way, ready to be reviewed."""
    from citycheck.matching.review import review_lines

    home = settings().city_home(city)
    tables = store.latest(home, "facilities", half_year)["tables"]
    pairs, facilities = (
        pq.read_table(home.lake / tables[name]["accepted"]) for name in (MATCHES, "facilities")
    )
    return [line for line in review_lines(pairs, facilities) if line["decision"] == decision]


def _parameters(about: City, home: CityHome, delivery: landing.Delivery) -> dict[str, Any]:
    """What the suites leave open: the city's box, the half-years, when it was received, and the codes that exist."""
    profile, period, feed = about.profile, HalfYear.parse(delivery.half_year), delivery.feed
    margin = timedelta(
        days=7 if _has_weekly_files(about, feed) else 0
    )  # the weeks at both ends reach over the bound
    received_at, end = utc_naive(delivery.received_at), utc_naive(period.end(profile.zone))
    communities: list[str] = []
    known = store.latest(home, "communities", delivery.half_year)["tables"] if feed != "communities" else {}
    if "communities" in known:  # a city may have none yet: then no row is checked against them
        accepted = home.lake / known["communities"]["accepted"]
        communities = pq.read_table(accepted, columns=["community_id"])["community_id"].to_pylist()
    return {
        **profile.box.model_dump(),
        "period_start": utc_naive(period.start(profile.zone)),
        "period_end": end,
        "covered_start": utc_naive(profile.first.start(profile.zone) - margin),
        "covered_end": utc_naive(profile.last.end(profile.zone) + margin)
        if profile.last
        else max(received_at, end),
        "received_at": received_at,
        # Of a delivery of changes alone, nothing need lie in its half-year.
        "asked_for_everything": [True] if delivery.since is None else [],
        "community_ids": communities,
        "kind_codes": standard.codes("facility_kinds", "kind_code"),
        "category_codes": standard.codes("repair_categories", "category_code"),
        "need_codes": standard.codes("needs", "need_code"),
        "service_types": standard.codes("service_types", "type_code"),
    }


def _tolerances(about: City) -> dict[str, dict[str, tuple[float, str]]]:
    """What the city declares of its sources: table → reason code → share of rows, and why."""
    declared: dict[str, dict[str, tuple[float, str]]] = {}
    for tolerance in about.profile.tolerances:
        declared.setdefault(tolerance.table, {})[tolerance.reason_code] = (
            tolerance.share_max,
            tolerance.reason,
        )
    return declared


def _key(lookup: Lookup) -> hashing.Key:
    """The key of this deployment's hashes: from the connection, where there is one, else a file made on first use."""
    connection = settings().hash_key_connection
    return (
        hashing.key_of_connection(lookup(connection)) if connection else hashing.key_of_home(settings().home)
    )


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
    accepted = store.latest(home, "communities", half_year)["tables"].get("communities")
    return accepted["accepted_sha256"] if accepted else None


def _recipe(home: CityHome, about: City, feed: str, half_year: str) -> str:
    """A hash of all that turns a delivery into accepted rows: profile, schema, suites, code, known communities."""
    digest = hashlib.sha256(f"{__version__} {about.fingerprint()}".encode())
    digest.update(str(_communities_sha256(home, about, feed, half_year)).encode())
    package = Path(__file__).parents[1]
    for part in ("cities", "feeds", "matching", "privacy", "quality", "lake/tables.yml", "lake/tables.py"):
        path = package / part
        files = [file for file in path.rglob("*") if file.suffix in (".py", ".yml", ".csv")] or [path]
        for file in sorted(files):
            digest.update(file.read_bytes())
    mapped = {name for table_map in about.profile.tables_of(feed) for name in table_map.columns}
    if any(c.purpose and c.name in mapped for table in tables_of(feed) for c in table.columns):
        digest.update(_key_fingerprint().encode())
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
