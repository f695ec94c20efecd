"""A profile tried on a few rows: what is shown, what is kept to itself, and that nothing stays behind. All synthetic."""

import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from citycheck import cli_city
from citycheck.cities.check import Example, check, written
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import open311

HEADER = "编号,时间,类别,经度,纬度,评价,联系电话\n"
ROWS = (
    "A1,2026-03-01 08:00:00,路灯,118.87,28.97,5,13800000001\n"
    "A2,2026-03-01 09:00:00,飞碟,118.88,28.98,不评价,13800000002\n"
    "A3,2026-03-01 10:00:00,飞碟,118.89,28.99,4.5,13800000003\n"
)
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def tried(town, **options):
    [table] = check(town.city(), town.sources, received_at=NOW, **options)
    return table


def column(table, name):
    return next(c for c in table.columns if c.name == name)


def test_each_column_is_shown_before_and_after(town):
    town.send(HEADER + ROWS)
    table = tried(town)
    assert (table.rows, table.files, table.file, table.rows_out_of_scope) == (3, 1, "reports.csv", 0)
    assert column(table, "reported_at").examples[0] == Example("2026-03-01 08:00:00", "2026-03-01 00:00:00")
    rating = column(table, "rating")
    assert rating.examples == (Example("5", "5"), Example("不评价", None), Example("4.5", None))
    assert (round(rating.null_share, 3), rating.errors) == (0.667, {"bad_value": 1})
    assert table.not_taken == ("联系电话",)


def test_texts_that_no_map_covers_come_as_lines_that_can_be_pasted(town):
    town.send(HEADER + ROWS)
    table = tried(town)
    [text] = column(table, "category_code").unmapped
    assert (text.text, text.rows) == ("飞碟", 2)
    town.columns["category_code"]["values"] |= yaml.safe_load(text.line)
    assert column(tried(town), "category_code").unmapped == ()
    assert "1 texts become '?'" in tried(town).problems[0]


@pytest.mark.parametrize(
    "text", ["路灯", "a: b", "#1", "yes", "12", "it's", 'say "x"', "- x", "a #b", "1,2", "{x}", "No", "~"]
)
def test_a_text_is_written_so_that_yaml_reads_it_back(text):
    assert yaml.safe_load(f"{written(text)}: 1") == {text: 1}
    assert yaml.safe_load(f"{{from: {written(text)}}}") == {"from": text}


def test_parts_of_a_list_are_told_one_by_one(town):
    table_map = town.table
    table_map["table"] = "survey_responses"
    town.written["feeds"] = {"survey": {"tables": [table_map]}}
    table_map["columns"] = {
        "response_id": {"from": "编号"},
        "community_id": {"value": "C1"},
        "answered_at": {"from": "时间"},
        "channel": {"value": "paper"},
        "top_needs": {"from": "类别", "separator": ";", "values": {"停车": "N19"}},
    }
    town.send(
        HEADER + "A1,2026-03-01 08:00:00,停车;飞碟;,1,1,1,1\nA2,2026-03-01 08:00:00,飞碟;火箭,1,1,1,1\n"
    )
    unmapped = column(tried(town), "top_needs").unmapped
    assert [(u.text, u.rows) for u in unmapped] == [("飞碟", 2), ("火箭", 1)]


def test_a_protected_column_is_never_shown_as_the_source_has_it(town):
    town.columns["reporter_key"] = {"from": "联系电话"}
    town.columns["asset_id"] = {"from": "联系电话"}  # by another way
    town.send(HEADER + ROWS)
    table = tried(town)
    shown = column(table, "reporter_key")
    assert {example.before for example in shown.examples} == {None}
    assert all(len(example.after or "") == 32 for example in shown.examples)
    assert {example.before for example in column(table, "asset_id").examples} == {None}
    assert "1380000000" not in str(shown)


def test_rows_out_of_scope_and_only_the_first_rows(town):
    town.table["only"] = {"类别": ["路灯"]}
    town.send(HEADER + ROWS)
    assert (tried(town).rows, tried(town).rows_out_of_scope) == (3, 2)
    assert (tried(town, rows=2).rows, tried(town, rows=2).rows_out_of_scope) == (2, 1)


def test_a_missing_column_does_not_hide_the_others(town):
    town.columns["rating"] = {"from": "评分"}
    town.columns["status"] = {"from": "?"}
    town.send(HEADER + ROWS)
    table = tried(town)
    assert any(told.startswith("rating: the file has no column '评分'") for told in table.problems)
    assert any(told.startswith("status: nobody has said yet") for told in table.problems)
    assert column(table, "report_id").null_share == 0


def test_encoding_and_delimiter_are_told_where_the_profile_leaves_them_open(town):
    town.table.update(encoding="auto", delimiter="auto")
    town.send((HEADER + ROWS).replace(",", ";").encode("gb18030"))
    assert (tried(town).encoding, tried(town).delimiter) == ("gb18030", ";")


def test_a_guard_is_evaluated_over_the_rows_read(town):
    town.table["corrections"] = [
        {
            "reason": "swapped",
            "swap": ["经度", "纬度"],
            "guard": {"column": "经度", "between": [20, 30], "share_min": 0.5},
        }
    ]
    town.send(HEADER + ROWS)
    table = tried(town)
    assert (table.guards[0].share, table.guards[0].holds) == (0, False)
    assert "fits only 0.0% of the rows read" in table.problems[-1]


