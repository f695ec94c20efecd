"""The rules of the house that a machine can check: what is tracked, who imports whom, which versions are locked."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from citycheck.local_airflow import TELEMETRY_OFF

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "plugins" / "citycheck"
LOCKS = ("requirements.lock", "requirements-dev.lock")
MODULES = sorted(PACKAGE.rglob("*.py"))

# Versions whose neighbours were found not to work; the reasons stand in requirements.in.
PINS = {
    "apache-airflow": "3.3.2",
    "dbt-core": "1.11.16",
    "dbt-duckdb": "1.11.1",
    "duckdb": "1.5.5",
    "duckdb-extension-spatial": "1.5.5",
    "great-expectations": "1.24.1",
}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files of the project as git has them; of an unpacked archive, those that it would have."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = [PROJECT / name for name in listed.stdout.split("\0") if name]
    return [path for path in found if path.is_file() and not path.is_symlink()]


# What is tracked -----------------------------------------------------------------------------------------------------


def test_no_file_is_larger_than_a_megabyte(tracked):
    """But fonts: test_bulletin.py says how large those may be."""
    large = [
        str(path.relative_to(PROJECT))
        for path in tracked
        if path.stat().st_size > 1_000_000 and path.parent != PACKAGE / "report" / "fonts"
    ]
    assert large == []


# Put together here, so that this file does not hold what it looks for.
MACHINE = re.compile("|".join((
    r"""(?:^|[\s"'`=(:,])/""" + "work/", "/" + "tmp/lab", "/" + r"opt/(pypi|wheels)", r"/(home|Users)" + r"/[a-z]\w*/",
    "index" + "-url", "find" + "-links", "files.python" + "hosted", r"pypi" + r"\.org/simple",
)))  # fmt: skip


@pytest.mark.parametrize("leak", ["/" + "work/main/x", "--index" + "-url=x", "/" + "tmp/lab/v"])
def test_the_pattern_finds_what_it_is_for(leak):
    assert MACHINE.search(leak)


def test_no_path_of_a_machine_and_no_host_of_a_registry_is_told(tracked):
    found = []
    for path in tracked:
        if path.suffix in {".parquet", ".png", ".xlsx"}:
            continue
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_nothing_is_left_to_be_done_later(tracked):
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    suffixes = {".py", ".sql", ".yml", ".toml", ".sh", ".md"}
    found = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in tracked
        if path.suffix in suffixes
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if later.search(line)
    ]
    assert found == []


# Who imports whom ----------------------------------------------------------------------------------------------------


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_skin_of_airflow_imports_airflow():
    skin = {PACKAGE / "airflow_plugin.py", PACKAGE / "airflow_deadline.py", *(PACKAGE / "web").rglob("*.py")}
    found = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if path not in skin and any(name.split(".")[0] == "airflow" for name in imports(path))
    ]
    assert found == []


def test_the_package_does_not_import_the_dags():
    dags = {path.stem for path in (PROJECT / "dags").glob("*.py")} | {"dags"}
    found = [str(path) for path in MODULES if {name.split(".")[0] for name in imports(path)} & dags]
    assert found == []


@pytest.mark.parametrize("name", ["period", "settings", "errors"])
def test_the_ground_floor_imports_nothing_of_ours_but_errors(name):
    ours = {found for found in imports(PACKAGE / f"{name}.py") if found.split(".")[0] == "citycheck"}
    assert {".".join(found.split(".")[:2]) for found in ours} <= {"citycheck.errors"}


def test_no_import_is_relative():
    """A module that Airflow loads by its path has no parent."""
    found = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert found == []


def test_airflow_loads_nothing_of_the_plugins_folder_but_the_plugin():
    """It would import each file under its bare name: feeds/http.py as `http`, cities/profile.py as `profile`."""
    from airflow._shared.module_loading import find_path_from_directory

    found = find_path_from_directory(str(PROJECT / "plugins"), ".airflowignore", "glob")
    names = {str(Path(path).relative_to(PACKAGE)) for path in found if path.endswith(".py")}
    assert names <= {"airflow_plugin.py"}


# What is installed ---------------------------------------------------------------------------------------------------


def requirements(lock: str) -> dict[str, list[str]]:
    """Each requirement line of a lock, and its hashes."""
    found: dict[str, list[str]] = {}
    for line in (PROJECT / lock).read_text("utf-8").splitlines():
        text = line.strip().rstrip("\\").strip()
        if text.startswith("--hash=sha256:"):
            found[next(reversed(found))].append(text.removeprefix("--hash=sha256:"))
        elif text and not text.startswith("#"):
            found[text] = []
    return found


def versions(lock: str) -> dict[str, set[str]]:
    """Name → locked versions (several where they differ by Python version)."""
    found: dict[str, set[str]] = {}
    for line in requirements(lock):
        name, _, rest = line.partition("==")
        found.setdefault(name, set()).add(rest.split(";")[0].strip())
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_has_hashes(lock):
    wrong = [
        line
        for line, hashes in requirements(lock).items()
        if not re.match(r"[a-z0-9][a-z0-9-]*==[^ *]+( ; .+)?$", line)
        or not hashes
        or not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    ]
    assert wrong == []
    assert len(requirements(lock)) > 20


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock):
    assert not re.search(r"https?:|index|@ ", (PROJECT / lock).read_text("utf-8"))


def test_the_locks_agree():
    runtime, dev = (versions(lock) for lock in LOCKS)
    assert {name: dev[name] for name in runtime.keys() & dev.keys() if not dev[name] <= runtime[name]} == {}


def test_the_locks_hold_what_is_asked_for():
    for lock in LOCKS:
        asked = (PROJECT / lock).with_suffix(".in").read_text("utf-8").splitlines()
        names = {re.split(r"[=<>!~;\[ ]", line)[0].lower() for line in asked if line and line[0] not in "#-"}
        assert names <= versions(lock).keys()


@pytest.mark.parametrize("name", PINS)
def test_a_version_that_matters_is_locked_and_installed(name):
    assert versions(LOCKS[0])[name] == {PINS[name]}
    assert version(name) == PINS[name]


def test_the_airflow_provider_of_great_expectations_is_not_there():
    """It would take Great Expectations back to 0.18, or Airflow to before 3.3.1."""
    assert "airflow-provider-great-expectations" not in versions(LOCKS[0])


def test_the_package_and_the_project_have_one_version():
    import citycheck

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == citycheck.__version__


# Telemetry -----------------------------------------------------------------------------------------------------------


def test_make_turns_off_the_same_telemetry_as_the_local_airflow():
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    assert dict(re.findall(r"^export (\w+) := (.*)$", makefile, re.M)).items() >= TELEMETRY_OFF.items()


def test_telemetry_is_off_in_tests():
    assert {name: os.environ.get(name) for name in TELEMETRY_OFF} == TELEMETRY_OFF
