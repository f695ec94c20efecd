"""What codes are called on the pages, in both languages."""

from __future__ import annotations

from citycheck.release.about import Words

INDEX = Words("社区体检指数", "Community index")
REPORTS = Words("每千人报事报修件数", "Repair reports per 1,000 residents")
UNITS = {
    "pct": Words("%", "%"),
    "m2_per_100_households": Words("平方米/百户", "m² per 100 households"),
    "m2_per_resident": Words("平方米/人", "m² per resident"),
    "places_per_1000": Words("个/千人", "places per 1,000"),
    "beds_per_1000": Words("张/千人", "beds per 1,000"),
    "types": Words("种", "types"),
    "points": Words("分", "points"),
    "CNY_per_year": Words("元/年", "yuan a year"),
}
SHORTFALLS = {
    "undersized": Words("面积不足", "undersized"),
    "uncovered": Words("覆盖不足", "not within reach"),
    "closed": Words("停用", "closed"),
    "missing": Words("缺失", "missing"),
    "unverified": Words("待核", "unverified"),
}


def unit(code: str) -> Words:
    return UNITS.get(code, Words(code, code))
