"""Teardown is the deployment read backwards: the same resources, in the opposite order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.roles.roles_tree import LAYERS, ROOT, Managed, environment, managed, read, role_file, templates

# What services make by themselves, and no role.
_MADE_BY_SERVICES = {
    ("ec2_stray_interfaces", "tamma-dev-vpc"),
    ("cloudwatch_log_group", "/aws/ecs/containerinsights/tamma-dev-cluster/performance"),
}


def _teardown() -> list[str]:
    (play,) = read(ROOT / "playbooks/teardown.yml")
    for entry in play["roles"]:
        assert entry["tags"] == [entry["role"]], "The tag of a role is its name."
    return [entry["role"] for entry in play["roles"]]


def _waves() -> list[list[list[str]]]:
    """Return the lanes of each play of site.yml, each with the layers that it converges one after the other."""
    return [list(play["vars"]["layers"].values()) for play in _plays()]


def _plays() -> list[dict[str, Any]]:
    """Return the plays of site.yml that converge layers; what comes before them makes nothing."""
    return [play for play in read(ROOT / "site.yml") if "layers" in play.get("vars", {})]


def _must_precede(waves: list[list[list[str]]]) -> set[tuple[str, str]]:
    """Return the pairs of layers of which the first is surely converged before the second."""
    flat = [list(itertools.chain(*lanes)) for lanes in waves]
    between = {pair for first, second in itertools.pairwise(flat) for pair in itertools.product(first, second)}
    return between | {pair for lanes in waves for lane in lanes for pair in itertools.combinations(lane, 2)}


def test_roles_in_the_opposite_order() -> None:
    place = {role: index for index, role in enumerate(_teardown())}
    wrong = [(before, after) for before, after in _must_precede(_waves()) if place[before] < place[after]]
    assert not wrong, "What is converged later goes first."


def test_every_layer_is_converged_once_and_torn_down_once() -> None:
    assert sorted(itertools.chain(*itertools.chain(*_waves()))) == sorted(LAYERS)
    assert sorted(_teardown()) == sorted(LAYERS)


def test_every_lane_is_in_every_inventory() -> None:
    for play in _plays():
        assert play["hosts"] == "lanes"
        for inventory in sorted((ROOT / "inventories").glob("*/hosts.yml")):
            assert set(read(inventory)["all"]["children"]["lanes"]["hosts"]) == set(play["vars"]["layers"]), inventory


def test_teardown_makes_every_layer_absent() -> None:
    (play,) = read(ROOT / "playbooks/teardown.yml")
    assert {name for name, value in play["vars"].items() if value == "absent"} == {f"{role}_state" for role in LAYERS}


def test_teardown_asks_before_anything_else() -> None:
    (play,) = read(ROOT / "playbooks/teardown.yml")
    assert "teardown_confirm" in play["pre_tasks"][0]["ansible.builtin.assert"]["that"]
    for task in play["pre_tasks"]:
        assert task["tags"] == ["always"], f"With --tags it must not be skipped: {task['name']}"


def test_the_names_that_are_looked_for_are_those_that_are_deleted() -> None:
    """A name that is missing in the playbook would be neither guarded nor missed when it is left."""
    where = environment("dev")
    stack_names = templates("playbooks/vars/stack_names.yml")["stack_names"]
    names = {module: where.value(listed) for module, listed in stack_names.items()}
    deleted = {resource.key for role in LAYERS for resource in managed(where, role, "absent.yml")} - _MADE_BY_SERVICES
    plain = {(module.removeprefix("amazon.aws."), name) for module, name in deleted}
    # A mapping has no name, and an endpoint is found by its service; both are known by what they belong to.
    plain = {key for key in plain if key[0] != "lambda_event_source_mapping"}
    assert {(module, name) for module, listed in names.items() for name in listed} == plain


@pytest.mark.parametrize(
    ("role", "nat"), [*((role, "single") for role in LAYERS), ("network", "none"), ("network", "per_az")]
)
def test_absent_names_what_present_makes(role: str, nat: str) -> None:
    where = environment("dev", network_nat=nat)
    made = {resource.key for resource in managed(where, role, "present.yml")}
    gone = [resource.key for resource in managed(where, role, "absent.yml")]
    assert made, f"{role} makes nothing: this test would prove nothing."
    assert set(gone) - _MADE_BY_SERVICES == made
    assert len(gone) == len(set(gone)), "A resource is deleted twice."


def _out_of_order(made: list[Managed], gone: list[Managed]) -> list[str]:
    place = {resource.key: index for index, resource in enumerate(gone)}
    turned = {resource.key: resource for resource in gone}
    return [
        f"{after.module} {after.identity} is made after {before.module} {before.identity} and must go before it"
        for before, after in itertools.combinations(made, 2)
        if not before.is_sibling(after)
        and not turned[before.key].is_sibling(turned[after.key])
        and place[after.key] > place[before.key]
    ]


@pytest.mark.parametrize("role", LAYERS)
def test_absent_is_present_reversed(role: str) -> None:
    where = environment("dev")
    assert not _out_of_order(managed(where, role, "present.yml"), managed(where, role, "absent.yml"))


def test_the_comparison_sees_a_wrong_order() -> None:
    """A test of the test: one resource that goes too late is found."""
    where = environment("dev")
    made, gone = managed(where, "compute", "present.yml"), managed(where, "compute", "absent.yml")
    assert _out_of_order(made, [*gone[1:], gone[0]])


@pytest.mark.parametrize("role", LAYERS)
def test_absent_needs_names_alone(role: str) -> None:
    """Deleting must work when half of the resources, or a secret, is gone already."""
    for path in sorted((ROOT / "roles" / role / "tasks").glob("absent*.yml")):
        for task in role_file(role, f"tasks/{path.name}"):
            options = next((value for value in task.values() if isinstance(value, dict) and "state" in value), None)
            if options is None:
                continue
            assert options["state"] == "absent", f"{task['name']} does not delete."
            assert set(options) <= {
                *(
                    "name",
                    "state",
                    "vpc",
                    "service",
                    "force_delete",
                    "function",
                    "queue",
                )
            }, f"{task['name']} asks for more than names."
