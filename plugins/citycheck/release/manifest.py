"""The seal of a published version: manifest.json says what it is and what each file must be, manifest.json.sig who says so.

Both are written when a version is published, beside the files that a person approved, and are not in SHA256SUMS. A notice
that a version is withdrawn is signed by the same key and may come later.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.release import locate
from citycheck.release.checksums import BLOCKS, SHA256SUMS, sha256, verify
from citycheck.release.publication import RELEASE_CALENDAR, Decision, Publication
from citycheck.release.signing import ALGORITHM, PublicKey, SigningKey

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
WITHDRAWN = "WITHDRAWN.json"
WITHDRAWN_PAGE = "WITHDRAWN.js"
FORMAT = 1
_CODE = ("plugins/citycheck", "dbt_project", "expectations")
_NOT_CODE = {"target", "logs", "dbt_packages", "__pycache__"}


def seal(
    folder: Path,
    *,
    publication: Publication,
    decision: Decision,
    published_at: datetime,
    key: SigningKey,
    provenance: Mapping[str, Any],
    code: Mapping[str, Any],
) -> None:
    """Write manifest.json and its signature into a staged bundle.

    `code` is {version, commit, sha256}. Raises `BadInput` when the bundle is not as its SHA256SUMS says, and when the
    decision does not approve exactly these bytes.
    """
    if problems := verify(folder):
        raise BadInput(f"{folder}: cannot be sealed: {problems[0]}. Stage the release again.")
    paths = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    files = [
        {"path": path, "bytes": (folder / path).stat().st_size, "sha256": sha256(folder / path)}
        for path in paths
    ]
    fingerprint = next(str(entry["sha256"]) for entry in files if entry["path"] == SHA256SUMS)
    if not decision.is_approved or decision.candidate != fingerprint:
        raise BadInput(
            f"{publication.half_year}: the decision is not an approval of this candidate ({fingerprint[:12]}…). "
            "Let the candidate be approved, then publish it."
        )
    blocks = (folder / BLOCKS).read_bytes()
    manifest = render(
        {
            "format": FORMAT,
            "city": provenance["city"],
            **{name: getattr(publication, name) for name in ("half_year", "version", "kind", "stage")},
            "published_at": published_at.astimezone(UTC).isoformat(),
            "fingerprint": fingerprint,
            "publication": publication.as_json(),
            "decision": decision.as_json(),
            "inputs": provenance["inputs"],
            "code": dict(code),
            "key": {"algorithm": ALGORITHM, "id": key.id, "public_key": key.public.base64},
            "files": files,
            "blocks": locate.encode(blocks),
        }
    )
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(signature_of(manifest, key.public, key.sign(manifest)))


def render(value: Any) -> bytes:
    """JSON as everything here is written: the same value gives the same bytes."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def signature_of(manifest: bytes, key: PublicKey, signature: bytes) -> bytes:
    """The text of manifest.json.sig; the signature is last, so that all before it follows from the manifest."""
    about = {
        "algorithm": ALGORITHM,
        "key_id": key.id,
        "manifest_bytes": len(manifest),
        "manifest_code": locate.encode(manifest),
        "public_key": key.base64,
        "signature": base64.b64encode(signature).decode(),
    }
    return render(about)


def sign_notice(notice: Mapping[str, Any], fingerprint: str, key: SigningKey) -> dict[str, Any]:
    """What WITHDRAWN.json holds: the notice, which version it is about, and the signature over `render` of the rest."""
    about = {**notice, "fingerprint": fingerprint, "key_id": key.id}
    return about | {"signature": base64.b64encode(key.sign(render(about))).decode()}


def notice_files(notice: Mapping[str, Any]) -> dict[str, bytes]:
    """Both files of a notice: for readers, and for the page, which cannot read JSON from a disk."""
    written = render(notice)
    return {WITHDRAWN: written, WITHDRAWN_PAGE: b"citycheckWithdrawn(" + written.strip() + b");\n"}


def code_sha256(project: Path, city: str) -> str:
    """One SHA-256 for all that decides what a build does: of the lines "sha256, two blanks, path", sorted by path."""
    roots = [project / part for part in (*_CODE, f"cities/{city}")]
    found = [project / "requirements.lock"]
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in _NOT_CODE and not name.startswith(".")]
            found += [
                Path(folder, name)
                for name in names
                if not name.startswith(".") and not name.endswith(".pyc") and name != RELEASE_CALENDAR
            ]
    lines = {path.relative_to(project).as_posix(): sha256(path) for path in found if path.is_file()}
    return hashlib.sha256("".join(f"{lines[path]}  {path}\n" for path in sorted(lines)).encode()).hexdigest()
