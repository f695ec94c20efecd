"""JSON in all the forms that cities send it in, and broken."""

import json as stdlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.feeds import json

RECORDS = [{"id": 1, "address": {"street": "中山路"}, "tags": ["a", 2], "x": None}, {"id": 2, "late": 1.5}]


def _write(folder, text, name="a.json"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def _table(file, **options):
    names = json.columns(file, **options)
    return [row for b in json.batches(file, names, **options) for row in b.to_pylist()]


EXPECTED = [
    {"id": "1", "address.street": "中山路", "tags": "a|2", "x": None, "late": None},
    {"id": "2", "address.street": None, "tags": None, "x": None, "late": "1.5"},
]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (stdlib.dumps(RECORDS), None),
        ("\ufeff" + stdlib.dumps(RECORDS, indent=2, ensure_ascii=False), None),
        ("\n".join(map(stdlib.dumps, RECORDS)), None),
        ("\r\n\r\n".join(map(stdlib.dumps, RECORDS)) + "\r\n", None),
        (
            stdlib.dumps({"n": 2, "skip": [{"items": []}], "result": {"a": {}, "items": RECORDS, "z": 1}}),
            "result.items",
        ),
    ],
    ids=["array", "array-with-mark-indented", "lines", "lines-blank-between", "path"],
)
def test_forms(tmp_path, text, records):
    assert _table(_write(tmp_path, text), records=records) == EXPECTED


def test_keyed_lists_are_one_row_a_list(tmp_path):
    file = _write(tmp_path, stdlib.dumps({"x1": [["甲", 1], ["乙", 2, None]], "x2": []}))
    assert json.columns(file) == ["key", "1", "2", "3"]
    assert _table(file) == [
        {"key": "x1", "1": "甲", "2": "1", "3": None},
        {"key": "x1", "1": "乙", "2": "2", "3": None},
    ]


def test_keyed_objects_below_a_path(tmp_path):
    file = _write(tmp_path, stdlib.dumps({"data": {"x1": {"a": 1}, "x2": {"a": 2}}}))
    assert _table(file, records="data") == [{"key": "x1", "a": "1"}, {"key": "x2", "a": "2"}]


def test_keyed_on_one_line_longer_than_the_look_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(json, "_LINE_CHARACTERS", 1000)
    monkeypatch.setattr(json, "_WINDOW_CHARACTERS", 100)
    file = _write(tmp_path, stdlib.dumps({str(n): [[n, "x"]] for n in range(1000)}))
    assert [r["1"] for r in _table(file)] == [str(n) for n in range(1000)]


def test_text_of_values(tmp_path):
    record = {
        "t": True,
        "e": "",
        "l": [],
        "o": {},
        "n": [{"a": "里"}],
        "big": 10**20,
        "s": "2024-01-01T00:00:00Z",
    }
    assert _table(_write(tmp_path, stdlib.dumps([record]))) == [
        {
            "t": "true",
            "e": None,
            "l": None,
            "o": None,
            "n": '[{"a": "里"}]',
            "big": str(10**20),
            "s": record["s"],
        }
    ]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_INNER = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(_TEXT, _PLAIN, max_size=3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(_TEXT, _INNER, max_size=4), max_size=5), st.integers(1, 20), st.booleans())
def test_any_window_reads_what_the_standard_library_reads(tmp_path_factory, records, window, is_ascii):
    file = _write(tmp_path_factory.getbasetemp(), stdlib.dumps(records, ensure_ascii=is_ascii), "window.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json, "_WINDOW_CHARACTERS", window)
        assert list(json.values(file)) == records


@pytest.mark.parametrize(
    ("text", "records", "message"),
    [
        ('[{"a": 1}, {"a": ', None, "is not JSON"),
        ('[{"a": 1}', None, "is not JSON"),
        ('[{"a": 1}] x', None, "is not JSON"),
        ('[{"a": 1} {"a": 2}]', None, "is not JSON"),
        ("<html>", None, "holds no records|is not JSON"),
        ("", None, "holds no records"),
        ('{"count": 1, "results": []}', None, "Tell in the profile where"),
        ('{"results": [{"a": 1}]}', None, "Tell in the profile where"),
        ('{"result": {}}', "result.items", "'items' is missing"),
        ('{"result": 7}', "result", "holds no records"),
        ("[1, 2]", None, "record 1: is a text"),
        ("[" * 100_000, None, "is not JSON"),
    ],
)
def test_broken(tmp_path, text, records, message):
    with pytest.raises(BadInput, match=message):
        json.columns(_write(tmp_path, text), records=records)


def test_other_encoding(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes('[{"a": "里"}]'.encode("gb18030"))
    with pytest.raises(BadInput, match="is not JSON"):
        json.columns(file)


@pytest.mark.slow
def test_200_mb_take_less_than_300_mb(tmp_path):
    file = tmp_path / "big.json"
    record = stdlib.dumps(
        {"id": 1, "text": "路灯不亮" * 40, "address": {"street": "x" * 100}}, ensure_ascii=False
    )
    with file.open("w", encoding="utf-8") as out:
        out.write("[" + record)
        while out.tell() < 200 << 20:
            out.write(("," + record) * 1000)
        out.write("]")
    code = (
        "import re, sys; from pathlib import Path; from citycheck.feeds import json\n"
        "f = Path(sys.argv[1]); n = sum(b.num_rows for b in json.batches(f, ['id', 'text', 'address.street']))\n"
        # getrusage would tell the memory of the process that started this one, if that was more.
        "print(n, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    plugins = str(Path(json.__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": plugins},
    )
    rows, kib = map(int, told.stdout.split())
    assert rows > 300_000
    assert kib < 300 << 10, f"{kib >> 10} MiB"


def test_village_changes_of_tainan(shared_data):
    file = shared_data / "tainan/boundaries_population/cunli_changes_data.json"
    assert json.columns(file) == ["key", "1", "2", "3", "4"]
    whole = stdlib.loads(file.read_text("utf-8"))
    assert [list(r.values()) for r in _table(file)] == [
        [k, *row] for k, rows in whole.items() for row in rows
    ]


def test_lines_of_tainan(shared_data):
    file = shared_data / "tainan/open1999_json/requests.ndjson"
    assert len(list(json.values(file))) == sum(1 for line in file.open() if line.strip())
