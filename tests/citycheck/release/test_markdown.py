"""Texts of others in Markdown."""

from __future__ import annotations

import pytest

from citycheck.release.markdown import escaped, plain, readable


def test_only_marks_are_escaped_in_what_is_read_as_it_stands() -> None:
    assert readable("2026-07-16: a_b *c* [d](e) <f>") == r"2026-07-16: a\_b \*c\* \[d\](e) \<f\>"
    assert escaped("a_b. c") == r"a\_b\. c"
    assert readable(None) == ""


@pytest.mark.parametrize(
    "sign", ["\u202e", "\u2066", "\u200f", "\u061c", "\u00ad", "\ufeff", "\x07", "\n", "\r"]
)
def test_what_is_not_seen_is_a_blank(sign: str) -> None:
    assert plain(f"a{sign}b") == readable(f"a{sign}b") == "a b"


@pytest.mark.parametrize("address", ["https://example.org", "a@example.org", "www.example.org"])
def test_addresses_are_no_links(address: str) -> None:
    assert address not in readable(address)
    assert readable(address).replace("\u2060", "") == address


def test_long_texts_are_cut() -> None:
    assert plain("abcdef", 4) == "abc…"
