"""The edge between a module and Ansible: every failure is raised, so that one place puts it into a sentence."""

from __future__ import annotations

from typing import Any, NoReturn

from ansible.module_utils.tamma.errors import RefusalError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from botocore.exceptions import BotoCoreError

IMPATIENT = {"connect_timeout": 4, "read_timeout": 8, "retries": {"total_max_attempts": 2, "mode": "standard"}}
"""Settings of the client that asks a run's first question.

STS answers in fractions of a second: a network that swallows requests is told in some ten seconds, and not after
botocore's minute for each of many attempts.
"""


class Module(AnsibleAWSModule):
    """A module of amazon.aws's making that leaves it to its caller to say what went wrong."""

    def fail_json_aws(self, exception: BaseException, msg: str | None = None, **_: Any) -> NoReturn:
        """Raise what boto3 found wrong with profile, keys, region or endpoint when it made a client."""
        del msg
        if isinstance(exception, BotoCoreError):
            raise exception
        # boto3 has no class of its own for an address that is none.
        raise RefusalError(f"{exception}; correct AWS_ENDPOINT_URL (it is like http://127.0.0.1:4566) or unset it")
