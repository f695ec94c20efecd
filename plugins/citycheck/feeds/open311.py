"""Open311 GeoReport v2: the service list and the service requests of a city, in JSON or XML.

The specification gives at most 90 days or 1000 requests a query and says nothing of paging, so servers differ. What
holds for all of them: time is cut into windows, oldest first; a window whose answer looks cut off is halved; a window
that is paged is read again until a reading brings no report that was not seen. Reports that come twice are accepted:
the same version twice is one version later on.

Without `updated_after`, every window is asked for again each time: `start_date` and `end_date` are about when a report
was made, and an old report that is closed today would never be seen otherwise.
"""

from __future__ import annotations

import json as stdlib_json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree.ElementTree import Element, ParseError

from pydantic import Field, field_validator

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import batch, http, json
from citycheck.feeds.ask import Ask
from citycheck.strict import Strict

if TYPE_CHECKING:
    import pyarrow as pa

_SECOND = timedelta(seconds=1)
_READINGS_MAX = 5
_PAGES_MAX = 10_000
_PAGE_BYTES_MAX = 256 << 20
_RECORD_BYTES_MAX = 16 << 20
_DEPTH_MAX = 50
_ID = "service_request_id"
_LISTS = ("service_requests", "requests", "request", "services", "service")
_TYPES = {
    # Plain text is what servers of both formats say when nobody told them.
    "json": ("application/json", "text/json", "text/javascript", "application/javascript", "text/plain"),
    "xml": ("application/xml", "text/xml", "text/plain"),
}


class Open311(Strict):
    """A GeoReport v2 endpoint: what a profile says under `open311` of a source."""

    address: str
    """Where `services.json` lies, without it: https://example.org/open311/v2."""
    jurisdiction_id: str | None = None
    """Only where an endpoint serves several cities."""
    format: Literal["json", "xml"] = "json"
    service_codes: tuple[str, ...] = ()
    """Only these services; all when empty."""
    window_days: int = Field(90, ge=1, le=90)
    result_limit: int = Field(1000, ge=1)
    """The most requests that one query answers with; a window that has as many is halved."""
    paging: bool = False
    """Whether the server knows pages."""
    page_size: int = Field(100, ge=1)
    page_parameter: str = "page"
    page_size_parameter: str = "page_size"
    first_page: int = Field(1, ge=0, le=1)
    empty_is_404: bool = False
    """Whether the server answers 404 when a window has no requests."""
    updated_after: bool = False
    """Whether the server knows `updated_after` and `updated_before`."""
    extensions: bool = False
    """Whether to ask for the fields beyond the specification."""
    connection: str | None = None
    """The Airflow connection whose password is the API key."""

    @property
    def sends_changes(self) -> bool:
        """Whether it can be asked for what changed alone; without, the status of old reports is only seen by asking for all."""
        return self.updated_after

    @field_validator("address")
    @classmethod
    def without_end(cls, value: str) -> str:
        if "?" in value or "#" in value:
            raise ValueError("the address ends before services.json and requests.json and has no ? or #")
        return value.rstrip("/")


# Fetching ------------------------------------------------------------------------------------------------------------


def fetch(config: Open311, ask: Ask, out: Path, client: http.Client | None = None) -> datetime | None:
    """Write `services.<ext>` and the pages `requests-<first day of the window>-<number>.<ext>` into `out`.

    Returns the newest `updated_datetime` (or `requested_datetime`) seen, but not later than `ask.end`: what changes
    while the pages are read is then asked for again. Raises `BadInput` for an answer that is not GeoReport and
    `SourceUnavailable` when the reports change so fast that no reading is complete.
    """
    if config.connection and ask.connection is None:
        raise BadInput(
            f"{http.shown(config.address)}: the connection {config.connection!r} was not given; expected it, with the API "
            "key as its password. Add it in Airflow."
        )
    with client or http.Client(ask.hosts, limit_bytes=_PAGE_BYTES_MAX) as used:
        reader = _Reader(config, ask, out, used)
        reader.services()
        for start, end in windows(ask.start, ask.end, config.window_days):
            reader.window(start, end)
    return min(reader.newest, ask.end) if reader.newest else None


