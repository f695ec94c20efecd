"""Renewal on the page: what scripts and HTML say of projects equals the tables."""

from __future__ import annotations

from itertools import accumulate

import pytest
from page_reader import Page, html_of, parsed, text_of

from citycheck.duck import connect
from citycheck.report.projects import renewal

RENEWAL = (
    *("projects", "goal_progress", "programme_frontier", "programme_projects"),
    *("project_evaluations", "pool_flows"),
)


def empty(build):
    """The same city before there was anything of renewal."""
    with connect(build.database) as connection:
        for name in RENEWAL:
            connection.execute(f"delete from marts.{name}")
    return build


def asked(build, sql):
    with connect(build.database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def data(full_build):
    return parsed(text_of(full_build))


def rows_of(data):
    """The columns as rows again: community, subject, pool, status, site and figures."""
    of, ids = data["projects"], data["core"]["areas"]["id"]
    for n, area in enumerate(of["area"]):
        yield (
            ids[area],
            of["subjects"][of["subject"][n]]["code"],
            of["pools"][of["pool"][n]]["code"],
            of["scales"][of["scale"][n]]["code"],
            of["statuses"][of["status"][n]]["code"],
            of["actions"][of["action"][n]]["code"],
            of["sites"][of["site"][n]]["code"],
            *(of[name][n] for name in ("priority", "people", "cost", "covered", "points")),
        )


def test_every_project_is_there_as_the_table_has_it(full_build, data):
    told = asked(
        full_build,
        """
        select community_id, coalesce(kind_code, category_code), pool_code, scale_code, status_code, action_code, site_type,
            cast(round(priority_score * 10) as int), uncovered_population, cast(round(cost_cny / 1000) as int),
            predicted_covered_population, cast(round(predicted_community_points * 100 + 1e-9) as int)
        from marts.projects order by closed_half_year is not null, priority_score desc, project_id
        """,
    )
    assert list(rows_of(data)) == told and len(told) == 18


def test_the_parts_of_a_priority_are_told_and_add_up(data):
    of = data["projects"]
    assert [part["code"] for part in of["parts"]] == ["uncovered", "size_gap", "need", "reports"]
    for n, score in enumerate(of["priority"]):
        assert abs(sum(column[n] for column in of["priority_parts"]) - score) <= 1


def test_only_names_that_cannot_be_derived_are_told(data):
    of = data["projects"]
    assert [name for _, *name in of["name"]] == [["部门<b>自定</b>的名称", "A name <b>of its own</b>"]] * 2
    assert [value for _, value in of["department"]] == ["=合成<i>局</i>"] * 2
    assert [value for _, value in of["reports"]] == [7, 7] and len(of["stated"]) == 2
    marked = [of["supervisions"][value]["code"] for _, value in of["supervision"]]
    assert marked == ["overdue", "overdue"]


def test_a_site_lies_where_the_borders_are_drawn(data):
    of, ids = data["projects"], data["core"]["areas"]["id"]
    at = next(n for n, area in enumerate(of["area"]) if ids[area] == "C1-0")
    ring = next(ring for area, ring in data["shapes"]["polygons"] if ids[area] == "C1-0")[0][0]
    west, south = (min(accumulate(ring[axis::2])) for axis in (0, 1))
    assert west < of["x"][at] < west + 974 and south < of["y"][at] < south + 1112
    unsited = {ids[area] for area, x in zip(of["area"], of["x"], strict=True) if x is None}
    assert unsited == {"C1-3", "C2-3"}


def test_a_goal_is_drawn_on_all_of_its_half_years_with_the_line_to_its_target(data):
    (goal,) = data["projects"]["goals"]
    assert goal["half_years"] == ["2025H2", "2026H1", "2026H2"]
    assert (goal["values"], goal["line"], goal["target"]) == ([500, 510, None], [500, 550, 600], 600)


def test_a_programme_names_the_projects_of_its_budget(full_build, data):
    (frontier,) = data["projects"]["frontier"]
    assert (frontier["code"], frontier["budget"], frontier["value"]) == (
        "index_points",
        [8210, 20530],
        [119, 200],
    )
    ids, of = data["core"]["areas"]["id"], data["projects"]
    for budget, steps in zip((8.21e6, 20.53e6), frontier["projects"], strict=True):
        told = {f"{ids[of['area'][n]]}-F01" for n in accumulate(steps)}
        rows = asked(
            full_build, f"select candidate_id from marts.programme_projects where budget_cny = {budget}"
        )
        assert told == {candidate for (candidate,) in rows} and len(steps) == len(rows)


def test_the_counts_are_of_what_is_open_and_each_adds_up(full_build):
    with connect(full_build.database, read_only=True) as connection:
        found = renewal(connection)
    assert (found["open"], found["closed"], found["stated"]) == (16, 2, 2)
    for by in ("by_pool", "by_action", "by_county"):
        assert sum(row["projects"] for row in found[by]) == 16
        for within in ("scale", "pool", "status"):
            assert all(sum(row[within].values()) == row["projects"] for row in found[by])
    ((total,),) = asked(
        full_build,
        "select sum(cost_cny::decimal(38, 2))::double from marts.projects where closed_half_year is null",
    )
    assert sum(row["cost_cny"] for row in found["by_pool"]) == pytest.approx(total, abs=0.01)
    assert [row["code"] for row in found["by_pool"]] == ["annual_list", "midterm_reserve", "five_year_goal"]


def test_the_page_says_it_without_a_script(full_build):
    page = Page(html_of(full_build))
    text = page.text("main")
    for said in (
        "16 projects: what the rules of the standard make",
        "2 more ended with this release.",
        "but for 2 that departments have stated",
        "A name <b>of its own</b>",
        "=合成<i>局</i>",
        "overdue",
        "never drains",
        "as predicted",
        "全市<b>指数</b>",
        "behind",
    ):
        assert said in text, said
    assert page.count("b") == 0 and page.count("i") == 0
    assert page.count("input", id="sites") == 1 and page.count("select", id="projects-programme") == 1


def test_costs_are_called_estimates(full_build):
    with connect(full_build.database) as connection:
        connection.execute("update marts.projects set cost_basis = 'estimate'")
    text = Page(html_of(full_build)).text("main")
    assert (
        "Costs are estimates by proposed unit prices, not quotations." in text and "have stated" not in text
    )


def test_the_five_year_review_is_shown_when_it_is_due(full_build):
    assert "Five-year review" not in Page(html_of(full_build)).text("main")
    with connect(full_build.database) as connection:
        connection.execute(
            "insert into marts.strategy_review (kind_code, kind_name_zh, kind_name_en, projects, open_at_end, drained_pct, "
            "is_due, review_code) values ('F01', '<b>甲</b>', 'Centre', 4321, 9, 12.34, true, 'raise')"
        )
    page = Page(html_of(full_build))
    text = page.text("main")
    assert "<b>甲</b>" in text and "4,321" in text and "12.3" in text and "Reached: raise it" in text
    assert page.count("b") == 0


def test_a_city_without_projects_says_so_and_has_no_controls_for_them(full_build):
    page = Page(html_of(empty(full_build)))
    assert page.open == [] and "There is no renewal project in this half-year." in page.text("main")
    assert page.count("input", id="sites") == 0 and page.count("select", id="projects-county") == 0
    assert "Five-year goals against the trend" not in page.text("main")
    of = parsed(text_of(full_build))["projects"]
    assert of["area"] == of["goals"] == of["frontier"] == [] and len(of["pools"]) == 3


def test_a_goal_that_is_not_known_says_so_and_has_no_line(build_without_survey):
    page = Page(html_of(build_without_survey))
    assert "数据不足" in page.text("main") and "Index of the city" in page.text("main")
    (goal,) = parsed(text_of(build_without_survey))["projects"]["goals"]
    assert set(goal["values"]) == set(goal["line"]) == {None}


def test_a_project_of_a_unit_that_is_gone_is_counted_and_not_drawn(full_build):
    with connect(full_build.database) as connection:
        connection.execute(
            "update marts.projects set community_id = 'gone' where project_id = 'C1-0-water-001-2025H2'"
        )
    assert len(parsed(text_of(full_build))["projects"]["area"]) == 17
    with connect(full_build.database, read_only=True) as connection:
        assert renewal(connection)["open"] == 16
