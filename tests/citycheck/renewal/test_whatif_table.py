"""Effects as a terminal shows them."""

from __future__ import annotations

from citycheck.renewal.whatif import Change, Effect, Standing
from citycheck.renewal.whatif_table import lines

EFFECT = Effect(
    "community",
    "U3",
    "府前社区",
    Standing(60.0, 55.5, 70.25, 4, 2, 6),
    Standing(61.5, 55.5, 70.25, 3, 2, 6),
    covered={"F08": Change(100, 1100)},
    indicators={"ELD-3": Change(None, 50.0), "ELD-2": Change(1.0, 0.5)},
    dimensions={"index": Change(60.0, 61.5), "ELD": Change(40.0, 45.0)},
)


def test_an_area_is_a_row_of_the_table_of_its_level():
    shown = "\n".join(lines([EFFECT], 160))
    for told in (
        "社区 Community",
        "府前社区",
        "60.00 → 61.50",
        "55.50–70.25",
        "4 → 3",
        "2–6",
        "F08 +1,000",
        "ELD +5.00",
    ):
        assert told in shown
    assert "ELD-2 -0.50" in shown and "ELD-3 – → 50.00" in shown
    assert "index +" not in shown and "街道" not in shown
    assert shown.endswith("1 个区域有变化 area(s) would be another")


def test_what_has_no_index_is_shown_without_and_nothing_is_told():
    bare = Effect("street", "S1", "街", Standing(), Standing(), covered={"F17": Change(0, 5)})
    assert "–" in "\n".join(lines([bare], 120))
    assert list(lines([], 80)) == ["没有变化 Nothing would be another"]
