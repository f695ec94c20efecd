"""The Open311 connector, over HTTP, against a server that follows the specification or misbehaves in one known way."""

from __future__ import annotations

import importlib.util
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http, open311
from citycheck.feeds.ask import Ask
from citycheck.feeds.open311 import Open311

_spec = importlib.util.spec_from_file_location(
    "georeport_server", Path(__file__).with_name("georeport_server.py")
)
georeport = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(georeport)

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def some(count: int, first: datetime = START + timedelta(hours=1), last: datetime = END - DAY) -> list[dict]:
    step = (last - first) / max(1, count - 1)
    return [georeport.report(n, first + n * step) for n in range(count)]


@pytest.fixture
def server():
    with georeport.serving(some(137)) as made:
        yield made


def fetch(server, out, ask=None, **config):
    out.mkdir(exist_ok=True)
    client = http.Client(["127.0.0.1"], retries=2, backoff_s=0, timeout_s=5, limit_bytes=8 << 20)
    asked = ask or Ask(START, END, hosts=("127.0.0.1",))
    return open311.fetch(Open311(address=server.address, **config), asked, out, client)


def pages(out):
    return sorted(path for path in out.iterdir() if path.name.startswith("requests-"))


def rows(out) -> list[dict]:
    found = []
    for path in pages(out):
        names = open311.columns(path)
        for batch in open311.batches(path, names):
            found += batch.to_pylist()
    return found


def versions(out) -> set[tuple[str, str]]:
    return {georeport.version(row) for row in rows(out)}


PAGED = {"paging": True, "page_size": 20}


# What the specification promises -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("paging", [{}, PAGED], ids=["whole", "paged"])
def test_everything_is_read(server, tmp_path, form, paging):
    watermark = fetch(server, tmp_path, format=form, **paging)
    assert versions(tmp_path) == server.truth
    assert watermark == max(
        datetime.fromisoformat(row["updated_datetime"]) for row in server.reports.values()
    )
    assert (tmp_path / f"services.{form}").read_bytes() == georeport.body(
        georeport.SERVICES, "services", form
    )


def test_what_was_sent_lands_byte_for_byte(server, tmp_path):
    fetch(server, tmp_path, window_days=30)
    assert server.last in {path.read_bytes() for path in pages(tmp_path)}


def test_names_say_the_window_and_their_order_is_that_of_receipt(server, tmp_path):
    fetch(server, tmp_path, window_days=90)
    assert [path.name for path in pages(tmp_path)] == [
        "requests-2026-01-01-000001.json", "requests-2026-04-01-000002.json", "requests-2026-06-30-000003.json",
    ]  # fmt: skip


def test_the_same_answers_give_the_same_files(server, tmp_path):
    for name in "ab":
        fetch(server, tmp_path / name, **PAGED)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in "ab")
    assert first == second


def test_what_is_configured_is_asked(server, tmp_path):
    fetch(server, tmp_path, jurisdiction_id="city.example", service_codes=["S1", "S2"], extensions=True)
    asked = server.queries[0]
    assert (asked["jurisdiction_id"], asked["service_code"]) == ("city.example", "S1,S2")
    assert asked["extensions"] == "true"
    assert "api_key" not in asked and "page" not in asked


def test_json_and_xml_give_the_same_rows(tmp_path):
    odd = {
        "extended_attributes": {"channel": "phone", "dispatched_at": "2026-02-01T08:00:00.250+08:00", "rating": 4},
        "notes": [{"datetime": "2026-02-01T09:00:00Z", "summary": "派单 “sent”"}],
        "photos": ["a.jpg", "b.jpg"],
        "lat": {}, "long": None, "status_notes": "", "is_open": True, "service_request_id": 638344,
        "address": {"street": "新桥街", "number": 6},
    }  # fmt: skip
    with georeport.serving([*some(5), georeport.report(9, START + DAY, **odd)]) as server:
        for form in ("json", "xml"):
            fetch(server, tmp_path / form, format=form)
    from_json, from_xml = rows(tmp_path / "json"), rows(tmp_path / "xml")
    assert from_json == from_xml
    row = next(row for row in from_json if row["service_request_id"] == "638344")
    assert row["extended_attributes.channel"] == "phone"
    assert row["extended_attributes.dispatched_at"] == "2026-02-01T08:00:00.250+08:00"
    assert row["extended_attributes.rating"] == "4"
    assert row["address.street"] == "新桥街"
    assert row["photos"] == "a.jpg|b.jpg"
    assert json.loads(row["notes"]) == odd["notes"]
    assert (row["lat"], row["long"], row["status_notes"], row["is_open"]) == (None, None, None, "true")


