"""The bulletin, read back from the PDF: its pages, fonts and text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import typst
from fontTools.ttLib import TTFont

from citycheck.duck import connect
from citycheck.errors import CitycheckError
from citycheck.release.about import describe
from citycheck.report import bulletin
from citycheck.report.bulletin import FONTS, TEMPLATE, contents, typeset, write_bulletin
from citycheck.report.bulletin_map import figure
from citycheck.report.bulletin_measure import measure
from citycheck.report.figures import number

SCRIPT = "<script>alert(1)</script>社区"
MARKUP = '#panic("x") *粗* $x$ `c` \\ @a <b> [c] = 题 // 注'


ESCAPED = re.compile(rb"\\(?:([0-7]{3})|(.))", re.S)
SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def shown(drawn: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fonts that a page's contents choose, and the strings that they show."""
    for text_object in re.findall(rb"\nBT (.*?)\nET\n", drawn, re.S):
        (font,) = re.findall(rb"/(f\d+) [\d.]+ Tf", text_object)
        yield font, b""
        rest = text_object.split(b" Tm", 1)[1]
        while found := re.search(rb"[(<]", rest):
            if found[0] == b"<":
                yield b"", bytes.fromhex(rest[found.end() : rest.index(b">")].decode())
                rest = rest[rest.index(b">") + 1 :]
                continue
            start = at = found.end()
            depth = 1
            while depth:
                depth += {b"(": 1, b")": -1}.get(rest[at : at + 1], 0)
                at += 2 if rest[at : at + 1] == b"\\" else 1
            yield (
                b"",
                ESCAPED.sub(
                    lambda m: bytes([int(m[1], 8)]) if m[1] else SHORT.get(m[2], m[2]), rest[start : at - 1]
                ),
            )
            rest = rest[at:]


@dataclass(frozen=True)
class Pdf:
    """What the tests need of a PDF whose objects are not in object streams."""

    data: bytes

    @cached_property
    def objects(self) -> dict[int, bytes]:
        found = re.finditer(rb"(?:^|\n)(\d+) 0 obj\s(.*?)\sendobj", self.data, re.S)
        return {int(one[1]): one[2] for one in found}

    def of_type(self, name: bytes) -> list[bytes]:
        return [one for one in self.objects.values() if re.search(rb"/Type\s*/" + name + rb"\b", one)]

    def pages(self) -> list[str]:
        """The text of each page in the order in which it is drawn."""
        return [self._text(page) for page in self.of_type(b"Page")]

    def _text(self, page: bytes) -> str:
        resources = self._object(page, b"Resources")
        (fonts,) = re.findall(rb"/Font<<(.*?)>>", resources)
        maps = {
            name: self._characters(self.objects[int(font)])
            for name, font in re.findall(rb"/(f\d+) (\d+) 0 R", fonts)
        }
        text, of = [], {}
        for font, glyphs in shown(self._stream(self._object(page, b"Contents"))):
            of = maps[font] if font else of
            text.append("".join(of[glyphs[n : n + 2]] for n in range(0, len(glyphs), 2)))
        return "".join(text)

    def _characters(self, font: bytes) -> dict[bytes, str]:
        table = self._stream(self._object(font, b"ToUnicode"))
        single = re.findall(rb"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]+)>\s*(?=\n)", table)
        return {
            bytes.fromhex(glyph.decode()): bytes.fromhex(text.decode()).decode("utf-16-be")
            for glyph, text in single
        }

    def _object(self, of: bytes, key: bytes) -> bytes:
        (number_,) = re.findall(rb"/" + key + rb" (\d+) 0 R", of)
        return self.objects[int(number_)]

    @staticmethod
    def _stream(of: bytes) -> bytes:
        return zlib.decompress(of.split(b"stream\n", 1)[1].rsplit(b"endstream", 1)[0])


def told_of(build, **changes):
    provenance = build.provenance | changes
    with connect(build.database, read_only=True) as connection:
        about = describe(connection, provenance)
        return contents(connection, about, provenance), about


def pdf_of(build, **changes) -> Pdf:
    return Pdf(typeset(*told_of(build, **changes)))


def spoil(build, *statements):
    with connect(build.database) as connection:
        for statement in statements:
            connection.execute(statement)
    return build


