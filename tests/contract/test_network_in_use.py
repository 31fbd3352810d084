"""What the modules of the network do beside the contract: interrupted runs, AWS's own group, an account with no VPC."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.ansible_modules import Outcome, run_module
from tests.contract.cases import ec2_internet_gateway, ec2_security_group, ec2_subnet, ec2_vpc_net
from tests.contract.emulators import Emulator

CASES = [module.CASE for module in (ec2_vpc_net, ec2_subnet, ec2_internet_gateway, ec2_security_group)]
INSIDE = [case for case in CASES if case.module != "ec2_vpc_net"]
VPC = ec2_security_group.VPC


class Killed(BaseException):
    """The end of a process, as far as a module can see it."""


@pytest.fixture(params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest, emulator: Callable[[str], Emulator]) -> Emulator:
    running = emulator(request.param)
    running.reset()
    return running


def _run(aws: Emulator, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
    return run_module(module, options, check=check, connect=aws.recorded_client, recorder=aws.recorder)


def _killed_after(aws: Emulator, writes: int, module: str, options: Mapping[str, Any]) -> bool:
    """Run a module that ends before its next write after so many; whether it came to that."""
    left = itertools.count(writes, -1)

    def end(model: Any, **_: Any) -> None:
        if not model.name.startswith("Describe") and next(left) == 0:
            raise Killed

    events = aws.recorded_client("ec2").meta.events
    events.register_first("before-call", end)
    try:
        assert not _run(aws, module, options).failed
    except Killed:
        return True
    finally:
        events.unregister("before-call", end)
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.module)
def test_a_run_that_is_killed_after_any_write_is_completed_by_the_next(aws: Emulator, case: Any) -> None:
    # What a flag is by default needs no write.
    options = {**case.present, **{name: value for name, value in case.changed.items() if value is not False}}
    shown = {name: value for name, value in options.items() if f"{name}@{aws.emulator}" not in case.why_not}
    for writes in itertools.count():
        aws.reset()
        if case.parents:
            case.parents(aws)
        killed = _killed_after(aws, writes, case.module, shown)
        if writes:
            ended = _run(aws, case.module, shown)
            assert not ended.failed, ended.message
            again = _run(aws, case.module, shown)
            assert again.result["action"] == "none", f"after {writes} writes: {again.differs or again.message}"
        if not killed:
            assert writes > 1, "one write at most: this test would prove nothing."
            return


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.module)
def test_a_deletion_that_is_killed_after_any_write_is_completed_by_the_next(aws: Emulator, case: Any) -> None:
    shown = {name: value for name, value in case.present.items() if f"{name}@{aws.emulator}" not in case.why_not}
    gone = {**{name: case.present[name] for name in ("name", "vpc") if name in case.present}, "state": "absent"}
    for writes in itertools.count():
        aws.reset()
        if case.parents:
            case.parents(aws)
        assert _run(aws, case.module, shown).changed
        killed = _killed_after(aws, writes, case.module, gone)
        assert _run(aws, case.module, gone).changed is killed
        assert not _run(aws, case.module, gone).changed
        if not killed:
            return


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
