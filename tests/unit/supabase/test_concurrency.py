"""Many callers at the same job at the same time: the history is one legal way, and each step on it has one winner."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb

from tests.unit.supabase.paths import assert_legal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.supabase.database import Database

CALLERS = 6
CALLS = 60  # of each caller
REASONS = ("failure", "interruption", "start_failure", "missing_input", "memory")


class Caller:
    """Reads where the job stands and then calls something that may fit, as dispatchers, workers and operators do."""

    def __init__(self, database: Database, seed: str) -> None:
        self.database = database
        self.random = random.Random(seed)  # noqa: S311 repeatable is what counts
        self.task = f"task-{seed}"
        self.wins: Counter[str] = Counter()
        self.started: list[int] = []

    def run(self, gate: threading.Barrier) -> None:
        steps = (self.claim, self.release, self.start, self.start, self.complete, self.fail, self.retry, self.reopen)
        with self.database.connect("service_role") as self.connection:
            gate.wait()
            for _ in range(CALLS):
                row = self.connection.execute("select attempt from public.jobs").fetchone()
                step: Callable[[int], None] = self.random.choice(steps)
                step(row["attempt"] if row else 0)

    def call(self, function: str, attempt: int, **arguments: Any) -> Any:
        answer = self.database.call(function, on=self.connection, p_job_id="job", p_attempt=attempt, **arguments)
        if answer not in {False, "lost"}:
            self.wins[f"{function} {answer}"] += 1
        return answer

    def claim(self, attempt: int) -> None:
        lease = {"p_s3_key": "a.wav", "p_pipeline": "video", "p_preset": None, "p_lease_seconds": 60}
        self.call("claim_job", attempt + 1, **lease)

    def release(self, attempt: int) -> None:
        self.call("release_job", attempt)

    def start(self, attempt: int) -> None:
        if self.call("start_job", attempt, p_task_arn=self.task, p_lease_seconds=60):
            self.started.append(attempt)

    def complete(self, attempt: int) -> None:
        if self.random.random() < 0.1:  # seldom, because it ends the job for ever
            self.call("complete_job", attempt, p_outputs=Jsonb({}))

    def fail(self, attempt: int) -> None:
        self.call("fail_job", attempt, p_error_code="x", p_error_message="No.")

    def retry(self, attempt: int) -> None:
        self.call(
            "retry_job",
            attempt,
            p_reason=self.random.choice(REASONS),
            p_error_code=None,
            p_error_message="Again.",
            p_delay_seconds=0,
        )

    def reopen(self, attempt: int) -> None:
        self.call("reopen_job", attempt)


@pytest.mark.parametrize("seed", range(8))
def test_callers_at_the_same_time_leave_one_legal_history(database: Database, seed: int) -> None:
    callers = [Caller(database, f"{seed}-{number}") for number in range(CALLERS)]
    gate = threading.Barrier(CALLERS)
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda caller: caller.run(gate), callers))

    job, history = database.job("job"), database.history("job")
    assert_legal(history, job["reopened"])
    assert_one_winner_each(callers, history, job["reopened"])
    assert_one_owner_each(callers, history)


def assert_one_winner_each(callers: list[Caller], history: list[tuple[str, int]], reopened: int) -> None:
    """As many calls were told that they won as there are steps in the history."""
    wins = sum((caller.wins for caller in callers), Counter[str]())
    entered = Counter(state for state, _ in history)
    assert wins["claim_job True"] == entered["starting"]
    assert wins["complete_job True"] == entered["succeeded"]
    assert wins["fail_job True"] + wins["retry_job failed"] == entered["failed"]
    assert wins["reopen_job True"] == reopened
    released = wins["release_job True"]
    assert wins["retry_job retrying"] + reopened + released == entered["retrying"] + entered["queued"]


def assert_one_owner_each(callers: list[Caller], history: list[tuple[str, int]]) -> None:
    """No two tasks were told that the same attempt is theirs."""
    owned = [set(caller.started) for caller in callers]
    assert sum(len(attempts) for attempts in owned) == len(set().union(*owned))
    assert {attempt for state, attempt in history if state == "running"} == set().union(*owned)
