"""Which bytes of a file are wrong: a code of 24 bytes for each 4 KiB, small beside the file and proving what it says.

A block's code is the start of its SHA-256 and eight power sums S_j = Σ b_i·(i+1)^j mod 65521, j = 0…7, which are the
syndromes of a Reed–Solomon code. Up to four changed bytes of a block follow from them exactly (Peterson's algorithm); with
those bytes put back, the block must have its SHA-256 again, so that nothing is told that is not proved.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 4096
HASH_BYTES = 8
SUMS = 8
MODULUS = 65521
"""The largest prime below 2^16: every place in a block and every difference of two bytes is unique modulo it."""
_CODE_BYTES = HASH_BYTES + 2 * SUMS
_AT_ONCE = 256
_MOST_BLOCKS = 64
_MOST_TOLD = 8

_PLACES = np.arange(1, BLOCK_BYTES + 1, dtype=np.int64)
_POWERS = np.ones((BLOCK_BYTES, SUMS))
for _j in range(1, SUMS):
    _POWERS[:, _j] = _POWERS[:, _j - 1] * _PLACES % MODULUS


@dataclass(frozen=True)
class Change:
    """`found` stands from byte `at` (from 0) on; there were `count` bytes, `was`, or unknown ones when it is None."""

    at: int
    found: bytes
    count: int
    was: bytes | None = None

    def __str__(self) -> str:
        where = f"byte {self.at:,} (from 0)"
        if not self.found:
            known = f", 0x{self.was.hex()}" if self.was and self.count <= 4 else ""
            return f"{_bytes(self.count)} missing at {where}{known}"
        if not self.count:
            return f"{_bytes(len(self.found))} too many from {where} on"
        if self.was is not None and self.count == 1:
            return f"{where} is 0x{self.found.hex()}, was 0x{self.was.hex()}"
        return f"something in bytes {self.at:,} to {self.at + self.count - 1:,} (from 0) is not what it was"


def tell(changes: Sequence[Change]) -> str:
    """The first changes in words."""
    more = f"; and {len(changes) - _MOST_TOLD} more places" if len(changes) > _MOST_TOLD else ""
    return "; ".join(map(str, changes[:_MOST_TOLD])) + more


def encode(data: bytes) -> str:
    """The codes of the blocks of a file, in base64: 32 signs each."""
    sums = _sums(data).astype(">u2").tobytes()
    each = 2 * SUMS
    codes = (_hash(block) + sums[n * each : (n + 1) * each] for n, block in enumerate(_blocks(data)))
    return base64.b64encode(b"".join(codes)).decode()


def find(data: bytes, size: int, code: str) -> tuple[list[Change], bytes | None]:
    """How a file differs from the one that had `size` bytes and this code, and that one if every change is proved.

    Raises `ValueError` when the code is not that of a file of this size.
    """
    try:
        raw = base64.b64decode(code, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    if len(raw) != -(-size // BLOCK_BYTES) * _CODE_BYTES:
        raise ValueError("not a code of this size")
    codes = [raw[at : at + _CODE_BYTES] for at in range(0, len(raw), _CODE_BYTES)]
    if len(data) > size:
        return _too_many(data, size, codes)
    if len(data) < size:
        return _too_few(data, size, codes)
    wrong = [n for n, block in enumerate(_blocks(data)) if _hash(block) != codes[n][:HASH_BYTES]]
    right = bytearray(data)
    changes: list[Change] = []
    unknown: list[tuple[int, int]] = []
    for tried, n in enumerate(wrong):
        start = n * BLOCK_BYTES
        block = data[start : start + BLOCK_BYTES]
        fixed = _corrected(block, codes[n]) if tried < _MOST_BLOCKS else None
        if fixed is not None:
            right[start : start + len(block)] = fixed
            changes += compare(block, fixed, start)
        elif unknown and unknown[-1][1] == start:
            unknown[-1] = (unknown[-1][0], start + len(block))
        else:
            unknown.append((start, start + len(block)))
    changes += [Change(start, data[start:end], end - start) for start, end in unknown]
    return sorted(changes, key=lambda change: change.at), None if unknown else bytes(right)


def compare(found: bytes, was: bytes, start: int = 0) -> list[Change]:
    """How two known texts differ: each wrong byte, or one piece that was put in, left out or replaced."""
    if len(found) == len(was):
        places = np.flatnonzero(_array(found) != _array(was)).tolist()
        return [Change(start + at, found[at : at + 1], 1, was[at : at + 1]) for at in places]
    least = min(len(found), len(was))
    before = next((n for n in range(least) if found[n] != was[n]), least)
    after = next((n for n in range(least - before) if found[-1 - n] != was[-1 - n]), least - before)
    there, expected = found[before : len(found) - after], was[before : len(was) - after]
    return [Change(start + before, there, len(expected), expected)]


def _too_many(data: bytes, size: int, codes: list[bytes]) -> tuple[list[Change], bytes | None]:
    """One piece was put in: leaving it out again must give every block its SHA-256."""
    extra, first = len(data) - size, _first_wrong(data[:size], codes)
    start = first * BLOCK_BYTES
    length = min(BLOCK_BYTES, size - start)
    for at in range(start, start + length) if first < len(codes) else [size]:
        block = data[start:at] + data[at + extra : start + length + extra]
        if first == len(codes) or _hash(block) == codes[first][:HASH_BYTES]:
            right = data[:at] + data[at + extra :]
            if _first_wrong(right, codes) == len(codes):
                return [Change(at, data[at : at + extra], 0, b"")], right
    return [Change(start, data[start:], size - start)], None


def _too_few(data: bytes, size: int, codes: list[bytes]) -> tuple[list[Change], bytes | None]:
    """One byte was left out: the sum of its block tells which, and the SHA-256 where. Of more, only the place."""
    lacking, first = size - len(data), _first_wrong(data, codes)
    start = min(first * BLOCK_BYTES, len(data))
    length = min(BLOCK_BYTES, size - start)
    rest = data[start : start + length - 1]
    lost = (int.from_bytes(codes[first][HASH_BYTES : HASH_BYTES + 2], "big") - sum(rest)) % MODULUS
    for at in range(len(rest) + 1) if lacking == 1 and lost < 256 else ():
        if _hash(rest[:at] + bytes([lost]) + rest[at:]) == codes[first][:HASH_BYTES]:
            right = data[: start + at] + bytes([lost]) + data[start + at :]
            if _first_wrong(right, codes) == len(codes):
                return [Change(start + at, b"", 1, bytes([lost]))], right
    if start + BLOCK_BYTES > len(data):
        return [Change(len(data), b"", lacking)], None
    return [Change(start, data[start:], size - start)], None


def _corrected(block: bytes, code: bytes) -> bytes | None:
    """The block that has this code and differs in at most half as many bytes as there are sums; None if there is none."""
    expected = np.frombuffer(code[HASH_BYTES:], ">u2").astype(np.int64)
    difference = [int(d) % MODULUS for d in _sums(block)[0] - expected]
    for errors in range(1, SUMS // 2 + 1):
        hankel = [difference[row : row + errors] for row in range(errors)]
        locator = _solved(hankel, [-d for d in difference[errors : 2 * errors]])
        if locator is None:
            continue
        value = np.ones(len(block), np.int64)
        for coefficient in reversed(locator):
            value = (value * _PLACES[: len(block)] + coefficient) % MODULUS
        places = np.flatnonzero(value == 0).tolist()
        if len(places) != errors:
            continue
        powers = [[pow(place + 1, j, MODULUS) for place in places] for j in range(errors)]
        amounts = _solved(powers, difference[:errors])
        fixed = bytearray(block)
        for place, amount in zip(places, amounts or (), strict=False):
            fixed[place] = (fixed[place] - amount) % MODULUS % 256
        if _hash(bytes(fixed)) == code[:HASH_BYTES]:
            return bytes(fixed)
    return None


def _solved(matrix: list[list[int]], right: list[int]) -> list[int] | None:
    """x with matrix·x = right modulo the prime, by Gauss and Jordan; None when there is not exactly one."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for n in range(len(rows)):
        pivot = next((r for r in range(n, len(rows)) if rows[r][n] % MODULUS), None)
        if pivot is None:
            return None
        rows[n], rows[pivot] = rows[pivot], rows[n]
        inverse = pow(rows[n][n], -1, MODULUS)
        rows[n] = [value * inverse % MODULUS for value in rows[n]]
        for r, row in enumerate(rows):
            if r != n:
                rows[r] = [(a - row[n] * b) % MODULUS for a, b in zip(row, rows[n], strict=True)]
    return [row[-1] for row in rows]


