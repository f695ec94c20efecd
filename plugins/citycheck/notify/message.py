"""A digest in Chinese and English, which every channel cuts to the length that it carries.

What a message holds is meant for a group chat: names of departments, codes and counts, nothing about a person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_NAME_CHARACTERS = 60
_ITEMS_OF_DATA = 200
"""Items of a section that the data of a message lists; the text of a channel lists fewer."""


class Both(NamedTuple):
    """The same in Chinese and in English."""

    zh: str
    en: str


@dataclass(frozen=True)
class Section:
    """What concerns one department: its name, a summary, and items of which the first are the most urgent."""

    name: str
    summary: Both
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """A title, facts that are never cut, and sections that are."""

    title: Both
    facts: tuple[Both, ...] = ()
    sections: tuple[Section, ...] = ()

    def text(self, limit_bytes: int) -> str:
        """The whole as plain text of at most so many bytes of UTF-8; what is left out is counted."""
        most = max((len(section.items) for section in self.sections), default=0)
        least = -1  # items a section that are known to fit
        low, high = 0, most
        while low <= high:
            middle = (low + high) // 2
            if _bytes(self._written(len(self.sections), middle)) <= limit_bytes:
                least, low = middle, middle + 1
            else:
                high = middle - 1
        if least >= 0:
            return self._written(len(self.sections), least)
        for sections in range(len(self.sections) - 1, -1, -1):
            written = self._written(sections, 0)
            if _bytes(written) <= limit_bytes:
                return written
        return self._written(0, 0).encode()[: limit_bytes - 3].decode(errors="ignore") + "…"

    def data(self) -> dict[str, Any]:
        """The same for machines: JSON with at most 200 items a section."""
        return {
            "title": self.title._asdict(),
            "facts": [fact._asdict() for fact in self.facts],
            "sections": [
                {
                    "name": section.name,
                    "summary": section.summary._asdict(),
                    "items": list(section.items[:_ITEMS_OF_DATA]),
                    "items_left_out": max(0, len(section.items) - _ITEMS_OF_DATA),
                }
                for section in self.sections
            ],
        }

    def _written(self, sections: int, items: int) -> str:
        lines = [self.title.zh, self.title.en, *(part for fact in self.facts for part in fact)]
        for section in self.sections[:sections]:
            lines += ["", f"【{section.name}】{section.summary.zh} · {section.summary.en}"]
            lines += section.items[:items]
            if (left := len(section.items) - items) > 0:
                lines.append(f"… 另有 {left} 项 · {left} more")
        if left := len(self.sections) - sections:
            lines += ["", f"… 另有 {left} 个部门 · {left} more departments"]
        return "\n".join(lines)


def tidy(name: str | None, unknown: str) -> str:
    """A name from a source as a message may show it: one short line; `unknown` where there is none."""
    shown = " ".join(_UNPRINTABLE.sub(" ", name or "").split())
    return (shown if len(shown) <= _NAME_CHARACTERS else shown[: _NAME_CHARACTERS - 1] + "…") or unknown


def _bytes(text: str) -> int:
    return len(text.encode())