@pytest.mark.parametrize(
    "wrap",
    [lambda r: {"requests": r}, lambda r: {"count": 3, "requests": [{"request": r}]}, lambda r: [{"request": x} for x in r]],
    ids=["in requests", "twice wrapped", "each wrapped"],
)  # fmt: skip
def test_lists_that_servers_wrap_are_found(server, tmp_path, wrap):
    server.wrap = wrap
    fetch(server, tmp_path)
    assert versions(tmp_path) == server.truth


def test_columns_that_are_asked_for_come_in_their_order_and_missing_ones_are_null(server, tmp_path):
    fetch(server, tmp_path)
    (batch, *_) = open311.batches(pages(tmp_path)[0], ["status", "closed_at", "service_request_id"])
    assert batch.schema.names == ["status", "closed_at", "service_request_id"]
    assert batch.to_pylist()[0] == {"status": "open", "closed_at": None, "service_request_id": "R000000"}


def test_half_a_character_in_json_is_readable_text(tmp_path):
    page = tmp_path / "requests-a.json"
    page.write_text('\ufeff[{"service_request_id": 1, "description": "\\ud83d and 灯"}]')
    assert [b.to_pylist() for b in open311.batches(page, ["description"])] == [
        [{"description": "\ufffd and 灯"}]
    ]


# What changed --------------------------------------------------------------------------------------------------------


def test_with_updated_after_only_changes_come_whenever_the_report_was_made(server, tmp_path):
    server.change(3, END - 2 * DAY)
    since = END - 5 * DAY
    ask = Ask(START, END, changed_since=since, hosts=("127.0.0.1",))
    fetch(server, tmp_path, ask, updated_after=True)
    assert ("R000003", "2026-06-29T00:00:00Z") in versions(tmp_path)
    expected = {v for v in server.truth if datetime.fromisoformat(v[1]) >= since}
    assert versions(tmp_path) == expected != server.truth


def test_without_updated_after_an_old_report_that_changed_is_seen(server, tmp_path):
    server.change(3, END - 2 * DAY)
    fetch(server, tmp_path, Ask(START, END, changed_since=END - 5 * DAY, hosts=("127.0.0.1",)))
    assert versions(tmp_path) == server.truth


def test_a_change_in_the_future_does_not_hide_later_ones(server, tmp_path):
    server.change(3, END + 400 * DAY)
    assert fetch(server, tmp_path) == END


def test_no_time_is_no_watermark(tmp_path):
    with georeport.serving([]) as server:
        assert fetch(server, tmp_path) is None
    assert rows(tmp_path) == []


# Servers that cut off ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [7, 20, 50])
def test_a_limit_that_the_profile_declares_halves_the_window(server, tmp_path, limit):
    server.knows_pages, server.limit = False, limit
    fetch(server, tmp_path, result_limit=limit)
    assert versions(tmp_path) == server.truth
    assert len(rows(tmp_path)) < 2 * len(server.truth)


def test_a_round_limit_that_nobody_declared_is_noticed(server, tmp_path):
    server.knows_pages, server.limit = False, 50
    fetch(server, tmp_path)
    assert versions(tmp_path) == server.truth


def test_a_server_that_ignores_the_page_is_read_by_halving(server, tmp_path):
    server.knows_pages, server.limit = False, 50
    fetch(server, tmp_path, **PAGED)
    assert versions(tmp_path) == server.truth


def test_more_at_one_moment_than_a_query_gives_is_said(tmp_path):
    at = START + DAY
    with georeport.serving([georeport.report(n, at) for n in range(30)]) as server:
        server.knows_pages, server.limit = False, 20
        with pytest.raises(
            BadInput, match=r"20 requests within 1 s of 2026-01-01T23:59:59Z.*Raise result_limit"
        ):
            fetch(server, tmp_path, result_limit=20)


