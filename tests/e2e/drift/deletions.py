"""Resources of every kind, deleted by hand: those that stand on others, then those that others stand on."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.drift import functions, identity, network, storage
from tests.e2e.drift.mutation import PROJECT, TAGS, Account, Mutation, gone

Act = Callable[[Account], object]
call = functions.call


def _rule(aws: Account) -> None:
    aws("events").remove_targets(Rule=functions.SWEEP, Ids=["task-events"])
    aws("events").delete_rule(Name=functions.SWEEP)


def _layer(aws: Account) -> None:
    for version in aws("lambda").list_layer_versions(LayerName=functions.LAYER)["LayerVersions"]:
        aws("lambda").delete_layer_version(LayerName=functions.LAYER, VersionNumber=version["Version"])


def _queue(aws: Account) -> None:
    aws("sqs").delete_queue(QueueUrl=aws("sqs").get_queue_url(QueueName=storage.EVENTS)["QueueUrl"])


def _role(aws: Account) -> None:
    arn = identity.policy(aws, "execution")
    aws("iam").detach_role_policy(RoleName=identity.EXECUTION, PolicyArn=arn)
    aws("iam").delete_role(RoleName=identity.EXECUTION)


def _policy(aws: Account) -> None:
    aws("iam").detach_role_policy(RoleName=identity.RECONCILER, PolicyArn=identity.policy(aws, "reconciler"))
    aws("iam").delete_policy(PolicyArn=identity.policy(aws, "reconciler"))


def _profile(aws: Account) -> None:
    named = {"InstanceProfileName": identity.PROFILE}
    aws("iam").remove_role_from_instance_profile(**named, RoleName=identity.GPU)
    aws("iam").delete_instance_profile(**named)


def _user(aws: Account) -> None:
    aws("iam").detach_user_policy(UserName=identity.USER, PolicyArn=identity.policy(aws, "presign"))
    aws("iam").delete_user(UserName=identity.USER)


def _table(aws: Account) -> None:
    found = network.table(aws, f"{PROJECT}-private-us-east-1b")
    for link in found["Associations"]:
        aws("ec2").disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    aws("ec2").delete_route_table(RouteTableId=found["RouteTableId"])


def _gateway(aws: Account) -> None:
    where = {"InternetGatewayId": network.gateway(aws)}
    aws("ec2").detach_internet_gateway(**where, VpcId=network.vpc(aws))
    aws("ec2").delete_internet_gateway(**where)


def _mapping(aws: Account) -> None:
    aws("lambda").delete_event_source_mapping(UUID=functions.mapping(aws, storage.JOBS))


def _task_definition(aws: Account) -> None:
    found = aws("ecs").list_task_definitions(familyPrefix=functions.FAMILY)["taskDefinitionArns"]
    for arn in found:
        aws("ecs").deregister_task_definition(taskDefinition=arn)


def _inside(name: str) -> str:
    return f"{name} in {network.VPC}"


_UPON_OTHERS = {
    "alarm": gone(
        call("cloudwatch", "delete_alarms", AlarmNames=[f"{PROJECT}-oldest-job"]),
        *("CloudWatch alarm", f"{PROJECT}-oldest-job"),
        threshold=900.0,
    ),
    "topic": gone(
        lambda aws: aws("sns").delete_topic(TopicArn=storage.topic(aws)), "SNS topic", storage.TOPIC, tags=TAGS
    ),
    "rule": gone(_rule, "EventBridge rule", functions.SWEEP, schedule_expression="rate(1 minute)"),
    "mapping": gone(_mapping, "event source mapping", functions.OF_JOBS, batch_size=10),
    "task definition": gone(_task_definition, "ECS task definition", functions.FAMILY, memory="2048"),
    "log group": gone(
        call("logs", "delete_log_group", logGroupName=functions.LOGS),
        *("CloudWatch log group", functions.LOGS),
        retention=14,
    ),
    "bucket": gone(storage.s3("delete_bucket", storage.DERIVED), "S3 bucket", storage.DERIVED, acl="private"),
    "repository": gone(
        call("ecr", "delete_repository", repositoryName=storage.REPOSITORY, force=True),
        *("ECR repository", storage.REPOSITORY),
        scan_on_push=True,
    ),
    "secret": gone(
        call("ssm", "delete_parameter", Name=storage.KEY), "SSM parameter", storage.KEY, type="SecureString"
    ),
    "role": gone(_role, "IAM role", identity.EXECUTION, description="Starts tasks"),
    "policy": gone(_policy, "IAM policy", f"{PROJECT}-reconciler", only_version=True),
    "user": gone(_user, "IAM user", identity.USER, groups=[]),
    "endpoint": gone(
        lambda aws: aws("ec2").delete_vpc_endpoints(VpcEndpointIds=[network.endpoint(aws)]),
        *("VPC endpoint", _inside("for s3")),
        vpc_endpoint_type="Gateway",
    ),
    "route table": gone(
        _table, "Route table", _inside(f"{PROJECT}-private-us-east-1b"), subnets=[f"{PROJECT}-private-us-east-1b"]
    ),
    "NAT gateway": gone(
        lambda aws: aws("ec2").delete_nat_gateway(NatGatewayId=network.nat(aws)["NatGatewayId"]),
        *("NAT gateway", _inside(f"{PROJECT}-nat-us-east-1a")),
        subnet=f"{PROJECT}-public-us-east-1a",
    ),
}

_UNDER_OTHERS = {
    "function": gone(
        call("lambda", "delete_function", FunctionName=functions.RECONCILER),
        *("Lambda function", functions.RECONCILER),
        handler="app.handler",
    ),
    "layer": gone(_layer, "Lambda layer", functions.LAYER, policy={}),
    "queue": gone(_queue, "SQS queue", storage.EVENTS, visibility_timeout=360),
    "group": gone(
        call("autoscaling", "delete_auto_scaling_group", AutoScalingGroupName=functions.GROUP, ForceDelete=True),
        *("Auto Scaling group", functions.GROUP),
        max_size=2,
    ),
    "template": gone(
        call("ec2", "delete_launch_template", LaunchTemplateName=functions.TEMPLATE),
        *("Launch template", functions.TEMPLATE),
        instance_type="g5.xlarge",
    ),
    "cluster": gone(
        call("ecs", "delete_cluster", cluster=functions.CLUSTER),
        *("ECS cluster", functions.CLUSTER),
        container_insights="enabled",
    ),
    "profile": gone(_profile, "IAM instance profile", identity.PROFILE, role=identity.GPU),
    "internet gateway": gone(_gateway, "Internet gateway", _inside(f"{PROJECT}-igw"), vpc=network.VPC),
    "worker's group": gone(
        lambda aws: aws("ec2").delete_security_group(GroupId=network.group(aws, f"{PROJECT}-worker-sg")),
        *("Security group", _inside(f"{PROJECT}-worker-sg")),
        ingress=[],
    ),
    "subnet": gone(
        lambda aws: aws("ec2").delete_subnet(SubnetId=network.subnet(aws, f"{PROJECT}-private-us-east-1c")),
        *("Subnet", _inside(f"{PROJECT}-private-us-east-1c")),
        cidr_block="10.0.32.0/20",
    ),
}

BATCHES: list[dict[str, Mutation]] = [_UPON_OTHERS, _UNDER_OTHERS]
