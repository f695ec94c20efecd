"""KoboToolbox and ODK Central against servers on loopback that page, filter and misbehave. All answers are synthetic."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http, kobo, odk, submissions
from citycheck.feeds.ask import Ask

TOKEN, PASSWORD, LOGIN = "synthetic-token-1f2e", "synthetic-password-9a", "clerk@example.org"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Source(ThreadingHTTPServer):
    """What both servers have: answers, and defects that are used up in order.

    `statuses` are given to the next requests instead of an answer; `before_page` are called one before each page.
    """

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.answers: list[dict] = []
        self.statuses: deque[int] = deque()
        self.before_page: deque = deque()
        self.repeats_the_first_page = False
        self.goes_in_a_circle = False
        self.asked: list[dict[str, str]] = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def reply(self, status, about=None, headers=None):
        body = json.dumps(about, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def is_disturbed(self):
        if self.server.statuses:
            self.reply(self.server.statuses.popleft(), {"detail": "later"}, {"Retry-After": "0"})
            return True
        return False

    def query(self):
        found = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.server.asked.append(found)
        if self.server.before_page:
            self.server.before_page.popleft()()
        return found

    def cut(self, rows, start, limit):
        if self.server.repeats_the_first_page and start:
            return rows[:limit]
        return rows[start : start + limit]

    def log_message(self, *_):
        pass


class KoboHandler(Handler):
    def do_GET(self):
        if self.is_disturbed():
            return
        if self.headers["Authorization"] != f"Token {TOKEN}":
            return self.reply(401, {"detail": "Invalid token."})
        query = self.query()
        if urlsplit(self.path).path != "/api/v2/assets/aForm1/data.json":
            return self.reply(404, {"detail": "Not found."})
        window = json.loads(query["query"])["_submission_time"]
        rows = sorted(self.server.answers, key=lambda row: row["_id"])
        rows = [row for row in rows if window["$gte"] <= row["_submission_time"] < window["$lt"]]
        start, limit = int(query["start"]), int(query["limit"])
        following = None
        if start + limit < len(rows):
            following = (
                f"http://internal.example/api/v2/assets/aForm1/data.json?start={start + limit}&limit={limit}"
            )
        if self.server.goes_in_a_circle:
            following = f"{self.server.address}/?start=0&limit={limit}"
        page = {"count": len(rows), "next": following, "results": self.cut(rows, start, limit)}
        return self.reply(200, page)


class OdkHandler(Handler):
    def do_POST(self):
        if self.is_disturbed():
            return
        about = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if about != {"email": LOGIN, "password": PASSWORD}:
            return self.reply(401, {"message": f"Could not authenticate {about}"})
        return self.reply(200, {"token": TOKEN})

    def do_GET(self):
        if self.is_disturbed():
            return
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.reply(401, {"message": "no"})
        query = self.query()
        if urlsplit(self.path).path != "/v1/projects/7/forms/survey%20a.svc/Submissions":
            return self.reply(404, {"message": "no such form"})
        rows = [row for row in self.server.answers if self.is_wanted(row, query["$filter"])]
        rows.sort(key=lambda row: row["__system"]["submissionDate"], reverse=True)
        start, top = int(query.get("$skip", 0)), int(query["$top"])
        page = {"value": self.cut(rows, start, top), "@odata.count": len(rows)}
        if start + top < len(rows):
            page["@odata.nextLink"] = (
                f"http://internal.example/v1/x.svc/Submissions?%24skip={start + top}&%24top={top}"
            )
        if self.server.goes_in_a_circle:
            page["@odata.nextLink"] = f"{self.server.address}/?%24skip=0"
        return self.reply(200, page)

    @staticmethod
    def is_wanted(row, written):
        """As Central filters: `ge` and `lt` on two times, `or` in brackets, and the review state."""
        system = row["__system"]

        def holds(part):
            name, operator, value = re.fullmatch(r"__system/(\w+) (ge|lt|ne) (.+)", part).groups()
            found = system.get(name)
            if operator == "ne":
                return found != value.strip("'")
            return found is not None and (found >= value if operator == "ge" else found < value)

        either = re.search(r"\((.+?) or (.+?)\)", written)
        rest = [p for p in re.sub(r"\(.+?\)", "", written).split(" and ") if p.strip()]
        return all(map(holds, rest)) and (not either or any(map(holds, either.groups())))


def kobo_answer(number, **more):
    """An answer as the API sends it: groups in the keys, no key where nothing was answered."""
    moment = (FIRST + timedelta(hours=number)).replace(tzinfo=None)
    return {
        "_id": number,
        "_uuid": f"uuid-{number}",
        "meta/instanceID": f"uuid:{number}",
        "_submission_time": moment.isoformat(),
        "qa/community_id": "C1",
        "qd/top_needs": "N01 N05",
        "_geolocation": [None, None],
        "_attachments": [],
    } | more


def odk_answer(number, updated=None, edits=0, **more):
    moment = FIRST + timedelta(hours=number)
    written = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    system = {"submissionDate": written, "updatedAt": updated, "edits": edits, "reviewState": None}
    return {
        "__id": f"uuid:{number}",
        "__system": system | more.pop("system", {}),
        "meta": {"instanceID": f"uuid:{number}"},
        "qa": {"community_id": "C1", "household_size": 3},
        "qe": {"report_ease": None},
    } | more


@pytest.fixture(params=["kobo", "odk"])
def source(request):
    """One of the two servers, with seven answers; `bring` fetches them in pages of three."""
    handler, make = {"kobo": (KoboHandler, kobo_answer), "odk": (OdkHandler, odk_answer)}[request.param]
    server = Source(handler)
    server.kind, server.make = request.param, make
    server.answers = [make(number) for number in range(1, 8)]
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def config(source, **more):
    if source.kind == "kobo":
        return kobo.Kobo(
            **{"address": source.address, "asset": "aForm1", "connection": "survey", "page_rows": 3} | more
        )
    about = {
        "address": source.address,
        "project": 7,
        "form": "survey a",
        "connection": "survey",
        "page_rows": 3,
    }
    return odk.Odk(**about | more)


def bring(source, out, changed_since=None, password=None, hosts=("127.0.0.1",), **more):
    out.mkdir(exist_ok=True)
    right = TOKEN if source.kind == "kobo" else PASSWORD
    connection = Connection("survey", login=LOGIN, password=password or right)
    ask = Ask(START, END, changed_since, hosts, connection)
    client = http.Client(hosts, retries=3, backoff_s=0, sleep=lambda _: None)
    module = {"kobo": kobo, "odk": odk}[source.kind]
    return module.fetch(config(source, **more), ask, out, client)


def read(source, out):
    module = {"kobo": kobo, "odk": odk}[source.kind]
    rows = []
    for file in sorted(out.iterdir()):
        for batch in module.batches(file, module.columns(file)):
            rows += batch.to_pylist()
    return rows


def ids(source, out):
    return {row["_id" if source.kind == "kobo" else "__id"] for row in read(source, out)}


def test_all_pages_arrive_as_they_are_sent(source, tmp_path):
    latest = bring(source, tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name[-11:] for file in files] == ["000001.json", "000002.json", "000003.json"]
    assert len(read(source, tmp_path / "out")) == len(ids(source, tmp_path / "out")) == 7
    assert latest == FIRST + timedelta(hours=7)


def test_the_same_answers_are_the_same_bytes(source, tmp_path):
    for name in ("one", "two"):
        bring(source, tmp_path / name)
    one, two = ([f.read_bytes() for f in sorted((tmp_path / n).iterdir())] for n in ("one", "two"))
    assert one == two


def test_no_answers_are_one_empty_page(source, tmp_path):
    source.answers = []
    assert bring(source, tmp_path / "out") is None
    assert read(source, tmp_path / "out") == []


def test_only_the_period_is_asked_for(source, tmp_path):
    source.answers = [source.make(n) for n in (-24 * 60, -24 * 59, 1, 24 * 122)]
    bring(source, tmp_path / "out")
    assert len(ids(source, tmp_path / "out")) == 2


@pytest.mark.parametrize("statuses", [[429], [500, 503], [429, 429, 500]])
def test_a_busy_server_is_asked_again(source, tmp_path, statuses):
    source.before_page.append(lambda: source.statuses.extend(statuses))
    bring(source, tmp_path / "out")
    assert len(ids(source, tmp_path / "out")) == 7


def test_a_server_that_stays_busy_is_left_for_later(source, tmp_path):
    source.statuses.extend([503] * 9)
    with pytest.raises(SourceUnavailable, match="503"):
        bring(source, tmp_path / "out")


def test_a_page_that_came_twice_instead_of_the_next_is_noticed(source, tmp_path):
    source.repeats_the_first_page = True
    with pytest.raises(SourceUnavailable, match="3 different answers came, 7 were announced"):
        bring(source, tmp_path / "out")


def test_pages_that_lead_in_a_circle_end(source, tmp_path):
    source.goes_in_a_circle = True
    with pytest.raises(SourceUnavailable, match="leads back to one that was read before"):
        bring(source, tmp_path / "out")


def test_an_answer_deleted_between_pages_is_noticed(source, tmp_path):
    # All after it move up by one, so that one would be lost.
    gone = 0 if source.kind == "kobo" else -1
    source.before_page.extend([lambda: None, lambda: source.answers.pop(gone)])
    with pytest.raises(SourceUnavailable, match="7 were announced first and 6 last"):
        bring(source, tmp_path / "out")


def test_an_answer_edited_between_pages_arrives_once_with_its_edit_counted(source, tmp_path):
    def edit():
        if source.kind == "kobo":
            source.answers[5] = kobo_answer(6, **{"_uuid": "uuid-new", "qa/community_id": "C2"})
        else:
            source.answers[1] = odk_answer(2, "2026-03-05T00:00:00.000Z", 1, qa={"community_id": "C2"})

    source.before_page.extend([lambda: None, edit])
    bring(source, tmp_path / "out")
    rows = read(source, tmp_path / "out")
    [edited] = [row for row in rows if row["qa.community_id"] == "C2"]
    assert len(rows) == 7
    if source.kind == "kobo":
        assert (edited["_id"], edited["_uuid"], edited["meta.instanceID"]) == ("6", "uuid-new", "uuid:6")
    else:
        assert (edited["__id"], edited["__system.edits"], edited["meta.instanceID"]) == (
            "uuid:2",
            "1",
            "uuid:2",
        )


def test_a_new_answer_between_pages_harms_nothing(source, tmp_path):
    source.before_page.extend([lambda: None, lambda: source.answers.append(source.make(9))])
    if source.kind == "kobo":
        bring(source, tmp_path / "out")
        assert len(ids(source, tmp_path / "out")) == 8
    else:
        # Central puts the newest first: one more than was announced is not there yet.
        with pytest.raises(SourceUnavailable, match="7 were announced first and 8 last"):
            bring(source, tmp_path / "out")


def test_a_wrong_secret_is_told_without_it(source, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BadInput, match="401") as told:
        bring(source, tmp_path / "out", password="wrong-secret")
    assert "wrong-secret" not in f"{told.value}{caplog.text}"
    assert str(told.value).count(". ") <= 1 and "\n" not in str(told.value)
    assert not list((tmp_path / "out").iterdir())


def test_no_secret_is_no_question(source, tmp_path):
    ask = Ask(START, END, None, ("127.0.0.1",), Connection("survey"))
    with pytest.raises(BadInput, match="'survey' has no"):
        {"kobo": kobo, "odk": odk}[source.kind].fetch(config(source), ask, tmp_path)
    assert source.asked == []


def test_a_secret_does_not_go_over_plain_http(source, tmp_path):
    with pytest.raises(BadInput, match="must begin with https"):
        bring(source, tmp_path / "out", address="http://forms.example.org", hosts=("forms.example.org",))


def test_a_host_that_is_not_listed_is_never_asked(source, tmp_path):
    with pytest.raises(BadInput, match="is not allowed"):
        bring(source, tmp_path / "out", hosts=("forms.example.org",))
    assert source.asked == []


def test_a_wrong_form_is_told(source, tmp_path):
    wrong = {"asset": "aForm2"} if source.kind == "kobo" else {"form": "none"}
    with pytest.raises(BadInput, match="404"):
        bring(source, tmp_path / "out", **wrong)


@pytest.mark.parametrize(
    "page", [{"results": [{"no": "key"}]}, {"results": ["text"]}, {"results": 3}, [], "<html>"]
)
def test_what_is_no_list_of_answers_is_told(tmp_path, page):
    body = json.dumps(page).encode()
    with pytest.raises(BadInput, match="form, page 1: is no list of answers"):
        submissions.fetch(lambda _: body, {}, kobo._SHAPE, tmp_path, "form")
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_in_the_home_folder(source, tmp_path, monkeypatch):
    # pyodk would keep its token there.
    monkeypatch.setenv("PYODK_CACHE_FILE", str(tmp_path / "cache.toml"))
    monkeypatch.setenv("PYODK_CONFIG_FILE", str(tmp_path / "config.toml"))
    bring(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    for file in (tmp_path / "out").iterdir():
        assert TOKEN.encode() not in file.read_bytes()


@pytest.mark.parametrize("source", ["odk"], indirect=True)
def test_since_a_watermark_central_sends_what_is_new_or_edited(source, tmp_path):
    source.answers = [
        odk_answer(1),
        odk_answer(2, "2026-05-02T00:00:00.000Z", 1),
        odk_answer(24 * 70),
        odk_answer(24 * 71, system={"reviewState": "rejected"}),
    ]
    latest = bring(source, tmp_path / "out", datetime(2026, 5, 1, tzinfo=UTC))
    assert ids(source, tmp_path / "out") == {"uuid:2", f"uuid:{24 * 70}"}
    assert latest == FIRST + timedelta(days=70)


@pytest.mark.parametrize("source", ["kobo"], indirect=True)
@pytest.mark.parametrize(("answers_are_final", "count"), [(False, 7), (True, 3)])
def test_kobo_tells_no_edits_so_everything_is_asked_unless_answers_are_final(
    source, tmp_path, answers_are_final, count
):
    bring(source, tmp_path / "out", FIRST + timedelta(hours=5), answers_are_final=answers_are_final)
    assert len(ids(source, tmp_path / "out")) == count


@pytest.mark.parametrize("source", ["kobo"], indirect=True)
def test_a_total_without_links_is_paged_to_its_end(source, tmp_path):
    # As some proxies leave the links out.
    pages = [
        {"count": 3, "results": [kobo_answer(1), kobo_answer(2)]},
        {"count": 3, "results": [kobo_answer(3)]},
    ]
    asked = []

    def get(query):
        asked.append(query["start"])
        return json.dumps(pages[len(asked) - 1]).encode()

    submissions.fetch(get, {"start": "0"}, kobo._SHAPE, tmp_path, "form")
    assert asked == ["0", "2"]


def test_values_are_flat_texts(tmp_path):
    file = tmp_path / "page.json"
    file.write_text(
        """{"results": [{"_id": 1, "a/b": {"c": 1.5, "d": true, "e": {}}, "list": [1, null, "x"], "empty": [],
        "blank": "", "zero": 0, "repeat": [{"n": 1}]}, {"_id": 2, "late": "y"}]}"""
    )
    columns = kobo.columns(file)
    wanted = ["_id", "a.b.c", "a.b.d", "list", "zero", "repeat", "late"]
    assert [name for name in columns if name in wanted] == wanted
    [batch] = kobo.batches(file, [*wanted, "empty", "blank", "absent"])
    assert batch.to_pylist() == [
        {
            "_id": "1",
            "a.b.c": "1.5",
            "a.b.d": "true",
            "list": "1|x",
            "zero": "0",
            "repeat": '[{"n": "1"}]',
            "late": None,
            "empty": None,
            "blank": None,
            "absent": None,
        },
        dict.fromkeys(batch.schema.names) | {"_id": "2", "late": "y"},
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.integers(0, 12), limit=st.integers(1, 5), lost=st.integers(0, 12))
def test_either_every_answer_arrives_or_it_is_said(tmp_path, answers, limit, lost):
    """Law: a source that leaves out any one answer of those that it announces is never taken for complete."""
    rows = [{"_id": n} for n in range(answers) if n != lost]

    def get(query):
        start = int(query["start"])
        return json.dumps({"count": answers, "results": rows[start : start + limit]}).encode()

    for file in tmp_path.iterdir():
        file.unlink()
    if lost < answers:
        with pytest.raises(SourceUnavailable):
            submissions.fetch(get, {"start": "0"}, kobo._SHAPE, Path(tmp_path), "form")
    else:
        submissions.fetch(get, {"start": "0"}, kobo._SHAPE, Path(tmp_path), "form")
        assert sum(len(json.loads(file.read_bytes())["results"]) for file in tmp_path.iterdir()) == answers
