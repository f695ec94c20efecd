"""What a profile may say under `matching:`."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from citycheck import standard
from citycheck.strict import Strict


class KindRules(Strict):
    """What differs for one kind of facility."""

    distance_max_m: float = Field(gt=0, le=2000)


class MatchRules(Strict):
    """When two rows of different sources are the same facility.

    The score is the weighted mean of the similarity of the names (0..1) and of the nearness (1 at the same place, 0 at
    `distance_max_m`). From `score_same` on two rows are the same, from `score_review` on a person should look.
    """

    prefer: list[str] = Field(default_factory=list)
    """Sources in the order in which their row is the one that counts; others follow by name."""
    distance_max_m: float = Field(150, gt=0, le=2000)
    """Rows further apart are not compared."""
    score_same: float = Field(0.82, gt=0, le=1)
    score_review: float = Field(0.55, gt=0, le=1)
    score_floor: float = Field(0.4, ge=0, le=1)
    """Pairs below it are not kept, not even as rejected."""
    name_same_min: float = Field(0.8, ge=0, le=1)
    """Names less similar than this are never the same by rule, however near."""
    name_weight: float = Field(0.8, ge=0)
    distance_weight: float = Field(0.2, ge=0)
    kinds: dict[str, KindRules] = Field(default_factory=dict)
    """By kind, such as F05: a school's grounds are large, and sources put their point in different corners."""

    @field_validator("kinds")
    @classmethod
    def kinds_exist(cls, value: dict[str, KindRules]) -> dict[str, KindRules]:
        known = standard.codes("facility_kinds", "kind_code")
        if unknown := [kind for kind in value if kind not in known]:
            raise ValueError(
                f"{', '.join(unknown)} is no kind of the standard; expected {known[0]} to {known[-1]}"
            )
        return value

    @model_validator(mode="after")
    def is_in_order(self) -> MatchRules:
        if not self.score_floor <= self.score_review <= self.score_same:
            raise ValueError("expected score_floor <= score_review <= score_same")
        if self.name_weight + self.distance_weight <= 0:
            raise ValueError("name_weight and distance_weight are both 0; expected at least one above it")
        if len(set(self.prefer)) < len(self.prefer):
            raise ValueError("prefer names a source twice; expected each once")
        return self

    def distance_max_of(self, kind: str) -> float:
        """Largest distance of a kind, metres."""
        return self.kinds[kind].distance_max_m if kind in self.kinds else self.distance_max_m

    def rank(self, source: str) -> tuple[int, str]:
        """Sorts sources by preference."""
        return (self.prefer.index(source) if source in self.prefer else len(self.prefer), source)
