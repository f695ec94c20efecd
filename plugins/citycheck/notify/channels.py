"""E-mail and webhooks. Where they lead and what they need to know stands in Airflow connections, never in a profile.

A webhook's whole address is a secret, and is the connection's password. It is https, or plain http on this machine; no
redirect is followed. An e-mail goes over TLS, or to this machine. What was certainly not taken is tried again when the
other side is busy; what may have been taken is not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import requests
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, NewConnectionError

from citycheck.connections import Connection
from citycheck.errors import BadInput, CitycheckError, SourceUnavailable
from citycheck.notify.digest import MayHaveArrived
from citycheck.notify.message import Message

Kind = Literal["email", "wecom", "dingtalk", "slack", "json"]
LIMIT_BYTES: dict[Kind, int] = {
    "email": 60_000,
    "wecom": 2_048,
    "dingtalk": 8_000,
    "slack": 12_000,
    "json": 60_000,
}
"""Of the text. WeCom refuses a text message of more than 2,048 bytes."""
_ANSWER_BYTES = 64 << 10
_BUSY_CODES = {-1, 45009, 130101}
"""WeCom and DingTalk answer 200 to everything: their own codes for busy and for too many messages a minute."""
_WAIT_MAX_S = 60.0


@dataclass(frozen=True)
class Trying:
    """How long to wait for an answer, and how often to ask who is busy."""

    timeout_s: float = 20
    retries: int = 3
    backoff_s: float = 2
    sleep: Callable[[float], None] = time.sleep


class _Busy(Exception):
    """Not taken, and may be taken later; `wait_s` is what the other side asks for."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


def channel(kind: Kind, connection: Connection, trying: Trying | None = None) -> Email | Webhook:
    """The channel of a kind. Raises `BadInput` when the connection does not hold what it needs."""
    made = Email if kind == "email" else Webhook
    return made(kind, connection, trying or Trying())


@dataclass(frozen=True)
class _Channel:
    kind: Kind
    connection: Connection
    trying: Trying = field(default_factory=Trying)

    @property
    def id(self) -> str:
        return self.connection.id

    def deliver(self, message: Message) -> None:
        """Send it. Raises `MayHaveArrived`, else `SourceUnavailable` or `BadInput` when it did not arrive."""
        for tried in range(self.trying.retries + 1):
            try:
                return self._deliver(message)
            except _Busy as error:
                if tried == self.trying.retries:
                    raise SourceUnavailable(
                        f"{self._named}: {error}; nothing was sent. Run the task again later."
                    ) from None
                backoff_s = self.trying.backoff_s * 2**tried
                self.trying.sleep(min(_WAIT_MAX_S, backoff_s if error.wait_s is None else error.wait_s))

    def _deliver(self, message: Message) -> None:
        raise NotImplementedError

    @property
    def _named(self) -> str:
        """The channel as a message may show it."""
        return f"The connection {self.connection.id!r} ({self.kind})"

    def _wrong(self, what: str) -> BadInput:
        return BadInput(f"{self._named}: {what}. Correct it under Admin → Connections.")

    def _perhaps(self, error: Exception) -> MayHaveArrived:
        return MayHaveArrived(
            f"{self._named}: did not say whether it took the digest ({type(error).__name__}). The next one will tell of it."
        )