def more_counties(build, many):
    """Adds counties until there are so many, with long names."""
    return spoil(
        build,
        f"""insert into marts.county_index by name
        select of.* exclude (area_id, area_name, rank), area_id || n as area_id, 2 + n as rank,
            repeat('长名', 1 + n % 9) || n || '县' as area_name
        from marts.county_index as of, range(1, {many - 1}) as t (n) where area_id = 'C1'""",
        f"""insert into marts.index_changes by name select of.* exclude (area_id), area_id || n as area_id
        from marts.index_changes as of, range(1, {many - 1}) as t (n) where area_id = 'C1'""",
    )


def test_two_pages_and_their_parts_in_order(full_build):
    first, second = pdf_of(full_build).pages()
    parts = ["合成市城镇社区体检通报", "2026年上半年", "2026年7月16日 09:30", "排名", "变化最大的三个"]
    at = [first.replace(" ", "").index(part.replace(" ", "")) for part in parts]
    assert at == sorted(at)
    at = [
        second.index(part)
        for part in ("社区地图", "缺口最大的十项", "更新项目", "方法", "来源", "核验", "SHA256SUMS")
    ]
    assert at == sorted(at)


@pytest.mark.parametrize("many", [2, 11, 14, 15, 37, 57])
def test_two_pages_whatever_the_number_of_counties(full_build, many):
    pdf = pdf_of(more_counties(full_build, many))
    assert len(pdf.pages()) == 2
    assert ("其余" in pdf.pages()[0]) == (many == 57)


def test_two_pages_with_the_longest_texts(full_build):
    long = "很长的名字" * 200
    spoil(
        more_counties(full_build, 37),
        f"update marts.county_index set area_name = '{long}'",
        f"update marts.shortfalls set community_name = '{long}', county_name = 'W' || repeat('W', 900), kind_name_zh = '{long}'",
        f"update marts.communities set county_name = '{long}'",
        f"update marts.projects set project_name_zh = '{long}', county_name = '{long}'",
        f"update standard.renewal_pools set name_zh = '{long}'",
        f"update standard.change_causes set name_zh = '{long[:60]}'",
        f"update marts.indicator_definitions set name_zh = '{long}'",
    )
    publication = full_build.provenance["publication"] | {"reason_zh": long, "kind": "correction"}
    pdf = pdf_of(full_build, city_name_zh=long, city_name_en="W" * 900, publication=publication,
                 sources=[{"name": "s", "title": long}])  # fmt: skip
    assert len(pdf.pages()) == 2
    assert "核验" in pdf.pages()[1] and "index.html" in pdf.pages()[1]


def test_two_pages_of_nothing(full_build):
    marts = (
        "communities",
        "community_index",
        "shortfalls",
        "index_changes",
        "index_change_causes",
        "county_index",
        "projects",
        "goal_progress",
    )
    spoil(full_build, *(f"delete from marts.{mart}" for mart in marts))
    first, second = pdf_of(full_build).pages()
    assert "没有可比的上期指数" in first and "没有社区可以画在图上" in second and "没有可判定的短板" in second
    assert "更新项目" not in second


def test_renewal_is_told_as_the_tables_have_it(full_build):
    told = told_of(full_build)[0]["renewal"]
    with connect(full_build.database, read_only=True) as connection:
        pools = connection.execute(
            "select pool.name_zh, count(*), sum(cost_cny) / 1e4 from marts.projects "
            "join standard.renewal_pools as pool using (pool_code) where closed_half_year is null "
            "group by all order by any_value(pool_order)"
        ).fetchall()
        first = connection.execute(
            "select priority_score from marts.projects where pool_code = 'annual_list' order by 1 desc limit 3"
        ).fetchall()
    assert [(of["name"], of["projects"], of["cost"]) for of in told["pools"]] == [
        (name, number(count, 0), number(cost, 0)) for name, count, cost in pools
    ]
    assert [of["priority"] for of in told["first"]] == [number(score) for (score,) in first]
    assert (told["open"], told["supervised"], told["goals"]) == ("16", "逾期 2 个", "滞后 1 项")
    second = pdf_of(full_build).pages()[1].replace(" ", "")
    assert "督查：逾期2个" in second and "五年目标：滞后1项" in second


