"""The summary at the end of real runs of ansible-playbook, with a module that answers what a test tells it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ANSIBLE = Path(sys.executable).parent
STUB = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"answer": {"type": "dict", "required": True}}, supports_check_mode=True)
answer = module.params["answer"]
(module.fail_json if "msg" in answer else module.exit_json)(**answer)
"""
CONFIG = f"""[defaults]
library = library
roles_path = roles
callback_plugins = {ROOT}/plugins/callback
callbacks_enabled = module_reports, plan_summary
inventory = hosts
interpreter_python = {sys.executable}
local_tmp = .ansible
"""
UNKNOWN = "(known after apply)"
QUEUE = "SQS queue tamma-dev-jobs.fifo"
CENSORED = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"


def answer(action: str, before: Any = None, after: Any = None, name: str = QUEUE, **more: Any) -> dict[str, Any]:
    """What a module of ours returns."""
    service, what, named = name.split(" ", 2)
    diff = {"kind": f"{service} {what}", "name": named, "before": before or {}, "after": after or {}}
    return {"changed": action != "none", "action": action, "diff": diff, "api_calls": {"read": 2, "write": 1}} | more


def task(answered: Any, name: str = "Ensure it", **keywords: Any) -> dict[str, Any]:
    """A task of the stub module."""
    return {"name": name, "stub": {"answer": answered}} | keywords


class Run:
    """What ansible-playbook printed, and the JSON beside it."""

    def __init__(self, done: subprocess.CompletedProcess[str], file: Path) -> None:
        self.code, self.output, self.errors = done.returncode, done.stdout, done.stderr
        self.plan: Any = json.loads(file.read_text()) if file.is_file() else None

    @property
    def last(self) -> str:
        return self.output.splitlines()[-1]


