"""An ECS task as the reconciler sees it: the same shape in a state change event and in DescribeTasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from job_message import JOB_ID, MAX_ATTEMPT

# As the dispatcher writes it; more digits than the column's are no attempt of ours.
_ATTEMPT = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task; ``job_id`` is None when it was not started by the dispatcher.

    ``exit_code`` is the worker's container's; ``reasons`` are what ECS says of the task and then of each container.
    """

    task_arn: str
    last_status: str
    job_id: str | None = None
    attempt: int | None = None
    stop_code: str = ""
    reasons: tuple[str, ...] = ()
    exit_code: int | None = None
    was_running: bool = False

    @property
    def stopped(self) -> bool:
        """Whether the task has ended for good."""
        return self.last_status == "STOPPED"


def read_task(task: dict[str, Any]) -> TaskFacts:
    """Read a task (``detail`` of an event, or an element of DescribeTasks). Raises KeyError without ``taskArn``.

    Whatever else is missing or of another shape is left out: a job that is not named here is found by its lease.
    """
    override = _worker_override(task)
    variables = {str(item.get("name")): item.get("value") for item in _objects(override.get("environment"))}
    containers = _objects(task.get("containers"))
    exit_code = _worker(containers, override.get("name")).get("exitCode")
    return TaskFacts(
        task_arn=str(task["taskArn"]),
        last_status=_text(task.get("lastStatus")),
        job_id=_job_id(variables.get("JOB_ID")),
        attempt=_attempt(variables.get("ATTEMPT")),
        stop_code=_text(task.get("stopCode")),
        reasons=(_text(task.get("stoppedReason")), *(_text(container.get("reason")) for container in containers)),
        exit_code=exit_code if type(exit_code) is int else None,
        was_running=bool(task.get("startedAt")),
    )


def _worker_override(task: dict[str, Any]) -> dict[str, Any]:
    """Return the override that RunTask gave to the worker's container: the one that names the job."""
    overrides = task.get("overrides")
    for override in _objects(overrides.get("containerOverrides") if isinstance(overrides, dict) else None):
        if any(item.get("name") == "JOB_ID" for item in _objects(override.get("environment"))):
            return override
    return {}


def _worker(containers: list[dict[str, Any]], name: object) -> dict[str, Any]:
    """Return the worker's container, the only one when none has its name; of several strangers none is taken for it."""
    named = [container for container in containers if container.get("name") == name]
    candidates = named or (containers if len(containers) == 1 else [])
    return candidates[0] if candidates else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _job_id(value: object) -> str | None:
    return value if isinstance(value, str) and JOB_ID.fullmatch(value) else None


def _attempt(value: object) -> int | None:
    if not isinstance(value, str) or not _ATTEMPT.fullmatch(value):
        return None
    number = int(value)
    return number if number <= MAX_ATTEMPT else None
