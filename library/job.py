#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: one job of the pipeline, tried again or cancelled by an operator."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Retry or cancel a job
description:
  - Gives a job that has failed all its attempts again, or ends one that has not finished, together with its task.
  - The job's row in Supabase decides, in one conditional update. Whatever else takes part (a message, a task) follows
    from it, also when this module is killed right after it.
options:
  job_id:
    description: Which job.
    type: str
    required: true
  state:
    description:
      - With V(retried) a job that has failed is offered to the dispatcher again; one that is under way is left alone.
      - With V(cancelled) a job that is not over becomes V(failed) with the code C(cancelled), and its task is stopped.
    type: str
    choices: [retried, cancelled]
    required: true
  reason:
    description: The sentence that the job's user reads when it is cancelled.
    type: str
    default: The processing was cancelled.
  jobs_queue:
    description: Name of the queue that the dispatcher reads.
    type: str
    required: true
  cluster:
    description: Name of the ECS cluster that tasks run in.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Reports what would change and writes nothing.
  diff_mode:
    support: full
    description: Shows the job before and after.
  idempotent:
    support: full
    description: A second run reports no change.
extends_documentation_fragment: [tamma_resource.aws, tamma_resource.supabase]
notes:
  - Exists because a job is a row, a message and a task, and no module knows which of them decides.
"""

EXAMPLES = r"""
- name: Try the job again
  job:
    job_id: talk-1
    state: retried
    jobs_queue: tamma-dev-jobs.fifo
    cluster: tamma-dev-cluster
    supabase_url_parameter: /tamma/dev/supabase_url
    supabase_service_key_parameter: /tamma/dev/supabase_service_key
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(update) or C(none)).
  returned: success
  type: str
resource:
  description: The job's C(status), C(attempt), C(error_code), C(error_message), and what is wanted of its C(task).
  returned: success
  type: dict
report:
  description: The same in a sentence.
  returned: success
  type: list
  elements: str
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.jobs_table import CANCELLED, IN_FLIGHT, PARAMETERS, JobsTable, Row, doing, next_message
from ansible.module_utils.tamma.letters import queue_url
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Planned, run

_SPEC: dict[str, Any] = {
    "job_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["retried", "cancelled"], "required": True},
    "reason": {"type": "str", "default": "The processing was cancelled."},
    "jobs_queue": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
    **PARAMETERS,
}
_SHOWN = ("status", "attempt", "progress", "error_code", "error_message")
_TRIES = 5  # an attempt lasts seconds at least: whoever loses this often in a row does so for another reason
_STOPPED = "STOPPED"


class Job(Planned):
    """A job; its state is its row, and whether ECS still wants the task that the row names."""

    kind = "job"
    identity: ClassVar = {"job_id": _SPEC["job_id"]}
    spec: ClassVar = {name: option for name, option in _SPEC.items() if name != "job_id"}

    def plan(self) -> Plan:
        """Read the job; RefusalError when it is over in a way that cannot be changed."""
        self._table = JobsTable.of(self.client("ssm"), self.params)
        row = self._table.row(self.name)
        before = self._state(row)
        after = self._retried(row, before) if self.params["state"] == "retried" else self._cancelled(row, before)
        changes = {name: (before[name], value) for name, value in after.items() if value != before[name]}
        return Plan("update" if changes else "none", before, after, changes)

    def apply(self, plan: Plan) -> State:
        """Change the row first: should nothing follow, then the sweep and the worker find that by themselves."""
        if self.params["state"] == "retried":
            self._retry(plan.before["attempt"])
        else:
            self._cancel()
        return self._state(self._table.row(self.name))

    def report(self, plan: Plan, state: State) -> list[str]:
        """Say in a sentence what the job is doing, and what it did before."""
        after = f" → {doing(state)}" if plan.changed and doing(plan.before) != doing(state) else ""
        return [f"Job {self.name}: {doing(plan.before)}{after}."]

    def _state(self, row: Row) -> State:
        return {**{name: row[name] for name in _SHOWN}, "task_wanted": self._task_wanted(row)}

    def _retried(self, row: Row, before: State) -> State:
        if row["status"] == "succeeded":
            raise RefusalError("it is done, and its result is published; send its file as a new job to repeat it")
        if row["status"] != "failed":
            return before
        self._jobs_queue_url()  # a queue that is missing is refused before anything is written
        return {**before, "status": "retrying"}  # the error stays to be read until the next attempt

    def _cancelled(self, row: Row, before: State) -> State:
        if row["status"] in IN_FLIGHT:
            after = {**before, "status": "failed", "error_code": CANCELLED, "error_message": self.params["reason"]}
        elif row["error_code"] == CANCELLED:
            after = before
        else:
            raise RefusalError(f"it is over ({doing(row)}), so that nothing is left to cancel; leave it as it is")
        return {**after, "task_wanted": _STOPPED if before["task_wanted"] else None}

    def _retry(self, attempt: int) -> None:
        """Give the job its attempts again, and offer the next one; the sweep offers it too, within a minute."""
        self._table.won("reopen_job", p_job_id=self.name, p_attempt=attempt)
        row = self._table.row(self.name)
        if (row["status"], row["attempt"]) == ("retrying", attempt):
            message = next_message(row)
            self.client("sqs").send_message(
                QueueUrl=self._jobs_queue_url(),
                MessageBody=message.body(),
                MessageGroupId=row["user_id"] or self.name,
                MessageDeduplicationId=message.deduplication_id,
            )

    def _cancel(self) -> None:
        """End the job in whichever attempt it is by then, and stop its task."""
        for _ in range(_TRIES):
            row = self._table.row(self.name)
            if row["status"] not in IN_FLIGHT:
                break
            reason = self.params["reason"]
            self._table.won(
                "fail_job",
                p_job_id=self.name,
                p_attempt=row["attempt"],
                p_error_code=CANCELLED,
                p_error_message=reason,
            )
        if row["error_code"] != CANCELLED:
            raise RefusalError(f"it changed while it was being cancelled, and is {doing(row)}; look at it and re-run")
        if self._task_wanted(row) not in {None, _STOPPED}:
            self.client("ecs").stop_task(
                cluster=self.params["cluster"], task=row["task_arn"], reason="An operator cancelled the job."
            )

    def _task_wanted(self, row: Row) -> str | None:
        """Return whether ECS wants the job's task `RUNNING` or `STOPPED`; None when there is no such task any more."""
        if not row["task_arn"]:
            return None
        ecs = self.client("ecs")
        try:
            found = ecs.describe_tasks(cluster=self.params["cluster"], tasks=[row["task_arn"]])["tasks"]
        except ecs.exceptions.ClusterNotFoundException:
            return None
        return str(found[0]["desiredStatus"]) if found else None

    def _jobs_queue_url(self) -> str:
        return queue_url(self.client("sqs"), self.params["jobs_queue"])


def main() -> None:
    """Run the module."""
    run(Job)


if __name__ == "__main__":
    main()