Play = Callable[..., Run]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that runs tasks; `roles` maps names of roles to their tasks."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "stub.py").write_text(STUB)
    (tmp_path / "ansible.cfg").write_text(CONFIG)

    def run(
        tasks: list[Any], *arguments: str, roles: dict[str, list[Any]] | None = None, hosts: str = "localhost",
        keywords: dict[str, Any] | None = None, **environment: str,
    ) -> Run:  # fmt: skip
        for name, role in (roles or {}).items():
            (tmp_path / "roles" / name / "tasks").mkdir(parents=True)
            (tmp_path / "roles" / name / "tasks" / "main.yml").write_text(json.dumps(role))
        (tmp_path / "hosts").write_text("".join(f"{host} ansible_connection=local\n" for host in hosts.split()))
        content = {"name": "A play", "hosts": "all", "gather_facts": False, "roles": list(roles or {}), "tasks": tasks}
        (tmp_path / "play.yml").write_text(json.dumps([content | (keywords or {})]))
        settings = {"ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "PLAN_JSON": "plan.json"} | environment
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        done = subprocess.run(
            [ANSIBLE / "ansible-playbook", "play.yml", *arguments], cwd=tmp_path, env=inherited | settings,
            text=True, encoding="utf-8", capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        return Run(done, tmp_path / "plan.json")

    return run


def test_a_preview_is_grouped_by_role_and_ends_with_the_plan(play: Play, tmp_path: Path) -> None:
    roles = {
        "storage": [task(answer("create", {}, {"versioning": True, "arn": UNKNOWN}, "S3 bucket tamma-dev-raw"))],
        "job_queue": [
            task("{{ item }}", loop=[answer("update", {"to": {"most": 5}}, {"to": {"most": 9}}), answer("none")]),
            task(answer("delete", {"delay": 1})),
        ],
    }  # fmt: skip
    copy = {
        "name": "Write a note",
        "ansible.builtin.copy": {"content": "x", "dest": f"{tmp_path}/note", "mode": "0600"},
    }
    run = play([copy], "--check", roles=roles)
    assert run.code == 0, run.output + run.errors
    assert run.output[run.output.index("storage: 1 to create") :].splitlines() == [
        "storage: 1 to create",
        "  + create  S3 bucket tamma-dev-raw",
        "      versioning: true",
        "      arn: (known after apply)",
        "",
        "job_queue: 1 to update, 1 to delete",
        f"  ~ update  {QUEUE}",
        "      to.most: 5 → 9",
        f"  - delete  {QUEUE}",
        "",
        "A play: 1 to update",
        "  ~ update  Write a note",
        "",
        "Plan: 1 to create, 2 to update, 1 to delete.",
    ]
    assert run.plan["check_mode"] is True
    assert run.plan["counts"] == {"create": 1, "update": 2, "delete": 1, "none": 1}
    assert run.plan["api_calls"] == {"read": 8, "write": 4}
    assert run.plan["errors"] == []
    assert run.plan["seconds"] > 0
    assert [role["role"] for role in run.plan["roles"]] == ["storage", "job_queue", "A play"]
    assert run.plan["roles"][1]["changes"][0] == {
        "action": "update", "kind": "SQS queue", "name": "tamma-dev-jobs.fifo", "task": "Ensure it", "applied": False,
        "changes": [{"property": "to.most", "before": 5, "after": 9}],
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".plan.json*"))


def test_a_run_ends_with_what_was_applied(play: Play) -> None:
    created = answer("create", {}, {"arn": UNKNOWN}, resource={"arn": "arn:aws:sqs:x"})
    run = play([task(created), task(answer("none"))])
    assert run.output.splitlines()[-3:-1] == ["", run.output.splitlines()[-2]]
    assert run.output.splitlines()[-2].startswith("Took ")
    assert run.output.splitlines()[-2].endswith(" and 6 API calls (4 reads, 2 writes).")
    assert "      arn: arn:aws:sqs:x" in run.output
    assert run.last == "Applied: 1 created, 0 updated, 0 deleted."
    assert run.plan["check_mode"] is False


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_a_silent_run_says_so(play: Play, arguments: tuple[str, ...]) -> None:
    run = play([task({"changed": False, "action": "none"})], *arguments)
    assert run.last == "No changes."
    assert run.plan["api_calls"] is None
    assert run.plan["roles"] == []


def test_a_playbook_that_manages_nothing_gets_no_summary(play: Play) -> None:
    reading = {"name": "Look", "ansible.builtin.command": "true", "changed_when": False}
    grouping = {"name": "Group", "ansible.builtin.group_by": {"key": "layers"}}
    run = play([reading, grouping])
    assert run.code == 0
    assert "No changes." not in run.output
    assert "Applied" not in run.output
    assert run.plan["counts"] == {"create": 0, "update": 0, "delete": 0, "none": 0}


def test_errors_are_listed_and_have_the_last_word(play: Play) -> None:
    message = f"{QUEUE}: CreateQueue was refused with AccessDenied; use another profile."
    looped = task("{{ item }}", "Ensure the queues exist", loop=[answer("create"), {"msg": message}])
    run = play([looped, task(answer("delete"))])
    assert run.code == 2
    assert run.last == "Stopped by 1 error after: 1 created, 0 updated, 0 deleted."
    assert "! error  A play: Ensure the queues exist" in run.output
    [error] = run.plan["errors"]
    assert (error["role"], error["host"]) == ("A play", "localhost")
    assert error["message"].endswith(message)

    run = play([looped], "--check")
    assert run.last == "Plan incomplete: 1 error."


def test_an_error_that_was_ignored_or_rescued_is_none(play: Play) -> None:
    bad = task({"msg": "no"})
    rescued = {"name": "Try", "block": [bad, task(answer("delete"))], "rescue": [task(answer("create"))]}
    unreachable = {"name": "Ping", "ansible.builtin.ping": {}, "ignore_unreachable": True, "vars": _NOWHERE}
    run = play([bad | {"ignore_errors": True}, rescued, unreachable])
    assert run.code == 0, run.output
    assert run.last == "Applied: 1 created, 0 updated, 0 deleted."
    assert run.plan["errors"] == []

    run = play([rescued | {"rescue": [task({"msg": "no rescue either"}, "Rescue")]}])
    assert run.last == "Stopped by 1 error after: 0 created, 0 updated, 0 deleted."
    assert [error["task"] for error in run.plan["errors"]] == ["Rescue"]


_NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}


def test_a_host_that_cannot_be_reached_is_an_error(play: Play) -> None:
    run = play([{"name": "Ping", "ansible.builtin.ping": {}, "vars": _NOWHERE}])
    assert run.code == 4
    assert run.last == "Stopped by 1 error after: 0 created, 0 updated, 0 deleted."
    assert [error["task"] for error in run.plan["errors"]] == ["Ping"]


