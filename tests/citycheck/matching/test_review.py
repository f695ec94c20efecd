from __future__ import annotations

from citycheck.matching.decisions import read_decisions
from citycheck.matching.match import match
from citycheck.matching.review import review_lines
from citycheck.matching.rules import MatchRules


def test_what_to_review_comes_first_with_both_names_and_a_line_to_paste(facilities, tmp_path):
    table = facilities(
        ("register:1", "鹿鸣小学", 0), ("map:1", "鹿鸣小学", 5),
        ("register:2", "实验小学", 2000), ("map,2", "实验小学南校区", 2005, {"source_file": "map/x.json"}),
    )  # fmt: skip
    matches = match(table, MatchRules(prefer=["register"]))
    first, second = review_lines(matches, table)
    assert (first["facility_name"], first["other_facility_name"], first["decision"]) == (
        "实验小学",
        "实验小学南校区",
        "review",
    )
    assert (first["source"], first["other_source"], first["kind_code"]) == ("register", "map", "F05")
    assert first["csv_line"] == 'register:2,"map,2",same,REASON,ROLE,YYYY-MM-DD'
    assert second["csv_line"] == "register:1,map:1,different,REASON,ROLE,YYYY-MM-DD"

    path = tmp_path / "facility_matches.csv"
    filled = first["csv_line"].replace("YYYY-MM-DD", "2026-07-01")
    path.write_text(
        f"facility_id,other_facility_id,decision,reason,decided_by_role,decided_on\n{filled}\n",
        encoding="utf-8",
    )
    again = match(table, MatchRules(prefer=["register"]), read_decisions(path))
    assert ("register:2", "same", "person") in [
        (row["facility_id"], row["decision"], row["decided_by"]) for row in again.to_pylist()
    ]
