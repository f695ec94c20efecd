"""Death at any moment, a full disk, a store that may not be written, two releases at once, a clock that moves.

The law, whatever happens: a reader who follows the pointer sees a complete release that verifies; what was published stays as
it was; a re-run completes; nothing is published twice. Each test prints what it tried, survived and lost; `make test-faults`.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import Pipe, Process
from pathlib import Path

import pytest
from approving import CITY, NOW, candidate

from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.errors import BadInput, CitycheckError, NotReady
from citycheck.lake.files import DiskFull
from citycheck.release import calendar
from citycheck.release import publish as releases
from citycheck.release.publication import Published
from citycheck.steps import index, release
from citycheck.steps.index import Build

pytestmark = [pytest.mark.slow, pytest.mark.faults]

HALF_YEAR = "2026H1"
FIRST, SECOND, THIRD = (f"{number:016x}" for number in (1, 2, 3))
RANDOM_KILLS = 200
SEED = 20260701
DISK_CALLS = ("fsync", "rename", "replace", "chmod", "mkdir", "symlink", "unlink")


@pytest.fixture
def told(capsys) -> Iterator[Callable[..., None]]:
    """Print a line of the table of faults, whatever pytest captures."""

    def tell(fault: str, tried: int, lost: int) -> None:
        with capsys.disabled():
            print(f"\n{fault:70} tried {tried:>4}  survived {tried - lost:>4}  lost {lost:>3}", end="")

    yield tell


# A scene: one version is out, and a candidate is approved ----------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A home in which version 1 is out and version 2 waits, approved."""

    root: Path
    waiting: Build
    out: dict[str, bytes]

    @property
    def releases(self) -> Path:
        return self.root / CITY / "releases"

    def enter(self) -> None:
        """Let the settings of this process be about this home."""
        os.environ["CITYCHECK_HOME"] = str(self.root)
        settings_module.settings.cache_clear()

    def problems(self, version: int | None = None) -> list[str]:
        """What a reader would find wrong now; `version` is what must be current."""
        current = releases.current(self.releases, HALF_YEAR)
        if current is None:
            return ["nothing is current"]
        wrong = [f"current: {problem}" for problem in releases.verify(current.path)]
        if version is not None and current.version != version:
            wrong.append(f"version {current.version} is current, not {version}")
        for found in releases.versions(self.releases, HALF_YEAR):
            wrong += [f"version {found.version}: {problem}" for problem in releases.verify(found.path)]
        if contents(self.releases / HALF_YEAR / "1") != self.out:
            wrong.append("version 1 is not what it was")
        return wrong

    def completed(self) -> list[str]:
        """What is wrong after a re-run, which must have published version 2 once and left nothing lying about."""
        wrong = self.problems(2)
        found = [entry.version for entry in releases.versions(self.releases, HALF_YEAR)]
        if found != [1, 2]:
            wrong.append(f"the versions are {found}")
        left = sorted(path.name for path in self.releases.iterdir())
        if left != [".lock", HALF_YEAR, "CURRENT.json"]:
            wrong.append(f"left lying about: {left}")
        link = self.root / CITY / "warehouse" / f"{HALF_YEAR}.duckdb"
        if not link.is_file() or link.resolve() != self.waiting.database.resolve():
            wrong.append("the warehouse does not point to the published build")
        return wrong


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def scene(tmp_path, monkeypatch) -> Iterator[Callable[[str], Scene]]:
    """A maker of scenes, each in a folder of its own."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path / "template"))
    settings_module.settings.cache_clear()
    first = candidate(HALF_YEAR, 1, FIRST)
    out = release.publish(first, NOW)
    waiting = candidate(HALF_YEAR, 2, SECOND, supersedes=Published(HALF_YEAR, 1, out.fingerprint))
    files = contents(out.path)

    def make(name: str) -> Scene:
        shutil.copytree(tmp_path / "template", tmp_path / name, symlinks=True)
        made = Scene(tmp_path / name, waiting, files)
        made.enter()
        return made

    yield make
    settings_module.settings.cache_clear()


# Dying ---------------------------------------------------------------------------------------------------------------


def forked(work: Callable[[], None]) -> int:
    """Run in a child that shares nothing but the disk; its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.setsid()
            work()
            status = 0
        os._exit(status)
    return child


