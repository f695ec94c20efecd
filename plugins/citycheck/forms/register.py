"""The communities that forms offer: those of the lake."""

from __future__ import annotations

import pyarrow.parquet as pq

from citycheck.errors import NotReady
from citycheck.forms.questions import Choice
from citycheck.lake import store
from citycheck.settings import CityHome

_COLUMNS = ["community_id", "community_name", "county_name"]


def communities(home: CityHome) -> list[Choice]:
    """The communities of the last half-year that was taken in, by county and code. Raises `NotReady` without any."""
    half_years = store.half_years(home, "communities")
    if not half_years:
        raise NotReady(
            "A form lists the city's communities, and none has been accepted yet. Run ingest_communities first."
        )
    entry = store.latest(home, "communities", half_years[-1])
    rows = pq.read_table(home.lake / entry["tables"]["communities"]["accepted"], columns=_COLUMNS).to_pylist()
    rows.sort(key=lambda row: (row["county_name"], row["community_id"]))
    return [Choice(row["community_id"], f"{row['county_name']} {row['community_name']}") for row in rows]
