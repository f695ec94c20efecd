"""Renewal on the page: projects by column for its scripts, and as rows what is read without one.

Costs for the scripts are thousands of CNY, points of an index hundredths, everything else tenths or whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import fsum
from typing import Any

import duckdb

from citycheck.report.figures import scaled
from citycheck.report.queries import Row, ask
from citycheck.report.shapes import Shapes
from citycheck.report.words import OBJECTIVES, PROJECT_STATUSES, SITES, SUPERVISIONS, unit

_LISTED = 30
"""So many rows of a list are printed; all are in its file."""
_FIRST = 10
_PARTS = ("uncovered", "size_gap", "need", "reports")


def project_data(
    connection: duckdb.DuckDBPyConnection, drawn: Shapes, position: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """Every project of this release by column, the most urgent first and the ended ones last; goals and programmes."""
    rows = [
        row
        for row in ask(
            connection,
            "select * from marts.projects order by closed_half_year is not null, priority_score desc nulls last, project_id",
        )
        if ("community", row["community_id"]) in position
    ]
    subjects = _subjects(connection)
    at = {of["code"]: n for n, of in enumerate(subjects)}
    pools, scales, means, actions = (
        _named(connection, table, key)
        for table, key in (
            ("renewal_pools", "pool_code"),
            ("renewal_scales", "scale_code"),
            ("renewal_means", "means_code"),
            ("renewal_actions", "action_code"),
        )
    )
    since = sorted({row["first_seen_half_year"] or "" for row in rows})
    subject = [at.get(row["kind_code"] or row["category_code"] or "") for row in rows]
    places = [
        None
        if row["site_lon"] is None or row["site_lat"] is None
        else drawn.projection.place(row["site_lon"], row["site_lat"])
        for row in rows
    ]

    def coded(column: str, codes: Iterable[str]) -> list[int | None]:
        numbers = {code: n for n, code in enumerate(codes)}
        return [numbers.get(row[column]) for row in rows]

    return {
        "subjects": subjects,
        "pools": pools,
        "scales": scales,
        "means_of": means,
        "actions": actions,
        "statuses": _told(PROJECT_STATUSES),
        "sites": _told(SITES),
        "supervisions": _told(SUPERVISIONS),
        "parts": _named(connection, "renewal_priority", "part_code"),
        "half_years": since,
        "area": [position["community", row["community_id"]] for row in rows],
        "subject": subject,
        "name": [
            [n, row["project_name_zh"], row["project_name_en"]]
            for n, (row, of) in enumerate(zip(rows, subject, strict=True))
            if of is None or row["project_name_zh"] != f"{row['community_name']} {subjects[of]['zh']}"
        ],
        "pool": coded("pool_code", [of["code"] for of in pools]),
        "scale": coded("scale_code", [of["code"] for of in scales]),
        "means": coded("means_code", [of["code"] for of in means]),
        "action": coded("action_code", [of["code"] for of in actions]),
        "status": coded("status_code", PROJECT_STATUSES),
        "site": coded("site_type", SITES),
        "supervision": _sparse(coded("supervision_code", SUPERVISIONS)),
        "since": [since.index(row["first_seen_half_year"] or "") for row in rows],
        "priority": scaled(row["priority_score"] for row in rows),
        "priority_parts": [scaled(row[f"priority_{part}"] for row in rows) for part in _PARTS],
        "people": [row["uncovered_population"] for row in rows],
        "reports": _sparse([row["reports"] if row["kind_code"] is None else None for row in rows]),
        "size": scaled((row["size_m2"] for row in rows), 0),
        "cost": scaled((row["cost_cny"] for row in rows), -3),
        "stated": [n for n, row in enumerate(rows) if row["cost_basis"] == "department"],
        "covered": [row["predicted_covered_population"] for row in rows],
        "points": scaled((row["predicted_community_points"] for row in rows), 2),
        "department": _sparse([row["department"] for row in rows]),
        "ends": _sparse([row["planned_end_on"] and str(row["planned_end_on"]) for row in rows]),
        "x": [place and place[0] for place in places],
        "y": [place and place[1] for place in places],
        "goals": [_curve(goal) for goal in goals(connection)],
        "frontier": _frontier(connection, {row["candidate_id"]: n for n, row in enumerate(rows)}),
    }


def renewal(connection: duckdb.DuckDBPyConnection) -> Row:
    """What the section says without a script; `open` and the counts are of projects that go on."""
    open_now = ask(
        connection, "select * from marts.projects where closed_half_year is null order by project_id"
    )
    found = ask(
        connection, "select count(*) as projects from marts.projects where closed_half_year is not null"
    )
    pools = _by_code(connection, "renewal_pools", "pool_code")
    frontier = ask(connection, "select * from marts.programme_frontier order by budget_cny")
    return {
        "open": len(open_now),
        "closed": found[0]["projects"],
        "stated": sum(row["cost_basis"] == "department" for row in open_now),
        "pools": pools,
        "scales": _named(connection, "renewal_scales", "scale_code"),
        "statuses": [
            code for code in PROJECT_STATUSES if any(row["status_code"] == code for row in open_now)
        ],
        "by_pool": _counted(open_now, "pool_code", pools),
        "by_action": _counted(open_now, "action_code"),
        "by_county": _counted(open_now, "county_id"),
        "actions": _by_code(connection, "renewal_actions", "action_code"),
        "first": sorted(
            (row for row in open_now if row["pool_code"] == "annual_list"),
            key=lambda row: (-(row["priority_score"] or 0.0), row["project_id"]),
        )[:_FIRST],
        "supervised": _first(
            ask(
                connection,
                "select * from marts.projects where supervision_code is not null "
                "order by supervision_code, county_id, priority_score desc nulls last, project_id",
            )
        ),
        "marks": dict(
            connection.execute(
                "select supervision_code, count(*) from marts.projects where supervision_code is not null group by all"
            ).fetchall()
        ),
        "evaluated": _first(
            ask(
                connection,
                """
                select evaluation.*, project.project_name_zh, project.project_name_en
                from marts.project_evaluations as evaluation join marts.projects as project using (project_id)
                order by evaluation.verdict_code desc, project_id
                """,
            )
        ),
        "goals": goals(connection),
        "strategy": ask(
            connection,
            """
            select strategy.*, review.name_zh as review_zh, review.name_en as review_en
            from marts.strategy_review as strategy left join standard.renewal_goal_reviews as review using (review_code)
            where strategy.is_due order by strategy.projects desc, strategy.kind_code
            """,
        ),
        "flows": ask(
            connection,
            "select * from marts.pool_flows join standard.renewal_pools using (pool_code) order by half_year desc, pool_order",
        ),
        "frontier": {
            code: of
            for code in OBJECTIVES
            if (of := [row for row in frontier if row["objective_code"] == code])
        },
    }


def goals(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The goals of five years: each as it stands now, with all its half-years in `told`."""
    rows = ask(
        connection,
        """
        select goal.*, review.name_zh as review_zh, review.name_en as review_en
        from marts.goal_progress as goal left join standard.renewal_goal_reviews as review using (review_code)
        order by goal_order, goal_code, half_year
        """,
    )
    found = []
    for _, of in groupby(rows, key=lambda row: row["goal_code"]):
        told = list(of)
        found.append(
            told[-1]
            | {"told": told, "words": unit(told[-1]["unit"]), "digits": int(told[-1]["unit"] != "shortfalls")}
        )
    return found


