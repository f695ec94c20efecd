"""Keys: from a connection, from a file made on first use; what is refused; nothing secret in any text."""

from __future__ import annotations

import base64
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from citycheck.connections import Connection
from citycheck.errors import BadInput
from citycheck.release.signing import PublicKey, SigningKey, key_of_connection, key_of_home, trusted_id

SEED = bytes(range(32))
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(SEED))


def pem(private, password: bytes | None = None) -> str:
    kept = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    kind = serialization.PrivateFormat.PKCS8
    return private.private_bytes(serialization.Encoding.PEM, kind, kept).decode()


PEM = pem(KEY.private)


def test_a_signature_fits_its_data_and_key_only():
    signature = KEY.sign(b"data")
    assert KEY.public.verifies(signature, b"data")
    assert KEY.sign(b"data") == signature
    assert not KEY.public.verifies(signature, b"Data")
    assert not KEY.public.verifies(signature[:-1], b"data")
    assert not PublicKey(bytes(32)).verifies(signature, b"data")
    assert not PublicKey(b"short").verifies(signature, b"data")


def test_the_test_vector_of_rfc_8032():
    key = key_of_connection(
        Connection("k", password="9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.public.raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


@pytest.mark.parametrize(
    "password",
    [PEM, PEM.replace("\n", "\\n"), SEED.hex(),
     base64.b64encode(SEED).decode(), base64.urlsafe_b64encode(SEED).decode().rstrip("=")],
    ids=["pem", "pem in one line", "hex", "base64", "urlsafe base64"],
)  # fmt: skip
def test_a_key_in_a_connection(password):
    assert key_of_connection(Connection("k", password=password)).id == KEY.id


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("", "is no Ed25519 key"),
        ("a long enough sentence that is no key", "is no Ed25519 key"),
        (SEED.hex()[:-2], "is no Ed25519 key"),
        (PEM.replace("M", "N"), "is damaged"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "is a key of another kind; expected Ed25519"),
        (pem(KEY.private, b"secret"), "is encrypted"),
        (KEY.public.pem.decode(), "is damaged; expected a private key"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(password, told):
    with pytest.raises(BadInput, match=told) as caught:
        key_of_connection(Connection("release_key", password=password))
    assert "release_key" in str(caught.value) and "\n" not in str(caught.value)
    assert len(password) < 10 or password[30:60].strip() not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_key_of_a_home_is_made_once_and_is_private(tmp_path):
    made = key_of_home(tmp_path, lambda size: SEED[:size])
    assert made.id == KEY.id
    path = tmp_path / "secrets/release_signing.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert key_of_home(tmp_path, lambda _: pytest.fail("a second key")).id == KEY.id
    assert trusted_id(path.with_suffix(".pub")) == KEY.id
    assert sorted(p.name for p in path.parent.iterdir()) == ["release_signing.pem", "release_signing.pub"]


def test_a_lost_public_half_is_written_again(tmp_path):
    key_of_home(tmp_path)
    public = tmp_path / "secrets/release_signing.pub"
    before = public.read_bytes()
    public.write_bytes(b"")
    key_of_home(tmp_path)
    assert public.read_bytes() == before


def test_whoever_is_first_makes_the_key(tmp_path):
    """Another process makes the key between this one's look and its write."""

    def slow(size):
        key_of_home(tmp_path, lambda _: SEED)
        return bytes(size)

    assert key_of_home(tmp_path, slow).id == KEY.id


def test_a_key_that_others_may_read_is_refused(tmp_path):
    key_of_home(tmp_path)
    path = tmp_path / "secrets/release_signing.pem"
    path.chmod(0o640)
    with pytest.raises(
        BadInput, match=r"release_signing\.pem: others may read the signing key; expected mode 0600"
    ):
        key_of_home(tmp_path)


def test_a_damaged_key_is_never_replaced(tmp_path):
    key_of_home(tmp_path)
    path = tmp_path / "secrets/release_signing.pem"
    path.write_text("")
    with pytest.raises(BadInput, match="is damaged; expected a private key of Ed25519 as PEM"):
        key_of_home(tmp_path)
    assert path.read_text() == ""


def test_a_folder_in_place_of_the_key(tmp_path):
    (tmp_path / "secrets/release_signing.pem").mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot be read"):
        key_of_home(tmp_path)


def test_nothing_secret_is_in_a_text(tmp_path):
    key = key_of_home(tmp_path, lambda size: SEED[:size])
    assert "0001020304" not in repr(key) and "private" not in repr(key)
    assert len(key.id) == 32


def test_openssl_makes_keys_that_are_read_and_reads_ours(tmp_path):
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True
    )
    key = key_of_connection(Connection("k", password=made.stdout))
    (tmp_path / "key.pub").write_bytes(key.public.pem)
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "sig").write_bytes(key.sign(b"data"))
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "key.pub",
        "-rawin",
        "-in",
        "data",
        "-sigfile",
        "sig",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "data").write_bytes(b"date")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "no such file exists"), (PEM, "is a private key"), ("hello", "is no public key of Ed25519")],
)
def test_what_cannot_be_trusted(tmp_path, content, told):
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=told):
        trusted_id(path)
