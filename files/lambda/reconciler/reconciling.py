"""From the end of an attempt to its next message; every step may be done twice or too late without harm."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classification import classify
from job_message import MAX_ATTEMPT, JobMessage, canonical, pipeline_of
from settings import UNSCALED

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger
    from classification import Verdict
    from job_store import JobRow, JobStore
    from queues import Queues
    from results import Results
    from settings import TimeScale
    from stopped_task import TaskFacts

WORKING = frozenset({"starting", "running"})


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reconciler:
    """Takes care of jobs whose attempt is over. Raises StoreUnavailableError or botocore's errors: try again.

    ``counts`` is what it did, by name of the metric: ``Retried<Reason>``, ``Failed``, ``DeadLetters``.
    """

    store: JobStore
    queues: Queues
    results: Results
    logger: Logger
    scale: TimeScale = UNSCALED
    now: Callable[[], datetime] = _now
    counts: Counter[str] = field(default_factory=Counter)

    def task_stopped(self, task: TaskFacts) -> None:
        """Conclude the attempt that a stopped task worked on, if the worker has not done so."""
        if task.job_id is None or task.attempt is None:
            self.logger.info("The stopped task %s was not started for a job.", task.task_arn)
            return
        row = self.store.get(task.job_id)
        if row is None or row.attempt != task.attempt:
            self.logger.info("The attempt of the stopped task %s is over.", task.task_arn)
            return
        verdict = classify(task)
        if verdict is not None and row.status in WORKING:
            self.conclude(row, verdict, task.task_arn)
        else:
            self.settle(row)

    def requeue(self, job_id: str, attempt: int) -> None:
        """Offer the attempt after this one, when the job still waits for it."""
        row = self.store.get(job_id)
        if row is not None and row.attempt == attempt:
            self.settle(row)

    def conclude(self, row: JobRow, verdict: Verdict, task_arn: str | None) -> bool:
        """End the current attempt of a job as the verdict says, and do what follows; False: somebody else decided."""
        if row.status == "running" and self._commit_published(row):
            return True
        if verdict.reason is None:
            won = self.store.fail(
                row.job_id, row.attempt, code=verdict.code, sentence=verdict.sentence, task_arn=task_arn
            )
            self.logger.info("%s: %s", "The job failed" if won else "Somebody else decided", verdict.sentence)
            self.counts["Failed"] += won
            return won
        delay = self.scale.seconds(verdict.delay(_earlier(row, verdict.reason)))
        answer = self.store.retry(
            row.job_id,
            row.attempt,
            verdict.reason,
            code=verdict.code,
            sentence=verdict.sentence,
            delay_seconds=delay,
            task_arn=task_arn,
        )
        self.logger.info("Attempt %d of %s: %s → %s", row.attempt, row.job_id, verdict.sentence, answer)
        if answer == "retrying":
            self.counts[f"Retried{verdict.reason.title().replace('_', '')}"] += 1
            self.offer(row, delay)
        else:
            self.counts["Failed"] += answer == "failed"
            current = self.store.get(row.job_id)
            if current is not None and current.attempt == row.attempt:
                self.settle(current)
        return answer != "lost"

    def _commit_published(self, row: JobRow) -> bool:
        """Say for a worker that has published and could not say so (it died, or Supabase was away) what it had done."""
        manifest = self.results.manifest(row.job_id)
        if manifest is None:
            return False
        won = self.store.complete(row.job_id, row.attempt, manifest)
        self.logger.info("Published already: %s.", "committed" if won else "somebody else decided")
        return True

    def settle(self, row: JobRow) -> None:
        """Send what a job waits for: its next message, or its dead letter. Nothing when it waits for neither."""
        if row.status == "retrying" and row.retry_at is not None:
            self.offer(row, math.ceil((row.retry_at - self.now()).total_seconds()))
        elif row.dead_letter_at is not None:
            self.send_dead_letter(row)

    def offer(self, row: JobRow, delay_seconds: int) -> None:
        """Send the message for the attempt after the row's, now or through our own queue (a FIFO queue cannot wait)."""
        if row.attempt >= MAX_ATTEMPT:
            # Only somebody who made the number up gets here; the next one would be refused, again every minute.
            self.store.fail(
                row.job_id,
                row.attempt,
                code="attempts_used_up",
                sentence="The processing cannot be tried again.",
                task_arn=None,
            )
        elif delay_seconds > 0:
            self.queues.send_requeue(row.job_id, row.attempt, delay_seconds)
        else:
            self.queues.send_job(_next_message(row), _group(row))

    def send_dead_letter(self, row: JobRow) -> None:
        """Set the job aside with its reason; redrive can send the message as it is."""
        message = _next_message(row)
        reason = f"{row.error_message} The job failed after attempt {row.attempt} ({row.error_code})."
        self.queues.send_dead_letter(message.body(), _group(row), message.deduplication_id, reason)
        self.store.dead_letter_sent(row.job_id, row.attempt)
        self.counts["DeadLetters"] += 1


def _earlier(row: JobRow, reason: str) -> int:
    return {"failure": row.failed_attempts, "start_failure": row.start_failures}.get(reason, 0)


def _next_message(row: JobRow) -> JobMessage:
    return JobMessage(
        row.job_id,
        row.s3_key,
        row.pipeline or pipeline_of(row.s3_key),
        row.preset,
        row.attempt + 1,
        canonical(row.overrides),
    )


def _group(row: JobRow) -> str:
    return row.user_id or row.job_id
