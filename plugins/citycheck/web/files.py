"""Files of a folder for whoever may see the folder: no path leads out of it, no link is followed, no type is guessed."""

from __future__ import annotations

import stat
from pathlib import Path

from citycheck.release.verify import unsafe

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".sig": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""What a browser shows; all else is to be saved."""
SAVED = {
    ".csv": "text/csv; charset=utf-8",
    ".jsonld": "application/ld+json",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def find(folder: Path, path: str) -> Path | None:
    """The file at `path` below `folder`; None when there is none, or when it is hidden, a link, or behind one."""
    parts = path.split("/")
    if unsafe(path) or any(part.startswith(".") for part in parts):
        return None
    found = folder
    for number, part in enumerate(parts, start=1):
        found = found / part
        try:
            mode = found.lstat().st_mode
        except OSError:
            return None
        if not (stat.S_ISREG(mode) if number == len(parts) else stat.S_ISDIR(mode)):
            return None
    return found


def media_type(path: Path) -> tuple[str, bool]:
    """The type of a file by its name, and whether a browser shows it rather than saves it."""
    if path.suffix in TYPES:
        return TYPES[path.suffix], True
    return SAVED.get(path.suffix, "application/octet-stream"), False
