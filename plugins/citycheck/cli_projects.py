"""`citycheck projects`: what is to be renewed, as departments see it and set it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from citycheck.terminal import (
    CityOption,
    HalfYearArgument,
    JsonOption,
    examples,
    known,
    or_one_sentence,
    tell,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Renewal projects: lists, workbooks for departments, edits and supervision. 更新项目：清单、表格往来、修改与督查。",
)

Department = Annotated[
    str, typer.Option("--department", help="Who says so: a department, never a person. 部门，不要写人名。")
]
OfDepartment = Annotated[str | None, typer.Option("--department", help="Only those of a department.")]
OfCounty = Annotated[str | None, typer.Option("--county", help="Only those of a county: its code or name.")]


@app.command(
    epilog=examples(
        "citycheck projects export 2026H1 --out projects.xlsx",
        "citycheck projects export 2026H1 --out kecheng.xlsx --county 330802",
    )
)
def export(
    half_year: HalfYearArgument,
    out: Annotated[Path, typer.Option(help="The workbook to write (.xlsx).")],
    county: OfCounty = None,
    department: OfDepartment = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the projects as a workbook, for departments that do not use the system. 导出表格。"""
    from citycheck.steps import projects

    def work() -> None:
        count = projects.export(known(city), half_year, out, county=county, department=department)
        tell(as_json, {"path": out, "projects": count}, f"{out}: {count} project(s)")

    or_one_sentence(work)


