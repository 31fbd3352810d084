"""What a teardown looks at before and after, as far as no emulator shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import tests.ansible_modules  # noqa: F401 - lets Python find module_utils

# isort: split
from ansible.module_utils.tamma import draining, foreigners, guard, holdings, leftovers, unfinished
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.interfaces import goes_with_another, is_stray
from botocore.exceptions import ClientError

MARKS = {"Project": "tamma", "Environment": "dev", "ManagedBy": "ansible"}
OURS = [{"Key": key, "Value": value} for key, value in MARKS.items()]
PLACES = unfinished.Places("c", "jobs.fifo", "dlq.fifo", "/url", "/key")
_EMPTY: dict[str, Any] = {kind.operation: {kind.items: []} for kind in [*holdings.KINDS, holdings.INSTANCE]} | {
    "get_resources": {"ResourceTagMappingList": []},
    "describe_clusters": {"clusters": []},
}


class Account:
    """Answers by the name of the operation, whatever service it is of; what is not said is empty."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = {**_EMPTY, **answers}
        self.written: list[dict[str, Any]] = []

    def __call__(self, service: str) -> Account:
        del service
        return self

    def can_paginate(self, operation: str) -> bool:
        del operation
        return False

    def set_queue_attributes(self, **arguments: Any) -> None:
        self.written.append(arguments["Attributes"])

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def answer(**_: Any) -> Any:
            if isinstance(self._answers.get(operation), Exception):
                raise self._answers[operation]
            return self._answers.get(operation, {})

        return answer


def _interface(**more: Any) -> dict[str, Any]:
    return {"NetworkInterfaceId": "eni-1", "Status": "available", "VpcId": "vpc-1", **more}


@pytest.mark.parametrize(
    ("found", "stray"),
    [
        (_interface(), True),
        (_interface(Description="AWS Lambda VPC ENI-f-1", TagSet=OURS), True),
        (_interface(RequesterManaged=True, TagSet=OURS), True),
        (_interface(TagSet=[{"Key": "Owner", "Value": "me"}]), False),
        (_interface(Association={"PublicIp": "1.2.3.4"}), False),
        (_interface(Status="in-use", Description="RDSNetworkInterface", RequesterManaged=True), False),
        (_interface(Attachment={"Status": "attaching", "InstanceId": "i-1"}), False),
        (_interface(Attachment={"Status": "detached", "InstanceId": "i-1"}), True),
    ],
)
def test_an_interface_is_stray_only_when_nobody_can_want_it(found: dict[str, Any], stray: bool) -> None:
    assert is_stray(found) is stray


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (_interface(InterfaceType="nat_gateway"), True),
        (_interface(Description="VPC Endpoint Interface vpce-1"), True),
        (_interface(Attachment={"InstanceId": "i-1"}), True),
        (_interface(Description="arn:aws:ecs:us-east-1:1:attachment/1"), True),
        (_interface(NetworkInterfaceId="eni-2", Description="arn:aws:ecs:us-east-1:1:attachment/2"), False),
        (_interface(Description="ELB app/somebody/1", RequesterManaged=True), False),
        (_interface(Description="AWS Lambda VPC ENI-of-somebody"), False),
    ],
)
def test_an_interface_in_use_is_judged_by_its_owner(found: dict[str, Any], known: bool) -> None:
    assert goes_with_another({**found, "Status": "in-use"}, {"eni-1"}) is known


def test_what_a_person_put_into_the_vpc_is_named() -> None:
    account = Account({
        "describe_route_tables": {"RouteTables": [{"RouteTableId": "rtb-1", "Associations": [{"Main": True}]}]},
        "describe_network_acls": {"NetworkAcls": [{"NetworkAclId": "acl-1", "IsDefault": True}]},
        "describe_security_groups": {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "default"}]},
        "describe_instances": {"Reservations": [{"Instances": [
            {"InstanceId": "i-1", "State": {"Name": "running"}},
            {"InstanceId": "i-2", "State": {"Name": "terminated"}},
            {"InstanceId": "i-3", "State": {"Name": "running"}, "Tags": [{"Key": "Name", "Value": "our-group"}]},
        ]}]},
        "describe_vpc_peering_connections": {"VpcPeeringConnections": [
            {"VpcPeeringConnectionId": "pcx-1", "RequesterVpcInfo": {"VpcId": "vpc-1"}, "Status": {"Code": "active"}},
            {"VpcPeeringConnectionId": "pcx-2", "RequesterVpcInfo": {"VpcId": "vpc-1"}, "Status": {"Code": "deleted"}},
        ]},
        "describe_vpn_gateways": ClientError({"Error": {"Code": "InvalidAction"}}, "DescribeVpnGateways"),
        "describe_nat_gateways": {"NatGateways": [{"NatGatewayId": "nat-1", "State": "deleted"}]},
    })  # fmt: skip
    found = foreigners.in_vpc(account, "vpc-1", {"autoscaling_group": ["our-group"]}, set())
    assert found == ["instance i-1", "peering connection pcx-1"]


