"""The whole system, brought up once for the session by the demo itself, on the session's cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tamma_local.cloud import Cloud
from tamma_local.layout import REPOSITORY, Layout

from tests.e2e import recordings
from tests.e2e.local_stack import Client
from tests.e2e.pipeline import Demo, Pipeline, Row, new_id

# A first converge is 70 s of work for one core; this leaves room for machines that are busy with other things.
_DEMO_SECONDS = 600


def run_demo(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tamma_demo` on the session's cloud, as `make demo` does; its output is one stream."""
    variables = {
        "TAMMA_LOCAL_DIR": str(state),
        "PYTHONPATH": f"{REPOSITORY / 'local/src'}:{REPOSITORY / 'files/worker/src'}",
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "tamma_demo", *arguments], env=os.environ | variables, cwd=REPOSITORY, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_DEMO_SECONDS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def stack(cloud: Cloud, cloud_state: Path, aws: Client, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return the whole system as the demo leaves it: converged, with its worker image and the front end's key.

    The demo runs the playbooks that deploy to AWS. Converging is by far the longest part of this session, so that
    neither the demo nor the rest of the tests do it a second time.
    """
    folder = tmp_path_factory.mktemp("demo")
    recording = recordings.GOOD["mp3"](folder)
    ran = run_demo(cloud_state, "--file", str(recording), "--output", str(folder / "output"))
    key_file = Layout(cloud_state).presign_key_file
    assert key_file.is_file(), f"The demo did not converge the stack (exit code {ran.returncode}):\n{ran.stdout}"
    settings: dict[str, Any] = json.loads(key_file.read_text())
    return Pipeline(cloud, aws, settings, Demo(ran.returncode, ran.stdout, folder / "output"))


@pytest.fixture(scope="session")
def late_upload(stack: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Row:
    """Send a job whose recording comes only after its first attempt; return the row as it was in between.

    The minute until its second attempt passes while other tests run: they ask for this fixture for that reason alone.
    """
    recording = recordings.GOOD["wav"](tmp_path_factory.mktemp("late"))
    job_id = new_id("late-upload")
    stack.front_end.submit(job_id, f"{stack.settings['upload_prefix']}{job_id}/{recording.name}")
    row = stack.reached(job_id, lambda row: row.get("status") == "retrying", "the wait for the upload")
    stack.front_end.upload(recording, job_id, lambda _count: None)
    return row
