"""From a run of Airflow to the build that it made.

The way is the return value (XCom) of the run's task `ready`: the same note that its task `dbt_build` was handed, so
that page and task cannot mean different builds. The run's parameters would not do: a run that assets or the calendar
started has none, and the build's id is known only once its inputs are frozen. The note lives as long as the run does.
"""

from __future__ import annotations

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from citycheck.steps.index import Build
from citycheck.web import builds
from citycheck.web.rights import INDEX

READY = "ready"
_RUNS = 200
"""So many of the last runs are looked through."""

Sentence = tuple[str, str]
"""The same in Chinese and in English."""

ELSEWHERE: Sentence = (
    "这个 DAG 不构建数据集市；本页只用于 half_yearly_index 的运行。",
    "This DAG builds no marts: the page is about runs of half_yearly_index.",
)
SKIPPED: Sentence = (
    "本次运行已跳过，没有构建；原因见任务 ready 的日志。",
    "This run was skipped and built nothing; the log of its task ready says why.",
)
FAILED: Sentence = (
    "本次运行没有构建：任务 ready 未成功，其日志末句说明原因与办法。",
    "This run has no build: its task ready did not succeed; the last sentence of its log says why, and the remedy.",
)
CLEANED: Sentence = (
    "本次运行的构建编号已从 Airflow 数据库中清除；请在“构建”页中查找。",
    "What this run built is no longer in Airflow's database; look it up on the page of all builds.",
)
WAITING: Sentence = (
    "本次运行尚无构建：任务 ready 还没有完成。",
    "This run has no build yet: its task ready has not finished.",
)
_BY_STATE = {"skipped": SKIPPED, "failed": FAILED, "upstream_failed": FAILED, "success": CLEANED}


def build_of(session: Session, dag_id: str, run_id: str) -> Build | Sentence:
    """The build of a run, or why there is none."""
    note = session.scalars(
        XComModel.get_many(run_id=run_id, key="return_value", task_ids=READY, dag_ids=dag_id, limit=1)
    ).first()
    value = None if note is None else XComModel.deserialize_value(note)
    if isinstance(value, dict):
        build = builds.named(value.get("city"), value.get("half_year"), value.get("id"))
        if build is not None:
            return build
    states = session.scalars(
        select(TaskInstance.state).where(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == READY
        )
    ).all()
    return _BY_STATE.get(str(states[0]), WAITING) if states else ELSEWHERE


def run_of(session: Session, build: Build) -> str | None:
    """The last run of the index that made a build, while Airflow's database has it."""
    notes = session.scalars(
        select(XComModel)
        .where(XComModel.dag_id == INDEX, XComModel.task_id == READY, XComModel.key == "return_value")
        .order_by(XComModel.timestamp.desc())
        .limit(_RUNS)
    )
    for note in notes:
        value = XComModel.deserialize_value(note)
        if isinstance(value, dict) and build == builds.named(
            value.get("city"), value.get("half_year"), value.get("id")
        ):
            return str(note.run_id)
    return None
