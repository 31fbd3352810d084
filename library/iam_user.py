#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an IAM user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_user
short_description: Manage an IAM user
description:
  - Creates, updates and deletes a user with all of its policies, its groups and its limits. Access keys are not
    managed.
  - Deletion also deletes access keys, the console password, MFA devices, SSH keys, service-specific credentials and
    signing certificates.
options:
  name:
    description: Name of the user.
    type: str
    required: true
  managed_policies:
    description: ARNs of all managed policies; others are detached. V([]) detaches all.
    type: list
    elements: str
  inline_policies:
    description: All inline policies by name; others are deleted. V({}) deletes all.
    type: dict
  permissions_boundary:
    description: ARN of the policy that limits what the user can be granted; an empty string for none.
    type: str
  groups:
    description: Names of all groups; the user is taken out of others, whose rights it would have. V([]) for none.
    type: list
    elements: str
  login_profile:
    description:
      - Whether the user may sign in to the console. V(false) removes a password.
      - V(true) is refused, because this module keeps no passwords; leave the option out.
    type: bool
notes:
  - Exists because amazon.aws.iam_user shows no diff and sees neither inline policies nor groups.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the user that signs uploads exists
  iam_user:
    name: tamma-presign
    managed_policies: ["arn:aws:iam::111122223333:policy/tamma-dev-presign"]
    inline_policies: {}
    groups: []
    login_profile: false
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The user in the names of this module's options, as far as they are managed, with its C(arn).
  returned: success
  type: dict
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.iam import GRANTS, Principal
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import retry_on
from botocore.exceptions import ClientError

_GROUP = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)  # CreateGroup in IAM's API reference
_MOST_GROUPS = 10  # "IAM and AWS STS quotas", groups of an IAM user; cannot be raised
# What must be gone before DeleteUser: the list call, the key in its answer, the id, the call that removes one.
_CREDENTIALS = (
    ("list_access_keys", "AccessKeyMetadata", "AccessKeyId", "delete_access_key"),
    ("list_signing_certificates", "Certificates", "CertificateId", "delete_signing_certificate"),
    ("list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId", "delete_ssh_public_key"),
    (
        "list_service_specific_credentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
        "delete_service_specific_credential",
    ),
    ("list_mfa_devices", "MFADevices", "SerialNumber", "deactivate_mfa_device"),
)


class User(Principal):
    """A user; whether it may sign in to the console is `login_profile`."""

    kind = "IAM user"
    who = "user"
    inline_limit = 2048  # "IAM and AWS STS quotas", IAM user inline policies in total
    spec: ClassVar = {
        **GRANTS,
        "groups": {"type": "list", "elements": "str"},
        "login_profile": {"type": "bool"},
    }

    def desired(self) -> State:
        """Return the given properties, groups sorted."""
        state = super().desired()
        if "groups" in state:
            state["groups"] = sorted(set(state["groups"]))
        return state

    def check(self, desired: State) -> None:
        """Refuse also bad or too many groups, and a password, which would have to be kept somewhere."""
        super().check(desired)
        for group in desired.get("groups", []):
            if not _GROUP.fullmatch(group):
                raise RefusalError(f"the group's name {group} is not 1-128 of A-Z a-z 0-9 + = , . @ _ -; correct it")
        if len(desired.get("groups", [])) > _MOST_GROUPS:
            raise RefusalError(f"a user is in at most {_MOST_GROUPS} groups; drop some, or use managed policies")
        if desired.get("login_profile"):
            raise RefusalError("login_profile: true needs a password, which this module keeps none of; leave it out")

    def properties(self, found: Mapping[str, Any]) -> State:
        """Return, before a deletion, the access keys: all that is managed takes calls of its own."""
        del found
        if self.params["state"] != "absent":
            return {}
        count = len(self.listed("list_access_keys", "AccessKeyMetadata"))
        return {"holds": f"{count} access key{'' if count == 1 else 's'}" if count else ""}

    def readers(self) -> dict[str, Callable[[], Any]]:
        """Return also how groups and the password are read."""
        return {**super().readers(), "groups": self._groups, "login_profile": self._may_sign_in}

    def create(self, desired: State) -> None:
        """Create the user, grant, and put it into its groups."""
        self.create_with(desired)
        self._join({}, desired)

    def update(self, current: State, changes: State) -> None:
        """Change what differs: what is too much goes before anything is granted."""
        self.bound(changes)
        if changes.get("login_profile") is False:
            self._forbid_sign_in()
        self._leave(current, changes)
        self.grant(current, changes)
        self._join(current, changes)
        self.retag(current, changes)

    def delete(self, current: State) -> None:
        """Delete every way to act as the user, then its rights, then the user."""
        if current["login_profile"]:
            self._forbid_sign_in()
        for listing, key, member, remove in _CREDENTIALS:
            for item in self._credentials(listing, key):
                self.drop(remove, **{member: item[member]})
                if listing == "list_mfa_devices" and ":mfa/" in item[member]:
                    # A virtual device outlives its user; hardware is known by a bare number.
                    self.client("iam").delete_virtual_mfa_device(SerialNumber=item[member])
        self._leave(current, {"groups": []})
        self.revoke(current)
        self.destroy()

    def _groups(self) -> list[str]:
        return sorted(item["GroupName"] for item in self.listed("list_groups_for_{}", "Groups"))

    def _may_sign_in(self) -> bool:
        try:
            self.client("iam").get_login_profile(UserName=self.name)
        except ClientError as error:
            if is_code(error, "NoSuchEntity"):
                return False
            raise
        return True

    def _forbid_sign_in(self) -> None:
        # A password that was just set cannot be deleted for some seconds.
        retry_on(lambda: self.drop("delete_login_profile"), "EntityTemporarilyUnmodifiable")

    def _leave(self, current: State, changes: State) -> None:
        if "groups" in changes:
            for group in sorted(set(current["groups"]) - set(changes["groups"])):
                self.drop("remove_{}_from_group", GroupName=group)

    def _join(self, current: State, changes: State) -> None:
        for group in sorted(set(changes.get("groups", [])) - set(current.get("groups", []))):
            try:
                self.write("add_{}_to_group", GroupName=group)
            except ClientError as error:
                if is_code(error, "NoSuchEntity"):
                    raise RefusalError(f"there is no group {group}; create it first, or correct groups") from error
                raise

    def _credentials(self, listing: str, key: str) -> list[dict[str, Any]]:
        iam = self.client("iam")
        try:
            if iam.can_paginate(listing):
                return self.listed(listing, key)
            found: list[dict[str, Any]] = getattr(iam, listing)(UserName=self.name)[key]
        except ClientError as error:
            if is_code(error, "InvalidAction"):
                return []  # an endpoint that does not know this kind of credential holds none of it
            raise
        return found


def main() -> None:
    """Run the module."""
    run(User)


if __name__ == "__main__":
    main()
