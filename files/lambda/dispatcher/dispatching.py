"""From one message to one started task; knows no SQS and no environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from job_message import MalformedMessageError
from job_store import StoreUnavailableError
from planning import History, Network, Pipeline, larger_size, run_task_request
from reasons import Reason
from task_runner import NotStartedError, TaskRunner

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from job_message import JobMessage
    from job_store import JobRow, JobStore


class TryAgainError(Exception):
    """The message has to come again."""

    def __init__(self, sentence: str, reason: Reason) -> None:
        super().__init__(sentence)
        self.reason = reason

    @property
    def wrong(self) -> bool:
        """Whether somebody has to act before it can succeed."""
        return self.reason is Reason.REFUSED


@dataclass(frozen=True)
class Outcome:
    """What was done for a message: in one sentence, and whether that was to start a task."""

    sentence: str
    started: bool


@dataclass(frozen=True)
class Dispatcher:
    """Starts exactly one task for each attempt that it wins."""

    store: JobStore
    runner: TaskRunner
    cluster: str
    pipelines: dict[str, Pipeline]
    network: Network
    start_lease_seconds: int
    worker_environment: dict[str, str]
    logger: Logger

    def dispatch(self, message: JobMessage, patience_seconds: float) -> Outcome:
        """Start the attempt's task, waiting at most ``patience_seconds`` for its turn.

        Raises TryAgainError, MalformedMessageError or StoreRefusedError.
        """
        pipeline = self.pipelines.get(message.pipeline)
        if pipeline is None:
            deployed = ", ".join(sorted(self.pipelines))
            raise MalformedMessageError(f"The pipeline {message.pipeline} is not deployed here; deployed: {deployed}.")
        try:
            won = self._claim(message)
            # A first attempt that was just won has no history; saving the read is worth it, as most are first attempts.
            row = None if won and message.attempt == 1 else self.store.get(message.job_id)
        except StoreUnavailableError as error:
            raise TryAgainError(str(error), Reason.STORE) from error
        if not won and not _left_without_task(row, message):
            return Outcome(f"Nothing to do: {_describe(row)}.", started=False)
        task_arn = self._run(pipeline, message, _history(row), patience_seconds)
        self._attach(message, task_arn)
        return Outcome(f"Task {task_arn} was started.", started=True)

    def _claim(self, message: JobMessage) -> bool:
        """Take the attempt; a dead letter that somebody sent back reopens its job first."""
        if self.store.claim(message, self.start_lease_seconds):
            return True
        replayed = message.attempt > 1 and self.store.replay(message.job_id, message.attempt)
        return replayed and self.store.claim(message, self.start_lease_seconds)

    def _run(self, pipeline: Pipeline, message: JobMessage, history: History, patience_seconds: float) -> str:
        try:
            current = self.runner.size(pipeline.task_definition) if history.memory_failures else None
            size = larger_size(current) if current else None
            request = run_task_request(
                message,
                pipeline,
                history,
                cluster=self.cluster,
                network=self.network,
                worker_environment=self.worker_environment,
                size=size,
            )
            return self.runner.run(request, patience_seconds)
        except NotStartedError as error:
            # A task that may run after all keeps its attempt: the message comes again and finds it without a task.
            if not error.maybe_started:
                self._release(message)
            raise TryAgainError(str(error), error.reason) from error

    def _release(self, message: JobMessage) -> None:
        try:
            self.store.release(message.job_id, message.attempt)
        except StoreUnavailableError as error:
            # The message comes again, finds the attempt without a task, and goes on from there.
            self.logger.warning("The attempt could not be released: %s", error)

    def _attach(self, message: JobMessage, task_arn: str) -> None:
        try:
            self.store.attach_task(message.job_id, message.attempt, task_arn)
        except StoreUnavailableError as error:
            # The task notes its ARN itself when it starts; if it never does, its STOPPED event names the attempt.
            self.logger.warning("The task could not be noted: %s", error)


def _left_without_task(row: JobRow | None, message: JobMessage) -> bool:
    """Say whether a dispatcher died between claiming this very attempt and noting its task."""
    return row is not None and (row.status, row.attempt, row.task_arn) == ("starting", message.attempt, None)


def _history(row: JobRow | None) -> History:
    return History(row.interruptions, row.memory_failures) if row else History()


def _describe(row: JobRow | None) -> str:
    return f"the job is {row.status} in attempt {row.attempt}" if row else "the job is gone"
