"""What the emulator does beyond ministack: with ministack itself where names matter, without it elsewhere."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from tamma_local.emulator import alarms, compressed, events, groups, lifecycle, starting
from tamma_local.emulator.contract import ContractError
from tamma_local.layout import REPOSITORY, cloud_python

ARN = "arn:aws:ecs:us-east-1:000000000000:task/c/1234"


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "PATH": "/usr/bin:/bin", "GATEWAY_PORT": "1"}
    return subprocess.run([cloud_python(), "-c", code], env=environment, text=True, capture_output=True, check=False)


def test_installed_ministack_is_the_one_that_was_wrapped() -> None:
    done = python("from tamma_local.emulator.contract import problems; print(problems())")
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(("change", "words"), [
    ("del ecs._mark_task_running", "ministack.services.ecs._mark_task_running is missing"),
    ("ecs._stop_task = lambda request: 0", "ministack.services.ecs._stop_task takes other parameters"),
    ("del ecs._ACTION_MAP", "ministack.services.ecs._ACTION_MAP is missing"),
    ("contract.PINNED_VERSION = '9'", "its version is 1.5.33, not 9"),
])  # fmt: skip
def test_another_ministack_stops_the_start_with_one_sentence(change: str, words: str) -> None:
    done = python(
        "from ministack.services import ecs\n"
        "from tamma_local.emulator import contract\n"
        "from tamma_local.emulator.__main__ import main\n"
        f"{change}\nmain()"
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr


class Ecs(SimpleNamespace):
    """The names of ministack's ECS that the wrappers use, in memory."""

    def __init__(self) -> None:
        super().__init__(
            _clusters={"c": {"status": "ACTIVE", "clusterArn": "arn:c"}},
            _tasks={},
            _task_defs={"f:1": {"family": "f", "containerDefinitions": [{"stopTimeout": 7}, {}]}},
            _resolve_cluster_name=lambda ref: ref or "default",
            _resolve_td_key=lambda ref: f"{ref}:1",
            _sanitize=lambda obj: {key: value for key, value in obj.items() if not key.startswith("_")},
        )


def ministack(ecs: Any = None) -> Any:
    sent: list[dict[str, Any]] = []
    return SimpleNamespace(
        ecs=ecs or Ecs(),
        sent=sent,
        eventbridge=SimpleNamespace(_dispatch_event=sent.append),
        sts=SimpleNamespace(_sessions={}, register_session=lambda _key, _session: None),
        ssm=SimpleNamespace(resolve_parameter_value=lambda name, decrypt: f"clear {name} {decrypt}"),
        responses=SimpleNamespace(
            now_iso=lambda: "now",
            new_uuid=lambda: "uuid",
            request_scope=lambda _account, _region: nullcontext(),
            json_response=lambda data: (200, {}, json.dumps(data).encode()),
            error_response_json=lambda kind, text, status: (status, {}, json.dumps([kind, text]).encode()),
        ),
    )


def test_event_leaves_out_what_is_empty_internal_or_not_in_events() -> None:
    task = {
        "taskArn": ARN, "_docker_ids": ["x"], "stopCode": "", "startedAt": None, "tags": [{"key": "k"}],
        "healthStatus": "UNKNOWN", "lastStatus": "RUNNING", "version": 3,
        "containers": [{"name": "w", "exitCode": 0, "healthStatus": "UNKNOWN", "reason": None}],
    }  # fmt: skip
    stack = ministack()
    events.send(stack, task)
    [event] = stack.sent
    assert (event["Source"], event["DetailType"], event["Resources"]) == ("aws.ecs", "ECS Task State Change", [ARN])
    assert (event["Account"], event["Region"]) == ("000000000000", "us-east-1")
    assert json.loads(event["Detail"]) == {
        "taskArn": ARN, "lastStatus": "RUNNING", "version": 3, "updatedAt": "now",
        "containers": [{"name": "w", "exitCode": 0}],
    }  # fmt: skip


