"""Ids of people as keyed hashes: the same person stays the same, and without the key nobody can tell who it is.

A hash is the first 32 hex digits of HMAC-SHA256 over the id in Unicode form NFKC, without blanks around it. Each
purpose (respondent, reporter, …) has a key of its own, derived from the deployment's, so that the hashes of two
purposes cannot be joined.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from citycheck.connections import Connection
from citycheck.errors import BadInput
from citycheck.lake.files import make_secret, telling_disk_full

_BYTES = 32
_HEX = 32


@dataclass(frozen=True)
class Key:
    """32 secret bytes; they do not appear in its text."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _BYTES:
            raise BadInput(f"A hash key has {len(self.secret)} bytes; expected {_BYTES}. Make a new key.")

    def derive(self, purpose: str) -> Key:
        """The key of a purpose, such as "quzhou/respondent". Other purposes give keys that share nothing."""
        return Key(hmac.digest(self.secret, f"citycheck {purpose}".encode(), "sha256"))


def key_of_connection(connection: Connection) -> Key:
    """The key in a connection's password: 32 bytes as hex or base64, else any text of at least 16 signs.

    Raises `BadInput` when the password is shorter. Its text is never shown.
    """
    password = connection.password.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", password):
        return Key(bytes.fromhex(password))
    with contextlib.suppress(binascii.Error, ValueError):
        standard = password.translate(str.maketrans("-_", "+/"))
        decoded = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        if len(decoded) == _BYTES:
            return Key(decoded)
    if len(password) < 16:
        raise BadInput(
            f"The connection {connection.id!r}: its password is too short for a hash key; expected 32 bytes as hex or "
            "base64, or a text of at least 16 signs. Set another password."
        )
    return Key(hashlib.sha256(password.encode()).digest())


def key_of_home(home: Path, random: Callable[[int], bytes] = os.urandom) -> Key:
    """The key in `<home>/secrets/hash.key`, made on first use (mode 0600) and never replaced.

    Raises `BadInput` when the file is damaged, or when others may read it.
    """
    path = home / "secrets" / "hash.key"
    with telling_disk_full(path):
        if not path.exists():
            make_secret(path, random(_BYTES).hex().encode() + b"\n")
        if path.stat().st_mode & 0o077:
            raise BadInput(f"{path}: others may read the hash key; expected mode 0600. Run chmod 600 on it.")
        written = path.read_bytes().strip()
    if not re.fullmatch(rb"[0-9a-f]{64}", written):
        raise BadInput(
            f"{path}: is damaged; expected 64 hex digits. Restore it from a backup: with another key, nobody who "
            "reported or answered before is known as the same person."
        )
    return Key(bytes.fromhex(written.decode()))


def keyed_hash(key: Key, text: str) -> str:
    """32 hex digits that stand for `text`."""
    return hmac.digest(key.secret, _normal(text), "sha256").hex()[:_HEX]


def register(connection: duckdb.DuckDBPyConnection, key: Key, name: str = "keyed_hash") -> None:
    """Give a DuckDB connection the function `name(varchar) -> varchar`, equal to `keyed_hash`; null stays null.

    The key stays in Python: it is in no SQL text, plan or variable. (HMAC put together from DuckDB's own sha256 is
    slower when the key comes from a table, and shows the key in plans when it is a constant; and DuckDB has no NFKC.)
    """
    padded = key.secret.ljust(64, b"\0")
    started = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    ended = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def hashed(column: pa.ChunkedArray) -> pa.Array:
        found = []
        for text in column.to_pylist():
            # HMAC with the key's part done once: twice as fast as hmac.digest.
            inner, outer = started.copy(), ended.copy()
            inner.update(_normal(text))
            outer.update(inner.digest())
            found.append(outer.hexdigest()[:_HEX])
        return pa.array(found, pa.string())

    connection.create_function(name, hashed, ["varchar"], "varchar", type="arrow")


def _normal(text: str) -> bytes:
    # A lone surrogate, which no file can hold, must not stop a column.
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return normal.strip().encode("utf-8", "surrogatepass")
