"""Publishing: versions, the pointer, and publishers at once; steps/test_faults.py kills it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from citycheck.errors import BadInput, CitycheckError
from citycheck.lake import files
from citycheck.release import publish as publishing
from citycheck.release.checksums import sha256, write_sums
from citycheck.release.publish import current, publish, verify, versions, withdraw

PLUGINS = Path(publishing.__file__).parents[2]

CHILD = "import sys; from pathlib import Path; from citycheck.release.publish import publish; "
CHILD += "publish(Path(sys.argv[1]), Path(sys.argv[2]), '2026H1')"


def stage(folder: Path, text: str = "1") -> Path:
    """A small sound bundle with the given contents."""
    (folder / "tables").mkdir(parents=True)
    (folder / "tables/county_index.csv").write_text(text, encoding="utf-8")
    (folder / "index.html").write_text("<!DOCTYPE html>", encoding="utf-8")
    write_sums(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a reader may see; lock and staging area are not for readers."""
    found = (
        p for p in folder.rglob("*") if p.is_file() and not p.relative_to(folder).parts[0].startswith(".")
    )
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def child(staged: Path, releases: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(staged), str(releases)],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        text=True,
    )


@pytest.fixture
def releases(tmp_path):
    return tmp_path / "releases"


def test_first_and_next_version(tmp_path, releases):
    first = publish(stage(tmp_path / "a", "1"), releases, "2026H1")
    second = publish(stage(tmp_path / "b", "2"), releases, "2026H1")
    other = publish(stage(tmp_path / "c", "1"), releases, "2025H2")
    assert [(r.half_year, r.version, r.path) for r in (first, second, other)] == [
        ("2026H1", 1, releases / "2026H1/1"),
        ("2026H1", 2, releases / "2026H1/2"),
        ("2025H2", 1, releases / "2025H2/1"),
    ]
    assert versions(releases, "2026H1") == [first, second]
    assert current(releases, "2026H1") == second
    assert current(releases, "2025H2") == other
    assert current(releases, "2024H1") is None
    assert first.path.joinpath("tables/county_index.csv").read_text() == "1"
    pointer = json.loads((releases / "CURRENT.json").read_text())
    assert list(pointer) == ["2025H2", "2026H1"]
    named = [
        {"version": r.version, "path": f"2026H1/{r.version}", "fingerprint": r.fingerprint}
        for r in (first, second)
    ]
    assert pointer["2026H1"] == named[1] | {"versions": [entry | {"is_withdrawn": False} for entry in named]}
    assert second.fingerprint == sha256(releases / "2026H1/2/SHA256SUMS")


def test_nothing_is_published_before_the_first_release(releases):
    assert current(releases, "2026H1") is None
    assert versions(releases, "2026H1") == []


def test_the_same_contents_are_published_once(tmp_path, releases):
    first = publish(stage(tmp_path / "a"), releases, "2026H1")
    before = {path: path.stat().st_mtime_ns for path in releases.rglob("*") if path.name != ".lock"}
    assert publish(stage(tmp_path / "b"), releases, "2026H1") == first
    assert {path: path.stat().st_mtime_ns for path in releases.rglob("*") if path.name != ".lock"} == before


def test_going_back_to_older_contents_is_a_version_of_its_own(tmp_path, releases):
    """Who goes back to what was published before says so: readers must not be left with the version between."""
    first = publish(stage(tmp_path / "a", "1"), releases, "2026H1")
    publish(stage(tmp_path / "b", "2"), releases, "2026H1")
    back = publish(tmp_path / "a", releases, "2026H1")
    assert (back.version, back.fingerprint) == (3, first.fingerprint)
    assert current(releases, "2026H1") == back


def test_published_files_are_read_only_and_the_staged_ones_stay(tmp_path, releases):
    staged = stage(tmp_path / "a")
    release = publish(staged, releases, "2026H1")
    assert {path.stat().st_mode & 0o777 for path in release.path.rglob("*") if path.is_file()} == {0o444}
    assert contents(staged) == contents(release.path)
    assert not (releases / ".staging").exists()


