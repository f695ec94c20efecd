"""What the interface keeps at hand stays within its room."""

from __future__ import annotations

from citycheck.web.api.kept import Kept


def test_a_value_is_made_once_and_the_one_that_was_used_longest_ago_goes_first() -> None:
    made: list[str] = []

    def make(key: str) -> bytes:
        made.append(key)
        return key.encode() * 10

    kept = Kept[bytes](30, len)
    for key in "aabcadb":
        assert kept.get(key, lambda key=key: make(key)) == key.encode() * 10  # type: ignore[misc]
        assert kept.bytes <= kept.most_bytes
    assert made == ["a", "b", "c", "d", "b"]


def test_what_is_larger_than_the_room_is_given_and_not_kept() -> None:
    kept = Kept[bytes](5, len)
    assert kept.get("a", lambda: b"123456") == b"123456"
    assert kept.bytes == 0 and kept.get("a", lambda: b"1") == b"1"