def test_hosts_that_run_at_the_same_time_share_one_summary(play: Play) -> None:
    def named(action: str) -> dict[str, Any]:
        return answer(action, {}, {"size": 1}, "SNS topic {{ inventory_hostname }}-topic")

    last = task(named("update"), "Update", when="inventory_hostname == 'b'")
    failing = task({"msg": "{{ inventory_hostname }} is odd."}, "Fail", when="inventory_hostname != 'b'")
    run = play([last, failing], roles={"layer": [task(named("create"))]}, hosts="a b c", keywords={"strategy": "free"})
    assert run.last == "Stopped by 2 errors after: 3 created, 1 updated, 0 deleted."
    assert [role["role"] for role in run.plan["roles"]] == ["layer", "A play"]
    assert {change["name"] for change in run.plan["roles"][0]["changes"]} == {"a-topic", "b-topic", "c-topic"}
    assert {error["host"] for error in run.plan["errors"]} == {"a", "c"}
    assert "A play: Fail [a]" in run.output


def test_what_no_log_hides_stays_hidden(play: Play) -> None:
    secret = answer("create", {}, {"value": "hunter2"}, "SSM parameter /hunter2/key")
    looped = task("{{ item }}", "Store all", loop=[secret, {"msg": "hunter2 is refused"}], no_log=True)
    run = play([task(secret, "Store it", no_log=True), looped])
    # Ansible itself prints the message of the error, before the recap.
    assert "hunter2" not in run.output[run.output.index("PLAY RECAP") :] + json.dumps(run.plan)
    assert "  ~ update  Store it\n" in run.output
    assert run.last == "Stopped by 1 error after: 0 created, 2 updated, 0 deleted."
    assert [error["message"] for error in run.plan["errors"]] == [CENSORED]

    hidden = task(answer("update", {"value": "(hidden, current)"}, {"value": "(hidden, new)"}))
    assert "      value: (hidden, current) → (hidden, new)\n" in play([hidden], "--check").output


def test_values_are_text_whatever_they_look_like(play: Play) -> None:
    values = {"tags": {"owner": "Grüße \x1b[2J\u202e", "note": "{{ '{{' }} 1 + 1 }}", "end": "[red]"}}
    run = play([task(answer("create", {}, values))], "--check", ANSIBLE_FORCE_COLOR="false")
    assert "\x1b" not in run.output
    assert '      tags: {owner: "Grüße \\x1b[2J\\u202e", note: "{{ 1 + 1 }}", end: "[red]"}\n' in run.output
    assert run.plan["roles"][0]["changes"][0]["changes"][0]["after"]["owner"] == "Grüße \x1b[2J\u202e"


def test_colours_are_there_when_ansible_colours(play: Play) -> None:
    run = play([task(answer("create", {}, {"delay": 1}))], "--check", ANSIBLE_FORCE_COLOR="true")
    assert f"\x1b[0;32m  + create  {QUEUE}\x1b[0m\n" in run.output
    assert run.last == "Plan: 1 to create, 0 to update, 0 to delete."


def test_check_mode_of_a_single_task_is_told(play: Play) -> None:
    run = play([task(answer("create")), task(answer("update"), check_mode=True)])
    assert f"  ~ update  {QUEUE} (check mode: not applied)\n" in run.output
    assert run.last == "Applied: 1 created, 0 updated, 0 deleted."


@pytest.mark.parametrize("path", ["missing/plan.json", "/dev/null", "library"])
def test_a_file_that_cannot_be_written_stops_the_playbook_first(play: Play, path: str) -> None:
    run = play([task(answer("create"))], PLAN_JSON=path)
    assert run.code == 1
    assert "cannot be written (" in run.errors
    assert "Traceback" not in run.errors
    assert "Ensure it" not in run.output


def test_without_a_file_nothing_is_written(play: Play, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    run = play([task(answer("create"))], PLAN_JSON="")
    assert (run.code, run.plan) == (0, None)
    assert {path.name for path in tmp_path.iterdir()} - before <= {"hosts", "play.yml", ".ansible"}


def test_the_options_are_documented() -> None:
    argv = [ANSIBLE / "ansible-doc", "-t", "callback", "plan_summary"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(argv, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120, check=True)
    assert "PLAN_JSON" in done.stdout


def test_reports_of_modules_come_together_before_the_summary(play: Play) -> None:
    reports = [["Jobs", "  one \x1b[31m"], ["Queues"]]
    run = play([task(answer("none", report=lines), name=f"Look {n}") for n, lines in enumerate(reports)])
    lines = run.output.splitlines()
    at = lines.index("Jobs")
    assert lines[at : at + 4] == ["Jobs", r"  one \x1b[31m", "Queues", ""]
    assert at > max(n for n, line in enumerate(lines) if line.startswith("localhost"))
    assert run.last == "No changes."
