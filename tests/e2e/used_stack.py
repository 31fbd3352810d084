"""What an account looks like after some months: things of others, and a stack that was used and changed by hand."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.request
import zipfile
from typing import Any, Protocol

from tamma_local.cloud import Cloud

ROW = "half-done"
_ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
_CONTAINER = [{"name": "worker", "image": "x", "essential": True}]


class Account(Protocol):
    """Root's way into an account of an embedded cloud."""

    cloud: Cloud

    def aws(self, service: str, /) -> Any:
        """Return a boto3 client."""


def live_with_others(account: Account) -> None:
    """Make things of another project, with names that begin like ours or nearly."""
    ec2, s3 = account.aws("ec2"), account.aws("s3")
    for bucket in ("acme-data", "tamma-dev-backups"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    for queue in ("tamma-dev2-jobs", "tamma-dev-task-events-copy"):
        account.aws("sqs").create_queue(QueueName=queue, Attributes={"DelaySeconds": "3"}, tags={"Project": "acme"})
    iam = account.aws("iam")
    iam.create_role(RoleName="tamma-dev-dispatcher-role-of-acme", AssumeRolePolicyDocument=_ANYTHING)
    iam.put_role_policy(RoleName="tamma-dev-dispatcher-role-of-acme", PolicyName="p", PolicyDocument=_ANYTHING)
    iam.create_policy(PolicyName="acme-read", PolicyDocument=_ANYTHING)
    iam.create_user(UserName="tamma-presign-2")
    iam.create_access_key(UserName="tamma-presign-2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=_named("vpc", "tamma-dev-vpc-of-acme"))["Vpc"]
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    ec2.create_tags(Resources=[subnet], Tags=[{"Key": "Name", "Value": "tamma-dev-private-us-east-1a"}])
    group = ec2.create_security_group(GroupName="tamma-dev-worker-sg", Description="acme's", VpcId=vpc["VpcId"])
    ec2.create_network_interface(SubnetId=subnet, Groups=[group["GroupId"]], Description="ECS task of acme")
    ec2.allocate_address(Domain="vpc")
    ecs = account.aws("ecs")
    ecs.create_cluster(clusterName="tamma-dev-cluster-2")
    ecs.register_task_definition(family="tamma-dev-audio-clean-2", containerDefinitions=_CONTAINER)
    for group_name in ("/ecs/tamma-dev-audio-clean-2", "/aws/lambda/tamma-dev-reconciler-2", "/aws/lambda/acme"):
        account.aws("logs").create_log_group(logGroupName=group_name)
    account.aws("ssm").put_parameter(Name="/tamma/dev2/supabase_url", Value="x", Type="String")
    account.aws("events").put_rule(Name="tamma-dev-sweep-2", ScheduleExpression="rate(9 days)")
    topic = account.aws("sns").create_topic(Name="tamma-dev-alarms-2")["TopicArn"]
    account.aws("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    _push(account, account.aws("ecr").create_repository(repositoryName="acme/worker")["repository"]["repositoryName"])


def use(account: Account) -> None:
    """Work with the stack of dev, and change it by hand."""
    for part in (_fill_buckets, _change_network, _change_tasks, _change_identities, _change_functions):
        part(account)
    _push(account, "tamma-dev-audio-clean")
    topic = "arn:aws:sns:us-east-1:000000000000:tamma-dev-alarms"
    account.aws("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="b@example.com")
    insights = "/aws/ecs/containerinsights/tamma-dev-cluster/performance"
    account.aws("logs").create_log_group(logGroupName=insights)
    account.aws("logs").create_log_stream(logGroupName=insights, logStreamName="s")


def leave_jobs(account: Account) -> None:
    """Leave one job in the queue, one in the database, and one that was set aside."""
    mappings = account.aws("lambda").list_event_source_mappings(FunctionName="trigger-audio-clean")[
        "EventSourceMappings"
    ]
    account.aws("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
    for queue in ("tamma-dev-jobs.fifo", "tamma-dev-jobs-dlq.fifo"):
        send(account.aws("sqs"), queue)
    rest(account.cloud, "POST", "jobs", {"job_id": ROW, "s3_key": "uploads/x", "status": "queued"})


def send(sqs: Any, queue: str) -> None:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="g", MessageDeduplicationId=queue)


def take_all(sqs: Any, queue: str) -> None:
    """Take and delete the messages of a queue, as whoever works on them does."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def rest(cloud: Cloud, method: str, path: str, body: Any = None) -> None:
    """Call the database's REST interface as a service."""
    key = cloud.supabase_service_key
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(  # noqa: S310 - our own cloud
        f"{cloud.supabase_url}/rest/v1/{path}", data, headers, method=method
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own cloud


def _fill_buckets(account: Account) -> None:
    s3 = account.aws("s3")
    s3.put_bucket_versioning(Bucket="tamma-dev-raw", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"old", b"newer"):
        s3.put_object(Bucket="tamma-dev-raw", Key="uploads/a", Body=body)
    s3.put_object(Bucket="tamma-dev-raw", Key="uploads/b", Body=b"b")
    s3.delete_object(Bucket="tamma-dev-raw", Key="uploads/b")
    s3.create_multipart_upload(Bucket="tamma-dev-derived", Key="derived/c")
    rule = {"ID": "by-hand", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket="tamma-dev-raw", LifecycleConfiguration={"Rules": [rule]})


def _change_network(account: Account) -> None:
    ec2 = account.aws("ec2")
    vpc, subnet = network(account)
    mine = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    groups = {one["GroupName"]: one["GroupId"] for one in ec2.describe_security_groups(**mine)["SecurityGroups"]}
    worker, default = groups["tamma-dev-worker-sg"], groups["default"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=worker, IpPermissions=[ssh])
    friend = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": worker}]}
    ec2.authorize_security_group_ingress(GroupId=default, IpPermissions=[friend])
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    gateway = ec2.describe_internet_gateways(Filters=attached)["InternetGateways"][0]["InternetGatewayId"]
    for table in ec2.describe_route_tables(**mine)["RouteTables"]:
        ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="203.0.113.0/24", GatewayId=gateway)
    for description in ("arn:aws:ecs:us-east-1:000000000000:attachment/1", ""):
        ec2.create_network_interface(SubnetId=subnet, Groups=[worker], Description=description)
    ec2.create_launch_template_version(
        LaunchTemplateName="tamma-dev-gpu", LaunchTemplateData={"InstanceType": "t3.nano"}
    )


def network(account: Account) -> tuple[str, str]:
    """Return the ids of our VPC and of one of its subnets."""
    ec2 = account.aws("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["tamma-dev-vpc"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return vpc, subnets[0]["SubnetId"]


def _change_tasks(account: Account) -> None:
    ecs = account.aws("ecs")
    arns = [
        ecs.register_task_definition(family="tamma-dev-audio-clean", containerDefinitions=_CONTAINER)["taskDefinition"]
        for _ in range(3)
    ]
    ecs.deregister_task_definition(taskDefinition=arns[0]["taskDefinitionArn"])


def _change_identities(account: Account) -> None:
    iam = account.aws("iam")
    for _ in range(2):
        iam.create_access_key(UserName="tamma-presign")
    arn = next(one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"] if one["PolicyName"] == "acme-read")
    iam.attach_user_policy(UserName="tamma-presign", PolicyArn=arn)
    iam.attach_role_policy(RoleName="tamma-dev-dispatcher-role", PolicyArn=arn)
    iam.put_role_policy(RoleName="tamma-dev-audio-clean-task-role", PolicyName="by-hand", PolicyDocument=_ANYTHING)
    ours = arn.replace("acme-read", "tamma-dev-task")
    iam.create_policy_version(PolicyArn=ours, PolicyDocument=_ANYTHING, SetAsDefault=True)


def _change_functions(account: Account) -> None:
    aws = account.aws("lambda")
    version = aws.publish_version(FunctionName="tamma-dev-reconciler")["Version"]
    aws.create_alias(FunctionName="tamma-dev-reconciler", Name="by-hand", FunctionVersion=version)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("python/x.py", "")
    aws.publish_layer_version(
        LayerName="tamma-dev-python", Content={"ZipFile": archive.getvalue()}, Description="sha256:x"
    )
    target = {"Id": "by-hand", "Arn": "arn:aws:sqs:us-east-1:000000000000:tamma-dev2-jobs"}
    account.aws("events").put_targets(Rule="tamma-dev-task-stopped", Targets=[target])


def _push(account: Account, repository: str) -> None:
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": config | {"digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}"},
        "layers": [],
    }
    account.aws("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="1")


def _named(resource: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": resource, "Tags": [{"Key": "Name", "Value": name}]}]
