"""ECS that says "not now": nothing of it counts as an attempt, and no message is set aside for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario
from tests.faults.shims import ecs
from tests.faults.shims.between import ecs_spoiled
from tests.faults.shims.plan import CUT, LOST, Plan, Rule

_COUNTERS = ("failed_attempts", "start_failures", "interruptions", "missing_inputs", "memory_failures")


class _NotNow(Scenario):
    """Puts the subclass's rules between dispatcher and ECS."""

    bound = "0 in the dead-letter queue, nothing counted as an attempt"
    window = 30  # many messages wait at once while no task starts
    most_tasks_per_job = 1.0

    def rules(self, end: float) -> list[Rule]:
        """Return what happens to RunTask until so many seconds have passed."""
        raise NotImplementedError

    def plan(self) -> None:
        self.spoiled = Plan(self.options.seed, self.rules(self.options.minutes(self.outage_minutes)))

    @contextmanager
    def injected(self) -> Iterator[None]:
        with ecs_spoiled(self.world, self.spoiled):
            self.spoiled.begin()
            yield

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{sum(self.spoiled.met.values())} calls were spoiled: {dict(self.spoiled.met)}")
        found = [] if self.spoiled.met else ["no call was spoiled, so nothing was proven"]
        for job_id, row in facts.rows.items():
            counted = {name: row[name] for name in ("attempt", *_COUNTERS)}
            if counted != {"attempt": 1, **dict.fromkeys(_COUNTERS, 0)}:
                found.append(f"{job_id} was counted as {counted}")
        return found


class Throttled(_NotNow):
    """Three calls of ten are throttled; some break, and of those some have started their task."""

    name = "throttled"
    fault = "RunTask ThrottlingException 30 %, 5xx and cut connections 5 % each, for 10 min"
    outage_minutes = 10

    def rules(self, end: float) -> list[Rule]:
        return [
            Rule(ecs.THROTTLED, 0.30, end=end),
            Rule(ecs.BROKEN, 0.05, end=end),
            Rule(CUT, 0.05, end=end),
            Rule(LOST, 0.05, end=end),
        ]


class NoCapacity(_NotNow):
    """No call starts a task, though each is answered with a 200."""

    name = "no_capacity"
    fault = "RunTask 200 with failures[] 100 % for 15 min"
    outage_minutes = 15

    def rules(self, end: float) -> list[Rule]:
        # Each takes its share of what the ones before it have left: a quarter of all.
        return [
            Rule(ecs.NO_CAPACITY, 1 / 4, end=end),
            Rule(ecs.NO_INTERFACES, 1 / 3, end=end),
            Rule(ecs.NO_MEMORY, 1 / 2, end=end),
            Rule(ecs.NO_AGENT, end=end),
        ]
