"""RunTask, and what its many ways to say no mean."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError
from planning import Size
from reasons import Reason

if TYPE_CHECKING:
    from pacing import TokenBucket

# Codes with which ECS says "not now" with an HTTP status below 500.
# Source: Amazon ECS API Reference, "Common Errors"; botocore's list of throttling codes.
TRANSIENT_CODES = frozenset(
    {
        "BlockedException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
SERVER_ERROR = 500


class NotStartedError(Exception):
    """No task was started; the message is a sentence for the operator.

    ``maybe_started`` is true when the answer got lost and a task may run after all.
    """

    def __init__(self, sentence: str, reason: Reason, *, maybe_started: bool = False) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.maybe_started = maybe_started


class TaskRunner:
    """Starts tasks. Asking again for the same attempt gives the same task, by the client token."""

    def __init__(self, ecs: Any, pace: TokenBucket) -> None:
        """``ecs`` is the client of ECS; ``pace`` is asked before each RunTask."""
        self._ecs = ecs
        self._pace = pace
        self.size = functools.cache(self._size)

    def run(self, request: dict[str, Any], patience_seconds: float) -> str:
        """Return the ARN of the task, after at most ``patience_seconds`` of waiting. Raises NotStartedError."""
        if not self._pace.take(patience_seconds):
            raise NotStartedError("The rate of RunTask leaves no time for it in this batch.", Reason.PACED)
        try:
            answer = self._ecs.run_task(**request)
        except ClientError as error:
            return _task_of_conflict(error)
        except (ReadTimeoutError, ConnectionClosedError) as error:
            sentence = f"RunTask gave no answer ({type(error).__name__})."
            raise NotStartedError(sentence, Reason.UNREACHABLE, maybe_started=True) from error
        except BotoCoreError as error:
            raise NotStartedError(f"RunTask could not be called: {error}", Reason.UNREACHABLE) from error
        if not answer.get("tasks"):
            reasons = sorted({_failure(failure) for failure in answer.get("failures", [])}) or ["no reason given"]
            raise NotStartedError(f"RunTask started nothing: {', '.join(reasons)}.", Reason.CAPACITY)
        return str(answer["tasks"][0]["taskArn"])

    def _size(self, task_definition: str) -> Size | None:
        """Return the size of the whole task; None when the definition has none (it then runs on EC2)."""
        try:
            definition = self._ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        except (BotoCoreError, ClientError) as error:
            raise NotStartedError(f"The size of {task_definition} is unknown: {error}", Reason.UNREACHABLE) from error
        if not definition.get("cpu") or not definition.get("memory"):
            return None
        return Size(int(definition["cpu"]), int(definition["memory"]))


def _failure(failure: dict[str, Any]) -> str:
    return " ".join(str(failure[name]) for name in ("reason", "detail") if failure.get(name)) or "no reason given"


def _task_of_conflict(error: ClientError) -> str:
    """Return the task that has the client token already, or raise NotStartedError for every other error."""
    answer: dict[str, Any] = {**error.response}  # each error has members of its own
    code = str(answer.get("Error", {}).get("Code", ""))
    resources = answer.get("resourceIds", [])
    if code == "ConflictException" and resources:
        # The same attempt was asked for with other parameters, as after a deployment: the first task stands.
        return str(resources[0])
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status >= SERVER_ERROR:
        reason = Reason.UNREACHABLE
    else:
        reason = Reason.THROTTLED if code in TRANSIENT_CODES else Reason.REFUSED
    raise NotStartedError(f"RunTask was refused: {error}", reason) from error
