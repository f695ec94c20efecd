"""How long the page of a release takes until its map is drawn, in a browser that has just been started.

    python -m bench.page [--city FOLDER] [--half-year CODE] [--chromium PROGRAM] [--runs N] [--json FILE]

The city is one that is built and released, such as the synthetic sample after `make demo`. Its marts are put side by side
46 times, to 6,000 communities: what that shows is made up even where the city is real. Both pages are opened from disk,
each time by a new browser with an empty profile; a time runs from the start of the navigation to the mark that the page
sets when the map is drawn. Exits with 1 when a limit is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "plugins"))

from citycheck.duck import connect  # noqa: E402
from citycheck.report.page import write_page  # noqa: E402

LIMITS_S = {"as released": 1.0, "6,000 communities": 3.0}
COMMUNITIES = 6_000
AREAS = (
    "county_index", "community_index", "index_scores", "index_uncertainty", "index_comparisons", "index_changes",
    "index_change_causes", "index_series", "index_vintages", "indicators", "dimension_scores", "kind_access",
    "survey_needs", "shortfalls", "facilities", "communities", "areas", "data_gaps", "detour_penalty",
    "projects", "programme_projects",
)  # fmt: skip
"""The marts that the page reads and that have rows of areas."""
IDS = (
    "area_id",
    "other_area_id",
    "community_id",
    "street_id",
    "county_id",
    "facility_id",
    "project_id",
    "candidate_id",
)
_MARK = "performance.getEntriesByName('map-drawn')[0]?.startTime ?? null"


class Browser:
    """A Chromium of its own, spoken to through two pipes."""

    def __init__(self, program: str, profile: Path) -> None:
        (reads, send), (receive, writes) = os.pipe(), os.pipe()
        self._send, self._receive = os.fdopen(send, "wb", 0), os.fdopen(receive, "rb", 0)
        # Chromium reads file descriptor 3 and writes 4.
        command = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1440,900",
        ]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command, program, *options, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            pass_fds=(reads, writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (reads, writes):
            os.close(end)  # or nobody would notice that the browser has ended
        self._count, self._rest = 0, b""

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._send.write(json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                if not (more := self._receive.read(65_536)):
                    raise SystemExit("The browser has ended; give another with --chromium.")
                self._rest += more
            text, self._rest = self._rest.split(b"\0", 1)
            if (answer := json.loads(text)).get("id") == self._count:
                return dict(answer.get("result") or {})

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._send.close()
        self._receive.close()


def drawn_s(program: str, page: Path) -> float:
    """Seconds from the start of the navigation until the map is drawn."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, Path(profile))
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.ask("Page.navigate", session, url=page.as_uri())
        for _ in range(600):
            time.sleep(0.1)
            found = browser.ask("Runtime.evaluate", session, expression=_MARK)["result"].get("value")
            if found is not None:
                browser.close()
                return float(found) / 1000
        browser.close()
        raise SystemExit(f"{page}: no map after a minute.")


def tile(source: Path, into: Path, tiles: int) -> None:
    """The build with its areas side by side, in a square of so many tiles."""
    shutil.copyfile(source, into)
    across = round(tiles**0.5)
    with connect(into) as connection:
        west, south, east, north = connection.execute(
            "select min(st_xmin(geometry)), min(st_ymin(geometry)), max(st_xmax(geometry)), max(st_ymax(geometry)) "
            "from marts.communities"
        ).fetchone() or (0, 0, 0, 0)
        for table in AREAS:
            columns = {name for (name, *_) in connection.execute(f"describe marts.{table}").fetchall()}
            changes = [f"{name} || '-' || tile as {name}" for name in IDS if name in columns]
            x, y = f"tile % {across} * {1.02 * (east - west)}", f"tile // {across} * {1.02 * (north - south)}"
            if "geometry" in columns:
                changes.append(f"st_affine(geometry, 1, 0, 0, 1, {x}, {y}) as geometry")
            if "lon" in columns:
                changes += [f"lon + {x} as lon", f"lat + {y} as lat"]
            if "site_lon" in columns:
                changes += [f"site_lon + {x} as site_lon", f"site_lat + {y} as site_lat"]
            where = "where area_level <> 'city'" if "area_level" in columns else ""
            connection.execute(
                f"insert into marts.{table} select * exclude (tile) from (select * replace ({', '.join(changes)}) "
                f"from marts.{table}, range(1, {tiles}) as t (tile) {where})"
            )


def write(database: Path, provenance: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The page of a build, and how large it is."""
    folder.mkdir()
    started = time.perf_counter()
    with connect(database, read_only=True) as connection:
        (communities,) = connection.execute("select count(*) from marts.communities").fetchone() or (0,)
        write_page(connection, provenance, [], folder)
    sizes = {file.name: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    return {
        "communities": communities,
        "written_s": round(time.perf_counter() - started, 2),
        "data_mb": round(sizes["data.js"] / 1e6, 2),
        "html_mb": round(sizes["index.html"] / 1e6, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--city", type=Path, default=PROJECT / "var" / "quzhou_sample")
    parser.add_argument("--half-year", default="2026H1")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    database = given.city / "warehouse" / f"{given.half_year}.duckdb"
    releases = sorted((given.city / "releases" / given.half_year).glob("*/provenance.json"))
    if not database.is_file() or not releases:
        print(
            f"{given.city}: no release of {given.half_year}; expected a city that is built. Run `make demo` first."
        )
        return 2
    provenance = {**json.loads(releases[-1].read_text(encoding="utf-8")), "is_synthetic": True}
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        large = Path(scratch) / "large.duckdb"
        with duckdb.connect() as connection:
            connection.execute(f"attach '{database}' as city (read_only)")
            (count,) = connection.execute("select count(*) from city.marts.community_index").fetchone() or (
                1,
            )
        tile(database, large, -(-COMMUNITIES // count))
        for name, build in (("as released", database), ("6,000 communities", large)):
            folder = Path(scratch) / name.replace(" ", "_")
            results[name] = write(build, provenance, folder)
            times = [drawn_s(given.chromium, folder / "index.html") for _ in range(given.runs)]
            results[name] |= {
                "drawn_s": round(statistics.median(times), 2),
                "slowest_s": round(max(times), 2),
            }
    print("| data | communities | data.js, MB | written, s | map drawn, s | slowest, s | limit, s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, of in results.items():
        cells = (of[key] for key in ("communities", "data_mb", "written_s", "drawn_s", "slowest_s"))
        print(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} | {LIMITS_S[name]:g} |")
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return int(any(of["drawn_s"] > LIMITS_S[name] for name, of in results.items()))


if __name__ == "__main__":
    sys.exit(main())
