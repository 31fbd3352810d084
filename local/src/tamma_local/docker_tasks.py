"""The task containers of this cloud in a Docker engine: stopped with a grace, removed after a crash."""

import logging
import os
import subprocess
from pathlib import Path

from tamma_local.layout import REPOSITORY, Layout, cloud_python

_log = logging.getLogger("tamma_local")

# Beyond the grace: starting Python, and the engine's own work on a busy machine.
_PATIENCE_SECONDS = 20


def stop(layout: Layout, docker_host: str, seconds: int) -> int:
    """Send SIGTERM, and SIGKILL after the grace, to what runs; return how many containers that were."""
    return _run(layout, docker_host, "stop", seconds)


def remove(layout: Layout, docker_host: str) -> int:
    """Remove every container, running or not, and return how many there were."""
    return _run(layout, docker_host, "remove", 0)


def _run(layout: Layout, docker_host: str, action: str, seconds: int) -> int:
    """Have `.venv-cloud` do it, which has a Docker client; an engine that is gone is told in the log alone."""
    argv: list[str | Path] = [
        cloud_python(),
        "-m",
        "tamma_local.emulator.containers",
        action,
        layout.state,
        str(seconds),
    ]
    variables = os.environ | {"DOCKER_HOST": docker_host, "PYTHONPATH": str(REPOSITORY / "local" / "src")}
    try:
        result = subprocess.run(
            argv, env=variables, capture_output=True, text=True, check=False, timeout=seconds + _PATIENCE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("task containers: %s", error)
        return 0
    if result.stderr.strip():
        _log.warning("task containers: %s", result.stderr.strip().splitlines()[-1])
    return int(result.stdout) if result.stdout.strip().isdigit() else 0
