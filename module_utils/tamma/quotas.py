"""Quotas of an AWS account and region, held against what a stack needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.tamma.errors import is_code
from ansible.module_utils.tamma.holdings import named
from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Quota:
    """One quota: AWS's codes for it, and its name in words."""

    service: str
    code: str
    words: str


# Codes as Service Quotas lists them (AWS General Reference, service endpoints and quotas).
QUOTAS = {
    "spot": Quota("fargate", "L-36FBB829", "Fargate Spot vCPUs"),
    "on_demand": Quota("fargate", "L-3032A538", "Fargate on-demand vCPUs"),
    "gpu": Quota("ec2", "L-DB2E81BA", "vCPUs of running on-demand G and VT instances"),
    "addresses": Quota("ec2", "L-0263D0A3", "Elastic IP addresses"),
    "networks": Quota("vpc", "L-F678F1CE", "VPCs in the region"),
    "interfaces": Quota("vpc", "L-DF5E4CA3", "network interfaces in the region"),
}


@dataclass(frozen=True)
class Need:
    """What a stack needs of a quota: `amount` for all it shall do, `least` for anything at all; `others` are in use."""

    quota: Quota
    amount: float
    least: float
    why: str
    instead: str
    others: float = 0

    def verdict(self, value: float) -> str:
        """Return `too small` when nothing could start, `low` when not all could, else `ok`."""
        free = value - self.others
        if free < self.least:
            return "too small"
        return "low" if free < self.amount else "ok"

    def sentence(self, value: float) -> str:
        """Say what is needed, what there is, and what to do."""
        used = f", others use {self.others:g}" if self.others else ""
        return (
            f"{self.quota.words}: the quota is {value:g}{used}, and {self.why} need {self.amount:g}; ask AWS for more "
            f"(Service Quotas, {self.quota.service} {self.quota.code}) or {self.instead}."
        )


def value_of(service_quotas: Any, quota: Quota) -> float:
    """Return the value that applies in this account and region, which is AWS's default until somebody changed it."""
    named = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        answer = service_quotas.get_service_quota(**named)
    except ClientError as error:
        if not is_code(error, "NoSuchResourceException"):
            raise
        answer = service_quotas.get_aws_default_service_quota(**named)
    return float(answer["Quota"]["Value"])


def foreign(items: list[dict[str, Any]], own_names: Collection[str]) -> int:
    """Return how many of these resources of EC2 are called otherwise."""
    return sum(named(item) not in own_names for item in items)
