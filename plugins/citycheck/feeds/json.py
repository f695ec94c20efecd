"""JSON records: an array, an array inside an object, one object a line, or objects and lists keyed by an id.

A file is read through a window of text, one record at a time: memory is bounded by the largest record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from citycheck.errors import BadInput
from citycheck.feeds import batch

LIMIT_CHARACTERS = 64 << 20
"""The longest single record; a longer one is most likely no record."""
_WINDOW_CHARACTERS = 1 << 18
_LINE_CHARACTERS = 8 << 20
"""How far the end of the first line is looked for."""
_BLANKS = " \t\r\n"
_LINES = (".ndjson", ".jsonl", ".geojsonl", ".geojsonseq")
KEY = "key"
"""The column that holds the id of records keyed by one."""


def columns(file: Path, *, records: str | None = None) -> list[str]:
    """All columns of the file's records, in order of first appearance.

    `records` is the path to them inside an object (`result.items`). Raises `BadInput` for a file that is not JSON or
    has no records there.
    """
    found: dict[str, None] = {}
    for row in rows(file, records):
        found.update(dict.fromkeys(row))
    return list(found)


def batches(file: Path, columns: Sequence[str], *, records: str | None = None) -> Iterator[pa.RecordBatch]:
    """The records as text, in file order."""
    yield from batch.of_rows(([row.get(c) for c in columns] for row in rows(file, records)), columns)


def rows(file: Path, records: str | None = None) -> Iterator[dict[str, str | None]]:
    """Each record, flattened: column → text or null."""
    for number, record in enumerate(values(file, records, as_written=True), 1):
        if not isinstance(record, dict):
            raise BadInput(
                f"{file.name}, record {number}: is a {_kind(record)}; expected an object, key by key. "
                "Correct `records` in the profile, or ask the source for objects."
            )
        row: dict[str, str | None] = {}
        flatten(record, "", row)
        yield row


def values(file: Path, records: str | None = None, *, as_written: bool = False) -> Iterator[Any]:
    """Each record as JSON has it; numbers as texts, to the last digit, with `as_written`."""
    window = Window(file, as_written=as_written)
    try:
        yield from _values(window, file, records)
    except (ValueError, RecursionError) as error:
        what = type(error).__name__ if isinstance(error, RecursionError) else str(error).split(":")[0]
        raise BadInput(
            f"{file.name}, near character {window.position}: is not JSON ({what}); expected a complete file in UTF-8. "
            "Ask the source to send it again, or correct `format` in the profile."
        ) from None
    finally:
        window.close()


def member(file: Path, name: str) -> Any:
    """The value of a key of the file's outermost object; None when there is none."""
    window = Window(file)
    try:
        if window.peek() != "{":
            return None
        for key in window.members():
            value = window.value()
            if key == name:
                return value
        return None
    except (ValueError, RecursionError):
        return None  # reading the records tells what is wrong
    finally:
        window.close()


def flatten(value: dict[str, Any], prefix: str, into: dict[str, str | None]) -> None:
    """Keys of nested objects are joined by dots; a list of plain values becomes one text, parted by bars."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            flatten(inner, f"{prefix}{key}.", into)
        else:
            into[_whole(prefix + key)] = _text(inner)


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        if any(isinstance(inner, dict | list) for inner in value):
            return _whole(json.dumps(_plain(value), ensure_ascii=False))
        return "|".join(text for inner in value if (text := _text(inner)) is not None) or None
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return _whole(text) if text.strip() else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else _text(value)


def _whole(text: str) -> str:
    """Without the halves of characters that JSON can write and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _values(window: Window, file: Path, records: str | None) -> Iterator[Any]:
    for step in records.split(".") if records else ():
        if window.peek() != "{" or not any(key == step or window.skip() for key in window.members()):
            raise BadInput(
                f"{file.name}: has nothing at {records!r}, because {step!r} is missing; expected the records there. "
                "Correct `records` in the profile."
            )
    first = window.peek()
    if first == "[":
        yield from window.items()
    elif first == "{" and not records and (file.suffix.lower() in _LINES or window.is_lines()):
        while window.peek():
            yield window.value()
    elif first == "{":
        for key in window.members():
            yield from _keyed(key, window.value(), file)
    elif first or file.stat().st_size == 0 or records:
        raise BadInput(
            f"{file.name}: holds no records{f' at {records!r}' if records else ''}; expected an array or an object. "
            "Correct `records` in the profile, or ask the source to send it again."
        )
    if not records and window.peek():
        raise ValueError("Extra data")