def _curve(goal: Row) -> dict[str, Any]:
    """A goal as its chart draws it: on every half-year of its own, values and the straight line to the target."""
    told = {row["half_year"]: row for row in goal["told"]}
    axis = _half_years(goal["first_half_year"], max(goal["last_half_year"], goal["half_year"]))
    line: list[float | None] = [None] * len(axis)
    start, target = goal["baseline_value"], goal["target_value"]
    if start is not None and target is not None:
        begin, end = axis.index(goal["baseline_half_year"]), axis.index(goal["last_half_year"])
        steps = max(end - begin, 1)
        line = [
            None if n < begin else start + (target - start) * min(n - begin, steps) / steps
            for n in range(len(axis))
        ]
    return {
        "zh": goal["name_zh"],
        "en": goal["name_en"],
        "unit": goal["words"]._asdict(),
        "status": goal["status_code"],
        "digits": goal["digits"],
        "half_years": axis,
        "values": scaled((told[h]["value"] if h in told else None for h in axis), goal["digits"]),
        "line": scaled(line, goal["digits"]),
        "target": scaled([target], goal["digits"])[0],
    }


def _half_years(first: str, last: str) -> list[str]:
    found = [first]
    while found[-1] < last:
        year, half = int(found[-1][:4]), found[-1][-1]
        found.append(f"{year}H2" if half == "1" else f"{year + 1}H1")
    return found


