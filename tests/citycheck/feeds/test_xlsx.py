"""Workbooks as offices make them; all synthetic."""

import zipfile
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook

from citycheck.errors import BadInput
from citycheck.feeds import xlsx


@pytest.fixture
def book(tmp_path):
    """Sheets → file: name: rows."""

    def made(change=None, **sheets):
        workbook = Workbook()
        workbook.remove(workbook.active)
        for name, rows in sheets.items():
            sheet = workbook.create_sheet(name)
            for row in rows:
                sheet.append(row)
        if change:
            change(workbook)
        workbook.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return made


def _rows(file, names=None, **options):
    names = names or xlsx.columns(file, **options)
    return [list(row.values()) for b in xlsx.batches(file, names, **options) for row in b.to_pylist()]


def test_values_become_text(book):
    values = [
        datetime(2024, 1, 2, 3, 4, 5),
        date(2024, 1, 2),
        time(8, 30),
        3.0,
        3.25,
        10**17,
        True,
        " 里 ",
        "#N/A",
    ]
    file = book(a=[list("abcdefghi"), values])
    assert xlsx.columns(file) == list("abcdefghi")
    assert _rows(file) == [
        [
            "2024-01-02 03:04:05",
            "2024-01-02 00:00:00",
            "08:30:00",
            "3",
            "3.25",
            str(10**17),
            "true",
            " 里 ",
            None,
        ]
    ]


def test_seconds_are_exact(book):
    times = [datetime(2024, 1, 1, h, m, s) for h in (0, 13, 23) for m in (0, 7, 59) for s in range(60)]
    assert _rows(book(a=[["t"], *([t] for t in times)])) == [[f"{t:%Y-%m-%d %H:%M:%S}"] for t in times]


def test_formula_without_value_and_error_are_null(book):
    assert _rows(book(a=[["a", "b", "c"], ["=1+1", "x", "#DIV/0!"]])) == [[None, "x", None]]


def test_empty_rows_are_no_rows(book):
    assert _rows(book(a=[["a", "b"], [None, None], ["1", None], [None, ""], [None, "2"]])) == [
        ["1", None],
        [None, "2"],
    ]


def test_first_visible_sheet_with_rows(book):
    def hide(workbook):
        workbook["notes"].sheet_state = "hidden"

    file = book(hide, notes=[["hidden"]], empty=[], data=[["a"], ["1"]], more=[["b"], ["2"]])
    assert xlsx.columns(file) == ["a"]
    assert _rows(file, sheet="more") == [["2"]]
    with pytest.raises(BadInput, match="no sheet 'nope'; expected one of 'notes', 'empty', 'data', 'more'"):
        xlsx.columns(file, sheet="nope")


def test_title_above_the_header(book):
    file = book(a=[["2024年工单"], [None], [" 编号 ", "内容"], [1, "x"]])
    assert xlsx.columns(file, header_row=3) == ["编号", "内容"]
    assert _rows(file, header_row=3) == [["1", "x"]]


def test_header_of_two_rows_with_merged_cells(book):
    def merge(workbook):
        workbook["a"].merge_cells("A1:A2")
        workbook["a"].merge_cells("B1:C1")

    file = book(merge, a=[["编号", "位置", None], [None, "街道", "门牌"], [1, "x", "y"]])
    assert xlsx.columns(file, header_row=2) == ["编号", "街道", "门牌"]
    with pytest.raises(BadInput, match="row 2: holds a value to the right"):
        _rows(file, header_row=1)


def test_columns_in_asked_order_and_absent_ones_null(book):
    assert _rows(book(a=[["a", "b"], [1, 2]]), ["b", "z", "a"]) == [["2", None, "1"]]


@pytest.mark.parametrize(
    ("header", "message"),
    [(["a", "A "], r"column\(s\) 2"), (["a", None, "b"], r"column\(s\) 2"), ([None], "no visible sheet")],
)
def test_header_with_twice_or_no_name(book, header, message):
    with pytest.raises(BadInput, match=message):
        xlsx.columns(book(a=[header]))


def test_value_beyond_the_header(book):
    with pytest.raises(BadInput, match="row 3: holds a value to the right"):
        _rows(book(a=[["a"], [1], [1, 2]]))


def test_wrong_dimension_in_the_file(book, tmp_path):
    file = book(a=[["a", "b"], [1, 2], [3, 4]])
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"'))
    assert _rows(tmp_path / "b.xlsx") == [["1", "2"], ["3", "4"]]


def test_bomb(tmp_path):
    file = tmp_path / "a.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", b" " * (8 << 20))
    with pytest.raises(BadInput, match="unpacks to 8 MiB"):
        xlsx.columns(file, limit_bytes=4 << 20)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xlsx._OLE + b"\0" * 600, "old format"),
        (xlsx._OLE + b"\0" * (1 << 20) + "EncryptedPackage".encode("utf-16-le"), "password"),
        (b"id,name\n", "cannot be read as a workbook"),
        (b"", "cannot be read as a workbook"),
    ],
    ids=["xls", "encrypted", "csv", "empty"],
)
def test_no_workbook(tmp_path, content, message):
    file = tmp_path / "a.xlsx"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        xlsx.columns(file)


def test_cut_off(book):
    file = book(a=[["a"], *([n] for n in range(1000))])
    whole = file.read_bytes()
    for share in (0.2, 0.5, 0.9, 0.99):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadInput, match="cannot be read as a workbook"):
            _rows(file)


@pytest.mark.parametrize(
    "defect", [b"<worksheet", b"<sheetData><row", b"x"], ids=["cut", "cut-in-row", "no-xml"]
)
def test_broken_sheet(book, tmp_path, defect):
    file = book(a=[["a"], [1]])
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, defect if "sheet1" in name else old.read(name))
    with pytest.raises(BadInput, match=r"cannot be read as a workbook|no visible sheet"):
        xlsx.columns(tmp_path / "b.xlsx")