def test_versions_beyond_nine_are_in_order(tmp_path, releases):
    for n in range(11):
        publish(stage(tmp_path / str(n), str(n)), releases, "2026H1")
    assert [r.version for r in versions(releases, "2026H1")] == list(range(1, 12))
    assert current(releases, "2026H1").version == 11


def test_an_unknown_half_year_is_refused(tmp_path, releases):
    with pytest.raises(BadInput, match="2026H3"):
        publish(stage(tmp_path / "a"), releases, "2026H3")


def changed(folder):
    (folder / "tables/county_index.csv").write_text("9")


def missing(folder):
    (folder / "index.html").unlink()


def extra(folder):
    (folder / "tables/more.csv").write_text("9")


def without_sums(folder):
    (folder / "SHA256SUMS").unlink()


def broken_sums(folder):
    (folder / "SHA256SUMS").write_text("abc  index.html\n")


TAMPERED = [
    (changed, "tables/county_index.csv: differs from its SHA-256: byte 0 (from 0) is 0x39, was 0x31"),
    (missing, "index.html: missing"),
    (extra, "tables/more.csv: not listed in SHA256SUMS"),
    (without_sums, "SHA256SUMS: missing"),
    (broken_sums, "SHA256SUMS: line 1 is not a SHA-256, two blanks and a path"),
]


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED)
def test_verify_names_the_file(tmp_path, tamper, sentence):
    folder = stage(tmp_path / "a")
    assert verify(folder) == []
    tamper(folder)
    assert verify(folder) == [sentence]


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED)
def test_a_tampered_candidate_is_not_published(tmp_path, releases, tamper, sentence):
    folder = stage(tmp_path / "a")
    tamper(folder)
    with pytest.raises(BadInput, match=re.escape(sentence)):
        publish(folder, releases, "2026H1")
    assert not releases.exists()


def test_a_version_tampered_with_after_publication_is_reported(tmp_path, releases):
    release = publish(stage(tmp_path / "a"), releases, "2026H1")
    (release.path / "index.html").chmod(0o644)
    (release.path / "index.html").write_text("other")
    with pytest.raises(BadInput, match=r"2026H1/1: does not verify: index.html: differs.*Restore"):
        publish(tmp_path / "a", releases, "2026H1")


def test_a_broken_pointer_is_reported_and_rebuilt(tmp_path, releases):
    release = publish(stage(tmp_path / "a"), releases, "2026H1")
    (releases / "CURRENT.json").write_text('{"2026H1": ')
    with pytest.raises(BadInput, match=r"CURRENT.json: expected version, path and fingerprint"):
        current(releases, "2026H1")
    assert publish(tmp_path / "a", releases, "2026H1") == release
    assert current(releases, "2026H1") == release


@pytest.mark.parametrize("step", ["copytree", "fsync", "write_json"])
def test_full_disk_is_one_sentence_and_readers_see_what_they_saw(tmp_path, releases, monkeypatch, step):
    before = publish(stage(tmp_path / "a", "1"), releases, "2026H1")
    seen = contents(releases)

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    staged = stage(tmp_path / "b", "2")
    with monkeypatch.context() as patch:
        patch.setattr(publishing.shutil if step == "copytree" else publishing, step, full)
        with pytest.raises(files.DiskFull, match="no space is left on the disk") as caught:
            publish(staged, releases, "2026H1")
    assert isinstance(caught.value, CitycheckError) and "\n" not in str(caught.value)
    assert current(releases, "2026H1") == before
    assert {name: contents(releases)[name] for name in seen} == seen
    assert publish(staged, releases, "2026H1").version == 2
    assert current(releases, "2026H1").version == 2


