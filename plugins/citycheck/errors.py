"""What can go wrong, in one sentence each: which file, row or key; what was expected; what to do.

The DAGs retry `SourceUnavailable` and fail at once on everything else.
"""


class CitycheckError(Exception):
    """Base of all errors that citycheck raises on purpose; its text is meant for the operator."""


class BadInput(CitycheckError):
    """A file, a row, a parameter or a profile is not as it must be. Trying again does not help."""


class SourceUnavailable(CitycheckError):
    """A source did not answer, or answered that it is busy. Trying again may help."""


class NotReady(CitycheckError):
    """Something that must come first has not come yet."""


class NothingToDo(CitycheckError):
    """What was asked for is done already, or is not due yet. The DAGs skip the run."""


class GateFailed(CitycheckError):
    """A check of severity `error` failed: the data does not go on."""


class CheckCouldNotRun(CitycheckError):
    """A check raised an exception: nothing is known about the data, good or bad."""


class DiskFull(CitycheckError):
    """There is no space left where something had to be written."""
