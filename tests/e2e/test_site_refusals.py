"""Bad input and bad days at AWS: one sentence with resource, cause and next step; the account stays as it is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.refusing_endpoint import CUT, LOST, Fault, RefusingEndpoint
from tests.e2e.site import Run, Site, site

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_PROCESSES = {"TAMMA_WARM": "0"}
_FEW_RETRIES = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "3"}  # for what stays as it is
_GUARD = "AWS account"


@dataclass(frozen=True)
class Case:
    """A situation, and what the one sentence must say: the resource, the cause, the next step."""

    resource: str
    cause: str
    step: str
    arguments: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    connection: dict[str, str | None] = field(default_factory=dict)
    """Changes to what the inventory says of AWS; None takes it away."""
    environment: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def _tags(role: str, *more: str) -> tuple[str, ...]:
    return ("--tags", role, *more)


_NO_KEYS: dict[str, str | None] = dict.fromkeys(_KEYS)

CASES = {
    "wrong account": Case(
        _GUARD,
        "the inventory names 111122223333",
        "choose another AWS_PROFILE",
        inputs={"naming_account_id": "111122223333"},
    ),
    "wrong account, in check mode": Case(
        _GUARD,
        "belong to account 000000000000",
        "or another inventory",
        ("--check",),
        {"naming_account_id": "111122223333"},
        environment=_PROCESSES,
    ),
    "no account": Case(
        "The inventory", "naming_account_id (12 digits; now '')", "edit ", inputs={"naming_account_id": ""}
    ),
    "no credentials": Case(_GUARD, "Unable to locate credentials", "set AWS_PROFILE or sign in", connection=_NO_KEYS),
    "half of the credentials": Case(
        _GUARD, "missing: aws_secret_access_key", "check AWS_PROFILE", connection={_KEYS[1]: None}
    ),
    "unknown profile": Case(
        _GUARD,
        "profile (nobody) could not be found",
        "check AWS_PROFILE",
        connection=_NO_KEYS | {"AWS_PROFILE": "nobody"},
    ),
    "unknown profile, as processes": Case(
        _GUARD,
        "profile (nobody) could not be found",
        "check AWS_PROFILE",
        connection=_NO_KEYS | {"AWS_PROFILE": "nobody"},
        environment=_PROCESSES,
    ),
    "expired credentials": Case(
        _GUARD,
        "GetCallerIdentity was refused with ExpiredToken",
        "sign in again",
        faults=(Fault("*", "ExpiredToken", 403),),
    ),
    "wrong secret key": Case(
        _GUARD,
        "SignatureDoesNotMatch",
        "check AWS_PROFILE or the AWS_* variables",
        faults=(Fault("*", "SignatureDoesNotMatch", 403),),
    ),
    "missing region": Case(_GUARD, "You must specify a region", "set naming_region", connection={"AWS_REGION": None}),
    "impossible region": Case(
        _GUARD, "region_name 'nowhere 1'", "correct naming_region", connection={"AWS_REGION": "nowhere 1"}
    ),
    "unreachable endpoint": Case(
        _GUARD,
        "Could not connect to the endpoint",
        "check the network",
        connection={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    ),
    "address that is none": Case(
        _GUARD,
        "Invalid endpoint: 127.0.0.1:4566",
        "correct AWS_ENDPOINT_URL",
        connection={"AWS_ENDPOINT_URL": "127.0.0.1:4566"},
    ),
    "expired on the way": Case(
        "SQS queue tamma-dev-jobs",
        "ExpiredToken",
        "sign in again",
        _tags("job_queue"),
        faults=(Fault("sqs:ListQueueTags", "ExpiredToken", 403),),
    ),
    "denied write": Case(
        "SQS queue tamma-dev-jobs",
        "SetQueueAttributes was refused with AccessDenied",
        "grant the missing permission",
        _tags("job_queue"),
        {"job_queue_visibility_timeout": 900},
        connection={_KEYS[0]: "reader", _KEYS[1]: "reader"},
    ),
    "denied in a module of amazon.aws": Case(
        "IAM policy tamma-dev-presign",
        "AccessDenied",
        "grant the missing permission",
        _tags("identity"),
        {"identity_upload_prefix": "other/"},
        faults=(Fault("iam:CreatePolicyVersion", "AccessDenied", 403),),
    ),
    "denied in a module of amazon.aws, as a process": Case(
        "IAM policy tamma-dev-",
        "AccessDenied",
        "grant the missing permission",
        _tags("identity", "--check"),
        environment=_PROCESSES,
        faults=(Fault("iam:GetPolicyVersion", "AccessDenied", 403),),
    ),
    "throttling for ever": Case(
        "CloudWatch log group /ecs/tamma-dev-audio-clean",
        "refused with ThrottlingException",
        "wait a minute and re-run",
        _tags("compute", "--check"),
        environment=_FEW_RETRIES,
        faults=(Fault("logs:DescribeSubscriptionFilters", "ThrottlingException"),),
    ),
    "trouble at AWS": Case(
        "SQS queue tamma-dev-jobs",
        "InternalFailure",
        "AWS has trouble of its own",
        _tags("job_queue"),
        environment=_FEW_RETRIES,
        faults=(Fault("sqs:GetQueueAttributes", "InternalFailure", 500),),
    ),
    "connection that is cut": Case(
        "S3 bucket tamma-dev-raw",
        "Connection was closed",
        "check the network",
        _tags("storage", "--check"),
        environment=_FEW_RETRIES,
        faults=(Fault("s3:*", CUT),),
    ),
    "bucket of somebody else": Case(
        "S3 bucket tamma-dev-raw-x",
        "the name belongs to another account",
        "choose another one",
        _tags("storage"),
        {"naming_bucket_suffix": "-x"},
        faults=(Fault("s3:CreateBucket", "BucketAlreadyExists", 409),),
    ),
    "bucket of somebody else, in check mode": Case(
        "S3 bucket tamma-dev-raw-x",
        "the name is taken",
        "choose another name",
        _tags("storage", "--check"),
        {"naming_bucket_suffix": "-x"},
        faults=(Fault("s3:HeadBucket", "403", 403),),
    ),
    "quota": Case(
        "VPC tamma-new-vpc",
        "CreateVpc was refused with VpcLimitExceeded",
        "ask AWS for a higher quota",
        _tags("network"),
        {"naming_environment": "new"},
        faults=(Fault("ec2:CreateVpc", "VpcLimitExceeded"),),
    ),
    "range of the VPC": Case(
        "VPC tamma-dev-vpc",
        "cidr_block cannot be changed from '10.0.0.0/16' to '10.9.0.0/16'",
        "keep the old range",
        _tags("network"),
        {"network_vpc_cidr": "10.9.0.0/16"},
    ),
    "queue that loses FIFO": Case(
        "SQS queue tamma-dev-jobs",
        "is for FIFO queues",
        "leave it out, or end the name in .fifo",
        _tags("job_queue", "--check"),
        {"naming_jobs_queue": "tamma-dev-jobs"},
    ),
    "misspelt choice": Case(
        "compute_worker_architecture",
        "must be one of: X86_64, ARM64",
        "correct that in the inventory",
        _tags("compute"),
        {"compute_worker_architecture": "ARM"},
    ),
    "word for a number": Case(
        "dispatch_memory",
        "cannot be converted to an int",
        "correct that in the inventory",
        _tags("dispatch"),
        {"dispatch_memory": "lots"},
    ),
    "schedule that is none": Case(
        "EventBridge rule tamma-dev-sweep",
        "schedule_expression is 'rate(1 minutes)'",
        "write it like rate(1 minute)",
        _tags("events", "--check"),
        {"events_sweep_schedule": "rate(1 minutes)"},
    ),
    "receiver that SNS has not": Case(
        "SNS topic tamma-dev-alarms",
        "no protocol pigeon",
        "choose one of",
        _tags("alarms"),
        {"alarms_receivers": [{"protocol": "pigeon", "endpoint": "x"}]},
    ),
}

_CARRIED_OUT_UNHEARD = (
    *("sqs:CreateQueue", "iam:CreateRole", "iam:CreatePolicy", "lambda:CreateFunction*", "ecs:RegisterTaskDefinition"),
    *("ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreateNatGateway", "ec2:AllocateAddress"),
)


@pytest.fixture(scope="module")
def converged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Converge on a bad day: some calls are throttled for a while, some are carried out and their answer is lost."""
    with site(tmp_path_factory.mktemp("refusals"), RefusingEndpoint) as running:
        unheard = [Fault(calls, LOST, times=1) for calls in _CARRIED_OUT_UNHEARD]
        throttled = [Fault(calls, "ThrottlingException", times=2) for calls in ("sts:*", "logs:Create*", "ecr:Create*")]
        _faults(running)[:] = [*unheard, *throttled]
        running.converge(AWS_RETRY_MODE="standard", AWS_MAX_ATTEMPTS="5")
        assert [fault.met for fault in _faults(running)] == [fault.times for fault in _faults(running)]
        _faults(running).clear()
        yield running


