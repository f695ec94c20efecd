"""What every command has in common: results on stdout, as text or JSON; how far it is and what is wrong on stderr.

What citycheck says is wrong is told in one sentence, with exit status 1.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from citycheck import progress
from citycheck.errors import BadInput, CitycheckError

console = Console(stderr=True)

CityOption = Annotated[str | None, typer.Option(help="A folder of cities/; by default CITYCHECK_CITY.")]


def _half_year(text: str | None) -> str | None:
    from citycheck.period import HalfYear

    try:
        return text and str(HalfYear.parse(text))
    except BadInput as error:
        raise typer.BadParameter(str(error)) from None


HalfYearArgument = Annotated[str, typer.Argument(help="Such as 2026H1.", callback=_half_year)]
HalfYearOption = Annotated[
    str | None, typer.Option(help="By default the latest that is published.", callback=_half_year)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]

RUN = "Run 运行"
FEEDS = "Feeds 数据"
RELEASE = "Release 发布"
DESK = "Desk 分析"
STANDARD = "Standard 标准"
_SHOWN_SECONDS = 1.0
"""What is done sooner leaves no line."""


def known(city: str | None) -> str:
    """The city that is meant. Raises `BadInput` when there is none of that name."""
    from citycheck.cities.profile import load_city
    from citycheck.settings import settings

    city = city or settings().city
    load_city(city)
    return city


def examples(*commands: str) -> str:
    """The end of a command's help."""
    return "\n\n".join(["Examples 示例", *(f"[cyan]$ {escape(command)}[/]" for command in commands)])


def or_one_sentence(work: Callable[[], None]) -> None:
    """Do the work, and tell how far it is; what citycheck says is wrong is told in one sentence and exit status 1."""
    try:
        with Bars(console) as bars, progress.told_to(bars):
            work()
    except CitycheckError as error:
        console.print(
            f"{type(error).__name__}: {error}", style="bold", highlight=False, markup=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped")
        os._exit(130)


def tell(as_json: bool, result: object, *lines: str) -> None:
    """A result: as JSON, or in lines for people."""
    if as_json:
        print(json.dumps(plain(result), ensure_ascii=False, indent=2, allow_nan=False))
    elif lines:
        print("\n".join(lines))


def plain(value: object) -> Any:
    """What JSON can hold: moments by ISO 8601, bytes in hexadecimal, no number that is none."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case dict():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple() | set():
            return [plain(inner) for inner in value]
        case date() | datetime() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
    return str(value)


@dataclass
class Bars:
    """A bar a step on a terminal; elsewhere only what belongs in a log, on stderr. Results never mix with either."""

    console: Console
    _bars: Progress | None = None
    _steps: list[TaskID] = field(default_factory=list)

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, name: str, total: int | None) -> None:
        if not self.console.is_terminal:
            return
        if self._bars is None:
            self._bars = Progress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=self.console,
                redirect_stdout=False,
            )
            self._bars.start()
        self._steps.append(self._bars.add_task("  " * len(self._steps) + name, total=total))

    def advance(self, by: int, total: int | None) -> None:
        if self._bars is not None and self._steps:
            if total is not None:
                self._bars.update(self._steps[-1], total=total)
            self._bars.advance(self._steps[-1], by)

    def end(self, *, failed: bool) -> None:
        if self._bars is None or not self._steps:
            return
        step = self._steps.pop()
        [bar] = [task for task in self._bars.tasks if task.id == step]
        if (bar.elapsed or 0) < _SHOWN_SECONDS:
            self._bars.remove_task(step)
        elif failed:
            self._bars.stop_task(step)
        else:
            self._bars.update(step, total=bar.total or 1, completed=bar.total or 1)
        if not self._steps:  # what is printed next stands under the bars
            self._bars.live.transient = not self._bars.tasks
            self._bars.stop()
            self._bars = None

    def detail(self, line: str) -> None:
        if not self.console.is_terminal:
            print(line, file=sys.stderr)
