#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: what the pipeline is doing at the moment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pipeline_status_info
short_description: Say what the pipeline is doing
description:
  - Reads the depths of the queues, the tasks of the cluster, the jobs in flight, failures by reason, releases.
  - A part that cannot be read is a sentence in its place, so that the others are seen all the same. Writes nothing.
options:
  title:
    description: What the page is headed with.
    type: str
    required: true
  queues:
    description: Names of the queues.
    type: list
    elements: str
    required: true
  cluster:
    description: Name of the ECS cluster that tasks run in.
    type: str
    required: true
  functions:
    description: Names of the functions whose versions are releases; none leaves releases out.
    type: list
    elements: str
    default: []
  alias:
    description: Alias of the functions that is called.
    type: str
    default: live
  repository:
    description: Repository of the worker's images.
    type: str
  hours:
    description: How far back failures are counted (1-8760).
    type: int
    default: 24
extends_documentation_fragment: [tamma_resource.reader, tamma_resource.supabase]
notes:
  - Exists because three services and a database know a part each.
"""

EXAMPLES = r"""
- name: Read what the pipeline is doing
  pipeline_status_info:
    title: tamma-dev
    queues: [tamma-dev-jobs.fifo, tamma-dev-jobs-dlq.fifo]
    cluster: tamma-dev-cluster
    supabase_url_parameter: /tamma/dev/supabase_url
    supabase_service_key_parameter: /tamma/dev/supabase_service_key
"""

RETURN = r"""
status:
  description:
    - C(queues) (a list with C(name), C(waiting), C(in_flight), C(delayed) and C(oldest_seconds)), C(tasks) (a list with
      C(family), C(capacity_provider), C(last_status) and C(tasks)) and C(jobs) (what C(jobs_overview) answers).
    - C(releases) (a list with C(release), C(live), C(image_tag), C(image_digest), C(versions), C(commit) and C(since)).
    - A part that could not be read is a sentence instead.
  returned: success
  type: dict
report:
  description: The same as a page of text.
  returned: success
  type: list
  elements: str
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.tamma import pipeline_status
from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.jobs_table import PARAMETERS, JobsTable
from ansible.module_utils.tamma.module import Module
from ansible.module_utils.tamma.releases import recorded
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {
    "title": {"type": "str", "required": True},
    "queues": {"type": "list", "elements": "str", "required": True},
    "cluster": {"type": "str", "required": True},
    "functions": {"type": "list", "elements": "str", "default": []},
    "alias": {"type": "str", "default": "live"},
    "repository": {"type": "str"},
    "hours": {"type": "int", "default": 24},
    **PARAMETERS,
}
_MOST_HOURS = 8_760  # a year


def main() -> None:
    """Read each part, and tell all of them."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    params, client = module.params, module.client
    if not 1 <= params["hours"] <= _MOST_HOURS:
        module.fail_json(msg=f"Pipeline status: hours is {params['hours']}; choose 1 to 8760.")
    parts: dict[str, Callable[[], Any]] = {
        "queues": lambda: pipeline_status.queues(client("sqs"), client("cloudwatch"), params["queues"]),
        "tasks": lambda: pipeline_status.tasks(client("ecs"), params["cluster"]),
        "jobs": lambda: JobsTable.of(client("ssm"), params).call("jobs_overview", p_hours=params["hours"]),
    }
    if functions := params["functions"]:
        parts["releases"] = lambda: recorded(client, functions, params["alias"], params["repository"])
    status: dict[str, Any] = {}
    for name, part in parts.items():
        try:
            status[name] = part()
        except (RefusalError, BotoCoreError, ClientError) as error:
            status[name] = sentence("cannot be read", error)
    report = list(pipeline_status.lines(params["title"], status, datetime.now(UTC)))
    module.exit_json(changed=False, status=status, report=report)


if __name__ == "__main__":
    main()