@pytest.fixture(scope="module")
def reader(converged: Site) -> dict[str, str]:
    """Create a user who may look at everything and change nothing; return the user's keys."""
    iam = converged.aws("iam")
    looking = [f"*:{verb}*" for verb in ("Get", "List", "Describe")]
    allowed = {"Effect": "Allow", "Action": looking, "Resource": "*"}
    iam.create_user(UserName="reader")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="reader", PolicyName="look", PolicyDocument=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    return {_KEYS[0]: key["AccessKeyId"], _KEYS[1]: key["SecretAccessKey"]}


def test_lost_answers_and_passing_throttles_leave_nothing_twice(converged: Site) -> None:
    assert converged.preview().last_line == "No changes."
    ec2 = converged.aws("ec2")
    assert len(ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["tamma-dev-vpc"]}])["Vpcs"]) == 1
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == len(ec2.describe_addresses()["Addresses"]) == 1
    assert len(converged.aws("ecs").list_task_definitions()["taskDefinitionArns"]) == 1


@pytest.mark.parametrize("situation", CASES)
def test_refusal_is_one_sentence_and_changes_nothing(
    converged: Site, reader: dict[str, str], situation: str, tmp_path: Path
) -> None:
    case = CASES[situation]
    before = _account(converged)
    run = _run(converged, case, reader, home=tmp_path)
    assert run.code != 0, run.output
    assert "Traceback" not in run.output
    assert "[WARNING]" not in run.output
    errors = run.plan["errors"]
    assert "Traceback" not in json.dumps(run.plan)
    assert len({error["message"] for error in errors}) == len(errors), "an identical sentence is told once"
    for words in (case.resource, case.cause, case.step):
        assert words in errors[0]["message"]
    assert errors[0]["message"].endswith(".")
    assert "\n" not in errors[0]["message"]
    number = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
    checking = "--check" in case.arguments
    assert run.last_line == (
        f"Plan incomplete: {number}." if checking else f"Stopped by {number} after: 0 created, 0 updated, 0 deleted."
    )
    if "reader" not in case.connection.values():
        assert run.writes == []
    assert _account(converged) == before


