"""What a spreadsheet would run or spoil, by Python and by DuckDB alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.duck import connect
from citycheck.release.spreadsheet import csv_cell, safe

DANGEROUS = [
    "=1",
    "+1",
    "-1",
    "@A1",
    "\t1",
    "\r1",
    "\n1",
    " =1",
    "\u00a0=1",
    "\u3000＝1",
    "＋1",
    "－1",
    "＠A1",
    "\ufeff=1",
    "\u00ad=1",
    "\u061c=1",
    "\u180e=1",
    "\u2066=1\u2069",
    "\ufe0f=1",
]
HARMLESS = ["社区", "a=1", "1-2", "", " ", "'=1", "5", "a\tb", "金桂社区"]
blanks_and_marks = st.text(
    st.sampled_from("=+-@＝＋－＠\t\r\n \u3000\u00a0\ufeff\u200b'a1社\u0085"), max_size=6
)


@pytest.fixture(scope="module")
def connection():
    with connect() as connection:
        yield connection


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_would_run_gets_an_apostrophe(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays(text):
    assert safe(text) == text


@given(blanks_and_marks)
def test_safe_text_needs_nothing_more(text):
    assert safe(safe(text)) == safe(text)


@given(st.lists(blanks_and_marks, min_size=1, max_size=30))
def test_duckdb_answers_as_python(connection, texts):
    cells = connection.execute(f"select {csv_cell('t')} from (select unnest(?) as t)", [texts]).fetchall()
    assert [cell for (cell,) in cells] == [safe(text) for text in texts]


@pytest.mark.parametrize(
    ("code", "cell"),
    [
        ("0571", "0571\t"),
        ("330802005001", "330802005001\t"),
        ("33080200500", "33080200500"),
        ("0", "0"),
        ("330802", "330802"),
        ("C330802005001", "C330802005001"),
    ],
)
def test_codes_that_would_be_spoilt_stay_text(connection, code, cell):
    """Excel drops leading zeros and shows no more than 11 digits of a number."""
    assert connection.execute(f"select {csv_cell('t')} from (select ? as t)", [code]).fetchone() == (cell,)
