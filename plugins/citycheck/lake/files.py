"""Writing so that nobody ever sees half a file."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput, DiskFull


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces `path` in one step, on failure it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with telling_disk_full(path):
            yield temporary
            fsync(temporary)
            os.replace(temporary, path)
            fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def telling_disk_full(path: Path) -> Iterator[None]:
    """Turn "no space left" and "may not be written", whoever says it, into one sentence."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (
            errno.EROFS,
            errno.EACCES,
            errno.EPERM,
            errno.ENOTDIR,
        ):
            raise BadInput(
                f"{error.filename or path}: cannot be written ({error.strerror}); nothing was changed. "
                "Let citycheck write there, or set CITYCHECK_HOME to where it may."
            ) from None
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left on device" in str(error):
            raise DiskFull(
                f"{path}: no space is left on the disk; nothing was changed. Free some space and run the task again."
            ) from None
        raise


def read_json(path: Path, remedy: str) -> Any:
    """Read JSON that citycheck wrote. Raises `BadInput` with the remedy when it is gone or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadInput(
            f"{path}: is missing or damaged; expected what an earlier task wrote. {remedy}"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, in one step."""
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def make_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in a folder alike, unless it is there: the process that is first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(path.parent, 0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        fsync(temporary)
        # A link, unlike a rename, fails when the file is there.
        with suppress(FileExistsError):
            os.link(temporary, path)
        fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
