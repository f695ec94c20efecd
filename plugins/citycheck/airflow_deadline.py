"""When Airflow is to look again at a run of the index that is not finished: as soon as a release is near.

A module of its own, because Airflow imports its plugin file under another name than the DAGs would.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference


class ReleaseIsNear(BaseDeadlineReference):
    """The next moment from which it is told that a release has no approval; none where the calendar names none.

    Evaluated where runs are made, by the scheduler too: whatever is wrong here must keep no run from being made.
    """

    required_kwargs: frozenset[str] = frozenset()

    def _evaluate_with(self, *, session: Any, **kwargs: Any) -> datetime | None:
        from datetime import UTC

        from citycheck.cities.profile import load_city
        from citycheck.errors import CitycheckError
        from citycheck.release import calendar
        from citycheck.settings import settings

        try:
            return calendar.next_alert(load_city(settings().city), datetime.now(UTC))
        except CitycheckError as error:
            print(f"No deadline: {error}")
            return None
