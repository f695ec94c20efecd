"""The HTTP client against a server on loopback that can be told to misbehave."""

import base64
import gzip
import hashlib
import socket
import threading
import time
from collections import Counter
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http
from citycheck.feeds.http import Client

CONTENT = b"id\n1\n" * 1000


class Behaviour(BaseHTTPRequestHandler):
    """Answers by path, without its query."""

    asked: ClassVar[Counter[str]] = Counter()
    headers_of: ClassVar[dict[str, dict[str, str]]] = {}
    elsewhere: ClassVar[str] = ""

    def do_GET(self):
        path = self.path.partition("?")[0]
        Behaviour.asked[path] += 1
        Behaviour.headers_of[path] = dict(self.headers)
        time_s = Behaviour.asked[path]
        if path == "/busy-twice" and time_s <= 2:
            return self._answer(429, b"", {"Retry-After": "0"})
        if path == "/busy-for-7-s" and time_s == 1:
            return self._answer(503, b"", {"Retry-After": "7"})
        if path == "/busy-for-an-hour" and time_s == 1:
            return self._answer(503, b"", {"Retry-After": "3600"})
        if path == "/busy-until" and time_s == 1:
            then = format_datetime(
                http.parsedate_to_datetime(self.date_time_string(time.time() + 9)), usegmt=True
            )
            return self._answer(429, b"", {"Retry-After": then})
        if path == "/busy-and-confused" and time_s == 1:
            return self._answer(429, b"", {"Retry-After": "soon"})
        if path == "/always-busy":
            return self._answer(503, b"", {"Retry-After": "0"})
        if path == "/missing":
            return self._answer(404, b"")
        if path == "/forbidden":
            return self._answer(403, b"")
        if path == "/moved":
            return self._answer(302, b"", {"Location": "/ok"})
        if path == "/moved-for-ever":
            return self._answer(302, b"", {"Location": "/moved-for-ever"})
        if path == "/moved-away":
            return self._answer(307, b"", {"Location": Behaviour.elsewhere})
        if path == "/moved-into-a-file":
            return self._answer(302, b"", {"Location": "file:///etc/hostname"})
        if path == "/zipped":
            return self._answer(200, gzip.compress(CONTENT), {"Content-Encoding": "gzip"})
        if path == "/bomb":
            return self._answer(200, gzip.compress(bytes(20 << 20)), {"Content-Encoding": "gzip"})
        if path == "/huge":
            return self._answer(200, b"x", {"Content-Length": str(1 << 40)})
        if path == "/page":
            return self._answer(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
        if path == "/cut" or (path == "/cut-once" and time_s == 1):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:100])
            return None
        if path in ("/endless", "/drip", "/moved-with-an-endless-body"):
            self.send_response(302 if path.startswith("/moved") else 200)
            self.send_header("Location", "/ok")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" if path == "/drip" else b"x" * 65536)
                    time.sleep(0.02 if path == "/drip" else 0)
            except OSError:
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
    Behaviour.headers_of.clear()
    made = ThreadingHTTPServer(("127.0.0.1", 0), Behaviour)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    # The same server under another name: another host to whoever compares names.
    Behaviour.elsewhere = f"http://localhost:{made.server_port}/ok?token=s3cret"
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def client(**more):
    return Client(**({"hosts": ["127.0.0.1"], "retries": 3, "backoff_s": 0} | more))


def fetch(server, path, out, **more):
    used = client(redirects=0, **more)
    http.fetch({"file.csv": server + path}, out, ["127.0.0.1"], client=used)


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ok", "/busy-twice", "/cut-once", "/zipped"])
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
    assert Behaviour.asked["/cut"] == 4
    assert not (tmp_path / "file.csv").exists()


def test_a_missing_file_is_not_tried_again(server, tmp_path):
    with pytest.raises(http.NotFound, match="answered 404; expected 200"):
        fetch(server, "/missing", tmp_path)
    assert Behaviour.asked["/missing"] == 1


def test_a_pinned_address_answers_itself(server, tmp_path):
    with pytest.raises(BadInput, match="answered 302"):
        fetch(server, "/moved", tmp_path)


def test_a_host_that_is_not_listed_is_never_asked(server, tmp_path):
    with pytest.raises(
        BadInput, match=r"host '127\.0\.0\.1' is not allowed for this source; expected one of example\.org"
    ):
        http.fetch({"file.csv": server + "/ok"}, tmp_path, ["example.org"])
    assert not Behaviour.asked


def test_a_file_that_is_too_large_is_refused(server, tmp_path):
    with pytest.raises(BadInput, match="is larger than 100 bytes"):
        fetch(server, "/ok", tmp_path, limit_bytes=100)
    assert not (tmp_path / "file.csv").exists()


def test_nobody_there(tmp_path):
    with pytest.raises(SourceUnavailable, match="did not answer"):
        fetch("http://127.0.0.1:9", "/ok", tmp_path)


