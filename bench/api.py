"""How fast the interface for other systems answers on loopback: 50th, 95th, 99th percentile and answers a second.

    python -m bench.api [--home HOME] [--large] [--seconds S] [--json FILE]

The server is Airflow's own api application in one uvicorn worker, as the api-server runs it: its login, its middlewares, its
database of withdrawn tokens (SQLite) and this plugin; the client sends a token. It serves a synthetic release of 133 communities
(6,000 with --large), or the releases of a home. Each request is asked on 1, 8 and 32 kept connections; the client is a process
of its own, so both share the machine's cores. `CPU ms` is the server's processor time an answer, which other work on the
machine disturbs less. Exits with 1 when a page of 100 features takes more than 50 ms in the 95th percentile at 8 connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "plugins"))

PORT = 8739
ROOT = f"http://127.0.0.1:{PORT}"
API = "/citycheck/api/v1"
LIMIT_MS = 50.0
CONCURRENCY = (1, 8, 32)
USER, PASSWORD = "operations_centre", "of-the-benchmark"
PAGES = {
    "100 features": ("/collections/communities/items?limit=100", {}),
    "100 features, gzip": ("/collections/communities/items?limit=100", {"Accept-Encoding": "gzip"}),
    "all communities": ("/collections/communities/items?limit=10000", {}),
    "in a box": ("/collections/facilities/items?bbox=118.7,28.7,118.75,28.75", {}),
    "one feature": ("/collections/communities/items/{feature}", {}),
    "100 rows of a table": ("/releases/{release}/tables/indicators?limit=100&offset=1000", {}),
    "rows by area": ("/releases/{release}/tables/indicators?area_level=county", {}),
    "304": ("/collections/communities/items?limit=100", {"If-None-Match": "{tag}"}),
}


def made(home: Path, communities: int) -> None:
    """A published release of as many communities, each a polygon of 60 corners, 20 facilities and 44 indicators each."""
    from citycheck.release.checksums import write_sums
    from citycheck.release.geometry import LAYERS
    from citycheck.release.publish import publish

    folder = home / "staged"
    for part in ("geometry", "tables"):
        (folder / part).mkdir(parents=True)
    generator = np.random.default_rng(7)
    ids = [f"330802{number:06d}" for number in range(communities)]
    centres = generator.uniform((118.0, 28.0), (119.0, 29.0), (communities, 2))
    resources: list[dict[str, Any]] = []
    for layer in LAYERS:
        each = 20 if layer.name == "facilities" else 1
        number = {"streets": 21, "counties": 6}.get(layer.name, communities * each)
        middles = np.repeat(centres, each, axis=0)[:number]
        shapes = shapely.points(middles + (generator.normal(0, 0.01, (number, 2)) if each > 1 else 0))
        shapes = (
            shapes if each > 1 else shapely.multipolygons(shapely.buffer(shapes, 0.01, quad_segs=15)[:, None])
        )
        columns = {
            name: [f"330802{n:06d}" for n in range(number)]
            for name in ("community_id", "street_id", "county_id")
        }
        columns |= {"kind_code": ["K01"] * number, "facility_id": [f"F{n:07d}" for n in range(number)]}
        columns |= {f"{layer.name}_name_{n}": ["新桥社区"] * number for n in range(4)}
        columns |= {f"figure_{n}": generator.uniform(0, 100, number).tolist() for n in range(6)}
        path = f"geometry/{layer.name}.parquet"
        pq.write_table(pa.table(columns | {"geometry": shapely.to_wkb(shapes).tolist()}), folder / path)
        resources.append({"path": path, "title": layer.title})
    rows = communities * 44
    columns = {
        "area_level": ["county"] * 264 + ["community"] * (rows - 264),
        "area_id": np.repeat(ids, 44).tolist(),
    }
    columns |= {"indicator_code": [f"I{n:02d}" for n in range(44)] * communities, "status": ["ok"] * rows}
    columns |= {f"figure_{n}": generator.uniform(0, 100, rows).tolist() for n in range(8)}
    columns |= {f"text_{n}": ["ok"] * rows for n in range(8)}
    pq.write_table(pa.table(columns), folder / "tables/indicators.parquet")
    fields = [{"name": name, "type": "any", "description": ""} for name in columns]
    schema = {"fields": fields, "primaryKey": ["area_level", "area_id", "indicator_code"]}
    resources.append({"path": "tables/indicators.parquet", "title": "Indicators", "schema": schema})
    period = {"start": "2026-01-01T00:00:00+08:00", "end": "2026-07-01T00:00:00+08:00"}
    publication = {"kind": "initial", "stage": "preliminary"}
    provenance = {"city": "quzhou_sample", "is_synthetic": True, "period": period, "publication": publication}
    package: dict[str, Any] = {"title_zh": "合成", "title_en": "Synthetic", "resources": resources}
    for name, written in (("provenance.json", provenance), ("datapackage.json", package)):
        (folder / name).write_text(json.dumps(written))
    write_sums(folder)
    publish(folder, home / "quzhou_sample" / "releases", "2026H1")


def serve() -> None:
    """The server, until it is ended."""
    import uvicorn
    from airflow import settings
    from airflow.api_fastapi.app import create_app
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    Base.metadata.create_all(settings.engine)
    uvicorn.run(create_app(apps="core"), host="127.0.0.1", port=PORT, log_level="warning", access_log=False)


@contextmanager
def served(home: Path, airflow: Path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """A server, and the headers that let one in."""
    airflow.mkdir()
    (airflow / "passwords.json").write_text(json.dumps({USER: PASSWORD}))
    environment = os.environ | {
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
        "AIRFLOW__API__SECRET_KEY": "1" * 64,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "CITYCHECK_HOME": str(home),
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.api", "--serve"],
        cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        waited(f"{ROOT}/api/v2/version", process)
        login = json.dumps({"username": USER, "password": PASSWORD}).encode()
        asked = urllib.request.Request(f"{ROOT}/auth/token", login, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            token = json.load(answer)["access_token"]
        yield psutil.Process(process.pid), {"Authorization": f"Bearer {token}"}
    finally:
        process.terminate()
        process.wait()


def waited(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{address} does not answer; `python -m bench.api --serve …` says why.")


async def asked(
    path: str, headers: dict[str, str], connections: int, seconds: float
) -> tuple[list[float], int]:
    """Seconds of each answer, and the bytes of one: every connection asks again when it was answered, for so long."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n{lines}\r\n".encode()
    expected = b"304" if "If-None-Match" in headers else b"200"
    took: list[float] = []
    size = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal size
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 26)
        while (start := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:12] != expected:
                sys.exit(f"{path}: {head.decode()}")
            length = next(
                (x[15:] for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), b"0"
            )
            size = len(await reader.readexactly(int(length))) if expected == b"200" else 0
            took.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took, size


