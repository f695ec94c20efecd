from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import shapely
from shapely.geometry import shape

from citycheck.errors import BadInput
from citycheck.period import HalfYear
from citycheck.sample import generate
from citycheck.sample.words import AGE_GROUPS, KINDS, NEEDS, OUTLETS, STORES

Rows = list[dict[str, str]]
Clean = Callable[[str, str], Rows]
WRITTEN = "%Y-%m-%d %H:%M:%S"


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hours_between(row: dict[str, str], start: str, end: str) -> float:
    gap = datetime.strptime(row[end], WRITTEN) - datetime.strptime(row[start], WRITTEN)
    return gap / timedelta(hours=1)


def test_same_seed_gives_the_same_bytes(delivery: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", HalfYear(2026, 1))
    assert fingerprints(again) == fingerprints(delivery)


def test_another_seed_gives_another_city(delivery: Path, tmp_path: Path) -> None:
    other = fingerprints(generate(tmp_path / "other", HalfYear(2026, 1), seed=1))
    here = fingerprints(delivery)
    assert other.keys() == here.keys()
    assert not set(other.values()) & set(here.values())


def test_files_are_those_of_the_source_systems(delivery: Path, next_delivery: Path) -> None:
    months = [f"repair_reports/2026-{month:02}.csv" for month in range(1, 7)]
    assert sorted(fingerprints(delivery)) == sorted(
        [
            "SYNTHETIC.txt",
            "planted_defects.csv",
            "communities/units.geojson",
            "communities/buildings.csv",
            "communities/estates.csv",
            "communities/streets.csv",
            "communities/property_credit.csv",
            "communities/collective_income.csv",
            "communities/population.csv",
            "facilities/facilities.csv",
            "facilities/sites.csv",
            "survey/survey_online.csv",
            "survey/survey_paper.csv",
            "survey/invitations.csv",
            *months,
        ]
    )
    assert sorted(path.name for path in (next_delivery / "repair_reports").iterdir())[0] == "2026-07.csv"
    assert "合成数据" in (delivery / "SYNTHETIC.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("half_year", [HalfYear(2021, 1), HalfYear(2030, 2)])
def test_first_and_last_half_year_can_be_made_alone(half_year: HalfYear, tmp_path: Path) -> None:
    out = generate(tmp_path / "new" / str(half_year), half_year)
    assert len(list(out.glob("repair_reports/*.csv"))) == 6


@pytest.mark.parametrize("half_year", [HalfYear(2020, 2), HalfYear(2031, 1)])
def test_half_year_outside_the_range_is_refused(half_year: HalfYear, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2021H1 to 2030H2"):
        generate(tmp_path / "out", half_year)
    assert not list(tmp_path.iterdir())


def test_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(BadInput, match="did not write"):
        generate(tmp_path / "mine", HalfYear(2026, 1))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "letter.txt"]


def test_earlier_delivery_is_replaced(tmp_path: Path) -> None:
    generate(tmp_path / "out", HalfYear(2026, 1))
    generate(tmp_path / "out", HalfYear(2026, 2))
    assert not (tmp_path / "out" / "repair_reports" / "2026-01.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_age_groups_sum_to_the_residents(clean: Clean) -> None:
    buildings = clean("communities/buildings.csv", "楼栋编码")
    assert all(sum(int(row[group]) for group in AGE_GROUPS) == int(row["常住人口"]) for row in buildings)
    assert all(int(row["户数"]) <= int(row["住宅套数"]) for row in buildings)
    elders = sum(int(row["60岁及以上"]) for row in buildings) / sum(int(row["常住人口"]) for row in buildings)
    assert 0.12 < elders < 0.28


def test_units_have_the_size_of_the_design(clean: Clean) -> None:
    buildings = [
        row
        for row in clean("communities/buildings.csv", "楼栋编码")
        if not row["楼栋编码"].startswith("330802000000")
    ]
    count = Counter(row["社区编码"] for row in buildings)
    residents: Counter[str] = Counter()
    for row in buildings:
        residents[row["社区编码"]] += int(row["常住人口"])
    assert len(count) == 133
    assert all(55 <= number <= 120 for number in count.values())
    assert all(4_000 <= number <= 9_000 for number in residents.values())


def test_estates_hold_the_dwellings_of_their_buildings(clean: Clean) -> None:
    buildings = clean("communities/buildings.csv", "楼栋编码")
    estates = clean("communities/estates.csv", "小区编码")
    in_buildings: Counter[str] = Counter()
    in_estates: Counter[str] = Counter()
    for row in buildings:
        in_buildings[row["社区编码"]] += int(row["住宅套数"])
    for row in estates:
        in_estates[row["社区编码"]] += int(row["住宅套数"])
    assert in_estates == in_buildings
    assert {row["物业模式"] for row in estates} == {"专业接管", "社区托管", "业主自管", "无物业"}
    assert all(row["小区名称"].startswith("合成小区") for row in estates)


def test_facilities_cover_the_twenty_kinds(clean: Clean) -> None:
    facilities = clean("facilities/facilities.csv", "设施编码")
    assert 2_300 <= len(facilities) <= 2_800
    assert {row["设施类别"] for row in facilities} == set(KINDS.values())
    assert {row["运营状态"] for row in facilities} == {"正常", "停用", "在建"}
    subtypes = {kind: {r["业态细类"] for r in facilities if r["设施类别"] == kind} for kind in KINDS.values()}
    assert subtypes[KINDS["F15"]] == set(STORES)
    assert subtypes[KINDS["F19"]] == set(OUTLETS)
    assert all(row["设施名称"].startswith("合成") for row in facilities)


def test_housed_facilities_stand_where_their_host_stands(clean: Clean) -> None:
    facilities = {row["设施编码"]: row for row in clean("facilities/facilities.csv", "设施编码")}
    housed = [row for row in facilities.values() if row["依托设施编码"]]
    assert len(housed) > 100
    for row in housed:
        host = facilities[row["依托设施编码"]]
        assert (row["经度"], row["纬度"]) == (host["经度"], host["纬度"])


def test_facilities_keep_their_place_and_change_their_state(clean: Clean, next_delivery: Path) -> None:
    before = {row["设施编码"]: row for row in clean("facilities/facilities.csv", "设施编码")}
    with (next_delivery / "facilities" / "facilities.csv").open(encoding="utf-8", newline="") as file:
        after = {
            row["设施编码"]: row for row in csv.DictReader(file) if not row["设施编码"].startswith("SSF999")
        }
    common = sorted(before.keys() & after.keys() - {""})
    common = [key for key in common if not key.startswith("SSF999")]
    assert len(common) > 2_300
    fixed = ("设施名称", "设施类别", "业态细类", "经度", "纬度")
    assert all(before[key][column] == after[key][column] for key in common for column in fixed)
    moves = Counter((before[key]["运营状态"], after[key]["运营状态"]) for key in common)
    assert moves["在建", "正常"] and moves["正常", "停用"] and moves["停用", "正常"]
    area = "建筑面积(平方米)"
    grown = [key for key in common if before[key][area] and before[key][area] != after[key][area]]
    assert grown
    assert all(float(after[key][area]) > float(before[key][area]) for key in grown)


def test_sites_are_spread_over_the_communities(clean: Clean, features: list[dict[str, Any]]) -> None:
    sites = clean("facilities/sites.csv", "点位编码")
    by_type = Counter(row["点位类型"] for row in sites)
    assert set(by_type) == {"闲置用房", "可用地块"}
    assert all(number > 30 for number in by_type.values())
    assert all(row["点位名称"].startswith("合成") for row in sites)
    assert 0.1 < sum(not row["取得费用(元)"] for row in sites) / len(sites) < 0.3
    units = shapely.STRtree([shape(f["geometry"]).buffer(0) for f in features if f["geometry"]])
    places = shapely.points([(float(row["经度"]), float(row["纬度"])) for row in sites])
    found, unit = units.query(places, predicate="within")
    outside = [row["点位编码"] for i, row in enumerate(sites) if i not in set(found.tolist())]
    assert len(outside) == 1
    assert outside[0].startswith("KD999")
    assert len(set(unit.tolist())) > 80


def test_sites_keep_their_place_while_they_are_listed(clean: Clean, next_delivery: Path) -> None:
    before = {row["点位编码"]: row for row in clean("facilities/sites.csv", "点位编码")}
    with (next_delivery / "facilities" / "sites.csv").open(encoding="utf-8", newline="") as file:
        after = {row["点位编码"]: row for row in csv.DictReader(file)}
    stay = [key for key in before.keys() & after.keys() if not key.startswith("KD999")]
    assert stay
    assert all(before[key] == after[key] for key in stay)
    assert before.keys() - after.keys() and after.keys() - before.keys()


def test_buildings_keep_their_place(clean: Clean, next_delivery: Path) -> None:
    before = {row["楼栋编码"]: row for row in clean("communities/buildings.csv", "楼栋编码")}
    with (next_delivery / "communities" / "buildings.csv").open(encoding="utf-8", newline="") as file:
        after = {row["楼栋编码"]: row for row in csv.DictReader(file)}
    stay = [key for key in before if not key.startswith("330802000000")]
    assert all(key in after for key in stay)
    assert all(
        (before[key]["经度"], before[key]["纬度"]) == (after[key]["经度"], after[key]["纬度"]) for key in stay
    )


def test_every_unit_has_at_least_a_hundred_answers(clean: Clean) -> None:
    answers = clean("survey/survey_*.csv", "问卷编号")
    count = Counter(row["社区编码"] for row in answers)
    assert len(count) == 133
    assert all(100 <= number <= 190 for number in count.values())


def test_survey_holds_the_whole_questionnaire(rows: Callable[[str], Rows]) -> None:
    online, paper = rows("survey/survey_online.csv"), rows("survey/survey_paper.csv")
    assert list(online[0]) == list(paper[0])
    prefixes = Counter(name.split("_")[0] for name in online[0] if "_" in name)
    assert prefixes == {"总体满意度": 8, "设施满意度": 20, "需求重要度": len(NEEDS), "报事报修": 3}
    assert all(
        row["姓名"].startswith("合成受访者") and row["手机号"].startswith("000-") for row in online + paper
    )
    words = {row["总体满意度_卫生"] for row in online}
    assert words == {"很满意", "满意", "一般", "不满意", "很不满意", "不清楚"}
    assert {row["总体满意度_卫生"] for row in paper} == {"1", "2", "3", "4", "5", "9"}


def test_people_are_more_content_where_more_is_provided(clean: Clean) -> None:
    answers = clean("survey/survey_online.csv", "问卷编号")

    def content(county: str) -> float:
        known = [r["总体满意度_文化"] for r in answers if r["社区编码"].startswith(county)]
        known = [word for word in known if word != "不清楚"]
        return sum(word in ("满意", "很满意") for word in known) / len(known)

    shares = {
        county: content(county) for county in ("330802", "330803", "330822", "330824", "330825", "330881")
    }
    assert max(shares, key=shares.__getitem__) == "330802"
    assert all(0.45 < share < 0.92 for share in shares.values())


def test_reports_have_versions_that_only_grow(clean: Clean) -> None:
    versions = clean("repair_reports/*.csv", "工单编号")
    by_report: dict[str, Rows] = {}
    for row in versions:
        by_report.setdefault(row["工单编号"], []).append(row)
    assert 55_000 <= len(by_report) <= 66_000
    several = [group for group in by_report.values() if len(group) > 1]
    assert len(several) > 1_000
    for group in several:
        assert len({row["更新时间"] for row in group}) == len(group)
        first, last = group[0], group[-1]
        assert first["更新时间"] < last["更新时间"]
        assert (first["上报时间"], first["渠道"], first["类别"]) == (
            last["上报时间"],
            last["渠道"],
            last["类别"],
        )
        assert all(
            last[event] == first[event] for event in ("分转时间", "首次回应时间", "办结时间") if first[event]
        )


def test_reports_are_handled_as_in_the_field(clean: Clean) -> None:
    latest = {row["工单编号"]: row for row in clean("repair_reports/*.csv", "工单编号")}.values()
    dispatch = [hours_between(row, "上报时间", "分转时间") for row in latest if row["分转时间"]]
    assert 1 < median(dispatch) < 8
    assert 0.85 < sum(hours <= 24 for hours in dispatch) / len(dispatch) < 0.96
    closed = [row for row in latest if row["状态"] == "已办结"]
    assert 0.40 < sum(bool(row["评价"]) for row in closed) / len(closed) < 0.50
    by_hour = Counter(row["上报时间"][11:13] for row in latest)
    assert by_hour["09"] > 8 * by_hour["03"]
    assert all(row["原工单编号"] < row["工单编号"] for row in latest if row["原工单编号"])
    assert sum(bool(row["原工单编号"]) for row in latest) > 1_000
