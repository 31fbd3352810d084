"""A stack that Terraform made is taken over: what adopt.yml says is what site.yml does, and nothing is made twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tamma_local.layout import REPOSITORY

from tests.e2e import old_stack
from tests.e2e.site import Run, Site, site

_ADOPT = "playbooks/adopt.yml"


@dataclass(frozen=True)
class Adopting:
    """An account with the old stack, and an inventory of its own that is written to."""

    site: Site
    file: Path
    fifo: bool

    def adopt(self, *arguments: str) -> Run:
        return self.site.run(*arguments, playbook=_ADOPT)

    @property
    def variables(self) -> Any:
        return yaml.safe_load(self.file.read_text())


@dataclass(frozen=True)
class Held:
    """The old stack's ids, data, and what is not ours."""

    ids: dict[str, list[str]]
    objects: list[Any]
    foreign: list[Any]


@pytest.fixture(scope="module", params=["standard", "fifo"])
def adopting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopting]:
    folder = tmp_path_factory.mktemp(f"adopt-{request.param}")
    inventory = folder / "inventory"
    shutil.copytree(REPOSITORY / "inventories" / "local", inventory)
    with site(folder) as running:
        running.inventory = str(inventory)
        fifo = request.param == "fifo"
        old_stack.make(running, fifo=fifo)
        yield Adopting(running, inventory / "group_vars" / "all" / "adopted.yml", fifo)


@pytest.fixture(scope="module")
def before(adopting: Adopting) -> Held:
    return _held(adopting.site)


def _held(running: Site) -> Held:
    ec2, s3 = running.aws("ec2"), running.aws("s3")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [old_stack.VPC]}])["Vpcs"]
    mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"] for vpc in vpcs] or ["none"]}]
    alive = [*mine, {"Name": "state", "Values": ["available"]}]
    ids = {
        "vpcs": [vpc["VpcId"] for vpc in vpcs],
        "subnets": [one["SubnetId"] for one in ec2.describe_subnets(Filters=mine)["Subnets"]],
        "tables": [one["RouteTableId"] for one in ec2.describe_route_tables(Filters=mine)["RouteTables"]],
        "nats": [one["NatGatewayId"] for one in ec2.describe_nat_gateways(Filter=alive)["NatGateways"]],
        "addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "groups": [one["GroupId"] for one in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]],
        "buckets": [one["Name"] for one in s3.list_buckets()["Buckets"]],
        "repositories": [one["repositoryArn"] for one in running.aws("ecr").describe_repositories()["repositories"]],
        "clusters": running.aws("ecs").list_clusters()["clusterArns"],
        "templates": [one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]],
    }
    objects = [
        (bucket, one["Key"], one["ETag"])
        for bucket in ids["buckets"]
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    ]
    return Held({kind: sorted(found) for kind, found in ids.items()}, objects, _foreign(running))


def _foreign(running: Site) -> list[Any]:
    ssm = running.aws("ssm")
    return [
        (
            ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"],
            ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"],
        )
        for name in old_stack.FOREIGN_PARAMETERS
    ]


def test_without_an_adoption_nothing_is_taken_over(adopting: Adopting) -> None:
    for arguments in (("--check",), ()):
        run = adopting.site.run(*arguments)
        assert run.code != 0
        assert run.writes == []
        (error,) = run.plan["errors"]
        for thing in ("S3 bucket tamma-dev-raw", "VPC tamma-dev-vpc", "ECR repository tamma-dev-audio-clean",
                      "ECS cluster tamma-dev-cluster", "IAM role tamma-dev-ecs-task-execution-role"):  # fmt: skip
            assert f"{thing} " in error["message"]
        assert "Take it over with playbooks/adopt.yml" in error["message"]
        for foreign in old_stack.FOREIGN_PARAMETERS:
            assert foreign not in error["message"]


def test_a_teardown_does_not_touch_it(adopting: Adopting) -> None:
    run = adopting.site.run(
        *("-e", "teardown_confirm=tamma-dev", "-e", "storage_delete_objects=true"), playbook="playbooks/teardown.yml"
    )
    assert run.code != 0
    assert run.writes == []
    assert "VPC tamma-dev-vpc" in run.plan["errors"][0]["message"]


