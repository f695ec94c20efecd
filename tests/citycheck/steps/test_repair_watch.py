"""The watch over the 24 h promises: boundaries, versions, the age of the data, and one digest a run."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from citycheck.cities.profile import load_city
from citycheck.connections import Connection
from citycheck.errors import NothingToDo, SourceUnavailable
from citycheck.lake import store
from citycheck.lake.tables import tables
from citycheck.notify.channels import Trying
from citycheck.steps import repair_watch

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)  # noon in Shanghai
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def ago(hours: float, seconds: float = 0) -> datetime:
    return (NOW - hours * HOUR + seconds * SECOND).replace(tzinfo=None)


class Town:
    """The small city with a lake that a test writes by hand."""

    def __init__(self, project) -> None:
        self.project, self.home = project, project.home
        self.deliveries = 0

    def profile(self, **keys) -> None:
        path = self.project.root / "project" / "cities" / "town" / "profile.yml"
        path.write_text(
            yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")) | keys, allow_unicode=True), "utf-8"
        )
        load_city.cache_clear()

    def accept(self, *reports: dict, half_year: str = "2026H1") -> None:
        """One delivery; what a report does not say is as in an open one of an hour ago."""
        self.deliveries += 1
        path = self.home.lake / "accepted" / "repair_reports" / half_year / f"d{self.deliveries}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {
                "version_at": ago(1), "reported_at": ago(1), "category_code": "road", "department": "住建局",
                "source_file": "x.csv", "source_row": number, **report,
            }
            for number, report in enumerate(reports, 1)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows, schema=tables()["repair_reports"].schema), path)
        entry = {
            "delivery": f"d{self.deliveries}", "received": f"2026-03-01T{self.deliveries:02d}:00:00+00:00",
            "files": [{"source": "town", "path": f"{self.deliveries}", "sha256": f"{self.deliveries}"}],
            "tables": {"repair_reports": {"accepted": str(path.relative_to(self.home.lake)), "accepted_sha256": "x"}},
        }  # fmt: skip
        store.accept(self.home, "repair_reports", half_year, entry)

    def alarms(self, now: datetime = NOW) -> set[tuple[str, str, str]]:
        return {(a.report_id, a.promise, a.stage) for a in repair_watch.look("town", now).alarms}


TIMES = {"report_id": "told", "dispatched_at": ago(2), "first_response_at": ago(2), "closed_at": ago(2)}
"""A report by which the source tells that it records such times."""


@pytest.fixture
def town(project):
    return Town(project)


def test_the_boundaries_of_a_promise(town):
    """Exactly 24 h keep it, and exactly the hours of the watch before that are early enough to tell."""
    town.accept(
        TIMES,
        {"report_id": "a_second_late", "reported_at": ago(24, -1)},
        {"report_id": "this_second", "reported_at": ago(24)},
        {"report_id": "in_4_h", "reported_at": ago(20)},
        {"report_id": "in_4_h_and_a_second", "reported_at": ago(20, 1)},
    )
    assert town.alarms() == {
        (report, promise, stage)
        for report, stage in (
            ("a_second_late", "broken"),
            ("this_second", "will_break"),
            ("in_4_h", "will_break"),
        )
        for promise in ("dispatch", "response")
    }


def test_both_clocks_of_the_response(town):
    town.accept(
        TIMES,
        {"report_id": "r", "reported_at": ago(30), "dispatched_at": ago(21)},
        {"report_id": "late", "reported_at": ago(60), "dispatched_at": ago(24, -1)},
        {
            "report_id": "answered",
            "reported_at": ago(60),
            "dispatched_at": ago(50),
            "first_response_at": ago(3),
        },
        {"report_id": "answered_before_dispatch", "reported_at": ago(22), "first_response_at": ago(3)},
    )
    assert town.alarms() == {
        ("r", "response", "broken"),
        ("r", "response_from_dispatch", "will_break"),
        ("late", "response", "broken"),
        ("late", "response_from_dispatch", "broken"),
        ("answered_before_dispatch", "dispatch", "will_break"),
    }


def test_only_open_reports_that_count_and_have_been_made(town):
    late = {"reported_at": ago(30)}
    town.accept(
        TIMES,
        {"report_id": "open", "status": "open", **late},
        {"report_id": "closed", "status": "closed", **late},
        {"report_id": "closed_at", "closed_at": ago(1), **late},
        {"report_id": "rejected", "status": "rejected", **late},
        {"report_id": "deleted", "status": "deleted", **late},
        {"report_id": "praise", "request_type": "praise", **late},
        {"report_id": "animal", "category_code": "animal", **late},
        {"report_id": "to_come", "reported_at": ago(-1)},
    )
    assert {report for report, _, _ in town.alarms()} == {"open"}


def test_the_latest_version_counts_and_of_two_of_one_moment_the_one_received_later(town):
    late = {"reported_at": ago(30)}
    town.accept(TIMES, {"report_id": "done", "version_at": ago(9), **late}, {"report_id": "same", **late})
    town.accept(
        {"report_id": "done", "version_at": ago(8), "status": "closed", **late},
        {"report_id": "same", "status": "closed", **late},
        {"report_id": "old_news", "version_at": ago(8), "status": "closed", **late},
    )
    town.accept(
        {"report_id": "old_news", "version_at": ago(9), **late},
        {"report_id": "reopened", "version_at": ago(9), "status": "closed", **late},
        {"report_id": "reopened", "version_at": ago(8), "status": "open", **late},
        {"report_id": "not_yet", "version_at": ago(-1), **late},
    )
    assert {report for report, _, _ in town.alarms()} == {"reopened"}


def test_reports_of_the_half_year_before_are_still_open(town):
    town.accept(TIMES, {"report_id": "old", "reported_at": ago(24 * 80)}, half_year="2025H2")
    town.accept({"report_id": "older", "reported_at": ago(24 * 300)}, half_year="2025H1")
    assert {report for report, _, _ in town.alarms()} == {"old"}


def test_the_city_chooses_how_early_it_is_told(town):
    town.profile(alerts={"watch_hours": 1.5})
    town.accept(
        TIMES,
        {"report_id": "in_90_min", "reported_at": ago(22.5)},
        {"report_id": "in_91", "reported_at": ago(22.49)},
    )
    assert {report for report, _, _ in town.alarms()} == {"in_90_min"}


@pytest.mark.parametrize(
    ("told", "not_watched", "alarms"),
    [
        ({}, ("dispatch", "response", "response_from_dispatch"), set()),
        ({"dispatched_at": ago(29)}, ("response", "response_from_dispatch"), {"dispatch"}),
        ({"first_response_at": ago(29)}, ("dispatch", "response_from_dispatch"), {"response"}),
    ],
)
def test_a_time_that_no_report_has_was_not_recorded(town, told, not_watched, alarms):
    town.accept(
        {"report_id": "told", "status": "closed", **told}, {"report_id": "late", "reported_at": ago(30)}
    )
    seen = repair_watch.look("town", NOW)
    assert seen.not_watched == not_watched
    assert {alarm.promise for alarm in seen.alarms} == alarms
    assert "未监测" in repair_watch.preview("town", NOW)


def test_old_data_is_told_of_instead_of_all_well(town):
    town.accept(TIMES | {"version_at": ago(24)})
    assert "Data up to 2026-03-01 12:00, 24.0 h ago" in repair_watch.preview("town", NOW)
    assert repair_watch.look("town", NOW).keys == []
    later = NOW + SECOND
    assert "does not mean that all is well" in repair_watch.preview("town", later)
    assert repair_watch.look("town", later).keys == [f"stale|{ago(24)}"]


def test_no_data_at_all_is_not_all_well(town):
    assert "nothing is known of now" in repair_watch.preview("town", NOW)
    assert repair_watch.look("town", NOW).keys == ["stale|None"]


def test_a_city_without_such_a_feed_has_nothing_to_watch(town):
    feeds = {name: feed for name, feed in yaml.safe_load(
        (town.project.root / "project/cities/town/profile.yml").read_text("utf-8")
    )["feeds"].items() if name != "repair_reports"}  # fmt: skip
    town.profile(feeds=feeds)
    with pytest.raises(NothingToDo):
        repair_watch.look("town", NOW)


# One digest a run ----------------------------------------------------------------------------------------------------


@pytest.fixture
def robot(monkeypatch):
    """A webhook that keeps what it is told, and answers with the status that a test sets."""
    got: list[dict] = []
    status = [200]

    class Robot(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(
        repair_watch, "channel",
        lambda kind, connection: repair_watch_channel(kind, connection, Trying(2, 1, 0, lambda _: None)),
    )  # fmt: skip
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    yield got, status, lambda name: Connection(name, password=address)
    server.shutdown()
    server.server_close()


repair_watch_channel = repair_watch.channel
CHANNELS = {"channels": [{"kind": "json", "connection": "robot"}]}


def test_a_digest_by_department_once(town, robot):
    got, _, lookup = robot
    town.profile(alerts=CHANNELS)
    town.accept(
        TIMES,
        {"report_id": "A", "reported_at": ago(30), "department": "城管局"},
        {"report_id": "B", "reported_at": ago(21), "department": "城管局"},
        {"report_id": "C", "reported_at": ago(21), "department": "住建局\n@all"},
        {"report_id": "D", "reported_at": ago(25), "department": None, "description": "王先生 13800000000"},
    )
    seen = repair_watch.run("town", NOW, lookup)
    assert (seen["open_reports"], seen["will_break"], seen["broken"], seen["stale"]) == (4, 4, 4, False)
    assert [told["state"] for told in seen["channels"]] == ["sent"]
    [digest] = got
    assert digest["title"]["zh"] == "citycheck 小城 24 小时承诺预警 #1 2026-03-02 12:00"
    assert [(s["name"], s["summary"]["zh"]) for s in digest["sections"]] == [
        ("城管局", "将超时 2,已超时 2"),
        ("住建局 @all", "将超时 2,已超时 0"),
        ("未注明部门 (no department)", "将超时 0,已超时 2"),
    ]
    assert digest["sections"][0]["items"][0].startswith(
        "B 分转 将于 03-02 15:00 超时 · dispatch will break at"
    )
    assert "13800000000" not in json.dumps(digest, ensure_ascii=False)
    assert repair_watch.run("town", NOW, lookup)["channels"][0]["state"] == "nothing_new"
    assert len(got) == 1


def test_each_stage_is_told_once_while_the_hours_pass(town, robot):
    got, _, lookup = robot
    town.profile(alerts=CHANNELS)
    town.accept(TIMES, {"report_id": "A", "reported_at": ago(10)})
    for hour in (0, 9, 10, 11, 14, 15, 16):
        repair_watch.run("town", NOW + hour * HOUR, lookup)
    stages = [
        [("will" in item, "response" in item) for s in digest["sections"] for item in s["items"]]
        for digest in got
    ]
    assert stages == [[(True, False), (True, True)], [(False, False), (False, True)]]


def test_what_was_not_taken_is_told_by_the_next_run(town, robot):
    got, status, lookup = robot
    town.profile(alerts=CHANNELS)
    town.accept(TIMES, {"report_id": "A", "reported_at": ago(30)})
    status[0] = 503
    with pytest.raises(SourceUnavailable):
        repair_watch.run("town", NOW, lookup)
    status[0], got[:] = 200, []
    repair_watch.run("town", NOW, lookup)
    assert [digest["title"]["zh"].split()[4] for digest in got] == ["#2"]
    assert len(got[0]["sections"]) == 1


def test_a_run_that_died_is_told_of_and_not_repeated(town, robot, monkeypatch):
    got, _, lookup = robot
    town.profile(alerts=CHANNELS)
    town.accept(TIMES, {"report_id": "A", "reported_at": ago(30)})

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("citycheck.notify.journal.Journal.end", die)
        with pytest.raises(Killed):
            repair_watch.run("town", NOW, lookup)
    town.accept({"report_id": "B", "reported_at": ago(30)})
    repair_watch.run("town", NOW, lookup)
    assert len(got) == 2
    assert "Digest #1 may not have arrived" in got[1]["text"]
    assert [item.split()[0] for s in got[1]["sections"] for item in s["items"]] == ["B", "B"]


def test_old_data_is_told_of_once_until_it_is_new(town, robot):
    got, _, lookup = robot
    town.profile(alerts=CHANNELS)
    town.accept(TIMES)
    for hours in (30, 31, 32):
        repair_watch.run("town", NOW + hours * HOUR, lookup)
    assert len(got) == 1
    assert "数据陈旧" in got[0]["text"]
    town.accept({"report_id": "new", "version_at": ago(-3), "status": "closed"})
    repair_watch.run("town", NOW + 27 * HOUR, lookup)
    assert len(got) == 1
    repair_watch.run("town", NOW + 28 * HOUR, lookup)
    assert len(got) == 2


def test_without_channels_nobody_is_told_and_nothing_is_marked(town):
    town.accept(TIMES, {"report_id": "A", "reported_at": ago(30)})
    assert repair_watch.run("town", NOW)["channels"] == []
    assert not list(town.home.alerts.rglob("*.json"))
