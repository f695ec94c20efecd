"""How long work says how far it is, without knowing who listens: nobody in a task of Airflow, a bar on a terminal.

with progress.step("verify", total=bytes):
    progress.advance(len(block))
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    """Who is told. Steps may lie within one another; what advances is the innermost."""

    def begin(self, name: str, total: int | None) -> None: ...

    def advance(self, by: int, total: int | None) -> None:
        """`total` where it is known only by now."""

    def end(self, *, failed: bool) -> None: ...

    def detail(self, line: str) -> None:
        """A line that belongs in a log."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Whoever works within is heard by `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def step(name: str, total: int | None = None) -> Iterator[None]:
    """A part of the work, with how much there is to do where that is known; also a decorator."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    listener.begin(name, total)
    failed = True
    try:
        yield
        failed = False
    finally:
        listener.end(failed=failed)


def advance(by: int = 1, total: int | None = None) -> None:
    """So much more of the step is done."""
    if (listener := _listener.get()) is not None:
        listener.advance(by, total)


def detail(line: str) -> None:
    """A line for the log: printed where nobody listens."""
    if (listener := _listener.get()) is not None:
        listener.detail(line)
    else:
        print(line)


_NODE_DONE = re.compile(r"\b(\d+) of (\d+) (?!START)[A-Z]+ (?!hook)")
"""How dbt tells that a node is done, whatever became of it."""


def run_dbt(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run dbt, whose lines are details and whose nodes advance the step; its exit status."""
    if _listener.get() is None:
        return subprocess.run(command, env=environment, check=False).returncode
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as process:
        for line in process.stdout or ():
            detail(line.rstrip())
            if done := _NODE_DONE.search(line):
                advance(1, int(done[2]))
    return process.returncode
