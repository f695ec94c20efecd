"""Day by day: which release is near, or late, with nothing approved; and which candidate waits for a person.

Looks at the two half-years before the present one, as far as the city's sources cover them. An alarm is told once on each
channel, and again when its date has come closer: near, due within a day, overdue.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from citycheck import connections, standard
from citycheck.cities.profile import City, load_city
from citycheck.connections import Lookup
from citycheck.lake.files import read_json, write_json
from citycheck.notify import digest
from citycheck.notify.channels import channel
from citycheck.notify.message import Both, Message, Section
from citycheck.period import HalfYear
from citycheck.release import calendar
from citycheck.release import publish as releases
from citycheck.release.checksums import SHA256SUMS, sha256
from citycheck.release.publication import Publication
from citycheck.settings import CityHome, settings
from citycheck.steps import earlier, release
from citycheck.steps.index import Build

State = Literal["near", "due", "overdue", "waits"]
WORDS: dict[State, Both] = {
    "near": Both("临近", "near"),
    "due": Both("一日之内", "due within a day"),
    "overdue": Both("已逾期", "overdue"),
    "waits": Both("等待批准", "waits for approval"),
}
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Alarm:
    """A release that is not out and not approved, or a candidate that waits."""

    half_year: str
    stage: str
    state: State
    release_at: datetime | None
    """None: at once, when approved."""
    candidate: str | None = None
    """Fingerprint of the candidate that waits."""

    @property
    def key(self) -> str:
        """What the journal knows it by: each is told once."""
        at = self.release_at.isoformat() if self.release_at else "at once"
        return "|".join((self.half_year, self.stage, self.state, self.candidate or at))


@dataclass(frozen=True)
class Watch:
    """What can be seen at a moment."""

    city: City
    now: datetime
    alarms: tuple[Alarm, ...]

    @property
    def keys(self) -> list[str]:
        return [alarm.key for alarm in self.alarms]


@dataclass(frozen=True)
class _Candidate:
    """The newest staged bundle that would be the next version of its half-year."""

    stage: str
    release_at: str | None
    fingerprint: str
    is_approved: bool | None
    """None: nobody has decided."""


def look(city: str, now: datetime) -> Watch:
    """What is near, late or waiting at an aware moment. Raises `BadInput` when the city's calendar is not in order."""
    about, home = load_city(city), settings().city_home(city)
    this = HalfYear.containing(now, about.profile.zone)
    alarms: list[Alarm] = []
    for half_year in (this.previous.previous, this.previous):
        if about.profile.covers(half_year):
            alarms += _missing(about, home, str(half_year), now)
    for half_year_folder in sorted((home.work / "index").glob("[0-9][0-9][0-9][0-9]H[12]")):
        waiting = _candidate(about.profile.city, home, half_year_folder.name)
        if waiting is not None and waiting.is_approved is None:
            at = datetime.fromisoformat(waiting.release_at) if waiting.release_at else None
            alarms.append(Alarm(half_year_folder.name, waiting.stage, "waits", at, waiting.fingerprint))
    return Watch(about, now, tuple(alarms))


def run(
    city: str, now: datetime, lookup: Lookup = connections.from_environment, *, link: str | None = None
) -> dict[str, Any]:
    """Look, and tell every channel of the profile what it was not told yet; returns counts and what each channel got.

    `link` is where a candidate that waits is decided. Raises `BadInput` when a row of the calendar that was seen before has
    changed or is gone; and, after all channels were tried, `BadInput` or `SourceUnavailable` when one did not take it.
    """
    home = settings().city_home(city)
    _keep_calendar(load_city(city), home)
    seen = look(city, now)
    channels = [channel(about.kind, lookup(about.connection)) for about in seen.city.profile.alerts.channels]
    outcomes = digest.send(
        home.alerts / "release",
        channels,
        seen.keys,
        lambda number, keys, doubtful: compose(seen, number, keys, doubtful, link),
        now,
    )
    return {
        "alarms": {state: sum(alarm.state == state for alarm in seen.alarms) for state in WORDS},
        "channels": [vars(outcome) for outcome in outcomes],
    }


