"""Quotas and zones as the preflight judges them; no emulator has Service Quotas."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import StubbedAws

_ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]
_OWN = {"vpcs": "tamma-dev-vpc", "addresses": "tamma-dev-nat-us-east-1a"}
_OPTIONS = {
    "title": "tamma-dev", "wanted_region": "us-east-1", "zones": _ZONES, "jobs_at_once": 4, "worker_vcpus": 1,
    "own_names": list(_OWN.values()), "spot_share": 0.75, "gpu_instance_type": "g5.xlarge",
    "nat_gateways": 1,
}  # fmt: skip
_CODES = {
    "spot": ("fargate", "L-36FBB829"), "on_demand": ("fargate", "L-3032A538"), "interfaces": ("vpc", "L-DF5E4CA3"),
    "gpu": ("ec2", "L-DB2E81BA"), "networks": ("vpc", "L-F678F1CE"), "addresses": ("ec2", "L-0263D0A3"),
}  # fmt: skip
_PLENTY = dict.fromkeys(_CODES, 5000.0)


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


def _zones(aws: StubbedAws, names: list[str] = _ZONES) -> None:
    answer = {"AvailabilityZones": [{"ZoneName": name} for name in names]}
    aws.answers("ec2", "describe_availability_zones", answer)


def _account(aws: StubbedAws, values: dict[str, float], *, gpu: bool = False, others: int = 0) -> None:
    """Script an account with these quotas, one VPC and one address of the stack, and `others` of somebody else."""
    _zones(aws)
    for name, (service, code) in _CODES.items():
        if name == "gpu" and not gpu:
            continue
        answer = {"Quota": {"Value": values[name]}}
        aws.answers("service-quotas", "get_service_quota", answer, ServiceCode=service, QuotaCode=code)
    if gpu:
        answer = {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 4}}]}
        aws.answers("ec2", "describe_instance_types", answer, InstanceTypes=["g5.xlarge"])
    for kind, name in _OWN.items():
        # Ours may be about to be adopted: then it has no more than its name.
        called = [[{"Key": "Name", "Value": name}], [{"Key": "Project", "Value": "tamma"}], []]
        items = [{"Tags": tags} for tags in called[: 1 + others]]
        aws.answers("ec2", f"describe_{kind}", {kind.capitalize(): items})


def _verdicts(result: Any) -> list[str]:
    return [it["verdict"] for it in result["quotas"]]


def test_an_account_with_room_is_fine(aws: StubbedAws) -> None:
    _account(aws, _PLENTY, gpu=True)
    outcome = aws.run("preflight_info", {**_OPTIONS, "gpu_instances": 2}, check=True)
    assert not outcome.failed
    assert _verdicts(outcome.result) == ["ok"] * 6
    assert outcome.writes == []
    needed = {it["name"]: it["needed"] for it in outcome.result["quotas"]}
    assert needed["Fargate Spot vCPUs"] == 3
    assert needed["Fargate on-demand vCPUs"] == 1
    assert needed["vCPUs of running on-demand G and VT instances"] == 8


@pytest.mark.parametrize(
    ("changed", "others", "sentence"),
    [
        ({"gpu": 0}, 0, "quota is 0, and 2 g5.xlarge at once (preflight_gpu_instances) need 8; ask AWS for more"),
        ({"on_demand": 0}, 0, "Fargate on-demand vCPUs: the quota is 0, and 4 jobs at once"),
        ({"addresses": 2}, 2, "Elastic IP addresses: the quota is 2, others use 2, and the addresses of NAT gateways"),
        ({"networks": 2}, 2, "VPCs in the region: the quota is 2, others use 2, and this stack's own VPC"),
    ],
)  # fmt: skip
def test_a_quota_that_lets_nothing_start_is_refused(
    aws: StubbedAws, changed: dict[str, float], others: int, sentence: str
) -> None:
    _account(aws, {**_PLENTY, **changed}, gpu=True, others=others)
    outcome = aws.run("preflight_info", {**_OPTIONS, "gpu_instances": 2})
    assert outcome.failed
    assert sentence in outcome.message


def test_own_resources_do_not_count_against_the_stack(aws: StubbedAws) -> None:
    _account(aws, {**_PLENTY, "networks": 1, "addresses": 1})
    assert not aws.run("preflight_info", _OPTIONS).failed


def test_every_quota_that_is_too_small_is_told_at_once(aws: StubbedAws) -> None:
    _account(aws, {**_PLENTY, "spot": 0, "on_demand": 0.5})
    outcome = aws.run("preflight_info", _OPTIONS)
    assert outcome.failed
    assert outcome.message.count("the quota is") == 2


def test_a_quota_that_holds_some_of_the_jobs_is_a_warning(aws: StubbedAws) -> None:
    _account(aws, {**_PLENTY, "spot": 6})
    outcome = aws.run("preflight_info", {**_OPTIONS, "jobs_at_once": 20})
    assert not outcome.failed
    assert _verdicts(outcome.result)[0] == "low"
    (warning,) = outcome.result["warnings"]
    assert "Fargate Spot vCPUs: the quota is 6, and 20 jobs at once (preflight_jobs_at_once) need 15" in str(warning)


def test_a_quota_that_nobody_changed_is_the_default_of_aws(aws: StubbedAws) -> None:
    _zones(aws)
    for name in ("on_demand", "interfaces", "networks"):
        service, code = _CODES[name]
        aws.refuses("service-quotas", "get_service_quota", "NoSuchResourceException")
        answer = {"Quota": {"Value": 7.0}}
        aws.answers("service-quotas", "get_aws_default_service_quota", answer, ServiceCode=service, QuotaCode=code)
    aws.answers("ec2", "describe_vpcs", {"Vpcs": []})
    outcome = aws.run("preflight_info", {**_OPTIONS, "spot_share": 0, "nat_gateways": 0})
    assert [it["value"] for it in outcome.result["quotas"]] == [7.0] * 3


def test_quotas_that_may_not_be_read_are_no_reason_to_refuse(aws: StubbedAws) -> None:
    _zones(aws)
    aws.refuses("service-quotas", "get_service_quota", "AccessDeniedException", "not you")
    outcome = aws.run("preflight_info", _OPTIONS)
    assert not outcome.failed
    assert "Quotas: could not be read: GetServiceQuota was refused with AccessDeniedException" in "\n".join(
        outcome.result["report"]
    )


def test_a_region_without_three_zones_is_refused(aws: StubbedAws) -> None:
    _zones(aws, ["us-east-1a", "us-east-1c"])
    outcome = aws.run("preflight_info", _OPTIONS)
    assert outcome.failed
    assert "us-east-1 has no us-east-1b for this account, it has us-east-1a, us-east-1c; choose" in outcome.message


def test_requests_to_another_region_are_refused(aws: StubbedAws) -> None:
    outcome = aws.run("preflight_info", {**_OPTIONS, "wanted_region": "eu-west-1"})
    assert outcome.failed
    assert "naming_region is eu-west-1 and requests go to us-east-1" in outcome.message


def test_without_the_page_only_the_facts_are_returned(aws: StubbedAws) -> None:
    _account(aws, _PLENTY)
    outcome = aws.run("preflight_info", {**_OPTIONS, "show": False})
    assert "report" not in outcome.result
    assert len(_verdicts(outcome.result)) == 5
