"""Looks for leftovers of a stack in every service that it uses, by name and by tag, with plain boto3.

Prints a sentence for each; ends with 1 when there are any. What AWS keeps by itself (the default VPC, deleted NAT
gateways for an hour) does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import boto3
from account import things


def tags_of(item: dict[str, Any]) -> dict[str, str]:
    """Return the tags that a description holds, however its service spells them."""
    found = item.get("Tags") or item.get("tags") or item.get("TagSet") or {}
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    folded = [{key.lower(): value for key, value in tag.items()} for tag in found]
    return {tag["key"]: tag["value"] for tag in folded}


def by_name(item: dict[str, Any], project: str, environment: str) -> bool:
    """Whether a description mentions a name of the stack anywhere: in its own name, an ARN, a path, a reference."""
    names = [f"{project}-{environment}", f"/{project}/{environment}/"]
    if environment == "dev":
        names += ["trigger-audio-clean", f"{project}-presign"]
    text = json.dumps(item, default=str)
    return any(name in text for name in names)


def tagged(project: str, environment: str) -> list[str]:
    """Return the ARNs that the tagging service knows with the tags of the stack."""
    client = boto3.client("resourcegroupstaggingapi", region_name=os.environ.get("AWS_REGION"))
    filters = [{"Key": "Project", "Values": [project]}, {"Key": "Environment", "Values": [environment]}]
    pages = client.get_paginator("get_resources").paginate(TagFilters=filters)
    found = [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]
    going = boto3.client("ecs", region_name=os.environ.get("AWS_REGION")).get_paginator("list_task_definitions")
    # A task definition that was deleted keeps its tags until AWS has removed it, which takes as long as AWS likes.
    gone = {arn for page in going.paginate(status="DELETE_IN_PROGRESS") for arn in page["taskDefinitionArns"]}
    return [arn for arn in found if arn not in gone]


def main() -> int:
    """Look everywhere and return the exit status."""
    parser = argparse.ArgumentParser(description="Look for leftovers of a stack.")
    parser.add_argument("--project", default="tamma")
    parser.add_argument("--environment", default="dev")
    options = parser.parse_args()
    wanted = {"Project": options.project, "Environment": options.environment}
    left = []
    looked_at = 0
    for kind, identity, item in things():
        looked_at += 1
        if by_name(item, options.project, options.environment):
            left.append(f"{kind} {identity} is left: it has a name of the stack.")
        elif wanted.items() <= tags_of(item).items():
            left.append(f"{kind} {identity} is left: it has the tags of the stack.")
    left += [
        f"{arn} is left: the tagging service knows it with the tags of the stack." for arn in tagged(**vars(options))
    ]
    print("\n".join(left) or f"Nothing is left among the {looked_at} things that the account holds.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
