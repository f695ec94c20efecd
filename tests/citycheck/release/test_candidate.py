"""What an approver reads: short, true to the staged bundle, and never markup of others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citycheck.release import candidate
from citycheck.release.publication import Publication, Published

NAUGHTY = "县|[x](https://example.org) <b>www.example.org a@example.org</b>\n# *all*"
PROVENANCE = {
    "city_name_zh": "衢州",
    "city_name_en": "Quzhou",
    "is_synthetic": True,
    "cut_off": "2026-07-16T00:00:00+08:00",
}
FIRST = Publication("2026H1", 1, "initial", "preliminary", "2026-07-16T09:30:00+08:00")
CORRECTION = Publication(
    "2026H1", 2, "correction", "preliminary", None, "更正了床位", "beds were corrected", "city",
    supersedes=Published("2026H1", 1, "a" * 64),
)  # fmt: skip


def county(area_id: str, name: str, score: float | None, rank: int | None, **more: Any) -> dict[str, Any]:
    low, high = (None, None) if score is None else (score - 5, score + 7)
    return {
        "area_id": area_id, "area_name": name, "index_score": score, "rank": rank, "index_low": low, "index_high": high,
        "index_change": None, "band_zh": "中", **more,
    }  # fmt: skip


COUNTIES = [county("1", "甲县", 60.04, 2, index_change=-1.25), county("2", "乙县", 70.5, 1, index_change=0.5)]


def bundle(folder: Path, publication: Publication = FIRST, **tables: list[dict[str, Any]]) -> Path:
    (folder / "tables").mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({**PROVENANCE, "publication": publication.as_json()}))
    for name, rows in ({"county_index": COUNTIES} | tables).items():
        pq.write_table(pa.Table.from_pylist(rows), folder / "tables" / f"{name}.parquet")
    return folder


def read(staged: Path, before: Path | None = None, warnings: tuple[str, ...] = ()) -> candidate.Summary:
    return candidate.summary(
        staged, before=before, warnings=warnings, where={"page": "pages/a b", "Data Docs": "docs/<x>.html"}
    )


def rows_of(body: str, title: str) -> list[list[str]]:
    """The cells of the table below a title, without its head."""
    part = body.split(title, 1)[1].split("###", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_ranking_with_interval_and_change_best_first(tmp_path):
    told = read(bundle(tmp_path / "staged"))
    assert rows_of(told.body, "Ranking") == [
        ["1", "乙县", "70.5", "65.5–77.5", "+0.5", "中"],
        ["2", "甲县", "60.0", "55.0–67.0", "-1.2", "中"],
    ]
    assert "衢州 2026H1 第 1 版（首次发布，初步）待批准" in told.subject
    assert "Quzhou version 1 (first release, preliminary) waits for approval" in told.subject
    assert "合成数据 synthetic data" in told.body
    assert "2026\\-07\\-16 09\\:30 UTC\\+08\\:00" in told.body
    assert "Against version" not in told.body


def test_no_county_with_enough_data_is_said(tmp_path):
    body = read(bundle(tmp_path / "staged", county_index=[county("1", "甲县", None, None)])).body
    assert "No county has enough data for a rank" in body
    assert rows_of(body, "Ranking") == []


def test_a_later_version_tells_which_counties_moved_and_why_it_is(tmp_path):
    before = bundle(tmp_path / "before")
    moved = [county("1", "甲县", 71.0, 1), county("2", "乙县", 70.52, 2), county("3", "丙县", 50.0, 3)]
    staged = bundle(tmp_path / "staged", CORRECTION, county_index=moved)
    body = read(staged, before).body
    assert rows_of(body, "Against version 1") == [
        ["甲县", "60.0 → 71.0", "2 → 1"],
        ["乙县", "70.5 → 70.5", "1 → 2"],
        ["丙县", "– → 50.0", "– → 3"],
    ]
    assert "更正了床位 · beds were corrected" in body
    assert "whose error: city" in body
    assert "No county's index or rank moved" in read(bundle(tmp_path / "same", CORRECTION), before).body


def test_the_causes_of_each_county_the_strongest_first(tmp_path):
    def cause(area_id: str, code: str, points: float, **other: str) -> dict[str, Any]:
        row = {"area_level": "county", "area_id": area_id, "comparison": "previous", "node_code": "index"}
        return row | {"indicator_code": "GOV-1", "cause_code": code, "points": points} | other

    causes = [
        cause("1", "survey", 0.3),
        cause("1", "facilities", -1.0),
        cause("1", "survey", 0.3, indicator_code="GOV-2"),
        cause("1", "reports", 0.01),
        cause("1", "data", 9.0, node_code="GOV"),
        cause("1", "data", 9.0, comparison="year_ago"),
        cause("1", "data", 9.0, area_level="street"),
    ]
    body = read(bundle(tmp_path / "staged", index_change_causes=causes)).body
    assert "- 甲县: 设施开办与关停 Facilities -1.0, 居民问卷 Survey +0.6\n" in body
    assert "- 乙县" not in body


def test_counts_of_what_is_quarantined_and_withheld_and_the_findings_of_drift(tmp_path):
    quarantine = [
        {"feed": "survey", "table_name": "t", "reason_code": "bad_value", "rows": 1200},
        {"feed": "survey", "table_name": "u", "reason_code": "bad_value", "rows": 34},
        {"feed": "survey", "table_name": "u", "reason_code": "missing_key", "rows": 5},
    ]

    def drift(measure: str, finding: str | None, **more: Any) -> dict[str, Any]:
        row = {"measure_type": measure, "area_level": "city", "area_id": "c", "subject_code": "survey"}
        row |= {"value_before": 100.0, "value_now": 40.0, "change_pct": None, "change_points": None}
        return row | {"finding": finding} | more

    drifts = [
        drift("rows", "warn", change_pct=-60.0),
        drift("score", "error", area_level="county", area_id="1", subject_code="index", change_points=-60.0),
        drift("rows", None),
        drift("indicator", "warn", value_now=None),
    ]
    cells = [{"conf_status": status} for status in ("F", "A", "D", "F")]
    body = read(
        bundle(
            tmp_path / "staged",
            quarantine_summary=quarantine,
            release_drift=drifts,
            survey_satisfaction=cells,
        ),
        warnings=("county_index: too few",),
    ).body
    assert "Quarantined rows: 1,239\n\nbad\\_value 1,234, missing\\_key 5" in body
    assert [
        line.replace("\\", "") for line in body.split("Drift from the last release: 3")[1].splitlines()[2:5]
    ] == [
        "- error: score index 甲县: 100 → 40, -60.0 points",
        "- warn: indicator survey: 100 → –",
        "- warn: rows survey: 100 → 40, -60.0 %",
    ]
    assert "Suppressed values: 2\n\nsurvey\\_satisfaction 2" in body
    assert "Warnings of the gate: 1\n\n- county\\_index\\: too few" in body


def test_long_lists_are_cut_and_counted(tmp_path):
    many = [county(str(n), f"{n}县", 50.0, n) for n in range(1, 41)]
    body = read(
        bundle(tmp_path / "staged", county_index=many), warnings=tuple(f"w{n}" for n in range(15))
    ).body
    assert len(rows_of(body, "Ranking")) == 30
    assert "10 more" in body.split("Ranking")[1].split("###")[0]
    assert "5 more" in body.split("Warnings of the gate: 15")[1].split("###")[0]


@pytest.mark.parametrize("where", ["name", "warning", "reason"])
def test_text_of_others_is_never_markup(tmp_path, where):
    counties = [county("1", NAUGHTY, 60.0, 1)] if where == "name" else COUNTIES
    publication = (
        CORRECTION if where != "reason" else Publication(**{**vars(CORRECTION), "reason_en": NAUGHTY})
    )
    body = read(
        bundle(tmp_path / "staged", publication, county_index=counties),
        warnings=(NAUGHTY,) if where == "warning" else (),
    ).body
    assert "example" in body
    [line] = [line for line in body.splitlines() if "example" in line]
    assert not set("[]()<>*#/") & set(re.sub(r"\\.", "", line))
    assert not re.search(r"(https?://|www\.|@)[-.\w]", line.replace("\\", "")), (
        "the UI would make a link of it"
    )
    if where == "name":
        assert len(re.split(r"(?<!\\)\|", line)) == 8


def test_where_there_is_more_to_read_is_linked(tmp_path):
    body = read(bundle(tmp_path / "staged")).body
    assert "- [page](<pages/a b>)\n- [Data Docs](<docs/%3Cx%3E.html>)\n" in body
