"""The sweep: finds what no event told of, once a minute. It alone is enough to recover every job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from classification import HUNG, NOT_STARTED, UNFINISHED, VANISHED, Verdict, classify
from settings import UNSCALED
from stopped_task import TaskFacts, read_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger
    from job_store import JobRow, JobStore
    from reconciling import Reconciler
    from settings import TimeScale

PAGE = 100  # rows of one call; also the limit of DescribeTasks
# How long after its lease a task that ECS calls alive may be silent. All leases run out together when Supabase is down,
# and the heartbeats come back with it: minutes of patience keep a sweep from killing every healthy task at that moment.
SILENT_WORKER = timedelta(minutes=15)
# A task that has not started yet may wait for an instance (GPU) that still has to be bought and booted.
SILENT_START = timedelta(minutes=60)


@dataclass(frozen=True)
class Decision:
    """What to do about a job whose lease ran out: conclude its attempt, after stopping its task if it still runs."""

    verdict: Verdict
    stop: bool = False


def decide(row: JobRow, task: TaskFacts | None, now: datetime, scale: TimeScale) -> Decision | None:
    """Return the decision for a job whose lease ran out; None leaves it alone. ``task`` None: ECS knows of none."""
    if task is None:
        return Decision(NOT_STARTED if row.status == "starting" else VANISHED)
    if task.stopped:
        return Decision(classify(task) or UNFINISHED)
    silent = (now - row.lease_until if row.lease_until else timedelta(0)) / scale.factor
    if row.status == "starting":
        return Decision(NOT_STARTED, stop=True) if silent > SILENT_START else None
    return Decision(HUNG, stop=True) if silent > SILENT_WORKER else None


@dataclass(frozen=True)
class Sweeper:
    """Sends what is due and concludes attempts whose owner is gone."""

    store: JobStore
    reconciler: Reconciler
    ecs: Any
    cluster: str
    logger: Logger
    scale: TimeScale = UNSCALED

    def sweep(self, has_time: Callable[[], bool]) -> None:
        """Sweep until nothing is left or ``has_time`` says no; the next sweep goes on."""
        self._drain(self.store.due_retries, lambda row: self.reconciler.offer(row, 0), has_time)
        self._drain(self.store.due_dead_letters, self.reconciler.send_dead_letter, has_time)
        self._conclude_expired(has_time)

    def _conclude_expired(self, has_time: Callable[[], bool]) -> None:
        left_alone = 0
        while has_time():
            rows = self.store.expired(PAGE, left_alone)
            tasks = self._tasks([row.task_arn for row in rows if row.task_arn])
            for row in rows:
                if not has_time():
                    return
                left_alone += not self._conclude(row, tasks.get(row.task_arn or ""))
            if len(rows) < PAGE:
                return

    def _drain(
        self, due: Callable[[int], list[JobRow]], send: Callable[[JobRow], None], has_time: Callable[[], bool]
    ) -> None:
        while has_time():
            rows = due(PAGE)
            for row in rows:
                send(row)
            if len(rows) < PAGE:
                return

    def _tasks(self, arns: list[str]) -> dict[str, TaskFacts]:
        """Return what ECS knows of the tasks; it forgets them about an hour after their end."""
        if not arns:
            return {}
        answer = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)
        return {task["taskArn"]: read_task(task) for task in answer["tasks"]}

    def _conclude(self, row: JobRow, task: TaskFacts | None) -> bool:
        """Return False for a job that is left alone, and so is still there when asked again."""
        decision = decide(row, task, datetime.now(UTC), self.scale)
        if decision is None:
            self.logger.info("The lease of %s ran out, but its task is alive: left alone.", row.job_id)
            return False
        if decision.stop and row.task_arn:
            self.ecs.stop_task(cluster=self.cluster, task=row.task_arn, reason=decision.verdict.sentence)
        if self.reconciler.conclude(row, decision.verdict, row.task_arn):
            self.reconciler.counts["RecoveredBySweep"] += 1
        return True
