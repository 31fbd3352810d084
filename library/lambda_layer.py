#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a Lambda layer of locked Python packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_layer
short_description: Publish a Lambda layer of locked Python packages
description:
  - Publishes a new version of a layer when the lock file, the Python version or the architecture differ from what the
    latest version was built of, and removes old versions. Packages are downloaded only then, never in check mode.
  - What a version was built of is a SHA-256 in its description.
options:
  name:
    description: Name of the layer.
    type: str
    required: true
  requirements:
    description: Path of a complete requirements file with hashes. Needed when O(state=present).
    type: path
  python_version:
    description: Python version of the functions, 3.12 or newer.
    type: str
    default: '3.13'
  architecture:
    description: Instruction set of the functions.
    type: str
    choices: [x86_64, arm64]
    default: x86_64
  keep_versions:
    description: How many of the newest versions stay when a new one is published.
    type: int
    default: 3
  policy:
    description: Who else may use the latest version. Only V({}) is possible; what is there is removed.
    type: dict
notes:
  - Exists because amazon.aws.lambda_layer publishes a new version on every run.
  - AWS has no tags for layers.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Ensure the packages of the functions are published
  lambda_layer:
    name: tamma-dev-python
    requirements: files/lambda/requirements.txt
  register: layer
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description:
    - The latest version, with C(layer_version_arn), C(version) and C(content_hash). The first two are
      C((known after apply)) in check mode when a version would be published.
  returned: success
  type: dict
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.tamma.archive import build_layer, layer_hash
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import Resource, run
from botocore.exceptions import ClientError

_OLDEST_MINOR = 12  # older runtimes are on Amazon Linux 2, whose glibc cannot load manylinux_2_28
_MOST_BYTES = 50 * 1024 * 1024  # of a zip that is uploaded in the request
_MARK = "sha256:"


class Layer(Resource):
    """The latest version of a layer, known by what it was built of."""

    kind = "Lambda layer"
    spec: ClassVar = {"policy": {"type": "dict"}}
    controls: ClassVar = {
        "requirements": {"type": "path"},
        "python_version": {"type": "str", "default": "3.13"},
        "architecture": {"type": "str", "choices": ["x86_64", "arm64"], "default": "x86_64"},
        "keep_versions": {"type": "int", "default": 3},
    }
    needed = ("requirements",)
    computed = ("layer_version_arn", "version")
    renewed = ("layer_version_arn", "version")
    taggable = False

    def desired(self) -> State:
        """Return what the layer shall be built of."""
        return {"content_hash": layer_hash(*self._inputs()), **super().desired()}

    def check(self, desired: State) -> None:
        """Refuse runtimes that cannot load the packages, and keeping no version."""
        if desired.get("policy"):
            raise RefusalError("policy can only be empty; leave the option out where others use the layer")
        match = re.fullmatch(r"3\.(\d+)", self.params["python_version"])
        if not match or int(match[1]) < _OLDEST_MINOR:
            raise RefusalError(f"python_version is {self.params['python_version']}; choose 3.{_OLDEST_MINOR} or newer")
        if self.params["keep_versions"] < 1:
            raise RefusalError("keep_versions must be 1 or more; to remove the layer set state: absent")

    def plan(self) -> Plan:
        """Plan as usual; there is a new version only when the content changes."""
        plan = super().plan()
        if plan.action != "update" or "content_hash" in plan.changes:
            return plan
        return replace(plan, after={**plan.after, **{name: plan.before[name] for name in self.renewed}})

    def find(self) -> State | None:
        """Return the latest version, or None when the layer has none."""
        versions = self._versions()
        if not versions:
            return None
        if self.params["state"] == "absent":
            return {"holds": f"{len(versions)} version{'' if len(versions) == 1 else 's'}"}
        latest = versions[0]
        description = str(latest.get("Description", ""))
        return {
            "content_hash": description.removeprefix(_MARK) if description.startswith(_MARK) else "",
            "layer_version_arn": latest["LayerVersionArn"],
            "version": latest["Version"],
            **({} if self.params.get("policy") is None else {"policy": self._policy(latest["Version"])}),
        }

    def create(self, desired: State) -> None:
        """Build and publish a version, then remove the oldest ones."""
        requirements, python_version, architecture = self._inputs()
        archive = build_layer(requirements, python_version, architecture)
        if len(archive) > _MOST_BYTES:
            raise RefusalError(f"the layer has {len(archive)} bytes and Lambda takes {_MOST_BYTES}; use fewer packages")
        self.client("lambda").publish_layer_version(
            LayerName=self.name,
            Description=f"{_MARK}{desired['content_hash']}",
            Content={"ZipFile": archive},
            CompatibleRuntimes=[f"python{python_version}"],
            CompatibleArchitectures=[architecture],
        )
        self._remove(self._versions()[self.params["keep_versions"] :])

    def update(self, current: State, changes: State) -> None:
        """Publish a new version, because versions never change; or take away what others may do with the latest."""
        if "content_hash" in changes:
            self.create(changes)
            return
        for statement in current["policy"]["Statement"]:
            self.client("lambda").remove_layer_version_permission(
                LayerName=self.name, VersionNumber=current["version"], StatementId=statement["Sid"]
            )

    def delete(self, current: State) -> None:
        """Delete every version; functions that use one keep it."""
        del current
        self._remove(self._versions())

    def _inputs(self) -> tuple[Path, str, str]:
        return Path(self.params["requirements"]), self.params["python_version"], self.params["architecture"]

    def _policy(self, version: int) -> dict[str, Any]:
        try:
            answer = self.client("lambda").get_layer_version_policy(LayerName=self.name, VersionNumber=version)
        except ClientError as error:
            if is_code(error, "ResourceNotFoundException"):
                return {}
            raise
        policy = canonical(answer["Policy"]) or {}
        return policy if policy.get("Statement") else {}

    def _versions(self) -> list[dict[str, Any]]:
        """Return the versions, newest first."""
        pages = self.client("lambda").get_paginator("list_layer_versions").paginate(LayerName=self.name)
        found = [version for page in pages for version in page["LayerVersions"]]
        return sorted(found, key=lambda version: int(version["Version"]), reverse=True)

    def _remove(self, versions: list[dict[str, Any]]) -> None:
        for version in versions:
            self.client("lambda").delete_layer_version(LayerName=self.name, VersionNumber=version["Version"])


def main() -> None:
    """Run the module."""
    run(Layer)


if __name__ == "__main__":
    main()
