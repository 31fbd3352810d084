#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an IAM role."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_role
short_description: Manage an IAM role
description:
  - Creates, updates and deletes a role with who may take it, all of its policies and its limits.
  - Deletion also takes the role out of instance profiles.
options:
  name:
    description: Name of the role.
    type: str
    required: true
  path:
    description: Path of the role, for example V(/service/). It cannot be changed.
    type: str
  description:
    description: What the role is for; an empty string for none.
    type: str
  assume_role_policy:
    description: The whole trust policy, which says who may take the role. Needed when O(state=present).
    type: dict
  managed_policies:
    description: ARNs of all managed policies; others are detached. V([]) detaches all.
    type: list
    elements: str
  inline_policies:
    description: All inline policies by name; others are deleted. V({}) deletes all.
    type: dict
  max_session_duration:
    description: Seconds for which the role can be taken at once (3600-43200).
    type: int
  permissions_boundary:
    description: ARN of the policy that limits what the role can be granted; an empty string for none.
    type: str
notes:
  - Exists because amazon.aws.iam_role shows no diff and does not see inline policies.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the role of the dispatcher exists
  iam_role:
    name: tamma-dev-dispatcher-role
    description: Starts a task for each job
    assume_role_policy:
      Version: "2012-10-17"
      Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
    managed_policies: ["arn:aws:iam::111122223333:policy/tamma-dev-dispatcher"]
    inline_policies: {}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The role in the names of this module's options, as far as they are managed, with its C(arn).
  returned: success
  type: dict
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.iam import GRANTS, Principal, document, size_of, text_of
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import run

# Pattern and length of CreateRole's Path and Description in IAM's API reference, and its limits of the session.
_PATH = re.compile(r"/|/[!-~]{1,510}/")
_DESCRIPTION = re.compile(r"[\t\n\r -~\u00a1-\u00ff]{0,1000}")
_LEAST_SESSION, _LONGEST_SESSION = 3600, 43_200
_LONGEST_TRUST = 2048  # characters without white space: "IAM and AWS STS quotas", unless AWS raised it


class Role(Principal):
    """A role; its trust policy, description and session length are in the one answer of GetRole."""

    kind = "IAM role"
    who = "role"
    inline_limit = 10_240  # "IAM and AWS STS quotas", IAM role inline policies in total
    spec: ClassVar = {
        "path": {"type": "str"},
        "description": {"type": "str"},
        "assume_role_policy": {"type": "dict"},
        **GRANTS,
        "max_session_duration": {"type": "int"},
    }
    needed = ("assume_role_policy",)
    immutable: ClassVar = {"path": "run with state: absent first, which also takes the role out of instance profiles"}

    def desired(self) -> State:
        """Return the given properties, the trust policy canonical."""
        state = super().desired()
        state["assume_role_policy"] = document(state["assume_role_policy"], "assume_role_policy")
        return state

    def check(self, desired: State) -> None:
        """Refuse also bad paths and descriptions, sessions out of range, and a trust policy that trusts nobody."""
        super().check(desired)
        if not _PATH.fullmatch(desired.get("path", "/")):
            raise RefusalError(f"the path {desired['path']} does not begin and end with /; write it like /service/")
        if not _DESCRIPTION.fullmatch(desired.get("description", "")):
            raise RefusalError("a description has at most 1000 characters, all of them Latin-1; write another one")
        seconds = desired.get("max_session_duration", _LEAST_SESSION)
        if not _LEAST_SESSION <= seconds <= _LONGEST_SESSION:
            raise RefusalError(f"max_session_duration is {seconds}; choose {_LEAST_SESSION} to {_LONGEST_SESSION}")
        trust = desired["assume_role_policy"]
        if not all("Principal" in statement for statement in trust["Statement"]):
            raise RefusalError("a statement of assume_role_policy has no Principal; say who may take the role")
        if any({"Resource", "NotResource"} & set(statement) for statement in trust["Statement"]):
            raise RefusalError("a statement of assume_role_policy has a Resource, which is always the role; drop it")
        if size_of(trust) > _LONGEST_TRUST:
            raise RefusalError(
                f"assume_role_policy has at most {_LONGEST_TRUST} characters and this has {size_of(trust)}; shorten it"
            )

    def properties(self, found: Mapping[str, Any]) -> State:
        """Return what GetRole says."""
        return {
            "path": found["Path"],
            "description": found.get("Description", ""),
            "assume_role_policy": canonical(found.get("AssumeRolePolicyDocument")),
            "max_session_duration": found.get("MaxSessionDuration", _LEAST_SESSION),
        }

    def create(self, desired: State) -> None:
        """Create the role as it shall be, then grant."""
        members = {"path": "Path", "description": "Description", "max_session_duration": "MaxSessionDuration"}
        request = {theirs: desired[ours] for ours, theirs in members.items() if ours in desired}
        self.create_with(desired, **request, AssumeRolePolicyDocument=text_of(desired["assume_role_policy"]))

    def update(self, current: State, changes: State) -> None:
        """Change what differs: limits and trust come before grants."""
        self.bound(changes)
        if "assume_role_policy" in changes:
            self.write("update_assume_{}_policy", PolicyDocument=text_of(changes["assume_role_policy"]))
        self.grant(current, changes)
        if {"description", "max_session_duration"} & set(changes):
            # Both always: UpdateRole sets a session length that is not given back to one hour, as IAM documents.
            both = {**current, **changes}
            self.write("update_{}", Description=both["description"], MaxSessionDuration=both["max_session_duration"])
        self.retag(current, changes)

    def delete(self, current: State) -> None:
        """Take the role's rights away, take it out of instance profiles, and delete it."""
        self.revoke(current)
        for profile in self.listed("list_instance_profiles_for_{}", "InstanceProfiles"):
            self.drop("remove_{}_from_instance_profile", InstanceProfileName=profile["InstanceProfileName"])
        self.destroy()


def main() -> None:
    """Run the module."""
    run(Role)


if __name__ == "__main__":
    main()
