#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: what of a stack that something else made can be taken over."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adoption_info
short_description: Recognise a stack that something else made
description:
  - Looks for a stack of the same kind that was made in another way, for example by Terraform, and says what can be
    taken over and under which names, what is replaced and why, and what is left alone. Writes nothing.
  - The parts of the VPC are recognised by where they stand - a subnet with a way to an internet gateway is public - and
    keep the names that they have.
options:
  defaults:
    description: The names that can be mapped, as they are without an adoption, by keys of C(naming_adopted_names).
    type: dict
    required: true
  old_names:
    description: What else they may be called, by the same keys.
    type: dict
    default: {}
  adopted:
    description: What an earlier adoption has taken over.
    type: list
    elements: str
    default: []
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  cluster:
    description: Name of the ECS cluster.
    type: str
    required: true
  worker_group:
    description: Name of the workers' security group.
    type: str
    required: true
  gpu_group:
    description: Name of the Auto Scaling group of GPU instances.
    type: str
    required: true
  queues:
    description: Names of the FIFO queues, which may be there as standard ones.
    type: list
    elements: str
    required: true
  parameter_path:
    description: Path of the SSM parameters.
    type: str
    required: true
  url_parameter:
    description: Name of the SSM parameter with the address of the job table, whose type is kept.
    type: str
    required: true
extends_documentation_fragment: [tamma_resource.reader, tamma_resource.stack]
"""

EXAMPLES = r"""
- name: Recognise the stack
  adoption_info:
    names: {s3_bucket: [tamma-dev-raw, tamma-dev-derived]}
    marks: {Project: tamma, Environment: dev, ManagedBy: ansible}
    defaults: {task_log_group: /ecs/tamma-dev-audio-clean}
    old_names: {task_log_group: /ecs/audio-clean}
    vpc: tamma-dev-vpc
    cluster: tamma-dev-cluster
    worker_group: tamma-dev-worker-sg
    gpu_group: tamma-dev-gpu-asg
    queues: [tamma-dev-jobs.fifo, tamma-dev-jobs-dlq.fifo]
    parameter_path: /tamma/dev
    url_parameter: /tamma/dev/supabase_url
"""

RETURN = r"""
variables:
  description: Variables for the inventory, C(naming_adopted_names) and C(naming_adopted_resources) among them.
  returned: success
  type: dict
replaced:
  description: A sentence for each thing that something new takes the place of.
  returned: success
  type: list
  elements: str
left:
  description: A sentence for each thing that is not touched.
  returned: success
  type: list
  elements: str
report:
  description: All of it as a page of text.
  returned: success
  type: list
  elements: str
"""

from functools import cache
from typing import Any

from ansible.module_utils.tamma.adoption import Wish, lines, survey
from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import Module
from botocore.exceptions import BotoCoreError, ClientError

_NAME = {"type": "str", "required": True}
_SPEC: dict[str, Any] = {
    **{option: {"type": "dict", "required": True} for option in ("names", "marks", "defaults")},
    "old_names": {"type": "dict", "default": {}},
    "adopted": {"type": "list", "elements": "str", "default": []},
    **dict.fromkeys(("vpc", "cluster", "worker_group", "gpu_group", "parameter_path", "url_parameter"), _NAME),
    "queues": {"type": "list", "elements": "str", "required": True},
}


def main() -> None:
    """Look, and tell."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    given = {option: module.params[option] for option in _SPEC}
    wish = Wish(**{**given, "adopted": frozenset(given["adopted"]), "queues": tuple(given["queues"])})
    try:
        found = survey(cache(module.client), wish)
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("Adoption", error))
    module.exit_json(
        changed=False,
        variables=found.variables,
        replaced=found.replaced,
        left=found.left,
        report=list(lines(found, wish.vpc.removesuffix("-vpc"))),
    )


if __name__ == "__main__":
    main()