def _keyed(key: str, value: Any, file: Path) -> Iterator[dict[str, Any]]:
    """The records under one id: an object is one, a list of lists one a list, with numbered columns."""
    if isinstance(value, dict):
        yield {KEY: key} | value
    elif isinstance(value, list) and all(isinstance(inner, list) for inner in value):
        for inner in value:
            yield {KEY: key} | {str(n): v for n, v in enumerate(inner, 1)}
    else:
        # The key is not shown: it may be anybody's id.
        raise BadInput(
            f"{file.name}: is an object whose values are not all records; expected an array, or ids with an object or lists "
            "each. Tell in the profile where the records are (`records: result.items`)."
        )


def _kind(value: Any) -> str:
    return {list: "list", str: "text", bool: "boolean"}.get(type(value), "null")


class Window:
    """A place in a JSON file, and the text from there on as far as it has been read.

    Its methods raise `ValueError` where the text is not JSON.
    """

    def __init__(self, file: Path, *, as_written: bool = False) -> None:
        self._file = file.open(encoding="utf-8-sig")
        self._text = ""
        self._at = 0
        self._dropped = 0
        self._is_whole = False
        number = {"parse_int": str, "parse_float": str} if as_written else {}
        self._decoder = json.JSONDecoder(**number, parse_constant=lambda _: None, strict=False)

    @property
    def position(self) -> int:
        return self._dropped + self._at + 1

    def close(self) -> None:
        self._file.close()

    def _more(self) -> bool:
        """Read as much again as is held, so that a long value is not parsed over and over."""
        if self._is_whole:
            return False
        held = len(self._text) - self._at
        if held > LIMIT_CHARACTERS:
            raise ValueError(f"a value of more than {LIMIT_CHARACTERS >> 20} million characters")
        read = self._file.read(max(_WINDOW_CHARACTERS, held))
        self._is_whole = not read
        self._dropped += self._at
        self._text, self._at = self._text[self._at :] + read, 0
        return bool(read)

    def peek(self) -> str:
        """The next sign that is not blank; "" at the end."""
        while True:
            while self._at < len(self._text):
                if (sign := self._text[self._at]) not in _BLANKS:
                    return sign
                self._at += 1
            if not self._more():
                return ""

    def take(self, sign: str) -> bool:
        if self.peek() != sign:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return value

    def skip(self) -> bool:
        """Leave out a value; False, so that a search goes on."""
        self.value()
        return False

    def members(self) -> Iterator[str]:
        """The keys of the object here; the value of each must be read, or be entered for good."""
        self._expect("{")
        if self.take("}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise ValueError("Expecting property name")
            self._expect(":")
            yield key
            if self.take("}"):
                return
            self._expect(",")

    def items(self) -> Iterator[Any]:
        self._expect("[")
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.take("]"):
                return
            self._expect(",")

    def is_lines(self) -> bool:
        """Whether the object here is one of several, each on lines of its own. Does not move."""
        self.peek()
        while (end := self._text.find("\n", self._at)) < 0 and len(self._text) < _LINE_CHARACTERS:
            if not self._more():
                return False
        try:
            _, after = self._decoder.raw_decode(self._text[self._at : max(end, self._at)])
        except ValueError:
            return False
        after += self._at
        while not (rest := self._text[after:].lstrip(_BLANKS)):
            after -= self._at  # reading on drops what lies before
            if not self._more():
                return False
        return rest.startswith("{")

    def _expect(self, sign: str) -> None:
        if not self.take(sign):
            raise ValueError(f"Expecting {sign!r}")
