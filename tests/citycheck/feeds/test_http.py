"""The HTTP connector against a server on loopback that can be told to misbehave."""

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http

CONTENT = b"id\n1\n" * 1000


class Behaviour(BaseHTTPRequestHandler):
    """Answers by path: /ok, /busy-twice, /always-busy, /missing, /moved, /cut."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self):
        Behaviour.asked[self.path] += 1
        if self.path == "/busy-twice" and Behaviour.asked[self.path] <= 2:
            return self._answer(429, b"", {"Retry-After": "0"})
        if self.path == "/always-busy":
            return self._answer(503, b"", {"Retry-After": "0"})
        if self.path == "/missing":
            return self._answer(404, b"")
        if self.path == "/moved":
            return self._answer(302, b"", {"Location": "/ok"})
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:100])
            return None
        return self._answer(200, CONTENT)

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Behaviour.asked.clear()
    made = ThreadingHTTPServer(("127.0.0.1", 0), Behaviour)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def fetch(server, path, out, **more):
    options = {"hosts": ["127.0.0.1"], "via": http.session(retries=3, backoff_s=0)} | more
    http.fetch({"file.csv": server + path}, out, **options)


@pytest.mark.parametrize("path", ["/ok", "/busy-twice"])
def test_bytes_arrive_as_they_are_sent(server, path, tmp_path):
    fetch(server, path, tmp_path)
    assert hashlib.sha256((tmp_path / "file.csv").read_bytes()).digest() == hashlib.sha256(CONTENT).digest()


def test_a_busy_source_is_asked_again_then_left_for_later(server, tmp_path):
    with pytest.raises(SourceUnavailable, match="still answers 503 after all retries"):
        fetch(server, "/always-busy", tmp_path)
    assert Behaviour.asked["/always-busy"] == 4


def test_a_cut_connection_may_be_tried_again(server, tmp_path):
    with pytest.raises(SourceUnavailable, match="did not answer"):
        fetch(server, "/cut", tmp_path)


def test_a_missing_file_is_not_tried_again(server, tmp_path):
    with pytest.raises(BadInput, match="answered 404; expected 200"):
        fetch(server, "/missing", tmp_path)
    assert Behaviour.asked["/missing"] == 1


def test_a_redirect_is_not_followed(server, tmp_path):
    with pytest.raises(BadInput, match="answered 302"):
        fetch(server, "/moved", tmp_path)


def test_a_host_that_is_not_listed_is_never_asked(server, tmp_path):
    with pytest.raises(
        BadInput, match=r"host '127\.0\.0\.1' is not allowed for this source; expected one of example\.org"
    ):
        fetch(server, "/ok", tmp_path, hosts=["example.org"])
    assert not Behaviour.asked


def test_a_file_that_is_too_large_is_refused(server, tmp_path):
    with pytest.raises(BadInput, match="is larger than"):
        fetch(server, "/ok", tmp_path, limit_bytes=100)


def test_nobody_there(tmp_path):
    with pytest.raises(SourceUnavailable, match="did not answer"):
        fetch("http://127.0.0.1:9", "/ok", tmp_path)
