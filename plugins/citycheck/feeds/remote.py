"""Files from `https`, from an S3 bucket (or anything that speaks its protocol), and from a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import folder
from citycheck.feeds.ask import Ask
from citycheck.strict import Strict

LIMIT_BYTES = 512 << 20
_REGION = "us-east-1"


class Remote(Strict):
    address: str
    """`https://…` of a file, or of a folder whose `files` are named; `s3://bucket/prefix`; or a path."""
    files: list[str] | None = None
    """Paths below the address; for S3 and folders also patterns (`2026/*.csv`). Without: everything there is."""
    connection: str | None = None
    """For S3: the Airflow connection with login (access key), password (secret key), and in its extra
    `endpoint_url` and `region_name`. Without: anonymous."""


class Downloads(Protocol):
    def download(self, address: str, target: Path) -> None: ...


def fetch(config: Remote, ask: Ask, out: Path, client: Downloads | None = None) -> datetime | None:
    """Bring every file of the source into `out`, byte for byte; such a source tells no watermark."""
    paths = listing(config.address, ask.connection, ask.hosts, config.files)
    fetch_paths(config.address, paths, out, ask.connection, ask.hosts, client)
    return None


def listing(
    address: str, connection: Connection | None, hosts: Sequence[str] = (), files: Sequence[str] | None = None
) -> list[str]:
    """The paths of the files below an address, sorted; the address of one file has its name alone.

    Raises `BadInput` when there is nothing, or the host is not allowed, `SourceUnavailable` when it does not answer.
    """
    scheme = _scheme(address)
    if scheme in ("http", "https"):
        if files and any(sign in name for name in files for sign in "*?["):
            raise BadInput(
                f"{_shown(address)}: `files` holds a pattern, and https cannot list a folder; expected names. "
                "Name each file in the profile."
            )
        return sorted(files) if files else [PurePosixPath(urlsplit(address).path).name or "download"]
    if scheme == "s3":
        with _telling(address):
            store, root = _bucket(address, connection, hosts)
            found = [_below(path, root) for path in _keys(store, root)]
    else:
        place = Path(address)
        found = [place.name] if place.is_file() else folder.listing(place)
    wanted = sorted(p for p in found if p and (files is None or any(fnmatchcase(p, f) for f in files)))
    if not wanted:
        raise BadInput(
            f"{_shown(address)}: has no file{' like ' + ', '.join(files) if files else ''}; expected some. "
            "Correct `address` or `files` in the profile, or wait for the source."
        )
    return wanted


def fetch_paths(
    address: str,
    paths: Sequence[str],
    out: Path,
    connection: Connection | None,
    hosts: Sequence[str],
    client: Downloads | None = None,
    *,
    limit_bytes: int = LIMIT_BYTES,
) -> None:
    """Bring files below an address, named as `listing` does, into `out`.

    Raises `BadInput` for one that is not there, is too large, or would lie outside of `out`.
    """
    for path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise BadInput(
                f"{_shown(address)}: one of its files has a name that leads out of its folder; expected a path below "
                "the address. Correct `files` in the profile, or tell the source."
            )
        (out / path).parent.mkdir(parents=True, exist_ok=True)
    scheme = _scheme(address)
    if scheme in ("http", "https"):
        if client is None:
            from citycheck.feeds import http

            with http.Client(hosts, limit_bytes=limit_bytes) as made:
                return fetch_paths(address, paths, out, connection, hosts, made)
        for path in paths:
            client.download(_joined(address, path), out / path)
    elif scheme == "s3":
        with _telling(address):
            store, root = _bucket(address, connection, hosts)
            for path in paths:
                key = root if root.endswith("/" + path) and store.isfile(root) else f"{root}/{path}"
                _copy(store, key, out / path, address, limit_bytes)
    else:
        place = Path(address)
        folder.fetch(place.parent if place.is_file() else place, list(paths), out)
    return None


def _keys(store: Any, root: str) -> list[str]:
    """The files below bucket/prefix, or the one that is there. fsspec's own `find` is silent about errors."""
    from pyarrow.fs import FileSelector, FileType

    if store.fs.get_file_info(root).type == FileType.File:
        return [root]
    found = store.fs.get_file_info(FileSelector(root, recursive=True))
    return [info.path for info in found if info.type == FileType.File]


