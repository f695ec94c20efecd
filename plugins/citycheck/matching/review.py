"""The matches as a person reads them: both names side by side, and the line that would decide the pair."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa

_ORDER = {"review": 0, "same": 1, "different": 2}


def review_lines(matches: pa.Table, facilities: pa.Table) -> list[dict[str, Any]]:
    """One line per pair, those to review first, then by falling score.

    `csv_line` is ready for `facility_matches.csv` but for the reason, the role and the day, which a person fills in; its
    decision is `same` for a pair to review, else the opposite of what was decided.
    """
    wanted = ("facility_id", "facility_name", "kind_code", "source_file")
    columns = [facilities[name].to_pylist() for name in wanted]
    about = {id_: (name, kind, file.split("/", 1)[0]) for id_, name, kind, file in zip(*columns, strict=True)}
    lines = []
    for pair in matches.to_pylist():
        name, kind, source = about[pair["facility_id"]]
        other_name, _, other_source = about[pair["other_facility_id"]]
        lines.append(
            {
                "kind_code": kind,
                "source": source,
                "facility_name": name,
                "other_source": other_source,
                "other_facility_name": other_name,
                **pair,
                "csv_line": _csv_line(pair),
            }
        )
    return sorted(
        lines,
        key=lambda line: (
            _ORDER[line["decision"]], -line["score"], line["facility_id"], line["other_facility_id"],
        ),
    )  # fmt: skip


def _csv_line(pair: dict[str, Any]) -> str:
    proposed = "different" if pair["decision"] == "same" else "same"
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(
        [pair["facility_id"], pair["other_facility_id"], proposed, "REASON", "ROLE", "YYYY-MM-DD"]
    )
    return out.getvalue()
