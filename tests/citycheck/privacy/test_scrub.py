"""The scrubber: measured on labelled lines, harmless to everything else, the same in Python, Arrow and DuckDB."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.privacy import scrub as module
from citycheck.privacy.scrub import KINDS, register, scrub, scrub_column

LABELLED = Path(__file__).with_name("labelled.tsv")
RECALL, PRECISION = 0.98, 0.97
LANGUAGES = ("zh-CN", "zh-TW", "en")


def read(part):
    """(language, plain text, its spans, the text as it has to become) of each line of a part."""
    for line in LABELLED.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        this, language, marked = line.split("\t")
        if this == part:
            spans, plain = set(), ""
            for piece in re.split("(⟦.*?⟧)", marked):
                kind, found, value = piece.strip("⟦⟧").partition("|") if piece[:1] == "⟦" else ("", "", piece)
                if found:
                    spans.add((len(plain), len(plain) + len(value), kind))
                plain += value
            yield language, plain, spans, re.sub(r"⟦(\w+)\|.*?⟧", r"[\1]", marked)


def measure(part):
    counts = defaultdict(Counter)
    for language, plain, spans, _ in read(part):
        found = set(module._find(plain))
        for span in spans | found:
            counts[language, span[2]][
                "hit" if span in spans & found else "missed" if span in spans else "wrong"
            ] += 1
    return counts


def rates(counts):
    total = sum(counts, Counter())
    return total["hit"] / (total["hit"] + total["missed"]), total["hit"] / (total["hit"] + total["wrong"])


@pytest.mark.parametrize("part", ["dev", "held_out"])
def test_recall_and_precision_on_the_labelled_lines(part, capsys):
    counts = measure(part)
    with capsys.disabled():
        print(f"\n{part:10}{'':8}{'labelled':>9}{'missed':>8}{'wrong':>7}{'recall':>8}{'precision':>10}")
        for (language, kind), count in sorted(counts.items()):
            labelled = count["hit"] + count["missed"]
            recall, precision = rates([count]) if labelled and count["hit"] else (0, 0)
            print(
                f"{language:10}{kind:8}{labelled:9}{count['missed']:8}{count['wrong']:7}{recall:8.3f}{precision:10.3f}"
            )
    for language in LANGUAGES:
        recall, precision = rates([count for (this, _), count in counts.items() if this == language])
        assert recall >= RECALL and precision >= PRECISION, (language, recall, precision)


def test_the_labelled_lines_are_many_and_half_of_them_hold_nothing():
    lines = [line for part in ("dev", "held_out") for line in read(part)]
    assert len(lines) >= 300 and sum(not spans for _, _, spans, _ in lines) >= 150
    assert {language for language, *_ in lines} == set(LANGUAGES)
    assert {kind for _, _, spans, _ in lines for _, _, kind in spans} == set(KINDS)
    assert not {plain for _, plain, *_ in read("dev")} & {plain for _, plain, *_ in read("held_out")}


@pytest.mark.parametrize("text", [
    "拨打110、119、120、12345、1999、311、911", "路灯编号 330802-00123 不亮", "2026-03-05 08:15:22", "108年3月5日",
    "118.872345, 28.941234", "3幢2单元401室", "1,380,000,000元", "工单号 202603051430220001", "Case number 8001234567",
    "水錶 A123456789", "公车B2-0123车位", "138.00000000001", "13800000001.5米", "v1.2.3", "", "[phone]", "谢谢师傅",
])  # fmt: skip
def test_what_is_nobody_s_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize("text, clean", [
    ("电话13800000001", "电话[phone]"),
    ("电话１３８０００００００１。", "电话[phone]。"),
    ("139\u200b0000\u200b0001", "[phone]"),
    ("(06)200-0001轉123", "[phone]"),
    ("13800000001和13900000002", "[phone]和[phone]"),
    ("13800000001,13900000002", "[phone],[phone]"),
    ("119900199003071236", "119900199003071236"),
    ("11990019900230123X", "11990019900230123X"),
    ("身份证119900199003071236", "身份证[id]"),
])  # fmt: skip
def test_how_it_is_written_does_not_matter_but_a_check_digit_does(text, clean):
    assert scrub(text) == clean


def test_a_resident_id_agrees_with_an_independent_implementation():
    from stdnum.cn import ric

    for number in range(200):
        stem = f"990000{1950 + number % 60}0{1 + number % 9}1{number % 10}{number:03d}"
        right = ric.calc_check_digit(stem + "0")
        assert scrub(stem + right) == "[id]"
        for other in set("0123456789X") - {right}:
            assert scrub(stem + other) != "[id]"


# Laws ----------------------------------------------------------------------------------------------------------------

PIECES = sorted({plain for part in ("dev", "held_out") for _, plain, *_ in read(part)})
SIGNS = st.sampled_from("0123456789０９一〇零-. ()+@＠·:：电话號車浙HABCxX[]\u200b\n王李先生MrsSmith編号")
TEXTS = st.one_of(
    st.text(),
    st.text(SIGNS, max_size=40),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(SIGNS, max_size=6)), max_size=4).map("".join),
)


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_scrubbing_twice_is_scrubbing_once_and_never_much_longer(text):
    clean = scrub(text)
    assert scrub(clean) == clean
    assert len(clean) <= 3 * len(text)


@settings(deadline=None, max_examples=500)
@given(TEXTS.filter(lambda text: "[" not in text))
def test_what_stands_around_stays(text):
    """The clean text, its marks read as "anything", is the text."""
    pattern = ".+".join(re.escape(piece) for piece in re.split(rf"\[(?:{'|'.join(KINDS)})\]", scrub(text)))
    assert re.fullmatch(pattern, text, re.DOTALL)


@settings(deadline=None)
@given(
    st.text().filter(
        lambda t: (
            not re.search(
                r"[\d@＠〇零○一二三四五六七八九幺人名M]|先生|女士|小姐|太太|[师師]傅|阿姨|大[爷爺妈媽]", t
            )
        )
    )
)
def test_a_text_without_digits_at_signs_and_titles_stays(text):
    assert scrub(text) == text


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_the_prefilter_leaves_nothing_out(text):
    [suspect] = pc.match_substring_regex(
        pa.array([text.encode("utf-8", "replace").decode()]), module._MAY_HOLD
    ).to_pylist()
    assert suspect or not module._find(text)


@pytest.mark.parametrize(
    "text", ["1" * 20_000, "a" * 20_000, "1-" * 10_000, "a." * 10_000 + "@", "+1 " * 7_000, "电话" * 9_000]
)
def test_no_text_takes_long(text):
    import time

    started = time.process_time()
    scrub(text)
    assert time.process_time() - started < 2


# Columns -------------------------------------------------------------------------------------------------------------


def test_a_column_is_scrubbed_like_its_values_and_marks_are_counted():
    texts = [plain for part in ("dev", "held_out") for _, plain, *_ in read(part)] + [None, ""]
    clean, counts = scrub_column(pa.chunked_array([texts[:50], [], texts[50:]], pa.string()))
    assert clean.to_pylist() == [text if text is None else scrub(text) for text in texts]
    assert counts == {
        kind: sum((text or "").count(f"[{kind}]") for text in clean.to_pylist()) for kind in KINDS
    }


@pytest.mark.parametrize(
    "column", [pa.array([], pa.string()), pa.nulls(3, pa.string()), pa.array(["路灯"], pa.large_string())]
)
def test_a_column_without_text_is_no_trouble(column):
    clean, counts = scrub_column(column)
    assert clean.to_pylist() == column.to_pylist() and counts == {}


def test_duckdb_scrubs_the_same():
    with duckdb.connect() as connection:
        register(connection)
        connection.execute("create table t (n integer, text varchar)")
        texts = [plain for _, plain, *_ in read("dev")] * 20 + [None]
        connection.register("given", pa.table({"n": range(len(texts)), "text": texts}))
        found = connection.execute("select scrub(text) from given order by n").fetchall()
    assert [text for (text,) in found] == [text if text is None else scrub(text) for text in texts]