def windows(start: datetime, end: datetime, days: int) -> list[tuple[datetime, datetime]]:
    """Cut `start` to `end` into adjacent windows of whole seconds, none longer than `days`, oldest first."""
    start, end = start.astimezone(UTC).replace(microsecond=0), _up(end.astimezone(UTC))
    found = []
    while start < end:
        found.append((start, min(start + timedelta(days=days), end)))
        start = found[-1][1]
    return found


@dataclass
class _Page:
    """What a page told without being kept in memory: ids and versions as hashes, times as they count."""

    file: Path
    ids: set[int] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    rows: int = 0
    inside: int = 0
    newest: datetime | None = None


class _Reader:
    """Reads windows into a folder; `newest` is the latest change seen."""

    def __init__(self, config: Open311, ask: Ask, out: Path, client: http.Client) -> None:
        self.newest: datetime | None = None
        self._config, self._out, self._client = config, out, client
        self._number = count(1)
        self._filter = {
            "jurisdiction_id": config.jurisdiction_id or "",
            "service_code": ",".join(config.service_codes),
            "extensions": "true" if config.extensions else "",
            "api_key": ask.connection.password if config.connection and ask.connection else "",
        }
        # The windows stay: CitySDK leaves open what the default of 90 days is about when only a change is asked for.
        self._changed_only = config.updated_after and ask.changed_since is not None
        if self._changed_only and ask.changed_since is not None:
            self._filter |= {"updated_after": _w3c(ask.changed_since), "updated_before": _w3c(_up(ask.end))}

    def services(self) -> None:
        kept = {"jurisdiction_id": self._filter["jurisdiction_id"], "api_key": self._filter["api_key"]}
        target = self._out / f"services.{self._config.format}"
        self._download("services", kept, target)
        # A page that is none is told now, not when somebody reads it.
        for _ in _rows(target, f"{http.shown(self._config.address)}/{target.name}"):
            pass

    def window(self, start: datetime, end: datetime) -> None:
        """Read one window, in parts if it has to be."""
        if not self._config.paging:
            page = self._page(start, end)
            if page is None:
                return
            if self._looks_cut(page.rows, self._config.result_limit) and self._halve(page, start, end):
                return
            self._see(page)
            return
        ids: set[int] = set()
        versions: set[int] = set()
        kept = 0
        for _ in range(_READINGS_MAX):
            known = len(ids)
            for page in self._reading(start, end):
                if page is None:  # the server knows no pages, and there may be more
                    return
                if kept and page.versions <= versions:
                    page.file.unlink()
                else:
                    self._see(page)
                    kept += 1
                ids |= page.ids
                versions |= page.versions
            if len(ids) == known:
                return
        raise SourceUnavailable(
            f"{self._address}: after {_READINGS_MAX} readings of {start:%Y-%m-%d} to {end:%Y-%m-%d} there were still "
            "requests that no earlier one had. Run the task again later, or choose fewer window_days."
        )

    def _reading(self, start: datetime, end: datetime) -> Iterator[_Page | None]:
        """The pages of one reading until one brings nothing new; a None if the window was read in halves instead."""
        seen: set[int] = set()
        first = self._config.first_page
        for number in range(first, first + _PAGES_MAX):
            page = self._page(start, end, number)
            if page is None:
                return
            # Many servers know no page after the last one and repeat it; some know no pages at all.
            if number > first and page.ids <= seen:
                knows_no_pages = number == first + 1 and page.ids == seen
                is_cut = knows_no_pages and self._looks_cut(page.rows, self._config.page_size)
                if is_cut and self._halve(page, start, end):
                    yield None
                else:
                    page.file.unlink()
                return
            seen |= page.ids
            yield page
        raise BadInput(
            f"{self._address}: {start:%Y-%m-%d} to {end:%Y-%m-%d} has more than {_PAGES_MAX} pages; expected an end. "
            "Choose a larger page_size or fewer window_days."
        )

    def _halve(self, page: _Page, start: datetime, end: datetime) -> bool:
        """Read both halves instead; False if the window is too short for that and the page seems whole."""
        middle = (start + (end - start) / 2).replace(microsecond=0)
        if middle > start:
            page.file.unlink()
            self.window(start, middle)
            self.window(middle, end)
            return True
        if page.rows >= self._config.result_limit:
            raise BadInput(
                f"{self._address}: {page.rows} requests within {(end - start).seconds} s of {_w3c(start)}, as many as "
                "one query answers with: there may be more. Raise result_limit if the server gives more, or let it page."
            )
        return False

    def _looks_cut(self, rows: int, limit: int) -> bool:
        """A limit is a round number. One that nobody declared is worth two more queries."""
        return rows >= min(limit, self._config.result_limit) or (rows > 0 and rows % 10 == 0)

    def _see(self, page: _Page) -> None:
        if page.newest and (self.newest is None or page.newest > self.newest):
            self.newest = page.newest

    def _page(self, start: datetime, end: datetime, number: int | None = None) -> _Page | None:
        """One page, downloaded and checked; None where the server answers 404 for nothing."""
        config = self._config
        params = self._filter | {"start_date": _w3c(start), "end_date": _w3c(end)}
        if number is not None:
            params |= {config.page_parameter: str(number), config.page_size_parameter: str(config.page_size)}
        file = self._out / f"requests-{start:%Y-%m-%d}-{next(self._number):06d}.{config.format}"
        try:
            self._download("requests", params, file)
        except http.NotFound:
            if config.empty_is_404 or (number or 0) > config.first_page:
                return None
            raise BadInput(
                f"{self._address}: answered 404 for {start:%Y-%m-%d} to {end:%Y-%m-%d}; expected requests. Correct address "
                "or jurisdiction_id, or set empty_is_404 if that is how this server says that there are none."
            ) from None
        page = _looked_at(file, self._address, start, end)
        if page.rows and not page.inside and not self._changed_only:
            raise BadInput(
                f"{self._address}: none of the {page.rows} requests for {start:%Y-%m-%d} to {end:%Y-%m-%d} was made then: "
                "the server does not heed start_date and end_date. Take its files instead (connector `files`)."
            )
        return page

    @property
    def _address(self) -> str:
        return f"{http.shown(self._config.address)}/requests.{self._config.format}"

    def _download(self, what: str, params: dict[str, str], target: Path) -> None:
        given = {name: value for name, value in params.items() if value}
        address = f"{self._config.address}/{what}.{self._config.format}"
        self._client.download(address, target, params=given, accept=_TYPES[self._config.format])


