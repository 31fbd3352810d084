#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the code of a Lambda function as a zip whose bytes depend on nothing but the code."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_archive
short_description: Pack the code of a Lambda function reproducibly
description:
  - Packs the Python files of some folders into one flat zip named after its hash; the same code gives the same bytes.
  - The zip is a cache on the controller and no resource, so check mode packs too and no change is reported.
options:
  sources:
    description: Folders whose C(*.py) files go into the root of the zip. A name that stands in two of them is refused.
    type: list
    elements: path
    required: true
  dest_dir:
    description: Folder for the zip. The five newest are kept.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Packs in check mode too, since a preview compares the hash of the code with the deployed one.
author:
  - Tamma Infra
"""

EXAMPLES = r"""
- name: Pack the code
  lambda_archive:
    sources: [files/lambda/dispatcher, files/lambda/shared]
    dest_dir: .cache/lambda/dispatcher
  register: archive
"""

RETURN = r"""
path:
  description: Where the zip is.
  returned: success
  type: str
sha256:
  description: SHA-256 of the zip, hexadecimal.
  returned: success
  type: str
"""

import hashlib
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tamma import archive
from ansible.module_utils.tamma.errors import RefusalError

_KEPT = 5  # zips: enough to go back to a release without packing it again


def entries(sources: list[str]) -> list[tuple[str, Path]]:
    """Return (name, file) of every Python file; RefusalError for an empty folder or a name that stands twice."""
    found: dict[str, Path] = {}
    for source in sources:
        files = sorted(Path(source).glob("*.py"))
        if not files:
            raise RefusalError(f"{source} holds no Python file; correct the path")
        for path in files:
            if path.name in found:
                raise RefusalError(f"{path} and {found[path.name]} have the same name; rename one of them")
            found[path.name] = path
    return sorted(found.items())


def store(content: bytes, folder: Path) -> Path:
    """Write the zip under its hash, remove all but the newest few, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()}.zip"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    path.touch()
    for old in sorted(folder.glob("*.zip"), key=lambda item: item.stat().st_mtime, reverse=True)[_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "list", "elements": "path", "required": True},
            "dest_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        path = store(archive.write(entries(module.params["sources"])), Path(module.params["dest_dir"]))
    except (RefusalError, OSError) as error:
        module.fail_json(msg=f"Lambda archive: {error}.")
    module.exit_json(changed=False, path=str(path), sha256=path.stem)


if __name__ == "__main__":
    main()
