"""Several faults at once: what a bad day is like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.faults.jobs import Job
from tests.faults.ledger import Facts
from tests.faults.scenarios.duplicates import Duplicates
from tests.faults.scenarios.lambda_dies import LambdaDies
from tests.faults.scenarios.spot import Spot, still_on_spot
from tests.faults.workers import Worker


class Everything(Spot, LambdaDies):
    """The dispatcher dies on every first try, a fifth of the jobs is interrupted or killed, messages come twice."""

    name = "everything"
    extra = True
    fault = "dying dispatchers, interruptions, kills and duplicates at once"
    bound = "-"
    requeue_seconds = None
    window = 8
    solo = True

    def plan(self) -> None:
        self.victims = {job.job_id: order for order, job in enumerate(_fifth(self.jobs))}
        LambdaDies.plan(self)

    @contextmanager
    def injected(self) -> Iterator[None]:
        self._copies = Duplicates(self.world, self.options, self.jobs)
        with LambdaDies.injected(self), self._copies.injected():
            yield

    def submit(self, job: Job) -> None:
        self._copies.submit(job)

    def on_worker(self, worker: Worker) -> None:
        if worker.job_id in self.victims and self.victims[worker.job_id] % 3 == 0 and worker.attempt == 1:
            moment = self.by_id[worker.job_id].random("kill").random() * self.world.workers.life
            self.world.workers.later(moment, partial(self.world.workers.signal, worker, "KILL"))
        else:
            Spot.on_worker(self, worker)

    def judge(self, facts: Facts) -> list[str]:
        ends = [str(task.get("stopCode")) for tasks in facts.tasks.values() for task in tasks]
        self.remarks.append(
            f"{len(self.endpoint.killed)} dispatchers killed, {ends.count('SpotInterruption')} tasks interrupted, "
            f"{len(ends)} tasks in all, {self._copies.resent} messages sent again"
        )
        return still_on_spot(facts, self.jobs)


def _fifth(jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if job.random("victim").random() < 0.2] or jobs[:1]