class Webhook(_Channel):
    """A POST of JSON in the form that a group robot of WeCom or DingTalk, Slack, or anybody's own service takes."""

    def payload(self, message: Message) -> dict[str, Any]:
        text = message.text(LIMIT_BYTES[self.kind])
        if self.kind in ("wecom", "dingtalk"):
            return {"msgtype": "text", "text": {"content": text}}
        if self.kind == "slack":  # its three special characters make links and calls
            return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        return {**message.data(), "text": text}

    def _deliver(self, message: Message) -> None:
        body = json.dumps(self.payload(message), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "citycheck"}
        address = self._address()
        ends_s = time.monotonic() + 2 * self.trying.timeout_s
        with requests.Session() as session:
            session.auth = lambda request: request  # nothing from a .netrc
            try:
                with session.post(
                    address, data=body, headers=headers, timeout=self.trying.timeout_s, allow_redirects=False, stream=True
                ) as answer:  # fmt: skip
                    self._judge(answer, ends_s)
            except (requests.RequestException, HTTPError, OSError) as error:
                if _never_left(error):
                    raise _Busy(f"does not answer ({type(error).__name__})") from None
                raise self._perhaps(error) from None

    def _judge(self, answer: requests.Response, ends_s: float) -> None:
        if answer.status_code == 429 or answer.status_code >= 500:
            asked = answer.headers.get("Retry-After", "")
            raise _Busy(f"answered {answer.status_code}", float(asked) if asked.isdecimal() else None)
        if 300 <= answer.status_code < 400:
            raise self._wrong(
                f"the address redirects ({answer.status_code}), which is not followed; expected the one that takes messages"
            )
        if answer.status_code >= 400:
            raise self._wrong(f"answered {answer.status_code}; expected an address that takes messages")
        if self.kind not in ("wecom", "dingtalk"):
            return
        body = b""
        while len(body) < _ANSWER_BYTES and (chunk := answer.raw.read1(_ANSWER_BYTES, decode_content=True)):
            body += chunk
            if time.monotonic() > ends_s:
                raise self._perhaps(TimeoutError())
        try:
            code = json.loads(body)["errcode"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._perhaps(error) from None
        if code in _BUSY_CODES:
            raise _Busy(f"answered with errcode {code}")
        if code != 0:
            raise self._wrong(f"refused the message with errcode {code}; its documentation says what that is")

    def _address(self) -> str:
        address = self.connection.password
        try:
            url = urlsplit(address)
            allowed = url.scheme == "https" or (url.scheme == "http" and _is_here(url.hostname or ""))
        except ValueError:
            allowed = False
        if not allowed or not url.hostname or url.username or url.password:
            raise self._wrong(
                "its password is the webhook's address; expected one that begins with https:// and holds no user"
            )
        secret = str(self.connection.extra.get("secret") or "")
        if self.kind != "dingtalk" or not secret:
            return address
        # DingTalk's signature: the time in milliseconds and the secret, by HMAC-SHA256 with the secret as key.
        now_ms = str(round(time.time() * 1000))
        digest = hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()
        signed = urlencode({"timestamp": now_ms, "sign": base64.b64encode(digest).decode()})
        return f"{address}{'&' if url.query else '?'}{signed}"


class Email(_Channel):
    """One plain text message to all of `to`, from `from_email`, both in the connection's extra."""

    def _deliver(self, message: Message) -> None:
        written = self._written(message)
        try:
            smtp = self._open()
        except smtplib.SMTPAuthenticationError:
            raise self._wrong("the server refuses the login or password") from None
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            if isinstance(error, (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError)):
                raise self._wrong(f"no secure connection can be made ({type(error).__name__})") from None
            raise _Busy(f"does not answer ({type(error).__name__})") from None
        try:
            refused = smtp.send_message(written)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._answered(min(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            raise self._perhaps(error) from None
        finally:
            smtp.close()
        if refused:
            print(f"{self._named}: {len(refused)} recipient(s) were refused; the others have the digest.")

    def _open(self) -> smtplib.SMTP:
        here, extra = self.connection, self.connection.extra
        security = str(extra.get("security") or "starttls")
        port = here.port or {"starttls": 587, "tls": 465, "none": 25}.get(security, 0)
        if security not in ("starttls", "tls") and not (security == "none" and _is_here(here.host)):
            raise self._wrong(
                f"`security` of its extra is {security!r}; expected starttls or tls (none only to this machine)"
            )
        if security == "tls":
            secure: smtplib.SMTP = smtplib.SMTP_SSL(
                here.host, port, timeout=self.trying.timeout_s, context=ssl.create_default_context()
            )
        else:
            secure = smtplib.SMTP(here.host, port, timeout=self.trying.timeout_s)
        try:
            if security == "starttls":
                secure.starttls(context=ssl.create_default_context())
            secure.ehlo_or_helo_if_needed()
            if here.login:
                secure.login(here.login, here.password)
        except BaseException:
            secure.close()
            raise
        return secure

    def _written(self, message: Message) -> EmailMessage:
        to, sender = self.connection.extra.get("to"), self.connection.extra.get("from_email")
        addresses = [to] if isinstance(to, str) else to or []
        if not self.connection.host or not addresses or not sender:
            raise self._wrong("expected a host, and `to` and `from_email` in its extra")
        written = EmailMessage()
        try:
            written["Subject"] = f"{message.title.zh} · {message.title.en}"
            written["From"] = str(sender)
            written["To"] = ", ".join(map(str, addresses))
        except ValueError:
            raise self._wrong("`to` or `from_email` of its extra is no e-mail address") from None
        written.set_content(message.text(LIMIT_BYTES["email"]))
        return written

    def _answered(self, code: int) -> CitycheckError | _Busy:
        if 400 <= code < 500:
            return _Busy(f"answered {code}")
        return self._wrong(f"the server refused the message ({code})")


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _never_left(error: Exception) -> bool:
    """Whether a connection was never made, so that nothing can have arrived."""
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError)):
        return True
    reason = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        reason = reason.reason
    return isinstance(reason, (NewConnectionError, NameResolutionError))
