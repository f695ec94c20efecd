"""Never the same alarm twice, and none lost, whatever dies in between."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycheck.errors import BadInput, SourceUnavailable
from citycheck.notify import digest, journal
from citycheck.notify.digest import MayHaveArrived
from citycheck.notify.message import Both, Message, Section

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Killed(BaseException):
    """As SIGKILL: nobody catches it."""


class Line:
    """A channel that takes what it gets, or does as it is told; `arrived` holds (number, alarms, digests told of)."""

    def __init__(self, name: str = "line") -> None:
        self.id = name
        self.arrived: list[tuple[int, tuple[str, ...], tuple[int, ...]]] = []
        self.behaviour = "takes"

    def deliver(self, message: Message) -> None:
        if self.behaviour == "refuses":
            raise BadInput("refused")
        if self.behaviour == "is_busy":
            raise SourceUnavailable("busy")
        if self.behaviour == "loses_and_hangs":
            raise MayHaveArrived("no answer")
        number, doubtful = int(message.title.zh), message.title.en
        self.arrived.append(
            (number, message.sections[0].items, tuple(int(n) for n in doubtful.split(",") if n))
        )
        if self.behaviour == "takes_and_hangs":
            raise MayHaveArrived("no answer")


def compose(number, keys, doubtful) -> Message:
    return Message(
        Both(str(number), ",".join(map(str, doubtful))),
        (),
        (Section("x", Both("", ""), tuple(sorted(keys))),),
    )


def send(folder: Path, lines, alarms):
    return digest.send(folder, lines, alarms, compose, NOW)


def test_an_alarm_is_told_once(tmp_path):
    line = Line()
    assert [o.state for o in send(tmp_path, [line], ["a", "b", "a"])] == ["sent"]
    assert [o.state for o in send(tmp_path, [line], ["b", "a"])] == ["nothing_new"]
    assert [(o.number, o.alarms) for o in send(tmp_path, [line], ["c", "a"])] == [(2, 1)]
    assert line.arrived == [(1, ("a", "b"), ()), (2, ("c",), ())]


@pytest.mark.parametrize(("behaviour", "error"), [("refuses", BadInput), ("is_busy", SourceUnavailable)])
def test_what_did_not_arrive_is_told_again(tmp_path, behaviour, error):
    line = Line()
    line.behaviour = behaviour
    with pytest.raises(error):
        send(tmp_path, [line], ["a"])
    line.behaviour = "takes"
    send(tmp_path, [line], ["a", "b"])
    assert line.arrived == [(2, ("a", "b"), ())]


@pytest.mark.parametrize("behaviour", ["takes_and_hangs", "loses_and_hangs"])
def test_what_may_have_arrived_is_not_repeated_but_named(tmp_path, behaviour):
    line = Line()
    line.behaviour = behaviour
    assert [o.state for o in send(tmp_path, [line], ["a"])] == ["unknown"]
    line.behaviour, line.arrived = "takes", []
    send(tmp_path, [line], ["a"])
    send(tmp_path, [line], ["a"])  # it is named once
    assert line.arrived == [(2, (), (1,))]


def test_a_channel_that_fails_does_not_keep_the_others_from_theirs(tmp_path):
    bad, good = Line("bad"), Line("good")
    bad.behaviour = "is_busy"
    with pytest.raises(SourceUnavailable):
        send(tmp_path, [bad, good], ["a"])
    bad.behaviour = "takes"
    send(tmp_path, [bad, good], ["a"])
    assert (len(bad.arrived), len(good.arrived)) == (1, 1)


def test_a_refusal_outweighs_a_busy_channel(tmp_path):
    """Trying again at once helps only if it may help every channel that failed."""
    busy, refusing = Line("busy"), Line("refusing")
    busy.behaviour, refusing.behaviour = "is_busy", "refuses"
    with pytest.raises(BadInput, match="busy refused"):
        send(tmp_path, [busy, refusing], ["a"])


def test_a_damaged_journal_stops_the_run_instead_of_telling_all_again(tmp_path):
    line = Line()
    send(tmp_path, [line], ["a"])
    (tmp_path / "line" / "000001.json").write_text("{")
    with pytest.raises(BadInput, match="Restore it"):
        send(tmp_path, [line], ["a"])
    assert len(line.arrived) == 1


def test_two_runs_at_once_tell_an_alarm_once(tmp_path):
    line, alarms = Line(), [f"a{n}" for n in range(20)]
    runs = [threading.Thread(target=send, args=(tmp_path, [line], alarms[:n])) for n in (20, 5, 15, 20)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    told = [alarm for _, items, _ in line.arrived for alarm in items]
    assert sorted(told) == sorted(alarms)


class Bomb:
    """Kills the run at the given step: before or after the journal is written, before or after the message is taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, line: Line, at: int | None) -> None:
        self.steps, self.at = 0, at
        write, deliver = journal.write_json, line.deliver

        def around(work):
            def step(*arguments):
                self.tick()
                work(*arguments)
                self.tick()

            return step

        monkeypatch.setattr(journal, "write_json", around(write))
        monkeypatch.setattr(line, "deliver", around(deliver))

    def tick(self) -> None:
        if self.steps == self.at:
            raise Killed
        self.steps += 1


STEPS = 6  # before and after: begin, deliver, end


def test_the_bomb_reaches_every_step(tmp_path, monkeypatch):
    line = Line()
    bomb = Bomb(monkeypatch, line, None)
    send(tmp_path, [line], ["a"])
    assert bomb.steps == STEPS


RUNS = st.lists(
    st.tuples(
        st.sets(st.sampled_from("abcdef")),
        st.sampled_from(["takes", "takes", "refuses", "is_busy", "takes_and_hangs", "loses_and_hangs"]),
        st.none() | st.integers(0, STEPS - 1),
    ),
    max_size=8,
)


@given(RUNS, st.sets(st.sampled_from("abcdef")))
@settings(max_examples=150, deadline=None)
def test_the_law_of_the_journal(runs, last):
    line = Line()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for alarms, behaviour, at in runs:
            line.behaviour = behaviour
            with pytest.MonkeyPatch.context() as patch:
                Bomb(patch, line, at)
                with contextlib.suppress(Killed, BadInput, SourceUnavailable):
                    send(folder, [line], sorted(alarms))
        line.behaviour = "takes"
        send(folder, [line], sorted(last))
        written = journal.Journal(folder / line.id)
        told = [alarm for _, alarms, _ in line.arrived for alarm in alarms]
        assert len(told) == len(set(told)), "an alarm arrived twice"
        named = {number for _, _, doubtful in line.arrived for number in doubtful}
        silent = {
            alarm
            for number, about in written._digests.items()
            if number in named
            for alarm in about["alarms"]
        }
        assert last <= set(told) | silent, "an alarm was lost, and no digest says so"
        assert written.doubtful == []
        arrived = {number for number, _, _ in line.arrived}
        assert all(
            number in arrived or number in named or about["state"] == "failed"
            for number, about in written._digests.items()
        )
