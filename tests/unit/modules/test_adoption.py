"""What an adoption recognises in accounts that no emulator holds, and what counts as somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

import tests.ansible_modules  # noqa: F401 - lets Python find module_utils

# isort: split
from ansible.module_utils.tamma import adopted_network, collisions, holdings
from ansible.module_utils.tamma.ec2 import Vpc
from ansible.module_utils.tamma.errors import RefusalError
from botocore.exceptions import ClientError

MARKS = {"Project": "tamma", "Environment": "dev", "ManagedBy": "ansible"}


class Account:
    """Answers by the name of the operation, whatever service it is of; what is not said is empty."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        empty: dict[str, Any] = {kind.operation: {kind.items: []} for kind in holdings.KINDS}
        self._answers = {**empty, "get_resources": {"ResourceTagMappingList": []}, **answers}
        self.asked: list[str] = []

    def __call__(self, service: str) -> Account:
        del service
        return self

    def can_paginate(self, operation: str) -> bool:
        del operation
        return False

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(build_full_result=getattr(self, operation)))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def answer(**_: Any) -> Any:
            self.asked.append(operation)
            found = self._answers.get(operation)
            if isinstance(found, Exception):
                raise found
            if found is None:
                raise ClientError({"Error": {"Code": "NoSuchEntity"}}, operation)
            return found

        return answer


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _role(tags: Mapping[str, str]) -> Account:
    return Account({"get_role": {"Role": {"RoleName": "r", "Tags": _pairs(tags)}}, "list_role_tags": {"Tags": []}})


@pytest.mark.parametrize(
    ("tags", "ours"),
    [
        (MARKS, True),
        ({"ManagedBy": "ansible"}, True),  # somebody took tags away: drift
        ({**MARKS, "Environment": "prod"}, True),
        ({**MARKS, "Project": "acme"}, False),
        ({**MARKS, "ManagedBy": "terraform"}, False),
        ({"Project": "tamma", "Environment": "dev"}, False),
        ({}, False),
    ],
)
def test_a_thing_is_ours_when_a_tag_says_so_and_none_says_otherwise(tags: dict[str, str], ours: bool) -> None:
    found = collisions.made_by_others(_role(tags), {"iam_role": ["r"]}, MARKS, ())
    assert [collisions.label(thing) for thing in found] == ([] if ours else ["IAM role r"])


def test_what_was_adopted_is_taken_over() -> None:
    assert collisions.made_by_others(_role({}), {"iam_role": ["r"]}, MARKS, ["IAM role r"]) == []


def test_what_does_not_exist_is_nobodys() -> None:
    assert collisions.made_by_others(Account({}), {"iam_role": ["r"], "s3_bucket": ["b"]}, MARKS, ()) == []


def test_the_index_of_tags_spares_the_look_at_each_thing() -> None:
    arns = ("arn:aws:sqs:us-east-1:1:jobs.fifo", "arn:aws:ecs:us-east-1:1:task-definition/clean:7")
    account = Account({"get_resources": {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]}})
    names = {"sqs_queue": ["jobs.fifo"], "ecs_task_definition": ["clean"]}
    assert collisions.made_by_others(account, names, MARKS, ()) == []
    assert account.asked == ["get_resources"]


def test_without_the_right_to_ask_the_index_everything_is_looked_for() -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetResources")
    account = Account({"get_resources": denied, "list_buckets": {"Buckets": [{"Name": "b"}]}, "get_bucket_tagging": {}})
    found = collisions.made_by_others(account, {"s3_bucket": ["b"]}, MARKS, ())
    assert list(map(str, found)) == ["S3 bucket b"]


def _subnet(side: str, zone: str, block: str, name: str | None = None) -> dict[str, Any]:
    called = f"v-{side}-{zone}" if name is None else name
    return {
        "SubnetId": f"subnet-{side}-{zone}-{block}",
        "AvailabilityZone": zone,
        "CidrBlock": block,
        "Tags": _pairs({"Name": called} if called else {}),
    }


def _table(name: str, subnets: list[dict[str, Any]], target: str) -> dict[str, Any]:
    return {
        "Tags": _pairs({"Name": name}),
        "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": target}],
        "Associations": [{"SubnetId": subnet["SubnetId"]} for subnet in subnets],
    }


def _nat(subnet: dict[str, Any], name: str) -> dict[str, Any]:
    return {"SubnetId": subnet["SubnetId"], "State": "available", "Tags": _pairs({"Name": name})}


