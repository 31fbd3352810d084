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
