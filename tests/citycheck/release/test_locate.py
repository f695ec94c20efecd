"""The code that tells which byte is wrong: against the truth, for every kind of change."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.release.locate import BLOCK_BYTES, Change, compare, encode, find, tell

DATA = random.Random(1).randbytes(3 * BLOCK_BYTES + 100)
CODE = encode(DATA)
PLACES = st.integers(0, len(DATA) - 1)


def changed(places: dict[int, int]) -> bytes:
    """DATA with a number added to some of its bytes."""
    found = bytearray(DATA)
    for place, amount in places.items():
        found[place] = (found[place] + amount) % 256
    return bytes(found)


def test_nothing_is_wrong():
    assert find(DATA, len(DATA), CODE) == ([], DATA)
    assert find(b"", 0, encode(b"")) == ([], b"")


@given(PLACES, st.integers(1, 255))
def test_one_changed_byte_is_named(place, amount):
    found = changed({place: amount})
    expected = Change(place, found[place : place + 1], 1, DATA[place : place + 1])
    assert find(found, len(DATA), CODE) == ([expected], DATA)


@given(
    st.dictionaries(st.integers(0, BLOCK_BYTES - 1), st.integers(1, 255), min_size=2, max_size=4),
    st.integers(0, 2),
)
def test_up_to_four_changed_bytes_of_a_block_are_named(places, block):
    found = changed({block * BLOCK_BYTES + place: amount for place, amount in places.items()})
    assert find(found, len(DATA), CODE) == (compare(found, DATA), DATA)
    assert len(compare(found, DATA)) == len(places)


@given(st.dictionaries(PLACES, st.integers(1, 255), min_size=5, max_size=60))
def test_of_more_at_least_the_blocks_are_named_and_nothing_wrong_is_told(places):
    found = changed(places)
    changes, right = find(found, len(DATA), CODE)
    assert right in (None, DATA)
    named = {at for change in changes for at in range(change.at, change.at + change.count)}
    assert named >= places.keys()
    assert all(change.was in (None, DATA[change.at : change.at + 1]) for change in changes)
    assert len(named) <= BLOCK_BYTES * len({place // BLOCK_BYTES for place in places})


@given(st.integers(0, len(DATA)), st.binary(min_size=1, max_size=6000))
def test_what_was_put_in_is_named(place, extra):
    found = DATA[:place] + extra + DATA[place:]
    (change,), right = find(found, len(DATA), CODE)
    assert right == DATA
    assert found[: change.at] + found[change.at + len(change.found) :] == DATA


@given(PLACES)
def test_one_byte_left_out_is_named(place):
    found = DATA[:place] + DATA[place + 1 :]
    (change,), right = find(found, len(DATA), CODE)
    assert right == DATA and change.was == DATA[place : place + 1]
    assert found[: change.at] + change.was + found[change.at :] == DATA


@pytest.mark.parametrize("end", [0, 1, 100, BLOCK_BYTES, BLOCK_BYTES + 7, len(DATA) - 2])
def test_a_file_that_ends_too_early(end):
    changes, right = find(DATA[:end], len(DATA), CODE)
    assert (changes, right) == ([Change(end, b"", len(DATA) - end)], None)
    assert tell(changes) == f"{len(DATA) - end:,} bytes missing at byte {end:,} (from 0)"


def test_a_piece_left_out_of_the_middle_is_told_by_its_block():
    (change,), right = find(DATA[:5000] + DATA[5100:], len(DATA), CODE)
    assert right is None and (change.at, change.was) == (BLOCK_BYTES, None)


@pytest.mark.parametrize("code", ["", "?", CODE[:-32], CODE + CODE])
def test_a_code_of_another_file_is_refused(code):
    with pytest.raises(ValueError, match="not"):
        find(DATA, len(DATA), code)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_comparing_known_texts_accounts_for_every_byte(found, was):
    right = bytearray(found)
    for change in reversed(compare(found, was)):
        right[change.at : change.at + len(change.found)] = change.was or b""
    assert bytes(right) == was


def test_in_words():
    assert tell([Change(1234, b"\x39", 1, b"\x38")]) == "byte 1,234 (from 0) is 0x39, was 0x38"
    assert tell([Change(7, b"", 1, b"\x38")]) == "1 byte missing at byte 7 (from 0), 0x38"
    assert tell([Change(7, b"abc", 0, b"")]) == "3 bytes too many from byte 7 (from 0) on"
    assert (
        tell([Change(4096, b"a" * 4096, 4096)])
        == "something in bytes 4,096 to 8,191 (from 0) is not what it was"
    )
    assert tell([Change(n, b"b", 1, b"a") for n in range(10)]).endswith("was 0x61; and 2 more places")


def test_the_code_of_a_large_file_is_small_and_fast():
    data = random.Random(2).randbytes(60_000_000)
    started = time.process_time()
    code = encode(data)
    # A generous limit: on an idle machine it is less than half a second.
    assert time.process_time() - started < 10
    assert len(code) < 500_000
    found = bytearray(data)
    found[59_999_999] ^= 1
    (change,), right = find(bytes(found), len(data), code)
    assert (change.at, change.was) == (59_999_999, data[-1:]) and right == data
