"""What a candidate is to become: which version, of which kind and stage, from when it may be read, and why.

It is frozen with the inputs of a build but is not part of its identity: the same inputs make the same marts,
whatever number they are published under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast

from citycheck.errors import BadInput

RELEASE_CALENDAR = "release_calendar.csv"
"""In the folder of a city: changes of announced dates. Figures do not hang on them, so they are no part of what builds."""
Kind = Literal["initial", "scheduled_revision", "correction"]
"""First version; later data at an announced date; an error put right at once."""
KINDS: tuple[Kind, ...] = ("initial", "scheduled_revision", "correction")


@dataclass(frozen=True)
class Published:
    """A version that is out: what a later one is compared with and follows."""

    half_year: str
    version: int
    fingerprint: str
    is_withdrawn: bool = False
    """When the one after it was frozen."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Publication:
    """One version of a half-year before it is published. `release_at` is ISO 8601 with an offset, or None: at once."""

    half_year: str
    version: int
    kind: Kind
    stage: str
    release_at: str | None = None
    reason_zh: str | None = None
    reason_en: str | None = None
    responsible: str | None = None
    """Whose error a correction puts right: a source of the profile, `citycheck`, or the city."""
    supersedes: Published | None = None
    """The version of this half-year before this one."""
    compared_with: Published | None = None
    """What drift is measured against: the version before this one, else the half-year before."""
    earlier: tuple[Published, ...] = ()
    """Every version of this and earlier half-years that is out when this one is frozen, oldest first."""
    is_preview: bool = False
    """Frozen before its cut-off: to be looked at, never to be published."""

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Publication:
        """What `as_json` wrote."""
        published = {
            name: written[name] and Published(**written[name]) for name in ("supersedes", "compared_with")
        }
        return replace(
            cls(**{**written, "earlier": ()}),
            **cast(dict[str, Any], published),
            earlier=tuple(Published(**entry) for entry in written["earlier"]),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Raise `BadInput` when a correction does not say what was wrong and whose error it was."""
        if self.kind not in KINDS:
            raise BadInput(
                f"{self.half_year}: {self.kind!r} is no kind of version; expected {', '.join(KINDS)}."
            )
        lacking = [name for name in ("reason_zh", "reason_en", "responsible") if not getattr(self, name)]
        if self.kind == "correction" and lacking:
            raise BadInput(
                f"{self.half_year}: a correction says what was wrong and whose error it was; {', '.join(lacking)} is missing. "
                "Give it with the run."
            )

    def may_be_out(self, now: datetime) -> bool:
        """Whether its announced time has come."""
        return self.release_at is None or datetime.fromisoformat(self.release_at) <= now


@dataclass(frozen=True)
class Decision:
    """What a person said to a candidate, and to which bytes: `candidate` is the SHA-256 of its SHA256SUMS."""

    is_approved: bool
    decided_by: str
    """The user as the system that asked knows them; never a name that it does not know."""
    decided_at: str
    reason: str
    candidate: str

    @property
    def told(self) -> str:
        """In a line."""
        did = "approved" if self.is_approved else "rejected"
        return f"{did} by {self.decided_by} at {self.decided_at}" + (
            f": {self.reason}" if self.reason else ""
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
