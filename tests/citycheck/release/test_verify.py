"""Tampering: whatever is done to a bundle is found, and one wrong byte is named."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.release import verify as verifying
from citycheck.release.checksums import BLOCKS, SHA256SUMS, sha256, write_sums
from citycheck.release.manifest import (
    MANIFEST,
    SIGNATURE,
    WITHDRAWN,
    WITHDRAWN_PAGE,
    notice_files,
    sign_notice,
    signature_of,
)
from citycheck.release.verify import problems, verify

NOTICE = {"reason_zh": "问卷重复", "reason_en": "survey counted twice", "at": "2026-08-01T00:00:00+00:00"}


def run(path: Path, key: str | None = None) -> tuple[int, str]:
    """The exit status of a verdict, and its sentences."""
    try:
        verdict = verify(path, key)
    except BadInput as error:
        return 1, str(error)
    return verdict.status, "\n".join(verdict.sentences())


def every_file(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def bundle(tmp_path, sealed):
    return sealed(tmp_path / "bundle")


@pytest.fixture(scope="module")
def originals(tmp_path_factory, sealed, candidate, signing_key):
    """A candidate, a published and a withdrawn version, which no test changes."""
    folder = tmp_path_factory.mktemp("originals")
    found = {
        "candidate": candidate(folder / "candidate"),
        "published": sealed(folder / "published"),
        "withdrawn": sealed(folder / "withdrawn"),
    }
    notice = sign_notice(NOTICE, sha256(found["withdrawn"] / SHA256SUMS), signing_key)
    for name, content in notice_files(notice).items():
        (found["withdrawn"] / name).write_bytes(content)
    return found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


# Sound ---------------------------------------------------------------------------------------------------------------


def test_sound(originals, signing_key):
    verdict = verify(originals["published"])
    assert (
        verdict.problems == () and verdict.is_sealed and not verdict.is_withdrawn and not verdict.is_trusted
    )
    assert verdict.signed_by == signing_key.id
    assert verdict.manifest["version"] == 1
    status, text = run(originals["published"])
    assert status == 0 and "Compare it with the key that the city publishes" in text


def test_sound_by_a_key_that_is_known(tmp_path, originals, signing_key):
    (tmp_path / "city.pub").write_bytes(signing_key.public.pem)
    for key in (signing_key.id, str(tmp_path / "city.pub")):
        assert verify(originals["published"], key).is_trusted
        status, text = run(originals["published"], key)
        assert status == 0 and "which is the one that you trust" in text


def test_a_withdrawn_version_is_sound_and_says_so(originals):
    assert verify(originals["withdrawn"]).notice.items() >= NOTICE.items()
    status, text = run(originals["withdrawn"])
    assert status == 3 and "WITHDRAWN" in text.splitlines()[0] and "问卷重复" in text


def test_a_candidate_is_not_signed(originals, signing_key):
    status, text = run(originals["candidate"])
    assert status == 4 and "nobody has signed it" in text
    status, text = run(originals["candidate"], signing_key.id)
    assert status == 1 and "manifest.json: missing: nobody has signed" in text


def test_a_candidate_cannot_be_withdrawn(tmp_path, originals):
    folder = tmp_path / "candidate"
    shutil.copytree(originals["candidate"], folder)
    for name in (WITHDRAWN, WITHDRAWN_PAGE):
        (folder / name).write_bytes((originals["withdrawn"] / name).read_bytes())
    assert run(folder)[0] == 1
    assert problems(folder) == [
        f"{name}: this bundle was never published, so nobody can have withdrawn it"
        for name in (WITHDRAWN_PAGE, WITHDRAWN)
    ]
    assert not verify(folder).is_withdrawn


def test_a_key_that_is_none(originals):
    with pytest.raises(BadInput, match="no such file exists"):
        verify(originals["published"], "release_signing.pub")
    status, text = run(originals["published"], "release_signing.pub")
    assert status == 1 and "no such file exists" in text


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        assert problems(path) == [f"{path}: there is no such folder; expected an unpacked bundle"]


def test_a_bundle_may_lie_behind_a_link(tmp_path, bundle):
    (tmp_path / "link").symlink_to(bundle)
    assert problems(tmp_path / "link") == []


# One wrong byte ------------------------------------------------------------------------------------------------------

KINDS = ("candidate", "published", "withdrawn")


@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_one_changed_byte_anywhere_is_named(originals, scratch, kind, data):
    original = originals[kind]
    path = data.draw(st.sampled_from([p for p in every_file(original) if (original / p).stat().st_size]))
    before = (original / path).read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != before[at]))
    after = before[:at] + bytes([value]) + before[at + 1 :]
    (told,) = tampered(original, scratch, path, after)
    assert told.startswith(f"{path}: ")
    assert told.endswith(f"byte {at:,} (from 0) is 0x{value:02x}, was 0x{before[at]:02x}"), told


@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_put_in_left_out_or_replaced_are_found(originals, scratch, kind, data):
    original = originals[kind]
    path = data.draw(st.sampled_from(every_file(original)))
    before = (original / path).read_bytes()
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, len(before)))
    after = before[:start] + data.draw(st.binary(max_size=40)) + before[end:]
    told = tampered(original, scratch, path, after)
    assert bool(told) is (after != before)
    assert not told or path in told[0]
    assert all("\n" not in sentence for sentence in told)


@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_two_files_changed_are_both_named(originals, scratch, kind, data):
    original = originals[kind]
    payload = [p for p in every_file(original) if p.startswith(("tables/", "index"))]
    paths = data.draw(st.lists(st.sampled_from(payload), min_size=2, max_size=2, unique=True))
    folder = scratch / "two"
    shutil.copytree(original, folder)
    try:
        for path in paths:
            content = bytearray((folder / path).read_bytes())
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1
            (folder / path).write_bytes(content)
        told = problems(folder)
    finally:
        shutil.rmtree(folder)
    assert [sentence.split(":")[0] for sentence in told] == sorted(paths)
    assert all("was 0x" in sentence for sentence in told)


def tampered(original, scratch, path, content) -> list[str]:
    """The problems when one file has other contents, its links being cheap copies of the others."""
    folder = scratch / "tampered"
    shutil.copytree(original, folder, copy_function=os.link)
    try:
        (folder / path).unlink()
        (folder / path).write_bytes(content)
        return problems(folder)
    finally:
        shutil.rmtree(folder)


# Other tampering -----------------------------------------------------------------------------------------------------


def test_files_missing_and_added(bundle):
    (bundle / "index.html").unlink()
    (bundle / "tables/more.csv").touch()
    assert problems(bundle) == ["index.html: missing", "tables/more.csv: not listed in manifest.json"]


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_half_a_seal(bundle, name):
    (bundle / name).unlink()
    assert problems(bundle) == [f"{name}: missing; without it nothing says who published this"]


@pytest.mark.parametrize("name", [SHA256SUMS, BLOCKS])
def test_without_sums(bundle, name):
    (bundle / name).unlink()
    assert problems(bundle) == [f"{name}: missing"]


def link(path):
    target = path.with_name("kept")
    path.rename(target)
    path.symlink_to(target)


def link_outside(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def folder(path):
    path.unlink()
    path.mkdir()


def full_folder(path):
    folder(path)
    (path / "a").touch()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("candidate", "published")
        for name in ("tables/county_index.csv", SHA256SUMS, BLOCKS, MANIFEST, SIGNATURE)
        if kind == "published" or name not in (MANIFEST, SIGNATURE)
    ],
)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (link, "is a symbolic link"),
        (link_outside, "is a symbolic link"),
        (folder, "is an empty folder"),
        (full_folder, "is a folder|missing"),
        (pipe, "is neither file nor folder"),
    ],
)
def test_what_is_no_file_is_not_read(tmp_path, originals, kind, name, change, told):
    copy = tmp_path / "copy"
    shutil.copytree(originals[kind], copy)
    change(copy / name)
    assert any(re.match(f"{name}: ({told})", sentence) for sentence in problems(copy)), problems(copy)


def test_a_linked_folder_is_not_entered(tmp_path, bundle):
    (bundle / "tables").rename(tmp_path / "tables")
    (bundle / "tables").symlink_to(tmp_path / "tables")
    assert problems(bundle) == [
        "tables: is a symbolic link; expected nothing there",
        "tables/areas.parquet: missing",
        "tables/county_index.csv: missing",
    ]


def test_names_that_are_no_text(bundle):
    with open(os.fsencode(bundle) + b"/\xff\n\x1b[2J", "wb"):
        pass
    (told,) = problems(bundle)
    assert told.endswith(": not listed in manifest.json") and told.split(":")[0].isprintable()
    told.encode("utf-8")


def test_case_is_not_ignored(bundle):
    (bundle / "index.html").rename(bundle / "Index.html")
    assert problems(bundle) == ["Index.html: not listed in manifest.json", "index.html: missing"]


def test_a_change_covered_up_in_all_sums_is_found(bundle):
    """Whoever changes a file and writes blocks.json and SHA256SUMS anew cannot sign the manifest."""
    seal = {name: (bundle / name).read_bytes() for name in (MANIFEST, SIGNATURE)}
    for name in seal:
        (bundle / name).unlink()
    (bundle / "tables/county_index.csv").write_text("county,score\n330802,99.5\n330803,81.25\n")
    write_sums(bundle)
    for name, content in seal.items():
        (bundle / name).write_bytes(content)
    told = problems(bundle)
    assert [sentence.split(":")[0] for sentence in told] == [SHA256SUMS, BLOCKS, "tables/county_index.csv"]


def test_another_hands_seal(tmp_path, sealed, signing_key, other_key):
    """Whoever makes a bundle of their own has a sound one; only the city's key tells."""
    forged = sealed(tmp_path / "forged", "county,score\n330802,99.5\n", key=other_key)
    assert problems(forged) == []
    verdict = verify(forged, signing_key.id)
    assert verdict.problems == (
        f"manifest.json.sig: signed by the key {other_key.id}, not by {signing_key.id}: another hand than the city's made this",
    )
    assert not verdict.is_trusted


