"""What dbt did in each build, read from the files that it left. Knows nothing of Airflow, and writes nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from citycheck.settings import settings
from citycheck.steps.index import Build
from citycheck.web import ledger

CITY = r"^[a-z0-9_]{1,64}$"
HALF_YEAR = r"^[0-9]{4}H[12]$"
ID = r"^[0-9a-f]{16}$"
"""All that may become part of a path; nothing that they match leads out of its folder."""

OUTCOMES = {"success": "passed", "pass": "passed", "no-op": "passed", "warn": "warned", "skipped": "skipped"}
"""dbt's words → ours. What is not here has failed: error, fail, runtime error, partial success."""
ORDER = ("failed", "warned", "skipped", "passed")


@dataclass(frozen=True)
class Node:
    """A model, seed, test or hook of a build. `message` and `about` are text of others: they are to be escaped."""

    unique_id: str
    status: str
    seconds: float
    message: str
    about: str = ""
    path: str = ""
    tested: str = ""

    @property
    def kind(self) -> str:
        return self.unique_id.split(".")[0]

    @property
    def name(self) -> str:
        """As in the project, without the package and without the hash that dbt adds to a generic test."""
        parts = self.unique_id.split(".")
        return parts[2] if len(parts) > 2 else self.unique_id

    @property
    def outcome(self) -> str:
        return OUTCOMES.get(self.status, "failed")


@dataclass(frozen=True)
class Results:
    """What dbt did, or one process of it: worst first, and the slowest first among equals."""

    finished: datetime
    nodes: tuple[Node, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(node.outcome for node in self.nodes)


@dataclass(frozen=True)
class Listed:
    """A line of the list of builds. `version` is that of the release that was made of it, if any."""

    build: Build
    results: Results | None
    is_complete: bool
    version: int | None


def named(city: object, half_year: object, build_id: object) -> Build | None:
    """The build of that name, whether or not there are files of it; None when it cannot be a name."""
    parts = ((CITY, city), (HALF_YEAR, half_year), (ID, build_id))
    if all(isinstance(part, str) and re.fullmatch(pattern, part) for pattern, part in parts):
        return Build(str(city), str(half_year), str(build_id))
    return None


def is_half_year(text: str) -> bool:
    return re.fullmatch(HALF_YEAR, text) is not None


def results(build: Build) -> Results | None:
    """What dbt did; None when it has not said so (yet), or when what it said has been removed."""
    try:
        stated = [(path, path.stat()) for path in build.dbt_results]
        parts = [_results(path, changed.st_mtime_ns, changed.st_size) for path, changed in stated]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # dbt is just writing it, or was killed then
    if not parts:
        return None
    nodes = sorted((node for part in parts for node in part.nodes), key=_worst_first)
    return Results(max(part.finished for part in parts), tuple(nodes))


def described(found: Results, build: Build) -> tuple[Node, ...]:
    """The nodes with what the manifest says of them, and why those that were skipped were."""
    manifest = ledger.read(build.dbt_target / "manifest.json")
    entries, parents = manifest.get("nodes", {}), manifest.get("parent_map", {})
    failed = {node.unique_id: node.unique_id for node in found.nodes if node.outcome == "failed"}
    # A model whose test failed holds up what comes after it, too.
    failed |= {model: test for test in failed if test.startswith("test.") for model in parents.get(test, [])}
    return tuple(
        replace(
            node,
            message=node.message
            or (_cause(node.unique_id, failed, parents) if node.outcome == "skipped" else ""),
            about=entry.get("description", ""),
            path=entry.get("original_file_path", ""),
            tested=_tested(entry) if node.kind == "test" else "",
        )
        for node in found.nodes
        for entry in [entries.get(node.unique_id, {})]
    )


def everything() -> list[Listed]:
    """All builds of all cities: the last half-year first, in it city by city, and the last build of a city first."""
    home = settings().home
    paths = [*home.glob("*/scratch/index/*/*/"), *home.glob("*/warehouse/[0-9]*/*/")]
    names = {(path.relative_to(home).parts[0], path.parent.name, path.name) for path in paths}
    listed = [
        Listed(build, results(build), build.database.is_file(), ledger.published_as(build))
        for build in (named(*name) for name in sorted(names))
        if build is not None
    ]
    listed.sort(key=lambda line: line.results.finished.timestamp() if line.results else 0.0, reverse=True)
    listed.sort(key=lambda line: line.build.city)
    listed.sort(key=lambda line: line.build.half_year, reverse=True)
    return listed


@lru_cache(maxsize=1024)
def _results(path: Path, changed_ns: int, size_bytes: int) -> Results:
    """Read once for each state of the file: the list of builds asks for all of them."""
    written = json.loads(path.read_text(encoding="utf-8"))
    nodes = [
        Node(
            unique_id=str(result["unique_id"]),
            status=str(result["status"]),
            seconds=float(result["execution_time"]),
            message=str(result["message"] or ""),
        )
        for result in written["results"]
    ]
    finished = datetime.fromisoformat(written["metadata"]["generated_at"])
    return Results(finished.astimezone(ZoneInfo(settings().time_zone)), tuple(nodes))


def _worst_first(node: Node) -> tuple[int, float, str]:
    return ORDER.index(node.outcome), -node.seconds, node.unique_id


def _cause(unique_id: str, failed: Mapping[str, str], parents: Mapping[str, Iterable[str]]) -> str:
    """The failed node that a skipped one waited for; dbt does not say it."""
    waiting, seen = [unique_id], {unique_id}
    while waiting:
        for parent in parents.get(waiting.pop(0), []):
            if parent in failed:
                return f"上游失败 upstream failed: {failed[parent]}"
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return ""


def _tested(entry: Mapping[str, Any]) -> str:
    """The model, and the column, that a test is about."""
    about = entry.get("attached_node")
    models = [about] if about else entry.get("depends_on", {}).get("nodes", [])
    column = f".{entry['column_name']}" if entry.get("column_name") else ""
    return ", ".join(str(model).split(".")[-1] + column for model in models)