def test_a_network_that_swallows_everything_is_told_within_a_minute(converged: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        case = Case(_GUARD, "", "", ("--check",), connection={"AWS_ENDPOINT_URL": endpoint})
        run = _run(converged, case, {}, home=tmp_path)
    assert [error["message"].partition(" on ")[0] for error in run.plan["errors"]] == ["AWS account: Read timeout"]
    assert run.plan["seconds"] < 60


def test_the_account_is_as_it_was(converged: Site) -> None:
    assert converged.preview().last_line == "No changes."


def _run(converged: Site, case: Case, reader: dict[str, str], home: Path) -> Run:
    cloud = converged.cloud
    connection: dict[str, str | None] = {
        "AWS_ENDPOINT_URL": converged.proxy.url, "AWS_REGION": cloud.region, "AWS_EC2_METADATA_DISABLED": "true",
        _KEYS[0]: cloud.access_key_id, _KEYS[1]: cloud.secret_access_key,
    }  # fmt: skip
    for name, value in case.connection.items():
        connection[name] = reader[name] if value == "reader" else value
    given = {name: value for name, value in connection.items() if value is not None}
    inputs = case.inputs | ({"aws_environment": given} if case.connection else {})
    _faults(converged)[:] = case.faults
    try:
        # A home of its own: what the machine's owner has in ~/.aws is no part of this.
        return converged.run(*case.arguments, "-e", json.dumps(inputs), HOME=str(home), **case.environment)
    finally:
        _faults(converged).clear()


def _faults(converged: Site) -> list[Fault]:
    assert isinstance(converged.proxy, RefusingEndpoint)
    return converged.proxy.faults


def _account(converged: Site) -> dict[str, Any]:
    """Return what is in the account, as plain boto3 sees it."""
    ec2, iam = converged.aws("ec2"), converged.aws("iam")
    queues, functions = converged.aws("sqs"), converged.aws("lambda")
    attributes = ["VisibilityTimeout", "RedrivePolicy", "RedriveAllowPolicy"]
    return {
        "network": [
            ec2.describe_vpcs()["Vpcs"], ec2.describe_subnets()["Subnets"], ec2.describe_addresses()["Addresses"],
            ec2.describe_route_tables()["RouteTables"], ec2.describe_security_groups()["SecurityGroups"],
        ],
        "queues": {
            url: queues.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"]
            for url in queues.list_queues()["QueueUrls"]
        },
        "identity": [
            iam.list_roles()["Roles"], iam.list_users()["Users"],
            [(one["PolicyName"], one["DefaultVersionId"]) for one in iam.list_policies(Scope="Local")["Policies"]],
        ],
        "buckets": [bucket["Name"] for bucket in converged.aws("s3").list_buckets()["Buckets"]],
        "rules": converged.aws("events").list_rules()["Rules"],
        "topics": converged.aws("sns").list_subscriptions()["Subscriptions"],
        "functions": [(one["FunctionName"], one["CodeSha256"]) for one in functions.list_functions()["Functions"]],
    }  # fmt: skip
