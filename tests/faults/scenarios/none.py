"""Nothing goes wrong."""

from __future__ import annotations

from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario


class NoFault(Scenario):
    """The measure of all others."""

    name = "none"
    fault = "none"
    bound = "exactly 1.00 task per job"
    solo = False

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"a worker lives {self.world.workers.life:.1f} s (median)")
        return [f"{job.job_id} had {n} tasks" for job in self.jobs if (n := len(facts.tasks.get(job.job_id, []))) != 1]
