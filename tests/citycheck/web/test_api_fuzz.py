"""The interface for other systems against its own description: whatever is asked, the answer is one that it announces.

Schemathesis asks with what the description allows and with what it does not, and with what it has learned from answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import HTTPException, Request
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

TOKEN = "of-the-test"
THERE = {
    "path.half_year": ["2026H1", "2025H2"],
    "path.version": [1, 2],
    "path.table": ["indicators", "county_index", "shortfalls", "facilities"],
    "path.path": ["manifest.json", "tables/areas.csv", "../../CURRENT.json"],
    "path.feature_id": ["C1", "S1"],
    "query.area_level": ["county"],
    "query.datetime": ["2026-03-01", "2026-03-01T00:00:00+08:00/..", "../2025-12-31T16:00:00Z"],
}
"""What is there, or nearly: it is tried besides what is made up."""
# A version may be withdrawn. Which layer or table has which column is more than the description of a parameter can say.
ACCEPTED, OF_COLUMNS = ["200", "404", "410"], ["200", "400", "404", "410"]
CONFIG: dict[str, Any] = {
    "seed": 7,
    "headers": {"Authorization": f"Bearer {TOKEN}"},
    "continue-on-failure": True,
    "generation": {"max-examples": 15, "database": "none", "deterministic": True},
    "dictionaries": {name: {"values": values} for name, values in THERE.items()},
    "parameters": {name: {"dictionary": name, "probability": 0.9} for name in THERE},
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    "operations": [
        {"include-path": path, "checks": {"positive_data_acceptance": {"expected-statuses": OF_COLUMNS}}}
        for path in ("/collections/{collection}/items", "/releases/{half_year}/{version}/tables/{table}")
    ],
}


@pytest.fixture
def described(published: Path) -> Iterator[schemathesis.schemas.BaseSchema]:
    """The description, of an application that lets one token in."""
    from citycheck.web.api import api
    from citycheck.web.api.app import may_see

    def one_token(request: Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise HTTPException(401)

    api.dependency_overrides[may_see] = one_token
    config = SchemathesisConfig.from_dict(CONFIG)
    yield schemathesis.openapi.from_asgi("/api", api, config=config, headers=CONFIG["headers"])
    api.dependency_overrides.clear()


@pytest.mark.slow
def test_every_answer_is_as_described(described: schemathesis.schemas.BaseSchema) -> None:
    wrong, answers, given = set(), Counter[int](), set()
    for event in from_schema(described).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            wrong.add(str(event))
        if not isinstance(event, events.ScenarioFinished):
            continue
        for id_, node in event.recorder.cases.items():
            checks = event.recorder.checks.get(id_, [])
            wrong |= {
                f"{check.name}: {check.failure_info.failure}\n  {node.value.as_curl_command()}"
                for check in checks
                if check.failure_info
            }
            interaction = event.recorder.interactions.get(id_)
            if interaction and interaction.response:
                answers[interaction.response.status_code] += 1
                if interaction.response.status_code == 200:
                    given.add(node.value.operation.label)
    assert wrong == set()
    # Otherwise only refusals would have been as described.
    assert given == {operation.ok().label for operation in described.get_all_operations()}
    assert answers.keys() >= {200, 400, 401, 404, 405, 410} and sum(answers.values()) > 400
    print(answers)
