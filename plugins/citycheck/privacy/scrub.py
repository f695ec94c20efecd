"""Free text without personal data: phone numbers, ID numbers, plates, e-mail addresses and titled names become marks.

Every rule runs over a folded copy of the text in which one sign stands for one sign (full-width digits become ASCII,
a number spelled in Chinese numerals becomes digits), so that what is found can be replaced at its place in the original.
What it reaches and misses is measured by tests/citycheck/privacy/test_scrub.py and told in docs/privacy.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

KINDS = ("email", "id", "phone", "plate", "name")


def scrub(text: str) -> str:
    """The text with `[phone]`, `[id]`, `[plate]`, `[email]`, `[name]` in place of what they name. Never raises."""
    return _scrubbed(text)[0]


def scrub_column(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, dict[str, int]]:
    """`scrub` of each value of a string column, and how many marks of each kind were set. Nulls stay null."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    column = column.cast(pa.string())
    suspects = pc.match_substring_regex(column, _MAY_HOLD)
    told: Counter[str] = Counter()
    scrubbed = []
    for text in column.filter(suspects).to_pylist():
        clean, counts = _scrubbed(text)
        scrubbed.append(clean)
        told.update(counts)
    if not told:
        return column, {}
    clean_column = pc.replace_with_mask(column, suspects, pa.array(scrubbed, pa.string()))
    return clean_column, {kind: told[kind] for kind in KINDS if told[kind]}


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a DuckDB connection the scalar function `scrub(varchar) -> varchar`; null stays null."""
    connection.create_function(
        "scrub", lambda column: scrub_column(column)[0], ["varchar"], "varchar", type="arrow"
    )


def _scrubbed(text: str) -> tuple[str, Counter[str]]:
    told: Counter[str] = Counter()
    # A mark changes what stands beside the next number, so that is looked at again until nothing is found: each
    # round takes a digit, an @ or a title away, so it ends; and scrubbing twice is scrubbing once.
    while spans := _find(text):
        for start, end, kind in reversed(spans):
            text = f"{text[:start]}[{kind}]{text[end:]}"
            told[kind] += 1
    return text, told


def _find(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what has to go, in order, without overlaps; an earlier rule goes before a later one."""
    folded = _fold(text)
    found: list[tuple[int, int, str]] = []
    near = {kind: sign.search(folded) is not None for kind, sign in _SIGNS.items()}
    for rule in _RULES:
        if not near[rule.kind]:
            continue
        for match in rule.pattern.finditer(folded):
            start, end = match.span("it")
            if all(end <= s or start >= e for s, e, _ in found) and rule.holds(match):
                found.append((start, end, rule.kind))
    return sorted(found)


# Folding -------------------------------------------------------------------------------------------------------------

_NUMERALS = str.maketrans("〇零○一二三四五六七八九幺", "0001234567891")
_FOLDS = (
    {code: unicodedata.digit(chr(code)) + 48 for code in range(128, 0x10000) if chr(code).isdecimal()}
    | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys((0x9, 0xA0, 0x2002, 0x2003, 0x2009, 0x202F, 0x3000), 0x20)
    | dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212, 0xFE63), ord("-"))
    | dict.fromkeys((0x2022, 0x2027, 0x2219, 0x22C5, 0x30FB), ord("·"))
    | dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF), 0x200B)
)
_SPELLED = re.compile(r"[〇零○一二三四五六七八九幺](?:[- \u200b]{0,2}[〇零○一二三四五六七八九幺]){9,}")


def _fold(text: str) -> str:
    if text.isascii():
        return text
    return _SPELLED.sub(lambda run: run[0].translate(_NUMERALS), text.translate(_FOLDS))


# Checks --------------------------------------------------------------------------------------------------------------

