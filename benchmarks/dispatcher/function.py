"""The function by itself: its archive and layer as they are deployed, in a process of its own, in front of the stub."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.tamma.archive import build_layer, flat_sources, zip_bytes
from tamma_local.layout import REPOSITORY

_HERE = Path(__file__).parent
# The runtime's boto3 is the emulator's, with its bytecode, as Lambda's image has it.
_PYTHON = REPOSITORY / ".venv-cloud" / "bin" / "python"
_PIPELINE = {"task_definition": "bench", "container": "worker", "strategy": [], "on_demand_strategy": []}
_ENVIRONMENT = {
    "CLUSTER": "bench",
    "PIPELINES": json.dumps({"audio-clean": _PIPELINE}),
    "SUBNET_NAMES": '["a", "b"]',
    "SECURITY_GROUP_NAME": "bench",
    "ASSIGN_PUBLIC_IP": "DISABLED",
    "JOBS_QUEUE": "bench.fifo",
    "DEAD_LETTER_QUEUE": "bench-dlq.fifo",
    "TASK_EVENTS_QUEUE": "bench-events",
    "SUPABASE_URL_PARAMETER": "/bench/url",
    "SUPABASE_SERVICE_KEY_PARAMETER": "/bench/key",
    "LEASE_SECONDS": "120",
    "START_LEASE_SECONDS": "600",
    "RUN_TASK_RATE": "1000",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    # Lambda's disk is read-only: what is not compiled stays so.
    "PYTHONDONTWRITEBYTECODE": "1",
}


def unpack(folder: Path) -> None:
    """Lay out the archive and the layer as a sandbox has them; a second layer has no bytecode, for comparison."""
    lambda_folder = REPOSITORY / "files" / "lambda"
    code = zip_bytes(flat_sources([str(lambda_folder / "dispatcher"), str(lambda_folder / "shared")]))
    version = f"3.{sys.version_info.minor}"
    layer = build_layer(lambda_folder / "requirements.txt", version, "x86_64")
    zipfile.ZipFile(io.BytesIO(code)).extractall(folder / "code")
    archive = zipfile.ZipFile(io.BytesIO(layer))
    archive.extractall(folder / "layer")
    archive.extractall(folder / "plain", [name for name in archive.namelist() if not name.endswith(".pyc")])


@contextlib.contextmanager
def stub(run_task_milliseconds: int) -> Iterator[str]:
    """Run the stub; yields its URL."""
    command = [sys.executable, str(_HERE / "stub.py"), str(run_task_milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101 for mypy: it is a pipe
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.communicate("")


def live(folder: Path, layer: str, url: str, batches: int) -> dict[str, float]:
    """Run one sandbox from its start through some batches; returns what `sandbox.py` measured."""
    path = os.pathsep.join(str(part) for part in (folder / "code", folder / layer / "python"))
    environment = _ENVIRONMENT | {"PATH": os.environ["PATH"], "PYTHONPATH": path, "AWS_ENDPOINT_URL": url}
    command = [str(_PYTHON), str(_HERE / "sandbox.py"), str(batches)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The sandbox ended with {done.returncode}: {done.stderr[-2000:]}")
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values