def _copy(store: Any, key: str, target: Path, address: str, limit_bytes: int) -> None:
    if (size := store.size(key) or 0) > limit_bytes:
        raise BadInput(
            f"{_shown(address)}: a file there has {size >> 20} MiB; expected at most {limit_bytes >> 20} MiB. "
            "Narrow `files` in the profile, or raise the limit."
        )
    with store.open(key, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _bucket(address: str, connection: Connection | None, hosts: Sequence[str]) -> tuple[Any, str]:
    """The store as fsspec sees it, and bucket/prefix. Nothing is asked before the host is allowed."""
    extra = connection.extra if connection else {}
    region = str(extra.get("region_name") or extra.get("region") or _REGION)
    told = str(extra.get("endpoint_url") or f"https://s3.{region}.amazonaws.com")
    endpoint = urlsplit(told)
    if endpoint.scheme not in ("http", "https") or not endpoint.hostname:
        raise BadInput(
            f"{_shown(address)}: `endpoint_url` of the connection is no address; expected https://host. Correct it in Airflow."
        )
    if endpoint.hostname not in hosts:
        raise BadInput(
            f"{_shown(address)}: host {endpoint.hostname!r} is not allowed for this source; expected one of "
            f"{', '.join(hosts) or 'none'}. Correct the connection or add the host to the source in the profile."
        )
    if connection and not (connection.login and connection.password):
        raise BadInput(
            f"The connection {connection.id!r} has no login or no password; expected the access key and the secret key. "
            "Correct it in Airflow."
        )
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    store = S3FileSystem(
        access_key=connection.login if connection else None,
        secret_key=connection.password if connection else None,
        anonymous=connection is None,
        region=region,
        scheme=endpoint.scheme,
        endpoint_override=endpoint.netloc.rpartition("@")[2] if "endpoint_url" in extra else None,
        connect_timeout=10,
        request_timeout=30,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )
    parts = urlsplit(address)
    root = f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
    return ArrowFSWrapper(store, use_listings_cache=False, skip_instance_cache=True), root


@contextmanager
def _telling(address: str) -> Iterator[None]:
    """Turn what the store says, which may quote keys, into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise BadInput(
            f"{_shown(address)}: has no such bucket or file; expected the files of the source. Correct `address` in the profile."
        ) from None
    except OSError as error:
        said = str(error)
        if "NO_SUCH_BUCKET" in said or "HTTP status 404" in said:
            raise BadInput(
                f"{_shown(address)}: has no such bucket; expected that of the source. Correct `address` in the profile."
            ) from None
        if error.errno is not None and error.filename:  # a file of this machine
            raise
        if any(
            word in said for word in ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE", "HTTP status 403")
        ):
            raise BadInput(
                f"{_shown(address)}: the store refuses the connection's keys. Correct login and password of the connection."
            ) from None
        raise SourceUnavailable(f"{_shown(address)}: did not answer. Run the task again later.") from None


def _scheme(address: str) -> str:
    scheme = urlsplit(address).scheme.lower()
    if scheme not in ("", "http", "https", "s3"):
        raise BadInput(
            f"{_shown(address)}: cannot be read; expected https://, s3:// or a path. Correct `address` in the profile."
        )
    return scheme


def _joined(address: str, path: str) -> str:
    """The address of a file below an address; one that names the file already stays."""
    parts = urlsplit(address)
    if PurePosixPath(parts.path).name == path or (not parts.path.strip("/") and path == "download"):
        return address
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(path)}"))


def _below(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip("/") or PurePosixPath(path).name


def _shown(address: str) -> str:
    """An address without user, query and fragment, which may hold a secret."""
    parts = urlsplit(address)
    if not parts.scheme:
        return address
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