def test_a_server_that_does_not_heed_the_dates_is_refused(server, tmp_path):
    server.heeds_dates = False
    server.order, server.newest_first, server.limit = "requested_datetime", True, 9
    with pytest.raises(BadInput, match="does not heed start_date and end_date"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("end", ["empty", "404", "repeat"])
@pytest.mark.parametrize("count", [1, 20, 40, 41, 60])
def test_pages_end_however_the_server_says_so(tmp_path, end, count):
    with georeport.serving(some(count, last=START + 30 * DAY)) as server:
        server.after_the_end = end
        fetch(server, tmp_path, **PAGED)
        assert versions(tmp_path) == server.truth
        assert len(server.queries) < 60


def test_pages_may_be_counted_from_zero(server, tmp_path):
    server.first_page = 0
    fetch(server, tmp_path, first_page=0, **PAGED)
    assert versions(tmp_path) == server.truth


def test_a_server_that_gives_smaller_pages_than_asked_is_read_whole(server, tmp_path):
    server.limit = 7
    fetch(server, tmp_path, **PAGED)
    assert versions(tmp_path) == server.truth


def test_404_for_an_empty_window_has_to_be_declared(tmp_path):
    with georeport.serving(some(5, last=START + DAY)) as server:
        server.empty_is_404 = True
        with pytest.raises(BadInput, match=r"answered 404 for 2026-04-01 to 2026-06-30.*set empty_is_404"):
            fetch(server, tmp_path / "a")
        fetch(server, tmp_path / "b", empty_is_404=True)
        assert versions(tmp_path / "b") == server.truth


# Misbehaviour --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paging", [{}, PAGED], ids=["whole", "paged"])
@pytest.mark.parametrize("fault", ["429", "500", "503", "cut"])
def test_a_fault_that_passes_changes_nothing(server, tmp_path, fault, paging):
    server.faults = {0: fault, 2: fault}
    fetch(server, tmp_path, **paging)
    assert server.faults == {}
    assert versions(tmp_path) == server.truth


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        ("429", SourceUnavailable, "still answers 429 after all retries"),
        ("500", SourceUnavailable, "still answers 500 after all retries"),
        ("cut", SourceUnavailable, "did not answer completely"),
        ("cut without length", BadInput, "is not GeoReport JSON, or is cut off"),
        ("html", BadInput, "is not GeoReport JSON"),
        ("html type", BadInput, "answered 'text/html'; expected application/json"),
        ("errors", BadInput, "answered with error 403 instead of requests"),
        ("redirect", BadInput, "host 'localhost' is not allowed"),
        ("endless", BadInput, "is larger than 8 MiB"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(server, tmp_path, fault, error, match):
    server.always, server.elsewhere = fault, f"http://localhost:{server.server_port}/v2/requests.json"
    with pytest.raises(error, match=match) as raised:
        fetch(server, tmp_path)
    told = str(raised.value)
    assert "s3cret" not in told and "start_date=" not in told and "\n" not in told


@pytest.mark.parametrize("fault", ["html", "errors", "cut without length"])
def test_a_wrong_page_in_xml_is_one_sentence(server, tmp_path, fault):
    server.always = fault
    with pytest.raises(BadInput, match=r"is not GeoReport XML|answered with error 403"):
        fetch(server, tmp_path, format="xml")


@pytest.mark.parametrize("page", range(1, 9))
def test_a_page_that_is_sent_twice_loses_nothing(server, tmp_path, page):
    server.faults = {page: "repeated"}
    fetch(server, tmp_path, **PAGED)
    assert versions(tmp_path) == server.truth


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("page", range(6))
def test_a_report_inserted_between_pages_shifts_them_and_nothing_is_lost(
    server, tmp_path, page, newest_first
):
    server.newest_first = newest_first
    server.changes = {page: lambda s: s.write(georeport.report(999, START + timedelta(minutes=1)))}
    fetch(server, tmp_path, **PAGED)
    assert versions(tmp_path) == server.truth


@pytest.mark.parametrize("order", ["requested_datetime", "updated_datetime"])
@pytest.mark.parametrize("page", range(1, 6))
@pytest.mark.parametrize("changed", [1, 30, 66])
def test_a_report_changed_between_pages_is_not_lost(server, tmp_path, order, page, changed):
    server.order, server.newest_first = order, order == "updated_datetime"
    server.changes = {page: lambda s: s.change(changed, END)}
    watermark = fetch(server, tmp_path, **PAGED)
    read = versions(tmp_path)
    assert {id for id, _ in read} == {id for id, _ in server.truth}
    # Its new version was read, or is newer than what will be asked for next time.
    missed = server.truth - read
    assert all(datetime.fromisoformat(at) >= watermark for _, at in missed)
    assert read <= server.history


@pytest.mark.parametrize("deleted", [0, 19, 25])
@pytest.mark.parametrize("page", range(1, 4))
def test_a_report_deleted_between_pages_takes_no_other_with_it(server, tmp_path, page, deleted):
    server.changes = {page: lambda s: s.reports.pop(f"R{deleted:06d}")}
    fetch(server, tmp_path, **PAGED)
    assert server.truth <= versions(tmp_path) <= server.history


def test_reports_that_never_come_to_rest_are_left_for_later(server, tmp_path):
    for query in range(500):
        server.changes[query] = lambda s, n=query: s.write(
            georeport.report(1000 + n, START + timedelta(seconds=n))
        )
    with pytest.raises(SourceUnavailable, match="after 5 readings of 2026-01-01 to 2026-04-01"):
        fetch(server, tmp_path, **PAGED)


# Secrets -------------------------------------------------------------------------------------------------------------


def test_the_key_goes_to_the_server_and_into_no_message(server, tmp_path):
    ask = Ask(START, END, hosts=("127.0.0.1",), connection=Connection("city311", password="s3cret"))
    fetch(server, tmp_path, ask, connection="city311")
    assert server.queries[0]["api_key"] == "s3cret"
    server.always = "500"
    with pytest.raises(SourceUnavailable) as raised:
        fetch(server, tmp_path, ask, connection="city311")
    assert "s3cret" not in str(raised.value)


def test_a_connection_that_was_not_given_is_said(server, tmp_path):
    with pytest.raises(BadInput, match="the connection 'city311' was not given"):
        fetch(server, tmp_path, connection="city311")
    assert server.queries == []


# Pages by hand -------------------------------------------------------------------------------------------------------

BOMB = """<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "0123456789"><!ENTITY b "&a;&a;&a;&a;">]>
<service_requests><request><service_request_id>&b;</service_request_id></request></service_requests>"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", ""),
        ("a.json", "[" * 100_000),
        ("a.json", '[{"service_request_id": ' + '{"a":' * 20_000),
        ("a.json", '[{"service_request_id": 1}'),
        ("a.json", '[{"service_request_id": 1}] x'),
        ("a.json", '[{"service_request_id": 1},]'),
        ("a.json", '[{"service_request_id": 006}]'),
        ("a.json", '{"requests": null}'),
        ("a.json", '[1, 2]'),
        ("a.json", '[{"name": "another list"}]'),
        ("a.xml", ""),
        ("a.xml", "<rss><channel/></rss>"),
        ("a.xml", "<service_requests><request>"),
        ("a.xml", '<?xml version="1.0" encoding="klingon"?><service_requests/>'),
        ("a.xml", "<service_requests>" + "<a>" * 100_000),
        ("a.xml", BOMB),
    ],
)  # fmt: skip
def test_a_page_that_is_none_is_one_sentence(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=r"is not GeoReport (JSON|XML), or is cut off") as raised:
        open311.columns(tmp_path / name)
    assert len(str(raised.value)) < 300


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_big_page_is_read_in_little_memory(tmp_path, form):
    count = 50_000 if form == "json" else 10_000  # XML is slow under tracemalloc
    page = tmp_path / f"requests-big.{form}"
    page.write_bytes(georeport.body(some(count), "service_requests", form))
    small = tmp_path / f"small.{form}"
    small.write_bytes(georeport.body(some(1), "service_requests", form))
    list(open311.batches(small, open311.columns(small)))  # what is imported once does not count
    tracemalloc.start()
    names = open311.columns(page)
    read = sum(len(batch) for batch in open311.batches(page, names))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == count
    assert peak < 16 << 20


# Windows -------------------------------------------------------------------------------------------------------------

TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@given(TIMES, TIMES, st.integers(1, 90))
def test_windows_have_no_gap_no_overlap_and_at_most_their_days(one, other, days):
    start, end = sorted((one, other))
    cut = open311.windows(start, end, days)
    assert all(a < b and b - a <= timedelta(days=days) for a, b in cut)
    assert all(before[1] == after[0] for before, after in pairwise(cut))
    assert all(at.microsecond == 0 for window in cut for at in window)
    if start < end:
        second = timedelta(seconds=1)
        assert start - second < cut[0][0] <= start and end <= cut[-1][1] < end + second
    else:
        assert sum((b - a for a, b in cut), timedelta(0)) <= timedelta(seconds=1)


def test_the_address_has_no_query():
    with pytest.raises(ValueError, match="has no"):
        Open311(address="https://example.org/v2?api_key=1")
