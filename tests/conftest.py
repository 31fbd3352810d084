"""Fixtures of every test that needs the embedded cloud: one cloud for the whole session, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tamma_local.cloud import Cloud, running_cloud
from tamma_local.layout import REPOSITORY, Layout

# A start takes two seconds; on a busy machine with an empty bytecode cache it may take many times that.
_COMMAND_SECONDS = 120


def local_cloud(state: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tamma_local` on a state folder and return what it said."""
    values = os.environ | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_LOCAL_DIR": str(state)} | environment
    return subprocess.run(
        [sys.executable, "-m", "tamma_local", *arguments],
        env=values, text=True, capture_output=True, timeout=_COMMAND_SECONDS, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def cloud_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state folder of the session's cloud."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def cloud(cloud_state: Path) -> Iterator[Cloud]:
    """Return the running cloud, as its `cloud.json` describes it; tasks run as processes."""
    started = local_cloud(cloud_state, "up", TAMMA_TASK_ENGINE="process")
    assert started.returncode == 0, started.stdout + started.stderr
    running = running_cloud(Layout(cloud_state))
    assert running is not None
    try:
        yield running
    finally:
        stopped = local_cloud(cloud_state, "down")
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr


def aws_client(cloud: Cloud, service: str, **credentials: str) -> Any:
    """Return a boto3 client of a service of the cloud, signing with version 4 as AWS demands; root by default."""
    keys = {"aws_access_key_id": cloud.access_key_id, "aws_secret_access_key": cloud.secret_access_key} | credentials
    config = Config(signature_version="s3v4" if service == "s3" else "v4", retries={"max_attempts": 1})
    # boto3's stubs know the services by literal names alone.
    make: Any = boto3.client
    return make(service, endpoint_url=cloud.aws_endpoint_url, region_name=cloud.region, config=config, **keys)


@pytest.fixture(scope="session")
def aws(cloud: Cloud) -> Callable[..., Any]:
    """Return a function from a service's name to its client; credentials other than root's go by boto3's names."""

    def client(service: str, **credentials: str) -> Any:
        return aws_client(cloud, service, **credentials)

    return client
