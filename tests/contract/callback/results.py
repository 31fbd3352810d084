"""Callback: writes the result of every task, as the module gave it, to the file that RESULTS_FILE names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: results
type: aggregate
short_description: Write the results of tasks to a file
description:
  - Writes one line of JSON for each task, with its name and its result, to the file that E(RESULTS_FILE) names.
  - Ansible's own JSON output puts the name of the module where our modules say their action.
author: [Tamma Infra]
"""


class CallbackModule(CallbackBase):
    """Writes results as they come."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write a success."""
        with Path(os.environ["RESULTS_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([result.task.get_name(), result.result], default=str) + "\n")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Write a failure."""
        del ignore_errors
        self.v2_runner_on_ok(result)