def compose(
    seen: Watch, number: int, keys: Collection[str], doubtful: Sequence[int], link: str | None = None
) -> Message:
    """The digest of those alarms that are among `keys`, by half-year."""
    zone, name = seen.city.profile.zone, seen.city.profile.name
    alarms = [alarm for alarm in seen.alarms if alarm.key in keys]
    facts = [
        Both(
            "到期未获批准的结果不会发布；请指定的审批人在 Airflow 中决定。",
            "What is not approved is not published; an assigned approver decides in Airflow.",
        )
    ]
    if link and any(alarm.state == "waits" for alarm in alarms):
        facts.append(Both(f"在此决定：{link}", f"Decide here: {link}"))
    if doubtful:
        numbers = ", ".join(f"#{doubt}" for doubt in doubtful)
        facts.append(
            Both(
                f"第 {numbers} 号通知可能未送达，其中的预警不再重复，请核对。",
                f"Digest {numbers} may not have arrived; its alarms are not repeated. Please check.",
            )
        )
    local = seen.now.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return Message(
        Both(f"citycheck {name.zh} 发布提醒 #{number} {local}", f"{name.en}: releases #{number} {local}"),
        tuple(facts),
        tuple(
            _section(half_year, [alarm for alarm in alarms if alarm.half_year == half_year])
            for half_year in dict.fromkeys(alarm.half_year for alarm in alarms)
        ),
    )


def _section(half_year: str, alarms: Sequence[Alarm]) -> Section:
    late = sum(alarm.state == "overdue" for alarm in alarms)
    return Section(
        half_year,
        Both(f"{len(alarms)} 项，逾期 {late}", f"{len(alarms)}, {late} overdue"),
        tuple(_item(alarm) for alarm in alarms),
    )


def _item(alarm: Alarm) -> str:
    stage = next(row for row in standard.seed("release_stages") if row["stage_code"] == alarm.stage)
    at = f"{alarm.release_at:%Y-%m-%d %H:%M}" if alarm.release_at else None
    when = Both(at or "批准后即发布", at or "at once")
    words = WORDS[alarm.state]
    what = (
        Both("候选结果", "candidate") if alarm.state == "waits" else Both("尚未批准", "nothing is approved")
    )
    return f"{stage['name_zh']} {when.zh} {words.zh}：{what.zh} · {stage['name_en']} {when.en} {words.en}: {what.en}"


def _missing(about: City, home: CityHome, half_year: str, now: datetime) -> list[Alarm]:
    """Of the stages that are neither out nor approved: the last that is overdue, and those whose date is near."""
    order = standard.stages()
    out = releases.current(home.releases, half_year)
    reached = [order.index(earlier.stage_of(out))] if out else []
    next_one = _candidate(about.profile.city, home, half_year)
    if next_one is not None and next_one.is_approved:
        reached.append(order.index(next_one.stage))
    missing = [
        entry
        for entry in calendar.entries(about, half_year)[max(reached, default=-1) + 1 :]
        if entry.alert_from <= now
    ]
    late = [entry for entry in missing if entry.release_at <= now]
    return [
        Alarm(half_year, entry.stage, _closeness(entry.release_at, now), entry.release_at)
        for entry in missing
        if entry not in late[:-1]
    ]


def to_start(city: str, now: datetime) -> list[dict[str, str]]:
    """The runs of the index whose time has come: a cut-off has passed, and that version has no candidate yet.

    One that was rejected, or that waits, is not made again by itself.
    """
    about, home = load_city(city), settings().city_home(city)
    this = HalfYear.containing(now, about.profile.zone)
    runs = []
    for half_year in (this.previous.previous, this.previous):
        if not about.profile.covers(half_year):
            continue
        last = releases.last(home.releases, str(half_year))
        reached = -1 if last is None else standard.stages().index(earlier.stage_of(last))
        due = [
            entry.stage
            for entry in calendar.entries(about, str(half_year))[reached + 1 :]
            if entry.cut_off <= now
        ]
        following = _candidate(city, home, str(half_year))
        if due and (following is None or following.stage != due[-1]):
            runs.append({"city": city, "half_year": str(half_year), "stage": due[-1]})
    return runs


def _closeness(release_at: datetime, now: datetime) -> State:
    if release_at <= now:
        return "overdue"
    return "due" if release_at - now <= _DAY else "near"


def _candidate(city: str, home: CityHome, half_year: str) -> _Candidate | None:
    """The newest candidate that would follow what is out now; older ones have been overtaken, and a preview follows nothing."""
    following = releases.next_version(home.releases, half_year)
    for build, decision in release.candidates(city, half_year):
        publication = _publication(build)
        if publication.version == following and not publication.is_preview:
            return _Candidate(
                publication.stage,
                publication.release_at,
                sha256(build.staged / SHA256SUMS),
                None if decision is None else decision.is_approved,
            )
    return None


def _publication(build: Build) -> Publication:
    inputs = read_json(build.inputs, "Remove this build's folder, and run the half-year again.")
    return Publication.from_json(inputs["publication"])


def _keep_calendar(about: City, home: CityHome) -> None:
    """Remember the rows of the city's calendar. Raises `BadInput` when one that was seen before is not as it was."""
    path = home.alerts / "calendar" / "rows.json"
    known = read_json(path, "Restore it from a copy.") if path.is_file() else []
    rows = calendar.rows(about)
    calendar.check_appended(about, known, rows)
    if rows != known:
        write_json(path, rows)
