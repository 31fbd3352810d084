"""A used stack is torn down beside another environment and things of others, which stay as they are, byte for byte."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e import used_stack
from tests.e2e.interruptions import Account
from tests.e2e.site import Run, Site, site

_PLAYBOOK = "playbooks/teardown.yml"
_CONFIRMED = ("-e", "teardown_confirm=tamma-dev")
_DATA = ("-e", "storage_delete_objects=true")
# An environment whose names begin like those of dev; its schedule leaves its logs alone while the account is compared.
_OTHER = ("-e", json.dumps({"naming_environment": "dev-eu", "events_sweep_schedule": "rate(9 days)"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teardown")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Site]:
    with site(folder) as running:
        yield running


@pytest.fixture(scope="module")
def others(running: Site, folder: Path) -> Account:
    """Return what the account holds before there is a stack of dev."""
    running.converge(*_OTHER)
    used_stack.live_with_others(running)
    return Account(running, folder)


@pytest.fixture(scope="module")
def used(running: Site, others: Account) -> Site:
    del others
    running.converge()
    used_stack.use(running)
    used_stack.leave_jobs(running)
    return running


def _refused(run: Run) -> str:
    """Return the sentence of a run that was refused before it wrote anything."""
    assert run.code != 0, run.output
    assert run.writes == []
    (error,) = run.plan["errors"]
    return str(error["message"])


def test_a_protected_stack_needs_a_second_word(used: Site) -> None:
    run = used.run(*_CONFIRMED, *_DATA, "-e", "teardown_protected=true", playbook=_PLAYBOOK)
    assert "add -e teardown_unprotect=tamma-dev" in _refused(run)


def test_all_reasons_are_told_at_once(used: Site) -> None:
    ec2, ecs = used.aws("ec2"), used.aws("ecs")
    vpc, subnet = used_stack.network(used)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_tags(Resources=[interface], Tags=[{"Key": "Owner", "Value": "somebody"}])
    extra = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.250.0/24")["Subnet"]["SubnetId"]
    ecs.create_service(
        cluster="tamma-dev-cluster", serviceName="by-hand", taskDefinition="tamma-dev-audio-clean", desiredCount=0
    )
    message = _refused(used.run(*_CONFIRMED, playbook=_PLAYBOOK))
    for words in (
        f"that this project did not make: ECS service by-hand, subnet {extra}, network interface {interface}",
        "S3 bucket tamma-dev-raw (3 versions of objects, 9 bytes, 1 delete marker)",
        "S3 bucket tamma-dev-derived (1 unfinished upload)",
        "-e storage_delete_objects=true",
        "1 message in tamma-dev-jobs.fifo, 1 unfinished job in the database (half-done), 1 message in tamma-dev-jobs-",
        "-e teardown_drain_minutes=30, or give them up with -e teardown_abandon_jobs=true",
    ):
        assert words in message
    ecs.delete_service(cluster="tamma-dev-cluster", service="by-hand", force=True)
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=extra)


def test_what_has_our_name_and_not_our_tags_is_not_touched(used: Site) -> None:
    sqs, s3 = used.aws("sqs"), used.aws("s3")
    url = sqs.get_queue_url(QueueName="tamma-dev-jobs.fifo")["QueueUrl"]
    sqs.untag_queue(QueueUrl=url, TagKeys=["Project"])
    s3.delete_bucket_tagging(Bucket="tamma-dev-raw")
    message = _refused(used.run(*_CONFIRMED, *_DATA, "-e", "teardown_adopt=tamma-dev-raw", playbook=_PLAYBOOK))
    assert message.startswith("SQS queue tamma-dev-jobs.fifo has a name of this stack and not its tags")
    assert "-e teardown_adopt=tamma-dev-jobs.fifo" in message
    assert "tamma-dev-raw" not in message
    sqs.tag_queue(QueueUrl=url, Tags={"Project": "tamma"})


def test_the_preview_tells_what_goes_and_that_it_would_be_refused(used: Site) -> None:
    run = used.run(*_CONFIRMED, "-e", "teardown_adopt=tamma-dev-raw", "--check", playbook=_PLAYBOOK)
    assert "There is data that nobody can bring back" in _refused(run)
    assert run.plan["counts"] == {"create": 0, "update": 0, "delete": 61, "none": 2}
    for line in (
        "- delete  S3 bucket tamma-dev-raw\n      with 3 versions of objects, 9 bytes, 1 delete marker",
        "- delete  S3 bucket tamma-dev-derived\n      with 1 unfinished upload",
        "- delete  ECR repository tamma-dev-audio-clean\n      with 1 image",
        "- delete  ECS task definition tamma-dev-audio-clean\n      with 4 revisions",
        "- delete  SQS queue tamma-dev-jobs.fifo\n      with 1 message",
        "- delete  IAM user tamma-presign\n      with 2 access keys",
        "- delete  Lambda layer tamma-dev-python\n      with 2 versions",
        "- delete  CloudWatch log group /aws/ecs/containerinsights/tamma-dev-cluster/performance",
        "- delete  Network interfaces left in tamma-dev-vpc\n      with eni-",
    ):
        assert line in run.output


def test_when_the_time_is_up_jobs_are_taken_again(used: Site) -> None:
    sqs = used.aws("sqs")
    used_stack.take_all(sqs, "tamma-dev-jobs-dlq.fifo")
    wishes = ("-e", "teardown_adopt=tamma-dev-raw", "-e", "teardown_drain_minutes=0.02")
    run = used.run(*_CONFIRMED, *_DATA, *wishes, playbook=_PLAYBOOK)
    assert run.code != 0
    assert "after 0.02 minutes this is not over: 1 message in tamma-dev-jobs.fifo" in run.plan["errors"][0]["message"]
    assert [write.partition("(")[0] for write in run.writes] == ["sqs:SetQueueAttributes"] * 2
    assert _policy(sqs) == {}


def test_nothing_of_it_is_left_and_nothing_else_is_touched(used: Site, others: Account) -> None:
    """The jobs end while the teardown waits, and meanwhile no new one is taken."""
    keys = used.aws("iam").list_access_keys(UserName="tamma-presign")["AccessKeyMetadata"]
    used.aws("iam").delete_access_key(UserName="tamma-presign", AccessKeyId=keys[0]["AccessKeyId"])
    key = used.aws("iam").create_access_key(UserName="tamma-presign")["AccessKey"]
    front_end = used.aws("sqs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    refused: list[str] = []
    worker = threading.Thread(target=_end_jobs, args=(used, front_end, refused))
    worker.start()
    run = used.teardown("-e", "teardown_adopt=tamma-dev-raw", "-e", "teardown_drain_minutes=5")
    worker.join()
    assert refused == ["AccessDenied"]
    assert run.last_line == "Applied: 0 created, 0 updated, 61 deleted."
    others.assert_unchanged()


def _end_jobs(used: Site, front_end: Any, refused: list[str]) -> None:
    sqs = used.aws("sqs")
    while not _policy(sqs):
        time.sleep(0.1)
    try:
        used_stack.send(front_end, "tamma-dev-jobs.fifo")
    except ClientError as error:
        refused.append(error.response["Error"]["Code"].rpartition(".")[2].removesuffix("Exception"))
    used_stack.take_all(sqs, "tamma-dev-jobs.fifo")
    used_stack.rest(used.cloud, "DELETE", f"jobs?job_id=eq.{used_stack.ROW}")


def _policy(sqs: Any) -> Any:
    url = sqs.get_queue_url(QueueName="tamma-dev-jobs.fifo")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    return json.loads(found.get("Policy") or "{}")


def test_again_it_is_silent(used: Site) -> None:
    run = used.teardown()
    assert run.last_line == "No changes."
    assert run.writes == []
