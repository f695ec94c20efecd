"""Files of a folder: what is in it and nothing else, by no way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from citycheck.web import files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    made = tmp_path / "bundle"
    (made / "tables").mkdir(parents=True)
    for name in ("index.html", "tables/areas.csv", "tables/名.csv", ".hidden", "SHA256SUMS"):
        (made / name).write_text(name)
    (made / "link.txt").symlink_to(tmp_path / "secret.txt")
    (made / "inner.txt").symlink_to(made / "index.html")
    (made / "folder").symlink_to(made / "tables")
    return made


@pytest.mark.parametrize("path", ["index.html", "tables/areas.csv", "tables/名.csv", "SHA256SUMS"])
def test_what_is_there_is_found(folder: Path, path: str) -> None:
    assert files.find(folder, path) == folder / path


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../secret.txt", "tables/../../secret.txt", "tables/./areas.csv", "tables//areas.csv", "/etc/passwd",
        "tables", "tables/", "nowhere", "index.html/x", "link.txt", "inner.txt", "folder/areas.csv", ".hidden",
        "..\\secret.txt", "index.html\x00", "index.html\n", "a" * 2000,
    ],
)  # fmt: skip
def test_nothing_else_is_found(folder: Path, path: str) -> None:
    assert files.find(folder, path) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", ("text/html; charset=utf-8", True)),
        ("page.js", ("text/javascript; charset=utf-8", True)),
        ("areas.csv", ("text/csv; charset=utf-8", False)),
        ("citycheck.gpkg", ("application/geopackage+sqlite3", False)),
        ("SHA256SUMS", ("text/plain; charset=utf-8", True)),
        ("page.xhtml", ("application/octet-stream", False)),
        ("page.HTML", ("application/octet-stream", False)),
    ],
)
def test_no_type_is_guessed(name: str, expected: tuple[str, bool]) -> None:
    assert files.media_type(Path(name)) == expected
