#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an ECR repository."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_repository
short_description: Manage an ECR repository
description:
  - Creates, updates and deletes a private image repository with its lifecycle and access policy.
options:
  name:
    description: Name of the repository.
    type: str
    required: true
  image_tag_mutability:
    description: Whether a tag can be moved to another image.
    type: str
    choices: [MUTABLE, IMMUTABLE]
  scan_on_push:
    description: Whether an image is scanned when it is pushed.
    type: bool
  encryption_type:
    description: How images are encrypted at rest. Cannot be changed later.
    type: str
    choices: [AES256, KMS]
  lifecycle_policy:
    description: The whole lifecycle policy, with C(rules); V({}) removes it.
    type: dict
  policy:
    description: The whole access policy; V({}) removes it.
    type: dict
  force_delete:
    description: Whether O(state=absent) deletes the images too.
    type: bool
    default: false
notes:
  - Exists because community.aws.ecs_ecr fails in check mode on an empty account, cannot declare AES256 and has no tags.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the repository for worker images exists
  ecr_repository:
    name: tamma-dev-audio-clean
    image_tag_mutability: IMMUTABLE
    scan_on_push: true
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The repository in the names of this module's options, with its C(arn) and C(uri).
  returned: success
  type: dict
"""

import json
import re
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wording import size_of
from botocore.exceptions import ClientError

_NUMBERS = ("rulePriority", "countNumber")


class Repository(Resource):
    """A private ECR repository; a policy that does not exist is an empty dict."""

    kind = "ECR repository"
    spec: ClassVar = {
        "image_tag_mutability": {"type": "str", "choices": ["MUTABLE", "IMMUTABLE"]},
        "scan_on_push": {"type": "bool"},
        "encryption_type": {"type": "str", "choices": ["AES256", "KMS"]},
        "lifecycle_policy": {"type": "dict"},
        "policy": {"type": "dict"},
    }
    controls: ClassVar = {"force_delete": {"type": "bool", "default": False}}
    immutable: ClassVar = {"encryption_type": "delete the repository and its images first, or use another name"}
    computed = ("arn", "uri")

    def desired(self) -> State:
        """Return the given properties, policies in the form in which they are read."""
        state = super().desired()
        if "lifecycle_policy" in state:
            state["lifecycle_policy"] = _lifecycle(state["lifecycle_policy"])
        if "policy" in state:
            state["policy"] = (canonical(state["policy"]) or {}) if state["policy"] else {}
        return state

    def check(self, desired: State) -> None:
        """Refuse bad names and lifecycle rules without a priority of their own, as AWS does."""
        if not re.fullmatch(r"(?=.{2,256}$)[a-z0-9]+([._/-][a-z0-9]+|__[a-z0-9]+)*", self.name):
            raise RefusalError(
                "a repository's name has 2-256 of a-z 0-9 and single . _ / - between them; choose another one"
            )
        priorities = [rule.get("rulePriority") for rule in desired.get("lifecycle_policy", {}).get("rules", [])]
        if None in priorities or len(set(priorities)) < len(priorities):
            raise RefusalError("two rules of lifecycle_policy have no rulePriority of their own; number them")

    def find(self) -> State | None:
        """Return the repository in normal form."""
        ecr = self.client("ecr")
        try:
            found = ecr.describe_repositories(repositoryNames=[self.name])["repositories"][0]
        except ClientError as error:
            if is_code(error, "RepositoryNotFoundException"):
                return None
            raise
        if self.params["state"] == "absent":
            return {"arn": found["repositoryArn"], "holds": self._images()}
        lifecycle = self._optional("get_lifecycle_policy", "lifecyclePolicyText", "LifecyclePolicyNotFoundException")
        access = self._optional("get_repository_policy", "policyText", "RepositoryPolicyNotFoundException")
        labels = ecr.list_tags_for_resource(resourceArn=found["repositoryArn"]).get("tags")
        return {
            "image_tag_mutability": found["imageTagMutability"],
            "scan_on_push": found.get("imageScanningConfiguration", {}).get("scanOnPush", False),
            "encryption_type": found.get("encryptionConfiguration", {}).get("encryptionType", "AES256"),
            "lifecycle_policy": _lifecycle(json.loads(lifecycle)) if lifecycle else {},
            "policy": canonical(access) or {},
            "tags": tags.to_dict(labels),
            "arn": found["repositoryArn"],
            "uri": found["repositoryUri"],
        }

    def create(self, desired: State) -> None:
        """Create the repository, then its policies."""
        settings: dict[str, Any] = {"tags": tags.to_pairs(desired.get("tags"))}
        if "image_tag_mutability" in desired:
            settings["imageTagMutability"] = desired["image_tag_mutability"]
        if "scan_on_push" in desired:
            settings["imageScanningConfiguration"] = {"scanOnPush": desired["scan_on_push"]}
        if "encryption_type" in desired:
            settings["encryptionConfiguration"] = {"encryptionType": desired["encryption_type"]}
        self.client("ecr").create_repository(repositoryName=self.name, **settings)
        self._put_policies({name: value for name, value in desired.items() if value})

    def update(self, current: State, changes: State) -> None:
        """Change settings, policies and tags."""
        ecr = self.client("ecr")
        if "image_tag_mutability" in changes:
            ecr.put_image_tag_mutability(repositoryName=self.name, imageTagMutability=changes["image_tag_mutability"])
        if "scan_on_push" in changes:
            scanning = {"scanOnPush": changes["scan_on_push"]}
            ecr.put_image_scanning_configuration(repositoryName=self.name, imageScanningConfiguration=scanning)
        self._put_policies(changes)
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                ecr.tag_resource(resourceArn=current["arn"], tags=tags.to_pairs(wanted))
            if gone:
                ecr.untag_resource(resourceArn=current["arn"], tagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the repository; one with images is refused unless force_delete is set."""
        del current
        try:
            self.client("ecr").delete_repository(repositoryName=self.name, force=self.params["force_delete"])
        except ClientError as error:
            if is_code(error, "RepositoryNotEmptyException"):
                raise RefusalError("it still holds images; set force_delete: true to delete them with it") from error
            raise

    def _images(self) -> str:
        pages = self.client("ecr").get_paginator("describe_images").paginate(repositoryName=self.name)
        sizes = [int(image.get("imageSizeInBytes", 0)) for page in pages for image in page["imageDetails"]]
        return f"{len(sizes)} image{'' if len(sizes) == 1 else 's'}, {size_of(sum(sizes))}" if sizes else ""

    def _put_policies(self, changes: State) -> None:
        ecr, name = self.client("ecr"), self.name
        if lifecycle := changes.get("lifecycle_policy"):
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(lifecycle))
        elif "lifecycle_policy" in changes:
            ecr.delete_lifecycle_policy(repositoryName=name)
        if access := changes.get("policy"):
            ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(access))
        elif "policy" in changes:
            ecr.delete_repository_policy(repositoryName=name)

    def _optional(self, operation: str, member: str, missing: str) -> str | None:
        try:
            return str(getattr(self.client("ecr"), operation)(repositoryName=self.name)[member])
        except ClientError as error:
            if is_code(error, missing):
                return None
            raise


def _lifecycle(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with numbers as numbers (a template gives text), tag lists sorted and rules by priority."""
    if not policy:
        return {}
    rules = [_numbered(rule) for rule in policy.get("rules", [])]
    return {**policy, "rules": sorted(rules, key=lambda rule: rule.get("rulePriority", 0))}


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: int(item) if name in _NUMBERS else _numbered(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, list) else value


def main() -> None:
    """Run the module."""
    run(Repository)


if __name__ == "__main__":
    main()