# What stands right before a number that is a thing's, not a person's.
_CODE = re.compile(
    r"(?:编号|編號|单号|單號|工单|工單|案号|案號|序列号|序號|序号|流水号|杆号|桿號|表号|表號|[箱表錶杆桿]|[車车]位|停[車车][格場场]|合同号?|资产|資產|文号|"
    r"\b(?:serial|invoice|asset|meter|ticket|case|request|report|complaint|pole|lot|parcel|hydrant|model|upc|isbn|sr|ref))"
    r"(?:号|號|码|碼| ?number| ?no\.?| ?id)?[ :#为為是]{0,3}$",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r" ?(?:元|圓|块|米|平方|立方|公顷|公頃|升|吨|噸|度|千瓦|gallons|sq\b|cents|dollars|kwh)", re.IGNORECASE
)
_VEHICLE = re.compile(
    r"[車车][牌號号輛辆]|[轎轿機貨货汽客旅][車车]|違停|违停|停放|停在|[違违][規规]|停[車车]|紅線|红线|騎樓|併排|[擋挡]住|[佔占]|漏油|plate",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?:19|20)\d\d[-. ]?(?:0[1-9]|1[0-2])[-. ]?(?:0[1-9]|[12]\d|3[01])$")
_TAIWAN_LETTERS = {letter: value for value, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO", 10)}


def _always(_: re.Match[str]) -> bool:
    return True


def _is_no_code(match: re.Match[str]) -> bool:
    """Neither named as the number of a thing, nor an amount."""
    start, end = match.span("it")
    before = match.string[max(0, start - 24) : start]
    is_amount = before.endswith(("$", "¥", "€")) or _UNIT.match(match.string, end) is not None
    return not is_amount and _CODE.search(before) is None


def _is_no_day(match: re.Match[str]) -> bool:
    return not _DAY.match(match["it"])


def _is_day(year: str, month: str, day: str) -> bool:
    try:
        return 1880 <= date(int(year), int(month), int(day)).year <= 2099
    except ValueError:
        return False


def _is_resident_id(match: re.Match[str]) -> bool:
    number = re.sub(r"[^0-9X]", "", match["it"].upper())
    weighted: int = sum(int(digit) << (17 - place) for place, digit in enumerate(number[:17]))
    return _is_day(number[6:10], number[10:12], number[12:14]) and number[17] == "10X98765432"[weighted % 11]


def _is_old_resident_id(match: re.Match[str]) -> bool:
    number = match["it"]
    return _is_day(f"19{number[6:8]}", number[8:10], number[10:12]) and _is_no_code(match)


def _is_taiwan_id(match: re.Match[str]) -> bool:
    number = match["it"].upper()
    first = _TAIWAN_LETTERS[number[0]]
    # The second sign of an old residence number is a letter: the last digit of its value counts.
    second = int(number[1]) if number[1].isdigit() else _TAIWAN_LETTERS[number[1]] % 10
    digits = [first // 10, first % 10, second, *map(int, number[2:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    weighted: int = sum(d * w for d, w in zip(digits, weights, strict=True))
    return weighted % 10 == 0 and _is_no_code(match)


def _is_chinese_plate(match: re.Match[str]) -> bool:
    return len(re.findall(r"\d", match["it"])) >= 2


def _is_among_vehicles(match: re.Match[str]) -> bool:
    start, end = match.span("it")
    around = match.string[max(0, start - 24) : start] + "|" + match.string[end : end + 24]
    return _is_no_code(match) and _VEHICLE.search(around) is not None


# Rules ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    kind: str
    pattern: re.Pattern[str]
    """Its group `it` is what is replaced. Every repetition is bounded, so that no text takes long."""
    holds: Callable[[re.Match[str]], bool] = _always


def _rule(kind: str, pattern: str, holds: Callable[[re.Match[str]], bool] = _always, flags: int = 0) -> _Rule:
    return _Rule(kind, re.compile(pattern, re.ASCII | flags), holds)


_S = r"[-. ·\u200b]{0,3}"
_FROM = r"(?<![A-Za-z0-9])(?<!\d[.,])"
_TO = r"(?!\d)(?!\.\d)"
_ALONE_FROM, _ALONE_TO = r"(?<![A-Za-z0-9])(?<!\d[-.,])", r"(?![A-Za-z0-9])(?!-\d)(?!\.\d)"
_EXTENSION = r"(?: ?(?:转|轉|分机|分機|内线|內線|(?i:extension|ext\.?|x)|#) ?\d{1,5}(?!\d)|-\d{1,4}(?!\d))?"
_HAN = r"[\u4e00-\u9fff]"
_LABEL_PHONE = (
    r"(?:电话|電話|手机|手機|市話|座机|座機|[联聯][系絡][方电電][式话話]|致电|致電|来电|來電|回电|回電|[传傳][真]|"
    r"(?<![a-z])(?:tel|telephone|phone|call|cell|mobile|mob|text|ring|fax|whatsapp|contact))"
    r"(?:号码?|號碼?|是|为|為| ?number| ?no\.?| ?me| ?us| ?at| ?on| ?is|[:. (])*"
)
_LABEL_ID = (
    r"(?:身份证|身分證|[证證]件|[户戶]主[证證]|[护護]照|居留[证證]|[统統]一[证證]|passport|ssn|social security)"
    r"(?:字[号號]|[号號][码碼]?|是|为|為| ?number| ?no\.?| ?is|[:. #])*"
)
_PROVINCES = "京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊"
_TITLES = "先生|女士|小姐(?!姐)|太太|师傅|師傅|阿姨|大爷|大爺|大妈|大媽"
_COMPOUND = "欧阳|歐陽|司马|司馬|上官|诸葛|諸葛|皇甫|令狐|司徒|夏侯|慕容|张简|張簡"
_SURNAMES = (
    "王李张張刘劉陈陳杨楊赵趙黄黃吴吳周徐孙孫朱马馬胡郭林何罗羅郑鄭梁宋唐许許邓鄧韩韓冯馮曹彭曾肖蕭萧田董潘袁"
    "蔡蒋蔣余杜叶葉苏蘇魏吕呂丁沈任姚卢盧傅钟鍾姜崔谭譚廖范汪陆陸金石戴贾賈韦韋夏邱侯邹鄒熊孟秦薛江阎閻雷史龙龍"
    "陶贺賀顾顧毛郝龚龔邵钱錢严嚴洪施赖賴莊庄柯简簡翁倪"
)
_SURNAME = f"(?:{_COMPOUND}|[{_SURNAMES}]|(?<!提)高|(?<!工)程|(?<![对對])方|(?<![谢謝])[谢謝](?![谢謝]))"
# With a given name between surname and title only such surnames as begin few other words, and no function word.
_GIVEN = r"(?![\u4e00-\u9fff]?[边邊多有些位色衣发髮龄齡性家的了在和与與个個名路街巷村镇鎮区區楼樓上下里裡是说說对對向给給被让讓])"
_SURE = (
    f"(?:{_COMPOUND}|[王李张張刘劉陈陳杨楊赵趙吴吳徐孙孫郭罗羅郑鄭梁宋邓鄧韩韓冯馮曹彭潘袁蔡蒋蔣吕呂廖邱薛])"
)

_RULES = (
    _rule("email", r"(?<![\w.%+-])(?P<it>[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24})(?![A-Za-z0-9])"),
    _rule("id", r"(?<![A-Za-z0-9])(?P<it>\d{6}[- ]?\d{8}[- ]?\d{3}[\dXx])(?![A-Za-z0-9])", _is_resident_id),
    _rule("id", r"(?<![A-Za-z0-9])(?P<it>[A-Za-z](?:[1289]|[A-Da-d])\d{8})(?![A-Za-z0-9])", _is_taiwan_id),
    _rule("id", rf"{_LABEL_ID}(?P<it>[A-Z]{{0,2}}\d[\d -]{{5,18}}[\dX])(?![A-Za-z0-9])", _is_no_day, re.IGNORECASE),
    _rule(
        "id",
        r"(?<![A-Za-z0-9])(?P<it>(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5])\d{13})(?![A-Za-z0-9])",
        _is_old_resident_id,
    ),
    # Mobile numbers of China: 3-4-4, 3-3-5 or 4-3-4 digits, or pairs.
    _rule(
        "phone",
        rf"{_FROM}(?P<it>\(?(?:(?:\+|00)?86\)?{_S})?1[3-9]\d"
        rf"(?:{_S}\d{{4}}{_S}\d{{4}}|{_S}\d{{3}}{_S}\d{{5}}|\d{_S}\d{{3}}{_S}\d{{4}}|(?: \d\d){{4}})){_TO}",
        _is_no_code,
    ),
    # Mobile numbers of Taiwan.
    _rule(
        "phone",
        rf"{_FROM}(?P<it>(?:\(?(?:\+|00)?886\)?{_S}(?:\(?0\)?)?|0)9{_S}?\d\d{_S}\d{{3}}{_S}\d{{3}}){_TO}",
        _is_no_code,
    ),
    # Lines of China: 010 and 02x with eight digits, the others with seven or eight.
    _rule(
        "phone",
        rf"{_FROM}(?P<it>(?:\(?(?:\+|00)86\)?{_S}\(?0?|\(?0)"
        rf"(?:(?:10|2\d)\)?{_S}[2-9]\d{{3}}|[3-9]\d\d\)?{_S}[2-9]\d{{2,3}}){_S}\d{{4}}{_EXTENSION}){_TO}",
        _is_no_code,
    ),
    # Lines of Taiwan: the area set off, or ten digits together.
    _rule(
        "phone",
        r"(?<![A-Za-z0-9])(?<!\d[.,-])(?P<it>(?:(?:\+|00)886[- ]?\(?0?|\(0|0)"
        r"(?:[2-8](?:\)|[-. ])[-. ]?[2-9]\d{2,3}[- ]?\d{4}|(?:37|49|82|89)(?:\)|[-. ])[-. ]?[2-9]\d{2}[- ]?\d{3,4}"
        rf"|8[23]6(?:\)|[-. ])[-. ]?\d{{5}}|[2-8][2-9]\d{{7}}){_EXTENSION}){_TO}",
        _is_no_code,
    ),
    # Service lines of companies.
    _rule(
        "phone",
        rf"{_FROM}(?P<it>[48]00(?:[- ]\d{{3}}[- ]?\d{{4}}|[- ]\d{{4}}[- ]?\d{{3}}|\d[- ]\d{{3}}[- ]\d{{3}})"
        rf"|400\d{{7}}){_TO}(?!-)",
        _is_no_code,
    ),
    # North America, its parts set off.
    _rule(
        "phone",
        r"(?<![A-Za-z0-9])(?<!\d[-.,])(?P<it>(?:\+?1[-. ]{0,2})?(?:\([2-9]\d\d\)[- ]?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}"
        rf"{_EXTENSION}){_TO}(?!-\d)",
        _is_no_code,
    ),
    # Britain and Australia, its parts set off by blanks; British mobile numbers also together.
    _rule(
        "phone",
        rf"{_ALONE_FROM}(?P<it>\(?0(?:20|[17]\d{{2,4}}|4\d\d)\)? \d{{3,4}} ?\d{{3,4}}|07\d{{9}}){_ALONE_TO}",
        _is_no_code,
    ),
    # Any country.
    _rule("phone", rf"(?<![A-Za-z0-9])(?P<it>\(?(?:\+|(?<!\d)00(?=8))[1-9](?:[-. ()/]{{0,3}}\d){{8,14}}){_TO}"),
    # Named as a phone number: what would be too short, or too like other numbers, without that.
    _rule(
        "phone",
        rf"{_LABEL_PHONE}(?P<it>(?:[2-9]\d{{2,3}}[- ]?\d{{4}}|[2-9]\d{{9}}|0\d{{8,11}}|1[3-9]\d{{9}}){_EXTENSION}){_TO}(?!-\d)",
        _is_no_day,
        re.IGNORECASE,
    ),
    _rule(
        "plate",
        rf"(?<![A-Za-z0-9])(?P<it>[{_PROVINCES}] ?[A-HJ-NP-Z][-. ·]?"
        r"(?:[DF][A-HJ-NP-Z0-9]\d{4}|\d{5}[DF]|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9学學警港澳挂掛]))(?![A-Za-z0-9])",
        _is_chinese_plate,
        re.IGNORECASE,
    ),
    _rule(
        "plate",
        r"(?<![A-Za-z0-9])(?<!\w-)(?P<it>(?:[A-Z]{2,3}|[A-Z]\d|\d[A-Z])[- ]?\d{4}|\d{4}[- ]?(?:[A-Z]{2}|[A-Z]\d|\d[A-Z])"
        r"|[A-Z]{3}-\d{3}|\d{3}-[A-Z]{3})"
        r"(?![A-Za-z0-9])(?!-\w)",
        _is_among_vehicles,
    ),
    _rule(
        "plate",
        r"(?<![A-Za-z])(?i:licen[cs]e plates?|plates?|rego)(?i: number| no\.?| is| was| reads?)?[ :#]{1,3}"
        r"(?P<it>(?=[A-Z -]{0,8}\d)[A-Z0-9]{2,4}[- ]?[A-Z0-9]{3,4})(?![A-Za-z0-9])",
    ),
    _rule("name", rf"(?P<it>{_SURE}{_GIVEN}(?!中山){_HAN}{{1,2}}(?:{_TITLES}))"),
    _rule("name", rf"(?P<it>{_SURNAME}(?:{_TITLES}))"),
    _rule(
        "name",
        r"(?:联系人|聯絡人|聯繫人|姓名|(?:反映|投诉|投訴|报修|報修|报案|報案|陳情|檢舉|举报|申请|申請)人)(?:姓名)? ?[:] ?"
        rf"(?P<it>{_HAN}{{2,4}})(?!{_HAN})",
    ),
    _rule(
        "name",
        r"(?<![A-Za-z])(?P<it>(?:Mr|Mrs|Ms|Miss|Mx)\.? (?:[A-Z]\.? )?[A-Z]['’]?[A-Za-z]{1,30}(?:-[A-Z][a-z]{1,30})?"
        r"(?: (?!(?:Street|St|Road|Rd|Avenue|Ave|Lane)\b)[A-Z]['’]?[a-z]{1,30})?)",
    ),
)  # fmt: skip

# Without these no rule of the kind finds anything: most rules need not be tried.
_SIGNS = {
    "email": re.compile("@"),
    "id": re.compile(r"\d(?:[- ]?\d){6}"),
    "phone": re.compile(r"\d(?:\D{0,3}\d){6}"),
    "plate": re.compile(r"[A-Za-z].?.?\d|\d.?[A-Za-z]"),
    "name": re.compile(f"{_TITLES}|人|姓名|M[rsix]"),
}

# What a text must hold for a rule to find anything, in RE2's terms: seven digits near to each other, a plate, a
# spelled number, an @, a title. A superset of the rules, so that the others need not be looked at.
_DIGIT = r"\p{Nd}〇零○一二三四五六七八九幺"
_MAY_HOLD = (
    rf"[@＠]|(?:[{_DIGIT}][^{_DIGIT}]{{0,3}}){{6}}[{_DIGIT}]"
    rf"|[{_PROVINCES}][ 　\t\x{{a0}}]?[A-Za-zＡ-Ｚａ-ｚ]"
    r"|[A-ZＡ-Ｚ]\p{Nd}?[^\p{Nd}A-Za-z]?\p{Nd}{3}|\p{Nd}{3}[^\p{Nd}A-Za-z]?(?:[A-ZＡ-Ｚ]{2}|\p{Nd}[A-ZＡ-Ｚ]|[A-ZＡ-Ｚ]\p{Nd})|(?i:plate|rego)"
    r"|先生|女士|小姐|太太|师傅|師傅|阿姨|大爷|大爺|大妈|大媽|[联聯][系絡繫]人|姓名|[映诉訴修案情举舉报請请]人|M[rsix][rs.s]?"
)
