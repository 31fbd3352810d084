"""No sequence of calls leaves a terminal state, gives an attempt two owners or counts wrongly (property-based)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

TERMINAL = {"succeeded", "failed"}
REASONS = ("failure", "interruption", "start_failure", "missing_input", "memory")
COUNTERS = ("failed_attempts", "interruptions", "start_failures", "missing_inputs", "memory_failures")
# What may follow what. A state may follow itself only as a heartbeat or a repeated start.
NEXT: dict[str, set[str]] = {
    "queued": {"queued", "starting", "failed"},
    "starting": {"starting", "queued", "retrying", "running", "succeeded", "failed"},
    "running": {"running", "retrying", "succeeded", "failed"},
    "retrying": {"retrying", "starting", "failed"},
    "succeeded": {"succeeded"},
    "failed": {"failed"},
}

tasks = st.sampled_from(["task-a", "task-b", "task-c"])
# Mostly the attempt that is current or next, sometimes one that never was.
offsets = st.sampled_from([0, 0, 0, 1, 1, -1, 5])


class JobLife(RuleBasedStateMachine):
    """One job, called by dispatchers, tasks and sweepers that know nothing of one another."""

    database: ClassVar[Database]

    @initialize(has_row=st.booleans())
    def begin(self, has_row: bool) -> None:
        self.database.clear()
        self.owners: dict[int, set[str]] = {}
        if has_row:
            self.database.service.execute("insert into public.jobs (job_id, s3_key) values ('job', 'a.wav')")
        self.row = self.read()

    def read(self) -> dict[str, Any] | None:
        return self.database.admin.execute("select * from public.jobs").fetchone()

    def attempt(self, offset: int) -> int:
        return max(0, (self.row["attempt"] if self.row else 0) + offset)

    def observe(self, *, won: bool) -> None:
        """Compare with the state before the call."""
        before, self.row = self.row, self.read()
        if before is None or self.row is None:
            assert won == (before is not self.row)
            return
        assert self.row["status"] in NEXT[before["status"]]
        if not won or before["status"] in TERMINAL:
            assert self.row == before

    def call(self, function: str, offset: int, **arguments: Any) -> object:
        answer = self.database.call(function, p_job_id="job", p_attempt=self.attempt(offset), **arguments)
        self.observe(won=answer not in {False, "lost"})
        return answer

    @rule(offset=offsets)
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

    @rule()
    def sweep(self) -> None:
        handed_out = self.database.rows("due_retries", p_limit=10)
        assert len(handed_out) <= 1
        self.row = self.read()

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
    def history_ends_where_the_row_is(self) -> None:
        if getattr(self, "row", None):
            assert self.row is not None
            history = self.database.history("job")
            assert history[-1] == (self.row["status"], self.row["attempt"])
            assert sum(state in TERMINAL for state, _ in history) <= 1


@pytest.mark.usefixtures("database")
def test_no_sequence_of_calls_breaks_the_state_machine(database: Database) -> None:
    JobLife.database = database
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            # About 5 s; a random seed each time, so that runs add up. No deadline: the machine may be busy.
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
