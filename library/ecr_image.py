#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an image in an ECR repository, built from a folder when it is not there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_image
short_description: Build and push an image unless the registry has it
description:
  - Looks the tag up in the repository; when it is missing, builds the image from a folder and pushes it.
  - The tag stands for the content, so an image that is there is never built again.
options:
  name:
    description: Name of the repository.
    type: str
    required: true
  tag:
    description: Tag of the image; a hash of what it is built from.
    type: str
    required: true
  context:
    description: Folder with the Dockerfile. Needed when O(state=present).
    type: path
  engine:
    description:
      - Who builds. C(bundle) packs the sources without an engine, for tasks that are processes of the embedded cloud.
    type: str
    choices: [docker, podman, buildah, bundle]
    default: docker
  platform:
    description: Platform to build for, for example C(linux/amd64).
    type: str
  registry_host:
    description: Where to push to when it is not the address that ECR names, as on the embedded cloud.
    type: str
notes:
  - Exists because no module is neutral to the engine; C(community.docker) needs buildx.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Ensure the worker image is in the registry
  ecr_image:
    name: tamma-dev-audio-clean
    tag: 0123456789abcdef
    context: files/worker
    platform: linux/amd64
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The image, with its C(digest).
  returned: success
  type: dict
"""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run

_TAIL = 15  # lines of the engine's output that a person needs to see why a build failed
# What Docker's two builders, buildah and podman say when the image that a Dockerfile begins with is not to be had.
_NOT_PULLED = re.compile(
    r"Get \"https?://|failed to resolve source metadata|pull access denied|toomanyrequests|manifest unknown"
    r"|initializing source docker://|creating build container"
)


class Image(Resource):
    """An image in an ECR repository."""

    kind = "image"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "tag": {"type": "str", "required": True}}
    spec: ClassVar = {}
    controls: ClassVar = {
        "context": {"type": "path"},
        "engine": {"type": "str", "choices": ["docker", "podman", "buildah", "bundle"], "default": "docker"},
        "platform": {"type": "str"},
        "registry_host": {"type": "str"},
    }
    needed = ("context",)
    computed = ("digest",)
    taggable = False

    def find(self) -> State | None:
        """Return the digest of the tag; BatchGetImage answers for a missing tag without an error."""
        ecr = self.client("ecr")
        try:
            answer = ecr.batch_get_image(
                repositoryName=self.params["name"], imageIds=[{"imageTag": self.params["tag"]}]
            )
        except ecr.exceptions.RepositoryNotFoundException:
            return None
        return {"digest": answer["images"][0]["imageId"]["imageDigest"]} if answer["images"] else None

    def create(self, desired: State) -> None:
        """Build the image and push it."""
        del desired
        host, password = self._registry()
        reference = f"{host}/{self.params['name']}:{self.params['tag']}"
        engine = self.params["engine"]
        if engine == "bundle":
            self._engine([sys.executable, "-m", "tamma_local", "bundle", "--context", self.params["context"],
                          "--image", f"{self.params['name']}:{self.params['tag']}"])  # fmt: skip
            return
        if not shutil.which(engine):
            raise RefusalError(
                f"{engine} is not installed; install it or set image_engine to docker, podman or buildah"
            )
        platform = ["--platform", self.params["platform"]] if self.params["platform"] else []
        self._engine([engine, "login", "--username", "AWS", "--password-stdin", host], password)
        self._engine([engine, "build", *platform, "--tag", reference, self.params["context"]])
        self._engine([engine, "push", reference])

    def update(self, current: State, changes: State) -> None:
        """Refuse: what a tag stands for does not change."""
        raise RefusalError(f"an image cannot be changed from {current} by {changes}; push it under another tag")

    def delete(self, current: State) -> None:
        """Delete the tag's image."""
        del current
        self.client("ecr").batch_delete_image(
            repositoryName=self.params["name"], imageIds=[{"imageTag": self.params["tag"]}]
        )

    def _registry(self) -> tuple[str, str]:
        token = self.client("ecr").get_authorization_token()["authorizationData"][0]
        password = base64.b64decode(token["authorizationToken"]).decode().partition(":")[2]
        return self.params["registry_host"] or token["proxyEndpoint"].partition("//")[2], password

    def _engine(self, argv: list[str], secret: str | None = None) -> None:
        """Run one command of the engine, a secret on its standard input; RefusalError with the end of its output."""
        environment = {**os.environ, "AWS_DEFAULT_REGION": self.client("ecr").meta.region_name}
        result = subprocess.run(argv, input=secret, capture_output=True, text=True, check=False, env=environment)
        if result.returncode:
            lines = (result.stdout + result.stderr).splitlines()
            self._check_base(argv, lines)
            tail = "\n".join(lines[-_TAIL:])
            raise RefusalError(f"`{' '.join(argv[:2])}` failed with exit code {result.returncode}: {tail}")

    def _check_base(self, argv: list[str], lines: list[str]) -> None:
        """Raise RefusalError in one sentence when a build failed because it could not pull the image it begins with."""
        reason = next((line.strip() for line in reversed(lines) if _NOT_PULLED.search(line)), None)
        if argv[1] != "build" or reason is None:
            return
        dockerfile = (Path(self.params["context"]) / "Dockerfile").read_text(encoding="utf-8")
        bases = ", ".join(re.findall(r"(?m)^FROM (\S+)", dockerfile))
        raise RefusalError(
            f"{argv[0]} could not pull the base image {bases} ({reason}): make its registry reachable, or, on the "
            "embedded cloud, restart it with TAMMA_TASK_ENGINE=process, where tasks need no base image"
        )


def main() -> None:
    """Run the module."""
    run(Image)


if __name__ == "__main__":
    main()
