"""From a candidate to the next version: approve → embargo → publish, or rejected; and what may be asked of a version."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseSensorOperator, Metadata, Param, task
from approval import REJECTED, Approval, CandidateWaits, approvers
from shared import RELEASE, connection, skipping

from citycheck.release.publication import KINDS


def _text(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], title=title, description=description)


ASKED = {
    "kind": Param(
        None,
        type=["null", "string"],
        enum=[None, *KINDS],
        title="Kind of version / 版本类型",
        description="Empty: what the release calendar says comes next. / 留空则按发布日历。",
    ),
    "reason_zh": _text("原因（中文）", "Of a correction: what was wrong. / 更正须说明错在何处。"),
    "reason_en": _text("Reason (English)", "The same in English. / 同上，英文。"),
    "responsible": _text(
        "Whose error / 责任方",
        "Of a correction: a source of the profile, citycheck, or city. / 更正须注明：数据来源、citycheck 或 city。",
    ),
}
WHY = "It is kept with the decision. / 与决定一并保存。"
ABOUT = """
| `approve` | waits for a person (Required Actions), and writes down who said what, when and why | a rejection gave no reason, or something else was staged meanwhile: clear it, to ask again |
| `rejected` | runs only after a rejection, and is red then: nothing was published | the log says who rejected it and why; put that right and run again. The candidate is kept |
| `embargo` | sleeps until the announced time, without a worker | see the log |
| `publish` | lets the bundle become the next version, in one step; never unapproved, never before its time | see the log; readers still see the release before |
"""


class Embargo(BaseSensorOperator):
    """Sleeps until the announced time, without a worker."""

    def poke(self, context: Any) -> bool:
        from datetime import UTC, datetime

        from airflow.sdk.exceptions import AirflowRescheduleException

        from citycheck.steps import index, release

        release_at = release.due_at(index.Build(**context["ti"].xcom_pull(task_ids="ready")))
        if release_at and release_at > datetime.now(UTC):
            # Not asked again and again until then: that would be a process a minute for weeks.
            raise AirflowRescheduleException(release_at)
        return True


def publish_when_approved(build: Any, candidate: Any) -> None:
    """The tasks after `stage`, whose result `candidate` is."""

    @task(outlets=[RELEASE])
    def publish(build: dict[str, str]) -> Any:
        from datetime import UTC, datetime

        from citycheck.steps import index, release

        with skipping():
            done = release.publish(index.Build(**build), datetime.now(UTC), connection)
        yield Metadata(RELEASE, extra={**build, "version": done.version, "fingerprint": done.fingerprint})

    @task(task_id=REJECTED)
    def rejected(build: dict[str, str]) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from citycheck.steps import index, release

        made = index.Build(**build)
        decision = release.decision_of(made)
        told = decision.told if decision else "`approve` was marked as done by hand, which is no decision"
        raise AirflowFailException(f"{made.half_year}: {told}. The candidate is kept in {made.staged}.")

    approve = Approval(
        task_id="approve",
        subject="{{ ti.xcom_pull(task_ids='stage')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='stage')['body'] }}",
        params={"reason": Param("", type="string", title="Reason / 理由", description=WHY)},
        assigned_users=approvers(),
        notifiers=[CandidateWaits()],
        execution_timeout=None,  # of the default Airflow would make a limit for the person
    )
    candidate >> approve >> Embargo(task_id="embargo", mode="reschedule") >> publish(build)
    approve >> rejected(build)
