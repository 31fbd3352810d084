"""What an account holds, service by service, in plain boto3 calls: whose a thing is, and whether it is still there.

Independent of the modules of library/: what they fail to find is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import is_code
from botocore.exceptions import ClientError

Connect = Callable[[str], Any]
_NO_TAGS = ("NoSuchTagSet", "NoSuchTagSetError")
_GOING = {"deleted", "deleting", "terminated", "shutting-down", "INACTIVE", "DELETE_IN_PROGRESS", "Deleting"}
"""States of what AWS goes on showing for an hour or so after it is gone."""
_TAG_LISTS = ("Tags", "tags", "TagList", "TagSet")


@dataclass(frozen=True)
class TagCall:
    """How tags are read that no description holds; `argument` takes what the thing is known by."""

    operation: str
    argument: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """How one kind of thing is listed."""

    module: str
    """Which module makes it; empty when none does."""
    words: str
    service: str
    operation: str
    items: str
    name: Callable[[Any], str]
    token: Callable[[Any], str]
    """What it is known by: an id, an ARN or an URL."""
    arn: tuple[str, ...] = ()
    """How its ARNs begin after the partition, without region and account, for example `ec2:vpc`."""
    tags: TagCall | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    """The argument that limits the list to names that begin like one; there are accounts with thousands."""
    inside_vpc: bool = False


@dataclass(frozen=True)
class Thing:
    """Something that the account holds."""

    kind: Kind
    name: str
    token: str
    item: Any

    def __str__(self) -> str:
        """Say what it is in the words of a person."""
        known = "" if self.token.endswith(self.name) else f" ({self.token})"
        return f"{self.kind.words} {self.name}{known}"


def key(member: str) -> Callable[[Any], str]:
    """Return a function that takes a member out of a description."""
    return lambda item: str(item.get(member) or "")


def last(item: Any) -> str:
    """Return the last part of an URL or an ARN."""
    return str(item).rpartition("/")[2]


def named(item: Mapping[str, Any]) -> str:
    """Return the tag `Name`."""
    return labels(item).get("Name", "")


def labels(item: Any) -> dict[str, str]:
    """Return the tags that a description holds, however its service spells them."""
    found: Any = next((item[member] for member in _TAG_LISTS if item.get(member)), []) if isinstance(item, dict) else []
    return tags.own(found) if isinstance(found, dict) else tags.to_dict(found)


def _vpc_part(module: str, words: str, plural: str, identity: str, arn: str) -> Kind:
    snake = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in plural)
    name = key("GroupName") if plural == "SecurityGroups" else named
    return Kind(
        module, words, "ec2", f"describe{snake}", plural, name, key(identity), (f"ec2:{arn}",), inside_vpc=True
    )  # fmt: skip


_ECS_TAGS = TagCall("list_tags_for_resource", "resourceArn")

KINDS: tuple[Kind, ...] = (
    Kind("ec2_vpc_net", "VPC", "ec2", "describe_vpcs", "Vpcs", named, key("VpcId"), ("ec2:vpc",)),
    _vpc_part("ec2_subnet", "subnet", "Subnets", "SubnetId", "subnet"),
    _vpc_part("ec2_route_table", "route table", "RouteTables", "RouteTableId", "route-table"),
    _vpc_part("ec2_internet_gateway", "internet gateway", "InternetGateways", "InternetGatewayId", "internet-gateway"),
    _vpc_part("ec2_nat_gateway", "NAT gateway", "NatGateways", "NatGatewayId", "natgateway"),
    _vpc_part("", "Elastic IP address", "Addresses", "AllocationId", "elastic-ip"),
    _vpc_part("ec2_vpc_endpoint", "VPC endpoint", "VpcEndpoints", "VpcEndpointId", "vpc-endpoint"),
    _vpc_part("ec2_security_group", "security group", "SecurityGroups", "GroupId", "security-group"),
    _vpc_part("", "network ACL", "NetworkAcls", "NetworkAclId", "network-acl"),
    _vpc_part("", "network interface", "NetworkInterfaces", "NetworkInterfaceId", "network-interface"),
    _vpc_part("", "volume", "Volumes", "VolumeId", "volume"),
    Kind(
        "ec2_launch_template", "launch template", "ec2", "describe_launch_templates", "LaunchTemplates",
        key("LaunchTemplateName"), key("LaunchTemplateId"), ("ec2:launch-template",),
    ),
    Kind(
        "autoscaling_group", "Auto Scaling group", "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups",
        key("AutoScalingGroupName"), key("AutoScalingGroupARN"), ("autoscaling:autoScalingGroup",),
    ),
    Kind(
        "s3_bucket", "S3 bucket", "s3", "list_buckets", "Buckets", key("Name"), key("Name"), ("s3:",),
        TagCall("get_bucket_tagging", "Bucket"),
    ),
    Kind("sqs_queue", "SQS queue", "sqs", "list_queues", "QueueUrls", last, str, ("sqs:",),
         TagCall("list_queue_tags", "QueueUrl")),
    Kind(
        "ecr_repository", "ECR repository", "ecr", "describe_repositories", "repositories",
        key("repositoryName"), key("repositoryArn"), ("ecr:repository",),
        TagCall("list_tags_for_resource", "resourceArn"),
    ),
    Kind(
        "ssm_parameter", "SSM parameter", "ssm", "describe_parameters", "Parameters", key("Name"), key("Name"),
        ("ssm:parameter",), TagCall("list_tags_for_resource", "ResourceId", {"ResourceType": "Parameter"}),
    ),
    Kind("iam_user", "IAM user", "iam", "list_users", "Users", key("UserName"), key("UserName"), ("iam:user",),
         TagCall("list_user_tags", "UserName")),
    Kind("iam_role", "IAM role", "iam", "list_roles", "Roles", key("RoleName"), key("RoleName"), ("iam:role",),
         TagCall("list_role_tags", "RoleName")),
    Kind(
        "iam_managed_policy", "IAM policy", "iam", "list_policies", "Policies", key("PolicyName"), key("Arn"),
        ("iam:policy",), TagCall("list_policy_tags", "PolicyArn"), {"Scope": "Local"},
    ),
    Kind(
        "iam_instance_profile", "IAM instance profile", "iam", "list_instance_profiles", "InstanceProfiles",
        key("InstanceProfileName"), key("InstanceProfileName"), ("iam:instance-profile",),
        TagCall("list_instance_profile_tags", "InstanceProfileName"),
    ),
    # What runs in a cluster goes with it; AWS's index of tags knows it for a while longer.
    Kind("ecs_cluster", "ECS cluster", "ecs", "list_clusters", "clusterArns", last, str,
         ("ecs:cluster", "ecs:task", "ecs:container-instance"), _ECS_TAGS),
    *(
        Kind("ecs_task_definition", "ECS task definition", "ecs", "list_task_definitions", "taskDefinitionArns",
             lambda arn: last(arn).rpartition(":")[0], str, ("ecs:task-definition",), _ECS_TAGS, {"status": status})
        for status in ("ACTIVE", "INACTIVE")
    ),
    Kind(
        "ecs_capacity_provider", "ECS capacity provider", "ecs", "describe_capacity_providers", "capacityProviders",
        key("name"), key("capacityProviderArn"), ("ecs:capacity-provider",), None, {"include": ["TAGS"]},
    ),
    Kind("lambda_function", "Lambda function", "lambda", "list_functions", "Functions", key("FunctionName"),
         key("FunctionArn"), ("lambda:function",), TagCall("list_tags", "Resource")),
    Kind("lambda_layer", "Lambda layer", "lambda", "list_layers", "Layers", key("LayerName"), key("LayerArn"),
         ("lambda:layer",)),
    Kind("", "event source mapping", "lambda", "list_event_source_mappings", "EventSourceMappings",
         lambda item: f"of {str(item.get('EventSourceArn')).rpartition(':')[2]}", key("UUID"),
         ("lambda:event-source-mapping",)),
    Kind(
        "cloudwatch_log_group", "log group", "logs", "describe_log_groups", "logGroups", key("logGroupName"),
        lambda item: str(item["arn"]).removesuffix(":*"), ("logs:log-group",),
        TagCall("list_tags_for_resource", "resourceArn"), prefix="logGroupNamePrefix",
    ),
    Kind("events_rule", "EventBridge rule", "events", "list_rules", "Rules", key("Name"), key("Arn"), ("events:rule",),
         TagCall("list_tags_for_resource", "ResourceARN")),
    Kind("sns_topic", "SNS topic", "sns", "list_topics", "Topics",
         lambda item: str(item["TopicArn"]).rpartition(":")[2], key("TopicArn"), ("sns:",),
         TagCall("list_tags_for_resource", "ResourceArn")),
    Kind(
        "cloudwatch_metric_alarm", "CloudWatch alarm", "cloudwatch", "describe_alarms", "MetricAlarms",
        key("AlarmName"), key("AlarmArn"), ("cloudwatch:alarm",), TagCall("list_tags_for_resource", "ResourceARN"),
        prefix="AlarmNamePrefix",
    ),
)  # fmt: skip
INSTANCE = Kind(
    "", "instance", "ec2", "describe_instances", "Reservations", named, key("InstanceId"), ("ec2:instance",)
)


def things(kind: Kind, connect: Connect, names: list[str] | None = None) -> Iterator[Thing]:
    """Yield all things of a kind; of a kind that is listed by prefix those whose names begin like one of `names`."""
    limits = [{kind.prefix: name} for name in names or []] if kind.prefix else [{}]
    seen = set()
    for limit in limits:
        for item in listed(connect(kind.service), kind.operation, kind.items, {**kind.options, **limit}):
            thing = Thing(kind, kind.name(item) or kind.token(item), kind.token(item), item)
            if not is_going(item) and thing.token not in seen:
                seen.add(thing.token)
                yield thing


def instances(connect: Connect, arguments: Mapping[str, Any] | None = None) -> Iterator[Thing]:
    """Yield the instances of EC2 that run or could run again."""
    for reservation in listed(connect("ec2"), "describe_instances", "Reservations", arguments or {}):
        for item in reservation.get("Instances", []):
            if item.get("State", {}).get("Name") not in _GOING:
                yield Thing(INSTANCE, named(item) or item["InstanceId"], item["InstanceId"], item)


def listed(client: Any, operation: str, items: str, arguments: Mapping[str, Any]) -> list[Any]:
    """Return all that a list operation answers, page by page where it has pages."""
    if client.can_paginate(operation):
        pages = client.get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page.get(items) or []]
    return list(getattr(client, operation)(**arguments).get(items) or [])


def is_going(item: Any) -> bool:
    """Whether AWS only goes on showing something that was deleted."""
    states = [item.get(member) for member in ("State", "state", "status")] if isinstance(item, dict) else []
    return any(isinstance(state, str) and state in _GOING for state in states)


def tags_of(thing: Thing, connect: Connect) -> dict[str, str]:
    """Return the tags of a thing; costs a call where its description does not hold them."""
    how = thing.kind.tags
    if how is None:
        return labels(thing.item)
    try:
        answer = getattr(connect(thing.kind.service), how.operation)(**{how.argument: thing.token}, **how.options)
    except ClientError as error:
        if is_code(error, *_NO_TAGS):
            return {}
        raise
    return labels(answer)


def is_ours(thing: Thing, connect: Connect, marks: Mapping[str, str]) -> bool:
    """Whether a thing has the tags of the stack; a layer, which cannot have tags, has our note in its place."""
    if thing.kind.module == "lambda_layer":
        note = thing.item.get("LatestMatchingVersion", {}).get("Description", "")
        return str(note).startswith("sha256:")
    return marks.items() <= tags_of(thing, connect).items()


def tagged(connect: Connect, marks: Mapping[str, str]) -> list[str]:
    """Return the ARNs that AWS's index of tags knows with the tags of the stack; it lags behind deletions."""
    client = connect("resourcegroupstaggingapi")
    wanted = [{"Key": name, "Values": [value]} for name, value in marks.items()]
    found = listed(client, "get_resources", "ResourceTagMappingList", {"TagFilters": wanted})
    return [str(item["ResourceARN"]) for item in found]
