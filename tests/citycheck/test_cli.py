"""The command line: its help, its JSON, and what it says when it is called wrongly."""

from __future__ import annotations

import re
import shlex

import click
import pytest
import typer
from typer.testing import CliRunner

from citycheck import settings as settings_module
from citycheck.cli import app
from citycheck.settings import settings
from citycheck.terminal import plain

ROOT = typer.main.get_command(app)
WITHOUT_RESULTS = {"demo", "up", "down", "airflow", "city schema", "forms profile", "index-schema"}
"""They start something, or print a text that is itself a file."""


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


COMMANDS = commands(ROOT)
EXAMPLES = [
    (name, line)
    for name, command in COMMANDS.items()
    for line in re.findall(r"\$ (.*?)\[/\]", command.epilog or "")
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path))
    settings_module.settings.cache_clear()
    yield settings().city_home("quzhou_sample")
    settings_module.settings.cache_clear()


def test_the_commands_are_those_of_the_manual():
    manual = (settings().project / "docs/cli.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"`{name}`" not in manual] == []
    assert {
        "demo",
        "ingest",
        "build",
        "candidate",
        "publish",
        "verify",
        "sql",
        "city check",
    } <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_and_json(name):
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    if name != "airflow":  # it hands --help on
        assert shown.exit_code == 0
        assert f"$ citycheck {name}" in shown.stdout
    assert any(command == name for command, _ in EXAMPLES)
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) == (name not in WITHOUT_RESULTS)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_call_that_is_understood(name, line):
    words = shlex.split(re.split(r" [|>] ", line.replace("\\[", "["))[0])
    assert words[0] == "citycheck"
    given = words[1 + len(name.split()) :]
    assert words[1 : 1 + len(name.split())] == name.split()
    COMMANDS[name].make_context(name, given)


def test_the_top_speaks_both_languages_and_groups_the_commands():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160"}).stdout
    for text in ("城镇社区", "Run 运行", "Feeds 数据", "Release 发布", "Desk 分析", "--install-completion"):
        assert text in shown
    assert "─ Commands ─" not in shown


WRONG = {
    "ingest facilities 2026H1 --city nowhere": r"City 'nowhere' is not known: expected one of",
    "ingest facilities 2099H1": r"Choose another half-year",
    "unmapped facilities 2026H1": r"Run ingest_facilities first",
    "matches 2026H1": r"Run ingest_facilities with half_year=2026H1 first",
    "build 2026H1": r"Run ingest_communities with half_year=2026H1 first",
    "candidate 2026H1": r"no candidate waits. Run `citycheck build 2026H1` first",
    "approve 2026H1": r"no candidate waits",
    "publish 2026H1": r"no candidate waits",
    "reject 2026H1 --reason no": r"no candidate waits",
    "withdraw 2026H1 --version 1 --reason-zh a --reason-en b --responsible city": r"version 1 is not published",
    "rebuild 2026H1 --version 1": r"version 1 is not published; there is none",
    "recompute 2026H1": r"nothing is released .* Build it first",
    "sql --half-year 2026H1 from-x": r"no marts of 2026H1 are published. Publish a candidate",
    "sql --build b1 from-x": r"`citycheck candidates` names those that wait",
    "verify . --key nothing": r"Ask the city for one of them",
    "audit-disclosure nowhere": r"Give the folder of a version",
    "insight nobody": r"no published marts|no warehouse|Run `citycheck build",
    "index --spec no.yml --data no.csv": r"Give the specification of the index as YAML",
    "forms check no.xlsx": r"Check the name of the file",
    "forms paper a.xlsx": r"Run ingest_communities first",
    "city check nowhere": r"City 'nowhere' is not known",
    "city new Bad --sample a=b": r"expected small letters",
    "watch-repairs --city nowhere": r"City 'nowhere' is not known",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_told_in_one_sentence_on_stderr_with_what_to_do(line, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(line))
    assert done.exit_code == 1
    assert done.stdout == ""
    [told] = done.stderr.splitlines()
    assert re.match(r"\w+: ", told)
    assert re.search(WRONG[line], told)


@pytest.mark.parametrize(
    "line",
    ["build 2026", "matches H1", "sql --half-year 26H1 x", "ingest nothing 2026H1", "nonsense", "verify"],
)
def test_a_call_that_cannot_be_is_status_2(line, home):
    done = CliRunner().invoke(app, line.split())
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "--help" in done.stderr


def test_json_holds_no_number_that_is_none():
    assert plain({"a": (float("nan"), b"\x01"), 2: {1.5}}) == {"a": [None, "01"], "2": [1.5]}
