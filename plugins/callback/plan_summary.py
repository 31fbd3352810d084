"""Callback: ends a preview and a run with one summary of what changes, grouped by role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_summary
type: aggregate
short_description: End every preview and every run with a summary of the changes
description:
  - Lists the resources that a preview would create, update and delete, or that a run did, grouped by role, with the
    properties of each. After a run it adds the time and, where they were counted, the calls of AWS's API.
  - The last line is C(No changes.), C(Plan:) or C(Applied:) with the numbers, or the number of errors.
  - A task that changed something and is not about a resource of AWS is listed as an update, under its name.
  - A playbook that looked at no resource and had no error gets no summary.
  - Values that Ansible or a module hides stay hidden, and control characters are shown as escapes.
  - Long values are cut in the middle on a terminal. They are complete in the file and where the output is no terminal.
options:
  json_file:
    description:
      - File to which the summary is written as JSON too, for your eyes only (mode 0600). An older one is replaced.
      - When it cannot be written, the playbook stops before its first task.
    type: str
    env:
      - name: PLAN_JSON
    ini:
      - section: callback_plan_summary
        key: json_file
requirements:
  - To be in C(callbacks_enabled) of F(ansible.cfg), the last where there are several.
author: [Tamma Infra]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ansible.constants as colours
import ansible.module_utils
from ansible.plugins.callback import CallbackBase

# Modules get the project's module_utils from Ansible; in the controller Python has to be told.
_MODULE_UTILS = str(Path(__file__).resolve().parents[2] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.tamma.changes import Failure, Summary, merged, outcome_of
from ansible.module_utils.tamma.wording import escape, lines

_COLOURS = {
    "create": colours.COLOR_DIFF_ADD,
    "update": colours.COLOR_CHANGED,
    "delete": colours.COLOR_DIFF_REMOVE,
    "add": colours.COLOR_DIFF_ADD,
    "remove": colours.COLOR_DIFF_REMOVE,
    "error": colours.COLOR_ERROR,
    "role": colours.COLOR_HIGHLIGHT,
}
# They change what Ansible knows of hosts, and nothing else.
_OF_THE_INVENTORY = {prefix + name for prefix in ("", "ansible.builtin.") for name in ("add_host", "group_by")}


class CallbackModule(CallbackBase):
    """Gather what tasks report, and tell it at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "plan_summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing; several playbooks of one command are summed up together, as in Ansible's recap."""
        super().__init__(*args, **kwargs)
        self._summary = Summary()
        self._failures: list[list[Failure]] = []
        self._bad_items: dict[str, list[Any]] = {}
        self._play = ""
        self._start = time.monotonic()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Refuse a file that cannot be written before anything is done."""
        del playbook
        if path := self._json_file():
            try:
                _write_beside(path, "").unlink()
            except OSError as error:
                self._complain(path, error)
                # Exceptions of callbacks are warnings to Ansible; leaving is Python's own way, and cleans up.
                sys.exit(1)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Remember the play: its name stands for the role where a task has none."""
        self._play = play.get_name()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Take note of an item of a loop."""
        self._note(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Keep the error of an item until the task's own result says whether it is ignored."""
        self._summary.count_calls(result.result)
        self._bad_items.setdefault(result.host.get_name(), []).append(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Take note of a task; what a loop did is known from its items."""
        if not result.task.loop:
            self._note(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Take note of an error unless it is ignored."""
        if not result.task.loop:
            self._summary.count_calls(result.result)
        self._fail(result, ignored=ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Take note of a host that could not be reached."""
        self._fail(result, ignored=bool(result.task.ignore_unreachable))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the file, then print the summary: the last thing that is printed."""
        self._summary.failures = merged(self._real_failures(stats))
        warm = sys.modules.get("ansible.module_utils.tamma.warm.state")
        if warm and warm.STATE.asked_ahead:
            self._summary.count_calls({"api_calls": {"read": warm.STATE.asked_ahead}})
        seconds = time.monotonic() - self._start
        written = self._write_json(seconds)
        if self._summary.worth_telling:
            width = self._display.columns if sys.stdout.isatty() else None
            for line, mark in lines(self._summary, seconds, width):
                self._display.display(line, color=_COLOURS.get(mark))
        if not written:
            sys.exit(1)

    def _note(self, result: Any) -> None:
        task, checking = result.task, bool(result.task.check_mode)
        self._summary.checking = self._summary.checking or checking
        self._summary.count_calls(result.result)
        outcome = outcome_of(result.result, _title(result), applied=not checking)
        if outcome and task.action not in _OF_THE_INVENTORY:
            self._summary.add(self._role(task), outcome)

    def _fail(self, result: Any, *, ignored: bool) -> None:
        self._summary.checking = self._summary.checking or bool(result.task.check_mode)
        # A host has one task at a time, so the items that wait are those of this task.
        bad = self._bad_items.pop(result.host.get_name(), []) or [result]
        if not ignored:
            role = self._role(result.task)
            self._failures.append(
                [Failure(role, _title(one), one.host.get_name(), _message(one.result)) for one in bad]
            )

    def _real_failures(self, stats: Any) -> list[Failure]:
        """Leave out the errors that were rescued.

        Ansible tells callbacks only how many errors of a host were not; they are its last ones, because they end what
        the host does.
        """
        left = {host: stats.failures.get(host, 0) + stats.dark.get(host, 0) for host in stats.processed}
        real: list[Failure] = []
        for failures in reversed(self._failures):
            host = failures[0].host
            if left.get(host, 0) > 0:
                left[host] -= 1
                real[:0] = failures
        return real

    def _role(self, task: Any) -> str:
        role = task._role  # noqa: SLF001 - there is no other way to a task's role
        return str(role.get_name()) if role else self._play

    def _json_file(self) -> Path | None:
        path = self.get_option("json_file")
        return Path(path).expanduser().absolute() if path else None

    def _write_json(self, seconds: float) -> bool:
        """Replace the file in one step, so that nobody reads half of it."""
        path = self._json_file()
        if not path:
            return True
        content = json.dumps(self._summary.as_json(round(seconds, 3)), indent=2, default=str) + "\n"
        try:
            _write_beside(path, content).replace(path.resolve())
        except OSError as error:
            self._complain(path, error)
            return False
        return True

    def _complain(self, path: Path, error: OSError) -> None:
        reason = error.strerror or str(error)
        self._display.error(
            escape(f"PLAN_JSON: {path} cannot be written ({reason}); name a file in a folder that you may write to."),
            wrap_text=False,
        )


def _write_beside(path: Path, content: str) -> Path:
    """Write a file that only its owner can read into the folder of another one, and return its path."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(0, "it is not a file")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _title(result: Any) -> str:
    name, label = str(result.task.name or result.task.action), result.result.get("_ansible_item_label")
    return f"{name} ({label})" if isinstance(label, str) and label else name


def _message(item: dict[str, Any]) -> str:
    if errors := item.get("argument_errors"):  # of a role's argument specification: Ansible names no next step
        return f"{'; '.join(str(error).rstrip('.') for error in errors)}; correct that in the inventory and re-run."
    return str(item.get("msg") or item.get("censored") or "The task gave no reason.")
