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
    "shortfalls": Words("条", "shortfalls"),
    "CNY_per_year": Words("元/年", "yuan a year"),
}
SHORTFALLS = {
    "undersized": Words("面积不足", "undersized"),
    "uncovered": Words("覆盖不足", "not within reach"),
    "closed": Words("停用", "closed"),
    "missing": Words("缺失", "missing"),
    "unverified": Words("待核", "unverified"),
}

PROJECT_STATUSES = {
    "proposed": Words("拟议", "proposed"),
    "reserve": Words("储备", "reserve"),
    "annual": Words("年度计划", "annual"),
    "under_way": Words("实施中", "under way"),
    "delivered": Words("已交付", "delivered"),
    "evaluated": Words("已评价", "evaluated"),
    "closed": Words("需求已消除", "need gone"),
    "dropped": Words("取消", "dropped"),
}
"""In the order of a project's life."""
SITES = {
    "vacant_room": Words("闲置用房", "vacant room"),
    "land": Words("空地", "land"),
    "co_location": Words("与社区中心合设", "in a service centre"),
    "reported": Words("报修所在处", "where it is reported"),
    "to_be_found": Words("选址待定", "to be found"),
}
SUPERVISIONS = {
    "overdue": Words("逾期", "overdue"),
    "stalled": Words("停滞", "stalled"),
    "without_effect": Words("交付未见效", "without effect"),
}
VERDICTS = {
    "as_predicted": Words("达到预计", "as predicted"),
    "less": Words("低于预计", "less than predicted"),
    "none": Words("未见效", "no effect"),
}
GOAL_STATUSES = {
    "reached": Words("已达成", "reached"),
    "on_course": Words("正常", "on course"),
    "behind": Words("滞后", "behind"),
    "not_known": Words("数据不足", "insufficient data"),
}
OBJECTIVES = {
    "index_points": Words("全市指数提高（分）", "Points of the city’s index"),
    "elders_covered": Words("新覆盖老年人（人次）", "Elders newly covered, once a kind"),
}


def unit(code: str) -> Words:
    return UNITS.get(code, Words(code, code))
