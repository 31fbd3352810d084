"""What modules do with resources that people and programs have used: full buckets, pushed images, old versions."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import Outcome, run_module
from tests.contract.emulators import Emulator
from tests.wheels import lock_file


@pytest.fixture(params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest, emulator: Callable[[str], Emulator]) -> Emulator:
    running = emulator(request.param)
    running.reset()
    return running


def _run(aws: Emulator, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
    return run_module(module, options, check=check, connect=aws.recorded_client, recorder=aws.recorder)


def test_a_bucket_is_emptied_of_versions_markers_and_uploads_only_on_request(aws: Emulator) -> None:
    assert _run(aws, "s3_bucket", {"name": "t-full", "versioning": "enabled"}).changed
    s3 = aws.client("s3")
    for body in (b"old", b"new"):
        s3.put_object(Bucket="t-full", Key="a/ü +.wav", Body=body)
    s3.put_object(Bucket="t-full", Key="b", Body=b"x")
    s3.delete_object(Bucket="t-full", Key="b")
    s3.create_multipart_upload(Bucket="t-full", Key="c")
    refused = _run(aws, "s3_bucket", {"name": "t-full", "state": "absent"})
    assert refused.failed
    assert "force_delete: true" in refused.message
    assert len(s3.list_object_versions(Bucket="t-full")["Versions"]) == 3
    preview = _run(aws, "s3_bucket", {"name": "t-full", "state": "absent", "force_delete": True}, check=True)
    assert preview.changed
    assert preview.writes == []
    assert _run(aws, "s3_bucket", {"name": "t-full", "state": "absent", "force_delete": True}).changed
    assert s3.list_buckets()["Buckets"] == []


def test_a_repository_with_images_is_deleted_only_on_request(aws: Emulator) -> None:
    assert _run(aws, "ecr_repository", {"name": "t-worker"}).changed
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 2,
            "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}",
        },
        "layers": [],
    }
    aws.client("ecr").put_image(repositoryName="t-worker", imageManifest=json.dumps(manifest), imageTag="1")
    refused = _run(aws, "ecr_repository", {"name": "t-worker", "state": "absent"})
    assert refused.failed
    assert "force_delete: true" in refused.message
    assert _run(aws, "ecr_repository", {"name": "t-worker", "state": "absent", "force_delete": True}).changed


def test_a_layer_keeps_its_newest_versions_and_names_the_latest(aws: Emulator, tmp_path: Path) -> None:
    for number in range(4):
        lock = lock_file(tmp_path, f"1.{number}", name=f"{number}.txt")
        outcome = _run(aws, "lambda_layer", {"name": "t-layer", "requirements": str(lock), "keep_versions": 2})
        assert outcome.changed, outcome.message
        assert outcome.resource["version"] == number + 1
        assert outcome.resource["layer_version_arn"].endswith(f":layer:t-layer:{number + 1}")
    versions = aws.client("lambda").list_layer_versions(LayerName="t-layer")["LayerVersions"]
    assert sorted(version["Version"] for version in versions) == [3, 4]


def test_a_layer_is_not_built_in_check_mode(aws: Emulator, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"missing @ file:///nowhere/missing-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n")
    options = {"name": "t-layer", "requirements": str(lock)}
    preview = _run(aws, "lambda_layer", options, check=True)
    assert preview.changed
    assert preview.resource["layer_version_arn"] == "(known after apply)"
    built = _run(aws, "lambda_layer", options)
    assert built.failed
    assert "uv could not install lock.txt" in built.message


def _function(aws: Emulator, name: str, code_text: str = "def handler(event, context): return {}", **more: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", code_text)
    aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
        **more,
    )


def test_a_function_can_use_a_published_layer(emulator: Callable[[str], Emulator], tmp_path: Path) -> None:
    aws = emulator("ministack")  # moto runs no function
    aws.reset()
    lock = lock_file(tmp_path, "3.1")
    arn = _run(aws, "lambda_layer", {"name": "t-layer", "requirements": str(lock)}).resource["layer_version_arn"]
    code = (
        "import importlib.metadata, tamma_sample\n"
        "def handler(event, context):\n"
        "    return [tamma_sample.VERSION, importlib.metadata.version('tamma-sample')]\n"
    )
    _function(aws, "t-function", code, Layers=[arn])
    answer = aws.client("lambda").invoke(FunctionName="t-function")
    assert json.loads(answer["Payload"].read()) == ["3.1", "3.1"]


def test_two_mappings_of_one_pair_are_refused(emulator: Callable[[str], Emulator]) -> None:
    aws = emulator("ministack")  # moto refuses the second one, as AWS does
    aws.reset()
    _function(aws, "t-function")
    aws.client("sqs").create_queue(QueueName="t-queue")
    arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:t-queue"
    ids = [
        aws.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="t-function")["UUID"]
        for _ in range(2)
    ]
    outcome = _run(aws, "lambda_event_source_mapping", {"function": "t-function", "queue": "t-queue"})
    assert outcome.failed
    assert "delete all but one" in outcome.message
    assert all(uuid in outcome.message for uuid in ids)


def test_a_secret_is_in_no_output(aws: Emulator) -> None:
    options = {"name": "/t/key", "type": "SecureString", "value": "first-secret"}
    seen = [_run(aws, "ssm_parameter", options, check=True), _run(aws, "ssm_parameter", options)]
    changed = {**options, "value": "second-secret"}
    seen += [_run(aws, "ssm_parameter", changed, check=True), _run(aws, "ssm_parameter", changed)]
    seen += [_run(aws, "ssm_parameter", {"name": "/t/key", "state": "absent"}, check=True)]
    for outcome in seen:
        assert outcome.changed
        assert "-secret" not in json.dumps(outcome.result)
    assert seen[2].before["value"] == "(hidden, current)"
    assert seen[2].after["value"] == "(hidden, new)"