def test_every_font_is_embedded_and_bundled(full_build):
    pdf = pdf_of(full_build)
    fonts = pdf.of_type(b"Font")
    assert {re.search(rb"/Subtype/(\w+)", font)[1] for font in fonts} == {b"Type0", b"CIDFontType0"}
    names = {re.search(rb"/FontName/[A-Z]{6}\+([\w-]+)", one)[1] for one in pdf.of_type(b"FontDescriptor")}
    assert names == {b"NotoSansCJKsc-Regular", b"NotoSerifCJKsc-Bold"}
    assert all(b"/FontFile3" in one for one in pdf.of_type(b"FontDescriptor"))
    assert all(b"/ToUnicode" in font for font in fonts if b"/Subtype/Type0" in font)


def test_is_tagged_titled_and_in_chinese(full_build):
    data = pdf_of(full_build).data
    assert b"<pdfuaid:part>1</pdfuaid:part>" in data and b"/Marked true" in data
    assert b"/Lang(zh" in data and "合成市城镇社区体检通报 2026年上半年（合成数据）".encode() in data
    assert data.count(b"/S/TH") + data.count(b"/S /TH") > 10 and b"/Alt" in data


def test_the_ranking_is_the_mart_in_its_order_and_rounded_as_on_the_page(full_build):
    with connect(full_build.database, read_only=True) as connection:
        mart = connection.execute(
            "select area_name, index_score, index_low, index_high from marts.county_index order by rank"
        ).fetchall()
    told, about = told_of(full_build)
    shown = told["ranking"]["rows"]
    assert [row["name"] for row in shown] == [row[0] for row in mart]
    assert [row["index"] for row in shown] == [number(row[1]) for row in mart] == ["62.0", "61.0"]
    assert [row["interval"] for row in shown] == [f"{number(row[2])}–{number(row[3])}" for row in mart]
    text = Pdf(typeset(told, about)).pages()[0].split("排名", 1)[1]
    assert text.index(mart[0][0]) < text.index("62.0") < text.index(mart[1][0]) < text.index("61.0")


def test_the_ten_worst_are_the_first_of_the_page(full_build):
    told, about = told_of(full_build)
    assert [row["uncovered"] for row in told["shortfalls"]["rows"]] == [
        number(100 * n, 0) for n in (8, 8, 7, 7, 6, 6, 5, 5, 4, 4)
    ]
    assert "全部18条" in Pdf(typeset(told, about)).pages()[1].replace(" ", "")


@pytest.mark.parametrize(
    ("moved", "verdict"),
    [(None, "–"), (0.04, "持平"), (4.6, "不明显"), (4.7, "明显"), (-4.64, "不明显"), (-4.66, "明显")],
)
def test_a_change_is_judged_by_half_of_the_interval(full_build, moved, verdict):
    """Which reaches from 57.78 to 67.04 and from 56.78 to 66.04: 9.2 wide as printed."""
    spoil(full_build, f"update marts.county_index set index_change = {'null' if moved is None else moved}")
    told, _ = told_of(full_build)
    assert {row["verdict"] for row in told["ranking"]["rows"]} == {verdict}
    assert bool(told["changes"]["rows"]) == (verdict not in ("–", "持平"))


def test_a_change_is_told_with_its_causes(full_build):
    spoil(
        full_build,
        "insert into standard.change_causes values ('data', 2, '数据可得性与更正', 'Data')",
        "insert into marts.index_change_causes values ('county', 'C1', 'previous', 'index', 'SPT-3', 'data', -0.3)",
        "update marts.county_index set index_change = 1.2 where area_id = 'C1'",
    )
    told, about = told_of(full_build)
    largest = told["changes"]["rows"]
    assert [(row["name"], row["change"]) for row in largest] == [
        ("合成乙县", "▲ +1.5"),
        ("合成甲县", "▲ +1.2"),
    ]
    assert largest[1]["causes"] == [
        "设施开办与关停 +2.0（其中室外健身活动场地覆盖率 +2.0）",
        "居民问卷 −0.5",
        "数据可得性与更正 −0.3（其中人均室外健身用地 −0.3）",
    ]
    assert largest[1]["parts"] == ["+2.0", "−0.5", "−0.3"]
    assert "设施开办与关停+2.0" in Pdf(typeset(told, about)).pages()[0].replace(" ", "")


