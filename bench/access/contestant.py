"""What a contestant's process tells of itself: seconds and processor seconds of each phase, most memory held, its answer."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Clock:
    """Seconds of `load` (parquet to memory), `set up` (indexes, graphs) and `query`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_s: dict[str, float] = {}
        self.notes: dict[str, Any] = {}
        """What the contestant knows better than its process does."""

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        clocks = ((self.seconds, time.perf_counter), (self.processor_s, time.process_time))
        started = [clock() for _, clock in clocks]
        yield
        for (told, clock), start in zip(clocks, started, strict=True):
            told[phase] = told.get(phase, 0.0) + clock() - start


def peak_mib(process: str = "self") -> float:
    """Most resident memory of this process since its start (unlike ru_maxrss not that of who started it)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


Contestant = Callable[[Path, Clock], Any]


def main(contestants: dict[str, Contestant]) -> None:
    """`python -m <module> <contestant> <folder>`; the last line of the output is what is told."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it has started is stopped too
    name, folder = sys.argv[1:3]
    clock = Clock()
    answer = contestants[name](Path(folder), clock)
    told = {
        "seconds": clock.seconds,
        "processor_s": clock.processor_s,
        "memory_mib": peak_mib(),
        "answer": answer,
        **clock.notes,
    }
    print()
    print(json.dumps(told))
