"""A person says yes or no to a candidate: who is asked and told, and that the answer is written down before anything follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DeadlineAlert, SyncCallback
from airflow.sdk.bases.notifier import BaseNotifier
from shared import connection

from citycheck.airflow_deadline import ReleaseIsNear
from citycheck.errors import BadInput, CitycheckError
from citycheck.settings import settings

REJECTED = "rejected"
"""The task that runs after a rejection, instead of those that publish."""


def approvers() -> list[dict[str, str]]:
    """The users who are asked. Raises `BadInput` when there is none: Airflow would then take anybody's answer."""
    users = [user.strip() for user in settings().approvers.split(",") if user.strip()]
    if not users:
        raise BadInput("CITYCHECK_APPROVERS names nobody; expected ids of users with commas between them.")
    return [{"id": user, "name": user} for user in users]


def look_again() -> None:
    """A release is near and a run of the index is not finished: tell what is not approved, if it was not told yet."""
    from datetime import UTC, datetime

    from citycheck.steps import release_calendar

    print(release_calendar.run(settings().city, datetime.now(UTC), connection))


NEAR = DeadlineAlert(ReleaseIsNear(), timedelta(), SyncCallback(look_again), name="release is near")
"""Of the index. The callback is a task of the executor: an asynchronous one would need a triggerer."""


class CandidateWaits(BaseNotifier):
    """Tells the channels of the city's profile that a candidate waits, once. That one is silent keeps nobody from deciding."""

    def notify(self, context: Any) -> None:
        from datetime import UTC, datetime

        from citycheck.steps import release_calendar

        try:
            city = context["ti"].xcom_pull(task_ids="ready")["city"]
            link = context["task"].generate_link_to_ui(task_instance=context["ti"])
            print(release_calendar.run(city, datetime.now(UTC), connection, link=link))
        except CitycheckError as error:
            print(f"Not told: {error} The DAG release_calendar tells it again.")


class Approval(ApprovalOperator):
    """Asks, and writes the answer down beside the candidate before anything follows from it.

    The answer is what Airflow resumes the task with, not an XCom, which more users may write than may decide. A rejection
    lets the task `rejected` run and skips the others; an approval the other way round.
    """

    def execute(self, context: Any) -> Any:
        from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

        ti = context["ti"]
        staged = ti.xcom_pull(task_ids="stage")
        if staged["is_preview"]:
            raise AirflowSkipException(
                "A preview, begun before its cut-off, is there to be looked at: nobody is asked."
            )
        build = ti.xcom_pull(task_ids="ready")
        try:
            return super().execute(context)
        except TaskAwaitingInput as asked:
            # What is asked about stays with the question: XComs could be changed until the answer comes.
            asked.kwargs = {"build": build, "candidate": staged["fingerprint"]}
            raise

    def execute_complete(
        self, context: Any, event: dict[str, Any], build: dict[str, str], candidate: str
    ) -> Any:
        from citycheck.steps import index, release

        ti, approved = context["ti"], event["chosen_options"] == [self.APPROVE]
        decision = release.decide(
            index.Build(**build),
            is_approved=approved,
            decided_by=event["responded_by_user"]["id"],
            decided_at=event["responded_at"].isoformat(),
            reason=str(event["params_input"].get("reason") or ""),
            candidate=candidate,
        )
        print(decision.told)
        answer = super(ApprovalOperator, self).execute_complete(context, event)
        self.skip(ti=ti, tasks=[t for t in self.downstream_list if (t.task_id == REJECTED) is approved])
        return answer
