"""Every input of a role is described once, has a default that fits, and is named after its role."""

from __future__ import annotations

import re

import pytest

from tests.unit.roles.roles_tree import INVENTORIES, ROLES, ROOT, inputs, read, role_file, role_tasks, role_texts

_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "dict": dict, "list": list}


def _options(role: str) -> dict[str, dict[str, object]]:
    return dict(role_file(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


@pytest.mark.parametrize("role", ROLES)
def test_the_specification_lists_exactly_the_defaults(role: str) -> None:
    assert set(_options(role)) == inputs(role)


@pytest.mark.parametrize("role", ROLES)
def test_every_input_is_described_and_typed(role: str) -> None:
    for name, option in _options(role).items():
        assert str(option.get("description", "")).endswith("."), f"{name} needs a description that is a sentence."
        assert option.get("type") in _TYPES, f"{name} needs one of the types {', '.join(_TYPES)}."
        # Ansible does not apply a default of a specification: one that stands there lies sooner or later.
        assert "default" not in option, f"{name} has its default in defaults/main.yml, not in the specification."


@pytest.mark.parametrize("role", ROLES)
def test_every_default_fits_its_specification(role: str) -> None:
    defaults = role_file(role, "defaults/main.yml")
    for name, option in _options(role).items():
        value = defaults[name]
        if isinstance(value, str) and "{{" in value:
            continue
        assert isinstance(value, _TYPES[str(option["type"])]), f"{name}: {value!r} is no {option['type']}."
        choices = option.get("choices")
        assert choices is None or value in choices, f"{name}: {value!r} is not among {choices}."  # type: ignore[operator]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "naming"])
def test_every_layer_can_be_present_and_absent(role: str) -> None:
    option = _options(role)[f"{role}_state"]
    assert option["choices"] == ["present", "absent"]
    assert role_file(role, "defaults/main.yml")[f"{role}_state"] == "present"
    assert [task["ansible.builtin.include_tasks"] for task in role_file(role, "tasks/main.yml")] == [
        f"{{{{ {role}_state }}}}.yml"
    ]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "naming"])
def test_every_layer_depends_on_naming_alone(role: str) -> None:
    assert role_file(role, "meta/main.yml")["dependencies"] == [{"role": "naming"}]


@pytest.mark.parametrize("role", ROLES)
def test_variables_are_named_after_their_role(role: str) -> None:
    named = set(role_file(role, "defaults/main.yml")) | set(role_file(role, "vars/main.yml"))
    for task in role_tasks(role):
        named |= {task["register"]} if "register" in task else set()
        named |= set(task.get("vars", {}))
        named |= {value for key, value in task.get("loop_control", {}).items() if key == "loop_var"}
    strangers = {name for name in named if not re.match(rf"(__)?{role}(_|s?$)", name)}
    assert not strangers, f"Variables of {role} that do not begin with its name: {sorted(strangers)}."


@pytest.mark.parametrize("role", ROLES)
def test_internals_are_not_in_defaults(role: str) -> None:
    assert not [name for name in role_file(role, "defaults/main.yml") if name.startswith("_")]
    assert all(name.startswith("__") for name in role_file(role, "vars/main.yml"))


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_inventories_set_nothing_but_inputs(inventory: str) -> None:
    facts = read(ROOT / "inventories" / inventory / "group_vars" / "all" / "main.yml")
    playbooks = "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "site.yml", *ROOT.glob("playbooks/*.yml")]
    )
    known = set().union(*(inputs(role) for role in ROLES))
    # Beside inputs of roles: what playbooks read, and what the local inventory reads itself.
    unknown = {name for name in facts if name not in known and not re.search(rf"\b{name}\b", playbooks)}
    assert unknown <= {"embedded_cloud"}


@pytest.mark.parametrize("role", ROLES)
def test_every_input_is_used(role: str) -> None:
    texts = "\n".join(
        text
        for other in ROLES
        for path, text in role_texts(other)
        if not path.endswith(("argument_specs.yml", "defaults/main.yml"))
    )
    derived = (ROOT / "roles/naming/defaults/main.yml").read_text(encoding="utf-8").partition("\n\n")[2]
    guarded = (ROOT / "site.yml").read_text(encoding="utf-8")
    unused = {name for name in inputs(role) if not re.search(rf"\b{name}\b", texts + derived + guarded)}
    assert not unused, f"Inputs that change nothing: {sorted(unused)}."