def ended(child: int) -> int:
    """The exit status of a child, negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(moment: int, when: str, work: Callable[[], None]) -> Callable[[], None]:
    """The same work, with SIGKILL before or after its n-th call of a function that touches the disk."""

    def dying() -> None:
        calls = 0

        def fatal(function):
            def wrapped(*arguments, **options):
                nonlocal calls
                calls += 1
                mine = calls == moment
                if mine and when == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                try:
                    return function(*arguments, **options)
                finally:
                    if mine:
                        os.kill(os.getpid(), signal.SIGKILL)

            return wrapped

        for name in DISK_CALLS:
            setattr(os, name, fatal(getattr(os, name)))
        shutil.copyfile = fatal(shutil.copyfile)
        work()

    return dying


def calls_of(work: Callable[[], None]) -> int:
    """How many such calls the work makes when nothing disturbs it."""
    reader, writer = os.pipe()

    def counting() -> None:
        calls = 0

        def counted(function):
            def wrapped(*arguments, **options):
                nonlocal calls
                calls += 1
                return function(*arguments, **options)

            return wrapped

        for name in DISK_CALLS:
            setattr(os, name, counted(getattr(os, name)))
        shutil.copyfile = counted(shutil.copyfile)
        work()
        os.write(writer, str(calls).encode())

    assert ended(forked(counting)) == 0
    os.close(writer)
    with os.fdopen(reader) as told:
        return int(told.read())


def read_on(root: Path, pipe) -> None:
    """Follow the pointer and verify, again and again, until told to stop; send what was ever wrong."""
    wrong: set[str] = set()
    reads = 0
    folder = root / CITY / "releases"
    while not pipe.poll():
        current = releases.current(folder, HALF_YEAR)
        wrong |= {"nothing is current"} if current is None else set(releases.verify(current.path))
        reads += 1
    pipe.send((reads, sorted(wrong)))


@contextlib.contextmanager
def a_reader(root: Path) -> Iterator[list]:
    """A reader beside whatever happens; afterwards the list holds its reads and what it found wrong."""
    here, there = Pipe()
    reader = Process(target=read_on, args=(root, there), daemon=True)
    reader.start()
    found: list = []
    try:
        yield found
    finally:
        here.send("stop")
        found.extend(here.recv())
        reader.join()


def test_publish_is_killed_at_every_call_that_touches_the_disk(scene, told):
    counted = scene("counted")
    steps = calls_of(lambda: release.publish(counted.waiting, NOW))
    assert steps > 60
    lost = []
    tried = 0
    for moment in range(1, steps + 1):
        for when in ("before", "after"):
            here = scene(f"{moment}-{when}")
            status = ended(
                forked(killed_at(moment, when, lambda here=here: release.publish(here.waiting, NOW)))
            )
            assert status == -signal.SIGKILL, (moment, when)
            wrong = here.problems()
            release.publish(here.waiting, NOW)
            wrong += here.completed()
            tried, lost = tried + 1, lost + [(moment, when, wrong)] * bool(wrong)
            shutil.rmtree(here.root)
    told("publish killed before and after each call that touches the disk", tried, len(lost))
    assert not lost


def test_publish_is_killed_at_random_moments_beside_a_reader(scene, told):
    here = scene("timed")
    begun = time.monotonic()
    assert ended(forked(lambda: release.publish(here.waiting, NOW))) == 0
    takes_s = time.monotonic() - begun
    moments = random.Random(SEED)
    lost, killed = [], 0
    tried = 0
    while killed < RANDOM_KILLS:
        tried += 1
        assert tried < 5 * RANDOM_KILLS, "it ends before it can be killed"
        here = scene(f"random-{tried}")
        with a_reader(here.root) as reader:
            child = forked(lambda here=here: release.publish(here.waiting, NOW))
            time.sleep(moments.uniform(0, takes_s))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL) if os.getpgid(child) == child else os.kill(
                    child, signal.SIGKILL
                )
            killed += ended(child) == -signal.SIGKILL
            wrong = here.problems()
            release.publish(here.waiting, NOW)
        wrong += here.completed() + reader[1]
        assert reader[0] > 0
        lost += [(tried, wrong)] * bool(wrong)
        shutil.rmtree(here.root)
    told(f"publish killed at random moments ({tried - killed} more ended first)", killed, len(lost))
    assert not lost


def test_withdrawing_is_killed_at_every_call_that_touches_the_disk(scene, told):
    def withdraw() -> None:
        release.withdraw(
            CITY, HALF_YEAR, 2, reason_zh="错误", reason_en="wrong", responsible="citycheck", now=NOW
        )

    counted = scene("counted")
    release.publish(counted.waiting, NOW)
    steps = calls_of(withdraw)
    lost = []
    for moment in range(1, steps + 1):
        here = scene(f"withdrawn-{moment}")
        release.publish(here.waiting, NOW)
        assert ended(forked(killed_at(moment, "before", withdraw))) == -signal.SIGKILL
        wrong = here.problems()
        withdraw()
        wrong += here.problems(1)
        states = [entry.is_withdrawn for entry in releases.versions(here.releases, HALF_YEAR)]
        wrong += [] if states == [False, True] else [f"withdrawn: {states}"]
        lost += [(moment, wrong)] * bool(wrong)
        shutil.rmtree(here.root)
    told("withdraw killed before each call that touches the disk", steps, len(lost))
    assert not lost


# Others at the same time, a clock that moves -------------------------------------------------------------------------


def test_two_candidates_of_one_half_year_are_published_at_once(scene, told):
    """One of them becomes version 2; the other is refused, because nobody compared it with that one."""
    lost = []
    tried = 20
    for number in range(tried):
        here = scene(f"race-{number}")
        [first] = releases.versions(here.releases, HALF_YEAR)
        rival = candidate(HALF_YEAR, 2, THIRD, supersedes=Published(HALF_YEAR, 1, first.fingerprint))
        with a_reader(here.root) as reader:
            children = [
                forked(lambda build=build: release.publish(build, NOW)) for build in (here.waiting, rival)
            ]
            statuses = sorted(ended(child) for child in children)
        wrong = here.problems(2) + reader[1]
        wrong += [] if statuses == [0, 1] else [f"ended with {statuses}"]
        found = [entry.version for entry in releases.versions(here.releases, HALF_YEAR)]
        wrong += [] if found == [1, 2] else [f"the versions are {found}"]
        lost += [(number, wrong)] * bool(wrong)
        shutil.rmtree(here.root)
    told("two candidates of one half-year published at once", tried, len(lost))
    assert not lost


def test_one_candidate_is_published_by_two_at_once(scene, told):
    lost = []
    tried = 20
    for number in range(tried):
        here = scene(f"twice-{number}")
        children = [forked(lambda here=here: release.publish(here.waiting, NOW)) for _ in range(2)]
        wrong = [f"ended with {status}" for child in children if (status := ended(child))]
        wrong += here.completed()
        lost += [(number, wrong)] * bool(wrong)
        shutil.rmtree(here.root)
    told("one candidate published by two at once", tried, len(lost))
    assert not lost


def test_the_clock_moves(scene, told):
    """Before its announced time nothing is published; afterwards it is, also by a clock that was set back since."""
    lost = []
    [due] = [
        entry.release_at
        for entry in calendar.entries(load_city(CITY), HALF_YEAR)
        if entry.stage == "verified"
    ]
    moves = [timedelta(days=days) for days in (-400, -1, 0, 1, 4000)]
    for number, move in enumerate(moves):
        here = scene(f"clock-{number}")
        shutil.rmtree(here.waiting.work)
        shutil.rmtree(here.waiting.database.parent)
        [first] = releases.versions(here.releases, HALF_YEAR)
        out = Published(HALF_YEAR, 1, first.fingerprint)
        candidate(HALF_YEAR, 2, SECOND, supersedes=out, release_at=due.isoformat())
        wrong = []
        if move < timedelta(0):
            with pytest.raises(NotReady, match="announced for 2026-08-15T09:30:00"):
                release.publish(here.waiting, due + move)
            wrong += here.problems(1)
            if [entry.version for entry in releases.versions(here.releases, HALF_YEAR)] != [1]:
                wrong.append("published before its time")
        release.publish(here.waiting, due + max(move, timedelta(0)))
        release.publish(here.waiting, due)
        wrong += here.completed()
        lost += [(move, wrong)] * bool(wrong)
    told("the clock is moved by -400 to 4,000 days", len(moves), len(lost))
    assert not lost


# A disk that is full, a store that may not be written ----------------------------------------------------------------


@pytest.fixture
def small_disk(capsys) -> Iterator[Callable[[Path, str], None]]:
    """Mounts a small disk over a folder; where this user may not, the table says that it was not tried."""
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            with capsys.disabled():
                print(
                    f"\n{'a full disk, a store that may not be written':70} not tried: no disk can be mounted here",
                    end="",
                )
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_the_disk_fills_at_any_point(scene, told, small_disk):
    """The releases lie on a disk that is full after so many KiB; with room again, a re-run completes."""
    here = scene("full")
    kept = here.root / "kept"
    shutil.move(here.releases, kept)
    here.releases.mkdir()
    used_kib = sum(path.stat().st_size // 4096 * 4 + 4 for path in kept.rglob("*")) + 64
    lost, tried, refused = [], 0, 0
    for room_kib in range(8, 2 * used_kib, max(8, used_kib // 24)):
        small_disk(here.releases, f"size={used_kib + room_kib}k")
        shutil.copytree(kept, here.releases, dirs_exist_ok=True)
        tried += 1
        wrong = []
        try:
            release.publish(here.waiting, NOW)
        except DiskFull as told_so:
            refused += 1
            wrong += [] if "no space is left" in str(told_so) else [str(told_so)]
            wrong += here.problems(1)
            subprocess.run(["mount", "-o", f"remount,size={used_kib * 8}k", str(here.releases)], check=True)
            release.publish(here.waiting, NOW)
        wrong += here.completed()
        lost += [(room_kib, wrong)] * bool(wrong)
        subprocess.run(["umount", str(here.releases)], check=True)
    assert refused > 5 and tried > refused, "the disk was never full, or always"
    told(f"the disk fills up during publish ({refused} times it did)", tried, len(lost))
    assert not lost


def test_the_store_may_not_be_written(scene, told, small_disk):
    here = scene("read-only")
    kept = here.root / "kept"
    shutil.move(here.releases, kept)
    here.releases.mkdir()
    small_disk(here.releases, "size=64m")
    shutil.copytree(kept, here.releases, dirs_exist_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", str(here.releases)], check=True)
    with pytest.raises(BadInput, match="cannot be written"):
        release.publish(here.waiting, NOW)
    wrong = here.problems(1)
    subprocess.run(["mount", "-o", "remount,rw", str(here.releases)], check=True)
    release.publish(here.waiting, NOW)
    wrong += here.completed()
    told("the store may not be written", 1, bool(wrong))
    assert not wrong


# Every step of a build -----------------------------------------------------------------------------------------------


def steps_of(now: datetime) -> dict[str, Callable[[Build], object]]:
    """What the tasks of half_yearly_index do, in their order."""
    return {
        "ready": lambda build: index.freeze(build.city, build.half_year),
        "places": index.build_places,
        "access": lambda build: index.measure_access(build, ["C1"]),
        "dbt_build": index.build_marts,
        "renewal": index.plan_renewal,
        "uncertainty": index.build_uncertainty,
        "gate": index.gate_marts,
        "stage": release.stage,
        "decide": lambda build: release.decide(
            build, is_approved=True, decided_by="tester", decided_at=now.isoformat(), reason="looked at"
        ),
        "publish": lambda build: release.publish(build, now),
    }


def in_a_process(step: str, build: Build) -> subprocess.Popen:
    """One step in a process group of its own, as a task of Airflow is."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_faults as faults; from citycheck.steps.index import Build; "
        "faults.steps_of(faults.NOW)[sys.argv[2]](Build(*sys.argv[3:6]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), step, build.city, build.half_year, build.id],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_every_step_is_killed_at_its_boundaries_and_within(project, told):
    """Killed as it begins, somewhere within, and when it has just ended; the release is that of an undisturbed build."""
    project.ingest_all()
    build = index.freeze("town", HALF_YEAR)
    takes_s = {}
    for name in steps_of(NOW):
        begun = time.monotonic()
        assert in_a_process(name, build).wait(timeout=300) == 0, name
        takes_s[name] = time.monotonic() - begun
    undisturbed = contents(releases.current(project.home.releases, HALF_YEAR).path)
    assert releases.verify(project.home.releases / HALF_YEAR / "1") == []

    moments, lost, killed = random.Random(SEED), [], 0
    for folder in ("releases", "scratch", "warehouse"):
        shutil.rmtree(project.home.root / folder)
    assert index.freeze("town", HALF_YEAR) == build, "the same inputs, the same build"
    for name, seconds in takes_s.items():
        for moment_s in (0.0, moments.uniform(0, seconds), None):
            process = in_a_process(name, build)
            if moment_s is None:
                # It has just ended, and whoever waited for it has died: it is done again below.
                assert process.wait(timeout=300) == 0, name
            else:
                time.sleep(moment_s)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL or moment_s is None
            current = releases.current(project.home.releases, HALF_YEAR)
            wrong = releases.verify(current.path) if current else []
            if current and name != "publish":
                wrong.append("published too early")
            lost += [(name, moment_s, wrong)] * bool(wrong)
        assert in_a_process(name, build).wait(timeout=300) == 0, name
    again = releases.versions(project.home.releases, HALF_YEAR)
    if [found.version for found in again] != [1] or contents(again[0].path) != undisturbed:
        lost.append(("the whole", 0, ["not the release of an undisturbed build"]))
    told("a step of the build killed as it begins, within, and as it ends", killed, len(lost))
    assert killed > len(takes_s) and not lost


def test_a_store_in_trouble_says_so_in_one_sentence(scene):
    """A damaged candidate, a lost decision and a foreign file end in a sentence, and readers see what they saw."""
    here = scene("damaged")
    (here.waiting.staged / "tables" / "t7.csv").write_text("changed after it was approved", "utf-8")
    with pytest.raises(CitycheckError) as caught:
        release.publish(here.waiting, NOW)
    assert "\n" not in str(caught.value) and "t7.csv" in str(caught.value)
    here.waiting.decisions.unlink()
    with pytest.raises(BadInput, match="nobody has decided"):
        release.publish(here.waiting, NOW)
    assert here.problems(1) == []
