#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the end of the jobs before a teardown."""

from __future__ import annotations

DOCUMENTATION = r"""
module: teardown_drain
short_description: Let the jobs of a stack end before it is torn down
description:
  - Closes the queue for jobs to new ones and waits until no job is under way. Fails when the time is up, and opens the
    queue again.
options:
  sender:
    description: ARN of the role that sends jobs again, for which the queue stays open.
    type: str
    required: true
  minutes:
    description: How long jobs may take to end.
    type: float
    required: true
attributes:
  check_mode:
    support: none
    description: Waiting cannot be previewed; a playbook leaves the task out in check mode.
  diff_mode:
    support: none
    description: What changes is undone, or goes with the stack.
extends_documentation_fragment: [tamma_resource.aws, tamma_resource.supabase, tamma_resource.places]
"""

EXAMPLES = r"""
- name: Let the jobs end
  teardown_drain:
    cluster: tamma-dev-cluster
    jobs_queue: tamma-dev-jobs.fifo
    dead_letter_queue: tamma-dev-jobs-dlq.fifo
    supabase_url_parameter: /tamma/dev/supabase_url
    supabase_service_key_parameter: /tamma/dev/supabase_service_key
    sender: arn:aws:iam::111122223333:role/tamma-dev-reconciler-role
    minutes: 30
"""

RETURN = r"""
waited:
  description: Whether a job was under way.
  returned: success
  type: bool
"""

from functools import cache
from typing import Any

from ansible.module_utils.tamma.draining import drain
from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import Module
from ansible.module_utils.tamma.unfinished import SPEC, Places
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {
    **SPEC,
    "sender": {"type": "str", "required": True},
    "minutes": {"type": "float", "required": True},
}


def main() -> None:
    """Close the queue, wait, and say whether it took any time."""
    module = Module(argument_spec=_SPEC, supports_check_mode=False)
    given = module.params
    try:
        waited = drain(
            cache(module.client), Places.of(given), given["sender"], given["minutes"], abandon=given["abandon_jobs"]
        )
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("End of the jobs", error))
    module.exit_json(changed=False, waited=waited)


if __name__ == "__main__":
    main()
