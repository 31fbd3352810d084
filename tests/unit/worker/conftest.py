"""One S3 for the whole run; buckets, row and environment for each test."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.unit.worker.cloud import SERVICE_KEY, FakeSupabase

if TYPE_CHECKING:
    from collections.abc import Iterator

RAW, DERIVED = "tamma-dev-raw", "tamma-dev-derived"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Cloud:
    s3: Any
    supabase: FakeSupabase
    environment: dict[str, str]

    def objects(self) -> set[str]:
        return {item["Key"] for item in self.s3.list_objects_v2(Bucket=DERIVED).get("Contents", [])}

    def unfinished(self) -> list[Any]:
        uploads: list[Any] = self.s3.list_multipart_uploads(Bucket=DERIVED).get("Uploads", [])
        return uploads

    def put(self, data: bytes, key: str = "uploads/talk.wav") -> None:
        self.s3.put_object(Bucket=RAW, Key=key, Body=data)


@pytest.fixture
def cloud(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3", endpoint_url=s3_url, config=config)
    for bucket in (RAW, DERIVED):
        s3.create_bucket(Bucket=bucket)
    with FakeSupabase() as supabase:
        environment = {
            **keys,
            "AWS_ENDPOINT_URL": s3_url,
            "RAW_BUCKET": RAW,
            "DERIVED_BUCKET": DERIVED,
            "SUPABASE_URL": supabase.url,
            "SUPABASE_SERVICE_KEY": SERVICE_KEY,
            "ECS_CONTAINER_METADATA_URI_V4": supabase.url,
            "JOB_ID": "job-1",
            "S3_KEY": "uploads/talk.wav",
            "ATTEMPT": "1",
            "PIPELINE": "audio-clean",
            "PRESET": "podcast",
        }
        yield Cloud(s3, supabase, environment)
    for bucket in (RAW, DERIVED):
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
        s3.delete_bucket(Bucket=bucket)
