"""`citycheck build`, `approve`, `withdraw`, `verify` and what else a release needs, from a shell."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from citycheck.errors import BadInput, NothingToDo
from citycheck.settings import settings
from citycheck.terminal import or_one_sentence

if TYPE_CHECKING:
    from citycheck.steps.index import Build

app = typer.Typer()

CityOption = Annotated[str | None, typer.Option(help="A folder of cities/; by default CITYCHECK_CITY.")]
HalfYearArgument = Annotated[str, typer.Argument(help="Such as 2026H1.")]
VersionOption = Annotated[int, typer.Option(help="Number of the published version.")]
BuildOption = Annotated[str | None, typer.Option("--build", help="Which, where several candidates wait.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is published with the release.")]
ReasonZh = Annotated[str, typer.Option("--reason-zh", help="Why, in Chinese.")]
ReasonEn = Annotated[str, typer.Option("--reason-en", help="Why, in English.")]
Responsible = Annotated[
    str, typer.Option(help="Whose error it was: a source of the profile, citycheck, or the city.")
]


@app.command()
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
) -> None:
    """Make a candidate from the lake: freeze → places → access → marts → uncertainty → gate → stage. Then `approve` it."""
    from citycheck.steps import index, release

    def work() -> None:
        request = index.Request(kind, reason_zh or None, reason_en or None, responsible or None)
        try:
            made = index.begin(city or settings().city, half_year, now=datetime.now(UTC), request=request)
        except NothingToDo as told:
            print(told)
            return
        index.build_all(made)
        index.gate_marts(made)
        shown = release.stage(made)
        print(f"{shown['subject']}\n\n{shown['body']}\n")
        print(f"It waits in {made.staged}; `citycheck approve {half_year}` publishes it.")

    or_one_sentence(work)


@app.command()
def candidates(city: CityOption = None) -> None:
    """Show what is staged and not published, and what people said to it."""
    from citycheck.steps import release

    def work() -> None:
        found = release.candidates(city or settings().city)
        for made, decision in found:
            said = "nobody has decided yet" if decision is None else decision.told
            print(f"{made.half_year}  build {made.id}  {said}\n        {made.staged / 'index.html'}")
        print(f"{len(found)} candidate(s)")

    or_one_sentence(work)


@app.command()
def approve(
    half_year: HalfYearArgument,
    reason: ReasonOption = "",
    build_id: BuildOption = None,
    city: CityOption = None,
) -> None:
    """Approve a candidate in your name, and publish it; before its announced time it is only approved."""
    from citycheck.steps import release

    def work() -> None:
        made = _candidate(city or settings().city, half_year, build_id)
        now, said = datetime.now(UTC), release.decision_of(made)
        if said is None or not said.is_approved:
            release.decide(
                made,
                is_approved=True,
                decided_by=getpass.getuser(),
                decided_at=now.isoformat(),
                reason=reason,
            )
        published = release.publish(made, now)
        print(f"{published.path}  version {published.version}")

    or_one_sentence(work)


@app.command()
def reject(
    half_year: HalfYearArgument, reason: ReasonOption, build_id: BuildOption = None, city: CityOption = None
) -> None:
    """Reject a candidate in your name; it stays where it is, to be looked into."""
    from citycheck.steps import release

    def work() -> None:
        made = _candidate(city or settings().city, half_year, build_id)
        release.decide(
            made,
            is_approved=False,
            decided_by=getpass.getuser(),
            decided_at=datetime.now(UTC).isoformat(),
            reason=reason,
        )
        print(f"{made.staged}: rejected, and kept.")

    or_one_sentence(work)


@app.command()
def withdraw(
    half_year: HalfYearArgument,
    version: VersionOption,
    reason_zh: ReasonZh,
    reason_en: ReasonEn,
    responsible: Responsible,
    city: CityOption = None,
) -> None:
    """Say in the place of a published version that it no longer stands, and why; its files stay."""
    from citycheck.steps import release

    def work() -> None:
        withdrawn = release.withdraw(
            city or settings().city,
            half_year,
            version,
            reason_zh=reason_zh,
            reason_en=reason_en,
            responsible=responsible,
            now=datetime.now(UTC),
        )
        print(f"{withdrawn.path}: withdrawn; its page says so.")

    or_one_sentence(work)


@app.command()
def rebuild(half_year: HalfYearArgument, version: VersionOption, city: CityOption = None) -> None:
    """Make a published version again from the lake as of its cut-off, and compare every file. Exit status 1: one differs."""
    from citycheck.steps import release

    def work() -> None:
        again = release.rebuild(city or settings().city, half_year, version)
        for cause in again.causes:
            print(f"not as it was: {cause}")
        for name in again.differing:
            print(f"differs: {name}")
        same = again.files - len(again.differing)
        print(
            f"{again.release.path}: {same} of {again.files} files are the same, made again in {again.folder}"
        )
        if again.differing:
            raise typer.Exit(1)

    or_one_sentence(work)


@app.command()
def calendar(city: CityOption = None) -> None:
    """Show when each version is announced for, changes and their reasons included."""
    from citycheck.cities.profile import load_city
    from citycheck.release import calendar as dates

    def work() -> None:
        for entry in dates.table(load_city(city or settings().city), datetime.now(UTC)):
            late = " (announced late)" if entry.is_late_notice else ""
            changed = f"  changed on {entry.announced_on}{late}: {entry.reason_zh} {entry.reason_en}"
            print(
                f"{entry.half_year}  as of {entry.reference_date}  {entry.stage:12} {entry.release_at:%Y-%m-%d %H:%M}  "
                f"counts what is known by {entry.cut_off:%Y-%m-%d %H:%M}{changed if entry.is_changed else ''}"
            )

    or_one_sentence(work)


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a release, wherever it lies.")],
    key: Annotated[
        str | None, typer.Option(help="Id, or file, of the public key that the city has made known.")
    ] = None,
) -> None:
    """Check every byte of a release and who signed it, offline; says which byte of which file is wrong."""
    from citycheck.release import verify as checking

    status, told = checking.run(path, key)
    print(told)
    raise typer.Exit(status)


@app.command("audit-disclosure")
def audit_disclosure(
    paths: Annotated[list[Path], typer.Argument(help="Folders of releases; several are attacked together.")],
) -> None:
    """Try to compute what a release hides from what it shows, as an attacker would. Exit status 1: something was computed."""
    from citycheck.disclosure import audit

    def work() -> None:
        found = audit.attacks(paths)
        print("\n".join(audit.told(found)))
        if any(finding.recovered for finding in found):
            raise typer.Exit(1)

    or_one_sentence(work)


def _candidate(city: str, half_year: str, build_id: str | None) -> Build:
    from citycheck.steps import release

    found = [made for made, _ in release.candidates(city, half_year) if build_id in (None, made.id)]
    if not found:
        raise BadInput(f"{city} {half_year}: no candidate waits. Run `citycheck build {half_year}` first.")
    if len(found) > 1:
        raise BadInput(
            f"{city} {half_year}: {len(found)} candidates wait ({', '.join(made.id for made in found)}). Say which with --build."
        )
    return found[0]
