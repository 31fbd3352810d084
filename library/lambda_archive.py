#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the archive of a Lambda function's code."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_archive
short_description: Pack the code of a Lambda function
description:
  - Packs the C(*.py) files that lie directly in some folders into one flat zip, the same bytes for the same files.
  - The zip is a cache on the controller, not a resource, so that the module does the same in check mode and never
    reports a change.
options:
  sources:
    description: Folders; two files of one name are refused.
    type: list
    elements: path
    required: true
  dest_dir:
    description: Folder of the archives. The five that were used last are kept.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Does the same in check mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: A second run finds the archive.
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
  description: Where the archive is.
  returned: success
  type: str
sha256:
  description: SHA-256 of the archive, in hexadecimal digits.
  returned: success
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tamma.archive import flat_sources, store, zip_bytes
from ansible.module_utils.tamma.errors import RefusalError

_SPEC = {
    "sources": {"type": "list", "elements": "path", "required": True},
    "dest_dir": {"type": "path", "required": True},
}
_KEPT = 5  # enough for two functions' last deployments, small enough to forget


def main() -> None:
    """Pack, and say where."""
    module = AnsibleModule(argument_spec=_SPEC, supports_check_mode=True)
    try:
        path = store(zip_bytes(flat_sources(module.params["sources"])), Path(module.params["dest_dir"]), keep=_KEPT)
    except (RefusalError, OSError) as error:
        module.fail_json(msg=f"Lambda archive: {str(error).rstrip('.')}.")
    module.exit_json(changed=False, path=str(path), sha256=path.stem)


if __name__ == "__main__":
    main()
