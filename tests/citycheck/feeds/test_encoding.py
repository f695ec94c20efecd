"""Encodings and delimiters, on short synthetic texts as cities write them."""

import random

import pytest

from citycheck.errors import BadInput
from citycheck.feeds import encoding

# Synthetic: made for this test.
ZH_CN = [
    "小区东门外的路灯连续三天不亮,居民夜间出行不便",
    "朝阳社区垃圾桶满溢无人清理",
    "人行道地砖破损,老人摔倒",
    "楼道堆放杂物堵塞消防通道",
    "学校门口占道经营影响交通",
    "公园健身器材损坏需要维修",
    "工地夜间施工噪音扰民",
    "雨后积水严重无法通行",
    "电动自行车在楼内充电存在安全隐患",
    "自来水水压不足",
    "井盖缺失",
    "已派单至市政养护所",
    "已办结,居民表示满意",
    "处理中",
    "街道办事处",
    "幼儿园",
    "卫生服务中心",
    "老年食堂",
    "停车位不足",
    "柯城区府山街道",
    "衢江区",
    "信安湖绿道",
    "热线工单编号",
    "诉求内容",
    "反映人",
    "受理时间",
    "小区物业不作为",
    "违章建筑举报",
    "河道有异味",
    "请尽快安排人员处理",
    "树枝遮挡红绿灯",
    "公共厕所卫生差",
    "暖气不热",
    "电梯故障停运",
]
ZH_TW = [
    "路燈故障已三天不亮,請派員維修",
    "里長反映水溝阻塞淹水",
    "騎樓停放機車影響行人通行",
    "公園遊具損壞請儘速處理",
    "道路坑洞危險請填補",
    "夜間施工噪音擾民",
    "流浪狗追逐路人",
    "垃圾未清運孳生蚊蟲",
    "違規停車佔用車道",
    "號誌故障",
    "人行道破損",
    "中西區",
    "永康區",
    "安平區府前路二段",
    "東區崇明里",
    "活動中心",
    "衛生所",
    "國民小學",
    "圖書館",
    "已轉請權責單位辦理",
    "已完成",
    "處理中",
    "臺南市政府",
    "民眾陳情案件",
    "案件編號",
    "受理時間",
    "反映地點",
    "營業場所油煙異味",
    "空屋雜草叢生",
    "樹木傾倒壓到電線",
    "自來水管漏水",
    "巷道狹窄消防車無法進入",
    "廣告招牌搖搖欲墜",
    "停車格劃設不當",
    "公車候車亭積水",
    "鄰居飼養家禽惡臭",
    "髒亂點請環保局稽查",
]
SIZES = (2, 3, 5, 10, 30)
PER_SIZE = 100


def _labelled():
    chance = random.Random(20260101)
    for lines, codec, name in ((ZH_CN, "gb18030", "gb18030"), (ZH_TW, "cp950", "cp950")):
        for size in SIZES:
            for _ in range(PER_SIZE):
                rows = [f"{chance.randrange(10**6)},{chance.choice(lines)}" for _ in range(size)]
                yield "\r\n".join(rows).encode(codec), name


def test_at_least_99_percent_of_short_texts_are_told_right_and_none_wrong(tmp_path):
    right, undecided, wrong = 0, 0, []
    file = tmp_path / "labelled.csv"
    for content, expected in _labelled():
        file.write_bytes(content)
        try:
            found = encoding.detect(file)
        except BadInput:
            undecided += 1
            continue
        right += found == expected
        if found != expected:
            wrong.append((content.decode(expected), found))
    total = 2 * len(SIZES) * PER_SIZE
    assert right / total >= 0.99, f"{right}/{total} right, {undecided} undecided, wrong: {wrong[:5]}"
    assert not wrong, f"{right}/{total} right, {undecided} undecided, wrong: {wrong[:5]}"


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("gb18030", "gb18030")],
)
def test_each_encoding(tmp_path, codec, expected):
    file = tmp_path / "a.csv"
    file.write_bytes("\n".join(ZH_CN).encode(codec))
    assert encoding.detect(file) == expected
    assert file.read_bytes().decode(expected) == "\n".join(ZH_CN)


def test_characters_of_hong_kong(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("\n".join(["啲街燈壞咗,喺公園嘅入口", *ZH_TW]).encode("big5hkscs"))
    assert encoding.detect(file) == "big5hkscs"


def test_one_byte_at_the_end_decides(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(("路燈故障\n" * 400_000).encode() + b"\xff")
    with pytest.raises(BadInput, match="is UTF-8 but for some bytes, the first at byte 5200001;"):
        encoding.detect(file)


def test_western_text_is_the_last_resort(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("id,name\n1,Café\n2,Straße 5\n3,Peña, José\n".encode("cp1252"))
    assert encoding.detect(file) == "cp1252"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ñandúes\n".encode("cp1252"), r"could be .*cp1252.*Declare `encoding`"),
        ("a,b\n".encode("utf-16-le"), "null bytes"),
        (b"\xef\xbb\xbfa\xff", "mark of utf-8-sig"),
        (b"PK\x03\x04\x00\x00", "null bytes"),
    ],
    ids=["rare-in-both", "utf-16-without-mark", "utf-8-cut", "zip"],
)
def test_what_cannot_be_told_is_said(tmp_path, content, message):
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        encoding.detect(file)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8-sig", "gb18030", "utf-16"])
def test_delimiter(tmp_path, sign, codec):
    file = tmp_path / "a.csv"
    rows = [["编号", "内容", "x"]] + [[str(n), '"甲;乙,丙|丁\n戊"', "1.5"] for n in range(500)]
    file.write_bytes("\r\n".join(sign.join(row) for row in rows).encode(codec))
    assert encoding.delimiter(file, codec) == sign


def test_decimal_commas_are_no_columns(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("id;x;y\n1;2,5;3,5\n2;7,1;8,0\n", encoding="utf-8")
    assert encoding.delimiter(file, "utf-8") == ";"


@pytest.mark.parametrize(
    ("text", "message"), [("a\n1\n", "no sign"), ("a,b;c\n1,2;3\n", "several signs"), ("", "no sign")]
)
def test_undecidable_delimiter(tmp_path, text, message):
    file = tmp_path / "a.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        encoding.delimiter(file, "utf-8")