def resealed(bundle, key, change):
    """The manifest with something changed, signed by a key: what only its holder can do."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["key"]["public_key"] = key.public.base64
    change(manifest)
    written = json.dumps(manifest).encode()
    (bundle / MANIFEST).write_bytes(written)
    (bundle / SIGNATURE).write_bytes(signature_of(written, key.public, key.sign(written)))
    return problems(bundle)


def first_file(**about):
    return lambda manifest: manifest["files"][0].update(about)


def twice(manifest):
    manifest["files"].append(manifest["files"][0])


def case(manifest):
    manifest["files"].append({"path": "INDEX.html", "bytes": 0, "sha256": "0" * 64})


def form(manifest):
    manifest["files"] += [{"path": path, "bytes": 0, "sha256": "0" * 64} for path in ("é", "e\u0301")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (first_file(path="../outside"), "leads out of the bundle"),
        (first_file(path="/etc/passwd"), "leads out of the bundle"),
        (first_file(path="tables//a"), "leads out of the bundle"),
        (first_file(path="C:\\a"), "leads out of the bundle"),
        (first_file(path=""), "leads out of the bundle"),
        (first_file(path="a\u202eb\n"), "signs that cannot be shown"),
        (first_file(path="\ud800"), "signs that cannot be shown"),
        (first_file(path=MANIFEST), "cannot be listed in it"),
        (first_file(path=WITHDRAWN), "cannot be listed in it"),
        (first_file(path=7), "does not say path, bytes and sha256"),
        (first_file(bytes="7"), "does not say path, bytes and sha256"),
        (first_file(bytes=True), "does not say path, bytes and sha256"),
        (first_file(bytes=-1), "no size or SHA-256 that can be"),
        (first_file(bytes=10**400), "no size or SHA-256 that can be"),
        (first_file(sha256="A" * 64), "no size or SHA-256 that can be"),
        (first_file(bytes=10**12), "instead of 1,000,000,000,000"),
        (twice, "is written twice"),
        (case, "differs from 'index.html' only in case"),
        (form, "only in case or form"),
        (lambda m: m.update(files=7), "lists no files"),
        (lambda m: m.update(files=[7]), "file 1 does not say"),
        (lambda m: m.update(files=[]), "does not list SHA256SUMS"),
        (lambda m: m.update(fingerprint="0" * 64), "fingerprint is not the SHA-256 of SHA256SUMS"),
        (lambda m: m.update(key={}), "names another key"),
        (lambda m: m.update(format=2), "a later citycheck wrote it"),
        (lambda m: m["files"].pop(), "not listed in manifest.json"),
    ],
)
def test_a_manifest_signed_by_somebody_careless_or_evil(bundle, other_key, change, told):
    sentences = resealed(bundle, other_key, change)
    assert sentences and any(told in sentence for sentence in sentences), sentences
    assert all(sentence.isprintable() for sentence in sentences)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, BLOCKS, SHA256SUMS, WITHDRAWN])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"7", b"null", b"{}", b"[" * 100_000, b'{"a":' * 50_000, b'{"signature":7,"public_key":[]}',
     b'{"manifest_bytes":-1,"manifest_code":"","signature":"","public_key":""}', b'{"files":[{"path":' + b"9" * 5000 + b"}]}",
     b'{"a":1,"a":2}', b"\0" * 10_000],
    ids=range(13),
)  # fmt: skip
def test_garbage_is_one_sentence_a_file(bundle, name, content):
    (bundle / name).write_bytes(content)
    told = problems(bundle)
    assert told and name.split(".sig")[0] in told[0]
    assert all("\n" not in sentence and len(sentence) < 1000 for sentence in told)


# Notices -------------------------------------------------------------------------------------------------------------


def test_a_notice_of_another_hand(bundle, other_key):
    for name, content in notice_files(sign_notice(NOTICE, sha256(bundle / SHA256SUMS), other_key)).items():
        (bundle / name).write_bytes(content)
    assert problems(bundle) == [
        f"{name}: is no notice about this version by the key that signed it"
        for name in (WITHDRAWN_PAGE, WITHDRAWN)
    ]
    assert not verify(bundle).is_withdrawn


def test_the_notice_of_another_version(bundle, signing_key):
    (bundle / WITHDRAWN).write_bytes(notice_files(sign_notice(NOTICE, "0" * 64, signing_key))[WITHDRAWN])
    assert problems(bundle) == [f"{WITHDRAWN}: is no notice about this version by the key that signed it"]


def test_a_notice_for_the_page_alone(tmp_path, originals):
    copy = tmp_path / "copy"
    shutil.copytree(originals["withdrawn"], copy)
    (copy / WITHDRAWN).unlink()
    assert problems(copy) == ["WITHDRAWN.json: missing beside WITHDRAWN.js"]


# How long it takes ---------------------------------------------------------------------------------------------------


def test_a_large_bundle_is_checked_in_seconds(tmp_path, monkeypatch):
    folder = tmp_path / "large"
    folder.mkdir()
    for n in range(6):
        (folder / f"{n}.parquet").write_bytes(random.Random(n).randbytes(10_000_000))
    started = time.process_time()
    write_sums(folder)
    assert problems(folder) == []
    with (folder / "3.parquet").open("r+b") as file:
        file.seek(7_654_321)
        before = file.read(1)
        file.seek(7_654_321)
        file.write(bytes([before[0] ^ 0x10]))
    (told,) = problems(folder)
    assert "byte 7,654,321 (from 0)" in told
    # Generous: on an idle machine all of it takes two seconds.
    assert time.process_time() - started < 30
    assert (folder / BLOCKS).stat().st_size < 1_000_000
    monkeypatch.setattr(verifying, "_LIMIT_BYTES", 1_000_000)
    assert [sentence for sentence in problems(folder) if sentence.startswith("3.")] == [
        "3.parquet: differs from its SHA-256"
    ]


def test_what_is_signed_is_what_anybody_can_check(bundle, signing_key):
    signature = json.loads((bundle / SIGNATURE).read_text())
    assert signature["public_key"] == base64.b64encode(signing_key.public.raw).decode()
