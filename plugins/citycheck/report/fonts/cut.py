"""Cut the bulletin's fonts from the Noto CJK collections; README.md says when and how.

python plugins/citycheck/report/fonts/cut.py /usr/share/fonts/opentype/noto
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection

HERE = Path(__file__).parent
CUTS = (
    ("NotoSansCJK-Regular.ttc", "Noto Sans CJK SC", "gbk", "NotoSansCJKsc-Regular.otf"),
    ("NotoSerifCJK-Bold.ttc", "Noto Serif CJK SC Bold", "gb2312", "NotoSerifCJKsc-Bold.otf"),
)
"""Collection, face, the character set whose characters are kept (names may hold any of GBK), and what is written."""
LATIN_AND_SIGNS = (
    *range(0x20, 0x250),
    *range(0x2010, 0x2040),
    *range(0x2070, 0x20A0),
    0x2212,
    0x25B2,
    0x25BC,
)


def main(collections: Path) -> None:
    for file, face, codec, name in CUTS:
        with TTCollection(collections / file, lazy=True) as collection:
            (font,) = (font for font in collection.fonts if font["name"].getDebugName(4) == face)
            options = Options(layout_features=[], hinting=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
            options.drop_tables += ["BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
            subsetter = Subsetter(options)
            subsetter.populate(unicodes={*LATIN_AND_SIGNS, *_characters(codec)})
            subsetter.subset(font)
            font["head"].modified = font["head"].created  # the same bytes whenever it is made
            font.recalcTimestamp = False
            font.save(HERE / name)


def _characters(codec: str) -> set[int]:
    """All characters that a Chinese double-byte character set holds."""
    pairs = (bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF))
    return {ord(text) for text in (pair.decode(codec, "ignore") for pair in pairs) if len(text) == 1}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
