"""The contract of library/ecr_repository.py."""

import json
from typing import Any

from tests.contract.case import Case, Drift, Refusal


def _rule(priority: int, count: object, status: str = "any") -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": "Keep the newest images",
        "selection": {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }


def _access(principal: str) -> dict[str, Any]:
    statement = {
        "Sid": "pull",
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _act(operation: str, **arguments: Any) -> Any:
    return lambda aws: getattr(aws.client("ecr"), operation)(repositoryName="t/worker", **arguments)


CASE = Case(
    module="ecr_repository",
    present={
        "name": "t/worker",
        "image_tag_mutability": "IMMUTABLE",
        "scan_on_push": True,
        "encryption_type": "AES256",
        "lifecycle_policy": {"rules": [_rule(1, "10")]},
        "policy": {},
        "tags": {"environment": "test"},
    },
    changed={
        "image_tag_mutability": "MUTABLE",
        "scan_on_push": False,
        "lifecycle_policy": {"rules": [_rule(2, 3), _rule(1, 2, "untagged")]},
        "policy": _access("arn:aws:iam::123456789012:root"),
        "tags": {"environment": "other"},
    },
    drift=[
        Drift("policy", _act("set_repository_policy", policyText=json.dumps(_access("*"))), "opened to everyone"),
        Drift("lifecycle_policy", _act("delete_lifecycle_policy"), "removed"),
    ],
    refused=[
        Refusal({"encryption_type": "KMS"}, "cannot be changed"),
        Refusal({"name": "T/Worker"}, "a-z 0-9"),
        Refusal({"lifecycle_policy": {"rules": [_rule(1, 1), _rule(1, 2)]}}, "rulePriority"),
    ],
)
