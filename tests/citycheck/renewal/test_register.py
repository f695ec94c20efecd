"""The register of edits: what may be set, what a project is after its edits, and that a batch never changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.errors import BadInput
from citycheck.renewal import register
from citycheck.renewal.register import Edit, Project, fields, problem_of, state

NOON = datetime(2026, 8, 1, 12)
ROW = {
    "project_id": "P",
    "status_code": "reserve",
    "pool_code": "midterm_reserve",
    "cost_cny": 5e6,
    "department": None,
}


def edit(field="department", value="甲局", *, project="P", base="", minutes=0, **others) -> Edit:
    return Edit(project, field, value, base, NOON + timedelta(minutes=minutes), "甲局", "cli", **others)


# Fields --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("status_code", "under_way", "under_way"),
        ("status_code", "实施中 under way", "under_way"),
        ("status_code", "实施中", "under_way"),
        ("planned_end_on", "2026-3-5", "2026-03-05"),
        ("planned_end_on", "2026/03/05", "2026-03-05"),
        ("planned_end_on", "2026.3.5", "2026-03-05"),
        ("planned_end_on", "2026年3月5日", "2026-03-05"),
        ("planned_end_on", "20260305", "2026-03-05"),
        ("planned_end_on", "2026-03-05 00:00:00", "2026-03-05"),
        ("cost_cny", "1,250,000 元", "1250000"),
        ("cost_cny", "0.5", "0.5"),
        ("cost_cny", "1250000.0", "1250000"),
        ("evidence", " 衢发改〔2026〕12号 ", "衢发改〔2026〕12号"),
        ("evidence", "经办 13812345678", "经办 [phone]"),
        ("department", "", ""),
    ],
)
def test_a_value_is_read_as_people_write_it(name, written, read):
    assert fields()[name].read(written) == read


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("status_code", "evaluated"),
        ("status_code", "closed"),
        ("planned_end_on", "2026-02-30"),
        ("planned_end_on", "3/5/26"),
        ("planned_end_on", "1999-12-31"),
        ("planned_end_on", "2026-03-05 14:30"),
        ("cost_cny", "-1"),
        ("cost_cny", "nan"),
        ("cost_cny", "1e400"),
        ("cost_cny", "五百万"),
        ("department", "张先生 13812345678"),
        ("department", "局" * 61),
        ("project_name_zh", "a\nb"),
    ],
)
def test_what_cannot_be_says_what_was_expected(name, written):
    with pytest.raises(ValueError, match=r"\w"):
        fields()[name].read(written)


def test_dbt_knows_the_same_fields():
    """The macros of dbt and the test of stg_project_edits name what fields.yml names."""
    from citycheck.settings import settings

    macros = (settings().dbt_project / "macros" / "projects.sql").read_text("utf-8")
    decided = macros.split("macro decided_columns")[1].split("endmacro")[0]
    staged = (settings().dbt_project / "models/staging/stg_project_edits.yml").read_text("utf-8")
    for name, about in fields().items():
        assert f"- {name}\n" in staged
        assert (f"'{name}'" in decided) != about.only_new


def test_a_short_name_will_do():
    assert [register.named(name).name for name in ("status", "planned_end", "cost", "evidence")] == [
        "status_code",
        "planned_end_on",
        "cost_cny",
        "evidence",
    ]
    with pytest.raises(BadInput, match="no field"):
        register.named("owner")


# Transitions ---------------------------------------------------------------------------------------------------------

FORWARD = ["proposed", "reserve", "annual", "under_way", "delivered"]


def test_a_project_goes_forward_step_by_step():
    for before, after in pairwise(FORWARD):
        project = Project({"status_code": before, "delivered_on": "2026-05-01"})
        assert problem_of(project, {"status_code": after}) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("reserve", "under_way"),
        ("reserve", "delivered"),
        ("proposed", "under_way"),
        ("delivered", "dropped"),
        ("evaluated", "annual"),
        ("closed", "proposed"),
    ],
)
def test_it_takes_no_short_cut_and_does_not_rise_again(before, after):
    wrong = problem_of(Project({"status_code": before, "delivered_on": "2026-05-01"}), {"status_code": after})
    assert wrong is not None
    assert wrong[0] == "status_code"


def test_fields_agree_with_each_other():
    project = Project({"status_code": "under_way", "planned_start_on": "2026-05-01"})
    assert problem_of(project, {"planned_end_on": "2026-04-30"}) == (
        "planned_end_on",
        "not before planned_start_on (2026-05-01) 不得早于计划开工",
    )
    assert problem_of(project, {"planned_end_on": "2026-05-01"}) is None
    wrong = problem_of(project, {"status_code": "delivered"})
    assert wrong is not None
    assert wrong[0] == "delivered_on"
    assert problem_of(project, {"status_code": "delivered", "delivered_on": "2026-05-02"}) is None


# State ---------------------------------------------------------------------------------------------------------------


def test_the_last_edit_of_a_field_counts_whatever_their_order():
    edits = [edit(value="甲局"), edit(value="乙局", minutes=1), edit("cost_cny", "7", minutes=2)]
    for given_order in (edits, edits[::-1]):
        values = state([ROW], given_order)["P"].values
        assert (values["department"], values["cost_cny"]) == ("乙局", "7")
    assert ROW["department"] is None, "what was given is not changed"


def test_a_list_says_the_pool():
    assert state([ROW], [edit("status_code", "annual")])["P"].text("pool_code") == "annual_list"
    both = [edit("status_code", "annual"), edit("pool_code", "five_year_goal", minutes=1)]
    assert state([ROW], both)["P"].text("pool_code") == "five_year_goal"


def test_a_conflict_is_kept_until_its_field_is_settled():
    conflict = edit(value="乙局", is_conflict=True, minutes=1)
    project = state([ROW], [edit(value="甲局"), conflict])["P"]
    assert project.text("department") == "甲局"
    assert project.conflicts == (conflict,)
    at = NOON + timedelta(minutes=2)
    for take, department in (("theirs", "乙局"), ("ours", "甲局")):
        settled = register.settled(conflict, project, take, "丙局", at, "cli")
        after = state([ROW], [edit(value="甲局"), conflict, settled])["P"]
        assert (after.text("department"), after.conflicts) == (department, ())
    other = edit("cost_cny", "1", minutes=3)
    assert state([ROW], [conflict, other])["P"].conflicts == (conflict,)


def test_a_project_of_a_department_begins_with_its_community():
    values = {"community_id": "C1", "kind_code": "F08", "project_name_zh": "食堂"}
    id_ = register.own_id("甲局", values)
    assert id_.startswith("C1-F08-d")
    assert id_ == register.own_id("甲局", dict(reversed(values.items())))
    assert id_ != register.own_id("乙局", values)
    begun = state([], [edit(name, value, project=id_) for name, value in values.items()])[id_]
    assert (begun.text("origin_code"), begun.text("status_code")) == ("department", "proposed")
    assert state([], [edit(project="elsewhere")]) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["P", "Q"]),
            st.sampled_from(["department", "cost_cny", "evidence"]),
            st.sampled_from("abc"),
            st.integers(0, 5),
            st.booleans(),
        ),
        max_size=12,
        unique_by=lambda one: (one[0], one[1], one[3]),
    ),
    st.randoms(),
)
def test_order_does_not_matter_and_what_is_settled_can_be_folded_first(drawn, random):
    """Law: a fold of a later part on the fold of an earlier one is the fold of all, as releases rely on."""
    edits = [edit(f, v, project=p, minutes=m, is_conflict=c) for p, f, v, m, c in drawn]
    rows = [ROW, ROW | {"project_id": "Q"}]
    whole = state(rows, edits)
    shuffled = random.sample(edits, len(edits))
    assert state(rows, shuffled) == whole
    early = state(rows, [one for one in edits if one.edited_at <= NOON + timedelta(minutes=2)])
    late = [one for one in edits if one.edited_at > NOON + timedelta(minutes=2)]
    twice = state([project.values for project in early.values()], late)
    assert {id_: project.values for id_, project in twice.items()} == {
        id_: project.values for id_, project in whole.items()
    }


# Storage -------------------------------------------------------------------------------------------------------------


def test_a_batch_is_read_as_it_was_written(tmp_path):
    edits = [edit(), edit("cost_cny", "7", is_conflict=True)]
    path = register.append(tmp_path, edits, NOON)
    assert path is not None
    assert path.name.startswith("20260801T120000Z-")
    assert register.append(tmp_path, edits[::-1], NOON) == path, "the same edits are the same file"
    assert set(register.read(register.batches(tmp_path))) == set(edits)
    assert register.append(tmp_path, [], NOON) is None
    assert [one.name for one in register.folder_of(tmp_path).iterdir()] == [path.name]


def test_a_build_freezes_what_was_received_by_its_cut_off(tmp_path):
    first = register.append(tmp_path, [edit()], NOON)
    second = register.append(tmp_path, [edit("cost_cny", "7", minutes=1)], NOON + timedelta(minutes=1))
    assert register.batches(tmp_path, NOON) == [first]
    assert register.batches(tmp_path, NOON - timedelta(seconds=1)) == []
    assert register.batches(tmp_path) == [first, second]


def test_a_batch_that_was_changed_is_noticed(tmp_path):
    path = register.append(tmp_path, [edit()], NOON)
    assert path is not None
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([rows[0] | {"value": "乙局"}], schema=register.SCHEMA), path)
    with pytest.raises(BadInput, match="something else"):
        register.read([path])
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="cannot be read"):
        register.read([path])
    (register.folder_of(tmp_path) / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match="no batch"):
        register.batches(tmp_path)
