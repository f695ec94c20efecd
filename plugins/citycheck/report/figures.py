"""How numbers are written, here and in the scripts of the page: rounded half up, thousands apart, a true minus."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal


def rounded(value: float, digits: int = 1) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def scaled(values: Iterable[float | None], digits: int = 1) -> list[int | None]:
    """Rounded values as whole numbers of their last digit, such as 62.04 → 620: short, and rounded only once."""
    return [None if value is None else int(rounded(value, digits).scaleb(digits)) for value in values]


def number(value: float | None, digits: int = 1) -> str:
    """A number as it is printed; an en dash for none."""
    if value is None:
        return "–"
    of = rounded(value, digits)
    return f"{of or abs(of):,f}".replace("-", "−")


def change(value: float | None) -> str:
    """A change since the half-year before, with its direction."""
    if value is None:
        return "–"
    return {0: "＝ ", 1: "▲ +", -1: "▼ −"}[direction(value)] + number(abs(value))


def direction(value: float) -> int:
    """1 up, -1 down, 0 no change at the precision that is printed."""
    return 0 if number(abs(value)) == "0.0" else 1 if value > 0 else -1


def size(value: int) -> str:
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{max(value / 1e3, 0.1):.1f} kB"
