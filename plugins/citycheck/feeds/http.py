"""HTTP for all connectors: one session with timeout, retry, host allow-list and size limit; nothing is trusted unverified.

The host is checked where a request leaves (the adapter), with the parser that opens the connection: every redirect
and every library that borrows the session passes the same door. A message shows scheme, host and path, never a query.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

from citycheck.errors import BadInput, CitycheckError, SourceUnavailable

_CHUNK_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_LATER = "Run the task again later."


class NotFound(BadInput):
    """The source has nothing at this address (404)."""


class _TryAgain(Exception):
    """An answer that may be better next time; its text says why, `wait_s` what `Retry-After` asked for."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Answer:
    """A whole answer; `address` is where it came from in the end, without its query."""

    body: bytes
    headers: Mapping[str, str]
    address: str


class Client:
    """Asks the hosts of one source, and no others.

    `hosts` are compared exactly; an entry with a port (`example.org:8443`) allows that port only. An answer must be
    complete `total_s` after its headers, and at most `limit_bytes` long when unpacked. 429, 5xx and cut connections
    are tried again `retries` times, after what `Retry-After` says, but at most `wait_max_s`. Credentials (`headers`,
    `auth`) go to the scheme, host and port that were asked for, not to where a redirect leads.

    Raises `BadInput` for an address that is not allowed and for an answer that says no, is of another type or too
    large (`NotFound` for 404), and `SourceUnavailable` when the source does not answer or is busy after all retries.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        timeout_s: float = 30,
        total_s: float = 600,
        retries: int = 4,
        backoff_s: float = 0.5,
        wait_max_s: float = 60,
        limit_bytes: int = 512 << 20,
        redirects: int = 3,
        headers: dict[str, str] | None = None,
        auth: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._total_s, self._retries, self._backoff_s = total_s, retries, backoff_s
        self._wait_max_s, self._limit_bytes, self._redirects = wait_max_s, limit_bytes, redirects
        self._sleep = sleep
        self._secret_headers = tuple(headers or ())
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": "citycheck"} | (headers or {}))
        self.session.auth = auth or _no_auth
        self.session.max_redirects = max(1, redirects)  # of who borrows it; 0 would raise, not stop
        door = _Door(hosts, timeout_s)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, door)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(
        self, address: str, *, params: dict[str, str] | None = None, accept: Sequence[str] = ()
    ) -> Answer:
        """The whole answer, in memory. `accept` are the content types that are expected; empty is any."""
        body = BytesIO()
        answer = self._into(body, address, params, accept)
        return Answer(body.getvalue(), answer.headers, shown(answer.url))

    def download(
        self,
        address: str,
        target: Path,
        *,
        params: dict[str, str] | None = None,
        accept: Sequence[str] = (),
    ) -> None:
        """Stream the answer to a file; a failed one leaves no file."""
        try:
            with target.open("wb") as file:
                self._into(file, address, params, accept)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _into(
        self, target: BinaryIO, address: str, params: dict[str, str] | None, accept: Sequence[str]
    ) -> requests.Response:
        for tried in range(self._retries + 1):
            target.seek(0)
            target.truncate()
            try:
                with self._answer(address, params, accept) as answer:
                    for chunk in self._chunks(answer):
                        target.write(chunk)
                    return answer
            except _TryAgain as error:
                if tried == self._retries:
                    raise SourceUnavailable(f"{shown(address)}: {error}. {_LATER}") from None
                backoff_s = self._backoff_s * 2**tried
                self._sleep(min(self._wait_max_s, backoff_s if error.wait_s is None else error.wait_s))
        raise AssertionError("unreachable")

    def _answer(
        self, address: str, params: dict[str, str] | None, accept: Sequence[str]
    ) -> requests.Response:
        """An answer 200 of an expected type whose body has not been read; redirects have been followed."""
        headers: dict[str, str | None] = {"Accept": ", ".join([*accept, "*/*;q=0.1"])} if accept else {}
        asked, auth = address, None
        for _ in range(self._redirects + 1):
            try:
                answer = self.session.get(
                    asked, params=params, headers=headers, auth=auth, stream=True, allow_redirects=False
                )
            except CitycheckError:
                raise
            except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, LocationParseError):
                raise BadInput(
                    f"{shown(asked)}: is not an address; expected http or https, a host and a path. Correct it."
                ) from None
            except requests.exceptions.InvalidSchema:
                raise BadInput(
                    f"{shown(asked)}: only http and https are allowed. Correct the address."
                ) from None
            except (requests.RequestException, HTTPError) as error:
                raise _TryAgain(f"did not answer ({type(error).__name__})") from None
            if answer.status_code not in _REDIRECTS or not self._redirects:
                return _checked(answer, accept, self._limit_bytes)
            answer.close()
            before, asked = asked, urljoin(answer.url, answer.headers.get("Location", ""))
            params = None  # they are in the new address, if the source wants them there
            if _origin(before) != _origin(asked):
                if _origin(before)[0] == "https" != _origin(asked)[0]:
                    raise BadInput(
                        f"{shown(before)}: redirects from https to {shown(asked)}, which is not. Correct the address."
                    )
                headers |= dict.fromkeys(self._secret_headers)
                auth = _no_auth
        raise BadInput(
            f"{shown(address)}: redirects more than {self._redirects} times; expected the answer. Correct the address."
        )

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        end_s = time.monotonic() + self._total_s
        received = 0
        try:
            # read1 gives what has come, so that a dripping source is noticed; it unpacks at most a chunk at a time.
            while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
                received += len(chunk)
                if received > self._limit_bytes:
                    raise _too_large(answer.url, self._limit_bytes)
                if time.monotonic() > end_s:
                    raise SourceUnavailable(
                        f"{shown(answer.url)}: was not complete after {self._total_s:g} s. {_LATER}"
                    )
                yield chunk
        except (HTTPError, OSError) as error:
            raise _TryAgain(f"did not answer completely ({type(error).__name__})") from None


class _Door(HTTPAdapter):
    """Lets requests to the allowed hosts pass, and gives them a timeout."""

    def __init__(self, hosts: Sequence[str], timeout_s: float) -> None:
        self._hosts = tuple(host.lower() for host in hosts)
        self._timeout_s = timeout_s
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = _parsed(request.url or "")
        if url.auth is not None:
            raise BadInput(
                f"{shown(request.url or '')}: holds a name or password; secrets belong in an Airflow connection."
            )
        host = (url.host or "").lower().strip("[]")
        if not {host, f"{host}:{url.port or _PORTS.get(url.scheme or '')}"} & set(self._hosts):
            raise BadInput(
                f"{shown(request.url or '')}: host {host!r} is not allowed for this source; expected one of "
                f"{', '.join(self._hosts) or 'none'}. Correct the address or add the host to the source in the profile."
            )
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout_s
        answer = super().send(request, *args, **kwargs)
        if answer.is_redirect:
            # Requests reads the body of a redirect whole, however long it is, before it looks where to go.
            answer.close()
            answer._content = b""
        return answer


def shown(address: str) -> str:
    """An address as a message may show it: scheme, host, port and path."""
    try:
        url = parse_url(address)
    except LocationParseError:
        return "the address"
    return Url(url.scheme, None, url.host, url.port, url.path).url


def fetch(
    addresses: dict[str, str],
    out: Path,
    hosts: list[str],
    *,
    timeout_s: float = 30,
    limit_bytes: int = 512 << 20,
    client: Client | None = None,
) -> None:
    """Download path → address into `out`. A pinned address answers itself: redirects are not followed.

    Raises `BadInput` for an address whose host is not allowed, an answer that says no or is too large, and
    `SourceUnavailable` when the source does not answer or is still busy after the retries.
    """
    with client or Client(hosts, timeout_s=timeout_s, limit_bytes=limit_bytes, redirects=0) as used:
        for path, address in addresses.items():
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            used.download(address, target)


def _checked(answer: requests.Response, accept: Sequence[str], limit_bytes: int) -> requests.Response:
    """The answer, if it is one that can be read; closed and refused else."""
    status, address = answer.status_code, shown(answer.url)
    try:
        if status == 429 or status >= 500:
            raise _TryAgain(f"still answers {status} after all retries", _retry_after_s(answer.headers))
        if status != 200:
            raise (NotFound if status == 404 else BadInput)(
                f"{address}: answered {status}; expected 200 and the file. Correct the address"
                + (" or the connection." if status in (401, 403) else ".")
            )
        found = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if accept and found and found not in accept:
            raise BadInput(
                f"{address}: answered {found[:60]!r}; expected {' or '.join(accept[:2])}. Correct the address."
            )
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > limit_bytes:
            raise _too_large(answer.url, limit_bytes)
    except BaseException:
        answer.close()
        raise
    return answer


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait. A date counts from the source's own clock, which the answer carries; without it, unknown."""
    written = headers.get("Retry-After", "").strip()
    if written.isdigit():
        return float(written)
    try:
        wait = parsedate_to_datetime(written) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def _too_large(address: str, limit_bytes: int) -> BadInput:
    size = f"{limit_bytes >> 20} MiB" if limit_bytes >= 1 << 20 else f"{limit_bytes} bytes"
    return BadInput(f"{shown(address)}: is larger than {size}. Check the address, or raise the limit.")


def _parsed(address: str) -> Url:
    try:
        return parse_url(address)
    except LocationParseError:
        raise BadInput(
            "The address cannot be read; expected http or https, a host and a path. Correct it."
        ) from None


def _origin(address: str) -> tuple[str, str, int]:
    url = _parsed(address)
    scheme = url.scheme or ""
    return scheme, url.host or "", url.port or _PORTS.get(scheme, 0)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials; without it, requests would take them from a .netrc."""
    return request
