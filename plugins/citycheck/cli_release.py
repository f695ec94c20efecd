"""`citycheck build`, `candidate`, `approve`, `publish`, `verify` and what else a release needs, from a shell."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markdown import Markdown

from citycheck.errors import BadInput, NothingToDo
from citycheck.terminal import (
    RELEASE,
    CityOption,
    HalfYearArgument,
    JsonOption,
    examples,
    known,
    or_one_sentence,
    tell,
)

if TYPE_CHECKING:
    from citycheck.release.publication import Decision
    from citycheck.steps.index import Build

app = typer.Typer()

VersionOption = Annotated[int, typer.Option(help="Number of the published version.")]
BuildOption = Annotated[str | None, typer.Option("--build", help="Which, where several candidates wait.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is published with the release.")]
ReasonZh = Annotated[str, typer.Option("--reason-zh", help="Why, in Chinese.")]
ReasonEn = Annotated[str, typer.Option("--reason-en", help="Why, in English.")]
Responsible = Annotated[
    str, typer.Option(help="Whose error it was: a source of the profile, citycheck, or the city.")
]


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples(
        "citycheck build 2026H1",
        "citycheck build 2026H1 --kind correction --reason-zh 单位错误 --reason-en 'wrong unit' --responsible city",
    ),
)
def build(
    half_year: HalfYearArgument,
    city: CityOption = None,
    kind: Annotated[
        Literal["initial", "scheduled_revision", "correction"] | None,
        typer.Option(help="By default what the calendar says comes next."),
    ] = None,
    reason_zh: ReasonZh = "",
    reason_en: ReasonEn = "",
    responsible: Responsible = "",
    as_json: JsonOption = False,
) -> None:
    """Make a candidate from the lake: freeze → places → access → marts → renewal → uncertainty → gate → stage. 计算候选。

    It takes minutes. Then look at it with `candidate`, and `approve` or `reject` it.
    """
    from citycheck.steps import index, release

    def work() -> None:
        request = index.Request(kind, reason_zh or None, reason_en or None, responsible or None)
        try:
            made = index.begin(known(city), half_year, now=datetime.now(UTC), request=request)
        except NothingToDo as told:
            tell(as_json, {"half_year": half_year, "build": None, "told": str(told)}, str(told))
            return
        index.build_all(made)
        index.gate_marts(made)
        release.stage(made)
        shown = _shown(made, None)
        if as_json:
            tell(True, shown)
            return
        _print(shown, None)
        print(f"It waits in {made.staged}; `citycheck approve {half_year}` publishes it.")

    or_one_sentence(work)


@app.command(rich_help_panel=RELEASE, epilog=examples("citycheck candidates", "citycheck candidates --json"))
def candidates(city: CityOption = None, as_json: JsonOption = False) -> None:
    """List what is staged and not published, and what people said to it. 候选列表。"""
    from citycheck.steps import release

    def work() -> None:
        found = release.candidates(known(city))
        tell(
            as_json,
            [_identity(made, decision) for made, decision in found],
            *(
                f"{made.half_year}  build {made.id}  {_said(decision)}\n        {made.staged / 'index.html'}"
                for made, decision in found
            ),
            f"{len(found)} candidate(s)",
        )

    or_one_sentence(work)


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples("citycheck candidate 2026H1", "citycheck candidate 2026H1 --json | jq .counties"),
)
def candidate(
    half_year: HalfYearArgument,
    build_id: BuildOption = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a candidate as its approver reads it: ranking, what moved and why, warnings, where it is. 看候选。"""
    from citycheck.steps import release

    def work() -> None:
        made = _candidate(known(city), half_year, build_id)
        decision = release.decision_of(made)
        shown = _shown(made, decision)
        if as_json:
            tell(True, shown)
            return
        _print(shown, decision)

    or_one_sentence(work)


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples(
        "citycheck approve 2026H1 --reason '与上期一致 as expected'",
        "citycheck approve 2026H1 --build 02f97b922e5e71e0",
    ),
)
def approve(
    half_year: HalfYearArgument,
    reason: ReasonOption = "",
    build_id: BuildOption = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a candidate in your name, and publish it if its announced time has come. 批准。"""
    from citycheck.steps import release

    def work() -> None:
        made = _candidate(known(city), half_year, build_id)
        now, said = datetime.now(UTC), release.decision_of(made)
        if said is None or not said.is_approved:
            said = release.decide(
                made,
                is_approved=True,
                decided_by=getpass.getuser(),
                decided_at=now.isoformat(),
                reason=reason,
            )
        due = release.due_at(made)
        if due is not None and due > now:
            tell(
                as_json,
                {**_identity(made, said), "release_at": due, "version": None, "path": None},
                f"{made.half_year}  build {made.id}  {said.told}\n"
                f"It is announced for {due:%Y-%m-%d %H:%M %Z}; run `citycheck publish {half_year}` then.",
            )
            return
        _publish(made, now, as_json)

    or_one_sentence(work)


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples("citycheck reject 2026H1 --reason '龙游县设施缺失 facilities of Longyou are missing'"),
)
def reject(
    half_year: HalfYearArgument,
    reason: ReasonOption,
    build_id: BuildOption = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a candidate in your name; it stays where it is, to be looked into. 退回。"""
    from citycheck.steps import release

    def work() -> None:
        made = _candidate(known(city), half_year, build_id)
        said = release.decide(
            made,
            is_approved=False,
            decided_by=getpass.getuser(),
            decided_at=datetime.now(UTC).isoformat(),
            reason=reason,
        )
        tell(as_json, _identity(made, said), f"{made.staged}: rejected, and kept.")

    or_one_sentence(work)


@app.command(rich_help_panel=RELEASE, epilog=examples("citycheck publish 2026H1"))
def publish(
    half_year: HalfYearArgument,
    build_id: BuildOption = None,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an approved candidate whose announced time has come: sealed, signed, verified, numbered. 发布。"""

    def work() -> None:
        made = _candidate(known(city), half_year, build_id, prefer_approved=True)
        _publish(made, datetime.now(UTC), as_json)

    or_one_sentence(work)


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples(
        "citycheck withdraw 2026H1 --version 1 --reason-zh 数据错误 --reason-en 'wrong data' --responsible city"
    ),
)
def withdraw(
    half_year: HalfYearArgument,
    version: VersionOption,
    reason_zh: ReasonZh,
    reason_en: ReasonEn,
    responsible: Responsible,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in the place of a published version that it no longer stands, and why; its files stay. 撤回。"""
    from citycheck.steps import release

    def work() -> None:
        withdrawn = release.withdraw(
            known(city),
            half_year,
            version,
            reason_zh=reason_zh,
            reason_en=reason_en,
            responsible=responsible,
            now=datetime.now(UTC),
        )
        tell(as_json, asdict(withdrawn), f"{withdrawn.path}: withdrawn; its page says so.")

    or_one_sentence(work)


@app.command(
    rich_help_panel=RELEASE,
    epilog=examples(
        "citycheck verify var/quzhou_sample/releases/2026H1/1",
        "citycheck verify 2026H1-1/ --key city.pub --json",
    ),
)
def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a release, wherever it lies.")],
    key: Annotated[
        str | None, typer.Option(help="Id, or file, of the public key that the city has made known.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of a release and who signed it, offline; says which byte of which file is wrong. 校验。

    Exit status: 0 sound and signed, 1 something is wrong, 3 sound but withdrawn, 4 sound but nobody signed it.
    """
    from citycheck.release import verify as checking

    def work() -> None:
        verdict = checking.verify(path, key)
        about = {
            name: (verdict.manifest or {}).get(name)
            for name in ("city", "half_year", "version", "kind", "stage", "published_at")
        }
        tell(
            as_json,
            {
                "folder": path,
                "status": verdict.status,
                "problems": verdict.problems,
                "is_sealed": verdict.is_sealed,
                "signed_by": verdict.signed_by,
                "is_trusted": verdict.is_trusted,
                "is_withdrawn": verdict.is_withdrawn,
                "notice": verdict.notice,
                **about,
            },
            *verdict.sentences(),
        )
        raise typer.Exit(verdict.status)

    or_one_sentence(work)


@app.command(rich_help_panel=RELEASE, epilog=examples("citycheck rebuild 2026H1 --version 1"))
def rebuild(
    half_year: HalfYearArgument,
    version: VersionOption,
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a published version again from the lake as of its cut-off, and compare every file. 重做并比对。

    It takes minutes. Exit status 1: one differs.
    """
    from citycheck.steps import release

    def work() -> None:
        again = release.rebuild(known(city), half_year, version)
        same = again.files - len(again.differing)
        tell(
            as_json,
            {
                "release": again.release.path,
                "folder": again.folder,
                "files": again.files,
                "same": same,
                "differing": again.differing,
                "causes": again.causes,
            },
            *(f"not as it was: {cause}" for cause in again.causes),
            *(f"differs: {name}" for name in again.differing),
            f"{again.release.path}: {same} of {again.files} files are the same, made again in {again.folder}",
        )
        if again.differing:
            raise typer.Exit(1)

    or_one_sentence(work)


@app.command(rich_help_panel=RELEASE, epilog=examples("citycheck recompute 2025H2"))
def recompute(half_year: HalfYearArgument, city: CityOption = None, as_json: JsonOption = False) -> None:
    """Count a released half-year again by today's definitions, so that later ones compare with it. 按现行标准重算。"""
    from citycheck.steps import recompute as steps

    def work() -> None:
        path = steps.recompute(known(city), half_year)
        tell(as_json, {"path": path}, str(path))

    or_one_sentence(work)


@app.command(rich_help_panel=RELEASE, epilog=examples("citycheck calendar", "citycheck calendar --json"))
def calendar(city: CityOption = None, as_json: JsonOption = False) -> None:
    """Show when each version is announced for, changes and their reasons included. 发布日历。"""
    from citycheck.cities.profile import load_city
    from citycheck.release import calendar as dates

    def work() -> None:
        entries = dates.table(load_city(known(city)), datetime.now(UTC))
        lines = []
        for entry in entries:
            late = " (announced late)" if entry.is_late_notice else ""
            changed = f"  changed on {entry.announced_on}{late}: {entry.reason_zh} {entry.reason_en}"
            lines.append(
                f"{entry.half_year}  as of {entry.reference_date}  {entry.stage:12} {entry.release_at:%Y-%m-%d %H:%M}  "
                f"counts what is known by {entry.cut_off:%Y-%m-%d %H:%M}{changed if entry.is_changed else ''}"
            )
        tell(as_json, [asdict(entry) for entry in entries], *lines)

    or_one_sentence(work)


@app.command(
    "audit-disclosure",
    rich_help_panel=RELEASE,
    epilog=examples(
        "citycheck audit-disclosure var/quzhou_sample/releases/2026H1/1 var/quzhou_sample/releases/2026H1/2"
    ),
)
def audit_disclosure(
    paths: Annotated[list[Path], typer.Argument(help="Folders of releases; several are attacked together.")],
    as_json: JsonOption = False,
) -> None:
    """Try to compute what a release hides from what it shows, as an attacker would. 攻击测试。

    Exit status 1: something was computed.
    """
    from citycheck.disclosure import audit

    def work() -> None:
        found = audit.attacks(paths)
        tell(as_json, [asdict(finding) for finding in found], *audit.told(found))
        if any(finding.recovered for finding in found):
            raise typer.Exit(1)

    or_one_sentence(work)


def _publish(made: Build, now: datetime, as_json: bool) -> None:
    from citycheck.steps import release

    published = release.publish(made, now)
    tell(
        as_json,
        {
            **_identity(made, release.decision_of(made)),
            "release_at": release.due_at(made),
            "version": published.version,
            "path": published.path,
        },
        f"{published.path}  version {published.version}",
    )


def _candidate(city: str, half_year: str, build_id: str | None, *, prefer_approved: bool = False) -> Build:
    from citycheck.steps import release

    waiting = release.candidates(city, half_year)
    found = [made for made, _ in waiting if build_id in (None, made.id)]
    if prefer_approved and len(found) > 1:
        found = [made for made, said in waiting if said and said.is_approved] or found
    if build_id and not found and waiting:
        raise BadInput(
            f"{city} {half_year}: no candidate of build {build_id!r} waits; there "
            f"{'is' if len(waiting) == 1 else 'are'} {', '.join(made.id for made, _ in waiting)}. Say one of them with --build."
        )
    if not found:
        raise BadInput(f"{city} {half_year}: no candidate waits. Run `citycheck build {half_year}` first.")
    if len(found) > 1:
        raise BadInput(
            f"{city} {half_year}: {len(found)} candidates wait ({', '.join(made.id for made in found)}). Say which with --build."
        )
    return found[0]


def _identity(made: Build, decision: Decision | None) -> dict[str, Any]:
    return {
        "city": made.city,
        "half_year": made.half_year,
        "build": made.id,
        "decision": None if decision is None else decision.as_json(),
        "page": made.staged / "index.html",
    }


def _shown(made: Build, decision: Decision | None) -> dict[str, Any]:
    """What an approver is shown, and the ranking as numbers."""
    import pyarrow.parquet as pq

    from citycheck.steps import release

    return {
        **_identity(made, decision),
        **release.shown(made),
        "counties": pq.read_table(made.staged / "tables" / "county_index.parquet").to_pylist(),
    }


def _print(shown: dict[str, Any], decision: Decision | None) -> None:
    """For people: on a terminal its Markdown is drawn."""
    console = Console()
    print(f"{shown['subject']}\nbuild {shown['build']}: {_said(decision)}\n")
    if console.is_terminal:
        console.print(Markdown(shown["body"], hyperlinks=False))
    else:
        print(shown["body"])


def _said(decision: Decision | None) -> str:
    return "nobody has decided yet" if decision is None else decision.told
