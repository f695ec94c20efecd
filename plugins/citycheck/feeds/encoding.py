"""Which encoding and which delimiter a text file has, so that it can be stated instead of guessed later.

A file is in an encoding only if every one of its bytes is. GB18030 and Big5 accept much of each other's text, so
where both do, the one whose reading looks like Chinese is taken: common characters count most, rare ones nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from citycheck.errors import BadInput

_CHUNK_BYTES = 1 << 20
_SAMPLE_CHARACTERS = 200_000
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PLAUSIBLE_MIN = 0.35
_LEAD_MIN = 0.08
"""By how much the better reading must look more like Chinese than the other."""
_DELIMITERS = ",;\t|"
_ROWS = 200

# The most frequent characters of modern Chinese, and those of addresses, facilities and complaints.
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种"
    "事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公"
    "此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代"
    "内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报"
    "才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像"
    "难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运街园校医居委号楼室"
    "县省镇乡村桥河湖树灯车停噪音垃圾污染投诉举报维修坏损漏积违占请求派办理时类别状态地址日期备注联系话编服满意评价未午晚早"
    "這個們來為國說時會對過發後裡種經麼學現當沒動還進樣開從實軍無與長機關點業將兩間問並應戰頭體見產話給門東聲論處義幾認條氣題"
    "爾別變總電數報結場計資許統區隊決馬書則聽達難權設記類據邊張該規萬覺術領確傳師觀讓識帶導爭運園醫號縣鎮鄉橋樹燈車污圾維壞損"
    "漏積違請辦態備註聯繫編滿評價里鄰巷弄段臺台灣府民眾反映陳情騷擾佔用髒亂廢棄物巡清潔隊孳蚊蟲寵狗貓流浪鋪坑洞排溝淹寬營業"
    "，。、：；？！（）「」《》“”　０１２３４５６７８９"
)


def detect(path: Path) -> str:
    """The encoding of a text file as Python names it: utf-8, utf-8-sig, utf-16, gb18030, cp950, big5hkscs or cp1252.

    Reads the whole file in bounded memory. Raises `BadInput` for a file that is no text, and for one that could be
    in several encodings.
    """
    with path.open("rb") as file:
        start = file.read(4)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            if _reads(path, encoding):
                return encoding
            raise BadInput(
                f"{path.name}: begins with the mark of {encoding}, but is not in that encoding to its end. "
                "Ask the source to send it again."
            )
    if _holds_null(path):
        raise BadInput(
            f"{path.name}: holds null bytes, which no text in UTF-8, GB18030 or Big5 does. "
            "Declare `encoding` (utf-16-le, utf-16-be) if it is text, or correct `format` in the profile."
        )
    if _reads(path, "utf-8"):
        return "utf-8"
    scores = {name: _score(path, name) for name in ("gb18030", "cp950") if _reads(path, name)}
    if "cp950" not in scores and _reads(path, "big5hkscs"):
        scores["big5hkscs"] = _score(path, "big5hkscs")
    ranked = sorted(scores, key=lambda name: -scores[name])
    if wrong := _nearly_utf8(path):
        raise BadInput(
            f"{path.name}: is UTF-8 but for some bytes, the first at byte {wrong}; one encoding must hold for every byte. "
            "Ask the source to send it again, or declare the `encoding`."
        )
    if not ranked and _reads(path, "cp1252"):
        return "cp1252"
    if not ranked:
        raise BadInput(
            f"{path.name}: is not text in UTF-8, GB18030, Big5 or Windows-1252; one encoding must hold for every byte. "
            "Declare `encoding` in the profile, or ask the source to send it as UTF-8."
        )
    lead = scores[ranked[0]] - (scores[ranked[1]] if len(ranked) > 1 else 0)
    if scores[ranked[0]] >= _PLAUSIBLE_MIN and lead >= _LEAD_MIN:
        return ranked[0]
    possible = [*ranked, *(["cp1252"] if _reads(path, "cp1252") else [])]
    raise BadInput(
        f"{path.name}: could be {' or '.join(possible)}, and its text does not tell which. "
        "Declare `encoding` in the profile."
    )


def delimiter(path: Path, encoding: str) -> str:
    """The sign between the columns: comma, semicolon, tab or bar; the one that gives each row as many as the header.

    Raises `BadInput` when none or several do.
    """
    with path.open(encoding=encoding, newline="") as file:
        try:
            text = file.read(_CHUNK_BYTES)
            is_cut = bool(file.read(1))
        except UnicodeError:
            raise BadInput(
                f"{path.name}: is not {encoding}; expected text in that encoding. Correct `encoding` in the profile."
            ) from None
    widths = {sign: _width(text.removeprefix("\ufeff"), sign, is_cut) for sign in _DELIMITERS}
    fitting = [sign for sign in _DELIMITERS if widths[sign] > 1 and widths[sign] == max(widths.values())]
    if len(fitting) == 1:
        return fitting[0]
    raise BadInput(
        f"{path.name}: {'several signs' if fitting else 'no sign'} of comma, semicolon, tab and bar would part its first rows "
        "into as many columns as the header has; expected one. Declare `delimiter` in the profile."
    )


def _width(text: str, sign: str, is_cut: bool) -> int:
    """Columns of the header if (nearly) all of the first rows have as many; 0 otherwise."""
    try:
        rows = [
            row for row, _ in zip(csv.reader(io.StringIO(text), delimiter=sign), range(_ROWS), strict=False)
        ]
    except csv.Error:
        return 0
    rows = [row for row in (rows[:-1] if is_cut and len(rows) < _ROWS else rows) if row]
    if not rows:
        return 0
    same = sum(len(row) == len(rows[0]) for row in rows[1:])
    return len(rows[0]) if same >= 0.9 * (len(rows) - 1) else 0


def _nearly_utf8(path: Path) -> int | None:
    """The place of the first wrong byte of a file that is otherwise UTF-8 with many characters beyond ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    wrong = beyond = 0
    for chunk in _chunks(path):
        text = decoder.decode(chunk)
        wrong += text.count("\ufffd")
        beyond += len(text) - len(text.encode("ascii", "ignore"))
    if beyond < 20 or wrong > 0.05 * beyond:
        return None
    strict, done = codecs.getincrementaldecoder("utf-8")(), 0
    for chunk in _chunks(path):
        held = len(strict.getstate()[0])
        try:
            strict.decode(chunk)
        except UnicodeDecodeError as error:
            return done - held + error.start + 1
        done += len(chunk)
    return done  # cut off inside its last character


