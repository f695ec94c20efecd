"""Files from a folder on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from citycheck.errors import BadInput


def listing(folder: Path) -> list[str]:
    """Paths of all files under a folder, relative to it, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def fetch(folder: Path, paths: list[str], out: Path) -> None:
    """Copy files byte for byte. Raises `BadInput` when one cannot be read."""
    for path in paths:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(folder / path, target)
        except (FileNotFoundError, PermissionError) as error:
            raise BadInput(
                f"{folder / path}: cannot be read ({error.strerror}); expected a readable file. Check the source's folder."
            ) from None
