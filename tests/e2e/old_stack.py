"""A stack as Terraform made it before there was this project: its names, ranges and tags, and how to make it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from tests.e2e.used_stack import Account

VPC = "tamma-dev-vpc"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
PRIVATE = ("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24")
PUBLIC = ("10.0.100.0/24", "10.0.101.0/24", "10.0.102.0/24")
TAGS = {"Terraform": "true", "Project": "tamma", "Environment": "dev", "ManagedBy": "terraform"}
BUCKETS = ("tamma-dev-raw", "tamma-dev-derived")
FOREIGN_PARAMETERS = ("/tamma/dev/assemblyai_api_key", "/tamma/dev/openai_api_key")
NAME = "tamma-dev-audio-clean"
FUNCTION = "tamma-dev-trigger-clean"
ROLES = {
    "tamma-dev-ecs-task-execution-role": ("ecs-tasks.amazonaws.com", "service-role/AmazonECSTaskExecutionRolePolicy"),
    "tamma-dev-lambda-trigger-ecs-role": ("lambda.amazonaws.com", "service-role/AWSLambdaBasicExecutionRole"),
    "tamma-dev-gpu-role": ("ec2.amazonaws.com", "service-role/AmazonEC2ContainerServiceforEC2Role"),
}
_ACCOUNT = "000000000000"
_PAIRS = [{"Key": key, "Value": value} for key, value in TAGS.items()]
_LOWER = [{"key": key, "value": value} for key, value in TAGS.items()]


def make(account: Account, *, fifo: bool) -> None:
    """Make all of it, with what its users have put into it."""
    subnets, group = _network(account)
    _data(account, fifo=fifo)
    _identities(account)
    _compute(account, subnets, group)
    _function(account, fifo=fifo)


def _spec(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [*_PAIRS, {"Key": "Name", "Value": name}]}]


def _network(account: Account) -> tuple[list[str], str]:
    """Make what terraform-aws-modules/vpc makes with a single NAT gateway; return private subnets and the group."""
    ec2 = account.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=_spec("vpc", VPC))["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway(TagSpecifications=_spec("internet-gateway", VPC))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    subnets = {
        side: [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=block, AvailabilityZone=zone,
                TagSpecifications=_spec("subnet", f"{VPC}-{side}-{zone}"),
            )["Subnet"]["SubnetId"]
            for zone, block in zip(ZONES, blocks, strict=True)
        ]
        for side, blocks in (("private", PRIVATE), ("public", PUBLIC))
    }  # fmt: skip
    single = f"{VPC}-{ZONES[0]}"
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=_spec("elastic-ip", single))["AllocationId"]
    nat = ec2.create_nat_gateway(
        SubnetId=subnets["public"][0], AllocationId=address, TagSpecifications=_spec("natgateway", single)
    )["NatGateway"]["NatGatewayId"]
    targets = {"public": {"GatewayId": gateway["InternetGatewayId"]}, "private": {"NatGatewayId": nat}}
    for side, target in targets.items():
        table = ec2.create_route_table(VpcId=vpc, TagSpecifications=_spec("route-table", f"{VPC}-{side}"))
        known = table["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=known, DestinationCidrBlock="0.0.0.0/0", **target)
        for subnet in subnets[side]:
            ec2.associate_route_table(RouteTableId=known, SubnetId=subnet)
    _default_parts(ec2, vpc)
    group = ec2.create_security_group(
        GroupName="tamma-dev-worker-sg", Description="Managed by Terraform", VpcId=vpc,
        TagSpecifications=_spec("security-group", "tamma-dev-worker-sg"),
    )["GroupId"]  # fmt: skip
    return subnets["private"], group


def _default_parts(ec2: Any, vpc: str) -> None:
    """Name what AWS makes with a VPC, as the module does."""
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    main = next(
        table["RouteTableId"]
        for table in ec2.describe_route_tables(Filters=mine)["RouteTables"]
        if any(link.get("Main") for link in table["Associations"])
    )
    acl = ec2.describe_network_acls(Filters=mine)["NetworkAcls"][0]["NetworkAclId"]
    groups = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    default = next(one["GroupId"] for one in groups if one["GroupName"] == "default")
    ec2.create_tags(Resources=[main, acl, default], Tags=[*_PAIRS, {"Key": "Name", "Value": f"{VPC}-default"}])


def _data(account: Account, *, fifo: bool) -> None:
    s3, sqs, ssm = account.aws("s3"), account.aws("sqs"), account.aws("ssm")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": _PAIRS})
        s3.put_object(Bucket=bucket, Key="uploads/kept.wav", Body=b"kept")
    ending, attributes = (".fifo", {"FifoQueue": "true"}) if fifo else ("", {})
    for queue in ("tamma-dev-jobs-dlq", "tamma-dev-jobs"):
        sqs.create_queue(QueueName=f"{queue}{ending}", Attributes=attributes, tags=TAGS)
    for name in ("/tamma/dev/supabase_url", *FOREIGN_PARAMETERS):
        ssm.put_parameter(Name=name, Value="https://old.example.com", Type="SecureString", Tags=_PAIRS)
    account.aws("ecr").create_repository(repositoryName=NAME, imageTagMutability="MUTABLE", tags=_PAIRS)
    account.aws("logs").create_log_group(logGroupName="/ecs/audio-clean", tags=TAGS)
    account.aws("logs").create_log_stream(logGroupName="/ecs/audio-clean", logStreamName="worker/1")


def _identities(account: Account) -> None:
    iam = account.aws("iam")
    for role, (service, managed) in ROLES.items():
        trust = [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust), Tags=_PAIRS)
        allowed = [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]
        iam.put_role_policy(RoleName=role, PolicyName="extra", PolicyDocument=_policy(allowed))
        iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{managed}")
    iam.create_instance_profile(InstanceProfileName="tamma-dev-gpu-profile", Tags=_PAIRS)
    iam.add_role_to_instance_profile(InstanceProfileName="tamma-dev-gpu-profile", RoleName="tamma-dev-gpu-role")


def _policy(statements: Iterable[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _compute(account: Account, subnets: list[str], group: str) -> None:
    ec2, ecs, scaling = account.aws("ec2"), account.aws("ecs"), account.aws("autoscaling")
    template = ec2.create_launch_template(
        LaunchTemplateName="tamma-dev-gpu-lt",
        LaunchTemplateData={
            "ImageId": "ami-0123456789abcdef0", "InstanceType": "g4dn.xlarge", "SecurityGroupIds": [group],
            "IamInstanceProfile": {"Name": "tamma-dev-gpu-profile"},
        },
        TagSpecifications=_spec("launch-template", "tamma-dev-gpu-lt"),
    )["LaunchTemplate"]["LaunchTemplateId"]  # fmt: skip
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="tamma-dev-gpu-asg", MinSize=0, MaxSize=1, DesiredCapacity=0,
        VPCZoneIdentifier=",".join(subnets), LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        NewInstancesProtectedFromScaleIn=True,
        Tags=[{**pair, "PropagateAtLaunch": True} for pair in _PAIRS],
    )  # fmt: skip
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["tamma-dev-gpu-asg"])["AutoScalingGroups"][0]
    ecs.create_capacity_provider(
        name="tamma-dev-gpu-cp", tags=_LOWER,
        autoScalingGroupProvider={
            "autoScalingGroupArn": found["AutoScalingGroupARN"],
            "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
            "managedTerminationProtection": "ENABLED",
        },
    )  # fmt: skip
    ecs.create_cluster(
        clusterName="tamma-dev-cluster", tags=_LOWER, capacityProviders=["FARGATE", "FARGATE_SPOT", "tamma-dev-gpu-cp"]
    )
    container = {"name": "audio-clean", "image": f"{NAME}:latest", "essential": True}
    ecs.register_task_definition(family=NAME, containerDefinitions=[container], tags=_LOWER)
    ecs.create_service(
        cluster="tamma-dev-cluster", serviceName=NAME, taskDefinition=NAME, desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [group]}}, tags=_LOWER,
    )  # fmt: skip


def _function(account: Account, *, fifo: bool) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("index.py", "def handler(event, context):\n    raise RuntimeError('not yet')\n")
    aws = account.aws("lambda")
    aws.create_function(
        FunctionName=FUNCTION, Runtime="python3.12", Handler="index.handler", Code={"ZipFile": archive.getvalue()},
        Role=f"arn:aws:iam::{_ACCOUNT}:role/tamma-dev-lambda-trigger-ecs-role", Tags=TAGS,
    )  # fmt: skip
    queue = f"arn:aws:sqs:us-east-1:{_ACCOUNT}:tamma-dev-jobs{'.fifo' if fifo else ''}"
    aws.create_event_source_mapping(FunctionName=FUNCTION, EventSourceArn=queue, BatchSize=1, Enabled=False)
    # Lambda makes it with the first call.
    account.aws("logs").create_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")