def _reads(path: Path, encoding: str) -> bool:
    try:
        for _ in _texts(path, encoding):
            pass
    except UnicodeError:
        return False
    return True


def _texts(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for chunk in _chunks(path):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _holds_null(path: Path) -> bool:
    return any(b"\0" in chunk for chunk in _chunks(path))


def _score(path: Path, encoding: str) -> float:
    return plausibility(_texts(path, encoding))


def plausibility(texts: Iterable[str]) -> float:
    """How much a reading looks like Chinese: 1 if all its characters beyond ASCII are common, below 0 if impossible."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(text)
        if seen.total() - sum(n for c, n in seen.items() if c < "\x80") >= _SAMPLE_CHARACTERS:
            break
    beyond = {c: n for c, n in seen.items() if c >= "\x80"}
    total = sum(beyond.values())
    return sum(_weight(c) * n for c, n in beyond.items()) / total if total else 0.0


def _weight(character: str) -> float:
    if character in _COMMON:
        return 1.0
    if "\ue000" <= character <= "\uf8ff" or "\x80" <= character <= "\x9f" or character > "\uffff":
        return -1.0
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6)):
        try:
            coded = character.encode(encoding)
        except UnicodeEncodeError:
            continue
        if first <= coded[0] <= last:  # the level of frequent characters in both standards
            return 0.4
    return 0.0
