"""Run one scenario: plan, feed with a bounded number of jobs under way, wait for the end, judge."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults import ledger
from tests.faults.jobs import make_jobs
from tests.faults.options import Options
from tests.faults.scenario import Scenario
from tests.faults.workers import Worker
from tests.faults.world import World

# Seconds before the factor: the longest that a job may rest when nothing goes wrong with its rescue is the time for
# which its message is hidden after its dispatcher died; as much again, and a fixed part for a busy machine, before it
# counts as lost.
_REST = 2 * 360
_BUSY_MACHINE = 60.0


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
    jobs = make_jobs(kind.name, options.seed, min(options.jobs, kind.most_jobs))
    prefix = jobs[0].job_id.rpartition("-")[0] + "-"
    scenario = kind(world, options, jobs)
    scenario.plan()
    with _listening(scenario, world), scenario.injected():
        _feed(scenario, world, prefix)
        settled = _settle(world, prefix, options)
    if world.workers.problems:
        raise ExceptionGroup("The worker processes could not be watched.", world.workers.problems)
    facts = ledger.collect(world, jobs, prefix, queues_emptied=settled)
    slowest = ledger.slowest_requeue(scenario, facts)
    return Result(
        kind, len(jobs), ledger.lost(facts), ledger.duplicates(facts), ledger.broken(scenario, facts),
        ledger.tasks_per_job(facts), slowest[0] if slowest else None, time.monotonic() - began, scenario.remarks,
    )  # fmt: skip


@contextmanager
def _listening(scenario: Scenario, world: World) -> Iterator[None]:
    """Show the scenario its own workers."""

    def listener(worker: Worker) -> None:
        if worker.job_id in scenario.by_id:
            scenario.on_worker(worker)

    world.workers.listeners.append(listener)
    try:
        yield
    finally:
        world.workers.listeners.remove(listener)


def _feed(scenario: Scenario, world: World, prefix: str) -> None:
    """Send all jobs and wait until all are over, or until nothing has moved for so long that the rest is lost."""
    waiting = deque(scenario.jobs)
    sent: set[str] = set()
    patience = scenario.options.seconds(_REST + 60 * scenario.outage_minutes) + _BUSY_MACHINE
    changes, moved = 0, time.monotonic()
    while waiting or sent:
        sent -= world.over(prefix)
        while waiting and len(sent) < _window(scenario) and scenario.may_be_sent(waiting[0]):
            job = waiting.popleft()
            scenario.submit(job)
            sent.add(job.job_id)
            moved = time.monotonic()
        if (now_changes := world.changes(prefix)) != changes:
            changes, moved = now_changes, time.monotonic()
        if time.monotonic() - moved > patience:
            return
        time.sleep(0.2)


def _window(scenario: Scenario) -> int:
    """Return how many jobs may be under way; scenarios that share the machine take less of it each."""
    return 2 if scenario.options.small and not scenario.solo else scenario.window


def _settle(world: World, prefix: str, options: Options) -> bool:
    """Wait until no worker of these jobs runs and nothing is in a queue that could still move one; say whether so."""
    patience = options.seconds(_REST) + _BUSY_MACHINE
    return world.until("the last workers end and the queues empty", lambda: world.is_quiet(prefix), patience)
