"""What the end of a task means for its job: one pure function over a table.

Sources, all Amazon ECS: Developer Guide "Amazon ECS stopped tasks error messages" and "Amazon ECS stopped task error
codes" (stop codes EssentialContainerExited, TaskFailedToStart, SpotInterruption, TerminationNotice, UserInitiated,
ServiceSchedulerInitiated, InfrastructureHealth); "CannotPullContainer task errors" and "ResourceInitializationError"
(reasons of tasks that never started); "Fargate capacity providers" (Spot: SIGTERM, then SIGKILL after stopTimeout,
stop code SpotInterruption); "OutOfMemoryError: Container killed due to memory usage" with exit code 137. Exit codes
65, 66, 75 and 78 are those of sysexits.h and the contract in docs/architecture.md; above 128 they are 128 + signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stopped_task import TaskFacts

LONGEST_DELAY = 900  # seconds
DATA_ERROR, NO_INPUT, TEMPORARY, CONFIGURATION, KILLED, TERMINATED = 65, 66, 75, 78, 137, 143
# ECS ended the task although the work could have gone on.
STOPPED_FROM_OUTSIDE = frozenset(
    {"SpotInterruption", "TerminationNotice", "UserInitiated", "ServiceSchedulerInitiated", "InfrastructureHealth"},
)
NEVER_STARTED_REASONS = (
    "CannotPull",
    "CannotStartContainer",
    "CannotCreateContainer",
    "CannotInspectContainer",
    "CannotCreateVolume",
    "ResourceInitializationError",
    "Timeout waiting for network interface",
    "Capacity is unavailable",
    "Unexpected EC2 error",
    "InternalError",
    "Task failed to start",
    "ResourceNotFoundException",
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
OUT_OF_MEMORY = Verdict("memory", "out_of_memory", "The recording needed more memory than the task had.")
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
    """Return what the end of a task means; None: nothing, the worker has committed the result itself."""
    if task.exit_code == 0:
        return None
    if task.exit_code in BY_EXIT_CODE:
        return BY_EXIT_CODE[task.exit_code]
    if task.exit_code == KILLED and "OutOfMemory" in f"{task.container_reason} {task.stopped_reason}":
        return OUT_OF_MEMORY
    # SIGKILL after SIGTERM and stopTimeout is still the interruption that began it.
    if task.stop_code in STOPPED_FROM_OUTSIDE and task.exit_code in {None, KILLED}:
        return INTERRUPTED
    if task.exit_code is None:
        return NOT_STARTED if _never_started(task) else INTERRUPTED
    return CRASHED


def _never_started(task: TaskFacts) -> bool:
    reasons = (task.stopped_reason, task.container_reason)
    return (
        task.stop_code == "TaskFailedToStart"
        or any(reason.startswith(NEVER_STARTED_REASONS) for reason in reasons)
        or not task.was_running
    )