def _sums(data: bytes) -> NDArray[np.int64]:
    """The power sums of each block. Exact: the largest product sum, 4096·255·65520, is far below 2^53."""
    found = [
        _padded(data[at : at + _AT_ONCE * BLOCK_BYTES]).astype(np.float64) @ _POWERS
        for at in range(0, len(data), _AT_ONCE * BLOCK_BYTES)
    ]
    return np.concatenate([np.empty((0, SUMS)), *found]).astype(np.int64) % MODULUS


def _padded(data: bytes) -> NDArray[np.uint8]:
    """Whole blocks; the zeros at the end count nothing."""
    return _array(data + bytes(-len(data) % BLOCK_BYTES)).reshape(-1, BLOCK_BYTES)


def _first_wrong(data: bytes, codes: list[bytes]) -> int:
    """The first block that is not as its code says, or the number of codes."""
    blocks = enumerate(_blocks(data))
    wrong = (n for n, block in blocks if n >= len(codes) or _hash(block) != codes[n][:HASH_BYTES])
    return next(wrong, min(-(-len(data) // BLOCK_BYTES), len(codes)))


def _blocks(data: bytes) -> Iterator[bytes]:
    return (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))


def _hash(block: bytes) -> bytes:
    return hashlib.sha256(block).digest()[:HASH_BYTES]


def _array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"
