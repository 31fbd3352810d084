"""No event of ECS arrives: the sweep alone finds what died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.faults.jobs import chosen
from tests.faults.ledger import Facts
from tests.faults.scenario import Death, Scenario
from tests.faults.workers import Worker

_RULE = "tamma-dev-task-stopped"
_LATEST = 0.7  # of a worker's usual life: what has published by then needs no sweep
_MANY = 50  # jobs, of which a fifth cannot all have ended before their moment


class EventsDropped(Scenario):
    """A fifth of the workers ends early while the rule is off: one half killed, the other interrupted."""

    name = "events_dropped"
    fault = "100 % of events dropped, 20 % of workers killed or interrupted"
    bound = "the sweeper recovers all <= 5 min"
    requeue_seconds = 300
    requeue_timers = 180 + 60 + 10  # the lease of a task that starts, a sweep, the delay after a crash
    sigkills = True

    def plan(self) -> None:
        self.victims = {job.job_id: order for order, job in enumerate(chosen(self.jobs, 0.2, "end"))}

    @contextmanager
    def injected(self) -> Iterator[None]:
        rules = self.world.aws("events")
        rules.disable_rule(Name=_RULE)
        try:
            yield
        finally:
            rules.enable_rule(Name=_RULE)

    def on_worker(self, worker: Worker) -> None:
        if worker.attempt == 1 and worker.job_id in self.victims:
            moment = self.by_id[worker.job_id].random("moment").uniform(0, _LATEST) * self.world.workers.life
            self.world.workers.later(moment, partial(self._end, worker))

    def _end(self, worker: Worker) -> None:
        workers = self.world.workers
        interrupted = self.victims[worker.job_id] % 2
        at = workers.interrupt(worker) if interrupted else workers.signal(worker, "KILL")
        if at is not None:
            self.deaths.append(Death(worker.job_id, worker.attempt, at))

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{len(self.deaths)} of {len(self.victims)} ended early")
        recovered = sum(row["attempt"] > 1 for row in facts.rows.values())
        self.remarks.append(f"{recovered} jobs needed another attempt")
        # A worker that is told to stop while it commits ends its job first: of two victims, none may be left.
        return [] if recovered or len(self.jobs) < _MANY else ["nobody was ended in time: nothing was proven"]
