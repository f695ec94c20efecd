"""Texts of others in Markdown: on one line, without signs that are not seen, and nothing in them is a mark, a link or a tag."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+"
)
"""Controls, and what turns the direction of writing or is not seen."""
_ADDRESS = re.compile(r"(://|@|www(?=\.))", re.IGNORECASE)
"""What a viewer makes a link of although it is escaped."""
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")


def plain(value: object, longest: int | None = None) -> str:
    """A text on one line, cut to so many characters; not escaped."""
    line = " ".join(_UNPRINTABLE.sub(" ", str(value if value is not None else "")).split())
    return line if longest is None or len(line) <= longest else line[: longest - 1] + "…"


def escaped(value: object, longest: int | None = None) -> str:
    """A text in which every sign of punctuation is escaped, for a viewer that is not known."""
    return _PUNCTUATION.sub(r"\\\1", _unlinked(plain(value, longest)))


def readable(value: object) -> str:
    """A text in which only marks are escaped, for a file that is also read as it stands."""
    return _MARKS.sub(r"\\\1", _unlinked(plain(value)))


def _unlinked(text: str) -> str:
    return _ADDRESS.sub("\\1\u2060", text)
