"""One digest a run and channel: what is new there is told once, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from citycheck.errors import BadInput, CitycheckError, SourceUnavailable
from citycheck.lake.landing import exclusive
from citycheck.notify.journal import Journal
from citycheck.notify.message import Message


class MayHaveArrived(CitycheckError):
    """The other side stopped answering when it may already have taken the message. Sending it again might say it twice."""


class Channel(Protocol):
    """A way to people: `deliver` raises `MayHaveArrived`, or another error of citycheck if it certainly did not arrive."""

    @property
    def id(self) -> str: ...

    def deliver(self, message: Message) -> None: ...


Compose = Callable[[int, Collection[str], Sequence[int]], Message]
"""The digest of a number, of new alarms, with the numbers of those before it that may not have arrived."""


@dataclass(frozen=True)
class Outcome:
    """What a run did on one channel."""

    channel: str
    state: Literal["nothing_new", "sent", "failed", "unknown"]
    number: int | None = None
    alarms: int = 0
    error: str | None = None


def send(
    folder: Path, channels: Sequence[Channel], alarms: Sequence[str], compose: Compose, made_at: datetime
) -> list[Outcome]:
    """Tell each channel the alarms that it was not told yet, in one digest; one run at a time.

    A channel that fails does not keep the others from theirs. Raises after all were tried: `SourceUnavailable` if
    trying again may help, else `BadInput`.
    """
    with exclusive(folder / ".lock"):
        outcomes = [_send(folder / channel.id, channel, alarms, compose, made_at) for channel in channels]
    failed = [(outcome, error) for outcome, error in outcomes if error is not None]
    if failed:
        told = " ".join(str(error) for _, error in failed)
        if all(isinstance(error, SourceUnavailable) for _, error in failed):
            raise SourceUnavailable(told)
        raise BadInput(told)
    return [outcome for outcome, _ in outcomes]


def _send(
    folder: Path, channel: Channel, alarms: Sequence[str], compose: Compose, made_at: datetime
) -> tuple[Outcome, CitycheckError | None]:
    journal = Journal(folder)
    told, doubtful = journal.told, journal.doubtful
    new = [alarm for alarm in dict.fromkeys(alarms) if alarm not in told]
    if not new and not doubtful:
        return Outcome(channel.id, "nothing_new"), None
    message = compose(journal.next_number, set(new), doubtful)
    number = journal.begin(new, doubtful, made_at.isoformat())
    try:
        channel.deliver(message)
    except MayHaveArrived as error:
        journal.end(number, "unknown")
        return Outcome(channel.id, "unknown", number, len(new), str(error)), None
    except CitycheckError as error:
        journal.end(number, "failed")
        return Outcome(channel.id, "failed", number, len(new), str(error)), error
    journal.end(number, "sent")
    return Outcome(channel.id, "sent", number, len(new)), None
