from __future__ import annotations

from datetime import date

import pytest

from citycheck.errors import BadInput
from citycheck.matching.decisions import read_decisions

HEADER = "facility_id,other_facility_id,decision,reason,decided_by_role,decided_on\n"


def write(tmp_path, *lines, header=HEADER):
    path = tmp_path / "facility_matches.csv"
    path.write_text(header + "\n".join(lines), encoding="utf-8")
    return path


def test_a_city_without_decisions_has_none(tmp_path):
    assert read_decisions(tmp_path / "facility_matches.csv") == []


def test_decisions_are_read_with_their_line(tmp_path):
    path = write(
        tmp_path,
        'r:1,m:1,same,"one gate, two names",registrar,2026-07-01',
        "r:1,m:2,different,x,clerk,2026-07-02",
    )
    first, second = read_decisions(path)
    assert (first.decision, first.reason, first.decided_on, first.line) == (
        "same",
        "one gate, two names",
        date(2026, 7, 1),
        2,
    )
    assert (second.decision, second.decided_by_role, second.line) == ("different", "clerk", 3)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("r:1,m:1,perhaps,x,clerk,2026-07-01", "line 2: decision is neither same nor different"),
        ("r:1,m:1,same,,clerk,2026-07-01", "line 2: reason is blank"),
        ("r:1,m:1,same,x,clerk,YYYY-MM-DD", "line 2: decided_on is no date"),
        ("r:1,r:1,same,x,clerk,2026-07-01", "line 2: names one facility twice"),
        ("r:1,m:1,same,x,clerk,2026-07-01,more", "line 2: has more values"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, told):
    with pytest.raises(BadInput, match=told):
        read_decisions(write(tmp_path, line))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(BadInput, match="reason, decided_on are missing"):
        read_decisions(write(tmp_path, header="facility_id,other_facility_id,decision,decided_by_role\n"))


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "facility_matches.csv"
    path.write_bytes(HEADER.encode() + "r:1,m:1,same,同一所学校,c,2026-07-01".encode("gb18030"))
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_decisions(path)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (
            ["A,B,same", "C,D,same", "B,C,same", "A,C,different"],
            "line 5: .* which lines 2 and 4 make the same",
        ),
        (["A,B,different", "B,A,same"], "line 2: .* which line 3 makes the same"),
    ],
)
def test_decisions_that_contradict_each_other_are_named(tmp_path, pairs, told):
    with pytest.raises(BadInput, match=told):
        read_decisions(write(tmp_path, *[f"{pair},x,clerk,2026-07-01" for pair in pairs]))