def _looked_at(file: Path, shown: str, start: datetime, end: datetime) -> _Page:
    page = _Page(file)
    day = timedelta(days=1)  # a server may take the dates on its own clocks
    for row in _rows(file, shown):
        page.rows += 1
        version = stdlib_json.dumps(row, sort_keys=True)
        page.versions.add(_hash(version))
        page.ids.add(_hash(row.get(_ID) or row.get("token") or version))
        requested = _moment(row.get("requested_datetime"))
        page.inside += requested is None or start - day <= requested <= end + day
        changed = _moment(row.get("updated_datetime")) or requested
        if changed and (page.newest is None or changed > page.newest):
            page.newest = changed
    return page


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _up(time: datetime) -> datetime:
    """The next whole second, or the same."""
    return time if not time.microsecond else time.replace(microsecond=0) + _SECOND


def _w3c(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str | None) -> datetime | None:
    """A W3C time, with or without fraction, as an aware moment; one without an offset, or of another form, is None."""
    try:
        found = datetime.fromisoformat((text or "").strip())
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


# Reading back --------------------------------------------------------------------------------------------------------


def columns(file: Path) -> list[str]:
    """All columns of a page, in order of first appearance; none for a page without requests."""
    found: dict[str, None] = {}
    for row in _rows(file, file.name):
        found |= dict.fromkeys(row)
    return list(found)


def batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The requests of a page, in order; every column as text, null where a request lacks it."""
    rows = _rows(file, file.name)
    yield from batch.of_rows(([row.get(name) for name in columns] for row in rows), columns)


def _rows(file: Path, shown: str) -> Iterator[dict[str, str | None]]:
    """The requests (or services) of a page, one at a time, flat.

    Raises `BadInput` for a page that is not GeoReport: another format, an error message, cut off, or nested too deep.
    """
    read = _xml_records if file.suffix == ".xml" else _json_records
    wrong = BadInput(
        f"{shown}: the page is not GeoReport {file.suffix[1:].upper()}, or is cut off; expected a complete list of "
        "requests. Look at the address in a browser, and correct address or format in the profile."
    )
    try:
        for record in read(file):
            if not isinstance(record, dict):
                raise wrong
            if not {_ID, "token", "service_code"} & record.keys():
                raise _Refused(record)
            found: dict[str, str | None] = {}
            json.flatten(record, "", found)
            yield found
    except _Refused as refused:
        raise _told(refused.record, shown) or wrong from None
    except (ValueError, LookupError, ParseError, RecursionError):
        # ValueError: JSON, text that is not UTF-8, and what defusedxml forbids; LookupError: an unknown encoding.
        raise wrong from None


class _Refused(Exception):
    """A page that holds errors instead of requests; `record` is the first of them."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record


def _told(record: dict[str, Any], shown: str) -> BadInput | None:
    """An error as the specification has it. Its description is not shown: it may repeat the API key."""
    if not {"code", "description", "error", "errors"} & record.keys():
        return None
    code = str(record.get("code") or "")
    number = f" {code}" if re.fullmatch(r"[0-9]{1,5}", code) else ""
    return BadInput(
        f"{shown}: the server answered with error{number} instead of requests; expected a list of them. "
        "Check address, jurisdiction_id and API key."
    )


# JSON, a record at a time --------------------------------------------------------------------------------------------


def _json_records(file: Path) -> Iterator[Any]:
    """The elements of the list: bare, or the member of an object, such as {"requests": [{"request": [ … ]}]}."""
    window = json.Window(file, as_written=True)
    try:
        is_bare = True
        while window.peek() == "{":
            is_bare = False
            _to_the_list(window)
        for record in window.items():
            if isinstance(record, dict) and record.keys() == {"request"}:
                record = record["request"]
            yield from record if isinstance(record, list) else [record]
        if is_bare and window.peek():
            raise ValueError("something follows")
    finally:
        window.close()


def _to_the_list(window: json.Window) -> None:
    """Stand before the value of the member that holds the list; raises `_Refused` if there are errors instead."""
    about: dict[str, Any] = {}
    for name in window.members():
        if name in _LISTS and window.peek() in ("[", "{"):
            return
        about[name] = window.value()
    told = about.get("errors", about.get("error", about))
    first = told[0] if isinstance(told, list) and told else told
    raise _Refused(first if isinstance(first, dict) and first else about)


# XML, a record at a time ---------------------------------------------------------------------------------------------


def _xml_records(file: Path) -> Iterator[Any]:
    """The children of the root as objects. A document type, and with it every entity, is refused."""
    from defusedxml.ElementTree import iterparse

    with file.open("rb") as stream:
        events: Any = iterparse(stream, events=("start", "end"), forbid_dtd=True)
        root: Element | None = None
        depth = begun = 0
        for event, element in events:
            if event == "start":
                root = element if root is None else root
                depth += 1
                if depth == 1 and _name(element) not in (*_LISTS, "errors"):
                    raise ValueError("another root")
                if depth > _DEPTH_MAX or stream.tell() - begun > _RECORD_BYTES_MAX:
                    raise ValueError("too deep, or too long")
                continue
            depth -= 1
            if depth == 1 and root is not None:
                value = _value(element)
                if _name(root) == "errors":
                    raise _Refused(value if isinstance(value, dict) else {"error": value})
                yield value
                root.clear()
                begun = stream.tell()


def _value(element: Element) -> Any:
    """What the same element would be in JSON: children of one name are a list if there are several, or if the parent is
    their plural (`notes` of `note`)."""
    children = list(element)
    if not children:
        return element.text
    names = [_name(child) for child in children]
    plural = _name(element) in (f"{names[0]}s", f"{names[0]}es") or element.get("type") == "array"
    if len(set(names)) == 1 and (len(names) > 1 or plural):
        return [_value(child) for child in children]
    found: dict[str, Any] = {}
    for name, child in zip(names, children, strict=True):
        value = _value(child)
        if names.count(name) > 1:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
