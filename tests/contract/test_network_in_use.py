"""What the modules of the network do beside the contract: AWS's own group, an account with no VPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.ansible_modules import Outcome, run_module
from tests.contract.cases import ec2_internet_gateway, ec2_security_group, ec2_subnet, ec2_vpc_net
from tests.contract.emulators import Emulator

CASES = [module.CASE for module in (ec2_vpc_net, ec2_subnet, ec2_internet_gateway, ec2_security_group)]
INSIDE = [case for case in CASES if case.module != "ec2_vpc_net"]
VPC = ec2_security_group.VPC


@pytest.fixture(params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest, emulator: Callable[[str], Emulator]) -> Emulator:
    running = emulator(request.param)
    running.reset()
    return running


def _run(aws: Emulator, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
    return run_module(module, options, check=check, connect=aws.recorded_client, recorder=aws.recorder)


@pytest.mark.parametrize("case", INSIDE, ids=lambda case: case.module)
@pytest.mark.parametrize("check", [True, False])
def test_deletion_without_a_vpc_is_quiet(aws: Emulator, case: Any, check: bool) -> None:
    gone = {"name": case.present["name"], "vpc": VPC, "state": "absent"}
    outcome = _run(aws, case.module, gone, check=check)
    assert outcome.result.get("action") == "none", outcome.message


def test_the_default_group_is_emptied_and_kept_empty(aws: Emulator) -> None:
    options = {"name": "default", "vpc": VPC, "ingress": [], "egress": [], "tags": {"Project": "tamma"}}
    preview = _run(aws, "ec2_security_group", options, check=True)
    assert preview.result["action"] == "update"
    assert preview.before["ingress"] == [{"protocol": "all", "security_group": "default"}]
    assert preview.before["egress"] == [{"protocol": "all", "cidr": "0.0.0.0/0"}]
    assert _run(aws, "ec2_vpc_net", {"name": VPC, "cidr_block": "10.20.0.0/16"}).changed
    first = _run(aws, "ec2_security_group", options)
    assert first.result["action"] == "update", first.message
    # Neither emulator lets the group's own members in, as AWS does from the beginning.
    assert first.differs == preview.differs - {"ingress"} == {"egress", "tags"}
    assert not _run(aws, "ec2_security_group", options).changed
    ec2 = aws.client("ec2")
    group = first.resource["id"]
    itself = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[itself])
    report = _run(aws, "ec2_security_group", options, check=True)
    assert report.before["ingress"] == [{"protocol": "all", "security_group": "default"}]
    assert _run(aws, "ec2_security_group", options).changed
    assert not _run(aws, "ec2_security_group", options).changed
    assert _run(aws, "ec2_vpc_net", {"name": VPC, "state": "absent"}).changed


def test_reads_of_a_silent_run(aws: Emulator) -> None:
    """Each kind is read with the fewest calls that EC2 allows; DNS attributes come one a call."""
    expected = {"ec2_vpc_net": 3, "ec2_subnet": 2, "ec2_internet_gateway": 2, "ec2_security_group": 2}
    for case in CASES:
        shown = {name: value for name, value in case.present.items() if f"{name}@{aws.emulator}" not in case.why_not}
        aws.reset()
        if case.parents:
            case.parents(aws)
        _run(aws, case.module, shown)
        assert len(_run(aws, case.module, shown).calls) == expected[case.module]


def test_interfaces_that_are_left_go_and_those_of_others_stay(aws: Emulator) -> None:
    assert _run(aws, "ec2_vpc_net", {"name": VPC, "cidr_block": "10.20.0.0/16"}).changed
    ec2, interfaces = aws.client("ec2"), []
    for vpc in (ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [VPC]}])["Vpcs"][0], _other_vpc(ec2)):
        block = vpc["CidrBlock"].replace("/16", "/24")
        subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock=block)["Subnet"]["SubnetId"]
        for description in ("ECS task", "", "of somebody"):
            made = ec2.create_network_interface(SubnetId=subnet, Description=description)["NetworkInterface"]
            interfaces.append(made["NetworkInterfaceId"])
    ec2.create_tags(Resources=[interfaces[2]], Tags=[{"Key": "Owner", "Value": "somebody"}])
    options = {"vpc": VPC, "state": "absent"}
    preview = _run(aws, "ec2_stray_interfaces", options, check=True)
    assert preview.writes == []
    assert preview.before["ids"] == interfaces[:2]
    assert _run(aws, "ec2_stray_interfaces", options).changed
    assert not _run(aws, "ec2_stray_interfaces", options).changed
    left = [one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]]
    assert [one for one in interfaces if one in left] == interfaces[2:]
    for interface in interfaces[2:]:
        ec2.delete_network_interface(NetworkInterfaceId=interface)


def _other_vpc(ec2: Any) -> dict[str, Any]:
    found: dict[str, Any] = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]
    return found
