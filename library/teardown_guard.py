#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the reasons why a teardown must not begin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: teardown_guard
short_description: Say what speaks against a teardown
description:
  - Looks for what a teardown would destroy unasked, or would fail at half-way - things with a name of the stack and
    without its tags, things inside its VPC and cluster that nobody of the project made, objects in its buckets, jobs
    that are not over. Writes nothing and does not fail; the playbook decides what to do with the reasons.
options:
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  drain_jobs:
    description: Whether jobs that are not over will be waited for.
    type: bool
    default: false
  delete_objects:
    description: Whether the objects in the buckets may go.
    type: bool
    default: false
  adopt:
    description: Names of things that may go though they lack the tags of the stack.
    type: list
    elements: str
    default: []
  adopted:
    description: What was adopted, for example C(ECS service tamma-dev-audio-clean); a service goes with its cluster.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - tamma_resource.reader
  - tamma_resource.stack
  - tamma_resource.supabase
  - tamma_resource.places
"""

EXAMPLES = r"""
- name: Look for what speaks against it
  teardown_guard:
    names: {s3_bucket: [tamma-dev-raw]}
    marks: {Project: tamma, Environment: dev}
    vpc: tamma-dev-vpc
    cluster: tamma-dev-cluster
    jobs_queue: tamma-dev-jobs.fifo
    dead_letter_queue: tamma-dev-jobs-dlq.fifo
    supabase_url_parameter: /tamma/dev/supabase_url
    supabase_service_key_parameter: /tamma/dev/supabase_service_key
"""

RETURN = r"""
reasons:
  description: A sentence for each reason, with what a person can do.
  returned: success
  type: list
"""

from functools import cache
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.guard import Wish, reasons
from ansible.module_utils.tamma.module import Module
from ansible.module_utils.tamma.unfinished import SPEC, Places
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {
    "names": {"type": "dict", "required": True},
    "marks": {"type": "dict", "required": True},
    "vpc": {"type": "str", "required": True},
    **SPEC,
    "drain_jobs": {"type": "bool", "default": False},
    "delete_objects": {"type": "bool", "default": False},
    "adopt": {"type": "list", "elements": "str", "default": []},
    "adopted": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    """Look, and return the reasons."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    given = module.params
    wish = Wish(
        names=given["names"],
        marks=given["marks"],
        places=Places.of(given),
        vpc=given["vpc"],
        adopt=frozenset(given["adopt"]),
        adopted=frozenset(given["adopted"]),
        delete_objects=given["delete_objects"],
        abandon=given["abandon_jobs"],
        drain=given["drain_jobs"],
    )
    try:
        found = reasons(cache(module.client), wish)
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("Look before the teardown", error))
    module.exit_json(changed=False, reasons=found)


if __name__ == "__main__":
    main()
