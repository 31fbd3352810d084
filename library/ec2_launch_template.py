#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an EC2 launch template."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_launch_template
short_description: Manage an EC2 launch template
description:
  - Creates and deletes a launch template; when its default version differs, adds a version and makes that the default.
  - Keeps the last five versions.
options:
  name:
    description: Name of the launch template.
    type: str
    required: true
  image_id:
    description: Machine image, or C(resolve:ssm:) and the name of an SSM parameter that holds its id.
    type: str
  instance_type:
    description: Instance type.
    type: str
  instance_profile:
    description: Name of the instance profile.
    type: str
  vpc:
    description: Name of the VPC of the security groups. Needed with O(security_groups).
    type: str
  security_groups:
    description: Names of the security groups.
    type: list
    elements: str
  metadata_options:
    description: The instance metadata service.
    type: dict
    suboptions:
      http_endpoint:
        description: Whether it answers.
        type: str
        choices: [enabled, disabled]
      http_tokens:
        description: Whether a session token is required (IMDSv2).
        type: str
        choices: [optional, required]
      http_put_response_hop_limit:
        description: Network hops a token may take (1-64); 1 keeps it from containers behind a bridge.
        type: int
      instance_metadata_tags:
        description: Whether an instance can read its tags there.
        type: str
        choices: [enabled, disabled]
  block_device_mappings:
    description: The volumes.
    type: list
    elements: dict
    suboptions:
      device_name: {description: Name of the device., type: str, required: true}
      volume_size: {description: Size in GiB., type: int}
      volume_type: {description: Type of the volume., type: str}
      encrypted: {description: Whether it is encrypted., type: bool}
      delete_on_termination: {description: Whether it is deleted with the instance., type: bool}
      iops: {description: Operations a second., type: int}
      throughput: {description: Throughput in MiB a second., type: int}
  user_data:
    description: User data as plain text. It is no place for secrets; the diff shows it.
    type: str
  monitoring:
    description: Whether CloudWatch gets metrics each minute.
    type: bool
  other_settings:
    description:
      - What a version holds that this module has no option for, for example a key pair, in the words of EC2's API.
      - Only V({}) is possible; what is there is left out of the next version.
    type: dict
  instance_tags:
    description: Tags of the instances and of their volumes.
    type: dict
notes:
  - Exists because amazon.aws.ec2_launch_template adds a version on every run when metadata options are set.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the template of GPU instances exists
  ec2_launch_template:
    name: tamma-dev-gpu
    image_id: resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id
    instance_type: g4dn.xlarge
    metadata_options: {http_tokens: required}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The default version in the names of this module's options, with the template's C(id) and C(version).
  returned: success
  type: dict
