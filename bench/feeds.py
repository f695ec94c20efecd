"""How long a large delivery of repair reports takes from its CSV to the lake, held against DuckDB's plain COPY.

    python bench/feeds.py [ROWS] [--memory 1GB] [--work DIR]

Everything is synthetic and the same in every run. Each part runs in a process of its own, which tells its time and the
most memory that it held. Exits with 1 when a row was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "plugins"))

import duckdb  # noqa: E402

CITY, HALF_YEAR = "bench", "2026H1"
RECEIVED_AT = datetime(2026, 7, 10, tzinfo=UTC)
WEST, SOUTH, STEP, COLUMNS, ROWS = 118.3, 28.5, 0.02, 30, 20
"""The units: a grid of squares, in degrees."""
PROFILE = """
city: bench
name: {zh: 基准测试（合成）, en: Benchmark (synthetic)}
is_synthetic: true
time_zone: Asia/Shanghai
projected_crs: EPSG:4549
box: {lon_min: 118.0, lon_max: 119.4, lat_min: 28.2, lat_max: 29.6}
half_years: [2026H1, 2026H1]
demo_half_years: [2026H1, 2026H1]
provided_kinds: [F01]
known_gaps: []
sources:
  files: {title: synthetic, licence: MIT, folder: bench}
feeds:
  communities:
    tables:
      - table: communities
        source: files
        files: units.geojson
        format: geo
        columns:
          community_id: {from: id}
          community_name: {from: name}
          street_id: {from: street}
          street_name: {from: street}
          county_id: {from: county}
          county_name: {from: county}
          geometry: {geometry: polygon}
          is_geometry_repaired: {geometry: was_repaired}
  repair_reports:
    tables:
      - table: repair_reports
        source: files
        files: reports.csv
