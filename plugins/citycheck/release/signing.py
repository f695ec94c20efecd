"""Ed25519 (RFC 8032): the key that signs a city's releases, and the one that anybody checks them by.

A key is named by its id, the first 32 hex digits of the SHA-256 of its 32 public bytes. The secret half is in no text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from citycheck.connections import Connection
from citycheck.errors import BadInput
from citycheck.lake.files import make_secret, replacing, telling_disk_full

ALGORITHM = "Ed25519"
_BYTES = 32
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class PublicKey:
    """What a signature is checked by: 32 bytes that everybody may know."""

    raw: bytes

    @cached_property
    def id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:32]

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> bytes:
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the holder of the secret half signed exactly these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
            return True
        except (InvalidSignature, ValueError):
            return False


@dataclass(frozen=True, eq=False)
class SigningKey:
    """The secret half; it does not appear in its text."""

    private: Ed25519PrivateKey = field(repr=False)

    @cached_property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes_raw())

    @property
    def id(self) -> str:
        return self.public.id

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes; the same data give the same signature."""
        return self.private.sign(data)


def key_of_connection(connection: Connection) -> SigningKey:
    """The key in a connection's password: a PEM file of a private key, or its seed of 32 bytes as hex or base64.

    Raises `BadInput` for anything else. Its text is never shown.
    """
    password = connection.password.replace("\\n", "\n").strip()
    whose = f"The connection {connection.id!r}: its password"
    if password.startswith("-----"):
        return _of_pem(password.encode(), whose)
    seed = None
    try:
        if re.fullmatch("[0-9a-fA-F]{64}", password):
            seed = bytes.fromhex(password)
        else:
            standard = password.translate(str.maketrans("-_", "+/"))
            seed = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        pass
    if seed is None or len(seed) != _BYTES:
        raise BadInput(
            f"{whose} is no Ed25519 key; expected a private key as PEM, or its 32 bytes as hex or base64. "
            "Make one by `openssl genpkey -algorithm ed25519`, and set it."
        )
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


def key_of_home(home: Path, random: Callable[[int], bytes] = os.urandom) -> SigningKey:
    """The key in `<home>/secrets/release_signing.pem`, made on first use (mode 0600) and never replaced.

    Beside it lies `release_signing.pub`, to be given to readers. Raises `BadInput` when the file is damaged, or when
    others may read it.
    """
    path = home / "secrets" / "release_signing.pem"
    with telling_disk_full(path):
        if not path.exists():
            private = Ed25519PrivateKey.from_private_bytes(random(_BYTES))
            kind = (
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            make_secret(path, private.private_bytes(*kind))
        if path.is_file() and path.stat().st_mode & 0o077:
            raise BadInput(
                f"{path}: others may read the signing key; expected mode 0600. Run chmod 600 on it."
            )
        key = _of_pem(_read(path), str(path))
        public = path.with_suffix(".pub")
        if not public.is_file() or public.read_bytes() != key.public.pem:
            with replacing(public) as temporary:
                temporary.write_bytes(key.public.pem)
    return key


def trusted_id(trusted: str | Path) -> str:
    """The id of a key that is given by its id, or by the file of a public key (PEM). Raises `BadInput` for neither."""
    written = str(trusted).strip().lower()
    if _ID.fullmatch(written):
        return written
    expected = "expected the id of a key (32 hex digits) or the file of a public key"
    if not Path(trusted).exists():
        raise BadInput(
            f"{trusted}: is no key, and no such file exists; {expected}. Ask the city for one of them."
        )
    content = _read(Path(trusted))
    if b"PRIVATE KEY" in content:
        raise BadInput(
            f"{trusted}: is a private key; {expected}. Give release_signing.pub, and keep this file secret."
        )
    try:
        found = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PublicKey):
        raise BadInput(f"{trusted}: is no public key of Ed25519 as PEM; {expected}. Ask the city for it.")
    return PublicKey(found.public_bytes_raw()).id


def _of_pem(content: bytes, whose: str) -> SigningKey:
    try:
        found = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise BadInput(
            f"{whose} is encrypted; expected a key without a passphrase. Decrypt it by openssl pkey."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        # What the library says may quote the text.
        raise BadInput(
            f"{whose} is damaged; expected a private key of Ed25519 as PEM. Restore it from a backup: readers know the city "
            "by this key."
        ) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise BadInput(
            f"{whose} is a key of another kind; expected Ed25519. Make one by `openssl genpkey -algorithm ed25519`."
        )
    return SigningKey(found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror}); expected the file of a key. Let citycheck read it."
        ) from None
