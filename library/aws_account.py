#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the AWS account that the credentials belong to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_account
short_description: Refuse credentials of another AWS account
description:
  - Asks AWS whom the credentials belong to and fails when that is not the account that is meant. Writes nothing.
options:
  account_id:
    description: The account that is meant, 12 digits.
    type: str
    required: true
extends_documentation_fragment: [tamma_resource.reader]
notes:
  - Exists because amazon.aws.aws_caller_info says in terms of boto3 what is wrong with credentials, region or network,
    and needs a second task for the comparison.
"""

EXAMPLES = r"""
- name: Refuse another account
  aws_account:
    account_id: "111122223333"
"""

RETURN = r"""
arn:
  description: Who the credentials belong to.
  returned: success
  type: str
"""

import re
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import IMPATIENT, Module
from ansible.module_utils.tamma.wait import retry_on
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {"account_id": {"type": "str", "required": True}}
_THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded")


def caller_of(sts: Any, meant: str) -> str:
    """Return the ARN of who the credentials belong to; RefusalError when that is not in the account that is meant."""
    if not re.fullmatch(r"[0-9]{12}", meant):
        raise RefusalError(f"an account id has 12 digits and this is '{meant}'; set it in the inventory")
    caller = retry_on(sts.get_caller_identity, *_THROTTLED, timeout=30)
    if caller["Account"] != meant:
        raise RefusalError(
            f"the credentials belong to account {caller['Account']} ({caller['Arn']}), the inventory names {meant}; "
            "choose another AWS_PROFILE or another inventory"
        )
    return str(caller["Arn"])


def main() -> None:
    """Ask, compare, and say who it is."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    try:
        arn = caller_of(module.client("sts", aws_config=IMPATIENT), module.params["account_id"])
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence("AWS account", error))
    module.exit_json(changed=False, arn=arn)


if __name__ == "__main__":
    main()
