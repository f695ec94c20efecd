"""What the files of a bundle must be: SHA256SUMS, in the form that `sha256sum -c` reads, and blocks.json.

blocks.json says of every file how long it is and holds a code (`locate`) from which follows *which* byte is wrong. It is
listed in SHA256SUMS as every other file is; neither lists itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.release import locate

SHA256SUMS = "SHA256SUMS"
BLOCKS = "blocks.json"
_ABOUT = {
    "block_bytes": locate.BLOCK_BYTES,
    "format": 1,
    "hash_bytes": locate.HASH_BYTES,
    "modulus": locate.MODULUS,
    "sums": locate.SUMS,
}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write blocks.json and SHA256SUMS of every file below a folder, sorted by path.

    Raises `BadInput` for a name that not every system can hold.
    """
    paths = [path for path in _files(folder) if path != BLOCKS]
    for path in paths:
        if not path.isprintable() or "\\" in path:
            raise BadInput(
                f"{folder}: the file {path!r} cannot be published by this name. Write it by a plain one."
            )
    (folder / BLOCKS).write_bytes(blocks_of((path, (folder / path).read_bytes()) for path in paths))
    (folder / SHA256SUMS).write_bytes(sums_of({path: sha256(folder / path) for path in [*paths, BLOCKS]}))


def verify(folder: Path) -> list[str]:
    """What is wrong with a bundle, sealed or not, a sentence each; empty when nothing is."""
    from citycheck.release.verify import problems

    return problems(folder)


def sums_of(sha256s: Mapping[str, str]) -> bytes:
    """The text of SHA256SUMS."""
    return "".join(f"{sha256s[path]}  {path}\n" for path in sorted(sha256s)).encode()


def blocks_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The text of blocks.json: one line a file."""
    codes = {path: {"bytes": len(data), "code": locate.encode(data)} for path, data in files}
    lines = ",\n".join(f"{_written(path)}:{_written(codes[path])}" for path in sorted(codes))
    return f'{_written(_ABOUT)[:-1]},"files":{{\n{lines}\n}}}}\n'.encode()


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _files(folder: Path) -> list[str]:
    """Every file below a folder but its SHA256SUMS, as sorted relative paths."""
    found = (path for path in folder.rglob("*") if path.is_file() and path != folder / SHA256SUMS)
    return sorted(path.relative_to(folder).as_posix() for path in found)
