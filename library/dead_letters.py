#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the dead letters of the pipeline, listed and redriven."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dead_letters
short_description: List and redrive the dead letters of jobs
description:
  - Lists the messages in the dead-letter queue of jobs, each with its reason, and tries the chosen ones again.
  - A job that has failed is given its attempts again first, then its message is sent to the jobs queue, then it is
    deleted here. Killed anywhere in between nothing is lost, and done twice nothing happens twice.
  - A message of a job that is done, was cancelled, or has gone on since is only deleted. A malformed one is never sent.
options:
  name:
    description: Name of the dead-letter queue.
    type: str
    required: true
  jobs_queue:
    description: Name of the queue that the dispatcher reads.
    type: str
    required: true
  job_ids:
    description: The jobs whose messages are redriven.
    type: list
    elements: str
    default: []
  all:
    description: Whether all messages are redriven. Without this and without O(job_ids) they are only listed.
    type: bool
    default: false
  rate:
    description: Most messages that are sent in a second (0.01-100).
    type: float
    default: 5
  discard_malformed:
    description: Whether malformed messages are deleted. Otherwise they stay.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Says what would be done. Each message is hidden from other readers while it is looked at.
  diff_mode:
    support: full
    description: Shows the fate of each message.
  idempotent:
    support: full
    description: A second run reports no change.
extends_documentation_fragment: [tamma_resource.aws, tamma_resource.supabase]
notes:
  - Exists because the redrive of SQS itself (StartMessageMoveTask) moves everything, malformed messages too, and knows
    nothing of the jobs, whose end is final without another word.
"""

EXAMPLES = r"""
- name: Redrive two jobs
  dead_letters:
    name: tamma-dev-jobs-dlq.fifo
    jobs_queue: tamma-dev-jobs.fifo
    job_ids: [talk-1, talk-2]
    supabase_url_parameter: /tamma/dev/supabase_url
    supabase_service_key_parameter: /tamma/dev/supabase_service_key
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(update) or C(none)).
  returned: success
  type: str
resource:
  description:
    - The letters by job, or by message id where there is no job. Each has C(attempt), C(set_aside) (a time),
      C(receives), C(reason), C(job) (what the job was doing), C(redrive) (what becomes of it), and its C(fate).
  returned: success
  type: dict
report:
  description: The same as a table.
  returned: success
  type: list
  elements: str