"""

from functools import cached_property
from typing import Any, ClassVar

from ansible.module_utils.tamma import launch_data, tags
from ansible.module_utils.tamma.ec2 import SECURITY_GROUP, Vpc, filters, retag, specification
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.shapes import fit
from botocore.exceptions import ClientError

_KEPT = 5  # versions, so that a bad one can be rolled back by hand
_MISSING = ("InvalidLaunchTemplateName.NotFoundException", "InvalidLaunchTemplateId.NotFoundException")


class LaunchTemplate(Resource):
    """A launch template as its default version says it."""

    kind = "Launch template"
    spec: ClassVar = launch_data.SPEC
    controls: ClassVar = {"vpc": {"type": "str"}}
    computed = ("id", "version")

    @cached_property
    def vpc(self) -> Vpc | None:
        """The VPC of the security groups, when it was given."""
        return Vpc(self.client("ec2"), self.params["vpc"]) if self.params.get("vpc") else None

    def desired(self) -> State:
        """Return groups and volumes in order and tags as text."""
        state = super().desired()
        if "security_groups" in state:
            state["security_groups"] = sorted(set(state["security_groups"]))
        state.get("block_device_mappings", []).sort(key=lambda volume: volume["device_name"])
        if "instance_tags" in state:
            state["instance_tags"] = {str(key): str(value) for key, value in state["instance_tags"].items()}
        return state

    def check(self, desired: State) -> None:
        """Refuse names of groups without a VPC, and two volumes on one device."""
        if desired.get("other_settings"):
            raise RefusalError("other_settings can only be empty; leave the option out to keep what is there")
        if desired.get("security_groups") and self.vpc is None:
            raise RefusalError("security_groups are names within a VPC; give vpc too")
        devices = [volume["device_name"] for volume in desired.get("block_device_mappings", [])]
        if len(set(devices)) < len(devices):
            raise RefusalError("block_device_mappings names a device twice; keep one")

    def find(self) -> State | None:
        """Return the default version in normal form."""
        version = self._default()
        if version is None:
            return None
        template, state = version["LaunchTemplateId"], launch_data.from_aws(version["LaunchTemplateData"])
        if self.vpc:
            state["security_groups"] = self.vpc.to_names(SECURITY_GROUP, state["security_groups"])
        # ministack 1.5.33 describes a template with tags that were removed meanwhile; DescribeTags is right everywhere.
        pages = self.client("ec2").get_paginator("describe_tags").paginate(Filters=filters({"resource-id": [template]}))
        named = tags.to_dict(pages.build_full_result()["Tags"])
        return {"id": template, "version": version["VersionNumber"], **state, "tags": named}

    def create(self, desired: State) -> None:
        """Create the template with its first version."""
        self.client("ec2").create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData=self._data({}, desired),
            **specification("launch-template", desired.get("tags", {})),
        )

    def update(self, current: State, changes: State) -> None:
        """Add a version, make it the default and delete the oldest ones; or only change the tags."""
        ec2, template = self.client("ec2"), current["id"]
        if "tags" in changes:
            retag(ec2, [template], current["tags"], changes["tags"])
        if not changes.keys() - {"tags"}:
            return
        version = self._version_with(changes, current)
        ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(version))
        self._prune(template)

    def delete(self, current: State) -> None:
        """Delete the template with all its versions."""
        self.client("ec2").delete_launch_template(LaunchTemplateId=current["id"])

    def _default(self) -> dict[str, Any] | None:
        wanted = {"LaunchTemplateName": self.name, "Versions": ["$Default"]}
        try:
            found: list[dict[str, Any]] = self.client("ec2").describe_launch_template_versions(**wanted)[
                "LaunchTemplateVersions"
            ]
        except ClientError as error:
            if is_code(error, *_MISSING):
                return None
            raise
        return found[0] if found else None

    def _version_with(self, changes: State, current: State) -> int:
        """Return the number of a version with these changes: a new one, or the one that a killed run had just added."""
        ec2, template, default = self.client("ec2"), current["id"], current["version"]
        answer = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default", "$Latest"])
        found = {item["VersionNumber"]: item["LaunchTemplateData"] for item in answer["LaunchTemplateVersions"]}
        data, latest = self._data(found.get(default, {}), changes), max(found, default=default)
        if latest != default and self._data(found[latest], {}) == data:
            return int(latest)
        made = ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
        return int(made["LaunchTemplateVersion"]["VersionNumber"])

    def _data(self, old: dict[str, Any], state: State) -> dict[str, Any]:
        """Lay our properties over a version as AWS described it, which holds more than a request may."""
        model = self.client("ec2").meta.service_model.operation_model("CreateLaunchTemplate").input_shape
        request = fit(old, model.members["LaunchTemplateData"], "LaunchTemplateData", drop_unknown=True)
        if self.vpc and "security_groups" in state:
            ids = [self.vpc.to_id(SECURITY_GROUP, name) for name in state["security_groups"]]
            state = {**state, "security_groups": ids}
        return launch_data.to_aws(request, state)

    def _prune(self, template: str) -> None:
        ec2 = self.client("ec2")
        pages = ec2.get_paginator("describe_launch_template_versions").paginate(LaunchTemplateId=template)
        numbers = sorted(item["VersionNumber"] for item in pages.build_full_result()["LaunchTemplateVersions"])
        old = [str(number) for number in numbers[:-_KEPT]]
        if not old:
            return
        try:
            ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=old)
        except ClientError as error:
            if not is_code(error, "InvalidAction"):  # ministack 1.5.33 has no such call; old versions do no harm
                raise


def main() -> None:
    """Run the module."""
    run(LaunchTemplate)


if __name__ == "__main__":
    main()
