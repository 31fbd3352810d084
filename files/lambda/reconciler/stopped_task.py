"""An ECS task as the reconciler sees it: the same shape in a state change event and in DescribeTasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task; ``job_id`` is None when it was not started by the dispatcher."""

    task_arn: str
    last_status: str
    job_id: str | None = None
    attempt: int | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    was_running: bool = False

    @property
    def stopped(self) -> bool:
        """Whether the task has ended for good."""
        return self.last_status == "STOPPED"


def read_task(task: dict[str, Any]) -> TaskFacts:
    """Read a task (``detail`` of an event, or an element of DescribeTasks). Raises KeyError without ``taskArn``."""
    override = _worker_override(task)
    variables = {str(item.get("name")): str(item.get("value")) for item in override.get("environment") or []}
    container = _container(task, str(override.get("name")))
    attempt = variables.get("ATTEMPT", "")
    exit_code = container.get("exitCode")
    return TaskFacts(
        task_arn=str(task["taskArn"]),
        last_status=str(task.get("lastStatus") or ""),
        job_id=variables.get("JOB_ID"),
        attempt=int(attempt) if attempt.isascii() and attempt.isdigit() else None,
        stop_code=str(task.get("stopCode") or ""),
        stopped_reason=str(task.get("stoppedReason") or ""),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        container_reason=str(container.get("reason") or ""),
        was_running=bool(task.get("startedAt")),
    )


def _worker_override(task: dict[str, Any]) -> dict[str, Any]:
    """Return the override that RunTask gave to the worker's container: the one that names the job."""
    overrides: list[dict[str, Any]] = (task.get("overrides") or {}).get("containerOverrides") or []
    for override in overrides:
        if any(item.get("name") == "JOB_ID" for item in override.get("environment") or []):
            return override
    return {}


def _container(task: dict[str, Any], name: str) -> dict[str, Any]:
    containers: list[dict[str, Any]] = task.get("containers") or []
    return next(
        (container for container in containers if container.get("name") == name), containers[0] if containers else {}
    )
