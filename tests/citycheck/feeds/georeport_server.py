"""A GeoReport v2 server on loopback that follows the specification, and can be told how to misbehave.

All reports are synthetic. `faults` names what happens to the n-th query for requests (from 0); `changes` are called
before the n-th query is answered, as the city goes on while it is read.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

SERVICES = [
    {"service_code": "S1", "service_name": "路灯 Street lamp", "metadata": False, "keywords": "light, 灯"}
]
TYPES = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}
MEMBERS = {"service_requests": "request", "services": "service", "notes": "note", "photos": "photo"}


def report(number: int, requested: datetime, **more: Any) -> dict[str, Any]:
    """A synthetic report, with the extension fields that a city may have."""
    written = requested.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "service_request_id": f"R{number:06d}",
        "status": "open",
        "service_code": "S1",
        "description": f"合成 synthetic <{number}> & co.",
        "agency_responsible": None,
        "requested_datetime": written,
        "updated_datetime": written,
        "lat": 30.0 + number / 1e6,
        "long": 120.0,
    } | more


def version(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["service_request_id"]), str(row["updated_datetime"])


class GeoReport(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, reports: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reports = {row["service_request_id"]: row for row in reports}
        self.history = {version(row) for row in reports}
        """Every version that the server ever had."""
        self.limit = 1000
        self.knows_pages = True
        self.first_page = 1
        self.after_the_end = "empty"  # or 404, or repeat
        self.empty_is_404 = False
        self.heeds_dates = True
        self.order = "requested_datetime"
        self.newest_first = False
        self.wrap: Callable[[list[Any]], Any] = lambda rows: rows
        self.zip = False
        self.faults: dict[int, str] = {}
        self.always: str | None = None
        self.changes: dict[int, Callable[[GeoReport], None]] = {}
        self.elsewhere = ""
        self.queries: list[dict[str, str]] = []
        self.tries = 0
        self.last = b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v2"

    @property
    def truth(self) -> set[tuple[str, str]]:
        return {version(row) for row in self.reports.values()}

    def write(self, row: dict[str, Any]) -> None:
        """Insert or change a report."""
        self.reports[row["service_request_id"]] = row
        self.history.add(version(row))

    def change(self, number: int, when: datetime) -> None:
        """Close a report at a time."""
        old = self.reports[f"R{number:06d}"]
        self.write(old | {"status": "closed", "updated_datetime": when.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def answer(self, params: dict[str, str]) -> list[dict[str, Any]] | None:
        """What a query finds; None is 404."""
        found = sorted(self.reports.values(), key=lambda row: (row[self.order], row["service_request_id"]))
        if self.newest_first:
            found.reverse()
        if self.heeds_dates:
            start, end = (datetime.fromisoformat(params[name]) for name in ("start_date", "end_date"))
            assert timedelta(0) < end - start <= timedelta(days=90)
            found = [row for row in found if start <= time(row, "requested_datetime") <= end]
        if "updated_after" in params:
            after = datetime.fromisoformat(params["updated_after"])
            found = [row for row in found if time(row, "updated_datetime") >= after]
        if "service_code" in params:
            found = [row for row in found if row["service_code"] in params["service_code"].split(",")]
        if not found and self.empty_is_404:
            return None
        if not (self.knows_pages and "page" in params):
            return found[: self.limit]
        size, page = min(int(params["page_size"]), self.limit), int(params["page"]) + 1 - self.first_page
        if (page - 1) * size >= len(found) and page > 1:
            if self.after_the_end == "404":
                return None
            if self.after_the_end == "repeat":
                page = max(1, -(-len(found) // size))
        return found[(page - 1) * size : page * size]


class Handler(BaseHTTPRequestHandler):
    server: GeoReport

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(url.query).items()}
        name, _, form = url.path.removeprefix("/v2/").partition(".")
        if name == "services":
            return self.send(200, body(SERVICES, "services", form), TYPES[form])
        if name != "requests":
            return self.send(404, b"", "text/plain")
        number = len(self.server.queries)
        fault = self.server.always or self.server.faults.pop(number, None)
        self.server.tries += 1
        if fault and self.misbehave(fault, form):
            return None
        if number in self.server.changes:
            self.server.changes.pop(number)(self.server)
        self.server.queries.append(params)
        rows = self.server.answer(params)
        if rows is None:
            return self.send(404, body([{"code": 404, "description": "none"}], "errors", form), TYPES[form])
        self.server.last = body(self.server.wrap(rows), "service_requests", form)
        return self.send(200, self.server.last, TYPES[form])

    def misbehave(self, fault: str, form: str) -> bool:
        """Do it; whether that was the whole answer."""
        if fault in ("429", "500", "503"):
            self.send(int(fault), b"busy", "text/plain", {"Retry-After": "0"})
        elif fault == "cut":
            self.send(200, b"[" + b" " * 5000, TYPES[form], {"Content-Length": "9000"})
        elif fault == "cut without length":
            # As a proxy does: the list ends in the middle of a report, and nobody says so.
            self.server.queries.append({})
            half = body(list(self.server.reports.values()), "service_requests", form)
            self.send(200, half[: len(half) // 2], TYPES[form])
        elif fault == "html":
            self.send(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", TYPES[form])
        elif fault == "html type":
            self.send(200, b"<html><body>Sign in</body></html>", "text/html")
        elif fault == "errors":
            found = [{"code": 403, "description": "Invalid api_key s3cret"}]
            self.send(200, body({"errors": found} if form == "json" else found, "errors", form), TYPES[form])
        elif fault == "repeated":
            self.server.queries.append({})
            self.send(200, self.server.last, TYPES[form])
        elif fault == "redirect":
            self.send(302, b"", "text/plain", {"Location": self.server.elsewhere})
        elif fault == "endless":
            self.send_response(200)
            self.send_header("Content-Type", TYPES[form])
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"[" + b" " * 65536)
            except OSError:
                pass
        else:
            raise ValueError(fault)
        return True

    def send(self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        more = {"Content-Type": kind}
        if self.server.zip:
            content = gzip.compress(content)
            more["Content-Encoding"] = "gzip"
        self.send_response(status)
        for name, value in (more | {"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def time(row: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(row[name]).astimezone(UTC)


def body(value: Any, root: str, form: str) -> bytes:
    if form == "json":
        return json.dumps(value, ensure_ascii=False).encode()
    name = {"errors": "error"}.get(root) or MEMBERS[root]
    inner = "".join(f"<{name}>{_xml(row)}</{name}>" for row in value)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>{inner}</{root}>'.encode()


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        parts = []
        for name, inner in value.items():
            if isinstance(inner, list):
                text = "".join(f"<{MEMBERS[name]}>{_xml(each)}</{MEMBERS[name]}>" for each in inner)
            else:
                text = _xml(inner)
            parts.append(f"<{name}>{text}</{name}>" if text else f"<{name}/>")
        return "".join(parts)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


@contextmanager
def serving(reports: list[dict[str, Any]]) -> Iterator[GeoReport]:
    """A server with these reports, gone at the end."""
    made = GeoReport(reports)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
