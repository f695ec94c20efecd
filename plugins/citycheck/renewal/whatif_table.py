"""The effects of additions for a terminal: a table a level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from citycheck.renewal.whatif import LEVELS, Change, Effect, Standing

_NAMES = {
    "city": "全市 City",
    "county": "区县 County",
    "street": "街道 Street",
    "community": "社区 Community",
}
_HEADINGS = ("区域\nArea", "指数\nIndex", "指数区间\nIndex interval", "排名\nRank", "排名区间\nRank interval")
_COVERED, _NODES = "覆盖人口\nPeople covered", "维度与指标\nDimensions, indicators"


def lines(effects: Sequence[Effect], width: int) -> Iterator[str]:
    """The tables, line by line, and how many areas there are."""
    console = Console(width=width, color_system=None)
    for level in LEVELS:
        if rows := [one for one in effects if one.area_level == level]:
            with console.capture() as captured:
                console.print(_table(level, rows))
            yield from (line.rstrip() for line in captured.get().splitlines())
    yield (
        f"{len(effects)} 个区域有变化 area(s) would be another"
        if effects
        else "没有变化 Nothing would be another"
    )


def _table(level: str, effects: Sequence[Effect]) -> Table:
    table = Table(title=_NAMES[level], title_justify="left", box=box.SIMPLE, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold", justify="left" if heading == _HEADINGS[0] else "right")
    for heading in (_COVERED, _NODES):
        table.add_column(heading, overflow="fold")
    for one in effects:
        before, after = one.before, one.after
        table.add_row(
            one.area_name,
            _moved(_number(before.index), _number(after.index)),
            _moved(*(_between(_number(of.index_low), _number(of.index_high)) for of in (before, after))),
            _moved(_rank(before), _rank(after)),
            _moved(
                *(
                    _between(str(of.rank_low), str(of.rank_high)) if of.rank_low else "–"
                    for of in (before, after)
                )
            ),
            _differences(one.covered, 0),
            _differences(one.dimensions | one.indicators, 2),
        )
    return table


def _differences(changes: Mapping[str, Change], decimals: int) -> str:
    """By how much each is another; from and to where it had none or has none."""
    return "\n".join(
        f"{code} {one.after - one.before:+,.{decimals}f}"
        if one.before is not None and one.after is not None
        else f"{code} {_number(one.before)} → {_number(one.after)}"
        for code, one in sorted(changes.items())
        if code != "index"
    )


def _moved(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"


def _between(low: str, high: str) -> str:
    return "–" if low == high == "–" else f"{low}–{high}"


def _rank(standing: Standing) -> str:
    return "–" if standing.rank is None else str(standing.rank)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
