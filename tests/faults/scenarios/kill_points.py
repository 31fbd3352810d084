"""Every worker is killed at a chosen call: each step of an attempt, just before and just after it takes effect."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.ledger import Facts
from tests.faults.scenario import Death, Scenario
from tests.faults.shims.between import supabase_through, workers_reach_s3_through
from tests.faults.shims.kill_point import AFTER, BEFORE, S3KillPoint, SupabaseKillPoint

# What a worker asks for in one attempt, in this order.
_CALLS = (
    "start_job",
    "GetObject manifest.json",
    "HeadObject recording",
    "GetObject recording",
    "PutObject audio.m4a",
    "PutObject waveform.png",
    "PutObject report.json",
    "PutObject manifest.json",
    "complete_job",
)
POINTS = [(call, when) for call in _CALLS for when in (BEFORE, AFTER)]


class KillPoints(Scenario):
    """Job n dies at point n of the list, which begins elsewhere with every seed."""

    name = "kill_points"
    extra = True
    fault = f"SIGKILL of every worker at one of {len(POINTS)} points of its work"
    bound = "<= 2 tasks per job, requeued <= 60 s"
    most_tasks_per_job = 2
    requeue_seconds = 60
    requeue_timers = 10  # the delay after a crash
    sigkills = True

    def plan(self) -> None:
        self.points = {it.job_id: POINTS[(it.number + self.options.seed) % len(POINTS)] for it in self.jobs}
        self._struck: set[str] = set()
        self._lock = threading.Lock()  # the two proxies have threads of their own

    @contextmanager
    def injected(self) -> Iterator[None]:
        cloud = self.world.cloud
        with (
            workers_reach_s3_through(self.world, S3KillPoint(cloud.aws_endpoint_url, self._strike)),
            supabase_through(self.world, SupabaseKillPoint(cloud.supabase_url, self._strike)),
        ):
            yield

    async def _strike(self, job_id: str, call: str, when: str) -> bool:
        with self._lock:
            if self.points.get(job_id) != (call, when) or job_id in self._struck:
                return False
            self._struck.add(job_id)
        await asyncio.to_thread(self._kill, job_id)
        return True

    def _kill(self, job_id: str) -> None:
        worker = self.world.workers.find(job_id)
        at = self.world.workers.signal(worker, "KILL")
        if at is not None:
            self.deaths.append(Death(job_id, worker.attempt, at))

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"killed at {len(Counter(self.points[death.job_id] for death in self.deaths))} points")
        struck = {death.job_id for death in self.deaths}
        return [f"{it.job_id} never came to {self.points[it.job_id]}" for it in self.jobs if it.job_id not in struck]
