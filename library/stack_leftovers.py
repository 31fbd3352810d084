#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the proof that nothing of a stack is left in an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_leftovers
short_description: Fail when anything of a stack is left in the account
description:
  - Lists what every service of the stack holds, by calls of its own, and fails with a sentence for each thing that has
    a name or the tags of the stack. Also asks AWS's index of tags (Resource Groups Tagging API). Writes nothing.
  - Where that index still knows what its own service no longer lists, the service is believed.
extends_documentation_fragment: [tamma_resource.reader, tamma_resource.stack]
notes:
  - IAM roles and users are known by their names alone, because IAM lists no tags of them.
"""

EXAMPLES = r"""
- name: Prove that nothing is left
  stack_leftovers:
    names:
      s3_bucket: [tamma-dev-raw, tamma-dev-derived]
      sqs_queue: [tamma-dev-jobs.fifo]
    marks: {Project: tamma, Environment: dev}
"""

RETURN = r"""
left:
  description: A sentence for each thing that is left.
  returned: always
  type: list
"""

from functools import cache
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.leftovers import left
from ansible.module_utils.tamma.module import Module
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {"names": {"type": "dict", "required": True}, "marks": {"type": "dict", "required": True}}


def main() -> None:
    """Look everywhere, and fail when there is something."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    try:
        found = left(cache(module.client), module.params["names"], module.params["marks"])
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("Inventory after the teardown", error), left=[])
    if found:
        step = "Run the teardown again; what is left then was not made by this project: remove it."
        module.fail_json(msg=" ".join([*found, step]), left=found)
    module.exit_json(changed=False, left=[])


if __name__ == "__main__":
    main()