def test_a_preview_of_the_adoption_writes_nothing_at_all(adopting: Adopting, before: Held) -> None:
    run = adopting.adopt("--check", "--diff")
    assert run.code == 0, run.output
    assert run.writes == []
    assert not adopting.file.exists()
    assert "+  internet_gateway: tamma-dev-vpc" in run.output
    assert _held(adopting.site) == before


@pytest.fixture(scope="module")
def adopted(adopting: Adopting, before: Held) -> Run:
    del before
    return adopting.adopt()


def test_the_report_says_what_becomes_of_it(adopting: Adopting, adopted: Run) -> None:
    assert adopted.code == 0, adopted.output
    assert adopted.writes == []
    for line in (
        "  S3 bucket tamma-dev-raw\n",
        "  private subnet tamma-dev-vpc-private-us-east-1c\n",
        "  SSM parameter /tamma/dev/openai_api_key: it is not part of this stack",
        "  ECS service tamma-dev-audio-clean (no task): jobs need no service",
    ):
        assert line in adopted.output
    queue = "SQS queue tamma-dev-jobs (0 messages): tamma-dev-jobs.fifo is made beside it, because a standard queue"
    function = "Lambda function tamma-dev-trigger-clean: trigger-audio-clean is made beside it"
    assert (queue in adopted.output, function in adopted.output) == (not adopting.fifo, not adopting.fifo)
    assert ("\n  SQS queue tamma-dev-jobs.fifo\n" in adopted.output) is adopting.fifo
    names = adopting.variables["naming_adopted_names"]
    assert names["private_route_tables"] == ["tamma-dev-vpc-private"] * 3
    assert names.get("dispatcher_function") == (old_stack.FUNCTION if adopting.fifo else None)
    assert adopting.variables["network_private_cidrs"] == list(old_stack.PRIVATE)


def test_a_second_adoption_writes_the_same(adopting: Adopting, adopted: Run) -> None:
    text = adopting.file.read_text()
    assert adopting.adopt().plan["roles"] == adopted.plan["roles"]
    assert adopting.file.read_text() == text


@pytest.fixture(scope="module")
def preview(adopting: Adopting, adopted: Run) -> Run:
    del adopted
    return adopting.site.preview()


def test_the_preview_of_the_site_is_what_the_adoption_said(adopted: Run, preview: Run) -> None:
    assert sorted(preview.changes, key=json.dumps) == sorted(adopted.changes, key=json.dumps)
    assert adopted.last_line == preview.last_line
    for kind in ("VPC", "Subnet", "S3 bucket", "ECR repository", "ECS cluster", "NAT gateway", "Internet gateway"):
        assert [name for action, of, name in preview.touched if of == kind and action != "update"] == []


def test_the_site_takes_it_over_and_makes_nothing_twice(adopting: Adopting, preview: Run, before: Held) -> None:
    run = adopting.site.converge()
    assert sorted(run.touched) == sorted(preview.touched)
    held = _held(adopting.site)
    assert held == before


def test_then_it_is_silent(adopting: Adopting) -> None:
    for run in (adopting.site.converge(), adopting.site.preview()):
        assert run.last_line == "No changes."
        assert run.writes == []


def test_an_adoption_after_it_keeps_the_names(adopting: Adopting) -> None:
    text = adopting.file.read_text()
    run = adopting.adopt()
    assert run.code == 0, run.output
    assert run.last_line == "No changes."
    assert adopting.file.read_text() == text


def test_a_teardown_leaves_what_is_foreign(adopting: Adopting, before: Held) -> None:
    confirmed = ("-e", "teardown_confirm=tamma-dev")
    run = adopting.site.run(*confirmed, playbook="playbooks/teardown.yml")
    assert "There is data that nobody can bring back" in run.plan["errors"][0]["message"]
    assert run.writes == []
    adopting.site.teardown()
    assert adopting.site.teardown().last_line == "No changes."
    held = _held(adopting.site)
    assert held.foreign == before.foreign
    assert held.ids == {kind: [] for kind in held.ids}
    left = [url.rpartition("/")[2] for url in adopting.site.aws("sqs").list_queues().get("QueueUrls", [])]
    assert sorted(left) == ([] if adopting.fifo else ["tamma-dev-jobs", "tamma-dev-jobs-dlq"])