def test_transition_that_did_not_happen_sends_nothing() -> None:
    stack = ministack()
    assert events.announcing(stack, lambda _arn, _task: False)(ARN, {}) is False
    assert stack.sent == []


def run_task(stack: Any) -> Any:
    def original(data: dict[str, Any]) -> lifecycle.Response:
        arn = f"{ARN}{len(stack.ecs._tasks)}"
        stack.ecs._tasks[arn] = {"taskArn": arn, "clusterArn": "arn:c", "group": data.get("group")}
        return 200, {}, json.dumps({"tasks": [{"taskArn": arn}], "failures": []}).encode()

    return lifecycle.running(stack, original)


def test_client_token_counts_in_its_cluster_alone() -> None:
    stack = ministack()
    stack.ecs._clusters["d"] = {"status": "ACTIVE", "clusterArn": "arn:d"}
    run = run_task(stack)
    for cluster, total in (("c", 1), ("c", 1), ("d", 2)):
        run({"cluster": cluster, "taskDefinition": "f", "clientToken": "t"})
        assert len(stack.ecs._tasks) == total


@pytest.mark.parametrize("cluster", ["nowhere", "gone"])
def test_cluster_that_is_not_active_is_refused(cluster: str) -> None:
    stack = ministack()
    stack.ecs._clusters["gone"] = {"status": "INACTIVE", "clusterArn": "arn:gone"}
    status, _headers, body = run_task(stack)({"cluster": cluster, "taskDefinition": "f"})
    assert (status, json.loads(body)[0]) == (400, "ClusterNotFoundException")
    assert stack.ecs._tasks == {}


def test_group_is_the_family_unless_given() -> None:
    stack = ministack()
    run = run_task(stack)
    run({"cluster": "c", "taskDefinition": "f"})
    run({"cluster": "c", "taskDefinition": "f", "group": "mine"})
    assert [task["group"] for task in stack.ecs._tasks.values()] == ["family:f", "mine"]


def test_longest_stop_timeout_counts_and_a_container_without_has_thirty_seconds() -> None:
    task = {"taskArn": ARN, "taskDefinitionArn": "arn:aws:ecs:us-east-1:0:task-definition/f:1"}
    assert lifecycle._stop_seconds(ministack(), task) == 30


@pytest.mark.parametrize(("task", "code", "wanted"), [
    ({"_docker_ids": ["1"]}, "EssentialContainerExited", ("exited", "EssentialContainerExited", 9)),
    ({"_docker_ids": ["1"], "_stop_reason": "bye"}, "EssentialContainerExited", ("bye", "UserInitiated", 9)),
    ({"_stop_reason": "bye"}, "TaskFailedToStart", ("exited", "TaskFailedToStart", 9)),
    ({}, "UserInitiated", ("exited", "UserInitiated", None)),
])  # fmt: skip
def test_reason_of_a_stop(task: dict[str, Any], code: str, wanted: tuple[str, str, int | None]) -> None:
    stack = ministack()
    stack.ecs._get_docker = lambda: SimpleNamespace(containers={})
    stack.sts._sessions[starting.access_key_of(ARN)] = {}
    seen: list[tuple[str, str, int | None]] = []

    def original(_arn: str, _task: Any, reason: str, stop_code: str, exit_code: int | None) -> bool:
        seen.append((reason, stop_code, exit_code))
        return True

    assert lifecycle.stopped(stack, original)(ARN, task, "exited", code, 9)
    assert seen == [wanted]
    assert stack.sts._sessions == {}


def test_only_encrypted_parameters_are_decrypted() -> None:
    values = {"A": "ENCRYPTED:eA==", "B": "plain", "C": "ENCRYPTED:eA=="}
    secrets = [
        {"name": "A", "valueFrom": "/a"}, {"name": "B", "valueFrom": "/b"},
        {"name": "C", "valueFrom": "arn:aws:secretsmanager:us-east-1:0:secret:c"},
    ]  # fmt: skip
    wrapped = starting.decrypted_secrets(ministack(), lambda _cdef: dict(values))
    assert wrapped({"secrets": secrets}) == {"A": "clear /a True", "B": "plain", "C": "ENCRYPTED:eA=="}


