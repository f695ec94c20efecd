"""Releases in a bucket, with the promises of the local folder: nothing is overwritten, readers see whole versions only.

The files of a version lie below a prefix of their own, each written only where nothing was (If-None-Match). A version exists
when the pointer, `CURRENT.json`, names it, and the pointer is replaced only if it is still the one that was read (If-Match):
of two publishers at once one is second, and sees it. The local folder of releases stays the working copy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.lake.files import fsync_folder, replacing, telling_disk_full
from citycheck.period import HalfYear
from citycheck.release.manifest import MANIFEST, SIGNATURE, WITHDRAWN, WITHDRAWN_PAGE, notice_files, render
from citycheck.release.verify import unsafe, verify

POINTER = "CURRENT.json"
_PROBE = ".conditional"
"""An empty object, by which a store shows that it keeps conditions."""
_TRIES = 20
_ATTEMPTS = 4
_READ_ONLY = 0o444
_LIMIT_BYTES = 1 << 30
_CLASHES = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_NOT_THERE = ("NoSuchKey", "404")
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401")


@dataclass(frozen=True)
class Pointer:
    """What the bucket says is published, by half-year; `etag` is None before the first version.

    An entry says version, kind, stage, fingerprint, path, seal, is_withdrawn and notice, the SHA-256 of WITHDRAWN.json.
    """

    half_years: dict[str, Any]
    etag: str | None

    def versions(self, half_year: str) -> list[dict[str, Any]]:
        """The entry of each, oldest first."""
        found: list[dict[str, Any]] = self.half_years.get(half_year, {}).get("versions", [])
        return found


class Shelf:
    """`s3://bucket/prefix`. Raises `SourceUnavailable` when it does not answer after several tries."""

    def __init__(
        self, address: str, connection: Connection, *, trusted: str | None = None, attempts: int = _ATTEMPTS
    ):
        """`trusted` is the id of the key that must have signed what is pulled; `attempts` how often a request is tried."""
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise BadInput(
                "CITYCHECK_RELEASES is no address of a bucket; expected s3://bucket/prefix. Correct it."
            )
        self.bucket, self.prefix, self.trusted = parts.netloc, parts.path.strip("/"), trusted
        self.address = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self._attempts = attempts
        self._client = _client(self.bucket, connection, attempts)

    # Reading ---------------------------------------------------------------------------------------------------------

    def pointer(self) -> Pointer:
        found = self._get(POINTER)
        if found is None:
            return Pointer({}, None)
        try:
            half_years = json.loads(found[0])
            for half_year, about in half_years.items():
                HalfYear.parse(half_year)
                for entry in about["versions"]:
                    if entry["path"] != _path(half_year, entry["version"], entry["seal"]):
                        raise ValueError
                    if (entry["notice"] is not None) is not entry["is_withdrawn"]:
                        raise ValueError
                    str(entry["fingerprint"])
        except (ValueError, KeyError, TypeError, AttributeError, BadInput):
            raise BadInput(
                f"{self.address}/{POINTER}: is not what citycheck writes; expected half-years with their versions. "
                "Restore an earlier version of this object."
            ) from None
        return Pointer(half_years, found[1])

    def published(self) -> dict[str, dict[int, bool]]:
        """By half-year, the versions that are there, and whether each is withdrawn."""
        pointer = self.pointer()
        return {
            half_year: {entry["version"]: entry["is_withdrawn"] for entry in pointer.versions(half_year)}
            for half_year in pointer.half_years
        }

    def pull(self, releases: Path) -> list[Path]:
        """Bring what the bucket has published and the folder lacks; returns the folders that are new.

        To be called by the one who holds the lock of the folder. Each version appears by a rename, when it is complete
        and verifies; a notice that differs from the bucket's gives way to it, since two hosts may have withdrawn a version
        before they shared a bucket. Raises `BadInput` when the bucket's files do not verify, or when the folder holds
        another version by the same number.
        """
        new = []
        with telling_disk_full(releases):
            for half_year, about in sorted(self.pointer().half_years.items()):
                for entry in about["versions"]:
                    target = releases / half_year / str(entry["version"])
                    if not target.exists():
                        with _staging(releases) as staging:
                            self._bring(entry, target, staging)
                        new.append(target)
                    elif _seal_of(target) != entry["seal"]:
                        raise BadInput(
                            f"{target}: is not the version {entry['version']} of {half_year} that {self.address} has "
                            "published. Move it away, and run the task again."
                        )
                    if entry["notice"] not in (None, _notice_of(target)):
                        with _staging(releases) as staging:
                            self._bring_notice(entry, target, staging)
        return new

    def _bring(self, entry: Mapping[str, Any], target: Path, staging: Path) -> None:
        staging.mkdir()
        for name in (MANIFEST, SIGNATURE):
            self._download(f"{entry['path']}/{name}", staging / name)
        for name in _listed((staging / MANIFEST).read_bytes()):
            self._download(f"{entry['path']}/{name}", staging / name)
        about = self._sound(staging, f"{self.address}/{entry['path']}")
        named = {name: entry.get(name) for name in ("version", "fingerprint")} | {
            "half_year": target.parent.name
        }
        if _seal_of(staging) != entry["seal"] or any(
            about.get(name) != value for name, value in named.items()
        ):
            raise BadInput(
                f"{self.address}/{entry['path']}: is not what the pointer names. Ask who publishes there."
            )
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                path.chmod(_READ_ONLY)
            else:
                fsync_folder(path)
        fsync_folder(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(staging, target)
        fsync_folder(target.parent)

    def _bring_notice(self, entry: Mapping[str, Any], target: Path, staging: Path) -> None:
        """Both files of a notice, if with them the version still verifies, which it does at every moment in between."""
        shutil.copytree(target, staging, copy_function=os.link)
        for name in (WITHDRAWN, WITHDRAWN_PAGE):
            self._download(f"{entry['path']}/{name}", staging / name)
        self._sound(staging, f"{self.address}/{entry['path']}")
        if _notice_of(staging) != entry["notice"]:
            raise BadInput(
                f"{self.address}/{entry['path']}/{WITHDRAWN}: is not what the pointer names. Ask who publishes there."
            )
        # One notice without its page is sound; two that differ are not.
        (target / WITHDRAWN_PAGE).unlink(missing_ok=True)
        for name in (WITHDRAWN, WITHDRAWN_PAGE):
            (staging / name).chmod(_READ_ONLY)
            os.replace(staging / name, target / name)
            fsync_folder(target)

    def _sound(self, folder: Path, what: str) -> Mapping[str, Any]:
        """The manifest of a folder that verifies; `what` is how it is called when it does not."""
        verdict = verify(folder, self.trusted)
        if self.trusted and verdict.signed_by not in (None, self.trusted):
            raise BadInput(
                f"{what}: was signed by the key {verdict.signed_by}, not by the {self.trusted} of this host. Let every host "
                f"that publishes at {self.address} sign with the same key."
            )
        if verdict.problems or verdict.manifest is None:
            told = verdict.problems[0] if verdict.problems else "nobody has signed it"
            raise BadInput(f"{what}: does not verify: {told}. Restore the files from a copy.")
        return verdict.manifest

    # Writing ---------------------------------------------------------------------------------------------------------

    def push(self, folder: Path, first: int = 1) -> bool:
        """Publish a sealed version: its files first, then the pointer. What was begun is finished by doing it again.

        The number must be the next one, and where the half-year has none yet it is `first`. A version that is withdrawn
        comes with its notice. Returns False when another publisher was first with the same candidate: what counts is then
        its seal, to be had by `pull`. Raises `BadInput` when the folder does not verify, or when the number has meanwhile
        gone to other contents.
        """
        about = self._sound(folder, str(folder))
        half_year, version = str(HalfYear.parse(str(about["half_year"]))), int(about["version"])
        seal = _seal_of(folder)
        entry = {name: about[name] for name in ("version", "kind", "stage", "fingerprint")} | {
            "path": _path(half_year, version, seal),
            "seal": seal,
            "is_withdrawn": False,
            "notice": None,
        }

        def added(pointer: Pointer) -> list[dict[str, Any]] | None:
            others = pointer.versions(half_year)
            same = [other for other in others if other["version"] == version]
            if same and same[0]["fingerprint"] != about["fingerprint"]:
                raise BadInput(
                    f"{half_year}: version {version} was published at {self.address} by another in the meantime, with other "
                    "contents. Run the build again from its task `ready`."
                )
            last = max((other["version"] for other in others), default=first - 1)
            if not same and version != last + 1:
                raise BadInput(
                    f"{half_year}: the next version at {self.address} is {last + 1}, and this one is version {version}. "
                    "Put those between into the folder of releases, from a copy or from the host that has them."
                )
            return None if same else [*others, entry]

        if added(self.pointer()) is not None:
            self._must_keep_conditions()
            names = sorted(
                path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
            )
            for name in names:
                if name not in (WITHDRAWN, WITHDRAWN_PAGE):
                    self._create(f"{entry['path']}/{name}", (folder / name).read_bytes())
            if WITHDRAWN in names:
                notice = json.loads((folder / WITHDRAWN).read_bytes())
                entry |= {"is_withdrawn": True, "notice": self._leave(notice, entry["path"])}
            self._commit(half_year, added)
        return any(other["seal"] == seal for other in self.pointer().versions(half_year))

    def withdraw(self, half_year: str, version: int, notice: Mapping[str, Any]) -> None:
        """Put a signed notice (`manifest.sign_notice`) beside a version's files, then let the pointer say so.

        Doing it again changes nothing: the first notice stays.
        """
        path = next((e["path"] for e in self.pointer().versions(half_year) if e["version"] == version), None)
        if path is None:
            raise BadInput(f"{half_year}: {self.address} has no version {version}. Push it first.")
        about = {"is_withdrawn": True, "notice": self._leave(notice, path)}

        def marked(pointer: Pointer) -> list[dict[str, Any]] | None:
            found = pointer.versions(half_year)
            changed = [e | about if e["version"] == version else e for e in found]
            return None if changed == found else changed

        self._commit(half_year, marked)

    def _leave(self, notice: Mapping[str, Any], path: str) -> str:
        """Put a notice beside the files of a version unless one is there; returns the SHA-256 of the one that is."""
        name = f"{path}/{WITHDRAWN}"
        self._put(name, render(notice), None)
        found = self._get(name)
        if found is None:
            raise BadInput(f"{self.address}/{name}: is gone while it was written. Ask who publishes there.")
        self._create(f"{path}/{WITHDRAWN_PAGE}", notice_files(json.loads(found[0]))[WITHDRAWN_PAGE])
        return hashlib.sha256(found[0]).hexdigest()

    def _commit(self, half_year: str, change: Callable[[Pointer], list[dict[str, Any]] | None]) -> None:
        """Replace the pointer by one with changed versions, unless `change` says that it is so already."""
        for _ in range(_TRIES):
            pointer = self.pointer()
            versions = change(pointer)
            if versions is None:
                return
            standing = [entry for entry in versions if not entry["is_withdrawn"]]
            last = standing[-1] if standing else {}
            about = {name: last.get(name) for name in ("version", "path", "fingerprint", "kind", "stage")}
            content = render(pointer.half_years | {half_year: about | {"versions": versions}})
            if self._put(POINTER, content, pointer.etag):
                return
            # Somebody else was first, or the answer to our own request was lost: the next look tells.
        raise SourceUnavailable(
            f"{self.address}: others publish there all the time. Run the task again later."
        )

    def _must_keep_conditions(self) -> None:
        """Raise `BadInput` when the store overwrites what it was told not to; older ones ignore the conditions in silence."""
        self._put(_PROBE, b"", None)
        if self._put(_PROBE, b"", None) or self._put(_PROBE, b"", '"another"'):
            raise BadInput(
                f"{self.address}: the store ignores conditional writes, without which two publishers could overwrite each other. "
                "Use one that keeps them."
            )

    def _create(self, name: str, content: bytes) -> None:
        """Write where nothing is; the same content that is there already is fine."""
        if not self._put(name, content, None):
            found = self._get(name)
            if found is None or found[0] != content:
                raise BadInput(f"{self.address}/{name}: is there already, with other contents. Move it away.")

    # Requests --------------------------------------------------------------------------------------------------------

    def _put(self, name: str, content: bytes, etag: str | None) -> bool:
        """Write one object in the place of that with this ETag, or of none; False when something else is there."""
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        about = {"ContentType": mimetypes.guess_type(name)[0] or "application/octet-stream"}
        if name == POINTER:
            about["CacheControl"] = "no-cache"
        # The digest lets the server refuse what arrives damaged.
        about["ContentMD5"] = _md5(content)
        with self._telling():
            try:
                self._client.put_object(
                    Bucket=self.bucket, Key=self._key(name), Body=content, **condition, **about
                )
                return True
            except Exception as error:
                # A pointer that vanished is "no such key" to If-Match.
                if _code(error) in _CLASHES or (etag is not None and _code(error) in _NOT_THERE):
                    return False
                raise

    def _get(self, name: str) -> tuple[bytes, str] | None:
        """One object and its ETag. The library tries again to be answered, but not to read an answer to its end."""
        from botocore.exceptions import BotoCoreError

        with self._telling():
            for attempt in range(self._attempts):
                try:
                    found = self._client.get_object(Bucket=self.bucket, Key=self._key(name))
                    if found["ContentLength"] > _LIMIT_BYTES:
                        raise BadInput(
                            f"{self.address}/{name}: is too large to be of a release. Ask who publishes there."
                        )
                    return found["Body"].read(), str(found["ETag"])
                except BotoCoreError:
                    if attempt == self._attempts - 1:
                        raise
                except Exception as error:
                    if _code(error) in _NOT_THERE:
                        return None
                    raise
        return None

    def _download(self, name: str, target: Path) -> None:
        found = self._get(name)
        if found is None:
            raise BadInput(
                f"{self.address}/{name}: is missing, though the pointer names its version. Restore it."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(found[0])

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}".lstrip("/")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what the store or the network says, which may quote keys, into one sentence."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code in _REFUSED:
                raise BadInput(
                    f"{self.address}: the store refuses the connection's keys. Correct login and password of the connection, "
                    "or let them read and write there."
                ) from None
            if code in ("NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "301"):
                raise BadInput(
                    f"{self.address}: there is no such bucket in this region. Correct CITYCHECK_RELEASES or the connection."
                ) from None
            if code in ("NotImplemented", "501"):
                raise BadInput(
                    f"{self.address}: the store knows no conditional writes, without which two publishers could overwrite each "
                    "other. Use one that does."
                ) from None
            raise SourceUnavailable(
                f"{self.address}: did not do what was asked ({code}). Run the task again later."
            ) from None
        except (BotoCoreError, HTTPError, OSError) as error:
            if isinstance(error, OSError) and error.filename:  # a file of this machine
                raise
            raise SourceUnavailable(f"{self.address}: did not answer. Run the task again later.") from None


def _client(bucket: str, connection: Connection, attempts: int) -> Any:
    """A client that asks the endpoint's host and nobody else."""
    if not (connection.login and connection.password):
        raise BadInput(
            f"The connection {connection.id!r} has no login or no password; expected the access key and the secret key. "
            "Correct it in Airflow."
        )
    extra = connection.extra
    region = str(extra.get("region_name") or extra.get("region") or "us-east-1")
    endpoint = urlsplit(str(extra.get("endpoint_url") or f"https://s3.{region}.amazonaws.com"))
    if endpoint.scheme not in ("http", "https") or not endpoint.hostname or endpoint.username:
        raise BadInput(
            f"The connection {connection.id!r}: its `endpoint_url` is no address; expected https://host. Correct it in Airflow."
        )
    import boto3
    from botocore.config import Config

    client = boto3.session.Session(
        aws_access_key_id=connection.login, aws_secret_access_key=connection.password, region_name=region
    ).client(
        "s3",
        endpoint_url=endpoint.geturl(),
        config=Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            # Stores other than Amazon's know neither buckets as hosts nor checksums in trailers.
            s3={"addressing_style": "path" if "endpoint_url" in extra else "virtual"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

    def only_the_endpoint(request: Any, **_: Any) -> None:
        if urlsplit(request.url).hostname not in (endpoint.hostname, f"{bucket}.{endpoint.hostname}"):
            raise BadInput(
                f"s3://{bucket}: leads to another host than its endpoint. Correct the connection's region."
            )

    client.meta.events.register("before-send.s3", only_the_endpoint)
    return client


@contextmanager
def _staging(releases: Path) -> Iterator[Path]:
    """A folder to be made, on the file system of the releases; gone when done, and whatever one that died left there."""
    folder = releases / ".staging" / "pulled"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _listed(manifest: bytes) -> list[str]:
    """The paths that a manifest lists, if they stay below its folder; what else is wrong with it `verify` tells."""
    try:
        paths = [entry["path"] for entry in json.loads(manifest)["files"]]
        if all(isinstance(path, str) and not unsafe(path) for path in paths):
            return paths
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise BadInput(
        f"{MANIFEST}: in the bucket, it lists no files that could be fetched. Ask who publishes there."
    )


def _seal_of(folder: Path) -> str:
    """The SHA-256 of the signature: two publishers of the same candidate have two, since they sign when they publish."""
    try:
        return hashlib.sha256((folder / SIGNATURE).read_bytes()).hexdigest()
    except OSError:
        return ""


def _notice_of(folder: Path) -> str | None:
    """The SHA-256 of a notice that is complete."""
    if not (folder / WITHDRAWN_PAGE).is_file():
        return None
    try:
        return hashlib.sha256((folder / WITHDRAWN).read_bytes()).hexdigest()
    except OSError:
        return ""


def _path(half_year: str, version: int, seal: str) -> str:
    if type(version) is not int or version < 1 or not re.fullmatch("[0-9a-f]{64}", seal):
        raise ValueError("no version")
    return f"{half_year}/{version}-{seal[:12]}"


def _md5(content: bytes) -> str:

    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
