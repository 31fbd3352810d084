"""What a scenario is: a fault, the bounds it is held to, and how its jobs are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tests.faults.jobs import Job
    from tests.faults.ledger import Facts
    from tests.faults.options import Options
    from tests.faults.workers import Worker
    from tests.faults.world import World


@dataclass(frozen=True)
class Death:
    """An attempt was ended from outside at a moment of time.time(): from here the requeueing is measured."""

    job_id: str
    attempt: int
    at: float


class Scenario:
    """Subclasses name the fault and override what they need; one instance serves one run.

    In this order: `plan`, then `injected` around `submit` for each job and until all are over, then `judge`.
    `on_worker` is called in the thread of `world.workers` for each worker process that appears.
    """

    name: ClassVar[str]
    fault: ClassVar[str]  # as the table says it
    bound: ClassVar[str] = "-"  # as the table says it; lost and duplicate effects are 0 everywhere
    most_jobs: ClassVar[int] = 1_000_000  # more than these are not sent, however many are asked for
    window: ClassVar[int] = 8  # jobs that are under way at once
    most_tasks_per_job: ClassVar[float | None] = None
    requeue_seconds: ClassVar[float | None] = None  # from a death to the next attempt, as the contract has it
    requeue_timers: ClassVar[float] = 0  # seconds of these in which the system waits by its own timers, at most
    outage_minutes: ClassVar[float] = 0  # how long nothing may move because of the fault, before the time factor
    may_be_set_aside: ClassVar[bool] = False  # whether messages of these jobs may be in the dead-letter queue
    extra: ClassVar[bool] = False  # whether it is more than the contract's table asks for: a small run leaves it out
    solo: ClassVar[bool] = True  # whether it changes what other scenarios depend on, and cannot share the pipeline
    sigkills: ClassVar[bool] = False  # whether workers are killed: a lifecycle rule removes what they had half uploaded

    def __init__(self, world: World, options: Options, jobs: list[Job]) -> None:
        self.world, self.options, self.jobs = world, options, jobs
        self.by_id = {job.job_id: job for job in jobs}
        self.deaths: list[Death] = []
        self.remarks: list[str] = []  # facts for the reader of the table, below it

    @classmethod
    def requeue_limit(cls, options: Options) -> float | None:
        """Return the bound in seconds as measured: the contract's, less what the factor saves in the way's own timers.

        Only waiting is compressed. Multiplying the whole bound would judge how fast this machine starts processes.
        """
        if cls.requeue_seconds is None:
            return None
        return cls.requeue_seconds - cls.requeue_timers + options.seconds(cls.requeue_timers)

    def plan(self) -> None:
        """Decide what happens to which job."""

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Keep the fault in place meanwhile."""
        yield

    def may_be_sent(self, job: Job) -> bool:
        """Say whether a job's time has come; jobs are sent in order."""
        del job
        return True

    def submit(self, job: Job) -> None:
        """Send a job."""
        self.world.submit(job)

    def on_worker(self, worker: Worker) -> None:
        """Do something to a worker that has just appeared."""

    def judge(self, facts: Facts) -> list[str]:
        """Return further bounds that were broken, one sentence each."""
        del facts
        return []
