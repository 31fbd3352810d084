"""What each end of a task means for its job: the values that ECS documents, and that nothing else can happen.

The strings are those of the pages named beside them, as read in November 2026; ``<…>`` in a page stands for something.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import classification
import pytest
from classification import LONGEST_DELAY, NOT_STARTED, UNREACHABLE, Verdict, classify
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stopped_task import TaskFacts, read_task

TASK_PAGE = 'API Reference, "Task": stopCode'
CODES_PAGE = 'User Guide for AWS Fargate, "Stopped tasks error codes"'
STOPPED_PAGE = 'Developer Guide, "Checking stopped tasks for errors"'
PULL_PAGE = 'Developer Guide, "CannotPullContainer task errors"'
MAINTENANCE_PAGE = 'Developer Guide, "Task retirement and maintenance for AWS Fargate on Amazon ECS"'
MEMORY_PAGE = 'Developer Guide, "Troubleshoot Amazon ECS OutOfMemoryError errors"'
SPOT_PAGE = 'Developer Guide, "Fargate capacity providers"'
FAILURES_PAGE = 'Developer Guide, "API failures error messages"'
ENI_PAGE = 'Knowledge Center, "How do I resolve network interface provision errors for Amazon ECS on Fargate?"'
TIMEOUT_PAGE = 'Knowledge Center, "dockertimeouterror unable transition start timeout after wait 3m0s"'
CAPACITY_PAGE = 'Knowledge Center, "Capacity is unavailable at this time" (RunTask on Fargate)'
WHY_PAGE = 'Knowledge Center, "Why is my Amazon ECS task stopped?"'
CONTRACT = "docs/architecture.md, The task"

EXITED = "Essential container in task exited"
OOM = "OutOfMemoryError: Container killed due to memory usage"
SPOT = "Your Spot Task was interrupted."
INTERRUPTED, START, FAILURE, MEMORY, MISSING = "interruption", "start_failure", "failure", "memory", "missing_input"
FAIL, NOTHING = "fail", "nothing"


class End(NamedTuple):
    """One end of a task, what it means, and where the value is documented."""

    stop_code: str
    stopped_reason: str
    exit_code: int | None
    expected: str
    source: str
    container_reason: str = ""
    was_running: bool = True


ENDS = [
    # Exit codes of the contract: they win over every reason, as the worker knows best.
    End("EssentialContainerExited", EXITED, 0, NOTHING, CONTRACT),
    End("UserInitiated", "Task stopped by user", 0, NOTHING, CONTRACT),
    End("SpotInterruption", SPOT, 0, NOTHING, CONTRACT),
    End("EssentialContainerExited", EXITED, 0, NOTHING, CONTRACT, OOM),
    End("EssentialContainerExited", EXITED, 65, FAIL, CONTRACT),
    End("EssentialContainerExited", EXITED, 66, MISSING, CONTRACT),
    End("SpotInterruption", SPOT, 66, MISSING, CONTRACT),
    End("EssentialContainerExited", EXITED, 75, FAILURE, CONTRACT),
    End("EssentialContainerExited", EXITED, 78, START, CONTRACT),
    End("EssentialContainerExited", EXITED, 143, INTERRUPTED, CONTRACT),
    End("SpotInterruption", SPOT, 143, INTERRUPTED, SPOT_PAGE),
    End("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment x)", 143, INTERRUPTED, CONTRACT),
    # Crashes.
    End("EssentialContainerExited", EXITED, 1, FAILURE, WHY_PAGE),
    End("EssentialContainerExited", EXITED, 134, FAILURE, WHY_PAGE),
    End("EssentialContainerExited", EXITED, 137, FAILURE, WHY_PAGE),
    End("EssentialContainerExited", EXITED, 139, FAILURE, WHY_PAGE),
    End("EssentialContainerExited", EXITED, 255, FAILURE, WHY_PAGE),
    End("SpotInterruption", SPOT, 1, FAILURE, WHY_PAGE),
    # No exit code, no reason that explains it: counted, or a job could go round for ever.
    End("EssentialContainerExited", EXITED, None, FAILURE, TASK_PAGE),
    End("", "", None, FAILURE, TASK_PAGE),
    End("EssentialContainerExited", EXITED, None, START, TASK_PAGE, was_running=False),
    End("", "", None, START, TASK_PAGE, was_running=False),
    # Memory.
    End("EssentialContainerExited", EXITED, 137, MEMORY, MEMORY_PAGE, OOM),
    End("", OOM, 137, MEMORY, MEMORY_PAGE),
    End("EssentialContainerExited", EXITED, None, MEMORY, MEMORY_PAGE, OOM),
    End("EssentialContainerExited", EXITED, 1, MEMORY, MEMORY_PAGE, OOM),
    # Stopped from outside.
    End("SpotInterruption", SPOT, 137, INTERRUPTED, SPOT_PAGE),
    End("SpotInterruption", SPOT, None, INTERRUPTED, SPOT_PAGE),
    End("SpotInterruption", SPOT, None, INTERRUPTED, SPOT_PAGE, was_running=False),
    End("", SPOT, 137, INTERRUPTED, SPOT_PAGE),
    End("TerminationNotice", "", 137, INTERRUPTED, TASK_PAGE),
    End("InfrastructureHealth", "", None, INTERRUPTED, TASK_PAGE),
    End("UserInitiated", "Task stopped by user", 137, INTERRUPTED, WHY_PAGE),
    End("UserInitiated", "deploy", None, INTERRUPTED, TASK_PAGE, was_running=False),
    End("", "Host EC2 (instance i-0123456789abcdef0) terminated.", None, INTERRUPTED, STOPPED_PAGE),
    End("", "Host EC2 (instance i-0123456789abcdef0) stopped.", 137, INTERRUPTED, STOPPED_PAGE),
    End("", "Container instance deregistration forced by user", 137, INTERRUPTED, STOPPED_PAGE),
    End("", "Scaling activity initiated by (deployment ecs-svc/123)", 137, INTERRUPTED, STOPPED_PAGE),
    End("", "Task failed ELB health checks in (elb name)", 137, INTERRUPTED, STOPPED_PAGE),
    End("", "Task failed container health checks", 137, INTERRUPTED, WHY_PAGE),
    End(
        "",
        "ECS is performing maintenance on the underlying infrastructure hosting the task",
        137,
        INTERRUPTED,
        MAINTENANCE_PAGE,
    ),
    End(
        "",
        "Amazon ECS is performing maintenance on the underlying infrastructure hosting the task.",
        None,
        INTERRUPTED,
        MAINTENANCE_PAGE,
    ),
    # Never started.
    *(
        End("TaskFailedToStart", reason, None, START, page, was_running=False)
        for reason, page in [
            ("", TASK_PAGE),
            ("Task failed to start", TASK_PAGE),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets",
                CODES_PAGE,
            ),
            ("ResourceInitializationError: failed to initialize logging driver: <reason>", CODES_PAGE),
            ("CannotPullContainerError: API error (500): Get https://111122223333.dkr.ecr.…: net/http", PULL_PAGE),
            ("CannotPullContainerError: API error (404): repository … not found", PULL_PAGE),
            ("CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob1: no space left on device", PULL_PAGE),
            ("CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy", PULL_PAGE),
            ("Timeout waiting for network interface provisioning to complete.", ENI_PAGE),
            ("Network interface provision complete error timeout wait for network interface provision", ENI_PAGE),
        ]
    ),
    # The same without a stop code, or only at the container, as older platform versions and agents report them.
    *(
        End("", reason, None, START, page, container_reason, was_running=True)
        for reason, container_reason, page in [
            ("", "CannotPullContainerError: no such image", PULL_PAGE),
            ("", "CannotStartContainerError: failed to get container status: <reason>", CODES_PAGE),
            ("", "CannotCreateContainerError: API error (500): devmapper", CODES_PAGE),
            ("", "CannotInspectContainerError: <reason>", CODES_PAGE),
            ("", "CannotCreateVolumeError: <reason>", CODES_PAGE),
            (
                "",
                "ContainerRuntimeTimeoutError: Could not transition to running; timed out after 1m",
                CODES_PAGE,
            ),
            ("", "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s.", TIMEOUT_PAGE),
            ("Capacity is unavailable at this time. Please try again later", "", CAPACITY_PAGE),
            ("RESOURCE:ENI", "", FAILURES_PAGE),
            ("AGENT", "", FAILURES_PAGE),
        ]
    ),
    End("EssentialContainerExited", EXITED, 127, START, CODES_PAGE, "CannotStartContainerError: exec format error"),
    # What went wrong at the end says nothing about the start.
    End("", "", None, FAILURE, CODES_PAGE, "CannotStopContainerError: failed sending SIGTERM to container: <reason>"),
    End("", "", None, FAILURE, CODES_PAGE, "ContainerRuntimeTimeoutError: Could not transition to stopped; timed out"),
]


def name(end: End) -> str:
    return "-".join(str(part)[:30] for part in (end.stop_code, end.stopped_reason, end.exit_code, end.container_reason))


@pytest.mark.parametrize("end", ENDS, ids=name)
def test_table(end: End) -> None:
    reasons = (end.stopped_reason, end.container_reason)
    facts = TaskFacts("arn", "STOPPED", "job", 1, end.stop_code, reasons, end.exit_code, end.was_running)
    verdict = classify(facts)
    assert (NOTHING if verdict is None else verdict.reason or FAIL) == end.expected, end.source


def test_every_stop_code_of_the_api_has_a_row() -> None:
    from botocore.loaders import Loader

    model = Loader().load_service_model("ecs", "service-2")
    assert set(model["shapes"]["TaskStopCode"]["enum"]) <= {end.stop_code for end in ENDS}


INTERNALS = re.compile(
    r"\b(ecs|fargate|spot|container|task|docker|ec2|lambda|sqs|supabase|sig[a-z]+|exit|code|\d+)\b", re.IGNORECASE
)


def test_sentences_are_for_users() -> None:
    verdicts = [value for value in vars(classification).values() if isinstance(value, Verdict)]
    assert len(verdicts) >= 10
    for verdict in verdicts:
        assert re.fullmatch(r"[A-Z][^.]*\.", verdict.sentence)
        assert not INTERNALS.search(verdict.sentence)
        assert re.fullmatch("[a-z_]+", verdict.code)


BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
reasons = st.sampled_from([text for end in ENDS for text in (end.stopped_reason, end.container_reason)]) | st.text()


@given(
    stop_code=st.sampled_from([end.stop_code for end in ENDS]) | st.text(),
    reasons=st.lists(reasons, max_size=4).map(tuple),
    exit_code=st.none() | st.integers() | st.integers(0, 255),
    was_running=st.booleans(),
)
@BUSY
def test_every_end_has_exactly_one_meaning(
    stop_code: str, reasons: tuple[str, ...], exit_code: int | None, was_running: bool
) -> None:
    verdict = classify(TaskFacts("arn", "STOPPED", "job", 1, stop_code, reasons, exit_code, was_running))
    assert (verdict is None) == (exit_code == 0)
    if verdict is None:
        return
    assert verdict.reason in {None, FAILURE, INTERRUPTED, START, MISSING, MEMORY}
    assert (verdict.reason is None) == (exit_code == 65), "only the worker may say that a job is hopeless"
    if verdict.reason == INTERRUPTED:
        assert exit_code in {None, 137, 143}, "what is not bounded needs a cause outside the job"


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
        "arn:task-1", "STOPPED", "job", 2, "EssentialContainerExited", (EXITED, "", "why"), 66, was_running=True
    )


def test_memory_of_a_neighbour_explains_the_end_of_the_worker() -> None:
    """A sidecar that is no part of our override (Runtime Monitoring adds one) has the reason, the worker the code."""
    containers = [{"name": "aws-guardduty-agent", "reason": OOM}, {"name": "worker", "exitCode": 137}]
    verdict = classify(read_task(task(containers=containers)))
    assert verdict is not None
    assert verdict.reason == MEMORY


def environment(**variables: object) -> dict[str, Any]:
    override = {"name": "w", "environment": [{"name": name, "value": value} for name, value in variables.items()]}
    return {"overrides": {"containerOverrides": [override]}}


@pytest.mark.parametrize(
    ("changes", "attempt", "exit_code"),
    [
        ({"overrides": None}, None, None),
        ({"overrides": {}}, None, None),
        ({"overrides": ["JOB_ID"]}, None, None),
        ({"overrides": {"containerOverrides": "worker"}}, None, None),
        ({"overrides": {"containerOverrides": [None, {"name": "x", "environment": None}]}}, None, None),
        ({"containers": None}, 2, None),
        ({"containers": []}, 2, None),
        ({"containers": [None, "worker", 7]}, 2, None),
        ({"containers": [{"name": "worker", "exitCode": None}]}, 2, None),
        ({"containers": [{"name": "worker", "exitCode": "137"}]}, 2, None),
        ({"containers": [{"name": "worker", "exitCode": True}]}, 2, None),
        # The end of a neighbour is not the worker's; a container that is alone is, whatever it is called.
        ({"containers": [{"name": "a", "exitCode": 0}, {"name": "b", "exitCode": 0}]}, 2, None),
        ({"containers": [{"name": "renamed", "exitCode": 65}]}, 2, 65),
        *(
            (environment(JOB_ID="job", ATTEMPT=value), None, None)
            for value in ["²", "", "-1", "0", "01", "1.0", "1e2", " 1", "9" * 5000, str(2**31), None, 3, ["1"]]
        ),
        (environment(JOB_ID="job", ATTEMPT=str(2**31 - 1)), 2**31 - 1, None),
    ],
)
def test_incomplete_tasks_are_read_without_guessing(
    changes: dict[str, Any], attempt: int | None, exit_code: int | None
) -> None:
    facts = read_task(task(**changes))
    assert facts.attempt == attempt
    if "containers" in changes:
        assert facts.exit_code == exit_code


@pytest.mark.parametrize("job_id", ["", "../x", "a b", "a\x00", "x'; drop table jobs; --", "é", None, 7, {"a": 1}])
def test_a_job_that_no_message_could_name_is_none(job_id: object) -> None:
    assert read_task(task(**environment(JOB_ID=job_id, ATTEMPT="1"))).job_id is None


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
odd_environment = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["JOB_ID", "ATTEMPT"]) | any_json, "value": st.text() | any_json})
    | any_json,
    max_size=4,
)
odd_overrides = st.fixed_dictionaries({"name": st.just("worker") | any_json, "environment": odd_environment | any_json})
odd_container = st.fixed_dictionaries(
    {}, optional={"name": st.just("worker") | any_json, "exitCode": st.integers() | any_json, "reason": any_json}
)
odd_tasks = st.fixed_dictionaries(
    {"taskArn": st.text() | any_json},
    optional={
        "lastStatus": st.sampled_from(["STOPPED", "RUNNING"]) | any_json,
        "stopCode": any_json,
        "stoppedReason": any_json,
        "startedAt": any_json,
        "containers": st.lists(odd_container | any_json, max_size=3) | any_json,
        "overrides": st.fixed_dictionaries({"containerOverrides": st.lists(odd_overrides | any_json, max_size=3)})
        | any_json,
    },
)


@given(odd_tasks)
@BUSY
def test_every_shape_of_a_task_is_read_and_classified(odd: dict[str, Any]) -> None:
    facts = read_task(odd)
    assert facts.attempt is None or 1 <= facts.attempt < 2**31
    assert facts.job_id is None or re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,127}", facts.job_id)
    classify(facts)


def test_a_task_without_its_arn_is_no_task() -> None:
    with pytest.raises(KeyError, match="taskArn"):
        read_task({"lastStatus": "STOPPED"})
