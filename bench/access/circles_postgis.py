"""The same question to PostGIS, in a server of its own that ends with this process.

The server listens on no network, only on a socket in its own temporary folder. It refuses to run as root: for root it
runs as the user `postgres` that Debian's package makes.
"""

from __future__ import annotations

import io
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
from pyarrow import csv

from bench.access.circles_peers import radii
from bench.access.contestant import Clock, main

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "1GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "2",
    "max_parallel_maintenance_workers": "2",
    "jit": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
}
SAMPLE_SECONDS = 0.2


def run_postgis(folder: Path, clock: Clock) -> list[int]:
    """Points with a GiST index, each kind's facilities in a table of their own with one, and a join a kind.

    Asking of each point whether a facility exists (a semi-join) took PostGIS several times as long.
    """
    covered = []
    with (
        _server() as (pid, home),
        _Memory(pid) as memory,
        psycopg.connect(host=str(home), user="postgres", dbname="postgres", autocommit=True) as connection,
    ):
        connection.execute("create extension postgis")
        radius_of = radii(folder)
        with clock("load"):
            _load(connection, folder / "points.parquet", "points", "row_number() over () as point")
            _load(connection, folder / "facilities.parquet", "facilities", "kind")
            for kind in range(len(radius_of)):
                connection.execute(
                    f"create unlogged table kind{kind} as select geom from facilities where kind = {kind}"
                )
        with clock("set up"):
            for kind in range(len(radius_of)):
                connection.execute(f"create index on kind{kind} using gist (geom)")
            connection.execute("create index on points using gist (geom)")
            connection.execute("vacuum analyze")
        with clock("query"):
            for kind, radius in enumerate(radius_of):
                row = connection.execute(
                    f"select count(distinct p.point) from kind{kind} f "
                    f"join points p on ST_DWithin(p.geom, f.geom, {radius})"
                ).fetchone()
                assert row is not None
                covered.append(int(row[0]))
        version = connection.execute("select postgis_lib_version()").fetchone()
    clock.notes["memory_mib"] = memory.peak_mib
    clock.notes["processor_s"] = {}  # it is the server that works
    clock.notes["version"] = f"PostGIS {version[0] if version else '?'}"
    return covered


def _load(connection: psycopg.Connection, path: Path, table: str, column: str) -> None:
    """COPY into plain columns, then into points."""
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    types = {"x_m": "float8", "y_m": "float8", "kind": "int"}
    connection.execute(f"create unlogged table raw ({', '.join(f'{name} {types[name]}' for name in names)})")
    with connection.cursor() as cursor, cursor.copy("copy raw from stdin (format csv)") as copy:
        for batch in file.iter_batches(200_000):
            text = io.BytesIO()
            csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
            copy.write(text.getvalue())
    connection.execute(
        f"create unlogged table {table} as select ST_Point(x_m, y_m) as geom, {column} from raw"
    )
    connection.execute("drop table raw")


@contextmanager
def _server() -> Iterator[tuple[int, Path]]:
    home = Path(tempfile.mkdtemp(prefix="bench-access-"))
    server = None
    try:
        as_user: list[str | Path] = []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(home, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
        data = home / "data"
        initdb: list[str | Path] = [
            PROGRAMS / "initdb",
            "--pgdata",
            data,
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
        ]
        subprocess.run(
            [*as_user, *initdb, "--locale=C", "--encoding=UTF8"],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
        )
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with (home / "log").open("w") as log:
            server = subprocess.Popen(
                [*as_user, PROGRAMS / "postgres", "-D", data, "-k", home, *options],
                cwd=home,
                stdout=log,
                stderr=log,
            )
        _await(server, home)
        yield server.pid, home
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # ends sessions and stops
            server.wait()
        shutil.rmtree(home)


def _await(server: subprocess.Popen[bytes], home: Path) -> None:
    for _ in range(300):
        if (home / ".s.PGSQL.5432").exists():
            ready: list[str | Path] = [PROGRAMS / "pg_isready", "--quiet", "--host", home]
            if subprocess.run(ready).returncode == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")


class _Memory:
    """The most that the server's processes held together, shared pages counted once (PSS), looked at five times a second."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak_mib = max(self.peak_mib, sum(map(self._pss_mib, self._processes())))

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children")
        try:
            return [self._pid, *map(int, children.read_text().split())]
        except OSError:
            return [self._pid]

    @staticmethod
    def _pss_mib(pid: int) -> float:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            return int(rollup.split("\nPss:")[1].split()[0]) / 1024
        except (OSError, IndexError):  # it has ended
            return 0.0


if __name__ == "__main__":
    main({"PostGIS": run_postgis})
