"""The key that signs a city's releases: of the connection that the deployment names, else of its home."""

from __future__ import annotations

from citycheck.connections import Lookup
from citycheck.release import signing
from citycheck.settings import settings


def signing_key(lookup: Lookup) -> signing.SigningKey:
    """Raises `BadInput` when the connection or the file holds no key of Ed25519."""
    name = settings().signing_key_connection
    return signing.key_of_connection(lookup(name)) if name else signing.key_of_home(settings().home)