def _network(public: list[Any], private: list[Any], nats: list[Any], **more: Any) -> adopted_network.Network:
    account = Account({
        "describe_vpcs": {"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]},
        "describe_subnets": {"Subnets": [*private, *public]},
        "describe_route_tables": {
            "RouteTables": [_table("v-public", public, "igw-1"), _table("v-private", private, "local")]
        },
        "describe_nat_gateways": {"NatGateways": nats},
        **more,
    })  # fmt: skip
    return adopted_network.survey(account, Vpc(account, "v"), "worker")


def test_the_zone_of_a_single_gateway_comes_first() -> None:
    public = [_subnet("public", zone, f"10.0.10{index}.0/24") for index, zone in enumerate("abc")]
    private = [_subnet("private", zone, f"10.0.{index}.0/24") for index, zone in enumerate("abc")]
    found = _network(public, private, [_nat(public[1], "v-b")])
    assert found.names["zones"] == ["b", "a", "c"]
    assert found.names["nat_gateways"] == ["v-b", "v-a", "v-c"]
    assert found.names["private_route_tables"] == ["v-private"] * 3
    assert found.variables["network_nat"] == "single"
    assert found.variables["network_private_cidrs"] == ["10.0.1.0/24", "10.0.0.0/24", "10.0.2.0/24"]


def test_several_gateways_are_one_a_zone_and_none_is_the_inventorys_choice() -> None:
    public = [_subnet("public", zone, f"10.0.10{index}.0/24") for index, zone in enumerate("ab")]
    private = [_subnet("private", zone, f"10.0.{index}.0/24") for index, zone in enumerate("ab")]
    both = _network(public, private, [_nat(public[0], "v-a"), _nat(public[1], "v-b")])
    assert both.variables["network_nat"] == "per_az"
    none = _network(public, private, [])
    assert "network_nat" not in none.variables
    assert "nat_gateways" not in none.names


def test_of_several_private_subnets_the_one_that_is_called_so() -> None:
    database = _subnet("private", "a", "10.0.0.0/24", "v-database-a")
    private = _subnet("private", "a", "10.0.9.0/24")
    found = _network([_subnet("public", "a", "10.0.100.0/24")], [database, private], [])
    assert found.names["private_subnets"] == ["v-private-a"]
    assert found.variables["network_private_cidrs"] == ["10.0.9.0/24"]


def test_a_gateway_endpoint_and_the_groups_description_are_kept() -> None:
    endpoints = [
        {"VpcId": "vpc-1", "VpcEndpointType": kind, "ServiceName": f"com.amazonaws.us-east-1.{service}",
         "Tags": _pairs({"Name": f"{service}-{kind}"})}
        for kind, service in (("Interface", "s3"), ("Gateway", "dynamodb"), ("Gateway", "s3"))
    ]  # fmt: skip
    groups = [{"GroupName": name, "Description": f"of {name}"} for name in ("default", "worker")]
    subnets = [_subnet("public", "a", "10.0.100.0/24")], [_subnet("private", "a", "10.0.0.0/24")]
    found = _network(
        *subnets, [],
        describe_vpc_endpoints={"VpcEndpoints": endpoints}, describe_security_groups={"SecurityGroups": groups},
    )  # fmt: skip
    assert found.names["s3_endpoint"] == "s3-Gateway"
    assert found.variables["network_worker_description"] == "of worker"


@pytest.mark.parametrize(
    ("public", "private", "words"),
    [
        ([], [_subnet("private", "a", "10.0.0.0/24")], "no zone of v has both a public and a private subnet"),
        ([_subnet("public", "b", "10.0.1.0/24")], [_subnet("private", "a", "10.0.0.0/24")], "no zone of v has both"),
        (
            [_subnet("public", "a", "10.0.1.0/24", "")],
            [_subnet("private", "a", "10.0.0.0/24")],
            "the subnet subnet-public-a-10.0.1.0/24 has no tag Name",
        ),
    ],
)
def test_a_network_that_cannot_be_worked_with_is_refused(public: list[Any], private: list[Any], words: str) -> None:
    with pytest.raises(RefusalError, match=words):
        _network(public, private, [])


def test_two_vpcs_of_the_name_are_refused() -> None:
    account = Account({"describe_vpcs": {"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]}})
    with pytest.raises(RefusalError, match="2 VPCs are called v"):
        adopted_network.survey(account, Vpc(account, "v"), "worker")
