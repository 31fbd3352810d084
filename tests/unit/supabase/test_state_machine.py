"""No sequence of calls leaves an end, gives an attempt two owners or counts wrongly (property-based).

The one exception is what an operator asks for in so many words: reopen_job takes a failed job out of its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from tests.unit.supabase.paths import STEPS, TERMINAL, assert_legal

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

REASONS = ("failure", "interruption", "start_failure", "missing_input", "memory")
COUNTERS = ("failed_attempts", "interruptions", "start_failures", "missing_inputs", "memory_failures")
tasks = st.sampled_from(["task-a", "task-b", "task-c"])
# Mostly the attempt that fits, sometimes an old one or one that never was.
offsets = st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1, 5])
next_offsets = offsets.map(lambda offset: offset + 1)


class JobLife(RuleBasedStateMachine):
    """One job, called by dispatchers, tasks and sweepers that know nothing of one another."""

    database: ClassVar[Database]

    @initialize(has_row=st.booleans())
    def begin(self, has_row: bool) -> None:
        self.database.clear()
        self.owners: dict[int, set[str]] = {}
        self.reopened = 0
        if has_row:
            self.database.service.execute("insert into public.jobs (job_id, s3_key) values ('job', 'a.wav')")
        self.row = self.read()

    def read(self) -> dict[str, Any] | None:
        return self.database.admin.execute("select * from public.jobs").fetchone()

    def attempt(self, offset: int) -> int:
        return max(0, (self.row["attempt"] if self.row else 0) + offset)

    def observe(self, function: str, attempt: int, *, won: bool) -> None:
        """Compare with the state before the call."""
        before, self.row = self.row, self.read()
        if before is None or self.row is None:
            assert won == (before is not self.row)
            return
        if not won:
            assert self.row == before
        elif function != "claim_job":
            assert attempt == before["attempt"]
        if before["status"] in TERMINAL:
            assert self.row == before or (function, before["status"]) == ("reopen_job", "failed")
        if self.row["status"] != before["status"]:
            assert (before["status"], self.row["status"]) in STEPS
        assert self.row["attempt"] >= before["attempt"] or function == "release_job"
        if function not in {"retry_job", "reopen_job"}:
            assert all(self.row[name] == before[name] for name in COUNTERS)

    def call(self, function: str, offset: int, **arguments: Any) -> object:
        attempt = self.attempt(offset)
        answer = self.database.call(function, p_job_id="job", p_attempt=attempt, **arguments)
        self.observe(function, attempt, won=answer not in {False, "lost"})
        return answer

    @rule(choices=st.lists(st.integers(0, 99), min_size=1, max_size=8))
    def go_on(self, choices: list[int]) -> None:
        """Do what fits, so that lives get long: calls made at random seldom find a job that wants them."""
        for choice in choices:
            task, reason = ("task-a", "task-b", "task-c")[choice % 3], REASONS[choice % 5]
            match self.row["status"] if self.row else None, choice % 4:
                case ((None | "queued" | "retrying"), _):
                    self.claim(1)
                case "failed", _:
                    self.reopen(0)
                case (("starting" | "running"), 0):
                    self.start(0, task)
                case (("starting" | "running"), 1):
                    self.retry(0, reason, None)
                case "starting", 2:
                    self.release(0)
                case "starting", 3:
                    self.attach(0, task)
                case "running", 2:
                    self.heartbeat(0, task, 0.5)
                case "running", 3:
                    self.fail(0, None)

    @rule(offset=next_offsets)
    def claim(self, offset: int) -> None:
        attempt = self.attempt(offset)
        if attempt == 0:
            return
        had_row = self.row is not None
        if (
            self.call(
                "claim_job", offset, p_s3_key="a.wav", p_pipeline="audio-clean", p_preset=None, p_lease_seconds=60
            )
            and had_row
        ):
            assert self.row is not None
            assert self.row["attempt"] == attempt

    @rule(offset=offsets)
    def release(self, offset: int) -> None:
        self.call("release_job", offset)

    @rule(offset=offsets, task=tasks)
    def attach(self, offset: int, task: str) -> None:
        self.call("attach_task", offset, p_task_arn=task)

    @rule(offset=offsets, task=tasks)
    def start(self, offset: int, task: str) -> None:
        attempt = self.attempt(offset)
        if self.call("start_job", offset, p_task_arn=task, p_lease_seconds=60):
            self.owners.setdefault(attempt, set()).add(task)

    @rule(offset=offsets, task=tasks, progress=st.floats(0, 1, width=32))
    def heartbeat(self, offset: int, task: str, progress: float) -> None:
        attempt = self.attempt(offset)
        if self.call("heartbeat_job", offset, p_task_arn=task, p_progress=progress, p_lease_seconds=60):
            assert self.owners[attempt] == {task}

    @rule(offset=offsets)
    def complete(self, offset: int) -> None:
        self.call("complete_job", offset, p_outputs=Jsonb({"outputs": {}}))

    @rule(offset=offsets, task=st.none() | tasks)
    def fail(self, offset: int, task: str | None) -> None:
        self.call("fail_job", offset, p_error_code="x", p_error_message="No.", p_task_arn=task)

    @rule(offset=offsets, reason=st.sampled_from(REASONS), task=st.none() | tasks)
    def retry(self, offset: int, reason: str, task: str | None) -> None:
        before = self.row
        answer = self.call(
            "retry_job",
            offset,
            p_reason=reason,
            p_error_code=None,
            p_error_message="Again.",
            p_delay_seconds=0,
            p_task_arn=task,
        )
        if answer != "lost":
            assert before is not None
            assert self.row is not None
            counted = sum(self.row[name] - before[name] for name in COUNTERS)
            assert counted == 1

    @rule(offset=offsets)
    def reopen(self, offset: int) -> None:
        before = self.row
        if self.call("reopen_job", offset):
            assert before is not None
            assert self.row is not None
            assert (before["status"], self.row["status"]) == ("failed", "retrying")
            assert [self.row[name] for name in COUNTERS if name != "interruptions"] == [0, 0, 0, 0]
            assert self.row["interruptions"] == before["interruptions"]
            self.reopened += 1

    @rule(status=st.sampled_from(["queued", "starting", "running", "retrying", "succeeded"]), attempt=st.integers(0, 5))
    def write_past_the_functions(self, status: str, attempt: int) -> None:
        """Whoever may write can try: an end stays an end."""
        if self.row is None or self.row["status"] not in TERMINAL:
            return
        if (status, attempt) == (self.row["status"], self.row["attempt"]):
            return
        with pytest.raises(psycopg.errors.CheckViolation):
            self.database.service.execute("update public.jobs set status = %s, attempt = %s", [status, attempt])
        assert self.read() == self.row

    @rule()
    def time_passes(self) -> None:
        self.database.make_due("job")
        self.row = self.read()

    @rule()
    def sweep(self) -> None:
        before = self.row
        handed_out = self.database.rows("due_retries", p_limit=10)
        assert len(handed_out) <= (before is not None and before["status"] in {"queued", "retrying"})
        self.database.rows("due_dead_letters", p_limit=10)
        self.row = self.read()
        changed = {name for name in self.row if self.row[name] != before[name]} if self.row and before else set()
        assert changed <= {"retry_at", "dead_letter_at"}

    @rule(offset=offsets)
    def confirm_dead_letter(self, offset: int) -> None:
        before = self.row
        sent = self.database.call("dead_letter_sent", p_job_id="job", p_attempt=self.attempt(offset))
        self.row = self.read()
        assert self.row == (before | {"dead_letter_at": None} if sent and before else before)

    @invariant()
    def one_owner_per_attempt(self) -> None:
        assert all(len(tasks) == 1 for tasks in getattr(self, "owners", {}).values())

    @invariant()
    def bounds_are_kept(self) -> None:
        row = getattr(self, "row", None)
        if row and row["status"] not in TERMINAL:
            assert row["failed_attempts"] + row["missing_inputs"] + row["memory_failures"] < 5
            assert row["start_failures"] < 10
            assert row["missing_inputs"] <= 3
            assert row["memory_failures"] <= 1

    @invariant()
    def what_waits_has_a_time_and_what_works_a_lease(self) -> None:
        if row := getattr(self, "row", None):
            assert (row["retry_at"] is not None) == (row["status"] in {"queued", "retrying"})
            assert (row["lease_until"] is not None) == (row["status"] in {"starting", "running"})

    @invariant()
    def history_is_legal_and_ends_where_the_row_is(self) -> None:
        if row := getattr(self, "row", None):
            history = self.database.history("job")
            assert history[-1] == (row["status"], row["attempt"])
            assert row["reopened"] == self.reopened
            assert_legal(history, row["reopened"])


@pytest.mark.usefixtures("database")
def test_no_sequence_of_calls_breaks_the_state_machine(database: Database) -> None:
    JobLife.database = database
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            # About 5 s; a random seed each time, so that runs add up. No deadline: the machine may be busy.
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
