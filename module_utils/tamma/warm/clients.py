"""boto3 clients, one for each service and connection, shared by all modules of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.tamma.module import IMPATIENT
from ansible.module_utils.tamma.warm.snapshot import Snapshot
from ansible_collections.amazon.aws.plugins.module_utils import botocore as connection
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule, aws_argument_spec
from ansible_collections.amazon.aws.plugins.module_utils.retries import RetryingBotoClientWrapper
from botocore.config import Config
from botocore.exceptions import NoCredentialsError

SERVICES = (
    *("autoscaling", "cloudwatch", "ec2", "ecr", "ecs", "events", "iam"),
    *("lambda", "logs", "s3", "service-quotas", "sns", "sqs", "ssm", "sts"),
)
"""The services of the stack."""

_make_client = AnsibleAWSModule.client


class Clients:
    """Makes each client once; a module gets the one that it would have made itself.

    A connection is what a module's AWS options and the variables AWS_* of the environment say. Clients are made in the
    parent and used in its forked workers, so they must have no open connection when a worker is forked: see `close`.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Take the snapshot that answers for every client."""
        self._made: dict[tuple[str, str, str], Any] = {}
        self._sessions: dict[tuple[str | None, str], Any] = {}
        self._snapshot = snapshot

    def install(self) -> None:
        """Give every AWS module of this process and its children these clients."""

        def client(module: Any, service: str, retry_decorator: Any = None, **extra: Any) -> Any:
            made = self._get(service, module.params, lambda: _make_client(module, service, **extra), extra)
            return RetryingBotoClientWrapper(made, retry_decorator) if retry_decorator else made

        AnsibleAWSModule.client = client

    def prepare(self) -> None:
        """Make the clients of all services for this process's environment."""
        for service in SERVICES:
            self.get(service)
        self.get("sts", aws_config=IMPATIENT)

    def get(self, service: str, **extra: Any) -> Any:
        """Return the client that a module without AWS options of its own gets in this process's environment."""
        options = ArgumentSpecValidator(aws_argument_spec()).validate({}).validated_parameters
        return self._get(service, options, lambda: self._make(service, {**options, **extra}), extra)

    def close(self) -> None:
        """Close all connections; the clients stay usable."""
        for client in self._made.values():
            client.close()

    def by_service(self) -> Iterator[tuple[str, Any]]:
        """Return the clients that were made for this process's environment, without those of special settings."""
        suffix = _environment()
        made = self._made.items()
        return ((name, client) for (name, key, extra), client in made if key.endswith(suffix) and not extra)

    def _make(self, service: str, options: Mapping[str, Any]) -> Any:
        """Make a client as AnsibleAWSModule does, but from one session for all services: that costs far less."""
        region, endpoint, more = connection._aws_connection_info(options)  # noqa: SLF001 - as AnsibleAWSModule.client
        profile, settings = more.pop("profile_name", None), more.pop("aws_config", None)
        where = (profile, _environment())
        if where not in self._sessions:
            session = boto3.session.Session(profile_name=profile)
            # Without this each client would look for them again, on a machine of EC2 by asking the network.
            if session.get_credentials() is None:
                raise NoCredentialsError
            self._sessions[where] = session
        config = Config(user_agent=connection._get_user_agent_string())  # noqa: SLF001 - as above
        config = config.merge(settings) if settings else config
        return self._sessions[where].client(service, config=config, region_name=region, endpoint_url=endpoint, **more)

    def _get(
        self, service: str, options: Mapping[str, Any], make: Callable[[], Any], extra: Mapping[str, Any] | None = None
    ) -> Any:
        options_of_aws = [options.get(name) for name in sorted(aws_argument_spec())]
        special = repr(sorted(extra.items())) if extra else ""
        key = (service, repr(options_of_aws) + _environment(), special)
        if key not in self._made:
            self._made[key] = make()
            self._snapshot.attach(self._made[key])
        return self._made[key]


def _environment() -> str:
    return repr(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