def test_without_index_it_says_so_and_ranks_nobody(build_without_survey):
    told, about = told_of(build_without_survey)
    assert all("rank" not in row for row in told["ranking"]["rows"])
    first, second = (page.replace(" ", "") for page in Pdf(typeset(told, about)).pages())
    assert "数据不足" in first and "全部权重的31.3%，标准要求至少65%" in first
    assert "排名次" in first and "等次" not in first and "室外健身活动场地覆盖率" in first
    assert "41.0" in first and "没有可比的上期指数" in first
    assert "室外健身活动场地覆盖率" in second


def test_synthetic_data_and_previews_are_called_so_on_both_pages(full_build):
    preview = {"publication": full_build.provenance["publication"] | {"is_preview": True}}
    for page in pdf_of(full_build, **preview).pages():
        assert "SYNTHETIC DATA" in page and "PREVIEW" in page
    for page in pdf_of(full_build, is_synthetic=False).pages():
        assert "SYNTHETIC" not in page and "合成数据" not in page and "PREVIEW" not in page


def test_a_correction_says_what_was_wrong_and_whose_error_it_was(full_build, corrected):
    first = pdf_of(full_build, **corrected).pages()[0].replace(" ", "")
    assert "更正：=1+1设施重复责任方：Madebyaprogram" in first and "第2版" in first


@pytest.mark.parametrize("hostile", [SCRIPT, "=HYPERLINK(1)", MARKUP, '"}], {"x": ["', "]] > \\u{41} \\n"])
def test_hostile_texts_are_printed_as_they_are(full_build, hostile):
    with connect(full_build.database) as connection:
        connection.execute("update marts.county_index set area_name = ?", [hostile])
        connection.execute("update marts.communities set county_name = ?", [hostile])
        connection.execute("update marts.shortfalls set community_name = ?", [hostile])
        connection.execute("update marts.projects set project_name_zh = ?", [hostile])
    pages = [page.replace(" ", "") for page in pdf_of(full_build).pages()]
    shown = hostile.replace(" ", "")[:14]
    assert all(shown in page for page in pages)


def test_what_no_font_has_is_told_as_its_code_point(full_build):
    spoil(
        full_build,
        "update marts.county_index set area_name = '衢\u202e\u0645江😀区\u0001\t\n臺𠮷' where area_id = 'C1'",
    )
    told, about = told_of(full_build)
    (name,) = (row["name"] for row in told["changes"]["rows"] if "衢" in row["name"])
    assert name.startswith("衢[U+202E U+0645]江[U+1F600")
    assert bulletin._name("衢\u202e江😀区臺𠮷", 99) == "衢[U+202E]江[U+1F600]区臺[U+20BB7]"
    assert "衢[U+202EU+0645]江" in Pdf(typeset(told, about)).pages()[0].replace(" ", "")


def test_long_names_end_in_an_ellipsis():
    assert bulletin._name("一二三四五六七八九十", 12) == "一二三四五…"
    assert bulletin._name("一二三四五六", 12) == "一二三四五六"
    assert bulletin._name(None) == "–"


def test_every_character_of_the_template_has_a_glyph():
    """A citation of it would be refused by the compiler; this names the character."""
    assert {
        c for c in TEMPLATE.read_text("utf-8") if ord(c) > 31 and ord(c) not in bulletin._covered()
    } == set()


def test_the_bundled_fonts_are_small_free_and_hold_what_names_are_made_of():
    fonts = sorted(FONTS.glob("*.otf"))
    assert sum(path.stat().st_size for path in fonts) < 8e6
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text("utf-8")
    readme = (FONTS / "README.md").read_text("utf-8")
    for path in fonts:
        assert f"`{path.name}`" in readme and "Source" not in TTFont(path)["name"].getDebugName(1)
    chinese = {bytes((a, b)).decode("gb2312", "ignore") for a in range(0xB0, 0xF8) for b in range(0xA1, 0xFF)}
    for path in fonts:
        held = TTFont(path, lazy=True).getBestCmap()
        assert [c for c in chinese if c and ord(c) not in held] == []


def test_a_glyph_that_is_missing_all_the_same_is_refused(full_build):
    told, about = told_of(full_build)
    with pytest.raises(CitycheckError, match="typesetter refused"):
        typeset(told | {"summary": "😀"}, about)


