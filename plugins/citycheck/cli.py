"""The command line: the steps from a shell, the whole line on this machine, and the analyst's desk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from citycheck import cli_city, cli_desk, cli_feeds, cli_forms, cli_projects, cli_release, cli_renewal
from citycheck.terminal import (
    DESK,
    FEEDS,
    RUN,
    CityOption,
    JsonOption,
    examples,
    known,
    or_one_sentence,
    tell,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Check the health of a city's communities every half-year. 城镇社区半年度专项体检。\n\n"
    "city check → ingest → build → candidate → approve → publish → verify: a half-year from its sources to a signed release. "
    "试配置 → 采集 → 计算 → 看候选 → 批准 → 发布 → 校验。",
    epilog="Results go to stdout, as JSON with --json; progress and errors to stderr. "
    "COMMAND --help has examples; docs/cli.md has the keys. "
    "--install-completion completes in your shell. 结果在 stdout，进度与错误在 stderr。",
)
app.add_typer(cli_city.app, name="city", rich_help_panel=FEEDS)
app.add_typer(cli_feeds.app)
app.add_typer(cli_forms.app, name="forms", rich_help_panel=FEEDS)
app.add_typer(cli_release.app)
app.add_typer(cli_projects.app, name="projects", rich_help_panel=DESK)
app.add_typer(cli_desk.app)
app.add_typer(cli_renewal.app)


@app.command(rich_help_panel=RUN, epilog=examples("citycheck demo", "citycheck demo --city tainan"))
def demo(city: CityOption = None) -> None:
    """Start Airflow, run the DAGs for the city's half-years, and show what comes out. 演示全过程。"""
    from citycheck import demo as demonstration

    or_one_sentence(lambda: demonstration.run(known(city)))


@app.command(rich_help_panel=RUN, epilog=examples("citycheck up", "citycheck up --city quzhou_sample"))
def up(city: CityOption = None) -> None:
    """Start Airflow and leave it running; prints its address and users. 启动 Airflow。"""
    from citycheck import demo as demonstration

    or_one_sentence(lambda: demonstration.up(known(city)))


@app.command(rich_help_panel=RUN, epilog=examples("citycheck down"))
def down() -> None:
    """Stop the Airflow that `up` started. 停止 Airflow。"""
    from citycheck import demo as demonstration

    or_one_sentence(demonstration.down)


@app.command(
    rich_help_panel=RUN,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog=examples("citycheck airflow dags list"),
)
def airflow(context: typer.Context) -> None:
    """Run one of Airflow's own commands on what `up` started, such as `airflow backfill create …`."""
    from citycheck import demo as demonstration

    def work() -> None:
        raise typer.Exit(demonstration.airflow(context.args))

    or_one_sentence(work)


@app.command(
    "watch-repairs",
    rich_help_panel=RUN,
    epilog=examples("citycheck watch-repairs --dry-run", "citycheck watch-repairs --json"),
)
def watch_repairs(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the digest of everything; tell nobody.")
    ] = False,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell who is responsible which reports will break a 24 h promise soon, and which have; each is told once. 报修督办。"""
    from citycheck.steps import repair_watch

    def work() -> None:
        now = datetime.now(UTC)
        if dry_run:
            digest = repair_watch.preview(known(city), now)
            tell(as_json, {"digest": digest}, digest)
            return
        seen = repair_watch.run(known(city), now)
        tell(
            as_json,
            seen,
            f"{seen['open_reports']} open report(s): {seen['will_break']} alarm(s) of promises that will break, "
            f"{seen['broken']} of broken ones; newest record {seen['newest'] or 'none'}"
            f"{', which is old' if seen['stale'] else ''}",
            *(
                f"{told['channel']}: {told['state']}, {told['alarms']} new  {told['error'] or ''}".rstrip()
                for told in seen["channels"]
            ),
            *([] if seen["channels"] else ["The profile names no channel under alerts; nobody was told."]),
        )

    or_one_sentence(work)