def _frontier(connection: duckdb.DuckDBPyConnection, number: Mapping[str, int]) -> list[dict[str, Any]]:
    """By objective: budgets in thousands of CNY, what they bring, and the numbers of the projects that they serve."""
    served: dict[tuple[str, float], list[int]] = {}
    for row in ask(connection, "select * from marts.programme_projects"):
        if row["candidate_id"] in number:
            served.setdefault((row["objective_code"], row["budget_cny"]), []).append(
                number[row["candidate_id"]]
            )
    rows = ask(connection, "select * from marts.programme_frontier order by objective_code, budget_cny")
    found = []
    for code, words in OBJECTIVES.items():
        of = [row for row in rows if row["objective_code"] == code]
        digits = 2 if code == "index_points" else 0
        if of:
            found.append(
                {
                    **{"code": code, **words._asdict(), "digits": digits},
                    "budget": scaled((row["budget_cny"] for row in of), -3),
                    **{name: scaled((row[name] for row in of), digits) for name in ("value", "bound")},
                    "greedy": scaled((row["greedy_value"] for row in of), digits),
                    "projects": [_steps(sorted(served.get((code, row["budget_cny"]), []))) for row in of],
                }
            )
    return found


def _steps(numbers: list[int]) -> list[int]:
    """Growing numbers as the first and what each adds: short."""
    return [number - before for before, number in zip([0, *numbers], numbers, strict=False)]


def _subjects(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """What projects are about: kinds of facility and categories of reports."""
    kinds = ask(
        connection,
        "select kind_code as code, name_zh as zh, name_en as en from standard.facility_kinds order by 1",
    )
    categories = ask(
        connection,
        "select category_code as code, name_zh as zh, name_en as en from standard.repair_categories order by 1",
    )
    return [*kinds, *categories]


def _named(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> list[Row]:
    """The names of a seed's codes, in its order where it has one."""
    order = {"renewal_pools": "pool_order", "renewal_priority": "part_order", "renewal_scales": f"{key} desc"}
    return ask(
        connection,
        f"select {key} as code, name_zh as zh, name_en as en from standard.{table} where name_zh is not null "
        f"order by {order.get(table, key)}",
    )


def _by_code(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> dict[str, Row]:
    return {of["code"]: of for of in _named(connection, table, key)}


def _told(words: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"code": code, **of._asdict()} for code, of in words.items()]


def _sparse(column: list[Any]) -> list[list[Any]]:
    """Where a column has a value, and which: for columns that hardly ever have one."""
    return [[n, value] for n, value in enumerate(column) if value is not None]


def _counted(rows: list[Row], by: str, order: Iterable[str] | None = None) -> list[Row]:
    """Projects and their cost by a column; by scale, pool and status within. Without an order, by the codes themselves."""

    def within(of: list[Row], column: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in of:
            counts[row[column] or ""] = counts.get(row[column] or "", 0) + 1
        return counts

    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[by] or "", []).append(row)
    return [
        {
            "code": code,
            "name": of[0]["county_name"],
            "projects": len(of),
            "cost_cny": fsum(row["cost_cny"] or 0.0 for row in of),
            "scale": within(of, "scale_code"),
            "pool": within(of, "pool_code"),
            "status": within(of, "status_code"),
        }
        for code in (sorted(groups) if order is None else order)
        if (of := groups.get(code))
    ]


def _first(rows: list[Row]) -> Row:
    return {"rows": rows[:_LISTED], "more": max(0, len(rows) - _LISTED)}
