"""A digest is cut to what a channel carries, and says what it leaves out."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from citycheck.notify.message import Both, Message, Section, tidy

MESSAGE = Message(
    Both("标题", "Title"),
    (Both("事实", "Fact"),),
    (
        Section("住建局", Both("将超时 1", "1 will break"), tuple(f"R{n:03d} 分转" for n in range(300))),
        Section("城管局", Both("已超时 2", "2 broken"), ("A", "B")),
    ),
)


def test_all_of_it_where_it_fits():
    text = MESSAGE.text(100_000)
    assert text.startswith("标题\nTitle\n事实\nFact\n\n【住建局】将超时 1 · 1 will break\nR000 分转\n")
    assert text.endswith("R299 分转\n\n【城管局】已超时 2 · 2 broken\nA\nB")
    assert "more" not in text


def test_items_are_counted_that_do_not_fit_and_every_department_keeps_its_first():
    text = MESSAGE.text(500)
    assert len(text.encode()) <= 500
    shown = len(re.findall(r"^R\d{3}", text, re.M))
    assert 0 < shown < 300
    assert f"另有 {300 - shown} 项 · {300 - shown} more" in text
    assert text.endswith("A\nB")
    assert len(MESSAGE.text(501 + 15).encode()) > 500  # no byte is left that a further item would have had


def test_departments_are_counted_that_do_not_fit():
    many = Message(
        Both("标题", "Title"), (), tuple(Section(f"部门{n}", Both("x", "x"), ("R",)) for n in range(100))
    )
    text = many.text(400)
    shown = text.count("【")
    assert 0 < shown < 100
    assert text.endswith(f"另有 {100 - shown} 个部门 · {100 - shown} more departments")


@given(
    st.text(max_size=200),
    st.lists(st.tuples(st.text(max_size=30), st.lists(st.text(max_size=60), max_size=30)), max_size=10),
    st.integers(3, 3000),
)
def test_it_is_never_longer_than_the_channel_carries(title, sections, limit):
    message = Message(
        Both(title, title), (Both("事实", "fact"),),
        tuple(Section(name, Both("一", "one"), tuple(items)) for name, items in sections),
    )  # fmt: skip
    assert len(message.text(limit).encode()) <= limit


def test_data_lists_two_hundred_items_and_counts_the_rest():
    about = MESSAGE.data()["sections"][0]
    assert (len(about["items"]), about["items_left_out"]) == (200, 100)
    assert MESSAGE.data()["sections"][1]["items_left_out"] == 0


def test_a_name_from_a_source_is_one_short_line():
    assert tidy("住建局\r\nBcc: x@y\u202e", "?") == "住建局 Bcc: x@y"
    assert tidy("  \n", "未注明") == "未注明"
    assert tidy(None, "未注明") == "未注明"
    assert len(tidy("长" * 100, "?")) == 60
    assert len(tidy("长" * 60, "?")) == 60
    assert tidy("长" * 60, "?").endswith("长")
