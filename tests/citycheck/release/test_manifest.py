"""The seal: what the manifest says, that it is signed, what is refused; and the hash of the code."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from citycheck.errors import BadInput
from citycheck.release.checksums import BLOCKS, SHA256SUMS, sha256, write_sums
from citycheck.release.manifest import MANIFEST, SIGNATURE, code_sha256, notice_files, seal, sign_notice
from citycheck.release.publication import Decision, Publication
from citycheck.settings import settings

PUBLICATION = Publication("2026H1", 1, "initial", "preliminary")
NOW = datetime(2026, 7, 16, 9, 30, tzinfo=timezone(timedelta(hours=8)))


def test_sums_are_read_by_sha256sum_and_list_the_blocks(tmp_path, candidate):
    folder = candidate(tmp_path / "a")
    command = ["sha256sum", "-c", "--strict", "--quiet", SHA256SUMS]
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    assert BLOCKS in (folder / SHA256SUMS).read_text()
    blocks = json.loads((folder / BLOCKS).read_text())["files"]
    assert {path: about["bytes"] for path, about in blocks.items()} == {
        p.relative_to(folder).as_posix(): p.stat().st_size
        for p in folder.rglob("*")
        if p.is_file() and p.name not in (BLOCKS, SHA256SUMS)
    }


def test_sums_written_again_are_the_same(tmp_path, candidate):
    folder = candidate(tmp_path / "a")
    before = {name: (folder / name).read_bytes() for name in (BLOCKS, SHA256SUMS)}
    write_sums(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("name", ["a\nb.csv", "a\\b.csv"])
def test_a_name_that_cannot_be_published(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(BadInput, match="cannot be published by this name"):
        write_sums(tmp_path)


def test_what_a_manifest_says(tmp_path, sealed, signing_key):
    folder = sealed(tmp_path / "a")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert {entry["path"]: (entry["bytes"], entry["sha256"]) for entry in manifest["files"]} == {
        p.relative_to(folder).as_posix(): (p.stat().st_size, sha256(p))
        for p in folder.rglob("*")
        if p.is_file() and p.name not in (MANIFEST, SIGNATURE)
    }
    assert manifest["fingerprint"] == sha256(folder / SHA256SUMS)
    assert manifest["published_at"] == "2026-07-16T01:30:00+00:00"
    assert [manifest[name] for name in ("city", "half_year", "version", "kind", "stage")] == [
        "small", "2026H1", 1, "initial", "preliminary",
    ]  # fmt: skip
    assert Publication.from_json(manifest["publication"]) == PUBLICATION
    assert manifest["decision"]["decided_by"] == "approver"
    assert manifest["inputs"][0]["files"][0]["sha256"] == "0" * 64
    assert manifest["code"] == {"version": "0.1.0", "commit": "abc", "sha256": "1" * 64}
    assert manifest["key"] == {
        "algorithm": "Ed25519", "id": signing_key.id, "public_key": signing_key.public.base64,
    }  # fmt: skip
    assert list(manifest) == sorted(manifest)
    signature = json.loads((folder / SIGNATURE).read_text())
    signed = base64.b64decode(signature["signature"])
    assert signing_key.public.verifies(signed, (folder / MANIFEST).read_bytes())


def test_the_same_seal_gives_the_same_bytes(tmp_path, sealed):
    first, second = sealed(tmp_path / "a"), sealed(tmp_path / "b")
    for name in (MANIFEST, SIGNATURE):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("is_approved", [True, False])
def test_only_what_was_approved_is_sealed(tmp_path, candidate, signing_key, is_approved):
    folder = candidate(tmp_path / "a")
    fingerprint = sha256(folder / SHA256SUMS) if not is_approved else "0" * 64
    decision = Decision(is_approved, "approver", "2026-07-15T08:00:00+00:00", "no", fingerprint)
    about = {"publication": PUBLICATION, "published_at": NOW, "key": signing_key, "code": {}}
    with pytest.raises(BadInput, match="not an approval of this candidate"):
        seal(folder, decision=decision, provenance={"city": "small", "inputs": []}, **about)
    assert not (folder / MANIFEST).exists()


def test_a_changed_candidate_is_not_sealed(tmp_path, candidate, signing_key):
    folder = candidate(tmp_path / "a")
    decision = Decision(True, "approver", "2026-07-15T08:00:00+00:00", "yes", sha256(folder / SHA256SUMS))
    (folder / "index.html").write_text("other")
    about = {"publication": PUBLICATION, "published_at": NOW, "key": signing_key, "code": {}}
    with pytest.raises(BadInput, match=r"cannot be sealed: index\.html: differs"):
        seal(folder, decision=decision, provenance={"city": "small", "inputs": []}, **about)


def test_a_notice_says_the_same_in_both_files(signing_key):
    notice = sign_notice({"reason_zh": "算错", "reason_en": "wrong"}, "f" * 64, signing_key)
    files = notice_files(notice)
    assert json.loads(files["WITHDRAWN.json"]) == notice
    page = files["WITHDRAWN.js"].decode()
    assert json.loads(page.removeprefix("citycheckWithdrawn(").removesuffix(");\n")) == notice
    assert notice["fingerprint"] == "f" * 64


# The hash of the code ------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A project with a file in each place that counts."""
    for name in ("plugins/citycheck/a.py", "dbt_project/models/m.sql", "expectations/e.yml",
                 "cities/small/profile.yml", "cities/other/profile.yml", "requirements.lock"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("plugins/citycheck/a.py", True),
        ("dags/new.py", False),
        ("cities/small/release_calendar.csv", False),
        ("dbt_project/models/m.sql", True),
        ("expectations/e.yml", True),
        ("cities/small/profile.yml", True),
        ("requirements.lock", True),
        ("cities/other/profile.yml", False),
        ("dbt_project/target/manifest.json", False),
        ("dbt_project/logs/dbt.log", False),
        ("plugins/citycheck/__pycache__/a.cpython-311.pyc", False),
        ("plugins/citycheck/.a.py.swp", False),
        ("docs/new.md", False),
    ],
)
def test_what_counts_as_code(project, name, counts):
    before = code_sha256(project, "small")
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed")
    assert (code_sha256(project, "small") != before) is counts


def test_code_hashes_as_sha256sum_says_wherever_it_lies(project, tmp_path_factory):
    shutil.rmtree(project / "cities/other")
    names = sorted(p.relative_to(project).as_posix() for p in project.rglob("*") if p.is_file())
    lines = subprocess.run(["sha256sum", *names], cwd=project, capture_output=True, check=True).stdout
    assert code_sha256(project, "small") == hashlib.sha256(lines).hexdigest()
    moved = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(project, moved)
    assert code_sha256(moved, "small") == code_sha256(project, "small")


def test_the_code_of_this_project_is_hashed():
    project: Path = settings().project
    assert len(code_sha256(project, "quzhou_sample")) == 64
    assert code_sha256(project, "quzhou_sample") != code_sha256(project, "tainan")
