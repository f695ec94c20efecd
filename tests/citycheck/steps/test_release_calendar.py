"""The watch over the release calendar: what is near, late or waiting is told once, and again when its date is closer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml

from citycheck.cities.profile import load_city
from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.release import publish as releases
from citycheck.release.calendar import COLUMNS
from citycheck.release.checksums import write_sums
from citycheck.release.publication import RELEASE_CALENDAR, Publication
from citycheck.steps import release, release_calendar
from citycheck.steps.index import Build

ZONE = ZoneInfo("Asia/Shanghai")
PRELIMINARY = datetime(2026, 7, 16, 9, 30, tzinfo=ZONE)
VERIFIED = datetime(2026, 8, 15, 9, 30, tzinfo=ZONE)
FINAL = datetime(2026, 12, 28, 9, 30, tzinfo=ZONE)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
STAGES = {"preliminary": PRELIMINARY, "verified": VERIFIED, "final": FINAL}
ROW = "2026H1,preliminary,2026-07-20T09:30,2026-06-10,迟到,late,统计处"


class Robot:
    """A channel that keeps what it is told, or refuses it."""

    id = "robot"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = False

    def deliver(self, message) -> None:
        if self.refuses:
            raise SourceUnavailable("The robot sleeps.")
        self.told.append(message.text(2048))


class Town:
    """The small city with candidates and versions that a test writes by hand; 2025H2 is not among its half-years."""

    def __init__(self, project) -> None:
        self.root, self.home = project.root, project.home
        self.folder = project.root / "project" / "cities" / "town"
        self.profile(
            half_years=["2026H1", None], alerts={"channels": [{"kind": "json", "connection": "robot"}]}
        )
        self.candidates = 0

    def profile(self, **keys) -> None:
        path = self.folder / "profile.yml"
        path.write_text(
            yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")) | keys, allow_unicode=True), "utf-8"
        )
        load_city.cache_clear()

    def calendar(self, *rows: str) -> None:
        (self.folder / RELEASE_CALENDAR).write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", "utf-8")

    def stage(
        self,
        stage: str,
        approved: bool | None = None,
        *,
        version: int | None = None,
        is_preview: bool = False,
    ) -> Build:
        """A candidate of 2026H1."""
        self.candidates += 1
        number = version or releases.next_version(self.home.releases, "2026H1")
        build = Build("town", "2026H1", f"{self.candidates:016x}")
        build.staged.mkdir(parents=True)
        at = STAGES[stage].isoformat()
        publication = Publication("2026H1", number, "initial", stage, at, is_preview=is_preview)
        build.inputs.write_text(json.dumps({"publication": publication.as_json(), "provenance": {}}))
        provenance = {"stage": stage, "made": self.candidates}
        (build.staged / "provenance.json").write_text(json.dumps(provenance))
        write_sums(build.staged)
        if approved is not None:
            release.decide(
                build, is_approved=approved, decided_by="approver", decided_at="2026", reason="looked"
            )
        return build

    def publish(self, stage: str) -> releases.Release:
        return releases.publish(self.stage(stage).staged, self.home.releases, "2026H1")

    def seen(self, now: datetime) -> list[tuple[str, str]]:
        return [
            (alarm.stage, alarm.state) for alarm in release_calendar.look("town", now.astimezone(UTC)).alarms
        ]

    def run(self, now: datetime, **link: str) -> dict:
        return release_calendar.run("town", now.astimezone(UTC), lambda name: Connection(name), **link)


@pytest.fixture
def town(project):
    return Town(project)


@pytest.fixture
def robot(monkeypatch):
    robot = Robot()
    monkeypatch.setattr(release_calendar, "channel", lambda kind, connection: robot)
    return robot


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        (PRELIMINARY - 7 * DAY - SECOND, []),
        (PRELIMINARY - 7 * DAY, [("preliminary", "near")]),
        (PRELIMINARY - DAY - SECOND, [("preliminary", "near")]),
        (PRELIMINARY - DAY, [("preliminary", "due")]),
        (PRELIMINARY - SECOND, [("preliminary", "due")]),
        (PRELIMINARY, [("preliminary", "overdue")]),
        (VERIFIED - 7 * DAY, [("preliminary", "overdue"), ("verified", "near")]),
        (VERIFIED, [("verified", "overdue")]),
        (FINAL, [("final", "overdue")]),
    ],
)
def test_what_is_near_and_late_when_nothing_was_ever_published(town, now, seen):
    assert town.seen(now) == seen


def test_what_is_out_or_approved_is_not_missed(town):
    town.publish("preliminary")
    assert town.seen(PRELIMINARY) == []
    assert town.seen(VERIFIED) == [("verified", "overdue")]
    town.stage("verified", approved=True)
    assert town.seen(VERIFIED) == []
    assert town.seen(FINAL) == [("final", "overdue")]


def test_a_candidate_that_waits_or_was_rejected_is_not_approved(town):
    town.stage("preliminary")
    assert town.seen(PRELIMINARY) == [("preliminary", "overdue"), ("preliminary", "waits")]
    town.stage("preliminary", approved=False)
    assert town.seen(PRELIMINARY)[0] == ("preliminary", "overdue")


def test_a_candidate_that_was_overtaken_counts_no_more(town):
    old = town.stage("preliminary", approved=True)
    town.publish("preliminary")
    assert releases.next_version(town.home.releases, "2026H1") == 2
    assert town.seen(VERIFIED - 7 * DAY) == [("verified", "near")]
    assert old.staged.is_dir()


def test_half_years_that_the_sources_do_not_cover_are_not_missed(town):
    town.profile(half_years=["2024H1", "2025H2"])
    assert town.seen(PRELIMINARY) == [("final", "overdue")]  # of 2025H2
    assert town.seen(FINAL) == [("final", "overdue")]
    town.profile(half_years=["2024H1", "2025H1"])
    assert town.seen(FINAL) == []


def test_a_changed_date_is_the_one_that_counts(town):
    town.calendar(ROW)
    assert town.seen(PRELIMINARY) == [("preliminary", "near")]
    assert town.seen(PRELIMINARY + 4 * DAY) == [("preliminary", "overdue")]


def test_an_alarm_is_told_once_and_again_when_it_is_closer(town, robot):
    told = []
    for now in (
        PRELIMINARY - 6 * DAY,
        PRELIMINARY - 5 * DAY,
        PRELIMINARY - DAY,
        PRELIMINARY - SECOND,
        PRELIMINARY + SECOND,
        PRELIMINARY + DAY,
    ):
        town.run(now)
        told.append(len(robot.told))
    assert told == [1, 1, 2, 2, 3, 3]
    assert ["near" in robot.told[0], "due within a day" in robot.told[1], "overdue" in robot.told[2]] == [
        True
    ] * 3
    assert "初步 2026-07-16 09:30" in robot.told[0]


def test_one_message_a_run_for_all_that_is_new(town, robot):
    town.stage("preliminary")
    done = town.run(VERIFIED - DAY, link="http://127.0.0.1/answer")
    assert done["alarms"] == {"near": 0, "due": 1, "overdue": 1, "waits": 1}
    [message] = robot.told
    assert message.count("http://127.0.0.1/answer") == 2
    town.run(VERIFIED - DAY)
    assert len(robot.told) == 1
    town.stage("preliminary")  # another candidate waits
    town.run(VERIFIED - DAY)
    assert len(robot.told) == 2
    assert "overdue:" not in robot.told[1]


def test_what_no_channel_took_is_told_by_the_next_run(town, robot):
    robot.refuses = True
    with pytest.raises(SourceUnavailable, match="The robot sleeps"):
        town.run(PRELIMINARY)
    robot.refuses = False
    town.run(PRELIMINARY)
    assert len(robot.told) == 1


def test_a_row_that_was_seen_may_not_change_and_one_may_be_appended(town, robot):
    town.calendar(ROW)
    town.run(PRELIMINARY - 9 * DAY)
    town.calendar(ROW, ROW.replace("07-20", "07-22").replace("06-10", "07-01"))
    town.run(PRELIMINARY - 9 * DAY)
    town.calendar(ROW.replace("迟到", "早到"))
    with pytest.raises(
        BadInput, match=r"release_calendar\.csv, row 2: was changed; it said 2026H1 preliminary"
    ):
        town.run(PRELIMINARY - 9 * DAY)
    (town.folder / RELEASE_CALENDAR).unlink()
    with pytest.raises(BadInput, match=r"row 2: is missing"):
        town.run(PRELIMINARY - 9 * DAY)
    assert robot.told == []


def test_no_channel_is_no_error(town):
    town.profile(alerts={"channels": []})
    assert town.run(PRELIMINARY)["channels"] == []


def test_a_message_that_fits_the_smallest_channel(town):
    town.stage("preliminary")
    seen = release_calendar.look("town", VERIFIED - DAY)
    many = replace(seen, alarms=seen.alarms * 200)
    text = release_calendar.compose(many, 1, seen.keys, [7], "http://127.0.0.1/answer").text(2048)
    assert len(text.encode()) <= 2048
    assert "#7" in text


def test_the_index_is_started_when_a_cut_off_has_passed_and_once(town):
    """Before the cut-off nothing is started; afterwards the version that is due, unless it has a candidate."""
    cut_off = datetime(2026, 7, 16, tzinfo=ZONE)
    run = {"city": "town", "half_year": "2026H1", "stage": "preliminary"}
    assert release_calendar.to_start("town", cut_off - SECOND) == []
    assert release_calendar.to_start("town", cut_off) == [run]
    assert release_calendar.to_start("town", datetime(2026, 8, 15, tzinfo=ZONE)) == [
        run | {"stage": "verified"}
    ]
    town.stage("preliminary", is_preview=True)
    assert release_calendar.to_start("town", cut_off) == [run]
    town.stage("preliminary")
    assert release_calendar.to_start("town", cut_off) == []
    assert release_calendar.to_start("town", datetime(2026, 8, 15, tzinfo=ZONE)) == [
        run | {"stage": "verified"}
    ]