# Answers -------------------------------------------------------------------------------------------------------------


def test_an_answer_says_where_it_came_from_without_the_query(server):
    answer = client().get(server + "/moved", params={"api_key": "s3cret"})
    assert (answer.body, answer.address) == (CONTENT, server + "/ok")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("borrowed", [False, True])
def test_the_body_of_a_redirect_is_not_read(server, borrowed):
    address = server + "/moved-with-an-endless-body"
    used = client()
    assert (used.session.get(address).content if borrowed else used.get(address).body) == CONTENT


@pytest.mark.parametrize(
    ("path", "waited_s"),
    [
        ("/busy-for-7-s", [7]),
        ("/busy-for-an-hour", [60]),
        ("/busy-and-confused", [0.25]),
        ("/busy-twice", [0, 0]),
    ],
)
def test_it_waits_as_long_as_it_is_told_but_not_for_ever(server, path, waited_s):
    waits = []
    client(backoff_s=0.25, sleep=waits.append).get(server + path)
    assert waits == waited_s


def test_a_date_to_wait_for_counts_on_the_clock_of_the_source(server):
    waits = []
    client(sleep=waits.append).get(server + "/busy-until")
    assert len(waits) == 1 and 7 <= waits[0] <= 10


def test_waits_grow_while_nobody_is_there():
    waits = []
    with pytest.raises(SourceUnavailable):
        client(backoff_s=1, sleep=waits.append).get("http://127.0.0.1:9/")
    assert waits == [1, 2, 4]


@pytest.mark.parametrize(
    ("path", "options", "error", "match"),
    [
        ("/bomb", {"limit_bytes": 1 << 20}, BadInput, "is larger than 1 MiB"),
        ("/huge", {}, BadInput, "is larger than 512 MiB"),
        ("/endless", {"limit_bytes": 4 << 20}, BadInput, "is larger than 4 MiB"),
        ("/drip", {"total_s": 0.2}, SourceUnavailable, "was not complete after 0.2 s"),
        ("/moved-for-ever", {}, BadInput, "redirects more than 3 times"),
        ("/moved-away", {}, BadInput, "host 'localhost' is not allowed"),
        ("/moved-into-a-file", {}, BadInput, "only http and https are allowed"),
        ("/forbidden", {}, BadInput, "answered 403.*or the connection"),
    ],
)
def test_what_is_refused_is_one_sentence_without_secrets(server, path, options, error, match):
    with pytest.raises(error, match=match) as raised:
        client(**options).get(server + path, params={"api_key": "s3cret"})
    assert "s3cret" not in str(raised.value) and "\n" not in str(raised.value)
    assert Behaviour.asked["/ok"] == 0


def test_a_server_that_says_nothing_is_left_for_later():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(SourceUnavailable, match="did not answer"):
            client(timeout_s=0.1, retries=1).get(address)


def test_another_content_type_is_refused_and_the_expected_one_is_asked_for(server):
    with pytest.raises(BadInput, match="answered 'text/html'; expected application/json"):
        client().get(server + "/page", accept=["application/json"])
    assert Behaviour.headers_of["/page"]["Accept"].startswith("application/json")
    assert client().get(server + "/page", accept=["text/html"]).body == b"<html>"


# Where it goes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1",
        "",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://user:s3cret@127.0.0.1/",
        "http://127.0.0.1@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://127.0.0.1.example.org/",
        "http://example.org/127.0.0.1",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://localhost/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_an_address_that_only_looks_allowed_is_refused(address):
    with pytest.raises(BadInput) as raised:
        client().get(address)
    assert "s3cret" not in str(raised.value)


def test_a_host_with_a_port_allows_that_port(server):
    port = server.rpartition(":")[2]
    assert client(hosts=[f"127.0.0.1:{port}"]).get(server + "/ok").body == CONTENT
    with pytest.raises(BadInput, match="is not allowed"):
        client(hosts=["127.0.0.1:80"]).get(server + "/ok")


def test_a_library_that_borrows_the_session_passes_the_same_door(server):
    with pytest.raises(BadInput, match="host 'localhost' is not allowed"):
        client().session.get(server + "/moved-away")
    assert Behaviour.asked["/ok"] == 0


def test_secrets_do_not_follow_a_redirect_to_another_host(server):
    used = client(hosts=["127.0.0.1", "localhost"], headers={"X-Token": "s3cret"}, auth=("me", "s3cret"))
    assert used.get(server + "/moved-away").body == CONTENT
    expected = "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert Behaviour.headers_of["/moved-away"]["Authorization"] == expected
    assert not {"Authorization", "X-Token"} & Behaviour.headers_of["/ok"].keys()
    used.get(server + "/moved")
    assert {"Authorization", "X-Token"} <= Behaviour.headers_of["/ok"].keys()