def test_a_candidate_that_another_version_has_overtaken_is_refused(tmp_path, releases):
    publish(stage(tmp_path / "a", "1"), releases, "2026H1", version=1)
    seen = contents(releases)
    with pytest.raises(BadInput, match="2026H1: this candidate was made to be version 1, but the next is 2"):
        publish(stage(tmp_path / "b", "2"), releases, "2026H1", version=1)
    assert contents(releases) == seen
    assert publish(tmp_path / "a", releases, "2026H1", version=1).version == 1


def test_what_seals_a_copy_runs_before_anybody_can_see_it(tmp_path, releases):
    sealed = []

    def seal(copy: Path) -> None:
        assert not (releases / "2026H1").exists()
        assert (copy / "SHA256SUMS").is_file()
        sealed.append(copy)

    release = publish(stage(tmp_path / "a"), releases, "2026H1", seal=seal)
    assert len(sealed) == 1 and not sealed[0].exists()
    assert publish(tmp_path / "a", releases, "2026H1", seal=seal) == release
    assert len(sealed) == 1, "what is out already is not sealed again"


def test_a_version_that_cannot_be_sealed_is_not_published(tmp_path, releases):
    def refuse(_copy: Path) -> None:
        raise BadInput("no key")

    with pytest.raises(BadInput, match="no key"):
        publish(stage(tmp_path / "a"), releases, "2026H1", seal=refuse)
    assert contents(releases) == {}


def test_a_withdrawn_version_says_so_in_its_place_and_keeps_its_files(tmp_path, releases):
    first = publish(stage(tmp_path / "a", "1"), releases, "2026H1")
    second = publish(stage(tmp_path / "b", "2"), releases, "2026H1")
    files = contents(second.path)
    notice = {"reason_zh": "错误", "reason_en": "wrong", "version": 2}
    withdrawn = withdraw(releases, second, notice)
    assert withdrawn.is_withdrawn
    assert json.loads((second.path / "WITHDRAWN.json").read_text("utf-8")) == notice
    script = (second.path / "WITHDRAWN.js").read_text("utf-8")
    assert script.startswith("citycheckWithdrawn({") and script.endswith("});\n")
    assert {name: contents(second.path)[name] for name in files} == files
    assert current(releases, "2026H1") == first
    assert [release.is_withdrawn for release in versions(releases, "2026H1")] == [False, True]
    assert withdraw(releases, second, {"reason_en": "another"}) == withdrawn
    assert json.loads((second.path / "WITHDRAWN.json").read_text("utf-8")) == notice

    withdraw(releases, first, notice)
    assert current(releases, "2026H1") is None
    assert publish(stage(tmp_path / "c", "3"), releases, "2026H1").version == 3
    assert current(releases, "2026H1").version == 3


def test_a_pointer_left_behind_is_repaired(tmp_path, releases):
    publish(stage(tmp_path / "a", "1"), releases, "2026H1")
    pointer = (releases / "CURRENT.json").read_bytes()
    second = publish(stage(tmp_path / "b", "2"), releases, "2026H1")
    (releases / "CURRENT.json").write_bytes(pointer)
    assert publish(tmp_path / "b", releases, "2026H1") == second
    assert current(releases, "2026H1") == second


@pytest.mark.parametrize(("contents_of", "published"), [(lambda n: "0", 1), (str, 4)])
def test_publishers_at_once_wait_for_each_other(tmp_path, releases, contents_of, published):
    """The same contents from several are published once; different ones, one after the other."""
    others = [child(stage(tmp_path / str(n), contents_of(n)), releases) for n in range(4)]
    assert [other.wait(timeout=60) for other in others] == [0] * 4
    found = versions(releases, "2026H1")
    assert [release.version for release in found] == list(range(1, published + 1))
    written = [(r.path / "tables/county_index.csv").read_text() for r in found]
    assert sorted(written) == sorted({contents_of(n) for n in range(4)})
    assert all(verify(release.path) == [] for release in found)
    assert current(releases, "2026H1") == found[-1]
