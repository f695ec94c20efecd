"""`citycheck ingest`, `unmapped` and `matches`: from a source to the lake, from a shell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from citycheck.terminal import (
    FEEDS,
    CityOption,
    HalfYearArgument,
    JsonOption,
    examples,
    known,
    or_one_sentence,
    tell,
)

app = typer.Typer()

FeedArgument = Annotated[
    Literal["communities", "facilities", "survey", "repair_reports"],
    typer.Argument(help="One of the four feeds.", show_default=False),
]


@app.command(
    rich_help_panel=FEEDS,
    epilog=examples("citycheck ingest facilities 2026H1", "citycheck ingest survey 2026H1 --json"),
)
def ingest(
    feed: FeedArgument, half_year: HalfYearArgument, city: CityOption = None, as_json: JsonOption = False
) -> None:
    """Bring one feed of a half-year into the lake: land → map → gate → accept. Communities come first. 采集。"""
    from citycheck.steps import ingest as steps

    def work() -> None:
        about = (known(city), feed, half_year)
        delivery = steps.land(*about, received_at=datetime.now(UTC))
        steps.map_delivery(*about, delivery)
        steps.gate(*about, delivery)
        ledger = steps.accept(*about, delivery)["ledger"]
        tell(
            as_json,
            {"city": about[0], "feed": feed, "half_year": half_year, "delivery": delivery, "ledger": ledger},
            *(
                f"{row['table_name']:18} {row['source_file']:44} in {row['rows_in']:>7}  "
                f"accepted {row['rows_accepted']:>7}  quarantined {row['rows_quarantined']:>5}  "
                f"duplicates {row['rows_duplicate']:>5}  out of scope {row['rows_out_of_scope']:>5}"
                for row in ledger
            ),
        )

    or_one_sentence(work)


@app.command(rich_help_panel=FEEDS, epilog=examples("citycheck unmapped facilities 2026H1"))
def unmapped(
    feed: FeedArgument, half_year: HalfYearArgument, city: CityOption = None, as_json: JsonOption = False
) -> None:
    """Show the texts that no map of the profile covers, with their rows, as lines to add to the profile. 未映射文本。"""
    from citycheck.steps import ingest as steps

    def work() -> None:
        lines = steps.unmapped_lines(known(city), feed, half_year)
        tell(as_json, {"lines": lines}, "\n".join(lines) or "Every text is covered by a map of the profile.")

    or_one_sentence(work)


@app.command(
    rich_help_panel=FEEDS,
    epilog=examples("citycheck matches 2026H1", "citycheck matches 2026H1 --decision same --json"),
)
def matches(
    half_year: HalfYearArgument,
    decision: Annotated[
        Literal["same", "different", "review"], typer.Option(help="Pairs that were decided so.")
    ] = "review",
    city: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show pairs of facilities of different sources, with the line that decides them in facility_matches.csv. 设施配对。"""
    from citycheck.steps import ingest as steps

    def work() -> None:
        found = steps.matched_pairs(known(city), half_year, decision)
        tell(
            as_json,
            found,
            *(
                f"{pair['score']:.2f}  {pair['distance_m']:>5.0f} m  {pair['facility_name']} ↔ "
                f"{pair['other_facility_name']}\n      {pair['csv_line']}"
                for pair in found
            ),
            f"{len(found)} pair(s) of decision {decision!r}",
        )

    or_one_sentence(work)
