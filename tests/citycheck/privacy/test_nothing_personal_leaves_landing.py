"""After an ingest of files full of (synthetic) people, nothing of them is found anywhere but in landing.

Searched: every file and file name outside landing and the sources, parquet decoded; what was printed and logged; every
error. Names within a free text that no title or label announces are out of the scrubber's reach, and not planted.
"""

import csv
import logging
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
import yaml

from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, CitycheckError

MOMENT = datetime(2026, 7, 20, tzinfo=UTC)
HEADER = ["编号", "时间", "类别", "经度", "纬度", "姓名", "电话", "意见"]
PEOPLE = [
    (f"甄{given}", f"1390000{number:04d}")
    for number, given in enumerate(("无名", "虚构", "合成", "假设") * 25, 1000)
]
SECRETS = sorted({value for person in PEOPLE for value in person})


def report(number, name, phone, category="路灯", **other):
    return {
        "编号": f"R{number:04d}", "时间": f"2026-02-{1 + number % 28:02d} 08:00:00", "类别": category,
        "经度": "118.805", "纬度": "28.905", "姓名": name, "电话": phone,
        "意见": f"路灯编号330802-{number:05d}不亮，联系人：{name}，电话{phone[:3]}-{phone[3:7]} {phone[7:]}",
    } | other  # fmt: skip


def write(project, rows):
    with (project.files / "reports-2026H1.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)


def change_profile(project, change):
    path = project.root / "project" / "cities" / "town" / "profile.yml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    [table] = profile["feeds"]["repair_reports"]["tables"]
    change(table["columns"])
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
    load_city.cache_clear()


@pytest.fixture
def town(project):
    """The small city with people in its repair reports, one of whom stands in the wrong column."""
    rows = [report(number, *person) for number, person in enumerate(PEOPLE)]
    rows[7]["类别"] = rows[7]["电话"]
    write(project, rows)
    change_profile(
        project, lambda columns: columns.update(reporter_key={"from": "电话"}, description={"from": "意见"})
    )
    project.ingest("communities")
    return project


def found(folder, *, apart_from=()):
    """(file, value) of every personal value in a folder's files and in their names."""
    hits = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(other in path.parents for other in apart_from):
            continue
        if path.suffix == ".parquet":
            told = str(pq.read_table(path).to_pydict()) + str(pq.read_schema(path).metadata)
        else:
            raw = path.read_bytes()
            told = (
                raw.decode("utf-8", "ignore")
                + raw.decode("gb18030", "ignore")
                + raw.decode("utf-16", "ignore")
            )
        told = (path.name + told).replace("-", "").replace(" ", "")
        hits += [(str(path.relative_to(folder)), value) for value in SECRETS if value in told]
    return hits


def leaks(project):
    return found(project.root, apart_from=(project.home.landing, project.files))


def test_nothing_personal_is_found_after_an_ingest(town, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    town.ingest("repair_reports")
    assert {value for _, value in found(town.home.landing)} == set(SECRETS)
    assert leaks(town) == []
    assert not [value for value in SECRETS if value in caplog.text + "".join(capfd.readouterr())]


def test_a_phone_number_in_a_column_of_numbers_stays_in_landing(town):
    rows = [report(number, *person) for number, person in enumerate(PEOPLE)]
    rows[8]["经度"] = rows[8]["电话"]
    write(town, rows)
    town.ingest("repair_reports")
    assert leaks(town) == []


def test_what_may_be_kept_is_kept(town):
    town.ingest("repair_reports")
    [path] = town.home.lake.glob("accepted/repair_reports/2026H1/*.parquet")
    rows = pq.read_table(path, columns=["report_id", "reporter_key", "description"]).to_pylist()
    assert len({row["reporter_key"] for row in rows}) == len(rows) > 90
    for row in rows:
        assert len(row["reporter_key"]) == 32
        assert (
            row["description"] == f"路灯编号330802-0{row['report_id'][1:]}不亮，联系人：[name]，电话[phone]"
        )


def test_a_row_of_another_shape_is_told_without_its_values(town, capfd, caplog):
    path = town.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8") + f"R9999,{PEOPLE[0][0]},{PEOPLE[0][1]}\n", "utf-8")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BadInput, match=r"reports-2026H1\.csv") as told:
        town.ingest("repair_reports")
    assert not [
        value for value in SECRETS if value in str(told.value) + caplog.text + "".join(capfd.readouterr())
    ]
    assert leaks(town) == []


def test_a_gate_that_stops_the_feed_tells_no_values(town, capfd, caplog):
    write(town, [report(number, *person, category=person[1]) for number, person in enumerate(PEOPLE)])
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CitycheckError) as told:
        town.ingest("repair_reports")
    assert not [
        value for value in SECRETS if value in str(told.value) + caplog.text + "".join(capfd.readouterr())
    ]
    assert leaks(town) == []


def test_the_search_finds_a_profile_that_lets_people_through(town):
    change_profile(town, lambda columns: columns.update(report_id={"from": "电话"}))
    town.ingest("repair_reports")
    assert {value for _, value in leaks(town)} >= {phone for _, phone in PEOPLE[10:]}
