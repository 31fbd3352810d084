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

    AWS: ClassVar[str] = r"""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - Tamma Infra
"""

    READER: ClassVar[str] = r"""
attributes:
  check_mode:
    support: full
    description: Writes nothing in any mode.
  diff_mode:
    support: none
    description: There is nothing that changes.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - Tamma Infra
"""

    SUPABASE: ClassVar[str] = r"""
options:
  supabase_url_parameter:
    description: Name of the SSM parameter that holds the address of the Supabase project.
    type: str
    required: true
  supabase_service_key_parameter:
    description: Name of the SSM parameter that holds the service key. It is read here and shown nowhere.
    type: str
    required: true
"""

    PLACES: ClassVar[str] = r"""
options:
  cluster:
    description: Name of the ECS cluster.
    type: str
    required: true
  jobs_queue:
    description: Name of the queue for jobs.
    type: str
    required: true
  dead_letter_queue:
    description: Name of the queue for jobs that were set aside.
    type: str
    required: true
  abandon_jobs:
    description: Whether jobs that are not over are given up.
    type: bool
    default: false
"""

    STACK: ClassVar[str] = r"""
options:
  names:
    description: The names that the stack uses, by the module that makes them.
    type: dict
    required: true
  marks:
    description: The tags that everything of the stack has, C(ManagedBy) and C(Project) among them.
    type: dict
    required: true
"""

    TAGS: ClassVar[str] = r"""
options:
  tags:
    description: Tags; those that are not listed are removed, except those that AWS itself sets.
    type: dict
"""
