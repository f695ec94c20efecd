"""The release notes: what a version is, and what moved."""

from __future__ import annotations

import json
import shutil

import pytest

from citycheck.duck import connect
from citycheck.errors import BadInput
from citycheck.release import bundle
from citycheck.release.notes import FILE


def notes_of(build, provenance, folder, before=None):
    staged = bundle.stage(build.database, build.manifest, folder, provenance, before=before)
    zh, en = (staged / FILE).read_text(encoding="utf-8").split("\n---\n")
    return zh, en


def test_a_first_release_says_so(bundle_folder):
    text = (bundle_folder / FILE).read_text(encoding="utf-8")
    assert "The first release of this half-year." in text and "本半年期的首次发布。" in text
    assert "Against the version before" not in text
    assert "| 合成甲县 | ▲ +1.5 | 设施开办与关停 ▲ +2.0；居民问卷 ▼ −0.5 |" in text
    assert "- A synthetic gap" in text and "- survey\\_satisfaction" not in text
    assert "- survey_satisfaction: 2 of 4" in text
    assert "Synthetic data." in text


def test_the_announced_dates_are_told_in_both_languages(full_build, tmp_path):
    zh, en = notes_of(full_build, full_build.provenance, tmp_path / "1")
    assert (
        "- 2026H1 核实：2026-08-20 10:00 UTC+08:00（已改期）\n- 2026H1 最终：2026-12-28 09:30 UTC+08:00\n"
        in zh
    )
    assert "- 2026H1 verified: 2026-08-20 10:00 UTC+08:00 (changed)\n" in en
    assert "- 2026H2 preliminary: 2027-01-16 09:30 UTC+08:00\n\n## Warnings" in en


def test_without_announced_dates_there_is_no_calendar(full_build, tmp_path):
    del full_build.provenance["dates"]
    zh, en = notes_of(full_build, full_build.provenance, tmp_path / "1")
    assert "发布日程" not in zh and "calendar" not in en


def test_a_correction_tells_reason_and_what_moved(full_build, corrected, bundle_folder, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute("update marts.index_scores set index_score = 63.04, rank = 1 where area_id = 'C1'")
        connection.execute("update marts.index_scores set rank = 2 where area_id = 'C2'")
    corrected["inputs"] = [
        corrected["inputs"][0],
        {"feed": "facilities", "delivery": "d2", "warnings": ["面积 <1 m²"]},
    ]
    corrected["inputs"][0] = {**corrected["inputs"][0], "recipe": "r2"}
    corrected["standard_version"] = "0.2.0"
    corrected["gate_warnings"] = ["county_index: few rows"]
    zh, en = notes_of(full_build, corrected, tmp_path / "2", bundle_folder)
    assert "An error is put right. Responsible: Made by a program." in en
    assert "Reason: A \\<b\\>facility\\</b\\> was counted twice." in en
    assert "| County | 2 | 1 | 2 |" in en and "| 县（市、区） | 2 | 1 | 2 |" in zh
    assert "| County | 合成甲县 | 61.0 | 63.0 | ▲ +2.0 | 2 → 1 |" in en
    assert en.count("| County | 合成") == 1, "only what moved is listed"
    assert (
        "- Facilities: d1 → d2" in en
        and "- 公共服务设施：d1 → d2" in zh
        and "- Communities: d1 → d1 r2" in en
    )
    assert "- Standard: 0.1.0 → 0.2.0" in en
    assert "- Facilities: 面积 \\<1 m²\n- Gate: county\\_index: few rows" in en


def test_nothing_moved_is_said(full_build, corrected, bundle_folder, tmp_path):
    zh, en = notes_of(full_build, corrected, tmp_path / "2", bundle_folder)
    assert "The index of no area moved." in en and "The deliveries are the same." in en
    assert "没有任何区域的指数变动。" in zh and "送达的数据相同。" in zh


def test_without_the_version_before_nothing_is_compared(full_build, corrected, tmp_path):
    _, en = notes_of(full_build, corrected, tmp_path / "2")
    assert "Against the version before (1)" in en and "nothing is compared" in en


@pytest.mark.parametrize("lost", ["provenance.json", "tables/index_scores.parquet"])
def test_a_version_before_that_lost_a_file_is_one_sentence(full_build, corrected, tmp_path, lost):
    before = tmp_path / "1"
    bundle.stage(full_build.database, full_build.manifest, before, full_build.provenance)
    (before / lost).unlink()
    with pytest.raises(BadInput, match="cannot be read as the version before this one"):
        notes_of(full_build, corrected, tmp_path / "2", before)
    assert not (tmp_path / "2").exists()


def test_an_area_that_is_new_or_has_no_index_is_no_change_of_points(
    full_build, corrected, bundle_folder, tmp_path
):
    with connect(full_build.database) as connection:
        connection.execute(
            "insert into marts.index_scores (area_level, area_id, index_score, rank) values ('county', 'C9', 50, 3)"
        )
        connection.execute(
            "update marts.index_scores set index_score = null, rank = null where area_id = 'C2'"
        )
    _, en = notes_of(full_build, corrected, tmp_path / "2", bundle_folder)
    assert "| County | 3 | 2 | 2 |" in en and "The index of no area moved." not in en
    assert "With an index only in this version: C9." in en and "No longer with an index: 合成乙县." in en


def test_notes_do_not_hang_on_the_folder_of_the_version_before(
    full_build, corrected, bundle_folder, tmp_path
):
    shutil.copytree(bundle_folder, tmp_path / "elsewhere")
    here = notes_of(full_build, corrected, tmp_path / "2", bundle_folder)
    assert notes_of(full_build, corrected, tmp_path / "3", tmp_path / "elsewhere") == here
    provenance = json.loads((tmp_path / "3" / "provenance.json").read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(provenance)


def test_what_is_kept_back_one_by_one_is_counted_one_by_one(full_build, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute("delete from marts.survey_needs")
        connection.execute("alter table marts.survey_needs add column choice_suppression varchar")
        connection.execute(
            "insert into marts.survey_needs (area_level, area_id, need_code, choice_suppression) "
            "select 'street', 'S' || n, 'N01', "
            "case when n < 4 then 'withheld' end from range(9) as t(n)"
        )
    manifest = json.loads(full_build.manifest.read_text(encoding="utf-8"))
    columns = manifest["nodes"]["model.citycheck.survey_needs"]["columns"]
    columns["choice_suppression"] = {"name": "choice_suppression", "description": ""}
    full_build.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    zh, en = notes_of(full_build, full_build.provenance, tmp_path / "1")
    assert "- survey_needs (choice): 4 of 9\n" in en
    assert "- survey_needs (choice)：4 / 9\n" in zh


def test_a_half_year_that_nothing_compares_with_is_one_sentence(full_build, tmp_path):
    with connect(full_build.database) as connection:
        connection.execute(
            "update marts.index_changes set is_comparable = false, change = null, "
            "reason_zh = '没有发布', reason_en = 'Not released'"
        )
    zh, en = notes_of(full_build, full_build.provenance, tmp_path / "1")
    assert "There is no half-year before to compare with (2025H2: Not released)." in en
    assert "没有可对照的上一期（2025H2：没有发布）。" in zh and "合成甲县" not in zh