def test_a_file_that_is_broken_is_one_sentence_about_its_entry(town):
    town.send(b"\xff\xfe\xff")
    assert "is not utf-8" in tried(town).problems[-1]


def test_a_source_without_its_files_is_told(town):
    assert "has no file like '*.csv'" in tried(town).problems[-1]


def test_pinned_files_are_not_downloaded_unless_asked(town):
    town.written["sources"]["hotline"] |= {"pinned": "files.csv", "hosts": ["127.0.0.1"]}
    (town.sources / "hotline").rmdir()
    town.folder.joinpath("files.csv").write_text(
        "source,path,address,sha256\nhotline,a.csv,http://127.0.0.1:9/a.csv,0\n"
    )
    table = tried(town)
    assert (table.problems, table.file) == ((), "a.csv")
    assert "only on request" in table.notes[0]


def test_a_source_with_a_protocol_is_asked_for_one_day_in_a_folder_that_goes(town, monkeypatch, tmp_path):
    source = town.written["sources"]["hotline"]
    del source["folder"]
    source |= {"open311": {"address": "https://example.org/open311"}, "hosts": ["example.org"]}
    town.table.update(format="open311", files="*")
    town.columns.clear()
    town.columns.update(report_id={"from": "id"}, category_code={"value": "noise"})
    town.columns.update(version_at={"from": "at"}, reported_at={"from": "at"})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def fetch(config, ask, out: Path) -> None:
        seen.append((ask.start, ask.end, out, out.parents[1].stat().st_mode & 0o777))
        out.joinpath("requests.json").write_text('[{"id": "1", "at": "2026-01-01 08:00:00"}]')

    monkeypatch.setattr(open311, "fetch", fetch)
    monkeypatch.setattr(open311, "columns", lambda file: ["id", "at"])
    monkeypatch.setattr(open311, "batches", _batches)
    table = tried(town)
    [(start, end, out, mode)] = seen
    assert (start, end) == (datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 1, 1, 16, tzinfo=UTC))
    assert (mode, out.exists(), table.rows) == (0o700, False, 1)
    assert table.notes == ("the source was asked for 2026-01-01.",)
    assert not list(tmp_path.glob("citycheck-*"))

    def busy(*_) -> None:
        raise SourceUnavailable("example.org: is busy.")

    monkeypatch.setattr(open311, "fetch", busy)
    assert tried(town).problems == ("example.org: is busy.",)
    assert not list(tmp_path.glob("citycheck-*"))


def _batches(file: Path, columns):
    import pyarrow as pa

    yield pa.RecordBatch.from_pylist(
        [{name: row[name] for name in columns} for row in json.loads(file.read_text())]
    )


@pytest.mark.parametrize(("day", "is_late"), [(15, False), (17, True)])
def test_the_time_of_receipt_is_no_version_once_the_cut_off_is_past(town, day, is_late):
    town.columns["version_at"] = {"received": True}
    town.send(HEADER + ROWS)
    [table] = check(town.city(), town.sources, received_at=datetime(2026, 7, day, tzinfo=UTC))
    told = "version_at is the time of receipt: nothing of a half-year whose cut-off is past will count"
    assert any(problem.startswith(told) for problem in table.problems) == is_late


def _outside(table):
    return [problem for problem in table.problems if "outside `box`" in problem]


@pytest.mark.parametrize(("outside", "told"), [(1, []), (2, ["2 of 20 points lie outside `box` (10.0%)"])])
def test_points_outside_the_box_are_told_where_the_gate_would_refuse_them(town, outside, told):
    rows = [f"A{n},2026-03-01 08:00:00,路灯,{120 if n < outside else 118.9},28.97,5,1\n" for n in range(20)]
    town.send(HEADER + "".join(rows))
    assert [problem.partition(",")[0] for problem in _outside(tried(town))] == told


def test_polygons_outside_the_box_are_told(town):
    town.table.update(table="communities", wkt="形状")
    names = ("community_id", "community_name", "street_id", "street_name", "county_id", "county_name")
    town.table["columns"] = {name: {"from": "编号"} for name in names}
    town.columns.update(geometry={"geometry": "polygon"}, is_geometry_repaired={"geometry": "was_repaired"})
    town.written["feeds"] = {"communities": {"tables": [town.table]}}
    rows = [
        f'C{n},"POLYGON (({w} 28.1, {w + 1} 28.1, {w} 28.5, {w} 28.1))"\n' for n, w in enumerate((118.1, 119))
    ]
    town.send("编号,形状\n" + "".join(rows) + "C3,\n")
    [told] = _outside(tried(town))
    assert told.startswith("1 of 3 polygons lie outside `box` (33.3%)")


def test_a_feed_that_there_is_not(town):
    with pytest.raises(BadInput, match="There is no feed 'repairs'"):
        check(town.city(), town.sources, received_at=NOW, feed="repairs")


def test_texts_of_the_source_stay_on_the_terminal(town):
    town.send(HEADER + ROWS)
    table = tried(town)
    outputs = {}
    for shows in (True, False):
        console = Console(file=io.StringIO(), width=200)
        cli_city.show([table], console, shows_texts=shows)
        outputs[shows] = console.file.getvalue()
    assert '飞碟: "?"   # 2 rows' in outputs[True] and "118.87" in outputs[True]
    told = json.dumps(cli_city.without_texts(table), ensure_ascii=False)
    for output in (outputs[False], told):
        assert "category_code" in output
        assert not any(text in output for text in ("飞碟", "118.87", "不评价"))
