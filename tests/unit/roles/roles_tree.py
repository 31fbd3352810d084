"""Reads the roles the way Ansible does: YAML files, templated with the variables of one environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
LAYERS = [role for role in ROLES if role != "naming"]
INVENTORIES = sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir())
ACCOUNT = "123456789012"

_TASK_WORDS = {
    *("name", "when", "loop", "loop_control", "vars", "register", "no_log", "tags", "environment", "block", "rescue"),
    *("always", "delegate_to", "changed_when", "failed_when", "until", "retries", "delay", "args", "become", "notify"),
    *("run_once", "check_mode", "diff", "ignore_errors"),
}


def read(path: Path) -> Any:
    """Return a YAML file as plain data."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def role_file(role: str, path: str) -> Any:
    """Return a YAML file of a role, or an empty dict when the role has none."""
    file = ROOT / "roles" / role / path
    return read(file) if file.exists() else {}


def role_texts(role: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every YAML file of a role."""
    for path in sorted((ROOT / "roles" / role).rglob("*.yml")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def inputs(role: str) -> set[str]:
    """Return the inputs among a role's defaults; those of `naming` end at the first blank line, the rest is derived."""
    text = (ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8")
    if role == "naming":
        text = text.partition("\n\n")[0]
    return set(yaml.safe_load(text))


def module_of(task: Mapping[str, Any]) -> str:
    """Return which module a task runs; empty for a block."""
    words = [word for word in task if word not in _TASK_WORDS]
    assert len(words) <= 1, f"Cannot tell the module of the task {task.get('name')!r} among {words}."
    return words[0] if words else ""


def flat_tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file, those inside blocks too."""
    for task in tasks:
        inner = [step for word in ("block", "rescue", "always") for step in task.get(word, [])]
        if inner:
            yield from flat_tasks(inner)
        else:
            yield task


def role_tasks(role: str) -> Iterator[dict[str, Any]]:
    """Yield every task of every task file of a role."""
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        yield from flat_tasks(read(path))


_LOADER = DataLoader()
_LOADER.set_basedir(str(ROOT))


@cache
def templates(path: str) -> Any:
    """Return a YAML file whose strings can be templated; it is shared: nobody may change it."""
    file = ROOT / path
    return _LOADER.load_from_file(str(file), trusted_as_template=True) if file.exists() else None


class Environment:
    """The variables of all roles, with an inventory's facts and the given ones on top."""

    def __init__(self, inventory: str = "", **facts: Any) -> None:
        """Load the defaults and internals of every role, then the inventory, then `facts`."""
        self.variables: dict[str, Any] = {}
        for part in ("defaults", "vars"):
            for role in ROLES:
                self.variables |= templates(f"roles/{role}/{part}/main.yml") or {}
        if inventory:
            self.variables |= templates(f"inventories/{inventory}/group_vars/all/main.yml")
        self.variables |= {"role_path": str(ROOT / "roles" / "naming"), **facts}
        # The content hash has a test of its own; names do not depend on its value.
        self.variables["naming_worker_image_tag"] = "0123456789abcdef"

    def tasks(self, role: str, file: str) -> list[dict[str, Any]]:
        """Return a task file whose strings can be templated."""
        return list(templates(f"roles/{role}/tasks/{file}"))

    def value(self, expression: Any, **extra: Any) -> Any:
        """Template a value with the variables and `extra` ones."""
        return Templar(_LOADER, {**self.variables, **extra}).template(expression)

    def named(self, name: str) -> Any:
        """Return a variable's value."""
        return self.value(self.variables[name])


def environment(name: str, **facts: Any) -> Environment:
    """Return the environment `name` of the project in the account that tests use."""
    return Environment(naming_environment=name, naming_account_id=ACCOUNT, **facts)


# Modules that manage no resource: they read, refuse, include or prepare a local file.
_NO_RESOURCE = re.compile(r"(_info|\.assert|\.include_tasks|lambda_archive)$")
# What says which resource a task means, where it is not the name.
_IDENTITY = {
    "amazon.aws.cloudwatchlogs_log_group": ("log_group_name",),
    "lambda_event_source_mapping": ("function", "queue"),
    "ec2_stray_interfaces": ("vpc",),
}
# AWS makes the default security group with the VPC and deletes it with the VPC; nobody else can.
_AWS_OWNS = {("ec2_security_group", "default")}


@dataclass(frozen=True)
class Managed:
    """A resource that a task manages; `loop` is the path of loops and turns that led to it."""

    module: str
    identity: str
    loop: tuple[tuple[str, int], ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.identity

    def is_sibling(self, other: Managed) -> bool:
        """Whether both come from different turns of one loop: their order is not the role's business."""
        return any(a[0] == b[0] and a[1] != b[1] for a, b in zip(self.loop, other.loop, strict=False))


def managed(where: Environment, role: str, file: str) -> list[Managed]:
    """Return the resources of a task file in the order of its tasks, loops and includes carried out."""
    return list(_walk(where, role, file, {}, ()))


def _walk(
    where: Environment, role: str, file: str, extra: dict[str, Any], path: tuple[tuple[str, int], ...]
) -> Iterator[Managed]:
    for number, task in enumerate(flat_tasks(where.tasks(role, file))):
        module = module_of(task)
        for turn, variables in enumerate(_turns(where, task, extra)):
            here = (*path, (f"{file}:{number}", turn)) if "loop" in task else path
            if module == "ansible.builtin.include_tasks":
                yield from _walk(where, role, str(task[module]), variables, here)
            elif not _NO_RESOURCE.search(module):
                names = _IDENTITY.get(module, ("name",))
                identity = " ".join(str(where.value(task[module][name], **variables)) for name in names)
                if (module, identity) not in _AWS_OWNS:
                    yield Managed(module, identity, here)


def _turns(where: Environment, task: dict[str, Any], extra: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "loop" not in task:
        yield extra
        return
    control = task.get("loop_control", {})
    items = where.value(task["loop"], **extra)
    for index, item in enumerate(items):
        turn = {control.get("loop_var", "item"): item}
        if "index_var" in control:
            turn[control["index_var"]] = index
        yield {**extra, **turn}