"""


# What is generated ---------------------------------------------------------------------------------------------------


def generate(folder: Path, rows: int) -> None:
    """Write the units and `rows` reports. 1 % of the rows is bad, 1 in 500 repeats the one 50 before it."""
    folder.mkdir(parents=True)
    _write_units(folder / "units.geojson")
    # hash(i, salt) is the same on every machine: no seed, no order.
    draw = "(hash(i, '{}') % {})::bigint".format
    wrong = "case when (hash(i, 'bad') % 100) = 0 then (hash(i, 'kind') % 7) end"
    at = "timestamp '2026-01-01 08:00:00' + to_seconds({})".format
    names = "['房屋渗漏', '消防设施', '燃气', '电梯故障', '道路破损', '路灯', '垃圾清运', '楼道保洁', '供水', '排水堵塞', '其他']"
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        connection.execute(
            f"""
            copy (
                with numbered as (
                    select case when n % 500 = 499 then n - 50 else n end as i from range({rows}) as t(n)
                ),
                drawn as (
                    select i, {draw("at", 15500000)} as s, {draw("x", COLUMNS * 1000)} as x, {draw("y", ROWS * 1000)} as y,
                        {draw("open", 10)} = 0 as is_open, {wrong} as bad
                    from numbered
                )
                select
                    'R' || lpad(i::varchar, 9, '0') as 工单编号,
                    {at("s + case when is_open then 3600 else 90000 end")} as 更新时间,
                    {at("s")} as 上报时间,
                    {at(f"s + {draw('d', 7200)}")} as 分转时间,
                    {at(f"s + 7200 + {draw('f', 36000)}")} as 首次回应时间,
                    {at("s + 172800")} as 应办结时间,
                    case when is_open then null
                        when bad = 0 then {at("s - 86400")}
                        else {at(f"s + 50000 + {draw('c', 40000)}")} end as 办结时间,
                    case when bad = 1 then '不明类别' else {names}[1 + {draw("cat", 11)}] end as 类别,
                    case when {draw("type", 3)} = 0 then '投诉' else '报修' end as 诉求类型,
                    ['热线', '小程序', '网格员', '窗口'][1 + {draw("ch", 4)}] as 渠道,
                    '责任部门' || {draw("dep", 40)} as 责任部门,
                    case when bad = 2 then 'u999999' else 'u' || lpad((y // 1000 * {COLUMNS} + x // 1000)::varchar, 3, '0')
                        end as 社区编码,
                    case when bad = 3 then 0 when bad = 4 then {SOUTH} + y * {STEP / 1000}
                        else {WEST} + x * {STEP / 1000} end::decimal(9, 6) as 经度,
                    case when bad = 3 then 0 when bad = 4 then {WEST} + x * {STEP / 1000}
                        else {SOUTH} + y * {STEP / 1000} end::decimal(9, 6) as 纬度,
                    case when bad = 5 then '9' when bad = 6 then '满意' when is_open then null
                        else ({draw("r", 5)} + 1)::varchar end as 评价,
                    case when is_open then '待办' else '已办结' end as 状态,
                    '000-0000-' || lpad({draw("tel", 10000)}::varchar, 4, '0') as 联系电话,
                    ['楼道灯不亮，请尽快处理', '小区门口积水，老人出行不便', '电梯停运，已报物业'][1 + {draw("text", 3)}]
                        as 描述
                from drawn
            ) to '{folder / "reports.csv"}' (format csv, header)
            """
        )


def _write_units(path: Path) -> None:
    def square(column: int, row: int) -> list[list[float]]:
        west, south = WEST + column * STEP, SOUTH + row * STEP
        east, north = west + STEP, south + STEP
        return [[west, south], [east, south], [east, north], [west, north], [west, south]]

    features = [
        {
            "type": "Feature",
            "properties": {
                "id": f"u{row * COLUMNS + column:03}",
                "name": f"unit {row}.{column}",
                "street": f"s{row:02}",
                "county": f"{row // 5}",
            },
            "geometry": {"type": "Polygon", "coordinates": [square(column, row)]},
        }
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def project(work: Path) -> None:
    """A project folder with nothing but the benchmark's city; expectations and models are this project's."""
    import yaml

    sample = yaml.safe_load(
        (PROJECT / "cities" / "quzhou_sample" / "profile.yml").read_text(encoding="utf-8")
    )
    profile = yaml.safe_load(PROFILE)
    [reports] = sample["feeds"]["repair_reports"]["tables"]
    taken = {
        k: v
        for k, v in reports["columns"].items()
        if k not in ("reopen_of", "asset_id", "reporter_key", "description")
    }
    profile["feeds"]["repair_reports"]["tables"][0]["columns"] = taken
    folder = work / "project" / "cities" / CITY
    folder.mkdir(parents=True)
    (folder / "profile.yml").write_text(
        yaml.safe_dump(profile, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    for name in ("expectations", "dbt_project"):
        (work / "project" / name).symlink_to(PROJECT / name)


# Parts, each in its own process --------------------------------------------------------------------------------------


def copy(work: Path) -> dict[str, Any]:
    """The reference: what DuckDB needs to read the CSV and to write parquet."""
    with duckdb.connect() as connection:
        started = time.perf_counter()
        connection.execute(
            f"copy (select * from read_csv('{work / 'sources' / CITY / 'reports.csv'}')) "
            f"to '{work / 'reference.parquet'}' (format parquet)"
        )
        return {"seconds": time.perf_counter() - started}


def pipeline(work: Path) -> dict[str, Any]:
    """Landing → mapping → gate → accepted, as the DAG's tasks do it."""
    from citycheck.steps import ingest

    _feed(ingest, "communities")
    steps = _feed(ingest, "repair_reports")
    manifest = steps.pop("manifest")
    counts = {
        key: sum(row[key] for row in manifest["ledger"])
        for key in ("rows_in", "rows_accepted", "rows_quarantined", "rows_duplicate")
    }
    reasons = manifest["tables"]["repair_reports"]["quarantined_by_reason"]
    return {"seconds": sum(steps.values()), "steps": steps, "rows": counts, "reasons": reasons}


def _feed(ingest: Any, feed: str) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = step()
        told[name] = time.perf_counter() - started
        return result

    delivery = timed("land", lambda: ingest.land(CITY, feed, HALF_YEAR, RECEIVED_AT))
    timed("map", lambda: ingest.map_delivery(CITY, feed, HALF_YEAR, delivery))
    timed("gate", lambda: ingest.gate(CITY, feed, HALF_YEAR, delivery))
    told["manifest"] = timed("accept", lambda: ingest.accept(CITY, feed, HALF_YEAR, delivery))
    return told


def points(work: Path) -> dict[str, Any]:
    """Points to the unit that they lie in, by the join of dbt's int_point_communities; a part of them by shapely too."""
    import numpy as np
    import shapely

    from citycheck import duck

    units = SHARED_UNITS if SHARED_UNITS.is_file() else work / "sources" / CITY / "units.geojson"
    with duck.connect(memory_limit="1500MB", temp=work / "spill") as connection:
        connection.execute("set threads = 2")
        connection.execute(
            f"create table units as select row_number() over () as id, geom from st_read('{units}')"
        )
        box = "st_xmin(b), st_xmax(b) - st_xmin(b), st_ymin(b), st_ymax(b) - st_ymin(b)"
        west, width, south, height = connection.execute(
            f"select {box} from (select st_extent_agg(geom) as b from units)"
        ).fetchall()[0]
        draw = "(hash(i, '{}') % 1000003) / 1000003.0".format
        connection.execute(
            f"""
            create table points as select i, {west} + {width} * {draw("x")} as lon, {south} + {height} * {draw("y")} as lat
            from range({json.loads((work / "points.json").read_text())}) as t(i)
            """
        )
        started = time.perf_counter()
        connection.execute(
            """
            create table located as
            select i, min(id) as id
            from (select i, st_point(lon, lat) as place from points) inner join units on st_intersects(geom, place)
            group by i
            """
        )
        seconds = time.perf_counter() - started
        some = connection.execute("select lon, lat, i from points order by i limit 1000000").fetchnumpy()
        shapes = connection.execute("select st_aswkb(geom) as wkb from units order by id").fetchnumpy()["wkb"]
        tree = shapely.STRtree(shapely.from_wkb([bytes(shape) for shape in shapes]))
        started = time.perf_counter()
        row, unit = tree.query(shapely.points(some["lon"], some["lat"]), predicate="intersects")
        by_shapely = time.perf_counter() - started
        expected = np.full(len(some["i"]), len(shapes) + 1)
        np.minimum.at(expected, row, unit + 1)
        found = np.full(len(some["i"]), len(shapes) + 1)
        ours = connection.execute("select i, id from located where i < 1000000").fetchnumpy()
        found[ours["i"]] = ours["id"]
        inside = connection.execute("select count(*) from located").fetchall()[0][0]
    return {
        "seconds": seconds,
        "units": len(shapes),
        "inside": inside,
        "shapely_seconds": by_shapely,
        "shapely_points": len(found),
        "differ": int((found != expected).sum()),
    }


PARTS = {"copy": copy, "pipeline": pipeline, "points": points}
SHARED_UNITS = PROJECT.parent / "shared" / "data" / "tainan" / "boundaries_population" / "cunli.topo.json"
"""Real units, where they lie beside the project; else the squares of the benchmark."""


def run_part(name: str, work: Path, memory: str) -> dict[str, Any]:
    environment = os.environ | {
        "CITYCHECK_PROJECT": str(work / "project"),
        "CITYCHECK_HOME": str(work / "var"),
        "CITYCHECK_SOURCES": str(work / "sources"),
        "CITYCHECK_DUCKDB_MEMORY_LIMIT": memory,
    }
    command = [sys.executable, __file__, "--part", name, "--work", str(work)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument(
        "--points", type=int, default=None, help="points to assign to units (default: as many as rows)"
    )
    parser.add_argument("--memory", default="1GB", help="DuckDB's memory limit in the pipeline")
    parser.add_argument("--work", type=Path, help="folder for the files, kept; default: a temporary one")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        told = PARTS[asked.part](asked.work)
        used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(json.dumps(told | {"gib": sum(used) / 2**20}))
        return 0
    if not 1 <= asked.rows <= 10_000_000:
        parser.error("rows: expected 1 to 10,000,000")
    work = asked.work or Path(tempfile.mkdtemp(prefix="bench-feeds-"))
    try:
        return bench(work, asked.rows, asked.memory, asked.points or asked.rows)
    finally:
        if asked.work is None:
            shutil.rmtree(work, ignore_errors=True)


def bench(work: Path, rows: int, memory: str, points: int) -> int:
    if not (work / "sources").exists():
        generate(work / "sources" / CITY, rows)
    shutil.rmtree(work / "project", ignore_errors=True)
    shutil.rmtree(work / "var", ignore_errors=True)
    project(work)
    size = (work / "sources" / CITY / "reports.csv").stat().st_size
    print(f"{rows:,} repair reports, {size / 2**20:,.0f} MiB of CSV, {os.cpu_count()} cores")
    reference = run_part("copy", work, memory)
    print(f"DuckDB COPY           {reference['seconds']:8.1f} s  {reference['gib']:5.2f} GiB")
    told = run_part("pipeline", work, memory)
    ratio = told["seconds"] / reference["seconds"]
    print(
        f"landing to accepted   {told['seconds']:8.1f} s  {told['gib']:5.2f} GiB  {ratio:.1f} times the COPY"
    )
    print("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in told["steps"].items()))
    counts = told["rows"]
    adds_up = counts["rows_in"] == rows == sum(v for k, v in counts.items() if k != "rows_in")
    print(
        f"  {counts['rows_in']:,} rows in = {counts['rows_accepted']:,} accepted + {counts['rows_quarantined']:,} "
        f"quarantined + {counts['rows_duplicate']:,} duplicates: {'yes' if adds_up else 'NO'}"
    )
    print("  " + ", ".join(f"{reason} {count:,}" for reason, count in told["reasons"].items()))
    (work / "points.json").write_text(json.dumps(points))
    located = run_part("points", work, memory)
    rate = located["seconds"] / points, located["shapely_seconds"] / located["shapely_points"]
    print(
        f"{points:,} points to {located['units']} units {located['seconds']:.1f} s  {located['gib']:5.2f} GiB, "
        f"{located['inside']:,} inside; shapely's STRtree takes {rate[1] / rate[0]:.1f} times as long a point; "
        f"{located['differ']} of {located['shapely_points']:,} compared points differ"
    )
    return 0 if adds_up and not located["differ"] else 1


if __name__ == "__main__":
    sys.exit(main())
