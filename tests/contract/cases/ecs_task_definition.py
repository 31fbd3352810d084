"""The contract of library/ecs_task_definition.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-audio-clean"
WORKER: dict[str, Any] = {
    "name": "worker",
    "image": "registry.test/worker:1",
    "environment": [{"name": "RAW_BUCKET", "value": "tamma-dev-raw"}, {"name": "LOG_LEVEL", "value": "INFO"}],
    "secrets": [{"name": "SUPABASE_URL", "valueFrom": "/tamma/dev/supabase_url"}],
    "portMappings": [{"containerPort": "8080"}],
    "stopTimeout": "120",
    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/tamma-dev-audio-clean"}},
}


def _role(aws: Aws, name: str) -> None:
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')


def _parents(aws: Aws) -> None:
    for name in ("execution", "task"):
        _role(aws, name)


def _register(aws: Aws, **other: Any) -> None:
    """Register a revision by hand that differs in one member."""
    ecs = aws.client("ecs")
    answer = ecs.describe_task_definition(taskDefinition=NAME, include=["TAGS"])
    members = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    latest = {key: value for key, value in answer["taskDefinition"].items() if key in members and value not in ("", [])}
    ecs.register_task_definition(**{**latest, "tags": answer["tags"], **other})


def _container(aws: Aws, **other: Any) -> None:
    latest = aws.client("ecs").describe_task_definition(taskDefinition=NAME)["taskDefinition"]
    _register(aws, containerDefinitions=[{**latest["containerDefinitions"][0], **other}])


def _tag(aws: Aws) -> None:
    ecs = aws.client("ecs")
    arn = ecs.describe_task_definition(taskDefinition=NAME)["taskDefinition"]["taskDefinitionArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "Owner", "value": "somebody"}])


def _arn(name: str) -> str:
    return f"arn:aws:iam::000000000000:role/{name}"


CASE = Case(
    module="ecs_task_definition",
    present={
        "name": NAME,
        "container_definitions": [WORKER],
        "cpu": 1024,
        "memory": "4096",
        "network_mode": "awsvpc",
        "requires_compatibilities": ["FARGATE"],
        "execution_role_arn": _arn("execution"),
        "task_role_arn": _arn("task"),
        "ephemeral_storage_gib": 30,
        "runtime_platform": {"cpu_architecture": "X86_64", "operating_system_family": "LINUX"},
        "volumes": [{"name": "scratch"}],
        "other_settings": {},
        "tags": {"Project": "tamma"},
    },
    changed={
        "container_definitions": [{**WORKER, "image": "registry.test/worker:2"}],
        "cpu": 2048,
        "memory": 8192,
        "requires_compatibilities": ["EC2", "FARGATE"],
        "execution_role_arn": _arn("task"),
        "task_role_arn": _arn("execution"),
        "ephemeral_storage_gib": 40,
        "runtime_platform": {"cpu_architecture": "ARM64"},
        "volumes": [{"name": "scratch"}, {"name": "models"}],
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("other_settings", lambda aws: _register(aws, pidMode="task"), "sees other processes"),
        Drift("container_definitions", lambda aws: _container(aws, image="registry.test/worker:evil"), "image"),
        Drift("container_definitions", lambda aws: _container(aws, secrets=[]), "secrets removed"),
        Drift(
            "container_definitions",
            lambda aws: _container(aws, environment=[{"name": "LOG_LEVEL", "value": "DEBUG"}]),
            "environment",
        ),
        Drift("cpu", lambda aws: _register(aws, cpu="512")),
        Drift("memory", lambda aws: _register(aws, memory="2048")),
        Drift(
            "network_mode",
            lambda aws: _register(aws, networkMode="host"),
            why_not={"moto": "moto 5.2.5 turns every mode of a Fargate definition into awsvpc"},
        ),
        Drift("task_role_arn", lambda aws: _register(aws, taskRoleArn=_arn("execution"))),
        Drift("ephemeral_storage_gib", lambda aws: _register(aws, ephemeralStorage={"sizeInGiB": 100})),
        Drift("volumes", lambda aws: _register(aws, volumes=[])),
        Drift("tags", _tag),
    ],
    refused=[
        Refusal({"cpu": 1000}, "no size of 1000", "cpu"),
        Refusal({"memory": "1 GB"}, "whole number of MiB", "memory in words"),
        Refusal({"memory": 1024}, "2048 to 8192", "memory too small"),
        Refusal({"cpu": 256, "memory": 1536}, "no 1536 MiB", "the missing size"),
        Refusal({"network_mode": "bridge"}, "awsvpc"),
        Refusal({"ephemeral_storage_gib": 20}, "21 to 200"),
        Refusal({"container_definitions": [WORKER, WORKER]}, "two containers are called worker", "container twice"),
        Refusal({"container_definitions": [{"name": "worker"}]}, "has no image", "no image"),
        Refusal({"container_definitions": [{**WORKER, "enviroment": []}]}, "has no member enviroment", "misspelt"),
        Refusal({"container_definitions": [{**WORKER, "cpu": "x"}]}, "write a number", "no number"),
        Refusal(
            {"container_definitions": [{**WORKER, "environment": [{"name": "SUPABASE_URL", "value": "x"}]}]},
            "sets SUPABASE_URL twice",
            "variable twice",
        ),
    ],
    parents=_parents,
)
