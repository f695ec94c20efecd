"""What Excel and WPS would do to a text, and how it is kept from that.

A text that they would run as a formula gets an apostrophe before it. A code that they would take for a number and spoil
(leading zeros are dropped; of more than 11 digits the last become noise: 3.30802E+11) gets a tab after it, as bank
statements do: it is not seen, and the code stays text. Numbers of number columns stay as they are.
"""

from __future__ import annotations

import re

_BLANKS = (
    "\\x00-\\x20\\x7f\u0085\u00a0\u00ad\u061c\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f\u2060\u2066-\u2069\u3000\ufe0f\ufeff"
)
FORMULA = f"^([\\t\\r\\n]|[{_BLANKS}]*[=+@＝＋－＠-])"
"""What is run: also behind blanks, in full width, and what a cell may be split at. Read alike by Python and by RE2."""
LONG_NUMBER = "^(0[0-9]+|[0-9]{12,})$"


def safe(text: str) -> str:
    """A text as a spreadsheet may hold it without running it."""
    return f"'{text}" if re.search(FORMULA, text) else text


def csv_cell(column: str) -> str:
    """SQL: the text of a quoted column as it stands in a CSV."""
    return (
        f"case when regexp_matches({column}, '{FORMULA}') then '''' || {column} "
        f"when regexp_matches({column}, '{LONG_NUMBER}') then {column} || chr(9) else {column} end"
    )
