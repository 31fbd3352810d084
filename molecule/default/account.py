"""The inventory of an account: everything that the services of the stack hold, whoever made it.

`account.py note FILE` writes it down; `account.py compare FILE` ends with 1 and a line for each difference.
Region, endpoint and credentials come from the environment (AWS_REGION, AWS_ENDPOINT_URL, AWS_PROFILE, ...).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError


class Kind(NamedTuple):
    """A list operation of a service, where the things stand in its answer, and what identifies one."""

    service: str
    operation: str
    items: str
    identity: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012 - never written


_KINDS = (
    Kind("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    Kind("ec2", "describe_subnets", "Subnets", "SubnetId"),
    Kind("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    Kind("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    Kind("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
    Kind("ec2", "describe_addresses", "Addresses", "AllocationId"),
    Kind("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    Kind("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    Kind("ec2", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
    Kind("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    Kind("ec2", "describe_dhcp_options", "DhcpOptions", "DhcpOptionsId"),
    Kind("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    Kind("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    Kind("ec2", "describe_instances", "Reservations", "ReservationId"),
    Kind("ec2", "describe_volumes", "Volumes", "VolumeId"),
    Kind("ec2", "describe_snapshots", "Snapshots", "SnapshotId", {"OwnerIds": ["self"]}),
    Kind("ec2", "describe_images", "Images", "ImageId", {"Owners": ["self"]}),
    Kind("ec2", "describe_key_pairs", "KeyPairs", "KeyPairId"),
    Kind("s3", "list_buckets", "Buckets", "Name"),
    Kind("sqs", "list_queues", "QueueUrls"),
    Kind("ecr", "describe_repositories", "repositories", "repositoryName"),
    Kind("ssm", "describe_parameters", "Parameters", "Name"),
    Kind("iam", "list_users", "Users", "UserName"),
    Kind("iam", "list_groups", "Groups", "GroupName"),
    Kind("iam", "list_roles", "Roles", "RoleName"),
    Kind("iam", "list_policies", "Policies", "PolicyName", {"Scope": "Local"}),
    Kind("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    Kind("ecs", "list_clusters", "clusterArns"),
    Kind("ecs", "list_task_definitions", "taskDefinitionArns", "", {"status": "ACTIVE"}),
    Kind("ecs", "list_task_definitions", "taskDefinitionArns", "", {"status": "INACTIVE"}),
    Kind("ecs", "describe_capacity_providers", "capacityProviders", "name"),
    Kind("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    Kind("autoscaling", "describe_launch_configurations", "LaunchConfigurations", "LaunchConfigurationName"),
    Kind("lambda", "list_functions", "Functions", "FunctionName"),
    Kind("lambda", "list_layers", "Layers", "LayerName"),
    Kind("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    Kind("logs", "describe_log_groups", "logGroups", "logGroupName"),
    Kind("events", "list_rules", "Rules", "Name"),
    Kind("sns", "list_topics", "Topics", "TopicArn"),
    Kind("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    Kind("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    Kind("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    Kind("secretsmanager", "list_secrets", "SecretList", "Name"),
    Kind("kms", "list_aliases", "Aliases", "AliasName"),
)

_TAGS = "list_tags_for_resource"
# What descriptions leave out: by the operation that lists a kind, the calls about one of it. The argument takes the
# member of the description that is named with it, or its identity.
_DETAILS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "list_buckets": tuple(
        (operation, "Bucket", "Name")
        for operation in (
            *("list_object_versions", "list_multipart_uploads", "get_bucket_policy", "get_bucket_versioning"),
            *("get_bucket_tagging", "get_bucket_encryption", "get_bucket_lifecycle_configuration", "get_bucket_cors"),
            *("get_bucket_notification_configuration", "get_public_access_block", "get_bucket_acl"),
        )
    ),
    "list_queues": (("get_queue_attributes", "QueueUrl", "id"), ("list_queue_tags", "QueueUrl", "id")),
    "describe_repositories": (
        ("describe_images", "repositoryName", "repositoryName"),
        ("get_repository_policy", "repositoryName", "repositoryName"),
        ("get_lifecycle_policy", "repositoryName", "repositoryName"),
        (_TAGS, "resourceArn", "repositoryArn"),
    ),
    "describe_parameters": (("get_parameter", "Name", "Name"), ("get_parameter_history", "Name", "Name")),
    "list_users": tuple(
        (operation, "UserName", "UserName")
        for operation in (
            *("list_attached_user_policies", "list_user_policies", "list_user_tags", "list_access_keys"),
            "list_groups_for_user",
        )
    ),
    "list_roles": tuple(
        (operation, "RoleName", "RoleName")
        for operation in ("list_attached_role_policies", "list_role_policies", "list_role_tags")
    ),
    "list_policies": (("list_policy_versions", "PolicyArn", "Arn"), ("list_entities_for_policy", "PolicyArn", "Arn")),
    "list_clusters": (
        ("list_tasks", "cluster", "id"),
        ("list_services", "cluster", "id"),
        (_TAGS, "resourceArn", "id"),
    ),
    "list_task_definitions": (("describe_task_definition", "taskDefinition", "id"), (_TAGS, "resourceArn", "id")),
    "list_functions": tuple(
        (operation, "FunctionName", "FunctionName")
        for operation in ("get_policy", "list_versions_by_function", "list_aliases")
    ),
    "describe_log_groups": (
        ("describe_log_streams", "logGroupName", "logGroupName"),
        ("describe_subscription_filters", "logGroupName", "logGroupName"),
        ("list_tags_log_group", "logGroupName", "logGroupName"),
    ),
    "list_rules": (("list_targets_by_rule", "Rule", "Name"), (_TAGS, "ResourceARN", "Arn")),
    "list_topics": (("get_topic_attributes", "TopicArn", "TopicArn"), (_TAGS, "ResourceArn", "TopicArn")),
    "describe_alarms": ((_TAGS, "ResourceARN", "AlarmArn"),),
    "describe_launch_templates": (("describe_launch_template_versions", "LaunchTemplateId", "LaunchTemplateId"),),
}

# What an answer says of the moment in which it was asked for.
_OF_THE_MOMENT = {"ResponseMetadata", "lastEvaluatedAt"}

# What AWS keeps showing for an hour or so after it is gone.
_GONE = {"deleted", "deleting", "terminated", "shutting-down", "INACTIVE", "DELETE_IN_PROGRESS"}


def things() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the kind, the identity and the description of everything that the account holds."""
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    connect: Any = session.client  # typed by service name literals; here the name is a variable
    clients: dict[str, Any] = {}
    for kind in _KINDS:
        client = clients.setdefault(kind.service, connect(kind.service))
        label = f"{kind.service} {kind.items}{''.join(f' {value}' for value in kind.options.values())}"
        for item in _answers(client, kind):
            described = item if isinstance(item, dict) else {"id": item}
            state = described.get("State") or described.get("state") or described.get("status")
            if isinstance(state, str) and state in _GONE:
                continue
            more = _details(client, kind.operation, described)
            yield label, str(described.get(kind.identity, described.get("id"))), {**described, **more}


