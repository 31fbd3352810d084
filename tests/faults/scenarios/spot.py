"""Interruptions by Fargate Spot: SIGTERM, and SIGKILL before or after the worker could hand its job back."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from tests.e2e.pipeline import attempt_of
from tests.faults.jobs import Job, chosen
from tests.faults.ledger import Facts
from tests.faults.scenario import Death, Scenario
from tests.faults.workers import Worker

_LONGEST_GRACE = 0.3  # seconds from SIGTERM to SIGKILL for a worker that gets no time: less than a hand-over takes
ON_SPOT = 2  # interruptions, after which the contract wants the job on demand


class Spot(Scenario):
    """A fifth of the jobs is interrupted; every fourth of these twice, every second one without time to react."""

    name = "spot"
    fault = "Spot: SIGTERM then SIGKILL, 20 %"
    bound = "requeued <= 30 s after SIGTERM"
    requeue_seconds: ClassVar[float | None] = 30
    sigkills = True
    solo = False

    def plan(self) -> None:
        self.victims = {job.job_id: order for order, job in enumerate(chosen(self.jobs, 0.2, "interruption"))}

    def on_worker(self, worker: Worker) -> None:
        order = self.victims.get(worker.job_id)
        if order is None or worker.attempt > (ON_SPOT if order % 4 < 2 else 1):
            return
        dice = self.by_id[worker.job_id].random(f"interruption {worker.attempt}")
        moment, grace = dice.random(), dice.random() * _LONGEST_GRACE
        interrupt = partial(self.interrupt, worker, grace if order % 2 else None)
        self.world.workers.later(moment * self.world.workers.life, interrupt)

    def interrupt(self, worker: Worker, grace: float | None) -> None:
        """Take the task away; with a grace, its process is killed that soon."""
        at = self.world.workers.interrupt(worker)
        if at is None:
            return
        self.deaths.append(Death(worker.job_id, worker.attempt, at))
        if grace is not None:
            self.world.workers.later(grace, partial(self.world.workers.signal, worker, "KILL"))

    def judge(self, facts: Facts) -> list[str]:
        taken = [task for tasks in facts.tasks.values() for task in tasks if task.get("stopCode") == "SpotInterruption"]
        killed = sum(task["containers"][0].get("exitCode") == 137 for task in taken)
        self.remarks.append(f"{len(taken)} tasks interrupted, {killed} of them killed before they could hand over")
        found = [] if taken else ["no task was interrupted in time: nothing was proven"]
        return found + still_on_spot(facts, self.jobs)


def still_on_spot(facts: Facts, jobs: list[Job]) -> list[str]:
    """Return the tasks that ran on Spot although their job had been interrupted twice."""
    found = []
    for job in jobs:
        interrupted = [it["attempt"] for it in facts.events.get(job.job_id, []) if it["error_code"] == "interrupted"]
        for task in facts.tasks.get(job.job_id, []):
            earlier = sum(attempt < attempt_of(task) for attempt in interrupted)
            if earlier >= ON_SPOT and task.get("capacityProviderName") != "FARGATE":
                found.append(f"attempt {attempt_of(task)} of {job.job_id} ran on {task.get('capacityProviderName')}")
    return found
