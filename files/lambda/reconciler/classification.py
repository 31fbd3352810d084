"""What the end of a task means for its job: one pure function over a table.

Sources, all Amazon ECS: API Reference "Task" (stopCode: TaskFailedToStart, EssentialContainerExited, UserInitiated,
ServiceSchedulerInitiated, SpotInterruption, TerminationNotice, InfrastructureHealth); Developer Guide "Stopped tasks
error codes", "Checking stopped tasks for errors", "CannotPullContainer task errors", "Task retirement and maintenance
for AWS Fargate on Amazon ECS", "API failures error messages" (reasons); "Fargate capacity providers" (Spot: SIGTERM,
then SIGKILL after stopTimeout); "Troubleshoot Amazon ECS OutOfMemoryError errors" (exit code 137). Every value is a row
of the table in tests/unit/functions/test_classification.py. Exit codes 65, 66, 75 and 78 are those of sysexits.h and
the contract in docs/architecture.md; above 128 they are 128 + signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stopped_task import TaskFacts

LONGEST_DELAY = 900  # seconds
DATA_ERROR, NO_INPUT, TEMPORARY, CONFIGURATION, KILLED, TERMINATED = 65, 66, 75, 78, 137, 143
# ECS ended the task although the work could have gone on: by the stop code, and where ECS gives none, by the reason.
STOPPED_FROM_OUTSIDE = frozenset(
    {"SpotInterruption", "TerminationNotice", "UserInitiated", "ServiceSchedulerInitiated", "InfrastructureHealth"},
)
OUTSIDE_REASONS = (
    "Your Spot Task was interrupted",
    "Host EC2 (instance",
    "Container instance deregistration forced by user",
    "ECS is performing maintenance on the underlying infrastructure",
    "Amazon ECS is performing maintenance on the underlying infrastructure",
    "Scaling activity initiated by",
    "Task failed ELB health checks",
    "Task failed container health checks",
)
NEVER_STARTED_REASONS = (
    "TaskFailedToStart",
    "Task failed to start",
    "CannotPull",
    "CannotStartContainer",
    "CannotCreateContainer",
    "CannotInspectContainer",
    "CannotCreateVolume",
    "ResourceInitializationError",
    "ResourceNotFoundException",
    # Of the transition to "stopped" the same error says nothing about the start.
    "ContainerRuntimeTimeoutError: Could not transition to running",
    "ContainerRuntimeTimeoutError: Could not transition to started",
    "DockerTimeoutError: Could not transition to running",
    "DockerTimeoutError: Could not transition to started",
    "Timeout waiting for network interface",
    "Network interface provision complete error",
    "Timeout waiting for EphemeralStorage",
    "Capacity is unavailable",
    "Unexpected EC2 error",
    "InternalError",
    "RESOURCE:",
    "AGENT",
)


@dataclass(frozen=True)
class Verdict:
    """What follows: the job fails (``reason`` None) or is tried again, counted as ``reason``.

    ``delay_seconds`` is before the first retry for this reason; ``doubles`` says whether it doubles with each more.
    """

    reason: str | None
    code: str
    sentence: str
    delay_seconds: int = 0
    doubles: bool = False

    def delay(self, earlier: int) -> int:
        """Return the seconds to wait after this many earlier events of the same reason."""
        grown = self.delay_seconds << min(earlier, 10) if self.doubles else self.delay_seconds
        return min(grown, LONGEST_DELAY)


NOT_MEDIA = Verdict(None, "bad_input", "The file could not be processed: it is no recording that we can read.")
MISSING = Verdict(
    "missing_input",
    "missing_input",
    "The uploaded file was not found; we wait for it for a while.",
    delay_seconds=60,
)
UNREACHABLE = Verdict(
    "failure",
    "temporary",
    "A service that the processing needs could not be reached.",
    delay_seconds=30,
    doubles=True,
)
OUT_OF_MEMORY = Verdict("memory", "out_of_memory", "The recording needed more memory than it was given.")
INTERRUPTED = Verdict("interruption", "interrupted", "The processing was interrupted and starts again.")
NOT_STARTED = Verdict(
    "start_failure",
    "not_started",
    "The processing could not be started.",
    delay_seconds=10,
    doubles=True,
)
CRASHED = Verdict("failure", "crashed", "The processing stopped unexpectedly.", delay_seconds=10, doubles=True)
# For the sweeper, which knows more than one event does.
UNFINISHED = Verdict(
    "failure",
    "unfinished",
    "The processing ended without a result.",
    delay_seconds=10,
    doubles=True,
)
VANISHED = Verdict("failure", "vanished", "The processing disappeared without a trace.")
HUNG = Verdict("failure", "hung", "The processing no longer answered and was stopped.")

BY_EXIT_CODE = {
    DATA_ERROR: NOT_MEDIA,
    NO_INPUT: MISSING,
    TEMPORARY: UNREACHABLE,
    CONFIGURATION: NOT_STARTED,
    TERMINATED: INTERRUPTED,
}


def classify(task: TaskFacts) -> Verdict | None:
    """Return what the end of a task means; None: nothing, the worker has committed the result itself.

    What matches nothing is a crash: it is counted, so that no job can go round for ever.
    """
    if task.exit_code == 0:
        return None
    if task.exit_code in BY_EXIT_CODE:
        return BY_EXIT_CODE[task.exit_code]
    # ECS notes it at the container whose process was killed, which need not be the one that then gave up.
    if any("OutOfMemory" in reason for reason in task.reasons):
        return OUT_OF_MEMORY
    if task.stop_code == "TaskFailedToStart" or _begins(task.reasons, NEVER_STARTED_REASONS):
        return NOT_STARTED
    # SIGKILL after SIGTERM and stopTimeout is still the interruption that began it.
    if task.exit_code in {None, KILLED} and (
        task.stop_code in STOPPED_FROM_OUTSIDE or _begins(task.reasons, OUTSIDE_REASONS)
    ):
        return INTERRUPTED
    return NOT_STARTED if task.exit_code is None and not task.was_running else CRASHED


def _begins(reasons: tuple[str, ...], beginnings: tuple[str, ...]) -> bool:
    return any(reason.startswith(beginnings) for reason in reasons)