def _details(client: Any, listing: str, described: dict[str, Any]) -> dict[str, Any]:
    """Return what the calls about one thing answer, or with which code they are refused."""
    found: dict[str, Any] = {}
    for operation, argument, member in _DETAILS.get(listing, ()):
        options = {"AttributeNames": ["All"]} if operation == "get_queue_attributes" else {}
        try:
            answer = getattr(client, operation)(**{argument: described[member]}, **options)
        except ClientError as error:
            found[operation] = error.response["Error"]["Code"]
        else:
            found[operation] = {name: value for name, value in answer.items() if name not in _OF_THE_MOMENT}
    return found


def _answers(client: Any, kind: Kind) -> list[Any]:
    if client.can_paginate(kind.operation):
        pages = client.get_paginator(kind.operation).paginate(**kind.options)
        return [item for page in pages for item in page.get(kind.items) or []]
    # Operations without a paginator answer all at once for the few things that an account has of their kind.
    return list(getattr(client, kind.operation)(**kind.options).get(kind.items) or [])


def inventory() -> dict[str, str]:
    """Return every thing as one line with its description."""
    return {f"{kind} {identity}": json.dumps(item, default=str, sort_keys=True) for kind, identity, item in things()}


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Say in words what was made, deleted or changed in between."""
    made = [f"{thing} was not there before" for thing in sorted(after.keys() - before.keys())]
    gone = [f"{thing} is gone" for thing in sorted(before.keys() - after.keys())]
    both = sorted(before.keys() & after.keys())
    changed = [
        f"{thing} changed from {before[thing]} to {after[thing]}" for thing in both if before[thing] != after[thing]
    ]
    return [*made, *gone, *changed]


def main() -> int:
    """Note or compare, and return the exit status."""
    match sys.argv[1:]:
        case ["note", file]:
            Path(file).write_text(json.dumps(inventory(), indent=1), encoding="utf-8")
            return 0
        case ["compare", file]:
            found = differences(json.loads(Path(file).read_text(encoding="utf-8")), inventory())
            print("\n".join(found) or "The account holds what it held before.")
            return 1 if found else 0
    print(f"Usage: {Path(sys.argv[0]).name} note FILE | compare FILE", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
