"""Check a bundle anywhere and offline: who signed it, whether anything is missing, added or changed, and which byte.

A published version is sealed: what counts is manifest.json, and the key that signed it. A staged candidate is not yet:
it is compared with its own SHA256SUMS. Nothing outside the folder is read, and nothing that the files say is believed
before it is checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citycheck import progress
from citycheck.release import locate
from citycheck.release.checksums import BLOCKS, SHA256SUMS, blocks_of, sums_of
from citycheck.release.manifest import (
    FORMAT,
    MANIFEST,
    SIGNATURE,
    WITHDRAWN,
    WITHDRAWN_PAGE,
    notice_files,
    render,
    signature_of,
)
from citycheck.release.signing import PublicKey, trusted_id

_SEAL = {MANIFEST, SIGNATURE}
_LATER = {WITHDRAWN, WITHDRAWN_PAGE}
_SHA256 = re.compile("[0-9a-f]{64}")
_LIMIT_BYTES = 1 << 30
"""What is read to find a wrong byte; a larger file is only said to differ."""
_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SIGNATURE_SIGNS = 88


@dataclass(frozen=True)
class Verdict:
    """What a bundle is, as far as it can be trusted, and what is wrong with it, a sentence each."""

    folder: Path
    problems: tuple[str, ...]
    is_sealed: bool = False
    signed_by: str | None = None
    """Id of the key whose signature fits."""
    is_trusted: bool = False
    """Whether that is the key that the caller named."""
    manifest: Mapping[str, Any] | None = None
    """What was signed; None when nothing was, or the signature does not fit."""
    notice: Mapping[str, Any] | None = None
    """Why the version is withdrawn."""

    @property
    def is_withdrawn(self) -> bool:
        return self.notice is not None

    @property
    def status(self) -> int:
        """The exit status that `run` tells of."""
        return 1 if self.problems else 4 if not self.is_sealed else 3 if self.is_withdrawn else 0

    def sentences(self) -> list[str]:
        """The verdict in words, the worst first."""
        if self.problems:
            return [*self.problems, f"{self.folder}: {len(self.problems)} problem(s); do not use it."]
        if self.manifest is None:
            return [
                f"{self.folder}: complete and unchanged by its own SHA256SUMS, but nobody has signed it: it is a candidate, "
                "or its seal was taken away."
            ]
        about = {
            name: _shown(str(self.manifest.get(name)))
            for name in ("city", "half_year", "version", "kind", "stage")
        }
        said = [
            f"{self.folder}: complete and unchanged. {about['city']} {about['half_year']}, version {about['version']} "
            f"({about['kind']}, {about['stage']}), published {_shown(str(self.manifest.get('published_at')))}.",
            f"Signed by the key {self.signed_by}"
            + (
                ", which is the one that you trust."
                if self.is_trusted
                else ". Compare it with the key that the city publishes: anybody can sign with a key of their own."
            ),
        ]
        if self.notice is not None:
            told = "; ".join(
                f"{name}: {_shown(str(value))}"
                for name, value in sorted(self.notice.items())
                if name not in ("signature", "key_id", "fingerprint")
            )
            said.insert(0, f"{self.folder}: this version is WITHDRAWN ({told}).")
        return said


def problems(folder: Path) -> list[str]:
    """What is wrong with a bundle, sealed or not, a sentence each; empty when nothing is."""
    return list(verify(folder).problems)


def verify(folder: Path, trusted: str | Path | None = None) -> Verdict:
    """Check a bundle. `trusted` is the id of a key or the file of a public key; without it, any key may have signed.

    Raises `BadInput` only when `trusted` is neither.
    """
    expected_key = None if trusted is None else trusted_id(trusted)
    try:
        if not folder.is_dir():
            return Verdict(folder, (f"{folder}: there is no such folder; expected an unpacked bundle",))
        bundle = _Bundle(folder)
        with progress.step("verify", total=sum(bundle.files.values())):
            if _SEAL & (bundle.files.keys() | bundle.odd.keys()):
                return _sealed(bundle, expected_key)
            found = _unsealed(bundle, bundle.files.keys() - _LATER)
        found += [
            f"{path}: this bundle was never published, so nobody can have withdrawn it"
            for path in sorted(_LATER & (bundle.files.keys() | bundle.odd.keys()))
        ]
        if expected_key:
            found.append(
                f"{MANIFEST}: missing: nobody has signed this bundle, but the key {expected_key} was asked for"
            )
        return Verdict(folder, tuple(found))
    except OSError as error:
        name = _shown(str(error.filename or folder))
        return Verdict(folder, (f"{name}: cannot be read ({error.strerror})",))


class _Bundle:
    """The files below a folder, never through a link; `odd` says what is there and is no file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[str, int] = {}
        self.odd: dict[str, str] = {}
        self._walk("")

    def _walk(self, below: str) -> None:
        with os.scandir(self.folder / below) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        if below and not found:
            self.odd[below.rstrip("/")] = "is an empty folder"
        for entry in found:
            path = below + entry.name
            mode = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(mode.st_mode):
                self._walk(path + "/")
            elif stat.S_ISREG(mode.st_mode):
                self.files[path] = mode.st_size
            else:
                self.odd[path] = "is a symbolic link" if entry.is_symlink() else "is neither file nor folder"

    def _open(self, path: str) -> int:
        return os.open(self.folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)

    def read(self, path: str) -> bytes | None:
        """The contents, or None when there is no such file or it is too large for anything of ours."""
        if self.files.get(path, _LIMIT_BYTES + 1) > _LIMIT_BYTES:
            return None
        with open(self._open(path), "rb") as file:
            return file.read()

    def sha256(self, path: str) -> str:
        with open(self._open(path), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        progress.advance(self.files.get(path, 0))
        return digest

    def membership(self, expected: set[str], where: str) -> Iterator[str]:
        """What is missing, added, or no file."""
        for path in sorted(expected | self.files.keys() | self.odd.keys()):
            if path in self.odd:
                yield f"{_shown(path)}: {self.odd[path]}; expected {'a file' if path in expected else 'nothing there'}"
            elif path not in self.files:
                is_folder = any(found.startswith(f"{path}/") for found in self.files)
                yield f"{_shown(path)}: {'is a folder; expected a file' if is_folder else 'missing'}"
            elif path not in expected:
                yield f"{_shown(path)}: not listed in {where}"


# A candidate ---------------------------------------------------------------------------------------------------------


def _unsealed(bundle: _Bundle, files: set[str]) -> list[str]:
    """Compare with SHA256SUMS. Where the two disagree, blocks.json tells which of them was changed."""
    sums = bundle.read(SHA256SUMS)
    if sums is None:
        return [
            f"{SHA256SUMS}: missing"
            if SHA256SUMS not in bundle.odd
            else f"{SHA256SUMS}: {bundle.odd[SHA256SUMS]}"
        ]
    expected = _parsed_sums(sums)
    payload = sorted(files - {SHA256SUMS, *_SEAL})
    found = {path: bundle.sha256(path) for path in payload}
    if expected == found and not bundle.odd:
        return []
    # What the files give: when blocks.json says that they are unchanged, SHA256SUMS is not.
    blocks = bundle.read(BLOCKS)
    given = blocks_of((path, bundle.read(path) or b"") for path in payload if path != BLOCKS)
    if blocks == given and not bundle.odd and sums != sums_of(found):
        changes = locate.compare(sums, sums_of(found))
        if not isinstance(expected, str) or (
            len(changes) == 1 and changes[0].count <= 1 >= len(changes[0].found)
        ):
            return [f"{SHA256SUMS}: {locate.tell(changes)}"]
    if isinstance(expected, str):
        return [expected]
    problems = list(
        bundle.membership(expected.keys() | {SHA256SUMS} | (_SEAL | _LATER) & bundle.files.keys(), SHA256SUMS)
    )
    changed = [path for path in payload if path in expected and found[path] != expected[path]]
    if changed == [BLOCKS] and hashlib.sha256(given).hexdigest() == expected[BLOCKS]:
        return [*problems, f"{BLOCKS}: {locate.tell(locate.compare(blocks or b'', given))}"]
    codes = _codes(blocks) if blocks is not None and BLOCKS not in changed else {}
    return [*problems, *(_difference(bundle, path, None, expected[path], codes) for path in changed)]


def _parsed_sums(sums: bytes) -> dict[str, str] | str:
    """The SHA-256 of each path, or what is wrong with the text."""
    expected: dict[str, str] = {}
    lines = sums.decode("utf-8", errors="surrogateescape").split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        match = re.fullmatch("([0-9a-f]{64})  (.+)", line)
        if match is None:
            return f"{SHA256SUMS}: line {number} is not a SHA-256, two blanks and a path"
        if (wrong := unsafe(match[2])) or match[2] in expected:
            return f"{SHA256SUMS}: line {number}: the path {_shown(match[2])!r} {wrong or 'comes twice'}"
        expected[match[2]] = match[1]
    return f"{SHA256SUMS}: the last line does not end" if lines[-1] else expected


# A published version -------------------------------------------------------------------------------------------------


def _sealed(bundle: _Bundle, expected_key: str | None) -> Verdict:
    written, signature = bundle.read(MANIFEST), bundle.read(SIGNATURE)
    problems: list[str] = []
    key: PublicKey | None = None
    if written is None or signature is None:
        problems += [
            f"{path}: {bundle.odd.get(path, 'missing' if path not in bundle.files else 'too large to be one')}; "
            "without it nothing says who published this"
            for path, content in ((MANIFEST, written), (SIGNATURE, signature))
            if content is None
        ]
    else:
        written, key, problems = _opened(written, signature)
    manifest = _read_json(written or b"")
    if key is None or manifest is None:
        if key is not None:
            problems.append(f"{MANIFEST}: is signed, but is no JSON")
        return Verdict(
            bundle.folder, (*problems, *_unsealed(bundle, bundle.files.keys() - _LATER)), is_sealed=True
        )
    if expected_key is not None and key.id != expected_key:
        problems.append(
            f"{SIGNATURE}: signed by the key {key.id}, not by {expected_key}: another hand than the city's made this"
        )
    if _key(manifest.get("key")) != key:
        problems.append(f"{MANIFEST}: names another key than the one that signed it")
    files = _listed(manifest)
    if isinstance(files, str):
        problems.append(f"{MANIFEST}: {files}")
    else:
        problems += _against(bundle, manifest, files)
    notice, wrong = _notice(bundle, str(manifest.get("fingerprint")), key)
    return Verdict(
        bundle.folder,
        (*problems, *wrong),
        is_sealed=True,
        signed_by=key.id,
        is_trusted=key.id == expected_key,
        manifest=manifest,
        notice=notice,
    )


def _opened(manifest: bytes, written: bytes) -> tuple[bytes | None, PublicKey | None, list[str]]:
    """The manifest that was signed, by which key, and what was changed since in it or in its signature.

    Each rests on the other: a changed manifest is put right by its code in the signature file, and all of the signature
    file but the signature follows from the manifest. What is told as the wrong byte is proved by the signature fitting.
    """
    about = _read_json(written) or {}
    key, signature = _key(about), _decoded(about.get("signature"))
    if key and signature and key.verifies(signature, manifest):
        return manifest, key, _in_signature(manifest, key, signature, written)
    told = f"{MANIFEST}: does not fit its signature in {SIGNATURE}: one of them was changed"
    try:
        changes, right = locate.find(manifest, about["manifest_bytes"], about["manifest_code"])
        if key and signature and changes and right is not None and key.verifies(signature, right):
            found = [f"{MANIFEST}: {locate.tell(changes)}", *_in_signature(right, key, signature, written)]
            return right, key, found
        if changes:
            told += f"; by its code there, {locate.tell(changes)}"
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    key = _key((_read_json(manifest) or {}).get("key"))
    for attempt in _signatures(manifest, key, written) if key else ():
        if key and key.verifies(attempt, manifest):
            return manifest, key, _in_signature(manifest, key, attempt, written)
    return None, None, [told]


def _in_signature(manifest: bytes, key: PublicKey, signature: bytes, written: bytes) -> list[str]:
    expected = signature_of(manifest, key, signature)
    return [] if written == expected else [f"{SIGNATURE}: {locate.tell(locate.compare(written, expected))}"]


def _signatures(manifest: bytes, key: PublicKey, written: bytes) -> Iterator[bytes]:
    """What the signature may have been: as it stands there, and with one sign changed, put in or left out."""
    whole = signature_of(manifest, key, bytes(64))
    start, end = whole.rindex(b'"', 0, -4) + 1, 4
    texts = [written[start : start + _SIGNATURE_SIGNS], written[-end - _SIGNATURE_SIGNS : -end]]
    middle = written[start:-end]
    for at in range(len(middle) + 1 if abs(len(middle) - _SIGNATURE_SIGNS) <= 1 else 0):
        if len(middle) > _SIGNATURE_SIGNS:
            texts.append(middle[:at] + middle[at + 1 :])
        else:
            rest = middle[at + 1 :] if len(middle) == _SIGNATURE_SIGNS else middle[at:]
            texts += [middle[:at] + bytes([sign]) + rest for sign in _SIGNS + b"="]
    seen: set[bytes] = set()
    for text in texts:
        signature = _decoded(text.decode("ascii", errors="replace"))
        if signature is not None and signature not in seen:
            seen.add(signature)
            yield signature


def _listed(manifest: Mapping[str, Any]) -> dict[str, tuple[int, str]] | str:
    """Bytes and SHA-256 of each path, or what is wrong with the list."""
    if manifest.get("format") != FORMAT:
        return f"its format is not {FORMAT}; a later citycheck wrote it. Check it with that one"
    listed: dict[str, tuple[int, str]] = {}
    folded: dict[str, str] = {}
    entries = manifest.get("files")
    if not isinstance(entries, list):
        return "it lists no files"
    for number, entry in enumerate(entries, start=1):
        path, size, sha = (
            entry.get(name) if isinstance(entry, dict) else None for name in ("path", "bytes", "sha256")
        )
        if not (isinstance(path, str) and type(size) is int and isinstance(sha, str)):
            return f"its file {number} does not say path, bytes and sha256"
        same = unicodedata.normalize("NFC", path).casefold()
        wrong = unsafe(path) or ("is written twice" if folded.get(same) == path else None)
        if not wrong and same in folded:
            wrong = (
                f"differs from {_shown(folded[same])!r} only in case or form: not every system can hold both"
            )
        if not wrong and path in _SEAL | _LATER:
            wrong = "cannot be listed in it"
        if not wrong and not (0 <= size < 1 << 53 and _SHA256.fullmatch(sha)):
            wrong = "has no size or SHA-256 that can be"
        if wrong:
            return f"its file {number}: the path {_shown(path)!r} {wrong}"
        listed[path], folded[same] = (size, sha), path
    if lacking := {SHA256SUMS, BLOCKS} - listed.keys():
        return f"it does not list {', '.join(sorted(lacking))}"
    if listed[SHA256SUMS][1] != manifest.get("fingerprint"):
        return f"its fingerprint is not the SHA-256 of {SHA256SUMS}"
    return listed


def _against(
    bundle: _Bundle, manifest: Mapping[str, Any], files: Mapping[str, tuple[int, str]]
) -> Iterator[str]:
    """What differs from what was signed."""
    yield from bundle.membership(files.keys() | _SEAL | _LATER & bundle.files.keys(), MANIFEST)
    changed = [
        path
        for path, (size, sha) in sorted(files.items())
        if path in bundle.files and (bundle.files[path] != size or bundle.sha256(path) != sha)
    ]
    # SHA256SUMS follows from the manifest, blocks.json has its code there, all others theirs in blocks.json.
    sums = sums_of({path: sha for path, (_, sha) in files.items() if path != SHA256SUMS})
    if hashlib.sha256(sums).hexdigest() != files[SHA256SUMS][1]:
        yield f"{MANIFEST}: lists other files than the {SHA256SUMS} that it names"
    codes = {BLOCKS: (files[BLOCKS][0], manifest.get("blocks"))}
    blocks: bytes | None = bundle.read(BLOCKS)
    if BLOCKS in changed and blocks is not None:
        blocks = _put_right(blocks, codes[BLOCKS], files[BLOCKS][1])
    codes |= _codes(blocks) if blocks is not None else {}
    for path in changed:
        changes = locate.compare(bundle.read(path) or b"", sums) if path == SHA256SUMS else []
        if changes and hashlib.sha256(sums).hexdigest() == files[path][1]:
            yield f"{path}: {locate.tell(changes)}"
        else:
            yield _difference(bundle, path, *files[path], codes)


def _notice(bundle: _Bundle, fingerprint: str, key: PublicKey) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The notice that the version is withdrawn, and what is wrong with it. Its two files say the same, so that each
    tells which byte of the other is wrong."""
    found = {path: content for path in sorted(_LATER) if (content := bundle.read(path)) is not None}
    for content in (found.get(WITHDRAWN), found.get(WITHDRAWN_PAGE, b"")[len(b"citycheckWithdrawn(") : -3]):
        notice = _read_json(content or b"") or {}
        signature = _decoded(notice.get("signature"))
        about = {name: value for name, value in notice.items() if name != "signature"}
        if not (
            signature
            and key.verifies(signature, _rendered(about))
            and about.get("fingerprint") == fingerprint
        ):
            continue
        wrong = [
            f"{path}: {locate.tell(locate.compare(found[path], expected))}"
            for path, expected in notice_files(notice).items()
            if path in found and found[path] != expected
        ]
        return notice, wrong if WITHDRAWN in found else [
            *wrong,
            f"{WITHDRAWN}: missing beside {WITHDRAWN_PAGE}",
        ]
    return None, [f"{path}: is no notice about this version by the key that signed it" for path in found]


# Parts ---------------------------------------------------------------------------------------------------------------


def _difference(
    bundle: _Bundle, path: str, size: int | None, sha: str, codes: Mapping[str, tuple[Any, Any]]
) -> str:
    """One sentence on a changed file, with the bytes when its code tells them."""
    bytes_, code = codes.get(path, (size, None))
    size = bytes_ if type(bytes_) is int else size
    is_longer = size is not None and bundle.files[path] != size
    said = f"{_shown(path)}: differs from its SHA-256" + (
        f" and has {bundle.files[path]:,} byte{'' if bundle.files[path] == 1 else 's'} instead of {size:,}"
        if is_longer
        else ""
    )
    data = bundle.read(path)
    try:
        if data is None or not isinstance(code, str) or size is None:
            return said
        changes, right = locate.find(data, size, code)
    except ValueError:
        return said
    if right is not None and hashlib.sha256(right).hexdigest() != sha:
        return said
    return f"{said}: {locate.tell(changes)}" if changes else said


def _put_right(data: bytes, code: tuple[Any, Any], sha: str) -> bytes | None:
    try:
        _, right = locate.find(data, *code)
    except (ValueError, TypeError):
        return None
    return right if right is not None and hashlib.sha256(right).hexdigest() == sha else None


def _codes(blocks: bytes) -> dict[str, tuple[Any, Any]]:
    """Size and code of each file by a blocks.json whose bytes are checked."""
    files = (_read_json(blocks) or {}).get("files")
    if not isinstance(files, dict):
        return {}
    return {
        path: (entry.get("bytes"), entry.get("code"))
        for path, entry in files.items()
        if isinstance(entry, dict)
    }


def _read_json(written: bytes) -> dict[str, Any] | None:
    """A JSON object without a key that comes twice, or None."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key comes twice")
        return dict(pairs)

    try:
        found = json.loads(written.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _rendered(value: Any) -> bytes:
    try:
        return render(value)
    except (ValueError, RecursionError):
        return b""


def _key(about: Any) -> PublicKey | None:
    raw = _decoded(about.get("public_key"), 32) if isinstance(about, dict) else None
    return None if raw is None else PublicKey(raw)


def _decoded(text: Any, length: int = 64) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length else None


def unsafe(path: str) -> str | None:
    """Why a path cannot be one of a bundle."""
    if len(path) > 1000 or not path.isprintable():
        return "is too long or has signs that cannot be shown"
    if path.startswith("/") or "\\" in path or ":" in path or {"", ".", ".."} & set(path.split("/")):
        return "leads out of the bundle or is not written plainly"
    return None


def _shown(text: str) -> str:
    """A text of somebody else's, safe to print on one line."""
    short = text if len(text) <= 200 else text[:200] + "…"
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in short)