def test_the_index_of_tags_is_believed_only_where_no_service_can_be_asked() -> None:
    gone, there = ("arn:aws:ec2:us-east-1:1:vpc/vpc-9", "arn:aws:rds:us-east-1:1:db:notes")
    task = "arn:aws:ecs:us-east-1:1:task/c/1"
    index = {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in (gone, there, task)]}
    found = leftovers.left(Account({"get_resources": index}), {}, MARKS)
    assert found == [f"{there} is left: it has the tags of the stack."]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"describe_volumes": {"Volumes": [{"VolumeId": "vol-1", "Tags": OURS}]}}, "volume vol-1"),
        ({"describe_addresses": {"Addresses": [{"AllocationId": "eipalloc-1", "Tags": OURS}]}}, "address eipalloc-1"),
        ({"list_roles": {"Roles": [{"RoleName": "r"}]}}, "IAM role r is left: it has a name of the stack."),
        (
            {"list_task_definitions": {"taskDefinitionArns": ["arn:aws:ecs:us-east-1:1:task-definition/family:3"]}},
            "ECS task definition family (arn:aws:ecs:us-east-1:1:task-definition/family:3)",
        ),
        (
            {"list_event_source_mappings": {"EventSourceMappings": [
                {"UUID": "u", "EventSourceArn": "arn:aws:sqs:us-east-1:1:jobs", "FunctionArn": "arn:x:function:f"}
            ]}},
            "event source mapping of jobs (u) is left: it has an end in the stack.",
        ),
    ],
)  # fmt: skip
def test_leftovers_are_known_by_name_by_tag_and_by_what_they_join(answers: dict[str, Any], words: str) -> None:
    names = {"iam_role": ["r"], "ecs_task_definition": ["family"], "sqs_queue": ["jobs"]}
    assert words in " ".join(leftovers.left(Account(answers), names, MARKS))


def test_others_with_nearly_our_names_are_not_left() -> None:
    others = {"list_roles": {"Roles": [{"RoleName": "r-2"}]}, "describe_subnets": {"Subnets": [
        {"SubnetId": "subnet-1", "Tags": [{"Key": "Name", "Value": "s"}, {"Key": "Project", "Value": "acme"}]}
    ]}}  # fmt: skip
    assert leftovers.left(Account(others), {"iam_role": ["r"], "ec2_subnet": ["s"]}, MARKS) == []


def _wish(**more: Any) -> guard.Wish:
    given: dict[str, Any] = {"names": {}, "vpc": "v", "delete_objects": True, "abandon": True, "drain": False}
    return guard.Wish(
        **{**given, "adopt": frozenset(), "adopted": frozenset(), "places": PLACES, "marks": MARKS, **more}
    )


def test_a_layer_has_no_tags_and_is_known_by_our_note() -> None:
    layers = [{"LayerName": "l", "LayerArn": "arn:l", "LatestMatchingVersion": {"Description": "sha256:1"}}]
    wish = _wish(names={"lambda_layer": ["l"]})
    assert guard.reasons(Account({"list_layers": {"Layers": layers}}), wish) == []
    layers[0]["LatestMatchingVersion"] = {}
    assert "Lambda layer l" in guard.reasons(Account({"list_layers": {"Layers": layers}}), wish)[0]


def test_a_database_that_does_not_answer_is_a_reason() -> None:
    parameters = [{"Name": "/url", "Value": "http://127.0.0.1:9"}, {"Name": "/key", "Value": "k"}]
    account = Account({
        "get_parameters": {"Parameters": parameters},
        "get_queue_url": {"QueueUrl": "u"},
        "get_queue_attributes": {"Attributes": {}},
    })  # fmt: skip
    (reason,) = guard.reasons(account, _wish(abandon=False))
    assert reason.startswith("The database does not say whether jobs are unfinished")
    assert reason.endswith("give the jobs up with -e teardown_abandon_jobs=true.")


def test_a_queue_keeps_the_policy_that_it_had_when_jobs_do_not_end() -> None:
    account = Account({
        "get_queue_url": {"QueueUrl": "u"},
        "get_queue_attributes": {"Attributes": {
            "ApproximateNumberOfMessages": "1", "QueueArn": "arn:q",
            "Policy": '{"Statement": [{"Sid": "ByHand"}, {"Sid": "NoNewJobsDuringTeardown"}]}',
        }},
        "get_parameters": {"Parameters": []},
    })  # fmt: skip
    with pytest.raises(RefusalError, match=r"this is not over: 1 message in jobs\.fifo"):
        draining.drain(account, PLACES, "arn:role", 0, abandon=False)
    closed, opened = (one["Policy"] for one in account.written)
    assert closed.count("NoNewJobsDuringTeardown") == 1
    assert '"aws:PrincipalArn": "arn:role"' in closed
    assert opened == '{"Statement": [{"Sid": "ByHand"}]}'


def test_what_is_not_over_in_time_can_be_given_up() -> None:
    answers = {
        "get_queue_url": {"QueueUrl": "u"},
        "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "1", "QueueArn": "arn:q"}},
        "get_parameters": {"Parameters": []},
    }
    account = Account(answers)
    assert draining.drain(account, PLACES, "arn:role", 0, abandon=True)
    assert len(account.written) == 1, "the queue stays closed: it goes next"