"""

import math
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.fates import Fate, fate_of
from ansible.module_utils.tamma.jobs_table import PARAMETERS, JobsTable, Row, doing
from ansible.module_utils.tamma.letters import DeadLetterQueue, Letter, Pace, queue_url
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Planned, run
from ansible.module_utils.tamma.tables import table

_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "jobs_queue": {"type": "str", "required": True},
    "job_ids": {"type": "list", "elements": "str", "default": []},
    "all": {"type": "bool", "default": False},
    "rate": {"type": "float", "default": 5},
    "discard_malformed": {"type": "bool", "default": False},
    **PARAMETERS,
}
_LEAST_RATE, _MOST_RATE = 0.01, 100
_MOST_LINES = 100  # of the table; a person does not read more, and `resource` has them all
_SET_ASIDE = "set aside"


class DeadLetters(Planned):
    """All letters of one queue; a state maps what a person calls a letter to what is known of it."""

    kind = "dead letters"
    identity: ClassVar = {"name": _SPEC["name"]}
    spec: ClassVar = {name: option for name, option in _SPEC.items() if name != "name"}

    def plan(self) -> Plan:
        """List the letters and say what becomes of the chosen ones; RefusalError for a choice that makes no sense."""
        # As a person types it, a list has spaces behind its commas.
        self._job_ids = {job_id.strip() for job_id in self.params["job_ids"]} - {""}
        self._check()
        self._started = time.time()
        self._table = JobsTable.of(self.client("ssm"), self.params)
        self._queue = DeadLetterQueue(self.client("sqs"), self.name)
        self._jobs_queue = queue_url(self.client("sqs"), self.params["jobs_queue"])
        self._count, self._hidden = self._queue.counts()
        self._before: State = {}
        self._after: State = {}
        self._queue.rounds(self._look)
        self._rows = self._table.rows(self._job_ids)
        self._refuse_unknown()
        changed = self._before != self._after
        return Plan("update" if changed else "none", self._before, self._after)

    def apply(self, plan: Plan) -> State:
        """Redrive the chosen letters, one after the other; what arrives meanwhile is left for the next run."""
        del plan
        self._before, self._after = {}, {}
        self._pace, self._parent = Pace(self.params["rate"]), os.getppid()
        self._queue.rounds(self._redrive, self._pace.seconds)
        return self._after

    def report(self, plan: Plan, state: State) -> list[str]:
        """Return a table of the letters and what a person should know beside it."""
        del plan
        rows = [
            [label, str(it["attempt"] or "-"), it["set_aside"], it["job"], it["redrive"], it["reason"]]
            for label, it in state.items()
        ]
        lines = table(["JOB", "ATTEMPT", "SET ASIDE (UTC)", "THE JOB IS", "REDRIVE", "REASON"], rows[:_MOST_LINES])
        return [f"{self.name}: {len(rows)} dead letter{'' if len(rows) == 1 else 's'}.", *lines, *self._notes(state)]

    def _notes(self, state: State) -> Iterator[str]:
        if len(state) > _MOST_LINES:
            yield f"  … and {len(state) - _MOST_LINES} more."
        if self._hidden:
            yield f"Hidden, as somebody else is looking at them: {self._hidden}. Run this again in half a minute."
        if self._count > len(state):
            behind = self._count - len(state)
            yield f"Behind others of their message group: {behind}. They come into view when those are gone."
        for job_id in sorted(self._job_ids):
            if job_id not in state:
                row = self._rows[job_id]
                step = "; try it again with playbooks/retry_job.yml" if row["status"] == "failed" else ""
                yield f"There is no dead letter of {job_id}: the job is {doing(row)}{step}."
        if state and self._listing:
            yield 'Nothing was redriven. To do so, add -e redrive_all=true or -e \'{"redrive_job_ids": ["…"]}\'.'

    def _check(self) -> None:
        rate, chosen = self.params["rate"], self._job_ids
        if not _LEAST_RATE <= rate <= _MOST_RATE:  # false for nan as well
            raise RefusalError(f"a rate of {rate:g} messages a second is not possible; choose 0.01 to 100")
        if self.params["all"] and chosen:
            raise RefusalError("all messages and those of single jobs were asked for; choose one of the two")

    def _refuse_unknown(self) -> None:
        for job_id in sorted(self._job_ids):
            if job_id not in self._rows and job_id not in self._before:
                raise RefusalError(
                    f"there is neither a job nor a dead letter {job_id}; list what is there by leaving the choice out"
                )

    def _look(self, letters: list[Letter]) -> Iterator[Letter]:
        """Note letters as they are and as they would be; deletes none."""
        for letter, row in self._with_rows(letters):
            self._note(letter, row, done=self._chosen(letter))
        yield from ()

    def _redrive(self, letters: list[Letter]) -> Iterator[Letter]:
        """Carry out the fates of letters, and yield those that are deleted."""
        for letter, row in self._with_rows(letters):
            chosen = self._chosen(letter) and letter.sent_at <= self._started
            fate = self._note(letter, row, done=chosen)
            if chosen and fate.delete:
                self._carry_out(letter, fate)
                yield letter

    def _carry_out(self, letter: Letter, fate: Fate) -> None:
        """Reopen, send, delete: in this order each step finds what the one before it has made sure of."""
        if fate.send:
            self._pace.wait()
        if os.getppid() != self._parent:
            raise RefusalError("whoever started the redrive is gone, so it stops here; run it again for the rest")
        if fate.reopen and letter.message:
            message = letter.message
            self._table.won("reopen_job", p_job_id=message.job_id, p_attempt=message.attempt - 1)
        if fate.send:
            self.client("sqs").send_message(
                QueueUrl=self._jobs_queue,
                MessageBody=letter.body,
                MessageGroupId=letter.group,
                MessageDeduplicationId=letter.deduplication_id,
            )
        self._queue.delete(letter)

    @property
    def _listing(self) -> bool:
        """Whether nothing was chosen."""
        return not (self.params["all"] or self._job_ids or self.params["discard_malformed"])

    def _chosen(self, letter: Letter) -> bool:
        if self.params["all"] or (self.params["discard_malformed"] and letter.message is None):
            return True
        return letter.message is not None and letter.message.job_id in self._job_ids

    def _with_rows(self, letters: list[Letter]) -> Iterator[tuple[Letter, Row | None]]:
        rows = self._table.rows(letter.message.job_id for letter in letters if letter.message)
        for letter in letters:
            yield letter, rows.get(letter.message.job_id) if letter.message else None

    def _note(self, letter: Letter, row: Row | None, *, done: bool) -> Fate:
        fate = fate_of(letter, row, discard_malformed=self.params["discard_malformed"])
        label = self._free_label(letter.label)
        known = {
            "attempt": letter.message.attempt if letter.message else None,
            "set_aside": datetime.fromtimestamp(math.floor(letter.sent_at), UTC).strftime("%Y-%m-%d %H:%M"),
            "receives": letter.receives,
            "reason": letter.reason or letter.problem or "none: it was delivered too often",
            "job": doing(row) if row else ("unknown" if letter.message else "-"),
            "redrive": fate.words if done or self._listing else "not chosen",
        }
        self._before[label] = {**known, "fate": _SET_ASIDE}
        self._after[label] = {**known, "fate": fate.words if done and fate.delete else _SET_ASIDE}
        return fate

    def _free_label(self, wanted: str) -> str:
        label, number = wanted, 1
        while label in self._before:
            number += 1
            label = f"{wanted} ({number})"
        return label


def main() -> None:
    """Run the module."""
    run(DeadLetters)


if __name__ == "__main__":
    main()
