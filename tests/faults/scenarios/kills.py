"""Workers that die without a word: SIGKILL, as the kernel and a broken machine do it."""

from __future__ import annotations

from functools import partial

from tests.faults.jobs import chosen
from tests.faults.ledger import Facts
from tests.faults.scenario import Death, Scenario
from tests.faults.workers import Worker


class Kills(Scenario):
    """A tenth of the first attempts is killed, each at its own moment of a worker's usual life."""

    name = "kills"
    fault = "SIGKILL of 10 % of workers"
    bound = "<= 1.15 tasks per job, requeued <= 60 s"
    most_tasks_per_job = 1.15
    requeue_seconds = 60
    requeue_timers = 10  # the delay after a crash
    sigkills = True
    solo = False

    def plan(self) -> None:
        self.moments = {job.job_id: job.random("moment").random() for job in chosen(self.jobs, 0.1, "kill")}

    def on_worker(self, worker: Worker) -> None:
        if worker.attempt == 1 and worker.job_id in self.moments:
            self.world.workers.later(self.moments[worker.job_id] * self.world.workers.life, partial(self.kill, worker))

    def kill(self, worker: Worker) -> None:
        """Kill it, unless it has ended by now."""
        at = self.world.workers.signal(worker, "KILL")
        if at is not None:
            self.deaths.append(Death(worker.job_id, worker.attempt, at))

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{len(self.deaths)} of {len(self.moments)} killed before their end")
        return [] if self.deaths else ["nobody was killed in time: nothing was proven"]
