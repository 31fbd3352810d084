"""Callback: Ansible's own output without the lines about included files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: changes_only
type: stdout
short_description: Show only tasks that change something or fail
description:
  - Ansible's default output without C(included) lines, for which the default has no setting. Together with its settings
    against C(ok) and C(skipping) lines only what changes or fails is left.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - To be chosen with E(ANSIBLE_STDOUT_CALLBACK).
author: [Tamma Infra]
"""

from typing import Any

from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback


class CallbackModule(DefaultCallback):
    """The default output, shorter."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "changes_only"

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Say nothing: what the file's tasks change is told by them."""

    def v2_runner_on_ok(self, result: Any) -> None:
        """Say nothing of tasks that include others."""
        if not isinstance(result.task, TaskInclude):
            super().v2_runner_on_ok(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Say nothing of tasks that include others, for each of their items."""
        if not isinstance(result.task, TaskInclude):
            super().v2_runner_item_on_ok(result)