def test_the_same_bytes_in_another_folder_time_zone_and_second(full_build, tmp_path):
    with connect(full_build.database, read_only=True) as connection:
        about = describe(connection, full_build.provenance)
        entry = write_bulletin(connection, about, full_build.provenance, tmp_path)
    once = (tmp_path / "bulletin.pdf").read_bytes()
    assert (entry["path"], entry["mediatype"], entry["bytes"]) == (
        "bulletin.pdf",
        "application/pdf",
        len(once),
    )
    (tmp_path / "elsewhere").mkdir()
    script = """
import json, sys
from pathlib import Path
from citycheck.duck import connect
from citycheck.release.about import describe
from citycheck.report.bulletin import write_bulletin
provenance = json.load(sys.stdin)
with connect(sys.argv[1], read_only=True) as connection:
    write_bulletin(connection, describe(connection, provenance), provenance, Path.cwd())
"""
    surroundings = {"TZ": "America/New_York", "LANG": "C", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    subprocess.run(
        [sys.executable, "-c", script, str(full_build.database)], cwd=tmp_path / "elsewhere", check=True,
        input=json.dumps(full_build.provenance), text=True,
        env=os.environ | surroundings | {"PYTHONPATH": str(Path(bulletin.__file__).parents[2])},
    )  # fmt: skip
    assert (tmp_path / "elsewhere" / "bulletin.pdf").read_bytes() == once


def test_the_fonts_of_the_machine_and_of_the_compiler_are_not_used():
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
    assert set(fonts.families()) == {"Noto Sans CJK SC", "Noto Serif CJK SC"}


def drawing(build, proportion=0.62):
    with connect(build.database, read_only=True) as connection:
        return figure(connection, measure(connection), proportion)


def test_the_map_holds_every_community_once_and_no_text(full_build):
    svg = drawing(full_build).svg
    assert len(re.findall(r'<path fill="(?:#\w{6}|url\(#none\))" d="M', svg)) == 18
    assert svg.count('fill="url(#none)"') == 2  # one community a county has no index
    assert "合成" not in svg and "<text" not in svg and "script" not in svg


def test_communities_that_lie_together_are_one_map_with_names(full_build):
    drawn = drawing(full_build)
    assert not drawn.is_scattered
    assert [(label.text, label.is_title) for label in drawn.labels] == [
        ("合成甲县", False),
        ("合成乙县", False),
    ]
    assert 0.02 < drawn.bar < 0.15 and drawn.bar_km in (0.2, 0.5, 1.0)


def test_scattered_communities_get_a_panel_a_county_within_the_drawing(full_build):
    spoil(
        full_build,
        "update marts.communities set geometry = st_affine(geometry, 1, 0, 0, 1, 2, 1) where county_id = 'C2'",
        "update marts.communities set geometry = st_affine(geometry, 1, 0, 0, 1, .5, 0) where community_id = 'C1-8'",
    )
    drawn = drawing(full_build)
    assert drawn.is_scattered
    assert {label.text for label in drawn.labels} == {"合成甲县 61.0", "合成乙县 62.0"}
    starts = [(int(x), int(y)) for x, y in re.findall(r"M(-?\d+) (-?\d+)l", drawn.svg)]
    assert all(0 <= x <= 2000 and 0 <= y <= 1240 for x, y in starts)
    boxes = {(x // 400, y // 300) for x, y in starts}
    assert len(boxes) > 6  # the drawing is used, not a corner of it


@pytest.mark.parametrize("name", ["县", "长名" * 300])
def test_many_scattered_counties_still_fit_the_drawing(full_build, name):
    spoil(
        full_build,
        f"""insert into marts.communities by name
        select of.* exclude (community_id, county_id, county_name, geometry), community_id || n as community_id,
            county_id || n as county_id, n || '{name}' as county_name, st_affine(geometry, 1, 0, 0, 1, n, n % 7) as geometry
        from marts.communities as of, range(1, 80) as t (n) where community_id = 'C1-0'""",
    )
    drawn = drawing(full_build)
    assert drawn.is_scattered and len(drawn.labels) == 81
    starts = [(int(x), int(y)) for x, y in re.findall(r"M(-?\d+) (-?\d+)l", drawn.svg)]
    assert all(0 <= x <= 2000 and 0 <= y <= 1240 for x, y in starts) and len(set(starts)) > 81
