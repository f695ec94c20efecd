"""One half-year's delivery of the synthetic city, file by file."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

from citycheck.errors import BadInput
from citycheck.lake.files import telling_disk_full
from citycheck.period import HalfYear
from citycheck.sample import defects, facilities, figures, people, places, repairs, sites, streets, survey
from citycheck.sample.draws import FIRST_YEAR, HALF_YEARS, stream
from citycheck.sample.sheets import Planted, Sheet
from citycheck.sample.words import AREA_TYPES

SYNTHETIC = "SYNTHETIC.txt"
PLANTED = "planted_defects.csv"
NOTE = """合成数据 · Synthetic data

本文件夹中的全部内容（社区边界、楼栋、人口、小区、道路、物业信用、集体收入、设施、可用房屋与地块、问卷、工单、姓名、电话）均由程序随机生成，仅县（市、区）、街道和社区的名称与
代码真实存在。不反映任何真实社区、机构或个人的情况。

Everything in this folder is drawn at random by a program (half-year {half_year}, seed {seed}). Only the names
and codes of counties, streets and communities are real. It says nothing about any real community or person.

{planted} lists the defects that were planted on purpose.
"""


def generate(out: Path, half_year: HalfYear, seed: int = 330800) -> Path:
    """Write the delivery of one half-year to `out`, replacing what an earlier call wrote; returns `out`.

    The folders communities, facilities, survey and repair_reports hold what the sources send; beside them are
    SYNTHETIC.txt and planted_defects.csv (feed, table_name, key, reason_code, note). Coordinates are WGS84
    degrees, times are local (Asia/Shanghai). Raises `BadInput` for a half-year outside 2021H1 to 2030H2 and
    for a folder with something else in it.
    """
    t = 2 * (half_year.year - FIRST_YEAR) + half_year.half - 1
    if not 0 <= t < HALF_YEARS:
        raise BadInput(
            f"The synthetic city has no half-year {half_year}: expected {FIRST_YEAR}H1 to "
            f"{FIRST_YEAR + HALF_YEARS // 2 - 1}H2. Choose one of these."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (out / SYNTHETIC).is_file():
        raise BadInput(
            f"{out}: holds files that the generator did not write; expected an empty folder. Choose another."
        )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with telling_disk_full(out):
            _write(partial, half_year, seed, t)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write(out: Path, half_year: HalfYear, seed: int, t: int) -> None:
    city = places.build(seed)
    residents = people.build(seed, city, t)
    register = facilities.build(seed, city, residents, t)
    reach = facilities.within_reach(city, residents, register)
    answers = survey.build(seed, city, residents, reach, half_year, t)
    reports = repairs.build(seed, city, residents, half_year, t)
    network = streets.build(seed, city)

    buildings = Sheet(
        "communities/buildings.csv",
        "communities",
        "buildings",
        "楼栋编码",
        people.building_columns(city, residents),
    )
    estates = Sheet(
        "communities/estates.csv",
        "communities",
        "estates",
        "小区编码",
        people.estate_columns(city, residents),
    )
    edges = Sheet(
        "communities/streets.csv", "communities", "walking_edges", "路段编码", streets.columns(network)
    )
    credit = Sheet(
        "communities/property_credit.csv",
        "communities",
        "local_figures",
        "小区编码",
        figures.credit_columns(seed, residents, half_year, t),
    )
    income = Sheet(
        "communities/collective_income.csv",
        "communities",
        "local_figures",
        "社区编码",
        figures.income_columns(seed, city, half_year),
    )
    register_sheet = Sheet(
        "facilities/facilities.csv",
        "facilities",
        "facilities",
        "设施编码",
        facilities.columns(city, register),
    )
    site_sheet = Sheet(
        "facilities/sites.csv", "facilities", "candidate_sites", "点位编码", sites.columns(seed, city, t)
    )
    online = _survey_sheet(
        "survey/survey_online.csv", "utf-8", survey.columns(city, answers, half_year, on_paper=False)
    )
    paper = _survey_sheet(
        "survey/survey_paper.csv", "gb18030", survey.columns(city, answers, half_year, on_paper=True)
    )
    margins = Sheet(
        "communities/population.csv",
        "communities",
        "population_margins",
        "社区编码",
        people.margin_columns(seed, city, residents),
    )
    invitations = Sheet(
        "survey/invitations.csv",
        "survey",
        "survey_invitations",
        "社区编码",
        survey.invitation_columns(seed, city, answers, t),
    )
    months = [
        Sheet(f"repair_reports/{month}.csv", "repair_reports", "repair_reports", "工单编号", columns)
        for month, columns in repairs.month_columns(city, reports, half_year).items()
    ]
    defects.plant_in_buildings(buildings)
    defects.plant_in_estates(estates)
    defects.plant_in_streets(edges)
    defects.plant_in_facilities(register_sheet)
    defects.plant_off_the_streets(register_sheet, network, city.rows[network.lonely.unit]["street_name"])
    defects.plant_in_sites(site_sheet)
    defects.plant_in_survey(online, paper, half_year)
    defects.plant_in_repairs(months, half_year)

    units, planted = defects.plant_in_units(_unit_features(city))
    _write_json(out / defects.UNITS, units)
    planted += defects.off_the_network(network)
    sheets = (
        buildings,
        estates,
        edges,
        credit,
        income,
        margins,
        register_sheet,
        site_sheet,
        online,
        paper,
        invitations,
        *months,
    )
    for sheet in sheets:
        planted += sheet.write(out, stream(seed, "mix", sheet.path))
    _write_planted(out / PLANTED, planted)
    (out / SYNTHETIC).write_text(
        NOTE.format(half_year=half_year, seed=seed, planted=PLANTED), encoding="utf-8"
    )


def _survey_sheet(path: str, encoding: str, columns: dict[str, list[Any]]) -> Sheet:
    return Sheet(path, "survey", "survey_responses", "问卷编号", columns, encoding)


def _unit_features(city: places.Places) -> list[dict[str, Any]]:
    area_types = list(AREA_TYPES)
    features = []
    for row, ring, is_new in zip(city.rows, city.rings.tolist(), city.is_new.tolist(), strict=True):
        properties = {
            "社区编码": row["community_id"],
            "社区名称": row["community_name"],
            "街道编码": row["street_id"],
            "街道名称": row["street_name"],
            "县区编码": row["county_id"],
            "县区名称": row["county_name"],
            "片区类型": area_types[is_new],
        }
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return features


def _write_json(path: Path, features: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    head = '{"type": "FeatureCollection", "name": "社区单元（合成）", "features": [\n'
    path.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")


def _write_planted(path: Path, planted: list[Planted]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feed", "table_name", "key", "reason_code", "note"])
        writer.writerows((p.feed, p.table, p.key, p.reason, p.note) for p in planted)
