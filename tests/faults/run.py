"""Run one scenario: plan, feed with a bounded number of jobs under way, wait for the end, judge."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from tests.faults import ledger
from tests.faults.jobs import make_jobs
from tests.faults.options import Options
from tests.faults.scenario import Scenario
from tests.faults.world import World

# Seconds before the factor: the longest that a job may rest when nothing goes wrong with its rescue is the lease of
# a task that never starts, and a sweep; as much again, and a fixed part for a busy machine, before it counts as lost.
_REST = 2 * (600 + 60)
_BUSY_MACHINE = 60.0
# Seconds before the factor for which it stays quiet before it is judged: twice a sweep.
_QUIET = 120


@dataclass(frozen=True)
class Result:
    """One line of the table; `requeue` is in seconds as measured."""

    scenario: type[Scenario]
    jobs: int
    lost: list[str]
    duplicates: list[str]
    broken: list[str]
    tasks_per_job: float
    requeue: float | None
    seconds: float
    remarks: list[str]

    @property
    def held(self) -> bool:
        """Whether every bound was held."""
        return not (self.lost or self.duplicates or self.broken)


def run(kind: type[Scenario], world: World, options: Options) -> Result:
    """Run a scenario against the world and return what came of it."""
    began = time.monotonic()
    jobs = make_jobs(kind.name, options.seed, options.jobs)
    prefix = jobs[0].job_id.rpartition("-")[0] + "-"
    scenario = kind(world, options, jobs)
    scenario.plan()
    world.workers.on_start = lambda worker: scenario.on_worker(worker) if worker.job_id in scenario.by_id else None
    with scenario.injected():
        _feed(scenario, world, prefix)
    _settle(world, prefix, options)
    if world.workers.problems:
        raise ExceptionGroup("The worker processes could not be watched.", world.workers.problems)
    facts = ledger.collect(world, jobs, prefix)
    slowest = ledger.slowest_requeue(scenario, facts)
    return Result(
        kind, len(jobs), ledger.lost(facts), ledger.duplicates(facts), ledger.broken(scenario, facts),
        ledger.tasks_per_job(facts), slowest[0] if slowest else None, time.monotonic() - began, scenario.remarks,
    )  # fmt: skip


def _feed(scenario: Scenario, world: World, prefix: str) -> None:
    """Send all jobs and wait until all are over, or until nothing has moved for so long that the rest is lost."""
    waiting = deque(scenario.jobs)
    sent: set[str] = set()
    patience = scenario.options.seconds(_REST + 60 * scenario.outage_minutes) + _BUSY_MACHINE
    changes, moved = 0, time.monotonic()
    while waiting or sent:
        sent -= world.over(prefix)
        while waiting and len(sent) < scenario.window:
            job = waiting.popleft()
            scenario.submit(job)
            sent.add(job.job_id)
            moved = time.monotonic()
        if (now_changes := world.changes(prefix)) != changes:
            changes, moved = now_changes, time.monotonic()
        if time.monotonic() - moved > patience:
            return
        time.sleep(0.2)


def _settle(world: World, prefix: str, options: Options) -> None:
    """Wait until no worker runs and no message waits, then until nothing has changed for two sweeps."""
    patience = options.seconds(_REST) + _BUSY_MACHINE
    world.until("the last workers end", lambda: not world.workers.alive, patience)
    world.until("the jobs queue empties", world.pipeline.queue_is_empty, patience)
    seen = -1
    while seen != (seen := world.changes(prefix)):
        time.sleep(options.seconds(_QUIET))
    world.until("the last workers end", lambda: not world.workers.alive, patience)
