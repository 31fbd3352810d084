"""How long converging takes, beside Terraform; README.md says what and how."""

import ansible.module_utils
from tamma_local.layout import REPOSITORY

# Ansible puts the project's module_utils/ beside its own at run time; here Python has to be told.
if str(REPOSITORY / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(REPOSITORY / "module_utils"))
