#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the refusal to take over what somebody else made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_guard
short_description: Refuse to take over what has a name of the stack and not its tags
description:
  - Looks for things that have a name of the stack and were made by something else, and fails with a sentence for each.
    Writes nothing.
  - AWS's index of tags (Resource Groups Tagging API) is asked first; what it does not know is looked for by name.
  - A thing is the stack's own when its tag C(ManagedBy) is that of the stack and no tag C(Project) names another one.
    Other tags may be missing, which is drift. A layer, which cannot have tags, is known by its description.
options:
  adopted:
    description: What may be taken over, as the refusal calls it, for example C(S3 bucket tamma-dev-raw).
    type: list
    elements: str
    default: []
extends_documentation_fragment: [tamma_resource.reader, tamma_resource.stack]
"""

EXAMPLES = r"""
- name: Refuse what somebody else made
  stack_guard:
    names:
      s3_bucket: [tamma-dev-raw, tamma-dev-derived]
      sqs_queue: [tamma-dev-jobs.fifo]
    marks: {Project: tamma, Environment: dev, ManagedBy: ansible}
"""

RETURN = r"""
strangers:
  description: What was made by something else, for example C(S3 bucket tamma-dev-raw).
  returned: always
  type: list
"""

from functools import cache
from typing import Any

from ansible.module_utils.tamma.collisions import label, made_by_others
from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import Module
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {
    "names": {"type": "dict", "required": True},
    "marks": {"type": "dict", "required": True},
    "adopted": {"type": "list", "elements": "str", "default": []},
}
_STEP = "Take it over with playbooks/adopt.yml, or rename it, or choose another naming_project or naming_environment"


def main() -> None:
    """Look, and fail when there is something."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    given, connect = module.params, cache(module.client)
    try:
        found = made_by_others(connect, given["names"], given["marks"], given["adopted"])
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("Look before the run", error), strangers=[])
    if found:
        said = [f"{thing} has a name of this stack and not its tags: something else made it." for thing in found]
        module.fail_json(msg=" ".join([*said, f"{_STEP}."]), strangers=[label(thing) for thing in found])
    module.exit_json(changed=False, strangers=[])


if __name__ == "__main__":
    main()
