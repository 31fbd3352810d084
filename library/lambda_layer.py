#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a Lambda layer of Python packages, published only when its content differs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_layer
short_description: Publish a Lambda layer of Python packages by content hash
description:
  - Publishes a new version when the lock file, the Python version or the processor differ from the newest version's.
  - Packages are downloaded and packed only then; the same inputs give the same bytes.
options:
  name:
    description: Name of the layer.
    type: str
    required: true
  requirements:
    description: Lock file with hashes, as C(uv pip compile --generate-hashes) writes it. Needed when O(state=present).
    type: path
  python_version:
    description: Python of the functions, for example C(3.13). Needed when O(state=present).
    type: str
  architecture:
    description: Processor of the functions.
    type: str
    choices: [x86_64, arm64]
    default: x86_64
  keep_versions:
    description: How many versions to keep; older ones are deleted after a new one is published.
    type: int
    default: 3
notes:
  - Exists because C(amazon.aws.lambda_layer) publishes a new version on every run.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Ensure the packages of the functions are published
  lambda_layer:
    name: tamma-dev-python
    requirements: files/lambda/requirements.txt
    python_version: "3.13"
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The newest version, with its C(layer_version_arn), C(version) and C(content_hash).
  returned: success
  type: dict
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.tamma import archive
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run

_BUILDER = "1"  # grows when the way of packing changes, so that layers are published anew
_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}  # Amazon Linux 2023 has glibc 2.34
_PREFIX = "content "
_TAIL = 10  # lines of the installer's output that a person needs to see why it failed


class Layer(Resource):
    """The newest version of a layer; its properties are what it was built from."""

    kind = "Lambda layer"
    spec: ClassVar = {
        "python_version": {"type": "str"},
        "architecture": {"type": "str", "choices": list(_PLATFORMS), "default": "x86_64"},
    }
    controls: ClassVar = {"requirements": {"type": "path"}, "keep_versions": {"type": "int", "default": 3}}
    needed = ("requirements", "python_version")
    computed = renewed = ("layer_version_arn", "version")
    taggable = False

    def desired(self) -> State:
        """Return the hash of the lock file and of everything else that decides the bytes."""
        state = super().desired()
        try:
            lock = Path(self.params["requirements"]).read_bytes()
        except OSError as error:
            raise RefusalError(f"the lock file cannot be read ({error}); correct requirements") from None
        inputs = [hashlib.sha256(lock).hexdigest(), state["python_version"], state["architecture"], _BUILDER]
        return {**state, "content_hash": hashlib.sha256("\n".join(inputs).encode()).hexdigest()}

    def find(self) -> State | None:
        """Return the newest version; its description holds the content hash."""
        versions = self._versions()
        if not versions:
            return None
        newest = versions[0]
        return {
            "layer_version_arn": newest["LayerVersionArn"],
            "version": newest["Version"],
            "content_hash": newest.get("Description", "").removeprefix(_PREFIX),
            "python_version": newest["CompatibleRuntimes"][0].removeprefix("python"),
            "architecture": (newest.get("CompatibleArchitectures") or ["x86_64"])[0],
        }

    def create(self, desired: State) -> None:
        """Build and publish a version, then delete the oldest."""
        self.client("lambda").publish_layer_version(
            LayerName=self.name,
            Description=_PREFIX + desired["content_hash"],
            Content={"ZipFile": self._build()},
            CompatibleRuntimes=[f"python{self.params['python_version']}"],
            CompatibleArchitectures=[self.params["architecture"]],
        )
        self._delete_versions(self._versions()[self.params["keep_versions"] :])

    def update(self, current: State, changes: State) -> None:
        """Publish a new version: a version never changes."""
        self.create({**current, **changes, **self.desired()})

    def delete(self, current: State) -> None:
        """Delete every version."""
        del current
        self._delete_versions(self._versions())

    def _versions(self) -> list[dict[str, Any]]:
        pages = self.client("lambda").get_paginator("list_layer_versions").paginate(LayerName=self.name)
        return [version for page in pages for version in page["LayerVersions"]]

    def _delete_versions(self, versions: list[dict[str, Any]]) -> None:
        for version in versions:
            self.client("lambda").delete_layer_version(LayerName=self.name, VersionNumber=version["Version"])

    def _build(self) -> bytes:
        """Install the locked packages for Lambda's platform and pack them below `python/`, where Lambda looks."""
        with tempfile.TemporaryDirectory() as folder:
            self._install(Path(folder))
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            return archive.write(
                (f"python/{path.relative_to(folder).as_posix()}", path) for path in files if _belongs(path)
            )

    def _install(self, folder: Path) -> None:
        argv = [
            sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-compile-bytecode", "--no-installer-metadata",
            "--target", str(folder), "--only-binary", ":all:", "--require-hashes",
            "--python-platform", _PLATFORMS[self.params["architecture"]],
            "--python-version", self.params["python_version"],
            "-r", self.params["requirements"],
        ]  # fmt: skip
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
        if result.returncode:
            tail = "\n".join((result.stdout + result.stderr).splitlines()[-_TAIL:])
            raise RefusalError(f"the packages could not be installed: {tail}")


def _belongs(path: Path) -> bool:
    """Leave out byte code, scripts, locks and RECORD, whose content or presence depends on the installer."""
    return path.suffix != ".pyc" and path.name not in {"RECORD", ".lock"} and path.parent.name != "bin"


def main() -> None:
    """Run the module."""
    run(Layer)


if __name__ == "__main__":
    main()
