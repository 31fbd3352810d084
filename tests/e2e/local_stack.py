"""What tests on the embedded cloud run tasks with: a worker of a few lines, and everything around it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from tamma_local.cloud import Cloud

from tests.conftest import local_cloud

Client = Callable[..., Any]

# The worker of these tests does what its variable DO says.
_WORKER = """
import json, os, signal, sys, time, urllib.request

what = os.environ.get("DO", "print")
if what == "print":
    print(json.dumps(dict(os.environ)))
    print("to stderr", file=sys.stderr)
if what.startswith("exit"):
    sys.exit(int(what[4:]))
if what == "die":
    os.kill(os.getpid(), signal.SIGSEGV)
if what == "polite":
    def leave(*_):
        print("asked to stop", flush=True)
        sys.exit(143)
    signal.signal(signal.SIGTERM, leave)
if what == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if what == "put":
    from botocore.session import get_session
    client = get_session().create_client
    s3 = client("s3")
    s3.put_object(Bucket=os.environ["BUCKET"], Key="allowed/a", Body=b"1")
    try:
        s3.put_object(Bucket=os.environ["BUCKET"], Key="elsewhere/a", Body=b"1")
    except s3.exceptions.ClientError as error:
        print(error.response["Error"]["Code"], client("sts").get_caller_identity()["Arn"])
if what in {"polite", "stubborn"}:
    print("waiting", flush=True)
    while True:
        time.sleep(1)
"""


def until(what: str, found: Callable[[], Any], seconds: float = 120) -> Any:
    """Return the first true result of a function that is called until then.

    The bound is for what never comes, not for what is slow: the machine may be busy with other tests.
    """
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return result


def make_worker(context: Path) -> Path:
    """Write a worker's folder that `bundle` takes."""
    package = context / "src" / "tamma_worker"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(_WORKER)
    return context


class Stack:
    """A cluster, an image, roles, a log group and a queue that receives the task events."""

    def __init__(self, cloud: Cloud, aws: Client, worker: Path) -> None:
        self.name = f"probe-{uuid.uuid4().hex[:8]}"
        self.use(aws)
        self.ecs.create_cluster(clusterName=self.name)
        aws("ecr").create_repository(repositoryName=self.name, imageTagMutability="IMMUTABLE")
        self.pushed = local_cloud(
            worker, "bundle", "--context", str(worker), "--image", f"{self.name}:one",
            AWS_ENDPOINT_URL=cloud.aws_endpoint_url, AWS_REGION=cloud.region,
            AWS_ACCESS_KEY_ID=cloud.access_key_id, AWS_SECRET_ACCESS_KEY=cloud.secret_access_key,
        )  # fmt: skip
        assert self.pushed.returncode == 0, self.pushed.stderr
        self.image = f"{cloud.account_id}.dkr.ecr.{cloud.region}.amazonaws.com/{self.name}:one"
        aws("logs").create_log_group(logGroupName=f"/ecs/{self.name}")
        self.bucket = f"{self.name}-bucket"
        aws("s3").create_bucket(Bucket=self.bucket)
        aws("ssm").put_parameter(Name=f"/{self.name}/secret", Value="p ä'ss", Type="SecureString")
        self.role = self.make_role("ecs-tasks.amazonaws.com", "s3:PutObject", f"arn:aws:s3:::{self.bucket}/allowed/*")
        self.queue = self.make_queue("events")
        aws("events").put_rule(
            Name=self.name,
            EventPattern=json.dumps({
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {"group": [f"family:{self.name}"]},
            }),
        )  # fmt: skip
        aws("events").put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": self.arn(self.queue)}])
        self.define()

    def use(self, aws: Client) -> None:
        """Talk through these clients."""
        self.aws, self.ecs = aws, aws("ecs")

    def make_role(self, service: str, action: str | list[str], resource: str) -> str:
        iam, name = self.aws("iam"), f"{self.name}-{uuid.uuid4().hex[:6]}"
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=policy(allowed))
        return str(role["Arn"])

    def make_queue(self, name: str, **attributes: str) -> str:
        url = self.aws("sqs").create_queue(QueueName=f"{self.name}-{name}", Attributes=attributes)["QueueUrl"]
        return str(url)

    def arn(self, queue: str) -> str:
        answer = self.aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def define(self, image: str | None = None) -> str:
        container = {
            "name": "worker", "image": image or self.image, "essential": True, "stopTimeout": 2,
            "environment": [{"name": "BUCKET", "value": self.bucket}],
            "secrets": [{"name": "SECRET", "valueFrom": f"/{self.name}/secret"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": f"/ecs/{self.name}", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"}},
        }  # fmt: skip
        answer = self.ecs.register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            executionRoleArn=self.role, taskRoleArn=self.role, containerDefinitions=[container],
            runtimePlatform={"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        )  # fmt: skip
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def run(self, do: str, **options: Any) -> str:
        overrides = {"containerOverrides": [{"name": "worker", "environment": [{"name": "DO", "value": do}]}]}
        answer = self.ecs.run_task(
            cluster=self.name, taskDefinition=options.pop("definition", self.name), overrides=overrides,
            launchType="FARGATE", startedBy="a-test", tags=[{"key": "job_id", "value": "j1"}], **options,
        )  # fmt: skip
        assert answer["failures"] == []
        return str(answer["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        tasks: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=self.name, tasks=[arn])["tasks"]
        return tasks[0]

    def reach(self, arn: str, status: str) -> dict[str, Any]:
        found = until(f"{arn} {status}", lambda: (task := self.task(arn))["lastStatus"] == status and task)
        assert isinstance(found, dict)
        return found

    def log(self, arn: str, wanted: str) -> list[str]:
        stream = f"t/worker/{arn.rsplit('/', 1)[-1]}"

        def lines() -> list[str] | None:
            try:
                answer = self.aws("logs").get_log_events(logGroupName=f"/ecs/{self.name}", logStreamName=stream)
            except ClientError:
                return None
            found = [event["message"] for event in answer["events"]]
            return found if any(wanted in line for line in found) else None

        return list(until(f"{wanted!r} in the log", lines))

    def events(self, arn: str) -> list[dict[str, Any]]:
        """Return the details of the events of one task, up to STOPPED."""
        details: list[dict[str, Any]] = []

        def stopped() -> bool:
            answer = self.aws("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=60)
            events = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
            details.extend(event["detail"] for event in events if event["resources"] == [arn])
            return any(detail["lastStatus"] == "STOPPED" for detail in details)

        until(f"the STOPPED event of {arn}", stopped)
        return details


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
