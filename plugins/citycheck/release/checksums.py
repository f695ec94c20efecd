"""SHA256SUMS: what the files of a bundle must be, in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

SHA256SUMS = "SHA256SUMS"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write the sums of every file below a folder, sorted by path."""
    lines = [f"{sha256(folder / path)}  {path}\n" for path in _files(folder)]
    (folder / SHA256SUMS).write_text("".join(lines), encoding="utf-8")


def verify(folder: Path) -> list[str]:
    """What is wrong with a bundle, one sentence a file; empty when every file is as SHA256SUMS says."""
    sums = folder / SHA256SUMS
    if not sums.is_file():
        return [f"{SHA256SUMS}: missing"]
    expected = {}
    for number, line in enumerate(sums.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        match = re.fullmatch("([0-9a-f]{64})  (.+)", line)
        if match is None:
            return [f"{SHA256SUMS}: line {number} is not a SHA-256, two blanks and a path"]
        expected[match[2]] = match[1]
    found = set(_files(folder))
    problems = {name: "missing" for name in expected if name not in found}
    problems |= {name: "not listed in SHA256SUMS" for name in found if name not in expected}
    for name in found & expected.keys():
        if sha256(folder / name) != expected[name]:
            problems[name] = "differs from its SHA-256"
    return [f"{name}: {problems[name]}" for name in sorted(problems)]


def _files(folder: Path) -> list[str]:
    """Every file below a folder but its SHA256SUMS, as sorted relative paths."""
    found = (path for path in folder.rglob("*") if path.is_file() and path != folder / SHA256SUMS)
    return sorted(path.relative_to(folder).as_posix() for path in found)
