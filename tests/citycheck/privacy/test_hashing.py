"""Keyed hashes: HMAC as the standard library has it, a key of its own for each purpose, and no key in any message."""

import hashlib
import hmac
import stat
import unicodedata
from base64 import b64encode, urlsafe_b64encode

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.connections import Connection
from citycheck.errors import BadInput
from citycheck.privacy import hashing
from citycheck.privacy.hashing import Key, key_of_connection, key_of_home, keyed_hash

SECRET = bytes(range(100, 132))
KEY = Key(SECRET)


def by_hand(secret, text):
    message = unicodedata.normalize("NFKC", text).strip().encode("utf-8", "surrogatepass")
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:32]


@given(st.text())
def test_a_hash_is_the_beginning_of_the_hmac(text):
    assert keyed_hash(KEY, text) == by_hand(SECRET, text)


def test_how_an_id_is_written_does_not_matter():
    assert keyed_hash(KEY, " １３８Ａ\u3000\n") == keyed_hash(KEY, "138A")


def test_duckdb_hashes_the_same():
    texts = ["R-1", " R-1 ", "Ｒ-1", "é", "e\u0301", "", "\t", None, *map(str, range(5000))]
    with duckdb.connect() as connection:
        hashing.register(connection, KEY, "reporter_hash")
        connection.register("given", pa.table({"n": range(len(texts)), "text": texts}))
        found = connection.execute("select reporter_hash(text) from given order by n").fetchall()
    assert [text for (text,) in found] == [text if text is None else by_hand(SECRET, text) for text in texts]


def test_hashes_of_two_purposes_cannot_be_joined():
    purposes = ["town/respondent", "town/reporter", "village/reporter", ""]
    keys = {KEY.secret, *(KEY.derive(purpose).secret for purpose in purposes)}
    assert len(keys) == 5
    assert KEY.derive("town/reporter") == KEY.derive("town/reporter")


@pytest.mark.parametrize("password", [
    SECRET.hex(), SECRET.hex().upper(), b64encode(SECRET).decode(), urlsafe_b64encode(SECRET).decode().rstrip("="),
])  # fmt: skip
def test_a_key_in_a_connection_is_hex_or_base64(password):
    assert key_of_connection(Connection("hash", password=password)) == KEY


def test_a_key_in_a_connection_may_be_a_sentence():
    key = key_of_connection(Connection("hash", password="sixteen letters!"))
    assert key == key_of_connection(Connection("hash", password=" sixteen letters!\n")) != KEY


@pytest.mark.parametrize("password", ["", "fifteen letters"])
def test_a_short_password_is_refused_and_not_shown(password):
    with pytest.raises(BadInput, match="The connection 'hash': its password is too short") as told:
        key_of_connection(Connection("hash", password=password))
    assert not password or password not in str(told.value)


def test_the_key_of_a_home_is_made_once_and_is_private(tmp_path):
    made = key_of_home(tmp_path, lambda size: SECRET[:size])
    path = tmp_path / "secrets" / "hash.key"
    assert made == KEY and key_of_home(tmp_path, lambda _: pytest.fail("a second key")) == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_process_that_is_first_makes_the_key(tmp_path):
    """Another process makes its key while this one draws: both go on with the one that is there."""

    def slow(_):
        key_of_home(tmp_path, lambda size: SECRET[:size])
        return b"x" * 32

    assert key_of_home(tmp_path, slow) == KEY


@pytest.mark.parametrize("written", [b"", b"short", SECRET])
def test_a_damaged_key_is_never_replaced(tmp_path, written):
    key_of_home(tmp_path)
    path = tmp_path / "secrets" / "hash.key"
    path.write_bytes(written)
    with pytest.raises(BadInput, match=r"hash\.key: is damaged") as told:
        key_of_home(tmp_path)
    assert path.read_bytes() == written and "short" not in str(told.value)


def test_a_key_that_others_may_read_is_refused(tmp_path):
    key_of_home(tmp_path)
    (tmp_path / "secrets" / "hash.key").chmod(0o640)
    with pytest.raises(BadInput, match="others may read the hash key"):
        key_of_home(tmp_path)


def test_the_key_is_in_no_text_plan_or_error():
    shown = [repr(KEY), str(KEY)]
    with duckdb.connect() as connection:
        hashing.register(connection, KEY)
        connection.execute("create table t as select 'R-1' as id")
        shown.append(str(connection.execute("explain analyze select keyed_hash(id) from t").fetchall()))
        shown.append(
            str(
                connection.execute(
                    "select * from duckdb_functions() where function_name = 'keyed_hash'"
                ).fetchall()
            )
        )
        with pytest.raises(duckdb.Error) as told:
            connection.execute("select keyed_hash(id, id) from t")
        shown.append(str(told.value))
    with pytest.raises(BadInput) as short:
        Key(SECRET[:5])
    shown.append(str(short.value))
    for text in shown:
        assert SECRET.hex()[:8] not in text and SECRET[:5].decode() not in text
