"""Normal form of container definitions, and what is refused in words."""

from __future__ import annotations

import random
from typing import Any

import botocore.session
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma.containers import normal, refuse_duplicates, refuse_fargate_size  # isort: skip
from ansible.module_utils.tamma.errors import RefusalError  # isort: skip

_OPERATION: Any = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
SHAPE = _OPERATION.input_shape.members["containerDefinitions"]

NAMES = st.text(alphabet="ABCDEFG_", min_size=1, max_size=5)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.just("worker"), "image": st.text(min_size=1, max_size=5)},
    optional={
        "cpu": st.integers(0, 4096),
        "essential": st.booleans(),
        "environment": st.lists(
            st.fixed_dictionaries({"name": NAMES, "value": st.text(max_size=5)}),
            unique_by=lambda entry: entry["name"],
            max_size=4,
        ),
        "portMappings": st.lists(
            st.fixed_dictionaries({"containerPort": st.integers(1, 65535)}, optional={"protocol": st.just("udp")}),
            unique_by=lambda entry: entry["containerPort"],
            max_size=3,
        ),
        "command": st.lists(st.text(max_size=3), max_size=3),
        "healthCheck": st.fixed_dictionaries({"command": st.just(["CMD", "true"])}),
    },
)


def _normal(container: dict[str, Any], mode: str | None = "awsvpc") -> dict[str, Any]:
    return dict(normal([container], SHAPE, mode)[0])


@given(CONTAINERS)
@settings(max_examples=60, deadline=None)
def test_normal_form_is_stable(container: dict[str, Any]) -> None:
    once = _normal(container)
    assert _normal(once) == once


@given(CONTAINERS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_unordered_lists_means_nothing(container: dict[str, Any], chance: random.Random) -> None:
    shuffled = {
        key: chance.sample(value, len(value)) if key in ("environment", "portMappings") else value
        for key, value in container.items()
    }
    assert _normal(shuffled) == _normal(container)


def test_order_of_a_command_counts() -> None:
    first, second = ({"name": "a", "image": "b", "command": command} for command in (["x", "y"], ["y", "x"]))
    assert _normal(first) != _normal(second)


def test_what_aws_fills_in_is_no_difference() -> None:
    asked = {"name": "worker", "image": "i", "portMappings": [{"containerPort": 80}], "mountPoints": None}
    answered = {
        "name": "worker",
        "image": "i",
        "cpu": 0,
        "essential": True,
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        "linuxParameters": {"capabilities": {"add": [], "drop": []}},
    }
    assert _normal(asked) == _normal(answered)


def test_an_empty_variable_is_kept() -> None:
    container = {"name": "a", "image": "b", "environment": [{"name": "X", "value": ""}]}
    assert _normal(container)["environment"] == [{"name": "X", "value": ""}]


def test_a_port_behind_a_bridge_is_left_to_the_host() -> None:
    container = {"name": "a", "image": "b", "portMappings": [{"containerPort": 80}]}
    assert _normal(container, "bridge")["portMappings"][0]["hostPort"] == 0


def test_text_and_numbers_get_the_types_of_the_api() -> None:
    container = {
        "name": "a",
        "image": "b",
        "memory": "512",
        "essential": "no",
        "environment": [{"name": "N", "value": 5}, {"name": "T", "value": True}],
    }
    found = _normal(container)
    assert found["memory"] == 512
    assert found["essential"] is False
    assert [entry["value"] for entry in found["environment"]] == ["5", "true"]


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"enviroment": []}, "container_definitions[0] has no member enviroment"),
        ({"environment": {"A": "b"}}, "container_definitions[0].environment must be a list"),
        ({"cpu": "many"}, "container_definitions[0].cpu is many; write a number"),
        ({"essential": "perhaps"}, "write true or false"),
        ({"image": ["a"]}, "must be a single value"),
        ({"environment": ["A=b"]}, "container_definitions[0].environment[0] must be a dictionary"),
    ],
)
def test_what_the_api_does_not_know_is_refused_with_its_place(container: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        _normal(container)
    assert words in str(refusal.value)


def test_a_secret_may_not_have_the_name_of_a_variable() -> None:
    both = {"environment": [{"name": "KEY", "value": "x"}], "secrets": [{"name": "KEY", "valueFrom": "/k"}]}
    with pytest.raises(RefusalError, match="sets KEY twice"):
        refuse_duplicates([{"name": "a", "image": "b", **both}])


# Rows of "Fargate task sizes" in the ECS developer guide: CPU units, and the memory values in MiB.
TABLE = {
    "256": [512, 1024, 2048],
    "512": [1024, 2048, 3072, 4096],
    "1024": [2048, 3072, 4096, 5120, 6144, 7168, 8192],
    "2048": list(range(4096, 16385, 1024)),
    "4096": list(range(8192, 30721, 1024)),
    "8192": list(range(16384, 61441, 4096)),
    "16384": list(range(32768, 122881, 8192)),
}


@pytest.mark.parametrize("cpu", TABLE)
def test_fargate_sizes_are_those_of_the_table(cpu: str) -> None:
    accepted = []
    for memory in range(512, 131073, 512):
        try:
            refuse_fargate_size(cpu, str(memory))
        except RefusalError:
            continue
        accepted.append(memory)
    assert accepted == TABLE[cpu]
