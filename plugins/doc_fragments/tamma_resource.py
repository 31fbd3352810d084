"""Documentation that every module in library/ shares."""

from __future__ import annotations

from typing import ClassVar


class ModuleDocFragment:
    """What all modules built on the plan engine have in common."""

    DOCUMENTATION: ClassVar[str] = r"""
options:
  state:
    description: Whether the resource shall exist.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Reports what would change and writes nothing.
  diff_mode:
    support: full
    description: Shows the properties before and after.
  idempotent:
    support: full
    description: A second run reports no change.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - Tamma Infra
notes:
  - An option that is not given is not managed.
"""

    TAGS: ClassVar[str] = r"""
options:
  tags:
    description: Tags; those that are not listed are removed, except those that AWS itself sets.
    type: dict
"""
