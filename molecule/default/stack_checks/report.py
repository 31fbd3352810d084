"""What every check needs: the stack that is meant, clients, and a place for findings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True)
class Stack:
    """Which stack is meant, and the few properties that environments choose for themselves."""

    project: str = "tamma"
    environment: str = "dev"
    bucket_suffix: str = ""
    nat: str = "single"
    log_retention_days: int = 14
    fresh: bool = False
    """Whether nothing but one converge has happened: then nothing has more than one version."""

    @property
    def prefix(self) -> str:
        """What names begin with."""
        return f"{self.project}-{self.environment}"

    @property
    def dispatcher(self) -> str:
        """The function that starts tasks; it carries no environment in dev."""
        return "trigger-audio-clean" if self.environment == "dev" else f"{self.prefix}-trigger-audio-clean"

    @property
    def presign_user(self) -> str:
        """The user that signs uploads; it carries no environment in dev."""
        return f"{self.project}-presign" if self.environment == "dev" else f"{self.prefix}-presign"

    def bucket(self, kind: str) -> str:
        """Return the name of the bucket `raw` or `derived`."""
        return f"{self.prefix}-{kind}{self.bucket_suffix}"

    @cached_property
    def session(self) -> boto3.Session:
        """Credentials, region and endpoint of the environment."""
        # boto3 itself reads AWS_DEFAULT_REGION alone.
        return boto3.Session(region_name=os.environ.get("AWS_REGION"))

    @cached_property
    def region(self) -> str:
        """Region of the session."""
        return str(self.session.region_name)

    @cached_property
    def account(self) -> str:
        """Account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def zones(self) -> list[str]:
        """The three availability zones."""
        return [f"{self.region}{letter}" for letter in "abc"]

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def role_arn(self, role: str) -> str:
        """Return the ARN of the role that is called <prefix>-<role>-role."""
        return f"arn:aws:iam::{self.account}:role/{self.prefix}-{role}-role"

    def client(self, service: str) -> Any:
        """Return a client; S3 signs with version 4, which is what policies are checked with."""
        connect: Any = self.session.client  # typed by service name literals; here the name is a variable
        return connect(service, config=Config(signature_version="s3v4") if service == "s3" else None)


@dataclass
class Report:
    """Prints a line for every check and keeps a sentence for every difference."""

    stack: Stack
    differences: list[str] = field(default_factory=list)
    checks: int = 0
    title: str = ""

    @contextmanager
    def row(self, title: str) -> Iterator[None]:
        """Check one row; what AWS refuses or does not know is a difference, and the next row goes on."""
        self.title = title
        print(title, flush=True)
        try:
            yield
        except (ClientError, BotoCoreError, LookupError, TypeError, ValueError) as error:
            self.holds("can be read", False, f"reading stopped with {type(error).__name__}: {error}")

    def holds(self, what: str, truth: object, otherwise: str) -> None:
        """Note whether something is true; `otherwise` says what is wrong when it is not."""
        self.checks += 1
        print(f"  {'ok  ' if truth else 'FAIL'} {what}{'' if truth else f': {otherwise}'}", flush=True)
        if not truth:
            self.differences.append(f"{self.title}: {what}: {otherwise}.")

    def same(self, what: str, actual: object, expected: object) -> None:
        """Note whether two values are equal."""
        self.holds(what, actual == expected, f"it is {actual!r} and should be {expected!r}")

    def between(self, what: str, actual: float | None, low: float, high: float) -> None:
        """Note whether a number lies in a range, both ends included."""
        self.holds(what, actual is not None and low <= actual <= high, f"it is {actual} and should be {low} to {high}")

    def only(self, what: str, found: list[Any]) -> Any:
        """Note whether there is exactly one, and return it.

        Raises LookupError when there is none: the rest of the row cannot be checked.
        """
        self.same(f"{what}: there is one", len(found), 1)
        if not found:
            raise LookupError(f"{what} does not exist")
        return found[0]

    def tags(self, what: str, tags: Mapping[str, str] | list[dict[str, str]]) -> None:
        """Note whether the tags of the environment are there; lists may spell Key and Value in any case."""
        if not isinstance(tags, Mapping):
            folded = [{key.lower(): value for key, value in tag.items()} for tag in tags]
            tags = {tag["key"]: tag["value"] for tag in folded}
        wanted = {"Project": self.stack.project, "Environment": self.stack.environment, "ManagedBy": "ansible"}
        missing = {key: value for key, value in wanted.items() if tags.get(key) != value}
        self.holds(f"{what}: tags", not missing, f"it has {dict(tags)} and lacks {missing}")


def document(policy: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy as data, whichever way AWS wrote it."""
    return dict(policy) if isinstance(policy, Mapping) else dict(json.loads(unquote(policy)))


def as_list(value: Any) -> list[Any]:
    """Return what a policy writes as one value or as a list, always as a list."""
    return list(value) if isinstance(value, list) else [value]


def statements(policy: str | Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    return as_list(document(policy)["Statement"])
