"""Callback: prints what modules report for a person to read, at the end of the playbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: module_reports
type: aggregate
short_description: Print the reports of modules at the end
description:
  - A module that returns C(report), a list of lines, has it printed at the end of the playbook, where no other output
    comes between the lines. Control characters are shown as escapes.
  - On a terminal, lines are cut to its width.
requirements:
  - To be in C(callbacks_enabled) of F(ansible.cfg). Ansible calls callbacks in the order of their names, and
    C(plan_summary) is to have the last word.
author: [Tamma Infra]
"""

import sys
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.callback import CallbackBase

# Modules get the project's module_utils from Ansible; in the controller Python has to be told.
_MODULE_UTILS = str(Path(__file__).resolve().parents[2] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.tamma.wording import escape


class CallbackModule(CallbackBase):
    """Gather reports, and print them together."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_reports"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing."""
        super().__init__(*args, **kwargs)
        self._lines: list[str] = []

    def v2_runner_on_ok(self, result: Any) -> None:
        """Take what a module reports."""
        report = result.result.get("report")
        if isinstance(report, list):
            self._lines += [str(line) for line in report]

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print it."""
        del stats
        width = self._display.columns if sys.stdout.isatty() else None
        for line in self._lines:
            shown = escape(line)
            self._display.display(shown if width is None or len(shown) <= width else f"{shown[: width - 1]}…")
        if self._lines:
            self._display.display("")
