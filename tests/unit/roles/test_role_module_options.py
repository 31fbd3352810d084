"""Roles give our modules options that these modules know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ansible_modules import LIBRARY, resource_class
from tests.unit.roles.roles_tree import ROLES, module_of, role_tasks

_CALLS = [
    pytest.param(task, id=f"{role}: {task['name']}")
    for role in ROLES
    for task in role_tasks(role)
    if (LIBRARY / f"{module_of(task)}.py").exists()
]


@pytest.mark.parametrize("task", _CALLS)
def test_options_exist_and_needed_ones_are_given(task: dict[str, Any]) -> None:
    resource = resource_class(module_of(task))
    if resource is None:  # lambda_archive packs files and manages no resource
        return
    given, known = task[module_of(task)], resource.options()
    assert set(given) <= set(known), f"{module_of(task)} does not know {sorted(set(given) - set(known))}."
    needed = {name for name, option in known.items() if option.get("required")}
    if given.get("state", "present") == "present":
        needed |= set(resource.needed)
    assert needed <= set(given), f"{module_of(task)} needs {sorted(needed - set(given))}."


@pytest.mark.parametrize("task", _CALLS)
def test_suboptions_exist(task: dict[str, Any]) -> None:
    resource = resource_class(module_of(task))
    known = resource.options() if resource else {}
    for name, value in task[module_of(task)].items():
        inner = known.get(name, {}).get("options")
        items = value if isinstance(value, list) else [value]
        for item in (item for item in items if inner and isinstance(item, dict)):
            assert set(item) <= set(inner), (
                f"{name} of {module_of(task)} does not know {sorted(set(item) - set(inner))}."
            )
