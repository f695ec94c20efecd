"""Files by HTTP: one session with timeout, retry, host allow-list and size limit; nothing is trusted unverified."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from citycheck.errors import BadInput, SourceUnavailable

_CHUNK_BYTES = 1 << 20


def session(retries: int = 4, backoff_s: float = 0.5) -> requests.Session:
    """A session that retries busy and broken answers, and waits as long as `Retry-After` says."""
    made = requests.Session()
    retry = Retry(
        total=retries,
        backoff_factor=backoff_s,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        made.mount(scheme, HTTPAdapter(max_retries=retry))
    made.headers["User-Agent"] = "citycheck"
    return made


def fetch(
    addresses: dict[str, str],
    out: Path,
    hosts: list[str],
    *,
    timeout_s: float = 30,
    limit_bytes: int = 512 << 20,
    via: requests.Session | None = None,
) -> None:
    """Download path → address into `out`.

    Raises `BadInput` for an address whose host is not allowed, an answer that says no (4xx) or is too large, and
    `SourceUnavailable` when the source does not answer or is still busy after the retries.
    """
    with via or session() as client:
        for path, address in addresses.items():
            host = urlsplit(address).hostname
            if host not in hosts:
                raise BadInput(
                    f"{address}: host {host!r} is not allowed for this source; expected one of {', '.join(hosts) or 'none'}. "
                    "Correct the address or add the host to the source in the profile."
                )
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(client, address, target, timeout_s, limit_bytes)


def _download(
    client: requests.Session, address: str, target: Path, timeout_s: float, limit_bytes: int
) -> None:
    try:
        with client.get(address, stream=True, timeout=timeout_s, allow_redirects=False) as answer:
            if answer.status_code in (429, 500, 502, 503, 504):
                raise SourceUnavailable(
                    f"{address}: still answers {answer.status_code} after all retries. Run the task again later."
                )
            if answer.status_code != 200:
                raise BadInput(
                    f"{address}: answered {answer.status_code}; expected 200 and the file. Correct the address."
                )
            received = 0
            with target.open("wb") as file:
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    received += len(chunk)
                    if received > limit_bytes:
                        raise BadInput(
                            f"{address}: is larger than {limit_bytes >> 20} MiB. Check the address, or raise the limit."
                        )
                    file.write(chunk)
    except requests.RequestException as error:
        raise SourceUnavailable(
            f"{address}: did not answer ({type(error).__name__}). Run the task again later."
        ) from None
