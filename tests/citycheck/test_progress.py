"""How work says how far it is."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import StringIO

import pytest
from rich.console import Console

from citycheck import progress, terminal
from citycheck.terminal import Bars


class Told:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.heard = []

    def begin(self, name, total):
        self.heard.append(("begin", name, total))

    def advance(self, by, total):
        self.heard.append(("advance", by, total))

    def end(self, *, failed):
        self.heard.append(("end", failed))

    def detail(self, line):
        self.heard.append(("detail", line))


@progress.step("inner", total=2)
def inner(fails=False):
    progress.advance()
    if fails:
        raise ValueError


def test_steps_lie_within_one_another_and_tell_when_they_fail():
    told = Told()
    with progress.told_to(told), suppress(ValueError), progress.step("outer"):
        inner()
        inner(fails=True)
    one = [("begin", "inner", 2), ("advance", 1, None)]
    assert told.heard == [("begin", "outer", None), *one, ("end", False), *one, ("end", True), ("end", True)]


def test_where_nobody_listens_only_details_are_printed(capsys):
    inner()
    progress.detail("for the log")
    assert capsys.readouterr().out == "for the log\n"


DBT = """
print('18:03:42  1 of 1 OK hook: citycheck.on-run-start.0 ...... [OK in 0.20s]')
print('18:03:42  1 of 7 START sql view model intermediate.a ..... [RUN]')
print('18:03:43  1 of 7 OK created sql view model intermediate.a  [OK in 0.13s]')
print('18:03:43  2 of 7 PASS not_null_a_x ....................... [PASS in 0.13s]')
print('18:03:43  3 of 7 ERROR creating sql table model marts.b .. [ERROR in 0.1s]')
raise SystemExit(3)
"""


def test_each_node_of_dbt_advances_and_its_lines_are_details():
    told = Told()
    with progress.told_to(told):
        status = progress.run_dbt([sys.executable, "-c", DBT], os.environ)
    assert status == 3
    assert [heard for heard in told.heard if heard[0] == "advance"] == [("advance", 1, 7)] * 3
    assert sum(heard[0] == "detail" for heard in told.heard) == 5


@pytest.mark.parametrize(("shown_seconds", "stays"), [(0.0, True), (60.0, False)])
def test_a_terminal_gets_a_bar_that_stays_when_it_took_long(monkeypatch, shown_seconds, stays):
    monkeypatch.setattr(terminal, "_SHOWN_SECONDS", shown_seconds)
    screen = StringIO()
    bars = Bars(Console(file=screen, force_terminal=True, width=80))
    with bars, progress.told_to(bars), progress.step("places", total=2):
        progress.advance(2)
        progress.detail("not for a screen")
    assert ("✓ places" in screen.getvalue()) == stays
    assert "not for a screen" not in screen.getvalue()


def test_elsewhere_there_is_no_bar_and_details_go_to_stderr(capsys):
    bars = Bars(Console(file=StringIO()))
    with bars, progress.told_to(bars):
        inner()
        progress.detail("for the log")
    assert capsys.readouterr() == ("", "for the log\n")
