"""What every command has in common: what citycheck says is wrong is told in one sentence, with exit status 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from rich.console import Console

from citycheck.errors import CitycheckError

console = Console(stderr=True)


def or_one_sentence(work: Callable[[], None]) -> None:
    """Do the work; what citycheck says is wrong is told in one sentence and exit status 1."""
    try:
        work()
    except CitycheckError as error:
        console.print(
            f"{type(error).__name__}: {error}", style="bold", highlight=False, markup=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped")
        os._exit(130)
