"""Excel workbooks (.xlsx, .xlsm): one sheet, a header row, and below it every row that holds a value."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from citycheck.errors import BadInput
from citycheck.feeds import batch

LIMIT_BYTES = 2 << 30
_STRINGS_LIMIT_BYTES = 256 << 20
"""The shared texts of a workbook are held in memory."""
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ERRORS = frozenset(("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"))
_BLANKS = " \t\r\n\u3000\u00a0\ufeff"


def columns(
    file: Path, *, sheet: str | None = None, header_row: int = 1, limit_bytes: int = LIMIT_BYTES
) -> list[str]:
    """The names in the header row of a sheet; without `sheet`, of the first visible one that holds a value.

    Raises `BadInput` for a file that is no readable workbook, a sheet that is not there, and a header with a name
    twice or blank.
    """
    with _rows(file, sheet, header_row, limit_bytes) as (header, _):
        return header


def batches(
    file: Path,
    columns: Sequence[str],
    *,
    sheet: str | None = None,
    header_row: int = 1,
    limit_bytes: int = LIMIT_BYTES,
) -> Iterator[pa.RecordBatch]:
    """The rows below the header, as text: dates and times ISO, whole numbers without fraction, errors null."""
    with _rows(file, sheet, header_row, limit_bytes) as (header, rows):
        places = [header.index(name) if name in header else None for name in columns]
        picked = ([None if p is None or p >= len(row) else row[p] for p in places] for row in rows)
        yield from batch.of_rows(picked, columns)


@contextmanager
def _rows(
    file: Path, sheet: str | None, header_row: int, limit_bytes: int
) -> Iterator[tuple[list[str], Iterator[list[str | None]]]]:
    """The header, and the rows below it as they are read."""
    _check_container(file, limit_bytes)
    from openpyxl import load_workbook

    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets through whatever its parsers raise
        raise _broken(file, error) from None
    try:
        chosen = _sheet(book, sheet, file)
        cells = _texts(chosen, file)
        head: list[str | None] = []
        for _ in range(header_row):
            head = next(cells, [])
        names = [(name or "").strip(_BLANKS) for name in head]
        if header_row > 1 and not all(names):
            names = _with_merged(chosen, names, header_row, file)
        while names and not names[-1]:
            names.pop()
        where = f"{file.name}, row {header_row}"
        if not names:
            raise BadInput(f"{where}: is empty; expected the header. Correct `sheet` or `header_row`.")
        batch.check_header(names, where)
        yield names, _below(cells, len(names), header_row, file)
    finally:
        book.close()


def _below(
    cells: Iterator[list[str | None]], width: int, header_row: int, file: Path
) -> Iterator[list[str | None]]:
    for number, row in enumerate(cells, header_row + 1):
        if not any(value is not None for value in row):
            continue
        if any(value is not None for value in row[width:]):
            raise BadInput(
                f"{file.name}, row {number}: holds a value to the right of the last column of the header; "
                f"expected {width} columns. Correct `header_row`, or ask the source to name the column."
            )
        yield row


def _sheet(book: Any, name: str | None, file: Path) -> Any:
    if name is not None:
        if found := [s for s in book.worksheets if s.title == name]:
            return found[0]
        names = ", ".join(repr(s.title) for s in book.worksheets)
        raise BadInput(
            f"{file.name}: has no sheet {name!r}; expected one of {names}. Correct `sheet` in the profile."
        )
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible" and any(
            any(v is not None for v in row) for row in _texts(sheet, file)
        ):
            return sheet
    raise BadInput(
        f"{file.name}: no visible sheet holds a value; expected a header and rows. Name the `sheet` in the profile, "
        "or ask the source to send it again."
    )


def _texts(sheet: Any, file: Path) -> Iterator[list[str | None]]:
    sheet.reset_dimensions()  # many programs write a wrong one
    try:
        for row in sheet.iter_rows(values_only=True):
            yield [_text(value) for value in row]
    except Exception as error:
        raise _broken(file, error) from None


def _text(value: Any) -> str | None:
    if value is None or value == "" or (isinstance(value, str) and value in _ERRORS):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        # The workbook counts days: a second is not exact in it.
        return (value + timedelta(milliseconds=500)).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return f"{value:%Y-%m-%d} 00:00:00"
    if isinstance(value, time):
        return f"{value:%H:%M:%S}"
    return str(value)


def _with_merged(sheet: Any, names: list[str], header_row: int, file: Path) -> list[str]:
    """Names for the cells of the header row that are the lower part of a merged cell whose text stands above."""
    from openpyxl.utils import range_boundaries

    above: dict[tuple[int, int], str] = {}
    for number, row in zip(range(1, header_row), _texts(sheet, file), strict=False):
        above |= {(number, i): text.strip(_BLANKS) for i, text in enumerate(row, 1) if text}
    width = max([len(names), *(column for _, column in above)])
    named = names + [""] * (width - len(names))
    for reference in _merged(file, sheet._worksheet_path):
        left, top, _, bottom = range_boundaries(reference)
        if left is None or top is None or bottom is None or not top < header_row <= bottom or left > width:
            continue
        named[left - 1] = named[left - 1] or above.get((top, left), "")
    return named


def _merged(file: Path, part: str) -> Iterator[str]:
    """The merged ranges of a sheet, which stand at the end of its XML, where the streaming reader does not look."""
    tail = b""
    with zipfile.ZipFile(file) as container, container.open(part.lstrip("/")) as xml:
        while chunk := xml.read(1 << 20):
            text = tail + chunk
            end = 0
            for match in re.finditer(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z0-9:$]+)"', text):
                end = match.end()
                yield match[1].decode()
            tail = text[max(end, len(text) - 256) :]


def _check_container(file: Path, limit_bytes: int) -> None:
    """Raise `BadInput` for what is no workbook of the present format, and for one that would not fit into memory."""
    with file.open("rb") as start:
        head = start.read(1 << 16)
    if head.startswith(_OLE):
        with file.open("rb") as whole:
            is_encrypted = any(
                "EncryptedPackage".encode("utf-16-le") in chunk for chunk in _overlapping(whole)
            )
        if is_encrypted:
            raise BadInput(
                f"{file.name}: is protected by a password; expected an open workbook. Ask the source to send it without."
            )
        raise BadInput(
            f"{file.name}: is a workbook in the old format (.xls); expected .xlsx. Save it as .xlsx, or ask the source to."
        )
    try:
        with zipfile.ZipFile(file) as container:
            parts = container.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise _broken(file, error) from None
    size = sum(part.file_size for part in parts)
    strings = sum(part.file_size for part in parts if part.filename.endswith("sharedStrings.xml"))
    if size > limit_bytes or strings > _STRINGS_LIMIT_BYTES:
        raise BadInput(
            f"{file.name}: unpacks to {size >> 20} MiB ({strings >> 20} MiB of shared texts); expected at most "
            f"{limit_bytes >> 20} MiB ({_STRINGS_LIMIT_BYTES >> 20} MiB). Ask the source for CSV, or for smaller workbooks."
        )


def _overlapping(file: Any) -> Iterator[bytes]:
    tail = b""
    while chunk := file.read(1 << 20):
        yield tail + chunk
        tail = chunk[-64:]


def _broken(file: Path, error: Exception) -> BadInput:
    return BadInput(
        f"{file.name}: cannot be read as a workbook ({type(error).__name__}); expected a complete .xlsx file. "
        "Ask the source to send it again, or correct `format` in the profile."
    )
