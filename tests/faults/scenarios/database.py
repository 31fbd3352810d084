"""Supabase that goes away, comes back broken, then slow: rows may be late, but they are right soon after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tests.e2e.pipeline import OVER, Row, attempt_of
from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario
from tests.faults.shims import supabase
from tests.faults.shims.between import supabase_spoiled
from tests.faults.shims.plan import CUT, LOST, Plan, Rule, slow
from tests.faults.workers import Worker

# Minutes before the factor; healthy ones count from the first worker, so that work is in progress when it begins.
_HEALTHY, _DOWN, _BROKEN, _SLOW = 0.25, 5.0, 2.0, 2.0
_RIGHT_AFTER = 60  # seconds, by the contract
_HIDDEN = 45  # seconds of these for which a returned message may be hidden: the only timer in the way
_WORKERS_CALL = 10  # seconds before the factor that a worker waits for an answer


class SupabaseDown(Scenario):
    """Down for five minutes, error pages and lost answers for two, slow for two."""

    name = "supabase_down"
    fault = "Supabase down 5 min, then 500s and lost answers 2 min, then slow 2 min"
    bound = f"0 in the dead-letter queue, every status right <= {_RIGHT_AFTER} s after recovery"
    window = 30
    outage_minutes = _HEALTHY + _DOWN + _BROKEN + _SLOW

    def plan(self) -> None:
        ends, passed = [], 0.0
        for minutes in (_HEALTHY, _DOWN, _BROKEN, _SLOW):
            passed += self.options.minutes(minutes)
            ends.append(passed)
        self.began = 0.0  # time.time(), with the first worker
        self.down, broken, slow_from, self.end = ends
        call = self.options.seconds(_WORKERS_CALL)
        self.spoiled = Plan(self.options.seed, [
            Rule(CUT, start=self.down, end=broken),  # what arrives over connections that were open
            Rule(supabase.BROKEN, 0.4, start=broken, end=slow_from),
            Rule(supabase.BAD_GATEWAY, 0.3, start=broken, end=slow_from),
            Rule(supabase.UNAVAILABLE, 0.3, start=broken, end=slow_from),
            Rule(LOST, 0.5, start=broken, end=slow_from),
            Rule(slow(1.5 * call), 0.2, start=slow_from, end=self.end),
            Rule(slow(0.5 * call), 0.5, start=slow_from, end=self.end),
        ])  # fmt: skip

    @contextmanager
    def injected(self) -> Iterator[None]:
        with supabase_spoiled(self.world, self.spoiled) as self.shim:
            yield
            # Few jobs may be done before it begins; the shim must not go away with its port closed.
            self.world.until("the outage ends", lambda: not self.spoiled.ends_in(), self.end + 60)

    def on_worker(self, worker: Worker) -> None:
        if self.began:
            return
        self.began = time.time()
        self.spoiled.begin()
        self.world.workers.later(self.down, self.shim.refuse_connections)
        self.world.workers.later(self.options.minutes(_HEALTHY + _DOWN), self.shim.accept_connections)

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{sum(self.spoiled.met.values())} calls were spoiled: {dict(self.spoiled.met)}")
        found = [] if self.spoiled.met else ["no call was spoiled, so nothing was proven"]
        recovered = self.began + self.end
        late = [self._late(facts, job_id, recovered) for job_id in facts.rows]
        lateness = [seconds for seconds in late if seconds is not None]
        # Only waiting is compressed, see Scenario.requeue_limit.
        bound = _RIGHT_AFTER - _HIDDEN + self.options.seconds(_HIDDEN)
        self.remarks.append(
            f"latest status: right {max(lateness, default=0):.1f} s after the recovery (bound {bound:g} s)"
        )
        found += [
            f"{job_id} was told {seconds:.1f} s after the recovery what had become of it"
            for job_id, seconds in zip(facts.rows, late, strict=True)
            if seconds is not None and seconds > bound
        ]
        return found + [text for job_id in facts.rows for text in self._taken_from_the_living(facts, job_id, recovered)]

    def _late(self, facts: Facts, job_id: str, recovered: float) -> float | None:
        """Return how long after the recovery the row learned of what had happened before it; None: it knew.

        A task that had ended is told by the first change of the row that leaves its attempt.
        """
        ended = [task for task in facts.tasks.get(job_id, []) if _moment(task, "stoppedAt") < recovered]
        if not ended:
            return None
        last = attempt_of(ended[-1])
        told = [
            event["at"].timestamp()
            for event in facts.events.get(job_id, [])
            if event["attempt"] >= last and event["to_status"] in {*OVER, "retrying"}
        ]
        return max(0.0, min(told) - recovered) if told else float("inf")

    def _taken_from_the_living(self, facts: Facts, job_id: str, recovered: float) -> list[str]:
        """Return attempts that lost their job although their task worked on through the outage and after it."""
        events = facts.events.get(job_id, [])
        return [
            f"{job_id}: attempt {attempt_of(task)} lived, and {event['to_status']} came of attempt {event['attempt']}"
            for task in facts.tasks.get(job_id, [])
            if _moment(task, "startedAt") < recovered < _moment(task, "stoppedAt")
            for event in events
            if event["attempt"] > attempt_of(task) and recovered < event["at"].timestamp() < _moment(task, "stoppedAt")
        ]


def _moment(task: Row, name: str) -> float:
    """Return a time of a task in seconds; what has not come is endlessly far."""
    value = task.get(name)
    return value.timestamp() if isinstance(value, datetime) else float("inf")
