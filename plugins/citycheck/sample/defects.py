"""Mistakes planted on purpose, each in a row of its own, so that the gate can be shown to find every kind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from citycheck.period import HalfYear
from citycheck.sample.draws import Array
from citycheck.sample.repairs import months
from citycheck.sample.sheets import Planted, Row, Sheet
from citycheck.sample.sites import BESIDE
from citycheck.sample.streets import Streets

UNITS = "communities/units.geojson"
EACH = 3
"""Rows a kind of defect and table."""
OUTSIDE = (121.55, 29.87)
"""A place that is not in Quzhou (Ningbo)."""
NO_SUCH_COMMUNITY = "330802777777"
BAD_UNIT = "330802999"
PLACES = {
    "out_of_city": "place in another city",
    "swapped_coordinates": "longitude and latitude exchanged",
    "zero_coordinates": "longitude and latitude 0",
}


class _Planter:
    """Copies rows of a sheet, each with a new key, and spoils them."""

    def __init__(self, sheet: Sheet, key: str, start: int = 0) -> None:
        self.sheet = sheet
        self.key = key
        """Format of new keys, with {n}."""
        self.number = start
        self.step = max(len(sheet) // 97, 1)

    def fresh(self) -> Row:
        """A copy of the next row, under a new key."""
        self.number += 1
        row = self.sheet.row(self.number * self.step % len(self.sheet))
        return row | {self.sheet.key: self.key.format(n=self.number)}

    def plant(self, reason: str, note: str, *changes: Row) -> None:
        """One row a change."""
        for change in changes:
            self.sheet.extra.append((self.fresh() | change, reason, note))

    def common(self, other: str, values: tuple[Any, Any]) -> None:
        """No key; the same row twice; two rows with one key that differ in the column `other`."""
        self.plant("missing_key", "no key", *[{self.sheet.key: ""}] * EACH)
        for _ in range(EACH):
            self.number += 1
            twin = self.sheet.row(self.number * self.step % len(self.sheet))
            self.sheet.extra.append((twin, "duplicate", "the same row twice"))
        for _ in range(EACH):
            row = self.fresh()
            self.sheet.extra.append(
                (row | {other: values[0]}, "key_conflict", f"two rows with this key differ in {other}")
            )
            self.sheet.extra.append((row | {other: values[1]}, "", ""))

    def places(self) -> None:
        for reason, note in PLACES.items():
            for _ in range(EACH):
                row = self.fresh()
                lon, lat = {
                    "out_of_city": OUTSIDE,
                    "swapped_coordinates": (row["纬度"] or 28.969, row["经度"] or 118.871),
                    "zero_coordinates": (0, 0),
                }[reason]
                self.sheet.extra.append((row | {"经度": lon, "纬度": lat}, reason, note))

    def unknown_community(self) -> None:
        self.plant(
            "unknown_community",
            f"no community has the code {NO_SUCH_COMMUNITY}",
            *[{"社区编码": NO_SUCH_COMMUNITY}] * EACH,
        )


def plant_in_buildings(sheet: Sheet) -> None:
    planter = _Planter(sheet, "330802000000B9{n:02d}")
    planter.common("户数", (7, 8))
    planter.places()
    planter.unknown_community()
    planter.plant(
        "bad_value",
        "text where a number belongs",
        {"常住人口": "约六百人"},
        {"经度": "东经118度"},
        {"常住人口": ""},
    )
    planter.plant("negative_number", "a count below 0", {"住宅套数": -40}, {"户数": -12}, {"户数": -1})
    for change in (1, 2, 25):
        row = planter.fresh()
        row["15-59岁"] += change
        sheet.extra.append(
            (row, "age_groups_do_not_add_up", f"the age groups differ from the residents by {change}")
        )
    crowd = {
        "常住人口": 1_000_000,
        "0-2岁": 0,
        "3-5岁": 0,
        "6-11岁": 0,
        "12-14岁": 0,
        "15-59岁": 800_000,
        "60岁及以上": 200_000,
    }
    planter.plant("implausible_size", "a million residents in one building", *[crowd] * EACH)


def plant_in_estates(sheet: Sheet) -> None:
    planter = _Planter(sheet, "330802000000X9{n:02d}")
    planter.common("住宅套数", (300, 310))
    planter.places()
    planter.unknown_community()
    planter.plant(
        "bad_value",
        "text where a number belongs",
        {"住宅套数": "三百余套"},
        {"纬度": "N28.97"},
        {"住宅套数": ""},
    )
    planter.plant(
        "unknown_code",
        "a word that no map covers",
        {"物业模式": "街道代管"},
        {"电动自行车充电": "待建"},
        {"物业模式": "其它"},
    )
    planter.plant("negative_number", "dwellings below 0", *[{"住宅套数": -60}] * EACH)
    planter.plant(
        "implausible_size", "five million dwellings in one estate", *[{"住宅套数": 5_000_000}] * EACH
    )


def plant_in_streets(sheet: Sheet) -> None:
    planter = _Planter(sheet, "LD330802999{n:02d}")
    planter.common("长度(米)", (110.0, 120.0))
    planter.plant(
        "bad_value",
        "text where a number belongs",
        {"长度(米)": "约百米"},
        {"长度(米)": "120m"},
        {"长度(米)": "?"},
    )
    planter.plant(
        "negative_number", "no length, or less", {"长度(米)": -120.0}, {"长度(米)": 0}, {"长度(米)": -0.5}
    )
    planter.plant("implausible_size", "as long as from here to the sea", *[{"长度(米)": 250_000.0}] * EACH)
    planter.plant(
        "invalid_geometry",
        "not one line",
        {"线形": ""},
        {"线形": "LINESTRING EMPTY"},
        {"线形": "LINESTRING (118.87 28.97, 118.87 28.97)"},
        {"线形": "MULTILINESTRING ((118.87 28.97, 118.871 28.97), (118.872 28.97, 118.873 28.97))"},
        {"线形": "POINT (118.87 28.97)"},
    )
    planter.plant("out_of_city", PLACES["out_of_city"], {"线形": "LINESTRING (121.55 29.87, 121.551 29.87)"})
    planter.plant(
        "out_of_city", PLACES["swapped_coordinates"], {"线形": "LINESTRING (28.97 118.87, 28.97 118.871)"}
    )
    planter.plant("out_of_city", "one end at 0, 0", {"线形": "LINESTRING (118.87 28.97, 0 0)"})


def plant_off_the_streets(register: Sheet, streets: Streets, street_name: str) -> None:
    """A small fitness site that operates, beside the loneliest building: no street is near."""
    lon, lat = streets.lonely.beside.tolist()
    row = dict.fromkeys(register.columns, None) | {
        "设施编码": "SSF179001",
        "设施名称": "合成室外健身活动场地9001",
        "设施类别": "室外健身活动场地",
        "业态细类": "",
        "所在街道": street_name,
        "经度": lon,
        "纬度": lat,
        "用地面积(平方米)": 90.0,
        "运营状态": "正常",
        "依托设施编码": "",
    }
    register.extra.append((row, "not_snapped", "no street is near; it stays, and the build tells"))


def off_the_network(streets: Streets) -> list[Planted]:
    """What the build must find about the network: the gate cannot see it, and nothing is quarantined."""
    return [
        Planted(
            "communities", "buildings", streets.lonely.building, "not_snapped", "no street is near; it stays"
        ),
        Planted(
            "communities", "walking_edges", min(streets.yard), "disconnected", "a yard without a way out"
        ),
    ]


def plant_in_facilities(sheet: Sheet) -> None:
    planter = _Planter(sheet, "SSF999{n:03d}")
    planter.common("设施名称", ("合成设施甲", "合成设施乙"))
    planter.places()
    planter.plant(
        "bad_value", "text where a number belongs", {"经度": "不详"}, {"纬度": "28°58′"}, {"经度": ""}
    )
    planter.plant(
        "unknown_code",
        "a word that no map covers",
        {"设施类别": "足浴店"},
        {"设施类别": "F21", "业态细类": ""},
        {"运营状态": "试营业"},
        {"设施类别": "便民商业网点", "业态细类": "宠物店"},
    )
    planter.plant(
        "negative_number",
        "a size below 0",
        {"建筑面积(平方米)": -350.0},
        {"用地面积(平方米)": -800.0},
        {"容量": -30},
    )
    planter.plant(
        "implausible_size", "a thousand hectares of floor", *[{"建筑面积(平方米)": 10_000_000.0}] * EACH
    )


def plant_in_sites(sheet: Sheet) -> None:
    """Besides, one piece of land outside every unit, which is no defect: it may serve the units beside it."""
    planter = _Planter(sheet, "KD999{n:03d}")
    planter.common("点位名称", ("合成点位甲", "合成点位乙"))
    planter.places()
    room = {"点位类型": "闲置用房", "建筑面积(平方米)": 350.0, "用地面积(平方米)": None}
    land = {"点位类型": "可用地块", "建筑面积(平方米)": None, "用地面积(平方米)": 1_500.0}
    planter.plant(
        "bad_value",
        "text where a number belongs, or no size",
        land | {"用地面积(平方米)": "两亩左右"},
        land | {"用地面积(平方米)": None},
        room | {"建筑面积(平方米)": None},
    )
    planter.plant("unknown_code", "a word that no map covers", {"点位类型": "临时板房"}, {"点位类型": "其它"})
    planter.plant(
        "negative_number",
        "a size or a cost below 0",
        room | {"建筑面积(平方米)": -90.0},
        {"取得费用(元)": -1},
    )
    planter.plant("implausible_size", "ten square kilometres of land", land | {"用地面积(平方米)": 1e7})
    planter.plant("", "", land | {"经度": BESIDE[0], "纬度": BESIDE[1]})


def plant_in_survey(online: Sheet, paper: Sheet, half_year: HalfYear) -> None:
    first, *_ = months(half_year)
    for sheet, letter in ((online, "X"), (paper, "Z")):
        planter = _Planter(sheet, f"WJ{half_year}{letter}9{{n:04d}}")
        planter.common("家庭人口数", (2, 3))
        planter.unknown_community()
        planter.plant(
            "bad_value", "no such moment", *[{"填答时间": f"{half_year.year}-13-45 99:00:00"}] * EACH
        )
        planter.plant(
            "unknown_code",
            "a word that no map covers",
            {"年龄段": "六旬"},
            {"性别": "未填"},
            {"住房性质": "借住"},
        )
        planter.plant("negative_number", "persons below 0", *[{"家庭人口数": -2}] * EACH)
        planter.plant(
            "outside_coverage",
            "answered before the sources began",
            {"填答时间": _moment(first, -9_000)},
            {"填答时间": _moment(first, -12_000)},
            {"填答时间": _moment(first, -20_000)},
        )
    planter = _Planter(online, f"WJ{half_year}X9{{n:04d}}", start=60)
    planter.plant(
        "unknown_code", "a word that no map covers", {"总体满意度_治理": "还行吧"}, {"需求重要度_停车": "急"}
    )
    planter = _Planter(paper, f"WJ{half_year}Z9{{n:04d}}", start=60)
    planter.plant(
        "rating_out_of_scale",
        "not on the scale of 1 to 5",
        {"总体满意度_养老": "6"},
        {"设施满意度_菜市场": "0"},
        {"需求重要度_停车": "7"},
    )


def plant_in_repairs(sheets: list[Sheet], half_year: HalfYear) -> None:
    """Spread over the six files: each file carries some of the defects, all of them together every one."""
    first, *_, last = months(half_year)
    planters = [_Planter(sheet, f"GD{half_year}9{i}{{n:04d}}") for i, sheet in enumerate(sheets)]
    for planter in planters[:2]:
        planter.common("责任部门", ("住建局", "水务公司"))
    planters[2].places()
    planters[2].unknown_community()
    planters[3].plant(
        "bad_value",
        "no such moment",
        {"上报时间": "昨天下午"},
        {"上报时间": ""},
        {"上报时间": f"{half_year.year}-02-30 08:00:00"},
    )
    planters[3].plant(
        "unknown_code", "a word that no map covers", {"类别": "野外探险"}, {"状态": "挂起"}, {"类别": "???"}
    )
    planters[4].plant(
        "rating_out_of_scale", "not on the scale of 1 to 5", {"评价": 0}, {"评价": 6}, {"评价": 99}
    )
    for days in (-9_000, -12_000, -20_000):
        row = planters[4].fresh()
        sheets[4].extra.append(
            (_shift_to(row, first, days), "outside_coverage", "reported before the sources began")
        )
    for event, earlier in (("办结时间", "closed"), ("首次回应时间", "answered"), ("分转时间", "dispatched")):
        row = planters[5].fresh()
        reported = np.datetime64(row["上报时间"].replace(" ", "T"))
        row |= {event: _text(reported - np.timedelta64(30, "h"))}
        sheets[5].extra.append((row, "time_order", f"{earlier} before it was reported"))
    for days in (20_000, 24_000, 28_000):
        planters[5].plant("future_time", "a version from the future", {"更新时间": _moment(last, days)})


def plant_in_units(features: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Planted]]:
    """The features with bad ones among them, and one of the real units with a border that crosses itself.

    One of each, not more: the gate lets 1 unit in 20 be bad before it stops.
    """
    bad: list[tuple[dict[str, Any], str, str]] = []

    def plant(
        reason: str, note: str, properties: Row | None = None, ring: Callable[[Array], Array] | None = None
    ) -> None:
        number = len(bad) + 101
        feature = copy.deepcopy(features[10 * len(bad)])
        feature["properties"] |= {"社区编码": f"{BAD_UNIT}{number}", "社区名称": f"合成社区{number}"} | (
            properties or {}
        )
        if ring is not None:
            border = np.array(feature["geometry"]["coordinates"][0])
            feature["geometry"]["coordinates"] = [np.round(ring(border), 6).tolist()]
        bad.append((feature, reason, note))

    plant("missing_key", "no key", {"社区编码": ""})
    plant("bad_value", "no name of the street", {"街道名称": ""})
    plant("unknown_code", "a word that no map covers", {"片区类型": "待定"})
    plant("out_of_city", PLACES["out_of_city"], ring=lambda border: border - border[0] + OUTSIDE)
    plant("out_of_city", PLACES["swapped_coordinates"], ring=lambda border: border[:, ::-1])
    plant("out_of_city", PLACES["zero_coordinates"], ring=lambda border: border - border[0])
    plant("invalid_geometry", "border collapsed to a line", ring=lambda border: border[[0, 1, 0, 1, 0]])
    plant("invalid_geometry", "no geometry")
    bad[-1][0]["geometry"] = None
    same = {"社区编码": f"{BAD_UNIT}901"}
    plant("key_conflict", "two units with this code differ in their name", same | {"社区名称": "合成社区甲"})
    plant("", "", same | {"社区名称": "合成社区乙"})
    bad.append((features[100], "duplicate", "the same unit twice"))

    mixed = [(feature, "", "") for feature in features]
    crossing = copy.deepcopy(features[3])
    crossing["geometry"]["coordinates"] = [_crossing(np.array(crossing["geometry"]["coordinates"][0]))]
    mixed[3] = (crossing, "repaired", "the border crosses itself; it is repaired and the unit stays")
    for place, entry in enumerate(bad):
        mixed.insert(13 * place + 5, entry)
    planted = [
        Planted(
            "communities",
            "communities",
            feature["properties"]["社区编码"] or f"{UNITS}:{number}",
            reason,
            note,
        )
        for number, (feature, reason, note) in enumerate(mixed, start=1)
        if reason
    ]
    return [feature for feature, *_ in mixed], planted


def _crossing(ring: Array) -> list[list[float]]:
    """Exchange two new points on the first side, a little inside, so that the border crosses itself once."""
    start, end = ring[0], ring[1]
    inward = (ring[:-1].mean(axis=0) - (start + end) / 2) * 0.06
    near, far = start + 0.4 * (end - start) + inward, start + 0.6 * (end - start) + inward
    crossed: list[list[float]] = np.round(np.vstack([ring[:1], far, near, ring[1:]]), 7).tolist()
    return crossed


def _shift_to(row: Row, first: Any, days: int) -> Row:
    """All times of a report moved together, so that it was reported `days` after the first day."""
    names = [name for name in row if name.endswith("时间") and row[name]]
    reported = np.datetime64(row["上报时间"].replace(" ", "T"))
    shift = first.astype("datetime64[s]") + np.timedelta64(days, "D") - reported
    return row | {name: _text(np.datetime64(row[name].replace(" ", "T")) + shift) for name in names}


def _moment(day: Any, days: int) -> str:
    return _text(day.astype("datetime64[s]") + np.timedelta64(days * 24 + 9, "h"))


def _text(moment: Any) -> str:
    return str(moment.astype("datetime64[s]")).replace("T", " ")
