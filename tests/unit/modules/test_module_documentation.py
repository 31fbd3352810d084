"""What a module documents is what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.ansible_modules import LIBRARY, ROOT, load, resource_class

from ansible.module_utils.tamma.resource import Resource  # isort: skip

MODULES = sorted(path.stem for path in LIBRARY.glob("*.py"))
_FRAGMENT = ROOT / "plugins" / "doc_fragments" / "tamma_resource.py"


def _fragments(documentation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that come from our own doc fragment."""
    names: dict[str, Any] = {}
    exec(_FRAGMENT.read_text(), names)  # noqa: S102 - our own file; Ansible loads it as a plugin
    fragment = names["ModuleDocFragment"]
    options: dict[str, Any] = {}
    for name in documentation.get("extends_documentation_fragment", []):
        ours, _, part = name.partition(".")
        if ours == "tamma_resource":
            options |= yaml.safe_load(getattr(fragment, part.upper() or "DOCUMENTATION")).get("options", {})
    return options


def _shape(options: Mapping[str, Any], suboptions: str) -> dict[str, Any]:
    return {
        name: {
            "type": option.get("type", "str"),
            "required": bool(option.get("required", False)),
            "choices": list(option.get("choices") or []),
            "default": option.get("default"),
            "elements": option.get("elements"),
            "options": _shape(option.get(suboptions) or {}, suboptions),
        }
        for name, option in options.items()
    }


def _spec(name: str) -> dict[str, Any]:
    kind = resource_class(name)
    return dict(kind.options() if kind else load(name)._SPEC)


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_the_argument_specification(name: str) -> None:
    documentation = yaml.safe_load(load(name).DOCUMENTATION)
    documented = {**documentation.get("options", {}), **_fragments(documentation)}
    assert _shape(documented, "suboptions") == _shape(_spec(name), "options")


@pytest.mark.parametrize("name", MODULES)
def test_documentation_names_the_module_and_shows_an_example(name: str) -> None:
    module = load(name)
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name
    examples = yaml.safe_load(module.EXAMPLES)
    assert all(name in task for task in examples)
    for task in examples:
        assert set(task[name]) <= set(_spec(name))
    assert yaml.safe_load(module.RETURN)


@pytest.mark.parametrize("name", [name for name in MODULES if resource_class(name)])
def test_properties_named_by_a_resource_exist(name: str) -> None:
    kind: type[Resource] = resource_class(name)
    assert set(kind.needed) <= set(kind.options())
    assert set(kind.hidden) | set(kind.immutable) <= set(kind.spec)


@pytest.mark.parametrize("name", [name for name in MODULES if resource_class(name)])
def test_hidden_options_are_not_logged(name: str) -> None:
    kind: type[Resource] = resource_class(name)
    for option in kind.hidden:
        assert kind.spec[option]["no_log"] is True


def test_check_mode_is_asked_for_once() -> None:
    files = [*LIBRARY.glob("*.py"), *(ROOT / "module_utils").rglob("*.py")]
    asks = [
        (path.name, line.strip()) for path in files for line in path.read_text().splitlines() if ".check_mode" in line
    ]
    assert asks == [("resource.py", "if plan.changed and not module.check_mode:")]
