"""What a build is made from."""

import json

import pyarrow.parquet as pq
import pytest

from citycheck.lake import store
from citycheck.steps import index


@pytest.mark.slow
def test_the_communities_of_the_half_year_before_are_an_input(project):
    project.ingest_all()
    alone = index.freeze("town", "2026H1")
    [path] = json.loads(alone.inputs.read_text("utf-8"))["files"]["previous_communities"]
    assert pq.read_metadata(path).num_rows == 0
    assert alone == index.freeze("town", "2026H1")

    units = json.loads((project.files / "units.json").read_text("utf-8"))
    units["features"].pop()
    project.write("units.json", json.dumps(units))
    before = project.ingest("communities", "2025H2")["tables"]["communities"]
    build = index.freeze("town", "2026H1")
    assert build.id != alone.id
    frozen = json.loads(build.inputs.read_text("utf-8"))
    [path] = frozen["files"]["previous_communities"]
    assert store.sha256(project.home.lake / before["accepted"]) == before["accepted_sha256"]
    assert path == str(project.home.lake / before["accepted"])
    assert pq.read_metadata(path).num_rows == 3
    assert [told["sha256"] for told in frozen["provenance"]["previous_communities"]] == [
        before["accepted_sha256"]
    ]
    assert build == index.freeze("town", "2026H1")