def measured(server: psutil.Process, headers: dict[str, str], seconds: float) -> list[dict[str, Any]]:
    """Each request at each concurrency, after some answers that are not counted."""
    first = urllib.request.Request(f"{ROOT}{API}/collections/communities/items?limit=100", headers=headers)
    with urllib.request.urlopen(first, timeout=60) as answer:
        tag, found = answer.headers["ETag"], json.load(answer)
    release = f"{found['release']['half_year']}/{found['release']['version']}"
    lines = []
    for name, (path, more) in PAGES.items():
        path = API + path.format(feature=found["features"][0]["id"], release=release)
        sent = headers | {key: value.replace("{tag}", tag) for key, value in more.items()}
        asyncio.run(asked(path, sent, 1, 0.2))
        for connections in CONCURRENCY:
            before = sum(server.cpu_times()[:2])
            took, size = asyncio.run(asked(path, sent, connections, seconds))
            cpu_ms = (sum(server.cpu_times()[:2]) - before) / len(took) * 1000
            p50, p95, p99 = (float(np.percentile(took, q)) * 1000 for q in (50, 95, 99))
            line = {"request": name, "connections": connections, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
            lines.append(line | {"per_second": len(took) / seconds, "cpu_ms": cpu_ms, "bytes": size})
            figures = f"{p50:9.1f}{p95:9.1f}{p99:9.1f}{len(took) / seconds:9.0f}{cpu_ms:9.2f}{size:11,}"
            print(f"{name:20}{connections:5}{figures}", flush=True)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--home", type=Path, help="a CITYCHECK_HOME with releases, instead of the synthetic one"
    )
    parser.add_argument("--large", action="store_true", help="6,000 communities instead of 133")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each request is asked for")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        home = options.home or Path(scratch) / "home"
        if not options.home:
            made(home, 6_000 if options.large else 133)
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        columns = ("conn.", "p50 ms", "p95 ms", "p99 ms", "each s", "CPU ms", "bytes")
        print(f"{'request':20}" + "{:>5}{:>9}{:>9}{:>9}{:>9}{:>9}{:>11}".format(*columns))
        with served(home, Path(scratch) / "airflow") as (server, headers):
            lines = measured(server, headers, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2) + "\n")
    judged = next(line for line in lines if line["request"] == "100 features" and line["connections"] == 8)
    if judged["p95_ms"] > LIMIT_MS:
        print(
            f"FAILED a page of 100 features took {judged['p95_ms']:.0f} ms in the 95th percentile at 8 connections"
        )
    return int(judged["p95_ms"] > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
