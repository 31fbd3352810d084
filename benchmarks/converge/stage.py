"""What both sides need before the clock runs: an embedded cloud of their own, and archives that are built already."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible.module_utils.tamma.archive import build_layer, flat_sources, layer_hash, store, zip_bytes
from tamma_local.cloud import Cloud, running_cloud
from tamma_local.layout import REPOSITORY, Layout

from plugins.lookup.content_hash import LookupModule

_FUNCTIONS = ("dispatcher", "reconciler")
_IMAGE = ["files/worker/Dockerfile", "files/worker/requirements.txt", "files/worker/src"]


class BenchmarkError(Exception):
    """The benchmark cannot go on; says why."""


@dataclass(frozen=True)
class Inputs:
    """What a converge takes from this machine, as the roles compute it."""

    image_tag: str
    architecture: str
    layer: dict[str, str]
    archives: dict[str, str]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without anything of another AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_TASK_ENGINE": "process"} | changes


@contextlib.contextmanager
def embedded_cloud(folder: Path) -> Iterator[Cloud]:
    """Run an empty embedded cloud on free ports, and leave nothing of it."""
    env = environment(TAMMA_LOCAL_DIR=str(folder))
    command = [sys.executable, "-m", "tamma_local"]
    try:
        up = subprocess.run([*command, "up"], env=env, capture_output=True, text=True, check=False)
        cloud = running_cloud(Layout(folder))
        if cloud is None:
            raise BenchmarkError(f"The embedded cloud did not start: {(up.stdout + up.stderr).strip()}")
        yield cloud
    finally:
        subprocess.run([*command, "down", "--wipe"], env=env, capture_output=True, check=False)


def build_inputs(folder: Path, python_version: str) -> Inputs:
    """Build the archives into a folder: the bytes that the roles deploy."""
    architecture = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    functions = REPOSITORY / "files" / "lambda"
    wanted = (functions / "requirements.txt", python_version, architecture)
    archives = {
        name: str(store(zip_bytes(flat_sources([str(functions / name), str(functions / "shared")])), folder, keep=9))
        for name in _FUNCTIONS
    }
    layer = {"path": str(store(build_layer(*wanted), folder, keep=9)), "hash": layer_hash(*wanted)}
    return Inputs(LookupModule().run(_IMAGE)[0], architecture, layer, archives)


def seen_through(cloud: Cloud, url: str) -> dict[str, object]:
    """Return what `cloud.json` says, with a proxy in the place of the AWS endpoint."""
    return asdict(cloud) | {"aws_endpoint_url": url}


def write_json(path: Path, value: object) -> None:
    """Write a file that its owner alone can read: it may hold keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(value), encoding="utf-8")
