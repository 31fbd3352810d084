"""What each end of a task means for its job."""

from __future__ import annotations

from typing import Any

import pytest
from classification import LONGEST_DELAY, NOT_STARTED, UNREACHABLE, Verdict, classify
from stopped_task import TaskFacts, read_task

OOM = "OutOfMemoryError: Container killed due to memory usage"
SPOT = "Your Spot Task was interrupted."
EXITED = "Essential container in task exited"


@pytest.mark.parametrize(
    ("stop_code", "stopped_reason", "exit_code", "container_reason", "was_running", "expected"),
    [
        ("EssentialContainerExited", EXITED, 0, "", True, None),
        ("UserInitiated", "stopped by hand", 0, "", True, None),
        ("EssentialContainerExited", EXITED, 65, "", True, "fail"),
        ("EssentialContainerExited", EXITED, 66, "", True, "missing_input"),
        ("EssentialContainerExited", EXITED, 75, "", True, "failure"),
        ("EssentialContainerExited", EXITED, 78, "", True, "start_failure"),
        ("EssentialContainerExited", EXITED, 137, OOM, True, "memory"),
        ("", OOM, 137, "", True, "memory"),
        ("EssentialContainerExited", EXITED, 137, "", True, "failure"),
        ("EssentialContainerExited", EXITED, 139, "", True, "failure"),
        ("EssentialContainerExited", EXITED, 134, "", True, "failure"),
        ("EssentialContainerExited", EXITED, 1, "", True, "failure"),
        ("EssentialContainerExited", EXITED, 143, "", True, "interruption"),
        ("SpotInterruption", SPOT, 143, "", True, "interruption"),
        ("SpotInterruption", SPOT, 137, "", True, "interruption"),
        ("SpotInterruption", SPOT, None, "", True, "interruption"),
        ("SpotInterruption", SPOT, 66, "", True, "missing_input"),
        ("SpotInterruption", SPOT, 1, "", True, "failure"),
        ("TerminationNotice", "", 137, "", True, "interruption"),
        ("InfrastructureHealth", "", None, "", True, "interruption"),
        ("ServiceSchedulerInitiated", "", 143, "", True, "interruption"),
        ("UserInitiated", "deploy", 137, "", True, "interruption"),
        ("TaskFailedToStart", "CannotPullContainerError: pull image manifest", None, "", False, "start_failure"),
        ("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", None, "", False, "start_failure"),
        ("TaskFailedToStart", "Timeout waiting for network interface provisioning", None, "", False, "start_failure"),
        ("", "Capacity is unavailable at this time. Please try again later", None, "", True, "start_failure"),
        ("", "", None, "CannotPullContainerError: no such image", True, "start_failure"),
        ("EssentialContainerExited", EXITED, None, "", False, "start_failure"),
        ("", "Host EC2 (instance i-1) terminated.", None, "", True, "interruption"),
    ],
)
def test_table(  # noqa: PLR0917 the columns of the table
    stop_code: str,
    stopped_reason: str,
    exit_code: int | None,
    container_reason: str,
    was_running: bool,
    expected: str | None,
) -> None:
    verdict = classify(
        TaskFacts("arn", "STOPPED", "job", 1, stop_code, stopped_reason, exit_code, container_reason, was_running)
    )
    assert (verdict and (verdict.reason or "fail")) == expected
    if verdict is not None:
        assert verdict.code
        assert verdict.sentence.endswith(".")


@pytest.mark.parametrize(
    ("verdict", "earlier", "seconds"),
    [
        (UNREACHABLE, 0, 30),
        (UNREACHABLE, 1, 60),
        (UNREACHABLE, 3, 240),
        (NOT_STARTED, 9, LONGEST_DELAY),
        (Verdict("interruption", "x", "X."), 99, 0),
        (Verdict("missing_input", "x", "X.", 60), 3, 60),
    ],
)
def test_delay(verdict: Verdict, earlier: int, seconds: int) -> None:
    assert verdict.delay(earlier) == seconds


def task(**changes: Any) -> dict[str, Any]:
    return {
        "taskArn": "arn:task-1",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": EXITED,
        "startedAt": "2026-11-01T00:00:00Z",
        "containers": [{"name": "sidecar", "exitCode": 1}, {"name": "worker", "exitCode": 66, "reason": "why"}],
        "overrides": {
            "containerOverrides": [
                {"name": "sidecar"},
                {
                    "name": "worker",
                    "environment": [{"name": "JOB_ID", "value": "job"}, {"name": "ATTEMPT", "value": "2"}],
                },
            ]
        },
    } | changes


def test_a_task_is_read_by_its_worker_container() -> None:
    assert read_task(task()) == TaskFacts(
        "arn:task-1", "STOPPED", "job", 2, "EssentialContainerExited", EXITED, 66, "why", was_running=True
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"overrides": None},
        {"overrides": {}},
        {"overrides": {"containerOverrides": [{"name": "x", "environment": None}]}},
        {"containers": None},
        {"containers": []},
        {"containers": [{"name": "worker", "exitCode": None}]},
        {
            "overrides": {
                "containerOverrides": [
                    {"name": "w", "environment": [{"name": "JOB_ID", "value": "j"}, {"name": "ATTEMPT", "value": "²"}]}
                ]
            }
        },
    ],
)
def test_incomplete_tasks_are_read_without_guessing(changes: dict[str, Any]) -> None:
    facts = read_task(task(**changes))
    if "overrides" in changes:
        assert facts.attempt is None
    else:
        assert facts.exit_code is None
