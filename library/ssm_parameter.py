#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an SSM parameter."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_parameter
short_description: Manage a parameter of the SSM Parameter Store
description:
  - Creates, updates and deletes a parameter. A secret is compared after decryption.
options:
  name:
    description: Name of the parameter, usually a path such as C(/tamma/dev/supabase_url).
    type: str
    required: true
  type:
    description:
      - Type of the parameter. Needed when O(state=present).
      - AWS cannot change a type. The parameter is replaced, with its value, which is an option; old versions are lost.
    type: str
    choices: [String, SecureString, StringList]
  value:
    description: The value. Needed when O(state=present). Never shown, whatever the type.
    type: str
  tier:
    description: Storage tier. AWS can raise V(Standard) to V(Advanced); the other way the parameter is replaced.
    type: str
    choices: [Standard, Advanced]
  key_id:
    description: KMS key of a V(SecureString) as AWS shows it (C(alias/aws/ssm) is the account's own).
    type: str
  description:
    description: What the parameter is for.
    type: str
notes:
  - Exists because community.aws.ssm_parameter ignores a changed tier or key.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the parameter with the Supabase URL exists
  ssm_parameter:
    name: /tamma/dev/supabase_url
    type: String
    value: https://example.supabase.co
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The parameter in the names of this module's options, without its value, with its C(arn) and C(version).
  returned: success
  type: dict
"""

import re
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from botocore.exceptions import ClientError

_MOST_BYTES = {"Standard": 4_096, "Advanced": 8_192}
_MEMBERS = {"type": "Type", "value": "Value", "tier": "Tier", "key_id": "KeyId", "description": "Description"}


class Parameter(Resource):
    """An SSM parameter; `key_id` is None for what is not encrypted."""

    kind = "SSM parameter"
    spec: ClassVar = {
        "type": {"type": "str", "choices": ["String", "SecureString", "StringList"]},
        "value": {"type": "str", "no_log": True},
        "tier": {"type": "str", "choices": ["Standard", "Advanced"]},
        "key_id": {"type": "str", "no_log": False},
        "description": {"type": "str"},
    }
    needed = ("type", "value")
    computed = ("arn", "version")
    renewed = ("version",)
    hidden = frozenset({"value"})

    def check(self, desired: State) -> None:
        """Refuse reserved names, values that do not fit the tier, and a key for what is not encrypted."""
        if re.match(r"/?(aws|ssm)", self.name.lower()):
            raise RefusalError("a name that begins with aws or ssm is reserved; choose another one")
        size, most = len(desired["value"].encode()), _MOST_BYTES[desired.get("tier", "Standard")]
        if not 1 <= size <= most:
            raise RefusalError(f"the value has {size} bytes and the tier takes 1 to {most}; set tier, or shorten it")
        if desired.get("key_id") and desired["type"] != "SecureString":
            raise RefusalError("key_id is for type SecureString; leave it out, or change the type")

    def find(self) -> State | None:
        """Return the parameter in normal form, decrypted."""
        ssm = self.client("ssm")
        try:
            value = ssm.get_parameter(Name=self.name, WithDecryption=True)["Parameter"]
        except ClientError as error:
            if is_code(error, "ParameterNotFound"):
                return None
            raise
        only = [{"Key": "Name", "Option": "Equals", "Values": [self.name]}]
        pages = ssm.get_paginator("describe_parameters").paginate(ParameterFilters=only)
        about: dict[str, Any] = next((found for page in pages for found in page["Parameters"]), {})
        labels = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=self.name).get("TagList")
        secret = value["Type"] == "SecureString"
        return {
            "type": value["Type"],
            "value": value["Value"],
            "tier": about.get("Tier", "Standard"),
            "key_id": about.get("KeyId", "alias/aws/ssm") if secret else None,
            "description": about.get("Description", ""),
            "tags": tags.to_dict(labels),
            "arn": value["ARN"],
            "version": value["Version"],
        }

    def create(self, desired: State) -> None:
        """Create the parameter."""
        self.client("ssm").put_parameter(Name=self.name, Tags=tags.to_pairs(desired.get("tags")), **_to_aws(desired))

    def update(self, current: State, changes: State) -> None:
        """Write a new version when anything but tags changes; what is not managed is written as it was."""
        ssm = self.client("ssm")
        if "type" in changes or (current["tier"], changes.get("tier")) == ("Advanced", "Standard"):
            kept = {**current, **changes}
            # AWS's own key, which only secrets have, comes with the type.
            kept["key_id"] = kept["key_id"] if kept["type"] == "SecureString" else None
            self.delete(current)
            self.create(kept)
            return
        if set(changes) - {"tags"}:
            ssm.put_parameter(Name=self.name, Overwrite=True, **_to_aws({**current, **changes}))
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=self.name, Tags=tags.to_pairs(wanted))
            if gone:
                ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=self.name, TagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the parameter."""
        del current
        self.client("ssm").delete_parameter(Name=self.name)


def _to_aws(state: State) -> dict[str, Any]:
    return {theirs: state[ours] for ours, theirs in _MEMBERS.items() if state.get(ours) is not None}


def main() -> None:
    """Run the module."""
    run(Parameter)


if __name__ == "__main__":
    main()