def test_task_without_a_role_gets_no_credentials() -> None:
    def original(*arguments: Any) -> str:
        arguments[5]["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://host.docker.internal/v2"
        assert arguments[6] is True
        return "token"

    env: dict[str, str] = {}
    wrapped = starting.environment(ministack(), original)
    assert wrapped(ARN, "arn:c", {}, {}, "FARGATE", env, False, None) == "token"
    assert env == {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
    wrapped(ARN, "arn:c", {"taskRoleArn": "arn:aws:iam::0:role/r"}, {}, "FARGATE", env, False, None)
    assert env["AWS_ACCESS_KEY_ID"] == starting.access_key_of(ARN)
    assert {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= set(env)


@pytest.mark.parametrize(("image", "local"), [
    ("000000000000.dkr.ecr.us-east-1.amazonaws.com/a/b:1", "127.0.0.1:4566/a/b:1"),
    ("000000000000.dkr.ecr.us-east-1.amazonaws.com/a@sha256:ab", "127.0.0.1:4566/a@sha256:ab"),
    ("debian:trixie", None),
    ("evil.example/000000000000.dkr.ecr.us-east-1.amazonaws.com/a:1", None),
])  # fmt: skip
def test_images_of_ecr_are_served_by_the_emulator(image: str, local: str | None) -> None:
    assert starting.registry_image(image, "4566") == local


def test_container_definition_is_passed_on_and_the_platform_dropped_for_processes() -> None:
    def original(*_arguments: Any) -> dict[str, Any]:
        return {"ports": {}, "platform": "linux/arm64", "labels": {"theirs": "kept"}}

    cdef = {"entryPoint": ["e"], "workingDirectory": "/w", "user": "u"}
    labels = {"theirs": "kept", "tamma.state": "/state"}
    wanted = {"entrypoint": ["e"], "working_dir": "/w", "user": "u", "labels": labels}
    arguments = (cdef, {}, {}, {}, None, False, "id", ARN, None, "arn:c")
    assert starting.run_arguments(original, processes=True, state="/state")(*arguments) == wanted
    contained = starting.run_arguments(original, processes=False, state="/state")(*arguments)
    assert contained == wanted | {"platform": "linux/arm64"}


class CloudWatch:
    """DescribeAlarms as ministack has it: complete in JSON, half in XML."""

    ALARM: ClassVar = {
        "AlarmName": "a", "Period": 60, "ActionsEnabled": True, "ExtendedStatistic": None, "Threshold": 0.0,
        "AlarmDescription": "more < than & less", "StateUpdatedTimestamp": 1795639393,
        "Dimensions": [{"Name": "QueueName", "Value": "q"}], "AlarmActions": [],
    }  # fmt: skip

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def describe(self, params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if not is_json:
            return 400 if params.get("MaxRecords") == ["0"] else 200, {}, b"in XML or CBOR"
        self.asked.append(data)
        status = 400 if data.get("MaxRecords") == "0" else 200
        return status, {}, json.dumps({"MetricAlarms": [self.ALARM], "CompositeAlarms": []}).encode()

    def _p(self, params: Any, key: str) -> str:
        return str(params.get(key, [""])[0])

    def _xml(self, status: int, root: str, inner: str) -> Any:
        return status, {}, f"<{root}>{inner}</{root}>".encode()


def test_alarms_are_described_completely_in_xml_too() -> None:
    cloudwatch = CloudWatch()
    ministack: Any = SimpleNamespace(cloudwatch=cloudwatch)
    describe = alarms.describe(ministack, cloudwatch.describe)
    query = {"Action": ["DescribeAlarms"], "AlarmNames.member.1": ["a"], "AlarmNames.member.2": ["b"]}
    status, _, body = describe(query, {}, False, False)
    assert cloudwatch.asked == [{"AlarmNames": ["a", "b"], "AlarmTypes": []}]
    assert status == 200
    assert body.decode() == (
        "<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms><member><AlarmName>a</AlarmName>"
        "<Period>60</Period><ActionsEnabled>true</ActionsEnabled><Threshold>0.0</Threshold>"
        "<AlarmDescription>more &lt; than &amp; less</AlarmDescription>"
        "<StateUpdatedTimestamp>2026-11-25T20:43:13Z</StateUpdatedTimestamp>"
        "<Dimensions><member><Name>QueueName</Name><Value>q</Value></member></Dimensions><AlarmActions></AlarmActions>"
        "</member></MetricAlarms><CompositeAlarms></CompositeAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>"
    )


@pytest.mark.parametrize(("query", "is_cbor"), [({}, True), ({"MaxRecords": ["0"]}, False)])
def test_other_protocols_and_refusals_stay_as_they_are(query: dict[str, list[str]], is_cbor: bool) -> None:
    cloudwatch = CloudWatch()
    ministack: Any = SimpleNamespace(cloudwatch=cloudwatch)
    describe = alarms.describe(ministack, cloudwatch.describe)
    assert describe(query, {}, is_cbor, False)[2] == b"in XML or CBOR"


def test_time_factor_shortens_the_timers_of_the_emulator_alone() -> None:
    hidden: list[float] = []
    ministack: Any = SimpleNamespace(
        sqs=SimpleNamespace(_DEDUP_WINDOW_S=300, _collect_msgs=lambda _queue, _most, timeout: hidden.append(timeout)),
        eventbridge=SimpleNamespace(
            _SCHEDULER_TICK_INTERVAL=10, _parse_rate_seconds={"rate(1 minute)": 60, "cron(0 0 * * ? *)": None}.get
        ),
        functions=SimpleNamespace(_ESM_BACKOFF_SECONDS=1.0),
    )
    compressed.install(ministack, 0.1)
    ministack.sqs._collect_msgs({}, 10, 360)
    assert (ministack.sqs._DEDUP_WINDOW_S, hidden) == (30, [36])
    assert ministack.eventbridge._parse_rate_seconds("rate(1 minute)") == 6
    assert ministack.eventbridge._parse_rate_seconds("cron(0 0 * * ? *)") is None
    assert (ministack.eventbridge._SCHEDULER_TICK_INTERVAL, ministack.functions._ESM_BACKOFF_SECONDS) == (1, 0.1)


@pytest.mark.parametrize("value", ["0", "1.5", "nan", "fast"])
def test_senseless_time_factor_stops_the_start_with_one_sentence(value: str) -> None:
    with pytest.raises(ContractError, match=r"TAMMA_TIME_SCALE is .*above 0 and at most 1"):
        compressed.read({"TAMMA_TIME_SCALE": value})


@pytest.mark.parametrize(
    ("environment", "factor"), [({}, 1), ({"TAMMA_TIME_SCALE": ""}, 1), ({"TAMMA_TIME_SCALE": "0.1"}, 0.1)]
)
def test_time_factor_is_one_unless_it_is_set(environment: dict[str, str], factor: float) -> None:
    assert compressed.read(environment) == factor


def test_a_group_gets_another_template_and_is_known_by_both_its_names() -> None:
    group: dict[str, Any] = {"LaunchTemplate": {}, "NewInstancesProtectedFromScaleIn": False}
    ministack: Any = SimpleNamespace(
        autoscaling=SimpleNamespace(_asgs={"g": group}, _p=lambda params, key: params.get(key, "")),
        ec2=SimpleNamespace(_launch_templates={"lt-1": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "t"}}),
    )
    wrapped = groups.settled(ministack, lambda params: params["AutoScalingGroupName"])
    answer = wrapped({"AutoScalingGroupName": "g", "LaunchTemplate.LaunchTemplateName": "t"})
    assert answer == "g"
    assert group["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "t", "Version": "$Default"}
    wrapped({"AutoScalingGroupName": "g", "NewInstancesProtectedFromScaleIn": "true"})
    assert group["LaunchTemplate"]["Version"] == "$Default"
    assert group["NewInstancesProtectedFromScaleIn"]
