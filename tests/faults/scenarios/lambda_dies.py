"""The dispatcher dies between RunTask and the acknowledgement of its message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.pipeline import DISPATCHER, attempt_of
from tests.faults.jobs import chosen
from tests.faults.killing_endpoint import KillingEndpoint
from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario

# Seconds of work, so that no factor applies, without those in which a busy machine had no core for the process.
_TWIN_LIVES = 5.0
# Of a batch of ten, nine would wait for a visibility timeout for each of those before them.
_BATCH = 1


class LambdaDies(Scenario):
    """Every first try dies by SIGKILL; half of the jobs get a second task of the same attempt as well."""

    name = "lambda_dies"
    fault = "dispatcher dies between RunTask and acknowledging, every first try"
    bound = "the second task stops itself <= 5 s after its start"

    window = 5

    def plan(self) -> None:
        self.twins = {job.job_id for job in chosen(self.jobs, 0.5, "twin")}

    @contextmanager
    def injected(self) -> Iterator[None]:
        ecs = self.world.aws("ecs")
        with (
            KillingEndpoint(self.world.cloud.aws_endpoint_url, self.twins, ecs.run_task) as self.endpoint,
            self.world.reconfigured(DISPATCHER, AWS_ENDPOINT_URL_ECS=self.endpoint.url),
            self.world.batches_of(_BATCH),
        ):
            yield

    def judge(self, facts: Facts) -> list[str]:
        spared = [job.job_id for job in self.jobs if job.job_id not in self.endpoint.killed]
        found = [f"the dispatcher was never killed for {job_id}" for job_id in spared]
        lives = []
        for job_id in sorted(self.twins):
            first = [task for task in facts.tasks.get(job_id, []) if attempt_of(task) == 1]
            late = [task for task in first if task["taskArn"] != facts.rows[job_id]["task_arn"]]
            if len(first) != 2 or len(late) != 1:
                found.append(f"{job_id} had {len(first)} tasks in its first attempt, not 2")
                continue
            lives.append(self.world.workers.own_seconds(late[0]))
            if lives[-1] > _TWIN_LIVES:
                found.append(f"the second task of {job_id} stopped {lives[-1]:.1f} s after its start")
        self.remarks.append(f"{len(self.endpoint.killed)} dispatchers killed, {len(lives)} second tasks started")
        if lives:
            self.remarks.append(
                f"a second task stops itself {max(lives):.1f} s after its start at most, less waiting for a core"
            )
        return found
