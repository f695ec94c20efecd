"""E-mail and webhooks against servers on loopback that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import socketserver
import threading
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.notify.channels import LIMIT_BYTES, Trying, channel
from citycheck.notify.digest import MayHaveArrived
from citycheck.notify.message import Both, Message, Section

MESSAGE = Message(
    Both("标题 <a>", "Title & more"),
    (Both("事实", "Fact"),),
    (Section("住建局", Both("将超时 1", "1 will break"), tuple(f"R{n:04d}" for n in range(2000))),),
)
SECRET = "K3Y-OF-THE-ROBOT"
TRYING = Trying(timeout_s=0.5, retries=2, backoff_s=0, sleep=lambda _: None)


class Robot(BaseHTTPRequestHandler):
    """Answers by path; keeps what it was sent."""

    got: ClassVar[list[tuple[str, dict]]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Robot.got.append((self.path, body))
        path, tried = urlsplit(self.path).path, len(Robot.got)
        if path == "/slow":
            time.sleep(1.2)
        if path == "/hangs-up":
            return self.connection.shutdown(socket.SHUT_RDWR)
        if path == "/busy-twice" and tried <= 2:
            return self._answer(503 if tried == 1 else 429, b"", {"Retry-After": "7"})
        status = {"/busy": 500, "/moved": 302, "/missing": 404}.get(path, 200)
        answer = {"/refuses": b'{"errcode": 93000}', "/crowded": b'{"errcode": 45009}', "/silent": b"<html>"}
        self._answer(
            status, answer.get(path, b'{"errcode": 0}'), {"Location": "/robot"} if status == 302 else {}
        )

    def _answer(self, status, body, headers):
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # who asked has gone

    def log_message(self, *_):
        pass


@pytest.fixture
def robot():
    Robot.got.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def webhook(address: str, kind="json", trying=TRYING, **extra):
    return channel(kind, Connection("robot", password=address, extra=extra), trying)


def test_the_forms_that_each_service_takes(robot):
    for kind in ("wecom", "dingtalk", "slack", "json"):
        webhook(f"{robot}/robot?key={SECRET}", kind).deliver(MESSAGE)
    wecom, dingtalk, slack, plain = (body for _, body in Robot.got)
    assert set(wecom) == {"msgtype", "text"}
    assert wecom["msgtype"] == dingtalk["msgtype"] == "text"
    for kind, text in (("wecom", wecom["text"]["content"]), ("dingtalk", dingtalk["text"]["content"])):
        assert text.startswith("标题 <a>\nTitle & more\n事实\nFact\n")
        assert len(text.encode()) <= LIMIT_BYTES[kind]
        assert " more" in text.splitlines()[-1]
    assert slack["text"].startswith("标题 &lt;a&gt;\nTitle &amp; more\n")
    assert plain["title"] == {"zh": "标题 <a>", "en": "Title & more"}
    assert plain["sections"][0]["items_left_out"] == 1800
    assert plain["text"].startswith("标题 <a>")


def test_dingtalk_is_signed(robot):
    webhook(f"{robot}/robot?access_token=t", "dingtalk", secret="SEC1").deliver(MESSAGE)
    asked = parse_qs(urlsplit(Robot.got[0][0]).query)
    expected = hmac.new(b"SEC1", f"{asked['timestamp'][0]}\nSEC1".encode(), hashlib.sha256).digest()
    assert base64.b64decode(asked["sign"][0]) == expected
    assert abs(int(asked["timestamp"][0]) / 1000 - time.time()) < 60
    assert asked["access_token"] == ["t"]


def test_a_busy_robot_is_asked_again_after_what_it_says(robot):
    waited: list[float] = []
    webhook(f"{robot}/busy-twice", trying=Trying(0.5, 2, 3, waited.append)).deliver(MESSAGE)
    assert (len(Robot.got), waited) == (3, [7, 7])


def test_a_robot_that_stays_busy_has_taken_nothing(robot):
    waited: list[float] = []
    with pytest.raises(SourceUnavailable, match=r"'robot' \(json\): answered 500; nothing was sent"):
        webhook(f"{robot}/busy", trying=Trying(0.5, 2, 3, waited.append)).deliver(MESSAGE)
    assert (len(Robot.got), waited) == (3, [3, 6])


@pytest.mark.parametrize(
    ("path", "kind", "error", "told", "asked"),
    [
        ("/moved", "json", BadInput, "redirects .302., which is not followed", 1),
        ("/missing", "json", BadInput, "answered 404", 1),
        ("/refuses", "wecom", BadInput, "errcode 93000", 1),
        ("/refuses", "json", None, "", 1),  # the words of WeCom mean nothing to others
        ("/crowded", "dingtalk", SourceUnavailable, "errcode 45009", 3),
        ("/silent", "wecom", MayHaveArrived, "did not say whether it took", 1),
        ("/slow", "json", MayHaveArrived, "did not say whether it took", 1),
        ("/hangs-up", "json", MayHaveArrived, "did not say whether it took", 1),
    ],
)
def test_what_may_have_been_taken_is_not_sent_again(robot, path, kind, error, told, asked):
    line = webhook(f"{robot}{path}?key={SECRET}", kind)
    if error is None:
        line.deliver(MESSAGE)
    else:
        with pytest.raises(error, match=told) as raised:
            line.deliver(MESSAGE)
        assert SECRET not in str(raised.value)
    assert len(Robot.got) == asked


def test_nobody_there_is_known_not_to_have_taken_it():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for address in (f"http://127.0.0.1:{port}/x?key={SECRET}", f"http://localhost:{port}/"):
        with pytest.raises(SourceUnavailable, match="nothing was sent") as raised:
            webhook(address).deliver(MESSAGE)
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "", "robot", "http://example.org/x", "http://127.0.0.1.example.org/x", "ftp://127.0.0.1/x", "https://",
        f"https://user:{SECRET}@127.0.0.1/x", "http://[::1", "http://0.0.0.0/x", "http://10.0.0.1/x", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_only_https_or_this_machine(address):
    with pytest.raises(BadInput, match="its password is the webhook's address") as raised:
        webhook(address).deliver(MESSAGE)
    assert SECRET not in str(raised.value)


# E-mail --------------------------------------------------------------------------------------------------------------


class PostOffice(socketserver.StreamRequestHandler):
    """SMTP as far as smtplib needs it; `answers` overrides what it says to a command, and None hangs up."""

    answers: ClassVar[dict[str, str | None]] = {}
    got: ClassVar[list[bytes]] = []
    calls: ClassVar[list[str]] = []

    def handle(self):
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            PostOffice.calls.append(command)
            said = PostOffice.answers.get(
                f"{command} {line.partition(' ')[2]}", PostOffice.answers.get(command, "")
            )
            if said is None:
                return
            if said:
                self._say(said)
                continue
            if command == "DATA":
                self._say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                if PostOffice.answers.get("END") == "hang up":
                    PostOffice.got.append(text)
                    return
                if not PostOffice.answers.get("END"):
                    PostOffice.got.append(text)
                self._say(PostOffice.answers.get("END") or "250 taken")
            elif command == "QUIT":
                return self._say("221 bye")
            else:
                self._say("250 ok")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@pytest.fixture
def post_office():
    PostOffice.answers, PostOffice.got, PostOffice.calls = {}, [], []
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), PostOffice)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def letter(port: int, trying=TRYING, **extra):
    about = {
        "security": "none",
        "to": ["a@example.org", "b@example.org"],
        "from_email": "c@example.org",
    } | extra
    return channel("email", Connection("mail", "127.0.0.1", extra=about, port=port), trying)


def test_a_letter_says_all_of_it(post_office):
    letter(post_office).deliver(MESSAGE)
    read = message_from_bytes(PostOffice.got[0], policy=policy.default)
    assert (read["To"], read["From"]) == ("a@example.org, b@example.org", "c@example.org")
    assert read["Subject"] == "标题 <a> · Title & more"
    text = read.get_content()
    assert "R1999" in text
    assert text.startswith("标题 <a>")


@pytest.mark.parametrize(
    ("answers", "error", "times"),
    [
        ({"MAIL": "451 later"}, SourceUnavailable, 3),
        ({"MAIL": "550 no"}, BadInput, 1),
        ({"RCPT": "450 later"}, SourceUnavailable, 3),
        ({"RCPT": "550 no"}, BadInput, 1),
        ({"END": "452 later"}, SourceUnavailable, 3),
        ({"END": "554 no"}, BadInput, 1),
        ({"EHLO": None, "HELO": None}, SourceUnavailable, 3),
        ({"END": "hang up"}, MayHaveArrived, 1),
    ],
)
def test_what_the_post_office_says(post_office, answers, error, times):
    PostOffice.answers = answers
    with pytest.raises(error, match="'mail'"):
        letter(post_office).deliver(MESSAGE)
    assert PostOffice.calls.count("EHLO") == times


def test_one_refused_recipient_does_not_keep_the_others_from_theirs(post_office, capsys):
    PostOffice.answers = {"RCPT TO:<a@example.org>": "550 unknown"}
    letter(post_office).deliver(MESSAGE)
    assert len(PostOffice.got) == 1
    told = capsys.readouterr().out
    assert "1 recipient(s) were refused" in told
    assert "@" not in told


def test_nobody_at_the_post_office_is_known_not_to_have_taken_it():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="nothing was sent"):
        letter(port).deliver(MESSAGE)


@pytest.mark.parametrize(
    ("host", "extra", "told"),
    [
        ("mail.example.org", {"security": "none"}, "none only to this machine"),
        ("127.0.0.1", {"security": "ssl"}, "expected starttls or tls"),
        ("127.0.0.1", {"to": []}, "`to` and `from_email`"),
        ("127.0.0.1", {"from_email": ""}, "`to` and `from_email`"),
        ("", {}, "expected a host"),
        ("127.0.0.1", {"from_email": "a@b\r\nBcc: x@y"}, "no e-mail address"),
    ],
)
def test_a_connection_that_does_not_hold_what_it_needs(host, extra, told):
    about = {"security": "none", "to": ["a@example.org"], "from_email": "c@example.org"} | extra
    with pytest.raises(BadInput, match=told):
        channel("email", Connection("mail", host, extra=about, port=1), TRYING).deliver(MESSAGE)


def test_a_server_without_tls_gets_no_letter(post_office):
    with pytest.raises(BadInput, match="no secure connection"):
        letter(post_office, security="starttls").deliver(MESSAGE)
    assert PostOffice.got == []