@app.command(
    "import", epilog=examples("citycheck projects import projects.xlsx --department 市住房和城乡建设局")
)
def import_(
    file: Annotated[Path, typer.Argument(help="A workbook of `export` that was filled in.")],
    department: Department,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over what was changed in a workbook: all, or with an error none. Exit status 1: something is wrong. 导入表格。"""
    from citycheck.steps import projects

    def work() -> None:
        found = projects.take_in(known(city), file, department, datetime.now(UTC))
        result = {
            "rows": found.rows,
            "edits": [edit.as_row() for edit in found.edits],
            "conflicts": [edit.as_row() for edit in found.conflicts],
            "problems": [
                {"row": one.row, "column": one.column, "expected": one.expected} for one in found.problems
            ],
        }
        lines = [f"{file.name}, {problem}" for problem in found.problems]
        lines += [
            f"conflict {edit.edit_id}: {edit.project_id}, {edit.field}: you saw {edit.base_value!r} and set {edit.value!r}; it "
            f"has been changed since and stays until `citycheck projects resolve {edit.edit_id} --take theirs|ours`"
            for edit in found.conflicts
        ]
        stored = "nothing is stored" if found.problems else f"{len(found.edits)} edit(s) taken over"
        lines.append(
            f"{found.rows} row(s): {stored}, {len(found.conflicts)} conflict(s), {len(found.problems)} problem(s)"
        )
        tell(as_json, result, *lines)
        if found.problems:
            raise typer.Exit(1)

    or_one_sentence(work)


@app.command("list", epilog=examples("citycheck projects list", "citycheck projects list --pool annual_list"))
def list_(
    pool: Annotated[
        Literal["annual_list", "midterm_reserve", "five_year_goal"] | None,
        typer.Option(help="Only this pool."),
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only this status, such as under_way.")] = None,
    county: OfCounty = None,
    department: OfDepartment = None,
    most: Annotated[int | None, typer.Option("--rows", min=1, help="Only the first of them.")] = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the projects that go on, the most urgent first: the last release with the edits since. 项目清单。"""
    from citycheck.steps import projects

    def work() -> None:
        found = [
            project
            for project in projects.chosen(
                projects.current(known(city)), county=county, department=department
            )
            if pool in (None, project.text("pool_code")) and status in (None, project.text("status_code"))
        ][:most]
        tell(
            as_json,
            [{**project.values, "conflicts": len(project.conflicts)} for project in found],
            *(
                f"{project.text('project_id'):32} {project.values.get('priority_score') or 0:5.1f}  "
                f"{project.text('status_code'):9} {project.text('pool_code'):15} {project.text('project_name_zh')}"
                f"{'  ' + project.text('department') if project.text('department') else ''}"
                f"{'  conflict 冲突' if project.conflicts else ''}"
                for project in found
            ),
            f"{len(found)} project(s)",
        )

    or_one_sentence(work)


@app.command(epilog=examples("citycheck projects show 330802001001-F08-2026H1"))
def show(
    project_id: Annotated[str, typer.Argument(help="Code of a project.")],
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a project with its edits and conflicts. 项目详情。"""
    from citycheck.steps import projects

    def work() -> None:
        found = projects.show(known(city), project_id)
        told = {name: value for name, value in found.items() if name not in ("edits", "conflicts")}
        tell(
            as_json,
            found,
            *(f"{name:32} {value}" for name, value in told.items() if value not in (None, "")),
            *(f"edit      {_told(edit)}" for edit in found["edits"]),
            *(f"conflict  {_told(edit)}" for edit in found["conflicts"]),
        )

    or_one_sentence(work)


@app.command(
    "set",
    epilog=examples(
        "citycheck projects set 330802001001-F08-2026H1 status annual --department 市民政局",
        "citycheck projects set 330802001001-F08-2026H1 planned_end 2026-12-31 --department 市民政局",
    ),
)
def set_(
    project_id: Annotated[str, typer.Argument(help="Code of a project.")],
    name: Annotated[str, typer.Argument(metavar="FIELD", help="Such as status, department or planned_end.")],
    value: Annotated[str, typer.Argument(help="What it is to be; an empty text clears it.")],
    department: Department,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set one field of a project. 修改一项。"""
    from citycheck.steps import projects

    def work() -> None:
        edit = projects.set_field(known(city), project_id, name, value, department, datetime.now(UTC))
        told = "is so already; nothing was stored" if edit is None else _told(edit.as_row())
        tell(as_json, edit and edit.as_row(), told)

    or_one_sentence(work)


@app.command(
    epilog=examples("citycheck projects resolve 0123456789abcdef --take theirs --department 市民政局")
)
def resolve(
    edit_id: Annotated[
        str, typer.Argument(metavar="EDIT", help="Code of a conflict, as `log --conflicts` says.")
    ],
    take: Annotated[
        Literal["theirs", "ours"], typer.Option(help="What the sheet says (theirs), or what stands (ours).")
    ],
    department: Department,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a conflict. 处理冲突。"""
    from citycheck.steps import projects

    def work() -> None:
        edit = projects.resolve(known(city), edit_id, take, department, datetime.now(UTC))
        tell(as_json, edit.as_row(), _told(edit.as_row()))

    or_one_sentence(work)


@app.command(epilog=examples("citycheck projects log", "citycheck projects log --conflicts"))
def log(
    project_id: Annotated[str | None, typer.Option("--project", help="Only of this project.")] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Only conflicts that nobody has settled.")
    ] = False,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what departments have set, the newest first. 修改记录。"""
    from citycheck.steps import projects

    def work() -> None:
        found = projects.log(known(city), project_id=project_id, conflicts=conflicts)
        tell(as_json, found, *map(_told, found), f"{len(found)} edit(s)")

    or_one_sentence(work)


@app.command(epilog=examples("citycheck projects supervision"))
def supervision(city: CityOption = None, as_json: JsonOption = False) -> None:
    """Tell which projects are overdue, stalled, or were delivered without effect. 考核督查。"""
    from citycheck.steps import projects

    def work() -> None:
        found = projects.supervision(known(city), datetime.now(UTC).date())
        tell(
            as_json,
            found,
            *(
                f"{row['supervision_code']:15} {row['project_id']:32} {row['status_code'] or '':9} "
                f"{row['planned_end_on'] or '':10} {row['department'] or ''} {row['project_name_zh'] or ''}"
                for row in found
            ),
            f"{len(found)} project(s)",
        )

    or_one_sentence(work)


def _told(edit: dict[str, Any]) -> str:
    return (
        f"{edit['edited_at']:%Y-%m-%d %H:%M:%S} UTC  {edit['edit_id']}  {edit['project_id']}  {edit['field']}: "
        f"{edit['base_value'] or '–'} → {edit['value'] or '–'}  ({edit['department']}, {edit['source']}"
        f"{', conflict' if edit['is_conflict'] else ''})"
    )
