"""A bucket on loopback, and processes that die beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from citycheck.errors import BadInput

SERVER = Path(__file__).parent / "citycheck" / "release" / "s3_server.py"
LOGIN, SECRET = "acc3ss-k3y", "t0p-s3cr3t-k3y"


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server with the bucket `city`, in a process of its own, so that this one can be forked."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        requests.put(f"{address}/city", timeout=30).raise_for_status()
        yield address
    finally:
        server.kill()
        server.wait()


def forked(work: Callable[[], object]) -> int:
    """Start `work` in a forked process and return its id. It ends with 0, or with 3 after `BadInput`."""
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(300)  # a child that hangs must not hang the tests
        work()
        os._exit(0)
    except BadInput:
        os._exit(3)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def ended(child: int) -> int:
    """How a forked process ended: its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
