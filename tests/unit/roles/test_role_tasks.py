"""What tasks may not do, so that names flow through YAML and ids stay in Python."""

from __future__ import annotations

import re

import pytest

from tests.unit.roles.roles_tree import (
    LAYERS,
    ROLES,
    ROOT,
    environment,
    module_of,
    read,
    role_file,
    role_tasks,
    role_texts,
)

_SHELLS = re.compile(r"(^|\.)(shell|command|raw|script|expect)$")
_PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]
_INVENTORIES = sorted((ROOT / "inventories").rglob("main.yml"))


@pytest.mark.parametrize("role", ROLES)
def test_no_facts_no_shell_no_community_aws(role: str) -> None:
    for task in role_tasks(role):
        module = module_of(task)
        assert not module.endswith("set_fact"), f"{task['name']}: set_fact hides where a value comes from."
        assert not _SHELLS.search(module), f"{task['name']}: a role runs no shell."
        assert not module.startswith("community.aws."), f"{task['name']}: community.aws is not used."
        assert module.startswith(("amazon.aws.", "ansible.builtin.")) or (ROOT / "library" / f"{module}.py").exists(), (
            f"{task['name']}: {module} is neither of amazon.aws nor in library/."
        )


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_read_from_other_hosts(role: str) -> None:
    for path, text in role_texts(role):
        assert "hostvars" not in text, f"{path} reads hostvars."


@pytest.mark.parametrize("role", ROLES)
def test_a_result_is_read_in_its_own_role_alone(role: str) -> None:
    registered = {task["register"] for task in role_tasks(role) if "register" in task}
    for other in ROLES:
        if other == role:
            continue
        for path, text in role_texts(other):
            read_here = {name for name in registered if re.search(rf"\b{name}\b", text)}
            assert not read_here, f"{path} reads {sorted(read_here)} of the role {role}."


@pytest.mark.parametrize("role", ROLES)
def test_internals_are_read_in_their_own_role_alone(role: str) -> None:
    for path, text in role_texts(role):
        internals = set(re.findall(r"\b__[a-z]\w+", text))
        strangers = {name for name in internals if not name.startswith(f"__{role}")}
        assert not strangers, f"{path} reads internals of another role: {sorted(strangers)}."


def test_every_name_that_is_used_exists() -> None:
    known = set(role_file("naming", "defaults/main.yml"))
    texts = {path: text for role in ROLES for path, text in role_texts(role)}
    texts |= {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in [*_PLAYBOOKS, *_INVENTORIES]}
    unknown = {
        (path, name)
        for path, text in texts.items()
        for name in re.findall(r"(?<![\w])naming_\w+", text)
        if name not in known
    }
    assert not unknown, f"Names that roles/naming does not derive: {sorted(unknown)}."


def test_every_derived_name_is_used() -> None:
    defaults = role_file("naming", "defaults/main.yml")
    texts = [text for role in ROLES for path, text in role_texts(role) if "argument_specs" not in path]
    texts += [path.read_text(encoding="utf-8") for path in [*_PLAYBOOKS, *_INVENTORIES]]
    text = "\n".join(texts)
    # Once is the definition itself.
    unused = [name for name in defaults if len(re.findall(rf"\b{name}\b", text)) < 2]
    assert not unused, f"Names that nothing uses: {unused}."


@pytest.mark.parametrize("role", LAYERS)
def test_task_names_are_sentences(role: str) -> None:
    for task in role_tasks(role):
        assert re.match(r"[A-Z]", task["name"]), f"{task['name']!r} begins with a capital letter."
        assert "{{" not in task["name"].rstrip("}").rpartition(" {{")[0], f"{task['name']!r}: Jinja stands at the end."


@pytest.mark.parametrize("path", _PLAYBOOKS, ids=lambda path: path.name)
def test_plays_take_region_and_keys_from_the_inventory(path: object) -> None:
    plays = read(path)  # type: ignore[arg-type]
    for play in (play for play in plays if "ansible.builtin.import_playbook" not in play):
        if path.name == "new_environment.yml":  # type: ignore[attr-defined]
            assert "environment" not in play, "It asks nothing of AWS: there is no inventory yet."
            continue
        assert play["environment"] == "{{ aws_environment }}"
        assert play["gather_facts"] is False, "No fact of this machine decides anything."


def test_no_fixed_region_account_or_environment() -> None:
    """Other projects and environments get other names everywhere."""
    other = environment("staging", naming_project="acme", naming_region="eu-west-1")
    for name in role_file("naming", "defaults/main.yml"):
        value = str(other.named(name))
        assert "tamma" not in value, f"{name} is {value} for the project acme."
        assert "us-east-1" not in value, f"{name} is {value} in eu-west-1."
        assert "dev" not in value.replace("dev-", "").split("-"), f"{name} is {value} for staging."
