"""A stack that Terraform made is taken over: what adopt.yml says is what site.yml does, and nothing is made twice."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def _account(folder: Path) -> Iterator[Adopting]:
    """Run an empty cloud with an inventory of its own for a while."""
    inventory = folder / "inventory"
    shutil.copytree(REPOSITORY / "inventories" / "local", inventory)
    with site(folder) as running:
        running.inventory = str(inventory)
        yield Adopting(running, inventory / "group_vars" / "all" / "adopted.yml")


@pytest.fixture(scope="module")
def adopting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopting]:
    """Return an account with the old stack and its standard queues."""
    with _account(tmp_path_factory.mktemp("adopt")) as account:
        old_stack.make(account.site, fifo=False)
        yield account


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
    for words in (
        "SQS queue tamma-dev-jobs (0 messages): tamma-dev-jobs.fifo is made beside it, because a standard queue",
        "Lambda function tamma-dev-trigger-clean: trigger-audio-clean is made beside it",
        "IAM role tamma-dev-lambda-trigger-ecs-role: tamma-dev-dispatcher-role is made beside it",
    ):
        assert words in adopted.output
    assert "NAT gateway tamma-dev-vpc-us-east-1b\n" not in adopted.output, "There is one gateway alone."
    names = adopting.variables["naming_adopted_names"]
    assert names["private_route_tables"] == ["tamma-dev-vpc-private"] * 3
    assert "dispatcher_function" not in names
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
    assert _held(adopting.site) == before
    parameter = adopting.site.aws("ssm").get_parameter(Name="/tamma/dev/supabase_url")["Parameter"]
    assert (parameter["Type"], parameter["Version"]) == ("SecureString", 2), "It was made anew."


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
    assert sorted(left) == ["tamma-dev-jobs", "tamma-dev-jobs-dlq"]
    functions = [one["FunctionName"] for one in adopting.site.aws("lambda").list_functions()["Functions"]]
    assert functions == [old_stack.FUNCTION]


def test_fifo_queues_and_what_reads_them_are_taken_over(tmp_path: Path) -> None:
    with _account(tmp_path) as account:
        old_stack.make(account.site, fifo=True)
        before, role = _held(account.site), "tamma-dev-lambda-trigger-ecs-role"
        adopted = account.adopt()
        assert adopted.code == 0, adopted.output
        assert "replaced: nothing\n" in adopted.output
        names = account.variables["naming_adopted_names"]
        assert (names["dispatcher_function"], names["dispatcher_role"]) == (old_stack.FUNCTION, role)
        run = account.site.converge()
        assert sorted(run.touched) == sorted(adopted.touched)
        for taken in (("update", "SQS queue", "tamma-dev-jobs.fifo"), ("update", "Lambda function", old_stack.FUNCTION),
                      ("update", "IAM role", role)):  # fmt: skip
            assert taken in run.touched
        assert _held(account.site) == before
        (mapping,) = account.site.aws("lambda").list_event_source_mappings(
            EventSourceArn="arn:aws:sqs:us-east-1:000000000000:tamma-dev-jobs.fifo"
        )["EventSourceMappings"]
        assert mapping["FunctionArn"].endswith(f"{old_stack.FUNCTION}:live")
        assert account.site.converge().last_line == "No changes."
        account.site.teardown()
        assert _held(account.site).foreign == before.foreign
        assert account.site.aws("sqs").list_queues().get("QueueUrls", []) == []


def test_an_account_without_such_a_stack_and_one_with_two_networks_are_told(tmp_path: Path) -> None:
    with _account(tmp_path) as account:
        empty = account.adopt()
        for _ in range(2):
            named = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": old_stack.VPC}]}]
            account.site.aws("ec2").create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=named)
        two = account.adopt()
        other = account.adopt("-e", "naming_account_id=111122223333")
    said = [(run.code, [error["message"] for error in run.plan["errors"]]) for run in (empty, two, other)]
    for (code, messages), words in zip(
        said,
        ("there is nothing to adopt", "2 VPCs are called tamma-dev-vpc", "the inventory names 111122223333"),
        strict=True,
    ):
        assert code != 0
        assert len(messages) == 1
        assert words in messages[0]
    assert not account.file.exists()
