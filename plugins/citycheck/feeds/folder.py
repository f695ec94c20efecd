"""Files from a folder on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from citycheck.errors import BadInput


def listing(folder: Path) -> list[str]:
    """Paths of all files under a folder, relative to it, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


_CHUNK_BYTES = 1 << 20
SIDECARS = {
    ".shp": (".shx", ".dbf", ".prj", ".cpg"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
}
"""Files that belong to another one of the same name: a Shapefile or a MapInfo table is several."""


def with_sidecars(paths: list[str], offered: list[str]) -> list[str]:
    """The paths, sorted, with the offered files that belong to them."""
    offers = {path.lower(): path for path in offered}
    found = set(paths)
    for path in paths:
        stem, dot, suffix = path.rpartition(".")
        for sidecar in SIDECARS.get(f".{suffix.lower()}", ()) if dot else ():
            if (beside := offers.get(f"{stem}{sidecar}".lower())) is not None:
                found.add(beside)
    return sorted(found)


def fetch(folder: Path, paths: list[str], out: Path) -> dict[str, str]:
    """Copy files byte for byte; the SHA-256 of each. Raises `BadInput` when one cannot be read."""
    digests: dict[str, str] = {}
    for path in paths:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with (folder / path).open("rb") as source, target.open("wb") as copy:
                while chunk := source.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    copy.write(chunk)
        except (FileNotFoundError, PermissionError) as error:
            raise BadInput(
                f"{folder / path}: cannot be read ({error.strerror}); expected a readable file. Check the source's folder."
            ) from None
        digests[path] = digest.hexdigest()
    return digests
