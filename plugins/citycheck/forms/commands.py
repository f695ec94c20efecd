"""What `citycheck forms …` does: write a form for a city, and take in a filled spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from citycheck.errors import BadInput
from citycheck.forms.check import Checked, check
from citycheck.forms.register import communities
from citycheck.forms.sheets import minutes_template, paper_template
from citycheck.forms.xlsform import xlsform
from citycheck.settings import CityHome

Form = Literal["xlsform", "paper", "minutes"]
_MAKERS = {"xlsform": xlsform, "paper": paper_template, "minutes": minutes_template}


def write_form(form: Form, home: CityHome, out: Path) -> str:
    """Write a form for the communities of the lake to `out` (.xlsx); what was written, in a sentence.

    Raises `NotReady` when the city has no communities yet and `BadInput` when `out` cannot be written.
    """
    listed = communities(home)
    _write(out, _MAKERS[form](listed))
    return f"{out}: {form}, {len(listed)} communities 已生成，{len(listed)}个社区"


def take_in(file: Path) -> tuple[Checked, str]:
    """Check a filled spreadsheet. Beside it are written the accepted rows and, if need be, a copy with marks.

    `<name>.rows.csv` and `<name>.marked.xlsx` hold what residents answered: only their owner may read them. Raises
    `BadInput` as `check` does.
    """
    checked = check(file)
    stem = file.stem.removesuffix(".marked")
    rows, marked = file.with_name(f"{stem}.rows.csv"), file.with_name(f"{stem}.marked.xlsx")
    _write(rows, checked.as_csv())
    told = f"{file.name}: 共 {checked.rows_in} 行，接受 {len(checked.rows)} 行 → {rows.name}；退回 {checked.rows_rejected} 行"
    told_en = f"{checked.rows_in} rows, {len(checked.rows)} accepted, {checked.rows_rejected} rejected"
    if checked.marked is None:
        return checked, f"{told}. {told_en}."
    _write(marked, checked.marked)
    return checked, f"{told} → {marked.name}. {told_en}: correct the coloured cells there and check it again."


def _write(path: Path, content: bytes) -> None:
    try:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); expected a folder that is there. Correct it."
        ) from None
