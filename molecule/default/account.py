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
            yield label, str(described.get(kind.identity, described.get("id"))), described


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
