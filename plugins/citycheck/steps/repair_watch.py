"""The 24 h promises, hour by hour: which open reports will break one soon, which have, and which department is responsible.

Reads the accepted reports of this half-year and the one before, each in its latest version, as of a given moment. A promise
is that of the indicators: a report is to be dispatched within 24 h, and answered within 24 h both of the report and of its
dispatch; exactly 24 h keep it. Without a dispatch or response time in any report that promise is not watched, and with data
that is old the digest says how old instead of staying silent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from citycheck import connections, duck, standard
from citycheck.cities.profile import City, load_city
from citycheck.connections import Lookup
from citycheck.errors import NothingToDo, NotReady
from citycheck.lake import store
from citycheck.notify import digest
from citycheck.notify.channels import channel
from citycheck.notify.message import Both, Message, Section, tidy
from citycheck.period import HalfYear, utc_naive
from citycheck.settings import CityHome, settings
from citycheck.steps.ingest import adds_up

_FEED = _TABLE = "repair_reports"
_NO_DEPARTMENT = "未注明部门 (no department)"

Promise = Literal["dispatch", "response", "response_from_dispatch"]
Stage = Literal["will_break", "broken"]
PROMISES: dict[Promise, Both] = {
    "dispatch": Both("分转", "dispatch"),
    "response": Both("回应(自上报)", "response since report"),
    "response_from_dispatch": Both("回应(自分转)", "response since dispatch"),
}


@dataclass(frozen=True)
class Alarm:
    """A report that breaks a promise, and at which moment (UTC)."""

    report_id: str
    department: str | None
    promise: Promise
    stage: Stage
    deadline: datetime

    @property
    def key(self) -> str:
        """What the journal knows it by: each is told once."""
        return f"{self.report_id}|{self.promise}|{self.stage}"


@dataclass(frozen=True)
class Watch:
    """What can be seen at a moment."""

    city: City
    now: datetime
    watch_hours: float
    newest: datetime | None
    """When the newest version of a report was written (UTC); None without any."""
    open_reports: int
    not_watched: tuple[Promise, ...]
    alarms: tuple[Alarm, ...]

    @property
    def stale(self) -> bool:
        limit = timedelta(hours=standard.parameter("watch_stale_hours"))
        return self.newest is None or utc_naive(self.now) - self.newest > limit

    @property
    def keys(self) -> list[str]:
        """Everything that is to be told once: each alarm, and that the data is old, once for each state of the data."""
        return [*([f"stale|{self.newest}"] if self.stale else []), *(alarm.key for alarm in self.alarms)]


def look(city: str, now: datetime) -> Watch:
    """Look at the reports of a city at an aware moment. Raises `NothingToDo` when the city has no such feed."""
    about, home = load_city(city), settings().city_home(city)
    if _FEED not in about.profile.provided_feeds:
        raise NothingToDo(f"{city}: has no feed {_FEED}; there is no promise to watch.")
    chosen = about.profile.alerts.watch_hours
    hours = standard.parameter("watch_hours") if chosen is None else chosen
    files = _files(about, home, now)
    rows, newest, told = _open(files, utc_naive(now)) if files else ([], None, (False, False))
    has_dispatch, has_response = told
    watched: dict[Promise, bool] = {
        "dispatch": has_dispatch,
        "response": has_response,
        "response_from_dispatch": has_dispatch and has_response,
    }
    not_watched = tuple(promise for promise, is_told in watched.items() if rows and not is_told)
    alarms = [
        alarm
        for row in rows
        for alarm in _alarms(row, utc_naive(now), hours)
        if alarm.promise not in not_watched
    ]
    alarms.sort(key=lambda alarm: (alarm.stage == "broken", alarm.deadline, alarm.key))
    return Watch(about, now, hours, newest, len(rows), not_watched, tuple(alarms))


def compose(seen: Watch, number: int, keys: Collection[str], doubtful: Sequence[int]) -> Message:
    """The digest of those alarms that are among `keys`, by department."""
    zone, name = seen.city.profile.zone, seen.city.profile.name
    alarms = [alarm for alarm in seen.alarms if alarm.key in keys]
    local = seen.now.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    facts = [_how_old(seen)]
    if doubtful:
        numbers = ", ".join(f"#{doubt}" for doubt in doubtful)
        facts.append(
            Both(
                f"第 {numbers} 号通知可能未送达,其中的预警不再重复,请核对。",
                f"Digest {numbers} may not have arrived; its alarms are not repeated. Please check.",
            )
        )
    if seen.not_watched:
        names = [PROMISES[promise] for promise in seen.not_watched]
        facts.append(
            Both(
                f"工单没有相应时间,未监测:{'、'.join(name.zh for name in names)}。",
                f"Not watched, as no report has the times: {', '.join(name.en for name in names)}.",
            )
        )
    if not alarms:
        facts.append(Both("本次没有新的超时预警。", "No new alarm this time."))
    by_department: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        by_department[tidy(alarm.department, _NO_DEPARTMENT)].append(alarm)
    order = sorted(by_department.items(), key=lambda item: (-len(item[1]), item[0]))
    return Message(
        Both(
            f"citycheck {name.zh} 24 小时承诺预警 #{number} {local}",
            f"{name.en}: 24 h promises #{number} {local}",
        ),
        tuple(facts),
        tuple(_section(seen, department, found) for department, found in order),
    )


def run(city: str, now: datetime, lookup: Lookup = connections.from_environment) -> dict[str, Any]:
    """Look, and tell every channel of the profile what it was not told yet; returns counts and what each channel got.

    Raises `BadInput` or `SourceUnavailable` after all channels were tried; what did not arrive is told by the next run.
    """
    seen = look(city, now)
    channels = [channel(about.kind, lookup(about.connection)) for about in seen.city.profile.alerts.channels]
    outcomes = digest.send(
        settings().city_home(city).alerts / "repair_watch",
        channels,
        seen.keys,
        lambda number, keys, doubtful: compose(seen, number, keys, doubtful),
        now,
    )
    stages = Counter(alarm.stage for alarm in seen.alarms)
    return {
        "newest": None if seen.newest is None else seen.newest.isoformat(),
        "stale": seen.stale,
        "open_reports": seen.open_reports,
        "will_break": stages["will_break"],
        "broken": stages["broken"],
        "not_watched": list(seen.not_watched),
        "channels": [vars(outcome) for outcome in outcomes],
    }


def preview(city: str, now: datetime, limit_bytes: int = 20_000) -> str:
    """The digest as a channel would get it that was never told anything."""
    seen = look(city, now)
    return compose(seen, 1, set(seen.keys), []).text(limit_bytes)


def _section(seen: Watch, department: str, alarms: Sequence[Alarm]) -> Section:
    stages = Counter(alarm.stage for alarm in alarms)
    summary = Both(
        f"将超时 {stages['will_break']},已超时 {stages['broken']}",
        f"{stages['will_break']} will break, {stages['broken']} broken",
    )
    return Section(department, summary, tuple(_item(seen, alarm) for alarm in alarms))


def _item(seen: Watch, alarm: Alarm) -> str:
    deadline = alarm.deadline.replace(tzinfo=UTC).astimezone(seen.city.profile.zone).strftime("%m-%d %H:%M")
    words = Both("将于", "will break at") if alarm.stage == "will_break" else Both("已于", "broke at")
    promise = PROMISES[alarm.promise]
    report = tidy(alarm.report_id, "?")
    return f"{report} {promise.zh} {words.zh} {deadline} 超时 · {promise.en} {words.en} {deadline}"


def _how_old(seen: Watch) -> Both:
    if seen.newest is None:
        return Both(
            "没有任何工单数据:现在的情况未知,并非一切正常。",
            "There is no report at all: nothing is known of now, which does not mean that all is well.",
        )
    hours = (utc_naive(seen.now) - seen.newest).total_seconds() / 3600
    at = seen.newest.replace(tzinfo=UTC).astimezone(seen.city.profile.zone).strftime("%Y-%m-%d %H:%M")
    if seen.stale:
        return Both(
            f"数据陈旧:最新记录为 {at}({hours:.0f} 小时前),此后的情况未知,并非一切正常。",
            f"The data is old: its newest record is of {at}, {hours:.0f} h ago. Nothing is known of later, "
            "which does not mean that all is well.",
        )
    return Both(f"数据截至 {at}({hours:.1f} 小时前)。", f"Data up to {at}, {hours:.1f} h ago.")


def _alarms(row: dict[str, Any], now: datetime, watch_hours: float) -> Iterator[Alarm]:
    reported, dispatched = row["reported_at"], row["dispatched_at"]
    within = {name: timedelta(hours=standard.parameter(f"{name}_hours")) for name in ("dispatch", "response")}
    deadlines: dict[Promise, datetime] = {}
    if dispatched is None:
        deadlines["dispatch"] = reported + within["dispatch"]
    if row["first_response_at"] is None:
        deadlines["response"] = reported + within["response"]
        if dispatched is not None:
            deadlines["response_from_dispatch"] = dispatched + within["response"]
    for promise, deadline in deadlines.items():
        if deadline <= now + timedelta(hours=watch_hours):
            stage: Stage = "broken" if deadline < now else "will_break"
            yield Alarm(row["report_id"], row["department"], promise, stage, deadline)


def _files(about: City, home: CityHome, now: datetime) -> list[str]:
    """The accepted files of this half-year and the one before, in the order in which they were received."""
    this = HalfYear.containing(now, about.profile.zone)
    found: list[tuple[str, str]] = []
    for half_year in (this.previous, this):
        try:
            entries = store.counting(home, _FEED, str(half_year), adds_up(about, _FEED))
        except NotReady:
            continue
        found += [
            (entry.get("received", ""), str(home.lake / entry["tables"][_TABLE]["accepted"]))
            for entry in entries
            if _TABLE in entry["tables"]
        ]
    return [path for _, path in sorted(found)]


def _open(files: list[str], now: datetime) -> tuple[list[dict[str, Any]], datetime | None, tuple[bool, bool]]:
    """Open reports that count, the newest version of any report, and whether any has a dispatch or a response time."""
    counting = [
        row["category_code"] for row in standard.seed("repair_categories") if row["counts_in_index"] == "true"
    ]
    with duck.connect(memory_limit=settings().duckdb_memory_limit) as connection:
        connection.execute(
            """
            create temp table latest as
            select * from (
                select report_id, version_at, reported_at, dispatched_at, first_response_at, closed_at, category_code,
                    request_type, department, status, row_number() over (
                    partition by report_id order by version_at desc, list_position($files, filename) desc
                ) as version_rank
                from read_parquet($files, filename = true, union_by_name = true)
                where version_at <= $now
            ) where version_rank = 1
            """,
            {"files": files, "now": now},
        )
        newest, dispatched, responded = connection.execute(
            "select max(version_at), count(dispatched_at) > 0, count(first_response_at) > 0 from latest"
        ).fetchall()[0]
        rows = connection.execute(
            """
            select report_id, department, reported_at, dispatched_at, first_response_at from latest
            where closed_at is null
                and coalesce(status, 'open') = 'open'
                and coalesce(request_type, 'repair') <> 'praise'
                and list_contains($counting, category_code)
                and reported_at <= $now
            order by report_id
            """,
            {"counting": counting, "now": now},
        )
        return rows.to_arrow_table().to_pylist(), newest, (dispatched, responded)
