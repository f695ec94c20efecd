"""Names of facilities: folded so that spelling does not matter, and compared so that the kind's own words do not count."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from rapidfuzz import fuzz

_DIGITS = {digit: str(value) for value, digit in enumerate("零一二三四五六七八九")} | {"〇": "0", "○": "0"}
_NUMERAL = re.compile(r"(?:零(?!售)|[〇○一二三四五六七八九十])+(?:百(?!货)[零〇○一二三四五六七八九十]*)?")
_ORDINALS = (
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
)
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
_WORDS = {word: str(value) for value, word in enumerate(_ORDINALS)} | _ROMAN
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")
_MARK = re.compile(r"\d+|(?<![a-z])[a-z](?![a-z])")
_HAN = r"[\u3400-\u9fff]"
_NEEDLESS = re.compile(rf"(?<={_HAN}) | (?={_HAN})")
# Administrative units at the beginning: 市 but not 超市, 区 but not 社区.
_UNITS = {
    "province": re.compile(r"^([\u4e00-\u9fff]{2,3}省)"),
    "city": re.compile(r"^([\u4e00-\u9fff]{2,3}(?<![超菜门夜早集])市)(?![场立民书])"),
    "district": re.compile(r"^([\u4e00-\u9fff]{1,3}(?<![社小园校片院景厂库街山新])[区县])(?!立)"),
    "street": re.compile(r"^([\u4e00-\u9fff]{2,4}(?:街道|[镇乡]))(?!卫)"),
}
_GENERIC_ONLY = 0.75
"""Similarity of names that hold nothing but words for the kind: not enough to be the same by rule."""
_CONTAINED = 0.92
"""Similarity of a name that is wholly part of the other."""


@dataclass(frozen=True)
class Name:
    """A name as it is compared. `core` has lost its administrative prefix and legal form, `own` also the brand and the
    words for the kind. `marks` are its numbers and single letters, sorted."""

    core: str
    own: str
    brand: str | None
    marks: tuple[str, ...]
    units: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Words:
    characters: dict[int, str]
    replace: list[tuple[re.Pattern[str], str]]
    drop: list[re.Pattern[str]]
    brands: re.Pattern[str]
    brand_of: list[str]
    generic: re.Pattern[str]
    opposites: list[frozenset[str]]
    parts: frozenset[str]


@lru_cache
def _words() -> _Words:
    written: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("words.yml").read_text("utf-8"))
    pairs = [pair for entry in written["characters"] for pair in entry["pairs"].split()]
    generic = sorted(written["generic"], key=len, reverse=True)
    return _Words(
        {ord(pair[0]): pair[1] for pair in pairs},
        [(re.compile(entry["match"]), entry["to"]) for entry in written["replace"]],
        [re.compile(entry["match"]) for entry in written["drop"]],
        re.compile(
            "|".join(f"({'|'.join(map(_arabic, aliases))})" for aliases in written["brands"].values())
        ),
        list(written["brands"]),
        re.compile("|".join(rf"\b{w}\b" if w.isascii() else _arabic(w) for w in generic)),
        [frozenset(group) for group in written["opposites"]],
        frozenset(written["parts"]),
    )


def fold(text: str) -> str:
    """NFKC, lower case, simplified characters, Arabic numbers, one blank between Latin words, no other signs."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_words().characters)
    text = re.sub(r"['’`]", "", text).replace("&", " and ")
    text = re.sub(r"[\W_]+", " ", text)
    text = _WORD.sub(lambda found: _WORDS[found[1]], _arabic(text))
    text = re.sub(r"\b(\d+)(st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"第(?= ?\d)|\bno (?=\d)|\bno(?=\d)|(?<=\d)号", "", text)
    text = re.sub(r"(?<!\d)0+(?=\d)", "", text)
    return _squeezed(text)


@lru_cache(1 << 17)
def parse(text: str) -> Name:
    """A name taken apart."""
    words = _words()
    core = fold(text)
    for pattern, to in words.replace:
        core = pattern.sub(to, core)
    core = _squeezed(core)
    for pattern in words.drop:
        core = _squeezed(pattern.sub(" ", core)) or core
    brand = None
    if found := words.brands.search(core):
        brand = words.brand_of[(found.lastindex or 1) - 1]
        core = _squeezed(f"{core[: found.start()]} {brand} {core[found.end() :]}")
    units = []
    for level, pattern in _UNITS.items():
        rest = pattern.sub("", core)
        if rest and rest != core and not words.generic.fullmatch(rest):
            units.append((level, core[: len(core) - len(rest)]))
            core = rest
    without_brand = core.replace(brand, " ") if brand else core
    own = _squeezed(words.generic.sub(" ", without_brand))
    return Name(core, own, brand, tuple(sorted(_MARK.findall(without_brand))), tuple(units))


def similarity(left: Name, right: Name) -> float:
    """How alike two names are, 0..1 and symmetric: 0.3 × whole names + 0.7 × what is their own.

    The whole and the own parts are compared with rapidfuzz's `ratio` or `token_sort_ratio`, whichever is higher; an own
    part that is wholly inside the other (a number, or at least two Chinese characters or four letters, and a third of it)
    counts 0.92.
    Where a name has nothing of its own (only "car park"), the names say little: at most 0.75, or 0.92 in one chain.
    """
    whole = _ratio(left.core, right.core)
    if not left.own or not right.own:
        if left.brand and left.brand == right.brand:
            return 1.0 if left.own == right.own else _CONTAINED
        return min(whole, _GENERIC_ONLY)
    if left.core == right.core:
        return 1.0
    own = _ratio(left.own, right.own)
    if _is_inside(left.own, right.own) or _is_inside(right.own, left.own):
        own = max(own, _CONTAINED)
        whole = max(whole, _CONTAINED)
    return 0.3 * whole + 0.7 * own


def conflict(left: Name, right: Name) -> str | None:
    """What in two names says that they are two facilities, however alike the rest is; None when nothing does."""
    ours, theirs = Counter(left.marks), Counter(right.marks)
    if ours - theirs and theirs - ours:
        return "numbers_differ"
    if left.brand and right.brand and left.brand != right.brand:
        return "brands_differ"
    there = dict(right.units)
    if any(there.get(level, unit) != unit for level, unit in left.units):
        return "districts_differ"
    for group in _words().opposites:
        ours_of, theirs_of = _members(group, left), _members(group, right)
        if ours_of - theirs_of and theirs_of - ours_of:
            return "opposites_differ"
    return None


def doubt(left: Name, right: Name) -> str | None:
    """What only one of two names says and what could make them two facilities: a person should look."""
    if left.marks != right.marks:
        return "number_on_one_side"
    if left.brand != right.brand and (left.own != right.own or not left.own):
        return "brand_on_one_side"
    if any((part in left.core) != (part in right.core) for part in _words().parts):
        return "part_on_one_side"
    return None


def _ratio(left: str, right: str) -> float:
    joined = fuzz.ratio(left.replace(" ", ""), right.replace(" ", ""))
    return max(joined, fuzz.token_sort_ratio(left, right)) / 100


def _is_inside(short: str, long: str) -> bool:
    if short.isdigit():
        return short in _MARK.findall(long)
    least = 4 if short.isascii() else 2
    if len(short.replace(" ", "")) < least or 3 * len(short) < len(long):
        return False
    if short.isascii():
        return set(short.split()) <= set(long.split())
    return short.replace(" ", "") in long.replace(" ", "")


def _members(group: frozenset[str], name: Name) -> set[str]:
    """Which of a group a name has: Latin words and single characters of its own, longer Chinese words anywhere."""
    return {
        word
        for word in group
        if (
            word in name.own.split()
            if word.isascii()
            else word in (name.own if len(word) == 1 else name.core)
        )
    }


def _squeezed(text: str) -> str:
    """One blank, and only between two words that are not Chinese."""
    text = " ".join(text.split())
    return _NEEDLESS.sub("", text) if " " in text else text


def _arabic(text: str) -> str:
    return _NUMERAL.sub(lambda found: _number(found[0]), text)


def _number(numeral: str) -> str:
    """三 → 3, 十二 → 12, 一百零五 → 105, 二〇一九 → 2019, 三八 → 38."""
    if "十" not in numeral and "百" not in numeral:
        return "".join(_DIGITS[sign] for sign in numeral)
    if re.fullmatch("(?:(.)?百)?[零〇○]?(?:([^十])?十)?([^十])?", numeral) is None:
        return "".join(_DIGITS.get(sign, sign) for sign in numeral)
    total, digit = 0, 0
    for sign in numeral:
        if sign in "十百":
            total += (digit or 1) * (10 if sign == "十" else 100)
            digit = 0
        else:
            digit = int(_DIGITS[sign])
    return str(total + digit)
