"""The base of everything that is read from a configuration file: unknown keys are mistakes, values do not change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    # What stands below a field says what it means: the published schema shows it.
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=False, use_attribute_docstrings=True
    )
