"""Screenshots that compare across machines: drawn with one font, and looked at from afar.

A reference is a thumbnail, each of its points the mean of 8 × 8 pixels. What differs between two machines (how a glyph
is smoothed, a hash, a digit) moves such a mean by little; what a person would notice (a colour, a column, a section, a
language, a shift by a line) moves many of them by much. test_shots.py breaks a page in each of these ways.
"""

from __future__ import annotations

import base64
import gzip
import io
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page

HERE = Path(__file__).parent
REFERENCES = HERE / "references"
FONTS = HERE.parents[1] / "plugins" / "citycheck" / "report" / "fonts"
POINT_PX = 8
NOTICED = 20
"""Of 255: a point that differs by more is another one."""
ALLOWED = 0.004
"""So large a share of other points is the same page."""

_USE_ONE_FONT = """
(font) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :root { --sans: "One font" !important; --serif: "One font" !important; --mono: "One font" !important }
    *, *::before, *::after {
      font-family: "One font" !important; text-rendering: geometricPrecision !important; caret-color: transparent !important }`);
  const bytes = Uint8Array.from(atob(font), (letter) => letter.charCodeAt(0));
  return new FontFace("One font", bytes).load().then((face) => {
    document.fonts.add(face);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    return document.fonts.ready;
  }).then(() => true);
}
"""


def use_one_font(page: Page) -> None:
    """Draw the page with the font of the bulletin, whatever fonts the machine has."""
    [file] = FONTS.glob("NotoSansCJKsc-Regular.*")
    font = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    page.evaluate(_USE_ONE_FONT, base64.b64encode(font).decode())


def thumbnail(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    size = (max(1, picture.width // POINT_PX), max(1, picture.height // POINT_PX))
    return picture.resize(size, Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of points that are other ones; 1 where the sizes differ."""
    if one.size != other.size:
        return 1.0
    bands = ImageChops.difference(one, other).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return sum(most.histogram()[NOTICED + 1 :]) / (one.width * one.height)


def compare(name: str, png: bytes, record: bool) -> tuple[float, str]:
    """The difference from the reference, and what to do about it. With `record` the reference is written anew."""
    file = REFERENCES / f"{name}.png"
    now = thumbnail(png)
    if record:
        REFERENCES.mkdir(exist_ok=True)
        now.save(file, optimize=True)
    if not file.is_file():
        return 1.0, f"{file.name} is missing: look at the page, then record it with RECORD=1."
    share = difference(Image.open(file).convert("RGB"), now)
    return (
        share,
        f"{name}: {100 * share:.2f} % of it looks different. Look at the page; if that is meant, RECORD=1.",
    )
